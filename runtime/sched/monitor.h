/*
 * The monitor: the one thread that never runs tasks. It looks for workers that sit in one task for long, and gives
 * their permit to a spare (sched/crew.h); it starts threads where spares are missing, and fires the timers of workers
 * that do not look at them.
 *
 * Stuck is who picked nothing between two looks. A task that runs others in place picks nothing either, but they
 * begin and end: such a worker is stuck only for what it cannot do itself, ready tasks and timers.
 *
 *   blocked   its thread has hardly used the processor since the last look, and the kernel says that it does not run.
 *             (The clock alone cannot tell it from a thread that was preempted; that one is left alone.)
 *   hogging   its thread has used up the slice in this dispatch
 *
 * Its permit is taken if something waits, or if no holder of a permit is idle, so that nobody would see what comes.
 *
 * Looks are FIRST_NS apart after somebody was found stuck, and up to MOST_NS when nobody is; but a second one follows
 * soon where a worker is busy and its thread has hardly run. When all holders sleep the monitor sleeps too, until it is
 * called, or until the next timer of a worker that has no permit. But as long as a thread runs a task without a permit
 * it looks now and then all the same: such a task may start others just when the last holder falls asleep, and who
 * tried to take them from it may have given up (the kernel had no memory for a membarrier, its owner sat inside its
 * guard).
 *
 *   word        AWAKE     looks round, or is about to
 *               TICKING   sleeps to its next look
 *               LONG      sleeps until it is called, or for long
 *
 *   [MO1] release add to idle.counts (sched/idle.h) of a worker that has found something -> acquire add of the monitor
 *        that goes to sleep: read-modify-writes of one word. Either the worker sees LONG, and calls, or the monitor
 *        sees that somebody is awake.
 *   [MO2] release fence after a worker without a permit has armed a timer -> acquire fence after word = LONG: either it
 *        sees LONG or the monitor sees the timer.
 *   [MO3] release word -> acquire word: the monitor sees what the caller did. Both exchange, so one comes second.
 *
 * Whoever judges whether all is at rest for ever (sched/rest.h) may have to ask once more, later, when nobody of the
 * workers is awake any more: then the monitor wakes one of them, who judges before it sleeps again.
 *
 * Explored by tests/model (model_retake, model_slot).
 */
#ifndef TH_SCHED_MONITOR_H
#define TH_SCHED_MONITOR_H

#include "base/atomic.h"

#include <pthread.h>

struct thrum_runtime;
struct th_worker;

enum { TH_MONITOR_AWAKE, TH_MONITOR_TICKING, TH_MONITOR_LONG };

/* Key: c constant, m the monitor's thread, a atomic. */
struct th_monitor {
    th_atomic32 word;         /* a */
    th_atomic32 is_full_said; /* a: that there are too many threads; written by the monitor */
    th_atomic64 judge_at;     /* a: when a worker is to be woken to judge again; 0: not */
    pthread_t thread;         /* c */
    bool is_running;          /* c: there is a monitor */
    int64_t slice_ns;         /* c */
    int64_t span_ns;          /* m: to the next look */
    bool had_doubts;          /* m: and looked again soon */
    uint32_t quiet_looks;     /* m: in a row, with all asleep */
    struct th_worker *desk;   /* c: a worker without a thread, in whose queues timers fire */
};

/* After the workers. 0, or why there is none: the runtime works without, but a stuck task holds its worker. */
int th_monitor_start(struct thrum_runtime *runtime);
/* The runtime has stopped. */
void th_monitor_join(struct thrum_runtime *runtime);

/* Wakes the monitor, whatever it sleeps for. */
void th_monitor_notify(struct thrum_runtime *runtime);

/* Has a worker woken at that time, if all sleep then. */
void th_monitor_judge_again(struct thrum_runtime *runtime, int64_t when);

/* The part of th_monitor_want that is rarely needed. */
void th_monitor_call(struct thrum_runtime *runtime);

#endif
