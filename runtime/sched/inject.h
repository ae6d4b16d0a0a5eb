/*
 * The injection stack: how tasks come to a runtime from outside of its workers. Any thread pushes, also in a signal
 * handler; a worker takes all at once and puts them in order.
 *
 *   head   NULL        empty
 *          a task      newest first, linked through next
 *          CLOSED      the runtime has ended: pushes are refused
 *
 *   [I1] release push -> acquire take: the record is filled
 *
 * Explored by tests/model (model_inject).
 */
#ifndef TH_SCHED_INJECT_H
#define TH_SCHED_INJECT_H

#include "sched/task_record.h"

struct th_inject {
    th_atomicptr head;
};

#define TH_INJECT_CLOSED ((void *)1)

TH_INLINE bool th_inject_is_empty(const struct th_inject *inject)
{
    void *head = th_atomicptr_load_relaxed(&inject->head);
    return head == NULL || head == TH_INJECT_CLOSED;
}

TH_INLINE bool th_inject_is_closed(const struct th_inject *inject)
{
    return th_atomicptr_load_relaxed(&inject->head) == TH_INJECT_CLOSED;
}

/* A chain, newest first, linked through next. False once it is closed. */
TH_INLINE bool th_inject_push_chain(struct th_inject *inject, struct th_task *newest, struct th_task *oldest)
{
    void *head = th_atomicptr_load_relaxed(&inject->head);
    do {
        if (head == TH_INJECT_CLOSED)
            return false;
        oldest->next = head;
    } while (!th_atomicptr_cas_release(&inject->head, &head, newest)); /* [I1] */
    return true;
}

TH_INLINE bool th_inject_push(struct th_inject *inject, struct th_task *task)
{
    return th_inject_push_chain(inject, task, task);
}

/* All that is there, oldest first, linked through next; NULL if nothing is. */
TH_INLINE struct th_task *th_inject_take(struct th_inject *inject)
{
    if (th_inject_is_empty(inject))
        return NULL;
    void *head = th_atomicptr_load_relaxed(&inject->head);
    do {
        if (head == NULL || head == TH_INJECT_CLOSED)
            return NULL;
    } while (!th_atomicptr_cas_acquire(&inject->head, &head, NULL)); /* [I1] */
    struct th_task *newest = head, *ordered = NULL;
    while (newest != NULL) {
        struct th_task *next = newest->next;
        newest->next = ordered;
        ordered = newest;
        newest = next;
    }
    return ordered;
}

/* Refuses all further pushes: false if something is in it, which must be served first. */
TH_INLINE bool th_inject_close(struct th_inject *inject)
{
    void *empty = NULL;
    return th_atomicptr_cas_acquire(&inject->head, &empty, TH_INJECT_CLOSED); /* [I1] */
}

/* Undoes a close, when it turned out to be too early. */
TH_INLINE void th_inject_reopen(struct th_inject *inject)
{
    th_atomicptr_store_relaxed(&inject->head, NULL);
}

#endif
