/*
 * Parking on real fibers: a task that waits, and whoever ends the wait while it is on its way out, on one worker or on
 * the next. It goes on once, on one worker, with its registers saved; the stack it left is nobody's.
 */
#include "model/model.h"

#include "base/sys.h"
#include "task/group.h"
#include "task/life.h"

enum { WORKERS = 2 };

static struct thrum_runtime runtime;
static struct th_worker workers[WORKERS];
static struct th_worker *worker_list[WORKERS] = {&workers[0], &workers[1]};
static struct th_task task, child;
static struct thrum_group group;
static th_atomic64 told; /* the epoch + 1, for those who end the wait */
static th_atomic32 is_over;
static int did; /* plain: what those who end the wait did before */

static void execute(struct th_worker *worker, struct th_task *ran)
{
    (void)worker;
    (void)ran->fn(ran->arg);
}

static void set_up(th_task_fn fn)
{
    struct th_stack_options stacks = {.slot_bytes = 32 << 10, .slots = 64, .is_uncoloured = true};
    MODEL_CHECK_EQ(th_stack_open(&stacks), 0);
    th_guard_open();
    runtime.workers = worker_list;
    runtime.worker_count = WORKERS;
    th_atomic32_store_relaxed(&runtime.made, WORKERS);
    runtime.execute = execute;
    for (int i = 0; i < WORKERS; i++)
        (void)th_worker_init(&workers[i], &runtime, (uint32_t)i);
    th_task_fill(&task, &runtime, 1, fn, NULL);
    th_worker_add_fresh(&workers[0], &task);
}

/* th_worker_run, for one task, and without sleep. */
static void serve(void *arg)
{
    struct th_worker *worker = arg;
    MODEL_CHECK_EQ(th_thread_init(&worker->thread), 0);
    while (th_atomic32_load_acquire(&is_over) == 0) {
        /* Looks for what comes from outside. */
        worker->fair_next = (uint32_t)th_atomic64_load_relaxed(&worker->dispatches) + 1;
        th_worker_enter(worker);
        struct th_task *next = th_worker_pick(worker);
        if (next != NULL)
            th_worker_switch(&worker->thread.host, next);
        else
            th_worker_leave(worker);
        while (th_inject_is_empty(&runtime.inject) && th_atomic32_load_acquire(&is_over) == 0 &&
               th_worker_slot(worker) == NULL)
            continue;
    }
    th_thread_fini(&worker->thread);
}

static void finish(void)
{
    th_model_join_all();
    th_stack_close();
}

/* ---- A plain wait */

static int wait_once(void *arg)
{
    (void)arg;
    uint32_t epoch = th_wait_begin(&task);
    th_atomic64_store_release(&told, (uint64_t)epoch + 1);
    MODEL_CHECK_EQ(th_park(&task), TH_WAKE_PLAIN);
    MODEL_CHECK_EQ(did, 1);
    th_atomic32_store_release(&is_over, 1);
    return 0;
}

static void end_wait(void *arg)
{
    uint64_t known;
    (void)arg;
    while ((known = th_atomic64_load_acquire(&told)) == 0)
        continue;
    did = 1;
    MODEL_CHECK(th_unpark(&task, (uint32_t)(known - 1), TH_WAKE_PLAIN));
}

MODEL(park_on_one_worker, .preemptions = 2, .stale = 2, .leaks = true)
{
    set_up(wait_once);
    th_model_thread(end_wait, NULL);
    serve(&workers[0]);
    finish();
}

MODEL(park_and_go_on_elsewhere, .modes = MODEL_SC, .preemptions = 1, .leaks = true)
{
    set_up(wait_once);
    th_model_thread(end_wait, NULL);
    th_model_thread(serve, &workers[1]);
    serve(&workers[0]);
    finish();
}

/* ---- A group */

static int wait_for_group(void *arg)
{
    (void)arg;
    group.opener_ = &task;
    group.elsewhere_ = 1;
    task.flags += TH_TASK_OPEN_GROUP;
    th_atomic64_store_release(&told, 1);
    MODEL_CHECK_EQ(thrum_group_wait(&group), 0);
    MODEL_CHECK_EQ(did, 1);
    th_atomic32_store_release(&is_over, 1);
    return 0;
}

static void end_child(void *arg)
{
    (void)arg;
    while (th_atomic64_load_acquire(&told) == 0)
        continue;
    did = 1;
    th_task_tell_group(&group);
}

MODEL(group_wait_on_a_fiber, .preemptions = 2, .stale = 2, .leaks = true)
{
    set_up(wait_for_group);
    th_model_thread(end_child, NULL);
    serve(&workers[0]);
    finish();
}

/* The last child and the opener's deadline: the opener leaves once, and the child has looked its last by then. */
static struct thrum_group *late_group;

static int wait_for_group_until_late(void *arg)
{
    (void)arg;
    late_group = th_sys_alloc_zeroed(sizeof *late_group);
    late_group->opener_ = &task;
    late_group->elsewhere_ = 1;
    task.flags += TH_TASK_OPEN_GROUP;
    th_atomic32_store_relaxed(&task.cancel, TH_TASK_HAS_DEADLINE | TH_TASK_IS_LISTED);
    task.deadline = INT64_MAX;
    task.is_deadline_armed = true;
    th_atomic64_store_release(&told, 1);
    MODEL_CHECK_EQ(thrum_group_wait(late_group), 0);
    MODEL_CHECK_EQ(did, 1);
    th_sys_free(late_group);
    th_atomic32_store_release(&is_over, 1);
    return 0;
}

static void end_late_child(void *arg)
{
    (void)arg;
    while (th_atomic64_load_acquire(&told) == 0)
        continue;
    did = 1;
    th_task_tell_group(late_group);
}

static void come_late(void *arg)
{
    (void)arg;
    while (th_atomic64_load_acquire(&told) == 0)
        continue;
    if (th_wait_deadline(&task, 0))
        th_worker_wake(&task);
}

MODEL(group_wait_meets_its_deadline, .modes = MODEL_SC | MODEL_WEAK, .preemptions = 1, .stale = 1, .leaks = true)
{
    set_up(wait_for_group_until_late);
    th_model_thread(end_late_child, NULL);
    th_model_thread(come_late, NULL);
    serve(&workers[0]);
    finish();
}

/* ---- A join */

static int wait_for_task(void *arg)
{
    int result = 0;
    (void)arg;
    th_task_fill(&child, &runtime, 2, NULL, NULL);
    th_atomic32_store_relaxed(&child.references, 3);
    th_atomic64_store_release(&told, 1);
    MODEL_CHECK_EQ(thrum_join((thrum_task *)&child, &result), 0);
    MODEL_CHECK_EQ(result, 5);
    MODEL_CHECK_EQ(did, 1);
    th_atomic32_store_release(&is_over, 1);
    return 0;
}

static void end_task(void *arg)
{
    (void)arg;
    while (th_atomic64_load_acquire(&told) == 0)
        continue;
    did = 1;
    child.result = 5;
    th_done_close(&child);
}

MODEL(join_on_a_fiber, .preemptions = 2, .stale = 2, .leaks = true)
{
    set_up(wait_for_task);
    th_model_thread(end_task, NULL);
    serve(&workers[0]);
    finish();
}

MODEL(group_wait_and_go_on_elsewhere, .modes = MODEL_SC, .preemptions = 1, .leaks = true)
{
    set_up(wait_for_group);
    th_model_thread(end_child, NULL);
    th_model_thread(serve, &workers[1]);
    serve(&workers[0]);
    finish();
}

#define ELSEWHERE "another model's: model_guard, model_idle, model_join, model_drain"
MODEL_SURVIVES("[D2]", ELSEWHERE)
MODEL_SURVIVES("[D3]", ELSEWHERE)
MODEL_SURVIVES("th_guard_enter#1", ELSEWHERE)
MODEL_SURVIVES("[S1]", ELSEWHERE)
MODEL_SURVIVES("notify_by_load", ELSEWHERE)
MODEL_SURVIVES("[T2]", ELSEWHERE)
MODEL_SURVIVES("[V1]", ELSEWHERE)
MODEL_SURVIVES("[A1]", "the stacks are opened before any of these threads, and closed behind them")
MODEL_SURVIVES("[W4]", "one deadline alone: see model_scope")
MODEL_SURVIVES("[W3]", "the child ends the wait in the end: see model_scope")
MODEL_SURVIVES("[T3]", "what was done before a cancel is asked for in model_scope")
MODEL_SURVIVES("th_wait_commit#1->acq_rel", "the child ends the wait in the end: see model_scope")
MODEL_SURVIVES("commit_without_scopes", "the child ends the wait in the end: see model_scope")
MODEL_SURVIVES("[G2]", "what was done before a cancel is asked for in model_scope")
MODEL_SURVIVES("[Q2]", "the runtime does not end here: see model_drain")
MODEL_SURVIVES("done_lock#1", "nobody else touches the list here: see model_join")
