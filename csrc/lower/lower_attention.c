/* csrc/lower/lower_attention.c -- scaled dot-product attention. */
#include "lower/fit.h"
#include "lower/shape.h"

#include <math.h>
#include <string.h>

/* Query [..., H, L, E], key [..., K, S, E], value [..., K, S, V]: H and K are numbers of heads, the
 * same or, with enable_gqa, one a multiple of the other. */
typedef struct {
    toffee_value *query, *key, *value;
    int64_t n_query;               /* L */
    int64_t n_key;                 /* S */
    int64_t dims[TOFFEE_MAX_RANK]; /* of the scores [..., H, L, S] */
    int32_t rank;
} attention;

static toffee_code
attention_emit(toffee_lowering *lo, const attention *a, const char *op_type,
               toffee_value *const *inputs, size_t n_inputs, toffee_node **node, toffee_value **out,
               toffee_status *st)
{
    return toffee_emit_dims(lo, op_type, inputs, n_inputs, toffee_value_dtype(a->query), a->dims,
                            a->rank, node, out, st);
}

/* *HEADS [..., K, S, E] with each head N times in a row: [..., K * N, S, E], by Reshape and Expand.
 */
static toffee_code
attention_repeat_heads(toffee_lowering *lo, toffee_value **heads, int64_t n, toffee_status *st)
{
    int32_t rank = toffee_value_rank(*heads);
    int32_t at = rank - 2; /* where the copies go */
    int64_t dims[TOFFEE_MAX_RANK];
    int64_t apart[TOFFEE_MAX_RANK + 1];
    int64_t repeats[TOFFEE_MAX_RANK + 1];
    toffee_value *shape = NULL;

    toffee_value_dims(*heads, dims);
    for (int32_t i = 0; i <= rank; i++) {
        apart[i] = i < at ? dims[i] : (i == at ? 1 : dims[i - 1]);
        repeats[i] = i == at ? n : 1; /* Expand takes 1 as: leave as it is */
    }
    TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, *heads, apart, rank + 1, heads, st));
    apart[at] = n;
    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, repeats, (size_t)rank + 1, &shape, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Expand", TOFFEE_INPUTS(*heads, shape),
                                            toffee_value_dtype(*heads), apart, rank + 1, NULL,
                                            heads, st));
    dims[at - 1] *= n;
    return toffee_reshape(lo, *heads, dims, rank, heads, st);
}

/* Reads the operands, and lines up the heads of key and value with those of the query. */
static toffee_code
attention_begin(toffee_lowering *lo, const toffee_call *call, attention *a, toffee_status *st)
{
    const toffee_result *result = &call->results[0];
    int32_t rank = 0;
    int64_t heads = 0;

    a->query = toffee_call_value(call, "query");
    a->key = toffee_call_value(call, "key");
    a->value = toffee_call_value(call, "value");
    rank = toffee_value_rank(a->query);
    if (!toffee_dtype_is_float(toffee_value_dtype(a->query)) || rank < 2 ||
        toffee_value_rank(a->key) < 2 || toffee_value_rank(a->value) < 2 ||
        rank >= TOFFEE_MAX_RANK) {
        return TOFFEE_DECLINED;
    }
    a->n_query = toffee_value_dim(a->query, rank - 2);
    a->n_key = toffee_value_dim(a->key, toffee_value_rank(a->key) - 2);
    /* A value or mask that broadcasts the query to a larger batch is left to be taken apart. */
    for (int32_t i = 0; i < rank - 2; i++) {
        if (result->rank != rank || result->dims[i] != toffee_value_dim(a->query, i)) {
            return TOFFEE_DECLINED;
        }
    }
    a->rank = result->rank;
    memcpy(a->dims, result->dims, (size_t)result->rank * sizeof(*a->dims));
    a->dims[a->rank - 1] = a->n_key;
    if (!toffee_call_bool(call, "enable_gqa", false)) {
        return TOFFEE_OK;
    }
    if (rank < 3 || toffee_value_rank(a->key) != rank || toffee_value_rank(a->value) != rank) {
        return TOFFEE_DECLINED;
    }
    heads = toffee_value_dim(a->query, rank - 3);
    for (int i = 0; i < 2; i++) {
        toffee_value **operand = i == 0 ? &a->key : &a->value;
        int64_t own = toffee_value_dim(*operand, rank - 3);

        if (own == 0 || heads % own != 0) {
            return TOFFEE_DECLINED;
        }
        if (own != heads) {
            TOFFEE_RETURN_IF_ERROR(attention_repeat_heads(lo, operand, heads / own, st));
        }
    }
    return TOFFEE_OK;
}

/* *MASK [L, S] is true where key s is not after query l, by comparing two rows of places. */
static toffee_code
attention_causal_mask(toffee_lowering *lo, const attention *a, toffee_value **mask,
                      toffee_status *st)
{
    const int64_t dims[2] = {a->n_query, a->n_key};
    toffee_value *keys = NULL;
    toffee_value *queries = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_positions(lo, a->n_key, false, &keys, st));
    TOFFEE_RETURN_IF_ERROR(toffee_positions(lo, a->n_query, true, &queries, st));
    return toffee_emit_dims(lo, "LessOrEqual", TOFFEE_INPUTS(keys, queries), TOFFEE_DTYPE_BOOL,
                            dims, 2, NULL, mask, st);
}

/* *WEIGHTS = Softmax of *SCORES over the keys that MASK lets through: the others are -inf before,
 * and where all are (NaN after Softmax) torch has 0. MASK is bool, a float to be added, or NULL. A
 * causal one lets every query see a key, so it needs no second Where. *SCORES becomes what Softmax
 * is of. */
static toffee_code
attention_softmax(toffee_lowering *lo, const attention *a, toffee_value **masked,
                  toffee_value *mask, bool causal, toffee_value **weights, toffee_status *st)
{
    toffee_value *scores = *masked;
    toffee_dtype dtype = toffee_value_dtype(scores);
    bool is_bool = mask != NULL && toffee_value_dtype(mask) == TOFFEE_DTYPE_BOOL;
    int64_t dims[TOFFEE_MAX_RANK];
    toffee_value *least = NULL;
    toffee_value *zero = NULL;
    toffee_value *axis = NULL;
    toffee_value *none = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, -INFINITY, &least, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, dtype, 0, &zero, st));
    if (is_bool) {
        TOFFEE_RETURN_IF_ERROR(
            attention_emit(lo, a, "Where", TOFFEE_INPUTS(mask, scores, least), NULL, &scores, st));
    }
    else if (mask != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, mask, dtype, &mask, st));
        TOFFEE_RETURN_IF_ERROR(
            attention_emit(lo, a, "Add", TOFFEE_INPUTS(scores, mask), NULL, &scores, st));
    }
    *masked = scores;
    TOFFEE_RETURN_IF_ERROR(
        attention_emit(lo, a, "Softmax", TOFFEE_INPUTS(scores), &node, weights, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "axis", -1, st));
    if (mask == NULL || causal) {
        return TOFFEE_OK;
    }
    if (is_bool) {
        return attention_emit(lo, a, "Where", TOFFEE_INPUTS(mask, *weights, zero), NULL, weights,
                              st);
    }
    memcpy(dims, a->dims, sizeof(dims));
    dims[a->rank - 1] = 1;
    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, -1, &axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "ReduceMax", TOFFEE_INPUTS(scores, axis), dtype,
                                            dims, a->rank, NULL, &none, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "Equal", TOFFEE_INPUTS(none, least),
                                            TOFFEE_DTYPE_BOOL, dims, a->rank, NULL, &none, st));
    return attention_emit(lo, a, "Where", TOFFEE_INPUTS(none, zero, *weights), NULL, weights, st);
}

/* Result 1 of the kernels: the logarithm of what Softmax of SCORES divides by, [..., H, L]. */
static toffee_code
attention_return_sum(toffee_lowering *lo, const toffee_call *call, const attention *a,
                     toffee_value *scores, toffee_status *st)
{
    toffee_value *axis = NULL;
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_int(lo, -1, &axis, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(lo, "ReduceLogSumExp", TOFFEE_INPUTS(scores, axis),
                                            toffee_value_dtype(scores), a->dims, a->rank - 1, &node,
                                            &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "keepdims", 0, st));
    return toffee_lower_return(lo, call, 1, out, st);
}

/* The scores [..., H, L, S]: the query times SCALE by the key transposed. A query that is itself a
 * multiple of something leaves the scale to the key: ONNX Runtime (1.32, MatMulScaleFusion) takes
 * both factors into the MatMul, and then lacks the multiple for whatever else reads it. */
static toffee_code
attention_scores(toffee_lowering *lo, attention *a, double scale, toffee_value **scores,
                 toffee_status *st)
{
    const toffee_node *maker = a->query->producer;
    bool is_multiple = maker != NULL && (toffee_str_is(maker->op_type, "Mul") ||
                                         toffee_str_is(maker->op_type, "Div"));
    int32_t rank = toffee_value_rank(a->key);
    int64_t perm[TOFFEE_MAX_RANK];
    toffee_value *query = a->query;
    toffee_value *key = NULL;

    for (int32_t i = 0; i < rank; i++) {
        perm[i] = i;
    }
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    if (!is_multiple) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Mul", query, scale, &query, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, a->key, perm, &key, st));
    if (is_multiple) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_scaled(lo, "Mul", key, scale, &key, st));
    }
    return attention_emit(lo, a, "MatMul", TOFFEE_INPUTS(query, key), NULL, scores, st);
}

/* aten::scaled_dot_product_attention(query, key, value, attn_mask?, dropout_p, is_causal, scale?,
 *                                    enable_gqa), and the kernels that compute it
 *   -> MatMul(query * scale, Transpose(key)) or with the scale on the key, the mask, Softmax,
 *      Dropout where dropout_p is not 0, MatMul by value. scale is 1 / sqrt(E) where it is not
 * said. */
static toffee_code
lower_attention(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    attention a = {0};
    toffee_value *mask =
        toffee_call_value(call, toffee_call_has(call, "attn_bias") ? "attn_bias" : "attn_mask");
    bool causal = toffee_call_bool(call, "is_causal", false);
    double dropout = toffee_call_float(call, "dropout_p", 0);
    double scale = 0;
    toffee_value *scores = NULL;
    toffee_value *ratio = NULL;
    toffee_value *training = NULL;
    toffee_value *out = NULL;

    TOFFEE_RETURN_IF_ERROR(attention_begin(lo, call, &a, st));
    if ((causal && mask != NULL) || dropout >= 1) {
        return TOFFEE_DECLINED;
    }
    scale = toffee_call_float(
        call, "scale", 1 / sqrt((double)toffee_value_dim(a.query, toffee_value_rank(a.query) - 1)));
    TOFFEE_RETURN_IF_ERROR(attention_scores(lo, &a, scale, &scores, st));
    if (causal) {
        TOFFEE_RETURN_IF_ERROR(attention_causal_mask(lo, &a, &mask, st));
    }
    TOFFEE_RETURN_IF_ERROR(attention_softmax(lo, &a, &scores, mask, causal, &out, st));
    if (dropout > 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, TOFFEE_DTYPE_FLOAT, dropout, &ratio, st));
        TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_BOOL, 1, &training, st));
        TOFFEE_RETURN_IF_ERROR(
            attention_emit(lo, &a, "Dropout", TOFFEE_INPUTS(out, ratio, training), NULL, &out, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_emit(lo, "MatMul", TOFFEE_INPUTS(out, a.value),
                                       toffee_value_dtype(a.query), NULL, &out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 0, out, st));
    return lo->rule->arg != 0 ? attention_return_sum(lo, call, &a, scores, st) : TOFFEE_OK;
}

static const toffee_rule rows[] = {
    /* sorted by name; the number: whether result 1 is the logarithm of the sum of Softmax, else it
     * and what follows is for computing gradients */
    {"aten::_scaled_dot_product_cudnn_attention", lower_attention, NULL, 0},
    {"aten::_scaled_dot_product_efficient_attention", lower_attention, NULL, 0},
    {"aten::_scaled_dot_product_flash_attention", lower_attention, NULL, 0},
    {"aten::_scaled_dot_product_flash_attention_for_cpu", lower_attention, NULL, 1},
    {"aten::_scaled_dot_product_fused_attention_overrideable", lower_attention, NULL, 0},
    {"aten::scaled_dot_product_attention", lower_attention, NULL, 0},
};

const toffee_rule_family toffee_rules_attention = {rows, TOFFEE_COUNTOF(rows)};
