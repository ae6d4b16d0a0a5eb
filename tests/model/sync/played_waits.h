/*
 * Waiting as task/await.h promises it, played by the checker's threads: a word for each of them that outlives its
 * waits, as a task's does, so that a wait can be cancelled by whoever knows the thread. One wait for each thread.
 */
#ifndef MODEL_PLAYED_WAITS_H
#define MODEL_PLAYED_WAITS_H

#include "base/sys.h"
#include "model/model.h"
#include "task/await.h"

#include <errno.h>

enum { ASLEEP = 0 };

static th_atomic32 words[MODEL_THREADS]; /* 1 + reason */

int th_await_begin(struct th_waiter *waiter)
{
    waiter->epoch = (uint32_t)th_model_self();
    return 0;
}

void th_await_abandon(struct th_waiter *waiter)
{
    (void)waiter;
}

static bool end_wait(uint32_t of, uint32_t reason)
{
    uint32_t asleep = ASLEEP;
    if (!th_atomic32_cas_acqrel(&words[of], &asleep, 1 + reason))
        return false;
    (void)th_sys_futex_wake(&words[of], 1);
    return true;
}

int th_await(struct th_waiter *waiter, int64_t until)
{
    uint32_t seen;
    while ((seen = th_atomic32_load_acquire(&words[waiter->epoch])) == ASLEEP)
        (void)th_sys_futex_wait(&words[waiter->epoch], ASLEEP, until);
    return seen - 1 == TH_WAKE_CANCEL ? -ECANCELED : (int)seen - 1;
}

bool th_await_wake(struct th_waiter *waiter, uint32_t reason)
{
    return end_wait(waiter->epoch, reason);
}

/* Another's wait, or the one that it will begin, is cancelled. */
static void cancel_the_wait(void *arg)
{
    (void)end_wait((uint32_t)(uintptr_t)arg, TH_WAKE_CANCEL);
}

/* The calling thread waits once more; a cancel that was to end the wait before may come to this one, and does not. */
TH_UNUSED static void wait_again(void)
{
    th_atomic32_store_relaxed(&words[th_model_self()], ASLEEP);
}

/* What comes after a wait lies where its node has been. */
TH_UNUSED static TH_NOINLINE void use_the_stack(void)
{
    volatile char used[256];
    for (size_t i = 0; i < sizeof used; i += 8)
        used[i] = 1;
}

#endif
