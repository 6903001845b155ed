/* csrc/wire/decode.c -- graphs and functions, nodes, and what they list. */
#include "wire/decode.h"

#include <stdlib.h>
#include <string.h>

#include "ir/function.h"
#include "wire/utf8.h"

/* Room for COUNT elements of a TOFFEE_VEC that is empty, so that pushes do not outgrow it. */
#define DECODE_RESERVE(dec, reader, vec, count, st)                                                \
    decode_reserve((dec), (reader), (void **)&(vec)->data, &(vec)->capacity, (count),              \
                   sizeof(*(vec)->data), (st))

/* One graph while it is read. */
typedef struct {
    toffee_decoder *dec;
    toffee_reader *reader;
    toffee_graph *graph;
    bool names_inputs;                /* in field 3; else input_info lists them, as in ONNX */
    bool names_outputs;               /* in field 4 */
    toffee_ptrmap listed;             /* values that are inputs, outputs or in value_infos */
    toffee_ptrmap props;              /* key -> index in graph->props, plus one */
    toffee_ptrmap opsets;             /* domain -> index in graph->opsets, plus one */
    toffee_prop_place place;          /* of the properties that are read */
    TOFFEE_VEC(toffee_bytes) repeats; /* value_infos of values that are declared already */
} decode_frame;

toffee_code
toffee_decode_alloc(toffee_decoder *dec, toffee_reader *reader, const toffee_item *item,
                    size_t count, size_t size, void **out, toffee_status *st)
{
    uint64_t held = toffee_arena_bytes(dec->root->arena) + toffee_arena_bytes(dec->scratch);
    uint64_t n_bytes = 0;

    *out = NULL;
    if (__builtin_mul_overflow((uint64_t)count, (uint64_t)size, &n_bytes) || held > dec->budget ||
        n_bytes > dec->budget - held) {
        return toffee_reader_fail(reader, item, TOFFEE_ERR_LIMIT, st,
                                  "reading the graph takes more than %llu bytes: twice the file's "
                                  "size and %llu MiB, which no real model needs",
                                  (unsigned long long)dec->budget,
                                  (unsigned long long)TOFFEE_LOAD_SPARE_BYTES >> 20);
    }
    *out = toffee_arena_calloc(dec->root->arena, count, size);
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

static toffee_code
decode_reserve(toffee_decoder *dec, toffee_reader *reader, void **data, size_t *capacity,
               size_t count, size_t size, toffee_status *st)
{
    if (count == 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(dec, reader, NULL, count, size, data, st));
    *capacity = count;
    return TOFFEE_OK;
}

/* ---- text ---- */

toffee_code
toffee_decode_text(toffee_decoder *dec, toffee_reader *reader, const toffee_item *item,
                   const toffee_str **out, toffee_status *st)
{
    void *nothing = NULL;

    *out = NULL;
    if (item->bytes.n == 0) {
        return TOFFEE_OK;
    }
    if (!toffee_utf8_valid(item->bytes.data, item->bytes.n)) {
        return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st, "the text is not UTF-8");
    }
    /* Texts are what values, nodes and lists come with, so this is where the budget is watched. */
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(dec, reader, item, 0, 0, &nothing, st));
    *out = toffee_strpool_intern(dec->root->pool, (const char *)item->bytes.data, item->bytes.n);
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

toffee_code
toffee_decode_key(toffee_decoder *dec, toffee_reader *reader, const toffee_item *item,
                  const toffee_str **out, toffee_status *st)
{
    *out = NULL;
    if (item->bytes.n != 0 && memchr(item->bytes.data, '\0', item->bytes.n) != NULL) {
        return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st, "a NUL in the text");
    }
    return toffee_decode_text(dec, reader, item, out, st);
}

toffee_code
toffee_decode_part(toffee_decoder *dec, toffee_reader *reader, const toffee_part *part,
                   const toffee_str **out, toffee_status *st)
{
    *out = NULL;
    return part->n != 0 ? toffee_decode_text(dec, reader, &part->last, out, st) : TOFFEE_OK;
}

static toffee_code
decode_key_part(toffee_decoder *dec, toffee_reader *reader, const toffee_part *part,
                const toffee_str **out, toffee_status *st)
{
    *out = NULL;
    return part->n != 0 ? toffee_decode_key(dec, reader, &part->last, out, st) : TOFFEE_OK;
}

/* ---- what is not understood ---- */

/* The unknown fields of READER's message and then the N_MORE fields MORE, as one piece. */
static toffee_code
decode_keep(toffee_decoder *dec, toffee_reader *reader, const toffee_bytes *more, size_t n_more,
            toffee_bytes *out, toffee_status *st)
{
    size_t n = dec->dialect != TOFFEE_DIALECT_EARLY ? reader->n_unknown : 0;
    size_t n_unknown = n;
    size_t used = 0;
    void *kept = NULL;

    *out = (toffee_bytes){0};
    for (size_t i = 0; i < n_more; i++) {
        n += more[i].n; /* fields of one message: no overflow */
    }
    if (n == 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(dec, reader, NULL, n, 1, &kept, st));
    reader->at = reader->begin;
    while (used < n_unknown) {
        toffee_item item = {0};
        toffee_bytes whole = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next(reader, &item, st));
        whole = toffee_item_whole(&item);
        if (item.tag == NULL || (item.field == NULL && whole.n > n_unknown - used)) {
            break; /* somebody writes to the mapped file */
        }
        if (item.field == NULL) {
            memcpy((uint8_t *)kept + used, whole.data, whole.n);
            used += whole.n;
        }
    }
    used = n_unknown;
    for (size_t i = 0; i < n_more; i++) {
        memcpy((uint8_t *)kept + used, more[i].data, more[i].n);
        used += more[i].n;
    }
    *out = (toffee_bytes){.data = kept, .n = n};
    return TOFFEE_OK;
}

toffee_code
toffee_decode_extra(toffee_decoder *dec, toffee_reader *reader, toffee_bytes *out,
                    toffee_status *st)
{
    return decode_keep(dec, reader, NULL, 0, out, st);
}

/* ONNX spells its default domain in two ways. */
static const toffee_str *
decode_plain_domain(const toffee_str *domain)
{
    return toffee_str_is(domain, "ai.onnx") ? NULL : domain;
}

/* ---- nodes ---- */

typedef toffee_code (*decode_edge_fn)(toffee_node *node, toffee_value *value, toffee_status *st);

static toffee_code
decode_edges(toffee_decoder *dec, toffee_reader *reader, const toffee_part *part, toffee_node *node,
             decode_edge_fn add, toffee_status *st)
{
    toffee_reader_seek(reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};
        toffee_value *value = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(reader, part, &item, st));
        TOFFEE_RETURN_IF_ERROR(toffee_decode_value(dec, reader, &item, node->graph, &value, st));
        TOFFEE_RETURN_IF_ERROR(add(node, value, st));
    }
    return TOFFEE_OK;
}

static int
attr_compare(const void *a, const void *b)
{
    return strcmp(((const toffee_attr *)a)->name->text, ((const toffee_attr *)b)->name->text);
}

static toffee_code
decode_attrs(toffee_decoder *dec, toffee_reader *reader, const toffee_part *part, toffee_node *node,
             toffee_status *st)
{
    bool sorted = true;

    TOFFEE_RETURN_IF_ERROR(DECODE_RESERVE(dec, reader, &node->attrs, part->n, st));
    toffee_reader_seek(reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};
        toffee_attr *attr = &node->attrs.data[i];

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(reader, part, &item, st));
        TOFFEE_RETURN_IF_ERROR(toffee_decode_attr(dec, reader, &item, node->graph, attr, st));
        sorted = sorted && (i == 0 || attr_compare(attr - 1, attr) < 0);
        node->attrs.n++;
    }
    if (sorted) {
        return TOFFEE_OK;
    }
    /* All at once: putting each in its place would take quadratic time. */
    qsort(node->attrs.data, node->attrs.n, sizeof(*node->attrs.data), attr_compare);
    for (size_t i = 1; i < node->attrs.n; i++) {
        if (node->attrs.data[i - 1].name == node->attrs.data[i].name) {
            return toffee_reader_fail(reader, NULL, TOFFEE_ERR_FORMAT, st,
                                      "the node has two attributes '%.200s'",
                                      node->attrs.data[i].name->text);
        }
    }
    return TOFFEE_OK;
}

static toffee_code
decode_node(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_decoder *dec = frame->dec;
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_NODE_FIELDS];
    const toffee_str *op_type = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, frame->reader, item, toffee_fields_of(TOFFEE_MESSAGE_NODE, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_key_part(dec, &reader, &parts[TOFFEE_NODE_OP_TYPE], &op_type, st));
    if (op_type == NULL) {
        return toffee_reader_fail(&reader, NULL, TOFFEE_ERR_FORMAT, st, "the node has no op_type");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_new(frame->graph, op_type->text, &node, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_part(dec, &reader, &parts[TOFFEE_NODE_NAME], &node->name, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_part(dec, &reader, &parts[TOFFEE_NODE_DOC], &node->doc, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_key_part(dec, &reader, &parts[TOFFEE_NODE_DOMAIN], &node->domain, st));
    node->domain = decode_plain_domain(node->domain);
    TOFFEE_RETURN_IF_ERROR(
        decode_key_part(dec, &reader, &parts[TOFFEE_NODE_OVERLOAD], &node->overload, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_extra(dec, &reader, &node->extra, st));
    TOFFEE_RETURN_IF_ERROR(
        DECODE_RESERVE(dec, &reader, &node->inputs, parts[TOFFEE_NODE_INPUT].n, st));
    TOFFEE_RETURN_IF_ERROR(
        DECODE_RESERVE(dec, &reader, &node->outputs, parts[TOFFEE_NODE_OUTPUT].n, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_edges(dec, &reader, &parts[TOFFEE_NODE_INPUT], node, toffee_node_add_input, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_edges(dec, &reader, &parts[TOFFEE_NODE_OUTPUT], node, toffee_node_add_output, st));
    TOFFEE_RETURN_IF_ERROR(decode_attrs(dec, &reader, &parts[TOFFEE_NODE_ATTR], node, st));
    return toffee_graph_append_node(frame->graph, node, st);
}

/* ---- what else a graph lists ---- */

static toffee_code
decode_listed(decode_frame *frame, toffee_value *value, toffee_status *st)
{
    return toffee_ptrmap_set(frame->dec->scratch, &frame->listed, value, value)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

static toffee_code
decode_input(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_named_value(frame->dec, frame->reader, item, frame->graph, &value, st));
    TOFFEE_RETURN_IF_ERROR(decode_listed(frame, value, st));
    return toffee_graph_add_input(frame->graph, value, st);
}

static toffee_code
decode_output(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_named_value(frame->dec, frame->reader, item, frame->graph, &value, st));
    TOFFEE_RETURN_IF_ERROR(decode_listed(frame, value, st));
    return toffee_graph_add_output(frame->graph, value, st);
}

static toffee_code
decode_input_info(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_value_info(frame->dec, frame->reader, item, frame->graph, NULL, &value, st));
    TOFFEE_RETURN_IF_ERROR(decode_listed(frame, value, st));
    return frame->names_inputs ? TOFFEE_OK : toffee_graph_add_input(frame->graph, value, st);
}

static toffee_code
decode_output_info(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_value_info(frame->dec, frame->reader, item, frame->graph, NULL, &value, st));
    TOFFEE_RETURN_IF_ERROR(decode_listed(frame, value, st));
    return frame->names_outputs ? TOFFEE_OK : toffee_graph_add_output(frame->graph, value, st);
}

/* A value that is an input or an output, or was here before, keeps its type; what is said of it
 * again is kept as it is. */
static toffee_code
decode_inner_info(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_decode_value_info(frame->dec, frame->reader, item, frame->graph,
                                                    &frame->listed, &value, st));
    if (toffee_ptrmap_get(&frame->listed, value) != NULL) {
        return TOFFEE_VEC_PUSH(frame->dec->scratch, &frame->repeats, toffee_item_whole(item))
                   ? TOFFEE_OK
                   : toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(decode_listed(frame, value, st));
    return toffee_graph_add_value_info(frame->graph, value, st);
}

static toffee_code
decode_initializer(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_tensor *tensor = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_tensor(frame->dec, frame->reader, item, frame->graph, &tensor, st));
    if (tensor->name == NULL) {
        return toffee_reader_fail(frame->reader, item, TOFFEE_ERR_FORMAT, st,
                                  "the initializer has no name");
    }
    return toffee_graph_add_initializer(frame->graph, tensor, st);
}

static toffee_code
decode_sparse(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_graph *graph = frame->graph;
    toffee_sparse *sparse = NULL;
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_sparse(frame->dec, frame->reader, item, graph, &sparse, st));
    if (sparse->values->name == NULL) {
        return toffee_reader_fail(frame->reader, item, TOFFEE_ERR_FORMAT, st,
                                  "the sparse initializer has no name, which its values should "
                                  "have");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_graph_value(graph, sparse->values->name, &value, st));
    return TOFFEE_VEC_PUSH(graph->arena, &graph->sparse_initializers, sparse)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

/* ---- properties and opsets: the last one of a key counts ---- */

/* The place of KEY in a list of N entries that MAP knows; N if it is new, and then MAP learns it.
 * Searching the list itself would take quadratic time. */
static toffee_code
decode_place(decode_frame *frame, toffee_ptrmap *map, const toffee_str *key, size_t n, size_t *at,
             toffee_status *st)
{
    uintptr_t place = (uintptr_t)toffee_ptrmap_get(map, key);

    *at = place != 0 ? place - 1 : n;
    if (place == 0 && !toffee_ptrmap_set(frame->dec->scratch, map, key, (void *)(n + 1))) {
        return toffee_fail_nomem(st);
    }
    return TOFFEE_OK;
}

static toffee_code
decode_put_prop(decode_frame *frame, toffee_prop prop, toffee_status *st)
{
    toffee_graph *graph = frame->graph;
    size_t at = 0;

    TOFFEE_RETURN_IF_ERROR(decode_place(frame, &frame->props, prop.key, graph->props.n, &at, st));
    prop.place = frame->place;
    if (at < graph->props.n) {
        const toffee_prop *before = &graph->props.data[at];

        if (before->place != prop.place) {
            const toffee_str *in_graph =
                before->graph_value != NULL ? before->graph_value : before->value;

            prop.place = TOFFEE_PROP_IN_BOTH;
            prop.graph_value = in_graph != prop.value ? in_graph : NULL;
        }
        graph->props.data[at] = prop;
        return TOFFEE_OK;
    }
    return TOFFEE_VEC_PUSH(graph->arena, &graph->props, prop) ? TOFFEE_OK : toffee_fail_nomem(st);
}

static toffee_code
decode_put_opset(decode_frame *frame, toffee_opset opset, toffee_status *st)
{
    toffee_graph *graph = frame->graph;
    size_t at = 0;

    TOFFEE_RETURN_IF_ERROR(
        decode_place(frame, &frame->opsets, opset.domain, graph->opsets.n, &at, st));
    if (at < graph->opsets.n) {
        graph->opsets.data[at] = opset;
        return TOFFEE_OK;
    }
    return TOFFEE_VEC_PUSH(graph->arena, &graph->opsets, opset) ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* TEXT, or the interned empty text for NULL. */
static toffee_code
decode_or_empty(decode_frame *frame, const toffee_str **text, toffee_status *st)
{
    if (*text == NULL) {
        *text = toffee_graph_intern(frame->graph, "");
    }
    return *text != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

static toffee_code
decode_prop(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_decoder *dec = frame->dec;
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_PROP_FIELDS];
    toffee_prop prop = {0};

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, frame->reader, item, toffee_fields_of(TOFFEE_MESSAGE_PROP, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    TOFFEE_RETURN_IF_ERROR(decode_key_part(dec, &reader, &parts[TOFFEE_PROP_KEY], &prop.key, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_key_part(dec, &reader, &parts[TOFFEE_PROP_VALUE], &prop.value, st));
    TOFFEE_RETURN_IF_ERROR(decode_or_empty(frame, &prop.key, st));
    TOFFEE_RETURN_IF_ERROR(decode_or_empty(frame, &prop.value, st));
    return decode_put_prop(frame, prop, st);
}

static toffee_code
decode_opset(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_decoder *dec = frame->dec;
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_OPSET_FIELDS];
    toffee_opset opset = {0};

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, frame->reader, item, toffee_fields_of(TOFFEE_MESSAGE_OPSET, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_key_part(dec, &reader, &parts[TOFFEE_OPSET_DOMAIN], &opset.domain, st));
    opset.domain = decode_plain_domain(opset.domain);
    opset.version = (int64_t)parts[TOFFEE_OPSET_VERSION].last.value;
    TOFFEE_RETURN_IF_ERROR(decode_or_empty(frame, &opset.domain, st));
    return decode_put_opset(frame, opset, st);
}

/* ---- graphs and functions ---- */

static toffee_code decode_function(decode_frame *frame, const toffee_item *item, toffee_status *st);

/* Inputs and outputs of a function have no types of their own: value_info may declare them. */
static toffee_code
decode_function_input(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_named_value(frame->dec, frame->reader, item, frame->graph, &value, st));
    return toffee_graph_add_input(frame->graph, value, st);
}

static toffee_code
decode_function_output(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_named_value(frame->dec, frame->reader, item, frame->graph, &value, st));
    return toffee_graph_add_output(frame->graph, value, st);
}

static toffee_code
decode_function_attr(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_graph *graph = frame->graph;
    const toffee_str *name = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_decode_key(frame->dec, frame->reader, item, &name, st));
    TOFFEE_RETURN_IF_ERROR(decode_or_empty(frame, &name, st));
    return TOFFEE_VEC_PUSH(graph->arena, &graph->function->attr_names, name)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

static toffee_code
decode_function_default(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_graph *graph = frame->graph;
    toffee_attr attr = {0};

    TOFFEE_RETURN_IF_ERROR(toffee_decode_attr(frame->dec, frame->reader, item, graph, &attr, st));
    return TOFFEE_VEC_PUSH(graph->arena, &graph->function->attr_defaults, attr)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

typedef toffee_code (*decode_fn)(decode_frame *frame, const toffee_item *item, toffee_status *st);

typedef struct {
    uint8_t meaning;
    decode_fn decode;
} decode_list;

/* In the order in which they are read, whatever the order in the file: value_infos must know inputs
 * and outputs. */
static const decode_list graph_lists[] = {
    {TOFFEE_GRAPH_INPUT, decode_input},
    {TOFFEE_GRAPH_OUTPUT, decode_output},
    {TOFFEE_GRAPH_INPUT_INFO, decode_input_info},
    {TOFFEE_GRAPH_OUTPUT_INFO, decode_output_info},
    {TOFFEE_GRAPH_INITIALIZER, decode_initializer},
    {TOFFEE_GRAPH_SPARSE, decode_sparse},
    {TOFFEE_GRAPH_NODE, decode_node},
    {TOFFEE_GRAPH_VALUE_INFO, decode_inner_info},
    {TOFFEE_GRAPH_PROP, decode_prop},
    {TOFFEE_GRAPH_OPSET, decode_opset},
    {TOFFEE_GRAPH_FUNCTION, decode_function},
};

static const decode_list model_lists[] = {
    {TOFFEE_MODEL_PROP, decode_prop},
    {TOFFEE_MODEL_OPSET, decode_opset},
    {TOFFEE_MODEL_FUNCTION, decode_function},
};

static const decode_list function_lists[] = {
    {TOFFEE_FUNCTION_INPUT, decode_function_input},
    {TOFFEE_FUNCTION_OUTPUT, decode_function_output},
    {TOFFEE_FUNCTION_ATTR, decode_function_attr},
    {TOFFEE_FUNCTION_ATTR_DEFAULT, decode_function_default},
    {TOFFEE_FUNCTION_NODE, decode_node},
    {TOFFEE_FUNCTION_VALUE_INFO, decode_inner_info},
    {TOFFEE_FUNCTION_PROP, decode_prop},
    {TOFFEE_FUNCTION_OPSET, decode_opset},
};

static toffee_code
decode_lists(decode_frame *frame, const toffee_part *parts, const decode_list *lists,
             size_t n_lists, toffee_status *st)
{
    for (size_t k = 0; k < n_lists; k++) {
        const toffee_part *part = &parts[lists[k].meaning];

        toffee_reader_seek(frame->reader, part);
        for (size_t i = 0; i < part->n; i++) {
            toffee_item item = {0};

            TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, part, &item, st));
            TOFFEE_RETURN_IF_ERROR(lists[k].decode(frame, &item, st));
        }
    }
    return TOFFEE_OK;
}

/* A frame for GRAPH, which may hold properties and opsets already. */
static toffee_code
decode_frame_init(decode_frame *frame, toffee_decoder *dec, toffee_reader *reader,
                  toffee_graph *graph, toffee_status *st)
{
    size_t at = 0;

    *frame = (decode_frame){.dec = dec, .reader = reader, .graph = graph};
    for (size_t i = 0; i < graph->props.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            decode_place(frame, &frame->props, graph->props.data[i].key, i, &at, st));
    }
    for (size_t i = 0; i < graph->opsets.n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            decode_place(frame, &frame->opsets, graph->opsets.data[i].domain, i, &at, st));
    }
    return TOFFEE_OK;
}

static toffee_code
decode_graph_header(toffee_decoder *dec, toffee_reader *reader, const toffee_part *parts,
                    toffee_graph *graph, toffee_status *st)
{
    const struct {
        int meaning;
        const toffee_str **out;
    } texts[] = {
        {TOFFEE_GRAPH_NAME, &graph->name},
        {TOFFEE_GRAPH_PRODUCER_TAG, &graph->producer_tag},
        {TOFFEE_GRAPH_DOMAIN, &graph->domain},
        {TOFFEE_GRAPH_DOC, &graph->doc},
    };

    for (size_t i = 0; i < TOFFEE_COUNTOF(texts); i++) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_decode_part(dec, reader, &parts[texts[i].meaning], texts[i].out, st));
    }
    graph->ir_version = (int64_t)parts[TOFFEE_GRAPH_IR_VERSION].last.value;
    graph->producer_version = (int64_t)parts[TOFFEE_GRAPH_PRODUCER_VERSION].last.value;
    /* For two days field 6 was what field 7 is since. The IR was at version 1 all that time, so any
     * other number there is the producer's. */
    if (dec->dialect == TOFFEE_DIALECT_LATE && graph->ir_version != 1 &&
        parts[TOFFEE_GRAPH_PRODUCER_VERSION].n == 0) {
        graph->producer_version = graph->ir_version;
        graph->ir_version = 0;
    }
    return TOFFEE_OK;
}

/* Notes which inputs with an initializer are declared all the same. PART is input_info. */
static toffee_code
decode_mark_listed(decode_frame *frame, const toffee_part *part, toffee_status *st)
{
    const toffee_graph *graph = frame->graph;

    if (frame->names_inputs) {
        /* Only then some inputs may be without a declaration: those that have one are found by
         * their names, which are known by now. */
        toffee_reader_seek(frame->reader, part);
        for (size_t i = 0; i < part->n && graph->initializers.n != 0; i++) {
            toffee_item item = {0};
            toffee_value *value = NULL;

            TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, part, &item, st));
            TOFFEE_RETURN_IF_ERROR(toffee_decode_value_info(
                frame->dec, frame->reader, &item, frame->graph, &frame->listed, &value, st));
            value->is_listed = value->is_input && value->tensor != NULL;
        }
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < graph->inputs.n; i++) {
        graph->inputs.data[i]->is_listed = graph->inputs.data[i]->tensor != NULL;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_decode_graph(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item,
                    toffee_graph *graph, toffee_status *st)
{
    const toffee_fields *fields = toffee_fields_of(TOFFEE_MESSAGE_GRAPH, dec->dialect);
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_GRAPH_FIELDS];
    decode_frame frame;

    if (item != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(&reader, outer, item, fields, st));
    }
    else {
        reader = *outer;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    TOFFEE_RETURN_IF_ERROR(decode_frame_init(&frame, dec, &reader, graph, st));
    frame.names_inputs = parts[TOFFEE_GRAPH_INPUT].n != 0;
    frame.names_outputs = parts[TOFFEE_GRAPH_OUTPUT].n != 0;
    if (graph == dec->root &&
        (dec->dialect == TOFFEE_DIALECT_ONNX || parts[TOFFEE_GRAPH_ENVELOPE].n != 0)) {
        frame.place = TOFFEE_PROP_IN_GRAPH;
    }
    TOFFEE_RETURN_IF_ERROR(decode_graph_header(dec, &reader, parts, graph, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_lists(&frame, parts, graph_lists, TOFFEE_COUNTOF(graph_lists), st));
    TOFFEE_RETURN_IF_ERROR(decode_mark_listed(&frame, &parts[TOFFEE_GRAPH_INPUT_INFO], st));
    TOFFEE_RETURN_IF_ERROR(
        decode_keep(dec, &reader, frame.repeats.data, frame.repeats.n, &graph->extra, st));
    return parts[TOFFEE_GRAPH_ENVELOPE].n != 0
               ? toffee_decode_envelope(dec, &reader, &parts[TOFFEE_GRAPH_ENVELOPE].last, st)
               : TOFFEE_OK;
}

static toffee_code
decode_function_body(decode_frame *frame, toffee_reader *reader, toffee_graph *graph,
                     toffee_status *st)
{
    toffee_decoder *dec = frame->dec;
    toffee_part parts[TOFFEE_N_FUNCTION_FIELDS];
    decode_frame inner;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(reader, parts, st));
    TOFFEE_RETURN_IF_ERROR(decode_frame_init(&inner, dec, reader, graph, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_key_part(dec, reader, &parts[TOFFEE_FUNCTION_NAME], &graph->name, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_key_part(dec, reader, &parts[TOFFEE_FUNCTION_DOMAIN], &graph->domain, st));
    graph->domain = decode_plain_domain(graph->domain);
    TOFFEE_RETURN_IF_ERROR(decode_key_part(dec, reader, &parts[TOFFEE_FUNCTION_OVERLOAD],
                                           &graph->function->overload, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_part(dec, reader, &parts[TOFFEE_FUNCTION_DOC], &graph->doc, st));
    TOFFEE_RETURN_IF_ERROR(
        decode_lists(&inner, parts, function_lists, TOFFEE_COUNTOF(function_lists), st));
    return decode_keep(dec, reader, inner.repeats.data, inner.repeats.n, &graph->extra, st);
}

static toffee_code
decode_function(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_decoder *dec = frame->dec;
    toffee_graph *function = NULL;
    toffee_reader reader;
    void *nothing = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, frame->reader, item, toffee_fields_of(TOFFEE_MESSAGE_FUNCTION, dec->dialect), st));
    /* As for subgraphs: two bytes in a file, and hundreds here. */
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(dec, &reader, NULL, 0, 0, &nothing, st));
    TOFFEE_RETURN_IF_ERROR(toffee_function_new(dec->root, &function, st));
    TOFFEE_RETURN_IF_ERROR(decode_function_body(frame, &reader, function, st));
    return toffee_graph_add_function(dec->root, function, st);
}

toffee_code
toffee_decode_model_lists(toffee_decoder *dec, toffee_reader *reader, const toffee_part *parts,
                          bool props_only, toffee_status *st)
{
    decode_frame frame;

    TOFFEE_RETURN_IF_ERROR(decode_frame_init(&frame, dec, reader, dec->root, st));
    frame.place = TOFFEE_PROP_IN_MODEL;
    return decode_lists(&frame, parts, model_lists, props_only ? 1 : TOFFEE_COUNTOF(model_lists),
                        st);
}
