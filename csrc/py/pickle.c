/* csrc/py/pickle.c -- every object pickles as the bytes of a graph: itself, or one that holds it.
 */
#include "py/io.h"

#include "bridge/pyerr.h"
#include "ir/function.h"
#include "py/repeated.h"

/* op_type of a node that only carries something: the reader wants one. */
#define HOST_OP "_"

/* Puts PART into the empty graph of ROOT. 0, or -1 with an exception set. */
typedef int (*place_fn)(PyToffee_Graph *root, PyObject *part);

static int
status_to_int(PyToffee_Graph *root, toffee_code rc, const toffee_status *st)
{
    if (rc != TOFFEE_OK) {
        PyToffee_Err_Set(PyToffee_StateOf((PyObject *)root), st);
        return -1;
    }
    return 0;
}

static int
place_node(PyToffee_Graph *root, PyObject *part)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_node *node = PyToffee_TakeNode(root, root->graph, part);

    return node != NULL ? status_to_int(root, toffee_graph_append_node(root->graph, node, &st), &st)
                        : -1;
}

static int
place_attribute(PyToffee_Graph *root, PyObject *part)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_node *node = NULL;
    toffee_attr attr = {0};

    if (PyToffee_TakeAttr(root, root->graph, part, &attr) < 0 ||
        status_to_int(root, toffee_node_new(root->graph, HOST_OP, &node, &st), &st) < 0 ||
        status_to_int(root, toffee_node_set_attr(node, &attr, &st), &st) < 0) {
        return -1;
    }
    return status_to_int(root, toffee_graph_append_node(root->graph, node, &st), &st);
}

/* A tensor need not have a name, so it goes as the value of an attribute. */
static int
place_tensor(PyToffee_Graph *root, PyObject *part)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_node *node = NULL;
    toffee_tensor *tensor = PyToffee_TakeTensor(root, root->graph, part);

    if (tensor == NULL ||
        status_to_int(root, toffee_node_new(root->graph, HOST_OP, &node, &st), &st) < 0 ||
        status_to_int(root, toffee_node_set_tensor(node, "value", tensor, &st), &st) < 0) {
        return -1;
    }
    return status_to_int(root, toffee_graph_append_node(root->graph, node, &st), &st);
}

static int
place_value_info(PyToffee_Graph *root, PyObject *part)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_value *value = PyToffee_DeclareValue(root->graph, ((PyToffee_Value *)part)->value);

    return value != NULL
               ? status_to_int(root, toffee_graph_add_value_info(root->graph, value, &st), &st)
               : -1;
}

static int
place_prop(PyToffee_Graph *root, PyObject *part)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    const toffee_prop *prop = PyToffee_Prop_Get(part);

    return status_to_int(
        root, toffee_graph_set_prop(root->graph, prop->key->text, prop->value->text, &st), &st);
}

static int
place_opset(PyToffee_Graph *root, PyObject *part)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    const toffee_opset *opset = PyToffee_Opset_Get(part);

    root->graph->opsets.n = 0;
    return status_to_int(
        root,
        toffee_graph_set_opset(root->graph, toffee_str_text(opset->domain), opset->version, &st),
        &st);
}

static int
place_function(PyToffee_Graph *root, PyObject *part)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_graph *function = PyToffee_TakeFunction(root, part);

    return function != NULL
               ? status_to_int(root, toffee_graph_add_function(root->graph, function, &st), &st)
               : -1;
}

/* By kind: which type it is, how it gets into a graph, and where to find it there. */
static const struct {
    size_t type; /* offset in the module's state */
    place_fn place;
    const char *path[3]; /* attributes to follow from the graph; lists give their first element */
} kinds[] = {
    {offsetof(PyToffee_State, NodeType), place_node, {"node"}},
    {offsetof(PyToffee_State, AttributeType), place_attribute, {"node", "attribute"}},
    {offsetof(PyToffee_State, TensorType), place_tensor, {"node", "attribute", "t"}},
    {offsetof(PyToffee_State, ValueInfoType), place_value_info, {"value_info"}},
    {offsetof(PyToffee_State, PropType), place_prop, {"metadata_props"}},
    {offsetof(PyToffee_State, OpsetType), place_opset, {"opset_import"}},
    {offsetof(PyToffee_State, FunctionType), place_function, {"function"}},
};

/* A root that holds only PART, of kinds[KIND]. */
static PyToffee_Graph *
graph_around(PyToffee_State *state, PyObject *part, size_t kind)
{
    PyToffee_Graph *root = PyToffee_Graph_NewRoot(state);
    toffee_status st = TOFFEE_STATUS_INIT;

    if (root == NULL) {
        return NULL;
    }
    root->graph->ir_version = TOFFEE_IR_VERSION;
    if (status_to_int(root, toffee_graph_set_opset(root->graph, "", TOFFEE_OPSET, &st), &st) < 0 ||
        kinds[kind].place(root, part) < 0) {
        Py_CLEAR(root);
    }
    return root;
}

PyObject *
PyToffee_Reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyToffee_State *state = PyToffee_StateOf(self);
    const toffee_save_options options = {.with_initializers = true};
    PyToffee_Graph *root = NULL;
    PyObject *module = NULL; /* borrowed */
    PyObject *bytes = NULL;
    PyObject *unpickle = NULL;
    PyObject *result = NULL;
    size_t kind = 0;

    while (kind < TOFFEE_COUNTOF(kinds) &&
           *(PyTypeObject **)((char *)state + kinds[kind].type) != Py_TYPE(self)) {
        kind++;
    }
    if (kind == TOFFEE_COUNTOF(kinds)) { /* a Graph */
        bytes =
            PyToffee_Dumps(state, PyToffee_RootOf(self), ((PyToffee_Graph *)self)->graph, &options);
    }
    else {
        root = graph_around(state, self, kind);
        bytes = root != NULL ? PyToffee_Dumps(state, root, root->graph, &options) : NULL;
    }
    module = PyType_GetModule(Py_TYPE(self));
    unpickle = module != NULL && bytes != NULL ? PyObject_GetAttrString(module, "_unpickle") : NULL;
    if (unpickle != NULL) {
        result = Py_BuildValue("O(nO)", unpickle, (Py_ssize_t)kind, bytes);
    }
    Py_XDECREF(unpickle);
    Py_XDECREF(bytes);
    Py_XDECREF(root);
    return result;
}

static PyObject *
pickle_unpickle(PyObject *module, PyObject *args)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    PyObject *bytes = NULL; /* borrowed */
    PyObject *found = NULL;
    Py_ssize_t kind = 0;

    if (!PyArg_ParseTuple(args, "nS:_unpickle", &kind, &bytes)) {
        return NULL;
    }
    if (kind < 0 || (size_t)kind > TOFFEE_COUNTOF(kinds)) {
        return PyErr_Format(PyExc_ValueError, "no kind %zd of object", kind);
    }
    found = PyToffee_Loads(state, bytes, false);
    for (size_t i = 0; found != NULL && (size_t)kind < TOFFEE_COUNTOF(kinds) &&
                       i < TOFFEE_COUNTOF(kinds[kind].path) && kinds[kind].path[i] != NULL;
         i++) {
        PyObject *next = PyObject_GetAttrString(found, kinds[kind].path[i]);

        Py_SETREF(found, next);
        if (found != NULL && Py_TYPE(found) == state->RepeatedType) {
            next = PySequence_GetItem(found, 0);
            Py_SETREF(found, next);
        }
    }
    return found;
}

PyMethodDef PyToffee_PickleMethods[] = {
    {"_unpickle", pickle_unpickle, METH_VARARGS,
     "_unpickle(kind, data, /)\n--\n\nWhat __reduce__ took apart."},
    {NULL, NULL, 0, NULL},
};
