/*
 * sync/queue_order: a join ends when nothing is open, and not before; what was put is got once, while the queue grows
 * and while those who put give up.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

#include <thrum/queues.h>

enum { DID = 5 };

static thrum_queue *queue;
static int did[2];            /* plain: what was done with item i */
static th_atomic32 put_count; /* items that were put for certain */

static void open_queue(size_t capacity)
{
    thrum_queue_options options = {.capacity = capacity};
    MODEL_CHECK_EQ(thrum_queue_create(&queue, sizeof(uint64_t), &options), 0);
}

static void put(uint64_t item)
{
    if (thrum_queue_put(queue, &item) == 0)
        (void)th_atomic32_add_relaxed(&put_count, 1);
    wait_reuse_stack();
}

static void put_item(void *arg)
{
    put((uint64_t)(uintptr_t)arg);
}

static void try_to_put_two(void *arg)
{
    uint64_t item = 1;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        if (thrum_queue_try_put(queue, &item) == 0)
            (void)th_atomic32_add_relaxed(&put_count, 1);
    }
}

static void do_one(void *arg)
{
    uint64_t item = 9;
    (void)arg;
    MODEL_CHECK_EQ(thrum_queue_get(queue, &item), 0);
    did[item] = DID;
    MODEL_CHECK_EQ(thrum_queue_done(queue), 0);
}

static void drain(void)
{
    uint64_t item;
    th_model_join_all();
    uint32_t got = 0;
    for (; thrum_queue_try_get(queue, &item) == 0; got++)
        MODEL_CHECK_EQ(thrum_queue_done(queue), 0);
    MODEL_CHECK_EQ(got, th_atomic32_load_relaxed(&put_count));
    MODEL_CHECK_EQ(thrum_queue_join(queue), 0);
    MODEL_CHECK_EQ(thrum_queue_done(queue), -EINVAL);
    thrum_queue_destroy(queue);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

/* And whoever joined may give the queue up. */
MODEL(join_sees_what_was_done, .modes = ALL, .preemptions = 2)
{
    open_queue(1);
    put(0);
    th_model_thread(do_one, NULL);
    MODEL_CHECK_EQ(thrum_queue_join(queue), 0);
    MODEL_CHECK_EQ(did[0], DID);
    thrum_queue_destroy(queue);
}

MODEL(join_waits_for_all, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_queue(2);
    put(0);
    put(1);
    th_model_thread(do_one, NULL);
    th_model_thread(do_one, NULL);
    MODEL_CHECK_EQ(thrum_queue_join(queue), 0);
    MODEL_CHECK_EQ(did[0], DID);
    MODEL_CHECK_EQ(did[1], DID);
    thrum_queue_destroy(queue);
}

static void cancel_main(void *arg)
{
    (void)arg;
    wait_cancel(0);
}

MODEL(join_is_cancelled, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_queue(1);
    put(0);
    th_model_thread(do_one, NULL);
    th_model_thread(cancel_main, NULL);
    int code = thrum_queue_join(queue);
    wait_reuse_stack();
    MODEL_CHECK(code == 0 || code == -ECANCELED);
    th_model_join_all();
    thrum_queue_destroy(queue);
}

/* Who gives up putting leaves nothing open: one who joins meanwhile is woken by that too. */
static void join_it(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_queue_join(queue), 0);
}

MODEL(put_that_is_cancelled_leaves_nothing_open, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_queue(1);
    put(0);
    th_model_thread(do_one, NULL);
    th_model_thread(cancel_main, NULL);
    put(1);
    th_model_join_all();
    th_atomic32_store_relaxed(&put_count, th_atomic32_load_relaxed(&put_count) - 1);
    drain();
}

MODEL(join_ends_where_a_put_gives_up, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    uint64_t item = 1;
    open_queue(1);
    put(0);
    th_model_thread(join_it, NULL);
    th_model_thread(do_one, NULL);
    thrum_queue_close(queue);
    MODEL_CHECK_EQ(thrum_queue_put(queue, &item), -EPIPE);
    th_model_join_all();
    thrum_queue_destroy(queue);
}

MODEL(queue_grows_while_others_put, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_queue(0);
    th_model_thread(put_item, (void *)1);
    th_model_thread(try_to_put_two, NULL);
    put(0);
    drain();
}
