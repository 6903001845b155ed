/* csrc/size/divide.c -- floor quotients and remainders of expressions, and what they simplify to.
 */
#include "size/pool.h"

/* ---- dividing terms ---------------------------------------------------------------------------
 */

/* Whether BY divides TERM as a form; then *OUT is the quotient, its atoms new in the arena. */
static toffee_code
term_divide(toffee_exprs *pool, const toffee_term *term, const toffee_term *by, bool *divides,
            toffee_term *out, toffee_status *st)
{
    const toffee_atom **atoms = NULL;
    size_t n = 0;
    size_t n_matched = 0;

    *divides = false;
    if (term->n < by->n || (by->coefficient == -1 && term->coefficient == INT64_MIN) ||
        term->coefficient % by->coefficient != 0) {
        return TOFFEE_OK;
    }
    atoms = toffee_arena_calloc(pool->arena, term->n, sizeof(const void *));
    if (atoms == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < term->n; i++) {
        if (n_matched < by->n && term->atoms[i] == by->atoms[n_matched]) {
            n_matched++;
        }
        else {
            atoms[n++] = term->atoms[i];
        }
    }
    *divides = n_matched == by->n;
    *out = (toffee_term){term->coefficient / by->coefficient, n, atoms};
    return TOFFEE_OK;
}

typedef TOFFEE_VEC(toffee_term) term_list;

/* A as WHOLE * BY + REST, where BY divides no term of REST. */
static toffee_code
expr_split(toffee_exprs *pool, const toffee_expr *a, const toffee_term *by,
           const toffee_expr **whole, const toffee_expr **rest, toffee_status *st)
{
    term_list divided = {NULL, 0, 0};
    term_list others = {NULL, 0, 0};

    for (size_t i = 0; i < a->n; i++) {
        toffee_term quotient = a->terms[i];
        bool divides = false;

        TOFFEE_RETURN_IF_ERROR(term_divide(pool, &a->terms[i], by, &divides, &quotient, st));
        if (!(divides ? TOFFEE_VEC_PUSH(pool->arena, &divided, quotient)
                      : TOFFEE_VEC_PUSH(pool->arena, &others, a->terms[i]))) {
            return toffee_fail_nomem(st);
        }
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_from_terms(pool, divided.data, divided.n, whole, st));
    return toffee_expr_from_terms(pool, others.data, others.n, rest, st);
}

/* What divides every term of A and of B into *COMMON; its coefficient has the sign of B's first. */
static toffee_code
common_factor(toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b, toffee_term *common,
              toffee_status *st)
{
    const toffee_term *first = &b->terms[0];
    const toffee_atom **atoms = toffee_arena_calloc(pool->arena, first->n, sizeof(const void *));

    *common = (toffee_term){0, first->n, atoms};
    if (atoms == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < first->n; i++) {
        atoms[i] = first->atoms[i];
    }
    for (size_t i = 0; i < a->n + b->n; i++) {
        const toffee_term *term = i < a->n ? &a->terms[i] : &b->terms[i - a->n];
        size_t n = 0;

        common->coefficient = toffee_size_gcd(common->coefficient, term->coefficient);
        for (size_t k = 0, at = 0; k < common->n; k++) {
            while (at < term->n && term->atoms[at]->index < atoms[k]->index) {
                at++;
            }
            if (at < term->n && term->atoms[at] == atoms[k]) {
                atoms[n++] = atoms[k];
                at++;
            }
        }
        common->n = n;
    }
    if (first->coefficient < 0) {
        common->coefficient = -common->coefficient;
    }
    return TOFFEE_OK;
}

/* *Q if A is exactly Q * B as a form, else NULL: long division, the first terms being the highest
 * in an order that products keep. */
static toffee_code
expr_divide_exactly(toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b,
                    const toffee_expr **q, toffee_status *st)
{
    const toffee_expr *rest = a;
    const toffee_expr *product = NULL;
    const toffee_expr *step = NULL;
    bool divides = true;

    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, 0, q, st));
    while (rest != NULL && rest->n != 0 && divides) {
        toffee_term term;

        TOFFEE_RETURN_IF_ERROR(
            term_divide(pool, &rest->terms[0], &b->terms[0], &divides, &term, st));
        if (divides) {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_from_terms(pool, &term, 1, &step, st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(pool, *q, 1, step, q, st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(pool, step, b, &product, st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(pool, rest, -1, product, &rest, st));
        }
    }
    if (rest == NULL || rest->n != 0) {
        *q = NULL;
    }
    return TOFFEE_OK;
}

/* ---- by a number ------------------------------------------------------------------------------
 */

/* A // D or A % D; *OUT is left alone where there is no value. */
typedef toffee_code number_divider(toffee_exprs *pool, const toffee_expr *a, int64_t d,
                                   const toffee_expr **out, toffee_status *st);

/* The terms of an expression without its number, ready to be changed. */
static toffee_code
variable_terms(toffee_exprs *pool, const toffee_expr *a, term_list *out, int64_t *number,
               toffee_status *st)
{
    *number = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (a->terms[i].n == 0) {
            *number = a->terms[i].coefficient;
        }
        else if (!TOFFEE_VEC_PUSH(pool->arena, out, a->terms[i])) {
            return toffee_fail_nomem(st);
        }
    }
    return TOFFEE_OK;
}

/* X + NUMBER */
static toffee_code
terms_plus(toffee_exprs *pool, term_list *x, int64_t number, const toffee_expr **out,
           toffee_status *st)
{
    toffee_term last = {number, 0, NULL};

    if (!TOFFEE_VEC_PUSH(pool->arena, x, last)) {
        return toffee_fail_nomem(st);
    }
    return toffee_expr_from_terms(pool, x->data, x->n, out, st);
}

/* floor((X + R) / D) where 0 <= R < D and D divides no coefficient of X, which has terms. */
static toffee_code
quotient_of_rest(toffee_exprs *pool, term_list *x, int64_t r, int64_t d, const toffee_expr **out,
                 toffee_status *st)
{
    const toffee_expr *left = NULL;
    const toffee_expr *right = NULL;
    int64_t g = d;
    int64_t e = 0;
    int64_t scaled = 0;
    int64_t product = 0;
    int64_t sign = 1;

    for (size_t i = 0; i < x->n; i++) {
        g = toffee_size_gcd(g, x->data[i].coefficient);
    }
    d /= g;
    r /= g; /* floor((g*y + r) / (g*d)) is floor((y + floor(r/g)) / d) */
    if (x->data[0].coefficient < 0) {
        sign = -1;
        r = d - 1 - r; /* floor((-y + r) / d) is -floor((y + d - 1 - r) / d) */
    }
    for (size_t i = 0; i < x->n; i++) {
        if (x->data[i].coefficient == INT64_MIN) {
            *out = NULL;
            return TOFFEE_OK;
        }
        x->data[i].coefficient *= sign;
        x->data[i].coefficient /= g;
    }
    if (x->n == 1 && x->data[0].n == 1 && x->data[0].coefficient == 1 &&
        x->data[0].atoms[0]->kind == TOFFEE_ATOM_QUOTIENT &&
        toffee_expr_is_number(x->data[0].atoms[0]->right, &e) &&
        !__builtin_mul_overflow(r, e, &scaled) && !__builtin_mul_overflow(d, e, &product)) {
        /* floor((floor(y/e) + r) / d) is floor((y + e*r) / (e*d)) */
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, 1, &right, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_expr_add(pool, x->data[0].atoms[0]->left, scaled, right, &left, st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, product, &right, st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_quotient(pool, left, right, out, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(terms_plus(pool, x, r, &left, st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, d, &right, st));
        TOFFEE_RETURN_IF_ERROR(
            toffee_expr_of_two(pool, TOFFEE_ATOM_QUOTIENT, left, right, out, st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, 0, &right, st));
    return toffee_expr_add(pool, right, sign, *out, out, st);
}

static toffee_code
quotient_by_number(toffee_exprs *pool, const toffee_expr *a, int64_t d, const toffee_expr **out,
                   toffee_status *st)
{
    term_list terms = {NULL, 0, 0};
    const toffee_expr *whole = NULL;
    const toffee_expr *rest = NULL;
    toffee_term by = {d, 0, NULL};
    int64_t number = 0;
    int64_t floored = 0;

    if (d <= 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(expr_split(pool, a, &by, &whole, &rest, st));
    if (rest == NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(variable_terms(pool, rest, &terms, &number, st));
    if (!toffee_size_floor_div(number, d, &floored)) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, floored, &rest, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(pool, whole, 1, rest, &whole, st));
    if (terms.n == 0) {
        *out = whole;
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(quotient_of_rest(pool, &terms, number - d * floored, d, &rest, st));
    return toffee_expr_add(pool, whole, 1, rest, out, st);
}

/* A with each c * (x % (k*d)) in it replaced by c * x, which has the same remainder by D. */
static toffee_code
without_remainders(toffee_exprs *pool, const toffee_expr *a, int64_t d, const toffee_expr **out,
                   toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, 0, out, st));
    for (size_t i = 0; i < a->n; i++) {
        const toffee_term *term = &a->terms[i];
        toffee_term copy = *term;
        const toffee_expr *one = NULL;
        int64_t e = 0;

        if (term->n == 1 && term->atoms[0]->kind == TOFFEE_ATOM_REMAINDER &&
            toffee_expr_is_number(term->atoms[0]->right, &e) && e % d == 0) {
            TOFFEE_RETURN_IF_ERROR(
                toffee_expr_add(pool, *out, term->coefficient, term->atoms[0]->left, out, st));
        }
        else {
            TOFFEE_RETURN_IF_ERROR(toffee_expr_from_terms(pool, &copy, 1, &one, st));
            TOFFEE_RETURN_IF_ERROR(toffee_expr_add(pool, *out, 1, one, out, st));
        }
    }
    return TOFFEE_OK;
}

static toffee_code
remainder_by_number(toffee_exprs *pool, const toffee_expr *a, int64_t d, const toffee_expr **out,
                    toffee_status *st)
{
    term_list terms = {NULL, 0, 0};
    const toffee_expr *left = NULL;
    const toffee_expr *right = NULL;
    int64_t r = 0;
    int64_t g = d;
    size_t n = 0;

    if (d <= 0) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(without_remainders(pool, a, d, &left, st));
    TOFFEE_RETURN_IF_ERROR(variable_terms(pool, left != NULL ? left : a, &terms, &r, st));
    r = r % d + (r % d < 0 ? d : 0);
    for (size_t i = 0; i < terms.n; i++) {
        toffee_term term = terms.data[i];

        /* The coefficient nearest to 0 of those that give the same: -x % 4, not 3*x % 4. */
        term.coefficient %= d;
        if (term.coefficient > d / 2) {
            term.coefficient -= d;
        }
        else if (term.coefficient < 0 && term.coefficient + d <= d / 2) {
            term.coefficient += d;
        }
        if (term.coefficient != 0) {
            terms.data[n++] = term;
            g = toffee_size_gcd(g, term.coefficient);
        }
    }
    terms.n = n;
    if (n == 0) {
        return toffee_expr_number(pool, r, out, st);
    }
    for (size_t i = 0; i < n; i++) {
        terms.data[i].coefficient /= g;
    }
    TOFFEE_RETURN_IF_ERROR(terms_plus(pool, &terms, r / g, &left, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, d / g, &right, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_of_two(pool, TOFFEE_ATOM_REMAINDER, left, right, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, r % g, &left, st));
    return toffee_expr_add(pool, left, g, *out, out, st);
}

/* ---- by an expression -------------------------------------------------------------------------
 */

/* A // B is *WHOLE + *REST // *BY, and A % B is *FACTOR * (*REST % *BY): what B divides is out of
 * *REST, and what both have in common is *FACTOR. *REST is NULL where there is no value. */
static toffee_code
division_reduce(toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b,
                const toffee_expr **whole, const toffee_expr **rest, const toffee_expr **by,
                const toffee_expr **factor, toffee_status *st)
{
    toffee_term common;
    const toffee_expr *exact = NULL;
    const toffee_expr *none = NULL;

    *rest = a;
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(pool, 0, whole, st));
    if (b->n == 1) {
        TOFFEE_RETURN_IF_ERROR(expr_split(pool, a, &b->terms[0], whole, rest, st));
    }
    else {
        TOFFEE_RETURN_IF_ERROR(expr_divide_exactly(pool, a, b, &exact, st));
        if (exact != NULL) {
            *rest = *whole;
            *whole = exact;
        }
    }
    *by = b;
    if (*rest == NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(common_factor(pool, *rest, b, &common, st));
    TOFFEE_RETURN_IF_ERROR(expr_split(pool, *rest, &common, rest, &none, st));
    if (*rest == NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(expr_split(pool, b, &common, by, &none, st));
    return toffee_expr_from_terms(pool, &common, 1, factor, st);
}

static bool
is_zero_somewhere(const toffee_exprs *pool, const toffee_expr *expr)
{
    bool zero = false;

    for (size_t p = 0; p < pool->n_points; p++) {
        zero = zero || expr->samples[p] == 0;
    }
    return zero;
}

/* A // B or A % B, as KIND says. */
static toffee_code
divide(toffee_exprs *pool, toffee_atom_kind kind, const toffee_expr *a, const toffee_expr *b,
       const toffee_expr **out, toffee_status *st)
{
    bool is_quotient = kind == TOFFEE_ATOM_QUOTIENT;
    number_divider *by_number = is_quotient ? quotient_by_number : remainder_by_number;
    const toffee_expr *whole = NULL;
    const toffee_expr *rest = NULL;
    const toffee_expr *by = NULL;
    const toffee_expr *factor = NULL;
    int64_t d = 0;

    *out = NULL;
    if (a == NULL || b == NULL || is_zero_somewhere(pool, b)) {
        return TOFFEE_OK;
    }
    if (toffee_expr_is_number(b, &d)) {
        return by_number(pool, a, d, out, st);
    }
    TOFFEE_RETURN_IF_ERROR(division_reduce(pool, a, b, &whole, &rest, &by, &factor, st));
    if (rest == NULL || by == NULL) {
        return TOFFEE_OK;
    }
    if (toffee_expr_is_number(by, &d)) {
        TOFFEE_RETURN_IF_ERROR(by_number(pool, rest, d, &rest, st));
    }
    else if (rest->n != 0) {
        TOFFEE_RETURN_IF_ERROR(toffee_expr_of_two(pool, kind, rest, by, &rest, st));
    }
    return is_quotient ? toffee_expr_add(pool, whole, 1, rest, out, st)
                       : toffee_expr_mul(pool, factor, rest, out, st);
}

toffee_code
toffee_expr_quotient(toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b,
                     const toffee_expr **out, toffee_status *st)
{
    return divide(pool, TOFFEE_ATOM_QUOTIENT, a, b, out, st);
}

toffee_code
toffee_expr_remainder(toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b,
                      const toffee_expr **out, toffee_status *st)
{
    return divide(pool, TOFFEE_ATOM_REMAINDER, a, b, out, st);
}
