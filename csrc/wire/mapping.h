/* csrc/wire/mapping.h -- a file's bytes, mapped if that is possible and read if not. */
#ifndef TOFFEE_WIRE_MAPPING_H
#define TOFFEE_WIRE_MAPPING_H

#include "base/status.h"

/* A file that somebody makes shorter while it is mapped takes pages away: touching them then raises
 * SIGBUS, which ends the process. That is the price of not copying; toffee's own writer renames new
 * files into place and so never does it. */
typedef struct {
    const uint8_t *data; /* NULL when n is 0 */
    size_t n;
    bool mapped; /* else on the heap */
} toffee_mapping;

/* The bytes of the file at PATH; *out is the caller's to free. What cannot be mapped (a pipe,
 * /proc) is read to its end. Errors: IO (also for folders), NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_mapping_open(const char *path, toffee_mapping **out,
                                                 toffee_status *st);
/* The same for an open regular file, which stays open and the caller's. PATH is for messages. */
TOFFEE_NODISCARD toffee_code toffee_mapping_open_fd(int fd, const char *path, toffee_mapping **out,
                                                    toffee_status *st);
/* Takes the pages that were looked at out of this process: the kernel maps what is around them as
 * well, 2 MiB at once for a file written just now, and all that would count as memory in use. The
 * next look brings them back from the page cache. */
void toffee_mapping_rest(const toffee_mapping *mapping);
/* Frees MAPPING, a toffee_mapping; does nothing on NULL. Fits toffee_graph_on_free. */
void toffee_mapping_free(void *mapping);

#endif /* TOFFEE_WIRE_MAPPING_H */
