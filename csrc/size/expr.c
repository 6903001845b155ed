/* csrc/size/expr.c -- canonical polynomials: the pool, sums and products. See divide.c, print.c. */
#include <stdlib.h>
#include <string.h>

#include "size/fit.h"
#include "size/pool.h"

/* Past these an expression is given up: no size is so complicated, and products grow fast. */
#define MAX_TERMS 64
#define MAX_DEGREE 8

/* ---- numbers and tables -----------------------------------------------------------------------
 */

uint64_t
toffee_size_hash(uint64_t seed, const int64_t *numbers, size_t n)
{
    uint64_t hash = seed;

    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ (uint64_t)numbers[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

bool
toffee_size_floor_div(int64_t a, int64_t b, int64_t *out)
{
    if (b == 0 || (b == -1 && a == INT64_MIN)) {
        return false;
    }
    *out = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return true;
}

int64_t
toffee_size_gcd(int64_t a, int64_t b)
{
    a = a == INT64_MIN ? INT64_C(1) << 62 : llabs(a);
    b = b == INT64_MIN ? INT64_C(1) << 62 : llabs(b);
    while (b != 0) {
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static void
table_put(toffee_expr_table *table, uint64_t hash, const toffee_expr *expr)
{
    size_t at = hash & (table->n_slots - 1);

    while (table->slots[at].expr != NULL) {
        at = (at + 1) & (table->n_slots - 1);
    }
    table->slots[at] = (toffee_expr_slot){hash, expr};
    table->n_used++;
}

bool
toffee_expr_table_add(toffee_arena *arena, toffee_expr_table *table, uint64_t hash,
                      const toffee_expr *expr)
{
    if (table->n_used * 2 >= table->n_slots) {
        toffee_expr_table wider = {NULL, table->n_slots != 0 ? table->n_slots * 2 : 64, 0};

        wider.slots = toffee_arena_calloc(arena, wider.n_slots, sizeof(*wider.slots));
        if (wider.slots == NULL) {
            return false;
        }
        for (size_t i = 0; i < table->n_slots; i++) {
            if (table->slots[i].expr != NULL) {
                table_put(&wider, table->slots[i].hash, table->slots[i].expr);
            }
        }
        *table = wider;
    }
    table_put(table, hash, expr);
    return true;
}

/* ---- the pool ---------------------------------------------------------------------------------
 */

toffee_code
toffee_exprs_new(toffee_arena *arena, size_t n_points, toffee_exprs **out, toffee_status *st)
{
    toffee_exprs *pool = toffee_arena_calloc(arena, 1, sizeof(*pool));

    *out = NULL;
    if (pool == NULL) {
        return toffee_fail_nomem(st);
    }
    pool->arena = arena;
    pool->n_points = n_points;
    for (size_t i = 0; i < TOFFEE_SIZE_N_ROWS; i++) {
        pool->rows[i] = toffee_arena_calloc(arena, n_points, sizeof(*pool->rows[i]));
        if (pool->rows[i] == NULL) {
            return toffee_fail_nomem(st);
        }
    }
    *out = pool;
    return TOFFEE_OK;
}

size_t
toffee_exprs_n_points(const toffee_exprs *pool)
{
    return pool->n_points;
}

/* ---- terms ------------------------------------------------------------------------------------
 */

/* Higher degrees first, then by atoms in order of making. */
static int
term_compare(const toffee_term *a, const toffee_term *b)
{
    if (a->n != b->n) {
        return a->n > b->n ? -1 : 1;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (a->atoms[i] != b->atoms[i]) {
            return a->atoms[i]->index < b->atoms[i]->index ? -1 : 1;
        }
    }
    return 0;
}

static int
term_compare_for_qsort(const void *a, const void *b)
{
    return term_compare(a, b);
}

/* The value of TERM at POINT; false where it leaves 64 bits. */
static bool
term_sample(const toffee_term *term, size_t point, int64_t *out)
{
    int64_t value = term->coefficient;

    for (size_t i = 0; i < term->n; i++) {
        if (__builtin_mul_overflow(value, term->atoms[i]->samples[point], &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

static uint64_t
terms_hash(const toffee_term *terms, size_t n)
{
    uint64_t hash = n;

    for (size_t i = 0; i < n; i++) {
        hash = toffee_size_hash(hash, &terms[i].coefficient, 1);
        for (size_t k = 0; k < terms[i].n; k++) {
            int64_t index = (int64_t)terms[i].atoms[k]->index;

            hash = toffee_size_hash(hash, &index, 1);
        }
    }
    return hash;
}

static const toffee_expr *
terms_find(const toffee_exprs *pool, uint64_t hash, const toffee_term *terms, size_t n)
{
    const toffee_expr_table *table = &pool->by_terms;

    for (size_t at = hash; table->n_slots != 0; at++) {
        const toffee_expr_slot *slot = &table->slots[at & (table->n_slots - 1)];
        bool same = slot->expr != NULL && slot->hash == hash && slot->expr->n == n;

        for (size_t i = 0; same && i < n; i++) {
            same = slot->expr->terms[i].coefficient == terms[i].coefficient &&
                   term_compare(&slot->expr->terms[i], &terms[i]) == 0;
        }
        if (same || slot->expr == NULL) {
            return slot->expr;
        }
    }
    return NULL;
}

toffee_code
toffee_expr_from_terms(toffee_exprs *pool, toffee_term *terms, size_t n, const toffee_expr **out,
                       toffee_status *st)
{
    size_t n_kept = 0;
    uint64_t hash = 0;
    int64_t *samples = NULL;
    toffee_expr *made = NULL;

    *out = NULL;
    if (n > 1) {
        qsort(terms, n, sizeof(*terms), term_compare_for_qsort);
    }
    for (size_t i = 0; i < n;) {
        toffee_term sum = terms[i++];

        for (; i < n && term_compare(&sum, &terms[i]) == 0; i++) {
            if (__builtin_add_overflow(sum.coefficient, terms[i].coefficient, &sum.coefficient)) {
                return TOFFEE_OK;
            }
        }
        if (sum.coefficient != 0) {
            terms[n_kept++] = sum;
        }
    }
    if (n_kept > MAX_TERMS) {
        return TOFFEE_OK;
    }
    hash = terms_hash(terms, n_kept);
    *out = terms_find(pool, hash, terms, n_kept);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    samples = toffee_arena_calloc(pool->arena, pool->n_points, sizeof(*samples));
    if (samples == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t i = 0; i < n_kept; i++) {
        for (size_t p = 0; p < pool->n_points; p++) {
            int64_t value = 0;

            if (!term_sample(&terms[i], p, &value) ||
                __builtin_add_overflow(samples[p], value, &samples[p])) {
                return TOFFEE_OK;
            }
        }
    }
    made = toffee_arena_calloc(pool->arena, 1, sizeof(*made));
    if (made == NULL) {
        return toffee_fail_nomem(st);
    }
    made->n = n_kept;
    made->terms = toffee_arena_copy(pool->arena, terms, n_kept * sizeof(*terms));
    made->samples = samples;
    if (made->terms == NULL || !toffee_expr_table_add(pool->arena, &pool->by_terms, hash, made)) {
        return toffee_fail_nomem(st);
    }
    *out = made;
    return TOFFEE_OK;
}

/* ---- making -----------------------------------------------------------------------------------
 */

toffee_code
toffee_expr_number(toffee_exprs *pool, int64_t number, const toffee_expr **out, toffee_status *st)
{
    toffee_term term = {number, 0, NULL};

    return toffee_expr_from_terms(pool, &term, 1, out, st);
}

toffee_code
toffee_expr_of_atom(toffee_exprs *pool, const toffee_atom *atom, const toffee_expr **out,
                    toffee_status *st)
{
    const toffee_atom *const *atoms =
        toffee_arena_copy(pool->arena, (const void *)&atom, sizeof(atom));
    toffee_term term = {1, 1, atoms};

    *out = NULL;
    return atoms != NULL ? toffee_expr_from_terms(pool, &term, 1, out, st) : toffee_fail_nomem(st);
}

toffee_code
toffee_atom_new(toffee_exprs *pool, const toffee_atom *like, toffee_atom **out, toffee_status *st)
{
    toffee_atom *atom = toffee_arena_copy(pool->arena, like, sizeof(*like));

    *out = NULL;
    if (atom == NULL || !TOFFEE_VEC_PUSH(pool->arena, &pool->atoms, atom)) {
        return toffee_fail_nomem(st);
    }
    atom->index = pool->atoms.n - 1;
    *out = atom;
    return TOFFEE_OK;
}

/* A symbol or a derived size. */
static toffee_code
base_new(toffee_exprs *pool, toffee_atom_kind kind, const char *name, const int64_t *samples,
         void *owner, const toffee_expr **out, toffee_status *st)
{
    toffee_atom like = {.kind = kind, .owner = owner};
    toffee_atom *atom = NULL;

    *out = NULL;
    like.name = toffee_arena_strndup(pool->arena, name, strlen(name));
    like.samples = toffee_arena_copy(pool->arena, samples, pool->n_points * sizeof(*samples));
    if (like.name == NULL || like.samples == NULL) {
        return toffee_fail_nomem(st);
    }
    TOFFEE_RETURN_IF_ERROR(toffee_atom_new(pool, &like, &atom, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_of_atom(pool, atom, out, st));
    if (!TOFFEE_VEC_PUSH(pool->arena, &pool->bases, *out)) {
        return toffee_fail_nomem(st);
    }
    return toffee_fit_remember(pool, *out, st);
}

toffee_code
toffee_expr_symbol(toffee_exprs *pool, const char *name, const int64_t *samples,
                   const toffee_expr **out, toffee_status *st)
{
    return base_new(pool, TOFFEE_ATOM_SYMBOL, name, samples, NULL, out, st);
}

toffee_code
toffee_expr_derived(toffee_exprs *pool, const char *name, const int64_t *samples, void *owner,
                    const toffee_expr **out, toffee_status *st)
{
    return base_new(pool, TOFFEE_ATOM_DERIVED, name, samples, owner, out, st);
}

toffee_code
toffee_expr_add(toffee_exprs *pool, const toffee_expr *a, int64_t k, const toffee_expr *b,
                const toffee_expr **out, toffee_status *st)
{
    *out = NULL;
    if (a == NULL || b == NULL) {
        return TOFFEE_OK;
    }
    pool->work.n = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!TOFFEE_VEC_PUSH(pool->arena, &pool->work, a->terms[i])) {
            return toffee_fail_nomem(st);
        }
    }
    for (size_t i = 0; i < b->n; i++) {
        toffee_term term = b->terms[i];

        if (__builtin_mul_overflow(term.coefficient, k, &term.coefficient)) {
            return TOFFEE_OK;
        }
        if (!TOFFEE_VEC_PUSH(pool->arena, &pool->work, term)) {
            return toffee_fail_nomem(st);
        }
    }
    return toffee_expr_from_terms(pool, pool->work.data, pool->work.n, out, st);
}

/* The atoms of A and of B, merged in order; NULL when memory is out. */
static const toffee_atom *const *
atoms_merge(toffee_arena *arena, const toffee_term *a, const toffee_term *b)
{
    const toffee_atom **atoms = toffee_arena_calloc(arena, a->n + b->n, sizeof(const void *));
    size_t i = 0;
    size_t k = 0;

    while (atoms != NULL && i + k < a->n + b->n) {
        bool left = k == b->n || (i < a->n && a->atoms[i]->index <= b->atoms[k]->index);

        atoms[i + k] = left ? a->atoms[i] : b->atoms[k];
        *(left ? &i : &k) += 1;
    }
    return atoms;
}

toffee_code
toffee_expr_mul(toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b,
                const toffee_expr **out, toffee_status *st)
{
    *out = NULL;
    if (a == NULL || b == NULL) {
        return TOFFEE_OK;
    }
    pool->work.n = 0;
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < b->n; k++) {
            const toffee_term *s = &a->terms[i];
            const toffee_term *t = &b->terms[k];
            toffee_term term = {0, s->n + t->n, s->n != 0 ? s->atoms : t->atoms};

            if (term.n > MAX_DEGREE ||
                __builtin_mul_overflow(s->coefficient, t->coefficient, &term.coefficient)) {
                return TOFFEE_OK;
            }
            if (s->n != 0 && t->n != 0) {
                term.atoms = atoms_merge(pool->arena, s, t);
            }
            if ((term.n != 0 && term.atoms == NULL) ||
                !TOFFEE_VEC_PUSH(pool->arena, &pool->work, term)) {
                return toffee_fail_nomem(st);
            }
        }
    }
    return toffee_expr_from_terms(pool, pool->work.data, pool->work.n, out, st);
}

/* ---- of two -----------------------------------------------------------------------------------
 */

bool
toffee_atom_apply(toffee_atom_kind kind, int64_t a, int64_t b, int64_t *out)
{
    if (kind == TOFFEE_ATOM_MAX || kind == TOFFEE_ATOM_MIN) {
        *out = (a > b) == (kind == TOFFEE_ATOM_MAX) ? a : b;
        return true;
    }
    if (!toffee_size_floor_div(a, b, out)) {
        return false;
    }
    if (kind == TOFFEE_ATOM_REMAINDER) {
        /* The product lies between a and a - b, so it cannot leave 64 bits by more than b:
         * unsigned arithmetic gives the small difference all the same. */
        *out = (int64_t)((uint64_t)a - (uint64_t)b * (uint64_t)*out);
    }
    return true;
}

toffee_code
toffee_expr_of_two(toffee_exprs *pool, toffee_atom_kind kind, const toffee_expr *left,
                   const toffee_expr *right, const toffee_expr **out, toffee_status *st)
{
    toffee_atom like = {.kind = kind, .left = left, .right = right};
    toffee_atom *atom = NULL;
    int64_t *samples = NULL;
    bool commutes = kind == TOFFEE_ATOM_MAX || kind == TOFFEE_ATOM_MIN;

    *out = NULL;
    if (left == NULL || right == NULL) {
        return TOFFEE_OK;
    }
    for (size_t i = 0; i < pool->atoms.n; i++) {
        const toffee_atom *known = pool->atoms.data[i];

        if (known->kind == kind && ((known->left == left && known->right == right) ||
                                    (commutes && known->left == right && known->right == left))) {
            return toffee_expr_of_atom(pool, known, out, st);
        }
    }
    samples = toffee_arena_calloc(pool->arena, pool->n_points, sizeof(*samples));
    if (samples == NULL) {
        return toffee_fail_nomem(st);
    }
    for (size_t p = 0; p < pool->n_points; p++) {
        if (!toffee_atom_apply(kind, left->samples[p], right->samples[p], &samples[p])) {
            return TOFFEE_OK;
        }
    }
    like.samples = samples;
    TOFFEE_RETURN_IF_ERROR(toffee_atom_new(pool, &like, &atom, st));
    return toffee_expr_of_atom(pool, atom, out, st);
}

/* The one of A and B that KIND says, if one of them is never the less. */
static toffee_code
choose(toffee_exprs *pool, toffee_atom_kind kind, const toffee_expr *a, const toffee_expr *b,
       const toffee_expr **out, toffee_status *st)
{
    const toffee_expr *difference = NULL;
    bool has_order = false;

    *out = NULL;
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(pool, a, -1, b, &difference, st));
    if (difference == NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_not_negative(pool, difference, &has_order, st));
    if (has_order) {
        *out = kind == TOFFEE_ATOM_MAX ? a : b;
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_expr_add(pool, b, -1, a, &difference, st));
    TOFFEE_RETURN_IF_ERROR(toffee_expr_not_negative(pool, difference, &has_order, st));
    if (has_order) {
        *out = kind == TOFFEE_ATOM_MAX ? b : a;
        return TOFFEE_OK;
    }
    if (toffee_expr_is_number(a, NULL)) { /* a number stands last */
        return toffee_expr_of_two(pool, kind, b, a, out, st);
    }
    return toffee_expr_of_two(pool, kind, a, b, out, st);
}

toffee_code
toffee_expr_max(toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b,
                const toffee_expr **out, toffee_status *st)
{
    return choose(pool, TOFFEE_ATOM_MAX, a, b, out, st);
}

toffee_code
toffee_expr_min(toffee_exprs *pool, const toffee_expr *a, const toffee_expr *b,
                const toffee_expr **out, toffee_status *st)
{
    return choose(pool, TOFFEE_ATOM_MIN, a, b, out, st);
}

/* ---- questions --------------------------------------------------------------------------------
 */

bool
toffee_expr_is_number(const toffee_expr *expr, int64_t *out)
{
    if (expr->n > 1 || (expr->n == 1 && expr->terms[0].n != 0)) {
        return false;
    }
    if (out != NULL) {
        *out = expr->n == 1 ? expr->terms[0].coefficient : 0;
    }
    return true;
}

const toffee_atom *
toffee_expr_atom(const toffee_expr *expr)
{
    return expr->n == 1 && expr->terms[0].n == 1 && expr->terms[0].coefficient == 1
               ? expr->terms[0].atoms[0]
               : NULL;
}

bool
toffee_expr_is_line(const toffee_expr *expr)
{
    size_t n_terms = 0;

    for (size_t i = 0; i < expr->n; i++) {
        n_terms += expr->terms[i].n != 0;
        if (expr->terms[i].n > 1 ||
            (expr->terms[i].n == 1 && expr->terms[i].atoms[0]->kind != TOFFEE_ATOM_SYMBOL)) {
            return false;
        }
    }
    return n_terms == 1;
}

bool
toffee_expr_has_derived(const toffee_expr *expr)
{
    for (size_t i = 0; i < expr->n; i++) {
        for (size_t k = 0; k < expr->terms[i].n; k++) {
            const toffee_atom *atom = expr->terms[i].atoms[k];

            if (atom->kind == TOFFEE_ATOM_DERIVED ||
                (atom->left != NULL &&
                 (toffee_expr_has_derived(atom->left) || toffee_expr_has_derived(atom->right)))) {
                return true;
            }
        }
    }
    return false;
}
