/* csrc/ir/type.h -- what is declared of a value: nearly always a tensor's element type and sizes.
 *
 * Everything else that ONNX can say is behind one pointer, so that the types of the many tensors
 * stay small, and whoever sets the members anew leaves it behind. */
#ifndef TOFFEE_IR_TYPE_H
#define TOFFEE_IR_TYPE_H

#include "ir/tensor.h"

typedef struct {
    int64_t value;           /* -1: not known as a number */
    const toffee_str *param; /* a symbol such as "batch", or NULL */
} toffee_dim;

typedef struct toffee_type_more toffee_type_more;

typedef struct toffee_type {
    toffee_dtype dtype;           /* UNDEFINED: not known, or no tensor */
    int32_t rank;                 /* -1: not known, or no tensor */
    const toffee_dim *dims;       /* rank of them */
    const toffee_type_more *more; /* NULL: the members above say it all */
} toffee_type;

typedef enum {
    TOFFEE_TYPE_IS_TENSOR,
    TOFFEE_TYPE_IS_SEQUENCE,
    TOFFEE_TYPE_IS_OPTIONAL,
    TOFFEE_TYPE_IS_MAP,
    TOFFEE_TYPE_IS_SPARSE,
    TOFFEE_TYPE_IS_OPAQUE, /* or one that toffee does not know */
} toffee_type_kind;

struct toffee_type_more {
    toffee_type_kind kind;
    toffee_dtype key;        /* of a map, else UNDEFINED */
    const toffee_type *elem; /* of a sequence, an optional, a map's values; of a sparse tensor its
                                element type and sizes. NULL: not said */
    toffee_bytes raw;        /* the TypeProto as the file has it, which is what is written */
};

/* TENSOR if nothing is known. */
toffee_type_kind toffee_type_get_kind(const toffee_type *type);
/* A deep copy into ARENA, with its symbols in POOL. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_type_copy(const toffee_type *type, toffee_arena *arena,
                                              toffee_strpool *pool, toffee_type *out,
                                              toffee_status *st);
/* Whether two types say the same. Their pools may differ. */
bool toffee_type_equal(const toffee_type *a, const toffee_type *b);

#endif /* TOFFEE_IR_TYPE_H */
