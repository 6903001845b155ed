/* csrc/size/fit_real.c -- real numbers that were seen, as functions of whole ones. */
#include <math.h>

#include "size/fit.h"
#include "size/fit_division.h"
#include "size/pool.h"

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
    if (toffee_fit_distinct(e, pool->n_points) < 3) {
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
    return toffee_fit_distinct(e, pool->n_points) >= 4 &&
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

toffee_code
toffee_fit_real(toffee_exprs *pool, toffee_dtype dtype, const double *samples,
                const toffee_expr *const *hints, size_t n_hints, toffee_real_fit *out,
                toffee_status *st)
{
    size_t n_known = pool->known.n < MAX_KNOWN ? pool->known.n : MAX_KNOWN;
    int64_t *row = pool->rows[TOFFEE_SIZE_N_ROWS - 1];
    bool constant = true;
    int best = RANK_NONE;

    *out = (toffee_real_fit){TOFFEE_REAL_IS, NULL, 1};
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
             form <= TOFFEE_REAL_LOG && e != NULL && toffee_fit_tells(e->samples, pool->n_points);
             form++) {
            double scale = 1;
            int rank = scale_find(pool, dtype, (toffee_real_form)form, e->samples, samples, &scale);

            if (rank < best) {
                best = rank;
                *out = (toffee_real_fit){(toffee_real_form)form, e, scale};
            }
        }
    }
    for (size_t i = 0; i < 2 * N_INVERTED_SCALES && best > (int)i / 2; i++) {
        double scale = i % 2 == 0 ? scales[i / 2] : -scales[i / 2];

        for (int form = 0; form <= TOFFEE_REAL_LOG && best > (int)i / 2; form++) {
            const toffee_expr *e = NULL;

            if (whole_inside(pool, dtype, scale, (toffee_real_form)form, samples, row) &&
                ((form == TOFFEE_REAL_IS && scale == 1) || toffee_fit_tells(row, pool->n_points))) {
                TOFFEE_RETURN_IF_ERROR(toffee_fit_whole(pool, row, hints, n_hints, &e, st));
            }
            if (e != NULL) {
                best = (int)i / 2;
                *out = (toffee_real_fit){(toffee_real_form)form, e, scale};
            }
        }
    }
    return TOFFEE_OK;
}
