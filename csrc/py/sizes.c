/* csrc/py/sizes.c -- one graph from traces at several sizes, for Python. */
#include "py/sizes.h"

#include "bridge/pyerr.h"
#include "py/graph_type.h"
#include "size/unify.h"

/* The arguments as C data. Strings are borrowed from the arguments. */
typedef struct {
    toffee_graph **graphs;
    const char **symbols;
    int64_t *sizes;
    toffee_dynamic_dim *dims;
} request;

static void *
allocate(toffee_arena *arena, Py_ssize_t n, size_t size)
{
    void *memory = toffee_arena_calloc(arena, (size_t)n + 1, size);

    if (memory == NULL) {
        PyErr_NoMemory();
    }
    return memory;
}

static int
read_graphs(PyToffee_State *state, PyObject *list, request *r)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list); i++) {
        PyObject *item = PyTuple_GET_ITEM(list, i); /* borrowed */

        if (Py_TYPE(item) != state->GraphType) {
            PyErr_Format(PyExc_TypeError, "expected a toffee.Graph, not %s",
                         Py_TYPE(item)->tp_name);
            return -1;
        }
        PyToffee_Graph_Settle(PyToffee_RootOf(item));
        r->graphs[i] = ((PyToffee_Graph *)item)->graph;
    }
    return PyToffee_Graph_BeginEdit(PyToffee_RootOf(PyTuple_GET_ITEM(list, 0)));
}

static int
read_symbols(PyObject *symbols, PyObject *rows, Py_ssize_t n_rows, request *r)
{
    Py_ssize_t n = PyTuple_GET_SIZE(symbols);

    for (Py_ssize_t i = 0; i < n; i++) {
        r->symbols[i] = PyUnicode_AsUTF8(PyTuple_GET_ITEM(symbols, i));
        if (r->symbols[i] == NULL) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < n_rows; i++) {
        PyObject *row = PyTuple_GET_ITEM(rows, i); /* borrowed */

        if (!PyTuple_Check(row) || PyTuple_GET_SIZE(row) != n) {
            PyErr_SetString(PyExc_TypeError, "sizes has a tuple of a size for each symbol");
            return -1;
        }
        for (Py_ssize_t k = 0; k < n; k++) {
            r->sizes[i * n + k] = PyLong_AsLongLong(PyTuple_GET_ITEM(row, k));
            if (r->sizes[i * n + k] == -1 && PyErr_Occurred()) {
                return -1;
            }
        }
    }
    return 0;
}

static int
read_dims(PyObject *dims, Py_ssize_t n_symbols, const request *r)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(dims); i++) {
        Py_ssize_t symbol = 0;
        const toffee_value *input = NULL;

        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(dims, i), "sin:unify", &r->dims[i].name,
                              &r->dims[i].axis, &symbol)) {
            return -1;
        }
        input = toffee_graph_find(r->graphs[0], r->dims[i].name);
        if (symbol < 0 || symbol >= n_symbols || input == NULL || !input->is_input ||
            r->dims[i].axis < 0 || r->dims[i].axis >= input->type.rank) {
            PyErr_Format(PyExc_ValueError, "'%s' has no axis %d that can be symbol %zd",
                         r->dims[i].name, (int)r->dims[i].axis, symbol);
            return -1;
        }
        r->dims[i].symbol = (size_t)symbol;
    }
    return 0;
}

static PyObject *
unify(PyObject *module, PyObject *args)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;
    PyObject *graphs = NULL;
    PyObject *symbols = NULL;
    PyObject *sizes = NULL;
    PyObject *dims = NULL;
    PyObject *result = NULL;
    toffee_arena *arena = NULL;
    request r = {0};
    toffee_twins twins = {0};
    toffee_guess guess = TOFFEE_GUESS_NONE;

    if (!PyArg_ParseTuple(args, "O!O!O!O!:unify", &PyTuple_Type, &graphs, &PyTuple_Type, &symbols,
                          &PyTuple_Type, &sizes, &PyTuple_Type, &dims)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(graphs) < 2 || PyTuple_GET_SIZE(sizes) != PyTuple_GET_SIZE(graphs) ||
        PyTuple_GET_SIZE(symbols) < 1) {
        return PyErr_Format(PyExc_ValueError,
                            "unify takes two graphs or more, a symbol or more, and sizes for each "
                            "graph");
    }
    arena = toffee_arena_new();
    if (arena == NULL) {
        return PyErr_NoMemory();
    }
    r.graphs = allocate(arena, PyTuple_GET_SIZE(graphs), sizeof(*r.graphs));
    r.symbols = allocate(arena, PyTuple_GET_SIZE(symbols), sizeof(*r.symbols));
    r.sizes =
        allocate(arena, PyTuple_GET_SIZE(graphs) * PyTuple_GET_SIZE(symbols), sizeof(*r.sizes));
    r.dims = allocate(arena, PyTuple_GET_SIZE(dims), sizeof(*r.dims));
    if (r.graphs == NULL || r.symbols == NULL || r.sizes == NULL || r.dims == NULL ||
        read_graphs(state, graphs, &r) < 0 ||
        read_symbols(symbols, sizes, PyTuple_GET_SIZE(graphs), &r) < 0 ||
        read_dims(dims, PyTuple_GET_SIZE(symbols), &r) < 0) {
        goto done;
    }
    twins = (toffee_twins){
        .graphs = r.graphs,
        .n_graphs = (size_t)PyTuple_GET_SIZE(graphs),
        .symbols = r.symbols,
        .n_symbols = (size_t)PyTuple_GET_SIZE(symbols),
        .sizes = r.sizes,
        .dims = r.dims,
        .n_dims = (size_t)PyTuple_GET_SIZE(dims),
    };
    if (toffee_unify(&twins, &guess, &st) == TOFFEE_OK) {
        result = PyLong_FromLong(guess);
    }
    else {
        PyToffee_Err_Set(state, &st);
    }
done:
    toffee_arena_free(arena);
    return result;
}

PyMethodDef PyToffee_SizesMethods[] = {
    {"unify", unify, METH_VARARGS,
     "unify(graphs, symbols, sizes, dims, /)\n--\n\nMakes the first of these traces of one model "
     "hold at all sizes. SIZES: for each graph a tuple with the size of each symbol. DIMS: tuples "
     "of the name of an input, an axis, and the index of its symbol. Returns how much more traces "
     "would tell: 0, nothing; 1, sizes are divided by numbers; 2, something rarer was found."},
    {NULL, NULL, 0, NULL},
};
