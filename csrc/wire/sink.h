/* csrc/wire/sink.h -- where serialized bytes go.
 *
 * protobuf-c hands bytes to a callback that returns void. A sink therefore keeps the first error,
 * drops what follows, and reports that error once, at commit. A sink for a path writes to a
 * temporary file beside PATH and commit renames it, so a reader never meets half a graph. */
#ifndef TOFFEE_WIRE_SINK_H
#define TOFFEE_WIRE_SINK_H

#include <protobuf-c/protobuf-c.h>

#include "base/progress.h"

typedef struct toffee_sink toffee_sink; /* defined in sink.c */

/* Takes N bytes; returns OK or an error, for sinks that hand bytes on. May be called many times. */
typedef toffee_code (*toffee_write_fn)(void *ctx, const void *data, size_t n, toffee_status *st);

/* Opens a sink for PATH (borrowed until commit or discard). On success the caller owns *out; on
 * failure *out is NULL. What happens to an existing PATH is in wire/target.h. Errors: IO, NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_sink_open(const char *path, toffee_sink **out,
                                              toffee_status *st);
/* A sink that hands all bytes to WRITE, for memory and for Python file objects. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_sink_open_fn(toffee_write_fn write, void *ctx,
                                                 toffee_sink **out, toffee_status *st);
/* A sink that only counts: it never reads what is appended, so a NULL will do. Errors: NOMEM. */
TOFFEE_NODISCARD toffee_code toffee_sink_open_counter(toffee_sink **out, toffee_status *st);
/* From now on PROGRESS (borrowed until commit or discard) hears of the bytes that are out, in steps
 * of a few MB. What it returns as an error is the sink's error. */
void toffee_sink_set_progress(toffee_sink *sink, toffee_progress *progress);
/* Whether SINK only counts: then whoever appends need not fetch the bytes, only know how many. */
bool toffee_sink_is_counter(const toffee_sink *sink);
/* Whether the bytes go to a file that has a folder and can have another file beside it. */
bool toffee_sink_is_file(const toffee_sink *sink);

/* The sink as protobuf-c sees it: what is appended here is copied or written at once. Borrowed;
 * valid until commit or discard. */
ProtobufCBuffer *toffee_sink_buffer(toffee_sink *sink);
/* Appends N bytes, copied if they are few; more than a few KB go out by vectored writes straight
 * from DATA, at the latest when the sink is flushed, so DATA must stay valid until then. */
void toffee_sink_append(toffee_sink *sink, const void *data, size_t n);
/* Appends N bytes of VALUE (for padding). */
void toffee_sink_fill(toffee_sink *sink, uint8_t value, size_t n);
/* Sends out everything appended so far; afterwards the DATA of earlier appends may go. Returns the
 * first error the sink met, as commit would. */
TOFFEE_NODISCARD toffee_code toffee_sink_flush(toffee_sink *sink, toffee_status *st);
/* The first error the sink met, without sending anything: so that a writer can stop early. */
TOFFEE_NODISCARD toffee_code toffee_sink_check(const toffee_sink *sink, toffee_status *st);
/* Bytes appended so far: the offset of the next one. Goes on counting after an error. */
uint64_t toffee_sink_offset(const toffee_sink *sink);

/* Flushes, renames into place, frees. Sets *sink to NULL whether it succeeds or not; on failure no
 * temporary file is left. Errors: the first one the sink met: IO, or what WRITE returned. */
TOFFEE_NODISCARD toffee_code toffee_sink_commit(toffee_sink **sink, toffee_status *st);
/* The same for two files that belong together: both are complete before the first is renamed, and
 * if SECOND cannot be renamed, what FIRST replaced is put back (where the file system has hard
 * links). */
TOFFEE_NODISCARD toffee_code toffee_sink_commit_both(toffee_sink **first, toffee_sink **second,
                                                     toffee_status *st);
/* Frees the sink and removes the temporary file. Does nothing when *sink is NULL. */
void toffee_sink_discard(toffee_sink **sink);

#endif /* TOFFEE_WIRE_SINK_H */
