/* csrc/py/pair_type.c -- toffee.StringStringEntry and toffee.OperatorSetId: entries of
 * metadata_props and opset_import.
 *
 * Both stand by value in a vector of their graph, so a view finds its entry by key: the interned
 * text, which is one pointer in a graph. An entry that was removed goes on as a value of its own.
 */
#include "py/graph_type.h"

#include <stddef.h>

#include "bridge/pyerr.h"

/* --- StringStringEntry ------------------------------------------------------------------------ */

PyObject *
PyToffee_Prop_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph,
                   const toffee_prop *prop)
{
    PyToffee_Prop *self = (PyToffee_Prop *)PyToffee_Part_New(state->PropType, root);

    if (self != NULL) {
        self->graph = graph;
        self->attached = true;
        self->own = *prop;
    }
    return (PyObject *)self;
}

toffee_prop *
PyToffee_Prop_Get(PyObject *object)
{
    PyToffee_Prop *self = (PyToffee_Prop *)object;

    for (size_t i = 0; self->attached && i < self->graph->props.n; i++) {
        if (self->graph->props.data[i].key == self->own.key) {
            self->own = self->graph->props.data[i];
            return &self->graph->props.data[i];
        }
    }
    self->attached = false;
    return &self->own;
}

static PyObject *
prop_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Graph *root = state != NULL ? PyToffee_Graph_NewRoot(state) : NULL;
    const toffee_str *empty = NULL;
    PyObject *self = NULL;

    if (root == NULL) {
        return NULL;
    }
    empty = toffee_graph_intern(root->graph, "");
    self = empty != NULL ? PyToffee_Prop_Wrap(state, root, root->graph,
                                              &(toffee_prop){.key = empty, .value = empty})
                         : PyErr_NoMemory();
    Py_DECREF(root);
    return self;
}

/* The closure is the offset of the string in toffee_prop. */
static PyObject *
prop_get(PyObject *self, void *closure)
{
    return PyToffee_Str_ToPython(
        *(const toffee_str *const *)((const char *)PyToffee_Prop_Get(self) + (size_t)closure));
}

static int
prop_set(PyObject *self, PyObject *value, void *closure)
{
    PyToffee_Prop *prop = (PyToffee_Prop *)self;
    const toffee_str *text = NULL;
    toffee_prop *entry = NULL;

    if (PyToffee_CheckSet(value, "the field") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    text = PyToffee_Str_FromPython(prop->graph, value, "the field");
    if (text == NULL) {
        return -1;
    }
    entry = PyToffee_Prop_Get(self);
    *(const toffee_str **)((char *)entry + (size_t)closure) = text;
    entry->graph_value = NULL; /* it says one thing from now on */
    prop->own = *entry;
    return 0;
}

static PyGetSetDef prop_getset[] = {
    {"key", prop_get, prop_set, "What the entry is about.", (void *)offsetof(toffee_prop, key)},
    {"value", prop_get, prop_set, "What it says.", (void *)offsetof(toffee_prop, value)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *
prop_repr(PyObject *self)
{
    PyObject *key = prop_get(self, (void *)offsetof(toffee_prop, key));
    PyObject *value = prop_get(self, (void *)offsetof(toffee_prop, value));
    PyObject *text = NULL;

    if (key != NULL && value != NULL) {
        text = PyUnicode_FromFormat("<toffee.StringStringEntry %R: %R>", key, value);
    }
    Py_XDECREF(key);
    Py_XDECREF(value);
    return text;
}

static PyObject *
prop_richcompare(PyObject *self, PyObject *other, int op)
{
    bool equal = false;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    equal = PyToffee_Str_Equal(PyToffee_Prop_Get(self)->key, PyToffee_Prop_Get(other)->key) &&
            PyToffee_Str_Equal(PyToffee_Prop_Get(self)->value, PyToffee_Prop_Get(other)->value);
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static PyMethodDef prop_methods[] = {
    {"__reduce__", PyToffee_Reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nFor pickle and copy."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot prop_slots[] = {
    {Py_tp_doc, "StringStringEntry(*, key='', value='')\n--\n\nAn entry of metadata_props."},
    {Py_tp_new, prop_new},
    {Py_tp_init, PyToffee_InitFromKeywords},
    {Py_tp_dealloc, PyToffee_Part_Dealloc},
    {Py_tp_traverse, PyToffee_Part_Traverse},
    {Py_tp_getset, prop_getset},
    {Py_tp_methods, prop_methods},
    {Py_tp_repr, prop_repr},
    {Py_tp_richcompare, prop_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};

static PyType_Spec prop_spec = {
    .name = "toffee.StringStringEntry",
    .basicsize = sizeof(PyToffee_Prop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = prop_slots,
};

/* --- OperatorSetId ---------------------------------------------------------------------------- */

PyObject *
PyToffee_Opset_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph,
                    const toffee_opset *opset)
{
    PyToffee_Opset *self = (PyToffee_Opset *)PyToffee_Part_New(state->OpsetType, root);

    if (self != NULL) {
        self->graph = graph;
        self->attached = true;
        self->own = *opset;
    }
    return (PyObject *)self;
}

toffee_opset *
PyToffee_Opset_Get(PyObject *object)
{
    PyToffee_Opset *self = (PyToffee_Opset *)object;

    for (size_t i = 0; self->attached && i < self->graph->opsets.n; i++) {
        if (self->graph->opsets.data[i].domain == self->own.domain) {
            self->own = self->graph->opsets.data[i];
            return &self->graph->opsets.data[i];
        }
    }
    self->attached = false;
    return &self->own;
}

static PyObject *
opset_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Graph *root = state != NULL ? PyToffee_Graph_NewRoot(state) : NULL;
    const toffee_str *empty = NULL;
    PyObject *self = NULL;

    if (root == NULL) {
        return NULL;
    }
    empty = toffee_graph_intern(root->graph, "");
    self = empty != NULL
               ? PyToffee_Opset_Wrap(state, root, root->graph, &(toffee_opset){.domain = empty})
               : PyErr_NoMemory();
    Py_DECREF(root);
    return self;
}

static PyObject *
opset_get_domain(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(PyToffee_Opset_Get(self)->domain);
}

static int
opset_set_domain(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    PyToffee_Opset *opset = (PyToffee_Opset *)self;
    const toffee_str *domain = NULL;
    toffee_opset *entry = NULL;

    if (PyToffee_CheckSet(value, "domain") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    domain = PyToffee_Str_FromPython(opset->graph, value, "domain");
    if (domain == NULL) {
        return -1;
    }
    entry = PyToffee_Opset_Get(self);
    entry->domain = domain;
    opset->own = *entry;
    return 0;
}

static PyObject *
opset_get_version(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(PyToffee_Opset_Get(self)->version);
}

static int
opset_set_version(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    int64_t version = 0;

    if (PyToffee_CheckSet(value, "version") < 0 ||
        PyToffee_Int_FromPython(value, &version, "version") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    PyToffee_Opset_Get(self)->version = version;
    return 0;
}

static PyGetSetDef opset_getset[] = {
    {"domain", opset_get_domain, opset_set_domain, "Whose operators; '' is ONNX's own.", NULL},
    {"version", opset_get_version, opset_set_version, "Which version of them.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *
opset_repr(PyObject *self)
{
    PyObject *domain = opset_get_domain(self, NULL);
    PyObject *text = NULL;

    if (domain != NULL) {
        text = PyUnicode_FromFormat("<toffee.OperatorSetId %R version %lld>", domain,
                                    (long long)PyToffee_Opset_Get(self)->version);
        Py_DECREF(domain);
    }
    return text;
}

static PyObject *
opset_richcompare(PyObject *self, PyObject *other, int op)
{
    bool equal = false;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    equal =
        PyToffee_Str_Equal(PyToffee_Opset_Get(self)->domain, PyToffee_Opset_Get(other)->domain) &&
        PyToffee_Opset_Get(self)->version == PyToffee_Opset_Get(other)->version;
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static PyMethodDef opset_methods[] = {
    {"__reduce__", PyToffee_Reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nFor pickle and copy."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot opset_slots[] = {
    {Py_tp_doc, "OperatorSetId(*, domain='', version=0)\n--\n\nAn entry of opset_import."},
    {Py_tp_new, opset_new},
    {Py_tp_init, PyToffee_InitFromKeywords},
    {Py_tp_dealloc, PyToffee_Part_Dealloc},
    {Py_tp_traverse, PyToffee_Part_Traverse},
    {Py_tp_getset, opset_getset},
    {Py_tp_methods, opset_methods},
    {Py_tp_repr, opset_repr},
    {Py_tp_richcompare, opset_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};

static PyType_Spec opset_spec = {
    .name = "toffee.OperatorSetId",
    .basicsize = sizeof(PyToffee_Opset),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = opset_slots,
};

int
PyToffee_Pairs_Exec(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);

    if (PyToffee_AddType(module, &prop_spec, &state->PropType) < 0) {
        return -1;
    }
    return PyToffee_AddType(module, &opset_spec, &state->OpsetType);
}
