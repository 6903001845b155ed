/* csrc/lower/constant.c -- initializers that lowerings make: numbers, shapes, small tables.
 *
 * Equal ones are one initializer. The key is the tensor itself, interned as a string: its dtype,
 * rank and dims, then its bytes. The tensor's data are those bytes, so nothing is stored twice. */
#include "lower/lower.h"

#include <math.h>
#include <string.h>

/* An interned text starts at a multiple of 16; so does what follows a header of this granularity.
 */
#define KEY_ALIGN 16

_Static_assert(offsetof(toffee_str, text) % KEY_ALIGN == 0, "constants would not be aligned");

static size_t
key_header_size(int32_t rank)
{
    size_t size = (2 + (size_t)rank) * sizeof(int64_t);

    return (size + KEY_ALIGN - 1) / KEY_ALIGN * KEY_ALIGN;
}

/* Names must be free now and stay free: parameters and inputs have theirs before the run, values
 * made by nodes get numbers after it. */
toffee_code
toffee_const_name(toffee_lowering *lo, const toffee_str **out, toffee_status *st)
{
    toffee_graph *graph = lo->graph;

    for (;;) {
        const char *text = toffee_arena_printf(lo->scratch, "constant.%zu", lo->n_constants++);

        if (text == NULL) {
            return toffee_fail_nomem(st);
        }
        if (toffee_graph_find(graph, text) == NULL) {
            *out = toffee_graph_intern(graph, text);
            return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
        }
    }
}

toffee_code
toffee_const_tensor(toffee_lowering *lo, toffee_dtype dtype, const int64_t *dims, int32_t rank,
                    const void *data, toffee_value **out, toffee_status *st)
{
    toffee_graph *graph = lo->graph;
    size_t header = key_header_size(rank);
    const toffee_str *key = NULL;
    const toffee_str *name = NULL;
    toffee_tensor *tensor = NULL;
    uint64_t n_elements = 0;
    uint64_t n_bytes = 0;
    int64_t *bytes = NULL;

    *out = NULL;
    if (!toffee_dtype_count(dtype, dims, rank, &n_elements, &n_bytes) ||
        n_bytes > SIZE_MAX - header) {
        return toffee_fail(st, TOFFEE_ERR_LIMIT, "a constant of the graph is larger than memory");
    }
    bytes = toffee_arena_calloc(lo->scratch, 1, header + (size_t)n_bytes);
    if (bytes == NULL) {
        return toffee_fail_nomem(st);
    }
    bytes[0] = dtype;
    bytes[1] = rank;
    if (rank != 0) {
        memcpy(bytes + 2, dims, (size_t)rank * sizeof(*dims));
    }
    if (n_bytes != 0) {
        memcpy((char *)bytes + header, data, (size_t)n_bytes);
    }
    key = toffee_strpool_intern(graph->pool, (const char *)bytes, header + (size_t)n_bytes);
    if (key == NULL) {
        return toffee_fail_nomem(st);
    }
    *out = toffee_ptrmap_get(&lo->constants, key);
    if (*out != NULL) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(toffee_const_name(lo, &name, st));
    TOFFEE_RETURN_IF_ERROR(
        toffee_tensor_new(graph->arena, name, dtype, dims, rank, key->text + header, &tensor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_add_initializer(graph, tensor, st));
    TOFFEE_RETURN_IF_ERROR(toffee_graph_value(graph, name, out, st));
    TOFFEE_RETURN_IF_ERROR(toffee_value_set_type(*out, dtype, dims, rank, st));
    /* Under its own address too, which is how toffee_cast knows a constant from a parameter. */
    return toffee_ptrmap_set(graph->arena, &lo->constants, key, *out) &&
                   toffee_ptrmap_set(graph->arena, &lo->constants, *out, *out)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

const void *
toffee_const_data(const toffee_lowering *lo, const toffee_value *value)
{
    return toffee_ptrmap_get(&lo->constants, value) != NULL ||
                   toffee_ptrmap_get(&lo->data, value) != NULL
               ? value->tensor->data
               : NULL;
}

toffee_code
toffee_const_ints(toffee_lowering *lo, const int64_t *ints, size_t n, toffee_value **out,
                  toffee_status *st)
{
    const int64_t dims[1] = {(int64_t)n};

    return toffee_const_tensor(lo, TOFFEE_DTYPE_INT64, dims, 1, ints, out, st);
}

toffee_code
toffee_const_int(toffee_lowering *lo, int64_t i, toffee_value **out, toffee_status *st)
{
    return toffee_const_ints(lo, &i, 1, out, st);
}

/* F rounded, ties to even, to a float of 16 bits with N_FRACTION bits of fraction. Rounds once: by
 * way of float32 a number could be rounded twice. */
static uint16_t
float16_bits(double f, int n_fraction)
{
    const int bias = (1 << (14 - n_fraction)) - 1;
    const int exponent_max = (1 << (15 - n_fraction)) - 1; /* of infinity and NaN */
    uint16_t sign = signbit(f) ? 0x8000 : 0;
    double scaled = 0;
    uint64_t whole = 0;
    int exponent = 0;

    if (isnan(f)) {
        return (uint16_t)(exponent_max << n_fraction | 1 << (n_fraction - 1));
    }
    f = fabs(f);
    if (isinf(f)) {
        return (uint16_t)(sign | exponent_max << n_fraction);
    }
    if (f == 0) {
        return sign;
    }
    frexp(f, &exponent); /* f = m * 2**exponent, 0.5 <= m < 1 */
    exponent -= 1;
    if (exponent < 1 - bias) {
        exponent = 1 - bias; /* subnormal: no hidden bit */
    }
    /* nearbyint would follow the rounding mode of the moment; the tie is decided here. */
    scaled = ldexp(f, n_fraction - exponent);
    whole = (uint64_t)scaled;
    scaled -= (double)whole;
    whole += scaled > 0.5 || (scaled == 0.5 && (whole & 1) != 0);
    /* The hidden bit carries into the exponent field, and so does rounding up to the next power. */
    whole += (uint64_t)(exponent + bias - 1) << n_fraction;
    if (whole >= (uint64_t)exponent_max << n_fraction) {
        whole = (uint64_t)exponent_max << n_fraction;
    }
    return (uint16_t)(sign | whole);
}

static int64_t
int_from_float(double f)
{
    if (isnan(f)) {
        return 0;
    }
    if (f >= 0x1p63) {
        return INT64_MAX;
    }
    return f <= -0x1p63 ? INT64_MIN : (int64_t)f;
}

/* The low bytes of I, which wraps as PyTorch's conversions do. Little-endian hosts only, as all of
 * toffee. */
static toffee_code
constant_int(toffee_lowering *lo, toffee_dtype dtype, int64_t i, toffee_value **out,
             toffee_status *st)
{
    return toffee_const_tensor(lo, dtype, NULL, 0, &i, out, st);
}

static toffee_code
constant_complex(toffee_lowering *lo, toffee_dtype dtype, double real, double imag,
                 toffee_value **out, toffee_status *st)
{
    const double wide[2] = {real, imag};
    const float narrow[2] = {(float)real, (float)imag};

    return toffee_const_tensor(lo, dtype, NULL, 0,
                               dtype == TOFFEE_DTYPE_COMPLEX128 ? (const void *)wide : narrow, out,
                               st);
}

toffee_code
toffee_const_float(toffee_lowering *lo, toffee_dtype dtype, double f, toffee_value **out,
                   toffee_status *st)
{
    const float narrow = (float)f;
    uint16_t half = 0;

    switch (dtype) {
    case TOFFEE_DTYPE_DOUBLE: return toffee_const_tensor(lo, dtype, NULL, 0, &f, out, st);
    case TOFFEE_DTYPE_FLOAT: return toffee_const_tensor(lo, dtype, NULL, 0, &narrow, out, st);
    case TOFFEE_DTYPE_FLOAT16:
        half = float16_bits(f, 10);
        return toffee_const_tensor(lo, dtype, NULL, 0, &half, out, st);
    case TOFFEE_DTYPE_BFLOAT16:
        half = float16_bits(f, 7);
        return toffee_const_tensor(lo, dtype, NULL, 0, &half, out, st);
    case TOFFEE_DTYPE_BOOL: return constant_int(lo, dtype, f != 0, out, st);
    default: break;
    }
    switch (toffee_dtype_get(dtype)->category) {
    case TOFFEE_CATEGORY_INT: return constant_int(lo, dtype, int_from_float(f), out, st);
    case TOFFEE_CATEGORY_COMPLEX: return constant_complex(lo, dtype, f, 0, out, st);
    default:
        return toffee_fail(st, TOFFEE_ERR_UNSUPPORTED, "a number as a constant of type %s",
                           toffee_dtype_get(dtype)->name);
    }
}

toffee_code
toffee_const_scalar_int(toffee_lowering *lo, toffee_dtype dtype, int64_t i, toffee_value **out,
                        toffee_status *st)
{
    if (dtype == TOFFEE_DTYPE_BOOL) {
        return constant_int(lo, dtype, i != 0, out, st);
    }
    return toffee_dtype_is_int(dtype) ? constant_int(lo, dtype, i, out, st)
                                      : toffee_const_float(lo, dtype, (double)i, out, st);
}

toffee_code
toffee_const_arg(toffee_lowering *lo, toffee_dtype dtype, const toffee_arg *arg, toffee_value **out,
                 toffee_status *st)
{
    switch (arg->kind) {
    case TOFFEE_ARG_BOOL:
    case TOFFEE_ARG_INT: return toffee_const_scalar_int(lo, dtype, arg->i, out, st);
    case TOFFEE_ARG_FLOAT: return toffee_const_float(lo, dtype, arg->f, out, st);
    case TOFFEE_ARG_COMPLEX:
        if (toffee_dtype_get(dtype)->category == TOFFEE_CATEGORY_COMPLEX) {
            return constant_complex(lo, dtype, arg->f, arg->imag, out, st);
        }
        break;
    default: break;
    }
    return toffee_fail(st, TOFFEE_ERR_UNSUPPORTED, "argument '%s' is no number that fits in %s",
                       arg->name, toffee_dtype_get(dtype)->name);
}
