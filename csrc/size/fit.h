/* csrc/size/fit.h -- from what was seen of a number to what it is.
 *
 * Note [Fitting]. A number that was seen at every point (see expr.h) is expressed in the sizes: the
 * simplest expression is taken that has these values at all points, and only if more points speak
 * for it than its form has free numbers, so that at least one of them confirms it. In this order:
 *
 *   a number; a hint, or something met before, as it is
 *   a*e, e + b, a*e + b                               2, 2 and 3 values of e
 *   a*e*f, and e*f*a/d where it is always whole
 *   sums a*n + b*m + ... + c of symbols               as many points as numbers and one more; n and
 *                                                     m must move together somewhere
 *   e + f, f met before; sums of multiples of two
 *   a*e/d where it is always whole                    2, or 3 where a is not 1
 *   e*f + b, e*f + g, e*f - g, e*(e - 1)/2
 *   a*n*m + b*n + c*m + d of symbols                  5
 *   e//f, ceil(e/f), e % f, -e % f, g//f              3 values; of the first four nothing else
 *                                                     may fit
 *   e//d, ceil(e/d), e//d + 1, the first two * d      3
 *   (e + b)//d, c*(e//d)                              4, and nothing else may fit
 *   a*e//d                                            3 where d is 2, else 4
 *   e % d, -e % d                                     3
 *   (e + b) % d + c                                   4, and the whole range must be seen
 *   max(e, f), min(e, f)                              two where each is greater
 *   max(e//d + b, c), with ceil, with -e; min         three where it moves (e and c alone: two) and
 *                                                     two where it is c; n = 1 is enough for one
 *                                                     side, being the least there is; one d only
 *   (e - 1)//p*p, e less that; p is ceil(e/d) or      4, one d only
 *   max(e//d, 1): the last of equal parts
 *   e * any of these; e + q, e - q, q - e, q being a quotient or remainder
 *
 * where e and f are hints, symbols and derived sizes (for //d also n + m and n*m), and g was met
 * before. What a divisor is must follow from the points: where several fit, none is taken, but that
 * e//d is believed of a power of two. What is one number at all points but one takes part in
 * nothing but as a hint that is the answer itself. Which of two forms that agree at all points is
 * meant cannot be told; points must be chosen so that the usual ones do not agree: each symbol odd
 * and even, and at 0, 1 and d - 1 past a multiple of the divisors that are to be told (see
 * toffee/_size_choice.py). */
#ifndef TOFFEE_SIZE_FIT_H
#define TOFFEE_SIZE_FIT_H

#include "base/dtype.h"
#include "size/expr.h"

/* Remembers EXPR as a candidate for later fits, if none has its samples yet: the size of an axis of
 * some value. Symbols and derived sizes are candidates from the start. NULL is passed over. Errors:
 * NOMEM.
 */
TOFFEE_NODISCARD toffee_code toffee_fit_remember(toffee_exprs *pool, const toffee_expr *expr,
                                                 toffee_status *st);
/* What was remembered with SAMPLES, or NULL. */
const toffee_expr *toffee_fit_find(const toffee_exprs *pool, const int64_t *samples);
/* The same, if SAMPLES say what a size is (toffee_row_tells): else it is as good as any other. */
const toffee_expr *toffee_fit_known(const toffee_exprs *pool, const int64_t *samples);
/* *OUT has SAMPLES (n_points of them) and is made of HINTS (sizes nearby; NULLs are skipped), of
 * symbols, and of what was remembered; NULL: nothing fits. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_fit_whole(toffee_exprs *pool, const int64_t *samples,
                                              const toffee_expr *const *hints, size_t n_hints,
                                              const toffee_expr **out, toffee_status *st);
/* The same where it is known that EXACT has SAMPLES and is right: *OUT is a form that people would
 * write, if one fits that agrees with it, else EXACT. NULL: as toffee_fit_whole. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_fit_exact(toffee_exprs *pool, const int64_t *samples,
                                              const toffee_expr *const *hints, size_t n_hints,
                                              const toffee_expr *exact, const toffee_expr **out,
                                              toffee_status *st);
/* Whether A and B, which are the same at all points, are so at other sizes as well. What has no
 * value there says nothing, but that only one of them is of a derived size. */
TOFFEE_NODISCARD bool toffee_fit_agree(const toffee_exprs *pool, const toffee_expr *a,
                                       const toffee_expr *b);
typedef enum {
    TOFFEE_SIGN_ANY,
    TOFFEE_SIGN_NOT_NEGATIVE,
    TOFFEE_SIGN_NOT_POSITIVE,
    TOFFEE_SIGN_NEGATIVE
} toffee_sign;

/* On which sides of 0 EXPR is, at the points and at other sizes. */
toffee_sign toffee_fit_sign(const toffee_exprs *pool, const toffee_expr *expr);

/* How much of what was found says more than the points do. */
typedef enum {
    TOFFEE_GUESS_NONE,  /* sums and products, and what was met before */
    TOFFEE_GUESS_USUAL, /* a symbol, or a size of many values, divided by a number or bounded */
    TOFFEE_GUESS_RARE   /* other quotients, bounded ones, ends of parts */
} toffee_guess;

/* The most of all that was found so far. */
toffee_guess toffee_fit_guess(const toffee_exprs *pool);

/* A real number as a function of a whole one. */
typedef enum {
    TOFFEE_REAL_IS,           /* e */
    TOFFEE_REAL_INVERSE,      /* 1 / e */
    TOFFEE_REAL_ROOT,         /* sqrt(e) */
    TOFFEE_REAL_INVERSE_ROOT, /* 1 / sqrt(e) */
    TOFFEE_REAL_LOG,          /* log(e) */
    TOFFEE_REAL_POWER,        /* scale ** e */
    TOFFEE_REAL_RATIO,        /* e / by */
} toffee_real_form;

typedef struct {
    toffee_real_form form;
    const toffee_expr *expr; /* NULL: nothing fits */
    const toffee_expr *by;   /* of a ratio; else NULL */
    double scale, offset;    /* the number is scale * form(expr) + offset; see POWER and RATIO */
} toffee_real_fit;

/* The same for real numbers of DTYPE (FLOAT, DOUBLE, FLOAT16, BFLOAT16; given as doubles): the form
 * and expression that give each of SAMPLES again, to within one unit in the last place of DTYPE.
 * Numbers that are all the same are IS of a whole number, or of 1 with the number as the scale.
 * Scales are 1, powers of two and ten, multiples of pi and some logarithms, also negative; whole
 * ones up to 4096 and 1 over these need three values of the size, any other needs four. With an
 * offset both are short decimals, and four values are needed (1 - 1/n, n + 1e-6). Powers are of 2,
 * where the exponent may be any expression, or of a short decimal to what was met before. */
TOFFEE_NODISCARD toffee_code toffee_fit_real(toffee_exprs *pool, toffee_dtype dtype,
                                             const double *samples, const toffee_expr *const *hints,
                                             size_t n_hints, toffee_real_fit *out,
                                             toffee_status *st);
/* Decimal digits of numbers that are believed in sums, powers and tables. */
#define TOFFEE_FIT_MAX_DIGITS 6
/* X rounded to N decimal digits. */
double toffee_fit_decimal(double x, int n);

#endif /* TOFFEE_SIZE_FIT_H */
