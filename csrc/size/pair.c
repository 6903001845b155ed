/* csrc/size/pair.c -- the same value in all traces, and its sizes as expressions. */
#include "size/twins.h"

#include <string.h>

/* What a convolution or a pool makes of a size: exact where fitting has to guess. *OUT is NULL for
 * other nodes and axes. */
static toffee_code
size_by_window(toffee_unifier *u, int32_t axis, const toffee_expr **out, toffee_status *st)
{
    static const char *const windows[] = {"AveragePool", "Conv", "LpPool", "MaxPool"};
    const toffee_node *node = u->nodes[0];
    const toffee_attr *kernel = toffee_node_attr(node, "kernel_shape");
    const toffee_attr *strides = toffee_node_attr(node, "strides");
    const toffee_attr *dilations = toffee_node_attr(node, "dilations");
    const toffee_attr *pads = toffee_node_attr(node, "pads");
    const toffee_attr *ceil_mode = toffee_node_attr(node, "ceil_mode");
    size_t at = (size_t)axis - 2;
    int64_t stride = 1;
    int64_t span = 0; /* of the window, less the padding */
    const toffee_expr *size = NULL;
    const toffee_expr *number = NULL;
    bool is_window = false;

    *out = NULL;
    for (size_t i = 0; i < TOFFEE_COUNTOF(windows); i++) {
        is_window = is_window || toffee_str_is(node->op_type, windows[i]);
    }
    if (!is_window || axis < 2 || kernel == NULL || at >= kernel->n ||
        toffee_node_attr(node, "auto_pad") != NULL || (ceil_mode != NULL && ceil_mode->i != 0)) {
        return TOFFEE_OK;
    }
    size = toffee_unifier_size(u, node->inputs.data[0], axis);
    if (size == NULL || (strides != NULL && strides->n != kernel->n) ||
        (dilations != NULL && dilations->n != kernel->n) ||
        (pads != NULL && pads->n != 2 * kernel->n)) {
        return TOFFEE_OK;
    }
    stride = strides != NULL ? strides->ints[at] : 1;
    span = (dilations != NULL ? dilations->ints[at] : 1) * (kernel->ints[at] - 1) + 1;
    span -= pads != NULL ? pads->ints[at] + pads->ints[kernel->n + at] : 0;
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, 1, &number, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(u->pool, size, -span, number, &size, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(u->pool, stride, out, st));
    if (size != NULL && *out != NULL && stride > 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(u->pool, size, *out, &size, st));
    }
    if (size != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(u->pool, size, 1, number, &size, st));
    }
    *out = size;
    return TOFFEE_OK;
}

/* A name for axis AXIS of VALUE as a size of its own: "45.2", after the value. */
static toffee_code
make_derived(toffee_unifier *u, toffee_value *value, int32_t axis, const int64_t *samples,
             const toffee_expr **out, toffee_status *st)
{
    toffee_size_owner *owner = toffee_arena_calloc(u->arena, 1, sizeof(*owner));
    const char *name =
        toffee_arena_printf(u->arena, "%s.%d", toffee_str_text(value->name), (int)axis);

    if (owner == NULL || name == NULL) {
        return toffee_fail_nomem(st);
    }
    owner->value = value;
    owner->axis = axis;
    return toffee_expr_derived(u->pool, name, samples, owner, out, st);
}

/* What axis AXIS of VALUE is, from SAMPLES. */
static toffee_code
express_size(toffee_unifier *u, toffee_value *value, int32_t axis, const int64_t *samples,
             const toffee_expr **out, toffee_status *st)
{
    *out = NULL;
    if (u->nodes != NULL) {
        TOFFEE_RETURN_IF_ERROR(size_by_window(u, axis, out, st));
    }
    if (*out != NULL && memcmp((*out)->samples, samples, u->n * sizeof(*samples)) != 0) {
        *out = NULL;
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_unifier_fit(u, samples, out, st));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(make_derived(u, value, axis, samples, out, st));
    }
    return toffee_fit_remember(u->pool, *out, st);
}

static bool
has_sizes(const toffee_type *type)
{
    for (int32_t i = 0; i < type->rank; i++) {
        if (type->dims[i].value < 0) {
            return false;
        }
    }
    return type->rank >= 0;
}

toffee_code
toffee_unifier_pair(toffee_unifier *u, toffee_value *const *values, toffee_status *st)
{
    toffee_twin *twin = toffee_arena_calloc(u->arena, 1, sizeof(*twin));
    toffee_value *const *copy = toffee_arena_copy(u->arena, values, u->n * sizeof(*values));
    int64_t *samples = toffee_arena_calloc(u->arena, u->n, sizeof(*samples));
    const toffee_type *type = &values[0]->type;
    const toffee_expr **sizes = NULL;

    if (twin == NULL || copy == NULL || samples == NULL ||
        !toffee_ptrmap_set(u->arena, &u->twins, values[0], twin)) {
        return toffee_fail_nomem(st);
    }
    twin->twins = copy;
    twin->rank = -1;
    for (size_t p = 0; p < u->n; p++) {
        if (values[p]->type.dtype != type->dtype) {
            return toffee_unifier_fail(u, 0, p, st,
                                       "the element type of a result depends on the sizes: it is "
                                       "%s, and then %s",
                                       toffee_dtype_get(type->dtype)->name,
                                       toffee_dtype_get(values[p]->type.dtype)->name);
        }
        if (type->rank >= 0 && values[p]->type.rank >= 0 && values[p]->type.rank != type->rank) {
            return toffee_unifier_fail(u, 0, p, st,
                                       "the number of dimensions of a result depends on the sizes: "
                                       "it is %d, and then %d",
                                       (int)type->rank, (int)values[p]->type.rank);
        }
        if (!has_sizes(&values[p]->type)) {
            return TOFFEE_OK; /* nothing is known of this one */
        }
    }
    sizes = toffee_arena_calloc(u->arena, (size_t)type->rank + 1, sizeof(*sizes));
    if (sizes == NULL) {
        return toffee_fail_nomem(st);
    }
    twin->sizes = sizes;
    twin->rank = type->rank;
    for (int32_t axis = 0; axis < type->rank; axis++) {
        for (size_t p = 0; p < u->n; p++) {
            samples[p] = values[p]->type.dims[axis].value;
        }
        TOFFEE_RETURN_IF_ERROR(express_size(u, values[0], axis, samples, &sizes[axis], st));
    }
    return TOFFEE_OK;
}
