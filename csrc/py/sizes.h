/* csrc/py/sizes.h -- one graph from traces at several sizes, for Python. */
#ifndef TOFFEE_PY_SIZES_H
#define TOFFEE_PY_SIZES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* unify; NULL-terminated. */
extern PyMethodDef PyToffee_SizesMethods[];

#endif /* TOFFEE_PY_SIZES_H */
