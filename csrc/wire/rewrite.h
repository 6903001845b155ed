/* csrc/wire/rewrite.h -- a graph rewritten node by node, by a table from op_type to function: what
 * upgrade.c and downgrade.c share.
 *
 * A rule changes its node in place and may put nodes before it (toffee_rewrite_emit) or after it
 * (toffee_rewrite_keep, then emit). Everything made lives in the graph's arena, so rules own
 * nothing and return early. Every function here reports into rw->st; where nothing else is said,
 * its only error is NOMEM. */
#ifndef TOFFEE_WIRE_REWRITE_H
#define TOFFEE_WIRE_REWRITE_H

#include "ir/graph.h"
#include "wire/dialect.h"

typedef struct {
    toffee_graph *graph;
    toffee_dialect dialect; /* what the graph was read as; for the way up */
    toffee_status *st;
    TOFFEE_VEC(toffee_node *) nodes; /* the list that is being built */
    size_t index;                    /* of the node at hand in the old list */
    bool kept;            /* the node at hand is in the new list, or is not wanted there */
    toffee_ptrmap uses;   /* toffee_value * -> itself, if an old node or the graph uses it */
    toffee_ptrmap ranks;  /* toffee_value * -> rank + 1, where a rule found it out */
    toffee_ptrmap shapes; /* toffee_value * -> the value whose shape it has, likewise */
    uint64_t next_name;
} toffee_rewrite;

/* What the first output has in common with the first input. */
typedef enum { TOFFEE_KEEPS_NOTHING, TOFFEE_KEEPS_RANK, TOFFEE_KEEPS_SHAPE } toffee_rewrite_keeps;

typedef struct {
    const char *op_type;
    const char *renamed; /* what it is called afterwards; NULL: the same */
    toffee_code (*rewrite)(toffee_rewrite *rw, toffee_node *node); /* NULL: nothing else to do */
    toffee_rewrite_keeps keeps;
} toffee_rewrite_rule;

/* Runs over all nodes of GRAPH. RULES is sorted by op_type; nodes of another domain are left alone;
 * a node without a rule is UNSUPPORTED, with WHY at the end of the message. On success the graph
 * has the new list and is relinked. Errors: NOMEM, UNSUPPORTED, those of the rules. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_run(toffee_rewrite *rw, toffee_graph *graph,
                                                const toffee_rewrite_rule *rules, size_t n_rules,
                                                const char *why);
/* UNSUPPORTED with a message that names NODE. */
toffee_code toffee_rewrite_fail(toffee_rewrite *rw, const toffee_node *node, const char *format,
                                ...) TOFFEE_PRINTF(3, 4);

/* A node OP_TYPE of N inputs in the new list; its one output is OUTPUT, or a fresh value if that is
 * NULL. *NODE may be NULL if only *RESULT, the output, is wanted; and the other way round. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_emit(toffee_rewrite *rw, const char *op_type,
                                                 toffee_value *const *inputs, size_t n,
                                                 toffee_value *output, toffee_node **node,
                                                 toffee_value **result);
/* Puts NODE, the one at hand, into the new list now; otherwise that is done after its rule. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_keep(toffee_rewrite *rw, toffee_node *node);
/* Gives NODE a fresh value as its first output and hands out the old one, for a node after it. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_detach(toffee_rewrite *rw, toffee_node *node,
                                                   toffee_value **old);
/* A value with a name (a free number). */
TOFFEE_NODISCARD toffee_code toffee_rewrite_value(toffee_rewrite *rw, toffee_value **out);
/* A free number as a name; NULL when memory is out. */
TOFFEE_NODISCARD const toffee_str *toffee_rewrite_name(toffee_rewrite *rw);
/* Renames the operator. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_rename(toffee_rewrite *rw, toffee_node *node,
                                                   const char *op_type);
/* Sets input AT, with inputs left out before it if need be. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_set_input(toffee_rewrite *rw, toffee_node *node,
                                                      size_t at, toffee_value *value);
/* Cuts the outputs from number N on. UNSUPPORTED if one of them is used; WHAT says what it is. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_cut_outputs(toffee_rewrite *rw, toffee_node *node,
                                                        size_t n, const char *what);

/* Initializers that are no inputs: of DTYPE with N_BYTES at DATA, which are copied; N int64, in one
 * dimension; and X as a scalar of the dtype of LIKE if that is known, else a float. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_tensor(toffee_rewrite *rw, toffee_dtype dtype,
                                                   const int64_t *dims, int32_t rank,
                                                   const void *data, size_t n_bytes,
                                                   toffee_value **out);
TOFFEE_NODISCARD toffee_code toffee_rewrite_ints(toffee_rewrite *rw, const int64_t *ints, size_t n,
                                                 toffee_value **out);
TOFFEE_NODISCARD toffee_code toffee_rewrite_scalar(toffee_rewrite *rw, double x,
                                                   const toffee_value *like, toffee_value **out);
/* The tensor behind VALUE if it is an initializer that is no argument of the model, or the output
 * of a Constant; else NULL. */
const toffee_tensor *toffee_rewrite_constant(const toffee_value *value);
/* Its elements as integers (INT64 or INT32) or as one number, in the graph's arena. *FOUND is false
 * when VALUE is no such constant. Errors: NOMEM, those of its source. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_read_ints(toffee_rewrite *rw, const toffee_value *value,
                                                      bool *found, const int64_t **ints, size_t *n);
TOFFEE_NODISCARD toffee_code toffee_rewrite_read_scalar(toffee_rewrite *rw,
                                                        const toffee_value *value, bool *found,
                                                        double *x);

/* X as an integer; what is out of range becomes the nearest one, NaN 0. */
int64_t toffee_rewrite_whole(double x);

/* Attributes. The getters leave *OUT alone where there is no NAME. Errors: UNSUPPORTED when it has
 * another type. INTS may also be one INT. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_get_int(toffee_rewrite *rw, const toffee_node *node,
                                                    const char *name, int64_t *out);
TOFFEE_NODISCARD toffee_code toffee_rewrite_get_float(toffee_rewrite *rw, const toffee_node *node,
                                                      const char *name, double *out);
TOFFEE_NODISCARD toffee_code toffee_rewrite_get_ints(toffee_rewrite *rw, const toffee_node *node,
                                                     const char *name, const int64_t **out,
                                                     size_t *n);
/* The text, terminated, in the graph's arena. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_get_string(toffee_rewrite *rw, const toffee_node *node,
                                                       const char *name, const char **out);
/* Removes the N attributes in NAMES, as far as they are there. */
void toffee_rewrite_remove_attrs(toffee_node *node, const char *const *names, size_t n);

/* What is known of VALUE, which may be NULL: its rank, or -1; its dtype, or UNDEFINED; dimension
 * AT, or -1. */
int32_t toffee_rewrite_rank(const toffee_rewrite *rw, const toffee_value *value);
toffee_dtype toffee_rewrite_dtype(const toffee_value *value);
int64_t toffee_rewrite_dim(const toffee_rewrite *rw, const toffee_value *value, int32_t at);
/* Whether dimension I of A is known to be dimension K of B: the same number or symbol. */
bool toffee_rewrite_same_dim(const toffee_rewrite *rw, const toffee_value *a, int32_t i,
                             const toffee_value *b, int32_t k);
/* Whether A and B are known to have the same shape. */
bool toffee_rewrite_same_shape(const toffee_rewrite *rw, const toffee_value *a,
                               const toffee_value *b);
/* Notes that VALUE has the shape of LIKE. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_set_shape(toffee_rewrite *rw, const toffee_value *value,
                                                      toffee_value *like);
/* Notes that VALUE (or NULL) has RANK; a negative RANK says nothing. */
TOFFEE_NODISCARD toffee_code toffee_rewrite_set_rank(toffee_rewrite *rw, const toffee_value *value,
                                                     int32_t rank);

#endif /* TOFFEE_WIRE_REWRITE_H */
