/* csrc/caffe2/import.h -- Caffe2's two nets as a graph of operators of opset 20: the way back.
 *
 * Blobs are written again and again in a net (Relu from x to x); values of a graph are not. The
 * last content of a blob has its name, as it is what one fetches after a run; earlier ones have the
 * name with a number. What an input or a fill of the init net is called stays. */
#ifndef TOFFEE_CAFFE2_IMPORT_H
#define TOFFEE_CAFFE2_IMPORT_H

#include "ir/graph.h"

/* What is known of an input of the net. */
typedef struct {
    const char *name; /* "": the first one that no other names, and so on in order */
    toffee_dtype dtype;
    const int64_t *dims;
    int32_t rank;
} toffee_c2_import_input;

/* A serialized net. */
typedef struct {
    const uint8_t *data;
    size_t n;
} toffee_c2_bytes;

/* A new graph in *OUT, the caller's to free, with the fills of INIT as initializers and the rest of
 * both nets as nodes. Its tensors may borrow from the bytes of INIT and PREDICT, which must live as
 * long. INPUTS (N of them) say type and shape of blobs that nobody makes, or that the init net only
 * holds a place for. Errors: NOMEM; FORMAT (no net; a blob that nothing makes); UNSUPPORTED naming
 * all operators that have no row, or the one whose arguments mean something that opset 20 has not,
 * with its position; CHECK (shapes that do not fit together); VALUE (an input that the net has
 * not); LIMIT. */
TOFFEE_NODISCARD toffee_code toffee_c2_import(toffee_c2_bytes init, toffee_c2_bytes predict,
                                              const toffee_c2_import_input *inputs, size_t n,
                                              toffee_graph **out, toffee_status *st);

/* The table, for the docs: row INDEX (< count) as Caffe2's operator and those of ONNX. */
size_t toffee_c2_import_count(void);
void toffee_c2_import_row(size_t index, const char **caffe2, const char **onnx, const char **limit);

#endif /* TOFFEE_CAFFE2_IMPORT_H */
