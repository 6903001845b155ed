/* csrc/ir/lint.h -- structural rules, whatever the operators mean: every value that is used is
 * defined before, and once; lists have no duplicates; subgraphs obey the same rules and may use
 * what the graphs around them define. */
#ifndef TOFFEE_IR_LINT_H
#define TOFFEE_IR_LINT_H

#include "ir/graph.h"

/* OK, or CHECK with the first rule that is broken, naming the node (index, op_type, name) and the
 * value. Also NOMEM. Works on any graph that can be represented; recursion is bounded by
 * TOFFEE_MAX_DEPTH. Takes linear time. */
TOFFEE_NODISCARD toffee_code toffee_lint(const toffee_graph *graph, toffee_status *st);

/* "node 3 (Conv 'features.0')": how messages name a node. Written to BUFFER, cut at SIZE. */
void toffee_node_describe(const toffee_node *node, size_t index, char *buffer, size_t size);

#endif /* TOFFEE_IR_LINT_H */
