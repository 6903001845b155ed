/* csrc/ops/infer_nn.c -- infers windows that go over axes, and layers. */
#include "ops/infer_rules.h"
#include "ops/known.h"

#include <string.h>

/* Number INDEX of the INTS attribute NAME; FALLBACK if there is none. */
static int64_t
attr_at(const toffee_node *node, const char *name, size_t index, int64_t fallback)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    return attr != NULL && index < attr->n ? attr->ints[index] : fallback;
}

static bool
attr_is(const toffee_node *node, const char *name, const char *text)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    return attr != NULL && attr->s.n == strlen(text) && memcmp(attr->s.data, text, attr->s.n) == 0;
}

/* How NODE's window, of KERNEL taps, goes along the I-th of N_AXES axes. */
static toffee_window
window_at(const toffee_node *node, size_t i, size_t n_axes, int64_t kernel)
{
    bool valid = attr_is(node, "auto_pad", "VALID");

    return (toffee_window){
        .kernel = attr_at(node, "kernel_shape", i, kernel),
        .stride = attr_at(node, "strides", i, 1),
        .dilation = attr_at(node, "dilations", i, 1),
        .begin = valid ? 0 : attr_at(node, "pads", i, 0),
        .end = valid ? 0 : attr_at(node, "pads", n_axes + i, 0),
        .same = attr_is(node, "auto_pad", "SAME_UPPER") || attr_is(node, "auto_pad", "SAME_LOWER"),
        .ceil = toffee_node_int(node, "ceil_mode", 0) != 0,
    };
}

/* Output 0 of a convolution of X with W. */
static toffee_code
conv_shape(toffee_infer *ctx, const toffee_node *node, const toffee_fact *x, const toffee_fact *w,
           toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    const toffee_attr *kernel = toffee_node_attr(node, "kernel_shape");
    toffee_dim *dims = NULL;
    int64_t rank = x->rank >= 0     ? x->rank
                   : w->rank >= 0   ? w->rank
                   : kernel != NULL ? (int64_t)kernel->n + 2
                                    : -1;

    if (rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    dims[0] = toffee_fact_dim(x, 0);
    dims[1] = toffee_fact_dim(w, 0);
    for (int32_t d = 2; d < rank; d++) {
        toffee_window window =
            window_at(node, (size_t)d - 2, (size_t)rank - 2, toffee_fact_dim(w, d).value);

        dims[d] = toffee_dim_windows(toffee_fact_dim(x, d), &window);
    }
    out->rank = (int32_t)rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_conv(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    return conv_shape(ctx, node, toffee_infer_in(ctx, 0), toffee_infer_in(ctx, 1), st);
}

toffee_code
toffee_infer_qlinear_conv(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    return conv_shape(ctx, node, toffee_infer_in(ctx, 0), toffee_infer_in(ctx, 3), st);
}

/* The size of an axis of size DIM after a transposed window. */
static toffee_dim
transposed_size(toffee_dim dim, const toffee_window *window, int64_t output_padding)
{
    int64_t size = 0;
    int64_t reach = 0;

    if (window->same) {
        return toffee_dim_mul(dim, toffee_dim_of(window->stride));
    }
    if (dim.value < 1 || window->kernel < 1 ||
        __builtin_mul_overflow(dim.value - 1, window->stride, &size) ||
        __builtin_mul_overflow(window->kernel - 1, window->dilation, &reach) ||
        __builtin_add_overflow(size, reach, &size) ||
        __builtin_add_overflow(size, output_padding, &size) ||
        __builtin_sub_overflow(size, window->begin, &size) ||
        __builtin_sub_overflow(size, window->end, &size) || size == INT64_MAX) {
        return TOFFEE_DIM_UNKNOWN;
    }
    return toffee_dim_of(size + 1);
}

toffee_code
toffee_infer_conv_transpose(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    const toffee_fact *w = toffee_infer_in(ctx, 1);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;
    int64_t rank = x->rank >= 0 ? x->rank : w->rank;

    if (rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    dims[0] = toffee_fact_dim(x, 0);
    dims[1] =
        toffee_dim_mul(toffee_fact_dim(w, 1), toffee_dim_of(toffee_node_int(node, "group", 1)));
    for (int32_t d = 2; d < rank; d++) {
        size_t i = (size_t)d - 2;
        toffee_window window = window_at(node, i, (size_t)rank - 2, toffee_fact_dim(w, d).value);
        int64_t given = attr_at(node, "output_shape", i, -1);

        dims[d] = given >= 0 ? toffee_dim_of(given)
                             : transposed_size(toffee_fact_dim(x, d), &window,
                                               attr_at(node, "output_padding", i, 0));
    }
    out->rank = (int32_t)rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_pool(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    toffee_dim *dims = NULL;
    int64_t rank = x->rank >= 0 ? x->rank : (int64_t)toffee_node_attr(node, "kernel_shape")->n + 2;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    for (int32_t d = 0; d < rank; d++) {
        toffee_window window =
            d < 2 ? (toffee_window){0} : window_at(node, (size_t)d - 2, (size_t)rank - 2, -1);

        dims[d] =
            d < 2 ? toffee_fact_dim(x, d) : toffee_dim_windows(toffee_fact_dim(x, d), &window);
    }
    for (size_t i = 0; i < ctx->n_out; i++) {
        ctx->out[i].rank = (int32_t)rank;
        ctx->out[i].dims = dims;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_global_pool(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;

    (void)node;
    if (x->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, x->rank, &dims, st));
    for (int32_t d = 0; d < x->rank; d++) {
        dims[d] = d < 2 ? x->dims[d] : toffee_dim_of(1);
    }
    out->rank = x->rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_max_unpool(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    const toffee_fact *given = toffee_infer_in(ctx, 2);
    toffee_fact *out = toffee_infer_out(ctx, 0);
    toffee_dim *dims = NULL;

    if (x->rank < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, x->rank, &dims, st));
    out->rank = x->rank;
    out->dims = dims;
    for (int32_t d = 0; d < x->rank; d++) {
        toffee_window window =
            d < 2 ? (toffee_window){0} : window_at(node, (size_t)d - 2, (size_t)x->rank - 2, -1);

        window.dilation = 1;
        if (given->given) {
            dims[d] = given->items != NULL && given->n_items == (size_t)x->rank
                          ? toffee_dim_of_scalar(given->items[d])
                          : TOFFEE_DIM_UNKNOWN;
        }
        else {
            dims[d] = d < 2 ? x->dims[d] : transposed_size(x->dims[d], &window, 0);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_batch_norm(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    toffee_dim channels = toffee_fact_dim(x, 1);

    (void)node;
    toffee_fact_copy_shape(toffee_infer_out(ctx, 0), x);
    for (size_t i = 1; i < ctx->n_out; i++) {
        toffee_dim *dims = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, 1, &dims, st));
        dims[0] = toffee_dim_meet(channels, toffee_fact_dim(toffee_infer_in(ctx, 2 + i), 0));
        ctx->out[i].rank = 1;
        ctx->out[i].dims = dims;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_layer_norm(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    int64_t stash = toffee_node_int(node, "stash_type", TOFFEE_DTYPE_FLOAT);
    int32_t axis = toffee_axis_index(toffee_node_int(node, "axis", -1), x->rank);
    toffee_dim *dims = NULL;

    toffee_fact_copy_shape(toffee_infer_out(ctx, 0), x);
    if (x->rank >= 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, x->rank, &dims, st));
    }
    for (int32_t d = 0; d < x->rank; d++) {
        dims[d] = d < axis ? x->dims[d] : toffee_dim_of(1);
    }
    for (size_t i = 1; i < ctx->n_out; i++) {
        ctx->out[i].dtype =
            toffee_dtype_known(stash) ? (toffee_dtype)stash : TOFFEE_DTYPE_UNDEFINED;
        ctx->out[i].rank = axis >= 0 ? x->rank : -1;
        ctx->out[i].dims = dims;
    }
    return TOFFEE_OK;
}

/* RNN, GRU, LSTM. */
toffee_code
toffee_infer_recurrent(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *x = toffee_infer_in(ctx, 0);
    const toffee_fact *r = toffee_infer_in(ctx, 2);
    bool batch_first = toffee_node_int(node, "layout", 0) != 0;
    toffee_dim directions = toffee_dim_of(attr_is(node, "direction", "bidirectional") ? 2 : 1);
    toffee_dim hidden = toffee_dim_meet(toffee_dim_of(toffee_node_int(node, "hidden_size", -1)),
                                        toffee_fact_dim(r, 2));
    toffee_dim steps = toffee_fact_dim(x, batch_first ? 1 : 0);
    toffee_dim samples = toffee_fact_dim(x, batch_first ? 0 : 1);
    const toffee_dim all[2][4] = {{steps, directions, samples, hidden},
                                  {samples, steps, directions, hidden}};
    const toffee_dim last[2][3] = {{directions, samples, hidden}, {samples, directions, hidden}};

    for (size_t i = 0; i < ctx->n_out; i++) {
        int32_t rank = i == 0 ? 4 : 3;
        toffee_dim *dims = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
        memcpy(dims, i == 0 ? all[batch_first] : last[batch_first], (size_t)rank * sizeof(*dims));
        ctx->out[i].rank = rank;
        ctx->out[i].dims = dims;
    }
    return TOFFEE_OK;
}
