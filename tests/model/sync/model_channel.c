/*
 * sync/channel: an item that was sent is received once, is in the channel, or was dropped with it, whoever gives up
 * meanwhile; and who received it sees what its sender did before.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

#include <thrum/channel.h>

enum { ITEM = 5, FIRST = 1 };

static uint64_t items[2];
static thrum_chan chan;
static int did[3];                       /* plain: what the sender of item i did before */
static th_atomic32 sent[3], received[3]; /* how often item i was */

static void open_channel(uint32_t capacity)
{
    thrum_chan_init(&chan, items, sizeof items[0], capacity);
}

static int send(uint64_t item)
{
    did[item] = ITEM;
    int code = thrum_chan_send(&chan, &item);
    wait_reuse_stack();
    if (code == 0)
        (void)th_atomic32_add_relaxed(&sent[item], 1);
    return code;
}

static int try_send(uint64_t item)
{
    did[item] = ITEM;
    int code = thrum_chan_try_send(&chan, &item);
    if (code == 0)
        (void)th_atomic32_add_relaxed(&sent[item], 1);
    return code;
}

static void take(uint64_t item)
{
    MODEL_CHECK(item < 3);
    MODEL_CHECK_EQ(did[item], ITEM);
    (void)th_atomic32_add_relaxed(&received[item], 1);
}

static int receive(void)
{
    uint64_t item = 99;
    int code = thrum_chan_receive(&chan, &item);
    if (code == 0)
        take(item);
    else
        MODEL_CHECK_EQ(item, 99);
    wait_reuse_stack();
    return code;
}

static int try_receive(void)
{
    uint64_t item = 99;
    int code = thrum_chan_try_receive(&chan, &item);
    if (code == 0)
        take(item);
    return code;
}

/* sent = received + in the channel. */
static void balance(void)
{
    th_model_join_all();
    while (try_receive() == 0)
        continue;
    for (int i = 0; i < 3; i++)
        MODEL_CHECK_EQ(th_atomic32_load_relaxed(&sent[i]), th_atomic32_load_relaxed(&received[i]));
    thrum_chan_fini(&chan);
}

static void send_item(void *arg)
{
    MODEL_CHECK_EQ(send((uint64_t)(uintptr_t)arg), 0);
}

static void send_perhaps(void *arg)
{
    (void)send((uint64_t)(uintptr_t)arg);
}

static void try_to_send(void *arg)
{
    (void)try_send((uint64_t)(uintptr_t)arg);
}

static void try_to_receive(void *arg)
{
    (void)arg;
    (void)try_receive();
}

static void receive_item(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(receive(), 0);
}

static void close_it(void *arg)
{
    (void)arg;
    thrum_chan_close(&chan);
}

static void cancel_main(void *arg)
{
    (void)arg;
    wait_cancel(0);
}

#define ITEM_ARG(number) ((void *)(uintptr_t)(number))
#define ALL              (MODEL_SC | MODEL_TSO | MODEL_WEAK)

/* ---- A rendezvous ---- */

MODEL(rendezvous, .modes = ALL, .preemptions = 3)
{
    open_channel(0);
    th_model_thread(send_item, ITEM_ARG(0));
    MODEL_CHECK_EQ(receive(), 0);
    balance();
}

MODEL(rendezvous_of_a_receiver_that_is_cancelled, .preemptions = 2, .stale = 2)
{
    open_channel(0);
    th_model_thread(try_to_send, ITEM_ARG(0));
    th_model_thread(cancel_main, NULL);
    (void)receive();
    balance();
}

MODEL(rendezvous_of_a_sender_that_is_cancelled, .preemptions = 2, .stale = 2)
{
    open_channel(0);
    th_model_thread(try_to_receive, NULL);
    th_model_thread(cancel_main, NULL);
    (void)send(0);
    balance();
}

MODEL(rendezvous_and_close_from_both_sides, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_channel(0);
    th_model_thread(close_it, NULL);
    th_model_thread(send_perhaps, ITEM_ARG(0));
    (void)receive();
    balance();
}

/* A receiver that was cancelled is passed over: the one behind it gets the item. */
MODEL(item_goes_to_the_next_where_the_first_gave_up, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_channel(0);
    th_model_thread(send_item, ITEM_ARG(0));
    th_model_thread(cancel_main, NULL);
    if (receive() < 0) {
        /* Still to be received: by one who is not cancelled. */
        th_model_thread(receive_item, NULL);
    }
    balance();
}

/* ---- A buffer ---- */

MODEL(buffer_between_two_senders_and_a_receiver, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_channel(1);
    th_model_thread(send_item, ITEM_ARG(0));
    th_model_thread(send_item, ITEM_ARG(1));
    MODEL_CHECK_EQ(receive(), 0);
    MODEL_CHECK_EQ(receive(), 0);
    balance();
}

MODEL(buffer_that_is_full_and_a_sender_that_is_cancelled, .preemptions = 2, .stale = 2)
{
    open_channel(1);
    MODEL_CHECK_EQ(try_send(0), 0);
    th_model_thread(try_to_receive, NULL);
    th_model_thread(cancel_main, NULL);
    (void)send(1);
    balance();
}

static void send_two(void *arg)
{
    (void)arg;
    uint64_t both[2] = {0, 1};
    did[0] = did[1] = ITEM;
    for (int moved = 0, count; moved < 2; moved += count) {
        count = thrum_chan_send_many(&chan, both + moved, (size_t)(2 - moved));
        MODEL_CHECK(count >= 1);
        for (int i = 0; i < count; i++)
            (void)th_atomic32_add_relaxed(&sent[moved + i], 1);
    }
}

MODEL(many_at_once, .preemptions = 2, .stale = 1)
{
    open_channel(th_model_choose(2));
    th_model_thread(send_two, NULL);
    uint64_t got[2] = {99, 99};
    for (int moved = 0, count; moved < 2; moved += count) {
        count = thrum_chan_receive_many(&chan, got + moved, (size_t)(2 - moved));
        MODEL_CHECK(count >= 1);
    }
    MODEL_CHECK_EQ(got[0], 0);
    MODEL_CHECK_EQ(got[1], 1);
    take(0);
    take(1);
    balance();
}

MODEL(closed_buffer_is_drained, .preemptions = 1, .stale = 1)
{
    open_channel(1);
    th_model_thread(send_perhaps, ITEM_ARG(0));
    th_model_thread(close_it, NULL);
    while (receive() == 0)
        continue;
    balance();
}

/* ---- The end ---- */

static thrum_chan *created;

static void send_into_created(void *arg)
{
    uint64_t item = FIRST;
    (void)arg;
    MODEL_CHECK_EQ(thrum_chan_send(created, &item), 0);
}

/* The receiver may give the channel up: the sender's last touch was before. */
MODEL(channel_goes_once_its_item_was_received, .modes = ALL, .preemptions = 2)
{
    uint64_t item = 0;
    MODEL_CHECK_EQ(thrum_chan_create(&created, sizeof item, th_model_choose(2)), 0);
    th_model_thread(send_into_created, NULL);
    MODEL_CHECK_EQ(thrum_chan_receive(created, &item), 0);
    MODEL_CHECK_EQ(item, FIRST);
    thrum_chan_destroy(created);
}

/* Whoever sees a length sees it of a channel that is there; peeking orders nothing. */
static void send_then_tell(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(try_send(0), 0);
    th_atomic32_store_release(&sent[2], 1);
}

MODEL(length_is_no_older_than_what_the_reader_knows, .preemptions = 3)
{
    open_channel(2);
    th_model_thread(send_then_tell, NULL);
    if (th_atomic32_load_acquire(&sent[2]) != 0)
        MODEL_CHECK_EQ(thrum_chan_length(&chan), 1);
    th_atomic32_store_relaxed(&received[2], 1);
    th_model_join_all();
    balance();
}
