/* csrc/ops/known.c -- facts about inputs in short words, for rules. */
#include "ops/known.h"

const toffee_scalar *
toffee_known_ints(const toffee_fact *fact, size_t *n)
{
    *n = 0;
    if (fact->items == NULL || fact->dtype != TOFFEE_DTYPE_INT64 || fact->rank > 1) {
        return NULL;
    }
    for (size_t i = 0; i < fact->n_items; i++) {
        if (!fact->items[i].known) {
            return NULL;
        }
    }
    *n = fact->n_items;
    return fact->items;
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
