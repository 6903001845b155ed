/* csrc/ops/rules_shape.c -- rules about shapes and axes. */
#include "ops/rules.h"

#include <inttypes.h>

/* Whether AXIS, an attribute, lies in the LOWEST..HIGHEST that RANK axes allow. */
static toffee_code
axis_within(int64_t axis, int32_t lowest, int32_t highest, int32_t rank, toffee_status *st)
{
    if (axis >= lowest && axis <= highest) {
        return TOFFEE_OK;
    }
    return toffee_fail(st, TOFFEE_ERR_CHECK,
                       "attribute 'axis' is %" PRId64 "; for an input of rank %d it must lie in "
                       "%d..%d",
                       axis, (int)rank, (int)lowest, (int)highest);
}

toffee_code
toffee_rule_axis(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                 toffee_status *st)
{
    const toffee_attr *axis = toffee_node_attr(node, "axis");
    int32_t rank = toffee_known_rank(toffee_infer_in(ctx, 0));

    (void)spec;
    return axis == NULL || rank < 0 ? TOFFEE_OK : axis_within(axis->i, -rank, rank - 1, rank, st);
}

toffee_code
toffee_rule_flatten(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                    toffee_status *st)
{
    int32_t rank = toffee_known_rank(toffee_infer_in(ctx, 0));

    (void)spec;
    return rank < 0 ? TOFFEE_OK
                    : axis_within(toffee_node_int(node, "axis", rank == 0 ? 0 : 1), -rank, rank,
                                  rank, st);
}

toffee_code
toffee_rule_broadcast(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                      toffee_status *st)
{
    int32_t max_rank = 0;

    (void)spec;
    for (size_t i = 0; i < node->inputs.n; i++) {
        int32_t rank = toffee_known_rank(ctx->in[i]);

        max_rank = rank > max_rank ? rank : max_rank;
    }
    for (int32_t from_end = 1; from_end <= max_rank; from_end++) {
        int64_t size = 1;
        size_t owner = 0;

        for (size_t i = 0; i < node->inputs.n; i++) {
            const toffee_fact *input = ctx->in[i];
            int64_t dim = toffee_known_dim(input, toffee_known_rank(input) - from_end);

            if (dim < 0 || dim == 1) {
                continue;
            }
            if (size != 1 && size != dim) {
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "inputs %zu and %zu cannot be broadcast together: axis -%d has "
                                   "sizes %" PRId64 " and %" PRId64,
                                   owner, i, (int)from_end, size, dim);
            }
            size = dim;
            owner = i;
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_concat(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                   toffee_status *st)
{
    const toffee_fact *first = NULL; /* the first input whose rank is known */
    int32_t rank = -1;
    int32_t axis = 0;

    (void)spec;
    for (size_t i = 0; i < node->inputs.n; i++) {
        const toffee_fact *input = ctx->in[i];
        int32_t input_rank = toffee_known_rank(input);

        if (input_rank < 0) {
            continue;
        }
        if (first == NULL) {
            int64_t given = toffee_node_int(node, "axis", 0);

            first = input;
            rank = input_rank;
            TOFFEE_RETURN_IF_ERROR(axis_within(given, -rank, rank - 1, rank, st));
            axis = toffee_axis_index(given, rank);
        }
        if (input_rank != rank) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "input %zu has rank %d and another has %d; all must have the same "
                               "rank",
                               i, (int)input_rank, (int)rank);
        }
        for (int32_t d = 0; d < rank; d++) {
            int64_t a = toffee_known_dim(first, d);
            int64_t b = toffee_known_dim(input, d);

            if (d != axis && a >= 0 && b >= 0 && a != b) {
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "input %zu has size %" PRId64 " at axis %d and another has "
                                   "%" PRId64 "; only axis %d may differ",
                                   i, b, (int)d, a, (int)axis);
            }
        }
    }
    return TOFFEE_OK;
}

/* Whether input INDEX, a list of sizes or axes, has rank 1, so far as is known. */
static toffee_code
input_is_list(const toffee_infer *ctx, const toffee_op_spec *spec, size_t index, toffee_status *st)
{
    int32_t rank = toffee_known_rank(toffee_infer_in(ctx, index));

    if (rank < 0 || rank == 1) {
        return TOFFEE_OK;
    }
    return toffee_fail(st, TOFFEE_ERR_CHECK, "input %zu (%s) has rank %d and must have rank 1",
                       index, spec->inputs[index].name, (int)rank);
}

/* The element count of VALUE; -1: not known, or too large to say. */
static int64_t
known_count(const toffee_fact *value)
{
    int32_t rank = toffee_known_rank(value);
    int64_t count = rank < 0 ? -1 : 1;

    for (int32_t d = 0; d < rank; d++) {
        int64_t dim = toffee_known_dim(value, d);

        if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) {
            return -1;
        }
    }
    return count;
}

toffee_code
toffee_rule_reshape(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                    toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    bool allow_zero = toffee_node_int(node, "allowzero", 0) != 0;
    int32_t rank = toffee_known_rank(data);
    int64_t before = known_count(data);
    int64_t after = 1;
    bool known = before >= 0;
    size_t n_inferred = 0;
    size_t n_zeros = 0;
    size_t n = 0;
    const toffee_scalar *shape = toffee_known_ints(toffee_infer_in(ctx, 1), &n);

    TOFFEE_RETURN_IF_ERROR(input_is_list(ctx, spec, 1, st));
    for (size_t i = 0; i < n; i++) {
        int64_t dim = shape[i].value;

        if (dim < -1) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "shape[%zu] is %" PRId64 "; sizes are 0 or more, or -1 for one to "
                               "be worked out",
                               i, dim);
        }
        n_inferred += dim == -1;
        n_zeros += dim == 0;
        if (dim == 0 && !allow_zero) {
            if (rank >= 0 && i >= (size_t)rank) {
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "shape[%zu] is 0, which keeps the size of that axis, but data "
                                   "has rank %d",
                                   i, (int)rank);
            }
            dim = toffee_known_dim(data, (int32_t)i);
        }
        known = known && (dim >= 0 || shape[i].value == -1);
        known = known && (dim < 0 || !__builtin_mul_overflow(after, dim, &after));
    }
    if (n_inferred > 1 || (n_inferred == 1 && n_zeros != 0 && allow_zero)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           n_inferred > 1 ? "shape has more than one -1"
                                          : "shape has both 0 and -1, which allowzero = 1 forbids");
    }
    if (shape != NULL && known &&
        (n_inferred == 0 ? after != before : after != 0 && before % after != 0)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "data has %" PRId64 " elements, which shape cannot hold (%" PRId64
                           " elements%s)",
                           before, after, n_inferred != 0 ? " times the -1" : "");
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_expand(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                   toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    int32_t rank = toffee_known_rank(input);
    size_t n = 0;
    const toffee_scalar *shape = toffee_known_ints(toffee_infer_in(ctx, 1), &n);

    (void)node;
    TOFFEE_RETURN_IF_ERROR(input_is_list(ctx, spec, 1, st));
    for (size_t i = 0; i < n; i++) {
        int64_t wanted = shape[i].value;
        int64_t from_end = (int64_t)(n - i);
        int64_t dim = from_end <= rank ? toffee_known_dim(input, (int32_t)(rank - from_end)) : -1;

        if (wanted < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "shape[%zu] is %" PRId64 "; write 1 for an axis that stays as it is",
                               i, wanted);
        }
        if (dim >= 0 && dim != 1 && wanted != 1 && dim != wanted) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "an axis of size %" PRId64 " cannot be expanded to shape[%zu], "
                               "%" PRId64,
                               dim, i, wanted);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_squeeze(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                    toffee_status *st)
{
    const toffee_fact *data = toffee_infer_in(ctx, 0);
    bool adds = toffee_str_is(node->op_type, "Unsqueeze");
    int32_t rank = toffee_known_rank(data);
    uint64_t seen = 0;
    size_t n = 0;
    const toffee_scalar *axes = toffee_known_ints(toffee_infer_in(ctx, 1), &n);

    /* One axis as a single number is against the letter, but ONNX's own functions write it. */
    if (toffee_known_rank(toffee_infer_in(ctx, 1)) != 0) {
        TOFFEE_RETURN_IF_ERROR(input_is_list(ctx, spec, 1, st));
    }
    if (axes == NULL || rank < 0) {
        return TOFFEE_OK;
    }
    if (n + (adds ? (size_t)rank : 0) > TOFFEE_MAX_RANK) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "%zu axes are too many; a tensor has at most %d",
                           n, TOFFEE_MAX_RANK);
    }
    rank += adds ? (int32_t)n : 0;
    for (size_t i = 0; i < n; i++) {
        int64_t given = axes[i].value;
        int32_t axis = toffee_axis_index(given, rank);
        int64_t dim = -1;

        if (axis < 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "axes[%zu] is %" PRId64 ", outside of a rank of %d", i, given,
                               (int)rank);
        }
        if ((seen >> axis & 1) != 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "axis %d is twice in axes", (int)axis);
        }
        seen |= UINT64_C(1) << axis;
        dim = adds ? 1 : toffee_known_dim(data, axis);
        if (dim >= 0 && dim != 1) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "axis %d has size %" PRId64 "; only axes of size 1 can be squeezed",
                               (int)axis, dim);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_transpose(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                      toffee_status *st)
{
    const toffee_attr *perm = toffee_node_attr(node, "perm");
    int32_t rank = toffee_known_rank(toffee_infer_in(ctx, 0));
    uint64_t seen = 0;

    (void)spec;
    if (perm == NULL) {
        return TOFFEE_OK;
    }
    if (rank >= 0 ? perm->n != (size_t)rank : perm->n > TOFFEE_MAX_RANK) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'perm' has %zu axes; the input's rank is %d", perm->n,
                           rank >= 0 ? (int)rank : TOFFEE_MAX_RANK);
    }
    for (size_t i = 0; i < perm->n; i++) {
        int64_t axis = perm->ints[i];

        if (axis < 0 || axis >= (int64_t)perm->n || (seen >> axis & 1) != 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "attribute 'perm' is not a permutation: perm[%zu] is %" PRId64
                               "; each of 0..%zu must be there once",
                               i, axis, perm->n - 1);
        }
        seen |= UINT64_C(1) << axis;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_space_depth(const toffee_infer *ctx, const toffee_op_spec *spec,
                        const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    bool to_space = toffee_str_is(node->op_type, "DepthToSpace");
    int64_t block = toffee_node_int(node, "blocksize", 1);
    int64_t parts = 0;
    int32_t rank = toffee_known_rank(input);

    (void)spec;
    if (block < 1 || block > INT32_MAX) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'blocksize' is %" PRId64 " and must be at least 1", block);
    }
    if (rank >= 0 && rank != 4) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "the input has rank %d and must be (N, C, H, W)",
                           (int)rank);
    }
    parts = to_space ? block * block : block;
    for (int32_t axis = to_space ? 1 : 2; axis < (to_space ? 2 : 4); axis++) {
        int64_t dim = toffee_known_dim(input, axis);

        if (dim >= 0 && dim % parts != 0) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "axis %d has size %" PRId64 ", which is no multiple of %" PRId64
                               " (blocksize %" PRId64 ")",
                               (int)axis, dim, parts, block);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_split(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                  toffee_status *st)
{
    const toffee_attr *num_outputs = toffee_node_attr(node, "num_outputs");
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *split = toffee_infer_in(ctx, 1);
    int32_t rank = toffee_known_rank(input);
    int64_t dim = -1;
    int64_t sum = 0;
    size_t n = 0;
    const toffee_scalar *sizes = toffee_known_ints(split, &n);

    TOFFEE_RETURN_IF_ERROR(toffee_rule_axis(ctx, spec, node, st));
    TOFFEE_RETURN_IF_ERROR(input_is_list(ctx, spec, 1, st));
    if ((num_outputs != NULL) == split->given) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "%s: give either input 1 (split) or attribute 'num_outputs'",
                           split->given ? "both say how to split" : "nothing says how to split");
    }
    if (num_outputs != NULL && num_outputs->i != (int64_t)node->outputs.n) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'num_outputs' is %" PRId64 ", but there are %zu outputs",
                           num_outputs->i, node->outputs.n);
    }
    if (sizes == NULL) {
        return TOFFEE_OK;
    }
    if (n != node->outputs.n) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "input 1 (split) has %zu sizes, but there are %zu outputs", n,
                           node->outputs.n);
    }
    for (size_t i = 0; i < n; i++) {
        int64_t size = sizes[i].value;

        if (size < 0 || __builtin_add_overflow(sum, size, &sum)) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "split[%zu] is %" PRId64, i, size);
        }
    }
    dim = toffee_known_dim(input, toffee_axis_index(toffee_node_int(node, "axis", 0), rank));
    if (dim >= 0 && sum != dim) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "the sizes in split add up to %" PRId64 ", but the axis has %" PRId64,
                           sum, dim);
    }
    return TOFFEE_OK;
}
