/* csrc/ops/ops_logic.c -- rows: truth values, comparisons, bits, choice. */
#include "ops/ops_types.h"

/* Two inputs, broadcast together, to booleans. */
#define COMPARISON(op, since, set, text)                                                           \
    const toffee_op_spec toffee_op_##op = {                                                        \
        OP(op, since, "A (a..), B (b..) -> C (a and b broadcast, BOOL): " text),                   \
        INPUTS(ONE("A", "T"), ONE("B", "T")),                                                      \
        OUTPUTS(ONE("C", "T1")),                                                                   \
        TYPES(TYPE("T", set), TYPE("T1", D(BOOL))),                                                \
        .check = toffee_rule_broadcast,                                                            \
        .infer = toffee_infer_arith,                                                               \
    }

COMPARISON(And, 7, D(BOOL), "a and b");
COMPARISON(Equal, 19, D_NUMBERS | D(BOOL) | D(STRING), "a is equal to b");
COMPARISON(Greater, 13, D_NUMBERS, "a > b");
COMPARISON(GreaterOrEqual, 16, D_NUMBERS, "a >= b");
COMPARISON(Less, 13, D_NUMBERS, "a < b");
COMPARISON(LessOrEqual, 16, D_NUMBERS, "a <= b");
COMPARISON(Or, 7, D(BOOL), "a or b");
COMPARISON(Xor, 7, D(BOOL), "either a or b");

const toffee_op_spec toffee_op_Not = {
    OP(Not, 1, "X (any shape) -> Y (the same): not x"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T")),
    TYPES(TYPE("T", D(BOOL))),
    .infer = toffee_infer_unary,
};

/* Two inputs of whole numbers, broadcast together, bit by bit. */
#define BITWISE(op, text)                                                                          \
    const toffee_op_spec toffee_op_##op = {                                                        \
        OP(op, 18, "A (a..), B (b..) -> C (a and b broadcast): " text),                            \
        INPUTS(ONE("A", "T"), ONE("B", "T")),                                                      \
        OUTPUTS(ONE("C", "T")),                                                                    \
        TYPES(TYPE("T", D_INTS)),                                                                  \
        .check = toffee_rule_broadcast,                                                            \
        .infer = toffee_infer_broadcasted,                                                         \
    }

BITWISE(BitwiseAnd, "bits that both have");
BITWISE(BitwiseOr, "bits that either has");
BITWISE(BitwiseXor, "bits that one has and the other has not");

const toffee_op_spec toffee_op_BitwiseNot = {
    OP(BitwiseNot, 18, "X (any shape) -> Y (the same): every bit turned over"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T")),
    TYPES(TYPE("T", D_INTS)),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_BitShift = {
    OP(BitShift, 11, "X (x..), Y (y..) -> Z (x and y broadcast): x shifted by y bits"),
    INPUTS(ONE("X", "T"), ONE("Y", "T")),
    OUTPUTS(ONE("Z", "T")),
    ATTRS(
        {"direction", TOFFEE_ATTR_STRING, true, "towards the high bits or the low", "LEFT|RIGHT"}),
    TYPES(TYPE("T", D_UNSIGNED)),
    .check = toffee_rule_broadcast,
    .infer = toffee_infer_broadcasted,
};

const toffee_op_spec toffee_op_IsInf = {
    OP(IsInf, 20, "X (any shape) -> Y (the same, BOOL): whether x is infinite"),
    INPUTS(ONE("X", "T1")),
    OUTPUTS(ONE("Y", "T2")),
    ATTRS(ATTR(INT, "detect_negative", "0: minus infinity does not count; 1"),
          ATTR(INT, "detect_positive", "0: plus infinity does not count; 1")),
    TYPES(TYPE("T1", D_FLOATS | D_FLOAT8), TYPE("T2", D(BOOL))),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_IsNaN = {
    OP(IsNaN, 20, "X (any shape) -> Y (the same, BOOL): whether x is not a number"),
    INPUTS(ONE("X", "T1")),
    OUTPUTS(ONE("Y", "T2")),
    TYPES(TYPE("T1", D_FLOATS | D_FLOAT8), TYPE("T2", D(BOOL))),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_Where = {
    OP(Where, 16, "condition (c..), X (x..), Y (y..) -> output (all broadcast): x where c, else y"),
    INPUTS(ONE("condition", "B"), ONE("X", "T"), ONE("Y", "T")),
    OUTPUTS(ONE("output", "T")),
    TYPES(TYPE("B", D(BOOL)), TYPE("T", D_ANY)),
    .check = toffee_rule_broadcast,
    .infer = toffee_infer_where,
};
