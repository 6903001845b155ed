/* csrc/lower/lower_norm.c -- normalizations. */
#include <float.h>
#include <string.h>

#include "lower/chain.h"
#include "lower/fit.h"

/* ---- parts ---------------------------------------------------------------------------------- */

/* *VALUE as DTYPE; a missing one (NULL) becomes a tensor of these dims that holds FALLBACK. */
static toffee_code
norm_operand(toffee_lowering *lo, toffee_value **value, toffee_dtype dtype, const int64_t *dims,
             int32_t rank, double fallback, toffee_status *st)
{
    if (*value == NULL) {
        return toffee_const_fill(lo, dtype, dims, rank, fallback, value, st);
    }
    return toffee_cast(lo, *value, dtype, value, st);
}

/* VALUE * weight + bias, each of which may be missing; both have dims that broadcast to VALUE's. */
static toffee_code
norm_affine(toffee_lowering *lo, toffee_value *value, toffee_value *weight, toffee_value *bias,
            toffee_value **out, toffee_status *st)
{
    *out = value;
    if (weight != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, weight, toffee_value_dtype(value), &weight, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(*out, weight), value, NULL, out, st));
    }
    if (bias != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, bias, toffee_value_dtype(value), &bias, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_emit_like(lo, "Add", TOFFEE_INPUTS(*out, bias), value, NULL, out, st));
    }
    return TOFFEE_OK;
}

/* Mean of VALUE over AXES, which stay as 1. */
static toffee_code
norm_mean_over(toffee_lowering *lo, toffee_value *value, const int64_t *axes, int32_t n,
               toffee_value **out, toffee_status *st)
{
    int32_t rank = toffee_value_rank(value);
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *axes_value = NULL;

    toffee_value_dims(value, dims);
    for (int32_t i = 0; i < n; i++) {
        dims[toffee_axis(axes[i], rank)] = 1;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, axes, (size_t)n, &axes_value, st));
    return toffee_emit_dims(lo, "ReduceMean", TOFFEE_INPUTS(value, axes_value),
                            toffee_value_dtype(value), dims, rank, NULL, out, st);
}

/* The same over the last N axes. */
static toffee_code
norm_mean(toffee_lowering *lo, toffee_value *value, int32_t n, toffee_value **out,
          toffee_status *st)
{
    int64_t axes[TOFFEE_MAX_RANK];

    for (int32_t i = 0; i < n; i++) {
        axes[i] = i - n;
    }
    return norm_mean_over(lo, value, axes, n, out, st);
}

/* Results FIRST and FIRST + 1 of the call: mean of VALUE over AXES, and one over the deviation,
 * with the dims that the call has for them. Whatever nobody reads is pruned. */
static toffee_code
norm_return_statistics(toffee_lowering *lo, const toffee_call *call, size_t first,
                       toffee_value *value, const int64_t *axes, int32_t n, double eps,
                       toffee_status *st)
{
    const toffee_result *results = call->results + first;
    toffee_value *mean = NULL;
    toffee_value *rest = NULL;

    TOFFEE_RETURN_IF_ERROR(norm_mean_over(lo, value, axes, n, &mean, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Sub", TOFFEE_INPUTS(value, mean), value, NULL, &rest, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(rest, rest), value, NULL, &rest, st));
    TOFFEE_RETURN_IF_ERROR(norm_mean_over(lo, rest, axes, n, &rest, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Add", rest, eps, &rest, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Sqrt", TOFFEE_INPUTS(rest), rest, NULL, &rest, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Reciprocal", TOFFEE_INPUTS(rest), rest, NULL, &rest, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, mean, results[0].dims, results[0].rank, &mean, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, rest, results[1].dims, results[1].rank, &rest, st));
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, first, mean, st));
    return toffee_lower_return(lo, call, first + 1, rest, st);
}

/* VALUE / sqrt(mean of its square over the last N axes + EPS). */
static toffee_code
norm_by_square(toffee_lowering *lo, toffee_value *value, int32_t n, double eps, toffee_value **out,
               toffee_status *st)
{
    toffee_value *size = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Mul", TOFFEE_INPUTS(value, value), value, NULL, &size, st));
    TOFFEE_RETURN_IF_ERROR(norm_mean(lo, size, n, &size, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Add", size, eps, &size, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Sqrt", TOFFEE_INPUTS(size), size, NULL, &size, st));
    return toffee_emit_like(lo, "Div", TOFFEE_INPUTS(value, size), value, NULL, out, st);
}

/* VALUE less its mean over the last N axes, by its deviation: for double, where the operators may
 * compute statistics in float, and ONNX Runtime has no kernels. */
static toffee_code
norm_composed(toffee_lowering *lo, toffee_value *value, int32_t n, double eps, toffee_value **out,
              toffee_status *st)
{
    toffee_value *mean = NULL;

    TOFFEE_RETURN_IF_ERROR(norm_mean(lo, value, n, &mean, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "Sub", TOFFEE_INPUTS(value, mean), value, NULL, &value, st));
    return norm_by_square(lo, value, n, eps, out, st);
}

/* *VALUE, a vector over the channels, lined up with axis 1 of a tensor of RANK; NULL stays NULL. */
static toffee_code
channel_operand(toffee_lowering *lo, toffee_value **value, int32_t rank, toffee_status *st)
{
    int64_t dims[TOFFEE_MAX_RANK];

    if (*value == NULL) {
        return TOFFEE_OK;
    }
    dims[0] = toffee_value_numel(*value);
    for (int32_t i = 1; i < rank - 1; i++) {
        dims[i] = 1;
    }
    return toffee_reshape(lo, *value, dims, rank - 1, value, st);
}

/* ---- batch ---------------------------------------------------------------------------------- */

/* What the core batch norms return besides: statistics of the batch where they used them, empty
 * tensors where not. */
static toffee_code
batch_norm_return_rest(toffee_lowering *lo, const toffee_call *call, toffee_value *input,
                       bool training, double eps, toffee_status *st)
{
    int64_t axes[TOFFEE_MAX_RANK] = {0};
    int32_t rank = toffee_value_rank(input);
    toffee_value *empty = NULL;

    for (size_t i = 1; i < call->n_results; i++) {
        const toffee_result *result = &call->results[i];

        if (result->dtype != TOFFEE_DTYPE_UNDEFINED && result->rank == 1 && result->dims[0] == 0) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_const_fill(lo, result->dtype, result->dims, 1, 0, &empty, st));
            TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, i, empty, st));
        }
    }
    if (!training || call->n_results < 3 || call->results[1].value != NULL) {
        return TOFFEE_OK;
    }
    for (int32_t i = 2; i < rank; i++) {
        axes[i - 1] = i;
    }
    return norm_return_statistics(lo, call, 1, input, axes, rank - 1, eps, st);
}

/* Results from FIRST on, which aten::batch_norm writes and does not return: the running MEAN and
 * VAR [C] moved towards those of INPUT [N, C, ...] by MOMENTUM. torch counts one element less in
 * the variance that it keeps, which BatchNormalization does not. */
static toffee_code
batch_norm_return_running(toffee_lowering *lo, const toffee_call *call, size_t first,
                          toffee_value *input, toffee_value *mean, toffee_value *var,
                          double momentum, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_dtype dtype = toffee_value_dtype(mean);
    int32_t rank = toffee_value_rank(input);
    int64_t axes[TOFFEE_MAX_RANK] = {0};
    double n = 1;
    toffee_value *x = toffee_chain_cast(&chain, input, dtype);
    toffee_value *center = NULL;
    toffee_value *moved = NULL;

    for (int32_t i = 2; i < rank; i++) {
        axes[i - 1] = i;
    }
    for (int32_t i = 0; i < rank - 1; i++) {
        n *= (double)toffee_value_dim(input, (int32_t)axes[i]);
    }
    center = toffee_chain_reduce(&chain, "ReduceMean", x, axes, (size_t)rank - 1, true);
    x = toffee_chain_binary(&chain, "Sub", x, center);
    x = toffee_chain_binary(&chain, "Mul", x, x);
    x = toffee_chain_reduce(&chain, "ReduceSum", x, axes, (size_t)rank - 1, false);
    center = toffee_chain_reshape(&chain, center, &(const int64_t){-1}, 1);
    moved = toffee_chain_binary(&chain, "Add", toffee_chain_with(&chain, "Mul", mean, 1 - momentum),
                                toffee_chain_with(&chain, "Mul", center, momentum));
    TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, first, moved));
    moved = toffee_chain_binary(&chain, "Add", toffee_chain_with(&chain, "Mul", var, 1 - momentum),
                                toffee_chain_with(&chain, "Mul", x, momentum / (n - 1)));
    return toffee_chain_return(&chain, call, first + 1, moved);
}

/* BatchNormalization of INPUT [N, C, ...] by running statistics, or by those of INPUT where
 * TRAINING: then the node has new running statistics as outputs, which nobody reads. torch's
 * momentum is the share of the new, ONNX's that of the old. */
static toffee_code
batch_norm(toffee_lowering *lo, const toffee_call *call, bool training, const char *eps_name,
           const char *momentum_name, toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "input");
    toffee_value *weight = toffee_call_value(call, "weight");
    toffee_value *bias = toffee_call_value(call, "bias");
    toffee_value *mean = toffee_call_value(call, "running_mean");
    toffee_value *var = toffee_call_value(call, "running_var");
    toffee_dtype dtype = toffee_fit_dtype("BatchNormalization", toffee_value_dtype(input));
    toffee_dtype stat_dtype = mean != NULL ? toffee_value_dtype(mean) : dtype;
    toffee_dtype weight_dtype = weight != NULL ? toffee_value_dtype(weight) : dtype;
    double eps = toffee_call_float(call, eps_name, 1e-5);
    double momentum = toffee_call_float(call, momentum_name, 0.1);
    bool writes_running = training && mean != NULL && var != NULL && call->n_results == 3 &&
                          strcmp(call->op, "aten::batch_norm") == 0;
    int64_t dims[1] = {0};
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (dtype == TOFFEE_DTYPE_UNDEFINED || toffee_value_rank(input) < 2 ||
        (mean == NULL && !training)) {
        return TOFFEE_DECLINED;
    }
    dims[0] = toffee_value_dim(input, 1);
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, input, dtype, &input, st));
    TOFFEE_RETURN_IF_ERROR(norm_operand(lo, &weight, weight_dtype, dims, 1, 1, st));
    TOFFEE_RETURN_IF_ERROR(norm_operand(lo, &bias, weight_dtype, dims, 1, 0, st));
    TOFFEE_RETURN_IF_ERROR(norm_operand(lo, &mean, stat_dtype, dims, 1, 0, st));
    TOFFEE_RETURN_IF_ERROR(norm_operand(lo, &var, stat_dtype, dims, 1, 1, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(lo, "BatchNormalization",
                                            TOFFEE_INPUTS(input, weight, bias, mean, var), input,
                                            &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "epsilon", eps, st));
    /* ONNX Runtime writes new statistics over the old, where it may keep other constants that are
     * equal to them. With a momentum of 1 they stay what they are. */
    TOFFEE_RETURN_IF_ERROR(
        toffee_node_set_float(node, "momentum", training ? 1 : 1 - momentum, st));
    if (training) {
        for (int i = 0; i < 2; i++) {
            toffee_value *statistic = NULL;

            TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, stat_dtype, &statistic, st));
            TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(statistic, stat_dtype, dims, 1, st));
        }
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "training_mode", 1, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 0, out, st));
    if (writes_running) {
        return batch_norm_return_running(lo, call, 1, input, mean, var, momentum, st);
    }
    return batch_norm_return_rest(lo, call, input, training, eps, st);
}

/* aten::batch_norm(input, weight?, bias?, running_mean?, running_var?, training, momentum, eps, …)
 *   -> BatchNormalization [epsilon, momentum, training_mode]
 *
 * torch also writes the running statistics, which the file keeps as they were before the run. */
static toffee_code
lower_batch_norm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    return batch_norm(lo, call, toffee_call_bool(call, "training", lo->rule->arg != 0), "eps",
                      "momentum", st);
}

/* aten::cudnn_batch_norm: the same with other names */
static toffee_code
lower_cudnn_batch_norm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    return batch_norm(lo, call, toffee_call_bool(call, "training", false), "epsilon",
                      "exponential_average_factor", st);
}

/* INPUT [N, C, d1..dn] normalized over d1..dn, which must not be missing. */
static toffee_code
instance_norm(toffee_lowering *lo, toffee_value *input, toffee_value *weight, toffee_value *bias,
              double eps, toffee_value **out, toffee_status *st)
{
    toffee_dtype dtype = toffee_value_dtype(input);
    int32_t rank = toffee_value_rank(input);
    int64_t channels = toffee_value_dim(input, 1);
    toffee_node *node = NULL;

    if (dtype == TOFFEE_DTYPE_DOUBLE) {
        TOFFEE_RETURN_IF_ERROR(norm_composed(lo, input, rank - 2, eps, out, st));
        TOFFEE_RETURN_IF_ERROR(channel_operand(lo, &weight, rank, st));
        TOFFEE_RETURN_IF_ERROR(channel_operand(lo, &bias, rank, st));
        return norm_affine(lo, *out, weight, bias, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(norm_operand(lo, &weight, dtype, &channels, 1, 1, st));
    TOFFEE_RETURN_IF_ERROR(norm_operand(lo, &bias, dtype, &channels, 1, 0, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(
        lo, "InstanceNormalization", TOFFEE_INPUTS(input, weight, bias), input, &node, out, st));
    return toffee_node_set_float(node, "epsilon", eps, st);
}

/* aten::instance_norm(input, weight?, bias?, running_mean?, running_var?, use_input_stats,
 * momentum, eps, …)
 *   -> InstanceNormalization [epsilon], or BatchNormalization by the running statistics */
static toffee_code
lower_instance_norm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "input"); /* [N, C, d1..dn] */
    toffee_dtype dtype = toffee_fit_dtype("InstanceNormalization", toffee_value_dtype(input));

    if (!toffee_call_bool(call, "use_input_stats", true)) {
        return batch_norm(lo, call, false, "eps", "momentum", st);
    }
    if (dtype == TOFFEE_DTYPE_UNDEFINED || toffee_value_rank(input) < 3) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, input, dtype, &input, st));
    TOFFEE_RETURN_IF_ERROR(instance_norm(lo, input, toffee_call_value(call, "weight"),
                                         toffee_call_value(call, "bias"),
                                         toffee_call_float(call, "eps", 1e-5), &input, st));
    return toffee_lower_return(lo, call, 0, input, st);
}

/* ---- layer ---------------------------------------------------------------------------------- */

/* aten::layer_norm(input, normalized_shape, weight?, bias?, eps, …) and aten::native_layer_norm,
 * which also returns the mean and one over the deviation
 *   -> LayerNormalization(input, weight or ones, bias?) [axis, epsilon]; in parts, and then only
 * the first result, where it is double */
static toffee_code
lower_layer_norm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "input");
    toffee_value *weight = toffee_call_value(call, "weight");
    toffee_value *bias = toffee_call_value(call, "bias");
    toffee_dtype dtype = toffee_value_dtype(input);
    double eps = toffee_call_float(call, "eps", 1e-5);
    size_t n = 0;
    const int64_t *shape = toffee_call_ints(call, "normalized_shape", &n);
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (!toffee_dtype_is_float(dtype) || n == 0 || n > (size_t)toffee_value_rank(input)) {
        return TOFFEE_DECLINED;
    }
    if (dtype == TOFFEE_DTYPE_DOUBLE) {
        TOFFEE_RETURN_IF_ERROR(norm_composed(lo, input, (int32_t)n, eps, &out, st));
        TOFFEE_RETURN_IF_ERROR(norm_affine(lo, out, weight, bias, &out, st));
        return toffee_lower_return(lo, call, 0, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(norm_operand(lo, &weight, dtype, shape, (int32_t)n, 1, st));
    if (bias != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, bias, dtype, &bias, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(
        lo, "LayerNormalization", TOFFEE_INPUTS(input, weight, bias), input, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", -(int64_t)n, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "epsilon", eps, st));
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 0, out, st));
    for (size_t i = 1; i < call->n_results; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, TOFFEE_DTYPE_FLOAT, &out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(out, TOFFEE_DTYPE_FLOAT, call->results[i].dims,
                                                     call->results[i].rank, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, i, out, st));
    }
    return TOFFEE_OK;
}

/* ---- group ---------------------------------------------------------------------------------- */

/* aten::group_norm(input, num_groups, weight?, bias?, eps, …) and aten::native_group_norm, which
 * also returns the mean and one over the deviation of each group
 *   -> Reshape to [N, groups, rest], InstanceNormalization [epsilon], Reshape back, Mul, Add
 *
 * GroupNormalization of opset 20 has one scale a group; torch has one a channel. */
static toffee_code
lower_group_norm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "input"); /* [N, C, ...] */
    toffee_value *weight = toffee_call_value(call, "weight");
    toffee_value *bias = toffee_call_value(call, "bias");
    toffee_dtype dtype = toffee_fit_dtype("InstanceNormalization", toffee_value_dtype(input));
    int32_t rank = toffee_value_rank(input);
    int64_t groups = toffee_call_int(call, lo->rule->onnx, 1);
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t grouped[3];
    double eps = toffee_call_float(call, "eps", 1e-5);
    const int64_t last = 2;
    toffee_value *out = NULL;

    if (dtype == TOFFEE_DTYPE_UNDEFINED || rank < 2 || groups < 1) {
        return TOFFEE_DECLINED;
    }
    toffee_value_dims(input, dims);
    grouped[0] = dims[0];
    grouped[1] = groups;
    grouped[2] = dims[1] / groups;
    for (int32_t i = 2; i < rank; i++) {
        grouped[2] *= dims[i];
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, input, dtype, &input, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, input, grouped, 3, &out, st));
    if (call->n_results > 2) {
        TOFFEE_RETURN_IF_ERROR(norm_return_statistics(lo, call, 1, out, &last, 1, eps, st));
    }
    TOFFEE_RETURN_IF_ERROR(instance_norm(lo, out, NULL, NULL, eps, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, out, dims, rank, &out, st));
    TOFFEE_RETURN_IF_ERROR(channel_operand(lo, &weight, rank, st));
    TOFFEE_RETURN_IF_ERROR(channel_operand(lo, &bias, rank, st));
    TOFFEE_RETURN_IF_ERROR(norm_affine(lo, out, weight, bias, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

/* ---- root mean square ----------------------------------------------------------------------- */

/* aten::rms_norm(input, normalized_shape, weight?, eps?)
 *   -> Mul, ReduceMean, Add, Sqrt, Div, and Mul by the weight
 *
 * Floats of 16 bits are computed in float, and eps is by default that of the computation's type. */
static toffee_code
lower_rms_norm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "input");
    toffee_dtype dtype = toffee_value_dtype(input);
    double eps = FLT_EPSILON;
    size_t n = 0;
    toffee_value *out = NULL;

    toffee_call_ints(call, "normalized_shape", &n);
    if (!toffee_dtype_is_float(dtype) || n == 0 || n > (size_t)toffee_value_rank(input)) {
        return TOFFEE_DECLINED;
    }
    if (dtype == TOFFEE_DTYPE_DOUBLE) {
        eps = DBL_EPSILON;
    }
    else {
        dtype = TOFFEE_DTYPE_FLOAT;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, input, dtype, &input, st));
    TOFFEE_RETURN_IF_ERROR(
        norm_by_square(lo, input, (int32_t)n, toffee_call_float(call, "eps", eps), &out, st));
    TOFFEE_RETURN_IF_ERROR(norm_affine(lo, out, toffee_call_value(call, "weight"), NULL, &out, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

static const toffee_rule rows[] = {
    /* sorted by name; the number: whether a batch norm that does not say so is training */
    {"aten::_batch_norm_impl_index", lower_batch_norm, NULL, 0},
    {"aten::_batch_norm_no_update", lower_batch_norm, NULL, 0},
    {"aten::_batch_norm_with_update", lower_batch_norm, NULL, 1},
    {"aten::_fused_rms_norm", lower_rms_norm, NULL, 0},
    {"aten::_native_batch_norm_legit", lower_batch_norm, NULL, 0},
    {"aten::_native_batch_norm_legit_functional", lower_batch_norm, NULL, 0},
    {"aten::_native_batch_norm_legit_no_training", lower_batch_norm, NULL, 0},
    {"aten::batch_norm", lower_batch_norm, NULL, 0},
    {"aten::cudnn_batch_norm", lower_cudnn_batch_norm, NULL, 0},
    {"aten::group_norm", lower_group_norm, "num_groups", 0},
    {"aten::instance_norm", lower_instance_norm, NULL, 0},
    {"aten::layer_norm", lower_layer_norm, NULL, 0},
    {"aten::native_batch_norm", lower_batch_norm, NULL, 0},
    {"aten::native_group_norm", lower_group_norm, "group", 0},
    {"aten::native_layer_norm", lower_layer_norm, NULL, 0},
    {"aten::rms_norm", lower_rms_norm, NULL, 0},
};

const toffee_rule_family toffee_rules_norm = {rows, TOFFEE_COUNTOF(rows)};
