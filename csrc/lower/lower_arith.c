/* csrc/lower/lower_arith.c -- operators of two or more operands that give numbers.
 *
 * The rows "prims::…", here and in other families, are what PyTorch's own decompositions end in. */
#include "lower/chain.h"

#include <math.h>
#include <string.h>

static bool
arg_is_number(const toffee_arg *arg)
{
    return arg->kind == TOFFEE_ARG_BOOL || arg->kind == TOFFEE_ARG_INT ||
           arg->kind == TOFFEE_ARG_FLOAT;
}

static double
arg_number(const toffee_arg *arg)
{
    return arg->kind == TOFFEE_ARG_FLOAT ? arg->f : (double)arg->i;
}

/* The two operands of a call and the dtype in which PyTorch computes it. */
typedef struct {
    const toffee_arg *a;
    const toffee_arg *b;
    toffee_dtype dtype;
} operand_pair;

/* False when there is no such pair of real tensors or numbers. */
static bool
pair_get(const toffee_call *call, const char *a, const char *b, operand_pair *pair)
{
    const toffee_arg *args[2] = {toffee_call_arg(call, a), toffee_call_arg(call, b)};

    *pair = (operand_pair){args[0], args[1], toffee_promote(args, 2)};
    return args[0] != NULL && args[1] != NULL && toffee_dtype_is_real(pair->dtype);
}

/* X times ARG, which is NULL or a number; a number that is 1 costs no node. */
static toffee_value *
chain_scaled(toffee_chain *chain, toffee_value *x, const toffee_arg *arg, toffee_dtype dtype)
{
    if (arg == NULL || (arg_is_number(arg) && arg_number(arg) == 1)) {
        return x;
    }
    return toffee_chain_binary(chain, "Mul", x, toffee_chain_operand(chain, arg, dtype));
}

/* An operand times alpha. A number is multiplied here, so that add(x, 2, alpha=3) is x + 6. */
static toffee_value *
chain_alpha(toffee_chain *chain, const toffee_arg *arg, const toffee_arg *alpha, toffee_dtype dtype)
{
    toffee_arg product = *arg;

    if (alpha == NULL || !arg_is_number(arg) || !arg_is_number(alpha)) {
        return chain_scaled(chain, toffee_chain_operand(chain, arg, dtype), alpha, dtype);
    }
    if (arg->kind == TOFFEE_ARG_FLOAT || alpha->kind == TOFFEE_ARG_FLOAT) {
        product.kind = TOFFEE_ARG_FLOAT;
        product.f = arg_number(arg) * arg_number(alpha);
    }
    else {
        product.i = (int64_t)((uint64_t)arg->i * (uint64_t)alpha->i);
    }
    return toffee_chain_operand(chain, &product, dtype);
}

/* aten::add(self, other, alpha) -> Add(self, other * alpha), and sub likewise. Bools: Or.
 * rsub (rule->arg 1) is the same with its operands exchanged. */
static toffee_code
lower_add(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    bool reverse = lo->rule->arg != 0;
    operand_pair pair;
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    if (!pair_get(call, reverse ? "other" : "self", reverse ? "self" : "other", &pair)) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, pair.a, pair.dtype);
    b = chain_alpha(&chain, pair.b, toffee_call_arg(call, "alpha"), pair.dtype);
    a = toffee_chain_binary(&chain, lo->rule->onnx, a, b);
    return toffee_chain_return(&chain, call, 0, a);
}

/* mul, maximum, minimum: one node. Bools: And, Or, And. */
static toffee_code
lower_binary(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    operand_pair pair;
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    if (!pair_get(call, "self", "other", &pair)) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, pair.a, pair.dtype);
    b = toffee_chain_operand(&chain, pair.b, pair.dtype);
    a = toffee_chain_binary(&chain, lo->rule->onnx, a, b);
    return toffee_chain_return(&chain, call, 0, a);
}

/* aten::fmax, fmin: of a number and NaN the number, where Max and Min give NaN. */
static toffee_code
lower_fmax(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    operand_pair pair;
    toffee_value *a = NULL;
    toffee_value *b = NULL;
    toffee_value *out = NULL;
    toffee_value *missing = NULL;

    if (!pair_get(call, "self", "other", &pair)) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, pair.a, pair.dtype);
    b = toffee_chain_operand(&chain, pair.b, pair.dtype);
    out = toffee_chain_binary(&chain, lo->rule->onnx, a, b);
    if (toffee_dtype_is_float(pair.dtype)) {
        missing = toffee_chain_test(&chain, "IsNaN", b, NULL);
        out = toffee_chain_where(&chain, missing, a, out);
        missing = toffee_chain_test(&chain, "IsNaN", a, NULL);
        out = toffee_chain_where(&chain, missing, b, out);
    }
    return toffee_chain_return(&chain, call, 0, out);
}

/* ---- division ------------------------------------------------------------------------------- */

/* The remainder with the sign of the dividend, as fmod of C. Sixty-four bits take the long way:
 * ONNX Runtime computes Mod with fmod=1 in double. */
static toffee_value *
chain_fmod(toffee_chain *chain, toffee_value *a, toffee_value *b, toffee_dtype dtype)
{
    toffee_value *whole = NULL;

    if (dtype == TOFFEE_DTYPE_INT64) {
        whole = toffee_chain_binary(chain, "Div", a, b);
        whole = toffee_chain_binary(chain, "Mul", whole, b);
        return toffee_chain_binary(chain, "Sub", a, whole);
    }
    a = toffee_chain_binary(chain, "Mod", a, b);
    toffee_chain_set_int(chain, a, "fmod", 1);
    return a;
}

/* Where the fmod F of a division by B has the wrong sign for Python, whose remainder has the sign
 * of the divisor. ARG is B before it became a value: a number's sign is known. */
static toffee_value *
chain_wrong_sign(toffee_chain *chain, toffee_value *f, toffee_value *b, const toffee_arg *arg,
                 toffee_dtype dtype)
{
    toffee_value *zero = toffee_chain_number(chain, dtype, 0);
    toffee_value *b_negative = NULL;
    toffee_value *f_negative = NULL;
    toffee_value *f_zero = NULL;

    if (arg_is_number(arg)) {
        return toffee_chain_test(chain, arg_number(arg) < 0 ? "Greater" : "Less", f, zero);
    }
    b_negative = toffee_chain_test(chain, "Less", b, zero);
    f_negative = toffee_chain_test(chain, "Less", f, zero);
    f_zero = toffee_chain_test(chain, "Equal", f, zero);
    f_zero = toffee_chain_unary(chain, "Not", f_zero);
    b_negative = toffee_chain_binary(chain, "Xor", b_negative, f_negative);
    return toffee_chain_binary(chain, "And", b_negative, f_zero);
}

/* Towards minus infinity. (a - a mod b) / b is exact; int8 and int16 go through int32, where the
 * difference cannot pass the smallest number. */
static toffee_value *
chain_floor_divide_ints(toffee_chain *chain, toffee_value *a, toffee_value *b, toffee_dtype dtype)
{
    bool narrow = dtype == TOFFEE_DTYPE_INT8 || dtype == TOFFEE_DTYPE_INT16;
    toffee_value *rest = NULL;

    if (dtype != TOFFEE_DTYPE_INT32 && dtype != TOFFEE_DTYPE_INT64 && !narrow) {
        return toffee_chain_binary(chain, "Div", a, b); /* unsigned */
    }
    if (narrow) {
        a = toffee_chain_cast(chain, a, TOFFEE_DTYPE_INT32);
        b = toffee_chain_cast(chain, b, TOFFEE_DTYPE_INT32);
    }
    rest = toffee_chain_binary(chain, "Mod", a, b);
    a = toffee_chain_binary(chain, "Sub", a, rest);
    a = toffee_chain_binary(chain, "Div", a, b);
    return toffee_chain_cast(chain, a, dtype);
}

static bool
number_is_power_of_two(const toffee_arg *arg)
{
    int exponent = 0;

    return arg_is_number(arg) && fabs(frexp(arg_number(arg), &exponent)) == 0.5;
}

/* As Python divides floats: floor(a / b) would give 10 for 1.0 // 0.1, since the quotient rounds up
 * to 10. By a power of two the quotient does not round. An infinity divided so is NaN. */
static toffee_value *
chain_floor_divide_floats(toffee_chain *chain, toffee_value *a, toffee_value *b,
                          const toffee_arg *arg, toffee_dtype dtype)
{
    toffee_value *rest = NULL;
    toffee_value *wrong = NULL;
    toffee_value *less = NULL;
    toffee_value *whole = NULL;

    if (number_is_power_of_two(arg)) {
        rest = toffee_chain_binary(chain, "Sub", a, a); /* 0; NaN of what is infinite */
        a = toffee_chain_binary(chain, "Div", a, b);
        a = toffee_chain_unary(chain, "Floor", a);
        return toffee_chain_binary(chain, "Add", a, rest);
    }
    rest = chain_fmod(chain, a, b, dtype);
    wrong = chain_wrong_sign(chain, rest, b, arg, dtype);
    rest = toffee_chain_binary(chain, "Sub", a, rest);
    whole = toffee_chain_binary(chain, "Div", rest, b);
    less = toffee_chain_with(chain, "Sub", whole, 1);
    whole = toffee_chain_where(chain, wrong, less, whole);
    whole = toffee_chain_unary(chain, "Round", whole);
    if (!arg_is_number(arg) || arg_number(arg) == 0) {
        wrong = toffee_chain_test(chain, "Equal", b, toffee_chain_number(chain, dtype, 0));
        less = toffee_chain_binary(chain, "Div", a, b);
        whole = toffee_chain_where(chain, wrong, less, whole); /* inf or NaN */
    }
    return whole;
}

/* aten::div(self, other, rounding_mode=None | "trunc" | "floor"); floor_divide has the mode in its
 * row. Without a mode integers become floats. */
static toffee_code
lower_div(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const char *mode = lo->rule->arg != 0 ? "floor" : toffee_call_string(call, "rounding_mode", "");
    operand_pair pair;
    toffee_value *a = NULL;
    toffee_value *b = NULL;
    bool is_float = false;

    if (!pair_get(call, "self", "other", &pair) ||
        (mode[0] != '\0' && pair.dtype == TOFFEE_DTYPE_BOOL)) {
        return TOFFEE_DECLINED;
    }
    is_float = toffee_dtype_is_float(pair.dtype);
    if (mode[0] == '\0' && !is_float) {
        pair.dtype = TOFFEE_DTYPE_FLOAT;
    }
    a = toffee_chain_operand(&chain, pair.a, pair.dtype);
    b = toffee_chain_operand(&chain, pair.b, pair.dtype);
    if (strcmp(mode, "floor") == 0) {
        a = is_float ? chain_floor_divide_floats(&chain, a, b, pair.b, pair.dtype)
                     : chain_floor_divide_ints(&chain, a, b, pair.dtype);
    }
    else {
        a = toffee_chain_binary(&chain, "Div", a, b); /* of integers: truncates */
        if (strcmp(mode, "trunc") == 0 && is_float) {
            a = toffee_chain_trunc(&chain, a);
        }
    }
    return toffee_chain_return(&chain, call, 0, a);
}

/* aten::fmod: the sign of the dividend. */
static toffee_code
lower_fmod(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    operand_pair pair;
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    if (!pair_get(call, "self", "other", &pair) || pair.dtype == TOFFEE_DTYPE_BOOL) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, pair.a, pair.dtype);
    b = toffee_chain_operand(&chain, pair.b, pair.dtype);
    a = chain_fmod(&chain, a, b, pair.dtype);
    return toffee_chain_return(&chain, call, 0, a);
}

/* aten::remainder: the sign of the divisor. ONNX has that for integers only. */
static toffee_code
lower_remainder(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    operand_pair pair;
    toffee_value *a = NULL;
    toffee_value *b = NULL;
    toffee_value *wrong = NULL;

    if (!pair_get(call, "self", "other", &pair) || pair.dtype == TOFFEE_DTYPE_BOOL) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, pair.a, pair.dtype);
    b = toffee_chain_operand(&chain, pair.b, pair.dtype);
    if (toffee_dtype_is_int(pair.dtype)) {
        a = toffee_chain_binary(&chain, "Mod", a, b);
        return toffee_chain_return(&chain, call, 0, a);
    }
    a = chain_fmod(&chain, a, b, pair.dtype);
    wrong = chain_wrong_sign(&chain, a, b, pair.b, pair.dtype);
    b = toffee_chain_binary(&chain, "Add", a, b);
    a = toffee_chain_where(&chain, wrong, b, a);
    return toffee_chain_return(&chain, call, 0, a);
}

/* ---- powers --------------------------------------------------------------------------------- */

#define LARGEST_UNROLLED_POWER 64

/* X to the N-th, N >= 1, by squaring: integers wrap as PyTorch's do, where a kernel that computes
 * in double would not. */
static toffee_value *
chain_power(toffee_chain *chain, toffee_value *x, int64_t n)
{
    toffee_value *power = NULL;

    for (;; n >>= 1) {
        if ((n & 1) != 0) {
            power = power == NULL ? x : toffee_chain_binary(chain, "Mul", power, x);
        }
        if (n <= 1) {
            return power;
        }
        x = toffee_chain_binary(chain, "Mul", x, x);
    }
}

/* A, whole numbers, with 2 in place of 0 where B is negative: such a power of 0 is 0 in PyTorch, as
 * that of 2 is when it is cut off, and undefined in ONNX. */
static toffee_value *
chain_power_base(toffee_chain *chain, toffee_value *a, toffee_value *b, toffee_dtype dtype)
{
    toffee_value *zero = toffee_chain_number(chain, dtype, 0);
    toffee_value *two = toffee_chain_number(chain, dtype, 2);
    toffee_value *is_zero = toffee_chain_test(chain, "Equal", a, zero);
    toffee_value *is_negative = toffee_chain_test(chain, "Less", b, zero);

    is_zero = toffee_chain_test(chain, "And", is_zero, is_negative);
    return toffee_chain_where(chain, is_zero, two, a);
}

/* aten::pow(self, exponent), either of them a number -> Pow. */
static toffee_code
lower_pow(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    operand_pair pair;
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    if (!pair_get(call, "self", "exponent", &pair) || pair.dtype == TOFFEE_DTYPE_BOOL) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, pair.a, pair.dtype);
    if (toffee_dtype_is_int(pair.dtype) && arg_is_number(pair.b) && pair.b->i >= 1 &&
        pair.b->i <= LARGEST_UNROLLED_POWER) {
        a = chain_power(&chain, a, pair.b->i);
        return toffee_chain_return(&chain, call, 0, a);
    }
    b = toffee_chain_operand(&chain, pair.b, pair.dtype);
    if (toffee_dtype_is_int(pair.dtype) && !arg_is_number(pair.b)) {
        a = chain_power_base(&chain, a, b, pair.dtype);
    }
    a = toffee_chain_binary(&chain, "Pow", a, b);
    return toffee_chain_return(&chain, call, 0, a);
}

/* ---- three operands ------------------------------------------------------------------------- */

/* Whether ARG is nothing, a number, or a 0-d tensor: what Clip takes as a bound. */
static bool
arg_is_scalar(const toffee_arg *arg)
{
    return arg == NULL || arg->kind != TOFFEE_ARG_VALUE || toffee_value_rank(arg->value) == 0;
}

static bool
arg_is_absent(const toffee_arg *arg)
{
    return arg == NULL || arg->kind == TOFFEE_ARG_NONE;
}

/* aten::clamp(self, min?, max?), clip, clamp_min(self, min), clamp_max(self, max)
 *   -> Clip(self, min, max), or Max and Min where a bound is a tensor with dimensions, or is
 * missing: a Clip of floats with one bound takes infinities to the largest finite numbers. */
static toffee_code
lower_clamp(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[3] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "min"),
                                 toffee_call_arg(call, "max")};
    toffee_dtype dtype = toffee_promote(args, 3);
    toffee_value *inputs[3] = {NULL, NULL, NULL};
    toffee_value *out = NULL;

    if (args[0] == NULL || !toffee_dtype_is_real(dtype) || dtype == TOFFEE_DTYPE_BOOL) {
        return TOFFEE_DECLINED;
    }
    for (size_t i = 0; i < 3; i++) {
        if (!arg_is_absent(args[i])) {
            inputs[i] = toffee_chain_operand(&chain, args[i], dtype);
        }
    }
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    if (arg_is_scalar(args[1]) && arg_is_scalar(args[2]) &&
        (!toffee_dtype_is_float(dtype) || (inputs[1] != NULL && inputs[2] != NULL))) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_wide(lo, "Clip", inputs, 3, dtype, NULL, &out, st));
        return toffee_lower_return(lo, call, 0, out, st);
    }
    out = inputs[0];
    if (inputs[1] != NULL) {
        out = toffee_chain_binary(&chain, "Max", out, inputs[1]);
    }
    if (inputs[2] != NULL) {
        out = toffee_chain_binary(&chain, "Min", out, inputs[2]);
    }
    return toffee_chain_return(&chain, call, 0, out);
}

/* aten::addcmul(self, tensor1, tensor2, value) -> self + value * tensor1 * tensor2;
 * addcdiv: self + value * (tensor1 / tensor2). */
static toffee_code
lower_addc(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[3] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "tensor1"),
                                 toffee_call_arg(call, "tensor2")};
    toffee_dtype dtype = toffee_promote(args, 3);
    toffee_value *self = NULL;
    toffee_value *product = NULL;
    toffee_value *b = NULL;

    if (!toffee_dtype_is_real(dtype) || dtype == TOFFEE_DTYPE_BOOL) {
        return TOFFEE_DECLINED;
    }
    self = toffee_chain_operand(&chain, args[0], dtype);
    product = toffee_chain_operand(&chain, args[1], dtype);
    b = toffee_chain_operand(&chain, args[2], dtype);
    product = toffee_chain_binary(&chain, lo->rule->onnx, product, b);
    product = chain_scaled(&chain, product, toffee_call_arg(call, "value"), dtype);
    self = toffee_chain_binary(&chain, "Add", self, product);
    return toffee_chain_return(&chain, call, 0, self);
}

/* aten::lerp(self, end, weight) -> self + weight * (end - self). Of a weight of a half or more,
 * PyTorch counts from the end, so that a weight of 1 gives it exactly. It computes 16 bits in
 * float, and rounds once. */
static toffee_code
lower_lerp(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *weight = toffee_call_arg(call, "weight");
    operand_pair pair;
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    toffee_value *self = NULL;
    toffee_value *end = NULL;
    toffee_value *step = NULL;
    bool from_end = false;

    if (!pair_get(call, "self", "end", &pair) || !toffee_dtype_is_float(pair.dtype) ||
        weight == NULL) {
        return TOFFEE_DECLINED;
    }
    dtype = pair.dtype == TOFFEE_DTYPE_DOUBLE ? pair.dtype : dtype;
    from_end = arg_is_number(weight) && fabs(arg_number(weight)) >= 0.5;
    self = toffee_chain_operand(&chain, pair.a, dtype);
    end = toffee_chain_operand(&chain, pair.b, dtype);
    step = toffee_chain_binary(&chain, "Sub", end, self);
    if (from_end) {
        step = toffee_chain_with(&chain, "Mul", step, 1 - arg_number(weight));
        self = toffee_chain_binary(&chain, "Sub", end, step);
        return toffee_chain_return(&chain, call, 0, self);
    }
    step = chain_scaled(&chain, step, weight, dtype);
    self = toffee_chain_binary(&chain, "Add", self, step);
    return toffee_chain_return(&chain, call, 0, self);
}

/* aten::hypot -> Sqrt(a * a + b * b). */
static toffee_code
lower_hypot(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    operand_pair pair;
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    if (!pair_get(call, "self", "other", &pair) || !toffee_dtype_is_float(pair.dtype)) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, pair.a, pair.dtype);
    b = toffee_chain_operand(&chain, pair.b, pair.dtype);
    a = toffee_chain_binary(&chain, "Mul", a, a);
    b = toffee_chain_binary(&chain, "Mul", b, b);
    a = toffee_chain_binary(&chain, "Add", a, b);
    a = toffee_chain_unary(&chain, "Sqrt", a);
    return toffee_chain_return(&chain, call, 0, a);
}

/* aten::atan2(self, other): the angle of the point (other, self). */
static toffee_code
lower_atan2(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    operand_pair pair;
    toffee_value *y = NULL;
    toffee_value *x = NULL;

    if (!pair_get(call, "self", "other", &pair)) {
        return TOFFEE_DECLINED;
    }
    if (!toffee_dtype_is_float(pair.dtype)) {
        pair.dtype = TOFFEE_DTYPE_FLOAT;
    }
    y = toffee_chain_operand(&chain, pair.a, pair.dtype);
    x = toffee_chain_operand(&chain, pair.b, pair.dtype);
    x = toffee_chain_atan2(&chain, y, x);
    return toffee_chain_return(&chain, call, 0, x);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::add", lower_add, "Add", 0},
    {"aten::addcdiv", lower_addc, "Div", 0},
    {"aten::addcmul", lower_addc, "Mul", 0},
    {"aten::atan2", lower_atan2, NULL, 0},
    {"aten::clamp", lower_clamp, NULL, 0},
    {"aten::clamp_max", lower_clamp, NULL, 0},
    {"aten::clamp_min", lower_clamp, NULL, 0},
    {"aten::clip", lower_clamp, NULL, 0},
    {"aten::div", lower_div, NULL, 0},
    {"aten::divide", lower_div, NULL, 0},
    {"aten::floor_divide", lower_div, NULL, 1},
    {"aten::fmax", lower_fmax, "Max", 0},
    {"aten::fmin", lower_fmax, "Min", 0},
    {"aten::fmod", lower_fmod, NULL, 0},
    {"aten::hypot", lower_hypot, NULL, 0},
    {"aten::lerp", lower_lerp, NULL, 0},
    {"aten::maximum", lower_binary, "Max", 0},
    {"aten::minimum", lower_binary, "Min", 0},
    {"aten::mul", lower_binary, "Mul", 0},
    {"aten::multiply", lower_binary, "Mul", 0},
    {"aten::pow", lower_pow, NULL, 0},
    {"aten::remainder", lower_remainder, NULL, 0},
    {"aten::rsub", lower_add, "Sub", 1},
    {"aten::sub", lower_add, "Sub", 0},
    {"aten::subtract", lower_add, "Sub", 0},
    {"aten::true_divide", lower_div, NULL, 0},
    {"prims::add", lower_binary, "Add", 0},
    {"prims::atan2", lower_atan2, NULL, 0},
    {"prims::div", lower_binary, "Div", 0},
    {"prims::fmax", lower_fmax, "Max", 0},
    {"prims::fmin", lower_fmax, "Min", 0},
    {"prims::fmod", lower_fmod, NULL, 0},
    {"prims::hypot", lower_hypot, NULL, 0},
    {"prims::maximum", lower_binary, "Max", 0},
    {"prims::minimum", lower_binary, "Min", 0},
    {"prims::mul", lower_binary, "Mul", 0},
    {"prims::remainder", lower_remainder, NULL, 0},
    {"prims::sub", lower_binary, "Sub", 0},
};

const toffee_rule_family toffee_rules_arith = {rows, TOFFEE_COUNTOF(rows)};
