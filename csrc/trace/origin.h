/* csrc/trace/origin.h -- where in the user's program, and where in the model, is the run?
 *
 * Note [Origins]. Both answers are on Python's stack. It is walked once for each operator, from the
 * innermost frame out, until both are found: usually five frames.
 *
 * The line is that of the innermost frame whose file is the user's; toffee/_tracing.py judges files
 * (PyTorch, Python and toffee are not the user's, libraries of models are). A model that is all of
 * PyTorch's layers has no such frame; then a line in torch.nn is better than none, and failing that
 * the line that called export().
 *
 * The module is the `self` of the innermost frame of Module.__call__ whose module belongs to the
 * model. Reading the stack costs less than hooks on modules would (those turn each call of a module
 * to PyTorch's slow path), needs nothing to be put back after an error, and is right for modules
 * that are called twice, for functions that forward calls, and for two threads that export one
 * model. What it does not see is a forward() that is called directly: its nodes belong to the
 * module around. A module that is registered twice has its first name, as its parameters have.
 *
 * No frame is held on to and none of the user's local variables is looked at. Code objects are held
 * until the trace ends, so that their addresses stay their own. */
#ifndef TOFFEE_TRACE_ORIGIN_H
#define TOFFEE_TRACE_ORIGIN_H

#include "bridge/state.h"
#include "lower/lower.h"

typedef struct PyToffee_Locator PyToffee_Locator; /* defined in origin.c */

/* A locator for what the caller's Python function, which is where the model's part of the stack
 * begins, is about to trace. SOURCE: the function that judges files (toffee._tracing.Sources), or
 * None: no lines. MODULES: a list of (path, module), or None: no modules. CALL: the code of
 * Module.__call__, or None. NULL with an exception set. */
PyToffee_Locator *PyToffee_Locator_New(PyObject *source, PyObject *modules, PyObject *call);
/* Does nothing on NULL. */
void PyToffee_Locator_Free(PyToffee_Locator *self);
/* For the owner's tp_traverse. SELF may be NULL. */
int PyToffee_Locator_Traverse(const PyToffee_Locator *self, visitproc visit, void *arg);

/* Sets LO->origin to where the run is now, with strings of LO's graph. Does nothing if SELF is
 * NULL. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Locator_Update(PyToffee_Locator *self, toffee_lowering *lo);

/* Whether nodes get names. SELF may be NULL. */
bool PyToffee_Locator_NamesNodes(const PyToffee_Locator *self);

#endif /* TOFFEE_TRACE_ORIGIN_H */
