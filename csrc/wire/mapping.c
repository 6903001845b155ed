/* csrc/wire/mapping.c */
#include "wire/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define READ_FIRST_BYTES 65536

/* Reads FD to its end into MAPPING, which is empty. */
static toffee_code
mapping_read(int fd, const char *path, toffee_mapping *mapping, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    uint8_t *data = NULL;
    size_t n = 0;
    size_t capacity = 0;

    for (;;) {
        ssize_t got = 0;

        if (n == capacity) {
            size_t wanted = capacity != 0 ? capacity * 2 : READ_FIRST_BYTES;
            uint8_t *grown = wanted > capacity ? toffee_realloc(data, wanted) : NULL;

            if (grown == NULL) {
                rc = toffee_fail_nomem(st);
                goto done;
            }
            data = grown;
            capacity = wanted;
        }
        got = read(fd, data + n, capacity - n);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            rc = toffee_fail_errno(st, errno, "cannot read", path);
            goto done;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    if (n != 0) {
        mapping->data = data;
        mapping->n = n;
        data = NULL;
    }
done:
    toffee_free(data);
    return rc;
}

toffee_code
toffee_mapping_open_fd(int fd, const char *path, toffee_mapping **out, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    toffee_mapping *mapping = NULL;
    struct stat info;

    *out = NULL;
    if (fstat(fd, &info) != 0) {
        rc = toffee_fail_errno(st, errno, "cannot look at", path);
        goto done;
    }
    if (S_ISDIR(info.st_mode)) {
        rc = toffee_fail_errno(st, EISDIR, "cannot read", path);
        goto done;
    }
    mapping = toffee_malloc(sizeof(*mapping));
    if (mapping == NULL) {
        rc = toffee_fail_nomem(st);
        goto done;
    }
    *mapping = (toffee_mapping){0};
    /* Files of /proc are regular and say that they are empty, so empty ones are read as well. */
    if (S_ISREG(info.st_mode) && info.st_size > 0 && (uint64_t)info.st_size <= SIZE_MAX) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

        if (data != MAP_FAILED) {
            *mapping = (toffee_mapping){.data = data, .n = (size_t)info.st_size, .mapped = true};
        }
        else if (errno == ENOMEM) {
            rc = toffee_fail_errno(st, ENOMEM, "cannot map", path);
            goto done;
        }
    }
    if (!mapping->mapped) {
        rc = mapping_read(fd, path, mapping, st);
        if (rc != TOFFEE_OK) {
            goto done;
        }
    }
    *out = mapping;
    mapping = NULL;
done:
    toffee_mapping_free(mapping);
    return rc;
}

toffee_code
toffee_mapping_open(const char *path, toffee_mapping **out, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    int fd = -1;

    *out = NULL;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return toffee_fail_errno(st, errno, "cannot open", path);
    }
    rc = toffee_mapping_open_fd(fd, path, out, st);
    close(fd); /* a mapping does not need it */
    return rc;
}

void
toffee_mapping_rest(const toffee_mapping *mapping)
{
    if (mapping->mapped) {
        (void)madvise((void *)(uintptr_t)mapping->data, mapping->n, MADV_DONTNEED);
    }
}

void
toffee_mapping_free(void *ptr)
{
    toffee_mapping *mapping = ptr;

    if (mapping == NULL) {
        return;
    }
    if (mapping->mapped) {
        munmap((void *)(uintptr_t)mapping->data, mapping->n);
    }
    else {
        toffee_free((void *)(uintptr_t)mapping->data);
    }
    toffee_free(mapping);
}
