/*
 * A worker's queues: doubly linked lists through the records. Plain memory under the worker's guard.
 *
 * Lists, not rings: nothing overflows and nothing is copied, and a join takes its child out of the middle.
 * The counts are atomics only so that a thief may look at them without the guard.
 */
#ifndef TH_SCHED_QUEUE_H
#define TH_SCHED_QUEUE_H

#include "base/panic.h"
#include "sched/task_record.h"

struct th_queue {
    struct th_task *oldest, *newest;
    th_atomic32 count;
};

TH_INLINE uint32_t th_queue_count(const struct th_queue *queue)
{
    return th_atomic32_load_relaxed(&queue->count);
}

TH_INLINE void th_queue_recount(struct th_queue *queue, uint32_t change)
{
    th_atomic32_store_relaxed(&queue->count, th_queue_count(queue) + change);
}

TH_INLINE void th_queue_push_newest(struct th_queue *queue, struct th_task *task)
{
    struct th_task *before = queue->newest;
    task->prev = before;
    task->next = NULL;
    if (before != NULL)
        before->next = task;
    else
        queue->oldest = task;
    queue->newest = task;
    th_queue_recount(queue, 1);
}

TH_INLINE void th_queue_push_oldest(struct th_queue *queue, struct th_task *task)
{
    struct th_task *after = queue->oldest;
    task->prev = NULL;
    task->next = after;
    if (after != NULL)
        after->prev = task;
    else
        queue->newest = task;
    queue->oldest = task;
    th_queue_recount(queue, 1);
}

TH_INLINE void th_queue_remove(struct th_queue *queue, struct th_task *task)
{
    TH_ASSERT(th_queue_count(queue) > 0);
    if (task->prev != NULL)
        task->prev->next = task->next;
    else
        queue->oldest = task->next;
    if (task->next != NULL)
        task->next->prev = task->prev;
    else
        queue->newest = task->prev;
    th_queue_recount(queue, -1u);
}

TH_INLINE struct th_task *th_queue_pop_oldest(struct th_queue *queue)
{
    struct th_task *task = queue->oldest;
    if (task != NULL)
        th_queue_remove(queue, task);
    return task;
}

TH_INLINE struct th_task *th_queue_pop_newest(struct th_queue *queue)
{
    struct th_task *task = queue->newest;
    if (task != NULL)
        th_queue_remove(queue, task);
    return task;
}

#endif
