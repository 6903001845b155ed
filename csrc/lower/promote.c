/* csrc/lower/promote.c -- PyTorch's type promotion.
 *
 * Among operands of one kind (tensors with dimensions, 0-d tensors, Python numbers) the types are
 * joined. Between kinds, the former kind decides unless the latter is of a higher category: an
 * int32 tensor plus a 0-d int64 stays int32, plus 2.5 it becomes the default float type. */
#include "lower/lower.h"

#define DEFAULT_FLOAT TOFFEE_DTYPE_FLOAT
#define DEFAULT_COMPLEX TOFFEE_DTYPE_COMPLEX64

static bool
dtype_is_bare_unsigned(toffee_dtype dtype)
{
    return dtype == TOFFEE_DTYPE_UINT16 || dtype == TOFFEE_DTYPE_UINT32 ||
           dtype == TOFFEE_DTYPE_UINT64;
}

static toffee_dtype
join_ints(toffee_dtype a, toffee_dtype b)
{
    toffee_dtype wide = toffee_dtype_get(a)->n_bytes > toffee_dtype_get(b)->n_bytes ? a : b;

    if (dtype_is_bare_unsigned(a) || dtype_is_bare_unsigned(b)) {
        return TOFFEE_DTYPE_UNDEFINED; /* PyTorch refuses to mix these, so no call has them */
    }
    if (toffee_dtype_get(a)->n_bytes == toffee_dtype_get(b)->n_bytes) {
        return TOFFEE_DTYPE_INT16; /* the one such pair: int8 and uint8 */
    }
    return wide;
}

static toffee_dtype
join_floats(toffee_dtype a, toffee_dtype b)
{
    size_t a_bytes = toffee_dtype_get(a)->n_bytes;
    size_t b_bytes = toffee_dtype_get(b)->n_bytes;

    if (a_bytes == 1 || b_bytes == 1) {
        return TOFFEE_DTYPE_UNDEFINED; /* float8 mixes with nothing */
    }
    if (a_bytes == b_bytes) {
        return TOFFEE_DTYPE_FLOAT; /* the one such pair: float16 and bfloat16 */
    }
    return a_bytes > b_bytes ? a : b;
}

toffee_dtype
toffee_promote_types(toffee_dtype a, toffee_dtype b)
{
    toffee_category a_category = toffee_dtype_get(a)->category;
    toffee_category b_category = toffee_dtype_get(b)->category;

    if (a == b) {
        return a;
    }
    if (a_category == TOFFEE_CATEGORY_NONE || b_category == TOFFEE_CATEGORY_NONE) {
        return TOFFEE_DTYPE_UNDEFINED;
    }
    if (a_category < b_category) {
        return toffee_promote_types(b, a);
    }
    if (a_category == TOFFEE_CATEGORY_COMPLEX) {
        return b == TOFFEE_DTYPE_DOUBLE || b == TOFFEE_DTYPE_COMPLEX128 ? TOFFEE_DTYPE_COMPLEX128
                                                                        : a;
    }
    if (a_category != b_category) {
        return a;
    }
    return a_category == TOFFEE_CATEGORY_FLOAT ? join_floats(a, b) : join_ints(a, b);
}

/* UNDEFINED stands for "no operand of this kind". */
static toffee_dtype
join_present(toffee_dtype a, toffee_dtype b)
{
    if (a == TOFFEE_DTYPE_UNDEFINED) {
        return b;
    }
    return b == TOFFEE_DTYPE_UNDEFINED ? a : toffee_promote_types(a, b);
}

static toffee_dtype
dtype_to_complex(toffee_dtype dtype)
{
    return dtype == TOFFEE_DTYPE_DOUBLE ? TOFFEE_DTYPE_COMPLEX128 : TOFFEE_DTYPE_COMPLEX64;
}

static toffee_dtype
join_kinds(toffee_dtype higher, toffee_dtype lower)
{
    toffee_category high = toffee_dtype_get(higher)->category;
    toffee_category low = toffee_dtype_get(lower)->category;

    if (high >= TOFFEE_CATEGORY_FLOAT && low > high) {
        return dtype_to_complex(higher); /* a complex number does not widen a tensor */
    }
    return low > high ? join_present(higher, lower) : higher;
}

toffee_dtype
toffee_promote(const toffee_arg *const *args, size_t n)
{
    toffee_dtype tensors = TOFFEE_DTYPE_UNDEFINED;
    toffee_dtype scalars = TOFFEE_DTYPE_UNDEFINED; /* 0-d tensors */
    toffee_dtype numbers = TOFFEE_DTYPE_UNDEFINED;

    for (size_t i = 0; i < n; i++) {
        const toffee_arg *arg = args[i];

        if (arg == NULL) {
            continue;
        }
        switch (arg->kind) {
        case TOFFEE_ARG_VALUE:
            if (toffee_value_rank(arg->value) != 0) {
                tensors = join_present(tensors, toffee_value_dtype(arg->value));
            }
            else {
                scalars = join_present(scalars, toffee_value_dtype(arg->value));
            }
            break;
        case TOFFEE_ARG_BOOL: numbers = join_present(numbers, TOFFEE_DTYPE_BOOL); break;
        case TOFFEE_ARG_INT: numbers = join_present(numbers, TOFFEE_DTYPE_INT64); break;
        case TOFFEE_ARG_FLOAT: numbers = join_present(numbers, DEFAULT_FLOAT); break;
        case TOFFEE_ARG_COMPLEX: numbers = join_present(numbers, DEFAULT_COMPLEX); break;
        default: break;
        }
    }
    return join_kinds(tensors, join_kinds(scalars, numbers));
}

toffee_code
toffee_operand(toffee_lowering *lo, const toffee_arg *arg, toffee_dtype dtype, toffee_value **out,
               toffee_status *st)
{
    return arg->kind == TOFFEE_ARG_VALUE ? toffee_cast(lo, arg->value, dtype, out, st)
                                         : toffee_const_arg(lo, dtype, arg, out, st);
}
