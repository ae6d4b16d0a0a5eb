/*
 * Waiting as task/await.h promises it, played by the checker's threads: a word for each of them that outlives its
 * waits, as a task's does, with an epoch, so that a wait can be ended by whoever knows the thread.
 */
#ifndef MODEL_PLAYED_WAITS_H
#define MODEL_PLAYED_WAITS_H

#include "base/sys.h"
#include "model/model.h"
#include "task/await.h"
#include "task/waiting.h"

#include <errno.h>

enum { ENDED_BY = 16 }; /* from here on: 1 + why the wait has ended; below: its epoch */

static th_atomic32 words[MODEL_THREADS];
static th_atomic32 cancelled[MODEL_THREADS];

int th_await_begin(struct th_waiter *waiter)
{
    int self = th_model_self();
    waiter->epoch = (th_atomic32_load_relaxed(&words[self]) & ((1 << ENDED_BY) - 1)) + 1;
    waiter->task = (void *)(uintptr_t)(self + 1);
    th_atomic32_store_seqcst(&words[self], waiter->epoch);
    return th_atomic32_load_seqcst(&cancelled[self]) != 0 ? -ECANCELED : 0;
}

void th_await_abandon(struct th_waiter *waiter)
{
    (void)waiter;
}

static bool end_wait(th_atomic32 *word, uint32_t epoch, uint32_t reason)
{
    if (!th_atomic32_cas_acqrel(word, &epoch, epoch | (1 + reason) << ENDED_BY))
        return false;
    (void)th_sys_futex_wake(word, 1);
    return true;
}

int th_await(struct th_waiter *waiter, int64_t until)
{
    th_atomic32 *word = &words[th_model_self()];
    uint32_t seen;
    while ((seen = th_atomic32_load_acquire(word)) == waiter->epoch)
        (void)th_sys_futex_wait(word, seen, until);
    uint32_t reason = (seen >> ENDED_BY) - 1;
    return reason == TH_WAKE_CANCEL ? -ECANCELED : (int)reason;
}

bool th_await_wake(struct th_waiter *waiter, uint32_t reason)
{
    return end_wait(&words[(uintptr_t)waiter->task - 1], waiter->epoch, reason);
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

/* Cancels a thread, once and for all: the wait that is on, and those it will begin. */
static void cancel_thread(void *arg)
{
    uintptr_t thread = (uintptr_t)arg;
    th_atomic32_store_seqcst(&cancelled[thread], 1);
    uint32_t seen = th_atomic32_load_seqcst(&words[thread]);
    if (seen != 0 && seen >> ENDED_BY == 0)
        (void)end_wait(&words[thread], seen, TH_WAKE_CANCEL);
}

/* The calling thread is cancelled no more. */
TH_UNUSED static void end_cancel(void)
{
    th_atomic32_store_relaxed(&cancelled[th_model_self()], 0);
}

void th_waiting_begin(const struct th_wait_kind *kind, const void *object)
{
    (void)kind;
    (void)object;
}

void th_waiting_end(void)
{
}

/* What comes after a wait lies where its node has been. */
TH_UNUSED static TH_NOINLINE void use_the_stack(void)
{
    volatile char used[256];
    for (size_t i = 0; i < sizeof used; i += 8)
        used[i] = 1;
}

#endif
