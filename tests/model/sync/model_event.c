/*
 * sync/event and sync/line: who waits goes on once the event is set, sees what the setter did, and may then give the
 * event's memory back; a wait that is cancelled meanwhile leaves nothing behind.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

#include <thrum/sync.h>

static thrum_event event = THRUM_EVENT_INIT;
static int payload; /* plain: what the setter did before */

static void set(void *arg)
{
    (void)arg;
    payload = 1;
    thrum_event_set(&event);
}

static void wait_for_sure(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_event_wait(&event), 0);
    wait_reuse_stack();
    MODEL_CHECK_EQ(payload, 1);
}

static void wait_or_be_cancelled(void *arg)
{
    (void)arg;
    int code = thrum_event_wait(&event);
    wait_reuse_stack();
    if (code == 0)
        MODEL_CHECK_EQ(payload, 1);
    else
        MODEL_CHECK_EQ(code, -ECANCELED);
}

static void cancel_thread(void *thread)
{
    wait_cancel((int)(intptr_t)thread);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

static thrum_event *lent;

static void set_lent(void *arg)
{
    (void)arg;
    payload = 1;
    thrum_event_set(lent);
}

MODEL(event_goes_once_it_was_awaited, .modes = ALL, .preemptions = 3)
{
    lent = th_sys_alloc(sizeof *lent);
    *lent = (thrum_event)THRUM_EVENT_INIT;
    th_model_thread(set_lent, NULL);
    MODEL_CHECK_EQ(thrum_event_wait(lent), 0);
    MODEL_CHECK_EQ(payload, 1);
    th_sys_free(lent);
}

MODEL(event_set_meets_wait_meets_cancel, .modes = ALL, .preemptions = 2, .spurious = MODEL_NONE)
{
    th_model_thread(set, NULL);
    th_model_thread(cancel_thread, (void *)0);
    wait_or_be_cancelled(NULL);
    th_model_join_all();
    MODEL_CHECK(event.line_.first_ == NULL);
}

MODEL(event_one_of_two_waits_is_cancelled, .preemptions = 1, .stale = 2, .spurious = MODEL_NONE)
{
    int waiter = th_model_thread(wait_or_be_cancelled, NULL);
    th_model_thread(cancel_thread, (void *)(uintptr_t)waiter);
    th_model_thread(set, NULL);
    wait_for_sure(NULL);
}

/* The flag of a queue: set after each item, cleared before looking. No item is overlooked. */
static th_atomic32 items;

static void put_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        (void)th_atomic32_add_relaxed(&items, 1);
        thrum_event_set(&event);
    }
}

MODEL(event_clear_then_look_overlooks_nothing, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    uint32_t got = 0;
    th_model_thread(put_twice, NULL);
    while (got < 2) {
        MODEL_CHECK_EQ(thrum_event_wait(&event), 0);
        thrum_event_clear(&event);
        got += th_atomic32_exchange_relaxed(&items, 0);
    }
}
