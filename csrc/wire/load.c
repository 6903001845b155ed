/* csrc/wire/load.c -- from a path or from memory to a graph. */
#include <string.h>

#include "base/alloc.h"
#include "wire/decode.h"
#include "wire/mapping.h"
#include "wire/wire.h"

/* The folder of PATH, for external data: allocated, the caller frees it; NULL when memory is out.
 */
static char *
load_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    char *folder = toffee_malloc(n + 2);

    if (folder != NULL) {
        memcpy(folder, path, n);
        memcpy(folder + n, n != 0 ? "" : ".", n != 0 ? 1 : 2);
    }
    return folder;
}

static toffee_code
load_decode(const void *data, size_t n, const char *folder, toffee_graph **out,
            toffee_dialect *dialect, toffee_status *st)
{
    toffee_dialect found = TOFFEE_DIALECT_CURRENT;

    *out = NULL;
    TOFFEE_RETURN_IF_ERROR(toffee_dialect_detect(data, n, &found, st));
    if (dialect != NULL) {
        *dialect = found;
    }
    return toffee_decode(data, n, found, folder, out, st);
}

toffee_code
toffee_load_path(const char *path, toffee_graph **out, toffee_dialect *dialect, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    toffee_mapping *mapping = NULL;
    toffee_graph *graph = NULL;
    char *folder = NULL;

    *out = NULL;
    folder = load_folder(path);
    if (folder == NULL) {
        rc = toffee_fail_nomem(st);
        goto done;
    }
    rc = toffee_mapping_open(path, &mapping, st);
    if (rc != TOFFEE_OK) {
        goto done;
    }
    rc = load_decode(mapping->data, mapping->n, folder, &graph, dialect, st);
    if (rc != TOFFEE_OK) {
        goto done;
    }
    rc = toffee_graph_on_free(graph, toffee_mapping_free, mapping, st);
    if (rc != TOFFEE_OK) {
        goto done;
    }
    toffee_mapping_rest(mapping);
    mapping = NULL; /* the graph's from now on */
    *out = graph;
    graph = NULL;
done:
    toffee_graph_free(graph);
    toffee_mapping_free(mapping);
    toffee_free(folder);
    return rc;
}

toffee_code
toffee_load_bytes(const void *data, size_t n, void (*release)(void *ctx), void *ctx,
                  toffee_graph **out, toffee_dialect *dialect, toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    toffee_graph *graph = NULL;

    *out = NULL;
    rc = load_decode(data, n, NULL, &graph, dialect, st);
    if (rc != TOFFEE_OK) {
        goto done;
    }
    if (release != NULL) {
        rc = toffee_graph_on_free(graph, release, ctx, st);
        if (rc != TOFFEE_OK) {
            goto done;
        }
    }
    *out = graph;
    graph = NULL;
done:
    toffee_graph_free(graph);
    return rc;
}
