/* csrc/lower/lower_create.c -- copies, casts and fills.
 *
 * A value does not change once it is made, so a copy is the value itself; which tensors share
 * memory is the trace's to know. */
#include "lower/chain.h"
#include "lower/shape.h"

/* aten::clone, contiguous, detach, to, type_as, …: the operand, cast where the dtype changes. */
static toffee_code
lower_copy(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");

    if (self == NULL || call->n_results == 0 ||
        toffee_dtype_is_real(toffee_value_dtype(self)) !=
            toffee_dtype_is_real(call->results[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    return toffee_lower_return(lo, call, 0, self, st);
}

/* prims::convert_element_type(a, dtype) -> Cast. */
static toffee_code
lower_convert(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *a = toffee_call_value(call, "a");

    if (a == NULL || call->n_results == 0 || !toffee_dtype_is_real(toffee_value_dtype(a)) ||
        !toffee_dtype_is_real(call->results[0].dtype)) {
        return TOFFEE_DECLINED;
    }
    return toffee_lower_return(lo, call, 0, a, st);
}

/* aten::real, conj, …: of a real tensor, itself. */
static toffee_code
lower_real(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *self = toffee_call_value(call, "self");

    if (self == NULL || !toffee_dtype_is_real(toffee_value_dtype(self))) {
        return TOFFEE_DECLINED;
    }
    return toffee_lower_return(lo, call, 0, self, st);
}

/* ARG (tensor or number) in the dtype of the result, broadcast to its dims. */
static toffee_code
lower_broadcast(toffee_lowering *lo, const toffee_call *call, const toffee_arg *arg,
                toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_result *result = &call->results[0];
    toffee_value *x = toffee_chain_operand(&chain, arg, result->dtype);

    x = toffee_chain_expand(&chain, x, result->dims, result->rank);
    return toffee_chain_return(&chain, call, 0, x);
}

/* A number as ConstantOfShape, a 0-d one as an initializer. Expand of it where it may be a size:
 * ConstantOfShape has it as an attribute. */
static toffee_code
lower_constant(toffee_lowering *lo, const toffee_call *call, const toffee_arg *number,
               toffee_status *st)
{
    static const int64_t one[1] = {1};
    const toffee_result *result = &call->results[0];
    toffee_tensor *tensor = NULL;
    toffee_value *value = NULL;
    toffee_value *shape = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_arg(lo, result->dtype, number, &value, st));
    if (result->rank == 0) {
        return toffee_lower_return(lo, call, 0, value, st);
    }
    if (lo->is_twin && lo->rule->onnx != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_expand(lo, value, result->dims, result->rank, &value, st));
        return toffee_lower_return(lo, call, 0, value, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_tensor_new(lo->graph->arena, NULL, result->dtype, one, 1,
                                             value->tensor->data, &tensor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, result->dims, (size_t)result->rank, &shape, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "ConstantOfShape", TOFFEE_INPUTS(shape), result->dtype, &node, &value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_tensor(node, "value", tensor, st));
    return toffee_lower_return(lo, call, 0, value, st);
}

static bool
result_is_made(const toffee_call *call)
{
    return call->n_results == 1 && toffee_dtype_is_real(call->results[0].dtype);
}

/* aten::copy(self, src), fill(self, value): self has only its dims and dtype to say. */
static toffee_code
lower_fill(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const toffee_arg *arg = toffee_call_arg(call, lo->rule->onnx);

    if (!result_is_made(call) || arg == NULL) {
        return TOFFEE_DECLINED;
    }
    return arg->kind == TOFFEE_ARG_VALUE ? lower_broadcast(lo, call, arg, st)
                                         : lower_constant(lo, call, arg, st);
}

/* aten::zeros_like, new_ones, empty, …: rule->arg everywhere. What `empty` holds is nobody's
 * business; zeros make the file the same each time. */
static toffee_code
lower_filled(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    const toffee_arg number = {.name = "value", .kind = TOFFEE_ARG_INT, .i = lo->rule->arg};

    return result_is_made(call) ? lower_constant(lo, call, &number, st) : TOFFEE_DECLINED;
}

/* aten::tril, triu(self, diagonal) -> Trilu(self, diagonal?) [upper]. */
static toffee_code
lower_trilu(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    int64_t diagonal = toffee_call_int(call, "diagonal", 0);
    toffee_value *self = toffee_call_value(call, "self");
    toffee_value *k = NULL;
    toffee_value *out = NULL;
    toffee_node *node = NULL;
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;

    if (self == NULL || !toffee_dtype_is_real(toffee_value_dtype(self))) {
        return TOFFEE_DECLINED;
    }
    dtype = toffee_compute_dtype("Trilu", toffee_value_dtype(self));
    self = toffee_chain_cast(&chain, self, dtype);
    if (chain.rc != TOFFEE_OK) {
        return chain.rc;
    }
    if (diagonal != 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_INT64, diagonal, &k, st));
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_emit(lo, "Trilu", TOFFEE_INPUTS(self, k), dtype, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "upper", lo->rule->arg, st));
    return toffee_lower_return(lo, call, 0, out, st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_conj", lower_real, NULL, 0},
    {"aten::_conj_physical", lower_real, NULL, 0},
    {"aten::_to_copy", lower_copy, NULL, 0},
    {"aten::alias", lower_copy, NULL, 0},
    {"aten::alias_copy", lower_copy, NULL, 0},
    {"aten::clone", lower_copy, NULL, 0},
    {"aten::conj", lower_real, NULL, 0},
    {"aten::conj_physical", lower_real, NULL, 0},
    {"aten::contiguous", lower_copy, NULL, 0},
    {"aten::copy", lower_fill, "src", 0},
    {"aten::detach", lower_copy, NULL, 0},
    {"aten::detach_copy", lower_copy, NULL, 0},
    {"aten::empty", lower_filled, NULL, 0},
    {"aten::empty_like", lower_filled, NULL, 0},
    {"aten::empty_permuted", lower_filled, NULL, 0},
    {"aten::empty_strided", lower_filled, NULL, 0},
    {"aten::fill", lower_fill, "value", 0},
    {"aten::full", lower_fill, "fill_value", 0},
    {"aten::full_like", lower_fill, "fill_value", 0},
    {"aten::lift", lower_copy, NULL, 0},
    {"aten::lift_fresh", lower_copy, NULL, 0},
    {"aten::lift_fresh_copy", lower_copy, NULL, 0},
    {"aten::new_empty", lower_filled, NULL, 0},
    {"aten::new_empty_strided", lower_filled, NULL, 0},
    {"aten::new_full", lower_fill, "fill_value", 0},
    {"aten::new_ones", lower_filled, NULL, 1},
    {"aten::new_zeros", lower_filled, NULL, 0},
    {"aten::ones", lower_filled, NULL, 1},
    {"aten::ones_like", lower_filled, NULL, 1},
    {"aten::positive", lower_copy, NULL, 0},
    {"aten::scalar_tensor", lower_fill, "s", 0},
    {"aten::to", lower_copy, NULL, 0},
    {"aten::tril", lower_trilu, NULL, 0},
    {"aten::triu", lower_trilu, NULL, 1},
    {"aten::type_as", lower_copy, NULL, 0},
    {"aten::zero", lower_filled, NULL, 0},
    {"aten::zeros", lower_filled, NULL, 0},
    {"aten::zeros_like", lower_filled, NULL, 0},
    {"prims::convert_element_type", lower_convert, NULL, 0},
};

const toffee_rule_family toffee_rules_create = {rows, TOFFEE_COUNTOF(rows)};
