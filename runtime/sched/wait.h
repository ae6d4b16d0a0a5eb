/*
 * The wait word: one word per task, one winner per wait.
 *
 * Everything that can end a wait (a wake, a timer, a cancel, a close) tries the same compare-exchange on it; one
 * wins, the others find the epoch or the state changed and leave. All waiting of the library is built on this.
 *
 *   word = { epoch : 32, reason : 16, state : 16 }      while it waits, `reason` says which of its scopes may end it
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
 * Two words of the record say that a scope of the task is over: `cancel`, and `late`, {number : 31, LATE : 1}, where
 * each deadline of a task has a number of its own, so that a timer that comes late cannot hit the next one. Who ends
 * a scope writes that word and then looks whether the task waits; the task commits its wait and then looks at those
 * words. All four are sequentially consistent, so that one sees the other; the task pays nothing for it.
 *
 *   [W1] release WAITING -> PARKED (after the context is saved) -> acquire PARKED -> WON: the winner may run it
 *   [W3] seq-cst PARKED before the look at cancel and late -> seq-cst cancel or late before the look at the word
 *   [W4] release WAITING, after the end of a scope -> acquire of the word, before the look at late: the wait that was
 *        seen is of the scope that is late, or late has moved on
 *   [W2] release -> WON -> acquire in the task: what the winner did before is seen after the wait
 *
 * Explored by tests/model (model_wait).
 */
#ifndef TH_SCHED_WAIT_H
#define TH_SCHED_WAIT_H

#include "base/mutant.h"
#include "base/panic.h"
#include "base/probe.h"
#include "sched/task_record.h"

enum { TH_WAIT_IDLE, TH_WAIT_WAITING, TH_WAIT_PARKED, TH_WAIT_WON };

/* Why a wait ended. */
enum { TH_WAKE_PLAIN, TH_WAKE_TIMER, TH_WAKE_CANCEL, TH_WAKE_CLOSE, TH_WAKE_DEADLINE };

/* What may end a wait besides those who were told of it. */
enum { TH_WAIT_BY_CANCEL = 1, TH_WAIT_BY_DEADLINE = 2 };

enum { TH_WAIT_LATE = 1, TH_WAIT_LATE_ONE = 2 }; /* in `late` */

enum th_wait_outcome {
    TH_WAIT_LOST,    /* somebody else won, or this wait is long over */
    TH_WAIT_EARLY,   /* won; the task is still on its way to sleep and will not */
    TH_WAIT_ITS_WAKE /* won; the caller must make the task ready */
};

TH_INLINE uint64_t th_wait_word(uint32_t epoch, uint32_t reason, uint32_t state)
{
    return (uint64_t)epoch << 32 | reason << 16 | state;
}

/* The running task begins a wait that scopes may end too; its epoch is what others need to end it. */
TH_INLINE uint32_t th_wait_begin_for(struct th_task *task, uint32_t scopes)
{
    uint32_t epoch = (uint32_t)(th_atomic64_load_relaxed(&task->wait) >> 32) + 1;
    th_atomic64_store_release(&task->wait, th_wait_word(epoch, scopes, TH_WAIT_WAITING)); /* [W4] */
    return epoch;
}

/* The same where none may. */
TH_INLINE uint32_t th_wait_begin(struct th_task *task)
{
    return th_wait_begin_for(task, 0);
}

/* The running task does not wait after all; it has told nobody. */
TH_INLINE void th_wait_abandon(struct th_task *task)
{
    uint32_t epoch = (uint32_t)(th_atomic64_load_relaxed(&task->wait) >> 32);
    th_atomic64_store_relaxed(&task->wait, th_wait_word(epoch, 0, TH_WAIT_IDLE));
}

/* Tries to end the wait `epoch` of a task, from any thread. */
TH_INLINE enum th_wait_outcome th_wait_win(struct th_task *task, uint32_t epoch, uint32_t reason)
{
    uint64_t seen = th_atomic64_load_relaxed(&task->wait);
    for (;;) {
        uint32_t state = seen & 0xffff;
        if ((uint32_t)(seen >> 32) != epoch || (state != TH_WAIT_WAITING && state != TH_WAIT_PARKED))
            return TH_WAIT_LOST;
        if (!th_atomic64_cas_acqrel(&task->wait, &seen, th_wait_word(epoch, reason, TH_WAIT_WON))) /* [W1] [W2] */
            continue;
        if (state != TH_WAIT_PARKED)
            return TH_WAIT_EARLY;
        TH_PROBE2(wake, task->id, reason);
        return TH_WAIT_ITS_WAKE;
    }
}

/* Which of the scopes that may end a wait have ended: a TH_WAKE, or 0. */
TH_INLINE uint32_t th_wait_scopes_ended(const struct th_task *task, uint32_t scopes)
{
    if ((scopes & TH_WAIT_BY_CANCEL) != 0 &&
        (th_atomic32_load_seqcst(&task->cancel) & TH_TASK_CANCEL_REASON) != 0) /* [W3] */
        return TH_WAKE_CANCEL;
    if ((scopes & TH_WAIT_BY_DEADLINE) != 0 && (th_atomic64_load_seqcst(&task->late) & TH_WAIT_LATE) != 0) /* [W3] */
        return TH_WAKE_DEADLINE;
    return 0;
}

/* After the context is saved: true if the task now sleeps, false if it was won before and must be made ready. */
TH_INLINE bool th_wait_commit(struct th_task *task)
{
    uint64_t seen = th_atomic64_load_relaxed(&task->wait);
    if ((seen & 0xffff) != TH_WAIT_WAITING && !TH_MUTANT(commit_without_look))
        return false;
    uint32_t epoch = (uint32_t)(seen >> 32), scopes = (uint32_t)(seen >> 16) & 0xffff;
    uint64_t parked = th_wait_word(epoch, scopes, TH_WAIT_PARKED);
    if (TH_MUTANT(commit_blindly))
        th_atomic64_store_release(&task->wait, parked);           /* [W1] */
    else if (!th_atomic64_cas_seqcst(&task->wait, &seen, parked)) /* [W1] [W3] */
        return false;
    /* From here on the task may be woken, and its record be another's. */
    uint32_t reason = scopes != 0 && !TH_MUTANT(commit_without_scopes) ? th_wait_scopes_ended(task, scopes) : 0;
    return reason == 0 || th_wait_win(task, epoch, reason) != TH_WAIT_ITS_WAKE;
}

/* Who has written a scope's end looks at the word, whether the task is in a wait that this ends. */
TH_INLINE bool th_wait_is_on(const struct th_task *task, uint32_t scope, uint32_t *epoch)
{
    uint64_t seen = th_atomic64_load_seqcst(&task->wait); /* [W3] [W4] */
    uint32_t state = seen & 0xffff;
    *epoch = (uint32_t)(seen >> 32);
    return (state == TH_WAIT_WAITING || state == TH_WAIT_PARKED) && ((seen >> 16) & scope) != 0;
}

/*
 * A timer's owner is a task; what the timer is to the task stands in the low bits, not in the record: when the timer is
 * served the wait may be long over, and the record another's.
 */
enum th_due { TH_DUE_WAIT, TH_DUE_DEADLINE, TH_DUE_CALL, TH_DUE_MASK };

TH_INLINE void *th_due_owner(struct th_task *task, enum th_due due)
{
    return (char *)task + due;
}

TH_INLINE enum th_due th_due_of(const void *owner)
{
    return (enum th_due)((uintptr_t)owner & TH_DUE_MASK);
}

TH_INLINE struct th_task *th_due_task(void *owner)
{
    return (struct th_task *)(void *)((char *)owner - th_due_of(owner));
}

/* The deadline `number` of a task has come: true if that ends its wait, and the caller must make it ready. */
TH_INLINE bool th_wait_deadline(struct th_task *task, uint32_t number)
{
    uint32_t epoch;
    uint64_t seen = (uint64_t)number * TH_WAIT_LATE_ONE, late = seen | TH_WAIT_LATE;
    if (!th_atomic64_cas_seqcst(&task->late, &seen, late)) /* [W3] */
        return false;
    if (!th_wait_is_on(task, TH_WAIT_BY_DEADLINE, &epoch))
        return false;
    /* The wait may be a later one, if the scope has ended meanwhile. */
    if (th_atomic64_load_relaxed(&task->late) != late && !TH_MUTANT(deadline_without_look))
        return false;
    return th_wait_win(task, epoch, TH_WAKE_DEADLINE) == TH_WAIT_ITS_WAKE;
}

/* The task runs again (or never slept): why. */
TH_INLINE uint32_t th_wait_reason(const struct th_task *task)
{
    uint64_t seen = th_atomic64_load_acquire(&task->wait); /* [W2] */
    TH_ASSERT((seen & 0xffff) == TH_WAIT_WON);
    return (uint32_t)(seen >> 16) & 0xffff;
}

#endif
