/* csrc/base/arena.h -- a bump allocator: everything in it dies together.
 *
 * A graph owns one arena and all its nodes, values, attributes and strings live there. Nothing is
 * given back before the arena is freed; an edit leaves garbage behind, which is the price. */
#ifndef TOFFEE_BASE_ARENA_H
#define TOFFEE_BASE_ARENA_H

#include "base/config.h"

typedef struct toffee_arena toffee_arena; /* defined in arena.c */

/* A new arena, or NULL when memory is out. The caller frees it. */
TOFFEE_NODISCARD toffee_arena *toffee_arena_new(void);
/* Frees the arena and all that was allocated in it. Does nothing on NULL. */
void toffee_arena_free(toffee_arena *arena);
/* COUNT * SIZE bytes, zeroed, aligned to 16; NULL when memory is out or the product overflows.
 * Borrowed: valid until the arena is freed. */
TOFFEE_NODISCARD void *toffee_arena_calloc(toffee_arena *arena, size_t count, size_t size);
/* A copy of SIZE bytes at SRC, aligned to 16; NULL when memory is out. SRC may be NULL if SIZE is
 * 0. */
TOFFEE_NODISCARD void *toffee_arena_copy(toffee_arena *arena, const void *src, size_t size);
/* A terminated copy of LENGTH bytes at SRC, or NULL. */
TOFFEE_NODISCARD char *toffee_arena_strndup(toffee_arena *arena, const char *src, size_t length);
/* printf into the arena; NULL when memory is out. */
TOFFEE_NODISCARD char *toffee_arena_printf(toffee_arena *arena, const char *format, ...)
    TOFFEE_PRINTF(2, 3);
/* Forgets everything in the arena and keeps one block for what comes next. */
void toffee_arena_reset(toffee_arena *arena);
/* Bytes that the arena holds from the system. */
size_t toffee_arena_bytes(const toffee_arena *arena);

#endif /* TOFFEE_BASE_ARENA_H */
