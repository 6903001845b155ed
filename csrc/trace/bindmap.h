/* csrc/trace/bindmap.h -- from tensor objects to their bindings, holding none of them alive.
 *
 * Open addressing under the address of the object. A weak reference beside it says whether the
 * object is still the same: addresses are used again. */
#ifndef TOFFEE_TRACE_BINDMAP_H
#define TOFFEE_TRACE_BINDMAP_H

#include "trace/binding.h"

typedef struct {
    PyObject *key; /* the tensor's address; NULL: free. Never followed without asking the weakref */
    PyToffee_Binding binding;
} PyToffee_BindSlot;

/* The owner may walk the slots; those with a key hold a binding, of a tensor that may be dead. */
typedef struct {
    PyToffee_BindSlot *slots;
    size_t n_slots; /* a power of two */
    size_t n_used;
} PyToffee_BindMap;

/* Makes MAP empty. 0, or -1 with an exception set; then there is nothing to free. */
TOFFEE_NODISCARD int PyToffee_BindMap_Init(PyToffee_BindMap *map);
/* Lets go of the weak references and the slots. */
void PyToffee_BindMap_Free(PyToffee_BindMap *map);
int PyToffee_BindMap_Traverse(const PyToffee_BindMap *map, visitproc visit, void *arg);
/* The binding of TENSOR, or NULL without an exception. Valid until the next Bind. */
PyToffee_Binding *PyToffee_BindMap_Find(const PyToffee_BindMap *map, PyObject *tensor);
/* Binds TENSOR as BINDING says, but for the weak reference, in place of an earlier binding of it or
 * of a dead tensor at its address. 0, or -1 with an exception set, and the map as it was. */
TOFFEE_NODISCARD int PyToffee_BindMap_Bind(PyToffee_BindMap *map, PyObject *tensor,
                                           const PyToffee_Binding *binding);
/* Whether the tensor of SLOT, which has a key, is gone. */
bool PyToffee_BindSlot_IsDead(const PyToffee_BindSlot *slot);

#endif /* TOFFEE_TRACE_BINDMAP_H */
