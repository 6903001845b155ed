/* csrc/py/testing_size.h -- size/ for tests, without a trace around it. */
#ifndef TOFFEE_PY_TESTING_SIZE_H
#define TOFFEE_PY_TESTING_SIZE_H

#include "bridge/state.h"

/* Adds size_eval, size_expr, size_fit and size_fit_real to TARGET, toffee._core._testing. Their
 * errors are those of MODULE, toffee._core, which TARGET does not outlive. 0, or -1 with an
 * exception. */
TOFFEE_NODISCARD int PyToffee_TestingSize_Add(PyObject *target, PyObject *module);

#endif /* TOFFEE_PY_TESTING_SIZE_H */
