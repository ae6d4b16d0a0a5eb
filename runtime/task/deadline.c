/* Deadlines and shields, as the user sees them. What they do to waits is task/scope.c. */
#include <thrum/deadline.h>

#include "base/sys.h"
#include "task/life.h"
#include "task/scope.h"

#include <errno.h>

/* What a scope has changed. */
enum {
    SCOPE_NOTHING,       /* no task, or a deadline later than the one around */
    SCOPE_DEADLINE = 1,  /* the task's deadline: there was none, or a later one */
    SCOPE_OUTER = 2,     /* there was one */
    SCOPE_SHIELD = 4,    /* there was no shield */
    SCOPE_MOST = 0xffff, /* of one task at once */
};

static bool has(const struct th_task *task, uint32_t flag)
{
    return (th_atomic32_load_relaxed(&task->cancel) & flag) != 0;
}

static void set(struct th_task *task, uint32_t flag, bool is_set)
{
    if (is_set)
        (void)th_atomic32_or_relaxed(&task->cancel, flag);
    else
        (void)th_atomic32_and_relaxed(&task->cancel, ~flag);
}

/* The task's deadline becomes another, or none. */
static void change_deadline(struct th_task *self, bool has_one, thrum_time when)
{
    bool had_one = has(self, TH_TASK_HAS_DEADLINE);
    if (had_one)
        th_scope_end_deadline(self);
    self->deadline = when;
    if (had_one != has_one)
        set(self, TH_TASK_HAS_DEADLINE, has_one);
}

static void begin(struct th_task *self, thrum_scope *scope, uint32_t kind)
{
    THRUM_CHECK(self->scopes < SCOPE_MOST, "task %lu has begun %d deadlines and shields", (unsigned long)self->id,
                SCOPE_MOST);
    scope->kind_ = kind | (has(self, TH_TASK_HAS_DEADLINE) ? SCOPE_OUTER : 0u);
    scope->outer_ = self->deadline;
    scope->depth_ = ++self->scopes;
}

void thrum_deadline_begin(thrum_scope *scope, thrum_time when)
{
    struct th_task *self = th_task_self();
    scope->depth_ = 0;
    if (self == NULL)
        return;
    bool is_earliest = when < thrum_deadline();
    begin(self, scope, is_earliest ? SCOPE_DEADLINE : SCOPE_NOTHING);
    if (is_earliest)
        change_deadline(self, true, when);
}

void thrum_timeout_begin(thrum_scope *scope, thrum_time span)
{
    thrum_deadline_begin(scope, th_after(span));
}

void thrum_shield_begin(thrum_scope *scope, thrum_time bound)
{
    struct th_task *self = th_task_self();
    scope->depth_ = 0;
    if (self == NULL)
        return;
    bool is_outermost = !has(self, TH_TASK_IS_SHIELDED);
    begin(self, scope, SCOPE_DEADLINE | (is_outermost ? SCOPE_SHIELD : 0u));
    if (is_outermost)
        set(self, TH_TASK_IS_SHIELDED, true);
    change_deadline(self, bound != THRUM_FOREVER, th_after(bound));
}

int thrum_scope_end(thrum_scope *scope)
{
    struct th_task *self = th_task_self();
    if (self == NULL || scope->depth_ == 0)
        return 0;
    THRUM_CHECK(scope->depth_ == self->scopes, "task %lu ends a deadline or shield that is not its last (%u of %u)",
                (unsigned long)self->id, scope->depth_, self->scopes);
    self->scopes--;
    scope->depth_ = 0;
    bool was_late = false;
    if ((scope->kind_ & SCOPE_DEADLINE) != 0) {
        was_late = (th_atomic64_load_relaxed(&self->late) & TH_WAIT_LATE) != 0;
        change_deadline(self, (scope->kind_ & SCOPE_OUTER) != 0, scope->outer_);
    }
    if ((scope->kind_ & SCOPE_SHIELD) != 0)
        set(self, TH_TASK_IS_SHIELDED, false);
    return was_late ? -ETIMEDOUT : 0;
}

thrum_time thrum_deadline(void)
{
    const struct th_task *self = th_task_self();
    return self != NULL && has(self, TH_TASK_HAS_DEADLINE) ? self->deadline : THRUM_FOREVER;
}
