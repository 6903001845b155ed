/* csrc/lower/lower_pool.c -- pooling: windows that slide, and windows that divide a tensor.
 *
 * torch's ceil_mode keeps a last window that hangs over the end, unless it would start in the
 * padding. The size of the result is known, so the window becomes padding at the end, and ONNX's
 * own ceil_mode, whose meaning has changed over time, is not used; but where the size is one of
 * several (lower.h, is_twin) and nothing else can say it. */
#include "lower/chain.h"
#include "lower/spatial.h"

#include <string.h>

/* ---- windows -------------------------------------------------------------------------------- */

/* A pool's call: its window, and its input with a batch. */
typedef struct {
    toffee_window window;
    toffee_value *input;                  /* [N, C, d1..dn] */
    bool unbatched;                       /* the call's input was [C, d1..dn] */
    int64_t size[TOFFEE_MAX_SPATIAL];     /* d1..dn */
    int64_t out[TOFFEE_MAX_SPATIAL];      /* sizes of the result */
    int64_t dims[TOFFEE_MAX_SPATIAL + 2]; /* of the result, with the batch */
    bool hangs_over;                      /* a window reaches past the padding at some end */
    bool ceils;                           /* ceil_mode says the end, and not the padding */
} pool;

/* Sizes and dims of a pool over N axes; the batch is added to the graph if there is none. DTYPE is
 * what the operator computes in. */
static toffee_code
pool_begin(toffee_lowering *lo, const toffee_call *call, int32_t n, toffee_dtype dtype, pool *p,
           toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "self");
    const toffee_result *result = &call->results[0];

    p->unbatched = toffee_value_rank(input) == n + 1;
    if (dtype == TOFFEE_DTYPE_UNDEFINED || toffee_value_rank(input) + p->unbatched != n + 2 ||
        result->rank != toffee_value_rank(input)) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, input, dtype, &input, st));
    if (p->unbatched) {
        TOFFEE_RETURN_IF_ERROR(toffee_add_batch(lo, input, &input, st));
    }
    p->input = input;
    p->window.n = n;
    p->dims[0] = 1;
    memcpy(p->dims + p->unbatched, result->dims, (size_t)result->rank * sizeof(*p->dims));
    for (int32_t i = 0; i < n; i++) {
        p->size[i] = toffee_value_dim(input, i + 2);
        p->out[i] = p->dims[i + 2];
        if (p->size[i] == 0 || p->out[i] == 0) {
            return TOFFEE_DECLINED; /* there are no windows */
        }
    }
    return TOFFEE_OK;
}

/* The window's arguments. Padding at the end grows to hold the last window. False when they do not
 * fit. */
static bool
pool_read_window(const toffee_lowering *lo, const toffee_call *call, pool *p)
{
    static const int64_t ones[TOFFEE_MAX_SPATIAL] = {1, 1, 1};
    toffee_window *w = &p->window;

    if (!toffee_call_axes(call, "kernel_size", w->n, NULL, w->kernel) ||
        !toffee_call_axes(call, "stride", w->n, w->kernel, w->stride) ||
        !toffee_call_axes(call, "padding", w->n, NULL, w->begin) ||
        !toffee_call_axes(call, "dilation", w->n, ones, w->dilation)) {
        return false;
    }
    for (int32_t i = 0; i < w->n; i++) {
        int64_t last = (p->out[i] - 1) * w->stride[i] + w->dilation[i] * (w->kernel[i] - 1) + 1;
        int64_t needed = last - w->begin[i] - p->size[i];

        w->end[i] = needed > w->begin[i] ? needed : w->begin[i];
        p->hangs_over = p->hangs_over || needed > w->begin[i];
    }
    p->ceils = lo->is_twin && toffee_call_bool(call, "ceil_mode", false);
    return true;
}

/* Sets NODE's window, and ceil_mode where that is to say its end. */
static toffee_code
pool_set_window(const pool *p, toffee_node *node, bool with_dilations, toffee_status *st)
{
    toffee_window window = p->window;

    if (p->ceils) {
        memcpy(window.end, window.begin, sizeof(window.end));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "ceil_mode", 1, st));
    }
    return toffee_node_set_window(node, &window, with_dilations, st);
}

/* VALUE, [N, C, e1..en], becomes result INDEX. */
static toffee_code
pool_return(toffee_lowering *lo, const toffee_call *call, const pool *p, size_t index,
            toffee_value *value, toffee_status *st)
{
    if (p->unbatched) {
        TOFFEE_RETURN_IF_ERROR(toffee_drop_batch(lo, value, &value, st));
    }
    return toffee_lower_return(lo, call, index, value, st);
}

static toffee_code
pool_emit(toffee_lowering *lo, const pool *p, const char *op_type, toffee_node **node,
          toffee_value **out, toffee_status *st)
{
    return toffee_emit_dims(lo, op_type, TOFFEE_INPUTS(p->input), toffee_value_dtype(p->input),
                            p->dims, p->window.n + 2, node, out, st);
}

/* ---- maximum -------------------------------------------------------------------------------- */

/* Where MaxPool knows no such whole numbers: it finds the largest in double, which holds 32 bits
 * exactly; 64 bits are laid out by Gather. */
static toffee_dtype
max_dtype(toffee_dtype dtype)
{
    toffee_dtype fit = toffee_fit_dtype("MaxPool", dtype);

    if (fit != TOFFEE_DTYPE_UNDEFINED || dtype == TOFFEE_DTYPE_INT64) {
        return dtype == TOFFEE_DTYPE_INT64 ? dtype : fit;
    }
    return dtype == TOFFEE_DTYPE_INT16 || dtype == TOFFEE_DTYPE_INT32 ? TOFFEE_DTYPE_DOUBLE : fit;
}

/* The window of each result along one axis: those of its taps that lie inside the input. */
typedef struct {
    int64_t n_taps; /* most taps of any window */
    int64_t step;   /* from tap to tap */
    int64_t *first; /* [out], the first tap */
    int64_t *taps;  /* [out, n_taps]; a window with fewer repeats its last one */
} pool_axis;

static toffee_code
pool_axis_new(toffee_lowering *lo, int64_t out, int64_t n_taps, int64_t step, pool_axis *axis,
              toffee_status *st)
{
    axis->n_taps = n_taps;
    axis->step = step;
    axis->first = toffee_arena_calloc(lo->scratch, (size_t)out, sizeof(int64_t));
    axis->taps = toffee_arena_calloc(lo->scratch, (size_t)(out * n_taps), sizeof(int64_t));
    return axis->first != NULL && axis->taps != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* The windows of a sliding pool. DECLINED when one has no tap inside. */
static toffee_code
pool_axis_slide(toffee_lowering *lo, const pool *p, int32_t i, pool_axis *axis, toffee_status *st)
{
    const toffee_window *w = &p->window;

    TOFFEE_RETURN_IF_ERROR(pool_axis_new(lo, p->out[i], w->kernel[i], w->dilation[i], axis, st));
    for (int64_t o = 0; o < p->out[i]; o++) {
        int64_t at = o * w->stride[i] - w->begin[i];
        int64_t stop = at + w->kernel[i] * w->dilation[i];

        while (at < 0) {
            at += w->dilation[i];
        }
        if (at >= p->size[i] || at >= stop) {
            return TOFFEE_DECLINED;
        }
        axis->first[o] = at;
        for (int64_t k = 0; k < w->kernel[i]; k++) {
            axis->taps[o * w->kernel[i] + k] = at;
            if (at + w->dilation[i] < p->size[i] && at + w->dilation[i] < stop) {
                at += w->dilation[i];
            }
        }
    }
    return TOFFEE_OK;
}

/* Where window O of OUT starts and stops when an axis of SIZE is divided, as torch does it. */
static void
adaptive_bounds(int64_t size, int64_t out, int64_t o, int64_t *start, int64_t *stop)
{
    *start = o * size / out;
    *stop = ((o + 1) * size + out - 1) / out;
}

/* The windows of an adaptive pool. */
static toffee_code
pool_axis_divide(toffee_lowering *lo, const pool *p, int32_t i, pool_axis *axis, toffee_status *st)
{
    int64_t n_taps = 1;
    int64_t start = 0;
    int64_t stop = 0;

    for (int64_t o = 0; o < p->out[i]; o++) {
        adaptive_bounds(p->size[i], p->out[i], o, &start, &stop);
        n_taps = stop - start > n_taps ? stop - start : n_taps;
    }
    TOFFEE_RETURN_IF_ERROR(pool_axis_new(lo, p->out[i], n_taps, 1, axis, st));
    for (int64_t o = 0; o < p->out[i]; o++) {
        adaptive_bounds(p->size[i], p->out[i], o, &start, &stop);
        axis->first[o] = start;
        for (int64_t k = 0; k < n_taps; k++) {
            axis->taps[o * n_taps + k] = start + k < stop ? start + k : stop - 1;
        }
    }
    return TOFFEE_OK;
}

/* Every window laid out in a last axis: [N, C, e1..en, product of n_taps], row-major in it. One
 * Gather an axis, then a Transpose. */
static toffee_code
pool_gather(toffee_lowering *lo, const pool *p, const pool_axis *axes, toffee_value **out,
            toffee_status *st)
{
    int32_t n = p->window.n;
    toffee_value *value = p->input;
    int64_t perm[2 + 2 * TOFFEE_MAX_SPATIAL] = {0, 1};
    int64_t dims[TOFFEE_MAX_SPATIAL + 3];

    memcpy(dims, p->dims, sizeof(p->dims));
    dims[n + 2] = 1;
    for (int32_t i = 0; i < n; i++) {
        const int64_t table[2] = {p->out[i], axes[i].n_taps};

        TOFFEE_RETURN_IF_ERROR(
            toffee_gather_axis(lo, value, 2 + 2 * i, axes[i].taps, table, 2, &value, st));
        perm[2 + i] = 2 + 2 * i;
        perm[2 + n + i] = 3 + 2 * i;
        dims[n + 2] *= axes[i].n_taps;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, value, perm, &value, st));
    return toffee_reshape(lo, value, dims, n + 3, out, st);
}

/* BEST, places in the last axis of pool_gather's value, becomes places in the plane d1..dn:
 * the sum over the axes of (first + tap * step) * (elements from one to the next). */
static toffee_code
pool_plane_index(toffee_lowering *lo, const pool *p, const pool_axis *axes, toffee_value *best,
                 toffee_value **out, toffee_status *st)
{
    int32_t n = p->window.n;
    int64_t n_outs = 1;
    int64_t n_taps = 1;
    int64_t pitch = 1;
    int64_t behind = 1;
    int64_t *base = NULL;
    toffee_value *sum = NULL;

    for (int32_t i = 0; i < n; i++) {
        n_outs *= p->out[i];
    }
    base = toffee_arena_calloc(lo->scratch, (size_t)n_outs, sizeof(*base));
    if (base == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int32_t i = n - 1; i >= 0; i--) {
        toffee_value *tap = best;
        toffee_value *number = NULL;

        for (int64_t o = 0; o < n_outs; o++) {
            base[o] += axes[i].first[o / behind % p->out[i]] * pitch;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Div", tap, (double)n_taps, &tap, st));
        if (i != 0) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, axes[i].n_taps, &number, st));
            TOFFEE_RETURN_IF_ERROR(
                toffee_emit_like(lo, "Mod", TOFFEE_INPUTS(tap, number), tap, NULL, &tap, st));
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_scaled(lo, "Mul", tap, (double)(axes[i].step * pitch), &tap, st));
        if (sum != NULL) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_emit_like(lo, "Add", TOFFEE_INPUTS(sum, tap), tap, NULL, &tap, st));
        }
        sum = tap;
        n_taps *= axes[i].n_taps;
        pitch *= p->size[i];
        behind *= p->out[i];
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_tensor(lo, TOFFEE_DTYPE_INT64, p->out, n, base, &best, st));
    return toffee_emit_like(lo, "Add", TOFFEE_INPUTS(sum, best), sum, NULL, out, st);
}

/* Maximum by laying out the windows: for what MaxPool cannot say. */
static toffee_code
max_gathered(toffee_lowering *lo, const toffee_call *call, const pool *p, const pool_axis *axes,
             toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(p->input);
    int32_t rank = p->window.n + 2;
    toffee_value *windows = NULL;
    toffee_value *axis = NULL;
    toffee_value *out = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(pool_gather(lo, p, axes, &windows, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, rank, &axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "ReduceMax", TOFFEE_INPUTS(windows, axis), dtype,
                                            p->dims, rank, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "keepdims", 0, st));
    TOFFEE_RETURN_IF_ERROR(pool_return(lo, call, p, 0, out, st));
    if (call->n_results < 2) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "ArgMax", TOFFEE_INPUTS(windows),
                                            TOFFEE_DTYPE_INT64, p->dims, rank, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", rank, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "keepdims", 0, st));
    TOFFEE_RETURN_IF_ERROR(pool_plane_index(lo, p, axes, out, &out, st));
    return pool_return(lo, call, p, 1, out, st);
}

/* MaxPool with P's window. Its Indices count through the whole tensor, torch's through a plane:
 * they are the remainder. */
static toffee_code
max_pooled(toffee_lowering *lo, const toffee_call *call, const pool *p, toffee_status *st)
{
    toffee_value *out = NULL;
    toffee_value *indices = NULL;
    toffee_value *plane = NULL;
    toffee_node *node = NULL;
    int64_t n_plane = 1;

    TOFFEE_RETURN_IF_ERROR(pool_emit(lo, p, "MaxPool", &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(pool_set_window(p, node, true, st));
    TOFFEE_RETURN_IF_ERROR(pool_return(lo, call, p, 0, out, st));
    if (call->n_results < 2) {
        return TOFFEE_OK;
    }
    for (int32_t i = 0; i < p->window.n; i++) {
        n_plane *= p->size[i];
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, TOFFEE_DTYPE_INT64, &indices, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_value_set_type(indices, TOFFEE_DTYPE_INT64, p->dims, p->window.n + 2, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, n_plane, &plane, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Mod", TOFFEE_INPUTS(indices, plane), indices, NULL, &indices, st));
    return pool_return(lo, call, p, 1, indices, st);
}

/* aten::max_pool{1,2,3}d(self, kernel_size, stride, padding, dilation, ceil_mode) and the same with
 * indices -> MaxPool [dilations, kernel_shape, pads, strides]
 *
 * ONNX Runtime wants padding below the kernel's size, which a dilated window that hangs over the
 * end may exceed: that one is laid out by Gather. */
static toffee_code
lower_max_pool(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_dtype dtype = max_dtype(toffee_value_dtype(toffee_call_value(call, "self")));
    pool p = {0};
    pool_axis axes[TOFFEE_MAX_SPATIAL] = {0};
    bool legal = dtype != TOFFEE_DTYPE_INT64;

    TOFFEE_RETURN_IF_ERROR(pool_begin(lo, call, (int32_t)lo->rule->arg, dtype, &p, st));
    if (!pool_read_window(lo, call, &p)) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i < p.window.n; i++) {
        legal = legal && (p.ceils || p.window.end[i] < p.window.kernel[i]);
    }
    if (legal) {
        return max_pooled(lo, call, &p, st);
    }
    for (int32_t i = 0; i < p.window.n; i++) {
        TOFFEE_RETURN_IF_ERROR(pool_axis_slide(lo, &p, i, &axes[i], st));
    }
    return max_gathered(lo, call, &p, axes, st);
}

/* ---- average -------------------------------------------------------------------------------- */

/* AveragePool divides by the whole kernel where padding counts; torch by the part of the window
 * that is not past the padding. RATIO [e1..en] becomes the one by the other. */
static toffee_code
avg_ratio(toffee_lowering *lo, const pool *p, toffee_value **ratio, toffee_status *st)
{
    const toffee_window *w = &p->window;
    int64_t n_outs = 1;
    double *table = NULL;

    for (int32_t i = 0; i < w->n; i++) {
        n_outs *= p->out[i];
    }
    table = toffee_arena_calloc(lo->scratch, (size_t)n_outs, sizeof(*table));
    if (table == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int64_t at = 0; at < n_outs; at++) {
        int64_t rest = at;

        table[at] = 1;
        for (int32_t i = w->n - 1; i >= 0; i--) {
            int64_t start = rest % p->out[i] * w->stride[i] - w->begin[i];
            int64_t room = p->size[i] + w->begin[i] - start;

            rest /= p->out[i];
            table[at] *= room < w->kernel[i] ? (double)w->kernel[i] / (double)room : 1;
        }
    }
    return toffee_const_table(lo, toffee_value_dtype(p->input), p->out, w->n, table, ratio, st);
}

/* aten::avg_pool{1,2,3}d(self, kernel_size, stride, padding, ceil_mode, count_include_pad,
 *                        divisor_override?)
 *   -> AveragePool [count_include_pad, kernel_shape, pads, strides], and Mul by what the divisors
 *      differ in where they do */
static toffee_code
lower_avg_pool(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "self");
    toffee_dtype dtype = toffee_fit_dtype("AveragePool", toffee_value_dtype(input));
    int64_t divisor = toffee_call_int(call, "divisor_override", 0);
    bool count_padding = toffee_call_bool(call, "count_include_pad", true);
    bool padded = false;
    double n_taps = 1;
    pool p = {0};
    toffee_node *node = NULL;
    toffee_value *ratio = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(pool_begin(lo, call, (int32_t)lo->rule->arg, dtype, &p, st));
    if (!pool_read_window(lo, call, &p)) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i < p.window.n; i++) {
        padded = padded || p.window.begin[i] != 0;
        n_taps *= (double)p.window.kernel[i];
    }
    /* Without padding only a window that hangs over has fewer taps, and torch divides by these. */
    count_padding = divisor != 0 || (count_padding && padded);
    p.ceils = p.ceils && !count_padding; /* runtimes differ in what else they divide by */
    if (count_padding && divisor == 0 && p.hangs_over) {
        /* The table is made of floats: half floats are computed with it in float. */
        dtype = dtype == TOFFEE_DTYPE_DOUBLE ? dtype : TOFFEE_DTYPE_FLOAT;
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, p.input, dtype, &p.input, st));
        TOFFEE_RETURN_IF_ERROR(avg_ratio(lo, &p, &ratio, st));
    }
    TOFFEE_RETURN_IF_ERROR(pool_emit(lo, &p, "AveragePool", &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "count_include_pad", count_padding, st));
    TOFFEE_RETURN_IF_ERROR(pool_set_window(&p, node, false, st));
    if (ratio != NULL) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(out, ratio), out, NULL, &out, st));
    }
    if (divisor != 0) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_scaled(lo, "Mul", out, n_taps / (double)divisor, &out, st));
    }
    return pool_return(lo, call, &p, 0, out, st);
}

/* ---- adaptive ------------------------------------------------------------------------------- */

typedef enum { DIVIDES_GLOBAL, DIVIDES_EVENLY, DIVIDES_UNEVENLY } division;

/* How the axes are divided; the window gets what even axes need, and 1 for the others. */
static division
pool_read_division(pool *p)
{
    division how = DIVIDES_GLOBAL;

    for (int32_t i = 0; i < p->window.n; i++) {
        bool even = p->out[i] != 0 && p->size[i] % p->out[i] == 0;

        p->window.kernel[i] = even ? p->size[i] / p->out[i] : 1;
        p->window.stride[i] = p->window.kernel[i];
        p->window.dilation[i] = 1;
        if (!even) {
            how = DIVIDES_UNEVENLY;
        }
        else if (p->out[i] != 1 && how == DIVIDES_GLOBAL) {
            how = DIVIDES_EVENLY;
        }
    }
    return how;
}

/* The axes that divide evenly by AveragePool, the others by a matrix of averages each. */
static toffee_code
avg_unevenly(toffee_lowering *lo, pool *p, toffee_value **out, toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(p->input) == TOFFEE_DTYPE_DOUBLE ? TOFFEE_DTYPE_DOUBLE
                                                                             : TOFFEE_DTYPE_FLOAT;
    int64_t final_dims[TOFFEE_MAX_SPATIAL + 2];
    toffee_node *node = NULL;
    bool pooled = false;

    memcpy(final_dims, p->dims, sizeof(final_dims));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, p->input, dtype, &p->input, st));
    for (int32_t i = 0; i < p->window.n; i++) {
        pooled = pooled || p->window.kernel[i] != 1;
        p->dims[i + 2] = p->size[i] / p->window.kernel[i];
    }
    *out = p->input;
    if (pooled) {
        TOFFEE_RETURN_IF_ERROR(pool_emit(lo, p, "AveragePool", &node, out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_window(node, &p->window, false, st));
    }
    for (int32_t i = 0; i < p->window.n; i++) {
        int64_t size = p->dims[i + 2];
        double *matrix = NULL;

        if (size == p->out[i]) {
            continue;
        }
        matrix = toffee_arena_calloc(lo->scratch, (size_t)(size * p->out[i]), sizeof(*matrix));
        if (matrix == NULL) {
            return toffee_fail_nomem(st);
        }
        for (int64_t o = 0; o < p->out[i]; o++) {
            int64_t start = 0;
            int64_t stop = 0;

            adaptive_bounds(size, p->out[i], o, &start, &stop);
            for (int64_t k = start; k < stop; k++) {
                matrix[o * size + k] = 1.0 / (double)(stop - start);
            }
        }
        TOFFEE_RETURN_IF_ERROR(toffee_map_axis(lo, *out, i + 2, matrix, p->out[i], out, st));
    }
    memcpy(p->dims, final_dims, sizeof(final_dims));
    return TOFFEE_OK;
}

/* [n_out, size]: the averages over the windows that axis I is divided into, reckoned in the graph.
 * Element k is in window o from floor(o * size / n_out) on, up to ceil((o + 1) * size / n_out). */
static toffee_value *
chain_averages(toffee_chain *chain, const pool *p, int32_t i, toffee_dtype dtype)
{
    const int64_t column[2] = {p->out[i], 1};
    toffee_value *size = toffee_chain_size(chain, p->size[i]);
    toffee_value *n_out = toffee_chain_size(chain, p->out[i]);
    toffee_value *at = toffee_chain_count(chain, p->size[i]);
    toffee_value *window = toffee_chain_count(chain, p->out[i]);
    toffee_value *start = toffee_chain_binary(chain, "Mul", window, size);
    toffee_value *stop = toffee_chain_binary(chain, "Add", start, size);
    toffee_value *inside = NULL;
    toffee_value *length = NULL;

    start = toffee_chain_binary(chain, "Div", start, n_out);
    start = toffee_chain_reshape(chain, start, column, 2);
    stop = toffee_chain_binary(chain, "Add", stop, n_out);
    stop = toffee_chain_with(chain, "Sub", stop, 1);
    stop = toffee_chain_binary(chain, "Div", stop, n_out);
    stop = toffee_chain_reshape(chain, stop, column, 2);
    length = toffee_chain_binary(chain, "Sub", stop, start);
    length = toffee_chain_cast(chain, length, dtype);
    start = toffee_chain_test(chain, "GreaterOrEqual", at, start);
    stop = toffee_chain_test(chain, "Less", at, stop);
    inside = toffee_chain_binary(chain, "Mul", start, stop);
    inside = toffee_chain_cast(chain, inside, dtype);
    return toffee_chain_binary(chain, "Div", inside, length);
}

/* An axis at a time, by a matrix of averages. */
static toffee_code
avg_reckoned(toffee_lowering *lo, pool *p, toffee_value **out, toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(p->input) == TOFFEE_DTYPE_DOUBLE ? TOFFEE_DTYPE_DOUBLE
                                                                             : TOFFEE_DTYPE_FLOAT;
    toffee_chain chain = TOFFEE_CHAIN(lo, st);

    *out = toffee_chain_cast(&chain, p->input, dtype);
    for (int32_t i = 0; i < p->window.n && chain.rc == TOFFEE_OK; i++) {
        toffee_value *averages = chain_averages(&chain, p, i, dtype);

        if (chain.rc == TOFFEE_OK) {
            chain.rc = toffee_map_axis_by(lo, *out, i + 2, averages, out, st);
        }
    }
    return chain.rc;
}

/* aten::adaptive_avg_pool{1,2,3}d(self, output_size)
 *   -> GlobalAveragePool where that is 1, AveragePool [kernel_shape, strides] where it divides the
 *      input's size, otherwise MatMul with a constant matrix along each axis where it does not; for
 *      any size MatMul with matrices that are reckoned from it */
static toffee_code
lower_adaptive_avg_pool(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "self");
    toffee_dtype dtype = toffee_fit_dtype("AveragePool", toffee_value_dtype(input));
    pool p = {0};
    toffee_node *node = NULL;
    toffee_value *out = NULL;
    division how = DIVIDES_GLOBAL;

    TOFFEE_RETURN_IF_ERROR(pool_begin(lo, call, (int32_t)lo->rule->arg, dtype, &p, st));
    how = pool_read_division(&p);
    if (lo->is_any && how != DIVIDES_GLOBAL) {
        TOFFEE_RETURN_IF_ERROR(avg_reckoned(lo, &p, &out, st));
        return pool_return(lo, call, &p, 0, out, st);
    }
    switch (how) {
    case DIVIDES_GLOBAL:
        TOFFEE_RETURN_IF_ERROR(pool_emit(lo, &p, "GlobalAveragePool", NULL, &out, st));
        break;
    case DIVIDES_EVENLY:
        TOFFEE_RETURN_IF_ERROR(pool_emit(lo, &p, "AveragePool", &node, &out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_window(node, &p.window, false, st));
        break;
    case DIVIDES_UNEVENLY: TOFFEE_RETURN_IF_ERROR(avg_unevenly(lo, &p, &out, st)); break;
    }
    return pool_return(lo, call, &p, 0, out, st);
}

/* aten::adaptive_max_pool{1,2,3}d(self, output_size) -> (values, indices)
 *   -> GlobalMaxPool where that is 1 (and MaxPool for the indices), MaxPool where it divides the
 *      input's size, otherwise Gather of the windows, ReduceMax and ArgMax */
static toffee_code
lower_adaptive_max_pool(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_dtype dtype = max_dtype(toffee_value_dtype(toffee_call_value(call, "self")));
    pool p = {0};
    pool_axis axes[TOFFEE_MAX_SPATIAL] = {0};
    toffee_value *out = NULL;
    division how = DIVIDES_GLOBAL;

    TOFFEE_RETURN_IF_ERROR(pool_begin(lo, call, (int32_t)lo->rule->arg, dtype, &p, st));
    how = pool_read_division(&p);
    if (how == DIVIDES_UNEVENLY || dtype == TOFFEE_DTYPE_INT64) {
        for (int32_t i = 0; i < p.window.n; i++) {
            TOFFEE_RETURN_IF_ERROR(pool_axis_divide(lo, &p, i, &axes[i], st));
        }
        return max_gathered(lo, call, &p, axes, st);
    }
    TOFFEE_RETURN_IF_ERROR(max_pooled(lo, call, &p, st));
    if (how == DIVIDES_GLOBAL && toffee_fit_dtype("GlobalMaxPool", dtype) == dtype) {
        TOFFEE_RETURN_IF_ERROR(pool_emit(lo, &p, "GlobalMaxPool", NULL, &out, st));
        return pool_return(lo, call, &p, 0, out, st);
    }
    return TOFFEE_OK;
}

static const toffee_rule rows[] = {
    /* sorted by name; the number is that of the spatial axes */
    {"aten::_adaptive_avg_pool2d", lower_adaptive_avg_pool, NULL, 2},
    {"aten::_adaptive_avg_pool3d", lower_adaptive_avg_pool, NULL, 3},
    {"aten::adaptive_avg_pool1d", lower_adaptive_avg_pool, NULL, 1},
    {"aten::adaptive_avg_pool2d", lower_adaptive_avg_pool, NULL, 2},
    {"aten::adaptive_avg_pool3d", lower_adaptive_avg_pool, NULL, 3},
    {"aten::adaptive_max_pool1d", lower_adaptive_max_pool, NULL, 1},
    {"aten::adaptive_max_pool2d", lower_adaptive_max_pool, NULL, 2},
    {"aten::adaptive_max_pool3d", lower_adaptive_max_pool, NULL, 3},
    {"aten::avg_pool1d", lower_avg_pool, NULL, 1},
    {"aten::avg_pool2d", lower_avg_pool, NULL, 2},
    {"aten::avg_pool3d", lower_avg_pool, NULL, 3},
    {"aten::max_pool1d", lower_max_pool, NULL, 1},
    {"aten::max_pool1d_with_indices", lower_max_pool, NULL, 1},
    {"aten::max_pool2d", lower_max_pool, NULL, 2},
    {"aten::max_pool2d_with_indices", lower_max_pool, NULL, 2},
    {"aten::max_pool3d", lower_max_pool, NULL, 3},
    {"aten::max_pool3d_with_indices", lower_max_pool, NULL, 3},
};

const toffee_rule_family toffee_rules_pool = {rows, TOFFEE_COUNTOF(rows)};
