/* csrc/trace/twin.h -- what a trace does for being compared with others of the same model.
 *
 * Note [Twins]. For a graph of any size the model is traced at several. What the handler sees as
 * data of the moment, such as arange(n), may be another at another size, and would be a constant of
 * one size's graph. So a trace can keep a journal: one entry for each call that comes to the door,
 * in order, with a digest of what came out if it was on data alone. Where the digests of two sizes
 * differ there is a source, and the next trace is told so: it records that call as if an operand
 * came from the trace, and with it all that is computed from the result.
 *
 * An entry's place in the journal, its ordinal, must not depend on what is recorded. So pieces of
 * operators that are taken apart have no entries: what they make of data alone is in the digest of
 * the whole, which can be a source for that. And a function that the witness may say in other
 * operators (torch.tensor) is one step, with one entry for all calls in it. */
#ifndef TOFFEE_TRACE_TWIN_H
#define TOFFEE_TRACE_TWIN_H

#include "trace/tracer.h"

typedef struct PyToffee_Twin PyToffee_Twin; /* defined in twin.c */

/* A new, empty journal. SOURCES is a tuple of ascending ordinals, SKIP a function (func, args,
 * kwargs) -> result or NotImplemented, or None. NULL with an exception set. */
PyToffee_Twin *PyToffee_Twin_New(PyObject *sources, PyObject *skip);
/* Lets go of everything; does nothing on NULL. */
void PyToffee_Twin_Free(PyToffee_Twin *twin);
/* Lets go of what belongs to the run; the journal stays. Does nothing on NULL. */
void PyToffee_Twin_Close(PyToffee_Twin *twin);
int PyToffee_Twin_Traverse(PyToffee_Twin *twin, visitproc visit, void *arg);
/* The journal as a list of (name, digest); an empty one if TWIN is NULL. NULL with an exception. */
PyObject *PyToffee_Twin_Journal(const PyToffee_Twin *twin);
/* How many calls were answered by SKIP. */
size_t PyToffee_Twin_Skipped(const PyToffee_Twin *twin);

/* All below do nothing, and return 0, for a tracer without a twin. */

/* A call of OVERLOAD has come to the door of SELF. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Twin_Enter(PyToffee_Tracer *self, const PyToffee_Overload *overload);
/* Whether the call with ARGUMENTS, which has been entered and is on data alone, is to be recorded.
 * If it is to be, its operands are made ready for that: what is a view of a constant must not count
 * as one. 1, 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Twin_IsSource(PyToffee_Tracer *self,
                                            const PyToffee_Arguments *arguments);
/* Calls between these two are one step, called as FUNC is. 0, or -1 with an exception set, and then
 * there is no end. */
TOFFEE_NODISCARD int PyToffee_Twin_BeginStep(PyToffee_Tracer *self, PyObject *func);
void PyToffee_Twin_EndStep(PyToffee_Tracer *self);
/* Notes what a call on data alone RETURNED and wrote. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Twin_NoteData(PyToffee_Tracer *self,
                                            const PyToffee_Arguments *arguments,
                                            PyObject *returned);
/* What the call would return but for the contents, from SKIP, if the call is large and nothing but
 * its result is known by it; else NotImplemented. A source is not skipped: the model may keep data
 * of the moment for later (functools.lru_cache). The caller sees to it that it is not random. New
 * reference; NULL with an exception set. */
PyObject *PyToffee_Twin_Skip(PyToffee_Tracer *self, const PyToffee_Arguments *arguments,
                             PyObject *func, PyObject *args, PyObject *kwargs);

#endif /* TOFFEE_TRACE_TWIN_H */
