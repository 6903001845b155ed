/* csrc/bridge/pyerr.c */
#include "bridge/pyerr.h"

#include <string.h>

/* What IPython and Jupyter ask an exception for; toffee._display knows it. */
static PyObject *
error_ask(PyObject *self, const char *function)
{
    PyObject *home = PyImport_ImportModule("toffee._display");
    PyObject *made = home != NULL ? PyObject_CallMethod(home, function, "O", self) : NULL;

    Py_XDECREF(home);
    return made;
}

static PyObject *
error_render_traceback(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return error_ask(self, "traceback_lines");
}

static PyObject *
error_repr_html(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return error_ask(self, "error_page");
}

static PyMethodDef error_methods[] = {
    {"_render_traceback_", error_render_traceback, METH_NOARGS,
     "_render_traceback_($self, /)\n--\n\nThe lines that IPython prints of the error."},
    {"_repr_html_", error_repr_html, METH_NOARGS,
     "_repr_html_($self, /)\n--\n\nThe error and the user's lines that it is about, as HTML."},
};

/* Gives the class ERROR what shows the user's source: `places`, empty until an error has some, and
 * the methods above. 0, or -1 with an exception set. */
static int
error_show_places(PyObject *error)
{
    PyObject *none = PyTuple_New(0);
    int rc = none != NULL ? PyObject_SetAttrString(error, "places", none) : -1;

    Py_XDECREF(none);
    for (size_t i = 0; rc == 0 && i < TOFFEE_COUNTOF(error_methods); i++) {
        PyObject *method = PyDescr_NewMethod((PyTypeObject *)error, &error_methods[i]);

        rc = method != NULL ? PyObject_SetAttrString(error, error_methods[i].ml_name, method) : -1;
        Py_XDECREF(method);
    }
    return rc;
}

int
PyToffee_Err_Init(PyObject *module)
{
    PyToffee_State *state = PyToffee_ModuleState(module);
    const struct {
        PyObject **slot;
        const char *name;
        PyObject *base;
        PyObject *second_base;
        const char *doc;
    } rows[] = {
        {&state->Error, "toffee.Error", PyExc_Exception, NULL,
         "Base class of everything that toffee raises on its own account."},
        {&state->UnsupportedOperatorError, "toffee.UnsupportedOperatorError", NULL, NULL,
         "The model calls operators that have no lowering. Lists each with its count and the lines "
         "of the model that call it. What to do: other operators, or fallback='aten'."},
        {&state->TraceError, "toffee.TraceError", NULL, NULL,
         "What forward() did cannot be put into a graph, or depends on data with strict=True."},
        {&state->FormatError, "toffee.FormatError", NULL, PyExc_ValueError,
         "The bytes are not a graph, or are cut short. `offset` is the byte, or None."},
        {&state->CheckError, "toffee.CheckError", NULL, PyExc_ValueError,
         "A graph breaks a rule of its format or of an operator. Says which node."},
        {&state->LimitError, "toffee.LimitError", NULL, NULL,
         "Something is larger than what the file format can hold."},
    };

    for (size_t i = 0; i < TOFFEE_COUNTOF(rows); i++) {
        PyObject *base = rows[i].base != NULL ? rows[i].base : state->Error;
        PyObject *bases = rows[i].second_base != NULL ? PyTuple_Pack(2, base, rows[i].second_base)
                                                      : PyTuple_Pack(1, base);

        if (bases == NULL) {
            return -1;
        }
        *rows[i].slot = PyErr_NewExceptionWithDoc(rows[i].name, rows[i].doc, bases, NULL);
        Py_DECREF(bases);
        if (*rows[i].slot == NULL ||
            PyModule_AddObjectRef(module, rows[i].name + sizeof("toffee.") - 1, *rows[i].slot) <
                0) {
            return -1;
        }
    }
    state->TraceWarning = PyErr_NewExceptionWithDoc(
        "toffee.TraceWarning",
        "A value that depends on an input left the trace: the graph has it as it was in this run.",
        PyExc_UserWarning, NULL);
    if (state->TraceWarning == NULL || error_show_places(state->Error) < 0 ||
        error_show_places(state->TraceWarning) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "TraceWarning", state->TraceWarning);
}

/* The message as a str. It may quote a path or a name that is no UTF-8, or be cut in the middle of
 * a character: what cannot be read is replaced. */
static PyObject *
message_text(const toffee_status *st)
{
    return PyUnicode_DecodeUTF8(st->message, (Py_ssize_t)strlen(st->message), "replace");
}

static PyObject *
set_text(PyObject *type, const toffee_status *st)
{
    PyObject *text = message_text(st);

    if (text != NULL) {
        PyErr_SetObject(type, text);
        Py_DECREF(text);
    }
    return NULL;
}

static PyObject *
set_format_error(PyToffee_State *state, const toffee_status *st)
{
    PyObject *text = message_text(st);
    PyObject *error = text != NULL ? PyObject_CallOneArg(state->FormatError, text) : NULL;
    PyObject *offset = NULL;

    if (error == NULL) {
        goto done;
    }
    offset = st->offset >= 0 ? PyLong_FromLongLong(st->offset) : Py_NewRef(Py_None);
    if (offset != NULL && PyObject_SetAttrString(error, "offset", offset) == 0) {
        PyErr_SetObject(state->FormatError, error);
    }
done:
    Py_XDECREF(offset);
    Py_XDECREF(error);
    Py_XDECREF(text);
    return NULL;
}

static PyObject *
set_os_error(const toffee_status *st)
{
    /* OSError(errno, text) picks the subclass: FileNotFoundError, PermissionError, … */
    PyObject *text = message_text(st);
    PyObject *args = text != NULL ? Py_BuildValue("(iO)", st->sys_errno, text) : NULL;

    if (args != NULL) {
        PyErr_SetObject(PyExc_OSError, args);
        Py_DECREF(args);
    }
    Py_XDECREF(text);
    return NULL;
}

PyObject *
PyToffee_Err_Set(PyToffee_State *state, const toffee_status *st)
{
    switch (st->code) {
    case TOFFEE_ERR_NOMEM: return PyErr_NoMemory();
    case TOFFEE_ERR_IO: return set_os_error(st);
    case TOFFEE_ERR_FORMAT: return set_format_error(state, st);
    case TOFFEE_ERR_CHECK: return set_text(state->CheckError, st);
    case TOFFEE_ERR_UNSUPPORTED: return set_text(state->UnsupportedOperatorError, st);
    case TOFFEE_ERR_TRACE: return set_text(state->TraceError, st);
    case TOFFEE_ERR_VALUE: return set_text(PyExc_ValueError, st);
    case TOFFEE_ERR_LIMIT: return set_text(state->LimitError, st);
    case TOFFEE_ERR_PYTHON:
        if (PyErr_Occurred()) {
            return NULL;
        }
        break;
    case TOFFEE_OK:
    case TOFFEE_DECLINED: break;
    }
    PyErr_Format(PyExc_SystemError, "toffee: no exception for status %d: %s", (int)st->code,
                 st->message);
    return NULL;
}

int
PyToffee_Err_Fail(PyToffee_State *state, const toffee_status *st)
{
    PyToffee_Err_Set(state, st);
    return -1;
}

int
PyToffee_Err_NoMemory(void)
{
    PyErr_NoMemory();
    return -1;
}
