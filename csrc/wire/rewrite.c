/* csrc/wire/rewrite.c */
#include "wire/rewrite.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/lint.h"

toffee_code
toffee_rewrite_fail(toffee_rewrite *rw, const toffee_node *node, const char *format, ...)
{
    char where[256];
    char what[512];
    va_list ap;

    toffee_node_describe(node, rw->index, where, sizeof(where));
    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    return toffee_fail(rw->st, TOFFEE_ERR_UNSUPPORTED, "%s: %s", where, what);
}

const toffee_str *
toffee_rewrite_name(toffee_rewrite *rw)
{
    char text[24];

    do {
        rw->next_name++;
        snprintf(text, sizeof(text), "%" PRIu64, rw->next_name);
    } while (toffee_graph_find(rw->graph, text) != NULL);
    return toffee_graph_intern(rw->graph, text);
}

toffee_code
toffee_rewrite_value(toffee_rewrite *rw, toffee_value **out)
{
    const toffee_str *name = toffee_rewrite_name(rw);

    return name != NULL ? toffee_graph_value(rw->graph, name, out, rw->st)
                        : toffee_fail_nomem(rw->st);
}

toffee_code
toffee_rewrite_keep(toffee_rewrite *rw, toffee_node *node)
{
    rw->kept = true;
    return TOFFEE_VEC_PUSH(rw->graph->arena, &rw->nodes, node) ? TOFFEE_OK
                                                               : toffee_fail_nomem(rw->st);
}

toffee_code
toffee_rewrite_emit(toffee_rewrite *rw, const char *op_type, toffee_value *const *inputs, size_t n,
                    toffee_value *output, toffee_node **node, toffee_value **result)
{
    toffee_node *made = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_node_new(rw->graph, op_type, &made, rw->st));
    for (size_t i = 0; i < n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(made, inputs[i], rw->st));
    }
    if (output == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_rewrite_value(rw, &output));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_add_output(made, output, rw->st));
    if (!TOFFEE_VEC_PUSH(rw->graph->arena, &rw->nodes, made)) {
        return toffee_fail_nomem(rw->st);
    }
    if (node != NULL) {
        *node = made;
    }
    if (result != NULL) {
        *result = output;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_detach(toffee_rewrite *rw, toffee_node *node, toffee_value **old)
{
    toffee_value *fresh = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_value(rw, &fresh));
    *old = node->outputs.data[0];
    node->outputs.data[0] = fresh;
    fresh->producer = node;
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_rename(toffee_rewrite *rw, toffee_node *node, const char *op_type)
{
    const toffee_str *name = toffee_graph_intern(rw->graph, op_type);

    if (name == NULL) {
        return toffee_fail_nomem(rw->st);
    }
    node->op_type = name;
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_set_input(toffee_rewrite *rw, toffee_node *node, size_t at, toffee_value *value)
{
    while (node->inputs.n <= at) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(node, NULL, rw->st));
    }
    node->inputs.data[at] = value;
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_cut_outputs(toffee_rewrite *rw, toffee_node *node, size_t n, const char *what)
{
    for (size_t i = n; i < node->outputs.n; i++) {
        const toffee_value *value = node->outputs.data[i];

        if (value != NULL && toffee_ptrmap_get(&rw->uses, value) != NULL) {
            return toffee_rewrite_fail(rw, node,
                                       "its output %zu, '%s' (%s), is used and has no counterpart; "
                                       "change the nodes that use it",
                                       i, toffee_str_text(value->name), what);
        }
    }
    if (node->outputs.n > n) {
        node->outputs.n = n;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_tensor(toffee_rewrite *rw, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                      const void *data, size_t n_bytes, toffee_value **out)
{
    toffee_tensor *tensor = NULL;
    const toffee_str *name = toffee_rewrite_name(rw);
    const void *copy = toffee_arena_copy(rw->graph->arena, data, n_bytes);

    if (name == NULL || copy == NULL) {
        return toffee_fail_nomem(rw->st);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_new(rw->graph->arena, name, dtype, dims, rank, copy, &tensor, rw->st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_add_initializer(rw->graph, tensor, rw->st));
    return toffee_graph_value(rw->graph, name, out, rw->st);
}

int64_t
toffee_rewrite_whole(double x)
{
    if (!(x > -9.2e18 && x < 9.2e18)) {
        return x > 0 ? INT64_MAX : x < 0 ? INT64_MIN : 0;
    }
    return (int64_t)x;
}

toffee_code
toffee_rewrite_ints(toffee_rewrite *rw, const int64_t *ints, size_t n, toffee_value **out)
{
    int64_t dims[] = {(int64_t)n};

    return toffee_rewrite_tensor(rw, TOFFEE_DTYPE_INT64, dims, 1, ints, n * sizeof(*ints), out);
}

toffee_code
toffee_rewrite_scalar(toffee_rewrite *rw, double x, const toffee_value *like, toffee_value **out)
{
    toffee_dtype dtype = toffee_rewrite_dtype(like);
    toffee_value *wide = NULL;
    toffee_node *cast = NULL;
    float f = (float)x;
    int64_t i = toffee_rewrite_whole(x);

    if (dtype == TOFFEE_DTYPE_UNDEFINED || dtype == TOFFEE_DTYPE_FLOAT) {
        return toffee_rewrite_tensor(rw, TOFFEE_DTYPE_FLOAT, NULL, 0, &f, sizeof(f), out);
    }
    if (dtype == TOFFEE_DTYPE_DOUBLE) {
        return toffee_rewrite_tensor(rw, dtype, NULL, 0, &x, sizeof(x), out);
    }
    if (dtype == TOFFEE_DTYPE_INT64) {
        return toffee_rewrite_tensor(rw, dtype, NULL, 0, &i, sizeof(i), out);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_rewrite_tensor(rw, TOFFEE_DTYPE_FLOAT, NULL, 0, &f, sizeof(f), &wide));
    TOFFEE_RETURN_IF_ERROR(toffee_rewrite_emit(rw, "Cast", &wide, 1, NULL, &cast, out));
    return toffee_node_set_int(cast, "to", dtype, rw->st);
}

const toffee_tensor *
toffee_rewrite_constant(const toffee_value *value)
{
    const toffee_attr *attr = NULL;

    if (value == NULL) {
        return NULL;
    }
    if (value->producer == NULL) {
        return value->tensor;
    }
    if (!toffee_str_is(value->producer->op_type, "Constant")) {
        return NULL;
    }
    attr = toffee_node_attr(value->producer, "value");
    return attr != NULL && attr->type == TOFFEE_ATTR_TENSOR ? attr->t : NULL;
}

toffee_code
toffee_rewrite_read_ints(toffee_rewrite *rw, const toffee_value *value, bool *found,
                         const int64_t **ints, size_t *n)
{
    const toffee_tensor *tensor = toffee_rewrite_constant(value);
    const void *data = NULL;
    int64_t *copy = NULL;

    *found = false;
    if (tensor == NULL ||
        (tensor->dtype != TOFFEE_DTYPE_INT64 && tensor->dtype != TOFFEE_DTYPE_INT32)) {
        return TOFFEE_OK;
    }
    copy = toffee_arena_calloc(rw->graph->arena, (size_t)tensor->n_elements, sizeof(*copy));
    if (copy == NULL) {
        return toffee_fail_nomem(rw->st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_tensor_hold(tensor, &data, rw->st));
    *found = data != NULL || tensor->n_elements == 0;
    for (uint64_t i = 0; i < tensor->n_elements && *found; i++) {
        int32_t narrow = 0;

        if (tensor->dtype == TOFFEE_DTYPE_INT64) {
            memcpy(&copy[i], (const char *)data + i * sizeof(*copy), sizeof(*copy));
            continue;
        }
        memcpy(&narrow, (const char *)data + i * sizeof(narrow), sizeof(narrow));
        copy[i] = narrow;
    }
    toffee_tensor_let_go(tensor);
    *ints = copy;
    *n = (size_t)tensor->n_elements;
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_read_scalar(toffee_rewrite *rw, const toffee_value *value, bool *found, double *x)
{
    const toffee_tensor *tensor = toffee_rewrite_constant(value);
    const void *data = NULL;
    float f = 0;
    int64_t i = 0;

    *found = false;
    if (tensor == NULL || tensor->n_elements != 1) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_tensor_hold(tensor, &data, rw->st));
    *found = data != NULL;
    switch (data != NULL ? tensor->dtype : TOFFEE_DTYPE_UNDEFINED) {
    case TOFFEE_DTYPE_FLOAT:
        memcpy(&f, data, sizeof(f));
        *x = (double)f;
        break;
    case TOFFEE_DTYPE_DOUBLE: memcpy(x, data, sizeof(*x)); break;
    case TOFFEE_DTYPE_INT64:
        memcpy(&i, data, sizeof(i));
        *x = (double)i;
        break;
    case TOFFEE_DTYPE_BOOL: *x = *(const uint8_t *)data; break;
    default: *found = false;
    }
    toffee_tensor_let_go(tensor);
    return TOFFEE_OK;
}

static toffee_code
rewrite_fail_type(toffee_rewrite *rw, const toffee_node *node, const toffee_attr *attr,
                  toffee_attr_type wanted)
{
    return toffee_rewrite_fail(rw, node, "attribute '%s' is of type %s where %s is expected",
                               attr->name->text, toffee_attr_type_name(attr->type),
                               toffee_attr_type_name(wanted));
}

toffee_code
toffee_rewrite_get_int(toffee_rewrite *rw, const toffee_node *node, const char *name, int64_t *out)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    if (attr != NULL && attr->type != TOFFEE_ATTR_INT) {
        return rewrite_fail_type(rw, node, attr, TOFFEE_ATTR_INT);
    }
    *out = attr != NULL ? attr->i : *out;
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_get_float(toffee_rewrite *rw, const toffee_node *node, const char *name, double *out)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    if (attr != NULL && attr->type == TOFFEE_ATTR_INT) {
        *out = (double)attr->i;
        return TOFFEE_OK;
    }
    if (attr != NULL && attr->type != TOFFEE_ATTR_FLOAT) {
        return rewrite_fail_type(rw, node, attr, TOFFEE_ATTR_FLOAT);
    }
    *out = attr != NULL ? (double)attr->f : *out;
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_get_ints(toffee_rewrite *rw, const toffee_node *node, const char *name,
                        const int64_t **out, size_t *n)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    if (attr == NULL) {
        return TOFFEE_OK;
    }
    if (attr->type == TOFFEE_ATTR_INT) {
        *out = toffee_arena_copy(rw->graph->arena, &attr->i, sizeof(attr->i));
        *n = 1;
        return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(rw->st);
    }
    if (attr->type != TOFFEE_ATTR_INTS) {
        return rewrite_fail_type(rw, node, attr, TOFFEE_ATTR_INTS);
    }
    *out = attr->ints;
    *n = attr->n;
    return TOFFEE_OK;
}

toffee_code
toffee_rewrite_get_string(toffee_rewrite *rw, const toffee_node *node, const char *name,
                          const char **out)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    if (attr == NULL) {
        return TOFFEE_OK;
    }
    if (attr->type != TOFFEE_ATTR_STRING) {
        return rewrite_fail_type(rw, node, attr, TOFFEE_ATTR_STRING);
    }
    *out = toffee_arena_strndup(rw->graph->arena, (const char *)attr->s.data, attr->s.n);
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(rw->st);
}

void
toffee_rewrite_remove_attrs(toffee_node *node, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        toffee_node_remove_attr(node, names[i]);
    }
}

/* The value that tells the shape of VALUE: itself if it declares one. */
static const toffee_value *
rewrite_shape_of(const toffee_rewrite *rw, const toffee_value *value)
{
    const toffee_value *like = NULL;

    if (value->type.rank >= 0 || (value->tensor != NULL && value->producer == NULL)) {
        return value;
    }
    like = toffee_ptrmap_get(&rw->shapes, value);
    return like != NULL ? like : value;
}

int32_t
toffee_rewrite_rank(const toffee_rewrite *rw, const toffee_value *value)
{
    if (value == NULL) {
        return -1;
    }
    value = rewrite_shape_of(rw, value);
    if (value->type.rank >= 0) {
        return value->type.rank;
    }
    if (value->tensor != NULL && value->producer == NULL) {
        return value->tensor->rank;
    }
    return (int32_t)(intptr_t)toffee_ptrmap_get(&rw->ranks, value) - 1;
}

toffee_dtype
toffee_rewrite_dtype(const toffee_value *value)
{
    if (value == NULL) {
        return TOFFEE_DTYPE_UNDEFINED;
    }
    if (value->type.dtype == TOFFEE_DTYPE_UNDEFINED && value->tensor != NULL) {
        return value->tensor->dtype;
    }
    return value->type.dtype;
}

int64_t
toffee_rewrite_dim(const toffee_rewrite *rw, const toffee_value *value, int32_t at)
{
    if (value == NULL) {
        return -1;
    }
    value = rewrite_shape_of(rw, value);
    if (value->type.rank >= 0) {
        return at < value->type.rank ? value->type.dims[at].value : -1;
    }
    return value->tensor != NULL && at < value->tensor->rank ? value->tensor->dims[at] : -1;
}

bool
toffee_rewrite_same_dim(const toffee_rewrite *rw, const toffee_value *a, int32_t i,
                        const toffee_value *b, int32_t k)
{
    if (toffee_rewrite_dim(rw, a, i) >= 0) {
        return toffee_rewrite_dim(rw, a, i) == toffee_rewrite_dim(rw, b, k);
    }
    a = rewrite_shape_of(rw, a);
    b = rewrite_shape_of(rw, b);
    return a->type.rank > i && b->type.rank > k && a->type.dims[i].param != NULL &&
           a->type.dims[i].param == b->type.dims[k].param;
}

bool
toffee_rewrite_same_shape(const toffee_rewrite *rw, const toffee_value *a, const toffee_value *b)
{
    int32_t rank = toffee_rewrite_rank(rw, a);

    if (rewrite_shape_of(rw, a) == rewrite_shape_of(rw, b)) {
        return true;
    }
    if (rank < 0 || rank != toffee_rewrite_rank(rw, b)) {
        return false;
    }
    for (int32_t i = 0; i < rank; i++) {
        if (!toffee_rewrite_same_dim(rw, a, i, b, i)) {
            return false;
        }
    }
    return true;
}

toffee_code
toffee_rewrite_set_shape(toffee_rewrite *rw, const toffee_value *value, toffee_value *like)
{
    return toffee_ptrmap_set(rw->graph->arena, &rw->shapes, value,
                             (void *)rewrite_shape_of(rw, like))
               ? TOFFEE_OK
               : toffee_fail_nomem(rw->st);
}

toffee_code
toffee_rewrite_set_rank(toffee_rewrite *rw, const toffee_value *value, int32_t rank)
{
    if (value == NULL || rank < 0) {
        return TOFFEE_OK;
    }
    return toffee_ptrmap_set(rw->graph->arena, &rw->ranks, value, (void *)(intptr_t)(rank + 1))
               ? TOFFEE_OK
               : toffee_fail_nomem(rw->st);
}

static int
rule_compare(const void *op_type, const void *rule)
{
    return strcmp(op_type, ((const toffee_rewrite_rule *)rule)->op_type);
}

static toffee_code
rewrite_node(toffee_rewrite *rw, toffee_node *node, const toffee_rewrite_rule *rules,
             size_t n_rules, const char *why)
{
    const toffee_rewrite_rule *rule = NULL;
    const toffee_str *op_type = node->op_type;
    toffee_value *input = node->inputs.n != 0 ? node->inputs.data[0] : NULL;
    const toffee_value *output = node->outputs.n != 0 ? node->outputs.data[0] : NULL;

    rw->kept = false;
    if (node->domain == NULL || node->domain->length == 0) {
        rule = bsearch(node->op_type->text, rules, n_rules, sizeof(*rules), rule_compare);
        if (rule == NULL) {
            return toffee_rewrite_fail(rw, node, "%s", why);
        }
        if (output == NULL) {
            return toffee_rewrite_fail(rw, node, "it has no output");
        }
        if (rule->rewrite != NULL) {
            TOFFEE_RETURN_IF_ERROR(rule->rewrite(rw, node));
        }
        /* Afterwards, so that messages have the name in the file; a rule may know a better one. */
        if (rule->renamed != NULL && node->op_type == op_type) {
            TOFFEE_RETURN_IF_ERROR(toffee_rewrite_rename(rw, node, rule->renamed));
        }
        if (rule->keeps == TOFFEE_KEEPS_SHAPE && input != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_rewrite_set_shape(rw, output, input));
        }
        if (rule->keeps != TOFFEE_KEEPS_NOTHING) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_rewrite_set_rank(rw, output, toffee_rewrite_rank(rw, input)));
        }
    }
    return rw->kept ? TOFFEE_OK : toffee_rewrite_keep(rw, node);
}

static toffee_code
rewrite_note_uses(toffee_rewrite *rw)
{
    toffee_graph *graph = rw->graph;
    bool ok = true;

    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->inputs.n && ok; k++) {
            if (node->inputs.data[k] != NULL) {
                ok = toffee_ptrmap_set(graph->arena, &rw->uses, node->inputs.data[k],
                                       node->inputs.data[k]);
            }
        }
    }
    for (size_t i = 0; i < graph->outputs.n && ok; i++) {
        ok = toffee_ptrmap_set(graph->arena, &rw->uses, graph->outputs.data[i],
                               graph->outputs.data[i]);
    }
    return ok ? TOFFEE_OK : toffee_fail_nomem(rw->st);
}

toffee_code
toffee_rewrite_run(toffee_rewrite *rw, toffee_graph *graph, const toffee_rewrite_rule *rules,
                   size_t n_rules, const char *why)
{
    rw->graph = graph;
    TOFFEE_RETURN_IF_ERROR(rewrite_note_uses(rw));
    for (rw->index = 0; rw->index < graph->nodes.n; rw->index++) {
        TOFFEE_RETURN_IF_ERROR(rewrite_node(rw, graph->nodes.data[rw->index], rules, n_rules, why));
    }
    graph->nodes.n = 0;
    for (size_t i = 0; i < rw->nodes.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_graph_append_node(graph, rw->nodes.data[i], rw->st));
    }
    toffee_graph_relink(graph);
    return TOFFEE_OK;
}
