/*
 * sync/semaphore: no permit is lost or made, whether it is taken, handed over, or its taker is cancelled.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

#include <thrum/sync.h>

static thrum_semaphore one = THRUM_SEMAPHORE_INIT(1), none = THRUM_SEMAPHORE_INIT(0);
static int inside; /* plain: what one permit guards */

static void use_for_sure(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_semaphore_acquire(&one), 0);
    wait_reuse_stack();
    MODEL_CHECK_EQ(++inside, 1);
    inside--;
    MODEL_CHECK_EQ(thrum_semaphore_release(&one), 0);
}

static void use_or_be_cancelled(void *arg)
{
    (void)arg;
    int code = thrum_semaphore_acquire(&one);
    wait_reuse_stack();
    MODEL_CHECK(code == 0 || code == -ECANCELED);
    if (code < 0)
        return;
    MODEL_CHECK_EQ(++inside, 1);
    inside--;
    MODEL_CHECK_EQ(thrum_semaphore_release(&one), 0);
}

static void cancel_thread(void *thread)
{
    wait_cancel((int)(intptr_t)thread);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(semaphore_one_permit_for_two, .modes = ALL, .preemptions = 3, .stale = 2, .spurious = MODEL_NONE)
{
    th_model_thread(use_for_sure, NULL);
    use_for_sure(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(thrum_semaphore_value(&one), 1);
}

MODEL(semaphore_permit_meets_cancel, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    int cancelled = th_model_thread(use_or_be_cancelled, NULL);
    th_model_thread(cancel_thread, (void *)(uintptr_t)cancelled);
    use_for_sure(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(one.word_, 2);
}

MODEL(semaphore_cancelled_waiter_leaves_the_permit_to_another, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    MODEL_CHECK_EQ(thrum_semaphore_try_acquire(&one), 0);
    int cancelled = th_model_thread(use_or_be_cancelled, NULL);
    th_model_thread(use_for_sure, NULL);
    th_model_thread(cancel_thread, (void *)(uintptr_t)cancelled);
    MODEL_CHECK_EQ(thrum_semaphore_release(&one), 0);
    th_model_join_all();
    MODEL_CHECK_EQ(one.word_, 2);
}

static void wait_a_while(void *arg)
{
    (void)arg;
    int code = thrum_semaphore_acquire_until(&none, 1000);
    wait_reuse_stack();
    MODEL_CHECK(code == 0 || code == -ETIMEDOUT);
    if (code < 0)
        th_model_done(0);
}

MODEL(semaphore_permit_meets_time, .modes = ALL, .preemptions = 3, .stale = 2, .spurious = MODEL_NONE)
{
    th_model_issue(0);
    th_model_thread(wait_a_while, NULL);
    MODEL_CHECK_EQ(thrum_semaphore_release(&none), 0);
    th_model_join_all();
    if (thrum_semaphore_try_acquire(&none) < 0)
        th_model_done(0);
}

/* A permit as a signal, on the stack of who waits for it. */
static thrum_semaphore *lent;
static int payload;

static void release_lent(void *arg)
{
    (void)arg;
    payload = 1;
    MODEL_CHECK_EQ(thrum_semaphore_release(lent), 0);
}

MODEL(semaphore_goes_once_it_was_acquired, .modes = ALL, .preemptions = 3)
{
    lent = th_sys_alloc(sizeof *lent);
    *lent = (thrum_semaphore)THRUM_SEMAPHORE_INIT(0);
    th_model_thread(release_lent, NULL);
    MODEL_CHECK_EQ(thrum_semaphore_acquire(lent), 0);
    MODEL_CHECK_EQ(payload, 1);
    th_sys_free(lent);
}
