/* csrc/lower/emit.c -- appending nodes, and the few that every family needs. */
#include "lower/lower.h"

#include <string.h>

toffee_code
toffee_emit_output(toffee_lowering *lo, toffee_node *node, toffee_dtype dtype, toffee_value **out,
                   toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_graph_new_value(lo->graph, &value, st));
    value->type.dtype = dtype;
    if (out != NULL) {
        *out = value;
    }
    return toffee_node_add_output(node, value, st);
}

toffee_code
toffee_emit(toffee_lowering *lo, const char *op_type, toffee_value *const *inputs, size_t n_inputs,
            toffee_dtype dtype, toffee_node **node, toffee_value **out, toffee_status *st)
{
    toffee_node *made = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_node_new(lo->graph, op_type, &made, st));
    toffee_node_sign(made, lo);
    while (n_inputs != 0 && inputs[n_inputs - 1] == NULL) {
        n_inputs--;
    }
    for (size_t i = 0; i < n_inputs; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(made, inputs[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, made, dtype, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_append_node(lo->graph, made, st));
    if (node != NULL) {
        *node = made;
    }
    return TOFFEE_OK;
}

static bool
value_has_dims(const toffee_value *value, const int64_t *dims, int32_t rank)
{
    if (value->type.rank != rank) {
        return false;
    }
    for (int32_t i = 0; i < rank; i++) {
        if (value->type.dims[i].value != dims[i]) {
            return false;
        }
    }
    return true;
}

toffee_code
toffee_lower_return(toffee_lowering *lo, const toffee_call *call, size_t index, toffee_value *value,
                    toffee_status *st)
{
    toffee_result *result = index < call->n_results ? &call->results[index] : NULL;
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    int64_t dims[TOFFEE_MAX_RANK + 1];
    int32_t rank = 0;

    if (result == NULL || result->dtype == TOFFEE_DTYPE_UNDEFINED) {
        return TOFFEE_OK; /* this overload has no such result, or it is no tensor */
    }
    dtype = toffee_dtype_of_part(result->dtype);
    rank = toffee_result_dims(result, dims);
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, value, dtype, &value, st));
    if (!value_has_dims(value, dims, rank)) {
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(value, dtype, dims, rank, st));
    }
    result->value = value;
    return TOFFEE_OK;
}

/* OUT gets the shape of VALUE, if that is known. */
static toffee_code
value_copy_shape(toffee_value *out, const toffee_value *value, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];

    if (value->type.rank < 0) {
        return TOFFEE_OK;
    }
    toffee_value_dims(value, dims);
    return toffee_value_set_type(out, out->type.dtype, dims, value->type.rank, st);
}

/* Whether VALUE is a whole number without dimensions that a lowering made, and which. A parameter
 * is not: it may become an input of the graph. */
static bool
value_is_whole_number(const toffee_lowering *lo, const toffee_value *value, int64_t *number)
{
    const toffee_tensor *tensor = value->tensor;

    if (toffee_ptrmap_get(&lo->constants, value) == NULL || tensor->rank != 0) {
        return false;
    }
    switch (tensor->dtype) {
    case TOFFEE_DTYPE_BOOL:
    case TOFFEE_DTYPE_UINT8: *number = *(const uint8_t *)tensor->data; return true;
    case TOFFEE_DTYPE_INT8: *number = *(const int8_t *)tensor->data; return true;
    case TOFFEE_DTYPE_INT16: *number = *(const int16_t *)tensor->data; return true;
    case TOFFEE_DTYPE_UINT16: *number = *(const uint16_t *)tensor->data; return true;
    case TOFFEE_DTYPE_INT32: *number = *(const int32_t *)tensor->data; return true;
    case TOFFEE_DTYPE_UINT32: *number = *(const uint32_t *)tensor->data; return true;
    case TOFFEE_DTYPE_INT64: *number = *(const int64_t *)tensor->data; return true;
    default: return false;
    }
}

toffee_code
toffee_cast(toffee_lowering *lo, toffee_value *value, toffee_dtype dtype, toffee_value **out,
            toffee_status *st)
{
    toffee_node *node = NULL;
    int64_t number = 0;

    if (value->type.dtype == dtype) {
        *out = value;
        return TOFFEE_OK;
    }
    if (toffee_dtype_is_int(dtype) && value_is_whole_number(lo, value, &number)) {
        return toffee_const_scalar_int(lo, dtype, number, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Cast", TOFFEE_INPUTS(value), dtype, &node, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "to", dtype, st));
    return value_copy_shape(*out, value, st);
}

toffee_code
toffee_reshape(toffee_lowering *lo, toffee_value *value, const int64_t *dims, int32_t rank,
               toffee_value **out, toffee_status *st)
{
    int64_t shape[TOFFEE_MAX_RANK];
    toffee_value *shape_value = NULL;
    toffee_node *node = NULL;
    int32_t same = 0;
    bool empty = false;

    if (value_has_dims(value, dims, rank)) {
        *out = value;
        return TOFFEE_OK;
    }
    for (int32_t i = 0; i < rank; i++) {
        shape[i] = dims[i];
        empty = empty || dims[i] == 0;
    }
    if (!empty) {
        while (same < rank && same < value->type.rank &&
               dims[same] == value->type.dims[same].value) {
            shape[same++] = 0;
        }
        /* The first dimension is the batch, or has it as a factor; a last one is all that is left.
         */
        if (same == 0 && rank != 0) {
            shape[0] = -1;
        }
        else if (same == rank - 1) {
            shape[same] = -1;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, shape, (size_t)rank, &shape_value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "Reshape", TOFFEE_INPUTS(value, shape_value),
                                       value->type.dtype, &node, out, st));
    if (empty) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "allowzero", 1, st));
    }
    return toffee_value_set_type(*out, value->type.dtype, dims, rank, st);
}

toffee_code
toffee_transpose(toffee_lowering *lo, toffee_value *value, const int64_t *perm, toffee_value **out,
                 toffee_status *st)
{
    int32_t rank = toffee_value_rank(value);
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_node *node = NULL;
    bool identity = true;

    for (int32_t i = 0; i < rank; i++) {
        identity = identity && perm[i] == i;
        dims[i] = toffee_value_dim(value, (int32_t)perm[i]);
    }
    if (identity) {
        *out = value;
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Transpose", TOFFEE_INPUTS(value), value->type.dtype, &node, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "perm", perm, (size_t)rank, st));
    return toffee_value_set_type(*out, value->type.dtype, dims, rank, st);
}

toffee_code
toffee_emit_wide(toffee_lowering *lo, const char *op_type, toffee_value *const *inputs,
                 size_t n_inputs, toffee_dtype dtype, toffee_node **node, toffee_value **out,
                 toffee_status *st)
{
    toffee_dtype compute = toffee_compute_dtype(op_type, dtype);
    toffee_value **cast = toffee_arena_calloc(lo->scratch, n_inputs, sizeof(*cast));
    toffee_value *result = NULL;

    if (cast == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < n_inputs; i++) {
        if (inputs[i] != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, inputs[i], compute, &cast[i], st));
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, op_type, cast, n_inputs, compute, node, &result, st));
    return toffee_cast(lo, result, dtype, out, st);
}

void
toffee_value_dims(const toffee_value *value, int64_t *dims)
{
    for (int32_t i = 0; i < value->type.rank; i++) {
        dims[i] = value->type.dims[i].value;
    }
}

int64_t
toffee_value_numel(const toffee_value *value)
{
    int64_t n = 1;

    for (int32_t i = 0; i < value->type.rank; i++) {
        n *= value->type.dims[i].value;
    }
    return n;
}

int64_t
toffee_axis(int64_t axis, int32_t rank)
{
    return axis < 0 ? axis + (rank != 0 ? rank : 1) : axis;
}
