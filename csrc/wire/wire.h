/* csrc/wire/wire.h -- the layer's face: graphs to bytes and bytes to graphs (docs/format.md). */
#ifndef TOFFEE_WIRE_WIRE_H
#define TOFFEE_WIRE_WIRE_H

#include "ir/graph.h"
#include "wire/dialect.h"
#include "wire/sink.h"

typedef enum {
    TOFFEE_FORMAT_TOFFEE, /* a bare GraphProto */
    TOFFEE_FORMAT_ONNX,   /* the same bytes in a ModelProto */
} toffee_format;

/* Where the bytes of an initializer are already. */
typedef struct {
    const char *location; /* of the file, as readers shall find it; NULL: the bytes are written */
    uint64_t offset;      /* of the first byte in it */
} toffee_place;

typedef struct {
    toffee_format format;
    bool with_initializers;       /* false: export_params=False; every input then has a type */
    const char *producer;         /* of the ONNX envelope; NULL: "toffee" */
    const char *producer_version; /* NULL: none */
    uint64_t max_onnx_bytes;      /* more: large initializers go to PATH.data; 0: the default */
    bool external_data;           /* of an ONNX model, however small it is: to PATH.data */
    const toffee_place *places;   /* one for each initializer, in order; NULL: all are written */
    toffee_progress *progress;    /* hears of the bytes written, and their total; may be NULL */
} toffee_save_options;

/* Writes GRAPH to PATH, atomically: on failure what was there is untouched (what happens to an
 * existing file, a link or a pipe: wire/target.h). GRAPH must not change meanwhile. The GIL is not
 * needed; tensor sources are called. Errors: IO, NOMEM, LIMIT, VALUE (a tensor without data, a
 * value without a name, a text with a zero byte, an ONNX file of a graph of ir_version 1), those of
 * tensor sources, what the listener to the progress returns. */
TOFFEE_NODISCARD toffee_code toffee_save_path(const toffee_graph *graph, const char *path,
                                              const toffee_save_options *options,
                                              toffee_status *st);
/* Writes GRAPH to WRITE, once, from first byte to last. An ONNX model over the limit is an error,
 * as there is no folder to put its weights into. Errors: as above, and what WRITE returns. */
TOFFEE_NODISCARD toffee_code toffee_save_fn(const toffee_graph *graph, toffee_write_fn write,
                                            void *ctx, const toffee_save_options *options,
                                            toffee_status *st);

/* Reads the file at PATH, mapped: tensor data points into the mapping, which lives as long as the
 * graph. *DIALECT (may be NULL) says what it was. 2017 nodes are left as they are: see upgrade.h.
 * Errors: IO, FORMAT (status.offset is the byte, the message the path to it), NOMEM, LIMIT. */
TOFFEE_NODISCARD toffee_code toffee_load_path(const char *path, toffee_graph **out,
                                              toffee_dialect *dialect, toffee_status *st);
/* Reads N bytes at DATA, on the same terms. On success RELEASE(CTX) is called when the graph is
 * freed and DATA must live until then; on failure RELEASE is not called. RELEASE may be NULL. */
TOFFEE_NODISCARD toffee_code toffee_load_bytes(const void *data, size_t n,
                                               void (*release)(void *ctx), void *ctx,
                                               toffee_graph **out, toffee_dialect *dialect,
                                               toffee_status *st);

#endif /* TOFFEE_WIRE_WIRE_H */
