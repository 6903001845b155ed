/* csrc/trace/args.c */
#include "trace/args.h"

#include "bridge/pyerr.h"

/* ---- sorting by parameter ------------------------------------------------------------------- */

static int
place_arguments(const PyToffee_Overload *overload, PyObject *args, PyObject *kwargs,
                PyObject **objects)
{
    size_t n_args = (size_t)PyTuple_GET_SIZE(args);

    for (size_t i = 0; i < overload->n_parameters; i++) {
        const PyToffee_Parameter *parameter = &overload->parameters[i];
        PyObject *object = i < n_args ? PyTuple_GET_ITEM(args, i) : NULL; /* borrowed */

        if (object == NULL && kwargs != NULL) {
            object = PyDict_GetItemWithError(kwargs, parameter->name); /* borrowed */
            if (object == NULL && PyErr_Occurred()) {
                return -1;
            }
        }
        objects[i] = object != NULL ? object : parameter->fallback;
    }
    return 0;
}

/* The items of a list or tuple; NULL when OBJECT is neither. Borrowed; holds while the call does.
 */
static PyObject **
sequence_items(PyObject *object, size_t *n)
{
    if (!PyList_Check(object) && !PyTuple_Check(object)) {
        return NULL;
    }
    *n = (size_t)PySequence_Fast_GET_SIZE(object);
    return PySequence_Fast_ITEMS(object);
}

static size_t
count_operands(const PyToffee_Arguments *arguments, const PyToffee_TorchTypes *types)
{
    size_t n = 0;

    for (size_t i = 0; i < arguments->overload->n_parameters; i++) {
        PyObject *object = arguments->objects[i];
        size_t n_items = 0;

        if (object == NULL || !arguments->overload->parameters[i].takes_tensors) {
            continue;
        }
        if (PyToffee_IsTensor(types, object)) {
            n++;
        }
        else if (sequence_items(object, &n_items) != NULL) {
            n += n_items;
        }
    }
    return n;
}

static void
add_operand(PyToffee_Arguments *out, const PyToffee_Parameter *parameter, PyObject *tensor)
{
    out->tensors[out->n_operands] = tensor;
    out->operands[out->n_operands++] = (PyToffee_Operand){
        .tensor = tensor,
        .is_written = parameter->is_written,
        .is_output_only = parameter->is_output_only,
    };
}

int
PyToffee_Arguments_Parse(const PyToffee_Overload *overload, const PyToffee_TorchTypes *types,
                         toffee_arena *scratch, PyObject *args, PyObject *kwargs,
                         PyToffee_Arguments *out)
{
    size_t n = 0;

    *out = (PyToffee_Arguments){.overload = overload};
    out->objects = toffee_arena_calloc(scratch, overload->n_parameters, sizeof(*out->objects));
    if (out->objects == NULL) {
        return PyToffee_Err_NoMemory();
    }
    if (place_arguments(overload, args, kwargs, out->objects) < 0) {
        return -1;
    }
    n = count_operands(out, types);
    out->operands = toffee_arena_calloc(scratch, n, sizeof(*out->operands));
    out->tensors = toffee_arena_calloc(scratch, n, sizeof(*out->tensors));
    if (out->operands == NULL || out->tensors == NULL) {
        return PyToffee_Err_NoMemory();
    }
    for (size_t i = 0; i < overload->n_parameters; i++) {
        const PyToffee_Parameter *parameter = &overload->parameters[i];
        PyObject *object = out->objects[i];
        size_t n_items = 0;
        PyObject **items = NULL;

        if (object == NULL || !parameter->takes_tensors) {
            continue;
        }
        if (PyToffee_IsTensor(types, object)) {
            add_operand(out, parameter, object);
            continue;
        }
        items = sequence_items(object, &n_items);
        for (size_t k = 0; items != NULL && k < n_items; k++) {
            if (PyToffee_IsTensor(types, items[k])) {
                add_operand(out, parameter, items[k]);
            }
        }
    }
    return 0;
}

/* ---- one argument --------------------------------------------------------------------------- */

typedef struct {
    const PyToffee_TorchTypes *types;
    PyToffee_Bindings *bindings;
    toffee_arena *scratch;
} reader;

/* A Python int as 64 bits; what does not fit (1 << 70) is no argument of a lowering. */
static int
read_int(PyObject *object, toffee_arg *arg)
{
    int overflow = 0;

    arg->i = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (arg->i == -1 && PyErr_Occurred()) {
        return -1;
    }
    arg->kind = overflow == 0 ? TOFFEE_ARG_INT : TOFFEE_ARG_OTHER;
    return 0;
}

/* Kinds that both lists and single arguments have: 1 when read, 0 when OBJECT is none, -1. */
static int
read_number(PyObject *object, toffee_arg *arg)
{
    if (PyBool_Check(object)) {
        arg->kind = TOFFEE_ARG_BOOL;
        arg->i = object == Py_True;
        return 1;
    }
    if (PyLong_Check(object)) {
        return read_int(object, arg) < 0 ? -1 : 1;
    }
    if (PyFloat_Check(object)) {
        arg->kind = TOFFEE_ARG_FLOAT;
        arg->f = PyFloat_AS_DOUBLE(object);
        return 1;
    }
    if (PyComplex_Check(object)) {
        arg->kind = TOFFEE_ARG_COMPLEX;
        arg->f = PyComplex_RealAsDouble(object);
        arg->imag = PyComplex_ImagAsDouble(object);
        return 1;
    }
    return 0;
}

static int
read_values(const reader *r, PyObject **items, size_t n, toffee_arg *arg)
{
    toffee_value **values = toffee_arena_calloc(r->scratch, n, sizeof(*values));
    toffee_dtype *dtypes = toffee_arena_calloc(r->scratch, n, sizeof(*dtypes));

    if (values == NULL || dtypes == NULL) {
        return PyToffee_Err_NoMemory();
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i] == Py_None) {
            continue;
        }
        values[i] = PyToffee_Bindings_Read(r->bindings, items[i], &dtypes[i]);
        if (values[i] == NULL) {
            return -1;
        }
    }
    arg->kind = TOFFEE_ARG_VALUES;
    arg->values = values;
    arg->dtypes = dtypes;
    arg->n = n;
    return 0;
}

static int
read_numbers(const reader *r, PyObject **items, size_t n, toffee_arg *arg)
{
    int64_t *ints = toffee_arena_calloc(r->scratch, n, sizeof(*ints));
    double *floats = toffee_arena_calloc(r->scratch, n, sizeof(*floats));
    bool is_float = false;

    if (ints == NULL || floats == NULL) {
        return PyToffee_Err_NoMemory();
    }
    for (size_t i = 0; i < n; i++) {
        toffee_arg item = {0};
        int rc = read_number(items[i], &item);

        if (rc < 0) {
            return -1;
        }
        if (rc == 0 || item.kind == TOFFEE_ARG_COMPLEX || item.kind == TOFFEE_ARG_OTHER) {
            arg->kind = TOFFEE_ARG_OTHER;
            return 0;
        }
        is_float = is_float || item.kind == TOFFEE_ARG_FLOAT;
        ints[i] = item.i;
        floats[i] = item.kind == TOFFEE_ARG_FLOAT ? item.f : (double)item.i;
    }
    arg->kind = is_float ? TOFFEE_ARG_FLOATS : TOFFEE_ARG_INTS;
    arg->ints = ints;
    arg->floats = floats;
    arg->n = n;
    return 0;
}

static int
read_sequence(const reader *r, PyObject **items, size_t n, toffee_arg *arg)
{
    for (size_t i = 0; i < n; i++) {
        if (PyToffee_IsTensor(r->types, items[i])) {
            return read_values(r, items, n, arg);
        }
    }
    return read_numbers(r, items, n, arg);
}

static int
read_dtype(const reader *r, PyObject *object, toffee_arg *arg)
{
    PyObject *number = PyDict_GetItemWithError(r->types->dtypes, object); /* borrowed */

    if (number == NULL) {
        arg->kind = TOFFEE_ARG_OTHER; /* a dtype that graphs do not have: quantized, bits */
        return PyErr_Occurred() ? -1 : 0;
    }
    arg->kind = TOFFEE_ARG_DTYPE;
    arg->dtype = (toffee_dtype)PyLong_AsLong(number);
    return 0;
}

static int
read_argument(const reader *r, PyObject *object, toffee_arg *arg)
{
    size_t n = 0;
    PyObject **items = NULL;
    int rc = 0;

    if (object == Py_None) {
        arg->kind = TOFFEE_ARG_NONE;
        return 0;
    }
    if (PyToffee_IsTensor(r->types, object)) {
        arg->kind = TOFFEE_ARG_VALUE;
        arg->value = PyToffee_Bindings_Read(r->bindings, object, &arg->dtype);
        return arg->value != NULL ? 0 : -1;
    }
    rc = read_number(object, arg);
    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    items = sequence_items(object, &n);
    if (items != NULL) {
        return read_sequence(r, items, n, arg);
    }
    if (PyUnicode_Check(object)) {
        arg->kind = TOFFEE_ARG_STRING;
        arg->s = PyUnicode_AsUTF8(object);
        return arg->s != NULL ? 0 : -1;
    }
    if (Py_IS_TYPE(object, r->types->dtype_type)) {
        return read_dtype(r, object, arg);
    }
    arg->kind = TOFFEE_ARG_OTHER;
    return 0;
}

int
PyToffee_Arguments_Read(const PyToffee_Arguments *arguments, const PyToffee_TorchTypes *types,
                        PyToffee_Bindings *bindings, toffee_arena *scratch, toffee_call *call)
{
    const PyToffee_Overload *overload = arguments->overload;
    const reader r = {.types = types, .bindings = bindings, .scratch = scratch};
    toffee_arg *args = toffee_arena_calloc(scratch, overload->n_parameters, sizeof(*args));

    if (args == NULL) {
        return PyToffee_Err_NoMemory();
    }
    for (size_t i = 0; i < overload->n_parameters; i++) {
        args[i].name = overload->parameters[i].text;
        if (overload->parameters[i].is_output_only || arguments->objects[i] == NULL) {
            continue; /* NONE: what is in it does not matter */
        }
        if (read_argument(&r, arguments->objects[i], &args[i]) < 0) {
            return -1;
        }
    }
    call->op = overload->op;
    call->overload = overload->overload;
    call->args = args;
    call->n_args = overload->n_parameters;
    call->in_place = overload->writes;
    return 0;
}
