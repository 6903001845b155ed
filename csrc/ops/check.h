/* csrc/ops/check.h -- a graph against the table of operators. */
#ifndef TOFFEE_OPS_CHECK_H
#define TOFFEE_OPS_CHECK_H

#include "ops/optable.h"

/* Lints GRAPH, then holds each node against its row: known operator (in a domain whose opset is
 * declared; operators of other domains than "" are accepted as they are), number of inputs and
 * outputs, attributes (known, of the right type, required ones there), dtypes where they are known,
 * and that initializers agree with declared types and with their own sizes.
 * OK, or the first fault: CHECK, naming the node and what to do. Also NOMEM. Linear time. */
TOFFEE_NODISCARD toffee_code toffee_check_graph(const toffee_graph *graph, toffee_status *st);
/* The same for one node, without the structure around it. INDEX is for the message. */
TOFFEE_NODISCARD toffee_code toffee_check_node(const toffee_node *node, size_t index,
                                               toffee_status *st);

#endif /* TOFFEE_OPS_CHECK_H */
