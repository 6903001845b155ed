/* csrc/size/row.h -- rows of N whole numbers: what was seen at each point, and arithmetic on it.
 *
 * What computes a row returns false, and leaves anything in it, where a number would leave 64 bits.
 */
#ifndef TOFFEE_SIZE_ROW_H
#define TOFFEE_SIZE_ROW_H

#include "base/config.h"

/* Whether A and B are the same at every point. */
TOFFEE_NODISCARD bool toffee_row_same(size_t n, const int64_t *a, const int64_t *b);
/* Whether the row says what the size is: not if it is one number at all points but one, where other
 * sizes may be anything. */
TOFFEE_NODISCARD bool toffee_row_tells(size_t n, const int64_t *row);
/* Whether all are one number. */
TOFFEE_NODISCARD bool toffee_row_constant(size_t n, const int64_t *row);
/* How many different numbers there are. */
size_t toffee_row_distinct(size_t n, const int64_t *row);
/* a + k * b */
TOFFEE_NODISCARD bool toffee_row_add(size_t n, const int64_t *a, int64_t k, const int64_t *b,
                                     int64_t *out);
/* a * b */
TOFFEE_NODISCARD bool toffee_row_mul(size_t n, const int64_t *a, const int64_t *b, int64_t *out);
/* a / b where b divides a at every point and is never 0; else false. */
TOFFEE_NODISCARD bool toffee_row_divide(size_t n, const int64_t *a, const int64_t *b, int64_t *out);
/* Whether V is A * E / D exactly at every point, A / D in lowest terms and D positive; and E has
 * two values beside 0 if D is not 1. */
TOFFEE_NODISCARD bool toffee_row_ratio(size_t n, const int64_t *v, const int64_t *e, int64_t *a,
                                       int64_t *d);
/* Whether V is A * E + B with whole numbers, A not 0, at every point. */
TOFFEE_NODISCARD bool toffee_row_line(size_t n, const int64_t *v, const int64_t *e, int64_t *a,
                                      int64_t *b);

#endif /* TOFFEE_SIZE_ROW_H */
