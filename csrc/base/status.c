/* csrc/base/status.c */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

toffee_code
toffee_fail(toffee_status *st, toffee_code code, const char *format, ...)
{
    va_list ap;

    if (st != NULL) {
        st->code = code;
        st->sys_errno = 0;
        st->offset = -1;
        va_start(ap, format);
        vsnprintf(st->message, sizeof(st->message), format, ap);
        va_end(ap);
    }
    return code;
}

toffee_code
toffee_fail_nomem(toffee_status *st)
{
    return toffee_fail(st, TOFFEE_ERR_NOMEM, "out of memory");
}

toffee_code
toffee_fail_errno(toffee_status *st, int sys_errno, const char *what, const char *path)
{
    toffee_fail(st, TOFFEE_ERR_IO, "%s '%s': %s", what, path, strerror(sys_errno));
    if (st != NULL) {
        st->sys_errno = sys_errno;
    }
    return TOFFEE_ERR_IO;
}

void
toffee_status_prefix(toffee_status *st, const char *format, ...)
{
    char joined[sizeof(st->message)];
    size_t used = 0;
    va_list ap;

    if (st == NULL) {
        return;
    }
    va_start(ap, format);
    vsnprintf(joined, sizeof(joined), format, ap);
    va_end(ap);
    used = strlen(joined);
    snprintf(joined + used, sizeof(joined) - used, "%s", st->message);
    memcpy(st->message, joined, sizeof(joined));
}
