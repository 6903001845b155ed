/* csrc/caffe2/emit_pool.c -- pooling.
 *
 * Caffe2 rounds the number of windows down, always. Where ONNX rounds up, or leaves elements at the
 * end, the padding at the end is set so that the last window just fits. */
#include <math.h>
#include <string.h>

#include "caffe2/nn.h"

typedef struct {
    toffee_c2_window w;
    int64_t out[TOFFEE_C2_MAX_SPATIAL]; /* -1: not known */
    bool sized;                         /* all sizes of in and out are known */
    bool count_pads;                    /* an average counts the padding that the node declares */
    int64_t declared_end[TOFFEE_C2_MAX_SPATIAL];
} pool;

/* How many windows there are along AXIS. */
static int64_t
pool_count(const pool *p, int32_t axis, bool up)
{
    const toffee_c2_window *w = &p->w;
    int64_t room = w->in[axis] + w->begin[axis] + w->end[axis] - toffee_c2_window_span(w, axis);
    int64_t n = 0;

    if (room < 0) {
        return 0;
    }
    n = (room + (up ? w->stride[axis] - 1 : 0)) / w->stride[axis] + 1;
    /* A window that begins behind the input is no window. */
    return up && (n - 1) * w->stride[axis] >= w->in[axis] + w->begin[axis] ? n - 1 : n;
}

/* NULL, or why the pool at hand cannot be read. */
static const char *
pool_read(toffee_c2 *c, pool *p)
{
    bool up = toffee_c2_attr_int(c, "ceil_mode", 0) != 0;
    const char *why = NULL;

    *p = (pool){0};
    why = toffee_c2_window_read(c, NULL, &p->w);
    if (why != NULL) {
        return why;
    }
    p->sized = true;
    p->count_pads = toffee_c2_attr_int(c, "count_include_pad", 0) != 0;
    for (int32_t i = 0; i < p->w.n; i++) {
        p->declared_end[i] = p->w.end[i];
        p->out[i] = p->w.in[i] < 0 ? -1 : pool_count(p, i, up);
        if (p->out[i] < 0) {
            p->sized = false;
            continue;
        }
        if (p->out[i] == 0) {
            return "its window is larger than its input";
        }
        p->w.end[i] = (p->out[i] - 1) * p->w.stride[i] + toffee_c2_window_span(&p->w, i) -
                      p->w.in[i] - p->w.begin[i];
        p->w.end[i] = p->w.end[i] > 0 ? p->w.end[i] : 0;
    }
    return p->sized || !up ? NULL : "ceil_mode needs sizes that are not known";
}

/* Whether the last windows reach behind the declared padding. */
static bool
pool_overhangs(const pool *p)
{
    for (int32_t i = 0; i < p->w.n; i++) {
        if (p->w.end[i] > p->declared_end[i]) {
            return true;
        }
    }
    return false;
}

/* Whether each window has a part in the input, as Caffe2 wants it. */
static bool
pool_pads_are_small(const pool *p)
{
    for (int32_t i = 0; i < p->w.n; i++) {
        if (p->w.begin[i] >= p->w.kernel[i] || p->w.end[i] >= p->w.kernel[i]) {
            return false;
        }
    }
    return true;
}

/* ---- Caffe2's own ---------------------------------------------------------------------------- */

static toffee_code
emit_pool(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool lp = strcmp(rule->op, "LpPool") == 0;
    pool p;
    const char *why = pool_read(c, &p);

    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline(c, "Caffe2's kernels are for float32");
    }
    if (toffee_c2_window_dilated(&p.w) || !pool_pads_are_small(&p) ||
        toffee_c2_output(c, 1) != NULL) {
        return toffee_c2_decline(c, "Caffe2's pools have no dilation, wide padding or indices");
    }
    if (p.count_pads && pool_overhangs(&p)) {
        return toffee_c2_decline(c, "Caffe2 would count padding that the node does not declare");
    }
    if (lp && p.w.n != 2) { /* for one axis and for three its results are wrong */
        return toffee_c2_decline(c, "Caffe2's LpPool is for two axes");
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_window_args(c, &p.w);
    if (lp) {
        toffee_c2_float(c, "p", (double)toffee_c2_attr_int(c, "p", 2));
    }
    if (p.count_pads) {
        toffee_c2_int(c, "count_include_pad", 1);
    }
    return toffee_c2_done(c);
}

static toffee_code
emit_global(toffee_c2 *c, const toffee_c2_rule *rule)
{
    static const int64_t ones[TOFFEE_C2_MAX_SPATIAL] = {1, 1, 1};
    int32_t n = toffee_c2_rank(toffee_c2_input(c, 0)) - 2;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline(c, "Caffe2's kernels are for float32");
    }
    if (n < 1 || n > TOFFEE_C2_MAX_SPATIAL) {
        return toffee_c2_decline(c, "Caffe2 pools one to three axes");
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_ints(c, "kernels", ones, (size_t)n);
    toffee_c2_int(c, "global_pooling", 1);
    return toffee_c2_done(c);
}

/* ---- MaxPool with ATen ----------------------------------------------------------------------- */

static const char *const max_pools[] = {"max_pool1d", "max_pool2d", "max_pool3d"};
static const char *const max_pools_with_indices[] = {
    "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"};

/* PLACES, counted within the input of one channel padded by BEGIN and END, become ONNX's Indices:
 * counted within the whole tensor, in the order that storage_order says. */
static void
pool_indices(toffee_c2 *c, const pool *p, const char *places, const int64_t *dims)
{
    bool column_major = toffee_c2_attr_int(c, "storage_order", 0) != 0;
    int64_t inner = toffee_c2_product(dims, 2, (size_t)p->w.n + 2);
    int64_t n_planes = dims[0] * dims[1];
    int64_t offset_dims[2 + TOFFEE_C2_MAX_SPATIAL] = {dims[0], dims[1], 1, 1, 1};
    int64_t *offsets = toffee_c2_numbers(c, (size_t)n_planes);
    int64_t step = 1;
    const char *sum = NULL;

    if (c->rc != TOFFEE_OK) {
        return;
    }
    for (int64_t i = 0; i < n_planes; i++) {
        offsets[i] = i * inner;
    }
    sum = toffee_c2_const_ints(c, offsets, (size_t)n_planes, offset_dims, (size_t)p->w.n + 2);
    if (!column_major) {
        toffee_c2_aten2(c, "add", places, sum, toffee_c2_y(c, 1));
        return;
    }
    for (int32_t i = p->w.n - 1; i >= 0; i--) { /* the coordinates, the last one first */
        const char *rest = toffee_c2_aten_int(c, "floor_divide", places, "other", p->w.in[i], NULL);
        const char *at = toffee_c2_aten_int(c, "remainder", places, "other", p->w.in[i], NULL);

        step = 1;
        for (int32_t k = 0; k < i; k++) {
            step *= p->w.in[k];
        }
        at = toffee_c2_aten_int(c, "mul", at, "other", step, NULL);
        sum = toffee_c2_aten2(c, "add", sum, at, i == 0 ? toffee_c2_y(c, 1) : NULL);
        places = rest;
    }
}

/* How many windows ATen finds along AXIS with the padding in front on both sides. */
static int64_t
pool_count_even(const pool *p, int32_t axis, bool up)
{
    pool even = *p;

    even.w.end[axis] = p->w.begin[axis];
    return pool_count(&even, axis, up);
}

/* Whether ATen takes the padding: the same on both sides, half a kernel at most, rounding up if
 * *UP. Elements that no window reaches need no padding. */
static bool
pool_fits_aten(const pool *p, bool *up)
{
    bool both[2] = {true, true};

    for (int32_t i = 0; i < p->w.n; i++) {
        if (2 * p->w.begin[i] > p->w.kernel[i]) {
            return false;
        }
        for (size_t k = 0; k < 2; k++) {
            both[k] = both[k] && (p->out[i] < 0 ? k == 0 && p->w.begin[i] == p->w.end[i]
                                                : pool_count_even(p, i, k == 1) == p->out[i]);
        }
    }
    *up = !both[0];
    return both[0] || both[1];
}

static toffee_code
aten_max_pool(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *input = toffee_c2_input(c, 0);
    toffee_dtype dtype = toffee_c2_dtype(input);
    bool small = dtype == TOFFEE_DTYPE_INT8 || dtype == TOFFEE_DTYPE_UINT8;
    bool indices = toffee_c2_output(c, 1) != NULL;
    int64_t none[TOFFEE_C2_MAX_SPATIAL] = {0};
    const int64_t *dims = NULL;
    const char *x = NULL;
    const char *y = NULL;
    const char *places = NULL;
    pool p;
    const char *why = pool_read(c, &p);

    (void)rule;
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!small && !toffee_c2_is(input, TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 pools only floating-point numbers");
    }
    bool up = false;
    bool fits = pool_fits_aten(&p, &up);

    if (indices && (!toffee_c2_dims(c, input, &dims) || !fits ||
                    toffee_c2_product(dims, 0, 2) > TOFFEE_C2_MAX_TABLE ||
                    toffee_c2_product(dims, 0, (size_t)p.w.n + 2) == INT64_MAX)) {
        return toffee_c2_decline(c, "its indices need known sizes and padding like PyTorch's");
    }
    x = small ? toffee_c2_cast(c, toffee_c2_x(c, 0), dtype, TOFFEE_DTYPE_FLOAT, NULL)
              : toffee_c2_wide_x(c, 0);
    if (!fits) {
        x = toffee_c2_pad_last(c, x, p.w.begin, p.w.end, p.w.n, -INFINITY, NULL);
    }
    y = small ? toffee_c2_fresh(c) : toffee_c2_wide_y(c, 0);
    toffee_c2_aten1(c, (indices ? max_pools_with_indices : max_pools)[p.w.n - 1], x, y);
    if (indices) {
        places = toffee_c2_out_fresh(c);
    }
    toffee_c2_ints(c, "kernel_size", p.w.kernel, (size_t)p.w.n);
    toffee_c2_ints(c, "stride", p.w.stride, (size_t)p.w.n);
    toffee_c2_ints(c, "padding", fits ? p.w.begin : none, (size_t)p.w.n);
    toffee_c2_ints(c, "dilation", p.w.dilation, (size_t)p.w.n);
    toffee_c2_int(c, "ceil_mode", fits && up);
    if (indices) {
        pool_indices(c, &p, places, dims);
    }
    if (small) {
        toffee_c2_cast(c, y, TOFFEE_DTYPE_FLOAT, dtype, toffee_c2_y(c, 0));
    }
    else {
        toffee_c2_wide_done(c, 0, y);
    }
    return toffee_c2_done(c);
}

/* ---- sums over windows ----------------------------------------------------------------------- */

/* The sum over each window of X, which has DIMS: a convolution with ones, channel by channel. */
static const char *
pool_sum(toffee_c2 *c, const pool *p, const char *x, const int64_t *dims, toffee_dtype dtype,
         const char *dst)
{
    int64_t planes[2 + TOFFEE_C2_MAX_SPATIAL] = {dims[0] * dims[1], 1};
    int64_t kernel[2 + TOFFEE_C2_MAX_SPATIAL] = {1, 1};
    int64_t result[2 + TOFFEE_C2_MAX_SPATIAL] = {dims[0], dims[1]};
    int64_t one = 1;
    size_t n = (size_t)p->w.n;

    for (size_t i = 0; i < n; i++) {
        planes[i + 2] = dims[i + 2];
        kernel[i + 2] = p->w.kernel[i];
        result[i + 2] = p->out[i];
    }
    x = toffee_c2_view(c, x, planes, n + 2, NULL);
    x = toffee_c2_conv(c, &p->w, x, toffee_c2_filled(c, 1, kernel, n + 2, dtype),
                       toffee_c2_filled(c, 0, &one, 1, dtype), 1, NULL);
    return toffee_c2_view(c, x, result, n + 2, dst);
}

/* How many of N taps that begin at START, STEP apart, lie before LIMIT. */
static int64_t
taps_before(int64_t start, int64_t step, int64_t n, int64_t limit)
{
    int64_t count = limit > start ? (limit - start + step - 1) / step : 0;

    return count < n ? count : n;
}

/* How many taps of window AT on AXIS an average counts. */
static int64_t
pool_taps(const pool *p, int32_t axis, int64_t at)
{
    const toffee_c2_window *w = &p->w;
    int64_t low = p->count_pads ? 0 : w->begin[axis];
    int64_t high = w->begin[axis] + w->in[axis] + (p->count_pads ? p->declared_end[axis] : 0);
    int64_t start = at * w->stride[axis];

    return taps_before(start, w->dilation[axis], w->kernel[axis], high) -
           taps_before(start, w->dilation[axis], w->kernel[axis], low);
}

/* The number of elements that each average is of. */
static const char *
pool_shares(toffee_c2 *c, const pool *p, toffee_dtype dtype)
{
    int64_t dims[TOFFEE_C2_MAX_SPATIAL] = {1, 1, 1};
    double *shares = NULL;
    size_t at = 0;

    memcpy(dims, p->out, (size_t)p->w.n * sizeof(*dims));
    shares = toffee_c2_doubles(c, (size_t)(dims[0] * dims[1] * dims[2]));
    if (shares == NULL) {
        return "";
    }
    for (int64_t i = 0; i < dims[0]; i++) {
        for (int64_t k = 0; k < dims[1]; k++) {
            for (int64_t m = 0; m < dims[2]; m++) {
                shares[at++] = (double)(pool_taps(p, 0, i) * (p->w.n > 1 ? pool_taps(p, 1, k) : 1) *
                                        (p->w.n > 2 ? pool_taps(p, 2, m) : 1));
            }
        }
    }
    return toffee_c2_table(c, shares, p->out, (size_t)p->w.n, dtype);
}

static const char *const average_pools[] = {"avg_pool1d", "avg_pool2d", "avg_pool3d"};

static toffee_code
aten_average_pool(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *input = toffee_c2_input(c, 0);
    toffee_dtype dtype = toffee_c2_wide(toffee_c2_dtype(input));
    const int64_t *dims = NULL;
    const char *x = NULL;
    const char *y = NULL;
    pool p;
    const char *why = pool_read(c, &p);

    (void)rule;
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(input, TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 pools only floating-point numbers");
    }
    bool up = false;
    bool plain = pool_fits_aten(&p, &up) && !toffee_c2_window_dilated(&p.w) &&
                 memcmp(p.w.begin, p.declared_end, sizeof(p.w.begin)) == 0;

    if (!plain && (!p.sized || !toffee_c2_dims(c, input, &dims) ||
                   toffee_c2_product(dims, 0, 2) > TOFFEE_C2_MAX_SIZE ||
                   toffee_c2_product(p.out, 0, (size_t)p.w.n) > TOFFEE_C2_MAX_TABLE)) {
        return toffee_c2_decline(c, "its padding or dilation needs sizes that are not known");
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    if (plain) {
        toffee_c2_aten1(c, average_pools[p.w.n - 1], x, y);
        toffee_c2_ints(c, "kernel_size", p.w.kernel, (size_t)p.w.n);
        toffee_c2_ints(c, "stride", p.w.stride, (size_t)p.w.n);
        toffee_c2_ints(c, "padding", p.w.begin, (size_t)p.w.n);
        toffee_c2_int(c, "ceil_mode", up);
        toffee_c2_int(c, "count_include_pad", p.count_pads);
    }
    else {
        x = pool_sum(c, &p, x, dims, dtype, NULL);
        toffee_c2_aten2(c, "div", x, pool_shares(c, &p, dtype), y);
    }
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- LpPool ---------------------------------------------------------------------------------- */

static toffee_code
aten_lp_pool(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *input = toffee_c2_input(c, 0);
    double power = (double)toffee_c2_attr_int(c, "p", 2);
    const int64_t *dims = NULL;
    const char *x = NULL;
    const char *y = NULL;
    pool p;
    const char *why = pool_read(c, &p);

    (void)rule;
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(input, TOFFEE_C2_REALS) || !p.sized || !toffee_c2_dims(c, input, &dims) ||
        toffee_c2_product(dims, 0, 2) > TOFFEE_C2_MAX_SIZE) {
        return toffee_c2_decline(c, "it needs floating-point numbers and known sizes");
    }
    y = toffee_c2_wide_y(c, 0);
    x = toffee_c2_aten1(c, "abs", toffee_c2_wide_x(c, 0), NULL);
    x = toffee_c2_aten_number(c, "pow", x, "exponent", power, NULL);
    x = pool_sum(c, &p, x, dims, toffee_c2_wide(toffee_c2_dtype(input)), NULL);
    toffee_c2_aten_number(c, "pow", x, "exponent", 1 / power, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- whole images ---------------------------------------------------------------------------- */

static toffee_code
aten_global(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool lp = strcmp(rule->op, "GlobalLpPool") == 0;
    double power = (double)toffee_c2_attr_int(c, "p", 2);
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int64_t *axes = NULL;
    const char *x = NULL;
    const char *y = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 pools only floating-point numbers");
    }
    if (rank < 3) {
        return toffee_c2_decline(c, "it has no spatial axes, or their number is not known");
    }
    axes = toffee_c2_numbers(c, (size_t)rank - 2);
    for (int32_t i = 2; i < rank && c->rc == TOFFEE_OK; i++) {
        axes[i - 2] = i;
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    if (lp) {
        x = toffee_c2_aten1(c, "abs", x, NULL);
        x = toffee_c2_aten_number(c, "pow", x, "exponent", power, NULL);
    }
    x = toffee_c2_aten_over(c, rule->aten_name, x, axes, (size_t)rank - 2, lp ? NULL : y);
    if (lp) {
        toffee_c2_aten_number(c, "pow", x, "exponent", 1 / power, y);
    }
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- MaxUnpool ------------------------------------------------------------------------------- */

static toffee_code
aten_max_unpool(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *input = toffee_c2_input(c, 0);
    const toffee_value *shape = toffee_c2_input(c, 2);
    int64_t flat = -1;
    int64_t full[2 + TOFFEE_C2_MAX_SPATIAL] = {0};
    int64_t begin[2 + TOFFEE_C2_MAX_SPATIAL] = {0};
    int64_t end[2 + TOFFEE_C2_MAX_SPATIAL] = {0};
    const int64_t *dims = NULL;
    const int64_t *wanted = NULL;
    size_t n_wanted = 0;
    size_t rank = 0;
    int64_t size = 0;
    const char *y = NULL;
    toffee_c2_window w;
    const char *why = toffee_c2_window_read(c, NULL, &w);

    (void)rule;
    if (why != NULL || !toffee_c2_is(input, TOFFEE_C2_FLOATS) || !toffee_c2_dims(c, input, &dims)) {
        return toffee_c2_decline(c, why != NULL ? why : "it needs known sizes and floats");
    }
    rank = (size_t)w.n + 2;
    wanted = toffee_c2_known_ints(c, shape, &n_wanted);
    if (shape != NULL && (wanted == NULL || n_wanted != rank ||
                          !toffee_c2_all_within(wanted, rank, TOFFEE_C2_MAX_SIZE))) {
        return toffee_c2_decline(c, "its output_shape is not constant");
    }
    for (size_t i = 0; i < rank; i++) {
        full[i] = i < 2 ? dims[i]
                        : (dims[i] - 1) * w.stride[i - 2] - w.begin[i - 2] - w.end[i - 2] +
                              w.kernel[i - 2];
        end[i] = shape != NULL ? wanted[i] - full[i] : 0;
        if (full[i] < 0) {
            return toffee_c2_decline(c, "its pads leave nothing");
        }
    }
    size = toffee_c2_product(full, 0, rank);
    y = toffee_c2_view(c, toffee_c2_x(c, 0), &flat, 1, NULL);
    const char *places = toffee_c2_view(c, toffee_c2_x(c, 1), &flat, 1, NULL);

    y = toffee_c2_aten_dim3(c, "scatter", toffee_c2_filled(c, 0, &size, 1, toffee_c2_dtype(input)),
                            places, y, 0, NULL);
    y = toffee_c2_view(c, y, full, rank, shape != NULL ? NULL : toffee_c2_y(c, 0));
    if (shape != NULL) {
        toffee_c2_pad_last(c, y, begin, end, (int32_t)rank, 0, toffee_c2_y(c, 0));
    }
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"AveragePool", emit_pool, "AveragePool", aten_average_pool,
     "avg_pool1d, avg_pool2d, avg_pool3d"},
    {"GlobalAveragePool", emit_global, "AveragePool", aten_global, "mean"},
    {"GlobalLpPool", NULL, NULL, aten_global, "sum"},
    {"GlobalMaxPool", emit_global, "MaxPool", aten_global, "amax"},
    {"LpPool", emit_pool, "LpPool", aten_lp_pool, "conv1d, conv2d, conv3d"},
    {"MaxPool", emit_pool, "MaxPool", aten_max_pool, "max_pool1d, max_pool2d, max_pool3d"},
    {"MaxUnpool", NULL, NULL, aten_max_unpool, "scatter"},
};

const toffee_c2_family toffee_c2_rules_pool = {rows, TOFFEE_COUNTOF(rows)};
