/* csrc/caffe2/nn.h -- what the rules of neural-network operators share. Private to caffe2/. */
#ifndef TOFFEE_CAFFE2_NN_H
#define TOFFEE_CAFFE2_NN_H

#include "caffe2/steps.h"

/* Kernels of ATen compute with float and double; half goes by way of float. */
#define TOFFEE_C2_REALS (TOFFEE_C2_FLOATS | TOFFEE_C2_BIT(TOFFEE_DTYPE_FLOAT16))

/* ---- half ---- */

/* Input INDEX, as float if it is half. */
const char *toffee_c2_wide_x(toffee_c2 *c, size_t index);
/* Where output INDEX is to be computed: the output, or a fresh blob if the output is half. */
const char *toffee_c2_wide_y(toffee_c2 *c, size_t index);
/* After the last step, for the name that toffee_c2_wide_y gave. */
void toffee_c2_wide_done(toffee_c2 *c, size_t index, const char *y);

/* ---- limits ---- */

/* Numbers beyond these are no kernel or stride and no size that memory could hold: a graph that
 * has them lies, and products of them could overflow. */
#define TOFFEE_C2_MAX_ATTR (INT64_C(1) << 24)
#define TOFFEE_C2_MAX_SIZE (INT64_C(1) << 36)
/* Elements of a table that a rule makes. */
#define TOFFEE_C2_MAX_TABLE (INT64_C(1) << 24)
/* Whether -LIMIT <= X <= LIMIT. */
static inline bool
toffee_c2_within(int64_t x, int64_t limit)
{
    return x >= -limit && x <= limit;
}
/* Whether all N are. */
bool toffee_c2_all_within(const int64_t *x, size_t n, int64_t limit);

/* ---- steps ---- */

/* ATen's FUNCTION of X with the argument ARG, a number that is passed whole where it is. */
const char *toffee_c2_aten_number(toffee_c2 *c, const char *function, const char *x,
                                  const char *arg, double value, const char *dst);
/* ATen's FUNCTION over the axes AXES, which stay as ones: sum, mean, amax. */
const char *toffee_c2_aten_over(toffee_c2 *c, const char *function, const char *x,
                                const int64_t *axes, size_t n, const char *dst);
/* X with BEGIN and END elements of VALUE around its last N axes; negative ones cut off. X itself if
 * there is nothing to do and DST is NULL. */
const char *toffee_c2_pad_last(toffee_c2 *c, const char *x, const int64_t *begin,
                               const int64_t *end, int32_t n, double value, const char *dst);
/* A blob of DTYPE (float or double) with DIMS that is VALUE all over, made by the init net. */
const char *toffee_c2_filled(toffee_c2 *c, double value, const int64_t *dims, size_t rank,
                             toffee_dtype dtype);
/* VALUES as a blob of DTYPE (float or double) with DIMS, made by the init net. */
const char *toffee_c2_table(toffee_c2 *c, const double *values, const int64_t *dims, size_t rank,
                            toffee_dtype dtype);
/* N zeroed doubles in the builder's arena; NULL after a failure, which the builder keeps. */
double *toffee_c2_doubles(toffee_c2 *c, size_t n);
/* The axes of X in the order PERM, by Caffe2's Transpose or ATen's permute. */
const char *toffee_c2_permute(toffee_c2 *c, const char *x, const int64_t *perm, size_t n,
                              const char *dst);

/* ---- windows ---- */

#define TOFFEE_C2_MAX_SPATIAL 3

/* What slides over the spatial axes, those behind N and C. */
typedef struct {
    int32_t n;
    int64_t kernel[TOFFEE_C2_MAX_SPATIAL];
    int64_t stride[TOFFEE_C2_MAX_SPATIAL];
    int64_t dilation[TOFFEE_C2_MAX_SPATIAL];
    int64_t begin[TOFFEE_C2_MAX_SPATIAL];
    int64_t end[TOFFEE_C2_MAX_SPATIAL];
    int64_t in[TOFFEE_C2_MAX_SPATIAL]; /* sizes of the input; -1: not known */
    bool auto_pad;                     /* SAME_*, whose pads are known only if the sizes are */
} toffee_c2_window;

/* The attributes of the node at hand; kernel_shape is that of WEIGHTS (may be NULL) if it is not
 * said. NULL, or why there is no window to speak of. Pads of auto_pad are worked out. */
const char *toffee_c2_window_read(toffee_c2 *c, const toffee_value *weights, toffee_c2_window *out);
/* From the first to the last tap on AXIS. */
static inline int64_t
toffee_c2_window_span(const toffee_c2_window *w, int32_t axis)
{
    return (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}
/* Whether both sides of each axis have the same padding; whether some axis is dilated. */
bool toffee_c2_window_even(const toffee_c2_window *w);
bool toffee_c2_window_dilated(const toffee_c2_window *w);
/* Caffe2's arguments: kernels, strides, pads and, where there are some, dilations. */
void toffee_c2_window_args(toffee_c2 *c, const toffee_c2_window *w);
/* ATen's convolution of blobs, padded beforehand where the sides differ. */
const char *toffee_c2_conv(toffee_c2 *c, const toffee_c2_window *w, const char *x,
                           const char *weights, const char *bias, int64_t group, const char *dst);

/* Declines: Caffe2's kernels are for float32; PyTorch's for floating-point numbers. */
toffee_code toffee_c2_decline_single(toffee_c2 *c);
toffee_code toffee_c2_decline_real(toffee_c2 *c);

#endif /* TOFFEE_CAFFE2_NN_H */
