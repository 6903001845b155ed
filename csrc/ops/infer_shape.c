/* csrc/ops/infer_shape.c -- infers what changes shapes, and what reads them. */
#include "ops/infer_rules.h"
#include "ops/known.h"

#include <string.h>

/* The elements of FACT, where it is a list or a single number; NULL: not known. */
static const toffee_scalar *
list_items(const toffee_fact *fact, size_t *n)
{
    *n = fact->rank <= 1 ? fact->n_items : 0;
    return fact->rank >= 0 && fact->rank <= 1 ? fact->items : NULL;
}

/* How many elements FACT, a list, has; -1: not known. */
static int64_t
list_length(const toffee_fact *fact)
{
    return fact->rank == 1 ? fact->dims[0].value : -1;
}

/* The elements of input 0 are those of output 0, in the same order. */
static void
keep_items(toffee_infer *ctx)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);

    out->items = input->items;
    out->n_items = input->n_items;
}

/* An attribute of Shape: an axis, clamped to 0..RANK. */
static int32_t
clamp_axis(int64_t axis, int32_t rank)
{
    axis += axis < 0 ? rank : 0;
    return axis < 0 ? 0 : axis > rank ? rank : (int32_t)axis;
}

toffee_code
toffee_infer_shape(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_scalar *items = NULL;
    toffee_dim *dims = NULL;
    int32_t start = 0;
    int32_t end = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 1, &dims, st));
    out->rank = 1;
    out->dims = dims;
    if (data->rank < 0) {
        return TOFFEE_OK;
    }
    start = clamp_axis(toffee_node_int(node, "start", 0), data->rank);
    end = clamp_axis(toffee_node_int(node, "end", data->rank), data->rank);
    end = end < start ? start : end;
    dims[0] = toffee_dim_of(end - start);
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, (size_t)(end - start), &items, st));
    for (int32_t d = start; d < end; d++) {
        items[d - start] = toffee_scalar_of_dim(data->dims[d]);
    }
    out->items = items;
    out->n_items = (size_t)(end - start);
    return TOFFEE_OK;
}

toffee_code
toffee_infer_size(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_scalar *items = NULL;

    (void)node;
    toffee_fact_set_scalar(out);
    if (data->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, 1, &items, st));
    items[0] = toffee_scalar_of_dim(toffee_dims_product(data->dims, (size_t)data->rank));
    out->items = items;
    out->n_items = 1;
    return TOFFEE_OK;
}

/* ---- Reshape ---- */

/* The size at -1 of DIMS (N of them, what the others are): the size of DATA over that of the
 * others. KEPT says, as bits, which axes are surely those of DATA; symbols that both have cancel.
 */
static toffee_dim
reshape_rest(const toffee_fact *data, const toffee_dim *dims, size_t n, size_t rest, uint64_t kept)
{
    const toffee_str *symbol = NULL; /* the only one that is left of data's */
    toffee_dim from = toffee_dim_of(1);
    toffee_dim to = toffee_dim_of(1);
    uint64_t paired = kept;
    uint64_t cancelled = 0; /* axes of data */

    for (int32_t d = 0; d < data->rank; d++) {
        if (data->dims[d].value == 0) {
            return TOFFEE_DIM_UNKNOWN; /* 0 over what may be 0 */
        }
        if ((size_t)d < n && (kept >> d & 1) != 0) {
            cancelled |= UINT64_C(1) << d;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (int32_t d = 0; d < data->rank && (paired >> i & 1) == 0; d++) {
            if (i != rest && (cancelled >> d & 1) == 0 && toffee_dim_same(dims[i], data->dims[d])) {
                cancelled |= UINT64_C(1) << d;
                paired |= UINT64_C(1) << i;
            }
        }
        if (i != rest && (paired >> i & 1) == 0) {
            to = toffee_dim_mul(to, dims[i]);
            if (to.value < 1) {
                return TOFFEE_DIM_UNKNOWN;
            }
        }
    }
    for (int32_t d = 0; d < data->rank; d++) {
        toffee_dim dim = data->dims[d];

        if ((cancelled >> d & 1) != 0) {
            continue;
        }
        if (dim.value < 0 && (dim.param == NULL || symbol != NULL)) {
            return TOFFEE_DIM_UNKNOWN;
        }
        symbol = dim.value < 0 ? dim.param : symbol;
        from = dim.value < 0 ? from : toffee_dim_mul(from, dim);
    }
    if (symbol != NULL) {
        return toffee_dim_same(from, to) ? (toffee_dim){-1, symbol} : TOFFEE_DIM_UNKNOWN;
    }
    return from.value >= 0 && from.value % to.value == 0 ? toffee_dim_div(from, to.value)
                                                         : TOFFEE_DIM_UNKNOWN;
}

/* Fills DIMS from the N elements of the shape input. */
static toffee_code
reshape_dims(const toffee_fact *data, const toffee_scalar *shape, size_t n, bool allow_zero,
             toffee_dim *dims, toffee_status *st)
{
    size_t rest = SIZE_MAX;
    uint64_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        bool keeps = shape[i].known && shape[i].value == 0 && !allow_zero;

        if (shape[i].known && shape[i].value < -1) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "shape[%zu] is %lld; sizes are 0 or more, or -1 for one to be "
                               "worked out",
                               i, (long long)shape[i].value);
        }
        if (shape[i].known && shape[i].value == -1) {
            if (rest != SIZE_MAX) {
                return toffee_fail(st, TOFFEE_ERR_CHECK, "shape has more than one -1");
            }
            rest = i;
        }
        /* A symbol may stand for 0, and then it would keep the axis: which is 0 only if that is. */
        dims[i] = keeps ? toffee_fact_dim(data, (int32_t)i) : toffee_dim_of_scalar(shape[i]);
        kept |= keeps && data->rank > (int32_t)i ? UINT64_C(1) << i : 0;
    }
    if (rest != SIZE_MAX && data->rank >= 0) {
        dims[rest] = reshape_rest(data, dims, n, rest, kept);
    }
    return TOFFEE_OK;
}

/* Whether a tensor of DATA's shape surely cannot take the N sizes DIMS. */
static bool
reshape_clash(const toffee_fact *data, const toffee_dim *dims, size_t n)
{
    int64_t before = toffee_fact_count(data);
    int64_t after = toffee_dims_product(dims, n).value;

    return before >= 0 && after >= 0 && before != after;
}

toffee_code
toffee_infer_reshape(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    const toffee_fact *wanted = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    size_t n = 0;
    const toffee_scalar *shape = list_items(wanted, &n);
    int64_t rank = shape != NULL ? (int64_t)n : list_length(wanted);
    toffee_dim *dims = NULL;

    if (rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    if (shape != NULL) {
        TOFFEE_RETURN_IF_ERROR(
            reshape_dims(data, shape, n, toffee_node_int(node, "allowzero", 0) != 0, dims, st));
        if (reshape_clash(data, dims, n)) {
            toffee_fact after = {.rank = (int32_t)rank, .dims = dims};
            char from[160];
            char to[160];

            toffee_fact_describe(data, from, sizeof(from));
            toffee_fact_describe(&after, to, sizeof(to));
            return toffee_fail(st, TOFFEE_ERR_CHECK, "data is %s and cannot be reshaped to %s",
                               from, to);
        }
    }
    out->rank = (int32_t)rank;
    out->dims = dims;
    keep_items(ctx);
    return TOFFEE_OK;
}

toffee_code
toffee_infer_flatten(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int64_t axis = toffee_node_int(node, "axis", 1);
    toffee_dim *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 2, &dims, st));
    out->rank = 2;
    out->dims = dims;
    if (input->rank < 0) {
        return TOFFEE_OK;
    }
    axis += axis < 0 ? input->rank : 0;
    if (axis < 0 || axis > input->rank) {
        return input->rank == 0 && axis == 1
                   ? TOFFEE_OK
                   : toffee_fail(st, TOFFEE_ERR_CHECK,
                                 "attribute 'axis' lies outside of the %d axes of the input",
                                 (int)input->rank);
    }
    dims[0] = toffee_dims_product(input->dims, (size_t)axis);
    dims[1] = toffee_dims_product(input->dims + axis, (size_t)(input->rank - axis));
    keep_items(ctx);
    return TOFFEE_OK;
}

/* ---- Squeeze, Unsqueeze ---- */

/* Into *AXES, as bits, the N elements of LIST as axes of RANK. False, with *KNOWN, where they are
 * wrong; *KNOWN is false where they are not known. */
static toffee_code
axes_bits(const toffee_fact *list, int32_t rank, uint64_t *axes, bool *known, toffee_status *st)
{
    *axes = 0;
    *known = list->items != NULL;
    for (size_t i = 0; i < list->n_items; i++) {
        int64_t given = 0;
        int32_t axis = 0;

        if (!toffee_fact_int(list, i, &given)) {
            *known = false;
            return TOFFEE_OK;
        }
        axis = toffee_axis_index(given, rank);
        if (axis < 0 || (*axes >> axis & 1) != 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "axes[%zu] is %lld, %s", i, (long long)given,
                               axis < 0 ? "outside of the rank" : "which is there twice");
        }
        *axes |= UINT64_C(1) << axis;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_squeeze(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    const toffee_fact *list = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    uint64_t axes = 0;
    bool known = false;
    int32_t rank = 0;

    (void)node;
    keep_items(ctx);
    if (data->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(axes_bits(list, data->rank, &axes, &known, st));
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, data->rank, &dims, st));
    for (int32_t d = 0; d < data->rank; d++) {
        if (!list->given) { /* every axis of size 1 goes */
            if (data->dims[d].value < 0) {
                return TOFFEE_OK;
            }
            axes |= data->dims[d].value == 1 ? UINT64_C(1) << d : 0;
        }
        if ((axes >> d & 1) == 0) {
            dims[rank++] = data->dims[d];
        }
        else if (data->dims[d].value >= 0 && data->dims[d].value != 1) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "axis %d has size %lld; only axes of size 1 can be squeezed", (int)d,
                               (long long)data->dims[d].value);
        }
    }
    if (list->given && !known) { /* at best, how many go */
        int64_t n = list_length(list);

        if (n < 0 || n > data->rank) {
            return TOFFEE_OK;
        }
        rank = data->rank - (int32_t)n;
        for (int32_t d = 0; d < rank; d++) {
            dims[d] = TOFFEE_DIM_UNKNOWN;
        }
    }
    out->rank = rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_unsqueeze(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    const toffee_fact *list = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int64_t added = list->items != NULL ? (int64_t)list->n_items : list_length(list);
    toffee_dim *dims = NULL;
    uint64_t axes = 0;
    bool known = false;
    int32_t from = 0;

    (void)node;
    keep_items(ctx);
    if (data->rank < 0 || added < 0) {
        return TOFFEE_OK;
    }
    /* Twice the limit at most, since the list is at most that long where it is known. */
    TOFFEE_RETURN_IF_ERROR(
        toffee_infer_dims(ctx, added > TOFFEE_MAX_RANK ? added : data->rank + added, &dims, st));
    out->rank = data->rank + (int32_t)added;
    out->dims = dims;
    TOFFEE_RETURN_IF_ERROR(axes_bits(list, out->rank, &axes, &known, st));
    for (int32_t d = 0; known && d < out->rank; d++) {
        dims[d] = (axes >> d & 1) != 0 ? toffee_dim_of(1) : data->dims[from++];
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_transpose(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    const toffee_attr *perm = toffee_node_attr(node, "perm");
    toffee_dim *dims = NULL;
    int64_t rank = data->rank >= 0 ? data->rank : perm != NULL ? (int64_t)perm->n : -1;

    if (rank < 0) {
        return TOFFEE_OK;
    }
    if (perm != NULL && perm->n != (size_t)rank) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'perm' has %zu axes; the input's rank is %d", perm->n,
                           (int)rank);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    for (int32_t d = 0; d < rank; d++) {
        int64_t axis = perm != NULL ? perm->ints[d] : rank - 1 - d;

        dims[d] =
            axis >= 0 && axis < rank ? toffee_fact_dim(data, (int32_t)axis) : TOFFEE_DIM_UNKNOWN;
    }
    out->rank = (int32_t)rank;
    out->dims = dims;
    if (rank <= 1) {
        keep_items(ctx);
    }
    return TOFFEE_OK;
}

/* The one element of input 0 is every element of output 0, a list that is short enough. */
static toffee_code
repeat_item(toffee_infer *ctx, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int64_t n = out->rank >= 0 && out->rank <= 1 ? toffee_fact_count(out) : -1;
    toffee_scalar *items = NULL;

    if (input->items == NULL || input->n_items != 1 || n < 1 ||
        (size_t)n > TOFFEE_INFER_MAX_ITEMS) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, (size_t)n, &items, st));
    for (size_t i = 0; i < (size_t)n; i++) {
        items[i] = input->items[0];
    }
    out->items = items;
    out->n_items = (size_t)n;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_expand(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *wanted = toffee_infer_in(ctx, 1);
    size_t n = 0;
    const toffee_scalar *shape = list_items(wanted, &n);
    int64_t rank = shape != NULL ? (int64_t)n : list_length(wanted);
    toffee_fact target = {.given = true};
    const toffee_fact *both[2] = {toffee_infer_in(ctx, 0), &target};
    toffee_dim *dims = NULL;

    (void)node;
    if (rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    for (size_t i = 0; i < n; i++) {
        dims[i] = toffee_dim_of_scalar(shape[i]);
    }
    target.rank = (int32_t)rank;
    target.dims = dims;
    TOFFEE_RETURN_IF_ERROR(toffee_infer_broadcast(ctx, toffee_infer_out(ctx, 0), both, 2, st));
    return repeat_item(ctx, st);
}

toffee_code
toffee_infer_tile(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *repeats = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int64_t rank = input->rank >= 0 ? input->rank : list_length(repeats);
    toffee_dim *dims = NULL;

    (void)node;
    if (rank < 0) {
        return TOFFEE_OK;
    }
    if (repeats->items != NULL && repeats->n_items != (size_t)rank) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "repeats has %zu elements for %d axes",
                           repeats->n_items, (int)rank);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    for (int32_t d = 0; repeats->items != NULL && d < input->rank; d++) {
        dims[d] = toffee_dim_mul(input->dims[d], toffee_dim_of_scalar(repeats->items[d]));
    }
    out->rank = (int32_t)rank;
    out->dims = dims;
    return repeat_item(ctx, st);
}

toffee_code
toffee_infer_pad(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    const toffee_fact *pads = toffee_infer_in(ctx, 1);
    const toffee_fact *axes = toffee_infer_in(ctx, 3);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    size_t n = pads->n_items / 2;
    toffee_dim *dims = NULL;

    (void)node;
    if (data->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, data->rank, &dims, st));
    out->rank = data->rank;
    out->dims = dims;
    if (pads->items == NULL || (axes->given && axes->items == NULL)) {
        return TOFFEE_OK;
    }
    if (pads->n_items != 2 * n || n != (axes->given ? axes->n_items : (size_t)data->rank)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "pads has %zu elements; %zu axes need a begin and an end each",
                           pads->n_items, axes->given ? axes->n_items : (size_t)data->rank);
    }
    if (data->rank != 0) { /* an axis that is not among axes stays */
        memcpy(dims, data->dims, (size_t)data->rank * sizeof(*dims));
    }
    for (size_t i = 0; i < n; i++) {
        int64_t begin = 0;
        int64_t end = 0;
        int64_t at = (int64_t)i;
        int32_t axis = 0;
        bool known = !axes->given || toffee_fact_int(axes, i, &at);

        axis = known ? toffee_axis_index(at, data->rank) : -1;
        if (known && axis < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "axes[%zu] is %lld, outside of the rank", i,
                               (long long)at);
        }
        if (!known) { /* any axis may be meant */
            for (int32_t d = 0; d < data->rank; d++) {
                dims[d] = TOFFEE_DIM_UNKNOWN;
            }
            return TOFFEE_OK;
        }
        if (!toffee_fact_int(pads, i, &begin) || !toffee_fact_int(pads, n + i, &end) ||
            __builtin_add_overflow(begin, end, &begin)) {
            dims[axis] = TOFFEE_DIM_UNKNOWN;
        }
        else if (begin != 0) {
            dims[axis] =
                dims[axis].value >= 0 && !__builtin_add_overflow(dims[axis].value, begin, &begin)
                    ? toffee_dim_of(begin)
                    : TOFFEE_DIM_UNKNOWN;
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_depth_to_space(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int64_t block = toffee_node_int(node, "blocksize", 1);
    toffee_dim *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 4, &dims, st));
    dims[0] = toffee_fact_dim(input, 0);
    dims[1] = toffee_dim_div(toffee_dim_div(toffee_fact_dim(input, 1), block), block);
    dims[2] = toffee_dim_mul(toffee_fact_dim(input, 2), toffee_dim_of(block));
    dims[3] = toffee_dim_mul(toffee_fact_dim(input, 3), toffee_dim_of(block));
    out->rank = 4;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_space_to_depth(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim block = toffee_dim_of(toffee_node_int(node, "blocksize", 1));
    toffee_dim *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 4, &dims, st));
    dims[0] = toffee_fact_dim(input, 0);
    dims[1] = toffee_dim_mul(toffee_dim_mul(toffee_fact_dim(input, 1), block), block);
    dims[2] = toffee_dim_div(toffee_fact_dim(input, 2), block.value);
    dims[3] = toffee_dim_div(toffee_fact_dim(input, 3), block.value);
    out->rank = 4;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_center_crop_pad(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *shape = toffee_infer_in(ctx, 1);
    const toffee_attr *axes = toffee_node_attr(node, "axes");
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    size_t n = axes != NULL ? axes->n : (size_t)(input->rank < 0 ? 0 : input->rank);

    if (input->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, input->rank, &dims, st));
    if (input->rank != 0) {
        memcpy(dims, input->dims, (size_t)input->rank * sizeof(*dims));
    }
    if (shape->items != NULL && shape->n_items != n) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "shape has %zu elements for %zu axes",
                           shape->n_items, n);
    }
    for (size_t i = 0; i < n; i++) {
        int32_t axis = toffee_axis_index(axes != NULL ? axes->ints[i] : (int64_t)i, input->rank);

        if (axis < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "attribute 'axes' has %lld at %zu, outside of the input's rank, %d",
                               (long long)axes->ints[i], i, (int)input->rank);
        }
        dims[axis] =
            shape->items != NULL ? toffee_dim_of_scalar(shape->items[i]) : TOFFEE_DIM_UNKNOWN;
    }
    out->rank = input->rank;
    out->dims = dims;
    return TOFFEE_OK;
}
