/* csrc/ops/dims.h -- arithmetic on sizes of axes, of which some are symbols and some not known.
 * Private to ops/.
 *
 * A result is a number where the operands say so, the symbol where it is plainly the same size, and
 * else not known: there are no expressions. What overflows 63 bits is not known either. */
#ifndef TOFFEE_OPS_DIMS_H
#define TOFFEE_OPS_DIMS_H

#include "ir/graph.h"

#define TOFFEE_DIM_UNKNOWN ((toffee_dim){-1, NULL})

/* The size N; not known if N is negative. */
static inline toffee_dim
toffee_dim_of(int64_t n)
{
    return (toffee_dim){n < 0 ? -1 : n, NULL};
}

/* Whether both are sizes that are surely the same: one number, or one symbol. */
bool toffee_dim_same(toffee_dim a, toffee_dim b);
/* Whether both are numbers, and differ. */
static inline bool
toffee_dim_clash(toffee_dim a, toffee_dim b)
{
    return a.value >= 0 && b.value >= 0 && a.value != b.value;
}
/* What is known of a size of which A and B both are known and do not clash: a number before a
 * symbol, A's symbol before B's. */
toffee_dim toffee_dim_meet(toffee_dim a, toffee_dim b);
/* What is known of a size that is either A or B. */
toffee_dim toffee_dim_join(toffee_dim a, toffee_dim b);

/* Sum and product. */
toffee_dim toffee_dim_add(toffee_dim a, toffee_dim b);
toffee_dim toffee_dim_mul(toffee_dim a, toffee_dim b);
/* A over BY (at least 1), without the remainder. */
toffee_dim toffee_dim_div(toffee_dim a, int64_t by);
/* The product of N sizes; 1 of none. */
toffee_dim toffee_dims_product(const toffee_dim *dims, size_t n);

/* Into *OUT the size that A and B, of two tensors at one axis, are broadcast to. False, and *OUT is
 * left alone, if they cannot be. */
TOFFEE_NODISCARD bool toffee_dim_broadcast(toffee_dim a, toffee_dim b, toffee_dim *out);

/* How a window goes along an axis. `pad` is both ends together. */
typedef struct {
    int64_t kernel; /* -1: not known */
    int64_t stride;
    int64_t dilation;
    int64_t begin;
    int64_t end;
    bool
        same; /* auto_pad is SAME_*: as many windows as strides fit, and begin and end are unused */
    bool ceil; /* a last window may hang over the end, if it begins before it */
} toffee_window;

/* How many windows fit in DIM. A window that is larger than its axis: not known. */
toffee_dim toffee_dim_windows(toffee_dim dim, const toffee_window *window);

#endif /* TOFFEE_OPS_DIMS_H */
