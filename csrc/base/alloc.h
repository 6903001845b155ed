/* csrc/base/alloc.h -- the only door to malloc for the core.
 *
 * Every allocation is counted per thread, and a test can make the n-th one fail. The counter is the
 * one piece of state that is not in a module or an arena: it must be reachable where nothing could
 * be allocated. */
#ifndef TOFFEE_BASE_ALLOC_H
#define TOFFEE_BASE_ALLOC_H

#include "base/config.h"

/* SIZE bytes, uninitialised, or NULL. The caller frees with toffee_free. */
void *toffee_malloc(size_t size) __attribute__((malloc));
/* As realloc; on failure the old block stays valid. */
TOFFEE_NODISCARD void *toffee_realloc(void *ptr, size_t size);
/* Does nothing on NULL. */
void toffee_free(void *ptr);

/* Allocations made by this thread since the last call of toffee_alloc_fail_at. */
size_t toffee_alloc_count(void);
/* Restarts the count and makes allocation number N (from 0) of this thread fail, once; a negative
 * N fails none. */
void toffee_alloc_fail_at(int64_t n);

#endif /* TOFFEE_BASE_ALLOC_H */
