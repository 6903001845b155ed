/* csrc/opt/constants.c -- computes what depends on nothing but constants, and on sizes that are
 * declared, and keeps the result as an initializer of the same name.
 *
 * Bounded in two ways. A fold is always done if the file does not grow by it. Else all initializers
 * that are no parameters may together take up to 1 % of all initializers, or 1 KiB. That is a
 * property of the graph and not of the run, so a graph that was optimized stays as it is when it is
 * optimized once more. (Where the graph does not tell weights from constants, what would count as a
 * weight from then on is made only if the file does not grow.)
 *
 * Parameters keep their names: of those only buffers of whole numbers and truth values, such as
 * position_ids, are computed with. A buffer of which only the result is used is dropped. */
#include <string.h>

#include "opt/pass.h"

#define CONSTANTS_SPARE_BYTES 1024
/* Weights to constants: growth g <= (total + g) / 101 is g <= total / 100. */
#define CONSTANTS_SHARE 101

typedef struct {
    toffee_opt *opt;
    uint64_t total;     /* bytes of all initializers of the graph at hand and of the root */
    uint64_t constants; /* of those that are no parameters */
} budget;

static bool
is_buffer(const toffee_opt *opt, const toffee_value *value)
{
    const toffee_tensor *tensor = value->tensor;

    return tensor != NULL && value->is_input && !value->is_listed && !opt->keep_parameters &&
           opt->graph == opt->root && tensor->data != NULL && tensor->source == NULL &&
           (tensor->dtype == TOFFEE_DTYPE_INT64 || tensor->dtype == TOFFEE_DTYPE_INT32 ||
            tensor->dtype == TOFFEE_DTYPE_BOOL) &&
           tensor->n_bytes <= TOFFEE_OPT_MAX_BYTES;
}

/* Bytes that TENSOR takes in a file, but for its name: large payloads are aligned. */
static uint64_t
tensor_cost(const toffee_tensor *tensor)
{
    return tensor->n_bytes + 8 + 3 * (uint64_t)tensor->rank +
           (tensor->n_bytes >= TOFFEE_ALIGNMENT ? TOFFEE_ALIGNMENT : 0);
}

/* Fewest bytes that NODE takes in a file, but for its output's name. */
static uint64_t
node_cost(const toffee_node *node)
{
    uint64_t cost = 6 + node->op_type->length;

    cost += node->name != NULL ? 2 + node->name->length : 0;
    cost += node->doc != NULL ? 2 + node->doc->length : 0;
    for (size_t i = 0; i < node->inputs.n; i++) {
        const toffee_value *value = node->inputs.data[i];

        cost += 2 + (value != NULL && value->name != NULL ? value->name->length : 0);
    }
    for (size_t i = 0; i < node->attrs.n; i++) {
        cost += 6 + node->attrs.data[i].name->length;
    }
    return cost;
}

/* The tensor behind input VALUE, as toffee_opt_constant, and buffers too. */
static toffee_code
input_tensor(toffee_opt *opt, const toffee_value *value, const toffee_tensor **out,
             toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_opt_constant(opt, value, out, st));
    if (*out == NULL && value != NULL && is_buffer(opt, value)) {
        *out = value->tensor;
    }
    return TOFFEE_OK;
}

/* Takes TENSOR, an initializer that nothing reads any more, out of the graph. */
static toffee_code
drop_initializer(toffee_opt *opt, toffee_value *value, toffee_status *st)
{
    toffee_graph *graph = opt->graph;

    for (size_t i = 0; i < graph->initializers.n; i++) {
        if (graph->initializers.data[i] == value->tensor) {
            TOFFEE_VEC_ERASE(&graph->initializers, i, 1);
            break;
        }
    }
    for (size_t i = 0; i < graph->inputs.n; i++) {
        if (graph->inputs.data[i] == value) {
            TOFFEE_VEC_ERASE(&graph->inputs, i, 1);
            break;
        }
    }
    value->is_input = false;
    return toffee_opt_forget(opt, value, st);
}

/* Into INPUTS the constants that NODE reads; *KNOWN is whether each input that is given is one. */
static toffee_code
collect_inputs(toffee_opt *opt, const toffee_node *node, const toffee_tensor **inputs, bool *known,
               toffee_status *st)
{
    *known = true;
    for (size_t i = 0; i < node->inputs.n; i++) {
        TOFFEE_RETURN_IF_ERROR(input_tensor(opt, node->inputs.data[i], &inputs[i], st));
        *known = *known && (inputs[i] != NULL || node->inputs.data[i] == NULL);
    }
    *known =
        *known || toffee_str_is(node->op_type, "Shape") || toffee_str_is(node->op_type, "Size");
    return TOFFEE_OK;
}

/* Bytes of the initializers that go if NODE goes. */
static uint64_t
freed_bytes(const toffee_opt *opt, const toffee_node *node, const toffee_tensor *const *inputs)
{
    uint64_t freed = 0;

    for (size_t i = 0; i < node->inputs.n; i++) {
        const toffee_value *value = node->inputs.data[i];

        if (value != NULL && inputs[i] != NULL && toffee_opt_is_single(opt, value) &&
            value->tensor == inputs[i]) {
            freed += inputs[i]->n_bytes;
        }
    }
    return freed;
}

/* Whether the result may be kept, and enters it if so. */
static bool
budget_take(budget *b, const toffee_node *node, const toffee_tensor *made, uint64_t freed)
{
    uint64_t constants = b->constants + tensor_cost(made);
    uint64_t total = b->total + tensor_cost(made);

    constants -= freed < constants ? freed : constants;
    total -= freed < total ? freed : total;
    if (tensor_cost(made) > freed + node_cost(node) &&
        (toffee_opt_may_be_weight(b->opt, made) ||
         (constants > CONSTANTS_SPARE_BYTES && constants > total / CONSTANTS_SHARE))) {
        return false;
    }
    b->constants = constants;
    b->total = total;
    return true;
}

/* Puts MADE in the place of NODE, whose single output it is. */
static toffee_code
put_constant(toffee_opt *opt, toffee_node *node, const toffee_tensor *made, toffee_status *st)
{
    toffee_value *value = node->outputs.data[0];
    toffee_graph *graph = opt->graph;
    toffee_tensor *tensor = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_tensor_new(graph->arena, value->name, made->dtype, made->dims,
                                             made->rank, NULL, &tensor, st));
    tensor->data = toffee_arena_copy(graph->arena, made->data, (size_t)made->n_bytes);
    if (tensor->data == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(
        toffee_value_set_type(value, tensor->dtype, tensor->dims, tensor->rank, st));
    value->producer = NULL;
    TOFFEE_RETURN_IF_ERROR(toffee_graph_add_initializer(graph, tensor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_opt_unlist(opt, value, st));
    return toffee_opt_remove(opt, node, st);
}

/* Drops the buffers that NODE, which is gone, was the last to read. */
static toffee_code
drop_buffers(toffee_opt *opt, const toffee_node *node, toffee_status *st)
{
    for (size_t i = 0; i < node->inputs.n; i++) {
        toffee_value *value = node->inputs.data[i];

        if (value != NULL && is_buffer(opt, value) && !toffee_opt_is_pinned(opt, value) &&
            toffee_ptrmap_get(&opt->uses, value) == NULL) {
            TOFFEE_RETURN_IF_ERROR(drop_initializer(opt, value, st));
        }
    }
    return TOFFEE_OK;
}

static toffee_code
fold(budget *b, toffee_node *node, toffee_status *st)
{
    toffee_opt *opt = b->opt;
    toffee_value *value = toffee_opt_out(node, 0);
    const toffee_tensor **inputs = NULL;
    toffee_tensor *made = NULL;
    bool known = false;

    if (value == NULL || value->name == NULL || node->outputs.n != 1 || value->producer != node ||
        toffee_opt_is_pinned(opt, value) || !toffee_opt_can_eval(node) ||
        !toffee_opt_is_plain(opt, node)) {
        return TOFFEE_OK;
    }
    inputs = toffee_arena_calloc(opt->scratch, node->inputs.n + 1, sizeof(*inputs));
    if (inputs == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(collect_inputs(opt, node, inputs, &known, st));
    if (!known) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_opt_eval(opt->scratch, node, inputs, &made, st));
    if (made == NULL || !budget_take(b, node, made, freed_bytes(opt, node, inputs))) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(put_constant(opt, node, made, st));
    return drop_buffers(opt, node, st);
}

static void
budget_count(budget *b, const toffee_graph *graph)
{
    for (size_t i = 0; i < graph->initializers.n; i++) {
        const toffee_tensor *tensor = graph->initializers.data[i];
        const toffee_value *value = toffee_ptrmap_get(&graph->values, tensor->name);

        b->total += tensor->n_bytes;
        if (value == NULL || !toffee_opt_is_weight(b->opt, value)) {
            b->constants += tensor_cost(tensor);
        }
    }
}

toffee_code
toffee_pass_constants(toffee_opt *opt, toffee_status *st)
{
    budget b = {.opt = opt};

    budget_count(&b, opt->root);
    if (opt->graph != opt->root) {
        budget_count(&b, opt->graph);
    }
    for (size_t i = 0; i < opt->graph->nodes.n; i++) {
        toffee_opt_refresh(opt, opt->graph->nodes.data[i]);
        TOFFEE_RETURN_IF_ERROR(fold(&b, opt->graph->nodes.data[i], st));
    }
    return TOFFEE_OK;
}
