/* csrc/lower/chain.h -- building a value out of several nodes, with one error check at the end.
 *
 * A chain keeps the first error, like a sink: after it, every step does nothing and returns NULL,
 * and toffee_chain_return hands the error out. Write one step a line: C does not say in which order
 * the arguments of a call are evaluated, and the order of steps is the order of nodes.
 *
 * Operands of a step must be of one dtype (toffee_chain_operand and toffee_chain_cast see to that).
 * Every value made has its shape set. */
#ifndef TOFFEE_LOWER_CHAIN_H
#define TOFFEE_LOWER_CHAIN_H

#include "lower/lower.h"

typedef struct {
    toffee_lowering *lo;
    toffee_status *st;
    toffee_code rc;
} toffee_chain;

#define TOFFEE_CHAIN(lo, st) {(lo), (st), TOFFEE_OK}

/* Whether ONNX computes with DTYPE: it has no arithmetic on complex numbers. */
static inline bool
toffee_dtype_is_real(toffee_dtype dtype)
{
    toffee_category category = toffee_dtype_get(dtype)->category;

    return category != TOFFEE_CATEGORY_NONE && category != TOFFEE_CATEGORY_COMPLEX;
}

/* ARG (tensor or number) as a value of DTYPE. An argument that is not there declines the call. */
toffee_value *toffee_chain_operand(toffee_chain *chain, const toffee_arg *arg, toffee_dtype dtype);
toffee_value *toffee_chain_cast(toffee_chain *chain, toffee_value *x, toffee_dtype dtype);
/* The number F as a 0-d constant. */
toffee_value *toffee_chain_number(toffee_chain *chain, toffee_dtype dtype, double f);
/* The size N as a 0-d int64, which another may be put in place of (lower.h, is_twin). */
toffee_value *toffee_chain_size(toffee_chain *chain, int64_t n);
/* The N numbers from START in steps of STEP before LIMIT, all int64: Range. */
toffee_value *toffee_chain_range(toffee_chain *chain, toffee_value *start, toffee_value *limit,
                                 toffee_value *step, int64_t n);
/* 0, 1, … N - 1. */
toffee_value *toffee_chain_count(toffee_chain *chain, int64_t n);
/* OP_TYPE elementwise, with broadcasting; the result has the operands' dtype. Of bools, Add and Max
 * become Or, Mul and Min And. */
toffee_value *toffee_chain_unary(toffee_chain *chain, const char *op_type, toffee_value *x);
toffee_value *toffee_chain_binary(toffee_chain *chain, const char *op_type, toffee_value *a,
                                  toffee_value *b);
/* The same, and the result is a bool: Equal, Less, IsNaN, …; B is NULL for operators of one
 * operand. */
toffee_value *toffee_chain_test(toffee_chain *chain, const char *op_type, toffee_value *a,
                                toffee_value *b);
/* "Add", "Mul", … of X and the number F. */
toffee_value *toffee_chain_with(toffee_chain *chain, const char *op_type, toffee_value *x,
                                double f);
/* A where CONDITION (bool) holds, else B. */
toffee_value *toffee_chain_where(toffee_chain *chain, toffee_value *condition, toffee_value *a,
                                 toffee_value *b);
/* X rounded towards zero, for which ONNX has no operator. X is of a float type. */
toffee_value *toffee_chain_trunc(toffee_chain *chain, toffee_value *x);
/* The angle of the point (X, Y), from Atan and the quadrant: ONNX has no operator for it. Of two
 * infinities it is NaN, and of (-0, 0) it is 0; PyTorch has angles for them. */
toffee_value *toffee_chain_atan2(toffee_chain *chain, toffee_value *y, toffee_value *x);
/* ReduceSum, ReduceMax, … over N axes at AXES, counted from the front; over all when N is 0.
 * An operator of the family that takes its axes as an input. */
toffee_value *toffee_chain_reduce(toffee_chain *chain, const char *op_type, toffee_value *x,
                                  const int64_t *axes, size_t n, bool keepdim);
/* A B by MatMul. */
toffee_value *toffee_chain_product(toffee_chain *chain, toffee_value *a, toffee_value *b);
/* X with DIMS, by Reshape. */
toffee_value *toffee_chain_reshape(toffee_chain *chain, toffee_value *x, const int64_t *dims,
                                   int32_t rank);
/* Axis PERM[i] of X becomes axis i. */
toffee_value *toffee_chain_transpose(toffee_chain *chain, toffee_value *x, const int64_t *perm);
/* X, made larger to DIMS by broadcasting; X itself when it has them. */
toffee_value *toffee_chain_expand(toffee_chain *chain, toffee_value *x, const int64_t *dims,
                                  int32_t rank);
/* Sets an attribute of the node that made X. X must come straight from that operator: one that has
 * kernels for every dtype of X. */
void toffee_chain_set_int(toffee_chain *chain, toffee_value *x, const char *name, int64_t i);
/* X as result INDEX of the call; the chain's first error, if there was one. */
TOFFEE_NODISCARD toffee_code toffee_chain_return(toffee_chain *chain, const toffee_call *call,
                                                 size_t index, toffee_value *x);

#endif /* TOFFEE_LOWER_CHAIN_H */
