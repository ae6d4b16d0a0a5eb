/* asyncio's cancels, shields and timeouts, with the Python beside each. */
#include "asyncio/asyncio.h"

/*
 *     async def for_ever():
 *         try: await asyncio.Event().wait()
 *         except asyncio.CancelledError: print("cancelled"); raise
 *     t = asyncio.create_task(for_ever()); await asyncio.sleep(0); t.cancel()
 *     try: await t
 *     except asyncio.CancelledError: print("caller sees it", t.cancelled())
 *                                                                      cancelled caller sees it True
 */
static int for_ever(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    flag_set(arg);
    int code = thrum_future_wait(&never, NULL);
    if (code == -ECANCELED)
        note("cancelled ");
    return code;
}

static int cancel_a_task(void *arg)
{
    th_atomic32 has_begun = TH_ATOMIC_INIT(0);
    thrum_task *task;
    int result;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, for_ever, &has_begun), 0);
    flag_wait(&has_begun);
    thrum_task_cancel(task);
    CHECK_EQ(thrum_join(task, &result), 0);
    note("caller sees it %s", result == -ECANCELED ? "True" : "False");
    return 0;
}

TEST(task_cancel_ends_its_wait_with_cancelled_error)
{
    SAME_AS_ASYNCIO(cancel_a_task, "cancelled caller sees it True");
}

/*
 *     async def stubborn():
 *         try: await asyncio.Event().wait()
 *         except asyncio.CancelledError: return 5
 *     t = asyncio.create_task(stubborn()); await asyncio.sleep(0); t.cancel()
 *     print(await t)                                                            5
 */
static int be_stubborn(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    flag_set(arg);
    return thrum_future_wait(&never, NULL) == -ECANCELED ? 5 : 0;
}

static int cancel_a_stubborn_task(void *arg)
{
    th_atomic32 has_begun = TH_ATOMIC_INIT(0);
    thrum_task *task;
    int result;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, be_stubborn, &has_begun), 0);
    flag_wait(&has_begun);
    thrum_task_cancel(task);
    CHECK_EQ(thrum_join(task, &result), 0);
    note("%d", result);
    return 0;
}

TEST(task_that_catches_cancelled_error_returns_what_it_likes)
{
    SAME_AS_ASYNCIO(cancel_a_stubborn_task, "5");
}

/*
 *     async def slow(): await ev.wait(); print("done"); return 7
 *     inner = asyncio.ensure_future(slow())
 *     async def outer(): return await asyncio.shield(inner)
 *     t = asyncio.create_task(outer()); await asyncio.sleep(0); t.cancel()
 *     try: await t
 *     except asyncio.CancelledError: print("outer cancelled")
 *     ev.set(); await inner                                                     outer cancelled done
 */
struct shield {
    thrum_future event;
    th_atomic32 has_begun;
    thrum_future inner;
};

static int slow(void *arg)
{
    struct shield *shield = arg;
    flag_set(&shield->has_begun);
    CHECK_EQ(thrum_future_wait(&shield->event, NULL), 0);
    note("done");
    return thrum_future_set(&shield->inner, NULL);
}

static int outer(void *arg)
{
    return thrum_shield(slow, arg);
}

static int cancel_the_outer(void *arg)
{
    struct shield shield = {.event = THRUM_FUTURE_INIT, .inner = THRUM_FUTURE_INIT};
    thrum_task *task;
    int result;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, outer, &shield), 0);
    flag_wait(&shield.has_begun);
    thrum_task_cancel(task);
    CHECK_EQ(thrum_join(task, &result), 0);
    if (result == -ECANCELED)
        note("outer cancelled ");
    CHECK_EQ(thrum_future_set(&shield.event, NULL), 0);
    return thrum_future_wait(&shield.inner, NULL);
}

TEST(shield_lets_the_inner_go_on_when_the_outer_is_cancelled)
{
    SAME_AS_ASYNCIO(cancel_the_outer, "outer cancelled done");
}

/*
 *     try:
 *         async with asyncio.timeout(0.001): await asyncio.Event().wait()
 *     except TimeoutError: print("TimeoutError")
 *     try: await asyncio.wait_for(asyncio.Event().wait(), 0.001)
 *     except TimeoutError: print("TimeoutError")
 *     async def double(n): await asyncio.sleep(0); return 2*n
 *     print(await asyncio.wait_for(double(4), 1000))                            TimeoutError TimeoutError 8
 */
static int twice_4(void *arg)
{
    (void)arg;
    thrum_yield();
    return 8;
}

static int await_in_vain(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    (void)arg;
    return thrum_future_wait(&never, NULL);
}

static int wait_for(thrum_fn fn, thrum_time span)
{
    thrum_work work = THRUM_WORK(fn, NULL);
    int code = 0;
    THRUM_TIMEOUT(span) code = thrum_gather(&work, 1);
    return code < 0 ? code : work.result;
}

static int be_late(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    int code = 0;
    (void)arg;
    THRUM_TIMEOUT(THRUM_MS(1)) code = thrum_future_wait(&never, NULL);
    if (code == -ETIMEDOUT)
        note("TimeoutError ");
    if (wait_for(await_in_vain, THRUM_MS(1)) == -ETIMEDOUT)
        note("TimeoutError ");
    note("%d", wait_for(twice_4, THRUM_SEC(1000)));
    return 0;
}

TEST(timeout_and_wait_for_end_what_takes_too_long)
{
    SAME_AS_ASYNCIO(be_late, "TimeoutError TimeoutError 8");
}

/*
 *     async def main():
 *         try:
 *             async with asyncio.timeout(1000):
 *                 async with asyncio.timeout(0.001): await asyncio.Event().wait()
 *         except TimeoutError: print("inner")
 *         await asyncio.sleep(0); print("outer goes on")                        inner outer goes on
 */
static int nest_deadlines(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    int code = 0;
    (void)arg;
    THRUM_TIMEOUT(THRUM_SEC(1000))
    {
        THRUM_TIMEOUT(THRUM_MS(1)) code = thrum_future_wait(&never, NULL);
        note(code == -ETIMEDOUT ? "inner " : "nothing ");
        CHECK_EQ(thrum_sleep(0), 0);
        note("outer goes on");
    }
    return 0;
}

TEST(timeouts_nest_by_the_earliest)
{
    SAME_AS_ASYNCIO(nest_deadlines, "inner outer goes on");
}

/*
 *     async def background():
 *         try: await asyncio.Event().wait()
 *         except asyncio.CancelledError: print("cancelled at the end"); raise
 *     async def main(): t = asyncio.create_task(background()); await asyncio.sleep(0); print("main ends")
 *     asyncio.run(main())                                               main ends cancelled at the end
 */
static th_atomic32 background_has_begun;

static int background(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    (void)arg;
    flag_set(&background_has_begun);
    int code = thrum_future_wait(&never, NULL);
    note(code == -ECANCELED ? "cancelled at the end" : "not cancelled");
    return code;
}

static int leave_it_running(void *arg)
{
    (void)arg;
    th_atomic32_store_relaxed(&background_has_begun, 0);
    CHECK_EQ(thrum_spawn(NULL, background, NULL), 0);
    flag_wait(&background_has_begun);
    note("main ends ");
    return 0;
}

TEST(run_cancels_what_main_left_and_waits_for_it)
{
    SAME_AS_ASYNCIO(leave_it_running, "main ends cancelled at the end");
}
