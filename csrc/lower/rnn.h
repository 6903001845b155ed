/* csrc/lower/rnn.h -- recurrent layers: what one call asks for, and a layer step by step.
 *
 * Sizes: T steps, N samples, D directions (1 or 2), G gates, H hidden, I of the layer's input, O of
 * its state: H, or what an LSTM's state is projected to. */
#ifndef TOFFEE_LOWER_RNN_H
#define TOFFEE_LOWER_RNN_H

#include "lower/chain.h"

enum { TOFFEE_RNN_TANH, TOFFEE_RNN_RELU, TOFFEE_RNN_GRU, TOFFEE_RNN_LSTM }; /* rule->arg */

/* Most parameters of one layer and direction: two weights, two biases, a projection. */
#define TOFFEE_RNN_MAX_PARAMS 5

/* All layers of one call. */
typedef struct {
    int64_t kind;
    int64_t n_gates;
    toffee_dtype dtype; /* of the computation */
    int64_t n_layers;
    int64_t n_directions;
    int64_t hidden;  /* H */
    int64_t n_state; /* O */
    /* For each layer and direction: weights of the input, of the state, their biases, and the
     * projection. */
    toffee_value *const *params;
    size_t n_params; /* of one layer and direction */
    bool has_biases;
    bool is_projected;
    size_t n_states;          /* 2 for LSTM, else 1 */
    toffee_value *initial[2]; /* [layers * D, N, O] and [.., H], NULL for zeros */
    toffee_value *lengths;    /* [N] int32, NULL where all are of length T */
    toffee_value *mask;       /* [T, N] bool, the same */
} toffee_rnn;

/* The parameters of LAYER in DIRECTION. */
static inline toffee_value *const *
toffee_rnn_params(const toffee_rnn *r, int64_t layer, int64_t direction)
{
    return r->params + (size_t)(layer * r->n_directions + direction) * r->n_params;
}

/* LAYER of INPUT [T, N, I], each step by itself, for what the ONNX operators or their kernels lack.
 * INITIAL is [D, N, O] and [D, N, H], NULL for zeros. OUTPUTS: of all steps [T, N, D * O], anything
 * past the ends; then last states [D, N, O] and [D, N, H]. (lower_cell.c) */
TOFFEE_NODISCARD toffee_code toffee_rnn_unroll(toffee_lowering *lo, const toffee_rnn *r,
                                               int64_t layer, toffee_value *input,
                                               toffee_value *const initial[2],
                                               toffee_value *outputs[3], toffee_status *st);

#endif /* TOFFEE_LOWER_RNN_H */
