/* csrc/trace/custom.c -- from a call to a lowering in Python, and back. */
#include "trace/custom.h"

#include "bridge/pyerr.h"

/* ---- values --------------------------------------------------------------------------------- */

PyObject *
PyToffee_TracedValue_New(PyToffee_Builder *builder, toffee_value *value)
{
    PyTypeObject *type = builder->tracer->state->trace->value_type;
    PyToffee_TracedValue *self = (PyToffee_TracedValue *)type->tp_alloc(type, 0);

    if (self != NULL) {
        self->builder = (PyToffee_Builder *)Py_NewRef((PyObject *)builder);
        self->value = value;
    }
    return (PyObject *)self;
}

toffee_value *
PyToffee_TracedValue_Get(const PyToffee_Builder *builder, PyObject *object, const char *what)
{
    if (Py_TYPE(object) != builder->tracer->state->trace->value_type) {
        PyErr_Format(PyExc_TypeError,
                     "%s is a %.200s, not a value of the graph; g.constant() makes one of numbers, "
                     "arrays and tensors",
                     what, Py_TYPE(object)->tp_name);
        return NULL;
    }
    if (((PyToffee_TracedValue *)object)->builder != builder) {
        PyErr_Format(PyExc_ValueError,
                     "%s is a value of another export: a lowering cannot keep values for later",
                     what);
        return NULL;
    }
    return ((PyToffee_TracedValue *)object)->value;
}

static int
value_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((PyToffee_TracedValue *)op)->builder);
    return 0;
}

static int
value_clear(PyObject *op)
{
    Py_CLEAR(((PyToffee_TracedValue *)op)->builder);
    return 0;
}

static void
value_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    value_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* The trace and the value behind OP; false once the trace is over. */
static bool
value_is_live(PyObject *op, PyToffee_Tracer **tracer, const toffee_value **value)
{
    const PyToffee_TracedValue *self = (PyToffee_TracedValue *)op;

    *tracer = self->builder != NULL ? self->builder->tracer : NULL;
    *value = self->value;
    return *tracer != NULL;
}

static bool
value_require_live(PyObject *op, PyToffee_Tracer **tracer, const toffee_value **value)
{
    if (value_is_live(op, tracer, value)) {
        return true;
    }
    PyErr_SetString(PyExc_RuntimeError,
                    "the export that this value belongs to is over: a lowering cannot keep values "
                    "for later");
    return false;
}

static PyObject *
value_get_elem_type(PyObject *op, void *Py_UNUSED(closure))
{
    PyToffee_Tracer *tracer = NULL;
    const toffee_value *value = NULL;

    return value_require_live(op, &tracer, &value) ? PyLong_FromLong((long)value->type.dtype)
                                                   : NULL;
}

/* The torch.dtype of DTYPE, or None. New reference. */
static PyObject *
dtype_to_torch(const PyToffee_Tracer *tracer, toffee_dtype dtype)
{
    PyObject *key = NULL; /* borrowed, as is the number */
    PyObject *number = NULL;
    Py_ssize_t position = 0;

    while (PyDict_Next(tracer->state->trace->types.dtypes, &position, &key, &number)) {
        if (PyLong_AsLong(number) == (long)dtype) {
            return Py_NewRef(key);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
value_get_dtype(PyObject *op, void *Py_UNUSED(closure))
{
    PyToffee_Tracer *tracer = NULL;
    const toffee_value *value = NULL;

    return value_require_live(op, &tracer, &value) ? dtype_to_torch(tracer, value->type.dtype)
                                                   : NULL;
}

static PyObject *
value_get_rank(PyObject *op, void *Py_UNUSED(closure))
{
    PyToffee_Tracer *tracer = NULL;
    const toffee_value *value = NULL;

    if (!value_require_live(op, &tracer, &value)) {
        return NULL;
    }
    return value->type.rank >= 0 ? PyLong_FromLong(value->type.rank) : Py_NewRef(Py_None);
}

/* A tuple of ints; None for a size that is not known (-1). */
static PyObject *
dims_to_tuple(const int64_t *dims, int32_t rank)
{
    PyObject *shape = PyTuple_New(rank);

    for (int32_t i = 0; shape != NULL && i < rank; i++) {
        PyObject *dim = dims[i] >= 0 ? PyLong_FromLongLong(dims[i]) : Py_NewRef(Py_None);

        if (dim == NULL) {
            Py_CLEAR(shape);
            break;
        }
        PyTuple_SET_ITEM(shape, i, dim);
    }
    return shape;
}

static PyObject *
shape_of(const toffee_value *value)
{
    int64_t dims[TOFFEE_MAX_RANK];

    if (value->type.rank < 0) {
        Py_RETURN_NONE;
    }
    toffee_value_dims(value, dims);
    return dims_to_tuple(dims, value->type.rank);
}

static PyObject *
value_get_shape(PyObject *op, void *Py_UNUSED(closure))
{
    PyToffee_Tracer *tracer = NULL;
    const toffee_value *value = NULL;

    return value_require_live(op, &tracer, &value) ? shape_of(value) : NULL;
}

static PyObject *
value_repr(PyObject *op)
{
    PyToffee_Tracer *tracer = NULL;
    const toffee_value *value = NULL;
    PyObject *shape = NULL;
    PyObject *text = NULL;

    if (!value_is_live(op, &tracer, &value)) {
        return PyUnicode_FromString("<toffee.TracedValue of an export that is over>");
    }
    shape = shape_of(value);
    if (shape != NULL) {
        text = PyUnicode_FromFormat("<toffee.TracedValue %s %R>",
                                    toffee_dtype_get(value->type.dtype)->name, shape);
        Py_DECREF(shape);
    }
    return text;
}

static int
value_bool(PyObject *Py_UNUSED(op))
{
    PyErr_SetString(PyExc_TypeError,
                    "a value of the graph is neither true nor false while a lowering runs; for an "
                    "argument that may be left out, ask `is None`");
    return -1;
}

static PyGetSetDef value_getset[] = {
    {"dtype", value_get_dtype, NULL, "The torch.dtype; None where it is not known.", NULL},
    {"elem_type", value_get_elem_type, NULL,
     "The same as a data_type of toffee.Tensor; 0 where it is not known.", NULL},
    {"rank", value_get_rank, NULL, "Number of dimensions; None where it is not known.", NULL},
    {"shape", value_get_shape, NULL,
     "A tuple of sizes, with None for one that is not known; None where not even the rank is.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot value_slots[] = {
    {Py_tp_doc, "A tensor of the graph that is being made: what lowerings get and return."},
    {Py_tp_dealloc, value_dealloc},
    {Py_tp_traverse, value_traverse},
    {Py_tp_clear, value_clear},
    {Py_tp_getset, value_getset},
    {Py_tp_repr, value_repr},
    {Py_nb_bool, value_bool},
    {0, NULL},
};

static PyType_Spec value_spec = {
    .name = "toffee._core.TracedValue",
    .basicsize = sizeof(PyToffee_TracedValue),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = value_slots,
};

/* ---- the builder ---------------------------------------------------------------------------- */

PyToffee_Tracer *
PyToffee_Builder_Open(const PyToffee_Builder *builder)
{
    if (builder->tracer == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the export that this builder belongs to is over");
        return NULL;
    }
    if (builder->tracer->call == NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the lowering that this builder was made for has returned: it can add "
                        "nodes only while it runs");
        return NULL;
    }
    return builder->tracer;
}

void
PyToffee_Builder_Close(PyToffee_Tracer *tracer)
{
    if (tracer->builder != NULL) {
        tracer->builder->tracer = NULL;
        Py_CLEAR(tracer->builder);
    }
}

/* The builder of TRACER, made when the first lowering is asked. Borrowed; NULL with an exception
 * set. */
static PyToffee_Builder *
builder_of(PyToffee_Tracer *tracer)
{
    if (tracer->builder == NULL) {
        PyTypeObject *type = tracer->state->trace->builder_type;
        PyObject *builder = PyObject_CallNoArgs((PyObject *)type);

        if (builder == NULL) {
            return NULL;
        }
        tracer->builder = (PyToffee_Builder *)builder;
        tracer->builder->tracer = tracer;
    }
    return tracer->builder;
}

/* ---- the call ------------------------------------------------------------------------------- */

static PyObject *
values_to_list(PyToffee_Builder *builder, const toffee_arg *arg)
{
    PyObject *list = PyList_New((Py_ssize_t)arg->n);

    for (size_t i = 0; list != NULL && i < arg->n; i++) {
        PyObject *item = arg->values[i] != NULL ? PyToffee_TracedValue_New(builder, arg->values[i])
                                                : Py_NewRef(Py_None);

        if (item == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    return list;
}

/* What a lowering gets for ARG, which is OBJECT in the call. New reference. */
static PyObject *
argument_to_python(PyToffee_Builder *builder, const toffee_arg *arg, PyObject *object)
{
    switch (arg->kind) {
    case TOFFEE_ARG_VALUE: return PyToffee_TracedValue_New(builder, arg->value);
    case TOFFEE_ARG_VALUES: return values_to_list(builder, arg);
    default: return Py_NewRef(object != NULL ? object : Py_None);
    }
}

/* The arguments as the schema has them: by position, and by name where it allows no other way. What
 * is only written to (out=) is left out. *ARGS is a tuple, *KWARGS a dict, new references. */
static int
arguments_to_python(PyToffee_Builder *builder, const PyToffee_Arguments *arguments,
                    const toffee_call *call, PyObject **args, PyObject **kwargs)
{
    const PyToffee_Overload *overload = arguments->overload;
    PyObject *list = PyList_New(0);

    *args = NULL;
    *kwargs = PyDict_New();
    if (list == NULL || *kwargs == NULL) {
        goto fail;
    }
    for (size_t i = 0; i < overload->n_parameters; i++) {
        const PyToffee_Parameter *parameter = &overload->parameters[i];
        PyObject *item = NULL;
        int rc = 0;

        if (parameter->is_output_only) {
            continue;
        }
        item = argument_to_python(builder, &call->args[i], arguments->objects[i]);
        if (item == NULL) {
            goto fail;
        }
        rc = parameter->is_keyword ? PyDict_SetItem(*kwargs, parameter->name, item)
                                   : PyList_Append(list, item);
        Py_DECREF(item);
        if (rc < 0) {
            goto fail;
        }
    }
    *args = PyList_AsTuple(list);
    if (*args == NULL) {
        goto fail;
    }
    Py_DECREF(list);
    return 0;
fail:
    Py_XDECREF(list);
    Py_CLEAR(*kwargs);
    return -1;
}

/* (dtype, data_type, shape) of the value that RESULT is to get: of a complex one that is pairs of
 * reals. None if it is no tensor. */
static PyObject *
result_to_python(const PyToffee_Tracer *tracer, const toffee_result *result)
{
    toffee_dtype dtype = toffee_dtype_of_part(result->dtype);
    int64_t dims[TOFFEE_MAX_RANK + 1];
    int32_t rank = 0;

    if (dtype == TOFFEE_DTYPE_UNDEFINED) {
        Py_RETURN_NONE;
    }
    rank = toffee_result_dims(result, dims);
    return Py_BuildValue("(NiN)", dtype_to_torch(tracer, dtype), (int)dtype,
                         dims_to_tuple(dims, rank));
}

/* A tuple of that for each result. */
static PyObject *
results_to_python(const PyToffee_Tracer *tracer, const toffee_call *call)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)call->n_results);

    for (size_t i = 0; tuple != NULL && i < call->n_results; i++) {
        PyObject *row = result_to_python(tracer, &call->results[i]);

        if (row == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, row);
    }
    return tuple;
}

/* Gives the results of CALL the values in GIVEN, a list with one or None for each. */
static int
take_results(PyToffee_Tracer *tracer, toffee_call *call, PyObject *given)
{
    toffee_status st = TOFFEE_STATUS_INIT;

    if (!PyList_Check(given) || (size_t)PyList_GET_SIZE(given) != call->n_results) {
        PyErr_SetString(PyExc_TypeError, "a list with a value for each result was expected");
        return -1;
    }
    for (size_t i = 0; i < call->n_results; i++) {
        PyObject *item = PyList_GET_ITEM(given, (Py_ssize_t)i); /* borrowed */
        const toffee_result *result = &call->results[i];
        toffee_value *value = NULL;

        if (item == Py_None) {
            continue;
        }
        value = PyToffee_TracedValue_Get(tracer->builder, item, "a result");
        if (value == NULL) {
            return -1;
        }
        if (value->type.dtype == TOFFEE_DTYPE_UNDEFINED) {
            value->type.dtype =
                toffee_dtype_of_part(result->dtype); /* an operator that nothing is known of */
        }
        if (toffee_lower_return(&tracer->lo, call, i, value, &st) != TOFFEE_OK) {
            return PyToffee_Err_Fail(tracer->state, &st);
        }
    }
    return 0;
}

toffee_code
PyToffee_Custom_Lower(PyToffee_Tracer *tracer, const PyToffee_Arguments *arguments,
                      toffee_call *call)
{
    const toffee_call *outer = tracer->call;
    PyObject *lowering = Py_NewRef(arguments->overload->custom); /* it may unregister itself */
    PyToffee_Builder *builder = (PyToffee_Builder *)Py_XNewRef((PyObject *)builder_of(tracer));
    PyObject *args = NULL;
    PyObject *kwargs = NULL;
    PyObject *results = NULL;
    PyObject *given = NULL;
    toffee_code rc = TOFFEE_ERR_PYTHON;

    if (builder == NULL || arguments_to_python(builder, arguments, call, &args, &kwargs) < 0) {
        goto done;
    }
    results = results_to_python(tracer, call);
    if (results == NULL) {
        goto done;
    }
    tracer->call = call;
    given = PyObject_CallFunctionObjArgs(tracer->hooks[PYTOFFEE_HOOK_LOWER], (PyObject *)builder,
                                         lowering, arguments->overload->func, args, kwargs, results,
                                         NULL);
    tracer->call = outer;
    if (given != NULL && builder->tracer == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the export was given up while a lowering ran");
    }
    else if (given == Py_NotImplemented) {
        rc = TOFFEE_DECLINED;
    }
    else if (given != NULL && take_results(tracer, call, given) == 0) {
        rc = TOFFEE_OK;
    }
done:
    Py_XDECREF(given);
    Py_XDECREF(results);
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF((PyObject *)builder);
    Py_DECREF(lowering);
    return rc;
}

/* ---- what may have to be undone ------------------------------------------------------------- */

PyObject *
PyToffee_Custom_SaveWritten(const PyToffee_Arguments *arguments)
{
    PyObject *saved = PyList_New(0);

    for (size_t i = 0; saved != NULL && i < arguments->n_operands; i++) {
        const PyToffee_Operand *operand = &arguments->operands[i];
        bool is_kept = operand->is_written && !operand->is_output_only;
        PyObject *copy =
            is_kept ? PyObject_CallMethod(operand->tensor, "clone", NULL) : Py_NewRef(Py_None);

        if (copy == NULL || PyList_Append(saved, copy) < 0) {
            Py_CLEAR(saved);
        }
        Py_XDECREF(copy);
    }
    return saved;
}

int
PyToffee_Custom_RestoreWritten(const PyToffee_Arguments *arguments, PyObject *saved)
{
    for (size_t i = 0; i < arguments->n_operands; i++) {
        PyObject *copy = PyList_GET_ITEM(saved, (Py_ssize_t)i); /* borrowed */
        PyObject *done = NULL;

        if (copy == Py_None) {
            continue;
        }
        done = PyObject_CallMethod(arguments->operands[i].tensor, "copy_", "O", copy);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
    }
    return 0;
}

/* ---- the module's share --------------------------------------------------------------------- */

PyDoc_STRVAR(set_lowerings_doc,
             "set_lowerings(lowerings, builder, /)\n--\n\n"
             "Make the dict LOWERINGS, from names to functions, the registered ones; nobody may\n"
             "change it any more. BUILDER is the class that traces make their builders of.");

static PyObject *
module_set_lowerings(PyObject *module, PyObject *args)
{
    struct PyToffee_TraceState *shared = PyToffee_ModuleState(module)->trace;
    PyObject *lowerings = NULL;
    PyObject *builder = NULL;

    if (!PyArg_ParseTuple(args, "O!O!:set_lowerings", &PyDict_Type, &lowerings, &PyType_Type,
                          &builder)) {
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)builder, PyToffee_ModuleState(module)->BuilderType)) {
        PyErr_SetString(PyExc_TypeError, "set_lowerings: the class is no Builder");
        return NULL;
    }
    Py_XSETREF(shared->builder_type, (PyTypeObject *)Py_NewRef(builder));
    if (PyToffee_OverloadCache_SetLowerings(shared->overloads, lowerings) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"set_lowerings", module_set_lowerings, METH_VARARGS, set_lowerings_doc},
    {NULL, NULL, 0, NULL},
};

int
PyToffee_Custom_Init(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    PyObject *type = PyType_FromModuleAndSpec(module, &value_spec, NULL);

    state->trace->value_type = (PyTypeObject *)type;
    if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, module_methods);
}
