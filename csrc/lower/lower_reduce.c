/* csrc/lower/lower_reduce.c -- sums, means, extremes and norms over dimensions; softmax. */
#include "lower/chain.h"

#include <math.h>
#include <string.h>

/* Which dimensions go. N 0: all of them. */
typedef struct {
    int64_t axes[TOFFEE_MAX_RANK]; /* counted from the front */
    size_t n;
    bool keepdim;
} reduce_plan;

/* Reads dim (a number, a list, None or missing; "dims" in prims) and keepdim. False for a list that
 * cannot be. */
static bool
reduce_plan_get(const toffee_call *call, const toffee_value *self, reduce_plan *plan)
{
    size_t n = 0;
    const int64_t *dims =
        toffee_call_ints(call, toffee_call_has(call, "dims") ? "dims" : "dim", &n);
    int32_t rank = toffee_value_rank(self);

    *plan = (reduce_plan){.keepdim = toffee_call_bool(call, "keepdim", false)};
    if (n > TOFFEE_MAX_RANK) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        plan->axes[i] = toffee_axis(dims[i], rank);
        if (plan->axes[i] < 0 || (rank != 0 && plan->axes[i] >= rank)) {
            return false;
        }
    }
    plan->n = n;
    return true;
}

/* The operand, if it is one that can be reduced, and the plan. */
static toffee_value *
reduce_operand(const toffee_call *call, reduce_plan *plan)
{
    toffee_value *self = toffee_call_value(call, toffee_call_has(call, "inp") ? "inp" : "self");

    if (self == NULL || !toffee_dtype_is_real(toffee_value_dtype(self)) ||
        !reduce_plan_get(call, self, plan)) {
        return NULL;
    }
    return self;
}

/* The dtype argument, or what PyTorch accumulates SELF in: int64 for bools and integers. */
static toffee_dtype
sum_dtype(const toffee_call *call, const toffee_value *self)
{
    toffee_dtype dtype =
        toffee_call_dtype(call, toffee_call_has(call, "output_dtype") ? "output_dtype" : "dtype");

    if (dtype != TOFFEE_DTYPE_UNDEFINED) {
        return dtype;
    }
    return toffee_dtype_is_float(toffee_value_dtype(self)) ? toffee_value_dtype(self)
                                                           : TOFFEE_DTYPE_INT64;
}

static toffee_value *
chain_planned(toffee_chain *chain, const char *onnx, toffee_value *x, const reduce_plan *plan)
{
    return toffee_chain_reduce(chain, onnx, x, plan->axes, plan->n, plan->keepdim);
}

static int64_t
plan_count(const reduce_plan *plan, const toffee_value *x)
{
    int64_t count = 1;

    if (plan->n == 0) {
        return toffee_value_numel(x);
    }
    for (size_t i = 0; i < plan->n && toffee_value_rank(x) != 0; i++) {
        count *= toffee_value_dim(x, (int32_t)plan->axes[i]);
    }
    return count;
}

/* The mean. Of nothing it is 0 / 0; ONNX leaves that open, and ONNX Runtime says 0. */
static toffee_value *
chain_mean(toffee_chain *chain, toffee_value *x, const reduce_plan *plan)
{
    if (chain->rc != TOFFEE_OK || plan_count(plan, x) != 0) {
        return chain_planned(chain, "ReduceMean", x, plan);
    }
    x = chain_planned(chain, "ReduceSum", x, plan);
    return toffee_chain_with(chain, "Div", x, 0);
}

/* aten::sum, prod, mean, in the dtype that sum_dtype says. */
static toffee_code
lower_sum(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    x = toffee_chain_cast(&chain, x, sum_dtype(call, x));
    x = strcmp(lo->rule->onnx, "ReduceMean") == 0 ? chain_mean(&chain, x, &plan)
                                                  : chain_planned(&chain, lo->rule->onnx, x, &plan);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::amax, amin: values only. */
static toffee_code
lower_amax(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    x = chain_planned(&chain, lo->rule->onnx, x, &plan);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::aminmax -> ReduceMin, ReduceMax. */
static toffee_code
lower_aminmax(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);
    toffee_value *out = NULL;

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    out = chain_planned(&chain, "ReduceMin", x, &plan);
    TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, 0, out));
    out = chain_planned(&chain, "ReduceMax", x, &plan);
    return toffee_chain_return(&chain, call, 1, out);
}

/* aten::all, any: ReduceMin and ReduceMax of bools. Of nothing they are true and false, as a
 * product and a sum are 1 and 0; ONNX Runtime has no extreme of no bools. */
static toffee_code
lower_all(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    if (toffee_value_numel(x) == 0) {
        bool is_any = strcmp(lo->rule->onnx, "ReduceMax") == 0;

        x = toffee_chain_cast(&chain, x, TOFFEE_DTYPE_INT32);
        x = chain_planned(&chain, is_any ? "ReduceSum" : "ReduceProd", x, &plan);
        return toffee_chain_return(&chain, call, 0, x);
    }
    x = toffee_chain_cast(&chain, x, TOFFEE_DTYPE_BOOL);
    x = chain_planned(&chain, lo->rule->onnx, x, &plan);
    return toffee_chain_return(&chain, call, 0, x);
}

/* ArgMax or ArgMin over AXIS: of equal elements the first, as PyTorch. */
static toffee_value *
chain_arg_extreme(toffee_chain *chain, const char *onnx, toffee_value *x, int64_t axis,
                  bool keepdim)
{
    toffee_value *out = NULL;
    toffee_node *node = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    if (toffee_value_rank(x) == 0) {
        chain->rc = toffee_const_scalar_int(chain->lo, TOFFEE_DTYPE_INT64, 0, &out, chain->st);
        return out;
    }
    x = toffee_chain_cast(chain, x, toffee_compute_dtype(onnx, toffee_value_dtype(x)));
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_emit(chain->lo, onnx, TOFFEE_INPUTS(x), TOFFEE_DTYPE_INT64, &node, &out,
                                chain->st);
    }
    toffee_chain_set_int(chain, out, "axis", axis);
    toffee_chain_set_int(chain, out, "keepdims", keepdim);
    return out;
}

/* aten::max, min: of two tensors, of all elements, or values and indices over a dimension. The row
 * has the operator "Max" or "Min", whose name follows "Reduce" and "Arg" in the others. */
static toffee_code
lower_max(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    bool is_max = strcmp(lo->rule->onnx, "Max") == 0;
    const toffee_arg *args[2] = {toffee_call_arg(call, "self"), toffee_call_arg(call, "other")};
    toffee_dtype dtype = toffee_promote(args, 2);
    reduce_plan plan;
    toffee_value *x = NULL;
    toffee_value *out = NULL;

    if (args[1] != NULL) {
        if (!toffee_dtype_is_real(dtype)) {
            return TOFFEE_DECLINED;
        }
        x = toffee_chain_operand(&chain, args[0], dtype);
        out = toffee_chain_operand(&chain, args[1], dtype);
        out = toffee_chain_binary(&chain, lo->rule->onnx, x, out);
        return toffee_chain_return(&chain, call, 0, out);
    }
    x = reduce_operand(call, &plan);
    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    out = chain_planned(&chain, is_max ? "ReduceMax" : "ReduceMin", x, &plan);
    TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, 0, out));
    if (plan.n == 1) {
        out =
            chain_arg_extreme(&chain, is_max ? "ArgMax" : "ArgMin", x, plan.axes[0], plan.keepdim);
        TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, 1, out));
    }
    return TOFFEE_OK;
}

/* aten::argmax, argmin(self, dim?, keepdim): without dim, the index into the flattened tensor. */
static toffee_code
lower_argmax(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t flat[1] = {-1};
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);
    int64_t n_elements = 0;

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    if (plan.n != 0) {
        x = chain_arg_extreme(&chain, lo->rule->onnx, x, plan.axes[0], plan.keepdim);
        return toffee_chain_return(&chain, call, 0, x);
    }
    n_elements = toffee_value_numel(x);
    x = toffee_chain_reshape(&chain, x, n_elements != 0 ? &n_elements : flat, 1);
    x = chain_arg_extreme(&chain, lo->rule->onnx, x, 0, false);
    x = toffee_chain_reshape(&chain, x, call->results[0].dims, call->results[0].rank);
    return toffee_chain_return(&chain, call, 0, x);
}

/* ---- variance ------------------------------------------------------------------------------- */

/* What is taken off the count: correction, or the older unbiased flag; 1 if neither is said. */
static double
call_correction(const toffee_call *call)
{
    if (toffee_call_has(call, "correction")) {
        return toffee_call_float(call, "correction", 1);
    }
    return toffee_call_bool(call, "unbiased", true) ? 1 : 0;
}

/* aten::var, std, var_mean, std_mean: squares of the distances from the mean, in two passes as
 * PyTorch (the difference of two sums would lose digits). Half precision is computed in float32, as
 * there. rule->arg: bit 0, take the root; bit 1, return the mean too. */
static toffee_code
lower_var(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    double correction = call_correction(call);
    reduce_plan plan;
    reduce_plan keep;
    toffee_value *x = reduce_operand(call, &plan);
    toffee_value *mean = NULL;
    toffee_value *var = NULL;
    double count = 0;

    if (x == NULL || !toffee_dtype_is_float(toffee_value_dtype(x))) {
        return TOFFEE_DECLINED;
    }
    count = (double)plan_count(&plan, x) - correction;
    if (toffee_value_dtype(x) != TOFFEE_DTYPE_DOUBLE) {
        x = toffee_chain_cast(&chain, x, TOFFEE_DTYPE_FLOAT);
    }
    keep = plan;
    keep.keepdim = true;
    mean = chain_mean(&chain, x, &keep);
    var = toffee_chain_binary(&chain, "Sub", x, mean);
    var = toffee_chain_binary(&chain, "Mul", var, var);
    if (correction == 0) {
        var = chain_mean(&chain, var, &plan);
    }
    else {
        var = chain_planned(&chain, "ReduceSum", var, &plan);
        var = toffee_chain_with(&chain, "Div", var, count > 0 ? count : 0);
    }
    if ((lo->rule->arg & 1) != 0) {
        var = toffee_chain_unary(&chain, "Sqrt", var);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, 0, var));
    if ((lo->rule->arg & 2) != 0) {
        if (!plan.keepdim) {
            mean = chain_mean(&chain, x, &plan);
        }
        return toffee_chain_return(&chain, call, 1, mean);
    }
    return TOFFEE_OK;
}

/* ---- norms ---------------------------------------------------------------------------------- */

/* The P-norm of X over the plan's dimensions. */
static toffee_value *
chain_norm(toffee_chain *chain, toffee_value *x, double p, const reduce_plan *plan)
{
    toffee_value *zero = NULL;

    if (toffee_value_rank(x) != 0 && (p == 1 || p == 2)) {
        return chain_planned(chain, p == 1 ? "ReduceL1" : "ReduceL2", x, plan);
    }
    if (p == 0) {
        zero = toffee_chain_number(chain, toffee_value_dtype(x), 0);
        zero = toffee_chain_test(chain, "Equal", x, zero);
        zero = toffee_chain_unary(chain, "Not", zero);
        x = toffee_chain_cast(chain, zero, toffee_value_dtype(x));
        return chain_planned(chain, "ReduceSum", x, plan);
    }
    x = toffee_chain_unary(chain, "Abs", x);
    if (isinf(p)) {
        return chain_planned(chain, p > 0 ? "ReduceMax" : "ReduceMin", x, plan);
    }
    if (chain->rc == TOFFEE_OK && (toffee_value_dtype(x) == TOFFEE_DTYPE_FLOAT16 ||
                                   toffee_value_dtype(x) == TOFFEE_DTYPE_BFLOAT16)) {
        x = toffee_chain_cast(chain, x, TOFFEE_DTYPE_FLOAT); /* the powers need not fit */
    }
    x = toffee_chain_with(chain, "Pow", x, p);
    x = chain_planned(chain, "ReduceSum", x, plan);
    return toffee_chain_with(chain, "Pow", x, 1 / p);
}

/* aten::norm(self, p?, dim, keepdim, dtype), linalg_vector_norm(self, ord, dim?, keepdim, dtype)
 *   -> ReduceL2 and the like. The row has the name of the order. */
static toffee_code
lower_norm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_dtype dtype = toffee_call_dtype(call, "dtype");
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);

    if (x == NULL || !toffee_dtype_is_float(toffee_value_dtype(x))) {
        return TOFFEE_DECLINED;
    }
    if (dtype != TOFFEE_DTYPE_UNDEFINED) {
        x = toffee_chain_cast(&chain, x, dtype);
    }
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    x = chain_norm(&chain, x, toffee_call_float(call, lo->rule->onnx, 2), &plan);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::logsumexp -> ReduceLogSumExp. */
static toffee_code
lower_logsumexp(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);

    if (x == NULL) {
        return TOFFEE_DECLINED;
    }
    if (!toffee_dtype_is_float(toffee_value_dtype(x))) {
        x = toffee_chain_cast(&chain, x, TOFFEE_DTYPE_FLOAT);
    }
    x = chain_planned(&chain, "ReduceLogSumExp", x, &plan);
    return toffee_chain_return(&chain, call, 0, x);
}

/* ---- along one dimension, shape kept --------------------------------------------------------- */

/* aten::cumsum(self, dim, dtype?) -> CumSum. */
static toffee_code
lower_cumsum(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);
    toffee_value *axis = NULL;
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;

    if (x == NULL || plan.n != 1) {
        return TOFFEE_DECLINED;
    }
    dtype = sum_dtype(call, x);
    x = toffee_chain_cast(&chain, x, dtype);
    if (chain.rc != TOFFEE_OK || toffee_value_rank(x) == 0) {
        return toffee_chain_return(&chain, call, 0, x);
    }
    x = toffee_chain_cast(&chain, x, toffee_compute_dtype("CumSum", dtype));
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, plan.axes[0], &axis, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "CumSum", TOFFEE_INPUTS(x, axis), toffee_value_dtype(x), NULL, &x, st));
    return toffee_lower_return(lo, call, 0, x, st);
}

/* aten::softmax(self, dim, dtype?), _softmax(self, dim, half_to_float) -> Softmax; log_softmax
 * likewise. Of a 0-d tensor the result is 1 (or 0), which ONNX has no axis for. */
static toffee_code
lower_softmax(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_dtype dtype = toffee_call_dtype(call, "dtype");
    reduce_plan plan;
    toffee_value *x = reduce_operand(call, &plan);

    if (x == NULL || plan.n != 1) {
        return TOFFEE_DECLINED;
    }
    if (toffee_call_bool(call, "half_to_float", false)) {
        dtype = TOFFEE_DTYPE_FLOAT;
    }
    if (dtype == TOFFEE_DTYPE_UNDEFINED) {
        dtype = toffee_value_dtype(x);
    }
    if (!toffee_dtype_is_float(dtype)) {
        return TOFFEE_DECLINED;
    }
    x = toffee_chain_cast(&chain, x, dtype);
    if (chain.rc == TOFFEE_OK && toffee_value_rank(x) == 0) {
        x = toffee_chain_binary(&chain, "Sub", x, x);
        if (strcmp(lo->rule->onnx, "Softmax") == 0) {
            x = toffee_chain_unary(&chain, "Exp", x);
        }
        return toffee_chain_return(&chain, call, 0, x);
    }
    x = toffee_chain_unary(&chain, lo->rule->onnx, x);
    toffee_chain_set_int(&chain, x, "axis", plan.axes[0]);
    return toffee_chain_return(&chain, call, 0, x);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_log_softmax", lower_softmax, "LogSoftmax", 0},
    {"aten::_softmax", lower_softmax, "Softmax", 0},
    {"aten::all", lower_all, "ReduceMin", 0},
    {"aten::amax", lower_amax, "ReduceMax", 0},
    {"aten::amin", lower_amax, "ReduceMin", 0},
    {"aten::aminmax", lower_aminmax, NULL, 0},
    {"aten::any", lower_all, "ReduceMax", 0},
    {"aten::argmax", lower_argmax, "ArgMax", 0},
    {"aten::argmin", lower_argmax, "ArgMin", 0},
    {"aten::cumsum", lower_cumsum, NULL, 0},
    {"aten::linalg_vector_norm", lower_norm, "ord", 0},
    {"aten::log_softmax", lower_softmax, "LogSoftmax", 0},
    {"aten::logsumexp", lower_logsumexp, NULL, 0},
    {"aten::max", lower_max, "Max", 0},
    {"aten::mean", lower_sum, "ReduceMean", 0},
    {"aten::min", lower_max, "Min", 0},
    {"aten::norm", lower_norm, "p", 0},
    {"aten::prod", lower_sum, "ReduceProd", 0},
    {"aten::softmax", lower_softmax, "Softmax", 0},
    {"aten::std", lower_var, NULL, 1},
    {"aten::std_mean", lower_var, NULL, 3},
    {"aten::sum", lower_sum, "ReduceSum", 0},
    {"aten::var", lower_var, NULL, 0},
    {"aten::var_mean", lower_var, NULL, 2},
    {"prims::amax", lower_amax, "ReduceMax", 0},
    {"prims::amin", lower_amax, "ReduceMin", 0},
    {"prims::prod", lower_sum, "ReduceProd", 0},
    {"prims::sum", lower_sum, "ReduceSum", 0},
    {"prims::var", lower_var, NULL, 0},
};

const toffee_rule_family toffee_rules_reduce = {rows, TOFFEE_COUNTOF(rows)};
