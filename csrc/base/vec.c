/* csrc/base/vec.c */
#include "base/vec.h"

#include <string.h>

bool
toffee_vec_reserve(toffee_arena *arena, void **data, size_t n, size_t *capacity, size_t wanted,
                   size_t size)
{
    size_t grown = *capacity < 4 ? 4 : *capacity;
    void *moved = NULL;

    if (wanted <= *capacity) {
        return true;
    }
    while (grown < wanted) {
        if (grown > SIZE_MAX / 2) {
            return false;
        }
        grown *= 2;
    }
    moved = toffee_arena_calloc(arena, grown, size);
    if (moved == NULL) {
        return false;
    }
    if (n != 0) {
        memcpy(moved, *data, n * size);
    }
    *data = moved;
    *capacity = grown;
    return true;
}
