/* csrc/base/dtype.c */
#include "base/dtype.h"

/* DLPack's type codes, which base/ may not include. */
enum { DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_BFLOAT = 4, DL_COMPLEX = 5, DL_BOOL = 6 };
enum { DL_E4M3FN = 10, DL_E4M3FNUZ = 11, DL_E5M2 = 12, DL_E5M2FNUZ = 13 };

/* clang-format off */
static const toffee_dtype_info dtypes[TOFFEE_N_DTYPES] = {
    /*                                name             printed          torch name         bytes  category                    DLPack           early  packed bits, name in ml_dtypes */
    [TOFFEE_DTYPE_UNDEFINED]      = {"UNDEFINED",      "Undefined",     NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            0},
    [TOFFEE_DTYPE_FLOAT]          = {"FLOAT",          "Float",         "float32",         4,  TOFFEE_CATEGORY_FLOAT,   DL_FLOAT, 32,    1},
    [TOFFEE_DTYPE_UINT8]          = {"UINT8",          "Byte",          "uint8",           1,  TOFFEE_CATEGORY_INT,     DL_UINT, 8,      3},
    [TOFFEE_DTYPE_INT8]           = {"INT8",           "Char",          "int8",            1,  TOFFEE_CATEGORY_INT,     DL_INT, 8,       4},
    [TOFFEE_DTYPE_UINT16]         = {"UINT16",         "UInt16",        "uint16",          2,  TOFFEE_CATEGORY_INT,     DL_UINT, 16,     5},
    [TOFFEE_DTYPE_INT16]          = {"INT16",          "Short",         "int16",           2,  TOFFEE_CATEGORY_INT,     DL_INT, 16,      6},
    [TOFFEE_DTYPE_INT32]          = {"INT32",          "Int",           "int32",           4,  TOFFEE_CATEGORY_INT,     DL_INT, 32,      7},
    [TOFFEE_DTYPE_INT64]          = {"INT64",          "Long",          "int64",           8,  TOFFEE_CATEGORY_INT,     DL_INT, 64,      8},
    [TOFFEE_DTYPE_STRING]         = {"STRING",         "String",        NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            9},
    [TOFFEE_DTYPE_BOOL]           = {"BOOL",           "Bool",          "bool",            1,  TOFFEE_CATEGORY_BOOL,    DL_BOOL, 8,      10},
    [TOFFEE_DTYPE_FLOAT16]        = {"FLOAT16",        "Half",          "float16",         2,  TOFFEE_CATEGORY_FLOAT,   DL_FLOAT, 16,    11},
    [TOFFEE_DTYPE_DOUBLE]         = {"DOUBLE",         "Double",        "float64",         8,  TOFFEE_CATEGORY_FLOAT,   DL_FLOAT, 64,    2},
    [TOFFEE_DTYPE_UINT32]         = {"UINT32",         "UInt32",        "uint32",          4,  TOFFEE_CATEGORY_INT,     DL_UINT, 32,     0},
    [TOFFEE_DTYPE_UINT64]         = {"UINT64",         "UInt64",        "uint64",          8,  TOFFEE_CATEGORY_INT,     DL_UINT, 64,     0},
    [TOFFEE_DTYPE_COMPLEX64]      = {"COMPLEX64",      "ComplexFloat",  "complex64",       8,  TOFFEE_CATEGORY_COMPLEX, DL_COMPLEX, 64,  0},
    [TOFFEE_DTYPE_COMPLEX128]     = {"COMPLEX128",     "ComplexDouble", "complex128",      16, TOFFEE_CATEGORY_COMPLEX, DL_COMPLEX, 128, 0},
    [TOFFEE_DTYPE_BFLOAT16]       = {"BFLOAT16",       "BFloat16",      "bfloat16",        2,  TOFFEE_CATEGORY_FLOAT,   DL_BFLOAT, 16,   0},
    [TOFFEE_DTYPE_FLOAT8E4M3FN]   = {"FLOAT8E4M3FN",   "Float8e4m3fn",  "float8_e4m3fn",   1,  TOFFEE_CATEGORY_FLOAT,   DL_E4M3FN, 8,    0},
    [TOFFEE_DTYPE_FLOAT8E4M3FNUZ] = {"FLOAT8E4M3FNUZ", "Float8e4m3fnuz","float8_e4m3fnuz", 1,  TOFFEE_CATEGORY_FLOAT,   DL_E4M3FNUZ, 8,  0},
    [TOFFEE_DTYPE_FLOAT8E5M2]     = {"FLOAT8E5M2",     "Float8e5m2",    "float8_e5m2",     1,  TOFFEE_CATEGORY_FLOAT,   DL_E5M2, 8,      0},
    [TOFFEE_DTYPE_FLOAT8E5M2FNUZ] = {"FLOAT8E5M2FNUZ", "Float8e5m2fnuz","float8_e5m2fnuz", 1,  TOFFEE_CATEGORY_FLOAT,   DL_E5M2FNUZ, 8,  0},
    [TOFFEE_DTYPE_UINT4]          = {"UINT4",          "UInt4",         NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            0,     4, "uint4"},
    [TOFFEE_DTYPE_INT4]           = {"INT4",           "Int4",          NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            0,     4, "int4"},
    [TOFFEE_DTYPE_FLOAT4E2M1]     = {"FLOAT4E2M1",     "Float4e2m1",    NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            0,     4, "float4_e2m1fn"},
    [TOFFEE_DTYPE_FLOAT8E8M0]     = {"FLOAT8E8M0",     "Float8e8m0",    NULL,              1,  TOFFEE_CATEGORY_NONE,    0, 0,            0,     0, "float8_e8m0fnu"},
    [TOFFEE_DTYPE_UINT2]          = {"UINT2",          "UInt2",         NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            0,     2, "uint2"},
    [TOFFEE_DTYPE_INT2]           = {"INT2",           "Int2",          NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            0,     2, "int2"},
    [TOFFEE_DTYPE_FLOAT6E2M3]     = {"FLOAT6E2M3",     "Float6e2m3",    NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            0,     6, "float6_e2m3fn"},
    [TOFFEE_DTYPE_FLOAT6E3M2]     = {"FLOAT6E3M2",     "Float6e3m2",    NULL,              0,  TOFFEE_CATEGORY_NONE,    0, 0,            0,     6, "float6_e3m2fn"},
};
/* clang-format on */

const toffee_dtype_info *
toffee_dtype_get(toffee_dtype dtype)
{
    return &dtypes[toffee_dtype_known(dtype) ? dtype : TOFFEE_DTYPE_UNDEFINED];
}

const char *
toffee_dtype_numpy_name(toffee_dtype dtype)
{
    const toffee_dtype_info *info = toffee_dtype_get(dtype);

    return info->torch_name != NULL ? info->torch_name : info->ml_name;
}

bool
toffee_dtype_known(int64_t number)
{
    return number > TOFFEE_DTYPE_UNDEFINED && number < TOFFEE_N_DTYPES;
}

toffee_dtype
toffee_dtype_from_dlpack(uint8_t code, uint8_t bits)
{
    for (int i = 1; i < TOFFEE_N_DTYPES; i++) {
        if (dtypes[i].dl_bits != 0 && dtypes[i].dl_code == code && dtypes[i].dl_bits == bits) {
            return (toffee_dtype)i;
        }
    }
    return TOFFEE_DTYPE_UNDEFINED;
}

toffee_dtype
toffee_dtype_from_early(int64_t number)
{
    for (int i = 1; i < TOFFEE_N_DTYPES; i++) {
        if (number > 0 && dtypes[i].early_number == number) {
            return (toffee_dtype)i;
        }
    }
    return TOFFEE_DTYPE_UNDEFINED;
}

bool
toffee_dtype_count(toffee_dtype dtype, const int64_t *dims, int32_t rank, uint64_t *n_elements,
                   uint64_t *n_bytes)
{
    const toffee_dtype_info *info = toffee_dtype_get(dtype);
    uint64_t n = 1;
    uint64_t bytes = 0;
    bool empty = false;

    for (int32_t i = 0; i < rank; i++) {
        if (dims[i] < 0) {
            return false;
        }
        empty = empty || dims[i] == 0;
    }
    for (int32_t i = 0; i < rank && !empty; i++) {
        if (__builtin_mul_overflow(n, (uint64_t)dims[i], &n) || n > INT64_MAX) {
            return false;
        }
    }
    n = empty ? 0 : n;
    if (info->packed_bits != 0) {
        /* n < 2**63, so that a byte for each would do: no overflow. */
        bytes = n / 8 * info->packed_bits + (n % 8 * info->packed_bits + 7) / 8;
    }
    else if (__builtin_mul_overflow(n, (uint64_t)info->n_bytes, &bytes) || bytes > INT64_MAX) {
        return false;
    }
    *n_elements = n;
    *n_bytes = bytes;
    return true;
}

void
toffee_dtype_unpack(toffee_dtype dtype, const uint8_t *packed, uint64_t n, uint8_t *out)
{
    unsigned width = toffee_dtype_get(dtype)->packed_bits;
    uint32_t mask = (1U << width) - 1;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t bit = i * width;
        unsigned shift = (unsigned)(bit % 8);
        uint32_t bits = packed[bit / 8];

        if (shift + width > 8) {
            bits |= (uint32_t)packed[bit / 8 + 1] << 8;
        }
        out[i] = (uint8_t)(bits >> shift & mask);
    }
}

void
toffee_dtype_pack(toffee_dtype dtype, const uint8_t *elements, uint64_t n, uint8_t *packed)
{
    unsigned width = toffee_dtype_get(dtype)->packed_bits;
    uint32_t mask = (1U << width) - 1;
    uint32_t bits = 0;
    unsigned n_bits = 0;

    for (uint64_t i = 0; i < n; i++) {
        bits |= (elements[i] & mask) << n_bits;
        n_bits += width;
        if (n_bits >= 8) {
            *packed++ = (uint8_t)bits;
            bits >>= 8;
            n_bits -= 8;
        }
    }
    if (n_bits != 0) {
        *packed = (uint8_t)bits;
    }
}
