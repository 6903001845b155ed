/* csrc/caffe2/emit_loss.c -- losses. */
#include <string.h>

#include "caffe2/nn.h"

/* The loss of X, logarithms of probabilities [N, C, ...], for the classes at input 1, into output
 * 0. NULL, or why not. */
static const char *
loss_emit(toffee_c2 *c, const char *x)
{
    static const char *const reductions[] = {"none", "mean", "sum"};
    const char *reduction = toffee_c2_attr_text(c, "reduction", "mean");
    int64_t n_classes = toffee_c2_dim(toffee_c2_input(c, 0), 1);
    toffee_dtype dtype = toffee_c2_wide(toffee_c2_dtype(toffee_c2_input(c, 0)));
    const char *y = NULL;
    int64_t which = -1;

    for (size_t i = 0; i < TOFFEE_COUNTOF(reductions); i++) {
        which = strcmp(reductions[i], reduction) == 0 ? (int64_t)i : which;
    }
    if (which < 0 || n_classes < 1) {
        return "the number of its classes is not known";
    }
    const char *target = toffee_c2_cast(
        c, toffee_c2_x(c, 1), toffee_c2_dtype(toffee_c2_input(c, 1)), TOFFEE_DTYPE_INT64, NULL);
    const char *weights = toffee_c2_input(c, 2) != NULL
                              ? toffee_c2_wide_x(c, 2)
                              : toffee_c2_filled(c, 1, &n_classes, 1, dtype);

    y = toffee_c2_wide_y(c, 0);
    toffee_c2_aten3(c, "nll_loss_nd", x, target, weights, y);
    toffee_c2_int(c, "reduction", which);
    toffee_c2_int(c, "ignore_index", toffee_c2_attr_int(c, "ignore_index", -100));
    toffee_c2_wide_done(c, 0, y);
    return NULL;
}

static toffee_code
aten_loss(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *x = NULL;
    const char *why = NULL;

    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "PyTorch 1.10 computes it for floating-point numbers only");
    }
    x = toffee_c2_wide_x(c, 0);
    if (strcmp(rule->op, "SoftmaxCrossEntropyLoss") == 0) {
        const char *logs = toffee_c2_wide_y(c, 1);

        x = toffee_c2_aten_int(c, "log_softmax", x, "dim", 1, logs);
        toffee_c2_wide_done(c, 1, logs);
    }
    why = loss_emit(c, x);
    return why != NULL ? toffee_c2_decline(c, why) : toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"NegativeLogLikelihoodLoss", NULL, NULL, aten_loss, "nll_loss_nd"},
    {"SoftmaxCrossEntropyLoss", NULL, NULL, aten_loss, "log_softmax, nll_loss_nd"},
};

const toffee_c2_family toffee_c2_rules_loss = {rows, TOFFEE_COUNTOF(rows)};
