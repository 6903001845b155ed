/* csrc/size/twins.h -- what the files of the unification share. Private to size/. */
#ifndef TOFFEE_SIZE_TWINS_H
#define TOFFEE_SIZE_TWINS_H

#include "ir/names.h"
#include "size/fit.h"
#include "size/unify.h"

/* Most elements of a constant that are expressed one by one. */
#define TOFFEE_UNIFY_MAX_ITEMS 64
/* Inputs of a node whose elements are known at all sizes; further ones are not noted. */
#define TOFFEE_UNIFY_MAX_SLOTS 5

/* The sizes of a value of the first graph, and what it is in the others. */
typedef struct {
    toffee_value *const *twins;      /* one a graph */
    const toffee_expr *const *sizes; /* one an axis; NULL: rank is not known */
    int32_t rank;                    /* -1: not known */
} toffee_twin;

/* Where the graph has a derived size. */
typedef struct {
    toffee_value *value;
    int32_t axis;
} toffee_size_owner;

typedef struct {
    const toffee_twins *in;
    toffee_graph *graph; /* the first */
    size_t n;            /* graphs, and points */
    toffee_arena *arena; /* scratch for the whole run */
    toffee_exprs *pool;
    toffee_ptrmap twins;   /* value of the first graph -> toffee_twin * */
    toffee_ptrmap instead; /* value of the first graph -> what to read in its place */
    /* The node at hand, in each graph; [0] is of the first. */
    toffee_node *const *nodes;
    TOFFEE_VEC(const toffee_expr *) hints;                   /* sizes of its inputs, for fits */
    const toffee_expr *const *slots[TOFFEE_UNIFY_MAX_SLOTS]; /* elements of inputs that moved */
    size_t n_slots[TOFFEE_UNIFY_MAX_SLOTS];                  /* how many of each */
    /* What is made for it. */
    TOFFEE_VEC(toffee_node *) made;   /* the new list of nodes */
    TOFFEE_VEC(toffee_value *) fresh; /* values of nodes that the traces do not have */
    toffee_strpool *keys;             /* of the maps below */
    toffee_ptrmap sizes;              /* expression or atom -> INT64 [1] value */
    toffee_ptrmap vectors;            /* interned list of expressions -> INT64 [n] value */
    toffee_ptrmap scalars;            /* interned (expression, dtype, form) -> 0-d value */
    toffee_ptrmap constants;          /* interned bytes -> initializer */
    size_t n_constants;               /* numbers tried for their names */
    toffee_names names;
    bool names_nodes;
} toffee_unifier;

/* ---- unify.c ---- */

/* The twin of VALUE, which is in the first graph; NULL: it has none (a constant). */
toffee_twin *toffee_unifier_twin(const toffee_unifier *u, const toffee_value *value);
/* The size of axis AXIS of VALUE, or NULL where that is not known. */
const toffee_expr *toffee_unifier_size(const toffee_unifier *u, const toffee_value *value,
                                       int32_t axis);
/* Into *OUT element I of the whole numbers that input INDEX of the node at hand is at all points,
 * if it is a constant and has that element; else false. */
TOFFEE_NODISCARD bool toffee_unifier_constant(const toffee_unifier *u, size_t index, size_t i,
                                              int64_t *out);
/* Expresses SAMPLES (one a point), with the sizes of the node's inputs as hints; *OUT is NULL where
 * nothing fits. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_unifier_fit(toffee_unifier *u, const int64_t *samples,
                                                const toffee_expr **out, toffee_status *st);
/* Fails with TRACE, for the node at hand: "my.py:3: Reshape 'x/Reshape': <FORMAT>", and the sizes
 * of the points FIRST and SECOND. */
toffee_code toffee_unifier_fail(const toffee_unifier *u, size_t first, size_t second,
                                toffee_status *st, const char *format, ...) TOFFEE_PRINTF(5, 6);

/* ---- length.c ---- */

/* The windows of a node along one axis. */
typedef struct {
    int64_t kernel, stride, dilation;
    int64_t begin, end; /* padding */
    bool ceils;         /* a last window may hang over */
} toffee_windows;

/* Into *OUT the windows of the node at hand along AXIS; false: there are none, or its attributes do
 * not say them. */
TOFFEE_NODISCARD bool toffee_unifier_windows(const toffee_unifier *u, int32_t axis,
                                             toffee_windows *out);

/* *OUT is the size, SAMPLES, of AXIS of what comes out of the node at hand, as it follows from its
 * inputs and attributes; NULL: it does not. *IS_SIMPLE: nobody would write it otherwise. Errors:
 * NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_unifier_length(toffee_unifier *u, int32_t axis,
                                                   const int64_t *samples, bool *is_simple,
                                                   const toffee_expr **out, toffee_status *st);

/* ---- pair.c ---- */

/* Notes that VALUES, one of each graph, are the same value, and expresses its sizes: those that fit
 * no expression are derived (see expr.h). Errors: NOMEM; TRACE: of other types. */
TOFFEE_NODISCARD toffee_code toffee_unifier_pair(toffee_unifier *u, toffee_value *const *values,
                                                 toffee_status *st);

/* ---- bypass.c ---- */

/* Into *DONE whether the node at hand, which is unified, is a slice from the first to the last
 * element, which is what x[:, :n] is where n is its size, a padding with nothing, or an expansion
 * to what is there: what reads it reads x. Not if the graph returns it. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_unifier_bypass(toffee_unifier *u, bool *done,
                                                   toffee_status *st);

/* ---- slot.c: inputs of a node that moved ---- */

/* *OUT is what input INDEX of the node at hand is at all sizes; SEEN are the constants that it is
 * at the points, which are not equal. Errors: NOMEM, TRACE. */
TOFFEE_NODISCARD toffee_code toffee_unifier_slot(toffee_unifier *u, size_t index,
                                                 toffee_value *const *seen, toffee_value **out,
                                                 toffee_status *st);

/* ---- attribute.c ---- */

/* Has the node at hand do without attribute NAME, whose value is another at POINT. Errors: NOMEM,
 * TRACE. */
TOFFEE_NODISCARD toffee_code toffee_unifier_attribute(toffee_unifier *u, const char *name,
                                                      size_t point, toffee_status *st);

/* Has a pool with ceil_mode, which runtimes understand differently, say by padding where the last
 * window of an axis of one size ends; a pool without other axes has no ceil_mode then. Errors:
 * NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_unifier_settle_pool(toffee_unifier *u, toffee_status *st);

/* That the neighbours which a Resize at hand takes by sizes do not hang on the sizes of the traces:
 * where an element lies on the border of two, runtimes round as they like. Errors: TRACE. */
TOFFEE_NODISCARD toffee_code toffee_unifier_check_resize(const toffee_unifier *u,
                                                         toffee_status *st);

/* ---- table.c: constants whose own sizes moved ---- */

/* *OUT computes the constants SEEN (one a point): they are one number everywhere, evenly spaced
 * numbers, or a triangle; NULL: none of these. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_unifier_table(toffee_unifier *u, toffee_value *const *seen,
                                                  toffee_value **out, toffee_status *st);

/* ---- make.c: nodes that compute sizes ---- */

/* Appends a node in front of the one at hand, with one output of DTYPE and DIMS (rank of them, NULL
 * for a 0-d one; -1: not known). *NODE may be NULL. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_make_node(toffee_unifier *u, const char *op_type,
                                              toffee_value *const *inputs, size_t n_inputs,
                                              toffee_dtype dtype, const int64_t *dims, int32_t rank,
                                              toffee_node **node, toffee_value **out,
                                              toffee_status *st);
/* An initializer; equal ones are shared. DATA is copied. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_make_constant(toffee_unifier *u, toffee_dtype dtype,
                                                  const int64_t *dims, int32_t rank,
                                                  const void *data, toffee_value **out,
                                                  toffee_status *st);
/* VALUE with elements of DTYPE: itself, if it has them. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_make_cast(toffee_unifier *u, toffee_value *value,
                                              toffee_dtype dtype, toffee_value **out,
                                              toffee_status *st);
/* VALUE with other DIMS (rank of them, at least one; -1 in one at most: the rest). Errors: NOMEM.
 */
TOFFEE_NODISCARD toffee_code toffee_make_reshape(toffee_unifier *u, toffee_value *value,
                                                 const int64_t *dims, int32_t rank,
                                                 toffee_value **out, toffee_status *st);
/* N sizes as an INT64 [n]. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_make_vector(toffee_unifier *u, const toffee_expr *const *sizes,
                                                size_t n, toffee_value **out, toffee_status *st);
/* One as a 0-d number of DTYPE, or as FORM of it (see fit.h) times SCALE. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_make_scalar(toffee_unifier *u, const toffee_expr *size,
                                                toffee_dtype dtype, toffee_value **out,
                                                toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_make_real(toffee_unifier *u, const toffee_real_fit *fit,
                                              toffee_dtype dtype, toffee_value **out,
                                              toffee_status *st);

/* ---- numbers in tensors ---- */

/* Element I of DATA, of a whole-number or bool dtype of at most 64 bits. */
int64_t toffee_element_int(toffee_dtype dtype, const void *data, uint64_t i);
/* Element I of FLOAT, DOUBLE, FLOAT16 or BFLOAT16 data. */
double toffee_element_real(toffee_dtype dtype, const void *data, uint64_t i);

#endif /* TOFFEE_SIZE_TWINS_H */
