/* csrc/trace/tracer.c -- the Tracer type: declare, run, finish. */
#include "trace/custom.h"
#include "trace/twin.h"

#include "bridge/pyerr.h"

int
PyToffee_Tracer_AddHole(PyToffee_Tracer *self, toffee_value *value, const char *op)
{
    /* OP belongs to the overload cache, which outlives the trace. */
    return toffee_ptrmap_set(self->graph->arena, &self->holes, value, (void *)(uintptr_t)op)
               ? 0
               : PyToffee_Err_NoMemory();
}

/* Whether VALUE is computed from an argument of the model (or from something that the graph does
 * not know): 1, 0, or -1 with an exception set. Linear in the graph; leaks are rare. */
static int
depends_on_input(PyToffee_Tracer *self, toffee_value *value)
{
    toffee_arena *scratch = self->lo.scratch;
    toffee_ptrmap seen = {0};
    TOFFEE_VEC(toffee_value *) open = {0};

    if (!TOFFEE_VEC_PUSH(scratch, &open, value)) {
        return PyToffee_Err_NoMemory();
    }
    while (open.n > 0) {
        toffee_value *next = open.data[--open.n];

        if (next->producer == NULL) {
            if (next->tensor == NULL) {
                return 1; /* neither a parameter nor a constant */
            }
            continue;
        }
        for (size_t i = 0; i < next->producer->inputs.n; i++) {
            toffee_value *input = next->producer->inputs.data[i];

            if (input == NULL || toffee_ptrmap_get(&seen, input) != NULL) {
                continue;
            }
            if (!toffee_ptrmap_set(scratch, &seen, input, input) ||
                !TOFFEE_VEC_PUSH(scratch, &open, input)) {
                return PyToffee_Err_NoMemory();
            }
        }
    }
    return 0;
}

int
PyToffee_Tracer_ReportLeak(PyToffee_Tracer *self, PyObject *tensor, const char *op,
                           const char *what)
{
    toffee_value *value = NULL;
    int depends = 0;
    PyObject *reported = NULL;

    /* The witness asks too, and reading may make nodes. */
    if (self->depth == 0 && PyToffee_Locator_Update(self->locator, &self->lo) < 0) {
        return -1;
    }
    value = PyToffee_Bindings_Read(self->bindings, tensor, NULL);
    depends = value != NULL ? depends_on_input(self, value) : -1;
    if (depends <= 0) {
        return depends;
    }
    reported = PyObject_CallFunction(self->hooks[PYTOFFEE_HOOK_LEAK], "ss", op, what);
    Py_XDECREF(reported);
    return reported != NULL ? 0 : -1;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void
tracer_close(PyToffee_Tracer *self)
{
    toffee_graph *graph = self->graph;

    self->graph = NULL; /* first: releasing tensors below may run Python code that looks */
    self->progress.tell = NULL;
    PyToffee_Twin_Close(self->twin);
    PyToffee_Builder_Close(self);
    PyToffee_Bindings_Free(self->bindings);
    self->bindings = NULL;
    PyToffee_Locator_Free(self->locator);
    self->locator = NULL;
    toffee_arena_free(self->lo.scratch);
    self->lo.scratch = NULL;
    toffee_graph_free(graph);
}

static PyObject *
tracer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyToffee_State *state = PyToffee_TypeState(type);
    PyToffee_Tracer *self = NULL;

    (void)args;
    (void)kwargs; /* they are TorchDispatchMode's */
    if (state == NULL) {
        return NULL;
    }
    self = (PyToffee_Tracer *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    return (PyObject *)self;
}

static int
tracer_traverse(PyObject *op, visitproc visit, void *arg)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;

    Py_VISIT(Py_TYPE(op));
    for (size_t i = 0; i < TOFFEE_COUNTOF(self->hooks); i++) {
        Py_VISIT(self->hooks[i]);
    }
    Py_VISIT(self->unsupported);
    Py_VISIT(self->builder);
    Py_VISIT(self->listener);
    if (PyToffee_Locator_Traverse(self->locator, visit, arg) != 0 ||
        PyToffee_Twin_Traverse(self->twin, visit, arg) != 0) {
        return -1;
    }
    return PyToffee_Bindings_Traverse(self->bindings, visit, arg);
}

static int
tracer_clear(PyObject *op)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;

    for (size_t i = 0; i < TOFFEE_COUNTOF(self->hooks); i++) {
        Py_CLEAR(self->hooks[i]);
    }
    Py_CLEAR(self->unsupported);
    Py_CLEAR(self->listener);
    tracer_close(self);
    PyToffee_Twin_Free(self->twin);
    self->twin = NULL;
    return 0;
}

static void
tracer_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    tracer_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- what all traces share ------------------------------------------------------------------ */

static int
load_dtypes(PyObject *torch, PyToffee_TorchTypes *types)
{
    PyObject *dtypes = PyDict_New();

    if (dtypes == NULL) {
        return -1;
    }
    for (int i = 1; i < TOFFEE_N_DTYPES; i++) {
        const char *name = toffee_dtype_get((toffee_dtype)i)->torch_name;
        PyObject *dtype = name != NULL ? PyObject_GetAttrString(torch, name) : NULL;
        PyObject *number = dtype != NULL ? PyLong_FromLong(i) : NULL;

        if (name != NULL && (number == NULL || PyDict_SetItem(dtypes, dtype, number) < 0)) {
            Py_XDECREF(number);
            Py_XDECREF(dtype);
            Py_DECREF(dtypes);
            return -1;
        }
        Py_XDECREF(number);
        Py_XDECREF(dtype);
    }
    types->dtypes = dtypes;
    return 0;
}

/* Finds PyTorch's types and exchange API, once an interpreter. */
static int
load_torch(PyToffee_State *state)
{
    struct PyToffee_TraceState *shared = state->trace;
    PyObject *torch = PyImport_ImportModule("torch");
    PyToffee_TorchTypes types = {0};
    int rc = -1;

    if (torch == NULL) {
        return -1;
    }
    types.tensor_type = (PyTypeObject *)PyObject_GetAttrString(torch, "Tensor");
    types.dtype_type = (PyTypeObject *)PyObject_GetAttrString(torch, "dtype");
    if (types.tensor_type == NULL || types.dtype_type == NULL || load_dtypes(torch, &types) < 0) {
        goto done;
    }
    rc = PyToffee_DLPack_Init(&shared->api, (PyObject *)types.tensor_type, state->TraceError);
done:
    Py_DECREF(torch);
    if (rc < 0) {
        Py_XDECREF(types.tensor_type);
        Py_XDECREF(types.dtype_type);
        Py_XDECREF(types.dtypes);
        return -1;
    }
    shared->types = types;
    return 0;
}

/* ---- methods -------------------------------------------------------------------------------- */

PyDoc_STRVAR(
    begin_doc,
    "begin($self, decompose, place, leak, lower, whole_storage, training, fallback_to_aten, /)\n"
    "--\n\nStart with an empty graph. The first five are the functions of toffee._tracing.");

static PyObject *
tracer_begin(PyObject *op, PyObject *args)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;
    struct PyToffee_TraceState *shared = self->state->trace;
    toffee_status st = TOFFEE_STATUS_INIT;
    PyObject *hooks[TOFFEE_COUNTOF(self->hooks)] = {0};
    PyObject *whole_storage = NULL;
    int training = 0;
    int fallback = 0;

    if (!PyArg_ParseTuple(args, "OOOOOpp:begin", &hooks[0], &hooks[1], &hooks[2], &hooks[3],
                          &whole_storage, &training, &fallback)) {
        return NULL;
    }
    if (shared->api.exchange == NULL && load_torch(self->state) < 0) {
        return NULL;
    }
    tracer_clear(op);
    self->unsupported = PyList_New(0);
    if (self->unsupported == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(hooks); i++) {
        self->hooks[i] = Py_NewRef(hooks[i]);
    }
    Py_XSETREF(self->state->trace_whole_storage, Py_NewRef(whole_storage));
    self->training = training != 0;
    self->fallback_to_aten = fallback != 0;
    self->depth = 0;
    self->call = NULL;
    self->parameters.n = self->parameters.capacity = 0;
    self->inputs.n = self->inputs.capacity = 0;
    self->holes = (toffee_ptrmap){0};
    self->lo = (toffee_lowering){.scratch = toffee_arena_new()};
    if (self->lo.scratch == NULL) {
        return PyErr_NoMemory();
    }
    if (toffee_graph_new(&self->graph, &st) != TOFFEE_OK) {
        return PyToffee_Err_Set(self->state, &st);
    }
    self->lo.graph = self->graph;
    self->bindings = PyToffee_Bindings_New(self->state, &shared->api, &self->lo,
                                           self->hooks[PYTOFFEE_HOOK_LEAK]);
    if (self->bindings == NULL) {
        tracer_close(self);
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
require_open(const PyToffee_Tracer *self)
{
    if (self->graph == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this trace is closed: call begin() first");
        return -1;
    }
    return 0;
}

static PyObject *
tracer_declare(PyObject *op, PyObject *args, PyToffee_SetKind kind)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;
    PyObject *tensor = NULL;
    const char *text = NULL;
    const toffee_str *name = NULL;
    toffee_value *value = NULL;
    bool added = false;

    if (!PyArg_ParseTuple(args, "Os", &tensor, &text) || require_open(self) < 0) {
        return NULL;
    }
    if (!PyToffee_IsTensor(&self->state->trace->types, tensor)) {
        return PyErr_Format(PyExc_TypeError, "'%s' is a %.200s, not a torch.Tensor", text,
                            Py_TYPE(tensor)->tp_name);
    }
    if (toffee_graph_find(self->graph, text) != NULL) {
        return PyErr_Format(PyExc_ValueError, "the name '%s' is taken", text);
    }
    name = toffee_graph_intern(self->graph, text);
    if (name == NULL) {
        return PyErr_NoMemory();
    }
    if (PyToffee_Bindings_Declare(self->bindings, tensor, name, kind, &value) < 0) {
        return NULL;
    }
    if (kind == PYTOFFEE_PARAMETER) {
        added = value->name != name || /* tied: the earlier name stands for both */
                TOFFEE_VEC_PUSH(self->graph->arena, &self->parameters, value);
    }
    else {
        added = TOFFEE_VEC_PUSH(self->graph->arena, &self->inputs, value);
    }
    return added ? PyUnicode_FromString(toffee_str_text(value->name)) : PyErr_NoMemory();
}

PyDoc_STRVAR(locate_doc,
             "locate($self, source, modules, call, /)\n--\n\n"
             "From now on nodes say where they come from. SOURCE: a function from a file to\n"
             "(what to call it, whether it is the user's) or None; or None: no lines. MODULES: a\n"
             "list of (path, module); or None: no names. CALL: the code of Module.__call__. To be\n"
             "called by the function that runs the model.");

static PyObject *
tracer_locate(PyObject *op, PyObject *args)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;
    PyObject *source = NULL;
    PyObject *modules = NULL;
    PyObject *call = NULL;

    if (!PyArg_ParseTuple(args, "OOO:locate", &source, &modules, &call) || require_open(self) < 0) {
        return NULL;
    }
    if (modules != Py_None && !PyList_Check(modules)) {
        PyErr_SetString(PyExc_TypeError, "locate: modules must be a list of (path, module)");
        return NULL;
    }
    PyToffee_Locator_Free(self->locator);
    self->locator = PyToffee_Locator_New(source, modules, call);
    return self->locator != NULL ? Py_NewRef(Py_None) : NULL;
}

/* A `tell`, with the GIL held. */
static toffee_code
tracer_tell(toffee_progress *progress, toffee_status *st)
{
    PyToffee_Tracer *self = progress->ctx;
    PyObject *listener = Py_NewRef(self->listener); /* it may begin another trace */
    PyObject *told = PyObject_CallFunction(listener, "Ki", (unsigned long long)progress->done, 0);

    Py_XDECREF(told);
    Py_DECREF(listener);
    return told != NULL ? TOFFEE_OK : toffee_fail(st, TOFFEE_ERR_PYTHON, "a listener raised");
}

PyDoc_STRVAR(report_doc, "report($self, listener, interval, /)\n--\n\n"
                         "From now on call LISTENER(operators, 0) after an operator, but not more "
                         "often than every INTERVAL seconds.");

static PyObject *
tracer_report(PyObject *op, PyObject *args)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;
    PyObject *listener = NULL;
    double interval = 0;

    if (!PyArg_ParseTuple(args, "Od:report", &listener, &interval) || require_open(self) < 0) {
        return NULL;
    }
    if (!(interval >= 0.0 && interval <= 3600.0)) {
        PyErr_SetString(PyExc_ValueError, "interval must be between 0 and 3600 seconds");
        return NULL;
    }
    Py_XSETREF(self->listener, Py_NewRef(listener));
    self->progress =
        (toffee_progress){.tell = tracer_tell, .ctx = self, .interval = (uint64_t)(interval * 1e9)};
    toffee_progress_start(&self->progress);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    keep_journal_doc,
    "keep_journal($self, sources, skip, any, /)\n--\n\n"
    "From now on note every call in `journal`. SOURCES: a tuple of ascending ordinals, \n"
    "places in the journal, of calls on data alone that are to be recorded all the same.\n"
    "SKIP: None, or a function (func, args, kwargs) -> result or NotImplemented that is\n"
    "asked in place of running a large call, for a result of the right geometry. ANY: have\n"
    "windows that depend on sizes reckoned in the graph.");

static PyObject *
tracer_keep_journal(PyObject *op, PyObject *args)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;
    PyToffee_Twin *twin = NULL;
    PyObject *sources = NULL;
    PyObject *skip = NULL;
    int any = 0;

    if (!PyArg_ParseTuple(args, "OOp:keep_journal", &sources, &skip, &any) ||
        require_open(self) < 0) {
        return NULL;
    }
    twin = PyToffee_Twin_New(sources, skip);
    if (twin == NULL) {
        return NULL;
    }
    PyToffee_Twin_Free(self->twin);
    self->twin = twin;
    self->lo.is_twin = true;
    self->lo.is_any = any != 0;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(declare_parameter_doc,
             "declare_parameter($self, tensor, name, /) -> str\n--\n\n"
             "Bind a parameter or buffer. Returns its name in the graph: an earlier one for tied "
             "weights.");

static PyObject *
tracer_declare_parameter(PyObject *op, PyObject *args)
{
    return tracer_declare(op, args, PYTOFFEE_PARAMETER);
}

PyDoc_STRVAR(declare_input_doc, "declare_input($self, tensor, name, /) -> str\n--\n\n"
                                "Bind an argument of the model.");

static PyObject *
tracer_declare_input(PyObject *op, PyObject *args)
{
    return tracer_declare(op, args, PYTOFFEE_INPUT);
}

static PyObject *
tracer_torch_dispatch(PyObject *op, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    PyObject *call_args = n_args > 2 ? args[2] : NULL;
    PyObject *call_kwargs = n_args > 3 ? args[3] : NULL;
    PyToffee_Tracer *tracer = (PyToffee_Tracer *)op;
    PyObject *owned = NULL;
    PyObject *result = NULL;

    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i); /* borrowed */

        if (PyUnicode_CompareWithASCIIString(name, "args") == 0) {
            call_args = args[n_args + i];
        }
        else if (PyUnicode_CompareWithASCIIString(name, "kwargs") == 0) {
            call_kwargs = args[n_args + i];
        }
    }
    if (n_args < 1) {
        PyErr_SetString(PyExc_TypeError, "__torch_dispatch__(func, types, args=(), kwargs=None)");
        return NULL;
    }
    if (call_args == NULL) {
        owned = PyTuple_New(0);
        if (owned == NULL) {
            return NULL;
        }
        call_args = owned;
    }
    if (!PyTuple_Check(call_args)) {
        owned = PySequence_Tuple(call_args);
        if (owned == NULL) {
            return NULL;
        }
        call_args = owned;
    }
    result = PyToffee_Tracer_Dispatch(tracer, args[0], call_args,
                                      call_kwargs != Py_None ? call_kwargs : NULL);
    Py_XDECREF(owned);
    if (result != NULL && tracer->depth == 0 && tracer->progress.tell != NULL &&
        toffee_progress_step(&tracer->progress, 1, NULL) != TOFFEE_OK) {
        Py_CLEAR(result);
    }
    return result;
}

/* ---- the end -------------------------------------------------------------------------------- */

PyDoc_STRVAR(finish_doc,
             "finish($self, outputs, names, /) -> Graph | str\n--\n\n"
             "Close the trace. OUTPUTS is a list of tensors, NAMES one of str or None.\n"
             "Returns the graph, or the name of an operator whose result the outputs need and that "
             "nothing in the graph computes (see `unsupported`).");

static PyObject *
tracer_finish(PyObject *op, PyObject *args)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;
    PyObject *outputs = NULL;
    PyObject *names = NULL;
    toffee_graph *graph = NULL;
    const char *hole = NULL;

    if (!PyArg_ParseTuple(args, "O!O!:finish", &PyList_Type, &outputs, &PyList_Type, &names) ||
        require_open(self) < 0) {
        return NULL;
    }
    if (PyList_GET_SIZE(outputs) != PyList_GET_SIZE(names)) {
        PyErr_Format(PyExc_ValueError, "%zd outputs and %zd names", PyList_GET_SIZE(outputs),
                     PyList_GET_SIZE(names));
        return NULL;
    }
    if (PyToffee_Tracer_Finish(self, outputs, names, &hole) < 0) {
        return NULL;
    }
    if (hole != NULL) {
        PyObject *text = PyUnicode_FromString(hole);

        tracer_close(self);
        return text;
    }
    graph = self->graph;
    self->graph = NULL;
    tracer_close(self);
    return self->state->wrap_graph(self->state, graph);
}

PyDoc_STRVAR(abandon_doc,
             "abandon($self, /)\n--\n\nLet go of everything; calls run unrecorded from now on.");

static PyObject *
tracer_abandon(PyObject *op, PyObject *unused)
{
    (void)unused;
    tracer_close((PyToffee_Tracer *)op);
    Py_RETURN_NONE;
}

static PyObject *
tracer_get_unsupported(PyObject *op, void *closure)
{
    PyToffee_Tracer *self = (PyToffee_Tracer *)op;

    (void)closure;
    return self->unsupported != NULL ? PyList_GetSlice(self->unsupported, 0, PY_SSIZE_T_MAX)
                                     : PyList_New(0);
}

static PyObject *
tracer_get_operators(PyObject *op, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((PyToffee_Tracer *)op)->progress.done);
}

static PyObject *
tracer_get_journal(PyObject *op, void *closure)
{
    (void)closure;
    return PyToffee_Twin_Journal(((PyToffee_Tracer *)op)->twin);
}

static PyObject *
tracer_get_skipped(PyObject *op, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(PyToffee_Twin_Skipped(((PyToffee_Tracer *)op)->twin));
}

static PyMethodDef tracer_methods[] = {
    {"__torch_dispatch__", (PyCFunction)(void (*)(void))tracer_torch_dispatch,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"abandon", tracer_abandon, METH_NOARGS, abandon_doc},
    {"begin", tracer_begin, METH_VARARGS, begin_doc},
    {"declare_input", tracer_declare_input, METH_VARARGS, declare_input_doc},
    {"declare_parameter", tracer_declare_parameter, METH_VARARGS, declare_parameter_doc},
    {"finish", tracer_finish, METH_VARARGS, finish_doc},
    {"keep_journal", tracer_keep_journal, METH_VARARGS, keep_journal_doc},
    {"locate", tracer_locate, METH_VARARGS, locate_doc},
    {"report", tracer_report, METH_VARARGS, report_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef tracer_getset[] = {
    {"journal", tracer_get_journal, NULL,
     "list of (operator, digest of what a call on data alone made, or 0) for each call", NULL},
    {"operators", tracer_get_operators, NULL, "how many calls have run since report()", NULL},
    {"skipped", tracer_get_skipped, NULL, "how many calls `skip` of keep_journal has answered",
     NULL},
    {"unsupported", tracer_get_unsupported, NULL,
     "list of (operator, place) for each call that no lowering knew", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot tracer_slots[] = {
    {Py_tp_doc, "Records one forward pass; the C half of toffee._tracing.Tracer."},
    {Py_tp_new, tracer_new},
    {Py_tp_dealloc, tracer_dealloc},
    {Py_tp_traverse, tracer_traverse},
    {Py_tp_clear, tracer_clear},
    {Py_tp_methods, tracer_methods},
    {Py_tp_getset, tracer_getset},
    {0, NULL},
};

static PyType_Spec tracer_spec = {
    .name = "toffee._core.Tracer",
    .basicsize = sizeof(PyToffee_Tracer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = tracer_slots,
};

/* ---- the module's share --------------------------------------------------------------------- */

int
PyToffee_Trace_Exec(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);

    state->trace = PyMem_Calloc(1, sizeof(*state->trace));
    if (state->trace == NULL) {
        return PyToffee_Err_NoMemory();
    }
    state->trace->overloads = PyToffee_OverloadCache_New();
    if (state->trace->overloads == NULL) {
        return -1;
    }
    state->TracerType = (PyTypeObject *)PyType_FromModuleAndSpec(module, &tracer_spec, NULL);
    if (state->TracerType == NULL || PyModule_AddType(module, state->TracerType) < 0) {
        return -1;
    }
    return PyToffee_Custom_Init(module) == 0 ? PyToffee_Witness_Init(module) : -1;
}

int
PyToffee_Trace_Traverse(PyToffee_State *state, visitproc visit, void *arg)
{
    if (state->trace == NULL) {
        return 0;
    }
    Py_VISIT(state->trace->types.tensor_type);
    Py_VISIT(state->trace->types.dtype_type);
    Py_VISIT(state->trace->types.dtypes);
    Py_VISIT(state->trace->builder_type);
    Py_VISIT(state->trace->value_type);
    Py_VISIT(state->trace_whole_storage);
    return PyToffee_OverloadCache_Traverse(state->trace->overloads, visit, arg);
}

void
PyToffee_Trace_Clear(PyToffee_State *state)
{
    struct PyToffee_TraceState *shared = state->trace;

    if (shared == NULL) {
        return;
    }
    Py_CLEAR(state->trace_whole_storage);
    Py_CLEAR(shared->types.tensor_type);
    Py_CLEAR(shared->types.dtype_type);
    Py_CLEAR(shared->types.dtypes);
    Py_CLEAR(shared->builder_type);
    Py_CLEAR(shared->value_type);
    PyToffee_OverloadCache_Free(shared->overloads);
    shared->overloads = NULL;
    shared->api = (PyToffee_DLPack){0};
}

void
PyToffee_Trace_Free(PyToffee_State *state)
{
    PyToffee_Trace_Clear(state);
    PyMem_Free(state->trace);
    state->trace = NULL;
}
