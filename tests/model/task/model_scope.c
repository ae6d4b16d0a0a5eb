/*
 * task/scope: a cancel meets a task that lists itself and goes to sleep; whichever is first, the task does not sleep
 * on. What has left a list is not touched any more. A deadline's timer that comes late leaves the next wait alone.
 */
#include "model/model.h"

#include "base/sys.h"
#include "task/group.h"
#include "task/life.h"
#include "task/scope.h"

#include <errno.h>

static struct thrum_runtime runtime;
static struct th_task top, tasks[2]; /* each of the two in a group of top's */
static struct thrum_group outer;     /* top is in it */
static struct thrum_group *inner;    /* and has opened this: in memory that goes away */

static void set_up(void)
{
    inner = th_sys_alloc_zeroed(sizeof *inner);
    th_task_fill(&top, &runtime, 1, NULL, NULL);
    top.group = &outer;
    outer.is_shielded_ = 1; /* nothing above */
    inner->opener_ = &top;
    for (uint32_t i = 0; i < 2; i++) {
        th_task_fill(&tasks[i], &runtime, 2 + i, NULL, NULL);
        tasks[i].group = inner;
    }
}

static int cause; /* plain: what the canceller did before */

/* A winner without a worker puts the task into the injection stack. */
static void sleep_until_woken(void)
{
    while (th_inject_is_empty(&runtime.inject))
        continue;
    MODEL_CHECK(th_inject_take(&runtime.inject) != NULL);
}

/* What a task's thread does when it awaits something that nobody ends. */
static void await_cancel(struct th_task *task)
{
    uint32_t ends;
    int code = th_scope_check(task, &ends);
    if (code < 0) {
        MODEL_CHECK_EQ(code, -ECANCELED);
        MODEL_CHECK_EQ(cause, 1);
        return;
    }
    MODEL_CHECK_EQ(ends, TH_WAIT_BY_CANCEL);
    (void)th_wait_begin_for(task, ends);
    if (th_wait_commit(task))
        sleep_until_woken();
    MODEL_CHECK_EQ(th_wait_reason(task), TH_WAKE_CANCEL);
    MODEL_CHECK_EQ(cause, 1);
    MODEL_CHECK_EQ(th_scope_check(task, &ends), -ECANCELED);
}

static void await_and_leave(void *arg)
{
    struct th_task *task = arg;
    await_cancel(task);
    th_scope_leave(task);
    /* The record is another's. */
    task->elder = task->younger = NULL;
}

static void cancel_outer(void *arg)
{
    (void)arg;
    cause = 1;
    th_scope_cancel_group(&outer, THRUM_CANCEL_USER);
}

static void end_inner(void)
{
    if (inner->is_listed_ != 0)
        th_scope_leave_group(&top, inner);
    th_sys_free(inner);
    th_scope_leave(&top);
    MODEL_CHECK(outer.roster_.newest_ == NULL);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(scope_cancel_meets_a_wait, .modes = ALL, .preemptions = 2, .stale = 2)
{
    set_up();
    th_model_thread(cancel_outer, NULL);
    await_and_leave(&tasks[0]);
    end_inner();
    th_model_join_all();
}

static void cancel_root(void *arg)
{
    (void)arg;
    cause = 1;
    th_scope_cancel_root(&runtime, THRUM_CANCEL_USER);
}

/* The main task may be about to wait for the first time. */
MODEL(scope_cancel_of_the_root_meets_a_wait, .modes = MODEL_SC | MODEL_TSO, .preemptions = 2, .stale = 2)
{
    th_task_fill(&top, &runtime, 1, NULL, NULL);
    th_model_thread(cancel_root, NULL);
    await_and_leave(&top);
    th_model_join_all();
}

static void cancel_top(void *arg)
{
    (void)arg;
    cause = 1;
    th_scope_cancel_task(&top, THRUM_CANCEL_USER);
}

MODEL(scope_cancel_of_the_opener_meets_a_wait, .preemptions = 2, .stale = 2)
{
    set_up();
    int canceller = th_model_thread(cancel_top, NULL);
    await_and_leave(&tasks[0]);
    end_inner();
    th_model_join(canceller);
}

MODEL(scope_cancel_meets_the_commit, .modes = ALL, .preemptions = 2, .stale = 2)
{
    uint32_t ends;
    set_up();
    MODEL_CHECK_EQ(th_scope_check(&tasks[0], &ends), 0);
    th_model_thread(cancel_outer, NULL);
    await_cancel(&tasks[0]);
    th_scope_leave(&tasks[0]);
    end_inner();
    th_model_join_all();
}

/* Another task of the group that is cancelled from above asks, and is not listed. */
MODEL(scope_cancel_that_is_asked_for_shows_its_cause, .modes = ALL, .preemptions = 2, .stale = 2)
{
    uint32_t ends;
    set_up();
    MODEL_CHECK_EQ(th_scope_check(&tasks[0], &ends), 0);
    th_model_thread(cancel_outer, NULL);
    if (th_task_cancel_reason(&tasks[1]) != 0)
        MODEL_CHECK_EQ(cause, 1);
    th_model_join_all();
    th_scope_leave(&tasks[0]);
    end_inner();
}

static void list_and_leave(void *arg)
{
    struct th_task *task = arg;
    uint32_t ends;
    (void)th_scope_check(task, &ends);
    th_scope_leave(task);
    task->elder = task->younger = NULL;
}

MODEL(scope_two_list_and_one_cancels, .modes = MODEL_SC, .preemptions = 1, .spurious = MODEL_NONE)
{
    set_up();
    th_model_thread(cancel_outer, NULL);
    int other = th_model_thread(list_and_leave, &tasks[1]);
    await_and_leave(&tasks[0]);
    th_model_join(other);
    end_inner();
    th_model_join_all();
}

/* ---- Deadlines */

static th_atomic32 is_armed;

static void fire(void *arg)
{
    (void)arg;
    while (th_atomic32_load_acquire(&is_armed) == 0)
        continue;
    if (th_wait_deadline(&top, 0))
        (void)th_inject_push(&runtime.inject, &top);
}

static th_atomic64 told;

static void wake_plainly(void *arg)
{
    uint64_t epoch;
    (void)arg;
    while ((epoch = th_atomic64_load_acquire(&told)) == 0)
        continue;
    if (th_wait_win(&top, (uint32_t)epoch, TH_WAKE_PLAIN) == TH_WAIT_ITS_WAKE)
        (void)th_inject_push(&runtime.inject, &top);
}

static uint32_t wait_for(uint32_t ends, bool is_told)
{
    uint32_t epoch = th_wait_begin_for(&top, ends);
    if (is_told)
        th_atomic64_store_release(&told, epoch);
    if (th_wait_commit(&top))
        sleep_until_woken();
    return th_wait_reason(&top);
}

MODEL(scope_deadline_meets_the_commit, .modes = ALL, .preemptions = MODEL_UNBOUNDED)
{
    th_task_fill(&top, &runtime, 1, NULL, NULL);
    th_atomic32_store_relaxed(&top.cancel, TH_TASK_HAS_DEADLINE);
    th_atomic32_store_relaxed(&is_armed, 1);
    th_model_thread(fire, NULL);
    MODEL_CHECK_EQ(wait_for(TH_WAIT_BY_DEADLINE, false), TH_WAKE_DEADLINE);
    th_model_join_all();
}

/* The first wait is in the scope, the second in the next one, which has a deadline too. */
MODEL(scope_late_timer_leaves_the_next_deadline_alone, .modes = ALL, .preemptions = 3)
{
    th_task_fill(&top, &runtime, 1, NULL, NULL);
    th_atomic32_store_relaxed(&top.cancel, TH_TASK_HAS_DEADLINE);
    th_atomic32_store_relaxed(&is_armed, 1);
    th_model_thread(fire, NULL);
    th_model_thread(wake_plainly, NULL);
    th_scope_end_deadline(&top);
    MODEL_CHECK_EQ(wait_for(TH_WAIT_BY_DEADLINE, true), TH_WAKE_PLAIN);
    th_model_join_all();
}

MODEL_SURVIVES("th_wait_win#1->release", "no context is saved here: see model_wait")
MODEL_SURVIVES("notify_by_load", "nobody sleeps here: see model_idle")
MODEL_SURVIVES("[S1]", "nobody sleeps here: see model_idle")
MODEL_SURVIVES("[V1]", "the runtime's memory does not go here: see model_drain")
MODEL_SURVIVES("[A1]", "no stacks are opened while these threads run")
