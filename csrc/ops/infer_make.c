/* csrc/ops/infer_make.c -- infers what makes tensors out of nothing. */
#include "ops/infer_rules.h"
#include "ops/known.h"

#include <math.h>

/* The attribute NAME as a dtype; FALLBACK if it is missing. */
static toffee_dtype
attr_dtype(const toffee_node *node, const char *name, toffee_dtype fallback)
{
    int64_t number = toffee_node_int(node, name, fallback);

    return toffee_dtype_known(number) ? (toffee_dtype)number : TOFFEE_DTYPE_UNDEFINED;
}

/* OUT as a list of N elements (-1: not known how many). */
static toffee_code
set_list(toffee_infer *ctx, toffee_fact *out, int64_t n, toffee_status *st)
{
    toffee_dim *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 1, &dims, st));
    dims[0] = toffee_dim_of(n);
    out->rank = 1;
    out->dims = dims;
    return TOFFEE_OK;
}

/* ---- Constant ---- */

/* A tensor in the scratch arena around elements that an attribute holds: N of them in a list, or
 * one if N is -1. */
static toffee_code
constant_tensor(toffee_infer *ctx, toffee_fact *out, toffee_dtype dtype, const void *data,
                int64_t n, toffee_status *st)
{
    toffee_tensor *tensor = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_new(ctx->scratch, NULL, dtype, &n, n < 0 ? 0 : 1, data, &tensor, st));
    return toffee_fact_set_tensor(ctx, out, tensor, st);
}

static toffee_code
constant_sparse(toffee_infer *ctx, toffee_fact *out, const toffee_sparse *sparse, toffee_status *st)
{
    toffee_dim *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, sparse->rank, &dims, st));
    for (int32_t d = 0; d < sparse->rank; d++) {
        dims[d] = toffee_dim_of(sparse->dims[d]);
    }
    out->dtype = sparse->values != NULL ? sparse->values->dtype : TOFFEE_DTYPE_UNDEFINED;
    out->rank = sparse->rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_constant(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    const toffee_attr *attr = node->attrs.n == 1 ? &node->attrs.data[0] : NULL;

    if (attr == NULL) {
        return TOFFEE_OK;
    }
    switch (attr->type) {
    case TOFFEE_ATTR_TENSOR: return toffee_fact_set_tensor(ctx, out, attr->t, st);
    case TOFFEE_ATTR_INT: return constant_tensor(ctx, out, TOFFEE_DTYPE_INT64, &attr->i, -1, st);
    case TOFFEE_ATTR_INTS:
        return constant_tensor(ctx, out, TOFFEE_DTYPE_INT64, attr->ints, (int64_t)attr->n, st);
    case TOFFEE_ATTR_FLOAT: return constant_tensor(ctx, out, TOFFEE_DTYPE_FLOAT, &attr->f, -1, st);
    case TOFFEE_ATTR_FLOATS:
        return constant_tensor(ctx, out, TOFFEE_DTYPE_FLOAT, attr->floats, (int64_t)attr->n, st);
    case TOFFEE_ATTR_STRING:
        out->dtype = TOFFEE_DTYPE_STRING;
        toffee_fact_set_scalar(out);
        return TOFFEE_OK;
    case TOFFEE_ATTR_STRINGS:
        out->dtype = TOFFEE_DTYPE_STRING;
        return set_list(ctx, out, (int64_t)attr->n, st);
    case TOFFEE_ATTR_SPARSE_TENSOR:
        return attr->n != 0 ? constant_sparse(ctx, out, attr->sparse[0], st) : TOFFEE_OK;
    default: /* graphs and the like, which the row does not allow */ return TOFFEE_OK;
    }
}

toffee_code
toffee_infer_constant_of_shape(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *shape = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    const toffee_attr *value = toffee_node_attr(node, "value");
    toffee_fact fill = {.rank = -1};
    toffee_scalar *items = NULL;
    toffee_dim *dims = NULL;
    int64_t rank = shape->rank == 1 ? shape->dims[0].value : -1;
    int64_t count = 0;

    out->dtype = value != NULL ? value->t->dtype : TOFFEE_DTYPE_FLOAT;
    if (rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    for (size_t i = 0; shape->items != NULL && i < shape->n_items; i++) {
        int64_t size = 0;

        if (toffee_fact_int(shape, i, &size) && size < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "the shape has %lld at %zu; sizes are 0 or "
                               "more",
                               (long long)size, i);
        }
        dims[i] = toffee_dim_of_scalar(shape->items[i]);
    }
    out->rank = (int32_t)rank;
    out->dims = dims;
    count = toffee_fact_count(out);
    if (value == NULL || count < 0 || (uint64_t)count > TOFFEE_INFER_MAX_ITEMS) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_fact_set_tensor(ctx, &fill, value->t, st));
    if (fill.items == NULL || fill.n_items != 1) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, (size_t)count, &items, st));
    for (int64_t i = 0; i < count; i++) {
        items[i] = fill.items[0];
    }
    out->items = items;
    out->n_items = (size_t)count;
    return TOFFEE_OK;
}

/* ---- Range ---- */

/* The elements of a Range of whole numbers, where they are few. */
static toffee_code
range_items(toffee_infer *ctx, toffee_fact *out, int64_t n, toffee_status *st)
{
    toffee_scalar *items = NULL;
    int64_t start = 0;
    int64_t delta = 0;

    if ((uint64_t)n > TOFFEE_INFER_MAX_ITEMS ||
        !toffee_fact_int(toffee_infer_in(ctx, 0), 0, &start) ||
        !toffee_fact_int(toffee_infer_in(ctx, 2), 0, &delta)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, (size_t)n, &items, st));
    for (int64_t i = 0; i < n; i++) { /* between start and limit, so nothing overflows */
        items[i] = toffee_scalar_of(start + i * delta);
    }
    out->items = items;
    out->n_items = (size_t)n;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_range(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    const toffee_fact *limit_fact = toffee_infer_in(ctx, 1);
    int64_t ints[3] = {0};
    double reals[3] = {0};
    bool whole = true;
    bool real = true;
    int64_t n = -1;

    (void)node;
    for (size_t i = 0; i < 3; i++) {
        whole = whole && toffee_fact_int(toffee_infer_in(ctx, i), 0, &ints[i]);
        real = real && toffee_fact_real(toffee_infer_in(ctx, i), 0, &reals[i]);
    }
    if (real && reals[2] == 0.0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "delta is 0, so the range has no end");
    }
    if (whole) {
        uint64_t span = (uint64_t)ints[1] - (uint64_t)ints[0];
        uint64_t step = (uint64_t)ints[2];

        if (ints[2] < 0) {
            span = -span;
            step = -step;
        }
        if (ints[2] > 0 ? ints[1] <= ints[0] : ints[1] >= ints[0]) {
            span = 0;
        }
        n = (int64_t)(span / step) + (span % step != 0); /* below 2^63 unless step is 1: then -1 */
        n = span / step > INT64_MAX - 1 ? -1 : n;
    }
    else if (real) {
        double steps = ceil((reals[1] - reals[0]) / reals[2]);

        n = !(steps > 0) ? (isnan(steps) ? -1 : 0) : steps < 9e18 ? (int64_t)steps : -1;
    }
    TOFFEE_RETURN_IF_ERROR(set_list(ctx, out, n, st));
    /* From 0 in steps of 1 to a size that has a symbol. */
    if (n < 0 && limit_fact->n_items == 1 && !limit_fact->items[0].known &&
        toffee_fact_int(toffee_infer_in(ctx, 0), 0, &ints[0]) && ints[0] == 0 &&
        toffee_fact_int(toffee_infer_in(ctx, 2), 0, &ints[2]) && ints[2] == 1) {
        toffee_dim *dims = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 1, &dims, st));
        dims[0] = toffee_dim_of_scalar(limit_fact->items[0]);
        out->dims = dims;
    }
    return whole && n >= 0 ? range_items(ctx, out, n, st) : TOFFEE_OK;
}

toffee_code
toffee_infer_one_hot(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *indices = toffee_infer_in(ctx, 0);
    const toffee_fact *depth = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    double real = 0;
    int32_t axis = 0;
    int32_t from = 0;

    if (indices->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, (int64_t)indices->rank + 1, &dims, st));
    axis = toffee_axis_index(toffee_node_int(node, "axis", -1), indices->rank + 1);
    if (axis < 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'axis' lies outside of the %d axes of the output",
                           (int)indices->rank + 1);
    }
    for (int32_t d = 0; d <= indices->rank; d++) {
        if (d != axis) {
            dims[d] = indices->dims[from++];
        }
        else if (toffee_fact_real(depth, 0, &real)) {
            dims[d] = real >= 0 && real < 9e18 ? toffee_dim_of((int64_t)real) : dims[d];
        }
        else if (depth->items != NULL && depth->n_items == 1) {
            dims[d] = toffee_dim_of_scalar(depth->items[0]);
        }
    }
    out->rank = indices->rank + 1;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_random_shape(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    const toffee_attr *shape = toffee_node_attr(node, "shape");
    toffee_dim *dims = NULL;

    out->dtype = attr_dtype(node, "dtype", TOFFEE_DTYPE_FLOAT);
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, (int64_t)shape->n, &dims, st));
    for (size_t i = 0; i < shape->n; i++) {
        if (shape->ints[i] < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "attribute 'shape' has %lld at %zu",
                               (long long)shape->ints[i], i);
        }
        dims[i] = toffee_dim_of(shape->ints[i]);
    }
    out->rank = (int32_t)shape->n;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_multinomial(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;

    out->dtype = attr_dtype(node, "dtype", TOFFEE_DTYPE_INT32);
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 2, &dims, st));
    dims[0] = toffee_fact_dim(toffee_infer_in(ctx, 0), 0);
    dims[1] = toffee_dim_of(toffee_node_int(node, "sample_size", 1));
    out->rank = 2;
    out->dims = dims;
    return TOFFEE_OK;
}

/* The size that input INDEX, a single number, stands for. */
static toffee_dim
size_input(const toffee_infer *ctx, size_t index)
{
    const toffee_fact *fact = toffee_infer_in(ctx, index);

    return fact->items != NULL && fact->n_items == 1 ? toffee_dim_of_scalar(fact->items[0])
                                                     : TOFFEE_DIM_UNKNOWN;
}

toffee_code
toffee_infer_window(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;

    out->dtype = attr_dtype(node, "output_datatype", TOFFEE_DTYPE_FLOAT);
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 1, &dims, st));
    dims[0] = size_input(ctx, 0);
    out->rank = 1;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_mel(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim length = size_input(ctx, 1);
    toffee_dim *dims = NULL;

    out->dtype = attr_dtype(node, "output_datatype", TOFFEE_DTYPE_FLOAT);
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 2, &dims, st));
    dims[0] = toffee_dim_add(toffee_dim_div(length, 2), toffee_dim_of(1));
    dims[1] = size_input(ctx, 0);
    out->rank = 2;
    out->dims = dims;
    return TOFFEE_OK;
}
