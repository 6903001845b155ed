/* csrc/ir/print.h -- the text form, as PyTorch printed its trace in 2017:
 *
 *   graph(%1 : Float(64, 3, 11, 11), %input : Float(10, 3, 224, 224)) {
 *     %19 : Float(10, 64, 55, 55) = Conv[kernel_shape=[11, 11], strides=[4, 4]](%17, %1, %2)
 *     return (%58)
 *   }
 *
 * Stable enough for golden files: a line a node, attributes in order of name. A header of more than
 * 100 columns has a line an input. The rules:
 *
 *   - a value is %name, its type follows where it is made; "-" is an input or output left out, and
 *     "%?" a value that has no name yet;
 *   - initializers that the header does not show stand first in the body, as if a node made them:
 *     %12 : Long(2) = Constant[value={0, -1}]();
 *   - an operator of another domain is domain::op_type, and a function with an overload has that
 *     behind a colon;
 *   - functions follow the graph, each as "function domain::name[alpha, beta=0.5](%x) {", with the
 *     attributes that a call may give, and the defaults of those that have one; what such an
 *     attribute stands for in the body is @alpha;
 *   - a type that is no tensor's is Sequence(Float(3)), Optional(…), Map(Long, …), Sparse(…), or
 *     Opaque();
 *   - floats are the shortest decimals that read back the same, and have a "." or an exponent;
 *     strings are in double quotes; a tensor in an attribute is Long(2) {0, -1}; a graph in one is
 *     a nested listing, indented;
 *   - tensors of more than 8 elements and lists of more than 32 show their first 8; elements that
 *     would have to be fetched from a device are not shown;
 *   - what is not printable is \n or \xNN, and so are, in names, spaces and ,()[]{}="\. */
#ifndef TOFFEE_IR_PRINT_H
#define TOFFEE_IR_PRINT_H

#include "ir/graph.h"

/* The listing of GRAPH, in SCRATCH: *LENGTH bytes of valid UTF-8 and a terminator. Linear time.
 * Graphs nested more than TOFFEE_MAX_DEPTH deep are shown as "graph(...)". Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_print_graph(const toffee_graph *graph, toffee_arena *scratch,
                                                char **text, size_t *length, toffee_status *st);
/* The one line of NODE (more than one if it holds graphs), on the same terms, without the newline.
 */
TOFFEE_NODISCARD toffee_code toffee_print_node(const toffee_node *node, toffee_arena *scratch,
                                               char **text, size_t *length, toffee_status *st);
/* The type as in a listing: "Float(10, 3, 224, 224)", "Float(batch, 3)", "Long()", or "" if nothing
 * is known. */
TOFFEE_NODISCARD toffee_code toffee_print_type(const toffee_type *type, toffee_arena *scratch,
                                               char **text, size_t *length, toffee_status *st);

#endif /* TOFFEE_IR_PRINT_H */
