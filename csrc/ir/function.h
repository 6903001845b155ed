/* csrc/ir/function.h -- functions that a model brings along: operators with a body.
 *
 * A function is a graph inside the outermost one, whose arena it shares and of which it sees
 * nothing: its name and domain are the op_type and domain of the nodes that call it, its inputs and
 * outputs are theirs in order, and its opsets are its own. */
#ifndef TOFFEE_IR_FUNCTION_H
#define TOFFEE_IR_FUNCTION_H

#include "ir/graph.h"

/* What a function is besides a graph; behind toffee_graph.function. */
struct toffee_function {
    const toffee_str *overload;                /* NULL: none */
    TOFFEE_VEC(const toffee_str *) attr_names; /* attributes that a call gives or leaves out */
    TOFFEE_VEC(toffee_attr) attr_defaults;     /* and those that have a value if it does not */
};

/* An empty function in the arena of GRAPH, not yet in its list. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_function_new(toffee_graph *graph, toffee_graph **out,
                                                 toffee_status *st);
/* Appends FUNCTION, made for GRAPH, to its list. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_add_function(toffee_graph *graph, toffee_graph *function,
                                                       toffee_status *st);
/* The outermost graph around GRAPH whose names it sees: the body of the function that it is in, or
 * the root. */
const toffee_graph *toffee_graph_scope(const toffee_graph *graph);
/* The graph that owns the arena. */
const toffee_graph *toffee_graph_root(const toffee_graph *graph);
/* Whether NODE, of FUNCTION's root, calls FUNCTION. */
bool toffee_node_calls(const toffee_node *node, const toffee_graph *function);

#endif /* TOFFEE_IR_FUNCTION_H */
