/* csrc/wire/upgrade_tensor.c -- shapes: reshape, transpose, slice, concatenate, pad. */
#include <string.h>

#include "wire/upgrade_rules.h"

static toffee_value *
first_input(const toffee_node *node)
{
    return node->inputs.n != 0 ? node->inputs.data[0] : NULL;
}

/* Attribute NAME, or else OTHER, as an input at AT; both are removed. *N is its length, or -1 where
 * there is neither. */
static toffee_code
ints_to_input(toffee_rewrite *rw, toffee_node *node, const char *name, const char *other, size_t at,
              int32_t *n)
{
    const int64_t *ints = NULL;
    size_t n_ints = 0;
    toffee_value *value = NULL;

    *n = -1;
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, other, &ints, &n_ints));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, name, &ints, &n_ints));
    toffee_node_remove_attr(node, name);
    toffee_node_remove_attr(node, other);
    if (ints == NULL) {
        return TOFFEE_OK;
    }
    if (n_ints > TOFFEE_MAX_RANK) {
        return toffee_rewrite_fail(rw, node,
                                   "attribute '%s' has %zu numbers; a tensor has at most "
                                   "%d axes",
                                   name, n_ints, TOFFEE_MAX_RANK);
    }
    *n = (int32_t)n_ints;
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, ints, n_ints, &value));
    return toffee_rewrite_set_input(rw, node, at, value);
}

/* Reshape(x) [shape] -> Reshape(x, shape). A shape that is an input already may be of int32. */
toffee_code
toffee_upgrade_reshape(toffee_rewrite *rw, toffee_node *node)
{
    int32_t n = -1;
    toffee_node *cast = NULL;

    TOFFEE_RETURN_IF_ERROR(ints_to_input(rw, node, "shape", "dims", 1, &n));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_cut_outputs(rw, node, 1, "the old shape"));
    if (n < 0 && (node->inputs.n < 2 || node->inputs.data[1] == NULL)) {
        return toffee_rewrite_fail(rw, node,
                                   "it has neither an attribute 'shape' nor an input for "
                                   "it");
    }
    if (n < 0 && toffee_rewrite_dtype(node->inputs.data[1]) != TOFFEE_DTYPE_INT64) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Cast", &node->inputs.data[1], 1, NULL,
                                                   &cast, &node->inputs.data[1]));
        return toffee_node_set_int(cast, "to", TOFFEE_DTYPE_INT64, rw->st);
    }
    return toffee_rewrite_set_rank(rw, node->outputs.data[0], n);
}

toffee_code
toffee_upgrade_flatten(toffee_rewrite *rw, toffee_node *node)
{
    return toffee_rewrite_set_rank(rw, node->outputs.data[0], 2);
}

/* Transpose(x) [axes | perm], or neither: all axes reversed, then as now */
toffee_code
toffee_upgrade_transpose(toffee_rewrite *rw, toffee_node *node)
{
    const int64_t *perm = NULL;
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "axes", &perm, &n));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "perm", &perm, &n));
    toffee_node_remove_attr(node, "axes");
    if (perm == NULL || n == 0) {
        toffee_node_remove_attr(node, "perm");
        return TOFFEE_OK;
    }
    return toffee_node_set_ints(node, "perm", perm, n, rw->st);
}

/* Squeeze(x) [dims | axes] -> Squeeze(x, axes?) */
toffee_code
toffee_upgrade_squeeze(toffee_rewrite *rw, toffee_node *node)
{
    int32_t rank = toffee_rewrite_rank(rw, first_input(node));
    int32_t n = -1;

    TOFFEE_RETURN_IF_ERROR(ints_to_input(rw, node, "axes", "dims", 1, &n));
    return n >= 0 && rank >= n ? toffee_rewrite_set_rank(rw, node->outputs.data[0], rank - n)
                               : TOFFEE_OK;
}

/* Unsqueeze or ExpandDims(x) [dims | axes] -> Unsqueeze(x, axes) */
toffee_code
toffee_upgrade_unsqueeze(toffee_rewrite *rw, toffee_node *node)
{
    int32_t rank = toffee_rewrite_rank(rw, first_input(node));
    int32_t n = -1;

    TOFFEE_RETURN_IF_ERROR(ints_to_input(rw, node, "axes", "dims", 1, &n));
    if (n < 0) {
        return toffee_rewrite_fail(rw, node, "it has no attribute 'axes'");
    }
    return rank >= 0 ? toffee_rewrite_set_rank(rw, node->outputs.data[0], rank + n) : TOFFEE_OK;
}

/* Concat [axis=1] */
toffee_code
toffee_upgrade_concat(toffee_rewrite *rw, toffee_node *node)
{
    int64_t axis = 1;
    int64_t add_axis = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "add_axis", &add_axis));
    toffee_node_remove_attr(node, "add_axis");
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_cut_outputs(rw, node, 1, "the sizes of what was concatenated"));
    if (add_axis != 0) {
        toffee_value *value = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, &axis, 1, &value));
        for (size_t i = 0; i < node->inputs.n; i++) {
            TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(
                rw, "Unsqueeze", (toffee_value *[]){node->inputs.data[i], value}, 2, NULL, NULL,
                &node->inputs.data[i]));
        }
    }
    return toffee_node_set_int(node, "axis", axis, rw->st);
}

/* Split(x) [axis, split] -> Split(x, split) [axis], or Split(x) [axis, num_outputs]. Without an
 * axis ToffeeIR split the first one, and Caffe2 the channels. */
toffee_code
toffee_upgrade_split(toffee_rewrite *rw, toffee_node *node)
{
    int64_t axis = rw->dialect == TOFFEE_DIALECT_EARLY ? 1 : 0;
    int32_t rank = toffee_rewrite_rank(rw, first_input(node));
    int32_t n = -1;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, "axis", &axis));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", axis, rw->st));
    TOFFEE_RETURN_IF_ERROR(ints_to_input(rw, node, "split", "split", 1, &n));
    if (n < 0 && (node->inputs.n < 2 || node->inputs.data[1] == NULL)) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_node_set_int(node, "num_outputs", (int64_t)node->outputs.n, rw->st));
    }
    for (size_t i = 1; i < node->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_rank(rw, node->outputs.data[i], rank));
    }
    return TOFFEE_OK;
}

/* One end of a slice. Caffe2 counted its negative ones from one past the end: -1 is the end itself,
 * where NumPy's -1 is the last element. */
static int64_t
slice_bound(const toffee_rewrite *rw, int64_t bound)
{
    if (rw->dialect != TOFFEE_DIALECT_EARLY || bound >= 0) {
        return bound;
    }
    return bound == -1 ? INT64_MAX : bound + 1;
}

/* Slice(x) [starts, ends, axes] -> Slice(x, starts, ends, axes) */
toffee_code
toffee_upgrade_slice(toffee_rewrite *rw, toffee_node *node)
{
    const int64_t *lists[3] = {NULL, NULL, NULL};
    static const char *const names[] = {"starts", "ends", "axes"};
    int64_t numbers[TOFFEE_MAX_RANK];
    size_t n = 0;

    for (size_t i = 0; i < TOFFEE_COUNTOF(names); i++) {
        size_t n_list = 0;

        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, names[i], &lists[i], &n_list));
        n = i == 0 ? n_list : n;
        if (n > TOFFEE_MAX_RANK || (lists[i] != NULL && n_list != n)) {
            return toffee_rewrite_fail(rw, node, "attribute '%s' has %zu numbers, but 'starts' %zu",
                                       names[i], n_list, n);
        }
    }
    if (lists[0] == NULL || lists[1] == NULL) {
        return toffee_rewrite_fail(rw, node, "it has no attributes 'starts' and 'ends'");
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(names); i++) {
        toffee_value *value = NULL;

        for (size_t k = 0; k < n; k++) {
            numbers[k] = lists[i] == NULL ? (int64_t)k
                         : i < 2          ? slice_bound(rw, lists[i][k])
                                          : lists[i][k];
        }
        toffee_node_remove_attr(node, names[i]);
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, numbers, n, &value));
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_input(rw, node, i + 1, value));
    }
    return TOFFEE_OK;
}

/* Pad(x) [paddings | pads, mode="constant", value=0] -> Pad(x, pads, value?) [mode] */
toffee_code
toffee_upgrade_pad(toffee_rewrite *rw, toffee_node *node)
{
    const int64_t *pads = NULL;
    size_t n = 0;
    double fill = 0;
    const char *mode = "constant";
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "paddings", &pads, &n));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_ints(rw, node, "pads", &pads, &n));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_float(rw, node, "value", &fill));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_string(rw, node, "mode", &mode));
    toffee_rewrite_remove_attrs(node, (const char *const[]){"paddings", "pads", "value"}, 3);
    if (pads == NULL || n % 2 != 0) {
        return toffee_rewrite_fail(rw, node,
                                   "attribute 'pads' must have two numbers an axis; it has "
                                   "%zu",
                                   n);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_ints(rw, pads, n, &value));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_input(rw, node, 1, value));
    if (strcmp(mode, "constant") == 0 && fill != 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_scalar(rw, fill, first_input(node), &value));
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_input(rw, node, 2, value));
    }
    return toffee_rewrite_set_rank(rw, first_input(node), (int32_t)(n / 2));
}

/* Tile(x) [tiles, axis] or Tile(x, tiles, axis) with constants -> Concat(x, x, …) [axis], which
 * needs no rank */
toffee_code
toffee_upgrade_tile(toffee_rewrite *rw, toffee_node *node)
{
    enum { MOST = 1024 };
    static const char *const names[] = {"tiles", "axis"};
    int64_t numbers[2] = {-1, 0};
    toffee_value *x = first_input(node);

    for (size_t i = 0; i < TOFFEE_COUNTOF(names); i++) {
        double number = 0;
        bool found = false;

        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_get_int(rw, node, names[i], &numbers[i]));
        toffee_node_remove_attr(node, names[i]);
        if (node->inputs.n > i + 1) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_rewrite_read_scalar(rw, node->inputs.data[i + 1], &found, &number));
            numbers[i] = found ? toffee_rewrite_whole(number) : -1;
        }
    }
    if (numbers[0] < 1 || numbers[0] > MOST) {
        return toffee_rewrite_fail(rw, node, "its number of tiles must be a constant from 1 to %d",
                                   MOST);
    }
    node->inputs.n = 1;
    for (int64_t i = 1; i < numbers[0]; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(node, x, rw->st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_rename(rw, node, "Concat"));
    return toffee_node_set_int(node, "axis", numbers[1], rw->st);
}
