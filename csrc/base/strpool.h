/* csrc/base/strpool.h -- interned strings: equal text is one pointer.
 *
 * Names on the wire carry a length and may hold any byte, so a toffee_str does too; it is also
 * terminated, for printf. */
#ifndef TOFFEE_BASE_STRPOOL_H
#define TOFFEE_BASE_STRPOOL_H

#include "base/arena.h"

typedef struct {
    size_t length;
    uint64_t hash; /* in its pool; another pool has another */
    char text[];   /* length bytes and a terminator */
} toffee_str;

typedef struct toffee_strpool toffee_strpool; /* defined in strpool.c */

/* A pool whose strings live in ARENA (borrowed, must outlive it); NULL when memory is out. */
TOFFEE_NODISCARD toffee_strpool *toffee_strpool_new(toffee_arena *arena);
/* The one toffee_str with this text, made if there is none; NULL when memory is out. Borrowed:
 * valid as long as the arena. */
TOFFEE_NODISCARD const toffee_str *toffee_strpool_intern(toffee_strpool *pool, const char *text,
                                                         size_t length);
/* The one with this text, or NULL if there is none. Never allocates. */
const toffee_str *toffee_strpool_find(const toffee_strpool *pool, const char *text, size_t length);

/* The text, "" for NULL. */
static inline const char *
toffee_str_text(const toffee_str *s)
{
    return s != NULL ? s->text : "";
}

/* Whether S is TEXT; NULL counts as "". */
bool toffee_str_is(const toffee_str *s, const char *text);

#endif /* TOFFEE_BASE_STRPOOL_H */
