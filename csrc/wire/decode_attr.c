/* csrc/wire/decode_attr.c -- attributes of nodes. */
#include <string.h>

#include "wire/decode.h"

/* One attribute while it is read. */
typedef struct {
    toffee_decoder *dec;
    toffee_reader *reader;
    toffee_graph *graph;
    const toffee_part *part; /* the field of its type */
    toffee_attr *attr;
} attr_frame;

/* ---- one value ---- */

static toffee_code
attr_float(attr_frame *frame, toffee_status *st)
{
    (void)st;
    if (frame->part->n != 0) {
        memcpy(&frame->attr->f, frame->part->last.bytes.data, sizeof(frame->attr->f));
    }
    return TOFFEE_OK;
}

static toffee_code
attr_int(attr_frame *frame, toffee_status *st)
{
    (void)st;
    frame->attr->i = (int64_t)frame->part->last.value;
    return TOFFEE_OK;
}

static toffee_code
attr_string(attr_frame *frame, toffee_status *st)
{
    const toffee_bytes *bytes = &frame->part->last.bytes;

    frame->attr->s.n = bytes->n;
    frame->attr->s.data = toffee_arena_copy(frame->graph->arena, bytes->data, bytes->n);
    return frame->attr->s.data != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

static toffee_code
attr_missing(attr_frame *frame, toffee_status *st)
{
    return toffee_reader_fail(frame->reader, NULL, TOFFEE_ERR_FORMAT, st,
                              "attribute '%.200s' has the type %s and no value",
                              frame->attr->name->text, toffee_attr_type_name(frame->attr->type));
}

static toffee_code
attr_tensor(attr_frame *frame, toffee_status *st)
{
    return frame->part->n != 0 ? toffee_decode_tensor(frame->dec, frame->reader, &frame->part->last,
                                                      frame->graph, &frame->attr->t, st)
                               : attr_missing(frame, st);
}

/* A graph inside the graph of the node. */
static toffee_code
attr_subgraph(attr_frame *frame, const toffee_item *item, toffee_graph **out, toffee_status *st)
{
    void *nothing = NULL;

    /* The smallest graph takes two bytes in a file, and more than two hundred here. */
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, frame->reader, item, 0, 0, &nothing, st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_new_inside(frame->graph, out, st));
    return toffee_decode_graph(frame->dec, frame->reader, item, *out, st);
}

static toffee_code
attr_graph(attr_frame *frame, toffee_status *st)
{
    return frame->part->n != 0 ? attr_subgraph(frame, &frame->part->last, &frame->attr->g, st)
                               : attr_missing(frame, st);
}

/* ---- lists ---- */

static toffee_code
attr_floats(attr_frame *frame, toffee_status *st)
{
    size_t n = (size_t)frame->part->n_numbers;
    void *floats = NULL;
    size_t used = 0;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, frame->reader, NULL, n, sizeof(float), &floats, st));
    toffee_reader_seek(frame->reader, frame->part);
    for (size_t i = 0; i < frame->part->n && used < n; i++) {
        toffee_item item = {0};
        size_t more = 0;

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, frame->part, &item, st));
        more = item.bytes.n / sizeof(float);
        more = more < n - used ? more : n - used;
        memcpy((float *)floats + used, item.bytes.data, more * sizeof(float));
        used += more;
    }
    frame->attr->n = n;
    frame->attr->floats = floats;
    return TOFFEE_OK;
}

static toffee_code
attr_ints(attr_frame *frame, toffee_status *st)
{
    size_t n = (size_t)frame->part->n_numbers;
    void *ints = NULL;
    size_t used = 0;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, frame->reader, NULL, n, sizeof(int64_t), &ints, st));
    toffee_reader_seek(frame->reader, frame->part);
    for (size_t i = 0; i < frame->part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, frame->part, &item, st));
        while (item.bytes.n != 0 && used < n) {
            ((int64_t *)ints)[used++] = (int64_t)toffee_reader_take_varint(&item.bytes);
        }
    }
    frame->attr->n = n;
    frame->attr->ints = ints;
    return TOFFEE_OK;
}

static toffee_code
attr_strings(attr_frame *frame, toffee_status *st)
{
    frame->attr->n = frame->part->n;
    return toffee_decode_strings(frame->dec, frame->reader, frame->part, &frame->attr->strings, st);
}

/* Reads the element ITEM of a list into its PLACE in the array. */
typedef toffee_code (*attr_element)(attr_frame *frame, const toffee_item *item, void *place,
                                    toffee_status *st);

/* The messages of the part, in order, as an array of elements of SIZE bytes. */
static toffee_code
attr_list(attr_frame *frame, attr_element decode, size_t size, void **out, toffee_status *st)
{
    size_t n = frame->part->n;

    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(frame->dec, frame->reader, NULL, n, size, out, st));
    toffee_reader_seek(frame->reader, frame->part);
    for (size_t i = 0; i < n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, frame->part, &item, st));
        TOFFEE_RETURN_IF_ERROR(decode(frame, &item, (char *)*out + i * size, st));
    }
    frame->attr->n = n;
    return TOFFEE_OK;
}

static toffee_code
element_tensor(attr_frame *frame, const toffee_item *item, void *place, toffee_status *st)
{
    return toffee_decode_tensor(frame->dec, frame->reader, item, frame->graph, place, st);
}

static toffee_code
element_graph(attr_frame *frame, const toffee_item *item, void *place, toffee_status *st)
{
    return attr_subgraph(frame, item, place, st);
}

static toffee_code
element_sparse(attr_frame *frame, const toffee_item *item, void *place, toffee_status *st)
{
    return toffee_decode_sparse(frame->dec, frame->reader, item, frame->graph, place, st);
}

static toffee_code
element_type(attr_frame *frame, const toffee_item *item, void *place, toffee_status *st)
{
    return toffee_decode_type(frame->dec, frame->reader, item, place, st);
}

static toffee_code
attr_tensors(attr_frame *frame, toffee_status *st)
{
    void *tensors = NULL;

    TOFFEE_RETURN_IF_ERROR(attr_list(frame, element_tensor, sizeof(toffee_tensor *), &tensors, st));
    frame->attr->tensors = tensors;
    return TOFFEE_OK;
}

static toffee_code
attr_graphs(attr_frame *frame, toffee_status *st)
{
    void *graphs = NULL;

    TOFFEE_RETURN_IF_ERROR(attr_list(frame, element_graph, sizeof(toffee_graph *), &graphs, st));
    frame->attr->graphs = graphs;
    return TOFFEE_OK;
}

static toffee_code
attr_sparse(attr_frame *frame, toffee_status *st)
{
    void *sparse = NULL;

    TOFFEE_RETURN_IF_ERROR(attr_list(frame, element_sparse, sizeof(toffee_sparse *), &sparse, st));
    frame->attr->sparse = sparse;
    return TOFFEE_OK;
}

static toffee_code
attr_types(attr_frame *frame, toffee_status *st)
{
    void *types = NULL;

    TOFFEE_RETURN_IF_ERROR(attr_list(frame, element_type, sizeof(toffee_type), &types, st));
    frame->attr->types = types;
    return TOFFEE_OK;
}

/* One of what LIST reads: a list of one, of which the last in the file counts. */
static toffee_code
attr_last(attr_frame *frame, toffee_code (*list)(attr_frame *frame, toffee_status *st),
          toffee_status *st)
{
    toffee_part last = *frame->part;

    if (last.n == 0) {
        return attr_missing(frame, st);
    }
    last.n = 1;
    last.first = last.last.tag;
    frame->part = &last;
    return list(frame, st);
}

static toffee_code
attr_one_sparse(attr_frame *frame, toffee_status *st)
{
    return attr_last(frame, attr_sparse, st);
}

static toffee_code
attr_one_type(attr_frame *frame, toffee_status *st)
{
    return attr_last(frame, attr_types, st);
}

/* ---- the attribute ---- */

/* By field, in the order of toffee_attr_type. */
static toffee_code (*const attr_readers[TOFFEE_N_ATTR_VALUE_FIELDS])(attr_frame *,
                                                                     toffee_status *) = {
    [TOFFEE_ATTR_FIELD_F] = attr_float,           [TOFFEE_ATTR_FIELD_I] = attr_int,
    [TOFFEE_ATTR_FIELD_S] = attr_string,          [TOFFEE_ATTR_FIELD_T] = attr_tensor,
    [TOFFEE_ATTR_FIELD_G] = attr_graph,           [TOFFEE_ATTR_FIELD_FLOATS] = attr_floats,
    [TOFFEE_ATTR_FIELD_INTS] = attr_ints,         [TOFFEE_ATTR_FIELD_STRINGS] = attr_strings,
    [TOFFEE_ATTR_FIELD_TENSORS] = attr_tensors,   [TOFFEE_ATTR_FIELD_GRAPHS] = attr_graphs,
    [TOFFEE_ATTR_FIELD_SPARSE] = attr_one_sparse, [TOFFEE_ATTR_FIELD_SPARSES] = attr_sparse,
    [TOFFEE_ATTR_FIELD_TP] = attr_one_type,       [TOFFEE_ATTR_FIELD_TPS] = attr_types,
};

/* The type that is said, or else the one of the field that is there. */
static toffee_code
attr_find_type(attr_frame *frame, const toffee_part *parts, toffee_status *st)
{
    const toffee_part *said = &parts[TOFFEE_ATTR_FIELD_TYPE];
    uint64_t type = said->last.value;
    size_t n_set = 0;
    size_t set = 0;

    for (size_t i = 0; i < TOFFEE_N_ATTR_VALUE_FIELDS; i++) {
        if (parts[i].n != 0) {
            n_set++;
            set = i;
        }
    }
    if (type > TOFFEE_ATTR_TYPE_PROTOS) {
        return toffee_reader_fail(frame->reader, &said->last, TOFFEE_ERR_FORMAT, st,
                                  "%llu is no attribute type that toffee knows (1 to %d)",
                                  (unsigned long long)type, TOFFEE_ATTR_TYPE_PROTOS);
    }
    if (n_set > 1) {
        return toffee_reader_fail(frame->reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "attribute '%.200s' has values of %zu types",
                                  frame->attr->name->text, n_set);
    }
    if (type != TOFFEE_ATTR_UNDEFINED) {
        if (n_set == 1 && set + 1 != type) {
            return toffee_reader_fail(frame->reader, &parts[set].last, TOFFEE_ERR_FORMAT, st,
                                      "attribute '%.200s' has the type %s but a value of type %s",
                                      frame->attr->name->text,
                                      toffee_attr_type_name((toffee_attr_type)type),
                                      toffee_attr_type_name((toffee_attr_type)(set + 1)));
        }
    }
    else if (n_set == 1) {
        type = set + 1;
    }
    else if (frame->dec->dialect == TOFFEE_DIALECT_EARLY ||
             frame->dec->dialect == TOFFEE_DIALECT_LATE) {
        /* An empty list leaves no trace in the bytes, and 2017 wrote no type. Of all lists only
         * ints were ever empty. */
        type = TOFFEE_ATTR_INTS;
    }
    else {
        return toffee_reader_fail(frame->reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "attribute '%.200s' has neither a type nor a value",
                                  frame->attr->name->text);
    }
    frame->attr->type = (toffee_attr_type)type;
    frame->part = &parts[type - 1];
    return TOFFEE_OK;
}

/* An attribute that stands for one of the function around it: it has a type and no value. */
static toffee_code
attr_reference(attr_frame *frame, const toffee_part *parts, toffee_status *st)
{
    uint64_t type = parts[TOFFEE_ATTR_FIELD_TYPE].last.value;

    if (type > TOFFEE_ATTR_TYPE_PROTOS) {
        return toffee_reader_fail(frame->reader, &parts[TOFFEE_ATTR_FIELD_TYPE].last,
                                  TOFFEE_ERR_FORMAT, st,
                                  "%llu is no attribute type that toffee knows (1 to %d)",
                                  (unsigned long long)type, TOFFEE_ATTR_TYPE_PROTOS);
    }
    for (size_t i = 0; i < TOFFEE_N_ATTR_VALUE_FIELDS; i++) {
        if (parts[i].n != 0) {
            return toffee_reader_fail(frame->reader, &parts[i].last, TOFFEE_ERR_FORMAT, st,
                                      "attribute '%.200s' refers to attribute '%.200s' of the "
                                      "function and has a value too",
                                      frame->attr->name->text, frame->attr->ref->text);
        }
    }
    frame->attr->type = (toffee_attr_type)type;
    return TOFFEE_OK;
}

/* Early attributes knew tensors and graphs only as lists: a list of one is what later is one. */
static void
attr_unlist(toffee_attr *attr)
{
    if (attr->type == TOFFEE_ATTR_TENSORS && attr->n == 1) {
        *attr = (toffee_attr){.name = attr->name,
                              .doc = attr->doc,
                              .type = TOFFEE_ATTR_TENSOR,
                              .t = attr->tensors[0]};
    }
    else if (attr->type == TOFFEE_ATTR_GRAPHS && attr->n == 1) {
        *attr = (toffee_attr){
            .name = attr->name, .doc = attr->doc, .type = TOFFEE_ATTR_GRAPH, .g = attr->graphs[0]};
    }
}

toffee_code
toffee_decode_attr(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item,
                   toffee_graph *graph, toffee_attr *out, toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_ATTR_FIELDS];
    attr_frame frame = {.dec = dec, .reader = &reader, .graph = graph, .attr = out};

    *out = (toffee_attr){0};
    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_ATTR, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    if (parts[TOFFEE_ATTR_FIELD_NAME].n != 0) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_decode_key(dec, &reader, &parts[TOFFEE_ATTR_FIELD_NAME].last, &out->name, st));
    }
    if (out->name == NULL) {
        return toffee_reader_fail(&reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "the attribute has no name");
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_part(dec, &reader, &parts[TOFFEE_ATTR_FIELD_DOC], &out->doc, st));
    if (parts[TOFFEE_ATTR_FIELD_REF].n != 0) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_decode_key(dec, &reader, &parts[TOFFEE_ATTR_FIELD_REF].last, &out->ref, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_decode_extra(dec, &reader, &out->extra, st));
    if (out->ref != NULL) {
        return attr_reference(&frame, parts, st);
    }
    TOFFEE_RETURN_IF_ERROR(attr_find_type(&frame, parts, st));
    TOFFEE_RETURN_IF_ERROR(attr_readers[out->type - 1](&frame, st));
    if (dec->dialect == TOFFEE_DIALECT_EARLY) {
        attr_unlist(out);
    }
    return TOFFEE_OK;
}
