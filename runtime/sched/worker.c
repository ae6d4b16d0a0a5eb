#include "sched/worker.h"

#include "base/sys.h"
#include "sched/idle.h"
#include "sched/steal.h"
#include "sched/wait.h"

#include <string.h>

enum {
    DUE_MOST = 32,     /* timers taken from their heap at once */
    FIRED_MOST = 2048, /* in one go; the rest at the next look */
    STARVED_NS = 1000000,
};

int th_worker_init(struct th_worker *worker, struct thrum_runtime *runtime, uint32_t index)
{
    memset(worker, 0, sizeof *worker);
    worker->runtime = runtime;
    worker->index = index;
    worker->fair_in = worker->fair_left = TH_FAIR_MOST;
    th_random_init(&worker->random, th_sys_random());
    th_timers_init(&worker->timers);
    return 0;
}

void th_worker_fini(struct th_worker *worker)
{
    th_timers_fini(&worker->timers);
}

/* ---- What could starve ---- */

/* A timer has fired: whoever waited for it is ready. Guard held. */
static void serve_due(struct th_worker *worker, const struct th_timer_due *due)
{
    struct th_task *late = th_wait_deadline_task(due->owner), *task = due->owner;
    if (late != NULL) {
        if (th_wait_deadline(late, due->epoch))
            th_queue_push_newest(&worker->ready, late);
    } else if ((task->flags & TH_TASK_IS_TIMER) != 0) {
        /* From now on a task like any other: it may sleep too. */
        task->flags &= ~(uint32_t)TH_TASK_IS_TIMER;
        th_worker_count(&worker->spawned);
        th_worker_add_fresh(worker, task);
    } else if (th_wait_win(task, due->epoch, TH_WAKE_TIMER) == TH_WAIT_ITS_WAKE) {
        th_queue_push_newest(&worker->ready, task);
    }
}

/* False if the runtime is about to end: nothing may begin to live any more. */
static bool begin_firing(struct th_worker *worker)
{
    th_atomic32_store_relaxed(&worker->is_firing, 1);
    th_fence_seqcst(); /* [Q3] */
    return !th_inject_is_closed(&worker->runtime->inject);
}

static void end_firing(struct th_worker *worker)
{
    th_atomic32_store_release(&worker->is_firing, 0); /* [Q4] */
}

size_t th_worker_fire(struct th_worker *worker, struct th_timers *timers, int64_t now)
{
    struct th_timer_due due[DUE_MOST];
    size_t fired = 0, count;
    if ((int64_t)th_atomic64_load_relaxed(&timers->next) > now)
        return 0;
    if (!begin_firing(worker)) {
        end_firing(worker);
        return 0;
    }
    do {
        count = th_timers_due(timers, now, due, DUE_MOST);
        for (size_t i = 0; i < count; i++)
            serve_due(worker, &due[i]);
        fired += count;
    } while (count == DUE_MOST && fired < FIRED_MOST);
    end_firing(worker);
    return fired;
}

/* All that came from outside; guard held. Ready tasks in their order; fresh ones so that the oldest runs first. */
static void take_injected(struct th_worker *worker)
{
    struct th_task *task = th_inject_take(&worker->runtime->inject), *fresh = NULL;
    while (task != NULL) {
        struct th_task *next = task->next;
        if (task->fiber != NULL) {
            th_queue_push_newest(&worker->ready, task);
        } else {
            task->next = fresh;
            fresh = task;
        }
        task = next;
    }
    while (fresh != NULL) {
        struct th_task *next = fresh->next;
        th_worker_add_fresh(worker, fresh);
        fresh = next;
    }
}

/* A task that waited is ready, and this is no worker of its runtime. */
static void wake_from_outside(struct th_task *task)
{
    /* It lives, so its runtime has not ended; at most it is looking whether it may. */
    struct thrum_runtime *runtime = task->runtime;
    th_runtime_visit(runtime);
    while (!th_worker_inject(runtime, task))
        th_cpu_relax();
    th_runtime_leave(runtime);
}

void th_worker_add_polled(struct th_worker *worker, struct th_task *polled)
{
    while (polled != NULL) {
        struct th_task *next = polled->next;
        if (TH_LIKELY(polled->runtime == worker->runtime))
            th_queue_push_newest(&worker->ready, polled);
        else
            wake_from_outside(polled);
        polled = next;
    }
}

bool th_worker_poll(struct th_worker *worker, int64_t now)
{
    struct th_poll_source *source = th_runtime_poll_source(worker->runtime);
    struct th_task *polled = source != NULL ? source->poll(source, now, 0) : NULL;
    th_worker_add_polled(worker, polled);
    return polled != NULL;
}

/* Looks come every TH_FAIR_NS or TH_FAIR_MOST dispatches, whichever is sooner, as far as the last interval tells. */
static void adapt_interval(struct th_worker *worker, int64_t now)
{
    int64_t took = now - worker->fair_at;
    int64_t each = took / (worker->fair_in > 0 ? worker->fair_in : 1);
    int64_t fit = each > 0 ? TH_FAIR_NS / each : TH_FAIR_MOST;
    worker->fair_in = (int32_t)(fit < 1 ? 1 : fit > TH_FAIR_MOST ? TH_FAIR_MOST : fit);
    worker->fair_left = worker->fair_in;
    worker->fair_at = now;
}

static TH_NOINLINE struct th_task *pick_fair(struct th_worker *worker)
{
    int64_t now = th_sys_now();
    adapt_interval(worker, now);
    (void)th_worker_fire(worker, &worker->timers, now);
    (void)th_worker_poll(worker, now);
    take_injected(worker);
    if (worker->is_starved) {
        worker->is_starved = false;
        return NULL;
    }
    struct th_task *task = th_queue_pop_oldest(&worker->fresh);
    if (task != NULL)
        th_atomicptr_store_relaxed(&task->home, NULL);
    return task;
}

/* ---- Dispatch ---- */

static struct th_task *pick_fresh(struct th_worker *worker)
{
    if (TH_UNLIKELY(worker->is_starved))
        return NULL;
    struct th_task *task = th_queue_pop_newest(&worker->fresh);
    if (task != NULL)
        th_atomicptr_store_relaxed(&task->home, NULL);
    return task;
}

struct th_task *th_worker_pick(struct th_worker *worker)
{
    if (TH_UNLIKELY(--worker->fair_left < 0)) {
        struct th_task *task = pick_fair(worker);
        if (task != NULL)
            return task;
    }
    if (worker->slot != NULL) {
        struct th_task *task = worker->slot;
        worker->slot = NULL;
        if (worker->slot_runs++ < TH_SLOT_RUNS_MOST)
            return task;
        th_queue_push_newest(&worker->ready, task);
    }
    worker->slot_runs = 0;
    struct th_task *task;
    if ((worker->turn++ & 1) != 0) {
        task = pick_fresh(worker);
        return task != NULL ? task : th_queue_pop_oldest(&worker->ready);
    }
    task = th_queue_pop_oldest(&worker->ready);
    return task != NULL ? task : pick_fresh(worker);
}

/* After actions: each leaves the guard that was held over the switch, last of all; others may see `left` then. */
static void leave(struct th_fiber *left, void *arg)
{
    (void)arg;
    th_worker_leave(th_worker_of(left));
}

static void recycle_and_leave(struct th_fiber *ended, void *arg)
{
    struct th_worker *worker = arg;
    th_fiber_drop(&worker->thread, ended);
    th_worker_leave(worker);
}

/* What runs on a fiber: a task, and then whatever fresh ones come next, for as long as no other fiber is to run. */
static struct th_fiber *run_tasks(void *arg)
{
    struct th_fiber *self = th_fiber_self();
    struct th_worker *worker = th_worker_of(self);
    struct th_task *next;
    (void)arg;
    for (;;) {
        worker->runtime->execute(worker, self->task);
        worker = th_worker_of(self);
        th_worker_enter(worker);
        next = th_worker_pick(worker);
        if (next == NULL || next->fiber != NULL)
            break;
        self->task = next;
        next->fiber = self;
        th_worker_leave(worker);
    }
    th_fiber_end(self, next != NULL ? next->fiber : &worker->thread.host, recycle_and_leave, worker);
}

/* The same where the task may have none yet, or where there is no task. Where no stack is to be had the task waits,
 * and others run. */
static TH_NOINLINE struct th_fiber *find_fiber(struct th_worker *worker, struct th_task *task)
{
    while (task != NULL) {
        if (task->fiber != NULL)
            return task->fiber;
        if (th_fiber_create(&worker->thread, run_tasks, NULL, &task->fiber) == 0) {
            task->fiber->task = task;
            return task->fiber;
        }
        worker->is_starved = true;
        worker->starved_until = th_sys_now() + STARVED_NS;
        th_atomicptr_store_relaxed(&task->home, worker);
        th_queue_push_oldest(&worker->fresh, task);
        task = th_worker_pick(worker);
    }
    return &worker->thread.host;
}

/* The fiber to go to for a task; guard held. */
TH_INLINE struct th_fiber *fiber_for(struct th_worker *worker, struct th_task *task)
{
    if (TH_LIKELY(task != NULL && task->fiber != NULL))
        return task->fiber;
    return find_fiber(worker, task);
}

void th_worker_switch(struct th_fiber *from, struct th_task *task)
{
    struct th_fiber *to = fiber_for(th_worker_of(from), task);
    /* There was no stack for the task, and the one that yields is the next. */
    if (TH_UNLIKELY(to == from))
        th_worker_leave(th_worker_of(from));
    else
        th_fiber_switch(from, to, leave, NULL);
}

void th_worker_switch_then(struct th_fiber *from, struct th_task *task, th_fiber_after *after, void *arg)
{
    th_fiber_switch(from, fiber_for(th_worker_of(from), task), after, arg);
}

void th_worker_run(struct th_worker *worker)
{
    struct th_fiber *host = &worker->thread.host;
    while (th_atomic32_load_acquire(&worker->runtime->phase) != TH_PHASE_STOPPED) { /* [Q2] */
        th_worker_enter(worker);
        struct th_task *task = th_worker_pick(worker);
        struct th_fiber *fiber = task != NULL ? fiber_for(worker, task) : host;
        if (fiber != host) {
            th_fiber_switch(host, fiber, leave, NULL);
        } else {
            th_worker_leave(worker);
            th_steal_find_work(worker);
        }
    }
}

/* ---- Wakes ---- */

void th_worker_wake_on(struct th_worker *worker, struct th_task *task)
{
    th_worker_enter(worker);
    th_worker_add_ready(worker, task);
    th_worker_leave(worker);
}

bool th_worker_inject(struct thrum_runtime *runtime, struct th_task *task)
{
    if (!th_inject_push(&runtime->inject, task))
        return false;
    th_idle_notify(runtime);
    return true;
}

void th_worker_wake(struct th_task *task)
{
    struct th_fiber *self = th_fiber_self();
    if (TH_LIKELY(self != NULL && th_worker_of(self)->runtime == task->runtime))
        th_worker_wake_on(th_worker_of(self), task);
    else
        wake_from_outside(task);
}
