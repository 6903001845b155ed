/* csrc/wire/decode_value.c -- values and their declared types. */
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

static toffee_code
decode_dim(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item, toffee_dim *out,
           toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_DIM_FIELDS];

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_DIM, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    out->value = -1;
    if (parts[TOFFEE_DIM_VALUE].n != 0 && (int64_t)parts[TOFFEE_DIM_VALUE].last.value >= 0) {
        out->value = (int64_t)parts[TOFFEE_DIM_VALUE].last.value;
    }
    return toffee_decode_part(dec, &reader, &parts[TOFFEE_DIM_PARAM], &out->param, st);
}

static toffee_code
decode_shape(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item, toffee_type *out,
             toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_SHAPE_FIELDS];
    const toffee_part *list = &parts[TOFFEE_SHAPE_DIM];
    void *dims = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_SHAPE, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    if (list->n > TOFFEE_MAX_RANK) {
        return toffee_reader_fail(&reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "%zu dimensions; the limit is %d", list->n, TOFFEE_MAX_RANK);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(dec, &reader, NULL, list->n, sizeof(toffee_dim), &dims, st));
    toffee_reader_seek(&reader, list);
    for (size_t i = 0; i < list->n; i++) {
        toffee_item dim = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(&reader, list, &dim, st));
        TOFFEE_RETURN_IF_ERROR(decode_dim(dec, &reader, &dim, (toffee_dim *)dims + i, st));
    }
    out->rank = (int32_t)list->n;
    out->dims = dims;
    return TOFFEE_OK;
}

/* A type that is no tensor's leaves OUT as it is: not known. */
static toffee_code
decode_type(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item, toffee_type *out,
            toffee_status *st)
{
    toffee_reader reader;
    toffee_reader tensor;
    toffee_part parts[TOFFEE_N_TYPE_FIELDS];
    toffee_part inner[TOFFEE_N_TENSOR_TYPE_FIELDS];
    const toffee_part *elem = &inner[TOFFEE_TENSOR_TYPE_ELEM];

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_TYPE, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    if (parts[TOFFEE_TYPE_TENSOR].n == 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_reader_enter(&tensor, &reader, &parts[TOFFEE_TYPE_TENSOR].last,
                            toffee_fields_of(TOFFEE_MESSAGE_TENSOR_TYPE, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&tensor, inner, st));
    if (elem->n != 0 && elem->last.value != TOFFEE_DTYPE_UNDEFINED) {
        if (!toffee_dtype_known((int64_t)elem->last.value)) {
            return toffee_reader_fail(&tensor, &elem->last, TOFFEE_ERR_FORMAT, st,
                                      "%lld is no element type that toffee knows (1 to %d)",
                                      (long long)elem->last.value, TOFFEE_N_DTYPES - 1);
        }
        out->dtype = (toffee_dtype)elem->last.value;
    }
    if (inner[TOFFEE_TENSOR_TYPE_SHAPE].n != 0) {
        return decode_shape(dec, &tensor, &inner[TOFFEE_TENSOR_TYPE_SHAPE].last, out, st);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_decode_value_info(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item,
                         toffee_graph *graph, toffee_value **out, toffee_status *st)
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
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_part(dec, &reader, &parts[TOFFEE_VALUE_INFO_DOC], &doc, st));
    if (doc != NULL) {
        (*out)->doc = doc;
    }
    if (parts[TOFFEE_VALUE_INFO_TYPE].n != 0) {
        return decode_type(dec, &reader, &parts[TOFFEE_VALUE_INFO_TYPE].last, &(*out)->type, st);
    }
    return TOFFEE_OK;
}
