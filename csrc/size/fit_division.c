/* csrc/size/fit_division.c -- see fit_division.h. */
#include "size/fit_division.h"

#include <stdlib.h>

#include "size/pool.h"
#include "size/row.h"

/* Divisors that are tried for one quotient; where there are more, the points say too little. */
#define MAX_TRIED 256
/* Largest divisor of a quotient of a multiple, and of common factors taken out of a quotient. */
#define MAX_RATIO 8
#define MAX_FACTOR 4096
/* Numbers past this are not divided: below it the products of two cannot overflow. */
#define MAX_SIZE (INT64_C(1) << 30)

/* ---- quotients --------------------------------------------------------------------------------
 */

static bool
rows_are_small(const int64_t *v, const int64_t *e, size_t n)
{
    for (size_t p = 0; p < n; p++) {
        if (v[p] > MAX_SIZE || v[p] < -MAX_SIZE || e[p] > MAX_SIZE || e[p] < -MAX_SIZE) {
            return false;
        }
    }
    return true;
}

/* The offsets B that make floor((e + B) / D) V at all points: from *LO to *HI, none if *LO > *HI.
 */
static void
offsets(const int64_t *v, const int64_t *e, size_t n, int64_t d, int64_t *lo, int64_t *hi)
{
    *lo = INT64_MIN;
    *hi = INT64_MAX;
    for (size_t p = 0; p < n; p++) {
        int64_t least = d * v[p] - e[p];

        *lo = least > *lo ? least : *lo;
        *hi = least + d - 1 < *hi ? least + d - 1 : *hi;
    }
}

/* The usual offsets, as multiples of the divisor and a number: e // d; (e + d - 1) // d, which is
 * the ceiling and also (e - 1) // d + 1; e // d + 1; (e - 1) // d. The first two before the others.
 */
static const struct {
    int64_t of_d, plus, rank;
    size_t distinct; /* values that must have been seen */
} usual[] = {{0, 0, 0, 3}, {1, -1, 0, 3}, {1, 0, 1, 3}, {0, -1, 1, 4}};

/* floor((e + b) / d) into OUT; only with the divisor ONLY unless that is 0. */
static void
quotient_of(const int64_t *v, const int64_t *e, size_t n, size_t distinct, int64_t only,
            toffee_division *out)
{
    size_t low = 0;
    size_t high = 0;
    int64_t first = 2;
    int64_t last = 0;
    int64_t best_rank = 2;
    size_t n_divisors = 0; /* that some offset fits */
    bool is_told = true;   /* the ceiling from the floor and one */
    toffee_division pinned = {0, 0, 0, 0, false};

    for (size_t p = 1; p < n; p++) {
        low = e[p] < e[low] ? p : low;
        high = e[p] > e[high] ? p : high;
    }
    /* From d * (rise - 1) < run < d * (rise + 1). */
    int64_t run = e[high] - e[low];
    int64_t rise = v[high] - v[low];

    if (rise <= 0 || run <= rise) {
        return;
    }
    first = run / (rise + 1) + 1;
    first = first < 2 ? 2 : first;
    last = rise > 1 ? (run - 1) / (rise - 1) : first + MAX_TRIED;
    if (last - first >= MAX_TRIED) {
        last = first + MAX_TRIED - 1;
    }
    if (only != 0) {
        first = only >= first ? only : last + 1;
        last = only <= last ? only : 0;
    }
    for (int64_t d = first; d <= last; d++) {
        int64_t lo = 0;
        int64_t hi = 0;

        offsets(v, e, n, d, &lo, &hi);
        if (lo > hi) {
            continue;
        }
        n_divisors++;
        is_told = is_told && (lo > d - 1 || hi < d);
        if (lo == hi) {
            pinned = (toffee_division){1, 1, lo, d, false};
        }
        for (size_t i = 0; i < TOFFEE_COUNTOF(usual); i++) {
            int64_t b = usual[i].of_d * d + usual[i].plus;

            if (b < lo || b > hi || usual[i].rank > best_rank || distinct < usual[i].distinct) {
                continue;
            }
            if (usual[i].rank < best_rank) {
                best_rank = usual[i].rank;
                *out = (toffee_division){1, 1, b, d, false};
            }
            else if (d != out->d) {
                out->is_ambiguous = true;
            }
        }
    }
    if (out->d == 0 && n_divisors == 1 && pinned.d != 0 && distinct >= 4) {
        *out = pinned;
    }
    else if (out->d == 0 || out->is_ambiguous || (out->b != 0 && !is_told) ||
             (n_divisors > 1 && only == 0 && (out->d & (out->d - 1)) != 0)) {
        /* Where other offsets allow other divisors, powers of two are believed all the same. */
        *out = (toffee_division){0, 0, 0, 0, n_divisors != 0};
    }
}

/* floor(a * e / d), a > 1, of positive numbers: the simplest fraction, if it stands out. */
static void
quotient_of_multiple(const int64_t *v, const int64_t *e, size_t n, toffee_division *out)
{
    for (int64_t d = 2; d <= (out->d != 0 ? 2 * out->d : MAX_RATIO); d++) {
        int64_t a = 0;
        bool fits = true;

        for (size_t p = 0; p < n && fits; p++) {
            int64_t least = e[p] > 0 ? (v[p] * d + e[p] - 1) / e[p] : 0;

            fits = e[p] > 0 && v[p] >= 0;
            a = least > a ? least : a;
        }
        for (size_t p = 0; p < n && fits; p++) {
            fits = a > 1 && a <= 64 && a * e[p] / d == v[p];
        }
        if (!fits || (out->d != 0 && a * out->d == out->a * d)) {
            continue;
        }
        if (out->d != 0) {
            *out = (toffee_division){0, 0, 0, 0, true};
            return;
        }
        *out = (toffee_division){1, a, 0, d, false};
    }
}

void
toffee_fit_division(const int64_t *v, const int64_t *e, size_t n, size_t distinct, int64_t *row,
                    toffee_division *out)
{
    int64_t g = 0;
    bool ambiguous = false;

    *out = (toffee_division){0, 0, 0, 0, false};
    if (distinct < 3 || toffee_row_distinct(n, v) < 3 || !rows_are_small(v, e, n)) {
        return;
    }
    quotient_of(v, e, n, distinct, 0, out);
    if (out->d != 0) {
        return;
    }
    ambiguous = out->is_ambiguous;
    for (size_t p = 0; p < n; p++) {
        g = toffee_size_gcd(g, v[p]);
    }
    /* First what is cut or filled up to a multiple, where c is d, then other factors. */
    for (int pass = 0; pass < 2 && out->d == 0 && !ambiguous; pass++) {
        for (int64_t c = 2; c <= g && c <= MAX_FACTOR && (pass == 0 || distinct >= 4); c++) {
            toffee_division found = {0, 0, 0, 0, false};

            if (g % c != 0) {
                continue;
            }
            for (size_t p = 0; p < n; p++) {
                row[p] = v[p] / c;
            }
            quotient_of(row, e, n, distinct, pass == 0 ? c : 0, &found);
            ambiguous = ambiguous || found.is_ambiguous || (found.d != 0 && out->d != 0);
            if (found.d != 0) {
                *out = found;
                out->c = c;
            }
        }
    }
    if (ambiguous) {
        *out = (toffee_division){0, 0, 0, 0, true};
    }
    else if (out->d == 0) {
        quotient_of_multiple(v, e, n, out);
        if (out->d > 2 && distinct < 4) {
            *out = (toffee_division){0, 0, 0, 0, true};
        }
    }
}

/* ---- remainders -------------------------------------------------------------------------------
 */

/* Periods up to this are believed where one point alone speaks for them. */
#define MAX_SURE_PERIOD 8

/* Whether several numbers E lie in another period than most. */
static bool
is_wrapped_often(const int64_t *v, const int64_t *e, int64_t sign, size_t n,
                 const toffee_remainder *fit)
{
    int64_t first = sign * e[0] + fit->k - (v[0] - fit->c);
    size_t found[2] = {0, 0};
    int64_t one[2] = {0, 0};

    for (size_t p = 0; p < n; p++) {
        size_t side = sign * e[p] + fit->k - (v[p] - fit->c) == first ? 0 : 1;

        found[side] = found[side] == 0 ? 1 : found[side] + (e[p] != one[side]);
        one[side] = found[side] == 1 ? e[p] : one[side];
    }
    return found[0] > 1 && found[1] > 1;
}

bool
toffee_fit_remainder(const int64_t *v, const int64_t *e, int64_t sign, size_t n, size_t distinct,
                     toffee_remainder *out, bool *ambiguous)
{
    int64_t g = 0;
    int64_t least = INT64_MAX;
    int64_t most = INT64_MIN;
    int64_t gap = sign * e[0] - v[0];
    size_t n_fits = 0;

    if (distinct < 3 || !rows_are_small(v, e, n)) {
        return false;
    }
    /* D divides sign * e + k - (v - c) at every point, and so all differences of these. */
    for (size_t p = 0; p < n; p++) {
        g = toffee_size_gcd(g, (sign * e[p] - v[p]) - gap);
        least = v[p] < least ? v[p] : least;
        most = v[p] > most ? v[p] : most;
    }
    if (g == 0 || least == most || most - least >= g) {
        return false;
    }
    for (int64_t d = most - least + 1; d <= g && d <= MAX_FACTOR; d++) {
        if (g % d == 0 && gap % d == 0 && least >= 0 && most < d) {
            *out = (toffee_remainder){0, 0, d};
            n_fits++;
        }
    }
    if (n_fits == 0 && distinct >= 4 && g % (most - least + 1) == 0) {
        /* Both ends of the range were seen, so that nothing is left to choose. */
        *out = (toffee_remainder){least, 0, most - least + 1};
        out->k = (-gap - least) % out->d;
        n_fits = 1;
    }
    *ambiguous = *ambiguous || n_fits > 1;
    /* One point alone may be past some bound, min(n, 19), instead of in another period. */
    return n_fits == 1 && (is_wrapped_often(v, e, sign, n, out) ||
                           (out->c == 0 && out->k == 0 && out->d <= MAX_SURE_PERIOD));
}
