/*
 * The timers of one worker: a heap of deadlines that any thread may use, under a lock of its own.
 *
 * Nothing here calls the scheduler: th_timers_due returns whose deadline has come, the caller wakes them.
 *
 * A heap entry is 16 bytes {deadline, sequence, slot}, four children to a cache line. What belongs to a timer and
 * does not take part in comparing stands beside the heap in tables by slot, so that neither sifting nor firing touches
 * the struct th_timer, which lies on a sleeper's stack: a million sleepers are a million cold pages. Rejected: pointers
 * in the entries (sifting writes each moved timer's index, a page each), a wheel (coarse deadlines, or cascades), lazy
 * removal (a cancelled timer would stay to its deadline: an hour of timeouts of a busy server).
 *
 * Invariant: count = slots used so far - free slots; positions[heap[i].slot] = i for i < count.
 *
 * A timer is armed as long as positions[slot] leads to an entry with its slot and its sequence; this is how disarm
 * knows a timer that has fired, whatever became of its slot since. It could be fooled by one that fired exactly
 * 2^32 armings ago. The same wrap bounds "in order of arming" to 2^31 armings between two equal deadlines.
 *
 * Who may touch a struct th_timer: its user, while it is not armed; under the lock, the heap, while it is armed. Once
 * a timer is due nothing touches it, and its memory may be gone when th_timers_due has returned, or before
 * th_timer_arm has.
 *
 * `next` is relaxed: it is a hint of what the lock guards. Who reads that a timer is due and then takes the lock finds
 * it (or finds that another was quicker); who must not overlook a timer that another thread is arming brings the
 * fence, as the sleep of a worker does.
 *
 * Explored by tests/model (model_timer) and by the threads of tests/sched/test_timer.c.
 */
#ifndef TH_SCHED_TIMER_H
#define TH_SCHED_TIMER_H

#include "base/atomic.h"
#include "base/lock.h"

struct th_timer_entry;
struct th_timer_holder;

/* Key: a atomic, l the lock's. */
struct th_timers {
    th_atomic64 next;                              /* a: the earliest deadline, INT64_MAX when there is none */
    struct th_lock lock TH_ALIGNED(TH_CACHE_LINE); /* apart from next, which others read while this worker arms */
    uint32_t count;                                /* l: armed */
    uint32_t capacity;                             /* l: of the heap and of each table */
    uint32_t slots_used;                           /* l: slots above were never used */
    uint32_t free;                                 /* l: the slot freed last, linked through positions */
    uint32_t sequence;                             /* l: of the next arming */
    struct th_timer_entry *heap;                   /* l: four children each, heap[0] is the earliest */
    uint32_t *positions;                           /* l: by slot, its place in the heap; or the next free slot */
    struct th_timer_holder *holders;               /* l: by slot, what due returns */
};

/* Its user's memory. All zero: not armed. */
struct th_timer {
    struct th_timers *timers; /* NULL: not armed. Else it may be, which the heap knows */
    uint32_t slot;
    uint32_t sequence;
};

struct th_timer_due {
    void *owner;
    uint32_t epoch;
};

void th_timers_init(struct th_timers *timers);
/* Timers that are still armed are forgotten; they must not be disarmed any more. */
void th_timers_fini(struct th_timers *timers);

/* 0, or -ENOMEM and the timer is not armed. The timer may fire, and its memory be gone, before this returns. */
int th_timer_arm(struct th_timers *timers, struct th_timer *timer, int64_t deadline, void *owner, uint32_t epoch);

/* True: was armed and never fires. False: was not, or th_timers_due returns it to somebody. Any thread, but
 * only while nobody else arms or disarms this timer, and its memory lives. */
bool th_timer_disarm(struct th_timer *timer);

/* Removes timers with deadline <= now, at most `most`, earliest first, equal ones in order of arming; returns how
 * many. Any thread. */
size_t th_timers_due(struct th_timers *timers, int64_t now, struct th_timer_due *due, size_t most);

TH_INLINE int64_t th_timers_next(const struct th_timers *timers)
{
    return (int64_t)th_atomic64_load_relaxed(&timers->next);
}

#endif
