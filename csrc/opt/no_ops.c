/* csrc/opt/no_ops.c -- takes out nodes whose result is one of their inputs, bit for bit.
 *
 * What is exact: the same elements come out for every input, infinities, NaN and -0.0 included, and
 * in the same shape. x + 0.0 is not (-0.0 + 0.0 is 0.0), x + -0.0 is; x - 0.0 is, x - -0.0 is not;
 * x * 1, x / 1 and x ** 1 are. (The bits of a NaN may be others: arithmetic quiets signalling
 * ones, and a copy does not.) */
#include <string.h>

#include "opt/pass.h"

/* Into *OUT the input that NODE passes on as its first output, or NULL. Errors: NOMEM. */
typedef toffee_code no_op_rule(toffee_opt *opt, const toffee_node *node, toffee_value **out,
                               toffee_status *st);

/* What has one input and no attributes that count. */
static toffee_code
rule_always(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    (void)opt;
    (void)st;
    *out = toffee_opt_in(node, 0);
    return TOFFEE_OK;
}

/* Sum, Max, Concat and others, if their first input is all they are given. Clip is none of them:
 * without bounds it clips to the largest numbers, and so infinity. */
static toffee_code
rule_alone(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    (void)opt;
    (void)st;
    for (size_t i = 1; i < node->inputs.n; i++) {
        if (node->inputs.data[i] != NULL) {
            return TOFFEE_OK;
        }
    }
    *out = toffee_opt_in(node, 0);
    return TOFFEE_OK;
}

static toffee_code
rule_cast(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    toffee_value *x = toffee_opt_in(node, 0);

    (void)opt;
    (void)st;
    if (x != NULL && x->type.dtype != TOFFEE_DTYPE_UNDEFINED &&
        toffee_opt_int(node, "to", 0) == (int64_t)x->type.dtype) {
        *out = x;
    }
    return TOFFEE_OK;
}

static toffee_code
rule_transpose(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    toffee_value *x = toffee_opt_in(node, 0);
    const toffee_attr *perm = toffee_node_attr(node, "perm");

    (void)opt;
    (void)st;
    if (perm == NULL) {
        *out = x != NULL && (x->type.rank == 0 || x->type.rank == 1) ? x : NULL;
        return TOFFEE_OK;
    }
    if (perm->type != TOFFEE_ATTR_INTS) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < perm->n; i++) {
        if (perm->ints[i] != (int64_t)i) {
            return TOFFEE_OK;
        }
    }
    *out = x;
    return TOFFEE_OK;
}

/* What keeps the elements in their order: the same shape is the same tensor. */
static toffee_code
rule_same_shape(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    toffee_value *x = toffee_opt_in(node, 0);

    (void)opt;
    (void)st;
    if (x != NULL && toffee_opt_same_type(x, node->outputs.data[0])) {
        *out = x;
    }
    return TOFFEE_OK;
}

/* The same shape, and steps of 1: with a step of -1 all elements may come out, backwards. */
static toffee_code
rule_slice(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    const toffee_tensor *steps = NULL;

    if (toffee_opt_in(node, 4) != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, toffee_opt_in(node, 4), &steps, st));
        if (steps == NULL || !toffee_opt_tensor_is(steps, TOFFEE_OPT_ONE)) {
            return TOFFEE_OK;
        }
    }
    return rule_same_shape(opt, node, out, st);
}

/* The same shape is not enough for Pad: one more here and one less there is a shift. */
static toffee_code
rule_pad(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    const toffee_tensor *pads = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, toffee_opt_in(node, 1), &pads, st));
    if (pads != NULL && toffee_opt_tensor_is(pads, TOFFEE_OPT_ZERO)) {
        *out = toffee_opt_in(node, 0);
    }
    return TOFFEE_OK;
}

static toffee_code
rule_tile(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    const toffee_tensor *repeats = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, toffee_opt_in(node, 1), &repeats, st));
    if (repeats != NULL && toffee_opt_tensor_is(repeats, TOFFEE_OPT_ONE)) {
        *out = toffee_opt_in(node, 0);
    }
    return TOFFEE_OK;
}

/* Dropout that does not drop, if nobody asks which elements it dropped. */
static toffee_code
rule_dropout(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    const toffee_tensor *training = NULL;

    if (toffee_opt_out(node, 1) != NULL) {
        return TOFFEE_OK;
    }
    if (toffee_opt_in(node, 2) != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, toffee_opt_in(node, 2), &training, st));
        if (training == NULL || !toffee_opt_tensor_is(training, TOFFEE_OPT_ZERO)) {
            return TOFFEE_OK;
        }
    }
    *out = toffee_opt_in(node, 0);
    return TOFFEE_OK;
}

/* ---- neutral elements ---- */

/* Whether the result of X and CONSTANT, broadcast, has the shape of X. */
static bool
keeps_shape(const toffee_node *node, const toffee_value *x, const toffee_tensor *constant)
{
    return constant->rank == 0 || toffee_opt_same_type(x, node->outputs.data[0]) ||
           (constant->n_elements == 1 && constant->rank <= x->type.rank);
}

/* Passes on input INDEX of two if the other is NUMBER everywhere. */
static toffee_code
rule_neutral(toffee_opt *opt, const toffee_node *node, size_t index, toffee_opt_number number,
             toffee_value **out, toffee_status *st)
{
    toffee_value *x = toffee_opt_in(node, index);
    const toffee_tensor *other = NULL;

    if (x == NULL || node->inputs.n != 2) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, toffee_opt_in(node, 1 - index), &other, st));
    if (other != NULL && toffee_opt_tensor_is(other, number) && keeps_shape(node, x, other)) {
        *out = x;
    }
    return TOFFEE_OK;
}

/* x + -0.0, x or false, x xor false. */
static toffee_code
rule_minus_zero(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(rule_neutral(opt, node, 0, TOFFEE_OPT_MINUS_ZERO, out, st));
    return *out != NULL ? TOFFEE_OK : rule_neutral(opt, node, 1, TOFFEE_OPT_MINUS_ZERO, out, st);
}

/* x - 0.0 */
static toffee_code
rule_right_zero(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    return rule_neutral(opt, node, 0, TOFFEE_OPT_ZERO, out, st);
}

/* x * 1, x and true */
static toffee_code
rule_one(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(rule_neutral(opt, node, 0, TOFFEE_OPT_ONE, out, st));
    return *out != NULL ? TOFFEE_OK : rule_neutral(opt, node, 1, TOFFEE_OPT_ONE, out, st);
}

/* x / 1, x ** 1: the exponent may be of another dtype, the result is of x's. */
static toffee_code
rule_right_one(toffee_opt *opt, const toffee_node *node, toffee_value **out, toffee_status *st)
{
    return rule_neutral(opt, node, 0, TOFFEE_OPT_ONE, out, st);
}

static const struct {
    const char *op_type;
    no_op_rule *rule;
} no_op_rows[] = {
    {"Add", rule_minus_zero},
    {"And", rule_one},
    {"Cast", rule_cast},
    {"Concat", rule_alone},
    {"Div", rule_right_one},
    {"Dropout", rule_dropout},
    {"Expand", rule_same_shape},
    {"Flatten", rule_same_shape},
    {"Identity", rule_always},
    {"Max", rule_alone},
    {"Min", rule_alone},
    {"Mul", rule_one},
    {"Or", rule_minus_zero},
    {"Pad", rule_pad},
    {"Pow", rule_right_one},
    {"Reshape", rule_same_shape},
    {"Slice", rule_slice},
    {"Squeeze", rule_same_shape},
    {"Sub", rule_right_zero},
    {"Sum", rule_alone},
    {"Tile", rule_tile},
    {"Transpose", rule_transpose},
    {"Unsqueeze", rule_same_shape},
    {"Xor", rule_minus_zero},
};

toffee_code
toffee_pass_no_ops(toffee_opt *opt, toffee_status *st)
{
    for (size_t i = 0; i < opt->graph->nodes.n; i++) {
        toffee_node *node = opt->graph->nodes.data[i];
        toffee_value *source = NULL;

        toffee_opt_refresh(opt, node);
        for (size_t row = 0; row < TOFFEE_COUNTOF(no_op_rows); row++) {
            if (toffee_opt_out(node, 0) != NULL &&
                toffee_opt_is(opt, node, no_op_rows[row].op_type)) {
                TOFFEE_RETURN_IF_ERROR(no_op_rows[row].rule(opt, node, &source, st));
                break;
            }
        }
        if (source != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_opt_bypass(opt, node, source, st));
        }
    }
    return TOFFEE_OK;
}
