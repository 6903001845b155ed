/* csrc/trace/twin.c -- see Note [Twins] in the header. */
#include "trace/twin.h"

#include <string.h>

#include "bridge/pyerr.h"

/* Calls on fewer elements than this are run for real: asking for their shape costs more. */
#define SKIP_ELEMENTS 32768

typedef struct {
    const char *name; /* of the overload cache, or of the arena */
    uint64_t digest;  /* 0: nothing in the entry was on data alone */
} entry;

struct PyToffee_Twin {
    toffee_arena *arena; /* owned; has the arrays and this struct */
    PyObject *skip;      /* strong; NULL: none */
    const int64_t *sources;
    size_t n_sources;
    size_t next; /* of the sources, the first that has not been passed */
    TOFFEE_VEC(entry) entries;
    size_t n_skipped;
    int n_steps;     /* that are running, one inside of the other */
    bool is_current; /* the last entry is a source */
};

/* ---- life ----------------------------------------------------------------------------------- */

static int
read_sources(PyToffee_Twin *twin, PyObject *sources)
{
    int64_t *ordinals = NULL;

    if (!PyTuple_Check(sources)) {
        PyErr_SetString(PyExc_TypeError, "keep_journal: sources must be a tuple of int");
        return -1;
    }
    twin->n_sources = (size_t)PyTuple_GET_SIZE(sources);
    ordinals = toffee_arena_calloc(twin->arena, twin->n_sources, sizeof(*ordinals));
    if (ordinals == NULL) {
        return PyToffee_Err_NoMemory();
    }
    for (size_t i = 0; i < twin->n_sources; i++) {
        ordinals[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(sources, (Py_ssize_t)i));
        if (ordinals[i] == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (ordinals[i] < 0 || (i > 0 && ordinals[i] <= ordinals[i - 1])) {
            PyErr_SetString(PyExc_ValueError,
                            "keep_journal: sources must be ordinals in ascending order");
            return -1;
        }
    }
    twin->sources = ordinals;
    return 0;
}

PyToffee_Twin *
PyToffee_Twin_New(PyObject *sources, PyObject *skip)
{
    toffee_arena *arena = toffee_arena_new();
    PyToffee_Twin *twin = arena != NULL ? toffee_arena_calloc(arena, 1, sizeof(*twin)) : NULL;

    if (twin == NULL) {
        toffee_arena_free(arena);
        PyErr_NoMemory();
        return NULL;
    }
    twin->arena = arena;
    if (skip != Py_None && !PyCallable_Check(skip)) {
        PyErr_SetString(PyExc_TypeError, "keep_journal: skip must be a function or None");
        goto fail;
    }
    if (read_sources(twin, sources) < 0) {
        goto fail;
    }
    twin->skip = skip != Py_None ? Py_NewRef(skip) : NULL;
    return twin;
fail:
    toffee_arena_free(arena);
    return NULL;
}

void
PyToffee_Twin_Close(PyToffee_Twin *twin)
{
    if (twin != NULL) {
        Py_CLEAR(twin->skip);
    }
}

void
PyToffee_Twin_Free(PyToffee_Twin *twin)
{
    if (twin != NULL) {
        PyToffee_Twin_Close(twin);
        toffee_arena_free(twin->arena);
    }
}

int
PyToffee_Twin_Traverse(PyToffee_Twin *twin, visitproc visit, void *arg)
{
    if (twin != NULL) {
        Py_VISIT(twin->skip);
    }
    return 0;
}

PyObject *
PyToffee_Twin_Journal(const PyToffee_Twin *twin)
{
    size_t n = twin != NULL ? twin->entries.n : 0;
    PyObject *list = PyList_New((Py_ssize_t)n);

    for (size_t i = 0; i < n && list != NULL; i++) {
        const entry *noted = &twin->entries.data[i];
        PyObject *row = Py_BuildValue("(sK)", noted->name, (unsigned long long)noted->digest);

        if (row == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, row);
        }
    }
    return list;
}

size_t
PyToffee_Twin_Skipped(const PyToffee_Twin *twin)
{
    return twin != NULL ? twin->n_skipped : 0;
}

/* ---- entries -------------------------------------------------------------------------------- */

static int
add_entry(PyToffee_Twin *twin, const char *name)
{
    const entry added = {.name = name};
    int64_t ordinal = (int64_t)twin->entries.n;

    if (!TOFFEE_VEC_PUSH(twin->arena, &twin->entries, added)) {
        return PyToffee_Err_NoMemory();
    }
    twin->is_current = twin->next < twin->n_sources && twin->sources[twin->next] == ordinal;
    twin->next += twin->is_current;
    return 0;
}

int
PyToffee_Twin_Enter(PyToffee_Tracer *self, const PyToffee_Overload *overload)
{
    PyToffee_Twin *twin = self->twin;

    return twin != NULL && self->depth == 0 && twin->n_steps == 0 ? add_entry(twin, overload->full)
                                                                  : 0;
}

int
PyToffee_Twin_BeginStep(PyToffee_Tracer *self, PyObject *func)
{
    PyToffee_Twin *twin = self->twin;
    PyObject *name = NULL;
    const char *text = NULL;
    Py_ssize_t length = 0;
    int rc = -1;

    if (twin == NULL) {
        return 0;
    }
    if (self->depth > 0 || twin->n_steps > 0) {
        twin->n_steps++;
        return 0;
    }
    name = PyObject_GetAttrString(func, "__name__");
    text = name != NULL ? PyUnicode_AsUTF8AndSize(name, &length) : NULL;
    if (text != NULL) {
        text = toffee_arena_strndup(twin->arena, text, (size_t)length);
        rc = text != NULL ? add_entry(twin, text) : PyToffee_Err_NoMemory();
    }
    twin->n_steps += rc == 0;
    Py_XDECREF(name);
    return rc;
}

void
PyToffee_Twin_EndStep(PyToffee_Tracer *self)
{
    if (self->twin != NULL && self->twin->n_steps > 0) { /* 0: it is another one by now */
        self->twin->n_steps--;
    }
}

/* ---- sources -------------------------------------------------------------------------------- */

int
PyToffee_Twin_IsSource(PyToffee_Tracer *self, const PyToffee_Arguments *arguments)
{
    const PyToffee_Twin *twin = self->twin;
    const PyToffee_Overload *overload = arguments->overload;

    if (twin == NULL || !twin->is_current || !(overload->returns_tensor || overload->writes)) {
        return 0;
    }
    for (size_t i = 0; i < arguments->n_operands && overload->returns_view; i++) {
        if (PyToffee_Bindings_BeforeWrite(self->bindings, arguments->tensors[i], true) < 0) {
            return -1;
        }
    }
    return 1;
}

/* ---- digests -------------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

static uint64_t
mix_bytes(uint64_t hash, const unsigned char *bytes, size_t n)
{
    uint64_t word = 0;

    for (; n >= sizeof(word); n -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, bytes, n);
    return n > 0 ? mix(hash, word) : hash;
}

/* The elements from AXIS on, at DATA; the axes from RUN_AXIS on are RUN bytes without gaps. What is
 * repeated by a stride of 0 counts once: the sizes are in the digest. */
static uint64_t
mix_elements(uint64_t hash, const PyToffee_TensorInfo *info, const unsigned char *data,
             int32_t axis, int32_t run_axis, size_t run)
{
    size_t step = 0;

    if (axis == run_axis) {
        return mix_bytes(hash, data, run);
    }
    step = (size_t)info->strides[axis] * toffee_dtype_get(info->dtype)->n_bytes;
    for (int64_t i = 0; i < (step == 0 ? 1 : info->sizes[axis]); i++) {
        hash = mix_elements(hash, info, data + (size_t)i * step, axis + 1, run_axis, run);
    }
    return hash;
}

static uint64_t
mix_info(uint64_t hash, const PyToffee_TensorInfo *info)
{
    int32_t run_axis = info->rank;
    int64_t run = 1;

    hash = mix(hash, (uint64_t)info->dtype);
    hash = mix(hash, (uint64_t)info->rank);
    for (int32_t i = 0; i < info->rank; i++) {
        hash = mix(hash, (uint64_t)info->sizes[i]);
    }
    for (int32_t i = 0; i < info->rank; i++) {
        if (info->sizes[i] == 0) {
            return hash;
        }
    }
    while (run_axis > 0 && (info->sizes[run_axis - 1] == 1 || info->strides[run_axis - 1] == run)) {
        run *= info->sizes[--run_axis];
    }
    return mix_elements(hash, info, info->data, 0, run_axis,
                        (size_t)run * toffee_dtype_get(info->dtype)->n_bytes);
}

/* *HASH with TENSOR in it. Tensors that no graph can have (sparse ones) are all the same. */
static int
mix_tensor(const PyToffee_DLPack *api, PyObject *tensor, uint64_t *hash)
{
    PyObject *copy = NULL;
    PyToffee_TensorInfo info;
    int rc = 0;

    if (PyToffee_TensorInfo_Get(api, tensor, &info) < 0) {
        if (!PyErr_ExceptionMatches(api->error)) {
            return -1;
        }
        PyErr_Clear();
        *hash = mix(*hash, 0);
        return 0;
    }
    if (!info.on_host) {
        copy = PyObject_CallMethod(tensor, "cpu", NULL);
        rc = copy != NULL ? PyToffee_TensorInfo_Get(api, copy, &info) : -1;
    }
    if (rc == 0) {
        *hash = mix_info(*hash, &info);
    }
    Py_XDECREF(copy);
    return rc;
}

/* The same for all tensors of what an operator returned. */
static int
mix_returned(const PyToffee_Tracer *self, PyObject *object, uint64_t *hash)
{
    if (PyToffee_IsTensor(&self->state->trace->types, object)) {
        return mix_tensor(&self->state->trace->api, object, hash);
    }
    if (!PyTuple_Check(object) && !PyList_Check(object)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); i++) {
        /* Lists of lists do not occur in schemas: the recursion is one deep. */
        if (mix_returned(self, PySequence_Fast_GET_ITEM(object, i), hash) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Makes what nobody has written yet the same in every run. */
static int
clear_unwritten(const PyToffee_Tracer *self, const PyToffee_Overload *overload, PyObject *returned)
{
    PyObject *cleared = NULL;

    if (!PyToffee_IsTensor(&self->state->trace->types, returned) ||
        (strncmp(overload->op, "aten::empty", 11) != 0 &&
         strncmp(overload->op, "aten::new_empty", 15) != 0)) {
        return 0;
    }
    cleared = PyObject_CallMethod(returned, "zero_", NULL);
    Py_XDECREF(cleared);
    return cleared != NULL ? 0 : -1;
}

int
PyToffee_Twin_NoteData(PyToffee_Tracer *self, const PyToffee_Arguments *arguments,
                       PyObject *returned)
{
    PyToffee_Twin *twin = self->twin;
    entry *last = NULL;
    uint64_t hash = 0;

    if (twin == NULL || twin->entries.n == 0) {
        return 0;
    }
    if (clear_unwritten(self, arguments->overload, returned) < 0 ||
        mix_returned(self, returned, &hash) < 0) {
        return -1;
    }
    for (size_t i = 0; i < arguments->n_operands; i++) {
        if (arguments->operands[i].is_written && arguments->tensors[i] != returned &&
            mix_tensor(&self->state->trace->api, arguments->tensors[i], &hash) < 0) {
            return -1;
        }
    }
    last = &twin->entries.data[twin->entries.n - 1];
    hash = mix(last->digest, hash);
    last->digest = hash != 0 ? hash : 1;
    return 0;
}

/* ---- calls that are not computed ------------------------------------------------------------ */

/* Whether the operands have so many elements that the call is worth leaving out. */
static bool
is_large(const PyToffee_Tracer *self, const PyToffee_Arguments *arguments)
{
    uint64_t total = 0;

    for (size_t i = 0; i < arguments->n_operands && total < SKIP_ELEMENTS; i++) {
        PyToffee_TensorInfo info;
        uint64_t n_elements = 0;
        uint64_t n_bytes = 0;

        if (PyToffee_TensorInfo_Get(&self->state->trace->api, arguments->tensors[i], &info) < 0) {
            PyErr_Clear();
            return false;
        }
        if (!toffee_dtype_count(info.dtype, info.sizes, info.rank, &n_elements, &n_bytes)) {
            return false;
        }
        total += n_elements;
    }
    return total >= SKIP_ELEMENTS;
}

/* Whether the call writes to anything but its first argument, by its schema or otherwise: that has
 * the contents of the run already, and what it has after it is in the graph. */
static bool
writes_apart(const PyToffee_Arguments *arguments)
{
    size_t first = arguments->overload->is_in_place;

    for (size_t i = first; i < arguments->n_operands; i++) {
        if (arguments->operands[i].is_written) {
            return true;
        }
    }
    return false;
}

PyObject *
PyToffee_Twin_Skip(PyToffee_Tracer *self, const PyToffee_Arguments *arguments, PyObject *func,
                   PyObject *args, PyObject *kwargs)
{
    PyToffee_Twin *twin = self->twin;
    const PyToffee_Overload *overload = arguments->overload;
    PyObject *result = NULL;
    PyObject *named = NULL;

    if (twin == NULL || twin->skip == NULL || twin->is_current || overload->returns_view ||
        overload->has_data_dependent_shape || !overload->returns_tensor ||
        overload->returns_number || overload->is_in_place_view || writes_apart(arguments) ||
        !is_large(self, arguments)) {
        return Py_NewRef(Py_NotImplemented);
    }
    named = kwargs == NULL ? PyDict_New() : Py_NewRef(kwargs);
    if (named != NULL) {
        result = PyObject_CallFunctionObjArgs(twin->skip, func, args, named, NULL);
        twin->n_skipped += result != NULL && result != Py_NotImplemented;
    }
    Py_XDECREF(named);
    return result;
}
