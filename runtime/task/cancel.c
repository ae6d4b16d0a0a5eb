/* The cancel flag: set on a task or a group, asked for by everybody inside. Level-triggered: it stays set. */
#include "task/group.h"
#include "task/life.h"

enum { REASON_BITS = 0xffff };

uint32_t th_task_cancel_reason(const struct th_task *task)
{
    while (task != NULL) {
        uint32_t own = th_atomic32_load_acquire(&task->cancel) & REASON_BITS; /* [T3] */
        if (own != 0)
            return own;
        struct thrum_group *group = task->group;
        if (group == NULL) /* the root group ends when the main task has */
            return th_runtime_is_closing(task->runtime) ? THRUM_CANCEL_SHUTDOWN : 0;
        uint32_t groups = th_atomic32_load_acquire(th_group_cancel(group)); /* [G2] */
        if (groups != 0)
            return groups;
        task = group->opener_;
    }
    return 0;
}

void thrum_task_cancel(thrum_task *handle)
{
    struct th_task *task = (struct th_task *)handle;
    uint32_t seen = th_atomic32_load_relaxed(&task->cancel);
    while ((seen & REASON_BITS) == 0 &&
           !th_atomic32_cas_release(&task->cancel, &seen, seen | THRUM_CANCEL_USER)) /* [T3] */
        continue;
}

int thrum_cancel_reason(void)
{
    const struct th_task *self = th_task_self();
    return self != NULL ? (int)th_task_cancel_reason(self) : THRUM_NOT_CANCELLED;
}

bool thrum_cancelled(void)
{
    return thrum_cancel_reason() != THRUM_NOT_CANCELLED;
}
