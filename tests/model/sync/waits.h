/*
 * Waiting, played as task/await.h promises it, for models of what stands on it: one word for each thread, which
 * outlives its waits as a task's does, and a cancel that stays.
 *
 *   word = { is_cancelled : 1, epoch : 15, state : 16 }      state: idle, waiting, waiting firmly (cancels
 *                                                            do not end it), or 3 + the reason it was ended for
 */
#ifndef MODEL_SYNC_WAITS_H
#define MODEL_SYNC_WAITS_H

#include "model/model.h"

#include "base/sys.h"
#include "task/await.h"

#include <errno.h>

enum { WAIT_IDLE, WAIT_ON, WAIT_FIRMLY, WAIT_ENDED };
enum { WAIT_STATES = 0xffff, WAIT_EPOCH = 0x10000, WAIT_CANCELLED = 0x80000000u };

static th_atomic32 wait_words[MODEL_THREADS];

static uint32_t wait_epoch(uint32_t word)
{
    return word & ~(WAIT_CANCELLED | (uint32_t)WAIT_STATES);
}

/* In the waiter's epoch: which thread's, and the word's epoch. */
static th_atomic32 *wait_word(const struct th_waiter *waiter)
{
    return &wait_words[waiter->epoch & WAIT_STATES];
}

int th_await_begin(struct th_waiter *waiter)
{
    uint32_t me = (uint32_t)th_model_self(), seen = th_atomic32_load_relaxed(&wait_words[me]), epoch;
    do {
        if ((seen & WAIT_CANCELLED) != 0)
            return -ECANCELED;
        epoch = wait_epoch(seen) + WAIT_EPOCH;
    } while (!th_atomic32_cas_acquire(&wait_words[me], &seen, epoch | WAIT_ON));
    waiter->task = NULL;
    waiter->epoch = epoch | me;
    return 0;
}

TH_UNUSED static bool wait_is_on(uint32_t word)
{
    return (word & WAIT_STATES) == WAIT_ON || (word & WAIT_STATES) == WAIT_FIRMLY;
}

void th_await_begin_firmly(struct th_waiter *waiter)
{
    uint32_t me = (uint32_t)th_model_self(), seen = th_atomic32_load_relaxed(&wait_words[me]), epoch;
    do
        epoch = wait_epoch(seen) + WAIT_EPOCH;
    while (!th_atomic32_cas_acquire(&wait_words[me], &seen, (seen & WAIT_CANCELLED) | epoch | WAIT_FIRMLY));
    waiter->task = NULL;
    waiter->epoch = epoch | me;
}

void th_await_abandon(struct th_waiter *waiter)
{
    (void)waiter;
}

int th_await(struct th_waiter *waiter, int64_t until)
{
    th_atomic32 *word = wait_word(waiter);
    uint32_t seen;
    while (wait_is_on(seen = th_atomic32_load_acquire(word))) {
        if (th_sys_futex_wait(word, seen, until) == -ETIMEDOUT)
            (void)th_await_wake(waiter, TH_WAKE_TIMER);
    }
    int reason = (int)(seen & WAIT_STATES) - WAIT_ENDED;
    return reason == TH_WAKE_CANCEL ? -ECANCELED : reason;
}

bool th_await_wake(struct th_waiter *waiter, uint32_t reason)
{
    th_atomic32 *word = wait_word(waiter);
    uint32_t epoch = wait_epoch(waiter->epoch), seen = th_atomic32_load_relaxed(word);
    do {
        if (wait_epoch(seen) != epoch || !wait_is_on(seen))
            return false;
    } while (!th_atomic32_cas_acqrel(word, &seen, (seen & WAIT_CANCELLED) | epoch | (WAIT_ENDED + reason)));
    (void)th_sys_futex_wake(word, 1);
    return true;
}

bool th_await_wake_among(struct th_wakes *wakes, struct th_waiter *waiter, uint32_t reason)
{
    (void)wakes;
    return th_await_wake(waiter, reason);
}

void th_await_wake_rest(struct th_wakes *wakes)
{
    (void)wakes;
}

/* Cancels a thread: its wait, if one is on, and those to come. */
TH_UNUSED static void wait_cancel(int thread)
{
    uint32_t seen = th_atomic32_load_relaxed(&wait_words[thread]), next;
    do {
        bool is_on = (seen & WAIT_STATES) == WAIT_ON;
        next = is_on ? wait_epoch(seen) | (WAIT_ENDED + TH_WAKE_CANCEL) : seen;
    } while (!th_atomic32_cas_release(&wait_words[thread], &seen, next | WAIT_CANCELLED));
    (void)th_sys_futex_wake(&wait_words[thread], 1);
}

/* What comes after a wait lies where its entry has been. */
TH_UNUSED static TH_NOINLINE void wait_reuse_stack(void)
{
    volatile char used[384];
    for (size_t i = 0; i < sizeof used; i += 8)
        used[i] = 1;
}

#endif
