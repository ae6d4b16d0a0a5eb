/*
 * What THRUM_DEBUG=locks and libthrum_locks.so know of each other. That library (preload/locks.c) stands before libc,
 * sees the calls on pthread mutexes, read-write locks and spin locks, and remembers which task has which; the runtime
 * finds it by its one symbol, tells it who runs, and asks when a task leaves its thread.
 *
 *   [LW1] release who -> acquire who: whoever asks for the running task's number finds the runtime's memory ready
 */
#ifndef TH_BASE_LOCK_WATCH_H
#define TH_BASE_LOCK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define TH_LOCK_WATCH_NAME "thrum_lock_watch"

/* Any thread. */
struct th_lock_watch {
    /* From now on locks are remembered under this number: of the calling task, 0 for a thread, which is left alone. */
    void (*attach)(uint64_t (*self)(void));
    bool (*holds)(uint64_t task);
    /* Says on stderr what it holds and where it took that. */
    void (*tell)(uint64_t task, const char *name);
};

#endif
