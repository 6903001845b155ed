/* csrc/size/unify.h -- from traces of one model at several sizes to one graph for any size.
 *
 * Note [Twins]. Every trace is a finished graph with the sizes of its run in it. Traces of the same
 * operators have the same nodes in the same order, and differ in what depends on sizes: constants,
 * attributes, and the sizes that values declare. Each of these is expressed in the symbols (Note
 * [Fitting] in fit.h). Where an operator can say "as large as my input" or "all of it", it says
 * that; else the sizes are computed in the graph: Shape of an input, arithmetic, Concat. */
#ifndef TOFFEE_SIZE_UNIFY_H
#define TOFFEE_SIZE_UNIFY_H

#include "ir/graph.h"
#include "size/fit.h"

/* Axis AXIS of the input called NAME is as large as SYMBOL says. */
typedef struct {
    const char *name;
    int32_t axis;
    size_t symbol;
} toffee_dynamic_dim;

typedef struct {
    toffee_graph *const *graphs; /* of one trace each, finished */
    size_t n_graphs;             /* at least 2 */
    const char *const *symbols;
    size_t n_symbols;
    const int64_t *sizes; /* n_graphs rows of n_symbols */
    const toffee_dynamic_dim *dims;
    size_t n_dims;
} toffee_twins;

/* Makes the first graph hold at all sizes; the others are not changed. Its inputs, outputs and
 * values between them declare expressions ("2*length + 1") where sizes move; a size that only the
 * graph knows has a name of its own. Errors: NOMEM; TRACE: the graphs cannot be one, and why, with
 * the user's line where nodes have one. After an error the first graph is good for nothing.
 * *GUESS: how much more traces would tell. */
TOFFEE_NODISCARD toffee_code toffee_unify(const toffee_twins *twins, toffee_guess *guess,
                                          toffee_status *st);

#endif /* TOFFEE_SIZE_UNIFY_H */
