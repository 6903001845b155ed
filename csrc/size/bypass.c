/* csrc/size/bypass.c -- nodes that do nothing at any size. */
#include "size/twins.h"

/* Whether VALUE is a constant whose elements are all NUMBER. */
static bool
is_all(const toffee_value *value, int64_t number)
{
    const toffee_tensor *tensor = value != NULL ? value->tensor : NULL;

    if (tensor == NULL || tensor->data == NULL || tensor->dtype != TOFFEE_DTYPE_INT64) {
        return false;
    }
    for (uint64_t i = 0; i < tensor->n_elements; i++) {
        if (toffee_element_int(tensor->dtype, tensor->data, i) != number) {
            return false;
        }
    }
    return true;
}

/* Whether the ends of the Slice at hand are those of what it is of: past any, or fixed sizes. */
static bool
is_to_the_end(const toffee_unifier *u)
{
    const toffee_node *node = u->nodes[0];
    const toffee_tensor *ends = node->inputs.data[2]->tensor;
    const toffee_tensor *axes =
        node->inputs.n > 3 && node->inputs.data[3] != NULL ? node->inputs.data[3]->tensor : NULL;

    if (is_all(node->inputs.data[2], INT64_MAX)) {
        return true;
    }
    if (ends == NULL || axes == NULL || ends->data == NULL || axes->data == NULL ||
        ends->dtype != TOFFEE_DTYPE_INT64 || axes->dtype != TOFFEE_DTYPE_INT64 ||
        ends->n_elements != axes->n_elements) {
        return false;
    }
    for (uint64_t i = 0; i < ends->n_elements; i++) {
        int64_t axis = toffee_element_int(axes->dtype, axes->data, i);
        const toffee_expr *size = toffee_unifier_size(u, node->inputs.data[0], (int32_t)axis);
        int64_t end = toffee_element_int(ends->dtype, ends->data, i);
        int64_t number = 0;

        if (end != INT64_MAX &&
            (size == NULL || !toffee_expr_is_number(size, &number) || end < number)) {
            return false;
        }
    }
    return true;
}

/* Whether what comes out of the Expand at hand has the sizes of what goes in. */
static bool
is_as_large(const toffee_unifier *u)
{
    const toffee_twin *in = toffee_unifier_twin(u, u->nodes[0]->inputs.data[0]);
    const toffee_twin *out = toffee_unifier_twin(u, u->nodes[0]->outputs.data[0]);
    bool same = in != NULL && out != NULL && in->rank == out->rank && in->rank >= 0;

    for (int32_t axis = 0; same && axis < in->rank; axis++) {
        same = in->sizes[axis] == out->sizes[axis];
    }
    return same;
}

toffee_code
toffee_unifier_bypass(toffee_unifier *u, bool *done, toffee_status *st)
{
    const toffee_node *node = u->nodes[0];
    toffee_value *out = node->outputs.data[0];
    bool is_slice = toffee_str_is(node->op_type, "Slice") && node->inputs.n >= 3 &&
                    is_all(node->inputs.data[1], 0) && is_to_the_end(u) &&
                    (node->inputs.n <= 4 || is_all(node->inputs.data[4], 1));
    bool is_pad = toffee_str_is(node->op_type, "Pad") && node->inputs.n >= 2 &&
                  is_all(node->inputs.data[1], 0);
    bool is_expand = toffee_str_is(node->op_type, "Expand") && is_as_large(u);

    *done = false;
    if (!is_slice && !is_pad && !is_expand) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < u->graph->outputs.n; i++) {
        if (u->graph->outputs.data[i] == out) {
            return TOFFEE_OK;
        }
    }
    *done = true;
    return toffee_ptrmap_set(u->arena, &u->instead, out, node->inputs.data[0])
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}
