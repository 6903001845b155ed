/* csrc/lower/kernels.c -- in which element types an ONNX operator can be computed.
 *
 * A type counts if operator set 20 allows it and ONNX Runtime's CPU provider has a kernel for it
 * (measured with 1.32). Two exceptions, where the file is right and the runtime may grow: bfloat16
 * and float64 count where the standard allows them, since a cast would cost every other runtime
 * speed or digits. */
#include "lower/lower.h"

#include <string.h>

#define BIT(name) (UINT32_C(1) << TOFFEE_DTYPE_##name)
#define FLOATS (BIT(FLOAT) | BIT(FLOAT16) | BIT(DOUBLE))
#define INTS_32_64 (BIT(INT32) | BIT(INT64))
#define INTS_8 (BIT(INT8) | BIT(UINT8))
#define INTS_16 (BIT(INT16) | BIT(UINT16))
#define UINTS_32_64 (BIT(UINT32) | BIT(UINT64))
#define INTS (INTS_8 | INTS_16 | INTS_32_64 | UINTS_32_64)
#define BF16 BIT(BFLOAT16)

typedef struct {
    const char *op_type;
    uint32_t dtypes;
} kernel_row;

static const kernel_row kernels[] = {
    /* sorted by name */
    {"Abs", FLOATS | INTS | BF16},
    {"Acos", FLOATS},
    {"Acosh", FLOATS},
    {"Add", FLOATS | INTS | BF16},
    {"ArgMax", FLOATS | INTS_8 | INTS_32_64 | BF16},
    {"ArgMin", FLOATS | INTS_8 | INTS_32_64 | BF16},
    {"Asin", FLOATS},
    {"Asinh", FLOATS},
    {"Atan", FLOATS},
    {"Atanh", FLOATS},
    {"Ceil", FLOATS | BF16},
    {"Clip", FLOATS | INTS_8 | INTS_32_64 | UINTS_32_64 | BF16},
    {"Cos", FLOATS},
    {"Cosh", FLOATS},
    {"CumSum", FLOATS | INTS_32_64 | BF16},
    {"Div", FLOATS | INTS | BF16},
    {"Einsum", FLOATS | INTS_32_64},
    {"Equal", FLOATS | INTS | BF16 | BIT(BOOL)},
    {"Erf", FLOATS | BF16},
    {"Exp", FLOATS | BF16},
    {"Floor", FLOATS | BF16},
    {"Gemm", FLOATS | BF16},
    {"Greater", FLOATS | INTS | BF16},
    {"GreaterOrEqual", FLOATS | INTS | BF16},
    {"IsInf", FLOATS | BF16},
    {"IsNaN", FLOATS | BF16},
    {"Less", FLOATS | INTS | BF16},
    {"LessOrEqual", FLOATS | INTS | BF16},
    {"Log", FLOATS | BF16},
    {"LogSoftmax", FLOATS | BF16},
    {"MatMul", FLOATS | INTS_32_64 | UINTS_32_64 | BF16},
    {"Max", FLOATS | INTS_8 | INTS_32_64 | UINTS_32_64 | BF16},
    {"Min", FLOATS | INTS_8 | INTS_32_64 | UINTS_32_64 | BF16},
    {"Mod", FLOATS | INTS | BF16},
    {"Mul", FLOATS | INTS | BF16},
    {"Neg", FLOATS | BIT(INT8) | BIT(INT16) | INTS_32_64 | BF16},
    {"Pad", FLOATS | INTS_8 | INTS_32_64 | UINTS_32_64 | BF16 | BIT(BOOL)},
    {"Pow", FLOATS | INTS_32_64 | BF16},
    {"Reciprocal", FLOATS | BF16},
    {"ReduceL1", FLOATS | INTS_32_64 | BF16},
    {"ReduceL2", FLOATS | INTS_32_64 | BF16},
    {"ReduceLogSumExp", FLOATS | BF16},
    {"ReduceMax", FLOATS | INTS_8 | INTS_32_64 | BF16 | BIT(BOOL)},
    {"ReduceMean", FLOATS | BF16},
    {"ReduceMin", FLOATS | INTS_8 | INTS_32_64 | BF16 | BIT(BOOL)},
    {"ReduceProd", FLOATS | INTS_32_64 | BF16},
    {"ReduceSum", FLOATS | INTS_32_64 | BF16},
    {"ReduceSumSquare", FLOATS | INTS_32_64 | BF16},
    {"Relu", FLOATS | BIT(INT8) | BIT(INT32) | BF16},
    {"Round", FLOATS},
    {"Sigmoid", FLOATS | BF16},
    {"Sign", FLOATS | INTS | BF16},
    {"Sin", FLOATS},
    {"Sinh", FLOATS},
    {"Softmax", FLOATS | BF16},
    {"Sqrt", FLOATS | BF16},
    {"Sub", FLOATS | INTS | BF16},
    {"Tan", FLOATS},
    {"Tanh", FLOATS | BF16},
    {"TopK", FLOATS | INTS_8 | BIT(INT16) | INTS_32_64},
    {"Trilu", FLOATS | INTS_32_64 | BF16 | BIT(BOOL)},
    {"Where", FLOATS | INTS_8 | INTS_32_64 | BIT(UINT32) | BF16},
};

/* What holds every value of a type, nearest first. uint64 in int64 keeps its bits, which is enough
 * for all that wraps; an order it does not keep, but no such operator of the table lacks uint64
 * except the reductions, where PyTorch has no uint64 either. */
static const toffee_dtype wider[TOFFEE_N_DTYPES][4] = {
    [TOFFEE_DTYPE_BOOL] = {TOFFEE_DTYPE_UINT8, TOFFEE_DTYPE_INT32, TOFFEE_DTYPE_FLOAT},
    [TOFFEE_DTYPE_UINT8] = {TOFFEE_DTYPE_INT32, TOFFEE_DTYPE_FLOAT},
    [TOFFEE_DTYPE_INT8] = {TOFFEE_DTYPE_INT32, TOFFEE_DTYPE_FLOAT},
    [TOFFEE_DTYPE_UINT16] = {TOFFEE_DTYPE_INT32, TOFFEE_DTYPE_FLOAT},
    [TOFFEE_DTYPE_INT16] = {TOFFEE_DTYPE_INT32, TOFFEE_DTYPE_FLOAT},
    [TOFFEE_DTYPE_INT32] = {TOFFEE_DTYPE_INT64, TOFFEE_DTYPE_DOUBLE},
    [TOFFEE_DTYPE_UINT32] = {TOFFEE_DTYPE_INT64, TOFFEE_DTYPE_DOUBLE},
    [TOFFEE_DTYPE_UINT64] = {TOFFEE_DTYPE_INT64},
    [TOFFEE_DTYPE_FLOAT16] = {TOFFEE_DTYPE_FLOAT},
    [TOFFEE_DTYPE_BFLOAT16] = {TOFFEE_DTYPE_FLOAT},
};

static const kernel_row *
kernel_find(const char *op_type)
{
    size_t low = 0;
    size_t high = TOFFEE_COUNTOF(kernels);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(kernels[middle].op_type, op_type);

        if (order == 0) {
            return &kernels[middle];
        }
        if (order < 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return NULL;
}

toffee_dtype
toffee_compute_dtype(const char *op_type, toffee_dtype dtype)
{
    const kernel_row *kernel = kernel_find(op_type);

    if (kernel == NULL || (kernel->dtypes >> dtype & 1) != 0) {
        return dtype;
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(wider[dtype]); i++) {
        if ((kernel->dtypes >> wider[dtype][i] & 1) != 0) {
            return wider[dtype][i];
        }
    }
    return dtype;
}
