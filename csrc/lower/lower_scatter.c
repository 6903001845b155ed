/* csrc/lower/lower_scatter.c -- writing part of a tensor, as a new tensor. */
#include "lower/chain.h"
#include "lower/shape.h"
#include "lower/view.h"

#include <math.h>
#include <string.h>

/* ---- by an index of every element ----------------------------------------------------------- */

/* PyTorch's names for reductions, scatter's and scatter_reduce's, and ONNX's. */
static const struct {
    const char *torch;
    const char *onnx;
} reductions[] = {
    {"add", "add"},  {"sum", "add"},  {"multiply", "mul"},
    {"prod", "mul"}, {"amax", "max"}, {"amin", "min"},
};

static const char *
reduction_find(const char *name)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(reductions); i++) {
        if (strcmp(reductions[i].torch, name) == 0) {
            return reductions[i].onnx;
        }
    }
    return NULL;
}

/* What changes nothing under a reduction, as a 0-d constant. */
static toffee_code
reduction_start(toffee_lowering *lo, const char *reduction, toffee_dtype dtype, toffee_value **out,
                toffee_status *st)
{
    bool is_max = strcmp(reduction, "max") == 0;
    bool is_unsigned = dtype == TOFFEE_DTYPE_UINT8 || dtype == TOFFEE_DTYPE_BOOL;
    int bits = 8 * toffee_dtype_get(dtype)->n_bytes;
    int64_t largest = is_unsigned ? UINT8_MAX : (int64_t)(UINT64_MAX >> (65 - bits));

    if (strcmp(reduction, "add") == 0 || strcmp(reduction, "mul") == 0) {
        return toffee_const_scalar_int(lo, dtype, strcmp(reduction, "mul") == 0, out, st);
    }
    if (toffee_dtype_is_float(dtype)) {
        return toffee_const_float(lo, dtype, is_max ? -INFINITY : INFINITY, out, st);
    }
    return toffee_const_scalar_int(lo, dtype,
                                   !is_max       ? largest
                                   : is_unsigned ? 0
                                                 : -largest - 1,
                                   out, st);
}

/* The tensor or number ARG as updates of the dims of INDEX: PyTorch lets a source be larger. */
static toffee_code
updates_of(toffee_lowering *lo, const toffee_arg *arg, toffee_value *index, toffee_dtype dtype,
           toffee_value **out, toffee_status *st)
{
    toffee_range ranges[TOFFEE_MAX_RANK];
    int64_t dims[TOFFEE_MAX_RANK];
    int32_t rank = toffee_value_rank(index);

    TOFFEE_RETURN_IF_ERROR(toffee_operand(lo, arg, dtype, out, st));
    toffee_value_dims(index, dims);
    if (arg->kind != TOFFEE_ARG_VALUE || toffee_value_rank(*out) != rank) {
        return toffee_expand(lo, *out, dims, rank, out, st);
    }
    for (int32_t i = 0; i < rank; i++) {
        ranges[i] = (toffee_range){i, 0, dims[i], 1};
    }
    return toffee_slice(lo, *out, ranges, (size_t)rank, out, st);
}

static toffee_code
return_scattered(toffee_lowering *lo, const toffee_call *call, toffee_value *value,
                 toffee_status *st)
{
    const toffee_result *result = &call->results[0];

    TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, value, result->dims, result->rank, &value, st));
    return toffee_lower_return(lo, call, 0, value, st);
}

/* aten::scatter.src/.value/.reduce/.value_reduce(self, dim, index, src or value, reduce?),
 * scatter_add(self, dim, index, src) -> ScatterElements [axis, reduction]; the row's text is the
 * reduction that goes without saying. */
static toffee_code
lower_scatter(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *index = toffee_call_value(call, "index");
    const toffee_arg *source = toffee_call_arg(call, "src");
    const char *named = toffee_call_string(call, "reduce", NULL);
    const char *reduction = named != NULL ? reduction_find(named) : lo->rule->onnx;
    toffee_value *updates = NULL;

    source = source != NULL ? source : toffee_call_arg(call, "value");
    if (self == NULL || index == NULL || source == NULL || (named != NULL && reduction == NULL)) {
        return TOFFEE_DECLINED;
    }
    if (toffee_value_numel(index) == 0) {
        return toffee_lower_return(lo, call, 0, self, st);
    }
    TOFFEE_RETURN_IF_ERROR(updates_of(lo, source, index, toffee_value_dtype(self), &updates, st));
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, index, &index, st));
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, updates, &updates, st));
    TOFFEE_RETURN_IF_ERROR(toffee_scatter(
        lo, "ScatterElements", self, index, updates, reduction,
        toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self)), &self, st));
    return return_scattered(lo, call, self, st);
}

/* The mean of what fell on each place: SUM over how many there were; of whole numbers rounded down,
 * where Div would cut off. */
static toffee_code
scatter_mean(toffee_lowering *lo, toffee_value *self, toffee_value *index, toffee_value *sum,
             int64_t axis, bool include_self, toffee_value **out, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_dtype dtype = toffee_value_dtype(self);
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *count = NULL;
    toffee_value *ones = NULL;
    toffee_value *one = NULL;
    toffee_value *rest = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, 1, &one, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, include_self ? 1 : 0, &count, st));
    toffee_value_dims(self, dims);
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, count, dims, toffee_value_rank(self), &count, st));
    toffee_value_dims(index, dims);
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, one, dims, toffee_value_rank(index), &ones, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_scatter(lo, "ScatterElements", count, index, ones, "add", axis, &count, st));
    count = toffee_chain_binary(&chain, "Max", count, one);
    if (!toffee_dtype_is_float(dtype)) {
        rest = toffee_chain_binary(&chain, "Mod", sum, count);
        sum = toffee_chain_binary(&chain, "Sub", sum, rest);
    }
    *out = toffee_chain_binary(&chain, "Div", sum, count);
    return chain.rc;
}

/* INDEX, of one dimension, with the dims of SOURCE, in which it counts along AXIS. */
static toffee_code
index_spread(toffee_lowering *lo, toffee_value *index, const toffee_value *source, int64_t axis,
             toffee_value **out, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int32_t rank = toffee_value_rank(source);

    for (int32_t i = 0; i < rank; i++) {
        dims[i] = i == axis ? toffee_value_dim(index, 0) : 1;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, index, dims, rank, &index, st));
    toffee_value_dims(source, dims);
    return toffee_expand(lo, index, dims, rank, out, st);
}

/* aten::scatter_reduce.two(self, dim, index, src, reduce, include_self), index_reduce(self, dim,
 * index, source, reduce, include_self) -> ScatterElements, after another that takes self out where
 * something will fall, if it does not count. A mean is a sum over a count. The row's
 * number says that the index is one of places along dim. */
static toffee_code
lower_scatter_reduce(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *index = toffee_call_value(call, "index");
    bool along = lo->rule->arg != 0;
    const toffee_arg *source = toffee_call_arg(call, along ? "source" : "src");
    const char *named = toffee_call_string(call, "reduce", "");
    bool include_self = toffee_call_bool(call, "include_self", true);
    bool mean = strcmp(named, "mean") == 0;
    const char *reduction = mean ? "add" : reduction_find(named);
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t axis = 0;
    toffee_value *updates = NULL;
    toffee_value *start = NULL;
    toffee_value *out = NULL;

    if (self == NULL || index == NULL || source == NULL || reduction == NULL ||
        (mean && toffee_value_dtype(self) == TOFFEE_DTYPE_BOOL)) {
        return TOFFEE_DECLINED;
    }
    if (toffee_value_numel(index) == 0) {
        return toffee_lower_return(lo, call, 0, self, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, index, &index, st));
    if (along) {
        TOFFEE_RETURN_IF_ERROR(toffee_operand(lo, source, toffee_value_dtype(self), &updates, st));
        TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, updates, &updates, st));
        TOFFEE_RETURN_IF_ERROR(index_spread(
            lo, index, updates,
            toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(updates)), &index, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(
            updates_of(lo, source, index, toffee_value_dtype(self), &updates, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    out = self;
    if (!include_self) {
        TOFFEE_RETURN_IF_ERROR(
            reduction_start(lo, reduction, toffee_value_dtype(self), &start, st));
        toffee_value_dims(index, dims);
        TOFFEE_RETURN_IF_ERROR(
            toffee_expand(lo, start, dims, toffee_value_rank(index), &start, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_scatter(lo, "ScatterElements", self, index, start, NULL, axis, &out, st));
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_scatter(lo, "ScatterElements", out, index, updates, reduction, axis, &out, st));
    if (mean) {
        TOFFEE_RETURN_IF_ERROR(scatter_mean(lo, self, index, out, axis, include_self, &out, st));
    }
    return return_scattered(lo, call, out, st);
}

/* ---- by an index of one dimension ----------------------------------------------------------- */

/* aten::index_copy(self, dim, index, source), index_add(…, alpha), index_fill(self, dim, index,
 * value) -> ScatterND along dim, which is transposed to the front; the row's text is its
 * reduction. */
static toffee_code
lower_index_write(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *index = toffee_call_value(call, "index");
    const toffee_arg *source = toffee_call_arg(call, "source");
    const toffee_arg *alpha = toffee_call_arg(call, "alpha");
    const int64_t one = 1;
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t front[TOFFEE_MAX_RANK];
    int64_t back[TOFFEE_MAX_RANK];
    int64_t axis = 0;
    int32_t rank = 0;
    toffee_value *updates = NULL;

    source = source != NULL ? source : toffee_call_arg(call, "value");
    if (self == NULL || index == NULL || source == NULL) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_operand(lo, source, toffee_value_dtype(self), &updates, st));
    if (alpha != NULL && !(alpha->kind == TOFFEE_ARG_INT && alpha->i == 1)) {
        toffee_value *factor = toffee_chain_operand(&chain, alpha, toffee_value_dtype(self));

        updates = toffee_chain_binary(&chain, "Mul", updates, factor);
        TOFFEE_RETURN_IF_ERROR(chain.rc);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, self, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_at_least_1d(lo, index, &index, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, index, TOFFEE_DTYPE_INT64, &index, st));
    rank = toffee_value_rank(self);
    axis = toffee_axis(toffee_call_int(call, "dim", 0), rank);
    toffee_value_dims(self, dims);
    dims[axis] = toffee_value_dim(index, 0);
    if (toffee_call_arg(call, "source") != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit(lo, updates, dims, rank, &updates, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, updates, dims, rank, &updates, st));
    }
    for (int32_t i = 0; i < rank; i++) {
        front[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
        back[i] = i == axis ? 0 : i < axis ? i + 1 : i;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_unsqueeze(lo, index, &one, 1, &index, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, self, front, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, updates, front, &updates, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_scatter(lo, "ScatterND", self, index, updates, lo->rule->onnx, 0, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, self, back, &self, st));
    return return_scattered(lo, call, self, st);
}

/* aten::put(self, index, source, accumulate): places counted through all of self.
 *   -> Reshape to one dimension, ScatterND, Reshape */
static toffee_code
lower_put(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *index = toffee_call_value(call, "index");
    toffee_value *source = toffee_call_value(call, "source");
    bool accumulate = toffee_call_bool(call, "accumulate", false);
    int64_t numel = 0;
    int64_t n[2] = {0, 1};

    if (self == NULL || index == NULL || source == NULL) {
        return TOFFEE_DECLINED;
    }
    n[0] = toffee_value_numel(index);
    if (n[0] == 0) {
        return toffee_lower_return(lo, call, 0, self, st);
    }
    numel = toffee_value_numel(self);
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, self, &numel, 1, &self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, index, TOFFEE_DTYPE_INT64, &index, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, index, n, 2, &index, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, source, n, 1, &source, st));
    TOFFEE_RETURN_IF_ERROR(toffee_scatter(lo, "ScatterND", self, index, source,
                                          accumulate ? "add" : NULL, 0, &self, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_reshape(lo, self, call->results[0].dims, call->results[0].rank, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* ---- by place ------------------------------------------------------------------------------- */

/* SELF with SOURCE written through the view of it that starts at OFFSET. STRIDES has the rank of
 * the result of such a view, which is SOURCE's. */
static toffee_code
return_written(toffee_lowering *lo, const toffee_call *call, toffee_value *self,
               toffee_value *source, int64_t offset, const int64_t *strides, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t root_strides[TOFFEE_MAX_RANK];
    int64_t source_dims[TOFFEE_MAX_RANK];
    const toffee_geometry root = {0, toffee_value_rank(self), dims, root_strides};
    const toffee_geometry view = {offset, toffee_value_rank(source), source_dims, strides};

    toffee_value_dims(self, dims);
    toffee_value_dims(source, source_dims);
    toffee_strides(dims, root.rank, root_strides);
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, source, toffee_value_dtype(self), &source, st));
    TOFFEE_RETURN_IF_ERROR(toffee_view_write(lo, self, &root, &view, source, &self, st));
    return toffee_lower_return(lo, call, 0, self, st);
}

/* aten::select_scatter(self, src, dim, index) -> Slice, Unsqueeze, Concat */
static toffee_code
lower_select_scatter(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *source = toffee_call_value(call, "src");
    int64_t index = toffee_call_int(call, "index", 0);
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t strides[TOFFEE_MAX_RANK];
    int64_t view_strides[TOFFEE_MAX_RANK];
    int64_t axis = 0;
    int32_t rank = 0;

    if (self == NULL || source == NULL || toffee_value_rank(self) == 0 ||
        toffee_value_rank(source) != toffee_value_rank(self) - 1) {
        return TOFFEE_DECLINED;
    }
    toffee_value_dims(self, dims);
    toffee_strides(dims, toffee_value_rank(self), strides);
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    for (int32_t i = 0; i < toffee_value_rank(self); i++) {
        if (i != axis) {
            view_strides[rank++] = strides[i];
        }
    }
    index += index < 0 ? dims[axis] : 0;
    return return_written(lo, call, self, source, index * strides[axis], view_strides, st);
}

/* aten::slice_scatter(self, src, dim, start?, end?, step) -> Slice, Concat; ScatterND for a step */
static toffee_code
lower_slice_scatter(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *source = toffee_call_value(call, "src");
    int64_t start = toffee_call_int(call, "start", 0);
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t strides[TOFFEE_MAX_RANK];
    int64_t offset = 0;
    int64_t axis = 0;

    if (self == NULL || source == NULL || toffee_value_rank(self) == 0 ||
        toffee_value_rank(source) != toffee_value_rank(self)) {
        return TOFFEE_DECLINED;
    }
    toffee_value_dims(self, dims);
    toffee_strides(dims, toffee_value_rank(self), strides);
    axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));
    if (toffee_value_numel(source) == 0) {
        return toffee_lower_return(lo, call, 0, self, st);
    }
    start += start < 0 ? dims[axis] : 0;
    offset = (start > 0 ? start : 0) * strides[axis];
    strides[axis] *= toffee_call_int(call, "step", 1);
    return return_written(lo, call, self, source, offset, strides, st);
}

/* aten::diagonal_scatter(self, src, offset, dim1, dim2) -> Reshape, ScatterND, Reshape */
static toffee_code
lower_diagonal_scatter(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *source = toffee_call_value(call, "src");
    int64_t offset = toffee_call_int(call, "offset", 0);
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t strides[TOFFEE_MAX_RANK];
    int64_t view_strides[TOFFEE_MAX_RANK];
    int64_t dim1 = 0;
    int64_t dim2 = 0;
    int32_t self_rank = self != NULL ? toffee_value_rank(self) : 0;
    int32_t rank = 0;

    if (source == NULL || self_rank < 2 || toffee_value_rank(source) != self_rank - 1) {
        return TOFFEE_DECLINED;
    }
    toffee_value_dims(self, dims);
    toffee_strides(dims, self_rank, strides);
    dim1 = toffee_axis(toffee_call_int(call, "dim1", 0), self_rank);
    dim2 = toffee_axis(toffee_call_int(call, "dim2", 1), self_rank);
    for (int32_t i = 0; i < self_rank; i++) {
        if (i != dim1 && i != dim2) {
            view_strides[rank++] = strides[i];
        }
    }
    view_strides[rank++] = strides[dim1] + strides[dim2];
    offset = offset >= 0 ? offset * strides[dim2] : -offset * strides[dim1];
    return return_written(lo, call, self, source, offset, view_strides, st);
}

/* ---- by a mask ------------------------------------------------------------------------------ */

/* aten::masked_scatter(self, mask, source): the true places get source's elements in order.
 *   -> CumSum of the mask counts the place of each, Gather takes it, Where puts it */
static toffee_code
lower_masked_scatter(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *mask = toffee_call_value(call, "mask");
    toffee_value *source = toffee_call_value(call, "source");
    const toffee_result *result = &call->results[0];
    int64_t n = 0;
    int64_t n_source = 0;
    toffee_value *count = NULL;
    toffee_value *axis = NULL;
    toffee_value *taken = NULL;

    if (self == NULL || mask == NULL || source == NULL ||
        toffee_value_dtype(mask) != TOFFEE_DTYPE_BOOL) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, mask, result->dims, result->rank, &mask, st));
    n = toffee_value_numel(mask);
    n_source = toffee_value_numel(source);
    if (n == 0 || n_source == 0) {
        return toffee_lower_return(lo, call, 0, self, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, mask, TOFFEE_DTYPE_INT64, &count, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, count, &n, 1, &count, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, 0, &axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "CumSum", TOFFEE_INPUTS(count, axis), TOFFEE_DTYPE_INT64,
                                       NULL, &count, st));
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(count, TOFFEE_DTYPE_INT64, &n, 1, st));
    /* Before the first true one the count is 0, which becomes -1: the last, taken and thrown away.
     */
    count = toffee_chain_with(&chain, "Sub", count, 1);
    TOFFEE_RETURN_IF_ERROR(chain.rc);
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, source, toffee_value_dtype(self), &source, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, source, &n_source, 1, &source, st));
    TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, source, 0, count, &taken, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, taken, result->dims, result->rank, &taken, st));
    taken = toffee_chain_where(&chain, mask, taken, self);
    return toffee_chain_return(&chain, call, 0, taken);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::diagonal_scatter", lower_diagonal_scatter, NULL, 0},
    {"aten::index_add", lower_index_write, "add", 0},
    {"aten::index_copy", lower_index_write, NULL, 0},
    {"aten::index_fill", lower_index_write, NULL, 0},
    {"aten::index_reduce", lower_scatter_reduce, NULL, 1},
    {"aten::masked_scatter", lower_masked_scatter, NULL, 0},
    {"aten::put", lower_put, NULL, 0},
    {"aten::scatter", lower_scatter, NULL, 0},
    {"aten::scatter_add", lower_scatter, "add", 0},
    {"aten::scatter_reduce", lower_scatter_reduce, NULL, 0},
    {"aten::select_scatter", lower_select_scatter, NULL, 0},
    {"aten::slice_scatter", lower_slice_scatter, NULL, 0},
};
const toffee_rule_family toffee_rules_scatter = {rows, TOFFEE_COUNTOF(rows)};
