/* sched/inject: in order, each once, and nothing after the close. */
#include "kit/kit.h"
#include "sched/inject.h"

#include <pthread.h>
#include <sched.h>

enum { PUSHERS = 4, EACH = 2000 };

static struct th_inject stack;
static struct th_task tasks[PUSHERS][EACH];
static th_atomic32 refused;

TEST(what_was_pushed_is_taken_oldest_first)
{
    CHECK(th_inject_is_empty(&stack));
    CHECK_PTR_EQ(th_inject_take(&stack), NULL);
    for (int i = 0; i < 10; i++)
        CHECK(th_inject_push(&stack, &tasks[0][i]));
    CHECK(!th_inject_is_empty(&stack));
    struct th_task *task = th_inject_take(&stack);
    for (int i = 0; i < 10; i++, task = task->next)
        CHECK_PTR_EQ(task, &tasks[0][i]);
    CHECK_PTR_EQ(task, NULL);
    CHECK(th_inject_is_empty(&stack));
}

TEST(a_closed_stack_takes_and_gives_nothing_until_it_is_open_again)
{
    CHECK(th_inject_push(&stack, &tasks[0][0]));
    CHECK(!th_inject_close(&stack)); /* something is in it */
    CHECK_PTR_EQ(th_inject_take(&stack), &tasks[0][0]);
    CHECK(th_inject_close(&stack));
    CHECK(th_inject_is_closed(&stack));
    CHECK(!th_inject_close(&stack));
    CHECK(th_inject_is_empty(&stack));
    CHECK_PTR_EQ(th_inject_take(&stack), NULL);
    CHECK(!th_inject_push(&stack, &tasks[0][1]));
    th_inject_reopen(&stack);
    CHECK(!th_inject_is_closed(&stack));
    CHECK(th_inject_push(&stack, &tasks[0][1]));
    CHECK_PTR_EQ(th_inject_take(&stack), &tasks[0][1]);
}

static void *push_mine(void *arg)
{
    struct th_task *mine = arg;
    for (int i = 0; i < EACH; i++) {
        mine[i].id = (uint64_t)i + 1;
        while (!th_inject_push(&stack, &mine[i])) {
            (void)th_atomic32_add_relaxed(&refused, 1);
            sched_yield();
        }
    }
    return NULL;
}

TEST(pushers_lose_nothing_to_a_taker_that_also_closes)
{
    pthread_t threads[PUSHERS];
    uint64_t last[PUSHERS] = {0};
    int count = 0;
    for (int i = 0; i < PUSHERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, push_mine, tasks[i]), 0);
    while (count < PUSHERS * EACH) {
        if (th_inject_close(&stack))
            th_inject_reopen(&stack);
        struct th_task *next, *task = th_inject_take(&stack);
        for (; task != NULL; task = next, count++) {
            size_t pusher = (size_t)(task - tasks[0]) / EACH;
            next = task->next;
            CHECK_EQ(task->id, last[pusher] + 1); /* each pusher's come in its order */
            last[pusher] = task->id;
        }
        sched_yield();
    }
    for (int i = 0; i < PUSHERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(th_inject_is_empty(&stack));
}
