/* csrc/size/bound.c -- which of two sizes is never the less.
 *
 * Note [Bounds]. That max(n - n//2, 0) is n - n//2 is proved, not seen at points: at all of a few
 * sizes max(n - 1000, 0) is 0. To show that an expression is not negative its atoms are replaced
 * one at a time, the product of the other factors being no less than 0:
 *
 *   s + c*(e//d)    by d*s + c*e + d - 1, less c*(d - 1) if c > 0; what is above -d is enough
 *   s + c*(e % d)   by s if c > 0, else by s + c*(d - 1), or s + c*e where e is not negative
 *   s + c*max(e,f)  by s + c*e or s + c*f if c > 0, else by both; min the other way round
 *
 * until only symbols (1 or more) and derived sizes (0 or more) are left. Where that does not get
 * through nothing is said: divisors that are no numbers, differences of products. */
#include "size/pool.h"

/* How many replacements are tried in one proof. */
#define MAX_STEPS 64

typedef struct {
    toffee_exprs *pool;
    int n_steps; /* left */
    toffee_status *st;
} proof;

static bool
is_plain(const toffee_atom *atom)
{
    return atom->kind == TOFFEE_ATOM_SYMBOL || atom->kind == TOFFEE_ATOM_DERIVED;
}

/* Whether EXPR, of plain atoms, grows with all of them and is not negative where they are least. */
static bool
grows_from_zero(const toffee_expr *expr)
{
    int64_t least = 0;

    for (size_t i = 0; i < expr->n; i++) {
        const toffee_term *term = &expr->terms[i];
        bool has_derived = false;

        for (size_t k = 0; k < term->n; k++) {
            has_derived = has_derived || term->atoms[k]->kind == TOFFEE_ATOM_DERIVED;
        }
        if ((term->n != 0 && term->coefficient < 0) ||
            (!has_derived && __builtin_add_overflow(least, term->coefficient, &least))) {
            return false;
        }
    }
    return least >= 0;
}

/* The first atom of EXPR that is made of two, or NULL; then *AT is its term. */
static const toffee_atom *
first_of_two(const toffee_expr *expr, size_t *at)
{
    for (size_t i = 0; i < expr->n; i++) {
        for (size_t k = 0; k < expr->terms[i].n; k++) {
            if (!is_plain(expr->terms[i].atoms[k])) {
                *at = i;
                return expr->terms[i].atoms[k];
            }
        }
    }
    return NULL;
}

/* EXPR as REST + FACTOR * ATOM, ATOM being in term AT, which has no other that is not plain;
 * else both are NULL. */
static toffee_code
take_out(proof *p, const toffee_expr *expr, size_t at, const toffee_atom *atom,
         const toffee_expr **rest, const toffee_expr **factor)
{
    const toffee_expr *product = NULL;
    const toffee_expr *other = NULL;
    bool is_out = false;

    *rest = NULL;
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(p->pool, expr->terms[at].coefficient, factor, p->st));
    for (size_t k = 0; k < expr->terms[at].n; k++) {
        if (!is_out && expr->terms[at].atoms[k] == atom) {
            is_out = true;
            continue;
        }
        if (!is_plain(expr->terms[at].atoms[k])) {
            *factor = NULL;
            return TOFFEE_OK;
        }
        TOFFEE_RETURN_IF_ERROR(
            toffee_expr_of_atom(p->pool, expr->terms[at].atoms[k], &other, p->st));
        TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(p->pool, *factor, other, factor, p->st));
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_of_atom(p->pool, atom, &other, p->st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(p->pool, *factor, other, &product, p->st));
    return toffee_expr_add(p->pool, expr, -1, product, rest, p->st);
}

static toffee_code not_negative(proof *p, const toffee_expr *expr, bool *out);

/* The same of REST + FACTOR * BY. */
static toffee_code
with(proof *p, const toffee_expr *rest, const toffee_expr *factor, const toffee_expr *by, bool *out)
{
    const toffee_expr *expr = NULL;

    TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(p->pool, factor, by, &expr, p->st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(p->pool, rest, 1, expr, &expr, p->st));
    return not_negative(p, expr, out);
}

static toffee_code
with_quotient(proof *p, const toffee_expr *rest, const toffee_expr *factor, const toffee_expr *left,
              int64_t d, bool *out)
{
    const toffee_expr *times = NULL;
    const toffee_expr *one = NULL;
    bool is_added = factor->terms[0].coefficient > 0;

    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(p->pool, 1, &one, p->st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_number(p->pool, d, &times, p->st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_mul(p->pool, rest, times, &rest, p->st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(p->pool, rest, d - 1, one, &rest, p->st));
    if (is_added) {
        TOFFEE_RETURN_IF_ERROR(toffee_expr_add(p->pool, rest, 1 - d, factor, &rest, p->st));
    }
    return with(p, rest, factor, left, out);
}

static toffee_code
with_remainder(proof *p, const toffee_expr *rest, const toffee_expr *factor,
               const toffee_expr *left, int64_t d, bool *out)
{
    const toffee_expr *most = NULL;

    if (factor->terms[0].coefficient > 0) {
        return not_negative(p, rest, out);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(p->pool, rest, d - 1, factor, &most, p->st));
    TOFFEE_RETURN_IF_ERROR(not_negative(p, most, out));
    if (*out) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(not_negative(p, left, out));
    return *out ? with(p, rest, factor, left, out) : TOFFEE_OK;
}

/* Into *OUT whether it is shown that EXPR is not negative. Errors: NOMEM. */
static toffee_code
not_negative(proof *p, const toffee_expr *expr, bool *out)
{
    const toffee_atom *atom = NULL;
    const toffee_expr *rest = NULL;
    const toffee_expr *factor = NULL;
    size_t at = 0;
    int64_t d = 0;
    bool one_is_enough = false;

    *out = false;
    if (expr == NULL || p->n_steps == 0) {
        return TOFFEE_OK;
    }
    p->n_steps--;
    atom = first_of_two(expr, &at);
    if (atom == NULL) {
        *out = grows_from_zero(expr);
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(take_out(p, expr, at, atom, &rest, &factor));
    if (rest == NULL || factor == NULL) {
        return TOFFEE_OK;
    }
    if (atom->kind == TOFFEE_ATOM_QUOTIENT || atom->kind == TOFFEE_ATOM_REMAINDER) {
        if (!toffee_expr_is_number(atom->right, &d) || d < 1) {
            return TOFFEE_OK;
        }
        return atom->kind == TOFFEE_ATOM_QUOTIENT
                   ? with_quotient(p, rest, factor, atom->left, d, out)
                   : with_remainder(p, rest, factor, atom->left, d, out);
    }
    one_is_enough = (atom->kind == TOFFEE_ATOM_MAX) == (factor->terms[0].coefficient > 0);
    TOFFEE_RETURN_IF_ERROR(with(p, rest, factor, atom->left, out));
    return *out == one_is_enough ? TOFFEE_OK : with(p, rest, factor, atom->right, out);
}

toffee_code
toffee_expr_not_negative(toffee_exprs *pool, const toffee_expr *expr, bool *out, toffee_status *st)
{
    proof p = {pool, MAX_STEPS, st};

    return not_negative(&p, expr, out);
}
