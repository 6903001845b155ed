/* csrc/lower/lower_nn.c -- activations and dropout. */
#include "lower/fit.h"

#include <string.h>

/* ---- activations ---------------------------------------------------------------------------- */

/* The call's tensor in the dtype in which OP_TYPE takes it. DECLINED where it does not. */
static toffee_code
activation_input(toffee_lowering *lo, const toffee_call *call, const char *op_type,
                 toffee_value **out, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "self");
    toffee_dtype dtype = toffee_fit_dtype(op_type, toffee_value_dtype(value));

    if (dtype == TOFFEE_DTYPE_UNDEFINED) {
        return TOFFEE_DECLINED;
    }
    return toffee_cast(lo, value, dtype, out, st);
}

/* OP_TYPE of the call's tensor. */
static toffee_code
activation_emit(toffee_lowering *lo, const toffee_call *call, const char *op_type,
                toffee_node **node, toffee_value **out, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, op_type, &value, st));
    return toffee_emit_like(lo, op_type, TOFFEE_INPUTS(value), value, node, out, st);
}

/* aten::selu, mish, hardswish -> the operator of the row, which needs no attribute */
static toffee_code
lower_activation(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_emit(lo, call, lo->rule->onnx, NULL, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::relu -> Relu of floats; integers: Max(self, 0), since ONNX Runtime has no Relu of int64 and
 * fuses that of int32 with a Clip wrongly; unsigned ones stay as they are. */
static toffee_code
lower_relu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "self");
    toffee_dtype dtype = toffee_value_dtype(value);
    toffee_value *zero = NULL;

    if (dtype == TOFFEE_DTYPE_UINT8) {
        return toffee_lower_return(lo, call, 0, value, st);
    }
    if (toffee_dtype_get(dtype)->category == TOFFEE_CATEGORY_INT) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, dtype, 0, &zero, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_wide(lo, "Max", TOFFEE_INPUTS(value, zero), dtype, NULL, &value, st));
        return toffee_lower_return(lo, call, 0, value, st);
    }
    TOFFEE_RETURN_IF_ERROR(activation_emit(lo, call, "Relu", NULL, &value, st));
    return toffee_lower_return(lo, call, 0, value, st);
}

/* aten::hardtanh(self, min_val, max_val) and relu6(self), which is hardtanh from 0 to 6
 *   -> Clip(self, min, max) */
static toffee_code
lower_hardtanh(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "self");
    toffee_dtype dtype = toffee_value_dtype(value);
    bool relu6 = lo->rule->arg != 0;
    toffee_value *low = NULL;
    toffee_value *high = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_float(
        lo, dtype, toffee_call_float(call, "min_val", relu6 ? 0 : -1), &low, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(
        lo, dtype, toffee_call_float(call, "max_val", relu6 ? 6 : 1), &high, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Clip", TOFFEE_INPUTS(value, low, high), value, NULL, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::leaky_relu(self, negative_slope) -> LeakyRelu [alpha] */
static toffee_code
lower_leaky_relu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_emit(lo, call, "LeakyRelu", &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_node_set_float(node, "alpha", toffee_call_float(call, "negative_slope", 0.01), st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::rrelu(self, lower, upper, training)
 *   -> LeakyRelu [alpha = their mean]; in training, where the slope is drawn for each element,
 * PRelu with RandomUniformLike [low, high] */
static toffee_code
lower_rrelu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    double low = toffee_call_float(call, "lower", 1.0 / 8);
    double high = toffee_call_float(call, "upper", 1.0 / 3);
    toffee_node *node = NULL;
    toffee_value *value = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, "LeakyRelu", &value, st));
    if (toffee_call_bool(call, "training", false)) {
        if (toffee_value_dtype(value) == TOFFEE_DTYPE_BFLOAT16) { /* which it does not draw */
            TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, value, TOFFEE_DTYPE_FLOAT, &value, st));
        }
        TOFFEE_RETURN_IF_ERROR(toffee_emit_like(lo, "RandomUniformLike", TOFFEE_INPUTS(value),
                                                value, &node, &out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "high", high, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "low", low, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "PRelu", TOFFEE_INPUTS(value, out), value, NULL, &out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, out, call->results[0].dtype, &out, st));
        return toffee_lower_return(lo, call, 0, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "LeakyRelu", TOFFEE_INPUTS(value), value, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "alpha", (low + high) / 2, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::elu(self, alpha, scale, input_scale): scale * (x > 0 ? x : alpha * (exp(x * input_scale) -
 * 1))
 *   -> Elu [alpha], Mul by scale; with an input_scale Relu(x) + Min(Elu(x * input_scale), 0) first
 */
static toffee_code
lower_elu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    double alpha = toffee_call_float(call, "alpha", 1);
    double input_scale = toffee_call_float(call, "input_scale", 1);
    toffee_value *value = NULL;
    toffee_value *scaled = NULL;
    toffee_value *zero = NULL;
    toffee_value *out = NULL;
    toffee_node *node = NULL;

    if (input_scale <= 0) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, "Elu", &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Mul", value, input_scale, &scaled, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Elu", TOFFEE_INPUTS(scaled), value, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "alpha", alpha, st));
    if (scaled != value) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, toffee_value_dtype(value), 0, &zero, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Min", TOFFEE_INPUTS(out, zero), value, NULL, &out, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Relu", TOFFEE_INPUTS(value), value, NULL, &value, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Add", TOFFEE_INPUTS(value, out), value, NULL, &out, st));
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_scaled(lo, "Mul", out, toffee_call_float(call, "scale", 1), &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::celu(self, alpha) -> Celu [alpha], which knows only float: double is alpha * Elu(x / alpha)
 */
static toffee_code
lower_celu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    bool wide = toffee_value_dtype(toffee_call_value(call, "self")) == TOFFEE_DTYPE_DOUBLE;
    double alpha = toffee_call_float(call, "alpha", 1);
    toffee_value *out = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, wide ? "Elu" : "Celu", &out, st));
    if (wide) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Div", out, alpha, &out, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Elu", TOFFEE_INPUTS(out), out, NULL, &out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Mul", out, alpha, &out, st));
        return toffee_lower_return(lo, call, 0, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(lo, "Celu", TOFFEE_INPUTS(out), out, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "alpha", alpha, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::gelu(self, approximate) -> Gelu [approximate] */
static toffee_code
lower_gelu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const char *approximate = toffee_call_string(call, "approximate", "none");
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_emit(lo, call, "Gelu", &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "approximate", approximate, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::hardsigmoid(self) -> HardSigmoid [alpha = 1/6, beta = 1/2] */
static toffee_code
lower_hardsigmoid(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_emit(lo, call, "HardSigmoid", &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "alpha", 1.0 / 6, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "beta", 0.5, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::hardshrink(self, lambd) -> Shrink [bias = 0, lambd]
 * aten::softshrink(self, lambd) -> Shrink [bias = lambd, lambd] */
static toffee_code
lower_shrink(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    double lambd = toffee_call_float(call, "lambd", 0.5);
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_emit(lo, call, "Shrink", &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "bias", lo->rule->arg != 0 ? lambd : 0, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "lambd", lambd, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::silu(self) -> Mul(self, Sigmoid(self)) */
static toffee_code
lower_silu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = NULL;
    toffee_value *gate = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, "Sigmoid", &value, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Sigmoid", TOFFEE_INPUTS(value), value, NULL, &gate, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(value, gate), value, NULL, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::glu(self, dim) -> Split [axis, num_outputs = 2], Mul(first, Sigmoid(second)) */
static toffee_code
lower_glu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = NULL;
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t axis = 0;
    toffee_value *left = NULL;
    toffee_value *right = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, "Sigmoid", &value, st));
    toffee_value_dims(value, dims);
    axis = toffee_axis(toffee_call_int(call, "dim", -1), toffee_value_rank(value));
    dims[axis] /= 2;
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Split", TOFFEE_INPUTS(value),
                                            toffee_value_dtype(value), dims,
                                            toffee_value_rank(value), &node, &left, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, toffee_value_dtype(value), &right, st));
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(right, toffee_value_dtype(value), dims,
                                                 toffee_value_rank(value), st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "num_outputs", 2, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Sigmoid", TOFFEE_INPUTS(right), left, NULL, &right, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(left, right), left, NULL, &left, st));
    return toffee_lower_return(lo, call, 0, left, st);
}

/* aten::softplus(self, beta, threshold): x where x * beta > threshold, else log(1 + exp(x * beta))
 * / beta
 *   -> Softplus(x * beta) / beta, and Where for a threshold at which the two still differ in the
 *      dtype: 20 is beyond that, but not for double */
static toffee_code
lower_softplus(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    double beta = toffee_call_float(call, "beta", 1);
    double threshold = toffee_call_float(call, "threshold", 20);
    toffee_value *value = NULL;
    toffee_value *scaled = NULL;
    toffee_value *limit = NULL;
    toffee_value *linear = NULL;
    toffee_value *out = NULL;
    int64_t dims[TOFFEE_MAX_RANK];

    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, "Softplus", &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Mul", value, beta, &scaled, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Softplus", TOFFEE_INPUTS(scaled), value, NULL, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Div", out, beta, &out, st));
    if (threshold < 20 || toffee_value_dtype(value) == TOFFEE_DTYPE_DOUBLE) {
        toffee_value_dims(value, dims);
        TOFFEE_RETURN_IF_ERROR(
            toffee_const_float(lo, toffee_value_dtype(value), threshold, &limit, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Greater", TOFFEE_INPUTS(scaled, limit),
                                                TOFFEE_DTYPE_BOOL, dims, toffee_value_rank(value),
                                                NULL, &linear, st));
        TOFFEE_RETURN_IF_ERROR(toffee_emit_like(lo, "Where", TOFFEE_INPUTS(linear, value, out),
                                                value, NULL, &out, st));
    }
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::log_sigmoid(self) -> Neg(Softplus(Neg(self))) */
static toffee_code
lower_log_sigmoid(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const char *const steps[] = {"Neg", "Softplus", "Neg"};
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, "Softplus", &value, st));
    for (size_t i = 0; i < TOFFEE_COUNTOF(steps); i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, steps[i], TOFFEE_INPUTS(value), value, NULL, &value, st));
    }
    return toffee_lower_return(lo, call, 0, value, st);
}

/* aten::prelu(self, weight) -> PRelu(self, slope), where one slope a channel is lined up with axis
 * 1 by Reshape */
static toffee_code
lower_prelu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *slope = toffee_call_value(call, "weight");
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *value = NULL;
    toffee_value *out = NULL;
    int32_t rank = 0;

    TOFFEE_RETURN_IF_ERROR(activation_input(lo, call, "PRelu", &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, slope, toffee_value_dtype(value), &slope, st));
    rank = toffee_value_rank(value);
    if (toffee_value_rank(slope) == 1 && toffee_value_dim(slope, 0) != 1 && rank > 2) {
        dims[0] = toffee_value_dim(slope, 0);
        for (int32_t i = 1; i < rank - 1; i++) {
            dims[i] = 1;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, slope, dims, rank - 1, &slope, st));
    }
    else if (toffee_value_rank(slope) > rank) {
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, slope, NULL, 0, &slope, st));
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "PRelu", TOFFEE_INPUTS(value, slope), value, NULL, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* aten::threshold(self, threshold, value) -> Where(LessOrEqual(self, threshold), value, self) */
static toffee_code
lower_threshold(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "self");
    toffee_dtype dtype = toffee_value_dtype(value);
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *limit = NULL;
    toffee_value *other = NULL;
    toffee_value *out = NULL;

    toffee_value_dims(value, dims);
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_arg(lo, dtype, toffee_call_arg(call, "threshold"), &limit, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_arg(lo, dtype, toffee_call_arg(call, "value"), &other, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "LessOrEqual", TOFFEE_INPUTS(value, limit),
                                            TOFFEE_DTYPE_BOOL, dims, toffee_value_rank(value), NULL,
                                            &out, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Where", TOFFEE_INPUTS(out, other, value), value, NULL, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* ---- dropout -------------------------------------------------------------------------------- */

/* Dropout of VALUE; the inputs after it are the ratio and whether to drop at all, which is left out
 * where not. *MASK (may be NULL) says what was kept. */
static toffee_code
dropout_emit(toffee_lowering *lo, toffee_value *value, double ratio, bool training,
             toffee_value **out, toffee_value **mask, toffee_status *st)
{
    toffee_value *ratio_value = NULL;
    toffee_value *training_value = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, TOFFEE_DTYPE_FLOAT, ratio, &ratio_value, st));
    if (training) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_const_scalar_int(lo, TOFFEE_DTYPE_BOOL, 1, &training_value, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(
        lo, "Dropout", TOFFEE_INPUTS(value, ratio_value, training_value), value, &node, out, st));
    return mask != NULL ? toffee_emit_output(lo, node, TOFFEE_DTYPE_BOOL, mask, st) : TOFFEE_OK;
}

/* aten::dropout(input, p, train) and native_dropout, which also returns the mask
 *   -> Dropout(input, ratio, training_mode?); what is no float stays as it is. A ratio of 1 is not
 *      for Dropout: it is a product with 0, or nothing without training */
static toffee_code
lower_dropout(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "input");
    double ratio = toffee_call_float(call, "p", 0.5);
    bool training = toffee_call_bool(call, "train", true) && ratio > 0;
    toffee_value *out = value;
    toffee_value *mask = NULL;

    if (!toffee_dtype_is_float(toffee_value_dtype(value)) || ratio >= 1) {
        if (call->n_results > 1) {
            return TOFFEE_DECLINED;
        }
        if (training) {
            TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Mul", value, 0, &out, st));
        }
        return toffee_lower_return(lo, call, 0, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(
        dropout_emit(lo, value, ratio, training, &out, call->n_results > 1 ? &mask : NULL, st));
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 0, out, st));
    return mask != NULL ? toffee_lower_return(lo, call, 1, mask, st) : TOFFEE_OK;
}

/* aten::feature_dropout(input [N, C, ...], p, train) -> input * Dropout(ones [N, C, 1, ...])
 * aten::alpha_dropout, feature_alpha_dropout -> nothing, declined in training
 *
 * Without training all of them return what they were given. */
static toffee_code
lower_feature_dropout(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *value = toffee_call_value(call, "input");
    double ratio = toffee_call_float(call, "p", 0.5);
    int32_t rank = toffee_value_rank(value);
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *ones = NULL;
    toffee_value *out = NULL;

    if (!toffee_call_bool(call, "train", true) || ratio == 0) {
        return toffee_lower_return(lo, call, 0, value, st);
    }
    if (lo->rule->arg != 0 || rank < 2 || ratio >= 1) {
        return TOFFEE_DECLINED;
    }
    for (int32_t i = 0; i < rank; i++) {
        dims[i] = i < 2 ? toffee_value_dim(value, i) : 1;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_fill(lo, toffee_value_dtype(value), dims, rank, 1, &ones, st));
    TOFFEE_RETURN_IF_ERROR(dropout_emit(lo, ones, ratio, true, &out, NULL, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(value, out), value, NULL, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_prelu_kernel", lower_prelu, NULL, 0},
    {"aten::alpha_dropout", lower_feature_dropout, NULL, 1},
    {"aten::celu", lower_celu, NULL, 0},
    {"aten::dropout", lower_dropout, NULL, 0},
    {"aten::elu", lower_elu, NULL, 0},
    {"aten::feature_alpha_dropout", lower_feature_dropout, NULL, 1},
    {"aten::feature_dropout", lower_feature_dropout, NULL, 0},
    {"aten::gelu", lower_gelu, NULL, 0},
    {"aten::glu", lower_glu, NULL, 0},
    {"aten::hardshrink", lower_shrink, NULL, 0},
    {"aten::hardsigmoid", lower_hardsigmoid, NULL, 0},
    {"aten::hardswish", lower_activation, "HardSwish", 0},
    {"aten::hardtanh", lower_hardtanh, NULL, 0},
    {"aten::leaky_relu", lower_leaky_relu, NULL, 0},
    {"aten::log_sigmoid", lower_log_sigmoid, NULL, 0},
    {"aten::log_sigmoid_forward", lower_log_sigmoid, NULL, 0},
    {"aten::mish", lower_activation, "Mish", 0},
    {"aten::native_dropout", lower_dropout, NULL, 0},
    {"aten::prelu", lower_prelu, NULL, 0},
    {"aten::relu", lower_relu, NULL, 0},
    {"aten::relu6", lower_hardtanh, NULL, 1},
    {"aten::rrelu", lower_rrelu, NULL, 0},
    {"aten::rrelu_with_noise", lower_rrelu, NULL, 0},
    {"aten::selu", lower_activation, "Selu", 0},
    {"aten::silu", lower_silu, NULL, 0},
    {"aten::softplus", lower_softplus, NULL, 0},
    {"aten::softshrink", lower_shrink, NULL, 1},
    {"aten::threshold", lower_threshold, NULL, 0},
};

const toffee_rule_family toffee_rules_nn = {rows, TOFFEE_COUNTOF(rows)};
