/* csrc/wire/reader.h -- a bounded cursor over one protobuf message.
 *
 * Readers of nested messages point at the reader around them, so that the chain of readers on the C
 * stack is the path to the byte at hand: it costs nothing until an error prints it. Every length is
 * checked against the bytes that remain before it is used, and nothing here allocates.
 *
 * A message is read in two steps: toffee_reader_collect walks it once, checks the framing of all
 * its fields and notes how often each occurs; toffee_reader_next_of then visits those of one field.
 * So arrays are allocated in their final size, and fields may come in any order. */
#ifndef TOFFEE_WIRE_READER_H
#define TOFFEE_WIRE_READER_H

#include "ir/tensor.h"
#include "wire/fields.h"

/* The four wire types in use; the rest are deprecated groups (3, 4) and reserved (6, 7). */
enum {
    TOFFEE_TAG_VARINT = 0,
    TOFFEE_TAG_FIXED64 = 1,
    TOFFEE_TAG_BYTES = 2,
    TOFFEE_TAG_FIXED32 = 5
};

/* One field as it stands in the bytes. */
typedef struct {
    const toffee_field *field; /* NULL: not in the table */
    const uint8_t *tag;        /* where it begins; NULL: there is no field */
    uint32_t number;
    uint32_t wire;
    uint64_t value;     /* of a varint */
    toffee_bytes bytes; /* what follows the tag (and length): also of a varint or fixed number */
} toffee_item;

/* All occurrences of one field in a message. */
typedef struct {
    size_t n;             /* occurrences */
    uint64_t n_numbers;   /* elements of a list of numbers, over all occurrences */
    const uint8_t *first; /* the tag of the first one */
    toffee_item last;     /* for fields that are not lists the last one counts */
} toffee_part;

typedef struct toffee_reader {
    const struct toffee_reader *outer; /* NULL: the file itself */
    const toffee_fields *fields;       /* NULL: everything is unknown */
    const uint8_t *base;               /* byte 0 of the file */
    const uint8_t *begin;              /* of this message */
    const uint8_t *at;
    const uint8_t *end;
    toffee_item current; /* what errors are about; no tag: the message as a whole */
    size_t n_unknown;    /* bytes of unknown fields, tags included; set by collect */
    int depth;
} toffee_reader;

/* A reader of the N bytes at DATA, which is the whole file. Borrowed. */
void toffee_reader_init(toffee_reader *reader, const uint8_t *data, size_t n,
                        const toffee_fields *fields);
/* A reader of the message in ITEM, which is a field of OUTER; OUTER must outlive it.
 * Errors: FORMAT, nested deeper than TOFFEE_MAX_DEPTH. */
TOFFEE_NODISCARD toffee_code toffee_reader_enter(toffee_reader *inner, toffee_reader *outer,
                                                 const toffee_item *item,
                                                 const toffee_fields *fields, toffee_status *st);
/* Reads the next field, known or not; at the end, item->tag is NULL. On failure ITEM has the tag if
 * that much could be read. Errors: FORMAT (broken varint, field number 0, unused wire type, length
 * past the end, groups nested too deep or not closed). */
TOFFEE_NODISCARD toffee_code toffee_reader_next(toffee_reader *reader, toffee_item *item,
                                                toffee_status *st);
/* The bytes of ITEM with its tag, as they stand in the message. */
toffee_bytes toffee_item_whole(const toffee_item *item);
/* Walks the whole message into PARTS, one for each meaning of the table. Unknown fields are skipped
 * and counted. Errors: those of toffee_reader_next; FORMAT when a known field has another wire
 * type, or a packed list does not end with an element. */
TOFFEE_NODISCARD toffee_code toffee_reader_collect(toffee_reader *reader, toffee_part *parts,
                                                   toffee_status *st);
/* Goes back to the first occurrence of PART; its n items follow with toffee_reader_next_of. */
void toffee_reader_seek(toffee_reader *reader, const toffee_part *part);
/* The next item with the field of PART. To be called n times at most after a seek. */
TOFFEE_NODISCARD toffee_code toffee_reader_next_of(toffee_reader *reader, const toffee_part *part,
                                                   toffee_item *item, toffee_status *st);

/* Takes one varint off BYTES; the list must have been collected (its framing is then known to be
 * right). */
uint64_t toffee_reader_take_varint(toffee_bytes *bytes);

/* Fails with CODE: "at node[3].attribute[0].t.raw_data, byte 412: MESSAGE"; status.offset is that
 * byte, the first of ITEM's content. NULL ITEM: the message as a whole. Returns CODE. */
toffee_code toffee_reader_fail(toffee_reader *reader, const toffee_item *item, toffee_code code,
                               toffee_status *st, const char *format, ...) TOFFEE_PRINTF(5, 6);
/* Puts the same path in front of the message of an ST that has failed already. Returns its CODE. */
toffee_code toffee_reader_locate(toffee_reader *reader, const toffee_item *item, toffee_code code,
                                 toffee_status *st);

#endif /* TOFFEE_WIRE_READER_H */
