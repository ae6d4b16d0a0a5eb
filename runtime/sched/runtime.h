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
 * A call's task comes from no task either: its time comes on some worker. That counts it, then looks whether injection
 * is closed; who ends the runtime closes injection, then counts. One sees the other, and the call is dropped or lives.
 *
 *   [Q4] fence after the call is counted <-> fence after injection is closed
 *
 * Whoever comes from outside is counted as a visitor until his last touch, and the end waits for him: the task that he
 * has woken or posted may be the last, and be over before he is.
 *
 *   [Q3] release of a visitor's departure -> acquire in th_runtime_await_visitors: nobody touches the runtime any more
 *   [Q2] release phase -> acquire phase: who sees the runtime closing sees what the main task did
 *   [Q1] release of a worker's counters -> acquire in th_runtime_is_drained: who sees a task's end sees its children
 *
 * Explored by tests/model (model_drain).
 *
 * Key: c constant while workers run, a atomic, l idle.lock's.
 */
#ifndef TH_SCHED_RUNTIME_H
#define TH_SCHED_RUNTIME_H

#include "base/lock.h"
#include "sched/inject.h"
#include "sched/record.h"

struct th_posts;
struct th_task;
struct th_worker;

enum th_phase { TH_PHASE_OPEN, TH_PHASE_CLOSING, TH_PHASE_STOPPED };

/* Who sleeps; see sched/idle.h. */
struct th_idle {
    struct th_lock lock;
    struct th_worker *sleepers; /* l: latest first */
    th_atomic32 counts;         /* a: searching in the low half, sleeping in the high half */
    th_atomic32 owed;           /* a: 1: a wake that whoever holds the lock will do */
    th_atomicptr napper;        /* a: the sleeper that looks after the others now and then, or NULL */
};

struct thrum_runtime {
    struct th_worker **workers; /* c: behind this structure */
    uint32_t worker_count;      /* c */
    th_atomic32 phase;          /* a: enum th_phase */
    /* c: runs a task from beginning to end on the calling fiber; task/ provides it. */
    void (*execute)(struct th_worker *worker, struct th_task *task);

    struct th_lock gate; /* held until all threads are started */

    struct th_idle idle TH_ALIGNED(TH_NO_SHARING);
    struct th_inject inject TH_ALIGNED(TH_NO_SHARING);
    th_atomic64 foreign_spawned; /* a */
    struct th_posts *posts;      /* c: task/'s */
    th_atomic32 visitors;        /* a: threads from outside that are in here */
    th_atomic32 untaken;         /* a: failures that nobody looked at */
    struct th_records records;   /* under its own lock */
};

TH_INLINE bool th_runtime_is_closing(const struct thrum_runtime *runtime)
{
    return th_atomic32_load_acquire(&runtime->phase) != TH_PHASE_OPEN; /* [Q2] */
}

/* Around all that a thread from outside does with a runtime, which must live when he comes. */
TH_INLINE void th_runtime_visit(struct thrum_runtime *runtime)
{
    (void)th_atomic32_add_relaxed(&runtime->visitors, 1);
}

TH_INLINE void th_runtime_depart(struct thrum_runtime *runtime)
{
    (void)th_atomic32_sub_release(&runtime->visitors, 1); /* [Q3] */
}

/* Before a stopped runtime's memory goes. */
void th_runtime_await_visitors(struct thrum_runtime *runtime);

/* A task from outside that was counted and then refused lives no more. Who saw it live and did not end the runtime for
 * its sake looks again. */
void th_runtime_uncount(struct thrum_runtime *runtime);

/* True if nothing lives; may be called by any thread at any time. */
bool th_runtime_is_drained(struct thrum_runtime *runtime);

/* Ends a closing runtime once nothing lives. */
void th_runtime_stop_if_drained(struct thrum_runtime *runtime);

#endif
