/* csrc/lower/lower_logic.c -- comparisons, bools, bits, and choosing by a mask. */
#include "lower/chain.h"
#include "lower/fit.h"

#include <string.h>

/* aten::eq, lt, …: of the promoted operands. rule->arg 1: the opposite of the ONNX operator. */
static toffee_code
lower_compare(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "other")};
    toffee_dtype dtype = toffee_promote(args, 2);
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    if (!toffee_dtype_is_real(dtype)) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, args[0], dtype);
    b = toffee_chain_operand(&chain, args[1], dtype);
    a = toffee_chain_test(&chain, lo->rule->onnx, a, b);
    if (lo->rule->arg != 0) {
        a = toffee_chain_unary(&chain, "Not", a);
    }
    return toffee_chain_return(&chain, call, 0, a);
}

/* aten::logical_and, …: of any dtypes; what is not zero is true. */
static toffee_code
lower_logical(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    a = toffee_chain_operand(&chain, toffee_call_arg(call, "self"), TOFFEE_DTYPE_BOOL);
    if (lo->rule->arg == 1) {
        a = toffee_chain_unary(&chain, lo->rule->onnx, a);
        return toffee_chain_return(&chain, call, 0, a);
    }
    b = toffee_chain_operand(&chain, toffee_call_arg(call, "other"), TOFFEE_DTYPE_BOOL);
    a = toffee_chain_binary(&chain, lo->rule->onnx, a, b);
    return toffee_chain_return(&chain, call, 0, a);
}

/* What the bitwise operators mean on bools. */
static const char *const bool_twins[][2] = {
    {"BitwiseAnd", "And"}, {"BitwiseNot", "Not"}, {"BitwiseOr", "Or"}, {"BitwiseXor", "Xor"}};

static const char *
bitwise_operator(const char *onnx, toffee_dtype dtype)
{
    for (size_t i = 0; dtype == TOFFEE_DTYPE_BOOL && i < TOFFEE_COUNTOF(bool_twins); i++) {
        if (strcmp(bool_twins[i][0], onnx) == 0) {
            return bool_twins[i][1];
        }
    }
    return onnx;
}

/* aten::bitwise_and, __and__, …: on bools the logical operator. */
static toffee_code
lower_bitwise(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "other")};
    toffee_dtype dtype = toffee_promote(args, 2);
    const char *onnx = bitwise_operator(lo->rule->onnx, dtype);
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    if (!toffee_dtype_is_int(dtype) && dtype != TOFFEE_DTYPE_BOOL) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, args[0], dtype);
    if (lo->rule->arg == 1) {
        a = toffee_chain_unary(&chain, onnx, a);
        return toffee_chain_return(&chain, call, 0, a);
    }
    b = toffee_chain_operand(&chain, args[1], dtype);
    a = toffee_chain_binary(&chain, onnx, a, b);
    return toffee_chain_return(&chain, call, 0, a);
}

/* The unsigned type of the same width, which is what BitShift takes. */
static toffee_dtype
dtype_to_unsigned(toffee_dtype dtype)
{
    switch (dtype) {
    case TOFFEE_DTYPE_INT8: return TOFFEE_DTYPE_UINT8;
    case TOFFEE_DTYPE_INT16: return TOFFEE_DTYPE_UINT16;
    case TOFFEE_DTYPE_INT32: return TOFFEE_DTYPE_UINT32;
    case TOFFEE_DTYPE_INT64: return TOFFEE_DTYPE_UINT64;
    default: return dtype;
    }
}

/* X / 2**N towards minus infinity, which is what shifting a signed number right means. */
static toffee_value *
chain_shift_signed(toffee_chain *chain, toffee_value *x, int64_t n, toffee_dtype dtype)
{
    toffee_value *power = NULL;
    toffee_value *rest = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_const_scalar_int(chain->lo, dtype, INT64_C(1) << n, &power, chain->st);
    }
    rest = toffee_chain_binary(chain, "Mod", x, power);
    x = toffee_chain_binary(chain, "Sub", x, rest);
    return toffee_chain_binary(chain, "Div", x, power);
}

/* X (unsigned) shifted by N: by N_BITS and more all bits are gone, which BitShift leaves open. */
static toffee_value *
chain_shift_bits(toffee_chain *chain, toffee_value *x, toffee_value *n, int64_t n_bits, bool right)
{
    toffee_dtype dtype = x != NULL ? toffee_value_dtype(x) : TOFFEE_DTYPE_UNDEFINED;
    toffee_value *most = toffee_chain_number(chain, dtype, (double)(n_bits - 1));
    toffee_value *zero = toffee_chain_number(chain, dtype, 0);
    toffee_value *gone = toffee_chain_test(chain, "Greater", n, most);
    toffee_node *node = NULL;

    n = toffee_chain_binary(chain, "Min", n, most);
    x = toffee_chain_where(chain, gone, zero, x);
    if (chain->rc == TOFFEE_OK) {
        chain->rc =
            toffee_emit_like(chain->lo, "BitShift", TOFFEE_INPUTS(x, n), x, &node, &x, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_node_set_string(node, "direction", right ? "RIGHT" : "LEFT", chain->st);
    }
    return x;
}

/* aten::bitwise_left_shift, __lshift__ (rule->arg 0) and right (1)
 *   -> BitShift of the bits as an unsigned number
 * To the right a signed number keeps its sign: a negative one is shifted as ~x, and turned back. By
 * a tensor, where a shift may be too far for the type, or negative, which is as far. */
static toffee_code
lower_shift(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "other")};
    toffee_dtype dtype = toffee_promote(args, 2);
    toffee_dtype bits = dtype_to_unsigned(dtype);
    int64_t n_bits = 8 * (int64_t)toffee_dtype_get(dtype)->n_bytes;
    bool right = lo->rule->arg == 1;
    bool is_signed = bits != dtype;
    toffee_value *a = NULL;
    toffee_value *b = NULL;
    toffee_value *negative = NULL;
    toffee_value *ones = NULL;
    toffee_value *flipped = NULL;

    if (!toffee_dtype_is_int(dtype) || args[1] == NULL ||
        (args[1]->kind == TOFFEE_ARG_INT && (args[1]->i < 0 || args[1]->i >= n_bits - 1))) {
        return TOFFEE_DECLINED;
    }
    a = toffee_chain_operand(&chain, args[0], dtype);
    if (right && is_signed && args[1]->kind == TOFFEE_ARG_INT) {
        a = chain_shift_signed(&chain, a, args[1]->i, dtype);
        return toffee_chain_return(&chain, call, 0, a);
    }
    b = toffee_chain_operand(&chain, args[1], dtype);
    b = toffee_chain_cast(&chain, b, bits);
    if (right && is_signed) {
        ones = toffee_chain_number(&chain, dtype, 0);
        negative = toffee_chain_test(&chain, "Less", a, ones);
        ones = toffee_chain_number(&chain, dtype, -1);
        flipped = toffee_chain_binary(&chain, "Sub", ones, a);
        a = toffee_chain_where(&chain, negative, flipped, a);
    }
    a = toffee_chain_cast(&chain, a, bits);
    a = chain_shift_bits(&chain, a, b, n_bits, right);
    a = toffee_chain_cast(&chain, a, dtype);
    if (right && is_signed) {
        flipped = toffee_chain_binary(&chain, "Sub", ones, a);
        a = toffee_chain_where(&chain, negative, flipped, a);
    }
    return toffee_chain_return(&chain, call, 0, a);
}

/* aten::where(condition, self, other) -> Where. The form with a condition alone is nonzero.
 * prims::where (rule->arg 1) has other names for the same. */
static toffee_code
lower_where(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const char *const names[2][3] = {{"condition", "self", "other"}, {"pred", "a", "b"}};
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const char *const *name = names[lo->rule->arg];
    const toffee_arg *condition = toffee_call_arg(call, name[0]);
    const toffee_arg *args[2] = {toffee_call_arg(call, name[1]), toffee_call_arg(call, name[2])};
    toffee_dtype dtype = toffee_promote(args, 2);
    toffee_value *mask = NULL;
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    if (!toffee_dtype_is_real(dtype)) {
        return TOFFEE_DECLINED;
    }
    mask = toffee_chain_operand(&chain, condition, TOFFEE_DTYPE_BOOL);
    a = toffee_chain_operand(&chain, args[0], dtype);
    b = toffee_chain_operand(&chain, args[1], dtype);
    a = toffee_chain_where(&chain, mask, a, b);
    return toffee_chain_return(&chain, call, 0, a);
}

/* aten::masked_fill(self, mask, value) -> Where(mask, value, self), of self's dtype. */
static toffee_code
lower_masked_fill(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *mask = NULL;
    toffee_value *value = NULL;

    if (self == NULL || !toffee_dtype_is_real(toffee_value_dtype(self))) {
        return TOFFEE_DECLINED;
    }
    mask = toffee_chain_operand(&chain, toffee_call_arg(call, "mask"), TOFFEE_DTYPE_BOOL);
    value = toffee_chain_operand(&chain, toffee_call_arg(call, "value"), toffee_value_dtype(self));
    self = toffee_chain_where(&chain, mask, value, self);
    return toffee_chain_return(&chain, call, 0, self);
}

/* aten::isnan, isinf: no integer is either, so for those X != X. */
static toffee_code
lower_is(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");

    if (x == NULL || !toffee_dtype_is_real(toffee_value_dtype(x))) {
        return TOFFEE_DECLINED;
    }
    if (toffee_dtype_is_float(toffee_value_dtype(x))) {
        x = toffee_chain_test(&chain, lo->rule->onnx, x, NULL);
    }
    else {
        x = toffee_chain_test(&chain, "Equal", x, x);
        x = toffee_chain_unary(&chain, "Not", x);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::isfinite: neither IsInf nor IsNaN. */
static toffee_code
lower_isfinite(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    toffee_value *infinite = NULL;

    if (x == NULL || !toffee_dtype_is_real(toffee_value_dtype(x))) {
        return TOFFEE_DECLINED;
    }
    if (toffee_dtype_is_float(toffee_value_dtype(x))) {
        infinite = toffee_chain_test(&chain, "IsInf", x, NULL);
        x = toffee_chain_test(&chain, "IsNaN", x, NULL);
        x = toffee_chain_binary(&chain, "Or", infinite, x);
        x = toffee_chain_unary(&chain, "Not", x);
    }
    else {
        x = toffee_chain_test(&chain, "Equal", x, x);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::signbit: below zero, or a zero whose reciprocal is. */
static toffee_code
lower_signbit(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    toffee_value *zero = NULL;
    toffee_value *negative = NULL;

    if (x == NULL || !toffee_dtype_is_real(toffee_value_dtype(x))) {
        return TOFFEE_DECLINED;
    }
    zero = toffee_chain_number(&chain, toffee_value_dtype(x), 0);
    negative = toffee_chain_test(&chain, "Less", x, zero);
    if (toffee_dtype_is_float(toffee_value_dtype(x))) {
        x = toffee_chain_unary(&chain, "Reciprocal", x);
        x = toffee_chain_test(&chain, "Less", x, zero);
        negative = toffee_chain_binary(&chain, "Or", negative, x);
    }
    return toffee_chain_return(&chain, call, 0, negative);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::__and__", lower_bitwise, "BitwiseAnd", 0},
    {"aten::__iand__", lower_bitwise, "BitwiseAnd", 0},
    {"aten::__ilshift__", lower_shift, NULL, 0},
    {"aten::__ior__", lower_bitwise, "BitwiseOr", 0},
    {"aten::__irshift__", lower_shift, NULL, 1},
    {"aten::__ixor__", lower_bitwise, "BitwiseXor", 0},
    {"aten::__lshift__", lower_shift, NULL, 0},
    {"aten::__or__", lower_bitwise, "BitwiseOr", 0},
    {"aten::__rshift__", lower_shift, NULL, 1},
    {"aten::__xor__", lower_bitwise, "BitwiseXor", 0},
    {"aten::bitwise_and", lower_bitwise, "BitwiseAnd", 0},
    {"aten::bitwise_left_shift", lower_shift, NULL, 0},
    {"aten::bitwise_not", lower_bitwise, "BitwiseNot", 1},
    {"aten::bitwise_or", lower_bitwise, "BitwiseOr", 0},
    {"aten::bitwise_right_shift", lower_shift, NULL, 1},
    {"aten::bitwise_xor", lower_bitwise, "BitwiseXor", 0},
    {"aten::eq", lower_compare, "Equal", 0},
    {"aten::ge", lower_compare, "GreaterOrEqual", 0},
    {"aten::gt", lower_compare, "Greater", 0},
    {"aten::isfinite", lower_isfinite, NULL, 0},
    {"aten::isinf", lower_is, "IsInf", 0},
    {"aten::isnan", lower_is, "IsNaN", 0},
    {"aten::le", lower_compare, "LessOrEqual", 0},
    {"aten::logical_and", lower_logical, "And", 0},
    {"aten::logical_not", lower_logical, "Not", 1},
    {"aten::logical_or", lower_logical, "Or", 0},
    {"aten::logical_xor", lower_logical, "Xor", 0},
    {"aten::lt", lower_compare, "Less", 0},
    {"aten::masked_fill", lower_masked_fill, NULL, 0},
    {"aten::ne", lower_compare, "Equal", 1},
    {"aten::signbit", lower_signbit, NULL, 0},
    {"aten::where", lower_where, NULL, 0},
    {"prims::bitwise_and", lower_bitwise, "BitwiseAnd", 0},
    {"prims::bitwise_not", lower_bitwise, "BitwiseNot", 1},
    {"prims::bitwise_or", lower_bitwise, "BitwiseOr", 0},
    {"prims::bitwise_xor", lower_bitwise, "BitwiseXor", 0},
    {"prims::eq", lower_compare, "Equal", 0},
    {"prims::ge", lower_compare, "GreaterOrEqual", 0},
    {"prims::gt", lower_compare, "Greater", 0},
    {"prims::isfinite", lower_isfinite, NULL, 0},
    {"prims::le", lower_compare, "LessOrEqual", 0},
    {"prims::lt", lower_compare, "Less", 0},
    {"prims::ne", lower_compare, "Equal", 1},
    {"prims::signbit", lower_signbit, NULL, 0},
    {"prims::where", lower_where, NULL, 1},
};

const toffee_rule_family toffee_rules_logic = {rows, TOFFEE_COUNTOF(rows)};
