/* csrc/caffe2/emit_norm.c -- normalizations. */
#include <math.h>
#include <string.h>

#include "caffe2/nn.h"

/* Whether all inputs are of one dtype of SET. */
static bool
norm_all(const toffee_c2 *c, uint64_t set)
{
    for (size_t i = 0; i < c->node->inputs.n; i++) {
        if (toffee_c2_input(c, i) != NULL && !toffee_c2_is(toffee_c2_input(c, i), set)) {
            return false;
        }
    }
    return true;
}

/* Whether each input is a float or half: what computing in float serves. */
static bool
norm_fits(const toffee_c2 *c)
{
    return norm_all(c, TOFFEE_C2_SINGLE | TOFFEE_C2_BIT(TOFFEE_DTYPE_FLOAT16)) ||
           norm_all(c, TOFFEE_C2_BIT(TOFFEE_DTYPE_DOUBLE));
}

/* The dtype that the rule computes in. */
static toffee_dtype
norm_dtype(const toffee_c2 *c)
{
    return toffee_c2_wide(toffee_c2_dtype(toffee_c2_input(c, 0)));
}

/* ---- BatchNormalization ---------------------------------------------------------------------- */

static bool
batch_is_training(const toffee_c2 *c)
{
    return toffee_c2_attr_int(c, "training_mode", 0) != 0;
}

static toffee_code
emit_batch_norm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    if (!norm_all(c, TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    if (batch_is_training(c) || toffee_c2_rank(toffee_c2_input(c, 0)) < 2) {
        return toffee_c2_decline(c, "Caffe2's SpatialBN is for inference on known ranks");
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    toffee_c2_int(c, "is_test", 1);
    toffee_c2_float(c, "epsilon", toffee_c2_attr_float(c, "epsilon", 1e-5));
    toffee_c2_string(c, "order", "NCHW");
    return toffee_c2_done(c);
}

/* Y from blobs: ATen's function, which does not touch the statistics unless it trains. */
static void
batch_apply(toffee_c2 *c, const char *x, const char *mean, const char *variance)
{
    const char *scale = toffee_c2_wide_x(c, 1);
    const char *bias = toffee_c2_wide_x(c, 2);
    const char *y = toffee_c2_wide_y(c, 0);

    toffee_c2_op(c, "ATen");
    toffee_c2_string(c, "operator", "batch_norm");
    toffee_c2_in(c, x);
    toffee_c2_in(c, scale);
    toffee_c2_in(c, bias);
    toffee_c2_in(c, mean);
    toffee_c2_in(c, variance);
    toffee_c2_out(c, y);
    toffee_c2_int(c, "training", 0);
    toffee_c2_float(c, "momentum", 0);
    toffee_c2_float(c, "eps", toffee_c2_attr_float(c, "epsilon", 1e-5));
    toffee_c2_int(c, "cudnn_enabled", 0);
    toffee_c2_wide_done(c, 0, y);
}

/* Output INDEX: what runs along with the batches, OLD * momentum + NEW * (1 - momentum). */
static void
batch_running(toffee_c2 *c, size_t index, const char *old, const char *new)
{
    double momentum = toffee_c2_attr_float(c, "momentum", 0.9);
    const char *y = NULL;

    if (toffee_c2_output(c, index) == NULL) {
        return;
    }
    y = toffee_c2_wide_y(c, index);
    old = toffee_c2_aten_number(c, "mul", old, "other", momentum, NULL);
    new = toffee_c2_aten_number(c, "mul", new, "other", 1 - momentum, NULL);
    toffee_c2_aten2(c, "add", old, new, y);
    toffee_c2_wide_done(c, index, y);
}

static toffee_code
aten_batch_norm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int64_t *axes = NULL;
    size_t n_axes = 0;
    const char *x = NULL;

    (void)rule;
    if (!norm_fits(c)) {
        return toffee_c2_decline_real(c);
    }
    if (rank < 2) {
        return toffee_c2_decline(c, "the rank of its input is not known");
    }
    x = toffee_c2_wide_x(c, 0);
    if (!batch_is_training(c)) {
        const char *stored_mean = toffee_c2_wide_x(c, 3);

        batch_apply(c, x, stored_mean, toffee_c2_wide_x(c, 4));
        return toffee_c2_done(c);
    }
    axes = toffee_c2_numbers(c, (size_t)rank);
    for (int32_t i = 0; i < rank && c->rc == TOFFEE_OK; i++) {
        if (i != 1) {
            axes[n_axes++] = i;
        }
    }
    const char *mean = toffee_c2_aten_ints(c, "mean", x, "dim", axes, n_axes, NULL);

    toffee_c2_int(c, "keepdim", 0);
    const char *variance = toffee_c2_aten_ints(c, "var", x, "dim", axes, n_axes, NULL);

    toffee_c2_int(c, "unbiased", 0);
    toffee_c2_int(c, "keepdim", 0);
    batch_apply(c, x, mean, variance);
    batch_running(c, 1, toffee_c2_wide_x(c, 3), mean);
    batch_running(c, 2, toffee_c2_wide_x(c, 4), variance);
    return toffee_c2_done(c);
}

/* ---- InstanceNormalization and GroupNormalization -------------------------------------------- */

/* A vector of one number a group becomes one of one number a channel. */
static const char *
group_spread(toffee_c2 *c, const char *vector, int64_t groups, int64_t channels)
{
    int64_t column[2] = {groups, 1};
    int64_t spread[2] = {groups, channels / groups};

    vector = toffee_c2_view(c, vector, column, 2, NULL);
    vector = toffee_c2_aten_ints(c, "expand", vector, "size", spread, 2, NULL);
    return toffee_c2_view(c, vector, &channels, 1, NULL);
}

/* How many groups, of how many channels; NULL, or why not. */
static const char *
group_read(toffee_c2 *c, int64_t *groups, int64_t *channels)
{
    *channels = toffee_c2_dim(toffee_c2_input(c, 0), 1);
    *groups = toffee_c2_attr_int(c, "num_groups", *channels);
    if (*channels < 1 || *groups < 1 || *channels % *groups != 0) {
        return "the number of its channels is not known";
    }
    /* Of opset 18 to 20: one for each group. Of 21: one for each channel. */
    for (size_t i = 1; i < 3; i++) {
        int64_t n = toffee_c2_dim(toffee_c2_input(c, i), 0);

        if (n != *groups && n != *channels) {
            return "the size of its scale or bias is not known";
        }
    }
    return NULL;
}

/* Scale or bias for each channel. */
static const char *
group_vector(toffee_c2 *c, size_t index, int64_t groups, int64_t channels)
{
    const char *vector = toffee_c2_wide_x(c, index);

    return toffee_c2_dim(toffee_c2_input(c, index), 0) == channels
               ? vector
               : group_spread(c, vector, groups, channels);
}

/* Caffe2 has an operator InstanceNorm, whose variance is a difference of large numbers: an input
 * around 100 costs it half of its digits. GroupNorm does not do that. */
static toffee_code
emit_group_norm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t groups = 0;
    int64_t channels = 0;
    const char *why = group_read(c, &groups, &channels);

    if (!norm_all(c, TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    const char *scale = group_vector(c, 1, groups, channels);
    const char *bias = group_vector(c, 2, groups, channels);

    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0), scale, toffee_c2_y(c, 0));
    toffee_c2_in(c, bias);
    toffee_c2_int(c, "group", groups);
    toffee_c2_float(c, "epsilon", toffee_c2_attr_float(c, "epsilon", 1e-5));
    toffee_c2_string(c, "order", "NCHW");
    return toffee_c2_done(c);
}

static toffee_code
aten_group_norm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t groups = 0;
    int64_t channels = 0;
    const char *why = group_read(c, &groups, &channels);

    if (!norm_fits(c)) {
        return toffee_c2_decline_real(c);
    }
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    const char *x = toffee_c2_wide_x(c, 0);
    const char *scale = group_vector(c, 1, groups, channels);
    const char *bias = group_vector(c, 2, groups, channels);
    const char *y = toffee_c2_wide_y(c, 0);

    toffee_c2_aten3(c, rule->aten_name, x, scale, bias, y);
    toffee_c2_int(c, "num_groups", groups);
    toffee_c2_float(c, "eps", toffee_c2_attr_float(c, "epsilon", 1e-5));
    toffee_c2_int(c, "cudnn_enabled", 0);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- LayerNormalization ---------------------------------------------------------------------- */

/* Whether scale and bias have the normalized shape; -1 as the axis if shapes are not known. */
static bool
layer_is_plain(toffee_c2 *c, int32_t axis)
{
    const toffee_value *x = toffee_c2_input(c, 0);

    for (size_t i = 1; i < c->node->inputs.n; i++) {
        const toffee_value *part = toffee_c2_input(c, i);

        if (part == NULL) {
            continue;
        }
        if (toffee_c2_rank(part) != toffee_c2_rank(x) - axis) {
            return false;
        }
        for (int32_t k = 0; k < toffee_c2_rank(part); k++) {
            if (toffee_c2_dim(part, k) < 0 ||
                toffee_c2_dim(part, k) != toffee_c2_dim(x, axis + k)) {
                return false;
            }
        }
    }
    return true;
}

/* The normalized axis and sizes. */
static const char *
layer_read(toffee_c2 *c, int32_t *axis, int64_t **dims, size_t *n)
{
    const toffee_value *x = toffee_c2_input(c, 0);

    *axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", -1), toffee_c2_rank(x));
    if (*axis < 0) {
        return "the rank of its input is not known";
    }
    *n = (size_t)(toffee_c2_rank(x) - *axis);
    *dims = toffee_c2_numbers(c, *n);
    for (size_t i = 0; i < *n && c->rc == TOFFEE_OK; i++) {
        int64_t size = toffee_c2_dim(x, *axis + (int32_t)i);

        if (size < 1) {
            return "the sizes that it normalizes are not known, or 0";
        }
        (*dims)[i] = size;
    }
    return NULL;
}

static toffee_code
emit_layer_norm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t *dims = NULL;
    size_t n = 0;
    int32_t axis = -1;
    const char *why = layer_read(c, &axis, &dims, &n);

    if (!norm_all(c, TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    if (why != NULL || !layer_is_plain(c, axis) || toffee_c2_output(c, 1) != NULL ||
        toffee_c2_output(c, 2) != NULL) {
        return toffee_c2_decline(
            c, why != NULL ? why : "Caffe2's LayerNorm returns the deviation, not its inverse");
    }
    const char *bias = toffee_c2_input(c, 2) != NULL
                           ? toffee_c2_x(c, 2)
                           : toffee_c2_filled(c, 0, dims, n, TOFFEE_DTYPE_FLOAT);

    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    toffee_c2_in(c, bias);
    toffee_c2_out_fresh(c); /* mean and deviation */
    toffee_c2_out_fresh(c);
    toffee_c2_int(c, "axis", axis);
    toffee_c2_float(c, "epsilon", toffee_c2_attr_float(c, "epsilon", 1e-5));
    toffee_c2_int(c, "elementwise_affine", 1);
    return toffee_c2_done(c);
}

/* The statistics are of float at least: what stash_type says, unless it says double. */
static void
layer_return(toffee_c2 *c, size_t index, const char *blob, toffee_dtype dtype)
{
    const toffee_value *output = toffee_c2_output(c, index);

    if (output != NULL) {
        toffee_c2_cast(c, blob, dtype, toffee_c2_dtype(output), toffee_c2_y(c, index));
    }
}

static toffee_code
aten_layer_norm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    toffee_dtype dtype = norm_dtype(c);
    int64_t *dims = NULL;
    size_t n = 0;
    int32_t axis = -1;
    bool plain = false;
    const char *why = layer_read(c, &axis, &dims, &n);

    if (!norm_fits(c)) {
        return toffee_c2_decline_real(c);
    }
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    plain = layer_is_plain(c, axis);
    const char *x = toffee_c2_wide_x(c, 0);
    const char *scale = plain ? toffee_c2_wide_x(c, 1) : toffee_c2_filled(c, 1, dims, n, dtype);
    const char *bias = plain && toffee_c2_input(c, 2) != NULL
                           ? toffee_c2_wide_x(c, 2)
                           : toffee_c2_filled(c, 0, dims, n, dtype);
    const char *y = toffee_c2_wide_y(c, 0);
    const char *t = toffee_c2_aten3(c, rule->aten_name, x, scale, bias, plain ? y : NULL);
    const char *mean = toffee_c2_out_fresh(c);
    const char *inverse = toffee_c2_out_fresh(c);

    toffee_c2_ints(c, "normalized_shape", dims, n);
    toffee_c2_float(c, "eps", toffee_c2_attr_float(c, "epsilon", 1e-5));
    if (!plain) { /* scale and bias are broadcast */
        bool biased = toffee_c2_input(c, 2) != NULL;

        t = toffee_c2_aten2(c, "mul", t, toffee_c2_wide_x(c, 1), biased ? NULL : y);
        if (biased) {
            toffee_c2_aten2(c, "add", t, toffee_c2_wide_x(c, 2), y);
        }
    }
    toffee_c2_wide_done(c, 0, y);
    layer_return(c, 1, mean, dtype);
    layer_return(c, 2, inverse, dtype);
    return toffee_c2_done(c);
}

/* ---- LRN ------------------------------------------------------------------------------------- */

static toffee_code
emit_lrn(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t size = toffee_c2_attr_int(c, "size", 1);

    if (!norm_all(c, TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    if (size < 1 || size > TOFFEE_C2_MAX_ATTR || size % 2 == 0 ||
        toffee_c2_rank(toffee_c2_input(c, 0)) != 4) {
        return toffee_c2_decline(c, "Caffe2's LRN is for images and an odd size");
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_out_fresh(c); /* the divisors */
    toffee_c2_int(c, "size", size);
    toffee_c2_float(c, "alpha", toffee_c2_attr_float(c, "alpha", 1e-4));
    toffee_c2_float(c, "beta", toffee_c2_attr_float(c, "beta", 0.75));
    toffee_c2_float(c, "bias", toffee_c2_attr_float(c, "bias", 1));
    toffee_c2_string(c, "order", "NCHW");
    return toffee_c2_done(c);
}

/* As averages of squares along the channels. Neither torch's local_response_norm nor a pool with
 * padding leans to the side that ONNX wants for an even size. */
static toffee_code
aten_lrn(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *input = toffee_c2_input(c, 0);
    int64_t size = toffee_c2_attr_int(c, "size", 1);
    int64_t begin[2] = {0, 0};
    int64_t end[2] = {0, 0};
    int64_t kernel[2] = {size, 1};
    static const int64_t one[2] = {1, 1};
    static const int64_t none[2] = {0, 0};
    int64_t flat[4] = {0, 1, 0, 1};
    const int64_t *dims = NULL;
    size_t rank = 0;
    const char *y = NULL;

    (void)rule;
    if (!norm_fits(c)) {
        return toffee_c2_decline_real(c);
    }
    if (size < 1 || size > TOFFEE_C2_MAX_ATTR) {
        return toffee_c2_decline(c, "its size is no size");
    }
    if (toffee_c2_rank(input) < 2 || !toffee_c2_dims(c, input, &dims)) {
        return toffee_c2_decline(c, "the sizes of its input are not known");
    }
    rank = (size_t)toffee_c2_rank(input);
    begin[0] = (size - 1) / 2;
    end[0] = size - 1 - begin[0];
    flat[0] = dims[0];
    flat[2] = dims[1];
    flat[3] = toffee_c2_product(dims, 2, rank);
    y = toffee_c2_wide_y(c, 0);
    const char *x = toffee_c2_wide_x(c, 0);
    const char *t = toffee_c2_aten2(c, "mul", x, x, NULL);

    t = toffee_c2_view(c, t, flat, 4, NULL);
    t = toffee_c2_pad_last(c, t, begin, end, 2, 0, NULL);
    t = toffee_c2_aten1(c, "avg_pool2d", t, NULL);
    toffee_c2_ints(c, "kernel_size", kernel, 2);
    toffee_c2_ints(c, "stride", one, 2);
    toffee_c2_ints(c, "padding", none, 2);
    toffee_c2_int(c, "ceil_mode", 0);
    toffee_c2_int(c, "count_include_pad", 1);
    t = toffee_c2_aten_number(c, "mul", t, "other", toffee_c2_attr_float(c, "alpha", 1e-4), NULL);
    t = toffee_c2_aten_number(c, "add", t, "other", toffee_c2_attr_float(c, "bias", 1), NULL);
    t = toffee_c2_aten_number(c, "pow", t, "exponent", toffee_c2_attr_float(c, "beta", 0.75), NULL);
    t = toffee_c2_view(c, t, dims, rank, NULL);
    toffee_c2_aten2(c, "div", x, t, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- LpNormalization, MeanVarianceNormalization ---------------------------------------------- */

static toffee_code
aten_lp_norm(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t axis = toffee_c2_attr_int(c, "axis", -1);
    bool absolute = toffee_c2_attr_int(c, "p", 2) == 1;
    const char *x = NULL;
    const char *y = NULL;
    const char *t = NULL;
    const char *zero = NULL;

    (void)rule;
    if (!norm_fits(c)) {
        return toffee_c2_decline_real(c);
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    t = absolute ? toffee_c2_aten1(c, "abs", x, NULL) : toffee_c2_aten2(c, "mul", x, x, NULL);
    t = toffee_c2_aten_over(c, "sum", t, &axis, 1, NULL);
    t = absolute ? t : toffee_c2_aten1(c, "sqrt", t, NULL);
    /* Nothing but zeros stays zeros: such a norm becomes 1. */
    zero = toffee_c2_aten_int(c, "eq", t, "other", 0, NULL);
    t = toffee_c2_aten2(c, "add", t, zero, NULL);
    toffee_c2_aten2(c, "div", x, t, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

static toffee_code
aten_mean_variance(toffee_c2 *c, const toffee_c2_rule *rule)
{
    static const int64_t image[] = {0, 2, 3};
    size_t n = 0;
    const int64_t *axes = toffee_c2_attr_ints(c, "axes", &n);
    const char *x = NULL;
    const char *y = NULL;
    const char *t = NULL;

    (void)rule;
    if (!norm_fits(c)) {
        return toffee_c2_decline_real(c);
    }
    if (axes == NULL) {
        axes = image;
        n = TOFFEE_COUNTOF(image);
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    t = toffee_c2_aten_ints(c, "var", x, "dim", axes, n, NULL);
    toffee_c2_int(c, "unbiased", 0);
    toffee_c2_int(c, "keepdim", 1);
    t = toffee_c2_aten1(c, "sqrt", t, NULL);
    t = toffee_c2_aten_number(c, "add", t, "other", 1e-9, NULL);
    x = toffee_c2_aten2(c, "sub", x, toffee_c2_aten_over(c, "mean", x, axes, n, NULL), NULL);
    toffee_c2_aten2(c, "div", x, t, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"BatchNormalization", emit_batch_norm, "SpatialBN", aten_batch_norm, "batch_norm"},
    {"GroupNormalization", emit_group_norm, "GroupNorm", aten_group_norm, "group_norm"},
    {"InstanceNormalization", emit_group_norm, "GroupNorm", aten_group_norm, "group_norm"},
    {"LRN", emit_lrn, "LRN", aten_lrn, "avg_pool2d"},
    {"LayerNormalization", emit_layer_norm, "LayerNorm", aten_layer_norm, "native_layer_norm"},
    {"LpNormalization", NULL, NULL, aten_lp_norm, "sum, div"},
    {"MeanVarianceNormalization", NULL, NULL, aten_mean_variance, "var, mean"},
};

const toffee_c2_family toffee_c2_rules_norm = {rows, TOFFEE_COUNTOF(rows)};
