#include "base/lock.h"

#include "base/sys.h"

/* A holder does some hundred nanoseconds of work; a sleep and its wake cost some ten thousand. */
enum { SPINS = 100 };

void th_lock_contended(struct th_lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        if (th_atomic32_load_relaxed(&lock->word) == 0 && th_lock_try(lock))
            return;
        th_cpu_relax();
    }
    /* Whoever had to come here cannot know whether others sleep too: the word says 2 from now on. */
    while (th_atomic32_exchange_acquire(&lock->word, 2) != 0) /* [L1] */
        (void)th_sys_futex_wait(&lock->word, 2, TH_SYS_FOREVER);
}

void th_lock_wake(struct th_lock *lock)
{
    (void)th_sys_futex_wake(&lock->word, 1);
}
