#include "sync/line.h"

#include "base/mutant.h"

#include <errno.h>

void th_line_append(struct thrum_line_ *line, struct th_place *place)
{
    struct th_place *first = line->first_;
    if (first == NULL) {
        place->previous = place->next = place;
        line->first_ = place;
    } else {
        place->next = first;
        place->previous = first->previous;
        place->previous->next = first->previous = place;
    }
    place->is_in = true;
    line->count_++;
}

void th_line_remove(struct thrum_line_ *line, struct th_place *place)
{
    if (place->next == place) {
        line->first_ = NULL;
    } else {
        place->previous->next = place->next;
        place->next->previous = place->previous;
        if (line->first_ == place)
            line->first_ = place->next;
    }
    place->is_in = false;
    line->count_--;
}

int th_line_await(struct thrum_line_ *line, struct th_place *place, int64_t until)
{
    th_waiting_begin(place->kind, place->object);
    int code = th_await(&place->waiter, until);
    th_waiting_end();
    if (!TH_MUTANT(line_goes_on_at_once) || code < 0)
        th_line_enter(line);
    return code == TH_WAKE_TIMER ? -ETIMEDOUT : code;
}

bool th_line_quit(struct thrum_line_ *line, struct th_place *place)
{
    if (!place->is_in)
        return false;
    th_line_remove(line, place);
    return true;
}

/* Takes the first place out: true if its wait could be ended. */
static bool wake_first(struct th_wakes *wakes, struct thrum_line_ *line, uint32_t reason)
{
    struct th_place *place = line->first_;
    th_line_remove(line, place);
    bool is_own = place->instead == NULL;
    return th_await_wake_among(wakes, is_own ? &place->waiter : place->instead, is_own ? reason : place->reason);
}

bool th_line_wake_first(struct thrum_line_ *line, uint32_t reason)
{
    struct th_wakes wakes = {0};
    bool is_woken = false;
    while (!is_woken && !th_line_is_empty(line))
        is_woken = wake_first(&wakes, line, reason);
    th_await_wake_rest(&wakes);
    return is_woken;
}

void th_line_wake_all(struct thrum_line_ *line, uint32_t reason)
{
    struct th_wakes wakes = {0};
    while (!th_line_is_empty(line))
        (void)wake_first(&wakes, line, reason);
    th_await_wake_rest(&wakes);
}
