/* csrc/caffe2/emit_shape.c -- the same elements in other shapes, orders and pieces.
 *
 * Shapes that the graph does not fix are left to Caffe2 where it takes them as a tensor. */
#include <string.h>

#include "caffe2/steps.h"

/* ---- shapes ---------------------------------------------------------------------------------- */

/* What a Reshape's output has for a shape: fills *DIMS and *RANK, with a -1 in them if need be.
 * False if it is only known when the graph runs. *ZERO_COPIES: a 0 in it means the input's size. */
static bool
reshape_wanted(toffee_c2 *c, const int64_t **dims, size_t *rank, bool *zero_copies)
{
    *zero_copies = false;
    if (toffee_c2_dims(c, toffee_c2_output(c, 0), dims)) {
        *rank = (size_t)toffee_c2_rank(toffee_c2_output(c, 0));
        return true;
    }
    *dims = toffee_c2_known_ints(c, toffee_c2_input(c, 1), rank);
    for (size_t i = 0; *dims != NULL && i < *rank; i++) {
        *zero_copies = *zero_copies || (*dims)[i] == 0;
    }
    *zero_copies = *zero_copies && toffee_c2_attr_int(c, "allowzero", 0) == 0;
    return *dims != NULL;
}

/* Reshape(x, shape) -> Reshape, with the shape as an argument or, if it is only known when the
 * graph runs, as its input. Caffe2's 0 copies, except if there are no elements. */
static toffee_code
emit_reshape(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const int64_t *dims = NULL;
    size_t rank = 0;
    bool zero_copies = false;
    bool known = reshape_wanted(c, &dims, &rank, &zero_copies);

    (void)rule;
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (known) {
        toffee_c2_reshape(c, toffee_c2_x(c, 0), dims, rank, toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    if (toffee_c2_attr_int(c, "allowzero", 0) != 0) {
        return toffee_c2_decline(c, "its shape is only known when the graph runs");
    }
    toffee_c2_op2(c, "Reshape", toffee_c2_x(c, 0), toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    toffee_c2_out_fresh(c);
    return toffee_c2_done(c);
}

static toffee_code
aten_reshape(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const int64_t *dims = NULL;
    size_t rank = 0;
    bool zero_copies = false;
    bool known = reshape_wanted(c, &dims, &rank, &zero_copies);

    (void)rule;
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (known && !zero_copies) {
        toffee_c2_view(c, toffee_c2_x(c, 0), dims, rank, toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    if (toffee_c2_attr_int(c, "allowzero", 0) == 0) {
        return toffee_c2_decline(c, "its shape is only known when the graph runs");
    }
    toffee_c2_aten2(c, "_reshape_from_tensor", toffee_c2_x(c, 0), toffee_c2_x(c, 1),
                    toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* The axis of a Flatten, which may be the rank; -1 if that is not known. */
static int64_t
flatten_axis(toffee_c2 *c)
{
    int64_t axis = toffee_c2_attr_int(c, "axis", 1);
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));

    return rank < 0 || axis < -rank || axis > rank ? -1 : axis < 0 ? axis + rank : axis;
}

static toffee_code
emit_flatten(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t axis = flatten_axis(c);

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0) {
        return toffee_c2_decline(c, "the number of axes of its input is not known");
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_int(c, "axis", axis);
    return toffee_c2_done(c);
}

/* Flatten -> aten::reshape. */
static toffee_code
aten_flatten(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int64_t axis = flatten_axis(c);
    const int64_t *dims = NULL;
    int64_t flat[2] = {0};

    (void)rule;
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0 || !toffee_c2_dims(c, toffee_c2_input(c, 0), &dims)) {
        return toffee_c2_decline(c, "the shape of its input is not known");
    }
    flat[0] = toffee_c2_product(dims, 0, (size_t)axis);
    flat[1] = toffee_c2_product(dims, (size_t)axis, (size_t)toffee_c2_rank(toffee_c2_input(c, 0)));
    toffee_c2_view(c, toffee_c2_x(c, 0), flat, 2, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* The axes of a Squeeze or Unsqueeze, ascending, into *AXES; they count among RANK. Declines if
 * they are not known. */
static toffee_code
squeeze_axes(toffee_c2 *c, int32_t rank, int64_t **axes, size_t *n)
{
    const toffee_value *value = toffee_c2_input(c, 0);
    const int64_t *known = toffee_c2_known_ints(c, toffee_c2_input(c, 1), n);
    bool *chosen = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (rank < 0) {
        return toffee_c2_decline(c, "the number of axes of its input is not known");
    }
    if (known == NULL && toffee_c2_input(c, 1) != NULL) {
        return toffee_c2_decline(c, "its axes are only known when the graph runs");
    }
    *axes = toffee_c2_numbers(c, (size_t)rank);
    chosen = toffee_arena_calloc(c->arena, (size_t)rank + 1, sizeof(*chosen));
    if (*axes == NULL || chosen == NULL) {
        return toffee_fail_nomem(c->st);
    }
    for (size_t i = 0; known != NULL && i < *n; i++) {
        int32_t axis = toffee_c2_axis(known[i], rank);

        if (axis < 0) {
            return toffee_c2_decline(c, "its axes lie outside of its input");
        }
        chosen[axis] = true;
    }
    *n = 0;
    for (int32_t i = 0; i < rank; i++) {
        if (known == NULL && toffee_c2_dim(value, i) < 0) {
            return toffee_c2_decline(c, "which of its axes have size 1 is not known");
        }
        if (chosen[i] || (known == NULL && toffee_c2_dim(value, i) == 1)) {
            (*axes)[(*n)++] = i;
        }
    }
    return c->rc;
}

/* Squeeze -> Squeeze; Unsqueeze -> ExpandDims. */
static toffee_code
emit_squeeze(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool more = rule->op[0] == 'U';
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int64_t *axes = NULL;
    size_t n = 0;

    if (more && rank >= 0) {
        (void)toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
        rank += (int32_t)n;
    }
    TOFFEE_RETURN_IF_ERROR(squeeze_axes(c, rank, &axes, &n));
    if (n == 0) {
        toffee_c2_op1(c, "Copy", toffee_c2_x(c, 0), toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_ints(c, "dims", axes, n);
    return toffee_c2_done(c);
}

/* Squeeze -> aten::squeeze from the last axis on; Unsqueeze -> aten::unsqueeze from the first. */
static toffee_code
aten_squeeze(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool more = rule->op[0] == 'U';
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int64_t *axes = NULL;
    const char *x = NULL;
    size_t n = 0;

    if (more && rank >= 0) {
        (void)toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
        rank += (int32_t)n;
    }
    TOFFEE_RETURN_IF_ERROR(squeeze_axes(c, rank, &axes, &n));
    x = toffee_c2_x(c, 0);
    for (size_t i = 0; i < n; i++) {
        int64_t axis = axes[more ? i : n - 1 - i];

        if (!more && toffee_c2_dim(toffee_c2_input(c, 0), (int32_t)axis) != 1) {
            return toffee_c2_decline(c, "an axis that it takes away is not known to be of size 1");
        }
        x = toffee_c2_aten_int(c, rule->aten_name, x, "dim", axis,
                               i + 1 == n ? toffee_c2_y(c, 0) : NULL);
    }
    if (n == 0) {
        toffee_c2_op1(c, "Copy", x, toffee_c2_y(c, 0));
    }
    return toffee_c2_done(c);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* The permutation of a Transpose; by default the axes backwards. NULL if the rank is not known. */
static const int64_t *
transpose_axes(toffee_c2 *c, size_t *n)
{
    const int64_t *perm = toffee_c2_attr_ints(c, "perm", n);
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int64_t *reversed = NULL;

    if (perm != NULL || rank < 0) {
        return perm;
    }
    *n = (size_t)rank;
    reversed = toffee_c2_numbers(c, *n);
    for (size_t i = 0; reversed != NULL && i < *n; i++) {
        reversed[i] = (int64_t)(*n - 1 - i);
    }
    return reversed;
}

static toffee_code
emit_transpose(toffee_c2 *c, const toffee_c2_rule *rule)
{
    size_t n = 0;
    const int64_t *axes = transpose_axes(c, &n);

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_NUMBERS) || axes == NULL) {
        return toffee_c2_decline(c, "Caffe2's Transpose has no kernel for this dtype");
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_ints(c, "axes", axes, n);
    return toffee_c2_done(c);
}

static toffee_code
aten_transpose(toffee_c2 *c, const toffee_c2_rule *rule)
{
    size_t n = 0;
    const int64_t *axes = transpose_axes(c, &n);

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axes == NULL) {
        return toffee_c2_decline(c, "the number of axes of its input is not known");
    }
    toffee_c2_aten_ints(c, rule->aten_name, toffee_c2_x(c, 0), "dims", axes, n, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* Concat -> Concat, which also makes the sizes of the pieces, or aten::cat. */
static toffee_code
emit_concat(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), rank);

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (axis < 0) {
        return toffee_c2_decline(c, "the number of axes of its inputs is not known");
    }
    toffee_c2_op(c, rule->caffe2_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    toffee_c2_out_fresh(c);
    toffee_c2_int(c, "axis", axis);
    return toffee_c2_done(c);
}

static toffee_code
aten_concat(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_aten(c, rule->aten_name);
    toffee_c2_in_all(c);
    toffee_c2_out_at(c, 0);
    toffee_c2_int(c, "dim", toffee_c2_attr_int(c, "axis", 0));
    return toffee_c2_done(c);
}

/* The sizes of the N pieces of a Split along AXIS; NULL if they are not known. */
static const int64_t *
split_sizes(toffee_c2 *c, int32_t axis, size_t *n)
{
    const int64_t *known = toffee_c2_known_ints(c, toffee_c2_input(c, 1), n);
    int64_t whole = toffee_c2_dim(toffee_c2_input(c, 0), axis);
    int64_t *sizes = NULL;
    int64_t each = 0;

    if (known != NULL) {
        return *n == c->node->outputs.n ? known : NULL;
    }
    *n = c->node->outputs.n;
    if (toffee_c2_input(c, 1) != NULL || whole < 0 || *n == 0) {
        return NULL;
    }
    sizes = toffee_c2_numbers(c, *n);
    each = whole / (int64_t)*n + (whole % (int64_t)*n != 0);
    for (size_t i = 0; sizes != NULL && i < *n; i++) {
        sizes[i] = whole < each ? whole : each;
        whole -= sizes[i];
    }
    return sizes;
}

/* Split -> Split, or aten::split_with_sizes. */
static toffee_code
split_by(toffee_c2 *c, bool is_aten, const char *name)
{
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 0), rank);
    const int64_t *sizes = NULL;
    size_t n = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    sizes = axis >= 0 ? split_sizes(c, axis, &n) : NULL;
    if (sizes == NULL) {
        return toffee_c2_decline(c, "the sizes of its pieces are only known when the graph runs");
    }
    toffee_c2_op(c, is_aten ? "ATen" : name);
    if (is_aten) {
        toffee_c2_string(c, "operator", name);
    }
    toffee_c2_in_at(c, 0);
    for (size_t i = 0; i < n; i++) {
        toffee_c2_out_at(c, i);
    }
    toffee_c2_int(c, is_aten ? "dim" : "axis", axis);
    toffee_c2_ints(c, is_aten ? "split_sizes" : "split", sizes, n);
    return toffee_c2_done(c);
}

static toffee_code
emit_split(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return split_by(c, false, rule->caffe2_name);
}

static toffee_code
aten_split(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return split_by(c, true, rule->aten_name);
}

/* ---- repetition ------------------------------------------------------------------------------ */

/* Expand -> Expand, whose shape is an input; it takes a size 0 in it for 1. */
static toffee_code
emit_expand(toffee_c2 *c, const toffee_c2_rule *rule)
{
    size_t n = 0;
    const int64_t *known = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
    bool plain = known != NULL;

    for (size_t i = 0; plain && i < n; i++) {
        plain = known[i] > 0;
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_NUMBERS) || !plain || n == 0) {
        return toffee_c2_decline(c, "Caffe2's Expand takes neither this dtype nor sizes of 0");
    }
    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0),
                  toffee_c2_const_ints(c, known, n, NULL, 0), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* Expand -> aten::expand; to a shape that is only known when the graph runs,
 * aten::broadcast_tensors with a tensor of that shape. */
static toffee_code
aten_expand(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const int64_t *dims = NULL;
    const char *like = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (toffee_c2_dims(c, toffee_c2_output(c, 0), &dims)) {
        toffee_c2_aten_ints(c, rule->aten_name, toffee_c2_x(c, 0), "size", dims,
                            (size_t)toffee_c2_rank(toffee_c2_output(c, 0)), toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    if (toffee_c2_dim(toffee_c2_input(c, 1), 0) == 0) {
        toffee_c2_op1(c, "Copy", toffee_c2_x(c, 0), toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    like = toffee_c2_op1(c, "ConstantFill", toffee_c2_x(c, 1), NULL);
    toffee_c2_int(c, "input_as_shape", 1);
    toffee_c2_int(c, "dtype", toffee_c2_data_type(TOFFEE_DTYPE_BOOL));
    toffee_c2_int(c, "value", 0);
    toffee_c2_aten2(c, "broadcast_tensors", toffee_c2_x(c, 0), like, toffee_c2_y(c, 0));
    toffee_c2_out_fresh(c);
    return toffee_c2_done(c);
}

/* Tile -> a Tile for each axis that is repeated. */
static toffee_code
emit_tile(toffee_c2 *c, const toffee_c2_rule *rule)
{
    uint64_t set = TOFFEE_C2_NUMBERS | TOFFEE_C2_BIT(TOFFEE_DTYPE_UINT8);
    size_t n = 0;
    const int64_t *repeats = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);
    const char *x = toffee_c2_x(c, 0);
    bool tiled = false;

    if (!toffee_c2_is(toffee_c2_input(c, 0), set) || repeats == NULL) {
        return toffee_c2_decline(c, "how often it repeats is only known when the graph runs");
    }
    for (size_t i = 0; i < n; i++) {
        if (repeats[i] != 1) {
            x = toffee_c2_op1(c, rule->caffe2_name, x, NULL);
            toffee_c2_int(c, "tiles", repeats[i]);
            toffee_c2_int(c, "axis", (int64_t)i);
            tiled = true;
        }
    }
    if (!tiled) {
        toffee_c2_op1(c, "Copy", x, toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    toffee_c2_cast(c, x, TOFFEE_DTYPE_FLOAT, TOFFEE_DTYPE_FLOAT, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static toffee_code
aten_tile(toffee_c2 *c, const toffee_c2_rule *rule)
{
    size_t n = 0;
    const int64_t *repeats = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (repeats == NULL) {
        return toffee_c2_decline(c, "how often it repeats is only known when the graph runs");
    }
    toffee_c2_aten_ints(c, rule->aten_name, toffee_c2_x(c, 0), "repeats", repeats, n,
                        toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- triangles ------------------------------------------------------------------------------- */

/* Trilu -> aten::triu or tril. */
static toffee_code
aten_trilu(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool upper = toffee_c2_attr_int(c, "upper", 1) != 0;
    size_t n = 0;
    const int64_t *k = toffee_c2_known_ints(c, toffee_c2_input(c, 1), &n);

    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    if (toffee_c2_input(c, 1) != NULL && (k == NULL || n != 1)) {
        return toffee_c2_decline(c, "its diagonal is only known when the graph runs");
    }
    toffee_c2_aten_int(c, upper ? rule->aten_name : "tril", toffee_c2_x(c, 0), "diagonal",
                       k != NULL ? k[0] : 0, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- identity -------------------------------------------------------------------------------- */

/* Identity -> Copy. */
static toffee_code
emit_identity(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static toffee_code
aten_identity(toffee_c2 *c, const toffee_c2_rule *rule)
{
    TOFFEE_RETURN_IF_ERROR(toffee_c2_check_dtypes(c));
    toffee_c2_aten1(c, rule->aten_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"Concat", emit_concat, "Concat", aten_concat, "cat"},
    {"Expand", emit_expand, "Expand", aten_expand, "expand"},
    {"Flatten", emit_flatten, "Flatten", aten_flatten, "reshape"},
    {"Identity", emit_identity, "Copy", aten_identity, "clone"},
    {"Reshape", emit_reshape, "Reshape", aten_reshape, "reshape"},
    {"Split", emit_split, "Split", aten_split, "split_with_sizes"},
    {"Squeeze", emit_squeeze, "Squeeze", aten_squeeze, "squeeze"},
    {"Tile", emit_tile, "Tile", aten_tile, "repeat"},
    {"Transpose", emit_transpose, "Transpose", aten_transpose, "permute"},
    {"Trilu", NULL, NULL, aten_trilu, "triu"},
    {"Unsqueeze", emit_squeeze, "ExpandDims", aten_squeeze, "unsqueeze"},
};

const toffee_c2_family toffee_c2_rules_shape = {rows, TOFFEE_COUNTOF(rows)};
