/* csrc/ir/equal.h -- structural equality: what two graphs would say on the wire, whatever arenas
 * they live in.
 *
 * Names, types, docs, metadata, functions, tensor bytes and what is kept without being understood
 * all count, and so does the order of every list. Three things do not: TensorProto.doc_string,
 * which is alignment padding; the ONNX envelope, which tells who wrote a file; and the difference
 * between a text that is absent and one that is empty. Floats are compared by their bits, so that a
 * graph with a NaN in it equals its copy. Values that have no name yet equal each other. */
#ifndef TOFFEE_IR_EQUAL_H
#define TOFFEE_IR_EQUAL_H

#include "ir/graph.h"

/* Sets *EQUAL on success. Errors: those of a tensor's source, and LIMIT when graphs are nested more
 * than TOFFEE_MAX_DEPTH deep. */
TOFFEE_NODISCARD toffee_code toffee_graph_equal(const toffee_graph *a, const toffee_graph *b,
                                                bool *equal, toffee_status *st);
/* The same for two nodes: their inputs and outputs are compared by name. */
TOFFEE_NODISCARD toffee_code toffee_node_equal(const toffee_node *a, const toffee_node *b,
                                               bool *equal, toffee_status *st);
/* The same for two attributes, names and docs included. */
TOFFEE_NODISCARD toffee_code toffee_attr_equal(const toffee_attr *a, const toffee_attr *b,
                                               bool *equal, toffee_status *st);

#endif /* TOFFEE_IR_EQUAL_H */
