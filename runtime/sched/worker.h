/*
 * A worker: an OS thread that runs tasks.
 *
 * It dispatches: picks a task, goes to its fiber, and the fiber, when its task waits or ends, picks the next one
 * itself and goes there directly. The thread's own stack (`thread.host`) runs only when there is nothing to do.
 *
 * What it picks, in this order:
 *   1. the task just made ready (the slot): its data is in the cache. A few times in a row at most.
 *   2. alternately the oldest ready task, and the newest fresh one: newest first keeps few stacks alive, which
 *      decides by factors of 20 to 90 on trees of tasks.
 *   3. now and then (`fair_in` dispatches, or about 100 us) first what could starve: due timers, tasks from
 *      outside, the oldest fresh task.
 *
 * Everything here is called by the worker's own thread. "Guard held" means the worker's own guard (sched/guard.h);
 * it stays held over a switch and is left by the switch's after action.
 *
 * Explored by tests/model (model_loop, model_slot).
 *
 * Key: c constant, g the guard, o owner thread only, a atomic.
 */
#ifndef TH_SCHED_WORKER_H
#define TH_SCHED_WORKER_H

#include "base/random.h"
#include "fiber/fiber.h"
#include "sched/counters.h"
#include "sched/guard.h"
#include "sched/queue.h"
#include "sched/record.h"
#include "sched/recorder.h"
#include "sched/runtime.h"
#include "sched/timer.h"

enum {
    TH_MAIL_MOST = 32,     /* tasks handed over at once */
    TH_FAIR_MOST = 61,     /* dispatches between two looks at what could starve: odd, so that patterns of two or
                               four do not meet it always at the same place */
    TH_FAIR_NS = 100000,   /* the time that these looks should be apart */
    TH_SLOT_RUNS_MOST = 3, /* times in a row that the slot goes before the queues */
};

/* Why a wake takes its slow way. */
enum {
    TH_WAKES_RECORDED = 1, /* each is an event */
    TH_WAKES_PROBED = 2,   /* the next one tells how long its task is ready before it runs */
};

/* What a worker asked for: written by whoever answers, who then tells by `state`.
 * [M1] release state -> acquire state: the tasks are in. */
struct th_mail {
    th_atomic32 state; /* a: 0 no answer yet, 1 + count */
    struct th_task *tasks[TH_MAIL_MOST];
};

/* What the monitor saw at its last look. */
struct th_watch {
    uint64_t dispatches;
    uint64_t activity;
    int64_t dispatch_since; /* when it saw this dispatch first */
    int64_t quiet_since;    /* the same, for tasks that run others in place: since when nothing began or ended */
    int64_t cpu;            /* what the thread had used at quiet_since */
};

struct th_worker {
    struct th_thread thread;        /* o; first: a fiber's thread is its worker */
    struct thrum_runtime *runtime;  /* c */
    uint32_t index;                 /* c */
    th_atomic32 permit;             /* a: TH_PERMIT_x; read at each pick (sched/crew.h) */
    uint32_t fair_next;             /* g: the pick that looks at what could starve; of its number's low half */
    th_atomic64 dispatches;         /* a: picks so far; written by the owner, the monitor sees by it who is stuck */
    uint32_t slot_runs;             /* g */
    th_atomicptr slot;              /* g, read by thieves: the task just made ready */
    struct th_queue ready;          /* g: started tasks, and fresh ones from outside; oldest runs first */
    struct th_queue fresh;          /* g: tasks without a fiber, newest runs first */
    uint32_t turn;                  /* g: odd: a fresh one next */
    int32_t fair_in;                /* g: dispatches between two such looks, from how long they took */
    int64_t fair_at;                /* g: when the last was */
    bool is_starved;                /* g: no stack was to be had for a fresh task */
    int64_t starved_until;          /* g: when to ask for one again, if nobody gives one back before */
    struct th_record_cache records; /* o */
    th_atomic64 spawned, finished;  /* a: written by the owner; see runtime.h */
    uint64_t next_id, last_id;      /* o */
    int64_t clock;                  /* o: when it last looked at the clock: some dispatches ago */
    struct th_counters counters;    /* a: written by the owner */
    struct th_recorder *recorder;   /* c: its events are the owner's; may be NULL */
    bool records_all;               /* c: each event, not only what is rare */
    uint8_t notes_wakes;            /* o: TH_WAKES_x: what a wake has to do besides */

    struct th_guard guard TH_ALIGNED(TH_NO_SHARING); /* a */
    th_atomic32 is_firing;                           /* a: see runtime.h */
    struct th_timers timers;                         /* under its own lock */

    /* What others write, on lines of its own. */
    struct th_mail mail TH_ALIGNED(TH_NO_SHARING); /* a */
    th_atomic32 sleep_word;                        /* a: 1: wake up */
    struct th_worker *next_sleeper;                /* idle.lock's */
    bool is_sleeping;                              /* idle.lock's */
    struct th_task *polled;                        /* o: what the last sleep has brought, linked through next */

    /* The thief's memory. */
    struct th_random random; /* o */
    int64_t stolen_at;       /* o: 0: nothing stolen since */
    int64_t pause_ns;        /* o: how long not to ask, after thefts that were not worth it */
    int64_t ask_after;       /* o */
    int64_t poll_after;      /* o: while it searches */
    th_atomic32 wants_half;  /* a: relaxed, a hint for the giver */
    pthread_t os_thread;     /* c while has_thread */
    bool has_thread;         /* the monitor's, and the end's: to be joined */
    int failure;             /* o; read after the thread was joined */

    uint32_t looks;                    /* g: at what could starve: some of them have a wake probed */
    struct th_ready_spans ready_spans; /* a: written by the owner */

    /* A member of the crew (sched/crew.h). */
    uint32_t lane;           /* o: whose task it runs, without a permit; TH_LANES: no lane's */
    uint32_t next_lane;      /* o */
    int64_t aside_since;     /* o: when it began to */
    th_atomic32 stuck_for;   /* a: for which lane its task is, whose permit was taken */
    bool is_retired;         /* o */
    bool is_spent;           /* the crew's lock's: its thread counts less, for good */
    th_atomicptr picked;     /* a: the function of the task it picked last; where stalls are looked for */
    th_atomic64 stuck_since; /* a: when its task was seen first, whose permit was taken */
    bool is_bound;           /* o: its task is waited for, and nobody else's taken */
    struct th_task *home;    /* the crew's lock's: the bound task, ready to go on here */
    bool is_starting;        /* the crew's lock's: its thread is on its way */
    th_atomic32 tid;         /* a: the thread's number, 0 while there is none */

    /* The monitor's. */
    th_atomic32 is_late; /* a: it sits in one dispatch: its slot may be taken too */
    struct th_watch watch;
};

TH_INLINE struct th_worker *th_worker_of(const struct th_fiber *fiber)
{
    return TH_CONTAINER(fiber->thread, struct th_worker, thread);
}

int th_worker_init(struct th_worker *worker, struct thrum_runtime *runtime, uint32_t index);
void th_worker_fini(struct th_worker *worker);

/* Makes the calling thread able to run fibers, one at least: its first stack is there. 0, or why it is not. */
int th_worker_prepare(struct th_worker *worker);
/* The worker's life on its thread, which is prepared: runs tasks until the runtime has stopped, or it retires. */
void th_worker_serve(struct th_worker *worker);

/* Answers whoever asks for tasks (0: nobody); guard held. */
void th_worker_answer(struct th_worker *worker, uint32_t asker);

/* Somebody was there at the entry: waits for a revoker, or answers a thief; the guard is held then. */
void th_worker_settle(struct th_worker *worker, uint32_t attention);

TH_INLINE void th_worker_enter(struct th_worker *worker)
{
    uint32_t attention = th_guard_try(&worker->guard);
    if (TH_UNLIKELY(attention != 0))
        th_worker_settle(worker, attention);
}

TH_INLINE void th_worker_leave(struct th_worker *worker)
{
    th_guard_leave(&worker->guard);
}

/* Counts; the ledger is exact at each moment, so a release store, which is a plain store on x86. */
TH_INLINE void th_worker_count(th_atomic64 *counter)
{
    th_atomic64_store_release(counter, th_atomic64_load_relaxed(counter) + 1); /* [Q1] */
}

/* Writes down what the worker did; its owner. */
TH_INLINE void th_worker_record(struct th_worker *worker, int64_t at, enum th_flight_kind kind, uint32_t detail)
{
    uint32_t dispatch = (uint32_t)th_atomic64_load_relaxed(&worker->dispatches);
    th_recorder_write(worker->recorder,
                      &(struct th_flight){.at = at, .kind = kind, .detail = detail, .dispatch = dispatch});
}

/* The same of a task, or of nothing that has a clock at hand: a look at it. */
void th_worker_record_task(struct th_worker *worker, enum th_flight_kind kind, uint64_t id, th_task_fn fn);

/* A fresh task whose function got stuck before: it is to run in a lane, not on the stack of who waits for it. */
TH_INLINE bool th_worker_shuns(const struct th_worker *worker, const struct th_task *fresh)
{
    const struct th_hogs *hogs = &worker->runtime->crew.hogs;
    return TH_UNLIKELY(th_atomic32_load_relaxed(&hogs->known) != 0) && th_hogs_lane_of(hogs, fresh->fn) >= 0;
}

/* Guard held: a fresh task enters the queue. */
TH_INLINE void th_worker_add_fresh(struct th_worker *worker, struct th_task *task)
{
    th_atomicptr_store_relaxed(&task->home, worker);
    th_queue_push_newest(&worker->fresh, task);
}

/* Guard held: takes a task out of the middle of the fresh ones. */
TH_INLINE void th_worker_remove_fresh(struct th_worker *worker, struct th_task *task)
{
    th_queue_remove(&worker->fresh, task);
    th_atomicptr_store_relaxed(&task->home, NULL);
}

TH_INLINE struct th_task *th_worker_slot(const struct th_worker *worker)
{
    return th_atomicptr_load_relaxed(&worker->slot);
}

TH_INLINE void th_worker_set_slot(struct th_worker *worker, struct th_task *task)
{
    th_atomicptr_store_relaxed(&worker->slot, task);
}

TH_INLINE bool th_worker_has_permit(const struct th_worker *worker)
{
    return th_atomic32_load_relaxed(&worker->permit) == TH_PERMIT_BUSY;
}

/* Its choices are a seed's (sched/seeded.h); it has no permit then. */
TH_INLINE bool th_worker_is_seeded(const struct th_worker *worker)
{
    return TH_SHRUNK(true, false) && th_atomic32_load_relaxed(&worker->permit) == TH_PERMIT_SEEDED;
}

/* Guard held: a task with a fiber is ready; it runs next, unless something pushes it out of the slot. */
TH_INLINE void th_worker_add_ready(struct th_worker *worker, struct th_task *task)
{
    struct th_task *before = th_worker_slot(worker);
    if (before != NULL)
        th_queue_push_newest(&worker->ready, before);
    th_worker_set_slot(worker, task);
}

/* Guard held: the next task to run, out of its queue; NULL if the worker has none, or no permit any more: whoever
 * called goes to the host then, also if it could go on itself. */
struct th_task *th_worker_pick(struct th_worker *worker);

/* Guard held. Goes from the running fiber to a task's, or to the host if task is NULL; the guard is left on arrival.
 * Returns when the fiber is switched to again. */
void th_worker_switch(struct th_fiber *from, struct th_task *task);
/* The same with an after action of one's own, whose last act is to leave the guard of the worker it runs on. */
void th_worker_switch_then(struct th_fiber *from, struct th_task *task, th_fiber_after *after, void *arg);

/* Guard held: fires what is due of anybody's timers; whoever waited for them becomes ready here. Returns how many. */
size_t th_worker_fire(struct th_worker *worker, struct th_timers *timers, int64_t now);

/* Guard held: looks which tasks may go on because their file descriptors are ready; true if any. */
bool th_worker_poll(struct th_worker *worker, int64_t now);
/* Guard held: tasks linked through next are ready; how many. */
uint32_t th_worker_add_polled(struct th_worker *worker, struct th_task *polled);

/* Makes a task ready from anywhere: a fiber of this runtime, another runtime's, a foreign thread. */
void th_worker_wake(struct th_task *task);
/* The same for a chain through next, of one runtime. */
void th_worker_wake_several(struct th_task *oldest, struct th_task *newest);
/* As th_worker_wake, on a worker's own thread, host or fiber, guard not held. */
void th_worker_wake_on(struct th_worker *worker, struct th_task *task);

/* A task comes from outside: false if the runtime has ended. The caller visits it (sched/runtime.h). */
bool th_worker_inject(struct thrum_runtime *runtime, struct th_task *task);

#endif
