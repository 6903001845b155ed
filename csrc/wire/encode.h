/* csrc/wire/encode.h -- a graph to bytes, one part after the other (docs/format.md). */
#ifndef TOFFEE_WIRE_ENCODE_H
#define TOFFEE_WIRE_ENCODE_H

#include "ir/graph.h"
#include "wire/wire.h"

/* Longest node, value or other part that protobuf-c packs: its lengths have 32 bits, and readers
 * take them as signed. Payloads of initializers do not pass through it and have no such limit. */
#define TOFFEE_WIRE_MAX_PART ((size_t)INT32_MAX)
/* Tensors of this many bytes or more are moved when weights go to a file of their own. */
#define TOFFEE_EXTERNAL_MIN_BYTES 1024
/* Where they start there: pages, so that each can be mapped. */
#define TOFFEE_EXTERNAL_ALIGNMENT 4096

typedef struct {
    bool with_initializers; /* false: those of inputs are left out; see wire.h */
    bool in_model;          /* the graph stands in an ONNX model, which says the rest itself */
    const char *location;   /* name of the file for large initializers; NULL: they stay inside */
    toffee_sink *data;      /* to that file, at its start; not used if the other sink counts */
    const toffee_place *places; /* see wire.h */
} toffee_encode_options;

/* Appends the GraphProto to SINK, without a length before it. The bytes depend on the graph and the
 * options, and on nothing else; payloads are aligned as seen from the first one. A sink that counts
 * learns the size: then no tensor is fetched. What was appended may still point into GRAPH: flush
 * before it changes. Errors: those of wire/message.h and of the sinks; LIMIT (a part over
 * TOFFEE_WIRE_MAX_PART). */
TOFFEE_NODISCARD toffee_code toffee_encode_graph(const toffee_graph *graph,
                                                 const toffee_encode_options *options,
                                                 toffee_sink *sink, toffee_status *st);

typedef struct {
    const char *producer;         /* not NULL */
    const char *producer_version; /* NULL: none */
} toffee_encode_envelope;

/* Appends an ONNX ModelProto with the graph in it. As seen from its first byte, the graph starts at
 * a multiple of TOFFEE_ALIGNMENT; it has the bytes that toffee_encode_graph gives, but for
 * functions and what an ONNX model said, which go to the envelope. GRAPH is encoded twice, the
 * first time to know its length. Errors: as above; VALUE (a graph of ir_version 1 has no ONNX
 * form). */
TOFFEE_NODISCARD toffee_code toffee_encode_model(const toffee_graph *graph,
                                                 const toffee_encode_options *options,
                                                 const toffee_encode_envelope *envelope,
                                                 toffee_sink *sink, toffee_status *st);

#endif /* TOFFEE_WIRE_ENCODE_H */
