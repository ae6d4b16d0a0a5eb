/*
 * The record of a task: 192 bytes, made at spawn. Data only; sched/ moves it about, task/ gives it its life.
 *
 * A record is type-stable: its memory stays a record until the runtime ends (sched/record.h), so a stale pointer
 * reads a record, never somebody else's memory; generations (the wait word's epoch) tell whose.
 *
 * A task gets a fiber when it first runs, either one of its own or, run in place by a parent that waits for it
 * anyway, its parent's: `fiber->task` is always the task that runs there now.
 *
 *   fresh    in its home worker's list of fresh tasks; no fiber
 *   started  has a fiber; runs, is ready, or waits
 *   done     result is set, done list closed
 *
 * The third line is not filled at spawn: it is all zero when a record is first handed out, and whoever uses it leaves
 * it so that the next may (task/scope.h).
 *
 * Key: c constant after spawn, g the guard of the worker whose queue it is in, r the running task, a atomic, s the lock
 * of the roster that the task is in, b its own `below_lock`.
 */
#ifndef TH_SCHED_TASK_RECORD_H
#define TH_SCHED_TASK_RECORD_H

#include "base/atomic.h"
#include "base/lock.h"
#include "sched/timer.h"

struct th_fiber;
struct thrum_group;
struct thrum_runtime;
struct th_locals;
struct th_worker;

typedef int (*th_task_fn)(void *arg);

/* In `cancel`. */
enum {
    TH_TASK_CANCEL_REASON = 0xff,   /* 0, or why the task is cancelled; never goes again */
    TH_TASK_TAKEN = 0x10000,        /* somebody looked at the result */
    TH_TASK_IS_LISTED = 0x20000,    /* it is in its scope's roster: cancels of the scope reach it */
    TH_TASK_HAS_DEADLINE = 0x40000, /* `deadline` is one; written by the running task */
    TH_TASK_IS_SHIELDED = 0x80000,  /* cancels do not end its waits; written by the running task */
};

enum {
    TH_TASK_HAS_HANDLE = 1,    /* somebody may join: the done list counts */
    TH_TASK_HAS_COPY = 2,      /* arg is a copy in the heap, owned by the task */
    TH_TASK_IS_PROBED = 4,     /* g: how long it is ready before it runs is counted (sched/worker.h) */
    TH_TASK_IS_POST = 8,       /* its record is one of the runtime's posts */
    TH_TASK_BOUND_ONE = 0x100, /* times it has asked to stay on its thread (sched/crew.h) */
    TH_TASK_BOUND = 0xff00,
    TH_TASK_OPEN_GROUP = 0x10000, /* times the groups that it has opened and not waited for yet */
};

struct th_task {
    struct th_task *prev, *next; /* g */
    th_task_fn fn;               /* c */
    void *arg;                   /* c */
    struct thrum_group *group;   /* c: NULL is the runtime's root */
    struct th_fiber *fiber;      /* r: NULL while fresh */
    th_atomicptr home;           /* a, written under g: the worker in whose fresh list it is; NULL: in none */
    uint32_t flags;              /* c; above the low byte r */
    int32_t result;              /* r; read by others after the done list is closed */

    uint64_t id;                   /* c: never reused; 0: the record is nobody's */
    const char *name;              /* c: NULL: the function's symbol */
    struct th_locals *locals;      /* r: task locals */
    th_atomicptr done;             /* a: who waits for the end (task/join.c) */
    th_atomic64 wait;              /* a: sched/wait.h */
    th_atomic32 references;        /* a: handles, and one for the running task if there are any */
    th_atomic32 cancel;            /* a: TH_TASK_CANCEL_REASON, ... */
    struct thrum_runtime *runtime; /* c */
    th_atomic64 late;              /* a: sched/wait.h: the deadline's number, and whether it has passed */

    struct th_task *elder, *younger; /* s: its neighbours in the roster */
    struct thrum_group *groups;      /* b: the groups it has opened in which somebody is listed */
    int64_t deadline;                /* r */
    struct th_timer deadline_timer;  /* r: armed for `deadline`, if at all */
    struct th_lock below_lock;
    uint16_t scopes;        /* r: deadlines and shields that it has begun and not ended */
    bool is_deadline_armed; /* r */
    uint64_t rank;          /* r: its priority in a run with a seed (sched/seeded.h) */
} TH_ALIGNED(64);

_Static_assert(sizeof(struct th_task) == 192, "three cache lines");

#endif
