/* csrc/bridge/dltensor.c */
#include "bridge/dltensor.h"

#include <dlpack/dlpack.h>

static const DLPackExchangeAPI *
as_exchange(const PyToffee_DLPack *api)
{
    return (const DLPackExchangeAPI *)api;
}

const PyToffee_DLPack *
PyToffee_DLPack_Get(PyObject *tensor_type)
{
    PyObject *capsule = PyObject_GetAttrString(tensor_type, "__dlpack_c_exchange_api__");
    const DLPackExchangeAPI *api = NULL;

    if (capsule == NULL) {
        PyErr_SetString(PyExc_ImportError, "toffee needs torch 2.10 or newer: this one has no "
                                           "DLPack exchange API; pip install -U torch");
        return NULL;
    }
    api = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    Py_DECREF(capsule); /* the struct is static data of PyTorch and outlives the capsule */
    if (api == NULL) {
        return NULL;
    }
    if (api->header.version.major != DLPACK_MAJOR_VERSION ||
        api->dltensor_from_py_object_no_sync == NULL) {
        PyErr_Format(PyExc_ImportError,
                     "this torch speaks DLPack %u.%u, and toffee was built for %d.x",
                     (unsigned)api->header.version.major, (unsigned)api->header.version.minor,
                     DLPACK_MAJOR_VERSION);
        return NULL;
    }
    return (const PyToffee_DLPack *)api;
}

int
PyToffee_TensorInfo_Get(const PyToffee_DLPack *api, PyObject *tensor, PyToffee_TensorInfo *info)
{
    DLTensor dl;

    if (as_exchange(api)->dltensor_from_py_object_no_sync(tensor, &dl) != 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "torch did not say what this tensor is");
        }
        return -1;
    }
    info->dtype = dl.dtype.lanes == 1 ? toffee_dtype_from_dlpack(dl.dtype.code, dl.dtype.bits)
                                      : TOFFEE_DTYPE_UNDEFINED;
    if (info->dtype == TOFFEE_DTYPE_UNDEFINED) {
        PyErr_Format(PyExc_TypeError,
                     "tensors of DLPack type code %d, %d bits, %d lanes have no place in a graph",
                     (int)dl.dtype.code, (int)dl.dtype.bits, (int)dl.dtype.lanes);
        return -1;
    }
    info->data = (char *)dl.data + dl.byte_offset;
    info->on_host = dl.device.device_type == kDLCPU || dl.device.device_type == kDLCUDAHost;
    info->rank = dl.ndim;
    info->sizes = dl.shape;
    info->strides = dl.strides;
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
