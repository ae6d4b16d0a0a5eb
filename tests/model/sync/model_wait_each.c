/*
 * sync/wait_each: each task that ends is given out once, a wait that is cancelled loses none, and the memory goes once,
 * with the last who touches it.
 */
#include "model/model.h"

#include <thrum/gather.h>

#include "model/sync/played_waits.h"
#include "task/life.h"

static struct thrum_runtime runtime;
static struct th_task tasks[2];
static thrum_task *handles[2] = {(thrum_task *)&tasks[0], (thrum_task *)&tasks[1]};
static int did[2]; /* plain: what each task did */

static void set_up(void)
{
    for (int i = 0; i < 2; i++) {
        th_task_fill(&tasks[i], &runtime, (uint64_t)i + 1, NULL, NULL);
        tasks[i].flags = TH_TASK_HAS_HANDLE;
        th_atomic32_store_relaxed(&tasks[i].references, 2);
    }
}

static void end(void *arg)
{
    int number = (int)(uintptr_t)arg;
    did[number] = 1;
    tasks[number].result = number;
    th_done_close(&tasks[number]);
}

/* The next one: false if the wait was cancelled. */
static bool take_one(thrum_wait *wait)
{
    size_t index = 2;
    int code = thrum_wait_each(wait, &index);
    use_the_stack();
    if (code == 1) {
        MODEL_CHECK_EQ(did[index], 1);
        th_model_done((unsigned)index);
        return true;
    }
    MODEL_CHECK_EQ(code, -ECANCELED);
    return false;
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

static thrum_wait *open_both(void)
{
    thrum_wait *wait;
    set_up();
    MODEL_CHECK_EQ(thrum_wait_open(&wait, handles, 2), 0);
    return wait;
}

MODEL(wait_each_gives_each_once, .preemptions = 1, .stale = 2, .spurious = MODEL_NONE)
{
    set_up();
    th_model_issue(0);
    th_model_issue(1);
    th_model_thread(end, (void *)0);
    thrum_wait *wait;
    MODEL_CHECK_EQ(thrum_wait_open(&wait, handles, 2), 0);
    th_model_thread(end, (void *)1);
    MODEL_CHECK(take_one(wait));
    MODEL_CHECK(take_one(wait));
    size_t index;
    MODEL_CHECK_EQ(thrum_wait_each(wait, &index), 0);
    thrum_wait_close(wait);
}

MODEL(wait_each_meets_cancel, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    thrum_wait *wait = open_both();
    th_model_issue(0);
    end((void *)1); /* given out first */
    th_model_issue(1);
    MODEL_CHECK(take_one(wait));
    th_model_thread(end, (void *)0);
    int canceller = th_model_thread(cancel_thread, (void *)0);
    if (!take_one(wait)) {
        th_model_join(canceller);
        end_cancel();
        MODEL_CHECK(take_one(wait));
    }
    thrum_wait_close(wait);
}

MODEL(wait_each_is_closed_while_tasks_end, .modes = ALL, .preemptions = 2, .stale = 2)
{
    thrum_wait *wait = open_both();
    th_model_thread(end, (void *)0);
    th_model_thread(end, (void *)1);
    thrum_wait_close(wait);
}

MODEL(wait_any_returns_once_one_has_ended, .modes = ALL, .preemptions = 2)
{
    size_t index;
    set_up();
    th_model_thread(end, (void *)0);
    MODEL_CHECK_EQ(thrum_wait_any(handles, 2, &index), 0);
    MODEL_CHECK_EQ(index, 0);
    MODEL_CHECK_EQ(did[0], 1);
    end((void *)1);
}

MODEL_SURVIVES("done_lock#1", "each list has one node here: see model_join")
MODEL_SURVIVES("th_done_remove#1", "each list has one node here: see model_join")
MODEL_SURVIVES("th_done_close#1", "only a second joiner could tell, behind one who waits: see model_join")
