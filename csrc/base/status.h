/* csrc/base/status.h -- how the core reports errors.
 *
 * A function that can fail returns a toffee_code and fills a toffee_status. bridge/pyerr.c turns
 * the two into a Python exception; nothing below bridge/ knows of Python. */
#ifndef TOFFEE_BASE_STATUS_H
#define TOFFEE_BASE_STATUS_H

#include "base/config.h"

typedef enum {
    TOFFEE_OK = 0,
    TOFFEE_DECLINED,        /* not an error: this rule does not cover these arguments */
    TOFFEE_ERR_NOMEM,       /* MemoryError */
    TOFFEE_ERR_IO,          /* OSError; status.sys_errno says which */
    TOFFEE_ERR_FORMAT,      /* toffee.FormatError; status.offset is the byte */
    TOFFEE_ERR_CHECK,       /* toffee.CheckError */
    TOFFEE_ERR_UNSUPPORTED, /* toffee.UnsupportedOperatorError */
    TOFFEE_ERR_TRACE,       /* toffee.TraceError */
    TOFFEE_ERR_VALUE,       /* ValueError: a caller's argument */
    TOFFEE_ERR_LIMIT,       /* toffee.Error: larger than what the format or we can hold */
    TOFFEE_ERR_PYTHON,      /* a Python exception is already set; only from a callback */
} toffee_code;

typedef struct {
    toffee_code code;
    int sys_errno;      /* for TOFFEE_ERR_IO, else 0 */
    int64_t offset;     /* byte in the file for TOFFEE_ERR_FORMAT, else -1 */
    char message[1024]; /* always terminated; cut at this length */
} toffee_status;

/* An empty status, for an automatic variable. */
#define TOFFEE_STATUS_INIT                                                                         \
    {                                                                                              \
        TOFFEE_OK, 0, -1,                                                                          \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* Fills ST (which may be NULL) and returns CODE, so that `return toffee_fail(...)` reads well. */
toffee_code toffee_fail(toffee_status *st, toffee_code code, const char *format, ...)
    TOFFEE_PRINTF(3, 4);
/* The same for a failed allocation; needs no memory itself. Returns TOFFEE_ERR_NOMEM. */
toffee_code toffee_fail_nomem(toffee_status *st);
/* The same for a failed system call: "WHAT 'PATH': strerror(SYS_ERRNO)". Returns TOFFEE_ERR_IO. */
toffee_code toffee_fail_errno(toffee_status *st, int sys_errno, const char *what, const char *path);
/* Puts text in front of the message of a failed status: where it happened. ST may be NULL. */
void toffee_status_prefix(toffee_status *st, const char *format, ...) TOFFEE_PRINTF(2, 3);

#endif /* TOFFEE_BASE_STATUS_H */
