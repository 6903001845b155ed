/* csrc/ops/ops_sequence.c -- rows: sequences and optionals. A ToffeeIR value declares tensors only,
 * so ports of these kinds have no type here. */
#include "ops/ops_types.h"

const toffee_op_spec toffee_op_ConcatFromSequence = {
    OP(ConcatFromSequence, 11,
       "input_sequence (of tensors) -> concat_result: they, joined at axis"),
    INPUTS(ONE("input_sequence", NULL)),
    OUTPUTS(ONE("concat_result", "T")),
    ATTRS(REQUIRED(INT, "axis", "which axis; negative counts from the end"),
          ATTR(INT, "new_axis", "1: axis is a new one; 0")),
    TYPES(TYPE("T", D_OLD_ANY)),
    .infer = toffee_infer_concat_from_sequence,
};

const toffee_op_spec toffee_op_SplitToSequence = {
    OP(SplitToSequence, 11,
       "input (d..), split? (): size of each part, or (m): their sizes -> output_sequence (of "
       "parts)"),
    INPUTS(ONE("input", "T"), MAYBE("split", "I")),
    OUTPUTS(ONE("output_sequence", NULL)),
    ATTRS(ATTR(INT, "axis", "which axis; negative counts from the end; 0"),
          ATTR(INT, "keepdims", "0: axis goes; only without split; 1")),
    TYPES(TYPE("T", D_OLD_ANY), TYPE("I", D_INDEX)),
    .check = toffee_rule_axis,
    .infer = toffee_infer_split_to_sequence,
};

const toffee_op_spec toffee_op_SequenceAt = {
    OP(SequenceAt, 11, "input_sequence, position () -> tensor: the one there"),
    INPUTS(ONE("input_sequence", NULL), ONE("position", "I")),
    OUTPUTS(ONE("tensor", "T")),
    TYPES(TYPE("T", D_OLD_ANY), TYPE("I", D_INDEX)),
    .infer = toffee_infer_sequence_at,
};

const toffee_op_spec toffee_op_SequenceConstruct = {
    OP(SequenceConstruct, 11, "1 or more inputs (any shapes) -> output_sequence: of them"),
    INPUTS(MANY("inputs", "T", 1)),
    OUTPUTS(ONE("output_sequence", NULL)),
    TYPES(TYPE("T", D_OLD_ANY)),
    .infer = toffee_infer_sequence_construct,
};

const toffee_op_spec toffee_op_SequenceEmpty = {
    OP(SequenceEmpty, 11, "-> output: a sequence without members"),
    OUTPUTS(ONE("output", NULL)),
    ATTRS(ATTR(INT, "dtype", "of its members, a number of TensorProto; 1, FLOAT")),
    .check = toffee_rule_dtype,
    .infer = toffee_infer_sequence_empty,
};

const toffee_op_spec toffee_op_SequenceErase = {
    OP(SequenceErase, 11,
       "input_sequence, position? () -> output_sequence: without that, or the last"),
    INPUTS(ONE("input_sequence", NULL), MAYBE("position", "I")),
    OUTPUTS(ONE("output_sequence", NULL)),
    TYPES(TYPE("I", D_INDEX)),
    .infer = toffee_infer_sequence_same,
};

const toffee_op_spec toffee_op_SequenceInsert = {
    OP(SequenceInsert, 11,
       "input_sequence, tensor, position? () -> output_sequence: with it there"),
    INPUTS(ONE("input_sequence", NULL), ONE("tensor", "T"), MAYBE("position", "I")),
    OUTPUTS(ONE("output_sequence", NULL)),
    TYPES(TYPE("T", D_OLD_ANY), TYPE("I", D_INDEX)),
    .infer = toffee_infer_sequence_insert,
};

const toffee_op_spec toffee_op_SequenceLength = {
    OP(SequenceLength, 11, "input_sequence -> length (): number of members"),
    INPUTS(ONE("input_sequence", NULL)),
    OUTPUTS(ONE("length", "I")),
    TYPES(TYPE("I", D(INT64))),
    .infer = toffee_infer_scalar,
};

const toffee_op_spec toffee_op_SequenceMap = {
    OP(SequenceMap, 17,
       "input_sequence, more sequences of its length, or tensors -> out_sequence for each output "
       "of "
       "body, run once a member"),
    INPUTS(ONE("input_sequence", NULL), MIXED("additional_inputs", NULL, 0)),
    OUTPUTS(MIXED("out_sequence", NULL, 1)),
    ATTRS(REQUIRED(GRAPH, "body", "(a member of each) -> (a member of each output)")),
    .infer = toffee_infer_sequence_map,
};

const toffee_op_spec toffee_op_Optional = {
    OP(Optional, 15, "input? (anything) -> output: an optional that holds it, or nothing"),
    INPUTS(MAYBE("input", NULL)),
    OUTPUTS(ONE("output", NULL)),
    ATTRS(ATTR(TYPE_PROTO, "type", "of what it could hold, if there is no input")),
    .infer = toffee_infer_optional,
};

const toffee_op_spec toffee_op_OptionalGetElement = {
    OP(OptionalGetElement, 18, "input (an optional) -> output: what it holds"),
    INPUTS(ONE("input", NULL)),
    OUTPUTS(ONE("output", NULL)),
    .infer = toffee_infer_optional_get_element,
};

const toffee_op_spec toffee_op_OptionalHasElement = {
    OP(OptionalHasElement, 18, "input? (an optional) -> output (): whether it holds something"),
    INPUTS(MAYBE("input", NULL)),
    OUTPUTS(ONE("output", "B")),
    TYPES(TYPE("B", D(BOOL))),
    .infer = toffee_infer_scalar,
};
