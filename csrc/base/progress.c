/* csrc/base/progress.c -- a clock that is cheap to look at, and when to look up from the work. */
#include "base/progress.h"

#include <time.h>

/* Nanoseconds, in steps of a tick of the kernel (1 to 10 ms): reading it makes no system call. */
static uint64_t
progress_now(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* fails for unknown clocks only */
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void
toffee_progress_start(toffee_progress *progress)
{
    progress->done = 0;
    progress->next = progress->interval != 0 ? progress_now() + progress->interval : 0;
}

toffee_code
toffee_progress_step(toffee_progress *progress, uint64_t n, toffee_status *st)
{
    uint64_t now = 0;

    if (progress == NULL) {
        return TOFFEE_OK;
    }
    progress->done += n;
    if (progress->interval != 0) {
        now = progress_now();
        if (now < progress->next) {
            return TOFFEE_OK;
        }
        progress->next = now + progress->interval;
    }
    return progress->tell(progress, st);
}
