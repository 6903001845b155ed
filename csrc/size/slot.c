/* csrc/size/slot.c -- an input that moved, and how its operator says it without sizes.
 *
 * The table has the operators that can refer to what they read: Reshape to "this axis as it is" and
 * "the rest", Slice to "up to the end", Gather to "the last". For all others the sizes are
 * computed. */
#include "size/twins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The constants that an input is at the points. */
typedef struct {
    size_t index;
    toffee_value *const *seen;
    const int64_t *samples; /* element i at point p: samples[i * n + p]; whole numbers only */
    size_t n_items;
} slot;

typedef toffee_code slot_rule(toffee_unifier *u, const slot *s, toffee_value **out,
                              toffee_status *st);

/* ---- errors --------------------------------------------------------------------------------- */

/* "INT64 [2, 16, 5]", for messages. */
static void
print_constant(const toffee_tensor *tensor, char *buffer, size_t size)
{
    const char *separator = "";
    size_t used = 0;
    int n = snprintf(buffer, size, tensor->rank == 0 ? "" : "[");

    used += (size_t)n;
    if (tensor->n_elements > 8 || tensor->data == NULL ||
        toffee_dtype_get(tensor->dtype)->n_bytes == 0) {
        snprintf(buffer, size, "a table of %llu elements", (unsigned long long)tensor->n_elements);
        return;
    }
    for (uint64_t i = 0; i < tensor->n_elements && used < size; i++) {
        if (toffee_dtype_is_float(tensor->dtype)) {
            n = snprintf(buffer + used, size - used, "%s%g", separator,
                         toffee_element_real(tensor->dtype, tensor->data, i));
        }
        else {
            n = snprintf(buffer + used, size - used, "%s%lld", separator,
                         (long long)toffee_element_int(tensor->dtype, tensor->data, i));
        }
        used += (size_t)n;
        separator = ", ";
    }
    if (tensor->rank != 0 && used < size) {
        snprintf(buffer + used, size - used, "]");
    }
}

/* The first point where the constant is another than at the first of all. */
static size_t
first_change(const toffee_unifier *u, toffee_value *const *seen)
{
    bool same = true;
    size_t p = 0;

    while (same && ++p < u->n) {
        if (toffee_tensor_equal(seen[0]->tensor, seen[p]->tensor, &same, NULL) != TOFFEE_OK) {
            same = false;
        }
    }
    return p < u->n ? p : u->n - 1;
}

static toffee_code
fail_slot(toffee_unifier *u, const slot *s, toffee_status *st)
{
    size_t other = first_change(u, s->seen);
    char first[120];
    char second[120];

    print_constant(s->seen[0]->tensor, first, sizeof(first));
    print_constant(s->seen[other]->tensor, second, sizeof(second));
    return toffee_unifier_fail(u, 0, other, st,
                               "a number that %s takes fits no expression in the sizes: it is %s, "
                               "and then %s",
                               u->nodes[0]->op_type->text, first, second);
}

/* ---- elements ------------------------------------------------------------------------------- */

/* Fits element I; *OUT is NULL where nothing fits. */
static toffee_code
fit_item(toffee_unifier *u, const slot *s, size_t i, const toffee_expr **out, toffee_status *st)
{
    return toffee_unifier_fit(u, s->samples + i * u->n, out, st);
}

/* EXPRS in place of the constant: of its rank and dtype. */
static toffee_code
make_items(toffee_unifier *u, const slot *s, const toffee_expr *const *exprs, toffee_value **out,
           toffee_status *st)
{
    const toffee_tensor *tensor = s->seen[0]->tensor;

    if (tensor->rank == 0) {
        return toffee_make_scalar(u, exprs[0], tensor->dtype, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_make_vector(u, exprs, s->n_items, out, st));
    if (tensor->rank > 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_make_reshape(u, *out, tensor->dims, tensor->rank, out, st));
    }
    return toffee_make_cast(u, *out, tensor->dtype, out, st);
}

static toffee_code
new_exprs(toffee_unifier *u, size_t n, const toffee_expr ***out, toffee_status *st)
{
    *out = toffee_arena_calloc(u->arena, n + 1, sizeof(**out));
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* Notes what the elements of the input are: the sizes that come out may follow from it. */
static toffee_code
note_items(toffee_unifier *u, const slot *s, const toffee_expr *const *exprs, toffee_status *st)
{
    const toffee_expr **copy =
        toffee_arena_copy(u->arena, exprs, (s->n_items + 1) * sizeof(*exprs));

    if (copy == NULL) {
        return toffee_fail_nomem(st);
    }
    if (s->index < TOFFEE_UNIFY_MAX_SLOTS) {
        u->slots[s->index] = copy;
        u->n_slots[s->index] = s->n_items;
    }
    return TOFFEE_OK;
}

/* Element by element. */
static toffee_code
slot_items(toffee_unifier *u, const slot *s, toffee_value **out, toffee_status *st)
{
    const toffee_expr **exprs = NULL;

    TOFFEE_RETURN_IF_ERROR(new_exprs(u, s->n_items, &exprs, st));
    for (size_t i = 0; i < s->n_items; i++) {
        TOFFEE_RETURN_IF_ERROR(fit_item(u, s, i, &exprs[i], st));
        if (exprs[i] == NULL) {
            return fail_slot(u, s, st);
        }
    }
    TOFFEE_RETURN_IF_ERROR(note_items(u, s, exprs, st));
    return make_items(u, s, exprs, out, st);
}

static toffee_code
number_expr(toffee_unifier *u, int64_t number, const toffee_expr **out, toffee_status *st)
{
    return toffee_expr_number(u->pool, number, out, st);
}

/* ---- Reshape -------------------------------------------------------------------------------- */

/* The sizes that come out, as samples: what the constant says may be 0 or -1. */
static toffee_code
target_samples(toffee_unifier *u, const int64_t **out, int32_t *rank, toffee_status *st)
{
    const toffee_type *type = &u->nodes[0]->outputs.data[0]->type;
    int64_t *samples = NULL;

    *rank = type->rank;
    if (*rank < 0) {
        return TOFFEE_OK;
    }
    samples = toffee_arena_calloc(u->arena, ((size_t)*rank + 1) * u->n, sizeof(*samples));
    if (samples == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < u->n; p++) {
        const toffee_type *there = &u->nodes[p]->outputs.data[0]->type;

        if (there->rank != *rank) {
            *rank = -1;
            return TOFFEE_OK;
        }
        for (int32_t i = 0; i < *rank; i++) {
            samples[(size_t)i * u->n + p] = there->dims[i].value;
        }
    }
    *out = samples;
    return TOFFEE_OK;
}

/* How good SIZE is to be left out as -1: what nothing fits must be, then what is longest. */
static size_t
weight_of(const toffee_expr *size)
{
    size_t weight = 0;

    for (size_t i = 0; size != NULL && i < size->n; i++) {
        weight += 1 + size->terms[i].n;
    }
    return size != NULL ? weight : SIZE_MAX;
}

/* Has all of the nodes at hand take a 0 for a size of 0, if one of them does. */
static toffee_code
share_allowzero(toffee_unifier *u, bool *allows, toffee_status *st)
{
    *allows = false;
    for (size_t p = 0; p < u->n; p++) {
        *allows = *allows || toffee_node_attr(u->nodes[p], "allowzero") != NULL;
    }
    for (size_t p = 0; p < u->n && *allows; p++) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(u->nodes[p], "allowzero", 1, st));
    }
    return TOFFEE_OK;
}

/* Whether SIZE is made of symbols and numbers that are added and multiplied. */
static bool
is_plain(const toffee_expr *size)
{
    for (size_t i = 0; size != NULL && i < size->n; i++) {
        if (size->terms[i].coefficient < 0) {
            return false;
        }
        for (size_t k = 0; k < size->terms[i].n; k++) {
            if (size->terms[i].atoms[k]->kind != TOFFEE_ATOM_SYMBOL) {
                return false;
            }
        }
    }
    return size != NULL;
}

/* Which of N sizes the others leave no choice of, where a 0 is a size of 0: the only one that is
 * not plain, if the others are not 0. -1: there is none, or they say it themselves. */
static int32_t
rest_beside_zeros(const toffee_expr *const *sizes, int32_t n)
{
    int32_t rest = -1;

    for (int32_t i = 0; i < n; i++) {
        int64_t number = 1;

        if (!is_plain(sizes[i])) {
            if (rest >= 0) {
                return -1;
            }
            rest = i;
        }
        else if (toffee_expr_is_number(sizes[i], &number) && number == 0) {
            return -1;
        }
    }
    return rest;
}

/* 0 where an axis stays as it is, -1 for one of the others, and numbers. */
static toffee_code
slot_reshape(toffee_unifier *u, const slot *s, toffee_value **out, toffee_status *st)
{
    const int64_t *samples = NULL;
    const toffee_value *data = u->nodes[0]->inputs.data[0];
    const toffee_expr **exprs = NULL;
    int32_t rank = -1;
    int32_t rest = -1;
    size_t weight = 0;
    int64_t number = 0;
    bool allows_zero = false;

    TOFFEE_RETURN_IF_ERROR(target_samples(u, &samples, &rank, st));
    TOFFEE_RETURN_IF_ERROR(share_allowzero(u, &allows_zero, st));
    if (rank < 0) {
        return fail_slot(u, s, st);
    }
    TOFFEE_RETURN_IF_ERROR(new_exprs(u, (size_t)rank, &exprs, st));
    for (int32_t i = 0; i < rank; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_unifier_fit(u, samples + (size_t)i * u->n, &exprs[i], st));
        if (allows_zero) { /* 0 stands for nothing else */
            continue;
        }
        if (exprs[i] != NULL && toffee_expr_is_number(exprs[i], &number)) {
            if (number == 0) {
                return fail_slot(u, s, st); /* it would mean something else */
            }
            continue;
        }
        if (exprs[i] != NULL && exprs[i] == toffee_unifier_size(u, data, i)) {
            TOFFEE_RETURN_IF_ERROR(number_expr(u, 0, &exprs[i], st));
            continue;
        }
        if (weight_of(exprs[i]) > weight) {
            weight = weight_of(exprs[i]);
            rest = i;
        }
    }
    if (allows_zero) {
        rest = rest_beside_zeros(exprs, rank);
    }
    if (rest >= 0) {
        TOFFEE_RETURN_IF_ERROR(number_expr(u, -1, &exprs[rest], st));
    }
    for (int32_t i = 0; i < rank; i++) {
        if (exprs[i] == NULL) {
            return fail_slot(u, s, st);
        }
    }
    return toffee_make_vector(u, exprs, (size_t)rank, out, st);
}

/* ---- Slice, Gather -------------------------------------------------------------------------- */

/* Element I of the constant that input INDEX of the node at hand is; OTHERWISE if it has none. */
static int64_t
constant_item(const toffee_unifier *u, size_t index, size_t i, int64_t otherwise)
{
    int64_t item = otherwise;

    return toffee_unifier_constant(u, index, i, &item) ? item : otherwise;
}

/* EXPR counted from the end of an axis of SIZE, if it is the end or the last element: *OUT is that
 * number (0 or -1), else EXPR. Farther from the end the two would part where the axis is short: n -
 * 3 is -1 where n is 2, and -3 is not. */
static toffee_code
from_end(toffee_unifier *u, const toffee_expr *expr, const toffee_expr *size, bool *is_end,
         const toffee_expr **out, toffee_status *st)
{
    const toffee_expr *distance = NULL;
    int64_t number = 0;

    *is_end = false;
    *out = expr;
    if (size == NULL || toffee_expr_is_number(size, NULL)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(u->pool, expr, -1, size, &distance, st));
    if (distance != NULL && toffee_expr_is_number(distance, &number) &&
        (number == 0 || number == -1)) {
        *is_end = number == 0;
        *out = distance;
    }
    return TOFFEE_OK;
}

/* A slice that ends before what was padded, x[:, :-pad], ends where the size was that was padded:
 * *EXPR becomes that symbol if it was seen so at all points. Without a pad -0 would be nothing at
 * all, which models step around by a branch; had one not, a run without a pad would be among these.
 */
static toffee_code
before_padding(toffee_unifier *u, const toffee_expr *size, const toffee_expr **expr,
               toffee_status *st)
{
    int64_t *ends = toffee_arena_calloc(u->arena, u->n, sizeof(*ends));
    const toffee_expr *end = NULL;

    if (ends == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < u->n; p++) {
        ends[p] = (*expr)->samples[p];
        if (size == NULL || ends[p] >= 0) {
            return TOFFEE_OK;
        }
        ends[p] += size->samples[p];
    }
    TOFFEE_RETURN_IF_ERROR(toffee_unifier_fit(u, ends, &end, st));
    if (end != NULL && toffee_expr_atom(end) != NULL &&
        toffee_expr_atom(end)->kind == TOFFEE_ATOM_SYMBOL) {
        *expr = end;
    }
    return TOFFEE_OK;
}

/* Starts (input 1) and ends (input 2). */
static toffee_code
slot_slice(toffee_unifier *u, const slot *s, toffee_value **out, toffee_status *st)
{
    const toffee_value *data = u->nodes[0]->inputs.data[0];
    const toffee_expr **exprs = NULL;
    bool is_end = false;

    TOFFEE_RETURN_IF_ERROR(new_exprs(u, s->n_items, &exprs, st));
    for (size_t i = 0; i < s->n_items; i++) {
        int32_t axis = (int32_t)constant_item(u, 3, i, (int64_t)i);
        int64_t step = constant_item(u, 4, i, 1);

        if (axis < 0) {
            axis += data->type.rank;
        }
        TOFFEE_RETURN_IF_ERROR(fit_item(u, s, i, &exprs[i], st));
        if (exprs[i] == NULL) {
            return fail_slot(u, s, st);
        }
        if (step < 0 || toffee_expr_is_number(exprs[i], NULL)) {
            continue;
        }
        if (s->index == 2) {
            TOFFEE_RETURN_IF_ERROR(
                before_padding(u, toffee_unifier_size(u, data, axis), &exprs[i], st));
        }
        TOFFEE_RETURN_IF_ERROR(
            from_end(u, exprs[i], toffee_unifier_size(u, data, axis), &is_end, &exprs[i], st));
        if (is_end) { /* of either input: past the end is cut to it */
            TOFFEE_RETURN_IF_ERROR(number_expr(u, INT64_MAX, &exprs[i], st));
        }
    }
    TOFFEE_RETURN_IF_ERROR(note_items(u, s, exprs, st));
    return make_items(u, s, exprs, out, st);
}

/* An index; negative ones count from the end. */
static toffee_code
slot_gather(toffee_unifier *u, const slot *s, toffee_value **out, toffee_status *st)
{
    const toffee_value *data = u->nodes[0]->inputs.data[0];
    const toffee_attr *attr = toffee_node_attr(u->nodes[0], "axis");
    int32_t axis = attr != NULL ? (int32_t)attr->i : 0;
    const toffee_expr **exprs = NULL;
    bool is_end = false;

    axis += axis < 0 ? data->type.rank : 0;
    TOFFEE_RETURN_IF_ERROR(new_exprs(u, s->n_items, &exprs, st));
    for (size_t i = 0; i < s->n_items; i++) {
        TOFFEE_RETURN_IF_ERROR(fit_item(u, s, i, &exprs[i], st));
        if (exprs[i] == NULL) {
            return fail_slot(u, s, st);
        }
        if (!toffee_expr_is_number(exprs[i], NULL)) {
            TOFFEE_RETURN_IF_ERROR(
                from_end(u, exprs[i], toffee_unifier_size(u, data, axis), &is_end, &exprs[i], st));
        }
    }
    return make_items(u, s, exprs, out, st);
}

/* ---- the table ------------------------------------------------------------------------------ */

static const struct {
    const char *op_type;
    size_t index;
    slot_rule *rule;
} rules[] = {
    {"Gather", 1, slot_gather},
    {"Reshape", 1, slot_reshape},
    {"Slice", 1, slot_slice},
    {"Slice", 2, slot_slice},
};

static slot_rule *
find_rule(const toffee_node *node, size_t index)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(rules); i++) {
        if (rules[i].index == index && toffee_str_is(node->op_type, rules[i].op_type)) {
            return rules[i].rule;
        }
    }
    return slot_items;
}

/* Whether the constants are of one shape and few. */
static bool
are_items(const toffee_unifier *u, toffee_value *const *seen)
{
    const toffee_tensor *first = seen[0]->tensor;

    for (size_t p = 0; p < u->n; p++) {
        const toffee_tensor *tensor = seen[p]->tensor;

        if (tensor->dtype != first->dtype || tensor->rank != first->rank ||
            tensor->n_elements > TOFFEE_UNIFY_MAX_ITEMS || tensor->data == NULL ||
            (first->rank != 0 &&
             memcmp(tensor->dims, first->dims, (size_t)first->rank * sizeof(*first->dims)) != 0)) {
            return false;
        }
    }
    return true;
}

/* A 0-d real number, or one of one element. */
static toffee_code
slot_real(toffee_unifier *u, const slot *s, toffee_value **out, toffee_status *st)
{
    const toffee_tensor *tensor = s->seen[0]->tensor;
    double *samples = toffee_arena_calloc(u->arena, u->n, sizeof(*samples));
    toffee_real_fit fit = {0};

    if (samples == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < u->n; p++) {
        samples[p] = toffee_element_real(tensor->dtype, s->seen[p]->tensor->data, 0);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_fit_real(u->pool, tensor->dtype, samples, u->hints.data, u->hints.n, &fit, st));
    if (fit.expr == NULL) {
        return fail_slot(u, s, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_make_real(u, &fit, tensor->dtype, out, st));
    return tensor->rank == 0 ? TOFFEE_OK
                             : toffee_make_reshape(u, *out, tensor->dims, tensor->rank, out, st);
}

static toffee_code
fill_samples(toffee_unifier *u, slot *s, toffee_status *st)
{
    int64_t *samples = toffee_arena_calloc(u->arena, s->n_items * u->n + 1, sizeof(*samples));

    if (samples == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < u->n; p++) {
        const toffee_tensor *tensor = s->seen[p]->tensor;

        for (size_t i = 0; i < s->n_items; i++) {
            samples[i * u->n + p] = toffee_element_int(tensor->dtype, tensor->data, i);
        }
    }
    s->samples = samples;
    return TOFFEE_OK;
}

toffee_code
toffee_unifier_slot(toffee_unifier *u, size_t index, toffee_value *const *seen, toffee_value **out,
                    toffee_status *st)
{
    const toffee_tensor *first = seen[0]->tensor;
    slot s = {.index = index, .seen = seen, .n_items = (size_t)first->n_elements};
    slot_rule *rule = find_rule(u->nodes[0], index);

    if (rule == slot_reshape) { /* also where the number of elements moved: it asks the output */
        return slot_reshape(u, &s, out, st);
    }
    if (!are_items(u, seen)) {
        TOFFEE_RETURN_IF_ERROR(toffee_unifier_table(u, seen, out, st));
        return *out != NULL ? TOFFEE_OK : fail_slot(u, &s, st);
    }
    if (toffee_dtype_is_float(first->dtype)) {
        return first->n_elements == 1 && toffee_dtype_get(first->dtype)->n_bytes > 1
                   ? slot_real(u, &s, out, st)
                   : fail_slot(u, &s, st);
    }
    if (toffee_dtype_is_complex(first->dtype) || first->dtype == TOFFEE_DTYPE_STRING ||
        first->dtype == TOFFEE_DTYPE_UINT64 || toffee_dtype_get(first->dtype)->n_bytes == 0) {
        return fail_slot(u, &s, st);
    }
    TOFFEE_RETURN_IF_ERROR(fill_samples(u, &s, st));
    return rule(u, &s, out, st);
}
