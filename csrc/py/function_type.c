/* csrc/py/function_type.c -- toffee.Function: an operator with a body, which a graph brings along.
 *
 * A view as all the others, with the layout of a Graph, so that a graph's lists serve it too. */
#include "py/repeated.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "ir/equal.h"
#include "ir/function.h"
#include "ir/print.h"

static toffee_graph *
body_of(PyObject *self)
{
    return ((PyToffee_Graph *)self)->graph;
}

PyObject *
PyToffee_Function_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *function)
{
    PyToffee_Graph *self = (PyToffee_Graph *)PyToffee_Part_New(state->FunctionType, root);

    if (self != NULL) {
        self->graph = function;
    }
    return (PyObject *)self;
}

static PyObject *
function_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Graph *root = state != NULL ? PyToffee_Graph_NewRoot(state) : NULL;
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_graph *function = NULL;
    PyObject *self = NULL;

    if (root == NULL) {
        return NULL;
    }
    if (toffee_function_new(root->graph, &function, &st) == TOFFEE_OK &&
        toffee_graph_set_opset(function, "", TOFFEE_OPSET, &st) == TOFFEE_OK) {
        self = PyToffee_Function_Wrap(state, root, function);
    }
    else {
        PyToffee_Err_Set(state, &st);
    }
    Py_DECREF(root);
    return self;
}

toffee_graph *
PyToffee_TakeFunction(PyToffee_Graph *root, PyObject *object)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)root);
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_graph *taken = NULL;

    if (Py_TYPE(object) != state->FunctionType) {
        return (toffee_graph *)PyErr_Format(PyExc_TypeError, "expected a toffee.Function, not %s",
                                            Py_TYPE(object)->tp_name);
    }
    if (PyToffee_CheckDepth(root->graph, PyToffee_GraphDepth(body_of(object)) + 1) < 0 ||
        PyToffee_Graph_Keep(root, (PyObject *)PyToffee_RootOf(object)) < 0) {
        return NULL;
    }
    if (toffee_function_new(root->graph, &taken, &st) != TOFFEE_OK ||
        toffee_graph_copy_into(body_of(object), taken, false, &st) != TOFFEE_OK) {
        return (toffee_graph *)PyToffee_Err_Set(state, &st);
    }
    return taken;
}

/* --- lists ------------------------------------------------------------------------------------ */

static toffee_graph *
holder_graph(const PyToffee_Repeated *self)
{
    return body_of(self->holder);
}

static PyToffee_VecView
view_functions(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->functions);
}

static PyObject *
wrap_function(PyToffee_Repeated *self, const void *element)
{
    return PyToffee_Function_Wrap(PyToffee_StateOf((PyObject *)self), self->root,
                                  *(toffee_graph *const *)element);
}

static int
convert_function(PyToffee_Repeated *self, PyObject *object, void *out)
{
    toffee_graph *function = NULL;

    if (holder_graph(self)->parent != NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "functions belong to the outermost graph: every graph inside it may call "
                        "them");
        return -1;
    }
    function = PyToffee_TakeFunction(self->root, object);
    memcpy(out, &function, sizeof(function));
    return function != NULL ? 0 : -1;
}

static PyToffee_VecView
view_names(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->function->attr_names);
}

static PyObject *
wrap_name(PyToffee_Repeated *Py_UNUSED(self), const void *element)
{
    return PyToffee_Str_ToPython(*(const toffee_str *const *)element);
}

static int
convert_name(PyToffee_Repeated *self, PyObject *object, void *out)
{
    const toffee_str *name = PyToffee_Str_FromPython(holder_graph(self), object, self->kind->name);

    memcpy(out, &name, sizeof(name));
    return name != NULL ? 0 : -1;
}

static PyToffee_VecView
view_defaults(PyToffee_Repeated *self)
{
    return PYTOFFEE_VEC_VIEW(holder_graph(self), holder_graph(self)->function->attr_defaults);
}

static PyObject *
wrap_default(PyToffee_Repeated *self, const void *element)
{
    return PyToffee_Attr_WrapFree(PyToffee_StateOf((PyObject *)self), self->root, element);
}

static int
convert_default(PyToffee_Repeated *self, PyObject *object, void *out)
{
    toffee_attr attr = {0};

    if (PyToffee_TakeAttr(self->root, holder_graph(self), object, &attr) < 0) {
        return -1;
    }
    if (attr.name == NULL || attr.name->length == 0) {
        PyErr_SetString(PyExc_ValueError, "a default needs the name of the attribute");
        return -1;
    }
    memcpy(out, &attr, sizeof(attr));
    return 0;
}

const PyToffee_RepeatedKind PyToffee_Kind_GraphFunctions = {
    .name = "function",
    .item_size = sizeof(toffee_graph *),
    .view = view_functions,
    .wrap = wrap_function,
    .convert = convert_function,
    .element_type = offsetof(PyToffee_State, FunctionType),
};

static const PyToffee_RepeatedKind kind_names = {
    .name = "attribute",
    .item_size = sizeof(const toffee_str *),
    .view = view_names,
    .wrap = wrap_name,
    .convert = convert_name,
};

static const PyToffee_RepeatedKind kind_defaults = {
    .name = "attribute_proto",
    .item_size = sizeof(toffee_attr),
    .view = view_defaults,
    .wrap = wrap_default,
    .convert = convert_default,
    .element_type = offsetof(PyToffee_State, AttributeType),
};

/* --- fields ----------------------------------------------------------------------------------- */

static PyObject *
function_get_overload(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(body_of(self)->function->overload);
}

static int
function_set_overload(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    const toffee_str *text = NULL;

    if (PyToffee_CheckSet(value, "overload") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    text = PyToffee_Str_FromPython(body_of(self), value, "overload");
    if (text == NULL) {
        return -1;
    }
    body_of(self)->function->overload = text->length != 0 ? text : NULL;
    return 0;
}

#define FUNCTION_STR(field, member, doc)                                                           \
    {field, PyToffee_Graph_GetStr, PyToffee_Graph_SetStr, doc,                                     \
     (void *)offsetof(toffee_graph, member)}
#define FUNCTION_LIST(field, kind, doc)                                                            \
    {field, PyToffee_Repeated_Get, PyToffee_Repeated_Set, doc, (void *)&(kind)}

static PyGetSetDef function_getset[] = {
    FUNCTION_LIST("attribute", kind_names, "Names of attributes without a default."),
    FUNCTION_LIST("attribute_proto", kind_defaults,
                  "Attributes with their defaults. What comes out is a copy: assign it to change "
                  "one."),
    FUNCTION_STR("doc_string", doc, "Text for people."),
    FUNCTION_STR("domain", domain, "Domain of the nodes that call it."),
    FUNCTION_LIST("input", PyToffee_Kind_GraphInput, "Names of the inputs."),
    FUNCTION_LIST("metadata_props", PyToffee_Kind_GraphProps, "Key and value pairs of text."),
    FUNCTION_STR("name", name, "op_type of the nodes that call it."),
    FUNCTION_LIST("node", PyToffee_Kind_GraphNode, "The nodes, in the order in which they run."),
    FUNCTION_LIST("opset_import", PyToffee_Kind_GraphOpsets,
                  "Which version of which operators the nodes are."),
    FUNCTION_LIST("output", PyToffee_Kind_GraphOutput, "Names of the outputs."),
    {"overload", function_get_overload, function_set_overload,
     "Tells functions of one name apart, or ''.", NULL},
    FUNCTION_LIST("value_info", PyToffee_Kind_GraphValueInfo, "Types of values in it."),
    {NULL, NULL, NULL, NULL, NULL},
};

/* --- behaviour -------------------------------------------------------------------------------- */

static Py_ssize_t
function_length(PyObject *self)
{
    return (Py_ssize_t)body_of(self)->nodes.n;
}

static PyObject *
function_iter(PyObject *self)
{
    PyObject *nodes = PyToffee_Repeated_Get(self, (void *)&PyToffee_Kind_GraphNode);
    PyObject *iter = nodes != NULL ? PySeqIter_New(nodes) : NULL;

    Py_XDECREF(nodes);
    return iter;
}

static PyObject *
function_repr(PyObject *self)
{
    const toffee_graph *graph = body_of(self);
    PyObject *domain = PyToffee_Str_ToPython(graph->domain);
    PyObject *name = PyToffee_Str_ToPython(graph->name);
    PyObject *text = NULL;

    if (domain != NULL && name != NULL) {
        text =
            PyUnicode_FromFormat("<toffee.Function %R of %R: %zu nodes, %zu inputs, %zu outputs>",
                                 name, domain, graph->nodes.n, graph->inputs.n, graph->outputs.n);
    }
    Py_XDECREF(domain);
    Py_XDECREF(name);
    return text;
}

static PyObject *
function_str(PyObject *self)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_arena *scratch = toffee_arena_new();
    char *text = NULL;
    size_t length = 0;
    PyObject *result = NULL;

    if (scratch == NULL) {
        return PyErr_NoMemory();
    }
    PyToffee_Graph_Settle(PyToffee_RootOf(self));
    if (toffee_print_graph(body_of(self), scratch, &text, &length, &st) == TOFFEE_OK) {
        result = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length - 1, "backslashreplace");
    }
    else {
        PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    toffee_arena_free(scratch);
    return result;
}

static PyObject *
function_richcompare(PyObject *self, PyObject *other, int op)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    bool equal = false;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyToffee_Graph_Settle(PyToffee_RootOf(self));
    PyToffee_Graph_Settle(PyToffee_RootOf(other));
    if (toffee_graph_equal(body_of(self), body_of(other), &equal, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static PyObject *
function_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    PyToffee_State *state = PyToffee_StateOf(self);
    PyToffee_Graph *root = PyToffee_Graph_NewRoot(state);
    toffee_graph *function = NULL;
    PyObject *copy = NULL;

    if (root == NULL) {
        return NULL;
    }
    function = PyToffee_TakeFunction(root, self);
    if (function != NULL) {
        copy = PyToffee_Function_Wrap(state, root, function);
    }
    Py_DECREF(root);
    return copy;
}

static PyMethodDef function_methods[] = {
    {"__copy__", function_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nA copy that belongs to no graph."},
    {"__deepcopy__", function_copy, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\nThe same as __copy__."},
    {"__reduce__", PyToffee_Reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\nFor pickle."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot function_slots[] = {
    {Py_tp_doc, "Function(**fields)\n--\n\nAn operator with a body. Nodes call it by op_type, "
                "domain and overload; its opsets are its own."},
    {Py_tp_new, function_new},
    {Py_tp_init, PyToffee_InitFromKeywords},
    {Py_tp_dealloc, PyToffee_Part_Dealloc},
    {Py_tp_traverse, PyToffee_Part_Traverse},
    {Py_tp_getset, function_getset},
    {Py_tp_methods, function_methods},
    {Py_tp_repr, function_repr},
    {Py_tp_str, function_str},
    {Py_tp_iter, function_iter},
    {Py_tp_richcompare, function_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_mp_length, function_length},
    {0, NULL},
};

static PyType_Spec function_spec = {
    .name = "toffee.Function",
    .basicsize = sizeof(PyToffee_Graph),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = function_slots,
};

int
PyToffee_Function_Exec(PyObject *module)
{
    return PyToffee_AddType(module, &function_spec, &PyToffee_ModuleState(module)->FunctionType);
}
