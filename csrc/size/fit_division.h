/* csrc/size/fit_division.h -- quotients and remainders of one row of numbers by a number. */
#ifndef TOFFEE_SIZE_FIT_DIVISION_H
#define TOFFEE_SIZE_FIT_DIVISION_H

#include "base/config.h"

/* c * floor((a*e + b) / d). d is 0: nothing fits. */
typedef struct {
    int64_t c, a, b, d;
    bool is_ambiguous; /* several fit, and none is simpler than the others */
} toffee_division;

/* *OUT is the quotient of E that is V at all N points. E has DISTINCT values; three are needed, and
 * four for an offset that is none of the usual. ROW has room for N numbers and is overwritten. */
void toffee_fit_division(const int64_t *v, const int64_t *e, size_t n, size_t distinct,
                         int64_t *row, toffee_division *out);
/* c + (e + k) % d */
typedef struct {
    int64_t c, k, d;
} toffee_remainder;

/* *OUT is the remainder of SIGN * E that is V at all N points. *AMBIGUOUS is set where several
 * divisors would do. Three distinct values are needed, and four and the whole range of remainders
 * where c or k is not 0. */
TOFFEE_NODISCARD bool toffee_fit_remainder(const int64_t *v, const int64_t *e, int64_t sign,
                                           size_t n, size_t distinct, toffee_remainder *out,
                                           bool *ambiguous);

#endif /* TOFFEE_SIZE_FIT_DIVISION_H */
