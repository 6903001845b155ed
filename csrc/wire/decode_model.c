/* csrc/wire/decode_model.c -- a whole file: the envelope of an ONNX model, and toffee's own. */
#include <string.h>

#include "wire/decode.h"

/* Whether ENVELOPE says nothing but what toffee puts around any graph. */
static bool
envelope_is_own(const toffee_envelope *envelope, const toffee_graph *graph)
{
    bool own = envelope->ir_version == TOFFEE_ONNX_IR_VERSION && !envelope->has_model_version &&
               toffee_str_is(envelope->producer_name, "toffee") &&
               envelope->producer_version == NULL && envelope->doc == NULL &&
               envelope->extra.n == 0 && graph->opsets.n != 0;

    for (size_t i = 0; i < graph->props.n && own; i++) {
        own = graph->props.data[i].place == TOFFEE_PROP_IN_BOTH &&
              graph->props.data[i].graph_value == NULL;
    }
    return own;
}

/* TEXT without the spaces at its end, which toffee pads with; NULL if that is all there is. */
toffee_code
toffee_decode_padded(toffee_decoder *dec, toffee_reader *reader, const toffee_part *part,
                     const toffee_str **out, toffee_status *st)
{
    toffee_item item = part->last;

    *out = NULL;
    while (item.bytes.n != 0 && item.bytes.data[item.bytes.n - 1] == ' ') {
        item.bytes.n--;
    }
    return item.bytes.n != 0 ? toffee_decode_text(dec, reader, &item, out, st) : TOFFEE_OK;
}

/* What the envelope says and the graph in it does not, into the graph; all of it is kept besides.
 */
static toffee_code
decode_header(toffee_decoder *dec, toffee_reader *reader, const toffee_part *parts,
              toffee_envelope *envelope, toffee_status *st)
{
    toffee_graph *graph = dec->root;

    envelope->ir_version = (int64_t)parts[TOFFEE_MODEL_IR_VERSION].last.value;
    envelope->model_version = (int64_t)parts[TOFFEE_MODEL_VERSION].last.value;
    envelope->has_model_version = parts[TOFFEE_MODEL_VERSION].n != 0;
    TOFFEE_RETURN_IF_ERROR(toffee_decode_part(dec, reader, &parts[TOFFEE_MODEL_PRODUCER_NAME],
                                              &envelope->producer_name, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_part(dec, reader, &parts[TOFFEE_MODEL_PRODUCER_VERSION],
                                              &envelope->producer_version, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_padded(dec, reader, &parts[TOFFEE_MODEL_DOC], &envelope->doc, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_extra(dec, reader, &envelope->extra, st));
    if (graph->producer_tag == NULL) {
        graph->producer_tag = envelope->producer_name;
    }
    if (graph->domain == NULL) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_decode_part(dec, reader, &parts[TOFFEE_MODEL_DOMAIN], &graph->domain, st));
    }
    if (graph->doc == NULL) {
        graph->doc = envelope->doc;
        envelope->lends_doc = envelope->doc != NULL;
    }
    if (graph->ir_version == 0) {
        graph->ir_version =
            TOFFEE_IR_VERSION; /* its nodes are ONNX nodes, which is what that says */
    }
    return TOFFEE_OK;
}

/* The message of READER, whose parts are PARTS, into the graph at hand; without what a .toffee file
 * has in other places if PROPS_ONLY. */
static toffee_code
decode_envelope_parts(toffee_decoder *dec, toffee_reader *reader, const toffee_part *parts,
                      bool props_only, toffee_status *st)
{
    void *envelope = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(dec, reader, NULL, 1, sizeof(toffee_envelope), &envelope, st));
    TOFFEE_RETURN_IF_ERROR(decode_header(dec, reader, parts, envelope, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_model_lists(dec, reader, parts, props_only, st));
    dec->root->envelope = envelope_is_own(envelope, dec->root) ? NULL : envelope;
    return TOFFEE_OK;
}

toffee_code
toffee_decode_envelope(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item,
                       toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_MODEL_FIELDS];

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_MODEL, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    return decode_envelope_parts(dec, &reader, parts, true, st);
}

static toffee_code
decode_model(toffee_decoder *dec, toffee_reader *reader, toffee_status *st)
{
    toffee_part parts[TOFFEE_N_MODEL_FIELDS];

    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(reader, parts, st));
    if (parts[TOFFEE_MODEL_GRAPH].n == 0) {
        return toffee_reader_fail(reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "the ONNX model has no graph in it");
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_graph(dec, reader, &parts[TOFFEE_MODEL_GRAPH].last, dec->root, st));
    return decode_envelope_parts(dec, reader, parts, false, st);
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
        rc = decode_model(&dec, &reader, st);
    }
    else {
        toffee_reader_init(&reader, data, n, toffee_fields_of(TOFFEE_MESSAGE_FILE, dialect));
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
