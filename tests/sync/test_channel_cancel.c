/* Channels, selects and queues whose waits are cut short: what was not handed over is where it was. */
#include "sync/exchange.h"
#include "task/harness.h"

static thrum_chan *make(size_t capacity)
{
    thrum_chan *chan = NULL;
    CHECK_EQ(thrum_chan_create(&chan, sizeof(uint32_t), capacity), 0);
    return chan;
}

static bool is_waited_for(thrum_chan *chan)
{
    return th_chan_somebody_waits(chan, TH_RECEIVING) || th_chan_somebody_waits(chan, TH_SENDING);
}

struct attempt {
    thrum_chan *chan;
    thrum_queue *queue;
    int result;
};

static int try_to_receive(void *arg)
{
    struct attempt *attempt = arg;
    uint32_t item = 7;
    attempt->result = thrum_chan_receive(attempt->chan, &item);
    CHECK_EQ(item, 7);
    return 0;
}

static int try_to_send(void *arg)
{
    struct attempt *attempt = arg;
    uint32_t item = 7;
    attempt->result = thrum_chan_send(attempt->chan, &item);
    return 0;
}

static int try_to_select(void *arg)
{
    struct attempt *attempt = arg;
    uint32_t item = 7, sent = 8;
    thrum_case cases[] = {THRUM_RECEIVE(attempt->chan, &item), THRUM_SEND(attempt->chan, &sent),
                          THRUM_AFTER(THRUM_SEC(1000))};
    attempt->result = thrum_select(cases, 3);
    CHECK_EQ(item, 7);
    return 0;
}

static void cancel_at(thrum_fn body)
{
    struct attempt attempt = {.chan = make(0), .result = 1};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, body, &attempt), 0);
    while (!is_waited_for(attempt.chan))
        thrum_yield();
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    CHECK_EQ(attempt.result, -ECANCELED);
    CHECK(!is_waited_for(attempt.chan));
    thrum_chan_destroy(attempt.chan);
}

static int cancel_at_each(void *arg)
{
    (void)arg;
    cancel_at(try_to_receive);
    cancel_at(try_to_send);
    cancel_at(try_to_select);
    return 0;
}

TEST(cancel_ends_a_wait_at_a_channel_and_leaves_nothing_there)
{
    run_on_each_count(cancel_at_each);
}

static int run_out_of_time(void *arg)
{
    static const thrum_fn bodies[] = {try_to_receive, try_to_send, try_to_select};
    struct attempt attempt = {.chan = make(0)};
    (void)arg;
    for (size_t i = 0; i < TH_COUNT_OF(bodies); i++) {
        THRUM_TIMEOUT(THRUM_US(300))
        {
            CHECK_EQ(bodies[i](&attempt), 0);
            CHECK_EQ(attempt.result, -ETIMEDOUT);
            CHECK_EQ(bodies[i](&attempt), 0); /* at once, from now on */
            CHECK_EQ(attempt.result, -ETIMEDOUT);
        }
        CHECK(!is_waited_for(attempt.chan));
    }
    thrum_chan_destroy(attempt.chan);
    return 0;
}

TEST(deadline_ends_a_wait_at_a_channel)
{
    run_on_each_count(run_out_of_time);
}

/* What can be done without waiting is done, also when the scope has ended. */
static int go_on_without_waiting(void *arg)
{
    uint32_t item = 1;
    (void)arg;
    thrum_chan *chan = make(1);
    THRUM_TIMEOUT(0)
    {
        CHECK_EQ(thrum_sleep(0), -ETIMEDOUT);
        CHECK_EQ(thrum_chan_send(chan, &item), 0);
        CHECK_EQ(thrum_chan_send(chan, &item), -ETIMEDOUT);
        CHECK_EQ(thrum_chan_receive(chan, &item), 0);
        CHECK_EQ(thrum_chan_receive(chan, &item), -ETIMEDOUT);
    }
    thrum_chan_destroy(chan);
    return 0;
}

TEST(what_need_not_wait_is_done_in_a_scope_that_has_ended)
{
    run_on_each_count(go_on_without_waiting);
}

static int try_to_join(void *arg)
{
    struct attempt *attempt = arg;
    attempt->result = thrum_queue_join(attempt->queue);
    return 0;
}

static int cut_queues_short(void *arg)
{
    int item = 1;
    struct attempt attempt = {.result = 1};
    (void)arg;
    CHECK_EQ(thrum_queue_create(&attempt.queue, sizeof item, &(thrum_queue_options){.capacity = 1}), 0);
    CHECK_EQ(thrum_queue_put(attempt.queue, &item), 0);
    THRUM_TIMEOUT(THRUM_US(300))
    {
        CHECK_EQ(thrum_queue_put(attempt.queue, &item), -ETIMEDOUT);
        CHECK_EQ(try_to_join(&attempt), 0);
        CHECK_EQ(attempt.result, -ETIMEDOUT);
    }
    CHECK_EQ(thrum_queue_get(attempt.queue, &item), 0);
    CHECK_EQ(thrum_queue_done(attempt.queue), 0);
    CHECK_EQ(thrum_queue_done(attempt.queue), -EINVAL); /* the put that gave up left nothing open */
    CHECK_EQ(thrum_queue_join(attempt.queue), 0);
    thrum_queue_destroy(attempt.queue);
    return 0;
}

TEST(put_and_join_give_up_when_their_time_is_over)
{
    run_on_each_count(cut_queues_short);
}

/* ---- Random programs with random ends ---- */

enum { CHANNELS = 3, TRADERS = 12 };

struct market {
    thrum_chan *chans[CHANNELS];
    uint64_t seed;
    uint32_t turns;
    th_atomic32 next_item, next_trader;
    th_atomic64 sent, received;
    th_atomic32 sent_count, received_count, cut_short;
};

static void note(th_atomic64 *sum, th_atomic32 *count, uint32_t item)
{
    uint64_t mixed = (item + 1) * UINT64_C(0x9e3779b97f4a7c15);
    (void)th_atomic64_add_relaxed(sum, mixed ^ mixed >> 29);
    count_up(count);
}

static int deal(struct market *market, struct th_random *random)
{
    thrum_chan *one = market->chans[th_random_below(random, CHANNELS)];
    thrum_chan *other = market->chans[th_random_below(random, CHANNELS)];
    uint32_t item = th_atomic32_add_relaxed(&market->next_item, 1), got = 0;
    thrum_case cases[] = {THRUM_SEND(one, &item), THRUM_RECEIVE(other, &got)};
    int which = (int)th_random_below(random, 3), code;
    if (which == 0) {
        code = thrum_chan_send(one, &item);
    } else if (which == 1) {
        code = thrum_chan_receive(other, &got);
    } else {
        which = thrum_select(cases, 2);
        code = which < 0 ? which : cases[which].result;
    }
    if (code == 0 && which == 0)
        note(&market->sent, &market->sent_count, item);
    else if (code == 0)
        note(&market->received, &market->received_count, got);
    return code;
}

static int trade_in_haste(void *arg)
{
    struct market *market = arg;
    struct th_random random;
    th_random_init(&random, market->seed + th_atomic32_add_relaxed(&market->next_trader, 1));
    for (uint32_t i = 0; i < market->turns; i++) {
        int code = 0;
        THRUM_TIMEOUT(th_random_below(&random, 40000))
        code = deal(market, &random);
        if (code == -ECANCELED)
            return 0;
        CHECK(code == 0 || code == -ETIMEDOUT);
        if (code < 0)
            count_up(&market->cut_short);
        if (th_random_below(&random, 16) == 0)
            thrum_yield();
    }
    return 0;
}

/* Groups of traders, each cancelled at some moment, one after the other. */
static int hold_market(void *arg)
{
    struct market *market = arg;
    struct th_random random;
    th_random_init(&random, market->seed);
    for (int round = 0; round < fewer(20, 4); round++) {
        thrum_group group = THRUM_GROUP_INIT;
        for (int i = 0; i < TRADERS; i++)
            CHECK_EQ(thrum_spawn(&group, trade_in_haste, market), 0);
        if (round % 4 != 0) {
            CHECK_EQ(thrum_sleep(th_random_below(&random, 500000)), 0);
            thrum_cancel(&group);
        }
        (void)thrum_group_wait(&group);
    }
    return 0;
}

TEST(random_cancels_and_deadlines_lose_no_item)
{
    uint64_t seed = kit_seed();
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct market market = {.seed = seed += 1000, .turns = (uint32_t)fewer(100, 30)};
        uint32_t item;
        for (size_t i = 0; i < CHANNELS; i++)
            market.chans[i] = make(i);
        run_on(workers, hold_market, &market);
        for (int i = 0; i < CHANNELS; i++) {
            CHECK(!is_waited_for(market.chans[i]));
            while (thrum_chan_try_receive(market.chans[i], &item) == 0)
                note(&market.received, &market.received_count, item);
            thrum_chan_destroy(market.chans[i]);
        }
        CHECK_LT(0, count_of(&market.cut_short));
        CHECK_LT(0, count_of(&market.sent_count));
        CHECK_EQ(count_of(&market.sent_count), count_of(&market.received_count));
        CHECK_EQ(th_atomic64_load_relaxed(&market.sent), th_atomic64_load_relaxed(&market.received));
    }
}
