/*
 * THRUM_DEBUG: what is looked for at a price, as words with commas between them. Read when a runtime starts; what one
 * has switched on stays on for the process.
 */
#ifndef TH_BASE_DEBUG_H
#define TH_BASE_DEBUG_H

#include "base/atomic.h"

enum {
    TH_DEBUG_LOCKORDER = 1, /* "lockorder": locks that are taken in different orders (sync/lock_order.h) */
    TH_DEBUG_DEADLOCK = 2,  /* "deadlock": some tasks that wait for each other while others run (task/cycle.h) */
    TH_DEBUG_STALLS = 4,    /* "stalls": tasks whose worker is replaced (sched/watched.h, as the next two) */
    TH_DEBUG_MIGRATE = 8,   /* "migrate": a task goes on on another thread each time */
    TH_DEBUG_LOCKS = 16,    /* "locks": pthread locks that are held over a wait */
    TH_DEBUG_SEEDED = 32,   /* no word: a run with a seed is under way (sched/seeded.h) */
    TH_DEBUG_EVENTS = 64,   /* "events", or THRUM_TRACE: each event is recorded (sched/recorder.h) */
    TH_DEBUG_LEAKS = 128,   /* "leaks": what is left at the end, and where it was made (base/origins.h) */
    TH_DEBUG_DISPATCHES = TH_DEBUG_STALLS | TH_DEBUG_MIGRATE | TH_DEBUG_LOCKS | TH_DEBUG_EVENTS,
};

extern th_atomic32 th_debug_wanted;

TH_INLINE bool th_debug_is_on(uint32_t what)
{
    return TH_UNLIKELY((th_atomic32_load_relaxed(&th_debug_wanted) & what) != 0);
}

/* 0, or -EINVAL: a word that nobody knows, which has been named on stderr. */
int th_debug_open(void);

#endif
