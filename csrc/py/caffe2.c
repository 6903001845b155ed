/* csrc/py/caffe2.c -- Caffe2's nets, both ways, for Python. */
#include "py/caffe2.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "caffe2/import.h"
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

/* ---- the way back ----------------------------------------------------------------------------
 */

/* The item (name, dtype, dims) into OUT, whose dims are the caller's to free. -1 with an exception
 * set. */
static int
input_parse(PyObject *item, toffee_c2_import_input *out)
{
    PyObject *dims = NULL; /* borrowed */
    int64_t *copy = NULL;
    int dtype = 0;

    if (!PyArg_ParseTuple(item, "siO!", &out->name, &dtype, &PyTuple_Type, &dims)) {
        return -1;
    }
    if (PyTuple_GET_SIZE(dims) > TOFFEE_MAX_RANK ||
        toffee_dtype_get((toffee_dtype)dtype) == toffee_dtype_get(TOFFEE_DTYPE_UNDEFINED)) {
        PyErr_Format(PyExc_ValueError, "input '%s' has too many axes, or a dtype that is none",
                     out->name);
        return -1;
    }
    copy = PyMem_Calloc((size_t)PyTuple_GET_SIZE(dims) + 1, sizeof(*copy));
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    out->dims = copy;
    out->dtype = (toffee_dtype)dtype;
    out->rank = (int32_t)PyTuple_GET_SIZE(dims);
    for (int32_t i = 0; i < out->rank; i++) {
        copy[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(dims, i));
        if (copy[i] == -1 && PyErr_Occurred() != NULL) {
            return -1;
        }
    }
    return 0;
}

/* The bytes of a buffer that lies in one piece. */
static int
view_bytes(PyObject *view, toffee_c2_bytes *out)
{
    const Py_buffer *buffer = PyMemoryView_GET_BUFFER(view);

    if (!PyBuffer_IsContiguous(buffer, 'C')) {
        PyErr_SetString(PyExc_BufferError, "the bytes of a net must lie in one piece");
        return -1;
    }
    *out = (toffee_c2_bytes){buffer->buf, (size_t)buffer->len};
    return 0;
}

static PyObject *
nets_import(PyToffee_State *state, PyObject *views, const toffee_c2_import_input *inputs, size_t n)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_c2_bytes init = {0};
    toffee_c2_bytes predict = {0};
    toffee_graph *graph = NULL;
    PyObject *made = NULL;
    toffee_code rc = TOFFEE_OK;

    if (view_bytes(PyTuple_GET_ITEM(views, 0), &init) < 0 ||
        view_bytes(PyTuple_GET_ITEM(views, 1), &predict) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS rc = toffee_c2_import(init, predict, inputs, n, &graph, &st);
    Py_END_ALLOW_THREADS made =
        rc == TOFFEE_OK ? state->wrap_graph(state, graph) : PyToffee_Err_Set(state, &st);
    /* Weights lie in the buffers: the graph keeps them. */
    if (made != NULL && PyToffee_Graph_Keep((PyToffee_Graph *)made, views) < 0) {
        Py_CLEAR(made);
    }
    return made;
}

static PyObject *
caffe2_import(PyObject *module, PyObject *args)
{
    PyObject *data[2] = {NULL, NULL}; /* borrowed */
    PyObject *list = NULL;            /* borrowed */
    PyObject *views = NULL;
    PyObject *made = NULL;
    toffee_c2_import_input *inputs = NULL;
    Py_ssize_t n = 0;

    if (!PyArg_ParseTuple(args, "OOO!:caffe2_import", &data[0], &data[1], &PyList_Type, &list)) {
        return NULL;
    }
    n = PyList_GET_SIZE(list);
    inputs = PyMem_Calloc((size_t)n + 1, sizeof(*inputs));
    views = PyTuple_New(2);
    if (inputs == NULL || views == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (int i = 0; i < 2; i++) {
        PyObject *view = PyMemoryView_FromObject(data[i]);

        if (view == NULL) {
            goto done;
        }
        PyTuple_SET_ITEM(views, i, view);
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyList_GET_ITEM(list, i);

        if (!PyTuple_Check(item)) {
            PyErr_SetString(PyExc_TypeError, "an input is a tuple (name, dtype, dims)");
            goto done;
        }
        if (input_parse(item, &inputs[i]) < 0) {
            goto done;
        }
    }
    made = nets_import(PyToffee_ModuleState(module), views, inputs, (size_t)n);
done:
    for (Py_ssize_t i = 0; inputs != NULL && i < n; i++) {
        PyMem_Free((void *)(uintptr_t)inputs[i].dims);
    }
    PyMem_Free(inputs);
    Py_XDECREF(views);
    return made;
}

static PyObject *
caffe2_import_rules(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    PyObject *list = PyList_New(0);

    (void)module;
    for (size_t i = 0; list != NULL && i < toffee_c2_import_count(); i++) {
        const char *caffe2 = NULL;
        const char *onnx = NULL;
        const char *limit = NULL;
        PyObject *row = NULL;

        toffee_c2_import_row(i, &caffe2, &onnx, &limit);
        row = Py_BuildValue("(szz)", caffe2, onnx, limit);
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
    {"caffe2_import", caffe2_import, METH_VARARGS,
     "caffe2_import(init, predict, inputs, /)\n--\n\n"
     "The graph of two nets; inputs are (name, dtype, dims)."},
    {"caffe2_import_rules", caffe2_import_rules, METH_NOARGS,
     "caffe2_import_rules()\n--\n\n"
     "Rows of (Caffe2's operator, ONNX's operators, what is refused)."},
    {"caffe2_rules", caffe2_rules, METH_NOARGS,
     "caffe2_rules()\n--\n\nRows of (operator, Caffe2's operators, ATen's function)."},
    {NULL, NULL, 0, NULL},
};
