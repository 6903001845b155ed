/* csrc/trace/bindmap.c -- a hash table with weak references to its keys. */
#include "trace/bindmap.h"

#include <string.h>

#include "base/alloc.h"
#include "bridge/pyerr.h"

#define FIRST_SLOTS 256

static PyToffee_BindSlot *
find_slot(PyToffee_BindSlot *slots, size_t n_slots, PyObject *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(hash >> 32) & (n_slots - 1);

    while (slots[i].key != NULL && slots[i].key != key) {
        i = (i + 1) & (n_slots - 1);
    }
    return &slots[i];
}

/* Whether the object that REF was made for is TENSOR, alive. */
static bool
weakref_is(PyObject *ref, PyObject *tensor)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *object = NULL;
    bool same = PyWeakref_GetRef(ref, &object) > 0 && object == tensor;

    Py_XDECREF(object);
    return same;
#else
    return PyWeakref_GetObject(ref) == tensor; /* borrowed */
#endif
}

bool
PyToffee_BindSlot_IsDead(const PyToffee_BindSlot *slot)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *object = NULL;
    bool dead = PyWeakref_GetRef(slot->binding.weakref, &object) <= 0;

    Py_XDECREF(object);
    return dead;
#else
    return PyWeakref_GetObject(slot->binding.weakref) == Py_None; /* borrowed */
#endif
}

static PyToffee_BindSlot *
new_slots(size_t n)
{
    PyToffee_BindSlot *slots = toffee_malloc(n * sizeof(*slots));

    if (slots == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memset(slots, 0, n * sizeof(*slots));
    return slots;
}

int
PyToffee_BindMap_Init(PyToffee_BindMap *map)
{
    *map = (PyToffee_BindMap){.slots = new_slots(FIRST_SLOTS), .n_slots = FIRST_SLOTS};
    return map->slots != NULL ? 0 : -1;
}

void
PyToffee_BindMap_Free(PyToffee_BindMap *map)
{
    for (size_t i = 0; i < map->n_slots; i++) {
        Py_XDECREF(map->slots[i].binding.weakref);
    }
    toffee_free(map->slots);
    *map = (PyToffee_BindMap){0};
}

int
PyToffee_BindMap_Traverse(const PyToffee_BindMap *map, visitproc visit, void *arg)
{
    for (size_t i = 0; i < map->n_slots; i++) {
        Py_VISIT(map->slots[i].binding.weakref);
    }
    return 0;
}

/* Doubles the table, leaving behind the bindings of tensors that have died. */
static int
grow(PyToffee_BindMap *map)
{
    PyToffee_BindMap larger = {.slots = new_slots(map->n_slots * 2), .n_slots = map->n_slots * 2};

    if (larger.slots == NULL) {
        return -1;
    }
    for (size_t i = 0; i < map->n_slots; i++) {
        PyToffee_BindSlot *old = &map->slots[i];

        if (old->key == NULL) {
            continue;
        }
        if (PyToffee_BindSlot_IsDead(old)) {
            Py_DECREF(old->binding.weakref);
            continue;
        }
        *find_slot(larger.slots, larger.n_slots, old->key) = *old;
        larger.n_used++;
    }
    toffee_free(map->slots);
    *map = larger;
    return 0;
}

PyToffee_Binding *
PyToffee_BindMap_Find(const PyToffee_BindMap *map, PyObject *tensor)
{
    PyToffee_BindSlot *slot = find_slot(map->slots, map->n_slots, tensor);

    return slot->key != NULL && weakref_is(slot->binding.weakref, tensor) ? &slot->binding : NULL;
}

int
PyToffee_BindMap_Bind(PyToffee_BindMap *map, PyObject *tensor, const PyToffee_Binding *binding)
{
    PyToffee_BindSlot *slot = NULL;
    PyObject *ref = NULL;

    if ((map->n_used + 1) * 2 > map->n_slots && grow(map) < 0) {
        return -1;
    }
    slot = find_slot(map->slots, map->n_slots, tensor);
    if (slot->key == NULL || !weakref_is(slot->binding.weakref, tensor)) {
        ref = PyWeakref_NewRef(tensor, NULL);
        if (ref == NULL) {
            return -1;
        }
        map->n_used += slot->key == NULL;
        slot->key = tensor;
        Py_XSETREF(slot->binding.weakref, ref);
    }
    ref = slot->binding.weakref;
    slot->binding = *binding;
    slot->binding.weakref = ref;
    return 0;
}
