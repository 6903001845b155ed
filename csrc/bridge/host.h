/* csrc/bridge/host.h -- a torch tensor as the bytes of a toffee_tensor.
 *
 * Memory of a contiguous tensor on the host is used as it is. Any other tensor is brought to the
 * host when the writer asks for it and let go right after, one at a time. */
#ifndef TOFFEE_BRIDGE_HOST_H
#define TOFFEE_BRIDGE_HOST_H

#include "bridge/dltensor.h"
#include "ir/graph.h"

typedef struct PyToffee_Host PyToffee_Host; /* in the graph's arena; holds the tensor */

/* A toffee_tensor in GRAPH, called NAME (may be NULL), with the bytes of TENSOR, which is kept
 * alive until the graph is freed. *HOST is for PyToffee_Host_Replace. The GIL must be held. 0, or
 * -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Host_Tensor(PyToffee_State *state, const PyToffee_DLPack *api,
                                          toffee_graph *graph, const toffee_str *name,
                                          PyObject *tensor, toffee_tensor **out,
                                          PyToffee_Host **host);
/* Lets go of HOST's tensor and takes the bytes of REPLACEMENT, of the same dtype and sizes: for a
 * copy made before something is written to the original. 0, or -1 with an exception set and nothing
 * changed. */
TOFFEE_NODISCARD int PyToffee_Host_Replace(PyToffee_Host *host, PyObject *replacement);
/* The tensor that HOST holds. Borrowed. */
PyObject *PyToffee_Host_Held(const PyToffee_Host *host);

#endif /* TOFFEE_BRIDGE_HOST_H */
