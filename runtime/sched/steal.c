#include "sched/steal.h"

#include "base/probe.h"
#include "base/sys.h"
#include "sched/idle.h"

enum {
    /* About what a wake costs: who would sleep for less had better not. */
    SEARCH_NS = 50000,
    /* Between two looks at file descriptors while searching: each is a system call. */
    POLL_EVERY_NS = TH_SHRUNK(10000, 0),
    /* A victim that has not answered by then is computing. */
    SILENCE_NS = TH_SHRUNK(40000, 0),
    /* Turns to wait for a victim that is inside just now (some 20 us). */
    FORCE_PATIENCE = TH_SHRUNK(500, 1),
    THEFT_WORTH_NS = 20000,
    THEFT_LASTING_NS = 200000,
    PAUSE_FIRST_NS = 20000,
    PAUSE_MOST_NS = 200000,
    NAP_FIRST_NS = 100000,
    NAP_MOST_NS = 1000000,
    /* Naps while everybody else sleeps, before the napper sleeps too: bursts that come closer than some 20 ms find
     * it awake. */
    LONELY_NAPS_MOST = TH_SHRUNK(20, 1),
    /* Free stacks whose pages are given back in one lonely nap: some 50 us of it. */
    TRIM_MOST = 256,
    /* A timer that is so late has a worker that is too busy. */
    TIMER_LATE_NS = 50000,
};

/* ---- Giving ---- */

/* Moves up to `most` of a queue's oldest tasks. */
static uint32_t take_oldest(struct th_queue *queue, struct th_task **to, uint32_t most)
{
    uint32_t count = 0;
    while (count < most) {
        struct th_task *task = th_queue_pop_oldest(queue);
        if (task == NULL)
            break;
        th_atomicptr_store_relaxed(&task->home, NULL);
        to[count++] = task;
    }
    return count;
}

static uint32_t at_most(uint32_t number, uint32_t most)
{
    return number < most ? number : most;
}

/* What a worker can spare, guard held by whoever calls. Fresh tasks first, they have no warm stack. A single ready task
 * runs soon where it is; a silent worker spares all it has. */
static uint32_t spare(struct th_worker *from, struct th_task **to, bool wants_half, bool is_silent)
{
    uint32_t fresh = th_queue_count(&from->fresh), ready = th_queue_count(&from->ready);
    if (fresh > 0)
        return take_oldest(&from->fresh, to, wants_half ? at_most((fresh + 1) / 2, TH_MAIL_MOST) : 1);
    struct th_task *slot = is_silent ? th_worker_slot(from) : NULL;
    if (slot != NULL) {
        th_queue_push_newest(&from->ready, slot);
        th_worker_set_slot(from, NULL);
        ready++;
    }
    return take_oldest(&from->ready, to, at_most(is_silent ? (ready + 1) / 2 : ready / 2, TH_MAIL_MOST));
}

void th_worker_answer(struct th_worker *worker, uint32_t asker)
{
    while (asker != 0) {
        if (th_guard_accept(&worker->guard, asker)) {
            struct th_worker *thief = worker->runtime->workers[asker - 1];
            bool wants_half = th_atomic32_load_relaxed(&thief->wants_half) != 0;
            uint32_t count = spare(worker, thief->mail.tasks, wants_half, false);
            th_atomic32_store_release(&thief->mail.state, 1 + count); /* [M1] */
            return;
        }
        /* Withdrawn, or turned into a revocation that waits for us to step outside. */
        th_guard_leave(&worker->guard);
        asker = th_guard_enter(&worker->guard);
    }
}

void th_worker_settle(struct th_worker *worker, uint32_t attention)
{
    th_worker_answer(worker, th_guard_settle(&worker->guard, attention));
}

/* ---- Taking ---- */

/* What there is to take. The slot counts where its owner does not come to it: it has lost its permit, or sits in one
 * task for long. */
static bool has_backlog(const struct th_worker *worker)
{
    if (th_queue_count(&worker->fresh) + th_queue_count(&worker->ready) > 0)
        return true;
    return th_worker_slot(worker) != NULL &&
           (!th_worker_has_permit(worker) ||
            (th_atomic32_load_relaxed(&worker->is_late) != 0 && !TH_MUTANT(leave_the_slot)));
}

/* Puts what was taken into the thief's own queues. */
static void receive(struct th_worker *thief, struct th_task **tasks, uint32_t count)
{
    th_worker_enter(thief);
    th_count_several(&thief->counters.steals, count > 0);
    th_count_several(&thief->counters.stolen, count);
    for (uint32_t i = 0; i < count; i++) {
        if (tasks[i]->fiber != NULL)
            th_queue_push_newest(&thief->ready, tasks[i]);
        else
            th_worker_add_fresh(thief, tasks[i]);
    }
    th_worker_leave(thief);
}

/* An answer is certain to come: it is being written. */
static bool collect(struct th_worker *thief)
{
    uint32_t state, turns = 0;
    while ((state = th_atomic32_load_acquire(&thief->mail.state)) == 0) { /* [M1] */
        if (++turns < 1000)
            th_cpu_relax();
        else
            th_sys_thread_yield();
    }
    th_atomic32_store_relaxed(&thief->mail.state, 0);
    receive(thief, thief->mail.tasks, state - 1);
    return state > 1;
}

static bool force(struct th_worker *thief, struct th_worker *victim)
{
    struct th_task *tasks[TH_MAIL_MOST];
    uint32_t count = 0;
    switch (th_guard_force(&victim->guard, thief->index + 1, FORCE_PATIENCE)) {
    case TH_GUARD_ACCEPTED:
        return collect(thief);
    case TH_GUARD_BUSY:
        return false;
    case TH_GUARD_INSIDE:
        count = spare(victim, tasks, true, true);
        th_guard_restore(&victim->guard);
        break;
    }
    receive(thief, tasks, count);
    return count > 0;
}

/* Asks one victim and waits for the outcome. */
static bool ask(struct th_worker *thief, struct th_worker *victim)
{
    uint32_t self = thief->index + 1;
    if (!th_guard_ask(&victim->guard, self))
        return false;
    int64_t give_up = th_sys_now() + SILENCE_NS;
    do {
        if (th_atomic32_load_relaxed(&thief->mail.state) != 0)
            return collect(thief);
        th_cpu_relax();
    } while (th_sys_now() < give_up);
    if (has_backlog(victim))
        return force(thief, victim);
    return !th_guard_withdraw(&victim->guard, self) && collect(thief);
}

static bool steal(struct th_worker *thief)
{
    struct thrum_runtime *runtime = thief->runtime;
    uint32_t count = th_runtime_made(runtime), first = th_random_below(&thief->random, count);
    for (uint32_t i = 0; i < count; i++) {
        struct th_worker *victim = runtime->workers[(first + i) % count];
        if (victim != thief && has_backlog(victim) && ask(thief, victim)) {
            thief->stolen_at = th_sys_now();
            th_worker_record(thief, thief->stolen_at, TH_EVENT_STEAL, victim->index);
            TH_PROBE2(steal, thief->index, victim->index);
            return true;
        }
    }
    return false;
}

/* The thief has nothing again: was its last theft worth the trip? */
static void judge_theft(struct th_worker *thief, int64_t now)
{
    if (thief->stolen_at == 0)
        return;
    int64_t lasted = now - thief->stolen_at;
    thief->stolen_at = 0;
    th_atomic32_store_relaxed(&thief->wants_half, lasted > THEFT_LASTING_NS);
    if (lasted >= THEFT_WORTH_NS)
        thief->pause_ns = 0;
    else
        thief->pause_ns = thief->pause_ns == 0                  ? PAUSE_FIRST_NS
                          : thief->pause_ns * 2 > PAUSE_MOST_NS ? PAUSE_MOST_NS
                                                                : thief->pause_ns * 2;
    thief->ask_after = now + thief->pause_ns;
}

/* ---- Nothing to do ---- */

/* Something that is not in anybody's queue: the next pick looks there first. */
static bool look_outside(struct th_worker *worker)
{
    worker->fair_next = (uint32_t)th_atomic64_load_relaxed(&worker->dispatches) + 1;
    return true;
}

/* What file descriptors have to give, without waiting. */
static bool look_at_poll_source(struct th_worker *worker, int64_t now)
{
    struct th_poll_source *source = th_runtime_poll_source(worker->runtime);
    if (source == NULL || now < worker->poll_after)
        return false;
    worker->poll_after = now + POLL_EVERY_NS;
    th_count(&worker->counters.polls);
    worker->polled = source->poll(source, now, 0);
    return worker->polled != NULL;
}

/* What the poll source has given goes into the queue; true if it was a single task. */
static bool take_polled(struct th_worker *worker)
{
    struct th_task *polled = worker->polled;
    if (polled == NULL)
        return false;
    worker->polled = NULL;
    th_worker_enter(worker);
    uint32_t count = th_worker_add_polled(worker, polled);
    th_worker_record(worker, worker->clock, TH_EVENT_POLL, count);
    TH_PROBE2(poll, worker->index, count);
    th_worker_leave(worker);
    return count == 1;
}

static bool look(struct th_worker *worker, int64_t now)
{
    if (th_atomic32_load_acquire(&worker->runtime->phase) == TH_PHASE_STOPPED) /* [Q2] */
        return true;
    if (worker->polled != NULL)
        return true;
    if (!th_inject_is_empty(&worker->runtime->inject))
        return look_outside(worker);
    if (worker->is_starved && worker->starved_until <= now)
        return look_outside(worker);
    if ((int64_t)th_atomic64_load_relaxed(&worker->timers.next) <= now)
        return look_outside(worker);
    return look_at_poll_source(worker, now) || (now >= worker->ask_after && steal(worker));
}

/* What a sleeper looks at once more after it has told that it sleeps. */
static bool has_outside_work(struct th_worker *worker)
{
    th_runtime_stop_if_drained(worker->runtime);
    return th_atomic32_load_acquire(&worker->runtime->phase) == TH_PHASE_STOPPED || /* [Q2] */
           !th_inject_is_empty(&worker->runtime->inject);
}

/* The same before a sleep without end: its deadline is the worker's own alone. */
static bool must_stay_awake(struct th_worker *worker)
{
    struct thrum_runtime *runtime = worker->runtime;
    return has_outside_work(worker) || th_idle_needs_napper(runtime) ||
           (runtime->judge_rest != NULL && th_idle_sleeping(&runtime->idle) == runtime->worker_count &&
            runtime->judge_rest(runtime));
}

/* The napper fires what others have no time for. */
static bool fire_for_others(struct th_worker *worker, int64_t now)
{
    size_t fired = 0;
    uint32_t made = th_runtime_made(worker->runtime);
    th_worker_enter(worker);
    for (uint32_t i = 0; i < made; i++)
        fired += th_worker_fire(worker, &worker->runtime->workers[i]->timers, now - TIMER_LATE_NS);
    th_worker_leave(worker);
    return fired > 0;
}

static bool everybody_sleeps(const struct th_idle *idle, uint32_t worker_count)
{
    /* All but this one, which counts as searching between its naps. */
    return th_idle_sleeping(idle) + 1 == worker_count;
}

static int64_t own_deadline(const struct th_worker *worker)
{
    int64_t next = (int64_t)th_atomic64_load_relaxed(&worker->timers.next);
    return worker->is_starved && worker->starved_until < next ? worker->starved_until : next;
}

static bool search_for(struct th_worker *worker, int64_t span)
{
    int64_t now = th_sys_now(), until = now + span;
    while (now < until) {
        if (look(worker, now))
            return true;
        th_cpu_relax();
        now = th_sys_now();
    }
    return false;
}

/* Naps until there is something to do, or until everybody has slept for some time. */
static bool nap(struct th_worker *worker)
{
    struct th_idle *idle = &worker->runtime->idle;
    int64_t span = NAP_FIRST_NS;
    uint32_t lonely = 0;
    while (lonely < LONELY_NAPS_MOST) {
        int64_t now = th_sys_now(), deadline = own_deadline(worker);
        if (th_idle_sleep(worker, deadline < now + span ? deadline : now + span, has_outside_work) ||
            look(worker, now = th_sys_now()) || fire_for_others(worker, now))
            return true;
        lonely = everybody_sleeps(idle, worker->runtime->worker_count) ? lonely + 1 : 0;
        /* Nobody needs the time: first the depths of free stacks, then, if it stays quiet, the coldest whole. */
        if (lonely > 0)
            (void)th_stack_trim(TRIM_MOST, lonely > LONELY_NAPS_MOST / 2);
        span = span * 2 < NAP_MOST_NS ? span * 2 : NAP_MOST_NS;
    }
    return false;
}

/* How long to search before a sleep. Who spins where more threads are awake than there are cores takes the core from
 * those who could make work for it. Who is awake alone has nobody to steal from, and file descriptors end a sleep. */
static int64_t search_span(struct thrum_runtime *runtime)
{
    uint32_t awake = runtime->worker_count - th_idle_sleeping(&runtime->idle) + th_crew_aside(runtime);
    if (awake == 1 && th_runtime_poll_source(runtime) != NULL)
        return 0;
    return awake > runtime->cores ? 0 : SEARCH_NS;
}

void th_steal_find_work(struct th_worker *worker)
{
    struct th_idle *idle = &worker->runtime->idle;
    int64_t began = th_sys_now();
    uint64_t slept = th_atomic64_load_relaxed(&worker->counters.sleeps);
    judge_theft(worker, began);
    th_worker_record(worker, began, TH_EVENT_IDLE, 0);
    bool may_search = th_idle_begin_search(worker->runtime);
    bool found = look(worker, th_sys_now()) || (may_search && search_for(worker, search_span(worker->runtime)));
    while (!found) {
        void *nobody = NULL;
        bool is_napper = th_atomicptr_cas_relaxed(&idle->napper, &nobody, worker);
        bool was_woken = is_napper ? nap(worker) : false;
        if (is_napper)
            th_atomicptr_store_relaxed(&idle->napper, NULL);
        if (was_woken)
            break;
        (void)th_idle_sleep(worker, own_deadline(worker), must_stay_awake);
        found = look(worker, th_sys_now()) || search_for(worker, search_span(worker->runtime));
    }
    worker->clock = th_sys_now();
    slept = th_atomic64_load_relaxed(&worker->counters.sleeps) - slept;
    th_worker_record(worker, worker->clock, TH_EVENT_BUSY, (uint32_t)slept);
    th_idle_end_search(worker->runtime);
    th_monitor_want(worker->runtime);
    /* A wake costs more than most answers to a single message. */
    if (take_polled(worker))
        return;
    /* Whatever this worker does now, it may do it for long. */
    th_idle_want_napper(worker->runtime);
}

void th_steal_sleep(struct th_worker *worker)
{
    (void)th_idle_begin_search(worker->runtime);
    (void)th_idle_sleep(worker, TH_SYS_FOREVER, must_stay_awake);
    th_idle_end_search(worker->runtime);
    (void)take_polled(worker);
}
