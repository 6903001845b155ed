/* csrc/opt/eval.h -- what operators compute of constants, for folding. Private to opt/.
 *
 * Each rule gets its inputs as constants, which may be wrong in every way that a file can be: what
 * it does not understand, it leaves. It never rounds, but for casts between float and double. */
#ifndef TOFFEE_OPT_EVAL_H
#define TOFFEE_OPT_EVAL_H

#include "opt/pass.h"

typedef struct {
    toffee_arena *arena;
    const toffee_node *node;
    const toffee_tensor *const *in; /* a tensor for each input, NULL: left out or not constant */
    toffee_tensor *out;             /* NULL until it is known */
} toffee_eval;

/* A rule fills e->out or leaves it. Errors: NOMEM. */
typedef toffee_code toffee_eval_rule(toffee_eval *e, toffee_status *st);
toffee_eval_rule toffee_eval_reshape, toffee_eval_transpose, toffee_eval_expand, toffee_eval_slice,
    toffee_eval_concat, toffee_eval_gather, toffee_eval_shape, toffee_eval_fill, toffee_eval_range;
toffee_eval_rule toffee_eval_cast, toffee_eval_elements, toffee_eval_unary, toffee_eval_where;

/* ---- for rules ---- */

/* The constant that is input INDEX; NULL if it is none. */
const toffee_tensor *toffee_eval_input(const toffee_eval *e, size_t index);
/* Whether TENSOR is there, of whole numbers or truth values. */
bool toffee_eval_is_whole(const toffee_tensor *tensor);
/* Makes e->out and points *DATA at room for its elements, zeroed. Both are NULL if it would be
 * larger than TOFFEE_OPT_MAX_BYTES. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_eval_result(toffee_eval *e, toffee_dtype dtype,
                                                const int64_t *dims, int32_t rank, void **data,
                                                toffee_status *st);
/* The next position in DIMS, row by row; INDEX goes from all 0 to all 0. */
void toffee_eval_index_next(int64_t *index, const int64_t *dims, int32_t rank);
/* Strides with which X is read as a tensor of DIMS, to which it is broadcast; false if it cannot
 * be. */
bool toffee_eval_broadcast_strides(const toffee_tensor *x, const int64_t *dims, int32_t rank,
                                   int64_t *strides);
/* Enlarges DIMS (room for TOFFEE_MAX_RANK), of *RANK, to hold X as well; false if that cannot be.
 */
bool toffee_eval_broadcast_dims(const toffee_tensor *x, int64_t *dims, int32_t *rank);

#endif /* TOFFEE_OPT_EVAL_H */
