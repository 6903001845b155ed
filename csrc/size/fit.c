/* csrc/size/fit.c -- whole numbers that were seen, as expressions. See Note [Fitting]. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "size/fit.h"
#include "size/fit_division.h"
#include "size/pool.h"

/* Sizes that take part in every form; a further hint counts only if it is the answer itself. */
#define MAX_BASES 16
/* Of what was only met before, multiples and offsets up to these are believed. */
#define MAX_KNOWN_MULTIPLE 4096
#define MAX_KNOWN_OFFSET 64
/* Unknowns of a sum, and the points that it is solved from; it is held against all. */
#define MAX_SUMMANDS 8
#define MAX_EQUATIONS 24
/* Factors and summands that are taken off before the rest is fitted. */
#define MAX_DEPTH 2
#define ROWS_PER_DEPTH 3
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

/* ---- rows of samples --------------------------------------------------------------------------
 */

static bool
row_same(const toffee_exprs *pool, const int64_t *a, const int64_t *b)
{
    return memcmp(a, b, pool->n_points * sizeof(*a)) == 0;
}

static bool
row_constant(const toffee_exprs *pool, const int64_t *row)
{
    for (size_t p = 1; p < pool->n_points; p++) {
        if (row[p] != row[0]) {
            return false;
        }
    }
    return true;
}

/* What was remembered with the samples ROW, if these say anything. */
static const toffee_expr *
find_known(const toffee_exprs *pool, const int64_t *row)
{
    return toffee_fit_tells(row, pool->n_points) ? toffee_fit_find(pool, row) : NULL;
}

/* a + k * b */
static bool
row_add(const toffee_exprs *pool, const int64_t *a, int64_t k, const int64_t *b, int64_t *out)
{
    for (size_t p = 0; p < pool->n_points; p++) {
        int64_t product = 0;

        if (__builtin_mul_overflow(k, b[p], &product) ||
            __builtin_add_overflow(a[p], product, &out[p])) {
            return false;
        }
    }
    return true;
}

static bool
row_mul(const toffee_exprs *pool, const int64_t *a, const int64_t *b, int64_t *out)
{
    for (size_t p = 0; p < pool->n_points; p++) {
        if (__builtin_mul_overflow(a[p], b[p], &out[p])) {
            return false;
        }
    }
    return true;
}

/* a / b where b divides a at every point and is never 0. */
static bool
row_divide(const toffee_exprs *pool, const int64_t *a, const int64_t *b, int64_t *out)
{
    for (size_t p = 0; p < pool->n_points; p++) {
        if (!toffee_size_floor_div(a[p], b[p], &out[p]) || a[p] % b[p] != 0) {
            return false;
        }
    }
    return true;
}

/* Whether V is A * E / D exactly at every point, A / D in lowest terms and D positive; and E has
 * two values beside 0 if D is not 1. */
static bool
row_ratio(const toffee_exprs *pool, const int64_t *v, const int64_t *e, int64_t *a, int64_t *d)
{
    size_t at = 0;
    int64_t g = 0;
    bool is_told = false;

    while (at < pool->n_points && e[at] == 0) {
        at++;
    }
    if (at == pool->n_points || v[at] == INT64_MIN || e[at] == INT64_MIN) {
        return false;
    }
    g = toffee_size_gcd(v[at], e[at]) * (e[at] < 0 ? -1 : 1);
    *a = v[at] / g;
    *d = e[at] / g;
    for (size_t p = 0; p < pool->n_points; p++) {
        int64_t left = 0;
        int64_t right = 0;

        if (__builtin_mul_overflow(v[p], *d, &left) || __builtin_mul_overflow(e[p], *a, &right) ||
            left != right) {
            return false;
        }
        is_told = is_told || (e[p] != 0 && e[p] != e[at]);
    }
    return *d == 1 || is_told;
}

/* The sums and products of two symbols, as arguments of quotients; once for each set of symbols. */
static toffee_code
pool_pair(toffee_exprs *pool, toffee_status *st)
{
    if (pool->n_paired == pool->bases.n) {
        return TOFFEE_OK;
    }
    pool->pairs.n = 0;
    for (size_t i = 0; i < pool->bases.n && i < MAX_PAIRED; i++) {
        for (size_t k = i + 1; k < pool->bases.n && k < MAX_PAIRED; k++) {
            const toffee_expr *both[2] = {NULL, NULL};

            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_add(pool, pool->bases.data[i], 1, pool->bases.data[k], &both[0], st));
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_mul(pool, pool->bases.data[i], pool->bases.data[k], &both[1], st));
            for (size_t j = 0; j < 2; j++) {
                if (both[j] != NULL && !row_constant(pool, both[j]->samples) &&
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

typedef struct {
    toffee_exprs *pool;
    const toffee_expr *bases[MAX_BASES]; /* hints, symbols and derived sizes that vary */
    size_t distinct[MAX_BASES];          /* values that each has */
    size_t n;
    toffee_status *st;
} fitter;

static void
fitter_add(fitter *f, const toffee_expr *expr)
{
    if (expr == NULL || f->n == MAX_BASES || row_constant(f->pool, expr->samples) ||
        !toffee_fit_tells(expr->samples, f->pool->n_points)) {
        return;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (f->bases[i] == expr) {
            return;
        }
    }
    f->distinct[f->n] = toffee_fit_distinct(expr->samples, f->pool->n_points);
    f->bases[f->n++] = expr;
}

/* floor(a * e / d) + b */
static toffee_code
make_scaled(fitter *f, const toffee_expr *e, int64_t a, int64_t d, int64_t b,
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
fit_affine(fitter *f, const int64_t *v, const toffee_expr **out)
{
    size_t n_known = f->pool->known.n;

    for (size_t i = 0; i < f->n + n_known; i++) {
        const toffee_expr *e = i < f->n ? f->bases[i] : f->pool->known.data[i - f->n];
        int64_t a = 0;
        int64_t d = 0;

        if (row_ratio(f->pool, v, e->samples, &a, &d) && d == 1 &&
            toffee_fit_tells(e->samples, f->pool->n_points) &&
            (i < f->n || (a <= MAX_KNOWN_MULTIPLE && a >= -MAX_KNOWN_MULTIPLE &&
                          !row_constant(f->pool, e->samples)))) {
            return make_scaled(f, e, a, 1, 0, out);
        }
    }
    for (size_t i = 0; i < f->n + n_known; i++) {
        const toffee_expr *e = i < f->n ? f->bases[i] : f->pool->known.data[i - f->n];
        bool is_base = i < f->n;
        int64_t a = 0;
        int64_t b = 0;

        if (!toffee_fit_line(v, e->samples, f->pool->n_points, &a, &b) ||
            !toffee_fit_tells(e->samples, f->pool->n_points)) {
            continue;
        }
        if (is_base ? a == 1 || f->distinct[i] >= 3
                    : a == 1 && b <= MAX_KNOWN_OFFSET && b >= -MAX_KNOWN_OFFSET &&
                          toffee_fit_distinct(e->samples, f->pool->n_points) >= 3) {
            return make_scaled(f, e, a, 1, b, out);
        }
    }
    return TOFFEE_OK;
}

/* a * e / d where nothing is ever lost. */
static toffee_code
fit_ratio(fitter *f, const int64_t *v, const toffee_expr **out)
{
    for (size_t i = 0; i < f->n; i++) {
        int64_t a = 0;
        int64_t d = 0;

        if (row_ratio(f->pool, v, f->bases[i]->samples, &a, &d) && (a == 1 || f->distinct[i] > 2)) {
            return make_scaled(f, f->bases[i], a, d, 0, out);
        }
    }
    return TOFFEE_OK;
}

/* Solves sum(x[k] * columns[k]) + x[n] = v from the first points; false if they do not suffice to
 * tell all of X and one more to confirm it, or X is not whole. X is not yet held against V. */
static bool
solve(const toffee_exprs *pool, const int64_t *v, const int64_t *const *columns, size_t n,
      int64_t *x)
{
    double m[MAX_EQUATIONS][MAX_SUMMANDS + 2];
    size_t n_rows = pool->n_points < MAX_EQUATIONS ? pool->n_points : MAX_EQUATIONS;

    for (size_t p = 0; p < n_rows; p++) {
        for (size_t k = 0; k <= n; k++) {
            m[p][k] = k < n ? (double)columns[k][p] : 1.0;
        }
        m[p][n + 1] = (double)v[p];
    }
    for (size_t k = 0; k <= n; k++) {
        size_t best = k;

        if (k + 1 >= n_rows) {
            return false; /* nothing would be left to confirm */
        }
        for (size_t p = k; p < n_rows; p++) {
            best = fabs(m[p][k]) > fabs(m[best][k]) ? p : best;
        }
        if (fabs(m[best][k]) < 1e-9) {
            return false;
        }
        for (size_t j = 0; j < n + 2; j++) {
            double swapped = m[k][j];

            m[k][j] = m[best][j];
            m[best][j] = swapped;
        }
        for (size_t p = 0; p < n_rows; p++) {
            double factor = p != k ? m[p][k] / m[k][k] : 0;

            for (size_t j = k; factor != 0 && j < n + 2; j++) {
                m[p][j] -= factor * m[k][j];
            }
        }
    }
    for (size_t k = 0; k <= n; k++) {
        double value = m[k][n + 1] / m[k][k];

        if (!(fabs(value) < 1e15) || fabs(value - nearbyint(value)) > 1e-4) {
            return false;
        }
        x[k] = (int64_t)nearbyint(value);
    }
    return true;
}

/* The points where COLUMNS differ, so that runs at the same sizes do not count twice. */
static size_t
distinct_points(const toffee_exprs *pool, const int64_t *const *columns, size_t n)
{
    size_t count = 0;

    for (size_t p = 0; p < pool->n_points; p++) {
        bool is_new = true;

        for (size_t q = 0; q < p && is_new; q++) {
            size_t k = 0;

            while (k < n && columns[k][p] == columns[k][q]) {
                k++;
            }
            is_new = k < n;
        }
        count += is_new;
    }
    return count;
}

/* Whether both A and B left their first values at some point: else a product is like a sum. */
static bool
moved_together(const toffee_exprs *pool, const int64_t *a, const int64_t *b)
{
    for (size_t p = 1; p < pool->n_points; p++) {
        if (a[p] != a[0] && b[p] != b[0]) {
            return true;
        }
    }
    return false;
}

/* A sum of whole multiples of SUMMANDS and a number. */
static toffee_code
fit_sum_of(fitter *f, const int64_t *v, const toffee_expr *const *summands, size_t n, int64_t *row,
           const toffee_expr **out)
{
    const int64_t *columns[MAX_SUMMANDS];
    int64_t x[MAX_SUMMANDS + 1];

    for (size_t k = 0; k < n; k++) {
        columns[k] = summands[k]->samples;
    }
    if (distinct_points(f->pool, columns, n) < n + 2 || !solve(f->pool, v, columns, n, x)) {
        return TOFFEE_OK;
    }
    memcpy(row, v, f->pool->n_points * sizeof(*row));
    for (size_t k = 0; k < n; k++) {
        if (!row_add(f->pool, row, -x[k], columns[k], row)) {
            return TOFFEE_OK;
        }
    }
    if (!row_constant(f->pool, row) || row[0] != x[n]) {
        return TOFFEE_OK;
    }
    for (size_t k = 0; k < n; k++) {
        for (size_t j = k + 1; j < n; j++) {
            if (x[k] != 0 && x[j] != 0 && !moved_together(f->pool, columns[k], columns[j])) {
                return TOFFEE_OK;
            }
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, x[n], out, f->st));
    for (size_t k = 0; k < n; k++) {
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, *out, x[k], summands[k], out, f->st));
    }
    return TOFFEE_OK;
}

static toffee_code
fit_sum(fitter *f, const int64_t *v, int64_t *row, const toffee_expr **out)
{
    const toffee_expr *symbols[MAX_SUMMANDS];
    size_t n = 0;

    for (size_t i = 0; i < f->pool->bases.n && n < MAX_SUMMANDS; i++) {
        const toffee_expr *e = f->pool->bases.data[i];

        if (e->terms[0].atoms[0]->kind == TOFFEE_ATOM_SYMBOL &&
            !row_constant(f->pool, e->samples)) {
            symbols[n++] = e;
        }
    }
    if (n > 1) {
        TOFFEE_RETURN_IF_ERROR(fit_sum_of(f, v, symbols, n, row, out));
    }
    for (size_t i = 0; i < f->n && *out == NULL; i++) {
        const toffee_expr *e = f->bases[i];
        const toffee_expr *other = NULL;

        /* one and another: the length of what was concatenated */
        if (row_add(f->pool, v, -1, e->samples, row) &&
            (other = find_known(f->pool, row)) != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, e, 1, other, out, f->st));
        }
        else if (row_add(f->pool, e->samples, -1, v, row) &&
                 (other = find_known(f->pool, row)) != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, e, -1, other, out, f->st));
        }
    }
    for (size_t i = 0; i < f->n && f->n > 2; i++) {
        for (size_t k = i + 1; k < f->n && *out == NULL; k++) {
            const toffee_expr *pair[2] = {f->bases[i], f->bases[k]};

            TOFFEE_RETURN_IF_ERROR(fit_sum_of(f, v, pair, 2, row, out));
        }
    }
    return TOFFEE_OK;
}

/* V - PRODUCT (in REST) as a number, or as something known, added or taken away. */
static toffee_code
fit_rest(fitter *f, const int64_t *v, const int64_t *product, int64_t *rest,
         const toffee_expr **out)
{
    const toffee_expr *known = NULL;
    const toffee_expr *zero = NULL;

    *out = NULL;
    if (!row_add(f->pool, v, -1, product, rest)) {
        return TOFFEE_OK;
    }
    if (row_constant(f->pool, rest)) {
        return toffee_fit_distinct(product, f->pool->n_points) >= 3
                   ? toffee_expr_number(f->pool, rest[0], out, f->st)
                   : TOFFEE_OK;
    }
    *out = find_known(f->pool, rest);
    if (*out == NULL && row_add(f->pool, product, -1, v, rest)) {
        known = find_known(f->pool, rest);
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 0, &zero, f->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, zero, -1, known, out, f->st));
    }
    return TOFFEE_OK;
}

/* With IS_MULTIPLE multiples and whole fractions of products of two; else a product plus a number
 * or something known. */
static toffee_code
fit_product(fitter *f, const int64_t *v, bool is_multiple, int64_t *product, int64_t *row,
            const toffee_expr **out)
{
    for (size_t i = 0; i < f->n * f->n && *out == NULL; i++) {
        const toffee_expr *left = f->bases[i / f->n];
        const toffee_expr *right = f->bases[i % f->n];
        const toffee_expr *e = NULL;
        const toffee_expr *rest = NULL;
        int64_t a = 0;
        int64_t d = 0;

        if (i % f->n < i / f->n || !row_mul(f->pool, left->samples, right->samples, product) ||
            row_constant(f->pool, product)) {
            continue;
        }
        if (is_multiple) {
            if (row_ratio(f->pool, v, product, &a, &d)) {
                TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, left, right, &e, f->st));
                TOFFEE_RETURN_IF_ERROR(make_scaled(f, e, a, d, 0, out));
            }
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(fit_rest(f, v, product, row, &rest));
        if (rest != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, left, right, &e, f->st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, e, 1, rest, out, f->st));
        }
        else if (left == right && row_add(f->pool, v, 1, v, row)) {
            /* n * (n - 1) / 2, the number of pairs */
            const int64_t *twice = row;
            int64_t plus = 0;

            if (row_add(f->pool, twice, -1, product, row) &&
                row_ratio(f->pool, row, left->samples, &plus, &d) && d == 1 && llabs(plus) == 1) {
                TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, left, left, &e, f->st));
                TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, e, plus, left, &e, f->st));
                TOFFEE_RETURN_IF_ERROR(make_scaled(f, e, 1, 2, 0, out));
            }
        }
    }
    return TOFFEE_OK;
}

/* All of a + b*x + c*y + d*x*y, where there are points enough. */
static toffee_code
fit_bilinear(fitter *f, const int64_t *v, int64_t *row, const toffee_expr **out)
{
    const toffee_exprs *pool = f->pool;

    for (size_t i = 0; i < pool->bases.n && pool->n_points >= 4; i++) {
        for (size_t k = i; k < pool->bases.n && *out == NULL; k++) {
            const toffee_expr *summands[3] = {pool->bases.data[i], pool->bases.data[k], NULL};
            size_t n = i == k ? 1 : 2;

            if (row_constant(pool, summands[0]->samples) ||
                row_constant(pool, summands[1]->samples) || pool->n_points < n + 3) {
                continue;
            }
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_mul(f->pool, summands[0], summands[1], &summands[n], f->st));
            if (summands[n] != NULL) {
                TOFFEE_RETURN_IF_ERROR(fit_sum_of(f, v, summands, n + 1, row, out));
            }
        }
    }
    return TOFFEE_OK;
}

/* Quotients and remainders of one size by another, which leave no number free; and what was met
 * before, divided by a size without a remainder. */
static toffee_code
fit_division_by_size(fitter *f, const int64_t *v, int64_t *row, const toffee_expr **out)
{
    if (toffee_fit_distinct(v, f->pool->n_points) < 3) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < f->n * f->n && *out == NULL; i++) {
        const toffee_expr *e = f->bases[i / f->n];
        const toffee_expr *by = f->bases[i % f->n];
        bool is_floor = true;
        bool is_ceiling = true;
        bool is_remainder = true;
        bool is_missing = true;
        bool is_exact = false; /* somewhere: else a ceiling may be a floor and one */

        for (size_t p = 0; p < f->pool->n_points; p++) {
            int64_t q = 0;
            int64_t whole = 0;
            int64_t more = 0;

            if (e == by || !toffee_size_floor_div(e->samples[p], by->samples[p], &q) ||
                __builtin_mul_overflow(q, by->samples[p], &whole) ||
                __builtin_sub_overflow(e->samples[p], whole, &whole)) {
                is_floor = is_ceiling = is_remainder = is_missing = false;
                break;
            }
            more = whole != 0 ? 1 : 0;
            is_exact = is_exact || more == 0;
            is_floor = is_floor && v[p] == q;
            is_ceiling = is_ceiling && v[p] - more == q;
            is_remainder = is_remainder && v[p] == whole;
            is_missing = is_missing && v[p] == (more != 0 ? by->samples[p] - whole : 0);
        }
        if (is_ceiling && is_exact && !is_floor) {
            const toffee_expr *zero = NULL;

            TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 0, &zero, f->st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, zero, -1, e, &e, f->st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(f->pool, e, by, &e, f->st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, zero, -1, e, out, f->st));
        }
        else if (is_floor) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(f->pool, e, by, out, f->st));
        }
        else if (is_remainder || is_missing) {
            const toffee_expr *zero = NULL;

            TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 0, &zero, f->st));
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_add(f->pool, zero, is_remainder ? 1 : -1, e, &e, f->st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_remainder(f->pool, e, by, out, f->st));
        }
    }
    for (size_t i = 0; i < f->n && *out == NULL; i++) {
        const toffee_expr *by = f->bases[i];

        if (row_mul(f->pool, v, by->samples, row)) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_quotient(f->pool, find_known(f->pool, row), by, out, f->st));
        }
    }
    return TOFFEE_OK;
}

/* Quotients and remainders by a number. *AMBIGUOUS: several fit, none better than the others. */
static toffee_code
fit_division(fitter *f, const int64_t *v, bool nested, int64_t *row, bool *ambiguous,
             const toffee_expr **out)
{
    size_t n = f->n + (nested ? 0 : f->pool->pairs.n);

    *ambiguous = false;
    for (size_t i = 0; i < n && *out == NULL; i++) {
        toffee_division found = {0, 0, 0, 0, false};
        const toffee_expr *e = i < f->n ? f->bases[i] : f->pool->pairs.data[i - f->n];
        const toffee_expr *by = NULL;
        size_t distinct = toffee_fit_distinct(e->samples, f->pool->n_points);

        /* What takes four values to believe is not believed of a part. */
        distinct = (nested || i >= f->n) && distinct > 3 ? 3 : distinct;
        toffee_fit_division(v, e->samples, f->pool->n_points, distinct, row, &found);
        *ambiguous = *ambiguous || found.is_ambiguous;
        if (found.d == 0) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(make_scaled(f, e, found.a, 1, found.b, &e));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, found.d, &by, f->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(f->pool, e, by, &e, f->st));
        TOFFEE_RETURN_IF_ERROR(e != NULL ? make_scaled(f, e, found.c, 1, 0, out) : TOFFEE_OK);
    }
    for (size_t i = 0; i < 2 * f->n && *out == NULL; i++) {
        const toffee_expr *e = f->bases[i / 2];
        const toffee_expr *by = NULL;
        int64_t sign = i % 2 == 0 ? 1 : -1;
        toffee_remainder found = {0, 0, 0};

        if (!toffee_fit_remainder(v, e->samples, sign, f->pool->n_points,
                                  nested && f->distinct[i / 2] > 3 ? 3 : f->distinct[i / 2], &found,
                                  ambiguous)) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(make_scaled(f, e, sign, 1, found.k, &e));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, found.d, &by, f->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_remainder(f->pool, e, by, &e, f->st));
        TOFFEE_RETURN_IF_ERROR(e != NULL ? make_scaled(f, e, 1, 1, found.c, out) : TOFFEE_OK);
    }
    return TOFFEE_OK;
}

static toffee_code fit_whole(fitter *f, const int64_t *v, size_t depth, const toffee_expr **out);

/* A base times what can be fitted, and plus or minus what can be. */
static toffee_code
fit_compound(fitter *f, const int64_t *v, size_t depth, const toffee_expr **out)
{
    int64_t *row = f->pool->rows[depth * ROWS_PER_DEPTH];
    int64_t *other = f->pool->rows[depth * ROWS_PER_DEPTH + 1];
    const toffee_expr *rest = NULL;

    for (size_t i = 0; i < f->n && *out == NULL; i++) {
        if (row_divide(f->pool, v, f->bases[i]->samples, row)) {
            TOFFEE_RETURN_IF_ERROR(fit_whole(f, row, depth + 1, &rest));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(f->pool, f->bases[i], rest, out, f->st));
        }
    }
    for (size_t i = 0; i < 2 * f->n && *out == NULL && depth == 0; i++) {
        int64_t sign = i % 2 == 0 ? 1 : -1;
        bool ambiguous = false;

        /* Only quotients and remainders: sums and products were looked for as a whole. */
        rest = NULL;
        if (row_add(f->pool, v, -sign, f->bases[i / 2]->samples, row)) {
            TOFFEE_RETURN_IF_ERROR(fit_division(f, row, true, other, &ambiguous, &rest));
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_add(f->pool, rest, sign, f->bases[i / 2], out, f->st));
        }
    }
    return TOFFEE_OK;
}

static toffee_code
fit_whole(fitter *f, const int64_t *v, size_t depth, const toffee_expr **out)
{
    int64_t *row = f->pool->rows[depth * ROWS_PER_DEPTH + 1];
    int64_t *other = f->pool->rows[depth * ROWS_PER_DEPTH + 2];
    bool ambiguous = false;

    *out = NULL;
    if (row_constant(f->pool, v)) {
        return toffee_expr_number(f->pool, v[0], out, f->st);
    }
    for (size_t i = 0; i < f->n && *out == NULL; i++) {
        *out = row_same(f->pool, f->bases[i]->samples, v) ? f->bases[i] : NULL;
    }
    *out = *out != NULL ? *out : find_known(f->pool, v);
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_affine(f, v, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_product(f, v, true, row, other, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_sum(f, v, row, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_ratio(f, v, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_product(f, v, false, row, other, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_bilinear(f, v, row, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_division_by_size(f, v, row, out));
    }
    if (*out == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_division(f, v, depth > 0, row, &ambiguous, out));
    }
    if (*out == NULL && depth < MAX_DEPTH && !ambiguous) {
        TOFFEE_RETURN_IF_ERROR(fit_compound(f, v, depth, out));
    }
    return TOFFEE_OK;
}

toffee_code
toffee_fit_whole(toffee_exprs *pool, const int64_t *samples, const toffee_expr *const *hints,
                 size_t n_hints, const toffee_expr **out, toffee_status *st)
{
    fitter f = {.pool = pool, .st = st};

    *out = NULL;
    for (size_t i = 0; i < n_hints; i++) {
        if (hints[i] != NULL && row_same(pool, hints[i]->samples, samples) &&
            !row_constant(pool, samples)) {
            *out = hints[i];
            return TOFFEE_OK;
        }
    }
    for (size_t i = 0; i < n_hints; i++) {
        /* Half of the room is kept for the symbols. */
        fitter_add(&f, f.n < MAX_BASES / 2 ? hints[i] : NULL);
    }
    for (size_t i = 0; i < pool->bases.n; i++) {
        fitter_add(&f, pool->bases.data[i]);
    }
    TOFFEE_RETURN_IF_ERROR(pool_pair(pool, st));
    TOFFEE_RETURN_IF_ERROR(fit_whole(&f, samples, 0, out));
    if (*out != NULL && !row_same(pool, (*out)->samples, samples)) {
        *out = NULL; /* cannot be, but a wrong size would be worse than none */
    }
    return TOFFEE_OK;
}
