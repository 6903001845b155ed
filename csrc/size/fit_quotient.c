/* csrc/size/fit_quotient.c -- sizes divided by sizes and by numbers; and which of several forms
 * that fit is believed. */
#include <string.h>

#include "size/fit.h"
#include "size/fit_division.h"
#include "size/fitter.h"
#include "size/row.h"

/* ---- several forms --------------------------------------------------------------------------- */

/* Sizes of no trace at which two forms are held against each other: so many of the first PROBED, a
 * prime number, so that no remainder is left out. */
#define N_PROBES 96
#define PROBED 193
#define MAX_PROBED 8

/* The symbols of a pool, and sizes of theirs. */
typedef struct {
    const char *names[MAX_PROBED];
    int64_t least[MAX_PROBED]; /* seen: smaller ones may not be allowed */
    int64_t sizes[MAX_PROBED];
    size_t n;
} probe;

static probe
probe_of(const toffee_exprs *pool)
{
    probe found = {.n = 0};

    for (size_t i = 0; i < pool->atoms.n && found.n < MAX_PROBED; i++) {
        const toffee_atom *atom = pool->atoms.data[i];

        if (atom->kind == TOFFEE_ATOM_SYMBOL) {
            found.names[found.n] = atom->name;
            found.least[found.n] = atom->samples[0];
            for (size_t p = 1; p < pool->n_points; p++) {
                int64_t size = atom->samples[p];

                found.least[found.n] = size < found.least[found.n] ? size : found.least[found.n];
            }
            found.n++;
        }
    }
    return found;
}

/* The sizes of probe K: of the first all are the least, then each is larger in another order. */
static void
probe_set(probe *p, int64_t k)
{
    for (size_t i = 0; i < p->n; i++) {
        p->sizes[i] = p->least[i] + k * (37 + 22 * (int64_t)i) % PROBED;
    }
}

bool
toffee_fit_agree(const toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b)
{
    probe p = probe_of(pool);

    if (toffee_expr_has_derived(a) != toffee_expr_has_derived(b)) {
        return false; /* only the graph knows a derived size */
    }
    for (int64_t k = 0; k < N_PROBES && a != b; k++) {
        int64_t left = 0;
        int64_t right = 0;

        probe_set(&p, k);
        if (toffee_expr_eval(a, p.names, p.sizes, p.n, &left) &&
            toffee_expr_eval(b, p.names, p.sizes, p.n, &right) && left != right) {
            return false;
        }
    }
    return true;
}

toffee_sign
toffee_fit_sign(const toffee_exprs *pool, const toffee_expr *expr)
{
    probe p = probe_of(pool);
    int64_t least = INT64_MAX;
    int64_t most = INT64_MIN;

    for (size_t i = 0; i < pool->n_points; i++) {
        least = expr->samples[i] < least ? expr->samples[i] : least;
        most = expr->samples[i] > most ? expr->samples[i] : most;
    }
    for (int64_t k = 0; k < N_PROBES; k++) {
        int64_t value = 0;

        probe_set(&p, k);
        if (toffee_expr_eval(expr, p.names, p.sizes, p.n, &value)) {
            least = value < least ? value : least;
            most = value > most ? value : most;
        }
    }
    return least >= 0  ? TOFFEE_SIGN_NOT_NEGATIVE
           : most > 0  ? TOFFEE_SIGN_ANY
           : most == 0 ? TOFFEE_SIGN_NOT_POSITIVE
                       : TOFFEE_SIGN_NEGATIVE;
}

void
toffee_fitter_take(const toffee_fitter *f, const toffee_expr *found, bool *ambiguous,
                   const toffee_expr **out)
{
    if (found != NULL && *out != NULL) {
        *ambiguous = *ambiguous || !toffee_fit_agree(f->pool, *out, found);
    }
    *out = *out != NULL ? *out : found;
}

/* ---- by a size ------------------------------------------------------------------------------ */

/* *OUT is the quotient or the remainder of E by BY, or of -E with the sign turned, that V is at all
 * points; NULL: it is none. */
static toffee_code
of_two_sizes(toffee_fitter *f, const int64_t *v, const toffee_expr *e, const toffee_expr *by,
             const toffee_expr **out)
{
    bool is_floor = true;
    bool is_ceiling = true;
    bool is_remainder = true;
    bool is_missing = true;
    bool is_exact = false; /* somewhere: else a ceiling may be a floor and one */
    const toffee_expr *zero = NULL;
    int64_t sign = 1;

    *out = NULL;
    for (size_t p = 0; p < f->pool->n_points; p++) {
        int64_t q = 0;
        int64_t whole = 0;
        int64_t more = 0;

        if (e == by || !toffee_size_floor_div(e->samples[p], by->samples[p], &q) ||
            __builtin_mul_overflow(q, by->samples[p], &whole) ||
            __builtin_sub_overflow(e->samples[p], whole, &whole)) {
            return TOFFEE_OK;
        }
        more = whole != 0 ? 1 : 0;
        is_exact = is_exact || more == 0;
        is_floor = is_floor && v[p] == q;
        is_ceiling = is_ceiling && v[p] - more == q;
        is_remainder = is_remainder && v[p] == whole;
        is_missing = is_missing && v[p] == (more != 0 ? by->samples[p] - whole : 0);
        if (!is_floor && !is_ceiling && !is_remainder && !is_missing) {
            return TOFFEE_OK;
        }
    }
    is_ceiling = is_ceiling && is_exact;
    if (!is_floor && !is_ceiling && !is_remainder && !is_missing) {
        return TOFFEE_OK;
    }
    sign = is_floor || (is_remainder && !is_ceiling) ? 1 : -1;
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 0, &zero, f->st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, zero, sign, e, &e, f->st));
    if (!is_floor && !is_ceiling) {
        return toffee_expr_remainder(f->pool, e, by, out, f->st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(f->pool, e, by, out, f->st));
    return toffee_expr_add(f->pool, zero, sign, *out, out, f->st);
}

toffee_code
toffee_fit_by_size(toffee_fitter *f, const int64_t *v, int64_t *row, bool *ambiguous,
                   const toffee_expr **out)
{
    const toffee_expr *found = NULL;
    bool is_any = false; /* several divisors fit */
    bool usual = false;

    if (toffee_row_distinct(f->pool->n_points, v) < 3) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < f->n * f->n; i++) {
        TOFFEE_RETURN_IF_ERROR(of_two_sizes(f, v, f->bases[i / f->n], f->bases[i % f->n], &found));
        toffee_fitter_take(f, found, ambiguous, out);
    }
    if (*out != NULL) { /* L//n may be L//3 at all points */
        found = NULL;
        TOFFEE_RETURN_IF_ERROR(toffee_fit_by_number(f, v, true, row, &is_any, &usual, &found));
        toffee_fitter_take(f, found, ambiguous, out);
        *ambiguous = *ambiguous || is_any;
    }
    for (size_t i = 0; i < f->n && *out == NULL; i++) {
        const toffee_expr *by = f->bases[i];

        if (toffee_row_mul(f->pool->n_points, v, by->samples, row)) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_quotient(f->pool, toffee_fit_known(f->pool, row), by, out, f->st));
        }
    }
    *out = *ambiguous ? NULL : *out;
    return TOFFEE_OK;
}

/* ---- by a number ---------------------------------------------------------------------------- */

toffee_code
toffee_fit_by_number(toffee_fitter *f, const int64_t *v, bool is_nested, int64_t *row,
                     bool *ambiguous, bool *is_usual, const toffee_expr **out)
{
    size_t n = f->n + (is_nested ? 0 : f->pool->pairs.n);
    bool differs = false;

    *is_usual = false;
    *ambiguous = false;
    for (size_t i = 0; i < n; i++) {
        toffee_division found = {0, 0, 0, 0, false};
        const toffee_expr *e = i < f->n ? f->bases[i] : f->pool->pairs.data[i - f->n];
        const toffee_expr *by = NULL;
        size_t distinct = toffee_row_distinct(f->pool->n_points, e->samples);

        /* What takes four values to believe is not believed of a part. */
        distinct = (is_nested || i >= f->n) && distinct > 3 ? 3 : distinct;
        toffee_fit_division(v, e->samples, f->pool->n_points, distinct, row, &found);
        *ambiguous = *ambiguous || (found.is_ambiguous && *out == NULL);
        if (found.d == 0) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_fitter_scaled(f, e, found.a, 1, found.b, &e));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, found.d, &by, f->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(f->pool, e, by, &e, f->st));
        TOFFEE_RETURN_IF_ERROR(e != NULL ? toffee_fitter_scaled(f, e, found.c, 1, 0, &e)
                                         : TOFFEE_OK);
        if (*out == NULL) {
            *is_usual = found.a == 1 && (found.b == 0 || found.b == found.d - 1);
        }
        toffee_fitter_take(f, e, &differs, out);
    }
    for (size_t i = 0; i < 2 * f->n; i++) {
        const toffee_expr *e = f->bases[i / 2];
        const toffee_expr *by = NULL;
        int64_t sign = i % 2 == 0 ? 1 : -1;
        toffee_remainder found = {0, 0, 0};

        if ((f->distinct[i / 2] < 4 && !toffee_expr_is_line(e)) ||
            !toffee_fit_remainder(v, e->samples, sign, f->pool->n_points,
                                  is_nested && f->distinct[i / 2] > 3 ? 3 : f->distinct[i / 2],
                                  &found, ambiguous)) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(toffee_fitter_scaled(f, e, sign, 1, found.k, &e));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, found.d, &by, f->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_remainder(f->pool, e, by, &e, f->st));
        TOFFEE_RETURN_IF_ERROR(e != NULL ? toffee_fitter_scaled(f, e, 1, 1, found.c, &e)
                                         : TOFFEE_OK);
        if (*out == NULL) {
            *is_usual = found.k == 0;
        }
        toffee_fitter_take(f, e, &differs, out);
    }
    if (differs) {
        *ambiguous = true;
        *out = NULL;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_fit_negative(toffee_fitter *f, const int64_t *v, int64_t *row, int64_t *other,
                    const toffee_expr **out)
{
    const toffee_expr *rest = NULL;
    const toffee_expr *zero = NULL;
    bool ambiguous = false;
    bool usual = false;

    memset(other, 0, f->pool->n_points * sizeof(*other));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(f->pool, 0, &zero, f->st));
    if (toffee_row_add(f->pool->n_points, other, -1, v, row)) {
        TOFFEE_RETURN_IF_ERROR(
            toffee_fit_by_number(f, row, true, other, &ambiguous, &usual, &rest));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(f->pool, zero, -1, rest, out, f->st));
    }
    return TOFFEE_OK;
}
