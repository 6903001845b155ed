/* csrc/wire/save.c -- graphs to files and to functions; ONNX models that are too large for one
 * file. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/encode.h"
#include "wire/wire.h"

#define SAVE_DATA_ENDING ".data"

/* What the encoder needs, made from the caller's options. */
typedef struct {
    const toffee_graph *graph;
    toffee_format format;
    toffee_encode_options encode;
    toffee_encode_envelope envelope;
    uint64_t max_bytes; /* of an ONNX model, without the file beside it */
    bool external_data;
    toffee_progress progress;  /* of this job: save_tell hands it on */
    toffee_progress *listener; /* the caller's; NULL: nobody */
} save_job;

static save_job
save_job_make(const toffee_graph *graph, const toffee_save_options *options)
{
    return (save_job){
        .graph = graph,
        .format = options->format,
        .encode = {.with_initializers = options->with_initializers, .places = options->places},
        .envelope = {.producer = options->producer != NULL ? options->producer : "toffee",
                     .producer_version = options->producer_version},
        .max_bytes = options->max_onnx_bytes != 0 ? options->max_onnx_bytes : TOFFEE_ONNX_MAX_BYTES,
        .external_data = options->external_data,
        .listener = options->progress,
    };
}

static toffee_code
save_encode(const save_job *job, toffee_sink *sink, toffee_status *st)
{
    if (job->format == TOFFEE_FORMAT_ONNX) {
        return toffee_encode_model(job->graph, &job->encode, &job->envelope, sink, st);
    }
    return toffee_encode_graph(job->graph, &job->encode, sink, st);
}

/* Size of the file in bytes, with what encode.location moves out of it left out. */
static toffee_code
save_measure(const save_job *job, uint64_t *n_bytes, toffee_status *st)
{
    toffee_sink *counter = NULL;
    toffee_code rc = toffee_sink_open_counter(&counter, st);

    if (rc == TOFFEE_OK) {
        rc = save_encode(job, counter, st);
        *n_bytes = toffee_sink_offset(counter);
    }
    toffee_sink_discard(&counter);
    return rc;
}

/* Whether there is anything to put into a file of its own. */
static bool
save_has_large_initializer(const save_job *job)
{
    for (size_t i = 0; job->encode.with_initializers && i < job->graph->initializers.n; i++) {
        if (job->graph->initializers.data[i]->n_bytes >= TOFFEE_EXTERNAL_MIN_BYTES) {
            return true;
        }
    }
    return false;
}

/* Whether the job is an ONNX model with weights in a file of their own; *N_BYTES is the size that
 * it would have without one. */
static toffee_code
save_needs_data(const save_job *job, bool *needs_data, uint64_t *n_bytes, toffee_status *st)
{
    *needs_data = false;
    *n_bytes = 0;
    if (job->format != TOFFEE_FORMAT_ONNX) {
        return TOFFEE_OK;
    }
    TOFFEE_RETURN_IF_ERROR(save_measure(job, n_bytes, st));
    *needs_data =
        (job->external_data && save_has_large_initializer(job)) || *n_bytes > job->max_bytes;
    return TOFFEE_OK;
}

/* A `tell`. The total is counted when it is first asked for, since small jobs never get here. */
static toffee_code
save_tell(toffee_progress *progress, toffee_status *st)
{
    save_job *job = progress->ctx;

    if (progress->total == 0) {
        TOFFEE_RETURN_IF_ERROR(save_measure(job, &progress->total, st));
    }
    job->listener->done = progress->done;
    job->listener->total = progress->total > progress->done ? progress->total : progress->done;
    return job->listener->tell(job->listener, st);
}

/* From now on the listener hears what SINK writes; N_BYTES in all, or 0 if that is not known. */
static void
save_report(save_job *job, toffee_sink *sink, uint64_t n_bytes)
{
    if (job->listener == NULL) {
        return;
    }
    if (job->progress.tell == NULL) {
        job->progress = (toffee_progress){
            .tell = save_tell, .ctx = job, .total = n_bytes, .interval = job->listener->interval};
        toffee_progress_start(&job->progress);
    }
    toffee_sink_set_progress(sink, &job->progress);
}

/* Everything is out, but not in place: the last telling, with the total. */
static toffee_code
save_tell_end(save_job *job, toffee_sink *sink, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_sink_flush(sink, st));
    if (job->listener == NULL) {
        return TOFFEE_OK;
    }
    job->progress.total = job->progress.done;
    return save_tell(&job->progress, st);
}

static toffee_code
save_fail_no_folder(const save_job *job, uint64_t n_bytes, toffee_status *st)
{
    if (n_bytes <= job->max_bytes) {
        return toffee_fail(st, TOFFEE_ERR_VALUE,
                           "weights have a file of their own beside the path of a file, and this "
                           "is none: leave external_data out, or give a path");
    }
    return toffee_fail(st, TOFFEE_ERR_LIMIT,
                       "the ONNX model has %" PRIu64 " bytes; one file may have %" PRIu64
                       ". Give the path of a file, beside which the weights can have a file of "
                       "their own, or save in the toffee format, which has no limit",
                       n_bytes, job->max_bytes);
}

/* PATH + ".data", on the heap; NULL when memory is out. */
static char *
save_data_path(const char *path)
{
    size_t n = strlen(path);
    char *data_path = toffee_malloc(n + sizeof(SAVE_DATA_ENDING));

    if (data_path != NULL) {
        memcpy(data_path, path, n);
        memcpy(data_path + n, SAVE_DATA_ENDING, sizeof(SAVE_DATA_ENDING));
    }
    return data_path;
}

/* Opens the file for large initializers. Readers of ONNX do not follow a link there, as it could
 * lead them anywhere; nor does ours. */
static toffee_code
save_open_data(const char *data_path, toffee_sink **out, toffee_status *st)
{
    char first = '\0';

    *out = NULL;
    if (readlink(data_path, &first, 1) >= 0) {
        return toffee_fail_errno(st, ELOOP, "cannot put weights behind the symbolic link",
                                 data_path);
    }
    return toffee_sink_open(data_path, out, st);
}

/* Writes JOB, an ONNX model of N_BYTES bytes, to *SINK, opened for PATH, and its large initializers
 * to PATH.data; the two take their places together. */
static toffee_code
save_with_data(save_job *job, const char *path, uint64_t n_bytes, toffee_sink **sink,
               toffee_status *st)
{
    toffee_code rc = TOFFEE_OK;
    const char *slash = NULL;
    char *data_path = NULL;
    toffee_sink *data = NULL;

    if (!toffee_sink_is_file(*sink)) {
        return save_fail_no_folder(job, n_bytes, st);
    }
    data_path = save_data_path(path);
    if (data_path == NULL) {
        return toffee_fail_nomem(st);
    }
    slash = strrchr(data_path, '/');
    job->encode.location = slash != NULL ? slash + 1 : data_path;
    rc = save_measure(job, &n_bytes, st);
    if (rc == TOFFEE_OK && n_bytes > job->max_bytes) {
        rc = toffee_fail(st, TOFFEE_ERR_LIMIT,
                         "the ONNX model has %" PRIu64
                         " bytes without its large weights; one file may have %" PRIu64
                         ". Save in the toffee format, which has no limit",
                         n_bytes, job->max_bytes);
    }
    if (rc == TOFFEE_OK) {
        rc = save_open_data(data_path, &data, st);
    }
    if (rc == TOFFEE_OK) {
        save_report(job, data, 0);
        job->encode.data = data;
        rc = save_encode(job, *sink, st);
    }
    if (rc == TOFFEE_OK) {
        rc = toffee_sink_flush(data, st);
    }
    if (rc == TOFFEE_OK) {
        rc = save_tell_end(job, *sink, st);
    }
    if (rc == TOFFEE_OK) {
        rc = toffee_sink_commit_both(&data, sink, st);
    }
    toffee_sink_discard(&data);
    toffee_free(data_path);
    return rc;
}

toffee_code
toffee_save_path(const toffee_graph *graph, const char *path, const toffee_save_options *options,
                 toffee_status *st)
{
    save_job job = save_job_make(graph, options);
    toffee_sink *sink = NULL;
    bool needs_data = false;
    uint64_t n_bytes = 0;
    toffee_code rc = save_needs_data(&job, &needs_data, &n_bytes, st);

    if (rc == TOFFEE_OK) {
        rc = toffee_sink_open(path, &sink, st);
    }
    if (rc != TOFFEE_OK) {
        goto done;
    }
    save_report(&job, sink, n_bytes);
    if (needs_data) {
        rc = save_with_data(&job, path, n_bytes, &sink, st);
        goto done;
    }
    rc = save_encode(&job, sink, st);
    if (rc == TOFFEE_OK) {
        rc = save_tell_end(&job, sink, st);
    }
    if (rc == TOFFEE_OK) {
        rc = toffee_sink_commit(&sink, st);
    }
done:
    toffee_sink_discard(&sink); /* does nothing after a commit */
    return rc;
}

toffee_code
toffee_save_fn(const toffee_graph *graph, toffee_write_fn write, void *ctx,
               const toffee_save_options *options, toffee_status *st)
{
    save_job job = save_job_make(graph, options);
    toffee_sink *sink = NULL;
    bool needs_data = false;
    uint64_t n_bytes = 0;
    toffee_code rc = save_needs_data(&job, &needs_data, &n_bytes, st);

    if (rc == TOFFEE_OK && needs_data) {
        rc = save_fail_no_folder(&job, n_bytes, st);
    }
    if (rc == TOFFEE_OK) {
        rc = toffee_sink_open_fn(write, ctx, &sink, st);
    }
    if (rc == TOFFEE_OK) {
        save_report(&job, sink, n_bytes);
    }
    if (rc == TOFFEE_OK) {
        rc = save_encode(&job, sink, st);
    }
    if (rc == TOFFEE_OK) {
        rc = save_tell_end(&job, sink, st);
    }
    if (rc == TOFFEE_OK) {
        rc = toffee_sink_commit(&sink, st);
    }
    toffee_sink_discard(&sink);
    return rc;
}
