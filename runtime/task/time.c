/* Sleeping, beats, and calls that are put off. */
#include <thrum/time.h>

#include "base/origins.h"
#include "base/sys.h"
#include "task/call.h"
#include "task/await.h"
#include "task/life.h"
#include "task/waiting.h"

#include <errno.h>

thrum_time th_after(thrum_time span)
{
    thrum_time now = th_sys_now();
    return span > THRUM_FOREVER - now ? THRUM_FOREVER : now + span;
}

const struct th_wait_kind th_wait_for_time = {.name = "time"};

int thrum_sleep_until(thrum_time when)
{
    struct th_waiter waiter;
    int code = th_await_begin(&waiter);
    if (code < 0)
        return code;
    if (waiter.task == NULL) {
        th_sys_sleep_until(when);
        return 0;
    }
    /* Who sleeps for ever still waits for time, and not for others who could be found missing (task/deadlock.h). */
    th_waiting_note(waiter.task->fiber, &th_wait_for_time, (void *)(uintptr_t)when);
    code = th_await(&waiter, when < THRUM_FOREVER ? when : THRUM_FOREVER - 1);
    th_waiting_note(waiter.task->fiber, NULL, NULL);
    return code < 0 ? code : 0;
}

int thrum_sleep(thrum_time span)
{
    if (span > 0)
        return thrum_sleep_until(th_after(span));
    thrum_yield();
    return th_await_look();
}

thrum_timer thrum_timer_every(thrum_time period)
{
    thrum_time used = period > 0 ? period : 1;
    return (thrum_timer){.next = th_after(used), .period = used};
}

int thrum_timer_wait(thrum_timer *timer)
{
    int code = thrum_sleep_until(timer->next);
    if (code < 0)
        return code;
    int64_t beats = 1 + (th_sys_now() - timer->next) / timer->period;
    timer->next += beats * timer->period;
    return beats < INT32_MAX ? (int)beats : INT32_MAX;
}

/* ---- Calls ---- */

/* References: the handle, and the timer or the task that it became. */
struct thrum_call {
    struct th_timer timer;
    th_atomic32 references; /* [T2] */
    th_atomic32 is_over;    /* made or dropped: the timer, and the worker that had it, are not to be touched */
    thrum_fn fn;
    void *arg;
    struct th_task *task;
};

static void call_unref(struct thrum_call *call)
{
    if (th_atomic32_sub_acqrel(&call->references, 1) == 1) /* [T2] */
        th_sys_free(call);
}

static int call_run(void *arg)
{
    struct thrum_call *call = arg;
    thrum_fn fn = call->fn;
    void *fns_arg = call->arg;
    th_origin_forget(TH_ORIGIN_CALL, call->task->id);
    th_atomic32_store_relaxed(&call->is_over, 1);
    call_unref(call);
    return fn(fns_arg);
}

int thrum_call_at(thrum_call **handle, thrum_time when, thrum_fn fn, void *arg)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return -EPERM;
    struct th_worker *worker = th_worker_of(self);
    struct thrum_call *call = th_sys_alloc_zeroed(sizeof *call);
    struct th_task *task = call != NULL ? th_task_make(worker, call_run, call) : NULL;
    if (task == NULL) {
        th_sys_free(call);
        return -ENOMEM;
    }
    call->fn = fn;
    call->arg = arg;
    call->task = task;
    th_atomic32_store_relaxed(&call->references, 2);
    th_origin_note(TH_ORIGIN_CALL, task->id, fn, NULL);
    int code = th_timer_arm(&worker->timers, &call->timer, when, th_due_owner(task, TH_DUE_CALL), 0);
    if (code < 0) {
        th_origin_forget(TH_ORIGIN_CALL, task->id);
        th_task_discard(worker, task);
        th_sys_free(call);
        return code;
    }
    if (handle != NULL)
        *handle = call;
    else
        call_unref(call);
    return 0;
}

int thrum_call_later(thrum_call **handle, thrum_time span, thrum_fn fn, void *arg)
{
    return thrum_call_at(handle, th_after(span), fn, arg);
}

void th_call_forget(struct th_task *task, struct th_worker *worker)
{
    struct thrum_call *call = task->arg;
    th_origin_forget(TH_ORIGIN_CALL, task->id);
    th_atomic32_store_relaxed(&call->is_over, 1);
    th_task_discard(worker, task);
    call_unref(call);
}

bool thrum_call_cancel(thrum_call *call)
{
    bool is_off = th_atomic32_load_relaxed(&call->is_over) == 0 && th_timer_disarm(&call->timer);
    if (is_off) {
        struct th_fiber *self = th_fiber_self();
        th_call_forget(call->task, self != NULL ? th_worker_of(self) : NULL);
    }
    call_unref(call);
    return is_off;
}

void thrum_call_drop(thrum_call *call)
{
    call_unref(call);
}
