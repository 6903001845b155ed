/* csrc/trace/trace_state.h -- what py/module.c calls to set up and tear down the trace layer. */
#ifndef TOFFEE_TRACE_TRACE_STATE_H
#define TOFFEE_TRACE_TRACE_STATE_H

#include "bridge/state.h"

/* Makes the Tracer type and the layer's caches and adds them to MODULE. 0, or -1 with an exception.
 */
TOFFEE_NODISCARD int PyToffee_Trace_Exec(PyObject *module);
/* For the module's m_traverse, m_clear and m_free. STATE->trace may be NULL. */
int PyToffee_Trace_Traverse(PyToffee_State *state, visitproc visit, void *arg);
void PyToffee_Trace_Clear(PyToffee_State *state);
void PyToffee_Trace_Free(PyToffee_State *state);

#endif /* TOFFEE_TRACE_TRACE_STATE_H */
