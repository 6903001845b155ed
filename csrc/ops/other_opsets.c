/* csrc/ops/other_opsets.c */
#include "ops/other_opsets.h"

#include <string.h>

/* The newest opset whose operators are listed below, that of onnx 1.23. */
#define OTHER_NEWEST 28

/* Operators that opset 20 has not, and in which opsets they are. */
static const struct {
    const char *name;
    int16_t first, last;
} others[] = {
    {"Attention", 23, INT16_MAX},
    {"BitCast", 26, INT16_MAX},
    {"CausalConvWithState", 27, INT16_MAX},
    {"CumProd", 26, INT16_MAX},
    {"GroupNormalization", 18, INT16_MAX}, /* deprecated from 18 to 20, new in 21 */
    {"LinearAttention", 27, INT16_MAX},
    {"RMSNormalization", 23, INT16_MAX},
    {"RotaryEmbedding", 23, INT16_MAX},
    {"Scatter", 9, 10},
    {"SwiGLU", 28, INT16_MAX},
    {"Swish", 24, INT16_MAX},
    {"TensorScatter", 24, INT16_MAX},
    {"Upsample", 1, 9},
};

bool
toffee_op_row_holds(const toffee_op_spec *spec, int64_t opset)
{
    return spec != NULL && opset >= spec->since_version && opset <= TOFFEE_OPSET;
}

bool
toffee_op_exists(const char *name, int64_t opset)
{
    if (toffee_op_find("", name) != NULL || opset > OTHER_NEWEST) {
        return true;
    }
    for (size_t i = 0; i < TOFFEE_COUNTOF(others) && opset != TOFFEE_OPSET; i++) {
        if (strcmp(others[i].name, name) == 0) {
            return opset >= others[i].first && opset <= others[i].last;
        }
    }
    return false;
}
