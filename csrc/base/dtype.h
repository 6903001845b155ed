/* csrc/base/dtype.h -- the one table of element types. */
#ifndef TOFFEE_BASE_DTYPE_H
#define TOFFEE_BASE_DTYPE_H

#include "base/status.h"

/* The numbers are those on the wire (TensorProto.DataType). */
typedef enum {
    TOFFEE_DTYPE_UNDEFINED = 0,
    TOFFEE_DTYPE_FLOAT = 1,
    TOFFEE_DTYPE_UINT8 = 2,
    TOFFEE_DTYPE_INT8 = 3,
    TOFFEE_DTYPE_UINT16 = 4,
    TOFFEE_DTYPE_INT16 = 5,
    TOFFEE_DTYPE_INT32 = 6,
    TOFFEE_DTYPE_INT64 = 7,
    TOFFEE_DTYPE_STRING = 8,
    TOFFEE_DTYPE_BOOL = 9,
    TOFFEE_DTYPE_FLOAT16 = 10,
    TOFFEE_DTYPE_DOUBLE = 11,
    TOFFEE_DTYPE_UINT32 = 12,
    TOFFEE_DTYPE_UINT64 = 13,
    TOFFEE_DTYPE_COMPLEX64 = 14,
    TOFFEE_DTYPE_COMPLEX128 = 15,
    TOFFEE_DTYPE_BFLOAT16 = 16,
    TOFFEE_DTYPE_FLOAT8E4M3FN = 17,
    TOFFEE_DTYPE_FLOAT8E4M3FNUZ = 18,
    TOFFEE_DTYPE_FLOAT8E5M2 = 19,
    TOFFEE_DTYPE_FLOAT8E5M2FNUZ = 20,
    /* Of later opsets than 20: read, kept and written, but no operator of the table takes them. */
    TOFFEE_DTYPE_UINT4 = 21,
    TOFFEE_DTYPE_INT4 = 22,
    TOFFEE_DTYPE_FLOAT4E2M1 = 23,
    TOFFEE_DTYPE_FLOAT8E8M0 = 24,
    TOFFEE_DTYPE_UINT2 = 25,
    TOFFEE_DTYPE_INT2 = 26,
    TOFFEE_DTYPE_FLOAT6E2M3 = 27,
    TOFFEE_DTYPE_FLOAT6E3M2 = 28,
} toffee_dtype;
#define TOFFEE_N_DTYPES 29

/* PyTorch's promotion ladder: the higher category wins. */
typedef enum {
    TOFFEE_CATEGORY_NONE = 0,
    TOFFEE_CATEGORY_BOOL,
    TOFFEE_CATEGORY_INT,
    TOFFEE_CATEGORY_FLOAT,
    TOFFEE_CATEGORY_COMPLEX,
} toffee_category;

typedef struct {
    const char *name;       /* on the wire and in ONNX: "FLOAT" */
    const char *printed;    /* in listings: "Float", as PyTorch printed its types in 2017 */
    const char *torch_name; /* attribute of the torch module: "float32"; NULL where there is none */
    uint8_t n_bytes;        /* of one element; 0: has no fixed size, or is smaller than a byte */
    toffee_category category;
    uint8_t dl_code, dl_bits; /* DLDataType; dl_bits 0: DLPack has no such type */
    uint8_t early_number;     /* in the August 2017 dialect; 0: did not exist */
    uint8_t packed_bits;      /* of one element, if they are packed, the first in the lowest bits;
                                 0: they are not */
    const char *ml_name;      /* in the package ml_dtypes, where torch has none; else NULL */
} toffee_dtype_info;

/* The row of DTYPE; the row of UNDEFINED for a number that is none. Static. */
const toffee_dtype_info *toffee_dtype_get(toffee_dtype dtype);
/* The dtype's name in NumPy or, if it has none, in the package ml_dtypes; NULL for UNDEFINED and
 * STRING. Static. */
const char *toffee_dtype_numpy_name(toffee_dtype dtype);
/* Whether NUMBER is one of the enumerators above, UNDEFINED excluded. */
bool toffee_dtype_known(int64_t number);
/* The dtype with this DLPack code and bits; UNDEFINED if there is none. */
toffee_dtype toffee_dtype_from_dlpack(uint8_t code, uint8_t bits);
/* The dtype with this number in the early dialect; UNDEFINED if there is none. */
toffee_dtype toffee_dtype_from_early(int64_t number);

static inline bool
toffee_dtype_is_float(toffee_dtype dtype)
{
    return toffee_dtype_get(dtype)->category == TOFFEE_CATEGORY_FLOAT;
}

static inline bool
toffee_dtype_is_int(toffee_dtype dtype)
{
    return toffee_dtype_get(dtype)->category == TOFFEE_CATEGORY_INT;
}

static inline bool
toffee_dtype_is_complex(toffee_dtype dtype)
{
    return toffee_dtype_get(dtype)->category == TOFFEE_CATEGORY_COMPLEX;
}

/* Of a complex DTYPE, that of its real and imaginary part; else DTYPE itself. */
static inline toffee_dtype
toffee_dtype_of_part(toffee_dtype dtype)
{
    if (dtype == TOFFEE_DTYPE_COMPLEX64) {
        return TOFFEE_DTYPE_FLOAT;
    }
    return dtype == TOFFEE_DTYPE_COMPLEX128 ? TOFFEE_DTYPE_DOUBLE : dtype;
}

/* n_bytes of a tensor of DTYPE with these dims into *N_BYTES, and the element count into
 * *N_ELEMENTS. False on a negative dimension or when either overflows 63 bits. */
TOFFEE_NODISCARD bool toffee_dtype_count(toffee_dtype dtype, const int64_t *dims, int32_t rank,
                                         uint64_t *n_elements, uint64_t *n_bytes);

/* N elements of a packed DTYPE at PACKED to a byte each at OUT, and back; the spare bits are 0.
 * PACKED has as many bytes as toffee_dtype_count says. */
void toffee_dtype_unpack(toffee_dtype dtype, const uint8_t *packed, uint64_t n, uint8_t *out);
void toffee_dtype_pack(toffee_dtype dtype, const uint8_t *elements, uint64_t n, uint8_t *packed);

#endif /* TOFFEE_BASE_DTYPE_H */
