/* csrc/lower/lower_quant.c -- whole numbers that stand for real ones: (q - zero point) * scale.
 *
 * QuantizeLinear and DequantizeLinear of operator set 20 know 8 bits (and for reading 32, if the
 * zero point is 0); other widths are said with arithmetic. PyTorch multiplies by 1 / scale where
 * ONNX divides by scale: what lies between two numbers may go to either. */
#include "lower/chain.h"
#include "lower/fit.h"

typedef struct {
    toffee_value *x;
    const toffee_arg *scale; /* a number, a tensor of one, or [C] */
    const toffee_arg *zero;  /* the same; NULL or None for 0 */
    const toffee_arg *low;   /* smallest and largest q: numbers, or tensors of one */
    const toffee_arg *high;
    int64_t axis;         /* that scale [C] is for; -1: none */
    toffee_dtype dtype;   /* of q */
    toffee_dtype compute; /* of the real numbers: float or double */
} quant;

/* Reads what all of these calls have in common. */
static bool
quant_read(const toffee_call *call, quant *q)
{
    q->x = toffee_call_value(call, "input");
    q->scale = toffee_call_arg(call, toffee_call_has(call, "scales") ? "scales" : "scale");
    q->zero =
        toffee_call_arg(call, toffee_call_has(call, "zero_points") ? "zero_points" : "zero_point");
    q->low = toffee_call_arg(call, "quant_min");
    q->high = toffee_call_arg(call, "quant_max");
    if (q->x == NULL || q->scale == NULL || q->low == NULL || q->high == NULL) {
        return false;
    }
    q->axis = -1;
    if (toffee_call_has(call, "axis")) {
        q->axis = toffee_axis(toffee_call_int(call, "axis", 0), toffee_value_rank(q->x));
    }
    q->zero = q->zero != NULL && q->zero->kind == TOFFEE_ARG_NONE ? NULL : q->zero;
    q->compute = TOFFEE_DTYPE_FLOAT;
    return true;
}

/* ARG as DTYPE, 0-d or [C] as the operators want it. */
static toffee_value *
quant_parameter(toffee_chain *chain, const quant *q, const toffee_arg *arg, toffee_dtype dtype)
{
    toffee_value *out = toffee_chain_operand(chain, arg, dtype);

    return chain->rc == TOFFEE_OK && q->axis < 0 ? toffee_chain_reshape(chain, out, NULL, 0) : out;
}

/* ARG for arithmetic: as the computation's dtype, and [C] in its place among X's dimensions. */
static toffee_value *
quant_operand(toffee_chain *chain, const quant *q, const toffee_arg *arg)
{
    toffee_value *out = quant_parameter(chain, q, arg, q->compute);
    int64_t dims[TOFFEE_MAX_RANK];

    if (chain->rc != TOFFEE_OK || q->axis < 0) {
        return out;
    }
    for (int32_t i = 0; i < toffee_value_rank(q->x); i++) {
        dims[i] = i == q->axis ? toffee_value_numel(out) : 1;
    }
    return toffee_chain_reshape(chain, out, dims, toffee_value_rank(q->x));
}

/* The least and the greatest number of DTYPE, one of 8 bits. */
static void
byte_range(toffee_dtype dtype, int64_t range[2])
{
    range[0] = dtype == TOFFEE_DTYPE_INT8 ? INT8_MIN : 0;
    range[1] = dtype == TOFFEE_DTYPE_INT8 ? INT8_MAX : UINT8_MAX;
}

/* Whether ARG, if it is a number, is one that DTYPE, of 8 bits, holds. */
static bool
fits_byte(const toffee_arg *arg, toffee_dtype dtype)
{
    int64_t range[2];

    byte_range(dtype, range);
    return arg == NULL || arg->kind == TOFFEE_ARG_VALUE ||
           (arg->kind == TOFFEE_ARG_INT && arg->i >= range[0] && arg->i <= range[1]);
}

/* Whether the operators take these. */
static bool
quant_is_natural(const quant *q)
{
    return (q->dtype == TOFFEE_DTYPE_INT8 || q->dtype == TOFFEE_DTYPE_UINT8) &&
           q->compute == TOFFEE_DTYPE_FLOAT && fits_byte(q->zero, q->dtype) &&
           (q->zero == NULL || q->zero->kind != TOFFEE_ARG_VALUE ||
            toffee_dtype_is_int(toffee_value_dtype(q->zero->value)));
}

/* OP_TYPE on X with scale and zero point; the result is of DTYPE. */
static toffee_value *
quant_emit(toffee_chain *chain, const quant *q, const char *op_type, toffee_value *x,
           toffee_dtype dtype)
{
    toffee_value *inputs[3] = {x, NULL, NULL};
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    inputs[1] = quant_parameter(chain, q, q->scale, TOFFEE_DTYPE_FLOAT);
    if (q->zero != NULL) {
        inputs[2] = quant_parameter(chain, q, q->zero, q->dtype);
    }
    else if (dtype == TOFFEE_DTYPE_INT8) { /* without one it would be uint8 */
        inputs[2] = toffee_chain_number(chain, dtype, 0);
    }
    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    toffee_value_dims(q->x, dims);
    chain->rc = toffee_emit_dims(chain->lo, op_type, inputs, 3, dtype, dims,
                                 toffee_value_rank(q->x), &node, &out, chain->st);
    if (chain->rc == TOFFEE_OK && q->axis >= 0) {
        chain->rc = toffee_node_set_int(node, "axis", q->axis, chain->st);
    }
    return out;
}

/* X, of any dtype, not below and not above the bounds; of 8 bits, only where they say more than the
 * dtype does. */
static toffee_value *
quant_clamp(toffee_chain *chain, const quant *q, toffee_value *x)
{
    const toffee_arg *bounds[2] = {q->low, q->high};
    toffee_dtype dtype = TOFFEE_DTYPE_UNDEFINED;
    int64_t range[2];

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    dtype = toffee_value_dtype(x);
    byte_range(dtype, range);
    for (size_t i = 0; i < 2; i++) {
        toffee_value *bound = NULL;

        if (toffee_dtype_is_int(dtype) && bounds[i]->kind == TOFFEE_ARG_INT &&
            bounds[i]->i == range[i]) {
            continue;
        }
        bound = toffee_chain_operand(chain, bounds[i], dtype);
        bound = toffee_chain_reshape(chain, bound, NULL, 0);
        x = toffee_chain_binary(chain, i == 0 ? "Max" : "Min", x, bound);
    }
    return x;
}

/* X / scale, rounded, and the zero point. */
static toffee_value *
quant_compute(toffee_chain *chain, const quant *q, toffee_value *x)
{
    toffee_value *scale = quant_operand(chain, q, q->scale);
    toffee_value *one = toffee_chain_number(chain, q->compute, 1);
    toffee_value *zero = q->zero != NULL ? quant_operand(chain, q, q->zero) : NULL;

    scale = toffee_chain_binary(chain, "Div", one, scale);
    x = toffee_chain_binary(chain, "Mul", x, scale);
    x = toffee_chain_unary(chain, "Round", x);
    x = zero != NULL ? toffee_chain_binary(chain, "Add", x, zero) : x;
    return quant_clamp(chain, q, x);
}

/* (X - zero point) * scale */
static toffee_value *
quant_undo(toffee_chain *chain, const quant *q, toffee_value *x)
{
    toffee_value *scale = quant_operand(chain, q, q->scale);
    toffee_value *zero = q->zero != NULL ? quant_operand(chain, q, q->zero) : NULL;

    x = toffee_chain_cast(chain, x, q->compute);
    x = zero != NULL ? toffee_chain_binary(chain, "Sub", x, zero) : x;
    return toffee_chain_binary(chain, "Mul", x, scale);
}

/* quantized_decomposed::quantize_per_tensor(input, scale, zero_point, quant_min, quant_max, dtype),
 * quantize_per_channel(input, scales, zero_points, axis, …)
 *   -> QuantizeLinear(input as float, scale, zero_point) [axis], Max and Min where the bounds are
 *      not those of 8 bits */
static toffee_code
lower_quantize(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = NULL;
    quant q = {0};

    if (!quant_read(call, &q)) {
        return TOFFEE_DECLINED;
    }
    q.dtype = call->results[0].dtype;
    x = toffee_chain_cast(&chain, q.x, q.compute);
    if (quant_is_natural(&q)) {
        x = quant_emit(&chain, &q, "QuantizeLinear", x, q.dtype);
        x = quant_clamp(&chain, &q, x);
    }
    else {
        x = quant_compute(&chain, &q, x);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

/* Whether the zero point is known to be 0. */
static bool
quant_is_symmetric(const quant *q)
{
    return q->zero == NULL || (q->zero->kind == TOFFEE_ARG_INT && q->zero->i == 0);
}

/* quantized_decomposed::dequantize_per_tensor(input, scale, zero_point, quant_min, quant_max,
 * dtype, out_dtype), dequantize_per_channel(input, scales, zero_points, axis, …)
 *   -> DequantizeLinear(input, scale, zero_point) [axis] */
static toffee_code
lower_dequantize(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = NULL;
    quant q = {0};

    if (!quant_read(call, &q)) {
        return TOFFEE_DECLINED;
    }
    x = q.x;
    q.dtype = toffee_value_dtype(x);
    if (call->results[0].dtype == TOFFEE_DTYPE_DOUBLE) {
        q.compute = TOFFEE_DTYPE_DOUBLE;
    }
    if (q.dtype == TOFFEE_DTYPE_INT32 && q.compute == TOFFEE_DTYPE_FLOAT &&
        quant_is_symmetric(&q)) {
        q.zero = NULL; /* ONNX Runtime takes none with 32 bits */
        x = quant_emit(&chain, &q, "DequantizeLinear", x, TOFFEE_DTYPE_FLOAT);
    }
    else if (quant_is_natural(&q)) {
        x = quant_emit(&chain, &q, "DequantizeLinear", x, TOFFEE_DTYPE_FLOAT);
    }
    else {
        x = quant_undo(&chain, &q, x);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

/* aten::fake_quantize_per_tensor_affine(self, scale, zero_point, quant_min, quant_max),
 * fake_quantize_per_channel_affine(self, scale, zero_point, axis, …)
 *   -> QuantizeLinear and DequantizeLinear, in between Max and Min where the bounds are not those
 *      of 8 bits */
static toffee_code
lower_fake_quantize(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *x = NULL;
    quant q = {0};

    if (!quant_read(call, &q) || q.low->kind != TOFFEE_ARG_INT || q.high->kind != TOFFEE_ARG_INT) {
        return TOFFEE_DECLINED;
    }
    q.dtype = q.low->i < 0 ? TOFFEE_DTYPE_INT8 : TOFFEE_DTYPE_UINT8;
    if (toffee_value_dtype(q.x) == TOFFEE_DTYPE_DOUBLE) {
        q.compute = TOFFEE_DTYPE_DOUBLE;
    }
    x = toffee_chain_cast(&chain, q.x, q.compute);
    if (quant_is_natural(&q) && fits_byte(q.low, q.dtype) && fits_byte(q.high, q.dtype)) {
        x = quant_emit(&chain, &q, "QuantizeLinear", x, q.dtype);
        x = quant_clamp(&chain, &q, x);
        x = quant_emit(&chain, &q, "DequantizeLinear", x, TOFFEE_DTYPE_FLOAT);
    }
    else {
        x = quant_compute(&chain, &q, x);
        x = quant_undo(&chain, &q, x);
    }
    return toffee_chain_return(&chain, call, 0, x);
}

static const toffee_rule rows[] = {
    /* sorted by name */
    {"aten::fake_quantize_per_channel_affine", lower_fake_quantize, NULL, 0},
    {"aten::fake_quantize_per_tensor_affine", lower_fake_quantize, NULL, 0},
    {"quantized_decomposed::dequantize_per_channel", lower_dequantize, "DequantizeLinear", 0},
    {"quantized_decomposed::dequantize_per_tensor", lower_dequantize, "DequantizeLinear", 0},
    {"quantized_decomposed::quantize_per_channel", lower_quantize, "QuantizeLinear", 0},
    {"quantized_decomposed::quantize_per_tensor", lower_quantize, "QuantizeLinear", 0},
};

const toffee_rule_family toffee_rules_quant = {rows, TOFFEE_COUNTOF(rows)};
