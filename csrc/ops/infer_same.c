/* csrc/ops/infer_same.c -- infers what works element by element: the shape stays, or is broadcast.
 */
#include "ops/infer_rules.h"
#include "ops/known.h"

toffee_code
toffee_infer_same(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    (void)st;
    for (size_t i = 0; i < ctx->n_out; i++) {
        toffee_fact_copy_shape(&ctx->out[i], toffee_infer_in(ctx, 0));
    }
    return TOFFEE_OK;
}

/* The attribute NAME as a dtype; UNDEFINED if it is missing or no dtype. */
static toffee_dtype
attr_dtype(const toffee_node *node, const char *name)
{
    int64_t number = toffee_node_int(node, name, TOFFEE_DTYPE_UNDEFINED);

    return toffee_dtype_known(number) ? (toffee_dtype)number : TOFFEE_DTYPE_UNDEFINED;
}

/* Whether elements of DTYPE are followed. Casts between these keep sizes of axes as they are. */
static bool
dtype_has_items(toffee_dtype dtype)
{
    return dtype == TOFFEE_DTYPE_INT64 || dtype == TOFFEE_DTYPE_INT32;
}

/* Output 0 is input 0 in DTYPE. */
static void
cast_to(toffee_infer *ctx, toffee_dtype dtype)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    toffee_fact *out = toffee_infer_out(ctx, 0);

    out->dtype = dtype;
    toffee_fact_copy_shape(out, input);
    /* To INT32 only what fits stays what it was. */
    for (size_t i = 0; dtype == TOFFEE_DTYPE_INT32 && i < input->n_items; i++) {
        int64_t value = 0;

        if (!toffee_fact_int(input, i, &value) || value != (int32_t)value) {
            return;
        }
    }
    if (dtype_has_items(dtype)) {
        out->items = input->items;
        out->n_items = input->n_items;
    }
}

toffee_code
toffee_infer_cast(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)st;
    cast_to(ctx, attr_dtype(node, "to"));
    return TOFFEE_OK;
}

toffee_code
toffee_infer_cast_like(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    (void)st;
    cast_to(ctx, toffee_infer_in(ctx, 1)->dtype);
    return TOFFEE_OK;
}

toffee_code
toffee_infer_random(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);

    (void)st;
    out->dtype = toffee_node_attr(node, "dtype") != NULL ? attr_dtype(node, "dtype")
                                                         : toffee_infer_in(ctx, 0)->dtype;
    toffee_fact_copy_shape(out, toffee_infer_in(ctx, 0));
    return TOFFEE_OK;
}

toffee_code
toffee_infer_quantize(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);
    const toffee_fact *zero_point = toffee_infer_in(ctx, 2);

    (void)node;
    (void)st;
    out->dtype = zero_point->given ? zero_point->dtype : TOFFEE_DTYPE_UINT8;
    toffee_fact_copy_shape(out, toffee_infer_in(ctx, 0));
    return TOFFEE_OK;
}

toffee_code
toffee_infer_dynamic_quantize(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    (void)st;
    toffee_fact_copy_shape(toffee_infer_out(ctx, 0), toffee_infer_in(ctx, 0));
    toffee_fact_set_scalar(toffee_infer_out(ctx, 1));
    toffee_fact_set_scalar(toffee_infer_out(ctx, 2));
    return TOFFEE_OK;
}

toffee_code
toffee_infer_broadcasted(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    return toffee_infer_broadcast(ctx, toffee_infer_out(ctx, 0), ctx->in, ctx->n_in, st);
}

toffee_code
toffee_infer_identity(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    (void)st;
    *toffee_infer_out(ctx, 0) = *toffee_infer_in(ctx, 0);
    return TOFFEE_OK;
}
