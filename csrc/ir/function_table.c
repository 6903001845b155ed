/* csrc/ir/function_table.c -- which function a node calls, and that none calls itself. */
#include <stdio.h>

#include "ir/function.h"
#include "ir/lint.h"

/* One function in the table. */
typedef struct function_entry {
    const toffee_graph *function;
    size_t index;                /* in the graph's list */
    struct function_entry *next; /* of the same name */
    struct function_call *calls;
    struct function_call *callers;
    size_t n_open; /* calls whose callees are not known to end */
} function_entry;

typedef struct function_call {
    function_entry *caller;
    function_entry *callee;
    struct function_call *next_of_caller;
    struct function_call *next_of_callee;
} function_call;

void
toffee_function_describe(const toffee_graph *function, char *buffer, size_t size)
{
    const toffee_str *overload = function->function->overload;

    snprintf(buffer, size, "function '%.80s%s%.80s%s%.40s'", toffee_str_text(function->domain),
             function->domain != NULL ? "::" : "", toffee_str_text(function->name),
             overload != NULL ? ":" : "", toffee_str_text(overload));
}

static function_entry *
table_find(const toffee_function_table *table, const toffee_node *node)
{
    function_entry *entry = toffee_ptrmap_get(&table->by_name, node->op_type);

    while (entry != NULL && !toffee_node_calls(node, entry->function)) {
        entry = entry->next;
    }
    return entry;
}

const toffee_graph *
toffee_function_table_find(const toffee_function_table *table, const toffee_node *node)
{
    const function_entry *entry = table_find(table, node);

    return entry != NULL ? entry->function : NULL;
}

static bool
same_text(const toffee_str *a, const toffee_str *b)
{
    return a == b || (toffee_str_text(a)[0] == '\0' && toffee_str_text(b)[0] == '\0');
}

static toffee_code
table_enter(toffee_function_table *table, const toffee_graph *function, size_t index,
            function_entry **out, toffee_status *st)
{
    function_entry *first = toffee_ptrmap_get(&table->by_name, function->name);
    function_entry *entry = NULL;
    char where[256];

    *out = NULL;
    if (toffee_str_text(function->name)[0] == '\0') {
        return toffee_fail(
            st, TOFFEE_ERR_CHECK,
            "function %zu has no name; give it the op_type of the nodes that call it", index);
    }
    for (const function_entry *at = first; at != NULL; at = at->next) {
        if (same_text(at->function->domain, function->domain) &&
            same_text(at->function->function->overload, function->function->overload)) {
            toffee_function_describe(function, where, sizeof(where));
            return toffee_fail(st, TOFFEE_ERR_CHECK,
                               "%s is defined twice, as function %zu and %zu; remove one, or give "
                               "it an overload of its own",
                               where, at->index, index);
        }
    }
    entry = toffee_arena_calloc(table->scratch, 1, sizeof(*entry));
    if (entry == NULL) {
        return toffee_fail_nomem(st);
    }
    *entry = (function_entry){.function = function, .index = index, .next = first};
    *out = entry;
    return toffee_ptrmap_set(table->scratch, &table->by_name, function->name, entry)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

/* Notes the calls in GRAPH, which is ENTRY's function or inside it. */
static toffee_code
table_note_calls(toffee_function_table *table, function_entry *entry, const toffee_graph *graph,
                 int depth, toffee_status *st)
{
    if (depth > TOFFEE_MAX_DEPTH) {
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "graphs are nested more than %d deep; flatten them", TOFFEE_MAX_DEPTH);
    }
    for (size_t i = 0; i < graph->nodes.n; i++) {
        const toffee_node *node = graph->nodes.data[i];
        function_entry *callee = table_find(table, node);

        if (callee != NULL) {
            function_call *call = toffee_arena_calloc(table->scratch, 1, sizeof(*call));

            if (call == NULL) {
                return toffee_fail_nomem(st);
            }
            *call = (function_call){entry, callee, entry->calls, callee->callers};
            entry->calls = call;
            callee->callers = call;
            entry->n_open++;
        }
        for (size_t k = 0; k < node->attrs.n; k++) {
            const toffee_attr *attr = &node->attrs.data[k];

            if (attr->type == TOFFEE_ATTR_GRAPH && attr->g != NULL) {
                TOFFEE_RETURN_IF_ERROR(table_note_calls(table, entry, attr->g, depth + 1, st));
            }
            for (size_t g = 0; attr->type == TOFFEE_ATTR_GRAPHS && g < attr->n; g++) {
                TOFFEE_RETURN_IF_ERROR(
                    table_note_calls(table, entry, attr->graphs[g], depth + 1, st));
            }
        }
    }
    return TOFFEE_OK;
}

/* Fails, naming a function on a circle of calls. START has calls that do not end, and so has each
 * function that such a call leads to: after as many steps as there are functions the circle is
 * reached. */
static toffee_code
table_fail_circle(const function_entry *start, size_t n, toffee_status *st)
{
    char where[256];

    for (size_t i = 0; i < n; i++) {
        const function_call *call = start->calls;

        while (call->callee->n_open == 0) {
            call = call->next_of_caller;
        }
        start = call->callee;
    }
    toffee_function_describe(start->function, where, sizeof(where));
    return toffee_fail(st, TOFFEE_ERR_CHECK,
                       "%s calls itself, directly or through others; a function cannot be run by "
                       "running itself",
                       where);
}

/* Takes away functions that call nothing, then those that call only these, and so on: what stays
 * calls itself or leads there. A list and no recursion, as calls may be as deep as a file likes. */
static toffee_code
table_check_circles(toffee_function_table *table, function_entry **entries, size_t n,
                    toffee_status *st)
{
    TOFFEE_VEC(function_entry *) ended = {0};

    for (size_t i = 0; i < n; i++) {
        if (entries[i]->n_open == 0 && !TOFFEE_VEC_PUSH(table->scratch, &ended, entries[i])) {
            return toffee_fail_nomem(st);
        }
    }
    for (size_t at = 0; at < ended.n; at++) {
        for (const function_call *call = ended.data[at]->callers; call != NULL;
             call = call->next_of_callee) {
            if (--call->caller->n_open == 0 &&
                !TOFFEE_VEC_PUSH(table->scratch, &ended, call->caller)) {
                return toffee_fail_nomem(st);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (entries[i]->n_open != 0) {
            return table_fail_circle(entries[i], n, st);
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_function_table_fill(toffee_function_table *table, const toffee_graph *graph,
                           toffee_status *st)
{
    size_t n = graph->functions.n;
    function_entry **entries = toffee_arena_calloc(table->scratch, n, sizeof(function_entry *));

    if (entries == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < n; i++) {
        TOFFEE_RETURN_IF_ERROR(table_enter(table, graph->functions.data[i], i, &entries[i], st));
    }
    for (size_t i = 0; i < n; i++) {
        TOFFEE_RETURN_IF_ERROR(
            table_note_calls(table, entries[i], graph->functions.data[i], 0, st));
    }
    return table_check_circles(table, entries, n, st);
}
