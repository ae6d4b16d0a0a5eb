/* Cancels, as the user sees them. Level-triggered: what was cancelled stays so. How waits hear of it is
 * task/scope.c. */
#include "task/group.h"
#include "task/life.h"
#include "task/scope.h"

uint32_t th_task_cancel_reason(const struct th_task *task)
{
    while (task != NULL) {
        uint32_t own = th_atomic32_load_acquire(&task->cancel) & TH_TASK_CANCEL_REASON; /* [T3] */
        if (own != 0)
            return own;
        struct thrum_group *group = task->group;
        if (group == NULL)
            return th_atomic32_load_acquire(&task->runtime->cancel);        /* [G2] */
        uint32_t groups = th_atomic32_load_acquire(th_group_cancel(group)); /* [G2] */
        if (groups != 0 || group->is_shielded_ != 0)
            return groups;
        task = group->opener_;
    }
    return 0;
}

void thrum_task_cancel(thrum_task *handle)
{
    th_scope_cancel_task((struct th_task *)handle, THRUM_CANCEL_USER);
    th_point();
}

int thrum_cancel_reason(void)
{
    struct th_task *self = th_task_self();
    if (self == NULL)
        return THRUM_NOT_CANCELLED;
    bool is_shielded = (th_atomic32_load_relaxed(&self->cancel) & TH_TASK_IS_SHIELDED) != 0;
    uint32_t reason = is_shielded ? 0 : th_task_cancel_reason(self);
    if (reason == 0 && th_scope_is_late(self))
        reason = THRUM_CANCEL_DEADLINE;
    return (int)reason;
}

bool thrum_cancelled(void)
{
    return thrum_cancel_reason() != THRUM_NOT_CANCELLED;
}
