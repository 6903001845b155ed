/* csrc/size/row.c -- see row.h. */
#include "size/row.h"

#include <string.h>

#include "size/pool.h"

size_t
toffee_row_distinct(size_t n, const int64_t *row)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < i && row[k] != row[i]) {
            k++;
        }
        count += k == i;
    }
    return count;
}

/* With as many points, one alone is not enough to tell what a number is. */
#define LEAST_TELLING 5

bool
toffee_row_tells(size_t n, const int64_t *row)
{
    int64_t usual = row[0];
    size_t votes = 0;
    size_t n_others = 0;

    for (size_t p = 0; p < n; p++) { /* the number that most points have, if there is one */
        usual = votes == 0 ? row[p] : usual;
        votes = votes == 0 || row[p] == usual ? votes + 1 : votes - 1;
    }
    for (size_t p = 0; p < n; p++) {
        n_others += row[p] != usual;
    }
    return n_others != 1 || n < LEAST_TELLING;
}

bool
toffee_row_line(size_t n, const int64_t *v, const int64_t *e, int64_t *a, int64_t *b)
{
    int64_t run = 0;
    int64_t rise = 0;
    int64_t product = 0;
    size_t at = 1;

    while (at < n && e[at] == e[0]) {
        at++;
    }
    if (at >= n || __builtin_sub_overflow(e[at], e[0], &run) ||
        __builtin_sub_overflow(v[at], v[0], &rise) || (run == -1 && rise == INT64_MIN) ||
        rise % run != 0 || rise == 0) {
        return false;
    }
    *a = rise / run;
    if (__builtin_mul_overflow(*a, e[0], &product) || __builtin_sub_overflow(v[0], product, b)) {
        return false;
    }
    for (size_t p = 0; p < n; p++) {
        if (__builtin_mul_overflow(*a, e[p], &product) ||
            __builtin_add_overflow(product, *b, &product) || product != v[p]) {
            return false;
        }
    }
    return true;
}

bool
toffee_row_same(size_t n, const int64_t *a, const int64_t *b)
{
    return memcmp(a, b, n * sizeof(*a)) == 0;
}

bool
toffee_row_constant(size_t n, const int64_t *row)
{
    for (size_t p = 1; p < n; p++) {
        if (row[p] != row[0]) {
            return false;
        }
    }
    return true;
}

bool
toffee_row_add(size_t n, const int64_t *a, int64_t k, const int64_t *b, int64_t *out)
{
    for (size_t p = 0; p < n; p++) {
        int64_t product = 0;

        if (__builtin_mul_overflow(k, b[p], &product) ||
            __builtin_add_overflow(a[p], product, &out[p])) {
            return false;
        }
    }
    return true;
}

bool
toffee_row_mul(size_t n, const int64_t *a, const int64_t *b, int64_t *out)
{
    for (size_t p = 0; p < n; p++) {
        if (__builtin_mul_overflow(a[p], b[p], &out[p])) {
            return false;
        }
    }
    return true;
}

bool
toffee_row_divide(size_t n, const int64_t *a, const int64_t *b, int64_t *out)
{
    for (size_t p = 0; p < n; p++) {
        if (!toffee_size_floor_div(a[p], b[p], &out[p]) || a[p] % b[p] != 0) {
            return false;
        }
    }
    return true;
}

bool
toffee_row_ratio(size_t n, const int64_t *v, const int64_t *e, int64_t *a, int64_t *d)
{
    size_t at = 0;
    int64_t g = 0;
    bool is_told = false;

    while (at < n && e[at] == 0) {
        at++;
    }
    if (at == n || v[at] == INT64_MIN || e[at] == INT64_MIN) {
        return false;
    }
    g = toffee_size_gcd(v[at], e[at]) * (e[at] < 0 ? -1 : 1);
    *a = v[at] / g;
    *d = e[at] / g;
    for (size_t p = 0; p < n; p++) {
        int64_t left = 0;
        int64_t right = 0;

        if (__builtin_mul_overflow(v[p], *d, &left) || __builtin_mul_overflow(e[p], *a, &right) ||
            left != right) {
            return false;
        }
        is_told = is_told || (e[p] != 0 && e[p] != e[at]);
    }
    return *d == 1 || is_told;
}
