/* csrc/lower/shape.h -- emitters for moving elements about, shared by views, shapes and indexing.
 *
 * Each but toffee_positions and its table appends at most one node beside constants, sets the shape
 * of what it makes, and gives back VALUE itself where there is nothing to do. Dims of VALUE must be
 * known. Errors: NOMEM. */
#ifndef TOFFEE_LOWER_SHAPE_H
#define TOFFEE_LOWER_SHAPE_H

#include "lower/lower.h"

/* COUNT elements of AXIS: START, START + STEP, …, all inside the dimension. A negative START counts
 * from the end, and so does its node. */
typedef struct {
    int64_t axis;
    int64_t start;
    int64_t count;
    int64_t step; /* not 0; negative walks backwards */
} toffee_range;

/* VALUE cut down to N ranges on different axes, by one Slice. A range that reaches the end says so
 * without naming the size. */
TOFFEE_NODISCARD toffee_code toffee_slice(toffee_lowering *lo, toffee_value *value,
                                          const toffee_range *ranges, size_t n, toffee_value **out,
                                          toffee_status *st);
/* VALUE without AXIS, at INDEX of it: Gather by a 0-d number. */
TOFFEE_NODISCARD toffee_code toffee_select(toffee_lowering *lo, toffee_value *value, int64_t axis,
                                           int64_t index, toffee_value **out, toffee_status *st);
/* AXIS of VALUE replaced by the dims of INDICES (int32 or int64, none negative): Gather. */
TOFFEE_NODISCARD toffee_code toffee_gather(toffee_lowering *lo, toffee_value *value, int64_t axis,
                                           toffee_value *indices, toffee_value **out,
                                           toffee_status *st);
/* VALUE without these N axes, which are of size 1; AXES ascend. */
TOFFEE_NODISCARD toffee_code toffee_squeeze(toffee_lowering *lo, toffee_value *value,
                                            const int64_t *axes, size_t n, toffee_value **out,
                                            toffee_status *st);
/* VALUE with N axes of size 1 put in; AXES ascend and count in the output. */
TOFFEE_NODISCARD toffee_code toffee_unsqueeze(toffee_lowering *lo, toffee_value *value,
                                              const int64_t *axes, size_t n, toffee_value **out,
                                              toffee_status *st);
/* VALUE broadcast to DIMS; its rank may be smaller. Dimensions that stay are not named. Where
 * graphs of several sizes are compared (is_twin) there is a node also if nothing changes. */
TOFFEE_NODISCARD toffee_code toffee_expand(toffee_lowering *lo, toffee_value *value,
                                           const int64_t *dims, int32_t rank, toffee_value **out,
                                           toffee_status *st);
/* N >= 1 values of one dtype and rank, one after the other on AXIS. */
TOFFEE_NODISCARD toffee_code toffee_concat(toffee_lowering *lo, toffee_value *const *values,
                                           size_t n, int64_t axis, toffee_value **out,
                                           toffee_status *st);
/* VALUE of DIMS, which differ from its own only by ones or not at all in elements: Squeeze or
 * Unsqueeze where that says it, else Reshape. */
TOFFEE_NODISCARD toffee_code toffee_fit(toffee_lowering *lo, toffee_value *value,
                                        const int64_t *dims, int32_t rank, toffee_value **out,
                                        toffee_status *st);
/* DATA with UPDATES put in at INDICES (int64) by OP_TYPE, ScatterND or ScatterElements; AXIS is for
 * the latter. REDUCTION ("add", "mul", "max", "min") joins what falls on one place; NULL: the last
 * one stays. Where the runtime has no kernel for that, in a wider dtype and back. */
TOFFEE_NODISCARD toffee_code toffee_scatter(toffee_lowering *lo, const char *op_type,
                                            toffee_value *data, toffee_value *indices,
                                            toffee_value *updates, const char *reduction,
                                            int64_t axis, toffee_value **out, toffee_status *st);
/* The dims to which A and B broadcast into DIMS, and their rank. */
int32_t toffee_broadcast_dims(const toffee_value *a, const toffee_value *b, int64_t *dims);
/* VALUE, or VALUE with one dimension where it has none. */
TOFFEE_NODISCARD toffee_code toffee_at_least_1d(toffee_lowering *lo, toffee_value *value,
                                                toffee_value **out, toffee_status *st);
/* The strides of a tensor of DIMS whose elements follow one another, in elements. */
void toffee_strides(const int64_t *dims, int32_t rank, int64_t *strides);
/* The lowering of aten::repeat_interleave(repeats) with a tensor alone. (lower_group.c) */
TOFFEE_NODISCARD toffee_code toffee_lower_repeats(toffee_lowering *lo, const toffee_call *call,
                                                  toffee_status *st);
/* 0, 1, … N - 1 as int64 of [n], or of [n, 1] if AS_COLUMN: an initializer, or Range where N may be
 * a size (lower.h, is_twin). Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_positions(toffee_lowering *lo, int64_t n, bool as_column,
                                              toffee_value **out, toffee_status *st);
/* The numbers r * ROW_STEP + c * COLUMN_STEP as int64 of DIMS, computed by the graph. Errors:
 * NOMEM.
 */
TOFFEE_NODISCARD toffee_code toffee_positions_table(toffee_lowering *lo, const int64_t dims[2],
                                                    int64_t row_step, int64_t column_step,
                                                    toffee_value **out, toffee_status *st);
/* An initializer without elements: one of DIMS is 0. */
TOFFEE_NODISCARD toffee_code toffee_const_empty(toffee_lowering *lo, toffee_dtype dtype,
                                                const int64_t *dims, int32_t rank,
                                                toffee_value **out, toffee_status *st);

#endif /* TOFFEE_LOWER_SHAPE_H */
