/* csrc/wire/downgrade_rules.h -- the functions behind the table in downgrade.c: each says one kind
 * of opset 20 node in the words of September 2017. Errors: NOMEM, UNSUPPORTED. */
#ifndef TOFFEE_WIRE_DOWNGRADE_RULES_H
#define TOFFEE_WIRE_DOWNGRADE_RULES_H

#include "wire/rewrite.h"

#define TOFFEE_DOWNGRADE_RULE(name)                                                                \
    TOFFEE_NODISCARD toffee_code toffee_downgrade_##name(toffee_rewrite *rw, toffee_node *node)

/* downgrade_nn.c */
TOFFEE_DOWNGRADE_RULE(window); /* Conv, ConvTranspose, and the pools */
TOFFEE_DOWNGRADE_RULE(gemm);
TOFFEE_DOWNGRADE_RULE(batch_norm);
TOFFEE_DOWNGRADE_RULE(dropout);
TOFFEE_DOWNGRADE_RULE(softmax);
TOFFEE_DOWNGRADE_RULE(prelu);
TOFFEE_DOWNGRADE_RULE(lrn);
TOFFEE_DOWNGRADE_RULE(recurrent);

/* downgrade_math.c */
TOFFEE_DOWNGRADE_RULE(arithmetic); /* two inputs that broadcast */
TOFFEE_DOWNGRADE_RULE(variadic);   /* Sum, Max, …: which did not */
TOFFEE_DOWNGRADE_RULE(clip);
TOFFEE_DOWNGRADE_RULE(selu);
TOFFEE_DOWNGRADE_RULE(cast);
TOFFEE_DOWNGRADE_RULE(reduce);
TOFFEE_DOWNGRADE_RULE(arg_reduce);
TOFFEE_DOWNGRADE_RULE(topk);

/* downgrade_tensor.c */
TOFFEE_DOWNGRADE_RULE(constant);
TOFFEE_DOWNGRADE_RULE(reshape);
TOFFEE_DOWNGRADE_RULE(axis); /* Flatten, Gather, Concat: an axis that may count from the end */
TOFFEE_DOWNGRADE_RULE(squeeze);
TOFFEE_DOWNGRADE_RULE(unsqueeze);
TOFFEE_DOWNGRADE_RULE(split);
TOFFEE_DOWNGRADE_RULE(slice);
TOFFEE_DOWNGRADE_RULE(pad);
TOFFEE_DOWNGRADE_RULE(depth_to_space);
TOFFEE_DOWNGRADE_RULE(shape);

/* SMALL as 2017 could broadcast it to BIG: without the axes of one around its own, which lie from
 * *AXIS of BIG on (-1: it is one number). *FITS is false when the shapes do not allow it or are not
 * known. */
TOFFEE_NODISCARD toffee_code toffee_downgrade_fit(toffee_rewrite *rw, const toffee_value *big,
                                                  toffee_value *small, bool *fits, int64_t *axis,
                                                  toffee_value **out);
/* AXIS of VALUE, counted from the front. UNSUPPORTED when it counts from the end and the rank is
 * not known. */
TOFFEE_NODISCARD toffee_code toffee_downgrade_axis_of(toffee_rewrite *rw, const toffee_node *node,
                                                      const toffee_value *value, int64_t *axis);
/* The integers that input AT is, which goes; *INTS is NULL when it is left out. UNSUPPORTED when it
 * is no constant. */
TOFFEE_NODISCARD toffee_code toffee_downgrade_take_ints(toffee_rewrite *rw, toffee_node *node,
                                                        size_t at, const char *what,
                                                        const int64_t **ints, size_t *n);
/* The same for one number; *X is left alone when the input is left out. */
TOFFEE_NODISCARD toffee_code toffee_downgrade_take_scalar(toffee_rewrite *rw, toffee_node *node,
                                                          size_t at, const char *what, double *x,
                                                          bool *found);
/* Removes the int attribute NAME, which 2017 did not have. UNSUPPORTED unless it has the only VALUE
 * that 2017 meant. */
TOFFEE_NODISCARD toffee_code toffee_downgrade_expect(toffee_rewrite *rw, toffee_node *node,
                                                     const char *name, int64_t value);

#endif /* TOFFEE_WIRE_DOWNGRADE_RULES_H */
