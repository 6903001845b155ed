/* csrc/caffe2/emit_rnn.c -- recurrent layers, step by step.
 *
 * Sizes: T steps, N samples, D directions (1 or 2), G gates, H hidden. States are [1, N, H] all the
 * way, so that the steps of a sequence are put together by Concat alone. ATen's lstm takes two
 * lists of tensors, which its operator cannot tell apart; hence single steps there, too. */
#include <strings.h>

#include "caffe2/nn.h"

#define RNN_MAX_GATES 4
#define RNN_MAX_STEPS 4096

/* The shape of a kind of layer. */
typedef struct {
    const char *op;
    size_t n_gates;
    size_t n_functions;
    const char *functions[3]; /* if the node does not name them */
} rnn_kind;

static const rnn_kind kinds[] = {
    {"GRU", 3, 2, {"Sigmoid", "Tanh", NULL}},
    {"LSTM", 4, 3, {"Sigmoid", "Tanh", "Tanh"}},
    {"RNN", 1, 1, {"Tanh", NULL, NULL}},
};

/* An activation in Caffe2 and in ATen. */
typedef struct {
    const char *name;
    const char *aten;
} rnn_function;

static const rnn_function functions[] = {
    {"Relu", "relu"}, {"Sigmoid", "sigmoid"}, {"Tanh", "tanh"}};

typedef struct {
    toffee_c2 *c;
    const rnn_kind *kind;
    bool aten; /* with ATen, else with Caffe2's own */
    toffee_dtype dtype;
    int64_t steps, samples, directions, hidden;
    double clip; /* 0: none */
    bool batch_first, reset_after, coupled;
    /* Blobs of the direction at hand. */
    const char *weights;  /* of the input, [G * H, I] */
    const char *repeated; /* of the state, [G * H, H] */
    const char *bias[2];  /* of both, [G * H] */
    const char *peephole[3];
    const rnn_function *act[3];
} rnn;

/* ---- steps ----------------------------------------------------------------------------------- */

static const char *
rnn_two(const rnn *r, const char *caffe2, const char *aten, const char *a, const char *b)
{
    return r->aten ? toffee_c2_aten2(r->c, aten, a, b, NULL)
                   : toffee_c2_op2(r->c, caffe2, a, b, NULL);
}

static const char *
rnn_add(const rnn *r, const char *a, const char *b)
{
    return rnn_two(r, "Add", "add", a, b);
}

static const char *
rnn_mul(const rnn *r, const char *a, const char *b)
{
    return rnn_two(r, "Mul", "mul", a, b);
}

/* X [1, N, K] times a matrix [M, K], plus a vector [M]. */
static const char *
rnn_linear(const rnn *r, const char *x, const char *matrix, const char *vector)
{
    const char *y = r->aten ? toffee_c2_aten3(r->c, "linear", x, matrix, vector, NULL) : NULL;

    if (y == NULL) {
        toffee_c2_op(r->c, "FC");
        toffee_c2_in(r->c, x);
        toffee_c2_in(r->c, matrix);
        toffee_c2_in(r->c, vector);
        y = toffee_c2_out_fresh(r->c);
        toffee_c2_int(r->c, "axis", 2);
    }
    return y;
}

/* LENGTH elements of AXIS (of RANK) from START. */
static const char *
rnn_slice(const rnn *r, const char *x, int32_t rank, int32_t axis, int64_t start, int64_t length)
{
    int64_t starts[3] = {0, 0, 0};
    int64_t ends[3] = {-1, -1, -1}; /* to the end */

    if (r->aten) {
        return toffee_c2_narrow(r->c, x, axis, start, length, NULL);
    }
    starts[axis] = start;
    ends[axis] = start + length;
    x = toffee_c2_op1(r->c, "Slice", x, NULL);
    toffee_c2_ints(r->c, "starts", starts, (size_t)rank);
    toffee_c2_ints(r->c, "ends", ends, (size_t)rank);
    return x;
}

/* What belongs to DIRECTION in X [D, ...], without the first axis. */
static const char *
rnn_pick(const rnn *r, const char *x, int32_t rank, int64_t direction)
{
    static const int64_t first = 0;

    if (r->aten) {
        x = toffee_c2_aten_int(r->c, "select", x, "dim", 0, NULL);
        toffee_c2_int(r->c, "index", direction);
        return x;
    }
    if (r->directions > 1) {
        x = rnn_slice(r, x, rank, 0, direction, 1);
    }
    x = toffee_c2_op1(r->c, "Squeeze", x, NULL);
    toffee_c2_ints(r->c, "dims", &first, 1);
    return x;
}

/* The N blobs in a row along AXIS. */
static const char *
rnn_concat(const rnn *r, const char *const *blobs, size_t n, int64_t axis, const char *dst)
{
    if (n == 1) {
        return toffee_c2_op1(r->c, "Copy", blobs[0], dst);
    }
    if (r->aten) {
        toffee_c2_aten(r->c, "cat");
    }
    else {
        toffee_c2_op(r->c, "Concat");
    }
    for (size_t i = 0; i < n; i++) {
        toffee_c2_in(r->c, blobs[i]);
    }
    dst = toffee_c2_to(r->c, dst);
    if (!r->aten) {
        toffee_c2_out_fresh(r->c); /* the sizes of the parts */
    }
    toffee_c2_int(r->c, r->aten ? "dim" : "axis", axis);
    return dst;
}

static const char *
rnn_permute(const rnn *r, const char *x, const int64_t *perm, size_t n, const char *dst)
{
    if (r->aten) {
        return toffee_c2_permute(r->c, x, perm, n, dst);
    }
    dst = toffee_c2_op1(r->c, "Transpose", x, dst);
    toffee_c2_ints(r->c, "axes", perm, n);
    return dst;
}

/* The activation INDEX of X, which is clipped before. */
static const char *
rnn_act(const rnn *r, size_t index, const char *x, bool clipped)
{
    const rnn_function *act = r->act[index];

    if (clipped && r->clip > 0) {
        if (r->aten) {
            x = toffee_c2_aten_number(r->c, "clamp_min", x, "min", -r->clip, NULL);
            x = toffee_c2_aten_number(r->c, "clamp_max", x, "max", r->clip, NULL);
        }
        else {
            x = toffee_c2_op1(r->c, "Clip", x, NULL);
            toffee_c2_float(r->c, "min", -r->clip);
            toffee_c2_float(r->c, "max", r->clip);
        }
    }
    return r->aten ? toffee_c2_aten1(r->c, act->aten, x, NULL)
                   : toffee_c2_op1(r->c, act->name, x, NULL);
}

/* The N gates of X [1, N, n * H] from gate FIRST. */
static const char *
rnn_gate(const rnn *r, const char *x, size_t first, size_t n)
{
    return rnn_slice(r, x, 3, 2, (int64_t)first * r->hidden, (int64_t)n * r->hidden);
}

/* ---- cells ----------------------------------------------------------------------------------- */

/* Each gets what the input gives to the gates, [1, N, G * H], and turns the states into new ones.
 */

static void
cell_rnn(const rnn *r, const char *from_x, const char **state)
{
    const char *total = rnn_linear(r, state[0], r->repeated, r->bias[1]);

    state[0] = rnn_act(r, 0, rnn_add(r, from_x, total), true);
}

/* Gates: update, reset, new. */
static void
cell_gru(const rnn *r, const char *from_x, const char **state)
{
    const char *h = state[0];
    const char *tail = rnn_slice(r, r->repeated, 2, 0, 2 * r->hidden, r->hidden);
    const char *tail_bias = rnn_slice(r, r->bias[1], 1, 0, 2 * r->hidden, r->hidden);
    const char *head = rnn_slice(r, r->repeated, 2, 0, 0, 2 * r->hidden);
    const char *head_bias = rnn_slice(r, r->bias[1], 1, 0, 0, 2 * r->hidden);
    const char *gates = rnn_add(r, rnn_gate(r, from_x, 0, 2), rnn_linear(r, h, head, head_bias));
    const char *inner = NULL;
    const char *new = NULL;

    gates = rnn_act(r, 0, gates, true);
    const char *update = rnn_gate(r, gates, 0, 1);
    const char *reset = rnn_gate(r, gates, 1, 1);

    inner = r->reset_after ? rnn_mul(r, reset, rnn_linear(r, h, tail, tail_bias))
                           : rnn_linear(r, rnn_mul(r, reset, h), tail, tail_bias);
    new = rnn_act(r, 1, rnn_add(r, rnn_gate(r, from_x, 2, 1), inner), true);
    /* (1 - update) * new + update * h */
    state[0] = rnn_add(r, new, rnn_mul(r, update, rnn_two(r, "Sub", "sub", h, new)));
}

/* Gates: input, output, forget, cell. */
static void
cell_lstm(const rnn *r, const char *from_x, const char **state)
{
    const char *total = rnn_add(r, from_x, rnn_linear(r, state[0], r->repeated, r->bias[1]));
    const char *gate[RNN_MAX_GATES];
    const char *cell = state[1];

    for (size_t i = 0; i < RNN_MAX_GATES; i++) {
        gate[i] = rnn_gate(r, total, i, 1);
    }
    if (r->peephole[0] != NULL) {
        gate[0] = rnn_add(r, gate[0], rnn_mul(r, cell, r->peephole[0]));
        gate[2] = rnn_add(r, gate[2], rnn_mul(r, cell, r->peephole[2]));
    }
    gate[0] = rnn_act(r, 0, gate[0], true);
    gate[2] = r->coupled ? toffee_c2_aten_int(r->c, "rsub", gate[0], "other", 1, NULL)
                         : rnn_act(r, 0, gate[2], true);
    cell = rnn_add(r, rnn_mul(r, gate[2], cell), rnn_mul(r, gate[0], rnn_act(r, 1, gate[3], true)));
    if (r->peephole[0] != NULL) {
        gate[1] = rnn_add(r, gate[1], rnn_mul(r, cell, r->peephole[1]));
    }
    state[0] = rnn_mul(r, rnn_act(r, 0, gate[1], true), rnn_act(r, 2, cell, false));
    state[1] = cell;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The activations of DIRECTION; false if one has no operator here. */
static bool
rnn_read_functions(rnn *r, int64_t direction)
{
    const toffee_attr *attr = toffee_node_attr(r->c->node, "activations");
    size_t at = (size_t)direction * r->kind->n_functions;

    for (size_t i = 0; i < r->kind->n_functions; i++) {
        const char *name = r->kind->functions[i];

        if (attr != NULL && attr->type == TOFFEE_ATTR_STRINGS) {
            if (at + i >= attr->n) {
                return false;
            }
            name = toffee_arena_strndup(r->c->arena, (const char *)attr->strings[at + i].data,
                                        attr->strings[at + i].n);
        }
        r->act[i] = NULL;
        for (size_t k = 0; name != NULL && k < TOFFEE_COUNTOF(functions); k++) {
            if (strcasecmp(functions[k].name, name) == 0) {
                r->act[i] = &functions[k];
            }
        }
        if (r->act[i] == NULL) {
            return false;
        }
    }
    return true;
}

/* Whether sequence_lens is missing or says that each sequence is whole. */
static bool
rnn_is_full(rnn *r)
{
    size_t n = 0;
    const toffee_value *lengths = toffee_c2_input(r->c, 4);
    const int64_t *known = toffee_c2_known_ints(r->c, lengths, &n);

    for (size_t i = 0; known != NULL && i < n; i++) {
        if (known[i] != r->steps) {
            return false;
        }
    }
    return lengths == NULL || known != NULL;
}

/* NULL, or why the node at hand is not covered. */
static const char *
rnn_read(rnn *r)
{
    toffee_c2 *c = r->c;
    const toffee_value *x = toffee_c2_input(c, 0);
    const toffee_value *repeated = toffee_c2_input(c, 2);

    r->batch_first = toffee_c2_attr_int(c, "layout", 0) != 0;
    r->reset_after = toffee_c2_attr_int(c, "linear_before_reset", 0) != 0;
    r->coupled = toffee_c2_attr_int(c, "input_forget", 0) != 0;
    r->clip = toffee_c2_attr_float(c, "clip", 0);
    r->steps = toffee_c2_dim(x, r->batch_first ? 1 : 0);
    r->samples = toffee_c2_dim(x, r->batch_first ? 0 : 1);
    r->directions = toffee_c2_dim(repeated, 0);
    r->hidden = toffee_c2_dim(repeated, 2);
    if (r->steps < 1 || r->samples < 1 || r->directions < 1 || r->hidden < 1) {
        return "the sizes of its inputs are not known, or 0";
    }
    if (r->hidden > TOFFEE_C2_MAX_ATTR || r->samples > TOFFEE_C2_MAX_SIZE) {
        return "its sizes are too large";
    }
    if (r->steps > RNN_MAX_STEPS) {
        return "its sequence is too long to be taken apart";
    }
    if (!rnn_is_full(r)) {
        return "its sequences have different lengths";
    }
    if (!toffee_c2_is(x, r->aten ? TOFFEE_C2_REALS : TOFFEE_C2_SINGLE)) {
        return r->aten ? "PyTorch 1.10 computes it for floating-point numbers only"
                       : "Caffe2's kernels are for float32";
    }
    for (int64_t d = 0; d < r->directions; d++) {
        if (!rnn_read_functions(r, d)) {
            return "it has activations other than Sigmoid, Tanh and Relu";
        }
    }
    return NULL;
}

/* ---- layers ---------------------------------------------------------------------------------- */

static void
rnn_read_direction(rnn *r, int64_t direction)
{
    toffee_c2 *c = r->c;
    int64_t size = (int64_t)r->kind->n_gates * r->hidden;

    (void)rnn_read_functions(r, direction); /* which worked before */
    r->weights = rnn_pick(r, toffee_c2_wide_x(c, 1), 3, direction);
    r->repeated = rnn_pick(r, toffee_c2_wide_x(c, 2), 3, direction);
    if (toffee_c2_input(c, 3) != NULL) {
        const char *both = rnn_pick(r, toffee_c2_wide_x(c, 3), 2, direction);

        r->bias[0] = rnn_slice(r, both, 1, 0, 0, size);
        r->bias[1] = rnn_slice(r, both, 1, 0, size, size);
    }
    else {
        r->bias[0] = toffee_c2_filled(c, 0, &size, 1, r->dtype);
        r->bias[1] = r->bias[0];
    }
    if (toffee_c2_input(c, 7) != NULL) {
        const char *all = rnn_pick(r, toffee_c2_wide_x(c, 7), 2, direction);

        for (int64_t i = 0; i < 3; i++) {
            r->peephole[i] = rnn_slice(r, all, 1, 0, i * r->hidden, r->hidden);
        }
    }
}

/* Input INDEX as the state [1, N, H] that DIRECTION begins with. */
static const char *
rnn_initial(const rnn *r, size_t index, int64_t direction)
{
    static const int64_t swap[] = {1, 0, 2};
    int64_t dims[3] = {1, r->samples, r->hidden};
    const char *x = NULL;

    if (toffee_c2_input(r->c, index) == NULL) {
        return toffee_c2_filled(r->c, 0, dims, 3, r->dtype);
    }
    x = toffee_c2_wide_x(r->c, index);
    if (r->batch_first) {
        x = rnn_permute(r, x, swap, 3, NULL);
    }
    return r->directions > 1 ? rnn_slice(r, x, 3, 0, direction, 1) : x;
}

/* One direction over X [T, N, I]: all hidden states [T, 1, N, H], and the last states. */
static const char *
rnn_run(rnn *r, const char *x, int64_t direction, bool backward, const char **state)
{
    size_t n = (size_t)r->steps;
    const char **hidden = toffee_arena_calloc(r->c->arena, n, sizeof(*hidden));
    int64_t dims[4] = {r->steps, 1, r->samples, r->hidden};
    const char *from_x = NULL;
    const char *y = NULL;

    if (hidden == NULL) {
        r->c->rc = toffee_fail_nomem(r->c->st);
        return "";
    }
    rnn_read_direction(r, direction);
    from_x = rnn_linear(r, x, r->weights, r->bias[0]);
    state[0] = rnn_initial(r, 5, direction);
    if (r->kind->n_gates == 4) {
        state[1] = rnn_initial(r, 6, direction);
    }
    for (size_t i = 0; i < n && r->c->rc == TOFFEE_OK; i++) {
        size_t t = backward ? n - 1 - i : i;
        const char *step = rnn_slice(r, from_x, 3, 0, (int64_t)t, 1);

        switch (r->kind->n_gates) {
        case 3: cell_gru(r, step, state); break;
        case 4: cell_lstm(r, step, state); break;
        default: cell_rnn(r, step, state); break;
        }
        hidden[t] = state[0];
    }
    y = rnn_concat(r, hidden, n, 0, NULL);
    return r->aten ? toffee_c2_view(r->c, y, dims, 4, NULL)
                   : toffee_c2_reshape(r->c, y, dims, 4, NULL);
}

/* Output INDEX from a blob for each direction, put together along AXIS; PERM if the batch is first.
 */
static void
rnn_return(const rnn *r, size_t index, const char *const *blobs, int64_t axis, const int64_t *perm,
           size_t n_perm)
{
    const char *y = NULL;
    const char *all = NULL;

    if (toffee_c2_output(r->c, index) == NULL) {
        return;
    }
    y = toffee_c2_wide_y(r->c, index);
    all = rnn_concat(r, blobs, (size_t)r->directions, axis, r->batch_first ? NULL : y);
    if (r->batch_first) {
        rnn_permute(r, all, perm, n_perm, y);
    }
    toffee_c2_wide_done(r->c, index, y);
}

static toffee_code
rnn_emit(toffee_c2 *c, const toffee_c2_rule *rule, bool aten)
{
    static const int64_t swap[] = {1, 0, 2};
    static const int64_t batch_first[] = {2, 0, 1, 3};
    bool reverse = strcasecmp(toffee_c2_attr_text(c, "direction", "forward"), "reverse") == 0;
    rnn r = {.c = c, .aten = aten};
    const char *hidden[2] = {NULL, NULL};
    const char *last[2][2] = {{NULL, NULL}, {NULL, NULL}}; /* [state][direction] */
    const char *x = NULL;
    const char *why = NULL;

    for (size_t i = 0; i < TOFFEE_COUNTOF(kinds); i++) {
        if (strcasecmp(kinds[i].op, rule->op) == 0) {
            r.kind = &kinds[i];
        }
    }
    why = rnn_read(&r);
    if (why != NULL || r.directions > 2) {
        return toffee_c2_decline(c, why != NULL ? why : "it has more than two directions");
    }
    r.dtype = toffee_c2_wide(toffee_c2_dtype(toffee_c2_input(c, 0)));
    x = toffee_c2_wide_x(c, 0);
    if (r.batch_first) {
        x = rnn_permute(&r, x, swap, 3, NULL);
    }
    for (int64_t d = 0; d < r.directions; d++) {
        const char *state[2] = {NULL, NULL};

        hidden[d] = rnn_run(&r, x, d, d == 1 || reverse, state);
        last[0][d] = state[0];
        last[1][d] = state[1];
    }
    rnn_return(&r, 0, hidden, 1, batch_first, 4);
    rnn_return(&r, 1, last[0], 0, swap, 3);
    if (r.kind->n_gates == 4) {
        rnn_return(&r, 2, last[1], 0, swap, 3);
    }
    return toffee_c2_done(c);
}

static toffee_code
emit_rnn(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return rnn_emit(c, rule, false);
}

static toffee_code
aten_rnn(toffee_c2 *c, const toffee_c2_rule *rule)
{
    return rnn_emit(c, rule, true);
}

static const toffee_c2_rule rows[] = {
    {"GRU", emit_rnn, "FC, Sigmoid, Tanh", aten_rnn, "linear, sigmoid, tanh"},
    {"LSTM", emit_rnn, "FC, Sigmoid, Tanh", aten_rnn, "linear, sigmoid, tanh"},
    {"RNN", emit_rnn, "FC, Tanh", aten_rnn, "linear, tanh"},
};

const toffee_c2_family toffee_c2_rules_rnn = {rows, TOFFEE_COUNTOF(rows)};
