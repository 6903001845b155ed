/* csrc/ops/infer.h -- types and shapes of values that nobody declared: what follows, node by node,
 * from the inputs. Private to ops/; the doors to the outside are in check.h.
 *
 * The checker walks a graph and calls, for each node, toffee_infer_begin, the `infer` rule of the
 * node's row, and toffee_infer_end. What is known of a value is a fact. Facts live in a scratch
 * arena beside the graph, which is not changed. A rule is called when arity, attributes and dtypes
 * of its node are as the row says; it reads facts of the inputs and fills those of the outputs. Its
 * errors are NOMEM and CHECK, with a message that does not name the node. */
#ifndef TOFFEE_OPS_INFER_H
#define TOFFEE_OPS_INFER_H

#include "ops/dims.h"
#include "ops/optable.h"

/* Most elements of a tensor that are followed one by one: enough for the begins and ends of the
 * largest rank. It keeps the work on a node within bounds. */
#define TOFFEE_INFER_MAX_ITEMS ((size_t)2 * TOFFEE_MAX_RANK)

/* An element of a tensor of whole numbers or truth values. One that has a symbol is the size of an
 * axis, so it is not negative. */
typedef struct {
    int64_t value;           /* counts if `known` */
    const toffee_str *param; /* or NULL; counts if not `known` */
    bool known;
} toffee_scalar;

typedef struct toffee_fact toffee_fact;

struct toffee_fact {
    toffee_dtype dtype;          /* UNDEFINED: not known, or no tensor */
    int32_t rank;                /* -1: not known */
    const toffee_dim *dims;      /* rank of them */
    const toffee_tensor *tensor; /* the constant that the value is, its bytes at hand; or NULL */
    const toffee_scalar *items;  /* elements, row by row, of an INT64, INT32 or BOOL; NULL: none */
    size_t n_items;              /* as many as the dims say */
    const toffee_fact *member;   /* of a sequence, or an optional: what holds for its members */
    bool optional;               /* it is an optional, and has a member */
    bool given;                  /* false: an input that is left out */
};

/* The number that a symbol turned out to be. */
typedef struct {
    int64_t size;
    const toffee_value *value; /* where */
    int32_t axis;
} toffee_symbol_size;

struct toffee_infer {
    toffee_arena *scratch;
    toffee_ptrmap facts;    /* toffee_value * -> toffee_fact * */
    const toffee_fact **in; /* of the node at hand */
    size_t n_in;
    toffee_fact *out;
    toffee_fact **declared; /* of each output: what the graph declares; NULL: nothing */
    size_t n_out;
    toffee_ptrmap sizes; /* toffee_str *, a symbol of the outermost graph -> toffee_symbol_size * */
    toffee_fact spare;   /* what is said of an output that the node has not goes here */
    int64_t opset;       /* that the graph declares for the default domain */
    const struct toffee_function_table *functions; /* that nodes may call; NULL: none */
    int depth;                                     /* of the graph at hand: 0 is the outermost */
    /* Checks a graph inside a node and infers in it; the walk that the whole began with. NULL: only
     * one node is looked at, not what is inside it. */
    toffee_code (*walk)(toffee_infer *ctx, const toffee_graph *graph, toffee_status *st);
};

/* ---- for the walk ---- */

/* Before the nodes of GRAPH: takes in what its lists declare of what its nodes make. A type that a
 * value still has but that is in no list counts no more. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_infer_enter(toffee_infer *ctx, const toffee_graph *graph,
                                                toffee_status *st);
/* Facts about the inputs of NODE, from what the walk found and what is declared; none yet about the
 * outputs. Errors: NOMEM; CHECK where a declaration contradicts what is known. */
TOFFEE_NODISCARD toffee_code toffee_infer_begin(toffee_infer *ctx, const toffee_node *node,
                                                toffee_status *st);
/* Holds what was inferred about the outputs of NODE against what is declared, and keeps both
 * together. Errors: NOMEM; CHECK naming the output and both types. */
TOFFEE_NODISCARD toffee_code toffee_infer_end(toffee_infer *ctx, const toffee_node *node,
                                              toffee_status *st);
/* Into *OUT the fact about VALUE, made from its declaration if nothing else is known. Borrowed from
 * the scratch arena. Errors: NOMEM, CHECK. */
TOFFEE_NODISCARD toffee_code toffee_infer_value(toffee_infer *ctx, const toffee_value *value,
                                                const toffee_fact **out, toffee_status *st);
/* Declares in GRAPH, and in the graphs inside it, what CTX found out about their values.
 * Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_infer_declare(toffee_infer *ctx, toffee_graph *graph,
                                                  toffee_status *st);
/* The same for the outputs of NODE, which is the node at hand; they are put in no list. */
TOFFEE_NODISCARD toffee_code toffee_infer_declare_node(toffee_infer *ctx, toffee_node *node,
                                                       toffee_status *st);

/* ---- for rules ---- */

/* The fact about input INDEX; one that says nothing if it is left out. */
const toffee_fact *toffee_infer_in(const toffee_infer *ctx, size_t index);
/* The fact to fill about output INDEX; one that nobody reads if there is no such output. */
toffee_fact *toffee_infer_out(toffee_infer *ctx, size_t index);
/* RANK sizes, none known yet, in the scratch arena. Errors: NOMEM; CHECK over TOFFEE_MAX_RANK. */
TOFFEE_NODISCARD toffee_code toffee_infer_dims(toffee_infer *ctx, int64_t rank, toffee_dim **out,
                                               toffee_status *st);
/* N elements, none known yet. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_infer_scalars(toffee_infer *ctx, size_t n, toffee_scalar **out,
                                                  toffee_status *st);
/* Gives FACT rank 0. */
void toffee_fact_set_scalar(toffee_fact *fact);
/* Gives FACT the shape of OTHER. */
void toffee_fact_copy_shape(toffee_fact *fact, const toffee_fact *other);
/* Gives FACT all that is known about TENSOR, elements included. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_fact_set_tensor(toffee_infer *ctx, toffee_fact *fact,
                                                    const toffee_tensor *tensor, toffee_status *st);
/* The size of axis AXIS of FACT; not known if there is no such axis. */
toffee_dim toffee_fact_dim(const toffee_fact *fact, int32_t axis);
/* The number of elements of FACT; -1: not known. */
int64_t toffee_fact_count(const toffee_fact *fact);
/* Into *OUT element INDEX of FACT; false if it is not known as a number. */
TOFFEE_NODISCARD bool toffee_fact_int(const toffee_fact *fact, size_t index, int64_t *out);
/* The same of a constant of any real dtype, as a double. */
TOFFEE_NODISCARD bool toffee_fact_real(const toffee_fact *fact, size_t index, double *out);
/* An element as the size of an axis, and back. */
toffee_dim toffee_dim_of_scalar(toffee_scalar scalar);
toffee_scalar toffee_scalar_of_dim(toffee_dim dim);
toffee_scalar toffee_scalar_of(int64_t value);
/* What holds for a value that is described by both A and B, or by either of them. WHAT is for the
 * message of meet: CHECK if they contradict each other. Also NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_fact_meet(toffee_infer *ctx, toffee_fact *a,
                                              const toffee_fact *b, const char *what,
                                              toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_fact_join(toffee_infer *ctx, toffee_fact *a,
                                              const toffee_fact *b, toffee_status *st);
/* "FLOAT (2, 3, ?)", cut at SIZE. For messages. */
void toffee_fact_describe(const toffee_fact *fact, char *buffer, size_t size);
/* The broadcast of N facts' shapes into OUT. Errors: NOMEM; CHECK where they cannot be. */
TOFFEE_NODISCARD toffee_code toffee_infer_broadcast(toffee_infer *ctx, toffee_fact *out,
                                                    const toffee_fact *const *facts, size_t n,
                                                    toffee_status *st);
/* Walks GRAPH, an attribute of the node at hand, with INPUTS (N facts) about its inputs; then *OUT
 * has a fact about each of its outputs. Errors: the walk's. */
TOFFEE_NODISCARD toffee_code toffee_infer_body(toffee_infer *ctx, const toffee_graph *graph,
                                               const char *attr, const toffee_fact *inputs,
                                               size_t n, const toffee_fact ***out,
                                               toffee_status *st);

#endif /* TOFFEE_OPS_INFER_H */
