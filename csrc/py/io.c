/* csrc/py/io.c -- graphs to and from files, memory and Python file objects.
 *
 * The GIL is released for the whole of a load or a save. Tensor sources and the write method of a
 * file object take it again for as long as they need it. Meanwhile the graph counts a reader, and
 * whoever tries to edit it gets RuntimeError. */
#include "py/io.h"

#include <errno.h>
#include <string.h>

#include "bridge/pyerr.h"
#include "wire/upgrade.h"

/* A file object that may keep what it is given gets copies, in pieces of this size. */
#define WRITE_PIECE ((size_t)1 << 20)
/* What a graph needs besides its payloads, as a first guess; dumps grows by half from there. */
#define DUMPS_OVERHEAD ((size_t)1 << 14)

/* --- options ---------------------------------------------------------------------------------- */

static int
parse_format(const char *name, toffee_format *out)
{
    static const struct {
        const char *name;
        toffee_format format;
    } rows[] = {{"onnx", TOFFEE_FORMAT_ONNX}, {"toffee", TOFFEE_FORMAT_TOFFEE}};

    for (size_t i = 0; i < TOFFEE_COUNTOF(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *out = rows[i].format;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "format must be 'toffee' or 'onnx', not '%s'", name);
    return -1;
}

/* 0 if OBJECT is a toffee.Graph, else -1 and TypeError. */
static int
check_is_graph(PyToffee_State *state, PyObject *object)
{
    if (Py_TYPE(object) != state->GraphType) {
        PyErr_Format(PyExc_TypeError, "expected a toffee.Graph, not %s", Py_TYPE(object)->tp_name);
        return -1;
    }
    return 0;
}

/* --- progress --------------------------------------------------------------------------------- */

/* Who hears how many bytes are written. */
typedef struct {
    toffee_progress progress;
    PyThreadState *thread; /* of the save, while it runs without the GIL */
    /* (done, total); borrowed; NULL: nobody, but Ctrl-C is heard all the same. */
    PyObject *callable;
    /* What it raised, or KeyboardInterrupt; see file_writer. Strong references, or NULL. */
    PyObject *exc_type, *exc_value, *exc_traceback;
} listener;

/* A `tell`. Called without the GIL. */
static toffee_code
listener_tell(toffee_progress *progress, toffee_status *st)
{
    listener *self = progress->ctx;
    int failed = 0;

    PyEval_RestoreThread(self->thread);
    failed = PyErr_CheckSignals() < 0;
    if (!failed && self->callable != NULL) {
        PyObject *result =
            PyObject_CallFunction(self->callable, "KK", (unsigned long long)progress->done,
                                  (unsigned long long)progress->total);

        failed = result == NULL;
        Py_XDECREF(result);
    }
    if (failed) {
        PyErr_Fetch(&self->exc_type, &self->exc_value, &self->exc_traceback);
    }
    self->thread = PyEval_SaveThread();
    return failed ? toffee_fail(st, TOFFEE_ERR_PYTHON, "interrupted") : TOFFEE_OK;
}

/* CALLABLE may be None; INTERVAL is in seconds. 0, or -1 with an exception. */
static int
listener_init(listener *self, PyObject *callable, double interval)
{
    if (!(interval >= 0.0 && interval <= 3600.0)) {
        PyErr_SetString(PyExc_ValueError, "interval must be between 0 and 3600 seconds");
        return -1;
    }
    self->callable = callable != Py_None ? callable : NULL;
    self->progress = (toffee_progress){
        .tell = listener_tell, .ctx = self, .interval = (uint64_t)(interval * 1e9)};
    return 0;
}

/* Seconds between two looks up from the work, if nobody says otherwise. */
#define LISTENER_INTERVAL 0.1

/* --- save ------------------------------------------------------------------------------------- */

static PyObject *
io_save(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {
        "graph",    "path",           "format", "with_initializers", "external_data", "progress",
        "interval", "max_onnx_bytes", NULL};
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_save_options options = {0};
    PyObject *graph = NULL; /* borrowed */
    PyObject *path = NULL;
    PyToffee_Graph *root = NULL;  /* borrowed */
    PyObject *progress = Py_None; /* borrowed */
    listener heard = {0};
    double interval = LISTENER_INTERVAL;
    const char *format = "toffee";
    int with_initializers = 1;
    int external_data = 0;
    unsigned long long max_onnx_bytes = 0;
    toffee_code rc = TOFFEE_OK;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO&|$sppOdK:save", names, &graph,
                                     PyUnicode_FSConverter, &path, &format, &with_initializers,
                                     &external_data, &progress, &interval, &max_onnx_bytes)) {
        return NULL;
    }
    if (check_is_graph(state, graph) < 0 || parse_format(format, &options.format) < 0 ||
        listener_init(&heard, progress, interval) < 0) {
        Py_DECREF(path);
        return NULL;
    }
    options.with_initializers = with_initializers != 0;
    options.external_data = external_data != 0;
    options.progress = &heard.progress;
    options.max_onnx_bytes = max_onnx_bytes;
    root = PyToffee_RootOf(graph);
    PyToffee_Graph_Settle(root);
    root->n_readers++;
    heard.thread = PyEval_SaveThread();
    rc = toffee_save_path(((PyToffee_Graph *)graph)->graph, PyBytes_AS_STRING(path), &options, &st);
    PyEval_RestoreThread(heard.thread);
    root->n_readers--;
    Py_DECREF(path);
    if (heard.exc_type != NULL) {
        PyErr_Restore(heard.exc_type, heard.exc_value, heard.exc_traceback);
        return NULL;
    }
    if (rc != TOFFEE_OK) {
        return PyToffee_Err_Set(state, &st);
    }
    Py_RETURN_NONE;
}

/* --- save to a file object -------------------------------------------------------------------- */

typedef struct {
    PyObject *write; /* the bound method, borrowed */
    bool raw;        /* an unbuffered file: None means that it would have blocked */
    bool trusted;    /* keeps no reference to what it is given */
    /* What write raised. Kept here, since between the failure and the end of the save other Python
     * code may run, and it may have been another thread. Strong references, or NULL. */
    PyObject *exc_type, *exc_value, *exc_traceback;
} file_writer;

/* How many of N bytes RESULT, which write returned, says are written; -1 with an exception. */
static Py_ssize_t
written_by(const file_writer *writer, PyObject *result, size_t n)
{
    Py_ssize_t written = 0;

    if (result == Py_None && !writer->raw) {
        return (Py_ssize_t)n; /* home-made file objects often return nothing */
    }
    if (result == Py_None) {
        errno = EAGAIN;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    written = PyNumber_AsSsize_t(result, PyExc_OverflowError);
    if (written == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (written <= 0 || (size_t)written > n) {
        PyErr_Format(PyExc_OSError, "write() of %zu bytes returned %zd", n, written);
        return -1;
    }
    return written;
}

/* A toffee_write_fn. Called without the GIL. */
static toffee_code
file_write(void *ctx, const void *data, size_t n, toffee_status *st)
{
    file_writer *writer = ctx;
    PyGILState_STATE gil = PyGILState_Ensure();
    const char *at = data;
    toffee_code rc = TOFFEE_OK;

    while (n != 0 && rc == TOFFEE_OK) {
        size_t piece = writer->trusted || n < WRITE_PIECE ? n : WRITE_PIECE;
        PyObject *bytes = writer->trusted ? PyMemoryView_FromMemory((char *)(uintptr_t)at,
                                                                    (Py_ssize_t)piece, PyBUF_READ)
                                          : PyBytes_FromStringAndSize(at, (Py_ssize_t)piece);
        PyObject *result = bytes != NULL ? PyObject_CallOneArg(writer->write, bytes) : NULL;
        Py_ssize_t written = result != NULL ? written_by(writer, result, piece) : -1;

        Py_XDECREF(result);
        Py_XDECREF(bytes);
        if (written < 0) {
            rc = toffee_fail(st, TOFFEE_ERR_PYTHON, "write() failed");
            PyErr_Fetch(&writer->exc_type, &writer->exc_value, &writer->exc_traceback);
        }
        else {
            at += written;
            n -= (size_t)written;
        }
    }
    PyGILState_Release(gil);
    return rc;
}

static PyObject *
io_save_file(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"graph",   "write",    "format",   "with_initializers", "raw",
                            "trusted", "progress", "interval", "max_onnx_bytes",    NULL};
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_save_options options = {0};
    file_writer writer = {0};
    PyObject *graph = NULL;       /* borrowed */
    PyToffee_Graph *root = NULL;  /* borrowed */
    PyObject *progress = Py_None; /* borrowed */
    listener heard = {0};
    double interval = LISTENER_INTERVAL;
    const char *format = "toffee";
    int with_initializers = 1;
    int raw = 0;
    int trusted = 0;
    unsigned long long max_onnx_bytes = 0;
    toffee_code rc = TOFFEE_OK;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|$spppOdK:save_file", names, &graph,
                                     &writer.write, &format, &with_initializers, &raw, &trusted,
                                     &progress, &interval, &max_onnx_bytes) ||
        check_is_graph(state, graph) < 0 || parse_format(format, &options.format) < 0 ||
        listener_init(&heard, progress, interval) < 0) {
        return NULL;
    }
    options.progress = &heard.progress;
    options.with_initializers = with_initializers != 0;
    options.max_onnx_bytes = max_onnx_bytes;
    writer.raw = raw != 0;
    writer.trusted = trusted != 0;
    root = PyToffee_RootOf(graph);
    PyToffee_Graph_Settle(root);
    root->n_readers++;
    heard.thread = PyEval_SaveThread();
    rc = toffee_save_fn(((PyToffee_Graph *)graph)->graph, file_write, &writer, &options, &st);
    PyEval_RestoreThread(heard.thread);
    root->n_readers--;
    if (heard.exc_type != NULL) {
        PyErr_Restore(heard.exc_type, heard.exc_value, heard.exc_traceback);
        return NULL;
    }
    if (writer.exc_type != NULL) {
        PyErr_Restore(writer.exc_type, writer.exc_value, writer.exc_traceback);
        return NULL;
    }
    if (rc != TOFFEE_OK) {
        return PyToffee_Err_Set(state, &st);
    }
    Py_RETURN_NONE;
}

/* --- dumps ------------------------------------------------------------------------------------ */

typedef struct {
    PyObject *bytes; /* grows; NULL after a failure */
    size_t used;
    bool failed;
} memory_writer;

/* Room for N more bytes. Takes the GIL for that only: the copying is done without. */
static bool
memory_reserve(memory_writer *writer, size_t n)
{
    size_t have = (size_t)PyBytes_GET_SIZE(writer->bytes);
    size_t want = 0;
    PyGILState_STATE gil;

    if (n <= have - writer->used) {
        return true;
    }
    if (n > (size_t)PY_SSIZE_T_MAX / 2 - writer->used) {
        return false;
    }
    want = writer->used + n > have + have / 2 ? writer->used + n : have + have / 2;
    gil = PyGILState_Ensure();
    if (_PyBytes_Resize(&writer->bytes, (Py_ssize_t)want) < 0) {
        PyErr_Clear(); /* reported as NOMEM; the bytes are gone */
    }
    PyGILState_Release(gil);
    return writer->bytes != NULL;
}

/* A toffee_write_fn. */
static toffee_code
memory_write(void *ctx, const void *data, size_t n, toffee_status *st)
{
    memory_writer *writer = ctx;

    if (writer->failed || writer->bytes == NULL || !memory_reserve(writer, n)) {
        writer->failed = true;
        return toffee_fail_nomem(st);
    }
    if (n != 0) {
        memcpy(PyBytes_AS_STRING(writer->bytes) + writer->used, data, n);
        writer->used += n;
    }
    return TOFFEE_OK;
}

PyObject *
PyToffee_Dumps(PyToffee_State *state, PyToffee_Graph *root, const toffee_graph *graph,
               const toffee_save_options *options)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    memory_writer writer = {0};
    uint64_t guess = DUMPS_OVERHEAD;
    toffee_code rc = TOFFEE_OK;

    for (size_t i = 0; options->with_initializers && i < graph->initializers.n; i++) {
        if (options->places == NULL || options->places[i].location == NULL) {
            guess += graph->initializers.data[i]->n_bytes;
        }
    }
    if (guess > (uint64_t)PY_SSIZE_T_MAX / 2) {
        return PyErr_NoMemory();
    }
    writer.bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)guess);
    if (writer.bytes == NULL) {
        return NULL;
    }
    PyToffee_Graph_Settle(root);
    root->n_readers++;
    Py_BEGIN_ALLOW_THREADS rc = toffee_save_fn(graph, memory_write, &writer, options, &st);
    Py_END_ALLOW_THREADS root->n_readers--;
    if (rc != TOFFEE_OK) {
        Py_XDECREF(writer.bytes);
        return PyToffee_Err_Set(state, &st);
    }
    (void)_PyBytes_Resize(&writer.bytes, (Py_ssize_t)writer.used); /* sets NULL and MemoryError */
    return writer.bytes;
}

/* OBJECT, a sequence with None or (location, offset) for each of N initializers, as an array for
 * PyMem_Free; NULL with an exception. *KEEP, the caller's, keeps the locations alive. */
static toffee_place *
parse_places(PyObject *object, size_t n, PyObject **keep)
{
    toffee_place *places = PyMem_Calloc(n + 1, sizeof(*places));

    *keep = PySequence_Tuple(object);
    if (places == NULL || *keep == NULL) {
        if (*keep != NULL) {
            PyErr_NoMemory();
        }
        goto failed;
    }
    if ((size_t)PyTuple_GET_SIZE(*keep) != n) {
        PyErr_Format(PyExc_ValueError, "%zd places for %zu initializers", PyTuple_GET_SIZE(*keep),
                     n);
        goto failed;
    }
    for (size_t i = 0; i < n; i++) {
        PyObject *place = PyTuple_GET_ITEM(*keep, (Py_ssize_t)i); /* borrowed */
        unsigned long long offset = 0;

        if (place == Py_None) {
            continue;
        }
        if (!PyTuple_Check(place)) {
            PyErr_SetString(PyExc_TypeError, "a place is None or a tuple (location, offset)");
            goto failed;
        }
        if (!PyArg_ParseTuple(place, "sK", &places[i].location, &offset)) {
            goto failed;
        }
        places[i].offset = offset;
    }
    return places;
failed:
    PyMem_Free(places);
    Py_CLEAR(*keep);
    return NULL;
}

static PyObject *
io_dumps(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"graph", "format", "with_initializers", "places", NULL};
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_save_options options = {0};
    PyObject *graph = NULL;         /* borrowed */
    PyObject *places_object = NULL; /* borrowed */
    PyObject *keep = NULL;
    toffee_place *places = NULL;
    const toffee_graph *ir = NULL;
    const char *format = "toffee";
    int with_initializers = 1;
    PyObject *bytes = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$spO:dumps", names, &graph, &format,
                                     &with_initializers, &places_object) ||
        check_is_graph(state, graph) < 0 || parse_format(format, &options.format) < 0) {
        return NULL;
    }
    ir = ((PyToffee_Graph *)graph)->graph;
    if (places_object != NULL && places_object != Py_None) {
        places = parse_places(places_object, ir->initializers.n, &keep);
        if (places == NULL) {
            return NULL;
        }
        if (PyTuple_GET_SIZE(keep) != (Py_ssize_t)ir->initializers.n) {
            PyErr_SetString(PyExc_RuntimeError, "the graph changed while its places were read");
            goto done;
        }
    }
    options.with_initializers = with_initializers != 0;
    options.places = places;
    bytes = PyToffee_Dumps(state, PyToffee_RootOf(graph), ir, &options);
done:
    PyMem_Free(places);
    Py_XDECREF(keep);
    return bytes;
}

/* --- load ------------------------------------------------------------------------------------- */

/* Rewrites 2017 nodes. On failure GRAPH is freed and *GRAPH NULL. Without the GIL. */
static toffee_code
upgrade_loaded(toffee_graph **graph, toffee_dialect dialect, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;

    if (dialect == TOFFEE_DIALECT_EARLY || dialect == TOFFEE_DIALECT_LATE) {
        rc = toffee_upgrade(*graph, dialect, st);
    }
    if (rc != TOFFEE_OK) {
        toffee_graph_free(*graph);
        *graph = NULL;
    }
    return rc;
}

static PyObject *
io_load(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", "upgrade", NULL};
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_dialect dialect = TOFFEE_DIALECT_CURRENT;
    toffee_graph *graph = NULL;
    PyObject *path = NULL;
    int upgrade = 1;
    toffee_code rc = TOFFEE_OK;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|$p:load", names, PyUnicode_FSConverter,
                                     &path, &upgrade)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS rc = toffee_load_path(PyBytes_AS_STRING(path), &graph, &dialect, &st);
    if (rc == TOFFEE_OK && upgrade) {
        rc = upgrade_loaded(&graph, dialect, &st);
    }
    Py_END_ALLOW_THREADS Py_DECREF(path);
    return rc == TOFFEE_OK ? state->wrap_graph(state, graph) : PyToffee_Err_Set(state, &st);
}

PyObject *
PyToffee_Loads(PyToffee_State *state, PyObject *data, bool upgrade)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_dialect dialect = TOFFEE_DIALECT_CURRENT;
    toffee_graph *graph = NULL;
    PyObject *view = PyMemoryView_FromObject(data);
    const Py_buffer *buffer = NULL;
    PyObject *loaded = NULL;
    toffee_code rc = TOFFEE_OK;

    if (view == NULL) {
        return NULL;
    }
    buffer = PyMemoryView_GET_BUFFER(view);
    if (!PyBuffer_IsContiguous(buffer, 'C')) {
        PyErr_SetString(PyExc_BufferError, "the bytes of a graph must lie in one piece");
        Py_DECREF(view);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS rc =
        toffee_load_bytes(buffer->buf, (size_t)buffer->len, NULL, NULL, &graph, &dialect, &st);
    if (rc == TOFFEE_OK && upgrade) {
        rc = upgrade_loaded(&graph, dialect, &st);
    }
    Py_END_ALLOW_THREADS loaded =
        rc == TOFFEE_OK ? state->wrap_graph(state, graph) : PyToffee_Err_Set(state, &st);
    /* Tensors borrow from the buffer: the graph keeps the view, and the view keeps the buffer. */
    if (loaded != NULL && PyToffee_Graph_Keep((PyToffee_Graph *)loaded, view) < 0) {
        Py_CLEAR(loaded);
    }
    Py_DECREF(view);
    return loaded;
}

static PyObject *
io_loads(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "upgrade", NULL};
    PyObject *data = NULL; /* borrowed */
    int upgrade = 1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:loads", names, &data, &upgrade)) {
        return NULL;
    }
    return PyToffee_Loads(PyToffee_ModuleState(module), data, upgrade != 0);
}

static PyObject *
io_downgrade(PyObject *module, PyObject *object)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    toffee_status st = TOFFEE_STATUS_INIT;
    PyToffee_Graph *copy = NULL;

    if (check_is_graph(state, object) < 0) {
        return NULL;
    }
    copy = PyToffee_Graph_SettledCopy(state, object);
    if (copy == NULL) {
        return NULL;
    }
    if (toffee_downgrade(copy->graph, &st) != TOFFEE_OK) {
        Py_DECREF(copy);
        return PyToffee_Err_Set(state, &st);
    }
    copy->edited = true;
    return (PyObject *)copy;
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

PyMethodDef PyToffee_IoMethods[] = {
    {"downgrade", io_downgrade, METH_O,
     "downgrade(graph, /)\n--\n\nA copy with the operators and ir_version of September 2017."},
    {"dumps", WITH_KEYWORDS(io_dumps),
     "dumps(graph, *, format='toffee', with_initializers=True, places=None)\n--\n\nThe graph as "
     "bytes. places: (location, offset) of each initializer whose bytes are in a file, else None."},
    {"load", WITH_KEYWORDS(io_load),
     "load(path, *, upgrade=True)\n--\n\nThe graph in the file at path, mapped."},
    {"loads", WITH_KEYWORDS(io_loads),
     "loads(data, *, upgrade=True)\n--\n\nThe graph in a buffer, which it keeps."},
    {"save", WITH_KEYWORDS(io_save),
     "save(graph, path, *, format='toffee', with_initializers=True, external_data=False, "
     "progress=None, interval=0.1, max_onnx_bytes=0)\n--\n\nWrites the graph to path, atomically. "
     "progress(bytes done, bytes in all) is called now and then."},
    {"save_file", WITH_KEYWORDS(io_save_file),
     "save_file(graph, write, *, format='toffee', with_initializers=True, raw=False, "
     "trusted=False, progress=None, interval=0.1, max_onnx_bytes=0)\n--\n\nHands the bytes of the "
     "graph to write, in order."},
    {NULL, NULL, 0, NULL},
};
