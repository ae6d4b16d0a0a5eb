#include "task/group.h"

#include "base/sys.h"
#include "task/life.h"
#include "task/scope.h"
#include "task/waiting.h"

#include <errno.h>

void thrum_cancel(thrum_group *group)
{
    th_scope_cancel_group(group, THRUM_CANCEL_USER);
    th_point();
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
            th_scope_cancel_group(group, THRUM_CANCEL_SIBLING);
        else if (result < 0)
            (void)th_atomic32_cas_relaxed((th_atomic32 *)&group->failure_, &(uint32_t){0}, (uint32_t)result);
    } else if (TH_UNLIKELY(result < 0) && keep_result(group, result) && group->policy_ == THRUM_ALL) {
        th_scope_cancel_group(group, THRUM_CANCEL_SIBLING);
    }
}

void th_group_wake_opener(struct thrum_group *group)
{
    struct th_task *opener = group->opener_;
    switch (th_wait_win(opener, group->epoch_, TH_WAKE_PLAIN)) {
    case TH_WAIT_ITS_WAKE:
        th_worker_wake(opener);
        break;
    case TH_WAIT_EARLY:
        break;
    case TH_WAIT_LOST:
        th_atomic32_store_release(th_group_was_told(group), 1); /* [G3] */
        break;
    }
}

/* On the new stack: the opener's registers are saved, its last child may wake it from here on. */
static void commit(struct th_fiber *left, void *arg)
{
    struct thrum_group *group = arg;
    struct th_worker *worker = th_worker_of(left);
    struct th_task *opener = group->opener_;
    if (th_group_commit(group, group->elsewhere_))
        th_group_wake_opener(group);
    /* From here on the group may be gone. */
    if (!th_wait_commit(opener))
        th_worker_add_ready(worker, opener);
    th_worker_leave(worker);
}

/* True if every child that was spawned has ended. */
static bool is_complete(struct thrum_group *group)
{
    return th_atomic64_load_acquire(th_group_word(group)) == group->elsewhere_ * TH_GROUP_ONE; /* [G1] */
}

/* Why its tasks were to end: the group was cancelled, or its opener, which nobody need have written here. */
static uint32_t cancel_reason(const struct thrum_group *group)
{
    bool was_told = group->cancel_ != THRUM_NOT_CANCELLED || group->is_shielded_ != 0;
    return was_told ? group->cancel_ : th_task_cancel_reason(group->opener_);
}

/* What the group came to, where more than success is possible. */
static TH_NOINLINE int judge(const struct thrum_group *group)
{
    if (group->has_result_ != 0)
        return group->result_;
    if (group->failure_ != 0 || group->was_obeyed_ == 0)
        return (int32_t)group->failure_;
    /* A task that was cancelled alone fails nobody; one that ends its siblings leaves a result. */
    uint32_t reason = cancel_reason(group);
    if (reason == THRUM_CANCEL_DEADLINE)
        return -ETIMEDOUT;
    return reason != THRUM_NOT_CANCELLED ? -ECANCELED : 0;
}

static int reset(struct thrum_group *group)
{
    struct th_task *opener = group->opener_;
    int result = 0;
    if (opener != NULL)
        opener->flags -= TH_TASK_OPEN_GROUP;
    if (TH_UNLIKELY(group->is_listed_ != 0))
        th_scope_leave_group(opener, group);
    if (TH_UNLIKELY((group->has_result_ | group->failure_ | group->was_obeyed_) != 0))
        result = judge(group);
    *group = (struct thrum_group){.policy_ = group->policy_};
    return result;
}

/* ---- Waiting ---- */

/* The deadline has come first. True if the last child has too, and has done with the group. */
static bool is_complete_though_late(struct thrum_group *group)
{
    if (!th_group_take_back(group, group->elsewhere_))
        return false;
    while (th_atomic32_load_acquire(th_group_was_told(group)) == 0) /* [G3] */
        th_sys_thread_yield();
    return true;
}

static const struct th_wait_kind group_kind = {.name = "the tasks of group"};

/* Waits for children that others have begun; guard held on entry. When the deadline comes they are cancelled, and
 * waited for all the same. */
static void wait_for_others(struct th_task *self, struct thrum_group *group, uint32_t ends)
{
    group->epoch_ = th_wait_begin_for(self, ends & TH_WAIT_BY_DEADLINE);
    th_park_with(self, commit, group);
    if (th_wait_reason(self) != TH_WAKE_DEADLINE || is_complete_though_late(group))
        return;
    th_scope_cancel_group(group, THRUM_CANCEL_DEADLINE);
    group->epoch_ = th_wait_begin(self);
    th_worker_enter(th_worker_of(self->fiber));
    th_park_with(self, commit, group);
    (void)th_wait_reason(self);
}

/* A child of the group that nobody has begun and whose running here does not keep the opener longer than it may wait;
 * guard held. */
static struct th_task *find_fresh_child(struct thrum_group *group, const struct th_task *self,
                                        const struct th_worker *worker, uint32_t ends)
{
    struct th_task *child = worker->fresh.newest;
    if (child == NULL || child->group != group || th_worker_shuns(worker, child))
        return NULL;
    if (TH_LIKELY((ends & TH_WAIT_BY_DEADLINE) == 0))
        return child;
    bool childs_too = (th_atomic32_load_relaxed(&child->cancel) & TH_TASK_HAS_DEADLINE) != 0;
    return childs_too && child->deadline <= self->deadline ? child : NULL;
}

/* What may end the opener's wait: its deadline. If that has passed already the children are cancelled at once. */
static uint32_t look_at_deadline(struct th_task *self, struct thrum_group *group)
{
    uint32_t ends = 0;
    if (TH_LIKELY((th_atomic32_load_relaxed(&self->cancel) & TH_TASK_HAS_DEADLINE) == 0))
        return 0;
    (void)th_scope_look(self, &ends);
    if (!th_scope_is_late(self))
        return ends;
    th_scope_cancel_group(group, THRUM_CANCEL_DEADLINE);
    return 0;
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
    uint32_t ends = look_at_deadline(self->task, group);
    while (!is_complete(group)) {
        struct th_worker *worker = th_worker_of(self);
        th_worker_enter(worker);
        struct th_task *child =
            has_room && th_worker_has_permit(worker) ? find_fresh_child(group, self->task, worker, ends) : NULL;
        if (child == NULL) {
            th_waiting_begin(&group_kind, group);
            wait_for_others(self->task, group, ends);
            th_waiting_end();
            break;
        }
        th_worker_remove_fresh(worker, child);
        th_worker_leave(worker);
        th_task_run_in_place(self, child);
        group->elsewhere_--;
    }
    return reset(group);
}
