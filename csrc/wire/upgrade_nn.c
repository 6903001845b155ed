/* csrc/wire/upgrade_nn.c -- layers: convolutions, pools, normalization, FC, softmax. */
#include <string.h>

#include "wire/upgrade_rules.h"

/* One list attribute of opset 20 and the ways in which 2017 spelt it. */
typedef struct {
    const char *name;           /* "strides" */
    const char *plural;         /* the same in Caffe2: a list */
    const char *single;         /* one number for all axes */
    const char *height, *width; /* two numbers, for images */
} window_spelling;

static const window_spelling window_spellings[] = {
    {"kernel_shape", "kernels", "kernel", "kernel_h", "kernel_w"},
    {"strides", "strides", "stride", "stride_h", "stride_w"},
    {"dilations", "dilations", "dilation", "dilation_h", "dilation_w"},
    {"output_padding", "adjs", "adj", "adj_h", "adj_w"},
};

static const char *const window_pads[] = {"pad_t", "pad_l", "pad_b", "pad_r"};

/* Number of spatial axes, from the weight or from whatever list there is; 2 if nothing tells. */
static toffee_code
window_axes(toffee_rewrite *rw, const toffee_node *node, bool has_weight, size_t *out)
{
    int32_t rank = toffee_rewrite_rank(rw, has_weight && node->inputs.n > 1 ? node->inputs.data[1]
                                                                            : node->inputs.data[0]);
    const int64_t *list = NULL;
    size_t n = 0;

    for (size_t i = 0; i < TOFFEE_COUNTOF(window_spellings) && n == 0; i++) {
        const window_spelling *spelling = &window_spellings[i];
        const toffee_attr *attr = toffee_node_attr(node, spelling->name);

        attr = attr != NULL ? attr : toffee_node_attr(node, spelling->plural);
        if (attr != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, attr->name->text, &list, &n));
        }
    }
    *out = rank > 2 ? (size_t)rank - 2 : n != 0 ? n : 2;
    return TOFFEE_OK;
}

static toffee_code
window_respell(toffee_rewrite *rw, toffee_node *node, const window_spelling *spelling, size_t n)
{
    const int64_t *list = NULL;
    size_t n_list = 0;
    int64_t all[TOFFEE_MAX_RANK];
    const char *const others[] = {spelling->plural, spelling->single, spelling->height,
                                  spelling->width};

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, spelling->single, &list, &n_list));
    if (list != NULL && n_list == 1 && n <= TOFFEE_MAX_RANK) {
        for (size_t i = 0; i < n; i++) {
            all[i] = list[0];
        }
        list = all;
        n_list = n;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, spelling->plural, &list, &n_list));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, spelling->name, &list, &n_list));
    if (list == NULL && toffee_node_attr(node, spelling->height) != NULL) {
        all[0] = 1;
        all[1] = 1;
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, spelling->height, &all[0]));
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, spelling->width, &all[1]));
        list = all;
        n_list = 2;
    }
    if (list == NULL) {
        return TOFFEE_OK;
    }
    if (n_list != n) {
        return toffee_rewrite_fail(rw, node, "attribute '%s' has %zu numbers for %zu spatial axes",
                                   spelling->name, n_list, n);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, spelling->name, list, n, rw->st));
    for (size_t i = 0; i < TOFFEE_COUNTOF(others); i++) {
        if (strcmp(others[i], spelling->name) != 0) {
            toffee_node_remove_attr(node, others[i]);
        }
    }
    return TOFFEE_OK;
}

/* `pads` had a number an axis, for both ends, or all begins and then all ends; `pad` was one number
 * for everything. */
static toffee_code
window_respell_pads(toffee_rewrite *rw, toffee_node *node, size_t n)
{
    const int64_t *list = NULL;
    size_t n_list = 0;
    int64_t both[2 * TOFFEE_MAX_RANK] = {0};
    bool by_side = false;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "pad", &list, &n_list));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "pads", &list, &n_list));
    for (size_t i = 0; i < TOFFEE_COUNTOF(window_pads); i++) {
        by_side = by_side || toffee_node_attr(node, window_pads[i]) != NULL;
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, window_pads[i], &both[i]));
    }
    if (list == NULL && !by_side) {
        return TOFFEE_OK;
    }
    if (n > TOFFEE_MAX_RANK ||
        (list == NULL ? n != 2 : n_list != 1 && n_list != n && n_list != 2 * n)) {
        return toffee_rewrite_fail(rw, node,
                                   "attribute 'pads' has %zu numbers for %zu spatial axes",
                                   list == NULL ? 4 : n_list, n);
    }
    for (size_t i = 0; i < 2 * n && list != NULL; i++) {
        both[i] = n_list == 1 ? list[0] : list[n_list == n ? i % n : i];
    }
    toffee_node_remove_attr(node, "pad");
    toffee_rewrite_remove_attrs(node, window_pads, TOFFEE_COUNTOF(window_pads));
    return toffee_node_set_ints(node, "pads", both, 2 * n, rw->st);
}

/* Caffe2's legacy_pad: 0 none, 1 VALID, 2 SAME, 3 as Caffe pooled: rounding up. */
static toffee_code
window_legacy_pad(toffee_rewrite *rw, toffee_node *node)
{
    int64_t legacy = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "legacy_pad", &legacy));
    toffee_node_remove_attr(node, "legacy_pad");
    if (legacy == 0) {
        return TOFFEE_OK;
    }
    if (legacy == 1 || legacy == 2) {
        toffee_node_remove_attr(node, "pads");
        return toffee_node_set_string(node, "auto_pad", legacy == 1 ? "VALID" : "SAME_UPPER",
                                      rw->st);
    }
    if (legacy == 3 && toffee_str_is(node->op_type, "MaxPool")) {
        return toffee_node_set_int(node, "ceil_mode", 1, rw->st);
    }
    return toffee_rewrite_fail(rw, node, "attribute 'legacy_pad' is %lld, which has no counterpart",
                               (long long)legacy);
}

typedef struct {
    const char *local, *global;
} pool_pair;

static const pool_pair pool_pairs[] = {
    {"AveragePool", "GlobalAveragePool"},
    {"LpPool", "GlobalLpPool"},
    {"MaxPool", "GlobalMaxPool"},
};

static const char *const window_attrs[] = {
    "adj",          "adj_h",      "adj_w",     "adjs",           "auto_pad", "dilation",
    "dilation_h",   "dilation_w", "dilations", "global_pooling", "kernel",   "kernel_h",
    "kernel_shape", "kernel_w",   "kernels",   "legacy_pad",     "pad",      "pad_b",
    "pad_l",        "pad_r",      "pad_t",     "pads",           "stride",   "stride_h",
    "stride_w",     "strides",
};

/* p of LpPool was a float. */
static toffee_code
pool_norm_to_int(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_attr *attr = toffee_node_attr(node, "p");

    if (attr == NULL || attr->type != TOFFEE_ATTR_FLOAT) {
        return TOFFEE_OK;
    }
    if (!(attr->f >= 1 && attr->f < 1e6F) || (float)(int64_t)attr->f != attr->f) {
        return toffee_rewrite_fail(
            rw, node, "its norm p is %g; only whole numbers have a counterpart", (double)attr->f);
    }
    return toffee_node_set_int(node, "p", (int64_t)attr->f, rw->st);
}

toffee_code
toffee_upgrade_global_pool(toffee_rewrite *rw, toffee_node *node)
{
    TOFFEE_RETURN_IF_ERROR(pool_norm_to_int(rw, node));
    toffee_rewrite_remove_attrs(node, window_attrs, TOFFEE_COUNTOF(window_attrs));
    return toffee_rewrite_cut_outputs(rw, node, 1, "indices of the maxima");
}

/* Conv, ConvTranspose, MaxPool, AveragePool, LpPool
 *   [kernel | kernels | kernel_h, kernel_w; stride…; dilation…; pad…; global_pooling; legacy_pad]
 *   -> the same [kernel_shape, strides, dilations, pads], or GlobalMaxPool etc. */
toffee_code
toffee_upgrade_window(toffee_rewrite *rw, toffee_node *node)
{
    const pool_pair *pool = NULL;
    int64_t global = 0;
    size_t n = 0;

    for (size_t i = 0; i < TOFFEE_COUNTOF(pool_pairs); i++) {
        if (toffee_str_is(node->op_type, pool_pairs[i].local)) {
            pool = &pool_pairs[i];
        }
    }
    if (node->inputs.n == 0 || node->inputs.data[0] == NULL) {
        return toffee_rewrite_fail(rw, node, "it has no input");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "global_pooling", &global));
    toffee_node_remove_attr(node, "global_pooling");
    if (pool != NULL && global != 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_rename(rw, node, pool->global));
        return toffee_upgrade_global_pool(rw, node);
    }
    TOFFEE_RETURN_IF_ERROR(window_axes(rw, node, pool == NULL, &n));
    for (size_t i = 0; i < TOFFEE_COUNTOF(window_spellings); i++) {
        TOFFEE_RETURN_IF_ERROR(window_respell(rw, node, &window_spellings[i], n));
    }
    TOFFEE_RETURN_IF_ERROR(window_respell_pads(rw, node, n));
    TOFFEE_RETURN_IF_ERROR(window_legacy_pad(rw, node));
    TOFFEE_RETURN_IF_ERROR(pool_norm_to_int(rw, node));
    if (pool != NULL && toffee_node_attr(node, "kernel_shape") == NULL) {
        return toffee_rewrite_fail(rw, node, "it has no kernel_shape and is not global");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->inputs.data[0], (int32_t)n + 2));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->outputs.data[0], (int32_t)n + 2));
    return toffee_rewrite_cut_outputs(rw, node, 1, "indices of the maxima");
}

/* With spatial=0 every element has statistics of its own: x, scale, bias, mean, var broadcast as
 * NumPy does, since their shapes are those of x without the batch.
 *   (x - mean) / sqrt(var + epsilon) * scale + bias */
static toffee_code
batch_norm_by_element(toffee_rewrite *rw, toffee_node *node, double epsilon)
{
    toffee_value *const *in = node->inputs.data;
    toffee_value *output = node->outputs.data[0];
    toffee_value *a = NULL;
    toffee_value *b = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_scalar(rw, epsilon, in[4], &b));
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_emit(rw, "Add", (toffee_value *[]){in[4], b}, 2, NULL, NULL, &b));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Sqrt", &b, 1, NULL, NULL, &b));
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_emit(rw, "Sub", (toffee_value *[]){in[0], in[3]}, 2, NULL, NULL, &a));
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_emit(rw, "Div", (toffee_value *[]){a, b}, 2, NULL, NULL, &a));
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_emit(rw, "Mul", (toffee_value *[]){a, in[1]}, 2, NULL, NULL, &a));
    rw->kept = true; /* replaced by the last of these */
    return toffee_rewrite_emit(rw, "Add", (toffee_value *[]){a, in[2]}, 2, output, NULL, NULL);
}

/* SpatialBN or BatchNormalization(x, scale, bias, mean, var) [is_test, epsilon, momentum, spatial]
 *   -> BatchNormalization [epsilon, momentum, training_mode]
 *
 * In training it had five outputs: y, the new mean and variance, and the batch's own ones, which
 * today's operator does not give. Caffe2 wrote the new mean over the old one, so the file may give
 * both the same name; then the new one gets another, which nobody uses. */
toffee_code
toffee_upgrade_batch_norm(toffee_rewrite *rw, toffee_node *node)
{
    int64_t is_test = node->outputs.n <= 1;
    int64_t spatial = 1;
    double epsilon = 1e-5;

    if (node->inputs.n < 5) {
        return toffee_rewrite_fail(rw, node,
                                   "it has %zu inputs; x, scale, bias, mean and variance "
                                   "are needed",
                                   node->inputs.n);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "is_test", &is_test));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "spatial", &spatial));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "epsilon", &epsilon));
    toffee_node_remove_attr(node, "is_test");
    toffee_node_remove_attr(node, "spatial");
    for (size_t i = 1; i < node->outputs.n; i++) {
        for (size_t k = 0; k < node->inputs.n; k++) {
            if (node->outputs.data[i] == node->inputs.data[k]) {
                node->outputs.data[i] = NULL;
            }
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_cut_outputs(rw, node, is_test != 0 ? 1 : 3,
                                                      is_test != 0 ? "statistics, when is_test=1"
                                                                   : "statistics of the batch"));
    for (size_t i = 1; i < 3 && is_test == 0; i++) { /* all three, or none but the first */
        if (i == node->outputs.n) {
            TOFFEE_RETURN_IF_ERROR(toffee_node_add_output(node, NULL, rw->st));
        }
        if (node->outputs.data[i] == NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_rewrite_value(rw, &node->outputs.data[i]));
        }
    }
    if (spatial == 0 && toffee_rewrite_rank(rw, node->inputs.data[1]) != 1) {
        return is_test != 0
                   ? batch_norm_by_element(rw, node, epsilon)
                   : toffee_rewrite_fail(rw, node, "training with spatial=0 has no counterpart");
    }
    return toffee_node_set_int(node, "training_mode", is_test == 0, rw->st);
}

/* VALUE with everything before AXIS in one axis and the rest in another. */
static toffee_code
fc_flatten(toffee_rewrite *rw, toffee_value *value, int64_t axis, toffee_value **out)
{
    toffee_node *flatten = NULL;

    *out = value;
    if (axis == 1 && toffee_rewrite_rank(rw, value) == 2) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Flatten", &value, 1, NULL, &flatten, out));
    return toffee_node_set_int(flatten, "axis", axis, rw->st);
}

/* FC(x, W, b) [axis=1, axis_w=1] -> Gemm(Flatten(x), W, b) [transB=1]; with axis > 1 the axes
 * before it come back: Reshape(…, Concat(x.shape[:axis], -1)). */
toffee_code
toffee_upgrade_fc(toffee_rewrite *rw, toffee_node *node)
{
    static const int64_t rest[] = {-1};
    int64_t axis = 1;
    int64_t axis_w = 1;
    toffee_value *x = node->inputs.n > 1 ? node->inputs.data[0] : NULL;
    toffee_value *output = NULL;
    toffee_value *parts[2];
    toffee_value *shape = NULL;
    toffee_node *made = NULL;

    if (x == NULL || node->inputs.data[1] == NULL) {
        return toffee_rewrite_fail(rw, node, "it needs inputs x and W");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis_w", &axis_w));
    if (axis < 1 || axis_w < 1) {
        return toffee_rewrite_fail(rw, node, "attributes 'axis' and 'axis_w' must be 1 or more");
    }
    toffee_node_remove_attr(node, "axis");
    toffee_node_remove_attr(node, "axis_w");
    TOFFEE_RETURN_IF_ERROR(fc_flatten(rw, x, axis, &node->inputs.data[0]));
    TOFFEE_RETURN_IF_ERROR(fc_flatten(rw, node->inputs.data[1], axis_w, &node->inputs.data[1]));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "transB", 1, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->outputs.data[0], (int32_t)axis + 1));
    if (axis == 1) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_detach(rw, node, &output));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_keep(rw, node));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Shape", &x, 1, NULL, &made, &parts[0]));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(made, "end", axis, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, rest, 1, &parts[1]));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Concat", parts, 2, NULL, &made, &shape));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(made, "axis", 0, rw->st));
    return toffee_rewrite_emit(rw, "Reshape", (toffee_value *[]){node->outputs.data[0], shape}, 2,
                               output, NULL, NULL);
}

/* Dropout(x) [ratio=0.5, is_test=0] -> Dropout(x, ratio, training_mode) */
toffee_code
toffee_upgrade_dropout(toffee_rewrite *rw, toffee_node *node)
{
    int64_t is_test = 0;
    double ratio = 0.5;
    toffee_value *value = NULL;
    uint8_t training = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "is_test", &is_test));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "ratio", &ratio));
    toffee_node_remove_attr(node, "is_test");
    toffee_node_remove_attr(node, "ratio");
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_cut_outputs(rw, node, 1, "the mask"));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_scalar(rw, ratio, NULL, &value));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_input(rw, node, 1, value));
    training = is_test == 0;
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_tensor(rw, TOFFEE_DTYPE_BOOL, NULL, 0, &training, 1, &value));
    return toffee_rewrite_set_input(rw, node, 2, value);
}

/* Softmax, LogSoftmax, Hardmax(x) [axis=1]: x counted as a matrix, cut at axis; today axis is the
 * one axis that is normalized. The same if axis is the last; else Reshape(Softmax(Flatten(x)
 * [axis]) [axis=-1], Shape(x)) */
toffee_code
toffee_upgrade_softmax(toffee_rewrite *rw, toffee_node *node)
{
    int64_t axis = 1;
    toffee_value *x = node->inputs.n != 0 ? node->inputs.data[0] : NULL;
    int32_t rank = toffee_rewrite_rank(rw, x);
    toffee_value *output = NULL;
    toffee_value *shape = NULL;
    toffee_node *flatten = NULL;

    if (x == NULL) {
        return toffee_rewrite_fail(rw, node, "it has no input");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", -1, rw->st));
    if (axis == -1 || (rank > 0 && axis == rank - 1)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_emit(rw, "Flatten", &x, 1, NULL, &flatten, &node->inputs.data[0]));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(flatten, "axis", axis, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_detach(rw, node, &output));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_keep(rw, node));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Shape", &x, 1, NULL, NULL, &shape));
    return toffee_rewrite_emit(rw, "Reshape", (toffee_value *[]){node->outputs.data[0], shape}, 2,
                               output, NULL, NULL);
}

/* PRelu(x, slope): slope had an element for each channel, or one; today it broadcasts. */
toffee_code
toffee_upgrade_prelu(toffee_rewrite *rw, toffee_node *node)
{
    toffee_value *slope = node->inputs.n > 1 ? node->inputs.data[1] : NULL;

    if (slope == NULL || node->inputs.data[0] == NULL) {
        return toffee_rewrite_fail(rw, node, "it needs inputs x and slope");
    }
    if (toffee_rewrite_rank(rw, slope) == 0 ||
        (toffee_rewrite_rank(rw, slope) == 1 && toffee_rewrite_dim(rw, slope, 0) == 1)) {
        return TOFFEE_OK;
    }
    return toffee_upgrade_align(rw, node, node->inputs.data[0], slope, 1, &node->inputs.data[1]);
}

/* Upsample [scales | width_scale, height_scale; mode], ResizeNearest
 *   -> Resize(x, , scales) as Upsample counted: asymmetric, rounding down */
toffee_code
toffee_upgrade_upsample(toffee_rewrite *rw, toffee_node *node)
{
    static const char *const old[] = {"height_scale", "mode", "scales", "width_scale"};
    const char *mode = "nearest";
    const toffee_attr *attr = toffee_node_attr(node, "scales");
    double height = 1;
    double width = 1;
    float scales[4] = {1, 1, 1, 1};
    const float *list = scales;
    size_t n = TOFFEE_COUNTOF(scales);
    toffee_value *value = NULL;

    if (attr != NULL && attr->type == TOFFEE_ATTR_FLOATS) {
        list = attr->floats;
        n = attr->n;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "height_scale", &height));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "width_scale", &width));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_string(rw, node, "mode", &mode));
    scales[2] = (float)height;
    scales[3] = (float)width;
    toffee_rewrite_remove_attrs(node, old, TOFFEE_COUNTOF(old));
    if (node->inputs.n < 2) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_tensor(
            rw, TOFFEE_DTYPE_FLOAT, (int64_t[]){(int64_t)n}, 1, list, n * sizeof(*list), &value));
    }
    else {
        value = node->inputs.data[1];
        node->inputs.data[1] = NULL;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_input(rw, node, 2, value));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(
        node, "mode", strcmp(mode, "nearest") == 0 ? "nearest" : "linear", rw->st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_node_set_string(node, "coordinate_transformation_mode", "asymmetric", rw->st));
    return toffee_node_set_string(node, "nearest_mode", "floor", rw->st);
}

/* RNN, LSTM, GRU: the same but for an attribute that said which outputs are wanted, as their names
 * say too. */
toffee_code
toffee_upgrade_recurrent(toffee_rewrite *rw, toffee_node *node)
{
    (void)rw;
    toffee_node_remove_attr(node, "output_sequence");
    return TOFFEE_OK;
}
