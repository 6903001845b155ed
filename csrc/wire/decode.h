/* csrc/wire/decode.h -- bytes to graph.
 *
 * What is read: all of docs/format.md. Fields that are not in the tables are kept as they are, for
 * the message that they stand in (the members called `extra` in ir/): of an ONNX model for instance
 * its training_info, quantization annotations, metadata of nodes. Types that toffee_type cannot
 * express in full are kept beside what is understood of them. What is lost: unknown fields of
 * OperatorSetId and StringStringEntry, spaces at the end of doc_strings of tensors and models, and
 * all unknown fields of the early dialect, whose numbers mean something else today. What cannot be
 * left out without changing the model is refused: tensors in segments, and numbers of element types
 * and attribute types that are newer than toffee.
 *
 * Memory: payloads are not copied. Everything else is, and a value or a node is larger in memory
 * (about 250 and 450 bytes) than the few bytes that the smallest takes in a file. A file made of
 * nothing else is refused once it needs more than twice its size and TOFFEE_LOAD_SPARE_BYTES. */
#ifndef TOFFEE_WIRE_DECODE_H
#define TOFFEE_WIRE_DECODE_H

#include "ir/graph.h"
#include "wire/external.h"
#include "wire/reader.h"

/* Reads N bytes at DATA as DIALECT. FOLDER is where external data is (NULL: nowhere). Tensors point
 * into DATA. On success the caller owns *out; on failure it is NULL.
 * Errors: FORMAT, LIMIT, NOMEM; IO for external data. */
TOFFEE_NODISCARD toffee_code toffee_decode(const uint8_t *data, size_t n, toffee_dialect dialect,
                                           const char *folder, toffee_graph **out,
                                           toffee_status *st);

/* ---- between the decode*.c files ---- */

typedef struct {
    toffee_dialect dialect;
    bool late_enum;       /* early tags, but data types numbered as in late: 30 August 2017 */
    bool wants_late_enum; /* set before failing: a tensor makes sense only with late_enum */
    toffee_graph *root;
    toffee_arena *scratch; /* freed when the decoding ends */
    uint64_t budget;       /* bytes that the two arenas may hold */
    toffee_external external;
} toffee_decoder;

/* COUNT * SIZE zeroed bytes in the graph's arena; ITEM (a field of READER) is why.
 * Errors: NOMEM; LIMIT when the budget is used up. */
TOFFEE_NODISCARD toffee_code toffee_decode_alloc(toffee_decoder *dec, toffee_reader *reader,
                                                 const toffee_item *item, size_t count, size_t size,
                                                 void **out, toffee_status *st);
/* The text of ITEM, interned; *OUT is NULL if it is empty. Errors: NOMEM, LIMIT; FORMAT when it is
 * not UTF-8. */
TOFFEE_NODISCARD toffee_code toffee_decode_text(toffee_decoder *dec, toffee_reader *reader,
                                                const toffee_item *item, const toffee_str **out,
                                                toffee_status *st);
/* The same for keys, which the rest of toffee looks up as C strings. Also FORMAT on a NUL in it. */
TOFFEE_NODISCARD toffee_code toffee_decode_key(toffee_decoder *dec, toffee_reader *reader,
                                               const toffee_item *item, const toffee_str **out,
                                               toffee_status *st);
/* The last of PART as text, NULL if there is none. */
TOFFEE_NODISCARD toffee_code toffee_decode_part(toffee_decoder *dec, toffee_reader *reader,
                                                const toffee_part *part, const toffee_str **out,
                                                toffee_status *st);

/* The same without the spaces at its end, which toffee's own files pad with. */
TOFFEE_NODISCARD toffee_code toffee_decode_padded(toffee_decoder *dec, toffee_reader *reader,
                                                  const toffee_part *part, const toffee_str **out,
                                                  toffee_status *st);
/* The unknown fields of READER's message, which has been collected; none in the early dialect. The
 * reader then stands anywhere. */
TOFFEE_NODISCARD toffee_code toffee_decode_extra(toffee_decoder *dec, toffee_reader *reader,
                                                 toffee_bytes *out, toffee_status *st);

/* The value that ITEM names, made if it is new; NULL for the empty name. */
TOFFEE_NODISCARD toffee_code toffee_decode_value(toffee_decoder *dec, toffee_reader *reader,
                                                 const toffee_item *item, toffee_graph *graph,
                                                 toffee_value **out, toffee_status *st);
/* The same where the empty name is an error: FORMAT. */
TOFFEE_NODISCARD toffee_code toffee_decode_named_value(toffee_decoder *dec, toffee_reader *reader,
                                                       const toffee_item *item, toffee_graph *graph,
                                                       toffee_value **out, toffee_status *st);
/* Reads the ValueInfoProto ITEM of OUTER; *OUT is the value that it declares. A value that is in
 * KNOWN (may be NULL) stays as it is. */
TOFFEE_NODISCARD toffee_code toffee_decode_value_info(toffee_decoder *dec, toffee_reader *outer,
                                                      const toffee_item *item, toffee_graph *graph,
                                                      const toffee_ptrmap *known,
                                                      toffee_value **out, toffee_status *st);
/* Reads the TypeProto ITEM of OUTER. */
TOFFEE_NODISCARD toffee_code toffee_decode_type(toffee_decoder *dec, toffee_reader *outer,
                                                const toffee_item *item, toffee_type *out,
                                                toffee_status *st);
/* Reads the ModelProto ITEM of OUTER: what an ONNX model said besides its graph, which is at hand.
 */
TOFFEE_NODISCARD toffee_code toffee_decode_envelope(toffee_decoder *dec, toffee_reader *outer,
                                                    const toffee_item *item, toffee_status *st);
/* Reads properties, opsets and functions of a ModelProto, collected into PARTS, into the graph at
 * hand; only properties if PROPS_ONLY. */
TOFFEE_NODISCARD toffee_code toffee_decode_model_lists(toffee_decoder *dec, toffee_reader *reader,
                                                       const toffee_part *parts, bool props_only,
                                                       toffee_status *st);
/* Reads the message ITEM of OUTER, or OUTER itself if ITEM is NULL, into the empty GRAPH. */
TOFFEE_NODISCARD toffee_code toffee_decode_graph(toffee_decoder *dec, toffee_reader *outer,
                                                 const toffee_item *item, toffee_graph *graph,
                                                 toffee_status *st);
/* Reads the message ITEM of OUTER into *OUT. */
TOFFEE_NODISCARD toffee_code toffee_decode_attr(toffee_decoder *dec, toffee_reader *outer,
                                                const toffee_item *item, toffee_graph *graph,
                                                toffee_attr *out, toffee_status *st);
/* A tensor in the arena of GRAPH, whose data may stand at any address: payloads are where the file
 * has them, and only toffee's own files align them. */
TOFFEE_NODISCARD toffee_code toffee_decode_tensor(toffee_decoder *dec, toffee_reader *outer,
                                                  const toffee_item *item, toffee_graph *graph,
                                                  toffee_tensor **out, toffee_status *st);
/* A sparse tensor, on the same terms. */
TOFFEE_NODISCARD toffee_code toffee_decode_sparse(toffee_decoder *dec, toffee_reader *outer,
                                                  const toffee_item *item, toffee_graph *graph,
                                                  toffee_sparse **out, toffee_status *st);
/* The N strings of PART (strings or bytes), copied. */
TOFFEE_NODISCARD toffee_code toffee_decode_strings(toffee_decoder *dec, toffee_reader *reader,
                                                   const toffee_part *part,
                                                   const toffee_bytes **out, toffee_status *st);

#endif /* TOFFEE_WIRE_DECODE_H */
