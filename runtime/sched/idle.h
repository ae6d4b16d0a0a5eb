/*
 * Sleep and wake of workers.
 *
 * Waking a sleeping core costs the waker some 12 us and takes 25 to 50 us until it runs, a task may take 10 ns: so a
 * push wakes nobody. A worker that finds nothing searches for about as long as a wake takes, then sleeps. One of
 * the sleepers is the *napper*: while any worker runs it looks round every 100 us (doubling to 1 ms while it finds
 * nothing), and steals, or fires timers that a busy worker has no time for. When all others sleep too it lingers for
 * some naps and then sleeps like they do: an idle process uses no CPU. A worker that is woken while nobody naps
 * wakes one to be the napper.
 *
 * Work from outside is different, nobody else would run it: submit and sleep meet in `counts`.
 *
 *   counts     searching : 16 low, sleeping : 16 high
 *   submitter  pushes, then adds 0 to counts: sees who sleeps
 *   sleeper    adds itself to counts, then looks at the injection stack once more
 *
 *   [S1] release add of either -> acquire add of the other: both are read-modify-writes of one word, so one comes
 *        second and sees what the first did before. Either the submitter sees the sleeper, or the sleeper sees the
 *        task. (A seq-cst load in the submitter would not do: it may read an older value than the sleeper's.)
 * The napper that gives up, and whoever goes to sleep because there is one, look once more in the same way: if nobody
 * naps while somebody is awake, it does not sleep (th_idle_needs_napper).
 *
 * Once a task of the runtime has waited for a file descriptor, one of the sleepers sleeps in the poll source in place
 * of its word (the watch). Whoever goes to sleep takes the watch if nobody has it; so while it is free somebody is
 * awake. How a worker sleeps stands in its sleep_word, so that whoever wakes it knows how:
 *
 *   sleep_word   0 asleep on it -> 2 asleep in the poll source -> 0, by the sleeper; 0 or 2 -> 1 woken, by a waker
 *   [S3] release is_watched = 0 -> acquire is_watched = 1: one watches after the other
 *
 * Signal handlers post tasks, and so wake sleepers: signals wait while a thread holds the list's lock.
 *
 *   [S2] release sleep_word = 1 -> acquire sleep_word: the woken sees what the waker did.
 *
 * At most one wake is under way: a submitter that sees somebody search leaves it at that, for a searcher that finds
 * nothing goes through counts too before it sleeps.
 *
 * Explored by tests/model (model_idle; the whole loop: model_loop).
 */
#ifndef TH_SCHED_IDLE_H
#define TH_SCHED_IDLE_H

#include "sched/worker.h"

/* Wakes one sleeper, if there is one and nobody searches. */
void th_idle_wake_one(struct thrum_runtime *runtime);
void th_idle_wake_all(struct thrum_runtime *runtime);

TH_INLINE uint32_t th_idle_searching(const struct th_idle *idle)
{
    return th_atomic32_load_relaxed(&idle->counts) & 0xffff;
}

TH_INLINE uint32_t th_idle_sleeping(const struct th_idle *idle)
{
    return th_atomic32_load_relaxed(&idle->counts) >> 16;
}

/* A worker begins to search; false if enough do already, and it had better sleep at once. */
bool th_idle_begin_search(struct thrum_runtime *runtime);
/* It has found something. */
void th_idle_end_search(struct thrum_runtime *runtime);

/* Somebody is awake and nobody looks after him; asked by a worker that is counted as asleep itself. */
TH_INLINE bool th_idle_needs_napper(const struct thrum_runtime *runtime)
{
    return !TH_MUTANT(sleep_without_a_napper) && th_atomicptr_load_relaxed(&runtime->idle.napper) == NULL &&
           th_idle_sleeping(&runtime->idle) != runtime->worker_count;
}

/* This worker will never run: it counts as asleep for good. */
void th_idle_count_absent(struct thrum_runtime *runtime);

/* A worker has work that others could do: sees to it that one of them looks round now and then. */
TH_INLINE void th_idle_want_napper(struct thrum_runtime *runtime)
{
    if (TH_LIKELY(th_atomicptr_load_relaxed(&runtime->idle.napper) != NULL) || TH_MUTANT(work_without_a_napper))
        return;
    if (th_idle_sleeping(&runtime->idle) != 0)
        th_idle_wake_one(runtime);
}

/* From searching to sleeping, until woken or until `deadline`. Returns with the worker searching again: true if
 * woken, if tasks came from the poll source (worker->polled), or not slept at all, false if the deadline came. */
bool th_idle_sleep(struct th_worker *worker, int64_t deadline, bool (*has_work)(struct th_worker *worker));

/* Something came from outside: sees to it that somebody looks. */
void th_idle_notify(struct thrum_runtime *runtime);

#endif
