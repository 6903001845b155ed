/* csrc/wire/upgrade.c -- the table of 2017's operators, and what a graph needs besides its nodes.
 */
#include "wire/upgrade.h"

#include <string.h>

#include "wire/upgrade_rules.h"

/* Sorted by op_type. Names are those of ToffeeIR and of the Caffe2 that it was written for; where
 * an operator has not changed since, its row has no function. */
/* clang-format off */
static const toffee_rewrite_rule upgrade_rules[] = {
    /* 2017                  opset 20                  function                             keeps, of its first input */
    {"Abs",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Add",                  NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"Affine",               NULL,                     toffee_upgrade_affine,               TOFFEE_KEEPS_RANK},
    {"And",                  NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"ArgMax",               NULL,                     NULL,                                TOFFEE_KEEPS_NOTHING},
    {"ArgMin",               NULL,                     NULL,                                TOFFEE_KEEPS_NOTHING},
    {"AveragePool",          NULL,                     toffee_upgrade_window,               TOFFEE_KEEPS_RANK},
    {"BatchNormalization",   NULL,                     toffee_upgrade_batch_norm,           TOFFEE_KEEPS_RANK},
    {"Caffe2ConvTranspose",  "ConvTranspose",          toffee_upgrade_window,               TOFFEE_KEEPS_RANK},
    {"Cast",                 NULL,                     toffee_upgrade_cast,                 TOFFEE_KEEPS_RANK},
    {"Ceil",                 NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Clip",                 NULL,                     toffee_upgrade_clip,                 TOFFEE_KEEPS_RANK},
    {"Concat",               NULL,                     toffee_upgrade_concat,               TOFFEE_KEEPS_RANK},
    {"Constant",             NULL,                     toffee_upgrade_constant,             TOFFEE_KEEPS_NOTHING},
    {"ConstantFill",         NULL,                     toffee_upgrade_constant_fill,        TOFFEE_KEEPS_NOTHING},
    {"Conv",                 NULL,                     toffee_upgrade_window,               TOFFEE_KEEPS_NOTHING},
    {"ConvTranspose",        NULL,                     toffee_upgrade_window,               TOFFEE_KEEPS_NOTHING},
    {"Copy",                 "Identity",               NULL,                                TOFFEE_KEEPS_RANK},
    {"DepthToSpace",         NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Div",                  NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"Dropout",              NULL,                     toffee_upgrade_dropout,              TOFFEE_KEEPS_RANK},
    {"Elu",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Equal",                NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"Exp",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"ExpandDims",           "Unsqueeze",              toffee_upgrade_unsqueeze,            TOFFEE_KEEPS_NOTHING},
    {"FC",                   "Gemm",                   toffee_upgrade_fc,                   TOFFEE_KEEPS_NOTHING},
    {"Flatten",              NULL,                     toffee_upgrade_flatten,              TOFFEE_KEEPS_NOTHING},
    {"Floor",                NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"GRU",                  NULL,                     toffee_upgrade_recurrent,            TOFFEE_KEEPS_NOTHING},
    {"Gather",               NULL,                     NULL,                                TOFFEE_KEEPS_NOTHING},
    {"Gemm",                 NULL,                     toffee_upgrade_gemm,                 TOFFEE_KEEPS_RANK},
    {"GivenTensorBoolFill",  NULL,                     toffee_upgrade_given_tensor_fill,    TOFFEE_KEEPS_NOTHING},
    {"GivenTensorDoubleFill", NULL,                    toffee_upgrade_given_tensor_fill,    TOFFEE_KEEPS_NOTHING},
    {"GivenTensorFill",      NULL,                     toffee_upgrade_given_tensor_fill,    TOFFEE_KEEPS_NOTHING},
    {"GivenTensorInt64Fill", NULL,                     toffee_upgrade_given_tensor_fill,    TOFFEE_KEEPS_NOTHING},
    {"GivenTensorIntFill",   NULL,                     toffee_upgrade_given_tensor_fill,    TOFFEE_KEEPS_NOTHING},
    {"GlobalAveragePool",    NULL,                     toffee_upgrade_global_pool,          TOFFEE_KEEPS_RANK},
    {"GlobalLpPool",         NULL,                     toffee_upgrade_global_pool,          TOFFEE_KEEPS_RANK},
    {"GlobalMaxPool",        NULL,                     toffee_upgrade_global_pool,          TOFFEE_KEEPS_RANK},
    {"Greater",              NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"HardSigmoid",          NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Hardmax",              NULL,                     toffee_upgrade_softmax,              TOFFEE_KEEPS_RANK},
    {"Identity",             NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"InstanceNorm",         "InstanceNormalization",  NULL,                                TOFFEE_KEEPS_RANK},
    {"InstanceNormalization", NULL,                    NULL,                                TOFFEE_KEEPS_RANK},
    {"LRN",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"LSTM",                 NULL,                     toffee_upgrade_recurrent,            TOFFEE_KEEPS_NOTHING},
    {"LeakyRelu",            NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Less",                 NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"Log",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"LogSoftmax",           NULL,                     toffee_upgrade_softmax,              TOFFEE_KEEPS_RANK},
    {"LpNormalization",      NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"LpPool",               NULL,                     toffee_upgrade_window,               TOFFEE_KEEPS_RANK},
    {"MatMul",               NULL,                     toffee_upgrade_matmul,               TOFFEE_KEEPS_NOTHING},
    {"Max",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"MaxPool",              NULL,                     toffee_upgrade_window,               TOFFEE_KEEPS_RANK},
    {"Mean",                 NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Min",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Mul",                  NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"Neg",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Negate",               "Neg",                    NULL,                                TOFFEE_KEEPS_RANK},
    {"Negative",             "Neg",                    NULL,                                TOFFEE_KEEPS_RANK},
    {"Not",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Or",                   NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"PRelu",                NULL,                     toffee_upgrade_prelu,                TOFFEE_KEEPS_RANK},
    {"Pad",                  NULL,                     toffee_upgrade_pad,                  TOFFEE_KEEPS_RANK},
    {"ParametricSoftplus",   NULL,                     toffee_upgrade_parametric_softplus,  TOFFEE_KEEPS_RANK},
    {"Pow",                  NULL,                     toffee_upgrade_pow,                  TOFFEE_KEEPS_RANK},
    {"RNN",                  NULL,                     toffee_upgrade_recurrent,            TOFFEE_KEEPS_NOTHING},
    {"RandomNormal",         NULL,                     toffee_upgrade_random,               TOFFEE_KEEPS_NOTHING},
    {"RandomNormalLike",     NULL,                     toffee_upgrade_random,               TOFFEE_KEEPS_RANK},
    {"RandomUniform",        NULL,                     toffee_upgrade_random,               TOFFEE_KEEPS_NOTHING},
    {"RandomUniformLike",    NULL,                     toffee_upgrade_random,               TOFFEE_KEEPS_RANK},
    {"Reciprocal",           NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"ReduceL1",             NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceL2",             NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceLogSum",         NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceLogSumExp",      NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceMax",            NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceMean",           NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceMin",            NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceProd",           NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceSum",            NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"ReduceSumSquare",      NULL,                     toffee_upgrade_reduce,               TOFFEE_KEEPS_NOTHING},
    {"Relu",                 NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Reshape",              NULL,                     toffee_upgrade_reshape,              TOFFEE_KEEPS_NOTHING},
    {"ResizeNearest",        "Resize",                 toffee_upgrade_upsample,             TOFFEE_KEEPS_RANK},
    {"Scale",                "Mul",                    toffee_upgrade_scale,                TOFFEE_KEEPS_RANK},
    {"ScaledTanh",           NULL,                     toffee_upgrade_scaled_tanh,          TOFFEE_KEEPS_RANK},
    {"Selu",                 NULL,                     toffee_upgrade_selu,                 TOFFEE_KEEPS_RANK},
    {"Shape",                NULL,                     NULL,                                TOFFEE_KEEPS_NOTHING},
    {"Sigmoid",              NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Size",                 NULL,                     NULL,                                TOFFEE_KEEPS_NOTHING},
    {"Slice",                NULL,                     toffee_upgrade_slice,                TOFFEE_KEEPS_RANK},
    {"Softmax",              NULL,                     toffee_upgrade_softmax,              TOFFEE_KEEPS_RANK},
    {"Softplus",             NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Softsign",             NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"SpaceToDepth",         NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"SpatialBN",            "BatchNormalization",     toffee_upgrade_batch_norm,           TOFFEE_KEEPS_RANK},
    {"Split",                NULL,                     toffee_upgrade_split,                TOFFEE_KEEPS_RANK},
    {"Sqrt",                 NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Squeeze",              NULL,                     toffee_upgrade_squeeze,              TOFFEE_KEEPS_NOTHING},
    {"Sub",                  NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
    {"Sum",                  NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Tanh",                 NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"ThresholdedRelu",      NULL,                     NULL,                                TOFFEE_KEEPS_RANK},
    {"Tile",                 NULL,                     toffee_upgrade_tile,                 TOFFEE_KEEPS_RANK},
    {"TopK",                 NULL,                     toffee_upgrade_topk,                 TOFFEE_KEEPS_RANK},
    {"Transpose",            NULL,                     toffee_upgrade_transpose,            TOFFEE_KEEPS_RANK},
    {"Unsqueeze",            NULL,                     toffee_upgrade_unsqueeze,            TOFFEE_KEEPS_NOTHING},
    {"Upsample",             "Resize",                 toffee_upgrade_upsample,             TOFFEE_KEEPS_RANK},
    {"Xor",                  NULL,                     toffee_upgrade_broadcast,            TOFFEE_KEEPS_RANK},
};
/* clang-format on */

/* Attributes of any 2017 node that said how Caffe2 should run it, not what it computes. */
static const char *const upgrade_ignored[] = {
    "consumed_inputs", "cudnn_exhaustive_search", "exhaustive_search",
    "shared_buffer",   "ws_nbytes_limit",
};

static toffee_code
upgrade_clean(toffee_rewrite *rw, toffee_node *node)
{
    const char *order = "NCHW";

    for (size_t i = 0; i < node->attrs.n; i++) {
        toffee_attr_type type = node->attrs.data[i].type;

        if (type == TOFFEE_ATTR_GRAPH || type == TOFFEE_ATTR_GRAPHS) {
            return toffee_rewrite_fail(rw, node,
                                       "attribute '%s' holds a graph, which no operator of 2017 "
                                       "took",
                                       node->attrs.data[i].name->text);
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_string(rw, node, "order", &order));
    if (strcmp(order, "NCHW") != 0) {
        return toffee_rewrite_fail(
            rw, node,
            "its order is %s; only NCHW can be upgraded: put Transpose nodes "
            "around it",
            order);
    }
    toffee_node_remove_attr(node, "order");
    toffee_rewrite_remove_attrs(node, upgrade_ignored, TOFFEE_COUNTOF(upgrade_ignored));
    return TOFFEE_OK;
}

/* Declares the inputs. Parameters are what their tensors are. Arguments had no declared type in
 * 2017: they were images and the like, so floats, unless they are used as indices. */
static toffee_code
upgrade_declare_inputs(toffee_rewrite *rw)
{
    toffee_graph *graph = rw->graph;
    toffee_ptrmap indices = {0};

    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        if (toffee_str_is(node->op_type, "Gather") && node->inputs.n > 1 &&
            node->inputs.data[1] != NULL &&
            !toffee_ptrmap_set(graph->arena, &indices, node->inputs.data[1],
                               node->inputs.data[1])) {
            return toffee_fail_nomem(rw->st);
        }
    }
    for (size_t i = 0; i < graph->inputs.n; i++) {
        toffee_value *value = graph->inputs.data[i];
        int64_t dims[TOFFEE_MAX_RANK];
        int32_t rank = toffee_rewrite_rank(rw, value);

        if (value->type.dtype != TOFFEE_DTYPE_UNDEFINED) {
            continue;
        }
        if (value->tensor != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(
                value, value->tensor->dtype, value->tensor->dims, value->tensor->rank, rw->st));
            continue;
        }
        rank = rank > TOFFEE_MAX_RANK ? -1 : rank;
        for (int32_t k = 0; k < rank; k++) {
            dims[k] = -1;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(
            value,
            toffee_ptrmap_get(&indices, value) != NULL ? TOFFEE_DTYPE_INT64 : TOFFEE_DTYPE_FLOAT,
            dims, rank, rw->st));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_upgrade(toffee_graph *graph, toffee_dialect dialect, toffee_status *st)
{
    toffee_rewrite rw = {.graph = graph, .dialect = dialect, .st = st};

    for (rw.index = 0; rw.index < graph->nodes.n; rw.index++) {
        TOFFEE_RETURN_IF_ERROR(upgrade_clean(&rw, graph->nodes.data[rw.index]));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_run(
        &rw, graph, upgrade_rules, TOFFEE_COUNTOF(upgrade_rules),
        "toffee knows no such operator of 2017; give the node a domain of its own to keep it as it "
        "is"));
    TOFFEE_RETURN_IF_ERROR(upgrade_declare_inputs(&rw));
    graph->ir_version = TOFFEE_IR_VERSION;
    TOFFEE_RETURN_IF_ERROR(toffee_graph_set_opset(graph, "", TOFFEE_OPSET, st));
    return toffee_graph_set_prop(graph, "upgraded_from", toffee_dialect_name(dialect), st);
}
