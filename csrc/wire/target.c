/* csrc/wire/target.c -- temporary names, permissions, renames. */
#include "wire/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

/* As many symbolic links as Linux itself follows. */
#define TARGET_MAX_LINKS 40
/* Bytes of the target's own name in that of a temporary file, which is for people only: a name may
 * have 255 bytes in all. */
#define TARGET_NAME_BYTES 64
#define TARGET_RANDOM_CHARS 10
/* Names that are all taken mean that something else is wrong. */
#define TARGET_MAX_ATTEMPTS 100

/* Length of the folder part of PATH, its last slash included; 0: there is none. */
static size_t
target_folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

/* HEAD_LENGTH bytes of HEAD, then TAIL, on the heap; NULL when memory is out. */
static char *
target_join(const char *head, size_t head_length, const char *tail)
{
    size_t tail_length = strlen(tail);
    char *joined = toffee_malloc(head_length + tail_length + 1);

    if (joined != NULL) {
        memcpy(joined, head, head_length);
        memcpy(joined + head_length, tail, tail_length + 1);
    }
    return joined;
}

/* Reads the symbolic link PATH. *TEXT is the caller's to free. */
static toffee_code
target_read_link(const char *path, char **text, toffee_status *st)
{
    size_t capacity = 256;

    *text = NULL;
    for (;;) {
        char *grown = toffee_realloc(*text, capacity);
        ssize_t n = 0;

        if (grown == NULL) {
            toffee_free(*text);
            *text = NULL;
            return toffee_fail_nomem(st);
        }
        *text = grown;
        n = readlink(path, grown, capacity);
        if (n >= 0 && (size_t)n < capacity) {
            grown[n] = '\0';
            return TOFFEE_OK;
        }
        if (n < 0) {
            int sys_errno = errno;

            toffee_free(grown);
            *text = NULL;
            return toffee_fail_errno(st, sys_errno, "cannot follow the link", path);
        }
        capacity *= 2;
    }
}

/* Whether the thing with STATUS is an entry of /proc, as the link behind /dev/stdout is. Its text
 * is no path to rename to: the file may be gone, or be open elsewhere, and then must not be
 * replaced. */
static bool
target_is_in_proc(const struct stat *status)
{
    struct stat proc;

    return stat("/proc/self", &proc) == 0 && proc.st_dev == status->st_dev;
}

/* Follows the links of target->path into target->resolved. *DIRECT: they end in /proc. */
static toffee_code
target_resolve(toffee_target *target, bool *direct, toffee_status *st)
{
    char *text = NULL;

    *direct = false;
    target->resolved = target_join(target->path, strlen(target->path), "");
    if (target->resolved == NULL) {
        return toffee_fail_nomem(st);
    }
    for (int links = 0; links < TARGET_MAX_LINKS; links++) {
        struct stat status;
        size_t folder = 0;

        if (lstat(target->resolved, &status) != 0 || !S_ISLNK(status.st_mode)) {
            return TOFFEE_OK; /* what is wrong with it, if anything, opening it will say */
        }
        if (target_is_in_proc(&status)) {
            *direct = true;
            return TOFFEE_OK;
        }
        TOFFEE_RETURN_IF_ERROR(target_read_link(target->resolved, &text, st));
        if (text[0] != '/') {
            folder = target_folder_length(target->resolved);
        }
        if (folder != 0) {
            char *joined = target_join(target->resolved, folder, text);

            toffee_free(text);
            if (joined == NULL) {
                return toffee_fail_nomem(st);
            }
            text = joined;
        }
        toffee_free(target->resolved);
        target->resolved = text; /* the target owns it now */
    }
    return toffee_fail_errno(st, ELOOP, "cannot write", target->path);
}

/* ".NAME.RANDOM.END" in the folder of target->resolved: a name that nobody can foresee and take. */
static toffee_code
target_random_name(const toffee_target *target, const char *end, char **out, toffee_status *st)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz012345"; /* 32 of them: no bias */
    size_t folder = target_folder_length(target->resolved);
    const char *name = target->resolved + folder;
    size_t name_bytes = strlen(name);
    unsigned char random[TARGET_RANDOM_CHARS];
    char last[2 + TARGET_NAME_BYTES + TARGET_RANDOM_CHARS + 8];

    *out = NULL;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return toffee_fail_errno(st, errno, "no random name for a file beside", target->path);
    }
    if (name_bytes > TARGET_NAME_BYTES) {
        name_bytes = TARGET_NAME_BYTES;
        while (name_bytes > 0 && ((unsigned char)name[name_bytes] & 0xC0) == 0x80) {
            name_bytes--; /* not in the middle of a UTF-8 character */
        }
    }
    for (size_t i = 0; i < sizeof(random); i++) {
        random[i] = (unsigned char)alphabet[random[i] % 32];
    }
    snprintf(last, sizeof(last), ".%.*s.%.*s.%s", (int)name_bytes, name, (int)sizeof(random),
             (const char *)random, end);
    *out = target_join(target->resolved, folder, last);
    return *out != NULL ? TOFFEE_OK : toffee_fail_nomem(st);
}

static toffee_code
target_open_temporary(toffee_target *target, mode_t mode, toffee_status *st)
{
    for (int attempt = 0; attempt < TARGET_MAX_ATTEMPTS; attempt++) {
        char *name = NULL;
        int sys_errno = 0;

        TOFFEE_RETURN_IF_ERROR(target_random_name(target, "tmp", &name, st));
        target->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (target->fd >= 0) {
            target->temporary = name;
            return TOFFEE_OK;
        }
        sys_errno = errno;
        toffee_free(name);
        if (sys_errno != EEXIST && sys_errno != EINTR) {
            return toffee_fail_errno(st, sys_errno, "cannot make a temporary file beside",
                                     target->path);
        }
    }
    return toffee_fail_errno(st, EEXIST, "cannot make a temporary file beside", target->path);
}

/* Gives fd the owner and permissions of OLD. Not being allowed to give a file away is no error: it
 * is then the process's own, as a new one would be, and must not run as somebody. */
static toffee_code
target_take_permissions(const toffee_target *target, const struct stat *old, toffee_status *st)
{
    struct stat new;
    mode_t mode = old->st_mode & 07777;

    if (fstat(target->fd, &new) != 0) {
        return toffee_fail_errno(st, errno, "cannot look at the temporary file of", target->path);
    }
    if ((old->st_uid != new.st_uid || old->st_gid != new.st_gid) &&
        fchown(target->fd, old->st_uid, old->st_gid) != 0) {
        mode &= 0777;
    }
    /* File systems without permissions show the same ones for all files and refuse to set any. */
    if (mode != (new.st_mode & 07777) && fchmod(target->fd, mode) != 0) {
        return toffee_fail_errno(st, errno, "cannot set the permissions of", target->path);
    }
    return TOFFEE_OK;
}

static toffee_code
target_open_itself(toffee_target *target, toffee_status *st)
{
    do {
        target->fd = open(target->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    } while (target->fd < 0 && errno == EINTR);
    return target->fd >= 0 ? TOFFEE_OK : toffee_fail_errno(st, errno, "cannot write", target->path);
}

toffee_code
toffee_target_open(const char *path, toffee_target *target, toffee_status *st)
{
    struct stat old;
    bool direct = false;

    *target = (toffee_target){.fd = -1, .path = path};
    if (stat(path, &old) == 0) {
        target->existed = true;
        if (!S_ISREG(old.st_mode)) {
            return target_open_itself(target, st); /* a folder fails here */
        }
    }
    else if (errno != ENOENT) {
        return toffee_fail_errno(st, errno, "cannot write", path);
    }
    TOFFEE_RETURN_IF_ERROR(target_resolve(target, &direct, st));
    if (direct) {
        return target_open_itself(target, st);
    }
    if (target->resolved[target_folder_length(target->resolved)] == '\0') {
        /* "" or "new/": no name that a file could have */
        return toffee_fail_errno(st, path[0] != '\0' ? EISDIR : ENOENT, "cannot write", path);
    }
    if (!target->existed) {
        return target_open_temporary(target, 0666, st);
    }
    if (faccessat(AT_FDCWD, target->resolved, W_OK, AT_EACCESS) != 0) {
        return toffee_fail_errno(st, errno, "cannot write", path);
    }
    TOFFEE_RETURN_IF_ERROR(target_open_temporary(target, 0600, st));
    return target_take_permissions(target, &old, st);
}

bool
toffee_target_is_direct(const toffee_target *target)
{
    return target->fd >= 0 && target->temporary == NULL;
}

toffee_code
toffee_target_close(toffee_target *target, toffee_status *st)
{
    int fd = target->fd;

    target->fd = -1; /* after EINTR too, Linux has closed it */
    if (fd >= 0 && close(fd) != 0 && errno != EINTR) {
        return toffee_fail_errno(st, errno, "cannot finish writing", target->path);
    }
    return TOFFEE_OK;
}

toffee_code
toffee_target_replace(toffee_target *target, bool keep_old, toffee_status *st)
{
    if (target->temporary == NULL) {
        return TOFFEE_OK;
    }
    if (keep_old && target->existed) {
        TOFFEE_RETURN_IF_ERROR(target_random_name(target, "old", &target->backup, st));
        if (link(target->resolved, target->backup) != 0) {
            toffee_free(target->backup); /* no hard links here: go on without */
            target->backup = NULL;
        }
    }
    if (rename(target->temporary, target->resolved) != 0) {
        return toffee_fail_errno(st, errno, "cannot replace", target->path);
    }
    toffee_free(target->temporary);
    target->temporary = NULL;
    return TOFFEE_OK;
}

void
toffee_target_restore(toffee_target *target)
{
    if (target->temporary != NULL || target->resolved == NULL) {
        return; /* nothing was replaced */
    }
    if (target->backup != NULL && rename(target->backup, target->resolved) == 0) {
        toffee_free(target->backup);
        target->backup = NULL;
    }
    else if (!target->existed) {
        unlink(target->resolved);
    }
}

void
toffee_target_discard(toffee_target *target)
{
    if (target->fd >= 0) {
        close(target->fd);
    }
    if (target->temporary != NULL) {
        unlink(target->temporary);
    }
    if (target->backup != NULL) {
        unlink(target->backup);
    }
    toffee_free(target->temporary);
    toffee_free(target->backup);
    toffee_free(target->resolved);
    *target = (toffee_target)TOFFEE_TARGET_NONE;
}
