/* csrc/lower/spatial.h -- what convolutions, pools and resizes share: N and C in front, then
 * spatial axes with a window each. */
#ifndef TOFFEE_LOWER_SPATIAL_H
#define TOFFEE_LOWER_SPATIAL_H

#include "lower/fit.h"

/* Most spatial axes that any of them has. */
#define TOFFEE_MAX_SPATIAL 3

/* A window of taps on each spatial axis, as ONNX describes it. */
typedef struct {
    int32_t n; /* spatial axes */
    int64_t kernel[TOFFEE_MAX_SPATIAL];
    int64_t stride[TOFFEE_MAX_SPATIAL];
    int64_t dilation[TOFFEE_MAX_SPATIAL];
    int64_t begin[TOFFEE_MAX_SPATIAL]; /* padding in front */
    int64_t end[TOFFEE_MAX_SPATIAL];   /* padding behind */
} toffee_window;

/* The list argument NAME of CALL into OUT[n]: a single number counts for every axis, and an empty
 * or missing list is FALLBACK[n] (NULL: zeros). False when the list has another length. */
TOFFEE_NODISCARD bool toffee_call_axes(const toffee_call *call, const char *name, int32_t n,
                                       const int64_t *fallback, int64_t *out);

/* Sets dilations (where WITH_DILATIONS), kernel_shape, pads and strides. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_node_set_window(toffee_node *node, const toffee_window *window,
                                                    bool with_dilations, toffee_status *st);

/* *OUT becomes VALUE with axis AXIS multiplied by MATRIX [n_out, dim of AXIS]: linear maps along
 * one axis, such as averages and interpolations. MATRIX is row-major and is copied; VALUE is FLOAT
 * or DOUBLE. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_map_axis(toffee_lowering *lo, toffee_value *value, int32_t axis,
                                             const double *matrix, int64_t n_out,
                                             toffee_value **out, toffee_status *st);
/* The same by a value FACTOR [n_out, dim of AXIS], of VALUE's dtype. */
TOFFEE_NODISCARD toffee_code toffee_map_axis_by(toffee_lowering *lo, toffee_value *value,
                                                int32_t axis, toffee_value *factor,
                                                toffee_value **out, toffee_status *st);

/* *OUT becomes VALUE with axis AXIS replaced by the axes of TABLE, a constant of whole numbers of
 * these dims: Gather. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_gather_axis(toffee_lowering *lo, toffee_value *value,
                                                int32_t axis, const int64_t *table,
                                                const int64_t *dims, int32_t rank,
                                                toffee_value **out, toffee_status *st);

#endif /* TOFFEE_LOWER_SPATIAL_H */
