#include "task/scope.h"

#include "base/sys.h"
#include "task/group.h"
#include "task/life.h"
#include "task/report.h"

#include <errno.h>

static uint32_t reason_of(const struct th_task *task)
{
    return th_atomic32_load_acquire(&task->cancel) & TH_TASK_CANCEL_REASON; /* [T3] */
}

static bool is_listed(const struct th_task *task)
{
    return (th_atomic32_load_relaxed(&task->cancel) & TH_TASK_IS_LISTED) != 0;
}

static struct th_roster *roster_of(struct th_task *task)
{
    if (task->group != NULL)
        return th_group_roster(task->group);
    return &task->runtime->roots[task->id % TH_ROOT_ROSTERS];
}

/* ---- Cancelling ---- */

/* The reason first, then the look whether it waits. */
static void tell_task(struct th_task *task, uint32_t reason)
{
    uint32_t epoch, seen = th_atomic32_load_relaxed(&task->cancel);
    do {
        if ((seen & TH_TASK_CANCEL_REASON) != 0)
            return;
    } while (!th_atomic32_cas_seqcst(&task->cancel, &seen, seen | reason)); /* [W3] [T3] */
    if (th_wait_is_on(task, TH_WAIT_BY_CANCEL, &epoch))
        (void)th_unpark(task, epoch, TH_WAKE_CANCEL);
}

static struct th_task *enter_group(struct thrum_group *group, uint32_t reason)
{
    uint32_t nothing = 0;
    (void)th_atomic32_cas_release(th_group_cancel(group), &nothing, reason); /* [G2] */
    th_lock_take(&th_group_roster(group)->lock);
    return th_group_roster(group)->newest;
}

static void leave_group(struct thrum_group *group)
{
    th_lock_leave(&th_group_roster(group)->lock);
}

static struct thrum_group *enter_task(struct th_task *task)
{
    th_lock_take(&task->below_lock);
    return task->groups;
}

/*
 * Everybody below a task, in its groups and in theirs: down to a group's first member, along its members, and up again
 * where there are no more. No recursion: chains of a hundred thousand tasks exist. `at` is the task whose groups are
 * gone through, `group` the one that is next.
 */
static void tell_below(struct th_task *top, uint32_t reason)
{
    struct th_task *at = top;
    struct thrum_group *group = enter_task(top);
    for (;;) {
        struct th_task *member = group != NULL ? enter_group(group, reason) : NULL;
        while (member == NULL && group != NULL) {
            leave_group(group);
            group = group->next_;
            member = group != NULL ? enter_group(group, reason) : NULL;
        }
        if (member == NULL) {
            th_lock_leave(&at->below_lock);
            if (at == top)
                return;
            member = at->elder;
            group = at->group;
            at = group->opener_;
        }
        if (member == NULL) {
            leave_group(group);
            group = group->next_;
        } else {
            tell_task(member, reason);
            at = member;
            group = enter_task(member);
        }
    }
}

static void tell_roster(struct th_roster *roster, uint32_t reason)
{
    th_lock_take(&roster->lock);
    for (struct th_task *task = roster->newest; task != NULL; task = task->elder) {
        tell_task(task, reason);
        tell_below(task, reason);
    }
    th_lock_leave(&roster->lock);
}

void th_scope_cancel_task(struct th_task *task, uint32_t reason)
{
    tell_task(task, reason);
    tell_below(task, reason);
}

void th_scope_cancel_group(struct thrum_group *group, uint32_t reason)
{
    uint32_t nothing = 0;
    if (th_atomic32_cas_release(th_group_cancel(group), &nothing, reason)) /* [G2] */
        tell_roster(th_group_roster(group), reason);
}

void th_scope_cancel_root(struct thrum_runtime *runtime, uint32_t reason)
{
    uint32_t nothing = 0;
    if (!th_atomic32_cas_release(&runtime->cancel, &nothing, reason)) /* [G2] */
        return;
    for (uint32_t i = 0; i < TH_ROOT_ROSTERS; i++)
        tell_roster(&runtime->roots[i], reason);
}

/* ---- Listing ---- */

static uint32_t reason_above(const struct th_task *task)
{
    th_atomic32 *cancel = task->group != NULL ? th_group_cancel(task->group) : &task->runtime->cancel;
    return th_atomic32_load_acquire(cancel); /* [G2] */
}

static void list_task(struct th_task *task)
{
    struct th_roster *roster = roster_of(task);
    uint32_t reason = 0;
    th_lock_take(&roster->lock);
    if (!is_listed(task)) {
        task->elder = roster->newest;
        task->younger = NULL;
        if (roster->newest != NULL)
            roster->newest->younger = task;
        roster->newest = task;
        reason = reason_above(task);
        (void)th_atomic32_or_relaxed(&task->cancel, TH_TASK_IS_LISTED);
    }
    th_lock_leave(&roster->lock);
    if (reason != 0)
        th_scope_cancel_task(task, reason);
}

/* True if somebody has done it before. */
static bool list_group(struct thrum_group *group)
{
    struct th_task *opener = group->opener_;
    uint32_t reason = 0;
    th_lock_take(&opener->below_lock);
    bool was_listed = group->is_listed_ != 0;
    if (!was_listed) {
        group->is_listed_ = 1;
        group->next_ = opener->groups;
        opener->groups = group;
        reason = reason_of(opener);
    }
    th_lock_leave(&opener->below_lock);
    if (reason != 0)
        th_scope_cancel_group(group, reason);
    return was_listed;
}

/* The task lives, and with it everything above it. */
static void list(struct th_task *task)
{
    while (!is_listed(task)) {
        list_task(task);
        struct thrum_group *group = task->group;
        if (group == NULL || group->is_shielded_ != 0 || list_group(group))
            return;
        task = group->opener_;
    }
}

static void unlist(struct th_task *task)
{
    struct th_roster *roster = roster_of(task);
    th_lock_take(&roster->lock);
    if (task->younger != NULL)
        task->younger->elder = task->elder;
    else
        roster->newest = task->elder;
    if (task->elder != NULL)
        task->elder->younger = task->younger;
    th_lock_leave(&roster->lock);
}

void th_scope_leave_group(struct th_task *opener, struct thrum_group *group)
{
    th_lock_take(&opener->below_lock);
    struct thrum_group **link = &opener->groups;
    while (*link != group)
        link = &(*link)->next_;
    *link = group->next_;
    th_lock_leave(&opener->below_lock);
}

/* ---- Deadlines ---- */

static uint32_t deadline_number(const struct th_task *task)
{
    return (uint32_t)(th_atomic64_load_relaxed(&task->late) / TH_WAIT_LATE_ONE);
}

/* Whatever deadline comes next has another number; a timer that fires late finds that its own is over. */
void th_scope_end_deadline(struct th_task *self)
{
    if (self->is_deadline_armed)
        (void)th_timer_disarm(&self->deadline_timer);
    self->is_deadline_armed = false;
    th_atomic64_store_relaxed(&self->late, (uint64_t)(deadline_number(self) + 1u) * TH_WAIT_LATE_ONE);
}

bool th_scope_is_late(struct th_task *self)
{
    if ((th_atomic32_load_relaxed(&self->cancel) & TH_TASK_HAS_DEADLINE) == 0)
        return false;
    uint64_t late = th_atomic64_load_relaxed(&self->late);
    if ((late & TH_WAIT_LATE) == 0 && th_sys_now() < self->deadline)
        return false;
    th_atomic64_store_relaxed(&self->late, late | TH_WAIT_LATE);
    return true;
}

/* The timer that ends the waits under the deadline is there, from the first of them on. */
static int watch_deadline(struct th_task *self)
{
    if ((th_atomic64_load_relaxed(&self->late) & TH_WAIT_LATE) != 0)
        return -ETIMEDOUT;
    if (self->is_deadline_armed)
        return 0;
    if (th_scope_is_late(self))
        return -ETIMEDOUT;
    struct th_timers *timers = &th_worker_of(self->fiber)->timers;
    self->is_deadline_armed = true;
    int code = th_timer_arm(timers, &self->deadline_timer, self->deadline, th_due_owner(self, TH_DUE_DEADLINE),
                            deadline_number(self));
    if (code < 0)
        self->is_deadline_armed = false;
    return code;
}

int th_scope_look(struct th_task *self, uint32_t *ends)
{
    list(self);
    uint32_t seen = th_atomic32_load_acquire(&self->cancel); /* [T3] */
    *ends = 0;
    if ((seen & TH_TASK_IS_SHIELDED) == 0) {
        if ((seen & TH_TASK_CANCEL_REASON) != 0)
            return -ECANCELED;
        *ends |= TH_WAIT_BY_CANCEL;
    }
    if ((seen & TH_TASK_HAS_DEADLINE) != 0) {
        *ends |= TH_WAIT_BY_DEADLINE;
        return watch_deadline(self);
    }
    return 0;
}

void th_scope_leave(struct th_task *task)
{
    TH_ASSERT(task->groups == NULL);
    if (TH_UNLIKELY(task->scopes != 0))
        th_report_scopes_open(task, task->scopes);
    if ((th_atomic32_load_relaxed(&task->cancel) & TH_TASK_HAS_DEADLINE) != 0)
        th_scope_end_deadline(task);
    if (is_listed(task))
        unlist(task);
}
