/* csrc/wire/upgrade_math.c -- arithmetic, comparison, matrices, reductions. */
#include <strings.h>

#include "wire/upgrade_rules.h"

/* SECOND with N axes of one after its own. */
static toffee_code
align_unsqueeze(toffee_rewrite *rw, toffee_value *second, int32_t rank, int32_t n,
                toffee_value **out)
{
    int64_t axes[TOFFEE_MAX_RANK];
    toffee_value *list = NULL;

    for (int32_t i = 0; i < n; i++) {
        axes[i] = rank + i;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, axes, (size_t)n, &list));
    return toffee_rewrite_emit(rw, "Unsqueeze", (toffee_value *[]){second, list}, 2, NULL, NULL,
                               out);
}

/* The same while it runs, for ranks that the file does not tell:
 *   Reshape(second, Concat(Shape(second), [1] * (rank(first) - axis - rank(second)))) */
static toffee_code
align_at_run_time(toffee_rewrite *rw, toffee_value *first, toffee_value *second, int64_t axis,
                  toffee_value **out)
{
    static const int64_t one[] = {1};
    toffee_value *parts[2];
    toffee_value *ranks[2];
    toffee_value *start = NULL;
    toffee_value *n = NULL;
    toffee_node *node = NULL;
    toffee_tensor *fill = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Shape", &first, 1, NULL, NULL, &ranks[0]));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Shape", &ranks[0], 1, NULL, NULL, &ranks[0]));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Shape", &second, 1, NULL, NULL, &parts[0]));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Shape", &parts[0], 1, NULL, NULL, &ranks[1]));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, &axis, 1, &start));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Sub", ranks, 2, NULL, NULL, &n));
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_emit(rw, "Sub", (toffee_value *[]){n, start}, 2, NULL, NULL, &n));
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_emit(rw, "ConstantOfShape", &n, 1, NULL, &node, &parts[1]));
    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_new(rw->graph->arena, NULL, TOFFEE_DTYPE_INT64, one, 1, one, &fill, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_tensor(node, "value", fill, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Concat", parts, 2, NULL, &node, &n));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", 0, rw->st));
    return toffee_rewrite_emit(rw, "Reshape", (toffee_value *[]){second, n}, 2, NULL, NULL, out);
}

toffee_code
toffee_upgrade_align(toffee_rewrite *rw, const toffee_node *node, toffee_value *first,
                     toffee_value *second, int64_t axis, toffee_value **out)
{
    int32_t rank = toffee_rewrite_rank(rw, first);
    int32_t rank_second = toffee_rewrite_rank(rw, second);
    int64_t n = 0;

    *out = second;
    if (axis == -1) {
        return TOFFEE_OK; /* at the end, as today */
    }
    if (axis < 0 || axis > TOFFEE_MAX_RANK) {
        return toffee_rewrite_fail(rw, node, "its axis is %lld; -1 to %d have a counterpart",
                                   (long long)axis, TOFFEE_MAX_RANK);
    }
    if (rank < 0 || rank_second < 0) {
        return align_at_run_time(rw, first, second, axis, out);
    }
    n = rank - axis - rank_second;
    if (n < 0 || n > TOFFEE_MAX_RANK) {
        return toffee_rewrite_fail(
            rw, node,
            "its second input has %d axes; from axis %lld of the first input, "
            "which has %d, there is no room for them",
            (int)rank_second, (long long)axis, (int)rank);
    }
    return n != 0 ? align_unsqueeze(rw, second, rank_second, (int32_t)n, out) : TOFFEE_OK;
}

/* Add, Sub, …(a, b) [broadcast, axis] -> the same (a, b with axes of one after its own) */
toffee_code
toffee_upgrade_broadcast(toffee_rewrite *rw, toffee_node *node)
{
    int64_t broadcast = 0;
    int64_t axis = -1;

    if (node->inputs.n != 2 || node->inputs.data[0] == NULL || node->inputs.data[1] == NULL) {
        return toffee_rewrite_fail(rw, node, "it has %zu inputs; two are needed", node->inputs.n);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "broadcast", &broadcast));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    toffee_node_remove_attr(node, "broadcast");
    toffee_node_remove_attr(node, "axis");
    if (broadcast == 0) {
        return TOFFEE_OK;
    }
    return toffee_upgrade_align(rw, node, node->inputs.data[0], node->inputs.data[1], axis,
                                &node->inputs.data[1]);
}

/* Pow(x, y), as above, or Pow(x) [exponent] -> Pow(x, exponent) */
toffee_code
toffee_upgrade_pow(toffee_rewrite *rw, toffee_node *node)
{
    double exponent = 0;
    toffee_value *value = NULL;

    if (node->inputs.n != 1 || toffee_node_attr(node, "exponent") == NULL) {
        return toffee_upgrade_broadcast(rw, node);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "exponent", &exponent));
    toffee_node_remove_attr(node, "exponent");
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_scalar(rw, exponent, node->inputs.data[0], &value));
    return toffee_rewrite_set_input(rw, node, 1, value);
}

/* Scale(x) [scale=1] -> Mul(x, scale), or Neg(x) */
toffee_code
toffee_upgrade_scale(toffee_rewrite *rw, toffee_node *node)
{
    double scale = 1;
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "scale", &scale));
    toffee_node_remove_attr(node, "scale");
    if (scale == -1) {
        return toffee_rewrite_rename(rw, node, "Neg");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_scalar(
        rw, scale, node->inputs.n != 0 ? node->inputs.data[0] : NULL, &value));
    return toffee_rewrite_set_input(rw, node, 1, value);
}

/* VALUE op X, for a number X. */
static toffee_code
emit_with_number(toffee_rewrite *rw, const char *op_type, toffee_value *value, double x,
                 toffee_value *output, toffee_value **result)
{
    toffee_value *inputs[] = {value, NULL};

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_scalar(rw, x, value, &inputs[1]));
    return toffee_rewrite_emit(rw, op_type, inputs, 2, output, NULL, result);
}

/* The first input, and the numbers alpha and beta where they are given. */
static toffee_code
get_alpha_beta(toffee_rewrite *rw, const toffee_node *node, toffee_value **x, double *alpha,
               double *beta)
{
    *x = node->inputs.n != 0 ? node->inputs.data[0] : NULL;
    if (*x == NULL) {
        return toffee_rewrite_fail(rw, node, "it has no input");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "alpha", alpha));
    rw->kept = true; /* the callers replace the node */
    return toffee_rewrite_get_float(rw, node, "beta", beta);
}

/* Affine(x) [alpha=1, beta=0] -> alpha * x + beta */
toffee_code
toffee_upgrade_affine(toffee_rewrite *rw, toffee_node *node)
{
    toffee_value *x = NULL;
    double alpha = 1;
    double beta = 0;

    TOFFEE_RETURN_IF_ERROR(get_alpha_beta(rw, node, &x, &alpha, &beta));
    TOFFEE_RETURN_IF_ERROR(emit_with_number(rw, "Mul", x, alpha, NULL, &x));
    return emit_with_number(rw, "Add", x, beta, node->outputs.data[0], &x);
}

/* ScaledTanh(x) [alpha=1, beta=1] -> alpha * tanh(beta * x) */
toffee_code
toffee_upgrade_scaled_tanh(toffee_rewrite *rw, toffee_node *node)
{
    toffee_value *x = NULL;
    double alpha = 1;
    double beta = 1;

    TOFFEE_RETURN_IF_ERROR(get_alpha_beta(rw, node, &x, &alpha, &beta));
    TOFFEE_RETURN_IF_ERROR(emit_with_number(rw, "Mul", x, beta, NULL, &x));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Tanh", &x, 1, NULL, NULL, &x));
    return emit_with_number(rw, "Mul", x, alpha, node->outputs.data[0], &x);
}

/* ParametricSoftplus(x) [alpha=1, beta=1] -> alpha * log(exp(beta * x) + 1) */
toffee_code
toffee_upgrade_parametric_softplus(toffee_rewrite *rw, toffee_node *node)
{
    toffee_value *x = NULL;
    double alpha = 1;
    double beta = 1;

    TOFFEE_RETURN_IF_ERROR(get_alpha_beta(rw, node, &x, &alpha, &beta));
    TOFFEE_RETURN_IF_ERROR(emit_with_number(rw, "Mul", x, beta, NULL, &x));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Softplus", &x, 1, NULL, NULL, &x));
    return emit_with_number(rw, "Mul", x, alpha, node->outputs.data[0], &x);
}

/* Clip(x) [min, max] -> Clip(x, min?, max?) */
toffee_code
toffee_upgrade_clip(toffee_rewrite *rw, toffee_node *node)
{
    static const char *const names[] = {"min", "max"};

    for (size_t i = 0; i < TOFFEE_COUNTOF(names); i++) {
        double bound = 0;
        toffee_value *value = NULL;

        if (toffee_node_attr(node, names[i]) == NULL) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, names[i], &bound));
        toffee_node_remove_attr(node, names[i]);
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_scalar(
            rw, bound, node->inputs.n != 0 ? node->inputs.data[0] : NULL, &value));
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_input(rw, node, i + 1, value));
    }
    return TOFFEE_OK;
}

/* Selu(x) [alpha=1.6732, gamma=1.0507]: the defaults of 2017 had five digits. Caffe2 called gamma
 * scale. */
toffee_code
toffee_upgrade_selu(toffee_rewrite *rw, toffee_node *node)
{
    double alpha = 1.6732;
    double gamma = 1.0507;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "alpha", &alpha));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "scale", &gamma));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "gamma", &gamma));
    toffee_node_remove_attr(node, "scale");
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "alpha", alpha, rw->st));
    return toffee_node_set_float(node, "gamma", gamma, rw->st);
}

toffee_code
toffee_upgrade_dtype(toffee_rewrite *rw, const toffee_node *node, const char *name,
                     toffee_dtype *out)
{
    const toffee_attr *attr = toffee_node_attr(node, name);
    const char *text = NULL;
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;

    if (attr == NULL) {
        return TOFFEE_OK;
    }
    if (attr->type == TOFFEE_ATTR_INT) {
        if (rw->dialect == TOFFEE_DIALECT_EARLY) {
            dtype = toffee_dtype_from_early(attr->i);
        }
        else if (toffee_dtype_known(attr->i)) {
            dtype = (toffee_dtype)attr->i;
        }
        if (dtype == TOFFEE_DTYPE_UNDEFINED) {
            return toffee_rewrite_fail(rw, node, "attribute '%s' is %lld, which is no data type",
                                       name, (long long)attr->i);
        }
        *out = dtype;
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_string(rw, node, name, &text));
    for (int i = 1; i < TOFFEE_N_DTYPES; i++) {
        if (strcasecmp(text, toffee_dtype_get((toffee_dtype)i)->name) == 0) {
            *out = (toffee_dtype)i;
            return TOFFEE_OK;
        }
    }
    return toffee_rewrite_fail(rw, node, "attribute '%s' is '%s', which is no data type", name,
                               text);
}

/* Cast(x) [to="INT64"] -> Cast(x) [to=7] */
toffee_code
toffee_upgrade_cast(toffee_rewrite *rw, toffee_node *node)
{
    toffee_dtype to = TOFFEE_DTYPE_UNDEFINED;

    TOFFEE_RETURN_IF_ERROR(toffee_upgrade_dtype(rw, node, "to", &to));
    if (to == TOFFEE_DTYPE_UNDEFINED) {
        return toffee_rewrite_fail(rw, node, "it has no attribute 'to'");
    }
    return toffee_node_set_int(node, "to", to, rw->st);
}

/* Gemm [broadcast]: C broadcasts today without being told. */
toffee_code
toffee_upgrade_gemm(toffee_rewrite *rw, toffee_node *node)
{
    (void)rw;
    toffee_node_remove_attr(node, "broadcast");
    return TOFFEE_OK;
}

/* MatMul(a, b) [trans_a, trans_b] -> MatMul(Transpose(a), Transpose(b)), for matrices */
toffee_code
toffee_upgrade_matmul(toffee_rewrite *rw, toffee_node *node)
{
    static const char *const names[] = {"trans_a", "trans_b"};
    static const int64_t swapped[] = {1, 0};

    for (size_t i = 0; i < TOFFEE_COUNTOF(names); i++) {
        int64_t transposed = 0;
        toffee_node *transpose = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, names[i], &transposed));
        toffee_node_remove_attr(node, names[i]);
        if (transposed != 0 && i < node->inputs.n) {
            TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Transpose", &node->inputs.data[i], 1,
                                                       NULL, &transpose, &node->inputs.data[i]));
            TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(transpose, "perm", swapped, 2, rw->st));
        }
    }
    if (node->inputs.n == 2 && toffee_rewrite_rank(rw, node->inputs.data[0]) == 2 &&
        toffee_rewrite_rank(rw, node->inputs.data[1]) == 2) {
        return toffee_rewrite_set_rank(rw, node->outputs.data[0], 2);
    }
    return TOFFEE_OK;
}

/* Reduce…(x) [axes, keepdims=1] -> Reduce…(x, axes) [keepdims] */
toffee_code
toffee_upgrade_reduce(toffee_rewrite *rw, toffee_node *node)
{
    const int64_t *axes = NULL;
    size_t n = 0;
    int64_t keepdims = 1;
    int32_t rank = toffee_rewrite_rank(rw, node->inputs.n != 0 ? node->inputs.data[0] : NULL);
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "axes", &axes, &n));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "keepdims", &keepdims));
    toffee_node_remove_attr(node, "axes");
    if (axes != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, axes, n, &value));
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_input(rw, node, 1, value));
    }
    if (rank >= 0 && (keepdims != 0 || n <= (size_t)rank)) {
        rank = keepdims != 0 ? rank : axes != NULL ? rank - (int32_t)n : 0;
        return toffee_rewrite_set_rank(rw, node->outputs.data[0], rank);
    }
    return TOFFEE_OK;
}

/* TopK(x) [k, axis=-1] -> TopK(x, k) [axis] */
toffee_code
toffee_upgrade_topk(toffee_rewrite *rw, toffee_node *node)
{
    int64_t k = -1;
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "k", &k));
    toffee_node_remove_attr(node, "k");
    if (k < 0) {
        return toffee_rewrite_fail(rw, node, "it has no attribute 'k'");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, &k, 1, &value));
    return toffee_rewrite_set_input(rw, node, 1, value);
}
