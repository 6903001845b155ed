/* csrc/bridge/dltensor.h -- what a torch tensor is, through DLPack's C exchange API.
 *
 * No header and no library of PyTorch: type(tensor).__dlpack_c_exchange_api__ is a capsule with a
 * function that fills a DLTensor in about 50 ns. */
#ifndef TOFFEE_BRIDGE_DLTENSOR_H
#define TOFFEE_BRIDGE_DLTENSOR_H

#include "bridge/state.h"
#include "base/arena.h"
#include "base/dtype.h"

/* What toffee needs to know of a tensor. sizes and strides (in elements) belong to the tensor: they
 * are valid until the tensor changes or dies. */
typedef struct {
    void *data; /* the first element, on its device; NULL possible when there are none */
    toffee_dtype dtype;
    bool on_host;
    int32_t rank;
    const int64_t *sizes;
    const int64_t *strides;
} PyToffee_TensorInfo;

typedef struct {
    const void *exchange; /* DLPackExchangeAPI, static data of PyTorch; NULL until Init */
    PyObject *error;      /* what to raise for a tensor that has no place in a graph; borrowed */
} PyToffee_DLPack;

/* Finds the exchange API of TENSOR_TYPE (torch.Tensor). 0, or -1 with an exception set: ImportError
 * when this PyTorch has none (before 2.10) or speaks another major version. */
TOFFEE_NODISCARD int PyToffee_DLPack_Init(PyToffee_DLPack *api, PyObject *tensor_type,
                                          PyObject *error);
/* Fills INFO for TENSOR, an instance of the tensor type. 0, or -1 with api->error set: a tensor
 * without memory of its own (meta, sparse, …), or an element type that toffee does not know. */
TOFFEE_NODISCARD int PyToffee_TensorInfo_Get(const PyToffee_DLPack *api, PyObject *tensor,
                                             PyToffee_TensorInfo *info);
/* Makes INFO of a complex tensor that of its memory, which is real and has one more axis, of 2. The
 * new sizes and strides are in ARENA. Does nothing for others. 0, or -1 with an exception set:
 * MemoryError, or api->error for one of the most dimensions that there may be. */
TOFFEE_NODISCARD int PyToffee_TensorInfo_AsPairs(const PyToffee_DLPack *api, toffee_arena *arena,
                                                 PyToffee_TensorInfo *info);
/* Whether the elements lie in row-major order without gaps. */
bool PyToffee_TensorInfo_IsContiguous(const PyToffee_TensorInfo *info);
/* Addresses [*LOW, *HIGH) that the elements lie in; both 0 when there are no elements. */
void PyToffee_TensorInfo_Extent(const PyToffee_TensorInfo *info, uintptr_t *low, uintptr_t *high);

#endif /* TOFFEE_BRIDGE_DLTENSOR_H */
