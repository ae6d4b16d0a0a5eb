/* sched/inject: what is pushed is taken once, filled, in order; a closed stack refuses. */
#include "model/model.h"

#include "sched/inject.h"

static struct th_inject inject;
static struct th_task tasks[3];

static void push(unsigned number)
{
    struct th_task *task = &tasks[number];
    task->id = number;
    th_model_issue(number);
    if (!th_inject_push(&inject, task))
        th_model_done(number);
}

static void push_two(void *arg)
{
    (void)arg;
    push(0);
    push(1);
}

static void push_one(void *arg)
{
    (void)arg;
    push(2);
}

static unsigned take(void)
{
    unsigned count = 0;
    uint64_t last = 0;
    for (struct th_task *task = th_inject_take(&inject), *next; task != NULL; task = next, count++) {
        next = task->next;
        /* One pusher's tasks come in its order. */
        if (task->id == 1)
            last = 1;
        MODEL_CHECK(!(task->id == 0 && last == 1));
        th_model_done((unsigned)task->id);
    }
    return count;
}

static void take_once(void *arg)
{
    (void)arg;
    (void)take();
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(inject_hands_out_each_task_once, .modes = ALL, .preemptions = 2)
{
    th_model_thread(push_two, NULL);
    th_model_thread(push_one, NULL);
    (void)take();
    (void)take();
    th_model_join_all();
    (void)take();
}

MODEL(inject_is_taken_by_two, .modes = ALL, .preemptions = 2)
{
    th_model_thread(push_two, NULL);
    th_model_thread(take_once, NULL);
    (void)take();
    th_model_join_all();
    (void)take();
}

MODEL(inject_closes_only_when_empty, .modes = ALL, .preemptions = 3)
{
    th_model_thread(push_two, NULL);
    while (!th_inject_close(&inject))
        (void)take();
    th_model_join_all();
    MODEL_CHECK(th_inject_is_empty(&inject));
}

MODEL_SURVIVES("th_inject_close#1", "it finds the stack empty: there is nothing to see behind it")
