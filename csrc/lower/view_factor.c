/* csrc/lower/view_factor.c -- see view_factor.h. */
#include "lower/view_factor.h"

#include <string.h>

int64_t
toffee_geometry_numel(const toffee_geometry *geometry)
{
    int64_t n = 1;

    for (int32_t i = 0; i < geometry->rank; i++) {
        if (geometry->sizes[i] < 0) {
            return -1;
        }
        if (geometry->sizes[i] == 0) {
            return 0;
        }
    }
    for (int32_t i = 0; i < geometry->rank; i++) {
        if (__builtin_mul_overflow(n, geometry->sizes[i], &n)) {
            return -1;
        }
    }
    return n;
}

/* ---- frames --------------------------------------------------------------------------------- */

/* Dimensions of the root that are neighbours in memory without a gap between them, as one. */
typedef struct {
    int64_t size;
    int64_t stride; /* in memory */
    int64_t dense;  /* if there were no gaps */
} frame_run;

/* Writes to ORDER the dimensions of size over 1, by falling stride. */
static int32_t
geometry_order(const toffee_geometry *geometry, int32_t *order)
{
    int32_t n = 0;

    for (int32_t i = 0; i < geometry->rank; i++) {
        int32_t at = n;

        if (geometry->sizes[i] <= 1) {
            continue;
        }
        for (; at > 0 && geometry->strides[order[at - 1]] < geometry->strides[i]; at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
        n++;
    }
    return n;
}

/* The runs of the root, innermost first; -1 if elements overlap or numbers are out of range. */
static int32_t
frame_runs(const toffee_geometry *root, const int32_t *order, int32_t n, frame_run *runs)
{
    int32_t n_runs = 0;
    int64_t extent = 1; /* of what lies inside, from its first element to past its last */
    int64_t dense = 1;

    for (int32_t i = n - 1; i >= 0; i--) {
        int64_t size = root->sizes[order[i]];
        int64_t stride = root->strides[order[i]];
        frame_run *inner = n_runs != 0 ? &runs[n_runs - 1] : NULL;
        int64_t grown = 0;

        if (stride < extent || __builtin_mul_overflow(size - 1, stride, &grown) ||
            __builtin_add_overflow(grown, extent, &extent)) {
            return -1;
        }
        if (inner != NULL && stride == inner->stride * inner->size) {
            inner->size *= size;
        }
        else {
            runs[n_runs++] = (frame_run){.size = size, .stride = stride, .dense = dense};
        }
        dense *= size;
    }
    return n_runs;
}

/* DISTANCE in the root's memory, without the gaps; -1 if it does not consist of whole steps. Adds
 * TIMES the steps in each run to REACH (may be NULL), and answers -1 where that leaves the run. */
static int64_t
frame_distance(const frame_run *runs, int32_t n_runs, int64_t distance, int64_t times,
               int64_t *reach)
{
    int64_t dense = 0;

    if (distance < 0) {
        return -1;
    }
    for (int32_t i = n_runs - 1; i >= 0; i--) {
        int64_t steps = distance / runs[i].stride;
        int64_t walked = 0;

        distance %= runs[i].stride;
        /* The outermost steps are held against REACH, or belong to a dimension of size 1. */
        if (steps >= runs[i].size && i != n_runs - 1) {
            return -1;
        }
        if (reach != NULL) {
            if (__builtin_mul_overflow(steps, times, &walked) ||
                __builtin_add_overflow(walked, reach[i], &walked) || walked >= runs[i].size) {
                return -1;
            }
            reach[i] = walked;
        }
        if (__builtin_mul_overflow(steps, runs[i].dense, &walked) ||
            __builtin_add_overflow(walked, dense, &dense)) {
            return -1;
        }
    }
    return distance == 0 ? dense : -1;
}

bool
toffee_view_frame_make(const toffee_geometry *root, const toffee_geometry *view,
                       toffee_view_frame *frame)
{
    frame_run runs[TOFFEE_MAX_RANK];
    int64_t reach[TOFFEE_MAX_RANK] = {0};
    int32_t order[TOFFEE_MAX_RANK];
    int32_t n_long = geometry_order(root, order);
    int32_t n_runs = 0;
    int32_t at = 0;
    int64_t view_numel = toffee_geometry_numel(view);

    frame->numel = toffee_geometry_numel(root);
    if (frame->numel < 0 || view_numel < 0) {
        return false;
    }
    frame->offset = 0;
    /* Dimensions of size 1 keep their places: their order in memory means nothing. */
    for (int32_t i = 0; i < root->rank; i++) {
        frame->memory_perm[i] = root->sizes[i] > 1 ? order[at++] : i;
        frame->root_strides[i] = -1;
    }
    for (int32_t i = 0; i < view->rank; i++) {
        frame->view_strides[i] = -1;
    }
    if (view_numel == 0) {
        return true;
    }
    n_runs = frame->numel != 0 ? frame_runs(root, order, n_long, runs) : -1;
    if (n_runs < 0 || __builtin_sub_overflow(view->offset, root->offset, &frame->offset)) {
        return false;
    }
    frame->offset = frame_distance(runs, n_runs, frame->offset, 1, reach);
    if (frame->offset < 0) {
        return false;
    }
    for (int32_t i = 0; i < view->rank; i++) {
        bool walks = view->sizes[i] > 1;

        frame->view_strides[i] = frame_distance(runs, n_runs, view->strides[i], view->sizes[i] - 1,
                                                walks ? reach : NULL);
        if (walks && frame->view_strides[i] < 0) {
            return false;
        }
    }
    for (int32_t i = 0; i < root->rank; i++) {
        frame->root_strides[i] = frame_distance(runs, n_runs, root->strides[i], 0, NULL);
    }
    return true;
}

/* ---- plans ---------------------------------------------------------------------------------- */

/* 62 halvings bring the largest size to 1, so a longer chain does not exist. */
#define CHAIN_MAX 64

typedef struct {
    int64_t cuts[CHAIN_MAX]; /* falling; the first is the number of elements, the last is 1 */
    int32_t n;
} cut_chain;

typedef enum {
    CUTS_NONE,
    CUTS_OF_ROOT,
    CUTS_OF_VIEW,
    CUTS_OF_ONES,    /* strides of the view's dimensions of size 1 */
    CUTS_OF_DIVISORS /* what strides of the view have in common with the whole: for steps over 1 */
} cut_source;

#define N_SOURCES 4
/* Which cuts are tried, in which order: earlier ones may exclude later ones. */
static const cut_source chain_recipes[][N_SOURCES] = {
    {CUTS_OF_ROOT},
    {CUTS_OF_VIEW},
    {CUTS_OF_VIEW, CUTS_OF_ONES},
    {CUTS_OF_ROOT, CUTS_OF_VIEW, CUTS_OF_DIVISORS},
    {CUTS_OF_VIEW, CUTS_OF_DIVISORS, CUTS_OF_ROOT},
    {CUTS_OF_DIVISORS, CUTS_OF_ROOT},
};

/* Whether CUT is of use, in the sense of the header. */
static bool
cut_fits(const toffee_view_frame *frame, const toffee_geometry *view, int64_t cut)
{
    int64_t reach = frame->offset % cut;

    for (int32_t i = 0; i < view->rank; i++) {
        int64_t stride = frame->view_strides[i];

        if (view->sizes[i] == 1) {
            continue;
        }
        if (stride < cut) {
            reach += stride * (view->sizes[i] - 1); /* stays below numel: the view is inside */
        }
        else if (stride % cut != 0) {
            return false;
        }
    }
    return reach < cut && frame->numel % cut == 0;
}

static void
chain_add(cut_chain *chain, const toffee_view_frame *frame, const toffee_geometry *view,
          int64_t cut)
{
    int32_t at = 1;

    if (cut <= 1 || cut >= frame->numel || chain->n == CHAIN_MAX || !cut_fits(frame, view, cut)) {
        return;
    }
    while (chain->cuts[at] > cut) {
        at++;
    }
    if (chain->cuts[at] == cut || chain->cuts[at - 1] % cut != 0 || cut % chain->cuts[at] != 0) {
        return;
    }
    memmove(&chain->cuts[at + 1], &chain->cuts[at],
            (size_t)(chain->n - at) * sizeof(chain->cuts[0]));
    chain->cuts[at] = cut;
    chain->n++;
}

static int64_t
common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static void
chain_add_source(cut_chain *chain, const toffee_geometry *root, const toffee_geometry *view,
                 const toffee_view_frame *frame, cut_source source)
{
    const toffee_geometry *of = source == CUTS_OF_ROOT ? root : view;
    const int64_t *strides = source == CUTS_OF_ROOT ? frame->root_strides : frame->view_strides;

    for (int32_t i = 0; i < of->rank; i++) {
        int64_t stride = strides[i];

        if (stride <= 0 || (of->sizes[i] == 1) != (source == CUTS_OF_ONES)) {
            continue;
        }
        chain_add(chain, frame, view,
                  source == CUTS_OF_DIVISORS ? common_divisor(frame->numel, stride) : stride);
    }
}

static void
plan_add_axis(toffee_view_plan *plan, int64_t size, int64_t stride)
{
    plan->axes[plan->n_axes++] =
        (toffee_view_axis){.size = size, .stride = stride, .step = 1, .count = 1, .dim = -1};
}

/* Puts dimension DIM of the view on AXIS. */
static void
plan_walk(toffee_view_plan *plan, int32_t axis, int32_t dim, int64_t size, int64_t step)
{
    toffee_view_axis *on = &plan->axes[axis];

    plan->axis_of[dim] = axis;
    plan->step_of[dim] = step;
    on->dim = on->n_dims == 0 ? dim : on->dim;
    on->step = on->n_dims == 0 ? step : 1;
    on->n_dims++;
    if (__builtin_mul_overflow(on->count, size, &on->count)) {
        on->count = -1; /* overlapping elements: more of them than can be counted */
    }
}

/* Finds the axis of each dimension of the view. The axes are there; every cut between them fits. */
static void
plan_place(toffee_view_plan *plan, const toffee_geometry *view, const toffee_view_frame *frame)
{
    for (int32_t i = 0; i < plan->n_axes; i++) {
        toffee_view_axis *axis = &plan->axes[i];

        axis->start = axis->size > 1 ? frame->offset / axis->stride % axis->size : 0;
    }
    for (int32_t d = 0; d < view->rank; d++) {
        int64_t stride = frame->view_strides[d];

        plan->axis_of[d] = -1;
        if (view->sizes[d] == 1 || stride <= 0) {
            continue;
        }
        for (int32_t i = 0; i < plan->n_axes; i++) {
            const toffee_view_axis *axis = &plan->axes[i];

            if (axis->size > 1 && stride >= axis->stride && stride / axis->stride < axis->size) {
                plan_walk(plan, i, d, view->sizes[d], stride / axis->stride);
                break;
            }
        }
    }
    /* What is left of size 1 stays on an axis of its own stride, so that x[:, 2:3] is one slice. */
    for (int32_t d = 0; d < view->rank; d++) {
        for (int32_t i = 0; view->sizes[d] == 1 && i < plan->n_axes; i++) {
            if (plan->axes[i].n_dims == 0 && plan->axes[i].stride == frame->view_strides[d]) {
                plan_walk(plan, i, d, 1, 1);
                break;
            }
        }
    }
}

/* Axes that are the root's own dimensions; false if a cut between them does not fit. */
static bool
plan_direct(toffee_view_plan *plan, const toffee_geometry *root, const toffee_geometry *view,
            const toffee_view_frame *frame)
{
    plan->direct = true;
    plan->n_axes = 0;
    for (int32_t i = 0; i < root->rank; i++) {
        if (root->sizes[i] > 1 && !cut_fits(frame, view, frame->root_strides[i])) {
            return false;
        }
        plan_add_axis(plan, root->sizes[i], frame->root_strides[i]);
    }
    plan_place(plan, view, frame);
    return true;
}

static void
plan_refined(toffee_view_plan *plan, const toffee_geometry *root, const toffee_geometry *view,
             const toffee_view_frame *frame, const cut_source *sources)
{
    cut_chain chain = {.cuts = {frame->numel, 1}, .n = frame->numel > 1 ? 2 : 1};
    bool batch_of_one =
        root->rank > 0 && view->rank > 0 && root->sizes[0] == 1 && view->sizes[0] == 1;

    for (int32_t i = 0; i < N_SOURCES && sources[i] != CUTS_NONE; i++) {
        chain_add_source(&chain, root, view, frame, sources[i]);
    }
    plan->direct = false;
    plan->n_axes = 0;
    /* A leading 1 is most likely a batch, and stays in place for the sake of other batches. */
    if (batch_of_one) {
        plan_add_axis(plan, 1, frame->view_strides[0]);
    }
    for (int32_t i = 1; i < chain.n; i++) {
        plan_add_axis(plan, chain.cuts[i - 1] / chain.cuts[i], chain.cuts[i]);
    }
    plan_place(plan, view, frame);
}

/* Roughly, nodes. A constant index depends on every size, so it comes last. */
static int
plan_cost(const toffee_view_plan *plan, const toffee_geometry *view, bool writing)
{
    int cost = plan->direct ? 0 : 2;

    for (int32_t i = 0; i < plan->n_axes; i++) {
        const toffee_view_axis *axis = &plan->axes[i];

        if (axis->n_dims > 1) {
            cost += 20;
        }
        else if (axis->n_dims == 0) {
            cost += axis->size > 1 ? 2 : 0;
        }
        else if (axis->count != axis->size) {
            cost += writing && axis->step != 1 ? 6 : 1;
        }
    }
    for (int32_t d = 0; d < view->rank; d++) {
        cost += plan->axis_of[d] < 0 && view->sizes[d] == 1 ? 1 : 0;
    }
    return cost;
}

/* The plan for an empty part of one dimension of the root; false for any other view. */
static bool
plan_empty(toffee_view_plan *plan, const toffee_geometry *root, const toffee_geometry *view)
{
    int32_t cut = -1;

    if (view->rank != root->rank) {
        return false;
    }
    plan->direct = true;
    plan->n_axes = 0;
    for (int32_t i = 0; i < root->rank; i++) {
        int64_t stride = root->strides[i];

        if (view->sizes[i] != root->sizes[i] && (cut >= 0 || view->sizes[i] != 0)) {
            return false;
        }
        plan_add_axis(plan, root->sizes[i], stride);
        plan_walk(plan, i, i, view->sizes[i], 1);
        if (view->sizes[i] != root->sizes[i]) {
            cut = i;
            if (stride <= 0 || view->strides[i] % stride != 0) {
                return false;
            }
            plan->axes[i].start = (view->offset - root->offset) / stride;
            plan->axes[i].step = view->strides[i] / stride;
            plan->step_of[i] = plan->axes[i].step;
        }
        else if (view->sizes[i] > 1 && view->strides[i] != stride) {
            return false;
        }
    }
    return cut >= 0 && plan->axes[cut].start >= 0 && plan->axes[cut].start <= root->sizes[cut] &&
           plan->axes[cut].start * root->strides[cut] == view->offset - root->offset;
}

bool
toffee_view_plan_plain(const toffee_geometry *root, const toffee_geometry *view,
                       const toffee_view_frame *frame, toffee_view_plan *plan)
{
    if (toffee_geometry_numel(view) == 0) {
        return plan_empty(plan, root, view);
    }
    if (!plan_direct(plan, root, view, frame)) {
        return false;
    }
    for (int32_t i = 0; i < plan->n_axes; i++) {
        if (plan->axes[i].n_dims > 1) {
            return false;
        }
    }
    return true;
}

void
toffee_view_plan_make(const toffee_geometry *root, const toffee_geometry *view,
                      const toffee_view_frame *frame, bool writing, toffee_view_plan *plan)
{
    toffee_view_plan other;
    int best = plan_direct(plan, root, view, frame) ? plan_cost(plan, view, writing) : INT32_MAX;

    for (size_t i = 0; i < TOFFEE_COUNTOF(chain_recipes); i++) {
        int cost = 0;

        plan_refined(&other, root, view, frame, chain_recipes[i]);
        cost = plan_cost(&other, view, writing);
        if (cost < best) {
            best = cost;
            *plan = other;
        }
    }
}
