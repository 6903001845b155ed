/* csrc/wire/dialect.c -- what a file is, by its content.
 *
 * No dialect has a signature: all four are bare protobuf. What tells them apart is which top-level
 * fields there are and how they are written, so all of them are looked at, in whatever order they
 * come; contents are skipped, and of the weights not a byte is read. */
#include "wire/dialect.h"

#include <string.h>

#include "wire/reader.h"
#include "wire/utf8.h"

const char *
toffee_dialect_name(toffee_dialect dialect)
{
    static const char *const names[] = {
        [TOFFEE_DIALECT_EARLY] = "early",
        [TOFFEE_DIALECT_LATE] = "late",
        [TOFFEE_DIALECT_CURRENT] = "current",
        [TOFFEE_DIALECT_ONNX] = "onnx",
    };

    return (size_t)dialect < TOFFEE_COUNTOF(names) ? names[dialect] : "unknown";
}

/* ---- files that are something else ---- */

typedef struct {
    size_t offset;
    size_t n;
    const char *bytes;
    const char *what; /* completes "this is …" */
} dialect_signature;

#define SIGNATURE(at, text, name) {(at), sizeof(text) - 1, (text), (name)}

/* Longer signatures before shorter ones that they begin with. */
static const dialect_signature signatures[] = {
    SIGNATURE(0, "PK\3\4", "a zip archive (torch.save and torch.jit.save write those, and .npz)"),
    SIGNATURE(0, "PK\5\6", "an empty zip archive"),
    SIGNATURE(0, "\x89PNG\r\n", "a PNG image"),
    SIGNATURE(0, "\xff\xd8\xff", "a JPEG image"),
    SIGNATURE(0, "GIF8", "a GIF image"),
    SIGNATURE(0, "RIFF", "a RIFF file (WebP, WAV, AVI)"),
    SIGNATURE(0, "%PDF-", "a PDF document"),
    SIGNATURE(0, "\x89HDF\r\n", "an HDF5 file (Keras writes those)"),
    SIGNATURE(0, "\x93NUMPY", "a NumPy array"),
    SIGNATURE(0, "\x80\2c", "a pickle"),
    SIGNATURE(0, "\x80\2}", "a pickle"),
    SIGNATURE(0, "\x80\2]", "a pickle"),
    SIGNATURE(0, "\x80\2\x8a", "a pickle (torch.save wrote those before 1.6)"),
    SIGNATURE(0, "\x80\3", "a pickle"),
    SIGNATURE(0, "\x80\4\x95", "a pickle"),
    SIGNATURE(0, "\x80\5\x95", "a pickle"),
    /* Flatbuffers begin with a small offset: its zero bytes tell them from a node's text. */
    SIGNATURE(2, "\0\0TFL3", "a TensorFlow Lite model"),
    SIGNATURE(2, "\0\0ORTM", "an ONNX Runtime .ort model; load the .onnx file it was made from"),
    SIGNATURE(0, "GGUF", "a GGUF file"),
    SIGNATURE(4, "\0\0\0\0{\"", "a safetensors file: weights without a graph"),
    SIGNATURE(0,
              "\x7f"
              "ELF",
              "an ELF program or library"),
    SIGNATURE(0, "\x1f\x8b\x08", "compressed with gzip; unpack it first"),
    SIGNATURE(0,
              "\xfd"
              "7zXZ",
              "compressed with xz; unpack it first"),
    SIGNATURE(0, "\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
    SIGNATURE(0, "BZh91AY&SY", "compressed with bzip2; unpack it first"),
    SIGNATURE(257, "ustar\0", "a tar archive"),
    SIGNATURE(257, "ustar ", "a tar archive"),
    SIGNATURE(0, "version https://git-lfs",
              "a git-lfs pointer, not the file it stands for; run 'git lfs pull'"),
};

/* What a file that is text may be, by its first words; the last row fits any. */
static const dialect_signature texts[] = {
    SIGNATURE(0, "<!DOCTYPE html", "a web page; a download link may have led to the wrong place"),
    SIGNATURE(0, "<!doctype html", "a web page; a download link may have led to the wrong place"),
    SIGNATURE(0, "<html", "a web page; a download link may have led to the wrong place"),
    SIGNATURE(0, "<?xml", "XML text"),
    SIGNATURE(0, "{", "JSON or other text"),
    SIGNATURE(0, "", "a text file"),
};

static const char *
signature_match(const dialect_signature *rows, size_t n_rows, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (n >= rows[i].offset + rows[i].n &&
            memcmp(data + rows[i].offset, rows[i].bytes, rows[i].n) == 0) {
            return rows[i].what;
        }
    }
    return NULL;
}

/* Whether the file begins like something to read: no control characters but white space. */
static bool
dialect_is_text(const uint8_t *data, size_t n)
{
    size_t head = n < 512 ? n : 512;

    for (size_t i = 0; i < head; i++) {
        if (data[i] == 0x7f || (data[i] < 0x20 && memchr("\t\n\r\f", data[i], 4) == NULL)) {
            return false;
        }
    }
    while (head < n && head > 0 && (data[head] & 0xc0) == 0x80) {
        head--; /* do not cut a character in two */
    }
    return toffee_utf8_valid(data, head);
}

/* ---- top-level fields ---- */

/* What the walk has seen, by field number (up to 26) and wire type: a bit each. */
typedef struct {
    uint8_t wires[27];
    bool node_in_2;  /* a field 2 that reads as a node: early, or a Caffe2 NetDef */
    bool name_in_1;  /* a field 1 that is printable text: no node, but a NetDef's name */
    bool opset_in_8; /* a field 8 that reads as an OperatorSetId and not as text */
    bool broken;     /* the walk ended early */
} dialect_sights;

static bool
sights_have(const dialect_sights *seen, uint32_t number, uint32_t wire)
{
    return (seen->wires[number] >> wire & 1) != 0;
}

static bool
bytes_are_printable(toffee_bytes bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.data[i] < 0x20 || bytes.data[i] > 0x7e) {
            return false;
        }
    }
    return bytes.n != 0;
}

/* Whether BYTES are a message whose fields are all written as WIRES says (by number, from 0; 0xff:
 * must not occur), with a printable text in field PRINTABLE, which must be there (0: none must). */
static bool
bytes_are_message(toffee_bytes bytes, const uint8_t *wires, uint32_t n_wires, uint32_t printable)
{
    toffee_reader reader;
    toffee_item item = {0};
    bool found = printable == 0;

    toffee_reader_init(&reader, bytes.data, bytes.n, NULL);
    for (;;) {
        if (toffee_reader_next(&reader, &item, NULL) != TOFFEE_OK) {
            return false;
        }
        if (item.tag == NULL) {
            return found && bytes.n != 0;
        }
        if (item.number >= n_wires || wires[item.number] != item.wire) {
            return false;
        }
        if (item.number == printable) {
            if (!bytes_are_printable(item.bytes)) {
                return false;
            }
            found = true;
        }
    }
}

static const uint8_t node_wires[] = {0xff, 2, 2, 2, 2, 2, 2, 2, 2, 2};
static const uint8_t opset_wires[] = {0xff, 2, 0};

static void
dialect_look(const uint8_t *data, size_t n, dialect_sights *seen)
{
    toffee_reader reader;
    toffee_item item = {0};

    toffee_reader_init(&reader, data, n, NULL);
    for (;;) {
        bool broken = toffee_reader_next(&reader, &item, NULL) != TOFFEE_OK;

        seen->broken = broken;
        if (item.tag == NULL) {
            return; /* the end, or no tag to be had */
        }
        if (item.number < TOFFEE_COUNTOF(seen->wires)) {
            /* Of a field that is cut short at least the tag counts. */
            seen->wires[item.number] |= (uint8_t)(1u << item.wire);
        }
        if (broken) {
            return;
        }
        if (item.wire != TOFFEE_TAG_BYTES) {
            continue;
        }
        if (item.number == 1) {
            seen->name_in_1 = seen->name_in_1 || bytes_are_printable(item.bytes);
        }
        else if (item.number == 2 && !seen->node_in_2) {
            seen->node_in_2 =
                bytes_are_message(item.bytes, node_wires, TOFFEE_COUNTOF(node_wires), 4);
        }
        else if (item.number == 8 && !seen->opset_in_8) {
            seen->opset_in_8 =
                bytes_are_message(item.bytes, opset_wires, TOFFEE_COUNTOF(opset_wires), 0);
        }
    }
}

/* Which dialect the sights speak for; false: none. *FOREIGN says what else it is, if that is known.
 */
static bool
dialect_judge(const dialect_sights *seen, toffee_dialect *out, const char **foreign)
{
    bool node_in_1 = sights_have(seen, 1, TOFFEE_TAG_BYTES);
    bool number_in_1 = sights_have(seen, 1, TOFFEE_TAG_VARINT);
    bool text_in_7 = sights_have(seen, 7, TOFFEE_TAG_BYTES);
    bool text_in_8 = sights_have(seen, 8, TOFFEE_TAG_BYTES);
    bool infos = sights_have(seen, 11, TOFFEE_TAG_BYTES) ||
                 sights_have(seen, 12, TOFFEE_TAG_BYTES) || sights_have(seen, 13, TOFFEE_TAG_BYTES);

    if (seen->node_in_2 && !seen->broken && (seen->name_in_1 || text_in_7 || text_in_8)) {
        *foreign = "a Caffe2 NetDef; it takes two, init_net and predict_net: see "
                   "toffee.backend.c2.load_nets, and toffee convert";
        return false;
    }
    if (!node_in_1 && (text_in_7 || seen->opset_in_8)) {
        *out = TOFFEE_DIALECT_ONNX;
        return true;
    }
    if (sights_have(seen, 20, TOFFEE_TAG_BYTES) || infos ||
        (!number_in_1 &&
         (sights_have(seen, 25, TOFFEE_TAG_BYTES) || sights_have(seen, 26, TOFFEE_TAG_BYTES)))) {
        *out = TOFFEE_DIALECT_CURRENT;
        return true;
    }
    if (node_in_1 || sights_have(seen, 6, TOFFEE_TAG_VARINT) ||
        sights_have(seen, 7, TOFFEE_TAG_VARINT)) {
        *out = TOFFEE_DIALECT_LATE;
        return true;
    }
    if (seen->node_in_2 || sights_have(seen, 6, TOFFEE_TAG_BYTES)) {
        *out = TOFFEE_DIALECT_EARLY;
        return true;
    }
    if (number_in_1) {
        /* An early graph without nodes has at least its version and its inputs or outputs. */
        if (sights_have(seen, 4, TOFFEE_TAG_BYTES) || sights_have(seen, 5, TOFFEE_TAG_BYTES) ||
            !sights_have(seen, 2, TOFFEE_TAG_BYTES)) {
            *out = TOFFEE_DIALECT_EARLY;
            return true;
        }
        *foreign = "the beginning of an ONNX model, without a graph in it";
        return false;
    }
    /* A late graph without nodes: a name, inputs, outputs. */
    if (sights_have(seen, 2, TOFFEE_TAG_BYTES) || sights_have(seen, 3, TOFFEE_TAG_BYTES) ||
        sights_have(seen, 4, TOFFEE_TAG_BYTES) || sights_have(seen, 5, TOFFEE_TAG_BYTES)) {
        *out = TOFFEE_DIALECT_LATE;
        return true;
    }
    return false;
}

static toffee_code
dialect_fail(toffee_status *st, const char *what)
{
    toffee_code rc = TOFFEE_ERR_FORMAT;

    if (what != NULL) {
        toffee_fail(st, rc, "at byte 0: not a ToffeeIR or ONNX graph: this is %s", what);
    }
    else {
        toffee_fail(st, rc,
                    "at byte 0: not a ToffeeIR or ONNX graph: none of the top-level fields is one "
                    "of a GraphProto (nodes in field 1, or in field 2 before September 2017) or of "
                    "an ONNX ModelProto (a graph in field 7); the file may be damaged or of "
                    "another kind");
    }
    if (st != NULL) {
        st->offset = 0;
    }
    return rc;
}

toffee_code
toffee_dialect_detect(const uint8_t *data, size_t n, toffee_dialect *out, toffee_status *st)
{
    dialect_sights seen = {0};
    const char *foreign = NULL;

    if (n == 0) {
        return dialect_fail(st, "an empty file");
    }
    foreign = signature_match(signatures, TOFFEE_COUNTOF(signatures), data, n);
    if (foreign != NULL) {
        return dialect_fail(st, foreign);
    }
    dialect_look(data, n, &seen);
    if (seen.broken && dialect_is_text(data, n)) {
        return dialect_fail(st, signature_match(texts, TOFFEE_COUNTOF(texts), data, n));
    }
    if (dialect_judge(&seen, out, &foreign)) {
        return TOFFEE_OK;
    }
    if (foreign == NULL && dialect_is_text(data, n)) {
        foreign = signature_match(texts, TOFFEE_COUNTOF(texts), data, n);
    }
    return dialect_fail(st, foreign);
}
