/* csrc/lower/shape.c -- see shape.h. */
#include "lower/shape.h"

#include "lower/fit.h"

#include <string.h>

toffee_code
toffee_slice(toffee_lowering *lo, toffee_value *value, const toffee_range *ranges, size_t n,
             toffee_value **out, toffee_status *st)
{
    int64_t columns[4][TOFFEE_MAX_RANK]; /* starts, ends, axes, steps */
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *inputs[5] = {value};
    size_t n_cut = 0;
    bool stepped = false;

    toffee_value_dims(value, dims);
    for (size_t i = 0; i < n; i++) {
        const toffee_range *range = &ranges[i];
        int64_t size = dims[range->axis];
        int64_t start = range->start < 0 ? range->start + size : range->start;
        int64_t last = start + (range->count - 1) * range->step;
        bool to_the_end = range->step > 0 ? last >= size - range->step : last + range->step < 0;

        if (start == 0 && range->step == 1 && range->count == size && !lo->is_twin) {
            continue; /* at another size it may cut */
        }
        to_the_end = to_the_end && (range->step < 0 || !lo->is_twin);
        columns[0][n_cut] = range->start;
        columns[1][n_cut] = last + range->step;
        if (range->count == 0) {
            columns[1][n_cut] = range->start;
        }
        else if (to_the_end) {
            columns[1][n_cut] = range->step > 0 ? INT64_MAX : INT64_MIN;
        }
        columns[2][n_cut] = range->axis;
        columns[3][n_cut] = range->step;
        stepped = stepped || range->step != 1;
        dims[range->axis] = range->count;
        n_cut++;
    }
    if (n_cut == 0) {
        *out = value;
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < (stepped ? 4 : 3); i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, columns[i], n_cut, &inputs[i + 1], st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Slice", inputs, 5, value->type.dtype, NULL, out, st));
    return toffee_value_set_type(*out, value->type.dtype, dims, value->type.rank, st);
}

toffee_code
toffee_gather(toffee_lowering *lo, toffee_value *value, int64_t axis, toffee_value *indices,
              toffee_value **out, toffee_status *st)
{
    int64_t dims[2 * TOFFEE_MAX_RANK];
    int32_t rank = 0;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Gather", TOFFEE_INPUTS(value, indices),
                                       value->type.dtype, &node, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, st));
    for (int32_t i = 0; i < value->type.rank; i++) {
        if (i != axis) {
            dims[rank++] = toffee_value_dim(value, i);
            continue;
        }
        toffee_value_dims(indices, dims + rank);
        rank += indices->type.rank;
    }
    if (rank > TOFFEE_MAX_RANK) {
        return toffee_fail(st, TOFFEE_ERR_UNSUPPORTED, "a result of more than %d dimensions",
                           TOFFEE_MAX_RANK);
    }
    return toffee_value_set_type(*out, value->type.dtype, dims, rank, st);
}

toffee_code
toffee_select(toffee_lowering *lo, toffee_value *value, int64_t axis, int64_t index,
              toffee_value **out, toffee_status *st)
{
    toffee_value *indices = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, index, &indices, st));
    return toffee_gather(lo, value, axis, indices, out, st);
}

toffee_code
toffee_squeeze(toffee_lowering *lo, toffee_value *value, const int64_t *axes, size_t n,
               toffee_value **out, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *axes_value = NULL;
    int32_t rank = 0;
    size_t gone = 0;

    if (n == 0) {
        *out = value;
        return TOFFEE_OK;
    }
    for (int32_t i = 0; i < value->type.rank; i++) {
        if (gone < n && axes[gone] == i) {
            gone++;
            continue;
        }
        dims[rank++] = toffee_value_dim(value, i);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, axes, n, &axes_value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Squeeze", TOFFEE_INPUTS(value, axes_value),
                                       value->type.dtype, NULL, out, st));
    return toffee_value_set_type(*out, value->type.dtype, dims, rank, st);
}

toffee_code
toffee_unsqueeze(toffee_lowering *lo, toffee_value *value, const int64_t *axes, size_t n,
                 toffee_value **out, toffee_status *st)
{
    int64_t dims[2 * TOFFEE_MAX_RANK];
    toffee_value *axes_value = NULL;
    int32_t rank = value->type.rank + (int32_t)n;
    int32_t from = 0;
    size_t put = 0;

    if (n == 0) {
        *out = value;
        return TOFFEE_OK;
    }
    for (int32_t i = 0; i < rank; i++) {
        if (put < n && axes[put] == i) {
            put++;
            dims[i] = 1;
            continue;
        }
        dims[i] = toffee_value_dim(value, from++);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, axes, n, &axes_value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Unsqueeze", TOFFEE_INPUTS(value, axes_value),
                                       value->type.dtype, NULL, out, st));
    return toffee_value_set_type(*out, value->type.dtype, dims, rank, st);
}

toffee_code
toffee_expand(toffee_lowering *lo, toffee_value *value, const int64_t *dims, int32_t rank,
              toffee_value **out, toffee_status *st)
{
    int64_t shape[TOFFEE_MAX_RANK];
    toffee_value *shape_value = NULL;
    int32_t lead = rank - value->type.rank; /* dimensions that VALUE does not have */
    int32_t first = 0;
    bool same = lead == 0;
    bool vanishes = false; /* a 1 becomes a 0, which ONNX Runtime's Expand leaves as it is */

    for (int32_t i = 0; i < rank; i++) {
        bool stays = i >= lead && toffee_value_dim(value, i - lead) == dims[i];

        shape[i] = stays ? 1 : dims[i]; /* both ways: a 1 here lets VALUE's own size through */
        same = same && stays;
        vanishes = vanishes || (!stays && dims[i] == 0);
    }
    if (same && !lo->is_twin) { /* an axis that is 1 here may be larger elsewhere */
        *out = value;
        return TOFFEE_OK;
    }
    if (vanishes) {
        return toffee_const_empty(lo, value->type.dtype, dims, rank, out, st);
    }
    while (first < rank && first >= lead && shape[first] == 1 && !lo->is_twin) {
        first++;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_ints(lo, shape + first, (size_t)(rank - first), &shape_value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Expand", TOFFEE_INPUTS(value, shape_value),
                                       value->type.dtype, NULL, out, st));
    return toffee_value_set_type(*out, value->type.dtype, dims, rank, st);
}

toffee_code
toffee_concat(toffee_lowering *lo, toffee_value *const *values, size_t n, int64_t axis,
              toffee_value **out, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_node *node = NULL;

    if (n == 1) {
        *out = values[0];
        return TOFFEE_OK;
    }
    toffee_value_dims(values[0], dims);
    for (size_t i = 1; i < n; i++) {
        dims[axis] += toffee_value_dim(values[i], (int32_t)axis);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Concat", values, n, values[0]->type.dtype, &node, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, st));
    return toffee_value_set_type(*out, values[0]->type.dtype, dims, values[0]->type.rank, st);
}

/* Writes to AXES where LONG_DIMS has ones that SHORT_DIMS has not; false if that is not all of the
 * difference. */
static bool
dims_extra_ones(const int64_t *long_dims, int32_t long_rank, const int64_t *short_dims,
                int32_t short_rank, int64_t *axes)
{
    int32_t at = 0;
    int32_t n = 0;

    if (long_rank <= short_rank) {
        return false;
    }
    for (int32_t i = 0; i < long_rank; i++) {
        if (at < short_rank && short_dims[at] == long_dims[i]) {
            at++;
        }
        else if (long_dims[i] == 1) {
            axes[n++] = i;
        }
        else {
            return false;
        }
    }
    return at == short_rank;
}

toffee_code
toffee_fit(toffee_lowering *lo, toffee_value *value, const int64_t *dims, int32_t rank,
           toffee_value **out, toffee_status *st)
{
    int64_t own[TOFFEE_MAX_RANK];
    int64_t axes[TOFFEE_MAX_RANK];
    int32_t own_rank = value->type.rank;

    toffee_value_dims(value, own);
    if (dims_extra_ones(own, own_rank, dims, rank, axes)) {
        return toffee_squeeze(lo, value, axes, (size_t)(own_rank - rank), out, st);
    }
    if (dims_extra_ones(dims, rank, own, own_rank, axes)) {
        return toffee_unsqueeze(lo, value, axes, (size_t)(rank - own_rank), out, st);
    }
    return toffee_reshape(lo, value, dims, rank, out, st);
}

toffee_code
toffee_scatter(toffee_lowering *lo, const char *op_type, toffee_value *data, toffee_value *indices,
               toffee_value *updates, const char *reduction, int64_t axis, toffee_value **out,
               toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(data);
    toffee_dtype compute = dtype;
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_node *node = NULL;

    /* A sum of bools is their or, a product their and: what numbers give too, when made bool again.
     */
    if (reduction != NULL && dtype == TOFFEE_DTYPE_BOOL) {
        compute = TOFFEE_DTYPE_INT32;
    }
    else if (reduction != NULL &&
             (dtype == TOFFEE_DTYPE_FLOAT16 || dtype == TOFFEE_DTYPE_BFLOAT16)) {
        compute = TOFFEE_DTYPE_FLOAT;
    }
    toffee_value_dims(data, dims);
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, data, compute, &data, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, updates, compute, &updates, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, op_type, TOFFEE_INPUTS(data, indices, updates), compute, &node, out, st));
    if (strcmp(op_type, "ScatterElements") == 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, st));
    }
    if (reduction != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "reduction", reduction, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(*out, compute, dims, data->type.rank, st));
    return toffee_cast(lo, *out, dtype, out, st);
}

int32_t
toffee_broadcast_dims(const toffee_value *a, const toffee_value *b, int64_t *dims)
{
    int32_t a_rank = toffee_value_rank(a);
    int32_t b_rank = toffee_value_rank(b);
    int32_t rank = a_rank > b_rank ? a_rank : b_rank;

    for (int32_t i = 0; i < rank; i++) {
        int64_t a_dim = i >= rank - a_rank ? toffee_value_dim(a, i - (rank - a_rank)) : 1;
        int64_t b_dim = i >= rank - b_rank ? toffee_value_dim(b, i - (rank - b_rank)) : 1;

        dims[i] = a_dim != 1 ? a_dim : b_dim;
    }
    return rank;
}

toffee_code
toffee_at_least_1d(toffee_lowering *lo, toffee_value *value, toffee_value **out, toffee_status *st)
{
    const int64_t axis = 0;

    *out = value;
    return toffee_value_rank(value) == 0 ? toffee_unsqueeze(lo, value, &axis, 1, out, st)
                                         : TOFFEE_OK;
}

void
toffee_strides(const int64_t *dims, int32_t rank, int64_t *strides)
{
    int64_t stride = 1;

    for (int32_t i = rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= dims[i] > 0 ? dims[i] : 1;
    }
}

toffee_code
toffee_const_empty(toffee_lowering *lo, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                   toffee_value **out, toffee_status *st)
{
    return toffee_const_tensor(lo, dtype, dims, rank, NULL, out, st);
}

toffee_code
toffee_positions(toffee_lowering *lo, int64_t n, bool as_column, toffee_value **out,
                 toffee_status *st)
{
    static const int64_t last[1] = {1};
    const int64_t dims[2] = {n, 1};
    toffee_value *zero = NULL;
    toffee_value *limit = NULL;
    toffee_value *one = NULL;
    int64_t *numbers = NULL;

    if (lo->is_twin) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, 0, &zero, st));
        TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, n, &limit, st));
        TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, 1, &one, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Range", TOFFEE_INPUTS(zero, limit, one),
                                           TOFFEE_DTYPE_INT64, NULL, out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(*out, TOFFEE_DTYPE_INT64, dims, 1, st));
        return as_column ? toffee_unsqueeze(lo, *out, last, 1, out, st) : TOFFEE_OK;
    }
    numbers = toffee_arena_calloc(lo->scratch, (size_t)n + 1, sizeof(*numbers));
    if (numbers == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int64_t i = 0; i < n; i++) {
        numbers[i] = i;
    }
    return toffee_const_tensor(lo, TOFFEE_DTYPE_INT64, dims, as_column ? 2 : 1, numbers, out, st);
}

toffee_code
toffee_positions_table(toffee_lowering *lo, const int64_t dims[2], int64_t row_step,
                       int64_t column_step, toffee_value **out, toffee_status *st)
{
    toffee_value *column = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_positions(lo, dims[1], false, &column, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Mul", column, (double)column_step, &column, st));
    TOFFEE_RETURN_IF_ERROR(toffee_positions(lo, dims[0], true, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Mul", *out, (double)row_step, out, st));
    return toffee_emit_dims(lo, "Add", TOFFEE_INPUTS(*out, column), TOFFEE_DTYPE_INT64, dims, 2,
                            NULL, out, st);
}
