/* csrc/ir/tensor.h -- a named array: dims, dtype, and bytes that belong to somebody else. */
#ifndef TOFFEE_IR_TENSOR_H
#define TOFFEE_IR_TENSOR_H

#include "base/dtype.h"
#include "base/strpool.h"

typedef struct {
    const uint8_t *data;
    size_t n;
} toffee_bytes;

/* Bytes that are not at hand but can be brought: a tensor on another device, or one whose elements
 * are not in row-major order. The writer fetches one at a time and lets go before the next, so a
 * model is never held twice. Called from any thread, without the GIL. */
typedef struct {
    /* Points *data at the n_bytes of the tensor, valid until unfetch. On failure nothing is held.
     */
    toffee_code (*fetch)(void *ctx, const void **data, toffee_status *st);
    void (*unfetch)(void *ctx);
} toffee_tensor_source;

/* Fields may be read by anyone and are changed only by the owner of the graph. The struct lives in
 * its graph's arena; so do name, dims and strings. */
typedef struct {
    const toffee_str *name; /* NULL: none */
    const toffee_str *doc;  /* NULL: none; on the wire spaces at its end are padding */
    toffee_dtype dtype;
    int32_t rank;
    const int64_t *dims;
    uint64_t n_elements;
    uint64_t n_bytes; /* 0 for strings */
    const void *data; /* row-major, little-endian, at any address (a file may not align it); NULL if
                         fetched, a string, or empty */
    const toffee_bytes *strings;        /* n_elements of them, for TOFFEE_DTYPE_STRING */
    const toffee_tensor_source *source; /* NULL when data is at hand */
    void *source_ctx;
    toffee_bytes extra; /* fields of its message that are not understood, as they were */
} toffee_tensor;

/* A tensor of which only some elements are not zero: values[k] stands at indices[k]. */
typedef struct {
    toffee_tensor *values; /* its name is that of the whole */
    toffee_tensor
        *indices; /* of int64: [n], into the elements in order, or [n, rank]; NULL: none */
    int32_t rank;
    const int64_t *dims;
    toffee_bytes extra;
} toffee_sparse;

/* A tensor in ARENA whose data is DATA (borrowed: see toffee_graph_on_free for keeping it alive).
 * DIMS is copied. NULL DATA is allowed when the tensor is empty, or is set by the caller
 * afterwards. Errors: NOMEM, VALUE (negative dims, or a size over 63 bits). */
TOFFEE_NODISCARD toffee_code toffee_tensor_new(toffee_arena *arena, const toffee_str *name,
                                               toffee_dtype dtype, const int64_t *dims,
                                               int32_t rank, const void *data, toffee_tensor **out,
                                               toffee_status *st);
/* The bytes, fetched if need be. Every success is followed by toffee_tensor_let_go.
 * Errors: those of the source. */
TOFFEE_NODISCARD toffee_code toffee_tensor_hold(const toffee_tensor *tensor, const void **data,
                                                toffee_status *st);
void toffee_tensor_let_go(const toffee_tensor *tensor);
/* Same dtype, dims and bytes; names do not matter. *EQUAL is set on success. Errors: the source's.
 */
TOFFEE_NODISCARD toffee_code toffee_tensor_equal(const toffee_tensor *a, const toffee_tensor *b,
                                                 bool *equal, toffee_status *st);

#endif /* TOFFEE_IR_TENSOR_H */
