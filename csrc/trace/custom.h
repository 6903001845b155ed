/* csrc/trace/custom.h -- lowerings written in Python: toffee.register_lowering.
 *
 * A builder belongs to one trace and makes its nodes; a traced value is a Python object for a value
 * of that trace's graph. Both may be kept by the lowering for as long as it likes: the trace cuts
 * the builder off when it closes, and from then on they only raise. Methods that need the types of
 * py/ are there (py/builder_type.c). */
#ifndef TOFFEE_TRACE_CUSTOM_H
#define TOFFEE_TRACE_CUSTOM_H

#include "trace/tracer.h"

typedef struct PyToffee_Builder {
    PyObject_HEAD
    PyToffee_Tracer *tracer; /* borrowed, and owns this; NULL: the trace is over */
} PyToffee_Builder;

typedef struct {
    PyObject_HEAD
    PyToffee_Builder *builder; /* strong; NULL: was cleared */
    toffee_value *value;       /* counts as long as the builder has a tracer */
} PyToffee_TracedValue;

/* VALUE of BUILDER's trace as an object. New reference; NULL with an exception set. */
PyObject *PyToffee_TracedValue_New(PyToffee_Builder *builder, toffee_value *value);
/* The value that OBJECT stands for, which must be one of BUILDER's; WHAT is for the message. NULL
 * with an exception set: TypeError if it is none, ValueError if it is from another trace. */
toffee_value *PyToffee_TracedValue_Get(const PyToffee_Builder *builder, PyObject *object,
                                       const char *what);
/* The trace of BUILDER if a lowering is being asked, which is when nodes may be made; NULL with
 * RuntimeError set. Borrowed. */
PyToffee_Tracer *PyToffee_Builder_Open(const PyToffee_Builder *builder);
/* Cuts the builder of TRACER off and lets go of it. */
void PyToffee_Builder_Close(PyToffee_Tracer *tracer);

/* Asks the lowering that is registered for the overload of ARGUMENTS, which has run: CALL has its
 * results, and gets their values. OK, DECLINED, or ERR_PYTHON with an exception set. */
TOFFEE_NODISCARD toffee_code PyToffee_Custom_Lower(PyToffee_Tracer *tracer,
                                                   const PyToffee_Arguments *arguments,
                                                   toffee_call *call);
/* Copies of what a call with ARGUMENTS is about to write to: a lowering is asked after the operator
 * has run, and if it declines, the call is taken apart, with the pieces working on what was there
 * before. A new list with a tensor or None for each operand; NULL with an exception set. */
PyObject *PyToffee_Custom_SaveWritten(const PyToffee_Arguments *arguments);
/* Writes back what is in SAVED. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Custom_RestoreWritten(const PyToffee_Arguments *arguments,
                                                    PyObject *saved);
/* Makes the TracedValue type and the function set_lowerings and adds them to MODULE. 0, or -1 with
 * an exception set. */
TOFFEE_NODISCARD int PyToffee_Custom_Init(PyObject *module);

#endif /* TOFFEE_TRACE_CUSTOM_H */
