/* csrc/wire/decode_tensor.c -- tensors: payloads found in place, typed lists turned into bytes. */
#include <stdio.h>
#include <string.h>

#include "wire/decode.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "payloads are used where the file has them, so the host must be little-endian too");

/* Where the elements of a dtype are when they are not raw bytes. */
typedef struct {
    uint8_t list;  /* field */
    uint8_t width; /* bytes of a list element as stored in the tensor */
    uint8_t per;   /* list elements in an element of the tensor */
} tensor_list;

static const tensor_list lists[TOFFEE_N_DTYPES] = {
    [TOFFEE_DTYPE_FLOAT] = {TOFFEE_TENSOR_FLOAT_DATA, 4, 1},
    [TOFFEE_DTYPE_UINT8] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_INT8] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_UINT16] = {TOFFEE_TENSOR_INT32_DATA, 2, 1},
    [TOFFEE_DTYPE_INT16] = {TOFFEE_TENSOR_INT32_DATA, 2, 1},
    [TOFFEE_DTYPE_INT32] = {TOFFEE_TENSOR_INT32_DATA, 4, 1},
    [TOFFEE_DTYPE_INT64] = {TOFFEE_TENSOR_INT64_DATA, 8, 1},
    [TOFFEE_DTYPE_STRING] = {TOFFEE_TENSOR_STRING_DATA, 0, 1},
    [TOFFEE_DTYPE_BOOL] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_FLOAT16] = {TOFFEE_TENSOR_INT32_DATA, 2, 1},
    [TOFFEE_DTYPE_DOUBLE] = {TOFFEE_TENSOR_DOUBLE_DATA, 8, 1},
    [TOFFEE_DTYPE_UINT32] = {TOFFEE_TENSOR_UINT64_DATA, 4, 1},
    [TOFFEE_DTYPE_UINT64] = {TOFFEE_TENSOR_UINT64_DATA, 8, 1},
    [TOFFEE_DTYPE_COMPLEX64] = {TOFFEE_TENSOR_FLOAT_DATA, 4, 2},
    [TOFFEE_DTYPE_COMPLEX128] = {TOFFEE_TENSOR_DOUBLE_DATA, 8, 2},
    [TOFFEE_DTYPE_BFLOAT16] = {TOFFEE_TENSOR_INT32_DATA, 2, 1},
    [TOFFEE_DTYPE_FLOAT8E4M3FN] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_FLOAT8E4M3FNUZ] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_FLOAT8E5M2] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_FLOAT8E5M2FNUZ] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_UINT4] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_INT4] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_FLOAT4E2M1] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_FLOAT8E8M0] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_UINT2] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_INT2] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_FLOAT6E2M3] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
    [TOFFEE_DTYPE_FLOAT6E3M2] = {TOFFEE_TENSOR_INT32_DATA, 1, 1},
};

/* One tensor while it is read. */
typedef struct {
    toffee_decoder *dec;
    toffee_reader *reader;
    toffee_graph *graph;
    const toffee_part *parts;
    int64_t dims[TOFFEE_MAX_RANK];
    int32_t rank;
    toffee_dtype dtype;
    uint64_t n_elements;
    uint64_t n_bytes;
} tensor_frame;

/* ---- dims and type ---- */

static toffee_code
tensor_read_dims(tensor_frame *frame, toffee_status *st)
{
    const toffee_part *part = &frame->parts[TOFFEE_TENSOR_DIMS];

    if (part->n_numbers > TOFFEE_MAX_RANK) {
        return toffee_reader_fail(frame->reader, &part->last, TOFFEE_ERR_FORMAT, st,
                                  "%llu dimensions; the limit is %d",
                                  (unsigned long long)part->n_numbers, TOFFEE_MAX_RANK);
    }
    toffee_reader_seek(frame->reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, part, &item, st));
        while (item.bytes.n != 0 && frame->rank < TOFFEE_MAX_RANK) {
            frame->dims[frame->rank++] = (int64_t)toffee_reader_take_varint(&item.bytes);
        }
    }
    return TOFFEE_OK;
}

/* Elements that a list has; strings are not numbers. */
static uint64_t
tensor_list_count(const tensor_frame *frame, int list)
{
    const toffee_part *part = &frame->parts[list];

    return list == TOFFEE_TENSOR_STRING_DATA ? part->n : part->n_numbers;
}

/* The list that has elements; TOFFEE_N_TENSOR_LISTS: none has. */
static int
tensor_filled_list(const tensor_frame *frame)
{
    for (int i = 0; i < TOFFEE_N_TENSOR_LISTS; i++) {
        if (tensor_list_count(frame, i) != 0) {
            return i;
        }
    }
    return TOFFEE_N_TENSOR_LISTS;
}

/* Numbers that a typed list must have for N_ELEMENTS of DTYPE in N_BYTES. Elements of four and of
 * two bits stand in it a byte at a time, those of six bits each for itself. */
static uint64_t
tensor_list_wants(toffee_dtype dtype, uint64_t n_elements, uint64_t n_bytes)
{
    unsigned bits = toffee_dtype_get(dtype)->packed_bits;

    return bits == 4 || bits == 2 ? n_bytes : n_elements * lists[dtype].per;
}

/* Whether what the tensor carries is right for DTYPE. */
static bool
tensor_fits(const tensor_frame *frame, toffee_dtype dtype)
{
    const toffee_part *raw = &frame->parts[TOFFEE_TENSOR_RAW_DATA];
    int filled = tensor_filled_list(frame);
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;

    if (dtype == TOFFEE_DTYPE_UNDEFINED ||
        !toffee_dtype_count(dtype, frame->dims, frame->rank, &n_elements, &n_bytes)) {
        return false;
    }
    if (filled != TOFFEE_N_TENSOR_LISTS) {
        return filled == lists[dtype].list &&
               tensor_list_count(frame, filled) == tensor_list_wants(dtype, n_elements, n_bytes);
    }
    if (dtype == TOFFEE_DTYPE_STRING) {
        return n_elements == 0;
    }
    return raw->last.bytes.n == n_bytes;
}

static toffee_dtype
tensor_late_dtype(uint64_t number)
{
    return number <= INT64_MAX && toffee_dtype_known((int64_t)number) ? (toffee_dtype)number
                                                                      : TOFFEE_DTYPE_UNDEFINED;
}

static toffee_code
tensor_read_type(tensor_frame *frame, toffee_status *st)
{
    const toffee_part *part = &frame->parts[TOFFEE_TENSOR_DATA_TYPE];
    uint64_t number = part->last.value;
    bool early = frame->dec->dialect == TOFFEE_DIALECT_EARLY;
    toffee_dtype late = tensor_late_dtype(number);

    frame->dtype = late;
    if (early && !frame->dec->late_enum) {
        frame->dtype =
            number <= INT64_MAX ? toffee_dtype_from_early((int64_t)number) : TOFFEE_DTYPE_UNDEFINED;
        /* For one day files had early tags and late data types. Only the sizes tell, and not those
         * of every tensor, so the first that does decides for the whole file. */
        if (!tensor_fits(frame, frame->dtype) && tensor_fits(frame, late)) {
            frame->dec->wants_late_enum = true;
        }
    }
    if (frame->dtype == TOFFEE_DTYPE_UNDEFINED) {
        return toffee_reader_fail(frame->reader, part->n != 0 ? &part->last : NULL,
                                  TOFFEE_ERR_FORMAT, st,
                                  "data_type %llu is no element type that toffee knows (1 to %d)",
                                  (unsigned long long)number, early ? 11 : TOFFEE_N_DTYPES - 1);
    }
    if (!toffee_dtype_count(frame->dtype, frame->dims, frame->rank, &frame->n_elements,
                            &frame->n_bytes)) {
        return toffee_reader_fail(frame->reader, &frame->parts[TOFFEE_TENSOR_DIMS].last,
                                  TOFFEE_ERR_FORMAT, st,
                                  "a dimension is negative, or there are more than 2**63 bytes");
    }
    return TOFFEE_OK;
}

/* ---- payloads: each sets *DATA to n_bytes of the tensor ---- */

/* Fails: the payload, ITEM, has N of WHAT, and the tensor needs another number. */
static toffee_code
tensor_fail_size(tensor_frame *frame, const toffee_item *item, uint64_t n, uint64_t needed,
                 const char *what, toffee_status *st)
{
    char dims[160] = {0};
    size_t used = 0;

    for (int32_t i = 0; i < frame->rank && used < sizeof(dims) - 24; i++) {
        used += (size_t)snprintf(dims + used, sizeof(dims) - used, "%s%lld", i != 0 ? ", " : "",
                                 (long long)frame->dims[i]);
    }
    return toffee_reader_fail(frame->reader, item, TOFFEE_ERR_FORMAT, st,
                              "%llu %s, but dims [%s] of %s need %llu", (unsigned long long)n, what,
                              dims, toffee_dtype_get(frame->dtype)->name,
                              (unsigned long long)needed);
}

static toffee_code
tensor_raw(tensor_frame *frame, const void **data, toffee_status *st)
{
    const toffee_item *raw = &frame->parts[TOFFEE_TENSOR_RAW_DATA].last;

    if (frame->dtype == TOFFEE_DTYPE_STRING) {
        return toffee_reader_fail(frame->reader, raw, TOFFEE_ERR_FORMAT, st,
                                  "strings cannot be raw_data; they belong into string_data");
    }
    if (raw->bytes.n != frame->n_bytes) {
        return tensor_fail_size(frame, raw, raw->bytes.n, frame->n_bytes, "bytes", st);
    }
    *data = raw->bytes.data;
    return TOFFEE_OK;
}

/* Numbers of fixed width: what is in one piece is used where it is. */
static toffee_code
tensor_fixed(tensor_frame *frame, const toffee_part *part, const void **data, toffee_status *st)
{
    void *bytes = NULL;
    size_t used = 0;

    if (part->n == 1) {
        *data = part->last.bytes.data;
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(frame->dec, frame->reader, NULL,
                                               (size_t)frame->n_bytes, 1, &bytes, st));
    toffee_reader_seek(frame->reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, part, &item, st));
        if (item.bytes.n > (size_t)frame->n_bytes - used) {
            break; /* somebody writes to the mapped file */
        }
        memcpy((uint8_t *)bytes + used, item.bytes.data, item.bytes.n);
        used += item.bytes.n;
    }
    *data = bytes;
    return TOFFEE_OK;
}

/* Whether VALUE is a number of WIDTH bytes, with a sign or without. */
static bool
tensor_number_fits(uint64_t value, unsigned width)
{
    int64_t half = INT64_C(1) << (width < 8 ? 8 * width - 1 : 0);

    return width == 8 || ((int64_t)value >= -half && (int64_t)value < 2 * half);
}

static toffee_code
tensor_varints(tensor_frame *frame, const toffee_part *part, const void **data, toffee_status *st)
{
    unsigned width = lists[frame->dtype].width;
    uint64_t n = part->n_numbers;
    uint64_t used = 0;
    void *bytes = NULL;

    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(frame->dec, frame->reader, NULL, (size_t)n, width, &bytes, st));
    toffee_reader_seek(frame->reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};
        toffee_bytes rest = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, part, &item, st));
        for (rest = item.bytes; rest.n != 0 && used < n; used++) {
            uint64_t value = toffee_reader_take_varint(&rest);

            if (frame->dtype == TOFFEE_DTYPE_BOOL) {
                value = value != 0;
            }
            else if (!tensor_number_fits(value, width)) {
                return toffee_reader_fail(frame->reader, &item, TOFFEE_ERR_FORMAT, st,
                                          "element %llu, %lld, does not fit %s",
                                          (unsigned long long)used, (long long)value,
                                          toffee_dtype_get(frame->dtype)->name);
            }
            memcpy((uint8_t *)bytes + used * width, &value, width);
        }
    }
    if (toffee_dtype_get(frame->dtype)->packed_bits == 6) {
        /* In place: no byte is written before it has been read. */
        toffee_dtype_pack(frame->dtype, bytes, n, bytes);
    }
    *data = bytes;
    return TOFFEE_OK;
}

static toffee_code
tensor_typed(tensor_frame *frame, int list, const void **data, const toffee_bytes **strings,
             toffee_status *st)
{
    const tensor_list *wanted = &lists[frame->dtype];
    const toffee_part *part = &frame->parts[list];
    uint64_t n = tensor_list_count(frame, list);

    if (list != wanted->list) {
        return toffee_reader_fail(frame->reader, &part->last, TOFFEE_ERR_FORMAT, st,
                                  "elements of %s do not belong into '%s'",
                                  toffee_dtype_get(frame->dtype)->name, part->last.field->name);
    }
    if (n != tensor_list_wants(frame->dtype, frame->n_elements, frame->n_bytes)) {
        return tensor_fail_size(frame, &part->last, n,
                                tensor_list_wants(frame->dtype, frame->n_elements, frame->n_bytes),
                                "numbers", st);
    }
    if (list == TOFFEE_TENSOR_STRING_DATA) {
        return toffee_decode_strings(frame->dec, frame->reader, part, strings, st);
    }
    return part->last.field->kind == TOFFEE_WIRE_VARINTS ? tensor_varints(frame, part, data, st)
                                                         : tensor_fixed(frame, part, data, st);
}

toffee_code
toffee_decode_strings(toffee_decoder *dec, toffee_reader *reader, const toffee_part *part,
                      const toffee_bytes **out, toffee_status *st)
{
    void *strings = NULL;
    void *text = NULL;
    size_t total = 0;
    size_t used = 0;

    *out = NULL;
    toffee_reader_seek(reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(reader, part, &item, st));
        total += item.bytes.n;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_alloc(dec, reader, NULL, part->n, sizeof(toffee_bytes), &strings, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(dec, reader, NULL, total, 1, &text, st));
    toffee_reader_seek(reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(reader, part, &item, st));
        if (item.bytes.n > total - used) {
            break; /* somebody writes to the mapped file */
        }
        memcpy((uint8_t *)text + used, item.bytes.data, item.bytes.n);
        ((toffee_bytes *)strings)[i] =
            (toffee_bytes){.data = (uint8_t *)text + used, .n = item.bytes.n};
        used += item.bytes.n;
    }
    *out = strings;
    return TOFFEE_OK;
}

/* ---- external data ---- */

typedef struct {
    const char *key;
    toffee_item value;
} tensor_entry;

/* VALUE's text as a decimal number. */
static toffee_code
tensor_entry_number(tensor_frame *frame, const tensor_entry *entry, uint64_t *out,
                    toffee_status *st)
{
    const toffee_bytes *text = &entry->value.bytes;
    uint64_t number = 0;
    bool right = text->n != 0;

    for (size_t i = 0; i < text->n && right; i++) {
        right = text->data[i] >= '0' && text->data[i] <= '9' &&
                !__builtin_mul_overflow(number, 10, &number) &&
                !__builtin_add_overflow(number, (uint64_t)(text->data[i] - '0'), &number);
    }
    if (!right) {
        return toffee_reader_fail(frame->reader, &entry->value, TOFFEE_ERR_FORMAT, st,
                                  "the %s of external data is not a number", entry->key);
    }
    *out = number;
    return TOFFEE_OK;
}

/* Finds the entries that we know; others (checksum) are left alone. */
static toffee_code
tensor_read_entries(tensor_frame *frame, tensor_entry *entries, size_t n_entries, toffee_status *st)
{
    const toffee_part *part = &frame->parts[TOFFEE_TENSOR_EXTERNAL_DATA];

    toffee_reader_seek(frame->reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};
        toffee_reader reader;
        toffee_part inner[TOFFEE_N_PROP_FIELDS];
        const toffee_bytes *key = &inner[TOFFEE_PROP_KEY].last.bytes;

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(frame->reader, part, &item, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_reader_enter(&reader, frame->reader, &item,
                                toffee_fields_of(TOFFEE_MESSAGE_PROP, frame->dec->dialect), st));
        TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, inner, st));
        for (size_t k = 0; k < n_entries; k++) {
            if (key->n == strlen(entries[k].key) &&
                memcmp(key->data, entries[k].key, key->n) == 0) {
                entries[k].value = inner[TOFFEE_PROP_VALUE].last;
            }
        }
    }
    return TOFFEE_OK;
}

static toffee_code
tensor_external(tensor_frame *frame, const void **data, toffee_status *st)
{
    enum { LOCATION, OFFSET, LENGTH, N_ENTRIES };
    tensor_entry entries[N_ENTRIES] = {[LOCATION] = {.key = "location"},
                                       [OFFSET] = {.key = "offset"},
                                       [LENGTH] = {.key = "length"}};
    const toffee_part *part = &frame->parts[TOFFEE_TENSOR_EXTERNAL_DATA];
    const toffee_str *location = NULL;
    uint64_t offset = 0;
    uint64_t length = frame->n_bytes;
    toffee_code rc = TOFFEE_OK;

    if (frame->dtype == TOFFEE_DTYPE_STRING) {
        return toffee_reader_fail(frame->reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "strings cannot be external data");
    }
    TOFFEE_RETURN_IF_ERROR(tensor_read_entries(frame, entries, N_ENTRIES, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_text(frame->dec, frame->reader, &entries[LOCATION].value, &location, st));
    if (entries[OFFSET].value.tag != NULL) {
        TOFFEE_RETURN_IF_ERROR(tensor_entry_number(frame, &entries[OFFSET], &offset, st));
    }
    if (entries[LENGTH].value.tag != NULL) {
        TOFFEE_RETURN_IF_ERROR(tensor_entry_number(frame, &entries[LENGTH], &length, st));
    }
    if (length != frame->n_bytes) {
        return tensor_fail_size(frame, &entries[LENGTH].value, length, frame->n_bytes,
                                "bytes of external data", st);
    }
    rc = toffee_external_find(&frame->dec->external, frame->graph, location, offset, length, data,
                              st);
    return rc == TOFFEE_ERR_FORMAT || rc == TOFFEE_ERR_IO
               ? toffee_reader_locate(frame->reader, part->n != 0 ? &part->last : NULL, rc, st)
               : rc;
}

/* ---- the tensor ---- */

/* Finds the one payload; DATA and STRINGS stay NULL for a tensor without elements. */
static toffee_code
tensor_read_payload(tensor_frame *frame, const void **data, const toffee_bytes **strings,
                    toffee_status *st)
{
    const toffee_part *raw = &frame->parts[TOFFEE_TENSOR_RAW_DATA];
    int filled = tensor_filled_list(frame);

    if (frame->parts[TOFFEE_TENSOR_SEGMENT].n != 0) {
        return toffee_reader_fail(frame->reader, &frame->parts[TOFFEE_TENSOR_SEGMENT].last,
                                  TOFFEE_ERR_FORMAT, st,
                                  "tensors in segments are not supported; store it in one piece");
    }
    for (int i = filled + 1; i < TOFFEE_N_TENSOR_LISTS; i++) {
        if (tensor_list_count(frame, i) != 0) {
            return toffee_reader_fail(frame->reader, &frame->parts[i].last, TOFFEE_ERR_FORMAT, st,
                                      "the tensor has elements in '%s' too",
                                      frame->parts[filled].last.field->name);
        }
    }
    if (raw->last.bytes.n != 0 && filled != TOFFEE_N_TENSOR_LISTS) {
        return toffee_reader_fail(frame->reader, &raw->last, TOFFEE_ERR_FORMAT, st,
                                  "the tensor has elements in '%s' too",
                                  frame->parts[filled].last.field->name);
    }
    if (frame->parts[TOFFEE_TENSOR_DATA_LOCATION].last.value != 0) {
        if (raw->last.bytes.n != 0 || filled != TOFFEE_N_TENSOR_LISTS) {
            return toffee_reader_fail(frame->reader, NULL, TOFFEE_ERR_FORMAT, st,
                                      "the tensor has data in the file and outside of it");
        }
        return tensor_external(frame, data, st);
    }
    if (filled != TOFFEE_N_TENSOR_LISTS) {
        return tensor_typed(frame, filled, data, strings, st);
    }
    if (raw->n != 0) {
        return tensor_raw(frame, data, st);
    }
    return frame->n_elements == 0
               ? TOFFEE_OK
               : tensor_fail_size(frame, NULL, 0, frame->n_elements, "elements", st);
}

toffee_code
toffee_decode_tensor(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item,
                     toffee_graph *graph, toffee_tensor **out, toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_TENSOR_FIELDS];
    tensor_frame frame = {.dec = dec, .reader = &reader, .graph = graph, .parts = parts};
    const toffee_str *name = NULL;
    const toffee_str *doc = NULL;
    const void *data = NULL;
    const toffee_bytes *strings = NULL;
    toffee_bytes extra = {0};
    void *nothing = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_TENSOR, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_part(dec, &reader, &parts[TOFFEE_TENSOR_NAME], &name, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_padded(dec, &reader, &parts[TOFFEE_TENSOR_DOC], &doc, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_extra(dec, &reader, &extra, st));
    TOFFEE_RETURN_IF_ERROR(tensor_read_dims(&frame, st));
    TOFFEE_RETURN_IF_ERROR(tensor_read_type(&frame, st));
    TOFFEE_RETURN_IF_ERROR(tensor_read_payload(&frame, &data, &strings, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(dec, &reader, NULL, 0, 0, &nothing, st));
    TOFFEE_RETURN_IF_ERROR(toffee_tensor_new(graph->arena, name, frame.dtype, frame.dims,
                                             frame.rank, frame.n_bytes != 0 ? data : NULL, out,
                                             st));
    (*out)->strings = strings;
    (*out)->doc = doc;
    (*out)->extra = extra;
    return TOFFEE_OK;
}

/* ---- the sparse tensor ---- */

static toffee_code
sparse_read_dims(toffee_decoder *dec, toffee_reader *reader, const toffee_part *part,
                 toffee_sparse *sparse, toffee_status *st)
{
    void *dims = NULL;

    if (part->n_numbers > TOFFEE_MAX_RANK) {
        return toffee_reader_fail(reader, &part->last, TOFFEE_ERR_FORMAT, st,
                                  "%llu dimensions; the limit is %d",
                                  (unsigned long long)part->n_numbers, TOFFEE_MAX_RANK);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(dec, reader, NULL, (size_t)part->n_numbers,
                                               sizeof(int64_t), &dims, st));
    sparse->dims = dims;
    toffee_reader_seek(reader, part);
    for (size_t i = 0; i < part->n; i++) {
        toffee_item item = {0};

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next_of(reader, part, &item, st));
        while (item.bytes.n != 0 && (uint64_t)sparse->rank < part->n_numbers) {
            ((int64_t *)dims)[sparse->rank++] = (int64_t)toffee_reader_take_varint(&item.bytes);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_decode_sparse(toffee_decoder *dec, toffee_reader *outer, const toffee_item *item,
                     toffee_graph *graph, toffee_sparse **out, toffee_status *st)
{
    toffee_reader reader;
    toffee_part parts[TOFFEE_N_SPARSE_FIELDS];
    const toffee_part *values = &parts[TOFFEE_SPARSE_VALUES];
    const toffee_part *indices = &parts[TOFFEE_SPARSE_INDICES];
    toffee_sparse *sparse = NULL;
    void *made = NULL;

    *out = NULL;
    TOFFEE_RETURN_IF_ERROR(toffee_reader_enter(
        &reader, outer, item, toffee_fields_of(TOFFEE_MESSAGE_SPARSE, dec->dialect), st));
    TOFFEE_RETURN_IF_ERROR(toffee_reader_collect(&reader, parts, st));
    if (values->n == 0) {
        return toffee_reader_fail(&reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "the sparse tensor has no values");
    }
    TOFFEE_RETURN_IF_ERROR(toffee_decode_alloc(dec, &reader, NULL, 1, sizeof(*sparse), &made, st));
    sparse = made;
    TOFFEE_RETURN_IF_ERROR(
        toffee_decode_tensor(dec, &reader, &values->last, graph, &sparse->values, st));
    if (indices->n != 0) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_decode_tensor(dec, &reader, &indices->last, graph, &sparse->indices, st));
    }
    TOFFEE_RETURN_IF_ERROR(sparse_read_dims(dec, &reader, &parts[TOFFEE_SPARSE_DIMS], sparse, st));
    TOFFEE_RETURN_IF_ERROR(toffee_decode_extra(dec, &reader, &sparse->extra, st));
    *out = sparse;
    return TOFFEE_OK;
}
