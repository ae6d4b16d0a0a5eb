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
 *     e = asyncio.Event()
 *     async def wait(): await e.wait(); return e.is_set()
 *     tasks = [asyncio.create_task(wait()) for _ in range(3)]
 *     await asyncio.sleep(0); e.set(); print(await asyncio.gather(*tasks))      [True, True, True]
 *     e.clear(); print(e.is_set())                                              False
 */
static int wait_until_set(void *arg)
{
    thrum_event *event = arg;
    CHECK_EQ(thrum_event_wait(event), 0);
    return thrum_event_is_set(event);
}

static int set_for_three(void *arg)
{
    thrum_event event = THRUM_EVENT_INIT;
    thrum_task *tasks[3];
    int results[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_task_start(&tasks[i], NULL, NULL, wait_until_set, &event), 0);
    thrum_yield();
    thrum_event_set(&event);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_join(tasks[i], &results[i]), 0);
    note("[%d, %d, %d] ", results[0], results[1], results[2]);
    thrum_event_clear(&event);
    note(thrum_event_is_set(&event) ? "True" : "False");
    return 0;
}

TEST(event_lets_all_who_wait_go_on_until_it_is_cleared)
{
    SAME_AS_ASYNCIO(set_for_three, "[1, 1, 1] False");
}

/*
 *     c = asyncio.Condition(); items = []
 *     async def take():
 *         async with c:
 *             await c.wait_for(lambda: items)
 *             return items.pop(0)
 *     a, b = asyncio.create_task(take()), asyncio.create_task(take())
 *     await asyncio.sleep(0)
 *     async with c: items.append(1); c.notify()
 *     async with c: items.append(2); c.notify_all()
 *     print(sum(await asyncio.gather(a, b)))                                    3
 */
struct shelf {
    thrum_mutex lock;
    thrum_cond filled;
    int items[2], count;
};

static int take(void *arg)
{
    struct shelf *shelf = arg;
    CHECK_EQ(thrum_mutex_lock(&shelf->lock), 0);
    while (shelf->count == 0)
        CHECK_EQ(thrum_cond_wait(&shelf->filled, &shelf->lock), 0);
    int item = shelf->items[--shelf->count];
    thrum_mutex_unlock(&shelf->lock);
    return item;
}

static void put(struct shelf *shelf, int item, void (*notify)(thrum_cond *cond))
{
    CHECK_EQ(thrum_mutex_lock(&shelf->lock), 0);
    shelf->items[shelf->count++] = item;
    notify(&shelf->filled);
    thrum_mutex_unlock(&shelf->lock);
}

static int fill_for_two(void *arg)
{
    struct shelf shelf = {.lock = THRUM_MUTEX_INIT, .filled = THRUM_COND_INIT};
    thrum_task *a, *b;
    int first, second;
    (void)arg;
    CHECK_EQ(thrum_task_start(&a, NULL, NULL, take, &shelf), 0);
    CHECK_EQ(thrum_task_start(&b, NULL, NULL, take, &shelf), 0);
    thrum_yield();
    put(&shelf, 1, thrum_cond_signal);
    put(&shelf, 2, thrum_cond_broadcast);
    CHECK_EQ(thrum_join(a, &first), 0);
    CHECK_EQ(thrum_join(b, &second), 0);
    note("%d", first + second);
    return 0;
}

TEST(condition_wakes_one_or_all_who_wait_for_what_a_lock_guards)
{
    SAME_AS_ASYNCIO(fill_for_two, "3");
}

/*
 *     s = asyncio.Semaphore(2); inside = most = 0
 *     async def enter():
 *         global inside, most
 *         async with s:
 *             inside += 1; most = max(most, inside); await asyncio.sleep(0); inside -= 1
 *     await asyncio.gather(*[enter() for _ in range(6)]); print(most)           2
 */
struct room {
    thrum_semaphore places;
    thrum_mutex lock;
    int inside, most;
};

/* So many more are inside; the most that have been at once. */
static int count_in(struct room *room, int more)
{
    CHECK_EQ(thrum_mutex_lock(&room->lock), 0);
    room->inside += more;
    if (room->inside > room->most)
        room->most = room->inside;
    int most = room->most;
    thrum_mutex_unlock(&room->lock);
    return most;
}

static int enter(void *arg)
{
    struct room *room = arg;
    CHECK_EQ(thrum_semaphore_acquire(&room->places), 0);
    (void)count_in(room, 1);
    /* A second one comes at some time. */
    while (count_in(room, 0) < 2)
        thrum_yield();
    (void)count_in(room, -1);
    CHECK_EQ(thrum_semaphore_release(&room->places), 0);
    return 0;
}

static int enter_six_times(void *arg)
{
    struct room room = {.places = THRUM_SEMAPHORE_INIT(2), .lock = THRUM_MUTEX_INIT};
    thrum_work works[6];
    (void)arg;
    for (int i = 0; i < 6; i++)
        works[i] = (thrum_work)THRUM_WORK(enter, &room);
    CHECK_EQ(thrum_gather(works, 6), 0);
    note("%d", room.most);
    return 0;
}

TEST(semaphore_lets_as_many_in_as_it_says)
{
    SAME_AS_ASYNCIO(enter_six_times, "2");
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
