/* csrc/py/testing.c -- _core._testing: what the tests need to see and to break. */
#include "py/io.h"

#include "base/alloc.h"
#include "bridge/pyerr.h"
#include "ir/lint.h"
#include "ir/prune.h"
#include "ops/optable.h"
#include "py/testing.h"
#include "py/testing_size.h"
#include "py/testing_view.h"

static PyToffee_Graph *
graph_argument(PyObject *module, PyObject *object)
{
    if (Py_TYPE(object) != PyToffee_ModuleState(module)->GraphType) {
        PyErr_Format(PyExc_TypeError, "expected a toffee.Graph, not %s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (PyToffee_Graph *)object;
}

static PyObject *
testing_fail_allocation(PyObject *Py_UNUSED(module), PyObject *number)
{
    int64_t n = 0;

    if (PyToffee_Int_FromPython(number, &n, "n") < 0) {
        return NULL;
    }
    toffee_alloc_fail_at(n);
    Py_RETURN_NONE;
}

static PyObject *
testing_allocation_count(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(toffee_alloc_count());
}

static PyObject *
testing_graph_bytes(PyObject *module, PyObject *object)
{
    PyToffee_Graph *graph = graph_argument(module, object);

    return graph != NULL ? PyLong_FromSize_t(toffee_arena_bytes(graph->graph->arena)) : NULL;
}

static PyObject *
testing_lint(PyObject *module, PyObject *object)
{
    PyToffee_Graph *graph = graph_argument(module, object);
    toffee_status st = TOFFEE_STATUS_INIT;

    if (graph == NULL) {
        return NULL;
    }
    PyToffee_Graph_Settle(PyToffee_RootOf(object));
    if (toffee_lint(graph->graph, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(PyToffee_ModuleState(module), &st);
    }
    Py_RETURN_NONE;
}

static PyObject *
testing_prune(PyObject *module, PyObject *object)
{
    PyToffee_Graph *graph = graph_argument(module, object);
    toffee_status st = TOFFEE_STATUS_INIT;

    if (graph == NULL) {
        return NULL;
    }
    PyToffee_Graph_Settle(PyToffee_RootOf(object));
    if (PyToffee_Graph_BeginEdit(PyToffee_RootOf(object)) < 0) {
        return NULL;
    }
    if (toffee_prune(graph->graph, toffee_op_min_outputs, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(PyToffee_ModuleState(module), &st);
    }
    Py_RETURN_NONE;
}

static PyMethodDef testing_methods[] = {
    {"allocation_count", testing_allocation_count, METH_NOARGS,
     "allocation_count()\n--\n\nAllocations of this thread since fail_allocation."},
    {"fail_allocation", testing_fail_allocation, METH_O,
     "fail_allocation(n, /)\n--\n\nMakes the n-th allocation of this thread fail, once; -1: none."},
    {"graph_bytes", testing_graph_bytes, METH_O,
     "graph_bytes(graph, /)\n--\n\nBytes that the graph's arena holds."},
    {"lint", testing_lint, METH_O,
     "lint(graph, /)\n--\n\nRaises CheckError for the first structural rule that is broken."},
    {"prune", testing_prune, METH_O,
     "prune(graph, /)\n--\n\nRemoves nodes and initializers that no output depends on."},
    {NULL, NULL, 0, NULL},
};

int
PyToffee_Testing_Exec(PyObject *module)
{
    PyObject *testing = PyModule_New("toffee._core._testing");
    int rc = testing != NULL ? 0 : -1;

    for (PyMethodDef *row = testing_methods; rc == 0 && row->ml_name != NULL; row++) {
        /* Bound to the outer module, whose state they need. */
        PyObject *function = PyCFunction_NewEx(row, module, NULL);

        rc = function != NULL ? PyModule_AddObjectRef(testing, row->ml_name, function) : -1;
        Py_XDECREF(function);
    }
    if (rc == 0) {
        rc = PyToffee_TestingView_Add(testing, module);
    }
    if (rc == 0) {
        rc = PyToffee_TestingSize_Add(testing, module);
    }
    if (rc == 0) {
        rc = PyModule_AddObjectRef(module, "_testing", testing);
    }
    Py_XDECREF(testing);
    return rc;
}
