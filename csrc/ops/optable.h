/* csrc/ops/optable.h -- operators are data: one row each, read by the checker, shape inference,
 * the pruner, the docs and the tests. The reference for each row is ONNX's opset 20 (onnx.defs). */
#ifndef TOFFEE_OPS_OPTABLE_H
#define TOFFEE_OPS_OPTABLE_H

#include "ir/graph.h"

/* Sets of dtypes, as bits. */
#define TOFFEE_DTYPE_BIT(dtype) (UINT32_C(1) << (dtype))

/* ONNX's two kinds of attribute that ToffeeIR cannot hold, sparse tensors and types, are not in the
 * table: Constant has no sparse_value, Optional has no type. */
typedef struct {
    const char *name;
    toffee_attr_type type;
    bool required;
    const char *doc;     /* meaning, unit; after the last semicolon the default */
    const char *choices; /* of a STRING: the allowed texts, with | between them; NULL: any */
} toffee_attr_spec;

typedef enum { TOFFEE_SINGLE, TOFFEE_OPTIONAL, TOFFEE_VARIADIC } toffee_arity;

typedef struct {
    const char *name;
    const char *type;   /* the name of a type variable of this operator; NULL: anything */
    toffee_arity arity; /* VARIADIC only on the last port */
    bool mixed;         /* a variadic whose members may differ in dtype */
    uint8_t min;        /* of a variadic: fewest members */
} toffee_port_spec;

typedef struct {
    const char *name; /* "T"; a port whose dtype is fixed has a variable named after it: "int64" */
    uint32_t dtypes;  /* allowed ones, as bits; all ports of this variable have the same one */
} toffee_typevar_spec;

typedef struct toffee_op_spec toffee_op_spec;
typedef struct toffee_infer toffee_infer; /* in infer.h: what is known of the values of a graph */

struct toffee_op_spec {
    const char *name;
    const char *domain; /* "" */
    int since_version;  /* the opset that gave it this meaning */
    const char *doc;    /* shapes in and out, one line */
    const toffee_port_spec *inputs;
    size_t n_inputs;
    const toffee_port_spec *outputs;
    size_t n_outputs;
    const toffee_attr_spec *attrs; /* sorted by name */
    size_t n_attrs;
    const toffee_typevar_spec *typevars;
    size_t n_typevars;
    /* An INT attribute that, when not 0, makes the optional outputs required; NULL: none. */
    const char *all_outputs_if;
    /* Further rules that arity and types cannot say; NULL: none. It is called after those held,
     * with what is known of the inputs in CTX, and its message needs no name of the node. Errors:
     * CHECK.
     */
    toffee_code (*check)(const toffee_infer *ctx, const toffee_op_spec *spec,
                         const toffee_node *node, toffee_status *st);
    /* Fills the facts about the outputs of NODE, the node at hand in CTX; on the same terms. Their
     * dtypes are there already where the type variables say them. NULL: nothing more is known. */
    toffee_code (*infer)(toffee_infer *ctx, const toffee_node *node, toffee_status *st);
};

/* The row of DOMAIN's OP_TYPE, or NULL. "ai.onnx" is another spelling of the default domain "". */
const toffee_op_spec *toffee_op_find(const char *domain, const char *op_type);
/* Rows in order of name: COUNT of them. */
size_t toffee_op_count(void);
const toffee_op_spec *toffee_op_at(size_t index);
/* Fewest members that a list of N ports may have: trailing optional ones may be missing. */
size_t toffee_op_fewest(const toffee_port_spec *ports, size_t n);
/* Fewest outputs a node may keep: those that are not optional, and all where their number is part
 * of the meaning (Split). 1 for an unknown operator. For toffee_prune. */
size_t toffee_op_min_outputs(const toffee_node *node);

#endif /* TOFFEE_OPS_OPTABLE_H */
