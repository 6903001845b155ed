/* csrc/lower/lower_group.c -- elements in groups: equal ones, counts of them, a matrix for each. */
#include "lower/chain.h"
#include "lower/fit.h"
#include "lower/shape.h"

/* The int64 constant 0, 1, … N - 1 as a column [N, 1]. */
static toffee_value *
group_numbers(toffee_chain *chain, int64_t n)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_positions(chain->lo, n, true, &out, chain->st);
    }
    return out;
}

/* aten::_grouped_mm(self [rows, in], mat2 [groups, in, out], offs [groups]): row i times the matrix
 * of its group, group g being the rows from offs[g - 1] to before offs[g].
 *   -> number = ReduceSum(i >= offs); ReduceSum(Where(number == g, MatMul(self, mat2), 0))
 * All products are computed, and one of each row is kept: ONNX has no product of ragged groups. Of
 * mixtures of experts that is n_experts / n_chosen times the work. */
static toffee_code
lower_grouped_mm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *matrices = toffee_call_value(call, "mat2");
    toffee_value *ends = toffee_call_value(call, "offs");
    const int64_t first = 0;
    const int64_t outer = 1;
    int64_t column[3] = {0, 0, 1};
    toffee_value *group = NULL;
    toffee_value *member = NULL;
    toffee_value *products = NULL;
    toffee_value *zero = NULL;

    if (self == NULL || matrices == NULL || ends == NULL || toffee_call_has(call, "bias") ||
        toffee_value_rank(self) != 2 || toffee_value_rank(matrices) != 3) {
        return TOFFEE_DECLINED;
    }
    column[0] = toffee_value_dim(matrices, 0);
    column[1] = toffee_value_dim(self, 0);
    ends = toffee_chain_cast(&chain, ends, TOFFEE_DTYPE_INT64);
    group = group_numbers(&chain, column[1]); /* [rows, 1] */
    group = toffee_chain_test(&chain, "GreaterOrEqual", group, ends);
    group = toffee_chain_cast(&chain, group, TOFFEE_DTYPE_INT64);
    group = toffee_chain_reduce(&chain, "ReduceSum", group, &outer, 1, false); /* [rows] */
    member = group_numbers(&chain, column[0]);                                 /* [groups, 1] */
    member = toffee_chain_test(&chain, "Equal", group, member);
    member = toffee_chain_reshape(&chain, member, column, 3);
    products = toffee_chain_product(&chain, self, matrices); /* [groups, rows, out] */
    zero = toffee_chain_number(&chain, toffee_value_dtype(self), 0);
    products = toffee_chain_where(&chain, member, products, zero);
    products = toffee_chain_reduce(&chain, "ReduceSum", products, &first, 1, false);
    return toffee_chain_return(&chain, call, 0, products);
}

/* What Unique is computed in: PyTorch takes types that ONNX Runtime has no kernel for. */
static toffee_dtype
unique_dtype(toffee_dtype dtype)
{
    if (toffee_dtype_is_float(dtype)) {
        return dtype == TOFFEE_DTYPE_DOUBLE ? dtype : TOFFEE_DTYPE_FLOAT;
    }
    return TOFFEE_DTYPE_INT64;
}

/* aten::_unique2(self, sorted, return_inverse, return_counts) -> Unique of all elements
 * aten::unique_dim(self, dim, …) -> Unique of the slices of dim
 * PyTorch sorts on the CPU, asked or not. Single floats are declined, for of several NaNs PyTorch
 * keeps each, and Unique says nothing of them; in slices both leave it open. */
static toffee_code
lower_unique(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");
    const bool by_dim = toffee_call_has(call, "dim");
    const bool wants[2] = {toffee_call_bool(call, "return_inverse", false),
                           toffee_call_bool(call, "return_counts", false)};
    toffee_dtype given = self != NULL ? toffee_value_dtype(self) : TOFFEE_DTYPE_UNDEFINED;
    toffee_value *outs[4] = {NULL, NULL, NULL, NULL}; /* found, first places, inverse, counts */
    toffee_node *node = NULL;
    int64_t flat = 0;

    if (self == NULL || !toffee_dtype_is_real(given) || given == TOFFEE_DTYPE_UINT64 ||
        toffee_value_numel(self) == 0 || (toffee_dtype_is_float(given) && !by_dim) ||
        (by_dim && toffee_value_rank(self) == 0)) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, self, unique_dtype(given), &self, st));
    if (!by_dim) {
        flat = toffee_value_numel(self);
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, self, &flat, 1, &self, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Unique", TOFFEE_INPUTS(self), unique_dtype(given),
                                            call->results[0].dims, call->results[0].rank, &node,
                                            &outs[0], st));
    if (by_dim) {
        int64_t axis = toffee_axis(toffee_call_int(call, "dim", 0), toffee_value_rank(self));

        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, st));
    }
    for (size_t i = 1; i < TOFFEE_COUNTOF(outs) && (wants[0] || wants[1]); i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, TOFFEE_DTYPE_INT64, &outs[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 0, outs[0], st));
    for (size_t i = 0; i < TOFFEE_COUNTOF(wants) && i + 1 < call->n_results; i++) {
        const toffee_result *result = &call->results[i + 1];
        toffee_value *out = outs[i + 2];

        if (!wants[i]) {
            continue;
        }
        if (i == 0) {
            flat = by_dim ? result->dims[0] : flat;
            TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(out, TOFFEE_DTYPE_INT64, &flat, 1, st));
            TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, out, result->dims, result->rank, &out, st));
        }
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, i + 1, out, st));
    }
    return TOFFEE_OK;
}

/* 0, 1, … before COUNT, a 0-d int64, as a column. There are N of them in this run. */
static toffee_value *
chain_counted(toffee_chain *chain, toffee_value *count, int64_t n)
{
    const int64_t last = 1;
    toffee_value *zero = toffee_chain_number(chain, TOFFEE_DTYPE_INT64, 0);
    toffee_value *one = toffee_chain_number(chain, TOFFEE_DTYPE_INT64, 1);
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_emit_dims(chain->lo, "Range", TOFFEE_INPUTS(zero, count, one),
                                     TOFFEE_DTYPE_INT64, &n, 1, NULL, &out, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_unsqueeze(chain->lo, out, &last, 1, &out, chain->st);
    }
    return out;
}

/* Elements of a comparison of all with all that nobody wants to be that large. */
#define MAX_PAIRS (INT64_C(1) << 26)

/* aten::bincount(self, weights?, minlength)
 *   -> numbers = Range(0, Max(ReduceMax(self) + 1, minlength))
 *      ReduceSum(numbers == self), or of the weights where it is */
static toffee_code
lower_bincount(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const int64_t inner = 1;
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *weights = toffee_call_value(call, "weights");
    int64_t n = call->results[0].dims[0];
    toffee_value *count = NULL;
    toffee_value *zero = NULL;

    if (self == NULL || toffee_value_numel(self) == 0 || n > MAX_PAIRS / toffee_value_numel(self)) {
        return TOFFEE_DECLINED;
    }
    self = toffee_chain_cast(&chain, self, TOFFEE_DTYPE_INT64);
    count = toffee_chain_reduce(&chain, "ReduceMax", self, NULL, 0, false);
    count = toffee_chain_with(&chain, "Add", count, 1);
    count = toffee_chain_with(&chain, "Max", count, (double)toffee_call_int(call, "minlength", 0));
    count = chain_counted(&chain, count, n);
    self = toffee_chain_test(&chain, "Equal", count, self);
    if (weights == NULL) {
        self = toffee_chain_cast(&chain, self, TOFFEE_DTYPE_INT64);
    }
    else {
        weights = toffee_chain_cast(&chain, weights, call->results[0].dtype);
        zero = toffee_chain_number(&chain, call->results[0].dtype, 0);
        self = toffee_chain_where(&chain, self, weights, zero);
    }
    self = toffee_chain_reduce(&chain, "ReduceSum", self, &inner, 1, false);
    return toffee_chain_return(&chain, call, 0, self);
}

/* aten::repeat_interleave.Tensor(repeats): number i, repeats[i] times.
 *   -> ends = CumSum(repeats); ReduceSum(Range(0, ends[-1]) >= ends) */
toffee_code
toffee_lower_repeats(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const int64_t inner = 1;
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *ends = toffee_call_value(call, "repeats");
    int64_t n = call->results[0].dims[0];
    toffee_value *axis = NULL;
    toffee_value *total = NULL;

    if (ends == NULL || toffee_value_rank(ends) != 1 || toffee_value_numel(ends) == 0 ||
        n > MAX_PAIRS / toffee_value_numel(ends)) {
        return TOFFEE_DECLINED;
    }
    ends = toffee_chain_cast(&chain, ends, TOFFEE_DTYPE_INT64);
    total = toffee_chain_reduce(&chain, "ReduceSum", ends, NULL, 0, false);
    total = chain_counted(&chain, total, n);
    axis = toffee_chain_number(&chain, TOFFEE_DTYPE_INT64, 0);
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit_like(lo, "CumSum", TOFFEE_INPUTS(ends, axis), ends, NULL, &ends, st));
    total = toffee_chain_test(&chain, "GreaterOrEqual", total, ends);
    total = toffee_chain_cast(&chain, total, TOFFEE_DTYPE_INT64);
    total = toffee_chain_reduce(&chain, "ReduceSum", total, &inner, 1, false);
    return toffee_chain_return(&chain, call, 0, total);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_grouped_mm", lower_grouped_mm, NULL, 0},
    {"aten::_unique2", lower_unique, NULL, 0},
    {"aten::bincount", lower_bincount, NULL, 0},
    {"aten::unique_dim", lower_unique, NULL, 0},
};

const toffee_rule_family toffee_rules_group = {rows, TOFFEE_COUNTOF(rows)};
