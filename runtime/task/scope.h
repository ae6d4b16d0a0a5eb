/*
 * Scopes: whose end ends the waits inside. Tasks and groups are cancelled, deadlines pass.
 *
 * A cancel must find the tasks that wait, and nothing may be paid for that by tasks that never wait. So a task is
 * *listed* when it first awaits: it enters the roster of its group (or of the runtime, without one), its group enters
 * the list of its opener, that one enters the roster of his group, and so on up to what is listed already. It leaves
 * when it ends; a group leaves when it has been waited for.
 *
 *   who              does                                              under
 *   canceller        writes the reason, then walks what is below       the roster's lock, the task's below_lock
 *   whoever lists    enters the list, then reads the reason above      the same lock; passes it on downwards
 *
 * so that each cancel meets each task in one of the two. A canceller holds all locks from where it began down to where
 * it is: what it looks at cannot end meanwhile. Locks are taken downwards only, the lister takes one at a time.
 *
 * Whether a canceller or the waiting task is first is decided in sched/wait.h [W3].
 *
 * Deadlines are inherited as values when a task is started, so nobody has to be found: each task arms a timer of its
 * own when it first waits under a deadline, and leaves it armed over further waits until the scope ends.
 *
 * Rejected: a list of all tasks (each spawn would pay); looking through all records (a cancel among a million parked
 * tasks would take 20 ms); walking up at each wait (groups may be gone when the look after the commit comes).
 *
 * Explored by tests/model (model_scope).
 */
#ifndef TH_TASK_SCOPE_H
#define TH_TASK_SCOPE_H

#include "sched/park.h"

/* 0 and what may end a wait that begins now (TH_WAIT_BY_...), or -ECANCELED or -ETIMEDOUT: a scope of the running task
 * has ended. Lists it. */
int th_scope_look(struct th_task *self, uint32_t *ends);

TH_INLINE int th_scope_check(struct th_task *self, uint32_t *ends)
{
    enum { SPECIAL = TH_TASK_CANCEL_REASON | TH_TASK_IS_LISTED | TH_TASK_HAS_DEADLINE | TH_TASK_IS_SHIELDED };
    *ends = TH_WAIT_BY_CANCEL;
    if (TH_LIKELY((th_atomic32_load_relaxed(&self->cancel) & SPECIAL) == TH_TASK_IS_LISTED))
        return 0;
    return th_scope_look(self, ends);
}

/* A task that was started under a deadline has it too. */
TH_INLINE void th_scope_inherit(const struct th_task *parent, struct th_task *child)
{
    child->deadline = parent->deadline;
    th_atomic32_store_relaxed(&child->cancel, TH_TASK_HAS_DEADLINE);
}

/* The task ends: leaves its roster, disarms its deadline. */
void th_scope_leave(struct th_task *task);
/* The running task has waited for one of its groups, which leaves its list. */
void th_scope_leave_group(struct th_task *opener, struct thrum_group *group);

/* Cancels; what has been cancelled before stays as it was. */
void th_scope_cancel_task(struct th_task *task, uint32_t reason);
void th_scope_cancel_group(struct thrum_group *group, uint32_t reason);
/* All tasks of the root group. */
void th_scope_cancel_root(struct thrum_runtime *runtime, uint32_t reason);

/* The deadline that the running task has now is over, whether it has passed or not. */
void th_scope_end_deadline(struct th_task *self);

/* True once the deadline of the running task has passed, by the clock. */
bool th_scope_is_late(struct th_task *self);

#endif
