/* csrc/lower/view.h -- reading and writing part of a value, by memory geometry.
 *
 * Every tensor that shares a storage is a rectangle of strides in it. That is enough to express any
 * view in terms of the value of the whole (its root), and any write through a view as a new value
 * of the whole, whichever chain of operators made the view. Plain cases become Reshape, Transpose,
 * Slice, Gather, Concat; only what is none of these becomes a gather or scatter by constant index.
 */
#ifndef TOFFEE_LOWER_VIEW_H
#define TOFFEE_LOWER_VIEW_H

#include "lower/lower.h"

/* Counted in elements; OFFSET is from the first element of the root's memory. */
typedef struct {
    int64_t offset;
    int32_t rank;
    const int64_t *sizes;
    const int64_t *strides;
} toffee_geometry;

/* Same offset, sizes and strides (strides of dimensions of size 1 do not count). */
bool toffee_geometry_equal(const toffee_geometry *a, const toffee_geometry *b);
/* Whether several elements of the view may share a place: true for all that do, and for some that
 * interleave. */
bool toffee_geometry_may_overlap(const toffee_geometry *view);
/* Whether every element of the root is one of the view's, exactly once. */
bool toffee_geometry_covers(const toffee_geometry *root, const toffee_geometry *view);
/* Whether the view lies inside the root's memory: each of its elements is one of the root's. */
bool toffee_geometry_inside(const toffee_geometry *root, const toffee_geometry *view);

/* *OUT becomes what VIEW sees when the root's value is ROOT_VALUE: dims VIEW->sizes.
 * No two elements of ROOT may share a place; gaps between them are allowed. VIEW must be inside it.
 * Errors: NOMEM, UNSUPPORTED (root overlaps itself, view outside), LIMIT. */
TOFFEE_NODISCARD toffee_code toffee_view_read(toffee_lowering *lo, toffee_value *root_value,
                                              const toffee_geometry *root,
                                              const toffee_geometry *view, toffee_value **out,
                                              toffee_status *st);
/* *OUT becomes the root's value after NEW (dims VIEW->sizes, dtype of the root) was written through
 * VIEW; dims ROOT->sizes. A view whose elements overlap is refused, as PyTorch does.
 * Errors: as above, and UNSUPPORTED for the overlap. */
TOFFEE_NODISCARD toffee_code toffee_view_write(toffee_lowering *lo, toffee_value *root_value,
                                               const toffee_geometry *root,
                                               const toffee_geometry *view, toffee_value *new_value,
                                               toffee_value **out, toffee_status *st);

#endif /* TOFFEE_LOWER_VIEW_H */
