/* csrc/opt/opt.h -- graph clean-up: small passes that make a graph smaller and leave what it
 * computes alone, to the last bit.
 *
 * A pass touches operators of the default domain at opset 13 or later, in the graph and in the
 * graphs inside its nodes. Functions, operators of other domains and what reads them by name are
 * left alone. Inputs and outputs of the graph keep names, order and number; docs/optimize.md says
 * what each pass may do. */
#ifndef TOFFEE_OPT_OPT_H
#define TOFFEE_OPT_OPT_H

#include "ir/graph.h"

typedef struct {
    const char *name; /* as users give it */
    const char *doc;  /* one line */
} toffee_pass_info;

/* How many passes there are, and the row of each, in the order in which they run. Static. */
size_t toffee_pass_count(void);
const toffee_pass_info *toffee_pass_at(size_t index);

typedef struct {
    uint32_t passes;      /* bit i: pass i runs */
    bool keep_parameters; /* no value of a parameter may end up in a constant */
} toffee_optimize_options;

/* Runs the passes over GRAPH, which must be an outermost one, until none finds anything more to do,
 * at most TOFFEE_OPT_MAX_ROUNDS times. Types of inputs and outputs may become more exact, as
 * toffee_infer_graph makes them; no value between the nodes is declared that was not before.
 * Errors: those of toffee_check_graph; NOMEM, and then GRAPH is fit only to be freed. */
TOFFEE_NODISCARD toffee_code toffee_optimize(toffee_graph *graph,
                                             const toffee_optimize_options *options,
                                             toffee_status *st);

#define TOFFEE_OPT_MAX_ROUNDS 64
/* The first opset in which axes are inputs, which is the form that the passes know. */
#define TOFFEE_OPT_MIN_OPSET 13

#endif /* TOFFEE_OPT_OPT_H */
