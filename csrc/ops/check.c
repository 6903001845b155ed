/* csrc/ops/check.c -- holds a graph against the table of operators. */
#include "ops/check.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ir/function.h"
#include "ir/lint.h"
#include "ops/infer.h"
#include "ops/other_opsets.h"

/* A list of words in a message; what does not fit becomes "…". */
typedef struct {
    char text[400];
    size_t n;
} check_words;

static void
words_add(check_words *words, const char *separator, const char *word, const char *mark)
{
    size_t room = sizeof(words->text) - words->n;
    int wrote = snprintf(words->text + words->n, room, "%s%s%s", words->n != 0 ? separator : "",
                         word, mark);

    if (wrote > 0 && (size_t)wrote < room - 8) { /* room is kept for the mark of the end */
        words->n += (size_t)wrote;
    }
    else {
        words->text[words->n] = '\0';
        if (room > 8) {
            snprintf(words->text + words->n, room, ", …");
        }
        words->n = sizeof(words->text) - 1;
    }
}

static check_words
words_of_dtypes(uint32_t dtypes)
{
    check_words words = {.n = 0};

    for (int i = 1; i < TOFFEE_N_DTYPES; i++) {
        if ((dtypes & TOFFEE_DTYPE_BIT(i)) != 0) {
            words_add(&words, ", ", toffee_dtype_get((toffee_dtype)i)->name, "");
        }
    }
    return words;
}

static check_words
words_of_ports(const toffee_port_spec *ports, size_t n)
{
    static const char *const marks[] = {
        [TOFFEE_SINGLE] = "", [TOFFEE_OPTIONAL] = "?", [TOFFEE_VARIADIC] = ".."};
    check_words words = {.n = 0};

    for (size_t i = 0; i < n; i++) {
        words_add(&words, ", ", ports[i].name, marks[ports[i].arity]);
    }
    return words;
}

/* ---- the nearest name ---- */

#define NEAR_MAX 40 /* the longest name that a suggestion is worked out for */

/* Edits (letters put in, taken out, changed; case does not count) from A to B, or a large number
 * for names over NEAR_MAX. */
static size_t
near_distance(const char *a, const char *b)
{
    size_t row[NEAR_MAX + 1];
    size_t n_a = strnlen(a, NEAR_MAX + 1);
    size_t n_b = strnlen(b, NEAR_MAX + 1);

    if (n_a > NEAR_MAX || n_b > NEAR_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n_b; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t best = diagonal + !same;

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[n_b];
}

/* Takes CANDIDATE for *BEST if it is nearer to NAME than that, and near enough to be meant. */
static void
near_offer(const char *name, const char *candidate, const char **best, size_t *best_distance)
{
    size_t length = strnlen(name, NEAR_MAX + 1);
    size_t distance = near_distance(name, candidate);

    if (distance <= length / 3 + (length < 6) && distance < *best_distance) {
        *best = candidate;
        *best_distance = distance;
    }
}

/* ---- one node ---- */

static toffee_code
check_unknown_op(const toffee_node *node, int64_t opset, toffee_status *st)
{
    const char *name = toffee_str_text(node->op_type);
    const char *best = NULL;
    size_t distance = SIZE_MAX;

    for (size_t i = 0; i < toffee_op_count(); i++) {
        near_offer(name, toffee_op_at(i)->name, &best, &distance);
    }
    if (best != NULL) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "there is no operator '%.80s' in opset %" PRId64 "; did you mean '%s'?",
                           name, opset, best);
    }
    return toffee_fail(st, TOFFEE_ERR_CHECK,
                       "there is no operator '%.80s' in opset %" PRId64
                       "; one of your own needs a domain of "
                       "its own, declared in opset_import",
                       name, opset);
}

/* The number of VALUES, and that none is left out which must be there. */
static toffee_code
check_arity(const toffee_op_spec *spec, const char *what, const toffee_port_spec *ports,
            size_t n_ports, toffee_value *const *values, size_t n, toffee_status *st)
{
    bool open = n_ports != 0 && ports[n_ports - 1].arity == TOFFEE_VARIADIC;
    size_t fewest = toffee_op_fewest(ports, n_ports);

    if (n < fewest || (n > n_ports && !open)) {
        check_words words = words_of_ports(ports, n_ports);
        char range[48];

        if (open) {
            snprintf(range, sizeof(range), "%zu or more", fewest);
        }
        else if (fewest == n_ports) {
            snprintf(range, sizeof(range), "%zu", fewest);
        }
        else {
            snprintf(range, sizeof(range), "%zu to %zu", fewest, n_ports);
        }
        return toffee_fail(st, TOFFEE_ERR_CHECK, "has %zu %s%s; %s has %s%s%s%s", n, what,
                           n == 1 ? "" : "s", spec->name, range, n_ports != 0 ? " (" : "",
                           words.text, n_ports != 0 ? ")" : "");
    }
    for (size_t i = 0; i < n; i++) {
        const toffee_port_spec *port = &ports[i < n_ports ? i : n_ports - 1];

        if (values[i] == NULL && port->arity == TOFFEE_SINGLE) {
            return toffee_fail(st, TOFFEE_ERR_CHECK, "%s %zu (%s) is left out, but %s needs it",
                               what, i, port->name, spec->name);
        }
    }
    return TOFFEE_OK;
}

static toffee_code
check_unknown_attr(const toffee_op_spec *spec, const char *name, toffee_status *st)
{
    check_words words = {.n = 0};
    const char *best = NULL;
    size_t distance = SIZE_MAX;

    for (size_t i = 0; i < spec->n_attrs; i++) {
        words_add(&words, ", ", spec->attrs[i].name, "");
        near_offer(name, spec->attrs[i].name, &best, &distance);
    }
    return toffee_fail(st, TOFFEE_ERR_CHECK, "attribute '%.80s' is not one of %s's (%s)%s%s%s",
                       name, spec->name, spec->n_attrs != 0 ? words.text : "it has none",
                       best != NULL ? "; did you mean '" : "", best != NULL ? best : "",
                       best != NULL ? "'?" : "");
}

static bool
attr_is_choice(const toffee_attr *attr, const char *choices)
{
    const char *end = NULL;

    for (const char *at = choices; at != NULL; at = *end != '\0' ? end + 1 : NULL) {
        end = at + strcspn(at, "|");
        if ((size_t)(end - at) == attr->s.n && memcmp(at, attr->s.data, attr->s.n) == 0) {
            return true;
        }
    }
    return false;
}

/* Dtype, dims and bytes of a tensor belong together, and the bytes are there. WHAT names it. */
static toffee_code
check_tensor(const toffee_tensor *tensor, const char *what, const char *name, toffee_status *st)
{
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;

    if (tensor == NULL || !toffee_dtype_known(tensor->dtype)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "%s '%.200s' has no %s", what, name,
                           tensor == NULL ? "tensor" : "dtype (its data_type is no known number)");
    }
    if (tensor->rank < 0 || tensor->rank > TOFFEE_MAX_RANK ||
        !toffee_dtype_count(tensor->dtype, tensor->dims, tensor->rank, &n_elements, &n_bytes) ||
        n_elements != tensor->n_elements || n_bytes != tensor->n_bytes) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "%s '%.200s': its dims do not agree with its %" PRIu64
                           " elements of %s in %" PRIu64 " bytes",
                           what, name, tensor->n_elements, toffee_dtype_get(tensor->dtype)->name,
                           tensor->n_bytes);
    }
    if (n_elements != 0 && tensor->source == NULL &&
        (tensor->dtype == TOFFEE_DTYPE_STRING ? tensor->strings == NULL : tensor->data == NULL)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "%s '%.200s' should have %" PRIu64 " elements of %s, but its data is "
                           "missing",
                           what, name, n_elements, toffee_dtype_get(tensor->dtype)->name);
    }
    return TOFFEE_OK;
}

/* Values and indices of SPARSE, which is called NAME, fit each other and its dims. */
static toffee_code
check_sparse(const toffee_sparse *sparse, const char *name, toffee_status *st)
{
    const toffee_tensor *values = sparse->values;
    const toffee_tensor *indices = sparse->indices;
    bool fits = false;

    TOFFEE_RETURN_IF_ERROR(check_tensor(values, "values of sparse tensor", name, st));
    if (indices == NULL) {
        fits = values->n_elements == 0;
    }
    else {
        TOFFEE_RETURN_IF_ERROR(check_tensor(indices, "indices of sparse tensor", name, st));
        fits = indices->dtype == TOFFEE_DTYPE_INT64 && values->rank == 1 &&
               (indices->rank == 1 || (indices->rank == 2 && indices->dims[1] == sparse->rank)) &&
               indices->dims[0] == values->dims[0];
    }
    return fits
               ? TOFFEE_OK
               : toffee_fail(st, TOFFEE_ERR_CHECK,
                             "sparse tensor '%.200s' has %" PRIu64
                             " values; its indices must be INT64 of as many rows, one number each, "
                             "or %d as there are dims",
                             name, values->n_elements, (int)sparse->rank);
}

static toffee_code
check_attr(const toffee_op_spec *spec, const toffee_attr_spec *row, const toffee_attr *attr,
           toffee_status *st)
{
    if (attr->ref != NULL && attr->type == row->type) {
        return TOFFEE_OK; /* in a function: the value is what the call gives */
    }
    if (attr->type != row->type) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "attribute '%s' is of type %s; %s's is %s (%s)",
                           row->name, toffee_attr_type_name(attr->type), spec->name,
                           toffee_attr_type_name(row->type), row->doc);
    }
    if (row->choices != NULL && !attr_is_choice(attr, row->choices)) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "attribute '%s' is '%.*s'; %s allows %s",
                           row->name, (int)(attr->s.n < 80 ? attr->s.n : 80),
                           attr->s.n != 0 ? (const char *)attr->s.data : "", spec->name,
                           row->choices);
    }
    if (attr->type == TOFFEE_ATTR_TENSOR) {
        return check_tensor(attr->t, "attribute", row->name, st);
    }
    if (attr->type == TOFFEE_ATTR_SPARSE_TENSOR) {
        return check_sparse(attr->sparse[0], row->name, st);
    }
    if (attr->type == TOFFEE_ATTR_GRAPH && attr->g == NULL) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "attribute '%s' has no graph", row->name);
    }
    return TOFFEE_OK;
}

/* Both lists are sorted by name: one walk along the two. */
static toffee_code
check_attrs(const toffee_op_spec *spec, const toffee_node *node, toffee_status *st)
{
    size_t at = 0;

    for (size_t i = 0; i < spec->n_attrs || at < node->attrs.n;) {
        const toffee_attr_spec *row = i < spec->n_attrs ? &spec->attrs[i] : NULL;
        const toffee_attr *attr = at < node->attrs.n ? &node->attrs.data[at] : NULL;
        int order = row == NULL    ? -1
                    : attr == NULL ? 1
                                   : strcmp(toffee_str_text(attr->name), row->name);

        if (order < 0) {
            return check_unknown_attr(spec, toffee_str_text(attr->name), st);
        }
        if (order > 0 && row->required) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "attribute '%s' (%s: %s) is missing; %s requires it", row->name,
                               toffee_attr_type_name(row->type), row->doc, spec->name);
        }
        if (order == 0) {
            TOFFEE_RETURN_IF_ERROR(check_attr(spec, row, attr, st));
            at++;
        }
        i++;
    }
    return TOFFEE_OK;
}

/* What the type variables of a node have been found to be. */
typedef struct {
    toffee_dtype dtype; /* UNDEFINED: nothing known yet */
    const char *what;   /* "input" or "output", and which: where it was found */
    size_t index;
} check_binding;

#define CHECK_MAX_TYPEVARS 8

/* The place of PORT's type variable in SPEC; CHECK_MAX_TYPEVARS if it has none. */
static size_t
typevar_of(const toffee_op_spec *spec, const toffee_port_spec *port)
{
    for (size_t v = 0; port->type != NULL && v < spec->n_typevars && v < CHECK_MAX_TYPEVARS; v++) {
        if (strcmp(spec->typevars[v].name, port->type) == 0) {
            return v;
        }
    }
    return CHECK_MAX_TYPEVARS;
}

/* The dtypes of VALUES, which FACTS say (NULL: nothing), against their ports. */
static toffee_code
check_dtypes(const toffee_op_spec *spec, const char *what, const toffee_port_spec *ports,
             size_t n_ports, toffee_value *const *values, size_t n, const toffee_fact *const *facts,
             check_binding *bindings, toffee_status *st)
{
    for (size_t i = 0; i < n; i++) {
        const toffee_port_spec *port = &ports[i < n_ports ? i : n_ports - 1];
        toffee_dtype dtype = facts[i] != NULL ? facts[i]->dtype : TOFFEE_DTYPE_UNDEFINED;
        size_t v = 0;

        if (dtype == TOFFEE_DTYPE_UNDEFINED) {
            continue;
        }
        v = typevar_of(spec, port);
        if (v == CHECK_MAX_TYPEVARS) {
            continue;
        }
        if ((spec->typevars[v].dtypes & TOFFEE_DTYPE_BIT(dtype)) == 0) {
            check_words words = words_of_dtypes(spec->typevars[v].dtypes);

            return toffee_fail(st, TOFFEE_ERR_CHECK, "%s %zu (%s, '%.80s') is %s; %s allows %s",
                               what, i, port->name, toffee_str_text(values[i]->name),
                               toffee_dtype_get(dtype)->name, spec->name, words.text);
        }
        if (bindings[v].dtype == TOFFEE_DTYPE_UNDEFINED) {
            bindings[v] = (check_binding){dtype, what, i};
        }
        else if (bindings[v].dtype != dtype && !port->mixed) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "%s %zu (%s, '%.80s') is %s, but %s %zu is %s; %s wants one dtype "
                               "(%s) in both: put a Cast in between",
                               what, i, port->name, toffee_str_text(values[i]->name),
                               toffee_dtype_get(dtype)->name, bindings[v].what, bindings[v].index,
                               toffee_dtype_get(bindings[v].dtype)->name, spec->name, port->type);
        }
    }
    return TOFFEE_OK;
}

/* Tells the facts about the outputs the dtypes that the type variables say: what was bound, or the
 * one that is allowed. */
static void
bind_outputs(const toffee_op_spec *spec, const check_binding *bindings, toffee_infer *ctx)
{
    for (size_t i = 0; i < ctx->n_out; i++) {
        const toffee_port_spec *port =
            &spec->outputs[i < spec->n_outputs ? i : spec->n_outputs - 1];
        size_t v = port->mixed ? CHECK_MAX_TYPEVARS : typevar_of(spec, port);
        uint32_t allowed = v < CHECK_MAX_TYPEVARS ? spec->typevars[v].dtypes : 0;

        if (v < CHECK_MAX_TYPEVARS && bindings[v].dtype != TOFFEE_DTYPE_UNDEFINED) {
            ctx->out[i].dtype = bindings[v].dtype;
        }
        else if (allowed != 0 && (allowed & (allowed - 1)) == 0) {
            ctx->out[i].dtype = (toffee_dtype)__builtin_ctz(allowed);
        }
    }
}

/* The opset that the outermost graph around GRAPH, or its function, declares for DOMAIN; 0: none.
 */
static int64_t
declared_opset(const toffee_graph *graph, const char *domain)
{
    int64_t version = 0;

    if (graph != NULL) {
        graph = toffee_graph_scope(graph);
        version = toffee_graph_opset(graph, domain);
        if (version == 0 && domain[0] == '\0') {
            version = toffee_graph_opset(graph, "ai.onnx");
        }
    }
    return version;
}

static toffee_code check_subgraphs(toffee_infer *ctx, const toffee_node *node, toffee_status *st);

/* NODE, the node at hand in CTX, against its row, if it has one in this opset; then what follows
 * about its outputs, which must agree with what is declared. */
static toffee_code
check_node_row(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_op_spec *spec = toffee_op_find("", toffee_str_text(node->op_type));
    check_binding bindings[CHECK_MAX_TYPEVARS] = {{TOFFEE_DTYPE_UNDEFINED, NULL, 0}};

    if (!toffee_op_exists(toffee_str_text(node->op_type), ctx->opset)) {
        return check_unknown_op(node, ctx->opset, st);
    }
    if (!toffee_op_row_holds(spec, ctx->opset)) {
        return check_subgraphs(ctx, node, st);
    }
    TOFFEE_RETURN_IF_ERROR(check_arity(spec, "input", spec->inputs, spec->n_inputs,
                                       node->inputs.data, node->inputs.n, st));
    TOFFEE_RETURN_IF_ERROR(check_arity(spec, "output", spec->outputs, spec->n_outputs,
                                       node->outputs.data, node->outputs.n, st));
    TOFFEE_RETURN_IF_ERROR(check_attrs(spec, node, st));
    TOFFEE_RETURN_IF_ERROR(check_dtypes(spec, "input", spec->inputs, spec->n_inputs,
                                        node->inputs.data, node->inputs.n, ctx->in, bindings, st));
    TOFFEE_RETURN_IF_ERROR(check_dtypes(spec, "output", spec->outputs, spec->n_outputs,
                                        node->outputs.data, node->outputs.n,
                                        (const toffee_fact *const *)ctx->declared, bindings, st));
    bind_outputs(spec, bindings, ctx);
    for (size_t i = 0; i < node->attrs.n; i++) {
        if (node->attrs.data[i].ref != NULL) {
            return check_subgraphs(ctx, node, st); /* what follows depends on the call */
        }
    }
    if (spec->check != NULL) {
        TOFFEE_RETURN_IF_ERROR(spec->check(ctx, spec, node, st));
    }
    return spec->infer != NULL ? spec->infer(ctx, node, st) : TOFFEE_OK;
}

static bool
domain_is_default(const char *domain)
{
    return domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0;
}

static void
check_prefix_node(const toffee_node *node, size_t index, toffee_status *st)
{
    char where[256];

    toffee_node_describe(node, index, where, sizeof(where));
    toffee_status_prefix(st, "%s: ", where);
}

/* What toffee_check_node does; DECLARE, which is NODE or NULL, gets what follows. */
static toffee_code
check_alone(const toffee_node *node, size_t index, toffee_node *declare, toffee_status *st)
{
    int64_t opset = declared_opset(node->graph, "");
    toffee_infer ctx = {.opset = opset != 0 ? opset : TOFFEE_OPSET};
    toffee_code rc = TOFFEE_OK;

    if (!domain_is_default(toffee_str_text(node->domain))) {
        return TOFFEE_OK;
    }
    ctx.scratch = toffee_arena_new();
    if (ctx.scratch == NULL) {
        return toffee_fail_nomem(st);
    }
    rc = toffee_infer_begin(&ctx, node, st);
    if (rc == TOFFEE_OK) {
        rc = check_node_row(&ctx, node, st);
    }
    if (rc == TOFFEE_OK) {
        rc = toffee_infer_end(&ctx, node, st);
    }
    if (rc == TOFFEE_OK && declare != NULL) {
        rc = toffee_infer_declare_node(&ctx, declare, st);
    }
    if (rc != TOFFEE_OK) {
        check_prefix_node(node, index, st);
    }
    toffee_arena_free(ctx.scratch);
    return rc;
}

toffee_code
toffee_check_node(const toffee_node *node, size_t index, toffee_status *st)
{
    return check_alone(node, index, NULL, st);
}

toffee_code
toffee_infer_node(toffee_node *node, size_t index, toffee_status *st)
{
    return check_alone(node, index, node, st);
}

/* ---- a graph ---- */

static toffee_code
check_domain(const toffee_node *node, int64_t opset, toffee_status *st)
{
    const char *domain = toffee_str_text(node->domain);
    const toffee_graph *root = node->graph;

    if (!domain_is_default(domain)) {
        return declared_opset(node->graph, domain) != 0
                   ? TOFFEE_OK
                   : toffee_fail(st, TOFFEE_ERR_CHECK,
                                 "its domain '%.80s' is not declared; add it with a version to the "
                                 "graph's opset_import",
                                 domain);
    }
    if (opset > 0) {
        return TOFFEE_OK;
    }
    root = toffee_graph_scope(root);
    if (root->function == NULL && root->ir_version <= 1) {
        return toffee_fail(
            st, TOFFEE_ERR_CHECK,
            "the graph has no opset_import and ir_version %" PRId64
            ", so its nodes are operators of 2017, which this checker does not know: "
            "toffee.load upgrades a file of that time. If they are operators of "
            "opset %d, declare that in opset_import",
            root->ir_version, TOFFEE_OPSET);
    }
    return toffee_fail(st, TOFFEE_ERR_CHECK,
                       "the %s declares no opset for it; add domain '' with version %d to "
                       "opset_import",
                       root->function != NULL ? "function" : "graph", TOFFEE_OPSET);
}

/* The declared type of a value against its initializer. */
static toffee_code
check_initializer(const toffee_graph *graph, const toffee_tensor *tensor, toffee_status *st)
{
    const char *name = toffee_str_text(tensor->name);
    const toffee_value *value =
        tensor->name != NULL ? toffee_ptrmap_get(&graph->values, tensor->name) : NULL;
    const toffee_type *type = value != NULL ? &value->type : NULL;

    if (name[0] == '\0') {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "an initializer has no name");
    }
    TOFFEE_RETURN_IF_ERROR(check_tensor(tensor, "initializer", name, st));
    if (type == NULL || type->dtype == TOFFEE_DTYPE_UNDEFINED) {
        return TOFFEE_OK;
    }
    if (type->dtype != tensor->dtype) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "initializer '%.200s' is %s, but is declared %s",
                           name, toffee_dtype_get(tensor->dtype)->name,
                           toffee_dtype_get(type->dtype)->name);
    }
    if (type->rank >= 0 && type->rank != tensor->rank) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "initializer '%.200s' has rank %d, but is declared with rank %d", name,
                           (int)tensor->rank, (int)type->rank);
    }
    for (int32_t d = 0; d < type->rank; d++) {
        if (type->dims[d].value >= 0 && type->dims[d].value != tensor->dims[d]) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "initializer '%.200s' has size %" PRId64
                               " at axis %d, but is declared with %" PRId64,
                               name, tensor->dims[d], (int)d, type->dims[d].value);
        }
    }
    return TOFFEE_OK;
}

/* How NODE calls FUNCTION: with no more inputs and outputs than it has, and attributes that it has.
 */
static toffee_code
check_call(const toffee_node *node, const toffee_graph *function, toffee_status *st)
{
    const toffee_function *more = function->function;

    if (node->inputs.n > function->inputs.n || node->outputs.n > function->outputs.n) {
        return toffee_fail(
            st, TOFFEE_ERR_CHECK,
            "calls a function with %zu inputs and %zu outputs, which has %zu and %zu",
            node->inputs.n, node->outputs.n, function->inputs.n, function->outputs.n);
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        const toffee_attr *attr = &node->attrs.data[i];
        bool found = false;

        for (size_t k = 0; k < more->attr_names.n && !found; k++) {
            found = more->attr_names.data[k] == attr->name;
        }
        for (size_t k = 0; k < more->attr_defaults.n && !found; k++) {
            found = more->attr_defaults.data[k].name == attr->name;
            if (found && more->attr_defaults.data[k].type != attr->type) {
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "attribute '%.80s' is of type %s; the function's is %s",
                                   attr->name->text, toffee_attr_type_name(attr->type),
                                   toffee_attr_type_name(more->attr_defaults.data[k].type));
            }
        }
        if (!found) {
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "attribute '%.80s' is none of the function's that it calls",
                               attr->name->text);
        }
    }
    return TOFFEE_OK;
}

/* The graphs in the attributes of NODE, whose operator is not known, with inputs that are not. */
static toffee_code
check_subgraphs(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_fact **outputs = NULL;

    for (size_t i = 0; i < node->attrs.n; i++) {
        const toffee_attr *attr = &node->attrs.data[i];

        if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_infer_body(ctx, attr->g, attr->name->text, NULL, 0, &outputs, st));
        }
        for (size_t j = 0; attr->type == TOFFEE_ATTR_GRAPHS && j < attr->n; j++) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_infer_body(ctx, attr->graphs[j], attr->name->text, NULL, 0, &outputs, st));
        }
    }
    return TOFFEE_OK;
}

static toffee_code
check_node(toffee_infer *ctx, const toffee_node *node, toffee_status *st)
{
    const toffee_graph *function =
        ctx->functions != NULL ? toffee_function_table_find(ctx->functions, node) : NULL;

    if (function == NULL || !domain_is_default(toffee_str_text(node->domain))) {
        TOFFEE_RETURN_IF_ERROR(check_domain(node, ctx->opset, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_begin(ctx, node, st));
    if (function != NULL) {
        TOFFEE_RETURN_IF_ERROR(check_call(node, function, st));
        TOFFEE_RETURN_IF_ERROR(check_subgraphs(ctx, node, st));
    }
    else if (domain_is_default(toffee_str_text(node->domain))) {
        TOFFEE_RETURN_IF_ERROR(check_node_row(ctx, node, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(check_subgraphs(ctx, node, st));
    }
    return toffee_infer_end(ctx, node, st);
}

/* The walk: everything but structure, which toffee_lint has seen to for all depths. */
static toffee_code
check_body(toffee_infer *ctx, const toffee_graph *graph, toffee_status *st)
{
    if (ctx->depth > TOFFEE_MAX_DEPTH) {
        return toffee_fail(st, TOFFEE_ERR_CHECK, "graphs are nested deeper than %d",
                           TOFFEE_MAX_DEPTH);
    }
    for (size_t i = 0; i < graph->initializers.n; i++) {
        TOFFEE_RETURN_IF_ERROR(check_initializer(graph, graph->initializers.data[i], st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_enter(ctx, graph, st));
    for (size_t i = 0; i < graph->sparse_initializers.n; i++) {
        const toffee_sparse *sparse = graph->sparse_initializers.data[i];

        TOFFEE_RETURN_IF_ERROR(check_sparse(sparse, toffee_str_text(sparse->values->name), st));
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];
        toffee_code rc = check_node(ctx, node, st);

        if (rc != TOFFEE_OK) {
            check_prefix_node(node, i, st);
            return rc;
        }
    }
    return TOFFEE_OK;
}

/* Lints GRAPH and walks it and its functions with a fresh CTX, whose scratch arena is the caller's
 * to free. FUNCTIONS is room for their table, for as long as CTX. */
static toffee_code
check_begin(toffee_infer *ctx, toffee_function_table *functions, const toffee_graph *graph,
            toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_lint(graph, st));
    ctx->scratch = toffee_arena_new();
    if (ctx->scratch == NULL) {
        return toffee_fail_nomem(st);
    }
    if (graph->functions.n != 0) {
        functions->scratch = ctx->scratch;
        TOFFEE_RETURN_IF_ERROR(toffee_function_table_fill(functions, graph, st));
        ctx->functions = functions;
    }
    ctx->walk = check_body;
    for (size_t i = 0; i < graph->functions.n; i++) {
        char where[256];
        toffee_code rc = TOFFEE_OK;

        ctx->opset = declared_opset(graph->functions.data[i], "");
        rc = check_body(ctx, graph->functions.data[i], st);
        if (rc != TOFFEE_OK) {
            toffee_function_describe(graph->functions.data[i], where, sizeof(where));
            toffee_status_prefix(st, "%s: ", where);
            return rc;
        }
    }
    ctx->opset = declared_opset(graph, "");
    return check_body(ctx, graph, st);
}

toffee_code
toffee_check_graph(const toffee_graph *graph, toffee_status *st)
{
    toffee_infer ctx = {0};
    toffee_function_table functions = {0};
    toffee_code rc = check_begin(&ctx, &functions, graph, st);

    toffee_arena_free(ctx.scratch);
    return rc;
}

toffee_code
toffee_infer_graph(toffee_graph *graph, toffee_status *st)
{
    toffee_infer ctx = {0};
    toffee_function_table functions = {0};
    toffee_code rc = check_begin(&ctx, &functions, graph, st);

    if (rc == TOFFEE_OK) {
        rc = toffee_infer_declare(&ctx, graph, st);
    }
    toffee_arena_free(ctx.scratch);
    return rc;
}
