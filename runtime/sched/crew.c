#include "sched/crew.h"

#include "base/panic.h"
#include "base/sys.h"
#include "sched/idle.h"
#include "sched/monitor.h"
#include "sched/watched.h"
#include "sched/worker.h"

#include <errno.h>

enum {
    SPARE_NS = 2000000000, /* after which a spare that nobody needed goes: longer than the pauses of a busy program */
    SHORT_NS = 200000,     /* what was put aside and took less was put aside for nothing */
    LOW_NICE = 19,         /* the tail of others was best with it: see runtime/README.md */
    STILL_NS = 10000000,   /* after which a lane of hogs in which others wait lets one more run */
    NO_STACK_NS = 1000000, /* until a task for which there was no stack is tried again */
};

void th_crew_init(struct th_crew *crew, uint32_t permits, uint32_t most_threads)
{
    crew->most = most_threads;
    crew->may_nice = th_sys_may_raise();
    crew->may_batch = th_sys_is_batch_usable();
    crew->nice = th_sys_nice();
    crew->threads = permits;
    th_lanes_init(&crew->lanes, permits, most_threads - permits);
}

/* ---- Permits ---- */

/* Lock held: no permit is lost, none is there twice. */
TH_UNUSED static void audit_permits(const struct thrum_runtime *runtime)
{
    uint32_t held = 0, made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++) {
        uint32_t permit = th_atomic32_load_relaxed(&runtime->workers[i]->permit);
        held += permit == TH_PERMIT_BUSY || permit == TH_PERMIT_IDLE;
    }
    TH_ASSERT(held == runtime->worker_count);
}

bool th_crew_begin_idle(struct th_worker *worker)
{
    uint32_t busy = TH_PERMIT_BUSY;
    return th_atomic32_cas_relaxed(&worker->permit, &busy, TH_PERMIT_IDLE);
}

void th_crew_end_idle(struct th_worker *worker)
{
    th_atomic32_store_relaxed(&worker->permit, TH_PERMIT_BUSY);
}

/* ---- Spares ---- */

/* Lock held. */
static void list(struct th_crew *crew, struct th_worker *worker)
{
    th_atomic32_store_relaxed(&worker->sleep_word, 0);
    worker->next_sleeper = crew->spares;
    crew->spares = worker;
    crew->spare_count++;
    worker->is_sleeping = true;
}

/* Lock held: one among the list. */
static void unlist(struct th_crew *crew, struct th_worker *worker)
{
    struct th_worker **link = &crew->spares;
    while (*link != worker)
        link = &(*link)->next_sleeper;
    *link = worker->next_sleeper;
    crew->spare_count--;
    worker->is_sleeping = false;
}

/* Lock held: takes a spare off the list and tells it so, in one step: a word that is set later would end the spare's
 * next sleep, with the spare still on the list. */
static struct th_worker *call_spare(struct th_crew *crew)
{
    struct th_worker *spare = crew->spares;
    if (spare != NULL) {
        unlist(crew, spare);
        th_atomic32_store_release(&spare->sleep_word, 1); /* [S2] */
    }
    return spare;
}

/* Called under the lock, woken after it. */
static void wake(struct th_worker *spare)
{
    (void)th_sys_futex_wake(&spare->sleep_word, 1);
}

/* A thread that computes for long counts less than those that hold permits, so that the kernel does not queue them
 * behind it. Where it may not come back from that it goes once it is through (is_spent), but for the first: that is the
 * caller's of thrum_run. Lock held, or on the worker's own thread without a permit. */
static void weigh(struct th_worker *worker, bool is_low)
{
    const struct th_crew *crew = &worker->runtime->crew;
    int tid = (int)th_atomic32_load_relaxed(&worker->tid);
    bool may_return = crew->may_nice || worker->index == 0;
    /* It has just ended; to the kernel 0 is the caller, which is perhaps another. */
    if (tid == 0)
        return;
    if (crew->may_nice || (is_low && !may_return))
        may_return &= th_sys_thread_nice(tid, is_low ? LOW_NICE : crew->nice) == 0;
    else if (worker->index == 0 && crew->may_batch)
        (void)th_sys_thread_batch(tid, is_low);
    worker->is_spent |= !may_return && worker->index != 0;
}

bool th_crew_retake(struct th_worker *worker, uint32_t lane)
{
    struct th_crew *crew = &worker->runtime->crew;
    struct th_worker *spare = NULL;
    uint32_t busy = TH_PERMIT_BUSY;
    th_lock_take(&crew->lock);
    th_atomic32_store_relaxed(&worker->stuck_for, lane);
    th_atomic64_store_relaxed(&worker->stuck_since, (uint64_t)worker->watch.quiet_since);
    bool has_spare = crew->spares != NULL;
    if (has_spare && th_atomic32_cas_relaxed(&worker->permit, &busy, TH_PERMIT_TAKEN)) {
        th_atomic32_store_relaxed(&crew->spares->permit, TH_PERMIT_BUSY);
        spare = call_spare(crew);
        th_atomic64_store_relaxed(&crew->detached, th_atomic64_load_relaxed(&crew->detached) + 1);
        TH_AUDIT(audit_permits(worker->runtime));
        /* It cannot come back and undo it before the lock is left. */
        if (lane == TH_LANE_HOGS)
            weigh(worker, true);
    }
    th_lock_leave(&crew->lock);
    if (spare == NULL)
        return false;
    wake(spare);
    if ((worker->runtime->watches & TH_DEBUG_STALLS) != 0)
        th_watched_stall_begins(worker, (enum th_lane_kind)lane);
    return true;
}

void th_crew_wake_all(struct th_crew *crew)
{
    struct th_worker *spare;
    do {
        th_lock_take(&crew->lock);
        spare = call_spare(crew);
        th_lock_leave(&crew->lock);
        if (spare != NULL)
            wake(spare);
    } while (spare != NULL);
}

/* ---- Lanes ---- */

/* Lock held: the next task that may run, each lane in its turn; hogs alone where the thread counts less for good. */
static struct th_task *take_from_lanes(struct th_crew *crew, struct th_worker *worker)
{
    if (th_atomic32_load_relaxed(&crew->waiting) == 0)
        return NULL;
    for (uint32_t i = 0; i < TH_LANES; i++) {
        uint32_t kind = (worker->next_lane + i) % TH_LANES;
        bool may = th_lanes_room(&crew->lanes, kind) > 0 && (kind == TH_LANE_HOGS || !worker->is_spent);
        struct th_task *task = may ? th_queue_pop_oldest(&crew->lanes.of[kind].queue) : NULL;
        if (task == NULL)
            continue;
        (void)th_atomic32_sub_relaxed(&crew->waiting, 1);
        th_atomicptr_store_relaxed(&task->home, NULL);
        th_lanes_begin(&crew->lanes, kind);
        TH_ASSERT(worker->lane == TH_LANES && th_atomic32_load_relaxed(&worker->permit) == TH_PERMIT_NONE);
        worker->lane = kind;
        worker->next_lane = kind + 1;
        return task;
    }
    return NULL;
}

bool th_crew_has_room(struct th_crew *crew, enum th_lane_kind kind)
{
    th_lock_take(&crew->lock);
    bool has_room = th_queue_count(&crew->lanes.of[kind].queue) < th_lanes_room(&crew->lanes, kind);
    th_lock_leave(&crew->lock);
    return has_room;
}

void th_crew_put_aside(struct thrum_runtime *runtime, enum th_lane_kind kind, struct th_task *task)
{
    struct th_crew *crew = &runtime->crew;
    struct th_lane *lane = &crew->lanes.of[kind];
    struct th_worker *spare = NULL;
    th_lock_take(&crew->lock);
    th_queue_push_newest(&lane->queue, task);
    th_atomicptr_store_relaxed(&task->home, lane); /* no worker: nobody takes it out to run it in place */
    (void)th_atomic32_add_relaxed(&crew->waiting, 1);
    bool has_room = th_lanes_room(&crew->lanes, kind) > 0;
    if (has_room)
        spare = call_spare(crew);
    th_lock_leave(&crew->lock);
    if (spare != NULL)
        wake(spare);
    else if (has_room)
        th_monitor_notify(runtime);
}

bool th_crew_take_back(struct thrum_runtime *runtime, enum th_lane_kind kind, struct th_task *task, const void *arg)
{
    struct th_crew *crew = &runtime->crew;
    th_lock_take(&crew->lock);
    bool waits = th_atomicptr_load_relaxed(&task->home) == &crew->lanes.of[kind] && task->arg == arg;
    if (waits) {
        th_queue_remove(&crew->lanes.of[kind].queue, task);
        th_atomicptr_store_relaxed(&task->home, NULL);
        (void)th_atomic32_sub_relaxed(&crew->waiting, 1);
    }
    th_lock_leave(&crew->lock);
    return waits;
}

/* ---- Threads of one task alone ---- */

bool th_crew_claim_thread(struct th_crew *crew)
{
    th_lock_take(&crew->lock);
    bool may = crew->owned < crew->lanes.of[TH_LANE_OWN].most;
    crew->owned += may;
    th_lock_leave(&crew->lock);
    return may;
}

void th_crew_bring_home(struct th_task *task)
{
    struct th_worker *owner = th_worker_of(task->fiber);
    struct th_crew *crew = &owner->runtime->crew;
    th_lock_take(&crew->lock);
    TH_ASSERT(owner->is_bound && owner->home == NULL);
    owner->home = task;
    bool rests = owner->is_sleeping;
    if (rests) {
        owner->is_sleeping = false;
        crew->resting--;
        th_atomic32_store_release(&owner->sleep_word, 1); /* [S2] */
    }
    th_lock_leave(&crew->lock);
    if (rests)
        wake(owner);
}

/* The bound task, or NULL: the thread rests until it is brought. */
static struct th_task *take_home_or_rest(struct th_worker *worker)
{
    struct th_crew *crew = &worker->runtime->crew;
    th_lock_take(&crew->lock);
    struct th_task *task = worker->home;
    worker->home = NULL;
    if (task == NULL) {
        th_atomic32_store_relaxed(&worker->sleep_word, 0);
        worker->is_sleeping = true;
        crew->resting++;
    }
    th_lock_leave(&crew->lock);
    return task;
}

/* ---- Wants ---- */

uint32_t th_crew_wants(struct th_crew *crew, uint32_t reserve, bool *is_full)
{
    uint32_t wanted = reserve;
    th_lock_take(&crew->lock);
    for (uint32_t i = 0; i < TH_LANES; i++)
        wanted += th_lanes_due(&crew->lanes, i);
    *is_full = th_lanes_room(&crew->lanes, TH_LANE_BLOCKING) == 0 &&
               th_queue_count(&crew->lanes.of[TH_LANE_BLOCKING].queue) > 0;
    uint32_t there = crew->spare_count + crew->starting, room = crew->most - crew->threads;
    th_lock_leave(&crew->lock);
    wanted -= th_lane_lesser(there, wanted);
    *is_full |= wanted > 0 && room == 0;
    return th_lane_lesser(wanted, room);
}

/* ---- Threads come and go ---- */

struct th_worker *th_crew_reuse(struct th_crew *crew)
{
    th_lock_take(&crew->lock);
    struct th_worker *worker = crew->retired;
    if (worker != NULL)
        crew->retired = worker->next_sleeper;
    th_lock_leave(&crew->lock);
    return worker;
}

void th_crew_come(struct th_worker *worker)
{
    struct th_crew *crew = &worker->runtime->crew;
    worker->is_retired = worker->is_spent = false;
    worker->is_starting = true;
    th_lock_take(&crew->lock);
    crew->threads++;
    crew->starting++;
    th_lock_leave(&crew->lock);
}

/* Lock held: a thread has come up, or will not. */
static void count_started(struct th_crew *crew, struct th_worker *worker)
{
    crew->starting -= worker->is_starting;
    worker->is_starting = false;
}

void th_crew_gone(struct th_worker *worker)
{
    struct th_crew *crew = &worker->runtime->crew;
    th_lock_take(&crew->lock);
    crew->threads--;
    count_started(crew, worker);
    worker->next_sleeper = crew->retired;
    crew->retired = worker;
    th_lock_leave(&crew->lock);
    /* Whoever fell asleep last may have seen one thread too many. */
    if (worker->runtime->judge_rest != NULL && !TH_MUTANT(gone_in_silence))
        th_monitor_judge_again(worker->runtime, th_sys_now());
}

/* Tasks that may run, and a spare that sleeps: a lane got wider, or whoever left a place in one took another's task. */
static void call_for_lanes(struct th_crew *crew)
{
    struct th_worker *spare;
    uint32_t calls = 0;
    th_lock_take(&crew->lock);
    for (uint32_t i = 0; i < TH_LANES; i++)
        calls += th_lanes_due(&crew->lanes, i);
    th_lock_leave(&crew->lock);
    do {
        th_lock_take(&crew->lock);
        spare = calls > 0 ? call_spare(crew) : NULL;
        th_lock_leave(&crew->lock);
        if (spare != NULL)
            wake(spare);
    } while (spare != NULL && --calls > 0);
}

void th_crew_adapt(struct th_crew *crew, int64_t now)
{
    struct th_lane *lane = &crew->lanes.of[TH_LANE_HOGS];
    th_lock_take(&crew->lock);
    th_hogs_fade(&crew->hogs, now);
    if (th_queue_count(&lane->queue) == 0 || lane->running < lane->most) {
        crew->grown_at = now;
        if (lane->running <= lane->least)
            lane->most = lane->least;
    } else if (now - crew->grown_at > STILL_NS && lane->most < (crew->most - lane->least) / 2) {
        crew->grown_at = now;
        lane->most++;
    }
    th_lock_leave(&crew->lock);
    if (th_atomic32_load_relaxed(&crew->waiting) != 0)
        call_for_lanes(crew);
}

uint32_t th_crew_aside(struct thrum_runtime *runtime)
{
    struct th_crew *crew = &runtime->crew;
    th_lock_take(&crew->lock);
    uint32_t others = crew->spare_count + crew->resting + runtime->worker_count;
    uint32_t aside = crew->threads - th_lane_lesser(others, crew->threads);
    th_lock_leave(&crew->lock);
    return aside;
}

/* ---- A worker without a permit ---- */

enum verdict { NOTHING, GOT_STUCK, WAS_SHORT };

/* The worker sees that its permit is gone, if it is: true, and where what it ran belongs. */
static bool see_loss(struct th_worker *worker, uint32_t *lane)
{
    struct th_crew *crew = &worker->runtime->crew;
    if (th_atomic32_load_relaxed(&worker->permit) != TH_PERMIT_TAKEN)
        return false;
    th_atomic32_store_relaxed(&worker->permit, TH_PERMIT_NONE);
    *lane = th_atomic32_load_relaxed(&worker->stuck_for);
    th_worker_record_task(worker, TH_EVENT_BACK, 0, NULL);
    if (*lane == TH_LANE_HOGS) {
        th_lock_take(&crew->lock);
        weigh(worker, false);
        th_lock_leave(&crew->lock);
    }
    if ((worker->runtime->watches & TH_DEBUG_STALLS) != 0)
        th_watched_stall_ends(worker);
    return true;
}

/* What is to be said of the task that this worker leaves; gives up its place in a lane. */
static enum verdict leave_place(struct th_worker *worker, uint32_t *lane)
{
    struct th_crew *crew = &worker->runtime->crew;
    if (see_loss(worker, lane))
        return *lane != TH_LANES ? GOT_STUCK : NOTHING;
    *lane = worker->lane;
    if (*lane == TH_LANES)
        return NOTHING;
    worker->lane = TH_LANES;
    th_lock_take(&crew->lock);
    th_lanes_end(&crew->lanes, *lane);
    crew->owned -= *lane == TH_LANE_OWN;
    th_lock_leave(&crew->lock);
    if (*lane > TH_LANE_HOGS)
        return NOTHING;
    return th_sys_now() - worker->aside_since < SHORT_NS ? WAS_SHORT : GOT_STUCK;
}

void th_crew_task_ended(struct th_worker *worker, th_task_fn fn, bool was_one_dispatch)
{
    struct th_crew *crew = &worker->runtime->crew;
    uint32_t lane;
    enum verdict verdict = leave_place(worker, &lane);
    if (verdict == NOTHING || !was_one_dispatch)
        return;
    th_lock_take(&crew->lock);
    if (verdict == GOT_STUCK)
        th_hogs_blame(&crew->hogs, fn, lane);
    else
        th_hogs_praise(&crew->hogs, fn);
    th_lock_leave(&crew->lock);
}

static void remember(struct th_task *task, enum verdict verdict, uint32_t lane)
{
    if (verdict == GOT_STUCK) {
        task->flags &= ~(uint32_t)(TH_TASK_STUCK | TH_TASK_WAS_SHORT);
        task->flags |= lane == TH_LANE_HOGS ? TH_TASK_HOGS : TH_TASK_BLOCKS;
    } else if (verdict == WAS_SHORT && (task->flags & TH_TASK_WAS_SHORT) != 0) {
        task->flags &= ~(uint32_t)(TH_TASK_STUCK | TH_TASK_WAS_SHORT);
    } else if (verdict == WAS_SHORT) {
        task->flags |= TH_TASK_WAS_SHORT;
    }
}

void th_crew_leave_task(struct th_worker *worker)
{
    struct th_fiber *self = th_fiber_self();
    struct th_task *task = self != NULL ? self->task : NULL;
    uint32_t lane;
    worker->is_bound = task != NULL && (task->flags & TH_TASK_BOUND) != 0;
    if (worker->is_bound)
        return;
    enum verdict verdict = leave_place(worker, &lane);
    if (task != NULL)
        remember(task, verdict, lane);
}

/* All of a queue, newest first, in front of a chain. */
static struct th_task *empty_queue(struct th_queue *queue, struct th_task *newest, struct th_task **oldest)
{
    struct th_task *task;
    while ((task = th_queue_pop_oldest(queue)) != NULL) {
        th_atomicptr_store_relaxed(&task->home, NULL);
        if (newest == NULL)
            *oldest = task;
        task->next = newest;
        newest = task;
    }
    return newest;
}

void th_crew_hand_on(struct th_worker *worker)
{
    struct th_task *newest, *oldest;
    th_worker_enter(worker);
    if (th_worker_slot(worker) != NULL)
        th_queue_push_newest(&worker->ready, th_worker_slot(worker));
    th_worker_set_slot(worker, NULL);
    newest = empty_queue(&worker->ready, NULL, &oldest);
    newest = empty_queue(&worker->fresh, newest, &oldest);
    th_worker_leave(worker);
    if (newest == NULL)
        return;
    /* They live, so the runtime has not ended; at most somebody looks whether it may. */
    while (!th_inject_push_chain(&worker->runtime->inject, newest, oldest))
        th_cpu_relax();
    th_idle_notify(worker->runtime);
}

static bool is_stopped(const struct th_worker *worker)
{
    return th_atomic32_load_acquire(&worker->runtime->phase) == TH_PHASE_STOPPED; /* [Q2] */
}

/* A task from a lane; or NULL, and the worker is on the list of spares, unless the runtime has stopped or its thread is
 * of no more use. */
static struct th_task *take_or_list(struct th_worker *worker, bool *is_listed)
{
    struct th_crew *crew = &worker->runtime->crew;
    th_lock_take(&crew->lock);
    count_started(crew, worker);
    struct th_task *task = take_from_lanes(crew, worker);
    worker->is_retired = task == NULL && worker->is_spent;
    *is_listed = task == NULL && !worker->is_retired && (!is_stopped(worker) || TH_MUTANT(list_without_look));
    if (*is_listed)
        list(crew, worker);
    th_lock_leave(&crew->lock);
    return task;
}

/* Nobody has needed this spare for long: true if its thread may go. Timers that were armed here keep it: who disarms
 * one looks for it here. */
static bool may_retire(struct th_worker *worker)
{
    struct th_crew *crew = &worker->runtime->crew;
    if (th_timers_next(&worker->timers) != INT64_MAX)
        return false;
    th_lock_take(&crew->lock);
    bool may = worker->is_sleeping;
    if (may)
        unlist(crew, worker);
    th_lock_leave(&crew->lock);
    return may;
}

/* When to look whether it may. The first worker's thread is the caller's. */
static int64_t retire_at(const struct th_worker *worker)
{
    int64_t now = th_sys_now(), timer = th_timers_next(&worker->timers);
    if (worker->index == 0 || timer == INT64_MAX)
        return worker->index == 0 ? TH_SYS_FOREVER : now + SPARE_NS;
    return (timer > now ? timer : now) + SPARE_NS;
}

static void judge_before_sleep(struct th_worker *worker)
{
    /* It may have been this worker that ended the last task. */
    th_runtime_stop_if_drained(worker->runtime);
    /* Or that ran the last task which did not wait. */
    if (worker->runtime->judge_rest != NULL)
        (void)worker->runtime->judge_rest(worker->runtime);
}

/* Until the task that this thread is bound to goes on. */
static struct th_task *await_home(struct th_worker *worker)
{
    struct th_task *task;
    while ((task = take_home_or_rest(worker)) == NULL) {
        judge_before_sleep(worker);
        while (th_atomic32_load_acquire(&worker->sleep_word) == 0) /* [S2] */
            (void)th_sys_futex_wait(&worker->sleep_word, 0, TH_SYS_FOREVER);
    }
    return task;
}

static void sleep_as_spare(struct th_worker *worker)
{
    int64_t until = retire_at(worker);
    judge_before_sleep(worker);
    while (th_atomic32_load_acquire(&worker->sleep_word) == 0) { /* [S2] */
        if (th_sys_futex_wait(&worker->sleep_word, 0, until) != -ETIMEDOUT)
            continue;
        worker->is_retired = may_retire(worker);
        if (worker->is_retired)
            return;
        until = retire_at(worker);
    }
}

static void run_aside(struct th_worker *worker, struct th_task *task)
{
    bool is_hog = worker->lane == TH_LANE_HOGS;
    worker->aside_since = th_sys_now();
    th_worker_record_task(worker, TH_EVENT_ASIDE, task->id, task->fn);
    if (is_hog)
        weigh(worker, true);
    th_worker_enter(worker);
    th_worker_switch(&worker->thread.host, task);
    if (is_hog)
        weigh(worker, false);
    if (TH_UNLIKELY(worker->is_starved)) {
        /* There was no stack: the task is in the queue again, and is handed on. */
        worker->is_starved = false;
        th_sys_sleep_until(th_sys_now() + NO_STACK_NS);
    }
}

void th_crew_stand_by(struct th_worker *worker)
{
    while (!is_stopped(worker) && !worker->is_retired && !th_worker_has_permit(worker)) {
        /* It may have got one and lost it again between two tasks: a thread that is held up there looks stuck. */
        uint32_t lane;
        (void)see_loss(worker, &lane);
        th_crew_hand_on(worker);
        if (th_timers_next(&worker->timers) != INT64_MAX) {
            th_fence_seqcst(); /* [MO2] */
            th_monitor_want(worker->runtime);
        }
        bool is_listed = false;
        struct th_task *task = worker->is_bound ? await_home(worker) : take_or_list(worker, &is_listed);
        if (task != NULL)
            run_aside(worker, task);
        else if (is_listed)
            sleep_as_spare(worker);
    }
}
