/*
 * Who holds a lock: a task's record, or a thread.
 *
 * Records begin at multiples of 64 and so do not look like threads, which have the lowest bit set. A record is read
 * through such a pointer only while its task certainly holds the lock, or by its own task.
 */
#ifndef TH_SYNC_HOLDER_H
#define TH_SYNC_HOLDER_H

#include "base/sys.h"
#include "sched/park.h"

struct th_holder {
    void *who;
    void *where; /* the worker it runs on; for a thread itself */
};

TH_INLINE struct th_holder th_holder_self(void)
{
    struct th_fiber *self = th_fiber_self();
    if (TH_LIKELY(self != NULL))
        return (struct th_holder){self->task, self->thread};
    void *thread = (void *)(th_sys_thread_self() | 1);
    return (struct th_holder){thread, thread};
}

/* NULL for nobody and for threads. */
TH_INLINE struct th_task *th_holder_task(void *who)
{
    return ((uintptr_t)who & 1) == 0 ? who : NULL;
}

/* "task 7", "a thread", for a panic's text; the number goes with it. */
TH_INLINE unsigned long th_holder_number(void *who)
{
    const struct th_task *task = th_holder_task(who);
    return task != NULL ? (unsigned long)task->id : 0;
}

#endif
