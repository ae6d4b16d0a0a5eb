/*
 * sync/barrier, sync/once, sync/waitgroup: counts that come out right, whoever leaves before.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

#include <thrum/sync.h>

static int done[MODEL_THREADS]; /* plain: what each did before */

static void cancel_thread(void *thread)
{
    wait_cancel((int)(intptr_t)thread);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

/* ---- Barrier ---- */

static thrum_barrier barrier = THRUM_BARRIER_INIT(2);

static void meet_twice(void *arg)
{
    int self = (int)(intptr_t)arg;
    for (int round = 1; round <= 2; round++) {
        done[self] = round;
        MODEL_CHECK(thrum_barrier_wait(&barrier) >= 0);
        wait_reuse_stack();
        MODEL_CHECK_EQ(done[1 - self], round);
        MODEL_CHECK(thrum_barrier_wait(&barrier) >= 0);
    }
}

MODEL(barrier_two_meet, .modes = ALL, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    th_model_thread(meet_twice, (void *)1);
    meet_twice((void *)0);
    th_model_join_all();
    MODEL_CHECK_EQ(barrier.arrived_, 0);
}

/* Three come, one of them is cancelled or not; two of them meet, for certain. */
static th_atomic32 met;

static void meet_or_be_cancelled(void *arg)
{
    (void)arg;
    int code = thrum_barrier_wait(&barrier);
    wait_reuse_stack();
    MODEL_CHECK(code >= 0 || code == -ECANCELED || code == -EPIPE);
    (void)th_atomic32_add_relaxed(&met, code >= 0);
}

MODEL(barrier_cancel_meets_the_last_to_come, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    int cancelled = th_model_thread(meet_or_be_cancelled, NULL);
    th_model_thread(cancel_thread, (void *)(intptr_t)cancelled);
    th_model_thread(meet_or_be_cancelled, NULL);
    th_model_join(cancelled);
    bool is_alone = th_atomic32_load_relaxed(&met) == 0;
    if (is_alone)
        MODEL_CHECK(thrum_barrier_wait(&barrier) >= 0);
    th_model_join_all();
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&met), is_alone ? 1 : 2);
    MODEL_CHECK_EQ(barrier.arrived_, 0);
}

static void break_it(void *arg)
{
    (void)arg;
    thrum_barrier_abort(&barrier);
}

MODEL(barrier_abort_meets_cancel, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    th_model_thread(break_it, NULL);
    th_model_thread(cancel_thread, (void *)0);
    meet_or_be_cancelled(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&met), 0);
    MODEL_CHECK_EQ(barrier.arrived_, 0);
    MODEL_CHECK(barrier.line_.first_ == NULL);
}

/* ---- Once ---- */

static thrum_once once = THRUM_ONCE_INIT;
static int calls; /* plain: by one at a time */

static int call(void *arg)
{
    calls++;
    return calls < (int)(intptr_t)arg ? -EIO : 0;
}

static void need_it(void *arg)
{
    int code = thrum_once_call(&once, call, arg);
    wait_reuse_stack();
    MODEL_CHECK(code == 0 || code == -EIO || code == -ECANCELED);
    if (code == 0)
        MODEL_CHECK_EQ(calls, (int)(intptr_t)arg);
}

MODEL(once_two_need_it, .modes = ALL, .preemptions = 3, .stale = 2, .spurious = MODEL_NONE)
{
    th_model_thread(need_it, (void *)1);
    need_it((void *)1);
}

MODEL(once_a_failure_lets_the_next_try, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    th_model_thread(need_it, (void *)2);
    need_it((void *)2);
    th_model_join_all();
    MODEL_CHECK_EQ(calls, 2);
}

/* The one that was woken to try is cancelled: another tries. */
MODEL(once_a_failure_meets_cancel, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    int cancelled = th_model_thread(need_it, (void *)2);
    th_model_thread(need_it, (void *)2);
    th_model_thread(cancel_thread, (void *)(intptr_t)cancelled);
    need_it((void *)2);
}

/* ---- Wait group ---- */

static thrum_waitgroup *group;

static void do_it(void *arg)
{
    done[(intptr_t)arg] = 1;
    thrum_waitgroup_done(group);
}

static void lend_group(unsigned count)
{
    group = th_sys_alloc(sizeof *group);
    *group = (thrum_waitgroup)THRUM_WAITGROUP_INIT;
    thrum_waitgroup_add(group, count);
}

MODEL(waitgroup_goes_once_it_was_awaited, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    lend_group(2);
    th_model_thread(do_it, (void *)1);
    th_model_thread(do_it, (void *)2);
    MODEL_CHECK_EQ(thrum_waitgroup_wait(group), 0);
    MODEL_CHECK_EQ(done[1] + done[2], 2);
    th_sys_free(group);
}

static void await_or_be_cancelled(void *arg)
{
    (void)arg;
    int code = thrum_waitgroup_wait(group);
    wait_reuse_stack();
    if (code == 0)
        MODEL_CHECK_EQ(done[0], 1);
    else
        MODEL_CHECK_EQ(code, -ECANCELED);
}

MODEL(waitgroup_done_meets_cancel, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    lend_group(1);
    int cancelled = th_model_thread(await_or_be_cancelled, NULL);
    th_model_thread(cancel_thread, (void *)(intptr_t)cancelled);
    do_it((void *)0);
    th_model_join_all();
    MODEL_CHECK_EQ(group->word_, 0);
    MODEL_CHECK(group->line_.first_ == NULL);
    th_sys_free(group);
}

/* Nobody is in line any more when the count comes to 0; who finds that must not go on before it has been left. */
MODEL(waitgroup_goes_although_its_wait_was_cancelled, .modes = ALL, .preemptions = 2, .stale = 2,
      .spurious = MODEL_NONE)
{
    lend_group(1);
    th_model_thread(cancel_thread, (void *)0);
    th_model_thread(do_it, (void *)1);
    while (thrum_waitgroup_wait(group) < 0)
        th_model_yield();
    MODEL_CHECK_EQ(done[1], 1);
    th_sys_free(group);
}

MODEL_SURVIVES("[A1]", "no stacks are opened while these threads run")
MODEL_SURVIVES("finish#1->release", "a thread is woken by a futex call, which is a full fence here; a task is not")
