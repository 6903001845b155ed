/* csrc/py/kinds_graph.c -- the lists of graphs and the edges of nodes. */
#include "py/repeated.h"

#include <string.h>

#include "bridge/pyerr.h"

/* Tensor bytes up to this many are copied with a part that moves to another graph; above it they
 * stay where they are, and the graph they came from lives on. */
#define TAKE_COPY_BYTES 4096

static toffee_graph *
holder_graph(const PyToffee_Repeated *self)
{
    return ((PyToffee_Graph *)self->holder)->graph;
}

static toffee_node *
holder_node(const PyToffee_Repeated *self)
{
    return ((PyToffee_Node *)self->holder)->node;
}

/* --- taking parts into a graph ---------------------------------------------------------------- */

static uint64_t graph_payload(const toffee_graph *graph);

static uint64_t
node_payload(const toffee_node *node)
{
    uint64_t n_bytes = 0;

    for (size_t i = 0; i < node->attrs.n; i++) {
        const toffee_attr *attr = &node->attrs.data[i];

        n_bytes += attr->type == TOFFEE_ATTR_TENSOR && attr->t != NULL ? attr->t->n_bytes : 0;
        n_bytes += attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL ? graph_payload(attr->g) : 0;
        for (size_t k = 0; k < attr->n; k++) {
            n_bytes += attr->type == TOFFEE_ATTR_TENSORS ? attr->tensors[k]->n_bytes : 0;
            n_bytes += attr->type == TOFFEE_ATTR_GRAPHS ? graph_payload(attr->graphs[k]) : 0;
        }
    }
    return n_bytes;
}

static uint64_t
graph_payload(const toffee_graph *graph)
{
    uint64_t n_bytes = 0;

    for (size_t i = 0; i < graph->initializers.n; i++) {
        n_bytes += graph->initializers.data[i]->n_bytes;
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        n_bytes += node_payload(graph->nodes.data[i]);
    }
    return n_bytes;
}

/* Decides whether N_BYTES of OBJECT's tensors are copied; if not, keeps their owner. 0, or -1. */
static int
take_bytes(PyToffee_Graph *root, PyObject *object, uint64_t n_bytes, bool *copy)
{
    *copy = n_bytes <= TAKE_COPY_BYTES && PyToffee_RootOf(object) != root;
    return *copy ? 0 : PyToffee_Graph_Keep(root, (PyObject *)PyToffee_RootOf(object));
}

static int
take_check(PyObject *object, PyTypeObject *type, const char *what)
{
    if (Py_TYPE(object) != type) {
        PyErr_Format(PyExc_TypeError, "expected a %s, not %s", what, Py_TYPE(object)->tp_name);
        return -1;
    }
    return 0;
}

toffee_node *
PyToffee_TakeNode(PyToffee_Graph *root, toffee_graph *graph, PyObject *object)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)root);
    toffee_status st = TOFFEE_STATUS_INIT;
    const toffee_node *node = NULL;
    toffee_node *taken = NULL;
    bool copy = false;

    if (take_check(object, state->NodeType, "toffee.Node") < 0) {
        return NULL;
    }
    node = ((PyToffee_Node *)object)->node;
    if (PyToffee_CheckDepth(graph, PyToffee_Node_Depth(node)) < 0 ||
        take_bytes(root, object, node_payload(node), &copy) < 0) {
        return NULL;
    }
    if (toffee_node_copy(node, graph, copy, &taken, &st) != TOFFEE_OK) {
        return (toffee_node *)PyToffee_Err_Set(state, &st);
    }
    return taken;
}

toffee_tensor *
PyToffee_TakeTensor(PyToffee_Graph *root, toffee_graph *graph, PyObject *object)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)root);
    toffee_status st = TOFFEE_STATUS_INIT;
    const toffee_tensor *tensor = NULL;
    toffee_tensor *taken = NULL;
    bool copy = false;

    if (take_check(object, state->TensorType, "toffee.Tensor") < 0) {
        return NULL;
    }
    tensor = ((PyToffee_Tensor *)object)->tensor;
    if (take_bytes(root, object, tensor->n_bytes, &copy) < 0) {
        return NULL;
    }
    if (toffee_tensor_copy(tensor, graph, copy, &taken, &st) != TOFFEE_OK) {
        return (toffee_tensor *)PyToffee_Err_Set(state, &st);
    }
    return taken;
}

toffee_graph *
PyToffee_TakeGraph(PyToffee_Graph *root, toffee_graph *graph, PyObject *object)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)root);
    toffee_status st = TOFFEE_STATUS_INIT;
    const toffee_graph *from = NULL;
    toffee_graph *taken = NULL;
    bool copy = false;

    if (take_check(object, state->GraphType, "toffee.Graph") < 0) {
        return NULL;
    }
    from = ((PyToffee_Graph *)object)->graph;
    if (PyToffee_CheckDepth(graph, PyToffee_GraphDepth(from) + 1) < 0 ||
        take_bytes(root, object, graph_payload(from), &copy) < 0) {
        return NULL;
    }
    if (toffee_graph_new_inside(graph, &taken, &st) != TOFFEE_OK ||
        toffee_graph_copy_into(from, taken, copy, &st) != TOFFEE_OK) {
        return (toffee_graph *)PyToffee_Err_Set(state, &st);
    }
    return taken;
}

int
PyToffee_TakeAttr(PyToffee_Graph *root, toffee_graph *graph, PyObject *object, toffee_attr *out)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)root);
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_attr *attr = NULL;
    toffee_node around = {0}; /* a node with only this attribute, to measure it */
    bool copy = false;

    if (take_check(object, state->AttributeType, "toffee.Attribute") < 0) {
        return -1;
    }
    attr = PyToffee_Attr_Get((PyToffee_Attr *)object);
    around.attrs.data = attr;
    around.attrs.n = 1;
    if (PyToffee_CheckDepth(graph, PyToffee_Node_Depth(&around)) < 0 ||
        take_bytes(root, object, node_payload(&around), &copy) < 0) {
        return -1;
    }
    if (toffee_attr_copy(attr, graph, copy, out, &st) != TOFFEE_OK) {
        PyToffee_Err_Set(state, &st);
        return -1;
    }
    return 0;
}

/* --- names: edges of nodes, inputs and outputs of graphs -------------------------------------- */

static PyToffee_VecView
view_graph_input(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->inputs);
}

static PyToffee_VecView
view_graph_output(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->outputs);
}

static PyToffee_VecView
view_node_input(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_node(self)->graph, holder_node(self)->inputs);
}

static PyToffee_VecView
view_node_output(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_node(self)->graph, holder_node(self)->outputs);
}

static PyObject *
wrap_name(PyToffee_Repeated *Py_UNUSED(self), const void *element)
{
    const toffee_value *value = *(toffee_value *const *)element;

    return PyToffee_Str_ToPython(value != NULL ? value->name : NULL);
}

/* The value called OBJECT; an empty name gives NULL. */
static int
convert_name(toffee_graph *graph, const char *what, PyObject *object, toffee_value **out)
{
    const toffee_str *name = PyToffee_Str_FromPython(graph, object, what);

    *out = NULL;
    if (name == NULL) {
        return -1;
    }
    if (name->length != 0 && toffee_graph_value(graph, name, out, NULL) != TOFFEE_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int
convert_edge(PyToffee_Repeated *self, PyObject *object, void *out)
{
    return convert_name(holder_node(self)->graph, self->kind->name, object, out);
}

static int
convert_port(PyToffee_Repeated *self, PyObject *object, void *out)
{
    toffee_value **value = out;

    if (convert_name(holder_graph(self), self->kind->name, object, value) < 0) {
        return -1;
    }
    if (*value == NULL) {
        PyErr_Format(PyExc_ValueError, "an %s of a graph needs a name", self->kind->name);
        return -1;
    }
    return 0;
}

/* --- nodes and initializers ------------------------------------------------------------------- */

static PyToffee_VecView
view_nodes(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->nodes);
}

static PyObject *
wrap_node(PyToffee_Repeated *self, const void *element)
{
    return PyToffee_Node_Wrap(PyToffee_StateOf((PyObject *)self), self->root,
                              *(toffee_node *const *)element);
}

static int
convert_node(PyToffee_Repeated *self, PyObject *object, void *out)
{
    toffee_node *node = PyToffee_TakeNode(self->root, holder_graph(self), object);

    memcpy(out, &node, sizeof(node));
    return node != NULL ? 0 : -1;
}

static PyToffee_VecView
view_initializers(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->initializers);
}

static PyObject *
wrap_initializer(PyToffee_Repeated *self, const void *element)
{
    return PyToffee_Tensor_Wrap(PyToffee_StateOf((PyObject *)self), self->root, holder_graph(self),
                                *(toffee_tensor *const *)element);
}

static int
convert_initializer(PyToffee_Repeated *self, PyObject *object, void *out)
{
    toffee_graph *graph = holder_graph(self);
    toffee_tensor *tensor = PyToffee_TakeTensor(self->root, graph, object);
    toffee_value *value = NULL;

    if (tensor == NULL) {
        return -1;
    }
    if (tensor->name == NULL || tensor->name->length == 0) {
        PyErr_SetString(PyExc_ValueError, "an initializer needs a name: the value it gives");
        return -1;
    }
    if (toffee_graph_value(graph, tensor->name, &value, NULL) != TOFFEE_OK) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(out, &tensor, sizeof(tensor));
    return 0;
}

/* --- value infos ------------------------------------------------------------------------------ */

static PyToffee_VecView
view_value_infos(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->value_infos);
}

static PyObject *
wrap_value_info(PyToffee_Repeated *self, const void *element)
{
    return PyToffee_Value_Wrap(PyToffee_StateOf((PyObject *)self), self->root,
                               *(toffee_value *const *)element);
}

static int
convert_value_info(PyToffee_Repeated *self, PyObject *object, void *out)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)self);
    toffee_value *value = NULL;

    if (take_check(object, state->ValueInfoType, "toffee.ValueInfo") < 0) {
        return -1;
    }
    value = PyToffee_DeclareValue(holder_graph(self), ((PyToffee_Value *)object)->value);
    memcpy(out, &value, sizeof(value));
    return value != NULL ? 0 : -1;
}

/* input_info and output_info are no lists of their own: they show the values behind `input` (those
 * without an initializer) and `output`. So they can be added to and their elements changed, but
 * what leaves them leaves `input` and `output`. */
static bool
is_real_input(const toffee_graph *graph, size_t index)
{
    return graph->inputs.data[index]->tensor == NULL;
}

static size_t
count_input_info(PyToffee_Repeated *self)
{
    const toffee_graph *graph = holder_graph(self);
    size_t count = 0;

    PyToffee_Graph_Settle(self->root);
    for (size_t i = 0; i < graph->inputs.n; i++) {
        count += is_real_input(graph, i);
    }
    return count;
}

static PyObject *
get_input_info(PyToffee_Repeated *self, size_t index)
{
    const toffee_graph *graph = holder_graph(self);

    for (size_t i = 0; i < graph->inputs.n; i++) {
        if (is_real_input(graph, i) && index-- == 0) {
            return PyToffee_Value_Wrap(PyToffee_StateOf((PyObject *)self), self->root,
                                       graph->inputs.data[i]);
        }
    }
    PyErr_SetString(PyExc_IndexError, "input_info index out of range");
    return NULL;
}

static size_t
count_output_info(PyToffee_Repeated *self)
{
    return holder_graph(self)->outputs.n;
}

static PyObject *
get_output_info(PyToffee_Repeated *self, size_t index)
{
    return PyToffee_Value_Wrap(PyToffee_StateOf((PyObject *)self), self->root,
                               holder_graph(self)->outputs.data[index]);
}

/* Types were declared by the conversion; what is left is that the values are listed. */
static int
commit_port_info(PyToffee_Repeated *self, const PyToffee_Splice *splice, PyToffee_VecView ports)
{
    toffee_value *const *items = splice->items;
    toffee_value **data = NULL;

    if (splice->n_removed != 0) {
        PyErr_Format(PyExc_TypeError,
                     "%s shows what the graph's inputs and outputs declare: remove the name from "
                     "`input` or `output`, or set .dtype and .shape of the element",
                     self->kind->name);
        return -1;
    }
    if (!toffee_vec_reserve(ports.arena, ports.slot, *ports.n, ports.capacity,
                            *ports.n + splice->n_items, sizeof(*data))) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(&data, ports.slot, sizeof(data));
    for (size_t i = 0; i < splice->n_items; i++) {
        size_t at = 0;

        while (at < *ports.n && data[at] != items[i]) {
            at++;
        }
        if (at == *ports.n) {
            data[(*ports.n)++] = items[i];
        }
    }
    return 0;
}

static int
commit_input_info(PyToffee_Repeated *self, const PyToffee_Splice *splice)
{
    return commit_port_info(self, splice, view_graph_input(self));
}

static int
commit_output_info(PyToffee_Repeated *self, const PyToffee_Splice *splice)
{
    return commit_port_info(self, splice, view_graph_output(self));
}

/* --- pairs ------------------------------------------------------------------------------------ */

static PyToffee_VecView
view_props(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->props);
}

static PyObject *
wrap_prop(PyToffee_Repeated *self, const void *element)
{
    return PyToffee_Prop_Wrap(PyToffee_StateOf((PyObject *)self), self->root, holder_graph(self),
                              element);
}

/* TEXT of another graph in GRAPH. */
static const toffee_str *
take_str(toffee_graph *graph, const toffee_str *text)
{
    const toffee_str *taken =
        toffee_strpool_intern(graph->pool, toffee_str_text(text), text != NULL ? text->length : 0);

    if (taken == NULL) {
        PyErr_NoMemory();
    }
    return taken;
}

static int
convert_prop(PyToffee_Repeated *self, PyObject *object, void *out)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)self);
    toffee_prop prop = {0};

    if (take_check(object, state->PropType, "toffee.StringStringEntry") < 0) {
        return -1;
    }
    prop.key = take_str(holder_graph(self), PyToffee_Prop_Get(object)->key);
    prop.value = take_str(holder_graph(self), PyToffee_Prop_Get(object)->value);
    memcpy(out, &prop, sizeof(prop));
    return prop.key != NULL && prop.value != NULL ? 0 : -1;
}

static PyToffee_VecView
view_opsets(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->opsets);
}

static PyObject *
wrap_opset(PyToffee_Repeated *self, const void *element)
{
    return PyToffee_Opset_Wrap(PyToffee_StateOf((PyObject *)self), self->root, holder_graph(self),
                               element);
}

static int
convert_opset(PyToffee_Repeated *self, PyObject *object, void *out)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)self);
    toffee_opset opset = {0};

    if (take_check(object, state->OpsetType, "toffee.OperatorSetId") < 0) {
        return -1;
    }
    opset.domain = take_str(holder_graph(self), PyToffee_Opset_Get(object)->domain);
    opset.version = PyToffee_Opset_Get(object)->version;
    memcpy(out, &opset, sizeof(opset));
    return opset.domain != NULL ? 0 : -1;
}

/* As for attributes: see kinds_attr.c. */
static void
prop_popped(PyObject *item)
{
    (void)PyToffee_Prop_Get(item);
}

static void
opset_popped(PyObject *item)
{
    (void)PyToffee_Opset_Get(item);
}

/* --- the kinds -------------------------------------------------------------------------------- */

const PyToffee_RepeatedKind PyToffee_Kind_GraphNode = {
    .name = "node",
    .item_size = sizeof(toffee_node *),
    .view = view_nodes,
    .wrap = wrap_node,
    .convert = convert_node,
    .element_type = offsetof(PyToffee_State, NodeType),
};

const PyToffee_RepeatedKind PyToffee_Kind_GraphInput = {
    .name = "input",
    .item_size = sizeof(toffee_value *),
    .view = view_graph_input,
    .wrap = wrap_name,
    .convert = convert_port,
};

const PyToffee_RepeatedKind PyToffee_Kind_GraphOutput = {
    .name = "output",
    .item_size = sizeof(toffee_value *),
    .view = view_graph_output,
    .wrap = wrap_name,
    .convert = convert_port,
};

const PyToffee_RepeatedKind PyToffee_Kind_GraphInitializer = {
    .name = "initializer",
    .item_size = sizeof(toffee_tensor *),
    .view = view_initializers,
    .wrap = wrap_initializer,
    .convert = convert_initializer,
    .element_type = offsetof(PyToffee_State, TensorType),
};

const PyToffee_RepeatedKind PyToffee_Kind_GraphInputInfo = {
    .name = "input_info",
    .item_size = sizeof(toffee_value *),
    .convert = convert_value_info,
    .count = count_input_info,
    .get = get_input_info,
    .commit = commit_input_info,
    .element_type = offsetof(PyToffee_State, ValueInfoType),
};

const PyToffee_RepeatedKind PyToffee_Kind_GraphOutputInfo = {
    .name = "output_info",
    .item_size = sizeof(toffee_value *),
    .convert = convert_value_info,
    .count = count_output_info,
    .get = get_output_info,
    .commit = commit_output_info,
    .element_type = offsetof(PyToffee_State, ValueInfoType),
};

const PyToffee_RepeatedKind PyToffee_Kind_GraphValueInfo = {
    .name = "value_info",
    .item_size = sizeof(toffee_value *),
    .view = view_value_infos,
    .wrap = wrap_value_info,
    .convert = convert_value_info,
    .element_type = offsetof(PyToffee_State, ValueInfoType),
};

const PyToffee_RepeatedKind PyToffee_Kind_GraphProps = {
    .name = "metadata_props",
    .item_size = sizeof(toffee_prop),
    .view = view_props,
    .wrap = wrap_prop,
    .convert = convert_prop,
    .popped = prop_popped,
    .element_type = offsetof(PyToffee_State, PropType),
};

const PyToffee_RepeatedKind PyToffee_Kind_GraphOpsets = {
    .name = "opset_import",
    .item_size = sizeof(toffee_opset),
    .view = view_opsets,
    .wrap = wrap_opset,
    .convert = convert_opset,
    .popped = opset_popped,
    .element_type = offsetof(PyToffee_State, OpsetType),
};

const PyToffee_RepeatedKind PyToffee_Kind_NodeInput = {
    .name = "input",
    .item_size = sizeof(toffee_value *),
    .view = view_node_input,
    .wrap = wrap_name,
    .convert = convert_edge,
};

const PyToffee_RepeatedKind PyToffee_Kind_NodeOutput = {
    .name = "output",
    .item_size = sizeof(toffee_value *),
    .view = view_node_output,
    .wrap = wrap_name,
    .convert = convert_edge,
};
