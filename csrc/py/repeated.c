/* csrc/py/repeated.c */
#include "py/repeated.h"

#include <structmember.h>
#include <string.h>

#include "bridge/pyerr.h"

static Py_ssize_t
repeated_length(PyObject *self)
{
    PyToffee_Repeated *list = (PyToffee_Repeated *)self;

    if (list->kind->view != NULL) {
        return (Py_ssize_t)*list->kind->view(list).n;
    }
    return (Py_ssize_t)list->kind->count(list);
}

/* INDEX is in range. */
static PyObject *
repeated_get(PyToffee_Repeated *self, Py_ssize_t index)
{
    PyToffee_VecView view = {0};
    const char *data = NULL;

    if (self->kind->view == NULL) {
        return self->kind->get(self, (size_t)index);
    }
    view = self->kind->view(self);
    memcpy(&data, view.slot, sizeof(data));
    return self->kind->wrap(self, data + (size_t)index * self->kind->item_size);
}

static PyObject *
repeated_item(PyObject *self, Py_ssize_t index)
{
    if (index < 0 || index >= repeated_length(self)) {
        PyErr_Format(PyExc_IndexError, "%s index out of range",
                     ((PyToffee_Repeated *)self)->kind->name);
        return NULL;
    }
    return repeated_get((PyToffee_Repeated *)self, index);
}

static int
vector_commit(PyToffee_Repeated *self, const PyToffee_Splice *splice)
{
    PyToffee_VecView view = self->kind->view(self);
    size_t size = self->kind->item_size;
    size_t kept = *view.n - splice->n_removed;
    size_t n_tail = kept - splice->at;
    char *data = NULL;

    if (splice->n_items > SIZE_MAX - kept ||
        !toffee_vec_reserve(view.arena, view.slot, *view.n, view.capacity, kept + splice->n_items,
                            size)) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(&data, view.slot, sizeof(data));
    if (n_tail != 0) {
        memmove(data + (splice->at + splice->n_items) * size,
                data + (splice->at + splice->n_removed) * size, n_tail * size);
    }
    if (splice->n_items != 0) {
        memcpy(data + splice->at * size, splice->items, splice->n_items * size);
    }
    *view.n = kept + splice->n_items;
    return 0;
}

/* Puts the elements of ITEMS (any iterable; NULL: none) in place of N_REMOVED from AT on. */
static int
repeated_splice(PyToffee_Repeated *self, Py_ssize_t at, Py_ssize_t n_removed, PyObject *items)
{
    const PyToffee_RepeatedKind *kind = self->kind;
    PyToffee_Splice splice = {.at = (size_t)at, .n_removed = (size_t)n_removed};
    Py_ssize_t n_before = repeated_length((PyObject *)self);
    PyObject *tuple = items != NULL ? PySequence_Tuple(items) : PyTuple_New(0);
    char *buffer = NULL;
    int rc = -1;

    if (tuple == NULL) {
        return -1;
    }
    if (kind->convert == NULL) {
        PyErr_Format(PyExc_TypeError, "%s cannot be changed", kind->name);
        goto done;
    }
    splice.n_items = (size_t)PyTuple_GET_SIZE(tuple);
    buffer = PyMem_Calloc(splice.n_items != 0 ? splice.n_items : 1, kind->item_size);
    if (buffer == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    splice.items = buffer;
    if (PyToffee_Graph_BeginEdit(self->root) < 0) { /* before conversion: that fills the arena */
        goto done;
    }
    for (size_t i = 0; i < splice.n_items; i++) {
        if (kind->convert(self, PyTuple_GET_ITEM(tuple, (Py_ssize_t)i),
                          buffer + i * kind->item_size) < 0) {
            goto done;
        }
    }
    if (repeated_length((PyObject *)self) != n_before) {
        PyErr_Format(PyExc_RuntimeError, "%s changed while it was being edited", kind->name);
        goto done;
    }
    if (PyToffee_Graph_BeginEdit(self->root) < 0) { /* again: conversion may have run Python code */
        goto done;
    }
    rc = kind->commit != NULL ? kind->commit(self, &splice) : vector_commit(self, &splice);
done:
    PyMem_Free(buffer);
    Py_DECREF(tuple);
    return rc;
}

static int
repeated_splice_one(PyToffee_Repeated *self, Py_ssize_t at, Py_ssize_t n_removed, PyObject *item)
{
    PyObject *tuple = PyTuple_Pack(1, item);
    int rc = tuple != NULL ? repeated_splice(self, at, n_removed, tuple) : -1;

    Py_XDECREF(tuple);
    return rc;
}

static PyObject *
repeated_subscript(PyObject *self, PyObject *key)
{
    Py_ssize_t start = 0;
    Py_ssize_t stop = 0;
    Py_ssize_t step = 0;
    Py_ssize_t n = 0;
    PyObject *list = NULL;

    if (!PySlice_Check(key)) {
        Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);

        if (index == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return repeated_item(self, index < 0 ? index + repeated_length(self) : index);
    }
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return NULL;
    }
    n = PySlice_AdjustIndices(repeated_length(self), &start, &stop, step);
    list = PyList_New(n);
    for (Py_ssize_t i = 0; list != NULL && i < n; i++) {
        PyObject *item = repeated_item(self, start + i * step);

        if (item == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return list;
}

/* del list[a:b:step] and list[a:b:step] = items, for a step that is not 1: the new content of the
 * whole list is put together first, so that it happens at once or not at all. */
static int
repeated_assign_stepped(PyToffee_Repeated *self, PyObject *slice, PyObject *items)
{
    PyObject *whole = PySequence_List((PyObject *)self);
    int rc = -1;

    if (whole == NULL) {
        return -1;
    }
    rc = items != NULL ? PyObject_SetItem(whole, slice, items) : PyObject_DelItem(whole, slice);
    if (rc == 0) {
        rc = repeated_splice(self, 0, repeated_length((PyObject *)self), whole);
    }
    Py_DECREF(whole);
    return rc;
}

/* ITEM NULL: delete. */
static int
repeated_assign(PyObject *self, PyObject *key, PyObject *item)
{
    PyToffee_Repeated *list = (PyToffee_Repeated *)self;
    Py_ssize_t start = 0;
    Py_ssize_t stop = 0;
    Py_ssize_t step = 0;
    Py_ssize_t n = 0;

    if (!PySlice_Check(key)) {
        Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);

        if (index == -1 && PyErr_Occurred()) {
            return -1;
        }
        index += index < 0 ? repeated_length(self) : 0;
        if (index < 0 || index >= repeated_length(self)) {
            PyErr_Format(PyExc_IndexError, "%s index out of range", list->kind->name);
            return -1;
        }
        return item != NULL ? repeated_splice_one(list, index, 1, item)
                            : repeated_splice(list, index, 1, NULL);
    }
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return -1;
    }
    if (step != 1) {
        return repeated_assign_stepped(list, key, item);
    }
    n = PySlice_AdjustIndices(repeated_length(self), &start, &stop, step);
    return repeated_splice(list, start, n, item);
}

/* As list.index: the first position that equals ITEM, or -1 without an exception, or -2 with. */
static Py_ssize_t
repeated_find(PyObject *self, PyObject *item)
{
    for (Py_ssize_t i = 0; i < repeated_length(self); i++) {
        PyObject *mine = repeated_item(self, i);
        int same = mine != NULL ? PyObject_RichCompareBool(mine, item, Py_EQ) : -1;

        Py_XDECREF(mine);
        if (same != 0) {
            return same > 0 ? i : -2;
        }
    }
    return -1;
}

static int
repeated_contains(PyObject *self, PyObject *item)
{
    Py_ssize_t at = repeated_find(self, item);

    return at == -2 ? -1 : at >= 0;
}

static PyObject *
repeated_append(PyObject *self, PyObject *item)
{
    if (repeated_splice_one((PyToffee_Repeated *)self, repeated_length(self), 0, item) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
repeated_extend(PyObject *self, PyObject *items)
{
    if (repeated_splice((PyToffee_Repeated *)self, repeated_length(self), 0, items) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
repeated_inplace_concat(PyObject *self, PyObject *items)
{
    if (repeated_splice((PyToffee_Repeated *)self, repeated_length(self), 0, items) < 0) {
        return NULL;
    }
    return Py_NewRef(self);
}

static PyObject *
repeated_insert(PyObject *self, PyObject *args)
{
    Py_ssize_t index = 0;
    Py_ssize_t n = 0;
    PyObject *item = NULL;

    if (!PyArg_ParseTuple(args, "nO:insert", &index, &item)) {
        return NULL;
    }
    n = repeated_length(self);
    index += index < 0 ? n : 0;
    index = index < 0 ? 0 : index > n ? n : index;
    if (repeated_splice_one((PyToffee_Repeated *)self, index, 0, item) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
repeated_pop(PyObject *self, PyObject *args)
{
    Py_ssize_t index = -1;
    PyObject *item = NULL;

    if (!PyArg_ParseTuple(args, "|n:pop", &index)) {
        return NULL;
    }
    index += index < 0 ? repeated_length(self) : 0;
    item = repeated_item(self, index);
    if (item == NULL) {
        return NULL;
    }
    if (repeated_splice((PyToffee_Repeated *)self, index, 1, NULL) < 0) {
        Py_DECREF(item);
        return NULL;
    }
    if (((PyToffee_Repeated *)self)->kind->popped != NULL) {
        ((PyToffee_Repeated *)self)->kind->popped(item);
    }
    return item;
}

static PyObject *
repeated_remove(PyObject *self, PyObject *item)
{
    Py_ssize_t at = repeated_find(self, item);

    if (at == -1) {
        PyErr_Format(PyExc_ValueError, "%R is not in %s", item,
                     ((PyToffee_Repeated *)self)->kind->name);
    }
    if (at < 0 || repeated_splice((PyToffee_Repeated *)self, at, 1, NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
repeated_index(PyObject *self, PyObject *item)
{
    Py_ssize_t at = repeated_find(self, item);

    if (at == -1) {
        PyErr_Format(PyExc_ValueError, "%R is not in %s", item,
                     ((PyToffee_Repeated *)self)->kind->name);
    }
    return at >= 0 ? PyLong_FromSsize_t(at) : NULL;
}

static PyObject *
repeated_count(PyObject *self, PyObject *item)
{
    Py_ssize_t found = 0;

    for (Py_ssize_t i = 0; i < repeated_length(self); i++) {
        PyObject *mine = repeated_item(self, i);
        int same = mine != NULL ? PyObject_RichCompareBool(mine, item, Py_EQ) : -1;

        Py_XDECREF(mine);
        if (same < 0) {
            return NULL;
        }
        found += same;
    }
    return PyLong_FromSsize_t(found);
}

static PyObject *
repeated_clear(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (repeated_splice((PyToffee_Repeated *)self, 0, repeated_length(self), NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
repeated_reverse(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *whole = PySequence_List(self);
    int rc = -1;

    if (whole != NULL && PyList_Reverse(whole) == 0) {
        rc = repeated_splice((PyToffee_Repeated *)self, 0, repeated_length(self), whole);
    }
    Py_XDECREF(whole);
    if (rc < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
repeated_add(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyToffee_Repeated *list = (PyToffee_Repeated *)self;
    PyObject *type = NULL; /* borrowed from the state */
    PyObject *item = NULL;
    PyObject *added = NULL;
    Py_ssize_t n = 0;

    if (list->kind->element_type == 0) {
        PyErr_Format(PyExc_TypeError, "%s holds plain values: use append", list->kind->name);
        return NULL;
    }
    memcpy(&type, (const char *)PyToffee_StateOf(self) + list->kind->element_type, sizeof(type));
    item = PyObject_Call(type, args, kwargs);
    if (item == NULL) {
        return NULL;
    }
    n = repeated_length(self);
    if (repeated_splice_one(list, n, 0, item) == 0) {
        /* A list that is no vector has an order of its own: look for the new element there. */
        n = list->kind->view != NULL ? n : repeated_find(self, item);
        added = n != -2 ? repeated_item(self, n) : NULL;
    }
    Py_DECREF(item);
    return added;
}

static PyObject *
repeated_richcompare(PyObject *self, PyObject *other, int op)
{
    PyObject *mine = NULL;
    PyObject *theirs = NULL;
    PyObject *result = NULL;

    if ((op != Py_EQ && op != Py_NE) ||
        !(PyList_Check(other) || PyTuple_Check(other) || Py_TYPE(other) == Py_TYPE(self))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    mine = PySequence_List(self);
    theirs = PySequence_List(other);
    if (mine != NULL && theirs != NULL) {
        result = PyObject_RichCompare(mine, theirs, op);
    }
    Py_XDECREF(mine);
    Py_XDECREF(theirs);
    return result;
}

static PyObject *
repeated_repr(PyObject *self)
{
    PyObject *list = PySequence_List(self);
    PyObject *text = list != NULL ? PyObject_Repr(list) : NULL;

    Py_XDECREF(list);
    return text;
}

static PyObject *
repeated_copy(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PySequence_List(self);
}

static int
repeated_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((PyToffee_Repeated *)self)->holder);
    return PyToffee_Part_Traverse(self, visit, arg);
}

static void
repeated_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(((PyToffee_Repeated *)self)->holder);
    PyToffee_Part_Dealloc(self);
}

static PyMethodDef repeated_methods[] = {
    {"add", (PyCFunction)(void (*)(void))repeated_add, METH_VARARGS | METH_KEYWORDS,
     "add($self, /, **fields)\n--\n\nAppends a new element with these fields and returns it."},
    {"append", repeated_append, METH_O, "append($self, item, /)\n--\n\nAppends a copy of item."},
    {"clear", repeated_clear, METH_NOARGS, "clear($self, /)\n--\n\nRemoves every element."},
    {"copy", repeated_copy, METH_NOARGS, "copy($self, /)\n--\n\nThe elements as a list."},
    {"count", repeated_count, METH_O, "count($self, item, /)\n--\n\nHow many elements equal item."},
    {"extend", repeated_extend, METH_O,
     "extend($self, items, /)\n--\n\nAppends copies of all items, or of none if one does not fit."},
    {"index", repeated_index, METH_O,
     "index($self, item, /)\n--\n\nPosition of the first that equals item."},
    {"insert", repeated_insert, METH_VARARGS,
     "insert($self, index, item, /)\n--\n\nPuts a copy of item before index."},
    {"pop", repeated_pop, METH_VARARGS,
     "pop($self, index=-1, /)\n--\n\nRemoves an element and returns it; it stays readable."},
    {"remove", repeated_remove, METH_O,
     "remove($self, item, /)\n--\n\nRemoves the first element that equals item."},
    {"reverse", repeated_reverse, METH_NOARGS, "reverse($self, /)\n--\n\nReverses the order."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot repeated_slots[] = {
    {Py_tp_doc, "A list inside a graph. Behaves as a list whose elements are copied in."},
    {Py_tp_dealloc, repeated_dealloc},
    {Py_tp_traverse, repeated_traverse},
    {Py_tp_methods, repeated_methods},
    {Py_tp_repr, repeated_repr},
    {Py_tp_richcompare, repeated_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_iter, PySeqIter_New},
    {Py_sq_length, repeated_length},
    {Py_sq_item, repeated_item},
    {Py_sq_contains, repeated_contains},
    {Py_sq_inplace_concat, repeated_inplace_concat},
    {Py_mp_length, repeated_length},
    {Py_mp_subscript, repeated_subscript},
    {Py_mp_ass_subscript, repeated_assign},
    {0, NULL},
};

static PyType_Spec repeated_spec = {
    .name = "toffee.Repeated",
    .basicsize = sizeof(PyToffee_Repeated),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = repeated_slots,
};

int
PyToffee_Repeated_Exec(PyObject *module)
{
    return PyToffee_AddType(module, &repeated_spec, &PyToffee_ModuleState(module)->RepeatedType);
}

PyObject *
PyToffee_Repeated_Get(PyObject *holder, void *kind)
{
    PyToffee_State *state = PyToffee_StateOf(holder);
    PyToffee_Repeated *self =
        (PyToffee_Repeated *)PyToffee_Part_New(state->RepeatedType, PyToffee_RootOf(holder));

    if (self != NULL) {
        self->holder = Py_NewRef(holder);
        self->kind = kind;
    }
    return (PyObject *)self;
}

int
PyToffee_Repeated_Set(PyObject *holder, PyObject *value, void *kind)
{
    PyToffee_Repeated *self = NULL;
    int rc = -1;

    if (PyToffee_CheckSet(value, ((const PyToffee_RepeatedKind *)kind)->name) < 0) {
        return -1;
    }
    if (PyUnicode_Check(value) || PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be a sequence of elements, not %s",
                     ((const PyToffee_RepeatedKind *)kind)->name, Py_TYPE(value)->tp_name);
        return -1;
    }
    self = (PyToffee_Repeated *)PyToffee_Repeated_Get(holder, kind);
    if (self != NULL) {
        rc = repeated_splice(self, 0, repeated_length((PyObject *)self), value);
        Py_DECREF(self);
    }
    return rc;
}
