/* csrc/bridge/ndarray.h -- tensors to and from NumPy arrays. The only file that knows NumPy, which
 * it imports when it is first called, so that `import toffee` does not pay for it. */
#ifndef TOFFEE_BRIDGE_NDARRAY_H
#define TOFFEE_BRIDGE_NDARRAY_H

#include "bridge/state.h"
#include "base/status.h"

/* TENSOR as a read-only, C-contiguous ndarray of shape dims, of the machine's byte order. Shares
 * the tensor's memory and keeps OWNER, which must keep that memory; a tensor that has to be
 * fetched, or whose elements are smaller than a byte, is copied. Strings become an object array of
 * str. bfloat16, float8 and smaller ones take their dtype from the package ml_dtypes. New
 * reference; NULL with an exception set: ImportError without ml_dtypes, ValueError when NumPy
 * cannot hold it or there are no bytes, MemoryError. */
PyObject *PyToffee_NDArray_FromTensor(PyToffee_State *state, const toffee_tensor *tensor,
                                      PyObject *owner);
/* A tensor in GRAPH with a copy of ARRAY (anything NumPy makes an array of), called NAME (may be
 * NULL). NULL with an exception set: TypeError for a dtype that the format has no number for. */
toffee_tensor *PyToffee_NDArray_ToTensor(PyToffee_State *state, toffee_graph *graph,
                                         const toffee_str *name, PyObject *array);

#endif /* TOFFEE_BRIDGE_NDARRAY_H */
