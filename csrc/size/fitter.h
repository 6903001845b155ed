/* csrc/size/fitter.h -- what the files that fit whole numbers share. Private to size/. */
#ifndef TOFFEE_SIZE_FITTER_H
#define TOFFEE_SIZE_FITTER_H

#include "size/pool.h"

/* Sizes that take part in every form; a further hint counts only if it is the answer itself. */
#define TOFFEE_FITTER_MAX_BASES 16

/* One fit. */
typedef struct {
    toffee_exprs *pool;
    const toffee_expr *bases[TOFFEE_FITTER_MAX_BASES]; /* hints, symbols, derived sizes that vary */
    size_t distinct[TOFFEE_FITTER_MAX_BASES];          /* values that each has */
    size_t n;
    toffee_status *st;
} toffee_fitter;

/* ---- fit_sum.c: *OUT stays NULL where nothing fits V. ROW has room for a number at each point and
 * is overwritten. Errors: NOMEM. ---- */

/* Whole multiples of symbols and a number; one base plus or minus something known; multiples of two
 * bases and a number. */
TOFFEE_NODISCARD toffee_code toffee_fit_sum(toffee_fitter *f, const int64_t *v, int64_t *row,
                                            const toffee_expr **out);
/* All of a + b*x + c*y + d*x*y, where there are points enough. */
TOFFEE_NODISCARD toffee_code toffee_fit_bilinear(toffee_fitter *f, const int64_t *v, int64_t *row,
                                                 const toffee_expr **out);

#endif /* TOFFEE_SIZE_FITTER_H */
