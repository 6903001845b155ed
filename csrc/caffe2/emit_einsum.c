/* csrc/caffe2/emit_einsum.c -- Einsum, which ATen's operator does not know, as batched products.
 *
 * Operands are taken in order. A label that neither the result nor a later operand has is summed as
 * soon as it can be: with the operand alone, or in the product of two. */
#include <ctype.h>
#include <string.h>

#include "caffe2/nn.h"

#define EINSUM_MAX_RANK 16
#define EINSUM_LETTERS 52
#define EINSUM_LABELS (EINSUM_LETTERS + EINSUM_MAX_RANK)

/* A blob and a label for each axis. Letters come first, then the axes of "...", the last one 52. */
typedef struct {
    const char *blob;
    int labels[EINSUM_MAX_RANK];
    size_t n;
} part;

typedef struct {
    toffee_c2 *c;
    int64_t size[EINSUM_LABELS];
    size_t n_dots; /* axes that "..." stands for, at most */
} einsum;

/* ---- reading --------------------------------------------------------------------------------- */

static int
label_of(char letter)
{
    return islower((unsigned char)letter) ? letter - 'a' : letter - 'A' + 26;
}

/* The labels of a term of RANK axes, from *AT on to a comma, an arrow or the end. */
static bool
term_read(const char **at, size_t rank, part *out)
{
    const char *text = *at;
    size_t letters = 0;
    size_t dots = 0;

    for (const char *p = text; *p != '\0' && *p != ',' && *p != '-'; p++) {
        letters += isalpha((unsigned char)*p) != 0;
    }
    if (letters > rank || rank > EINSUM_MAX_RANK) {
        return false;
    }
    out->n = 0;
    for (; *text != '\0' && *text != ',' && *text != '-'; text++) {
        if (*text == ' ') {
            continue;
        }
        if (strncmp(text, "...", 3) == 0 && dots == 0) {
            dots = rank - letters;
            for (size_t i = 0; i < dots; i++) {
                out->labels[out->n++] = EINSUM_LETTERS + (int)(dots - 1 - i);
            }
            text += 2;
            continue;
        }
        if (!isalpha((unsigned char)*text) || out->n >= rank) {
            return false;
        }
        out->labels[out->n++] = label_of(*text);
    }
    *at = text;
    return out->n == rank;
}

static bool
part_has(const part *p, int label)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->labels[i] == label) {
            return true;
        }
    }
    return false;
}

/* What the result has if the equation does not say: "..." and the letters that occur once. */
static void
result_implied(const part *parts, size_t n, size_t n_dots, part *out)
{
    size_t counts[EINSUM_LETTERS] = {0};
    static const char order[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < parts[i].n; k++) {
            if (parts[i].labels[k] < EINSUM_LETTERS) {
                counts[parts[i].labels[k]]++;
            }
        }
    }
    out->n = 0;
    for (size_t i = 0; i < n_dots; i++) {
        out->labels[out->n++] = EINSUM_LETTERS + (int)(n_dots - 1 - i);
    }
    for (const char *p = order; *p != '\0'; p++) {
        if (counts[label_of(*p)] == 1 && out->n < EINSUM_MAX_RANK) {
            out->labels[out->n++] = label_of(*p);
        }
    }
}

/* The operands and the result; NULL, or why not. */
static const char *
einsum_read(einsum *e, part *parts, part *result)
{
    toffee_c2 *c = e->c;
    const char *at = toffee_c2_attr_text(c, "equation", "");
    size_t letters = 0;

    for (size_t i = 0; i < c->node->inputs.n; i++) {
        const toffee_value *x = toffee_c2_input(c, i);
        const int64_t *dims = NULL;
        size_t dots = 0;

        if (!toffee_c2_dims(c, x, &dims)) {
            return "the sizes of its inputs are not known";
        }
        if (!term_read(&at, (size_t)toffee_c2_rank(x), &parts[i])) {
            return "its equation does not fit its inputs";
        }
        for (size_t k = 0; k < parts[i].n; k++) {
            int label = parts[i].labels[k];

            e->size[label] = dims[k] != 1 || e->size[label] == 0 ? dims[k] : e->size[label];
            dots += label >= EINSUM_LETTERS;
        }
        e->n_dots = dots > e->n_dots ? dots : e->n_dots;
        at += *at == ',';
    }
    if (strncmp(at, "->", 2) != 0) {
        result_implied(parts, c->node->inputs.n, e->n_dots, result);
        return *at == '\0' ? NULL : "its equation does not fit its inputs";
    }
    at += 2;
    for (const char *p = at; *p != '\0'; p++) {
        letters += isalpha((unsigned char)*p) != 0;
    }
    letters += strstr(at, "...") != NULL ? e->n_dots : 0;
    return term_read(&at, letters, result) && *at == '\0' ? NULL
                                                          : "its equation does not fit its inputs";
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Axis I of P goes away. */
static void
part_drop(part *p, size_t i)
{
    memmove(p->labels + i, p->labels + i + 1, (p->n - i - 1) * sizeof(*p->labels));
    p->n--;
}

/* A label twice in one operand means its diagonal, which ATen puts last. */
static void
part_diagonals(const einsum *e, part *p)
{
    for (size_t i = 0; i < p->n; i++) {
        for (size_t k = i + 1; k < p->n; k++) {
            int label = p->labels[i];

            if (p->labels[k] != label) {
                continue;
            }
            p->blob = toffee_c2_aten_int(e->c, "diagonal", p->blob, "offset", 0, NULL);
            toffee_c2_int(e->c, "dim1", (int64_t)i);
            toffee_c2_int(e->c, "dim2", (int64_t)k);
            part_drop(p, k);
            part_drop(p, i);
            p->labels[p->n++] = label;
            i = (size_t)-1; /* from the start */
            break;
        }
    }
}

/* P as large as the labels are. */
static void
part_expand(const einsum *e, part *p, const int64_t *dims)
{
    int64_t sizes[EINSUM_MAX_RANK];
    bool same = true;

    for (size_t i = 0; i < p->n; i++) {
        sizes[i] = e->size[p->labels[i]];
        same = same && dims[i] == sizes[i];
    }
    if (!same) {
        p->blob = toffee_c2_aten_ints(e->c, "expand", p->blob, "size", sizes, p->n, NULL);
    }
}

/* Sums the labels of P that neither KEPT nor OTHER (may be NULL) has. */
static void
part_sum(const einsum *e, part *p, const bool *kept, const part *other)
{
    int64_t axes[EINSUM_MAX_RANK];
    size_t n = 0;
    part left = {.blob = p->blob};

    for (size_t i = 0; i < p->n; i++) {
        if (kept[p->labels[i]] || (other != NULL && part_has(other, p->labels[i]))) {
            left.labels[left.n++] = p->labels[i];
        }
        else {
            axes[n++] = (int64_t)i;
        }
    }
    if (n != 0) {
        left.blob = toffee_c2_aten_ints(e->c, "sum", p->blob, "dim", axes, n, NULL);
        toffee_c2_int(e->c, "keepdim", 0);
    }
    *p = left;
}

/* P with its axes in the order of ORDER, which has the same labels. */
static const char *
part_permute(const einsum *e, const part *p, const part *order, const char *dst)
{
    int64_t perm[EINSUM_MAX_RANK];
    bool same = true;

    for (size_t i = 0; i < order->n; i++) {
        for (size_t k = 0; k < p->n; k++) {
            if (p->labels[k] == order->labels[i]) {
                perm[i] = (int64_t)k;
            }
        }
        same = same && perm[i] == (int64_t)i;
    }
    if (same) {
        return dst == NULL ? p->blob : toffee_c2_op1(e->c, "Copy", p->blob, dst);
    }
    return toffee_c2_permute(e->c, p->blob, perm, order->n, dst);
}

/* Appends to OUT the labels of P that are in OTHER or not, as SHARED says, and kept or not. Returns
 * the product of their sizes. */
static int64_t
part_collect(const einsum *e, const part *p, const part *other, const bool *kept, bool shared,
             bool stays, part *out)
{
    int64_t product = 1;

    for (size_t i = 0; i < p->n; i++) {
        int label = p->labels[i];

        if (part_has(other, label) == shared && kept[label] == stays && out->n < EINSUM_MAX_RANK) {
            out->labels[out->n++] = label;
            product = toffee_c2_product((int64_t[]){product, e->size[label]}, 0, 2);
        }
    }
    return product;
}

/* A times B, summed over what both have and nobody keeps. False: too many axes. */
static bool
part_multiply(const einsum *e, part *a, const part *b, const bool *kept)
{
    toffee_c2 *c = e->c;
    part order_a = {0};
    part order_b = {0};
    part result = {0};
    int64_t batch = part_collect(e, a, b, kept, true, true, &order_a);
    int64_t rows = part_collect(e, a, b, kept, false, true, &order_a);
    int64_t inner = part_collect(e, a, b, kept, true, false, &order_a);
    int64_t columns = 1;
    int64_t dims[EINSUM_MAX_RANK];

    /* The shared labels of B in the order of A. */
    (void)part_collect(e, a, b, kept, true, true, &order_b);
    (void)part_collect(e, a, b, kept, true, false, &order_b);
    columns = part_collect(e, b, a, kept, false, true, &order_b);
    (void)part_collect(e, a, b, kept, true, true, &result);
    (void)part_collect(e, a, b, kept, false, true, &result);
    if (result.n + (order_b.n - (order_a.n - result.n)) > EINSUM_MAX_RANK) {
        return false;
    }
    (void)part_collect(e, b, a, kept, false, true, &result);
    for (size_t i = 0; i < result.n; i++) {
        dims[i] = e->size[result.labels[i]];
    }
    const char *left = toffee_c2_view(c, part_permute(e, a, &order_a, NULL),
                                      (int64_t[]){batch, rows, inner}, 3, NULL);
    const char *right = toffee_c2_view(c, part_permute(e, b, &order_b, NULL),
                                       (int64_t[]){batch, inner, columns}, 3, NULL);

    result.blob = toffee_c2_aten2(c, "bmm", left, right, NULL);
    result.blob = toffee_c2_view(c, result.blob, dims, result.n, NULL);
    *a = result;
    return true;
}

/* What the result and the operands from FIRST on have. */
static void
einsum_kept(const part *parts, size_t first, size_t n, const part *result, bool *kept)
{
    memset(kept, 0, EINSUM_LABELS * sizeof(*kept));
    for (size_t i = 0; i < result->n; i++) {
        kept[result->labels[i]] = true;
    }
    for (size_t i = first; i < n; i++) {
        for (size_t k = 0; k < parts[i].n; k++) {
            kept[parts[i].labels[k]] = true;
        }
    }
}

static toffee_code
aten_einsum(toffee_c2 *c, const toffee_c2_rule *rule)
{
    einsum e = {.c = c};
    size_t n = c->node->inputs.n;
    part *parts = toffee_arena_calloc(c->arena, n + 1, sizeof(*parts));
    part result = {0};
    bool kept[EINSUM_LABELS];
    bool whole = toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_INDEX);
    const char *why = NULL;
    const char *y = NULL;

    (void)rule;
    if (parts == NULL) {
        c->rc = toffee_fail_nomem(c->st);
        return c->rc;
    }
    if (n == 0 ||
        !toffee_c2_is(toffee_c2_input(c, 0), TOFFEE_C2_REALS | TOFFEE_C2_BIT(TOFFEE_DTYPE_INT64))) {
        return toffee_c2_decline(c, "PyTorch 1.10 has no such products of this dtype");
    }
    why = einsum_read(&e, parts, &result);
    if (why != NULL) {
        return toffee_c2_decline(c, why);
    }
    for (size_t i = 0; i < n; i++) {
        const int64_t *dims = NULL;

        parts[i].blob = toffee_c2_wide_x(c, i);
        if (!toffee_c2_dims(c, toffee_c2_input(c, i), &dims)) {
            return toffee_c2_decline(c, "the sizes of its inputs are not known");
        }
        if (whole && toffee_c2_product(dims, 0, parts[i].n) == 0) {
            return toffee_c2_decline(c,
                                     "PyTorch 1.10 is wrong about integer products over nothing");
        }
        part_expand(&e, &parts[i], dims);
        part_diagonals(&e, &parts[i]);
    }
    for (size_t i = 1; i < n; i++) {
        einsum_kept(parts, i + 1, n, &result, kept);
        part_sum(&e, &parts[0], kept, &parts[i]);
        part_sum(&e, &parts[i], kept, &parts[0]);
        if (!part_multiply(&e, &parts[0], &parts[i], kept)) {
            return toffee_c2_decline(c, "it has too many axes");
        }
    }
    einsum_kept(parts, n, n, &result, kept);
    part_sum(&e, &parts[0], kept, NULL);
    if (parts[0].n != result.n) {
        return toffee_c2_decline(c, "its equation does not fit its inputs");
    }
    y = toffee_c2_wide_y(c, 0);
    part_permute(&e, &parts[0], &result, y);
    toffee_c2_wide_done(c, 0, y);
    return toffee_c2_done(c);
}

static const toffee_c2_rule rows[] = {
    {"Einsum", NULL, NULL, aten_einsum, "bmm, sum, permute"},
};

const toffee_c2_family toffee_c2_rules_einsum = {rows, TOFFEE_COUNTOF(rows)};
