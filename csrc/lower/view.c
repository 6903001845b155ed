/* csrc/lower/view.c -- see view.h; the arithmetic is in view_factor.c, here are the nodes. */
#include "lower/view.h"

#include <stdlib.h>
#include <string.h>

#include "lower/shape.h"
#include "lower/view_factor.h"

/* ---- facts about geometries ----------------------------------------------------------------- */

bool
toffee_geometry_equal(const toffee_geometry *a, const toffee_geometry *b)
{
    if (a->rank != b->rank || a->offset != b->offset) {
        return false;
    }
    for (int32_t i = 0; i < a->rank; i++) {
        if (a->sizes[i] != b->sizes[i] || (a->sizes[i] != 1 && a->strides[i] != b->strides[i])) {
            return false;
        }
    }
    return true;
}

bool
toffee_geometry_inside(const toffee_geometry *root, const toffee_geometry *view)
{
    toffee_view_frame frame;

    return toffee_view_frame_make(root, view, &frame);
}

bool
toffee_geometry_may_overlap(const toffee_geometry *view)
{
    for (int32_t d = 0; d < view->rank; d++) {
        uint64_t stride = (uint64_t)llabs(view->strides[d]);
        uint64_t reach = 0; /* of what lies within one step of D */

        for (int32_t e = 0; e < view->rank; e++) {
            uint64_t inner = (uint64_t)llabs(view->strides[e]);

            if (e != d && view->sizes[e] > 1 && (inner < stride || (inner == stride && e < d))) {
                reach += (uint64_t)(view->sizes[e] - 1) * inner;
            }
        }
        if (view->sizes[d] > 1 && reach >= stride) {
            return true;
        }
    }
    return false;
}

bool
toffee_geometry_covers(const toffee_geometry *root, const toffee_geometry *view)
{
    toffee_view_frame frame;
    bool taken[TOFFEE_MAX_RANK] = {false};
    int64_t covered = 1;

    if (!toffee_view_frame_make(root, view, &frame) || toffee_geometry_numel(view) != frame.numel ||
        frame.offset != 0) {
        return false;
    }
    /* Strides that count through every number once are a chain: 1, then the size inside, … */
    for (int32_t n = 0; n < view->rank; n++) {
        int32_t next = 0;

        while (next < view->rank &&
               (taken[next] || view->sizes[next] == 1 || frame.view_strides[next] != covered)) {
            next++;
        }
        if (next == view->rank) {
            break;
        }
        taken[next] = true;
        covered *= view->sizes[next];
    }
    return covered == frame.numel || frame.numel == 0;
}

static toffee_code
view_frame(const toffee_geometry *root, const toffee_geometry *view, toffee_view_frame *frame,
           toffee_status *st)
{
    if (toffee_view_frame_make(root, view, frame)) {
        return TOFFEE_OK;
    }
    return toffee_fail(st, TOFFEE_ERR_UNSUPPORTED,
                       "a view of %d dimensions from element %lld on is not made of whole steps "
                       "through the tensor whose memory it shares (%d dimensions); a clone() of "
                       "that tensor before the view helps",
                       (int)view->rank, (long long)(view->offset - root->offset), (int)root->rank);
}

/* ---- the root as axes, and back ------------------------------------------------------------- */

/* The root's dims in memory order. */
static void
root_memory_dims(const toffee_geometry *root, const toffee_view_frame *frame, int64_t *dims)
{
    for (int32_t i = 0; i < root->rank; i++) {
        dims[i] = root->sizes[frame->memory_perm[i]];
    }
}

/* ROOT_VALUE with the axes of PLAN. */
static toffee_code
root_to_axes(toffee_lowering *lo, toffee_value *root_value, const toffee_view_frame *frame,
             const toffee_view_plan *plan, toffee_value **out, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK + 1];

    *out = root_value;
    if (plan->direct) {
        return TOFFEE_OK;
    }
    for (int32_t i = 0; i < plan->n_axes; i++) {
        dims[i] = plan->axes[i].size;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, root_value, frame->memory_perm, out, st));
    return toffee_fit(lo, *out, dims, plan->n_axes, out, st);
}

static toffee_code
root_from_axes(toffee_lowering *lo, toffee_value *value, const toffee_geometry *root,
               const toffee_view_frame *frame, const toffee_view_plan *plan, toffee_value **out,
               toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t inverse[TOFFEE_MAX_RANK];

    *out = value;
    if (plan->direct) {
        return TOFFEE_OK;
    }
    root_memory_dims(root, frame, dims);
    for (int32_t i = 0; i < root->rank; i++) {
        inverse[frame->memory_perm[i]] = i;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, value, dims, root->rank, out, st));
    return toffee_transpose(lo, *out, inverse, out, st);
}

/* ---- one axis ------------------------------------------------------------------------------- */

/* Which elements of AXIS the view takes, in its order: int64 of the dims of the view that walk
 * there, or flat with one element a row. *INDICES (may be NULL) points to them, in scratch. */
static toffee_code
axis_indices(toffee_lowering *lo, const toffee_view_plan *plan, int32_t axis,
             const toffee_geometry *view, bool as_rows, const int64_t **indices, toffee_value **out,
             toffee_status *st)
{
    const toffee_view_axis *on = &plan->axes[axis];
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t steps[TOFFEE_MAX_RANK];
    int64_t at[TOFFEE_MAX_RANK] = {0};
    int64_t *ints = NULL;
    int64_t index = on->start;
    int32_t rank = 0;

    for (int32_t d = 0; d < view->rank; d++) {
        if (plan->axis_of[d] == axis) {
            dims[rank] = view->sizes[d];
            steps[rank++] = plan->step_of[d];
        }
    }
    if (on->count < 0 || on->count > INT32_MAX) {
        return toffee_fail(st, TOFFEE_ERR_LIMIT,
                           "a view needs an index of more than 2**31 numbers");
    }
    ints = toffee_arena_calloc(lo->scratch, (size_t)on->count, sizeof(*ints));
    if (ints == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int64_t i = 0; i < on->count; i++) {
        ints[i] = index;
        for (int32_t d = rank - 1; d >= 0; d--) {
            index += steps[d];
            if (++at[d] < dims[d]) {
                break;
            }
            index -= steps[d] * dims[d];
            at[d] = 0;
        }
    }
    if (indices != NULL) {
        *indices = ints;
    }
    if (as_rows) {
        dims[0] = on->count;
        dims[1] = 1;
        rank = 2;
    }
    return toffee_const_tensor(lo, TOFFEE_DTYPE_INT64, dims, rank, ints, out, st);
}

static toffee_range
axis_range(const toffee_view_axis *on, int32_t axis)
{
    return (toffee_range){axis, on->start, on->count, on->step};
}

/* ---- reading -------------------------------------------------------------------------------- */

/* VALUE, which has the axes of PLAN, cut down to what the view takes. ORDER gets the view's
 * dimension behind each dimension of *OUT, or -1 where that has size 1 and is none. */
static toffee_code
axes_take(toffee_lowering *lo, const toffee_view_plan *plan, const toffee_geometry *view,
          toffee_value *value, int32_t *order, int32_t *n_order, toffee_value **out,
          toffee_status *st)
{
    toffee_range ranges[TOFFEE_MAX_RANK + 1];
    size_t n_ranges = 0;
    int32_t n_selected = 0;

    for (int32_t i = 0; i < plan->n_axes; i++) {
        n_selected += plan->axes[i].n_dims == 0 && plan->axes[i].size > 1;
    }
    for (int32_t i = 0; i < plan->n_axes; i++) {
        const toffee_view_axis *axis = &plan->axes[i];

        /* One axis that goes away is a Gather; several are a Slice and a Squeeze. */
        if (axis->n_dims <= 1 && (axis->n_dims == 1 || n_selected > 1)) {
            ranges[n_ranges++] = axis_range(axis, i);
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, value, ranges, n_ranges, &value, st));
    for (int32_t i = plan->n_axes - 1; i >= 0; i--) {
        const toffee_view_axis *axis = &plan->axes[i];
        toffee_value *indices = NULL;

        if (axis->n_dims > 1) {
            TOFFEE_RETURN_IF_ERROR(axis_indices(lo, plan, i, view, false, NULL, &indices, st));
            TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, value, i, indices, &value, st));
        }
        else if (axis->n_dims == 0 && axis->size > 1 && n_selected == 1) {
            TOFFEE_RETURN_IF_ERROR(toffee_select(lo, value, i, axis->start, &value, st));
        }
    }
    *n_order = 0;
    for (int32_t i = 0; i < plan->n_axes; i++) {
        const toffee_view_axis *axis = &plan->axes[i];

        if (axis->n_dims == 0 && (axis->size == 1 || n_selected > 1)) {
            order[(*n_order)++] = -1;
        }
        for (int32_t d = 0; axis->n_dims != 0 && d < view->rank; d++) {
            if (plan->axis_of[d] == i) {
                order[(*n_order)++] = d;
            }
        }
    }
    *out = value;
    return TOFFEE_OK;
}

/* VALUE, whose dimensions belong to those of the view that ORDER says, with these in rising order
 * and with a 1 for each that is missing. */
static toffee_code
axes_arrange(toffee_lowering *lo, toffee_value *value, const int32_t *order, int32_t n_order,
             const toffee_geometry *view, const toffee_view_plan *plan, toffee_value **out,
             toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t gone[TOFFEE_MAX_RANK + 1];
    int64_t perm[TOFFEE_MAX_RANK] = {0};
    int32_t kept[TOFFEE_MAX_RANK];
    size_t n_gone = 0;
    int32_t n = 0;
    bool rising = true;

    for (int32_t i = 0; i < n_order; i++) {
        if (order[i] < 0) {
            gone[n_gone++] = i;
            continue;
        }
        rising = rising && (n == 0 || kept[n - 1] < order[i]);
        kept[n++] = order[i];
    }
    for (int32_t d = 0; d < view->rank; d++) {
        dims[d] = plan->axis_of[d] < 0 ? 1 : view->sizes[d];
    }
    if (!rising) {
        for (int32_t i = 0; i < n; i++) {
            int32_t place = 0;

            for (int32_t j = 0; j < n; j++) {
                place += kept[j] < kept[i];
            }
            perm[place] = i;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_squeeze(lo, value, gone, n_gone, &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, value, perm, &value, st));
    }
    return toffee_fit(lo, value, dims, view->rank, out, st);
}

toffee_code
toffee_view_read(toffee_lowering *lo, toffee_value *root_value, const toffee_geometry *root,
                 const toffee_geometry *view, toffee_value **out, toffee_status *st)
{
    toffee_view_frame frame;
    toffee_view_plan plan;
    int32_t order[TOFFEE_MAX_RANK + 1];
    int32_t n_order = 0;
    toffee_value *value = NULL;

    *out = NULL;
    TOFFEE_RETURN_IF_ERROR(view_frame(root, view, &frame, st));
    if (toffee_geometry_numel(view) == 0) {
        return toffee_const_empty(lo, root_value->type.dtype, view->sizes, view->rank, out, st);
    }
    toffee_view_plan_make(root, view, &frame, false, &plan);
    TOFFEE_RETURN_IF_ERROR(root_to_axes(lo, root_value, &frame, &plan, &value, st));
    TOFFEE_RETURN_IF_ERROR(axes_take(lo, &plan, view, value, order, &n_order, &value, st));
    TOFFEE_RETURN_IF_ERROR(axes_arrange(lo, value, order, n_order, view, &plan, &value, st));
    return toffee_expand(lo, value, view->sizes, view->rank, out, st);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* NEW_VALUE, which has the view's dims, with the axes of PLAN; those that no dimension walks have
 * size 1. */
static toffee_code
block_to_axes(toffee_lowering *lo, const toffee_view_plan *plan, const toffee_geometry *view,
              toffee_value *new_value, toffee_value **out, toffee_status *st)
{
    int64_t gone[TOFFEE_MAX_RANK];
    int64_t dims[TOFFEE_MAX_RANK + 1];
    int64_t place[TOFFEE_MAX_RANK];
    int64_t perm[TOFFEE_MAX_RANK];
    int32_t order[TOFFEE_MAX_RANK];
    size_t n_gone = 0;
    int32_t n = 0;
    bool moved = false;

    for (int32_t d = 0, kept = 0; d < view->rank; d++) {
        if (plan->axis_of[d] < 0) {
            gone[n_gone++] = d;
        }
        else {
            place[d] = kept++;
        }
    }
    for (int32_t i = 0; i < plan->n_axes; i++) {
        dims[i] = plan->axes[i].count;
        for (int32_t d = 0; d < view->rank; d++) {
            if (plan->axis_of[d] == i) {
                order[n++] = d;
            }
        }
    }
    for (int32_t i = 0; i < n; i++) {
        perm[i] = place[order[i]];
        moved = moved || perm[i] != i;
    }
    if (moved) {
        TOFFEE_RETURN_IF_ERROR(toffee_squeeze(lo, new_value, gone, n_gone, &new_value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, new_value, perm, &new_value, st));
    }
    return toffee_fit(lo, new_value, dims, plan->n_axes, out, st);
}

/* BASE with INNER in place of the range that the view takes on AXIS. */
static toffee_code
axis_splice(toffee_lowering *lo, const toffee_view_axis *on, int32_t axis, toffee_value *base,
            toffee_value *inner, toffee_value **out, toffee_status *st)
{
    toffee_value *parts[3] = {NULL};
    int64_t after = on->start + on->count;
    size_t n = 0;

    if (on->start > 0) {
        const toffee_range range = {axis, 0, on->start, 1};

        TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, base, &range, 1, &parts[n++], st));
    }
    parts[n++] = inner;
    if (after < on->size) {
        const toffee_range range = {axis, after, on->size - after, 1};

        TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, base, &range, 1, &parts[n++], st));
    }
    return toffee_concat(lo, parts, n, axis, out, st);
}

static int
index_order(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* Whether an index comes twice. */
static toffee_code
indices_repeat(toffee_lowering *lo, const int64_t *indices, int64_t n, bool *repeat,
               toffee_status *st)
{
    int64_t *sorted = toffee_arena_calloc(lo->scratch, (size_t)n, sizeof(*sorted));

    *repeat = false;
    if (sorted == NULL) {
        return toffee_fail_nomem(st);
    }
    memcpy(sorted, indices, (size_t)n * sizeof(*sorted));
    qsort(sorted, (size_t)n, sizeof(*sorted), index_order);
    for (int64_t i = 1; i < n && !*repeat; i++) {
        *repeat = sorted[i] == sorted[i - 1];
    }
    return TOFFEE_OK;
}

static toffee_code
view_overlaps(toffee_status *st)
{
    return toffee_fail(st, TOFFEE_ERR_UNSUPPORTED,
                       "writing through a view in which several elements share one place in "
                       "memory; clone() the view first");
}

/* BASE with INNER in place of the elements that the view takes on AXIS, whichever they are:
 * ScatterND, which wants the axis in front. */
static toffee_code
axis_scatter(toffee_lowering *lo, const toffee_view_plan *plan, int32_t axis,
             const toffee_geometry *view, toffee_value *base, toffee_value *inner,
             toffee_value **out, toffee_status *st)
{
    const toffee_view_axis *on = &plan->axes[axis];
    int64_t front[TOFFEE_MAX_RANK + 1];
    int64_t back[TOFFEE_MAX_RANK + 1];
    const int64_t *ints = NULL;
    toffee_value *indices = NULL;
    bool repeat = false;

    TOFFEE_RETURN_IF_ERROR(axis_indices(lo, plan, axis, view, true, &ints, &indices, st));
    TOFFEE_RETURN_IF_ERROR(indices_repeat(lo, ints, on->count, &repeat, st));
    if (repeat) {
        return view_overlaps(st);
    }
    for (int32_t i = 0; i < plan->n_axes; i++) {
        front[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
        back[i] = i == axis ? 0 : i < axis ? i + 1 : i;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, base, front, &base, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, inner, front, &inner, st));
    TOFFEE_RETURN_IF_ERROR(toffee_scatter(lo, "ScatterND", base, indices, inner, NULL, 0, out, st));
    return toffee_transpose(lo, *out, back, out, st);
}

/* BASE with BLOCK written where the view's part of the axes from FIRST on is. The part that is left
 * alone on an outer axis is never touched: the inner ones are written into a cut of BASE. */
static toffee_code
axes_put(toffee_lowering *lo, const toffee_view_plan *plan, int32_t first,
         const toffee_geometry *view, toffee_value *base, toffee_value *block, toffee_value **out,
         toffee_status *st)
{
    const toffee_view_axis *on = NULL;
    toffee_value *part = base;
    toffee_value *indices = NULL;
    int32_t next = 0;

    while (first < plan->n_axes && !toffee_view_axis_restricted(&plan->axes[first])) {
        first++;
    }
    if (first == plan->n_axes) {
        *out = block;
        return TOFFEE_OK;
    }
    on = &plan->axes[first];
    next = first + 1;
    while (next < plan->n_axes && !toffee_view_axis_restricted(&plan->axes[next])) {
        next++;
    }
    if (next < plan->n_axes) {
        if (on->n_dims <= 1) {
            const toffee_range range = axis_range(on, first);

            TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, base, &range, 1, &part, st));
        }
        else {
            int64_t dims[TOFFEE_MAX_RANK + 1];

            TOFFEE_RETURN_IF_ERROR(axis_indices(lo, plan, first, view, false, NULL, &indices, st));
            TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, base, first, indices, &part, st));
            toffee_value_dims(base, dims);
            dims[first] = on->count;
            TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, part, dims, plan->n_axes, &part, st));
        }
        TOFFEE_RETURN_IF_ERROR(axes_put(lo, plan, next, view, part, block, &block, st));
    }
    if (on->n_dims <= 1 && on->step == 1) {
        return axis_splice(lo, on, first, base, block, out, st);
    }
    return axis_scatter(lo, plan, first, view, base, block, out, st);
}

toffee_code
toffee_view_write(toffee_lowering *lo, toffee_value *root_value, const toffee_geometry *root,
                  const toffee_geometry *view, toffee_value *new_value, toffee_value **out,
                  toffee_status *st)
{
    toffee_view_frame frame;
    toffee_view_plan plan;
    toffee_value *base = NULL;
    toffee_value *block = NULL;
    bool is_plain = false;

    *out = NULL;
    TOFFEE_RETURN_IF_ERROR(view_frame(root, view, &frame, st));
    is_plain = lo->is_twin && toffee_view_plan_plain(root, view, &frame, &plan);
    if (toffee_geometry_numel(view) == 0 && !is_plain) {
        *out = root_value;
        return TOFFEE_OK;
    }
    for (int32_t d = 0; d < view->rank; d++) {
        if (view->sizes[d] > 1 && frame.view_strides[d] == 0) {
            return view_overlaps(st);
        }
    }
    if (!is_plain) {
        toffee_view_plan_make(root, view, &frame, true, &plan);
    }
    TOFFEE_RETURN_IF_ERROR(block_to_axes(lo, &plan, view, new_value, &block, st));
    for (int32_t i = 0; i < plan.n_axes && base == NULL; i++) {
        if (toffee_view_axis_restricted(&plan.axes[i])) {
            TOFFEE_RETURN_IF_ERROR(root_to_axes(lo, root_value, &frame, &plan, &base, st));
        }
    }
    TOFFEE_RETURN_IF_ERROR(axes_put(lo, &plan, 0, view, base, block, &block, st));
    return root_from_axes(lo, block, root, &frame, &plan, out, st);
}
