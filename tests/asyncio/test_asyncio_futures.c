/* asyncio's futures, threads that come in from outside, and asynchronous generators, with the Python beside each. */
#include "asyncio/asyncio.h"

/*
 *     f = loop.create_future()
 *     f.add_done_callback(lambda f: print("called with", f.result()))
 *     loop.call_soon(f.set_result, 3)
 *     print(f.done(), await f, f.done())
 *     try: f.set_result(4)
 *     except asyncio.InvalidStateError: print("InvalidStateError")
 *                                                  called with 3 False 3 True InvalidStateError
 */
static void note_call(void *arg, int result)
{
    (void)arg;
    note("called with %d ", result);
}

static int set_3(void *arg)
{
    return thrum_future_set_result(arg, 3);
}

static const char *truth(bool is_true)
{
    return is_true ? "True" : "False";
}

static int use_a_future(void *arg)
{
    thrum_future future = THRUM_FUTURE_INIT;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_future_on_done(&future, note_call, NULL), 0);
    bool was_done = thrum_future_state(&future) == THRUM_FUTURE_DONE;
    CHECK_EQ(thrum_spawn(&group, set_3, &future), 0);
    int result = thrum_future_wait(&future, NULL);
    CHECK_EQ(thrum_group_wait(&group), 0); /* the call was made by who set it */
    note("%s %d %s ", truth(was_done), result, truth(thrum_future_state(&future) == THRUM_FUTURE_DONE));
    if (thrum_future_set_result(&future, 4) == -EALREADY)
        note("InvalidStateError");
    return 0;
}

TEST(future_calls_back_wakes_who_awaits_it_and_is_set_once)
{
    SAME_AS_ASYNCIO(use_a_future, "called with 3 False 3 True InvalidStateError");
}

/*
 *     g = loop.create_future(); g.cancel()
 *     try: await g
 *     except asyncio.CancelledError: print("CancelledError")
 *     try: loop.create_future().result()
 *     except asyncio.InvalidStateError: print("InvalidStateError")              CancelledError InvalidStateError
 */
static int cancel_a_future(void *arg)
{
    thrum_future cancelled = THRUM_FUTURE_INIT, pending = THRUM_FUTURE_INIT;
    (void)arg;
    CHECK_EQ(thrum_future_cancel(&cancelled), 0);
    if (thrum_future_wait(&cancelled, NULL) == -ECANCELED)
        note("CancelledError ");
    if (thrum_future_result(&pending, NULL) == -EAGAIN)
        note("InvalidStateError");
    return 0;
}

TEST(future_that_is_cancelled_cancels_who_awaits_it_and_a_pending_one_has_no_result)
{
    SAME_AS_ASYNCIO(cancel_a_future, "CancelledError InvalidStateError");
}

/*
 *     def then(f, fn):
 *         g = loop.create_future()
 *         f.add_done_callback(lambda f: g.set_result(fn(f.result())))
 *         return g
 *     f = loop.create_future(); h = then(then(f, lambda x: x + 1), lambda x: x * 2)
 *     f.set_result(20); print(await h)                                          42
 */
static int add_one(void *arg, void **value)
{
    (void)arg;
    *value = (void *)((intptr_t)*value + 1);
    return 0;
}

static int times_two(void *arg, void **value)
{
    (void)arg;
    *value = (void *)((intptr_t)*value * 2);
    return 0;
}

static int chain(void *arg)
{
    thrum_future first = THRUM_FUTURE_INIT, *second, *third;
    void *value;
    (void)arg;
    CHECK_EQ(thrum_future_then(&first, add_one, NULL, &second), 0);
    CHECK_EQ(thrum_future_then(second, times_two, NULL, &third), 0);
    CHECK_EQ(thrum_future_set(&first, (void *)20), 0);
    CHECK_EQ(thrum_future_wait(third, &value), 0);
    note("%d", (int)(intptr_t)value);
    thrum_future_drop(second);
    thrum_future_drop(third);
    return 0;
}

TEST(future_chaining_hands_values_on)
{
    SAME_AS_ASYNCIO(chain, "42");
}

/*
 *     threading.Thread(target=lambda: loop.call_soon_threadsafe(f.set_result, 9)).start()
 *     print(await f)                                                            9
 */
struct crossing {
    thrum_runtime *runtime;
    thrum_future future;
    thrum_group *group;
    int result;
};

static int set_9(void *arg)
{
    return thrum_future_set_result(arg, 9);
}

static void *post_from_thread(void *arg)
{
    struct crossing *crossing = arg;
    CHECK_EQ(thrum_post(crossing->runtime, set_9, &crossing->future), 0);
    return NULL;
}

static int wait_for_thread(void *arg)
{
    struct crossing crossing = {.runtime = thrum_runtime_current(), .future = THRUM_FUTURE_INIT};
    (void)arg;
    pthread_t thread = start_thread(post_from_thread, &crossing);
    note("%d", thrum_future_wait(&crossing.future, NULL));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return 0;
}

TEST(call_soon_threadsafe_calls_inside_from_a_thread)
{
    SAME_AS_ASYNCIO(wait_for_thread, "9");
}

/*
 *     async def double(n): await asyncio.sleep(0); return 2*n
 *     def thread(): print(asyncio.run_coroutine_threadsafe(double(21), loop).result())
 *                                                                               42
 */
static int twice_21(void *arg)
{
    (void)arg;
    thrum_yield();
    return 2 * 21;
}

static void *start_from_thread(void *arg)
{
    struct crossing *crossing = arg;
    thrum_task *task;
    CHECK_EQ(thrum_task_start(&task, crossing->group, NULL, twice_21, NULL), 0);
    CHECK_EQ(thrum_join(task, &crossing->result), 0);
    CHECK_EQ(thrum_future_set(&crossing->future, NULL), 0);
    return NULL;
}

static int let_thread_start(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    struct crossing crossing = {.future = THRUM_FUTURE_INIT, .group = &group};
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0); /* opens it */
    pthread_t thread = start_thread(start_from_thread, &crossing);
    CHECK_EQ(thrum_future_wait(&crossing.future, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    note("%d", crossing.result);
    return 0;
}

TEST(run_coroutine_threadsafe_starts_a_task_from_a_thread_that_waits_for_it)
{
    SAME_AS_ASYNCIO(let_thread_start, "42");
}

/*
 *     async def count(n):
 *         try:
 *             for i in range(n): yield i
 *         finally: print("closed")
 *     async for i in count(3): print(i)                                         0 1 2 closed
 *     g = count(3)
 *     async for i in g: break
 *     await g.aclose(); print("left at", i)                                     closed left at 0
 */
static int count(thrum_generator *generator, void *arg)
{
    int code = 0;
    for (int i = 0; i < *(int *)arg && code == 0; i++)
        code = thrum_generator_yield(generator, &i);
    note("closed ");
    return code;
}

static int iterate(void *arg)
{
    int to = 3, i;
    (void)arg;
    thrum_generator all = THRUM_GENERATOR(count, &to, sizeof i), some = THRUM_GENERATOR(count, &to, sizeof i);
    while (thrum_generator_next(&all, &i) == 1)
        note("%d ", i);
    CHECK_EQ(thrum_generator_close(&all), 0);
    while (thrum_generator_next(&some, &i) == 1)
        break;
    CHECK_EQ(thrum_generator_close(&some), 0);
    note("left at %d", i);
    return 0;
}

TEST(async_for_iterates_over_a_generator_and_aclose_ends_it_early)
{
    SAME_AS_ASYNCIO(iterate, "0 1 2 closed closed left at 0");
}

/*
 *     class Resource:
 *         async def __aenter__(self): await asyncio.sleep(0); print("open")
 *         async def __aexit__(self, *e): await asyncio.sleep(0); print("close")
 *     async def use(fails):
 *         async with Resource():
 *             if fails: raise ValueError
 *             print("use")
 *     await use(False)
 *     try: await use(True)
 *     except ValueError: print("ValueError")                     open use close open close ValueError
 */
struct resource {
    bool is_open;
};

static struct resource open_resource(void)
{
    thrum_yield();
    note("open ");
    return (struct resource){.is_open = true};
}

static void close_resource(struct resource *resource)
{
    thrum_yield();
    resource->is_open = false;
    note("close ");
}

static int use_resource(bool fails)
{
    __attribute__((cleanup(close_resource))) struct resource resource = open_resource();
    CHECK(resource.is_open);
    if (fails)
        return -EINVAL;
    note("use ");
    return 0;
}

static int use_twice(void *arg)
{
    (void)arg;
    CHECK_EQ(use_resource(false), 0);
    if (use_resource(true) == -EINVAL)
        note("ValueError");
    return 0;
}

TEST(async_with_closes_on_every_way_out)
{
    SAME_AS_ASYNCIO(use_twice, "open use close open close ValueError");
}
