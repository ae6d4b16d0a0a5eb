/*
 * What a worker counts, beside what its ledger and the monitor count anyway (spawned, finished, dispatches).
 *
 * Each counter is written by its worker's thread alone and read by anybody, relaxed: an increment is one instruction
 * and no counter orders anything. Sums over workers are of slightly different moments.
 */
#ifndef TH_SCHED_COUNTERS_H
#define TH_SCHED_COUNTERS_H

#include "base/atomic.h"

/* Key: a atomic, written by the owner. */
struct th_counters {
    th_atomic64 parks;          /* a: tasks that left to wait */
    th_atomic64 ended_by_time;  /* a: waits whose time was over */
    th_atomic64 ended_by_scope; /* a: waits that a cancel or a scope's deadline ended */
    th_atomic64 wakes;          /* a: tasks that waited, made ready here */
    th_atomic64 timers;         /* a: timers fired, anybody's */
    th_atomic64 polls;          /* a: looks at file descriptors */
    th_atomic64 steals;         /* a: thefts that brought something */
    th_atomic64 stolen;         /* a: tasks that they brought */
    th_atomic64 sleeps;         /* a: times that the thread went to sleep */
};

/*
 * How long tasks that were woken were ready before they ran: of one wake in some hundred, for each takes two looks at
 * the clock. Bucket i has those of at most 2^i microseconds, the last one all others.
 */
enum { TH_READY_BUCKETS = 24 };

/* Key: as above. */
struct th_ready_spans {
    th_atomic64 buckets[TH_READY_BUCKETS + 1]; /* a */
    th_atomic64 sum_ns;                        /* a */
};

TH_INLINE void th_count(th_atomic64 *counter)
{
    TH_INCREMENT(&counter->value);
}

/* The same for several at once, off the fast paths. */
TH_INLINE void th_count_several(th_atomic64 *counter, uint64_t count)
{
    th_atomic64_store_relaxed(counter, th_atomic64_load_relaxed(counter) + count);
}

TH_INLINE void th_count_ready(struct th_ready_spans *spans, int64_t ns)
{
    uint64_t us = ns > 1000 ? ((uint64_t)ns + 999) / 1000 : 1;
    int bucket = us > 1 ? 64 - __builtin_clzll(us - 1) : 0;
    th_count(&spans->buckets[bucket < TH_READY_BUCKETS ? bucket : TH_READY_BUCKETS]);
    th_count_several(&spans->sum_ns, ns > 0 ? (uint64_t)ns : 0);
}

#endif
