/*
 * sched/crew, sched/monitor: a permit that is taken from a worker is held by one other, whatever the worker does at
 * that moment; what it had in its queues runs once; nobody sleeps on when there is something for him, nor after the
 * end.
 */
#include "model/model.h"

#include "base/sys.h"

/* Their steps are their own. */
#include "sched/crew.c"
#include "sched/monitor.c"

enum { WORKERS = 3, TASKS = 3 };

static struct thrum_runtime runtime;
static struct th_worker workers[WORKERS];
static struct th_worker *worker_list[WORKERS];
static struct th_task tasks[TASKS];

/* Steals nothing: what is in a worker's queue comes to others by the worker's own hand alone. */
void th_steal_find_work(struct th_worker *worker);
void th_worker_settle(struct th_worker *worker, uint32_t attention)
{
    (void)th_guard_settle(&worker->guard, attention);
}

void th_steal_find_work(struct th_worker *worker)
{
    (void)worker;
}

static void set_up(uint32_t permits, uint32_t count)
{
    th_guard_open();
    runtime.workers = worker_list;
    runtime.worker_count = permits;
    th_atomic32_store_relaxed(&runtime.made, count);
    th_atomic32_store_relaxed(&runtime.phase, TH_PHASE_CLOSING);
    th_crew_init(&runtime.crew, permits, permits + 8);
    for (uint32_t i = 0; i < count; i++) {
        worker_list[i] = &workers[i];
        (void)th_worker_init(&workers[i], &runtime, i);
        if (i >= permits)
            th_atomic32_store_relaxed(&workers[i].permit, TH_PERMIT_NONE);
    }
}

static void spawn(struct th_worker *worker, unsigned number)
{
    tasks[number].id = number + 1;
    th_model_issue(number);
    th_worker_count(&worker->spawned);
    th_worker_enter(worker);
    th_worker_add_fresh(worker, &tasks[number]);
    th_worker_leave(worker);
}

static void run_task(struct th_worker *worker, struct th_task *task)
{
    MODEL_CHECK_EQ(task->id, task - tasks + 1);
    task->id = 0; /* plain: it runs once */
    th_model_done((unsigned)(task - tasks));
    th_worker_count(&worker->finished);
}

static bool is_over(struct th_worker *worker)
{
    th_runtime_stop_if_drained(worker->runtime);
    return is_stopped(worker) || !th_inject_is_empty(&worker->runtime->inject);
}

static void look_for_work(struct th_worker *worker)
{
    (void)th_idle_begin_search(&runtime);
    while (!is_over(worker))
        (void)th_idle_sleep(worker, INT64_MAX, is_over);
    th_idle_end_search(&runtime);
    worker->fair_next = (uint32_t)th_atomic64_load_relaxed(&worker->dispatches) + 1;
}

/* What a worker's thread does, but that its tasks have no stacks. */
static void work(void *arg)
{
    struct th_worker *worker = arg;
    while (!is_stopped(worker)) {
        if (!th_worker_has_permit(worker)) {
            th_crew_stand_by(worker);
            continue;
        }
        th_worker_enter(worker);
        struct th_task *task = th_worker_pick(worker);
        th_worker_leave(worker);
        if (task != NULL) {
            run_task(worker, task);
        } else if (th_crew_begin_idle(worker)) {
            look_for_work(worker);
            th_crew_end_idle(worker);
        }
    }
}

static void check_permits(void)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < th_runtime_made(&runtime); i++) {
        uint32_t permit = th_atomic32_load_relaxed(&workers[i].permit);
        held += permit == TH_PERMIT_BUSY || permit == TH_PERMIT_IDLE;
    }
    MODEL_CHECK_EQ(held, runtime.worker_count);
}

static void finish(void)
{
    th_model_join_all();
    check_permits();
    MODEL_CHECK(runtime.crew.spares == NULL);
}

/* ---- The monitor against a worker that comes back, against the end, against a worker that goes idle */

static void retake_first(void *arg)
{
    (void)arg;
    (void)th_crew_retake(&workers[0], TH_LANES);
}

MODEL(retake_against_return, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE, .early = MODEL_NONE)
{
    set_up(1, 2);
    spawn(&workers[0], 0);
    spawn(&workers[0], 1);
    th_model_thread(work, &workers[1]);
    th_model_thread(retake_first, NULL);
    work(&workers[0]);
    finish();
}

/* Taken, given, and taken again from whom it was given to. */
static void retake_in_turn(void *arg)
{
    (void)arg;
    (void)th_crew_retake(&workers[0], TH_LANES);
    (void)th_crew_retake(&workers[1], TH_LANES);
    (void)th_crew_retake(&workers[0], TH_LANES);
}

MODEL(retake_against_a_second_one, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE, .early = MODEL_NONE)
{
    set_up(1, 2);
    spawn(&workers[0], 0);
    th_model_thread(work, &workers[1]);
    th_model_thread(retake_in_turn, NULL);
    work(&workers[0]);
    finish();
}

/* What the last holder left, plainly, is seen by the next. */
static int left; /* plain */

static void leave_and_be_retaken(void *arg)
{
    (void)arg;
    left = 1;
    (void)th_crew_retake(&workers[0], TH_LANES);
}

MODEL(a_permit_passes_on_what_was_left, .preemptions = 2)
{
    set_up(1, 2);
    th_atomic32_store_relaxed(&runtime.phase, TH_PHASE_OPEN);
    th_model_thread(leave_and_be_retaken, NULL);
    th_crew_stand_by(&workers[1]);
    if (th_worker_has_permit(&workers[1]))
        MODEL_CHECK_EQ(left, 1);
    th_model_join_all();
}

/* ---- A spare that goes to sleep against a task that is put aside */

static void put_aside(void *arg)
{
    th_crew_put_aside(&runtime, TH_LANE_USER, arg);
}

MODEL(put_aside_and_spare_meet, .preemptions = 3, .stale = 2, .spurious = MODEL_NONE, .early = MODEL_NONE)
{
    set_up(1, 2);
    th_atomic32_store_relaxed(&runtime.phase, TH_PHASE_OPEN);
    th_model_thread(put_aside, &tasks[0]);
    struct th_task *task;
    bool is_listed;
    while ((task = take_or_list(&workers[1], &is_listed)) == NULL) {
        if (is_listed)
            sleep_as_spare(&workers[1]);
    }
    MODEL_CHECK(task == &tasks[0]);
    MODEL_CHECK_EQ(runtime.crew.lanes.of[TH_LANE_USER].running, 1);
    th_model_join_all();
}

/* A spare whom nobody needs goes, or is called just then: not both. */
MODEL(a_spare_retires_or_is_called, .preemptions = 2)
{
    set_up(1, 2);
    th_atomic32_store_relaxed(&runtime.phase, TH_PHASE_OPEN);
    th_crew_come(&workers[1]);
    th_model_thread(retake_first, NULL);
    th_crew_stand_by(&workers[1]);
    th_model_join_all();
    bool has_permit = th_worker_has_permit(&workers[1]);
    MODEL_CHECK(has_permit != workers[1].is_retired);
    check_permits();
}

/* ---- The monitor's sleep against a worker that goes to work, and against timers that only it sees */

static void find_something(void *arg)
{
    (void)arg;
    (void)th_atomic32_sub_relaxed(&runtime.idle.counts, (1 << 16) - 1); /* it is awake, and searches */
    th_idle_end_search(&runtime);
    th_monitor_want(&runtime);
}

MODEL(the_monitor_sleeps_and_a_worker_finds_something, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 3)
{
    set_up(1, 1);
    (void)th_atomic32_add_relaxed(&runtime.idle.counts, 1 << 16);
    int worker = th_model_thread(find_something, NULL);
    sleep_long(&runtime, TH_SYS_FOREVER);
    th_model_join(worker);
}

static struct th_timer timer;

static void arm_and_stand_by(void *arg)
{
    struct th_worker *worker = arg;
    MODEL_CHECK_EQ(th_timer_arm(&worker->timers, &timer, 1, &tasks[0], 0), 0);
    th_crew_stand_by(worker);
}

MODEL(the_monitor_sleeps_and_a_spare_has_a_timer, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 1,
      .stale = 2, .spurious = MODEL_NONE, .early = MODEL_NONE)
{
    set_up(1, 2);
    th_atomic32_store_relaxed(&runtime.phase, TH_PHASE_OPEN);
    th_model_thread(arm_and_stand_by, &workers[1]);
    (void)th_atomic32_add_relaxed(&runtime.idle.counts, 1 << 16);
    sleep_long(&runtime, TH_SYS_FOREVER);
    th_atomic32_store_release(&runtime.phase, TH_PHASE_STOPPED);
    th_crew_wake_all(&runtime.crew);
    th_model_join_all();
    th_timers_fini(&workers[1].timers);
}

static void stop(void *arg)
{
    (void)arg;
    th_atomic32_store_release(&runtime.phase, TH_PHASE_STOPPED);
    th_monitor_notify(&runtime);
}

MODEL(the_monitor_sleeps_and_the_runtime_stops, .preemptions = 3)
{
    set_up(1, 1);
    runtime.monitor.is_running = true;
    (void)th_atomic32_add_relaxed(&runtime.idle.counts, 1 << 16);
    th_model_thread(stop, NULL);
    while (!has_stopped(&runtime))
        sleep_long(&runtime, TH_SYS_FOREVER);
    th_model_join_all();
}

MODEL(the_monitor_ticks_and_the_runtime_stops, .preemptions = 3)
{
    set_up(1, 1);
    runtime.monitor.is_running = true;
    th_model_thread(stop, NULL);
    while (!has_stopped(&runtime))
        sleep_short(&runtime, INT64_MAX);
    th_model_join_all();
}

/* ---- A task without a permit leaves another in its queue, just when all holders sleep, and waits for it in the
 * kernel: nobody is told, and who tries to take it may find its owner inside. The monitor looks on. */

static th_atomic32 has_run; /* futex */

static void leave_one_and_wait(void *arg)
{
    spawn(arg, 0);
    while (th_atomic32_load_acquire(&has_run) == 0)
        (void)th_sys_futex_wait(&has_run, 0, TH_SYS_FOREVER);
}

static struct th_task *take_by_force(struct th_worker *thief, struct th_worker *victim)
{
    if (!th_guard_ask(&victim->guard, thief->index + 1) ||
        th_guard_force(&victim->guard, thief->index + 1, 1) != TH_GUARD_INSIDE)
        return NULL;
    struct th_task *task = th_queue_pop_oldest(&victim->fresh);
    th_guard_restore(&victim->guard);
    return task;
}

static bool has_nothing(struct th_worker *worker)
{
    (void)worker;
    return false;
}

static void sleep_and_take(void *arg)
{
    struct th_worker *worker = arg;
    struct th_task *task;
    while ((task = take_by_force(worker, &workers[1])) == NULL)
        (void)th_idle_sleep(worker, INT64_MAX, has_nothing);
    run_task(worker, task);
    th_atomic32_store_release(&has_run, 1);
    (void)th_sys_futex_wake(&has_run, 1);
    th_atomic32_store_release(&runtime.phase, TH_PHASE_STOPPED);
    th_monitor_notify(&runtime);
}

MODEL(the_monitor_looks_on_while_tasks_run_aside, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE,
      .early = MODEL_NONE)
{
    set_up(1, 2);
    th_atomic32_store_relaxed(&runtime.phase, TH_PHASE_OPEN);
    runtime.crew.threads = 2;
    runtime.monitor.is_running = true;
    runtime.monitor.span_ns = FIRST_NS;
    runtime.monitor.quiet_looks = QUIET_LOOKS;
    th_atomic32_store_relaxed(&workers[0].permit, TH_PERMIT_IDLE);
    (void)th_idle_begin_search(&runtime);
    th_model_thread(leave_one_and_wait, &workers[1]);
    th_model_thread(sleep_and_take, &workers[0]);
    while (!has_stopped(&runtime))
        look_round(&runtime);
    th_model_join_all();
}

/* ---- A bound task comes home while its thread goes to rest */

static void bring_home(void *arg)
{
    th_crew_bring_home(arg);
}

MODEL(a_bound_task_meets_its_threads_rest, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 2)
{
    static struct th_fiber fiber;
    set_up(1, 2);
    th_atomic32_store_relaxed(&runtime.phase, TH_PHASE_OPEN);
    workers[1].is_bound = true;
    fiber.thread = &workers[1].thread;
    tasks[0].fiber = &fiber;
    tasks[0].flags = TH_TASK_BOUND_ONE;
    th_model_thread(bring_home, &tasks[0]);
    MODEL_CHECK(await_home(&workers[1]) == &tasks[0]);
    MODEL_CHECK_EQ(runtime.crew.resting, 0);
    th_model_join_all();
}

/* ---- A worker that is made is complete for whoever counts it */

static void make_one(void *arg)
{
    (void)arg;
    MODEL_CHECK(make_worker(&runtime) != NULL);
}

MODEL(a_worker_that_is_made_is_complete, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 3)
{
    set_up(1, 1);
    th_model_thread(make_one, NULL);
    uint32_t made = th_runtime_made(&runtime);
    for (uint32_t i = 0; i < made; i++)
        MODEL_CHECK_EQ(runtime.workers[i]->index, i);
    th_model_join_all();
    th_sys_free(runtime.workers[1]);
}

#define UNDER_THE_LOCK "who is woken looks again under the crew's lock"
MODEL_SURVIVES("is_stopped#1", UNDER_THE_LOCK)
MODEL_SURVIVES("th_crew_bring_home#1", UNDER_THE_LOCK)
MODEL_SURVIVES("await_home#1", UNDER_THE_LOCK)
MODEL_SURVIVES("has_stopped#1", "the monitor reads nothing that the end has written")
MODEL_SURVIVES("th_monitor_call#1->release", "the caller reads the word alone")
MODEL_SURVIVES("tell_sleep#1->acquire", "the caller reads the word alone")
MODEL_SURVIVES("sleep_long#1->release", "the fence behind it acquires too")
