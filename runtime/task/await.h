/*
 * Awaiting: how everything above the scheduler waits, in a task or in an OS thread.
 *
 *     struct th_waiter waiter;
 *     int code = th_await_begin(&waiter);      cancelled already: -ECANCELED, -ETIMEDOUT
 *     if (code < 0) return code;
 *     ... hang the waiter where others find it, under the object's lock ...
 *     code = th_await(&waiter, TH_SYS_FOREVER);
 *     if (code < 0) ... take it off again, under the same lock ...
 *
 * Who ends it calls th_await_wake: true says that this wake is why the wait ends, so what it hands over (an item, a
 * lock) has an owner; false, that something else was quicker, and the next waiter is to be asked. A waiter lives on its
 * waiter's stack: after a wake that succeeded it is not touched any more, and before that only under the object's lock.
 *
 * A task's wait is ended by its scopes too: -ECANCELED once one of them is cancelled, -ETIMEDOUT once their deadline
 * has passed. An OS thread has no scope.
 *
 *   [E1] release word -> acquire word: an OS thread sees what its waker did before (a task: [W2] in sched/wait.h)
 */
#ifndef TH_TASK_AWAIT_H
#define TH_TASK_AWAIT_H

#include "base/sys.h"
#include "sched/park.h"

struct th_waiter {
    struct th_task *task; /* c: NULL: an OS thread */
    uint32_t epoch;       /* c: of the task's wait */
    th_atomic32 word;     /* a: of a thread: 0 while it waits, then 1 + reason */
};

/* Begins a wait of the calling task or thread. 0; -ECANCELED or -ETIMEDOUT if its scope has ended, nothing is begun
 * then. Never switches. */
int th_await_begin(struct th_waiter *waiter);

/* What th_await_begin would say, for a call that need not wait. Never switches. */
int th_await_look(void);

/* The same for a wait that no scope ends: of who must have something back before it can go on. */
void th_await_begin_firmly(struct th_waiter *waiter);

/* It does not wait after all, and nobody has been told. */
void th_await_abandon(struct th_waiter *waiter);

/* Waits, at most until a point in time: the waker's reason (>= 0); TH_WAKE_TIMER when the time came; -ECANCELED,
 * -ETIMEDOUT (the scope's deadline), -ENOMEM (no timer; the wait is over). Switches. */
int th_await(struct th_waiter *waiter, int64_t until);

/* Ends a wait, from any thread; true if it was this that ended it. Never switches. */
bool th_await_wake(struct th_waiter *waiter, uint32_t reason);

/*
 * The same for many: tasks whose wait has ended are gathered, and made ready some dozens at a time. Begin with {0}; end
 * with th_await_wake_rest, before anything that may take long or switch.
 */
bool th_await_wake_among(struct th_wakes *wakes, struct th_waiter *waiter, uint32_t reason);
void th_await_wake_rest(struct th_wakes *wakes);

#endif
