/* csrc/wire/decode.c -- models, graphs, nodes, values. */
#include "wire/decode.h"

#include <stdlib.h>
#include <string.h>

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
    bool names_inputs;    /* in field 3; else input_info lists them, as in ONNX */
    bool names_outputs;   /* in field 4 */
    toffee_ptrmap listed; /* values that are inputs, outputs or in value_infos */
    toffee_ptrmap props;  /* key -> index in graph->props, plus one */
    toffee_ptrmap opsets; /* domain -> index in graph->opsets, plus one */
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
        toffee_decode_value_info(frame->dec, frame->reader, item, frame->graph, &value, st));
    TOFFEE_RETURN_IF_ERROR(decode_listed(frame, value, st));
    return frame->names_inputs ? TOFFEE_OK : toffee_graph_add_input(frame->graph, value, st);
}

static toffee_code
decode_output_info(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_value_info(frame->dec, frame->reader, item, frame->graph, &value, st));
    TOFFEE_RETURN_IF_ERROR(decode_listed(frame, value, st));
    return frame->names_outputs ? TOFFEE_OK : toffee_graph_add_output(frame->graph, value, st);
}

static toffee_code
decode_inner_info(decode_frame *frame, const toffee_item *item, toffee_status *st)
{
    toffee_value *value = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_value_info(frame->dec, frame->reader, item, frame->graph, &value, st));
    if (toffee_ptrmap_get(&frame->listed, value) != NULL) {
        return TOFFEE_OK;
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
    return toffee_reader_fail(frame->reader, item, TOFFEE_ERR_FORMAT, st,
                              "sparse initializers are not supported; store the tensor dense");
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
    if (at < graph->props.n) {
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

/* ---- graphs ---- */

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
};

static const decode_list model_lists[] = {
    {TOFFEE_MODEL_PROP, decode_prop},
    {TOFFEE_MODEL_OPSET, decode_opset},
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
    TOFFEE_RETURN_IF_ERROR(decode_graph_header(dec, &reader, parts, graph, st));
    return decode_lists(&frame, parts, graph_lists, TOFFEE_COUNTOF(graph_lists), st);
}

/* ---- the whole file ---- */

/* What the envelope says that the graph in it does not. */
static toffee_code
decode_model_header(toffee_decoder *dec, toffee_reader *reader, const toffee_part *parts,
                    toffee_graph *graph, toffee_status *st)
{
    const toffee_str *doc = NULL;

    if (graph->producer_tag == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_decode_part(dec, reader, &parts[TOFFEE_MODEL_PRODUCER_NAME],
                                                  &graph->producer_tag, st));
    }
    if (graph->domain == NULL) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_decode_part(dec, reader, &parts[TOFFEE_MODEL_DOMAIN], &graph->domain, st));
    }
    if (graph->ir_version == 0) {
        graph->ir_version =
            TOFFEE_IR_VERSION; /* its nodes are ONNX nodes, which is what that says */
    }
    TOFFEE_RETURN_IF_ERROR(toffee_decode_part(dec, reader, &parts[TOFFEE_MODEL_DOC], &doc, st));
    /* toffee's own envelope has a doc_string of spaces: padding. */
    if (graph->doc == NULL && doc != NULL && strspn(doc->text, " ") != doc->length) {
        graph->doc = doc;
    }
    return TOFFEE_OK;
}

static toffee_code
decode_model(toffee_decoder *dec, toffee_reader *reader, toffee_graph *graph, toffee_status *st)
{
    toffee_part parts[TOFFEE_N_MODEL_FIELDS];
    decode_frame frame;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(reader, parts, st));
    if (parts[TOFFEE_MODEL_GRAPH].n == 0) {
        return toffee_reader_fail(reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "the ONNX model has no graph in it");
    }
    if (parts[TOFFEE_MODEL_FUNCTION].n != 0) {
        return toffee_reader_fail(reader, &parts[TOFFEE_MODEL_FUNCTION].last, TOFFEE_ERR_FORMAT, st,
                                  "ONNX models with functions of their own are not supported; "
                                  "inline them first (onnx.inliner.inline_local_functions)");
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_graph(dec, reader, &parts[TOFFEE_MODEL_GRAPH].last, graph, st));
    TOFFEE_RETURN_IF_ERROR(decode_model_header(dec, reader, parts, graph, st));
    TOFFEE_RETURN_IF_ERROR(decode_frame_init(&frame, dec, reader, graph, st));
    return decode_lists(&frame, parts, model_lists, TOFFEE_COUNTOF(model_lists), st);
}

/* One attempt; *AGAIN asks for another with late_enum. */
static toffee_code
decode_attempt(const uint8_t *data, size_t n, toffee_dialect dialect, const char *folder,
               bool late_enum, bool *again, toffee_graph **out, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    toffee_graph *graph = NULL;
    toffee_decoder dec = {.dialect = dialect, .late_enum = late_enum};
    toffee_reader reader;

    *out = NULL;
    *again = false;
    rc = toffee_graph_new(&graph, st);
    if (rc != TOFFEE_OK) {
        goto done;
    }
    dec.scratch = toffee_arena_new();
    if (dec.scratch == NULL) {
        rc = toffee_fail_nomem(st);
        goto done;
    }
    dec.root = graph;
    if (__builtin_mul_overflow((uint64_t)n, 2, &dec.budget) ||
        __builtin_add_overflow(dec.budget, TOFFEE_LOAD_SPARE_BYTES, &dec.budget)) {
        dec.budget = UINT64_MAX;
    }
    dec.external = (toffee_external){.folder = folder, .arena = dec.scratch};
    if (dialect == TOFFEE_DIALECT_ONNX) {
        toffee_reader_init(&reader, data, n, toffee_fields_of(TOFFEE_MESSAGE_MODEL, dialect));
        rc = decode_model(&dec, &reader, graph, st);
    }
    else {
        toffee_reader_init(&reader, data, n, toffee_fields_of(TOFFEE_MESSAGE_GRAPH, dialect));
        rc = toffee_decode_graph(&dec, &reader, NULL, graph, st);
    }
    if (rc != TOFFEE_OK) {
        *again = dec.wants_late_enum;
        goto done;
    }
    *out = graph;
    graph = NULL;
done:
    toffee_arena_free(dec.scratch);
    toffee_graph_free(graph);
    return rc;
}

toffee_code
toffee_decode(const uint8_t *data, size_t n, toffee_dialect dialect, const char *folder,
              toffee_graph **out, toffee_status *st)
{
    bool again = false;
    toffee_code rc = decode_attempt(data, n, dialect, folder, false, &again, out, st);

    if (rc == TOFFEE_ERR_FORMAT && again) {
        rc = decode_attempt(data, n, dialect, folder, true, &again, out, st);
    }
    return rc;
}
