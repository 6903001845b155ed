/* csrc/lower/fit.c -- operands made to fit an operator. */
#include "lower/fit.h"

#include <string.h>

#include "ops/optable.h"

toffee_dtype
toffee_fit_dtype(const char *op_type, toffee_dtype dtype)
{
    const toffee_op_spec *spec = toffee_op_find("", op_type);
    const char *variable = spec != NULL && spec->n_inputs != 0 ? spec->inputs[0].type : NULL;

    for (size_t i = 0; variable != NULL && i < spec->n_typevars; i++) {
        uint32_t dtypes = spec->typevars[i].dtypes;

        if (strcmp(spec->typevars[i].name, variable) != 0) {
            continue;
        }
        if ((dtypes & TOFFEE_DTYPE_BIT(dtype)) != 0) {
            return dtype;
        }
        return (dtype == TOFFEE_DTYPE_BFLOAT16 || dtype == TOFFEE_DTYPE_FLOAT16) &&
                       (dtypes & TOFFEE_DTYPE_BIT(TOFFEE_DTYPE_FLOAT)) != 0
                   ? TOFFEE_DTYPE_FLOAT
                   : TOFFEE_DTYPE_UNDEFINED;
    }
    return dtype;
}

toffee_code
toffee_emit_dims(toffee_lowering *lo, const char *op_type, toffee_value *const *inputs,
                 size_t n_inputs, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                 toffee_node **node, toffee_value **out, toffee_status *st)
{
    toffee_value *made = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, op_type, inputs, n_inputs, dtype, node, &made, st));
    if (out != NULL) {
        *out = made;
    }
    return toffee_value_set_type(made, dtype, dims, rank, st);
}

toffee_code
toffee_emit_like(toffee_lowering *lo, const char *op_type, toffee_value *const *inputs,
                 size_t n_inputs, const toffee_value *like, toffee_node **node, toffee_value **out,
                 toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];

    toffee_value_dims(like, dims);
    return toffee_emit_dims(lo, op_type, inputs, n_inputs, toffee_value_dtype(like), dims,
                            toffee_value_rank(like), node, out, st);
}

toffee_code
toffee_emit_scaled(toffee_lowering *lo, const char *op_type, toffee_value *value, double f,
                   toffee_value **out, toffee_status *st)
{
    bool product = strcmp(op_type, "Mul") == 0 || strcmp(op_type, "Div") == 0;
    toffee_value *number = NULL;

    if (f == (product ? 1 : 0)) {
        *out = value;
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, toffee_value_dtype(value), f, &number, st));
    return toffee_emit_like(lo, op_type, TOFFEE_INPUTS(value, number), value, NULL, out, st);
}

toffee_code
toffee_add_batch(toffee_lowering *lo, toffee_value *value, toffee_value **out, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK + 1] = {1};
    toffee_value *axis = NULL;

    toffee_value_dims(value, dims + 1);
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, 0, &axis, st));
    return toffee_emit_dims(lo, "Unsqueeze", TOFFEE_INPUTS(value, axis), toffee_value_dtype(value),
                            dims, toffee_value_rank(value) + 1, NULL, out, st);
}

toffee_code
toffee_drop_batch(toffee_lowering *lo, toffee_value *value, toffee_value **out, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *axis = NULL;

    toffee_value_dims(value, dims);
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, 0, &axis, st));
    return toffee_emit_dims(lo, "Squeeze", TOFFEE_INPUTS(value, axis), toffee_value_dtype(value),
                            dims + 1, toffee_value_rank(value) - 1, NULL, out, st);
}

toffee_code
toffee_const_fill(toffee_lowering *lo, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                  double f, toffee_value **out, toffee_status *st)
{
    toffee_value *number = NULL;
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;
    size_t size = 0;
    char *bytes = NULL;

    /* The number is converted once, by making it a constant of its own, which nobody uses. */
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, f, &number, st));
    if (!toffee_dtype_count(dtype, dims, rank, &n_elements, &n_bytes)) {
        return toffee_fail(st, TOFFEE_ERR_LIMIT, "a constant of the graph is larger than memory");
    }
    size = (size_t)number->tensor->n_bytes;
    bytes = toffee_arena_calloc(lo->scratch, (size_t)n_elements + 1, size);
    if (bytes == NULL) {
        return toffee_fail_nomem(st);
    }
    for (uint64_t i = 0; i < n_elements; i++) {
        memcpy(bytes + i * size, number->tensor->data, size);
    }
    return toffee_const_tensor(lo, dtype, dims, rank, bytes, out, st);
}

toffee_code
toffee_const_table(toffee_lowering *lo, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                   const double *numbers, toffee_value **out, toffee_status *st)
{
    size_t n = 1;
    float *narrow = NULL;

    if (dtype == TOFFEE_DTYPE_DOUBLE) {
        return toffee_const_tensor(lo, dtype, dims, rank, numbers, out, st);
    }
    for (int32_t i = 0; i < rank; i++) {
        n *= (size_t)dims[i];
    }
    narrow = toffee_arena_calloc(lo->scratch, n + 1, sizeof(*narrow));
    if (narrow == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < n; i++) {
        narrow[i] = (float)numbers[i];
    }
    return toffee_const_tensor(lo, TOFFEE_DTYPE_FLOAT, dims, rank, narrow, out, st);
}
