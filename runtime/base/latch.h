/*
 * A latch: the smallest lock, for what holds it some tens of nanoseconds and never switches.
 *
 * It costs one read-modify-write where base/lock.h costs two: who leaves it stores a zero and looks at nobody. So
 * nobody is woken: who waits stands back for some microseconds, then gives its core away, then naps for a while that
 * grows. A holder that was taken off its core costs the others a nap more than it takes to come back.
 *
 * Called in tasks and in threads. What is under it may be freed by the next holder: the store is the last touch.
 *
 *   [L2] release leave -> acquire take: what the last holder wrote is seen by the next
 *
 * Rejected: base/lock.h here (its exchange at leaving was a tenth of a channel's round trip); a queue of waiters (it
 * makes each wait for whoever is off its core in front of it); taking it the moment it is free (two workers on one
 * channel then have it by turns: 49 ns a message where standing back makes it 21).
 *
 * Explored by tests/model (model_latch).
 */
#ifndef TH_BASE_LATCH_H
#define TH_BASE_LATCH_H

#include "base/atomic.h"

struct th_latch {
    th_atomic32 word; /* a: 1 while it is held */
};

void th_latch_wait(struct th_latch *latch);

/* The turn-th turn of waiting for a word to become another than `now`, which nobody wakes for: spins at first, then
 * gives the core away, then naps. For what somebody does within some tens of nanoseconds, unless he was taken off his
 * core. */
void th_latch_pause(th_atomic32 *word, uint32_t now, uint32_t turn);

TH_INLINE bool th_latch_try(struct th_latch *latch)
{
    uint32_t free = 0;
    return th_atomic32_cas_acquire(&latch->word, &free, 1); /* [L2] */
}

TH_INLINE void th_latch_take(struct th_latch *latch)
{
    if (TH_UNLIKELY(!th_latch_try(latch)))
        th_latch_wait(latch);
}

TH_INLINE void th_latch_leave(struct th_latch *latch)
{
    th_atomic32_store_release(&latch->word, 0); /* [L2] */
}

#endif
