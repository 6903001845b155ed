/* csrc/trace/leak.c */
#include "trace/leak.h"

#include <string.h>

bool
PyToffee_Leak_DrawsRandom(const PyToffee_Arguments *arguments)
{
    const PyToffee_Overload *overload = arguments->overload;

    for (size_t i = 0; i < overload->n_parameters && overload->is_random; i++) {
        const char *name = overload->parameters[i].text;
        PyObject *object = arguments->objects[i]; /* borrowed */

        if (((strcmp(name, "train") == 0 || strcmp(name, "training") == 0) && object == Py_False) ||
            (strcmp(name, "dropout_p") == 0 && object != NULL && PyFloat_Check(object) &&
             PyFloat_AS_DOUBLE(object) == 0)) {
            return false;
        }
    }
    return overload->is_random;
}

int
PyToffee_Leak_Random(PyToffee_Tracer *self, const PyToffee_Arguments *arguments)
{
    PyObject *reported = NULL;

    if (!PyToffee_Leak_DrawsRandom(arguments)) {
        return 0;
    }
    reported = PyObject_CallFunction(self->hooks[PYTOFFEE_HOOK_LEAK], "ss",
                                     arguments->overload->full, "random numbers");
    Py_XDECREF(reported);
    return reported != NULL ? 0 : -1;
}

/* Reports WHAT made from operand INDEX leaves the trace at this call, if that depends on an input.
 */
static int
report_leak(PyToffee_Tracer *self, const PyToffee_Arguments *arguments, size_t index,
            const char *what)
{
    PyObject *tensor = arguments->tensors[index];
    int traced = PyToffee_Bindings_IsTraced(self->bindings, tensor);

    return traced <= 0 ? traced
                       : PyToffee_Tracer_ReportLeak(self, tensor, arguments->overload->full, what);
}

int
PyToffee_Leak_Number(PyToffee_Tracer *self, const PyToffee_Arguments *arguments)
{
    for (size_t i = 0; i < arguments->n_operands; i++) {
        if (report_leak(self, arguments, i, "a value") < 0) {
            return -1;
        }
    }
    return 0;
}

/* A tensor that cannot be looked at is no mask: the call itself will say what is wrong with it. */
static bool
is_mask(const PyToffee_Tracer *self, PyObject *tensor)
{
    PyToffee_TensorInfo info;

    if (PyToffee_TensorInfo_Get(&self->state->trace->api, tensor, &info) < 0) {
        PyErr_Clear();
        return false;
    }
    return info.dtype == TOFFEE_DTYPE_BOOL || info.dtype == TOFFEE_DTYPE_UINT8;
}

/* Operators with a shape that does not depend on the data of all their operands. */
static const struct {
    const char *op;
    const char *size; /* if this argument is given, it depends on none; or NULL */
    size_t first;     /* it depends on operands from this one on, or on the last one */
    bool by_mask;     /* and of those only on masks */
} sized_operators[] = {
    {"aten::_pad_packed_sequence", "total_length", 1, false},
    {"aten::index", NULL, 1, true},
    {"aten::masked_select", NULL, 1, false},
    {"aten::one_hot", "num_classes", 0, false},
    {"aten::repeat_interleave", "output_size", 1, false},
};

/* Whether the argument called NAME was given and is not -1, which stands for "look at the data". */
static bool
size_is_given(const PyToffee_Arguments *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->overload->n_parameters; i++) {
        PyObject *object = arguments->objects[i];

        if (strcmp(arguments->overload->parameters[i].text, name) == 0) {
            return object != NULL && PyLong_Check(object) && PyLong_AsLong(object) >= 0;
        }
    }
    return false;
}

int
PyToffee_Leak_Shape(PyToffee_Tracer *self, const PyToffee_Arguments *arguments)
{
    size_t first = 0;
    bool by_mask = false;

    for (size_t i = 0; i < TOFFEE_COUNTOF(sized_operators); i++) {
        if (strcmp(arguments->overload->op, sized_operators[i].op) == 0) {
            if (sized_operators[i].size != NULL &&
                size_is_given(arguments, sized_operators[i].size)) {
                return 0;
            }
            first = sized_operators[i].first;
            by_mask = sized_operators[i].by_mask;
        }
    }
    first = first < arguments->n_operands ? first : arguments->n_operands - 1;
    for (size_t i = first; i < arguments->n_operands; i++) {
        if ((!by_mask || is_mask(self, arguments->tensors[i])) &&
            report_leak(self, arguments, i, "a shape") < 0) {
            return -1;
        }
    }
    return 0;
}
