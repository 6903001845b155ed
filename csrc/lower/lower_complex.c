/* csrc/lower/lower_complex.c -- functions and arithmetic of complex tensors, see lower/pair.h.
 *
 * Rows of calls in which something is complex; also of a few that have no other row. */
#include "lower/pair.h"

#include <string.h>

#include "lower/shape.h"

static bool
arg_is_complex(const toffee_arg *arg)
{
    return arg != NULL && arg->kind == TOFFEE_ARG_VALUE && toffee_dtype_is_complex(arg->dtype);
}

/* The value of ARG, a complex tensor, with parts of DTYPE. */
static toffee_value *
chain_pairs(toffee_chain *chain, const toffee_arg *arg, toffee_dtype dtype)
{
    return toffee_chain_cast(chain, arg->value, dtype);
}

/* ---- two operands --------------------------------------------------------------------------- */

/* aten::add, sub, rsub (rule->arg 1): self op alpha * other. Of two complex tensors it is that of
 * their pairs. */
static toffee_code
lower_add(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "other")};
    const toffee_arg *alpha = toffee_call_arg(call, "alpha");
    toffee_dtype dtype = toffee_pair_dtype(args, 2);
    toffee_pair a;
    toffee_pair b;
    toffee_pair factor;

    if ((alpha == NULL || (alpha->kind == TOFFEE_ARG_INT && alpha->i == 1)) &&
        arg_is_complex(args[0]) && arg_is_complex(args[1])) {
        bool swap = lo->rule->arg != 0;
        toffee_value *x = chain_pairs(&chain, args[swap], dtype);
        toffee_value *y = chain_pairs(&chain, args[!swap], dtype);

        x = toffee_chain_binary(&chain, lo->rule->onnx, x, y);
        return toffee_chain_return(&chain, call, 0, x);
    }
    a = toffee_pair_operand(&chain, args[0], dtype);
    b = toffee_pair_operand(&chain, args[1], dtype);
    if (lo->rule->arg != 0) {
        factor = a;
        a = b;
        b = factor;
    }
    if (alpha != NULL && alpha->kind == TOFFEE_ARG_COMPLEX) {
        factor = toffee_pair_operand(&chain, alpha, dtype);
        b = toffee_pair_mul(&chain, b, factor);
    }
    else {
        b = toffee_pair_scale(&chain, b, toffee_call_float(call, "alpha", 1));
    }
    a = strcmp(lo->rule->onnx, "Add") == 0 ? toffee_pair_add(&chain, a, b)
                                           : toffee_pair_sub(&chain, a, b);
    return toffee_pair_return(&chain, call, a);
}

/* aten::mul, div (rule->arg 1). A real operand scales both parts at once. */
static toffee_code
lower_mul(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "other")};
    toffee_dtype dtype = toffee_pair_dtype(args, 2);
    bool is_div = lo->rule->arg != 0;
    toffee_pair a;
    toffee_pair b;

    if (toffee_call_has(call, "rounding_mode") || args[1] == NULL) {
        return TOFFEE_DECLINED;
    }
    if (!is_div && !arg_is_complex(args[0])) {
        const toffee_arg *self = args[0];

        args[0] = args[1];
        args[1] = self;
    }
    b = toffee_pair_operand(&chain, args[1], dtype);
    if (arg_is_complex(args[0]) && b.im == NULL) {
        toffee_value *x = chain_pairs(&chain, args[0], dtype);

        x = toffee_chain_binary(&chain, is_div ? "Div" : "Mul", x, b.re);
        return toffee_chain_return(&chain, call, 0, x);
    }
    a = toffee_pair_operand(&chain, args[0], dtype);
    a = is_div ? toffee_pair_div(&chain, a, b) : toffee_pair_mul(&chain, a, b);
    return toffee_pair_return(&chain, call, a);
}

/* aten::eq, ne (rule->arg 1): both parts. */
static toffee_code
lower_equal(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "other")};
    toffee_dtype dtype = toffee_pair_dtype(args, 2);
    toffee_pair a = toffee_pair_operand(&chain, args[0], dtype);
    toffee_pair b = toffee_pair_operand(&chain, args[1], dtype);
    toffee_value *zero = toffee_chain_number(&chain, dtype, 0);

    a.re = toffee_chain_test(&chain, "Equal", a.re, b.re);
    a.im =
        toffee_chain_test(&chain, "Equal", a.im != NULL ? a.im : zero, b.im != NULL ? b.im : zero);
    a.re = toffee_chain_binary(&chain, "Mul", a.re, a.im);
    if (lo->rule->arg != 0) {
        a.re = toffee_chain_unary(&chain, "Not", a.re);
    }
    return toffee_pair_return_part(&chain, call, a.re);
}

/* A to the power of a small whole number: by squaring. */
static toffee_pair
chain_power(toffee_chain *chain, toffee_pair a, int64_t n)
{
    toffee_pair z = {NULL, NULL};

    for (int64_t left = n < 0 ? -n : n; left != 0; left /= 2) {
        if (left % 2 != 0) {
            z = z.re == NULL ? a : toffee_pair_mul(chain, z, a);
        }
        if (left != 1) {
            a = toffee_pair_mul(chain, a, a);
        }
    }
    if (n < 0 && chain->rc == TOFFEE_OK) {
        a = (toffee_pair){toffee_chain_number(chain, toffee_value_dtype(z.re), 1), NULL};
        z = toffee_pair_div(chain, a, z);
    }
    return z;
}

/* aten::pow(self, exponent): exp(exponent * log(self)); 0 to a power with a positive real part is
 * 0, as to no other, but to 0 it is 1. Small whole numbers by multiplication. */
static toffee_code
lower_pow(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "exponent")};
    toffee_dtype dtype = toffee_pair_dtype(args, 2);
    toffee_pair a = toffee_pair_operand(&chain, args[0], dtype);
    toffee_pair b;
    toffee_pair z;
    toffee_value *zero = NULL;
    toffee_value *is_zero = NULL;
    toffee_value *unit = NULL;
    double whole =
        args[1] != NULL && args[1]->kind != TOFFEE_ARG_VALUE && args[1]->kind != TOFFEE_ARG_COMPLEX
            ? toffee_call_float(call, "exponent", 0)
            : 0;

    if (whole != 0 && whole >= -8 && whole <= 8 && whole == (double)(int64_t)whole) {
        z = chain_power(&chain, a, (int64_t)whole);
        return toffee_pair_return(&chain, call, z);
    }
    b = toffee_pair_operand(&chain, args[1], dtype);
    z = toffee_pair_log(&chain, a);
    z = toffee_pair_mul(&chain, z, b);
    z = toffee_pair_exp(&chain, z);
    zero = toffee_chain_number(&chain, dtype, 0);
    unit = toffee_chain_number(&chain, dtype, 1);
    is_zero = toffee_chain_test(&chain, "Equal", toffee_pair_abs(&chain, a), zero);
    z.re = toffee_chain_where(&chain, is_zero, zero, z.re);
    z.im = toffee_chain_where(&chain, is_zero, zero, z.im);
    is_zero = toffee_chain_test(&chain, "Equal", toffee_pair_abs(&chain, b), zero);
    z.re = toffee_chain_where(&chain, is_zero, unit, z.re);
    z.im = toffee_chain_where(&chain, is_zero, zero, z.im);
    return toffee_pair_return(&chain, call, z);
}

/* A B of matrices or vectors in front of their last axis of 1: by MatMul of the parts. */
static toffee_pair
chain_product(toffee_chain *chain, toffee_pair a, toffee_pair b)
{
    toffee_pair z = {NULL, NULL};
    toffee_value *x = NULL;

    a.re = toffee_pair_drop_axis(chain, a.re);
    b.re = toffee_pair_drop_axis(chain, b.re);
    a.im = a.im != NULL ? toffee_pair_drop_axis(chain, a.im) : NULL;
    b.im = b.im != NULL ? toffee_pair_drop_axis(chain, b.im) : NULL;
    z.re = toffee_chain_product(chain, a.re, b.re);
    if (a.im != NULL && b.im != NULL) {
        x = toffee_chain_product(chain, a.im, b.im);
        z.re = toffee_chain_binary(chain, "Sub", z.re, x);
    }
    if (a.im != NULL) {
        z.im = toffee_chain_product(chain, a.im, b.re);
    }
    if (b.im != NULL) {
        x = toffee_chain_product(chain, a.re, b.im);
        z.im = z.im != NULL ? toffee_chain_binary(chain, "Add", z.im, x) : x;
    }
    z.re = toffee_pair_add_axis(chain, z.re);
    z.im = z.im != NULL ? toffee_pair_add_axis(chain, z.im) : NULL;
    return z;
}

/* aten::matmul, mm, bmm, mv, dot; vdot, where the first one is conjugated: rule->arg 1. rule->onnx
 * names the second argument. */
static toffee_code
lower_matmul(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"),
                                 toffee_call_arg(call, lo->rule->onnx)};
    toffee_dtype dtype = toffee_pair_dtype(args, 2);
    toffee_pair a = toffee_pair_operand(&chain, args[0], dtype);
    toffee_pair b = toffee_pair_operand(&chain, args[1], dtype);

    if (lo->rule->arg != 0 && a.im != NULL) {
        a.im = toffee_chain_unary(&chain, "Neg", a.im);
    }
    a = chain_product(&chain, a, b);
    return toffee_pair_return(&chain, call, a);
}

/* ---- one operand ---------------------------------------------------------------------------- */

/* aten::neg, _neg_view: of numbers or of pairs alike. */
static toffee_code
lower_neg(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    x = toffee_chain_unary(&chain, "Neg", x);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::conj and its like. */
static toffee_code
lower_conj(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");

    if (x == NULL || !arg_is_complex(&call->args[0])) {
        return TOFFEE_DECLINED;
    }
    x = toffee_pair_conj(&chain, x);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::abs */
static toffee_code
lower_abs(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");

    if (x == NULL || !arg_is_complex(&call->args[0])) {
        return TOFFEE_DECLINED;
    }
    x = toffee_pair_abs(&chain, toffee_pair_split(&chain, x));
    return toffee_pair_return_part(&chain, call, x);
}

/* aten::angle; of a real number 0 or pi, and NaN of NaN. */
static toffee_code
lower_angle(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *self = toffee_call_arg(call, "self");
    toffee_value *x = toffee_call_value(call, "self");
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    toffee_value *zero = NULL;
    toffee_value *pi = NULL;
    toffee_value *test = NULL;

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    if (arg_is_complex(self)) {
        x = toffee_pair_angle(&chain, toffee_pair_split(&chain, x));
        return toffee_pair_return_part(&chain, call, x);
    }
    dtype = toffee_dtype_is_float(toffee_value_dtype(x)) ? toffee_value_dtype(x) : dtype;
    x = toffee_chain_cast(&chain, x, dtype);
    zero = toffee_chain_number(&chain, dtype, 0);
    pi = toffee_chain_number(&chain, dtype, 3.14159265358979323846);
    test = toffee_chain_test(&chain, "Less", x, zero);
    pi = toffee_chain_where(&chain, test, pi, zero);
    test = toffee_chain_test(&chain, "IsNaN", x, NULL);
    x = toffee_chain_where(&chain, test, x, pi);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::isnan, isinf: of one part or the other. isfinite (rule->arg 1): of neither. */
static toffee_code
lower_is(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    toffee_value *other = NULL;
    toffee_pair z;

    if (x == NULL || !arg_is_complex(&call->args[0])) {
        return TOFFEE_DECLINED;
    }
    x = toffee_chain_test(&chain, lo->rule->onnx, x, NULL);
    if (lo->rule->arg != 0) {
        other = toffee_chain_test(&chain, "IsNaN", toffee_call_value(call, "self"), NULL);
        x = toffee_chain_binary(&chain, "Add", x, other);
    }
    z = toffee_pair_split(&chain, x);
    z.re = toffee_chain_binary(&chain, "Add", z.re, z.im);
    if (lo->rule->arg != 0) {
        z.re = toffee_chain_unary(&chain, "Not", z.re);
    }
    return toffee_pair_return_part(&chain, call, z.re);
}

/* aten::complex(real, imag); polar(abs, angle), rule->arg 1. */
static toffee_code
lower_make(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const char *const names[2][2] = {{"real", "imag"}, {"abs", "angle"}};
    toffee_value *a = toffee_call_value(call, names[lo->rule->arg][0]);
    toffee_value *b = toffee_call_value(call, names[lo->rule->arg][1]);
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    toffee_pair z;

    if (a == NULL || b == NULL || call->n_results != 1) {
        return TOFFEE_DECLINED;
    }
    dtype = toffee_dtype_of_part(call->results[0].dtype);
    a = toffee_chain_cast(&chain, a, dtype);
    b = toffee_chain_cast(&chain, b, dtype);
    z.re = toffee_pair_add_axis(&chain, a);
    z.im = toffee_pair_add_axis(&chain, b);
    if (lo->rule->arg != 0) {
        a = z.re;
        b = z.im;
        z.re = toffee_chain_unary(&chain, "Cos", b);
        z.re = toffee_chain_binary(&chain, "Mul", a, z.re);
        z.im = toffee_chain_unary(&chain, "Sin", b);
        z.im = toffee_chain_binary(&chain, "Mul", a, z.im);
    }
    return toffee_pair_return(&chain, call, z);
}

/* ---- functions ------------------------------------------------------------------------------ */

static toffee_pair
chain_one(toffee_chain *chain, toffee_pair like)
{
    toffee_dtype dtype = chain->rc == TOFFEE_OK ? toffee_value_dtype(like.re) : TOFFEE_DTYPE_FLOAT;

    return (toffee_pair){toffee_chain_number(chain, dtype, 1), NULL};
}

static toffee_pair
pair_reciprocal(toffee_chain *chain, toffee_pair a)
{
    return toffee_pair_div(chain, chain_one(chain, a), a);
}

static toffee_pair
pair_square(toffee_chain *chain, toffee_pair a)
{
    return toffee_pair_mul(chain, a, a);
}

/* The half of |a| + |re| is what the larger part of the root is the root of, without cancellation;
 * the other part is im over twice that. Where re is negative, the two change places. */
static toffee_pair
pair_sqrt(toffee_chain *chain, toffee_pair a)
{
    toffee_value *large = toffee_pair_abs(chain, a);
    toffee_value *x = toffee_chain_unary(chain, "Abs", a.re);
    toffee_value *zero = NULL;
    toffee_value *test = NULL;
    toffee_value *small = NULL;
    toffee_value *sign = NULL;
    toffee_pair z = {NULL, NULL};

    if (chain->rc != TOFFEE_OK) {
        return z;
    }
    zero = toffee_chain_number(chain, toffee_value_dtype(a.re), 0);
    large = toffee_chain_binary(chain, "Add", large, x);
    large = toffee_chain_with(chain, "Mul", large, 0.5);
    large = toffee_chain_unary(chain, "Sqrt", large);
    small = toffee_chain_with(chain, "Mul", a.im, 0.5);
    small = toffee_chain_binary(chain, "Div", small, large);
    test = toffee_chain_test(chain, "Equal", large, zero); /* the root of 0 */
    small = toffee_chain_where(chain, test, zero, small);
    test = toffee_chain_test(chain, "Less", a.im, zero);
    sign = toffee_chain_unary(chain, "Neg", large);
    sign = toffee_chain_where(chain, test, sign, large);
    x = toffee_chain_unary(chain, "Abs", small);
    test = toffee_chain_test(chain, "Less", a.re, zero);
    z.re = toffee_chain_where(chain, test, x, large);
    z.im = toffee_chain_where(chain, test, sign, small);
    return z;
}

static toffee_pair
pair_rsqrt(toffee_chain *chain, toffee_pair a)
{
    return pair_reciprocal(chain, pair_sqrt(chain, a));
}

/* a / |a|; 0 of 0. */
static toffee_pair
pair_sgn(toffee_chain *chain, toffee_pair a)
{
    toffee_value *size = toffee_pair_abs(chain, a);
    toffee_value *zero = NULL;
    toffee_value *test = NULL;

    if (chain->rc == TOFFEE_OK) {
        zero = toffee_chain_number(chain, toffee_value_dtype(size), 0);
        test = toffee_chain_test(chain, "Equal", size, zero);
        size = toffee_chain_where(chain, test, chain_one(chain, a).re, size);
    }
    return toffee_pair_div(chain, a, (toffee_pair){size, NULL});
}

static toffee_pair
pair_log2(toffee_chain *chain, toffee_pair a)
{
    return toffee_pair_scale(chain, toffee_pair_log(chain, a), 1.4426950408889634);
}

static toffee_pair
pair_log10(toffee_chain *chain, toffee_pair a)
{
    return toffee_pair_scale(chain, toffee_pair_log(chain, a), 0.4342944819032518);
}

static toffee_pair
pair_exp2(toffee_chain *chain, toffee_pair a)
{
    return toffee_pair_exp(chain, toffee_pair_scale(chain, a, 0.6931471805599453));
}

/* F(a.re) G(a.im). */
static toffee_value *
product_of(toffee_chain *chain, const char *f, const char *g, toffee_pair a)
{
    toffee_value *x = toffee_chain_unary(chain, f, a.re);
    toffee_value *y = toffee_chain_unary(chain, g, a.im);

    return toffee_chain_binary(chain, "Mul", x, y);
}

static toffee_pair
pair_sin(toffee_chain *chain, toffee_pair a)
{
    toffee_pair z = {product_of(chain, "Sin", "Cosh", a), NULL};

    z.im = product_of(chain, "Cos", "Sinh", a);
    return z;
}

static toffee_pair
pair_cos(toffee_chain *chain, toffee_pair a)
{
    toffee_pair z = {product_of(chain, "Cos", "Cosh", a), NULL};

    z.im = product_of(chain, "Sin", "Sinh", a);
    z.im = toffee_chain_unary(chain, "Neg", z.im);
    return z;
}

static toffee_pair
pair_sinh(toffee_chain *chain, toffee_pair a)
{
    toffee_pair z = {product_of(chain, "Sinh", "Cos", a), NULL};

    z.im = product_of(chain, "Cosh", "Sin", a);
    return z;
}

static toffee_pair
pair_cosh(toffee_chain *chain, toffee_pair a)
{
    toffee_pair z = {product_of(chain, "Cosh", "Cos", a), NULL};

    z.im = product_of(chain, "Sinh", "Sin", a);
    return z;
}

/* (t + iu) / (1 + itu), with t = tanh(re) and u = tan(im): nothing overflows. */
static toffee_pair
pair_tanh(toffee_chain *chain, toffee_pair a)
{
    toffee_pair top = {toffee_chain_unary(chain, "Tanh", a.re), NULL};
    toffee_pair bottom = chain_one(chain, a);

    top.im = toffee_chain_unary(chain, "Tan", a.im);
    bottom.im = toffee_chain_binary(chain, "Mul", top.re, top.im);
    return toffee_pair_div(chain, top, bottom);
}

/* tan(a) = -i tanh(ia). */
static toffee_pair
pair_tan(toffee_chain *chain, toffee_pair a)
{
    toffee_pair turned = {toffee_chain_unary(chain, "Neg", a.im), a.re};
    toffee_pair z = pair_tanh(chain, turned);

    return (toffee_pair){z.im, toffee_chain_unary(chain, "Neg", z.re)};
}

/* 1 / (1 + exp(-a)). */
static toffee_pair
pair_sigmoid(toffee_chain *chain, toffee_pair a)
{
    toffee_pair z = toffee_pair_exp(chain, toffee_pair_scale(chain, a, -1));

    z = toffee_pair_add(chain, z, chain_one(chain, a));
    return pair_reciprocal(chain, z);
}

static toffee_pair
pair_silu(toffee_chain *chain, toffee_pair a)
{
    return toffee_pair_mul(chain, a, pair_sigmoid(chain, a));
}

/* In the order of the constants below. */
static toffee_pair (*const functions[])(toffee_chain *, toffee_pair) = {
    toffee_pair_exp, toffee_pair_log, pair_reciprocal, pair_square, pair_sqrt,    pair_rsqrt,
    pair_sgn,        pair_log2,       pair_log10,      pair_exp2,   pair_sin,     pair_cos,
    pair_sinh,       pair_cosh,       pair_tanh,       pair_tan,    pair_sigmoid, pair_silu,
};
enum {
    EXP,
    LOG,
    RECIPROCAL,
    SQUARE,
    SQRT,
    RSQRT,
    SGN,
    LOG2,
    LOG10,
    EXP2,
    SIN,
    COS,
    SINH,
    COSH,
    TANH,
    TAN,
    SIGMOID,
    SILU,
};

/* aten::exp and the like. */
static toffee_code
lower_function(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    toffee_pair z;

    if (x == NULL || !arg_is_complex(&call->args[0])) {
        return TOFFEE_DECLINED;
    }
    z = toffee_pair_split(&chain, x);
    z = functions[lo->rule->arg](&chain, z);
    return toffee_pair_return(&chain, call, z);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_conj", lower_conj, NULL, 0},
    {"aten::_conj_physical", lower_conj, NULL, 0},
    {"aten::_neg_view", lower_neg, NULL, 0},
    {"aten::abs", lower_abs, NULL, 0},
    {"aten::add", lower_add, "Add", 0},
    {"aten::angle", lower_angle, NULL, 0},
    {"aten::bmm", lower_matmul, "mat2", 0},
    {"aten::complex", lower_make, NULL, 0},
    {"aten::conj", lower_conj, NULL, 0},
    {"aten::conj_physical", lower_conj, NULL, 0},
    {"aten::cos", lower_function, NULL, COS},
    {"aten::cosh", lower_function, NULL, COSH},
    {"aten::div", lower_mul, NULL, 1},
    {"aten::dot", lower_matmul, "tensor", 0},
    {"aten::eq", lower_equal, NULL, 0},
    {"aten::exp", lower_function, NULL, EXP},
    {"aten::exp2", lower_function, NULL, EXP2},
    {"aten::isfinite", lower_is, "IsInf", 1},
    {"aten::isinf", lower_is, "IsInf", 0},
    {"aten::isnan", lower_is, "IsNaN", 0},
    {"aten::log", lower_function, NULL, LOG},
    {"aten::log10", lower_function, NULL, LOG10},
    {"aten::log2", lower_function, NULL, LOG2},
    {"aten::matmul", lower_matmul, "other", 0},
    {"aten::mm", lower_matmul, "mat2", 0},
    {"aten::mul", lower_mul, NULL, 0},
    {"aten::multiply", lower_mul, NULL, 0},
    {"aten::mv", lower_matmul, "vec", 0},
    {"aten::ne", lower_equal, NULL, 1},
    {"aten::neg", lower_neg, NULL, 0},
    {"aten::polar", lower_make, NULL, 1},
    {"aten::pow", lower_pow, NULL, 0},
    {"aten::reciprocal", lower_function, NULL, RECIPROCAL},
    {"aten::rsqrt", lower_function, NULL, RSQRT},
    {"aten::rsub", lower_add, "Sub", 1},
    {"aten::sgn", lower_function, NULL, SGN},
    {"aten::sigmoid", lower_function, NULL, SIGMOID},
    {"aten::silu", lower_function, NULL, SILU},
    {"aten::sin", lower_function, NULL, SIN},
    {"aten::sinh", lower_function, NULL, SINH},
    {"aten::sqrt", lower_function, NULL, SQRT},
    {"aten::square", lower_function, NULL, SQUARE},
    {"aten::sub", lower_add, "Sub", 0},
    {"aten::subtract", lower_add, "Sub", 0},
    {"aten::tan", lower_function, NULL, TAN},
    {"aten::tanh", lower_function, NULL, TANH},
    {"aten::true_divide", lower_mul, NULL, 1},
    {"aten::vdot", lower_matmul, "other", 1},
};

const toffee_rule_family toffee_rules_complex = {rows, TOFFEE_COUNTOF(rows)};
