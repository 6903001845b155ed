/* csrc/ir/function.c */
#include "ir/function.h"

toffee_code
toffee_function_new(toffee_graph *graph, toffee_graph **out, toffee_status *st)
{
    toffee_function *function = toffee_arena_calloc(graph->arena, 1, sizeof(*function));

    *out = NULL;
    if (function == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_graph_new_inside(graph, out, st));
    (*out)->function = function;
    return TOFFEE_OK;
}

toffee_code
toffee_graph_add_function(toffee_graph *graph, toffee_graph *function, toffee_status *st)
{
    return TOFFEE_VEC_PUSH(graph->arena, &graph->functions, function) ? TOFFEE_OK
                                                                      : toffee_fail_nomem(st);
}

const toffee_graph *
toffee_graph_scope(const toffee_graph *graph)
{
    while (graph->function == NULL && graph->parent != NULL) {
        graph = graph->parent;
    }
    return graph;
}

const toffee_graph *
toffee_graph_root(const toffee_graph *graph)
{
    while (graph->parent != NULL) {
        graph = graph->parent;
    }
    return graph;
}

/* Of one pool; NULL is "". */
static bool
texts_equal(const toffee_str *a, const toffee_str *b)
{
    return a == b || ((a == NULL || a->length == 0) && (b == NULL || b->length == 0));
}

bool
toffee_node_calls(const toffee_node *node, const toffee_graph *function)
{
    return texts_equal(node->op_type, function->name) &&
           texts_equal(node->domain, function->domain) &&
           texts_equal(node->overload, function->function->overload);
}
