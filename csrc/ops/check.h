/* csrc/ops/check.h -- a graph against the table of operators. */
#ifndef TOFFEE_OPS_CHECK_H
#define TOFFEE_OPS_CHECK_H

#include "ops/optable.h"

/* Lints GRAPH, then holds each node against its row, if that is true of the operator in the opset
 * that the graph declares (see other_opsets.h; else only that there is such an operator), or
 * against the function that it calls: known operator (in a domain whose opset is declared;
 * operators of other domains than "" are accepted as they are), number of inputs and outputs,
 * attributes (known, of the right type, required ones there), dtypes and shapes where they are
 * declared or follow from the inputs, which must agree, and that initializers agree with declared
 * types and with their own sizes. OK, or the first fault: CHECK, naming the node and what to do.
 * Also NOMEM. Linear time. */
TOFFEE_NODISCARD toffee_code toffee_check_graph(const toffee_graph *graph, toffee_status *st);
/* The same for one node, without the structure around it. INDEX is for the message. */
TOFFEE_NODISCARD toffee_code toffee_check_node(const toffee_node *node, size_t index,
                                               toffee_status *st);
/* The same, and gives the outputs of NODE the dtypes and shapes that follow from its inputs. */
TOFFEE_NODISCARD toffee_code toffee_infer_node(toffee_node *node, size_t index, toffee_status *st);

/* Checks GRAPH and declares in it, and in the graphs inside it, dtype and shape of every value as
 * far as they follow from its inputs and initializers; what was declared stays, made more exact
 * where less was known. A value that nothing is known of is left alone, as is one that is no
 * tensor. Errors: those of toffee_check_graph, and then nothing has changed, but for NOMEM. Linear
 * time. */
TOFFEE_NODISCARD toffee_code toffee_infer_graph(toffee_graph *graph, toffee_status *st);

#endif /* TOFFEE_OPS_CHECK_H */
