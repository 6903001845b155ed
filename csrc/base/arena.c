/* csrc/base/arena.c */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define ARENA_ALIGN 16
#define ARENA_FIRST_BLOCK 4096
/* Blocks double up to this size, so that a large graph costs few calls and a small one little. */
#define ARENA_LARGEST_BLOCK ((size_t)1 << 20)

typedef struct arena_block arena_block;
struct arena_block {
    arena_block *next;
    size_t size; /* usable bytes behind the header */
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

struct toffee_arena {
    arena_block *blocks; /* newest first; `used` counts in this one */
    size_t used;
    size_t next_size;
    size_t total;
};

toffee_arena *
toffee_arena_new(void)
{
    toffee_arena *arena = toffee_malloc(sizeof(*arena));

    if (arena != NULL) {
        *arena = (toffee_arena){.next_size = ARENA_FIRST_BLOCK};
    }
    return arena;
}

void
toffee_arena_free(toffee_arena *arena)
{
    arena_block *block = arena != NULL ? arena->blocks : NULL;

    while (block != NULL) {
        arena_block *next = block->next;

        toffee_free(block);
        block = next;
    }
    toffee_free(arena);
}

static arena_block *
arena_add_block(toffee_arena *arena, size_t size)
{
    arena_block *block = NULL;

    if (size > SIZE_MAX - sizeof(*block)) {
        return NULL;
    }
    block = toffee_malloc(sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    arena->total += sizeof(*block) + size;
    return block;
}

static void *
arena_alloc(toffee_arena *arena, size_t size)
{
    arena_block *block = arena->blocks;
    void *at = NULL;

    if (size > SIZE_MAX - ARENA_ALIGN) {
        return NULL;
    }
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (block != NULL && size <= block->size - arena->used) {
        at = block->data + arena->used;
        arena->used += size;
        return at;
    }
    if (size > arena->next_size / 4 && block != NULL) {
        /* Too large to share: a block of its own, behind the one that is being filled. */
        arena_block *own = arena_add_block(arena, size);

        if (own == NULL) {
            return NULL;
        }
        own->next = block->next;
        block->next = own;
        return own->data;
    }
    block = arena_add_block(arena, size > arena->next_size ? size : arena->next_size);
    if (block == NULL) {
        return NULL;
    }
    if (arena->next_size < ARENA_LARGEST_BLOCK) {
        arena->next_size *= 2;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    arena->used = size;
    return block->data;
}

void *
toffee_arena_calloc(toffee_arena *arena, size_t count, size_t size)
{
    size_t n_bytes = 0;
    void *at = NULL;

    if (__builtin_mul_overflow(count, size, &n_bytes)) {
        return NULL;
    }
    at = arena_alloc(arena, n_bytes);
    if (at != NULL) {
        memset(at, 0, n_bytes);
    }
    return at;
}

void *
toffee_arena_copy(toffee_arena *arena, const void *src, size_t size)
{
    void *at = arena_alloc(arena, size);

    if (at != NULL && size != 0) {
        memcpy(at, src, size);
    }
    return at;
}

char *
toffee_arena_strndup(toffee_arena *arena, const char *src, size_t length)
{
    char *at = length < SIZE_MAX ? arena_alloc(arena, length + 1) : NULL;

    if (at != NULL) {
        if (length != 0) {
            memcpy(at, src, length);
        }
        at[length] = '\0';
    }
    return at;
}

char *
toffee_arena_printf(toffee_arena *arena, const char *format, ...)
{
    char *at = NULL;
    int length = 0;
    va_list ap;

    va_start(ap, format);
    length = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (length < 0) {
        return NULL;
    }
    at = arena_alloc(arena, (size_t)length + 1);
    if (at != NULL) {
        va_start(ap, format);
        vsnprintf(at, (size_t)length + 1, format, ap);
        va_end(ap);
    }
    return at;
}

void
toffee_arena_reset(toffee_arena *arena)
{
    arena_block *kept = arena->blocks;

    if (kept == NULL) {
        return;
    }
    while (kept->next != NULL) {
        arena_block *next = kept->next;

        kept->next = next->next;
        toffee_free(next);
    }
    arena->used = 0;
    arena->total = sizeof(*kept) + kept->size;
}

size_t
toffee_arena_bytes(const toffee_arena *arena)
{
    return arena->total;
}
