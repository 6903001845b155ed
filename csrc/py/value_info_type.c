/* csrc/py/value_info_type.c -- toffee.ValueInfo: the name and the type of a value. */
#include "py/repeated.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "ir/equal.h"
#include "ir/print.h"

PyObject *
PyToffee_Value_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_value *value)
{
    PyToffee_Value *self = (PyToffee_Value *)PyToffee_Part_New(state->ValueInfoType, root);

    if (self != NULL) {
        self->value = value;
    }
    return (PyObject *)self;
}

static toffee_value *
value_of(PyObject *self)
{
    return ((PyToffee_Value *)self)->value;
}

static PyObject *
value_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Graph *root = state != NULL ? PyToffee_Graph_NewRoot(state) : NULL;
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_value *value = NULL;
    PyObject *self = NULL;

    if (root == NULL) {
        return NULL;
    }
    self = toffee_graph_new_value(root->graph, &value, &st) == TOFFEE_OK
               ? PyToffee_Value_Wrap(state, root, value)
               : PyToffee_Err_Set(state, &st);
    Py_DECREF(root);
    return self;
}

/* --- fields ----------------------------------------------------------------------------------- */

static PyObject *
value_get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(value_of(self)->name);
}

static int
value_set_name(PyObject *self, PyObject *text, void *Py_UNUSED(closure))
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_value *value = value_of(self);
    const toffee_str *name = NULL;

    if (PyToffee_CheckSet(text, "name") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    if (value->name != NULL) {
        PyErr_SetString(
            PyExc_ValueError,
            "the name of a value stands in every node that uses it: change it there, in "
            "node.input, node.output, graph.input and graph.output");
        return -1;
    }
    name = PyToffee_Str_FromPython(value->graph, text, "name");
    if (name == NULL) {
        return -1;
    }
    if (name->length != 0 && toffee_value_rename(value, name, &st) != TOFFEE_OK) {
        PyToffee_Err_Set(PyToffee_StateOf(self), &st);
        return -1;
    }
    return 0;
}

static PyObject *
value_get_doc(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(value_of(self)->doc);
}

static int
value_set_doc(PyObject *self, PyObject *text, void *Py_UNUSED(closure))
{
    const toffee_str *doc = NULL;

    if (PyToffee_CheckSet(text, "doc_string") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    doc = PyToffee_Str_FromPython(value_of(self)->graph, text, "doc_string");
    if (doc == NULL) {
        return -1;
    }
    value_of(self)->doc = doc->length != 0 ? doc : NULL;
    return 0;
}

static PyObject *
value_get_dtype(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong((long)value_of(self)->type.dtype);
}

static int
value_set_dtype(PyObject *self, PyObject *number_object, void *Py_UNUSED(closure))
{
    int64_t number = 0;

    if (PyToffee_CheckSet(number_object, "dtype") < 0 ||
        PyToffee_Int_FromPython(number_object, &number, "dtype") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    if (number != TOFFEE_DTYPE_UNDEFINED && !toffee_dtype_known(number)) {
        PyErr_Format(PyExc_ValueError, "%lld is no dtype: see the constants of toffee.Tensor",
                     (long long)number);
        return -1;
    }
    value_of(self)->type.dtype = (toffee_dtype)number;
    value_of(self)->type.more = NULL;
    return 0;
}

static PyObject *
dim_to_python(const toffee_dim *dim)
{
    if (dim->param != NULL) {
        return PyToffee_Str_ToPython(dim->param);
    }
    return dim->value >= 0 ? PyLong_FromLongLong(dim->value) : Py_NewRef(Py_None);
}

static PyObject *
value_get_shape(PyObject *self, void *Py_UNUSED(closure))
{
    const toffee_type *type = &value_of(self)->type;
    PyObject *shape = NULL;

    if (type->rank < 0) {
        Py_RETURN_NONE;
    }
    shape = PyTuple_New(type->rank);
    for (int32_t i = 0; shape != NULL && i < type->rank; i++) {
        PyObject *dim = dim_to_python(&type->dims[i]);

        if (dim == NULL) {
            Py_CLEAR(shape);
            break;
        }
        PyTuple_SET_ITEM(shape, i, dim);
    }
    return shape;
}

static int
dim_from_python(toffee_graph *graph, PyObject *object, toffee_dim *out)
{
    *out = (toffee_dim){.value = -1};
    if (object == Py_None) {
        return 0;
    }
    if (PyUnicode_Check(object)) {
        out->param = PyToffee_Str_FromPython(graph, object, "a dimension");
        return out->param != NULL ? 0 : -1;
    }
    if (PyToffee_Int_FromPython(object, &out->value, "a dimension (int, str or None)") < 0) {
        return -1;
    }
    if (out->value < 0) {
        PyErr_Format(PyExc_ValueError,
                     "a dimension cannot be %lld: None stands for one that is not known",
                     (long long)out->value);
        return -1;
    }
    return 0;
}

static int
value_set_shape(PyObject *self, PyObject *shape, void *Py_UNUSED(closure))
{
    toffee_value *value = value_of(self);
    PyObject *items = NULL;
    toffee_dim *dims = NULL;
    Py_ssize_t rank = 0;
    int rc = -1;

    if (PyToffee_CheckSet(shape, "shape") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    if (shape == Py_None) {
        value->type.rank = -1;
        value->type.dims = NULL;
        value->type.more = NULL;
        return 0;
    }
    if (PyUnicode_Check(shape)) {
        PyErr_SetString(PyExc_TypeError, "shape must be a sequence of int, str or None");
        return -1;
    }
    items = PySequence_Tuple(shape);
    if (items == NULL) {
        return -1;
    }
    rank = PyTuple_GET_SIZE(items);
    if (rank > TOFFEE_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "a value has at most %d dimensions", TOFFEE_MAX_RANK);
        goto done;
    }
    dims = toffee_arena_calloc(value->graph->arena, (size_t)rank, sizeof(*dims));
    if (dims == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < rank; i++) {
        if (dim_from_python(value->graph, PyTuple_GET_ITEM(items, i), &dims[i]) < 0) {
            goto done;
        }
    }
    /* Once more: an element's __index__ may have let another thread begin to write the graph. */
    if (PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        goto done;
    }
    value->type.rank = (int32_t)rank;
    value->type.dims = dims;
    value->type.more = NULL;
    rc = 0;
done:
    Py_DECREF(items);
    return rc;
}

/* --- the view `type` -------------------------------------------------------------------------- */

/* A named tuple of the two fields A and B (B may be NULL: one field). Takes both references, and
 * accepts NULL with an exception set for either. */
static PyObject *
view_make(PyTypeObject *type, PyObject *a, PyObject *b, Py_ssize_t n)
{
    PyObject *view = a != NULL && (b != NULL || n == 1) ? PyStructSequence_New(type) : NULL;

    if (view == NULL) {
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    PyStructSequence_SET_ITEM(view, 0, a);
    if (n == 2) {
        PyStructSequence_SET_ITEM(view, 1, b);
    }
    return view;
}

static PyObject *
view_dims(PyToffee_State *state, const toffee_type *type)
{
    PyObject *dims = PyTuple_New(type->rank);

    for (int32_t i = 0; dims != NULL && i < type->rank; i++) {
        const toffee_dim *dim = &type->dims[i];
        PyObject *view = view_make(state->TypeViews[PYTOFFEE_VIEW_DIM],
                                   PyLong_FromLongLong(dim->value >= 0 ? dim->value : 0),
                                   PyToffee_Str_ToPython(dim->param), 2);

        if (view == NULL) {
            Py_CLEAR(dims);
            break;
        }
        PyTuple_SET_ITEM(dims, i, view);
    }
    return dims;
}

static PyObject *
view_tensor(PyToffee_State *state, const toffee_type *type)
{
    PyObject *elem_type = PyLong_FromLong((long)type->dtype);
    PyObject *shape = NULL;

    if (elem_type != NULL) {
        shape = type->rank >= 0 ? view_make(state->TypeViews[PYTOFFEE_VIEW_SHAPE],
                                            view_dims(state, type), NULL, 1)
                                : Py_NewRef(Py_None);
    }
    return view_make(state->TypeViews[PYTOFFEE_VIEW_TENSOR], elem_type, shape, 2);
}

/* What is in a type that is no tensor's. */
static PyObject *
view_more(PyToffee_State *state, const toffee_type_more *more)
{
    static const toffee_type nothing = {.rank = -1};
    const toffee_type *elem = more->elem != NULL ? more->elem : &nothing;
    PyObject *view = NULL;

    if (Py_EnterRecursiveCall(" while showing a type")) {
        return NULL;
    }
    if (more->kind == TOFFEE_TYPE_IS_SPARSE) {
        view = view_tensor(state, elem);
    }
    else if (more->kind == TOFFEE_TYPE_IS_MAP) {
        PyObject *key = PyLong_FromLong((long)more->key);
        PyObject *value = key != NULL ? PyToffee_Type_View(state, elem) : NULL;

        view = view_make(state->TypeViews[PYTOFFEE_VIEW_MAP], key, value, 2);
    }
    else {
        view = view_make(state->TypeViews[PYTOFFEE_VIEW_ELEM], PyToffee_Type_View(state, elem),
                         NULL, 1);
    }
    Py_LeaveRecursiveCall();
    return view;
}

/* Fields of the view by kind; the first is there for every type, as in ONNX. */
static const char *const type_names[] = {
    [TOFFEE_TYPE_IS_TENSOR] = "tensor_type",        [TOFFEE_TYPE_IS_SEQUENCE] = "sequence_type",
    [TOFFEE_TYPE_IS_OPTIONAL] = "optional_type",    [TOFFEE_TYPE_IS_MAP] = "map_type",
    [TOFFEE_TYPE_IS_SPARSE] = "sparse_tensor_type", [TOFFEE_TYPE_IS_OPAQUE] = "",
};
#define VIEW_WHICH TOFFEE_TYPE_IS_OPAQUE /* the field after those */

PyObject *
PyToffee_Type_View(PyToffee_State *state, const toffee_type *type)
{
    toffee_type_kind kind = toffee_type_get_kind(type);
    bool known =
        kind != TOFFEE_TYPE_IS_TENSOR || type->dtype != TOFFEE_DTYPE_UNDEFINED || type->rank >= 0;
    PyObject *view = PyStructSequence_New(state->TypeViews[PYTOFFEE_VIEW_TYPE]);
    PyObject *field = view != NULL ? view_tensor(state, type) : NULL;

    if (field == NULL) {
        Py_XDECREF(view);
        return NULL;
    }
    PyStructSequence_SET_ITEM(view, TOFFEE_TYPE_IS_TENSOR, field);
    for (int i = TOFFEE_TYPE_IS_SEQUENCE; i < VIEW_WHICH; i++) {
        field = (int)kind == i ? view_more(state, type->more) : Py_NewRef(Py_None);
        if (field == NULL) {
            Py_DECREF(view);
            return NULL;
        }
        PyStructSequence_SET_ITEM(view, i, field);
    }
    field = PyUnicode_FromString(known ? type_names[kind] : "");
    if (field == NULL) {
        Py_CLEAR(view);
    }
    else {
        PyStructSequence_SET_ITEM(view, VIEW_WHICH, field);
    }
    return view;
}

static PyObject *
value_get_type(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Type_View(PyToffee_StateOf(self), &value_of(self)->type);
}

static PyGetSetDef value_getset[] = {
    {"doc_string", value_get_doc, value_set_doc, "Text for people.", NULL},
    {"dtype", value_get_dtype, value_set_dtype,
     "Element type: a constant of toffee.Tensor, 0 if not known.", NULL},
    {"name", value_get_name, value_set_name, "Name of the value.", NULL},
    {"shape", value_get_shape, value_set_shape,
     "A tuple with an int, a symbol (str) or None for each dimension; None: rank not known.", NULL},
    {"type", value_get_type, NULL,
     "Read-only view as ONNX has it: type.tensor_type.elem_type, .shape.dim[i].dim_value, "
     ".dim_param; type.which names the field that is there: tensor_type, sequence_type, "
     "optional_type, map_type, sparse_tensor_type, or ''.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* --- behaviour -------------------------------------------------------------------------------- */

/* "Sequence(Float(3))": a type that is no tensor's. */
static PyObject *
value_type_text(PyObject *self)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_arena *scratch = toffee_arena_new();
    char *text = NULL;
    size_t length = 0;
    PyObject *result = NULL;

    if (scratch == NULL) {
        return PyErr_NoMemory();
    }
    if (toffee_print_type(&value_of(self)->type, scratch, &text, &length, &st) == TOFFEE_OK) {
        result = PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "backslashreplace");
    }
    else {
        PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    toffee_arena_free(scratch);
    return result;
}

static PyObject *
value_repr(PyObject *self)
{
    const toffee_type *type = &value_of(self)->type;
    bool tensor = toffee_type_get_kind(type) == TOFFEE_TYPE_IS_TENSOR;
    PyObject *name = value_get_name(self, NULL);
    PyObject *shape = tensor ? value_get_shape(self, NULL) : value_type_text(self);
    PyObject *text = NULL;

    if (name != NULL && shape != NULL) {
        text = tensor ? PyUnicode_FromFormat("<toffee.ValueInfo %R %s %R>", name,
                                             toffee_dtype_get(type->dtype)->name, shape)
                      : PyUnicode_FromFormat("<toffee.ValueInfo %R %U>", name, shape);
    }
    Py_XDECREF(name);
    Py_XDECREF(shape);
    return text;
}

static PyObject *
value_richcompare(PyObject *self, PyObject *other, int op)
{
    const toffee_value *a = NULL;
    const toffee_value *b = NULL;
    bool equal = false;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    a = value_of(self);
    b = value_of(other);
    equal = PyToffee_Str_Equal(a->name, b->name) && PyToffee_Str_Equal(a->doc, b->doc) &&
            toffee_type_equal(&a->type, &b->type) && a->extra.n == b->extra.n &&
            (a->extra.n == 0 || memcmp(a->extra.data, b->extra.data, a->extra.n) == 0);
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static PyObject *
value_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    PyToffee_State *state = PyToffee_StateOf(self);
    PyToffee_Graph *root = NULL;
    toffee_value *value = NULL;
    PyObject *copy = NULL;

    root = PyToffee_Graph_NewRoot(state);
    if (root == NULL) {
        return NULL;
    }
    value = PyToffee_DeclareValue(root->graph, value_of(self));
    if (value != NULL) {
        copy = PyToffee_Value_Wrap(state, root, value);
    }
    Py_DECREF(root);
    return copy;
}

static PyMethodDef value_methods[] = {
    {"__copy__", value_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nA copy that belongs to no graph."},
    {"__deepcopy__", value_copy, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\nThe same as __copy__."},
    {"__reduce__", PyToffee_Reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\nFor pickle."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot value_slots[] = {
    {Py_tp_doc, "ValueInfo(**fields)\n--\n\nThe name and the type of a value."},
    {Py_tp_new, value_new},
    {Py_tp_init, PyToffee_InitFromKeywords},
    {Py_tp_dealloc, PyToffee_Part_Dealloc},
    {Py_tp_traverse, PyToffee_Part_Traverse},
    {Py_tp_getset, value_getset},
    {Py_tp_methods, value_methods},
    {Py_tp_repr, value_repr},
    {Py_tp_richcompare, value_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};

static PyType_Spec value_spec = {
    .name = "toffee.ValueInfo",
    .basicsize = sizeof(PyToffee_Value),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = value_slots,
};

static PyStructSequence_Field type_fields[] = {
    {"tensor_type", "What a tensor is made of; of unknown type if it is none."},
    {"sequence_type", "What a sequence is made of, or None."},
    {"optional_type", "What may be there, or None."},
    {"map_type", "Keys and values of a map, or None."},
    {"sparse_tensor_type", "What a sparse tensor is made of, or None."},
    {"which", "Name of the one field that is there, or ''."},
    {NULL, NULL}};
static PyStructSequence_Field tensor_fields[] = {
    {"elem_type", "A constant of toffee.Tensor."},
    {"shape", "The dimensions, or None when not even their number is known."},
    {NULL, NULL}};
static PyStructSequence_Field shape_fields[] = {{"dim", "One for each dimension."}, {NULL, NULL}};
static PyStructSequence_Field dim_fields[] = {{"dim_value", "The size; 0 when it is no number."},
                                              {"dim_param", "Its symbol, or ''."},
                                              {NULL, NULL}};

static PyStructSequence_Field elem_fields[] = {{"elem_type", "The type of what is inside."},
                                               {NULL, NULL}};
static PyStructSequence_Field map_fields[] = {{"key_type", "A constant of toffee.Tensor."},
                                              {"value_type", "The type of the values."},
                                              {NULL, NULL}};
static PyStructSequence_Field sparse_fields[] = {
    {"values", "The elements that are not zero, as a Tensor."},
    {"indices", "Where they stand, as a Tensor, or None."},
    {"dims", "Sizes of the whole."},
    {NULL, NULL}};

/* Of the first, what is no tensor is found by name only: as a tuple it has one element. */
static PyStructSequence_Desc view_descs[] = {
    [PYTOFFEE_VIEW_TYPE] = {"toffee.TypeView", NULL, type_fields, 1},
    [PYTOFFEE_VIEW_TENSOR] = {"toffee.TensorTypeView", NULL, tensor_fields, 2},
    [PYTOFFEE_VIEW_SHAPE] = {"toffee.ShapeView", NULL, shape_fields, 1},
    [PYTOFFEE_VIEW_DIM] = {"toffee.DimView", NULL, dim_fields, 2},
    [PYTOFFEE_VIEW_ELEM] = {"toffee.ElemTypeView", NULL, elem_fields, 1},
    [PYTOFFEE_VIEW_MAP] = {"toffee.MapTypeView", NULL, map_fields, 2},
    [PYTOFFEE_VIEW_SPARSE] = {"toffee.SparseTensorView", NULL, sparse_fields, 3},
};

int
PyToffee_Value_Exec(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);

    for (size_t i = 0; i < TOFFEE_COUNTOF(view_descs); i++) {
        state->TypeViews[i] = PyStructSequence_NewType(&view_descs[i]);
        if (state->TypeViews[i] == NULL) {
            return -1;
        }
    }
    return PyToffee_AddType(module, &value_spec, &state->ValueInfoType);
}
