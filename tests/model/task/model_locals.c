/*
 * task/locals: two tasks that share a table, of which each writes its own value and ends: nobody sees the other's, the
 * table is written in place by whoever has it alone by then, and freed once.
 */
#include "model/model.h"

#include "sched/park.h"

static struct th_task *running_task(void);
#define th_task_self running_task
#include "task/locals.c"
#undef th_task_self

static struct th_task tasks[2];
static const thrum_local key, other_key;

/* Each thread runs one task. */
static struct th_task *running_task(void)
{
    return &tasks[th_model_self()];
}

static void set(const thrum_local *local, intptr_t value)
{
    MODEL_CHECK_EQ(thrum_local_set(local, (void *)value), 0);
}

static void check(const thrum_local *local, intptr_t value)
{
    MODEL_CHECK_EQ((intptr_t)thrum_local_get(local), value);
}

static void share(void)
{
    set(&key, 1);
    tasks[1].locals = th_locals_share(tasks[0].locals);
}

static void write_and_end(void *arg)
{
    (void)arg;
    check(&key, 1);
    set(&key, 2);
    set(&other_key, 3);
    check(&key, 2);
    th_locals_drop(running_task()->locals);
}

static void read_and_end(void *arg)
{
    (void)arg;
    check(&key, 1);
    check(&other_key, 0);
    th_locals_drop(running_task()->locals);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(locals_of_two_who_write_are_their_own, .modes = ALL, .preemptions = 3)
{
    share();
    th_model_thread(write_and_end, NULL);
    write_and_end(NULL);
}

MODEL(locals_are_written_in_place_when_the_last_reader_has_gone, .modes = ALL, .preemptions = 3)
{
    share();
    th_model_thread(read_and_end, NULL);
    write_and_end(NULL);
}

MODEL(locals_are_freed_by_the_last_of_two_readers, .modes = ALL, .preemptions = 3)
{
    share();
    th_model_thread(read_and_end, NULL);
    read_and_end(NULL);
}
