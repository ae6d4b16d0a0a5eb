#include "sched/worker.h"

#include "base/probe.h"
#include "base/sys.h"
#include "sched/idle.h"
#include "sched/steal.h"
#include "sched/wait.h"
#include "sched/watched.h"

#include <string.h>

enum {
    DUE_MOST = 32,     /* timers taken from their heap at once */
    FIRED_MOST = 2048, /* in one go; the rest at the next look */
    STARVED_NS = 1000000,
    FORESEEN_LINES = 6, /* of a stack: what returns from a wait runs through */
    PROBE_LOOKS = 16,   /* at what could starve: two of them have a wake probed, one of those before it looks */
};

int th_worker_init(struct th_worker *worker, struct thrum_runtime *runtime, uint32_t index)
{
    memset(worker, 0, sizeof *worker);
    worker->runtime = runtime;
    worker->index = index;
    worker->fair_in = runtime->watches == 0 ? TH_FAIR_MOST : 0;
    worker->fair_next = (uint32_t)worker->fair_in + 1;
    worker->lane = TH_LANES;
    th_atomic32_store_relaxed(&worker->permit, TH_PERMIT_BUSY);
    th_random_init(&worker->random, th_sys_random());
    th_timers_init(&worker->timers);
    if (runtime->equip != NULL)
        runtime->equip(worker);
    worker->notes_wakes = worker->records_all ? TH_WAKES_RECORDED : 0;
    return 0;
}

void th_worker_fini(struct th_worker *worker)
{
    th_timers_fini(&worker->timers);
}

/* ---- What it did ---- */

void th_worker_record_task(struct th_worker *worker, enum th_flight_kind kind, uint64_t id, th_task_fn fn)
{
    uint32_t dispatch = (uint32_t)th_atomic64_load_relaxed(&worker->dispatches);
    if (worker->recorder == NULL)
        return;
    /* With a seed each look moves the clock: a run must not depend on being recorded. */
    int64_t now = th_worker_is_seeded(worker) ? worker->clock : th_sys_now();
    th_recorder_write(
        worker->recorder,
        &(struct th_flight){
            .at = now, .kind = kind, .dispatch = dispatch, .task = id, .place = (const void *)(uintptr_t)fn});
}

/* The task is the caller's alone, and has no use for the time of its last wait any more. */
static void begin_probe(struct th_worker *worker, struct th_task *task)
{
    if ((worker->notes_wakes & TH_WAKES_PROBED) == 0)
        return;
    worker->notes_wakes &= (uint8_t)~TH_WAKES_PROBED;
    task->flags |= TH_TASK_IS_PROBED;
    task->fiber->parked_at = th_sys_now();
}

/* It was picked. */
static void end_probe(struct th_worker *worker, struct th_task *task)
{
    task->flags &= ~(uint32_t)TH_TASK_IS_PROBED;
    th_count_ready(&worker->ready_spans, th_sys_now() - task->fiber->parked_at);
}

static TH_NOINLINE void note_wake_slowly(struct th_worker *worker, struct th_task *task)
{
    if (worker->records_all)
        th_worker_record_task(worker, TH_EVENT_WAKE, task->id, NULL);
    begin_probe(worker, task);
}

TH_INLINE void note_wake(struct th_worker *worker, struct th_task *task)
{
    if (TH_UNLIKELY(worker->notes_wakes != 0))
        note_wake_slowly(worker, task);
}

static void record_at_clock(struct th_worker *worker, struct th_flight event)
{
    event.at = worker->clock;
    event.dispatch = (uint32_t)th_atomic64_load_relaxed(&worker->dispatches);
    th_recorder_write(worker->recorder, &event);
}

/* At a pick: what the task does that ran here until now. */
static TH_NOINLINE void record_leave(struct th_worker *worker, const struct th_fiber *self)
{
    struct th_flight event = {.kind = TH_EVENT_LEAVE, .detail = TH_LEAVE_ENDED};
    if (self->task != NULL) {
        bool waits = (th_atomic64_load_relaxed(&self->task->wait) & 0xffff) == TH_WAIT_WAITING;
        event.task = self->task->id;
        event.detail = waits ? TH_LEAVE_WAITS : TH_LEAVE_YIELDED;
        event.place = waits ? th_atomicptr_load_relaxed(&self->waits_as) : NULL;
    }
    record_at_clock(worker, event);
}

static void record_pick(struct th_worker *worker, const struct th_task *task)
{
    uint64_t wait = th_atomic64_load_relaxed(&task->wait);
    uint32_t reason = (wait & 0xffff) == TH_WAIT_WON ? (uint32_t)(wait >> 16) & 0xff : TH_WAKE_PLAIN;
    record_at_clock(worker, (struct th_flight){.kind = TH_EVENT_PICK,
                                               .detail = task->fiber == NULL ? TH_EVENT_FRESH : reason,
                                               .task = task->id,
                                               .place = (const void *)(uintptr_t)task->fn});
}

/* One task leaves, and another goes on; either may be missing. */
static void record_dispatch(struct th_worker *worker, const struct th_task *next)
{
    bool is_aside = !th_worker_has_permit(worker) && !th_worker_is_seeded(worker);
    if (TH_UNLIKELY(worker->recorder == NULL))
        return;
    /* What was stuck, or ran aside, has not looked for long. */
    if (is_aside)
        worker->clock = th_sys_now();
    /* Who left some dispatches after the last event is nobody's concern. */
    const struct th_fiber *self = is_aside || worker->records_all ? th_fiber_self() : NULL;
    if (self != NULL)
        record_leave(worker, self);
    if (next != NULL)
        record_pick(worker, next);
}

/* ---- What could starve ---- */

static void push_due(struct th_worker *worker, struct th_task *task)
{
    begin_probe(worker, task);
    th_queue_push_newest(&worker->ready, task);
}

/* A timer has fired: whoever waited for it is ready. Guard held. */
static void serve_due(struct th_worker *worker, const struct th_timer_due *due)
{
    struct th_task *task = th_due_task(due->owner);
    switch (th_due_of(due->owner)) {
    case TH_DUE_CALL: /* from now on a task like any other; its turn is that of its time */
        th_worker_count(&worker->spawned);
        th_queue_push_newest(&worker->ready, task);
        break;
    case TH_DUE_DEADLINE:
        if (th_wait_deadline(task, due->epoch))
            push_due(worker, task);
        break;
    case TH_DUE_WAIT:
    case TH_DUE_MASK:
        if (th_wait_win(task, due->epoch, TH_WAKE_TIMER) == TH_WAIT_ITS_WAKE)
            push_due(worker, task);
        break;
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
        th_count_several(&worker->counters.timers, count);
    } while (count == DUE_MOST && fired < FIRED_MOST);
    end_firing(worker);
    if (fired > 0)
        th_worker_record(worker, now, TH_EVENT_TIMER, (uint32_t)fired);
    return fired;
}

/* All that came from outside, in its order, begun or not: nobody's children are among it. Guard held. */
static void take_injected(struct th_worker *worker)
{
    struct th_task *task = th_inject_take(&worker->runtime->inject);
    while (task != NULL) {
        struct th_task *next = task->next;
        th_queue_push_newest(&worker->ready, task);
        task = next;
    }
}

/* A chain, newest first, through the injection stack. From a live task to live tasks: the runtime has not ended; at
 * most somebody is looking whether it may. */
static TH_NOINLINE void wake_elsewhere(struct thrum_runtime *runtime, struct th_task *newest, struct th_task *oldest)
{
    while (!th_inject_push_chain(&runtime->inject, newest, oldest))
        th_cpu_relax();
    th_idle_notify(runtime);
}

/* Tasks that waited are ready, and this is no worker of their runtime. */
static void wake_from_outside(struct th_task *newest, struct th_task *oldest)
{
    struct thrum_runtime *runtime = oldest->runtime;
    th_runtime_visit(runtime);
    wake_elsewhere(runtime, newest, oldest);
    th_runtime_leave(runtime);
}

uint32_t th_worker_add_polled(struct th_worker *worker, struct th_task *polled)
{
    uint32_t count = 0;
    for (; polled != NULL; count++) {
        struct th_task *next = polled->next;
        th_count(&worker->counters.wakes);
        note_wake(worker, polled);
        if (TH_LIKELY(polled->runtime == worker->runtime))
            th_queue_push_newest(&worker->ready, polled);
        else
            wake_from_outside(polled, polled);
        polled = next;
    }
    return count;
}

bool th_worker_poll(struct th_worker *worker, int64_t now)
{
    struct th_poll_source *source = th_runtime_poll_source(worker->runtime);
    th_count(&worker->counters.polls);
    struct th_task *polled = source != NULL ? source->poll(source, now, 0) : NULL;
    if (polled == NULL)
        return false;
    uint32_t count = th_worker_add_polled(worker, polled);
    th_worker_record(worker, now, TH_EVENT_POLL, count);
    TH_PROBE2(poll, worker->index, count);
    return true;
}

/* Looks come every TH_FAIR_NS or TH_FAIR_MOST dispatches, whichever is sooner, as far as the last interval tells. */
static void adapt_interval(struct th_worker *worker, int64_t now)
{
    int64_t took = now - worker->fair_at;
    int64_t each = took / (worker->fair_in > 0 ? worker->fair_in : 1);
    int64_t fit = each > 0 ? TH_FAIR_NS / each : TH_FAIR_MOST;
    worker->fair_in = (int32_t)(fit < 1 ? 1 : fit > TH_FAIR_MOST ? TH_FAIR_MOST : fit);
    if (TH_UNLIKELY(worker->runtime->watches != 0))
        worker->fair_in = 0; /* each pick comes here, and so by pick_otherwise */
    worker->fair_next = (uint32_t)th_atomic64_load_relaxed(&worker->dispatches) + (uint32_t)worker->fair_in + 1;
    worker->fair_at = now;
}

/* Those whom timers and file descriptors wake here are as good an example as those whom tasks wake later. */
static void want_probe(struct th_worker *worker, uint32_t turn)
{
    if (worker->looks % PROBE_LOOKS == turn)
        worker->notes_wakes |= TH_WAKES_PROBED;
}

static struct th_task *pick_fair(struct th_worker *worker)
{
    int64_t now = th_sys_now();
    worker->clock = now;
    worker->looks++;
    adapt_interval(worker, now);
    want_probe(worker, 0);
    (void)th_worker_fire(worker, &worker->timers, now);
    (void)th_worker_poll(worker, now);
    take_injected(worker);
    want_probe(worker, PROBE_LOOKS / 2);
    if (worker->is_starved) {
        worker->is_starved = false;
        return NULL;
    }
    if (worker->fair_in == 0 && worker->turn % TH_FAIR_MOST != 0)
        return NULL;
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

/*
 * Of many tasks that have waited for long each is cold: its record, its fiber and its stack, found one through the
 * other. So each step of that way is taken a dispatch ahead. A single ready task is warm, and costs one look.
 */
TH_INLINE void foresee(const struct th_task *next)
{
    if (TH_LIKELY(next == NULL || next->next == NULL))
        return;
    const struct th_task *second = next->next;
    if (next->fiber != NULL) {
        const char *stack = next->fiber->context;
        for (size_t line = 0; line < FORESEEN_LINES; line++)
            __builtin_prefetch(stack + line * TH_CACHE_LINE);
    }
    __builtin_prefetch(second->fiber);
    __builtin_prefetch(second->next);
}

TH_INLINE struct th_task *pop_ready(struct th_worker *worker)
{
    struct th_task *task = th_queue_pop_oldest(&worker->ready);
    foresee(worker->ready.oldest);
    return task;
}

TH_INLINE struct th_task *pick_next(struct th_worker *worker)
{
    struct th_task *task = th_worker_slot(worker);
    if (task != NULL) {
        th_worker_set_slot(worker, NULL);
        if (worker->slot_runs++ < TH_SLOT_RUNS_MOST || TH_MUTANT(slot_does_not_age))
            return task;
        th_queue_push_newest(&worker->ready, task);
    }
    worker->slot_runs = 0;
    if ((worker->turn++ & 1) != 0) {
        task = pick_fresh(worker);
        return task != NULL ? task : pop_ready(worker);
    }
    task = pop_ready(worker);
    return task != NULL ? task : pick_fresh(worker);
}

/* What is not picked by whoever comes, or not without more ado. */
enum { ELSEWHERE = TH_TASK_STUCK | TH_TASK_BOUND | TH_TASK_IS_PROBED };

/* The lane for a task that got stuck before, or whose function did; -1: none. */
static int lane_for(const struct th_worker *worker, const struct th_task *task)
{
    if ((task->flags & TH_TASK_STUCK) != 0)
        return (task->flags & TH_TASK_HOGS) != 0 ? TH_LANE_HOGS : TH_LANE_BLOCKING;
    return task->fiber == NULL ? th_hogs_lane_of(&worker->runtime->crew.hogs, task->fn) : -1;
}

/* Whether the task was sent to where it should run: aside, or on its own thread. */
static TH_NOINLINE bool send_elsewhere(struct th_worker *worker, struct th_task *task)
{
    if ((task->flags & TH_TASK_IS_PROBED) != 0)
        end_probe(worker, task);
    if ((task->flags & TH_TASK_BOUND) != 0) {
        th_crew_bring_home(task);
        return true;
    }
    int lane = lane_for(worker, task);
    if (lane < 0)
        return false;
    th_crew_put_aside(worker->runtime, (enum th_lane_kind)lane, task);
    return true;
}

/* What is nearly never so, by words that are in the cache. */
TH_INLINE bool may_belong_elsewhere(const struct th_worker *worker, const struct th_task *task)
{
    return (task->flags & ELSEWHERE) != 0 ||
           (task->fiber == NULL && th_atomic32_load_relaxed(&worker->runtime->crew.hogs.known) != 0);
}

TH_INLINE bool went_elsewhere(struct th_worker *worker, struct th_task *task)
{
    return TH_UNLIKELY(may_belong_elsewhere(worker, task)) && send_elsewhere(worker, task);
}

/* A pick that has more to look at than the queues. False: what it picked went elsewhere. */
static TH_NOINLINE bool pick_otherwise(struct th_worker *worker, struct th_task **picked)
{
    bool is_watched = worker->runtime->watches != 0;
    if (is_watched)
        th_watched_leaves(worker);
    if (th_worker_is_seeded(worker)) {
        *picked = th_seeded_pick(worker);
        return true;
    }
    if (!th_worker_has_permit(worker)) {
        th_crew_leave_task(worker);
        *picked = NULL;
        return true;
    }
    struct th_task *task = pick_fair(worker);
    if (task == NULL)
        task = pick_next(worker);
    *picked = task;
    return task == NULL || !(went_elsewhere(worker, task) || (is_watched && th_watched_sends_away(worker, task)));
}

/* Where it looks around anyway, and so at nearly no cost. */
static bool pick_and_record(struct th_worker *worker, struct th_task **picked)
{
    bool is_picked = pick_otherwise(worker, picked);
    if (is_picked)
        record_dispatch(worker, *picked);
    return is_picked;
}

/* A loop, for as many as there are may have to go elsewhere, one after the other, and the stack is a task's. */
struct th_task *th_worker_pick(struct th_worker *worker)
{
    for (;;) {
        uint64_t number = th_atomic64_load_relaxed(&worker->dispatches) + 1;
        th_atomic64_store_relaxed(&worker->dispatches, number);
        if (TH_UNLIKELY((int32_t)((uint32_t)number - worker->fair_next) >= 0 || !th_worker_has_permit(worker))) {
            struct th_task *picked;
            if (pick_and_record(worker, &picked))
                return picked;
            continue;
        }
        struct th_task *task = pick_next(worker);
        if (TH_LIKELY(task == NULL || !went_elsewhere(worker, task)))
            return task;
    }
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
        const struct th_worker *first = worker;
        th_task_fn fn = self->task->fn;
        uint64_t number = th_atomic64_load_relaxed(&worker->dispatches);
        worker->runtime->execute(worker, self->task);
        self->task = NULL; /* its record may be another task's already */
        worker = th_worker_of(self);
        if (TH_UNLIKELY(!th_worker_has_permit(worker)))
            th_crew_task_ended(worker, fn, first == worker && number == th_atomic64_load_relaxed(&worker->dispatches));
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

static void run(struct th_worker *worker)
{
    struct th_fiber *host = &worker->thread.host;
    while (th_atomic32_load_acquire(&worker->runtime->phase) != TH_PHASE_STOPPED && !worker->is_retired) { /* [Q2] */
        bool is_seeded = th_worker_is_seeded(worker);
        if (!is_seeded && !th_worker_has_permit(worker)) {
            th_crew_stand_by(worker);
            continue;
        }
        th_worker_enter(worker);
        struct th_task *task = th_worker_pick(worker);
        struct th_fiber *fiber = task != NULL ? fiber_for(worker, task) : host;
        if (fiber != host) {
            th_fiber_switch(host, fiber, leave, NULL);
        } else {
            th_worker_leave(worker);
            if (is_seeded) {
                th_seeded_rest(worker);
            } else if (th_crew_begin_idle(worker)) {
                th_steal_find_work(worker);
                th_crew_end_idle(worker);
            }
        }
    }
}

int th_worker_prepare(struct th_worker *worker)
{
    struct th_thread *thread = &worker->thread;
    uint32_t slot;
    int code = th_thread_init(thread);
    if (code < 0)
        return code;
    code = th_stack_take(&thread->stacks, &slot);
    if (code < 0)
        th_thread_fini(thread);
    else
        th_stack_give(&thread->stacks, slot);
    return code;
}

void th_worker_serve(struct th_worker *worker)
{
    worker->clock = th_sys_now();
    th_atomic32_store_relaxed(&worker->tid, (uint32_t)th_sys_thread_id());
    run(worker);
    th_atomic32_store_relaxed(&worker->tid, 0);
    th_record_cache_flush(&worker->records, &worker->runtime->records);
    th_thread_fini(&worker->thread);
}

/* ---- Wakes ---- */

void th_worker_wake_on(struct th_worker *worker, struct th_task *task)
{
    /* Who has no permit will not run it soon. */
    if (TH_UNLIKELY(!th_worker_has_permit(worker))) {
        wake_elsewhere(worker->runtime, task, task);
        return;
    }
    th_worker_enter(worker);
    note_wake(worker, task);
    th_worker_add_ready(worker, task);
    th_count(&worker->counters.wakes);
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
        wake_from_outside(task, task);
}

static struct th_task *newest_first(struct th_task *oldest)
{
    struct th_task *ordered = NULL;
    while (oldest != NULL) {
        struct th_task *next = oldest->next;
        oldest->next = ordered;
        ordered = oldest;
        oldest = next;
    }
    return ordered;
}

void th_worker_wake_several(struct th_task *oldest, struct th_task *newest)
{
    struct th_fiber *self = th_fiber_self();
    struct th_worker *worker = self != NULL ? th_worker_of(self) : NULL;
    if (worker == NULL || worker->runtime != oldest->runtime) {
        (void)newest_first(oldest);
        wake_from_outside(newest, oldest);
    } else if (!th_worker_has_permit(worker)) {
        (void)newest_first(oldest);
        wake_elsewhere(worker->runtime, newest, oldest);
    } else {
        th_worker_enter(worker);
        (void)th_worker_add_polled(worker, oldest);
        th_worker_leave(worker);
    }
}
