/* csrc/lower/rules.c -- finding the row for an operator among the families, and running it. */
#include "lower/lower.h"

#include <string.h>

/* A new family is declared in lower.h and named here. */
static const toffee_rule_family *const families[] = {
    &toffee_rules_advanced, &toffee_rules_arith,     &toffee_rules_attention, &toffee_rules_conv,
    &toffee_rules_create,   &toffee_rules_embedding, &toffee_rules_group,     &toffee_rules_index,
    &toffee_rules_logic,    &toffee_rules_math,      &toffee_rules_matmul,    &toffee_rules_nn,
    &toffee_rules_norm,     &toffee_rules_pad,       &toffee_rules_pixel,     &toffee_rules_pool,
    &toffee_rules_reduce,   &toffee_rules_resize,    &toffee_rules_rnn,       &toffee_rules_scatter,
    &toffee_rules_shape,    &toffee_rules_cell,      &toffee_rules_pack,      &toffee_rules_quant,
    &toffee_rules_random,   &toffee_rules_range,
};

static const toffee_rule_family *const complex_families[] = {
    &toffee_rules_complex,
    &toffee_rules_fft,
    &toffee_rules_pairs,
};

/* Index of the first row of FAMILY whose name is not before OP. */
static size_t
family_position(const toffee_rule_family *family, const char *op)
{
    size_t low = 0;
    size_t high = family->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(family->rows[middle].aten, op) < 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

static const toffee_rule *
find_among(const toffee_rule_family *const *among, size_t n, const char *op)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = family_position(among[i], op);

        if (at < among[i]->n && strcmp(among[i]->rows[at].aten, op) == 0) {
            return &among[i]->rows[at];
        }
    }
    return NULL;
}

const toffee_rule *
toffee_rule_find(const char *op)
{
    return find_among(families, TOFFEE_COUNTOF(families), op);
}

const toffee_rule *
toffee_rule_find_complex(const char *op)
{
    return find_among(complex_families, TOFFEE_COUNTOF(complex_families), op);
}

size_t
toffee_rule_count(void)
{
    size_t n = 0;

    for (size_t i = 0; i < TOFFEE_COUNTOF(families); i++) {
        n += families[i]->n;
    }
    return n;
}

/* Merges the families up to INDEX: for docs and tests, where a walk over all rows may be slow. */
const toffee_rule *
toffee_rule_at(size_t index)
{
    size_t at[TOFFEE_COUNTOF(families)] = {0};
    const toffee_rule *row = NULL;

    for (size_t k = 0; k <= index; k++) {
        size_t best = TOFFEE_COUNTOF(families);

        for (size_t i = 0; i < TOFFEE_COUNTOF(families); i++) {
            if (at[i] < families[i]->n &&
                (best == TOFFEE_COUNTOF(families) ||
                 strcmp(families[i]->rows[at[i]].aten, families[best]->rows[at[best]].aten) < 0)) {
                best = i;
            }
        }
        if (best == TOFFEE_COUNTOF(families)) {
            return NULL;
        }
        row = &families[best]->rows[at[best]++];
    }
    return row;
}

toffee_code
toffee_lower(toffee_lowering *lo, const toffee_rule *rule, const toffee_call *call,
             toffee_status *st)
{
    const toffee_rule *outer = lo->rule;
    toffee_code rc = TOFFEE_OK;

    lo->rule = rule;
    rc = rule->lower(lo, call, st);
    lo->rule = outer;
    if (rc != TOFFEE_OK && rc != TOFFEE_DECLINED && rc != TOFFEE_ERR_NOMEM) {
        toffee_status_prefix(st, "%s: ", call->op);
    }
    return rc;
}
