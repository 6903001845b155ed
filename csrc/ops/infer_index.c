/* csrc/ops/infer_index.c -- infers what joins, splits, picks and finds. */
#include "ops/infer_rules.h"
#include "ops/known.h"

#include <string.h>

/* A copy of FACT's sizes, to be changed. FACT's rank is known. */
static toffee_code
copy_dims(toffee_infer *ctx, const toffee_fact *fact, toffee_dim **out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, fact->rank, out, st));
    if (fact->rank != 0) {
        memcpy(*out, fact->dims, (size_t)fact->rank * sizeof(**out));
    }
    return TOFFEE_OK;
}

/* Into *AXIS the attribute `axis` of NODE as an axis of RANK. */
static toffee_code
read_axis(const toffee_node *node, int64_t fallback, int32_t rank, int32_t *axis, toffee_status *st)
{
    int64_t given = toffee_node_int(node, "axis", fallback);

    *axis = toffee_axis_index(given, rank);
    return *axis >= 0 ? TOFFEE_OK
                      : toffee_fail(st, TOFFEE_ERR_CHECK,
                                    "attribute 'axis' is %lld, which is no axis of an input of "
                                    "rank %d",
                                    (long long)given, (int)rank);
}

/* ---- Concat, Split ---- */

/* Joins the elements of short lists, those not known included. */
static toffee_code
concat_items(toffee_infer *ctx, toffee_fact *out, toffee_status *st)
{
    toffee_scalar *items = NULL;
    int64_t total = toffee_fact_count(out);
    size_t at = 0;
    bool any = false;

    for (size_t i = 0; i < ctx->n_in; i++) {
        any = any || ctx->in[i]->items != NULL;
    }
    if (!any || out->rank != 1 || total < 0 || (uint64_t)total > TOFFEE_INFER_MAX_ITEMS) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, (size_t)total, &items, st));
    for (size_t i = 0; i < ctx->n_in; i++) {
        const toffee_fact *input = ctx->in[i];

        if (input->n_items != 0) {
            memcpy(items + at, input->items, input->n_items * sizeof(*items));
        }
        at += (size_t)input->dims[0].value;
    }
    out->items = items;
    out->n_items = (size_t)total;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_concat(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    bool all = true;
    int32_t axis = 0;

    for (size_t i = 0; i < ctx->n_in; i++) {
        const toffee_fact *input = ctx->in[i];

        if (input->rank < 0) {
            all = false;
            continue;
        }
        if (dims == NULL) {
            TOFFEE_RETURN_IF_ERROR(copy_dims(ctx, input, &dims, st));
            TOFFEE_RETURN_IF_ERROR(read_axis(node, 0, input->rank, &axis, st));
            out->rank = input->rank;
            out->dims = dims;
            continue;
        }
        for (int32_t d = 0; d < out->rank && input->rank == out->rank; d++) {
            if (d == axis) {
                dims[d] = toffee_dim_add(dims[d], input->dims[d]);
            }
            else if (toffee_dim_clash(dims[d], input->dims[d])) {
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "input %zu has size %lld at axis %d and another has %lld; only "
                                   "axis %d may differ",
                                   i, (long long)input->dims[d].value, (int)d,
                                   (long long)dims[d].value, (int)axis);
            }
            else {
                dims[d] = toffee_dim_meet(dims[d], input->dims[d]);
            }
        }
        if (input->rank != out->rank) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "input %zu has rank %d and another has %d; all must have the same "
                               "rank",
                               i, (int)input->rank, (int)out->rank);
        }
    }
    if (dims != NULL && !all) {
        dims[axis] = TOFFEE_DIM_UNKNOWN;
    }
    return all ? concat_items(ctx, out, st) : TOFFEE_OK;
}

/* The size of part INDEX of Split, in elements of the axis. */
static toffee_dim
split_size(const toffee_infer *ctx, const toffee_node *node, toffee_dim whole, size_t index)
{
    const toffee_fact *sizes = toffee_infer_in(ctx, 1);
    int64_t n = toffee_node_int(node, "num_outputs", (int64_t)ctx->n_out);
    int64_t part = 0;
    int64_t before = 0;

    if (sizes->given) {
        return index < sizes->n_items ? toffee_dim_of_scalar(sizes->items[index])
                                      : TOFFEE_DIM_UNKNOWN;
    }
    if (whole.value < 0 || n < 1) {
        return n == 1 ? whole : TOFFEE_DIM_UNKNOWN;
    }
    part = whole.value / n + (whole.value % n != 0); /* equal parts; the last may be smaller */
    if (__builtin_mul_overflow(part, (int64_t)index, &before) || before > whole.value) {
        return index + 1 == (size_t)n ? toffee_dim_of(0) : toffee_dim_of(part);
    }
    return toffee_dim_of(whole.value - before < part ? whole.value - before : part);
}

toffee_code
toffee_infer_split(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    size_t at = 0;
    int32_t axis = 0;

    if (input->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(read_axis(node, 0, input->rank, &axis, st));
    for (size_t i = 0; i < ctx->n_out; i++) {
        toffee_dim *dims = NULL;

        TOFFEE_RETURN_IF_ERROR(copy_dims(ctx, input, &dims, st));
        dims[axis] = split_size(ctx, node, input->dims[axis], i);
        ctx->out[i].rank = input->rank;
        ctx->out[i].dims = dims;
        if (input->rank == 1 && input->items != NULL && at != SIZE_MAX && dims[0].value >= 0 &&
            (uint64_t)dims[0].value <= input->n_items - at) {
            ctx->out[i].items = input->items + at;
            ctx->out[i].n_items = (size_t)dims[0].value;
            at += (size_t)dims[0].value;
        }
        else {
            at = SIZE_MAX; /* where the parts after this one begin is not known */
        }
    }
    return TOFFEE_OK;
}

/* ---- Slice ---- */

typedef struct {
    int64_t start;
    int64_t end;
    int64_t step;
    bool known;
} slice_range;

/* Element INDEX of the INPUT-th input, or FALLBACK if that is left out; *KNOWN becomes false where
 * it is not known. */
static int64_t
slice_number(const toffee_infer *ctx, size_t input, size_t index, int64_t fallback, bool *known)
{
    const toffee_fact *fact = toffee_infer_in(ctx, input);
    int64_t value = fallback;

    *known = *known && (!fact->given || toffee_fact_int(fact, index, &value));
    return value;
}

/* Clamps RANGE to an axis of SIZE; the number of steps that remain. */
static int64_t
slice_clamp(slice_range *range, int64_t size)
{
    int64_t lowest = range->step < 0 ? -1 : 0;
    int64_t highest = range->step < 0 ? size - 1 : size;
    int64_t *ends[] = {&range->start, &range->end};
    uint64_t span = 0;
    uint64_t step = (uint64_t)(range->step < 0 ? -(uint64_t)range->step : (uint64_t)range->step);

    for (size_t i = 0; i < 2; i++) {
        int64_t at = *ends[i] < 0 ? *ends[i] + size : *ends[i];

        *ends[i] = at < lowest ? lowest : at > highest ? highest : at;
    }
    if (range->step > 0 ? range->start >= range->end : range->start <= range->end) {
        return 0;
    }
    span = (uint64_t)(range->step > 0 ? range->end - range->start : range->start - range->end);
    return (int64_t)(span / step + (span % step != 0));
}

/* The size of an axis of size DIM after RANGE, which becomes what was meant if that is known. */
static toffee_dim
slice_dim(toffee_dim dim, slice_range *range)
{
    if (!range->known) {
        return TOFFEE_DIM_UNKNOWN;
    }
    if (dim.value >= 0) {
        return toffee_dim_of(slice_clamp(range, dim.value));
    }
    range->known = false;
    if (range->step == 1 && range->start == 0 && range->end >= INT32_MAX) {
        return dim; /* all of it */
    }
    return range->step == 1 && range->start >= 0 && range->end >= 0 && range->end <= range->start
               ? toffee_dim_of(0)
               : TOFFEE_DIM_UNKNOWN;
}

/* The elements of a list that was sliced by RANGE into N. */
static toffee_code
slice_items(toffee_infer *ctx, const slice_range *range, int64_t n, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_scalar *items = NULL;

    if (data->items == NULL || data->rank != 1 || !range->known || n < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, (size_t)n, &items, st));
    for (int64_t i = 0; i < n; i++) {
        items[i] = data->items[range->start + i * range->step];
    }
    out->items = items;
    out->n_items = (size_t)n;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_slice(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    const toffee_fact *starts = toffee_infer_in(ctx, 1);
    const toffee_fact *axes = toffee_infer_in(ctx, 3);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    slice_range range = {0, 0, 1, false};
    toffee_dim *dims = NULL;
    int64_t n = -1;

    (void)node;
    if (data->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, data->rank, &dims, st));
    out->rank = data->rank;
    out->dims = dims;
    n = axes->items != NULL     ? (int64_t)axes->n_items
        : starts->items != NULL ? (int64_t)starts->n_items
        : starts->rank == 1     ? starts->dims[0].value
                                : -1;
    if (n < 0 || n > data->rank || (axes->given && axes->items == NULL)) {
        return TOFFEE_OK; /* any axis may be meant */
    }
    if (data->rank != 0) {
        memcpy(dims, data->dims, (size_t)data->rank * sizeof(*dims));
    }
    for (int64_t i = 0; i < n; i++) {
        bool axis_known = true;
        int64_t given = slice_number(ctx, 3, (size_t)i, i, &axis_known);
        int32_t axis = toffee_axis_index(given, data->rank);

        if (!axis_known) {
            return toffee_infer_dims(ctx, data->rank, (toffee_dim **)&out->dims, st);
        }
        if (axis < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "axes[%lld] is %lld, outside of data's rank, "
                               "%d",
                               (long long)i, (long long)given, (int)data->rank);
        }
        range.known = true;
        range.start = slice_number(ctx, 1, (size_t)i, 0, &range.known);
        range.end = slice_number(ctx, 2, (size_t)i, 0, &range.known);
        range.step = slice_number(ctx, 4, (size_t)i, 1, &range.known);
        if (range.known && range.step == 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "steps[%lld] is 0", (long long)i);
        }
        dims[axis] = slice_dim(dims[axis], &range);
    }
    return n == 1 ? slice_items(ctx, &range, out->rank == 1 ? dims[0].value : -1, st) : TOFFEE_OK;
}

/* ---- Gather and the like ---- */

/* The elements that are picked from a list. */
static toffee_code
gather_items(toffee_infer *ctx, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    const toffee_fact *indices = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_scalar *items = NULL;

    if (data->items == NULL || data->rank != 1 || indices->items == NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, indices->n_items, &items, st));
    for (size_t i = 0; i < indices->n_items; i++) {
        int64_t at = 0;

        if (!toffee_fact_int(indices, i, &at)) {
            continue;
        }
        at += at < 0 ? (int64_t)data->n_items : 0;
        if (at < 0 || at >= (int64_t)data->n_items) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "index %zu lies outside of the %zu elements",
                               i, data->n_items);
        }
        items[i] = data->items[at];
    }
    out->items = items;
    out->n_items = indices->n_items;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_gather(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    const toffee_fact *indices = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    int32_t axis = 0;
    int32_t rank = 0;

    if (data->rank < 0 || indices->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(read_axis(node, 0, data->rank, &axis, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_infer_dims(ctx, (int64_t)data->rank - 1 + indices->rank, &dims, st));
    for (int32_t d = 0; d < axis; d++) {
        dims[rank++] = data->dims[d];
    }
    for (int32_t d = 0; d < indices->rank; d++) {
        dims[rank++] = indices->dims[d];
    }
    for (int32_t d = axis + 1; d < data->rank; d++) {
        dims[rank++] = data->dims[d];
    }
    out->rank = rank;
    out->dims = dims;
    return gather_items(ctx, st);
}

toffee_code
toffee_infer_gather_elements(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    (void)st;
    toffee_fact_copy_shape(toffee_infer_out(ctx, 0), toffee_infer_in(ctx, 1));
    return TOFFEE_OK;
}

toffee_code
toffee_infer_gather_nd(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    const toffee_fact *indices = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int64_t batch = toffee_node_int(node, "batch_dims", 0);
    int64_t picks =
        toffee_fact_dim(indices, indices->rank - 1).value; /* axes that an index fixes */
    toffee_dim *dims = NULL;
    int32_t rank = 0;

    if (data->rank < 0 || indices->rank < 1 || picks < 0) {
        return TOFFEE_OK;
    }
    if (batch < 0 || batch >= indices->rank || picks > data->rank - batch) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "indices of rank %d that are lists of %lld, with batch_dims = %lld, do "
                           "not fit data of rank %d",
                           (int)indices->rank, (long long)picks, (long long)batch, (int)data->rank);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_infer_dims(ctx, (int64_t)indices->rank - 1 + data->rank - batch - picks, &dims, st));
    for (int32_t d = 0; d < indices->rank - 1; d++) {
        dims[rank++] = indices->dims[d];
    }
    for (int32_t d = (int32_t)(batch + picks); d < data->rank; d++) {
        dims[rank++] = data->dims[d];
    }
    out->rank = rank;
    out->dims = dims;
    return TOFFEE_OK;
}

/* ---- what is found only when it runs ---- */

toffee_code
toffee_infer_compress(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    int32_t axis = 0;

    if (toffee_node_attr(node, "axis") == NULL) {
        out->rank = 1;
        TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 1, &dims, st));
    }
    else if (input->rank >= 0) {
        TOFFEE_RETURN_IF_ERROR(read_axis(node, 0, input->rank, &axis, st));
        TOFFEE_RETURN_IF_ERROR(copy_dims(ctx, input, &dims, st));
        dims[axis] = TOFFEE_DIM_UNKNOWN;
        out->rank = input->rank;
    }
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_nonzero(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;

    (void)node;
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 2, &dims, st));
    dims[0] = toffee_dim_of(input->rank);
    out->rank = 2;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_top_k(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *k = toffee_infer_in(ctx, 1);
    toffee_dim *dims = NULL;
    int32_t axis = 0;

    if (input->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(read_axis(node, -1, input->rank, &axis, st));
    TOFFEE_RETURN_IF_ERROR(copy_dims(ctx, input, &dims, st));
    dims[axis] = k->items != NULL && k->n_items == 1 ? toffee_dim_of_scalar(k->items[0])
                                                     : TOFFEE_DIM_UNKNOWN;
    for (size_t i = 0; i < ctx->n_out; i++) {
        ctx->out[i].rank = input->rank;
        ctx->out[i].dims = dims;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_unique(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    int32_t axis = 0;

    for (size_t i = 0; i < ctx->n_out; i++) { /* lists: what of, is found when it runs */
        TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 1, &dims, st));
        ctx->out[i].rank = 1;
        ctx->out[i].dims = dims;
    }
    if (toffee_node_attr(node, "axis") == NULL) {
        return TOFFEE_OK;
    }
    out->rank = -1;
    out->dims = NULL;
    if (input->rank >= 0) {
        TOFFEE_RETURN_IF_ERROR(read_axis(node, 0, input->rank, &axis, st));
        TOFFEE_RETURN_IF_ERROR(copy_dims(ctx, input, &dims, st));
        dims[axis] = TOFFEE_DIM_UNKNOWN;
        out->rank = input->rank;
        out->dims = dims;
    }
    return TOFFEE_OK;
}
