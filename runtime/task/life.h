/*
 * A task's life: made at spawn, run once, ended, its record given back.
 *
 * References count only for tasks that have handles: one for each handle, one for the run. A record without handles
 * is given back by the worker on which its task ended.
 *
 * The done list is a stack with a lock in its head's second bit, so that a waiter whose wait was cancelled can take its
 * node out of the middle:
 *
 *   NULL, node      open         node | LOCKED   somebody walks it; the others spin, he is quick
 *   CLOSED          the task has ended
 *
 * Waiters are woken under the lock: whoever finds it closed, or open without his node, knows that nobody looks at the
 * node any more. Calls, which may do anything, are made after it.
 *
 *   [T1] release done list closed -> acquire in joiners: the result, and all the task wrote, is there; and release of
 *        the list -> acquire of the list: its nodes are whole
 *   [T2] release reference drop -> acquire last drop: nobody reads the record any more
 *   [T3] release cancel -> acquire in thrum_cancelled: what the canceller did before is seen
 *
 * Explored by tests/model (model_join).
 */
#ifndef TH_TASK_LIFE_H
#define TH_TASK_LIFE_H

#include <thrum/task.h>

#include "base/probe.h"
#include "sched/idle.h"
#include "sched/park.h"
#include "task/await.h"

/* Gives any record its first values, as few as can be: each is a store on the way of every spawn. What belongs to
 * handles is set where a handle is made; the wait word keeps its epoch from the record's last life, so that a
 * late winner finds another; the result is there when the task has ended. */
TH_INLINE void th_task_fill(struct th_task *task, struct thrum_runtime *runtime, uint64_t id, thrum_fn fn, void *arg)
{
    task->fn = fn;
    task->arg = arg;
    task->group = NULL;
    task->fiber = NULL;
    task->flags = 0;
    task->id = id;
    task->name = NULL;
    task->locals = NULL;
    th_atomic32_store_relaxed(&task->cancel, 0);
    task->runtime = runtime;
    TH_PROBE2(spawn, id, fn);
}

/* Takes the next block of numbers. */
void th_task_refill_ids(struct th_worker *worker);

/* Makes a record for a task on a worker's fiber; NULL without memory. */
TH_INLINE struct th_task *th_task_make(struct th_worker *worker, thrum_fn fn, void *arg)
{
    struct th_task *task = th_record_take(&worker->records, &worker->runtime->records);
    if (TH_UNLIKELY(task == NULL))
        return NULL;
    if (TH_UNLIKELY(worker->next_id == worker->last_id))
        th_task_refill_ids(worker);
    th_task_fill(task, worker->runtime, ++worker->next_id, fn, arg);
    return task;
}

/* Puts a made task into the calling worker's queue and counts it. */
TH_INLINE void th_task_enqueue(struct th_worker *worker, struct th_task *task)
{
    th_worker_enter(worker);
    th_worker_add_fresh(worker, task);
    th_worker_count(&worker->spawned);
    th_worker_leave(worker);
    th_idle_want_napper(worker->runtime);
}

/* The same for a thread without one. */
struct th_task *th_task_make_outside(struct thrum_runtime *runtime, thrum_fn fn, void *arg);
uint64_t th_task_id_outside(void);
/* Gives a record back; worker is NULL on a foreign thread. */
void th_task_discard(struct th_worker *worker, struct th_task *task);

/* thrum_spawn for who holds a lock of the library's: without the point that is in it (sched/seeded.h). */
int th_task_spawn(struct thrum_group *group, thrum_fn fn, void *arg);

/* Runs a task that has its fiber from beginning to end. */
void th_task_execute(struct th_worker *worker, struct th_task *task);

/* Runs a fresh task of this worker on the calling task's stack, whose task must wait for it anyway. */
void th_task_run_in_place(struct th_fiber *self, struct th_task *task);

/* The function of the main task, which calls the program's: for reports, where it is told from others. */
int th_run_main(void *arg);

/* A child of the group has ended elsewhere than in its opener's wait; the child's record may be gone. */
void th_task_tell_group(struct thrum_group *group);

/* True if a whole task may be put on top of the calling stack. */
TH_INLINE bool th_task_has_room(const struct th_fiber *self)
{
    return th_stack_pointer() - th_stack_low(self->slot) > (size_t)1 << (th_stack_arena.slot_shift - 1);
}

/* What hears of a task's end: a node in its done list. One with a waiter is in the memory of whoever waits; one with a
 * call belongs to the call. */
struct th_done {
    struct th_done *next;
    struct th_waiter *waiter; /* NULL: call */
    uint32_t reason;          /* what the waiter is woken with */
    void (*call)(void *arg, int result);
    void *arg;
};

#define TH_DONE_CLOSED ((void *)1)

/* False if the task has ended already. */
bool th_done_add(struct th_task *task, struct th_done *node);
/* Takes the node of a waiter whose wait has ended otherwise; its memory is the waiter's own again. False if the task
 * has ended meanwhile. */
bool th_done_remove(struct th_task *task, struct th_done *node);
/* The task has ended: tells everybody. */
void th_done_close(struct th_task *task);
TH_INLINE bool th_done_is_closed(const struct th_task *task)
{
    return th_atomicptr_load_acquire(&task->done) == TH_DONE_CLOSED; /* [T1] */
}

/* now + span, without running over. */
thrum_time th_after(thrum_time span);

void th_task_reference_drop(struct th_task *task);

/* The first scope from the task outwards that is cancelled: why, or 0. */
uint32_t th_task_cancel_reason(const struct th_task *task);

#endif
