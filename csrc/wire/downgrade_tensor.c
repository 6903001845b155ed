/* csrc/wire/downgrade_tensor.c -- shapes: reshape, squeeze, slice, split, pad. */
#include <string.h>

#include "wire/downgrade_rules.h"

static toffee_value *
first_input(const toffee_node *node)
{
    return node->inputs.n != 0 ? node->inputs.data[0] : NULL;
}

toffee_code
toffee_downgrade_constant(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_attr *attr = toffee_node_attr(node, "value");

    if (attr == NULL || attr->type != TOFFEE_ATTR_TENSOR || attr->t == NULL) {
        return toffee_rewrite_fail(rw, node,
                                   "it does not have its value as a tensor, which is all that 2017 "
                                   "had");
    }
    return toffee_rewrite_set_rank(rw, node->outputs.data[0], attr->t->rank);
}

/* Reshape(x, shape) -> Reshape(x) [shape] */
toffee_code
toffee_downgrade_reshape(toffee_rewrite *rw, toffee_node *node)
{
    const int64_t *shape = NULL;
    size_t n = 0;
    bool has_zero = false;

    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_take_ints(rw, node, 1, "shape", &shape, &n));
    for (size_t i = 0; i < n; i++) {
        has_zero = has_zero || shape[i] == 0;
    }
    if (!has_zero) {
        toffee_node_remove_attr(node, "allowzero");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "allowzero", 0));
    if (shape == NULL) {
        return toffee_rewrite_fail(rw, node, "it has no input 'shape'");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "shape", shape, n, rw->st));
    return n <= TOFFEE_MAX_RANK ? toffee_rewrite_set_rank(rw, node->outputs.data[0], (int32_t)n)
                                : TOFFEE_OK;
}

typedef struct {
    const char *op_type;
    int64_t axis; /* when the attribute is not there */
} axis_default;

static const axis_default axis_defaults[] = {{"Concat", 1}, {"Flatten", 1}, {"Gather", 0}};

toffee_code
toffee_downgrade_axis(toffee_rewrite *rw, toffee_node *node)
{
    int64_t axis = 0;

    for (size_t i = 0; i < TOFFEE_COUNTOF(axis_defaults); i++) {
        if (toffee_str_is(node->op_type, axis_defaults[i].op_type)) {
            axis = axis_defaults[i].axis;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_axis_of(rw, node, first_input(node), &axis));
    if (toffee_str_is(node->op_type, "Flatten")) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->outputs.data[0], 2));
    }
    return toffee_node_set_int(node, "axis", axis, rw->st);
}

/* Squeeze(x, axes?) -> Squeeze(x) [axes], which had to be said */
toffee_code
toffee_downgrade_squeeze(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_value *x = first_input(node);
    int32_t rank = toffee_rewrite_rank(rw, x);
    const int64_t *axes = NULL;
    int64_t resolved[TOFFEE_MAX_RANK];
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_take_ints(rw, node, 1, "axes", &axes, &n));
    if (n > TOFFEE_MAX_RANK || rank > TOFFEE_MAX_RANK) {
        return toffee_rewrite_fail(rw, node, "it has more than %d axes", TOFFEE_MAX_RANK);
    }
    for (size_t i = 0; i < n; i++) {
        resolved[i] = axes[i];
        TOFFEE_RETURN_IF_ERROR(toffee_downgrade_axis_of(rw, node, x, &resolved[i]));
    }
    for (int32_t i = 0; axes == NULL && (i < rank || rank < 0); i++) {
        int64_t dim = rank < 0 ? -1 : toffee_rewrite_dim(rw, x, i);

        if (dim < 0) {
            return toffee_rewrite_fail(rw, node,
                                       "it squeezes all axes of one, and the shape of its input is "
                                       "not known; 2017 had to be told the axes");
        }
        if (dim == 1) {
            resolved[n++] = i;
        }
    }
    if (n == 0) {
        return toffee_rewrite_rename(rw, node, "Identity");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->outputs.data[0], rank - (int32_t)n));
    return toffee_node_set_ints(node, "axes", resolved, n, rw->st);
}

/* Unsqueeze(x, axes) -> Unsqueeze(x) [axes] */
toffee_code
toffee_downgrade_unsqueeze(toffee_rewrite *rw, toffee_node *node)
{
    int32_t rank = toffee_rewrite_rank(rw, first_input(node));
    const int64_t *axes = NULL;
    int64_t resolved[TOFFEE_MAX_RANK];
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_take_ints(rw, node, 1, "axes", &axes, &n));
    if (axes == NULL || n > TOFFEE_MAX_RANK) {
        return toffee_rewrite_fail(rw, node, "it has no input 'axes', or too many axes");
    }
    for (size_t i = 0; i < n; i++) {
        resolved[i] = axes[i];
        if (axes[i] < 0 && rank < 0) { /* they count in the output */
            return toffee_rewrite_fail(rw, node,
                                       "its axis %lld counts from the end, which 2017 did not, and "
                                       "the rank of its input is not known",
                                       (long long)axes[i]);
        }
        resolved[i] += axes[i] < 0 ? rank + (int32_t)n : 0;
    }
    if (rank >= 0) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_rewrite_set_rank(rw, node->outputs.data[0], rank + (int32_t)n));
    }
    return toffee_node_set_ints(node, "axes", resolved, n, rw->st);
}

/* Split(x, split?) [axis, num_outputs] -> Split(x) [axis, split]. num_outputs rounds the size of a
 * part up and leaves the last one what remains. */
toffee_code
toffee_downgrade_split(toffee_rewrite *rw, toffee_node *node)
{
    const toffee_value *x = first_input(node);
    const int64_t *split = NULL;
    int64_t *sizes = NULL;
    size_t n = 0;
    int64_t axis = 0;
    int64_t dim = -1;
    int64_t parts = (int64_t)node->outputs.n;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_axis_of(rw, node, x, &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_take_ints(rw, node, 1, "split", &split, &n));
    toffee_node_remove_attr(node, "num_outputs");
    if (split != NULL) {
        return toffee_node_set_ints(node, "split", split, n, rw->st);
    }
    dim = x != NULL && axis <= INT32_MAX ? toffee_rewrite_dim(rw, x, (int32_t)axis) : -1;
    if (dim < 0) {
        return toffee_rewrite_fail(
            rw, node,
            "it gives no sizes, and that of its input is not known along axis "
            "%lld; infer shapes first",
            (long long)axis);
    }
    sizes = toffee_arena_calloc(rw->graph->arena, node->outputs.n, sizeof(*sizes));
    if (sizes == NULL) {
        return toffee_fail_nomem(rw->st);
    }
    for (int64_t i = 0; i < parts; i++) {
        int64_t size = dim / parts + (dim % parts != 0);
        int64_t rest = dim - i * size;

        sizes[i] = rest < 0 ? 0 : rest < size ? rest : size;
    }
    return toffee_node_set_ints(node, "split", sizes, node->outputs.n, rw->st);
}

/* Slice(x, starts, ends, axes?, steps?) -> Slice(x) [axes, ends, starts] */
toffee_code
toffee_downgrade_slice(toffee_rewrite *rw, toffee_node *node)
{
    static const char *const names[] = {"starts", "ends", "axes", "steps"};
    const toffee_value *x = first_input(node);
    const int64_t *lists[4];
    int64_t axes[TOFFEE_MAX_RANK];
    size_t n[4];

    for (size_t i = TOFFEE_COUNTOF(names); i-- > 0;) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_downgrade_take_ints(rw, node, i + 1, names[i], &lists[i], &n[i]));
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(names); i++) {
        if (i < 2 ? lists[i] == NULL || n[i] != n[0] || n[i] > TOFFEE_MAX_RANK
                  : lists[i] != NULL && n[i] != n[0]) {
            return toffee_rewrite_fail(rw, node, "its inputs 'starts' and '%s' do not match",
                                       names[i]);
        }
    }
    for (size_t i = 0; i < n[0]; i++) {
        if (lists[3] != NULL && lists[3][i] != 1) {
            return toffee_rewrite_fail(rw, node, "it takes steps of %lld; 2017 had only 1",
                                       (long long)lists[3][i]);
        }
        axes[i] = lists[2] != NULL ? lists[2][i] : (int64_t)i;
        TOFFEE_RETURN_IF_ERROR(toffee_downgrade_axis_of(rw, node, x, &axes[i]));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "axes", axes, n[0], rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "ends", lists[1], n[0], rw->st));
    return toffee_node_set_ints(node, "starts", lists[0], n[0], rw->st);
}

/* Pad(x, pads, value?) [mode] -> Pad(x) [mode, paddings, value] */
toffee_code
toffee_downgrade_pad(toffee_rewrite *rw, toffee_node *node)
{
    const char *mode = "constant";
    const int64_t *pads = NULL;
    size_t n = 0;
    double value = 0;
    bool found = false;

    if (node->inputs.n > 3) {
        return toffee_rewrite_fail(rw, node, "it pads chosen axes; 2017 padded all");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_string(rw, node, "mode", &mode));
    if (strcmp(mode, "wrap") == 0) {
        return toffee_rewrite_fail(rw, node, "its mode is 'wrap', which 2017 did not have");
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_downgrade_take_scalar(rw, node, 2, "constant_value", &value, &found));
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_take_ints(rw, node, 1, "pads", &pads, &n));
    if (pads == NULL) {
        return toffee_rewrite_fail(rw, node, "it has no input 'pads'");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "paddings", pads, n, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "mode", mode, rw->st));
    return toffee_node_set_float(node, "value", value, rw->st);
}

toffee_code
toffee_downgrade_depth_to_space(toffee_rewrite *rw, toffee_node *node)
{
    const char *mode = "DCR";

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_string(rw, node, "mode", &mode));
    if (strcmp(mode, "DCR") != 0) {
        return toffee_rewrite_fail(rw, node, "its mode is '%s'; 2017 had only DCR", mode);
    }
    toffee_node_remove_attr(node, "mode");
    return TOFFEE_OK;
}

toffee_code
toffee_downgrade_shape(toffee_rewrite *rw, toffee_node *node)
{
    TOFFEE_RETURN_IF_ERROR(toffee_downgrade_expect(rw, node, "start", 0));
    if (toffee_node_attr(node, "end") != NULL) {
        return toffee_rewrite_fail(rw, node, "it has an attribute 'end', which 2017 did not have");
    }
    return TOFFEE_OK;
}
