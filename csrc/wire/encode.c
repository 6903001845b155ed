/* csrc/wire/encode.c -- framing: tags, lengths, alignment, and which part comes when. */
#include "wire/encode.h"

#include <inttypes.h>
#include <string.h>

#include "wire/message.h"

#define WIRE_LENGTH_DELIMITED 2
#define WIRE_MAX_VARINT 10
#define WIRE_PADDING ' '

/* Field numbers of the parts that are framed here; all others are protobuf-c's affair. */
enum {
    FIELD_NONE = 0, /* no frame: the fields of the message become fields of what is around it */
    GRAPH_NODE = 1,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT_INFO = 11,
    GRAPH_OUTPUT_INFO = 12,
    GRAPH_VALUE_INFO = 13,
    GRAPH_SPARSE_INITIALIZER = 15,
    GRAPH_METADATA_PROPS = 16,
    GRAPH_OPSET_IMPORT = 20,
    GRAPH_FUNCTION = 25,
    GRAPH_ONNX_MODEL = 26,
    TENSOR_RAW_DATA = 9,
    TENSOR_DOC_STRING = 12,
    MODEL_DOC_STRING = 6,
    MODEL_GRAPH = 7,
    MODEL_OPSET_IMPORT = 8,
    MODEL_METADATA_PROPS = 14,
    MODEL_FUNCTIONS = 25,
};

typedef struct {
    const toffee_graph *graph;
    const toffee_encode_options *options;
    toffee_sink *sink;
    toffee_scratch scratch;
    uint64_t start;       /* offset of the first byte in SINK */
    uint64_t data_offset; /* bytes that went to options->data */
} encoder;

static size_t
varint_write(uint8_t *out, uint64_t value)
{
    size_t n = 0;

    for (; value >= 0x80; value >>= 7) {
        out[n++] = (uint8_t)(value | 0x80);
    }
    out[n++] = (uint8_t)value;
    return n;
}

static size_t
varint_size(uint64_t value)
{
    uint8_t bytes[WIRE_MAX_VARINT];

    return varint_write(bytes, value);
}

/* Bytes of what stands before LENGTH bytes of field number FIELD. */
static size_t
frame_size(uint32_t field, uint64_t length)
{
    return varint_size((uint64_t)field << 3) + varint_size(length);
}

static void
frame_write(toffee_sink *sink, uint32_t field, uint64_t length)
{
    uint8_t bytes[2 * WIRE_MAX_VARINT];
    size_t n = varint_write(bytes, (uint64_t)field << 3 | WIRE_LENGTH_DELIMITED);

    n += varint_write(bytes + n, length);
    toffee_sink_append(sink, bytes, n);
}

/* A text field whose length is chosen so that what follows is aligned: a doc_string, if there is
 * one, and then spaces. Its length is that of the content; NO_TEXT is no field at all, which is
 * where the search begins if there is no doc_string. */
#define NO_TEXT (-1)

static int64_t
padded_first(const toffee_str *doc)
{
    return doc != NULL && doc->length != 0 ? (int64_t)doc->length : NO_TEXT;
}

/* Bytes of the field in all, frame included: 0, or 2 and more. */
static uint64_t
padded_size(uint32_t field, int64_t length)
{
    return length >= 0 ? frame_size(field, (uint64_t)length) + (uint64_t)length : 0;
}

static void
padded_write(toffee_sink *sink, uint32_t field, const toffee_str *doc, int64_t length)
{
    size_t n_doc = doc != NULL ? doc->length : 0;

    if (length >= 0) {
        frame_write(sink, field, (uint64_t)length);
        toffee_sink_append(sink, toffee_str_text(doc), n_doc);
        toffee_sink_fill(sink, WIRE_PADDING, (size_t)length - n_doc);
    }
}

/* Packs MSG as field FIELD, then empties the scratch. KIND and NAME are for errors. */
static toffee_code
encode_part(encoder *e, uint32_t field, const ProtobufCMessage *msg, const char *kind,
            const toffee_str *name, toffee_status *st)
{
    size_t n = protobuf_c_message_get_packed_size(msg);
    uint64_t before = 0;

    if (n > TOFFEE_WIRE_MAX_PART) {
        /* protobuf-c would cut the length to 32 bits without a word. */
        return toffee_fail(st, TOFFEE_ERR_LIMIT,
                           "%s '%s' needs %zu bytes in the file; the limit is %zu. Make its large "
                           "tensors initializers of the graph",
                           kind, toffee_str_text(name), n, TOFFEE_WIRE_MAX_PART);
    }
    if (field != FIELD_NONE) {
        frame_write(e->sink, field, n);
    }
    before = toffee_sink_offset(e->sink);
    if (toffee_sink_is_counter(e->sink)) {
        toffee_sink_append(e->sink, NULL, n);
    }
    else {
        protobuf_c_message_pack_to_buffer(msg, toffee_sink_buffer(e->sink));
    }
    if (toffee_sink_offset(e->sink) - before != n) {
        return toffee_fail(st, TOFFEE_ERR_VALUE, "%s '%s' was changed while it was written", kind,
                           toffee_str_text(name));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_sink_check(e->sink, st));
    return toffee_scratch_reset(&e->scratch, st);
}

static toffee_code
encode_nodes(encoder *e, toffee_status *st)
{
    for (size_t i = 0; i < e->graph->nodes.n; i++) {
        const toffee_node *node = e->graph->nodes.data[i];
        Toffee__NodeProto *msg = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_message_node(&e->scratch, node, &msg, st));
        TOFFEE_RETURN_IF_ERROR(encode_part(e, GRAPH_NODE, &msg->base, "node",
                                           node->name != NULL ? node->name : node->op_type, st));
    }
    return TOFFEE_OK;
}

/* Length of the padded doc_string before the payload of TENSOR, whose message starts at OFFSET and
 * has HEAD bytes before that. It is searched for, since the padding is counted by the lengths in
 * front of it and of the message, which may grow a byte by it: of 128 lengths in a row at least 64
 * in a row have frames of the same size, so one fits. */
static int64_t
initializer_padding(uint64_t offset, size_t head, const toffee_tensor *tensor)
{
    uint64_t n = tensor->n_bytes;
    int64_t length = padded_first(tensor->doc);

    while (n >= TOFFEE_ALIGNMENT) {
        uint64_t before =
            head + padded_size(TENSOR_DOC_STRING, length) + frame_size(TENSOR_RAW_DATA, n);
        uint64_t frame = frame_size(GRAPH_INITIALIZER, before + n);

        if ((offset + frame + before) % TOFFEE_ALIGNMENT == 0) {
            break;
        }
        length++;
    }
    return length;
}

/* The payload goes from the tensor's memory to SINK; if it had to be fetched, it is sent at once
 * and let go, so that no two are held. */
static toffee_code
encode_payload(encoder *e, const toffee_tensor *tensor, toffee_sink *sink, toffee_status *st)
{
    const void *data = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_scratch_hold(&e->scratch, tensor, &data, st));
    toffee_sink_append(sink, data, tensor->n_bytes);
    TOFFEE_RETURN_IF_ERROR(tensor->source != NULL ? toffee_sink_flush(sink, st)
                                                  : toffee_sink_check(sink, st));
    return toffee_scratch_reset(&e->scratch, st);
}

/* An initializer whose bytes are in the file. Only the fields before the bytes are packed by
 * protobuf-c: its lengths are too short for the rest, and the padding has the wrong number. */
static toffee_code
encode_inside(encoder *e, const toffee_tensor *tensor, toffee_status *st)
{
    Toffee__TensorProto *msg = NULL;
    size_t head = 0;
    int64_t padded = 0;

    TOFFEE_RETURN_IF_ERROR(toffee_message_tensor(&e->scratch, tensor, false, &msg, st));
    head = protobuf_c_message_get_packed_size(&msg->base);
    padded = initializer_padding(toffee_sink_offset(e->sink) - e->start, head, tensor);
    frame_write(e->sink, GRAPH_INITIALIZER,
                head + padded_size(TENSOR_DOC_STRING, padded) +
                    frame_size(TENSOR_RAW_DATA, tensor->n_bytes) + tensor->n_bytes);
    TOFFEE_RETURN_IF_ERROR(encode_part(e, FIELD_NONE, &msg->base, "initializer", tensor->name, st));
    padded_write(e->sink, TENSOR_DOC_STRING, tensor->doc, padded);
    frame_write(e->sink, TENSOR_RAW_DATA, tensor->n_bytes);
    return encode_payload(e, tensor, e->sink, st);
}

/* An initializer whose bytes are in the file LOCATION, from OFFSET on. */
static toffee_code
encode_place(encoder *e, const toffee_tensor *tensor, const char *location, uint64_t offset,
             toffee_status *st)
{
    Toffee__TensorProto *msg = NULL;
    Toffee__StringStringEntry entries[] = {
        TOFFEE__STRING_STRING_ENTRY__INIT,
        TOFFEE__STRING_STRING_ENTRY__INIT,
        TOFFEE__STRING_STRING_ENTRY__INIT,
    };
    Toffee__StringStringEntry *pointers[] = {&entries[0], &entries[1], &entries[2]};

    entries[0].key = (char *)"location";
    entries[0].value = (char *)location;
    entries[1].key = (char *)"offset";
    entries[1].value = toffee_arena_printf(e->scratch.arena, "%" PRIu64, offset);
    entries[2].key = (char *)"length";
    entries[2].value = toffee_arena_printf(e->scratch.arena, "%" PRIu64, tensor->n_bytes);
    if (entries[1].value == NULL || entries[2].value == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_message_tensor(&e->scratch, tensor, false, &msg, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(tensor->doc, &msg->doc_string, st));
    msg->n_external_data = TOFFEE_COUNTOF(pointers);
    msg->external_data = pointers;
    msg->has_data_location = true;
    msg->data_location = TOFFEE__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    return encode_part(e, GRAPH_INITIALIZER, &msg->base, "initializer", tensor->name, st);
}

/* An initializer whose bytes go to the file options->location. */
static toffee_code
encode_outside(encoder *e, const toffee_tensor *tensor, toffee_status *st)
{
    uint64_t padding = -e->data_offset % TOFFEE_EXTERNAL_ALIGNMENT;

    TOFFEE_RETURN_IF_ERROR(
        encode_place(e, tensor, e->options->location, e->data_offset + padding, st));
    e->data_offset += padding + tensor->n_bytes;
    if (toffee_sink_is_counter(e->sink)) {
        return TOFFEE_OK;
    }
    toffee_sink_fill(e->options->data, 0, padding);
    return encode_payload(e, tensor, e->options->data, st);
}

static toffee_code
encode_initializer(encoder *e, size_t index, toffee_status *st)
{
    const toffee_tensor *tensor = e->graph->initializers.data[index];
    const toffee_place *place = e->options->places != NULL ? &e->options->places[index] : NULL;
    Toffee__TensorProto *msg = NULL;

    if (tensor->dtype == TOFFEE_DTYPE_STRING) {
        TOFFEE_RETURN_IF_ERROR(toffee_message_tensor(&e->scratch, tensor, true, &msg, st));
        return encode_part(e, GRAPH_INITIALIZER, &msg->base, "initializer", tensor->name, st);
    }
    if (place != NULL && place->location != NULL) {
        return encode_place(e, tensor, place->location, place->offset, st);
    }
    if (e->options->location != NULL && tensor->n_bytes >= TOFFEE_EXTERNAL_MIN_BYTES) {
        return encode_outside(e, tensor, st);
    }
    return encode_inside(e, tensor, st);
}

static toffee_code
encode_initializers(encoder *e, toffee_status *st)
{
    for (size_t i = 0; i < e->graph->initializers.n; i++) {
        const toffee_tensor *tensor = e->graph->initializers.data[i];
        const toffee_value *value = toffee_ptrmap_get(&e->graph->values, tensor->name);

        if (e->options->with_initializers || value == NULL || !value->is_input) {
            TOFFEE_RETURN_IF_ERROR(encode_initializer(e, i, st));
        }
    }
    return TOFFEE_OK;
}

static toffee_code
encode_value(encoder *e, uint32_t field, const toffee_value *value, toffee_status *st)
{
    Toffee__ValueInfoProto *msg = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_message_value(&e->scratch, value, &msg, st));
    return encode_part(e, field, &msg->base, "the type of value", value->name, st);
}

static toffee_code
encode_values(encoder *e, toffee_status *st)
{
    const toffee_graph *graph = e->graph;

    for (size_t i = 0; i < graph->inputs.n; i++) {
        if (toffee_message_lists_input(graph->inputs.data[i], e->options->with_initializers)) {
            TOFFEE_RETURN_IF_ERROR(encode_value(e, GRAPH_INPUT_INFO, graph->inputs.data[i], st));
        }
    }
    for (size_t i = 0; i < graph->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(encode_value(e, GRAPH_OUTPUT_INFO, graph->outputs.data[i], st));
    }
    for (size_t i = 0; i < graph->value_infos.n; i++) {
        TOFFEE_RETURN_IF_ERROR(encode_value(e, GRAPH_VALUE_INFO, graph->value_infos.data[i], st));
    }
    return TOFFEE_OK;
}

/* The properties of GRAPH but for those that stand ELSEWHERE only. */
static toffee_code
encode_props(encoder *e, uint32_t field, toffee_prop_place elsewhere, toffee_status *st)
{
    for (size_t i = 0; i < e->graph->props.n; i++) {
        toffee_prop prop = e->graph->props.data[i];
        Toffee__StringStringEntry *msg = NULL;

        if (prop.place == elsewhere && e->graph->envelope != NULL) {
            continue;
        }
        if (elsewhere == TOFFEE_PROP_IN_MODEL && prop.graph_value != NULL) {
            prop.value = prop.graph_value;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_message_prop(&e->scratch, &prop, &msg, st));
        TOFFEE_RETURN_IF_ERROR(encode_part(e, field, &msg->base, "property", prop.key, st));
    }
    return TOFFEE_OK;
}

static toffee_code
encode_opset(encoder *e, uint32_t field, const toffee_opset *opset, toffee_status *st)
{
    Toffee__OperatorSetId *msg = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_message_opset(&e->scratch, opset, &msg, st));
    return encode_part(e, field, &msg->base, "opset", opset->domain, st);
}

static toffee_code
encode_opsets(encoder *e, uint32_t field, toffee_status *st)
{
    for (size_t i = 0; i < e->graph->opsets.n; i++) {
        TOFFEE_RETURN_IF_ERROR(encode_opset(e, field, &e->graph->opsets.data[i], st));
    }
    return TOFFEE_OK;
}

static toffee_code
encode_sparse(encoder *e, toffee_status *st)
{
    for (size_t i = 0; i < e->graph->sparse_initializers.n; i++) {
        const toffee_sparse *sparse = e->graph->sparse_initializers.data[i];
        Toffee__SparseTensorProto *msg = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_message_sparse(&e->scratch, sparse, &msg, st));
        TOFFEE_RETURN_IF_ERROR(encode_part(e, GRAPH_SPARSE_INITIALIZER, &msg->base,
                                           "sparse initializer", sparse->values->name, st));
    }
    return TOFFEE_OK;
}

static toffee_code
encode_functions(encoder *e, uint32_t field, toffee_status *st)
{
    for (size_t i = 0; i < e->graph->functions.n; i++) {
        const toffee_graph *function = e->graph->functions.data[i];
        Toffee__FunctionProto *msg = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_message_function(&e->scratch, function, &msg, st));
        TOFFEE_RETURN_IF_ERROR(encode_part(e, field, &msg->base, "function", function->name, st));
    }
    return TOFFEE_OK;
}

/* Fields that are not understood, as they were. */
static toffee_code
encode_extra(encoder *e, const toffee_bytes *extra, toffee_status *st)
{
    toffee_sink_append(e->sink, extra->data, extra->n);
    return toffee_sink_check(e->sink, st);
}

/* What a .toffee file says of the ONNX model that the graph is from, in one message. */
static toffee_code
encode_onnx_model(encoder *e, toffee_status *st)
{
    const toffee_graph *graph = e->graph;
    const toffee_envelope *envelope = graph->envelope;
    Toffee__ModelProto *msg = NULL;

    if (envelope == NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_message_envelope(&e->scratch, envelope, &msg, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_text(envelope->doc, &msg->doc_string, st));
    TOFFEE_RETURN_IF_ERROR(MESSAGE_ARRAY(&e->scratch, &msg->metadata_props, graph->props.n));
    for (size_t i = 0; i < graph->props.n; i++) {
        if (graph->props.data[i].place != TOFFEE_PROP_IN_GRAPH) {
            TOFFEE_RETURN_IF_ERROR(toffee_message_prop(&e->scratch, &graph->props.data[i],
                                                       &msg->metadata_props[msg->n_metadata_props],
                                                       st));
            msg->n_metadata_props++;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_message_extra(&e->scratch, &envelope->extra, &msg->base, st));
    return encode_part(e, GRAPH_ONNX_MODEL, &msg->base, "the ONNX envelope of graph", graph->name,
                       st);
}

/* The parts in the order of their numbers, and what is not understood. */
static toffee_code
encode_graph_parts(encoder *e, toffee_status *st)
{
    Toffee__GraphProto *msg = NULL;

    TOFFEE_RETURN_IF_ERROR(encode_nodes(e, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_names(&e->scratch, e->graph, &msg, st));
    TOFFEE_RETURN_IF_ERROR(encode_part(e, FIELD_NONE, &msg->base, "graph", e->graph->name, st));
    TOFFEE_RETURN_IF_ERROR(encode_initializers(e, st));
    TOFFEE_RETURN_IF_ERROR(toffee_message_about(&e->scratch, e->graph, &msg, st));
    TOFFEE_RETURN_IF_ERROR(encode_part(e, FIELD_NONE, &msg->base, "graph", e->graph->name, st));
    if (e->scratch.late) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(encode_values(e, st));
    TOFFEE_RETURN_IF_ERROR(encode_sparse(e, st));
    TOFFEE_RETURN_IF_ERROR(encode_props(e, GRAPH_METADATA_PROPS, TOFFEE_PROP_IN_MODEL, st));
    TOFFEE_RETURN_IF_ERROR(encode_opsets(e, GRAPH_OPSET_IMPORT, st));
    if (!e->options->in_model) {
        TOFFEE_RETURN_IF_ERROR(encode_functions(e, GRAPH_FUNCTION, st));
        TOFFEE_RETURN_IF_ERROR(encode_onnx_model(e, st));
    }
    return encode_extra(e, &e->graph->extra, st);
}

/* On success the caller ends with toffee_scratch_close. */
static toffee_code
encoder_open(encoder *e, const toffee_graph *graph, const toffee_encode_options *options,
             toffee_sink *sink, toffee_status *st)
{
    *e = (encoder){
        .graph = graph, .options = options, .sink = sink, .start = toffee_sink_offset(sink)};
    TOFFEE_RETURN_IF_ERROR(toffee_scratch_open(&e->scratch, st));
    e->scratch.sizes_only = toffee_sink_is_counter(sink);
    e->scratch.late = graph->ir_version == 1;
    return TOFFEE_OK;
}

toffee_code
toffee_encode_graph(const toffee_graph *graph, const toffee_encode_options *options,
                    toffee_sink *sink, toffee_status *st)
{
    encoder e;
    toffee_code rc = encoder_open(&e, graph, options, sink, st);

    if (rc != TOFFEE_OK) {
        return rc;
    }
    rc = encode_graph_parts(&e, st);
    toffee_scratch_close(&e.scratch);
    return rc;
}

static toffee_code
encode_count_graph(const toffee_graph *graph, const toffee_encode_options *options,
                   uint64_t *n_bytes, toffee_status *st)
{
    toffee_sink *counter = NULL;
    toffee_code rc = toffee_sink_open_counter(&counter, st);

    if (rc == TOFFEE_OK) {
        rc = toffee_encode_graph(graph, options, counter, st);
        *n_bytes = toffee_sink_offset(counter);
    }
    toffee_sink_discard(&counter);
    return rc;
}

/* Fields 1 to 6, so long that the graph after them, of GRAPH_BYTES bytes, is aligned; and its
 * frame. What a model said that the graph is from, it says again. */
static toffee_code
encode_model_head(encoder *e, const toffee_encode_envelope *envelope, uint64_t graph_bytes,
                  toffee_status *st)
{
    Toffee__ModelProto own = TOFFEE__MODEL_PROTO__INIT;
    Toffee__ModelProto *msg = &own;
    const toffee_envelope *said = e->graph->envelope;
    const toffee_str *doc = said != NULL ? said->doc : NULL;
    int64_t padded = padded_first(doc);
    uint64_t head = 0;

    own.has_ir_version = true;
    own.ir_version = TOFFEE_ONNX_IR_VERSION;
    own.producer_name = (char *)envelope->producer;
    own.producer_version = (char *)envelope->producer_version;
    if (said != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_message_envelope(&e->scratch, said, &msg, st));
    }
    msg->domain = e->graph->domain != NULL ? (char *)e->graph->domain->text : NULL;
    TOFFEE_RETURN_IF_ERROR(encode_part(e, FIELD_NONE, &msg->base, "model", e->graph->name, st));
    head = toffee_sink_offset(e->sink) - e->start + frame_size(MODEL_GRAPH, graph_bytes);
    while ((head + padded_size(MODEL_DOC_STRING, padded)) % TOFFEE_ALIGNMENT != 0) {
        padded++;
    }
    padded_write(e->sink, MODEL_DOC_STRING, doc, padded);
    frame_write(e->sink, MODEL_GRAPH, graph_bytes);
    return TOFFEE_OK;
}

/* Fields 8, 14 and 25. A graph that does not say which version of ONNX's operators it speaks, as
 * one made by hand, speaks the one that toffee does; one from an ONNX model may do without them. */
static toffee_code
encode_model_tail(encoder *e, toffee_status *st)
{
    toffee_opset own = {.version = TOFFEE_OPSET};
    const toffee_graph *graph = e->graph;

    if (toffee_graph_opset(graph, "") == 0 && (graph->envelope == NULL || graph->opsets.n == 0)) {
        TOFFEE_RETURN_IF_ERROR(encode_opset(e, MODEL_OPSET_IMPORT, &own, st));
    }
    TOFFEE_RETURN_IF_ERROR(encode_opsets(e, MODEL_OPSET_IMPORT, st));
    TOFFEE_RETURN_IF_ERROR(encode_props(e, MODEL_METADATA_PROPS, TOFFEE_PROP_IN_GRAPH, st));
    TOFFEE_RETURN_IF_ERROR(encode_functions(e, MODEL_FUNCTIONS, st));
    return graph->envelope != NULL ? encode_extra(e, &graph->envelope->extra, st) : TOFFEE_OK;
}

static toffee_code
encode_model_parts(encoder *e, const toffee_encode_envelope *envelope, uint64_t graph_bytes,
                   toffee_status *st)
{
    uint64_t before = 0;

    TOFFEE_RETURN_IF_ERROR(encode_model_head(e, envelope, graph_bytes, st));
    before = toffee_sink_offset(e->sink);
    if (toffee_sink_is_counter(e->sink)) {
        toffee_sink_append(e->sink, NULL, graph_bytes);
    }
    else {
        TOFFEE_RETURN_IF_ERROR(toffee_encode_graph(e->graph, e->options, e->sink, st));
    }
    if (toffee_sink_offset(e->sink) - before != graph_bytes) {
        return toffee_fail(st, TOFFEE_ERR_VALUE, "graph '%s' was changed while it was written",
                           toffee_str_text(e->graph->name));
    }
    return encode_model_tail(e, st);
}

toffee_code
toffee_encode_model(const toffee_graph *graph, const toffee_encode_options *options,
                    const toffee_encode_envelope *envelope, toffee_sink *sink, toffee_status *st)
{
    toffee_encode_options inside = *options;
    encoder e;
    uint64_t graph_bytes = 0;
    toffee_code rc = TOFFEE_OK;

    if (graph->ir_version == 1) {
        return toffee_fail(st, TOFFEE_ERR_VALUE,
                           "graph '%s' has the operators of 2017 (ir_version 1), which ONNX files "
                           "cannot hold; save it in the toffee format",
                           toffee_str_text(graph->name));
    }
    inside.in_model = true;
    rc = encode_count_graph(graph, &inside, &graph_bytes, st);
    if (rc == TOFFEE_OK) {
        rc = encoder_open(&e, graph, &inside, sink, st);
    }
    if (rc != TOFFEE_OK) {
        return rc;
    }
    rc = encode_model_parts(&e, envelope, graph_bytes, st);
    toffee_scratch_close(&e.scratch);
    return rc;
}
