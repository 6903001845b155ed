/* csrc/ops/rules.h -- rules of single operators that arity and types cannot say: the `check` of
 * rows. Private to ops/.
 *
 * Each is called when arity, attributes and dtypes of NODE, the node at hand in CTX, already agree
 * with SPEC, and looks at what is known without running anything: attributes, and facts about the
 * inputs. What is not known is not a fault. Errors: CHECK, with a message that does not name the
 * node. */
#ifndef TOFFEE_OPS_RULES_H
#define TOFFEE_OPS_RULES_H

#include "ops/known.h"
#include "ops/optable.h"

typedef toffee_code toffee_rule(const toffee_infer *ctx, const toffee_op_spec *spec,
                                const toffee_node *node, toffee_status *st);

/* rules_nn.c: windows, products, layers */
toffee_rule toffee_rule_conv;
toffee_rule toffee_rule_pool;
toffee_rule toffee_rule_gemm;
toffee_rule toffee_rule_matmul;
toffee_rule toffee_rule_batch_norm;
toffee_rule toffee_rule_recurrent;
toffee_rule toffee_rule_resize;

/* rules_shape.c: shapes and axes */
toffee_rule toffee_rule_axis;      /* `axis` lies in the rank of the first input */
toffee_rule toffee_rule_broadcast; /* the inputs' shapes can be broadcast together */
toffee_rule toffee_rule_concat;
toffee_rule toffee_rule_expand;
toffee_rule toffee_rule_flatten;
toffee_rule toffee_rule_reshape;
toffee_rule toffee_rule_space_depth;
toffee_rule toffee_rule_split;
toffee_rule toffee_rule_squeeze; /* Unsqueeze too */
toffee_rule toffee_rule_transpose;

/* rules_attr.c: attributes that are dtypes, values or graphs */
toffee_rule toffee_rule_dtype; /* `to`, `dtype`, `output_datatype` name an allowed dtype */
toffee_rule toffee_rule_constant;
toffee_rule toffee_rule_constant_of_shape;
toffee_rule toffee_rule_if;
toffee_rule toffee_rule_loop;
toffee_rule toffee_rule_scan;

#endif /* TOFFEE_OPS_RULES_H */
