/* csrc/caffe2/emit_math.c -- arithmetic and functions of numbers, element by element.
 *
 * Caffe2's kernels are for float32, some for double, int32 and int64; ATen's are for all but half,
 * for which some work in float32 here and round once. */
#include <math.h>

#include "caffe2/steps.h"

/* ---- one input ------------------------------------------------------------------------------- */

static toffee_code
emit_unary_single(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return toffee_c2_same(c, rule, TOFFEE_C2_SINGLE);
}

static toffee_code
emit_unary_floats(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return toffee_c2_same(c, rule, TOFFEE_C2_FLOATS);
}

static toffee_code
emit_unary_numbers(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return toffee_c2_same(c, rule, TOFFEE_C2_NUMBERS);
}

/* A function that ATen has for every dtype that the operator takes. */
static toffee_code
aten_unary(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_aten1(c, rule->aten_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* One that it has not for half. */
static toffee_code
aten_unary_wide(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_input(c, 0));
    toffee_dtype wide = toffee_c2_wide(dtype);
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    x = toffee_c2_cast(c, toffee_c2_x(c, 0), dtype, wide, NULL);
    x = toffee_c2_aten1(c, rule->aten_name, x, NULL);
    toffee_c2_cast(c, x, wide, dtype, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- two inputs, broadcast ------------------------------------------------------------------- */

static toffee_code
emit_binary(toffee_c2 *c, const toffee_c2_rule *rule, uint64_t set)
{
    if (!toffee_c2_is(toffee_c2_input(c, 0), set)) {
        return toffee_c2_decline(c, "Caffe2's operator has no kernel for this dtype");
    }
    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static toffee_code
emit_arith(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return emit_binary(c, rule, TOFFEE_C2_NUMBERS);
}

/* Caffe2 divides whole numbers too, and is killed by a zero: left to ATen, which reports it. */
static toffee_code
emit_div(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return emit_binary(c, rule, TOFFEE_C2_FLOATS);
}

static toffee_code
aten_binary(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_aten2(c, rule->aten_name, toffee_c2_x(c, 0), toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Div -> aten::div, which makes floats of whole numbers, or for these aten::floor_divide, which in
 * PyTorch 1.10 cuts off as ONNX does, whatever its name. */
static toffee_code
aten_div(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool whole = toffee_dtype_is_int(toffee_c2_dtype(toffee_c2_input(c, 0)));

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_aten2(c, whole ? "floor_divide" : rule->aten_name, toffee_c2_x(c, 0),
                    toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Mod -> aten::remainder, which has the sign of the divisor, or aten::fmod. */
static toffee_code
aten_mod(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool fmod = toffee_c2_attr_int(c, "fmod", 0) != 0;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_aten2(c, fmod ? "fmod" : rule->aten_name, toffee_c2_x(c, 0), toffee_c2_x(c, 1),
                    toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Whether Caffe2's Pow, which raises to a number in an argument, computes x**EXPONENT. It differs
 * for infinities where others take square roots. */
static bool
pow_exponent_is_plain(double exponent)
{
    return (double)(float)exponent == exponent && fabs(exponent) != 0.5;
}

/* Pow(x, y) -> Pow with an argument if y is one number, or of two tensors of one shape: Caffe2's
 * does not broadcast both ways. */
static toffee_code
emit_pow(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    const toffee_value *y = toffee_c2_input(c, 1);
    double exponent = 0;
    bool plain = toffee_c2_known_number(c, y, &exponent) && pow_exponent_is_plain(exponent) &&
                 toffee_c2_rank(y) <= toffee_c2_rank(x);

    if (!toffee_c2_is(x, TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline(c, "Caffe2's Pow is for float32");
    }
    if (plain) {
        toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
        toffee_c2_float(c, "exponent", exponent);
        return toffee_c2_done(c);
    }
    if (!toffee_c2_is(y, TOFFEE_C2_SINGLE) || !toffee_c2_same_dims(c, x, y)) {
        return toffee_c2_decline(c, "Caffe2's Pow does not broadcast");
    }
    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* The dtype in which the power of a BASE is taken that is an EXPONENT: neither loses digits. */
static toffee_dtype
pow_dtype(toffee_dtype base, toffee_dtype exponent)
{
    if (base == exponent) {
        return toffee_c2_wide(base);
    }
    if (toffee_dtype_is_int(base) && toffee_dtype_is_int(exponent)) {
        return TOFFEE_DTYPE_INT64;
    }
    if (toffee_dtype_is_int(base) || exponent == TOFFEE_DTYPE_DOUBLE) {
        return TOFFEE_DTYPE_DOUBLE;
    }
    return toffee_c2_wide(base);
}

/* Pow(x, y) -> aten::pow in one dtype, and back to that of x. */
static toffee_code
aten_pow(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype base = toffee_c2_dtype(toffee_c2_input(c, 0));
    toffee_dtype exponent = toffee_c2_dtype(toffee_c2_input(c, 1));
    toffee_dtype wide = pow_dtype(base, exponent);
    const char *x = NULL;
    const char *y = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    x = toffee_c2_cast(c, toffee_c2_x(c, 0), base, wide, NULL);
    y = toffee_c2_cast(c, toffee_c2_x(c, 1), exponent, wide, NULL);
    x = toffee_c2_aten2(c, rule->aten_name, x, y, NULL);
    toffee_c2_cast(c, x, wide, base, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- one input or more ----------------------------------------------------------------------- */

/* All inputs, as WIDE, joined from the left by FUNCTION of Caffe2 or ATen. One alone is copied. */
static const char *
join_inputs(toffee_c2 *c, const char *function, bool is_aten, toffee_dtype wide, const char *dst)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_input(c, 0));
    size_t n = c->node->inputs.n;
    const char *sum = toffee_c2_cast(c, toffee_c2_x(c, 0), dtype, wide, n == 1 ? dst : NULL);

    for (size_t i = 1; i < n; i++) {
        const char *term = toffee_c2_cast(c, toffee_c2_x(c, i), dtype, wide, NULL);
        const char *into = i + 1 == n ? dst : NULL;

        sum = is_aten ? toffee_c2_aten2(c, function, sum, term, into)
                      : toffee_c2_op2(c, function, sum, term, into);
    }
    return sum;
}

/* Max, Min -> aten::maximum, aten::minimum. (Caffe2's do not broadcast and lose NaN.) */
static toffee_code
aten_extreme(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    join_inputs(c, rule->aten_name, true, toffee_c2_dtype(toffee_c2_input(c, 0)),
                toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static bool
inputs_have_one_shape(toffee_c2 *c)
{
    for (size_t i = 1; i < c->node->inputs.n; i++) {
        if (!toffee_c2_same_dims(c, toffee_c2_input(c, 0), toffee_c2_input(c, i))) {
            return false;
        }
    }
    return true;
}

/* Sum -> Sum if all shapes are the same, else Add, which broadcasts. */
static toffee_code
emit_sum(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_input(c, 0));

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_NUMBERS)) {
        return toffee_c2_decline(c, "Caffe2's Sum has no kernel for this dtype");
    }
    if (!inputs_have_one_shape(c)) {
        join_inputs(c, "Add", false, dtype, toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    return toffee_c2_done(c);
}

static toffee_code
emit_mean(toffee_c2 *c, const toffee_c2_rule *rule)
{
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_FLOATS) || !inputs_have_one_shape(c)) {
        return toffee_c2_decline(c, "Caffe2's Mean is for floats of one shape");
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    return toffee_c2_done(c);
}

/* Sum, Mean -> a row of aten::add, for a Mean divided by their number. */
static toffee_code
aten_sum_or_mean(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_input(c, 0));
    toffee_dtype wide = toffee_c2_wide(dtype);
    bool is_mean = toffee_str_is(c->node->op_type, "Mean");
    const char *sum = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    sum = join_inputs(c, rule->aten_name, true, wide, NULL);
    if (is_mean) {
        sum = toffee_c2_aten_int(c, "div", sum, "other", (int64_t)c->node->inputs.n, NULL);
    }
    toffee_c2_cast(c, sum, wide, dtype, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- clip ------------------------------------------------------------------------------------ */

/* Bound INDEX of a Clip as a number; true also if the bound is left out, as what bounds nothing. */
static bool
clip_bound(toffee_c2 *c, size_t index, double *bound)
{
    *bound = index == 1 ? -HUGE_VAL : HUGE_VAL;
    return toffee_c2_input(c, index) == NULL ||
           toffee_c2_known_number(c, toffee_c2_input(c, index), bound);
}

static toffee_code
emit_clip(toffee_c2 *c, const toffee_c2_rule *rule)
{
    double min = 0;
    double max = 0;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE) || !clip_bound(c, 1, &min) ||
        !clip_bound(c, 2, &max) || isnan(min) || isnan(max)) {
        return toffee_c2_decline(c, "Caffe2's Clip is for float32 and bounds that never change");
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_float(c, "min", min);
    toffee_c2_float(c, "max", max);
    return toffee_c2_done(c);
}

/* Clip -> aten::maximum with the lower bound, aten::minimum with the upper. */
static toffee_code
aten_clip(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool has_max = toffee_c2_input(c, 2) != NULL;
    const char *x = NULL;

    (void)rule;
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    x = toffee_c2_x(c, 0);
    if (toffee_c2_input(c, 1) != NULL) {
        x = toffee_c2_aten2(c, "maximum", x, toffee_c2_x(c, 1), has_max ? NULL : toffee_c2_y(c, 0));
    }
    if (has_max) {
        toffee_c2_aten2(c, "minimum", x, toffee_c2_x(c, 2), toffee_c2_y(c, 0));
    }
    else if (toffee_c2_input(c, 1) == NULL) {
        toffee_c2_op1(c, "Copy", x, toffee_c2_y(c, 0));
    }
    return toffee_c2_done(c);
}

/* ---- running sums ---------------------------------------------------------------------------- */

/* X without its last element on AXIS and with a zero before its first. */
static const char *
shift_by_one(toffee_c2 *c, const char *x, int32_t axis, int32_t rank)
{
    size_t n = 2 * (size_t)(rank - axis);
    int64_t *pads = toffee_c2_numbers(c, n);

    if (pads != NULL) {
        pads[n - 2] = 1; /* pads begin with the last axis, and each with its front */
        pads[n - 1] = -1;
    }
    return toffee_c2_aten_ints(c, "constant_pad_nd", x, "pad", pads, n, NULL);
}

/* CumSum -> aten::cumsum, of the numbers before each if exclusive, between two flips if reverse. */
static toffee_code
aten_cumsum(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    toffee_dtype dtype = toffee_c2_dtype(value);
    toffee_dtype wide = toffee_dtype_is_int(dtype) ? TOFFEE_DTYPE_INT64 : toffee_c2_wide(dtype);
    int32_t rank = toffee_c2_rank(value);
    bool reverse = toffee_c2_attr_int(c, "reverse", 0) != 0;
    size_t n = 0;
    const int64_t *known = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
    int32_t axis = known != NULL && n == 1 ? toffee_c2_axis(known[0], rank) : -1;
    int64_t dim = axis;
    const char *x = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0) {
        return toffee_c2_decline(c, "its axis is only known when the graph runs");
    }
    if (toffee_c2_dim(value, axis) == 0) {
        toffee_c2_op1(c, "Copy", toffee_c2_x(c, 0), toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    x = toffee_c2_cast(c, toffee_c2_x(c, 0), dtype, toffee_c2_wide(dtype), NULL);
    if (reverse) {
        x = toffee_c2_aten_ints(c, "flip", x, "dims", &dim, 1, NULL);
    }
    if (toffee_c2_attr_int(c, "exclusive", 0) != 0) {
        x = shift_by_one(c, x, axis, rank);
    }
    x = toffee_c2_aten_int(c, rule->aten_name, x, "dim", axis, NULL);
    if (reverse) {
        x = toffee_c2_aten_ints(c, "flip", x, "dims", &dim, 1, NULL);
    }
    toffee_c2_cast(c, x, wide, dtype, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"Abs", emit_unary_single, "Abs", aten_unary, "abs"},
    {"Acos", emit_unary_single, "Acos", aten_unary_wide, "acos"},
    {"Acosh", NULL, NULL, aten_unary_wide, "acosh"},
    {"Add", emit_arith, "Add", aten_binary, "add"},
    {"Asin", emit_unary_single, "Asin", aten_unary_wide, "asin"},
    {"Asinh", NULL, NULL, aten_unary_wide, "asinh"},
    {"Atan", emit_unary_single, "Atan", aten_unary_wide, "atan"},
    {"Atanh", NULL, NULL, aten_unary_wide, "atanh"},
    {"Ceil", emit_unary_single, "Ceil", aten_unary_wide, "ceil"},
    {"Clip", emit_clip, "Clip", aten_clip, "maximum"},
    {"Cos", emit_unary_single, "Cos", aten_unary_wide, "cos"},
    {"Cosh", emit_unary_single, "Cosh", aten_unary_wide, "cosh"},
    {"CumSum", NULL, NULL, aten_cumsum, "cumsum"},
    {"Det", NULL, NULL, aten_unary_wide, "linalg_det"},
    {"Div", emit_div, "Div", aten_div, "div"},
    {"Erf", emit_unary_single, "Erf", aten_unary_wide, "erf"},
    {"Exp", emit_unary_single, "Exp", aten_unary_wide, "exp"},
    {"Floor", emit_unary_single, "Floor", aten_unary_wide, "floor"},
    {"Log", emit_unary_single, "Log", aten_unary_wide, "log"},
    {"Max", NULL, NULL, aten_extreme, "maximum"},
    {"Mean", emit_mean, "Mean", aten_sum_or_mean, "add"},
    {"Min", NULL, NULL, aten_extreme, "minimum"},
    {"Mod", NULL, NULL, aten_mod, "remainder"},
    {"Mul", emit_arith, "Mul", aten_binary, "mul"},
    {"Neg", emit_unary_numbers, "Negative", aten_unary, "neg"},
    {"Pow", emit_pow, "Pow", aten_pow, "pow"},
    {"Reciprocal", emit_unary_single, "Reciprocal", aten_unary, "reciprocal"},
    {"Round", NULL, NULL, aten_unary_wide, "round"},
    {"Sign", emit_unary_numbers, "Sign", aten_unary, "sign"},
    {"Sin", emit_unary_single, "Sin", aten_unary_wide, "sin"},
    {"Sinh", emit_unary_single, "Sinh", aten_unary_wide, "sinh"},
    {"Sqrt", emit_unary_floats, "Sqrt", aten_unary_wide, "sqrt"},
    {"Sub", emit_arith, "Sub", aten_binary, "sub"},
    {"Sum", emit_sum, "Sum", aten_sum_or_mean, "add"},
    {"Tan", emit_unary_single, "Tan", aten_unary_wide, "tan"},
};

const toffee_c2_family toffee_c2_rules_math = {rows, TOFFEE_COUNTOF(rows)};
