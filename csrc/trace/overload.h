/* csrc/trace/overload.h -- an ATen overload's schema, parsed once into C.
 *
 * PyTorch hands the dispatch handler an OpOverload object. Its schema is read through Python on
 * first sight and kept, with the lowering that serves it, under the object's address. */
#ifndef TOFFEE_TRACE_OVERLOAD_H
#define TOFFEE_TRACE_OVERLOAD_H

#include "bridge/state.h"
#include "lower/lower.h"

typedef struct {
    PyObject *name;      /* str, interned; strong */
    const char *text;    /* the same, UTF-8 */
    PyObject *fallback;  /* the default; strong, NULL when there is none */
    bool takes_tensors;  /* Tensor, Tensor?, Tensor[], Tensor?[] */
    bool is_written;     /* Tensor(a!) */
    bool is_output_only; /* out=: written and never read */
    bool is_keyword;     /* is passed by name only */
} PyToffee_Parameter;

typedef struct {
    PyObject *func;     /* the OpOverload; strong, so its address stays its own */
    PyObject *callable; /* what runs it with the least Python in between; strong */
    const char *op;     /* "aten::add" for add.Tensor, add_.Tensor and add.out */
    const char *full;   /* "aten::add_.Tensor": for messages and the aten domain */
    const char *overload;
    PyToffee_Parameter *parameters;
    size_t n_parameters;
    bool writes;         /* some parameter is written */
    bool is_in_place;    /* the first one is: relu_ */
    bool returns_tensor; /* false: a number or nothing */
    bool returns_view; /* some tensor that comes out is a view of one that went in, by the schema */
    bool is_in_place_view; /* t_, unsqueeze_: changes how a tensor sees its memory, not what is
                              there */
    bool returns_number;   /* a value leaves the trace: item, equal */
    bool is_random;        /* tagged nondeterministic_seeded */
    bool has_data_dependent_shape;   /* tagged dynamic_output_shape */
    const toffee_rule *rule;         /* NULL: has no lowering */
    const toffee_rule *complex_rule; /* for calls with complex tensors; NULL: has none */
    PyObject *custom; /* the registered lowering, which goes before the rule; strong, NULL: none */
} PyToffee_Overload;

typedef struct PyToffee_OverloadCache PyToffee_OverloadCache; /* defined in overload.c */

/* An empty cache, or NULL with an exception set. */
PyToffee_OverloadCache *PyToffee_OverloadCache_New(void);
/* Drops all references and frees; does nothing on NULL. */
void PyToffee_OverloadCache_Free(PyToffee_OverloadCache *cache);
int PyToffee_OverloadCache_Traverse(PyToffee_OverloadCache *cache, visitproc visit, void *arg);
/* Makes LOWERINGS, a dict from names ("mylib::op", "mylib::op.Tensor") to functions that nobody
 * changes any more, those of all operators, the ones already in the cache included. 0, or -1 with
 * MemoryError, and then some operators still have their old ones. */
TOFFEE_NODISCARD int PyToffee_OverloadCache_SetLowerings(PyToffee_OverloadCache *cache,
                                                         PyObject *lowerings);
/* The parsed schema of FUNC, or NULL with an exception set. Owned by the cache. */
const PyToffee_Overload *PyToffee_OverloadCache_Get(PyToffee_OverloadCache *cache, PyObject *func);

#endif /* TOFFEE_TRACE_OVERLOAD_H */
