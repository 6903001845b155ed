/* csrc/size/attribute.c -- an attribute that moved, and the operator that does without it. */
#include "size/twins.h"

/* Whether the windows of a pool are as large as what they are on, at all points and with nothing
 * around: then it is the pool of all. */
static bool
is_whole_pool(const toffee_unifier *u)
{
    for (size_t p = 0; p < u->n; p++) {
        const toffee_node *node = u->nodes[p];
        const toffee_attr *kernel = toffee_node_attr(node, "kernel_shape");
        const toffee_attr *pads = toffee_node_attr(node, "pads");
        const toffee_type *in = &node->inputs.data[0]->type;

        if (kernel == NULL || in->rank != (int32_t)kernel->n + 2 || node->outputs.n != 1) {
            return false;
        }
        for (size_t i = 0; i < kernel->n; i++) {
            if (in->dims[i + 2].value != kernel->ints[i]) {
                return false;
            }
        }
        for (size_t i = 0; pads != NULL && i < pads->n; i++) {
            if (pads->ints[i] != 0) {
                return false;
            }
        }
    }
    return true;
}

static toffee_code
attribute_pool(toffee_unifier *u, bool *done, toffee_status *st)
{
    static const struct {
        const char *pool;
        const char *global;
    } pools[] = {{"AveragePool", "GlobalAveragePool"}, {"MaxPool", "GlobalMaxPool"}};
    toffee_node *node = u->nodes[0];

    *done = false;
    for (size_t i = 0; i < TOFFEE_COUNTOF(pools); i++) {
        if (toffee_str_is(node->op_type, pools[i].pool) && is_whole_pool(u)) {
            node->op_type = toffee_graph_intern(u->graph, pools[i].global);
            if (node->op_type == NULL) {
                return toffee_fail_nomem(st);
            }
            node->attrs.n = 0;
            *done = true;
        }
    }
    return TOFFEE_OK;
}

/* ConstantOfShape with a number that moved: the number, expanded. */
static toffee_code
attribute_fill(toffee_unifier *u, bool *done, toffee_status *st)
{
    toffee_node *node = u->nodes[0];
    toffee_value **seen = toffee_arena_calloc(u->arena, u->n, sizeof(toffee_value *));
    toffee_value *number = NULL;

    *done = false;
    if (!toffee_str_is(node->op_type, "ConstantOfShape")) {
        return TOFFEE_OK;
    }
    if (seen == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < u->n; p++) { /* a value for each, so that the rules above can look */
        const toffee_attr *attr = toffee_node_attr(u->nodes[p], "value");

        if (attr == NULL || attr->type != TOFFEE_ATTR_TENSOR || attr->t->n_elements != 1) {
            return TOFFEE_OK;
        }
        seen[p] = toffee_arena_calloc(u->arena, 1, sizeof(toffee_value));
        if (seen[p] == NULL) {
            return toffee_fail_nomem(st);
        }
        seen[p]->tensor = attr->t;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_unifier_slot(u, 0, seen, &number, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(node, node->inputs.data[0], st));
    node->inputs.data[0] = number;
    node->op_type = toffee_graph_intern(u->graph, "Expand");
    if (node->op_type == NULL) {
        return toffee_fail_nomem(st);
    }
    node->attrs.n = 0;
    *done = true;
    return TOFFEE_OK;
}

toffee_code
toffee_unifier_attribute(toffee_unifier *u, const char *name, size_t point, toffee_status *st)
{
    bool done = toffee_str_is(u->nodes[0]->op_type, "GlobalAveragePool") ||
                toffee_str_is(u->nodes[0]->op_type, "GlobalMaxPool"); /* by another attribute */

    if (!done) {
        TOFFEE_RETURN_IF_ERROR(attribute_pool(u, &done, st));
    }
    if (!done) {
        TOFFEE_RETURN_IF_ERROR(attribute_fill(u, &done, st));
    }
    if (!done) {
        return toffee_unifier_fail(u, 0, point, st,
                                   "%s has '%s' fixed in its node, and it depends on the sizes: "
                                   "there is no way to compute it in the graph",
                                   u->nodes[0]->op_type->text, name);
    }
    return TOFFEE_OK;
}

/* ---- pools whose last window hangs over ------------------------------------------------------ */

/* The padding at the end of AXIS that holds the last of the windows W of the node at hand, if the
 * axis and what comes out of it are of one size everywhere; -1: they are not, or no padding is
 * that. */
static int64_t
end_of_fixed(const toffee_unifier *u, const toffee_windows *w, int32_t axis)
{
    const toffee_expr *in = toffee_unifier_size(u, u->nodes[0]->inputs.data[0], axis);
    const toffee_expr *out = toffee_unifier_size(u, u->nodes[0]->outputs.data[0], axis);
    int64_t size = 0;
    int64_t n_windows = 0;
    int64_t end = 0;

    if (in == NULL || out == NULL || !toffee_expr_is_number(in, &size) ||
        !toffee_expr_is_number(out, &n_windows)) {
        return -1;
    }
    end = (n_windows - 1) * w->stride + w->dilation * (w->kernel - 1) + 1 - w->begin - size;
    return end < w->kernel ? end : -1;
}

toffee_code
toffee_unifier_settle_pool(toffee_unifier *u, toffee_status *st)
{
    toffee_node *node = u->nodes[0];
    const toffee_attr *kernel = toffee_node_attr(node, "kernel_shape");
    int64_t settled[2 * TOFFEE_MAX_RANK];
    bool is_settled = true;

    if (kernel == NULL || kernel->n > TOFFEE_MAX_RANK) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < kernel->n; i++) {
        toffee_windows w;
        int64_t end = -1;

        if (!toffee_unifier_windows(u, (int32_t)i + 2, &w) || !w.ceils) {
            return TOFFEE_OK;
        }
        end = end_of_fixed(u, &w, (int32_t)i + 2);
        is_settled = is_settled && end >= 0;
        settled[i] = w.begin;
        settled[kernel->n + i] = end >= 0 ? end : w.end;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_ints(node, "pads", settled, 2 * kernel->n, st));
    if (is_settled) {
        toffee_node_remove_attr(node, "ceil_mode");
    }
    return TOFFEE_OK;
}
