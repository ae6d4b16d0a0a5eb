/*
 * The crew: all threads of a runtime, and which of them may pick tasks.
 *
 * There are as many *permits* as workers were asked for. Who holds one picks tasks. A worker that sits in one task for
 * long loses its permit to a *spare*, a thread that sleeps without one: the monitor takes it (sched/monitor.h). The
 * stuck task keeps its thread, its registers and its locks; nothing interrupts it. What the stuck worker owns -
 * queues, slot, timers - stays where it is and is reached like that of any silent owner: by force (sched/steal.c), by
 * the monitor (timers). When the task comes back to the runtime, its worker finds at its next pick that the permit is
 * gone: it hands on what it has, through the injection stack, and becomes a spare itself.
 *
 *   permit     means                               from      to        who
 *   BUSY       holds a permit, may be in a task    NONE      BUSY      the monitor, lock held, for a spare
 *                                                  IDLE      BUSY      the worker
 *   IDLE       holds one, its host looks for work  BUSY      IDLE      the worker, by compare-exchange
 *   TAKEN      has lost it, does not know yet      BUSY      TAKEN     the monitor, lock held, by compare-exchange
 *   NONE       has none and knows it               TAKEN     NONE      the worker, at a pick or before it stands by
 *   SEEDED     the one worker of a run with a seed, for good (sched/seeded.h)
 *
 * Invariant, under the lock: workers that are BUSY or IDLE = permits. So a permit is never lost and never twice; there
 * is no count of free ones, because a permit moves in one step from the stuck worker to a spare that is there already.
 *
 * A worker that loses its permit between two dispatches, because it was quicker than the monitor's look, runs one task
 * more without one: that costs a moment with one runner too many, and saves every dispatch a locked instruction.
 *
 * Lanes. What is known to block or to compute for long is not picked by holders of permits: it is put aside, into a
 * lane (sched/lane.h), and run by threads that have none: first in, first out, and a full lane delays nobody else's.
 *
 * Threads of a task's own. A task that must stay on one thread goes through a lane too (TH_LANE_OWN), and the thread
 * that takes it is its alone from then on: it has no permit, and while the task waits it sleeps, on no list. The task
 * becomes ready like any other, wherever that happens; who picks it finds its flag, where he looks for known hogs
 * anyway, and puts it into its thread's hand (th_crew_bring_home), which the fiber still names. So no queue and no
 * thief knows of such tasks, and others pay nothing for them.
 *
 *   [C1] release made -> acquire made: a worker that is counted is complete
 *
 * The permit word itself orders nothing, all its uses are relaxed: a spare learns of its permit by its wake
 * (sched/idle.h, [S2]), and what is passed on goes through the lock or through the injection stack.
 *
 * Rejected: moving a stuck worker's queues by hand (its guard can be forced from a silent owner anyway); permits as
 * objects with queues of their own (every dispatch would go through one more pointer, and a stuck worker that spawns
 * would have nowhere to put it); handing the permit back to the returning worker when the spare idles (another
 * handshake, to save a wake after a stall that has cost more); binding a task to a thread that others use too (what it
 * must keep apart - a locale, the lock of an interpreter - is the thread's).
 *
 * Explored by tests/model (model_retake).
 */
#ifndef TH_SCHED_CREW_H
#define TH_SCHED_CREW_H

#include "base/lock.h"
#include "sched/hogs.h"
#include "sched/lane.h"

struct thrum_runtime;
struct th_worker;

enum { TH_PERMIT_NONE, TH_PERMIT_BUSY, TH_PERMIT_IDLE, TH_PERMIT_TAKEN, TH_PERMIT_SEEDED };

/* Key: c constant, l the lock's, a atomic (written under the lock), m the monitor's. */
struct th_crew {
    struct th_lock lock;
    uint32_t most;             /* c: threads */
    uint32_t threads;          /* l: that live or are being started */
    uint32_t starting;         /* l: of these, not yet a spare */
    uint32_t spare_count;      /* l */
    uint32_t owned;            /* l: that are, or will be, one task's alone */
    uint32_t resting;          /* l: of these, asleep until their task goes on */
    struct th_worker *spares;  /* l: latest first, its cache is the warmest */
    struct th_worker *retired; /* l: without a thread, to be used again */
    struct th_lanes lanes;     /* l */
    th_atomic32 waiting;       /* a: tasks in lanes */
    int64_t grown_at;          /* l: when the hogs' lane got wider, or had nobody waiting */
    bool may_nice, may_batch;  /* c: how threads that compute for long may be lowered, and come back */
    int nice;                  /* c: of all others */
    struct th_hogs hogs;       /* what got stuck before */
    th_atomic64 detached;      /* a: times that a permit was taken, ever */
};

void th_crew_init(struct th_crew *crew, uint32_t permits, uint32_t most_threads);

/* The worker's own thread, without a permit: a fresh task has ended here, and whether its run was one dispatch. Before
 * the pick that follows. */
void th_crew_task_ended(struct th_worker *worker, th_task_fn fn, bool was_one_dispatch);
/* The same, guard held, at a pick: it has left what it ran. */
void th_crew_leave_task(struct th_worker *worker);

/* A worker's host, without a permit: hands on what it has and serves the lanes, or sleeps, until it is given a permit,
 * the runtime has stopped, or the thread had better go (worker->is_retired). */
void th_crew_stand_by(struct th_worker *worker);

/* Moves all that is in a worker's queues to where others find it; guard not held. */
void th_crew_hand_on(struct th_worker *worker);

/* Any thread: a task that is ready, or fresh, runs aside as soon as its lane has room. */
void th_crew_put_aside(struct thrum_runtime *runtime, enum th_lane_kind kind, struct th_task *task);

/* What is put into this lane now need not wait. */
bool th_crew_has_room(struct th_crew *crew, enum th_lane_kind kind);

/* Takes it back: false if it has begun. It may even have ended, and its record be another's in the same lane: `arg`,
 * which is its alone, tells. */
bool th_crew_take_back(struct thrum_runtime *runtime, enum th_lane_kind kind, struct th_task *task, const void *arg);

/* The calling task wants a thread of its own and goes into its lane next: false if there are as many as may be. */
bool th_crew_claim_thread(struct th_crew *crew);

/* A bound task is ready: its thread goes on with it. */
void th_crew_bring_home(struct th_task *task);

/* The monitor's: takes a worker's permit for a spare; false if there is no spare, or the worker has no permit or has
 * gone idle. */
bool th_crew_retake(struct th_worker *worker, uint32_t lane); /* where such tasks belong; TH_LANES: nowhere */

/* The monitor's, at each look: what is known fades, and a lane of hogs that does not move gets wider. */
void th_crew_adapt(struct th_crew *crew, int64_t now);

/* How many threads run a task without a permit. */
uint32_t th_crew_aside(struct thrum_runtime *runtime);

/* The monitor's: how many more threads could be of use now. *is_full: some wait for which there is no room. */
uint32_t th_crew_wants(struct th_crew *crew, uint32_t reserve, bool *is_full);

/* The monitor's: a worker whose thread has gone, to have a new one; or NULL. */
struct th_worker *th_crew_reuse(struct th_crew *crew);
/* A thread is about to be started; it has gone, or could not be started. */
void th_crew_come(struct th_worker *worker);
void th_crew_gone(struct th_worker *worker);

/* The runtime has stopped: nobody sleeps on. */
void th_crew_wake_all(struct th_crew *crew);

/* A worker that holds a permit goes to look for work; false if it has none any more. And comes back with it. */
bool th_crew_begin_idle(struct th_worker *worker);
void th_crew_end_idle(struct th_worker *worker);

#endif
