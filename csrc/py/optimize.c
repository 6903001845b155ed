/* csrc/py/optimize.c -- graph clean-up for Python. */
#include "py/optimize.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "opt/opt.h"
#include "py/graph_type.h"

/* The bits of the passes named in the tuple NAMES into *PASSES. 0, or -1 with TypeError or
 * ValueError. */
static int
passes_from_names(PyObject *names, uint32_t *passes)
{
    *passes = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *item = PyTuple_GET_ITEM(names, i); /* borrowed */
        const char *name = PyUnicode_Check(item) ? PyUnicode_AsUTF8(item) : NULL;
        size_t pass = 0;

        if (name == NULL) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_TypeError, "the name of a pass is a str, not %s",
                             Py_TYPE(item)->tp_name);
            }
            return -1;
        }
        while (pass < toffee_pass_count() && strcmp(toffee_pass_at(pass)->name, name) != 0) {
            pass++;
        }
        if (pass == toffee_pass_count()) {
            PyErr_Format(PyExc_ValueError,
                         "there is no pass named %R; toffee.passes() lists those there are", item);
            return -1;
        }
        *passes |= UINT32_C(1) << pass;
    }
    return 0;
}

static PyObject *
optimize(PyObject *module, PyObject *args)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_optimize_options options = {0};
    toffee_status st = TOFFEE_STATUS_INIT;
    PyObject *object = NULL;
    PyObject *names = NULL;
    PyToffee_Graph *copy = NULL;
    int keep_parameters = 0;

    if (!PyArg_ParseTuple(args, "O!O!p:optimize", state->GraphType, &object, &PyTuple_Type, &names,
                          &keep_parameters) ||
        passes_from_names(names, &options.passes) < 0) {
        return NULL;
    }
    options.keep_parameters = keep_parameters != 0;
    copy = PyToffee_Graph_SettledCopy(state, object);
    if (copy == NULL) {
        return NULL;
    }
    if (toffee_optimize(copy->graph, &options, &st) != TOFFEE_OK) {
        Py_DECREF(copy);
        return PyToffee_Err_Set(state, &st);
    }
    return (PyObject *)copy;
}

static PyObject *
passes(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    PyObject *table = PyTuple_New((Py_ssize_t)toffee_pass_count());

    for (size_t i = 0; table != NULL && i < toffee_pass_count(); i++) {
        const toffee_pass_info *info = toffee_pass_at(i);
        PyObject *row = Py_BuildValue("(ss)", info->name, info->doc);

        if (row == NULL) {
            Py_CLEAR(table);
            break;
        }
        PyTuple_SET_ITEM(table, (Py_ssize_t)i, row);
    }
    return table;
}

PyMethodDef PyToffee_OptimizeMethods[] = {
    {"optimize", optimize, METH_VARARGS,
     "optimize(graph, passes, keep_parameters, /)\n--\n\nA copy of the graph, cleaned up by the "
     "passes of these names (a tuple)."},
    {"passes", passes, METH_NOARGS,
     "passes()\n--\n\nA tuple of (name, what it does), in the order in which they run."},
    {NULL, NULL, 0, NULL},
};
