/*
 * Once: a state, written inside the line's lock, and a line of who waits for the one that makes the call.
 *
 *   who                       from       to         then
 *   the first                 NEW        RUNNING    calls fn
 *   the same, fn succeeded    RUNNING    DONE       wakes all
 *   the same, fn failed       RUNNING    NEW        wakes the first in line, who tries
 *   who leaves the line       NEW                   wakes the next: the wake may have been meant for him
 *
 *   [B1] release DONE -> acquire DONE: what fn did is seen by who has not to wait
 *
 * Explored by tests/model (model_barrier).
 */
#include "base/mutant.h"
#include "sync/holder.h"
#include "sync/line.h"

#include <errno.h>

enum { NEW, RUNNING, DONE };

static th_atomic32 *state_of(thrum_once *once)
{
    return (th_atomic32 *)&once->state_;
}

static struct th_task *owner_of(const void *object)
{
    return th_holder_task(th_atomicptr_load_relaxed((const th_atomicptr *)&((const thrum_once *)object)->owner_));
}

static const struct th_wait_kind once_kind = {.name = "once", .owner = owner_of, .bytes = sizeof(thrum_once)};

/* Inside. */
static uint32_t look(thrum_once *once)
{
    return th_atomic32_load_relaxed(state_of(once));
}

static void become(thrum_once *once, uint32_t state, void *owner)
{
    th_atomicptr_store_relaxed((th_atomicptr *)&once->owner_, owner);
    th_atomic32_store_release(state_of(once), state); /* [B1] */
}

static int make_the_call(thrum_once *once, int (*fn)(void *arg), void *arg)
{
    int result = fn(arg);
    th_line_enter(&once->line_);
    become(once, result < 0 ? NEW : DONE, NULL);
    if (result < 0)
        (void)th_line_wake_first(&once->line_, TH_WAKE_PLAIN);
    else
        th_line_wake_all(&once->line_, TH_WAKE_PLAIN);
    th_line_leave(&once->line_);
    return result;
}

enum turn { MY_TURN, OVER, AGAIN };

/* Waits for the state to change, unless it is the caller's turn to change it: whose turn it is, or -errno. */
static int await_turn(thrum_once *once)
{
    struct th_place place = {.kind = &once_kind, .object = once};
    int code = th_await_begin(&place.waiter);
    th_line_enter(&once->line_);
    void *self = th_holder_self().who;
    uint32_t state = look(once);
    bool is_mine = state == RUNNING && th_atomicptr_load_relaxed((th_atomicptr *)&once->owner_) == self;
    if (state == RUNNING && !is_mine && code == 0) {
        th_line_append(&once->line_, &place);
        th_line_leave(&once->line_);
        code = th_line_await(&once->line_, &place, TH_SYS_FOREVER);
        (void)th_line_quit(&once->line_, &place);
        th_line_leave(&once->line_);
        return code < 0 ? code : AGAIN;
    }
    if (state == NEW && code == 0)
        become(once, RUNNING, self);
    else if (state == NEW && !TH_MUTANT(once_keeps_the_wake))
        (void)th_line_wake_first(&once->line_, TH_WAKE_PLAIN);
    th_line_leave(&once->line_);
    if (code == 0)
        th_await_abandon(&place.waiter);
    if (is_mine)
        return -EDEADLK;
    return state == DONE ? OVER : code < 0 ? code : MY_TURN;
}

int thrum_once_call(thrum_once *once, int (*fn)(void *arg), void *arg)
{
    int turn = AGAIN;
    th_point();
    if (TH_LIKELY(th_atomic32_load_acquire(state_of(once)) == DONE)) { /* [B1] */
        th_line_pass(&once->line_);
        return 0;
    }
    while (turn == AGAIN)
        turn = await_turn(once);
    if (turn == MY_TURN)
        return make_the_call(once, fn, arg);
    return turn < 0 ? turn : 0;
}
