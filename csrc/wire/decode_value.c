/* csrc/wire/decode_value.c -- values and their declared types. */
#include <string.h>

#include "wire/decode.h"

toffee_code
toffee_decode_value(toffee_decoder *dec, toffee_reader *reader, const toffee_item *item,
                    toffee_graph *graph, toffee_value **out, toffee_status *st)
{
    const toffee_str *name = NULL;

    *out = NULL;
    TOFFEE_RETURN_IF_ERROR(toffee_decode_text(dec, reader, item, &name, st));
    return name != NULL ? toffee_graph_value(graph, name, out, st) : TOFFEE_OK;
}

toffee_code
toffee_decode_named_value(toffee_decoder *dec, toffee_reader *reader, const toffee_item *item,
                          toffee_graph *graph, toffee_value **out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_decode_value(dec, reader, item, graph, out, st));
    return *out != NULL
               ? TOFFEE_OK
               : toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st, "the name is empty");
}

/* One type while it is read. */
typedef struct {
    toffee_decoder *dec;
    bool plain; /* writing what is understood gives the same bytes again, or as good as */
} type_frame;

static toffee_code
decode_dim(type_frame *frame, toffee_reader *outer, const toffee_item *item, toffee_dim *out,
           toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_DIM_FIELDS];
    const toffee_part *value = &parts[TOFFEE_DIM_VALUE];
    const toffee_part *param = &parts[TOFFEE_DIM_PARAM];

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_DIM, frame->dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    out->value = -1;
    if (value->n != 0 && (int64_t)value->last.value >= 0) {
        out->value = (int64_t)value->last.value;
    }
    frame->plain = frame->plain && reader.n_unknown == 0 && value->n + param->n <= 1 &&
                   (value->n == 0 || out->value >= 0) &&
                   (param->n == 0 || param->last.bytes.n != 0);
    return toffee_decode_part(frame->dec, &reader, param, &out->param, st);
}

static toffee_code
decode_shape(type_frame *frame, toffee_reader *outer, const toffee_item *item, toffee_type *out,
             toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_SHAPE_FIELDS];
    const toffee_part *list = &parts[TOFFEE_SHAPE_DIM];
    void *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_SHAPE, frame->dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    if (list->n > TOFFEE_MAX_RANK) {
        return toffee_reader_fail(&reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "%zu dimensions; the limit is %d", list->n, TOFFEE_MAX_RANK);
    }
    frame->plain = frame->plain && reader.n_unknown == 0;
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, &reader, NULL, list->n, sizeof(toffee_dim), &dims, st));
    toffee_reader_seek(&reader, list);
    for (size_t i = 0; i < list->n; i++) {
        toffee_item dim = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(&reader, list, &dim, st));
        TOFFEE_RETURN_IF_ERROR(decode_dim(frame, &reader, &dim, (toffee_dim *)dims + i, st));
    }
    out->rank = (int32_t)list->n;
    out->dims = dims;
    return TOFFEE_OK;
}

static toffee_code
decode_dtype(toffee_reader *reader, const toffee_part *part, toffee_dtype *out, toffee_status *st)
{
    *out = TOFFEE_DTYPE_UNDEFINED;
    if (part->n == 0 || part->last.value == TOFFEE_DTYPE_UNDEFINED) {
        return TOFFEE_OK;
    }
    if (!toffee_dtype_known((int64_t)part->last.value)) {
        return toffee_reader_fail(reader, &part->last, TOFFEE_ERR_FORMAT, st,
                                  "%lld is no element type that toffee knows (1 to %d)",
                                  (long long)part->last.value, TOFFEE_N_DTYPES - 1);
    }
    *out = (toffee_dtype)part->last.value;
    return TOFFEE_OK;
}

/* Element type and shape, of a tensor or a sparse one. */
static toffee_code
decode_tensor_type(type_frame *frame, toffee_reader *outer, const toffee_item *item,
                   toffee_type *out, toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_TENSOR_TYPE_FIELDS];
    const toffee_part *shape = &parts[TOFFEE_TENSOR_TYPE_SHAPE];

    TOFFEE_RETURN_IF_ERROR(
        toffee_reader_enter(&reader, outer, item,
                            toffee_fields_of(TOFFEE_MESSAGE_TENSOR_TYPE, frame->dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    TOFFEE_RETURN_IF_ERROR(decode_dtype(&reader, &parts[TOFFEE_TENSOR_TYPE_ELEM], &out->dtype, st));
    frame->plain = frame->plain && reader.n_unknown == 0 && shape->n <= 1 &&
                   out->dtype != TOFFEE_DTYPE_UNDEFINED;
    return shape->n != 0 ? decode_shape(frame, &reader, &shape->last, out, st) : TOFFEE_OK;
}

/* A sparse tensor's element type and shape are those of its element, which is a tensor's type. */
static toffee_code
decode_sparse_type(type_frame *frame, toffee_reader *reader, const toffee_item *item,
                   toffee_type_more *more, toffee_status *st)
{
    void *elem = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, reader, item, 1, sizeof(toffee_type), &elem, st));
    *(toffee_type *)elem = (toffee_type){.rank = -1};
    more->elem = elem;
    return decode_tensor_type(frame, reader, item, elem, st);
}

/* The type ITEM of READER, inside another one. */
static toffee_code
decode_inner_type(type_frame *frame, toffee_reader *reader, const toffee_part *part,
                  toffee_type_more *more, toffee_status *st)
{
    void *elem = NULL;

    if (part->n == 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, reader, &part->last, 1, sizeof(toffee_type), &elem, st));
    more->elem = elem;
    return toffee_decode_type(frame->dec, reader, &part->last, elem, st);
}

static toffee_code
decode_elem_type(type_frame *frame, toffee_reader *outer, const toffee_item *item,
                 toffee_type_more *more, toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_ELEM_TYPE_FIELDS];

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_ELEM_TYPE, frame->dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    return decode_inner_type(frame, &reader, &parts[TOFFEE_ELEM_TYPE_ELEM], more, st);
}

static toffee_code
decode_map_type(type_frame *frame, toffee_reader *outer, const toffee_item *item,
                toffee_type_more *more, toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_MAP_TYPE_FIELDS];

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_MAP_TYPE, frame->dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    TOFFEE_RETURN_IF_ERROR(decode_dtype(&reader, &parts[TOFFEE_MAP_TYPE_KEY], &more->key, st));
    return decode_inner_type(frame, &reader, &parts[TOFFEE_MAP_TYPE_VALUE], more, st);
}

/* By field, in the order of toffee_type_kind. The first is not like the others. */
static toffee_code (*const type_readers[TOFFEE_N_TYPE_FIELDS])(type_frame *, toffee_reader *,
                                                               const toffee_item *,
                                                               toffee_type_more *,
                                                               toffee_status *) = {
    [TOFFEE_TYPE_SEQUENCE] = decode_elem_type,
    [TOFFEE_TYPE_OPTIONAL] = decode_elem_type,
    [TOFFEE_TYPE_MAP] = decode_map_type,
    [TOFFEE_TYPE_SPARSE] = decode_sparse_type,
};
_Static_assert((int)TOFFEE_TYPE_SPARSE == (int)TOFFEE_TYPE_IS_SPARSE &&
                   (int)TOFFEE_TYPE_SEQUENCE == (int)TOFFEE_TYPE_IS_SEQUENCE,
               "the fields are in the order of the kinds");

/* What ITEM says beyond a plain tensor's type, with its bytes. */
static toffee_code
decode_type_more(type_frame *frame, toffee_reader *reader, const toffee_item *item,
                 toffee_type_more **out, toffee_status *st)
{
    void *more = NULL;
    void *raw = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, reader, NULL, 1, sizeof(toffee_type_more), &more, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, reader, NULL, item->bytes.n, 1, &raw, st));
    if (item->bytes.n != 0) {
        memcpy(raw, item->bytes.data, item->bytes.n);
    }
    *out = more;
    (*out)->raw = (toffee_bytes){.data = raw, .n = item->bytes.n};
    return TOFFEE_OK;
}

toffee_code
toffee_decode_type(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item,
                   toffee_type *out, toffee_status *st)
{
    type_frame frame = {.dec = dec, .plain = true};
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_TYPE_FIELDS];
    toffee_type_more *more = NULL;
    size_t n_set = 0;
    size_t kind = TOFFEE_TYPE_TENSOR;

    *out = (toffee_type){.rank = -1};
    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_TYPE, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    for (size_t i = 0; i < TOFFEE_N_TYPE_FIELDS; i++) {
        n_set += parts[i].n;
        kind = parts[i].n != 0 ? i : kind;
    }
    if (n_set == 1 && kind == TOFFEE_TYPE_TENSOR) {
        TOFFEE_RETURN_IF_ERROR(decode_tensor_type(&frame, &reader, &parts[kind].last, out, st));
        if (frame.plain && reader.n_unknown == 0) {
            return TOFFEE_OK;
        }
    }
    TOFFEE_RETURN_IF_ERROR(decode_type_more(&frame, &reader, item, &more, st));
    out->more = more;
    if (n_set != 1) {
        /* Of several kinds, or of one that we do not know; but an empty type only says nothing. */
        more->kind =
            n_set != 0 || reader.n_unknown != 0 ? TOFFEE_TYPE_IS_OPAQUE : TOFFEE_TYPE_IS_TENSOR;
        return TOFFEE_OK;
    }
    more->kind = (toffee_type_kind)kind;
    return kind != TOFFEE_TYPE_TENSOR
               ? type_readers[kind](&frame, &reader, &parts[kind].last, more, st)
               : TOFFEE_OK;
}

toffee_code
toffee_decode_value_info(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item,
                         toffee_graph *graph, const toffee_ptrmap *known, toffee_value **out,
                         toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_VALUE_INFO_FIELDS];
    const toffee_str *doc = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_VALUE_INFO, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    if (parts[TOFFEE_VALUE_INFO_NAME].n == 0) {
        return toffee_reader_fail(&reader, NULL, TOFFEE_ERR_FORMAT, st, "the value has no name");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_decode_named_value(
        dec, &reader, &parts[TOFFEE_VALUE_INFO_NAME].last, graph, out, st));
    if (known != NULL && toffee_ptrmap_get(known, *out) != NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_part(dec, &reader, &parts[TOFFEE_VALUE_INFO_DOC], &doc, st));
    if (doc != NULL) {
        (*out)->doc = doc;
    }
    if (parts[TOFFEE_VALUE_INFO_TYPE].n != 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_decode_type(dec, &reader, &parts[TOFFEE_VALUE_INFO_TYPE].last,
                                                  &(*out)->type, st));
    }
    return reader.n_unknown != 0 ? toffee_decode_extra(dec, &reader, &(*out)->extra, st)
                                 : TOFFEE_OK;
}
