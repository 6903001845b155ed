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

/* floor(a * e / d) + b. *OUT is NULL where E is. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_fitter_scaled(toffee_fitter *f, const toffee_expr *e, int64_t a,
                                                  int64_t d, int64_t b, const toffee_expr **out);

/* ---- fit_quotient.c: *OUT stays NULL where nothing fits V. ROW and OTHER have room for a number
 * at each point and are overwritten. Errors: NOMEM. ---- */

/* *OUT becomes FOUND, a form that fits all points, if it is the first; one that is something else
 * than another at other sizes sets *AMBIGUOUS. NULL: there is none. */
void toffee_fitter_take(const toffee_fitter *f, const toffee_expr *found, bool *ambiguous,
                        const toffee_expr **out);
/* Quotients and remainders of one size by another, which leave no number free; and what was met
 * before, divided by a size without a remainder. Sets *AMBIGUOUS if several fit, or one by a number
 * as well. */
TOFFEE_NODISCARD toffee_code toffee_fit_by_size(toffee_fitter *f, const int64_t *v, int64_t *row,
                                                bool *ambiguous, const toffee_expr **out);
/* Quotients and remainders by a number; IS_NESTED: V is a part of what was seen, of which less is
 * believed. *AMBIGUOUS: several fit, none better than the others. *IS_USUAL: the floor or the
 * ceiling, or a remainder, of a base itself. */
TOFFEE_NODISCARD toffee_code toffee_fit_by_number(toffee_fitter *f, const int64_t *v,
                                                  bool is_nested, int64_t *row, bool *ambiguous,
                                                  bool *is_usual, const toffee_expr **out);
/* -(n // 3) */
TOFFEE_NODISCARD toffee_code toffee_fit_negative(toffee_fitter *f, const int64_t *v, int64_t *row,
                                                 int64_t *other, const toffee_expr **out);

/* ---- fit_sum.c: *OUT stays NULL where nothing fits V. ROW has room for a number at each point and
 * is overwritten. Errors: NOMEM. ---- */

/* Whole multiples of symbols and a number; one base plus or minus something known; multiples of two
 * bases and a number. */
TOFFEE_NODISCARD toffee_code toffee_fit_sum(toffee_fitter *f, const int64_t *v, int64_t *row,
                                            const toffee_expr **out);
/* All of a + b*x + c*y + d*x*y, where there are points enough. */
TOFFEE_NODISCARD toffee_code toffee_fit_bilinear(toffee_fitter *f, const int64_t *v, int64_t *row,
                                                 const toffee_expr **out);

/* ---- fit_clamp.c: on the same terms ---- */

/* The greater or the less of two bases, or of one, or a quotient of one, and a number. */
TOFFEE_NODISCARD toffee_code toffee_fit_clamp(toffee_fitter *f, const int64_t *v,
                                              const toffee_expr **out);
/* *DIFFERS becomes true where a bounded quotient, of which too little may have been seen to believe
 * it, fits V as well as FOUND and is something else at other sizes. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_fit_doubt(toffee_fitter *f, const int64_t *v,
                                              const toffee_expr *found, bool *differs);
/* Where the last part of a base begins, and how long it is, if it is cut into parts of ceil(e/d) or
 * max(e // d, 1). */
TOFFEE_NODISCARD toffee_code toffee_fit_last_part(toffee_fitter *f, const int64_t *v, int64_t *row,
                                                  const toffee_expr **out);

#endif /* TOFFEE_SIZE_FITTER_H */
