/*
 * A small lock for cold paths, shared by OS threads: a word, a futex behind it.
 *
 * It blocks the thread, so nothing that may switch fibers is called while it is held, and holders do little.
 *
 * word     meaning                     who
 * 0        free
 * 1        held, nobody sleeps         lock: 0 -> 1
 * 2        held, somebody may sleep    lock, after a failed try: any -> 2
 *
 * [L1] release unlock -> acquire lock: what the last holder wrote is seen by the next.
 *
 * Explored by tests/model (model_lock).
 */
#ifndef TH_BASE_LOCK_H
#define TH_BASE_LOCK_H

#include "base/atomic.h"

struct th_lock {
    th_atomic32 word;
};

#define TH_LOCK_INIT              \
    {                             \
        .word = TH_ATOMIC_INIT(0) \
    }

void th_lock_contended(struct th_lock *lock);
void th_lock_wake(struct th_lock *lock);

TH_INLINE bool th_lock_try(struct th_lock *lock)
{
    uint32_t free = 0;
    return th_atomic32_cas_acquire(&lock->word, &free, 1); /* [L1] */
}

TH_INLINE void th_lock_take(struct th_lock *lock)
{
    if (TH_UNLIKELY(!th_lock_try(lock)))
        th_lock_contended(lock);
}

TH_INLINE void th_lock_leave(struct th_lock *lock)
{
    if (TH_UNLIKELY(th_atomic32_exchange_release(&lock->word, 0) == 2)) /* [L1] */
        th_lock_wake(lock);
}

#endif
