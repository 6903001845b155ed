/* csrc/trace/args.h -- the Python arguments of a call as a toffee_call. */
#ifndef TOFFEE_TRACE_ARGS_H
#define TOFFEE_TRACE_ARGS_H

#include "trace/binding.h"
#include "trace/overload.h"

/* One tensor among the arguments. Borrowed from them. */
typedef struct {
    PyObject *tensor;
    bool is_written;
    bool is_output_only;
} PyToffee_Operand;

/* The arguments of one call. Arrays live in the scratch arena of the trace; objects are borrowed
 * from the call. */
typedef struct {
    const PyToffee_Overload *overload;
    PyObject **objects; /* one a parameter, defaults filled in; NULL: left out without a default */
    PyToffee_Operand *operands;
    PyObject **tensors; /* of the operands, in the same order */
    size_t n_operands;
} PyToffee_Arguments;

typedef struct {
    PyTypeObject *tensor_type; /* torch.Tensor */
    PyTypeObject *dtype_type;  /* torch.dtype */
    PyObject *dtypes;          /* dict: torch.dtype -> int */
} PyToffee_TorchTypes;

/* Sorts ARGS (a tuple) and KWARGS (a dict or NULL) by OVERLOAD's parameters and finds the tensors.
 * 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Arguments_Parse(const PyToffee_Overload *overload,
                                              const PyToffee_TorchTypes *types,
                                              toffee_arena *scratch, PyObject *args,
                                              PyObject *kwargs, PyToffee_Arguments *out);
/* Fills CALL's arguments, reading each tensor's value (which may make initializers and nodes).
 * 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Arguments_Read(const PyToffee_Arguments *arguments,
                                             const PyToffee_TorchTypes *types,
                                             PyToffee_Bindings *bindings, toffee_arena *scratch,
                                             toffee_call *call);
/* Whether OBJECT is a torch.Tensor. */
static inline bool
PyToffee_IsTensor(const PyToffee_TorchTypes *types, PyObject *object)
{
    return PyObject_TypeCheck(object, types->tensor_type);
}

#endif /* TOFFEE_TRACE_ARGS_H */
