/* csrc/lower/lower_index.c -- taking parts by position, and putting parts together.
 *
 * Positions that were counted from the end stay so, and a slice that reaches the end does not name
 * the size: both then hold for other sizes as well. */
#include "lower/pack.h"
#include "lower/shape.h"

#include <string.h>

/* ---- one part ------------------------------------------------------------------------------- */

/* aten::select.int(self, dim, index) -> Gather by a 0-d number */
static toffee_code
lower_select(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    const toffee_arg *index = toffee_call_arg(call, "index");
    int64_t axis = 0;

    if (self == NULL || index == NULL || index->kind != TOFFEE_ARG_INT) {
        return TOFFEE_DECLINED;
    }
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    if (index->i == 0 && toffee_pack_count(lo, self) >= 0) {
        /* The first of the batch sizes is how many sequences there are: recurrent layers ask. */
        TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64,
                                                       toffee_pack_count(lo, self), &self, st));
        return toffee_lower_return(lo, call, 0, self, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_select(lo, self, axis, index->i, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* AT as ONNX should see it: within the dimension, or past its end. */
static int64_t
slice_bound(int64_t at, int64_t size)
{
    if (at < 0) {
        return at >= -size ? at : 0;
    }
    return at < size || at == 0 ? at : INT64_MAX;
}

/* aten::slice.Tensor(self, dim, start?, end?, step) -> Slice */
static toffee_code
lower_slice(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t axis = 0;
    int64_t size = 0;
    int64_t start = 0;
    int64_t end = 0;
    int64_t step = toffee_call_int(call, "step", 1);
    toffee_value *inputs[5] = {self};

    if (self == NULL || toffee_value_rank(self) == 0) {
        return TOFFEE_DECLINED;
    }
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    size = toffee_value_dim(self, (int32_t)axis);
    start = toffee_call_int(call, "start", 0);
    end = toffee_call_int(call, "end", INT64_MAX);
    if (!lo->is_twin) { /* at another size the bounds may cut, or no longer cut */
        start = slice_bound(start, size);
        end = slice_bound(end, size);
    }
    if (start == 0 && end == INT64_MAX && step == 1 && !lo->is_twin) {
        return toffee_lower_return(lo, call, 0, self, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, start, &inputs[1], st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, end, &inputs[2], st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, axis, &inputs[3], st));
    if (step != 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, step, &inputs[4], st));
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Slice", inputs, 5, toffee_value_dtype(self), NULL, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::narrow(self, dim, start, length) -> Slice. A start that is a tensor is declined. */
static toffee_code
lower_narrow(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    const toffee_arg *start = toffee_call_arg(call, "start");
    toffee_range range = {.step = 1};

    if (self == NULL || start == NULL || start->kind != TOFFEE_ARG_INT ||
        toffee_value_rank(self) == 0) {
        return TOFFEE_DECLINED;
    }
    range.axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    range.start = start->i;
    range.count = toffee_call_int(call, "length", 0);
    TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, self, &range, 1, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* ---- several parts -------------------------------------------------------------------------- */

/* Largest size along which even parts are taken for those of a size that moves. */
#define MAX_MOVING 47

/* The parts of CALL along AXIS as a Slice each, in which how many there are at another size does
 * not show. */
static toffee_code
lower_parts(toffee_lowering *lo, const toffee_call *call, toffee_value *self, int32_t axis,
            toffee_status *st)
{
    toffee_range range = {.axis = axis, .step = 1};
    toffee_value *part = NULL;

    for (size_t i = 0; i < call->n_results; i++) {
        range.count = call->results[i].dims[axis];
        TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, self, &range, 1, &part, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, i, part, st));
        range.start += range.count;
    }
    return TOFFEE_OK;
}

/* aten::split, split_with_sizes, chunk, tensor_split(self, …, dim) -> Split, one output a part. An
 * even chunk says how many parts, everything else how large they are. Where the number of parts may
 * be another at another size: Slice. */
static toffee_code
lower_split(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t *sizes = toffee_arena_calloc(lo->scratch, call->n_results, sizeof(*sizes));
    toffee_value *inputs[2] = {self};
    toffee_value *part = NULL;
    toffee_node *node = NULL;
    int64_t axis = 0;
    bool even = false;
    bool is_small = false;

    if (sizes == NULL) {
        return toffee_fail_nomem(st);
    }
    if (self == NULL || call->n_results == 0 || toffee_value_rank(self) == 0 ||
        toffee_call_value(call, "tensor_indices_or_sections") != NULL) {
        return TOFFEE_DECLINED;
    }
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    for (size_t i = 0; i < call->n_results; i++) {
        sizes[i] = call->results[i].dims[axis];
    }
    is_small = toffee_value_dim(self, (int32_t)axis) <= MAX_MOVING;
    if (lo->is_twin &&
        (toffee_call_int(call, "chunks", 0) == 2 /* of 1 there is one alone */
             ? is_small
             : ((toffee_call_has(call, "split_size") || toffee_call_has(call, "chunks")) &&
                (is_small || sizes[0] != sizes[call->n_results - 1])))) {
        return lower_parts(lo, call, self, (int32_t)axis, st);
    }
    if (call->n_results == 1) {
        return toffee_lower_return(lo, call, 0, self, st);
    }
    /* The last part of num_outputs may be smaller, which says it for any size; runtimes differ. */
    even = (sizes[0] == sizes[call->n_results - 1] || lo->is_twin) && sizes[0] != 0 &&
           toffee_call_int(call, "chunks", 0) == (int64_t)call->n_results;
    if (!even) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, sizes, call->n_results, &inputs[1], st));
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Split", inputs, 2, toffee_value_dtype(self), &node, &part, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, st));
    if (even) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_node_set_int(node, "num_outputs", (int64_t)call->n_results, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 0, part, st));
    for (size_t i = 1; i < call->n_results; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, toffee_value_dtype(self), &part, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, i, part, st));
    }
    return TOFFEE_OK;
}

/* aten::unbind.int(self, dim) -> a Gather by a 0-d number for each part */
static toffee_code
lower_unbind(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t axis = 0;

    if (self == NULL || toffee_value_rank(self) == 0) {
        return TOFFEE_DECLINED;
    }
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    if (call->n_results == 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_squeeze(lo, self, &axis, 1, &self, st));
        return toffee_lower_return(lo, call, 0, self, st);
    }
    for (size_t i = 0; i < call->n_results; i++) {
        toffee_value *part = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_select(lo, self, axis, (int64_t)i, &part, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, i, part, st));
    }
    return TOFFEE_OK;
}

/* The value that PARTS are all slices of along *AXIS, in order and without that axis; NULL: there
 * is none. */
static toffee_value *
unbound_from(const toffee_lowering *lo, toffee_value *const *parts, size_t n, int64_t *axis)
{
    toffee_value *whole = NULL;

    for (size_t i = 0; i < n; i++) {
        const toffee_node *node = parts[i] != NULL ? parts[i]->producer : NULL;
        const toffee_attr *at = node != NULL ? toffee_node_attr(node, "axis") : NULL;
        const int64_t *index = NULL;

        if (node == NULL || !toffee_str_is(node->op_type, "Gather") || node->inputs.n != 2 ||
            toffee_value_rank(node->inputs.data[1]) != 0 ||
            toffee_value_dtype(node->inputs.data[1]) != TOFFEE_DTYPE_INT64) {
            return NULL;
        }
        index = (const int64_t *)toffee_const_data(lo, node->inputs.data[1]);
        if (index == NULL || *index != (int64_t)i || (i != 0 && node->inputs.data[0] != whole) ||
            (i != 0 && (at != NULL ? at->i : 0) != *axis)) {
            return NULL;
        }
        whole = node->inputs.data[0];
        *axis = at != NULL ? at->i : 0;
    }
    return whole != NULL && toffee_value_dim(whole, (int32_t)*axis) == (int64_t)n ? whole : NULL;
}

/* A list of all samples of a batch, put together again: no number of nodes that is the batch's.
 * *OUT is NULL for other lists. */
static toffee_code
cat_unbound(toffee_lowering *lo, toffee_value *const *parts, size_t n, int64_t axis,
            toffee_value **out, toffee_status *st)
{
    int64_t perm[TOFFEE_MAX_RANK];
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t from = 0;
    toffee_value *whole = unbound_from(lo, parts, n, &from);
    int32_t rank = whole != NULL ? toffee_value_rank(whole) : 0;
    int32_t k = 0;

    *out = NULL;
    if (whole == NULL) {
        return TOFFEE_OK;
    }
    for (int32_t i = 0; i < rank; i++) { /* the list's axis in front of the one that grows */
        if (k == axis) {
            perm[k++] = from;
        }
        if (i != from) {
            perm[k++] = i;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, whole, perm, &whole, st));
    toffee_value_dims(whole, dims);
    dims[axis] *= dims[axis + 1];
    memmove(&dims[axis + 1], &dims[axis + 2], (size_t)(rank - axis - 2) * sizeof(*dims));
    return toffee_reshape(lo, whole, dims, rank - 1, out, st);
}

/* aten::cat(tensors, dim) -> Concat, each part cast to the common dtype. Empty tensors of one
 * dimension are passed over, as PyTorch has done since before it had others. */
static toffee_code
lower_cat(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const toffee_arg *tensors = toffee_call_arg(call, "tensors");
    const toffee_result *result = &call->results[0];
    toffee_value **parts = NULL;
    toffee_value *out = NULL;
    int64_t axis = 0;
    size_t n = 0;

    if (tensors == NULL || tensors->kind != TOFFEE_ARG_VALUES) {
        return TOFFEE_DECLINED;
    }
    parts = toffee_arena_calloc(lo->scratch, tensors->n, sizeof(toffee_value *));
    if (parts == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < tensors->n; i++) {
        toffee_value *part = tensors->values[i];

        if (part == NULL) {
            return TOFFEE_DECLINED;
        }
        if (toffee_value_rank(part) == 1 && toffee_value_dim(part, 0) == 0 && result->rank != 1) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, part, result->dtype, &parts[n++], st));
    }
    if (n == 0) {
        return TOFFEE_DECLINED;
    }
    axis = toffee_axis(toffee_call_int(call, "dim", 0), result->rank);
    TOFFEE_RETURN_IF_ERROR(cat_unbound(lo, parts, n, axis, &out, st));
    if (out == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_concat(lo, parts, n, axis, &out, st));
    }
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::stack(tensors, dim) -> Unsqueeze of each, Concat */
static toffee_code
lower_stack(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const toffee_arg *tensors = toffee_call_arg(call, "tensors");
    const toffee_result *result = &call->results[0];
    int64_t axis = toffee_axis(toffee_call_int(call, "dim", 0), result->rank);
    toffee_value **parts = NULL;
    toffee_value *out = NULL;

    if (tensors == NULL || tensors->kind != TOFFEE_ARG_VALUES || tensors->n == 0) {
        return TOFFEE_DECLINED;
    }
    parts = toffee_arena_calloc(lo->scratch, tensors->n, sizeof(toffee_value *));
    if (parts == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < tensors->n; i++) {
        if (tensors->values[i] == NULL) {
            return TOFFEE_DECLINED;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, tensors->values[i], result->dtype, &parts[i], st));
        TOFFEE_RETURN_IF_ERROR(toffee_unsqueeze(lo, parts[i], &axis, 1, &parts[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_concat(lo, parts, tensors->n, axis, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* ---- by a tensor of positions --------------------------------------------------------------- */

/* aten::gather(self, dim, index) -> GatherElements */
static toffee_code
lower_gather(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *index = toffee_call_value(call, "index");
    const toffee_result *result = &call->results[0];
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t axis = 0;
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (self == NULL || index == NULL) {
        return TOFFEE_DECLINED;
    }
    if (toffee_value_numel(index) == 0) { /* which may have any shape and any dtype */
        TOFFEE_RETURN_IF_ERROR(
            toffee_const_empty(lo, toffee_value_dtype(self), result->dims, result->rank, &out, st));
        return toffee_lower_return(lo, call, 0, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, index, &index, st));
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "GatherElements", TOFFEE_INPUTS(self, index),
                                       toffee_value_dtype(self), &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, st));
    toffee_value_dims(index, dims);
    TOFFEE_RETURN_IF_ERROR(
        toffee_value_set_type(out, toffee_value_dtype(self), dims, toffee_value_rank(index), st));
    TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, out, result->dims, result->rank, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::index_select(self, dim, index) -> Gather */
static toffee_code
lower_index_select(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *index = toffee_call_value(call, "index");
    const toffee_result *result = &call->results[0];
    int64_t axis = 0;

    if (self == NULL || index == NULL) {
        return TOFFEE_DECLINED;
    }
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, index, &index, st));
    TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, self, axis, index, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, self, result->dims, result->rank, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::take(self, index) -> Reshape to one dimension, Gather */
static toffee_code
lower_take(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *index = toffee_call_value(call, "index");
    int64_t flat = 0;

    if (self == NULL || index == NULL) {
        return TOFFEE_DECLINED;
    }
    flat = toffee_value_numel(self);
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, self, &flat, 1, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, self, 0, index, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::one_hot(self, num_classes) -> OneHot. With num_classes=-1 the size comes from the data:
 * declined, so that the trace sees the reading. */
static toffee_code
lower_one_hot(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t off_on[2] = {0, 1};
    toffee_value *self = toffee_call_value(call, "self");
    const toffee_result *result = &call->results[0];
    int64_t classes = toffee_call_int(call, "num_classes", -1);
    int64_t dims[TOFFEE_MAX_RANK + 1];
    toffee_value *depth = NULL;
    toffee_value *values = NULL;
    toffee_value *out = NULL;
    toffee_node *node = NULL;

    if (self == NULL || classes < 0) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, classes, &depth, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, off_on, 2, &values, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "OneHot", TOFFEE_INPUTS(self, depth, values),
                                       TOFFEE_DTYPE_INT64, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", -1, st));
    toffee_value_dims(self, dims);
    dims[toffee_value_rank(self)] = classes;
    TOFFEE_RETURN_IF_ERROR(
        toffee_value_set_type(out, TOFFEE_DTYPE_INT64, dims, toffee_value_rank(self) + 1, st));
    TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, out, result->dims, result->rank, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* ---- what the data decide ------------------------------------------------------------------- */

/* aten::nonzero(self) -> NonZero, Transpose. The number of rows is that of the run. A number has no
 * position: it is a list of one, of whose row nothing is kept. */
static toffee_code
lower_nonzero(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t perm[2] = {1, 0};
    toffee_value *self = toffee_call_value(call, "self");
    const toffee_range nothing = {1, 0, 0, 1};
    toffee_value *out = NULL;
    int64_t dims[2] = {0};
    bool is_number = self != NULL && toffee_value_rank(self) == 0;

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, self, TOFFEE_DTYPE_BOOL, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "NonZero", TOFFEE_INPUTS(self), TOFFEE_DTYPE_INT64, NULL, &out, st));
    dims[0] = toffee_value_rank(self);
    dims[1] = call->results[0].dims[0];
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(out, TOFFEE_DTYPE_INT64, dims, 2, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, out, perm, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, out, &nothing, is_number ? 1 : 0, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::masked_select(self, mask) -> Expand of both to one shape, Compress */
static toffee_code
lower_masked_select(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *mask = toffee_call_value(call, "mask");
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t flat = 0;
    int32_t rank = 0;

    if (self == NULL || mask == NULL || toffee_value_dtype(mask) != TOFFEE_DTYPE_BOOL) {
        return TOFFEE_DECLINED;
    }
    rank = toffee_broadcast_dims(self, mask, dims);
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, self, dims, rank, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, mask, dims, rank, &mask, st));
    flat = toffee_value_numel(mask);
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, self, &flat, 1, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, mask, &flat, 1, &mask, st));
    if (toffee_value_dtype(self) == TOFFEE_DTYPE_BFLOAT16) { /* which Compress does not take */
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, self, TOFFEE_DTYPE_FLOAT, &self, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Compress", TOFFEE_INPUTS(self, mask),
                                       toffee_value_dtype(self), NULL, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, self, call->results[0].dtype, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* ---- in order ------------------------------------------------------------------------------- */

/* The K first of AXIS by TopK, and where they were; equal ones in the order in which they stand.
 * VALUE has a dimension at least. Result VALUES or INDICES of the call: -1 for none. */
static toffee_code
return_top(toffee_lowering *lo, const toffee_call *call, toffee_value *value, int64_t axis,
           int64_t k, bool largest, int values, int indices, toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(value);
    const toffee_result *result = &call->results[0];
    toffee_value *input = value;
    toffee_value *count = NULL;
    toffee_value *top = NULL;
    toffee_value *where = NULL;
    toffee_node *node = NULL;
    int64_t dims[TOFFEE_MAX_RANK];

    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, value, toffee_compute_dtype("TopK", dtype), &input, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, k, &count, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "TopK", TOFFEE_INPUTS(input, count),
                                       toffee_value_dtype(input), &node, &top, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, TOFFEE_DTYPE_INT64, &where, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "largest", largest, st));
    toffee_value_dims(input, dims);
    dims[axis] = k;
    TOFFEE_RETURN_IF_ERROR(
        toffee_value_set_type(top, top->type.dtype, dims, toffee_value_rank(input), st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_value_set_type(where, TOFFEE_DTYPE_INT64, dims, toffee_value_rank(input), st));
    if (values >= 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, top, result->dims, result->rank, &top, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, (size_t)values, top, st));
    }
    if (indices < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, where, result->dims, result->rank, &where, st));
    return toffee_lower_return(lo, call, (size_t)indices, where, st);
}

/* aten::topk(self, k, dim, largest, sorted) -> TopK */
static toffee_code
lower_topk(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    return return_top(
        lo, call, self, toffee_axis(toffee_call_int(call, "dim", -1), toffee_value_rank(self)),
        toffee_call_int(call, "k", 1), toffee_call_bool(call, "largest", true), 0, 1, st);
}

/* aten::sort(self, dim, descending), argsort(…), msort(self) -> TopK of all. The row's number says
 * which of the two results the operator has: 0 both, 1 values, 2 indices. */
static toffee_code
lower_sort(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    int64_t which = lo->rule->arg;
    int64_t axis = 0;

    if (self == NULL) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    axis = toffee_axis(toffee_call_int(call, "dim", which == 1 ? 0 : -1), toffee_value_rank(self));
    return return_top(lo, call, self, axis, toffee_value_dim(self, (int32_t)axis),
                      toffee_call_bool(call, "descending", false), which == 2 ? -1 : 0,
                      which == 1   ? -1
                      : which == 2 ? 0
                                   : 1,
                      st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::argsort", lower_sort, NULL, 2},
    {"aten::cat", lower_cat, NULL, 0},
    {"aten::chunk", lower_split, NULL, 0},
    {"aten::concat", lower_cat, NULL, 0},
    {"aten::concatenate", lower_cat, NULL, 0},
    {"aten::gather", lower_gather, NULL, 0},
    {"aten::index_select", lower_index_select, NULL, 0},
    {"aten::masked_select", lower_masked_select, NULL, 0},
    {"aten::msort", lower_sort, NULL, 1},
    {"aten::narrow", lower_narrow, NULL, 0},
    {"aten::nonzero", lower_nonzero, NULL, 0},
    {"aten::one_hot", lower_one_hot, NULL, 0},
    {"aten::select", lower_select, NULL, 0},
    {"aten::slice", lower_slice, NULL, 0},
    {"aten::sort", lower_sort, NULL, 0},
    {"aten::split", lower_split, NULL, 0},
    {"aten::split_with_sizes", lower_split, NULL, 0},
    {"aten::stack", lower_stack, NULL, 0},
    {"aten::take", lower_take, NULL, 0},
    {"aten::tensor_split", lower_split, NULL, 0},
    {"aten::topk", lower_topk, NULL, 0},
    {"aten::unbind", lower_unbind, NULL, 0},
    {"aten::unsafe_chunk", lower_split, NULL, 0},
    {"aten::unsafe_split", lower_split, NULL, 0},
    {"aten::unsafe_split_with_sizes", lower_split, NULL, 0},
};
const toffee_rule_family toffee_rules_index = {rows, TOFFEE_COUNTOF(rows)};
