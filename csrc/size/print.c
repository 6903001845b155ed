/* csrc/size/print.c -- expressions as text, and their values at other sizes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "size/pool.h"

/* ---- text -------------------------------------------------------------------------------------
 */

typedef struct {
    toffee_arena *arena;
    TOFFEE_VEC(char) text;
    bool failed; /* memory is out */
} printer;

static void
put(printer *to, const char *text)
{
    for (; *text != '\0'; text++) {
        to->failed = to->failed || !TOFFEE_VEC_PUSH(to->arena, &to->text, *text);
    }
}

static void put_sum(printer *to, const toffee_expr *expr);

/* Whether ATOM is written as an operator, which may need brackets around it. */
static bool
is_division(const toffee_atom *atom)
{
    return atom->kind == TOFFEE_ATOM_QUOTIENT || atom->kind == TOFFEE_ATOM_REMAINDER;
}

/* EXPR as an operand of // or %: brackets unless Python reads it so without. A product or a
 * quotient may stand bare on the left, since these operators go from left to right. */
static void
put_operand(printer *to, const toffee_expr *expr, bool is_left)
{
    const toffee_term *term = expr->n == 1 ? &expr->terms[0] : NULL;
    bool bare = expr->n == 0 || (term != NULL && term->n == 0 && term->coefficient > 0);

    if (term != NULL && term->n != 0) {
        bool single = term->n == 1 && term->coefficient == 1;

        bare = single ? !is_division(term->atoms[0]) : is_left;
        if (single && is_left && term->atoms[0]->kind == TOFFEE_ATOM_QUOTIENT) {
            bare = true;
        }
    }
    put(to, bare ? "" : "(");
    put_sum(to, expr);
    put(to, bare ? "" : ")");
}

static void
put_atom(printer *to, const toffee_atom *atom)
{
    if (atom->left == NULL) {
        put(to, atom->name);
        return;
    }
    if (!is_division(atom)) {
        put(to, atom->kind == TOFFEE_ATOM_MAX ? "max(" : "min(");
        put_sum(to, atom->left);
        put(to, ", ");
        put_sum(to, atom->right);
        put(to, ")");
        return;
    }
    put_operand(to, atom->left, true);
    put(to, atom->kind == TOFFEE_ATOM_QUOTIENT ? "//" : " % ");
    put_operand(to, atom->right, false);
}

/* TERM without its sign. FOLLOWS_MINUS: a sign that binds tighter than // stands before it. */
static void
put_term(printer *to, const toffee_term *term, bool follows_minus)
{
    uint64_t magnitude =
        term->coefficient < 0 ? -(uint64_t)term->coefficient : (uint64_t)term->coefficient;
    bool alone = term->n == 1 && magnitude == 1;
    char digits[24];

    if (magnitude != 1 || term->n == 0) {
        (void)snprintf(digits, sizeof(digits), "%" PRIu64 "%s", magnitude, term->n != 0 ? "*" : "");
        put(to, digits);
    }
    for (size_t i = 0; i < term->n; i++) {
        bool brackets = is_division(term->atoms[i]) && (!alone || follows_minus);

        put(to, i > 0 ? "*" : "");
        put(to, brackets ? "(" : "");
        put_atom(to, term->atoms[i]);
        put(to, brackets ? ")" : "");
    }
}

/* The first positive term, then the others in order: "7 - n", not "-n + 7". */
static void
put_sum(printer *to, const toffee_expr *expr)
{
    size_t first = 0;

    while (first < expr->n && expr->terms[first].coefficient < 0) {
        first++;
    }
    if (expr->n == 0) {
        put(to, "0");
        return;
    }
    if (first < expr->n) {
        put_term(to, &expr->terms[first], false);
    }
    for (size_t i = 0; i < expr->n; i++) {
        bool leads = i == 0 && first == expr->n;

        if (i != first) {
            bool negative = expr->terms[i].coefficient < 0;

            put(to, leads ? "-" : (negative ? " - " : " + "));
            put_term(to, &expr->terms[i], leads);
        }
    }
}

toffee_code
toffee_expr_print(toffee_exprs *pool, const toffee_expr *expr, const char **out, toffee_status *st)
{
    printer to = {.arena = pool->arena};

    put_sum(&to, expr);
    if (to.failed || !TOFFEE_VEC_PUSH(to.arena, &to.text, '\0')) {
        *out = NULL;
        return toffee_fail_nomem(st);
    }
    *out = to.text.data;
    return TOFFEE_OK;
}

/* ---- values -----------------------------------------------------------------------------------
 */

typedef struct {
    const char *const *names;
    const int64_t *values;
    size_t n;
} binding;

static bool sum_eval(const toffee_expr *expr, const binding *at, int64_t *out);

static bool
atom_eval(const toffee_atom *atom, const binding *at, int64_t *out)
{
    int64_t a = 0;
    int64_t b = 0;

    for (size_t i = 0; atom->kind == TOFFEE_ATOM_SYMBOL && i < at->n; i++) {
        if (strcmp(at->names[i], atom->name) == 0) {
            *out = at->values[i];
            return true;
        }
    }
    return atom->left != NULL && sum_eval(atom->left, at, &a) && sum_eval(atom->right, at, &b) &&
           toffee_atom_apply(atom->kind, a, b, out);
}

static bool
sum_eval(const toffee_expr *expr, const binding *at, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < expr->n; i++) {
        int64_t product = expr->terms[i].coefficient;

        for (size_t k = 0; k < expr->terms[i].n; k++) {
            int64_t value = 0;

            if (!atom_eval(expr->terms[i].atoms[k], at, &value) ||
                __builtin_mul_overflow(product, value, &product)) {
                return false;
            }
        }
        if (__builtin_add_overflow(*out, product, out)) {
            return false;
        }
    }
    return true;
}

bool
toffee_expr_eval(const toffee_expr *expr, const char *const *names, const int64_t *values, size_t n,
                 int64_t *out)
{
    const binding at = {names, values, n};

    return sum_eval(expr, &at, out);
}
