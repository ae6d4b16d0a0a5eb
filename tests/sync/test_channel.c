/* Channels: what one task or two see of them. Many at once: test_channel_stress.c. */
#include "sync/exchange.h"
#include "task/harness.h"

THRUM_CHANNEL_OF(ints, int);

static thrum_chan *make(size_t item_bytes, size_t capacity)
{
    thrum_chan *chan = NULL;
    CHECK_EQ(thrum_chan_create(&chan, item_bytes, capacity), 0);
    CHECK_EQ(thrum_chan_capacity(chan), capacity);
    return chan;
}

static void send_number(thrum_chan *chan, int number)
{
    CHECK_EQ(thrum_chan_send(chan, &number), 0);
}

static int receive_number(thrum_chan *chan)
{
    int number = -1;
    CHECK_EQ(thrum_chan_receive(chan, &number), 0);
    return number;
}

/* In a task: until so many wait there. */
static void await_waiters(thrum_chan *chan, enum th_side side, int count)
{
    for (int seen = -1; seen < count; thrum_yield()) {
        seen = 0;
        th_latch_take(th_chan_latch(chan));
        struct th_entry *entry = th_atomicptr_load_relaxed(&th_chan_entries(chan, side)->first);
        for (; entry != NULL; entry = entry->next)
            seen++;
        th_latch_leave(th_chan_latch(chan));
    }
}

/* ---- Items ---- */

struct parcel {
    thrum_chan *chan;
    size_t bytes;
};

static void fill(unsigned char *item, size_t bytes, size_t seed)
{
    for (size_t i = 0; i < bytes; i++)
        item[i] = (unsigned char)(seed + i * 7);
}

static int send_parcels(void *arg)
{
    struct parcel *parcel = arg;
    unsigned char item[1000];
    for (size_t i = 0; i < 20; i++) {
        fill(item, parcel->bytes, i);
        CHECK_EQ(thrum_chan_send(parcel->chan, item), 0);
        memset(item, 0, sizeof item); /* it was copied */
    }
    return 0;
}

static void receive_parcels(struct parcel *parcel)
{
    unsigned char item[1001], expected[1000];
    for (size_t i = 0; i < 20; i++) {
        fill(expected, parcel->bytes, i);
        memset(item, 0x5a, sizeof item);
        CHECK_EQ(thrum_chan_receive(parcel->chan, item), 0);
        CHECK_EQ(memcmp(item, expected, parcel->bytes), 0);
        CHECK_EQ(item[parcel->bytes], 0x5a);
    }
}

static int exchange_parcels(void *arg)
{
    static const size_t sizes[] = {0, 1, 3, 4, 8, 24, 1000}, capacities[] = {0, 1, 5};
    (void)arg;
    for (size_t i = 0; i < TH_COUNT_OF(sizes); i++) {
        for (size_t j = 0; j < TH_COUNT_OF(capacities); j++) {
            struct parcel parcel = {.chan = make(sizes[i], capacities[j]), .bytes = sizes[i]};
            thrum_group group = THRUM_GROUP_INIT;
            CHECK_EQ(thrum_spawn(&group, send_parcels, &parcel), 0);
            receive_parcels(&parcel);
            CHECK_EQ(thrum_group_wait(&group), 0);
            thrum_chan_destroy(parcel.chan);
        }
    }
    return 0;
}

TEST(items_of_any_size_arrive_as_they_were_sent_and_in_order)
{
    run_on_each_count(exchange_parcels);
}

static int try_both(void *arg)
{
    int number = 1;
    (void)arg;
    thrum_chan *chan = make(sizeof(int), 2);
    CHECK_EQ(thrum_chan_try_receive(chan, &number), -EAGAIN);
    CHECK_EQ(thrum_chan_try_send(chan, &number), 0);
    number = 2;
    CHECK_EQ(thrum_chan_try_send(chan, &number), 0);
    CHECK_EQ(thrum_chan_try_send(chan, &number), -EAGAIN);
    CHECK_EQ(thrum_chan_length(chan), 2);
    CHECK_EQ(thrum_chan_try_receive(chan, &number), 0);
    CHECK_EQ(number, 1);
    CHECK_EQ(thrum_chan_try_receive(chan, &number), 0);
    CHECK_EQ(number, 2);
    CHECK_EQ(thrum_chan_try_receive(chan, &number), -EAGAIN);
    CHECK_EQ(thrum_chan_length(chan), 0);
    thrum_chan_destroy(chan);
    return 0;
}

TEST(trying_says_eagain_where_it_would_have_to_wait)
{
    run_on_each_count(try_both);
    CHECK_EQ(try_both(NULL), 0); /* outside of tasks too */
}

static int receive_seven(void *arg)
{
    CHECK_EQ(receive_number(arg), 7);
    return 0;
}

static int send_seven(void *arg)
{
    send_number(arg, 7);
    return 0;
}

static int try_rendezvous(void *arg)
{
    int number = 7;
    (void)arg;
    thrum_chan *chan = make(sizeof(int), 0);
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_chan_try_send(chan, &number), -EAGAIN);
    CHECK_EQ(thrum_chan_try_receive(chan, &number), -EAGAIN);
    CHECK_EQ(thrum_spawn(&group, receive_seven, chan), 0);
    await_waiters(chan, TH_RECEIVING, 1);
    CHECK_EQ(thrum_chan_try_send(chan, &number), 0);
    CHECK_EQ(thrum_spawn(&group, send_seven, chan), 0);
    await_waiters(chan, TH_SENDING, 1);
    number = 0;
    CHECK_EQ(thrum_chan_length(chan), 0);
    CHECK_EQ(thrum_chan_try_receive(chan, &number), 0);
    CHECK_EQ(number, 7);
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_chan_destroy(chan);
    return 0;
}

TEST(trying_a_rendezvous_succeeds_where_the_other_side_waits)
{
    run_on_each_count(try_rendezvous);
}

/* ---- Who is served first ---- */

struct queuer {
    thrum_chan *chan;
    int number;
};

static int receive_my_number(void *arg)
{
    struct queuer *queuer = arg;
    CHECK_EQ(receive_number(queuer->chan), queuer->number);
    return 0;
}

static int send_my_number(void *arg)
{
    struct queuer *queuer = arg;
    send_number(queuer->chan, queuer->number);
    return 0;
}

enum { QUEUERS = 20 };

static void line_up(thrum_group *group, thrum_chan *chan, enum th_side side, thrum_fn body)
{
    for (int i = 0; i < QUEUERS; i++) {
        struct queuer queuer = {.chan = chan, .number = i};
        CHECK_EQ(thrum_spawn_copy(group, body, &queuer, sizeof queuer), 0);
        await_waiters(chan, side, i + 1);
    }
}

static int serve_receivers(void *arg)
{
    (void)arg;
    thrum_chan *chan = make(sizeof(int), 3);
    thrum_group group = THRUM_GROUP_INIT;
    line_up(&group, chan, TH_RECEIVING, receive_my_number);
    for (int i = 0; i < QUEUERS; i++)
        send_number(chan, i);
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_chan_destroy(chan);
    return 0;
}

TEST(receivers_are_served_in_the_order_they_came)
{
    run_on_each_count(serve_receivers);
}

static int serve_senders(void *arg)
{
    (void)arg;
    for (size_t capacity = 0; capacity <= 3; capacity++) {
        thrum_chan *chan = make(sizeof(int), capacity);
        thrum_group group = THRUM_GROUP_INIT;
        for (int i = 0; i < (int)capacity; i++)
            send_number(chan, 1000 + i);
        line_up(&group, chan, TH_SENDING, send_my_number);
        for (int i = 0; i < (int)capacity; i++)
            CHECK_EQ(receive_number(chan), 1000 + i);
        for (int i = 0; i < QUEUERS; i++)
            CHECK_EQ(receive_number(chan), i);
        CHECK_EQ(thrum_group_wait(&group), 0);
        thrum_chan_destroy(chan);
    }
    return 0;
}

TEST(senders_that_wait_get_their_items_in_by_the_order_they_came)
{
    run_on_each_count(serve_senders);
}

/* ---- Closing ---- */

static int drain_a_closed_one(void *arg)
{
    int number = 5;
    (void)arg;
    thrum_chan *chan = make(sizeof(int), 4);
    send_number(chan, 1);
    send_number(chan, 2);
    CHECK(!thrum_chan_is_closed(chan));
    thrum_chan_close(chan);
    thrum_chan_close(chan);
    CHECK(thrum_chan_is_closed(chan));
    CHECK_EQ(thrum_chan_send(chan, &number), -EPIPE);
    CHECK_EQ(thrum_chan_try_send(chan, &number), -EPIPE);
    CHECK_EQ(thrum_chan_send_many(chan, &number, 1), -EPIPE);
    CHECK_EQ(receive_number(chan), 1);
    CHECK_EQ(thrum_chan_try_receive(chan, &number), 0);
    CHECK_EQ(number, 2);
    CHECK_EQ(thrum_chan_receive(chan, &number), -EPIPE);
    CHECK_EQ(thrum_chan_try_receive(chan, &number), -EPIPE);
    CHECK_EQ(thrum_chan_receive_many(chan, &number, 1), -EPIPE);
    CHECK_EQ(number, 2);
    thrum_chan_destroy(chan);
    return 0;
}

TEST(closed_channel_is_drained_and_then_says_epipe)
{
    run_on_each_count(drain_a_closed_one);
}

static int receive_the_end(void *arg)
{
    int number = 5;
    CHECK_EQ(thrum_chan_receive(arg, &number), -EPIPE);
    CHECK_EQ(number, 5);
    return 0;
}

static int send_to_the_end(void *arg)
{
    int number = 5;
    CHECK_EQ(thrum_chan_send(arg, &number), -EPIPE);
    return 0;
}

static int close_on_waiters(void *arg)
{
    (void)arg;
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        for (enum th_side side = TH_RECEIVING; side <= TH_SENDING; side++) {
            thrum_chan *chan = make(sizeof(int), capacity);
            thrum_group group = THRUM_GROUP_INIT;
            if (side == TH_SENDING && capacity == 1)
                send_number(chan, 1);
            for (int i = 0; i < 5; i++)
                CHECK_EQ(thrum_spawn(&group, side == TH_SENDING ? send_to_the_end : receive_the_end, chan), 0);
            await_waiters(chan, side, 5);
            thrum_chan_close(chan);
            CHECK_EQ(thrum_group_wait(&group), 0);
            CHECK_EQ(thrum_chan_length(chan), side == TH_SENDING ? capacity : 0);
            thrum_chan_destroy(chan);
        }
    }
    return 0;
}

TEST(closing_wakes_all_who_wait_with_epipe_and_takes_no_item)
{
    run_on_each_count(close_on_waiters);
}

/* ---- Many at once ---- */

static int receive_ten(void *arg)
{
    int numbers[10], got = 0;
    while (got < 10) {
        int count = thrum_chan_receive_many(arg, numbers, (size_t)(10 - got));
        CHECK_LE(1, count);
        for (int i = 0; i < count; i++)
            CHECK_EQ(numbers[i], got++);
    }
    return 0;
}

static int send_many(void *arg)
{
    int numbers[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got[10];
    (void)arg;
    thrum_chan *chan = make(sizeof(int), 4);
    CHECK_EQ(thrum_chan_send_many(chan, numbers, 0), 0);
    CHECK_EQ(thrum_chan_send_many(chan, numbers, 3), 3);
    CHECK_EQ(thrum_chan_send_many(chan, numbers + 3, 7), 1);
    CHECK_EQ(thrum_chan_receive_many(chan, got, 0), 0);
    CHECK_EQ(thrum_chan_receive_many(chan, got, 10), 4);
    CHECK_EQ(memcmp(got, numbers, 4 * sizeof(int)), 0);
    for (size_t capacity = 0; capacity <= 4; capacity++) {
        thrum_chan *other = make(sizeof(int), capacity);
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(thrum_spawn(&group, receive_ten, other), 0);
        for (int sent = 0, count; sent < 10; sent += count) {
            count = thrum_chan_send_many(other, numbers + sent, (size_t)(10 - sent));
            CHECK_LE(1, count);
        }
        CHECK_EQ(thrum_group_wait(&group), 0);
        thrum_chan_destroy(other);
    }
    thrum_chan_destroy(chan);
    return 0;
}

TEST(many_are_sent_and_received_as_far_as_they_fit_but_one_at_least)
{
    run_on_each_count(send_many);
}

/* ---- Threads ---- */

static void *thread_echoes(void *arg)
{
    thrum_chan **chans = arg;
    int number;
    while (thrum_chan_receive(chans[0], &number) == 0)
        send_number(chans[1], number + 1);
    thrum_chan_close(chans[1]);
    return NULL;
}

static int talk_to_thread(void *arg)
{
    thrum_chan **chans = arg;
    int number;
    for (int i = 0; i < 200; i++) {
        send_number(chans[0], i);
        CHECK_EQ(receive_number(chans[1]), i + 1);
    }
    thrum_chan_close(chans[0]);
    CHECK_EQ(thrum_chan_receive(chans[1], &number), -EPIPE);
    return 0;
}

TEST(tasks_and_threads_talk_over_channels)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        thrum_chan *chans[2] = {make(sizeof(int), 0), make(sizeof(int), workers % 2)};
        pthread_t thread = start_thread(thread_echoes, chans);
        run_on(workers, talk_to_thread, chans);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        thrum_chan_destroy(chans[0]);
        thrum_chan_destroy(chans[1]);
    }
}

TEST(two_threads_talk_without_a_runtime)
{
    thrum_chan *chans[2] = {make(sizeof(int), 0), make(sizeof(int), 0)};
    pthread_t thread = start_thread(thread_echoes, chans);
    CHECK_EQ(talk_to_thread(chans), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    thrum_chan_destroy(chans[0]);
    thrum_chan_destroy(chans[1]);
}

/* ---- Making and giving up ---- */

static int static_items[3];
static thrum_chan static_channel = THRUM_CHAN_INIT(static_items, sizeof(int), 3);

TEST(channel_may_be_static)
{
    for (int i = 0; i < 3; i++)
        send_number(&static_channel, i);
    CHECK_EQ(thrum_chan_try_send(&static_channel, &static_items[0]), -EAGAIN);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(receive_number(&static_channel), i);
    thrum_chan_fini(&static_channel);
}

TEST(channel_may_be_in_memory_of_ones_own)
{
    thrum_chan chan;
    int items[2];
    thrum_chan_init(&chan, items, sizeof(int), 2);
    send_number(&chan, 3);
    CHECK_EQ(thrum_chan_length(&chan), 1);
    thrum_chan_fini(&chan);
}

TEST(typed_channels_have_items_of_their_type)
{
    ints chan;
    int number = 0;
    CHECK_EQ(ints_create(&chan, 1), 0);
    CHECK_EQ(ints_send(chan, 5), 0);
    CHECK_EQ(ints_try_send(chan, 6), -EAGAIN);
    CHECK_EQ(thrum_chan_length(chan.of), 1);
    CHECK_EQ(ints_receive(chan, &number), 0);
    CHECK_EQ(number, 5);
    CHECK_EQ(ints_try_receive(chan, &number), -EAGAIN);
    ints_close(chan);
    CHECK_EQ(ints_try_receive(chan, &number), -EPIPE);
    ints_destroy(chan);
}

TEST(channel_that_is_too_large_is_refused)
{
    thrum_chan *chan = NULL;
    CHECK_EQ(thrum_chan_create(&chan, (size_t)1 << 32, 1), -EINVAL);
    CHECK_EQ(thrum_chan_create(&chan, 1, (size_t)1 << 32), -EINVAL);
    CHECK_EQ(thrum_chan_create(&chan, 1 << 20, 1 << 20), -EINVAL);
    CHECK_EQ(th_fault_plan("alloc:1:ENOMEM"), 0);
    CHECK_EQ(thrum_chan_create(&chan, 1, 1), -ENOMEM);
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK(chan == NULL);
    thrum_chan_destroy(NULL);
}

static int destroy_before_a_receiver(void *arg)
{
    thrum_chan *chan = make(sizeof(int), 1);
    (void)arg;
    CHECK_EQ(thrum_spawn(NULL, receive_the_end, chan), 0);
    await_waiters(chan, TH_RECEIVING, 1);
    thrum_chan_destroy(chan);
    return 0;
}

static void destroy_in_a_run(void *arg)
{
    (void)arg;
    run_on(1, destroy_before_a_receiver, NULL);
}

TEST(channel_is_not_given_up_under_somebody_who_waits)
{
    struct kit_outcome outcome;
    kit_in_child(destroy_in_a_run, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "a channel is given up while somebody waits at it");
}

/* The last touch of the one who sends is before the one who has received goes on. */
static int send_once(void *arg)
{
    send_number(arg, 1);
    return 0;
}

static int destroy_at_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < fewer(2000, 200); i++) {
        thrum_chan *chan = make(sizeof(int), (size_t)i % 2);
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(thrum_spawn(&group, send_once, chan), 0);
        if (i % 4 < 2)
            thrum_yield();
        CHECK_EQ(receive_number(chan), 1);
        thrum_chan_destroy(chan);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    return 0;
}

TEST(channel_may_be_given_up_by_whoever_has_received_the_last_item)
{
    run_on_each_count(destroy_at_once);
}
