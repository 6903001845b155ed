/* csrc/wire/downgrade_math.c -- arithmetic and reductions. */
#include <string.h>

#include "wire/downgrade_rules.h"

toffee_code
toffee_downgrade_fit(toffee_rewrite *rw, const toffee_value *big, toffee_value *small, bool *fits,
                     int64_t *axis, toffee_value **out)
{
    int32_t rank = toffee_rewrite_rank(rw, small);
    int32_t offset = toffee_rewrite_rank(rw, big) - rank;
    int32_t low = 0;
    int32_t high = rank;
    int64_t ones[TOFFEE_MAX_RANK];
    size_t n_ones = 0;
    toffee_node *squeeze = NULL;

    *fits = rank == 0;
    *axis = -1;
    *out = small;
    if (rank <= 0 || rank > TOFFEE_MAX_RANK || offset < 0) {
        return TOFFEE_OK;
    }
    while (high > 0 && toffee_rewrite_dim(rw, small, high - 1) == 1) {
        ones[n_ones++] = --high;
    }
    while (low < high && toffee_rewrite_dim(rw, small, low) == 1) {
        ones[n_ones++] = low++;
    }
    for (int32_t i = low; i < high; i++) {
        if (!toffee_rewrite_same_dim(rw, small, i, big, i + offset)) {
            return TOFFEE_OK;
        }
    }
    *fits = true;
    *axis = low < high ? low + offset : -1;
    if (n_ones == 0 || rank == 1) {
        return TOFFEE_OK; /* one number may have the shape (1,) */
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Squeeze", &small, 1, NULL, &squeeze, out));
    for (size_t i = 0; i < n_ones / 2; i++) { /* the first ones were found from the end */
        int64_t swapped = ones[i];

        ones[i] = ones[n_ones - 1 - i];
        ones[n_ones - 1 - i] = swapped;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, *out, high - low));
    return toffee_node_set_ints(squeeze, "axes", ones, n_ones, rw->st);
}

static bool
is_commutative(const toffee_node *node)
{
    static const char *const names[] = {"Add", "And", "Equal", "Mul", "Or", "Xor"};

    for (size_t i = 0; i < TOFFEE_COUNTOF(names); i++) {
        if (toffee_str_is(node->op_type, names[i])) {
            return true;
        }
    }
    return false;
}

/* Add, Sub, …(a, b): as they are if the shapes are equal; else with broadcast=1 and axis, b without
 * its axes of one. */
toffee_code
toffee_downgrade_arithmetic(toffee_rewrite *rw, toffee_node *node)
{
    toffee_value *a = node->inputs.n == 2 ? node->inputs.data[0] : NULL;
    toffee_value *b = node->inputs.n == 2 ? node->inputs.data[1] : NULL;
    bool fits = false;
    int64_t axis = -1;

    if (a == NULL || b == NULL) {
        return toffee_rewrite_fail(rw, node, "it needs two inputs");
    }
    if (toffee_rewrite_same_shape(rw, a, b)) {
        return toffee_rewrite_set_shape(rw, node->outputs.data[0], a);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_fit(rw, a, b, &fits, &axis, &node->inputs.data[1]));
    if (!fits && is_commutative(node)) {
        TOFFEE_RETURN_IF_ERROR(toffee_downgrade_fit(rw, b, a, &fits, &axis, &node->inputs.data[1]));
        node->inputs.data[0] = fits ? b : a;
    }
    if (!fits) {
        return toffee_rewrite_fail(rw, node,
                                   "the shapes of '%s' and '%s' are not known to be equal, or such "
                                   "that the second lies inside the first, which is all that 2017 "
                                   "could broadcast; infer shapes first, or expand one of them",
                                   toffee_str_text(a->name), toffee_str_text(b->name));
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_set_shape(rw, node->outputs.data[0], node->inputs.data[0]));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "broadcast", 1, rw->st));
    return axis >= 0 ? toffee_node_set_int(node, "axis", axis, rw->st) : TOFFEE_OK;
}

toffee_code
toffee_downgrade_variadic(toffee_rewrite *rw, toffee_node *node)
{
    for (size_t i = 1; i < node->inputs.n; i++) {
        if (node->inputs.data[0] == NULL || node->inputs.data[i] == NULL ||
            !toffee_rewrite_same_shape(rw, node->inputs.data[0], node->inputs.data[i])) {
            return toffee_rewrite_fail(
                rw, node,
                "inputs 0 and %zu are not known to have the same shape, which "
                "2017 required; infer shapes first, or expand one of them",
                i);
        }
    }
    return TOFFEE_OK;
}

/* Clip(x, min?, max?) -> Clip(x) [min, max] */
toffee_code
toffee_downgrade_clip(toffee_rewrite *rw, toffee_node *node)
{
    static const char *const names[] = {"min", "max"};

    for (size_t i = TOFFEE_COUNTOF(names); i-- > 0;) {
        double bound = 0;
        bool found = false;

        TOFFEE_RETURN_IF_ERROR(
            toffee_downgrade_take_scalar(rw, node, i + 1, names[i], &bound, &found));
        if (found) {
            TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, names[i], bound, rw->st));
        }
    }
    return TOFFEE_OK;
}

/* Selu: the defaults have more digits today. */
toffee_code
toffee_downgrade_selu(toffee_rewrite *rw, toffee_node *node)
{
    double alpha = 1.67326319217681884765625;
    double gamma = 1.05070102214813232421875;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "alpha", &alpha));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "gamma", &gamma));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_float(node, "alpha", alpha, rw->st));
    return toffee_node_set_float(node, "gamma", gamma, rw->st);
}

/* Cast [to=7] -> Cast [to="INT64"] */
toffee_code
toffee_downgrade_cast(toffee_rewrite *rw, toffee_node *node)
{
    int64_t to = TOFFEE_DTYPE_UNDEFINED;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "to", &to));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "saturate", 1));
    if (!toffee_dtype_known(to) || to > TOFFEE_DTYPE_FLOAT16) {
        return toffee_rewrite_fail(rw, node, "it casts to %s, which 2017 did not have",
                                   toffee_dtype_get((toffee_dtype)to)->name);
    }
    return toffee_node_set_string(node, "to", toffee_dtype_get((toffee_dtype)to)->name, rw->st);
}

/* Reduce…(x, axes?) [keepdims, noop_with_empty_axes] -> Reduce…(x) [axes, keepdims] */
toffee_code
toffee_downgrade_reduce(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_value *x = node->inputs.n != 0 ? node->inputs.data[0] : NULL;
    const int64_t *axes = NULL;
    int64_t resolved[TOFFEE_MAX_RANK];
    int64_t keepdims = 1;
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_take_ints(rw, node, 1, "axes", &axes, &n));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "keepdims", &keepdims));
    if (n != 0) {
        toffee_node_remove_attr(node, "noop_with_empty_axes");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "noop_with_empty_axes", 0));
    for (size_t i = 0; i < n && i < TOFFEE_MAX_RANK; i++) {
        resolved[i] = axes[i];
        TOFFEE_RETURN_IF_ERROR(toffee_downgrade_axis_of(rw, node, x, &resolved[i]));
    }
    if (n != 0 && n <= TOFFEE_MAX_RANK) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "axes", resolved, n, rw->st));
    }
    return toffee_node_set_int(node, "keepdims", keepdims, rw->st);
}

toffee_code
toffee_downgrade_arg_reduce(toffee_rewrite *rw, toffee_node *node)
{
    int64_t axis = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "select_last_index", 0));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_axis_of(
        rw, node, node->inputs.n != 0 ? node->inputs.data[0] : NULL, &axis));
    return toffee_node_set_int(node, "axis", axis, rw->st);
}

/* TopK(x, k) [axis, largest, sorted] -> TopK(x) [axis, k] */
toffee_code
toffee_downgrade_topk(toffee_rewrite *rw, toffee_node *node)
{
    const int64_t *k = NULL;
    size_t n = 0;
    int64_t axis = -1;

    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_take_ints(rw, node, 1, "k", &k, &n));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "largest", 1));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "sorted", 1));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_axis_of(
        rw, node, node->inputs.n != 0 ? node->inputs.data[0] : NULL, &axis));
    if (n != 1) {
        return toffee_rewrite_fail(rw, node, "its input 1 (k) must be one number");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "k", k[0], rw->st));
    return toffee_node_set_int(node, "axis", axis, rw->st);
}
