/* csrc/caffe2/emit_activation.c -- activations, softmax and dropout. */
#include <math.h>
#include <string.h>

#include "caffe2/nn.h"

/* ---- one operator each ----------------------------------------------------------------------- */

/* One input, one output, the same meaning: the name in the row is all there is to say. */
static toffee_code
emit_same(toffee_c2 *c, const toffee_c2_rule *rule)
{
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static toffee_code
aten_same(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *y = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    y = toffee_c2_wide_y(c, 0);
    toffee_c2_aten1(c, rule->aten_name, toffee_c2_wide_x(c, 0), y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* Relu is the one that integers have, too. */
static toffee_code
aten_relu(toffee_c2 *c, const toffee_c2_rule *rule)
{
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_ANY & ~TOFFEE_C2_BOOL)) {
        return toffee_c2_check_dtypes(c) != TOFFEE_OK ? TOFFEE_DECLINED : toffee_c2_decline_real(c);
    }
    const char *y = toffee_c2_wide_y(c, 0);

    toffee_c2_aten1(c, rule->aten_name, toffee_c2_wide_x(c, 0), y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- with parameters ------------------------------------------------------------------------- */

/* The parameters of an activation and where each goes. */
typedef struct {
    const char *op;
    struct {
        const char *attr;   /* of the node */
        double fallback;    /* if it does not say */
        const char *caffe2; /* argument of Caffe2's operator; NULL: none */
        const char *aten;   /* of ATen's function */
    } params[2];
} activation;

static const activation activations[] = {
    {"Celu", {{"alpha", 1.0, NULL, "alpha"}}},
    {"Elu", {{"alpha", 1.0, "alpha", "alpha"}}},
    {"LeakyRelu", {{"alpha", 0.01, "alpha", "negative_slope"}}},
    {"Selu",
     {{"alpha", 1.67326319217681884765625, "alpha", "alpha"},
      {"gamma", 1.05070102214813232421875, "scale", "scale"}}},
};

static const activation *
activation_find(const char *op)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(activations); i++) {
        if (strcmp(activations[i].op, op) == 0) {
            return &activations[i];
        }
    }
    return NULL;
}

static toffee_code
emit_params(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const activation *found = activation_find(rule->op);

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    for (size_t i = 0; i < TOFFEE_COUNTOF(found->params) && found->params[i].attr != NULL; i++) {
        toffee_c2_float(c, found->params[i].caffe2,
                        toffee_c2_attr_float(c, found->params[i].attr, found->params[i].fallback));
    }
    return toffee_c2_done(c);
}

static toffee_code
aten_params(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const activation *found = activation_find(rule->op);
    const char *y = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    y = toffee_c2_wide_y(c, 0);
    toffee_c2_aten1(c, rule->aten_name, toffee_c2_wide_x(c, 0), y);
    for (size_t i = 0; i < TOFFEE_COUNTOF(found->params) && found->params[i].attr != NULL; i++) {
        toffee_c2_float(c, found->params[i].aten,
                        toffee_c2_attr_float(c, found->params[i].attr, found->params[i].fallback));
    }
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- PRelu ----------------------------------------------------------------------------------- */

/* Caffe2 has one slope, or one for each channel. */
static toffee_code
emit_prelu(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    const toffee_value *slope = toffee_c2_input(c, 1);
    const int64_t *dims = NULL;
    int32_t rank = toffee_c2_rank(x);

    if (!toffee_c2_is(x, TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    if (rank < 2 || !toffee_c2_dims(c, slope, &dims)) {
        return toffee_c2_decline(c, "Caffe2's PRelu wants known shapes and a channel axis");
    }
    for (int32_t i = 0; i < toffee_c2_rank(slope); i++) {
        int32_t axis = rank - toffee_c2_rank(slope) + i;

        if (dims[i] != 1 && (axis != 1 || dims[i] != toffee_c2_dim(x, 1))) {
            return toffee_c2_decline(c, "Caffe2's PRelu has a slope for each channel, or one");
        }
    }
    toffee_c2_op2(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_x(c, 1), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static toffee_code
aten_prelu(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *x = NULL;
    const char *y = NULL;

    (void)rule;
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS | TOFFEE_C2_INDEX)) {
        return toffee_c2_decline_real(c);
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    const char *scaled = toffee_c2_aten2(c, "mul", x, toffee_c2_wide_x(c, 1), NULL);
    const char *negative = toffee_c2_aten_int(c, "lt", x, "other", 0, NULL);

    toffee_c2_aten3(c, "where", negative, scaled, x, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- Gelu ------------------------------------------------------------------------------------ */

static bool
gelu_is_tanh(toffee_c2 *c)
{
    return strcmp(toffee_c2_attr_text(c, "approximate", "none"), "tanh") == 0;
}

static toffee_code
emit_gelu(toffee_c2 *c, const toffee_c2_rule *rule)
{
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_int(c, "fast_gelu", gelu_is_tanh(c));
    return toffee_c2_done(c);
}

/* PyTorch 1.10 has no approximation by tanh: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + k * x^3))). */
static toffee_code
aten_gelu(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *x = NULL;
    const char *y = NULL;
    const char *t = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    if (!gelu_is_tanh(c)) {
        return aten_same(c, rule);
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    t = toffee_c2_aten_int(c, "pow", x, "exponent", 3, NULL);
    t = toffee_c2_aten_number(c, "mul", t, "other", 0.044715, NULL);
    t = toffee_c2_aten2(c, "add", x, t, NULL);
    t = toffee_c2_aten_number(c, "mul", t, "other", sqrt(8 / M_PI) / 2, NULL);
    t = toffee_c2_aten1(c, "tanh", t, NULL);
    t = toffee_c2_aten_int(c, "add", t, "other", 1, NULL);
    x = toffee_c2_aten_number(c, "mul", x, "other", 0.5, NULL);
    toffee_c2_aten2(c, "mul", x, t, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- HardSigmoid and HardSwish --------------------------------------------------------------- */

static toffee_code
emit_hard_sigmoid(toffee_c2 *c, const toffee_c2_rule *rule)
{
    bool swish = strcmp(rule->op, "HardSwish") == 0;
    const char *t = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    t = toffee_c2_op1(c, "HardSigmoid", toffee_c2_x(c, 0), swish ? NULL : toffee_c2_y(c, 0));
    toffee_c2_float(c, "alpha", swish ? 1.0 / 6 : toffee_c2_attr_float(c, "alpha", 0.2));
    toffee_c2_float(c, "beta", toffee_c2_attr_float(c, "beta", 0.5));
    if (swish) {
        toffee_c2_op2(c, "Mul", toffee_c2_x(c, 0), t, toffee_c2_y(c, 0));
    }
    return toffee_c2_done(c);
}

/* The values of X between two bounds; NaN stays. */
static const char *
hard_clamp(toffee_c2 *c, const char *x, double low, double high, const char *dst)
{
    x = toffee_c2_aten_number(c, "clamp_min", x, "min", low, NULL);
    return toffee_c2_aten_number(c, "clamp_max", x, "max", high, dst);
}

static toffee_code
aten_hard_sigmoid(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *t = NULL;
    const char *y = NULL;

    (void)rule;
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    y = toffee_c2_wide_y(c, 0);
    t = toffee_c2_aten_number(c, "mul", toffee_c2_wide_x(c, 0), "other",
                              toffee_c2_attr_float(c, "alpha", 0.2), NULL);
    t = toffee_c2_aten_number(c, "add", t, "other", toffee_c2_attr_float(c, "beta", 0.5), NULL);
    hard_clamp(c, t, 0, 1, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- Softplus, Softsign, ThresholdedRelu, Shrink --------------------------------------------- */

/* ATen turns linear above a threshold; at 40 this shows in no dtype. */
static toffee_code
aten_softplus(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *y = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    y = toffee_c2_wide_y(c, 0);
    toffee_c2_aten1(c, rule->aten_name, toffee_c2_wide_x(c, 0), y);
    toffee_c2_int(c, "beta", 1);
    toffee_c2_int(c, "threshold", 40);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

static toffee_code
aten_softsign(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *x = NULL;
    const char *y = NULL;
    const char *t = NULL;

    (void)rule;
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    t = toffee_c2_aten1(c, "abs", x, NULL);
    t = toffee_c2_aten_int(c, "add", t, "other", 1, NULL);
    toffee_c2_aten2(c, "div", x, t, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* X where CONDITION holds, else 0. */
static const char *
keep_where(toffee_c2 *c, const char *condition, const char *x, const char *dst)
{
    const char *other = toffee_c2_aten1(c, "logical_not", condition, NULL);

    dst = toffee_c2_aten2(c, "masked_fill", x, other, dst);
    toffee_c2_int(c, "value", 0);
    return dst;
}

static toffee_code
emit_thresholded(toffee_c2 *c, const toffee_c2_rule *rule)
{
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_float(c, "alpha", toffee_c2_attr_float(c, "alpha", 1));
    return toffee_c2_done(c);
}

static toffee_code
aten_thresholded(toffee_c2 *c, const toffee_c2_rule *rule)
{
    double alpha = toffee_c2_attr_float(c, "alpha", 1);
    const char *x = NULL;
    const char *y = NULL;

    (void)rule;
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    keep_where(c, toffee_c2_aten_number(c, "gt", x, "other", alpha, NULL), x, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

static toffee_code
aten_shrink(toffee_c2 *c, const toffee_c2_rule *rule)
{
    double lambd = toffee_c2_attr_float(c, "lambd", 0.5);
    double bias = toffee_c2_attr_float(c, "bias", 0);
    bool whole =
        toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_ANY & ~TOFFEE_C2_REALS & ~TOFFEE_C2_BOOL);
    const char *x = NULL;
    const char *y = NULL;

    (void)rule;
    if (!whole && !toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    if (whole && bias != floor(bias)) {
        return toffee_c2_decline(c, "integers cannot be moved by a fraction");
    }
    x = toffee_c2_wide_x(c, 0);
    y = toffee_c2_wide_y(c, 0);
    const char *above = toffee_c2_aten_number(c, "gt", x, "other", lambd, NULL);
    const char *below = toffee_c2_aten_number(c, "lt", x, "other", -lambd, NULL);
    const char *up = toffee_c2_aten_number(c, "add", x, "other", bias, NULL);
    const char *down = toffee_c2_aten_number(c, "add", x, "other", -bias, NULL);

    up = keep_where(c, below, up, NULL);
    toffee_c2_aten3(c, "where", above, down, up, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* ---- along an axis --------------------------------------------------------------------------- */

/* Caffe2's Softmax sees a matrix: what is behind the axis is one with it. */
static toffee_code
emit_softmax(toffee_c2 *c, const toffee_c2_rule *rule)
{
    int32_t rank = toffee_c2_rank(toffee_c2_input(c, 0));
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", -1), rank);

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    if (axis < 0 || axis != rank - 1) {
        return toffee_c2_decline(c, "Caffe2's Softmax is along the last axis");
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_int(c, "axis", axis);
    return toffee_c2_done(c);
}

static toffee_code
aten_softmax(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *y = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    y = toffee_c2_wide_y(c, 0);
    toffee_c2_aten_int(c, rule->aten_name, toffee_c2_wide_x(c, 0), "dim",
                       toffee_c2_attr_int(c, "axis", -1), y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

/* One where the first largest element is. */
static toffee_code
aten_hardmax(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    int32_t rank = toffee_c2_rank(x);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", -1), rank);
    int64_t *dims = NULL;
    const char *place = NULL;

    (void)rule;
    if (!toffee_c2_is(x, TOFFEE_C2_REALS)) {
        return toffee_c2_decline_real(c);
    }
    if (axis < 0 || toffee_c2_dim(x, axis) < 1) {
        return toffee_c2_decline(c, "the size of its axis is not known");
    }
    dims = toffee_c2_numbers(c, (size_t)rank);
    for (int32_t i = 0; i < rank && c->rc == TOFFEE_OK; i++) {
        dims[i] = i == axis ? toffee_c2_dim(x, axis) : 1;
    }
    toffee_c2_aten_int(c, "max", toffee_c2_wide_x(c, 0), "dim", axis, NULL);
    place = toffee_c2_out_fresh(c);
    toffee_c2_int(c, "keepdim", 1);
    place = toffee_c2_aten2(
        c, "eq", place, toffee_c2_count_up(c, toffee_c2_dim(x, axis), dims, (size_t)rank), NULL);
    toffee_c2_cast(c, place, TOFFEE_DTYPE_BOOL, toffee_c2_dtype(toffee_c2_output(c, 0)),
                   toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- Dropout --------------------------------------------------------------------------------- */

/* NULL if it changes nothing, else why it cannot be. */
static const char *
dropout_refused(toffee_c2 *c)
{
    const toffee_value *training = toffee_c2_input(c, 2);
    double on = 0;
    double ratio = 0.5;

    if (training == NULL || (toffee_c2_known_number(c, training, &on) && on == 0)) {
        return NULL;
    }
    if (toffee_c2_known_number(c, toffee_c2_input(c, 1), &ratio) && ratio == 0) {
        return NULL;
    }
    return "it draws random numbers: export the model in evaluation mode";
}

/* Nothing is dropped: a mask of trues. */
static void
dropout_mask(toffee_c2 *c)
{
    if (toffee_c2_output(c, 1) == NULL) {
        return;
    }
    toffee_c2_op1(c, "ConstantFill", toffee_c2_x(c, 0), toffee_c2_y(c, 1));
    toffee_c2_int(c, "dtype", toffee_c2_data_type(TOFFEE_DTYPE_BOOL));
    toffee_c2_int(c, "value", 1);
}

static toffee_code
emit_dropout(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *why = dropout_refused(c);

    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline_single(c);
    }
    toffee_c2_op1(c, rule->caffe2_name, toffee_c2_x(c, 0), toffee_c2_y(c, 0));
    toffee_c2_int(c, "is_test", 1);
    dropout_mask(c);
    return toffee_c2_done(c);
}

static toffee_code
aten_dropout(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *why = dropout_refused(c);

    (void)rule;
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    toffee_c2_return(c, 0, toffee_c2_x(c, 0));
    dropout_mask(c);
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"Celu", NULL, NULL, aten_params, "celu"},
    {"Dropout", emit_dropout, "Dropout", aten_dropout, "(a copy)"},
    {"Elu", emit_params, "Elu", aten_params, "elu"},
    {"Gelu", emit_gelu, "Gelu", aten_gelu, "gelu"},
    {"HardSigmoid", emit_hard_sigmoid, "HardSigmoid", aten_hard_sigmoid, "clamp"},
    {"HardSwish", emit_hard_sigmoid, "HardSigmoid, Mul", aten_same, "hardswish"},
    {"Hardmax", NULL, NULL, aten_hardmax, "max, eq"},
    {"LeakyRelu", emit_params, "LeakyRelu", aten_params, "leaky_relu"},
    {"LogSoftmax", NULL, NULL, aten_softmax, "log_softmax"},
    {"Mish", emit_same, "Mish", aten_same, "mish"},
    {"PRelu", emit_prelu, "PRelu", aten_prelu, "where"},
    {"Relu", emit_same, "Relu", aten_relu, "relu"},
    {"Selu", emit_params, "Selu", aten_params, "elu"},
    {"Shrink", NULL, NULL, aten_shrink, "where"},
    {"Sigmoid", emit_same, "Sigmoid", aten_same, "sigmoid"},
    {"Softmax", emit_softmax, "Softmax", aten_softmax, "softmax"},
    {"Softplus", NULL, NULL, aten_softplus, "softplus"}, /* Caffe2's overflows at 89 */
    {"Softsign", emit_same, "Softsign", aten_softsign, "abs, div"},
    {"Tanh", emit_same, "Tanh", aten_same, "tanh"},
    {"ThresholdedRelu", emit_thresholded, "ThresholdedRelu", aten_thresholded, "masked_fill"},
};

const toffee_c2_family toffee_c2_rules_activation = {rows, TOFFEE_COUNTOF(rows)};
