/* csrc/ops/known.h -- what a graph says about a value without running anything. Private to ops/.
 *
 * It comes from the value's declaration, from its initializer, or, for a name that a subgraph takes
 * from the graphs around it, from theirs. VALUE may be NULL everywhere: then nothing is known. */
#ifndef TOFFEE_OPS_KNOWN_H
#define TOFFEE_OPS_KNOWN_H

#include "ir/graph.h"

/* UNDEFINED: not known. */
toffee_dtype toffee_known_dtype(const toffee_value *value);
/* -1: not known. */
int32_t toffee_known_rank(const toffee_value *value);
/* The size of axis AXIS; -1: not known, or no such axis. */
int64_t toffee_known_dim(const toffee_value *value, int32_t axis);
/* Into *N the element count of an INT64 initializer or Constant of rank at most 1 whose bytes are
 * in memory; the bytes are returned, valid as long as the graph, perhaps unaligned. NULL: none
 * such. */
const void *toffee_known_ints(const toffee_value *value, size_t *n);
/* The element at INDEX of what toffee_known_ints gave. */
int64_t toffee_known_int(const void *ints, size_t index);

/* The input at INDEX; NULL if it is left out or there are not so many. */
const toffee_value *toffee_node_input(const toffee_node *node, size_t index);
/* The INT attribute NAME, or FALLBACK. */
int64_t toffee_node_int(const toffee_node *node, const char *name, int64_t fallback);
/* AXIS as an index from the front of RANK axes; -1 if it lies outside. */
int32_t toffee_axis_index(int64_t axis, int32_t rank);

#endif /* TOFFEE_OPS_KNOWN_H */
