/*
 * The whole loop of workers (sched/worker.c) with their search, naps and sleeps (steal.c, idle.c), on real fibers. A
 * push wakes nobody, so all hangs on the napper: as long as anybody runs, what he leaves in his queues is found, though
 * he never comes back to them; and what comes from outside finds somebody, whoever is asleep.
 *
 * Each task leaves another behind and sits in the kernel until that has run, so each wants a worker of its own: if one
 * sleeps on, that is a deadlock.
 */
#include "model/model.h"

#include "base/sys.h"
#include "sched/idle.h"
#include "sched/worker.h"

enum { WORKERS = 3 };

static struct thrum_runtime runtime;
static struct th_worker workers[WORKERS];
static struct th_worker *worker_list[WORKERS] = {&workers[0], &workers[1], &workers[2]};
static struct th_task tasks[WORKERS];
static th_atomic32 has_run[WORKERS]; /* futexes */
static int did[WORKERS];             /* plain: how often each has run */
static int last;                     /* the task that leaves none behind */

static void execute(struct th_worker *worker, struct th_task *task)
{
    (void)worker;
    (void)task->fn(task->arg);
    th_worker_count(&th_worker_of(th_fiber_self())->finished);
}

static void leave_behind(int number)
{
    struct th_worker *worker = th_worker_of(th_fiber_self());
    th_model_issue((unsigned)number);
    th_worker_count(&worker->spawned);
    th_worker_enter(worker);
    th_worker_add_fresh(worker, &tasks[number]);
    th_worker_leave(worker);
    while (th_atomic32_load_acquire(&has_run[number]) == 0)
        (void)th_sys_futex_wait(&has_run[number], 0, TH_SYS_FOREVER);
    MODEL_CHECK_EQ(did[number], 1);
}

static int run(void *arg)
{
    struct th_task *task = arg;
    int number = (int)(task - tasks);
    did[number]++;
    if (number < last)
        leave_behind(number + 1);
    if (number == 0)
        th_atomic32_store_release(&runtime.phase, TH_PHASE_CLOSING);
    th_model_done((unsigned)number);
    th_atomic32_store_release(&has_run[number], 1);
    (void)th_sys_futex_wake(&has_run[number], 1);
    return 0;
}

static void set_up(uint32_t count)
{
    struct th_stack_options stacks = {.slot_bytes = 32 << 10, .slots = 256, .is_uncoloured = true};
    MODEL_CHECK_EQ(th_stack_open(&stacks), 0);
    th_guard_open();
    runtime.workers = worker_list;
    runtime.worker_count = count;
    runtime.execute = execute;
    th_atomic32_store_relaxed(&runtime.made, count);
    th_crew_init(&runtime.crew, count, count + 1);
    last = (int)count - 1;
    for (uint32_t i = 0; i < count; i++) {
        (void)th_worker_init(&workers[i], &runtime, i);
        tasks[i].runtime = &runtime;
        tasks[i].fn = run;
        tasks[i].arg = &tasks[i];
    }
}

static void serve(void *arg)
{
    struct th_worker *worker = arg;
    MODEL_CHECK_EQ(th_thread_init(&worker->thread), 0);
    th_worker_serve(worker);
}

static void finish(void)
{
    th_model_join_all();
    MODEL_CHECK(runtime.idle.sleepers == NULL);
    MODEL_CHECK(th_runtime_is_drained(&runtime));
    th_stack_close();
}

/* ---- Each task finds a worker, though nobody is told of it */

static void run_main_on(uint32_t count)
{
    set_up(count);
    th_model_issue(0);
    th_worker_count(&workers[0].spawned);
    th_worker_add_fresh(&workers[0], &tasks[0]);
    for (uint32_t i = 1; i < count; i++)
        th_model_thread(serve, &workers[i]);
    serve(&workers[0]);
    finish();
}

MODEL(what_a_busy_worker_leaves_is_found, .preemptions = 1, .stale = 1, .early = MODEL_NONE, .spurious = MODEL_NONE,
      .leaks = true)
{
    run_main_on(2);
}

MODEL(what_two_busy_workers_leave_is_found, .modes = MODEL_SC, .preemptions = 1, .early = MODEL_NONE,
      .spurious = MODEL_NONE, .leaks = true)
{
    run_main_on(3);
}

/* ---- The same begun from outside, at any moment of anybody's falling asleep */

static void submit(void *arg)
{
    (void)arg;
    th_model_issue(0);
    (void)th_atomic64_add_release(&runtime.foreign_spawned, 1);
    MODEL_CHECK(th_worker_inject(&runtime, &tasks[0]));
}

MODEL(what_comes_from_outside_is_found, .modes = MODEL_SC, .preemptions = 1, .early = MODEL_NONE,
      .spurious = MODEL_NONE, .leaks = true)
{
    set_up(2);
    th_model_thread(submit, NULL);
    th_model_thread(serve, &workers[1]);
    serve(&workers[0]);
    finish();
}

MODEL_SURVIVES("[Q2]", "what the main task did is read when the workers have been joined")
