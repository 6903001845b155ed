/* csrc/py/tensor_type.c -- toffee.Tensor: dims, element type and bytes that agree at all times. */
#include "py/repeated.h"

#include "base/dtype.h"
#include "bridge/ndarray.h"
#include "bridge/pyerr.h"

/* bytes objects up to this size are copied into the arena, larger ones are kept. */
#define TENSOR_COPY_BYTES 4096

PyObject *
PyToffee_Tensor_Wrap(PyToffee_State *state, PyToffee_Graph *root, toffee_graph *graph,
                     toffee_tensor *tensor)
{
    PyToffee_Tensor *self = (PyToffee_Tensor *)PyToffee_Part_New(state->TensorType, root);

    if (self != NULL) {
        self->graph = graph;
        self->tensor = tensor;
    }
    return (PyObject *)self;
}

static toffee_tensor *
tensor_of(PyObject *self)
{
    return ((PyToffee_Tensor *)self)->tensor;
}

static PyObject *
tensor_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Graph *root = state != NULL ? PyToffee_Graph_NewRoot(state) : NULL;
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_tensor *tensor = NULL;
    const int64_t none = 0;
    PyObject *self = NULL;

    if (root == NULL) {
        return NULL;
    }
    self = toffee_tensor_new(root->graph->arena, NULL, TOFFEE_DTYPE_FLOAT, &none, 1, NULL, &tensor,
                             &st) == TOFFEE_OK
               ? PyToffee_Tensor_Wrap(state, root, root->graph, tensor)
               : PyToffee_Err_Set(state, &st);
    Py_DECREF(root);
    return self;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Gives TENSOR the bytes of OBJECT. A large bytes object is shared, anything else copied. */
static int
tensor_take_raw(PyToffee_Tensor *self, toffee_tensor *tensor, PyObject *object)
{
    Py_buffer view = {0};
    const void *data = NULL;
    int rc = -1;

    if (tensor->dtype == TOFFEE_DTYPE_STRING) {
        PyErr_SetString(PyExc_ValueError, "a tensor of strings has string_data, not raw_data");
        return -1;
    }
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if ((uint64_t)view.len != tensor->n_bytes) {
        PyErr_Format(PyExc_ValueError,
                     "raw_data has %zd bytes, but the dims and data_type of the tensor need %llu: "
                     "make a new tensor with Tensor(dims=, data_type=, raw_data=) instead",
                     view.len, (unsigned long long)tensor->n_bytes);
        goto done;
    }
    if (PyBytes_CheckExact(object) && view.len > TENSOR_COPY_BYTES) {
        if (PyToffee_Graph_Keep(PyToffee_RootOf((PyObject *)self), object) < 0) {
            goto done;
        }
        data = view.buf;
    }
    else {
        data = toffee_arena_copy(self->graph->arena, view.buf, (size_t)view.len);
        if (data == NULL) {
            PyErr_NoMemory();
            goto done;
        }
    }
    tensor->data = data;
    tensor->source = NULL;
    tensor->source_ctx = NULL;
    rc = 0;
done:
    PyBuffer_Release(&view);
    return rc;
}

/* Gives TENSOR the strings in OBJECT, a sequence of bytes or str. */
static int
tensor_take_strings(PyToffee_Tensor *self, toffee_tensor *tensor, PyObject *object)
{
    PyObject *items = NULL;
    toffee_bytes *strings = NULL;
    int rc = -1;

    if (tensor->dtype != TOFFEE_DTYPE_STRING) {
        PyErr_SetString(PyExc_ValueError, "only a tensor of data_type STRING has string_data");
        return -1;
    }
    items = PySequence_Tuple(object);
    if (items == NULL) {
        return -1;
    }
    if ((uint64_t)PyTuple_GET_SIZE(items) != tensor->n_elements) {
        PyErr_Format(PyExc_ValueError, "string_data has %zd elements, but dims need %llu",
                     PyTuple_GET_SIZE(items), (unsigned long long)tensor->n_elements);
        goto done;
    }
    strings = toffee_arena_calloc(self->graph->arena, (size_t)tensor->n_elements, sizeof(*strings));
    if (strings == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        if (PyToffee_Bytes_FromPython(self->graph, PyTuple_GET_ITEM(items, i), &strings[i],
                                      "an element of string_data") < 0) {
            goto done;
        }
    }
    tensor->strings = strings;
    rc = 0;
done:
    Py_DECREF(items);
    return rc;
}

/* DIMS_OBJECT, a sequence of ints, into DIMS. The rank, or -1. */
static int32_t
tensor_parse_dims(PyObject *dims_object, int64_t *dims)
{
    PyObject *items = PySequence_Tuple(dims_object);
    Py_ssize_t rank = 0;

    if (items == NULL) {
        return -1;
    }
    rank = PyTuple_GET_SIZE(items);
    if (rank > TOFFEE_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "a tensor has at most %d dimensions", TOFFEE_MAX_RANK);
        rank = -1;
    }
    for (Py_ssize_t i = 0; i < rank; i++) {
        if (PyToffee_Int_FromPython(PyTuple_GET_ITEM(items, i), &dims[i], "a dimension") < 0) {
            rank = -1;
        }
    }
    Py_DECREF(items);
    return (int32_t)rank;
}

static int
tensor_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "dims", "data_type", "raw_data", "string_data", NULL};
    PyToffee_Tensor *self = (PyToffee_Tensor *)object;
    toffee_status st = TOFFEE_STATUS_INIT;
    PyObject *name_object = NULL; /* borrowed, as are the next three */
    PyObject *dims_object = NULL;
    PyObject *raw_data = NULL;
    PyObject *string_data = NULL;
    const toffee_str *name = NULL;
    toffee_tensor *tensor = NULL;
    int64_t dims[TOFFEE_MAX_RANK] = {0};
    int32_t rank = 1;
    int data_type = TOFFEE_DTYPE_FLOAT;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$UOiOO:Tensor", names, &name_object,
                                     &dims_object, &data_type, &raw_data, &string_data)) {
        return -1;
    }
    if (PyToffee_Graph_BeginEdit(PyToffee_RootOf(object)) < 0) {
        return -1;
    }
    if (name_object != NULL) {
        name = PyToffee_Str_FromPython(self->graph, name_object, "name");
        if (name == NULL) {
            return -1;
        }
    }
    if (dims_object != NULL && dims_object != Py_None) {
        rank = tensor_parse_dims(dims_object, dims);
        if (rank < 0) {
            return -1;
        }
    }
    if (!toffee_dtype_known(data_type)) {
        PyErr_Format(PyExc_ValueError, "%d is no data_type", data_type);
        return -1;
    }
    if (toffee_tensor_new(self->graph->arena, name, (toffee_dtype)data_type, dims, rank, NULL,
                          &tensor, &st) != TOFFEE_OK) {
        PyToffee_Err_Set(PyToffee_StateOf(object), &st);
        return -1;
    }
    if (raw_data != NULL && tensor_take_raw(self, tensor, raw_data) < 0) {
        return -1;
    }
    if (string_data != NULL && tensor_take_strings(self, tensor, string_data) < 0) {
        return -1;
    }
    if (tensor->n_elements != 0 && raw_data == NULL && string_data == NULL) {
        PyErr_Format(PyExc_ValueError, "%llu elements need %s",
                     (unsigned long long)tensor->n_elements,
                     tensor->dtype == TOFFEE_DTYPE_STRING ? "string_data" : "raw_data");
        return -1;
    }
    *self->tensor = *tensor;
    return 0;
}

/* --- the buffer behind raw_data ----------------------------------------------------------------
 */

/* Not Tensor itself: as a buffer it would be taken for an array of bytes by numpy.asarray. */
typedef struct {
    PyObject_HEAD
    PyToffee_Graph *root;
    const void *data;
    Py_ssize_t n_bytes;
} PyToffee_Bytes;

static int
bytes_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    PyToffee_Bytes *bytes = (PyToffee_Bytes *)self;

    return PyBuffer_FillInfo(view, self, (void *)(uintptr_t)bytes->data, bytes->n_bytes, 1, flags);
}

static PyType_Slot bytes_slots[] = {
    {Py_tp_doc, "The bytes of a tensor, as a read-only buffer."},
    {Py_tp_dealloc, PyToffee_Part_Dealloc},
    {Py_tp_traverse, PyToffee_Part_Traverse},
    {Py_bf_getbuffer, bytes_getbuffer},
    {0, NULL},
};

static PyType_Spec bytes_spec = {
    .name = "toffee._core.TensorBytes",
    .basicsize = sizeof(PyToffee_Bytes),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bytes_slots,
};

/* A bytes object with what has to be fetched. */
static PyObject *
tensor_fetched(PyObject *self)
{
    const toffee_tensor *tensor = tensor_of(self);
    toffee_status st = TOFFEE_STATUS_INIT;
    const void *data = NULL;
    PyObject *bytes = NULL;

    if (toffee_tensor_hold(tensor, &data, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)tensor->n_bytes);
    toffee_tensor_let_go(tensor);
    return bytes;
}

static PyObject *
tensor_get_raw_data(PyObject *self, void *Py_UNUSED(closure))
{
    const toffee_tensor *tensor = tensor_of(self);
    PyObject *exporter = NULL;
    PyObject *view = NULL;

    if (tensor->source != NULL) {
        exporter = tensor_fetched(self);
    }
    else if (tensor->n_bytes != 0 && tensor->data == NULL) {
        PyErr_Format(PyExc_ValueError, "tensor '%s' has no data", toffee_str_text(tensor->name));
    }
    else {
        PyToffee_Bytes *bytes = (PyToffee_Bytes *)PyToffee_Part_New(
            PyToffee_StateOf(self)->BytesType, PyToffee_RootOf(self));

        if (bytes != NULL) {
            bytes->data = tensor->n_bytes != 0 ? tensor->data : "";
            bytes->n_bytes = (Py_ssize_t)tensor->n_bytes;
        }
        exporter = (PyObject *)bytes;
    }
    if (exporter != NULL) {
        view = PyMemoryView_FromObject(exporter);
        Py_DECREF(exporter);
    }
    return view;
}

static int
tensor_set_raw_data(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (PyToffee_CheckSet(value, "raw_data") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    return tensor_take_raw((PyToffee_Tensor *)self, tensor_of(self), value);
}

/* --- other fields ----------------------------------------------------------------------------- */

static PyObject *
tensor_get_string_data(PyObject *self, void *Py_UNUSED(closure))
{
    const toffee_tensor *tensor = tensor_of(self);
    Py_ssize_t n = tensor->strings != NULL ? (Py_ssize_t)tensor->n_elements : 0;
    PyObject *tuple = PyTuple_New(n);

    for (Py_ssize_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *item = PyToffee_Bytes_ToPython(&tensor->strings[i]);

        if (item == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, item);
    }
    return tuple;
}

static int
tensor_set_string_data(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (PyToffee_CheckSet(value, "string_data") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    return tensor_take_strings((PyToffee_Tensor *)self, tensor_of(self), value);
}

static PyObject *
tensor_get_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(tensor_of(self)->name);
}

static int
tensor_set_name(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    PyToffee_Tensor *tensor = (PyToffee_Tensor *)self;
    const toffee_str *name = NULL;
    toffee_value *named = NULL;

    if (PyToffee_CheckSet(value, "name") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    name = PyToffee_Str_FromPython(tensor->graph, value, "name");
    if (name == NULL) {
        return -1;
    }
    for (size_t i = 0; i < tensor->graph->initializers.n; i++) {
        /* An initializer stands for the value of its name, so there must be one. */
        if (tensor->graph->initializers.data[i] == tensor->tensor) {
            if (name->length == 0) {
                PyErr_SetString(PyExc_ValueError, "an initializer needs a name");
                return -1;
            }
            if (toffee_graph_value(tensor->graph, name, &named, NULL) != TOFFEE_OK) {
                PyErr_NoMemory();
                return -1;
            }
            break;
        }
    }
    tensor->tensor->name = name;
    return 0;
}

static PyObject *
tensor_get_doc(PyObject *self, void *Py_UNUSED(closure))
{
    return PyToffee_Str_ToPython(tensor_of(self)->doc);
}

static PyObject *
tensor_get_data_type(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong((long)tensor_of(self)->dtype);
}

static int
tensor_set_data_type(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    toffee_tensor *tensor = tensor_of(self);
    int64_t number = 0;

    if (PyToffee_CheckSet(value, "data_type") < 0 ||
        PyToffee_Int_FromPython(value, &number, "data_type") < 0 ||
        PyToffee_Graph_BeginEdit(PyToffee_RootOf(self)) < 0) {
        return -1;
    }
    if (!toffee_dtype_known(number)) {
        PyErr_Format(PyExc_ValueError, "%lld is no data_type", (long long)number);
        return -1;
    }
    if (tensor->n_elements != 0 && (toffee_dtype_get((toffee_dtype)number)->n_bytes !=
                                        toffee_dtype_get(tensor->dtype)->n_bytes ||
                                    toffee_dtype_get((toffee_dtype)number)->packed_bits !=
                                        toffee_dtype_get(tensor->dtype)->packed_bits)) {
        PyErr_Format(
            PyExc_ValueError,
            "data_type %s has another size than %s: convert the values with NumPy and make "
            "a new tensor with toffee.numpy_helper.from_array",
            toffee_dtype_get((toffee_dtype)number)->name, toffee_dtype_get(tensor->dtype)->name);
        return -1;
    }
    tensor->dtype = (toffee_dtype)number;
    return 0;
}

static PyGetSetDef tensor_getset[] = {
    {"data_type", tensor_get_data_type, tensor_set_data_type,
     "Element type: one of FLOAT, INT64, …; may change to one of the same size.", NULL},
    {"dims", PyToffee_Repeated_Get, PyToffee_Repeated_Set,
     "Sizes; may be regrouped, not made more or fewer elements.",
     (void *)&PyToffee_Kind_TensorDims},
    {"doc_string", tensor_get_doc, NULL, "Text for people; spaces at its end are padding.", NULL},
    {"name", tensor_get_name, tensor_set_name, "Name; an initializer gives the value so named.",
     NULL},
    {"raw_data", tensor_get_raw_data, tensor_set_raw_data,
     "The elements, row-major and little-endian, as a read-only memoryview without a copy. Set it "
     "to as many bytes.",
     NULL},
    {"string_data", tensor_get_string_data, tensor_set_string_data,
     "The elements of a STRING tensor, as a tuple of bytes.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* --- behaviour -------------------------------------------------------------------------------- */

static PyObject *
tensor_numpy(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    /* The base is the root, not this view: the array needs the memory, not the names. */
    return PyToffee_NDArray_FromTensor(PyToffee_StateOf(self), tensor_of(self),
                                       (PyObject *)PyToffee_RootOf(self));
}

static PyObject *
tensor_array(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"dtype", "copy", NULL};
    PyObject *dtype = Py_None; /* borrowed */
    PyObject *copy = Py_None;  /* borrowed */
    PyObject *array = NULL;
    PyObject *result = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:__array__", names, &dtype, &copy)) {
        return NULL;
    }
    array = tensor_numpy(self, NULL);
    if (array == NULL || (dtype == Py_None && copy != Py_True)) {
        return array;
    }
    result = dtype != Py_None ? PyObject_CallMethod(array, "astype", "O", dtype)
                              : PyObject_CallMethod(array, "copy", NULL);
    Py_DECREF(array);
    return result;
}

static PyObject *
tensor_from_numpy(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"array", "name", NULL};
    PyToffee_State *state = PyToffee_TypeState((PyTypeObject *)type);
    PyObject *array = NULL;       /* borrowed */
    PyObject *name_object = NULL; /* borrowed */
    PyToffee_Graph *root = NULL;
    const toffee_str *name = NULL;
    toffee_tensor *tensor = NULL;
    PyObject *self = NULL;

    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "O|U:from_numpy", names, &array, &name_object)) {
        return NULL;
    }
    root = PyToffee_Graph_NewRoot(state);
    if (root == NULL) {
        return NULL;
    }
    if (name_object != NULL) {
        name = PyToffee_Str_FromPython(root->graph, name_object, "name");
    }
    if (name != NULL || name_object == NULL) {
        tensor = PyToffee_NDArray_ToTensor(state, root->graph, name, array);
    }
    if (tensor != NULL) {
        self = PyToffee_Tensor_Wrap(state, root, root->graph, tensor);
    }
    Py_DECREF(root);
    return self;
}

static PyObject *
tensor_repr(PyObject *self)
{
    const toffee_tensor *tensor = tensor_of(self);
    PyObject *name = PyToffee_Str_ToPython(tensor->name);
    PyObject *dims = PyToffee_Repeated_Get(self, (void *)&PyToffee_Kind_TensorDims);
    PyObject *text = NULL;

    if (name != NULL && dims != NULL) {
        text = PyUnicode_FromFormat("<toffee.Tensor %R %s %R>", name,
                                    toffee_dtype_get(tensor->dtype)->name, dims);
    }
    Py_XDECREF(name);
    Py_XDECREF(dims);
    return text;
}

static PyObject *
tensor_richcompare(PyObject *self, PyObject *other, int op)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    bool equal = false;

    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != Py_TYPE(self)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (toffee_tensor_equal(tensor_of(self), tensor_of(other), &equal, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(PyToffee_StateOf(self), &st);
    }
    equal = equal && PyToffee_Str_Equal(tensor_of(self)->name, tensor_of(other)->name);
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static PyObject *
tensor_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    PyToffee_State *state = PyToffee_StateOf(self);
    PyToffee_Graph *root = PyToffee_Graph_NewRoot(state);
    toffee_tensor *tensor = NULL;
    PyObject *copy = NULL;

    if (root == NULL) {
        return NULL;
    }
    tensor = PyToffee_TakeTensor(root, root->graph, self);
    if (tensor != NULL) {
        copy = PyToffee_Tensor_Wrap(state, root, root->graph, tensor);
    }
    Py_DECREF(root);
    return copy;
}

static PyMethodDef tensor_methods[] = {
    {"__array__", (PyCFunction)(void (*)(void))tensor_array, METH_VARARGS | METH_KEYWORDS,
     "__array__($self, dtype=None, copy=None)\n--\n\nFor numpy.asarray."},
    {"__copy__", tensor_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nA copy that belongs to no graph."},
    {"__deepcopy__", tensor_copy, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\nThe same as __copy__."},
    {"__reduce__", PyToffee_Reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\nFor pickle."},
    {"from_numpy", (PyCFunction)(void (*)(void))tensor_from_numpy,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "from_numpy($type, array, name='')\n--\n\nA tensor with a copy of array."},
    {"numpy", tensor_numpy, METH_NOARGS,
     "numpy($self, /)\n--\n\nA read-only ndarray of shape dims that shares the tensor's memory."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_doc, "Tensor(*, name='', dims=None, data_type=1, raw_data=b'', string_data=())\n--\n\n"
                "A named array. dims, data_type and bytes agree at all times."},
    {Py_tp_new, tensor_new},
    {Py_tp_init, tensor_init},
    {Py_tp_dealloc, PyToffee_Part_Dealloc},
    {Py_tp_traverse, PyToffee_Part_Traverse},
    {Py_tp_getset, tensor_getset},
    {Py_tp_methods, tensor_methods},
    {Py_tp_repr, tensor_repr},
    {Py_tp_richcompare, tensor_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};

static PyType_Spec tensor_spec = {
    .name = "toffee.Tensor",
    .basicsize = sizeof(PyToffee_Tensor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = tensor_slots,
};

int
PyToffee_Tensor_Exec(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    PyToffee_Constant rows[TOFFEE_N_DTYPES + 1] = {{NULL, 0}};

    for (long dtype = 0; dtype < TOFFEE_N_DTYPES; dtype++) {
        rows[dtype] = (PyToffee_Constant){toffee_dtype_get((toffee_dtype)dtype)->name, dtype};
    }
    state->BytesType = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bytes_spec, NULL);
    if (state->BytesType == NULL ||
        PyToffee_AddType(module, &tensor_spec, &state->TensorType) < 0) {
        return -1;
    }
    return PyToffee_AddConstants(state->TensorType, rows);
}
