/* csrc/base/progress.h -- telling a listener now and then how far a long job is.
 *
 * Nobody is told more often than the interval says, and a job that is shorter than the interval
 * tells nothing. Between two tellings a step costs one look at a coarse clock: a few nanoseconds.
 */
#ifndef TOFFEE_BASE_PROGRESS_H
#define TOFFEE_BASE_PROGRESS_H

#include "base/status.h"

typedef struct toffee_progress toffee_progress;

struct toffee_progress {
    /* Is told that `done` of `total` are behind. An error ends the job, which cleans up as after
     * any other error and returns it. */
    toffee_code (*tell)(toffee_progress *progress, toffee_status *st);
    void *ctx;         /* of `tell` */
    uint64_t done;     /* operators, bytes: the job knows what it counts */
    uint64_t total;    /* 0: not known */
    uint64_t interval; /* nanoseconds between two tellings; 0: each step tells */
    uint64_t next;     /* when to tell again, in nanoseconds of a clock that never goes back */
};

/* Begins: the first telling is an interval away. */
void toffee_progress_start(toffee_progress *progress);
/* N more are done. PROGRESS may be NULL. Returns OK, or what `tell` returned. */
TOFFEE_NODISCARD toffee_code toffee_progress_step(toffee_progress *progress, uint64_t n,
                                                  toffee_status *st);

#endif /* TOFFEE_BASE_PROGRESS_H */
