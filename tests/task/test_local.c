/* Task locals: a task's own values, inherited at the start. */
#include "task/harness.h"

static thrum_local colour, size, many[40];

static int set_my_own(void *arg)
{
    CHECK_STR_EQ(thrum_local_get(&colour), "red");
    CHECK_PTR_EQ(thrum_local_get(&size), NULL);
    CHECK_EQ(thrum_local_set(&colour, arg), 0);
    CHECK_EQ(thrum_local_set(&size, &colour), 0);
    thrum_yield();
    CHECK_PTR_EQ(thrum_local_get(&colour), arg);
    CHECK_PTR_EQ(thrum_local_get(&size), &colour);
    return 0;
}

static int inherit(void *arg)
{
    static char green[] = "green", red[] = "red", blue[] = "blue";
    (void)arg;
    CHECK_PTR_EQ(thrum_local_get(&colour), NULL);
    CHECK_EQ(thrum_local_set(&colour, red), 0);
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 20; i++)
            CHECK_EQ(thrum_spawn(&group, set_my_own, i % 2 ? green : blue), 0);
        /* What is set after the start is not the child's any more. */
        CHECK_EQ(thrum_local_set(&colour, blue), 0);
    }
    CHECK_PTR_EQ(thrum_local_get(&colour), blue);
    CHECK_PTR_EQ(thrum_local_get(&size), NULL);
    CHECK_EQ(thrum_local_set(&colour, NULL), 0);
    CHECK_PTR_EQ(thrum_local_get(&colour), NULL);
    return 0;
}

TEST(a_task_has_the_values_of_its_parent_at_the_start_and_then_its_own)
{
    run_on_each_count(inherit);
}

static int check_depth(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    thrum_task *task;
    for (size_t i = 0; i < TH_COUNT_OF(many); i++)
        CHECK_EQ((intptr_t)thrum_local_get(&many[i]), (intptr_t)i < depth ? (intptr_t)i + 1 : 0);
    if (depth == (intptr_t)TH_COUNT_OF(many))
        return 0;
    CHECK_EQ(thrum_local_set(&many[depth], (void *)(depth + 1)), 0);
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, check_depth, (void *)(depth + 1)), 0);
    CHECK_EQ(thrum_join(task, NULL), 0);
    for (size_t i = 0; i < TH_COUNT_OF(many); i++)
        CHECK_EQ((intptr_t)thrum_local_get(&many[i]), (intptr_t)i <= depth ? (intptr_t)i + 1 : 0);
    return 0;
}

TEST(values_are_handed_down_from_task_to_task)
{
    FOR_EACH_WORKER_COUNT(workers)
    run_on(workers, check_depth, NULL);
}

TEST(outside_of_tasks_there_are_no_locals)
{
    CHECK_EQ(thrum_local_set(&colour, &colour), -EPERM);
    CHECK_PTR_EQ(thrum_local_get(&colour), NULL);
}

static int look_for_nothing(void *arg)
{
    (void)arg;
    CHECK_PTR_EQ(thrum_local_get(&colour), NULL);
    return 0;
}

static int post_and_spawn(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_local_set(&colour, &colour), 0);
    CHECK_EQ(thrum_post(thrum_runtime_current(), look_for_nothing, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(a_posted_task_inherits_nothing)
{
    run_on_each_count(post_and_spawn);
}

static int lack_memory(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_local_set(&colour, &colour), 0);
    CHECK_EQ(th_fault_plan("alloc:1:ENOMEM"), 0);
    CHECK_EQ(thrum_local_set(&colour, &size), 0); /* in place: there is nobody to share with */
    CHECK_EQ(thrum_local_set(&size, &size), -ENOMEM);
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_PTR_EQ(thrum_local_get(&colour), &size);
    CHECK_PTR_EQ(thrum_local_get(&size), NULL);
    CHECK_EQ(thrum_local_set(&size, &size), 0);
    return 0;
}

TEST(without_memory_a_value_stays_what_it_was)
{
    run_on(1, lack_memory, NULL);
}
