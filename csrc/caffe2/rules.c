/* csrc/caffe2/rules.c -- finding the row for an operator among the families. */
#include "caffe2/rules.h"

#include <string.h>

/* A new family is declared in rules.h and named here. */
static const toffee_c2_family *const families[] = {
    &toffee_c2_rules_create,     &toffee_c2_rules_index,  &toffee_c2_rules_shape,
    &toffee_c2_rules_reduce,     &toffee_c2_rules_math,   &toffee_c2_rules_logic,
    &toffee_c2_rules_activation, &toffee_c2_rules_einsum, &toffee_c2_rules_loss,
    &toffee_c2_rules_nn,         &toffee_c2_rules_quant,  &toffee_c2_rules_resize,
    &toffee_c2_rules_rnn,        &toffee_c2_rules_vision, &toffee_c2_rules_norm,
    &toffee_c2_rules_pool,
};

static const toffee_c2_rule *
family_find(const toffee_c2_family *family, const char *op)
{
    size_t low = 0;
    size_t high = family->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(family->rows[middle].op, op);

        if (order == 0) {
            return &family->rows[middle];
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

const toffee_c2_rule *
toffee_c2_rule_of(const toffee_node *node)
{
    const char *op = toffee_str_text(node->op_type);

    if (!toffee_str_is(node->domain, "")) {
        return toffee_str_is(node->domain, "org.pytorch.aten") ? &toffee_c2_rule_aten : NULL;
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(families); i++) {
        const toffee_c2_rule *rule = family_find(families[i], op);

        if (rule != NULL) {
            return rule;
        }
    }
    return NULL;
}

size_t
toffee_c2_rule_count(void)
{
    size_t n = 0;

    for (size_t i = 0; i < TOFFEE_COUNTOF(families); i++) {
        n += families[i]->n;
    }
    return n;
}

const toffee_c2_rule *
toffee_c2_rule_at(size_t index)
{
    for (size_t i = 0; i < TOFFEE_COUNTOF(families); i++) {
        if (index < families[i]->n) {
            return &families[i]->rows[index];
        }
        index -= families[i]->n;
    }
    return NULL;
}
