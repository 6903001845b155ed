/* csrc/caffe2/rules.h -- which function emits which operator. Private to caffe2/.
 *
 * A row has up to two ways: with Caffe2's own operators, and with ATen. prefer= says which is tried
 * first; a way that declines leaves the node to the other. */
#ifndef TOFFEE_CAFFE2_RULES_H
#define TOFFEE_CAFFE2_RULES_H

#include "caffe2/net.h"

typedef struct toffee_c2_rule toffee_c2_rule;

/* Emits the node at hand: toffee_c2_done, or DECLINED (toffee_c2_decline), after which what it
 * began is forgotten. */
typedef toffee_code (*toffee_c2_fn)(toffee_c2 *c, const toffee_c2_rule *rule);

struct toffee_c2_rule {
    const char *op;          /* ONNX's name; rows are sorted by it */
    toffee_c2_fn caffe2;     /* NULL: Caffe2 has no operator for it */
    const char *caffe2_name; /* of Caffe2's operator, for the function and the docs; or NULL */
    toffee_c2_fn aten;       /* NULL: ATen has no function for it */
    const char *aten_name;   /* of ATen's function; or NULL */
};

typedef struct {
    const toffee_c2_rule *rows;
    size_t n;
} toffee_c2_family;

/* One for each emit_*.c. */
extern const toffee_c2_family toffee_c2_rules_activation;
extern const toffee_c2_family toffee_c2_rules_create;
extern const toffee_c2_family toffee_c2_rules_index;
extern const toffee_c2_family toffee_c2_rules_logic;
extern const toffee_c2_family toffee_c2_rules_math;
extern const toffee_c2_family toffee_c2_rules_reduce;
extern const toffee_c2_family toffee_c2_rules_shape;
extern const toffee_c2_family toffee_c2_rules_einsum;
extern const toffee_c2_family toffee_c2_rules_loss;
extern const toffee_c2_family toffee_c2_rules_nn;
extern const toffee_c2_family toffee_c2_rules_quant;
extern const toffee_c2_family toffee_c2_rules_resize;
extern const toffee_c2_family toffee_c2_rules_rnn;
extern const toffee_c2_family toffee_c2_rules_vision;
extern const toffee_c2_family toffee_c2_rules_norm;
extern const toffee_c2_family toffee_c2_rules_pool;

/* For any node of the domain org.pytorch.aten: in no family. */
extern const toffee_c2_rule toffee_c2_rule_aten;

/* The row for NODE, or NULL. */
const toffee_c2_rule *toffee_c2_rule_of(const toffee_node *node);
size_t toffee_c2_rule_count(void);
/* Row INDEX (< count), family by family. */
const toffee_c2_rule *toffee_c2_rule_at(size_t index);

#endif /* TOFFEE_CAFFE2_RULES_H */
