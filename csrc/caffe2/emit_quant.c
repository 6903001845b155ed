/* csrc/caffe2/emit_quant.c -- quantization, and products of quantized numbers.
 *
 * Products of 8-bit integers are summed in double, which holds them exactly, as ONNX wants. */
#include <math.h>
#include <string.h>

#include "caffe2/nn.h"

#define QUANT_SMALL (TOFFEE_C2_BIT(TOFFEE_DTYPE_INT8) | TOFFEE_C2_BIT(TOFFEE_DTYPE_UINT8))

/* A scale or zero point: one number, or one for each place of an axis. */
typedef struct {
    const toffee_value *value;
    int32_t rank; /* of what it belongs to */
    int32_t axis;
} parameter;

/* Whether it is one of these. */
static bool
parameter_fits(const parameter *p)
{
    int32_t rank = toffee_c2_rank(p->value);

    return p->value == NULL || rank == 0 ||
           (rank == 1 && (toffee_c2_dim(p->value, 0) == 1 || (p->axis >= 0 && p->axis < p->rank)));
}

/* The parameter as DTYPE, in a shape that broadcasts. */
static const char *
parameter_blob(toffee_c2 *c, const parameter *p, toffee_dtype dtype)
{
    const char *x =
        toffee_c2_cast(c, toffee_c2_blob(c, p->value), toffee_c2_dtype(p->value), dtype, NULL);
    int64_t *dims = toffee_c2_numbers(c, (size_t)p->rank);
    bool one = toffee_c2_rank(p->value) == 0 || toffee_c2_dim(p->value, 0) == 1;

    for (int32_t i = 0; i < p->rank && c->rc == TOFFEE_OK; i++) {
        dims[i] = i == p->axis && !one ? -1 : 1;
    }
    return one ? toffee_c2_view(c, x, dims, 0, NULL)
               : toffee_c2_view(c, x, dims, (size_t)p->rank, NULL);
}

/* VALUE minus its zero point, as DTYPE. */
static const char *
quant_centered(toffee_c2 *c, const toffee_value *value, const parameter *zero, toffee_dtype dtype)
{
    const char *x =
        toffee_c2_cast(c, toffee_c2_blob(c, value), toffee_c2_dtype(value), dtype, NULL);

    return zero->value == NULL ? x
                               : toffee_c2_aten2(c, "sub", x, parameter_blob(c, zero, dtype), NULL);
}

/* X, of dtype DTYPE, rounded half to even, plus ZERO, as output 0: 8-bit integers. */
static void
quant_round(toffee_c2 *c, const char *x, const parameter *zero, toffee_dtype dtype)
{
    toffee_dtype to = toffee_c2_dtype(toffee_c2_output(c, 0));
    bool is_signed = to == TOFFEE_DTYPE_INT8;

    x = toffee_c2_aten1(c, "round", x, NULL);
    if (zero->value != NULL) {
        x = toffee_c2_aten2(c, "add", x, parameter_blob(c, zero, dtype), NULL);
    }
    x = toffee_c2_aten_int(c, "clamp_min", x, "min", is_signed ? -128 : 0, NULL);
    x = toffee_c2_aten_int(c, "clamp_max", x, "max", is_signed ? 127 : 255, NULL);
    toffee_c2_cast(c, x, dtype, to, toffee_c2_y(c, 0));
}

/* ---- one tensor ------------------------------------------------------------------------------ */

static toffee_code
aten_quantize(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    int32_t rank = toffee_c2_rank(x);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 1), rank);
    parameter scale = {toffee_c2_input(c, 1), rank, axis};
    parameter zero = {toffee_c2_input(c, 2), rank, axis};
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;

    (void)rule;
    if (!toffee_c2_is(toffee_c2_output(c, 0), QUANT_SMALL) ||
        !toffee_c2_is(x, TOFFEE_C2_REALS | TOFFEE_C2_BIT(TOFFEE_DTYPE_INT32))) {
        return toffee_c2_decline(c, "it is no quantization to 8-bit integers");
    }
    if (rank < 0 || !parameter_fits(&scale) || !parameter_fits(&zero)) {
        return toffee_c2_decline(c, "its scale or zero point is neither a number nor a vector");
    }
    if (toffee_c2_dtype(x) == TOFFEE_DTYPE_INT32 || toffee_c2_dtype(x) == TOFFEE_DTYPE_DOUBLE) {
        dtype = TOFFEE_DTYPE_DOUBLE;
    }
    const char *wide = toffee_c2_cast(c, toffee_c2_x(c, 0), toffee_c2_dtype(x), dtype, NULL);

    wide = toffee_c2_aten2(c, "div", wide, parameter_blob(c, &scale, dtype), NULL);
    quant_round(c, wide, &zero, dtype);
    return toffee_c2_done(c);
}

static toffee_code
aten_dequantize(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const toffee_value *x = toffee_c2_input(c, 0);
    int32_t rank = toffee_c2_rank(x);
    int32_t axis = toffee_c2_axis(toffee_c2_attr_int(c, "axis", 1), rank);
    parameter scale = {toffee_c2_input(c, 1), rank, axis};
    parameter zero = {toffee_c2_input(c, 2), rank, axis};
    toffee_dtype dtype = TOFFEE_DTYPE_FLOAT;
    const char *wide = NULL;

    (void)rule;
    if (!toffee_c2_is(x, QUANT_SMALL | TOFFEE_C2_BIT(TOFFEE_DTYPE_INT16) |
                             TOFFEE_C2_BIT(TOFFEE_DTYPE_INT32)) ||
        !toffee_c2_is(toffee_c2_output(c, 0), TOFFEE_C2_REALS)) {
        return toffee_c2_decline(c, "it is no quantization by 8, 16 or 32-bit integers");
    }
    if (rank < 0 || !parameter_fits(&scale) || !parameter_fits(&zero)) {
        return toffee_c2_decline(c, "its scale or zero point is neither a number nor a vector");
    }
    if (toffee_c2_dtype(x) == TOFFEE_DTYPE_INT32) {
        dtype = TOFFEE_DTYPE_DOUBLE;
    }
    wide = quant_centered(c, x, &zero, dtype);
    wide = toffee_c2_aten2(c, "mul", wide, parameter_blob(c, &scale, dtype), NULL);
    toffee_c2_cast(c, wide, dtype, toffee_c2_dtype(toffee_c2_output(c, 0)), toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

static toffee_code
aten_dynamic_quantize(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const char *x = NULL;
    const char *low = NULL;
    const char *high = NULL;
    const char *scale = NULL;
    const char *zero = NULL;

    (void)rule;
    if (!toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_SINGLE)) {
        return toffee_c2_decline(c, "its input is not float32");
    }
    x = toffee_c2_x(c, 0);
    low = toffee_c2_aten_int(c, "clamp_max", toffee_c2_aten1(c, "min", x, NULL), "max", 0, NULL);
    high = toffee_c2_aten_int(c, "clamp_min", toffee_c2_aten1(c, "max", x, NULL), "min", 0, NULL);
    scale = toffee_c2_aten2(c, "sub", high, low, NULL);
    scale = toffee_c2_aten_int(c, "div", scale, "other", 255, NULL);
    /* A scale of 0, where all is 0, becomes 1. */
    scale = toffee_c2_aten2(c, "add", scale, toffee_c2_aten_int(c, "eq", scale, "other", 0, NULL),
                            toffee_c2_y(c, 1));
    zero = toffee_c2_aten1(c, "neg", toffee_c2_aten2(c, "div", low, scale, NULL), NULL);
    zero = toffee_c2_aten1(c, "round", zero, NULL);
    zero = toffee_c2_aten_int(c, "clamp_min", zero, "min", 0, NULL);
    zero = toffee_c2_aten_int(c, "clamp_max", zero, "max", 255, NULL);
    toffee_c2_cast(c, zero, TOFFEE_DTYPE_FLOAT, TOFFEE_DTYPE_UINT8, toffee_c2_y(c, 2));
    x = toffee_c2_aten1(c, "round", toffee_c2_aten2(c, "div", x, scale, NULL), NULL);
    x = toffee_c2_aten2(c, "add", x, zero, NULL);
    x = toffee_c2_aten_int(c, "clamp_min", x, "min", 0, NULL);
    x = toffee_c2_aten_int(c, "clamp_max", x, "max", 255, NULL);
    toffee_c2_cast(c, x, TOFFEE_DTYPE_FLOAT, TOFFEE_DTYPE_UINT8, toffee_c2_y(c, 0));
    return toffee_c2_done(c);
}

/* ---- products -------------------------------------------------------------------------------- */

/* Where the inputs of a product are: -1: it has none. */
typedef struct {
    const char *op;
    bool convolves;
    int x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias;
} product;

static const product products[] = {
    {"ConvInteger", true, 0, -1, 2, 1, -1, 3, -1, -1, -1},
    {"MatMulInteger", false, 0, -1, 2, 1, -1, 3, -1, -1, -1},
    {"QLinearConv", true, 0, 1, 2, 3, 4, 5, 6, 7, 8},
    {"QLinearMatMul", false, 0, 1, 2, 3, 4, 5, 6, 7, -1},
};

static const toffee_value *
product_input(const toffee_c2 *c, int index)
{
    return index >= 0 ? toffee_c2_input(c, (size_t)index) : NULL;
}

/* The sum, as whole doubles; NULL after telling in *WHY why not. */
static const char *
product_sum(toffee_c2 *c, const product *p, const char **why)
{
    const toffee_value *x = product_input(c, p->x);
    const toffee_value *w = product_input(c, p->w);
    const toffee_value *bias = product_input(c, p->bias);
    int32_t rank = toffee_c2_rank(x);
    int32_t w_rank = toffee_c2_rank(w);
    parameter x_zero = {product_input(c, p->x_zero), rank, p->convolves ? 1 : rank - 2};
    parameter w_zero = {product_input(c, p->w_zero), w_rank, p->convolves ? 0 : w_rank - 1};
    toffee_c2_window window = {0};
    int64_t channels = toffee_c2_dim(w, 0);

    if (!toffee_c2_is(x, QUANT_SMALL) || !toffee_c2_is(w, QUANT_SMALL) || rank < 1 || w_rank < 1 ||
        !parameter_fits(&x_zero) || !parameter_fits(&w_zero)) {
        *why = "its inputs or zero points are not those of 8-bit integers";
        return NULL;
    }
    *why = p->convolves ? toffee_c2_window_read(c, w, &window) : NULL;
    if (*why == NULL && p->convolves && channels < 0) {
        *why = "the size of its weights is not known";
    }
    if (*why != NULL) {
        return NULL;
    }
    const char *left = quant_centered(c, x, &x_zero, TOFFEE_DTYPE_DOUBLE);
    const char *right = quant_centered(c, w, &w_zero, TOFFEE_DTYPE_DOUBLE);

    if (!p->convolves) {
        return toffee_c2_aten2(c, "matmul", left, right, NULL);
    }
    const char *added = bias != NULL
                            ? toffee_c2_cast(c, toffee_c2_blob(c, bias), toffee_c2_dtype(bias),
                                             TOFFEE_DTYPE_DOUBLE, NULL)
                            : toffee_c2_filled(c, 0, &channels, 1, TOFFEE_DTYPE_DOUBLE);

    return toffee_c2_conv(c, &window, left, right, added, toffee_c2_attr_int(c, "group", 1), NULL);
}

static toffee_code
aten_product(toffee_c2 *c, const toffee_c2_rule *rule)
{
    const product *p = NULL;
    const char *why = NULL;
    const char *total = NULL;

    for (size_t i = 0; i < TOFFEE_COUNTOF(products); i++) {
        p = strcmp(products[i].op, rule->op) == 0 ? &products[i] : p;
    }
    total = product_sum(c, p, &why);
    if (total == NULL) {
        return toffee_c2_decline(c, why);
    }
    if (p->y_zero < 0) {
        toffee_c2_cast(c, total, TOFFEE_DTYPE_DOUBLE, TOFFEE_DTYPE_INT32, toffee_c2_y(c, 0));
        return toffee_c2_done(c);
    }
    int32_t rank = toffee_c2_rank(product_input(c, p->x));
    int32_t w_rank = toffee_c2_rank(product_input(c, p->w));
    int32_t out_rank = rank > w_rank ? rank : w_rank;
    parameter x_scale = {product_input(c, p->x_scale), out_rank, p->convolves ? 1 : out_rank - 2};
    parameter w_scale = {product_input(c, p->w_scale), out_rank, p->convolves ? 1 : out_rank - 1};
    parameter y_scale = {product_input(c, p->y_scale), out_rank, p->convolves ? 1 : out_rank - 2};
    parameter y_zero = {product_input(c, p->y_zero), out_rank, p->convolves ? 1 : out_rank - 2};

    if (!parameter_fits(&x_scale) || !parameter_fits(&w_scale) || !parameter_fits(&y_scale) ||
        !parameter_fits(&y_zero) || !toffee_c2_is(toffee_c2_output(c, 0), QUANT_SMALL)) {
        return toffee_c2_decline(c, "its scales or zero points are neither numbers nor vectors");
    }
    const char *scale = parameter_blob(c, &x_scale, TOFFEE_DTYPE_DOUBLE);

    scale =
        toffee_c2_aten2(c, "mul", scale, parameter_blob(c, &w_scale, TOFFEE_DTYPE_DOUBLE), NULL);
    scale =
        toffee_c2_aten2(c, "div", scale, parameter_blob(c, &y_scale, TOFFEE_DTYPE_DOUBLE), NULL);
    total = toffee_c2_aten2(c, "mul", total, scale, NULL);
    quant_round(c, total, &y_zero, TOFFEE_DTYPE_DOUBLE);
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"ConvInteger", NULL, NULL, aten_product, "conv1d, conv2d, conv3d"},
    {"DequantizeLinear", NULL, NULL, aten_dequantize, "sub, mul"},
    {"DynamicQuantizeLinear", NULL, NULL, aten_dynamic_quantize, "min, max, round"},
    {"MatMulInteger", NULL, NULL, aten_product, "matmul"},
    {"QLinearConv", NULL, NULL, aten_product, "conv1d, conv2d, conv3d"},
    {"QLinearMatMul", NULL, NULL, aten_product, "matmul"},
    {"QuantizeLinear", NULL, NULL, aten_quantize, "div, round, clamp"},
};

const toffee_c2_family toffee_c2_rules_quant = {rows, TOFFEE_COUNTOF(rows)};
