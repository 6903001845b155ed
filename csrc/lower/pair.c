/* csrc/lower/pair.c -- arithmetic of complex values by their parts. */
#include "lower/pair.h"

#include "lower/shape.h"

static bool
chain_keep(toffee_chain *chain, toffee_code rc)
{
    if (chain->rc == TOFFEE_OK) {
        chain->rc = rc;
    }
    return chain->rc == TOFFEE_OK;
}

toffee_dtype
toffee_pair_dtype(const toffee_arg *const *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (args[i] != NULL && args[i]->kind == TOFFEE_ARG_VALUE &&
            toffee_dtype_of_part(args[i]->dtype) == TOFFEE_DTYPE_DOUBLE) {
            return TOFFEE_DTYPE_DOUBLE;
        }
    }
    return TOFFEE_DTYPE_FLOAT;
}

/* ---- taking apart and putting together ------------------------------------------------------ */

/* Remembers that X is made of the parts Z. */
static void
remember_parts(toffee_chain *chain, toffee_value *x, toffee_pair z)
{
    toffee_arena *arena = chain->lo->graph->arena;
    toffee_pair *parts = toffee_arena_copy(arena, &z, sizeof(z));

    if (parts == NULL || !toffee_ptrmap_set(arena, &chain->lo->parts, x, parts)) {
        chain_keep(chain, toffee_fail_nomem(chain->st));
    }
}

toffee_pair
toffee_pair_split(toffee_chain *chain, toffee_value *x)
{
    const toffee_pair *known = NULL;
    toffee_pair z = {NULL, NULL};
    toffee_node *node = NULL;
    int64_t dims[TOFFEE_MAX_RANK];
    int32_t rank = 0;

    if (chain->rc != TOFFEE_OK) {
        return z;
    }
    known = toffee_ptrmap_get(&chain->lo->parts, x);
    if (known != NULL) {
        return *known;
    }
    rank = toffee_value_rank(x);
    toffee_value_dims(x, dims);
    dims[rank - 1] = 1;
    if (chain_keep(chain, toffee_emit(chain->lo, "Split", TOFFEE_INPUTS(x), toffee_value_dtype(x),
                                      &node, &z.re, chain->st)) &&
        chain_keep(chain,
                   toffee_emit_output(chain->lo, node, toffee_value_dtype(x), &z.im, chain->st))) {
        chain_keep(chain, toffee_node_set_int(node, "axis", -1, chain->st));
        chain_keep(chain, toffee_node_set_int(node, "num_outputs", 2, chain->st));
        chain_keep(chain,
                   toffee_value_set_type(z.re, toffee_value_dtype(x), dims, rank, chain->st));
        chain_keep(chain,
                   toffee_value_set_type(z.im, toffee_value_dtype(x), dims, rank, chain->st));
        remember_parts(chain, x, z);
    }
    return z;
}

toffee_value *
toffee_pair_add_axis(toffee_chain *chain, toffee_value *x)
{
    int64_t axis = 0;
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        axis = toffee_value_rank(x);
        chain_keep(chain, toffee_unsqueeze(chain->lo, x, &axis, 1, &out, chain->st));
    }
    return out;
}

toffee_value *
toffee_pair_drop_axis(toffee_chain *chain, toffee_value *x)
{
    int64_t axis = 0;
    toffee_value *out = x;

    if (chain->rc == TOFFEE_OK && toffee_value_rank(x) != 0) {
        axis = toffee_value_rank(x) - 1;
        chain_keep(chain, toffee_squeeze(chain->lo, x, &axis, 1, &out, chain->st));
    }
    return out;
}

toffee_pair
toffee_pair_operand(toffee_chain *chain, const toffee_arg *arg, toffee_dtype dtype)
{
    toffee_pair z = {NULL, NULL};

    if (arg != NULL && arg->kind == TOFFEE_ARG_COMPLEX) {
        z.re = toffee_chain_number(chain, dtype, arg->f);
        z.im = toffee_chain_number(chain, dtype, arg->imag);
        return z;
    }
    z.re = toffee_chain_operand(chain, arg, dtype);
    if (chain->rc != TOFFEE_OK || arg->kind != TOFFEE_ARG_VALUE) {
        return z;
    }
    if (toffee_dtype_is_complex(arg->dtype)) {
        return toffee_pair_split(chain, z.re);
    }
    z.re = toffee_pair_add_axis(chain, z.re);
    return z;
}

toffee_value *
toffee_pair_join(toffee_chain *chain, toffee_pair z, const toffee_result *result)
{
    int64_t dims[TOFFEE_MAX_RANK + 1];
    int32_t rank = 0;
    toffee_value *out = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    rank = toffee_result_dims(result, dims);
    dims[rank - 1] = 1;
    if (z.im == NULL) {
        z.im = toffee_chain_number(chain, toffee_value_dtype(z.re), 0);
    }
    z.re = toffee_chain_expand(chain, z.re, dims, rank);
    z.im = toffee_chain_expand(chain, z.im, dims, rank);
    if (chain->rc == TOFFEE_OK &&
        chain_keep(chain, toffee_concat(chain->lo, TOFFEE_INPUTS(z.re, z.im), rank - 1, &out,
                                        chain->st))) {
        remember_parts(chain, out, z);
    }
    return out;
}

toffee_code
toffee_pair_return(toffee_chain *chain, const toffee_call *call, toffee_pair z)
{
    toffee_value *x = NULL;

    if (call->n_results == 0 || !toffee_dtype_is_complex(call->results[0].dtype)) {
        return chain->rc != TOFFEE_OK ? chain->rc : TOFFEE_DECLINED;
    }
    x = toffee_pair_join(chain, z, &call->results[0]);
    return toffee_chain_return(chain, call, 0, x);
}

toffee_code
toffee_pair_return_part(toffee_chain *chain, const toffee_call *call, toffee_value *x)
{
    x = toffee_pair_drop_axis(chain, x);
    return toffee_chain_return(chain, call, 0, x);
}

/* ---- arithmetic ----------------------------------------------------------------------------- */

toffee_value *
toffee_pair_conj(toffee_chain *chain, toffee_value *x)
{
    static const double wide[2] = {1, -1};
    static const float narrow[2] = {1, -1};
    static const int64_t dims[1] = {2};
    toffee_value *signs = NULL;
    bool is_double = false;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    is_double = toffee_value_dtype(x) == TOFFEE_DTYPE_DOUBLE;
    chain_keep(chain,
               toffee_const_tensor(chain->lo, toffee_value_dtype(x), dims, 1,
                                   is_double ? (const void *)wide : narrow, &signs, chain->st));
    return toffee_chain_binary(chain, "Mul", x, signs);
}

toffee_pair
toffee_pair_add(toffee_chain *chain, toffee_pair a, toffee_pair b)
{
    toffee_pair z = {toffee_chain_binary(chain, "Add", a.re, b.re), a.im};

    if (a.im == NULL) {
        z.im = b.im;
    }
    else if (b.im != NULL) {
        z.im = toffee_chain_binary(chain, "Add", a.im, b.im);
    }
    return z;
}

toffee_pair
toffee_pair_sub(toffee_chain *chain, toffee_pair a, toffee_pair b)
{
    toffee_pair z = {toffee_chain_binary(chain, "Sub", a.re, b.re), a.im};

    if (b.im != NULL) {
        z.im = a.im != NULL ? toffee_chain_binary(chain, "Sub", a.im, b.im)
                            : toffee_chain_unary(chain, "Neg", b.im);
    }
    return z;
}

/* A C op B D. */
static toffee_value *
two_products(toffee_chain *chain, toffee_value *a, toffee_value *c, const char *op_type,
             toffee_value *b, toffee_value *d)
{
    a = toffee_chain_binary(chain, "Mul", a, c);
    b = toffee_chain_binary(chain, "Mul", b, d);
    return toffee_chain_binary(chain, op_type, a, b);
}

toffee_pair
toffee_pair_mul(toffee_chain *chain, toffee_pair a, toffee_pair b)
{
    toffee_pair z = {NULL, NULL};

    if (a.im == NULL && b.im != NULL) {
        return toffee_pair_mul(chain, b, a);
    }
    if (b.im == NULL) {
        z.re = toffee_chain_binary(chain, "Mul", a.re, b.re);
        z.im = a.im != NULL ? toffee_chain_binary(chain, "Mul", a.im, b.re) : NULL;
        return z;
    }
    z.re = two_products(chain, a.re, b.re, "Sub", a.im, b.im);
    z.im = two_products(chain, a.re, b.im, "Add", a.im, b.re);
    return z;
}

toffee_pair
toffee_pair_scale(toffee_chain *chain, toffee_pair a, double f)
{
    toffee_pair z = {NULL, NULL};

    if (f == 1) {
        return a;
    }
    z.re = toffee_chain_with(chain, "Mul", a.re, f);
    z.im = a.im != NULL ? toffee_chain_with(chain, "Mul", a.im, f) : NULL;
    return z;
}

/* By a complex number: both sides over the larger part of B first, so that the square of it is
 * neither lost nor infinite. */
toffee_pair
toffee_pair_div(toffee_chain *chain, toffee_pair a, toffee_pair b)
{
    toffee_pair z = {NULL, NULL};
    toffee_value *size = NULL;
    toffee_value *other = NULL;

    if (b.im == NULL) {
        z.re = toffee_chain_binary(chain, "Div", a.re, b.re);
        z.im = a.im != NULL ? toffee_chain_binary(chain, "Div", a.im, b.re) : NULL;
        return z;
    }
    size = toffee_chain_unary(chain, "Abs", b.re);
    other = toffee_chain_unary(chain, "Abs", b.im);
    size = toffee_chain_binary(chain, "Max", size, other);
    b.re = toffee_chain_binary(chain, "Div", b.re, size);
    b.im = toffee_chain_binary(chain, "Div", b.im, size);
    other = two_products(chain, b.re, b.re, "Add", b.im, b.im);
    other = toffee_chain_binary(chain, "Mul", other, size);
    b.im = toffee_chain_unary(chain, "Neg", b.im);
    z = toffee_pair_mul(chain, a, b);
    z.re = toffee_chain_binary(chain, "Div", z.re, other);
    z.im = toffee_chain_binary(chain, "Div", z.im, other);
    return z;
}

/* large sqrt(1 + (small / large)**2): no square is lost or infinite. Where the two are the same,
 * which may be 0 or infinity, their ratio is 1. */
toffee_value *
toffee_pair_abs(toffee_chain *chain, toffee_pair a)
{
    toffee_value *large = toffee_chain_unary(chain, "Abs", a.re);
    toffee_value *other = NULL;
    toffee_value *small = NULL;
    toffee_value *same = NULL;
    toffee_value *one = NULL;

    if (a.im == NULL || chain->rc != TOFFEE_OK) {
        return large;
    }
    other = toffee_chain_unary(chain, "Abs", a.im);
    one = toffee_chain_number(chain, toffee_value_dtype(a.re), 1);
    same = toffee_chain_test(chain, "Equal", large, other);
    small = toffee_chain_binary(chain, "Min", large, other);
    large = toffee_chain_binary(chain, "Max", large, other);
    small = toffee_chain_binary(chain, "Div", small, large);
    small = toffee_chain_where(chain, same, one, small);
    small = toffee_chain_binary(chain, "Mul", small, small);
    small = toffee_chain_binary(chain, "Add", small, one);
    small = toffee_chain_unary(chain, "Sqrt", small);
    return toffee_chain_binary(chain, "Mul", large, small);
}

toffee_value *
toffee_pair_angle(toffee_chain *chain, toffee_pair a)
{
    if (a.im == NULL && chain->rc == TOFFEE_OK) {
        a.im = toffee_chain_number(chain, toffee_value_dtype(a.re), 0);
    }
    return toffee_chain_atan2(chain, a.im, a.re);
}

toffee_pair
toffee_pair_exp(toffee_chain *chain, toffee_pair a)
{
    toffee_value *size = toffee_chain_unary(chain, "Exp", a.re);
    toffee_pair z = {size, NULL};

    if (a.im != NULL) {
        z.re = toffee_chain_unary(chain, "Cos", a.im);
        z.re = toffee_chain_binary(chain, "Mul", size, z.re);
        z.im = toffee_chain_unary(chain, "Sin", a.im);
        z.im = toffee_chain_binary(chain, "Mul", size, z.im);
    }
    return z;
}

toffee_pair
toffee_pair_log(toffee_chain *chain, toffee_pair a)
{
    toffee_pair z = {toffee_pair_abs(chain, a), NULL};

    z.re = toffee_chain_unary(chain, "Log", z.re);
    z.im = toffee_pair_angle(chain, a);
    return z;
}
