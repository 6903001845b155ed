/* csrc/ir/lint.h -- structural rules, whatever the operators mean: every value that is used is
 * defined before, and once; lists have no duplicates; subgraphs obey the same rules and may use
 * what the graphs around them define; functions obey them too, see nothing but their inputs, and do
 * not call themselves, not even through others. */
#ifndef TOFFEE_IR_LINT_H
#define TOFFEE_IR_LINT_H

#include "ir/graph.h"

/* OK, or CHECK with the first rule that is broken, naming the node (index, op_type, name) and the
 * value. Also NOMEM. Works on any graph that can be represented; recursion is bounded by
 * TOFFEE_MAX_DEPTH. Takes linear time, but for functions that share a name: those are
 * told apart one by one. */
TOFFEE_NODISCARD toffee_code toffee_lint(const toffee_graph *graph, toffee_status *st);

/* "node 3 (Conv 'features.0')": how messages name a node. Written to BUFFER, cut at SIZE. */
void toffee_node_describe(const toffee_node *node, size_t index, char *buffer, size_t size);

/* The functions of a graph by name. Zero-initialised but for `scratch`, where it lives. */
typedef struct toffee_function_table {
    toffee_arena *scratch;
    toffee_ptrmap by_name;
} toffee_function_table;

/* Enters all functions of GRAPH. Errors: NOMEM; CHECK when two are the same, have no name, or one
 * calls itself. */
TOFFEE_NODISCARD toffee_code toffee_function_table_fill(toffee_function_table *table,
                                                        const toffee_graph *graph,
                                                        toffee_status *st);
/* The function that NODE calls, or NULL: then it is an operator. */
const toffee_graph *toffee_function_table_find(const toffee_function_table *table,
                                               const toffee_node *node);
/* "function 'my.domain::f'": how messages name a function. Written to BUFFER, cut at SIZE. */
void toffee_function_describe(const toffee_graph *function, char *buffer, size_t size);

#endif /* TOFFEE_IR_LINT_H */
