/* csrc/ir/graph.c */
#include "ir/graph.h"

#include <string.h>

#include "base/alloc.h"

struct toffee_graph_guest {
    struct toffee_graph_guest *next;
    void (*release)(void *ctx);
    void *ctx;
};

toffee_code
toffee_graph_new(toffee_graph **out, toffee_status *st)
{
    toffee_arena *arena = toffee_arena_new();
    toffee_graph *graph = arena != NULL ? toffee_arena_calloc(arena, 1, sizeof(*graph)) : NULL;
    toffee_strpool *pool = graph != NULL ? toffee_strpool_new(arena) : NULL;

    *out = NULL;
    if (pool == NULL) {
        toffee_arena_free(arena);
        return toffee_fail_nomem(st);
    }
    graph->arena = arena;
    graph->pool = pool;
    *out = graph;
    return TOFFEE_OK;
}

toffee_code
toffee_graph_new_inside(toffee_graph *parent, toffee_graph **out, toffee_status *st)
{
    toffee_graph *graph = toffee_arena_calloc(parent->arena, 1, sizeof(*graph));

    *out = graph;
    if (graph == NULL) {
        return toffee_fail_nomem(st);
    }
    graph->arena = parent->arena;
    graph->pool = parent->pool;
    graph->parent = parent;
    return TOFFEE_OK;
}

void
toffee_graph_free(toffee_graph *graph)
{
    if (graph == NULL || graph->parent != NULL) {
        return;
    }
    for (struct toffee_graph_guest *guest = graph->guests; guest != NULL; guest = guest->next) {
        guest->release(guest->ctx);
    }
    toffee_arena_free(graph->arena);
}

toffee_code
toffee_graph_on_free(toffee_graph *graph, void (*release)(void *ctx), void *ctx, toffee_status *st)
{
    struct toffee_graph_guest *guest = NULL;

    while (graph->parent != NULL) {
        graph = graph->parent;
    }
    guest = toffee_arena_calloc(graph->arena, 1, sizeof(*guest));
    if (guest == NULL) {
        return toffee_fail_nomem(st);
    }
    *guest = (struct toffee_graph_guest){.next = graph->guests, .release = release, .ctx = ctx};
    graph->guests = guest;
    return TOFFEE_OK;
}

const toffee_str *
toffee_graph_intern(toffee_graph *graph, const char *text)
{
    return toffee_strpool_intern(graph->pool, text, strlen(text));
}

toffee_code
toffee_graph_new_value(toffee_graph *graph, toffee_value **out, toffee_status *st)
{
    toffee_value *value = toffee_arena_calloc(graph->arena, 1, sizeof(*value));

    *out = value;
    if (value == NULL) {
        return toffee_fail_nomem(st);
    }
    value->graph = graph;
    value->type.rank = -1;
    return TOFFEE_OK;
}

toffee_code
toffee_graph_value(toffee_graph *graph, const toffee_str *name, toffee_value **out,
                   toffee_status *st)
{
    *out = toffee_ptrmap_get(&graph->values, name);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_graph_new_value(graph, out, st));
    return toffee_value_rename(*out, name, st);
}

toffee_value *
toffee_graph_find(const toffee_graph *graph, const char *name)
{
    const toffee_str *interned = toffee_strpool_find(graph->pool, name, strlen(name));

    return interned != NULL ? toffee_ptrmap_get(&graph->values, interned) : NULL;
}

toffee_code
toffee_value_rename(toffee_value *value, const toffee_str *name, toffee_status *st)
{
    toffee_graph *graph = value->graph;
    const toffee_value *holder = toffee_ptrmap_get(&graph->values, name);

    if (holder == value) {
        return TOFFEE_OK;
    }
    if (holder != NULL) {
        return toffee_fail(st, TOFFEE_ERR_VALUE, "the graph already has a value named '%s'",
                           name->text);
    }
    if (!toffee_ptrmap_set(graph->arena, &graph->values, name, value)) {
        return toffee_fail_nomem(st);
    }
    if (value->name != NULL &&
        !toffee_ptrmap_set(graph->arena, &graph->values, value->name, NULL)) {
        return toffee_fail_nomem(st);
    }
    value->name = name;
    return TOFFEE_OK;
}

toffee_code
toffee_value_set_type(toffee_value *value, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                      toffee_status *st)
{
    toffee_dim *copy = NULL;

    if (rank >= 0) {
        copy = toffee_arena_calloc(value->graph->arena, (size_t)rank, sizeof(*copy));
        if (copy == NULL) {
            return toffee_fail_nomem(st);
        }
        for (int32_t i = 0; i < rank; i++) {
            copy[i].value = dims[i];
        }
    }
    value->type = (toffee_type){.dtype = dtype, .rank = rank, .dims = copy};
    return TOFFEE_OK;
}

toffee_code
toffee_node_new(toffee_graph *graph, const char *op_type, toffee_node **out, toffee_status *st)
{
    toffee_node *node = toffee_arena_calloc(graph->arena, 1, sizeof(*node));

    *out = NULL;
    if (node == NULL) {
        return toffee_fail_nomem(st);
    }
    node->graph = graph;
    node->op_type = toffee_graph_intern(graph, op_type);
    if (node->op_type == NULL) {
        return toffee_fail_nomem(st);
    }
    *out = node;
    return TOFFEE_OK;
}

toffee_code
toffee_node_add_input(toffee_node *node, toffee_value *value, toffee_status *st)
{
    return TOFFEE_VEC_PUSH(node->graph->arena, &node->inputs, value) ? TOFFEE_OK
                                                                     : toffee_fail_nomem(st);
}

toffee_code
toffee_node_add_output(toffee_node *node, toffee_value *value, toffee_status *st)
{
    if (!TOFFEE_VEC_PUSH(node->graph->arena, &node->outputs, value)) {
        return toffee_fail_nomem(st);
    }
    if (value != NULL && value->producer == NULL) {
        value->producer = node;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_graph_insert_node(toffee_graph *graph, size_t index, toffee_node *node, toffee_status *st)
{
    return TOFFEE_VEC_INSERT(graph->arena, &graph->nodes, index, node) ? TOFFEE_OK
                                                                       : toffee_fail_nomem(st);
}

toffee_code
toffee_graph_append_node(toffee_graph *graph, toffee_node *node, toffee_status *st)
{
    return toffee_graph_insert_node(graph, graph->nodes.n, node, st);
}

toffee_code
toffee_graph_add_input(toffee_graph *graph, toffee_value *value, toffee_status *st)
{
    if (!TOFFEE_VEC_PUSH(graph->arena, &graph->inputs, value)) {
        return toffee_fail_nomem(st);
    }
    value->is_input = true;
    return TOFFEE_OK;
}

toffee_code
toffee_graph_add_output(toffee_graph *graph, toffee_value *value, toffee_status *st)
{
    return TOFFEE_VEC_PUSH(graph->arena, &graph->outputs, value) ? TOFFEE_OK
                                                                 : toffee_fail_nomem(st);
}

toffee_code
toffee_graph_add_value_info(toffee_graph *graph, toffee_value *value, toffee_status *st)
{
    return TOFFEE_VEC_PUSH(graph->arena, &graph->value_infos, value) ? TOFFEE_OK
                                                                     : toffee_fail_nomem(st);
}

toffee_code
toffee_graph_add_initializer(toffee_graph *graph, toffee_tensor *tensor, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_graph_value(graph, tensor->name, &value, st));
    if (!TOFFEE_VEC_PUSH(graph->arena, &graph->initializers, tensor)) {
        return toffee_fail_nomem(st);
    }
    if (value->tensor == NULL) {
        value->tensor = tensor;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_graph_set_opset(toffee_graph *graph, const char *domain, int64_t version, toffee_status *st)
{
    toffee_opset opset = {.version = version};

    for (size_t i = 0; i < graph->opsets.n; i++) {
        if (toffee_str_is(graph->opsets.data[i].domain, domain != NULL ? domain : "")) {
            graph->opsets.data[i].version = version;
            return TOFFEE_OK;
        }
    }
    opset.domain = toffee_graph_intern(graph, domain != NULL ? domain : "");
    if (opset.domain == NULL || !TOFFEE_VEC_PUSH(graph->arena, &graph->opsets, opset)) {
        return toffee_fail_nomem(st);
    }
    return TOFFEE_OK;
}

int64_t
toffee_graph_opset(const toffee_graph *graph, const char *domain)
{
    for (size_t i = 0; i < graph->opsets.n; i++) {
        if (toffee_str_is(graph->opsets.data[i].domain, domain)) {
            return graph->opsets.data[i].version;
        }
    }
    return 0;
}

toffee_code
toffee_graph_set_prop(toffee_graph *graph, const char *key, const char *value, toffee_status *st)
{
    toffee_prop prop = {.key = toffee_graph_intern(graph, key),
                        .value = toffee_graph_intern(graph, value)};

    if (prop.key == NULL || prop.value == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < graph->props.n; i++) {
        if (graph->props.data[i].key == prop.key) {
            graph->props.data[i] = prop;
            return TOFFEE_OK;
        }
    }
    return TOFFEE_VEC_PUSH(graph->arena, &graph->props, prop) ? TOFFEE_OK : toffee_fail_nomem(st);
}

static void
value_unlink(toffee_value *value)
{
    if (value != NULL) {
        value->producer = NULL;
        value->is_input = false;
        value->tensor = NULL;
    }
}

void
toffee_graph_relink(toffee_graph *graph)
{
    const void *name = NULL;
    void *value = NULL;

    for (size_t at = 0; toffee_ptrmap_next(&graph->values, &at, &name, &value);) {
        value_unlink(value);
    }
    /* Values without a name are in no table; they are reached from the lists. */
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->inputs.n; k++) {
            value_unlink(node->inputs.data[k]);
        }
        for (size_t k = 0; k < node->outputs.n; k++) {
            value_unlink(node->outputs.data[k]);
        }
    }
    for (size_t i = 0; i < graph->outputs.n; i++) {
        value_unlink(graph->outputs.data[i]);
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->outputs.n; k++) {
            if (node->outputs.data[k] != NULL && node->outputs.data[k]->producer == NULL) {
                node->outputs.data[k]->producer = node;
            }
        }
    }
    for (size_t i = 0; i < graph->inputs.n; i++) {
        graph->inputs.data[i]->is_input = true;
    }
    for (size_t i = graph->initializers.n; i-- > 0;) {
        toffee_tensor *tensor = graph->initializers.data[i];
        toffee_value *initialized = toffee_ptrmap_get(&graph->values, tensor->name);

        if (initialized != NULL) {
            initialized->tensor = tensor; /* the first of a name wins */
        }
    }
}
