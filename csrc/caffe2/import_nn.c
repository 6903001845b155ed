/* csrc/caffe2/import_nn.c -- what slides over images, normalizations, and what belongs to nets. */
#include <string.h>

#include "caffe2/importer.h"

#define MAX_SPATIAL 3
/* Larger is no kernel, stride or pad: products of them could overflow. */
#define MAX_ATTR (INT64_C(1) << 24)

/* Caffe2's LegacyPadding. */
enum { PADDING_NOTSET = 0, PADDING_VALID = 1, PADDING_SAME = 2, PADDING_CAFFE = 3 };

typedef struct {
    size_t n; /* of spatial axes; 0: global pooling */
    int64_t kernel[MAX_SPATIAL];
    int64_t stride[MAX_SPATIAL];
    int64_t dilation[MAX_SPATIAL];
    int64_t pads[2 * MAX_SPATIAL]; /* begins, then ends */
} image_window;

/* ---- windows --------------------------------------------------------------------------------- */

/* N numbers as Caffe2 spells them: ONE for all, EACH in two dimensions (N of them), or the list
 * MANY. *SAID is how many there are; 0: none of these. */
static void
window_numbers(toffee_c2i *c, const char *one, const char *const *each, size_t n_each,
               const char *many, size_t n_one, int64_t *out, size_t most, size_t *said)
{
    size_t n = 0;
    const int64_t *list = toffee_c2i_ints(c, many, &n);
    size_t spellings = (n != 0) + toffee_c2i_has(c, one);
    size_t n_there = 0;

    *said = 0;
    for (size_t i = 0; i < n_each; i++) {
        n_there += toffee_c2i_has(c, each[i]);
    }
    if (spellings + (n_there != 0) > 1 || (n_there != 0 && n_there != n_each) || n > most) {
        toffee_c2i_refuse(c, "it says '%s' or '%s' in more than one way, or not for every side",
                          one, many);
        return;
    }
    if (n != 0) {
        memcpy(out, list, n * sizeof(*out));
        *said = n;
    }
    else if (n_there != 0) {
        for (size_t i = 0; i < n_each; i++) {
            out[i] = toffee_c2i_int(c, each[i], 0);
        }
        *said = n_each;
    }
    else if (toffee_c2i_has(c, one)) {
        for (size_t i = 0; i < n_one; i++) {
            out[i] = toffee_c2i_int(c, one, 0);
        }
        *said = n_one;
    }
    for (size_t i = 0; i < *said; i++) {
        if (out[i] < 0 || out[i] > MAX_ATTR) {
            toffee_c2i_refuse(c, "its '%s' is %lld", one, (long long)out[i]);
        }
    }
}

/* Pads of an axis of SIZE as Caffe did it: the output is rounded up, and its last window begins
 * inside the image. At the end only what a window reaches is padded, which no result shows. */
static void
window_pad_caffe(image_window *w, size_t axis, int64_t size)
{
    int64_t kernel = w->kernel[axis];
    int64_t stride = w->stride[axis];
    int64_t head = w->pads[axis];
    int64_t n = 0;
    int64_t tail = 0;

    if (size + 2 * head < kernel) {
        return; /* inference says so */
    }
    n = (size + 2 * head - kernel + stride - 1) / stride + 1;
    if (head > 0 && (n - 1) * stride >= size + head) {
        n--;
    }
    tail = (n - 1) * stride + kernel - size - head;
    w->pads[axis + w->n] = tail > 0 ? tail : 0;
}

/* Pads of an axis of SIZE so that the output has a window for each stride. */
static void
window_pad_same(toffee_c2i *c, image_window *w, size_t axis, int64_t size)
{
    int64_t n = (size + w->stride[axis] - 1) / w->stride[axis];
    int64_t needed = (n - 1) * w->stride[axis] + w->kernel[axis] - size;

    if (needed < 0 || w->dilation[axis] != 1) {
        toffee_c2i_refuse(c, "its legacy_pad SAME is with a stride above the kernel, or dilated");
        return;
    }
    w->pads[axis] = needed / 2;
    w->pads[axis + w->n] = needed - needed / 2;
}

/* The window of the operator, which slides over X. */
static void
window_read(toffee_c2i *c, toffee_value *x, image_window *w)
{
    static const char *const kernels[] = {"kernel_h", "kernel_w"};
    static const char *const strides[] = {"stride_h", "stride_w"};
    static const char *const dilations[] = {"dilation_h", "dilation_w"};
    static const char *const sides[] = {"pad_t", "pad_l", "pad_b", "pad_r"};
    int64_t legacy = toffee_c2i_int(c, "legacy_pad", PADDING_NOTSET);
    size_t n_strides = 0;
    size_t n_dilations = 0;
    size_t n_pads = 0;

    *w = (image_window){0};
    window_numbers(c, "kernel", kernels, 2, "kernels", 2, w->kernel, MAX_SPATIAL, &w->n);
    window_numbers(c, "stride", strides, 2, "strides", 2, w->stride, MAX_SPATIAL, &n_strides);
    window_numbers(c, "dilation", dilations, 2, "dilations", 2, w->dilation, MAX_SPATIAL,
                   &n_dilations);
    window_numbers(c, "pad", sides, 4, "pads", 4, w->pads, (size_t)2 * MAX_SPATIAL, &n_pads);
    if (w->n == 0 || (n_strides != 0 && n_strides != w->n) ||
        (n_dilations != 0 && n_dilations != w->n) || (n_pads != 0 && n_pads != 2 * w->n)) {
        toffee_c2i_refuse(c, "it has no kernel, or strides, dilations or pads for other axes");
        return;
    }
    for (size_t i = 0; i < w->n; i++) {
        w->stride[i] = n_strides != 0 ? w->stride[i] : 1;
        w->dilation[i] = n_dilations != 0 ? w->dilation[i] : 1;
        if (w->kernel[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1) {
            toffee_c2i_refuse(c, "its kernel, stride or dilation is 0");
            return;
        }
    }
    if (legacy < PADDING_NOTSET || legacy > PADDING_CAFFE ||
        (n_pads != 0 && (legacy == PADDING_VALID || legacy == PADDING_SAME))) {
        toffee_c2i_refuse(c, "its legacy_pad is %lld, and pads are said besides, or it is unknown",
                          (long long)legacy);
        return;
    }
    for (size_t i = 0; i < w->n && legacy >= PADDING_SAME; i++) {
        int64_t size = toffee_c2i_need_dim(c, x, (int32_t)i + 2);

        if (c->rc != TOFFEE_OK || size > INT64_MAX / 4) {
            return;
        }
        if (legacy == PADDING_CAFFE) {
            window_pad_caffe(w, i, size);
        }
        else {
            window_pad_same(c, w, i, size);
        }
    }
}

static void
window_set(toffee_c2i *c, const image_window *w)
{
    toffee_c2i_set_ints(c, "kernel_shape", w->kernel, w->n);
    toffee_c2i_set_ints(c, "strides", w->stride, w->n);
    toffee_c2i_set_ints(c, "pads", w->pads, 2 * w->n);
}

static void
nn_conv(toffee_c2i *c)
{
    image_window w;

    toffee_c2i_arity(c, 2, 3);
    window_read(c, toffee_c2i_in(c, 0), &w);
    toffee_c2i_node(c, "Conv");
    for (size_t i = 0; i < c->op->n_inputs; i++) {
        toffee_c2i_add(c, toffee_c2i_in(c, i));
    }
    window_set(c, &w);
    toffee_c2i_set_ints(c, "dilations", w.dilation, w.n);
    toffee_c2i_set_int(c, "group", toffee_c2i_int(c, "group", 1));
    toffee_c2i_out(c, 0);
}

static void
nn_conv_transpose(toffee_c2i *c)
{
    static const char *const sides[] = {"adj_h", "adj_w"};
    image_window w;
    int64_t adjust[MAX_SPATIAL] = {0};
    size_t n_adjust = 0;

    toffee_c2i_arity(c, 2, 3);
    if (toffee_c2i_int(c, "legacy_pad", PADDING_NOTSET) > PADDING_VALID ||
        toffee_c2i_has(c, "dilation") || toffee_c2i_has(c, "dilations")) {
        toffee_c2i_refuse(c, "it has a legacy_pad or dilations");
    }
    window_read(c, toffee_c2i_in(c, 0), &w);
    window_numbers(c, "adj", sides, 2, "adjs", 2, adjust, MAX_SPATIAL, &n_adjust);
    if (n_adjust != 0 && n_adjust != w.n) {
        toffee_c2i_refuse(c, "its adjs are for other axes");
    }
    toffee_c2i_node(c, "ConvTranspose");
    for (size_t i = 0; i < c->op->n_inputs; i++) {
        toffee_c2i_add(c, toffee_c2i_in(c, i));
    }
    window_set(c, &w);
    toffee_c2i_set_ints(c, "output_padding", adjust, w.n);
    toffee_c2i_set_int(c, "group", toffee_c2i_int(c, "group", 1));
    toffee_c2i_out(c, 0);
}

static void
nn_pool(toffee_c2i *c)
{
    bool max = strncmp(c->rule->op, "Max", 3) == 0;
    bool include = !max && toffee_c2i_int(c, "count_include_pad", 0) != 0;
    image_window w;

    toffee_c2i_arity(c, 1, 1);
    if (toffee_c2i_int(c, "global_pooling", 0) != 0) {
        static const char *const said[] = {"kernel", "kernels", "kernel_h", "kernel_w",
                                           "stride", "strides", "pad",      "pads"};

        /* The kernel is then the image, whatever they say. */
        for (size_t i = 0; i < TOFFEE_COUNTOF(said); i++) {
            (void)toffee_c2i_has(c, said[i]);
        }
        toffee_c2i_return(c, max ? "GlobalMaxPool" : "GlobalAveragePool", toffee_c2i_in(c, 0),
                          NULL);
        return;
    }
    window_read(c, toffee_c2i_in(c, 0), &w);
    for (size_t i = 0; i < w.n; i++) {
        if (w.dilation[i] != 1) {
            toffee_c2i_refuse(c, "it is dilated, which Caffe2 does not compute either");
        }
    }
    toffee_c2i_node(c, max ? "MaxPool" : "AveragePool");
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    window_set(c, &w);
    if (!max) {
        toffee_c2i_set_int(c, "count_include_pad", include);
    }
    toffee_c2i_out(c, 0);
}

/* ---- normalizations -------------------------------------------------------------------------- */

static void
nn_spatial_bn(toffee_c2i *c)
{
    toffee_c2i_arity(c, 5, 5);
    if (toffee_c2i_int(c, "is_test", 0) == 0) {
        toffee_c2i_refuse(c, "it is that of training (is_test is 0), which uses the statistics of "
                             "the batch; make the net for prediction");
    }
    (void)toffee_c2i_has(c, "momentum");
    toffee_c2i_node(c, "BatchNormalization");
    for (size_t i = 0; i < c->op->n_inputs; i++) {
        toffee_c2i_add(c, toffee_c2i_in(c, i));
    }
    toffee_c2i_set_float(c, "epsilon", toffee_c2i_float(c, "epsilon", 1e-5));
    toffee_c2i_out(c, 0);
}

static void
nn_instance_norm(toffee_c2i *c)
{
    toffee_c2i_arity(c, 3, 3);
    toffee_c2i_node(c, "InstanceNormalization");
    for (size_t i = 0; i < c->op->n_inputs; i++) {
        toffee_c2i_add(c, toffee_c2i_in(c, i));
    }
    toffee_c2i_set_float(c, "epsilon", toffee_c2i_float(c, "epsilon", 1e-5));
    toffee_c2i_out(c, 0);
}

static void
nn_lrn(toffee_c2i *c)
{
    int64_t size = toffee_c2i_int(c, "size", 0);

    toffee_c2i_arity(c, 1, 1);
    if (size < 1 || size % 2 == 0) {
        toffee_c2i_refuse(c, "its size is %lld, not an odd number", (long long)size);
    }
    toffee_c2i_node(c, "LRN");
    toffee_c2i_add(c, toffee_c2i_in(c, 0));
    toffee_c2i_set_int(c, "size", size);
    toffee_c2i_set_float(c, "alpha", toffee_c2i_float(c, "alpha", 0));
    toffee_c2i_set_float(c, "beta", toffee_c2i_float(c, "beta", 0));
    toffee_c2i_set_float(c, "bias", toffee_c2i_float(c, "bias", 1));
    toffee_c2i_out(c, 0);
}

/* The mask is left out: Caffe2 makes none in prediction. */
static void
nn_dropout(toffee_c2i *c)
{
    toffee_c2i_arity(c, 1, 1);
    if (toffee_c2i_int(c, "is_test", 0) == 0) {
        toffee_c2i_refuse(c, "it is that of training (is_test is 0), which drops at random; make "
                             "the net for prediction");
    }
    (void)toffee_c2i_has(c, "ratio");
    toffee_c2i_return(c, "Dropout", toffee_c2i_in(c, 0), NULL);
}

/* Caffe2's is over all axes from "axis" on, as one. */
static void
nn_softmax(toffee_c2i *c)
{
    toffee_value *x = toffee_c2i_in(c, 0);
    int64_t axis = toffee_c2i_axis(c, x, toffee_c2i_int(c, "axis", 1));
    toffee_value *shape = NULL;
    toffee_value *flat = NULL;

    toffee_c2i_arity(c, 1, 1);
    if (axis + 1 == toffee_c2i_rank(c, x)) {
        toffee_c2i_node(c, "Softmax");
        toffee_c2i_add(c, x);
        toffee_c2i_set_int(c, "axis", -1);
        toffee_c2i_out(c, 0);
        return;
    }
    shape = toffee_c2i_apply(c, "Shape", x, NULL);
    toffee_c2i_node(c, "Flatten");
    toffee_c2i_add(c, x);
    toffee_c2i_set_int(c, "axis", axis);
    flat = toffee_c2i_out_fresh(c);
    toffee_c2i_node(c, "Softmax");
    toffee_c2i_add(c, flat);
    toffee_c2i_set_int(c, "axis", -1);
    flat = toffee_c2i_out_fresh(c);
    toffee_c2i_return(c, "Reshape", flat, shape);
}

/* ---- images ---------------------------------------------------------------------------------- */

/* [N, C, ...] -> [N, group, C/group, rest] -> its axes 1 and 2 exchanged -> [N, C, ...] */
static void
nn_channel_shuffle(toffee_c2i *c)
{
    static const int64_t perm[] = {0, 2, 1, 3};
    toffee_value *x = toffee_c2i_in(c, 0);
    toffee_value *shape = NULL;
    int64_t group = toffee_c2i_int(c, "group", 1);
    int64_t channels = toffee_c2i_need_dim(c, x, 1);
    int64_t split[4] = {0, group, 0, -1};

    toffee_c2i_arity(c, 1, 1);
    (void)toffee_c2i_has(c, "kernel");
    if (c->rc == TOFFEE_OK && (group < 1 || channels < 1 || channels % group != 0)) {
        toffee_c2i_refuse(c, "its %lld channels are not in groups of %lld", (long long)channels,
                          (long long)group);
    }
    if (c->rc != TOFFEE_OK) {
        return;
    }
    split[2] = channels / group;
    shape = toffee_c2i_apply(c, "Shape", x, NULL);
    x = toffee_c2i_apply(c, "Reshape", x, toffee_c2i_const_ints(c, split, 4));
    toffee_c2i_node(c, "Transpose");
    toffee_c2i_add(c, x);
    toffee_c2i_set_ints(c, "perm", perm, 4);
    x = toffee_c2i_out_fresh(c);
    toffee_c2i_return(c, "Reshape", x, shape);
}

/* Resize of the last two axes of X by the scales of the arguments. */
static void
image_resize(toffee_c2i *c, const char *mode, const char *place, const char *nearest)
{
    float scales[4] = {1, 1, 0, 0};
    toffee_value *x = toffee_c2i_in(c, 0);
    toffee_value *factor = NULL;

    toffee_c2i_arity(c, 1, 1);
    scales[2] = (float)toffee_c2i_float(c, "height_scale", 1);
    scales[3] = (float)toffee_c2i_float(c, "width_scale", 1);
    if (!(scales[2] > 0 && scales[3] > 0)) {
        toffee_c2i_refuse(c, "its scale is not above 0");
    }
    factor = toffee_c2i_const_floats(c, scales, 4);
    toffee_c2i_node(c, "Resize");
    toffee_c2i_add(c, x);
    toffee_c2i_add(c, NULL);
    toffee_c2i_add(c, factor);
    toffee_c2i_set_text(c, "mode", mode);
    toffee_c2i_set_text(c, "coordinate_transformation_mode", place);
    if (nearest != NULL) {
        toffee_c2i_set_text(c, "nearest_mode", nearest);
    }
    toffee_c2i_out(c, 0);
}

static void
nn_resize_nearest(toffee_c2i *c)
{
    image_resize(c, "nearest", "asymmetric", "floor");
}

static void
nn_upsample_bilinear(toffee_c2i *c)
{
    image_resize(c, "linear", "align_corners", NULL);
}

static void
nn_pad_image(toffee_c2i *c)
{
    static const char *const sides[] = {"pad_t", "pad_l", "pad_b", "pad_r"};
    toffee_value *x = toffee_c2i_in(c, 0);
    const char *mode = toffee_c2i_has(c, "mode") ? toffee_c2i_text(c, "mode") : "constant";
    double value = toffee_c2i_float(c, "value", 0);
    int64_t pads[2 * MAX_SPATIAL] = {0};
    int64_t all[8] = {0};
    size_t n = 0;
    toffee_value *amount = NULL;
    toffee_value *fill = NULL;

    toffee_c2i_arity(c, 1, 1);
    window_numbers(c, "pad", sides, 4, "pads", 4, pads, 4, &n);
    if ((n != 0 && n != 4) || (strcmp(mode, "constant") != 0 && strcmp(mode, "reflect") != 0 &&
                               strcmp(mode, "edge") != 0)) {
        toffee_c2i_refuse(c, "its mode is '%.40s', or its pads are not four", mode);
    }
    all[2] = pads[0];
    all[3] = pads[1];
    all[6] = pads[2];
    all[7] = pads[3];
    amount = toffee_c2i_const_ints(c, all, 8);
    fill = toffee_c2i_const_number(c, value, toffee_c2i_dtype(c, x));
    toffee_c2i_node(c, "Pad");
    toffee_c2i_add(c, x);
    toffee_c2i_add(c, amount);
    toffee_c2i_add(c, fill);
    toffee_c2i_set_text(c, "mode", mode);
    toffee_c2i_out(c, 0);
}

#define NHWC "order NHWC"
#define POOL "order NHWC, dilation; with `legacy_pad` SAME or Caffe's: unknown sizes"
#define MAX_POOL nn_pool, "MaxPool, GlobalMaxPool", POOL
#define AVERAGE_POOL nn_pool, "AveragePool, GlobalAveragePool", POOL

static const toffee_c2i_rule rows[] = {
    {"AveragePool", AVERAGE_POOL},
    {"AveragePool1D", AVERAGE_POOL},
    {"AveragePool2D", AVERAGE_POOL},
    {"AveragePool3D", AVERAGE_POOL},
    {"ChannelShuffle", nn_channel_shuffle, "Reshape, Transpose", "order NHWC, unknown channels"},
    {"Conv", nn_conv, "Conv", "order NHWC; with `legacy_pad` SAME: unknown sizes"},
    {"Conv1D", nn_conv, "Conv", "as Conv"},
    {"Conv2D", nn_conv, "Conv", "as Conv"},
    {"Conv3D", nn_conv, "Conv", "as Conv"},
    {"ConvTranspose", nn_conv_transpose, "ConvTranspose", "order NHWC, `legacy_pad`, dilation"},
    {"Dropout", nn_dropout, "Dropout", "`is_test` 0"},
    {"InstanceNorm", nn_instance_norm, "InstanceNormalization", NHWC},
    {"LRN", nn_lrn, "LRN", "order NHWC; its second output, if it is read"},
    {"MaxPool", MAX_POOL},
    {"MaxPool1D", MAX_POOL},
    {"MaxPool2D", MAX_POOL},
    {"MaxPool3D", MAX_POOL},
    {"PadImage", nn_pad_image, "Pad", NHWC},
    {"ResizeNearest", nn_resize_nearest, "Resize", "order NHWC, scales as an input"},
    {"Softmax", nn_softmax, "Softmax, Flatten, Shape, Reshape", NULL},
    {"SpatialBN", nn_spatial_bn, "BatchNormalization", "order NHWC, `is_test` 0"},
    {"UpsampleBilinear", nn_upsample_bilinear, "Resize", "scales as an input"},
};

const toffee_c2i_family toffee_c2i_rules_nn = {rows, TOFFEE_COUNTOF(rows)};
