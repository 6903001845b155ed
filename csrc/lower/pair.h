/* csrc/lower/pair.h -- complex values as pairs of reals, for the lowerings of complex tensors.
 *
 * A complex tensor's value in the graph is real with a last axis of 2 (Note [Complex] in
 * trace/lazy.h); arg->dtype and result->dtype say that the tensor is complex. Arithmetic goes by
 * parts, which keep that axis with size 1, so that they broadcast as the tensors do. Steps are
 * those of a chain: after an error they do nothing and return NULL. */
#ifndef TOFFEE_LOWER_PAIR_H
#define TOFFEE_LOWER_PAIR_H

#include "lower/chain.h"

/* Last axis 1, or numbers without dimensions. IM is NULL for a real number. */
typedef struct {
    toffee_value *re;
    toffee_value *im;
} toffee_pair;

/* The dtype of the parts that ARGS are computed in: double where one of them is of double. */
toffee_dtype toffee_pair_dtype(const toffee_arg *const *args, size_t n);
/* The parts of X, a value of pairs. Those that it was put together from, if it was. */
toffee_pair toffee_pair_split(toffee_chain *chain, toffee_value *x);
/* ARG (tensor or number, real or complex) as parts of DTYPE. An argument that is not there declines
 * the call. */
toffee_pair toffee_pair_operand(toffee_chain *chain, const toffee_arg *arg, toffee_dtype dtype);
/* The pairs of Z, broadcast to DIMS with 2 behind them: RESULT's dims. */
toffee_value *toffee_pair_join(toffee_chain *chain, toffee_pair z, const toffee_result *result);
/* The joined Z as result 0 of the call. */
TOFFEE_NODISCARD toffee_code toffee_pair_return(toffee_chain *chain, const toffee_call *call,
                                                toffee_pair z);
/* X, a part or a bool of a part, without its last axis, as result 0 of the call. */
TOFFEE_NODISCARD toffee_code toffee_pair_return_part(toffee_chain *chain, const toffee_call *call,
                                                     toffee_value *x);
/* X without or with a last axis of 1. */
toffee_value *toffee_pair_drop_axis(toffee_chain *chain, toffee_value *x);
toffee_value *toffee_pair_add_axis(toffee_chain *chain, toffee_value *x);

/* The conjugate of X, a value of pairs. */
toffee_value *toffee_pair_conj(toffee_chain *chain, toffee_value *x);
toffee_pair toffee_pair_add(toffee_chain *chain, toffee_pair a, toffee_pair b);
toffee_pair toffee_pair_sub(toffee_chain *chain, toffee_pair a, toffee_pair b);
toffee_pair toffee_pair_mul(toffee_chain *chain, toffee_pair a, toffee_pair b);
toffee_pair toffee_pair_div(toffee_chain *chain, toffee_pair a, toffee_pair b);
/* A times the real number F. */
toffee_pair toffee_pair_scale(toffee_chain *chain, toffee_pair a, double f);
/* |A|, its angle, and e to the power of it. */
toffee_value *toffee_pair_abs(toffee_chain *chain, toffee_pair a);
toffee_value *toffee_pair_angle(toffee_chain *chain, toffee_pair a);
toffee_pair toffee_pair_exp(toffee_chain *chain, toffee_pair a);
toffee_pair toffee_pair_log(toffee_chain *chain, toffee_pair a);

#endif /* TOFFEE_LOWER_PAIR_H */
