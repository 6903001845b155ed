/* csrc/py/part.c -- what all the types share: text, numbers, life and death of a view. */
#include "py/graph_type.h"

#include <string.h>

int
PyToffee_Part_Traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((PyToffee_Part *)self)->root);
    return 0;
}

void
PyToffee_Part_Dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    Py_CLEAR(((PyToffee_Part *)self)->root);
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject *
PyToffee_Part_New(PyTypeObject *type, PyToffee_Graph *root)
{
    PyToffee_Part *self = (PyToffee_Part *)type->tp_alloc(type, 0);

    if (self != NULL) {
        self->root = (PyToffee_Graph *)Py_NewRef((PyObject *)root);
    }
    return (PyObject *)self;
}

int
PyToffee_InitFromKeywords(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *key = NULL; /* borrowed, as is value */
    PyObject *value = NULL;
    Py_ssize_t pos = 0;

    if (PyTuple_GET_SIZE(args) != 0) {
        PyErr_Format(PyExc_TypeError, "%s() takes keyword arguments only: the names of its fields",
                     Py_TYPE(self)->tp_name);
        return -1;
    }
    while (kwargs != NULL && PyDict_Next(kwargs, &pos, &key, &value)) {
        if (PyObject_SetAttr(self, key, value) == 0) {
            continue;
        }
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Format(PyExc_TypeError, "%s has no field %R that can be set",
                         Py_TYPE(self)->tp_name, key);
        }
        return -1;
    }
    return 0;
}

int
PyToffee_AddType(PyObject *module, PyType_Spec *spec, PyTypeObject **slot)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *slot != NULL ? PyModule_AddType(module, *slot) : -1;
}

int
PyToffee_AddConstants(PyTypeObject *type, const PyToffee_Constant *rows)
{
    for (; rows->name != NULL; rows++) {
        PyObject *value = PyLong_FromLong(rows->value);
        int rc = value != NULL ? PyObject_SetAttrString((PyObject *)type, rows->name, value) : -1;

        Py_XDECREF(value);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
PyToffee_Str_ToPython(const toffee_str *s)
{
    return s != NULL ? PyUnicode_DecodeUTF8(s->text, (Py_ssize_t)s->length, "surrogateescape")
                     : PyUnicode_FromStringAndSize(NULL, 0);
}

bool
PyToffee_Str_Equal(const toffee_str *a, const toffee_str *b)
{
    size_t n = a != NULL ? a->length : 0;

    return n == (b != NULL ? b->length : 0) &&
           memcmp(toffee_str_text(a), toffee_str_text(b), n) == 0;
}

const toffee_str *
PyToffee_Str_FromPython(toffee_graph *graph, PyObject *object, const char *what)
{
    const toffee_str *s = NULL;
    PyObject *bytes = NULL;

    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %s", what, Py_TYPE(object)->tp_name);
        return NULL;
    }
    bytes = PyUnicode_AsEncodedString(object, "utf-8", "surrogateescape");
    if (bytes == NULL) {
        return NULL;
    }
    s = toffee_strpool_intern(graph->pool, PyBytes_AS_STRING(bytes),
                              (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    if (s == NULL) {
        PyErr_NoMemory();
    }
    return s;
}

int
PyToffee_Bytes_FromPython(toffee_graph *graph, PyObject *object, toffee_bytes *out,
                          const char *what)
{
    PyObject *encoded = NULL;
    Py_buffer view = {0};
    void *copy = NULL;

    if (PyUnicode_Check(object)) {
        encoded = PyUnicode_AsEncodedString(object, "utf-8", "surrogateescape");
        if (encoded == NULL) {
            return -1;
        }
        object = encoded;
    }
    if (!PyObject_CheckBuffer(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes or str, not %s", what,
                     Py_TYPE(object)->tp_name);
        goto done;
    }
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) {
        goto done;
    }
    copy = toffee_arena_copy(graph->arena, view.buf, (size_t)view.len);
    if (copy == NULL) {
        PyErr_NoMemory();
    }
    else {
        *out = (toffee_bytes){.data = copy, .n = (size_t)view.len};
    }
    PyBuffer_Release(&view);
done:
    Py_XDECREF(encoded);
    return copy != NULL ? 0 : -1;
}

PyObject *
PyToffee_Bytes_ToPython(const toffee_bytes *bytes)
{
    return PyBytes_FromStringAndSize(bytes->n != 0 ? (const char *)bytes->data : "",
                                     (Py_ssize_t)bytes->n);
}

int
PyToffee_Int_FromPython(PyObject *object, int64_t *out, const char *what)
{
    PyObject *index = PyNumber_Index(object);
    long long value = 0;

    if (index == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "%s must be an int, not %s", what,
                         Py_TYPE(object)->tp_name);
        }
        return -1;
    }
    value = PyLong_AsLongLong(index);
    Py_DECREF(index);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = value;
    return 0;
}

int
PyToffee_CheckSet(PyObject *value, const char *what)
{
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError, "%s cannot be deleted", what);
        return -1;
    }
    return 0;
}

toffee_value *
PyToffee_DeclareValue(toffee_graph *graph, const toffee_value *like)
{
    const toffee_str *name = like->name;
    const toffee_str *doc = like->doc;
    toffee_value *value = NULL;
    toffee_type type = {0};
    toffee_bytes extra = {0};

    if (name == NULL || name->length == 0) {
        PyErr_SetString(PyExc_ValueError, "a ValueInfo needs a name before it can join a graph");
        return NULL;
    }
    name = toffee_strpool_intern(graph->pool, name->text, name->length);
    if (name == NULL || toffee_graph_value(graph, name, &value, NULL) != TOFFEE_OK) {
        return (toffee_value *)PyErr_NoMemory();
    }
    if (value == like) {
        return value;
    }
    if (toffee_type_copy(&like->type, graph->arena, graph->pool, &type, NULL) != TOFFEE_OK) {
        return (toffee_value *)PyErr_NoMemory();
    }
    extra.n = like->extra.n;
    extra.data = toffee_arena_copy(graph->arena, like->extra.data, extra.n);
    if (extra.data == NULL) {
        return (toffee_value *)PyErr_NoMemory();
    }
    if (doc != NULL) {
        doc = toffee_strpool_intern(graph->pool, doc->text, doc->length);
        if (doc == NULL) {
            return (toffee_value *)PyErr_NoMemory();
        }
    }
    value->type = type;
    value->extra = extra;
    value->doc = doc;
    return value;
}
