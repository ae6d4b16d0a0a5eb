/* asyncio's tasks, several at once, and time, with the Python beside each. */
#include "asyncio/asyncio.h"

#include <stdlib.h>

/*
 *     async def main(): return 42
 *     print(asyncio.run(main()))                                                42
 */
static int return_42(void *arg)
{
    (void)arg;
    return 42;
}

TEST(run_returns_what_main_returns)
{
    CHECK_EQ(thrum_run(return_42, NULL), 42);
}

/*
 *     async def child(): print("child")
 *     t = asyncio.create_task(child()); print("caller"); await t; print("after")
 *                                                                               caller child after
 */
static int child(void *arg)
{
    (void)arg;
    note("child ");
    return 0;
}

static int create_and_await(void *arg)
{
    thrum_task *task;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, child, NULL), 0);
    note("caller ");
    CHECK_EQ(thrum_join(task, NULL), 0);
    note("after");
    return 0;
}

TEST(create_task_goes_on_and_the_task_runs_when_its_creator_waits)
{
    run_on(1, create_and_await, NULL);
    CHECK_STR_EQ(noted, "caller child after");
}

/*
 *     t = asyncio.create_task(asyncio.sleep(0, 5))
 *     print(await t, await t)                                                   5 5
 */
static int sleep_and_return_5(void *arg)
{
    (void)arg;
    thrum_yield();
    return 5;
}

static int await_twice(void *arg)
{
    thrum_task *task;
    int first, second;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, sleep_and_return_5, NULL), 0);
    CHECK_EQ(thrum_join(thrum_task_hold(task), &first), 0);
    CHECK_EQ(thrum_join(task, &second), 0);
    note("%d %d", first, second);
    return 0;
}

TEST(await_of_a_task_gives_its_result_as_often_as_it_is_awaited)
{
    SAME_AS_ASYNCIO(await_twice, "5 5");
}

/*
 *     async def double(n): await asyncio.sleep(0); return 2*n
 *     async def fail(): await asyncio.sleep(0); raise OSError(5)
 *     print(await asyncio.gather(double(1), double(2), double(3)))              [2, 4, 6]
 *     print(await asyncio.gather(double(1), fail(), return_exceptions=True))    [2, OSError(5)]
 */
static int twice(void *arg)
{
    thrum_yield();
    return 2 * (int)(intptr_t)arg;
}

static int fail(void *arg)
{
    (void)arg;
    thrum_yield();
    return -EIO;
}

static int gather_both_ways(void *arg)
{
    (void)arg;
    thrum_work three[] = {THRUM_WORK(twice, (void *)1), THRUM_WORK(twice, (void *)2), THRUM_WORK(twice, (void *)3)};
    CHECK_EQ(thrum_gather(three, 3), 0);
    note("[%d, %d, %d] ", three[0].result, three[1].result, three[2].result);
    thrum_work two[] = {THRUM_WORK(twice, (void *)1), THRUM_WORK(fail, NULL)};
    CHECK_EQ(thrum_gather_each(two, 2), -EIO);
    note("[%d, %d]", two[0].result, -two[1].result);
    return 0;
}

TEST(gather_collects_results_and_failures_in_the_order_of_its_arguments)
{
    SAME_AS_ASYNCIO(gather_both_ways, "[2, 4, 6] [2, 5]");
}

/*
 *     async def for_ever():
 *         try: await asyncio.Event().wait()
 *         except asyncio.CancelledError: print("cancelled"); raise
 *     try:
 *         async with asyncio.TaskGroup() as g:
 *             g.create_task(for_ever()); g.create_task(fail())
 *     except* OSError as e: print("failed", e.exceptions[0].args[0])            cancelled failed 5
 */
static int for_ever(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    (void)arg;
    int code = thrum_future_wait(&never, NULL);
    if (code == -ECANCELED)
        note("cancelled ");
    return code;
}

static int fail_in_a_group(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, for_ever, NULL), 0);
    CHECK_EQ(thrum_spawn(&group, fail, NULL), 0);
    note("failed %d", -thrum_group_wait(&group));
    return 0;
}

TEST(task_group_cancels_the_others_when_one_fails_and_then_fails_itself)
{
    SAME_AS_ASYNCIO(fail_in_a_group, "cancelled failed 5");
}

/*
 *     e = [asyncio.Event() for _ in range(3)]
 *     ts = [asyncio.create_task(x.wait()) for x in e]
 *     e[1].set()
 *     done, pending = await asyncio.wait(ts, return_when=asyncio.FIRST_COMPLETED)
 *     print([ts.index(t) for t in done], len(pending))                          [1] 2
 */
static int await_future(void *arg)
{
    return thrum_future_wait(arg, NULL);
}

static int await_first_completed(void *arg)
{
    thrum_future events[3] = {THRUM_FUTURE_INIT};
    thrum_task *tasks[3];
    size_t done = 3;
    int pending = 0;
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_task_start(&tasks[i], NULL, NULL, await_future, &events[i]), 0);
    CHECK_EQ(thrum_future_set(&events[1], NULL), 0);
    CHECK_EQ(thrum_wait_any(tasks, 3, &done), 0);
    for (int i = 0; i < 3; i++)
        pending += !thrum_task_is_done(tasks[i]);
    note("[%zu] %d", done, pending);
    for (int i = 0; i < 3; i++) {
        (void)thrum_future_set(&events[i], NULL);
        CHECK_EQ(thrum_join(tasks[i], NULL), 0);
    }
    return 0;
}

TEST(wait_first_completed_returns_when_one_is_done)
{
    SAME_AS_ASYNCIO(await_first_completed, "[1] 2");
}

/*
 *     async def after(n): await asyncio.sleep(n/100); return n
 *     for t in asyncio.as_completed([after(3), after(1), after(2)]):
 *         print(await t, end=" ")                                               1 2 3
 */
static int await_in_turn(void *arg)
{
    static const int order[] = {1, 2, 0};
    thrum_future events[3] = {THRUM_FUTURE_INIT};
    thrum_task *tasks[3];
    thrum_wait *wait;
    size_t index;
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_task_start(&tasks[i], NULL, NULL, await_future, &events[i]), 0);
    CHECK_EQ(thrum_wait_open(&wait, tasks, 3), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(thrum_future_set_result(&events[order[i]], i + 1), 0);
        CHECK_EQ(thrum_wait_each(wait, &index), 1);
        int result;
        CHECK_EQ(thrum_join(tasks[index], &result), 0);
        note("%d ", result);
    }
    CHECK_EQ(thrum_wait_each(wait, &index), 0);
    thrum_wait_close(wait);
    return 0;
}

TEST(as_completed_gives_tasks_in_the_order_of_their_ends)
{
    SAME_AS_ASYNCIO(await_in_turn, "1 2 3 ");
}

/*
 *     loop.call_later(0.02, lambda: (print("second"), f.set_result(0)))
 *     loop.call_at(loop.time() + 0.01, print, "first")
 *     loop.call_later(0.015, print, "never").cancel()
 *     await f                                                                   first second
 */
static int note_first(void *arg)
{
    (void)arg;
    note("first ");
    return 0;
}

static int note_never(void *arg)
{
    (void)arg;
    note("never ");
    return 0;
}

static int note_second(void *arg)
{
    note("second");
    return thrum_future_set(arg, NULL);
}

static int put_calls_off(void *arg)
{
    thrum_future second = THRUM_FUTURE_INIT;
    thrum_call *never;
    thrum_time start = thrum_now();
    (void)arg;
    CHECK_EQ(thrum_call_later(NULL, THRUM_MS(20), note_second, &second), 0);
    CHECK_EQ(thrum_call_at(NULL, start + THRUM_MS(10), note_first, NULL), 0);
    CHECK_EQ(thrum_call_later(&never, THRUM_SEC(1000), note_never, NULL), 0);
    CHECK(thrum_call_cancel(never));
    return thrum_future_wait(&second, NULL);
}

TEST(call_later_and_call_at_call_in_the_order_of_their_times)
{
    /* A worker that the machine holds up is not replaced: two would have each their own order. */
    setenv("THRUM_SLICE_US", "0", 1);
    run_on(1, put_calls_off, NULL);
    CHECK_STR_EQ(noted, "first second");
}

/*
 *     v = contextvars.ContextVar("v")
 *     async def see(): s = v.get(); v.set(9); return s
 *     v.set(1); t = asyncio.create_task(see()); v.set(2)
 *     print(await t, v.get())                                                   1 2
 */
static thrum_local variable;

static int see(void *arg)
{
    (void)arg;
    int seen = (int)(intptr_t)thrum_local_get(&variable);
    CHECK_EQ(thrum_local_set(&variable, (void *)9), 0);
    return seen;
}

static int inherit(void *arg)
{
    thrum_task *task;
    int seen;
    (void)arg;
    CHECK_EQ(thrum_local_set(&variable, (void *)1), 0);
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, see, NULL), 0);
    CHECK_EQ(thrum_local_set(&variable, (void *)2), 0);
    CHECK_EQ(thrum_join(task, &seen), 0);
    note("%d %d", seen, (int)(intptr_t)thrum_local_get(&variable));
    return 0;
}

TEST(contextvars_are_copied_when_a_task_is_created)
{
    SAME_AS_ASYNCIO(inherit, "1 2");
}
