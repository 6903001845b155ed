/* csrc/ops/infer_reduce.c -- infers what makes one element of many. */
#include "ops/infer_rules.h"
#include "ops/known.h"

/* INPUT without AXES (as bits), or with size 1 there, into OUT. */
static toffee_code
reduce_axes(toffee_infer *ctx, const toffee_fact *input, uint64_t axes, bool keep, toffee_fact *out,
            toffee_status *st)
{
    toffee_dim *dims = NULL;
    int32_t rank = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, input->rank, &dims, st));
    for (int32_t d = 0; d < input->rank; d++) {
        bool reduced = (axes >> d & 1) != 0;

        if (keep || !reduced) {
            dims[rank++] = reduced ? toffee_dim_of(1) : input->dims[d];
        }
    }
    out->rank = rank;
    out->dims = dims;
    return TOFFEE_OK;
}

/* Into *OUT the axes that a Reduce node goes over, as bits; *KNOWN is false where they are not
 * known. */
static toffee_code
reduce_read_axes(const toffee_infer *ctx, const toffee_node *node, int32_t rank, uint64_t *out,
                 bool *known, toffee_status *st)
{
    const toffee_fact *list = toffee_infer_in(ctx, 1);

    *out = 0;
    *known = !list->given || list->items != NULL;
    if (!list->given || (list->items != NULL && list->n_items == 0)) {
        bool none = toffee_node_int(node, "noop_with_empty_axes", 0) != 0;

        *out = none || rank == 0 ? 0 : ~UINT64_C(0) >> (64 - rank);
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < list->n_items; i++) {
        int64_t given = 0;
        int32_t axis = 0;

        if (!toffee_fact_int(list, i, &given)) {
            *known = false;
            return TOFFEE_OK;
        }
        axis = toffee_axis_index(given, rank);
        if (axis < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "axes[%zu] is %lld, outside of data's rank, %d", i, (long long)given,
                               (int)rank);
        }
        *out |= UINT64_C(1) << axis;
    }
    return TOFFEE_OK;
}

/* The product, the sum or the extreme of a list that is known. */
static toffee_code
reduce_items(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    static const char *const names[] = {"ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"};
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_scalar *items = NULL;
    int64_t result = 0;
    size_t kind = 0;

    while (kind < TOFFEE_COUNTOF(names) && !toffee_str_is(node->op_type, names[kind])) {
        kind++;
    }
    if (kind == TOFFEE_COUNTOF(names) || input->dtype != TOFFEE_DTYPE_INT64 ||
        !toffee_fact_int(input, 0, &result)) {
        return TOFFEE_OK;
    }
    for (size_t i = 1; i < input->n_items; i++) {
        int64_t item = 0;

        if (!toffee_fact_int(input, i, &item) ||
            (kind == 0 && __builtin_mul_overflow(result, item, &result)) ||
            (kind == 1 && __builtin_add_overflow(result, item, &result))) {
            return TOFFEE_OK;
        }
        if ((kind == 2 && item > result) || (kind == 3 && item < result)) {
            result = item;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, 1, &items, st));
    items[0] = toffee_scalar_of(result);
    out->items = items;
    out->n_items = 1;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_reduce(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *list = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    bool keep = toffee_node_int(node, "keepdims", 1) != 0;
    bool known = false;
    uint64_t axes = 0;
    toffee_dim *dims = NULL;
    int64_t rank = input->rank;

    if (rank < 0) {
        if (!list->given && !keep && toffee_node_int(node, "noop_with_empty_axes", 0) == 0) {
            toffee_fact_set_scalar(out);
        }
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(reduce_read_axes(ctx, node, input->rank, &axes, &known, st));
    if (known) {
        TOFFEE_RETURN_IF_ERROR(reduce_axes(ctx, input, axes, keep, out, st));
        return input->items != NULL && input->rank == 1 && axes == 1 ? reduce_items(ctx, node, st)
                                                                     : TOFFEE_OK;
    }
    if (!keep) { /* axes may be empty, and then all or none go; or name one twice */
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    for (int32_t d = 0; d < rank; d++) {
        dims[d] = input->dims[d].value == 1 ? input->dims[d] : TOFFEE_DIM_UNKNOWN;
    }
    out->rank = (int32_t)rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_arg_reduce(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    int32_t axis = 0;

    if (input->rank < 0) {
        return TOFFEE_OK;
    }
    axis = toffee_axis_index(toffee_node_int(node, "axis", 0), input->rank);
    if (axis < 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'axis' is no axis of an input of rank "
                           "%d",
                           (int)input->rank);
    }
    return reduce_axes(ctx, input, UINT64_C(1) << axis, toffee_node_int(node, "keepdims", 1) != 0,
                       toffee_infer_out(ctx, 0), st);
}

toffee_code
toffee_infer_det(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);

    (void)node;
    if (input->rank < 0) {
        return TOFFEE_OK;
    }
    if (input->rank < 2 ||
        toffee_dim_clash(input->dims[input->rank - 1], input->dims[input->rank - 2])) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "the input is no list of square matrices");
    }
    return reduce_axes(ctx, input, UINT64_C(3) << (input->rank - 2), false,
                       toffee_infer_out(ctx, 0), st);
}

/* NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. */
toffee_code
toffee_infer_loss(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *target = toffee_infer_in(ctx, 1);
    const toffee_attr *reduction = toffee_node_attr(node, "reduction");
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_fact loss = {.rank = -1};

    toffee_fact_copy_shape(toffee_infer_out(ctx, 1), input);
    if (input->rank >= 0 && target->rank >= 0 && target->rank != input->rank - 1) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "input 1 has rank %d; one less than the rank of input 0, %d, is needed",
                           (int)target->rank, (int)input->rank);
    }
    if (reduction == NULL || reduction->s.n != 4 || reduction->s.data[0] != 'n') { /* not "none" */
        toffee_fact_set_scalar(out);
        return TOFFEE_OK;
    }
    toffee_fact_copy_shape(out, target);
    if (input->rank < 2) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(reduce_axes(ctx, input, 2, false, &loss, st));
    return toffee_fact_meet(ctx, out, &loss, "the second input", st);
}
