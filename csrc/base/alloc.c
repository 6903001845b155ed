/* csrc/base/alloc.c */
#include "base/alloc.h"

#include <stdlib.h>

static _Thread_local size_t alloc_count;
static _Thread_local int64_t alloc_fail_at = -1;

static bool
alloc_should_fail(void)
{
    bool fail = alloc_fail_at >= 0 && alloc_count == (size_t)alloc_fail_at;

    alloc_count++;
    return fail;
}

void *
toffee_malloc(size_t size)
{
    return alloc_should_fail() ? NULL : malloc(size != 0 ? size : 1);
}

void *
toffee_realloc(void *ptr, size_t size)
{
    return alloc_should_fail() ? NULL : realloc(ptr, size != 0 ? size : 1);
}

void
toffee_free(void *ptr)
{
    free(ptr);
}

size_t
toffee_alloc_count(void)
{
    return alloc_count;
}

void
toffee_alloc_fail_at(int64_t n)
{
    alloc_count = 0;
    alloc_fail_at = n;
}
