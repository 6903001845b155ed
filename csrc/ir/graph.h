/* csrc/ir/graph.h -- the graph: nodes in order, values between them, tensors it starts from.
 *
 * A graph owns an arena and everything in it. The structs below are open for reading; they are
 * changed through the functions here, which keep the name table right.
 *
 * What a file says and toffee does not understand is kept byte for byte, in members called `extra`:
 * the fields with their tags, one after the other, in the arena. It is written back where it was
 * found, and counts when graphs are compared. Nothing looks into it.
 *
 * A value is a name in one graph: what a node's input and another's output have in common. A graph
 * read from a file may be wrong (a name that nothing makes, or two nodes make): values represent
 * that too, and ir/lint.c reports it. A name that a subgraph takes from the graph around it is a
 * value of the subgraph without a producer. */
#ifndef TOFFEE_IR_GRAPH_H
#define TOFFEE_IR_GRAPH_H

#include "base/ptrmap.h"
#include "base/vec.h"
#include "ir/attr.h"

typedef struct toffee_value {
    const toffee_str *name; /* NULL until it is named; unique in the graph */
    const toffee_str *doc;  /* of its ValueInfoProto; NULL: none */
    toffee_type type;
    toffee_node *producer; /* the first node that has it as an output; NULL: input, initializer,
                              captured or undefined */
    toffee_tensor *tensor; /* the initializer of this name, or NULL */
    toffee_graph *graph;
    bool is_input;      /* of the graph */
    bool is_listed;     /* an input with an initializer that is declared all the same: ONNX's way of
                           saying that the initializer is only a default */
    toffee_bytes extra; /* fields of its message that are not understood, as they were */
} toffee_value;

struct toffee_node {
    toffee_graph *graph;
    const toffee_str *op_type;
    const toffee_str *name;            /* NULL: none */
    const toffee_str *domain;          /* NULL: the default domain */
    const toffee_str *doc;             /* NULL: none */
    const toffee_str *overload;        /* of the function that it calls; NULL: none */
    TOFFEE_VEC(toffee_value *) inputs; /* NULL where an optional one is left out */
    TOFFEE_VEC(toffee_value *) outputs;
    TOFFEE_VEC(toffee_attr) attrs; /* sorted by name */
    toffee_bytes extra;            /* fields of its message that are not understood */
};

typedef struct {
    const toffee_str *domain;
    int64_t version;
} toffee_opset;

typedef struct {
    const toffee_str *key;
    const toffee_str *value;
    const toffee_str *graph_value; /* what the graph says where the model says `value`; NULL: the
                                      same, or only one has the key */
    uint8_t place;                 /* toffee_prop_place */
} toffee_prop;

/* An ONNX model and the graph in it have properties each; toffee shows them as one list. */
typedef enum {
    TOFFEE_PROP_IN_BOTH = 0, /* also of a graph that comes from nowhere */
    TOFFEE_PROP_IN_GRAPH,
    TOFFEE_PROP_IN_MODEL,
} toffee_prop_place;

/* What the ModelProto around the graph said, so that it can say it again. Texts: NULL: none. */
typedef struct {
    int64_t ir_version; /* ONNX's count; 0: not said */
    int64_t model_version;
    bool has_model_version; /* it was said, and may be 0 */
    const toffee_str *producer_name;
    const toffee_str *producer_version;
    const toffee_str *doc;
    bool lends_doc;     /* the graph had no doc_string and shows this one */
    toffee_bytes extra; /* fields that are not understood, such as training_info, as they were */
} toffee_envelope;

typedef struct toffee_function toffee_function; /* defined in ir/function.h */

struct toffee_graph {
    toffee_arena *arena;
    toffee_strpool *pool;
    toffee_graph *parent; /* whose arena and pool are shared; NULL: this graph owns both */
    const toffee_str *name;
    const toffee_str *producer_tag;
    const toffee_str *domain;
    const toffee_str *doc;
    int64_t ir_version;       /* 0: not said */
    int64_t producer_version; /* 0: not said */
    TOFFEE_VEC(toffee_node *) nodes;
    TOFFEE_VEC(toffee_value *) inputs; /* parameters first, then the model's arguments */
    TOFFEE_VEC(toffee_value *) outputs;
    TOFFEE_VEC(toffee_tensor *) initializers;
    TOFFEE_VEC(toffee_value *)
    value_infos; /* values that declare a type and are neither inputs nor
                    outputs */
    TOFFEE_VEC(toffee_opset) opsets;
    TOFFEE_VEC(toffee_prop) props;
    TOFFEE_VEC(toffee_sparse *) sparse_initializers;
    TOFFEE_VEC(toffee_graph *) functions; /* of the outermost graph: see ir/function.h */
    toffee_function *function;            /* of a graph that is a function's body; else NULL */
    toffee_envelope *envelope;            /* of the outermost graph; NULL: there was none */
    toffee_bytes extra;                   /* fields of its message that are not understood */
    toffee_ptrmap values;                 /* toffee_str * -> toffee_value * */
    struct toffee_graph_guest *guests;    /* what to call when the graph is freed */
};

/* An empty graph with an arena of its own. The caller frees it. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_new(toffee_graph **out, toffee_status *st);
/* An empty graph inside PARENT: shares its arena and pool and dies with it; never freed alone.
 * Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_new_inside(toffee_graph *parent, toffee_graph **out,
                                                     toffee_status *st);
/* Frees the graph, everything in it, and calls what was registered with toffee_graph_on_free, last
 * registered first. Does nothing on NULL or on a graph inside another. */
void toffee_graph_free(toffee_graph *graph);
/* Has RELEASE(CTX) called when the graph (or the outermost around it) is freed: for bytes that its
 * tensors borrow. On failure RELEASE is not called and stays the caller's duty. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_on_free(toffee_graph *graph, void (*release)(void *ctx),
                                                  void *ctx, toffee_status *st);

/* Interned text, or NULL when memory is out. */
TOFFEE_NODISCARD const toffee_str *toffee_graph_intern(toffee_graph *graph, const char *text);

/* The value called NAME, made without a producer if there is none. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_value(toffee_graph *graph, const toffee_str *name,
                                                toffee_value **out, toffee_status *st);
/* The value called NAME, or NULL. */
toffee_value *toffee_graph_find(const toffee_graph *graph, const char *name);
/* A value without a name: for tracing, which names values at the end. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_new_value(toffee_graph *graph, toffee_value **out,
                                                    toffee_status *st);
/* Gives VALUE the name NAME (not NULL). Errors: NOMEM; VALUE when another value has that name. */
TOFFEE_NODISCARD toffee_code toffee_value_rename(toffee_value *value, const toffee_str *name,
                                                 toffee_status *st);

/* Declares dtype and dims (copied; -1: unknown); rank -1: unknown. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_value_set_type(toffee_value *value, toffee_dtype dtype,
                                                   const int64_t *dims, int32_t rank,
                                                   toffee_status *st);

/* A node of OP_TYPE without inputs or outputs, not yet in the list of nodes. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_node_new(toffee_graph *graph, const char *op_type,
                                             toffee_node **out, toffee_status *st);
/* Appends an edge; VALUE may be NULL for an input that is left out. The first node that gets a
 * value as an output becomes its producer. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_node_add_input(toffee_node *node, toffee_value *value,
                                                   toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_node_add_output(toffee_node *node, toffee_value *value,
                                                    toffee_status *st);
/* Puts NODE at INDEX (<= n) of its graph's list. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_insert_node(toffee_graph *graph, size_t index,
                                                      toffee_node *node, toffee_status *st);
/* Puts NODE at the end. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_append_node(toffee_graph *graph, toffee_node *node,
                                                      toffee_status *st);

/* Lists that a file declares. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_graph_add_input(toffee_graph *graph, toffee_value *value,
                                                    toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_graph_add_output(toffee_graph *graph, toffee_value *value,
                                                     toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_graph_add_value_info(toffee_graph *graph, toffee_value *value,
                                                         toffee_status *st);
/* Adds TENSOR, which must have a name, and ties it to the value of that name. */
TOFFEE_NODISCARD toffee_code toffee_graph_add_initializer(toffee_graph *graph,
                                                          toffee_tensor *tensor, toffee_status *st);
/* Declares DOMAIN ("" or NULL: the default one) at VERSION, replacing an earlier declaration. */
TOFFEE_NODISCARD toffee_code toffee_graph_set_opset(toffee_graph *graph, const char *domain,
                                                    int64_t version, toffee_status *st);
/* The declared version of DOMAIN, or 0. */
int64_t toffee_graph_opset(const toffee_graph *graph, const char *domain);
/* Sets a metadata property, replacing one of the same key. */
TOFFEE_NODISCARD toffee_code toffee_graph_set_prop(toffee_graph *graph, const char *key,
                                                   const char *value, toffee_status *st);

/* Rebuilds every value's producer, is_input and tensor from the lists, after edits to them. Never
 * fails. */
void toffee_graph_relink(toffee_graph *graph);

/* A deep copy of NODE (attributes, subgraphs, tensors' structs; tensor bytes are borrowed from the
 * same place unless COPY_BYTES) in GRAPH, with values of the same names; not in the node list.
 * Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_node_copy(const toffee_node *node, toffee_graph *graph,
                                              bool copy_bytes, toffee_node **out,
                                              toffee_status *st);
/* A copy of TENSOR in GRAPH, on the same terms. Errors: NOMEM, those of the source. */
TOFFEE_NODISCARD toffee_code toffee_tensor_copy(const toffee_tensor *tensor, toffee_graph *graph,
                                                bool copy_bytes, toffee_tensor **out,
                                                toffee_status *st);
/* A copy of SPARSE in GRAPH, on the same terms. */
TOFFEE_NODISCARD toffee_code toffee_sparse_copy(const toffee_sparse *sparse, toffee_graph *graph,
                                                bool copy_bytes, toffee_sparse **out,
                                                toffee_status *st);
/* A copy of ATTR in GRAPH, on the same terms. */
TOFFEE_NODISCARD toffee_code toffee_attr_copy(const toffee_attr *attr, toffee_graph *graph,
                                              bool copy_bytes, toffee_attr *out, toffee_status *st);
/* Copies everything in FROM into the empty graph TO, on the same terms. If FROM is a function, TO
 * must be one. */
TOFFEE_NODISCARD toffee_code toffee_graph_copy_into(const toffee_graph *from, toffee_graph *to,
                                                    bool copy_bytes, toffee_status *st);

#endif /* TOFFEE_IR_GRAPH_H */
