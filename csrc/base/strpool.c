/* csrc/base/strpool.c -- open addressing, linear probing, never more than half full. */
#include "base/strpool.h"

#include <string.h>

#define STRPOOL_FIRST_SLOTS 64

struct toffee_strpool {
    toffee_arena *arena;
    uint64_t seed;
    toffee_str **slots;
    size_t n_slots; /* a power of two */
    size_t n_used;
};

/* Names come from files. With a hash that anybody can compute, a file could put all of its names
 * into one slot and have the pool search them in quadratic time, so each pool has a seed that is
 * not known outside the process. */
static uint64_t
strpool_hash(const toffee_strpool *pool, const char *text, size_t length)
{
    uint64_t hash = pool->seed ^ length;

    for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
        size_t rest = length - i;
        uint64_t word = 0;
        unsigned __int128 product = 0;

        memcpy(&word, text + i, rest < sizeof(word) ? rest : sizeof(word));
        product = (unsigned __int128)(hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return hash;
}

toffee_strpool *
toffee_strpool_new(toffee_arena *arena)
{
    toffee_strpool *pool = toffee_arena_calloc(arena, 1, sizeof(*pool));

    if (pool == NULL) {
        return NULL;
    }
    pool->arena = arena;
    /* Where the system put the pool is random enough, and costs nothing. */
    pool->seed = (uint64_t)(uintptr_t)pool * UINT64_C(0xd1342543de82ef95);
    pool->n_slots = STRPOOL_FIRST_SLOTS;
    pool->slots = toffee_arena_calloc(arena, pool->n_slots, sizeof(*pool->slots));
    return pool->slots != NULL ? pool : NULL;
}

static toffee_str **
strpool_slot(toffee_str **slots, size_t n_slots, const char *text, size_t length, uint64_t hash)
{
    size_t i = (size_t)hash & (n_slots - 1);

    while (slots[i] != NULL && (slots[i]->hash != hash || slots[i]->length != length ||
                                memcmp(slots[i]->text, text, length) != 0)) {
        i = (i + 1) & (n_slots - 1);
    }
    return &slots[i];
}

static bool
strpool_grow(toffee_strpool *pool)
{
    size_t n_slots = pool->n_slots * 2;
    toffee_str **slots = toffee_arena_calloc(pool->arena, n_slots, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < pool->n_slots; i++) {
        toffee_str *s = pool->slots[i];

        if (s != NULL) {
            *strpool_slot(slots, n_slots, s->text, s->length, s->hash) = s;
        }
    }
    pool->slots = slots;
    pool->n_slots = n_slots;
    return true;
}

const toffee_str *
toffee_strpool_intern(toffee_strpool *pool, const char *text, size_t length)
{
    uint64_t hash = strpool_hash(pool, text, length);
    toffee_str **slot = strpool_slot(pool->slots, pool->n_slots, text, length, hash);
    toffee_str *s = *slot;

    if (s != NULL) {
        return s;
    }
    if (pool->n_used * 2 >= pool->n_slots) {
        if (!strpool_grow(pool)) {
            return NULL;
        }
        slot = strpool_slot(pool->slots, pool->n_slots, text, length, hash);
    }
    if (length > SIZE_MAX - sizeof(*s) - 1) {
        return NULL;
    }
    s = toffee_arena_calloc(pool->arena, 1, sizeof(*s) + length + 1);
    if (s == NULL) {
        return NULL;
    }
    s->length = length;
    s->hash = hash;
    if (length != 0) {
        memcpy(s->text, text, length);
    }
    *slot = s;
    pool->n_used++;
    return s;
}

const toffee_str *
toffee_strpool_find(const toffee_strpool *pool, const char *text, size_t length)
{
    return *strpool_slot(pool->slots, pool->n_slots, text, length,
                         strpool_hash(pool, text, length));
}

bool
toffee_str_is(const toffee_str *s, const char *text)
{
    return strcmp(toffee_str_text(s), text) == 0 && (s == NULL || s->length == strlen(text));
}
