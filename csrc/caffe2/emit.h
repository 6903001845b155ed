/* csrc/caffe2/emit.h -- a graph as two Caffe2 nets: one that makes the weights, one that computes.
 *
 * The nodes are operators of opset 20. Each becomes operators of Caffe2 that compute the same, or
 * Caffe2's operator "ATen", which calls PyTorch's own function. Blobs have the names of the graph's
 * values. Needs the dtypes of values and, for many operators, their shapes: infer them before. */
#ifndef TOFFEE_CAFFE2_EMIT_H
#define TOFFEE_CAFFE2_EMIT_H

#include "ir/graph.h"

typedef struct {
    bool cuda;         /* else the CPU */
    int32_t device_id; /* of the card */
    bool prefer_aten;  /* where both can, ATen and not Caffe2's own operator */
    bool weights; /* the init net makes the initializers; else they are external inputs that the
                     caller feeds, as are the tensors of Constant nodes */
} toffee_c2_options;

/* A net and what it came from, on the heap. */
typedef struct {
    uint8_t *init; /* serialized NetDef */
    size_t n_init;
    uint8_t *predict;
    size_t n_predict;
    size_t *nodes; /* for each operator of the predict net the index of its node */
    size_t n_nodes;
} toffee_c2_nets;

/* Fills *OUT, the caller's to free with toffee_c2_nets_free; on failure there is nothing to free.
 * Errors: NOMEM; UNSUPPORTED naming the node that Caffe2 cannot compute and why; VALUE (a value
 * without a name); LIMIT (weights over the 2 GiB of a protobuf message); those of tensor sources.
 */
TOFFEE_NODISCARD toffee_code toffee_c2_emit(const toffee_graph *graph,
                                            const toffee_c2_options *options, toffee_c2_nets *out,
                                            toffee_status *st);
void toffee_c2_nets_free(toffee_c2_nets *nets);

#endif /* TOFFEE_CAFFE2_EMIT_H */
