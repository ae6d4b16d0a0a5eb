/* sched/queue: a list that gives from both ends and out of the middle, against an array that does the same. */
#include "base/random.h"
#include "kit/kit.h"
#include "sched/queue.h"

#include <string.h>

enum { TASKS = 64 };

static struct th_task tasks[TASKS];
static struct th_task *model[TASKS]; /* oldest first */
static uint32_t count;
static bool is_in[TASKS];

static void model_remove(uint32_t at)
{
    is_in[model[at] - tasks] = false;
    memmove(&model[at], &model[at + 1], (--count - at) * sizeof *model);
}

static void model_insert(uint32_t at, struct th_task *task)
{
    memmove(&model[at + 1], &model[at], (count++ - at) * sizeof *model);
    model[at] = task;
    is_in[task - tasks] = true;
}

static void check_same(const struct th_queue *queue)
{
    const struct th_task *task = queue->oldest, *before = NULL;
    CHECK_EQ(th_queue_count(queue), count);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_PTR_EQ(task, model[i]);
        CHECK_PTR_EQ(task->prev, before);
        before = task;
        task = task->next;
    }
    CHECK_PTR_EQ(task, NULL);
    CHECK_PTR_EQ(queue->newest, before);
}

static void do_one(struct th_queue *queue, struct th_random *random)
{
    struct th_task *task = &tasks[th_random_below(random, TASKS)];
    uint32_t what = th_random_below(random, 5);
    if (what == 0 && !is_in[task - tasks]) {
        th_queue_push_newest(queue, task);
        model_insert(count, task);
    } else if (what == 1 && !is_in[task - tasks]) {
        th_queue_push_oldest(queue, task);
        model_insert(0, task);
    } else if (what == 2) {
        CHECK_PTR_EQ(th_queue_pop_oldest(queue), count > 0 ? model[0] : NULL);
        if (count > 0)
            model_remove(0);
    } else if (what == 3) {
        CHECK_PTR_EQ(th_queue_pop_newest(queue), count > 0 ? model[count - 1] : NULL);
        if (count > 0)
            model_remove(count - 1);
    } else if (what == 4 && count > 0) {
        uint32_t at = th_random_below(random, count);
        th_queue_remove(queue, model[at]);
        model_remove(at);
    }
}

TEST(a_queue_is_a_list_with_two_ends_and_a_middle)
{
    struct th_queue queue = {.oldest = NULL};
    struct th_random random;
    th_random_init(&random, kit_seed());
    for (int i = 0; i < (kit_is_slow() ? 5000 : 100000); i++) {
        do_one(&queue, &random);
        check_same(&queue);
    }
}
