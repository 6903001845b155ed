/* csrc/wire/upgrade.h -- 2017 nodes to the opset that toffee writes, and back. */
#ifndef TOFFEE_WIRE_UPGRADE_H
#define TOFFEE_WIRE_UPGRADE_H

#include "ir/graph.h"
#include "wire/dialect.h"

/* Rewrites the nodes of GRAPH, read as DIALECT (early or late), in place to TOFFEE_OPSET, and says
 * so in the property "upgraded_from". On failure the graph is half rewritten and only good for
 * freeing. Errors: NOMEM, UNSUPPORTED (names the node and what of it has no counterpart). */
TOFFEE_NODISCARD toffee_code toffee_upgrade(toffee_graph *graph, toffee_dialect dialect,
                                            toffee_status *st);
/* The way back: rewrites GRAPH in place to the operators and attributes of September 2017 with
 * ir_version 1 and no opset. Errors: NOMEM, UNSUPPORTED (names the node that 2017 could not say).
 */
TOFFEE_NODISCARD toffee_code toffee_downgrade(toffee_graph *graph, toffee_status *st);

#endif /* TOFFEE_WIRE_UPGRADE_H */
