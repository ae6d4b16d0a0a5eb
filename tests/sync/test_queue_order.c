/* Queues: their orders, what is not done yet, and growing. */
#include "sync/exchange.h"
#include "task/harness.h"

struct job {
    int urgency, number;
};

static int compare_jobs(const void *a, const void *b)
{
    return ((const struct job *)a)->urgency - ((const struct job *)b)->urgency;
}

static int compare_numbers(const void *a, const void *b)
{
    int x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static thrum_queue *make(size_t capacity, enum thrum_order order)
{
    thrum_queue *queue = NULL;
    thrum_queue_options options = {.capacity = capacity, .order = order, .compare = compare_numbers};
    CHECK_EQ(thrum_queue_create(&queue, sizeof(int), &options), 0);
    return queue;
}

static void put(thrum_queue *queue, int number)
{
    CHECK_EQ(thrum_queue_put(queue, &number), 0);
}

static int get(thrum_queue *queue)
{
    int number = -1;
    CHECK_EQ(thrum_queue_get(queue, &number), 0);
    return number;
}

/* ---- As in asyncio ---- */

/*
 *     q = asyncio.Queue(maxsize=2)                q = asyncio.LifoQueue()          q = asyncio.PriorityQueue()
 *     q.put_nowait(1); q.put_nowait(2)            for i in 3, 1, 2: await q.put(i) for i in 3, 1, 2: await q.put(i)
 *     q.put_nowait(3)      # QueueFull            await q.get()  # 2, 1, 3         await q.get()  # 1, 2, 3
 *     q.get_nowait()       # 1, 2
 *     q.get_nowait()       # QueueEmpty
 */
static int get_in_each_order(void *arg)
{
    static const int expected[][3] = {{3, 1, 2}, {2, 1, 3}, {1, 2, 3}};
    int number = 3;
    (void)arg;
    thrum_queue *two = make(2, THRUM_FIFO);
    put(two, 1);
    put(two, 2);
    CHECK_EQ(thrum_queue_try_put(two, &number), -EAGAIN);
    CHECK_EQ(thrum_queue_length(two), 2);
    CHECK_EQ(get(two), 1);
    CHECK_EQ(thrum_queue_try_get(two, &number), 0);
    CHECK_EQ(number, 2);
    CHECK_EQ(thrum_queue_try_get(two, &number), -EAGAIN);
    thrum_queue_destroy(two);
    for (int order = THRUM_FIFO; order <= THRUM_PRIORITY; order++) {
        thrum_queue *queue = make(0, (enum thrum_order)order);
        put(queue, 3);
        put(queue, 1);
        put(queue, 2);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(get(queue), expected[order][i]);
        thrum_queue_destroy(queue);
    }
    return 0;
}

TEST(Queue_LifoQueue_PriorityQueue)
{
    run_on_each_count(get_in_each_order);
}

/*
 *     async def worker(q):
 *         while True:
 *             n = await q.get(); total += n; q.task_done()
 *
 *     for n in range(20): q.put_nowait(n)
 *     workers = [asyncio.create_task(worker(q)) for _ in range(3)]
 *     await q.join()                    # all 20 are done
 *     q.task_done()                     # ValueError: called too many times
 */
struct office {
    thrum_queue *queue;
    th_atomic32 total;
};

static int work(void *arg)
{
    struct office *office = arg;
    int number;
    while (thrum_queue_get(office->queue, &number) == 0) {
        thrum_yield();
        (void)th_atomic32_add_relaxed(&office->total, (uint32_t)number);
        CHECK_EQ(thrum_queue_done(office->queue), 0);
    }
    return 0;
}

static int join_the_work(void *arg)
{
    struct office office = {.queue = make(0, THRUM_FIFO)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_queue_join(office.queue), 0); /* nothing to be done */
    for (int i = 0; i < 20; i++)
        put(office.queue, i);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_spawn(&group, work, &office), 0);
    CHECK_EQ(thrum_queue_join(office.queue), 0);
    CHECK_EQ(count_of(&office.total), 190);
    CHECK_EQ(thrum_queue_done(office.queue), -EINVAL);
    thrum_queue_close(office.queue);
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_queue_destroy(office.queue);
    return 0;
}

TEST(Queue_join_task_done)
{
    run_on_each_count(join_the_work);
}

/*
 *     q.put_nowait(1); q.shutdown()
 *     await q.put(2)                    # QueueShutDown
 *     await q.get()                     # 1
 *     await q.get()                     # QueueShutDown
 */
static int shut_down(void *arg)
{
    int number = 2;
    (void)arg;
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        thrum_queue *queue = make(capacity, THRUM_FIFO);
        put(queue, 1);
        thrum_queue_close(queue);
        CHECK_EQ(thrum_queue_put(queue, &number), -EPIPE);
        CHECK_EQ(thrum_queue_try_put(queue, &number), -EPIPE);
        CHECK_EQ(get(queue), 1);
        CHECK_EQ(thrum_queue_get(queue, &number), -EPIPE);
        CHECK_EQ(thrum_queue_done(queue), 0);
        CHECK_EQ(thrum_queue_join(queue), 0);
        thrum_queue_destroy(queue);
    }
    return 0;
}

TEST(Queue_shutdown)
{
    run_on_each_count(shut_down);
}

/* ---- Orders ---- */

/* Against a plain array that is searched. */
TEST(best_comes_first_whatever_is_put_and_got_between)
{
    enum { MOST = 64 };
    struct th_random random;
    th_random_init(&random, kit_seed());
    thrum_queue *queue = NULL;
    thrum_queue_options options = {.order = THRUM_PRIORITY, .compare = compare_jobs};
    CHECK_EQ(thrum_queue_create(&queue, sizeof(struct job), &options), 0);
    struct job kept[MOST], got;
    int count = 0;
    for (int turn = 0; turn < 20000; turn++) {
        bool is_put = count == 0 || (count < MOST && th_random_below(&random, 2) == 0);
        if (is_put) {
            kept[count] = (struct job){.urgency = (int)th_random_below(&random, 40), .number = turn};
            CHECK_EQ(thrum_queue_try_put(queue, &kept[count++]), 0);
            continue;
        }
        int best = 0, same = -1;
        CHECK_EQ(thrum_queue_try_get(queue, &got), 0);
        for (int i = 0; i < count; i++) {
            best = kept[i].urgency < kept[best].urgency ? i : best;
            same = kept[i].number == got.number ? i : same;
        }
        CHECK_EQ(got.urgency, kept[best].urgency);
        CHECK_LE(0, same);
        kept[same] = kept[--count];
    }
    CHECK_EQ(thrum_queue_length(queue), (size_t)count);
    thrum_queue_destroy(queue);
}

TEST(queue_without_a_bound_grows_and_keeps_the_order)
{
    for (int order = THRUM_FIFO; order <= THRUM_PRIORITY; order++) {
        thrum_queue *queue = make(0, (enum thrum_order)order);
        int next = 0;
        for (int i = 0; i < 1000; i++) {
            put(queue, i);
            if (i % 3 == 0 && order != THRUM_LIFO)
                CHECK_EQ(get(queue), next++);
        }
        while (thrum_queue_length(queue) > 0)
            CHECK_EQ(get(queue), order == THRUM_LIFO ? 999 - next++ : next++);
        CHECK_EQ(next, 1000);
        thrum_queue_destroy(queue);
    }
}

/* ---- Waiting ---- */

static int put_five(void *arg)
{
    put(arg, 5);
    return 0;
}

static int put_into_a_full_one(void *arg)
{
    (void)arg;
    for (int order = THRUM_FIFO; order <= THRUM_PRIORITY; order++) {
        thrum_queue *queue = make(2, (enum thrum_order)order);
        thrum_group group = THRUM_GROUP_INIT;
        put(queue, 1);
        put(queue, 2);
        CHECK_EQ(thrum_spawn(&group, put_five, queue), 0);
        while (!th_chan_somebody_waits(thrum_queue_outlet(queue), TH_SENDING))
            thrum_yield();
        CHECK_EQ(get(queue), order == THRUM_LIFO ? 2 : 1);
        CHECK_EQ(get(queue), order == THRUM_LIFO ? 5 : 2);
        CHECK_EQ(get(queue), order == THRUM_LIFO ? 1 : 5);
        CHECK_EQ(thrum_group_wait(&group), 0);
        thrum_queue_destroy(queue);
    }
    return 0;
}

TEST(put_waits_while_the_queue_is_full)
{
    run_on_each_count(put_into_a_full_one);
}

static int select_on_a_queue(void *arg)
{
    int number = 0;
    (void)arg;
    thrum_queue *queue = make(0, THRUM_PRIORITY);
    thrum_group group = THRUM_GROUP_INIT;
    thrum_case cases[] = {THRUM_AFTER(THRUM_SEC(100)), THRUM_RECEIVE(thrum_queue_outlet(queue), &number)};
    CHECK_EQ(thrum_spawn(&group, put_five, queue), 0);
    CHECK_EQ(thrum_select(cases, 2), 1);
    CHECK_EQ(number, 5);
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_queue_destroy(queue);
    return 0;
}

TEST(queue_may_stand_in_a_select)
{
    run_on_each_count(select_on_a_queue);
}

/* ---- Many ---- */

static void *thread_works(void *arg)
{
    CHECK_EQ(work(arg), 0);
    return NULL;
}

static int put_many(void *arg)
{
    struct office *office = arg;
    for (int i = 1; i <= fewer(2000, 200); i++)
        put(office->queue, i);
    return 0;
}

static int run_office(void *arg)
{
    struct office *office = arg;
    thrum_group putting = THRUM_GROUP_INIT, working = THRUM_GROUP_INIT;
    pthread_t thread = start_thread(thread_works, office);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(thrum_spawn(&putting, put_many, office), 0);
        CHECK_EQ(thrum_spawn(&working, work, office), 0);
    }
    CHECK_EQ(thrum_group_wait(&putting), 0);
    CHECK_EQ(thrum_queue_join(office->queue), 0);
    uint32_t each = (uint32_t)fewer(2000, 200);
    CHECK_EQ(count_of(&office->total), 4 * (each * (each + 1) / 2));
    thrum_queue_close(office->queue);
    CHECK_EQ(thrum_group_wait(&working), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return 0;
}

TEST(all_that_was_put_is_done_when_the_join_ends)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        for (int order = THRUM_FIFO; order <= THRUM_PRIORITY; order++) {
            for (size_t capacity = 0; capacity <= 8; capacity += 4) {
                struct office office = {.queue = make(capacity, (enum thrum_order)order)};
                run_on(workers, run_office, &office);
                thrum_queue_destroy(office.queue);
            }
        }
    }
}

/* ---- Making and giving up ---- */

TEST(queue_that_cannot_be_is_refused)
{
    thrum_queue *queue = NULL;
    int number = 1;
    CHECK_EQ(thrum_queue_create(&queue, (size_t)1 << 32, NULL), -EINVAL);
    CHECK_EQ(thrum_queue_create(&queue, 8, &(thrum_queue_options){.capacity = 1 << 30}), -EINVAL);
    CHECK_EQ(thrum_queue_create(&queue, 4, &(thrum_queue_options){.order = THRUM_PRIORITY}), -EINVAL);
    CHECK_EQ(th_fault_plan("alloc:1:ENOMEM,alloc:3:ENOMEM"), 0);
    CHECK_EQ(thrum_queue_create(&queue, sizeof number, NULL), -ENOMEM);
    CHECK(queue == NULL);
    CHECK_EQ(thrum_queue_create(&queue, sizeof number, NULL), 0);
    CHECK_EQ(thrum_queue_put(queue, &number), -ENOMEM);
    CHECK_EQ(thrum_queue_join(queue), 0);
    CHECK_EQ(thrum_queue_put(queue, &number), 0);
    CHECK_EQ(th_fault_plan(NULL), 0);
    thrum_queue_destroy(queue);
    thrum_queue_destroy(NULL);
}

static int join_a_queue(void *arg)
{
    return thrum_queue_join(arg);
}

static int destroy_under_a_joiner(void *arg)
{
    thrum_queue *queue = make(1, THRUM_FIFO);
    (void)arg;
    put(queue, 1);
    CHECK_EQ(thrum_spawn(NULL, join_a_queue, queue), 0);
    thrum_yield();
    thrum_yield();
    thrum_queue_destroy(queue);
    return 0;
}

static void destroy_in_a_run(void *arg)
{
    (void)arg;
    run_on(1, destroy_under_a_joiner, NULL);
}

TEST(queue_is_not_given_up_under_somebody_who_joins)
{
    struct kit_outcome outcome;
    kit_in_child(destroy_in_a_run, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "a queue is given up while somebody waits for it to be done");
}
