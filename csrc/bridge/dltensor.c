/* csrc/bridge/dltensor.c */
#include "bridge/dltensor.h"

#include <dlpack/dlpack.h>

int
PyToffee_DLPack_Init(PyToffee_DLPack *api, PyObject *tensor_type, PyObject *error)
{
    PyObject *capsule = PyObject_GetAttrString(tensor_type, "__dlpack_c_exchange_api__");
    const DLPackExchangeAPI *exchange = NULL;

    if (capsule == NULL) {
        PyErr_SetString(PyExc_ImportError, "toffee needs torch 2.10 or newer: this one has no "
                                           "DLPack exchange API; pip install -U torch");
        return -1;
    }
    exchange = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    Py_DECREF(capsule); /* the struct is static data of PyTorch and outlives the capsule */
    if (exchange == NULL) {
        return -1;
    }
    if (exchange->header.version.major != DLPACK_MAJOR_VERSION ||
        exchange->dltensor_from_py_object_no_sync == NULL) {
        PyErr_Format(PyExc_ImportError,
                     "this torch speaks DLPack %u.%u, and toffee was built for %d.x",
                     (unsigned)exchange->header.version.major,
                     (unsigned)exchange->header.version.minor, DLPACK_MAJOR_VERSION);
        return -1;
    }
    api->exchange = exchange;
    api->error = error;
    return 0;
}

/* Raises api->error for TENSOR, in place of what PyTorch's C++ says of it. */
static int
fail_without_place(const PyToffee_DLPack *api, PyObject *tensor)
{
    PyObject *type = NULL;
    PyObject *value = NULL;
    PyObject *traceback = NULL;
    PyObject *layout = NULL;
    PyObject *dtype = NULL;

    PyErr_Fetch(&type, &value, &traceback);
    layout = PyObject_GetAttrString(tensor, "layout");
    dtype = layout != NULL ? PyObject_GetAttrString(tensor, "dtype") : NULL;
    if (dtype != NULL) {
        PyErr_Format(api->error,
                     "a tensor of %S, %S, has no place in a graph: convert it to a dense one of "
                     "an ordinary dtype first",
                     dtype, layout);
    }
    Py_XDECREF(layout);
    Py_XDECREF(dtype);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return -1;
}

int
PyToffee_TensorInfo_Get(const PyToffee_DLPack *api, PyObject *tensor, PyToffee_TensorInfo *info)
{
    const DLPackExchangeAPI *exchange = api->exchange;
    DLTensor dl;

    if (exchange->dltensor_from_py_object_no_sync(tensor, &dl) != 0) {
        return fail_without_place(api, tensor);
    }
    info->dtype = dl.dtype.lanes == 1 ? toffee_dtype_from_dlpack(dl.dtype.code, dl.dtype.bits)
                                      : TOFFEE_DTYPE_UNDEFINED;
    if (info->dtype == TOFFEE_DTYPE_UNDEFINED) {
        return fail_without_place(api, tensor);
    }
    info->data = (char *)dl.data + dl.byte_offset;
    info->on_host = dl.device.device_type == kDLCPU || dl.device.device_type == kDLCUDAHost;
    info->rank = dl.ndim;
    info->sizes = dl.shape;
    info->strides = dl.strides;
    return 0;
}

int
PyToffee_TensorInfo_AsPairs(const PyToffee_DLPack *api, toffee_arena *arena,
                            PyToffee_TensorInfo *info)
{
    int64_t *sizes = NULL;
    int64_t *strides = NULL;

    if (!toffee_dtype_is_complex(info->dtype)) {
        return 0;
    }
    if (info->rank >= TOFFEE_MAX_RANK) {
        PyErr_Format(api->error,
                     "a complex tensor with %d dimensions: as pairs of real numbers it has one "
                     "more, and %d are the most",
                     (int)info->rank, TOFFEE_MAX_RANK);
        return -1;
    }
    sizes = toffee_arena_calloc(arena, (size_t)info->rank + 1, sizeof(*sizes));
    strides = toffee_arena_calloc(arena, (size_t)info->rank + 1, sizeof(*strides));
    if (sizes == NULL || strides == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int32_t i = 0; i < info->rank; i++) {
        sizes[i] = info->sizes[i];
        strides[i] = info->strides[i] * 2;
    }
    sizes[info->rank] = 2;
    strides[info->rank] = 1;
    info->sizes = sizes;
    info->strides = strides;
    info->rank++;
    info->dtype = toffee_dtype_of_part(info->dtype);
    return 0;
}

bool
PyToffee_TensorInfo_IsContiguous(const PyToffee_TensorInfo *info)
{
    int64_t expected = 1;

    for (int32_t i = info->rank - 1; i >= 0; i--) {
        if (info->sizes[i] == 0) {
            return true;
        }
    }
    for (int32_t i = info->rank - 1; i >= 0; i--) {
        if (info->sizes[i] != 1 && info->strides[i] != expected) {
            return false;
        }
        expected *= info->sizes[i];
    }
    return true;
}

void
PyToffee_TensorInfo_Extent(const PyToffee_TensorInfo *info, uintptr_t *low, uintptr_t *high)
{
    uintptr_t n_elements = 1; /* torch's strides are never negative */

    *low = 0;
    *high = 0;
    for (int32_t i = 0; i < info->rank; i++) {
        if (info->sizes[i] == 0) {
            return;
        }
        n_elements += (uintptr_t)(info->sizes[i] - 1) * (uintptr_t)info->strides[i];
    }
    *low = (uintptr_t)info->data;
    *high = *low + n_elements * toffee_dtype_get(info->dtype)->n_bytes;
}
