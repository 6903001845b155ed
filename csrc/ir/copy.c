/* csrc/ir/copy.c -- deep copies of graphs and what is in them, into another arena or the same one.
 */
#include <string.h>

#include "ir/function.h"

/* One copy in progress. */
typedef struct {
    toffee_graph *to;
    toffee_ptrmap unnamed; /* toffee_value * -> its copy, for values that have no name yet */
    bool copy_bytes;
    int depth; /* of TO below the graph that the caller asked for */
} copier;

static toffee_code copy_graph(const toffee_graph *from, toffee_graph *to, bool copy_bytes,
                              int depth, toffee_status *st);

/* TEXT in the pool of GRAPH, NULL for NULL. False when memory is out. */
static bool
copy_str(toffee_graph *graph, const toffee_str *text, const toffee_str **out)
{
    *out = text != NULL ? toffee_strpool_intern(graph->pool, text->text, text->length) : NULL;
    return text == NULL || *out != NULL;
}

static toffee_code
copy_bytes_of(toffee_arena *arena, const toffee_bytes *from, toffee_bytes *out, toffee_status *st)
{
    out->n = from->n;
    out->data = toffee_arena_copy(arena, from->data, from->n);
    return out->data != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* N strings, each with bytes of its own if DEEP. */
static toffee_code
copy_strings(toffee_arena *arena, const toffee_bytes *from, size_t n, bool deep,
             const toffee_bytes **out, toffee_status *st)
{
    toffee_bytes *copy = toffee_arena_copy(arena, from, n * sizeof(*copy));

    if (copy == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < n && deep; i++) {
        TOFFEE_RETURN_IF_ERROR(copy_bytes_of(arena, &from[i], &copy[i], st));
    }
    *out = copy;
    return TOFFEE_OK;
}

/* The elements of FROM into the arena of GRAPH. */
static toffee_code
copy_elements(const toffee_tensor *from, toffee_graph *graph, toffee_tensor *to, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    const void *data = NULL;

    to->source = NULL;
    to->source_ctx = NULL;
    if (from->n_bytes == 0) {
        return TOFFEE_OK;
    }
    rc = toffee_tensor_hold(from, &data, st);
    if (rc != TOFFEE_OK) {
        return rc;
    }
    if (data != NULL) {
        to->data = toffee_arena_copy(graph->arena, data, from->n_bytes);
        rc = to->data != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
    }
    toffee_tensor_let_go(from);
    return rc;
}

toffee_code
toffee_tensor_copy(const toffee_tensor *tensor, toffee_graph *graph, bool copy_bytes,
                   toffee_tensor **out, toffee_status *st)
{
    toffee_tensor *copy = toffee_arena_copy(graph->arena, tensor, sizeof(*tensor));

    *out = NULL;
    if (copy == NULL || !copy_str(graph, tensor->name, &copy->name) ||
        !copy_str(graph, tensor->doc, &copy->doc)) {
        return toffee_fail_nomem(st);
    }
    copy->dims =
        toffee_arena_copy(graph->arena, tensor->dims, (size_t)tensor->rank * sizeof(*tensor->dims));
    if (copy->dims == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(copy_bytes_of(graph->arena, &tensor->extra, &copy->extra, st));
    if (tensor->strings != NULL) {
        TOFFEE_RETURN_IF_ERROR(copy_strings(graph->arena, tensor->strings,
                                            (size_t)tensor->n_elements, copy_bytes, &copy->strings,
                                            st));
    }
    if (copy_bytes) {
        TOFFEE_RETURN_IF_ERROR(copy_elements(tensor, graph, copy, st));
    }
    *out = copy;
    return TOFFEE_OK;
}

toffee_code
toffee_sparse_copy(const toffee_sparse *sparse, toffee_graph *graph, bool copy_bytes,
                   toffee_sparse **out, toffee_status *st)
{
    toffee_sparse *copy = toffee_arena_copy(graph->arena, sparse, sizeof(*sparse));

    *out = NULL;
    if (copy == NULL) {
        return toffee_fail_nomem(st);
    }
    copy->dims =
        toffee_arena_copy(graph->arena, sparse->dims, (size_t)sparse->rank * sizeof(*sparse->dims));
    if (copy->dims == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_copy(sparse->values, graph, copy_bytes, &copy->values, st));
    if (sparse->indices != NULL) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_tensor_copy(sparse->indices, graph, copy_bytes, &copy->indices, st));
    }
    TOFFEE_RETURN_IF_ERROR(copy_bytes_of(graph->arena, &sparse->extra, &copy->extra, st));
    *out = copy;
    return TOFFEE_OK;
}

static toffee_code
copy_sparse_list(const toffee_attr *attr, const copier *copying, toffee_attr *out,
                 toffee_status *st)
{
    toffee_sparse **sparse =
        toffee_arena_calloc(copying->to->arena, attr->n, sizeof(toffee_sparse *));

    if (sparse == NULL) {
        return toffee_fail_nomem(st);
    }
    out->sparse = sparse;
    for (size_t i = 0; i < attr->n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_sparse_copy(attr->sparse[i], copying->to, copying->copy_bytes, &sparse[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
copy_types(const toffee_attr *attr, const copier *copying, toffee_attr *out, toffee_status *st)
{
    toffee_graph *to = copying->to;
    toffee_type *types = toffee_arena_calloc(to->arena, attr->n, sizeof(*types));

    if (types == NULL) {
        return toffee_fail_nomem(st);
    }
    out->types = types;
    for (size_t i = 0; i < attr->n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_type_copy(&attr->types[i], to->arena, to->pool, &types[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
copy_subgraph(const toffee_graph *from, const copier *copying, toffee_graph **out,
              toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_graph_new_inside(copying->to, out, st));
    return copy_graph(from, *out, copying->copy_bytes, copying->depth + 1, st);
}

static toffee_code
copy_tensors(const toffee_attr *attr, const copier *copying, toffee_attr *out, toffee_status *st)
{
    toffee_tensor **tensors =
        toffee_arena_calloc(copying->to->arena, attr->n, sizeof(toffee_tensor *));

    if (tensors == NULL) {
        return toffee_fail_nomem(st);
    }
    out->tensors = tensors;
    for (size_t i = 0; i < attr->n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_tensor_copy(attr->tensors[i], copying->to,
                                                  copying->copy_bytes, &tensors[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
copy_graphs(const toffee_attr *attr, const copier *copying, toffee_attr *out, toffee_status *st)
{
    toffee_graph **graphs =
        toffee_arena_calloc(copying->to->arena, attr->n, sizeof(toffee_graph *));

    if (graphs == NULL) {
        return toffee_fail_nomem(st);
    }
    out->graphs = graphs;
    for (size_t i = 0; i < attr->n; i++) {
        TOFFEE_RETURN_IF_ERROR(copy_subgraph(attr->graphs[i], copying, &graphs[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
copy_attr(const toffee_attr *attr, const copier *copying, toffee_attr *out, toffee_status *st)
{
    toffee_arena *arena = copying->to->arena;

    *out = *attr;
    if (!copy_str(copying->to, attr->name, &out->name) ||
        !copy_str(copying->to, attr->doc, &out->doc) ||
        !copy_str(copying->to, attr->ref, &out->ref)) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(copy_bytes_of(arena, &attr->extra, &out->extra, st));
    switch (attr->type) {
    case TOFFEE_ATTR_STRING: return copy_bytes_of(arena, &attr->s, &out->s, st);
    case TOFFEE_ATTR_TENSOR:
        if (attr->t == NULL) { /* a file may give the type and no value */
            return TOFFEE_OK;
        }
        return toffee_tensor_copy(attr->t, copying->to, copying->copy_bytes, &out->t, st);
    case TOFFEE_ATTR_GRAPH:
        return attr->g == NULL ? TOFFEE_OK : copy_subgraph(attr->g, copying, &out->g, st);
    case TOFFEE_ATTR_FLOATS:
        out->floats = toffee_arena_copy(arena, attr->floats, attr->n * sizeof(*attr->floats));
        return out->floats != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
    case TOFFEE_ATTR_INTS:
        out->ints = toffee_arena_copy(arena, attr->ints, attr->n * sizeof(*attr->ints));
        return out->ints != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
    case TOFFEE_ATTR_STRINGS:
        return copy_strings(arena, attr->strings, attr->n, true, &out->strings, st);
    case TOFFEE_ATTR_TENSORS: return copy_tensors(attr, copying, out, st);
    case TOFFEE_ATTR_GRAPHS: return copy_graphs(attr, copying, out, st);
    case TOFFEE_ATTR_SPARSE_TENSOR:
    case TOFFEE_ATTR_SPARSE_TENSORS: return copy_sparse_list(attr, copying, out, st);
    case TOFFEE_ATTR_TYPE_PROTO:
    case TOFFEE_ATTR_TYPE_PROTOS: return copy_types(attr, copying, out, st);
    default: /* FLOAT and INT are in the struct */ return TOFFEE_OK;
    }
}

toffee_code
toffee_attr_copy(const toffee_attr *attr, toffee_graph *graph, bool copy_bytes, toffee_attr *out,
                 toffee_status *st)
{
    const copier copying = {.to = graph, .copy_bytes = copy_bytes};

    return copy_attr(attr, &copying, out, st);
}

/* The counterpart of VALUE, which may be NULL: the value of the same name if there is one, else a
 * new one with the same type. */
static toffee_code
copy_value(copier *copying, const toffee_value *value, toffee_value **out, toffee_status *st)
{
    toffee_graph *to = copying->to;
    const toffee_str *name = NULL;

    *out = NULL;
    if (value == NULL) {
        return TOFFEE_OK;
    }
    if (!copy_str(to, value->name, &name)) {
        return toffee_fail_nomem(st);
    }
    *out = toffee_ptrmap_get(name != NULL ? &to->values : &copying->unnamed,
                             name != NULL ? (const void *)name : (const void *)value);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    if (name != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_graph_value(to, name, out, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(toffee_graph_new_value(to, out, st));
        if (!toffee_ptrmap_set(to->arena, &copying->unnamed, value, *out)) {
            return toffee_fail_nomem(st);
        }
    }
    if (!copy_str(to, value->doc, &(*out)->doc)) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(copy_bytes_of(to->arena, &value->extra, &(*out)->extra, st));
    return toffee_type_copy(&value->type, to->arena, to->pool, &(*out)->type, st);
}

static toffee_code
copy_node(copier *copying, const toffee_node *node, toffee_node **out, toffee_status *st)
{
    toffee_graph *to = copying->to;
    toffee_node *copy = NULL;
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_node_new(to, node->op_type->text, &copy, st));
    if (!copy_str(to, node->op_type, &copy->op_type) || !copy_str(to, node->name, &copy->name) ||
        !copy_str(to, node->domain, &copy->domain) || !copy_str(to, node->doc, &copy->doc) ||
        !copy_str(to, node->overload, &copy->overload)) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(copy_bytes_of(to->arena, &node->extra, &copy->extra, st));
    for (size_t i = 0; i < node->inputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(copy_value(copying, node->inputs.data[i], &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_input(copy, value, st));
    }
    for (size_t i = 0; i < node->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(copy_value(copying, node->outputs.data[i], &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_add_output(copy, value, st));
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        toffee_attr attr;

        TOFFEE_RETURN_IF_ERROR(copy_attr(&node->attrs.data[i], copying, &attr, st));
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_attr(copy, &attr, st));
    }
    *out = copy;
    return TOFFEE_OK;
}

toffee_code
toffee_node_copy(const toffee_node *node, toffee_graph *graph, bool copy_bytes, toffee_node **out,
                 toffee_status *st)
{
    copier copying = {.to = graph, .copy_bytes = copy_bytes};

    *out = NULL;
    return copy_node(&copying, node, out, st);
}

/* What a graph says of itself. */
static toffee_code
copy_header(const toffee_graph *from, toffee_graph *to, toffee_status *st)
{
    bool ok = copy_str(to, from->name, &to->name) &&
              copy_str(to, from->producer_tag, &to->producer_tag) &&
              copy_str(to, from->domain, &to->domain) && copy_str(to, from->doc, &to->doc);

    to->ir_version = from->ir_version;
    to->producer_version = from->producer_version;
    for (size_t i = 0; i < from->opsets.n && ok; i++) {
        toffee_opset opset = from->opsets.data[i];

        ok = copy_str(to, opset.domain, &opset.domain) &&
             TOFFEE_VEC_PUSH(to->arena, &to->opsets, opset);
    }
    for (size_t i = 0; i < from->props.n && ok; i++) {
        toffee_prop prop = {.place = from->props.data[i].place};

        ok = copy_str(to, from->props.data[i].key, &prop.key) &&
             copy_str(to, from->props.data[i].value, &prop.value) &&
             copy_str(to, from->props.data[i].graph_value, &prop.graph_value) &&
             TOFFEE_VEC_PUSH(to->arena, &to->props, prop);
    }
    TOFFEE_RETURN_IF_ERROR(ok ? TOFFEE_OK : toffee_fail_nomem(st));
    return copy_bytes_of(to->arena, &from->extra, &to->extra, st);
}

/* What only the outermost graph has: a graph that goes into another leaves it behind. */
static toffee_code
copy_envelope(const toffee_envelope *from, toffee_graph *to, toffee_status *st)
{
    toffee_envelope *copy = toffee_arena_copy(to->arena, from, sizeof(*from));

    if (copy == NULL || !copy_str(to, from->producer_name, &copy->producer_name) ||
        !copy_str(to, from->producer_version, &copy->producer_version) ||
        !copy_str(to, from->doc, &copy->doc)) {
        return toffee_fail_nomem(st);
    }
    to->envelope = copy;
    return copy_bytes_of(to->arena, &from->extra, &copy->extra, st);
}

static toffee_code
copy_functions(const toffee_graph *from, toffee_graph *to, bool copy_bytes, int depth,
               toffee_status *st)
{
    for (size_t i = 0; i < from->functions.n; i++) {
        toffee_graph *copy = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_function_new(to, &copy, st));
        TOFFEE_RETURN_IF_ERROR(
            copy_graph(from->functions.data[i], copy, copy_bytes, depth + 1, st));
        TOFFEE_RETURN_IF_ERROR(toffee_graph_add_function(to, copy, st));
    }
    return TOFFEE_OK;
}

/* What makes the function FROM more than a graph. */
static toffee_code
copy_function(copier *copying, const toffee_function *from, toffee_status *st)
{
    toffee_graph *to = copying->to;
    toffee_function *function = to->function;

    if (!copy_str(to, from->overload, &function->overload)) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < from->attr_names.n; i++) {
        const toffee_str *name = NULL;

        if (!copy_str(to, from->attr_names.data[i], &name) ||
            !TOFFEE_VEC_PUSH(to->arena, &function->attr_names, name)) {
            return toffee_fail_nomem(st);
        }
    }
    for (size_t i = 0; i < from->attr_defaults.n; i++) {
        toffee_attr attr;

        TOFFEE_RETURN_IF_ERROR(copy_attr(&from->attr_defaults.data[i], copying, &attr, st));
        if (!TOFFEE_VEC_PUSH(to->arena, &function->attr_defaults, attr)) {
            return toffee_fail_nomem(st);
        }
    }
    return TOFFEE_OK;
}

static toffee_code
copy_sparse_initializer(copier *copying, const toffee_sparse *sparse, toffee_status *st)
{
    toffee_graph *to = copying->to;
    toffee_sparse *copy = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_sparse_copy(sparse, to, copying->copy_bytes, &copy, st));
    return TOFFEE_VEC_PUSH(to->arena, &to->sparse_initializers, copy) ? TOFFEE_OK
                                                                      : toffee_fail_nomem(st);
}

static toffee_code
copy_initializer(copier *copying, const toffee_tensor *tensor, toffee_status *st)
{
    toffee_tensor *copy = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_tensor_copy(tensor, copying->to, copying->copy_bytes, &copy, st));
    return toffee_graph_add_initializer(copying->to, copy, st);
}

static toffee_code
copy_graph(const toffee_graph *from, toffee_graph *to, bool copy_bytes, int depth,
           toffee_status *st)
{
    copier copying = {.to = to, .copy_bytes = copy_bytes, .depth = depth};
    toffee_value *value = NULL;
    toffee_node *node = NULL;

    if (depth > TOFFEE_MAX_DEPTH) {
        return toffee_fail(st, TOFFEE_ERR_LIMIT, "graphs are nested more than %d deep",
                           TOFFEE_MAX_DEPTH);
    }
    TOFFEE_RETURN_IF_ERROR(copy_header(from, to, st));
    for (size_t i = 0; i < from->inputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(copy_value(&copying, from->inputs.data[i], &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_graph_add_input(to, value, st));
        value->is_listed = from->inputs.data[i]->is_listed;
    }
    for (size_t i = 0; i < from->initializers.n; i++) {
        const toffee_tensor *tensor = from->initializers.data[i];

        /* First the value, so that it gets the type that the original one has. */
        TOFFEE_RETURN_IF_ERROR(
            copy_value(&copying, toffee_ptrmap_get(&from->values, tensor->name), &value, st));
        TOFFEE_RETURN_IF_ERROR(copy_initializer(&copying, tensor, st));
    }
    for (size_t i = 0; i < from->sparse_initializers.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            copy_sparse_initializer(&copying, from->sparse_initializers.data[i], st));
    }
    for (size_t i = 0; i < from->nodes.n; i++) {
        TOFFEE_RETURN_IF_ERROR(copy_node(&copying, from->nodes.data[i], &node, st));
        TOFFEE_RETURN_IF_ERROR(toffee_graph_append_node(to, node, st));
    }
    for (size_t i = 0; i < from->value_infos.n; i++) {
        TOFFEE_RETURN_IF_ERROR(copy_value(&copying, from->value_infos.data[i], &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_graph_add_value_info(to, value, st));
    }
    for (size_t i = 0; i < from->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(copy_value(&copying, from->outputs.data[i], &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_graph_add_output(to, value, st));
    }
    if (from->function != NULL && to->function != NULL) {
        return copy_function(&copying, from->function, st);
    }
    if (to->parent != NULL) {
        return TOFFEE_OK;
    }
    if (from->envelope != NULL) {
        TOFFEE_RETURN_IF_ERROR(copy_envelope(from->envelope, to, st));
    }
    return copy_functions(from, to, copy_bytes, depth, st);
}

toffee_code
toffee_graph_copy_into(const toffee_graph *from, toffee_graph *to, bool copy_bytes,
                       toffee_status *st)
{
    return copy_graph(from, to, copy_bytes, 0, st);
}
