/* csrc/size/fit.c -- whole numbers that were seen, as expressions. See Note [Fitting]. */
#include <stdlib.h>
#include <string.h>

#include "size/fit.h"
#include "size/fitter.h"
#include "size/row.h"

/* Of what was only met before, multiples and offsets up to these are believed. */
#define MAX_KNOWN_MULTIPLE 4096
#define MAX_KNOWN_OFFSET 64
/* Factors and summands that are taken off before the rest is fitted. */
#define MAX_DEPTH 2
#define ROWS_PER_DEPTH 3
/* Values that must have been seen of what is no symbol for its quotients to be usual. */
#define USUAL_VALUES 5
/* Symbols whose sums and products are divided. */
#define MAX_PAIRED 4

/* ---- what is known ----------------------------------------------------------------------------
 */

toffee_code
toffee_fit_remember(toffee_exprs *pool, const toffee_expr *expr, toffee_status *st)
{
    if (expr == NULL || toffee_fit_find(pool, expr->samples) != NULL) {
        return TOFFEE_OK;
    }
    if (!TOFFEE_VEC_PUSH(pool->arena, &pool->known, expr) ||
        !toffee_expr_table_add(pool->arena, &pool->by_samples,
                               toffee_size_hash(0, expr->samples, pool->n_points), expr)) {
        return toffee_fail_nomem(st);
    }
    return TOFFEE_OK;
}

const toffee_expr *
toffee_fit_find(const toffee_exprs *pool, const int64_t *samples)
{
    const toffee_expr_table *table = &pool->by_samples;
    uint64_t hash = toffee_size_hash(0, samples, pool->n_points);

    for (size_t at = hash; table->n_slots != 0; at++) {
        const toffee_expr_slot *slot = &table->slots[at & (table->n_slots - 1)];

        if (slot->expr == NULL ||
            (slot->hash == hash &&
             memcmp(slot->expr->samples, samples, pool->n_points * sizeof(*samples)) == 0)) {
            return slot->expr;
        }
    }
    return NULL;
}

const toffee_expr *
toffee_fit_known(const toffee_exprs *pool, const int64_t *samples)
{
    return toffee_row_tells(pool->n_points, samples) ? toffee_fit_find(pool, samples) : NULL;
}

/* Whether EXPR is a symbol or a derived size. */
static bool
is_atom(const toffee_expr *expr)
{
    const toffee_atom *atom = toffee_expr_atom(expr);

    return atom != NULL && atom->left == NULL;
}

/* The sums and products of two symbols, and squares, as arguments of quotients; once for each set
 * of symbols. */
static toffee_code
pool_pair(toffee_exprs *pool, toffee_status *st)
{
    if (pool->n_paired == pool->bases.n) {
        return TOFFEE_OK;
    }
    pool->pairs.n = 0;
    for (size_t i = 0; i < pool->bases.n && i < MAX_PAIRED; i++) {
        for (size_t k = i; k < pool->bases.n && k < MAX_PAIRED; k++) {
            const toffee_expr *both[2] = {NULL, NULL};

            if (!is_atom(pool->bases.data[i]) || !is_atom(pool->bases.data[k])) {
                continue;
            }
            if (k != i) {
                TOFFEE_RETURN_IF_ERROR(toffee_expr_add(pool, pool->bases.data[i], 1,
                                                       pool->bases.data[k], &both[0], st));
            }
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_mul(pool, pool->bases.data[i], pool->bases.data[k], &both[1], st));
            for (size_t j = 0; j < 2; j++) {
                if (both[j] != NULL && !toffee_row_constant(pool->n_points, both[j]->samples) &&
                    !TOFFEE_VEC_PUSH(pool->arena, &pool->pairs, both[j])) {
                    return toffee_fail_nomem(st);
                }
            }
        }
    }
    pool->n_paired = pool->bases.n;
    return TOFFEE_OK;
}

/* ---- one fit ----------------------------------------------------------------------------------
 */

static void
fitter_add(toffee_fitter *f, const toffee_expr *expr)
{
    if (expr == NULL || f->n == TOFFEE_FITTER_MAX_BASES ||
        toffee_row_constant(f->pool->n_points, expr->samples) ||
        !toffee_row_tells(f->pool->n_points, expr->samples)) {
        return;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (f->bases[i] == expr) {
            return;
        }
    }
    f->distinct[f->n] = toffee_row_distinct(f->pool->n_points, expr->samples);
    f->bases[f->n++] = expr;
}

toffee_code
toffee_fitter_scaled(toffee_fitter *f, const toffee_expr *e, int64_t a, int64_t d, int64_t b,
                     const toffee_expr **out)
{
    const toffee_expr *by = NULL;
    const toffee_expr *zero = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 0, &zero, f->st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, zero, a, e, out, f->st));
    if (d != 1) {
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, d, &by, f->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(f->pool, *out, by, out, f->st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 1, &by, f->st));
    return toffee_expr_add(f->pool, *out, b, by, out, f->st);
}

/* a * e, and a * e + b. Two values of e tell one free number, three tell two. */
static toffee_code
fit_affine(toffee_fitter *f, const int64_t *v, const toffee_expr **out)
{
    size_t n_known = f->pool->known.n;

    for (size_t i = 0; i < f->n + n_known; i++) {
        const toffee_expr *e = i < f->n ? f->bases[i] : f->pool->known.data[i - f->n];
        int64_t a = 0;
        int64_t d = 0;

        if (toffee_row_ratio(f->pool->n_points, v, e->samples, &a, &d) && d == 1 &&
            toffee_row_tells(f->pool->n_points, e->samples) &&
            (i < f->n || (a <= MAX_KNOWN_MULTIPLE && a >= -MAX_KNOWN_MULTIPLE &&
                          !toffee_row_constant(f->pool->n_points, e->samples)))) {
            return toffee_fitter_scaled(f, e, a, 1, 0, out);
        }
    }
    for (size_t i = 0; i < f->n + n_known; i++) {
        const toffee_expr *e = i < f->n ? f->bases[i] : f->pool->known.data[i - f->n];
        bool is_base = i < f->n;
        int64_t a = 0;
        int64_t b = 0;

        if (!toffee_row_line(f->pool->n_points, v, e->samples, &a, &b) ||
            !toffee_row_tells(f->pool->n_points, e->samples)) {
            continue;
        }
        if (is_base ? a == 1 || f->distinct[i] >= 3
                    : a == 1 && b <= MAX_KNOWN_OFFSET && b >= -MAX_KNOWN_OFFSET &&
                          toffee_row_distinct(f->pool->n_points, e->samples) >= 3) {
            return toffee_fitter_scaled(f, e, a, 1, b, out);
        }
    }
    return TOFFEE_OK;
}

/* a * e / d where nothing is ever lost. */
static toffee_code
fit_ratio(toffee_fitter *f, const int64_t *v, const toffee_expr **out)
{
    for (size_t i = 0; i < f->n; i++) {
        int64_t a = 0;
        int64_t d = 0;

        if (toffee_row_ratio(f->pool->n_points, v, f->bases[i]->samples, &a, &d) &&
            (a == 1 || f->distinct[i] > 2)) {
            return toffee_fitter_scaled(f, f->bases[i], a, d, 0, out);
        }
    }
    return TOFFEE_OK;
}

/* V - PRODUCT (in REST) as a number, or as something known, added or taken away. */
static toffee_code
fit_rest(toffee_fitter *f, const int64_t *v, const int64_t *product, int64_t *rest,
         const toffee_expr **out)
{
    const toffee_expr *known = NULL;
    const toffee_expr *zero = NULL;

    *out = NULL;
    if (!toffee_row_add(f->pool->n_points, v, -1, product, rest)) {
        return TOFFEE_OK;
    }
    if (toffee_row_constant(f->pool->n_points, rest)) {
        return toffee_row_distinct(f->pool->n_points, product) >= 3
                   ? toffee_expr_number(f->pool, rest[0], out, f->st)
                   : TOFFEE_OK;
    }
    *out = toffee_fit_known(f->pool, rest);
    if (*out == NULL && toffee_row_add(f->pool->n_points, product, -1, v, rest)) {
        known = toffee_fit_known(f->pool, rest);
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 0, &zero, f->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, zero, -1, known, out, f->st));
    }
    return TOFFEE_OK;
}

/* With IS_MULTIPLE multiples and whole fractions of products of two; else a product plus a number
 * or something known. */
static toffee_code
fit_product(toffee_fitter *f, const int64_t *v, bool is_multiple, int64_t *product, int64_t *row,
            const toffee_expr **out)
{
    for (size_t i = 0; i < f->n * f->n && *out == NULL; i++) {
        const toffee_expr *left = f->bases[i / f->n];
        const toffee_expr *right = f->bases[i % f->n];
        const toffee_expr *e = NULL;
        const toffee_expr *rest = NULL;
        int64_t a = 0;
        int64_t d = 0;

        if (i % f->n < i / f->n ||
            !toffee_row_mul(f->pool->n_points, left->samples, right->samples, product) ||
            toffee_row_constant(f->pool->n_points, product)) {
            continue;
        }
        if (is_multiple) {
            if (toffee_row_ratio(f->pool->n_points, v, product, &a, &d)) {
                TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, left, right, &e, f->st));
                TOFFEE_RETURN_IF_ERROR(toffee_fitter_scaled(f, e, a, d, 0, out));
            }
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(fit_rest(f, v, product, row, &rest));
        if (rest != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, left, right, &e, f->st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, e, 1, rest, out, f->st));
        }
        else if (left == right && toffee_row_add(f->pool->n_points, v, 1, v, row)) {
            /* n * (n - 1) / 2, the number of pairs */
            const int64_t *twice = row;
            int64_t plus = 0;

            if (toffee_row_add(f->pool->n_points, twice, -1, product, row) &&
                toffee_row_ratio(f->pool->n_points, row, left->samples, &plus, &d) && d == 1 &&
                llabs(plus) == 1) {
                TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, left, left, &e, f->st));
                TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, e, plus, left, &e, f->st));
                TOFFEE_RETURN_IF_ERROR(toffee_fitter_scaled(f, e, 1, 2, 0, out));
            }
        }
    }
    return TOFFEE_OK;
}

static toffee_code fit_whole(toffee_fitter *f, const int64_t *v, size_t depth,
                             const toffee_expr **out);

/* A base times what can be fitted; and base + rest, rest - base, base - rest. */
static toffee_code
fit_compound(toffee_fitter *f, const int64_t *v, size_t depth, const toffee_expr **out)
{
    int64_t *row = f->pool->rows[depth * ROWS_PER_DEPTH];
    int64_t *other = f->pool->rows[depth * ROWS_PER_DEPTH + 1];
    const toffee_expr *rest = NULL;
    const toffee_expr *zero = NULL;
    static const struct {
        int64_t of_v, of_base; /* the rest is their sum */
    } sides[] = {{1, -1}, {1, 1}, {-1, 1}};

    for (size_t i = 0; i < f->n && *out == NULL; i++) {
        if (toffee_row_divide(f->pool->n_points, v, f->bases[i]->samples, row)) {
            TOFFEE_RETURN_IF_ERROR(fit_whole(f, row, depth + 1, &rest));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, f->bases[i], rest, out, f->st));
        }
    }
    if (*out == NULL && depth == 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit_negative(f, v, row, other, out));
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(sides) * f->n && *out == NULL && depth == 0; i++) {
        const toffee_expr *base = f->bases[i / TOFFEE_COUNTOF(sides)];
        int64_t of_v = sides[i % TOFFEE_COUNTOF(sides)].of_v;
        int64_t of_base = sides[i % TOFFEE_COUNTOF(sides)].of_base;
        bool ambiguous = false;
        bool usual = false;

        /* Only quotients and remainders: sums and products were looked for as a whole. */
        rest = NULL;
        memset(other, 0, f->pool->n_points * sizeof(*other));
        if (toffee_row_add(f->pool->n_points, other, of_v, v, row) &&
            toffee_row_add(f->pool->n_points, row, of_base, base->samples, row)) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_fit_by_number(f, row, true, other, &ambiguous, &usual, &rest));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, rest, -of_base, base, &rest, f->st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 0, &zero, f->st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, zero, of_v, rest, out, f->st));
        }
    }
    return TOFFEE_OK;
}

static toffee_code
fit_whole(toffee_fitter *f, const int64_t *v, size_t depth, const toffee_expr **out)
{
    int64_t *row = f->pool->rows[depth * ROWS_PER_DEPTH + 1];
    int64_t *other = f->pool->rows[depth * ROWS_PER_DEPTH + 2];
    bool ambiguous = false;
    bool divided = false;
    bool usual = false;

    *out = NULL;
    if (toffee_row_constant(f->pool->n_points, v)) {
        return toffee_expr_number(f->pool, v[0], out, f->st);
    }
    for (size_t i = 0; i < f->n && *out == NULL; i++) {
        *out = toffee_row_same(f->pool->n_points, f->bases[i]->samples, v) ? f->bases[i] : NULL;
    }
    *out = *out != NULL ? *out : toffee_fit_known(f->pool, v);
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_affine(f, v, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_product(f, v, true, row, other, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit_sum(f, v, row, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_ratio(f, v, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_product(f, v, false, row, other, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit_bilinear(f, v, row, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit_by_size(f, v, row, &ambiguous, out));
    }
    if (*out == NULL && !ambiguous) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit_by_number(f, v, depth > 0, row, &ambiguous, &usual, out));
        divided = *out != NULL && !usual;
    }
    if (*out == NULL && !ambiguous) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit_clamp(f, v, out));
        divided = *out != NULL;
    }
    if (divided) { /* (n + 11)//14 may be max(size//3, 1) */
        const toffee_expr *negative = NULL;

        TOFFEE_RETURN_IF_ERROR(toffee_fit_doubt(f, v, *out, &ambiguous));
        TOFFEE_RETURN_IF_ERROR(toffee_fit_negative(f, v, row, other, &negative));
        toffee_fitter_take(f, negative, &ambiguous, out);
        *out = ambiguous ? NULL : *out;
    }
    if (*out == NULL && !ambiguous) {
        TOFFEE_RETURN_IF_ERROR(toffee_fit_last_part(f, v, row, out));
    }
    if (*out == NULL && depth < MAX_DEPTH && !ambiguous) {
        TOFFEE_RETURN_IF_ERROR(fit_compound(f, v, depth, out));
    }
    return TOFFEE_OK;
}

/* How many atoms of EXPR, also within others, are none of the first N; *LAST is one of them. */
static size_t
count_new(const toffee_expr *expr, size_t n, const toffee_atom **last)
{
    size_t n_new = 0;

    for (size_t i = 0; expr != NULL && i < expr->n; i++) {
        for (size_t k = 0; k < expr->terms[i].n; k++) {
            const toffee_atom *atom = expr->terms[i].atoms[k];

            n_new += count_new(atom->left, n, last) + count_new(atom->right, n, last);
            if (atom->index >= n) {
                n_new++;
                *last = atom;
            }
        }
    }
    return n_new;
}

/* How much EXPR says beyond the points, if the first N atoms were known before. */
static toffee_guess
guess_of(const toffee_exprs *pool, const toffee_expr *expr, size_t n)
{
    const toffee_atom *atom = NULL;
    size_t n_new = count_new(expr, n, &atom);
    const toffee_expr *of = n_new == 1 ? atom->left : NULL;

    if (n_new == 0) {
        return TOFFEE_GUESS_NONE;
    }
    if (of != NULL && toffee_expr_is_number(of, NULL)) {
        of = atom->right;
    }
    else if (of != NULL && !toffee_expr_is_number(atom->right, NULL)) {
        of = NULL;
    }
    return of != NULL && (toffee_expr_is_line(of) ||
                          toffee_row_distinct(pool->n_points, of->samples) >= USUAL_VALUES)
               ? TOFFEE_GUESS_USUAL
               : TOFFEE_GUESS_RARE;
}

toffee_code
toffee_fit_whole(toffee_exprs *pool, const int64_t *samples, const toffee_expr *const *hints,
                 size_t n_hints, const toffee_expr **out, toffee_status *st)
{
    toffee_fitter f = {.pool = pool, .st = st};
    size_t n_atoms = pool->atoms.n;

    *out = NULL;
    for (size_t i = 0; i < n_hints; i++) {
        if (hints[i] != NULL && toffee_row_same(pool->n_points, hints[i]->samples, samples) &&
            !toffee_row_constant(pool->n_points, samples)) {
            *out = hints[i];
            return TOFFEE_OK;
        }
    }
    for (size_t i = 0; i < n_hints; i++) {
        /* Half of the room is kept for the symbols. */
        fitter_add(&f, f.n < TOFFEE_FITTER_MAX_BASES / 2 ? hints[i] : NULL);
    }
    for (size_t i = 0; i < pool->bases.n; i++) {
        fitter_add(&f, pool->bases.data[i]);
    }
    TOFFEE_RETURN_IF_ERROR(pool_pair(pool, st));
    TOFFEE_RETURN_IF_ERROR(fit_whole(&f, samples, 0, out));
    if (*out != NULL && !toffee_row_same(pool->n_points, (*out)->samples, samples)) {
        *out = NULL; /* cannot be, but a wrong size would be worse than none */
    }
    if (*out != NULL) {
        toffee_guess guess = guess_of(pool, *out, n_atoms);

        pool->guess = guess > pool->guess ? guess : pool->guess;
    }
    return TOFFEE_OK;
}

static toffee_code
add_base(toffee_exprs *pool, const toffee_expr *expr, toffee_status *st)
{
    for (size_t i = 0; i < pool->bases.n; i++) {
        if (pool->bases.data[i] == expr) {
            return TOFFEE_OK;
        }
    }
    return TOFFEE_VEC_PUSH(pool->arena, &pool->bases, expr) ? TOFFEE_OK : toffee_fail_nomem(st);
}

toffee_code
toffee_fit_exact(toffee_exprs *pool, const int64_t *samples, const toffee_expr *const *hints,
                 size_t n_hints, const toffee_expr *exact, const toffee_expr **out,
                 toffee_status *st)
{
    toffee_guess before = pool->guess;

    TOFFEE_RETURN_IF_ERROR(toffee_fit_whole(pool, samples, hints, n_hints, out, st));
    if (exact != NULL) {
        pool->guess = before; /* whatever was found, nothing of it is left to guess */
        if (*out == NULL ||
            (!toffee_expr_is_number(*out, NULL) && !toffee_fit_agree(pool, *out, exact))) {
            *out = exact;
            /* A size that is no form of the symbols is one from which others are made. */
            return add_base(pool, exact, st);
        }
    }
    return TOFFEE_OK;
}

toffee_guess
toffee_fit_guess(const toffee_exprs *pool)
{
    return pool->guess;
}
