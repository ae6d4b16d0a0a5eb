/*
 * sched/rest: when all that lives waits, whoever falls asleep last sees it, as a holder of a permit or as a spare; and
 * nobody does while a task is on its way to a worker, or a timer armed, or when nothing lives any more.
 */
#include "model/model.h"

#include "base/sys.h"
#include "sched/idle.h"
#include "sched/monitor.c"
#include "sched/rest.h"
#include "sched/steal.h"
#include "sched/wait.h"

enum { WORKERS = 2 };

static struct thrum_runtime runtime;
static struct th_worker workers[WORKERS];
static struct th_worker *worker_list[WORKERS] = {&workers[0], &workers[1]};
static struct th_task task;
static int has_run;  /* plain */
static int wanted;   /* of it, before there may be rest */
static bool is_last; /* what runs ends all that lives */

static bool see_rest(struct thrum_runtime *judged)
{
    if (!th_rest_is_reached(judged))
        return false;
    MODEL_CHECK_EQ(has_run, wanted);
    MODEL_CHECK(!is_last);
    th_atomic32_store_release(&judged->phase, TH_PHASE_STOPPED);
    th_idle_wake_all(judged);
    th_crew_wake_all(&judged->crew);
    return true;
}

/* A task lives, and waits: it has been counted as begun, and stands nowhere. */
static void set_up(uint32_t permits)
{
    th_guard_open();
    runtime.workers = worker_list;
    runtime.worker_count = permits;
    runtime.judge_rest = see_rest;
    th_atomic32_store_relaxed(&runtime.made, WORKERS);
    th_crew_init(&runtime.crew, permits, WORKERS + 1);
    runtime.crew.threads = WORKERS;
    for (uint32_t i = 0; i < WORKERS; i++)
        (void)th_worker_init(&workers[i], &runtime, i);
    th_worker_count(&workers[0].spawned);
}

static bool is_stopped(void)
{
    return th_atomic32_load_acquire(&runtime.phase) == TH_PHASE_STOPPED;
}

static void run(struct th_worker *worker)
{
    has_run++;
    if (is_last)
        th_worker_count(&worker->finished);
}

static void work(void *arg)
{
    struct th_worker *worker = arg;
    while (!is_stopped()) {
        th_worker_enter(worker);
        struct th_task *next = th_worker_pick(worker);
        th_worker_leave(worker);
        if (next != NULL)
            run(worker);
        else
            th_steal_find_work(worker);
    }
}

static void stand_by(void *arg)
{
    th_crew_stand_by(arg);
}

/* The first one, whose thread is the caller's: it never goes. */
static void be_without_permit(struct th_worker *worker)
{
    th_atomic32_store_relaxed(&worker->permit, TH_PERMIT_NONE);
    th_model_thread(stand_by, worker);
}

#define BOUNDS .preemptions = 1, .stale = 1, .spurious = MODEL_NONE

MODEL(a_holder_and_a_spare_fall_asleep_and_see_rest, BOUNDS)
{
    set_up(1);
    be_without_permit(&workers[0]);
    work(&workers[1]);
}

MODEL(two_holders_fall_asleep_and_see_rest, BOUNDS)
{
    set_up(2);
    th_model_thread(work, &workers[1]);
    work(&workers[0]);
}

static void leave_one_ready(struct th_worker *worker)
{
    static struct th_fiber fiber;
    task.fiber = &fiber;
    wanted = 1;
    th_worker_add_ready(worker, &task);
}

MODEL(there_is_no_rest_while_a_task_is_handed_on, BOUNDS)
{
    set_up(1);
    leave_one_ready(&workers[0]);
    workers[1].ask_after = INT64_MAX; /* it does not steal it */
    be_without_permit(&workers[0]);
    work(&workers[1]);
}

MODEL(there_is_no_rest_while_a_holder_has_a_task, BOUNDS)
{
    set_up(2);
    leave_one_ready(&workers[1]);
    th_model_thread(work, &workers[1]);
    work(&workers[0]);
}

MODEL(there_is_no_rest_once_all_has_ended, BOUNDS)
{
    set_up(2);
    is_last = true;
    th_atomic32_store_relaxed(&runtime.phase, TH_PHASE_CLOSING);
    leave_one_ready(&workers[1]);
    th_model_thread(work, &workers[1]);
    work(&workers[0]);
}

/* A spare that falls asleep last sees what a holder has armed. */
MODEL(there_is_no_rest_while_a_timer_is_armed, BOUNDS)
{
    static struct th_timer timer;
    set_up(1);
    wanted = 1;
    be_without_permit(&workers[0]);
    MODEL_CHECK_EQ(th_timer_arm(&workers[1].timers, &timer, 2000000000, th_due_owner(&task, TH_DUE_CALL), 0), 0);
    work(&workers[1]);
    th_model_join_all();
    th_timers_fini(&workers[1].timers);
}

enum { SPARE_STAYS_NS = 2000000000 };

static void stand_by_and_go(void *arg)
{
    th_crew_stand_by(arg);
    th_crew_gone(arg);
}

static void sleep_as_monitor(void *arg)
{
    (void)arg;
    while (!is_stopped()) {
        if (all_sleep(&runtime))
            sleep_long(&runtime, TH_SYS_FOREVER);
        else
            sleep_short(&runtime, th_sys_now() + SPARE_STAYS_NS);
        if (is_to_be_judged(&runtime, th_sys_now()) && all_sleep(&runtime))
            th_idle_wake_one(&runtime);
    }
}

/* The holder's last task ends just when the spare has waited long enough. */
MODEL(a_spare_goes_while_the_holder_falls_asleep, BOUNDS, .modes = MODEL_SC)
{
    set_up(1);
    runtime.monitor.is_running = true;
    th_atomic32_store_relaxed(&workers[1].permit, TH_PERMIT_NONE);
    th_model_thread(stand_by_and_go, &workers[1]);
    th_model_thread(sleep_as_monitor, NULL);
    th_sys_sleep_until(th_sys_now() + SPARE_STAYS_NS);
    work(&workers[0]);
    th_monitor_notify(&runtime);
}

MODEL_SURVIVES("all_holders_sleep#1", "whoever sleeps has held the crew's lock on his way, and so does the judge")
