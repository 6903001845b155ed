/* csrc/ops/known.c -- what a graph says about a value without running anything. */
#include "ops/known.h"

#include <string.h>

/* The value of the same name in the graph around VALUE's, where VALUE is taken from there; else
 * NULL. Graphs inside one another share their string pool, so equal names are one pointer. */
static const toffee_value *
known_outside(const toffee_value *value)
{
    const toffee_graph *graph = value->graph;

    if (value->producer != NULL || value->tensor != NULL || value->is_input || graph == NULL ||
        graph->parent == NULL || value->name == NULL) {
        return NULL;
    }
    return toffee_ptrmap_get(&graph->parent->values, value->name);
}

toffee_dtype
toffee_known_dtype(const toffee_value *value)
{
    for (; value != NULL; value = known_outside(value)) {
        if (value->type.dtype != TOFFEE_DTYPE_UNDEFINED) {
            return value->type.dtype;
        }
        if (value->tensor != NULL) {
            return value->tensor->dtype;
        }
    }
    return TOFFEE_DTYPE_UNDEFINED;
}

int32_t
toffee_known_rank(const toffee_value *value)
{
    for (; value != NULL; value = known_outside(value)) {
        if (value->tensor != NULL) {
            return value->tensor->rank;
        }
        if (value->type.dtype != TOFFEE_DTYPE_UNDEFINED && value->type.rank >= 0) {
            return value->type.rank;
        }
    }
    return -1;
}

int64_t
toffee_known_dim(const toffee_value *value, int32_t axis)
{
    for (; value != NULL; value = known_outside(value)) {
        if (value->tensor != NULL) {
            return axis >= 0 && axis < value->tensor->rank ? value->tensor->dims[axis] : -1;
        }
        if (value->type.dtype != TOFFEE_DTYPE_UNDEFINED && value->type.rank >= 0) {
            return axis >= 0 && axis < value->type.rank ? value->type.dims[axis].value : -1;
        }
    }
    return -1;
}

const void *
toffee_known_ints(const toffee_value *value, size_t *n)
{
    const toffee_tensor *tensor = NULL;
    const toffee_attr *attr = NULL;

    *n = 0;
    for (; value != NULL && tensor == NULL; value = known_outside(value)) {
        tensor = value->tensor;
        if (tensor == NULL && value->producer != NULL &&
            toffee_str_is(value->producer->op_type, "Constant")) {
            attr = toffee_node_attr(value->producer, "value");
            tensor = attr != NULL ? attr->t : NULL;
        }
    }
    if (tensor == NULL || tensor->dtype != TOFFEE_DTYPE_INT64 || tensor->rank > 1 ||
        tensor->data == NULL) {
        return NULL;
    }
    *n = (size_t)tensor->n_elements;
    return tensor->data;
}

int64_t
toffee_known_int(const void *ints, size_t index)
{
    int64_t value = 0;

    memcpy(&value, (const char *)ints + index * sizeof(value), sizeof(value));
    return value;
}

const toffee_value *
toffee_node_input(const toffee_node *node, size_t index)
{
    return index < node->inputs.n ? node->inputs.data[index] : NULL;
}

int64_t
toffee_node_int(const toffee_node *node, const char *name, int64_t fallback)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    return attr != NULL ? attr->i : fallback;
}

int32_t
toffee_axis_index(int64_t axis, int32_t rank)
{
    if (axis < -(int64_t)rank || axis >= rank) {
        return -1;
    }
    return (int32_t)(axis < 0 ? axis + rank : axis);
}
