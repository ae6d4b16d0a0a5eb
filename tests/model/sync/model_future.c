/*
 * sync/future: one of all who set it does, every waiter gets that or its own cancel, and the setter's last touch comes
 * before any waiter goes on; calls are made once, chains come to their end.
 */
#include "model/model.h"

#include <thrum/future.h>

#include "model/sync/played_waits.h"

enum { RESULT = 5 };

static int payload; /* plain: what the setter did before */
static thrum_future future;
static int value;

/* ---- Who does what ---- */

static void set(void *arg)
{
    (void)arg;
    payload = 1;
    MODEL_CHECK_EQ(thrum_future_set(&future, &value), 0);
}

static void await_it(void *arg)
{
    (void)arg;
    void *got = NULL;
    int result = thrum_future_wait(&future, &got);
    use_the_stack();
    if (result == 0) {
        MODEL_CHECK(got == &value);
        MODEL_CHECK_EQ(payload, 1);
    } else {
        MODEL_CHECK_EQ(result, -ECANCELED);
    }
}

static void await_it_for_sure(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_future_wait(&future, NULL), 0);
    MODEL_CHECK_EQ(payload, 1);
}

static thrum_future *created;

static void set_created(void *arg)
{
    (void)arg;
    payload = 1;
    MODEL_CHECK_EQ(thrum_future_set_result(created, RESULT), 0);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

/* The memory goes the moment that the wait has returned: the reference that a setter has is the waiter's here. */
MODEL(future_goes_once_it_was_awaited, .modes = ALL, .preemptions = 3)
{
    MODEL_CHECK_EQ(thrum_future_create(&created), 0);
    th_model_thread(set_created, NULL);
    MODEL_CHECK_EQ(thrum_future_wait(created, NULL), RESULT);
    MODEL_CHECK_EQ(payload, 1);
    thrum_future_drop(created);
}

MODEL(future_goes_once_it_is_seen_to_be_over, .modes = ALL, .preemptions = 3)
{
    MODEL_CHECK_EQ(thrum_future_create(&created), 0);
    th_model_thread(set_created, NULL);
    while (thrum_future_state(created) == THRUM_FUTURE_PENDING)
        continue;
    MODEL_CHECK_EQ(payload, 1);
    thrum_future_drop(created);
}

MODEL(future_has_its_result_once_it_is_seen_to_be_over, .modes = ALL, .preemptions = 3)
{
    th_model_thread(set, NULL);
    void *got = NULL;
    while (thrum_future_result(&future, &got) == -EAGAIN)
        continue;
    MODEL_CHECK(got == &value);
    MODEL_CHECK_EQ(payload, 1);
}

MODEL(future_set_meets_wait_meets_cancel, .modes = ALL, .preemptions = 3, .spurious = MODEL_NONE)
{
    th_model_thread(set, NULL);
    th_model_thread(cancel_thread, (void *)0);
    await_it(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(thrum_future_state(&future), THRUM_FUTURE_DONE);
}

/* The node in front of another's, or behind it, goes while both are ended. */
MODEL(future_one_of_two_waits_is_cancelled, .preemptions = 1, .stale = 2, .spurious = MODEL_NONE)
{
    int waiter = th_model_thread(await_it, NULL);
    th_model_thread(cancel_thread, (void *)(uintptr_t)waiter);
    th_model_thread(set, NULL);
    await_it_for_sure(NULL);
}

MODEL(future_two_await_and_it_is_set, .preemptions = 1, .stale = 2)
{
    th_model_thread(await_it_for_sure, NULL);
    th_model_thread(set, NULL);
    await_it_for_sure(NULL);
}

/* Two sleep for the word while a third one has it, and the setter takes it before the one that was woken for it. */
MODEL(future_three_await_and_it_is_set, .preemptions = 1, .stale = MODEL_NONE, .spurious = MODEL_NONE)
{
    th_model_thread(await_it_for_sure, NULL);
    th_model_thread(await_it_for_sure, NULL);
    th_model_thread(set, NULL);
    await_it_for_sure(NULL);
}

static th_atomic32 setters;

static void try_to_cancel(void *arg)
{
    (void)arg;
    int code = thrum_future_cancel(&future);
    MODEL_CHECK(code == 0 || code == -EALREADY);
    (void)th_atomic32_add_relaxed(&setters, code == 0);
    int result = thrum_future_result(&future, NULL);
    MODEL_CHECK_EQ(result, code == 0 ? -ECANCELED : RESULT);
}

MODEL(future_is_set_once, .modes = ALL, .preemptions = 3)
{
    th_model_thread(try_to_cancel, NULL);
    int code = thrum_future_set_result(&future, RESULT);
    MODEL_CHECK(code == 0 || code == -EALREADY);
    (void)th_atomic32_add_relaxed(&setters, code == 0);
    th_model_join_all();
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&setters), 1);
}

/* ---- Calls and chains ---- */

static void called(void *arg, int result)
{
    MODEL_CHECK_EQ(result, 0);
    MODEL_CHECK_EQ(payload, 1);
    th_model_done((unsigned)(uintptr_t)arg);
}

static void ask_to_be_called(void *arg)
{
    MODEL_CHECK_EQ(thrum_future_on_done(&future, called, arg), 0);
}

MODEL(future_makes_each_call_once, .modes = ALL, .preemptions = 2)
{
    th_model_issue(0);
    th_model_issue(1);
    th_model_thread(set, NULL);
    th_model_thread(ask_to_be_called, (void *)0);
    ask_to_be_called((void *)1);
}

static int step(void *arg, void **passed)
{
    (void)arg;
    MODEL_CHECK(*passed == &value);
    MODEL_CHECK_EQ(payload, 1);
    payload = 2;
    return RESULT;
}

static void cancel_created(void *arg)
{
    (void)arg;
    int code = thrum_future_cancel(created);
    MODEL_CHECK(code == 0 || code == -EALREADY);
    thrum_future_drop(created);
}

/* The end of a chain is cancelled while the chain comes to it; nothing is lost, and nothing used that is gone. */
MODEL(future_chain_meets_cancel, .preemptions = 2, .stale = 2)
{
    thrum_future *last;
    MODEL_CHECK_EQ(thrum_future_then(&future, step, NULL, &created), 0);
    MODEL_CHECK_EQ(thrum_future_then(created, step, NULL, &last), 0);
    thrum_future_drop(last);
    th_model_thread(cancel_created, NULL);
    payload = 1;
    MODEL_CHECK_EQ(thrum_future_fail(&future, -EIO), 0);
}

MODEL(future_chain_is_made_while_it_is_set, .modes = ALL, .preemptions = 3)
{
    th_model_thread(set, NULL);
    MODEL_CHECK_EQ(thrum_future_then(&future, step, NULL, &created), 0);
    MODEL_CHECK_EQ(thrum_future_wait(created, NULL), RESULT);
    MODEL_CHECK_EQ(payload, 2);
    thrum_future_drop(created);
}

static void drop_created(void *arg)
{
    (void)arg;
    MODEL_CHECK(thrum_future_state(created) <= THRUM_FUTURE_DONE);
    thrum_future_drop(created);
}

MODEL(future_goes_with_its_last_reference, .modes = ALL, .preemptions = 3)
{
    MODEL_CHECK_EQ(thrum_future_create(&created), 0);
    th_model_thread(drop_created, thrum_future_hold(created));
    set_created(NULL);
    thrum_future_drop(created);
}

MODEL_SURVIVES("enter_contended#2", "who finds it over there has slept and wakes others first: the call is a fence")
