/*
 * The end of a runtime (sched/runtime.c) against what comes late: posts, wakes from outside, calls whose time has come.
 * What was accepted runs, nothing runs after the end, somebody notices the end, and nobody touches a runtime that is
 * gone.
 */
#include "model/model.h"

#include "base/sys.h"
#include "task/life.h"
#include "task/post.h"

/* What a sleeper looks at is steal.c's own. */
#include "sched/steal.c"

enum { WORKERS = 2, RECORDS = 3 };

static struct thrum_runtime *runtime;
static struct th_worker workers[WORKERS];
static struct th_worker *worker_list[WORKERS] = {&workers[0], &workers[1]};
static struct th_posts posts;
static struct th_task waiter; /* it lives, and waits to be woken from outside */

static void set_up(void)
{
    runtime = th_sys_alloc_aligned(TH_NO_SHARING, sizeof *runtime);
    *runtime = (struct thrum_runtime){
        .workers = worker_list, .made = TH_ATOMIC_INIT(WORKERS), .worker_count = WORKERS, .posts = &posts};
    for (int i = 0; i < WORKERS; i++)
        (void)th_worker_init(&workers[i], runtime, (uint32_t)i);
    th_atomic64_store_relaxed(&posts.free[0], (1 << RECORDS) - 1);
    waiter = (struct th_task){.fiber = &workers[0].thread.host, .runtime = runtime, .id = 1};
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- Workers that only serve what comes in and sleep, as th_worker_run and th_steal_find_work do */

static bool is_stopped(void)
{
    return th_atomic32_load_acquire(&runtime->phase) == TH_PHASE_STOPPED;
}

static void run_task(struct th_worker *worker, struct th_task *task)
{
    MODEL_CHECK(!is_stopped());
    if ((task->flags & TH_TASK_IS_POST) == 0) {
        th_model_done((unsigned)task->id);
    } else {
        th_model_done((unsigned)(uintptr_t)task->arg);
        th_post_put(&posts, task);
    }
    MODEL_CHECK(!is_stopped());
    th_worker_count(&worker->finished);
}

static void serve(struct th_worker *worker)
{
    (void)th_idle_begin_search(runtime);
    while (!is_stopped()) {
        struct th_task *task = th_inject_take(&runtime->inject);
        if (task == NULL)
            (void)th_idle_sleep(worker, INT64_MAX, has_outside_work);
        for (struct th_task *next; task != NULL; task = next) {
            next = task->next;
            run_task(worker, task);
        }
    }
}

static void worker_body(void *arg)
{
    serve(arg);
}

/* The worker on which the main task ends. */
static void end_main(void)
{
    th_atomic32_store_release(&runtime->phase, TH_PHASE_CLOSING);
    th_worker_count(&workers[0].finished);
    serve(&workers[0]);
}

static void post(void *arg)
{
    unsigned item = (unsigned)(uintptr_t)arg;
    th_model_issue(item);
    if (thrum_post(runtime, nothing, (void *)(uintptr_t)item) < 0)
        th_model_done(item);
}

static void start_main(void)
{
    set_up();
    th_worker_count(&workers[0].spawned);
}

/* The poster has promised that the runtime exists. */
MODEL(drain_against_a_post, .preemptions = 2, .stale = 1)
{
    start_main();
    th_model_thread(post, (void *)2);
    end_main();
    th_model_join_all();
    th_sys_free(runtime);
}

MODEL(drain_by_two_against_a_post, .preemptions = 1, .stale = 2, .spurious = MODEL_NONE)
{
    start_main();
    th_model_thread(post, (void *)2);
    th_model_thread(worker_body, &workers[1]);
    end_main();
    th_model_join_all();
    th_sys_free(runtime);
}

/* What waits lives: nobody had to promise. */
static void wake_waiter(void *arg)
{
    (void)arg;
    th_worker_wake(&waiter);
}

MODEL(drain_against_a_wake, .modes = MODEL_SC, .preemptions = 2)
{
    start_main();
    th_worker_count(&workers[0].spawned);
    th_model_issue(1);
    th_model_thread(wake_waiter, NULL);
    end_main();
    th_runtime_await_visitors(runtime);
    th_sys_free(runtime);
}

/* Two workers look whether it is over, one after the other or at once, while a third runs what has just come. */
static void post_and_run(void *arg)
{
    struct th_worker *worker = arg;
    post((void *)2);
    struct th_task *task = th_inject_take(&runtime->inject);
    if (task != NULL)
        run_task(worker, task);
}

static void look_once(void *arg)
{
    (void)arg;
    th_runtime_stop_if_drained(runtime);
}

MODEL(drain_looked_for_by_two, .preemptions = 2, .stale = 2)
{
    start_main();
    th_atomic32_store_release(&runtime->phase, TH_PHASE_CLOSING);
    th_worker_count(&workers[0].finished);
    th_model_thread(post_and_run, &workers[1]);
    th_model_thread(look_once, NULL);
    look_once(NULL);
    th_model_join_all();
    th_sys_free(runtime);
}

/* A call whose time comes while the runtime ends is run before the end, or not at all. */
static struct th_task call = {.id = 3};
static struct th_timer timer;

static void fire_and_run(void *arg)
{
    struct th_worker *worker = arg;
    th_worker_enter(worker);
    (void)th_worker_fire(worker, &worker->timers, 1);
    struct th_task *task = th_queue_pop_oldest(&worker->ready);
    th_worker_leave(worker);
    MODEL_CHECK((task != NULL) != (th_timers_next(&worker->timers) == 1));
    if (task != NULL)
        run_task(worker, task);
    else
        th_model_done((unsigned)call.id);
    serve(worker);
}

MODEL(drain_against_a_call, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    start_main();
    th_model_issue((unsigned)call.id);
    MODEL_CHECK_EQ(th_timer_arm(&workers[1].timers, &timer, 1, th_due_owner(&call, TH_DUE_CALL), 0), 0);
    int firing = th_model_thread(fire_and_run, &workers[1]);
    end_main();
    th_model_join(firing);
    th_timers_fini(&workers[1].timers);
    th_sys_free(runtime);
}

/* The ledger, looked at from a third worker: the main task's child runs elsewhere, and has a child there. */
static th_atomicptr handed;
static int grandchild_did; /* plain */

static void run_child_and_grandchild(void *arg)
{
    struct th_worker *worker = arg;
    if (th_atomicptr_exchange_acquire(&handed, NULL) == NULL)
        return;
    th_worker_count(&worker->spawned);
    th_worker_count(&worker->finished);
    grandchild_did = 1;
    th_worker_count(&worker->finished);
}

static void end_main_behind_child(void *arg)
{
    struct th_worker *worker = arg;
    th_worker_count(&worker->spawned);
    th_atomicptr_store_release(&handed, &call);
    th_worker_count(&worker->finished);
}

MODEL(drain_counts_descendants, .preemptions = MODEL_UNBOUNDED)
{
    start_main();
    th_model_thread(end_main_behind_child, &workers[0]);
    th_model_thread(run_child_and_grandchild, &workers[1]);
    if (th_runtime_is_drained(runtime))
        MODEL_CHECK_EQ(grandchild_did, 1);
    th_model_join_all();
    th_sys_free(runtime);
}

#define NO_TASK \
    "the ledger is in order whatever this orders: who has finished was counted before, and [I1] and [Q4] pass on"
MODEL_SURVIVES("th_runtime_is_drained#2", NO_TASK)
MODEL_SURVIVES("th_runtime_is_drained#3", NO_TASK)
#define FENCED "beside [Q4], which is a fence"
MODEL_SURVIVES("th_inject_close#1", FENCED)
MODEL_SURVIVES("th_inject_reopen#1", FENCED)
#define MAIN "what the main task did is read when the workers have been joined"
MODEL_SURVIVES("th_runtime_stop_if_drained#1", MAIN)
MODEL_SURVIVES("th_runtime_stop_if_drained#3", MAIN)
MODEL_SURVIVES("has_outside_work#1", MAIN)
#define ELSEWHERE "another model's: model_guard, model_idle, model_post"
MODEL_SURVIVES("[D1]", ELSEWHERE)
MODEL_SURVIVES("[D2]", ELSEWHERE)
MODEL_SURVIVES("[D3]", ELSEWHERE)
MODEL_SURVIVES("th_guard_enter#2", ELSEWHERE)
MODEL_SURVIVES("guard_without_fence", ELSEWHERE)
MODEL_SURVIVES("[S2]", ELSEWHERE)
MODEL_SURVIVES("th_idle_sleep#1", ELSEWHERE)
MODEL_SURVIVES("th_idle_notify#1->release", ELSEWHERE)
MODEL_SURVIVES("[P1]", ELSEWHERE)
MODEL_SURVIVES("thrum_post#1", NO_TASK)
MODEL_SURVIVES("thrum_post#2", NO_TASK)
MODEL_SURVIVES("count_sleeper_as_searcher#1", ELSEWHERE)
MODEL_SURVIVES("wake_outside_the_lock", ELSEWHERE)
MODEL_SURVIVES("[A1]", "no stacks are opened while these threads run")
