/* csrc/base/ptrmap.h -- pointer to pointer, in an arena. Keys are interned strings or addresses. */
#ifndef TOFFEE_BASE_PTRMAP_H
#define TOFFEE_BASE_PTRMAP_H

#include "base/arena.h"

/* Zero-initialised is empty. */
typedef struct {
    struct toffee_ptrmap_slot *slots;
    size_t n_slots;
    size_t n_used;
} toffee_ptrmap;

/* The value under KEY, or NULL. */
void *toffee_ptrmap_get(const toffee_ptrmap *map, const void *key);
/* Sets KEY (not NULL) to VALUE; a NULL VALUE removes it from sight. False when memory is out. */
TOFFEE_NODISCARD bool toffee_ptrmap_set(toffee_arena *arena, toffee_ptrmap *map, const void *key,
                                        void *value);
/* Walks the entries that have a value, in no order: *AT starts at 0 and is advanced. False at the
 * end, and then *KEY and *VALUE are left alone. The map must not change meanwhile. */
bool toffee_ptrmap_next(const toffee_ptrmap *map, size_t *at, const void **key, void **value);

#endif /* TOFFEE_BASE_PTRMAP_H */
