/* csrc/ops/ops_index.c -- rows: picking elements out and putting them in. */
#include "ops/ops_types.h"

#define ATTR_INDEX_AXIS ATTR(INT, "axis", "which axis; negative counts from the end; 0")
#define ATTR_SCATTER_REDUCTION                                                                     \
    CHOICE("reduction", "none|add|mul|max|min",                                                    \
           "how an update meets what is there; none: it takes its place; none")

const toffee_op_spec toffee_op_Compress = {
    OP(Compress, 11, "input (d..), condition (c: BOOL) -> output (d.. with the true ones at axis)"),
    INPUTS(ONE("input", "T"), ONE("condition", "T1")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR(INT, "axis", "negative counts from the end; none: input is flattened")),
    TYPES(TYPE("T", D_OLD_ANY), TYPE("T1", D(BOOL))),
    .check = toffee_rule_axis,
    .infer = toffee_infer_compress,
};

const toffee_op_spec toffee_op_Gather = {
    OP(Gather, 13, "data (d..), indices (i..) -> output (d[:axis], i.., d[axis + 1:])"),
    INPUTS(ONE("data", "T"), ONE("indices", "Tind")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR_INDEX_AXIS),
    TYPES(TYPE("T", D_ANY), TYPE("Tind", D_INDEX)),
    .check = toffee_rule_axis,
    .infer = toffee_infer_gather,
};

const toffee_op_spec toffee_op_GatherElements = {
    OP(GatherElements, 13, "data (d..), indices (i.., of data's rank) -> output (i..)"),
    INPUTS(ONE("data", "T"), ONE("indices", "Tind")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR_INDEX_AXIS),
    TYPES(TYPE("T", D_ANY), TYPE("Tind", D_INDEX)),
    .check = toffee_rule_axis,
    .infer = toffee_infer_gather_elements,
};

const toffee_op_spec toffee_op_GatherND = {
    OP(GatherND, 13, "data (b.., d..), indices (b.., i.., k) -> output (b.., i.., d[k:])"),
    INPUTS(ONE("data", "T"), ONE("indices", "int64")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR(INT, "batch_dims", "how many leading axes both share; 0")),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .infer = toffee_infer_gather_nd,
};

const toffee_op_spec toffee_op_NonZero = {
    OP(NonZero, 13, "X (rank n) -> Y (n, m): the places of the m elements that are not 0"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "int64")),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .infer = toffee_infer_nonzero,
};

const toffee_op_spec toffee_op_ReverseSequence = {
    OP(ReverseSequence, 10,
       "input (S, N, ..) or (N, S, ..), sequence_lens (N) -> Y (the same): each sample's first "
       "steps backwards"),
    INPUTS(ONE("input", "T"), ONE("sequence_lens", "int64")),
    OUTPUTS(ONE("Y", "T")),
    ATTRS(ATTR(INT, "batch_axis", "axis of the samples, 0 or 1; 1"),
          ATTR(INT, "time_axis", "axis of the steps, 0 or 1; 0")),
    TYPES(TYPE("T", D_OLD_ANY), TYPE_INT64),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_ScatterElements = {
    OP(ScatterElements, 18, "data (d..), indices (i..), updates (i..) -> output (d..)"),
    INPUTS(ONE("data", "T"), ONE("indices", "Tind"), ONE("updates", "T")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR_INDEX_AXIS, ATTR_SCATTER_REDUCTION),
    TYPES(TYPE("T", D_ANY), TYPE("Tind", D_INDEX)),
    .check = toffee_rule_axis,
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_ScatterND = {
    OP(ScatterND, 18, "data (d..), indices (i.., k), updates (i.., d[k:]) -> output (d..)"),
    INPUTS(ONE("data", "T"), ONE("indices", "int64"), ONE("updates", "T")),
    OUTPUTS(ONE("output", "T")),
    ATTRS(ATTR_SCATTER_REDUCTION),
    TYPES(TYPE("T", D_ANY), TYPE_INT64),
    .infer = toffee_infer_same,
};

const toffee_op_spec toffee_op_Slice = {
    OP(Slice, 13,
       "data (d..), starts (k), ends (k), axes? (k), steps? (k) -> output (d.. with the number of "
       "steps at axes)"),
    INPUTS(ONE("data", "T"), ONE("starts", "Tind"), ONE("ends", "Tind"), MAYBE("axes", "Tind"),
           MAYBE("steps", "Tind")),
    OUTPUTS(ONE("output", "T")),
    TYPES(TYPE("T", D_ANY), TYPE("Tind", D_INDEX)),
    .infer = toffee_infer_slice,
};
