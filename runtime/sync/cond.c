/*
 * Conditions: a line, and the order in which it and the mutex are left and taken.
 *
 * Who waits is in line before it unlocks the mutex, so no signal that is given under the mutex after the fact changed
 * can miss it. A signal that meets the end of the wait by a cancel or by time goes to the next in line: the wait itself
 * says which was first. The mutex is taken again by a wait that no scope ends.
 *
 * Rejected: moving who is woken by a broadcast into the mutex's line (they would not run to find it locked; but the
 * mutex's waiters wait for a wake of another kind, and broadcasts to many are rare).
 *
 * Explored by tests/model (model_cond).
 */
#include "base/mutant.h"
#include "base/panic.h"
#include "sync/line.h"
#include "sync/mutex.h"

static const struct th_wait_kind cond_kind = {.name = "condition"};

int thrum_cond_wait_until(thrum_cond *cond, thrum_mutex *mutex, thrum_time when)
{
    struct thrum_line_ *line = &cond->line_;
    struct th_place place = {.kind = &cond_kind, .object = cond};
    THRUM_CHECK(thrum_mutex_is_mine(mutex), "thrum_cond_wait(%p, %p): the caller does not have the mutex", (void *)cond,
                (void *)mutex);
    int code = th_await_begin(&place.waiter);
    if (code < 0)
        return code;
    if (TH_MUTANT(cond_unlock_first))
        thrum_mutex_unlock(mutex);
    th_line_enter(line);
    th_line_append(line, &place);
    th_line_leave(line);
    if (!TH_MUTANT(cond_unlock_first))
        thrum_mutex_unlock(mutex);
    code = th_line_await(line, &place, when);
    (void)th_line_quit(line, &place);
    th_line_leave(line);
    th_mutex_lock_firmly(mutex);
    return code;
}

int thrum_cond_wait(thrum_cond *cond, thrum_mutex *mutex)
{
    return thrum_cond_wait_until(cond, mutex, THRUM_FOREVER);
}

void thrum_cond_signal(thrum_cond *cond)
{
    th_line_enter(&cond->line_);
    (void)th_line_wake_first(&cond->line_, TH_WAKE_PLAIN);
    th_line_leave(&cond->line_);
    th_point();
}

void thrum_cond_broadcast(thrum_cond *cond)
{
    th_line_enter(&cond->line_);
    th_line_wake_all(&cond->line_, TH_WAKE_PLAIN);
    th_line_leave(&cond->line_);
    th_point();
}
