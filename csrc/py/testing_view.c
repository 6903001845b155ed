/* csrc/py/testing_view.c -- see testing_view.h. */
#include "py/testing_view.h"

#include <string.h>

#include "bridge/pyerr.h"
#include "ir/prune.h"
#include "lower/view.h"
#include "wire/wire.h"

typedef struct {
    int64_t sizes[TOFFEE_MAX_RANK];
    int64_t strides[TOFFEE_MAX_RANK];
    toffee_geometry geometry;
} geometry_arg;

/* SEQUENCE of integers into INTS; their number, or -1 with an exception set. */
static int32_t
ints_from(PyObject *sequence, int64_t *ints)
{
    PyObject *fast = PySequence_Fast(sequence, "sizes and strides must be sequences");
    Py_ssize_t n = 0;

    if (fast == NULL) {
        return -1;
    }
    n = PySequence_Fast_GET_SIZE(fast);
    if (n > TOFFEE_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "more than %d dimensions", TOFFEE_MAX_RANK);
        n = -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        ints[i] = PyLong_AsLongLong(PySequence_Fast_GET_ITEM(fast, i));
        if (ints[i] == -1 && PyErr_Occurred()) {
            n = -1;
        }
    }
    Py_DECREF(fast);
    return (int32_t)n;
}

static bool
geometry_from(PyObject *sizes, PyObject *strides, int64_t offset, geometry_arg *out)
{
    int32_t rank = ints_from(sizes, out->sizes);
    int32_t n_strides = rank >= 0 ? ints_from(strides, out->strides) : -1;

    if (n_strides < 0) {
        return false;
    }
    if (n_strides != rank) {
        PyErr_SetString(PyExc_ValueError, "as many strides as sizes");
        return false;
    }
    out->geometry = (toffee_geometry){offset, rank, out->sizes, out->strides};
    return true;
}

static bool
geometries_parse(PyObject *args, const char *format, int *dtype, geometry_arg *root,
                 geometry_arg *view)
{
    PyObject *lists[4] = {NULL};
    long long offset = 0;

    if (!PyArg_ParseTuple(args, format, dtype, &lists[0], &lists[1], &offset, &lists[2],
                          &lists[3])) {
        return false;
    }
    return geometry_from(lists[0], lists[1], 0, root) &&
           geometry_from(lists[2], lists[3], offset, view);
}

/* A collector of what the writer sends. */
typedef struct {
    PyObject *bytes; /* a bytearray */
} collector;

static toffee_code
collector_write(void *ctx, const void *data, size_t n, toffee_status *st)
{
    PyObject *bytes = ((collector *)ctx)->bytes;
    Py_ssize_t size = PyByteArray_GET_SIZE(bytes);

    if (PyByteArray_Resize(bytes, size + (Py_ssize_t)n) < 0) {
        return toffee_fail(st, TOFFEE_ERR_PYTHON, "no room for the graph");
    }
    memcpy(PyByteArray_AS_STRING(bytes) + size, data, n);
    return TOFFEE_OK;
}

static toffee_code
graph_input(toffee_graph *graph, const char *name, toffee_dtype dtype,
            const toffee_geometry *geometry, toffee_value **out, toffee_status *st)
{
    const toffee_str *text = toffee_graph_intern(graph, name);

    if (text == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_graph_value(graph, text, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(*out, dtype, geometry->sizes, geometry->rank, st));
    return toffee_graph_add_input(graph, *out, st);
}

/* The graph: inputs "root" and, for writing, "new"; one output. */
static toffee_code
graph_fill(toffee_lowering *lo, toffee_dtype dtype, const toffee_geometry *root,
           const toffee_geometry *view, bool writing, toffee_status *st)
{
    toffee_value *root_value = NULL;
    toffee_value *new_value = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(graph_input(lo->graph, "root", dtype, root, &root_value, st));
    if (writing) {
        TOFFEE_RETURN_IF_ERROR(graph_input(lo->graph, "new", dtype, view, &new_value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_view_write(lo, root_value, root, view, new_value, &out, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(toffee_view_read(lo, root_value, root, view, &out, st));
    }
    if (out->producer == NULL) { /* an input or an initializer, which cannot be an output */
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit(lo, "Identity", TOFFEE_INPUTS(out), dtype, NULL, &out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(out, dtype,
                                                     writing ? root->sizes : view->sizes,
                                                     writing ? root->rank : view->rank, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_graph_add_output(lo->graph, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_set_opset(lo->graph, "", TOFFEE_OPSET, st));
    TOFFEE_RETURN_IF_ERROR(toffee_prune(lo->graph, NULL, st));
    TOFFEE_RETURN_IF_ERROR(toffee_number_values(lo->graph, st));
    for (size_t i = 0; i < lo->graph->nodes.n; i++) {
        toffee_value *made = lo->graph->nodes.data[i]->outputs.data[0];

        if (made != out) {
            TOFFEE_RETURN_IF_ERROR(toffee_graph_add_value_info(lo->graph, made, st));
        }
    }
    lo->graph->ir_version = TOFFEE_IR_VERSION;
    lo->graph->name = toffee_graph_intern(lo->graph, "view");
    return lo->graph->name != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

static PyObject *
view_graph(PyObject *self, PyObject *args, bool writing)
{
    PyToffee_State *state = PyToffee_ModuleState(self);
    const toffee_save_options options = {.format = TOFFEE_FORMAT_ONNX, .with_initializers = true};
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_lowering lo = {0};
    collector sink = {NULL};
    PyObject *result = NULL;
    geometry_arg root;
    geometry_arg view;
    toffee_code rc = TOFFEE_OK;
    int dtype = 0;

    if (!geometries_parse(args, "iOOLOO", &dtype, &root, &view)) {
        return NULL;
    }
    if (!toffee_dtype_known(dtype)) {
        return PyErr_Format(PyExc_ValueError, "no dtype has the number %d", dtype);
    }
    sink.bytes = PyByteArray_FromStringAndSize(NULL, 0);
    if (sink.bytes == NULL) {
        return NULL;
    }
    lo.scratch = toffee_arena_new();
    rc = lo.scratch != NULL ? toffee_graph_new(&lo.graph, &st) : toffee_fail_nomem(&st);
    if (rc != TOFFEE_OK) {
        goto done;
    }
    rc = graph_fill(&lo, (toffee_dtype)dtype, &root.geometry, &view.geometry, writing, &st);
    if (rc != TOFFEE_OK) {
        goto done;
    }
    rc = toffee_save_fn(lo.graph, collector_write, &sink, &options, &st);
    if (rc != TOFFEE_OK) {
        goto done;
    }
    result = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(sink.bytes),
                                       PyByteArray_GET_SIZE(sink.bytes));
done:
    if (rc != TOFFEE_OK) {
        PyToffee_Err_Set(state, &st);
    }
    toffee_graph_free(lo.graph);
    toffee_arena_free(lo.scratch);
    Py_DECREF(sink.bytes);
    return result;
}

static PyObject *
view_read(PyObject *self, PyObject *args)
{
    return view_graph(self, args, false);
}

static PyObject *
view_write(PyObject *self, PyObject *args)
{
    return view_graph(self, args, true);
}

static PyObject *
view_facts(PyObject *self, PyObject *args)
{
    geometry_arg root;
    geometry_arg view;
    int dtype = 0;

    (void)self;
    if (!geometries_parse(args, "iOOLOO", &dtype, &root, &view)) {
        return NULL;
    }
    return Py_BuildValue("(NNN)",
                         PyBool_FromLong(toffee_geometry_inside(&root.geometry, &view.geometry)),
                         PyBool_FromLong(toffee_geometry_covers(&root.geometry, &view.geometry)),
                         PyBool_FromLong(toffee_geometry_may_overlap(&view.geometry)));
}

static PyMethodDef methods[] = {
    {"view_facts", view_facts, METH_VARARGS,
     "view_facts(dtype, root_sizes, root_strides, offset, sizes, strides) -> (inside, covers, "
     "may overlap)"},
    {"view_read", view_read, METH_VARARGS,
     "view_read(dtype, root_sizes, root_strides, offset, sizes, strides) -> bytes\n\n"
     "ONNX model from 'root' to what the view sees of it. Strides and offset count elements."},
    {"view_write", view_write, METH_VARARGS,
     "view_write(dtype, root_sizes, root_strides, offset, sizes, strides) -> bytes\n\n"
     "ONNX model from 'root' and 'new' to the root after 'new' was written through the view."},
};

int
PyToffee_TestingView_Add(PyObject *target, PyObject *module)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(methods); i++) {
        PyObject *function = PyCFunction_NewEx(&methods[i], module, NULL);
        int failed =
            function == NULL || PyObject_SetAttrString(target, methods[i].ml_name, function) < 0;

        Py_XDECREF(function);
        if (failed) {
            return -1;
        }
    }
    return 0;
}
