/* csrc/trace/leak.h -- what leaves the trace at an operator, and is fixed in the graph. */
#ifndef TOFFEE_TRACE_LEAK_H
#define TOFFEE_TRACE_LEAK_H

#include "trace/tracer.h"

/* Whether the call draws random numbers: what is tagged so does not if it is told that the model
 * does not train, or to drop nothing. */
bool PyToffee_Leak_DrawsRandom(const PyToffee_Arguments *arguments);

/* The following report what they say where it depends on an input. 0, or -1 with an exception set:
 * the report was an error. */

/* Random numbers drawn apart from the trace are the same in every run of the graph. */
TOFFEE_NODISCARD int PyToffee_Leak_Random(PyToffee_Tracer *self,
                                          const PyToffee_Arguments *arguments);
/* A number that the operator makes from all operands. */
TOFFEE_NODISCARD int PyToffee_Leak_Number(PyToffee_Tracer *self,
                                          const PyToffee_Arguments *arguments);
/* The shape of what comes out, of an operator that is tagged so. */
TOFFEE_NODISCARD int PyToffee_Leak_Shape(PyToffee_Tracer *self,
                                         const PyToffee_Arguments *arguments);

#endif /* TOFFEE_TRACE_LEAK_H */
