/* csrc/caffe2/emit_nn.c -- convolutions and products. */
#include <math.h>
#include <string.h>

#include "caffe2/nn.h"

/* ---- Conv ------------------------------------------------------------------------------------ */

static toffee_code
emit_conv(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_c2_window w;
    const char *why = toffee_c2_window_read(c, toffee_c2_input(c, 1), &w);

    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline(c, "Caffe2's kernels are for float32");
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    toffee_c2_window_args(c, &w);
    toffee_c2_int(c, "group", toffee_c2_attr_int(c, "group", 1));
    return toffee_c2_done(c);
}

/* The bias at input 2, or zeros: ATen's operator knows no missing tensors. */
static const char *
conv_bias(toffee_c2 *c, int64_t channels, toffee_dtype dtype)
{
    if (toffee_c2_input(c, 2) != NULL) {
        return toffee_c2_wide_x(c, 2);
    }
    return toffee_c2_filled(c, 0, &channels, 1, toffee_c2_wide(dtype));
}

static const char *const conv_transpose_functions[] = {"conv_transpose1d", "conv_transpose2d",
                                                       "conv_transpose3d"};

static toffee_code
aten_conv(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *weights = toffee_c2_input(c, 1);
    toffee_c2_window w;
    const char *why = toffee_c2_window_read(c, weights, &w);
    const char *y = NULL;

    (void)rule;
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 convolves only floating-point numbers");
    }
    if (toffee_c2_dim(weights, 0) < 0) {
        return toffee_c2_decline(c, "the size of its weights is not known");
    }
    const char *x = toffee_c2_wide_x(c, 0);
    const char *kernel = toffee_c2_wide_x(c, 1);
    const char *bias = conv_bias(c, toffee_c2_dim(weights, 0), toffee_c2_dtype(weights));

    y = toffee_c2_conv(c, &w, x, kernel, bias, toffee_c2_attr_int(c, "group", 1),
                       toffee_c2_wide_y(c, 0));
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- ConvTranspose --------------------------------------------------------------------------- */

/* Its window, with the pads that output_shape or auto_pad mean, and output_padding into ADJUST. */
static const char *
transpose_read(toffee_c2 *c, toffee_c2_window *w, int64_t *adjust)
{
    size_t n_adjust = 0;
    size_t n_shape = 0;
    const int64_t *adjusts = toffee_c2_attr_ints(c, "output_padding", &n_adjust);
    const int64_t *shape = toffee_c2_attr_ints(c, "output_shape", &n_shape);
    const char *mode = toffee_c2_attr_text(c, "auto_pad", "NOTSET");
    const char *why = toffee_c2_window_read(c, toffee_c2_input(c, 1), w);
    size_t n = (size_t)w->n;

    if (why != NULL) {
        return why;
    }
    if ((adjusts != NULL && n_adjust != n) || (shape != NULL && n_shape != n && n_shape != n + 2)) {
        return "its attributes do not fit its input";
    }
    if (!toffee_c2_all_within(adjusts, adjusts != NULL ? n : 0, TOFFEE_C2_MAX_ATTR) ||
        !toffee_c2_all_within(shape, n_shape, TOFFEE_C2_MAX_SIZE)) {
        return "its output_padding or output_shape is too large";
    }
    for (size_t i = 0; i < n; i++) {
        int64_t total = 0;
        int64_t wanted = 0;

        adjust[i] = adjusts != NULL ? adjusts[i] : 0;
        if (shape == NULL && !w->auto_pad) {
            continue;
        }
        if (w->in[i] < 0) {
            return "its padding needs sizes that are not known";
        }
        wanted = shape != NULL ? shape[n_shape - n + i] : w->in[i] * w->stride[i];
        total = w->stride[i] * (w->in[i] - 1) + adjust[i] + toffee_c2_window_span(w, (int32_t)i) -
                wanted;
        if (total < 0) { /* output_shape asks for more than the input reaches */
            adjust[i] -= total;
            total = 0;
        }
        w->begin[i] = strcmp(mode, "SAME_UPPER") == 0 ? total / 2 : total - total / 2;
        w->end[i] = total - w->begin[i];
    }
    return NULL;
}

static toffee_code
emit_conv_transpose(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_c2_window w = {0};
    int64_t adjust[TOFFEE_C2_MAX_SPATIAL] = {0};
    const char *why = transpose_read(c, &w, adjust);

    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE) || w.n != 2 ||
        toffee_c2_window_dilated(&w)) {
        return toffee_c2_decline(c, "Caffe2's ConvTranspose is for float32, two axes, no dilation");
    }
    for (int32_t i = 0; i < w.n; i++) {
        if (adjust[i] >= w.stride[i]) {
            return toffee_c2_decline(c, "Caffe2 wants output_padding below the stride");
        }
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    toffee_c2_window_args(c, &w);
    toffee_c2_ints(c, "adjs", adjust, (size_t)w.n);
    toffee_c2_int(c, "group", toffee_c2_attr_int(c, "group", 1));
    return toffee_c2_done(c);
}

static toffee_code
aten_conv_transpose(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *weights = toffee_c2_input(c, 1);
    int64_t group = toffee_c2_attr_int(c, "group", 1);
    int64_t none[TOFFEE_C2_MAX_SPATIAL] = {0};
    int64_t cut_begin[TOFFEE_C2_MAX_SPATIAL] = {0};
    int64_t cut_end[TOFFEE_C2_MAX_SPATIAL] = {0};
    int64_t adjust[TOFFEE_C2_MAX_SPATIAL] = {0};
    toffee_c2_window w = {0};
    const char *why = transpose_read(c, &w, adjust);
    const char *y = NULL;
    bool even = true;

    (void)rule;
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS) || toffee_c2_dim(weights, 1) < 0 ||
        toffee_c2_dim(weights, 1) > TOFFEE_C2_MAX_SIZE ||
        !toffee_c2_within(group, TOFFEE_C2_MAX_ATTR)) {
        return toffee_c2_decline(c, "its dtype is no floating point, or its weights' size unknown");
    }
    for (int32_t i = 0; i < w.n; i++) {
        if (adjust[i] >= w.stride[i] && adjust[i] >= w.dilation[i]) {
            return toffee_c2_decline(c, "its output_padding reaches the stride and the dilation");
        }
        cut_begin[i] = -w.begin[i];
        cut_end[i] = -w.end[i];
    }
    even = toffee_c2_window_even(&w);
    y = toffee_c2_wide_y(c, 0);
    const char *x = toffee_c2_wide_x(c, 0);
    const char *kernel = toffee_c2_wide_x(c, 1);
    const char *bias = conv_bias(c, toffee_c2_dim(weights, 1) * group, toffee_c2_dtype(weights));
    const char *full =
        toffee_c2_aten3(c, conv_transpose_functions[w.n - 1], x, kernel, bias, even ? y : NULL);

    toffee_c2_ints(c, "stride", w.stride, (size_t)w.n);
    toffee_c2_ints(c, "padding", even ? w.begin : none, (size_t)w.n);
    toffee_c2_ints(c, "output_padding", adjust, (size_t)w.n);
    toffee_c2_int(c, "groups", group);
    toffee_c2_ints(c, "dilation", w.dilation, (size_t)w.n);
    if (!even) { /* padding of a transposed convolution cuts its output */
        toffee_c2_pad_last(c, full, cut_begin, cut_end, w.n, 0, y);
    }
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* Whether it is a product of integers over nothing: PyTorch 1.10 leaves its result as the memory
 * was. */
static bool
product_of_nothing(const toffee_c2 *c, bool trans_b)
{
    const toffee_value *b = toffee_c2_input(c, 1);
    int32_t rank = toffee_c2_rank(b);

    return toffee_c2_is(b, TOFFEE_C2_INDEX) &&
           toffee_c2_dim(b, rank > 1 ? rank - (trans_b ? 1 : 2) : 0) == 0;
}

/* ---- Gemm ------------------------------------------------------------------------------------ */

static toffee_code
emit_gemm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *b = toffee_c2_input(c, 1);
    const toffee_value *bias = toffee_c2_input(c, 2);
    bool trans_b = toffee_c2_attr_int(c, "transB", 0) != 0;
    int64_t n = toffee_c2_dim(b, trans_b ? 0 : 1);
    int64_t k = toffee_c2_dim(b, trans_b ? 1 : 0);

    if (!toffee_c2_is(b, TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline(c, "Caffe2's kernels are for float32");
    }
    if (toffee_c2_attr_int(c, "transA", 0) != 0 || toffee_c2_attr_float(c, "alpha", 1) != 1 ||
        toffee_c2_attr_float(c, "beta", 1) != 1 || n < 1 || k < 1) {
        return toffee_c2_decline(c, "Caffe2's FC neither scales nor transposes its input");
    }
    if (bias != NULL && (toffee_c2_rank(bias) != 1 || toffee_c2_dim(bias, 0) != n)) {
        return toffee_c2_decline(c, "Caffe2's FC adds only a vector");
    }
    const char *vector =
        bias != NULL ? toffee_c2_blob(c, bias) : toffee_c2_filled(c, 0, &n, 1, TOFFEE_DTYPE_FLOAT);

    toffee_c2_op(c, trans_b ? rule->caffe2_name : "FCTransposed");
    toffee_c2_in_at(c, 0);
    toffee_c2_in_at(c, 1);
    toffee_c2_in(c, vector);
    toffee_c2_out_at(c, 0);
    return toffee_c2_done(c);
}

static bool
factor_is_whole(double value)
{
    return fabs(value) < 0x1p53 && value == floor(value);
}

/* A factor: whole numbers must stay whole for integers. */
static void
gemm_factor(toffee_c2 *c, const char *name, double value)
{
    if (factor_is_whole(value)) {
        toffee_c2_int(c, name, (int64_t)value);
    }
    else {
        toffee_c2_float(c, name, value);
    }
}

static toffee_code
aten_gemm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    double alpha = toffee_c2_attr_float(c, "alpha", 1);
    double beta = toffee_c2_attr_float(c, "beta", 1);
    bool whole = toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_INDEX);
    const char *a = NULL;
    const char *b = NULL;
    const char *y = NULL;

    if (!whole && !toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 has no such product of this dtype");
    }
    if (product_of_nothing(c, toffee_c2_attr_int(c, "transB", 0) != 0)) {
        return toffee_c2_decline(c, "PyTorch 1.10 is wrong about integer products over nothing");
    }
    if (whole && (!factor_is_whole(alpha) || !factor_is_whole(beta))) {
        return toffee_c2_decline(c, "PyTorch scales integers by integers only");
    }
    a = toffee_c2_wide_x(c, 0);
    b = toffee_c2_wide_x(c, 1);
    if (toffee_c2_attr_int(c, "transA", 0) != 0) {
        a = toffee_c2_aten1(c, "t", a, NULL);
    }
    if (toffee_c2_attr_int(c, "transB", 0) != 0) {
        b = toffee_c2_aten1(c, "t", b, NULL);
    }
    y = toffee_c2_wide_y(c, 0);
    if (toffee_c2_input(c, 2) != NULL) {
        const char *bias = toffee_c2_wide_x(c, 2);

        toffee_c2_aten3(c, rule->aten_name, bias, a, b, y);
        gemm_factor(c, "alpha", alpha);
        gemm_factor(c, "beta", beta);
    }
    else if (alpha == 1) {
        toffee_c2_aten2(c, "mm", a, b, y);
    }
    else {
        toffee_c2_aten_number(c, "mul", toffee_c2_aten2(c, "mm", a, b, NULL), "other", alpha, y);
    }
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- MatMul ---------------------------------------------------------------------------------- */

static toffee_code
emit_matmul(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int32_t left = toffee_c2_rank(toffee_c2_input(c, 0));
    int32_t right = toffee_c2_rank(toffee_c2_input(c, 1));

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline(c, "Caffe2's kernels are for float32");
    }
    if (left < 1 || right < 1 || (left == 1 && right == 1)) { /* its result has one axis too many */
        return toffee_c2_decline(c, "Caffe2 multiplies no two vectors, and wants known ranks");
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    toffee_c2_int(c, "broadcast", 1);
    return toffee_c2_done(c);
}

static toffee_code
aten_matmul(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *a = NULL;
    const char *b = NULL;
    const char *y = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS | TOFFEE_C2_INDEX)) {
        return toffee_c2_decline(c, "PyTorch 1.10 has no such product of this dtype");
    }
    if (product_of_nothing(c, false)) {
        return toffee_c2_decline(c, "PyTorch 1.10 is wrong about integer products over nothing");
    }
    a = toffee_c2_wide_x(c, 0);
    b = toffee_c2_wide_x(c, 1);
    y = toffee_c2_wide_y(c, 0);
    toffee_c2_aten2(c, rule->aten_name, a, b, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"Conv", emit_conv, "Conv", aten_conv, "conv1d, conv2d, conv3d"},
    {"ConvTranspose", emit_conv_transpose, "ConvTranspose", aten_conv_transpose,
     "conv_transpose1d, conv_transpose2d, conv_transpose3d"},
    {"Gemm", emit_gemm, "FC", aten_gemm, "addmm"},
    {"MatMul", emit_matmul, "BatchMatMul", aten_matmul, "matmul"},
};

const toffee_c2_family toffee_c2_rules_nn = {rows, TOFFEE_COUNTOF(rows)};
