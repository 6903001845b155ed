/* csrc/opt/pass.h -- what passes share. Private to opt/.
 *
 * A pass walks the nodes of one graph once, in their order. It never looks for the users of a
 * value: it notes "instead of y read x", and each node's inputs are brought up to date when the
 * walk comes to it, and once more at the end. So a pass takes time in proportion to the nodes.
 *
 * A value is pinned if its name is seen from outside the list of nodes: an output of the graph, or
 * a name that a graph inside a node takes from around it. */
#ifndef TOFFEE_OPT_PASS_H
#define TOFFEE_OPT_PASS_H

#include "opt/opt.h"

/* Largest constant whose elements a pass looks at or makes, in bytes. */
#define TOFFEE_OPT_MAX_BYTES (UINT64_C(1) << 22)

typedef struct toffee_opt {
    toffee_graph *root;
    toffee_graph *graph; /* the one at hand: the root, or inside it */
    bool keep_parameters;
    bool tells_weights;   /* the root lists float initializers as inputs, without a type: it says
                             which of them are parameters */
    bool changed;         /* something was done since the round began */
    toffee_arena *arena;  /* lives as long as the whole run */
    toffee_ptrmap names;  /* of values of any graph: interned text -> itself */
    size_t n_fresh;       /* numbers given out in fresh names */
    toffee_ptrmap listed; /* values that were declared before the run */
    /* Of the pass at hand: */
    toffee_arena *scratch;
    toffee_ptrmap uses;    /* value -> how many inputs of nodes it is */
    toffee_ptrmap pinned;  /* value -> itself */
    toffee_ptrmap instead; /* value -> the value to read in its place */
    toffee_ptrmap gone;    /* node -> itself */
} toffee_opt;

/* A pass over opt->graph. Errors: NOMEM. */
typedef toffee_code toffee_pass_fn(toffee_opt *opt, toffee_status *st);
toffee_pass_fn toffee_pass_no_ops, toffee_pass_common, toffee_pass_pairs, toffee_pass_scalars,
    toffee_pass_constants, toffee_pass_dead;

/* ---- edit.c: before and after a pass ---- */

/* Counts uses and finds pinned values of GRAPH, into a fresh scratch arena state. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_begin(toffee_opt *opt, toffee_graph *graph,
                                              toffee_status *st);
/* Brings every input up to date, takes out the nodes that are gone, and forgets their values.
 * Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_end(toffee_opt *opt, toffee_status *st);

/* ---- edit.c: looking ---- */

/* Whether NODE is an operator of the default domain that a pass may understand: not a call of a
 * function, no attribute that stands for a function's. */
bool toffee_opt_is_plain(const toffee_opt *opt, const toffee_node *node);
/* Whether NODE is plain and its operator OP_TYPE. */
bool toffee_opt_is(const toffee_opt *opt, const toffee_node *node, const char *op_type);
/* Brings the inputs of NODE up to date. Called for each node that a pass comes to. */
void toffee_opt_refresh(toffee_opt *opt, toffee_node *node);
/* Input or output INDEX of NODE; NULL if it is left out. */
toffee_value *toffee_opt_in(const toffee_node *node, size_t index);
toffee_value *toffee_opt_out(const toffee_node *node, size_t index);
/* The node of this graph that makes VALUE, if it is there still and VALUE is not NULL; or NULL. */
toffee_node *toffee_opt_producer(const toffee_opt *opt, const toffee_value *value);
bool toffee_opt_is_pinned(const toffee_opt *opt, const toffee_value *value);
/* Whether one input of one node is all that reads VALUE. */
bool toffee_opt_is_single(const toffee_opt *opt, const toffee_value *value);
/* An attribute's number; OTHERWISE if it is not there or of another type. */
int64_t toffee_opt_int(const toffee_node *node, const char *name, int64_t otherwise);
/* Whether TENSOR counts as a weight in a graph that does not say which of its initializers are. */
bool toffee_opt_may_be_weight(const toffee_opt *opt, const toffee_tensor *tensor);
/* Whether VALUE is an initializer that keeps its name and is no constant to calculate with. */
bool toffee_opt_is_weight(const toffee_opt *opt, const toffee_value *value);
/* Into *OUT the tensor that VALUE always is, its bytes at hand and at most TOFFEE_OPT_MAX_BYTES, or
 * NULL. Weights are none. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_constant(toffee_opt *opt, const toffee_value *value,
                                                 const toffee_tensor **out, toffee_status *st);
/* Whether two values surely have the same element type and the same sizes. */
bool toffee_opt_same_type(const toffee_value *a, const toffee_value *b);
/* The sizes of VALUE, if all are numbers, into DIMS (room for TOFFEE_MAX_RANK); the rank, or -1. */
int32_t toffee_opt_shape(const toffee_value *value, int64_t *dims);

typedef enum { TOFFEE_OPT_ZERO, TOFFEE_OPT_MINUS_ZERO, TOFFEE_OPT_ONE } toffee_opt_number;
/* Whether each element of TENSOR has the bits of NUMBER; of whole numbers, minus zero is zero.
 * False of an empty tensor, and of complex ones. */
bool toffee_opt_tensor_is(const toffee_tensor *tensor, toffee_opt_number number);

/* ---- edit.c: doing ---- */

/* Has all that reads OLD read NEW, a value that is made before, instead. If OLD is pinned, what
 * makes NEW makes OLD in its place, as long as NEW is not pinned itself. *DONE is false if neither
 * can be, and then nothing has changed. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_replace(toffee_opt *opt, toffee_value *old,
                                                toffee_value *new_value, bool *done,
                                                toffee_status *st);
/* Takes NODE, whose outputs nothing reads any more, out of the graph. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_remove(toffee_opt *opt, toffee_node *node,
                                               toffee_status *st);
/* Forgets VALUE, which nothing makes or, once the pass has ended, reads any more. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_forget(toffee_opt *opt, toffee_value *value,
                                               toffee_status *st);
/* Has VALUE, which is an initializer from now on, in no list of declarations. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_unlist(toffee_opt *opt, const toffee_value *value,
                                               toffee_status *st);
/* Replace and remove, for a node of one output that is of use. */
TOFFEE_NODISCARD toffee_code toffee_opt_bypass(toffee_opt *opt, toffee_node *node,
                                               toffee_value *source, toffee_status *st);
/* Has NODE read VALUE as its input INDEX, which it has. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_set_input(toffee_opt *opt, toffee_node *node, size_t index,
                                                  toffee_value *value, toffee_status *st);
/* A new initializer with a fresh name that begins with LIKE's. DATA is copied. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_add_constant(toffee_opt *opt, const toffee_value *like,
                                                     toffee_dtype dtype, const int64_t *dims,
                                                     int32_t rank, const void *data,
                                                     toffee_value **out, toffee_status *st);

/* ---- eval.c (see eval.h) ---- */

/* What NODE computes of INPUTS (as many as it has; NULL: not given, or not constant), into *OUT, a
 * tensor in ARENA without a name; NULL if eval.c does not know, or it would be larger than
 * TOFFEE_OPT_MAX_BYTES. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_opt_eval(toffee_arena *arena, const toffee_node *node,
                                             const toffee_tensor *const *inputs,
                                             toffee_tensor **out, toffee_status *st);
/* Whether eval.c knows the operator of NODE. */
bool toffee_opt_can_eval(const toffee_node *node);

/* Element INDEX of whole-number or truth-value data, sign- or zero-extended, and back (wrapping
 * around). */
int64_t toffee_opt_load(toffee_dtype dtype, const void *data, uint64_t index);
void toffee_opt_store(toffee_dtype dtype, void *data, uint64_t index, int64_t value);

#endif /* TOFFEE_OPT_PASS_H */
