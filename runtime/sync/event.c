/*
 * Events: a bit, and a line of who waits for it.
 *
 * The bit is written inside the line's lock alone. Who finds it set goes on without waiting, but not before the setter
 * has left (sync/line.h): an event often lies on the stack of the one who waits.
 *
 *   [O1] release bit -> acquire bit: what the setter did before is seen, also by who had not to wait
 *
 * Explored by tests/model (model_event).
 */
#include "base/mutant.h"
#include "sync/line.h"

#include <errno.h>

static const struct th_wait_kind event_kind = {.name = "event"};

static th_atomic32 *word_of(const thrum_event *event)
{
    return (th_atomic32 *)(uintptr_t)&event->word_;
}

bool thrum_event_is_set(const thrum_event *event)
{
    return th_atomic32_load_acquire(word_of(event)) != 0; /* [O1] */
}

int thrum_event_wait_until(thrum_event *event, thrum_time when)
{
    struct thrum_line_ *line = &event->line_;
    th_point();
    if (thrum_event_is_set(event)) {
        if (!TH_MUTANT(event_goes_on_at_once))
            th_line_pass(line);
        return 0;
    }
    struct th_place place = {.kind = &event_kind, .object = event};
    int code = th_await_begin(&place.waiter);
    if (code < 0)
        return code;
    th_line_enter(line);
    if (thrum_event_is_set(event) && !TH_MUTANT(event_without_recheck)) {
        th_line_leave(line);
        th_await_abandon(&place.waiter);
        return 0;
    }
    th_line_append(line, &place);
    th_line_leave(line);
    code = th_line_await(line, &place, when);
    /* Out of the line without having quit it: the event was set in time. */
    bool was_in = th_line_quit(line, &place);
    th_line_leave(line);
    return was_in ? code : 0;
}

int thrum_event_wait(thrum_event *event)
{
    return thrum_event_wait_until(event, THRUM_FOREVER);
}

/* Stores the bit also where it is set: who waits after this call must see what was done before it. */
void thrum_event_set(thrum_event *event)
{
    th_line_enter(&event->line_);
    th_atomic32_store_release(word_of(event), 1); /* [O1] */
    th_line_wake_all(&event->line_, TH_WAKE_PLAIN);
    th_line_leave(&event->line_);
    th_point();
}

void thrum_event_clear(thrum_event *event)
{
    th_line_enter(&event->line_);
    th_atomic32_store_relaxed(word_of(event), 0);
    th_line_leave(&event->line_);
}
