/*
 * The record of a task: 128 bytes, made at spawn. Data only; sched/ moves it about, task/ gives it its life.
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
 * Key: c constant after spawn, g the guard of the worker whose queue it is in, r the running task, a atomic.
 */
#ifndef TH_SCHED_TASK_RECORD_H
#define TH_SCHED_TASK_RECORD_H

#include "base/atomic.h"

struct th_fiber;
struct thrum_group;
struct thrum_runtime;
struct th_locals;
struct th_worker;

typedef int (*th_task_fn)(void *arg);

enum { TH_TASK_TAKEN = 0x10000 }; /* in `cancel` */

enum {
    TH_TASK_HAS_HANDLE = 1,       /* somebody may join: the done list counts */
    TH_TASK_HAS_COPY = 2,         /* arg is a copy in the heap, owned by the task */
    TH_TASK_IS_TIMER = 4,         /* started by a timer, not counted before it fires */
    TH_TASK_IS_POST = 8,          /* its record is one of the runtime's posts */
    TH_TASK_OPEN_GROUP = 0x10000, /* times the groups that it has opened and not waited for yet */
};

struct th_task {
    struct th_task *prev, *next; /* g */
    th_task_fn fn;               /* c */
    void *arg;                   /* c */
    struct thrum_group *group;   /* c: NULL is the runtime's root */
    struct th_fiber *fiber;      /* r: NULL while fresh */
    th_atomicptr home;           /* a, written under g: the worker in whose fresh list it is; NULL: in none */
    uint32_t flags;              /* c; the high half r */
    int32_t result;              /* r; read by others after the done list is closed */

    uint64_t id;                   /* c: never reused */
    const char *name;              /* c: NULL: the function's symbol */
    struct th_locals *locals;      /* r: task locals */
    th_atomicptr done;             /* a: who waits for the end (task/join.c) */
    th_atomic64 wait;              /* a: sched/wait.h */
    th_atomic32 references;        /* a: handles, and one for the running task if there are any */
    th_atomic32 cancel;            /* a: the low half: 0, or why; TH_TASK_TAKEN: somebody looked at the result */
    struct thrum_runtime *runtime; /* c */
    uint64_t parent_id;            /* c */
} TH_ALIGNED(64);

_Static_assert(sizeof(struct th_task) == 128, "two cache lines");

#endif
