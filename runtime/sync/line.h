/*
 * A line: who waits for an object, in the order of coming, and the lock that guards it.
 *
 *     struct th_place place = {.kind = &kind, .object = object};
 *     int code = th_await_begin(&place.waiter);
 *     if (code < 0) return code;
 *     th_line_enter(line);
 *     ... need not wait after all: th_line_leave, th_await_abandon ...
 *     th_line_append(line, &place);
 *     th_line_leave(line);
 *     code = th_line_await(line, &place, until);     inside again
 *     if (th_line_quit(line, &place)) ... nobody has ended this wait: it returns `code` and has taken nothing ...
 *     th_line_leave(line);
 *
 * Whoever acts on the object enters and takes places out (th_line_wake_first, th_line_wake_all).
 *
 * Invariants, inside the lock: a place is in the line from its append until a waker or its owner takes it out; a place
 * in a line lies on the stack of somebody who has still to enter the lock. So a waker may touch a place for as long as
 * he is inside, and, which matters more, who was woken goes on only when his waker has left: the object may be gone
 * then. Who finds by a plain load that he need not wait must hold to that too, by th_line_pass.
 *
 * The edge is [L1] of base/lock.h: who finds the lock free comes after whoever was inside.
 *
 * Rejected: waking after the lock was left (a waiter that is cancelled meanwhile cannot tell when his waker has done
 * with his place); a lock per table of addresses as kernels have for their sleepers (a hash and a cold line for each
 * wait, to save four bytes).
 *
 * Explored by tests/model (model_event, model_semaphore, model_mutex).
 */
#ifndef TH_SYNC_LINE_H
#define TH_SYNC_LINE_H

#include <thrum/sync.h>

#include "base/lock.h"
#include "task/await.h"
#include "task/waiting.h"

/* Key: l the line's lock, c constant while in the line. */
struct th_place {
    struct th_waiter waiter;          /* c */
    const struct th_wait_kind *kind;  /* c */
    const void *object;               /* c */
    struct th_place *previous, *next; /* l: a ring */
    bool is_in;                       /* l */
    uint32_t reason;                  /* c: with `instead` */
    struct th_waiter *instead;        /* c: whose wait it is, with others that it is hung up for; NULL: `waiter` */
};

TH_INLINE struct th_lock *th_line_lock(struct thrum_line_ *line)
{
    return (struct th_lock *)&line->lock_;
}

TH_INLINE void th_line_enter(struct thrum_line_ *line)
{
    th_lock_take(th_line_lock(line));
}

TH_INLINE void th_line_leave(struct thrum_line_ *line)
{
    th_lock_leave(th_line_lock(line));
}

/* Comes after whoever was inside when the caller saw what he did there. */
TH_INLINE void th_line_pass(struct thrum_line_ *line)
{
    if (TH_LIKELY(th_atomic32_load_acquire(&th_line_lock(line)->word) == 0)) /* [L1] */
        return;
    th_line_enter(line);
    th_line_leave(line);
}

/* All that follows: inside. */

TH_INLINE bool th_line_is_empty(const struct thrum_line_ *line)
{
    return line->first_ == NULL;
}

void th_line_append(struct thrum_line_ *line, struct th_place *place);
void th_line_remove(struct thrum_line_ *line, struct th_place *place);

/* Leaves nothing behind: waits outside of the lock, until `until`, and comes back inside. The waker's reason, or
 * -ECANCELED, -ETIMEDOUT, -ENOMEM. Entered from outside. Switches. */
int th_line_await(struct thrum_line_ *line, struct th_place *place, int64_t until);

/* Takes the caller's place out: false if somebody has done that, to end this wait. */
bool th_line_quit(struct thrum_line_ *line, struct th_place *place);

/* Takes places out from the front, up to the first whose wait could be ended; false if there is none. */
bool th_line_wake_first(struct thrum_line_ *line, uint32_t reason);
void th_line_wake_all(struct thrum_line_ *line, uint32_t reason);

#endif
