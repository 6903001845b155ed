/* csrc/trace/dispatch.c -- the door: run the operator, find its meaning, record it. */
#include "trace/custom.h"
#include "trace/leak.h"
#include "trace/twin.h"

#include <string.h>

#include "bridge/pyerr.h"

/* Deepest chain of operators taken apart into operators taken apart. PyTorch's own chains are below
 * ten; more means that two decompositions call each other. */
#define MAX_DECOMPOSE_DEPTH 40

/* Most tensors that an operator may return. */
#define MAX_RESULTS 65536

typedef struct {
    PyToffee_Tracer *tracer;
    PyToffee_Arguments arguments;
    toffee_call call;
    TOFFEE_VEC(toffee_result) results;
    TOFFEE_VEC(PyObject *) objects; /* the tensor behind each result, or NULL; borrowed */
    PyObject *saved; /* list of copies of written operands from before the call, None for the
                        others; strong, or NULL */
} recording;

/* Runs the operator itself; the mode is off in here, so nothing of it comes back to the door. */
static PyObject *
run(const PyToffee_Overload *overload, PyObject *args, PyObject *kwargs)
{
    return PyObject_Call(overload->callable, args, kwargs);
}

/* ---- results -------------------------------------------------------------------------------- */

static int
add_tensor_result(recording *rec, PyObject *tensor)
{
    toffee_arena *scratch = rec->tracer->lo.scratch;
    const PyToffee_DLPack *api = &rec->tracer->state->trace->api;
    toffee_result result = {0};
    PyToffee_TensorInfo info;

    if (PyToffee_TensorInfo_Get(api, tensor, &info) < 0) {
        return -1;
    }
    result.dtype = info.dtype;
    result.rank = info.rank;
    result.dims = toffee_arena_copy(scratch, info.sizes, (size_t)info.rank * sizeof(int64_t));
    if (PyToffee_TensorInfo_AsPairs(api, scratch, &info) < 0) { /* too many dimensions for it */
        return -1;
    }
    if (result.dims == NULL || !TOFFEE_VEC_PUSH(scratch, &rec->results, result) ||
        !TOFFEE_VEC_PUSH(scratch, &rec->objects, tensor)) {
        return PyToffee_Err_NoMemory();
    }
    return 0;
}

/* Appends what OBJECT holds: a tensor, None, a number, or a list or tuple of such. */
static int
add_results(recording *rec, PyObject *object)
{
    static const toffee_result nothing = {0};

    if (PyToffee_IsTensor(&rec->tracer->state->trace->types, object)) {
        return add_tensor_result(rec, object);
    }
    if (PyTuple_Check(object) || PyList_Check(object)) {
        Py_ssize_t n = PySequence_Fast_GET_SIZE(object);
        PyObject **items = PySequence_Fast_ITEMS(object);

        if (n > MAX_RESULTS) {
            PyErr_Format(rec->tracer->state->TraceError, "%s returned %zd tensors",
                         rec->arguments.overload->full, n);
            return -1;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            /* Lists of lists do not occur in schemas: the recursion is one deep. */
            if (add_results(rec, items[i]) < 0) {
                return -1;
            }
        }
        return 0;
    }
    if (!TOFFEE_VEC_PUSH(rec->tracer->lo.scratch, &rec->results, nothing) ||
        !TOFFEE_VEC_PUSH(rec->tracer->lo.scratch, &rec->objects, NULL)) {
        return PyToffee_Err_NoMemory();
    }
    return 0;
}

static bool
is_result(const recording *rec, const PyObject *tensor)
{
    for (size_t i = 0; i < rec->objects.n; i++) {
        if (rec->objects.data[i] == tensor) {
            return true;
        }
    }
    return false;
}

/* Results are what was returned, and then what was written without being returned. */
static int
collect_results(recording *rec, PyObject *returned)
{
    if (returned != Py_None && add_results(rec, returned) < 0) {
        return -1;
    }
    for (size_t i = 0; i < rec->arguments.n_operands; i++) {
        const PyToffee_Operand *operand = &rec->arguments.operands[i];

        if (operand->is_written && !is_result(rec, operand->tensor) &&
            add_tensor_result(rec, operand->tensor) < 0) {
            return -1;
        }
    }
    rec->call.results = rec->results.data;
    rec->call.n_results = rec->results.n;
    return 0;
}

static bool
is_written_operand(const recording *rec, const PyObject *tensor)
{
    for (size_t i = 0; i < rec->arguments.n_operands; i++) {
        if (rec->arguments.operands[i].tensor == tensor && rec->arguments.operands[i].is_written) {
            return true;
        }
    }
    return false;
}

/* A value for result INDEX that nothing in the graph makes; reported if it is still used at the
 * end. */
static int
make_hole(recording *rec, size_t index)
{
    toffee_result *result = &rec->results.data[index];
    toffee_status st = TOFFEE_STATUS_INIT;
    int64_t dims[TOFFEE_MAX_RANK + 1];
    int32_t rank = toffee_result_dims(result, dims);

    if (toffee_graph_new_value(rec->tracer->graph, &result->value, &st) != TOFFEE_OK ||
        toffee_value_set_type(result->value, toffee_dtype_of_part(result->dtype), dims, rank,
                              &st) != TOFFEE_OK) {
        return PyToffee_Err_Fail(rec->tracer->state, &st);
    }
    return PyToffee_Tracer_AddHole(rec->tracer, result->value, rec->arguments.overload->full);
}

/* Ties the tensors that came out to the values that the lowering gave. */
static int
bind_results(recording *rec)
{
    PyToffee_Bindings *bindings = rec->tracer->bindings;

    for (size_t i = 0; i < rec->results.n; i++) {
        PyObject *tensor = rec->objects.data[i];
        int rc = 0;

        if (tensor == NULL) {
            continue;
        }
        if (rec->results.data[i].value == NULL && make_hole(rec, i) < 0) {
            return -1;
        }
        if (is_written_operand(rec, tensor)) {
            rc = PyToffee_Bindings_Write(bindings, tensor, rec->results.data[i].value);
        }
        else {
            rc = PyToffee_Bindings_BindResult(bindings, tensor, rec->results.data[i].value,
                                              rec->arguments.tensors, rec->arguments.n_operands,
                                              rec->arguments.overload->returns_view);
        }
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

/* What views without a lowering see, by their geometry: as_strided. Whether all results have a
 * value now: 1, 0, or -1 with an exception set. */
static int
read_views(recording *rec)
{
    for (size_t i = 0; i < rec->results.n; i++) {
        if (rec->objects.data[i] == NULL) {
            continue;
        }
        if (PyToffee_Bindings_ReadView(rec->tracer->bindings, rec->objects.data[i],
                                       rec->arguments.tensors, rec->arguments.n_operands,
                                       &rec->results.data[i].value) < 0) {
            return -1;
        }
        if (rec->results.data[i].value == NULL) {
            return 0;
        }
    }
    return 1;
}

/* ---- what has no lowering ------------------------------------------------------------------- */

static PyObject *
decompose(PyToffee_Tracer *self, PyObject *func, PyObject *args, PyObject *kwargs)
{
    PyObject *result = NULL;

    if (self->depth >= MAX_DECOMPOSE_DEPTH) {
        return Py_NewRef(Py_NotImplemented);
    }
    self->depth++;
    result = PyObject_CallFunctionObjArgs(self->hooks[PYTOFFEE_HOOK_DECOMPOSE], (PyObject *)self,
                                          func, args, kwargs != NULL ? kwargs : Py_None, NULL);
    self->depth--;
    return result;
}

/* Remembers that OVERLOAD is missing, and the user's line that called it. */
static int
add_unsupported(PyToffee_Tracer *self, const PyToffee_Overload *overload)
{
    PyObject *place = PyObject_CallNoArgs(self->hooks[PYTOFFEE_HOOK_PLACE]);
    PyObject *row = place != NULL ? Py_BuildValue("(sO)", overload->full, place) : NULL;
    int rc = row != NULL ? PyList_Append(self->unsupported, row) : -1;

    Py_XDECREF(row);
    Py_XDECREF(place);
    return rc;
}

/* ARG as an attribute of an aten node. DECLINED for what has no attribute form (a generator). */
static toffee_code
set_aten_attribute(toffee_arena *scratch, toffee_node *node, const toffee_arg *arg,
                   toffee_status *st)
{
    switch (arg->kind) {
    case TOFFEE_ARG_BOOL:
    case TOFFEE_ARG_INT: return toffee_node_set_int(node, arg->name, arg->i, st);
    case TOFFEE_ARG_FLOAT: return toffee_node_set_float(node, arg->name, arg->f, st);
    case TOFFEE_ARG_STRING: return toffee_node_set_string(node, arg->name, arg->s, st);
    case TOFFEE_ARG_INTS: return toffee_node_set_ints(node, arg->name, arg->ints, arg->n, st);
    case TOFFEE_ARG_DTYPE: return toffee_node_set_int(node, arg->name, arg->dtype, st);
    case TOFFEE_ARG_FLOATS: {
        float *floats = toffee_arena_calloc(scratch, arg->n, sizeof(*floats));

        if (floats == NULL) {
            return toffee_fail_nomem(st);
        }
        for (size_t i = 0; i < arg->n; i++) {
            floats[i] = (float)arg->floats[i];
        }
        return toffee_node_set_floats(node, arg->name, floats, arg->n, st);
    }
    default: return TOFFEE_OK; /* NONE is said by absence; OTHER does not change the values */
    }
}

/* The call as one node of the domain org.pytorch.aten: tensors are inputs in the order of the
 * schema, lists of tensors laid out flat with their length as an attribute, the rest attributes. */
static toffee_code
emit_aten(recording *rec, toffee_status *st)
{
    toffee_lowering *lo = &rec->tracer->lo;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_node_new(lo->graph, rec->arguments.overload->full, &node, st));
    node->domain = toffee_graph_intern(lo->graph, "org.pytorch.aten");
    toffee_node_sign(node, lo);
    if (node->domain == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < rec->call.n_args; i++) {
        const toffee_arg *arg = &rec->call.args[i];
        bool is_tensor = rec->arguments.overload->parameters[i].takes_tensors;

        if (arg->kind == TOFFEE_ARG_VALUE || (is_tensor && arg->kind == TOFFEE_ARG_NONE)) {
            TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(node, arg->value, st));
        }
        else if (arg->kind == TOFFEE_ARG_VALUES) {
            for (size_t k = 0; k < arg->n; k++) {
                TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(node, arg->values[k], st));
            }
            TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, arg->name, (int64_t)arg->n, st));
        }
        else {
            TOFFEE_RETURN_IF_ERROR(set_aten_attribute(lo->scratch, node, arg, st));
        }
    }
    while (node->inputs.n > 0 && node->inputs.data[node->inputs.n - 1] == NULL) {
        node->inputs.n--;
    }
    for (size_t i = 0; i < rec->results.n; i++) {
        toffee_result *result = &rec->results.data[i];

        TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, result->dtype, &result->value, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_value_set_type(result->value, result->dtype, result->dims, result->rank, st));
    }
    return toffee_graph_append_node(lo->graph, node, st);
}

/* ---- the paths of a call -------------------------------------------------------------------- */

/* Nothing in the call comes from the trace: it runs, and what it returns is data of the moment. */
static PyObject *
run_on_data(PyToffee_Tracer *self, const PyToffee_Arguments *arguments, PyObject *args,
            PyObject *kwargs)
{
    PyObject *returned = NULL;

    if (PyToffee_Leak_Random(self, arguments) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < arguments->n_operands && arguments->overload->writes; i++) {
        if (arguments->operands[i].is_written &&
            PyToffee_Bindings_BeforeWrite(self->bindings, arguments->tensors[i], false) < 0) {
            return NULL;
        }
    }
    returned = run(arguments->overload, args, kwargs);
    for (size_t i = 0; returned != NULL && i < arguments->n_operands && arguments->overload->writes;
         i++) {
        if (arguments->operands[i].is_written &&
            PyToffee_Bindings_ForgetConstants(self->bindings, arguments->tensors[i]) < 0) {
            Py_CLEAR(returned);
        }
    }
    if (returned != NULL && PyToffee_Twin_NoteData(self, arguments, returned) < 0) {
        Py_CLEAR(returned);
    }
    return returned;
}

/* Batch and instance normalization write running statistics that their schemas do not own up to. */
static void
mark_hidden_writes(recording *rec)
{
    const PyToffee_Overload *overload = rec->arguments.overload;
    const toffee_arg *training = NULL;

    if (strcmp(overload->op, "aten::batch_norm") == 0) {
        training = toffee_call_arg(&rec->call, "training");
    }
    else if (strcmp(overload->op, "aten::instance_norm") == 0) {
        training = toffee_call_arg(&rec->call, "use_input_stats");
    }
    if (training == NULL || training->i == 0) {
        return;
    }
    for (size_t i = 0; i < overload->n_parameters; i++) {
        const char *name = overload->parameters[i].text;

        if (strcmp(name, "running_mean") != 0 && strcmp(name, "running_var") != 0) {
            continue;
        }
        for (size_t k = 0; k < rec->arguments.n_operands; k++) {
            if (rec->arguments.tensors[k] == rec->arguments.objects[i]) {
                rec->arguments.operands[k].is_written = true;
            }
        }
    }
}

/* Lowers the call that has run. OK, DECLINED (nothing is bound), or an error with an exception. */
static toffee_code
lower(recording *rec)
{
    PyToffee_Tracer *self = rec->tracer;
    const PyToffee_Overload *overload = rec->arguments.overload;
    toffee_status st = TOFFEE_STATUS_INIT;
    const toffee_rule *rule = overload->rule;
    toffee_code rc = TOFFEE_DECLINED;

    if (overload->custom != NULL) {
        rc = PyToffee_Custom_Lower(self, &rec->arguments, &rec->call);
        if (rc != TOFFEE_DECLINED) {
            return rc;
        }
    }
    if (rule == NULL || toffee_call_is_complex(&rec->call)) {
        rule = overload->complex_rule;
    }
    if (rule != NULL) {
        rc = toffee_lower(&self->lo, rule, &rec->call, &st);
    }
    if (rc == TOFFEE_DECLINED || rc == TOFFEE_ERR_UNSUPPORTED) {
        for (size_t i = 0; i < rec->results.n; i++) {
            rec->results.data[i].value = NULL; /* what a rule returned before it gave up */
        }
        return TOFFEE_DECLINED;
    }
    if (rc != TOFFEE_OK) {
        toffee_status_prefix(&st, "%s: ", overload->full);
        PyToffee_Err_Set(self->state, &st);
    }
    return rc;
}

/* Neither a lowering nor PyTorch's decompositions know the call: one node of the aten domain, or a
 * hole that the error at the end reports. PyTorch's primitives are nothing that a user wrote: there
 * the operator that was being taken apart is the unsupported one, and hears so by exception. */
static int
record_unsupported(recording *rec)
{
    const PyToffee_Overload *overload = rec->arguments.overload;
    toffee_status st = TOFFEE_STATUS_INIT;

    if (rec->tracer->depth > 0 && !overload->writes && strncmp(overload->op, "prims::", 7) == 0) {
        PyErr_SetString(PyExc_NotImplementedError, overload->full);
        return -1;
    }
    if (rec->tracer->fallback_to_aten && !toffee_call_is_complex(&rec->call)) {
        return emit_aten(rec, &st) == TOFFEE_OK ? 0 : PyToffee_Err_Fail(rec->tracer->state, &st);
    }
    return add_unsupported(rec->tracer, overload);
}

/* After what was written is undone: the results of the call as if nothing had been undone. */
static int
run_again(recording *rec, PyObject **returned, PyObject *args, PyObject *kwargs)
{
    Py_XSETREF(*returned, run(rec->arguments.overload, args, kwargs));
    rec->results.n = 0;
    rec->objects.n = 0;
    return *returned != NULL ? collect_results(rec, *returned) : -1;
}

/* Runs the operator, or does not where only the geometry of what comes out is wanted. */
static PyObject *
run_or_skip(const recording *rec, PyObject *func, PyObject *args, PyObject *kwargs)
{
    if (rec->tracer->twin != NULL && !PyToffee_Leak_DrawsRandom(&rec->arguments)) {
        PyObject *made = PyToffee_Twin_Skip(rec->tracer, &rec->arguments, func, args, kwargs);

        if (made != Py_NotImplemented) {
            return made;
        }
        Py_DECREF(made);
    }
    return run(rec->arguments.overload, args, kwargs);
}

static PyObject *
run_and_record(PyToffee_Tracer *self, const PyToffee_Arguments *arguments, PyObject *func,
               PyObject *args, PyObject *kwargs)
{
    recording rec = {.tracer = self, .arguments = *arguments};
    const PyToffee_Overload *overload = arguments->overload;
    PyObject *returned = NULL;
    toffee_code rc = TOFFEE_OK;

    rec.call.training = self->training;
    if (PyToffee_Arguments_Read(arguments, &self->state->trace->types, self->bindings,
                                self->lo.scratch, &rec.call) < 0) {
        return NULL;
    }
    mark_hidden_writes(&rec);
    for (size_t i = 0; i < arguments->n_operands && overload->is_in_place_view; i++) {
        rec.arguments.operands[i].is_written = false;
    }
    for (size_t i = 0; i < arguments->n_operands; i++) {
        if (rec.arguments.operands[i].is_written &&
            PyToffee_Bindings_BeforeWrite(self->bindings, arguments->tensors[i], true) < 0) {
            return NULL;
        }
    }
    if (overload->custom != NULL && overload->rule == NULL && overload->writes) {
        rec.saved = PyToffee_Custom_SaveWritten(&rec.arguments);
        if (rec.saved == NULL) {
            return NULL;
        }
    }
    returned = run_or_skip(&rec, func, args, kwargs);
    if (returned == NULL || collect_results(&rec, returned) < 0) {
        goto fail;
    }
    rc = lower(&rec);
    if (rc == TOFFEE_DECLINED && overload->returns_view) {
        int done = read_views(&rec);

        if (done < 0) {
            goto fail;
        }
        rc = done ? TOFFEE_OK : rc;
    }
    if (rc == TOFFEE_DECLINED && (!overload->writes || rec.saved != NULL)) {
        PyObject *pieces = NULL;

        if (rec.saved == NULL || PyToffee_Custom_RestoreWritten(&rec.arguments, rec.saved) == 0) {
            pieces = decompose(self, func, args, kwargs);
        }

        if (pieces != Py_NotImplemented) {
            Py_XDECREF(rec.saved);
            Py_DECREF(returned); /* the pieces' result is bound; this one is not */
            return pieces;       /* NULL: the operator's own error */
        }
        Py_DECREF(pieces);
        if (rec.saved != NULL && run_again(&rec, &returned, args, kwargs) < 0) {
            goto fail;
        }
    }
    if (rc == TOFFEE_DECLINED) {
        if (record_unsupported(&rec) < 0) {
            goto fail;
        }
    }
    else if (rc != TOFFEE_OK) {
        goto fail;
    }
    if (bind_results(&rec) < 0) {
        goto fail;
    }
    Py_XDECREF(rec.saved);
    return returned;
fail:
    Py_XDECREF(rec.saved);
    Py_XDECREF(returned);
    return NULL;
}

/* A call without tensors is data of the moment, unless a lowering in Python says what it means. */
static PyObject *
run_without_tensors(PyToffee_Tracer *self, const PyToffee_Arguments *arguments, PyObject *args,
                    PyObject *kwargs)
{
    recording rec = {.tracer = self, .arguments = *arguments};
    PyObject *returned = NULL;
    toffee_code rc = TOFFEE_ERR_PYTHON;

    rec.call.training = self->training;
    if ((self->depth == 0 && PyToffee_Locator_Update(self->locator, &self->lo) < 0) ||
        PyToffee_Arguments_Read(arguments, &self->state->trace->types, self->bindings,
                                self->lo.scratch, &rec.call) < 0) {
        return NULL;
    }
    returned = run(arguments->overload, args, kwargs);
    if (returned != NULL && collect_results(&rec, returned) == 0) {
        rc = PyToffee_Custom_Lower(self, arguments, &rec.call);
    }
    if (rc == TOFFEE_DECLINED && (PyToffee_Leak_Random(self, arguments) < 0 ||
                                  PyToffee_Twin_NoteData(self, arguments, returned) < 0)) {
        rc = TOFFEE_ERR_PYTHON;
    }
    if (rc == TOFFEE_OK && bind_results(&rec) < 0) {
        rc = TOFFEE_ERR_PYTHON;
    }
    if (rc == TOFFEE_ERR_PYTHON) {
        Py_CLEAR(returned);
    }
    return returned;
}

/* Whether any argument comes from the trace: 1, 0, or -1 with an exception set. */
static int
any_traced(PyToffee_Tracer *self, const PyToffee_Arguments *arguments)
{
    for (size_t i = 0; i < arguments->n_operands; i++) {
        int traced = PyToffee_Bindings_IsTraced(self->bindings, arguments->tensors[i]);

        if (traced != 0) {
            return traced;
        }
    }
    return 0;
}

/* Whether an operand is known to be complex. */
static bool
any_complex(const PyToffee_Tracer *self, const PyToffee_Arguments *arguments)
{
    for (size_t i = 0; i < arguments->n_operands && PyToffee_Bindings_HaveComplex(self->bindings);
         i++) {
        const PyToffee_Binding *binding =
            PyToffee_Bindings_Find(self->bindings, arguments->tensors[i]);

        if (binding != NULL && toffee_dtype_is_complex(binding->dtype)) {
            return true;
        }
    }
    return false;
}

/* Whether the call is to be taken apart before it has run: nothing else knows what it means. */
static bool
is_to_be_taken_apart(const PyToffee_Tracer *self, const PyToffee_Arguments *arguments)
{
    const PyToffee_Overload *overload = arguments->overload;

    if (overload->custom != NULL || overload->complex_rule != NULL) {
        return false;
    }
    return overload->rule == NULL || (!overload->returns_view && any_complex(self, arguments));
}

/* A call whose meaning is asked for, because something in it comes from the trace. */
static PyObject *
record(PyToffee_Tracer *self, const PyToffee_Arguments *arguments, PyObject *func, PyObject *args,
       PyObject *kwargs)
{
    const PyToffee_Overload *overload = arguments->overload;

    if (self->depth == 0 && PyToffee_Locator_Update(self->locator, &self->lo) < 0) {
        return NULL;
    }
    if (!overload->returns_tensor && !overload->writes) {
        if (overload->returns_number && PyToffee_Leak_Number(self, arguments) < 0) {
            return NULL;
        }
        return run(overload, args, kwargs);
    }
    if (overload->has_data_dependent_shape && arguments->n_operands > 0 &&
        PyToffee_Leak_Shape(self, arguments) < 0) {
        return NULL;
    }
    if (is_to_be_taken_apart(self, arguments)) {
        PyObject *pieces = decompose(self, func, args, kwargs);

        if (pieces != Py_NotImplemented) {
            return pieces; /* NULL: the operator's own error */
        }
        Py_DECREF(pieces);
    }
    return run_and_record(self, arguments, func, args, kwargs);
}

/* A call in which nothing comes from the trace. */
static PyObject *
run_untraced(PyToffee_Tracer *self, const PyToffee_Arguments *arguments, PyObject *func,
             PyObject *args, PyObject *kwargs)
{
    int is_source = PyToffee_Twin_IsSource(self, arguments);

    if (is_source != 0) {
        return is_source > 0 ? record(self, arguments, func, args, kwargs) : NULL;
    }
    if (arguments->overload->custom != NULL && arguments->overload->returns_tensor &&
        arguments->n_operands == 0) {
        return run_without_tensors(self, arguments, args, kwargs);
    }
    return run_on_data(self, arguments, args, kwargs);
}

PyObject *
PyToffee_Tracer_Dispatch(PyToffee_Tracer *self, PyObject *func, PyObject *args, PyObject *kwargs)
{
    struct PyToffee_TraceState *shared = self->state->trace;
    const PyToffee_Overload *overload = PyToffee_OverloadCache_Get(shared->overloads, func);
    PyToffee_Arguments arguments;
    int traced = 0;

    if (overload == NULL) {
        return NULL;
    }
    if (self->graph == NULL) { /* closed: the mode is on for somebody who kept it */
        return run(overload, args, kwargs);
    }
    if (self->depth == 0) {
        toffee_arena_reset(self->lo.scratch);
    }
    if (PyToffee_Twin_Enter(self, overload) < 0 ||
        PyToffee_Arguments_Parse(overload, &shared->types, self->lo.scratch, args, kwargs,
                                 &arguments) < 0) {
        return NULL;
    }
    traced = any_traced(self, &arguments);
    if (traced < 0) {
        return NULL;
    }
    return traced > 0 ? record(self, &arguments, func, args, kwargs)
                      : run_untraced(self, &arguments, func, args, kwargs);
}
