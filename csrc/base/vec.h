/* csrc/base/vec.h -- growable arrays whose storage is in an arena. */
#ifndef TOFFEE_BASE_VEC_H
#define TOFFEE_BASE_VEC_H

#include "base/arena.h"

/* struct { T *data; size_t n; size_t capacity; }. Zero-initialised is empty. */
#define TOFFEE_VEC(T)                                                                              \
    struct {                                                                                       \
        T *data;                                                                                   \
        size_t n;                                                                                  \
        size_t capacity;                                                                           \
    }

/* Makes room for WANTED elements of SIZE bytes; false when memory is out, and then nothing has
 * changed. The old storage stays in the arena as garbage. */
TOFFEE_NODISCARD bool toffee_vec_reserve(toffee_arena *arena, void **data, size_t n,
                                         size_t *capacity, size_t wanted, size_t size);

/* Appends ITEM; false when memory is out. */
#define TOFFEE_VEC_PUSH(arena, vec, item)                                                          \
    (toffee_vec_reserve((arena), (void **)&(vec)->data, (vec)->n, &(vec)->capacity, (vec)->n + 1,  \
                        sizeof(*(vec)->data))                                                      \
         ? ((vec)->data[(vec)->n++] = (item), true)                                                \
         : false)

/* Opens a gap of one at INDEX (<= n) and puts ITEM there; false when memory is out. */
#define TOFFEE_VEC_INSERT(arena, vec, index, item)                                                 \
    (toffee_vec_reserve((arena), (void **)&(vec)->data, (vec)->n, &(vec)->capacity, (vec)->n + 1,  \
                        sizeof(*(vec)->data))                                                      \
         ? (memmove((vec)->data + (index) + 1, (vec)->data + (index),                              \
                    ((vec)->n - (index)) * sizeof(*(vec)->data)),                                  \
            (vec)->n++, (vec)->data[(index)] = (item), true)                                       \
         : false)

/* Takes out COUNT elements from INDEX; the range must lie inside. An empty vector has no storage,
 * and memmove may not be given NULL, hence the test. */
#define TOFFEE_VEC_ERASE(vec, index, count)                                                        \
    ((count) != 0 ? (void)(memmove((vec)->data + (index), (vec)->data + (index) + (count),         \
                                   ((vec)->n - (index) - (count)) * sizeof(*(vec)->data)),         \
                           (vec)->n -= (count))                                                    \
                  : (void)0)

#endif /* TOFFEE_BASE_VEC_H */
