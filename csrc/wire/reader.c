/* csrc/wire/reader.c */
#include "wire/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VARINT_MAX_BYTES 10
#define FIELD_NUMBER_MAX ((UINT64_C(1) << 29) - 1)
/* Leaves room for the message behind it. */
#define PATH_MAX_CHARS 640

enum { TAG_GROUP = 3, TAG_GROUP_END = 4 };

static const char *const wire_names[8] = {"varint",       "64-bit", "length-delimited", "group",
                                          "end of group", "32-bit", "type 6",           "type 7"};

/* Wire types in which a field of each kind may come, a bit each. */
static const uint8_t kind_wires[] = {
    [TOFFEE_WIRE_NONE] = 0xff,
    [TOFFEE_WIRE_VARINT] = 1 << TOFFEE_TAG_VARINT,
    [TOFFEE_WIRE_FIXED32] = 1 << TOFFEE_TAG_FIXED32,
    [TOFFEE_WIRE_BYTES] = 1 << TOFFEE_TAG_BYTES,
    [TOFFEE_WIRE_VARINTS] = 1 << TOFFEE_TAG_VARINT | 1 << TOFFEE_TAG_BYTES,
    [TOFFEE_WIRE_FIXED32S] = 1 << TOFFEE_TAG_FIXED32 | 1 << TOFFEE_TAG_BYTES,
    [TOFFEE_WIRE_FIXED64S] = 1 << TOFFEE_TAG_FIXED64 | 1 << TOFFEE_TAG_BYTES,
};

/* Bytes of an element of a list; 0: varints. */
static const uint8_t kind_widths[] = {
    [TOFFEE_WIRE_FIXED32S] = 4,
    [TOFFEE_WIRE_FIXED64S] = 8,
};

/* ---- where an error is ---- */

/* How many fields with the number of `current` stand before it. Only errors pay for this walk. */
static size_t
reader_index(const toffee_reader *reader)
{
    toffee_reader again = *reader;
    toffee_item item = {0};
    size_t n = 0;

    again.at = reader->begin;
    while (again.at < reader->current.tag && toffee_reader_next(&again, &item, NULL) == TOFFEE_OK &&
           item.tag != NULL && item.tag < reader->current.tag) {
        n += item.number == reader->current.number;
    }
    return n;
}

static void path_append(char *path, size_t *used, const char *format, ...) TOFFEE_PRINTF(3, 4);

static void
path_append(char *path, size_t *used, const char *format, ...)
{
    int n = 0;
    va_list ap;

    va_start(ap, format);
    n = vsnprintf(path + *used, PATH_MAX_CHARS - *used, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= PATH_MAX_CHARS - *used) {
        path[*used] = '\0'; /* drop a part rather than cut it */
    }
    else {
        *used += (size_t)n;
    }
}

/* Writes the path outermost first. The recursion is as deep as readers are nested. */
static void
path_write(const toffee_reader *reader, char *path, size_t *used)
{
    const toffee_item *item = &reader->current;
    const char *dot = NULL;

    if (reader->outer != NULL) {
        path_write(reader->outer, path, used);
    }
    if (item->tag == NULL) {
        return;
    }
    dot = *used != 0 ? "." : "";
    if (item->field == NULL) {
        path_append(path, used, "%sfield %u", dot, (unsigned)item->number);
    }
    else if (item->field->repeated) {
        path_append(path, used, "%s%s[%zu]", dot, item->field->name, reader_index(reader));
    }
    else {
        path_append(path, used, "%s%s", dot, item->field->name);
    }
}

toffee_code
toffee_reader_locate(toffee_reader *reader, const toffee_item *item, toffee_code code,
                     toffee_status *st)
{
    char path[PATH_MAX_CHARS] = {0};
    size_t used = 0;
    const uint8_t *where = reader->begin;

    if (st == NULL) {
        return code;
    }
    reader->current = item != NULL ? *item : (toffee_item){0};
    if (item != NULL) {
        where = item->bytes.data != NULL ? item->bytes.data : item->tag;
    }
    path_write(reader, path, &used);
    toffee_status_prefix(st, "at %s%sbyte %td: ", path, used != 0 ? ", " : "",
                         where - reader->base);
    st->offset = code == TOFFEE_ERR_FORMAT ? where - reader->base : -1;
    return code;
}

toffee_code
toffee_reader_fail(toffee_reader *reader, const toffee_item *item, toffee_code code,
                   toffee_status *st, const char *format, ...)
{
    char message[sizeof(st->message) - PATH_MAX_CHARS];
    va_list ap;

    if (st == NULL) {
        return code;
    }
    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    toffee_fail(st, code, "%s", message);
    return toffee_reader_locate(reader, item, code, st);
}

/* ---- one field ---- */

typedef enum { VARINT_OK, VARINT_CUT, VARINT_LONG } varint_result;

static varint_result
varint_read(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    size_t room = (size_t)(end - *at);

    for (size_t i = 0; i < VARINT_MAX_BYTES; i++) {
        uint8_t byte = 0;

        if (i == room) {
            return VARINT_CUT;
        }
        byte = (*at)[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *at += i + 1;
            *out = value;
            return VARINT_OK;
        }
    }
    return VARINT_LONG;
}

static toffee_code
reader_varint(toffee_reader *reader, const toffee_item *item, uint64_t *out, toffee_status *st)
{
    toffee_item place = *item;
    varint_result result = varint_read(&reader->at, reader->end, out);

    if (result == VARINT_OK) {
        return TOFFEE_OK;
    }
    place.bytes.data = reader->at;
    return toffee_reader_fail(reader, &place, TOFFEE_ERR_FORMAT, st,
                              result == VARINT_CUT ? "the bytes end inside a number"
                                                   : "a number is longer than 10 bytes");
}

static toffee_code
reader_tag(toffee_reader *reader, toffee_item *item, toffee_status *st)
{
    const uint8_t *tag = reader->at;
    toffee_item none = {.bytes = {.data = tag}};
    uint64_t number = 0;

    switch (varint_read(&reader->at, reader->end, &number)) {
    case VARINT_OK: break;
    case VARINT_CUT:
        return toffee_reader_fail(reader, &none, TOFFEE_ERR_FORMAT, st,
                                  "the bytes end inside a tag");
    case VARINT_LONG:
        return toffee_reader_fail(reader, &none, TOFFEE_ERR_FORMAT, st,
                                  "a tag is longer than 10 bytes");
    }
    if (number >> 3 == 0 || number >> 3 > FIELD_NUMBER_MAX) {
        return toffee_reader_fail(reader, &none, TOFFEE_ERR_FORMAT, st,
                                  "%llu is not a field number", (unsigned long long)(number >> 3));
    }
    item->tag = tag;
    item->number = (uint32_t)(number >> 3);
    item->wire = (uint32_t)(number & 7);
    item->field = reader->fields != NULL ? toffee_fields_find(reader->fields, item->number) : NULL;
    return TOFFEE_OK;
}

/* Takes N bytes as the content of ITEM. */
static toffee_code
reader_take(toffee_reader *reader, toffee_item *item, uint64_t n, toffee_status *st)
{
    size_t remain = (size_t)(reader->end - reader->at);

    item->bytes.data = reader->at;
    if (n > remain) {
        return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st,
                                  "length %llu runs past the end (%zu bytes remain)",
                                  (unsigned long long)n, remain);
    }
    item->bytes.n = (size_t)n;
    reader->at += n;
    return TOFFEE_OK;
}

static toffee_code reader_content(toffee_reader *reader, toffee_item *item, toffee_status *st);

/* Skips to the end of a group. No message of ours has one; they come from unknown extensions. */
static toffee_code
reader_group(toffee_reader *reader, toffee_item *item, toffee_status *st)
{
    uint32_t open[TOFFEE_MAX_DEPTH];
    int n_open = 1;
    const uint8_t *content = reader->at;

    open[0] = item->number;
    item->bytes.data = content;
    while (n_open > 0) {
        toffee_item inner = {0};

        if (reader->at == reader->end) {
            return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st, "a group is not closed");
        }
        TOFFEE_RETURN_IF_ERROR(reader_tag(reader, &inner, st));
        if (inner.wire == TAG_GROUP) {
            if (n_open == TOFFEE_MAX_DEPTH) {
                return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st,
                                          "groups are nested deeper than %d", TOFFEE_MAX_DEPTH);
            }
            open[n_open++] = inner.number;
        }
        else if (inner.wire == TAG_GROUP_END) {
            n_open--;
            if (open[n_open] != inner.number) {
                return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st,
                                          "group %u is closed as group %u", (unsigned)open[n_open],
                                          (unsigned)inner.number);
            }
        }
        else {
            TOFFEE_RETURN_IF_ERROR(reader_content(reader, &inner, st));
        }
    }
    item->bytes.n = (size_t)(reader->at - content);
    return TOFFEE_OK;
}

/* Reads what follows the tag of ITEM, which is no group. */
static toffee_code
reader_content(toffee_reader *reader, toffee_item *item, toffee_status *st)
{
    const uint8_t *content = reader->at;
    uint64_t length = 0;

    switch (item->wire) {
    case TOFFEE_TAG_VARINT:
        TOFFEE_RETURN_IF_ERROR(reader_varint(reader, item, &item->value, st));
        item->bytes = (toffee_bytes){.data = content, .n = (size_t)(reader->at - content)};
        return TOFFEE_OK;
    case TOFFEE_TAG_FIXED32: return reader_take(reader, item, 4, st);
    case TOFFEE_TAG_FIXED64: return reader_take(reader, item, 8, st);
    case TOFFEE_TAG_BYTES:
        TOFFEE_RETURN_IF_ERROR(reader_varint(reader, item, &length, st));
        return reader_take(reader, item, length, st);
    default:
        return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st,
                                  "wire type %u (%s) cannot stand here", (unsigned)item->wire,
                                  wire_names[item->wire]);
    }
}

toffee_code
toffee_reader_next(toffee_reader *reader, toffee_item *item, toffee_status *st)
{
    *item = (toffee_item){0};
    if (reader->at == reader->end) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(reader_tag(reader, item, st));
    return item->wire == TAG_GROUP ? reader_group(reader, item, st)
                                   : reader_content(reader, item, st);
}

/* ---- a message ---- */

void
toffee_reader_init(toffee_reader *reader, const uint8_t *data, size_t n,
                   const toffee_fields *fields)
{
    *reader = (toffee_reader){
        .fields = fields, .base = data, .begin = data, .at = data, .end = data + n, .depth = 1};
}

toffee_code
toffee_reader_enter(toffee_reader *inner, toffee_reader *outer, const toffee_item *item,
                    const toffee_fields *fields, toffee_status *st)
{
    if (outer->depth >= TOFFEE_MAX_DEPTH) {
        return toffee_reader_fail(outer, item, TOFFEE_ERR_FORMAT, st,
                                  "messages are nested deeper than %d", TOFFEE_MAX_DEPTH);
    }
    outer->current = *item;
    *inner = (toffee_reader){
        .outer = outer,
        .fields = fields,
        .base = outer->base,
        .begin = item->bytes.data,
        .at = item->bytes.data,
        .end = item->bytes.data + item->bytes.n,
        .depth = outer->depth + 1,
    };
    return TOFFEE_OK;
}

/* Elements in one occurrence of a list of numbers. */
static toffee_code
reader_count(toffee_reader *reader, const toffee_item *item, uint64_t *n, toffee_status *st)
{
    size_t width = kind_widths[item->field->kind];
    const uint8_t *at = item->bytes.data;
    const uint8_t *end = at + item->bytes.n;
    uint64_t value = 0;

    if (width != 0) {
        *n = item->bytes.n / width;
        if (item->bytes.n % width != 0) {
            return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st,
                                      "%zu bytes are not a whole number of %zu-byte elements",
                                      item->bytes.n, width);
        }
        return TOFFEE_OK;
    }
    for (*n = 0; at != end; ++*n) {
        if (varint_read(&at, end, &value) != VARINT_OK) {
            return toffee_reader_fail(reader, item, TOFFEE_ERR_FORMAT, st,
                                      "element %llu is not a whole number", (unsigned long long)*n);
        }
    }
    return TOFFEE_OK;
}

toffee_bytes
toffee_item_whole(const toffee_item *item)
{
    return (toffee_bytes){
        .data = item->tag,
        .n = (size_t)(item->bytes.data - item->tag) + item->bytes.n,
    };
}

toffee_code
toffee_reader_collect(toffee_reader *reader, toffee_part *parts, toffee_status *st)
{
    memset(parts, 0, reader->fields->n_meanings * sizeof(*parts));
    reader->n_unknown = 0;
    for (;;) {
        toffee_item item = {0};
        toffee_part *part = NULL;
        uint64_t n_numbers = 0;

        TOFFEE_RETURN_IF_ERROR(toffee_reader_next(reader, &item, st));
        if (item.tag == NULL) {
            return TOFFEE_OK;
        }
        if (item.field == NULL) {
            reader->n_unknown += toffee_item_whole(&item).n;
            continue;
        }
        if ((kind_wires[item.field->kind] >> item.wire & 1) == 0) {
            return toffee_reader_fail(reader, &item, TOFFEE_ERR_FORMAT, st,
                                      "field %u has wire type %u (%s), which is not how '%s' is "
                                      "written",
                                      (unsigned)item.number, (unsigned)item.wire,
                                      wire_names[item.wire], item.field->name);
        }
        if (item.field->kind >= TOFFEE_WIRE_VARINTS) {
            TOFFEE_RETURN_IF_ERROR(reader_count(reader, &item, &n_numbers, st));
        }
        part = &parts[item.field->meaning];
        part->first = part->n == 0 ? item.tag : part->first;
        part->n++;
        part->n_numbers += n_numbers;
        part->last = item;
    }
}

void
toffee_reader_seek(toffee_reader *reader, const toffee_part *part)
{
    if (part->n != 0) {
        reader->at = part->first;
    }
}

toffee_code
toffee_reader_next_of(toffee_reader *reader, const toffee_part *part, toffee_item *item,
                      toffee_status *st)
{
    do {
        TOFFEE_RETURN_IF_ERROR(toffee_reader_next(reader, item, st));
    } while (item->tag != NULL && item->number != part->last.number);
    if (item->tag == NULL) {
        return toffee_reader_fail(reader, NULL, TOFFEE_ERR_FORMAT, st,
                                  "the bytes have changed while they were read");
    }
    return TOFFEE_OK;
}

uint64_t
toffee_reader_take_varint(toffee_bytes *bytes)
{
    const uint8_t *at = bytes->data;
    uint64_t value = 0;

    if (varint_read(&at, bytes->data + bytes->n, &value) != VARINT_OK) {
        at = bytes->data + bytes->n; /* only when somebody writes to the mapped file meanwhile */
    }
    bytes->n -= (size_t)(at - bytes->data);
    bytes->data = at;
    return value;
}
