/* csrc/ir/prune.c */
#include "ir/prune.h"

#include <stdio.h>
#include <string.h>

/* The name of a value or a value without one: what liveness is recorded under. */
static const void *
value_key(const toffee_value *value)
{
    return value->name != NULL ? (const void *)value->name : (const void *)value;
}

typedef TOFFEE_VEC(toffee_graph *) graph_list;

/* GRAPH and all graphs inside it, each before those in it. False when memory is out. */
static bool
graphs_collect(toffee_graph *graph, toffee_arena *scratch, graph_list *out)
{
    if (!TOFFEE_VEC_PUSH(scratch, out, graph)) {
        return false;
    }
    for (size_t at = 0; at < out->n; at++) {
        for (size_t i = 0; i < out->data[at]->nodes.n; i++) {
            const toffee_node *node = out->data[at]->nodes.data[i];

            for (size_t k = 0; k < node->attrs.n; k++) {
                const toffee_attr *attr = &node->attrs.data[k];

                if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL &&
                    !TOFFEE_VEC_PUSH(scratch, out, attr->g)) {
                    return false;
                }
                for (size_t g = 0; attr->type == TOFFEE_ATTR_GRAPHS && g < attr->n; g++) {
                    if (!TOFFEE_VEC_PUSH(scratch, out, attr->graphs[g])) {
                        return false;
                    }
                }
            }
        }
    }
    return true;
}

/* Names that a graph takes from the graphs around it. */
typedef TOFFEE_VEC(const toffee_str *) name_list;

typedef struct {
    toffee_arena *scratch;
    size_t (*min_outputs)(const toffee_node *node);
    toffee_ptrmap captures;   /* toffee_graph * -> name_list *, of the graphs that are done */
    toffee_ptrmap live;       /* value_key of values -> themselves, in the graph at hand */
    toffee_ptrmap live_nodes; /* toffee_node * -> itself */
    TOFFEE_VEC(toffee_node *) pending; /* live, their inputs not yet looked at */
    name_list *captured;               /* of the graph at hand */
} pruner;

static bool
pruner_mark_node(pruner *p, toffee_node *node)
{
    return toffee_ptrmap_get(&p->live_nodes, node) != NULL ||
           (toffee_ptrmap_set(p->scratch, &p->live_nodes, node, node) &&
            TOFFEE_VEC_PUSH(p->scratch, &p->pending, node));
}

static bool
pruner_mark(pruner *p, toffee_value *value)
{
    if (value == NULL || toffee_ptrmap_get(&p->live, value_key(value)) != NULL) {
        return true;
    }
    if (!toffee_ptrmap_set(p->scratch, &p->live, value_key(value), value)) {
        return false;
    }
    if (value->producer != NULL) {
        return pruner_mark_node(p, value->producer);
    }
    if (value->is_input || value->tensor != NULL || value->name == NULL) {
        return true;
    }
    return TOFFEE_VEC_PUSH(p->scratch, p->captured, value->name);
}

/* Marks what the graph INSIDE a live node of GRAPH takes from around it. */
static bool
pruner_mark_captures(pruner *p, const toffee_graph *graph, const toffee_graph *inside)
{
    const name_list *names = toffee_ptrmap_get(&p->captures, inside);

    for (size_t i = 0; names != NULL && i < names->n; i++) {
        const toffee_str *name = names->data[i];
        toffee_value *value = toffee_ptrmap_get(&graph->values, name);

        if (value != NULL) {
            if (!pruner_mark(p, value)) {
                return false;
            }
        }
        else if (toffee_ptrmap_get(&p->live, name) == NULL) {
            /* Passed on from farther out. Any non-NULL pointer marks the name as seen. */
            if (!toffee_ptrmap_set(p->scratch, &p->live, name, p) ||
                !TOFFEE_VEC_PUSH(p->scratch, p->captured, name)) {
                return false;
            }
        }
    }
    return true;
}

static bool
pruner_visit(pruner *p, const toffee_node *node)
{
    for (size_t i = 0; i < node->inputs.n; i++) {
        if (!pruner_mark(p, node->inputs.data[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        const toffee_attr *attr = &node->attrs.data[i];

        if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL &&
            !pruner_mark_captures(p, node->graph, attr->g)) {
            return false;
        }
        for (size_t g = 0; attr->type == TOFFEE_ATTR_GRAPHS && g < attr->n; g++) {
            if (!pruner_mark_captures(p, node->graph, attr->graphs[g])) {
                return false;
            }
        }
    }
    return true;
}

static bool
pruner_is_live(const pruner *p, const toffee_value *value)
{
    return toffee_ptrmap_get(&p->live, value_key(value)) != NULL;
}

/* Forgets VALUE, which nothing makes any longer, so that its name is free. */
static bool
value_drop(toffee_value *value)
{
    toffee_graph *graph = value->graph;

    value->producer = NULL;
    value->tensor = NULL;
    return value->is_input || value->name == NULL ||
           toffee_ptrmap_get(&graph->values, value->name) != value ||
           toffee_ptrmap_set(graph->arena, &graph->values, value->name, NULL);
}

static bool
pruner_drop_outputs(pruner *p, toffee_node *node, size_t keep)
{
    while (node->outputs.n > keep) {
        toffee_value *value = node->outputs.data[node->outputs.n - 1];

        if (value != NULL && pruner_is_live(p, value)) {
            return true;
        }
        if (value != NULL && value->producer == node && !value_drop(value)) {
            return false;
        }
        node->outputs.n--;
    }
    return true;
}

static bool
pruner_sweep_nodes(pruner *p, toffee_graph *graph)
{
    size_t kept = 0;

    for (size_t i = 0; i < graph->nodes.n; i++) {
        toffee_node *node = graph->nodes.data[i];
        size_t least = node->outputs.n;

        if (toffee_ptrmap_get(&p->live_nodes, node) == NULL) {
            for (size_t k = 0; k < node->outputs.n; k++) {
                toffee_value *value = node->outputs.data[k];

                if (value != NULL && value->producer == node && !value_drop(value)) {
                    return false;
                }
            }
            continue;
        }
        if (p->min_outputs != NULL) {
            least = p->min_outputs(node);
        }
        if (!pruner_drop_outputs(p, node, least)) {
            return false;
        }
        graph->nodes.data[kept++] = node;
    }
    graph->nodes.n = kept;
    return true;
}

static bool
pruner_sweep_lists(pruner *p, toffee_graph *graph)
{
    size_t kept = 0;

    for (size_t i = 0; i < graph->initializers.n; i++) {
        toffee_tensor *tensor = graph->initializers.data[i];
        toffee_value *value = toffee_ptrmap_get(&graph->values, tensor->name);

        if (value != NULL && !value->is_input && !pruner_is_live(p, value)) {
            if (!value_drop(value)) {
                return false;
            }
            continue;
        }
        graph->initializers.data[kept++] = tensor;
    }
    graph->initializers.n = kept;
    kept = 0;
    for (size_t i = 0; i < graph->value_infos.n; i++) {
        toffee_value *value = graph->value_infos.data[i];

        /* A second output that stays although nobody uses it keeps its declaration. */
        if (value->producer != NULL || pruner_is_live(p, value)) {
            graph->value_infos.data[kept++] = value;
        }
    }
    graph->value_infos.n = kept;
    return true;
}

/* Prunes GRAPH; the graphs inside it are done. False when memory is out. */
static bool
pruner_graph(pruner *p, toffee_graph *graph)
{
    p->captured = toffee_arena_calloc(p->scratch, 1, sizeof(*p->captured));
    if (p->captured == NULL || !toffee_ptrmap_set(p->scratch, &p->captures, graph, p->captured)) {
        return false;
    }
    p->live = (toffee_ptrmap){0};
    p->live_nodes = (toffee_ptrmap){0};
    for (size_t i = 0; i < graph->outputs.n; i++) {
        if (!pruner_mark(p, graph->outputs.data[i])) {
            return false;
        }
    }
    while (p->pending.n != 0) {
        if (!pruner_visit(p, p->pending.data[--p->pending.n])) {
            return false;
        }
    }
    return pruner_sweep_nodes(p, graph) && pruner_sweep_lists(p, graph);
}

toffee_code
toffee_prune(toffee_graph *graph, size_t (*min_outputs)(const toffee_node *node), toffee_status *st)
{
    pruner p = {.scratch = toffee_arena_new(), .min_outputs = min_outputs};
    graph_list graphs = {0};
    bool ok = p.scratch != NULL && graphs_collect(graph, p.scratch, &graphs);

    for (size_t i = graphs.n; ok && i-- > 0;) {
        ok = pruner_graph(&p, graphs.data[i]);
    }
    toffee_arena_free(p.scratch);
    return ok ? TOFFEE_OK : toffee_fail_nomem(st);
}

typedef struct {
    toffee_arena *scratch;
    toffee_ptrmap taken; /* names of values that are numbers, in any of the graphs */
    uint64_t next;
} numberer;

static bool
numberer_take(numberer *n, const toffee_value *value)
{
    if (value == NULL || value->name == NULL || value->name->length == 0 ||
        strspn(value->name->text, "0123456789") != value->name->length) {
        return true;
    }
    return toffee_ptrmap_set(n->scratch, &n->taken, value->name, (void *)value->name);
}

static bool
numberer_take_all(numberer *n, const toffee_graph *graph)
{
    const void *name = NULL;
    void *value = NULL;

    for (size_t at = 0; toffee_ptrmap_next(&graph->values, &at, &name, &value);) {
        if (!numberer_take(n, value)) {
            return false;
        }
    }
    return true;
}

static toffee_code
numberer_name(numberer *n, toffee_value *value, toffee_status *st)
{
    const toffee_str *name = NULL;

    if (value == NULL || value->name != NULL) {
        return TOFFEE_OK;
    }
    do {
        char text[24];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)n->next++);
        name = toffee_graph_intern(value->graph, text);
        if (name == NULL) {
            return toffee_fail_nomem(st);
        }
    } while (toffee_ptrmap_get(&n->taken, name) != NULL);
    return toffee_value_rename(value, name, st);
}

static toffee_code
numberer_graph(numberer *n, toffee_graph *graph, toffee_status *st)
{
    for (size_t i = 0; i < graph->inputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(numberer_name(n, graph->inputs.data[i], st));
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        /* A node's inputs have names by now, unless nothing makes them. */
        for (size_t k = 0; k < node->inputs.n; k++) {
            TOFFEE_RETURN_IF_ERROR(numberer_name(n, node->inputs.data[k], st));
        }
        for (size_t k = 0; k < node->outputs.n; k++) {
            TOFFEE_RETURN_IF_ERROR(numberer_name(n, node->outputs.data[k], st));
        }
    }
    for (size_t i = 0; i < graph->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(numberer_name(n, graph->outputs.data[i], st));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_number_values(toffee_graph *graph, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    numberer n = {.scratch = toffee_arena_new(), .next = 1};
    graph_list graphs = {0};
    bool ok = n.scratch != NULL && graphs_collect(graph, n.scratch, &graphs);

    for (size_t i = 0; ok && i < graphs.n; i++) {
        ok = numberer_take_all(&n, graphs.data[i]);
    }
    for (const toffee_graph *around = graph->parent; ok && around != NULL;
         around = around->parent) {
        ok = numberer_take_all(&n, around);
    }
    if (!ok) {
        rc = toffee_fail_nomem(st);
    }
    for (size_t i = 0; rc == TOFFEE_OK && i < graphs.n; i++) {
        rc = numberer_graph(&n, graphs.data[i], st);
    }
    toffee_arena_free(n.scratch);
    return rc;
}
