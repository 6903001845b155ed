/* csrc/ops/ops_reduce.c -- rows: many elements to one, along axes. */
#include "ops/ops_types.h"

/* Since opset 18 the axes are an input, so that they may be computed. */
#define REDUCE(op, since, set, text)                                                               \
    const toffee_op_spec toffee_op_##op = {                                                        \
        OP(op, since,                                                                              \
           "data (d..), axes? (k) -> reduced (d.. with 1 at, or without, axes): " text),           \
        INPUTS(ONE("data", "T"), MAYBE("axes", "int64")),                                          \
        OUTPUTS(ONE("reduced", "T")),                                                              \
        ATTRS(ATTR(INT, "keepdims", "1: the axes stay, with size 1; 1"),                           \
              ATTR(INT, "noop_with_empty_axes", "1: no axes mean none; 0: no axes mean all; 0")),  \
        TYPES(TYPE("T", set), TYPE_INT64),                                                         \
        .infer = toffee_infer_reduce,                                                              \
    }

REDUCE(ReduceL1, 18, D_WIDE, "sum of |x|");
REDUCE(ReduceL2, 18, D_WIDE, "square root of the sum of squares");
REDUCE(ReduceLogSum, 18, D_WIDE, "logarithm of the sum");
REDUCE(ReduceLogSumExp, 18, D_WIDE, "logarithm of the sum of exp(x)");
REDUCE(ReduceMax, 20, D_WIDE | D_BYTES | D(BOOL), "the largest");
REDUCE(ReduceMean, 18, D_WIDE, "the average");
REDUCE(ReduceMin, 20, D_WIDE | D_BYTES | D(BOOL), "the smallest");
REDUCE(ReduceProd, 18, D_WIDE, "the product");
REDUCE(ReduceSum, 13, D_WIDE, "the sum");
REDUCE(ReduceSumSquare, 18, D_WIDE, "sum of squares");

#define ARG_REDUCE(op, text)                                                                       \
    const toffee_op_spec toffee_op_##op = {                                                        \
        OP(op, 13, "data (d..) -> reduced (d.. with 1 at, or without, axis, INT64): " text),       \
        INPUTS(ONE("data", "T")),                                                                  \
        OUTPUTS(ONE("reduced", "int64")),                                                          \
        ATTRS(ATTR(INT, "axis", "which axis; negative counts from the end; 0"),                    \
              ATTR(INT, "keepdims", "1: the axis stays, with size 1; 1"),                          \
              ATTR(INT, "select_last_index", "1: the last of equals; 0: the first; 0")),           \
        TYPES(TYPE("T", D_NUMBERS), TYPE_INT64),                                                   \
        .check = toffee_rule_axis,                                                                 \
        .infer = toffee_infer_arg_reduce,                                                          \
    }

ARG_REDUCE(ArgMax, "index of the largest");
ARG_REDUCE(ArgMin, "index of the smallest");

const toffee_op_spec toffee_op_TopK = {
    OP(TopK, 11, "X (x..), K (1) -> Values, Indices (x.. with K at axis): the K most extreme"),
    INPUTS(ONE("X", "T"), ONE("K", "int64")),
    OUTPUTS(ONE("Values", "T"), ONE("Indices", "I")),
    ATTRS(ATTR(INT, "axis", "which axis; negative counts from the end; -1"),
          ATTR(INT, "largest", "0: the smallest ones; 1"),
          ATTR(INT, "sorted", "0: in any order; 1: most extreme first; 1")),
    TYPES(TYPE("T", D_OLD_NUMBERS), TYPE("I", D(INT64)), TYPE_INT64),
    .check = toffee_rule_axis,
    .infer = toffee_infer_top_k,
};

const toffee_op_spec toffee_op_Unique = {
    OP(Unique, 11,
       "X (x..) -> Y (u), or (x.. with u at axis), indices? (u), inverse_indices? (n), counts? "
       "(u)"),
    INPUTS(ONE("X", "T")),
    OUTPUTS(ONE("Y", "T"), MAYBE("indices", "int64"), MAYBE("inverse_indices", "int64"),
            MAYBE("counts", "int64")),
    ATTRS(ATTR(INT, "axis", "compare slices along it; none: X is flattened"),
          ATTR(INT, "sorted", "0: in order of first appearance; 1: ascending; 1")),
    TYPES(TYPE("T", D_OLD_ANY), TYPE_INT64),
    .check = toffee_rule_axis,
    .infer = toffee_infer_unique,
};
