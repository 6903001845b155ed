/* csrc/wire/sink.c -- bytes gathered into few large writes; the first error kept. */
#include "wire/sink.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/target.h"

/* Small appends are gathered here. */
#define SINK_BUFFER_BYTES ((size_t)64 << 10)
/* From this size on, a copy costs more than one more entry in the list of a vectored write. */
#define SINK_DIRECT_BYTES ((size_t)4 << 10)
/* Entries of that list; Linux takes up to 1024 (IOV_MAX). */
#define SINK_MAX_PARTS 256
/* Most bytes that go out at once. A write to a file does not end early when somebody presses
 * Ctrl-C; between two they are heard, and told how far it is. */
#define SINK_STEP_BYTES ((size_t)8 << 20)

typedef void (*sink_drain_fn)(toffee_sink *sink);

struct toffee_sink {
    ProtobufCBuffer protobuf; /* the first member: protobuf-c's callback gets its address */
    toffee_code rc;           /* the first error, and what `error` says of it */
    toffee_status error;
    uint64_t offset;
    sink_drain_fn drain; /* sends `parts` out, setting rc on failure; NULL: a counter */
    toffee_target target;
    toffee_write_fn write;
    void *ctx;
    toffee_progress *progress; /* borrowed; may be NULL */
    size_t n_parts;
    struct iovec parts[SINK_MAX_PARTS]; /* not sent yet, in order; in `buffer` or the caller's */
    size_t n_buffered;
    uint8_t buffer[SINK_BUFFER_BYTES];
};

/* How many of the N_PARTS parts at PARTS make a step: one at least, which may have to be cut. */
static size_t
sink_parts_of_step(const struct iovec *parts, size_t n_parts)
{
    size_t n_bytes = 0;
    size_t n = 0;

    while (n < n_parts && parts[n].iov_len <= SINK_STEP_BYTES - n_bytes) {
        n_bytes += parts[n].iov_len;
        n++;
    }
    return n > 0 ? n : 1;
}

/* write(), or writev() for more than one part. */
static ssize_t
sink_write_step(const toffee_sink *sink, const struct iovec *parts, size_t n_parts)
{
    size_t n = sink_parts_of_step(parts, n_parts);

    if (n > 1) {
        return writev(sink->target.fd, parts, (int)n);
    }
    n = parts->iov_len < SINK_STEP_BYTES ? parts->iov_len : SINK_STEP_BYTES;
    return write(sink->target.fd, parts->iov_base, n);
}

static void
sink_drain_to_file(toffee_sink *sink)
{
    struct iovec *parts = sink->parts;
    size_t n_parts = sink->n_parts;

    while (n_parts > 0) {
        ssize_t n = sink_write_step(sink, parts, n_parts);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            sink->rc = toffee_fail_errno(&sink->error, n < 0 ? errno : EIO, "cannot write",
                                         sink->target.path);
            return;
        }
        sink->rc = toffee_progress_step(sink->progress, (uint64_t)n, &sink->error);
        if (sink->rc != TOFFEE_OK) {
            return;
        }
        while (n_parts > 0 && (size_t)n >= parts->iov_len) {
            n -= (ssize_t)parts->iov_len;
            parts++;
            n_parts--;
        }
        if (n > 0) {
            parts->iov_base = (uint8_t *)parts->iov_base + n;
            parts->iov_len -= (size_t)n;
        }
    }
}

static void
sink_drain_to_fn(toffee_sink *sink)
{
    for (size_t i = 0; i < sink->n_parts; i++) {
        const uint8_t *at = sink->parts[i].iov_base;
        size_t rest = sink->parts[i].iov_len;

        while (rest > 0 && sink->rc == TOFFEE_OK) {
            size_t n = rest < SINK_STEP_BYTES ? rest : SINK_STEP_BYTES;

            sink->rc = sink->write(sink->ctx, at, n, &sink->error);
            if (sink->rc == TOFFEE_OK) {
                sink->rc = toffee_progress_step(sink->progress, n, &sink->error);
            }
            at += n;
            rest -= n;
        }
    }
}

static void
sink_drain(toffee_sink *sink)
{
    if (sink->rc == TOFFEE_OK && sink->n_parts > 0) {
        sink->drain(sink);
    }
    sink->n_parts = 0;
    sink->n_buffered = 0;
}

/* Queues N bytes at DATA; there must be room in the list. */
static void
sink_queue(toffee_sink *sink, const void *data, size_t n)
{
    struct iovec *last = sink->n_parts > 0 ? &sink->parts[sink->n_parts - 1] : NULL;

    if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == data) {
        last->iov_len += n;
        return;
    }
    sink->parts[sink->n_parts++] = (struct iovec){.iov_base = (void *)data, .iov_len = n};
}

/* Room for N <= SINK_BUFFER_BYTES bytes, queued; the caller fills them in. */
static uint8_t *
sink_reserve(toffee_sink *sink, size_t n)
{
    uint8_t *at = NULL;

    if (n > SINK_BUFFER_BYTES - sink->n_buffered || sink->n_parts == SINK_MAX_PARTS) {
        sink_drain(sink);
    }
    at = sink->buffer + sink->n_buffered;
    sink_queue(sink, at, n);
    sink->n_buffered += n;
    return at;
}

/* Counts N more bytes; whether they are to be sent as well. */
static bool
sink_wants(toffee_sink *sink, size_t n)
{
    sink->offset += n;
    return n != 0 && sink->rc == TOFFEE_OK && sink->drain != NULL;
}

void
toffee_sink_append(toffee_sink *sink, const void *data, size_t n)
{
    if (!sink_wants(sink, n)) {
        return;
    }
    if (n < SINK_DIRECT_BYTES) {
        memcpy(sink_reserve(sink, n), data, n);
        return;
    }
    if (sink->n_parts == SINK_MAX_PARTS) {
        sink_drain(sink);
    }
    sink_queue(sink, data, n);
}

void
toffee_sink_fill(toffee_sink *sink, uint8_t value, size_t n)
{
    if (!sink_wants(sink, n)) {
        return;
    }
    while (n > 0) {
        size_t chunk = n < SINK_DIRECT_BYTES ? n : SINK_DIRECT_BYTES;

        memset(sink_reserve(sink, chunk), value, chunk);
        n -= chunk;
    }
}

/* protobuf-c's append. Some of its versions pack a nested message into memory that they free as
 * soon as this returns, so nothing may be left waiting in the list. */
static void
sink_append_from_protobuf(ProtobufCBuffer *buffer, size_t n, const uint8_t *data)
{
    toffee_sink *sink = (toffee_sink *)buffer;

    toffee_sink_append(sink, data, n);
    if (n >= SINK_DIRECT_BYTES) {
        sink_drain(sink);
    }
}

static toffee_code
sink_new(sink_drain_fn drain, toffee_sink **out, toffee_status *st)
{
    toffee_sink *sink = toffee_malloc(sizeof(*sink));

    *out = sink;
    if (sink == NULL) {
        return toffee_fail_nomem(st);
    }
    /* All but the parts and the buffer, which would cost more to clear than they are worth. */
    sink->protobuf = (ProtobufCBuffer){.append = sink_append_from_protobuf};
    sink->rc = TOFFEE_OK;
    sink->error = (toffee_status)TOFFEE_STATUS_INIT;
    sink->offset = 0;
    sink->drain = drain;
    sink->target = (toffee_target)TOFFEE_TARGET_NONE;
    sink->write = NULL;
    sink->ctx = NULL;
    sink->progress = NULL;
    sink->n_parts = 0;
    sink->n_buffered = 0;
    return TOFFEE_OK;
}

toffee_code
toffee_sink_open(const char *path, toffee_sink **out, toffee_status *st)
{
    toffee_code rc = sink_new(sink_drain_to_file, out, st);

    if (rc == TOFFEE_OK) {
        rc = toffee_target_open(path, &(*out)->target, st);
    }
    if (rc != TOFFEE_OK) {
        toffee_sink_discard(out);
    }
    return rc;
}

toffee_code
toffee_sink_open_fn(toffee_write_fn write, void *ctx, toffee_sink **out, toffee_status *st)
{
    toffee_code rc = sink_new(sink_drain_to_fn, out, st);

    if (rc == TOFFEE_OK) {
        (*out)->write = write;
        (*out)->ctx = ctx;
    }
    return rc;
}

toffee_code
toffee_sink_open_counter(toffee_sink **out, toffee_status *st)
{
    return sink_new(NULL, out, st);
}

void
toffee_sink_set_progress(toffee_sink *sink, toffee_progress *progress)
{
    sink->progress = progress;
}

bool
toffee_sink_is_counter(const toffee_sink *sink)
{
    return sink->drain == NULL;
}

bool
toffee_sink_is_file(const toffee_sink *sink)
{
    return sink->target.fd >= 0 && !toffee_target_is_direct(&sink->target);
}

ProtobufCBuffer *
toffee_sink_buffer(toffee_sink *sink)
{
    return &sink->protobuf;
}

uint64_t
toffee_sink_offset(const toffee_sink *sink)
{
    return sink->offset;
}

toffee_code
toffee_sink_check(const toffee_sink *sink, toffee_status *st)
{
    if (sink->rc != TOFFEE_OK && st != NULL) {
        *st = sink->error;
    }
    return sink->rc;
}

toffee_code
toffee_sink_flush(toffee_sink *sink, toffee_status *st)
{
    sink_drain(sink);
    return toffee_sink_check(sink, st);
}

/* All bytes are out, and the file, if there is one, is closed. */
static toffee_code
sink_finish(toffee_sink *sink, toffee_status *st)
{
    TOFFEE_RETURN_IF_ERROR(toffee_sink_flush(sink, st));
    return toffee_target_close(&sink->target, st);
}

toffee_code
toffee_sink_commit(toffee_sink **sink, toffee_status *st)
{
    toffee_code rc = sink_finish(*sink, st);

    if (rc == TOFFEE_OK) {
        rc = toffee_target_replace(&(*sink)->target, false, st);
    }
    toffee_sink_discard(sink);
    return rc;
}

toffee_code
toffee_sink_commit_both(toffee_sink **first, toffee_sink **second, toffee_status *st)
{
    toffee_code rc = sink_finish(*first, st);

    if (rc == TOFFEE_OK) {
        rc = sink_finish(*second, st);
    }
    if (rc == TOFFEE_OK) {
        rc = toffee_target_replace(&(*first)->target, true, st);
    }
    if (rc == TOFFEE_OK) {
        rc = toffee_target_replace(&(*second)->target, false, st);
        if (rc != TOFFEE_OK) {
            toffee_target_restore(&(*first)->target);
        }
    }
    toffee_sink_discard(first);
    toffee_sink_discard(second);
    return rc;
}

void
toffee_sink_discard(toffee_sink **sink)
{
    if (*sink != NULL) {
        toffee_target_discard(&(*sink)->target);
        toffee_free(*sink);
        *sink = NULL;
    }
}
