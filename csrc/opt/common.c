/* csrc/opt/common.c -- of nodes that compute the same from the same, and of constants that are the
 * same, one is left. */
#include <string.h>

#include "ir/equal.h"
#include "ops/optable.h"
#include "opt/pass.h"

/* Something found earlier, in a list under its hash. */
typedef struct entry {
    struct entry *next;
    const void *thing;
} entry;

typedef struct {
    toffee_arena *scratch;
    toffee_ptrmap lists; /* hash -> entry */
} table;

/* FNV-1a */
static uint64_t
hash_bytes(uint64_t hash, const void *data, size_t n)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* The map's keys are addresses: multiples of 16, not NULL. */
static const void *
hash_key(uint64_t hash)
{
    return (const void *)(uintptr_t)((hash | 1) << 4);
}

static const entry *
table_find(const table *t, uint64_t hash)
{
    return toffee_ptrmap_get(&t->lists, hash_key(hash));
}

static toffee_code
table_add(table *t, uint64_t hash, const void *thing, toffee_status *st)
{
    entry *added = toffee_arena_calloc(t->scratch, 1, sizeof(*added));

    if (added == NULL) {
        return toffee_fail_nomem(st);
    }
    *added = (entry){toffee_ptrmap_get(&t->lists, hash_key(hash)), thing};
    return toffee_ptrmap_set(t->scratch, &t->lists, hash_key(hash), added) ? TOFFEE_OK
                                                                           : toffee_fail_nomem(st);
}

/* ---- constants ---- */

static toffee_code
common_constants(toffee_opt *opt, toffee_status *st)
{
    table t = {.scratch = opt->scratch};
    toffee_graph *graph = opt->graph;
    size_t kept = 0;

    for (size_t i = 0; i < graph->initializers.n; i++) {
        toffee_tensor *tensor = graph->initializers.data[i];
        toffee_value *value = toffee_ptrmap_get(&graph->values, tensor->name);
        const toffee_tensor *constant = NULL;
        const entry *found = NULL;
        uint64_t hash = HASH_START;
        bool equal = false;

        graph->initializers.data[kept++] = tensor;
        if (value == NULL || value->tensor != tensor || value->is_input ||
            toffee_opt_is_pinned(opt, value)) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, value, &constant, st));
        if (constant == NULL) {
            continue;
        }
        hash = hash_bytes(hash, &tensor->dtype, sizeof(tensor->dtype));
        hash = hash_bytes(hash, tensor->dims, (size_t)tensor->rank * sizeof(*tensor->dims));
        hash = hash_bytes(hash, tensor->data, (size_t)tensor->n_bytes);
        for (found = table_find(&t, hash); found != NULL && !equal;) {
            const toffee_value *other = found->thing;

            TOFFEE_RETURN_IF_ERROR(toffee_tensor_equal(tensor, other->tensor, &equal, st));
            found = equal ? found : found->next;
        }
        if (found == NULL) {
            TOFFEE_RETURN_IF_ERROR(table_add(&t, hash, value, st));
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_opt_replace(opt, value, (toffee_value *)(uintptr_t)found->thing, &equal, st));
        TOFFEE_RETURN_IF_ERROR(toffee_opt_forget(opt, value, st));
        kept--;
    }
    graph->initializers.n = kept;
    return TOFFEE_OK;
}

/* ---- nodes ---- */

/* Whether NODE computes the same each time it is given the same, and nothing else happens. */
static bool
node_is_function(const toffee_opt *opt, const toffee_node *node)
{
    static const char *const random[] = {"Bernoulli",        "Dropout",          "Multinomial",
                                         "RandomNormal",     "RandomNormalLike", "RandomUniform",
                                         "RandomUniformLike"};

    if (!toffee_opt_is_plain(opt, node) || toffee_op_find("", node->op_type->text) == NULL) {
        return false;
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(random); i++) {
        if (toffee_str_is(node->op_type, random[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        const toffee_attr *attr = &node->attrs.data[i];

        if (attr->type == TOFFEE_ATTR_GRAPH || attr->type == TOFFEE_ATTR_GRAPHS ||
            (attr->type == TOFFEE_ATTR_TENSOR && attr->t != NULL &&
             (attr->t->source != NULL || attr->t->n_bytes > TOFFEE_OPT_MAX_BYTES))) {
            return false;
        }
    }
    return true;
}

static uint64_t
node_hash(const toffee_node *node)
{
    uint64_t hash = hash_bytes(HASH_START, &node->op_type, sizeof(node->op_type));

    hash = hash_bytes(hash, node->inputs.data, node->inputs.n * sizeof(*node->inputs.data));
    for (size_t i = 0; i < node->attrs.n; i++) {
        const toffee_attr *attr = &node->attrs.data[i];

        hash = hash_bytes(hash, &attr->name, sizeof(attr->name));
        hash = hash_bytes(hash, &attr->f, sizeof(attr->f));
        hash = hash_bytes(hash, &attr->i, sizeof(attr->i));
        if (attr->type == TOFFEE_ATTR_INTS) {
            hash = hash_bytes(hash, attr->ints, attr->n * sizeof(*attr->ints));
        }
        if (attr->type == TOFFEE_ATTR_TENSOR && attr->t != NULL && attr->t->data != NULL) {
            hash = hash_bytes(hash, attr->t->data, (size_t)attr->t->n_bytes);
        }
    }
    return hash;
}

static toffee_code
nodes_equal(const toffee_node *a, const toffee_node *b, bool *equal, toffee_status *st)
{
    *equal = a->op_type == b->op_type && a->inputs.n == b->inputs.n && a->attrs.n == b->attrs.n &&
             a->outputs.n == b->outputs.n;
    for (size_t i = 0; *equal && i < a->inputs.n; i++) {
        *equal = a->inputs.data[i] == b->inputs.data[i];
    }
    for (size_t i = 0; *equal && i < a->outputs.n; i++) {
        *equal = a->outputs.data[i] != NULL || b->outputs.data[i] == NULL;
    }
    for (size_t i = 0; *equal && i < a->attrs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(toffee_attr_equal(&a->attrs.data[i], &b->attrs.data[i], equal, st));
    }
    return TOFFEE_OK;
}

/* Whether the outputs of NODE can all be had from those of EARLIER. */
static bool
can_merge(const toffee_opt *opt, const toffee_node *node, const toffee_node *earlier)
{
    for (size_t i = 0; i < node->outputs.n; i++) {
        if (node->outputs.data[i] != NULL && toffee_opt_is_pinned(opt, node->outputs.data[i]) &&
            toffee_opt_is_pinned(opt, earlier->outputs.data[i])) {
            return false;
        }
    }
    return true;
}

static toffee_code
merge(toffee_opt *opt, toffee_node *node, const toffee_node *earlier, toffee_status *st)
{
    for (size_t i = 0; i < node->outputs.n; i++) {
        bool done = true;

        if (node->outputs.data[i] != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_opt_replace(opt, node->outputs.data[i],
                                                      earlier->outputs.data[i], &done, st));
        }
    }
    return toffee_opt_remove(opt, node, st);
}

toffee_code
toffee_pass_common(toffee_opt *opt, toffee_status *st)
{
    table t = {.scratch = opt->scratch};

    TOFFEE_RETURN_IF_ERROR(common_constants(opt, st));
    for (size_t i = 0; i < opt->graph->nodes.n; i++) {
        toffee_node *node = opt->graph->nodes.data[i];
        const entry *found = NULL;
        uint64_t hash = 0;
        bool equal = false;

        toffee_opt_refresh(opt, node);
        if (!node_is_function(opt, node)) {
            continue;
        }
        hash = node_hash(node);
        for (found = table_find(&t, hash); found != NULL; found = found->next) {
            TOFFEE_RETURN_IF_ERROR(nodes_equal(found->thing, node, &equal, st));
            if (equal && can_merge(opt, node, found->thing)) {
                break;
            }
        }
        if (found != NULL) {
            TOFFEE_RETURN_IF_ERROR(merge(opt, node, found->thing, st));
        }
        else {
            TOFFEE_RETURN_IF_ERROR(table_add(&t, hash, node, st));
        }
    }
    return TOFFEE_OK;
}
