/*
 * task/join: whoever joins a task goes on when it has ended and sees what it did; the record is given back once, by the
 * last who has a reference, after the last look.
 */
#include "model/model.h"

#include "base/sys.h"
#include "task/life.h"

enum { RESULT = 5 };

static struct thrum_runtime runtime;
static struct th_task task;
static int did;                /* plain: what the task did */
static th_atomic32 given_back; /* how often the record was reused */

static void set_up(uint32_t handles)
{
    runtime.records.carved = 1;
    th_task_fill(&task, &runtime, 1, NULL, NULL);
    task.flags = TH_TASK_HAS_HANDLE;
    th_atomic32_store_relaxed(&task.references, handles + 1);
}

/* A record that was given back is another task's: whoever still looks at it races. */
static void reuse(void)
{
    void *record = th_record_take_shared(&runtime.records);
    if (record == NULL)
        return;
    MODEL_CHECK(record == &task);
    MODEL_CHECK_EQ(th_atomic32_add_relaxed(&given_back, 1), 0);
    th_task_fill(&task, NULL, 2, NULL, NULL);
    task.result = 0;
    task.flags = 0;
}

/* A task's end, as its worker does it. */
static void end(void *arg)
{
    (void)arg;
    did = 1;
    task.result = RESULT;
    th_done_close(&task);
    th_task_reference_drop(&task);
}

static void join(void *arg)
{
    (void)arg;
    int result = 0;
    MODEL_CHECK_EQ(thrum_join((thrum_task *)&task, &result), 0);
    MODEL_CHECK_EQ(result, RESULT);
    MODEL_CHECK_EQ(did, 1);
}

static void join_and_reuse(void *arg)
{
    join(arg);
    if (th_records_in_use(&runtime.records) == 0)
        reuse();
}

static void look_and_drop(void *arg)
{
    (void)arg;
    if (thrum_task_is_done((thrum_task *)&task))
        MODEL_CHECK_EQ(did, 1);
    thrum_task_drop((thrum_task *)&task);
}

static void check_given_back(void)
{
    th_model_join_all();
    if (th_atomic32_load_relaxed(&given_back) == 0)
        MODEL_CHECK_EQ(th_records_in_use(&runtime.records), 0);
}

static void called(void *arg, int result)
{
    (void)arg;
    MODEL_CHECK_EQ(result, RESULT);
    MODEL_CHECK_EQ(did, 1);
    th_model_done(0);
}

static void ask_for_call_and_drop(void *arg)
{
    (void)arg;
    th_model_issue(0);
    MODEL_CHECK_EQ(thrum_task_on_done((thrum_task *)&task, called, NULL), 0);
    thrum_task_drop((thrum_task *)&task);
}

MODEL(join_meets_the_end, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 2)
{
    set_up(1);
    th_model_thread(end, NULL);
    join_and_reuse(NULL);
    check_given_back();
}

MODEL(join_by_two, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    set_up(2);
    th_model_thread(end, NULL);
    th_model_thread(join, NULL);
    join_and_reuse(NULL);
    check_given_back();
}

MODEL(join_and_drop, .preemptions = 2, .stale = 2)
{
    set_up(2);
    th_model_thread(end, NULL);
    th_model_thread(look_and_drop, NULL);
    join_and_reuse(NULL);
    check_given_back();
}

MODEL(call_and_join, .preemptions = 2, .stale = 2)
{
    set_up(2);
    th_model_thread(end, NULL);
    th_model_thread(ask_for_call_and_drop, NULL);
    join(NULL);
    check_given_back();
}

/* A wait that something else ends, while the task ends too: the node is nobody's when the waiter goes on. */
static struct th_waiter given_up;

static void give_up(void *arg)
{
    (void)arg;
    (void)th_await_wake(&given_up, TH_WAKE_CANCEL);
}

static void wait_and_give_up(void)
{
    struct th_done *node = th_sys_alloc(sizeof *node);
    *node = (struct th_done){.waiter = &given_up, .reason = TH_WAKE_PLAIN};
    bool is_added = th_done_add(&task, node);
    int reason = is_added ? th_await(&given_up, TH_SYS_FOREVER) : TH_WAKE_PLAIN;
    if (reason == TH_WAKE_PLAIN || !th_done_remove(&task, node))
        MODEL_CHECK_EQ(did, 1);
    th_sys_free(node);
    thrum_task_drop((thrum_task *)&task);
}

MODEL(cancelled_wait_meets_the_end, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 2, .stale = 2)
{
    set_up(1);
    MODEL_CHECK_EQ(th_await_begin(&given_up), 0);
    th_model_thread(end, NULL);
    th_model_thread(give_up, NULL);
    wait_and_give_up();
    check_given_back();
}

MODEL(cancelled_wait_leaves_the_others, .preemptions = 1, .stale = 2, .spurious = MODEL_NONE)
{
    set_up(2);
    MODEL_CHECK_EQ(th_await_begin(&given_up), 0);
    th_model_thread(end, NULL);
    th_model_thread(join, NULL);
    th_model_thread(give_up, NULL);
    wait_and_give_up();
    check_given_back();
}

MODEL_SURVIVES("[V1]", "the runtime's memory does not go here: see model_drain")
MODEL_SURVIVES("[A1]", "no stacks are opened while these threads run")
