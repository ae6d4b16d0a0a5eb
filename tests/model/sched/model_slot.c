/*
 * The slot of a worker (sched/worker.c), which is its owner's alone, unless the monitor says that the owner sits in one
 * dispatch (sched/monitor.c): then thieves take from it too (sched/steal.c). Whatever owner, monitor and thief do at
 * once, what was in it runs once; it does not wait for an owner who is late; and two tasks that wake each other through
 * it let others run within a few dispatches.
 */
#include "model/model.h"

/* Their steps are their own. */
#include "sched/steal.c"
#define TIMER_LATE_NS MONITOR_TIMER_LATE_NS /* both have one */
#include "sched/monitor.c"
#undef TIMER_LATE_NS

/* PING and PONG wake each other; the others run once. */
enum { PING, PONG, WAITED, SPAWNED, TASKS };

/* Dispatches in which what waits behind a busy slot must have had its turn: the slot's, then one of the queues', once
 * for each of the queues. */
enum { TURN_COMES_WITHIN = 2 * (TH_SLOT_RUNS_MOST + 1) };

static struct thrum_runtime runtime;
static struct th_worker owner, thief;
static struct th_worker *worker_list[] = {&owner, &thief};
static struct th_task tasks[TASKS];
static struct th_fiber some_fiber;
static th_atomic32 has_run; /* futex: the task that the owner waits for */

static void set_up(void)
{
    th_guard_open();
    runtime.workers = worker_list;
    runtime.worker_count = TH_COUNT_OF(worker_list);
    th_atomic32_store_relaxed(&runtime.made, runtime.worker_count);
    for (uint32_t i = 0; i < runtime.worker_count; i++) {
        (void)th_worker_init(worker_list[i], &runtime, i);
        th_atomic32_store_relaxed(&worker_list[i]->tid, i + 1);
    }
    for (int i = 0; i < TASKS; i++)
        tasks[i].fiber = i != SPAWNED ? &some_fiber : NULL;
}

static void wake(struct th_worker *worker, int number)
{
    tasks[number].id = (uint64_t)number + 1;
    th_worker_enter(worker);
    th_worker_add_ready(worker, &tasks[number]);
    th_worker_leave(worker);
}

static void run(struct th_worker *worker, struct th_task *task)
{
    int number = (int)(task - tasks);
    MODEL_CHECK_EQ(task->id, number + 1);
    task->id = 0; /* plain: it runs once for each time that it was made ready */
    if (number == PING || number == PONG)
        wake(worker, PING + PONG - number);
    else
        th_model_done((unsigned)number);
}

/* A dispatch; false if there was nothing. */
static bool dispatch(struct th_worker *worker)
{
    th_worker_enter(worker);
    struct th_task *task = th_worker_pick(worker);
    th_worker_leave(worker);
    if (task != NULL)
        run(worker, task);
    return task != NULL;
}

static void steal_once(void *arg)
{
    (void)arg;
    if (has_backlog(&owner))
        (void)ask(&thief, &owner);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&thief.mail.state), 0);
}

/* The owner is in the dispatch of the look before, or in another. */
static void look_at_owner(int64_t *now)
{
    *now += BLOCKED_NS;
    (void)judge(&owner, *now, INT64_MAX);
}

static void watch_owner(void *arg)
{
    int64_t now = 0;
    (void)arg;
    look_at_owner(&now);
    look_at_owner(&now);
}

/* ---- It runs once */

static void wake_and_run(void *arg)
{
    (void)arg;
    th_model_issue(WAITED);
    wake(&owner, WAITED);
    (void)dispatch(&owner);
}

static void steal_and_run(void *arg)
{
    steal_once(arg);
    (void)dispatch(&thief);
}

MODEL(a_late_owners_slot_is_run_by_one, .preemptions = 2, .stale = 1)
{
    set_up();
    th_model_thread(watch_owner, NULL);
    th_model_thread(steal_and_run, NULL);
    wake_and_run(NULL);
    th_model_join_all();
    while (dispatch(&owner))
        continue;
    /* It is trusted again. */
    wake(&owner, WAITED);
    watch_owner(NULL);
    MODEL_CHECK(has_backlog(&owner));
    (void)th_worker_pick(&owner);
    int64_t now = 0;
    look_at_owner(&now);
    wake(&owner, WAITED);
    MODEL_CHECK(!has_backlog(&owner));
}

/* ---- It is run, though its owner waits for that */

static void wake_and_wait(void *arg)
{
    (void)arg;
    th_model_issue(WAITED);
    wake(&owner, WAITED);
    while (th_atomic32_load_acquire(&has_run) == 0)
        (void)th_sys_futex_wait(&has_run, 0, TH_SYS_FOREVER);
}

static void watch_until_it_has_run(void *arg)
{
    int64_t now = th_sys_now();
    (void)arg;
    while (th_atomic32_load_acquire(&has_run) == 0) {
        look_at_owner(&now);
        th_sys_sleep_until(now);
    }
}

MODEL(a_slot_does_not_wait_for_its_late_owner, .preemptions = 1, .stale = 1, .early = MODEL_NONE,
      .spurious = MODEL_NONE)
{
    set_up();
    th_model_thread(wake_and_wait, NULL);
    th_model_thread(watch_until_it_has_run, NULL);
    while (!dispatch(&thief)) {
        th_sys_sleep_until(th_sys_now() + NAP_FIRST_NS);
        steal_once(NULL);
    }
    th_atomic32_store_release(&has_run, 1);
    (void)th_sys_futex_wake(&has_run, 1);
}

/* ---- It keeps nobody from running */

static void check_turns_have_come(struct th_worker *worker)
{
    for (struct th_task *task = worker->ready.oldest; task != NULL; task = task->next)
        MODEL_CHECK(task != &tasks[WAITED]);
    MODEL_CHECK_EQ(th_queue_count(&worker->fresh), 0);
}

static void run_for_a_while(struct th_worker *worker)
{
    for (int i = 0; i < TURN_COMES_WITHIN; i++)
        (void)dispatch(worker);
    th_worker_enter(worker);
    check_turns_have_come(worker);
    th_worker_leave(worker);
}

MODEL(two_that_wake_each_other_let_others_run, .preemptions = 1, .stale = 1)
{
    set_up();
    th_model_issue(WAITED);
    th_model_issue(SPAWNED);
    wake(&owner, WAITED);
    wake(&owner, PING); /* pushes it out of the slot */
    tasks[SPAWNED].id = SPAWNED + 1;
    th_worker_add_fresh(&owner, &tasks[SPAWNED]);
    th_model_thread(steal_once, NULL);
    run_for_a_while(&owner);
    th_model_join_all();
    run_for_a_while(&thief);
}
