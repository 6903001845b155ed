/* csrc/py/caffe2.c -- emission of Caffe2 nets, for Python. */
#include "py/caffe2.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "caffe2/rules.h"
#include "py/graph_type.h"

/* 0 if NAME is 'caffe2' or 'aten', else -1 and ValueError. */
static int
parse_prefer(const char *name, bool *aten)
{
    *aten = strcmp(name, "aten") == 0;
    if (!*aten && strcmp(name, "caffe2") != 0) {
        PyErr_Format(PyExc_ValueError, "prefer must be 'caffe2' or 'aten', not '%s'", name);
        return -1;
    }
    return 0;
}

/* (init net, predict net, [index of a node, …]) of NETS. */
static PyObject *
nets_to_tuple(const toffee_c2_nets *nets)
{
    PyObject *nodes = PyList_New((Py_ssize_t)nets->n_nodes);

    if (nodes == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < nets->n_nodes; i++) {
        PyObject *index = PyLong_FromSize_t(nets->nodes[i]);

        if (index == NULL) {
            Py_DECREF(nodes);
            return NULL;
        }
        PyList_SET_ITEM(nodes, (Py_ssize_t)i, index);
    }
    return Py_BuildValue("(y#y#N)", nets->init, (Py_ssize_t)nets->n_init, nets->predict,
                         (Py_ssize_t)nets->n_predict, nodes);
}

static PyObject *
caffe2_emit(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"graph", "cuda", "prefer", "weights", NULL};
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_c2_options options = {0};
    toffee_c2_nets nets = {0};
    PyObject *graph = NULL; /* borrowed */
    PyToffee_Graph *root = NULL;
    PyObject *result = NULL;
    const char *prefer = "caffe2";
    int cuda = -1;
    int weights = 1;
    toffee_code rc = TOFFEE_OK;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|$isp:caffe2_emit", names, state->GraphType,
                                     &graph, &cuda, &prefer, &weights) ||
        parse_prefer(prefer, &options.prefer_aten) < 0) {
        return NULL;
    }
    options.cuda = cuda >= 0;
    options.device_id = cuda;
    options.weights = weights != 0;
    root = PyToffee_RootOf(graph);
    PyToffee_Graph_Settle(root);
    root->n_readers++;
    Py_BEGIN_ALLOW_THREADS rc =
        toffee_c2_emit(((PyToffee_Graph *)graph)->graph, &options, &nets, &st);
    Py_END_ALLOW_THREADS root->n_readers--;
    if (rc != TOFFEE_OK) {
        return PyToffee_Err_Set(state, &st);
    }
    result = nets_to_tuple(&nets);
    toffee_c2_nets_free(&nets);
    return result;
}

static PyObject *
caffe2_rules(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    PyObject *list = PyList_New(0);

    (void)module;
    for (size_t i = 0; list != NULL && i < toffee_c2_rule_count(); i++) {
        const toffee_c2_rule *rule = toffee_c2_rule_at(i);
        PyObject *row = Py_BuildValue("(szz)", rule->op, rule->caffe2_name, rule->aten_name);

        if (row == NULL || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

PyMethodDef PyToffee_Caffe2Methods[] = {
    {"caffe2_emit", (PyCFunction)(void (*)(void))caffe2_emit, METH_VARARGS | METH_KEYWORDS,
     "caffe2_emit(graph, *, cuda=-1, prefer='caffe2', weights=True)\n--\n\n"
     "The graph as (init net, predict net, index of the node of each operator)."},
    {"caffe2_rules", caffe2_rules, METH_NOARGS,
     "caffe2_rules()\n--\n\nRows of (operator, Caffe2's operators, ATen's function)."},
    {NULL, NULL, 0, NULL},
};
