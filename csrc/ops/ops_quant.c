/* csrc/ops/ops_quant.c -- rows: 8-bit numbers that stand for real ones: (q - zero_point) * scale.
 */
#include "ops/ops_types.h"

#define ATTR_QUANT_AXIS                                                                            \
    ATTR(INT, "axis", "axis along which scale and zero point run, if they are not (); 1")
#define ATTR_SATURATE                                                                              \
    ATTR(INT, "saturate", "for float8 only: 1: too large becomes the largest, 0: infinity; 1")

const toffee_op_spec toffee_op_DequantizeLinear = {
    OP(DequantizeLinear, 19,
       "x (x..), x_scale () or (x[axis]), x_zero_point? (as scale) -> y (x..): (x - zero point) * "
       "scale"),
    INPUTS(ONE("x", "T1"), ONE("x_scale", "T2"), MAYBE("x_zero_point", "T1")),
    OUTPUTS(ONE("y", "T2")),
    ATTRS(ATTR_QUANT_AXIS),
    TYPES(TYPE("T1", D_BYTES | D(INT32) | D_FLOAT8),
          TYPE("T2", D(FLOAT) | D(FLOAT16) | D(BFLOAT16))),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_DynamicQuantizeLinear = {
    OP(DynamicQuantizeLinear, 11,
       "x (any shape) -> y (the same), y_scale (), y_zero_point (): scale and zero point from x"),
    INPUTS(ONE("x", "T1")),
    OUTPUTS(ONE("y", "T2"), ONE("y_scale", "float"), ONE("y_zero_point", "T2")),
    TYPES(TYPE("T1", D(FLOAT)), TYPE("T2", D(UINT8)), TYPE_FLOAT),
    .infer = toffee_infer_dynamic_quantize,
};

const toffee_op_spec toffee_op_QuantizeLinear = {
    OP(QuantizeLinear, 19,
       "x (x..), y_scale () or (x[axis]), y_zero_point? (as scale) -> y (x..): x / scale + zero "
       "point, rounded"),
    INPUTS(ONE("x", "T1"), ONE("y_scale", "T1"), MAYBE("y_zero_point", "T2")),
    OUTPUTS(ONE("y", "T2")),
    ATTRS(ATTR_QUANT_AXIS, ATTR_SATURATE),
    TYPES(TYPE("T1", D(FLOAT) | D(FLOAT16) | D(BFLOAT16) | D(INT32)),
          TYPE("T2", D_BYTES | D_FLOAT8)),
    .infer = toffee_infer_quantize,
};

const toffee_op_spec toffee_op_MatMulInteger = {
    OP(MatMulInteger, 10,
       "A (a.., M, K), B (b.., K, N), a_zero_point? () or (M), b_zero_point? () or (N) -> Y (a and "
       "b broadcast, M, N, INT32)"),
    INPUTS(ONE("A", "T1"), ONE("B", "T2"), MAYBE("a_zero_point", "T1"),
           MAYBE("b_zero_point", "T2")),
    OUTPUTS(ONE("Y", "T3")),
    TYPES(TYPE("T1", D_BYTES), TYPE("T2", D_BYTES), TYPE("T3", D(INT32))),
    .check = toffee_rule_matmul,
    .infer = toffee_infer_matmul,
};

const toffee_op_spec toffee_op_QLinearConv = {
    OP(QLinearConv, 10,
       "x (N, C, d1..dn), w (M, C / group, k1..kn), B? (M), a scale and a zero point for each of "
       "x, "
       "w and y -> y (N, M, e1..en)"),
    INPUTS(ONE("x", "T1"), ONE("x_scale", "float"), ONE("x_zero_point", "T1"), ONE("w", "T2"),
           ONE("w_scale", "float"), ONE("w_zero_point", "T2"), ONE("y_scale", "float"),
           ONE("y_zero_point", "T3"), MAYBE("B", "T4")),
    OUTPUTS(ONE("y", "T3")),
    ATTRS(ATTR_AUTO_PAD, ATTR_DILATIONS, ATTR_GROUP, ATTR_KERNEL_SHAPE, ATTR_PADS, ATTR_STRIDES),
    TYPES(TYPE("T1", D_BYTES), TYPE("T2", D_BYTES), TYPE("T3", D_BYTES), TYPE("T4", D(INT32)),
          TYPE_FLOAT),
    .check = toffee_rule_conv,
    .infer = toffee_infer_qlinear_conv,
};

const toffee_op_spec toffee_op_QLinearMatMul = {
    OP(QLinearMatMul, 10,
       "a (a.., M, K), b (b.., K, N), a scale and a zero point for each of a, b and y -> y (a and "
       "b "
       "broadcast, M, N)"),
    INPUTS(ONE("a", "T1"), ONE("a_scale", "float"), ONE("a_zero_point", "T1"), ONE("b", "T2"),
           ONE("b_scale", "float"), ONE("b_zero_point", "T2"), ONE("y_scale", "float"),
           ONE("y_zero_point", "T3")),
    OUTPUTS(ONE("y", "T3")),
    TYPES(TYPE("T1", D_BYTES), TYPE("T2", D_BYTES), TYPE("T3", D_BYTES), TYPE_FLOAT),
    .infer = toffee_infer_qlinear_matmul,
};
