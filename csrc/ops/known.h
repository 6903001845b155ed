/* csrc/ops/known.h -- facts about inputs in short words, for rules. Private to ops/. */
#ifndef TOFFEE_OPS_KNOWN_H
#define TOFFEE_OPS_KNOWN_H

#include "ops/infer.h"

/* -1: not known. */
static inline int32_t
toffee_known_rank(const toffee_fact *fact)
{
    return fact->rank;
}

/* The size of axis AXIS; -1: not known, or no such axis. */
static inline int64_t
toffee_known_dim(const toffee_fact *fact, int32_t axis)
{
    return toffee_fact_dim(fact, axis).value;
}

/* Into *N the element count of a list or single number of INT64 all of whose elements are known,
 * and they are returned. NULL: none such. */
const toffee_scalar *toffee_known_ints(const toffee_fact *fact, size_t *n);

/* The INT attribute NAME, or FALLBACK. */
int64_t toffee_node_int(const toffee_node *node, const char *name, int64_t fallback);
/* AXIS as an index from the front of RANK axes; -1 if it lies outside. */
int32_t toffee_axis_index(int64_t axis, int32_t rank);

#endif /* TOFFEE_OPS_KNOWN_H */
