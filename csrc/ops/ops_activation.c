/* csrc/ops/ops_activation.c -- rows: activations, and what is normalised along an axis. */
#include "ops/ops_types.h"

/* X of any shape -> Y of the same shape; further members of the row follow. */
#define ACTIVATION(op, since, x, y, set, text)                                                     \
    OP(op, since, x " (any shape) -> " y " (the same): " text), INPUTS(ONE(x, "T")),               \
        OUTPUTS(ONE(y, "T")), TYPES(TYPE("T", set)), .infer = toffee_infer_same

const toffee_op_spec toffee_op_Celu = {
    ACTIVATION(Celu, 12, "X", "Y", D(FLOAT), "max(0, x) + min(0, alpha * (exp(x / alpha) - 1))"),
    ATTRS(ATTR(FLOAT, "alpha", "scale of the negative part; 1")),
};
const toffee_op_spec toffee_op_Elu = {
    ACTIVATION(Elu, 6, "X", "Y", D_IEEE, "x, or alpha * (exp(x) - 1) below 0"),
    ATTRS(ATTR(FLOAT, "alpha", "scale of the negative part; 1")),
};
const toffee_op_spec toffee_op_Gelu = {
    ACTIVATION(Gelu, 20, "X", "Y", D_FLOATS, "x times the normal distribution function at x"),
    ATTRS(CHOICE("approximate", "none|tanh", "tanh: by the tanh formula; none")),
};
const toffee_op_spec toffee_op_HardSigmoid = {
    ACTIVATION(HardSigmoid, 6, "X", "Y", D_IEEE, "alpha * x + beta, kept within 0 and 1"),
    ATTRS(ATTR(FLOAT, "alpha", "slope; 0.2"), ATTR(FLOAT, "beta", "value at 0; 0.5")),
};
const toffee_op_spec toffee_op_HardSwish = {
    ACTIVATION(HardSwish, 14, "X", "Y", D_IEEE, "x * max(0, min(1, x / 6 + 0.5))"),
};
const toffee_op_spec toffee_op_LeakyRelu = {
    ACTIVATION(LeakyRelu, 16, "X", "Y", D_FLOATS, "x, or alpha * x below 0"),
    ATTRS(ATTR(FLOAT, "alpha", "slope below 0; 0.01")),
};
const toffee_op_spec toffee_op_Mish = {
    ACTIVATION(Mish, 18, "X", "Y", D_IEEE, "x * tanh(log(1 + exp(x)))"),
};
const toffee_op_spec toffee_op_Relu = {
    ACTIVATION(Relu, 14, "X", "Y", D_FLOATS | D_SIGNED, "max(0, x)"),
};
const toffee_op_spec toffee_op_Selu = {
    ACTIVATION(Selu, 6, "X", "Y", D_IEEE, "gamma * (x, or alpha * (exp(x) - 1) below 0)"),
    ATTRS(ATTR(FLOAT, "alpha", "scale of the negative part; 1.67326319"),
          ATTR(FLOAT, "gamma", "scale of the whole; 1.05070102")),
};
const toffee_op_spec toffee_op_Shrink = {
    ACTIVATION(Shrink, 9, "input", "output", D_OLD_NUMBERS,
               "0 within -lambd and lambd; x + bias below, x - bias above"),
    ATTRS(ATTR(FLOAT, "bias", "how far x moves towards 0; 0"),
          ATTR(FLOAT, "lambd", "half the width of the zero range; 0.5")),
};
const toffee_op_spec toffee_op_Sigmoid = {
    ACTIVATION(Sigmoid, 13, "X", "Y", D_FLOATS, "1 / (1 + exp(-x))"),
};
const toffee_op_spec toffee_op_Softplus = {
    ACTIVATION(Softplus, 1, "X", "Y", D_IEEE, "log(1 + exp(x))"),
};
const toffee_op_spec toffee_op_Softsign = {
    ACTIVATION(Softsign, 1, "input", "output", D_IEEE, "x / (1 + |x|)"),
};
const toffee_op_spec toffee_op_Tanh = {
    ACTIVATION(Tanh, 13, "input", "output", D_FLOATS, "hyperbolic tangent"),
};
const toffee_op_spec toffee_op_ThresholdedRelu = {
    ACTIVATION(ThresholdedRelu, 10, "X", "Y", D_IEEE, "x above alpha, else 0"),
    ATTRS(ATTR(FLOAT, "alpha", "threshold; 1")),
};

const toffee_op_spec toffee_op_PRelu = {
    OP(PRelu, 16, "X (x..), slope (broadcasts to x) -> Y (x..): x, or slope * x below 0"),
    INPUTS(ONE("X", "T"), ONE("slope", "T")),
    OUTPUTS(ONE("Y", "T")),
    TYPES(TYPE("T", D_WIDE)),
    .check = toffee_rule_broadcast,
    .infer = toffee_infer_same,
};

/* The same along one axis. */
#define ALONG_AXIS(op, since, set, text)                                                           \
    const toffee_op_spec toffee_op_##op = {                                                        \
        ACTIVATION(op, since, "input", "output", set, text),                                       \
        ATTRS(ATTR(INT, "axis", "which axis; negative counts from the end; -1")),                  \
        .check = toffee_rule_axis,                                                                 \
    }

ALONG_AXIS(Hardmax, 13, D_FLOATS, "1 at the first largest element along axis, 0 elsewhere");
ALONG_AXIS(LogSoftmax, 13, D_FLOATS, "logarithm of the softmax along axis");
ALONG_AXIS(Softmax, 13, D_FLOATS, "exp(x) over the sum of exp(x) along axis");

const toffee_op_spec toffee_op_LpNormalization = {
    ACTIVATION(LpNormalization, 1, "input", "output", D_IEEE, "x over the p-norm along axis"),
    ATTRS(ATTR(INT, "axis", "which axis; negative counts from the end; -1"),
          ATTR(INT, "p", "order of the norm, 1 or 2; 2")),
    .check = toffee_rule_axis,
};
