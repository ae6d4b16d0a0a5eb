#include "sched/idle.h"

#include "base/sys.h"

#include <errno.h>

enum { SEARCHER = 1, SLEEPER = 1 << 16 };

/* A worker's sleep_word. */
enum { ASLEEP, WOKEN, ASLEEP_IN_POLL };

/* More searchers than half of the workers only take turns at finding nothing. */
bool th_idle_begin_search(struct thrum_runtime *runtime)
{
    uint32_t before = th_atomic32_add_relaxed(&runtime->idle.counts, SEARCHER);
    return (before & 0xffff) * 2 < runtime->worker_count;
}

void th_idle_end_search(struct thrum_runtime *runtime)
{
    (void)th_atomic32_sub_acqrel(&runtime->idle.counts, SEARCHER); /* [S1] [MO1] */
}

void th_idle_count_absent(struct thrum_runtime *runtime)
{
    (void)th_atomic32_add_relaxed(&runtime->idle.counts, SLEEPER);
}

static void lock_list(struct th_idle *idle, sigset_t *signals)
{
    th_sys_signals_hold(signals);
    th_lock_take(&idle->lock);
}

static void leave_list(struct th_idle *idle, const sigset_t *signals)
{
    th_lock_leave(&idle->lock);
    th_sys_signals_release(signals);
}

/* Takes a worker off the list of sleepers; idle.lock held. False if somebody has done so: it is being woken. */
static bool unlist(struct th_idle *idle, struct th_worker *worker)
{
    if (!worker->is_sleeping)
        return false;
    struct th_worker **link = &idle->sleepers;
    while (*link != worker)
        link = &(*link)->next_sleeper;
    *link = worker->next_sleeper;
    worker->is_sleeping = false;
    return true;
}

/* A worker that sleeps no more searches: in one step, so that nobody sees it as neither. */
static void count_sleeper_as_searcher(struct th_idle *idle)
{
    (void)th_atomic32_sub_relaxed(&idle->counts, SLEEPER - SEARCHER);
}

static void stop_sleeping(struct th_worker *worker)
{
    struct th_idle *idle = &worker->runtime->idle;
    sigset_t signals;
    lock_list(idle, &signals);
    if (unlist(idle, worker))
        count_sleeper_as_searcher(idle);
    leave_list(idle, &signals);
}

/* One sleeper at a time sleeps in the poll source, the others on their words. The napper looks there between its naps,
 * and leaves the watch to those who are awake and will sleep soon: else each event would wake two. */
static bool begin_watch(struct th_worker *worker, struct th_poll_source *source)
{
    struct thrum_runtime *runtime = worker->runtime;
    uint32_t nobody = 0;
    if (th_atomicptr_load_relaxed(&runtime->idle.napper) == worker &&
        th_idle_sleeping(&runtime->idle) != runtime->worker_count)
        return false;
    return th_atomic32_load_relaxed(&source->is_watched) == 0 &&
           th_atomic32_cas_acquire(&source->is_watched, &nobody, 1); /* [S3] */
}

/* Sleeps in the poll source; true if it brought tasks. */
static bool watch(struct th_worker *worker, struct th_poll_source *source, int64_t deadline)
{
    uint32_t asleep = ASLEEP;
    if (th_atomic32_cas_relaxed(&worker->sleep_word, &asleep, ASLEEP_IN_POLL)) {
        worker->polled = source->poll(source, th_sys_now(), deadline);
        asleep = ASLEEP_IN_POLL;
        (void)th_atomic32_cas_relaxed(&worker->sleep_word, &asleep, ASLEEP);
    }
    th_atomic32_store_release(&source->is_watched, 0); /* [S3] */
    if (worker->polled == NULL)
        return false;
    stop_sleeping(worker);
    return true;
}

bool th_idle_sleep(struct th_worker *worker, int64_t deadline, bool (*has_work)(struct th_worker *worker))
{
    struct th_idle *idle = &worker->runtime->idle;
    sigset_t signals;
    th_count(&worker->counters.sleeps);
    th_atomic32_store_relaxed(&worker->sleep_word, 0);
    lock_list(idle, &signals);
    worker->next_sleeper = idle->sleepers;
    worker->is_sleeping = true;
    idle->sleepers = worker;
    (void)th_atomic32_add_acqrel(&idle->counts, SLEEPER - SEARCHER); /* [S1] */
    leave_list(idle, &signals);
    if (!TH_MUTANT(sleep_without_look) && has_work(worker)) {
        stop_sleeping(worker);
        return true;
    }
    while (th_atomic32_load_acquire(&worker->sleep_word) == ASLEEP) { /* [S2] */
        struct th_poll_source *source = th_runtime_poll_source(worker->runtime);
        if (source != NULL && begin_watch(worker, source)) {
            if (watch(worker, source, deadline))
                return true;
            if (th_sys_now() < deadline)
                continue;
        } else if (th_sys_futex_wait(&worker->sleep_word, ASLEEP, deadline) != -ETIMEDOUT) {
            continue;
        }
        stop_sleeping(worker);
        return th_atomic32_load_acquire(&worker->sleep_word) != ASLEEP; /* [S2] */
    }
    return true;
}

/* The sleeper to wake: the napper, whose sleep is the lightest, else who slept last, whose cache is the warmest. */
static struct th_worker *choose(struct th_idle *idle)
{
    struct th_worker *napper = th_atomicptr_load_relaxed(&idle->napper);
    return napper != NULL && napper->is_sleeping ? napper : idle->sleepers;
}

/* Takes a sleeper off the list and tells it so; list locked. Both in one step: a word that is set later would end the
 * sleeper's next sleep, with the sleeper still on the list. Returns how it slept. */
static uint32_t choose_to_wake(struct th_idle *idle, struct th_worker *worker)
{
    (void)unlist(idle, worker);
    count_sleeper_as_searcher(idle);
    return TH_MUTANT(wake_outside_the_lock) ? ASLEEP
                                            : th_atomic32_exchange_release(&worker->sleep_word, WOKEN); /* [S2] */
}

static void wake(struct th_worker *worker, uint32_t slept)
{
    if (TH_MUTANT(wake_outside_the_lock))
        slept = th_atomic32_exchange_release(&worker->sleep_word, WOKEN); /* [S2] */
    if (slept == ASLEEP_IN_POLL) {
        struct th_poll_source *source = th_runtime_poll_source(worker->runtime);
        source->interrupt(source);
    } else {
        (void)th_sys_futex_wake(&worker->sleep_word, 1);
    }
}

void th_idle_wake_one(struct thrum_runtime *runtime)
{
    struct th_idle *idle = &runtime->idle;
    struct th_worker *chosen = NULL;
    uint32_t slept = ASLEEP;
    sigset_t signals;
    lock_list(idle, &signals);
    if (th_idle_searching(idle) == 0) {
        chosen = choose(idle);
        if (chosen != NULL)
            slept = choose_to_wake(idle, chosen);
    }
    leave_list(idle, &signals);
    if (chosen != NULL)
        wake(chosen, slept);
}

void th_idle_wake_all(struct thrum_runtime *runtime)
{
    struct th_idle *idle = &runtime->idle;
    sigset_t signals;
    for (;;) {
        lock_list(idle, &signals);
        struct th_worker *sleeper = idle->sleepers;
        uint32_t slept = sleeper != NULL ? choose_to_wake(idle, sleeper) : ASLEEP;
        leave_list(idle, &signals);
        if (sleeper == NULL)
            return;
        wake(sleeper, slept);
    }
}

void th_idle_notify(struct thrum_runtime *runtime)
{
    uint32_t counts = TH_MUTANT(notify_by_load) ? th_atomic32_load_seqcst(&runtime->idle.counts)    /* [S1] */
                                                : th_atomic32_add_acqrel(&runtime->idle.counts, 0); /* [S1] */
    if ((counts & 0xffff) == 0 && counts >> 16 != 0)
        th_idle_wake_one(runtime);
}
