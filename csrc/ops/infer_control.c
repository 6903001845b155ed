/* csrc/ops/infer_control.c -- infers nodes that run graphs, and sequences and optionals.
 *
 * A graph inside a node is walked once, with what surely holds in every run of it: that keeps the
 * whole linear however deep graphs nest, and it is why a Loop's carried values enter its body
 * without a shape. */
#include "ops/infer_rules.h"
#include "ops/known.h"

#include <string.h>

/* The graph that the attribute NAME, which the row requires, holds. */
static const toffee_graph *
graph_attr(const toffee_node *node, const char *name)
{
    return toffee_node_attr(node, name)->g;
}

/* N facts that say nothing. */
static toffee_code
new_facts(toffee_infer *ctx, size_t n, toffee_fact **out, toffee_status *st)
{
    *out = toffee_arena_calloc(ctx->scratch, n + 1, sizeof(**out));
    if (*out == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < n; i++) {
        (*out)[i].rank = -1;
        (*out)[i].given = true;
    }
    return TOFFEE_OK;
}

/* FACT without what one run of a graph may change: elements. */
static toffee_fact
only_type(const toffee_fact *fact)
{
    toffee_fact type = *fact;

    type.tensor = NULL;
    type.items = NULL;
    type.n_items = 0;
    type.given = true;
    return type;
}

toffee_code
toffee_infer_if(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_graph *branches[2] = {graph_attr(node, "then_branch"),
                                       graph_attr(node, "else_branch")};
    const toffee_fact **results[2] = {NULL, NULL};
    int64_t condition = 0;
    bool known = toffee_fact_int(toffee_infer_in(ctx, 0), 0, &condition);

    TOFFEE_RETURN_IF_ERROR(
        toffee_infer_body(ctx, branches[0], "then_branch", NULL, 0, &results[0], st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_infer_body(ctx, branches[1], "else_branch", NULL, 0, &results[1], st));
    for (size_t i = 0; i < ctx->n_out; i++) {
        const toffee_fact *both[2] = {&ctx->spare, &ctx->spare};

        for (size_t k = 0; k < 2; k++) {
            both[k] = i < branches[k]->outputs.n ? results[k][i] : both[k];
        }
        if (both[0]->dtype != both[1]->dtype && both[0]->dtype != TOFFEE_DTYPE_UNDEFINED &&
            both[1]->dtype != TOFFEE_DTYPE_UNDEFINED) {
            return toffee_fail(
                st, TOFFEE_ERR_CHECK, "output %zu is %s from then_branch, but %s from else_branch",
                i, toffee_dtype_get(both[0]->dtype)->name, toffee_dtype_get(both[1]->dtype)->name);
        }
        if (known) { /* the other branch is never run */
            ctx->out[i] = *both[condition != 0 ? 0 : 1];
            continue;
        }
        ctx->out[i] = *both[0];
        TOFFEE_RETURN_IF_ERROR(toffee_fact_join(ctx, &ctx->out[i], both[1], st));
        /* One branch's dtype is the other's, or the graph is wrong. A sequence has none. */
        if (both[0]->member == NULL && both[1]->member == NULL) {
            ctx->out[i].dtype = both[0]->dtype != 0 ? both[0]->dtype : both[1]->dtype;
        }
    }
    return TOFFEE_OK;
}

/* A stack of N (not known if negative) facts like PART, along AXIS of the result, into OUT. */
static toffee_code
stack(toffee_infer *ctx, const toffee_fact *part, toffee_dim n, int64_t axis, toffee_fact *out,
      toffee_status *st)
{
    toffee_dim *dims = NULL;
    int32_t at = 0;
    int32_t from = 0;

    out->dtype = part->dtype;
    if (part->rank < 0) {
        return TOFFEE_OK;
    }
    at = toffee_axis_index(axis, part->rank + 1);
    if (at < 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "axis %lld lies outside of the %d axes of an output", (long long)axis,
                           (int)part->rank + 1);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, (int64_t)part->rank + 1, &dims, st));
    for (int32_t d = 0; d <= part->rank; d++) {
        dims[d] = d == at ? n : part->dims[from++];
    }
    out->rank = part->rank + 1;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_loop(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_graph *body = graph_attr(node, "body");
    size_t n_carried = ctx->n_in > 2 ? ctx->n_in - 2 : 0;
    const toffee_fact **results = NULL;
    toffee_fact *inputs = NULL;

    TOFFEE_RETURN_IF_ERROR(new_facts(ctx, n_carried + 2, &inputs, st));
    inputs[0].dtype = TOFFEE_DTYPE_INT64;
    inputs[1].dtype = TOFFEE_DTYPE_BOOL;
    for (size_t i = 0; i < n_carried; i++) { /* the shape may change from step to step */
        inputs[i + 2].dtype = toffee_infer_in(ctx, i + 2)->dtype;
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_infer_body(ctx, body, "body", inputs, n_carried + 2, &results, st));
    for (size_t i = 0; i < ctx->n_out && i + 1 < body->outputs.n; i++) {
        const toffee_fact *result = results[i + 1];

        if (i >= n_carried) {
            TOFFEE_RETURN_IF_ERROR(stack(ctx, result, TOFFEE_DIM_UNKNOWN, 0, &ctx->out[i], st));
            continue;
        }
        ctx->out[i] = only_type(toffee_infer_in(ctx, i + 2)); /* what no step at all gives */
        if (toffee_dtype_known(result->dtype) && toffee_dtype_known(ctx->out[i].dtype) &&
            result->dtype != ctx->out[i].dtype) {
            return toffee_fail(
                st, TOFFEE_ERR_CHECK, "carried value %zu enters as %s, but the body gives %s", i,
                toffee_dtype_get(ctx->out[i].dtype)->name, toffee_dtype_get(result->dtype)->name);
        }
        TOFFEE_RETURN_IF_ERROR(toffee_fact_join(ctx, &ctx->out[i], result, st));
        if (ctx->out[i].member == NULL && result->member == NULL) {
            ctx->out[i].dtype = inputs[i + 2].dtype != 0 ? inputs[i + 2].dtype : result->dtype;
        }
    }
    return TOFFEE_OK;
}

/* Number INDEX of the INTS attribute NAME; 0 if there is none. */
static int64_t
axis_at(const toffee_node *node, const char *name, size_t index)
{
    const toffee_attr *attr = toffee_node_attr(node, name);

    return attr != NULL && index < attr->n ? attr->ints[index] : 0;
}

/* One step of the sequence FACT along AXIS into OUT; *STEPS learns their number. */
static toffee_code
scan_slice(toffee_infer *ctx, const toffee_fact *fact, int64_t axis, toffee_fact *out,
           toffee_dim *steps, toffee_status *st)
{
    int32_t at = toffee_axis_index(axis, fact->rank);
    toffee_dim *dims = NULL;
    int32_t to = 0;

    out->dtype = fact->dtype;
    if (fact->rank < 0) {
        return TOFFEE_OK;
    }
    if (at < 0) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "a scanned input has rank %d, so %lld is no axis of it", (int)fact->rank,
                           (long long)axis);
    }
    if (toffee_dim_clash(*steps, fact->dims[at])) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "scanned inputs have %lld and %lld steps; all must have the same",
                           (long long)steps->value, (long long)fact->dims[at].value);
    }
    *steps = toffee_dim_meet(*steps, fact->dims[at]);
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, fact->rank, &dims, st));
    for (int32_t d = 0; d < fact->rank; d++) {
        if (d != at) {
            dims[to++] = fact->dims[d];
        }
    }
    out->rank = to;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_scan(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_graph *body = graph_attr(node, "body");
    int64_t n_scanned = toffee_node_int(node, "num_scan_inputs", 1);
    size_t n_states = 0;
    const toffee_fact **results = NULL;
    toffee_fact *inputs = NULL;
    toffee_dim steps = TOFFEE_DIM_UNKNOWN;

    if (n_scanned < 1 || (uint64_t)n_scanned > ctx->n_in) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "num_scan_inputs is %lld of %zu inputs",
                           (long long)n_scanned, ctx->n_in);
    }
    n_states = ctx->n_in - (size_t)n_scanned;
    TOFFEE_RETURN_IF_ERROR(new_facts(ctx, ctx->n_in, &inputs, st));
    for (size_t i = 0; i < ctx->n_in; i++) {
        if (i < n_states) { /* a state has the same shape after every step */
            inputs[i] = only_type(ctx->in[i]);
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(scan_slice(ctx, ctx->in[i],
                                          axis_at(node, "scan_input_axes", i - n_states),
                                          &inputs[i], &steps, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_body(ctx, body, "body", inputs, ctx->n_in, &results, st));
    for (size_t i = 0; i < ctx->n_out && i < body->outputs.n; i++) {
        if (i >= n_states) {
            TOFFEE_RETURN_IF_ERROR(stack(ctx, results[i], steps,
                                         axis_at(node, "scan_output_axes", i - n_states),
                                         &ctx->out[i], st));
            continue;
        }
        ctx->out[i] = only_type(results[i]);
        TOFFEE_RETURN_IF_ERROR(toffee_fact_meet(ctx, &ctx->out[i], &inputs[i], "a state", st));
    }
    return TOFFEE_OK;
}

/* ---- sequences and optionals ---- */

/* Output INDEX holds things like MEMBER. What is held by a holder within a holder is not followed:
 * that bounds how deep facts nest. */
static toffee_code
set_member(toffee_infer *ctx, size_t index, const toffee_fact *member, toffee_status *st)
{
    toffee_fact type = only_type(member);
    toffee_fact *copy = NULL;

    if (type.member != NULL && type.member->member != NULL) {
        return TOFFEE_OK;
    }
    copy = toffee_arena_copy(ctx->scratch, &type, sizeof(type));
    if (copy == NULL) {
        return toffee_fail_nomem(st);
    }
    toffee_infer_out(ctx, index)->member = copy;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_sequence_map(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_graph *body = graph_attr(node, "body");
    const toffee_fact **results = NULL;
    toffee_fact *inputs = NULL;

    TOFFEE_RETURN_IF_ERROR(new_facts(ctx, ctx->n_in, &inputs, st));
    for (size_t i = 0; i < ctx->n_in; i++) { /* members of sequences; a tensor goes in as it is */
        if (ctx->in[i]->member != NULL) {
            inputs[i] = *ctx->in[i]->member;
        }
        else if (i > 0 && ctx->in[i]->dtype != TOFFEE_DTYPE_UNDEFINED) {
            inputs[i] = only_type(ctx->in[i]);
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_body(ctx, body, "body", inputs, ctx->n_in, &results, st));
    for (size_t i = 0; i < ctx->n_out && i < body->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(set_member(ctx, i, results[i], st));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_sequence_construct(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact member = only_type(toffee_infer_in(ctx, 0));

    (void)node;
    for (size_t i = 1; i < ctx->n_in; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_fact_join(ctx, &member, ctx->in[i], st));
    }
    return set_member(ctx, 0, &member, st);
}

toffee_code
toffee_infer_sequence_empty(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    int64_t dtype = toffee_node_int(node, "dtype", TOFFEE_DTYPE_FLOAT);
    toffee_fact member = {.rank = -1, .given = true};

    member.dtype = toffee_dtype_known(dtype) ? (toffee_dtype)dtype : TOFFEE_DTYPE_UNDEFINED;
    return set_member(ctx, 0, &member, st);
}

toffee_code
toffee_infer_sequence_insert(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *tensor = toffee_infer_in(ctx, 1);
    toffee_fact member = only_type(tensor);

    (void)node;
    if (toffee_infer_in(ctx, 0)->member != NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_fact_join(ctx, &member, toffee_infer_in(ctx, 0)->member, st));
    }
    else {
        member.rank = -1;
        member.dims = NULL;
    }
    member.dtype = tensor->dtype; /* a sequence has members of one dtype */
    return set_member(ctx, 0, &member, st);
}

toffee_code
toffee_infer_sequence_at(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    (void)st;
    if (toffee_infer_in(ctx, 0)->member != NULL) {
        *toffee_infer_out(ctx, 0) = *toffee_infer_in(ctx, 0)->member;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_sequence_same(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    (void)st;
    toffee_infer_out(ctx, 0)->member = toffee_infer_in(ctx, 0)->member; /* of a sequence */
    return TOFFEE_OK;
}

toffee_code
toffee_infer_scalar(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    (void)node;
    (void)st;
    toffee_fact_set_scalar(toffee_infer_out(ctx, 0));
    return TOFFEE_OK;
}

toffee_code
toffee_infer_split_to_sequence(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);
    const toffee_fact *split = toffee_infer_in(ctx, 1);
    int32_t axis = toffee_axis_index(toffee_node_int(node, "axis", 0), input->rank);
    bool keep = split->given || toffee_node_int(node, "keepdims", 1) != 0;
    toffee_fact member = only_type(input);
    toffee_dim *dims = NULL;
    int64_t part = -1;
    int32_t rank = 0;

    if (input->rank < 0 || axis < 0) {
        return set_member(ctx, 0, &member, st);
    }
    if (!split->given) {
        part = 1;
    }
    else if (split->rank == 0 && toffee_fact_int(split, 0, &part)) { /* does it go in evenly? */
        part = part > 0 && input->dims[axis].value >= 0 && input->dims[axis].value % part == 0
                   ? part
                   : -1;
    }
    for (size_t i = 1; split->rank == 1 && i < split->n_items; i++) {
        int64_t other = -1; /* sizes that are all the same are a size */

        part = i == 1 && !toffee_fact_int(split, 0, &part) ? -1 : part;
        part = toffee_fact_int(split, i, &other) && other == part ? part : -1;
        if (part < 0) {
            break;
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, input->rank, &dims, st));
    for (int32_t d = 0; d < input->rank; d++) {
        if (d != axis) {
            dims[rank++] = input->dims[d];
        }
        else if (keep) {
            dims[rank++] = toffee_dim_of(part);
        }
    }
    member.rank = rank;
    member.dims = dims;
    return set_member(ctx, 0, &member, st);
}

toffee_code
toffee_infer_concat_from_sequence(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *member = toffee_infer_in(ctx, 0)->member;
    toffee_fact *out = toffee_infer_out(ctx, 0);
    int64_t given = toffee_node_int(node, "axis", 0);
    toffee_dim *dims = NULL;
    int32_t axis = 0;

    if (member == NULL) {
        return TOFFEE_OK;
    }
    if (toffee_node_int(node, "new_axis", 0) != 0) {
        return stack(ctx, member, TOFFEE_DIM_UNKNOWN, given, out, st);
    }
    out->dtype = member->dtype;
    axis = toffee_axis_index(given, member->rank);
    if (member->rank < 0 || axis < 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, member->rank, &dims, st));
    memcpy(dims, member->dims, (size_t)member->rank * sizeof(*dims));
    dims[axis] = TOFFEE_DIM_UNKNOWN;
    out->rank = member->rank;
    out->dims = dims;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_optional(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    toffee_fact *out = toffee_infer_out(ctx, 0);

    (void)node;
    if (toffee_infer_in(ctx, 0)->given) {
        TOFFEE_RETURN_IF_ERROR(set_member(ctx, 0, toffee_infer_in(ctx, 0), st));
        out->optional = out->member != NULL;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_optional_get_element(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact *input = toffee_infer_in(ctx, 0);

    (void)node;
    (void)st;
    /* What is no optional is its own element. */
    *toffee_infer_out(ctx, 0) = input->optional ? *input->member : *input;
    return TOFFEE_OK;
}
