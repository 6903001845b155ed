/* csrc/lower/view_factor.h -- from strides to axes: the arithmetic behind view.c, which makes the
 * nodes.
 *
 * In a dense root with N elements, take numbers N = c0 > c1 > … > ck = 1, each dividing the one
 * before. They cut the memory into axes of sizes c0/c1, c1/c2, …: a refined shape. A cut C is of
 * use for a view if no walk along a smaller stride crosses a multiple of C, and if every larger
 * stride is a multiple of it. Then each dimension of the view walks along one axis only, by a whole
 * number of steps: a slice. {N, 1} always works, if need be with several dimensions on its one
 * axis, which is then read by a constant index. So every view has a plan; the search is only for a
 * plain one. */
#ifndef TOFFEE_LOWER_VIEW_FACTOR_H
#define TOFFEE_LOWER_VIEW_FACTOR_H

#include "lower/view.h"

/* A root and a view in it, counted as if the root's memory had no gaps and began at 0. */
typedef struct {
    int64_t numel;                         /* of the root */
    int64_t offset;                        /* of the view */
    int64_t view_strides[TOFFEE_MAX_RANK]; /* -1: of a dimension of size 1, and meaningless */
    int64_t root_strides[TOFFEE_MAX_RANK]; /* the same */
    int64_t memory_perm[TOFFEE_MAX_RANK];  /* dimensions of the root in memory order */
} toffee_view_frame;

typedef struct {
    int64_t size;
    int64_t stride;
    int64_t start, step, count; /* what the view takes; step is 1 unless one dimension walks here */
    int32_t n_dims;             /* dimensions of the view that walk here */
    int32_t dim;                /* the first of them; -1: none */
} toffee_view_axis;

typedef struct {
    bool direct; /* the axes are the root's dimensions as they are; else those of its elements in
                    memory order */
    int32_t n_axes;
    toffee_view_axis axes[TOFFEE_MAX_RANK + 1];
    int32_t axis_of[TOFFEE_MAX_RANK]; /* of each dimension of the view; -1: it is on none, being of
                                         size 1 or stride 0 */
    int64_t step_of[TOFFEE_MAX_RANK];
} toffee_view_plan;

/* Whether part of the axis is left out of the view, or is not taken in order. */
static inline bool
toffee_view_axis_restricted(const toffee_view_axis *axis)
{
    return axis->count != axis->size || axis->n_dims > 1;
}

/* Fills FRAME; false if the root overlaps itself, if the view is not inside it, or if any number is
 * out of range. Where the root has gaps, also false for the rare view that steps over them
 * unevenly. */
bool toffee_view_frame_make(const toffee_geometry *root, const toffee_geometry *view,
                            toffee_view_frame *frame);
/* The root's own dimensions as axes, where each dimension of the view walks along one of them: what
 * is a plan for a view of one size is one for another. False if that is not so. A view of a part of
 * one dimension may be empty. */
bool toffee_view_plan_plain(const toffee_geometry *root, const toffee_geometry *view,
                            const toffee_view_frame *frame, toffee_view_plan *plan);
/* The cheapest plan that was found, for reading or for writing. Neither root nor view is empty. */
void toffee_view_plan_make(const toffee_geometry *root, const toffee_geometry *view,
                           const toffee_view_frame *frame, bool writing, toffee_view_plan *plan);
/* Product of the sizes; -1 if it overflows or one is negative. */
int64_t toffee_geometry_numel(const toffee_geometry *geometry);

#endif /* TOFFEE_LOWER_VIEW_FACTOR_H */
