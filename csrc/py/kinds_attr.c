/* csrc/py/kinds_attr.c -- attributes of a node, the arrays inside them, and dims of a tensor. */
#include "py/repeated.h"

#include <string.h>

static PyToffee_Attr *
holder_attr(const PyToffee_Repeated *self)
{
    return (PyToffee_Attr *)self->holder;
}

/* --- node.attribute: sorted by name, each name once ------------------------------------------- */

static size_t
count_attrs(PyToffee_Repeated *self)
{
    return ((PyToffee_Node *)self->holder)->node->attrs.n;
}

static PyObject *
get_attr(PyToffee_Repeated *self, size_t index)
{
    toffee_node *node = ((PyToffee_Node *)self->holder)->node;

    return PyToffee_Attr_Wrap(PyToffee_StateOf((PyObject *)self), self->root, node,
                              &node->attrs.data[index]);
}

static int
convert_attr(PyToffee_Repeated *self, PyObject *object, void *out)
{
    toffee_attr attr = {0};

    if (PyToffee_TakeAttr(self->root, ((PyToffee_Node *)self->holder)->node->graph, object, &attr) <
        0) {
        return -1;
    }
    if (attr.name == NULL || attr.name->length == 0) {
        PyErr_SetString(PyExc_ValueError, "an attribute needs a name before it can join a node");
        return -1;
    }
    memcpy(out, &attr, sizeof(attr));
    return 0;
}

static bool
attr_taken(const toffee_node *node, const PyToffee_Splice *splice, size_t index)
{
    const toffee_attr *items = splice->items;

    for (size_t i = 0; i < index; i++) {
        if (strcmp(items[i].name->text, items[index].name->text) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        if ((i < splice->at || i >= splice->at + splice->n_removed) &&
            strcmp(node->attrs.data[i].name->text, items[index].name->text) == 0) {
            return true;
        }
    }
    return false;
}

static int
commit_attrs(PyToffee_Repeated *self, const PyToffee_Splice *splice)
{
    toffee_node *node = ((PyToffee_Node *)self->holder)->node;
    const toffee_attr *items = splice->items;

    for (size_t i = 0; i < splice->n_items; i++) {
        if (attr_taken(node, splice, i)) {
            PyErr_Format(PyExc_ValueError,
                         "the node already has an attribute '%s': change that one, or remove it "
                         "first",
                         items[i].name->text);
            return -1;
        }
    }
    if (!toffee_vec_reserve(node->graph->arena, (void **)&node->attrs.data, node->attrs.n,
                            &node->attrs.capacity, node->attrs.n + splice->n_items,
                            sizeof(*items))) {
        PyErr_NoMemory();
        return -1;
    }
    if (splice->n_removed != 0) {
        TOFFEE_VEC_ERASE(&node->attrs, splice->at, splice->n_removed);
    }
    for (size_t i = 0; i < splice->n_items; i++) {
        /* Cannot fail: there is room. */
        if (toffee_node_set_attr(node, &items[i], NULL) != TOFFEE_OK) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

/* Found no more under its name, it is on its own from now on, also if another takes the name. */
static void
attr_popped(PyObject *item)
{
    (void)PyToffee_Attr_Get((PyToffee_Attr *)item);
}

/* --- arrays of an attribute ------------------------------------------------------------------- */

/* The array of the kind's type with SPLICE applied, in the arena, or NULL with MemoryError. *N is
 * its length. An attribute of another type counts as an empty array. */
static void *
array_splice(PyToffee_Repeated *self, const toffee_attr *attr, const void *old,
             toffee_attr_type type, const PyToffee_Splice *splice, size_t *n)
{
    size_t size = self->kind->item_size;
    size_t n_old = attr->type == type ? attr->n : 0;
    size_t n_tail = n_old - splice->at - splice->n_removed;
    char *array = NULL;

    *n = n_old - splice->n_removed + splice->n_items;
    array = toffee_arena_calloc(holder_attr(self)->graph->arena, *n, size);
    if (array == NULL) {
        return PyErr_NoMemory();
    }
    if (splice->at != 0) {
        memcpy(array, old, splice->at * size);
    }
    if (splice->n_items != 0) {
        memcpy(array + splice->at * size, splice->items, splice->n_items * size);
    }
    if (n_tail != 0) {
        memcpy(array + (splice->at + splice->n_items) * size,
               (const char *)old + (splice->at + splice->n_removed) * size, n_tail * size);
    }
    return array;
}

/* count and commit for one array member of toffee_attr. */
#define ATTR_ARRAY(member, attr_type)                                                              \
    static size_t count_##member(PyToffee_Repeated *self)                                          \
    {                                                                                              \
        const toffee_attr *attr = PyToffee_Attr_Get(holder_attr(self));                            \
                                                                                                   \
        return attr->type == (attr_type) ? attr->n : 0;                                            \
    }                                                                                              \
    static int commit_##member(PyToffee_Repeated *self, const PyToffee_Splice *splice)             \
    {                                                                                              \
        toffee_attr *attr = PyToffee_Attr_Get(holder_attr(self));                                  \
        size_t n = 0;                                                                              \
        void *array = array_splice(self, attr, attr->member, (attr_type), splice, &n);             \
                                                                                                   \
        if (array == NULL) {                                                                       \
            return -1;                                                                             \
        }                                                                                          \
        attr->type = (attr_type);                                                                  \
        attr->ref = NULL;                                                                          \
        attr->member = array;                                                                      \
        attr->n = n;                                                                               \
        return 0;                                                                                  \
    }

ATTR_ARRAY(floats, TOFFEE_ATTR_FLOATS)
ATTR_ARRAY(ints, TOFFEE_ATTR_INTS)
ATTR_ARRAY(strings, TOFFEE_ATTR_STRINGS)
ATTR_ARRAY(tensors, TOFFEE_ATTR_TENSORS)
ATTR_ARRAY(graphs, TOFFEE_ATTR_GRAPHS)

static PyObject *
get_float(PyToffee_Repeated *self, size_t index)
{
    return PyFloat_FromDouble((double)PyToffee_Attr_Get(holder_attr(self))->floats[index]);
}

static int
convert_float(PyToffee_Repeated *Py_UNUSED(self), PyObject *object, void *out)
{
    double value = PyFloat_AsDouble(object);
    float single = (float)value;

    if (value == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    memcpy(out, &single, sizeof(single));
    return 0;
}

static PyObject *
get_int(PyToffee_Repeated *self, size_t index)
{
    return PyLong_FromLongLong(PyToffee_Attr_Get(holder_attr(self))->ints[index]);
}

static int
convert_int(PyToffee_Repeated *self, PyObject *object, void *out)
{
    return PyToffee_Int_FromPython(object, out, self->kind->name);
}

static PyObject *
get_string(PyToffee_Repeated *self, size_t index)
{
    return PyToffee_Bytes_ToPython(&PyToffee_Attr_Get(holder_attr(self))->strings[index]);
}

static int
convert_string(PyToffee_Repeated *self, PyObject *object, void *out)
{
    return PyToffee_Bytes_FromPython(holder_attr(self)->graph, object, out, self->kind->name);
}

static PyObject *
get_tensor(PyToffee_Repeated *self, size_t index)
{
    return PyToffee_Tensor_Wrap(PyToffee_StateOf((PyObject *)self), self->root,
                                holder_attr(self)->graph,
                                PyToffee_Attr_Get(holder_attr(self))->tensors[index]);
}

static int
convert_tensor(PyToffee_Repeated *self, PyObject *object, void *out)
{
    toffee_tensor *tensor = PyToffee_TakeTensor(self->root, holder_attr(self)->graph, object);

    memcpy(out, &tensor, sizeof(tensor));
    return tensor != NULL ? 0 : -1;
}

static PyObject *
get_graph(PyToffee_Repeated *self, size_t index)
{
    return PyToffee_Graph_Wrap(PyToffee_StateOf((PyObject *)self), self->root,
                               PyToffee_Attr_Get(holder_attr(self))->graphs[index]);
}

static int
convert_graph(PyToffee_Repeated *self, PyObject *object, void *out)
{
    toffee_graph *graph = PyToffee_TakeGraph(self->root, holder_attr(self)->graph, object);

    memcpy(out, &graph, sizeof(graph));
    return graph != NULL ? 0 : -1;
}

/* --- tensor.dims ------------------------------------------------------------------------------ */

static toffee_tensor *
holder_tensor(const PyToffee_Repeated *self)
{
    return ((PyToffee_Tensor *)self->holder)->tensor;
}

static size_t
count_dims(PyToffee_Repeated *self)
{
    return (size_t)holder_tensor(self)->rank;
}

static PyObject *
get_dim(PyToffee_Repeated *self, size_t index)
{
    return PyLong_FromLongLong(holder_tensor(self)->dims[index]);
}

/* A tensor's bytes always fit its dims, so dims may only be regrouped. */
static int
commit_dims(PyToffee_Repeated *self, const PyToffee_Splice *splice)
{
    toffee_tensor *tensor = holder_tensor(self);
    size_t rank = (size_t)tensor->rank - splice->n_removed + splice->n_items;
    size_t n_tail = (size_t)tensor->rank - splice->at - splice->n_removed;
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;
    int64_t *dims = NULL;

    if (rank > TOFFEE_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "a tensor has at most %d dimensions", TOFFEE_MAX_RANK);
        return -1;
    }
    dims =
        toffee_arena_calloc(((PyToffee_Tensor *)self->holder)->graph->arena, rank, sizeof(*dims));
    if (dims == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(dims, tensor->dims, splice->at * sizeof(*dims));
    if (splice->n_items != 0) {
        memcpy(dims + splice->at, splice->items, splice->n_items * sizeof(*dims));
    }
    memcpy(dims + splice->at + splice->n_items, tensor->dims + splice->at + splice->n_removed,
           n_tail * sizeof(*dims));
    if (!toffee_dtype_count(tensor->dtype, dims, (int32_t)rank, &n_elements, &n_bytes) ||
        n_elements != tensor->n_elements) {
        PyErr_Format(PyExc_ValueError,
                     "dims must keep the number of elements, %llu: make a new tensor with "
                     "toffee.numpy_helper.from_array instead",
                     (unsigned long long)tensor->n_elements);
        return -1;
    }
    tensor->dims = dims;
    tensor->rank = (int32_t)rank;
    return 0;
}

/* --- the kinds -------------------------------------------------------------------------------- */

const PyToffee_RepeatedKind PyToffee_Kind_NodeAttribute = {
    .name = "attribute",
    .item_size = sizeof(toffee_attr),
    .convert = convert_attr,
    .count = count_attrs,
    .get = get_attr,
    .commit = commit_attrs,
    .popped = attr_popped,
    .element_type = offsetof(PyToffee_State, AttributeType),
};

const PyToffee_RepeatedKind PyToffee_Kind_AttrFloats = {
    .name = "floats",
    .item_size = sizeof(float),
    .convert = convert_float,
    .count = count_floats,
    .get = get_float,
    .commit = commit_floats,
};

const PyToffee_RepeatedKind PyToffee_Kind_AttrInts = {
    .name = "ints",
    .item_size = sizeof(int64_t),
    .convert = convert_int,
    .count = count_ints,
    .get = get_int,
    .commit = commit_ints,
};

const PyToffee_RepeatedKind PyToffee_Kind_AttrStrings = {
    .name = "strings",
    .item_size = sizeof(toffee_bytes),
    .convert = convert_string,
    .count = count_strings,
    .get = get_string,
    .commit = commit_strings,
};

const PyToffee_RepeatedKind PyToffee_Kind_AttrTensors = {
    .name = "tensors",
    .item_size = sizeof(toffee_tensor *),
    .convert = convert_tensor,
    .count = count_tensors,
    .get = get_tensor,
    .commit = commit_tensors,
    .element_type = offsetof(PyToffee_State, TensorType),
};

const PyToffee_RepeatedKind PyToffee_Kind_AttrGraphs = {
    .name = "graphs",
    .item_size = sizeof(toffee_graph *),
    .convert = convert_graph,
    .count = count_graphs,
    .get = get_graph,
    .commit = commit_graphs,
    .element_type = offsetof(PyToffee_State, GraphType),
};

const PyToffee_RepeatedKind PyToffee_Kind_TensorDims = {
    .name = "dims",
    .item_size = sizeof(int64_t),
    .convert = convert_int,
    .count = count_dims,
    .get = get_dim,
    .commit = commit_dims,
};
