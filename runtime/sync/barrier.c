/*
 * Barriers: everything happens inside the line's lock; nobody comes so often that more would pay.
 *
 * A round is over when the last party comes: it wakes the others and goes on itself. Whoever was in line at that moment
 * has been counted, also if its wait ended otherwise a moment before: it learns from the round's number that the round
 * is over, and reports that.
 *
 * Explored by tests/model (model_barrier).
 */
#include "base/mutant.h"
#include "sync/line.h"

#include <errno.h>

static const struct th_wait_kind barrier_kind = {.name = "barrier"};

/* Inside: the caller is the last of its round. */
static void end_round(thrum_barrier *barrier)
{
    barrier->arrived_ = 0;
    barrier->round_++;
    th_line_wake_all(&barrier->line_, TH_WAKE_PLAIN);
}

/* Inside: the caller waits for the rest of its round. */
static int await_round(thrum_barrier *barrier, struct th_place *place, int64_t when)
{
    uint32_t round = barrier->round_;
    th_line_append(&barrier->line_, place);
    th_line_leave(&barrier->line_);
    int code = th_line_await(&barrier->line_, place, when);
    if (th_line_quit(&barrier->line_, place) && !TH_MUTANT(barrier_keeps_who_leaves))
        barrier->arrived_--;
    if (barrier->round_ != round)
        return 0;
    return code == TH_WAKE_CLOSE ? -EPIPE : code;
}

int thrum_barrier_wait_until(thrum_barrier *barrier, thrum_time when)
{
    struct th_place place = {.kind = &barrier_kind, .object = barrier};
    int code = th_await_begin(&place.waiter);
    if (code < 0)
        return code;
    th_line_enter(&barrier->line_);
    uint32_t index = barrier->arrived_;
    bool waits = barrier->is_broken_ == 0 && index + 1 < barrier->parties_;
    if (waits)
        barrier->arrived_++;
    if (waits)
        code = await_round(barrier, &place, when);
    else if (barrier->is_broken_ != 0)
        code = -EPIPE;
    else
        end_round(barrier);
    th_line_leave(&barrier->line_);
    if (!waits)
        th_await_abandon(&place.waiter);
    return code < 0 ? code : (int)index;
}

int thrum_barrier_wait(thrum_barrier *barrier)
{
    return thrum_barrier_wait_until(barrier, THRUM_FOREVER);
}

static void send_away(thrum_barrier *barrier, uint32_t is_broken)
{
    th_line_enter(&barrier->line_);
    barrier->is_broken_ = is_broken;
    barrier->arrived_ = 0;
    th_line_wake_all(&barrier->line_, TH_WAKE_CLOSE);
    th_line_leave(&barrier->line_);
}

void thrum_barrier_abort(thrum_barrier *barrier)
{
    send_away(barrier, 1);
}

void thrum_barrier_reset(thrum_barrier *barrier)
{
    send_away(barrier, 0);
}
