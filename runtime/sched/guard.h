/*
 * The guard of a worker's queues: a lock that its owner takes and leaves with plain stores.
 *
 * All queues of a worker are plain memory. Whoever holds its guard may touch them, and nearly always that is the
 * worker itself, thousands of times for each time that anybody else wants in. So the owner pays two plain stores
 * and a load; the others pay a membarrier (10 us, an interrupt to the owner's core), and they rarely do: a thief
 * first *asks*, and the owner, who reads `attention` at each entry anyway, gives.
 *
 *   in_op       1 while the owner is inside; written by the owner alone
 *   attention   0                nobody wants anything
 *               n                worker n - 1 asks to be given tasks (sched/steal.c)
 *               n | REVOKED      worker n - 1 takes the guard from a silent owner, or has it
 *
 *   attention: who   from          to            then
 *   asker            0             n             waits for an answer in its own mail
 *   asker            n             0             has withdrawn (no answer comes any more)
 *   owner, inside    n             0             owes n - 1 an answer
 *   asker            n             n | REVOKED   membarrier, then waits for in_op == 0; then it is inside
 *   asker            n | REVOKED   0             has left, or has given up waiting
 *
 * Invariant: owner inside + revoker inside <= 1. The owner writes in_op, then reads attention; the revoker writes
 * attention, then reads in_op; each with a full fence between, or both could miss the other's word. The owner's
 * fence is the revoker's membarrier, which executes one on every running core of the process.
 *
 *   [D1] release fence after in_op = 1 -> acquire fence (membarrier) after attention |= REVOKED: one sees the other
 *   [D2] release in_op = 0 -> acquire in_op: the revoker sees what the owner did inside
 *   [D3] release attention = 0 -> acquire attention: the owner, or the next revoker, sees what the revoker did inside
 *   [D4] release attention = n -> acquire attention: the owner sees the asker's mail empty, and may write into it
 *
 * The guard is held across a switch and left on the new stack, so a task that was put in a queue before the switch
 * is seen by nobody before its registers are saved (see Note [Publish after save] in fiber/fiber.h).
 *
 * Rejected: a compare-exchange or exchange on each entry (5 to 8 ns, a spawn and its join are 11); a Chase-Lev deque
 * (a fence in each pop, and nothing can be taken from the middle, where a join finds its child).
 *
 * Explored by tests/model (model_guard, model_steal).
 */
#ifndef TH_SCHED_GUARD_H
#define TH_SCHED_GUARD_H

#include "base/atomic.h"
#include "base/mutant.h"

struct th_guard {
    th_atomic32 in_op;
    th_atomic32 attention;
};

enum { TH_GUARD_REVOKED = 0x80000000u };

/* False where the kernel has no membarrier: then the owner fences by itself. Set once in a process, before any worker
 * runs; workers of an earlier runtime may be reading it when a later one opens. */
extern bool th_guard_is_asymmetric;

/* Registers with the kernel; call before the first guard is used, not twice at the same time. */
void th_guard_open(void);

/* Nothing but the words: 0, or who is there; th_guard_settle is next then, for with a revoker there the caller is not
 * inside. */
TH_INLINE uint32_t th_guard_try(struct th_guard *guard)
{
    th_atomic32_store_relaxed(&guard->in_op, 1);
    if (TH_LIKELY(th_guard_is_asymmetric) || TH_MUTANT(guard_without_fence))
        th_fence_compiler();
    else
        th_fence_seqcst();                              /* [D1] */
    return th_atomic32_load_acquire(&guard->attention); /* [D3] [D4] */
}

/* Waits for a revoker to leave, if there is one; inside then. Returns who asks. */
uint32_t th_guard_settle(struct th_guard *guard, uint32_t attention);

/* Enters; returns who asks: 0, or worker number + 1, to be answered before leaving (or at a later entry). */
TH_INLINE uint32_t th_guard_enter(struct th_guard *guard)
{
    uint32_t attention = th_guard_try(guard);
    return TH_LIKELY(attention == 0) ? 0 : th_guard_settle(guard, attention);
}

TH_INLINE void th_guard_leave(struct th_guard *guard)
{
    th_atomic32_store_release(&guard->in_op, 0); /* [D2] */
}

/* The asker's side. */

/* Puts in a request: false if somebody else's stands there. */
TH_INLINE bool th_guard_ask(struct th_guard *guard, uint32_t asker)
{
    uint32_t nobody = 0;
    return th_atomic32_cas_release(&guard->attention, &nobody, asker); /* [D4] */
}

/* Takes it back: false if the owner has accepted it, whose answer then comes for certain. */
TH_INLINE bool th_guard_withdraw(struct th_guard *guard, uint32_t asker)
{
    return th_atomic32_cas_relaxed(&guard->attention, &asker, 0);
}

/* The owner's side, inside: accepts a request, and so owes an answer; false if it was withdrawn or turned. */
TH_INLINE bool th_guard_accept(struct th_guard *guard, uint32_t asker)
{
    if (TH_MUTANT(accept_blindly)) {
        th_atomic32_store_relaxed(&guard->attention, 0);
        return true;
    }
    return th_atomic32_cas_relaxed(&guard->attention, &asker, 0);
}

enum th_guard_force {
    TH_GUARD_INSIDE,   /* the guard is the caller's until th_guard_restore */
    TH_GUARD_ACCEPTED, /* too late: the owner has accepted the request and will answer */
    TH_GUARD_BUSY,     /* the owner stayed inside, or could not be fenced: the request is withdrawn */
};

/* Turns an own request into a revocation. `patience` is how many turns to wait for an owner that is inside. */
enum th_guard_force th_guard_force(struct th_guard *guard, uint32_t asker, uint32_t patience);

/* Gives the guard back to its owner. */
TH_INLINE void th_guard_restore(struct th_guard *guard)
{
    th_atomic32_store_release(&guard->attention, 0); /* [D3] */
}

#endif
