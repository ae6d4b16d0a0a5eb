/* asyncio's locks and queues, with the Python beside each. */
#include "asyncio/asyncio.h"

/*
 *     lock = asyncio.Lock(); n = 0
 *     async def add():
 *         global n
 *         async with lock: m = n; await asyncio.sleep(0); n = m + 1
 *     await asyncio.gather(*[add() for _ in range(10)]); print(n)               10
 */
struct counter {
    thrum_mutex lock;
    int n;
};

static int add(void *arg)
{
    struct counter *counter = arg;
    CHECK_EQ(thrum_mutex_lock(&counter->lock), 0);
    int m = counter->n;
    thrum_yield();
    counter->n = m + 1;
    thrum_mutex_unlock(&counter->lock);
    return 0;
}

static int add_ten_times(void *arg)
{
    struct counter counter = {.lock = THRUM_MUTEX_INIT};
    thrum_work works[10];
    (void)arg;
    for (int i = 0; i < 10; i++)
        works[i] = (thrum_work)THRUM_WORK(add, &counter);
    CHECK_EQ(thrum_gather(works, 10), 0);
    note("%d", counter.n);
    return 0;
}

TEST(lock_keeps_others_out_over_an_await)
{
    SAME_AS_ASYNCIO(add_ten_times, "10");
}

/*
 *     s = asyncio.BoundedSemaphore(1)
 *     await s.acquire(); print(s.locked()); s.release()
 *     try: s.release()
 *     except ValueError: print("ValueError")                                    True ValueError
 */
static int release_once_too_often(void *arg)
{
    thrum_semaphore semaphore = THRUM_SEMAPHORE_BOUNDED(1);
    (void)arg;
    CHECK_EQ(thrum_semaphore_acquire(&semaphore), 0);
    note(thrum_semaphore_value(&semaphore) == 0 ? "True " : "False ");
    CHECK_EQ(thrum_semaphore_release(&semaphore), 0);
    if (thrum_semaphore_release(&semaphore) < 0)
        note("ValueError");
    return 0;
}

TEST(bounded_semaphore_refuses_a_release_too_many)
{
    SAME_AS_ASYNCIO(release_once_too_often, "True ValueError");
}

/*
 *     b = asyncio.Barrier(3)
 *     async def meet(): await b.wait(); return 1
 *     print(await asyncio.gather(meet(), meet(), meet()))                       [1, 1, 1]
 */
static int meet(void *arg)
{
    return thrum_barrier_wait(arg) >= 0 ? 1 : -EIO;
}

static int meet_in_three(void *arg)
{
    thrum_barrier barrier = THRUM_BARRIER_INIT(3);
    (void)arg;
    thrum_work works[] = {THRUM_WORK(meet, &barrier), THRUM_WORK(meet, &barrier), THRUM_WORK(meet, &barrier)};
    CHECK_EQ(thrum_gather(works, 3), 0);
    note("[%d, %d, %d]", works[0].result, works[1].result, works[2].result);
    return 0;
}

TEST(barrier_lets_all_go_on_together)
{
    SAME_AS_ASYNCIO(meet_in_three, "[1, 1, 1]");
}

/*
 *     for kind in asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue:
 *         q = kind()
 *         for i in 2, 1, 3: q.put_nowait(i)
 *         print(*[await q.get() for _ in range(3)])                             2 1 3  3 1 2  1 2 3
 */
static int compare_ints(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int use_each_order(void *arg)
{
    static const enum thrum_order orders[] = {THRUM_FIFO, THRUM_LIFO, THRUM_PRIORITY};
    static const int items[] = {2, 1, 3};
    (void)arg;
    for (int kind = 0; kind < 3; kind++) {
        thrum_queue_options options = {.order = orders[kind], .compare = compare_ints};
        thrum_queue *queue;
        CHECK_EQ(thrum_queue_create(&queue, sizeof(int), &options), 0);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(thrum_queue_put(queue, &items[i]), 0);
        for (int i = 0, item; i < 3; i++) {
            CHECK_EQ(thrum_queue_get(queue, &item), 0);
            note("%d ", item);
        }
        thrum_queue_destroy(queue);
    }
    return 0;
}

TEST(queue_lifo_queue_and_priority_queue_give_in_their_orders)
{
    SAME_AS_ASYNCIO(use_each_order, "2 1 3 3 1 2 1 2 3 ");
}

/*
 *     async def work():
 *         while True: i = await q.get(); print(i); q.task_done()
 *     w = asyncio.create_task(work())
 *     for i in range(3): q.put_nowait(i)
 *     await q.join(); print("all done"); w.cancel()                             0 1 2 all done
 */
static int work(void *arg)
{
    int item, code;
    while ((code = thrum_queue_get(arg, &item)) == 0) {
        note("%d ", item);
        CHECK_EQ(thrum_queue_done(arg), 0);
    }
    return code;
}

static int join_a_queue(void *arg)
{
    thrum_queue *queue;
    thrum_task *worker;
    (void)arg;
    CHECK_EQ(thrum_queue_create(&queue, sizeof(int), NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_queue_put(queue, &i), 0);
    CHECK_EQ(thrum_task_start(&worker, NULL, NULL, work, queue), 0);
    CHECK_EQ(thrum_queue_join(queue), 0);
    note("all done");
    thrum_task_cancel(worker);
    CHECK_EQ(thrum_join(worker, NULL), 0);
    thrum_queue_destroy(queue);
    return 0;
}

TEST(queue_join_waits_until_task_done_was_called_for_each)
{
    SAME_AS_ASYNCIO(join_a_queue, "0 1 2 all done");
}
