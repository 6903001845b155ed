/* csrc/size/fit.h -- from what was seen of a number to what it is.
 *
 * Note [Fitting]. A number that was seen at every point (see expr.h) is expressed in the sizes: the
 * simplest expression is taken that has these values at all points, and only if more points speak
 * for it than its form has free numbers, so that at least one of them confirms it. Simplest first:
 * a number; one of the hints, or something met before, as it is; a multiple of one of these plus a
 * number; a sum of multiples of symbols; products of two or three; floor and ceiling quotients by a
 * number, of a hint or a symbol or their sum with a number; remainders, also of the negative (what
 * is missing to the next multiple). Which of two forms that agree at all points is meant cannot be
 * told; points are chosen so that the usual ones do not agree (see toffee/_sizes.py). */
#ifndef TOFFEE_SIZE_FIT_H
#define TOFFEE_SIZE_FIT_H

#include "base/dtype.h"
#include "size/expr.h"

/* Remembers EXPR as a candidate for later fits, if none has its samples yet: the size of an axis of
 * some value. Symbols and derived sizes are candidates from the start. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_fit_remember(toffee_exprs *pool, const toffee_expr *expr,
                                                 toffee_status *st);
/* What was remembered with SAMPLES, or NULL. */
const toffee_expr *toffee_fit_find(const toffee_exprs *pool, const int64_t *samples);
/* *OUT has SAMPLES (n_points of them) and is made of HINTS (sizes nearby; NULLs are skipped), of
 * symbols, and of what was remembered; NULL: nothing fits. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_fit_whole(toffee_exprs *pool, const int64_t *samples,
                                              const toffee_expr *const *hints, size_t n_hints,
                                              const toffee_expr **out, toffee_status *st);

/* A real number as a function of a whole one. */
typedef enum {
    TOFFEE_REAL_IS,           /* e */
    TOFFEE_REAL_INVERSE,      /* 1 / e */
    TOFFEE_REAL_ROOT,         /* sqrt(e) */
    TOFFEE_REAL_INVERSE_ROOT, /* 1 / sqrt(e) */
    TOFFEE_REAL_LOG,          /* log(e) */
} toffee_real_form;

typedef struct {
    toffee_real_form form;
    const toffee_expr *expr; /* NULL: nothing fits */
    double scale;            /* the number is scale * form(expr); a power of ten or two, mostly 1 */
} toffee_real_fit;

/* The same for real numbers of DTYPE (FLOAT, DOUBLE, FLOAT16, BFLOAT16; given as doubles): the form
 * and expression that give each of SAMPLES again, to within one unit in the last place of DTYPE.
 */
TOFFEE_NODISCARD toffee_code toffee_fit_real(toffee_exprs *pool, toffee_dtype dtype,
                                             const double *samples, const toffee_expr *const *hints,
                                             size_t n_hints, toffee_real_fit *out,
                                             toffee_status *st);

#endif /* TOFFEE_SIZE_FIT_H */
