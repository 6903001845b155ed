/* csrc/size/fit_sum.c -- sums whose coefficients are solved for. See Note [Fitting] in fit.h. */
#include <math.h>
#include <string.h>

#include "size/fit.h"
#include "size/fitter.h"
#include "size/row.h"

/* Unknowns of a sum, and the points that it is solved from; it is held against all. */
#define MAX_SUMMANDS 8
#define MAX_EQUATIONS 24

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
fit_sum_of(toffee_fitter *f, const int64_t *v, const toffee_expr *const *summands, size_t n,
           int64_t *row, const toffee_expr **out)
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
        if (!toffee_row_add(f->pool->n_points, row, -x[k], columns[k], row)) {
            return TOFFEE_OK;
        }
    }
    if (!toffee_row_constant(f->pool->n_points, row) || row[0] != x[n]) {
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

toffee_code
toffee_fit_sum(toffee_fitter *f, const int64_t *v, int64_t *row, const toffee_expr **out)
{
    const toffee_expr *symbols[MAX_SUMMANDS];
    size_t n = 0;

    for (size_t i = 0; i < f->pool->bases.n && n < MAX_SUMMANDS; i++) {
        const toffee_expr *e = f->pool->bases.data[i];

        if (e->terms[0].atoms[0]->kind == TOFFEE_ATOM_SYMBOL &&
            !toffee_row_constant(f->pool->n_points, e->samples)) {
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
        if (toffee_row_add(f->pool->n_points, v, -1, e->samples, row) &&
            (other = toffee_fit_known(f->pool, row)) != NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, e, 1, other, out, f->st));
        }
        else if (toffee_row_add(f->pool->n_points, e->samples, -1, v, row) &&
                 (other = toffee_fit_known(f->pool, row)) != NULL) {
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

toffee_code
toffee_fit_bilinear(toffee_fitter *f, const int64_t *v, int64_t *row, const toffee_expr **out)
{
    const toffee_exprs *pool = f->pool;

    for (size_t i = 0; i < pool->bases.n && pool->n_points >= 4; i++) {
        for (size_t k = i; k < pool->bases.n && *out == NULL; k++) {
            const toffee_expr *summands[3] = {pool->bases.data[i], pool->bases.data[k], NULL};
            size_t n = i == k ? 1 : 2;

            if (toffee_row_constant(pool->n_points, summands[0]->samples) ||
                toffee_row_constant(pool->n_points, summands[1]->samples) ||
                !toffee_row_tells(pool->n_points, summands[0]->samples) ||
                !toffee_row_tells(pool->n_points, summands[1]->samples) || pool->n_points < n + 3) {
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
