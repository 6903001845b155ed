/* csrc/py/testing.h */
#ifndef TOFFEE_PY_TESTING_H
#define TOFFEE_PY_TESTING_H

#include "bridge/state.h"

/* Adds the submodule `_testing` to MODULE. 0, or -1 with an exception set. */
TOFFEE_NODISCARD int PyToffee_Testing_Exec(PyObject *module);

#endif /* TOFFEE_PY_TESTING_H */
