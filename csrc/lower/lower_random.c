/* csrc/lower/lower_random.c -- random numbers of the shape of a tensor, drawn anew by each run.
 *
 * What is drawn without a tensor of the trace is data of the moment, which the trace warns of; it
 * comes here only where it depends on a size (trace/twin.h). */
#include "lower/chain.h"
#include "lower/fit.h"

/* A tensor with the dims of the call's result for RandomUniformLike: the operand that has them, or
 * a ConstantOfShape. A plain RandomUniform has them as an attribute, where no size can be put. */
static toffee_value *
chain_like(toffee_chain *chain, const toffee_call *call)
{
    const toffee_result *result = &call->results[0];
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *shape = NULL;
    toffee_value *out = NULL;

    for (int32_t i = 0; self != NULL && i < result->rank; i++) {
        if (toffee_value_rank(self) != result->rank ||
            toffee_value_dim(self, i) != result->dims[i]) {
            self = NULL;
        }
    }
    if (self != NULL && toffee_value_rank(self) == result->rank) {
        return self;
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc =
            toffee_const_ints(chain->lo, result->dims, (size_t)result->rank, &shape, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc =
            toffee_emit_dims(chain->lo, "ConstantOfShape", TOFFEE_INPUTS(shape), TOFFEE_DTYPE_FLOAT,
                             result->dims, result->rank, NULL, &out, chain->st);
    }
    return out;
}

/* RandomUniformLike or RandomNormalLike. */
static toffee_value *
chain_draw_like(toffee_chain *chain, const toffee_call *call, const char *op_type,
                toffee_dtype dtype)
{
    const toffee_result *result = &call->results[0];
    const char *like_type = op_type[6] == 'U' ? "RandomUniformLike" : "RandomNormalLike";
    toffee_value *like = chain_like(chain, call);
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_emit_dims(chain->lo, like_type, TOFFEE_INPUTS(like), dtype, result->dims,
                                     result->rank, &node, &out, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_node_set_int(node, "dtype", dtype, chain->st);
    }
    return out;
}

/* RandomUniform in [0, 1) or RandomNormal, with the dims of the call's result. */
static toffee_value *
chain_draw(toffee_chain *chain, const toffee_call *call, const char *op_type, toffee_dtype dtype)
{
    const toffee_result *result = &call->results[0];
    const int64_t one[1] = {1};
    toffee_node *node = NULL;
    toffee_value *out = NULL;
    bool is_number = result->rank == 0; /* an empty list of dims is as good as none */

    if (chain->rc == TOFFEE_OK && chain->lo->is_twin && !is_number) {
        return chain_draw_like(chain, call, op_type, dtype);
    }
    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    chain->rc = toffee_emit(chain->lo, op_type, NULL, 0, dtype, &node, &out, chain->st);
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_node_set_ints(node, "shape", is_number ? one : result->dims,
                                         is_number ? 1 : (size_t)result->rank, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_node_set_int(node, "dtype", dtype, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_value_set_type(out, dtype, is_number ? one : result->dims,
                                          is_number ? 1 : result->rank, chain->st);
    }
    return is_number ? toffee_chain_reshape(chain, out, NULL, 0) : out;
}

static toffee_dtype
draw_dtype(const toffee_call *call)
{
    return call->results[0].dtype == TOFFEE_DTYPE_DOUBLE ? TOFFEE_DTYPE_DOUBLE : TOFFEE_DTYPE_FLOAT;
}

/* Whether the call has a result whose dtype the row can be drawn in. */
static bool
can_draw(const toffee_call *call, bool floats_only)
{
    return call->n_results == 1 && toffee_dtype_is_real(call->results[0].dtype) &&
           (!floats_only || toffee_dtype_is_float(call->results[0].dtype));
}

/* aten::rand_like, randn_like -> RandomUniform, RandomNormal. */
static toffee_code
lower_draw(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);

    if (!can_draw(call, true)) {
        return TOFFEE_DECLINED;
    }
    return toffee_chain_return(&chain, call, 0,
                               chain_draw(&chain, call, lo->rule->onnx, draw_dtype(call)));
}

/* aten::randint_like(self, low = 0, high) -> Floor(RandomUniform * (high - low)) + low, in double:
 * float32 has too few digits for large ranges. */
static toffee_code
lower_randint(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    int64_t low = toffee_call_int(call, "low", 0);
    int64_t high = toffee_call_int(call, "high", 0);
    toffee_value *x = NULL;

    if (!can_draw(call, false) || high <= low) {
        return TOFFEE_DECLINED;
    }
    x = chain_draw(&chain, call, "RandomUniform", TOFFEE_DTYPE_DOUBLE);
    x = toffee_chain_with(&chain, "Mul", x, (double)(high - low));
    x = toffee_chain_unary(&chain, "Floor", x);
    x = toffee_chain_with(&chain, "Add", x, (double)low);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::bernoulli(self), bernoulli(self, p) -> RandomUniform < p, p being self if it is not given.
 */
static toffee_code
lower_bernoulli(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *p = toffee_call_arg(call, toffee_call_has(call, "p") ? "p" : "self");
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    toffee_value *x = NULL;
    toffee_value *threshold = NULL;

    if (!can_draw(call, false)) {
        return TOFFEE_DECLINED;
    }
    dtype = draw_dtype(call);
    threshold = toffee_chain_operand(&chain, p, dtype);
    x = chain_draw(&chain, call, "RandomUniform", dtype);
    x = toffee_chain_test(&chain, "Less", x, threshold);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::randperm(n) -> the places of the N largest of N random numbers. */
static toffee_code
lower_randperm(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = NULL;
    toffee_value *n = NULL;
    toffee_node *node = NULL;

    if (!can_draw(call, false) || call->results[0].rank != 1) {
        return TOFFEE_DECLINED;
    }
    x = chain_draw(&chain, call, "RandomUniform", TOFFEE_DTYPE_DOUBLE);
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, call->results[0].dims[0], &n, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_like(lo, "TopK", TOFFEE_INPUTS(x, n), x, &node, &x, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, TOFFEE_DTYPE_INT64, &x, st));
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::uniform(self, from, to) -> RandomUniform * (to - from) + from. */
static toffee_code
lower_uniform(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    double from = toffee_call_float(call, "from", 0);
    double to = toffee_call_float(call, "to", 1);
    toffee_value *x = NULL;

    if (!can_draw(call, true)) {
        return TOFFEE_DECLINED;
    }
    x = chain_draw(&chain, call, "RandomUniform", draw_dtype(call));
    x = toffee_chain_with(&chain, "Mul", x, to - from);
    x = toffee_chain_with(&chain, "Add", x, from);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::normal(self, mean, std), normal(mean, std), each a number or a tensor
 *   -> RandomNormal * std + mean. */
static toffee_code
lower_normal(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    toffee_value *std = NULL;
    toffee_value *mean = NULL;
    toffee_value *x = NULL;

    if (!can_draw(call, true)) {
        return TOFFEE_DECLINED;
    }
    dtype = draw_dtype(call);
    std = toffee_chain_operand(&chain, toffee_call_arg(call, "std"), dtype);
    mean = toffee_chain_operand(&chain, toffee_call_arg(call, "mean"), dtype);
    x = chain_draw(&chain, call, "RandomNormal", dtype);
    x = toffee_chain_binary(&chain, "Mul", x, std);
    x = toffee_chain_binary(&chain, "Add", x, mean);
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::multinomial(self, num_samples, replacement) -> Multinomial(Log(self)); several without
 * replacement are not what that draws. */
static toffee_code
lower_multinomial(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = toffee_call_value(call, "self");
    int64_t n = toffee_call_int(call, "num_samples", 1);
    int64_t dims[TOFFEE_MAX_RANK] = {0};
    toffee_node *node = NULL;

    if (x == NULL || call->n_results != 1 ||
        (n != 1 && !toffee_call_bool(call, "replacement", false)) || toffee_value_rank(x) < 1 ||
        toffee_value_rank(x) > 2) {
        return TOFFEE_DECLINED;
    }
    toffee_value_dims(x, dims);
    if (toffee_value_rank(x) == 1) {
        dims[1] = dims[0];
        dims[0] = 1;
    }
    x = toffee_chain_cast(&chain, x, TOFFEE_DTYPE_FLOAT);
    x = toffee_chain_reshape(&chain, x, dims, 2);
    x = toffee_chain_unary(&chain, "Log", x);
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Multinomial", TOFFEE_INPUTS(x), TOFFEE_DTYPE_INT64, &node, &x, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "dtype", TOFFEE_DTYPE_INT64, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "sample_size", n, st));
    dims[1] = n;
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(x, TOFFEE_DTYPE_INT64, dims, 2, st));
    x = toffee_chain_reshape(&chain, x, call->results[0].dims, call->results[0].rank);
    return toffee_chain_return(&chain, call, 0, x);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::bernoulli", lower_bernoulli, "RandomUniform", 0},
    {"aten::multinomial", lower_multinomial, "Multinomial", 0},
    {"aten::normal", lower_normal, "RandomNormal", 0},
    {"aten::rand", lower_draw, "RandomUniform", 0},
    {"aten::rand_like", lower_draw, "RandomUniform", 0},
    {"aten::randint", lower_randint, "RandomUniform", 0},
    {"aten::randint_like", lower_randint, "RandomUniform", 0},
    {"aten::randn", lower_draw, "RandomNormal", 0},
    {"aten::randn_like", lower_draw, "RandomNormal", 0},
    {"aten::randperm", lower_randperm, "TopK", 0},
    {"aten::uniform", lower_uniform, "RandomUniform", 0},
};

const toffee_rule_family toffee_rules_random = {rows, TOFFEE_COUNTOF(rows)};
