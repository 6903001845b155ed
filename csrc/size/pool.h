/* csrc/size/pool.h -- what expr.c, divide.c and the fits share of a pool of expressions. */
#ifndef TOFFEE_SIZE_POOL_H
#define TOFFEE_SIZE_POOL_H

#include "base/vec.h"
#include "size/fit.h"

/* Rows of n_points numbers that fit.c works in. */
#define TOFFEE_SIZE_N_ROWS 10

/* An open hash table; what equal means is with those who search it. Zero-initialised is empty. */
typedef struct {
    uint64_t hash;
    const toffee_expr *expr; /* NULL: free */
} toffee_expr_slot;

typedef struct {
    toffee_expr_slot *slots;
    size_t n_slots; /* a power of two, or 0 */
    size_t n_used;
} toffee_expr_table;

struct toffee_exprs {
    toffee_arena *arena;
    size_t n_points;
    TOFFEE_VEC(toffee_atom *) atoms;
    toffee_expr_table by_terms;
    toffee_expr_table by_samples;          /* what was remembered */
    TOFFEE_VEC(const toffee_expr *) known; /* the same in order: symbols, derived, remembered */
    TOFFEE_VEC(const toffee_expr *) bases; /* symbols, derived sizes, and some others */
    TOFFEE_VEC(const toffee_expr *) pairs; /* of the first n_paired bases; see fit.c */
    size_t n_paired;
    toffee_guess guess;           /* the most of all fits */
    TOFFEE_VEC(toffee_term) work; /* of the polynomial being made */
    int64_t *rows[TOFFEE_SIZE_N_ROWS];
};

/* Puts EXPR, which TABLE must not hold yet, under HASH. False when memory is out. */
TOFFEE_NODISCARD bool toffee_expr_table_add(toffee_arena *arena, toffee_expr_table *table,
                                            uint64_t hash, const toffee_expr *expr);
/* The expression that is the sum of TERMS, whose atoms are in order and in the pool's arena; TERMS
 * are reordered. *OUT is NULL where it has no value (see expr.h). Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_expr_from_terms(toffee_exprs *pool, toffee_term *terms,
                                                    size_t n, const toffee_expr **out,
                                                    toffee_status *st);
/* A new atom LIKE the one given, with the next index, whose names and samples are in the pool's
 * arena already; and the expression of an atom. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_atom_new(toffee_exprs *pool, const toffee_atom *like,
                                             toffee_atom **out, toffee_status *st);
TOFFEE_NODISCARD toffee_code toffee_expr_of_atom(toffee_exprs *pool, const toffee_atom *atom,
                                                 const toffee_expr **out, toffee_status *st);
/* LEFT and RIGHT as an atom of KIND, simplified as it will be; *OUT is NULL where one of them is,
 * or where it has no value. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_expr_of_two(toffee_exprs *pool, toffee_atom_kind kind,
                                                const toffee_expr *left, const toffee_expr *right,
                                                const toffee_expr **out, toffee_status *st);
/* Into *OUT whether it can be shown that EXPR is never negative, symbols being 1 or more and
 * derived sizes 0 or more; EXPR may be NULL. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_expr_not_negative(toffee_exprs *pool, const toffee_expr *expr,
                                                      bool *out, toffee_status *st);
/* What an atom of KIND, of those of two expressions, is where these are A and B. False where it has
 * no value. */
TOFFEE_NODISCARD bool toffee_atom_apply(toffee_atom_kind kind, int64_t a, int64_t b, int64_t *out);
/* A hash of N numbers, mixed into SEED. */
uint64_t toffee_size_hash(uint64_t seed, const int64_t *numbers, size_t n);
/* floor(a / b) into *OUT; false if b is 0 or the quotient leaves 64 bits. */
TOFFEE_NODISCARD bool toffee_size_floor_div(int64_t a, int64_t b, int64_t *out);
/* The greatest common divisor of the magnitudes; 0 for (0, 0). INT64_MIN counts as 2^62. */
int64_t toffee_size_gcd(int64_t a, int64_t b);

#endif /* TOFFEE_SIZE_POOL_H */
