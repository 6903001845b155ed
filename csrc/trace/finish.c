/* csrc/trace/finish.c -- from a recorded run to a graph: outputs, dead nodes, inputs, names, types.
 */
#include "trace/tracer.h"

#include "bridge/pyerr.h"
#include "ir/names.h"
#include "ir/prune.h"
#include "ops/check.h"
#include "ops/optable.h"

static toffee_code
add_output(PyToffee_Tracer *self, toffee_value *value, const char *text, toffee_status *st)
{
    toffee_graph *graph = self->graph;
    bool needs_own = value->producer == NULL; /* an input, a parameter, a constant, a hole */
    const toffee_str *name = NULL;

    for (size_t i = 0; i < graph->outputs.n; i++) {
        needs_own = needs_own || graph->outputs.data[i] == value;
    }
    if (needs_own) {
        toffee_value *own = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_emit(&self->lo, "Identity", TOFFEE_INPUTS(value),
                                           value->type.dtype, NULL, &own, st));
        own->type = value->type;
        value = own;
    }
    if (text != NULL) {
        name = toffee_graph_intern(graph, text);
        if (name == NULL) {
            return toffee_fail_nomem(st);
        }
        TOFFEE_RETURN_IF_ERROR(toffee_value_rename(value, name, st));
    }
    return toffee_graph_add_output(graph, value, st);
}

/* Reads the tensors of the list OUTPUTS into outputs of the graph called NAMES (str or None each).
 */
static int
add_outputs(PyToffee_Tracer *self, PyObject *outputs, PyObject *names)
{
    toffee_status st = TOFFEE_STATUS_INIT;

    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(outputs); i++) {
        PyObject *tensor = PyList_GET_ITEM(outputs, i); /* borrowed */
        PyObject *name = PyList_GET_ITEM(names, i);     /* borrowed */
        toffee_value *value = PyToffee_Bindings_Read(self->bindings, tensor, NULL);
        const char *text = name != Py_None ? PyUnicode_AsUTF8(name) : NULL;

        if (value == NULL || (name != Py_None && text == NULL)) {
            return -1;
        }
        if (add_output(self, value, text, &st) != TOFFEE_OK) {
            return PyToffee_Err_Fail(self->state, &st);
        }
    }
    return 0;
}

/* The operator behind a hole that a node of the pruned graph still uses, or NULL. */
static const char *
find_used_hole(const PyToffee_Tracer *self)
{
    for (size_t i = 0; i < self->graph->nodes.n; i++) {
        const toffee_node *node = self->graph->nodes.data[i];

        for (size_t k = 0; k < node->inputs.n; k++) {
            const char *op = node->inputs.data[k] != NULL
                                 ? toffee_ptrmap_get(&self->holes, node->inputs.data[k])
                                 : NULL;

            if (op != NULL) {
                return op;
            }
        }
    }
    return NULL;
}

/* Lists the parameters that are used, then the arguments, as inputs; parameters come first among
 * the initializers too. */
static toffee_code
add_inputs(PyToffee_Tracer *self, toffee_status *st)
{
    toffee_graph *graph = self->graph;
    toffee_ptrmap used = {0};
    TOFFEE_VEC(toffee_tensor *) constants = {0};

    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->inputs.n; k++) {
            toffee_value *value = node->inputs.data[k];

            if (value != NULL && value->producer == NULL &&
                !toffee_ptrmap_set(self->lo.scratch, &used, value, value)) {
                return toffee_fail_nomem(st);
            }
        }
    }
    for (size_t i = 0; i < graph->initializers.n; i++) {
        if (!TOFFEE_VEC_PUSH(self->lo.scratch, &constants, graph->initializers.data[i])) {
            return toffee_fail_nomem(st);
        }
    }
    graph->initializers.n = 0;
    for (size_t i = 0; i < self->parameters.n; i++) {
        toffee_value *value = self->parameters.data[i];

        if (toffee_ptrmap_get(&used, value) != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_graph_add_input(graph, value, st));
            TOFFEE_RETURN_IF_ERROR(toffee_graph_add_initializer(graph, value->tensor, st));
        }
    }
    for (size_t i = 0; i < constants.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_graph_add_initializer(graph, constants.data[i], st));
    }
    for (size_t i = 0; i < self->inputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_graph_add_input(graph, self->inputs.data[i], st));
    }
    return TOFFEE_OK;
}

/* Declares the type of every value between the nodes whose type is known. *ALL is whether that is
 * every one of them. */
static toffee_code
add_value_infos(toffee_graph *graph, bool *all, toffee_status *st)
{
    toffee_ptrmap outputs = {0};

    *all = true;
    for (size_t i = 0; i < graph->outputs.n; i++) {
        if (!toffee_ptrmap_set(graph->arena, &outputs, graph->outputs.data[i],
                               graph->outputs.data[i])) {
            return toffee_fail_nomem(st);
        }
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->outputs.n; k++) {
            toffee_value *value = node->outputs.data[k];

            if (value == NULL || toffee_ptrmap_get(&outputs, value) != NULL) {
                continue;
            }
            *all = *all && value->type.rank >= 0 && value->type.dtype != 0;
            if (value->type.rank >= 0 && value->type.dtype != 0) {
                TOFFEE_RETURN_IF_ERROR(toffee_graph_add_value_info(graph, value, st));
            }
        }
    }
    return TOFFEE_OK;
}

static toffee_code
set_header(toffee_graph *graph, toffee_status *st)
{
    graph->name = toffee_graph_intern(graph, "torch-jit-export");
    graph->producer_tag = toffee_graph_intern(graph, "pytorch");
    graph->ir_version = TOFFEE_IR_VERSION;
    if (graph->name == NULL || graph->producer_tag == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_graph_set_opset(graph, "", TOFFEE_OPSET, st));
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_str *domain = graph->nodes.data[i]->domain;

        if (domain != NULL && toffee_graph_opset(graph, domain->text) == 0) {
            TOFFEE_RETURN_IF_ERROR(toffee_graph_set_opset(graph, domain->text, 1, st));
        }
    }
    return TOFFEE_OK;
}

/* Lowerings leave some values between their nodes without a type; it follows from the others. A
 * graph that the checker refuses stays as it is: to judge it is not the exporter's part. */
static toffee_code
infer_the_rest(toffee_graph *graph, toffee_status *st)
{
    toffee_code rc = toffee_infer_graph(graph, st);

    return rc == TOFFEE_ERR_CHECK ? TOFFEE_OK : rc;
}

/* Turns the path of each node's module into a name that no other node has: "features.0/Conv", then
 * "features.0/Conv_1". Nodes outside of modules are "Conv", "Conv_1". Dead nodes are gone by now,
 * so the numbers have no gaps. */
static toffee_code
name_nodes(PyToffee_Tracer *self, toffee_status *st)
{
    toffee_graph *graph = self->graph;
    toffee_names names = {.graph = graph, .arena = self->lo.scratch};

    for (size_t i = 0; i < graph->nodes.n; i++) {
        toffee_node *node = graph->nodes.data[i];

        TOFFEE_RETURN_IF_ERROR(toffee_names_take_node(&names, toffee_str_text(node->name),
                                                      node->name != NULL ? node->name->length : 0,
                                                      node->op_type, &node->name, st));
    }
    return TOFFEE_OK;
}

static toffee_code
finish_graph(PyToffee_Tracer *self, toffee_status *st)
{
    toffee_graph *graph = self->graph;
    bool all_typed = false;

    TOFFEE_RETURN_IF_ERROR(add_inputs(self, st));
    TOFFEE_RETURN_IF_ERROR(toffee_number_values(graph, st));
    if (PyToffee_Locator_NamesNodes(self->locator)) {
        TOFFEE_RETURN_IF_ERROR(name_nodes(self, st));
    }
    TOFFEE_RETURN_IF_ERROR(add_value_infos(graph, &all_typed, st));
    TOFFEE_RETURN_IF_ERROR(set_header(graph, st));
    return all_typed ? TOFFEE_OK : infer_the_rest(graph, st);
}

int
PyToffee_Tracer_Finish(PyToffee_Tracer *self, PyObject *outputs, PyObject *names, const char **hole)
{
    toffee_status st = TOFFEE_STATUS_INIT;

    *hole = NULL;
    self->lo.origin = (toffee_origin){0}; /* what follows is no operator of the user's */
    if (add_outputs(self, outputs, names) < 0) {
        return -1;
    }
    if (toffee_prune(self->graph, toffee_op_min_outputs, &st) != TOFFEE_OK) {
        return PyToffee_Err_Fail(self->state, &st);
    }
    *hole = find_used_hole(self);
    if (*hole == NULL && finish_graph(self, &st) != TOFFEE_OK) {
        return PyToffee_Err_Fail(self->state, &st);
    }
    return 0;
}
