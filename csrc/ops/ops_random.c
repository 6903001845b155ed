/* csrc/ops/ops_random.c -- rows: random numbers. */
#include "ops/ops_types.h"

#define ATTR_DTYPE(fallback) ATTR(INT, "dtype", "of the output, a number of TensorProto; " fallback)
#define ATTR_SEED ATTR(FLOAT, "seed", "of the random numbers; one that the runtime picks")
#define ATTR_SHAPE REQUIRED(INTS, "shape", "of the output")
#define ATTR_MEAN ATTR(FLOAT, "mean", "of the distribution; 0")
#define ATTR_SCALE ATTR(FLOAT, "scale", "standard deviation; 1")
#define ATTR_HIGH ATTR(FLOAT, "high", "upper end; 1")
#define ATTR_LOW ATTR(FLOAT, "low", "lower end; 0")

const toffee_op_spec toffee_op_Bernoulli = {
    OP(Bernoulli, 15,
       "input (any shape) -> output (the same): 1 with the probability given, else 0"),
    INPUTS(ONE("input", "T1")),
    OUTPUTS(ONE("output", "T2")),
    ATTRS(ATTR_DTYPE("the input's"), ATTR_SEED),
    TYPES(TYPE("T1", D_IEEE), TYPE("T2", D_NUMBERS | D(BOOL))),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_random,
};

const toffee_op_spec toffee_op_Multinomial = {
    OP(Multinomial, 7, "input (N, C), log-probabilities -> output (N, sample_size): drawn classes"),
    INPUTS(ONE("input", "T1")),
    OUTPUTS(ONE("output", "T2")),
    ATTRS(ATTR_DTYPE("6, INT32"), ATTR(INT, "sample_size", "draws a row; 1"), ATTR_SEED),
    TYPES(TYPE("T1", D_IEEE), TYPE("T2", D_INDEX)),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_multinomial,
};

const toffee_op_spec toffee_op_RandomNormal = {
    OP(RandomNormal, 1, "-> output (shape): from a normal distribution"),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR_DTYPE("1, FLOAT"), ATTR_MEAN, ATTR_SCALE, ATTR_SEED, ATTR_SHAPE),
    TYPES(TYPE("T", D_IEEE)),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_random_shape,
};

const toffee_op_spec toffee_op_RandomNormalLike = {
    OP(RandomNormalLike, 1, "input (any shape) -> output (the same): from a normal distribution"),
    INPUTS(ONE("input", "T1")),
    OUTPUTS(ONE("output", "T2")),
    ATTRS(ATTR_DTYPE("the input's"), ATTR_MEAN, ATTR_SCALE, ATTR_SEED),
    TYPES(TYPE("T1", D_OLD_ANY), TYPE("T2", D_IEEE)),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_random,
};

const toffee_op_spec toffee_op_RandomUniform = {
    OP(RandomUniform, 1, "-> output (shape): evenly from low to high"),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR_DTYPE("1, FLOAT"), ATTR_HIGH, ATTR_LOW, ATTR_SEED, ATTR_SHAPE),
    TYPES(TYPE("T", D_IEEE)),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_random_shape,
};

const toffee_op_spec toffee_op_RandomUniformLike = {
    OP(RandomUniformLike, 1, "input (any shape) -> output (the same): evenly from low to high"),
    INPUTS(ONE("input", "T1")),
    OUTPUTS(ONE("output", "T2")),
    ATTRS(ATTR_DTYPE("the input's"), ATTR_HIGH, ATTR_LOW, ATTR_SEED),
    TYPES(TYPE("T1", D_OLD_ANY), TYPE("T2", D_IEEE)),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_random,
};
