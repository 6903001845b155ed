/* csrc/ops/ops_tensor.c -- rows: dtypes, shapes, and tensors out of nothing. */
#include "ops/ops_types.h"

const toffee_op_spec toffee_op_Cast = {
    OP(Cast, 19, "input (any shape) -> output (the same): each element as another dtype"),
    INPUTS(ONE("input", "T1")),
    OUTPUTS(ONE("output", "T2")),
    ATTRS(ATTR(INT, "saturate", "to float8 only: 1: too large becomes the largest; 1"),
          REQUIRED(INT, "to", "dtype, a number of TensorProto")),
    TYPES(TYPE("T1", D_CAST), TYPE("T2", D_CAST)),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_cast,
};

const toffee_op_spec toffee_op_CastLike = {
    OP(CastLike, 19, "input (any shape), target_type (any) -> output (as input, in its dtype)"),
    INPUTS(ONE("input", "T1"), ONE("target_type", "T2")),
    OUTPUTS(ONE("output", "T2")),
    ATTRS(ATTR(INT, "saturate", "to float8 only: 1: too large becomes the largest; 1")),
    TYPES(TYPE("T1", D_CAST), TYPE("T2", D_CAST)),
    .infer = toffee_infer_cast_like,
};

const toffee_op_spec toffee_op_Constant = {
    OP(Constant, 19, "-> output: the one value that is given, of its shape, (n) or ()"),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR(SPARSE_TENSOR, "sparse_value", "a tensor that is mostly zero"),
          ATTR(TENSOR, "value", "any tensor"), ATTR(FLOAT, "value_float", "a FLOAT of shape ()"),
          ATTR(FLOATS, "value_floats", "a FLOAT of shape (n)"),
          ATTR(INT, "value_int", "an INT64 of shape ()"),
          ATTR(INTS, "value_ints", "an INT64 of shape (n)"),
          ATTR(STRING, "value_string", "a STRING of shape ()"),
          ATTR(STRINGS, "value_strings", "a STRING of shape (n)")),
    TYPES(TYPE("T", D_ALL)),
    .check = toffee_rule_constant,
    .infer = toffee_infer_constant,
};

const toffee_op_spec toffee_op_ConstantOfShape = {
    OP(ConstantOfShape, 20,
       "input (n): a shape -> output (of that shape): the same value all over"),
    INPUTS(ONE("input", "T1")),
    OUTPUTS(ONE("output", "T2")),
    ATTRS(ATTR(TENSOR, "value", "one element, which sets the dtype too; 0 as a FLOAT")),
    TYPES(TYPE("T1", D(INT64)), TYPE("T2", D_NUMBERS | D(BOOL) | D_FLOAT8)),
    .check = toffee_rule_constant_of_shape,
    .infer = toffee_infer_constant_of_shape,
};

const toffee_op_spec toffee_op_EyeLike = {
    OP(EyeLike, 9, "input (M, N) -> output (M, N): ones on a diagonal, zeros elsewhere"),
    INPUTS(ONE("input", "T1")),
    OUTPUTS(ONE("output", "T2")),
    ATTRS(ATTR(INT, "dtype", "of the output, a number of TensorProto; the input's"),
          ATTR(INT, "k", "which diagonal, upwards; 0")),
    TYPES(TYPE("T1", D_OLD_NUMBERS | D(BOOL)), TYPE("T2", D_OLD_NUMBERS | D(BOOL))),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_random,
};

const toffee_op_spec toffee_op_Range = {
    OP(Range, 11, "start, limit, delta (all ()) -> output (max(0, ceil((limit - start) / delta)))"),
    INPUTS(ONE("start", "T"), ONE("limit", "T"), ONE("delta", "T")),
    OUTPUTS(ONE("output", "T")),
    TYPES(TYPE("T", D(FLOAT) | D(DOUBLE) | D(INT16) | D_INDEX)),
    .infer = toffee_infer_range,
};

const toffee_op_spec toffee_op_OneHot = {
    OP(OneHot, 11,
       "indices (i..), depth () or (1), values (2: off, on) -> output (i.. with depth put in at "
       "axis)"),
    INPUTS(ONE("indices", "T1"), ONE("depth", "T2"), ONE("values", "T3")),
    OUTPUTS(ONE("output", "T3")),
    ATTRS(ATTR(INT, "axis", "where the new axis goes; negative counts from the end; -1")),
    TYPES(TYPE("T1", D_OLD_NUMBERS), TYPE("T2", D_OLD_NUMBERS), TYPE("T3", D_OLD_ANY)),
    .infer = toffee_infer_one_hot,
};

const toffee_op_spec toffee_op_Shape = {
    OP(Shape, 19, "data (d1..dn) -> shape (end - start): the sizes d[start:end]"),
    INPUTS(ONE("data", "T")),
    OUTPUTS(ONE("shape", "T1")),
    ATTRS(ATTR(INT, "end", "first axis left out; negative counts from the end; n"),
          ATTR(INT, "start", "first axis; negative counts from the end; 0")),
    TYPES(TYPE("T", D_ALL), TYPE("T1", D(INT64))),
    .infer = toffee_infer_shape,
};

const toffee_op_spec toffee_op_Size = {
    OP(Size, 19, "data (d1..dn) -> size (): the number of elements"),
    INPUTS(ONE("data", "T")),
    OUTPUTS(ONE("size", "T1")),
    TYPES(TYPE("T", D_ALL), TYPE("T1", D(INT64))),
    .infer = toffee_infer_size,
};

const toffee_op_spec toffee_op_Reshape = {
    OP(Reshape, 19, "data (d..), shape (m) -> reshaped (shape: 0 keeps d's, one -1 is worked out)"),
    INPUTS(ONE("data", "T"), ONE("shape", "int64")),
    OUTPUTS(ONE("reshaped", "T")),
    ATTRS(ATTR(INT, "allowzero", "1: 0 in shape means a size of 0; 0")),
    TYPES(TYPE("T", D_ALL), TYPE_INT64),
    .check = toffee_rule_reshape,
    .infer = toffee_infer_reshape,
};

const toffee_op_spec toffee_op_Flatten = {
    OP(Flatten, 13, "input (d1..dn) -> output (d1 * .. up to axis, the product of the rest)"),
    INPUTS(ONE("input", "T")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR(INT, "axis", "how many axes the first one takes; negative from the end; 1")),
    TYPES(TYPE("T", D_ANY)),
    .check = toffee_rule_flatten,
    .infer = toffee_infer_flatten,
};

const toffee_op_spec toffee_op_Expand = {
    OP(Expand, 13, "input (d..), shape (m) -> output (d and shape broadcast)"),
    INPUTS(ONE("input", "T"), ONE("shape", "int64")),
    OUTPUTS(ONE("output", "T")),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .check = toffee_rule_expand,
    .infer = toffee_infer_expand,
};

const toffee_op_spec toffee_op_Squeeze = {
    OP(Squeeze, 13, "data (d..), axes? (k) -> squeezed (d without axes, or without all 1s)"),
    INPUTS(ONE("data", "T"), MAYBE("axes", "int64")),
    OUTPUTS(ONE("squeezed", "T")),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .check = toffee_rule_squeeze,
    .infer = toffee_infer_squeeze,
};

const toffee_op_spec toffee_op_Unsqueeze = {
    OP(Unsqueeze, 13, "data (d..), axes (k) -> expanded (d with 1s, which are at axes afterwards)"),
    INPUTS(ONE("data", "T"), ONE("axes", "int64")),
    OUTPUTS(ONE("expanded", "T")),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .check = toffee_rule_squeeze,
    .infer = toffee_infer_unsqueeze,
};

const toffee_op_spec toffee_op_Transpose = {
    OP(Transpose, 13, "data (d0..dn) -> transposed (d[perm[0]]..d[perm[n]])"),
    INPUTS(ONE("data", "T")),
    OUTPUTS(ONE("transposed", "T")),
    ATTRS(ATTR(INTS, "perm", "each axis of data once; the axes backwards")),
    TYPES(TYPE("T", D_ANY)),
    .check = toffee_rule_transpose,
    .infer = toffee_infer_transpose,
};

const toffee_op_spec toffee_op_DepthToSpace = {
    OP(DepthToSpace, 13,
       "input (N, C, H, W), b = blocksize -> output (N, C / b / b, H * b, W * b)"),
    INPUTS(ONE("input", "T")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(REQUIRED(INT, "blocksize", "pixels that a block has on a side"),
          CHOICE("mode", "DCR|CRD", "whether the block's place is C's slow or fast part; DCR")),
    TYPES(TYPE("T", D_ANY)),
    .check = toffee_rule_space_depth,
    .infer = toffee_infer_depth_to_space,
};

const toffee_op_spec toffee_op_SpaceToDepth = {
    OP(SpaceToDepth, 13,
       "input (N, C, H, W), b = blocksize -> output (N, C * b * b, H / b, W / b)"),
    INPUTS(ONE("input", "T")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(REQUIRED(INT, "blocksize", "pixels that a block has on a side")),
    TYPES(TYPE("T", D_ANY)),
    .check = toffee_rule_space_depth,
    .infer = toffee_infer_space_to_depth,
};

const toffee_op_spec toffee_op_Concat = {
    OP(Concat, 13,
       "1 or more inputs (d.., alike but for axis) -> concat_result (d.., axis summed)"),
    INPUTS(MANY("inputs", "T", 1)),
    OUTPUTS(ONE("concat_result", "T")),
    ATTRS(REQUIRED(INT, "axis", "which axis; negative counts from the end")),
    TYPES(TYPE("T", D_ANY)),
    .check = toffee_rule_concat,
    .infer = toffee_infer_concat,
};

const toffee_op_spec toffee_op_Split = {
    OP(Split, 18,
       "input (d..), split? (m: sizes at axis) -> m outputs (d.. with the size at axis)"),
    INPUTS(ONE("input", "T"), MAYBE("split", "int64")),
    OUTPUTS(MANY("outputs", "T", 1)),
    ATTRS(ATTR(INT, "axis", "which axis; negative counts from the end; 0"),
          ATTR(INT, "num_outputs", "m, for equal parts (the last may be smaller); by split")),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .check = toffee_rule_split,
    .infer = toffee_infer_split,
};

const toffee_op_spec toffee_op_Tile = {
    OP(Tile, 13, "input (d1..dn), repeats (n) -> output (d1 * repeats[0]..)"),
    INPUTS(ONE("input", "T"), ONE("repeats", "T1")),
    OUTPUTS(ONE("output", "T")),
    TYPES(TYPE("T", D_ANY), TYPE("T1", D(INT64))),
    .infer = toffee_infer_tile,
};

const toffee_op_spec toffee_op_Pad = {
    OP(Pad, 19,
       "data (d1..dn), pads (2 n, or 2 k: begins, then ends), constant_value? (), axes? (k) -> "
       "output (d + begin + end); negative pads cut"),
    INPUTS(ONE("data", "T"), ONE("pads", "int64"), MAYBE("constant_value", "T"),
           MAYBE("axes", "Tind")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(CHOICE("mode", "constant|reflect|edge|wrap", "what the padding holds; constant")),
    TYPES(TYPE("T", D_ANY), TYPE("Tind", D_INDEX), TYPE_INT64),
    .infer = toffee_infer_pad,
};

const toffee_op_spec toffee_op_Trilu = {
    OP(Trilu, 14, "input (.., M, N), k? () -> output (the same): one triangle, zeros elsewhere"),
    INPUTS(ONE("input", "T"), MAYBE("k", "int64")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR(INT, "upper", "0: the lower triangle stays; 1: the upper; 1")),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .infer = toffee_infer_same,
};
