/* csrc/size/fit_clamp.c -- sizes with a bound, and where the last of equal parts begins. See Note
 * [Fitting] in fit.h.
 *
 * What is bounded has a bend, and is right on both sides of it only if both were seen: two sizes
 * where the bound holds and two where it does not, three if what is bounded is divided:
 * -((n + 1)//8) is max(-(n//7), -4) up to 38. At its bottom one is enough: a symbol is never less
 * than 1. */
#include <string.h>

#include "size/fit.h"
#include "size/fitter.h"
#include "size/row.h"

/* Largest divisor of what is bounded, and largest number of parts. */
#define MAX_DIVISOR 8

/* e // d or, with IS_CEILING, ceil(e / d). */
static bool
row_quotient(size_t n, const int64_t *e, int64_t d, bool is_ceiling, int64_t *out)
{
    for (size_t p = 0; p < n; p++) {
        if (!toffee_size_floor_div(e[p], d, &out[p])) {
            return false;
        }
        out[p] += is_ceiling && out[p] * d != e[p] ? 1 : 0;
    }
    return true;
}

static toffee_code
make_quotient(toffee_fitter *f, const toffee_expr *e, int64_t d, bool is_ceiling,
              const toffee_expr **out)
{
    const toffee_expr *by = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, d, &by, f->st));
    TOFFEE_RETURN_IF_ERROR(toffee_fitter_scaled(f, e, 1, 1, is_ceiling ? d - 1 : 0, out));
    return toffee_expr_quotient(f->pool, *out, by, out, f->st);
}

/* ---- bounds -----------------------------------------------------------------------------------
 */

/* The different numbers E where A[p] > B[p]; *HAS_ONE: 1 is among them. */
static size_t
count_above(size_t n, const int64_t *e, const int64_t *a, const int64_t *b, int64_t *work,
            bool *has_one)
{
    size_t count = 0;

    *has_one = false;
    for (size_t p = 0; p < n; p++) {
        if (a[p] > b[p]) {
            work[count++] = e[p];
            *has_one = *has_one || e[p] == 1;
        }
    }
    return toffee_row_distinct(count, work);
}

/* The greater or the less of two bases. No number is free. */
static toffee_code
fit_one_of(toffee_fitter *f, const int64_t *v, int64_t *row, const toffee_expr **out)
{
    size_t n = f->pool->n_points;

    for (size_t i = 0; i < f->n * f->n && *out == NULL; i++) {
        const toffee_expr *a = f->bases[i / f->n];
        const toffee_expr *b = f->bases[i % f->n];
        bool is_max = true;
        bool is_min = true;
        bool has_one = false;

        for (size_t p = 0; p < n; p++) {
            bool is_a = a->samples[p] > b->samples[p];

            is_max = is_max && v[p] == (is_a ? a : b)->samples[p];
            is_min = is_min && v[p] == (is_a ? b : a)->samples[p];
        }
        if ((is_max || is_min) && i / f->n < i % f->n &&
            count_above(n, a->samples, a->samples, b->samples, row, &has_one) >= 2 &&
            count_above(n, b->samples, b->samples, a->samples, row, &has_one) >= 2) {
            TOFFEE_RETURN_IF_ERROR(is_max ? toffee_expr_max(f->pool, a, b, out, f->st)
                                          : toffee_expr_min(f->pool, a, b, out, f->st));
        }
    }
    return TOFFEE_OK;
}

/* Whether EXPR is a symbol or a product of some, and so never less than 1. */
static bool
is_product_of_symbols(const toffee_expr *expr)
{
    bool is_product = expr->n == 1 && expr->terms[0].n != 0 && expr->terms[0].coefficient == 1;

    for (size_t i = 0; is_product && i < expr->terms[0].n; i++) {
        is_product = expr->terms[0].atoms[i]->kind == TOFFEE_ATOM_SYMBOL;
    }
    return is_product;
}

/* max(Q + *B, *C) or, without IS_MAX, min of these, where Q rises with E; both numbers are read off
 * the ends. IS_DOUBT: it may be; else enough is seen of both. */
static bool
is_clamped(size_t n, const int64_t *v, const toffee_expr *expr, const int64_t *q, bool is_max,
           bool is_doubt, int64_t *row, int64_t *b, int64_t *c)
{
    const int64_t *e = expr->samples;
    size_t low = 0;
    size_t high = 0;
    size_t n_bent = 0;
    size_t n_straight = 0;
    size_t enough = 0;
    bool has_one = false;
    bool one_is_bent = false;
    bool is_symbol = is_product_of_symbols(expr);
    bool bare = true;
    int64_t *line = row + n;
    int64_t *bound = row + 2 * n;

    for (size_t p = 1; p < n; p++) {
        low = e[p] < e[low] ? p : low;
        high = e[p] > e[high] ? p : high;
    }
    if (__builtin_sub_overflow(v[is_max ? high : low], q[is_max ? high : low], b)) {
        return false;
    }
    *c = v[is_max ? low : high];
    for (size_t p = 0; p < n; p++) {
        bound[p] = *c;
        bare = bare && q[p] == e[p];
        if (__builtin_add_overflow(q[p], *b, &line[p]) ||
            v[p] != ((line[p] > *c) == is_max ? line[p] : *c)) {
            return false;
        }
    }
    enough = bare && *b == 0 ? 2 : 3;
    /* In the straight part the quotients count, of which several sizes may have the same. */
    n_straight = is_max ? count_above(n, q, line, bound, row, &has_one)
                        : count_above(n, q, bound, line, row, &has_one);
    n_bent = is_max ? count_above(n, e, bound, line, row, &has_one)
                    : count_above(n, e, line, bound, row, &one_is_bent);
    if (is_doubt) {
        return n_straight >= 4 && n_bent >= 1;
    }
    if (is_max && is_symbol && has_one && n_bent == 1) {
        return n_straight >= enough; /* 1 is alone below the bend, where no other size can be */
    }
    if (!is_max && is_symbol && bare && n_straight == 1 && e[low] == 1 && *c == 2 + *b) {
        return n_bent >= 2; /* and here, where 2 is at the bend */
    }
    return n_straight >= enough && n_bent >= (bare || (is_max && is_symbol && has_one) ? 2 : 3);
}

/* SIGN times the greater (IS_MAX) or the less of e // d + b, also with the ceiling, and c. */
typedef struct {
    const toffee_expr *e;
    int64_t d, b, c, sign;
    bool is_ceiling;
    bool is_max;
} bounded;

static toffee_code
make_bounded(toffee_fitter *f, const bounded *found, const toffee_expr **out)
{
    int64_t sign = found->sign;
    const toffee_expr *number = NULL;
    const toffee_expr *line = NULL;

    TOFFEE_RETURN_IF_ERROR(make_quotient(f, found->e, found->d, found->is_ceiling, &line));
    TOFFEE_RETURN_IF_ERROR(toffee_fitter_scaled(f, line, sign, 1, sign * found->b, &line));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, sign * found->c, &number, f->st));
    return found->is_max == (sign > 0) ? toffee_expr_max(f->pool, line, number, out, f->st)
                                       : toffee_expr_min(f->pool, line, number, out, f->st);
}

/* *DIFFERS becomes true if FOUND, which may be what was seen, is something else than AGAINST at
 * other sizes. */
static toffee_code
doubt(toffee_fitter *f, const bounded *found, const toffee_expr *against, bool *differs)
{
    const toffee_expr *other = NULL;

    TOFFEE_RETURN_IF_ERROR(make_bounded(f, found, &other));
    *differs = *differs || (other != NULL && !toffee_fit_agree(f->pool, against, other));
    return TOFFEE_OK;
}

/* SIGN * V is bounded. Where several divisors would do, none is taken. With AGAINST nothing is
 * taken, and *DIFFERS is set by any form that may be. */
static toffee_code
fit_bounded(toffee_fitter *f, const int64_t *v, int64_t sign, const toffee_expr *against,
            int64_t *row, bool *differs, const toffee_expr **out)
{
    size_t n = f->pool->n_points;
    int64_t *q = row + 3 * n;

    for (size_t i = 0; i < 2 * (f->n + f->pool->pairs.n) && *out == NULL && !*differs; i++) {
        const toffee_expr *e = i / 2 < f->n ? f->bases[i / 2] : f->pool->pairs.data[i / 2 - f->n];
        bounded best = {0};
        size_t n_fits = 0;

        for (int64_t k = 1; k < 2 * MAX_DIVISOR && !*differs; k++) {
            bounded found = {.e = e,
                             .d = k / 2 + 1,
                             .sign = sign,
                             .is_ceiling = k % 2 == 0,
                             .is_max = i % 2 == 0};

            if (!row_quotient(n, e->samples, found.d, found.is_ceiling, q) ||
                !is_clamped(n, v, e, q, found.is_max, against != NULL, row, &found.b, &found.c)) {
                continue;
            }
            n_fits++;
            best = found;
            if (against != NULL) {
                TOFFEE_RETURN_IF_ERROR(doubt(f, &found, against, differs));
            }
        }
        if (n_fits == 1 && against == NULL) {
            TOFFEE_RETURN_IF_ERROR(make_bounded(f, &best, out));
        }
    }
    return TOFFEE_OK;
}

/* toffee_fit_clamp; with AGAINST only whether another form may be. */
static toffee_code
fit_clamp(toffee_fitter *f, const int64_t *v, const toffee_expr *against, bool *differs,
          const toffee_expr **out)
{
    size_t n = f->pool->n_points;
    int64_t *rows = NULL;
    int64_t *negative = NULL;

    if (toffee_row_distinct(n, v) < 2) {
        return TOFFEE_OK;
    }
    rows = toffee_arena_calloc(f->pool->arena, 5 * n, sizeof(*rows));
    if (rows == NULL) {
        return toffee_fail_nomem(f->st);
    }
    negative = rows + 4 * n; /* of 0 so far */
    if (against == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_one_of(f, v, rows, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_bounded(f, v, 1, against, rows, differs, out));
    }
    if (*out == NULL && !*differs && toffee_row_add(n, negative, -1, v, negative)) {
        TOFFEE_RETURN_IF_ERROR(fit_bounded(f, negative, -1, against, rows, differs, out));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_fit_clamp(toffee_fitter *f, const int64_t *v, const toffee_expr **out)
{
    bool differs = false;

    return fit_clamp(f, v, NULL, &differs, out);
}

toffee_code
toffee_fit_doubt(toffee_fitter *f, const int64_t *v, const toffee_expr *found, bool *differs)
{
    const toffee_expr *none = NULL;

    return fit_clamp(f, v, found, differs, &none);
}

/* ---- parts ------------------------------------------------------------------------------------
 */

/* Where the last part begins: (e - 1) // PART * PART. */
static bool
is_last_part(size_t n, const int64_t *v, const int64_t *e, const int64_t *part, bool is_length)
{
    for (size_t p = 0; p < n; p++) {
        int64_t whole = part[p] > 0 && e[p] > 0 ? (e[p] - 1) / part[p] * part[p] : -1;

        if (whole < 0 || v[p] != (is_length ? e[p] - whole : whole)) {
            return false;
        }
    }
    return true;
}

toffee_code
toffee_fit_last_part(toffee_fitter *f, const int64_t *v, int64_t *row, const toffee_expr **out)
{
    size_t n = f->pool->n_points;

    if (toffee_row_distinct(n, v) < 3) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < f->n && *out == NULL; i++) {
        const toffee_expr *e = f->bases[i];
        int best = 0;
        size_t n_fits = 0;
        const toffee_expr *part = NULL;
        const toffee_expr *one = NULL;

        /* The lengths of parts: the ceiling of e/d as of chunk, max(e // d, 1) as of split; and v
         * is where the last begins, or how long it is. */
        for (int k = 0; k < 4 * (MAX_DIVISOR - 1) && f->distinct[i] >= 4; k++) {
            if (!row_quotient(n, e->samples, k / 4 + 2, k % 2 == 0, row)) {
                continue;
            }
            for (size_t p = 0; p < n; p++) {
                row[p] = row[p] > 1 ? row[p] : 1;
            }
            if (is_last_part(n, v, e->samples, row, k / 2 % 2 != 0)) {
                n_fits++;
                best = k;
            }
        }
        if (n_fits != 1) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 1, &one, f->st));
        TOFFEE_RETURN_IF_ERROR(make_quotient(f, e, best / 4 + 2, best % 2 == 0, &part));
        if (best % 2 != 0) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_max(f->pool, part, one, &part, f->st));
        }
        TOFFEE_RETURN_IF_ERROR(toffee_fitter_scaled(f, e, 1, 1, -1, out));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(f->pool, *out, part, out, f->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, *out, part, out, f->st));
        if (best / 2 % 2 != 0) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, e, -1, *out, out, f->st));
        }
    }
    return TOFFEE_OK;
}
