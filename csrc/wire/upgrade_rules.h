/* csrc/wire/upgrade_rules.h -- the functions behind the table in upgrade.c: each turns one kind of
 * 2017 node into opset 20. Errors: NOMEM, UNSUPPORTED. */
#ifndef TOFFEE_WIRE_UPGRADE_RULES_H
#define TOFFEE_WIRE_UPGRADE_RULES_H

#include "wire/rewrite.h"

#define TOFFEE_UPGRADE_RULE(name)                                                                  \
    TOFFEE_NODISCARD toffee_code toffee_upgrade_##name(toffee_rewrite *rw, toffee_node *node)

/* upgrade_nn.c */
TOFFEE_UPGRADE_RULE(window); /* Conv, ConvTranspose, and the pools */
TOFFEE_UPGRADE_RULE(global_pool);
TOFFEE_UPGRADE_RULE(batch_norm);
TOFFEE_UPGRADE_RULE(fc);
TOFFEE_UPGRADE_RULE(dropout);
TOFFEE_UPGRADE_RULE(softmax); /* also LogSoftmax and Hardmax */
TOFFEE_UPGRADE_RULE(prelu);
TOFFEE_UPGRADE_RULE(upsample);
TOFFEE_UPGRADE_RULE(recurrent);

/* upgrade_math.c */
TOFFEE_UPGRADE_RULE(broadcast); /* Add, Sub, …, And, Less, … */
TOFFEE_UPGRADE_RULE(pow);
TOFFEE_UPGRADE_RULE(scale);
TOFFEE_UPGRADE_RULE(affine);
TOFFEE_UPGRADE_RULE(scaled_tanh);
TOFFEE_UPGRADE_RULE(parametric_softplus);
TOFFEE_UPGRADE_RULE(clip);
TOFFEE_UPGRADE_RULE(selu);
TOFFEE_UPGRADE_RULE(cast);
TOFFEE_UPGRADE_RULE(gemm);
TOFFEE_UPGRADE_RULE(matmul);
TOFFEE_UPGRADE_RULE(reduce);
TOFFEE_UPGRADE_RULE(topk);

/* upgrade_tensor.c */
TOFFEE_UPGRADE_RULE(reshape);
TOFFEE_UPGRADE_RULE(flatten);
TOFFEE_UPGRADE_RULE(transpose);
TOFFEE_UPGRADE_RULE(squeeze);
TOFFEE_UPGRADE_RULE(unsqueeze);
TOFFEE_UPGRADE_RULE(concat);
TOFFEE_UPGRADE_RULE(split);
TOFFEE_UPGRADE_RULE(slice);
TOFFEE_UPGRADE_RULE(pad);
TOFFEE_UPGRADE_RULE(tile);

/* upgrade_fill.c */
TOFFEE_UPGRADE_RULE(constant);
TOFFEE_UPGRADE_RULE(constant_fill);
TOFFEE_UPGRADE_RULE(given_tensor_fill);
TOFFEE_UPGRADE_RULE(random);

/* SECOND, reshaped by nodes before the one at hand so that its first axis lies at AXIS of FIRST, as
 * 2017's broadcast=1, axis=k meant; -1: at the end, as NumPy does. Works without known ranks. */
TOFFEE_NODISCARD toffee_code toffee_upgrade_align(toffee_rewrite *rw, const toffee_node *node,
                                                  toffee_value *first, toffee_value *second,
                                                  int64_t axis, toffee_value **out);
/* The dtype that attribute NAME says, as a number of the dialect or as a text such as "INT64"; *OUT
 * is left alone where there is no such attribute. */
TOFFEE_NODISCARD toffee_code toffee_upgrade_dtype(toffee_rewrite *rw, const toffee_node *node,
                                                  const char *name, toffee_dtype *out);

#endif /* TOFFEE_WIRE_UPGRADE_RULES_H */
