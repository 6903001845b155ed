/* csrc/caffe2/steps.h -- the steps that many rules are made of: one operator each, chained by the
 * names of blobs. Private to caffe2/.
 *
 * DST is the blob that a step makes, or NULL for one with a fresh name; each returns it. The last
 * step of a rule makes the node's output, so that nothing is copied. */
#ifndef TOFFEE_CAFFE2_STEPS_H
#define TOFFEE_CAFFE2_STEPS_H

#include "caffe2/rules.h"

/* ---- dtypes ---- */

#define TOFFEE_C2_BIT(dtype) (UINT64_C(1) << (dtype))

/* Sets of dtypes. What kernels of Caffe2 take is one of a few. */
#define TOFFEE_C2_SINGLE TOFFEE_C2_BIT(TOFFEE_DTYPE_FLOAT)
#define TOFFEE_C2_FLOATS (TOFFEE_C2_SINGLE | TOFFEE_C2_BIT(TOFFEE_DTYPE_DOUBLE))
#define TOFFEE_C2_INDEX (TOFFEE_C2_BIT(TOFFEE_DTYPE_INT32) | TOFFEE_C2_BIT(TOFFEE_DTYPE_INT64))
#define TOFFEE_C2_NUMBERS (TOFFEE_C2_FLOATS | TOFFEE_C2_INDEX)
#define TOFFEE_C2_BOOL TOFFEE_C2_BIT(TOFFEE_DTYPE_BOOL)
/* All that tensors of Caffe2 and of PyTorch 1.10 both hold. */
#define TOFFEE_C2_ANY                                                                              \
    (TOFFEE_C2_NUMBERS | TOFFEE_C2_BOOL | TOFFEE_C2_BIT(TOFFEE_DTYPE_FLOAT16) |                    \
     TOFFEE_C2_BIT(TOFFEE_DTYPE_INT8) | TOFFEE_C2_BIT(TOFFEE_DTYPE_UINT8) |                        \
     TOFFEE_C2_BIT(TOFFEE_DTYPE_INT16))

/* Whether the dtype of VALUE is known and in SET. */
bool toffee_c2_is(const toffee_value *value, uint64_t set);
/* OK if all inputs and outputs of the node have dtypes of TOFFEE_C2_ANY; else declines, naming one
 * that has not. */
TOFFEE_NODISCARD toffee_code toffee_c2_check_dtypes(toffee_c2 *c);
/* caffe2.TensorProto.DataType of a dtype of TOFFEE_C2_ANY, as arguments say it. */
int64_t toffee_c2_data_type(toffee_dtype dtype);
/* X, which is of dtype FROM, as TO. If they are the same: X itself, or where DST is given, the blob
 * DST in its place, if the last operator made X (which is then gone), or a copy of it. */
const char *toffee_c2_cast(toffee_c2 *c, const char *x, toffee_dtype from, toffee_dtype to,
                           const char *dst);
/* The dtype to compute in where ATen has no kernel for half: float for it, else the same. */
static inline toffee_dtype
toffee_c2_wide(toffee_dtype dtype)
{
    return dtype == TOFFEE_DTYPE_FLOAT16 ? TOFFEE_DTYPE_FLOAT : dtype;
}

/* ---- operators ---- */

/* A whole rule: Caffe2's operator of the row, with the node's inputs and first output, if the first
 * input is of a dtype of SET; else declines. */
TOFFEE_NODISCARD toffee_code toffee_c2_same(toffee_c2 *c, const toffee_c2_rule *rule, uint64_t set);

/* The output of the operator that is being described. */
const char *toffee_c2_to(toffee_c2 *c, const char *dst);
/* The name of input or output INDEX of the node; a fresh one for an output that is left out. */
const char *toffee_c2_x(toffee_c2 *c, size_t index);
const char *toffee_c2_y(toffee_c2 *c, size_t index);

/* Caffe2's operator TYPE, of one and two inputs. */
const char *toffee_c2_op1(toffee_c2 *c, const char *type, const char *x, const char *dst);
const char *toffee_c2_op2(toffee_c2 *c, const char *type, const char *a, const char *b,
                          const char *dst);
/* ATen's FUNCTION, of one to three inputs. Arguments may follow. */
const char *toffee_c2_aten1(toffee_c2 *c, const char *function, const char *x, const char *dst);
const char *toffee_c2_aten2(toffee_c2 *c, const char *function, const char *a, const char *b,
                            const char *dst);
const char *toffee_c2_aten3(toffee_c2 *c, const char *function, const char *a, const char *b,
                            const char *third, const char *dst);
/* ATen's FUNCTION with the argument ARG, a whole number or a list of them. */
const char *toffee_c2_aten_int(toffee_c2 *c, const char *function, const char *x, const char *arg,
                               int64_t value, const char *dst);
const char *toffee_c2_aten_ints(toffee_c2 *c, const char *function, const char *x, const char *arg,
                                const int64_t *values, size_t n, const char *dst);
/* ATen's FUNCTION of a tensor and an index or other argument along an axis, "dim". */
const char *toffee_c2_aten_dim2(toffee_c2 *c, const char *function, const char *a, const char *b,
                                int32_t axis, const char *dst);
const char *toffee_c2_aten_dim3(toffee_c2 *c, const char *function, const char *a, const char *b,
                                const char *third, int32_t axis, const char *dst);
/* LENGTH elements of AXIS from START. */
const char *toffee_c2_narrow(toffee_c2 *c, const char *x, int32_t axis, int64_t start,
                             int64_t length, const char *dst);
/* X, row-major, seen as DIMS. */
const char *toffee_c2_view(toffee_c2 *c, const char *x, const int64_t *dims, size_t rank,
                           const char *dst);
/* X seen as DIMS by Caffe2's own Reshape. */
const char *toffee_c2_reshape(toffee_c2 *c, const char *x, const int64_t *dims, size_t rank,
                              const char *dst);

/* ---- shapes ---- */

/* Both have all sizes known, and the same. */
bool toffee_c2_same_dims(toffee_c2 *c, const toffee_value *a, const toffee_value *b);
/* The product of DIMS[begin..end), at most INT64_MAX. */
int64_t toffee_c2_product(const int64_t *dims, size_t begin, size_t end);
/* N numbers 0, 1, 2, … of int64 with DIMS ([n] if NULL), which the init net makes. */
const char *toffee_c2_count_up(toffee_c2 *c, int64_t n, const int64_t *dims, size_t rank);
/* N zeroed numbers in the builder's arena; NULL after an error. */
int64_t *toffee_c2_numbers(toffee_c2 *c, size_t n);
/* DATA, elements of DTYPE, as a blob with DIMS that the init net makes. */
const char *toffee_c2_const(toffee_c2 *c, toffee_dtype dtype, const void *data, const int64_t *dims,
                            int32_t rank);
/* One number as such a blob without dims, of float or double. */
const char *toffee_c2_number(toffee_c2 *c, double number, toffee_dtype dtype);
/* INDEX, of int32 or int64, whose negative elements count from the end of an axis of N, as int64
 * without such. What lies outside stays outside, for the next operator to refuse. */
const char *toffee_c2_index_from_front(toffee_c2 *c, const toffee_value *index, int64_t n);

#endif /* TOFFEE_CAFFE2_STEPS_H */
