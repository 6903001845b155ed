/* csrc/py/testing_view.h -- lower/view.c for tests, without a trace around it. */
#ifndef TOFFEE_PY_TESTING_VIEW_H
#define TOFFEE_PY_TESTING_VIEW_H

#include "bridge/state.h"

/* Adds view_read, view_write and view_facts to TARGET, toffee._core._testing. Their errors are
 * those of MODULE, toffee._core, which TARGET does not outlive. 0, or -1 with an exception. */
TOFFEE_NODISCARD int PyToffee_TestingView_Add(PyObject *target, PyObject *module);

#endif /* TOFFEE_PY_TESTING_VIEW_H */
