/* csrc/py/optimize.h -- graph clean-up for Python. */
#ifndef TOFFEE_PY_OPTIMIZE_H
#define TOFFEE_PY_OPTIMIZE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* optimize and passes; NULL-terminated. */
extern PyMethodDef PyToffee_OptimizeMethods[];

#endif /* TOFFEE_PY_OPTIMIZE_H */
