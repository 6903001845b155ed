/* csrc/ir/equal.c */
#include "ir/equal.h"

#include <string.h>

#include "ir/function.h"

static toffee_code graphs_equal(const toffee_graph *a, const toffee_graph *b, int depth,
                                bool *equal, toffee_status *st);

/* The pools may differ, so equal text is not one pointer here. */
static bool
strs_equal(const toffee_str *a, const toffee_str *b)
{
    size_t a_length = a != NULL ? a->length : 0;
    size_t b_length = b != NULL ? b->length : 0;

    return a == b ||
           (a_length == b_length && (a_length == 0 || memcmp(a->text, b->text, a_length) == 0));
}

static bool
bytes_equal(const toffee_bytes *a, const toffee_bytes *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->data, b->data, a->n) == 0);
}

static bool
edges_equal(const toffee_value *a, const toffee_value *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strs_equal(a->name, b->name));
}

/* Whether the two declare the same: for values in a list that is written with types. */
static bool
declarations_equal(const toffee_value *a, const toffee_value *b)
{
    return strs_equal(a->name, b->name) && strs_equal(a->doc, b->doc) &&
           toffee_type_equal(&a->type, &b->type) && bytes_equal(&a->extra, &b->extra);
}

static bool
declaration_lists_equal(toffee_value *const *a, size_t n_a, toffee_value *const *b, size_t n_b)
{
    for (size_t i = 0; i < n_a && n_a == n_b; i++) {
        if (!declarations_equal(a[i], b[i])) {
            return false;
        }
    }
    return n_a == n_b;
}

static toffee_code
tensors_equal(const toffee_tensor *a, const toffee_tensor *b, bool *equal, toffee_status *st)
{
    if (a == NULL || b == NULL) { /* an attribute may have a type and no value */
        *equal = a == b;
        return TOFFEE_OK;
    }
    *equal = strs_equal(a->name, b->name) && bytes_equal(&a->extra, &b->extra);
    return *equal ? toffee_tensor_equal(a, b, equal, st) : TOFFEE_OK;
}

static toffee_code
sparse_equal(const toffee_sparse *a, const toffee_sparse *b, bool *equal, toffee_status *st)
{
    *equal = a->rank == b->rank && bytes_equal(&a->extra, &b->extra) &&
             memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(*a->dims)) == 0;
    if (*equal) {
        TOFFEE_RETURN_IF_ERROR(tensors_equal(a->indices, b->indices, equal, st));
    }
    return *equal ? tensors_equal(a->values, b->values, equal, st) : TOFFEE_OK;
}

/* The elements of two lists of one type and length. */
static toffee_code
lists_equal(const toffee_attr *a, const toffee_attr *b, int depth, bool *equal, toffee_status *st)
{
    *equal = true;
    for (size_t i = 0; i < a->n && *equal; i++) {
        if (a->type == TOFFEE_ATTR_STRINGS) {
            *equal = bytes_equal(&a->strings[i], &b->strings[i]);
        }
        else if (a->type == TOFFEE_ATTR_TENSORS) {
            TOFFEE_RETURN_IF_ERROR(tensors_equal(a->tensors[i], b->tensors[i], equal, st));
        }
        else if (a->type == TOFFEE_ATTR_TYPE_PROTO || a->type == TOFFEE_ATTR_TYPE_PROTOS) {
            *equal = toffee_type_equal(&a->types[i], &b->types[i]);
        }
        else if (a->type != TOFFEE_ATTR_GRAPHS) {
            TOFFEE_RETURN_IF_ERROR(sparse_equal(a->sparse[i], b->sparse[i], equal, st));
        }
        else {
            TOFFEE_RETURN_IF_ERROR(graphs_equal(a->graphs[i], b->graphs[i], depth + 1, equal, st));
        }
    }
    return TOFFEE_OK;
}

static toffee_code
attrs_equal(const toffee_attr *a, const toffee_attr *b, int depth, bool *equal, toffee_status *st)
{
    *equal = a->type == b->type && strs_equal(a->name, b->name) && strs_equal(a->doc, b->doc) &&
             strs_equal(a->ref, b->ref) && bytes_equal(&a->extra, &b->extra);
    if (!*equal) {
        return TOFFEE_OK;
    }
    switch (a->type) {
    case TOFFEE_ATTR_FLOAT: *equal = memcmp(&a->f, &b->f, sizeof(a->f)) == 0; return TOFFEE_OK;
    case TOFFEE_ATTR_INT: *equal = a->i == b->i; return TOFFEE_OK;
    case TOFFEE_ATTR_STRING: *equal = bytes_equal(&a->s, &b->s); return TOFFEE_OK;
    case TOFFEE_ATTR_TENSOR: return tensors_equal(a->t, b->t, equal, st);
    case TOFFEE_ATTR_GRAPH: return graphs_equal(a->g, b->g, depth + 1, equal, st);
    case TOFFEE_ATTR_FLOATS:
        *equal = a->n == b->n &&
                 (a->n == 0 || memcmp(a->floats, b->floats, a->n * sizeof(*a->floats)) == 0);
        return TOFFEE_OK;
    case TOFFEE_ATTR_INTS:
        *equal =
            a->n == b->n && (a->n == 0 || memcmp(a->ints, b->ints, a->n * sizeof(*a->ints)) == 0);
        return TOFFEE_OK;
    case TOFFEE_ATTR_STRINGS:
    case TOFFEE_ATTR_TENSORS:
    case TOFFEE_ATTR_GRAPHS:
    case TOFFEE_ATTR_SPARSE_TENSOR:
    case TOFFEE_ATTR_SPARSE_TENSORS:
    case TOFFEE_ATTR_TYPE_PROTO:
    case TOFFEE_ATTR_TYPE_PROTOS:
        *equal = a->n == b->n;
        return *equal ? lists_equal(a, b, depth, equal, st) : TOFFEE_OK;
    default: return TOFFEE_OK;
    }
}

toffee_code
toffee_attr_equal(const toffee_attr *a, const toffee_attr *b, bool *equal, toffee_status *st)
{
    return attrs_equal(a, b, 0, equal, st);
}

static bool
node_edges_equal(const toffee_node *a, const toffee_node *b)
{
    if (a->inputs.n != b->inputs.n || a->outputs.n != b->outputs.n) {
        return false;
    }
    for (size_t i = 0; i < a->inputs.n; i++) {
        if (!edges_equal(a->inputs.data[i], b->inputs.data[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < a->outputs.n; i++) {
        if (!edges_equal(a->outputs.data[i], b->outputs.data[i])) {
            return false;
        }
    }
    return true;
}

static toffee_code
nodes_equal(const toffee_node *a, const toffee_node *b, int depth, bool *equal, toffee_status *st)
{
    *equal = strs_equal(a->op_type, b->op_type) && strs_equal(a->name, b->name) &&
             strs_equal(a->domain, b->domain) && strs_equal(a->doc, b->doc) &&
             strs_equal(a->overload, b->overload) && bytes_equal(&a->extra, &b->extra) &&
             node_edges_equal(a, b) && a->attrs.n == b->attrs.n;
    for (size_t i = 0; i < a->attrs.n && *equal; i++) {
        TOFFEE_RETURN_IF_ERROR(attrs_equal(&a->attrs.data[i], &b->attrs.data[i], depth, equal, st));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_node_equal(const toffee_node *a, const toffee_node *b, bool *equal, toffee_status *st)
{
    return nodes_equal(a, b, 0, equal, st);
}

static bool
headers_equal(const toffee_graph *a, const toffee_graph *b)
{
    bool equal = strs_equal(a->name, b->name) && strs_equal(a->producer_tag, b->producer_tag) &&
                 strs_equal(a->domain, b->domain) && strs_equal(a->doc, b->doc) &&
                 a->ir_version == b->ir_version && a->producer_version == b->producer_version &&
                 a->opsets.n == b->opsets.n && a->props.n == b->props.n &&
                 bytes_equal(&a->extra, &b->extra);

    for (size_t i = 0; i < a->opsets.n && equal; i++) {
        equal = a->opsets.data[i].version == b->opsets.data[i].version &&
                strs_equal(a->opsets.data[i].domain, b->opsets.data[i].domain);
    }
    for (size_t i = 0; i < a->props.n && equal; i++) {
        equal = strs_equal(a->props.data[i].key, b->props.data[i].key) &&
                strs_equal(a->props.data[i].value, b->props.data[i].value);
    }
    return equal;
}

/* What makes two functions more than graphs. */
static toffee_code
functions_equal(const toffee_function *a, const toffee_function *b, int depth, bool *equal,
                toffee_status *st)
{
    *equal = strs_equal(a->overload, b->overload) && a->attr_names.n == b->attr_names.n &&
             a->attr_defaults.n == b->attr_defaults.n;
    for (size_t i = 0; i < a->attr_names.n && *equal; i++) {
        *equal = strs_equal(a->attr_names.data[i], b->attr_names.data[i]);
    }
    for (size_t i = 0; i < a->attr_defaults.n && *equal; i++) {
        TOFFEE_RETURN_IF_ERROR(
            attrs_equal(&a->attr_defaults.data[i], &b->attr_defaults.data[i], depth, equal, st));
    }
    return TOFFEE_OK;
}

/* The lists that few graphs have. */
static toffee_code
rare_lists_equal(const toffee_graph *a, const toffee_graph *b, int depth, bool *equal,
                 toffee_status *st)
{
    *equal = a->sparse_initializers.n == b->sparse_initializers.n &&
             a->functions.n == b->functions.n && (a->function == NULL) == (b->function == NULL);
    if (*equal && a->function != NULL) {
        TOFFEE_RETURN_IF_ERROR(functions_equal(a->function, b->function, depth, equal, st));
    }
    for (size_t i = 0; i < a->sparse_initializers.n && *equal; i++) {
        TOFFEE_RETURN_IF_ERROR(sparse_equal(a->sparse_initializers.data[i],
                                            b->sparse_initializers.data[i], equal, st));
    }
    for (size_t i = 0; i < a->functions.n && *equal; i++) {
        TOFFEE_RETURN_IF_ERROR(
            graphs_equal(a->functions.data[i], b->functions.data[i], depth + 1, equal, st));
    }
    return TOFFEE_OK;
}

static toffee_code
graphs_equal(const toffee_graph *a, const toffee_graph *b, int depth, bool *equal,
             toffee_status *st)
{
    *equal = a == b;
    if (a == b || a == NULL || b == NULL) {
        return TOFFEE_OK;
    }
    if (depth > TOFFEE_MAX_DEPTH) {
        return toffee_fail(st, TOFFEE_ERR_LIMIT, "graphs are nested more than %d deep",
                           TOFFEE_MAX_DEPTH);
    }
    *equal =
        headers_equal(a, b) && a->nodes.n == b->nodes.n && a->initializers.n == b->initializers.n &&
        declaration_lists_equal(a->inputs.data, a->inputs.n, b->inputs.data, b->inputs.n) &&
        declaration_lists_equal(a->outputs.data, a->outputs.n, b->outputs.data, b->outputs.n) &&
        declaration_lists_equal(a->value_infos.data, a->value_infos.n, b->value_infos.data,
                                b->value_infos.n);
    for (size_t i = 0; i < a->nodes.n && *equal; i++) {
        TOFFEE_RETURN_IF_ERROR(nodes_equal(a->nodes.data[i], b->nodes.data[i], depth, equal, st));
    }
    if (*equal) {
        TOFFEE_RETURN_IF_ERROR(rare_lists_equal(a, b, depth, equal, st));
    }
    /* Last, since it reads the weights. */
    for (size_t i = 0; i < a->initializers.n && *equal; i++) {
        TOFFEE_RETURN_IF_ERROR(
            tensors_equal(a->initializers.data[i], b->initializers.data[i], equal, st));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_graph_equal(const toffee_graph *a, const toffee_graph *b, bool *equal, toffee_status *st)
{
    return graphs_equal(a, b, 0, equal, st);
}
