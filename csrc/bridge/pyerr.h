/* csrc/bridge/pyerr.h -- toffee_status to Python exception: the only place. */
#ifndef TOFFEE_BRIDGE_PYERR_H
#define TOFFEE_BRIDGE_PYERR_H

#include "bridge/state.h"
#include "base/status.h"

/* Creates the exception classes and adds them to MODULE. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Err_Init(PyObject *module);
/* Sets the exception that belongs to ST: MemoryError, OSError with errno, ValueError, or one of
 * ours; a FormatError gets the attribute `offset` (int or None). Keeps an exception that a callback
 * already set (TOFFEE_ERR_PYTHON). Always returns NULL, so that `return PyToffee_Err_Set(...)`
 * reads well. The GIL must be held. */
PyObject *PyToffee_Err_Set(PyToffee_State *state, const toffee_status *st);

/* The same for functions that return an int: always -1. */
int PyToffee_Err_Fail(PyToffee_State *state, const toffee_status *st);
/* Sets MemoryError. Always -1. */
int PyToffee_Err_NoMemory(void);

#endif /* TOFFEE_BRIDGE_PYERR_H */
