/* csrc/ir/lint.c */
#include "ir/lint.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    toffee_arena *scratch;
    /* What is defined at this point, in this graph and those around it: the name, or the value if
     * it has none -> the graph that defines it. */
    toffee_ptrmap defined;
    toffee_status *st;
} linter;

static toffee_code lint_graph(linter *lint, const toffee_graph *graph, int depth);

static const void *
value_key(const toffee_value *value)
{
    return value->name != NULL ? (const void *)value->name : (const void *)value;
}

static const char *
value_text(const toffee_value *value)
{
    return value->name != NULL ? value->name->text : "(without a name)";
}

void
toffee_node_describe(const toffee_node *node, size_t index, char *buffer, size_t size)
{
    bool has_name = node->name != NULL && node->name->length != 0;
    bool has_domain = node->domain != NULL && node->domain->length != 0;

    snprintf(buffer, size, "node %zu (%s%s%s%s%s%s)", index, has_domain ? node->domain->text : "",
             has_domain ? "::" : "", toffee_str_text(node->op_type), has_name ? " '" : "",
             has_name ? node->name->text : "", has_name ? "'" : "");
}

static toffee_code
lint_define(linter *lint, const toffee_value *value, const toffee_graph *graph)
{
    return toffee_ptrmap_set(lint->scratch, &lint->defined, value_key(value), (void *)graph)
               ? TOFFEE_OK
               : toffee_fail_nomem(lint->st);
}

static bool
lint_is_defined(const linter *lint, const toffee_value *value)
{
    return toffee_ptrmap_get(&lint->defined, value_key(value)) != NULL;
}

/* Why the input AT of node INDEX is wrong: looked for only now that it is. */
static toffee_code
lint_fail_use(linter *lint, const toffee_graph *graph, size_t index, size_t at)
{
    const toffee_node *node = graph->nodes.data[index];
    const toffee_value *value = node->inputs.data[at];
    char where[160];
    char maker[160];

    toffee_node_describe(node, index, where, sizeof(where));
    for (size_t i = index; i < graph->nodes.n; i++) {
        for (size_t k = 0; k < graph->nodes.data[i]->outputs.n; k++) {
            const toffee_value *output = graph->nodes.data[i]->outputs.data[k];

            if (output == NULL || value_key(output) != value_key(value)) {
                continue;
            }
            if (i == index) {
                return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                                   "%s takes its own output '%s' as input %zu; a node cannot "
                                   "depend on itself",
                                   where, value_text(value), at);
            }
            toffee_node_describe(graph->nodes.data[i], i, maker, sizeof(maker));
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "%s takes '%s' as input %zu before %s makes it; nodes must stand "
                               "after those whose outputs they use",
                               where, value_text(value), at, maker);
        }
    }
    return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                       "%s takes '%s' as input %zu, which nothing defines; make it the output of "
                       "an earlier node, or add it to the graph's inputs or initializers",
                       where, value_text(value), at);
}

static toffee_code
lint_fail_again(linter *lint, const toffee_graph *graph, size_t index, const toffee_value *value)
{
    const toffee_graph *definer = toffee_ptrmap_get(&lint->defined, value_key(value));
    const char *how = "an earlier node";
    char where[160];

    toffee_node_describe(graph->nodes.data[index], index, where, sizeof(where));
    if (definer != graph) {
        how = "a graph around this one";
    }
    else if (value->is_input) {
        how = "an input of the graph";
    }
    else if (value->tensor != NULL) {
        how = "an initializer";
    }
    return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                       "%s has output '%s', which %s defines already; every value must have a name "
                       "of its own",
                       where, value_text(value), how);
}

/* The graph ATTR[at] of NODE, in the scope as it is before the node. */
static toffee_code
lint_subgraph(linter *lint, const toffee_node *node, size_t index, const toffee_attr *attr,
              const toffee_graph *inside, int depth)
{
    char where[160];
    toffee_code rc = lint_graph(lint, inside, depth);

    if (rc == TOFFEE_ERR_CHECK) {
        toffee_node_describe(node, index, where, sizeof(where));
        toffee_status_prefix(lint->st, "%s, attribute '%s': ", where, attr->name->text);
    }
    return rc;
}

static toffee_code
lint_node(linter *lint, const toffee_graph *graph, size_t index, int depth)
{
    const toffee_node *node = graph->nodes.data[index];

    if (node->op_type == NULL || node->op_type->length == 0) {
        return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                           "node %zu has no op_type; set it to the operator's name", index);
    }
    for (size_t i = 0; i < node->inputs.n; i++) {
        const toffee_value *value = node->inputs.data[i];

        if (value != NULL && !lint_is_defined(lint, value)) {
            return lint_fail_use(lint, graph, index, i);
        }
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        const toffee_attr *attr = &node->attrs.data[i];

        if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
            TOFFEE_RETURN_IF_ERROR(lint_subgraph(lint, node, index, attr, attr->g, depth + 1));
        }
        for (size_t g = 0; attr->type == TOFFEE_ATTR_GRAPHS && g < attr->n; g++) {
            TOFFEE_RETURN_IF_ERROR(
                lint_subgraph(lint, node, index, attr, attr->graphs[g], depth + 1));
        }
    }
    for (size_t i = 0; i < node->outputs.n; i++) {
        const toffee_value *value = node->outputs.data[i];

        if (value == NULL) {
            continue;
        }
        if (lint_is_defined(lint, value)) {
            return lint_fail_again(lint, graph, index, value);
        }
        TOFFEE_RETURN_IF_ERROR(lint_define(lint, value, graph));
    }
    return TOFFEE_OK;
}

static toffee_code
lint_inputs(linter *lint, const toffee_graph *graph)
{
    for (size_t i = 0; i < graph->inputs.n; i++) {
        const toffee_value *value = graph->inputs.data[i];

        if (lint_is_defined(lint, value)) {
            bool here = toffee_ptrmap_get(&lint->defined, value_key(value)) == graph;

            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "graph input %zu, '%s', %s; rename or remove one of them", i,
                               value_text(value),
                               here ? "is listed before" : "is defined in a graph around this one");
        }
        TOFFEE_RETURN_IF_ERROR(lint_define(lint, value, graph));
    }
    return TOFFEE_OK;
}

static toffee_code
lint_initializers(linter *lint, const toffee_graph *graph)
{
    toffee_ptrmap seen = {0};

    for (size_t i = 0; i < graph->initializers.n; i++) {
        const toffee_tensor *tensor = graph->initializers.data[i];
        const toffee_value *value = NULL;

        if (tensor->name == NULL || tensor->name->length == 0) {
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "initializer %zu has no name; give it the name that nodes use", i);
        }
        if (toffee_ptrmap_get(&seen, tensor->name) != NULL) {
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "initializer %zu, '%s', has the name of an earlier one; rename or "
                               "remove one of them",
                               i, tensor->name->text);
        }
        value = toffee_ptrmap_get(&graph->values, tensor->name);
        if (!toffee_ptrmap_set(lint->scratch, &seen, tensor->name, (void *)tensor)) {
            return toffee_fail_nomem(lint->st);
        }
        if (value == NULL || (value->is_input && lint_is_defined(lint, value))) {
            continue;
        }
        if (lint_is_defined(lint, value)) {
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "initializer %zu, '%s', is defined in a graph around this one; "
                               "rename one of them",
                               i, tensor->name->text);
        }
        TOFFEE_RETURN_IF_ERROR(lint_define(lint, value, graph));
    }
    return TOFFEE_OK;
}

static toffee_code
lint_sparse_initializers(linter *lint, const toffee_graph *graph)
{
    for (size_t i = 0; i < graph->sparse_initializers.n; i++) {
        const toffee_str *name = graph->sparse_initializers.data[i]->values->name;
        const toffee_value *value = name != NULL ? toffee_ptrmap_get(&graph->values, name) : NULL;

        if (name == NULL || name->length == 0) {
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "sparse initializer %zu has no name; its values need the name that "
                               "nodes use",
                               i);
        }
        if (value == NULL || (value->is_input && lint_is_defined(lint, value))) {
            continue;
        }
        if (lint_is_defined(lint, value)) {
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "sparse initializer %zu, '%s', is defined already; rename or remove "
                               "one of them",
                               i, name->text);
        }
        TOFFEE_RETURN_IF_ERROR(lint_define(lint, value, graph));
    }
    return TOFFEE_OK;
}

/* No name stands twice in LIST, which is called WHAT. */
static toffee_code
lint_unique(linter *lint, const char *what, toffee_value *const *list, size_t n)
{
    toffee_ptrmap seen = {0};

    for (size_t i = 0; i < n; i++) {
        if (toffee_ptrmap_get(&seen, value_key(list[i])) != NULL) {
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "%s %zu, '%s', is listed before; list each value once", what, i,
                               value_text(list[i]));
        }
        if (!toffee_ptrmap_set(lint->scratch, &seen, value_key(list[i]), list[i])) {
            return toffee_fail_nomem(lint->st);
        }
    }
    return TOFFEE_OK;
}

static toffee_code
lint_outputs(linter *lint, const toffee_graph *graph)
{
    TOFFEE_RETURN_IF_ERROR(
        lint_unique(lint, "graph output", graph->outputs.data, graph->outputs.n));
    for (size_t i = 0; i < graph->outputs.n; i++) {
        if (!lint_is_defined(lint, graph->outputs.data[i])) {
            return toffee_fail(
                lint->st, TOFFEE_ERR_CHECK,
                "graph output %zu, '%s', is defined by nothing; remove it or add the "
                "node that makes it",
                i, value_text(graph->outputs.data[i]));
        }
    }
    return lint_unique(lint, "value_info", graph->value_infos.data, graph->value_infos.n);
}

static toffee_code
lint_header(linter *lint, const toffee_graph *graph)
{
    toffee_ptrmap domains = {0};
    toffee_ptrmap keys = {0};

    for (size_t i = 0; i < graph->opsets.n; i++) {
        const toffee_str *domain = graph->opsets.data[i].domain;

        if (toffee_ptrmap_get(&domains, domain) != NULL) {
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "opset_import %zu declares domain '%s' again; declare each once", i,
                               domain->text);
        }
        if (!toffee_ptrmap_set(lint->scratch, &domains, domain, (void *)domain)) {
            return toffee_fail_nomem(lint->st);
        }
    }
    for (size_t i = 0; i < graph->props.n; i++) {
        const toffee_str *key = graph->props.data[i].key;

        if (toffee_ptrmap_get(&keys, key) != NULL) {
            return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                               "metadata_props %zu sets '%s' again; set each key once", i,
                               key->text);
        }
        if (!toffee_ptrmap_set(lint->scratch, &keys, key, (void *)key)) {
            return toffee_fail_nomem(lint->st);
        }
    }
    return TOFFEE_OK;
}

/* Takes out of sight what GRAPH defined. The slots are there, so no memory is needed; but the map
 * may want to grow before it looks. */
static toffee_code
lint_leave(linter *lint, const toffee_graph *graph)
{
    bool ok = true;

    for (size_t i = 0; i < graph->inputs.n && ok; i++) {
        ok = toffee_ptrmap_set(lint->scratch, &lint->defined, value_key(graph->inputs.data[i]),
                               NULL);
    }
    for (size_t i = 0; i < graph->initializers.n && ok; i++) {
        ok = toffee_ptrmap_set(lint->scratch, &lint->defined, graph->initializers.data[i]->name,
                               NULL);
    }
    for (size_t i = 0; i < graph->sparse_initializers.n && ok; i++) {
        ok = toffee_ptrmap_set(lint->scratch, &lint->defined,
                               graph->sparse_initializers.data[i]->values->name, NULL);
    }
    for (size_t i = 0; i < graph->nodes.n && ok; i++) {
        const toffee_node *node = graph->nodes.data[i];

        for (size_t k = 0; k < node->outputs.n && ok; k++) {
            if (node->outputs.data[k] != NULL) {
                ok = toffee_ptrmap_set(lint->scratch, &lint->defined,
                                       value_key(node->outputs.data[k]), NULL);
            }
        }
    }
    return ok ? TOFFEE_OK : toffee_fail_nomem(lint->st);
}

static toffee_code
lint_graph(linter *lint, const toffee_graph *graph, int depth)
{
    if (depth > TOFFEE_MAX_DEPTH) {
        return toffee_fail(lint->st, TOFFEE_ERR_CHECK,
                           "graphs are nested more than %d deep; flatten them", TOFFEE_MAX_DEPTH);
    }
    TOFFEE_RETURN_IF_ERROR(lint_header(lint, graph));
    TOFFEE_RETURN_IF_ERROR(lint_inputs(lint, graph));
    TOFFEE_RETURN_IF_ERROR(lint_initializers(lint, graph));
    TOFFEE_RETURN_IF_ERROR(lint_sparse_initializers(lint, graph));
    for (size_t i = 0; i < graph->nodes.n; i++) {
        TOFFEE_RETURN_IF_ERROR(lint_node(lint, graph, i, depth));
    }
    TOFFEE_RETURN_IF_ERROR(lint_outputs(lint, graph));
    return depth != 0 ? lint_leave(lint, graph) : TOFFEE_OK;
}

/* A function sees nothing of what is outside. */
static toffee_code
lint_function(linter *lint, const toffee_graph *function)
{
    char where[256];
    toffee_code rc = TOFFEE_OK;

    lint->defined = (toffee_ptrmap){0};
    rc = lint_graph(lint, function, 0);
    if (rc == TOFFEE_ERR_CHECK) {
        toffee_function_describe(function, where, sizeof(where));
        toffee_status_prefix(lint->st, "%s: ", where);
    }
    return rc;
}

toffee_code
toffee_lint(const toffee_graph *graph, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    linter lint = {.scratch = toffee_arena_new(), .st = st};

    if (lint.scratch == NULL) {
        return toffee_fail_nomem(st);
    }
    rc = lint_graph(&lint, graph, 0);
    if (rc == TOFFEE_OK && graph->functions.n != 0) {
        toffee_function_table table = {.scratch = lint.scratch};

        rc = toffee_function_table_fill(&table, graph, st);
    }
    for (size_t i = 0; i < graph->functions.n && rc == TOFFEE_OK; i++) {
        rc = lint_function(&lint, graph->functions.data[i]);
    }
    toffee_arena_free(lint.scratch);
    return rc;
}
