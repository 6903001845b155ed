/* csrc/py/op_info.h -- the tables of operators and of lowerings as Python objects. */
#ifndef TOFFEE_PY_OP_INFO_H
#define TOFFEE_PY_OP_INFO_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* toffee._core.op_table(): a list of dicts, one an operator, in order of name. New reference; NULL
 * with an exception set. */
PyObject *PyToffee_OpTable(PyObject *module, PyObject *unused);

/* toffee._core.lowerings(): a list of (ATen name, the ONNX operator of its row or None), in order
 * of name. New reference; NULL with an exception set. */
PyObject *PyToffee_Lowerings(PyObject *module, PyObject *unused);

#endif /* TOFFEE_PY_OP_INFO_H */
