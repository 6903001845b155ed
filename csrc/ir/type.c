/* csrc/ir/type.c */
#include "ir/type.h"

#include <string.h>

toffee_type_kind
toffee_type_get_kind(const toffee_type *type)
{
    return type->more != NULL ? type->more->kind : TOFFEE_TYPE_IS_TENSOR;
}

/* How deep types nest is bounded by the reader, which is the only one to make such types. */
static toffee_code
type_copy_more(const toffee_type_more *from, toffee_arena *arena, toffee_strpool *pool,
               const toffee_type_more **out, toffee_status *st)
{
    toffee_type_more *more = toffee_arena_copy(arena, from, sizeof(*from));
    toffee_type *elem = NULL;

    *out = more;
    if (more == NULL) {
        return toffee_fail_nomem(st);
    }
    more->raw.data = toffee_arena_copy(arena, from->raw.data, from->raw.n);
    if (more->raw.data == NULL) {
        return toffee_fail_nomem(st);
    }
    if (from->elem == NULL) {
        return TOFFEE_OK;
    }
    elem = toffee_arena_calloc(arena, 1, sizeof(*elem));
    more->elem = elem;
    return elem != NULL ? toffee_type_copy(from->elem, arena, pool, elem, st)
                        : toffee_fail_nomem(st);
}

toffee_code
toffee_type_copy(const toffee_type *type, toffee_arena *arena, toffee_strpool *pool,
                 toffee_type *out, toffee_status *st)
{
    toffee_dim *dims = NULL;

    *out = *type;
    out->dims = NULL;
    if (type->rank >= 0) {
        dims = toffee_arena_copy(arena, type->dims, (size_t)type->rank * sizeof(*dims));
        if (dims == NULL) {
            return toffee_fail_nomem(st);
        }
        out->dims = dims;
    }
    for (int32_t i = 0; i < type->rank; i++) {
        const toffee_str *param = type->dims[i].param;

        if (param != NULL) {
            dims[i].param = toffee_strpool_intern(pool, param->text, param->length);
            if (dims[i].param == NULL) {
                return toffee_fail_nomem(st);
            }
        }
    }
    return type->more != NULL ? type_copy_more(type->more, arena, pool, &out->more, st) : TOFFEE_OK;
}

static bool
type_params_equal(const toffee_str *a, const toffee_str *b)
{
    size_t n = a != NULL ? a->length : 0;

    return n == (b != NULL ? b->length : 0) &&
           memcmp(toffee_str_text(a), toffee_str_text(b), n) == 0;
}

static bool
type_more_equal(const toffee_type_more *a, const toffee_type_more *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a->kind == b->kind && a->key == b->key && a->raw.n == b->raw.n &&
           (a->raw.n == 0 || memcmp(a->raw.data, b->raw.data, a->raw.n) == 0) &&
           (a->elem == NULL) == (b->elem == NULL) &&
           (a->elem == NULL || toffee_type_equal(a->elem, b->elem));
}

bool
toffee_type_equal(const toffee_type *a, const toffee_type *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank) {
        return false;
    }
    for (int32_t i = 0; i < a->rank; i++) {
        if (a->dims[i].value != b->dims[i].value ||
            !type_params_equal(a->dims[i].param, b->dims[i].param)) {
            return false;
        }
    }
    return type_more_equal(a->more, b->more);
}
