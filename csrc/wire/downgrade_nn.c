/* csrc/wire/downgrade_nn.c -- layers: convolutions, pools, normalization, matrices. */
#include <string.h>

#include "wire/downgrade_rules.h"

/* Removes the list NAME if it is all VALUE. */
static toffee_code
expect_all(toffee_rewrite *rw, toffee_node *node, const char *name, int64_t value)
{
    const int64_t *list = NULL;
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, name, &list, &n));
    for (size_t i = 0; i < n; i++) {
        if (list[i] != value) {
            return toffee_rewrite_fail(rw, node, "its attribute '%s' has %lld; 2017 had only %lld",
                                       name, (long long)list[i], (long long)value);
        }
    }
    toffee_node_remove_attr(node, name);
    return TOFFEE_OK;
}

/* count_include_pad did not exist: padding never counted. It makes no difference without padding.
 */
static toffee_code
expect_padding_not_counted(toffee_rewrite *rw, toffee_node *node)
{
    const int64_t *pads = NULL;
    size_t n = 0;
    bool padded = toffee_node_attr(node, "auto_pad") != NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "pads", &pads, &n));
    for (size_t i = 0; i < n; i++) {
        padded = padded || pads[i] != 0;
    }
    if (!padded) {
        toffee_node_remove_attr(node, "count_include_pad");
    }
    return toffee_downgrade_expect(rw, node, "count_include_pad", 0);
}

/* Conv without kernel_shape: 2017's readers wanted it. */
static toffee_code
conv_add_kernel_shape(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_value *weight = node->inputs.n > 1 ? node->inputs.data[1] : NULL;
    int32_t rank = toffee_rewrite_rank(rw, weight);
    int64_t kernel[TOFFEE_MAX_RANK];

    if (toffee_node_attr(node, "kernel_shape") != NULL || rank < 3 || rank > TOFFEE_MAX_RANK) {
        return TOFFEE_OK;
    }
    for (int32_t i = 2; i < rank; i++) {
        kernel[i - 2] = toffee_rewrite_dim(rw, weight, i);
        if (kernel[i - 2] < 0) {
            return TOFFEE_OK;
        }
    }
    return toffee_node_set_ints(node, "kernel_shape", kernel, (size_t)rank - 2, rw->st);
}

toffee_code
toffee_downgrade_window(toffee_rewrite *rw, toffee_node *node)
{
    const char *auto_pad = "NOTSET";

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_string(rw, node, "auto_pad", &auto_pad));
    if (strcmp(auto_pad, "NOTSET") == 0) {
        toffee_node_remove_attr(node, "auto_pad");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_cut_outputs(rw, node, 1, "indices of the maxima"));
    if (toffee_str_is(node->op_type, "Conv") || toffee_str_is(node->op_type, "ConvTranspose")) {
        return conv_add_kernel_shape(rw, node);
    }
    TOFFEE_RETURN_IF_ERROR(expect_padding_not_counted(rw, node));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "ceil_mode", 0));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "storage_order", 0));
    return expect_all(rw, node, "dilations", 1);
}

static toffee_code
gemm_transpose(toffee_rewrite *rw, toffee_value **value)
{
    static const int64_t swapped[] = {1, 0};
    toffee_node *transpose = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Transpose", value, 1, NULL, &transpose, value));
    return toffee_node_set_ints(transpose, "perm", swapped, 2, rw->st);
}

/* Gemm(a, b, c?) [alpha=1, beta=1, transA, transB]
 *   -> FC(a, b, c) with b transposed first unless transB, or MatMul where there is no c */
toffee_code
toffee_downgrade_gemm(toffee_rewrite *rw, toffee_node *node)
{
    static const char *const gone[] = {"alpha", "beta", "transA", "transB"};
    double alpha = 1;
    double beta = 1;
    int64_t trans_a = 0;
    int64_t trans_b = 0;
    toffee_value *c = node->inputs.n > 2 ? node->inputs.data[2] : NULL;

    if (node->inputs.n < 2 || node->inputs.data[0] == NULL || node->inputs.data[1] == NULL) {
        return toffee_rewrite_fail(rw, node, "it needs two inputs");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "alpha", &alpha));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "beta", &beta));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "transA", &trans_a));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "transB", &trans_b));
    toffee_rewrite_remove_attrs(node, gone, TOFFEE_COUNTOF(gone));
    if (alpha != 1 || (c != NULL && beta != 1)) {
        return toffee_rewrite_fail(rw, node,
                                   "its alpha is %g and its beta %g; FC, the operator of 2017, has "
                                   "neither",
                                   alpha, beta);
    }
    if (trans_a != 0) {
        TOFFEE_RETURN_IF_ERROR(gemm_transpose(rw, &node->inputs.data[0]));
    }
    if (c == NULL) {
        node->inputs.n = 2;
        if (trans_b != 0) {
            TOFFEE_RETURN_IF_ERROR(gemm_transpose(rw, &node->inputs.data[1]));
        }
        return toffee_rewrite_rename(rw, node, "MatMul");
    }
    if (toffee_rewrite_rank(rw, c) != 1 || toffee_rewrite_dim(rw, c, 0) < 0 ||
        toffee_rewrite_dim(rw, c, 0) !=
            toffee_rewrite_dim(rw, node->inputs.data[1], trans_b != 0 ? 0 : 1)) {
        return toffee_rewrite_fail(rw, node,
                                   "its third input is not known to have one element a column; FC, "
                                   "the operator of 2017, needs that");
    }
    if (trans_b == 0) {
        TOFFEE_RETURN_IF_ERROR(gemm_transpose(rw, &node->inputs.data[1]));
    }
    return toffee_rewrite_rename(rw, node, "FC");
}

/* BatchNormalization [epsilon, momentum, training_mode]
 *   -> BatchNormalization [consumed_inputs, epsilon, is_test, momentum, spatial]; five outputs in
 *      training */
toffee_code
toffee_downgrade_batch_norm(toffee_rewrite *rw, toffee_node *node)
{
    static const int64_t consumed[] = {0, 0, 0, 1, 1};
    int64_t training = 0;
    double epsilon = 1e-5;
    double momentum = 0.9;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "training_mode", &training));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "epsilon", &epsilon));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "momentum", &momentum));
    toffee_node_remove_attr(node, "training_mode");
    if (training == 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_cut_outputs(rw, node, 1, "statistics"));
    }
    for (size_t i = 1; i < 5 && training != 0; i++) {
        toffee_value *value = NULL;

        if (i < node->outputs.n && node->outputs.data[i] != NULL) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_value(rw, &value));
        if (i < node->outputs.n) {
            node->outputs.data[i] = value;
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_output(node, value, rw->st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "consumed_inputs", consumed, 5, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "epsilon", epsilon, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "momentum", momentum, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "is_test", training == 0, rw->st));
    return toffee_node_set_int(node, "spatial", 1, rw->st);
}

/* Dropout(x, ratio?, training_mode?) -> Dropout(x) [is_test, ratio] */
toffee_code
toffee_downgrade_dropout(toffee_rewrite *rw, toffee_node *node)
{
    double ratio = 0.5;
    double training = 0;
    bool found = false;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_cut_outputs(rw, node, 1, "the mask"));
    TOFFEE_RETURN_IF_ERROR(
        toffee_downgrade_take_scalar(rw, node, 2, "training_mode", &training, &found));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_take_scalar(rw, node, 1, "ratio", &ratio, &found));
    toffee_node_remove_attr(node, "seed");
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "ratio", ratio, rw->st));
    return toffee_node_set_int(node, "is_test", training == 0, rw->st);
}

/* Softmax, LogSoftmax [axis=-1]: in 2017 everything from axis on was normalized together, which is
 * the same if axis is the last or only axes of one follow. */
toffee_code
toffee_downgrade_softmax(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_value *x = node->inputs.n != 0 ? node->inputs.data[0] : NULL;
    int32_t rank = toffee_rewrite_rank(rw, x);
    int64_t axis = -1;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_axis_of(rw, node, x, &axis));
    for (int64_t i = axis + 1; i < rank || rank < 0; i++) {
        if (rank < 0 || toffee_rewrite_dim(rw, x, (int32_t)i) != 1) {
            return toffee_rewrite_fail(
                rw, node,
                "it works along axis %lld, which is not known to be the last; "
                "2017 normalized all axes from that one on together",
                (long long)axis);
        }
    }
    return toffee_node_set_int(node, "axis", axis, rw->st);
}

/* PRelu(x, slope): one slope, or one a channel. */
toffee_code
toffee_downgrade_prelu(toffee_rewrite *rw, toffee_node *node)
{
    bool fits = false;
    int64_t axis = -1;

    if (node->inputs.n < 2 || node->inputs.data[0] == NULL || node->inputs.data[1] == NULL) {
        return toffee_rewrite_fail(rw, node, "it needs inputs x and slope");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_fit(rw, node->inputs.data[0], node->inputs.data[1],
                                                &fits, &axis, &node->inputs.data[1]));
    if (!fits ||
        (axis != -1 && (axis != 1 || toffee_rewrite_rank(rw, node->inputs.data[1]) != 1))) {
        return toffee_rewrite_fail(
            rw, node,
            "its slope is not known to be one number or one a channel, which "
            "is all that 2017 had");
    }
    return TOFFEE_OK;
}

/* LRN: all attributes had to be said. */
toffee_code
toffee_downgrade_lrn(toffee_rewrite *rw, toffee_node *node)
{
    double alpha = 0.0001;
    double beta = 0.75;
    double bias = 1;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "alpha", &alpha));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "beta", &beta));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "bias", &bias));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "alpha", alpha, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "beta", beta, rw->st));
    return toffee_node_set_float(node, "bias", bias, rw->st);
}

toffee_code
toffee_downgrade_recurrent(toffee_rewrite *rw, toffee_node *node)
{
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "layout", 0));
    return toffee_str_is(node->op_type, "GRU")
               ? toffee_downgrade_expect(rw, node, "linear_before_reset", 0)
               : TOFFEE_OK;
}
