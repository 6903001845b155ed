/* csrc/ir/attr.h -- typed attributes of a node, kept sorted by name so that equal nodes give equal
 * bytes. */
#ifndef TOFFEE_IR_ATTR_H
#define TOFFEE_IR_ATTR_H

#include "ir/type.h"

typedef struct toffee_graph toffee_graph;
typedef struct toffee_node toffee_node;

/* The numbers are those on the wire (AttributeProto.AttributeType). */
typedef enum {
    TOFFEE_ATTR_UNDEFINED = 0,
    TOFFEE_ATTR_FLOAT = 1,
    TOFFEE_ATTR_INT = 2,
    TOFFEE_ATTR_STRING = 3,
    TOFFEE_ATTR_TENSOR = 4,
    TOFFEE_ATTR_GRAPH = 5,
    TOFFEE_ATTR_FLOATS = 6,
    TOFFEE_ATTR_INTS = 7,
    TOFFEE_ATTR_STRINGS = 8,
    TOFFEE_ATTR_TENSORS = 9,
    TOFFEE_ATTR_GRAPHS = 10,
    TOFFEE_ATTR_SPARSE_TENSOR = 11,
    TOFFEE_ATTR_SPARSE_TENSORS = 12,
    TOFFEE_ATTR_TYPE_PROTO = 13,
    TOFFEE_ATTR_TYPE_PROTOS = 14,
} toffee_attr_type;

/* Lives in the arena of its node's graph, as do all the arrays. Which member counts says `type`:
 * one of the first five, or an array of `n` elements, which SPARSE_TENSOR and TYPE_PROTO have too.
 * In the body of a function `ref` may stand for the value, which is then what the call gives. */
typedef struct {
    const toffee_str *name;
    const toffee_str *doc; /* NULL: none */
    const toffee_str *ref; /* name of the function's attribute; NULL: the value is here */
    toffee_attr_type type;
    float f;
    int64_t i;
    toffee_bytes s;
    toffee_tensor *t;
    toffee_graph *g;
    size_t n;
    const float *floats;
    const int64_t *ints;
    const toffee_bytes *strings;
    toffee_tensor *const *tensors;
    toffee_graph *const *graphs;
    toffee_sparse *const *sparse;
    const toffee_type *types;
    toffee_bytes extra; /* fields of its message that are not understood, as they were */
} toffee_attr;

/* "FLOAT", "INTS", …; "UNDEFINED" for a number that is no type. Static. */
const char *toffee_attr_type_name(toffee_attr_type type);

/* The attribute called NAME, or NULL. Valid until the node's attributes are changed. */
const toffee_attr *toffee_node_attr(const toffee_node *node, const char *name);
/* Puts ATTR (its struct is copied, its arrays are not: they must be in the graph's arena) in its
 * sorted place, replacing one of the same name. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_node_set_attr(toffee_node *node, const toffee_attr *attr,
                                                  toffee_status *st);
/* Removes the attribute called NAME; false if there is none. */
bool toffee_node_remove_attr(toffee_node *node, const char *name);

/* Setters that copy what they are given. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_node_set_int(toffee_node *node, const char *name, int64_t i,
                                                 toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_node_set_float(toffee_node *node, const char *name, double f,
                                                   toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_node_set_string(toffee_node *node, const char *name,
                                                    const char *text, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_node_set_ints(toffee_node *node, const char *name,
                                                  const int64_t *ints, size_t n, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_node_set_floats(toffee_node *node, const char *name,
                                                    const float *floats, size_t n,
                                                    toffee_status *st);
/* TENSOR is kept, not copied. */
TOFFEE_NODISCARD toffee_code toffee_node_set_tensor(toffee_node *node, const char *name,
                                                    toffee_tensor *tensor, toffee_status *st);

#endif /* TOFFEE_IR_ATTR_H */
