/* csrc/ops/infer.c -- which fact belongs to which value: where facts come from and where they go.
 */
#include "ops/infer.h"

static const toffee_fact nothing = {.rank = -1};

/* ---- facts of values ---- */

/* What TYPE says, into OUT. LEVELS is how many holders within one another are followed. */
static toffee_code
fact_from_type(toffee_infer *ctx, const toffee_type *type, int levels, toffee_fact *out,
               toffee_status *st)
{
    toffee_type_kind kind = toffee_type_get_kind(type);
    toffee_fact *member = NULL;

    *out = nothing;
    out->given = true;
    if (kind == TOFFEE_TYPE_IS_TENSOR && type->dtype != TOFFEE_DTYPE_UNDEFINED) {
        out->dtype = type->dtype;
        out->rank = type->rank;
        out->dims = type->dims;
    }
    if (levels == 0 || (kind != TOFFEE_TYPE_IS_SEQUENCE && kind != TOFFEE_TYPE_IS_OPTIONAL) ||
        type->more->elem == NULL) {
        return TOFFEE_OK;
    }
    member = toffee_arena_calloc(ctx->scratch, 1, sizeof(*member));
    if (member == NULL) {
        return toffee_fail_nomem(st);
    }
    out->member = member;
    out->optional = kind == TOFFEE_TYPE_IS_OPTIONAL;
    return fact_from_type(ctx, type->more->elem, levels - 1, member, st);
}

/* What is declared of VALUE, into OUT. */
static toffee_code
fact_from_value(toffee_infer *ctx, const toffee_value *value, toffee_fact *out, toffee_status *st)
{
    if (value->tensor == NULL) {
        return fact_from_type(ctx, &value->type, 2, out, st);
    }
    *out = nothing;
    out->given = true;
    return toffee_fact_set_tensor(ctx, out, value->tensor, st);
}

/* The value of the same name in the nearest graph around VALUE's that has one, where VALUE is taken
 * from there. */
static const toffee_value *
value_outside(const toffee_value *value)
{
    const toffee_graph *graph = value->graph;
    const toffee_value *outside = NULL;

    if (value->producer != NULL || value->tensor != NULL || value->is_input || graph == NULL ||
        value->name == NULL) {
        return NULL;
    }
    for (graph = graph->parent; outside == NULL && graph != NULL; graph = graph->parent) {
        outside = toffee_ptrmap_get(&graph->values, value->name);
    }
    return outside;
}

toffee_code
toffee_infer_value(toffee_infer *ctx, const toffee_value *value, const toffee_fact **out,
                   toffee_status *st)
{
    toffee_fact *fact = toffee_ptrmap_get(&ctx->facts, value);
    const toffee_value *outside = NULL;

    if (fact != NULL) {
        *out = fact;
        return TOFFEE_OK;
    }
    fact = toffee_arena_calloc(ctx->scratch, 1, sizeof(*fact));
    if (fact == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(fact_from_value(ctx, value, fact, st));
    outside = value_outside(value);
    if (outside != NULL) {
        const toffee_fact *seen = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_infer_value(ctx, outside, &seen, st));
        TOFFEE_RETURN_IF_ERROR(toffee_fact_meet(ctx, fact, seen, toffee_str_text(value->name), st));
    }
    *out = fact;
    return toffee_ptrmap_set(ctx->scratch, &ctx->facts, value, fact) ? TOFFEE_OK
                                                                     : toffee_fail_nomem(st);
}

/* ---- the node at hand ---- */

/* Begins the fact about VALUE, which a node makes, with what is declared of it, if anything is. */
static toffee_code
declare_fact(toffee_infer *ctx, const toffee_value *value, toffee_status *st)
{
    toffee_fact *fact = NULL;

    if (value->type.dtype == TOFFEE_DTYPE_UNDEFINED && value->type.more == NULL) {
        return TOFFEE_OK;
    }
    fact = toffee_arena_calloc(ctx->scratch, 1, sizeof(*fact));
    if (fact == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(fact_from_value(ctx, value, fact, st));
    return toffee_ptrmap_set(ctx->scratch, &ctx->facts, value, fact) ? TOFFEE_OK
                                                                     : toffee_fail_nomem(st);
}

toffee_code
toffee_infer_enter(toffee_infer *ctx, const toffee_graph *graph, toffee_status *st)
{
    for (size_t i = 0; i < graph->value_infos.n; i++) {
        if (graph->value_infos.data[i]->producer != NULL) {
            TOFFEE_RETURN_IF_ERROR(declare_fact(ctx, graph->value_infos.data[i], st));
        }
    }
    for (size_t i = 0; i < graph->outputs.n; i++) {
        if (graph->outputs.data[i]->producer != NULL) {
            TOFFEE_RETURN_IF_ERROR(declare_fact(ctx, graph->outputs.data[i], st));
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_begin(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    ctx->spare = nothing;
    ctx->n_in = 0;
    ctx->n_out = 0;
    ctx->in = toffee_arena_calloc(ctx->scratch, node->inputs.n + 1, sizeof(*ctx->in));
    ctx->out = toffee_arena_calloc(ctx->scratch, node->outputs.n + 1, sizeof(*ctx->out));
    ctx->declared = toffee_arena_calloc(ctx->scratch, node->outputs.n + 1, sizeof(*ctx->declared));
    if (ctx->in == NULL || ctx->out == NULL || ctx->declared == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < node->inputs.n; i++) {
        ctx->in[i] = &nothing;
        if (node->inputs.data[i] != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_infer_value(ctx, node->inputs.data[i], &ctx->in[i], st));
        }
    }
    for (size_t i = 0; i < node->outputs.n; i++) {
        ctx->out[i].rank = -1;
        ctx->out[i].given = true;
        if (node->outputs.data[i] == NULL) {
            continue;
        }
        if (ctx->walk == NULL) { /* the node stands alone: no list was taken in */
            TOFFEE_RETURN_IF_ERROR(declare_fact(ctx, node->outputs.data[i], st));
        }
        ctx->declared[i] = toffee_ptrmap_get(&ctx->facts, node->outputs.data[i]);
    }
    ctx->n_in = node->inputs.n;
    ctx->n_out = node->outputs.n;
    return TOFFEE_OK;
}

/* Holds the symbols that are declared of VALUE against the numbers that were INFERRED: a symbol of
 * the outermost graph is one size. In a graph inside a node it may be another in every step. */
static toffee_code
check_symbols(toffee_infer *ctx, const toffee_value *value, const toffee_fact *declared,
              const toffee_fact *inferred, toffee_status *st)
{
    if (value->graph == NULL || value->graph->parent != NULL || ctx->walk == NULL ||
        declared->rank != inferred->rank) {
        return TOFFEE_OK;
    }
    for (int32_t d = 0; d < declared->rank; d++) {
        const toffee_str *symbol = declared->dims[d].param;
        int64_t size = inferred->dims[d].value;
        toffee_symbol_size *seen = NULL;

        if (declared->dims[d].value >= 0 || symbol == NULL || size < 0) {
            continue;
        }
        seen = toffee_ptrmap_get(&ctx->sizes, symbol);
        if (seen != NULL && seen->size != size) {
            return toffee_fail(
                st, TOFFEE_ERR_CHECK,
                "'%.200s' declares '%.80s' in dimension %d, which is %lld there, and "
                "%lld in dimension %d of '%.200s': a symbol is one size; correct "
                "the declarations or leave them out",
                toffee_str_text(value->name), toffee_str_text(symbol), (int)d, (long long)size,
                (long long)seen->size, (int)seen->axis, toffee_str_text(seen->value->name));
        }
        if (seen == NULL) {
            seen = toffee_arena_calloc(ctx->scratch, 1, sizeof(*seen));
            if (seen == NULL) {
                return toffee_fail_nomem(st);
            }
            *seen = (toffee_symbol_size){size, value, d};
            if (!toffee_ptrmap_set(ctx->scratch, &ctx->sizes, symbol, seen)) {
                return toffee_fail_nomem(st);
            }
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_end(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    for (size_t i = 0; i < node->outputs.n && i < ctx->n_out; i++) {
        const toffee_value *value = node->outputs.data[i];

        if (value == NULL) {
            continue;
        }
        if (ctx->declared[i] != NULL) {
            TOFFEE_RETURN_IF_ERROR(check_symbols(ctx, value, ctx->declared[i], &ctx->out[i], st));
            TOFFEE_RETURN_IF_ERROR(toffee_fact_meet(ctx, ctx->declared[i], &ctx->out[i],
                                                    toffee_str_text(value->name), st));
        }
        else if (!toffee_ptrmap_set(ctx->scratch, &ctx->facts, value, &ctx->out[i])) {
            return toffee_fail_nomem(st);
        }
    }
    return TOFFEE_OK;
}

const toffee_fact *
toffee_infer_in(const toffee_infer *ctx, size_t index)
{
    return index < ctx->n_in ? ctx->in[index] : &nothing;
}

toffee_fact *
toffee_infer_out(toffee_infer *ctx, size_t index)
{
    return index < ctx->n_out ? &ctx->out[index] : &ctx->spare;
}

toffee_code
toffee_infer_dims(toffee_infer *ctx, int64_t rank, toffee_dim **out, toffee_status *st)
{
    if (rank < 0 || rank > TOFFEE_MAX_RANK) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "its output would have %lld axes; %d is the limit",
                           (long long)rank, TOFFEE_MAX_RANK);
    }
    *out = toffee_arena_calloc(ctx->scratch, (size_t)rank + 1, sizeof(**out));
    if (*out == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int64_t d = 0; d < rank; d++) {
        (*out)[d] = TOFFEE_DIM_UNKNOWN;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_scalars(toffee_infer *ctx, size_t n, toffee_scalar **out, toffee_status *st)
{
    *out = toffee_arena_calloc(ctx->scratch, n + 1, sizeof(**out));
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

/* ---- graphs inside nodes ---- */

/* Tells the inputs of GRAPH what INPUTS say. */
static toffee_code
body_set_inputs(toffee_infer *ctx, const toffee_graph *graph, const toffee_fact *inputs, size_t n,
                toffee_status *st)
{
    size_t at = 0;

    for (size_t i = 0; i < graph->inputs.n && at < n; i++) {
        const toffee_value *value = graph->inputs.data[i];
        toffee_fact *fact = NULL;

        if (value->tensor != NULL) {
            continue; /* a parameter, which nobody passes */
        }
        fact = toffee_arena_calloc(ctx->scratch, 1, sizeof(*fact));
        if (fact == NULL) {
            return toffee_fail_nomem(st);
        }
        TOFFEE_RETURN_IF_ERROR(fact_from_value(ctx, value, fact, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_fact_meet(ctx, fact, &inputs[at++], toffee_str_text(value->name), st));
        if (!toffee_ptrmap_set(ctx->scratch, &ctx->facts, value, fact)) {
            return toffee_fail_nomem(st);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_body(toffee_infer *ctx, const toffee_graph *graph, const char *attr,
                  const toffee_fact *inputs, size_t n, const toffee_fact ***out, toffee_status *st)
{
    const toffee_fact **in = ctx->in;
    toffee_fact *outs = ctx->out;
    toffee_fact **declared = ctx->declared;
    size_t n_in = ctx->n_in;
    size_t n_out = ctx->n_out;
    toffee_code rc = body_set_inputs(ctx, graph, inputs, n, st);

    if (rc == TOFFEE_OK && ctx->walk != NULL) {
        ctx->depth++;
        rc = ctx->walk(ctx, graph, st);
        ctx->depth--;
    }
    if (rc != TOFFEE_OK) {
        toffee_status_prefix(st, "in the graph of attribute '%s': ", attr);
        return rc;
    }
    ctx->in = in;
    ctx->out = outs;
    ctx->declared = declared;
    ctx->n_in = n_in;
    ctx->n_out = n_out;
    ctx->spare = nothing;
    *out = toffee_arena_calloc(ctx->scratch, graph->outputs.n + 1, sizeof(**out));
    if (*out == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < graph->outputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_infer_value(ctx, graph->outputs.data[i], &(*out)[i], st));
    }
    return TOFFEE_OK;
}

/* ---- back into the graph ---- */

/* Whether FACT says more than TYPE. */
static bool
fact_is_news(const toffee_fact *fact, const toffee_type *type)
{
    if (type->dtype != fact->dtype || type->rank != fact->rank) {
        return true;
    }
    for (int32_t d = 0; d < fact->rank; d++) {
        if (type->dims[d].value != fact->dims[d].value ||
            type->dims[d].param != fact->dims[d].param) {
            return true;
        }
    }
    return false;
}

/* Writes FACT, which is about a tensor, into VALUE's declared type. */
static toffee_code
declare_value(toffee_graph *graph, toffee_value *value, const toffee_fact *fact, toffee_status *st)
{
    toffee_dim *dims = NULL;

    if (toffee_type_get_kind(&value->type) != TOFFEE_TYPE_IS_TENSOR ||
        !fact_is_news(fact, &value->type)) {
        return TOFFEE_OK;
    }
    if (fact->rank >= 0) {
        dims = toffee_arena_copy(graph->arena, fact->dims, (size_t)fact->rank * sizeof(*dims));
        if (dims == NULL) {
            return toffee_fail_nomem(st);
        }
    }
    value->type = (toffee_type){.dtype = fact->dtype, .rank = fact->rank, .dims = dims};
    return TOFFEE_OK;
}

/* Declares the N VALUES as far as something is known; those in no list of the graph are listed. */
static toffee_code
declare_values(toffee_infer *ctx, toffee_graph *graph, toffee_value *const *values, size_t n,
               toffee_ptrmap *listed, toffee_status *st)
{
    for (size_t i = 0; i < n; i++) {
        toffee_value *value = values[i];
        const toffee_fact *fact = value != NULL ? toffee_ptrmap_get(&ctx->facts, value) : NULL;

        if (fact == NULL || fact->dtype == TOFFEE_DTYPE_UNDEFINED || value->tensor != NULL) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(declare_value(graph, value, fact, st));
        if (listed != NULL && toffee_ptrmap_get(listed, value) == NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_graph_add_value_info(graph, value, st));
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_infer_declare_node(toffee_infer *ctx, toffee_node *node, toffee_status *st)
{
    return declare_values(ctx, node->graph, node->outputs.data, node->outputs.n, NULL, st);
}

static bool
list_values(toffee_infer *ctx, toffee_ptrmap *listed, toffee_value *const *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] != NULL && !toffee_ptrmap_set(ctx->scratch, listed, values[i], values[i])) {
            return false;
        }
    }
    return true;
}

toffee_code
toffee_infer_declare(toffee_infer *ctx, toffee_graph *graph, toffee_status *st)
{
    toffee_ptrmap listed = {0};

    if (!list_values(ctx, &listed, graph->inputs.data, graph->inputs.n) ||
        !list_values(ctx, &listed, graph->outputs.data, graph->outputs.n) ||
        !list_values(ctx, &listed, graph->value_infos.data, graph->value_infos.n)) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(
        declare_values(ctx, graph, graph->inputs.data, graph->inputs.n, NULL, st));
    TOFFEE_RETURN_IF_ERROR(
        declare_values(ctx, graph, graph->outputs.data, graph->outputs.n, NULL, st));
    for (size_t i = 0; i < graph->nodes.n; i++) {
        toffee_node *node = graph->nodes.data[i];

        TOFFEE_RETURN_IF_ERROR(
            declare_values(ctx, graph, node->outputs.data, node->outputs.n, &listed, st));
        for (size_t k = 0; k < node->attrs.n; k++) {
            const toffee_attr *attr = &node->attrs.data[k];

            if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
                TOFFEE_RETURN_IF_ERROR(toffee_infer_declare(ctx, attr->g, st));
            }
            for (size_t j = 0; attr->type == TOFFEE_ATTR_GRAPHS && j < attr->n; j++) {
                TOFFEE_RETURN_IF_ERROR(toffee_infer_declare(ctx, attr->graphs[j], st));
            }
        }
    }
    return TOFFEE_OK;
}
