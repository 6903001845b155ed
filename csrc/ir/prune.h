/* csrc/ir/prune.h -- the last steps of a trace: dead nodes go, values get names. */
#ifndef TOFFEE_IR_PRUNE_H
#define TOFFEE_IR_PRUNE_H

#include "ir/graph.h"

/* Removes nodes none of whose outputs is used, directly or not, by an output of the graph, and
 * initializers without a use that are not listed as inputs. Uses inside subgraphs count. Trailing
 * outputs of a node that nobody uses are cut if the node can do without (see ops/optable.h; the
 * caller passes MIN_OUTPUTS, which may be NULL: none are cut). Order is kept. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_prune(toffee_graph *graph,
                                          size_t (*min_outputs)(const toffee_node *node),
                                          toffee_status *st);
/* Gives every value without a name the next free number, in order: "1", "2", …; names taken by
 * parameters and arguments are skipped. Subgraphs continue the numbering. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_number_values(toffee_graph *graph, toffee_status *st);

#endif /* TOFFEE_IR_PRUNE_H */
