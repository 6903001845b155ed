/* csrc/trace/origin.c -- reads Python's stack. See Note [Origins] in origin.h. */
#include "trace/origin.h"

#include <frameobject.h>
#include <string.h>

#include "bridge/pyerr.h"

typedef enum {
    CODE_HIDDEN,  /* says nothing to anybody */
    CODE_LAYER,   /* torch.nn: better than nothing */
    CODE_USER,    /* the user's, or a library's of models */
    CODE_MODULE,  /* Module.__call__ */
    CODE_OUTSIDE, /* what started the trace */
} code_kind;

typedef struct {
    int start; /* first byte of the instructions of this line */
    int line;
    const toffee_str *text; /* "file:line"; NULL until it is asked for */
} code_line;

typedef struct {
    PyObject *code; /* strong */
    code_kind kind;
    const char *file;            /* of user's and layers' code: what it is called in texts */
    TOFFEE_VEC(code_line) lines; /* in order of start; empty until one is asked for */
} code_info;

struct PyToffee_Locator {
    toffee_arena *arena; /* owned; what is here but the strings of the graph */
    PyObject *source;    /* strong; NULL: no lines */
    PyObject *modules;   /* strong; NULL: no names */
    PyObject *call;      /* code of Module.__call__; strong or NULL */
    PyObject *outside;   /* code of the function that started the trace; strong or NULL */
    PyObject *names[3];  /* interned strings, strong: see below */
    toffee_ptrmap paths; /* address of a module -> interned path, in the graph of the trace */
    toffee_ptrmap codes; /* address of a code object -> code_info */
    TOFFEE_VEC(code_info *) infos;
    bool has_paths;                /* the map is filled */
    bool has_caller;               /* the next is known */
    const toffee_str *caller_line; /* where export() was called; NULL: nobody knows */
};

enum { NAME_SELF, NAME_LOCALS, NAME_LASTI };

static const char *const name_texts[] = {"self", "f_locals", "f_lasti"};

/* ---- life ----------------------------------------------------------------------------------- */

void
PyToffee_Locator_Free(PyToffee_Locator *self)
{
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->infos.n; i++) {
        Py_DECREF(self->infos.data[i]->code);
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(self->names); i++) {
        Py_XDECREF(self->names[i]);
    }
    Py_XDECREF(self->source);
    Py_XDECREF(self->modules);
    Py_XDECREF(self->call);
    Py_XDECREF(self->outside);
    toffee_arena_free(self->arena);
    PyMem_Free(self);
}

int
PyToffee_Locator_Traverse(const PyToffee_Locator *self, visitproc visit, void *arg)
{
    if (self == NULL) {
        return 0;
    }
    for (size_t i = 0; i < self->infos.n; i++) {
        Py_VISIT(self->infos.data[i]->code);
    }
    Py_VISIT(self->source);
    Py_VISIT(self->modules);
    Py_VISIT(self->call);
    Py_VISIT(self->outside);
    return 0;
}

/* The code of the Python function that is running; a new reference, or NULL without an exception.
 */
static PyObject *
running_code(void)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    PyObject *code = frame != NULL ? (PyObject *)PyFrame_GetCode(frame) : NULL;

    Py_XDECREF(frame);
    return code;
}

PyToffee_Locator *
PyToffee_Locator_New(PyObject *source, PyObject *modules, PyObject *call)
{
    PyToffee_Locator *self = PyMem_Calloc(1, sizeof(*self));

    if (self == NULL || (self->arena = toffee_arena_new()) == NULL) {
        PyMem_Free(self);
        PyErr_NoMemory();
        return NULL;
    }
    self->source = source != Py_None ? Py_NewRef(source) : NULL;
    self->modules = modules != Py_None ? Py_NewRef(modules) : NULL;
    self->call = call != Py_None ? Py_NewRef(call) : NULL;
    self->outside = running_code();
    for (size_t i = 0; i < TOFFEE_COUNTOF(self->names); i++) {
        self->names[i] = PyUnicode_InternFromString(name_texts[i]);
        if (self->names[i] == NULL) {
            PyToffee_Locator_Free(self);
            return NULL;
        }
    }
    return self;
}

bool
PyToffee_Locator_NamesNodes(const PyToffee_Locator *self)
{
    return self != NULL && self->modules != NULL;
}

/* ---- modules -------------------------------------------------------------------------------- */

static int
fill_paths(PyToffee_Locator *self, toffee_graph *graph)
{
    self->has_paths = true;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->modules); i++) {
        PyObject *row = PyList_GET_ITEM(self->modules, i); /* borrowed; the list is only ours */
        const char *text = NULL;
        PyObject *module = NULL; /* borrowed from ROW */
        const toffee_str *path = NULL;

        if (!PyTuple_Check(row) || !PyArg_ParseTuple(row, "sO:locate", &text, &module)) {
            return PyErr_Occurred() ? -1 : (PyErr_SetString(PyExc_TypeError, "(path, module)"), -1);
        }
        if (toffee_ptrmap_get(&self->paths, module) != NULL) {
            continue; /* registered twice */
        }
        path = toffee_graph_intern(graph, text);
        if (path == NULL ||
            !toffee_ptrmap_set(self->arena, &self->paths, module, (void *)(uintptr_t)path)) {
            return PyToffee_Err_NoMemory();
        }
    }
    return 0;
}

/* What FRAME, of Module.__call__, has as its self: a new reference. NULL: an exception is set, or
 * it is not known. */
static PyObject *
read_self(PyToffee_Locator *self, PyFrameObject *frame)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *module = PyFrame_GetVar(frame, self->names[NAME_SELF]);

    if (module == NULL && PyErr_ExceptionMatches(PyExc_NameError)) {
        PyErr_Clear();
    }
    return module;
#else
    /* A dict that Python keeps with the frame. This function never rebinds its variables, so the
     * dict keeps nothing alive that the frame does not. */
    PyObject *locals = PyObject_GetAttr((PyObject *)frame, self->names[NAME_LOCALS]);
    PyObject *module = NULL; /* borrowed from LOCALS */

    if (locals == NULL) {
        return NULL;
    }
    if (PyDict_Check(locals)) {
        module = PyDict_GetItemWithError(locals, self->names[NAME_SELF]);
        Py_XINCREF(module);
    }
    Py_DECREF(locals);
    return module;
#endif
}

/* *PATH is that of the module that FRAME calls, or left alone if it is none of the model's. */
static int
find_path(PyToffee_Locator *self, PyFrameObject *frame, const toffee_str **path)
{
    PyObject *module = read_self(self, frame);
    const toffee_str *found = NULL;

    if (module == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    found = toffee_ptrmap_get(&self->paths, module);
    Py_DECREF(module);
    *path = found != NULL ? found : *path;
    return 0;
}

/* ---- code ----------------------------------------------------------------------------------- */

/* Asks SOURCE about the file of INFO's code: None, or (what to call it, whether it is the user's).
 */
static int
judge(PyToffee_Locator *self, code_info *info)
{
    PyObject *filename = PyObject_GetAttrString(info->code, "co_filename");
    PyObject *answer =
        filename != NULL ? PyObject_CallFunctionObjArgs(self->source, filename, NULL) : NULL;
    const char *file = NULL; /* borrowed from ANSWER */
    int is_users = 0;
    int rc = -1;

    if (answer == NULL) {
        goto done;
    }
    if (answer == Py_None) {
        rc = 0;
        goto done;
    }
    if (!PyTuple_Check(answer)) {
        PyErr_Format(PyExc_TypeError, "the source of a file is a %.200s", Py_TYPE(answer)->tp_name);
        goto done;
    }
    if (!PyArg_ParseTuple(answer, "sp:source", &file, &is_users)) {
        goto done;
    }
    info->kind = is_users ? CODE_USER : CODE_LAYER;
    info->file = toffee_arena_strndup(self->arena, file, strlen(file));
    rc = info->file != NULL ? 0 : PyToffee_Err_NoMemory();
done:
    Py_XDECREF(answer);
    Py_XDECREF(filename);
    return rc;
}

static code_info *
new_info(PyToffee_Locator *self, PyObject *code)
{
    code_info *info = toffee_arena_calloc(self->arena, 1, sizeof(*info));

    if (info == NULL || !TOFFEE_VEC_PUSH(self->arena, &self->infos, info)) {
        PyErr_NoMemory();
        return NULL;
    }
    info->code = Py_NewRef(code);
    if (code == self->outside) {
        info->kind = CODE_OUTSIDE;
    }
    else if (code == self->call) {
        info->kind = CODE_MODULE;
    }
    else if (self->source != NULL && judge(self, info) < 0) {
        return NULL;
    }
    if (!toffee_ptrmap_set(self->arena, &self->codes, code, info)) {
        PyErr_NoMemory();
        return NULL;
    }
    return info;
}

/* NULL with an exception set. */
static code_info *
info_of(PyToffee_Locator *self, PyFrameObject *frame)
{
    PyObject *code = (PyObject *)PyFrame_GetCode(frame);
    code_info *info = toffee_ptrmap_get(&self->codes, code);

    if (info == NULL) {
        info = new_info(self, code);
    }
    Py_DECREF(code); /* INFO has it */
    return info;
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* Appends the rows (start, end, line or None) of ROWS, an iterator. */
static int
add_lines(PyToffee_Locator *self, code_info *info, PyObject *rows)
{
    PyObject *row = NULL;

    while ((row = PyIter_Next(rows)) != NULL) {
        code_line next = {0};
        PyObject *line = NULL; /* borrowed from ROW */
        int end = 0;
        bool ok = PyArg_ParseTuple(row, "iiO:co_lines", &next.start, &end, &line);

        if (ok && line != Py_None) {
            next.line = (int)PyLong_AsLong(line);
            ok = !PyErr_Occurred();
        }
        Py_DECREF(row);
        if (!ok) {
            return -1;
        }
        if (!TOFFEE_VEC_PUSH(self->arena, &info->lines, next)) {
            return PyToffee_Err_NoMemory();
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Python finds the line of a frame by reading the table of its code from the start, which makes a
 * long forward quadratic; so the table is read once. */
static int
read_lines(PyToffee_Locator *self, code_info *info)
{
    PyObject *rows = PyObject_CallMethod(info->code, "co_lines", NULL);
    PyObject *iterator = rows != NULL ? PyObject_GetIter(rows) : NULL;
    int rc = iterator != NULL ? add_lines(self, info, iterator) : -1;
    code_line only = {0};

    if (rc == 0 && info->lines.n == 0 && !TOFFEE_VEC_PUSH(self->arena, &info->lines, only)) {
        rc = PyToffee_Err_NoMemory();
    }
    Py_XDECREF(iterator);
    Py_XDECREF(rows);
    return rc;
}

/* The byte of FRAME's code that runs; -1 with an exception set, or if it has not begun. */
static int
running_byte(PyToffee_Locator *self, PyFrameObject *frame)
{
#if PY_VERSION_HEX >= 0x030B0000
    (void)self;
    return PyFrame_GetLasti(frame);
#else
    PyObject *number = PyObject_GetAttr((PyObject *)frame, self->names[NAME_LASTI]);
    int byte = number != NULL ? (int)PyLong_AsLong(number) : -1;

    Py_XDECREF(number);
    return byte;
#endif
}

/* "file:line" of FRAME, whose code is INFO's; a string of GRAPH. NULL with an exception set. */
static const toffee_str *
line_of(PyToffee_Locator *self, toffee_graph *graph, code_info *info, PyFrameObject *frame)
{
    int byte = running_byte(self, frame);
    size_t low = 0;
    size_t high = 0;
    code_line *row = NULL;

    if (byte < 0 && PyErr_Occurred()) {
        return NULL;
    }
    if (info->lines.n == 0 && read_lines(self, info) < 0) {
        return NULL;
    }
    high = info->lines.n; /* the row is in [low, high) */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (info->lines.data[middle].start <= byte) {
            low = middle;
        }
        else {
            high = middle;
        }
    }
    row = &info->lines.data[low];
    if (row->text == NULL) {
        const char *text = row->line > 0
                               ? toffee_arena_printf(self->arena, "%s:%d", info->file, row->line)
                               : info->file; /* code that was made by hand */

        row->text = text != NULL ? toffee_graph_intern(graph, text) : NULL;
        if (row->text == NULL) {
            PyErr_NoMemory();
        }
    }
    return row->text;
}

/* The user's line that started the trace, outside of FRAME. It is the same for all of it. */
static int
find_caller(PyToffee_Locator *self, toffee_graph *graph, PyFrameObject *frame)
{
    PyFrameObject *next = PyFrame_GetBack(frame);
    int rc = 0;

    self->has_caller = true;
    while (rc == 0 && next != NULL && self->caller_line == NULL) {
        code_info *info = info_of(self, next);
        PyFrameObject *back = PyFrame_GetBack(next);

        if (info != NULL && info->kind == CODE_USER) {
            self->caller_line = line_of(self, graph, info, next);
            info = self->caller_line != NULL ? info : NULL;
        }
        rc = info != NULL ? 0 : -1;
        Py_DECREF(next);
        next = back;
    }
    Py_XDECREF(next);
    return rc;
}

/* ---- the walk ------------------------------------------------------------------------------- */

typedef struct {
    toffee_graph *graph;
    const toffee_str *path; /* NULL: not found yet */
    const toffee_str *line; /* the same */
    PyFrameObject *layer;   /* the innermost of torch.nn; strong or NULL */
    bool is_outside;        /* nothing further out belongs to the model */
} search;

/* Looks at one frame. 0, or -1 with an exception set. */
static int
visit_frame(PyToffee_Locator *self, search *s, PyFrameObject *frame)
{
    code_info *info = info_of(self, frame);

    if (info == NULL) {
        return -1;
    }
    switch (info->kind) {
    case CODE_HIDDEN: return 0;
    case CODE_USER:
        if (s->line == NULL) {
            s->line = line_of(self, s->graph, info, frame);
            return s->line != NULL ? 0 : -1;
        }
        return 0;
    case CODE_LAYER:
        if (s->line == NULL && s->layer == NULL) {
            s->layer = (PyFrameObject *)Py_NewRef(frame);
        }
        return 0;
    case CODE_MODULE: return s->path == NULL ? find_path(self, frame, &s->path) : 0;
    case CODE_OUTSIDE:
        s->is_outside = true;
        if (self->source != NULL && s->line == NULL && s->layer == NULL && !self->has_caller) {
            return find_caller(self, s->graph, frame);
        }
        return 0;
    }
    return 0;
}

/* What is said where no frame is the user's. */
static int
find_substitute(PyToffee_Locator *self, search *s)
{
    code_info *info = NULL;

    if (s->layer == NULL) {
        s->line = self->caller_line;
        return 0;
    }
    info = info_of(self, s->layer);
    s->line = info != NULL ? line_of(self, s->graph, info, s->layer) : NULL;
    return s->line != NULL ? 0 : -1;
}

int
PyToffee_Locator_Update(PyToffee_Locator *self, toffee_lowering *lo)
{
    search s = {.graph = lo->graph};
    PyFrameObject *frame = NULL;
    bool needs_line = false;
    bool needs_path = false;
    int rc = 0;

    if (self == NULL) {
        return 0;
    }
    if (self->modules != NULL && !self->has_paths && fill_paths(self, lo->graph) < 0) {
        return -1;
    }
    needs_line = self->source != NULL;
    needs_path = self->paths.n_used != 0;
    frame = PyThreadState_GetFrame(PyThreadState_Get());
    while (rc == 0 && frame != NULL && !s.is_outside &&
           ((needs_line && s.line == NULL) || (needs_path && s.path == NULL))) {
        PyFrameObject *back = NULL;

        rc = visit_frame(self, &s, frame);
        back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    Py_XDECREF(frame);
    if (rc == 0 && needs_line && s.line == NULL) {
        rc = find_substitute(self, &s);
    }
    Py_XDECREF(s.layer);
    lo->origin = (toffee_origin){.line = s.line, .path = s.path};
    return rc;
}
