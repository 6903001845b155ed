/* csrc/wire/dialect.h -- early, late, current and ONNX bytes told apart by what is in them. */
#ifndef TOFFEE_WIRE_DIALECT_H
#define TOFFEE_WIRE_DIALECT_H

#include "base/status.h"

typedef enum {
    TOFFEE_DIALECT_EARLY,   /* August 2017 */
    TOFFEE_DIALECT_LATE,    /* September 2017: ir_version 1 or none, no opset_import */
    TOFFEE_DIALECT_CURRENT, /* what toffee writes: ir_version 2 and opset_import */
    TOFFEE_DIALECT_ONNX,    /* a ModelProto */
} toffee_dialect;

/* "early", "late", "current", "onnx". Static. */
const char *toffee_dialect_name(toffee_dialect dialect);
/* Walks the top-level fields of N bytes at DATA, skipping by length, in any order. Errors: FORMAT,
 * which says what was looked for and, for the well-known kinds (zip, PNG, JPEG, HDF5, pickle, text,
 * …), what it is instead. */
TOFFEE_NODISCARD toffee_code toffee_dialect_detect(const uint8_t *data, size_t n,
                                                   toffee_dialect *out, toffee_status *st);

#endif /* TOFFEE_WIRE_DIALECT_H */
