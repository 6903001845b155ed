/* csrc/ops/ops_math.c -- rows: arithmetic, element by element, and products of matrices. */
#include "ops/ops_types.h"

/* x of any shape -> y of the same shape. */
#define UNARY(op, since, x, y, set, text)                                                          \
    const toffee_op_spec toffee_op_##op = {                                                        \
        OP(op, since, x " (any shape) -> " y " (the same): " text),                                \
        INPUTS(ONE(x, "T")),                                                                       \
        OUTPUTS(ONE(y, "T")),                                                                      \
        TYPES(TYPE("T", set)),                                                                     \
        .infer = toffee_infer_unary,                                                               \
    }

UNARY(Abs, 13, "X", "Y", D_NUMBERS, "|x|");
UNARY(Acos, 7, "input", "output", D_IEEE, "the angle whose cosine is x, in radians");
UNARY(Acosh, 9, "input", "output", D_IEEE, "inverse hyperbolic cosine");
UNARY(Asin, 7, "input", "output", D_IEEE, "the angle whose sine is x, in radians");
UNARY(Asinh, 9, "input", "output", D_IEEE, "inverse hyperbolic sine");
UNARY(Atan, 7, "input", "output", D_IEEE, "the angle whose tangent is x, in radians");
UNARY(Atanh, 9, "input", "output", D_IEEE, "inverse hyperbolic tangent");
UNARY(Ceil, 13, "X", "Y", D_FLOATS, "the least whole number not below x");
UNARY(Cos, 7, "input", "output", D_IEEE, "cosine of x radians");
UNARY(Cosh, 9, "input", "output", D_IEEE, "hyperbolic cosine");
UNARY(Erf, 13, "input", "output", D_FLOATS, "the Gauss error function");
UNARY(Exp, 13, "input", "output", D_FLOATS, "e to the power of x");
UNARY(Floor, 13, "X", "Y", D_FLOATS, "the greatest whole number not above x");
UNARY(Log, 13, "input", "output", D_FLOATS, "natural logarithm");
UNARY(Neg, 13, "X", "Y", D_FLOATS | D_SIGNED, "-x");
UNARY(Reciprocal, 13, "X", "Y", D_FLOATS, "1 / x");
UNARY(Round, 11, "X", "Y", D_IEEE, "the nearest whole number; halves go to the even one");
UNARY(Sign, 13, "input", "output", D_NUMBERS, "-1, 0 or 1");
UNARY(Sin, 7, "input", "output", D_IEEE, "sine of x radians");
UNARY(Sinh, 9, "input", "output", D_IEEE, "hyperbolic sine");
UNARY(Sqrt, 13, "X", "Y", D_FLOATS, "square root; NaN below 0");
UNARY(Tan, 7, "input", "output", D_IEEE, "tangent of x radians");

/* Two inputs whose shapes are broadcast together. */
#define BINARY(op, since, set, text)                                                               \
    OP(op, since, "A (a..), B (b..) -> C (a and b broadcast): " text),                             \
        INPUTS(ONE("A", "T"), ONE("B", "T")), OUTPUTS(ONE("C", "T")), TYPES(TYPE("T", set)),       \
        .check = toffee_rule_broadcast, .infer = toffee_infer_arith

const toffee_op_spec toffee_op_Add = {BINARY(Add, 14, D_NUMBERS, "a + b")};
const toffee_op_spec toffee_op_Div = {BINARY(Div, 14, D_NUMBERS, "a / b, cut off for integers")};
const toffee_op_spec toffee_op_Mul = {BINARY(Mul, 14, D_NUMBERS, "a * b")};
const toffee_op_spec toffee_op_Sub = {BINARY(Sub, 14, D_NUMBERS, "a - b")};

const toffee_op_spec toffee_op_Mod = {
    BINARY(Mod, 13, D_NUMBERS, "remainder of a / b, with the sign of b, or of a if fmod"),
    ATTRS(ATTR(INT, "fmod", "1: the remainder has the sign of a; must be 1 for floats; 0")),
};

const toffee_op_spec toffee_op_Pow = {
    OP(Pow, 15, "X (x..), Y (y..) -> Z (x and y broadcast): x to the power of y, in X's dtype"),
    INPUTS(ONE("X", "T"), ONE("Y", "T1")),
    OUTPUTS(ONE("Z", "T")),
    TYPES(TYPE("T", D_FLOATS | D_INDEX), TYPE("T1", D_NUMBERS)),
    .check = toffee_rule_broadcast,
    .infer = toffee_infer_broadcasted,
};

/* One input or more, broadcast together. */
#define JOINED(op, since, y, set, text)                                                            \
    const toffee_op_spec toffee_op_##op = {                                                        \
        OP(op, since, "1 or more inputs (any shapes) -> " y " (all broadcast): " text),            \
        INPUTS(MANY("data_0", "T", 1)),                                                            \
        OUTPUTS(ONE(y, "T")),                                                                      \
        TYPES(TYPE("T", set)),                                                                     \
        .check = toffee_rule_broadcast,                                                            \
        .infer = toffee_infer_arith,                                                               \
    }

JOINED(Max, 13, "max", D_NUMBERS, "the largest");
JOINED(Mean, 13, "mean", D_FLOATS, "the average");
JOINED(Min, 13, "min", D_NUMBERS, "the smallest");
JOINED(Sum, 13, "sum", D_FLOATS, "the sum");

const toffee_op_spec toffee_op_Clip = {
    OP(Clip, 13, "input (any shape), min? (), max? () -> output (the same): min(max(x, min), max)"),
    INPUTS(ONE("input", "T"), MAYBE("min", "T"), MAYBE("max", "T")),
    OUTPUTS(ONE("output", "T")),
    TYPES(TYPE("T", D_NUMBERS)),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_CumSum = {
    OP(CumSum, 14, "x (any shape), axis () or (1) -> y (the same): running sum along axis"),
    INPUTS(ONE("x", "T"), ONE("axis", "T2")),
    OUTPUTS(ONE("y", "T")),
    ATTRS(ATTR(INT, "exclusive", "1: the sum stops before the element itself; 0"),
          ATTR(INT, "reverse", "1: from the end of the axis; 0")),
    TYPES(TYPE("T", D_WIDE), TYPE("T2", D_INDEX)),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_Det = {
    OP(Det, 11, "X (.., M, M) -> Y (..): determinant of each square matrix"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T")),
    TYPES(TYPE("T", D_IEEE)),
    .infer = toffee_infer_det,
};

const toffee_op_spec toffee_op_Einsum = {
    OP(Einsum, 12, "1 or more inputs (shapes by the left side) -> Output (by the right side)"),
    INPUTS(MANY("Inputs", "T", 1)),
    OUTPUTS(ONE("Output", "T")),
    ATTRS(REQUIRED(STRING, "equation", "a letter an axis, such as \"bij,bjk->bik\"")),
    TYPES(TYPE("T", D_OLD_NUMBERS)),
    .infer = toffee_infer_einsum,
};

const toffee_op_spec toffee_op_Gemm = {
    OP(Gemm, 13, "A (M, K), B (K, N), C? (to (M, N)) -> Y (M, N): alpha * A B + beta * C"),
    INPUTS(ONE("A", "T"), ONE("B", "T"), MAYBE("C", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR(FLOAT, "alpha", "factor of the product; 1"), ATTR(FLOAT, "beta", "factor of C; 1"),
          ATTR(INT, "transA", "1: A is given as (K, M); 0"),
          ATTR(INT, "transB", "1: B is given as (N, K); 0")),
    TYPES(TYPE("T", D_WIDE)),
    .check = toffee_rule_gemm,
    .infer = toffee_infer_gemm,
};

const toffee_op_spec toffee_op_MatMul = {
    OP(MatMul, 13, "A (a.., M, K), B (b.., K, N) -> Y (a and b broadcast, M, N), as numpy.matmul"),
    INPUTS(ONE("A", "T"), ONE("B", "T")),
    OUTPUTS(ONE("Y", "T")),
    TYPES(TYPE("T", D_WIDE)),
    .check = toffee_rule_matmul,
    .infer = toffee_infer_matmul,
};
