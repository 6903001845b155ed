/* csrc/ops/ops_nn.c -- rows: convolutions, pooling, normalization, recurrent layers, losses. */
#include "ops/ops_types.h"

const toffee_op_spec toffee_op_Conv = {
    OP(Conv, 11, "X (N, C, d1..dn), W (M, C / group, k1..kn), B? (M) -> Y (N, M, e1..en)"),
    INPUTS(ONE("X", "T"), ONE("W", "T"), MAYBE("B", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR_AUTO_PAD, ATTR_DILATIONS, ATTR_GROUP, ATTR_KERNEL_SHAPE, ATTR_PADS, ATTR_STRIDES),
    TYPES(TYPE("T", D_IEEE)),
    .check = toffee_rule_conv,
    .infer = toffee_infer_conv,
};

const toffee_op_spec toffee_op_ConvInteger = {
    OP(ConvInteger, 10,
       "x (N, C, d1..dn), w (M, C / group, k1..kn), x_zero_point? (), w_zero_point? () or (M) -> y "
       "(N, M, e1..en, INT32)"),
    INPUTS(ONE("x", "T1"), ONE("w", "T2"), MAYBE("x_zero_point", "T1"),
           MAYBE("w_zero_point", "T2")),
    OUTPUTS(ONE("y", "T3")),
    ATTRS(ATTR_AUTO_PAD, ATTR_DILATIONS, ATTR_GROUP, ATTR_KERNEL_SHAPE, ATTR_PADS, ATTR_STRIDES),
    TYPES(TYPE("T1", D_BYTES), TYPE("T2", D_BYTES), TYPE("T3", D(INT32))),
    .check = toffee_rule_conv,
    .infer = toffee_infer_conv,
};

const toffee_op_spec toffee_op_ConvTranspose = {
    OP(ConvTranspose, 11, "X (N, C, d1..dn), W (C, M / group, k1..kn), B? (M) -> Y (N, M, e1..en)"),
    INPUTS(ONE("X", "T"), ONE("W", "T"), MAYBE("B", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR_AUTO_PAD, ATTR_DILATIONS, ATTR_GROUP, ATTR_KERNEL_SHAPE,
          ATTR(INTS, "output_padding", "elements added to the end of each axis; 0"),
          ATTR(INTS, "output_shape", "e1..en, from which pads follow; none: from pads"), ATTR_PADS,
          ATTR_STRIDES),
    TYPES(TYPE("T", D_IEEE)),
    .check = toffee_rule_conv,
    .infer = toffee_infer_conv_transpose,
};

const toffee_op_spec toffee_op_DeformConv = {
    OP(DeformConv, 19,
       "X (N, C, H, W), W (M, C / group, kH, kW), offset (N, offset_group * kH * kW * 2, oH, oW), "
       "B? (M), mask? (N, offset_group * kH * kW, oH, oW) -> Y (N, M, oH, oW)"),
    INPUTS(ONE("X", "T"), ONE("W", "T"), ONE("offset", "T"), MAYBE("B", "T"), MAYBE("mask", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR_DILATIONS, ATTR_GROUP, ATTR_KERNEL_SHAPE,
          ATTR(INT, "offset_group", "number of groups of channels that share offsets; 1"),
          ATTR_PADS, ATTR_STRIDES),
    TYPES(TYPE("T", D_IEEE)),
    .check = toffee_rule_conv,
    .infer = toffee_infer_conv,
};

const toffee_op_spec toffee_op_AveragePool = {
    OP(AveragePool, 19, "X (N, C, d1..dn) -> Y (N, C, e1..en): the average of each window"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR_AUTO_PAD, ATTR_CEIL_MODE,
          ATTR(INT, "count_include_pad", "1: padding counts as zeros in the average; 0"),
          ATTR_DILATIONS, ATTR_WINDOW, ATTR_PADS, ATTR_STRIDES),
    TYPES(TYPE("T", D_IEEE)),
    .check = toffee_rule_pool,
    .infer = toffee_infer_pool,
};

const toffee_op_spec toffee_op_LpPool = {
    OP(LpPool, 18, "X (N, C, d1..dn) -> Y (N, C, e1..en): the p-norm of each window"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR_AUTO_PAD, ATTR_CEIL_MODE, ATTR_DILATIONS, ATTR_WINDOW,
          ATTR(INT, "p", "order of the norm; 2"), ATTR_PADS, ATTR_STRIDES),
    TYPES(TYPE("T", D_IEEE)),
    .check = toffee_rule_pool,
    .infer = toffee_infer_pool,
};

const toffee_op_spec toffee_op_MaxPool = {
    OP(MaxPool, 12,
       "X (N, C, d1..dn) -> Y (N, C, e1..en), Indices? (the same): the largest of each window, and "
       "where it lies in the flattened X"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T"), MAYBE("Indices", "I")),
    ATTRS(ATTR_AUTO_PAD, ATTR_CEIL_MODE, ATTR_DILATIONS, ATTR_WINDOW, ATTR_PADS,
          ATTR(INT, "storage_order", "of Indices: 0 row-major, 1 column-major; 0"), ATTR_STRIDES),
    TYPES(TYPE("T", D_IEEE | D_BYTES), TYPE("I", D(INT64))),
    .check = toffee_rule_pool,
    .infer = toffee_infer_pool,
};

const toffee_op_spec toffee_op_MaxUnpool = {
    OP(MaxUnpool, 11,
       "X (N, C, d1..dn), I (the same), output_shape? (n + 2) -> output (N, C, e1..en): X put back "
       "where a MaxPool found it, zeros elsewhere"),
    INPUTS(ONE("X", "T1"), ONE("I", "T2"), MAYBE("output_shape", "T2")),
    OUTPUTS(ONE("output", "T1")),
    ATTRS(ATTR_WINDOW, ATTR_PADS, ATTR_STRIDES),
    TYPES(TYPE("T1", D_IEEE), TYPE("T2", D(INT64))),
    .check = toffee_rule_pool,
    .infer = toffee_infer_max_unpool,
};

#define GLOBAL_POOL(op, since, text)                                                               \
    OP(op, since, "X (N, C, d1..dn) -> Y (N, C, 1..1): the " text " of each channel"),             \
        INPUTS(ONE("X", "T")), OUTPUTS(ONE("Y", "T")), TYPES(TYPE("T", D_IEEE)),                   \
        .infer = toffee_infer_global_pool

const toffee_op_spec toffee_op_GlobalAveragePool = {
    GLOBAL_POOL(GlobalAveragePool, 1, "average"),
};
const toffee_op_spec toffee_op_GlobalLpPool = {
    GLOBAL_POOL(GlobalLpPool, 2, "p-norm"),
    ATTRS(ATTR(INT, "p", "order of the norm; 2")),
};
const toffee_op_spec toffee_op_GlobalMaxPool = {
    GLOBAL_POOL(GlobalMaxPool, 1, "largest element"),
};

const toffee_op_spec toffee_op_BatchNormalization = {
    OP(BatchNormalization, 15,
       "X (N, C, d..), scale (C), B (C), input_mean (C), input_var (C) -> Y (as X), running_mean? "
       "(C), running_var? (C): the last two in training mode only"),
    INPUTS(ONE("X", "T"), ONE("scale", "T1"), ONE("B", "T1"), ONE("input_mean", "T2"),
           ONE("input_var", "T2")),
    OUTPUTS(ONE("Y", "T"), MAYBE("running_mean", "T2"), MAYBE("running_var", "T2")),
    ATTRS(ATTR(FLOAT, "epsilon", "added to the variance; 1e-05"),
          ATTR(FLOAT, "momentum", "how much of the old statistics stays; 0.9"),
          ATTR(INT, "training_mode", "1: by this batch's own statistics; 0")),
    TYPES(TYPE("T", D_FLOATS), TYPE("T1", D_FLOATS), TYPE("T2", D_FLOATS)),
    .all_outputs_if = "training_mode",
    .check = toffee_rule_batch_norm,
    .infer = toffee_infer_batch_norm,
};

const toffee_op_spec toffee_op_InstanceNormalization = {
    OP(InstanceNormalization, 6,
       "input (N, C, d..), scale (C), B (C) -> output (as input): each channel of each sample by "
       "its own mean and variance"),
    INPUTS(ONE("input", "T"), ONE("scale", "T"), ONE("B", "T")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR(FLOAT, "epsilon", "added to the variance; 1e-05")),
    TYPES(TYPE("T", D_IEEE)),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_LayerNormalization = {
    OP(LayerNormalization, 17,
       "X (x..), Scale and B? (to x[axis:]) -> Y (x..), Mean? and InvStdDev? (x.. with 1 from "
       "axis)"),
    INPUTS(ONE("X", "T"), ONE("Scale", "T"), MAYBE("B", "T")),
    OUTPUTS(ONE("Y", "T"), MAYBE("Mean", "U"), MAYBE("InvStdDev", "U")),
    ATTRS(ATTR(INT, "axis", "first normalised axis; negative counts from the end; -1"),
          ATTR(FLOAT, "epsilon", "added to the variance; 1e-05"),
          ATTR(INT, "stash_type", "dtype of the statistics, a number of TensorProto; 1, FLOAT")),
    TYPES(TYPE("T", D_FLOATS), TYPE("U", D(FLOAT) | D(BFLOAT16))),
    .check = toffee_rule_axis,
    .infer = toffee_infer_layer_norm,
};

const toffee_op_spec toffee_op_MeanVarianceNormalization = {
    OP(MeanVarianceNormalization, 13, "X (any shape) -> Y (the same): (x - mean) / deviation"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR(INTS, "axes", "over which mean and deviation are taken; [0, 2, 3]")),
    TYPES(TYPE("T", D_FLOATS)),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_LRN = {
    OP(LRN, 13, "X (N, C, d..) -> Y (the same): x over a power of the squares of channels nearby"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR(FLOAT, "alpha", "factor of the squares; 0.0001"),
          ATTR(FLOAT, "beta", "exponent; 0.75"), ATTR(FLOAT, "bias", "added to the squares; 1"),
          REQUIRED(INT, "size", "how many channels are nearby")),
    TYPES(TYPE("T", D_FLOATS)),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_Dropout = {
    OP(Dropout, 13, "data (any shape), ratio? (), training_mode? () -> output, mask? (the same)"),
    INPUTS(ONE("data", "T"), MAYBE("ratio", "T1"), MAYBE("training_mode", "T2")),
    OUTPUTS(ONE("output", "T"), MAYBE("mask", "T2")),
    ATTRS(ATTR(INT, "seed", "of the random numbers; none: one that the runtime picks")),
    TYPES(TYPE("T", D_FLOATS), TYPE("T1", D_IEEE), TYPE("T2", D(BOOL))),
    .infer = toffee_infer_same,
};

/* Attributes of the recurrent layers, whose shapes have S steps, N samples, I features, H hidden
 * units and D directions (2 if bidirectional). */
#define ATTR_ACTIVATIONS(fallback)                                                                 \
    ATTR(FLOATS, "activation_alpha", "alpha of each activation that has one; its own default"),    \
        ATTR(FLOATS, "activation_beta", "beta of each activation that has one; its own default"),  \
        ATTR(STRINGS, "activations", "names, for each gate and direction; " fallback)
#define ATTR_CLIP ATTR(FLOAT, "clip", "gates' inputs are kept within -clip and clip; no limit")
#define ATTR_DIRECTION                                                                             \
    CHOICE("direction", "forward|reverse|bidirectional", "in which order steps are read; forward")
#define ATTR_HIDDEN_SIZE ATTR(INT, "hidden_size", "H; from R")
#define ATTR_LAYOUT ATTR(INT, "layout", "1: N comes first in X, Y, initial_h and the like; 0")

const toffee_op_spec toffee_op_GRU = {
    OP(GRU, 14,
       "X (S, N, I), W (D, 3 H, I), R (D, 3 H, H), B? (D, 6 H), sequence_lens? (N), initial_h? "
       "(D, N, H) -> Y? (S, D, N, H), Y_h? (D, N, H)"),
    INPUTS(ONE("X", "T"), ONE("W", "T"), ONE("R", "T"), MAYBE("B", "T"),
           MAYBE("sequence_lens", "T1"), MAYBE("initial_h", "T")),
    OUTPUTS(MAYBE("Y", "T"), MAYBE("Y_h", "T")),
    ATTRS(ATTR_ACTIVATIONS("Sigmoid, Tanh"), ATTR_CLIP, ATTR_DIRECTION, ATTR_HIDDEN_SIZE,
          ATTR_LAYOUT,
          ATTR(INT, "linear_before_reset", "1: the reset gate comes after the product with R; 0")),
    TYPES(TYPE("T", D_IEEE), TYPE("T1", D(INT32))),
    .check = toffee_rule_recurrent,
    .infer = toffee_infer_recurrent,
};

const toffee_op_spec toffee_op_LSTM = {
    OP(LSTM, 14,
       "X (S, N, I), W (D, 4 H, I), R (D, 4 H, H), B? (D, 8 H), sequence_lens? (N), initial_h? and "
       "initial_c? (D, N, H), P? (D, 3 H) -> Y? (S, D, N, H), Y_h? and Y_c? (D, N, H)"),
    INPUTS(ONE("X", "T"), ONE("W", "T"), ONE("R", "T"), MAYBE("B", "T"),
           MAYBE("sequence_lens", "T1"), MAYBE("initial_h", "T"), MAYBE("initial_c", "T"),
           MAYBE("P", "T")),
    OUTPUTS(MAYBE("Y", "T"), MAYBE("Y_h", "T"), MAYBE("Y_c", "T")),
    ATTRS(ATTR_ACTIVATIONS("Sigmoid, Tanh, Tanh"), ATTR_CLIP, ATTR_DIRECTION, ATTR_HIDDEN_SIZE,
          ATTR(INT, "input_forget", "1: the input gate is 1 minus the forget gate; 0"),
          ATTR_LAYOUT),
    TYPES(TYPE("T", D_IEEE), TYPE("T1", D(INT32))),
    .check = toffee_rule_recurrent,
    .infer = toffee_infer_recurrent,
};

const toffee_op_spec toffee_op_RNN = {
    OP(RNN, 14,
       "X (S, N, I), W (D, H, I), R (D, H, H), B? (D, 2 H), sequence_lens? (N), initial_h? (D, N, "
       "H) -> Y? (S, D, N, H), Y_h? (D, N, H)"),
    INPUTS(ONE("X", "T"), ONE("W", "T"), ONE("R", "T"), MAYBE("B", "T"),
           MAYBE("sequence_lens", "T1"), MAYBE("initial_h", "T")),
    OUTPUTS(MAYBE("Y", "T"), MAYBE("Y_h", "T")),
    ATTRS(ATTR_ACTIVATIONS("Tanh"), ATTR_CLIP, ATTR_DIRECTION, ATTR_HIDDEN_SIZE, ATTR_LAYOUT),
    TYPES(TYPE("T", D_IEEE), TYPE("T1", D(INT32))),
    .check = toffee_rule_recurrent,
    .infer = toffee_infer_recurrent,
};

#define ATTR_IGNORE_INDEX ATTR(INT, "ignore_index", "class whose samples do not count; none")
#define ATTR_REDUCTION                                                                             \
    CHOICE("reduction", "none|sum|mean", "none: a loss each sample; mean is weighted; mean")

const toffee_op_spec toffee_op_NegativeLogLikelihoodLoss = {
    OP(NegativeLogLikelihoodLoss, 13,
       "input (N, C, d..), target (N, d..), weight? (C) -> loss (N, d..) or ()"),
    INPUTS(ONE("input", "T"), ONE("target", "Tind"), MAYBE("weight", "T")),
    OUTPUTS(ONE("loss", "T")),
    ATTRS(ATTR_IGNORE_INDEX, ATTR_REDUCTION),
    TYPES(TYPE("T", D_IEEE), TYPE("Tind", D_INDEX)),
    .infer = toffee_infer_loss,
};

const toffee_op_spec toffee_op_SoftmaxCrossEntropyLoss = {
    OP(SoftmaxCrossEntropyLoss, 13,
       "scores (N, C, d..), labels (N, d..), weights? (C) -> output (N, d..) or (), log_prob? (as "
       "scores)"),
    INPUTS(ONE("scores", "T"), ONE("labels", "Tind"), MAYBE("weights", "T")),
    OUTPUTS(ONE("output", "T"), MAYBE("log_prob", "T")),
    ATTRS(ATTR_IGNORE_INDEX, ATTR_REDUCTION),
    TYPES(TYPE("T", D_FLOATS), TYPE("Tind", D_INDEX)),
    .infer = toffee_infer_loss,
};
