/*
 * The wait word: one word per task, one winner per wait.
 *
 * Everything that can end a wait (a wake, a timer, a cancel, a close) tries the same compare-exchange on it; one
 * wins, the others find the epoch or the state changed and leave. All waiting of the library is built on this.
 *
 *   word = { epoch : 32, reason : 16, state : 16 }
 *
 *   who                      from                to                  then
 *   the task, begin          IDLE e or WON e     WAITING e+1         tells others its epoch
 *   the task, after saving   WAITING e           PARKED e            sleeps
 *   a winner                 WAITING e           WON e, reason       nothing: the task will not sleep
 *   a winner                 PARKED e            WON e, reason       must make the task ready: it is his
 *
 * A task is made ready exactly once for each PARKED: by the winner, or by itself where the winner came before it
 * had parked.
 *
 *   [W1] release WAITING -> PARKED (after the context is saved) -> acquire PARKED -> WON: the winner may run it
 *   [W2] release -> WON -> acquire in the task: what the winner did before is seen after the wait
 *
 * Explored by tests/model (model_wait).
 */
#ifndef TH_SCHED_WAIT_H
#define TH_SCHED_WAIT_H

#include "base/mutant.h"
#include "base/panic.h"
#include "sched/task_record.h"

enum { TH_WAIT_IDLE, TH_WAIT_WAITING, TH_WAIT_PARKED, TH_WAIT_WON };

/* Why a wait ended. */
enum { TH_WAKE_PLAIN, TH_WAKE_TIMER, TH_WAKE_CANCEL, TH_WAKE_CLOSE };

enum th_wait_outcome {
    TH_WAIT_LOST,    /* somebody else won, or this wait is long over */
    TH_WAIT_EARLY,   /* won; the task is still on its way to sleep and will not */
    TH_WAIT_ITS_WAKE /* won; the caller must make the task ready */
};

TH_INLINE uint64_t th_wait_word(uint32_t epoch, uint32_t reason, uint32_t state)
{
    return (uint64_t)epoch << 32 | reason << 16 | state;
}

/* The running task begins a wait; its epoch is what others need to end it. */
TH_INLINE uint32_t th_wait_begin(struct th_task *task)
{
    uint32_t epoch = (uint32_t)(th_atomic64_load_relaxed(&task->wait) >> 32) + 1;
    th_atomic64_store_relaxed(&task->wait, th_wait_word(epoch, 0, TH_WAIT_WAITING));
    return epoch;
}

/* The running task does not wait after all; it has told nobody. */
TH_INLINE void th_wait_abandon(struct th_task *task)
{
    uint32_t epoch = (uint32_t)(th_atomic64_load_relaxed(&task->wait) >> 32);
    th_atomic64_store_relaxed(&task->wait, th_wait_word(epoch, 0, TH_WAIT_IDLE));
}

/* After the context is saved: true if the task now sleeps, false if it was won before and must be made ready. */
TH_INLINE bool th_wait_commit(struct th_task *task)
{
    uint64_t seen = th_atomic64_load_relaxed(&task->wait);
    if ((seen & 0xffff) != TH_WAIT_WAITING && !TH_MUTANT(commit_without_look))
        return false;
    uint64_t parked = th_wait_word((uint32_t)(seen >> 32), 0, TH_WAIT_PARKED);
    if (TH_MUTANT(commit_blindly)) {
        th_atomic64_store_release(&task->wait, parked); /* [W1] */
        return true;
    }
    return th_atomic64_cas_release(&task->wait, &seen, parked); /* [W1] */
}

/* Tries to end the wait `epoch` of a task, from any thread. */
TH_INLINE enum th_wait_outcome th_wait_win(struct th_task *task, uint32_t epoch, uint32_t reason)
{
    uint64_t seen = th_atomic64_load_relaxed(&task->wait);
    for (;;) {
        uint32_t state = seen & 0xffff;
        if ((uint32_t)(seen >> 32) != epoch || (state != TH_WAIT_WAITING && state != TH_WAIT_PARKED))
            return TH_WAIT_LOST;
        if (th_atomic64_cas_acqrel(&task->wait, &seen, th_wait_word(epoch, reason, TH_WAIT_WON))) /* [W1] [W2] */
            return state == TH_WAIT_PARKED ? TH_WAIT_ITS_WAKE : TH_WAIT_EARLY;
    }
}

/* The task runs again (or never slept): why. */
TH_INLINE uint32_t th_wait_reason(const struct th_task *task)
{
    uint64_t seen = th_atomic64_load_acquire(&task->wait); /* [W2] */
    TH_ASSERT((seen & 0xffff) == TH_WAIT_WON);
    return (uint32_t)(seen >> 16) & 0xffff;
}

#endif
