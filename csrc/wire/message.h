/* csrc/wire/message.h -- parts of a graph as protobuf-c's structs, ready to be packed.
 *
 * The structs live in a scratch arena that is emptied after each part, so that writing a graph
 * takes memory for its largest node and not for all of them. Names, numbers and payloads are not
 * copied: the structs point to the graph's. */
#ifndef TOFFEE_WIRE_MESSAGE_H
#define TOFFEE_WIRE_MESSAGE_H

#include "ir/graph.h"
#include "toffee.pb-c.h"

typedef struct {
    toffee_arena *arena;
    bool sizes_only; /* nothing is fetched: payloads have a length and no bytes */
    bool late;       /* without what September 2017 did not have */
    int depth;       /* of the graph that is being made: 0 for the outermost */
    TOFFEE_VEC(const toffee_tensor *) held; /* to let go once the part is packed */
} toffee_scratch;

/* On success the caller ends with toffee_scratch_close. Errors: NOMEM; then there is nothing to
 * close. */
TOFFEE_NODISCARD toffee_code toffee_scratch_open(toffee_scratch *scratch, toffee_status *st);
/* Lets go of the tensors that are held and forgets all structs made so far. Errors: NOMEM; the
 * scratch can then only be closed. */
TOFFEE_NODISCARD toffee_code toffee_scratch_reset(toffee_scratch *scratch, toffee_status *st);
/* Lets go of the tensors that are held, and frees. */
void toffee_scratch_close(toffee_scratch *scratch);

/* The bytes of TENSOR, which is not one of strings, held until the scratch is reset. *DATA is NULL
 * when the tensor is empty or only sizes are wanted. Errors: NOMEM, VALUE (there is no data), those
 * of the source. */
TOFFEE_NODISCARD toffee_code toffee_scratch_hold(toffee_scratch *scratch,
                                                 const toffee_tensor *tensor, const void **data,
                                                 toffee_status *st);

/* Each of these makes one message, valid until the scratch is reset.
 * Errors: NOMEM; VALUE (a value without a name, a text with a zero byte in it, a tensor without
 * data); LIMIT (graphs nested too deep); those of tensor sources. */
TOFFEE_NODISCARD toffee_code toffee_message_node(toffee_scratch *scratch, const toffee_node *node,
                                                 Toffee__NodeProto **out, toffee_status *st);
/* Without its payload if PAYLOAD is false: for who writes the payload otherwise. */
TOFFEE_NODISCARD toffee_code toffee_message_tensor(toffee_scratch *scratch,
                                                   const toffee_tensor *tensor, bool payload,
                                                   Toffee__TensorProto **out, toffee_status *st);
/* Name and type of VALUE. The type of a parameter is that of its tensor, unless it is_listed. */
TOFFEE_NODISCARD toffee_code toffee_message_value(toffee_scratch *scratch,
                                                  const toffee_value *value,
                                                  Toffee__ValueInfoProto **out, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_message_opset(toffee_scratch *scratch,
                                                  const toffee_opset *opset,
                                                  Toffee__OperatorSetId **out, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_message_prop(toffee_scratch *scratch, const toffee_prop *prop,
                                                 Toffee__StringStringEntry **out,
                                                 toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_message_sparse(toffee_scratch *scratch,
                                                   const toffee_sparse *sparse,
                                                   Toffee__SparseTensorProto **out,
                                                   toffee_status *st);
/* FUNCTION is a graph that is a function. */
TOFFEE_NODISCARD toffee_code toffee_message_function(toffee_scratch *scratch,
                                                     const toffee_graph *function,
                                                     Toffee__FunctionProto **out,
                                                     toffee_status *st);
/* ENVELOPE's fields but for its doc_string and what is not understood. */
TOFFEE_NODISCARD toffee_code toffee_message_envelope(toffee_scratch *scratch,
                                                     const toffee_envelope *envelope,
                                                     Toffee__ModelProto **out, toffee_status *st);
/* The names of GRAPH (fields 2 to 4), and what it says of itself (fields 6 to 10). */
TOFFEE_NODISCARD toffee_code toffee_message_names(toffee_scratch *scratch,
                                                  const toffee_graph *graph,
                                                  Toffee__GraphProto **out, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_message_about(toffee_scratch *scratch,
                                                  const toffee_graph *graph,
                                                  Toffee__GraphProto **out, toffee_status *st);

/* Whether VALUE, an input, is listed with its type: with initializers, only what has none, or was
 * read from an ONNX file that lists it. */
bool toffee_message_lists_input(const toffee_value *value, bool with_initializers);

/* ---- between the message*.c files ---- */

/* Sets *OUT to a new message that INIT, of protobuf-c's making, has initialised. */
#define MESSAGE_NEW(scratch, out, init)                                                            \
    ((*(out) = toffee_arena_calloc((scratch)->arena, 1, sizeof(**(out)))) != NULL                  \
         ? ((init)(*(out)), TOFFEE_OK)                                                             \
         : toffee_fail_nomem(st))
/* Sets *OUT to an array of N zeroed elements. */
#define MESSAGE_ARRAY(scratch, out, n)                                                             \
    ((*(out) = toffee_arena_calloc((scratch)->arena, (n), sizeof(**(out)))) != NULL                \
         ? TOFFEE_OK                                                                               \
         : toffee_fail_nomem(st))

/* An optional field: an empty text is not written, as it says the same as none. Errors: VALUE. */
TOFFEE_NODISCARD toffee_code toffee_message_text(const toffee_str *text, char **out,
                                                 toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_message_value_names(toffee_scratch *scratch,
                                                        toffee_value *const *values, size_t n,
                                                        char ***out, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_message_attr(toffee_scratch *scratch, const toffee_attr *attr,
                                                 Toffee__AttributeProto **out, toffee_status *st);
/* Has EXTRA, fields with their tags, written behind those of MSG. */
TOFFEE_NODISCARD toffee_code toffee_message_extra(toffee_scratch *scratch,
                                                  const toffee_bytes *extra, ProtobufCMessage *msg,
                                                  toffee_status *st);

#endif /* TOFFEE_WIRE_MESSAGE_H */
