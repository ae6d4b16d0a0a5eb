#include "task/cycle.h"

#include "base/lock.h"
#include "task/deadlock.h"
#include "sched/task_record.h"

enum { LENGTH_MOST = 64 };

static struct th_lock noting = TH_LOCK_INIT;

/* Who must act before a task can go on; NULL if that is not one task. A task that runs changes what is read here; what
 * has been noted stays, and a cycle has nothing else. */
TH_NO_TSAN static const struct th_task *next_of(const struct th_task *task)
{
    const struct th_fiber *fiber = task->fiber;
    if (fiber == NULL)
        return NULL;
    if (fiber->task != task)
        return fiber->task;
    struct th_waiting waiting = th_waiting_of(fiber);
    return waiting.kind != NULL && waiting.kind->owner != NULL ? waiting.kind->owner(waiting.object) : NULL;
}

/* How many tasks there are in the cycle that a task is in, 0 if it is in none. */
static uint32_t length_of_cycle(const struct th_task *first)
{
    const struct th_task *task = next_of(first);
    for (uint32_t length = 1; task != NULL && length <= LENGTH_MOST; length++) {
        if (task == first)
            return length;
        task = next_of(task);
    }
    return 0;
}

static void tell(const struct th_task *first, uint32_t length)
{
    th_report("deadlock among %u tasks, while others may go on", length);
    for (const struct th_task *task = first; length > 0; length--) {
        th_deadlock_tell(task);
        task = next_of(task);
    }
}

void th_cycle_note(struct th_fiber *self, const struct th_wait_kind *kind, const void *object)
{
    th_lock_take(&noting);
    th_waiting_note(self, kind, object);
    uint32_t length = kind != NULL && kind->owner != NULL ? length_of_cycle(self->task) : 0;
    if (length > 0)
        tell(self->task, length);
    th_lock_leave(&noting);
}
