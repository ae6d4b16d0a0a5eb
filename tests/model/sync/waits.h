/*
 * Waiting as task/await.h promises it, for models of what stands on it: a word for each thread that outlives its waits,
 * as a task's does, with epochs, and a cancel that stays. Included by one source of a program.
 */
#ifndef MODEL_SYNC_WAITS_H
#define MODEL_SYNC_WAITS_H

#include "model/model.h"

#include "base/sys.h"
#include "fiber/stack.h"
#include "task/await.h"
#include "task/waiting.h"

#include <errno.h>

/* No stack is a fiber's: everybody is a thread. */
struct th_stack_arena th_stack_arena;

enum { WAITS_OVER, WAITS_ON, WAITS_FIRMLY, WAITS_WON }; /* ... + reason; in the low byte of a word */

static struct {
    th_atomic32 word; /* epoch << 8 | state */
    th_atomic32 is_cancelled;
} waits_of[MODEL_THREADS];

static void waits_begin(struct th_waiter *waiter, uint32_t state)
{
    uint32_t self = (uint32_t)th_model_self();
    uint32_t epoch = (th_atomic32_load_relaxed(&waits_of[self].word) >> 8) + 1;
    th_atomic32_store_seqcst(&waits_of[self].word, epoch << 8 | state);
    waiter->epoch = epoch * MODEL_THREADS + self;
}

int th_await_begin(struct th_waiter *waiter)
{
    waits_begin(waiter, WAITS_ON);
    if (th_atomic32_load_seqcst(&waits_of[th_model_self()].is_cancelled) == 0)
        return 0;
    th_await_abandon(waiter);
    return -ECANCELED;
}

void th_await_begin_firmly(struct th_waiter *waiter)
{
    waits_begin(waiter, WAITS_FIRMLY);
}

void th_await_abandon(struct th_waiter *waiter)
{
    uint32_t self = (uint32_t)th_model_self();
    (void)waiter;
    uint32_t word = th_atomic32_load_relaxed(&waits_of[self].word);
    th_atomic32_store_relaxed(&waits_of[self].word, word >> 8 << 8 | WAITS_OVER);
}

static bool waits_win(uint32_t of, uint32_t seen, uint32_t reason)
{
    if (!th_atomic32_cas_acqrel(&waits_of[of].word, &seen, seen >> 8 << 8 | (WAITS_WON + reason)))
        return false;
    (void)th_sys_futex_wake(&waits_of[of].word, 1);
    return true;
}

bool th_await_wake(struct th_waiter *waiter, uint32_t reason)
{
    uint32_t of = waiter->epoch % MODEL_THREADS, epoch = waiter->epoch / MODEL_THREADS;
    return waits_win(of, epoch << 8 | WAITS_ON, reason) || waits_win(of, epoch << 8 | WAITS_FIRMLY, reason);
}

int th_await(struct th_waiter *waiter, int64_t until)
{
    uint32_t of = waiter->epoch % MODEL_THREADS, seen;
    while (((seen = th_atomic32_load_acquire(&waits_of[of].word)) & 0xff) < WAITS_WON) {
        if (th_sys_futex_wait(&waits_of[of].word, seen, until) == -ETIMEDOUT)
            (void)waits_win(of, seen, TH_WAKE_TIMER);
    }
    uint32_t reason = (seen & 0xff) - WAITS_WON;
    return reason == TH_WAKE_CANCEL ? -ECANCELED : (int)reason;
}

/* Cancels a thread: the wait that it is in, and those to come. */
TH_UNUSED static void waits_cancel(void *thread)
{
    uint32_t of = (uint32_t)(uintptr_t)thread;
    th_atomic32_store_seqcst(&waits_of[of].is_cancelled, 1);
    uint32_t seen = th_atomic32_load_seqcst(&waits_of[of].word);
    if ((seen & 0xff) == WAITS_ON)
        (void)waits_win(of, seen, TH_WAKE_CANCEL);
}

void th_waiting_begin(const struct th_wait_kind *kind, const void *object)
{
    (void)kind;
    (void)object;
}

void th_waiting_end(void)
{
}

/* What came after a wait lies where its place has been. */
TH_UNUSED static TH_NOINLINE void use_the_stack(void)
{
    volatile char used[256];
    for (size_t i = 0; i < sizeof used; i += 8)
        used[i] = 1;
}

#endif
