/* csrc/wire/external.h -- tensor bytes in files beside an ONNX model.
 *
 * Where the bytes are is said by the model, and so by whoever made it: a location is only followed
 * down from the model's own folder, and never through a symbolic link. */
#ifndef TOFFEE_WIRE_EXTERNAL_H
#define TOFFEE_WIRE_EXTERNAL_H

#include "ir/graph.h"

/* Zero-initialised but for `folder` and `arena`. */
typedef struct {
    const char *folder;  /* of the model; NULL: it has none (bytes in memory) */
    toffee_arena *arena; /* for `files` */
    toffee_ptrmap files; /* location, interned -> toffee_mapping */
} toffee_external;

/* Points *DATA at LENGTH bytes at OFFSET of the file LOCATION, which is mapped once and lives as
 * long as GRAPH. Errors: FORMAT (a location that leads out of the folder, a range outside the
 * file), IO, NOMEM. Messages do not say where in the model that is: the caller adds it. */
TOFFEE_NODISCARD toffee_code toffee_external_find(toffee_external *external, toffee_graph *graph,
                                                  const toffee_str *location, uint64_t offset,
                                                  uint64_t length, const void **data,
                                                  toffee_status *st);

#endif /* TOFFEE_WIRE_EXTERNAL_H */
