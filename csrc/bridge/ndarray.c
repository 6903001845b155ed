/* csrc/bridge/ndarray.c */
#include "bridge/ndarray.h"

#include <string.h>

#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#include <numpy/arrayobject.h>

#include "bridge/pyerr.h"

/* The format is little-endian and arrays share its bytes. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "toffee needs a little-endian machine");

/* NumPy's number of each dtype; NPY_NOTYPE: ml_dtypes has it, under toffee_dtype_numpy_name. */
static const int numpy_types[TOFFEE_N_DTYPES] = {
    [TOFFEE_DTYPE_UNDEFINED] = NPY_NOTYPE,      [TOFFEE_DTYPE_FLOAT] = NPY_FLOAT32,
    [TOFFEE_DTYPE_UINT8] = NPY_UINT8,           [TOFFEE_DTYPE_INT8] = NPY_INT8,
    [TOFFEE_DTYPE_UINT16] = NPY_UINT16,         [TOFFEE_DTYPE_INT16] = NPY_INT16,
    [TOFFEE_DTYPE_INT32] = NPY_INT32,           [TOFFEE_DTYPE_INT64] = NPY_INT64,
    [TOFFEE_DTYPE_STRING] = NPY_OBJECT,         [TOFFEE_DTYPE_BOOL] = NPY_BOOL,
    [TOFFEE_DTYPE_FLOAT16] = NPY_FLOAT16,       [TOFFEE_DTYPE_DOUBLE] = NPY_FLOAT64,
    [TOFFEE_DTYPE_UINT32] = NPY_UINT32,         [TOFFEE_DTYPE_UINT64] = NPY_UINT64,
    [TOFFEE_DTYPE_COMPLEX64] = NPY_COMPLEX64,   [TOFFEE_DTYPE_COMPLEX128] = NPY_COMPLEX128,
    [TOFFEE_DTYPE_BFLOAT16] = NPY_NOTYPE,       [TOFFEE_DTYPE_FLOAT8E4M3FN] = NPY_NOTYPE,
    [TOFFEE_DTYPE_FLOAT8E4M3FNUZ] = NPY_NOTYPE, [TOFFEE_DTYPE_FLOAT8E5M2] = NPY_NOTYPE,
    [TOFFEE_DTYPE_FLOAT8E5M2FNUZ] = NPY_NOTYPE, [TOFFEE_DTYPE_UINT4] = NPY_NOTYPE,
    [TOFFEE_DTYPE_INT4] = NPY_NOTYPE,           [TOFFEE_DTYPE_FLOAT4E2M1] = NPY_NOTYPE,
    [TOFFEE_DTYPE_FLOAT8E8M0] = NPY_NOTYPE,     [TOFFEE_DTYPE_UINT2] = NPY_NOTYPE,
    [TOFFEE_DTYPE_INT2] = NPY_NOTYPE,           [TOFFEE_DTYPE_FLOAT6E2M3] = NPY_NOTYPE,
    [TOFFEE_DTYPE_FLOAT6E3M2] = NPY_NOTYPE,
};

/* 0, or -1 with ImportError. Costs a comparison after the first call. */
static int
numpy_ready(void)
{
    return PyArray_ImportNumPyAPI();
}

/* The dtype called NAME of ml_dtypes. New reference. */
static PyArray_Descr *
descr_from_ml_dtypes(const char *name)
{
    PyObject *module = PyImport_ImportModule("ml_dtypes");
    PyObject *type = NULL;
    PyArray_Descr *descr = NULL;

    if (module == NULL) {
        if (PyErr_ExceptionMatches(PyExc_ImportError)) {
            PyErr_Format(
                PyExc_ImportError,
                "NumPy has no %s of its own: pip install ml_dtypes, or read the bytes from "
                "raw_data",
                name);
        }
        return NULL;
    }
    type = PyObject_GetAttrString(module, name);
    if (type != NULL && !PyArray_DescrConverter(type, &descr)) {
        descr = NULL;
    }
    Py_XDECREF(type);
    Py_DECREF(module);
    return descr;
}

static PyArray_Descr *
descr_of(const toffee_tensor *tensor)
{
    int number = toffee_dtype_known(tensor->dtype) ? numpy_types[tensor->dtype] : NPY_NOTYPE;

    if (number != NPY_NOTYPE) {
        return PyArray_DescrFromType(number);
    }
    if (tensor->dtype == TOFFEE_DTYPE_UNDEFINED || !toffee_dtype_known(tensor->dtype)) {
        PyErr_Format(PyExc_ValueError, "tensor '%s' has no element type",
                     toffee_str_text(tensor->name));
        return NULL;
    }
    return descr_from_ml_dtypes(toffee_dtype_numpy_name(tensor->dtype));
}

static PyObject *
array_from_strings(const toffee_tensor *tensor, const npy_intp *dims)
{
    PyObject *array = PyArray_SimpleNew(tensor->rank, dims, NPY_OBJECT);
    PyObject **slots = array != NULL ? PyArray_DATA((PyArrayObject *)array) : NULL;

    if (array == NULL) {
        return NULL;
    }
    if (tensor->strings == NULL && tensor->n_elements != 0) {
        PyErr_Format(PyExc_ValueError, "tensor '%s' has no data", toffee_str_text(tensor->name));
        Py_DECREF(array);
        return NULL;
    }
    for (uint64_t i = 0; i < tensor->n_elements; i++) {
        PyObject *text = PyUnicode_DecodeUTF8((const char *)tensor->strings[i].data,
                                              (Py_ssize_t)tensor->strings[i].n, "surrogateescape");

        if (text == NULL) {
            Py_DECREF(array);
            return NULL;
        }
        Py_XSETREF(slots[i], text);
    }
    PyArray_CLEARFLAGS((PyArrayObject *)array, NPY_ARRAY_WRITEABLE);
    return array;
}

/* An array with a copy of what the tensor holds: bytes that have to be fetched, or elements that
 * are packed, which ml_dtypes has a byte each for. Takes the reference to DESCR. */
static PyObject *
array_copied(PyToffee_State *state, const toffee_tensor *tensor, PyArray_Descr *descr,
             const npy_intp *dims)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    const void *data = NULL;
    PyObject *array =
        PyArray_NewFromDescr(&PyArray_Type, descr, tensor->rank, dims, NULL, NULL, 0, NULL);

    if (array == NULL) {
        return NULL;
    }
    if (toffee_tensor_hold(tensor, &data, &st) != TOFFEE_OK) {
        Py_DECREF(array);
        return PyToffee_Err_Set(state, &st);
    }
    if (toffee_dtype_get(tensor->dtype)->packed_bits != 0) {
        toffee_dtype_unpack(tensor->dtype, data, tensor->n_elements,
                            PyArray_DATA((PyArrayObject *)array));
    }
    else {
        memcpy(PyArray_DATA((PyArrayObject *)array), data, tensor->n_bytes);
    }
    toffee_tensor_let_go(tensor);
    PyArray_CLEARFLAGS((PyArrayObject *)array, NPY_ARRAY_WRITEABLE);
    return array;
}

/* Takes the reference to DESCR. */
static PyObject *
array_shared(const toffee_tensor *tensor, PyArray_Descr *descr, const npy_intp *dims,
             PyObject *owner)
{
    PyObject *array = NULL;

    /* Without elements there may be no memory either: let NumPy make its own. */
    array = PyArray_NewFromDescr(&PyArray_Type, descr, tensor->rank, dims, NULL,
                                 tensor->n_bytes != 0 ? (void *)(uintptr_t)tensor->data : NULL, 0,
                                 NULL);
    if (array == NULL) {
        return NULL;
    }
    PyArray_CLEARFLAGS((PyArrayObject *)array, NPY_ARRAY_WRITEABLE);
    PyArray_UpdateFlags((PyArrayObject *)array, NPY_ARRAY_ALIGNED);
    if (tensor->n_bytes != 0 &&
        PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(owner)) < 0) {
        Py_DECREF(array);
        return NULL;
    }
    return array;
}

PyObject *
PyToffee_NDArray_FromTensor(PyToffee_State *state, const toffee_tensor *tensor, PyObject *owner)
{
    npy_intp dims[TOFFEE_MAX_RANK];
    PyArray_Descr *descr = NULL;

    if (numpy_ready() < 0) {
        return NULL;
    }
    if (tensor->rank > NPY_MAXDIMS) {
        return PyErr_Format(PyExc_ValueError, "tensor '%s' has %d dimensions; NumPy's limit is %d",
                            toffee_str_text(tensor->name), (int)tensor->rank, NPY_MAXDIMS);
    }
    for (int32_t i = 0; i < tensor->rank; i++) {
        dims[i] = (npy_intp)tensor->dims[i];
    }
    if (tensor->dtype == TOFFEE_DTYPE_STRING) {
        return array_from_strings(tensor, dims);
    }
    descr = descr_of(tensor);
    if (descr == NULL) {
        return NULL;
    }
    if (tensor->n_bytes != 0 && tensor->data == NULL && tensor->source == NULL) {
        PyErr_Format(PyExc_ValueError, "tensor '%s' has no data", toffee_str_text(tensor->name));
        Py_DECREF(descr);
        return NULL;
    }
    return tensor->source != NULL || toffee_dtype_get(tensor->dtype)->packed_bits != 0
               ? array_copied(state, tensor, descr, dims)
               : array_shared(tensor, descr, dims, owner);
}

/* --- the other way ---------------------------------------------------------------------------- */

/* The dtype of ARRAY; UNDEFINED with TypeError if the format has none. */
static toffee_dtype
dtype_of(PyArrayObject *array)
{
    PyArray_Descr *descr = PyArray_DESCR(array);
    PyObject *name = NULL;
    toffee_dtype found = TOFFEE_DTYPE_UNDEFINED;

    if (PyTypeNum_ISSTRING(descr->type_num) || descr->type_num == NPY_OBJECT) {
        return TOFFEE_DTYPE_STRING;
    }
    for (int i = 1; i < TOFFEE_N_DTYPES; i++) {
        /* Equivalent, not equal: on some platforms `long` and `long long` are both 64 bits. */
        if (numpy_types[i] != NPY_NOTYPE &&
            PyArray_EquivTypenums(numpy_types[i], descr->type_num)) {
            return (toffee_dtype)i;
        }
    }
    name = PyObject_GetAttrString((PyObject *)descr, "name");
    for (int i = 1; name != NULL && i < TOFFEE_N_DTYPES; i++) {
        const char *known = toffee_dtype_numpy_name((toffee_dtype)i);

        if (numpy_types[i] == NPY_NOTYPE && PyUnicode_CompareWithASCIIString(name, known) == 0) {
            found = (toffee_dtype)i;
        }
    }
    if (name != NULL && found == TOFFEE_DTYPE_UNDEFINED) {
        PyErr_Format(PyExc_TypeError, "a tensor cannot hold elements of dtype %U", name);
    }
    Py_XDECREF(name);
    return found;
}

/* ITEM, a str or bytes, into OUT, copied. 0, or -1. */
static int
string_from_item(toffee_graph *graph, PyObject *item, toffee_bytes *out)
{
    PyObject *bytes = NULL;

    if (PyUnicode_Check(item)) {
        bytes = PyUnicode_AsEncodedString(item, "utf-8", "surrogateescape");
    }
    else if (PyBytes_Check(item)) {
        bytes = Py_NewRef(item);
    }
    else {
        PyErr_Format(PyExc_TypeError, "a tensor of objects must hold str or bytes, not %s",
                     Py_TYPE(item)->tp_name);
    }
    if (bytes == NULL) {
        return -1;
    }
    out->n = (size_t)PyBytes_GET_SIZE(bytes);
    out->data = toffee_arena_copy(graph->arena, PyBytes_AS_STRING(bytes), out->n);
    Py_DECREF(bytes);
    if (out->data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int
strings_from_array(toffee_graph *graph, PyObject *array, toffee_tensor *tensor)
{
    PyObject *flat = PyObject_CallMethod(array, "ravel", NULL);
    toffee_bytes *strings = NULL;
    int rc = -1;

    if (flat == NULL) {
        return -1;
    }
    strings = toffee_arena_calloc(graph->arena, (size_t)tensor->n_elements, sizeof(*strings));
    if (strings == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (uint64_t i = 0; i < tensor->n_elements; i++) {
        PyObject *item = PySequence_GetItem(flat, (Py_ssize_t)i);
        int status = item != NULL ? string_from_item(graph, item, &strings[i]) : -1;

        Py_XDECREF(item);
        if (status < 0) {
            goto done;
        }
    }
    tensor->strings = strings;
    rc = 0;
done:
    Py_DECREF(flat);
    return rc;
}

/* The elements of ARRAY as TENSOR holds them, in the arena of GRAPH; NULL when memory is out. */
static const void *
elements_from_array(toffee_graph *graph, PyArrayObject *array, const toffee_tensor *tensor)
{
    uint8_t *packed = NULL;

    if (toffee_dtype_get(tensor->dtype)->packed_bits == 0) {
        return toffee_arena_copy(graph->arena, PyArray_DATA(array), (size_t)tensor->n_bytes);
    }
    packed = toffee_arena_calloc(graph->arena, (size_t)tensor->n_bytes, 1);
    if (packed != NULL) {
        toffee_dtype_pack(tensor->dtype, PyArray_DATA(array), tensor->n_elements, packed);
    }
    return packed;
}

toffee_tensor *
PyToffee_NDArray_ToTensor(PyToffee_State *state, toffee_graph *graph, const toffee_str *name,
                          PyObject *object)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    PyArrayObject *array = NULL;
    toffee_tensor *tensor = NULL;
    toffee_tensor *made = NULL; /* what is returned, once it is whole */
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    int64_t dims[TOFFEE_MAX_RANK];

    if (numpy_ready() < 0) {
        return NULL;
    }
    array = (PyArrayObject *)PyArray_CheckFromAny(object, NULL, 0, 0,
                                                  NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED, NULL);
    if (array == NULL) {
        return NULL;
    }
    dtype = dtype_of(array);
    if (dtype == TOFFEE_DTYPE_UNDEFINED) {
        goto done;
    }
    for (int i = 0; i < PyArray_NDIM(array); i++) {
        dims[i] = (int64_t)PyArray_DIM(array, i);
    }
    if (toffee_tensor_new(graph->arena, name, dtype, dims, PyArray_NDIM(array), NULL, &tensor,
                          &st) != TOFFEE_OK) {
        PyToffee_Err_Set(state, &st);
        goto done;
    }
    if (dtype == TOFFEE_DTYPE_STRING) {
        made = strings_from_array(graph, (PyObject *)array, tensor) == 0 ? tensor : NULL;
        goto done;
    }
    tensor->data = elements_from_array(graph, array, tensor);
    if (tensor->data == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    made = tensor;
done:
    Py_DECREF(array);
    return made;
}
