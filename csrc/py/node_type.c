/* csrc/py/node_type.c -- toffee.Node. */
#include "py/repeated.h"

#include <stddef.h>

#include "bridge/pyerr.h"
#include "ir/equal.h"
#include "ir/print.h"

PyObject *
PyToffee_Node_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_node *node)
{
    PyToffee_Node *self = (PyToffee_Node *)PyToffee_Part_New(state->NodeType, root);

    if (self != NULL) {
        self->node = node;
    }
    return (PyObject *)self;
}

static PyObject *
node_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Graph *root = state != NULL ? PyToffee_Graph_NewRoot(state) : NULL;
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_node *node = NULL;
    PyObject *self = NULL;

    if (root == NULL) {
        return NULL;
    }
    self = toffee_node_new(root->graph, "", &node, &st) == TOFFEE_OK
               ? PyToffee_Node_Wrap(state, root, node)
               : PyToffee_Err_Set(state, &st);
    Py_DECREF(root);
    return self;
}

/* The closure is the offset of the string in toffee_node. */
static PyObject *
node_get_str(PyObject *self, void *closure)
{
    const char *base = (const char *)((PyToffee_Node *)self)->node;

    return PyToffee_Str_ToPython(*(const toffee_str *const *)(base + (size_t)closure));
}

static int
node_set_str(PyObject *self, PyObject *value, void *closure)
{
    toffee_node *node = ((PyToffee_Node *)self)->node;
    const toffee_str *text = NULL;

    if (PyToffee_CheckSet(value, "a field of a node") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    text = PyToffee_Str_FromPython(node->graph, value, "the field");
    if (text == NULL) {
        return -1;
    }
    if (text->length == 0 && (size_t)closure != offsetof(toffee_node, op_type)) {
        text = NULL; /* absent and empty are the same thing, but op_type is never absent */
    }
    *(const toffee_str **)((char *)node + (size_t)closure) = text;
    return 0;
}

static PyObject *
node_get_attributes(PyObject *self, void *Py_UNUSED(closure))
{
    PyToffee_Node *node = (PyToffee_Node *)self;
    PyObject *dict = PyDict_New();
    PyObject *proxy = NULL;

    for (size_t i = 0; dict != NULL && i < node->node->attrs.n; i++) {
        PyObject *name = PyToffee_Str_ToPython(node->node->attrs.data[i].name);
        PyObject *attr = PyToffee_Attr_Wrap(PyToffee_StateOf(self), node->root, node->node,
                                            &node->node->attrs.data[i]);
        PyObject *value = attr != NULL ? PyToffee_Attr_Value(attr) : NULL;

        if (name == NULL || value == NULL || PyDict_SetItem(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(attr);
        Py_XDECREF(value);
    }
    if (dict != NULL) {
        proxy = PyDictProxy_New(dict);
        Py_DECREF(dict);
    }
    return proxy;
}

#define NODE_STR(field, member, doc)                                                               \
    {field, node_get_str, node_set_str, doc, (void *)offsetof(toffee_node, member)}
#define NODE_LIST(field, kind, doc)                                                                \
    {field, PyToffee_Repeated_Get, PyToffee_Repeated_Set, doc, (void *)&PyToffee_Kind_##kind}

static PyGetSetDef node_getset[] = {
    NODE_LIST("attribute", NodeAttribute, "The attributes, in order of name, each name once."),
    {"attributes", node_get_attributes, NULL,
     "A read-only dict of name -> value, as it is now; edit through `attribute`.", NULL},
    NODE_STR("doc_string", doc, "Text for people."),
    NODE_STR("domain", domain, "Domain of the operator; '' is ONNX's own."),
    NODE_LIST("input", NodeInput, "Names of the values read; '' where one is left out."),
    NODE_STR("name", name, "Name of the node."),
    NODE_STR("op_type", op_type, "The operator."),
    NODE_LIST("output", NodeOutput, "Names of the values made."),
    NODE_STR("overload", overload, "Which of the functions of its name it calls, or ''."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *
node_repr(PyObject *self)
{
    const toffee_node *node = ((PyToffee_Node *)self)->node;
    PyObject *op_type = PyToffee_Str_ToPython(node->op_type);
    PyObject *name = PyToffee_Str_ToPython(node->name);
    PyObject *text = NULL;

    if (op_type != NULL && name != NULL) {
        text = PyUnicode_GetLength(name) == 0
                   ? PyUnicode_FromFormat("<toffee.Node %U (%zu) -> (%zu)>", op_type,
                                          node->inputs.n, node->outputs.n)
                   : PyUnicode_FromFormat("<toffee.Node %U %R (%zu) -> (%zu)>", op_type, name,
                                          node->inputs.n, node->outputs.n);
    }
    Py_XDECREF(op_type);
    Py_XDECREF(name);
    return text;
}

static PyObject *
node_str(PyObject *self)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_arena *scratch = toffee_arena_new();
    char *text = NULL;
    size_t length = 0;
    PyObject *result = NULL;

    if (scratch == NULL) {
        return PyErr_NoMemory();
    }
    if (toffee_print_node(((PyToffee_Node *)self)->node, scratch, &text, &length, &st) ==
        TOFFEE_OK) {
        result = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "backslashreplace");
    }
    else {
        PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    toffee_arena_free(scratch);
    return result;
}

static PyObject *
node_richcompare(PyObject *self, PyObject *other, int op)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    bool equal = false;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (toffee_node_equal(((PyToffee_Node *)self)->node, ((PyToffee_Node *)other)->node, &equal,
                          &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static PyObject *
node_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    PyToffee_State *state = PyToffee_StateOf(self);
    PyToffee_Graph *root = PyToffee_Graph_NewRoot(state);
    toffee_node *node = NULL;
    PyObject *copy = NULL;

    if (root == NULL) {
        return NULL;
    }
    node = PyToffee_TakeNode(root, root->graph, self);
    if (node != NULL) {
        copy = PyToffee_Node_Wrap(state, root, node);
    }
    Py_DECREF(root);
    return copy;
}

static PyMethodDef node_methods[] = {
    {"__copy__", node_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nA copy that belongs to no graph."},
    {"__deepcopy__", node_copy, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\nThe same as __copy__."},
    {"__reduce__", PyToffee_Reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\nFor pickle."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot node_slots[] = {
    {Py_tp_doc, "Node(**fields)\n--\n\nOne operator with its inputs, outputs and attributes."},
    {Py_tp_new, node_new},
    {Py_tp_init, PyToffee_InitFromKeywords},
    {Py_tp_dealloc, PyToffee_Part_Dealloc},
    {Py_tp_traverse, PyToffee_Part_Traverse},
    {Py_tp_getset, node_getset},
    {Py_tp_methods, node_methods},
    {Py_tp_repr, node_repr},
    {Py_tp_str, node_str},
    {Py_tp_richcompare, node_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};

static PyType_Spec node_spec = {
    .name = "toffee.Node",
    .basicsize = sizeof(PyToffee_Node),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = node_slots,
};

int
PyToffee_Node_Exec(PyObject *module)
{
    return PyToffee_AddType(module, &node_spec, &PyToffee_ModuleState(module)->NodeType);
}
