/* csrc/lower/fit.h -- operands made to fit an operator: a dtype that it takes, a shape that is
 * known, tables of numbers. For lowerings of layers, where ONNX knows fewer dtypes than PyTorch. */
#ifndef TOFFEE_LOWER_FIT_H
#define TOFFEE_LOWER_FIT_H

#include "lower/lower.h"

/* The dtype in which to compute OP_TYPE on DTYPE: DTYPE itself where the first input of the
 * operator takes it, FLOAT where it is a float of 16 bits that the operator does not take (PyTorch
 * computes these in float, too, and rounds once at the end), UNDEFINED where neither will do. */
toffee_dtype toffee_fit_dtype(const char *op_type, toffee_dtype dtype);

/* toffee_emit whose output has these dims. NODE and OUT may be NULL. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_emit_dims(toffee_lowering *lo, const char *op_type,
                                              toffee_value *const *inputs, size_t n_inputs,
                                              toffee_dtype dtype, const int64_t *dims, int32_t rank,
                                              toffee_node **node, toffee_value **out,
                                              toffee_status *st);
/* toffee_emit whose output has dtype and dims of LIKE. NODE and OUT may be NULL. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_emit_like(toffee_lowering *lo, const char *op_type,
                                              toffee_value *const *inputs, size_t n_inputs,
                                              const toffee_value *like, toffee_node **node,
                                              toffee_value **out, toffee_status *st);
/* VALUE op F, where OP_TYPE keeps dtype and dims: the number becomes a 0-d constant. VALUE itself
 * when F changes nothing (Mul or Div by 1, Add or Sub of 0). Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_emit_scaled(toffee_lowering *lo, const char *op_type,
                                                toffee_value *value, double f, toffee_value **out,
                                                toffee_status *st);

/* VALUE with a dimension of 1 in front (Unsqueeze), and without it (Squeeze): for operators that
 * want a batch. Dims must be known. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_add_batch(toffee_lowering *lo, toffee_value *value,
                                              toffee_value **out, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_drop_batch(toffee_lowering *lo, toffee_value *value,
                                               toffee_value **out, toffee_status *st);

/* A tensor of these dims that holds F everywhere. Errors: NOMEM, UNSUPPORTED (not a number type).
 */
TOFFEE_NODISCARD toffee_code toffee_const_fill(toffee_lowering *lo, toffee_dtype dtype,
                                               const int64_t *dims, int32_t rank, double f,
                                               toffee_value **out, toffee_status *st);
/* A tensor of these dims that holds NUMBERS, as DTYPE, which is FLOAT or DOUBLE. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_const_table(toffee_lowering *lo, toffee_dtype dtype,
                                                const int64_t *dims, int32_t rank,
                                                const double *numbers, toffee_value **out,
                                                toffee_status *st);

#endif /* TOFFEE_LOWER_FIT_H */
