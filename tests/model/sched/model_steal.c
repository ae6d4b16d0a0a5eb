/*
 * sched/steal: whatever a victim does while a thief asks, withdraws or helps itself, each task is run once, by one who
 * sees what its spawner wrote.
 */
#include "model/model.h"

/* Asking and forcing are steal.c's own. */
#include "sched/steal.c"

enum { WORKERS = 3, TASKS = 4 };

static struct thrum_runtime runtime;
static struct th_worker workers[WORKERS];
static struct th_worker *worker_list[WORKERS];
static struct th_task tasks[TASKS];

static void set_up(uint32_t count)
{
    th_guard_open();
    runtime.workers = worker_list;
    runtime.worker_count = count;
    th_atomic32_store_relaxed(&runtime.made, count);
    for (uint32_t i = 0; i < count; i++) {
        worker_list[i] = &workers[i];
        (void)th_worker_init(&workers[i], &runtime, i);
    }
}

static void spawn(struct th_worker *worker, unsigned number)
{
    tasks[number].id = number + 1;
    th_model_issue(number);
    th_worker_enter(worker);
    th_worker_add_fresh(worker, &tasks[number]);
    th_worker_leave(worker);
}

/* Runs the newest fresh task; false if there is none. */
static bool run_one(struct th_worker *worker)
{
    th_worker_enter(worker);
    struct th_task *task = th_queue_pop_newest(&worker->fresh);
    if (task != NULL)
        th_atomicptr_store_relaxed(&task->home, NULL);
    th_worker_leave(worker);
    if (task == NULL)
        return false;
    MODEL_CHECK_EQ(task->id, task - tasks + 1);
    task->id = 0; /* plain: it runs once */
    th_model_done((unsigned)(task - tasks));
    return true;
}

static void run_all(struct th_worker *worker)
{
    while (run_one(worker))
        continue;
}

/* ---- One thief, one victim */

static void victim_of_two(void *arg)
{
    struct th_worker *worker = arg;
    spawn(worker, 0);
    spawn(worker, 1);
    (void)run_one(worker);
}

static void victim_of_one(void *arg)
{
    struct th_worker *worker = arg;
    spawn(worker, worker->index);
    (void)run_one(worker);
}

/* Spawns one and computes. */
static void silent_victim(void *arg)
{
    struct th_worker *worker = arg;
    spawn(worker, worker->index);
}

static void thief(void *arg)
{
    struct th_worker *worker = arg;
    (void)ask(worker, &workers[0]);
    run_all(worker);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&worker->mail.state), 0);
}

static void finish(void)
{
    th_model_join_all();
    for (uint32_t i = 0; i < runtime.worker_count; i++) {
        MODEL_CHECK_EQ(th_atomic32_load_relaxed(&workers[i].guard.attention), 0);
        run_all(&workers[i]);
    }
}

MODEL(steal_runs_each_task_once, .preemptions = 2)
{
    set_up(2);
    th_model_thread(victim_of_two, &workers[0]);
    thief(&workers[1]);
    finish();
}

/* A victim that is just about to take its last task. */
MODEL(steal_against_pop, .preemptions = 3)
{
    set_up(2);
    th_model_thread(victim_of_one, &workers[0]);
    thief(&workers[1]);
    finish();
}

MODEL(steal_from_the_silent, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 3)
{
    set_up(2);
    th_model_thread(silent_victim, &workers[0]);
    thief(&workers[1]);
    finish();
}

MODEL(steal_by_two, .preemptions = 1)
{
    set_up(3);
    spawn(&workers[0], 1);
    th_model_thread(thief, &workers[1]);
    th_model_thread(thief, &workers[2]);
    victim_of_one(&workers[0]);
    finish();
}

/* One victim's answer must not meet the next one's in the mail. */
static void thief_of_two(void *arg)
{
    struct th_worker *worker = arg;
    for (uint32_t i = 0; i < 2; i++)
        (void)ask(worker, &workers[i]);
    run_all(worker);
}

MODEL(steal_from_two, .preemptions = 1)
{
    set_up(3);
    th_model_thread(victim_of_one, &workers[0]);
    th_model_thread(victim_of_one, &workers[1]);
    thief_of_two(&workers[2]);
    finish();
}

MODEL_SURVIVES("fence_everybody#2", "for where there is no membarrier: see model_guard")
MODEL_SURVIVES("th_guard_force#1", "the fence behind it acquires too")
/* clang numbers it second. */
MODEL_SURVIVES("th_guard_force#2->relaxed", "the fence behind it acquires too")
