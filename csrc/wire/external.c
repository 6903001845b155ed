/* csrc/wire/external.c */
#include "wire/external.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/mapping.h"

static bool
external_is_link(int folder, const char *name)
{
    struct stat info;

    return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
}

/* Opens the file LOCATION below FOLDER, one path component at a time, so that no link on the way,
 * however it came there, leads elsewhere. *FD is the caller's to close. */
static toffee_code
external_open(const char *folder, const char *location, int *fd, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    char part[NAME_MAX + 1];
    const char *at = location;
    int here = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *fd = -1;
    if (here < 0) {
        rc = toffee_fail_errno(st, errno, "cannot open the model's folder", folder);
        goto done;
    }
    for (;;) {
        size_t n = strcspn(at, "/");
        bool is_last = at[n] == '\0';
        int next = -1;
        int open_errno = 0;

        if (n > NAME_MAX) {
            rc = toffee_fail_errno(st, ENAMETOOLONG, "cannot open the external data", location);
            goto done;
        }
        memcpy(part, at, n);
        part[n] = '\0';
        if (strcmp(part, "..") == 0 || (is_last && (n == 0 || strcmp(part, ".") == 0))) {
            rc = toffee_fail(st, TOFFEE_ERR_FORMAT,
                             "external data location '%.200s' is not a file below the model's "
                             "folder",
                             location);
            goto done;
        }
        /* Without O_NONBLOCK a FIFO of that name would keep us waiting. */
        next = openat(here, n != 0 ? part : ".",
                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (is_last ? 0 : O_DIRECTORY));
        open_errno = errno;
        if (next < 0 && external_is_link(here, n != 0 ? part : ".")) {
            rc = toffee_fail(st, TOFFEE_ERR_FORMAT,
                             "external data location '%.200s' goes through a symbolic link, which "
                             "is not followed",
                             location);
            goto done;
        }
        if (next < 0) {
            rc = toffee_fail_errno(st, open_errno, "cannot open the external data", location);
            goto done;
        }
        close(here);
        here = next;
        if (is_last) {
            *fd = here;
            here = -1;
            goto done;
        }
        at += n + 1;
    }
done:
    if (here >= 0) {
        close(here);
    }
    return rc;
}

static toffee_code
external_map(const char *folder, const char *location, toffee_mapping **out, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    int fd = -1;
    struct stat info;

    *out = NULL;
    rc = external_open(folder, location, &fd, st);
    if (rc != TOFFEE_OK) {
        return rc;
    }
    if (fstat(fd, &info) != 0) {
        rc = toffee_fail_errno(st, errno, "cannot look at the external data", location);
    }
    else if (!S_ISREG(info.st_mode)) {
        rc = toffee_fail(st, TOFFEE_ERR_FORMAT,
                         "external data location '%.200s' is not a regular file", location);
    }
    else {
        rc = toffee_mapping_open_fd(fd, location, out, st);
    }
    close(fd);
    return rc;
}

/* The mapping of LOCATION, made on first use. Borrowed from GRAPH. */
static toffee_code
external_file(toffee_external *external, toffee_graph *graph, const toffee_str *location,
              toffee_mapping **out, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    toffee_mapping *mapping = toffee_ptrmap_get(&external->files, location);

    *out = mapping;
    if (mapping != NULL) {
        return TOFFEE_OK;
    }
    rc = external_map(external->folder, location->text, &mapping, st);
    if (rc != TOFFEE_OK) {
        return rc;
    }
    rc = toffee_graph_on_free(graph, toffee_mapping_free, mapping, st);
    if (rc != TOFFEE_OK) {
        toffee_mapping_free(mapping);
        return rc;
    }
    if (!toffee_ptrmap_set(external->arena, &external->files, location, mapping)) {
        return toffee_fail_nomem(st); /* the graph frees it */
    }
    *out = mapping;
    return TOFFEE_OK;
}

toffee_code
toffee_external_find(toffee_external *external, toffee_graph *graph, const toffee_str *location,
                     uint64_t offset, uint64_t length, const void **data, toffee_status *st)
{
    toffee_mapping *mapping = NULL;

    *data = NULL;
    if (location == NULL || location->length == 0 || location->text[0] == '/' ||
        location->length > PATH_MAX || strlen(location->text) != location->length) {
        return toffee_fail(st, TOFFEE_ERR_FORMAT,
                           "external data location '%.200s' is not a path relative to the model's "
                           "folder",
                           toffee_str_text(location));
    }
    if (external->folder == NULL) {
        return toffee_fail(st, TOFFEE_ERR_FORMAT,
                           "the data is in the file '%.200s' beside the model, but the model was "
                           "given as bytes; load it by its path",
                           location->text);
    }
    TOFFEE_RETURN_IF_ERROR(external_file(external, graph, location, &mapping, st));
    if (offset > mapping->n || length > mapping->n - offset) {
        return toffee_fail(st, TOFFEE_ERR_FORMAT,
                           "external data needs %llu bytes at byte %llu of '%.200s', which has %zu",
                           (unsigned long long)length, (unsigned long long)offset, location->text,
                           mapping->n);
    }
    *data = length != 0 ? mapping->data + offset : NULL;
    return TOFFEE_OK;
}
