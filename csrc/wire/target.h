/* csrc/wire/target.h -- a file that is replaced as a whole or not at all.
 *
 * Bytes go to a temporary file in the folder of the target, which a rename then puts in its place.
 * There is no fsync: after a power cut the file may be either one, or empty. */
#ifndef TOFFEE_WIRE_TARGET_H
#define TOFFEE_WIRE_TARGET_H

#include "base/status.h"

/* Zero-initialised with fd -1 (TOFFEE_TARGET_NONE) is no target. */
typedef struct {
    int fd;           /* to write to; -1: none */
    const char *path; /* as the caller gave it, for messages; borrowed */
    char *resolved;   /* PATH after its symbolic links */
    char *temporary;  /* what fd is; NULL: fd is the target itself, or has been renamed to it */
    char *backup;     /* a second name for what was replaced; NULL: there is none */
    bool existed;
} toffee_target;

#define TOFFEE_TARGET_NONE {.fd = -1}

/* Opens PATH (borrowed) for writing. A symbolic link is followed, also to a file that is yet to be
 * made. An existing file must be writable; the new one gets its permission bits, and its owner and
 * group if the process may set them (not its ACL or extended attributes). A new file obeys the
 * umask. What is no regular file (a pipe, a terminal, /dev/full), and /dev/stdout whatever it is,
 * is opened itself. The caller ends with discard, on failure too. Errors: IO, NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_target_open(const char *path, toffee_target *target,
                                                toffee_status *st);
/* Whether TARGET is written to directly, so that there is no folder beside it. */
bool toffee_target_is_direct(const toffee_target *target);
/* Closes fd, which may report a late write error. Errors: IO. */
TOFFEE_NODISCARD toffee_code toffee_target_close(toffee_target *target, toffee_status *st);
/* Puts the closed temporary file in place. With KEEP_OLD what it replaces gets a second name until
 * discard, so that it can be restored. Errors: IO, NOMEM; then the target is as it was. */
TOFFEE_NODISCARD toffee_code toffee_target_replace(toffee_target *target, bool keep_old,
                                                   toffee_status *st);
/* Undoes a replace that kept the old file, as far as the file system lets it. */
void toffee_target_restore(toffee_target *target);
/* Closes fd, removes the temporary file and the second name if there are any, and frees. */
void toffee_target_discard(toffee_target *target);

#endif /* TOFFEE_WIRE_TARGET_H */
