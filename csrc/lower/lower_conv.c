/* csrc/lower/lower_conv.c -- convolutions and transposed convolutions. */
#include "lower/spatial.h"

#include <string.h>

/* What rule->arg says. */
enum { CONV_PLAIN, CONV_TRANSPOSED, CONV_ASK /* the call has an argument "transposed" */ };

/* Padding into WINDOW: numbers, the same at both ends, or "valid", or "same", where torch puts the
 * odd element of each axis at its end. False when the argument is none of these. */
static bool
conv_read_padding(const toffee_call *call, toffee_window *window)
{
    const char *word = toffee_call_string(call, "padding", NULL);

    if (word == NULL) {
        bool ok = toffee_call_axes(call, "padding", window->n, NULL, window->begin);

        memcpy(window->end, window->begin, sizeof(window->end));
        return ok;
    }
    for (int32_t i = 0; i < window->n; i++) {
        int64_t total = window->dilation[i] * (window->kernel[i] - 1);
        bool same = strcmp(word, "same") == 0;

        window->begin[i] = same ? total / 2 : 0;
        window->end[i] = same ? total - total / 2 : 0;
    }
    return strcmp(word, "same") == 0 || strcmp(word, "valid") == 0;
}

/* Window of a convolution with this weight [M, C / groups, k1..kn] (transposed:
 * [C, M / groups, k1..kn]). False when the arguments do not fit. */
static bool
conv_read_window(const toffee_call *call, const toffee_value *weight, toffee_window *window)
{
    static const int64_t ones[TOFFEE_MAX_SPATIAL] = {1, 1, 1};

    window->n = toffee_value_rank(weight) - 2;
    if (window->n < 1 || window->n > TOFFEE_MAX_SPATIAL) {
        return false;
    }
    for (int32_t i = 0; i < window->n; i++) {
        window->kernel[i] = toffee_value_dim(weight, i + 2);
    }
    return toffee_call_axes(call, "stride", window->n, ones, window->stride) &&
           toffee_call_axes(call, "dilation", window->n, ones, window->dilation) &&
           conv_read_padding(call, window);
}

/* Operands in the dtype of the computation, the input with a batch. BIAS may be NULL. */
static toffee_code
conv_prepare(toffee_lowering *lo, toffee_dtype dtype, bool unbatched, toffee_value **input,
             toffee_value **weight, toffee_value **bias, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, *input, dtype, input, st));
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, *weight, dtype, weight, st));
    if (*bias != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, *bias, dtype, bias, st));
    }
    return unbatched ? toffee_add_batch(lo, *input, input, st) : TOFFEE_OK;
}

/* Settles EXTRA, the elements that output_padding adds at the end of each axis. ONNX Runtime
 * refuses a stride or more of them, which torch allows beside a dilation. Cropping less is the
 * same, so they are taken from the padding; what is left then is past every tap, and goes to
 * BEYOND. */
static void
conv_settle_output_padding(toffee_window *window, int64_t *extra, int64_t *beyond)
{
    for (int32_t i = 0; i < window->n; i++) {
        if (extra[i] >= window->stride[i]) {
            window->end[i] -= extra[i];
            beyond[i] = window->end[i] < 0 ? -window->end[i] : 0;
            window->end[i] += beyond[i];
            extra[i] = 0;
        }
    }
}

static bool
conv_any(const toffee_window *window, const int64_t *numbers)
{
    for (int32_t i = 0; i < window->n; i++) {
        if (numbers[i] != 0) {
            return true;
        }
    }
    return false;
}

/* *VALUE [N, M, e1..en] with BEYOND zeros at the end of each spatial axis, plus BIAS [M] (or NULL):
 * what no tap reaches is the bias alone. */
static toffee_code
conv_extend(toffee_lowering *lo, const toffee_window *window, const int64_t *beyond,
            toffee_value *bias, toffee_value **value, toffee_status *st)
{
    int64_t pads[2 * (TOFFEE_MAX_SPATIAL + 2)] = {0};
    int64_t dims[TOFFEE_MAX_SPATIAL + 2];
    int64_t column[TOFFEE_MAX_SPATIAL + 1];
    int32_t rank = window->n + 2;
    toffee_value *pads_value = NULL;

    toffee_value_dims(*value, dims);
    for (int32_t i = 0; i < window->n; i++) {
        pads[rank + 2 + i] = beyond[i];
        dims[2 + i] += beyond[i];
        column[1 + i] = 1;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, pads, (size_t)(2 * rank), &pads_value, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Pad", TOFFEE_INPUTS(*value, pads_value),
                                            toffee_value_dtype(*value), dims, rank, NULL, value,
                                            st));
    if (bias == NULL) {
        return TOFFEE_OK;
    }
    column[0] = toffee_value_dim(bias, 0);
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, bias, column, rank - 1, &bias, st));
    return toffee_emit_like(lo, "Add", TOFFEE_INPUTS(*value, bias), *value, NULL, value, st);
}

/* aten::conv{1,2,3}d(input, weight, bias?, stride, padding, dilation, groups)
 * aten::conv_transpose{1,2,3}d(input, weight, bias?, stride, padding, output_padding, groups,
 *                              dilation)
 * aten::convolution(… , transposed, output_padding, groups)
 *   -> Conv(input, weight, bias?) [dilations, group, kernel_shape, pads, strides], or
 * ConvTranspose, which has output_padding besides
 *
 * An input without a batch gets one for the node. Whole numbers are declined. */
static toffee_code
lower_conv(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *input = toffee_call_value(call, "input"); /* [N, C, d1..dn] or [C, d1..dn] */
    toffee_value *weight = toffee_call_value(call, "weight");
    toffee_value *bias = toffee_call_value(call, "bias"); /* [M], or NULL */
    bool transposed = lo->rule->arg == CONV_TRANSPOSED ||
                      (lo->rule->arg == CONV_ASK && toffee_call_bool(call, "transposed", false));
    const char *op_type = transposed ? "ConvTranspose" : "Conv";
    toffee_dtype dtype = toffee_fit_dtype(op_type, toffee_value_dtype(input));
    toffee_window window = {0};
    int64_t extra[TOFFEE_MAX_SPATIAL] = {0};
    int64_t beyond[TOFFEE_MAX_SPATIAL] = {0};
    int64_t dims[TOFFEE_MAX_SPATIAL + 2] = {1};
    toffee_node *node = NULL;
    toffee_value *out = NULL;
    bool unbatched = false;
    bool extended = false;

    if (dtype == TOFFEE_DTYPE_UNDEFINED || !conv_read_window(call, weight, &window)) {
        return TOFFEE_DECLINED;
    }
    if (transposed) {
        if (!toffee_call_axes(call, "output_padding", window.n, NULL, extra)) {
            return TOFFEE_DECLINED;
        }
        conv_settle_output_padding(&window, extra, beyond);
    }
    unbatched = toffee_value_rank(input) == window.n + 1;
    if (call->results[0].rank != toffee_value_rank(input)) {
        return TOFFEE_DECLINED;
    }
    memcpy(dims + unbatched, call->results[0].dims, (size_t)call->results[0].rank * sizeof(*dims));
    extended = conv_any(&window, beyond);
    for (int32_t i = 0; i < window.n; i++) {
        dims[2 + i] -= beyond[i];
    }
    TOFFEE_RETURN_IF_ERROR(conv_prepare(lo, dtype, unbatched, &input, &weight, &bias, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, op_type,
                                            TOFFEE_INPUTS(input, weight, extended ? NULL : bias),
                                            dtype, dims, window.n + 2, &node, &out, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_node_set_int(node, "group", toffee_call_int(call, "groups", 1), st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_window(node, &window, true, st));
    if (conv_any(&window, extra)) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_node_set_ints(node, "output_padding", extra, (size_t)window.n, st));
    }
    if (extended) {
        TOFFEE_RETURN_IF_ERROR(conv_extend(lo, &window, beyond, bias, &out, st));
    }
    if (unbatched) {
        TOFFEE_RETURN_IF_ERROR(toffee_drop_batch(lo, out, &out, st));
    }
    return toffee_lower_return(lo, call, 0, out, st);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::_convolution", lower_conv, NULL, CONV_ASK},
    {"aten::conv1d", lower_conv, NULL, CONV_PLAIN},
    {"aten::conv2d", lower_conv, NULL, CONV_PLAIN},
    {"aten::conv3d", lower_conv, NULL, CONV_PLAIN},
    {"aten::conv_transpose1d", lower_conv, NULL, CONV_TRANSPOSED},
    {"aten::conv_transpose2d", lower_conv, NULL, CONV_TRANSPOSED},
    {"aten::conv_transpose3d", lower_conv, NULL, CONV_TRANSPOSED},
    {"aten::convolution", lower_conv, NULL, CONV_ASK},
};

const toffee_rule_family toffee_rules_conv = {rows, TOFFEE_COUNTOF(rows)};
