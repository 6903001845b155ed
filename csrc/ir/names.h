/* csrc/ir/names.h -- names of nodes that no other node of the graph has. */
#ifndef TOFFEE_IR_NAMES_H
#define TOFFEE_IR_NAMES_H

#include "ir/graph.h"

/* Names that are given out, and the last number that each was given with. Zero-initialised is
 * empty. Its tables live in ARENA, which must outlive it; the names in GRAPH. */
typedef struct {
    toffee_graph *graph;
    toffee_arena *arena;
    toffee_ptrmap taken;
    toffee_ptrmap numbers; /* interned name -> size_t * */
} toffee_names;

/* Takes NAME, which is interned in the graph, as it is. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_names_add(toffee_names *names, const toffee_str *name,
                                              toffee_status *st);
/* *OUT is NAME, or NAME with the first number that makes it new: "Add_1". Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_names_take(toffee_names *names, const toffee_str *name,
                                               const toffee_str **out, toffee_status *st);
/* The name for a node of OP_TYPE in the module PATH ("features.0/Conv", or "Conv" where PATH is
 * empty), made new. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_names_take_node(toffee_names *names, const char *path,
                                                    size_t path_length, const toffee_str *op_type,
                                                    const toffee_str **out, toffee_status *st);

#endif /* TOFFEE_IR_NAMES_H */
