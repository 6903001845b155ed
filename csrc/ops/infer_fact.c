/* csrc/ops/infer_fact.c -- facts by themselves: one read and filled, two put together. */
#include "ops/infer.h"

#include <stdio.h>
#include <string.h>

/* ---- one fact ---- */

void
toffee_fact_set_scalar(toffee_fact *fact)
{
    fact->rank = 0;
    fact->dims = NULL;
}

void
toffee_fact_copy_shape(toffee_fact *fact, const toffee_fact *other)
{
    fact->rank = other->rank;
    fact->dims = other->dims;
}

/* Element INDEX of an INT64, INT32 or BOOL TENSOR. */
static int64_t
tensor_int(const toffee_tensor *tensor, size_t index)
{
    const unsigned char *bytes = tensor->data;
    int64_t wide = 0;
    int32_t narrow = 0;

    if (tensor->dtype == TOFFEE_DTYPE_INT64) {
        memcpy(&wide, bytes + index * sizeof(wide), sizeof(wide));
        return wide;
    }
    if (tensor->dtype == TOFFEE_DTYPE_INT32) {
        memcpy(&narrow, bytes + index * sizeof(narrow), sizeof(narrow));
        return narrow;
    }
    return bytes[index] != 0;
}

toffee_code
toffee_fact_set_tensor(toffee_infer *ctx, toffee_fact *fact, const toffee_tensor *tensor,
                       toffee_status *st)
{
    toffee_dim *dims = NULL;
    toffee_scalar *items = NULL;
    bool at_hand = tensor->data != NULL || tensor->n_elements == 0;

    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, tensor->rank, &dims, st));
    for (int32_t d = 0; d < tensor->rank; d++) {
        dims[d] = toffee_dim_of(tensor->dims[d]);
    }
    fact->dtype = tensor->dtype;
    fact->rank = tensor->rank;
    fact->dims = dims;
    fact->tensor = at_hand ? tensor : NULL;
    if (at_hand && tensor->n_elements <= TOFFEE_INFER_MAX_ITEMS &&
        (tensor->dtype == TOFFEE_DTYPE_INT64 || tensor->dtype == TOFFEE_DTYPE_INT32 ||
         tensor->dtype == TOFFEE_DTYPE_BOOL)) {
        size_t n = (size_t)tensor->n_elements;

        TOFFEE_RETURN_IF_ERROR(toffee_infer_scalars(ctx, n, &items, st));
        for (size_t i = 0; i < n; i++) {
            items[i] = toffee_scalar_of(tensor_int(tensor, i));
        }
        fact->items = items;
        fact->n_items = n;
    }
    return TOFFEE_OK;
}

toffee_dim
toffee_fact_dim(const toffee_fact *fact, int32_t axis)
{
    return axis >= 0 && axis < fact->rank ? fact->dims[axis] : TOFFEE_DIM_UNKNOWN;
}

int64_t
toffee_fact_count(const toffee_fact *fact)
{
    return fact->rank < 0 ? -1 : toffee_dims_product(fact->dims, (size_t)fact->rank).value;
}

bool
toffee_fact_int(const toffee_fact *fact, size_t index, int64_t *out)
{
    if (fact->items == NULL || index >= fact->n_items || !fact->items[index].known) {
        return false;
    }
    *out = fact->items[index].value;
    return true;
}

bool
toffee_fact_real(const toffee_fact *fact, size_t index, double *out)
{
    const toffee_tensor *tensor = fact->tensor;
    int64_t whole = 0;
    float narrow = 0;

    if (toffee_fact_int(fact, index, &whole)) {
        *out = (double)whole;
        return true;
    }
    if (tensor == NULL || index >= tensor->n_elements) {
        return false;
    }
    if (tensor->dtype == TOFFEE_DTYPE_FLOAT) {
        memcpy(&narrow, (const char *)tensor->data + index * sizeof(narrow), sizeof(narrow));
        *out = (double)narrow;
        return true;
    }
    if (tensor->dtype == TOFFEE_DTYPE_DOUBLE) {
        memcpy(out, (const char *)tensor->data + index * sizeof(*out), sizeof(*out));
        return true;
    }
    return false;
}

toffee_dim
toffee_dim_of_scalar(toffee_scalar scalar)
{
    return scalar.known ? toffee_dim_of(scalar.value) : (toffee_dim){-1, scalar.param};
}

toffee_scalar
toffee_scalar_of_dim(toffee_dim dim)
{
    return (toffee_scalar){dim.value, dim.param, dim.value >= 0};
}

toffee_scalar
toffee_scalar_of(int64_t value)
{
    return (toffee_scalar){value, NULL, true};
}

void
toffee_fact_describe(const toffee_fact *fact, char *buffer, size_t size)
{
    size_t n = 0;
    int wrote = snprintf(buffer, size, "%s (",
                         fact->dtype != TOFFEE_DTYPE_UNDEFINED ? toffee_dtype_get(fact->dtype)->name
                                                               : "a tensor");

    for (int32_t d = 0; d <= fact->rank && wrote >= 0 && (size_t)wrote < size - n; d++) {
        const char *comma = d != 0 ? ", " : "";

        n += (size_t)wrote;
        if (d == fact->rank) {
            wrote = snprintf(buffer + n, size - n, ")");
        }
        else if (fact->dims[d].value >= 0) {
            wrote = snprintf(buffer + n, size - n, "%s%lld", comma, (long long)fact->dims[d].value);
        }
        else {
            wrote = snprintf(buffer + n, size - n, "%s%.40s", comma,
                             fact->dims[d].param != NULL ? fact->dims[d].param->text : "?");
        }
    }
    if (fact->rank < 0) {
        snprintf(buffer, size, "%s of any rank",
                 fact->dtype != TOFFEE_DTYPE_UNDEFINED ? toffee_dtype_get(fact->dtype)->name
                                                       : "a tensor");
    }
}

/* ---- two facts ---- */

/* Whether two facts contradict each other. */
static bool
facts_clash(const toffee_fact *a, const toffee_fact *b)
{
    if (a->dtype != b->dtype && a->dtype != TOFFEE_DTYPE_UNDEFINED &&
        b->dtype != TOFFEE_DTYPE_UNDEFINED) {
        return true;
    }
    if (a->rank < 0 || b->rank < 0) {
        return false;
    }
    for (int32_t d = 0; a->rank == b->rank && d < a->rank; d++) {
        if (toffee_dim_clash(a->dims[d], b->dims[d])) {
            return true;
        }
    }
    return a->rank != b->rank;
}

toffee_code
toffee_fact_meet(toffee_infer *ctx, toffee_fact *a, const toffee_fact *b, const char *what,
                 toffee_status *st)
{
    toffee_dim *dims = NULL;

    if (facts_clash(a, b)) {
        char declared[160];
        char inferred[160];

        toffee_fact_describe(a, declared, sizeof(declared));
        toffee_fact_describe(b, inferred, sizeof(inferred));
        return toffee_fail(st, TOFFEE_ERR_CHECK,
                           "'%.200s' is declared as %s, but what is known of the inputs makes it "
                           "%s; correct the declaration or leave it out",
                           what, declared, inferred);
    }
    if (a->dtype == TOFFEE_DTYPE_UNDEFINED) {
        a->dtype = b->dtype;
    }
    if (a->rank < 0) {
        toffee_fact_copy_shape(a, b);
    }
    for (int32_t d = 0; b->rank >= 0 && d < a->rank; d++) {
        toffee_dim both = toffee_dim_meet(a->dims[d], b->dims[d]);

        if (both.value == a->dims[d].value && both.param == a->dims[d].param) {
            continue;
        }
        if (dims == NULL) { /* a declaration that says as much is not copied */
            TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, a->rank, &dims, st));
            memcpy(dims, a->dims, (size_t)a->rank * sizeof(*dims));
            a->dims = dims;
        }
        dims[d] = both;
    }
    if (a->items == NULL) {
        a->items = b->items;
        a->n_items = b->n_items;
    }
    a->tensor = a->tensor != NULL ? a->tensor : b->tensor;
    if (a->member == NULL) {
        a->member = b->member;
        a->optional = b->optional;
    }
    return TOFFEE_OK;
}

toffee_code
toffee_fact_join(toffee_infer *ctx, toffee_fact *a, const toffee_fact *b, toffee_status *st)
{
    toffee_dim *dims = NULL;

    if (a->dtype != b->dtype) {
        a->dtype = TOFFEE_DTYPE_UNDEFINED;
    }
    a->items = NULL;
    a->n_items = 0;
    a->tensor = NULL;
    if (a->rank != b->rank) {
        a->rank = -1;
        a->dims = NULL;
    }
    for (int32_t d = 0; d < a->rank; d++) {
        if (dims == NULL) {
            TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, a->rank, &dims, st));
        }
        dims[d] = toffee_dim_join(a->dims[d], b->dims[d]);
    }
    a->dims = dims;
    if (a->member != NULL && b->member != NULL && a->optional == b->optional) {
        toffee_fact *member = toffee_arena_copy(ctx->scratch, a->member, sizeof(*member));

        if (member == NULL) {
            return toffee_fail_nomem(st);
        }
        a->member = member;
        return toffee_fact_join(ctx, member, b->member, st);
    }
    a->member = NULL;
    a->optional = false;
    return TOFFEE_OK;
}

toffee_code
toffee_infer_broadcast(toffee_infer *ctx, toffee_fact *out, const toffee_fact *const *facts,
                       size_t n, toffee_status *st)
{
    toffee_dim *dims = NULL;
    int32_t rank = 0;

    for (size_t i = 0; i < n; i++) {
        if (facts[i]->rank < 0) {
            return TOFFEE_OK;
        }
        rank = facts[i]->rank > rank ? facts[i]->rank : rank;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_infer_dims(ctx, rank, &dims, st));
    for (int32_t d = 0; d < rank; d++) {
        toffee_dim dim = toffee_dim_of(1);

        for (size_t i = 0; i < n; i++) {
            int32_t axis = d - (rank - facts[i]->rank);

            if (axis >= 0 && !toffee_dim_broadcast(dim, facts[i]->dims[axis], &dim)) {
                char one[160];
                char other[160];

                toffee_fact_describe(facts[0], one, sizeof(one));
                toffee_fact_describe(facts[i], other, sizeof(other));
                return toffee_fail(st, TOFFEE_ERR_CHECK,
                                   "inputs cannot be broadcast together: input %zu is %s, the "
                                   "first is %s",
                                   i, other, one);
            }
        }
        dims[d] = dim;
    }
    out->rank = rank;
    out->dims = dims;
    return TOFFEE_OK;
}
