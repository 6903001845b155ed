/* csrc/lower/lower_rnn.c -- recurrent layers.
 *
 * Sizes: see lower/rnn.h. */
#include "lower/fit.h"
#include "lower/pack.h"
#include "lower/rnn.h"
#include "lower/shape.h"

#include <string.h>

#define RNN_MAX_GATES 4

typedef struct {
    const char *op_type;
    int64_t n_gates;
    int64_t order[RNN_MAX_GATES]; /* gate i of ONNX is gate order[i] of PyTorch */
} rnn_kind;

static const rnn_kind kinds[] = {
    [TOFFEE_RNN_TANH] = {"RNN", 1, {0}},
    [TOFFEE_RNN_RELU] = {"RNN", 1, {0}},
    [TOFFEE_RNN_GRU] = {"GRU", 3, {1, 0, 2}},      /* reset, update, new -> update, reset, hidden */
    [TOFFEE_RNN_LSTM] = {"LSTM", 4, {0, 3, 1, 2}}, /* input, forget, cell, output -> i, o, f, c */
};

/* ---- reading a call ------------------------------------------------------------------------- */

/* Whether VALUE is zeros that the program made, as modules do where they are given no state: a
 * constant of the graph, not a parameter, which may be zeros today. */
static bool
rnn_is_zeros(const toffee_lowering *lo, const toffee_value *value)
{
    const unsigned char *bytes = toffee_const_data(lo, value);

    if (bytes == NULL) {
        return false;
    }
    for (size_t i = 0; i < value->tensor->n_bytes; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Reads the initial states. */
static bool
rnn_read_initial(const toffee_lowering *lo, const toffee_call *call, toffee_rnn *r)
{
    const toffee_arg *hx = toffee_call_arg(call, "hx");
    toffee_value *const *initial = NULL;

    if (hx == NULL || (hx->kind == TOFFEE_ARG_VALUES ? hx->n : 1) != r->n_states) {
        return false;
    }
    initial = hx->kind == TOFFEE_ARG_VALUES ? hx->values : &hx->value;
    for (size_t i = 0; i < r->n_states; i++) {
        if (initial[i] == NULL) {
            return false;
        }
        r->initial[i] = rnn_is_zeros(lo, initial[i]) ? NULL : initial[i];
    }
    return true;
}

/* Reads the arguments, for INPUT of this rank. False where they are not those of a layer. */
static bool
rnn_read(const toffee_lowering *lo, const toffee_call *call, const toffee_value *input,
         int32_t rank, toffee_rnn *r)
{
    const toffee_arg *params = toffee_call_arg(call, "params");
    size_t n_parts = 0;

    if (input == NULL || params == NULL || params->kind != TOFFEE_ARG_VALUES ||
        toffee_value_rank(input) != rank || toffee_value_dim(input, rank - 1) == 0) {
        return false;
    }
    r->kind = lo->rule->arg;
    r->n_gates = kinds[r->kind].n_gates;
    r->dtype = toffee_fit_dtype(kinds[r->kind].op_type, toffee_value_dtype(input));
    r->n_layers = toffee_call_int(call, "num_layers", 1);
    r->n_directions = toffee_call_bool(call, "bidirectional", false) ? 2 : 1;
    r->params = params->values;
    r->has_biases = toffee_call_bool(call, "has_biases", true);
    r->n_states = r->kind == TOFFEE_RNN_LSTM ? 2 : 1;
    if (r->dtype == TOFFEE_DTYPE_UNDEFINED || r->n_layers < 1 || r->n_layers > (int64_t)params->n ||
        params->n == 0) {
        return false;
    }
    n_parts = (size_t)(r->n_layers * r->n_directions);
    r->n_params = params->n / n_parts;
    r->is_projected = r->kind == TOFFEE_RNN_LSTM && r->n_params % 2 == 1;
    if (params->n % n_parts != 0 ||
        r->n_params != (size_t)((r->has_biases ? 4 : 2) + r->is_projected)) {
        return false;
    }
    for (size_t i = 0; i < params->n; i++) {
        if (params->values[i] == NULL) {
            return false;
        }
    }
    r->n_state = toffee_value_dim(params->values[1], 1);
    r->hidden = toffee_value_dim(params->values[1], 0) / r->n_gates;
    return r->hidden > 0 && r->n_state > 0 && rnn_read_initial(lo, call, r);
}

/* Whether each step is by itself: ONNX Runtime's kernels have no double; and where a projected
 * state is given to sequences that end at different steps, the backward ones begin there. */
static bool
rnn_is_unrolled(const toffee_rnn *r)
{
    return r->dtype == TOFFEE_DTYPE_DOUBLE ||
           (r->is_projected && r->lengths != NULL && r->initial[0] != NULL && r->n_directions == 2);
}

/* ---- a layer as one node -------------------------------------------------------------------- */

/* N parameters [G * H, I] or [G * H] as the one that ONNX has: [D, G * H, I] or, where those of
 * input and state follow one another, [D, 2 * G * H], by Concat. Their gates change places by a
 * Gather on an axis that Reshape makes for it. All of it is constant: ONNX Runtime does it once. */
static toffee_code
rnn_pack(toffee_lowering *lo, const toffee_rnn *r, toffee_value **params, size_t n,
         toffee_value **out, toffee_status *st)
{
    int64_t n_gates = r->n_gates;
    int64_t apart[4] = {(int64_t)n, n_gates, r->hidden};
    int64_t packed[3] = {r->n_directions, (int64_t)n / r->n_directions * n_gates * r->hidden};
    int32_t rank = toffee_value_rank(params[0]);
    toffee_value *order = NULL;

    if (rank == 2) {
        apart[3] = packed[2] = toffee_value_dim(params[0], 1);
    }
    for (size_t i = 0; i < n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, params[i], r->dtype, &params[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_concat(lo, params, n, 0, out, st));
    if (n_gates > 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_reshape(lo, *out, apart, rank + 2, out, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_const_ints(lo, kinds[r->kind].order, (size_t)n_gates, &order, st));
        TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, *out, 1, order, out, st));
    }
    return toffee_reshape(lo, *out, packed, rank + 1, out, st);
}

/* Weights of the input, weights of the state and biases (NULL where there are none) of LAYER. */
static toffee_code
rnn_pack_layer(toffee_lowering *lo, const toffee_rnn *r, int64_t layer, toffee_value *packed[3],
               toffee_status *st)
{
    toffee_value *groups[3][4];
    size_t n = 0;

    for (int64_t k = 0; k < r->n_directions; k++) {
        toffee_value *const *params = toffee_rnn_params(r, layer, k);

        groups[0][k] = params[0];
        groups[1][k] = params[1];
        for (size_t i = 2; i < r->n_params; i++) {
            groups[2][n++] = params[i];
        }
    }
    for (size_t i = 0; i < 2; i++) {
        TOFFEE_RETURN_IF_ERROR(rnn_pack(lo, r, groups[i], (size_t)r->n_directions, &packed[i], st));
    }
    packed[2] = NULL;
    return n != 0 ? rnn_pack(lo, r, groups[2], n, &packed[2], st) : TOFFEE_OK;
}

/* Initial states [D, N, H] of LAYER, NULL for zeros. */
static toffee_code
rnn_initial(toffee_lowering *lo, const toffee_rnn *r, int64_t layer, toffee_value *states[2],
            toffee_status *st)
{
    const toffee_range range = {0, layer * r->n_directions, r->n_directions, 1};

    for (size_t i = 0; i < 2; i++) {
        states[i] = r->initial[i];
        if (states[i] != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, states[i], &range, 1, &states[i], st));
            TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, states[i], r->dtype, &states[i], st));
        }
    }
    return TOFFEE_OK;
}

/* The function of NODE's one gate, said for each direction. */
static toffee_code
rnn_set_relu(toffee_lowering *lo, toffee_node *node, int64_t n_directions, toffee_status *st)
{
    static const toffee_bytes relu = {(const uint8_t *)"Relu", 4};
    const toffee_bytes names[2] = {relu, relu};
    toffee_attr attr = {.type = TOFFEE_ATTR_STRINGS, .n = (size_t)n_directions};

    attr.name = toffee_graph_intern(lo->graph, "activations");
    attr.strings = toffee_arena_copy(lo->graph->arena, names, attr.n * sizeof(*names));
    if (attr.name == NULL || attr.strings == NULL) {
        return toffee_fail_nomem(st);
    }
    return toffee_node_set_attr(node, &attr, st);
}

/* The node of LAYER. INPUT is [T, N, I]; outputs: of all steps [T, D, N, H], then last states
 * [D, N, H]. */
static toffee_code
rnn_emit(toffee_lowering *lo, const toffee_rnn *r, int64_t layer, toffee_value *input,
         toffee_value *const states[2], toffee_value *outputs[3], toffee_status *st)
{
    const int64_t dims[4] = {toffee_value_dim(input, 0), r->n_directions,
                             toffee_value_dim(input, 1), r->hidden};
    toffee_value *packed[3] = {NULL};
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(rnn_pack_layer(lo, r, layer, packed, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(
        lo, kinds[r->kind].op_type,
        TOFFEE_INPUTS(input, packed[0], packed[1], packed[2], r->lengths, states[0], states[1]),
        r->dtype, dims, 4, &node, &outputs[0], st));
    for (size_t i = 1; i <= r->n_states; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, r->dtype, &outputs[i], st));
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(outputs[i], r->dtype, dims + 1, 3, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "hidden_size", r->hidden, st));
    if (r->n_directions == 2) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "direction", "bidirectional", st));
    }
    if (r->kind == TOFFEE_RNN_GRU) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "linear_before_reset", 1, st));
    }
    if (r->kind == TOFFEE_RNN_RELU) {
        TOFFEE_RETURN_IF_ERROR(rnn_set_relu(lo, node, r->n_directions, st));
    }
    return TOFFEE_OK;
}

/* ---- a projected layer ---------------------------------------------------------------------- */

/* X with an axis of 1 in front, filled up with zeros to T steps: it is the first of them, or the
 * last. */
static toffee_code
rnn_pad_steps(toffee_lowering *lo, toffee_value *x, int64_t n_steps, bool is_last,
              toffee_value **out, toffee_status *st)
{
    const int64_t dims[3] = {n_steps, toffee_value_dim(x, 1), toffee_value_dim(x, 2)};
    const int64_t pads[6] = {is_last ? n_steps - 1 : 0, 0, 0, is_last ? 0 : n_steps - 1, 0, 0};
    toffee_value *amounts = NULL;
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, pads, 6, &amounts, st));
    return toffee_emit_dims(lo, "Pad", TOFFEE_INPUTS(x, amounts), toffee_value_dtype(x), dims, 3,
                            &node, out, st);
}

/* What the given states [D, N, O] add to the gates is what the weights of the state make of them,
 * at the first step. So they come in as D * O more features of *INPUT [T, N, I], zero at other
 * steps, and these weights beside those of the input: *WEIGHTS becomes [G * H, I + D * O]. */
static toffee_code
rnn_widen(toffee_lowering *lo, const toffee_rnn *r, int64_t layer, toffee_value *states,
          toffee_value **input, toffee_value **weights, toffee_status *st)
{
    const int64_t none[2] = {r->n_gates * r->hidden, r->n_state};
    toffee_value *features[3] = {*input};
    toffee_value *zeros = NULL;
    size_t n = (size_t)r->n_directions + 1;

    if (n == 3) {
        TOFFEE_RETURN_IF_ERROR(toffee_const_fill(lo, r->dtype, none, 2, 0, &zeros, st));
    }
    for (int64_t k = 0; k < r->n_directions; k++) {
        const toffee_range own = {0, k, 1, 1};
        toffee_value *parts[3] = {weights[k], zeros, zeros};

        TOFFEE_RETURN_IF_ERROR(
            toffee_cast(lo, toffee_rnn_params(r, layer, k)[1], r->dtype, &parts[1 + k], st));
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, parts[0], r->dtype, &parts[0], st));
        TOFFEE_RETURN_IF_ERROR(toffee_concat(lo, parts, n, 1, &weights[k], st));
        features[1 + k] = states;
        if (n == 3) {
            TOFFEE_RETURN_IF_ERROR(toffee_slice(lo, states, &own, 1, &features[1 + k], st));
        }
        TOFFEE_RETURN_IF_ERROR(rnn_pad_steps(lo, features[1 + k], toffee_value_dim(*input, 0),
                                             k == 1, &features[1 + k], st));
    }
    return toffee_concat(lo, features, n, 2, input, st);
}

/* A layer whose state is projected, h = P h', as one whose state is h': its weights of the state
 * are R P, and what comes out is projected behind it. As rnn_emit but for O in place of H. */
static toffee_code
rnn_emit_projected(toffee_lowering *lo, const toffee_rnn *r, int64_t layer, toffee_value *input,
                   toffee_value *const states[2], toffee_value *outputs[3], toffee_status *st)
{
    static const int64_t perm[3] = {0, 2, 1};
    static const int64_t front[1] = {0};
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *params[2 * TOFFEE_RNN_MAX_PARAMS] = {NULL};
    toffee_value *weights[2] = {NULL};
    toffee_value *projections[2] = {NULL};
    toffee_value *projection = NULL; /* [D, H, O] */
    toffee_value *const own[2] = {NULL, states[1]};
    size_t n_kept = r->n_params - 1;
    toffee_rnn plain = *r;

    for (int64_t k = 0; k < r->n_directions; k++) {
        toffee_value *const *given = toffee_rnn_params(r, layer, k);
        toffee_value *of_state = NULL;

        weights[k] = given[0];
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, given[1], r->dtype, &of_state, st));
        TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, given[n_kept], r->dtype, &projection, st));
        memcpy(params + (size_t)k * n_kept, given, n_kept * sizeof(*given));
        params[(size_t)k * n_kept + 1] = toffee_chain_product(&chain, of_state, projection);
        TOFFEE_RETURN_IF_ERROR(chain.rc);
        TOFFEE_RETURN_IF_ERROR(toffee_unsqueeze(lo, projection, front, 1, &projections[k], st));
    }
    if (states[0] != NULL) {
        TOFFEE_RETURN_IF_ERROR(rnn_widen(lo, r, layer, states[0], &input, weights, st));
    }
    for (int64_t k = 0; k < r->n_directions; k++) {
        params[(size_t)k * n_kept] = weights[k];
    }
    plain.params = params;
    plain.n_params = n_kept;
    plain.n_layers = 1;
    TOFFEE_RETURN_IF_ERROR(rnn_emit(lo, &plain, 0, input, own, outputs, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_concat(lo, projections, (size_t)r->n_directions, 0, &projection, st));
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, projection, perm, &projection, st));
    outputs[0] = toffee_chain_product(&chain, outputs[0], projection);
    outputs[1] = toffee_chain_product(&chain, outputs[1], projection);
    return chain.rc;
}

/* *VALUE [T, D, N, H] as [T, N, D * H], or as [N, T, D * H]. */
static toffee_code
rnn_join_directions(toffee_lowering *lo, bool batch_first, toffee_value **value, toffee_status *st)
{
    static const int64_t perms[2][4] = {{0, 2, 1, 3}, {2, 0, 1, 3}};
    static const int64_t swap[3] = {1, 0, 2};
    const int64_t directions = 1;
    int64_t dims[TOFFEE_MAX_RANK];

    if (toffee_value_dim(*value, 1) == 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_squeeze(lo, *value, &directions, 1, value, st));
        return batch_first ? toffee_transpose(lo, *value, swap, value, st) : TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, *value, perms[batch_first], value, st));
    toffee_value_dims(*value, dims);
    dims[2] *= dims[3];
    return toffee_reshape(lo, *value, dims, 3, value, st);
}

/* *VALUE, with a share of RATIO of its elements dropped. */
static toffee_code
rnn_drop(toffee_lowering *lo, double ratio, toffee_value **value, toffee_status *st)
{
    toffee_value *share = NULL;
    toffee_value *training = NULL;

    if (ratio >= 1) {
        return toffee_emit_scaled(lo, "Mul", *value, 0, value, st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_float(lo, TOFFEE_DTYPE_FLOAT, ratio, &share, st));
    TOFFEE_RETURN_IF_ERROR(toffee_const_scalar_int(lo, TOFFEE_DTYPE_BOOL, 1, &training, st));
    return toffee_emit_like(lo, "Dropout", TOFFEE_INPUTS(*value, share, training), *value, NULL,
                            value, st);
}

/* Results of a call without samples have no elements. ONNX Runtime aborts the process over such a
 * node, and so may PyTorch where it takes the layer apart. */
static toffee_code
rnn_return_empty(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    for (size_t i = 0; i < call->n_results; i++) {
        const toffee_result *result = &call->results[i];
        toffee_value *value = NULL;

        TOFFEE_RETURN_IF_ERROR(
            toffee_const_empty(lo, result->dtype, result->dims, result->rank, &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, i, value, st));
    }
    return TOFFEE_OK;
}

/* ---- all layers ----------------------------------------------------------------------------- */

/* All layers on *VALUE [T, N, I], which becomes what the last one gives [T, N, D * O]; results 1
 * and 2 of the call are the last states of all. */
static toffee_code
rnn_lower_layers(toffee_lowering *lo, const toffee_call *call, const toffee_rnn *r,
                 bool batch_first, toffee_value **value, toffee_status *st)
{
    static const int64_t swap[3] = {1, 0, 2};
    double ratio =
        toffee_call_bool(call, "train", false) ? toffee_call_float(call, "dropout", 0) : 0;
    toffee_value **last[2] = {NULL};

    for (size_t i = 0; i < r->n_states; i++) {
        last[i] = toffee_arena_calloc(lo->scratch, (size_t)r->n_layers, sizeof(*last[i]));
        if (last[i] == NULL) {
            return toffee_fail_nomem(st);
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, *value, r->dtype, value, st));
    for (int64_t layer = 0; layer < r->n_layers; layer++) {
        bool swaps = batch_first && layer == r->n_layers - 1;
        toffee_value *initial[2] = {NULL};
        toffee_value *outputs[3] = {NULL};

        TOFFEE_RETURN_IF_ERROR(rnn_initial(lo, r, layer, initial, st));
        if (rnn_is_unrolled(r)) {
            TOFFEE_RETURN_IF_ERROR(toffee_rnn_unroll(lo, r, layer, *value, initial, outputs, st));
            if (swaps) {
                TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, outputs[0], swap, &outputs[0], st));
            }
        }
        else {
            TOFFEE_RETURN_IF_ERROR((r->is_projected ? rnn_emit_projected : rnn_emit)(
                lo, r, layer, *value, initial, outputs, st));
            TOFFEE_RETURN_IF_ERROR(rnn_join_directions(lo, swaps, &outputs[0], st));
        }
        for (size_t i = 0; i < r->n_states; i++) {
            last[i][layer] = outputs[1 + i];
        }
        *value = outputs[0];
        if (layer != r->n_layers - 1 && ratio > 0) {
            TOFFEE_RETURN_IF_ERROR(rnn_drop(lo, ratio, value, st));
        }
    }
    for (size_t i = 0; i < r->n_states; i++) {
        toffee_value *states = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_concat(lo, last[i], (size_t)r->n_layers, 0, &states, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 1 + i, states, st));
    }
    return TOFFEE_OK;
}

/* A packed sequence: its padded one and the lengths go in, what comes out is packed again. */
static toffee_code
rnn_lower_packed(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_value *data = toffee_call_value(call, "data");
    toffee_value *batch_sizes = toffee_call_value(call, "batch_sizes");
    toffee_rnn r = {0};
    toffee_pack pack;

    if (batch_sizes == NULL || toffee_value_numel(batch_sizes) == 0 || call->n_results < 2 ||
        call->results[1].rank != 3 || !rnn_read(lo, call, data, 2, &r)) {
        return TOFFEE_DECLINED;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_pack_read(lo, data, batch_sizes, call->results[1].dims[1], &pack, st));
    r.mask = pack.mask;
    TOFFEE_RETURN_IF_ERROR(toffee_pack_lengths(lo, &pack, &r.lengths, st));
    TOFFEE_RETURN_IF_ERROR(rnn_lower_layers(lo, call, &r, false, &pack.padded, st));
    pack.is_zero = !rnn_is_unrolled(&r);
    return toffee_pack_return(lo, call, 0, &pack, st);
}

/* aten::lstm.input, gru.input, rnn_tanh.input, rnn_relu.input(input, hx, params, has_biases,
 * num_layers, dropout, train, bidirectional, batch_first), and .data(data, batch_sizes, hx, …)
 *   -> LSTM, GRU or RNN(input [T, N, I], W [D, G * H, I], R [D, G * H, H], B? [D, 2 * G * H],
 * sequence_lens? [N], initial_h? [D, N, H], initial_c?) [activations, direction, hidden_size,
 * linear_before_reset] a layer, with Dropout between layers in training; Transpose in front and
 * behind where the batch comes first, since ONNX Runtime has no layout of 1; Concat of the last
 * states of all layers
 *
 * Projections are products behind the layer. Double is taken apart into steps. */
static toffee_code
lower_rnn(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t swap[3] = {1, 0, 2};
    bool batch_first = toffee_call_bool(call, "batch_first", false);
    toffee_value *value = toffee_call_value(call, "input"); /* [T, N, I] or [N, T, I] */
    toffee_rnn r = {0};

    if (toffee_call_arg(call, "batch_sizes") != NULL) {
        return rnn_lower_packed(lo, call, st);
    }
    if (!rnn_read(lo, call, value, 3, &r) || toffee_value_dim(value, batch_first ? 1 : 0) == 0) {
        return TOFFEE_DECLINED;
    }
    if (toffee_value_dim(value, batch_first ? 0 : 1) == 0) {
        return rnn_return_empty(lo, call, st);
    }
    if (batch_first) {
        TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, value, swap, &value, st));
    }
    TOFFEE_RETURN_IF_ERROR(rnn_lower_layers(lo, call, &r, batch_first, &value, st));
    return toffee_lower_return(lo, call, 0, value, st);
}

static const toffee_rule rows[] = {
    {"aten::gru", lower_rnn, "GRU", TOFFEE_RNN_GRU},
    {"aten::lstm", lower_rnn, "LSTM", TOFFEE_RNN_LSTM},
    {"aten::rnn_relu", lower_rnn, "RNN", TOFFEE_RNN_RELU},
    {"aten::rnn_tanh", lower_rnn, "RNN", TOFFEE_RNN_TANH},
};

const toffee_rule_family toffee_rules_rnn = {rows, TOFFEE_COUNTOF(rows)};
