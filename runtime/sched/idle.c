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
    (void)th_atomic32_sub_relaxed(&runtime->idle.counts, SEARCHER);
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

/* Ends another worker's sleep; idle.lock held. Its word is written in here, or it could come so late that it ended the
 * next sleep, of a worker that is on the list. */
static void end_sleep(struct th_idle *idle, struct th_worker *worker)
{
    if (!unlist(idle, worker))
        return;
    count_sleeper_as_searcher(idle);
    if (!TH_MUTANT(wake_outside_the_lock))
        th_atomic32_store_release(&worker->sleep_word, 1); /* [S2] */
}

/* The sleeper to wake: the napper, whose sleep is the lightest, else who slept last, whose cache is the warmest. */
static struct th_worker *choose(struct th_idle *idle)
{
    struct th_worker *napper = th_atomicptr_load_relaxed(&idle->napper);
    return napper != NULL && napper->is_sleeping ? napper : idle->sleepers;
}

/* Only the kernel's part of it, which may be late: a sleeper looks at its word. */
static void rouse(struct th_worker *worker)
{
    if (TH_MUTANT(wake_outside_the_lock))
        th_atomic32_store_release(&worker->sleep_word, 1); /* [S2] */
    (void)th_sys_futex_wake(&worker->sleep_word, 1);
}

/* Wakes one, if nobody searches; false if the lock is taken. */
static bool try_wake_one(struct th_idle *idle)
{
    struct th_worker *chosen = NULL;
    if (!th_lock_try(&idle->lock))
        return false;
    (void)th_atomic32_exchange_acquire(&idle->owed, 0); /* [S4] */
    if (th_idle_searching(idle) == 0) {
        chosen = choose(idle);
        if (chosen != NULL)
            end_sleep(idle, chosen);
    }
    th_lock_leave(&idle->lock);
    if (chosen != NULL)
        rouse(chosen);
    return true;
}

/* After the lock was left: does what others wanted to do meanwhile. Who cannot get it leaves that to the holder. */
static void pay(struct th_idle *idle)
{
    if (!TH_MUTANT(leave_without_fence))
        th_fence_seqcst(); /* [S3] */
    while (!TH_MUTANT(leave_without_look) && th_atomic32_load_relaxed(&idle->owed) != 0 && try_wake_one(idle))
        th_fence_seqcst(); /* [S3] */
}

static void leave(struct th_idle *idle)
{
    th_lock_leave(&idle->lock);
    pay(idle);
}

static void stop_sleeping(struct th_worker *worker)
{
    struct th_idle *idle = &worker->runtime->idle;
    th_lock_take(&idle->lock);
    if (unlist(idle, worker))
        count_sleeper_as_searcher(idle);
    leave(idle);
}

bool th_idle_sleep(struct th_worker *worker, int64_t deadline, bool (*has_work)(struct th_worker *worker))
{
    struct th_idle *idle = &worker->runtime->idle;
    th_lock_take(&idle->lock);
    th_atomic32_store_relaxed(&worker->sleep_word, 0);
    worker->next_sleeper = idle->sleepers;
    worker->is_sleeping = true;
    idle->sleepers = worker;
    (void)th_atomic32_add_acqrel(&idle->counts, SLEEPER - SEARCHER); /* [S1] */
    leave(idle);
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

void th_idle_wake_one(struct thrum_runtime *runtime)
{
    struct th_idle *idle = &runtime->idle;
    if (!try_wake_one(idle))
        (void)th_atomic32_exchange_release(&idle->owed, 1); /* [S4] */
    pay(idle);
}

void th_idle_wake_all(struct thrum_runtime *runtime)
{
    struct th_idle *idle = &runtime->idle;
    for (;;) {
        th_lock_take(&idle->lock);
        struct th_worker *sleeper = idle->sleepers;
        if (sleeper != NULL)
            end_sleep(idle, sleeper);
        leave(idle);
        if (sleeper == NULL)
            return;
        rouse(sleeper);
    }
}

void th_idle_notify(struct thrum_runtime *runtime)
{
    uint32_t counts = TH_MUTANT(notify_by_load) ? th_atomic32_load_seqcst(&runtime->idle.counts)    /* [S1] */
                                                : th_atomic32_add_acqrel(&runtime->idle.counts, 0); /* [S1] */
    if ((counts & 0xffff) == 0 && counts >> 16 != 0)
        th_idle_wake_one(runtime);
}
