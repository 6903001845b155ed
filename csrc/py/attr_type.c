/* csrc/py/attr_type.c -- toffee.Attribute: a name and a typed value. */
#include "py/repeated.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "ir/equal.h"

PyObject *
PyToffee_Attr_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_node *node,
                   const toffee_attr *attr)
{
    PyToffee_Attr *self = (PyToffee_Attr *)PyToffee_Part_New(state->AttributeType, root);

    if (self != NULL) {
        self->graph = node->graph;
        self->node = node;
        self->own = *attr;
    }
    return (PyObject *)self;
}

PyObject *
PyToffee_Attr_WrapFree(PyToffee_State *state, PyToffee_Graph *root, const toffee_attr *attr)
{
    PyToffee_Attr *self = (PyToffee_Attr *)PyToffee_Part_New(state->AttributeType, root);

    if (self != NULL) {
        self->graph = root->graph;
        self->own = *attr;
    }
    return (PyObject *)self;
}

toffee_attr *
PyToffee_Attr_Get(PyToffee_Attr *self)
{
    for (size_t i = 0; self->node != NULL && i < self->node->attrs.n; i++) {
        if (self->node->attrs.data[i].name == self->own.name) { /* interned in one pool */
            self->own = self->node->attrs.data[i];
            return &self->node->attrs.data[i];
        }
    }
    self->node = NULL; /* removed: from now on on its own */
    return &self->own;
}

static toffee_attr *
attr_of(PyObject *self)
{
    return PyToffee_Attr_Get((PyToffee_Attr *)self);
}

static PyObject *
attr_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Graph *root = state != NULL ? PyToffee_Graph_NewRoot(state) : NULL;
    toffee_attr empty = {0};
    PyObject *self = NULL;

    if (root == NULL) {
        return NULL;
    }
    empty.name = toffee_graph_intern(root->graph, "");
    self = empty.name != NULL ? PyToffee_Attr_WrapFree(state, root, &empty) : PyErr_NoMemory();
    Py_DECREF(root);
    return self;
}

/* The type last: it follows from the value, and where it is given it must agree or there is none.
 */
static int
attr_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *rest = kwargs != NULL ? PyDict_Copy(kwargs) : PyDict_New();
    PyObject *type = NULL; /* borrowed from kwargs */
    int rc = -1;

    if (rest == NULL) {
        return -1;
    }
    type = kwargs != NULL ? PyDict_GetItemString(kwargs, "type") : NULL; /* borrowed from kwargs */
    if (type == NULL || PyDict_DelItemString(rest, "type") == 0) {
        rc = PyToffee_InitFromKeywords(self, args, rest);
    }
    if (rc == 0 && type != NULL) {
        rc = PyObject_SetAttrString(self, "type", type);
    }
    Py_DECREF(rest);
    return rc;
}

/* --- fields ----------------------------------------------------------------------------------- */

static PyObject *
attr_get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(attr_of(self)->name);
}

static int
attr_set_name(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    PyToffee_Attr *attr = (PyToffee_Attr *)self;
    const toffee_str *name = NULL;

    if (PyToffee_CheckSet(value, "name") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    name = PyToffee_Str_FromPython(attr->graph, value, "name");
    if (name == NULL) {
        return -1;
    }
    if (memchr(name->text, '\0', name->length) != NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "the name of an attribute must not hold a null character");
        return -1;
    }
    (void)PyToffee_Attr_Get(attr);
    if (attr->node != NULL && name != attr->own.name) {
        toffee_attr renamed = attr->own;

        if (name->length == 0 || toffee_node_attr(attr->node, name->text) != NULL) {
            PyErr_Format(PyExc_ValueError,
                         "the node already has an attribute '%s', or the name is empty",
                         name->text);
            return -1;
        }
        renamed.name = name;
        toffee_node_remove_attr(attr->node, attr->own.name->text);
        if (toffee_node_set_attr(attr->node, &renamed, NULL) != TOFFEE_OK) { /* there is room */
            PyErr_NoMemory();
            return -1;
        }
    }
    attr->own.name = name;
    return 0;
}

static PyObject *
attr_get_doc(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(attr_of(self)->doc);
}

static int
attr_set_doc(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    const toffee_str *doc = NULL;

    if (PyToffee_CheckSet(value, "doc_string") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    doc = PyToffee_Str_FromPython(((PyToffee_Attr *)self)->graph, value, "doc_string");
    if (doc == NULL) {
        return -1;
    }
    attr_of(self)->doc = doc->length != 0 ? doc : NULL;
    return 0;
}

static PyObject *
attr_get_type(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong((long)attr_of(self)->type);
}

static int
attr_set_type(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    toffee_attr *attr = NULL;
    int64_t type = 0;
    void *empty = NULL;

    if (PyToffee_CheckSet(value, "type") < 0 || PyToffee_Int_FromPython(value, &type, "type") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    attr = attr_of(self);
    if (type == (int64_t)attr->type) {
        return 0;
    }
    if (type < TOFFEE_ATTR_UNDEFINED || type > TOFFEE_ATTR_TYPE_PROTOS) {
        PyErr_Format(PyExc_ValueError, "%lld is no type of attribute", (long long)type);
        return -1;
    }
    if (attr->ref != NULL) {
        attr->type = (toffee_attr_type)type; /* the value is elsewhere */
        return 0;
    }
    if (type == TOFFEE_ATTR_SPARSE_TENSOR || type == TOFFEE_ATTR_TYPE_PROTO) {
        PyErr_Format(PyExc_ValueError, "an attribute of type %s must have a value",
                     toffee_attr_type_name((toffee_attr_type)type));
        return -1;
    }
    if (type == TOFFEE_ATTR_TENSOR || type == TOFFEE_ATTR_GRAPH) {
        PyErr_Format(PyExc_ValueError, "set the field `%s` instead: the type follows",
                     type == TOFFEE_ATTR_TENSOR ? "t" : "g");
        return -1;
    }
    empty = toffee_arena_calloc(((PyToffee_Attr *)self)->graph->arena, 1, sizeof(toffee_bytes));
    if (empty == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *attr = (toffee_attr){
        .name = attr->name,
        .doc = attr->doc,
        .type = (toffee_attr_type)type,
        .s = {.data = empty},
        .floats = empty,
        .ints = empty,
        .strings = empty,
        .tensors = empty,
        .graphs = empty,
        .sparse = empty,
        .types = empty,
    };
    return 0;
}

static PyObject *
attr_get_ref(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(attr_of(self)->ref);
}

/* The value goes; without a reference there is then none at all, and no type. */
static int
attr_set_ref(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    const toffee_str *ref = NULL;
    toffee_attr *attr = NULL;

    if (PyToffee_CheckSet(value, "ref_attr_name") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    ref = PyToffee_Str_FromPython(((PyToffee_Attr *)self)->graph, value, "ref_attr_name");
    if (ref == NULL) {
        return -1;
    }
    attr = attr_of(self);
    if (ref->length == 0 && attr->ref == NULL) {
        return 0;
    }
    *attr = (toffee_attr){
        .name = attr->name,
        .doc = attr->doc,
        .ref = ref->length != 0 ? ref : NULL,
        .type = ref->length != 0 ? attr->type : TOFFEE_ATTR_UNDEFINED,
    };
    return 0;
}

static PyObject *
attr_get_f(PyObject *self, void *Py_UNUSED(closure))
{
    const toffee_attr *attr = attr_of(self);

    return PyFloat_FromDouble(attr->type == TOFFEE_ATTR_FLOAT ? (double)attr->f : 0.0);
}

static PyObject *
attr_get_i(PyObject *self, void *Py_UNUSED(closure))
{
    const toffee_attr *attr = attr_of(self);

    return PyLong_FromLongLong(attr->type == TOFFEE_ATTR_INT ? attr->i : 0);
}

static PyObject *
attr_get_s(PyObject *self, void *Py_UNUSED(closure))
{
    const toffee_attr *attr = attr_of(self);

    return attr->type == TOFFEE_ATTR_STRING ? PyToffee_Bytes_ToPython(&attr->s)
                                            : PyBytes_FromStringAndSize("", 0);
}

static PyObject *
attr_get_t(PyObject *self, void *Py_UNUSED(closure))
{
    PyToffee_Attr *owner = (PyToffee_Attr *)self;
    const toffee_attr *attr = attr_of(self);

    if (attr->type != TOFFEE_ATTR_TENSOR || attr->t == NULL) {
        Py_RETURN_NONE;
    }
    return PyToffee_Tensor_Wrap(PyToffee_StateOf(self), owner->root, owner->graph, attr->t);
}

static PyObject *
attr_get_g(PyObject *self, void *Py_UNUSED(closure))
{
    const toffee_attr *attr = attr_of(self);

    if (attr->type != TOFFEE_ATTR_GRAPH || attr->g == NULL) {
        Py_RETURN_NONE;
    }
    return PyToffee_Graph_Wrap(PyToffee_StateOf(self), PyToffee_RootOf(self), attr->g);
}

/* A named tuple of values, indices and dims. */
static PyObject *
attr_view_sparse(PyToffee_Attr *self, const toffee_sparse *sparse)
{
    PyToffee_State *state = PyToffee_StateOf((PyObject *)self);
    PyObject *values = PyToffee_Tensor_Wrap(state, self->root, self->graph, sparse->values);
    PyObject *indices = sparse->indices != NULL
                            ? PyToffee_Tensor_Wrap(state, self->root, self->graph, sparse->indices)
                            : Py_NewRef(Py_None);
    PyObject *dims = PyTuple_New(sparse->rank);
    PyObject *view = NULL;

    for (int32_t i = 0; dims != NULL && i < sparse->rank; i++) {
        PyObject *dim = PyLong_FromLongLong(sparse->dims[i]);

        if (dim == NULL) {
            Py_CLEAR(dims);
            break;
        }
        PyTuple_SET_ITEM(dims, i, dim);
    }
    if (values != NULL && indices != NULL && dims != NULL) {
        view = PyStructSequence_New(state->TypeViews[PYTOFFEE_VIEW_SPARSE]);
    }
    if (view == NULL) {
        Py_XDECREF(values);
        Py_XDECREF(indices);
        Py_XDECREF(dims);
        return NULL;
    }
    PyStructSequence_SET_ITEM(view, 0, values);
    PyStructSequence_SET_ITEM(view, 1, indices);
    PyStructSequence_SET_ITEM(view, 2, dims);
    return view;
}

/* Element I of an attribute of sparse tensors or of types. */
static PyObject *
attr_view_element(PyToffee_Attr *self, const toffee_attr *attr, size_t i)
{
    return attr->type == TOFFEE_ATTR_SPARSE_TENSOR || attr->type == TOFFEE_ATTR_SPARSE_TENSORS
               ? attr_view_sparse(self, attr->sparse[i])
               : PyToffee_Type_View(PyToffee_StateOf((PyObject *)self), &attr->types[i]);
}

/* The closure is the type of attribute that has this field. */
static PyObject *
attr_get_view(PyObject *self, void *closure)
{
    const toffee_attr *attr = attr_of(self);

    if ((uintptr_t)attr->type != (uintptr_t)closure || attr->n == 0) {
        Py_RETURN_NONE;
    }
    return attr_view_element((PyToffee_Attr *)self, attr, 0);
}

static PyObject *
attr_get_views(PyObject *self, void *closure)
{
    const toffee_attr *attr = attr_of(self);
    size_t n = (uintptr_t)attr->type == (uintptr_t)closure ? attr->n : 0;
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);

    for (size_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *view = attr_view_element((PyToffee_Attr *)self, attr, i);

        if (view == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, view);
    }
    return tuple;
}

/* Each setter makes the whole value first, so that a failure leaves the attribute as it was. */
static int
attr_assign(PyObject *self, const toffee_attr *value)
{
    toffee_attr *attr = NULL;

    if (PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    attr = attr_of(self);
    {
        toffee_attr fresh = *value;

        fresh.name = attr->name;
        fresh.doc = attr->doc;
        *attr = fresh;
    }
    return 0;
}

static int
attr_set_f(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    toffee_attr fresh = {.type = TOFFEE_ATTR_FLOAT};
    double number = 0.0;

    if (PyToffee_CheckSet(value, "f") < 0) {
        return -1;
    }
    number = PyFloat_AsDouble(value);
    if (number == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    fresh.f = (float)number;
    return attr_assign(self, &fresh);
}

static int
attr_set_i(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    toffee_attr fresh = {.type = TOFFEE_ATTR_INT};

    if (PyToffee_CheckSet(value, "i") < 0 || PyToffee_Int_FromPython(value, &fresh.i, "i") < 0) {
        return -1;
    }
    return attr_assign(self, &fresh);
}

static int
attr_set_s(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    toffee_attr fresh = {.type = TOFFEE_ATTR_STRING};

    if (PyToffee_CheckSet(value, "s") < 0 || PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0 ||
        PyToffee_Bytes_FromPython(((PyToffee_Attr *)self)->graph, value, &fresh.s, "s") < 0) {
        return -1;
    }
    return attr_assign(self, &fresh);
}

static int
attr_set_t(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    toffee_attr fresh = {.type = TOFFEE_ATTR_TENSOR};

    if (PyToffee_CheckSet(value, "t") < 0 || PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    fresh.t = PyToffee_TakeTensor(PyToffee_RootOf(self), ((PyToffee_Attr *)self)->graph, value);
    return fresh.t != NULL ? attr_assign(self, &fresh) : -1;
}

static int
attr_set_g(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    toffee_attr fresh = {.type = TOFFEE_ATTR_GRAPH};

    if (PyToffee_CheckSet(value, "g") < 0 || PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    fresh.g = PyToffee_TakeGraph(PyToffee_RootOf(self), ((PyToffee_Attr *)self)->graph, value);
    return fresh.g != NULL ? attr_assign(self, &fresh) : -1;
}

#define ATTR_LIST(field, kind, doc)                                                                \
    {field, PyToffee_Repeated_Get, PyToffee_Repeated_Set, doc, (void *)&PyToffee_Kind_##kind}

static PyGetSetDef attr_getset[] = {
    {"doc_string", attr_get_doc, attr_set_doc, "Text for people.", NULL},
    {"f", attr_get_f, attr_set_f, "The value of a FLOAT; setting it sets the type.", NULL},
    ATTR_LIST("floats", AttrFloats, "The values of a FLOATS."),
    {"g", attr_get_g, attr_set_g, "The Graph of a GRAPH, else None; assignment copies.", NULL},
    ATTR_LIST("graphs", AttrGraphs, "The graphs of a GRAPHS."),
    {"i", attr_get_i, attr_set_i, "The value of an INT; setting it sets the type.", NULL},
    ATTR_LIST("ints", AttrInts, "The values of an INTS."),
    {"name", attr_get_name, attr_set_name, "Name, unique in its node.", NULL},
    {"ref_attr_name", attr_get_ref, attr_set_ref,
     "In a function: the attribute of the function that stands for the value, or ''; setting it "
     "removes the value.",
     NULL},
    {"s", attr_get_s, attr_set_s, "The bytes of a STRING; a str is stored as UTF-8.", NULL},
    {"sparse_tensor", attr_get_view, NULL,
     "The values, indices and dims of a SPARSE_TENSOR, else None; read-only.",
     (void *)TOFFEE_ATTR_SPARSE_TENSOR},
    {"sparse_tensors", attr_get_views, NULL, "Those of a SPARSE_TENSORS, as a tuple.",
     (void *)TOFFEE_ATTR_SPARSE_TENSORS},
    ATTR_LIST("strings", AttrStrings, "The bytes of a STRINGS."),
    {"t", attr_get_t, attr_set_t, "The Tensor of a TENSOR, else None; assignment copies.", NULL},
    ATTR_LIST("tensors", AttrTensors, "The tensors of a TENSORS."),
    {"tp", attr_get_view, NULL,
     "The type that a TYPE_PROTO holds, as ValueInfo.type shows it, else None; read-only.",
     (void *)TOFFEE_ATTR_TYPE_PROTO},
    {"type", attr_get_type, attr_set_type,
     "Which field counts: one of FLOAT, INT, …; changing it empties the value.", NULL},
    {"type_protos", attr_get_views, NULL, "Those of a TYPE_PROTOS, as a tuple.",
     (void *)TOFFEE_ATTR_TYPE_PROTOS},
    {NULL, NULL, NULL, NULL, NULL},
};

/* --- behaviour -------------------------------------------------------------------------------- */

/* By type: the field that counts; NULL: none. */
static const char *const attr_fields[] = {
    [TOFFEE_ATTR_UNDEFINED] = NULL,
    [TOFFEE_ATTR_FLOAT] = "f",
    [TOFFEE_ATTR_INT] = "i",
    [TOFFEE_ATTR_STRING] = "s",
    [TOFFEE_ATTR_TENSOR] = "t",
    [TOFFEE_ATTR_GRAPH] = "g",
    [TOFFEE_ATTR_FLOATS] = "floats",
    [TOFFEE_ATTR_INTS] = "ints",
    [TOFFEE_ATTR_STRINGS] = "strings",
    [TOFFEE_ATTR_TENSORS] = "tensors",
    [TOFFEE_ATTR_GRAPHS] = "graphs",
    [TOFFEE_ATTR_SPARSE_TENSOR] = "sparse_tensor",
    [TOFFEE_ATTR_SPARSE_TENSORS] = "sparse_tensors",
    [TOFFEE_ATTR_TYPE_PROTO] = "tp",
    [TOFFEE_ATTR_TYPE_PROTOS] = "type_protos",
};

PyObject *
PyToffee_Attr_Value(PyObject *attr)
{
    size_t type = (size_t)attr_of(attr)->type;
    const char *field =
        attr_of(attr)->ref == NULL && type < TOFFEE_COUNTOF(attr_fields) ? attr_fields[type] : NULL;
    PyObject *value = NULL;
    PyObject *list = NULL;

    if (field == NULL) {
        Py_RETURN_NONE;
    }
    value = PyObject_GetAttrString(attr, field);
    if (value == NULL || Py_TYPE(value) != PyToffee_StateOf(attr)->RepeatedType) {
        return value;
    }
    list = PySequence_List(value);
    Py_DECREF(value);
    return list;
}

static PyObject *
attr_repr(PyObject *self)
{
    PyObject *name = attr_get_name(self, NULL);
    PyObject *value = name != NULL ? PyToffee_Attr_Value(self) : NULL;
    PyObject *text = NULL;

    if (value != NULL && attr_of(self)->ref != NULL) {
        text = PyUnicode_FromFormat("<toffee.Attribute %U=@%s>", name, attr_of(self)->ref->text);
    }
    else if (value != NULL) {
        text = PyUnicode_FromFormat("<toffee.Attribute %U=%R>", name, value);
    }
    Py_XDECREF(name);
    Py_XDECREF(value);
    return text;
}

static PyObject *
attr_richcompare(PyObject *self, PyObject *other, int op)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    bool equal = false;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (toffee_attr_equal(attr_of(self), attr_of(other), &equal, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static PyObject *
attr_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    PyToffee_State *state = PyToffee_StateOf(self);
    PyToffee_Graph *root = PyToffee_Graph_NewRoot(state);
    toffee_attr attr = {0};
    PyObject *copy = NULL;

    if (root == NULL) {
        return NULL;
    }
    if (PyToffee_TakeAttr(root, root->graph, self, &attr) == 0) {
        copy = PyToffee_Attr_WrapFree(state, root, &attr);
    }
    Py_DECREF(root);
    return copy;
}

static PyObject *
attr_value(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyToffee_Attr_Value(self);
}

static PyMethodDef attr_methods[] = {
    {"__copy__", attr_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nA copy that belongs to no node."},
    {"__deepcopy__", attr_copy, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\nThe same as __copy__."},
    {"__reduce__", PyToffee_Reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\nFor pickle."},
    {"value", attr_value, METH_NOARGS,
     "value($self, /)\n--\n\nThe value, whichever field holds it; lists are plain lists."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot attr_slots[] = {
    {Py_tp_doc, "Attribute(**fields)\n--\n\nA named, typed constant of a node."},
    {Py_tp_new, attr_new},
    {Py_tp_init, attr_init},
    {Py_tp_dealloc, PyToffee_Part_Dealloc},
    {Py_tp_traverse, PyToffee_Part_Traverse},
    {Py_tp_getset, attr_getset},
    {Py_tp_methods, attr_methods},
    {Py_tp_repr, attr_repr},
    {Py_tp_richcompare, attr_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};

static PyType_Spec attr_spec = {
    .name = "toffee.Attribute",
    .basicsize = sizeof(PyToffee_Attr),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = attr_slots,
};

int
PyToffee_Attr_Exec(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    PyToffee_Constant rows[TOFFEE_ATTR_TYPE_PROTOS + 2] = {{NULL, 0}};

    for (long type = 0; type <= TOFFEE_ATTR_TYPE_PROTOS; type++) {
        rows[type] = (PyToffee_Constant){toffee_attr_type_name((toffee_attr_type)type), type};
    }
    if (PyToffee_AddType(module, &attr_spec, &state->AttributeType) < 0) {
        return -1;
    }
    return PyToffee_AddConstants(state->AttributeType, rows);
}
