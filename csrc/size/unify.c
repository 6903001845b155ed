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

toffee_code
toffee_unifier_fit(toffee_unifier *u, const int64_t *samples, const toffee_expr **out,
                   toffee_status *st)
{
    return toffee_fit_whole(u->pool, samples, u->hints.data, u->hints.n, out, st);
}

/* ---- values --------------------------------------------------------------------------------- */

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

/* Notes that VALUES, one of each graph, are the same value, and expresses its sizes. */
static toffee_code
pair(toffee_unifier *u, toffee_value *const *values, toffee_status *st)
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
        TOFFEE_RETURN_IF_ERROR(pair(u, values, st));
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

/* A slice from the first to the last element, which is what x[:, :n] is where n is its size, a
 * padding with nothing, an expansion to what is there: what reads it reads x. Not if the graph
 * returns it. */
static toffee_code
bypass(toffee_unifier *u, bool *done, toffee_status *st)
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
            TOFFEE_RETURN_IF_ERROR(pair(u, outputs, st));
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_unifier_check_resize(u, st));
    TOFFEE_RETURN_IF_ERROR(bypass(u, &is_gone, st));
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
toffee_unify(const toffee_twins *twins, toffee_status *st)
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
    toffee_arena_free(u.arena);
    return rc;
}
