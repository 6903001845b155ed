/* csrc/lower/lower_range.c -- tensors made of sizes and numbers alone: arange, linspace, eye, ….
 *
 * These come here where a trace is compared with others at other sizes (Note [Twins] in
 * trace/twin.h), and in that only; else they are data of the moment. So each size is an input of a
 * node, where another one can be put in its place. */
#include "lower/chain.h"
#include "lower/fit.h"

#include <math.h>

/* A number of the call as a value of DTYPE. Whole ones may be sizes: they are cast in the graph. */
static toffee_value *
chain_argument(toffee_chain *chain, const toffee_arg *arg, toffee_dtype dtype)
{
    if (arg != NULL && arg->kind == TOFFEE_ARG_INT) {
        toffee_value *size = toffee_chain_size(chain, arg->i);

        return toffee_chain_cast(chain, size, dtype);
    }
    return toffee_chain_operand(chain, arg, dtype);
}

/* The argument NAME, with whole numbers as ints if the call makes such: arange(n, 0, -1.0). */
static toffee_arg
number_argument(const toffee_call *call, const char *name, int64_t fallback)
{
    const toffee_arg *arg = toffee_call_arg(call, name);
    toffee_arg number = {.name = name, .kind = TOFFEE_ARG_INT, .i = fallback};

    if (arg == NULL || arg->kind == TOFFEE_ARG_NONE) {
        return number;
    }
    if (arg->kind == TOFFEE_ARG_FLOAT && toffee_dtype_is_int(call->results[0].dtype) &&
        fabs(arg->f) < 0x1p53 && floor(arg->f) == arg->f) {
        number.i = (int64_t)arg->f;
        return number;
    }
    return *arg;
}

/* aten::arange(start = 0, end, step = 1)
 *   -> Range, in int64; or start + Range(n) * step: in double where these are no whole numbers,
 * with n as PyTorch has it, since runtimes differ in the rounding of Range's; and downwards, where
 *      ONNX Runtime makes Gather by Range a Slice, and takes its end -1 for the last element. */
static toffee_code
lower_arange(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_arg start = {0};
    toffee_arg end = {0};
    toffee_arg step = {0};
    toffee_value *x = NULL;
    toffee_value *from = NULL;
    toffee_value *by = NULL;
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    bool is_whole = false;

    if (call->n_results != 1 || !toffee_dtype_is_real(call->results[0].dtype) ||
        call->results[0].rank != 1) {
        return TOFFEE_DECLINED;
    }
    start = number_argument(call, "start", 0);
    end = number_argument(call, "end", 0);
    step = number_argument(call, "step", 1);
    is_whole =
        start.kind == TOFFEE_ARG_INT && end.kind == TOFFEE_ARG_INT && step.kind == TOFFEE_ARG_INT;
    if (is_whole && step.i > 0) {
        toffee_value *to = NULL;

        from = chain_argument(&chain, &start, TOFFEE_DTYPE_INT64);
        to = chain_argument(&chain, &end, TOFFEE_DTYPE_INT64);
        by = chain_argument(&chain, &step, TOFFEE_DTYPE_INT64);
        x = toffee_chain_range(&chain, from, to, by, call->results[0].dims[0]);
        return toffee_chain_return(&chain, call, 0, x);
    }
    if (!is_whole && !toffee_dtype_is_float(call->results[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    dtype = is_whole ? TOFFEE_DTYPE_INT64 : TOFFEE_DTYPE_DOUBLE;
    x = toffee_chain_count(&chain, call->results[0].dims[0]);
    x = toffee_chain_cast(&chain, x, dtype);
    by = chain_argument(&chain, &step, dtype);
    x = toffee_chain_binary(&chain, "Mul", x, by);
    from = chain_argument(&chain, &start, dtype);
    x = toffee_chain_binary(&chain, "Add", x, from);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::linspace(start, end, steps)
 *   -> start + i * step in the first half, end - (n - 1 - i) * step in the second, as PyTorch has
 *      it, with step = (end - start) / (n - 1). */
static toffee_value *
chain_linspace(toffee_chain *chain, const toffee_call *call, toffee_dtype dtype)
{
    int64_t n = call->results[0].dims[0];
    toffee_value *i = toffee_chain_count(chain, n);
    toffee_value *count = toffee_chain_size(chain, n);
    toffee_value *one = toffee_chain_size(chain, 1);
    toffee_value *two = toffee_chain_size(chain, 2);
    toffee_value *last = toffee_chain_binary(chain, "Sub", count, one);
    toffee_value *half = toffee_chain_binary(chain, "Div", count, two);
    toffee_value *start = chain_argument(chain, toffee_call_arg(call, "start"), dtype);
    toffee_value *end = chain_argument(chain, toffee_call_arg(call, "end"), dtype);
    toffee_value *step = toffee_chain_binary(chain, "Sub", end, start);
    toffee_value *gaps = toffee_chain_binary(chain, "Max", last, one);
    toffee_value *is_first = toffee_chain_test(chain, "Less", i, half);
    toffee_value *is_all = toffee_chain_test(chain, "Less", count, two); /* of one, the start */
    toffee_value *left = NULL;
    toffee_value *right = NULL;

    gaps = toffee_chain_cast(chain, gaps, dtype);
    step = toffee_chain_binary(chain, "Div", step, gaps);
    is_first = toffee_chain_binary(chain, "Add", is_first, is_all);
    right = toffee_chain_binary(chain, "Sub", last, i);
    right = toffee_chain_cast(chain, right, dtype);
    right = toffee_chain_binary(chain, "Mul", right, step);
    right = toffee_chain_binary(chain, "Sub", end, right);
    left = toffee_chain_cast(chain, i, dtype);
    left = toffee_chain_binary(chain, "Mul", left, step);
    left = toffee_chain_binary(chain, "Add", left, start);
    return toffee_chain_where(chain, is_first, left, right);
}

/* aten::linspace, and logspace(start, end, steps, base = 10) -> base ** linspace, in double. */
static toffee_code
lower_linspace(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    bool is_log = lo->rule->arg != 0;
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    toffee_value *x = NULL;

    if (call->n_results != 1 || !toffee_dtype_is_float(call->results[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    dtype = is_log || call->results[0].dtype == TOFFEE_DTYPE_DOUBLE ? TOFFEE_DTYPE_DOUBLE
                                                                    : TOFFEE_DTYPE_FLOAT;
    x = chain_linspace(&chain, call, dtype);
    if (is_log) {
        toffee_value *base =
            toffee_chain_number(&chain, dtype, toffee_call_float(call, "base", 10));

        x = toffee_chain_binary(&chain, "Pow", base, x);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

/* A tensor of DIMS full of the whole number FILL, of DTYPE: ConstantOfShape. */
static toffee_value *
chain_filled(toffee_chain *chain, const int64_t *dims, int32_t rank, toffee_dtype dtype,
             int64_t fill)
{
    static const int64_t one[1] = {1};
    toffee_lowering *lo = chain->lo;
    toffee_tensor *tensor = NULL;
    toffee_value *number = NULL;
    toffee_value *shape = NULL;
    toffee_value *out = NULL;
    toffee_node *node = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_const_scalar_int(lo, dtype, fill, &number, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_tensor_new(lo->graph->arena, NULL, dtype, one, 1, number->tensor->data,
                                      &tensor, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_const_ints(lo, dims, (size_t)rank, &shape, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_emit_dims(lo, "ConstantOfShape", TOFFEE_INPUTS(shape), dtype, dims, rank,
                                     &node, &out, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_node_set_tensor(node, "value", tensor, chain->st);
    }
    return out;
}

/* aten::eye(n, m = n) -> EyeLike(ConstantOfShape). */
static toffee_code
lower_eye(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    toffee_value *x = NULL;

    if (call->n_results != 1 || !toffee_dtype_is_real(call->results[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    if (call->results[0].dtype == TOFFEE_DTYPE_INT64 ||
        call->results[0].dtype == TOFFEE_DTYPE_DOUBLE) {
        dtype = call->results[0].dtype;
    }
    x = chain_filled(&chain, call->results[0].dims, 2, dtype, 0);
    if (chain.rc == TOFFEE_OK) {
        chain.rc = toffee_emit_like(lo, "EyeLike", TOFFEE_INPUTS(x), x, NULL, &x, st);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::tril_indices, triu_indices(row, col, offset = 0) -> NonZero(Trilu(ones)). */
static toffee_code
lower_triangle(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const int64_t dims[2] = {toffee_call_int(call, "row", 0), toffee_call_int(call, "col", 0)};
    toffee_value *x = NULL;
    toffee_value *offset = NULL;
    toffee_node *node = NULL;

    if (call->n_results != 1 || call->results[0].rank != 2) {
        return TOFFEE_DECLINED;
    }
    x = chain_filled(&chain, dims, 2, TOFFEE_DTYPE_INT64, 1);
    offset = toffee_chain_size(&chain, toffee_call_int(call, "offset", 0));
    if (chain.rc == TOFFEE_OK) {
        chain.rc = toffee_emit_like(lo, "Trilu", TOFFEE_INPUTS(x, offset), x, &node, &x, st);
    }
    if (chain.rc == TOFFEE_OK) {
        chain.rc = toffee_node_set_int(node, "upper", lo->rule->arg, st);
    }
    if (chain.rc == TOFFEE_OK) {
        chain.rc = toffee_emit_dims(lo, "NonZero", TOFFEE_INPUTS(x), TOFFEE_DTYPE_INT64,
                                    call->results[0].dims, 2, NULL, &x, st);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::arange", lower_arange, "Range", 0},
    {"aten::eye", lower_eye, "EyeLike", 0},
    {"aten::linspace", lower_linspace, "Range", 0},
    {"aten::logspace", lower_linspace, "Range", 1},
    {"aten::tril_indices", lower_triangle, "NonZero", 0},
    {"aten::triu_indices", lower_triangle, "NonZero", 1},
};

const toffee_rule_family toffee_rules_range = {rows, TOFFEE_COUNTOF(rows)};
