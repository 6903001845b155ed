/* csrc/size/expr.h -- whole numbers that depend on the sizes of the inputs.
 *
 * An expression is a polynomial with whole coefficients over atoms. An atom is a symbol ("batch"),
 * a size that the graph itself computes (derived), or the floor quotient, the remainder, the
 * greater or the less of two expressions. Expressions of one pool are canonical: equal ones are one
 * pointer, with the terms in one order, so that "2*length + 1" is always written so.
 *
 * Note [Points]. What is known of a size is its value in a few runs of the model, the points: at
 * each of them every symbol has a value. Each expression carries its values at all points, so it
 * can be held against what was seen (fit.h). */
#ifndef TOFFEE_SIZE_EXPR_H
#define TOFFEE_SIZE_EXPR_H

#include "base/arena.h"
#include "base/status.h"

typedef struct toffee_exprs toffee_exprs; /* defined in expr.c */
typedef struct toffee_expr toffee_expr;
typedef struct toffee_atom toffee_atom;

typedef enum {
    TOFFEE_ATOM_SYMBOL,    /* name */
    TOFFEE_ATOM_DERIVED,   /* name; owner says where the graph has it */
    TOFFEE_ATOM_QUOTIENT,  /* floor(left / right) */
    TOFFEE_ATOM_REMAINDER, /* left - right * floor(left / right) */
    TOFFEE_ATOM_MAX,
    TOFFEE_ATOM_MIN
} toffee_atom_kind;

struct toffee_atom {
    toffee_atom_kind kind;
    size_t index;            /* in order of making: atoms of terms are sorted by it */
    const char *name;        /* of a symbol or a derived size; NULL for the others */
    void *owner;             /* of a derived size: the caller's; else NULL */
    const toffee_expr *left; /* of those of two expressions; else NULL */
    const toffee_expr *right;
    const int64_t *samples; /* at each point of the pool */
};

/* coefficient * atoms[0] * atoms[1] * …; an atom stands as often as its power. No atoms: a number.
 */
typedef struct {
    int64_t coefficient; /* not 0 */
    size_t n;
    const toffee_atom *const *atoms;
} toffee_term;

/* The sum of its terms; none: 0. The term without atoms comes last. */
struct toffee_expr {
    size_t n;
    const toffee_term *terms;
    const int64_t *samples; /* at each point of the pool */
};

/* A pool for N_POINTS points (at least 1) in ARENA, which must outlive it. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_exprs_new(toffee_arena *arena, size_t n_points,
                                              toffee_exprs **out, toffee_status *st);
size_t toffee_exprs_n_points(const toffee_exprs *pool);

/* All below: *OUT is the expression, or NULL where it has no value at some point, a number would
 * leave 64 bits, or it grows past 64 terms or 8 factors (that is not an error: there is no such
 * size). What is made of a NULL is NULL, so that calls can be chained. Errors: NOMEM. NAME is
 * copied. */
TOFFEE_NODISCARD toffee_code toffee_expr_number(toffee_exprs *pool, int64_t number,
                                                const toffee_expr **out, toffee_status *st);
/* A new symbol with SAMPLES (n_points, copied). Its name must be new in the pool. */
TOFFEE_NODISCARD toffee_code toffee_expr_symbol(toffee_exprs *pool, const char *name,
                                                const int64_t *samples, const toffee_expr **out,
                                                toffee_status *st);
/* A new derived size. */
TOFFEE_NODISCARD toffee_code toffee_expr_derived(toffee_exprs *pool, const char *name,
                                                 const int64_t *samples, void *owner,
                                                 const toffee_expr **out, toffee_status *st);
/* a + k * b */
TOFFEE_NODISCARD toffee_code toffee_expr_add(toffee_exprs *pool, const toffee_expr *a, int64_t k,
                                             const toffee_expr *b, const toffee_expr **out,
                                             toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_expr_mul(toffee_exprs *pool, const toffee_expr *a,
                                             const toffee_expr *b, const toffee_expr **out,
                                             toffee_status *st);
/* floor(a / b). What divides without a remainder by its form comes out of the quotient
 * ((4*n + 6) / 2 is 2*n + 3, (4*n + 5) / 4 is n + 1), quotients of quotients by numbers become
 * one. B is not 0 at any point and, where it is a number, positive. */
TOFFEE_NODISCARD toffee_code toffee_expr_quotient(toffee_exprs *pool, const toffee_expr *a,
                                                  const toffee_expr *b, const toffee_expr **out,
                                                  toffee_status *st);
/* a - b * floor(a / b), on the same terms. */
TOFFEE_NODISCARD toffee_code toffee_expr_remainder(toffee_exprs *pool, const toffee_expr *a,
                                                   const toffee_expr *b, const toffee_expr **out,
                                                   toffee_status *st);
/* max(a, b) and min(a, b); one of them where it can be shown to be that (bound.c): max(n - 1, 0) is
 * n - 1, since a symbol is 1 or more. A derived size is 0 or more. */
TOFFEE_NODISCARD toffee_code toffee_expr_max(toffee_exprs *pool, const toffee_expr *a,
                                             const toffee_expr *b, const toffee_expr **out,
                                             toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_expr_min(toffee_exprs *pool, const toffee_expr *a,
                                             const toffee_expr *b, const toffee_expr **out,
                                             toffee_status *st);

/* Whether EXPR is a number, and which. OUT may be NULL. */
bool toffee_expr_is_number(const toffee_expr *expr, int64_t *out);
/* The atom that EXPR is, or NULL where it is more or less than one. */
const toffee_atom *toffee_expr_atom(const toffee_expr *expr);
/* Whether EXPR is a symbol, or a multiple of one, and a number. */
bool toffee_expr_is_line(const toffee_expr *expr);
/* Whether EXPR contains a derived atom anywhere. */
bool toffee_expr_has_derived(const toffee_expr *expr);
/* Its value where the symbol called NAMES[i] is VALUES[i]. False if it has a derived atom or a
 * symbol that is not named, divides by 0, or leaves 64 bits. */
TOFFEE_NODISCARD bool toffee_expr_eval(const toffee_expr *expr, const char *const *names,
                                       const int64_t *values, size_t n, int64_t *out);
/* "2*length + 1", "batch*((height + 1)//2)", "-(n % 4) + 7": Python's notation, so that it can be
 * evaluated with the symbols as variables. Lives in the pool's arena. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_expr_print(toffee_exprs *pool, const toffee_expr *expr,
                                               const char **out, toffee_status *st);

#endif /* TOFFEE_SIZE_EXPR_H */
