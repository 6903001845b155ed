/* csrc/ops/dims.c -- arithmetic on sizes of axes, of which some are symbols and some not known. */
#include "ops/dims.h"

bool
toffee_dim_same(toffee_dim a, toffee_dim b)
{
    if (a.value >= 0 || b.value >= 0) {
        return a.value == b.value;
    }
    return a.param != NULL && a.param == b.param;
}

toffee_dim
toffee_dim_meet(toffee_dim a, toffee_dim b)
{
    if (a.value >= 0 || b.value >= 0) {
        return toffee_dim_of(a.value >= 0 ? a.value : b.value);
    }
    return a.param != NULL ? a : b;
}

toffee_dim
toffee_dim_join(toffee_dim a, toffee_dim b)
{
    return toffee_dim_same(a, b) ? a : TOFFEE_DIM_UNKNOWN;
}

toffee_dim
toffee_dim_add(toffee_dim a, toffee_dim b)
{
    int64_t sum = -1;

    if (a.value == 0 || b.value == 0) {
        return a.value == 0 ? b : a;
    }
    if (a.value < 0 || b.value < 0 || __builtin_add_overflow(a.value, b.value, &sum)) {
        return TOFFEE_DIM_UNKNOWN;
    }
    return toffee_dim_of(sum);
}

toffee_dim
toffee_dim_mul(toffee_dim a, toffee_dim b)
{
    int64_t product = -1;

    if (a.value == 0 || b.value == 0) {
        return toffee_dim_of(0);
    }
    if (a.value == 1 || b.value == 1) {
        return a.value == 1 ? b : a;
    }
    if (a.value < 0 || b.value < 0 || __builtin_mul_overflow(a.value, b.value, &product)) {
        return TOFFEE_DIM_UNKNOWN;
    }
    return toffee_dim_of(product);
}

toffee_dim
toffee_dim_div(toffee_dim a, int64_t by)
{
    if (by == 1) {
        return a;
    }
    return a.value >= 0 && by > 0 ? toffee_dim_of(a.value / by) : TOFFEE_DIM_UNKNOWN;
}

toffee_dim
toffee_dims_product(const toffee_dim *dims, size_t n)
{
    toffee_dim product = toffee_dim_of(1);
    bool overflow = false;

    for (size_t i = 0; i < n; i++) {
        toffee_dim next = toffee_dim_mul(product, dims[i]);

        if (dims[i].value == 0) {
            return dims[i]; /* whatever the others are */
        }
        overflow = overflow || (next.value < 0 && next.param == NULL);
        product = next;
    }
    return overflow ? TOFFEE_DIM_UNKNOWN : product;
}

bool
toffee_dim_broadcast(toffee_dim a, toffee_dim b, toffee_dim *out)
{
    if (a.value == 1 || b.value == 1) {
        *out = a.value == 1 ? b : a;
    }
    else if (toffee_dim_clash(a, b)) {
        return false;
    }
    else if (a.value >= 0 || b.value >= 0) {
        *out = toffee_dim_of(a.value >= 0 ? a.value : b.value); /* the other is that, or 1 */
    }
    else {
        *out = toffee_dim_join(a, b);
    }
    return true;
}

toffee_dim
toffee_dim_windows(toffee_dim dim, const toffee_window *window)
{
    int64_t reach = 0; /* from a window's first element to its last, and 1 */
    int64_t room = 0;
    int64_t n = 0;

    if (window->stride < 1) {
        return TOFFEE_DIM_UNKNOWN;
    }
    if (window->same) {
        return dim.value < 0
                   ? toffee_dim_div(dim, window->stride)
                   : toffee_dim_of(dim.value / window->stride + (dim.value % window->stride != 0));
    }
    if (window->kernel < 1 || window->dilation < 1 ||
        __builtin_mul_overflow(window->kernel - 1, window->dilation, &reach) ||
        __builtin_add_overflow(reach, 1, &reach) ||
        __builtin_add_overflow(window->begin, window->end, &room)) {
        return TOFFEE_DIM_UNKNOWN;
    }
    if (dim.value < 0) { /* a window that keeps the size keeps the symbol */
        return window->stride == 1 && room == reach - 1 ? dim : TOFFEE_DIM_UNKNOWN;
    }
    if (__builtin_add_overflow(room, dim.value, &room) || room < reach) {
        return TOFFEE_DIM_UNKNOWN;
    }
    room -= reach;
    n = room / window->stride;
    if (window->ceil && room % window->stride != 0 &&
        (n + 1) * window->stride < dim.value + window->begin) {
        n++;
    }
    return toffee_dim_of(n + 1);
}
