/* csrc/ops/rules_nn.c -- rules of layers: windows, products, normalization. */
#include "ops/rules.h"

#include <inttypes.h>
#include <string.h>

/* Attributes that have numbers for each spatial axis. */
static const struct {
    const char *name;
    size_t per_axis;
    int64_t least;
} window_attrs[] = {
    {"dilations", 1, 1},    {"kernel_shape", 1, 1}, {"output_padding", 1, 0},
    {"output_shape", 1, 1}, {"pads", 2, 0},         {"strides", 1, 1},
};

/* Holds the attributes of a window over N_AXES axes (-1: not known, taken from kernel_shape)
 * against that number and against one another. */
static toffee_code
window_is_sound(const toffee_node *node, int32_t n_axes, toffee_status *st)
{
    const toffee_attr *kernel = toffee_node_attr(node, "kernel_shape");
    const toffee_attr *auto_pad = toffee_node_attr(node, "auto_pad");
    const toffee_attr *pads = toffee_node_attr(node, "pads");

    if (n_axes < 0 && kernel != NULL && kernel->n <= TOFFEE_MAX_RANK) {
        n_axes = (int32_t)kernel->n;
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(window_attrs); i++) {
        const toffee_attr *attr = toffee_node_attr(node, window_attrs[i].name);

        if (attr == NULL) {
            continue;
        }
        if (n_axes >= 0 && attr->n != (size_t)n_axes * window_attrs[i].per_axis) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "attribute '%s' has %zu numbers; %d spatial axes need %zu",
                               window_attrs[i].name, attr->n, (int)n_axes,
                               (size_t)n_axes * window_attrs[i].per_axis);
        }
        for (size_t j = 0; j < attr->n; j++) {
            if (attr->ints[j] < window_attrs[i].least) {
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "attribute '%s' has %" PRId64 " at %zu; at least %" PRId64
                                   " is allowed",
                                   window_attrs[i].name, attr->ints[j], j, window_attrs[i].least);
            }
        }
    }
    if (auto_pad != NULL && pads != NULL &&
        (auto_pad->s.n != strlen("NOTSET") || memcmp(auto_pad->s.data, "NOTSET", 6) != 0)) {
        for (size_t j = 0; j < pads->n; j++) {
            if (pads->ints[j] != 0) { /* pads of 0 beside auto_pad occur and are harmless */
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "attributes 'pads' and 'auto_pad' (%.*s) contradict each other; "
                                   "leave one of them out",
                                   (int)auto_pad->s.n, (const char *)auto_pad->s.data);
            }
        }
    }
    return TOFFEE_OK;
}

/* The input whose port is called NAME; *INDEX is its place. */
static const toffee_fact *
port_input(const toffee_infer *ctx, const toffee_op_spec *spec, const char *name, size_t *index)
{
    for (size_t i = 0; i < spec->n_inputs; i++) {
        if (strcmp(spec->inputs[i].name, name) == 0) {
            *index = i;
            return toffee_infer_in(ctx, i);
        }
    }
    return toffee_infer_in(ctx, SIZE_MAX); /* which says nothing */
}

/* Channels: of X and of the bias against those of W, by groups. */
static toffee_code
conv_channels(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
              const toffee_fact *weight, toffee_status *st)
{
    bool transposed = toffee_str_is(node->op_type, "ConvTranspose");
    int64_t group = toffee_node_int(node, "group", 1);
    int64_t channels = toffee_known_dim(toffee_infer_in(ctx, 0), 1);
    int64_t whole = toffee_known_dim(weight, 0); /* M; of a transposed one C */
    int64_t part = toffee_known_dim(weight, 1);  /* C / group; M / group */
    int64_t wanted = -1;
    size_t bias_at = 0;
    int64_t bias = toffee_known_dim(port_input(ctx, spec, "B", &bias_at), 0);

    if (group < 1) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "attribute 'group' is %" PRId64 " and must be at least 1", group);
    }
    if (whole >= 0 && whole % group != 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "group = %" PRId64 " does not divide the %" PRId64
                           " channels of W's first axis",
                           group, whole);
    }
    if (part >= 0 && __builtin_mul_overflow(part, group, &part)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "attribute 'group' is %" PRId64, group);
    }
    wanted = transposed ? whole : part;
    if (channels >= 0 && wanted >= 0 && channels != wanted) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "X has %" PRId64 " channels, but W and group = %" PRId64
                           " are made for %" PRId64,
                           channels, group, wanted);
    }
    wanted = transposed ? part : whole;
    if (bias >= 0 && wanted >= 0 && bias != wanted) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "input %zu (B) has %" PRId64 " elements for %" PRId64 " output channels",
                           bias_at, bias, wanted);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_conv(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                 toffee_status *st)
{
    size_t at = 0;
    const toffee_fact *weight = port_input(ctx, spec, "W", &at);
    const toffee_attr *kernel = toffee_node_attr(node, "kernel_shape");
    int32_t x_rank = toffee_known_rank(toffee_infer_in(ctx, 0));
    int32_t w_rank = -1;
    int32_t rank = -1;

    if (at == 0) {
        weight = port_input(ctx, spec, "w", &at);
    }
    w_rank = toffee_known_rank(weight);
    rank = w_rank >= 0 ? w_rank : x_rank;
    if (x_rank >= 0 && w_rank >= 0 && x_rank != w_rank) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "input 0 (%s) has rank %d and input %zu (%s) has %d; they must agree",
                           spec->inputs[0].name, (int)x_rank, at, spec->inputs[at].name,
                           (int)w_rank);
    }
    if (rank >= 0 && rank < 3) {
        return toffee_fail(
            st, TOFFEE_ERR_CHECK,
            "the inputs have rank %d; a convolution needs (N, C, d1, ..), at least 3", (int)rank);
    }
    TOFFEE_RETURN_IF_ERROR(window_is_sound(node, rank >= 0 ? rank - 2 : -1, st));
    for (int32_t i = 0; kernel != NULL && w_rank >= 0 && i < w_rank - 2; i++) {
        int64_t dim = toffee_known_dim(weight, i + 2);

        if (dim >= 0 && dim != kernel->ints[i]) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "attribute 'kernel_shape' has %" PRId64 " at %d, but input %zu (%s) "
                               "has size %" PRId64 " there",
                               kernel->ints[i], (int)i, at, spec->inputs[at].name, dim);
        }
    }
    return conv_channels(ctx, spec, node, weight, st);
}

toffee_code
toffee_rule_pool(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                 toffee_status *st)
{
    int32_t rank = toffee_known_rank(toffee_infer_in(ctx, 0));

    (void)spec;
    if (rank >= 0 && rank < 3) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "the input has rank %d; pooling needs (N, C, d1, ..), at least 3",
                           (int)rank);
    }
    return window_is_sound(node, rank >= 0 ? rank - 2 : -1, st);
}

/* A's columns against B's rows. */
static toffee_code
inner_sizes_agree(int64_t columns, int64_t rows, toffee_status *st)
{
    if (columns < 0 || rows < 0 || columns == rows) {
        return TOFFEE_OK;
    }
    return toffee_fail(st, TOFFEE_ERR_CHECK,
                       "the inner sizes of the product differ: A has %" PRId64
                       " columns and B has %" PRId64 " rows",
                       columns, rows);
}

toffee_code
toffee_rule_gemm(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                 toffee_status *st)
{
    const toffee_fact *a = toffee_infer_in(ctx, 0);
    const toffee_fact *b = toffee_infer_in(ctx, 1);
    const toffee_fact *c = toffee_infer_in(ctx, 2);
    bool trans_a = toffee_node_int(node, "transA", 0) != 0;
    bool trans_b = toffee_node_int(node, "transB", 0) != 0;
    const int64_t sizes[2] = {toffee_known_dim(a, trans_a ? 1 : 0),
                              toffee_known_dim(b, trans_b ? 0 : 1)}; /* M, N */
    int32_t c_rank = toffee_known_rank(c);

    for (size_t i = 0; i < 2; i++) {
        int32_t rank = toffee_known_rank(toffee_infer_in(ctx, i));

        if (rank >= 0 && rank != 2) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "input %zu (%s) has rank %d; Gemm multiplies matrices (for more "
                               "axes: Flatten before, or MatMul)",
                               i, spec->inputs[i].name, (int)rank);
        }
    }
    TOFFEE_RETURN_IF_ERROR(inner_sizes_agree(toffee_known_dim(a, trans_a ? 0 : 1),
                                             toffee_known_dim(b, trans_b ? 1 : 0), st));
    for (int32_t axis = 0; axis < c_rank; axis++) {
        int64_t dim = toffee_known_dim(c, axis);
        int64_t wanted = c_rank <= 2 ? sizes[2 - c_rank + axis] : -1;

        if (c_rank > 2 || (dim >= 0 && dim != 1 && wanted >= 0 && dim != wanted)) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "input 2 (C) has rank %d and size %" PRId64 " at axis %d, which "
                               "cannot be broadcast to (M, N) = (%" PRId64 ", %" PRId64 ")",
                               (int)c_rank, dim, (int)axis, sizes[0], sizes[1]);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_matmul(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                   toffee_status *st)
{
    const toffee_fact *a = toffee_infer_in(ctx, 0);
    const toffee_fact *b = toffee_infer_in(ctx, 1);
    int32_t a_rank = toffee_known_rank(a);
    int32_t b_rank = toffee_known_rank(b);

    if (a_rank == 0 || b_rank == 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "an input is a scalar; for that there is Mul");
    }
    (void)spec;
    (void)node;
    return inner_sizes_agree(toffee_known_dim(a, a_rank - 1),
                             toffee_known_dim(b, b_rank == 1 ? 0 : b_rank - 2), st);
}

toffee_code
toffee_rule_batch_norm(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                       toffee_status *st)
{
    bool training = toffee_node_int(node, "training_mode", 0) != 0;
    int64_t channels = toffee_known_dim(toffee_infer_in(ctx, 0), 1);

    if (training != (node->outputs.n == 3) || (!training && node->outputs.n != 1)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "has %zu outputs; training_mode = %d goes with %s",
                           node->outputs.n, (int)training,
                           training ? "3 (Y, running_mean, running_var)" : "1 (Y)");
    }
    for (size_t i = 1; i < spec->n_inputs; i++) {
        const toffee_fact *input = toffee_infer_in(ctx, i);
        int32_t rank = toffee_known_rank(input);
        int64_t size = toffee_known_dim(input, 0);

        if (rank >= 0 && rank != 1) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "input %zu (%s) has rank %d and must be (C)",
                               i, spec->inputs[i].name, (int)rank);
        }
        if (channels >= 0 && size >= 0 && size != channels) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "input %zu (%s) has %" PRId64 " elements for %" PRId64 " channels",
                               i, spec->inputs[i].name, size, channels);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_recurrent(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                      toffee_status *st)
{
    const toffee_attr *direction = toffee_node_attr(node, "direction");
    const toffee_fact *w = toffee_infer_in(ctx, 1);
    const toffee_fact *r = toffee_infer_in(ctx, 2);
    bool both = direction != NULL && direction->s.n == strlen("bidirectional");
    int64_t gates = toffee_str_is(node->op_type, "LSTM")  ? 4
                    : toffee_str_is(node->op_type, "GRU") ? 3
                                                          : 1;
    int64_t hidden = toffee_node_int(node, "hidden_size", toffee_known_dim(r, 2));
    const struct {
        const toffee_fact *value;
        const char *what;
        int32_t axis;
        int64_t wanted;
    } sizes[] = {
        {w, "axis 0 of W (directions)", 0, both ? 2 : 1},
        {r, "axis 0 of R (directions)", 0, both ? 2 : 1},
        {w, "axis 1 of W (gates x hidden units)", 1,
         hidden > 0 && hidden <= INT32_MAX ? gates * hidden : -1},
        {r, "axis 1 of R (gates x hidden units)", 1,
         hidden > 0 && hidden <= INT32_MAX ? gates * hidden : -1},
        {r, "axis 2 of R (hidden units)", 2, hidden},
        {w, "axis 2 of W (features of X)", 2, toffee_known_dim(toffee_infer_in(ctx, 0), 2)},
    };

    for (size_t i = 0; i < 3; i++) {
        int32_t rank = toffee_known_rank(toffee_infer_in(ctx, i));

        if (rank >= 0 && rank != 3) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "input %zu (%s) has rank %d and must have 3",
                               i, spec->inputs[i].name, (int)rank);
        }
    }
    if (hidden == 0 || hidden < -1 || hidden > INT32_MAX) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "%" PRId64 " hidden units; there must be 1 or more", hidden);
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(sizes); i++) {
        int64_t dim = toffee_known_dim(sizes[i].value, sizes[i].axis);

        if (dim >= 0 && sizes[i].wanted >= 0 && dim != sizes[i].wanted) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "%s has size %" PRId64 " and must have %" PRId64, sizes[i].what, dim,
                               sizes[i].wanted);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_rule_resize(const toffee_infer *ctx, const toffee_op_spec *spec, const toffee_node *node,
                   toffee_status *st)
{
    const toffee_fact *scales = toffee_infer_in(ctx, 2);
    const toffee_fact *sizes = toffee_infer_in(ctx, 3);
    /* An empty list was the way to leave scales out before opset 13, and is still met. */
    bool has_scales = scales->given && toffee_known_dim(scales, 0) != 0;
    bool has_sizes = sizes->given && toffee_known_dim(sizes, 0) != 0;

    (void)spec;
    (void)node;
    if (has_scales == has_sizes) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "has %s of input 2 (scales) and input 3 (sizes); exactly one of them "
                           "must be given",
                           has_scales ? "both" : "neither");
    }
    return TOFFEE_OK;
}
