#include "task/group.h"

#include "task/life.h"

#include <errno.h>
#include <string.h>

static void cancel(struct thrum_group *group, uint32_t reason)
{
    uint32_t nothing = 0;
    (void)th_atomic32_cas_release(th_group_cancel(group), &nothing, reason); /* [G2] */
}

void thrum_cancel(thrum_group *group)
{
    cancel(group, THRUM_CANCEL_USER);
}

/* The first result that counts stays: -ECANCELED of a task that was cancelled is none. */
static bool keep_result(struct thrum_group *group, int result)
{
    uint32_t nothing = 0;
    if (!th_atomic32_cas_acqrel((th_atomic32 *)&group->has_result_, &nothing, 1)) /* [G2] */
        return false;
    group->result_ = result;
    return true;
}

void th_group_take_result(struct thrum_group *group, const struct th_task *child, int result)
{
    bool was_cancelled = result == -ECANCELED && th_task_cancel_reason(child) != 0;
    if (was_cancelled) {
        th_atomic32_store_relaxed((th_atomic32 *)&group->was_obeyed_, 1);
        return;
    }
    if (group->policy_ == THRUM_RACE) {
        if (result >= 0 && keep_result(group, result))
            cancel(group, THRUM_CANCEL_SIBLING);
        else if (result < 0)
            (void)th_atomic32_cas_relaxed((th_atomic32 *)&group->failure_, &(uint32_t){0}, (uint32_t)result);
    } else if (TH_UNLIKELY(result < 0) && keep_result(group, result) && group->policy_ == THRUM_ALL) {
        cancel(group, THRUM_CANCEL_SIBLING);
    }
}

/* On the new stack: the opener's registers are saved, its last child may wake it from here on. */
static void commit(struct th_fiber *left, void *arg)
{
    struct thrum_group *group = arg;
    struct th_worker *worker = th_worker_of(left);
    struct th_task *opener = group->opener_;
    if (th_group_commit(group, group->spawned_ - group->ended_here_))
        th_worker_add_ready(worker, opener);
    th_worker_leave(worker);
}

/* True if every child that was spawned has ended. */
static bool is_complete(struct thrum_group *group)
{
    uint64_t missing = (group->spawned_ - group->ended_here_) * TH_GROUP_ONE;
    return th_atomic64_load_acquire(th_group_word(group)) == missing; /* [G1] */
}

static int reset(struct thrum_group *group)
{
    if (group->opener_ != NULL)
        group->opener_->flags -= TH_TASK_OPEN_GROUP;
    int result = group->has_result_ != 0 ? group->result_ : (int32_t)group->failure_;
    if (result == 0 && group->has_result_ == 0 && group->was_obeyed_ != 0 && group->cancel_ == THRUM_CANCEL_USER)
        result = -ECANCELED;
    uint32_t policy = group->policy_;
    memset(group, 0, sizeof *group);
    group->policy_ = policy;
    return result;
}

/*
 * Runs those children that nobody has begun yet, newest first, on this stack, which could not be left before they have
 * ended anyway; then waits for those that others have begun.
 */
int thrum_group_wait(thrum_group *group)
{
    struct th_fiber *self = th_fiber_self();
    if (group->opener_ == NULL)
        return reset(group);
    if (self == NULL || group->opener_ != self->task)
        return -EPERM;
    bool has_room = th_task_has_room(self);
    while (!is_complete(group)) {
        struct th_worker *worker = th_worker_of(self);
        th_worker_enter(worker);
        struct th_task *child = worker->fresh.newest;
        if (child == NULL || child->group != group || !has_room || !th_worker_has_permit(worker)) {
            th_park_with(self->task, commit, group);
            break;
        }
        th_worker_remove_fresh(worker, child);
        th_worker_leave(worker);
        th_task_run_in_place(self, child);
        group->ended_here_++;
    }
    return reset(group);
}
