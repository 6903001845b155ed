/* csrc/lower/lower_cell.c -- single steps of recurrent layers, and layers made of them.
 *
 * Sizes: see lower/rnn.h. */
#include "lower/fit.h"
#include "lower/rnn.h"
#include "lower/shape.h"

/* ---- a step --------------------------------------------------------------------------------- */

/* X [N, I] by the WEIGHT [G * H, I], and BIAS [G * H], which may be NULL, by Gemm. */
static toffee_value *
cell_linear(toffee_chain *chain, toffee_value *x, toffee_value *weight, toffee_value *bias)
{
    toffee_value *const inputs[3] = {x, weight, bias};
    int64_t dims[2] = {0};
    toffee_node *node = NULL;
    toffee_value *out = NULL;

    if (chain->rc != TOFFEE_OK) {
        return NULL;
    }
    dims[0] = toffee_value_dim(x, 0);
    dims[1] = toffee_value_dim(weight, 0);
    chain->rc = toffee_emit_dims(chain->lo, "Gemm", inputs, 3, toffee_value_dtype(x), dims, 2,
                                 &node, &out, chain->st);
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

/* The step functions take what input and state give to the gates [N, G * H], and change *STATE
 * [N, H] and *CELL [N, H]. */
typedef void (*step_function)(toffee_chain *chain, toffee_value *of_input, toffee_value *of_state,
                              toffee_value **state, toffee_value **cell);

/* The sum in gates i, f, g, o; cell' = sigmoid(f) * cell + sigmoid(i) * tanh(g), state' =
 * sigmoid(o) * tanh(cell') */
static void
step_lstm(toffee_chain *chain, toffee_value *of_input, toffee_value *of_state, toffee_value **state,
          toffee_value **cell)
{
    toffee_value *gates[4] = {NULL};
    toffee_value *x = toffee_chain_binary(chain, "Add", of_input, of_state);

    cell_split(chain, x, 4, gates);
    for (size_t i = 0; i < 4; i++) {
        gates[i] = toffee_chain_unary(chain, i == 2 ? "Tanh" : "Sigmoid", gates[i]);
    }
    *cell = toffee_chain_binary(chain, "Mul", gates[1], *cell);
    x = toffee_chain_binary(chain, "Mul", gates[0], gates[2]);
    *cell = toffee_chain_binary(chain, "Add", *cell, x);
    x = toffee_chain_unary(chain, "Tanh", *cell);
    *state = toffee_chain_binary(chain, "Mul", gates[3], x);
}

/* Each in gates r, z, n, those of the input primed; n'' = tanh(n' + sigmoid(r' + r) * n), state' =
 * n'' + sigmoid(z' + z) * (state - n'') */
static void
step_gru(toffee_chain *chain, toffee_value *of_input, toffee_value *of_state, toffee_value **state,
         toffee_value **cell)
{
    toffee_value *primed[3] = {NULL};
    toffee_value *gates[3] = {NULL};
    toffee_value *x = NULL;

    (void)cell;
    cell_split(chain, of_input, 3, primed);
    cell_split(chain, of_state, 3, gates);
    for (size_t i = 0; i < 2; i++) {
        x = toffee_chain_binary(chain, "Add", primed[i], gates[i]);
        gates[i] = toffee_chain_unary(chain, "Sigmoid", x);
    }
    x = toffee_chain_binary(chain, "Mul", gates[0], gates[2]);
    x = toffee_chain_binary(chain, "Add", primed[2], x);
    x = toffee_chain_unary(chain, "Tanh", x);
    *state = toffee_chain_binary(chain, "Sub", *state, x);
    *state = toffee_chain_binary(chain, "Mul", gates[1], *state);
    *state = toffee_chain_binary(chain, "Add", x, *state);
}

static void
step_tanh(toffee_chain *chain, toffee_value *of_input, toffee_value *of_state, toffee_value **state,
          toffee_value **cell)
{
    (void)cell;
    *state = toffee_chain_binary(chain, "Add", of_input, of_state);
    *state = toffee_chain_unary(chain, "Tanh", *state);
}

static void
step_relu(toffee_chain *chain, toffee_value *of_input, toffee_value *of_state, toffee_value **state,
          toffee_value **cell)
{
    (void)cell;
    *state = toffee_chain_binary(chain, "Add", of_input, of_state);
    *state = toffee_chain_unary(chain, "Relu", *state);
}

static const step_function steps[] = {
    [TOFFEE_RNN_TANH] = step_tanh,
    [TOFFEE_RNN_RELU] = step_relu,
    [TOFFEE_RNN_GRU] = step_gru,
    [TOFFEE_RNN_LSTM] = step_lstm,
};

/* ---- layers --------------------------------------------------------------------------------- */

/* X by the transposed WEIGHT, which is [out, in]. */
static toffee_value *
unroll_product(toffee_chain *chain, toffee_value *x, toffee_value *weight)
{
    static const int64_t swap[2] = {1, 0};

    weight = toffee_chain_transpose(chain, weight, swap);
    return toffee_chain_product(chain, x, weight);
}

/* X without AXIS, at INDEX of it. */
static toffee_value *
unroll_select(toffee_chain *chain, toffee_value *x, int64_t axis, int64_t index)
{
    toffee_value *out = NULL;

    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_select(chain->lo, x, axis, index, &out, chain->st);
    }
    return out;
}

/* The states [N, ..] that DIRECTION begins with. */
static void
unroll_begin(toffee_chain *chain, const toffee_rnn *r, int64_t direction, int64_t n_samples,
             toffee_value *const initial[2], toffee_value *states[2])
{
    for (size_t i = 0; i < r->n_states; i++) {
        const int64_t dims[2] = {n_samples, i == 0 ? r->n_state : r->hidden};

        states[i] =
            initial[i] != NULL
                ? unroll_select(chain, initial[i], 0, direction)
                : toffee_chain_expand(chain, toffee_chain_number(chain, r->dtype, 0), dims, 2);
    }
}

/* All steps of one direction, with the parameters GIVEN. OUTPUTS gets the state of each step,
 * STATES the last ones. */
static void
unroll_direction(toffee_chain *chain, const toffee_rnn *r, toffee_value *const *given,
                 bool is_backward, toffee_value *input, toffee_value **outputs,
                 toffee_value *states[2])
{
    int64_t n_steps = toffee_value_dim(input, 0);
    const int64_t column[2] = {toffee_value_dim(input, 1), 1};
    toffee_value *params[TOFFEE_RNN_MAX_PARAMS] = {NULL};
    toffee_value *of_input = NULL;

    for (size_t i = 0; i < r->n_params; i++) {
        params[i] = toffee_chain_cast(chain, given[i], r->dtype);
    }
    of_input = unroll_product(chain, input, params[0]);
    if (r->has_biases) {
        of_input = toffee_chain_binary(chain, "Add", of_input, params[2]);
    }
    for (int64_t i = 0; i < n_steps && chain->rc == TOFFEE_OK; i++) {
        int64_t t = is_backward ? n_steps - 1 - i : i;
        toffee_value *next[2] = {states[0], states[1]};
        toffee_value *x = unroll_select(chain, of_input, 0, t);
        toffee_value *of_state =
            cell_linear(chain, states[0], params[1], r->has_biases ? params[3] : NULL);

        steps[r->kind](chain, x, of_state, &next[0], &next[1]);
        if (r->is_projected) {
            next[0] = unroll_product(chain, next[0], params[r->n_params - 1]);
        }
        if (r->mask != NULL) {
            toffee_value *mask = unroll_select(chain, r->mask, 0, t);

            mask = toffee_chain_reshape(chain, mask, column, 2);
            for (size_t k = 0; k < r->n_states; k++) {
                next[k] = toffee_chain_where(chain, mask, next[k], states[k]);
            }
        }
        states[0] = outputs[t] = next[0];
        states[1] = next[1];
    }
}

/* N values one after the other on a new first axis. */
static toffee_value *
unroll_stack(toffee_chain *chain, toffee_value **values, size_t n)
{
    const int64_t axis = 0;
    toffee_value *out = NULL;

    for (size_t i = 0; i < n && chain->rc == TOFFEE_OK; i++) {
        chain->rc = toffee_unsqueeze(chain->lo, values[i], &axis, 1, &values[i], chain->st);
    }
    if (chain->rc == TOFFEE_OK) {
        chain->rc = toffee_concat(chain->lo, values, n, 0, &out, chain->st);
    }
    return out;
}

toffee_code
toffee_rnn_unroll(toffee_lowering *lo, const toffee_rnn *r, int64_t layer, toffee_value *input,
                  toffee_value *const initial[2], toffee_value *outputs[3], toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    int64_t n_steps = toffee_value_dim(input, 0);
    toffee_value *both[2] = {NULL};
    toffee_value *last[2][2] = {{NULL}}; /* state or cell, direction */

    for (int64_t k = 0; k < r->n_directions; k++) {
        toffee_value **values = toffee_arena_calloc(lo->scratch, (size_t)n_steps, sizeof(*values));
        toffee_value *states[2] = {NULL};

        if (values == NULL) {
            return toffee_fail_nomem(st);
        }
        unroll_begin(&chain, r, k, toffee_value_dim(input, 1), initial, states);
        unroll_direction(&chain, r, toffee_rnn_params(r, layer, k), k == 1, input, values, states);
        both[k] = unroll_stack(&chain, values, (size_t)n_steps);
        last[0][k] = states[0];
        last[1][k] = states[1];
    }
    TOFFEE_RETURN_IF_ERROR(chain.rc);
    TOFFEE_RETURN_IF_ERROR(toffee_concat(lo, both, (size_t)r->n_directions, 2, &outputs[0], st));
    for (size_t i = 0; i < r->n_states; i++) {
        outputs[1 + i] = unroll_stack(&chain, last[i], (size_t)r->n_directions);
    }
    return chain.rc;
}

/* ---- cells ---------------------------------------------------------------------------------- */

/* aten::lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell(input [N, I], hx: the state [N, H], of an
 * LSTM also the cell, w_ih, w_hh, b_ih?, b_hh?)
 *   -> two Gemms, and a step */
static toffee_code
lower_cell(toffee_lowering *lo, const toffee_call *call, toffee_status *st)
{
    toffee_chain chain = TOFFEE_CHAIN(lo, st);
    const toffee_arg *hx = toffee_call_arg(call, "hx");
    toffee_value *input = toffee_call_value(call, "input");
    toffee_value *states[2] = {NULL};
    toffee_value *of_input = NULL;
    toffee_value *of_state = NULL;
    size_t n_states = lo->rule->arg == TOFFEE_RNN_LSTM ? 2 : 1;

    if (hx == NULL || input == NULL || toffee_value_rank(input) != 2 ||
        (hx->kind == TOFFEE_ARG_VALUES ? hx->n : 1) != n_states) {
        return TOFFEE_DECLINED;
    }
    for (size_t i = 0; i < n_states; i++) {
        states[i] = hx->kind == TOFFEE_ARG_VALUES ? hx->values[i] : hx->value;
        if (states[i] == NULL) {
            return TOFFEE_DECLINED;
        }
    }
    if (toffee_value_rank(states[0]) != 2 || toffee_value_numel(states[0]) == 0 ||
        toffee_value_numel(input) == 0) {
        return TOFFEE_DECLINED;
    }
    of_input = cell_linear(&chain, input, toffee_call_value(call, "w_ih"),
                           toffee_call_value(call, "b_ih"));
    of_state = cell_linear(&chain, states[0], toffee_call_value(call, "w_hh"),
                           toffee_call_value(call, "b_hh"));
    steps[lo->rule->arg](&chain, of_input, of_state, &states[0], &states[1]);
    for (size_t i = 0; i < n_states; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_chain_return(&chain, call, i, states[i]));
    }
    return chain.rc;
}

static const toffee_rule rows[] = {
    {"aten::gru_cell", lower_cell, NULL, TOFFEE_RNN_GRU},
    {"aten::lstm_cell", lower_cell, NULL, TOFFEE_RNN_LSTM},
    {"aten::rnn_relu_cell", lower_cell, NULL, TOFFEE_RNN_RELU},
    {"aten::rnn_tanh_cell", lower_cell, NULL, TOFFEE_RNN_TANH},
};

const toffee_rule_family toffee_rules_cell = {rows, TOFFEE_COUNTOF(rows)};
