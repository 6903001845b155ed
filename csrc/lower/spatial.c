/* csrc/lower/spatial.c -- what convolutions, pools and resizes share. */
#include "lower/spatial.h"

bool
toffee_call_axes(const toffee_call *call, const char *name, int32_t n, const int64_t *fallback,
                 int64_t *out)
{
    size_t n_given = 0;
    const int64_t *given = toffee_call_ints(call, name, &n_given);

    if (n_given > 1 && n_given != (size_t)n) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        out[i] = fallback != NULL ? fallback[i] : 0;
        if (n_given != 0) {
            out[i] = given[n_given == 1 ? 0 : i];
        }
    }
    return true;
}

toffee_code
toffee_node_set_window(toffee_node *node, const toffee_window *window, bool with_dilations,
                       toffee_status *st)
{
    size_t n = (size_t)window->n;
    int64_t pads[2 * TOFFEE_MAX_SPATIAL];

    for (size_t i = 0; i < n; i++) {
        pads[i] = window->begin[i];
        pads[n + i] = window->end[i];
    }
    if (with_dilations) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "dilations", window->dilation, n, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "kernel_shape", window->kernel, n, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "pads", pads, 2 * n, st));
    return toffee_node_set_ints(node, "strides", window->stride, n, st);
}

/* The last axis is multiplied from the right, by the transposed matrix. */
static toffee_code
map_last_axis(toffee_lowering *lo, toffee_value *value, const double *matrix, int64_t n_out,
              toffee_value **out, toffee_status *st)
{
    int32_t rank = toffee_value_rank(value);
    int64_t n_in = toffee_value_dim(value, rank - 1);
    const int64_t matrix_dims[2] = {n_in, n_out};
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *factor = NULL;
    double *turned = toffee_arena_calloc(lo->scratch, (size_t)(n_in * n_out) + 1, sizeof(double));

    if (turned == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int64_t i = 0; i < n_out; i++) {
        for (int64_t k = 0; k < n_in; k++) {
            turned[k * n_out + i] = matrix[i * n_in + k];
        }
    }
    toffee_value_dims(value, dims);
    dims[rank - 1] = n_out;
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_table(lo, toffee_value_dtype(value), matrix_dims, 2, turned, &factor, st));
    return toffee_emit_dims(lo, "MatMul", TOFFEE_INPUTS(value, factor), toffee_value_dtype(value),
                            dims, rank, NULL, out, st);
}

toffee_code
toffee_map_axis(toffee_lowering *lo, toffee_value *value, int32_t axis, const double *matrix,
                int64_t n_out, toffee_value **out, toffee_status *st)
{
    const int64_t matrix_dims[2] = {n_out, toffee_value_dim(value, axis)};
    toffee_value *factor = NULL;

    if (axis == toffee_value_rank(value) - 1) {
        return map_last_axis(lo, value, matrix, n_out, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_table(lo, toffee_value_dtype(value), matrix_dims, 2, matrix, &factor, st));
    return toffee_map_axis_by(lo, value, axis, factor, out, st);
}

toffee_code
toffee_map_axis_by(toffee_lowering *lo, toffee_value *value, int32_t axis, toffee_value *factor,
                   toffee_value **out, toffee_status *st)
{
    int32_t rank = toffee_value_rank(value);
    int64_t n_out = toffee_value_dim(factor, 0);
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t flat[TOFFEE_MAX_RANK + 1];

    toffee_value_dims(value, dims);
    for (int32_t i = 0; i <= axis; i++) {
        flat[i] = dims[i];
    }
    flat[axis + 1] = 1; /* all axes behind it are one */
    for (int32_t i = axis + 1; i < rank; i++) {
        flat[axis + 1] *= dims[i];
    }
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, value, flat, axis + 2, &value, st));
    flat[axis] = n_out;
    dims[axis] = n_out;
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "MatMul", TOFFEE_INPUTS(factor, value),
                                            toffee_value_dtype(value), flat, axis + 2, NULL, &value,
                                            st));
    return toffee_reshape(lo, value, dims, rank, out, st);
}

toffee_code
toffee_gather_axis(toffee_lowering *lo, toffee_value *value, int32_t axis, const int64_t *table,
                   const int64_t *dims, int32_t rank, toffee_value **out, toffee_status *st)
{
    int32_t value_rank = toffee_value_rank(value);
    int64_t out_dims[TOFFEE_MAX_RANK];
    int32_t out_rank = 0;
    toffee_value *indices = NULL;
    toffee_node *node = NULL;

    for (int32_t i = 0; i < value_rank; i++) {
        if (i != axis) {
            out_dims[out_rank++] = toffee_value_dim(value, i);
            continue;
        }
        for (int32_t k = 0; k < rank; k++) {
            out_dims[out_rank++] = dims[k];
        }
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_tensor(lo, TOFFEE_DTYPE_INT64, dims, rank, table, &indices, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Gather", TOFFEE_INPUTS(value, indices),
                                            toffee_value_dtype(value), out_dims, out_rank, &node,
                                            out, st));
    return toffee_node_set_int(node, "axis", axis, st);
}
