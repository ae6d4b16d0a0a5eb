#include "task/aside.h"

#include "task/await.h"
#include "task/life.h"
#include "task/waiting.h"

#include <errno.h>

enum { RUNNING, AWAITED, DONE };

struct call {
    thrum_fn fn;
    void *arg;
    int result;
    th_atomic32 state; /* a */
    struct th_waiter first, second;
};

static int run_call(void *arg)
{
    struct call *call = arg;
    struct th_waiter first = {.task = call->first.task, .epoch = call->first.epoch};
    call->result = call->fn(call->arg);
    if (th_atomic32_exchange_acqrel(&call->state, DONE) == AWAITED) /* [BL1] */
        (void)th_await_wake(&call->second, TH_WAKE_PLAIN);
    else
        (void)th_await_wake(&first, TH_WAKE_PLAIN);
    return 0;
}

static struct th_task *task_of_call(const void *task)
{
    return (struct th_task *)(uintptr_t)task;
}

static const struct th_wait_kind call_wait = {.name = "blocking call, task", .owner = task_of_call};

static int await_call(struct th_waiter *waiter, const struct th_task *task)
{
    th_waiting_begin(&call_wait, task);
    int code = th_await(waiter, TH_SYS_FOREVER);
    th_waiting_end();
    return code;
}

/* The scope has ended, the call has begun: its memory is here, so its end must be waited for. */
static void wait_firmly(struct call *call, const struct th_task *task)
{
    uint32_t running = RUNNING;
    th_await_begin_firmly(&call->second);
    if (th_atomic32_cas_acqrel(&call->state, &running, AWAITED)) /* [BL1] */
        (void)await_call(&call->second, task);
    else
        th_await_abandon(&call->second);
}

/* Has the call run aside and waits for it: true if it did, false if the wait was ended before it had begun (*code). */
static bool run_aside(struct thrum_runtime *runtime, enum th_lane_kind lane, struct th_task *task, struct call *call,
                      int *code)
{
    th_crew_put_aside(runtime, lane, task);
    *code = await_call(&call->first, task);
    if (*code >= 0)
        return true;
    if (th_crew_take_back(runtime, lane, task, call))
        return false;
    wait_firmly(call, task);
    return true;
}

int th_blocking_run(enum th_lane_kind lane, thrum_fn fn, void *arg)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL || !th_worker_of(self)->runtime->monitor.is_running)
        return fn(arg);
    struct call call = {.fn = fn, .arg = arg};
    struct th_worker *worker = th_worker_of(self);
    int code = th_await_begin(&call.first);
    if (code < 0)
        return code;
    struct th_task *task = th_task_make(worker, run_call, &call);
    if (task == NULL) {
        th_await_abandon(&call.first);
        return -ENOMEM;
    }
    task->name = "blocking call";
    th_worker_count(&worker->spawned);
    if (run_aside(worker->runtime, lane, task, &call, &code))
        return call.result;
    worker = th_worker_of(self);
    th_task_discard(worker, task);
    th_worker_count(&worker->finished);
    return code;
}

int thrum_blocking(thrum_fn fn, void *arg)
{
    return th_blocking_run(TH_LANE_USER, fn, arg);
}

void thrum_yield_if_due(void)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return;
    struct th_worker *worker = th_worker_of(self);
    if (TH_LIKELY(th_atomic32_load_relaxed(&worker->is_late) == 0 && th_worker_has_permit(worker)))
        return;
    th_atomic32_store_relaxed(&worker->is_late, 0);
    thrum_yield();
}

uint64_t thrum_stalls(void)
{
    const struct th_task *self = th_task_self();
    return self != NULL ? th_atomic64_load_relaxed(&self->runtime->crew.detached) : 0;
}

size_t thrum_stalls_known(thrum_stalling known[], size_t most)
{
    const struct th_task *self = th_task_self();
    size_t count = 0;
    for (uint32_t i = 0; self != NULL && i < TH_HOGS && count < most; i++) {
        const struct th_hog *hog = &self->runtime->crew.hogs.places[i];
        uint32_t score = th_atomic32_load_relaxed(&hog->score);
        if (score > 0)
            known[count++] = (thrum_stalling){
                .fn = (thrum_fn)(uintptr_t)th_atomicptr_load_relaxed(&hog->fn),
                .blocks = th_atomic32_load_relaxed(&hog->lane) == TH_LANE_BLOCKING,
                .score = score,
            };
    }
    return count;
}
