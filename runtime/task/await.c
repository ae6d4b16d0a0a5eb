#include "task/await.h"

#include "sched/timer.h"
#include "task/scope.h"

#include <errno.h>

int th_await_begin(struct th_waiter *waiter)
{
    waiter->task = th_task_self();
    if (waiter->task == NULL) {
        th_atomic32_store_relaxed(&waiter->word, 0);
        return 0;
    }
    uint32_t ends;
    int code = th_scope_check(waiter->task, &ends);
    if (code < 0)
        return code;
    waiter->epoch = th_wait_begin_for(waiter->task, ends);
    return 0;
}

int th_await_look(void)
{
    struct th_task *self = th_task_self();
    uint32_t ends;
    return self != NULL ? th_scope_check(self, &ends) : 0;
}

void th_await_begin_firmly(struct th_waiter *waiter)
{
    waiter->task = th_task_self();
    if (waiter->task != NULL)
        waiter->epoch = th_wait_begin(waiter->task);
    else
        th_atomic32_store_relaxed(&waiter->word, 0);
}

void th_await_abandon(struct th_waiter *waiter)
{
    if (waiter->task != NULL)
        th_wait_abandon(waiter->task);
}

/* ---- A task ---- */

static int park(struct th_task *self)
{
    uint32_t reason = th_park(self);
    if (TH_UNLIKELY(reason == TH_WAKE_CANCEL))
        return -ECANCELED;
    if (TH_UNLIKELY(reason == TH_WAKE_DEADLINE))
        return -ETIMEDOUT;
    return (int)reason;
}

static int park_until(struct th_waiter *waiter, int64_t until)
{
    struct th_task *self = waiter->task;
    struct th_timer timer = {0};
    int code = th_timer_arm(&th_worker_of(self->fiber)->timers, &timer, until, self, waiter->epoch);
    if (code < 0 && th_wait_win(self, waiter->epoch, TH_WAKE_PLAIN) != TH_WAIT_LOST)
        return code;
    int reason = park(self);
    if (reason != TH_WAKE_TIMER)
        (void)th_timer_disarm(&timer);
    return reason;
}

/* ---- A thread ---- */

static bool end_thread_wait(struct th_waiter *waiter, uint32_t reason)
{
    uint32_t waiting = 0;
    return th_atomic32_cas_release(&waiter->word, &waiting, 1 + reason); /* [E1] */
}

static int await_as_thread(struct th_waiter *waiter, int64_t until)
{
    uint32_t seen;
    while ((seen = th_atomic32_load_acquire(&waiter->word)) == 0) { /* [E1] */
        if (th_sys_futex_wait(&waiter->word, 0, until) == -ETIMEDOUT)
            (void)end_thread_wait(waiter, TH_WAKE_TIMER);
    }
    return (int)seen - 1;
}

int th_await(struct th_waiter *waiter, int64_t until)
{
    if (waiter->task == NULL)
        return await_as_thread(waiter, until);
    return until == TH_SYS_FOREVER ? park(waiter->task) : park_until(waiter, until);
}

static bool wake_thread(struct th_waiter *waiter, uint32_t reason)
{
    if (!end_thread_wait(waiter, reason))
        return false;
    /* The waiter may be gone: only the futex's address is touched. */
    (void)th_sys_futex_wake(&waiter->word, 1);
    return true;
}

bool th_await_wake(struct th_waiter *waiter, uint32_t reason)
{
    return waiter->task != NULL ? th_unpark(waiter->task, waiter->epoch, reason) : wake_thread(waiter, reason);
}

bool th_await_wake_among(struct th_wakes *wakes, struct th_waiter *waiter, uint32_t reason)
{
    return waiter->task != NULL ? th_unpark_among(wakes, waiter->task, waiter->epoch, reason)
                                : wake_thread(waiter, reason);
}

void th_await_wake_rest(struct th_wakes *wakes)
{
    th_unpark_rest(wakes);
}
