/* csrc/lower/chain.c */
#include "lower/chain.h"

#include "lower/fit.h"
#include "lower/shape.h"

#include <string.h>

/* Keeps the first error; true while there is none. */
static bool
chain_keep(toffee_chain *chain, toffee_code rc)
{
    if (chain->rc == TOFFEE_OK) {
        chain->rc = rc;
    }
    return chain->rc == TOFFEE_OK;
}

/* OUT gets the shape that its operands broadcast to. */
static void
chain_broadcast(toffee_chain *chain, toffee_value *out, toffee_value *const *operands, size_t n)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int32_t rank = 0;

    for (size_t i = 0; i < n; i++) {
        if (operands[i]->type.rank < 0) {
            return;
        }
        rank = operands[i]->type.rank > rank ? operands[i]->type.rank : rank;
    }
    for (int32_t k = 0; k < rank; k++) {
        dims[k] = 1;
    }
    for (size_t i = 0; i < n; i++) {
        int32_t shift = rank - operands[i]->type.rank;

        for (int32_t k = shift; k < rank; k++) {
            int64_t dim = toffee_value_dim(operands[i], k - shift);

            dims[k] = dim != 1 ? dim : dims[k];
        }
    }
    chain_keep(chain, toffee_value_set_type(out, out->type.dtype, dims, rank, chain->st));
}

toffee_value *
toffee_chain_operand(toffee_chain *chain, const toffee_arg *arg, toffee_dtype dtype)
{
    toffee_value *out = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    if (arg == NULL || arg->kind == TOFFEE_ARG_NONE) {
        chain->rc = TOFFEE_DECLINED;
        return NULL;
    }
    chain_keep(chain, toffee_operand(chain->lo, arg, dtype, &out, chain->st));
    return out;
}

toffee_value *
toffee_chain_cast(toffee_chain *chain, toffee_value *x, toffee_dtype dtype)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain_keep(chain, toffee_cast(chain->lo, x, dtype, &out, chain->st));
    }
    return out;
}

toffee_value *
toffee_chain_number(toffee_chain *chain, toffee_dtype dtype, double f)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain_keep(chain, toffee_const_float(chain->lo, dtype, f, &out, chain->st));
    }
    return out;
}

toffee_value *
toffee_chain_size(toffee_chain *chain, int64_t n)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_const_scalar_int(chain->lo, TOFFEE_DTYPE_INT64, n, &out, chain->st);
    }
    return out;
}

toffee_value *
toffee_chain_range(toffee_chain *chain, toffee_value *start, toffee_value *limit,
                   toffee_value *step, int64_t n)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_emit_dims(chain->lo, "Range", TOFFEE_INPUTS(start, limit, step),
                                     TOFFEE_DTYPE_INT64, &n, 1, NULL, &out, chain->st);
    }
    return out;
}

toffee_value *
toffee_chain_count(toffee_chain *chain, int64_t n)
{
    toffee_value *zero = toffee_chain_size(chain, 0);
    toffee_value *limit = toffee_chain_size(chain, n);
    toffee_value *one = toffee_chain_size(chain, 1);

    return toffee_chain_range(chain, zero, limit, one, n);
}

toffee_value *
toffee_chain_unary(toffee_chain *chain, const char *op_type, toffee_value *x)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK &&
        chain_keep(chain, toffee_emit_wide(chain->lo, op_type, &x, 1, toffee_value_dtype(x), NULL,
                                           &out, chain->st))) {
        chain_broadcast(chain, out, &x, 1);
    }
    return out;
}

/* What arithmetic on bools means. */
static const char *const bool_twins[][2] = {
    {"Add", "Or"}, {"Max", "Or"}, {"Min", "And"}, {"Mul", "And"}};

static const char *
bool_operator(const char *op_type)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(bool_twins); i++) {
        if (strcmp(bool_twins[i][0], op_type) == 0) {
            return bool_twins[i][1];
        }
    }
    return op_type;
}

toffee_value *
toffee_chain_binary(toffee_chain *chain, const char *op_type, toffee_value *a, toffee_value *b)
{
    toffee_value *const operands[2] = {a, b};
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK && toffee_value_dtype(a) == TOFFEE_DTYPE_BOOL) {
        op_type = bool_operator(op_type);
    }
    if (chain->rc == TOFFEE_OK &&
        chain_keep(chain, toffee_emit_wide(chain->lo, op_type, operands, 2, toffee_value_dtype(a),
                                           NULL, &out, chain->st))) {
        chain_broadcast(chain, out, operands, 2);
    }
    return out;
}

toffee_value *
toffee_chain_test(toffee_chain *chain, const char *op_type, toffee_value *a, toffee_value *b)
{
    toffee_value *operands[2] = {a, b};
    size_t n = b != NULL ? 2 : 1;
    toffee_value *out = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        operands[i] = toffee_chain_cast(
            chain, operands[i], toffee_compute_dtype(op_type, toffee_value_dtype(operands[i])));
    }
    if (chain->rc == TOFFEE_OK &&
        chain_keep(chain, toffee_emit(chain->lo, op_type, operands, n, TOFFEE_DTYPE_BOOL, NULL,
                                      &out, chain->st))) {
        chain_broadcast(chain, out, operands, n);
    }
    return out;
}

toffee_value *
toffee_chain_with(toffee_chain *chain, const char *op_type, toffee_value *x, double f)
{
    toffee_value *number = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    number = toffee_chain_number(chain, toffee_value_dtype(x), f);
    return toffee_chain_binary(chain, op_type, x, number);
}

toffee_value *
toffee_chain_where(toffee_chain *chain, toffee_value *condition, toffee_value *a, toffee_value *b)
{
    toffee_value *operands[3] = {condition, a, b};
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    toffee_dtype compute = TOFFEE_DTYPE_UNDEFINED;
    toffee_value *out = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    dtype = toffee_value_dtype(a);
    compute = toffee_compute_dtype("Where", dtype);
    operands[1] = toffee_chain_cast(chain, a, compute);
    operands[2] = toffee_chain_cast(chain, b, compute);
    if (chain->rc == TOFFEE_OK && chain_keep(chain, toffee_emit(chain->lo, "Where", operands, 3,
                                                                compute, NULL, &out, chain->st))) {
        chain_broadcast(chain, out, operands, 3);
    }
    return toffee_chain_cast(chain, out, dtype);
}

toffee_value *
toffee_chain_trunc(toffee_chain *chain, toffee_value *x)
{
    toffee_value *zero = NULL;
    toffee_value *negative = NULL;
    toffee_value *up = NULL;
    toffee_value *down = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    zero = toffee_chain_number(chain, toffee_value_dtype(x), 0);
    negative = toffee_chain_test(chain, "Less", x, zero);
    up = toffee_chain_unary(chain, "Ceil", x);
    down = toffee_chain_unary(chain, "Floor", x);
    return toffee_chain_where(chain, negative, up, down);
}

toffee_value *
toffee_chain_atan2(toffee_chain *chain, toffee_value *y, toffee_value *x)
{
    const double pi = 3.14159265358979323846;
    toffee_value *zero = NULL;
    toffee_value *plus = NULL;
    toffee_value *minus = NULL;
    toffee_value *left = NULL;
    toffee_value *below = NULL;
    toffee_value *angle = NULL;
    toffee_value *flat = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    zero = toffee_chain_number(chain, toffee_value_dtype(x), 0);
    plus = toffee_chain_number(chain, toffee_value_dtype(x), pi);
    minus = toffee_chain_number(chain, toffee_value_dtype(x), -pi);
    left = toffee_chain_test(chain, "Less", x, zero);
    below = toffee_chain_test(chain, "Less", y, zero);
    /* -0 would turn the sign of the quotient. */
    flat = toffee_chain_test(chain, "Equal", x, zero);
    x = toffee_chain_where(chain, flat, zero, x);
    angle = toffee_chain_binary(chain, "Div", y, x);
    angle = toffee_chain_unary(chain, "Atan", angle);
    minus = toffee_chain_where(chain, below, minus, plus);
    minus = toffee_chain_binary(chain, "Add", angle, minus);
    angle = toffee_chain_where(chain, left, minus, angle);
    /* On the axis, where y / x may be 0 / 0. */
    flat = toffee_chain_test(chain, "Equal", y, zero);
    plus = toffee_chain_where(chain, left, plus, zero);
    return toffee_chain_where(chain, flat, plus, angle);
}

toffee_value *
toffee_chain_reduce(toffee_chain *chain, const char *op_type, toffee_value *x, const int64_t *axes,
                    size_t n, bool keepdim)
{
    int64_t dims[TOFFEE_MAX_RANK];
    bool reduced[TOFFEE_MAX_RANK] = {false};
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    toffee_dtype compute = TOFFEE_DTYPE_UNDEFINED;
    toffee_value *inputs[2] = {x, NULL};
    toffee_value *out = NULL;
    toffee_node *node = NULL;
    int32_t rank = 0;

    if (chain->rc != TOFFEE_OK || toffee_value_rank(x) == 0) {
        return x; /* a 0-d tensor has nothing to reduce, and ONNX has no axis for it */
    }
    for (size_t i = 0; i < n; i++) {
        reduced[axes[i]] = true;
    }
    for (int32_t i = 0; i < toffee_value_rank(x); i++) {
        if (n != 0 && !reduced[i]) {
            dims[rank++] = toffee_value_dim(x, i);
        }
        else if (keepdim) {
            dims[rank++] = 1;
        }
    }
    dtype = toffee_value_dtype(x);
    compute = toffee_compute_dtype(op_type, dtype);
    inputs[0] = toffee_chain_cast(chain, x, compute);
    if (chain->rc == TOFFEE_OK && n != 0) {
        chain_keep(chain, toffee_const_ints(chain->lo, axes, n, &inputs[1], chain->st));
    }
    if (chain->rc == TOFFEE_OK && chain_keep(chain, toffee_emit(chain->lo, op_type, inputs, 2,
                                                                compute, &node, &out, chain->st))) {
        chain_keep(chain, toffee_node_set_int(node, "keepdims", keepdim, chain->st));
        chain_keep(chain, toffee_value_set_type(out, compute, dims, rank, chain->st));
    }
    return toffee_chain_cast(chain, out, dtype);
}

/* The dims of A B: those in front of the last two broadcast; a vector lends a dimension and takes
 * it away again. */
static void
chain_product_shape(toffee_chain *chain, toffee_value *out, const toffee_value *a,
                    const toffee_value *b)
{
    int64_t dims[TOFFEE_MAX_RANK];
    int32_t a_batch = a->type.rank > 2 ? a->type.rank - 2 : 0;
    int32_t b_batch = b->type.rank > 2 ? b->type.rank - 2 : 0;
    int32_t rank = a_batch > b_batch ? a_batch : b_batch;

    if (a->type.rank < 1 || b->type.rank < 1) {
        return;
    }
    for (int32_t k = 0; k < rank; k++) {
        int32_t in_a = k - (rank - a_batch);
        int32_t in_b = k - (rank - b_batch);
        int64_t dim = in_a >= 0 ? toffee_value_dim(a, in_a) : 1;

        dims[k] = dim == 1 && in_b >= 0 ? toffee_value_dim(b, in_b) : dim;
    }
    if (a->type.rank > 1) {
        dims[rank++] = toffee_value_dim(a, a->type.rank - 2);
    }
    if (b->type.rank > 1) {
        dims[rank++] = toffee_value_dim(b, b->type.rank - 1);
    }
    chain_keep(chain, toffee_value_set_type(out, out->type.dtype, dims, rank, chain->st));
}

toffee_value *
toffee_chain_product(toffee_chain *chain, toffee_value *a, toffee_value *b)
{
    toffee_value *const operands[2] = {a, b};
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK &&
        chain_keep(chain, toffee_emit_wide(chain->lo, "MatMul", operands, 2, toffee_value_dtype(a),
                                           NULL, &out, chain->st))) {
        chain_product_shape(chain, out, a, b);
    }
    return out;
}

toffee_value *
toffee_chain_reshape(toffee_chain *chain, toffee_value *x, const int64_t *dims, int32_t rank)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain_keep(chain, toffee_reshape(chain->lo, x, dims, rank, &out, chain->st));
    }
    return out;
}

toffee_value *
toffee_chain_transpose(toffee_chain *chain, toffee_value *x, const int64_t *perm)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain_keep(chain, toffee_transpose(chain->lo, x, perm, &out, chain->st));
    }
    return out;
}

toffee_value *
toffee_chain_expand(toffee_chain *chain, toffee_value *x, const int64_t *dims, int32_t rank)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain_keep(chain, toffee_expand(chain->lo, x, dims, rank, &out, chain->st));
    }
    return out;
}

void
toffee_chain_set_int(toffee_chain *chain, toffee_value *x, const char *name, int64_t i)
{
    if (chain->rc == TOFFEE_OK) {
        chain_keep(chain, toffee_node_set_int(x->producer, name, i, chain->st));
    }
}

toffee_code
toffee_chain_return(toffee_chain *chain, const toffee_call *call, size_t index, toffee_value *x)
{
    if (chain->rc == TOFFEE_OK) {
        chain_keep(chain, toffee_lower_return(chain->lo, call, index, x, chain->st));
    }
    return chain->rc;
}
