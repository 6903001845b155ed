/* csrc/size/fit_real.c -- real numbers that were seen, as functions of whole ones. */
#include <math.h>
#include <stdlib.h>

#include "size/fit.h"
#include "size/pool.h"
#include "size/row.h"

/* Past this many, what was met before is not searched for a real number. */
#define MAX_KNOWN 256
/* Largest whole number that is believed to be a scale, or to be divided by. */
#define MAX_WHOLE_SCALE 4096
/* Whole numbers above this are not told apart in double. */
#define MAX_EXACT 9007199254740992.0

/* Simplest first; M_PI and the others are not in C11. */
static const double scales[] = {
    1.0,
    2.0,
    0.5,
    10.0,
    0.1,
    4.0,
    0.25,
    100.0,
    0.01,
    1000.0,
    0.001,
    3.14159265358979323846, /* pi */
    6.28318530717958647693, /* 2 * pi */
    0.31830988618379067154, /* 1 / pi */
    1.57079632679489661923, /* pi / 2 */
    9.21034037197618273607, /* log(10000), of position encodings */
    0.10857362047581294983, /* 1 / log(10000) */
    1.44269504088896340736, /* 1 / log(2) */
    0.43429448190325182765, /* 1 / log(10) */
};
#define N_INVERTED_SCALES 7 /* of these the whole number inside is looked for */
#define RANK_WHOLE 100
#define RANK_ANY 200
#define RANK_NONE 1000
/* A ratio is looked for only where its numerators are known to this much. */
#define MAX_BLUR (1.0 / 64)

/* One unit in the last place of X in DTYPE. */
static double
unit_of(toffee_dtype dtype, double x)
{
    static const struct {
        toffee_dtype dtype;
        int n_bits, least_exponent;
    } formats[] = {
        {TOFFEE_DTYPE_FLOAT, 23, -126},
        {TOFFEE_DTYPE_DOUBLE, 52, -1022},
        {TOFFEE_DTYPE_FLOAT16, 10, -14},
        {TOFFEE_DTYPE_BFLOAT16, 7, -126},
    };

    for (size_t i = 0; i < TOFFEE_COUNTOF(formats); i++) {
        if (formats[i].dtype == dtype) {
            int exponent = 0;

            (void)frexp(x, &exponent); /* x is m * 2^exponent, m from 0.5 to 1 */
            exponent = exponent - 1 < formats[i].least_exponent || x == 0
                           ? formats[i].least_exponent
                           : exponent - 1;
            return ldexp(1.0, exponent - formats[i].n_bits);
        }
    }
    return 0;
}

static double
form_apply(toffee_real_form form, double x)
{
    switch (form) {
    case TOFFEE_REAL_INVERSE: return 1 / x;
    case TOFFEE_REAL_ROOT: return sqrt(x);
    case TOFFEE_REAL_INVERSE_ROOT: return 1 / sqrt(x);
    case TOFFEE_REAL_LOG: return log(x);
    default: return x;
    }
}

/* The X that FORM makes Y of. */
static double
form_invert(toffee_real_form form, double y)
{
    switch (form) {
    case TOFFEE_REAL_INVERSE: return 1 / y;
    case TOFFEE_REAL_ROOT: return y * y;
    case TOFFEE_REAL_INVERSE_ROOT: return 1 / (y * y);
    case TOFFEE_REAL_LOG: return exp(y);
    default: return y;
    }
}

/* Whether SCALE * FORM(x) is Y in DTYPE. */
static bool
agrees(toffee_dtype dtype, double scale, toffee_real_form form, double x, double y)
{
    return fabs(scale * form_apply(form, x) - y) <= unit_of(dtype, y);
}

static bool
agrees_everywhere(const toffee_exprs *pool, toffee_dtype dtype, double scale, toffee_real_form form,
                  const int64_t *e, const double *samples)
{
    for (size_t p = 0; p < pool->n_points; p++) {
        if (!agrees(dtype, scale, form, (double)e[p], samples[p])) {
            return false;
        }
    }
    return true;
}

/* The scale that makes SAMPLES of FORM(E), into *SCALE, and how simple it is; RANK_NONE if there is
 * none that the points confirm. */
static int
scale_find(const toffee_exprs *pool, toffee_dtype dtype, toffee_real_form form, const int64_t *e,
           const double *samples, double *scale)
{
    size_t at = 0;
    double sign = 0;
    double ratio = 0;

    while (at < pool->n_points && samples[at] == 0) {
        at++;
    }
    if (at == pool->n_points || e[at] == 0) {
        return RANK_NONE;
    }
    ratio = samples[at] / form_apply(form, (double)e[at]);
    if (!isfinite(ratio) || ratio == 0) {
        return RANK_NONE;
    }
    sign = ratio < 0 ? -1 : 1;
    for (size_t i = 0; i < TOFFEE_COUNTOF(scales); i++) {
        *scale = sign * scales[i];
        if (agrees(dtype, *scale, form, (double)e[at], samples[at]) &&
            agrees_everywhere(pool, dtype, *scale, form, e, samples)) {
            return (int)i;
        }
    }
    if (toffee_row_distinct(pool->n_points, e) < 3) {
        return RANK_NONE;
    }
    for (int inverse = 0; inverse < 2; inverse++) {
        double whole = nearbyint(inverse != 0 ? 1 / fabs(ratio) : fabs(ratio));

        *scale = inverse != 0 ? sign / whole : sign * whole;
        if (whole >= 1 && whole <= MAX_WHOLE_SCALE &&
            agrees_everywhere(pool, dtype, *scale, form, e, samples)) {
            return RANK_WHOLE;
        }
    }
    *scale = ratio;
    return toffee_row_distinct(pool->n_points, e) >= 4 &&
                   agrees_everywhere(pool, dtype, *scale, form, e, samples)
               ? RANK_ANY
               : RANK_NONE;
}

/* The whole numbers of which SCALE * FORM makes SAMPLES, if they can be told. */
static bool
whole_inside(const toffee_exprs *pool, toffee_dtype dtype, double scale, toffee_real_form form,
             const double *samples, int64_t *out)
{
    for (size_t p = 0; p < pool->n_points; p++) {
        double x = nearbyint(form_invert(form, samples[p] / scale));

        if (!(fabs(x) < MAX_EXACT) || !agrees(dtype, scale, form, x, samples[p]) ||
            agrees(dtype, scale, form, x + 1, samples[p]) ||
            agrees(dtype, scale, form, x - 1, samples[p])) {
            return false;
        }
        out[p] = (int64_t)x;
    }
    return true;
}

static toffee_code
fit_number(toffee_exprs *pool, double number, toffee_real_fit *out, toffee_status *st)
{
    bool whole = fabs(number) < MAX_EXACT && number == nearbyint(number) &&
                 !(number == 0 && signbit(number));

    out->scale = whole ? 1 : number;
    return toffee_expr_number(pool, whole ? (int64_t)number : 1, &out->expr, st);
}

/* ---- sums, powers and ratios ------------------------------------------------------------------
 */

typedef struct {
    toffee_exprs *pool;
    toffee_dtype dtype;
    const double *samples;
    const toffee_expr *const *hints;
    size_t n_hints;
    toffee_status *st;
} real_fitter;

/* The candidate I of what may be in it: hints, then what was met before; NULL past the last. */
static const toffee_expr *
candidate(const real_fitter *r, size_t i)
{
    size_t n_known = r->pool->known.n < MAX_KNOWN ? r->pool->known.n : MAX_KNOWN;

    if (i < r->n_hints) {
        return r->hints[i];
    }
    return i - r->n_hints < n_known ? r->pool->known.data[i - r->n_hints] : NULL;
}

static size_t
n_candidates(const real_fitter *r)
{
    size_t n_known = r->pool->known.n < MAX_KNOWN ? r->pool->known.n : MAX_KNOWN;

    return r->n_hints + n_known;
}

/* Whether EXPR has values enough to tell two free numbers: the less is known of each sample, the
 * more. */
static bool
has_enough(const real_fitter *r, const toffee_expr *expr)
{
    bool is_coarse = r->dtype == TOFFEE_DTYPE_FLOAT16 || r->dtype == TOFFEE_DTYPE_BFLOAT16;

    return expr != NULL &&
           toffee_row_distinct(r->pool->n_points, expr->samples) >= (is_coarse ? 8 : 4);
}

double
toffee_fit_decimal(double x, int n)
{
    double magnitude = x != 0 ? floor(log10(fabs(x))) : 0;
    double unit = pow(10, n - 1 - magnitude); /* exact up to 10^22, where it matters */

    return isfinite(unit) && unit != 0 ? nearbyint(x * unit) / unit : x;
}

/* Whether A * FORM(e) + C is each of the samples. */
static bool
sum_agrees(const real_fitter *r, toffee_real_form form, const int64_t *e, double a, double c)
{
    for (size_t p = 0; p < r->pool->n_points; p++) {
        double term = a * form_apply(form, (double)e[p]);
        double y = r->samples[p];
        double blur = 2 * unit_of(TOFFEE_DTYPE_DOUBLE, fmax(fabs(term), fabs(c)));

        if (!(fabs(term + c - y) <= fmax(unit_of(r->dtype, y), blur))) {
            return false;
        }
    }
    return true;
}

/* Whether EXPR is at least 1 whatever its symbols are. */
static bool
is_positive(const toffee_expr *expr)
{
    for (size_t i = 0; i < expr->n; i++) {
        if (expr->terms[i].coefficient < 0) {
            return false;
        }
        for (size_t k = 0; k < expr->terms[i].n; k++) {
            if (expr->terms[i].atoms[k]->kind != TOFFEE_ATOM_SYMBOL) {
                return false;
            }
        }
    }
    return expr->n != 0;
}

/* A * FORM(E) + C, both short decimals. */
static bool
sum_find(const real_fitter *r, toffee_real_form form, const toffee_expr *expr, double *a, double *c)
{
    const int64_t *e = expr->samples;
    size_t low = 0;
    size_t high = 0;
    double run = 0;
    double slope = 0;

    for (size_t p = 0; p < r->pool->n_points; p++) {
        if (!isfinite(form_apply(form, (double)e[p]))) {
            return false;
        }
        low = e[p] < e[low] ? p : low;
        high = e[p] > e[high] ? p : high;
    }
    run = form_apply(form, (double)e[high]) - form_apply(form, (double)e[low]);
    slope = (r->samples[high] - r->samples[low]) / run;
    if (!isfinite(slope) || slope == 0) {
        return false;
    }
    for (int i = 1; i <= TOFFEE_FIT_MAX_DIGITS; i++) {
        /* Where the number is the least its rounding is. */
        size_t at = fabs(r->samples[low]) < fabs(r->samples[high]) ? low : high;
        double rest = 0;

        *a = toffee_fit_decimal(slope, i);
        rest = r->samples[at] - *a * form_apply(form, (double)e[at]);
        for (int k = 1; k <= TOFFEE_FIT_MAX_DIGITS; k++) {
            *c = toffee_fit_decimal(rest, k);
            if (sum_agrees(r, form, e, *a, *c)) {
                /* What is small beside all that was seen is blurred by it. */
                return is_positive(expr) || fabs(*c) > 1e-3 * fabs(*a);
            }
        }
    }
    return false;
}

static toffee_code
fit_real_sum(const real_fitter *r, toffee_real_fit *out)
{
    double a = 0;
    double c = 0;
    int64_t *row = r->pool->rows[TOFFEE_SIZE_N_ROWS - 1];
    bool is_whole = true;

    for (size_t i = 0; i < n_candidates(r); i++) {
        const toffee_expr *e = candidate(r, i);

        if (!has_enough(r, e)) {
            continue;
        }
        for (int form = 0; form <= TOFFEE_REAL_LOG; form++) {
            if (sum_find(r, (toffee_real_form)form, e, &a, &c)) {
                *out = (toffee_real_fit){(toffee_real_form)form, e, NULL, a, c};
                return TOFFEE_OK;
            }
        }
    }
    /* A whole number of any kind, and the same short decimal everywhere. */
    for (size_t p = 0; p < r->pool->n_points && is_whole; p++) {
        is_whole = fabs(r->samples[p]) < MAX_EXACT;
        row[p] = is_whole ? (int64_t)nearbyint(r->samples[p]) : 0;
    }
    for (size_t p = 0, at = 0; p < r->pool->n_points && is_whole; p++) {
        at = llabs(row[p]) < llabs(row[at]) ? p : at;
        c = r->samples[at] - (double)row[at];
    }
    for (int k = 1; k <= TOFFEE_FIT_MAX_DIGITS && is_whole && out->expr == NULL; k++) {
        const toffee_expr *e = NULL;
        double offset = toffee_fit_decimal(c, k);

        if (offset != 0 && sum_agrees(r, TOFFEE_REAL_IS, row, 1, offset)) {
            TOFFEE_RETURN_IF_ERROR(toffee_fit_whole(r->pool, row, r->hints, r->n_hints, &e, r->st));
            if (e != NULL && (is_positive(e) || fabs(offset) > 1e-3)) {
                *out = (toffee_real_fit){TOFFEE_REAL_IS, e, NULL, 1, offset};
            }
            return TOFFEE_OK;
        }
    }
    return TOFFEE_OK;
}

static bool
power_agrees(const real_fitter *r, const int64_t *e, double base)
{
    for (size_t p = 0; p < r->pool->n_points; p++) {
        double y = r->samples[p];

        if (!(fabs(pow(base, (double)e[p]) - y) <= unit_of(r->dtype, y))) {
            return false;
        }
    }
    return true;
}

/* 2 ** any and 0.5 ** any, or a short decimal to the power of a candidate. */
static toffee_code
fit_real_power(const real_fitter *r, toffee_real_fit *out)
{
    int64_t *row = r->pool->rows[TOFFEE_SIZE_N_ROWS - 1];
    size_t n = r->pool->n_points;
    bool is_binary = true;
    bool is_falling = true;
    bool is_positive_everywhere = true;

    for (size_t p = 0; p < n; p++) {
        int exponent = 0;

        is_binary = is_binary && frexp(r->samples[p], &exponent) == 0.5;
        row[p] = exponent - 1;
        is_falling = is_falling && row[p] <= 0;
        is_positive_everywhere = is_positive_everywhere && r->samples[p] >= 0;
    }
    if (is_binary) {
        for (size_t p = 0; p < n && is_falling; p++) {
            row[p] = -row[p];
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_fit_whole(r->pool, row, r->hints, r->n_hints, &out->expr, r->st));
        *out = (toffee_real_fit){TOFFEE_REAL_POWER, out->expr, NULL, is_falling ? 0.5 : 2, 0};
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < n_candidates(r) && is_positive_everywhere; i++) {
        const toffee_expr *e = candidate(r, i);
        size_t at = 0;

        if (!has_enough(r, e)) {
            continue;
        }
        for (size_t p = 0; p < n; p++) { /* past the least number there is, powers are 0 */
            bool is_further = llabs(e->samples[p]) > llabs(e->samples[at]);

            at = r->samples[p] > 0 && (is_further || r->samples[at] == 0) ? p : at;
        }
        for (int k = 1; k <= TOFFEE_FIT_MAX_DIGITS; k++) {
            double base = toffee_fit_decimal(exp(log(r->samples[at]) / (double)e->samples[at]), k);

            if (power_agrees(r, e->samples, base)) {
                *out = (toffee_real_fit){TOFFEE_REAL_POWER, e, NULL, base, 0};
                return TOFFEE_OK;
            }
        }
    }
    return TOFFEE_OK;
}

/* A whole number divided by BY, or by half of it. */
static toffee_code
ratio_find(const real_fitter *r, const toffee_expr *by, toffee_real_fit *out)
{
    int64_t *row = r->pool->rows[TOFFEE_SIZE_N_ROWS - 1];
    const toffee_expr *zero = NULL;
    bool is_ratio = by != NULL && toffee_row_distinct(r->pool->n_points, by->samples) >= 3 &&
                    toffee_row_tells(r->pool->n_points, by->samples);

    for (int64_t k = 1; k <= 2 && is_ratio && out->expr == NULL; k++) {
        bool fits = true;

        for (size_t p = 0; p < r->pool->n_points && fits; p++) {
            double times = (double)k * (double)by->samples[p];
            double x = r->samples[p] * times;
            double blur = unit_of(r->dtype, r->samples[p]) * fabs(times);

            fits = by->samples[p] != 0 && fabs(x) < MAX_EXACT && blur <= MAX_BLUR &&
                   fabs(x - nearbyint(x)) <= blur;
            row[p] = fits ? (int64_t)nearbyint(x) : 0;
        }
        if (!fits) {
            continue;
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_fit_whole(r->pool, row, r->hints, r->n_hints, &out->expr, r->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(r->pool, 0, &zero, r->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(r->pool, zero, k, by, &out->by, r->st));
        *out =
            (toffee_real_fit){TOFFEE_REAL_RATIO, out->by != NULL ? out->expr : NULL, out->by, 1, 0};
    }
    return TOFFEE_OK;
}

/* By what was met before; by a symbol and one more or less; by the product of two symbols. */
static toffee_code
fit_real_ratio(const real_fitter *r, toffee_real_fit *out)
{
    toffee_exprs *pool = r->pool;
    const toffee_expr *by = NULL;
    const toffee_expr *one = NULL;

    for (size_t i = 0; i < n_candidates(r) && out->expr == NULL; i++) {
        TOFFEE_RETURN_IF_ERROR(ratio_find(r, candidate(r, i), out));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, 1, &one, r->st));
    for (size_t i = 0; i < pool->bases.n && out->expr == NULL; i++) {
        for (int64_t more = -1; more <= 1 && out->expr == NULL; more += 2) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_add(pool, pool->bases.data[i], more, one, &by, r->st));
            TOFFEE_RETURN_IF_ERROR(ratio_find(r, by, out));
        }
        for (size_t k = i; k < pool->bases.n && out->expr == NULL; k++) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_mul(pool, pool->bases.data[i], pool->bases.data[k], &by, r->st));
            TOFFEE_RETURN_IF_ERROR(ratio_find(r, by, out));
        }
    }
    return TOFFEE_OK;
}

toffee_code
toffee_fit_real(toffee_exprs *pool, toffee_dtype dtype, const double *samples,
                const toffee_expr *const *hints, size_t n_hints, toffee_real_fit *out,
                toffee_status *st)
{
    size_t n_known = pool->known.n < MAX_KNOWN ? pool->known.n : MAX_KNOWN;
    const real_fitter r = {pool, dtype, samples, hints, n_hints, st};
    int64_t *row = pool->rows[TOFFEE_SIZE_N_ROWS - 1];
    bool constant = true;
    int best = RANK_NONE;

    *out = (toffee_real_fit){TOFFEE_REAL_IS, NULL, NULL, 1, 0};
    for (size_t p = 0; p < pool->n_points; p++) {
        constant = constant && samples[p] == samples[0];
    }
    if (constant) {
        return fit_number(pool, samples[0], out, st);
    }
    for (size_t p = 0; p < pool->n_points; p++) {
        if (!isfinite(samples[p])) {
            return TOFFEE_OK;
        }
    }
    for (size_t i = 0; i < n_hints + n_known && best > 0; i++) {
        const toffee_expr *e = i < n_hints ? hints[i] : pool->known.data[i - n_hints];

        for (int form = 0;
             form <= TOFFEE_REAL_LOG && e != NULL && toffee_row_tells(pool->n_points, e->samples);
             form++) {
            double scale = 1;
            int rank = scale_find(pool, dtype, (toffee_real_form)form, e->samples, samples, &scale);

            if (rank < best) {
                best = rank;
                *out = (toffee_real_fit){(toffee_real_form)form, e, NULL, scale, 0};
            }
        }
    }
    if (out->expr == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_real_power(&r, out));
        if (out->expr != NULL) {
            return TOFFEE_OK;
        }
    }
    for (size_t i = 0; i < 2 * N_INVERTED_SCALES && best > (int)i / 2; i++) {
        double scale = i % 2 == 0 ? scales[i / 2] : -scales[i / 2];

        for (int form = 0; form <= TOFFEE_REAL_LOG && best > (int)i / 2; form++) {
            const toffee_expr *e = NULL;

            if (whole_inside(pool, dtype, scale, (toffee_real_form)form, samples, row) &&
                ((form == TOFFEE_REAL_IS && scale == 1) || toffee_row_tells(pool->n_points, row))) {
                TOFFEE_RETURN_IF_ERROR(toffee_fit_whole(pool, row, hints, n_hints, &e, st));
            }
            if (e != NULL) {
                best = (int)i / 2;
                *out = (toffee_real_fit){(toffee_real_form)form, e, NULL, scale, 0};
            }
        }
    }
    if (out->expr == NULL) {
        TOFFEE_RETURN_IF_ERROR(fit_real_sum(&r, out));
    }
    return out->expr == NULL ? fit_real_ratio(&r, out) : TOFFEE_OK;
}
