/* csrc/caffe2/read.h -- the bytes of a NetDef as operators, for the way back from Caffe2.
 *
 * Read by hand with csrc/wire/reader.h, as every file is: protobuf-c's unpack copies payloads and
 * has no limits (see docs/architecture.md). Private to caffe2/. */
#ifndef TOFFEE_CAFFE2_READ_H
#define TOFFEE_CAFFE2_READ_H

#include "ir/graph.h"

/* A named constant of an operator. Caffe2 does not say of which type it is: what is there counts,
 * and it may be several. Everything lives in the graph's arena; packed floats lie in the file. */
typedef struct {
    const toffee_str *name;
    bool has_f;
    bool has_i;
    bool has_s;
    bool has_more; /* a tensor or a net */
    bool used;     /* a rule has looked at it */
    float f;
    int64_t i;
    toffee_bytes s;
    const void *floats; /* n_floats of them, at any address */
    size_t n_floats;
    bool floats_borrowed; /* they lie in the file */
    const int64_t *ints;
    size_t n_ints;
    size_t n_strings;
} toffee_c2_read_arg;

typedef struct {
    const toffee_str *type;
    const toffee_str *name; /* NULL: none */
    const toffee_str **inputs;
    size_t n_inputs;
    const toffee_str **outputs;
    size_t n_outputs;
    toffee_c2_read_arg *args;
    size_t n_args;
} toffee_c2_read_op;

typedef struct {
    const char *file; /* what messages call it: "init_net" */
    const toffee_str *name;
    toffee_c2_read_op *ops;
    size_t n_ops;
    const toffee_str **inputs; /* external_input */
    size_t n_inputs;
    const toffee_str **outputs; /* external_output */
    size_t n_outputs;
} toffee_c2_read_net;

/* The net in the N bytes at DATA, with texts in the pool of GRAPH and arrays in its arena; packed
 * floats are borrowed from DATA. FILE is static. Device, engine and control inputs are skipped:
 * they say where and how, not what. Errors: NOMEM; FORMAT, with path and byte; LIMIT (it takes far
 * more memory than it has bytes). */
TOFFEE_NODISCARD toffee_code toffee_c2_read(const uint8_t *data, size_t n, const char *file,
                                            toffee_graph *graph, toffee_c2_read_net *out,
                                            toffee_status *st);
/* The argument NAME of OP, or NULL. */
toffee_c2_read_arg *toffee_c2_read_find(const toffee_c2_read_op *op, const char *name);

#endif /* TOFFEE_CAFFE2_READ_H */
