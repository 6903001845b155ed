/* csrc/ops/ops_control.c -- rows: operators that run graphs. Their ports take anything, sequences
 * and optionals included, unless a type is given. */
#include "ops/ops_types.h"

const toffee_op_spec toffee_op_Identity = {
    OP(Identity, 19, "input (anything) -> output (the same)"),
    INPUTS(ONE("input", NULL)),
    OUTPUTS(ONE("output", NULL)),
    .infer = toffee_infer_identity,
};

const toffee_op_spec toffee_op_If = {
    OP(If, 19, "cond (one element) -> what the branch that is run gives"),
    INPUTS(ONE("cond", "B")),
    OUTPUTS(MIXED("outputs", NULL, 1)),
    ATTRS(REQUIRED(GRAPH, "else_branch", "run if cond is false; no inputs, as many outputs as If"),
          REQUIRED(GRAPH, "then_branch", "run if cond is true; no inputs, as many outputs as If")),
    TYPES(TYPE("B", D(BOOL))),
    .check = toffee_rule_if,
    .infer = toffee_infer_if,
};

const toffee_op_spec toffee_op_Loop = {
    OP(Loop, 19,
       "M? (): most steps, cond? (), n carried values (anything) -> the n values after the last "
       "step, then k stacks (steps, ..) of what each step gave"),
    INPUTS(MAYBE("M", "I"), MAYBE("cond", "B"), MIXED("v_initial", NULL, 0)),
    OUTPUTS(MIXED("v_final_and_scan_outputs", NULL, 1)),
    ATTRS(REQUIRED(GRAPH, "body", "(step, cond, n values) -> (cond, n values, k scanned)")),
    TYPES(TYPE("I", D(INT64)), TYPE("B", D(BOOL))),
    .check = toffee_rule_loop,
    .infer = toffee_infer_loop,
};

const toffee_op_spec toffee_op_Scan = {
    OP(Scan, 19,
       "n states (anything), m tensors (steps, ..) -> the n states after the last step, then k "
       "stacks (steps, ..)"),
    INPUTS(MIXED("initial_state_and_scan_inputs", "V", 1)),
    OUTPUTS(MIXED("final_state_and_scan_outputs", "V", 1)),
    ATTRS(REQUIRED(GRAPH, "body", "(n states, m slices) -> (n states, k slices)"),
          REQUIRED(INT, "num_scan_inputs", "m"),
          ATTR(INTS, "scan_input_axes", "axis of the steps, of each of the m; 0"),
          ATTR(INTS, "scan_input_directions", "1: backwards, for each of the m; 0"),
          ATTR(INTS, "scan_output_axes", "axis of the steps, of each of the k; 0"),
          ATTR(INTS, "scan_output_directions", "1: put in front, for each of the k; 0")),
    TYPES(TYPE("V", D_ALL)),
    .check = toffee_rule_scan,
    .infer = toffee_infer_scan,
};
