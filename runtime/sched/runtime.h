/*
 * A runtime: its workers, what comes in from outside, who sleeps, and when it ends. Several live side by side.
 *
 * Life: open -> (main task runs) -> closing (main has ended, the rest drains) -> stopped (nothing lives: workers go).
 *
 * Ledger: every task is counted when it is spawned and when it has finished, by the worker (or, from outside, in
 * `foreign_spawned`) where that happens: no shared counter on the fast path. Live tasks = sum spawned - sum
 * finished. Read finished first, then spawned: equal sums then mean that nothing lives, for
 *     finished read early <= finished at the moment between <= spawned at that moment <= spawned read late.
 *
 * A call that fires begins to live at that moment, in no counter before. So who fires timers says so (`is_firing`) and
 * then looks whether the end has begun (the injection stack is closed); who ends closes it and then looks whether
 * anybody fires. Each has a full fence between: one sees the other, and steps back.
 *
 * Who touches a runtime from outside of its workers while only a task of it keeps it alive is a visitor: that task may
 * end meanwhile, the memory stays until the visitor has left.
 *
 *   [Q2] release phase -> acquire phase: who sees the runtime closing sees what the main task did
 *   [Q1] release of a worker's counters -> acquire in th_runtime_is_drained: who sees a task's end sees its children
 *   [Q3] release fence after is_firing = 1 -> acquire fence after the injection stack is closed: one sees the other
 *   [Q4] release is_firing = 0 -> acquire is_firing: who sees nobody fire sees what has begun to live
 *   [Q5] release poll source -> acquire poll source: it is whole
 *   [V1] release of a visitor's leave -> acquire in the end's wait: it has touched all it will
 *
 * Explored by tests/model (model_drain).
 *
 * Key: c constant while workers run, a atomic, l idle.lock's.
 */
#ifndef TH_SCHED_RUNTIME_H
#define TH_SCHED_RUNTIME_H

#include "base/lock.h"
#include "sched/crew.h"
#include "sched/inject.h"
#include "sched/monitor.h"
#include "sched/record.h"
#include "sched/seeded.h"

struct th_posts;
struct th_task;
struct th_worker;

/* Where tasks come from that wait for file descriptors. Workers alone ask; several at once, but for a wait. */
struct th_poll_source {
    /* The tasks that became ready, linked through next. Looks only, or, if the deadline is later than now, waits. */
    struct th_task *(*poll)(struct th_poll_source *source, int64_t now, int64_t deadline);
    void (*interrupt)(struct th_poll_source *source); /* ends the wait, or the next */
    void (*close)(struct th_poll_source *source);
    th_atomic32 is_watched; /* a: a worker waits in poll, or is about to */
};

enum th_phase { TH_PHASE_OPEN, TH_PHASE_CLOSING, TH_PHASE_STOPPED };

/* Who sleeps; see sched/idle.h. */
struct th_idle {
    struct th_lock lock;
    struct th_worker *sleepers; /* l: latest first */
    th_atomic32 counts;         /* a: searching in the low half, sleeping in the high half */
    th_atomicptr napper;        /* a: the sleeper that looks after the others now and then, or NULL */
};

/* Tasks that a cancel of their scope must reach; see task/scope.h. */
struct th_roster {
    struct th_lock lock;
    struct th_task *newest; /* l: linked through elder */
};

enum { TH_ROOT_ROSTERS = 16 };

/* At rest, but there are threads that it does not know. */
struct th_doubt {
    uint64_t events; /* when it came up: of th_rest_events */
    uint32_t times;  /* that it came up since */
};

struct thrum_runtime {
    struct th_worker **workers; /* behind this structure; c up to `made`, with room for all that may come */
    th_atomic32 made;           /* a: workers that were ever made: holders of permits, spares, stuck ones, the desk */
    uint32_t worker_count;      /* c: permits: how many pick tasks at once */
    uint32_t cores;             /* c: on which its threads may run */
    th_atomic32 phase;          /* a: enum th_phase */
    th_atomic32 cancel;         /* a: the root group's: the reason, once and for all; 0: not cancelled */
    /* c: runs a task from beginning to end on the calling fiber; task/ provides it. */
    void (*execute)(struct th_worker *worker, struct th_task *task);
    /* c: asked by a worker that goes to sleep without end: true if there is something to do after all; task/ too. */
    bool (*judge_rest)(struct thrum_runtime *runtime);
    /* c: asked for each worker that is made, by whoever makes it; task/ too, NULL: nobody. */
    void (*equip)(struct th_worker *worker);
    struct th_seeded seeded; /* of a run with a seed */
    uint32_t watches;        /* c: of TH_DEBUG_DISPATCHES: what is looked for at dispatches (sched/watched.h) */

    struct th_lock gate; /* held until all threads are started */

    struct th_idle idle TH_ALIGNED(TH_NO_SHARING);
    struct th_crew crew TH_ALIGNED(TH_NO_SHARING);
    struct th_monitor monitor;
    struct th_inject inject TH_ALIGNED(TH_NO_SHARING);
    th_atomic64 foreign_spawned;             /* a */
    struct th_roster roots[TH_ROOT_ROSTERS]; /* of tasks without a group, by their number */
    struct th_posts *posts;                  /* c: task/'s */
    th_atomicptr poll_source;     /* a: struct th_poll_source; NULL until somebody waits for a file descriptor */
    th_atomic32 untaken;          /* a: failures that nobody looked at */
    th_atomic32 visitors;         /* a: TH_VISITOR each, and 1 when the end waits for them */
    th_atomic32 is_known_outside; /* a: somebody may have its address, and post from anywhere */
    th_atomic32 deadlocks;        /* a: 1: all tasks waited for each other */
    struct th_doubt doubt;        /* under the lock of those who judge (task/deadlock.c) */
    struct th_records records;    /* under its own lock */
};

TH_INLINE struct th_poll_source *th_runtime_poll_source(const struct thrum_runtime *runtime)
{
    return th_atomicptr_load_acquire(&runtime->poll_source); /* [Q5] */
}

TH_INLINE bool th_runtime_is_closing(const struct thrum_runtime *runtime)
{
    return th_atomic32_load_acquire(&runtime->phase) != TH_PHASE_OPEN; /* [Q2] */
}

TH_INLINE uint32_t th_runtime_made(const struct thrum_runtime *runtime)
{
    return th_atomic32_load_acquire(&runtime->made); /* [C1] */
}

/* A worker goes to work after a search: the monitor must not sleep on. */
TH_INLINE void th_monitor_want(struct thrum_runtime *runtime)
{
    if (TH_UNLIKELY(th_atomic32_load_relaxed(&runtime->monitor.word) == TH_MONITOR_LONG))
        th_monitor_call(runtime);
}

enum { TH_VISITOR = 2 };

TH_INLINE void th_runtime_visit(struct thrum_runtime *runtime)
{
    (void)th_atomic32_add_relaxed(&runtime->visitors, TH_VISITOR);
}

void th_runtime_leave(struct thrum_runtime *runtime);
/* All workers have gone: waits until the last visitor has left. */
void th_runtime_await_visitors(struct thrum_runtime *runtime);

/* True if nothing lives; may be called by any thread at any time. */
bool th_runtime_is_drained(struct thrum_runtime *runtime);

/* Ends a closing runtime once nothing lives. */
void th_runtime_stop_if_drained(struct thrum_runtime *runtime);

#endif
