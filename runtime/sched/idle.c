#include "sched/idle.h"

#include "base/sys.h"

#include <errno.h>

enum { SEARCHER = 1, SLEEPER = 1 << 16 };

/* More searchers than half of the workers only take turns at finding nothing. */
bool th_idle_begin_search(struct thrum_runtime *runtime)
{
    uint32_t before = th_atomic32_add_relaxed(&runtime->idle.counts, SEARCHER);
    return (before & 0xffff) * 2 < runtime->worker_count;
}

void th_idle_end_search(struct thrum_runtime *runtime)
{
    (void)th_atomic32_sub_acqrel(&runtime->idle.counts, SEARCHER); /* [S1] [Y1] */
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

bool th_idle_sleep(struct th_worker *worker, int64_t deadline, bool (*has_work)(struct th_worker *worker))
{
    struct th_idle *idle = &worker->runtime->idle;
    sigset_t signals;
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
    while (th_atomic32_load_acquire(&worker->sleep_word) == 0) { /* [S2] */
        if (th_sys_futex_wait(&worker->sleep_word, 0, deadline) == -ETIMEDOUT) {
            stop_sleeping(worker);
            return th_atomic32_load_acquire(&worker->sleep_word) != 0; /* [S2] */
        }
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
 * sleeper's next sleep, with the sleeper still on the list. */
static void choose_to_wake(struct th_idle *idle, struct th_worker *worker)
{
    (void)unlist(idle, worker);
    count_sleeper_as_searcher(idle);
    if (!TH_MUTANT(wake_outside_the_lock))
        th_atomic32_store_release(&worker->sleep_word, 1); /* [S2] */
}

static void wake(struct th_worker *worker)
{
    if (TH_MUTANT(wake_outside_the_lock))
        th_atomic32_store_release(&worker->sleep_word, 1); /* [S2] */
    (void)th_sys_futex_wake(&worker->sleep_word, 1);
}

void th_idle_wake_one(struct thrum_runtime *runtime)
{
    struct th_idle *idle = &runtime->idle;
    struct th_worker *chosen = NULL;
    sigset_t signals;
    lock_list(idle, &signals);
    if (th_idle_searching(idle) == 0) {
        chosen = choose(idle);
        if (chosen != NULL)
            choose_to_wake(idle, chosen);
    }
    leave_list(idle, &signals);
    if (chosen != NULL)
        wake(chosen);
}

void th_idle_wake_all(struct thrum_runtime *runtime)
{
    struct th_idle *idle = &runtime->idle;
    sigset_t signals;
    for (;;) {
        lock_list(idle, &signals);
        struct th_worker *sleeper = idle->sleepers;
        if (sleeper != NULL)
            choose_to_wake(idle, sleeper);
        leave_list(idle, &signals);
        if (sleeper == NULL)
            return;
        wake(sleeper);
    }
}

void th_idle_notify(struct thrum_runtime *runtime)
{
    uint32_t counts = TH_MUTANT(notify_by_load) ? th_atomic32_load_seqcst(&runtime->idle.counts)    /* [S1] */
                                                : th_atomic32_add_acqrel(&runtime->idle.counts, 0); /* [S1] */
    if ((counts & 0xffff) == 0 && counts >> 16 != 0)
        th_idle_wake_one(runtime);
}
