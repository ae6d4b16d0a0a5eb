/*
 * task/aside: a call that runs aside against its caller's cancel. The caller leaves with its memory, a call on its own
 * stack, only when nobody looks there any more: the call has ended, or will never begin. The lane is played: a place
 * under a lock.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

/* Its steps are its own. */
#include "task/aside.c"

/* ---- What it stands on */

static struct th_lock lane_lock = TH_LOCK_INIT;
static struct th_task *queued; /* l */
static void serve(void *arg);

/* Somebody serves the lane from now on. */
void th_crew_put_aside(struct thrum_runtime *runtime, enum th_lane_kind kind, struct th_task *task)
{
    (void)runtime;
    (void)kind;
    th_lock_take(&lane_lock);
    queued = task;
    th_lock_leave(&lane_lock);
    th_model_thread(serve, NULL);
}

static struct th_task *take_queued(void)
{
    th_lock_take(&lane_lock);
    struct th_task *task = queued;
    queued = NULL;
    th_lock_leave(&lane_lock);
    return task;
}

bool th_crew_take_back(struct thrum_runtime *runtime, enum th_lane_kind kind, struct th_task *task)
{
    (void)runtime;
    (void)kind;
    (void)task;
    return take_queued() != NULL;
}

/* Not reached: the model makes its tasks itself. */
void *th_record_take_refill(struct th_record_cache *cache, struct th_records *records)
{
    (void)cache;
    (void)records;
    return NULL;
}

void th_task_refill_ids(struct th_worker *worker)
{
    (void)worker;
}

void th_task_discard(struct th_worker *worker, struct th_task *task)
{
    (void)worker;
    (void)task;
}

void thrum_yield(void)
{
}

/* ---- */

static struct th_task task;
static int payload; /* plain: what the call did */

static int do_it(void *arg)
{
    payload = (int)(intptr_t)arg;
    return 7;
}

/* A thread that serves the lane; it may come too late. */
static void serve(void *arg)
{
    (void)arg;
    struct th_task *taken = take_queued();
    if (taken != NULL)
        (void)run_call(taken->arg);
}

static void cancel_caller(void *arg)
{
    (void)arg;
    wait_cancel(0);
}

static void call_and_leave(bool may_be_cancelled)
{
    struct call call = {.fn = do_it, .arg = (void *)(intptr_t)5};
    int code = th_await_begin(&call.first);
    if (code < 0)
        return;
    task.arg = &call;
    bool has_run = run_aside(NULL, TH_LANE_USER, &task, &call, &code);
    if (has_run) {
        MODEL_CHECK_EQ(call.result, 7);
        MODEL_CHECK_EQ(payload, 5);
    } else {
        MODEL_CHECK(may_be_cancelled);
        MODEL_CHECK_EQ(code, -ECANCELED);
    }
}

/* Its frame is used again by whatever comes after the call. */
static TH_NOINLINE void call_aside(bool may_be_cancelled)
{
    call_and_leave(may_be_cancelled);
    wait_reuse_stack();
}

MODEL(aside_call_ends, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 3)
{
    call_aside(false);
    th_model_join_all();
}

MODEL(aside_call_meets_cancel, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 3, .spurious = MODEL_NONE)
{
    th_model_thread(cancel_caller, NULL);
    call_aside(true);
    th_model_join_all();
}
