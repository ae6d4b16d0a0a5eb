/*
 * Calls that block, and computations that last: hints. None is needed, a task that gets stuck is found and its worker
 * replaced; with them nothing has to be found. And tasks that must stay on one thread.
 */
#ifndef THRUM_BLOCKING_H
#define THRUM_BLOCKING_H

#include <stdbool.h>
#include <stddef.h>

#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Runs fn(arg) on a thread that holds up nobody, as a task of its own, and waits for it. Its result; -ENOMEM;
 * -ECANCELED or -ETIMEDOUT if the caller's scope ends before fn has begun: then it never does. Once begun it is waited
 * for. At most a quarter of the threads of THRUM_MAX_THREADS serve such calls, in the order of the calls. May switch.
 * Outside of tasks it just calls fn(arg).
 */
THRUM_API int thrum_blocking(thrum_fn fn, void *arg);

/* Lets others run if the caller has run for long and somebody has noticed: for loops that compute. A load or two when
 * nothing is due. May switch. Does nothing outside of tasks. */
THRUM_API void thrum_yield_if_due(void);

/*
 * Gives the calling task an OS thread of its own, for code whose state belongs to a thread: a locale, a user interface,
 * an interpreter's lock, thread-local variables. From its return to the matching end the task runs on that thread,
 * over all calls that switch, and nobody else does; what it spawns runs on the workers as ever. May be nested. A task
 * that calls it first and never ends it is pinned for its life. 0; -EAGAIN when an eighth of THRUM_MAX_THREADS is such
 * threads already; -EOPNOTSUPP where nobody replaces workers (THRUM_SLICE_US=0). May switch; is not cancelled. Outside
 * of tasks it does nothing.
 */
THRUM_API THRUM_CHECKED int thrum_nomigrate_begin(void);
/* Never switches; after the outermost the task goes on on any worker from its next wait on. */
THRUM_API void thrum_nomigrate_end(void);

/* How often a worker was replaced because its task blocked or computed for long, in the calling task's runtime; 0
 * outside of tasks. Never switches. */
THRUM_API uint64_t thrum_stalls(void);

/* What is known of a function from before: its tasks are run aside at once. */
typedef struct thrum_stalling {
    thrum_fn fn;
    bool blocks;    /* else it computes */
    unsigned score; /* 1 to 8: fades when it is not confirmed; from 2 on it counts */
} thrum_stalling;

/* Fills in at most `most` functions that got stuck in the calling task's runtime and are remembered, of 64 at most, and
 * returns how many; 0 outside of tasks. Never switches. */
THRUM_API size_t thrum_stalls_known(thrum_stalling known[], size_t most);

#ifdef __cplusplus
}
#endif
#endif
