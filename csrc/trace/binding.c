/* csrc/trace/binding.c -- see Note [Aliasing] and Note [Constants] in the header. */
#include "trace/binding.h"

#include <string.h>

#include "base/alloc.h"
#include "bridge/pyerr.h"
#include "trace/bindmap.h"
#include "trace/tracer.h" /* what torch.Tensor is */

/* Constants of up to this many bytes are copied into the graph at once, where equal ones are
 * shared; larger ones are written from their own memory. */
#define COPY_CONSTANT_BYTES 256

struct PyToffee_Bindings {
    PyToffee_State *state;
    toffee_lowering *lo;
    PyObject *leak; /* borrowed from the tracer */
    PyToffee_Eye eye;
    toffee_arena *arena; /* the graph's */
    PyToffee_BindMap map;
    TOFFEE_VEC(PyToffee_AliasSet *)
    data_sets;                               /* parameters, inputs, constants: memory from before */
    TOFFEE_VEC(PyToffee_AliasSet *) exposed; /* see PyToffee_AliasSet.is_exposed */
    TOFFEE_VEC(PyObject *)
    kept; /* strong: tensors over adopted storages, whose addresses must not
             be used again while the trace knows them */
};

/* ---- life ----------------------------------------------------------------------------------- */

PyToffee_Bindings *
PyToffee_Bindings_New(PyToffee_State *state, const PyToffee_DLPack *api, toffee_lowering *lo,
                      PyObject *leak)
{
    PyToffee_Bindings *table = toffee_malloc(sizeof(*table));

    if (table == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    *table = (PyToffee_Bindings){.state = state,
                                 .lo = lo,
                                 .leak = leak,
                                 .eye = {.state = state, .api = api, .lo = lo},
                                 .arena = lo->graph->arena};
    if (PyToffee_BindMap_Init(&table->map) < 0) {
        toffee_free(table);
        return NULL;
    }
    return table;
}

void
PyToffee_Bindings_Free(PyToffee_Bindings *table)
{
    if (table == NULL) {
        return;
    }
    PyToffee_BindMap_Free(&table->map);
    for (size_t i = 0; i < table->kept.n; i++) {
        Py_DECREF(table->kept.data[i]);
    }
    toffee_free(table);
}

int
PyToffee_Bindings_Traverse(PyToffee_Bindings *table, visitproc visit, void *arg)
{
    for (size_t i = 0; table != NULL && i < table->kept.n; i++) {
        Py_VISIT(table->kept.data[i]);
    }
    return table != NULL ? PyToffee_BindMap_Traverse(&table->map, visit, arg) : 0;
}

PyToffee_Binding *
PyToffee_Bindings_Find(PyToffee_Bindings *table, PyObject *tensor)
{
    PyToffee_Binding *binding = PyToffee_BindMap_Find(&table->map, tensor);

    return binding != NULL && !binding->set->is_forgotten ? binding : NULL;
}

bool
PyToffee_Bindings_HaveComplex(const PyToffee_Bindings *table)
{
    return table->eye.has_complex;
}

static int
bind(PyToffee_Bindings *table, PyObject *tensor, const PyToffee_LazyInfo *info,
     PyToffee_AliasSet *set, toffee_value *value, uint64_t generation)
{
    const PyToffee_Binding binding = {
        .set = set, .value = value, .dtype = info->dtype, .generation = generation};

    return PyToffee_BindMap_Bind(&table->map, tensor, &binding);
}

/* ---- alias sets ----------------------------------------------------------------------------- */

/* A set whose root is the memory of the tensor of INFO, which has VALUE; generation 0. NULL with an
 * exception set. */
static PyToffee_AliasSet *
new_set(PyToffee_Bindings *table, PyToffee_SetKind kind, const PyToffee_LazyInfo *info,
        toffee_value *value)
{
    PyToffee_AliasSet *set = toffee_arena_calloc(table->arena, 1, sizeof(*set));

    if (set == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    set->kind = kind;
    set->root = PyToffee_Eye_Apply(&table->eye, info, value);
    set->dtype = info->memory.dtype;
    PyToffee_TensorInfo_Extent(&info->memory, &set->low, &set->high);
    if (set->root == NULL ||
        PyToffee_LazyInfo_CopyGeometry(table->arena, info, (uintptr_t)info->memory.data,
                                       &set->geometry) < 0) {
        return NULL;
    }
    if (kind != PYTOFFEE_ACTIVATION && !TOFFEE_VEC_PUSH(table->arena, &table->data_sets, set)) {
        PyErr_NoMemory();
        return NULL;
    }
    return set;
}

static bool
extent_inside(const PyToffee_AliasSet *set, const PyToffee_LazyInfo *info)
{
    uintptr_t low = 0;
    uintptr_t high = 0;

    PyToffee_TensorInfo_Extent(&info->memory, &low, &high);
    return high != 0 && set->high != 0 && low >= set->low && high <= set->high;
}

static bool
extent_overlaps(const PyToffee_AliasSet *set, uintptr_t low, uintptr_t high)
{
    return high != 0 && set->high != 0 && low < set->high && set->low < high;
}

/* Takes the pending write into the root. */
static int
flush(PyToffee_Bindings *table, PyToffee_AliasSet *set)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_origin reader = table->lo->origin;
    toffee_code rc = TOFFEE_OK;

    if (set->pending == NULL) {
        return 0;
    }
    table->lo->origin = set->pending_origin;
    rc = toffee_view_write(table->lo, set->root, &set->geometry, &set->pending_geometry,
                           set->pending, &set->root, &st);
    table->lo->origin = reader;
    if (rc != TOFFEE_OK) {
        if (set->pending_origin.line != NULL) { /* by now another one runs, or none */
            toffee_status_prefix(&st, "%s: ", toffee_str_text(set->pending_origin.line));
        }
        return PyToffee_Err_Fail(table->state, &st);
    }
    set->pending = NULL;
    return 0;
}

/* What the tensor of INFO sees of SET now. NULL with an exception set. */
static toffee_value *
derive(PyToffee_Bindings *table, PyToffee_AliasSet *set, const PyToffee_LazyInfo *info)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_geometry view = PyToffee_LazyInfo_Geometry(info, set->low);
    toffee_value *value = NULL;

    if (info->memory.dtype != set->dtype) {
        PyErr_SetString(table->state->TraceError,
                        "memory was written as one element type and is read as another through a "
                        "view (view(dtype)): clone() the view first");
        return NULL;
    }
    if (set->pending != NULL && toffee_geometry_equal(&view, &set->pending_geometry)) {
        return PyToffee_Eye_Apply(&table->eye, info, set->pending);
    }
    if (flush(table, set) < 0) {
        return NULL;
    }
    if (toffee_view_read(table->lo, set->root, &set->geometry, &view, &value, &st) != TOFFEE_OK) {
        PyToffee_Err_Set(table->state, &st);
        return NULL;
    }
    return PyToffee_Eye_Apply(&table->eye, info, value);
}

/* The exposed set whose memory holds the tensor of INFO, or NULL. */
static PyToffee_AliasSet *
find_exposed(const PyToffee_Bindings *table, const PyToffee_LazyInfo *info)
{
    for (size_t i = 0; i < table->exposed.n; i++) {
        if (extent_inside(table->exposed.data[i], info)) {
            return table->exposed.data[i];
        }
    }
    return NULL;
}

/* The set of some live tensor, no constant, that the tensor of INFO lies in, or NULL. Linear. */
static PyToffee_AliasSet *
find_live_set(const PyToffee_Bindings *table, const PyToffee_LazyInfo *info)
{
    for (size_t i = 0; i < table->map.n_slots; i++) {
        const PyToffee_BindSlot *slot = &table->map.slots[i];

        if (slot->key != NULL && slot->binding.set->kind != PYTOFFEE_CONSTANT &&
            extent_inside(slot->binding.set, info) && !PyToffee_BindSlot_IsDead(slot)) {
            return slot->binding.set;
        }
    }
    return NULL;
}

/* The set of TENSOR, which has no binding: it lies in exposed memory, or it is of a subclass.
 * Those are made by nn.Parameter(y) and as_subclass(), of which the trace hears nothing, and share
 * the memory of what they are made of. NULL: TENSOR is data of the moment. */
static PyToffee_AliasSet *
find_unbound_set(const PyToffee_Bindings *table, PyObject *tensor, const PyToffee_LazyInfo *info)
{
    PyToffee_AliasSet *set = find_exposed(table, info);

    if (set == NULL && Py_TYPE(tensor) != table->state->trace->types.tensor_type) {
        set = find_live_set(table, info);
    }
    return set;
}

static int
expose(PyToffee_Bindings *table, PyToffee_AliasSet *set)
{
    if (!set->is_exposed && !TOFFEE_VEC_PUSH(table->arena, &table->exposed, set)) {
        return PyToffee_Err_NoMemory();
    }
    set->is_exposed = true;
    return 0;
}

/* ---- before the run ------------------------------------------------------------------------- */

/* An initializer called NAME with TENSOR's bytes, and its value. */
static int
declare_initializer(PyToffee_Bindings *table, PyObject *tensor, const toffee_str *name,
                    toffee_value *value, PyToffee_Host **host)
{
    return PyToffee_Host_Tensor(table->state, table->eye.api, table->lo->graph, name, tensor,
                                &value->tensor, host);
}

static int
named_value(PyToffee_Bindings *table, const toffee_str *name, const PyToffee_LazyInfo *info,
            toffee_value **out)
{
    toffee_status st = TOFFEE_STATUS_INIT;

    if (toffee_graph_value(table->lo->graph, name, out, &st) != TOFFEE_OK ||
        toffee_value_set_type(*out, info->memory.dtype, info->memory.sizes, info->memory.rank,
                              &st) != TOFFEE_OK) {
        return PyToffee_Err_Fail(table->state, &st);
    }
    return 0;
}

/* Moves what is bound to parts of SET's memory there; what overlaps it otherwise is torn. */
static void
merge_into(PyToffee_Bindings *table, PyToffee_AliasSet *set)
{
    for (size_t i = 0; i < table->data_sets.n; i++) {
        PyToffee_AliasSet *other = table->data_sets.data[i];
        toffee_geometry view = other->geometry;

        if (other == set || other->is_merged || !extent_overlaps(set, other->low, other->high)) {
            continue;
        }
        view.offset =
            (int64_t)(other->low - set->low) / (int64_t)toffee_dtype_get(set->dtype)->n_bytes;
        if (other->dtype != set->dtype || other->low < set->low || other->high > set->high ||
            !toffee_geometry_inside(&set->geometry, &view)) {
            other->is_torn = true;
            set->is_torn = true;
            continue;
        }
        other->is_merged = true;
        other->is_torn = false; /* what tore it tears SET, or is merged into it too */
        for (size_t k = 0; k < table->map.n_slots; k++) {
            if (table->map.slots[k].key != NULL && table->map.slots[k].binding.set == other) {
                table->map.slots[k].binding.set =
                    set; /* its value is right until the first write */
            }
        }
    }
}

int
PyToffee_Bindings_Declare(PyToffee_Bindings *table, PyObject *tensor, const toffee_str *name,
                          PyToffee_SetKind kind, toffee_value **out)
{
    PyToffee_LazyInfo info;
    PyToffee_AliasSet *set = NULL;
    PyToffee_Host *host = NULL;
    uintptr_t low = 0;
    uintptr_t high = 0;

    if (PyToffee_Eye_SeeData(&table->eye, tensor, &info) < 0) {
        return -1;
    }
    PyToffee_TensorInfo_Extent(&info.memory, &low, &high);
    for (size_t i = 0; i < table->data_sets.n && set == NULL; i++) {
        PyToffee_AliasSet *other = table->data_sets.data[i];

        if (!other->is_merged && low >= other->low && high <= other->high && high != 0 &&
            other->dtype == info.memory.dtype) {
            toffee_geometry view = PyToffee_LazyInfo_Geometry(&info, other->low);

            set = other;
            if (kind == PYTOFFEE_PARAMETER && other->kind == PYTOFFEE_PARAMETER && !info.is_conj &&
                !info.is_neg && other->root->producer == NULL &&
                toffee_geometry_equal(&view, &other->geometry)) {
                *out = other->root; /* tied weights */
                return bind(table, tensor, &info, other, other->root, 0);
            }
        }
    }
    if (named_value(table, name, &info, out) < 0) {
        return -1;
    }
    if (kind == PYTOFFEE_PARAMETER && declare_initializer(table, tensor, name, *out, &host) < 0) {
        return -1;
    }
    if (set == NULL || host != NULL) {
        PyToffee_AliasSet *own = new_set(table, kind, &info, *out);

        if (own == NULL) {
            return -1;
        }
        own->host = host;
        own->is_merged = set != NULL;
        if (set == NULL) {
            set = own;
            merge_into(table, set);
        }
    }
    return bind(table, tensor, &info, set, *out, set->generation);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Reports TENSOR, of a subclass and of no set, if it was made in this run, which inference mode
 * shows. What it is made of may be gone: its memory tells nothing, and it counts as data. */
static int
report_unknown_descent(PyToffee_Bindings *table, PyObject *tensor)
{
    PyObject *answer = NULL;
    PyObject *reported = NULL;
    bool is_ours = false;

    answer = PyObject_CallMethod(tensor, "is_inference", NULL);
    if (answer == NULL) {
        return -1;
    }
    is_ours = answer == Py_True;
    Py_DECREF(answer);
    if (!is_ours) {
        return 0;
    }
    reported = PyObject_CallFunction(table->leak, "ss", Py_TYPE(tensor)->tp_name, "a subclass");
    Py_XDECREF(reported);
    return reported != NULL ? 0 : -1;
}

int
PyToffee_Bindings_IsTraced(PyToffee_Bindings *table, PyObject *tensor)
{
    const PyToffee_Binding *binding = PyToffee_Bindings_Find(table, tensor);
    bool is_subclass = Py_TYPE(tensor) != table->state->trace->types.tensor_type;
    PyToffee_LazyInfo info;

    if (binding != NULL) {
        return binding->set->kind != PYTOFFEE_CONSTANT;
    }
    if (table->exposed.n == 0 && !is_subclass) {
        return 0;
    }
    if (PyToffee_Eye_See(&table->eye, tensor, &info) < 0) {
        return -1;
    }
    if (find_unbound_set(table, tensor, &info) != NULL) {
        return 1;
    }
    return is_subclass ? report_unknown_descent(table, tensor) : 0;
}

/* An initializer of TENSOR, which nothing has bound: data of the moment. */
static toffee_value *
new_constant(PyToffee_Bindings *table, PyObject *tensor, const PyToffee_LazyInfo *info)
{
    toffee_status st = TOFFEE_STATUS_INIT;
    toffee_lowering *lo = table->lo;
    const toffee_str *name = NULL;
    toffee_value *value = NULL;
    PyToffee_AliasSet *set = NULL;
    PyToffee_Host *host = NULL;
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;

    if (info->memory.on_host && PyToffee_TensorInfo_IsContiguous(&info->memory) && !info->is_conj &&
        !info->is_neg &&
        toffee_dtype_count(info->memory.dtype, info->memory.sizes, info->memory.rank, &n_elements,
                           &n_bytes) &&
        n_bytes <= COPY_CONSTANT_BYTES) {
        if (toffee_const_tensor(lo, info->memory.dtype, info->memory.sizes, info->memory.rank,
                                info->memory.data, &value, &st) != TOFFEE_OK) {
            goto fail;
        }
    }
    else {
        if (toffee_const_name(lo, &name, &st) != TOFFEE_OK) {
            goto fail;
        }
        if (named_value(table, name, info, &value) < 0 ||
            declare_initializer(table, tensor, name, value, &host) < 0) {
            return NULL;
        }
        if (toffee_graph_add_initializer(lo->graph, value->tensor, &st) != TOFFEE_OK) {
            goto fail;
        }
        if (!toffee_ptrmap_set(lo->graph->arena, &lo->data, value, value)) {
            toffee_fail_nomem(&st);
            goto fail;
        }
    }
    set = new_set(table, PYTOFFEE_CONSTANT, info, value);
    if (set == NULL || bind(table, tensor, info, set, value, 0) < 0) {
        return NULL;
    }
    set->host = host;
    set->is_copied = host == NULL;
    return value;
fail:
    PyToffee_Err_Set(table->state, &st);
    return NULL;
}

toffee_value *
PyToffee_Bindings_Read(PyToffee_Bindings *table, PyObject *tensor, toffee_dtype *dtype)
{
    PyToffee_Binding *binding = PyToffee_Bindings_Find(table, tensor);
    PyToffee_AliasSet *set = binding != NULL ? binding->set : NULL;
    toffee_value *value = NULL;
    PyToffee_LazyInfo info;

    if (binding != NULL && binding->generation == set->generation) {
        if (dtype != NULL) {
            *dtype = binding->dtype;
        }
        return binding->value;
    }
    if (PyToffee_Eye_See(&table->eye, tensor, &info) < 0) {
        return NULL;
    }
    if (set == NULL) {
        set = find_unbound_set(table, tensor, &info);
    }
    if (dtype != NULL) {
        *dtype = info.dtype;
    }
    if (set == NULL) {
        return PyToffee_Eye_SeeData(&table->eye, tensor, &info) == 0
                   ? new_constant(table, tensor, &info)
                   : NULL;
    }
    value = derive(table, set, &info);
    if (value == NULL || bind(table, tensor, &info, set, value, set->generation) < 0) {
        return NULL;
    }
    return value;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Gives SET's initializer a copy of its own, so that a write to the memory cannot reach it. */
static int
copy_initializer(PyToffee_AliasSet *set)
{
    PyObject *copy = NULL;
    int rc = 0;

    if (set->host == NULL || set->is_copied) {
        return 0;
    }
    copy = PyObject_CallMethod(PyToffee_Host_Held(set->host), "clone", NULL);
    if (copy == NULL) {
        return -1;
    }
    rc = PyToffee_Host_Replace(set->host, copy);
    set->is_copied = rc == 0;
    Py_DECREF(copy);
    return rc;
}

/* Makes one alias set of the whole storage that TENSOR lies in, with a copy of what is in it now as
 * its root, and moves what is bound to parts of it there. */
static int
adopt_storage(PyToffee_Bindings *table, PyObject *tensor)
{
    PyObject *storage_view = NULL;
    PyObject *copy = NULL;
    PyToffee_AliasSet *whole = NULL;
    toffee_value *value = NULL;
    const toffee_str *name = NULL;
    PyToffee_Host *host = NULL;
    PyToffee_LazyInfo info;
    toffee_status st = TOFFEE_STATUS_INIT;
    int rc = -1;

    storage_view = PyObject_CallFunctionObjArgs(table->state->trace_whole_storage, tensor, NULL);
    copy = storage_view != NULL ? PyObject_CallMethod(storage_view, "clone", NULL) : NULL;
    if (copy == NULL || PyToffee_Eye_See(&table->eye, storage_view, &info) < 0) {
        goto done;
    }
    if (toffee_const_name(table->lo, &name, &st) != TOFFEE_OK) {
        PyToffee_Err_Set(table->state, &st);
        goto done;
    }
    if (named_value(table, name, &info, &value) < 0 ||
        declare_initializer(table, copy, name, value, &host) < 0) {
        goto done;
    }
    if (toffee_graph_add_initializer(table->lo->graph, value->tensor, &st) != TOFFEE_OK) {
        PyToffee_Err_Set(table->state, &st);
        goto done;
    }
    whole = new_set(table, PYTOFFEE_ACTIVATION, &info, value);
    if (whole == NULL || expose(table, whole) < 0) {
        goto done;
    }
    if (!TOFFEE_VEC_PUSH(table->arena, &table->kept, storage_view)) {
        PyErr_NoMemory();
        goto done;
    }
    Py_INCREF(storage_view); /* kept has it */
    for (size_t i = 0; i < table->map.n_slots; i++) {
        PyToffee_AliasSet *set = table->map.slots[i].binding.set;

        if (set != NULL && set->kind == PYTOFFEE_CONSTANT && !set->is_forgotten &&
            extent_overlaps(set, whole->low, whole->high)) {
            if (copy_initializer(set) < 0) {
                goto done;
            }
            table->map.slots[i].binding.set = whole; /* its value is right until the first write */
        }
    }
    rc = 0;
done:
    Py_XDECREF(copy);
    Py_XDECREF(storage_view);
    return rc;
}

int
PyToffee_Bindings_BeforeWrite(PyToffee_Bindings *table, PyObject *tensor, bool is_recorded)
{
    PyToffee_Binding *binding = PyToffee_Bindings_Find(table, tensor);
    PyToffee_LazyInfo info;
    uintptr_t low = 0;
    uintptr_t high = 0;

    if (binding != NULL && binding->set->kind == PYTOFFEE_ACTIVATION) {
        return 0;
    }
    if (PyToffee_Eye_See(&table->eye, tensor, &info) < 0) {
        return -1;
    }
    PyToffee_TensorInfo_Extent(&info.memory, &low, &high);
    for (size_t i = 0; i < table->data_sets.n; i++) {
        PyToffee_AliasSet *set = table->data_sets.data[i];

        if (extent_overlaps(set, low, high)) {
            if (set->is_torn) {
                PyErr_SetString(table->state->TraceError,
                                "a write to a parameter or an input that shares part of its memory "
                                "with another one: clone() one of the two before the call");
                return -1;
            }
            if (copy_initializer(set) < 0) {
                return -1;
            }
            if (set->kind != PYTOFFEE_CONSTANT && !set->is_merged && expose(table, set) < 0) {
                return -1;
            }
        }
    }
    if (is_recorded && high != 0 && find_unbound_set(table, tensor, &info) == NULL &&
        (binding == NULL || binding->set->kind == PYTOFFEE_CONSTANT)) {
        return adopt_storage(table, tensor);
    }
    return 0;
}

int
PyToffee_Bindings_ForgetConstants(PyToffee_Bindings *table, PyObject *tensor)
{
    PyToffee_Binding *binding = PyToffee_Bindings_Find(table, tensor);
    PyToffee_LazyInfo info;
    uintptr_t low = 0;
    uintptr_t high = 0;

    if (table->data_sets.n == 0) {
        return 0;
    }
    if (PyToffee_Eye_See(&table->eye, tensor, &info) < 0) {
        return -1;
    }
    PyToffee_TensorInfo_Extent(&info.memory, &low, &high);
    if (binding != NULL && binding->set->kind == PYTOFFEE_CONSTANT) {
        binding->set->is_forgotten = true; /* even if it is empty: its shape may be another now */
    }
    for (size_t i = 0; i < table->data_sets.n; i++) {
        PyToffee_AliasSet *set = table->data_sets.data[i];

        if (set->kind == PYTOFFEE_CONSTANT && extent_overlaps(set, low, high)) {
            set->is_forgotten = true;
        }
    }
    return 0;
}

/* TENSOR becomes the root of a set of its own. */
static int
bind_root(PyToffee_Bindings *table, PyObject *tensor, const PyToffee_LazyInfo *info,
          toffee_value *value)
{
    PyToffee_AliasSet *set = new_set(table, PYTOFFEE_ACTIVATION, info, value);

    return set != NULL ? bind(table, tensor, info, set, value, 0) : -1;
}

int
PyToffee_Bindings_Write(PyToffee_Bindings *table, PyObject *tensor, toffee_value *value)
{
    PyToffee_Binding *binding = PyToffee_Bindings_Find(table, tensor);
    PyToffee_AliasSet *set = binding != NULL ? binding->set : NULL;
    toffee_value *written = NULL;
    toffee_geometry view;
    PyToffee_LazyInfo info;

    if (binding != NULL && binding->value == value && binding->generation == set->generation) {
        return 0; /* detach_, or a write of what is there already */
    }
    if (PyToffee_Eye_See(&table->eye, tensor, &info) < 0) {
        return -1;
    }
    if (set == NULL) {
        set = find_unbound_set(table, tensor, &info);
    }
    if (set == NULL || !extent_inside(set, &info)) {
        return bind_root(table, tensor, &info, value); /* empty, or new memory: out= resized it */
    }
    if (info.memory.dtype != set->dtype) {
        PyErr_SetString(
            table->state->TraceError,
            "a write through a view of another element type (view(dtype)) has no form in a graph: "
            "write to the original instead");
        return -1;
    }
    view = PyToffee_LazyInfo_Geometry(&info, set->low);
    written = PyToffee_Eye_Apply(&table->eye, &info, value);
    if (written == NULL) {
        return -1;
    }
    if (toffee_geometry_equal(&view, &set->geometry)) {
        set->root = written;
        set->pending = NULL;
    }
    else {
        if (set->pending != NULL && !toffee_geometry_equal(&view, &set->pending_geometry) &&
            flush(table, set) < 0) {
            return -1;
        }
        set->pending = written;
        set->pending_origin = table->lo->origin;
        if (PyToffee_LazyInfo_CopyGeometry(table->arena, &info, set->low, &set->pending_geometry) <
                0 ||
            (toffee_geometry_may_overlap(&view) &&
             flush(table, set) < 0)) { /* refused if it does */
            return -1;
        }
    }
    set->generation++;
    return bind(table, tensor, &info, set, value, set->generation);
}

/* The alias set of an operand that the tensor of INFO lies in, or NULL. */
static PyToffee_AliasSet *
find_operand_set(PyToffee_Bindings *table, const PyToffee_LazyInfo *info, PyObject *const *operands,
                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const PyToffee_Binding *operand = PyToffee_Bindings_Find(table, operands[i]);

        if (operand != NULL && extent_inside(operand->set, info)) {
            return operand->set;
        }
    }
    return NULL;
}

/* The set that the tensor of INFO lies in, which by the schema may be a view of one of the N
 * operands, and is outside of their sets. *OUT is NULL if its memory is its own: of "may alias"
 * operators, such as to() and contiguous(). A view of a tensor without elements has no address to
 * go by, but as_strided sees elements there: the set is that of any live tensor. */
static int
find_view_set(PyToffee_Bindings *table, const PyToffee_LazyInfo *info, PyObject *const *operands,
              size_t n, PyToffee_AliasSet **out)
{
    uintptr_t low = 0;
    uintptr_t high = 0;
    bool outside = false;

    *out = NULL;
    PyToffee_TensorInfo_Extent(&info->memory, &low, &high);
    for (size_t i = 0; i < n && high != 0; i++) {
        const PyToffee_Binding *operand = PyToffee_Bindings_Find(table, operands[i]);

        if (operand != NULL) {
            outside =
                outside || operand->set->high == 0 || extent_overlaps(operand->set, low, high);
        }
    }
    for (size_t i = 0; i < table->map.n_slots && outside; i++) {
        const PyToffee_BindSlot *slot = &table->map.slots[i];

        if (slot->key != NULL && slot->binding.set != NULL && !PyToffee_BindSlot_IsDead(slot) &&
            extent_inside(slot->binding.set, info)) {
            *out = slot->binding.set;
            return 0;
        }
    }
    if (outside) {
        PyErr_SetString(table->state->TraceError,
                        "a view reaches memory outside of every tensor that the trace knows: "
                        "clone() the tensor that it is of first");
        return -1;
    }
    return 0;
}

int
PyToffee_Bindings_ReadView(PyToffee_Bindings *table, PyObject *tensor, PyObject *const *operands,
                           size_t n, toffee_value **out)
{
    PyToffee_AliasSet *set = NULL;
    PyToffee_LazyInfo info;

    *out = NULL;
    if (PyToffee_Eye_See(&table->eye, tensor, &info) < 0) {
        return -1;
    }
    set = find_operand_set(table, &info, operands, n);
    if (set == NULL && find_view_set(table, &info, operands, n, &set) < 0) {
        return -1;
    }
    if (set == NULL || set->dtype != info.memory.dtype) {
        return 0;
    }
    *out = derive(table, set, &info);
    return *out != NULL ? 0 : -1;
}

int
PyToffee_Bindings_BindResult(PyToffee_Bindings *table, PyObject *tensor, toffee_value *value,
                             PyObject *const *operands, size_t n, bool is_view)
{
    PyToffee_AliasSet *set = NULL;
    PyToffee_LazyInfo info;

    if (PyToffee_Eye_See(&table->eye, tensor, &info) < 0) {
        return -1;
    }
    set = find_operand_set(table, &info, operands, n);
    if (set == NULL && is_view && find_view_set(table, &info, operands, n, &set) < 0) {
        return -1;
    }
    if (set != NULL) {
        return bind(table, tensor, &info, set, value, set->generation);
    }
    return bind_root(table, tensor, &info, value);
}
