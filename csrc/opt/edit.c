/* csrc/opt/edit.c -- looking at a graph and changing it, for all passes. */
#include <string.h>

#include "ops/dims.h"
#include "opt/pass.h"

/* ---- before and after a pass ---- */

static size_t
uses_of(const toffee_opt *opt, const toffee_value *value)
{
    return (size_t)(uintptr_t)toffee_ptrmap_get(&opt->uses, value);
}

static toffee_code
uses_set(toffee_opt *opt, const toffee_value *value, size_t n, toffee_status *st)
{
    return toffee_ptrmap_set(opt->scratch, &opt->uses, value, (void *)(uintptr_t)n)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

static toffee_code
uses_drop(toffee_opt *opt, const toffee_value *value, toffee_status *st)
{
    size_t n = value != NULL ? uses_of(opt, value) : 0;

    return n != 0 ? uses_set(opt, value, n - 1, st) : TOFFEE_OK;
}

static toffee_code
pin(toffee_opt *opt, toffee_value *value, toffee_status *st)
{
    return value == NULL || toffee_ptrmap_set(opt->scratch, &opt->pinned, value, value)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

static toffee_code pin_captures(toffee_opt *opt, const toffee_node *node, toffee_status *st);

/* Pins what GRAPH, inside a node, takes from opt->graph. A name that a graph in between makes for
 * itself may be pinned as well: that only costs a chance. */
static toffee_code
pin_captured(toffee_opt *opt, const toffee_graph *graph, toffee_status *st)
{
    const void *name = NULL;
    void *entry = NULL;

    for (size_t at = 0; toffee_ptrmap_next(&graph->values, &at, &name, &entry);) {
        const toffee_value *value = entry;

        if (value->producer == NULL && value->tensor == NULL && !value->is_input) {
            TOFFEE_RETURN_IF_ERROR(pin(opt, toffee_ptrmap_get(&opt->graph->values, name), st));
        }
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        TOFFEE_RETURN_IF_ERROR(pin_captures(opt, graph->nodes.data[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
pin_captures(toffee_opt *opt, const toffee_node *node, toffee_status *st)
{
    for (size_t k = 0; k < node->attrs.n; k++) {
        const toffee_attr *attr = &node->attrs.data[k];

        if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
            TOFFEE_RETURN_IF_ERROR(pin_captured(opt, attr->g, st));
        }
        for (size_t j = 0; attr->type == TOFFEE_ATTR_GRAPHS && j < attr->n; j++) {
            TOFFEE_RETURN_IF_ERROR(pin_captured(opt, attr->graphs[j], st));
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_opt_begin(toffee_opt *opt, toffee_graph *graph, toffee_status *st)
{
    toffee_arena_reset(opt->scratch);
    opt->graph = graph;
    opt->uses = (toffee_ptrmap){0};
    opt->pinned = (toffee_ptrmap){0};
    opt->instead = (toffee_ptrmap){0};
    opt->gone = (toffee_ptrmap){0};
    for (size_t i = 0; i < graph->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(pin(opt, graph->outputs.data[i], st));
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->inputs.n; k++) {
            const toffee_value *value = node->inputs.data[k];

            if (value != NULL) {
                TOFFEE_RETURN_IF_ERROR(uses_set(opt, value, uses_of(opt, value) + 1, st));
            }
        }
        TOFFEE_RETURN_IF_ERROR(pin_captures(opt, node, st));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_opt_forget(toffee_opt *opt, toffee_value *value, toffee_status *st)
{
    value->producer = NULL;
    return value->name == NULL || toffee_ptrmap_get(&opt->graph->values, value->name) != value ||
                   toffee_ptrmap_set(opt->graph->arena, &opt->graph->values, value->name, NULL)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

toffee_code
toffee_opt_end(toffee_opt *opt, toffee_status *st)
{
    toffee_graph *graph = opt->graph;
    size_t kept = 0;

    if (opt->gone.n_used == 0 && opt->instead.n_used == 0) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        toffee_node *node = graph->nodes.data[i];

        if (toffee_ptrmap_get(&opt->gone, node) == NULL) {
            toffee_opt_refresh(opt, node);
            graph->nodes.data[kept++] = node;
            continue;
        }
        for (size_t k = 0; k < node->outputs.n; k++) {
            toffee_value *value = node->outputs.data[k];

            if (value != NULL && value->producer == node) {
                TOFFEE_RETURN_IF_ERROR(toffee_opt_forget(opt, value, st));
            }
        }
    }
    graph->nodes.n = kept;
    kept = 0;
    for (size_t i = 0; i < graph->value_infos.n; i++) {
        toffee_value *value = graph->value_infos.data[i];

        if (value->name == NULL || toffee_ptrmap_get(&graph->values, value->name) == value) {
            graph->value_infos.data[kept++] = value;
        }
    }
    graph->value_infos.n = kept;
    return TOFFEE_OK;
}

/* ---- looking ---- */

static bool
domain_is_default(const toffee_str *domain)
{
    return toffee_str_is(domain, "") || toffee_str_is(domain, "ai.onnx");
}

bool
toffee_opt_is_plain(const toffee_opt *opt, const toffee_node *node)
{
    if (!domain_is_default(node->domain) || node->overload != NULL) {
        return false;
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        if (node->attrs.data[i].ref != NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < opt->root->functions.n; i++) {
        const toffee_graph *function = opt->root->functions.data[i];

        if (domain_is_default(function->domain) &&
            toffee_str_is(function->name, toffee_str_text(node->op_type))) {
            return false;
        }
    }
    return true;
}

bool
toffee_opt_is(const toffee_opt *opt, const toffee_node *node, const char *op_type)
{
    return node != NULL && toffee_str_is(node->op_type, op_type) && toffee_opt_is_plain(opt, node);
}

static toffee_value *
resolve(const toffee_opt *opt, toffee_value *value)
{
    toffee_value *other = value != NULL ? toffee_ptrmap_get(&opt->instead, value) : NULL;

    for (; other != NULL; other = toffee_ptrmap_get(&opt->instead, value)) {
        value = other;
    }
    return value;
}

void
toffee_opt_refresh(toffee_opt *opt, toffee_node *node)
{
    for (size_t i = 0; i < node->inputs.n; i++) {
        node->inputs.data[i] = resolve(opt, node->inputs.data[i]);
    }
}

toffee_value *
toffee_opt_in(const toffee_node *node, size_t index)
{
    return index < node->inputs.n ? node->inputs.data[index] : NULL;
}

toffee_value *
toffee_opt_out(const toffee_node *node, size_t index)
{
    return index < node->outputs.n ? node->outputs.data[index] : NULL;
}

toffee_node *
toffee_opt_producer(const toffee_opt *opt, const toffee_value *value)
{
    toffee_node *node = value != NULL ? value->producer : NULL;

    return node != NULL && toffee_ptrmap_get(&opt->gone, node) == NULL ? node : NULL;
}

bool
toffee_opt_is_pinned(const toffee_opt *opt, const toffee_value *value)
{
    return toffee_ptrmap_get(&opt->pinned, value) != NULL;
}

bool
toffee_opt_is_single(const toffee_opt *opt, const toffee_value *value)
{
    return uses_of(opt, value) == 1 && !toffee_opt_is_pinned(opt, value);
}

int64_t
toffee_opt_int(const toffee_node *node, const char *name, int64_t otherwise)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    return attr != NULL && attr->type == TOFFEE_ATTR_INT ? attr->i : otherwise;
}

bool
toffee_opt_may_be_weight(const toffee_opt *opt, const toffee_tensor *tensor)
{
    return !opt->tells_weights && tensor->n_elements > 1 && !toffee_dtype_is_int(tensor->dtype) &&
           tensor->dtype != TOFFEE_DTYPE_BOOL;
}

bool
toffee_opt_is_weight(const toffee_opt *opt, const toffee_value *value)
{
    return value->tensor != NULL &&
           (value->is_input || toffee_opt_may_be_weight(opt, value->tensor));
}

static bool
tensor_is_at_hand(const toffee_tensor *tensor)
{
    return tensor != NULL && (tensor->data != NULL || tensor->n_elements == 0) &&
           tensor->source == NULL && tensor->dtype != TOFFEE_DTYPE_STRING &&
           toffee_dtype_get(tensor->dtype)->n_bytes != 0 && tensor->n_bytes <= TOFFEE_OPT_MAX_BYTES;
}

/* The tensor that a Constant NODE says; made in scratch if it says it in another way. */
static toffee_code
constant_of_node(toffee_opt *opt, const toffee_node *node, const toffee_tensor **out,
                 toffee_status *st)
{
    const toffee_attr *attr = node->attrs.n == 1 ? &node->attrs.data[0] : NULL;
    toffee_tensor *made = NULL;
    int64_t n = 0;

    if (attr == NULL) {
        return TOFFEE_OK;
    }
    n = (int64_t)attr->n;
    if (attr->type == TOFFEE_ATTR_TENSOR) {
        *out = attr->t;
        return TOFFEE_OK;
    }
    if (attr->type == TOFFEE_ATTR_INT) {
        TOFFEE_RETURN_IF_ERROR(toffee_tensor_new(opt->scratch, NULL, TOFFEE_DTYPE_INT64, NULL, 0,
                                                 &attr->i, &made, st));
    }
    else if (attr->type == TOFFEE_ATTR_INTS) {
        TOFFEE_RETURN_IF_ERROR(toffee_tensor_new(opt->scratch, NULL, TOFFEE_DTYPE_INT64, &n, 1,
                                                 attr->ints, &made, st));
    }
    else if (attr->type == TOFFEE_ATTR_FLOAT) {
        TOFFEE_RETURN_IF_ERROR(toffee_tensor_new(opt->scratch, NULL, TOFFEE_DTYPE_FLOAT, NULL, 0,
                                                 &attr->f, &made, st));
    }
    *out = made;
    return TOFFEE_OK;
}

toffee_code
toffee_opt_constant(toffee_opt *opt, const toffee_value *value, const toffee_tensor **out,
                    toffee_status *st)
{
    const toffee_node *node = NULL;

    *out = NULL;
    if (value == NULL) {
        return TOFFEE_OK;
    }
    node = toffee_opt_producer(opt, value);
    if (toffee_opt_is(opt, node, "Constant")) {
        TOFFEE_RETURN_IF_ERROR(constant_of_node(opt, node, out, st));
    }
    else if (value->producer == NULL && !value->is_listed && !toffee_opt_is_weight(opt, value)) {
        *out = value->tensor;
    }
    if (!tensor_is_at_hand(*out)) {
        *out = NULL;
    }
    return TOFFEE_OK;
}

bool
toffee_opt_same_type(const toffee_value *a, const toffee_value *b)
{
    if (a->type.dtype == TOFFEE_DTYPE_UNDEFINED || a->type.dtype != b->type.dtype ||
        a->type.rank < 0 || a->type.rank != b->type.rank) {
        return false;
    }
    for (int32_t d = 0; d < a->type.rank; d++) {
        if (!toffee_dim_same(a->type.dims[d], b->type.dims[d])) {
            return false;
        }
    }
    return true;
}

int32_t
toffee_opt_shape(const toffee_value *value, int64_t *dims)
{
    if (value == NULL || value->type.dtype == TOFFEE_DTYPE_UNDEFINED ||
        value->type.rank > TOFFEE_MAX_RANK) {
        return -1;
    }
    for (int32_t d = 0; d < value->type.rank; d++) {
        dims[d] = value->type.dims[d].value;
        if (dims[d] < 0) {
            return -1;
        }
    }
    return value->type.rank;
}

/* The bits of NUMBER as a DTYPE into BITS; false if it has none here. */
static bool
number_bits(toffee_dtype dtype, toffee_opt_number number, unsigned char *bits)
{
    static const uint16_t half[] = {0, 0x8000, 0x3c00};
    static const uint16_t brain[] = {0, 0x8000, 0x3f80};
    static const float single[] = {0.0F, -0.0F, 1.0F};
    static const double twice[] = {0.0, -0.0, 1.0};

    if (toffee_dtype_is_int(dtype) || dtype == TOFFEE_DTYPE_BOOL) {
        toffee_opt_store(dtype, bits, 0, number == TOFFEE_OPT_ONE);
        return toffee_dtype_get(dtype)->n_bytes != 0;
    }
    switch ((int)dtype) {
    case TOFFEE_DTYPE_FLOAT16: memcpy(bits, &half[number], sizeof(half[0])); return true;
    case TOFFEE_DTYPE_BFLOAT16: memcpy(bits, &brain[number], sizeof(brain[0])); return true;
    case TOFFEE_DTYPE_FLOAT: memcpy(bits, &single[number], sizeof(single[0])); return true;
    case TOFFEE_DTYPE_DOUBLE: memcpy(bits, &twice[number], sizeof(twice[0])); return true;
    default: return false;
    }
}

bool
toffee_opt_tensor_is(const toffee_tensor *tensor, toffee_opt_number number)
{
    unsigned char bits[16] = {0};
    size_t size = toffee_dtype_get(tensor->dtype)->n_bytes;

    if (tensor->n_elements == 0 || !number_bits(tensor->dtype, number, bits)) {
        return false;
    }
    for (uint64_t i = 0; i < tensor->n_elements; i++) {
        if (memcmp((const char *)tensor->data + i * size, bits, size) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- doing ---- */

/* Has the node that makes NEW make OLD in its place. */
static toffee_code
take_over(toffee_opt *opt, toffee_value *old, toffee_value *new_value, toffee_status *st)
{
    toffee_node *node = new_value->producer;

    for (size_t k = 0; k < node->outputs.n; k++) {
        if (node->outputs.data[k] == new_value) {
            node->outputs.data[k] = old;
        }
    }
    if (old->type.dtype == TOFFEE_DTYPE_UNDEFINED && old->type.more == NULL) {
        old->type = new_value->type;
    }
    old->producer = node;
    TOFFEE_RETURN_IF_ERROR(toffee_opt_forget(opt, new_value, st));
    TOFFEE_RETURN_IF_ERROR(uses_set(opt, old, uses_of(opt, old) + uses_of(opt, new_value), st));
    return toffee_ptrmap_set(opt->scratch, &opt->instead, new_value, old) ? TOFFEE_OK
                                                                          : toffee_fail_nomem(st);
}

toffee_code
toffee_opt_replace(toffee_opt *opt, toffee_value *old, toffee_value *new_value, bool *done,
                   toffee_status *st)
{
    *done = true;
    if (!toffee_opt_is_pinned(opt, old)) {
        TOFFEE_RETURN_IF_ERROR(
            uses_set(opt, new_value, uses_of(opt, new_value) + uses_of(opt, old), st));
        opt->changed = true;
        return toffee_ptrmap_set(opt->scratch, &opt->instead, old, new_value)
                   ? TOFFEE_OK
                   : toffee_fail_nomem(st);
    }
    *done = toffee_opt_producer(opt, new_value) != NULL && !toffee_opt_is_pinned(opt, new_value);
    if (*done) {
        opt->changed = true;
        return take_over(opt, old, new_value, st);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_opt_remove(toffee_opt *opt, toffee_node *node, toffee_status *st)
{
    for (size_t i = 0; i < node->inputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(uses_drop(opt, resolve(opt, node->inputs.data[i]), st));
    }
    opt->changed = true;
    return toffee_ptrmap_set(opt->scratch, &opt->gone, node, node) ? TOFFEE_OK
                                                                   : toffee_fail_nomem(st);
}

toffee_code
toffee_opt_unlist(toffee_opt *opt, const toffee_value *value, toffee_status *st)
{
    return toffee_ptrmap_set(opt->arena, &opt->listed, value, NULL) ? TOFFEE_OK
                                                                    : toffee_fail_nomem(st);
}

toffee_code
toffee_opt_bypass(toffee_opt *opt, toffee_node *node, toffee_value *source, toffee_status *st)
{
    bool done = false;

    TOFFEE_RETURN_IF_ERROR(toffee_opt_replace(opt, node->outputs.data[0], source, &done, st));
    return done ? toffee_opt_remove(opt, node, st) : TOFFEE_OK;
}

toffee_code
toffee_opt_set_input(toffee_opt *opt, toffee_node *node, size_t index, toffee_value *value,
                     toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(uses_drop(opt, node->inputs.data[index], st));
    TOFFEE_RETURN_IF_ERROR(uses_set(opt, value, uses_of(opt, value) + 1, st));
    node->inputs.data[index] = value;
    opt->changed = true;
    return TOFFEE_OK;
}

/* A name that no value of any of the graphs has. */
static toffee_code
fresh_name(toffee_opt *opt, const toffee_value *like, const toffee_str **out, toffee_status *st)
{
    do {
        const char *text = toffee_arena_printf(opt->scratch, "%s.merged%zu",
                                               toffee_str_text(like->name), opt->n_fresh++);

        *out = text != NULL ? toffee_graph_intern(opt->graph, text) : NULL;
        if (*out == NULL) {
            return toffee_fail_nomem(st);
        }
    } while (toffee_ptrmap_get(&opt->names, *out) != NULL);
    return toffee_ptrmap_set(opt->arena, &opt->names, *out, (void *)(uintptr_t)*out)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

toffee_code
toffee_opt_add_constant(toffee_opt *opt, const toffee_value *like, toffee_dtype dtype,
                        const int64_t *dims, int32_t rank, const void *data, toffee_value **out,
                        toffee_status *st)
{
    toffee_graph *graph = opt->graph;
    toffee_tensor *tensor = NULL;
    const toffee_str *name = NULL;

    TOFFEE_RETURN_IF_ERROR(fresh_name(opt, like, &name, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_new(graph->arena, name, dtype, dims, rank, NULL, &tensor, st));
    tensor->data = toffee_arena_copy(graph->arena, data, (size_t)tensor->n_bytes);
    if (tensor->data == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_graph_add_initializer(graph, tensor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_value(graph, name, out, st));
    return toffee_value_set_type(*out, dtype, dims, rank, st);
}
