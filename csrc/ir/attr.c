/* csrc/ir/attr.c */
#include "ir/attr.h"

#include <string.h>

#include "ir/graph.h"

static const char *const attr_type_names[] = {
    [TOFFEE_ATTR_UNDEFINED] = "UNDEFINED",
    [TOFFEE_ATTR_FLOAT] = "FLOAT",
    [TOFFEE_ATTR_INT] = "INT",
    [TOFFEE_ATTR_STRING] = "STRING",
    [TOFFEE_ATTR_TENSOR] = "TENSOR",
    [TOFFEE_ATTR_GRAPH] = "GRAPH",
    [TOFFEE_ATTR_FLOATS] = "FLOATS",
    [TOFFEE_ATTR_INTS] = "INTS",
    [TOFFEE_ATTR_STRINGS] = "STRINGS",
    [TOFFEE_ATTR_TENSORS] = "TENSORS",
    [TOFFEE_ATTR_GRAPHS] = "GRAPHS",
    [TOFFEE_ATTR_SPARSE_TENSOR] = "SPARSE_TENSOR",
    [TOFFEE_ATTR_SPARSE_TENSORS] = "SPARSE_TENSORS",
    [TOFFEE_ATTR_TYPE_PROTO] = "TYPE_PROTO",
    [TOFFEE_ATTR_TYPE_PROTOS] = "TYPE_PROTOS",
};

const char *
toffee_attr_type_name(toffee_attr_type type)
{
    return (size_t)type < TOFFEE_COUNTOF(attr_type_names) ? attr_type_names[type] : "UNDEFINED";
}

/* Where NAME is or belongs. */
static size_t
attr_position(const toffee_node *node, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = node->attrs.n;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(node->attrs.data[middle].name->text, name);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

const toffee_attr *
toffee_node_attr(const toffee_node *node, const char *name)
{
    bool found = false;
    size_t at = attr_position(node, name, &found);

    return found ? &node->attrs.data[at] : NULL;
}

toffee_code
toffee_node_set_attr(toffee_node *node, const toffee_attr *attr, toffee_status *st)
{
    bool found = false;
    size_t at = attr_position(node, attr->name->text, &found);

    if (found) {
        node->attrs.data[at] = *attr;
        return TOFFEE_OK;
    }
    return TOFFEE_VEC_INSERT(node->graph->arena, &node->attrs, at, *attr) ? TOFFEE_OK
                                                                          : toffee_fail_nomem(st);
}

bool
toffee_node_remove_attr(toffee_node *node, const char *name)
{
    bool found = false;
    size_t at = attr_position(node, name, &found);

    if (found) {
        TOFFEE_VEC_ERASE(&node->attrs, at, 1);
    }
    return found;
}

/* Names ATTR and sets it; OWNED says whether what it needed from the arena was had. */
static toffee_code
attr_put(toffee_node *node, const char *name, toffee_attr *attr, bool owned, toffee_status *st)
{
    attr->name = owned ? toffee_graph_intern(node->graph, name) : NULL;
    return attr->name != NULL ? toffee_node_set_attr(node, attr, st) : toffee_fail_nomem(st);
}

toffee_code
toffee_node_set_int(toffee_node *node, const char *name, int64_t i, toffee_status *st)
{
    toffee_attr attr = {.type = TOFFEE_ATTR_INT, .i = i};

    return attr_put(node, name, &attr, true, st);
}

toffee_code
toffee_node_set_float(toffee_node *node, const char *name, double f, toffee_status *st)
{
    toffee_attr attr = {.type = TOFFEE_ATTR_FLOAT, .f = (float)f};

    return attr_put(node, name, &attr, true, st);
}

toffee_code
toffee_node_set_string(toffee_node *node, const char *name, const char *text, toffee_status *st)
{
    toffee_attr attr = {.type = TOFFEE_ATTR_STRING, .s = {.n = strlen(text)}};

    attr.s.data = toffee_arena_copy(node->graph->arena, text, attr.s.n);
    return attr_put(node, name, &attr, attr.s.data != NULL, st);
}

toffee_code
toffee_node_set_ints(toffee_node *node, const char *name, const int64_t *ints, size_t n,
                     toffee_status *st)
{
    toffee_attr attr = {.type = TOFFEE_ATTR_INTS, .n = n};

    attr.ints = toffee_arena_copy(node->graph->arena, ints, n * sizeof(*ints));
    return attr_put(node, name, &attr, attr.ints != NULL, st);
}

toffee_code
toffee_node_set_floats(toffee_node *node, const char *name, const float *floats, size_t n,
                       toffee_status *st)
{
    toffee_attr attr = {.type = TOFFEE_ATTR_FLOATS, .n = n};

    attr.floats = toffee_arena_copy(node->graph->arena, floats, n * sizeof(*floats));
    return attr_put(node, name, &attr, attr.floats != NULL, st);
}

toffee_code
toffee_node_set_tensor(toffee_node *node, const char *name, toffee_tensor *tensor,
                       toffee_status *st)
{
    toffee_attr attr = {.type = TOFFEE_ATTR_TENSOR, .t = tensor};

    return attr_put(node, name, &attr, true, st);
}
