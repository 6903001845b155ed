/* csrc/trace/binding.h -- which value is this tensor?
 *
 * Note [Aliasing]. Tensors that share memory are one alias set. The set has a root: the tensor that
 * brought the memory in, its geometry, and its value. A tensor of the set is bound to its own value
 * and to the set's generation at that time. A write through any of them makes a new generation: the
 * writer's value is current, every other tensor of the set is stale, and when it is read next its
 * value is derived from the root's, which takes in the pending write first (lower/view.h). A write
 * that nobody reads through another tensor therefore costs no node.
 *
 * Bindings are in a table under the address of the Python object, with a weak reference that says
 * whether the object is still the same. Nothing is stored on the tensors, so nothing has to be
 * removed from them, two traces of one model do not meet, and no activation is kept alive.
 *
 * Note [Constants]. A tensor without a binding is data of the moment. It becomes an initializer
 * when a recorded node uses it. If something is about to write to it, the initializer gets a copy
 * first. When a recorded value is written to such memory, all of its storage becomes an alias set,
 * and other tensors in that storage are found by address from then on. */
#ifndef TOFFEE_TRACE_BINDING_H
#define TOFFEE_TRACE_BINDING_H

#include "bridge/host.h"
#include "lower/view.h"
#include "trace/lazy.h"

typedef enum {
    PYTOFFEE_PARAMETER, /* parameters and buffers: initializers with a name */
    PYTOFFEE_INPUT,
    PYTOFFEE_ACTIVATION,
    PYTOFFEE_CONSTANT,
} PyToffee_SetKind;

typedef struct PyToffee_AliasSet {
    PyToffee_SetKind kind;
    toffee_value *root; /* up to generation, but for the pending write */
    toffee_dtype dtype;
    toffee_geometry geometry; /* of the root; offset 0 */
    uintptr_t low, high;      /* addresses of the root's elements; both 0 when it has none */
    uint64_t generation;
    toffee_value *pending;            /* written and not yet in the root; NULL: nothing */
    toffee_geometry pending_geometry; /* where */
    toffee_origin pending_origin;     /* who wrote it */
    PyToffee_Host *host; /* of the initializer behind a parameter or constant; NULL: none */
    bool is_copied;      /* the initializer has a copy of its own: writes cannot reach it */
    bool is_exposed;     /* unbound tensors may share this memory: find them by address */
    bool is_merged;      /* its tensors are in a larger set; it only keeps its initializer */
    bool is_torn;        /* shares part of its memory with a set that does not hold it: no writes */
    bool is_forgotten;   /* a constant whose memory has changed: bindings to it do not count */
} PyToffee_AliasSet;

typedef struct {
    PyObject *weakref; /* strong reference to a weak reference to the tensor */
    PyToffee_AliasSet *set;
    toffee_value *value;
    toffee_dtype dtype; /* of the tensor; complex where its value is pairs of reals, see lazy.h */
    uint64_t generation;
} PyToffee_Binding;

typedef struct PyToffee_Bindings PyToffee_Bindings; /* defined in binding.c */

/* An empty table that makes values with LO and calls LEAK (the hook of tracer.h) for tensors of
 * unknown descent; both borrowed, must outlive it. NULL with an exception set. */
PyToffee_Bindings *PyToffee_Bindings_New(PyToffee_State *state, const PyToffee_DLPack *api,
                                         toffee_lowering *lo, PyObject *leak);
/* Lets go of all references; does nothing on NULL. */
void PyToffee_Bindings_Free(PyToffee_Bindings *table);
int PyToffee_Bindings_Traverse(PyToffee_Bindings *table, visitproc visit, void *arg);

/* All below: 0, or -1 (NULL) with an exception set. */

/* Binds TENSOR to a new value called NAME, before the run: a parameter (with its initializer) or an
 * input. A tensor that shares its memory with an earlier one joins that one's alias set; an equal
 * view of a parameter gets the earlier value (tied weights). *OUT is the value. */
TOFFEE_NODISCARD int PyToffee_Bindings_Declare(PyToffee_Bindings *table, PyObject *tensor,
                                               const toffee_str *name, PyToffee_SetKind kind,
                                               toffee_value **out);
/* The live binding of TENSOR, or NULL without an exception. Valid until the next new binding. */
PyToffee_Binding *PyToffee_Bindings_Find(PyToffee_Bindings *table, PyObject *tensor);
/* 1 if TENSOR's value comes from the trace: it is bound and no constant, or lies in exposed memory
 * that was written. 0 if it is data of the moment. */
TOFFEE_NODISCARD int PyToffee_Bindings_IsTraced(PyToffee_Bindings *table, PyObject *tensor);
/* The value that TENSOR has now; makes an initializer of one that has none, and nodes for one that
 * is stale. *DTYPE (may be NULL) is the tensor's: complex where the value is pairs of reals. */
toffee_value *PyToffee_Bindings_Read(PyToffee_Bindings *table, PyObject *tensor,
                                     toffee_dtype *dtype);
/* Whether a complex tensor has been met. Cheap. */
bool PyToffee_Bindings_HaveComplex(const PyToffee_Bindings *table);
/* Before an operator writes to TENSOR: initializers over its memory get copies. IS_RECORDED: what
 * is written comes from the trace, and memory that was data until now becomes an alias set. */
TOFFEE_NODISCARD int PyToffee_Bindings_BeforeWrite(PyToffee_Bindings *table, PyObject *tensor,
                                                   bool is_recorded);
/* After an unrecorded write to TENSOR: constants over its memory are forgotten, so that the next
 * use takes the data anew. */
TOFFEE_NODISCARD int PyToffee_Bindings_ForgetConstants(PyToffee_Bindings *table, PyObject *tensor);
/* After a recorded write: TENSOR has VALUE now, and what shares its memory is stale. */
TOFFEE_NODISCARD int PyToffee_Bindings_Write(PyToffee_Bindings *table, PyObject *tensor,
                                             toffee_value *value);
/* *OUT becomes what TENSOR, a view that came out of an operator, sees of the alias set of one of
 * its N operands; NULL if it is in none of them, or is of another dtype. */
TOFFEE_NODISCARD int PyToffee_Bindings_ReadView(PyToffee_Bindings *table, PyObject *tensor,
                                                PyObject *const *operands, size_t n,
                                                toffee_value **out);
/* Binds TENSOR, which came out of an operator, to VALUE. If its memory lies in the alias set of one
 * of the N operands (tensors, borrowed) it joins that set. IS_VIEW: by the schema it has the memory
 * of an operand; if that one is empty and so has no address, the set is that of any live tensor. */
TOFFEE_NODISCARD int PyToffee_Bindings_BindResult(PyToffee_Bindings *table, PyObject *tensor,
                                                  toffee_value *value, PyObject *const *operands,
                                                  size_t n, bool is_view);

#endif /* TOFFEE_TRACE_BINDING_H */
