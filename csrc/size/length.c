/* csrc/size/length.c -- the sizes that operators make of sizes, where these follow from the node.
 *
 * What Python computed has to be fitted; what an operator then makes of it need not be. */
#include "size/twins.h"

#include <string.h>

/* *OUT is the size of AXIS of what comes out of the node at hand, or NULL: that is not known. */
typedef toffee_code length_rule(toffee_unifier *u, int32_t axis, const toffee_expr **out,
                                toffee_status *st);

/* Element I of input INDEX of the node at hand, at all sizes; NULL: the graph computes it. */
static toffee_code
item(toffee_unifier *u, size_t index, size_t i, const toffee_expr **out, toffee_status *st)
{
    int64_t number = 0;

    *out = NULL;
    if (index < TOFFEE_UNIFY_MAX_SLOTS && u->slots[index] != NULL) {
        *out = i < u->n_slots[index] ? u->slots[index][i] : NULL;
        return TOFFEE_OK;
    }
    return toffee_unifier_constant(u, index, i, &number)
               ? toffee_expr_number(u->pool, number, out, st)
               : TOFFEE_OK;
}

/* Where input INDEX, which lists axes of a tensor of RANK, has AXIS; without the input axes are in
 * order. -1: nowhere, or that is not known. */
static int64_t
place_of(const toffee_unifier *u, size_t index, int32_t axis, int32_t rank)
{
    const toffee_node *node = u->nodes[0];
    const toffee_value *value = index < node->inputs.n ? node->inputs.data[index] : NULL;

    if (value == NULL) {
        return axis;
    }
    if (value->tensor == NULL || value->tensor->data == NULL) {
        return -1;
    }
    for (uint64_t i = 0; i < value->tensor->n_elements; i++) {
        int64_t at = toffee_element_int(value->tensor->dtype, value->tensor->data, i);

        if (at == axis || at + rank == axis) {
            return (int64_t)i;
        }
    }
    return -1;
}

/* ---- windows -------------------------------------------------------------------------------- */

/* floor or, if CEILS, ceil((size + more) / stride) + plus. */
static toffee_code
count(toffee_unifier *u, const toffee_expr *size, int64_t more, int64_t stride, bool ceils,
      int64_t plus, const toffee_expr **out, toffee_status *st)
{
    const toffee_expr *one = NULL;
    const toffee_expr *by = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, 1, &one, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, stride, &by, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_expr_add(u->pool, size, more + (ceils ? stride - 1 : 0), one, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(u->pool, *out, by, out, st));
    return toffee_expr_add(u->pool, *out, plus, one, out, st);
}

bool
toffee_unifier_windows(const toffee_unifier *u, int32_t axis, toffee_windows *out)
{
    const toffee_node *node = u->nodes[0];
    const toffee_attr *kernel = toffee_node_attr(node, "kernel_shape");
    const toffee_attr *strides = toffee_node_attr(node, "strides");
    const toffee_attr *dilations = toffee_node_attr(node, "dilations");
    const toffee_attr *pads = toffee_node_attr(node, "pads");
    const toffee_attr *ceil_mode = toffee_node_attr(node, "ceil_mode");
    size_t at = (size_t)axis - 2;

    if (axis < 2 || kernel == NULL || at >= kernel->n ||
        toffee_node_attr(node, "auto_pad") != NULL ||
        (strides != NULL && strides->n != kernel->n) ||
        (dilations != NULL && dilations->n != kernel->n) ||
        (pads != NULL && pads->n != 2 * kernel->n)) {
        return false;
    }
    *out = (toffee_windows){
        .kernel = kernel->ints[at],
        .stride = strides != NULL ? strides->ints[at] : 1,
        .dilation = dilations != NULL ? dilations->ints[at] : 1,
        .begin = pads != NULL ? pads->ints[at] : 0,
        .end = pads != NULL ? pads->ints[kernel->n + at] : 0,
        .ceils = ceil_mode != NULL && ceil_mode->i != 0,
    };
    return out->stride > 0;
}

/* With ceil_mode a last window may hang over, but not begin behind what is there and the padding
 * before it. */
static toffee_code
length_of_windows(toffee_unifier *u, int32_t axis, const toffee_expr **out, toffee_status *st)
{
    const toffee_expr *size = toffee_unifier_size(u, u->nodes[0]->inputs.data[0], axis);
    const toffee_expr *begun = NULL;
    toffee_windows w;
    int64_t more = 0; /* padding, less a window */

    *out = NULL;
    if (!toffee_unifier_windows(u, axis, &w)) {
        return TOFFEE_OK;
    }
    more = w.begin + w.end - w.dilation * (w.kernel - 1) - 1;
    TOFFEE_RETURN_IF_ERROR(count(u, size, more, w.stride, w.ceils, 1, out, st));
    if (w.ceils) {
        TOFFEE_RETURN_IF_ERROR(count(u, size, w.begin, w.stride, true, 0, &begun, st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_min(u->pool, *out, begun, out, st));
    }
    return TOFFEE_OK;
}

/* ---- Slice ---------------------------------------------------------------------------------- */

/* *OUT is the element of an axis of SIZE that NUMBER says, which counts from the end where it is
 * negative, or the nearest end of the axis; NULL: its sign is not the same at all sizes. */
static toffee_code
element(toffee_unifier *u, const toffee_expr *number, const toffee_expr *size,
        const toffee_expr **out, toffee_status *st)
{
    toffee_sign sign = number != NULL ? toffee_fit_sign(u->pool, number) : TOFFEE_SIGN_ANY;
    const toffee_expr *zero = NULL;
    const toffee_expr *far = NULL;
    int64_t last = 0;

    *out = NULL;
    if (number != NULL && toffee_expr_is_number(number, &last) && last > INT32_MAX) {
        *out = size;
        return TOFFEE_OK;
    }
    if (sign == TOFFEE_SIGN_NOT_NEGATIVE) {
        return toffee_expr_min(u->pool, number, size, out, st);
    }
    if (sign == TOFFEE_SIGN_ANY) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, 0, &zero, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(u->pool, size, 1, number, out, st));
    if (sign == TOFFEE_SIGN_NOT_POSITIVE) { /* 0 is the first element: 0 times the size */
        TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(u->pool, number, size, &far, st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(u->pool, zero, -1, far, &far, st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_min(u->pool, *out, far, out, st));
    }
    return toffee_expr_max(u->pool, *out, zero, out, st);
}

/* Of starts, ends, axes and steps. */
static toffee_code
length_of_slice(toffee_unifier *u, int32_t axis, const toffee_expr **out, toffee_status *st)
{
    const toffee_value *data = u->nodes[0]->inputs.data[0];
    const toffee_expr *size = toffee_unifier_size(u, data, axis);
    int64_t at = place_of(u, 3, axis, data->type.rank);
    bool has_steps = u->nodes[0]->inputs.n > 4 && u->nodes[0]->inputs.data[4] != NULL;
    const toffee_expr *first = NULL;
    const toffee_expr *end = NULL;
    const toffee_expr *step = NULL;
    const toffee_expr *number = NULL;
    int64_t by = 1;

    *out = NULL;
    if (size == NULL || at < 0) {
        return TOFFEE_OK;
    }
    if (has_steps) {
        TOFFEE_RETURN_IF_ERROR(item(u, 4, (size_t)at, &step, st));
        if (step == NULL || !toffee_expr_is_number(step, &by) || by < 1) {
            return TOFFEE_OK;
        }
    }
    TOFFEE_RETURN_IF_ERROR(item(u, 1, (size_t)at, &first, st));
    TOFFEE_RETURN_IF_ERROR(item(u, 2, (size_t)at, &end, st));
    TOFFEE_RETURN_IF_ERROR(element(u, first, size, &first, st));
    TOFFEE_RETURN_IF_ERROR(element(u, end, size, &end, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(u->pool, end, -1, first, out, st));
    if (by != 1) { /* rounded up */
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, 1, &number, st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(u->pool, *out, by - 1, number, out, st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(u->pool, *out, step, out, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, 0, &number, st));
    return toffee_expr_max(u->pool, *out, number, out, st);
}

/* ---- Pad, Concat ---------------------------------------------------------------------------- */

static toffee_code
length_of_pad(toffee_unifier *u, int32_t axis, const toffee_expr **out, toffee_status *st)
{
    const toffee_node *node = u->nodes[0];
    const toffee_value *data = node->inputs.data[0];
    bool has_axes = node->inputs.n > 3 && node->inputs.data[3] != NULL;
    int64_t at = place_of(u, 3, axis, data->type.rank);
    size_t n = 0;
    const toffee_expr *begin = NULL;
    const toffee_expr *end = NULL;

    *out = NULL;
    if (at < 0 || (has_axes && node->inputs.data[3]->tensor == NULL)) {
        return TOFFEE_OK;
    }
    n = has_axes ? (size_t)node->inputs.data[3]->tensor->n_elements : (size_t)data->type.rank;
    TOFFEE_RETURN_IF_ERROR(item(u, 1, (size_t)at, &begin, st));
    TOFFEE_RETURN_IF_ERROR(item(u, 1, n + (size_t)at, &end, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_expr_add(u->pool, toffee_unifier_size(u, data, axis), 1, begin, out, st));
    return toffee_expr_add(u->pool, *out, 1, end, out, st);
}

static toffee_code
length_of_concat(toffee_unifier *u, int32_t axis, const toffee_expr **out, toffee_status *st)
{
    const toffee_node *node = u->nodes[0];
    const toffee_attr *attr = toffee_node_attr(node, "axis");
    int32_t rank = node->outputs.data[0]->type.rank;

    *out = NULL;
    if (attr == NULL || (attr->i != axis && attr->i + rank != axis)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, 0, out, st));
    for (size_t i = 0; i < node->inputs.n; i++) {
        const toffee_value *part = node->inputs.data[i];
        const toffee_expr *size = toffee_unifier_size(u, part, axis);

        if (size == NULL && part != NULL && part->tensor != NULL && axis < part->tensor->rank) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_number(u->pool, part->tensor->dims[axis], &size, st));
        }
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(u->pool, *out, 1, size, out, st));
    }
    return TOFFEE_OK;
}

/* ---- the table ------------------------------------------------------------------------------ */

static const struct {
    const char *op_type;
    length_rule *rule;
    bool is_simple; /* as people would write it */
} rules[] = {
    {"AveragePool", length_of_windows, true}, {"Concat", length_of_concat, false},
    {"Conv", length_of_windows, true},        {"LpPool", length_of_windows, true},
    {"MaxPool", length_of_windows, true},     {"Pad", length_of_pad, false},
    {"Slice", length_of_slice, false},
};

toffee_code
toffee_unifier_length(toffee_unifier *u, int32_t axis, const int64_t *samples, bool *is_simple,
                      const toffee_expr **out, toffee_status *st)
{
    const toffee_node *node = u->nodes != NULL ? u->nodes[0] : NULL;
    toffee_windows w;

    *out = NULL;
    *is_simple = false;
    if (node == NULL || node->inputs.n == 0 || node->inputs.data[0] == NULL) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(rules); i++) {
        if (toffee_str_is(node->op_type, rules[i].op_type)) {
            TOFFEE_RETURN_IF_ERROR(rules[i].rule(u, axis, out, st));
            *is_simple = rules[i].is_simple && !(toffee_unifier_windows(u, axis, &w) && w.ceils);
        }
    }
    if (*out != NULL && memcmp((*out)->samples, samples, u->n * sizeof(*samples)) != 0) {
        *out = NULL;
    }
    return TOFFEE_OK;
}
