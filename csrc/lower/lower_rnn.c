/* csrc/lower/lower_rnn.c -- recurrent layers, and single steps of them.
 *
 * Sizes: T steps, N samples, D directions (1 or 2), G gates, H hidden, I of the layer's input. */
#include "lower/chain.h"
#include "lower/fit.h"
#include "lower/shape.h"

#include <string.h>

#define RNN_MAX_GATES 4

enum { RNN_TANH, RNN_RELU, RNN_GRU, RNN_LSTM }; /* what rule->arg says */

typedef struct {
    const char *op_type;
    int64_t n_gates;
    int64_t order[RNN_MAX_GATES]; /* gate i of ONNX is gate order[i] of PyTorch */
} rnn_kind;

static const rnn_kind kinds[] = {
    [RNN_TANH] = {"RNN", 1, {0}},
    [RNN_RELU] = {"RNN", 1, {0}},
    [RNN_GRU] = {"GRU", 3, {1, 0, 2}},      /* reset, update, new -> update, reset, hidden */
    [RNN_LSTM] = {"LSTM", 4, {0, 3, 1, 2}}, /* input, forget, cell, output -> i, o, f, c */
};

/* All layers of one call. */
typedef struct {
    const rnn_kind *kind;
    toffee_dtype dtype; /* of the computation */
    int64_t n_layers;
    int64_t n_directions;
    int64_t hidden;
    /* For each layer and direction: weights of the input, of the state, and their biases. */
    toffee_value *const *params;
    size_t n_params;          /* of one layer and direction: 4, or 2 without biases */
    size_t n_states;          /* 2 for LSTM, else 1 */
    toffee_value *initial[2]; /* [layers * D, N, H], NULL for zeros */
} rnn;

/* ---- layers --------------------------------------------------------------------------------- */

/* Whether VALUE is zeros that the program made, as modules do where they are given no state: a
 * constant of the graph, not a parameter, which may be zeros today. */
static bool
rnn_is_zeros(const toffee_lowering *lo, const toffee_value *value)
{
    const unsigned char *bytes = NULL;

    if (toffee_ptrmap_get(&lo->constants, value) == NULL) {
        return false;
    }
    bytes = value->tensor->data;
    for (size_t i = 0; i < value->tensor->n_bytes; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Reads the arguments. False where there is no node for them: packed sequences, projections, and
 * double, for which ONNX Runtime has no kernel, while it has those of a step taken apart. */
static bool
rnn_read(const toffee_lowering *lo, const toffee_call *call, rnn *r)
{
    int64_t kind = lo->rule->arg;
    const toffee_value *input = toffee_call_value(call, "input");
    const toffee_arg *hx = toffee_call_arg(call, "hx");
    const toffee_arg *params = toffee_call_arg(call, "params");
    toffee_value *const *initial = NULL;

    if (strcmp(call->overload, "input") != 0 || input == NULL || hx == NULL || params == NULL ||
        params->kind != TOFFEE_ARG_VALUES || toffee_value_rank(input) != 3 ||
        toffee_value_dim(input, 2) == 0) {
        return false;
    }
    r->kind = &kinds[kind];
    r->dtype = toffee_fit_dtype(r->kind->op_type, toffee_value_dtype(input));
    r->n_layers = toffee_call_int(call, "num_layers", 1);
    r->n_directions = toffee_call_bool(call, "bidirectional", false) ? 2 : 1;
    r->params = params->values;
    r->n_params = toffee_call_bool(call, "has_biases", true) ? 4 : 2;
    r->n_states = kind == RNN_LSTM ? 2 : 1;
    initial = hx->kind == TOFFEE_ARG_VALUES ? hx->values : &hx->value;
    if (r->dtype == TOFFEE_DTYPE_UNDEFINED || r->dtype == TOFFEE_DTYPE_DOUBLE || r->n_layers < 1 ||
        (hx->kind == TOFFEE_ARG_VALUES ? hx->n : 1) != r->n_states ||
        params->n != (size_t)(r->n_layers * r->n_directions) * r->n_params) {
        return false;
    }
    for (size_t i = 0; i < params->n; i++) {
        if (params->values[i] == NULL) {
            return false;
        }
    }
    r->hidden = toffee_value_dim(params->values[1], 1);
    for (size_t i = 0; i < r->n_states; i++) {
        if (initial[i] == NULL) {
            return false;
        }
        r->initial[i] = rnn_is_zeros(lo, initial[i]) ? NULL : initial[i];
    }
    return r->hidden > 0;
}

/* N parameters [G * H, I] or [G * H] as the one that ONNX has: [D, G * H, I] or, where those of
 * input and state follow one another, [D, 2 * G * H], by Concat. Their gates change places by a
 * Gather on an axis that Reshape makes for it. All of it is constant: ONNX Runtime does it once. */
static toffee_code
rnn_pack(toffee_lowering *lo, const rnn *r, toffee_value **params, size_t n, toffee_value **out,
         toffee_status *st)
{
    int64_t n_gates = r->kind->n_gates;
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
        TOFFEE_RETURN_IF_ERROR(toffee_const_ints(lo, r->kind->order, (size_t)n_gates, &order, st));
        TOFFEE_RETURN_IF_ERROR(toffee_gather(lo, *out, 1, order, out, st));
    }
    return toffee_reshape(lo, *out, packed, rank + 1, out, st);
}

/* Weights of the input, weights of the state and biases (NULL where there are none) of LAYER. */
static toffee_code
rnn_pack_layer(toffee_lowering *lo, const rnn *r, int64_t layer, toffee_value *packed[3],
               toffee_status *st)
{
    toffee_value *groups[3][4];
    size_t n = 0;

    for (int64_t k = 0; k < r->n_directions; k++) {
        toffee_value *const *params =
            r->params + (size_t)(layer * r->n_directions + k) * r->n_params;

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
rnn_initial(toffee_lowering *lo, const rnn *r, int64_t layer, toffee_value *states[2],
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
rnn_emit(toffee_lowering *lo, const rnn *r, int64_t layer, toffee_value *input,
         toffee_value *outputs[3], toffee_status *st)
{
    const int64_t dims[4] = {toffee_value_dim(input, 0), r->n_directions,
                             toffee_value_dim(input, 1), r->hidden};
    toffee_value *packed[3] = {NULL};
    toffee_value *states[2] = {NULL};
    toffee_node *node = NULL;

    TOFFEE_RETURN_IF_ERROR(rnn_pack_layer(lo, r, layer, packed, st));
    TOFFEE_RETURN_IF_ERROR(rnn_initial(lo, r, layer, states, st));
    TOFFEE_RETURN_IF_ERROR(toffee_emit_dims(
        lo, r->kind->op_type,
        TOFFEE_INPUTS(input, packed[0], packed[1], packed[2], NULL, states[0], states[1]), r->dtype,
        dims, 4, &node, &outputs[0], st));
    for (size_t i = 1; i <= r->n_states; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_emit_output(lo, node, r->dtype, &outputs[i], st));
        TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(outputs[i], r->dtype, dims + 1, 3, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "hidden_size", r->hidden, st));
    if (r->n_directions == 2) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_string(node, "direction", "bidirectional", st));
    }
    if (r->kind == &kinds[RNN_GRU]) {
        TOFFEE_RETURN_IF_ERROR(toffee_node_set_int(node, "linear_before_reset", 1, st));
    }
    if (r->kind == &kinds[RNN_RELU]) {
        TOFFEE_RETURN_IF_ERROR(rnn_set_relu(lo, node, r->n_directions, st));
    }
    return TOFFEE_OK;
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

/* aten::lstm.input, gru.input, rnn_tanh.input, rnn_relu.input(input, hx, params, has_biases,
 * num_layers, dropout, train, bidirectional, batch_first)
 *   -> LSTM, GRU or RNN(input [T, N, I], W [D, G * H, I], R [D, G * H, H], B? [D, 2 * G * H], -,
 * initial_h? [D, N, H], initial_c?) [activations, direction, hidden_size, linear_before_reset] a
 * layer, with Dropout between layers in training; Transpose in front and behind where the batch
 * comes first, since ONNX Runtime has no layout of 1; Concat of the last states of all layers
 *
 * Packed sequences (lstm.data) are declined. So are projections and double, of which PyTorch then
 * shows every step. */
static toffee_code
lower_rnn(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    static const int64_t swap[3] = {1, 0, 2};
    bool batch_first = toffee_call_bool(call, "batch_first", false);
    double ratio =
        toffee_call_bool(call, "train", false) ? toffee_call_float(call, "dropout", 0) : 0;
    toffee_value *value = toffee_call_value(call, "input"); /* [T, N, I] or [N, T, I] */
    toffee_value **last[2] = {NULL};
    rnn r = {0};

    if (!rnn_read(lo, call, &r)) {
        return TOFFEE_DECLINED;
    }
    if (toffee_value_dim(value, batch_first ? 0 : 1) == 0) {
        return rnn_return_empty(lo, call, st);
    }
    for (size_t i = 0; i < r.n_states; i++) {
        last[i] = toffee_arena_calloc(lo->scratch, (size_t)r.n_layers, sizeof(*last[i]));
        if (last[i] == NULL) {
            return toffee_fail_nomem(st);
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_cast(lo, value, r.dtype, &value, st));
    if (batch_first) {
        TOFFEE_RETURN_IF_ERROR(toffee_transpose(lo, value, swap, &value, st));
    }
    for (int64_t layer = 0; layer < r.n_layers; layer++) {
        bool is_last = layer == r.n_layers - 1;
        toffee_value *outputs[3] = {NULL};

        TOFFEE_RETURN_IF_ERROR(rnn_emit(lo, &r, layer, value, outputs, st));
        for (size_t i = 0; i < r.n_states; i++) {
            last[i][layer] = outputs[1 + i];
        }
        value = outputs[0];
        TOFFEE_RETURN_IF_ERROR(rnn_join_directions(lo, is_last && batch_first, &value, st));
        if (!is_last && ratio > 0) {
            TOFFEE_RETURN_IF_ERROR(rnn_drop(lo, ratio, &value, st));
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 0, value, st));
    for (size_t i = 0; i < r.n_states; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_concat(lo, last[i], (size_t)r.n_layers, 0, &value, st));
        TOFFEE_RETURN_IF_ERROR(toffee_lower_return(lo, call, 1 + i, value, st));
    }
    return TOFFEE_OK;
}

/* ---- cells ---------------------------------------------------------------------------------- */

/* X [N, I] by the weight [G * H, I] and the bias [G * H], which may be None. */
static toffee_value *
cell_linear(toffee_chain *chain, const toffee_call *call, toffee_value *x, const char *weight,
            const char *bias)
{
    toffee_value *inputs[3] = {x, toffee_call_value(call, weight), toffee_call_value(call, bias)};
    const int64_t dims[2] = {toffee_value_dim(x, 0), toffee_value_dim(inputs[1], 0)};
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_emit_dims(chain->lo, "Gemm", inputs, 3, toffee_value_dtype(x), dims, 2,
                                     &node, &out, chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_node_set_int(node, "transB", 1, chain->st);
    }
    return out;
}

/* X [N, G * H] in its G gates [N, H], by Split. */
static void
cell_split(toffee_chain *chain, toffee_value *x, int64_t n_gates, toffee_value **gates)
{
    toffee_node *node = NULL;
    int64_t dims[2] = {0};

    if (chain->rc != TOFFEE_OK) {
        return;
    }
    dims[0] = toffee_value_dim(x, 0);
    dims[1] = toffee_value_dim(x, 1) / n_gates;
    for (int64_t i = 0; i < n_gates && chain->rc == TOFFEE_OK; i++) {
        chain->rc = i == 0 ? toffee_emit(chain->lo, "Split", &x, 1, toffee_value_dtype(x), &node,
                                         &gates[0], chain->st)
                           : toffee_emit_output(chain->lo, node, toffee_value_dtype(x), &gates[i],
                                                chain->st);
        if (chain->rc == TOFFEE_OK) {
            chain->rc = toffee_value_set_type(gates[i], toffee_value_dtype(x), dims, 2, chain->st);
        }
    }
    toffee_chain_set_int(chain, gates[0], "axis", 1);
    toffee_chain_set_int(chain, gates[0], "num_outputs", n_gates);
}

/* The two products that every cell begins with: of the input [N, I] and of the state [N, H]. False
 * where a shape is not that of a cell. */
static bool
cell_begin(toffee_chain *chain, const toffee_call *call, toffee_value *state,
           toffee_value *products[2])
{
    toffee_value *input = toffee_call_value(call, "input");

    if (input == NULL || state == NULL || toffee_value_rank(input) != 2 ||
        toffee_value_rank(state) != 2 || toffee_value_numel(state) == 0 ||
        toffee_value_numel(input) == 0) {
        return false;
    }
    products[0] = cell_linear(chain, call, input, "w_ih", "b_ih");
    products[1] = cell_linear(chain, call, state, "w_hh", "b_hh");
    return true;
}

/* aten::lstm_cell(input [N, I], hx: state and cell [N, H], w_ih, w_hh, b_ih?, b_hh?)
 *   -> two Gemms and their sum, split in gates i, f, g, o;
 *      cell' = sigmoid(f) * cell + sigmoid(i) * tanh(g), state' = sigmoid(o) * tanh(cell') */
static toffee_code
lower_lstm_cell(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *hx = toffee_call_arg(call, "hx");
    toffee_value *products[2] = {NULL};
    toffee_value *gates[4] = {NULL};
    toffee_value *cell = NULL;
    toffee_value *x = NULL;

    if (hx == NULL || hx->kind != TOFFEE_ARG_VALUES || hx->n != 2 || hx->values[1] == NULL ||
        !cell_begin(&chain, call, hx->values[0], products)) {
        return TOFFEE_DECLINED;
    }
    x = toffee_chain_binary(&chain, "Add", products[0], products[1]);
    cell_split(&chain, x, 4, gates);
    for (size_t i = 0; i < 4; i++) {
        gates[i] = toffee_chain_unary(&chain, i == 2 ? "Tanh" : "Sigmoid", gates[i]);
    }
    cell = toffee_chain_binary(&chain, "Mul", gates[1], hx->values[1]);
    x = toffee_chain_binary(&chain, "Mul", gates[0], gates[2]);
    cell = toffee_chain_binary(&chain, "Add", cell, x);
    x = toffee_chain_unary(&chain, "Tanh", cell);
    x = toffee_chain_binary(&chain, "Mul", gates[3], x);
    TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, 0, x));
    return toffee_chain_return(&chain, call, 1, cell);
}

/* aten::gru_cell(input [N, I], hx [N, H], w_ih, w_hh, b_ih?, b_hh?)
 *   -> two Gemms, each split in gates r, z, n, those of the input primed; n'' = tanh(n' +
 *      sigmoid(r' + r) * n), state' = n'' + sigmoid(z' + z) * (hx - n'') */
static toffee_code
lower_gru_cell(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    toffee_value *state = toffee_call_value(call, "hx");
    toffee_value *products[2] = {NULL};
    toffee_value *of_input[3] = {NULL};
    toffee_value *of_state[3] = {NULL};
    toffee_value *x = NULL;

    if (!cell_begin(&chain, call, state, products)) {
        return TOFFEE_DECLINED;
    }
    cell_split(&chain, products[0], 3, of_input);
    cell_split(&chain, products[1], 3, of_state);
    for (size_t i = 0; i < 2; i++) {
        x = toffee_chain_binary(&chain, "Add", of_input[i], of_state[i]);
        of_state[i] = toffee_chain_unary(&chain, "Sigmoid", x);
    }
    x = toffee_chain_binary(&chain, "Mul", of_state[0], of_state[2]);
    x = toffee_chain_binary(&chain, "Add", of_input[2], x);
    x = toffee_chain_unary(&chain, "Tanh", x);
    state = toffee_chain_binary(&chain, "Sub", state, x);
    state = toffee_chain_binary(&chain, "Mul", of_state[1], state);
    x = toffee_chain_binary(&chain, "Add", x, state);
    return toffee_chain_return(&chain, call, 0, x);
}

static const toffee_rule rows[] = {
    /* sorted by name; cells without gates are taken apart well enough by PyTorch */
    {"aten::gru", lower_rnn, NULL, RNN_GRU},       {"aten::gru_cell", lower_gru_cell, NULL, 0},
    {"aten::lstm", lower_rnn, NULL, RNN_LSTM},     {"aten::lstm_cell", lower_lstm_cell, NULL, 0},
    {"aten::rnn_relu", lower_rnn, NULL, RNN_RELU}, {"aten::rnn_tanh", lower_rnn, NULL, RNN_TANH},
};

const toffee_rule_family toffee_rules_rnn = {rows, TOFFEE_COUNTOF(rows)};
