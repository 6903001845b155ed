/* csrc/ops/optable.c -- finds rows: binary search over the names. */
#include "ops/optable.h"

#include <string.h>

#include "ops/ops_list.h"

#define OPTABLE_ROW(op) &toffee_op_##op,
static const toffee_op_spec *const optable_rows[] = {TOFFEE_OPS(OPTABLE_ROW)};
#undef OPTABLE_ROW

const toffee_op_spec *
toffee_op_find(const char *domain, const char *op_type)
{
    size_t low = 0;
    size_t high = TOFFEE_COUNTOF(optable_rows);

    if (domain[0] != '\0' && strcmp(domain, "ai.onnx") != 0) {
        return NULL;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(optable_rows[middle]->name, op_type);

        if (order == 0) {
            return optable_rows[middle];
        }
        if (order < 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return NULL;
}

size_t
toffee_op_count(void)
{
    return TOFFEE_COUNTOF(optable_rows);
}

const toffee_op_spec *
toffee_op_at(size_t index)
{
    return index < TOFFEE_COUNTOF(optable_rows) ? optable_rows[index] : NULL;
}

size_t
toffee_op_fewest(const toffee_port_spec *ports, size_t n)
{
    size_t fewest = 0;

    for (size_t i = 0; i < n; i++) {
        if (ports[i].arity == TOFFEE_SINGLE) {
            fewest = i + 1;
        }
        else if (ports[i].arity == TOFFEE_VARIADIC) {
            fewest = i + ports[i].min; /* its members come after every other port */
        }
    }
    return fewest;
}

size_t
toffee_op_min_outputs(const toffee_node *node)
{
    const toffee_op_spec *spec =
        toffee_op_find(toffee_str_text(node->domain), toffee_str_text(node->op_type));
    const toffee_attr *all = NULL;

    if (spec == NULL) {
        return 1;
    }
    if (spec->outputs[spec->n_outputs - 1].arity == TOFFEE_VARIADIC) {
        return node->outputs.n; /* how many there are is part of the meaning: Split, Loop */
    }
    if (spec->all_outputs_if != NULL) {
        all = toffee_node_attr(node, spec->all_outputs_if);
    }
    return all != NULL && all->i != 0 ? spec->n_outputs
                                      : toffee_op_fewest(spec->outputs, spec->n_outputs);
}
