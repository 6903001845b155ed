/* csrc/caffe2/nn.c -- what the rules of neural-network operators share. */
#include "caffe2/nn.h"

#include <math.h>
#include <string.h>

/* ---- half ------------------------------------------------------------------------------------ */

const char *
toffee_c2_wide_x(toffee_c2 *c, size_t index)
{
    toffee_dtype dtype = toffee_c2_dtype(toffee_c2_input(c, index));

    return toffee_c2_cast(c, toffee_c2_x(c, index), dtype, toffee_c2_wide(dtype), NULL);
}

const char *
toffee_c2_wide_y(toffee_c2 *c, size_t index)
{
    if (toffee_c2_dtype(toffee_c2_output(c, index)) == TOFFEE_DTYPE_FLOAT16) {
        return toffee_c2_fresh(c);
    }
    return toffee_c2_y(c, index);
}

void
toffee_c2_wide_done(toffee_c2 *c, size_t index, const char *y)
{
    if (toffee_c2_dtype(toffee_c2_output(c, index)) == TOFFEE_DTYPE_FLOAT16) {
        toffee_c2_op1(c, "FloatToHalf", y, toffee_c2_y(c, index));
    }
}

/* ---- limits ---------------------------------------------------------------------------------- */

bool
toffee_c2_all_within(const int64_t *x, size_t n, int64_t limit)
{
    for (size_t i = 0; i < n; i++) {
        if (!toffee_c2_within(x[i], limit)) {
            return false;
        }
    }
    return true;
}

/* ---- steps ----------------------------------------------------------------------------------- */

const char *
toffee_c2_aten_number(toffee_c2 *c, const char *function, const char *x, const char *arg,
                      double value, const char *dst)
{
    dst = toffee_c2_aten1(c, function, x, dst);
    if (fabs(value) < 0x1p53 && value == floor(value)) {
        toffee_c2_int(c, arg, (int64_t)value);
    }
    else {
        toffee_c2_float(c, arg, value);
    }
    return dst;
}

const char *
toffee_c2_aten_over(toffee_c2 *c, const char *function, const char *x, const int64_t *axes,
                    size_t n, const char *dst)
{
    dst = toffee_c2_aten_ints(c, function, x, "dim", axes, n, dst);
    toffee_c2_int(c, "keepdim", 1);
    return dst;
}

const char *
toffee_c2_pad_last(toffee_c2 *c, const char *x, const int64_t *begin, const int64_t *end, int32_t n,
                   double value, const char *dst)
{
    int64_t *pad = toffee_c2_numbers(c, (size_t)n * 2);
    bool any = false;

    if (c->rc != TOFFEE_OK) {
        return "";
    }
    for (int32_t i = 0; i < n; i++) { /* ATen counts from the last axis */
        pad[2 * i] = begin[n - 1 - i];
        pad[2 * i + 1] = end[n - 1 - i];
        any = any || begin[i] != 0 || end[i] != 0;
    }
    if (!any && dst == NULL) {
        return x;
    }
    dst = toffee_c2_aten_ints(c, "constant_pad_nd", x, "pad", pad, (size_t)n * 2, dst);
    toffee_c2_float(c, "value", value);
    return dst;
}

const char *
toffee_c2_filled(toffee_c2 *c, double value, const int64_t *dims, size_t rank, toffee_dtype dtype)
{
    toffee_c2_net_draft *into = c->into;
    const char *blob = NULL;

    c->into = &c->init;
    toffee_c2_op(c, "ConstantFill");
    blob = toffee_c2_out_fresh(c);
    toffee_c2_ints(c, "shape", dims, rank);
    toffee_c2_float(c, "value", value);
    c->into = into;
    return toffee_c2_cast(c, blob, TOFFEE_DTYPE_FLOAT, dtype, NULL);
}

const char *
toffee_c2_table(toffee_c2 *c, const double *values, const int64_t *dims, size_t rank,
                toffee_dtype dtype)
{
    size_t n = (size_t)toffee_c2_product(dims, 0, rank);
    float *floats = NULL;

    if (dtype == TOFFEE_DTYPE_DOUBLE) {
        return toffee_c2_const(c, dtype, values, dims, (int32_t)rank);
    }
    floats = toffee_arena_calloc(c->arena, n + 1, sizeof(*floats));
    if (floats == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return "";
    }
    for (size_t i = 0; i < n; i++) {
        floats[i] = (float)values[i];
    }
    return toffee_c2_const(c, TOFFEE_DTYPE_FLOAT, floats, dims, (int32_t)rank);
}

double *
toffee_c2_doubles(toffee_c2 *c, size_t n)
{
    double *numbers = toffee_arena_calloc(c->arena, n + 1, sizeof(*numbers));

    if (numbers == NULL && c->rc == TOFFEE_OK) {
        c->rc = toffee_fail_nomem(c->st);
    }
    return numbers;
}

const char *
toffee_c2_permute(toffee_c2 *c, const char *x, const int64_t *perm, size_t n, const char *dst)
{
    return toffee_c2_aten_ints(c, "permute", x, "dims", perm, n, dst);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* The attribute NAME, of one number for each axis, into OUT; FALLBACK for all if it is missing. */
static bool
window_attr(const toffee_c2 *c, const char *name, int32_t n, int64_t fallback, int64_t *out)
{
    size_t count = 0;
    const int64_t *ints = toffee_c2_attr_ints(c, name, &count);

    for (int32_t i = 0; i < n; i++) {
        out[i] = ints != NULL && count == (size_t)n ? ints[i] : fallback;
    }
    return ints == NULL || count == (size_t)n;
}

/* SAME_UPPER and SAME_LOWER: outputs are inputs / stride, rounded up. */
static bool
window_same(toffee_c2_window *w, bool lower)
{
    for (int32_t i = 0; i < w->n; i++) {
        int64_t total = 0;

        if (w->in[i] < 0) {
            return false;
        }
        total = ((w->in[i] + w->stride[i] - 1) / w->stride[i] - 1) * w->stride[i] +
                toffee_c2_window_span(w, i) - w->in[i];
        total = total > 0 ? total : 0;
        w->begin[i] = lower ? (total + 1) / 2 : total / 2;
        w->end[i] = total - w->begin[i];
    }
    return true;
}

static const char *
window_pads(toffee_c2 *c, toffee_c2_window *w)
{
    const char *mode = toffee_c2_attr_text(c, "auto_pad", "NOTSET");
    size_t count = 0;
    const int64_t *pads = toffee_c2_attr_ints(c, "pads", &count);

    w->auto_pad = strncmp(mode, "SAME", 4) == 0;
    if (w->auto_pad) {
        return window_same(w, strcmp(mode, "SAME_LOWER") == 0)
                   ? NULL
                   : "its auto_pad needs sizes that are not known";
    }
    if (pads == NULL || strcmp(mode, "VALID") == 0) {
        return NULL;
    }
    if (count != 2 * (size_t)w->n) {
        return "its pads do not fit its input";
    }
    if (!toffee_c2_all_within(pads, count, TOFFEE_C2_MAX_ATTR)) {
        return "its pads are too large";
    }
    for (int32_t i = 0; i < w->n; i++) {
        w->begin[i] = pads[i];
        w->end[i] = pads[w->n + i];
        if (w->begin[i] < 0 || w->end[i] < 0) {
            return "it has negative pads";
        }
    }
    return NULL;
}

const char *
toffee_c2_window_read(toffee_c2 *c, const toffee_value *weights, toffee_c2_window *out)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    toffee_c2_window w = {.n = toffee_c2_rank(x) - 2};

    if (w.n < 1 || w.n > TOFFEE_C2_MAX_SPATIAL) {
        return toffee_c2_rank(x) < 0 ? "the rank of its input is not known"
                                     : "it has not one to three spatial axes";
    }
    for (int32_t i = 0; i < w.n; i++) {
        w.in[i] = toffee_c2_dim(x, i + 2);
    }
    if (!window_attr(c, "kernel_shape", w.n, 0, w.kernel) ||
        !window_attr(c, "strides", w.n, 1, w.stride) ||
        !window_attr(c, "dilations", w.n, 1, w.dilation)) {
        return "its attributes do not fit its input";
    }
    for (int32_t i = 0; i < w.n; i++) {
        if (w.kernel[i] == 0) {
            w.kernel[i] = toffee_c2_dim(weights, i + 2);
        }
        if (w.kernel[i] < 1) {
            return "the size of its kernel is not known";
        }
        if (w.stride[i] < 1 || w.dilation[i] < 1) {
            return "a stride or dilation is less than 1";
        }
        if (w.kernel[i] > TOFFEE_C2_MAX_ATTR || w.stride[i] > TOFFEE_C2_MAX_ATTR ||
            w.dilation[i] > TOFFEE_C2_MAX_ATTR || w.in[i] > TOFFEE_C2_MAX_SIZE) {
            return "its window or its input is too large";
        }
    }
    *out = w;
    return window_pads(c, out);
}

bool
toffee_c2_window_even(const toffee_c2_window *w)
{
    return memcmp(w->begin, w->end, sizeof(w->begin)) == 0;
}

bool
toffee_c2_window_dilated(const toffee_c2_window *w)
{
    for (int32_t i = 0; i < w->n; i++) {
        if (w->dilation[i] != 1 && w->kernel[i] != 1) {
            return true;
        }
    }
    return false;
}

void
toffee_c2_window_args(toffee_c2 *c, const toffee_c2_window *w)
{
    int64_t pads[2 * TOFFEE_C2_MAX_SPATIAL] = {0};
    size_t n = (size_t)w->n;

    memcpy(pads, w->begin, n * sizeof(*pads));
    memcpy(pads + n, w->end, n * sizeof(*pads));
    toffee_c2_ints(c, "kernels", w->kernel, n);
    toffee_c2_ints(c, "strides", w->stride, n);
    toffee_c2_ints(c, "pads", pads, 2 * n);
    if (toffee_c2_window_dilated(w)) {
        toffee_c2_ints(c, "dilations", w->dilation, n);
    }
}

static const char *const conv_functions[] = {"conv1d", "conv2d", "conv3d"};

const char *
toffee_c2_conv(toffee_c2 *c, const toffee_c2_window *w, const char *x, const char *weights,
               const char *bias, int64_t group, const char *dst)
{
    int64_t none[TOFFEE_C2_MAX_SPATIAL] = {0};
    bool even = toffee_c2_window_even(w);
    size_t n = (size_t)w->n;

    if (!even) {
        x = toffee_c2_pad_last(c, x, w->begin, w->end, w->n, 0, NULL);
    }
    dst = toffee_c2_aten3(c, conv_functions[w->n - 1], x, weights, bias, dst);
    toffee_c2_ints(c, "stride", w->stride, n);
    toffee_c2_ints(c, "padding", even ? w->begin : none, n);
    toffee_c2_ints(c, "dilation", w->dilation, n);
    toffee_c2_int(c, "groups", group);
    return dst;
}

toffee_code
toffee_c2_decline_single(toffee_c2 *c)
{
    return toffee_c2_decline(c, "Caffe2's kernels are for float32");
}

toffee_code
toffee_c2_decline_real(toffee_c2 *c)
{
    return toffee_c2_decline(c, "PyTorch 1.10 computes it for floating-point numbers only");
}
