/* csrc/trace/witness.c -- the second door: values that leave the trace without an ATen call.
 *
 * Tensor.numpy, tolist and torch.tensor([x]) read memory and tell nobody. The Python class is
 * `class Witness(_core.Witness, TorchFunctionMode)`: PyTorch asks it before every function of its
 * API. It looks the function up in a table, and runs it, or what the table has in its place. */
#include "trace/twin.h"

#include "bridge/pyerr.h"

/* Deepest nesting of lists that is searched for tensors: torch.tensor([[[[x]]]]). */
#define MAX_NESTING 8

typedef struct {
    PyObject_HEAD
    PyToffee_Tracer *tracer; /* strong */
    PyObject *watched;       /* dict: function -> int or what to call instead; strong */
} PyToffee_Witness;

static int
witness_traverse(PyObject *op, visitproc visit, void *arg)
{
    PyToffee_Witness *self = (PyToffee_Witness *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->tracer);
    Py_VISIT(self->watched);
    return 0;
}

static int
witness_clear(PyObject *op)
{
    PyToffee_Witness *self = (PyToffee_Witness *)op;

    Py_CLEAR(self->tracer);
    Py_CLEAR(self->watched);
    return 0;
}

static void
witness_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    witness_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Reports every traced tensor in OBJECT, a tensor or nested lists of them. */
static int
report_in(PyToffee_Tracer *tracer, PyObject *object, const char *name, int depth)
{
    if (PyToffee_IsTensor(&tracer->state->trace->types, object)) {
        int traced = PyToffee_Bindings_IsTraced(tracer->bindings, object);

        return traced <= 0 ? traced : PyToffee_Tracer_ReportLeak(tracer, object, name, "a value");
    }
    if (depth < MAX_NESTING && (PyList_Check(object) || PyTuple_Check(object))) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); i++) {
            if (report_in(tracer, PySequence_Fast_GET_ITEM(object, i), name, depth + 1) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* What FUNC, which is watched, takes out of the trace of its arguments from the one numbered FIRST
 * on. */
static int
report(PyToffee_Witness *self, PyObject *func, PyObject *args, Py_ssize_t first, PyObject *kwargs)
{
    PyObject *name = PyObject_GetAttrString(func, "__name__");
    const char *text = name != NULL ? PyUnicode_AsUTF8(name) : NULL;
    int rc = text != NULL ? 0 : -1;
    PyObject *key = NULL;   /* borrowed */
    PyObject *value = NULL; /* borrowed */
    Py_ssize_t position = 0;

    for (Py_ssize_t i = first; rc == 0 && i < PyTuple_GET_SIZE(args); i++) {
        rc = report_in(self->tracer, PyTuple_GET_ITEM(args, i), text, 0);
    }
    while (rc == 0 && kwargs != NULL && PyDict_Next(kwargs, &position, &key, &value)) {
        Py_INCREF(value); /* a report runs Python code */
        rc = report_in(self->tracer, value, text, 0);
        Py_DECREF(value);
    }
    Py_XDECREF(name);
    return rc;
}

/* Whether OBJECT, a tensor or nested lists of them, holds one that comes from the trace: 1, 0, or
 * -1 with an exception set. */
static int
holds_traced(PyToffee_Tracer *tracer, PyObject *object, int depth)
{
    if (PyToffee_IsTensor(&tracer->state->trace->types, object)) {
        return PyToffee_Bindings_IsTraced(tracer->bindings, object);
    }
    if (depth < MAX_NESTING && (PyList_Check(object) || PyTuple_Check(object))) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); i++) {
            int traced = holds_traced(tracer, PySequence_Fast_GET_ITEM(object, i), depth + 1);

            if (traced != 0) {
                return traced;
            }
        }
    }
    return 0;
}

/* Calls FUNC, which is watched, or what it was watched WITH (borrowed). */
static PyObject *
call_watched(PyToffee_Witness *self, PyObject *func, PyObject *with, PyObject *args,
             PyObject *kwargs)
{
    Py_ssize_t first = 0;

    if (PyLong_Check(with)) {
        first = PyLong_AsSsize_t(with);
        if (first < 0) {
            return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "watch: %R", with);
        }
    }
    else {
        int traced = holds_traced(self->tracer, args, 0);
        PyObject *result = traced > 0 ? PyObject_Call(with, args, kwargs) : NULL;

        if (traced < 0 || (traced > 0 && result != Py_NotImplemented)) {
            return result;
        }
        Py_XDECREF(result);
    }
    return report(self, func, args, first, kwargs) == 0 ? PyObject_Call(func, args, kwargs) : NULL;
}

/* The same as a step of the journal where the table has a function: which of the two runs depends
 * on what is recorded. */
static PyObject *
call_step(PyToffee_Witness *self, PyObject *func, PyObject *with, PyObject *args, PyObject *kwargs)
{
    bool is_step = !PyLong_Check(with);
    PyObject *result = NULL;

    if (is_step && PyToffee_Twin_BeginStep(self->tracer, func) < 0) {
        return NULL;
    }
    result = call_watched(self, func, with, args, kwargs);
    if (is_step) {
        PyToffee_Twin_EndStep(self->tracer);
    }
    return result;
}

static PyObject *
witness_torch_function(PyObject *op, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    PyToffee_Witness *self = (PyToffee_Witness *)op;
    PyObject *call_args = n_args > 2 ? args[2] : NULL;
    PyObject *call_kwargs = n_args > 3 && args[3] != Py_None ? args[3] : NULL;
    PyObject *with = NULL; /* borrowed from a dict that nobody changes */

    if (n_args < 3 || !PyTuple_Check(call_args) || kwnames != NULL ||
        (call_kwargs != NULL && !PyDict_Check(call_kwargs))) {
        PyErr_SetString(PyExc_TypeError, "__torch_function__(func, types, args, kwargs)");
        return NULL;
    }
    if (self->tracer != NULL && self->tracer->graph != NULL) {
        with = PyDict_GetItemWithError(self->watched, args[0]);
        if (with != NULL) {
            return call_step(self, args[0], with, call_args, call_kwargs);
        }
        PyErr_Clear(); /* not hashable: none of ours */
    }
    return PyObject_Call(args[0], call_args, call_kwargs);
}

PyDoc_STRVAR(
    watch_doc,
    "watch($self, tracer, functions, /)\n--\n\n"
    "Watch the functions that are the keys of the dict FUNCTIONS. Where the value is a number,\n"
    "traced tensors among the arguments from that one on, and in lists there, are reported.\n"
    "Where it is a function and there is one in positional arguments, that is called instead; if\n"
    "it returns NotImplemented, it is as with 0.");

static PyObject *
witness_watch(PyObject *op, PyObject *args)
{
    PyToffee_Witness *self = (PyToffee_Witness *)op;
    PyToffee_State *state = PyToffee_TypeState(Py_TYPE(op));
    PyObject *tracer = NULL;
    PyObject *watched = NULL;

    if (state == NULL ||
        !PyArg_ParseTuple(args, "O!O!:watch", state->TracerType, &tracer, &PyDict_Type, &watched)) {
        return NULL;
    }
    Py_XSETREF(self->tracer, (PyToffee_Tracer *)Py_NewRef(tracer));
    Py_XSETREF(self->watched, Py_NewRef(watched));
    Py_RETURN_NONE;
}

static PyMethodDef witness_methods[] = {
    {"__torch_function__", (PyCFunction)(void (*)(void))witness_torch_function,
     METH_FASTCALL | METH_KEYWORDS, NULL},
    {"watch", witness_watch, METH_VARARGS, watch_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot witness_slots[] = {
    {Py_tp_doc, "Sees values that leave a trace; the C half of toffee._tracing.Witness."},
    {Py_tp_dealloc, witness_dealloc},
    {Py_tp_traverse, witness_traverse},
    {Py_tp_clear, witness_clear},
    {Py_tp_methods, witness_methods},
    {0, NULL},
};

static PyType_Spec witness_spec = {
    .name = "toffee._core.Witness",
    .basicsize = sizeof(PyToffee_Witness),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = witness_slots,
};

int
PyToffee_Witness_Init(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &witness_spec, NULL);
    int rc = type != NULL ? PyModule_AddType(module, (PyTypeObject *)type) : -1;

    Py_XDECREF(type);
    return rc;
}
