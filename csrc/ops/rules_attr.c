/* csrc/ops/rules_attr.c -- rules about attributes that are dtypes, values or graphs. */
#include "ops/rules.h"

#include <inttypes.h>
#include <string.h>

/* Holds DTYPE, which WHAT gives to the only output, against the row's set and the declared type. */
static toffee_code
output_has_dtype(const toffee_infer *ctx, const toffee_op_spec *spec, const char *what,
                 int64_t dtype, toffee_status *st)
{
    const char *variable = spec->outputs[0].type; /* NULL: a sequence, of any dtype */
    toffee_dtype declared =
        ctx->declared[0] != NULL ? ctx->declared[0]->dtype : TOFFEE_DTYPE_UNDEFINED;
    bool allowed = toffee_dtype_known(dtype);

    for (size_t i = 0; i < spec->n_typevars && allowed && variable != NULL; i++) {
        if (strcmp(spec->typevars[i].name, variable) == 0) {
            allowed = (spec->typevars[i].dtypes & TOFFEE_DTYPE_BIT(dtype)) != 0;
        }
    }
    if (!allowed) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "%s is %" PRId64 " (%s), which %s cannot give",
                           what, dtype, toffee_dtype_get((toffee_dtype)dtype)->name, spec->name);
    }
    if (variable != NULL && declared != TOFFEE_DTYPE_UNDEFINED && declared != dtype) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "%s is %s, but the output is declared %s", what,
                           toffee_dtype_get((toffee_dtype)dtype)->name,
                           toffee_dtype_get(declared)->name);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_dtype(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                  toffee_status *st)
{
    static const struct {
        const char *name;
        const char *what;
    } attrs[] = {
        {"dtype", "attribute 'dtype'"},
        {"output_datatype", "attribute 'output_datatype'"},
        {"to", "attribute 'to'"},
    };

    (void)ctx;
    for (size_t i = 0; i < TOFFEE_COUNTOF(attrs); i++) {
        const toffee_attr *attr = toffee_node_attr(node, attrs[i].name);

        if (attr != NULL) {
            TOFFEE_RETURN_IF_ERROR(output_has_dtype(ctx, spec, attrs[i].what, attr->i, st));
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_constant(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                     toffee_status *st)
{
    static const toffee_dtype dtypes[] = {
        [TOFFEE_ATTR_FLOAT] = TOFFEE_DTYPE_FLOAT,   [TOFFEE_ATTR_FLOATS] = TOFFEE_DTYPE_FLOAT,
        [TOFFEE_ATTR_INT] = TOFFEE_DTYPE_INT64,     [TOFFEE_ATTR_INTS] = TOFFEE_DTYPE_INT64,
        [TOFFEE_ATTR_STRING] = TOFFEE_DTYPE_STRING, [TOFFEE_ATTR_STRINGS] = TOFFEE_DTYPE_STRING,
    };
    const toffee_attr *attr = node->attrs.data;
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;

    (void)ctx;
    if (node->attrs.n != 1) { /* all its attributes are values */
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "has %zu attributes with a value (value, value_float, …) and must have "
                           "exactly one",
                           node->attrs.n);
    }
    if (attr->type == TOFFEE_ATTR_SPARSE_TENSOR) {
        dtype = attr->sparse[0]->values->dtype;
    }
    else {
        dtype = attr->type == TOFFEE_ATTR_TENSOR ? attr->t->dtype : dtypes[attr->type];
    }
    return output_has_dtype(ctx, spec, "the value", dtype, st);
}

toffee_code
toffee_rule_constant_of_shape(const toffee_infer *ctx, const toffee_op_spec *spec,
                              const toffee_node *node, toffee_status *st)
{
    const toffee_attr *value = toffee_node_attr(node, "value");

    (void)ctx;
    if (value != NULL && value->t->n_elements != 1) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'value' has %" PRIu64 " elements and must have one",
                           value->t->n_elements);
    }
    return output_has_dtype(ctx, spec, "the value",
                            value != NULL ? value->t->dtype : TOFFEE_DTYPE_FLOAT, st);
}

/* Holds the number of inputs and outputs of the graph in attribute NAME against the node's. */
static toffee_code
graph_has_arity(const toffee_node *node, const char *name, size_t n_inputs, size_t n_outputs,
                toffee_status *st)
{
    const toffee_graph *graph = toffee_node_attr(node, name)->g;
    size_t n_real = 0; /* inputs that are no initializers */

    for (size_t i = 0; i < graph->inputs.n; i++) {
        n_real += graph->inputs.data[i]->tensor == NULL;
    }
    if (n_real != n_inputs) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "the graph in attribute '%s' has %zu inputs; the node's own inputs and "
                           "attributes ask for %zu",
                           name, n_real, n_inputs);
    }
    if (graph->outputs.n != n_outputs) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "the graph in attribute '%s' has %zu outputs; the node's own outputs "
                           "ask for %zu",
                           name, graph->outputs.n, n_outputs);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_if(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
               toffee_status *st)
{
    (void)ctx;
    (void)spec;
    TOFFEE_RETURN_IF_ERROR(graph_has_arity(node, "else_branch", 0, node->outputs.n, st));
    return graph_has_arity(node, "then_branch", 0, node->outputs.n, st);
}

toffee_code
toffee_rule_loop(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                 toffee_status *st)
{
    (void)ctx;
    (void)spec;
    if (node->outputs.n + 2 < node->inputs.n) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "carries %zu values, but has only %zu outputs; each carried value is "
                           "an output too",
                           node->inputs.n - 2, node->outputs.n);
    }
    /* The body gets the step's number and the condition where the node has M and cond, and gives
     * the next condition before all else. */
    return graph_has_arity(node, "body", node->inputs.n, node->outputs.n + 1, st);
}

toffee_code
toffee_rule_scan(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                 toffee_status *st)
{
    static const char *const per_input[] = {"scan_input_axes", "scan_input_directions"};
    int64_t n_scanned = toffee_node_int(node, "num_scan_inputs", 0);

    (void)ctx;
    (void)spec;
    if (n_scanned < 1 || n_scanned > (int64_t)node->inputs.n) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'num_scan_inputs' is %" PRId64
                           "; of the %zu inputs at least 1 is scanned",
                           n_scanned, node->inputs.n);
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(per_input); i++) {
        const toffee_attr *attr = toffee_node_attr(node, per_input[i]);

        if (attr != NULL && attr->n != (size_t)n_scanned) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "attribute '%s' has %zu numbers for %" PRId64 " scanned inputs",
                               per_input[i], attr->n, n_scanned);
        }
    }
    return graph_has_arity(node, "body", node->inputs.n, node->outputs.n, st);
}
