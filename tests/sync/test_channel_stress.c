/*
 * Many at one channel, and random programs over several: whatever was sent arrives once, and what one sender sent to
 * one receiver arrives in order.
 */
#include "task/harness.h"

enum { SENDERS_MOST = 8, TAG = 1 << 24 };

/* ---- Many at one ---- */

struct crowd {
    thrum_chan *chan;
    uint32_t senders, receivers, each;
    th_atomic64 sum;
    th_atomic32 received, next_sender;
};

static void *send_each(struct crowd *crowd)
{
    uint32_t me = th_atomic32_add_relaxed(&crowd->next_sender, 1);
    for (uint32_t i = 0; i < crowd->each; i++) {
        uint32_t item = me * TAG + i;
        CHECK_EQ(thrum_chan_send(crowd->chan, &item), 0);
    }
    return NULL;
}

static void *receive_all(struct crowd *crowd)
{
    uint32_t item, count = 0, next[SENDERS_MOST] = {0};
    uint64_t sum = 0;
    int result;
    while ((result = thrum_chan_receive(crowd->chan, &item)) == 0) {
        CHECK_LE(next[item / TAG], item % TAG);
        next[item / TAG] = item % TAG + 1;
        sum += item;
        count++;
    }
    CHECK_EQ(result, -EPIPE);
    (void)th_atomic64_add_relaxed(&crowd->sum, sum);
    (void)th_atomic32_add_relaxed(&crowd->received, count);
    return NULL;
}

static int task_sends(void *arg)
{
    (void)send_each(arg);
    return 0;
}

static int task_receives(void *arg)
{
    (void)receive_all(arg);
    return 0;
}

static void *thread_sends(void *arg)
{
    return send_each(arg);
}

static void *thread_receives(void *arg)
{
    return receive_all(arg);
}

static int meet(void *arg)
{
    struct crowd *crowd = arg;
    thrum_group sending = THRUM_GROUP_INIT, receiving = THRUM_GROUP_INIT;
    pthread_t sender = start_thread(thread_sends, crowd), receiver = start_thread(thread_receives, crowd);
    for (uint32_t i = 1; i < crowd->senders; i++)
        CHECK_EQ(thrum_spawn(&sending, task_sends, crowd), 0);
    for (uint32_t i = 1; i < crowd->receivers; i++)
        CHECK_EQ(thrum_spawn(&receiving, task_receives, crowd), 0);
    CHECK_EQ(thrum_group_wait(&sending), 0);
    CHECK_EQ(pthread_join(sender, NULL), 0);
    thrum_chan_close(crowd->chan);
    CHECK_EQ(thrum_group_wait(&receiving), 0);
    CHECK_EQ(pthread_join(receiver, NULL), 0);
    return 0;
}

static void crowd_of(unsigned workers, size_t capacity, uint32_t senders, uint32_t receivers)
{
    struct crowd crowd = {.senders = senders, .receivers = receivers, .each = (uint32_t)fewer(3000, 200)};
    uint64_t each = crowd.each, sum = 0;
    CHECK_EQ(thrum_chan_create(&crowd.chan, sizeof(uint32_t), capacity), 0);
    run_on(workers, meet, &crowd);
    for (uint32_t i = 0; i < senders; i++)
        sum += (uint64_t)i * TAG * each + each * (each - 1) / 2;
    CHECK_EQ(th_atomic32_load_relaxed(&crowd.received), senders * crowd.each);
    CHECK_EQ(th_atomic64_load_relaxed(&crowd.sum), sum);
    thrum_chan_destroy(crowd.chan);
}

TEST(what_many_send_to_many_arrives_once_and_in_order)
{
    static const size_t capacities[] = {0, 1, 128};
    for (size_t i = 0; i < TH_COUNT_OF(capacities); i++) {
        FOR_EACH_WORKER_COUNT(workers)
        {
            crowd_of(workers, capacities[i], SENDERS_MOST, 8);
            crowd_of(workers, capacities[i], 2, 5);
            crowd_of(workers, capacities[i], 5, 2);
        }
    }
}

/* ---- Random programs ---- */

enum { CHANNELS = 3, BATCH = 5 };

struct market {
    thrum_chan *chans[CHANNELS];
    uint64_t seed;
    uint32_t traders, turns;
    th_atomic32 next_item, next_trader, still_sending;
    th_atomic64 sent, received; /* sums of item numbers, each mixed */
    th_atomic32 sent_count, received_count;
};

static uint64_t mix(uint32_t item)
{
    uint64_t mixed = (item + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ mixed >> 29;
}

static void note(th_atomic64 *sum, th_atomic32 *count, const uint32_t *items, int moved)
{
    for (int i = 0; i < moved; i++)
        (void)th_atomic64_add_relaxed(sum, mix(items[i]));
    (void)th_atomic32_add_relaxed(count, (uint32_t)(moved > 0 ? moved : 0));
}

static void sell(struct market *market, thrum_chan *chan, struct th_random *random)
{
    uint32_t items[BATCH], first = th_atomic32_add_relaxed(&market->next_item, BATCH);
    int moved;
    for (uint32_t i = 0; i < BATCH; i++)
        items[i] = first + i;
    switch (th_random_below(random, 4)) {
    case 0:
        moved = thrum_chan_try_send(chan, items) == 0;
        break;
    case 1:
        moved = thrum_chan_send_many(chan, items, 1 + th_random_below(random, BATCH));
        break;
    default:
        moved = thrum_chan_send(chan, items) == 0;
    }
    note(&market->sent, &market->sent_count, items, moved);
}

/* False when the channel is closed and empty. */
static bool buy(struct market *market, thrum_chan *chan, struct th_random *random)
{
    uint32_t items[BATCH];
    int code;
    switch (th_random_below(random, 4)) {
    case 0:
        code = thrum_chan_try_receive(chan, items);
        note(&market->received, &market->received_count, items, code == 0);
        return code != -EPIPE;
    case 1:
        code = thrum_chan_receive_many(chan, items, 1 + th_random_below(random, BATCH));
        note(&market->received, &market->received_count, items, code);
        return code != -EPIPE;
    default:
        code = thrum_chan_receive(chan, items);
        note(&market->received, &market->received_count, items, code == 0);
        return code != -EPIPE;
    }
}

/* Half of them sell; the last of these closes. The others buy until all is closed. */
static void *trade(struct market *market)
{
    uint32_t me = th_atomic32_add_relaxed(&market->next_trader, 1);
    struct th_random random;
    th_random_init(&random, market->seed + me);
    if (me % 2 == 0) {
        for (uint32_t i = 0; i < market->turns; i++) {
            sell(market, market->chans[th_random_below(&random, CHANNELS)], &random);
            if (th_random_below(&random, 8) == 0)
                thrum_yield();
        }
        if (th_atomic32_sub_acqrel(&market->still_sending, 1) == 1) {
            for (int i = 0; i < CHANNELS; i++)
                thrum_chan_close(market->chans[i]);
        }
        return NULL;
    }
    /* Each has a channel of its own, so that none is left without a receiver. */
    while (buy(market, market->chans[me / 2 % CHANNELS], &random)) {
        if (th_random_below(&random, 8) == 0)
            thrum_yield();
    }
    return NULL;
}

static int task_trades(void *arg)
{
    (void)trade(arg);
    return 0;
}

static void *thread_trades(void *arg)
{
    return trade(arg);
}

enum { THREADS = 4 };

static int hold_market(void *arg)
{
    struct market *market = arg;
    thrum_group group = THRUM_GROUP_INIT;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        threads[i] = start_thread(thread_trades, market);
    for (uint32_t i = THREADS; i < market->traders; i++)
        CHECK_EQ(thrum_spawn(&group, task_trades, market), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    return 0;
}

TEST(random_programs_lose_no_item)
{
    uint64_t seed = kit_seed();
    for (int round = 0; round < fewer(10, 2); round++) {
        FOR_EACH_WORKER_COUNT(workers)
        {
            struct market market = {.seed = seed += 1000, .traders = 20, .turns = (uint32_t)fewer(300, 60)};
            th_atomic32_store_relaxed(&market.still_sending, market.traders / 2);
            for (size_t i = 0; i < CHANNELS; i++)
                CHECK_EQ(thrum_chan_create(&market.chans[i], sizeof(uint32_t), i == 2 ? 16 : i), 0);
            run_on(workers, hold_market, &market);
            CHECK_EQ(th_atomic32_load_relaxed(&market.sent_count), th_atomic32_load_relaxed(&market.received_count));
            CHECK_EQ(th_atomic64_load_relaxed(&market.sent), th_atomic64_load_relaxed(&market.received));
            for (int i = 0; i < CHANNELS; i++)
                thrum_chan_destroy(market.chans[i]);
        }
    }
}
