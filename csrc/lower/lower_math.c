/* csrc/lower/lower_math.c -- functions of one operand, element by element. */
#include "lower/chain.h"

/* The operand, integers and bools as the default float type: what the functions of analysis do. */
static toffee_value *
chain_float_operand(toffee_chain *chain, const toffee_call *call)
{
    toffee_value *x = toffee_call_value(call, "self");
    toffee_category category = TOFFEE_CATEGORY_NONE;

    if (x == NULL) {
        chain->rc = TOFFEE_DECLINED;
        return NULL;
    }
    category = toffee_dtype_get(toffee_value_dtype(x))->category;
    if (category == TOFFEE_CATEGORY_COMPLEX || category == TOFFEE_CATEGORY_NONE) {
        chain->rc = TOFFEE_DECLINED;
        return NULL;
    }
    return category == TOFFEE_CATEGORY_FLOAT ? x : toffee_chain_cast(chain, x, TOFFEE_DTYPE_FLOAT);
}

/* aten::exp and the like: one node. */
static toffee_code
lower_float(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = chain_float_operand(&chain, call);

    x = toffee_chain_unary(&chain, lo->rule->onnx, x);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::sign, sgn: a bool is its own sign; of NaN it is 0 here and NaN in ONNX. */
static toffee_code
lower_sign(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    toffee_value *sign = NULL;
    toffee_value *is_nan = NULL;

    if (x == NULL || !toffee_dtype_is_real(toffee_value_dtype(x))) {
        return TOFFEE_DECLINED;
    }
    if (toffee_value_dtype(x) == TOFFEE_DTYPE_BOOL) {
        return toffee_lower_return(lo, call, 0, x, st);
    }
    sign = toffee_chain_unary(&chain, "Sign", x);
    if (toffee_dtype_is_float(toffee_value_dtype(x))) {
        is_nan = toffee_chain_test(&chain, "IsNaN", x, NULL);
        x = toffee_chain_number(&chain, toffee_value_dtype(x), 0);
        sign = toffee_chain_where(&chain, is_nan, x, sign);
    }
    return toffee_chain_return(&chain, call, 0, sign);
}

/* aten::neg, abs: one node, of the operand's own dtype. */
static toffee_code
lower_same(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");

    if (x == NULL || toffee_value_dtype(x) == TOFFEE_DTYPE_BOOL ||
        toffee_dtype_get(toffee_value_dtype(x))->category == TOFFEE_CATEGORY_COMPLEX) {
        return TOFFEE_DECLINED;
    }
    x = toffee_chain_unary(&chain, lo->rule->onnx, x);
    return toffee_chain_return(&chain, call, 0, x);
}

/* Floats only; an integer is its own floor. */
static toffee_value *
call_whole_operand(const toffee_call *call, bool *is_whole)
{
    toffee_value *x = toffee_call_value(call, "self");

    *is_whole = x != NULL && !toffee_dtype_is_float(toffee_value_dtype(x));
    return x;
}

/* aten::floor, ceil. */
static toffee_code
lower_floor(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    bool is_whole = false;
    toffee_value *x = call_whole_operand(call, &is_whole);

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    if (!is_whole) {
        x = toffee_chain_unary(&chain, lo->rule->onnx, x);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::round(self, decimals=0): halves to even, as Round does; with decimals, of self *
 * 10**decimals (self / 10**-decimals when they are negative). */
static toffee_code
lower_round(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    int64_t decimals = toffee_call_int(call, "decimals", 0);
    bool is_whole = false;
    toffee_value *x = call_whole_operand(call, &is_whole);
    double power = 1;

    if (x == NULL || decimals > 30 || decimals < -30 || (is_whole && decimals != 0)) {
        return TOFFEE_DECLINED;
    }
    if (is_whole) {
        return toffee_lower_return(lo, call, 0, x, st);
    }
    for (int64_t i = decimals < 0 ? -decimals : decimals; i > 0; i--) {
        power *= 10;
    }
    if (decimals != 0) {
        x = toffee_chain_with(&chain, decimals > 0 ? "Mul" : "Div", x, power);
    }
    x = toffee_chain_unary(&chain, "Round", x);
    if (decimals != 0) {
        x = toffee_chain_with(&chain, decimals > 0 ? "Div" : "Mul", x, power);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::trunc; aten::frac (rule->arg 1) is what that leaves. */
static toffee_code
lower_trunc(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    bool is_whole = false;
    toffee_value *x = call_whole_operand(call, &is_whole);
    toffee_value *whole = x;

    if (x == NULL || (is_whole && lo->rule->arg != 0)) {
        return TOFFEE_DECLINED;
    }
    if (!is_whole) {
        whole = toffee_chain_trunc(&chain, x);
    }
    if (lo->rule->arg != 0) {
        whole = toffee_chain_binary(&chain, "Sub", x, whole);
    }
    return toffee_chain_return(&chain, call, 0, whole);
}

/* aten::log2, log10 -> Log / log(base). */
static toffee_code
lower_log_base(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const double log_of_base[] = {[2] = 0.6931471805599453, [10] = 2.302585092994046};
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = chain_float_operand(&chain, call);

    x = toffee_chain_unary(&chain, "Log", x);
    x = toffee_chain_with(&chain, "Div", x, log_of_base[lo->rule->arg]);
    return toffee_chain_return(&chain, call, 0, x);
}

/* Whether |X| < 0.5: where the plain formulas of expm1 and log1p lose digits. */
static toffee_value *
chain_near_zero(toffee_chain *chain, toffee_value *x)
{
    toffee_value *size = toffee_chain_unary(chain, "Abs", x);
    toffee_value *half = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    half = toffee_chain_number(chain, toffee_value_dtype(x), 0.5);
    return toffee_chain_test(chain, "Less", size, half);
}

/* aten::expm1: exp(x) - 1; near zero 2 t / (1 - t) with t = tanh(x / 2), which is the same number
 * without the subtraction that cancels. */
static toffee_code
lower_expm1(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = chain_float_operand(&chain, call);
    toffee_value *near = chain_near_zero(&chain, x);
    toffee_value *far = toffee_chain_unary(&chain, "Exp", x);
    toffee_value *t = NULL;
    toffee_value *rest = NULL;

    far = toffee_chain_with(&chain, "Sub", far, 1);
    t = toffee_chain_with(&chain, "Mul", x, 0.5);
    t = toffee_chain_unary(&chain, "Tanh", t);
    rest = toffee_chain_with(&chain, "Sub", t, 1); /* -(1 - t) */
    t = toffee_chain_with(&chain, "Mul", t, -2);
    t = toffee_chain_binary(&chain, "Div", t, rest);
    x = toffee_chain_where(&chain, near, t, far);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::log1p: log(u) with u = 1 + x; near zero plus (x - (u - 1)) / u, which is what u lost when
 * it was rounded. */
static toffee_code
lower_log1p(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = chain_float_operand(&chain, call);
    toffee_value *near = chain_near_zero(&chain, x);
    toffee_value *u = toffee_chain_with(&chain, "Add", x, 1);
    toffee_value *log_u = toffee_chain_unary(&chain, "Log", u);
    toffee_value *lost = NULL;

    lost = toffee_chain_with(&chain, "Sub", u, 1);
    lost = toffee_chain_binary(&chain, "Sub", x, lost);
    lost = toffee_chain_binary(&chain, "Div", lost, u);
    lost = toffee_chain_binary(&chain, "Add", log_u, lost);
    x = toffee_chain_where(&chain, near, lost, log_u);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::exp2 -> Pow(2, x). */
static toffee_code
lower_exp2(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = chain_float_operand(&chain, call);
    toffee_value *two = NULL;

    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    two = toffee_chain_number(&chain, toffee_value_dtype(x), 2);
    x = toffee_chain_binary(&chain, "Pow", two, x);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::erfc -> 1 - Erf(x). */
static toffee_code
lower_erfc(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = chain_float_operand(&chain, call);
    toffee_value *one = NULL;

    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    one = toffee_chain_number(&chain, toffee_value_dtype(x), 1);
    x = toffee_chain_unary(&chain, "Erf", x);
    x = toffee_chain_binary(&chain, "Sub", one, x);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::logit(self, eps?) -> Log(z / (1 - z)), z being self, kept inside [eps, 1 - eps]. */
static toffee_code
lower_logit(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *z = chain_float_operand(&chain, call);
    toffee_value *one = NULL;
    double eps = toffee_call_float(call, "eps", -1);

    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    if (eps >= 0) {
        z = toffee_chain_with(&chain, "Max", z, eps);
        z = toffee_chain_with(&chain, "Min", z, 1 - eps);
    }
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    one = toffee_chain_number(&chain, toffee_value_dtype(z), 1);
    one = toffee_chain_binary(&chain, "Sub", one, z);
    z = toffee_chain_binary(&chain, "Div", z, one);
    z = toffee_chain_unary(&chain, "Log", z);
    return toffee_chain_return(&chain, call, 0, z);
}

/* aten::rsqrt -> Reciprocal(Sqrt(x)). */
static toffee_code
lower_rsqrt(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = chain_float_operand(&chain, call);

    x = toffee_chain_unary(&chain, "Sqrt", x);
    x = toffee_chain_unary(&chain, "Reciprocal", x);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::square -> Mul(x, x), of any dtype. */
static toffee_code
lower_square(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");

    if (x == NULL || toffee_value_dtype(x) == TOFFEE_DTYPE_BOOL ||
        toffee_dtype_get(toffee_value_dtype(x))->category == TOFFEE_CATEGORY_COMPLEX) {
        return TOFFEE_DECLINED;
    }
    x = toffee_chain_binary(&chain, "Mul", x, x);
    return toffee_chain_return(&chain, call, 0, x);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::abs", lower_same, "Abs", 0},       {"aten::acos", lower_float, "Acos", 0},
    {"aten::acosh", lower_float, "Acosh", 0},  {"aten::asin", lower_float, "Asin", 0},
    {"aten::asinh", lower_float, "Asinh", 0},  {"aten::atan", lower_float, "Atan", 0},
    {"aten::atanh", lower_float, "Atanh", 0},  {"aten::ceil", lower_floor, "Ceil", 0},
    {"aten::cos", lower_float, "Cos", 0},      {"aten::cosh", lower_float, "Cosh", 0},
    {"aten::erf", lower_float, "Erf", 0},      {"aten::erfc", lower_erfc, NULL, 0},
    {"aten::exp", lower_float, "Exp", 0},      {"aten::exp2", lower_exp2, NULL, 0},
    {"aten::expm1", lower_expm1, NULL, 0},     {"aten::floor", lower_floor, "Floor", 0},
    {"aten::frac", lower_trunc, NULL, 1},      {"aten::log", lower_float, "Log", 0},
    {"aten::log10", lower_log_base, NULL, 10}, {"aten::log1p", lower_log1p, NULL, 0},
    {"aten::log2", lower_log_base, NULL, 2},   {"aten::logit", lower_logit, NULL, 0},
    {"aten::neg", lower_same, "Neg", 0},       {"aten::reciprocal", lower_float, "Reciprocal", 0},
    {"aten::round", lower_round, NULL, 0},     {"aten::rsqrt", lower_rsqrt, NULL, 0},
    {"aten::sgn", lower_sign, NULL, 0},        {"aten::sigmoid", lower_float, "Sigmoid", 0},
    {"aten::sign", lower_sign, NULL, 0},       {"aten::sin", lower_float, "Sin", 0},
    {"aten::sinh", lower_float, "Sinh", 0},    {"aten::sqrt", lower_float, "Sqrt", 0},
    {"aten::square", lower_square, NULL, 0},   {"aten::tan", lower_float, "Tan", 0},
    {"aten::tanh", lower_float, "Tanh", 0},    {"aten::trunc", lower_trunc, NULL, 0},
    {"prims::abs", lower_same, "Abs", 0},      {"prims::acos", lower_float, "Acos", 0},
    {"prims::asin", lower_float, "Asin", 0},   {"prims::atan", lower_float, "Atan", 0},
    {"prims::ceil", lower_floor, "Ceil", 0},   {"prims::cos", lower_float, "Cos", 0},
    {"prims::erf", lower_float, "Erf", 0},     {"prims::erfc", lower_erfc, NULL, 0},
    {"prims::exp", lower_float, "Exp", 0},     {"prims::exp2", lower_exp2, NULL, 0},
    {"prims::expm1", lower_expm1, NULL, 0},    {"prims::floor", lower_floor, "Floor", 0},
    {"prims::log", lower_float, "Log", 0},     {"prims::log10", lower_log_base, NULL, 10},
    {"prims::log1p", lower_log1p, NULL, 0},    {"prims::log2", lower_log_base, NULL, 2},
    {"prims::neg", lower_same, "Neg", 0},      {"prims::reciprocal", lower_float, "Reciprocal", 0},
    {"prims::round", lower_round, NULL, 0},    {"prims::rsqrt", lower_rsqrt, NULL, 0},
    {"prims::sign", lower_sign, NULL, 0},      {"prims::sin", lower_float, "Sin", 0},
    {"prims::sqrt", lower_float, "Sqrt", 0},   {"prims::tan", lower_float, "Tan", 0},
    {"prims::tanh", lower_float, "Tanh", 0},   {"prims::trunc", lower_trunc, NULL, 0},
};

const toffee_rule_family toffee_rules_math = {rows, TOFFEE_COUNTOF(rows)};
