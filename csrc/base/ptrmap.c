/* csrc/base/ptrmap.c -- open addressing, linear probing, never more than half full. */
#include "base/ptrmap.h"

struct toffee_ptrmap_slot {
    const void *key;
    void *value;
};

static struct toffee_ptrmap_slot *
ptrmap_slot(struct toffee_ptrmap_slot *slots, size_t n_slots, const void *key)
{
    /* Addresses are multiples of 16: Fibonacci hashing spreads what is left. */
    size_t i = (size_t)(((uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> 32);

    for (i &= n_slots - 1; slots[i].key != NULL && slots[i].key != key;
         i = (i + 1) & (n_slots - 1)) {
    }
    return &slots[i];
}

void *
toffee_ptrmap_get(const toffee_ptrmap *map, const void *key)
{
    return map->n_slots != 0 ? ptrmap_slot(map->slots, map->n_slots, key)->value : NULL;
}

bool
toffee_ptrmap_set(toffee_arena *arena, toffee_ptrmap *map, const void *key, void *value)
{
    struct toffee_ptrmap_slot *slot = NULL;

    if ((map->n_used + 1) * 2 > map->n_slots) {
        size_t n_slots = map->n_slots != 0 ? map->n_slots * 2 : 16;
        struct toffee_ptrmap_slot *slots = toffee_arena_calloc(arena, n_slots, sizeof(*slots));

        if (slots == NULL) {
            return false;
        }
        for (size_t i = 0; i < map->n_slots; i++) {
            if (map->slots[i].key != NULL) {
                *ptrmap_slot(slots, n_slots, map->slots[i].key) = map->slots[i];
            }
        }
        map->slots = slots;
        map->n_slots = n_slots;
    }
    slot = ptrmap_slot(map->slots, map->n_slots, key);
    map->n_used += slot->key == NULL;
    slot->key = key;
    slot->value = value;
    return true;
}

bool
toffee_ptrmap_next(const toffee_ptrmap *map, size_t *at, const void **key, void **value)
{
    for (; *at < map->n_slots; (*at)++) {
        if (map->slots[*at].value != NULL) {
            *key = map->slots[*at].key;
            *value = map->slots[*at].value;
            (*at)++;
            return true;
        }
    }
    return false;
}
