/* csrc/size/pair.c -- the same value in all traces, and its sizes as expressions. */
#include "size/twins.h"

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
    bool is_simple = false;

    TOFFEE_RETURN_IF_ERROR(toffee_unifier_length(u, axis, samples, &is_simple, out, st));
    if (*out == NULL || !is_simple) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_fit_exact(u->pool, samples, u->hints.data, u->hints.n, *out, out, st));
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
