/* csrc/wire/downgrade.c -- the way back to September 2017, for graphs that 2017 could say. */
#include <string.h>

#include "ir/lint.h"
#include "ir/prune.h"
#include "wire/downgrade_rules.h"
#include "wire/upgrade.h"

/* The ir_version of September 2017. */
#define DOWNGRADE_IR_VERSION 1
/* The last data type that the enumeration of September 2017 had. */
#define DOWNGRADE_LAST_DTYPE TOFFEE_DTYPE_FLOAT16

/* Sorted by op_type. */
/* clang-format off */
static const toffee_rewrite_rule downgrade_rules[] = {
    /* opset 20               2017   function                          keeps, of its first input */
    {"Abs",                   NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Add",                   NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"And",                   NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"ArgMax",                NULL,  toffee_downgrade_arg_reduce,      TOFFEE_KEEPS_NOTHING},
    {"ArgMin",                NULL,  toffee_downgrade_arg_reduce,      TOFFEE_KEEPS_NOTHING},
    {"AveragePool",           NULL,  toffee_downgrade_window,          TOFFEE_KEEPS_RANK},
    {"BatchNormalization",    NULL,  toffee_downgrade_batch_norm,      TOFFEE_KEEPS_SHAPE},
    {"Cast",                  NULL,  toffee_downgrade_cast,            TOFFEE_KEEPS_SHAPE},
    {"Ceil",                  NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Clip",                  NULL,  toffee_downgrade_clip,            TOFFEE_KEEPS_SHAPE},
    {"Concat",                NULL,  toffee_downgrade_axis,            TOFFEE_KEEPS_RANK},
    {"Constant",              NULL,  toffee_downgrade_constant,        TOFFEE_KEEPS_NOTHING},
    {"Conv",                  NULL,  toffee_downgrade_window,          TOFFEE_KEEPS_RANK},
    {"ConvTranspose",         NULL,  toffee_downgrade_window,          TOFFEE_KEEPS_RANK},
    {"DepthToSpace",          NULL,  toffee_downgrade_depth_to_space,  TOFFEE_KEEPS_RANK},
    {"Div",                   NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"Dropout",               NULL,  toffee_downgrade_dropout,         TOFFEE_KEEPS_SHAPE},
    {"Elu",                   NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Equal",                 NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"Exp",                   NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Flatten",               NULL,  toffee_downgrade_axis,            TOFFEE_KEEPS_NOTHING},
    {"Floor",                 NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"GRU",                   NULL,  toffee_downgrade_recurrent,       TOFFEE_KEEPS_NOTHING},
    {"Gather",                NULL,  toffee_downgrade_axis,            TOFFEE_KEEPS_NOTHING},
    {"Gemm",                  NULL,  toffee_downgrade_gemm,            TOFFEE_KEEPS_RANK},
    {"GlobalAveragePool",     NULL,  NULL,                             TOFFEE_KEEPS_RANK},
    {"GlobalMaxPool",         NULL,  NULL,                             TOFFEE_KEEPS_RANK},
    {"Greater",               NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"HardSigmoid",           NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Identity",              NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"InstanceNormalization", NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"LRN",                   NULL,  toffee_downgrade_lrn,             TOFFEE_KEEPS_SHAPE},
    {"LSTM",                  NULL,  toffee_downgrade_recurrent,       TOFFEE_KEEPS_NOTHING},
    {"LeakyRelu",             NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Less",                  NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"Log",                   NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"LogSoftmax",            NULL,  toffee_downgrade_softmax,         TOFFEE_KEEPS_SHAPE},
    {"MatMul",                NULL,  NULL,                             TOFFEE_KEEPS_NOTHING},
    {"Max",                   NULL,  toffee_downgrade_variadic,        TOFFEE_KEEPS_SHAPE},
    {"MaxPool",               NULL,  toffee_downgrade_window,          TOFFEE_KEEPS_RANK},
    {"Mean",                  NULL,  toffee_downgrade_variadic,        TOFFEE_KEEPS_SHAPE},
    {"Min",                   NULL,  toffee_downgrade_variadic,        TOFFEE_KEEPS_SHAPE},
    {"Mul",                   NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"Neg",                   NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Not",                   NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Or",                    NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"PRelu",                 NULL,  toffee_downgrade_prelu,           TOFFEE_KEEPS_SHAPE},
    {"Pad",                   NULL,  toffee_downgrade_pad,             TOFFEE_KEEPS_RANK},
    {"Pow",                   NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"RNN",                   NULL,  toffee_downgrade_recurrent,       TOFFEE_KEEPS_NOTHING},
    {"Reciprocal",            NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"ReduceL1",              NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceL2",              NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceLogSum",          NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceLogSumExp",       NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceMax",             NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceMean",            NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceMin",             NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceProd",            NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceSum",             NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"ReduceSumSquare",       NULL,  toffee_downgrade_reduce,          TOFFEE_KEEPS_NOTHING},
    {"Relu",                  NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Reshape",               NULL,  toffee_downgrade_reshape,         TOFFEE_KEEPS_NOTHING},
    {"Selu",                  NULL,  toffee_downgrade_selu,            TOFFEE_KEEPS_SHAPE},
    {"Shape",                 NULL,  toffee_downgrade_shape,           TOFFEE_KEEPS_NOTHING},
    {"Sigmoid",               NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Slice",                 NULL,  toffee_downgrade_slice,           TOFFEE_KEEPS_RANK},
    {"Softmax",               NULL,  toffee_downgrade_softmax,         TOFFEE_KEEPS_SHAPE},
    {"Softplus",              NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Softsign",              NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"SpaceToDepth",          NULL,  NULL,                             TOFFEE_KEEPS_RANK},
    {"Split",                 NULL,  toffee_downgrade_split,           TOFFEE_KEEPS_RANK},
    {"Sqrt",                  NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"Squeeze",               NULL,  toffee_downgrade_squeeze,         TOFFEE_KEEPS_NOTHING},
    {"Sub",                   NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
    {"Sum",                   NULL,  toffee_downgrade_variadic,        TOFFEE_KEEPS_SHAPE},
    {"Tanh",                  NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"ThresholdedRelu",       NULL,  NULL,                             TOFFEE_KEEPS_SHAPE},
    {"TopK",                  NULL,  toffee_downgrade_topk,            TOFFEE_KEEPS_RANK},
    {"Transpose",             NULL,  NULL,                             TOFFEE_KEEPS_RANK},
    {"Unsqueeze",             NULL,  toffee_downgrade_unsqueeze,       TOFFEE_KEEPS_NOTHING},
    {"Xor",                   NULL,  toffee_downgrade_arithmetic,      TOFFEE_KEEPS_NOTHING},
};
/* clang-format on */

toffee_code
toffee_downgrade_axis_of(toffee_rewrite *rw, const toffee_node *node, const toffee_value *value,
                         int64_t *axis)
{
    int32_t rank = toffee_rewrite_rank(rw, value);

    if (*axis >= 0) {
        return TOFFEE_OK;
    }
    if (rank < 0 || *axis < -rank) {
        return toffee_rewrite_fail(rw, node,
                                   "its axis %lld counts from the end, which 2017 did not, and the "
                                   "rank of its input is not known; give an axis of 0 or more",
                                   (long long)*axis);
    }
    *axis += rank;
    return TOFFEE_OK;
}

/* Leaves input AT out. */
static void
downgrade_drop_input(toffee_node *node, size_t at)
{
    node->inputs.data[at] = NULL;
    while (node->inputs.n != 0 && node->inputs.data[node->inputs.n - 1] == NULL) {
        node->inputs.n--;
    }
}

static toffee_code
downgrade_fail_input(toffee_rewrite *rw, const toffee_node *node, size_t at, const char *what)
{
    return toffee_rewrite_fail(
        rw, node,
        "its input %zu (%s) is not a constant, and 2017 had only an attribute "
        "for it",
        at, what);
}

toffee_code
toffee_downgrade_take_ints(toffee_rewrite *rw, toffee_node *node, size_t at, const char *what,
                           const int64_t **ints, size_t *n)
{
    bool found = false;

    *ints = NULL;
    *n = 0;
    if (at >= node->inputs.n || node->inputs.data[at] == NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_read_ints(rw, node->inputs.data[at], &found, ints, n));
    if (!found) {
        return downgrade_fail_input(rw, node, at, what);
    }
    downgrade_drop_input(node, at);
    return TOFFEE_OK;
}

toffee_code
toffee_downgrade_take_scalar(toffee_rewrite *rw, toffee_node *node, size_t at, const char *what,
                             double *x, bool *found)
{
    *found = false;
    if (at >= node->inputs.n || node->inputs.data[at] == NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_read_scalar(rw, node->inputs.data[at], found, x));
    if (!*found) {
        return downgrade_fail_input(rw, node, at, what);
    }
    downgrade_drop_input(node, at);
    return TOFFEE_OK;
}

toffee_code
toffee_downgrade_expect(toffee_rewrite *rw, toffee_node *node, const char *name, int64_t value)
{
    int64_t is = value;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, name, &is));
    if (is != value) {
        return toffee_rewrite_fail(rw, node, "its attribute '%s' is %lld; 2017 had only %lld", name,
                                   (long long)is, (long long)value);
    }
    toffee_node_remove_attr(node, name);
    return TOFFEE_OK;
}

/* What can be told before any node is rewritten: opset, domains, data types. */
static toffee_code
downgrade_check(toffee_rewrite *rw)
{
    toffee_graph *graph = rw->graph;
    int64_t opset = toffee_graph_opset(graph, "");

    if (opset != 0 && opset != TOFFEE_OPSET) {
        return toffee_fail(
            rw->st, TOFFEE_ERR_UNSUPPORTED,
            "the graph is of opset %lld; only opset %d can be saved with ir_version=1",
            (long long)opset, TOFFEE_OPSET);
    }
    for (rw->index = 0; rw->index < graph->nodes.n; rw->index++) {
        const toffee_node *node = graph->nodes.data[rw->index];

        if (node->domain != NULL && node->domain->length != 0) {
            return toffee_rewrite_fail(rw, node,
                                       "operators of other domains did not exist in 2017");
        }
        for (size_t i = 0; i < node->attrs.n; i++) {
            const toffee_attr *attr = &node->attrs.data[i];

            if (attr->type == TOFFEE_ATTR_TENSOR && attr->t != NULL &&
                attr->t->dtype > DOWNGRADE_LAST_DTYPE) {
                return toffee_rewrite_fail(
                    rw, node,
                    "its attribute '%s' is a tensor of %s, which 2017 did not "
                    "have",
                    attr->name->text, toffee_dtype_get(attr->t->dtype)->name);
            }
        }
    }
    for (size_t i = 0; i < graph->initializers.n; i++) {
        const toffee_tensor *tensor = graph->initializers.data[i];

        if (tensor->dtype > DOWNGRADE_LAST_DTYPE) {
            return toffee_fail(rw->st, TOFFEE_ERR_UNSUPPORTED,
                               "initializer '%s' is of %s, which 2017 did not have; convert it to "
                               "FLOAT or another of the first ten types",
                               toffee_str_text(tensor->name),
                               toffee_dtype_get(tensor->dtype)->name);
        }
    }
    return TOFFEE_OK;
}

/* In 2017 every initializer was an input, parameters first: those that are not yet follow the
 * parameters that are. */
static toffee_code
downgrade_list_constants(toffee_rewrite *rw)
{
    toffee_graph *graph = rw->graph;
    TOFFEE_VEC(toffee_value *) inputs = {0};
    bool ok = true;

    for (size_t i = 0; i < graph->inputs.n && ok; i++) {
        if (graph->inputs.data[i]->tensor != NULL) {
            ok = TOFFEE_VEC_PUSH(graph->arena, &inputs, graph->inputs.data[i]);
        }
    }
    for (size_t i = 0; i < graph->initializers.n && ok; i++) {
        const toffee_tensor *tensor = graph->initializers.data[i];
        toffee_value *value = toffee_ptrmap_get(&graph->values, tensor->name);

        if (value == NULL || value->is_input) {
            continue;
        }
        value->is_input = true;
        TOFFEE_RETURN_IF_ERROR(
            toffee_value_set_type(value, tensor->dtype, tensor->dims, tensor->rank, rw->st));
        ok = TOFFEE_VEC_PUSH(graph->arena, &inputs, value);
    }
    for (size_t i = 0; i < graph->inputs.n && ok; i++) {
        if (graph->inputs.data[i]->tensor == NULL) {
            ok = TOFFEE_VEC_PUSH(graph->arena, &inputs, graph->inputs.data[i]);
        }
    }
    if (!ok) {
        return toffee_fail_nomem(rw->st);
    }
    graph->inputs.n = 0;
    for (size_t i = 0; i < inputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_graph_add_input(graph, inputs.data[i], rw->st));
    }
    return TOFFEE_OK;
}

static void
downgrade_header(toffee_graph *graph)
{
    size_t kept = 0;

    graph->ir_version = DOWNGRADE_IR_VERSION;
    graph->opsets.n = 0;
    for (size_t i = 0; i < graph->props.n; i++) {
        if (!toffee_str_is(graph->props.data[i].key, "upgraded_from")) {
            graph->props.data[kept++] = graph->props.data[i];
        }
    }
    graph->props.n = kept;
}

toffee_code
toffee_downgrade(toffee_graph *graph, toffee_status *st)
{
    toffee_rewrite rw = {.graph = graph, .dialect = TOFFEE_DIALECT_LATE, .st = st};

    TOFFEE_RETURN_IF_ERROR(downgrade_check(&rw));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_run(&rw, graph, downgrade_rules,
                                              TOFFEE_COUNTOF(downgrade_rules),
                                              "2017 had no such operator; save the graph with "
                                              "today's ir_version instead"));
    /* Shapes, axes and the like are attributes now: their tensors go. */
    TOFFEE_RETURN_IF_ERROR(toffee_prune(graph, NULL, st));
    TOFFEE_RETURN_IF_ERROR(downgrade_list_constants(&rw));
    downgrade_header(graph);
    return TOFFEE_OK;
}
