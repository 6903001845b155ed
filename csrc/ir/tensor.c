/* csrc/ir/tensor.c */
#include "ir/tensor.h"

#include <string.h>

toffee_code
toffee_tensor_new(toffee_arena *arena, const toffee_str *name, toffee_dtype dtype,
                  const int64_t *dims, int32_t rank, const void *data, toffee_tensor **out,
                  toffee_status *st)
{
    toffee_tensor *tensor = NULL;
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;

    *out = NULL;
    if (rank < 0 || rank > TOFFEE_MAX_RANK) {
        return toffee_fail(st, TOFFEE_ERR_VALUE, "tensor '%s' has %d dimensions; the limit is %d",
                           toffee_str_text(name), (int)rank, TOFFEE_MAX_RANK);
    }
    if (!toffee_dtype_count(dtype, dims, rank, &n_elements, &n_bytes)) {
        return toffee_fail(st, TOFFEE_ERR_VALUE,
                           "tensor '%s' has a negative dimension or more than 2**63 bytes",
                           toffee_str_text(name));
    }
    tensor = toffee_arena_calloc(arena, 1, sizeof(*tensor));
    if (tensor == NULL) {
        return toffee_fail_nomem(st);
    }
    tensor->dims = toffee_arena_copy(arena, dims, (size_t)rank * sizeof(*dims));
    if (tensor->dims == NULL) {
        return toffee_fail_nomem(st);
    }
    tensor->name = name;
    tensor->dtype = dtype;
    tensor->rank = rank;
    tensor->n_elements = n_elements;
    tensor->n_bytes = n_bytes;
    tensor->data = data;
    *out = tensor;
    return TOFFEE_OK;
}

toffee_code
toffee_tensor_hold(const toffee_tensor *tensor, const void **data, toffee_status *st)
{
    *data = tensor->data;
    if (tensor->source != NULL) {
        return tensor->source->fetch(tensor->source_ctx, data, st);
    }
    return TOFFEE_OK;
}

void
toffee_tensor_let_go(const toffee_tensor *tensor)
{
    if (tensor->source != NULL) {
        tensor->source->unfetch(tensor->source_ctx);
    }
}

static bool
tensor_strings_equal(const toffee_tensor *a, const toffee_tensor *b)
{
    for (uint64_t i = 0; i < a->n_elements; i++) {
        if (a->strings[i].n != b->strings[i].n ||
            (a->strings[i].n != 0 &&
             memcmp(a->strings[i].data, b->strings[i].data, a->strings[i].n) != 0)) {
            return false;
        }
    }
    return true;
}

toffee_code
toffee_tensor_equal(const toffee_tensor *a, const toffee_tensor *b, bool *equal, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    const void *a_data = NULL;
    const void *b_data = NULL;

    *equal = a->dtype == b->dtype && a->rank == b->rank &&
             memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(*a->dims)) == 0;
    if (!*equal || a->n_elements == 0) {
        return TOFFEE_OK;
    }
    if (a->dtype == TOFFEE_DTYPE_STRING) {
        *equal = tensor_strings_equal(a, b);
        return TOFFEE_OK;
    }
    rc = toffee_tensor_hold(a, &a_data, st);
    if (rc != TOFFEE_OK) {
        return rc;
    }
    rc = toffee_tensor_hold(b, &b_data, st);
    if (rc == TOFFEE_OK) {
        *equal = a_data != NULL && b_data != NULL && memcmp(a_data, b_data, a->n_bytes) == 0;
        toffee_tensor_let_go(b);
    }
    toffee_tensor_let_go(a);
    return rc;
}
