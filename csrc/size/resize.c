/* csrc/size/resize.c -- whether one Resize of the nearest element does what those of all sizes do.
 */
#include <stdlib.h>
#include <string.h>

#include "size/twins.h"

/* Whether axis AXIS of what comes out of Resize is all over the same multiple of what goes in, or
 * one off: SLACK is 1 where that will do. */
static bool
is_same_multiple(const toffee_unifier *u, int32_t axis, int64_t slack)
{
    int64_t times = 0;
    int64_t most = 0;

    for (size_t p = 0; p < u->n; p++) { /* as it is where there is most to see */
        int64_t in = u->nodes[p]->inputs.data[0]->type.dims[axis].value;
        int64_t out = u->nodes[p]->outputs.data[0]->type.dims[axis].value;

        if (in > most) {
            most = in;
            times = (out + in / 2) / in;
        }
    }
    for (size_t p = 0; p < u->n; p++) {
        int64_t in = u->nodes[p]->inputs.data[0]->type.dims[axis].value;
        int64_t out = u->nodes[p]->outputs.data[0]->type.dims[axis].value;

        if (out != 1 && llabs(out - times * in) > (times != 0 ? slack : 0)) {
            return false;
        }
    }
    return true;
}

toffee_code
toffee_unifier_check_resize(const toffee_unifier *u, toffee_status *st)
{
    const toffee_node *node = u->nodes[0];
    const toffee_attr *mode = toffee_node_attr(node, "mode");
    const toffee_attr *rule = toffee_node_attr(node, "nearest_mode");
    const toffee_type *type = &node->outputs.data[0]->type;
    int64_t slack = rule != NULL && rule->s.n == 5 && memcmp(rule->s.data, "floor", 5) == 0;

    if (!toffee_str_is(node->op_type, "Resize") || node->inputs.n < 4 || mode == NULL ||
        mode->s.n != 7 || memcmp(mode->s.data, "nearest", 7) != 0) {
        return TOFFEE_OK;
    }
    for (size_t p = 0; p < u->n; p++) { /* traces know their sizes */
        if (u->nodes[p]->inputs.data[0]->type.rank != type->rank) {
            return TOFFEE_OK;
        }
    }
    for (int32_t axis = 2; axis < type->rank; axis++) {
        if (!is_same_multiple(u, axis, slack)) {
            return toffee_unifier_fail(u, 0, u->n - 1, st,
                                       "which elements are the nearest ones depends on how two "
                                       "sizes are rounded: interpolate by scale_factor, or to a "
                                       "multiple of the size");
        }
    }
    return TOFFEE_OK;
}
