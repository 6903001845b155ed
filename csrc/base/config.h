/* csrc/base/config.h -- compiler attributes, small macros, and every limit in one place. */
#ifndef TOFFEE_BASE_CONFIG_H
#define TOFFEE_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOFFEE_NODISCARD __attribute__((warn_unused_result))
#define TOFFEE_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define TOFFEE_COUNTOF(array) (sizeof(array) / sizeof((array)[0]))

/* Hands the error of EXPR to the caller. Only in functions that own nothing: what they make lives
 * in an arena. A function that owns something writes `goto done` instead. */
#define TOFFEE_RETURN_IF_ERROR(expr)                                                               \
    do {                                                                                           \
        toffee_code toffee_rc_ = (expr);                                                           \
        if (toffee_rc_ != TOFFEE_OK) {                                                             \
            return toffee_rc_;                                                                     \
        }                                                                                          \
    } while (0)

/* Most dimensions that a tensor may have. PyTorch's own limit is 64. */
#define TOFFEE_MAX_RANK 64
/* Deepest nesting of messages that the reader follows: graphs in attributes of nodes of graphs. */
#define TOFFEE_MAX_DEPTH 64
/* A graph being read may take twice its file's size and this much more: about half a million nodes
 * that bring no weights. Beyond that the file is made to exhaust memory. */
#define TOFFEE_LOAD_SPARE_BYTES (UINT64_C(256) << 20)
/* Payloads of this many bytes or more start at a multiple of it in the file. */
#define TOFFEE_ALIGNMENT 64
/* The one opset and IR version that toffee writes (see docs/format.md). */
#define TOFFEE_OPSET 20
#define TOFFEE_IR_VERSION 2
/* IR version of the ONNX envelope: the one that ONNX released together with opset 20. */
#define TOFFEE_ONNX_IR_VERSION 9
/* Largest ONNX file that keeps its weights inside: Google's parsers stop at 2 GiB. */
#define TOFFEE_ONNX_MAX_BYTES ((UINT64_C(1) << 31) - (UINT64_C(1) << 16))

#endif /* TOFFEE_BASE_CONFIG_H */
