/* csrc/size/unify.c -- walks the traces side by side. See unify.h. */
#include "size/unify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/prune.h"
#include "size/twins.h"

/* ---- errors --------------------------------------------------------------------------------- */

/* "batch=2, length=8" */
static void
print_point(const toffee_unifier *u, size_t point, char *buffer, size_t size)
{
    size_t used = 0;

    buffer[0] = '\0';
    for (size_t i = 0; i < u->in->n_symbols && used < size; i++) {
        int n = snprintf(buffer + used, size - used, "%s%s=%lld", i != 0 ? ", " : "",
                         u->in->symbols[i], (long long)u->in->sizes[point * u->in->n_symbols + i]);

        used += n > 0 ? (size_t)n : 0;
    }
}

/* "\n  my.py:3, module features.0": the names of nodes begin with the module. Empty if NODE has no
 * line. */
static void
print_line(const toffee_node *node, char *buffer, size_t size)
{
    const char *name = node != NULL ? toffee_str_text(node->name) : "";
    const char *end = strrchr(name, '/');

    buffer[0] = '\0';
    if (node != NULL && node->doc != NULL && end != NULL) {
        snprintf(buffer, size, "\n  %s, module %.*s", toffee_str_text(node->doc), (int)(end - name),
                 name);
    }
    else if (node != NULL && node->doc != NULL) {
        snprintf(buffer, size, "\n  %s", toffee_str_text(node->doc));
    }
}

toffee_code
toffee_unifier_fail(const toffee_unifier *u, size_t first, size_t second, toffee_status *st,
                    const char *format, ...)
{
    char message[600];
    char at_first[120];
    char at_second[120];
    char line[600];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    print_point(u, first, at_first, sizeof(at_first));
    print_point(u, second, at_second, sizeof(at_second));
    print_line(u->nodes != NULL ? u->nodes[0] : NULL, line, sizeof(line));
    return toffee_fail(st, TOFFEE_ERR_TRACE, "%s\n  first seen at %s, then at %s%s", message,
                       at_first, at_second, line);
}

/* ---- looking -------------------------------------------------------------------------------- */

toffee_twin *
toffee_unifier_twin(const toffee_unifier *u, const toffee_value *value)
{
    return toffee_ptrmap_get(&u->twins, value);
}

const toffee_expr *
toffee_unifier_size(const toffee_unifier *u, const toffee_value *value, int32_t axis)
{
    const toffee_twin *twin = toffee_unifier_twin(u, value);

    if (twin != NULL) {
        return axis >= 0 && axis < twin->rank ? twin->sizes[axis] : NULL;
    }
    return NULL;
}

bool
toffee_unifier_constant(const toffee_unifier *u, size_t index, size_t i, int64_t *out)
{
    const toffee_node *node = u->nodes[0];
    const toffee_value *value = index < node->inputs.n ? node->inputs.data[index] : NULL;
    const toffee_tensor *tensor = value != NULL ? value->tensor : NULL;

    if (tensor == NULL || tensor->data == NULL || i >= tensor->n_elements ||
        !toffee_dtype_is_int(tensor->dtype)) {
        return false;
    }
    *out = toffee_element_int(tensor->dtype, tensor->data, i);
    return true;
}

toffee_code
toffee_unifier_fit(toffee_unifier *u, const int64_t *samples, const toffee_expr **out,
                   toffee_status *st)
{
    return toffee_fit_whole(u->pool, samples, u->hints.data, u->hints.n, out, st);
}

/* ---- the inputs ----------------------------------------------------------------------------- */

static toffee_code
begin_symbols(toffee_unifier *u, toffee_status *st)
{
    int64_t *samples = toffee_arena_calloc(u->arena, u->n, sizeof(*samples));
    const toffee_expr *symbol = NULL;

    if (samples == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < u->in->n_symbols; i++) {
        for (size_t p = 0; p < u->n; p++) {
            samples[p] = u->in->sizes[p * u->in->n_symbols + i];
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_expr_symbol(u->pool, u->in->symbols[i], samples, &symbol, st));
    }
    return TOFFEE_OK;
}

static toffee_code
pair_inputs(toffee_unifier *u, toffee_status *st)
{
    toffee_value **values = toffee_arena_calloc(u->arena, u->n, sizeof(toffee_value *));

    if (values == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < u->graph->inputs.n; i++) {
        values[0] = u->graph->inputs.data[i];
        for (size_t p = 1; p < u->n; p++) {
            values[p] = toffee_graph_find(u->in->graphs[p], toffee_str_text(values[0]->name));
            if (values[p] == NULL || !values[p]->is_input) {
                return toffee_unifier_fail(u, 0, p, st,
                                           "'%s' is used at some sizes only: what the model does "
                                           "depends on the sizes",
                                           toffee_str_text(values[0]->name));
            }
        }
        TOFFEE_RETURN_IF_ERROR(toffee_unifier_pair(u, values, st));
    }
    return TOFFEE_OK;
}

/* ---- the nodes ------------------------------------------------------------------------------ */

/* Whether an attribute says the same in two graphs. Of graphs inside: never; traces have none. */
static toffee_code
same_attr(const toffee_attr *a, const toffee_attr *b, bool *same, toffee_status *st)
{
    *same = toffee_str_is(a->name, toffee_str_text(b->name)) && a->type == b->type && a->n == b->n;
    if (!*same) {
        return TOFFEE_OK;
    }
    switch (a->type) {
    case TOFFEE_ATTR_FLOAT: *same = memcmp(&a->f, &b->f, sizeof(a->f)) == 0; return TOFFEE_OK;
    case TOFFEE_ATTR_INT: *same = a->i == b->i; return TOFFEE_OK;
    case TOFFEE_ATTR_STRING:
        *same = a->s.n == b->s.n && memcmp(a->s.data, b->s.data, a->s.n) == 0;
        return TOFFEE_OK;
    case TOFFEE_ATTR_FLOATS:
        *same = a->n == 0 || memcmp(a->floats, b->floats, a->n * sizeof(*a->floats)) == 0;
        return TOFFEE_OK;
    case TOFFEE_ATTR_INTS:
        *same = a->n == 0 || memcmp(a->ints, b->ints, a->n * sizeof(*a->ints)) == 0;
        return TOFFEE_OK;
    case TOFFEE_ATTR_TENSOR: return toffee_tensor_equal(a->t, b->t, same, st);
    case TOFFEE_ATTR_STRINGS:
        for (size_t i = 0; *same && i < a->n; i++) {
            *same = a->strings[i].n == b->strings[i].n &&
                    memcmp(a->strings[i].data, b->strings[i].data, a->strings[i].n) == 0;
        }
        return TOFFEE_OK;
    default: *same = false; return TOFFEE_OK;
    }
}

/* That the nodes at hand are of one operator. */
static toffee_code
compare_operators(toffee_unifier *u, toffee_status *st)
{
    const toffee_node *first = u->nodes[0];

    for (size_t p = 1; p < u->n; p++) {
        const toffee_node *other = u->nodes[p];

        if (!toffee_str_is(first->op_type, toffee_str_text(other->op_type)) ||
            !toffee_str_is(first->domain, toffee_str_text(other->domain)) ||
            first->inputs.n != other->inputs.n || first->outputs.n != other->outputs.n) {
            return toffee_unifier_fail(u, 0, p, st,
                                       "what is done depends on the sizes: a node is %s with %zu "
                                       "inputs, and then %s with %zu",
                                       first->op_type->text, first->inputs.n, other->op_type->text,
                                       other->inputs.n);
        }
    }
    return TOFFEE_OK;
}

static toffee_code
unify_attributes(toffee_unifier *u, toffee_status *st)
{
    TOFFEE_VEC(const char *) moved = {0};
    TOFFEE_VEC(size_t) points = {0}; /* where each is another for the first time */
    const toffee_node *first = u->nodes[0];

    for (size_t i = 0; i < first->attrs.n; i++) {
        const toffee_attr *attr = &first->attrs.data[i];
        bool same = true;
        size_t p = 0;

        while (same && ++p < u->n) {
            const toffee_attr *other = toffee_node_attr(u->nodes[p], attr->name->text);

            same = other != NULL;
            if (same) {
                TOFFEE_RETURN_IF_ERROR(same_attr(attr, other, &same, st));
            }
        }
        if (!same && (!TOFFEE_VEC_PUSH(u->arena, &moved, attr->name->text) ||
                      !TOFFEE_VEC_PUSH(u->arena, &points, p))) {
            return toffee_fail_nomem(st);
        }
    }
    for (size_t p = 1; p < u->n; p++) {
        if (u->nodes[p]->attrs.n != first->attrs.n) {
            return toffee_unifier_fail(u, 0, p, st,
                                       "what is done depends on the sizes: %s has %zu attributes, "
                                       "and then %zu",
                                       first->op_type->text, first->attrs.n, u->nodes[p]->attrs.n);
        }
    }
    for (size_t i = 0; i < moved.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_unifier_attribute(u, moved.data[i], points.data[i], st));
    }
    return TOFFEE_OK;
}

/* Whether VALUE is a constant that the trace made: no parameter, which has its name. */
static bool
is_constant(const toffee_value *value)
{
    return value->tensor != NULL && value->producer == NULL && !value->is_input;
}

/* Into *SAME whether the constants SEEN are equal. */
static toffee_code
same_constants(const toffee_unifier *u, toffee_value *const *seen, bool *same, toffee_status *st)
{
    *same = true;
    for (size_t p = 1; *same && p < u->n; p++) {
        TOFFEE_RETURN_IF_ERROR(toffee_tensor_equal(seen[0]->tensor, seen[p]->tensor, same, st));
    }
    return TOFFEE_OK;
}

/* Input INDEX of the nodes at hand: the same value in all, or constants. */
static toffee_code
unify_input(toffee_unifier *u, size_t index, toffee_status *st)
{
    toffee_value **seen = toffee_arena_calloc(u->arena, u->n, sizeof(toffee_value *));
    const toffee_twin *twin = NULL;
    bool are_constants = true;
    bool same = false;

    if (seen == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < u->n; p++) {
        seen[p] = u->nodes[p]->inputs.data[index];
        are_constants = are_constants && seen[p] != NULL && is_constant(seen[p]);
    }
    if (are_constants) {
        TOFFEE_RETURN_IF_ERROR(same_constants(u, seen, &same, st));
        return same ? TOFFEE_OK
                    : toffee_unifier_slot(u, index, seen, &u->nodes[0]->inputs.data[index], st);
    }
    twin = seen[0] != NULL ? toffee_unifier_twin(u, seen[0]) : NULL;
    for (size_t p = 0; p < u->n; p++) {
        if (seen[p] != (twin != NULL ? twin->twins[p] : seen[0])) {
            return toffee_unifier_fail(u, 0, p, st,
                                       "what is done depends on the sizes: input %zu of %s is not "
                                       "the same value",
                                       index, u->nodes[0]->op_type->text);
        }
    }
    if (seen[0] != NULL && toffee_ptrmap_get(&u->instead, seen[0]) != NULL) {
        u->nodes[0]->inputs.data[index] = toffee_ptrmap_get(&u->instead, seen[0]);
    }
    return TOFFEE_OK;
}

/* The sizes of the inputs of the node at hand, for fits. */
static toffee_code
collect_hints(toffee_unifier *u, toffee_status *st)
{
    const toffee_node *node = u->nodes[0];

    u->hints.n = 0;
    for (size_t i = 0; i < node->inputs.n && i < 8; i++) {
        const toffee_twin *twin =
            node->inputs.data[i] != NULL ? toffee_unifier_twin(u, node->inputs.data[i]) : NULL;

        for (int32_t axis = 0; twin != NULL && axis < twin->rank; axis++) {
            if (!toffee_expr_is_number(twin->sizes[axis], NULL) &&
                !TOFFEE_VEC_PUSH(u->arena, &u->hints, twin->sizes[axis])) {
                return toffee_fail_nomem(st);
            }
        }
    }
    return TOFFEE_OK;
}

static toffee_code
unify_node(toffee_unifier *u, toffee_status *st)
{
    toffee_value **outputs = toffee_arena_calloc(u->arena, u->n, sizeof(toffee_value *));
    bool is_gone = false;

    if (outputs == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(compare_operators(u, st));
    TOFFEE_RETURN_IF_ERROR(collect_hints(u, st));
    memset(u->slots, 0, sizeof(u->slots));
    for (size_t i = 0; i < u->nodes[0]->inputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(unify_input(u, i, st));
    }
    TOFFEE_RETURN_IF_ERROR(unify_attributes(u, st));
    for (size_t i = 0; i < u->nodes[0]->outputs.n; i++) {
        for (size_t p = 0; p < u->n; p++) {
            outputs[p] = u->nodes[p]->outputs.data[i];
            if ((outputs[p] == NULL) != (outputs[0] == NULL)) {
                return toffee_unifier_fail(u, 0, p, st,
                                           "output %zu of %s is used at some sizes "
                                           "only",
                                           i, u->nodes[0]->op_type->text);
            }
        }
        if (outputs[0] != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_unifier_pair(u, outputs, st));
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_unifier_settle_pool(u, st));
    TOFFEE_RETURN_IF_ERROR(toffee_unifier_check_resize(u, st));
    TOFFEE_RETURN_IF_ERROR(toffee_unifier_bypass(u, &is_gone, st));
    return is_gone || TOFFEE_VEC_PUSH(u->arena, &u->made, u->nodes[0]) ? TOFFEE_OK
                                                                       : toffee_fail_nomem(st);
}

static toffee_code
unify_nodes(toffee_unifier *u, toffee_status *st)
{
    toffee_node **nodes = toffee_arena_calloc(u->arena, u->n, sizeof(toffee_node *));

    if (nodes == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < u->graph->nodes.n; i++) {
        for (size_t p = 0; p < u->n; p++) {
            if (i >= u->in->graphs[p]->nodes.n) {
                return toffee_unifier_fail(
                    u, 0, p, st,
                    "what is done depends on the sizes: there are %zu nodes, "
                    "and then %zu",
                    u->graph->nodes.n, u->in->graphs[p]->nodes.n);
            }
            nodes[p] = u->in->graphs[p]->nodes.data[i];
        }
        u->nodes = nodes;
        TOFFEE_RETURN_IF_ERROR(unify_node(u, st));
    }
    for (size_t p = 1; p < u->n; p++) {
        if (u->in->graphs[p]->nodes.n != u->graph->nodes.n) {
            return toffee_unifier_fail(u, 0, p, st,
                                       "what is done depends on the sizes: there are %zu nodes, "
                                       "and then %zu",
                                       u->graph->nodes.n, u->in->graphs[p]->nodes.n);
        }
    }
    return TOFFEE_OK;
}

static toffee_code
compare_outputs(toffee_unifier *u, toffee_status *st)
{
    u->nodes = NULL;
    for (size_t p = 1; p < u->n; p++) {
        const toffee_graph *other = u->in->graphs[p];
        bool same = other->outputs.n == u->graph->outputs.n;

        for (size_t i = 0; same && i < other->outputs.n; i++) {
            const toffee_twin *twin = toffee_unifier_twin(u, u->graph->outputs.data[i]);

            same = twin != NULL && twin->twins[p] == other->outputs.data[i];
        }
        if (!same) {
            return toffee_unifier_fail(u, 0, p, st,
                                       "what the model returns depends on the sizes: it has %zu "
                                       "outputs, and then %zu or others",
                                       u->graph->outputs.n, other->outputs.n);
        }
    }
    return TOFFEE_OK;
}

/* ---- the result ----------------------------------------------------------------------------- */

/* Declares the sizes of VALUE as expressions. */
static toffee_code
declare(toffee_unifier *u, toffee_value *value, const toffee_twin *twin, toffee_status *st)
{
    toffee_dim *dims = toffee_arena_calloc(u->graph->arena, (size_t)twin->rank + 1, sizeof(*dims));
    const char *text = NULL;

    if (dims == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int32_t i = 0; i < twin->rank; i++) {
        if (toffee_expr_is_number(twin->sizes[i], &dims[i].value)) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_expr_print(u->pool, twin->sizes[i], &text, st));
        dims[i].value = -1;
        dims[i].param = toffee_graph_intern(u->graph, text);
        if (dims[i].param == NULL) {
            return toffee_fail_nomem(st);
        }
    }
    value->type.dims = dims;
    return TOFFEE_OK;
}

static toffee_code
declare_all(toffee_unifier *u, toffee_status *st)
{
    size_t at = 0;
    const void *value = NULL;
    void *twin = NULL;

    while (toffee_ptrmap_next(&u->twins, &at, &value, &twin)) {
        if (((toffee_twin *)twin)->rank >= 0) {
            TOFFEE_RETURN_IF_ERROR(declare(u, (toffee_value *)(uintptr_t)value, twin, st));
        }
    }
    return TOFFEE_OK;
}

/* Puts the new nodes in, and lets go of constants that nobody reads any more. */
static toffee_code
put_back(toffee_unifier *u, toffee_status *st)
{
    toffee_graph *graph = u->graph;
    size_t n = u->made.n;

    if (!toffee_vec_reserve(graph->arena, (void **)&graph->nodes.data, graph->nodes.n,
                            &graph->nodes.capacity, n, sizeof(toffee_node *))) {
        return toffee_fail_nomem(st);
    }
    if (n != 0) {
        memcpy(graph->nodes.data, u->made.data, n * sizeof(toffee_node *));
    }
    graph->nodes.n = n;
    TOFFEE_RETURN_IF_ERROR(toffee_prune(graph, NULL, st));
    TOFFEE_RETURN_IF_ERROR(toffee_number_values(graph, st));
    for (size_t i = 0; i < u->fresh.n; i++) {
        toffee_value *value = u->fresh.data[i];

        if (value->name != NULL && value->type.rank >= 0) {
            TOFFEE_RETURN_IF_ERROR(toffee_graph_add_value_info(graph, value, st));
        }
    }
    return TOFFEE_OK;
}

static toffee_code
begin(toffee_unifier *u, toffee_status *st)
{
    u->keys = toffee_strpool_new(u->arena);
    if (u->keys == NULL) {
        return toffee_fail_nomem(st);
    }
    u->names = (toffee_names){.graph = u->graph, .arena = u->arena};
    for (size_t i = 0; i < u->graph->nodes.n; i++) {
        const toffee_str *name = u->graph->nodes.data[i]->name;

        if (name != NULL) {
            u->names_nodes = true;
            TOFFEE_RETURN_IF_ERROR(toffee_names_add(&u->names, name, st));
        }
    }
    return toffee_exprs_new(u->arena, u->n, &u->pool, st);
}

toffee_code
toffee_unify(const toffee_twins *twins, toffee_guess *guess, toffee_status *st)
{
    toffee_unifier u = {
        .in = twins, .graph = twins->graphs[0], .n = twins->n_graphs, .arena = toffee_arena_new()};
    toffee_code rc = u.arena != NULL ? begin(&u, st) : toffee_fail_nomem(st);

    rc = rc == TOFFEE_OK ? begin_symbols(&u, st) : rc;
    rc = rc == TOFFEE_OK ? pair_inputs(&u, st) : rc;
    rc = rc == TOFFEE_OK ? unify_nodes(&u, st) : rc;
    rc = rc == TOFFEE_OK ? compare_outputs(&u, st) : rc;
    rc = rc == TOFFEE_OK ? declare_all(&u, st) : rc;
    rc = rc == TOFFEE_OK ? put_back(&u, st) : rc;
    *guess = rc == TOFFEE_OK ? toffee_fit_guess(u.pool) : TOFFEE_GUESS_NONE;
    toffee_arena_free(u.arena);
    return rc;
}
