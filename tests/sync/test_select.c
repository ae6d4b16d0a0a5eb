/* Select: one of several cases takes effect, the rest are as they were. */
#include "sync/exchange.h"
#include "task/harness.h"

enum { CHANNELS = 8 };

static thrum_chan *make(size_t capacity)
{
    thrum_chan *chan = NULL;
    CHECK_EQ(thrum_chan_create(&chan, sizeof(int), capacity), 0);
    return chan;
}

static void make_all(thrum_chan *chans[CHANNELS], size_t capacity)
{
    for (int i = 0; i < CHANNELS; i++)
        chans[i] = make(capacity);
}

static void destroy_all(thrum_chan *chans[CHANNELS])
{
    for (int i = 0; i < CHANNELS; i++)
        thrum_chan_destroy(chans[i]);
}

static void put(thrum_chan *chan, int number)
{
    CHECK_EQ(thrum_chan_send(chan, &number), 0);
}

static int get(thrum_chan *chan)
{
    int number = -1;
    CHECK_EQ(thrum_chan_receive(chan, &number), 0);
    return number;
}

static bool is_waited_for(thrum_chan *chan)
{
    return th_chan_somebody_waits(chan, TH_RECEIVING) || th_chan_somebody_waits(chan, TH_SENDING);
}

static void wait_for_waiter(thrum_chan *chan)
{
    while (!is_waited_for(chan)) {
        thrum_yield();
        sched_yield();
    }
}

/* ---- What is ready at once ---- */

static int select_what_is_ready(void *arg)
{
    thrum_chan *chans[CHANNELS];
    thrum_case cases[CHANNELS];
    int number = -1;
    (void)arg;
    make_all(chans, 1);
    for (int i = 0; i < CHANNELS; i++)
        cases[i] = THRUM_RECEIVE(chans[i], &number);
    for (int i = 0; i < CHANNELS; i++) {
        put(chans[i], 100 + i);
        cases[i].result = 77;
        CHECK_EQ(thrum_select(cases, CHANNELS), i);
        CHECK_EQ(cases[i].result, 0);
        CHECK_EQ(number, 100 + i);
        CHECK_EQ(thrum_chan_length(chans[i]), 0);
    }
    for (int i = 0; i < CHANNELS; i++) {
        CHECK(!is_waited_for(chans[i]));
        cases[i] = THRUM_SEND(chans[i], &number);
        if (i != 3)
            put(chans[i], 1);
    }
    number = 55;
    CHECK_EQ(thrum_select(cases, CHANNELS), 3);
    CHECK_EQ(get(chans[3]), 55);
    destroy_all(chans);
    return 0;
}

TEST(select_takes_the_case_that_is_ready)
{
    run_on_each_count(select_what_is_ready);
    CHECK_EQ(select_what_is_ready(NULL), 0); /* in a thread */
}

static int count_what_is_taken(void *arg)
{
    enum { TURNS = 8000 };
    thrum_chan *chans[CHANNELS];
    thrum_case cases[CHANNELS];
    int number, taken[CHANNELS] = {0}, first_of_two = 0;
    (void)arg;
    make_all(chans, 1);
    for (int i = 0; i < CHANNELS; i++) {
        cases[i] = THRUM_RECEIVE(chans[i], &number);
        put(chans[i], i);
    }
    for (int turn = 0; turn < TURNS; turn++) {
        int which = thrum_select(cases, CHANNELS);
        CHECK_EQ(number, which);
        put(chans[which], which);
        taken[which]++;
    }
    /* Binomial: 1000 +- 30. */
    for (int i = 0; i < CHANNELS; i++) {
        CHECK_LT(800, taken[i]);
        CHECK_LT(taken[i], 1200);
    }
    for (int i = 2; i < CHANNELS; i++)
        (void)get(chans[i]);
    for (int turn = 0; turn < TURNS; turn++) {
        int which = thrum_select(cases, CHANNELS);
        put(chans[which], which);
        first_of_two += which == 0;
    }
    CHECK_LT(TURNS / 2 - 300, first_of_two); /* 4000 +- 45 */
    CHECK_LT(first_of_two, TURNS / 2 + 300);
    destroy_all(chans);
    return 0;
}

TEST(of_several_that_are_ready_each_is_taken_as_often)
{
    run_on(1, count_what_is_taken, NULL);
    CHECK_EQ(count_what_is_taken(NULL), 0);
}

static int take_the_default(void *arg)
{
    int number = 5;
    (void)arg;
    thrum_chan *chan = make(1);
    thrum_case cases[] = {THRUM_DEFAULT, THRUM_RECEIVE(chan, &number), THRUM_AFTER(0)};
    CHECK_EQ(thrum_select(cases, 3), 0);
    CHECK(!is_waited_for(chan));
    put(chan, 6);
    CHECK_EQ(thrum_select(cases, 3), 1);
    CHECK_EQ(number, 6);
    thrum_chan_destroy(chan);
    return 0;
}

TEST(default_is_taken_where_nothing_is_ready)
{
    run_on_each_count(take_the_default);
}

static int select_closed_ones(void *arg)
{
    int number = 5;
    (void)arg;
    thrum_chan *open = make(0), *closed = make(1);
    put(closed, 6);
    thrum_chan_close(closed);
    thrum_case cases[] = {THRUM_RECEIVE(open, &number), THRUM_RECEIVE(closed, &number)};
    CHECK_EQ(thrum_select(cases, 2), 1);
    CHECK_EQ(cases[1].result, 0);
    CHECK_EQ(thrum_select(cases, 2), 1);
    CHECK_EQ(cases[1].result, -EPIPE);
    CHECK_EQ(number, 6);
    cases[1] = THRUM_SEND(closed, &number);
    CHECK_EQ(thrum_select(cases, 2), 1);
    CHECK_EQ(cases[1].result, -EPIPE);
    thrum_chan_destroy(open);
    thrum_chan_destroy(closed);
    return 0;
}

TEST(closed_channel_is_ready_and_says_epipe)
{
    run_on_each_count(select_closed_ones);
}

TEST(select_of_nothing_is_refused)
{
    thrum_case one = THRUM_DEFAULT;
    CHECK_EQ(thrum_select(&one, 0), -EINVAL);
    CHECK_EQ(thrum_select(&one, 65001), -EINVAL);
    CHECK_EQ(thrum_select(&one, 1), 0);
}

/* ---- Time ---- */

static int let_time_pass(void *arg)
{
    int number = 5;
    (void)arg;
    thrum_chan *chan = make(0);
    thrum_time start = thrum_now();
    thrum_case cases[] = {THRUM_RECEIVE(chan, &number), THRUM_AFTER(THRUM_SEC(100)), THRUM_AT(start + THRUM_MS(3)),
                          THRUM_AFTER(THRUM_FOREVER)};
    CHECK_EQ(thrum_select(cases, 4), 2);
    CHECK_LE(start + THRUM_MS(3), thrum_now());
    CHECK_EQ(cases[2].result, 0);
    CHECK(!is_waited_for(chan));
    CHECK_EQ(thrum_select(cases, 4), 2); /* long past */
    cases[2] = THRUM_AFTER(THRUM_MS(1));
    for (int i = 0; i < 3; i++) {
        start = thrum_now();
        CHECK_EQ(thrum_select(cases, 4), 2);
        CHECK_LE(start + THRUM_MS(1), thrum_now());
    }
    cases[2] = THRUM_AFTER(-5);
    CHECK_EQ(thrum_select(cases, 4), 2);
    thrum_chan_destroy(chan);
    return 0;
}

TEST(time_passes_where_nothing_else_happens)
{
    run_on_each_count(let_time_pass);
    CHECK_EQ(let_time_pass(NULL), 0);
}

static int select_what_is_ready_late(void *arg)
{
    int number = 5;
    (void)arg;
    thrum_chan *chan = make(1);
    put(chan, 6);
    thrum_case cases[] = {THRUM_AT(0), THRUM_RECEIVE(chan, &number)};
    CHECK_EQ(thrum_select(cases, 2), 1);
    thrum_chan_destroy(chan);
    return 0;
}

TEST(time_that_has_come_waits_for_what_is_ready)
{
    run_on_each_count(select_what_is_ready_late);
}

/* ---- Waiting ---- */

static int send_to_the_fifth(void *arg)
{
    thrum_chan **chans = arg;
    wait_for_waiter(chans[5]);
    put(chans[5], 50);
    return 0;
}

static int wait_for_all(void *arg)
{
    thrum_chan *chans[CHANNELS];
    thrum_case cases[2 * CHANNELS];
    thrum_group group = THRUM_GROUP_INIT;
    int numbers[CHANNELS] = {0}, mine = 9;
    (void)arg;
    make_all(chans, 0);
    for (int i = 0; i < CHANNELS; i++) {
        cases[2 * i] = THRUM_RECEIVE(chans[i], &numbers[i]);
        cases[2 * i + 1] = THRUM_SEND(chans[i], &mine); /* of itself it never meets */
    }
    cases[0] = THRUM_RECEIVE(NULL, &mine);
    cases[1] = THRUM_JOINED(NULL);
    CHECK_EQ(thrum_spawn(&group, send_to_the_fifth, chans), 0);
    CHECK_EQ(thrum_select(cases, 2 * CHANNELS), 10);
    CHECK_EQ(cases[10].result, 0);
    for (int i = 0; i < CHANNELS; i++) {
        CHECK_EQ(numbers[i], i == 5 ? 50 : 0);
        CHECK(!is_waited_for(chans[i]));
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    destroy_all(chans);
    return 0;
}

TEST(select_waits_for_all_and_takes_back_the_rest)
{
    run_on_each_count(wait_for_all);
}

static int close_the_fifth(void *arg)
{
    thrum_chan **chans = arg;
    wait_for_waiter(chans[5]);
    thrum_chan_close(chans[5]);
    return 0;
}

static int wait_for_a_close(void *arg)
{
    thrum_chan *chans[CHANNELS];
    thrum_case cases[CHANNELS];
    thrum_group group = THRUM_GROUP_INIT;
    int number = 9;
    (void)arg;
    make_all(chans, 0);
    for (int i = 0; i < CHANNELS; i++)
        cases[i] = i % 2 ? THRUM_RECEIVE(chans[i], &number) : THRUM_SEND(chans[i], &number);
    CHECK_EQ(thrum_spawn(&group, close_the_fifth, chans), 0);
    CHECK_EQ(thrum_select(cases, CHANNELS), 5);
    CHECK_EQ(cases[5].result, -EPIPE);
    CHECK_EQ(number, 9);
    CHECK_EQ(thrum_group_wait(&group), 0);
    destroy_all(chans);
    return 0;
}

TEST(select_is_woken_by_a_close)
{
    run_on_each_count(wait_for_a_close);
}

static int receive_twice_at_one(void *arg)
{
    int first = 0, second = 0;
    (void)arg;
    thrum_chan *chan = make(0), *chans[CHANNELS] = {[5] = chan};
    thrum_case cases[] = {THRUM_RECEIVE(chan, &first), THRUM_RECEIVE(chan, &second)};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, send_to_the_fifth, chans), 0);
    int which = thrum_select(cases, 2);
    CHECK_LE(0, which);
    CHECK_EQ(first, which == 0 ? 50 : 0);
    CHECK_EQ(second, which == 1 ? 50 : 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK(!is_waited_for(chan));
    thrum_chan_destroy(chan);
    return 0;
}

TEST(channel_may_stand_in_two_cases)
{
    run_on_each_count(receive_twice_at_one);
}

/* ---- Tasks that end ---- */

static int select_tasks(void *arg)
{
    thrum_task *tasks[2];
    thrum_case cases[3];
    int number = 0, result = 0;
    th_atomic32 may_end = TH_ATOMIC_INIT(0);
    (void)arg;
    thrum_chan *chan = make(1);
    CHECK_EQ(thrum_task_start(&tasks[0], NULL, NULL, wait_for_my_flag, &may_end), 0);
    CHECK_EQ(thrum_task_start(&tasks[1], NULL, NULL, return_value, (void *)(intptr_t)-EIO), 0);
    cases[0] = THRUM_JOINED(tasks[0]);
    cases[1] = THRUM_JOINED(tasks[1]);
    cases[2] = THRUM_RECEIVE(chan, &number);
    CHECK_EQ(thrum_select(cases, 3), 1);
    CHECK_EQ(cases[1].result, -EIO);
    CHECK(thrum_task_is_done(tasks[1]));
    CHECK_EQ(thrum_select(cases, 3), 1); /* still */
    cases[1] = THRUM_JOINED(NULL);
    put(chan, 4);
    CHECK_EQ(thrum_select(cases, 3), 2);
    flag_set(&may_end);
    CHECK_EQ(thrum_select(cases, 3), 0);
    CHECK_EQ(cases[0].result, 0);
    CHECK_EQ(thrum_join(tasks[0], NULL), 0);
    CHECK_EQ(thrum_join(tasks[1], &result), 0);
    CHECK_EQ(result, -EIO);
    thrum_chan_destroy(chan);
    return 0;
}

TEST(task_that_ends_is_a_case_and_its_handle_stays)
{
    run_on_each_count(select_tasks);
}

struct short_wait {
    thrum_task *task;
    th_atomic32 may_end;
};

static int wait_shortly(void *arg)
{
    struct short_wait *wait = arg;
    thrum_case cases[] = {THRUM_JOINED(wait->task), THRUM_AFTER(THRUM_US(10))};
    for (int i = 0; i < fewer(200, 20); i++)
        CHECK_LE(0, thrum_select(cases, 2));
    return 0;
}

/* Nodes go in and out of one done list while the task ends. */
static int leave_done_lists(void *arg)
{
    (void)arg;
    for (int round = 0; round < fewer(10, 2); round++) {
        struct short_wait wait = {.task = NULL};
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(thrum_task_start(&wait.task, NULL, NULL, wait_for_my_flag, &wait.may_end), 0);
        for (int i = 0; i < 5; i++)
            CHECK_EQ(thrum_spawn(&group, wait_shortly, &wait), 0);
        for (int i = 0; i < round; i++)
            CHECK_EQ(thrum_sleep(THRUM_US(50)), 0);
        flag_set(&wait.may_end);
        CHECK_EQ(thrum_group_wait(&group), 0);
        CHECK_EQ(thrum_join(wait.task, NULL), 0);
    }
    return 0;
}

TEST(selects_come_and_go_at_a_task_that_ends)
{
    run_on_each_count(leave_done_lists);
}

/* ---- Events ---- */

static int set_my_event(void *arg)
{
    thrum_yield();
    thrum_event_set(arg);
    return 0;
}

static int select_events(void *arg)
{
    (void)arg;
    for (int i = 0; i < fewer(200, 20); i++) {
        int number = 0;
        thrum_chan *chan = make(0);
        thrum_event events[2] = {THRUM_EVENT_INIT, THRUM_EVENT_INIT};
        thrum_case cases[] = {THRUM_EVENT(&events[0]), THRUM_RECEIVE(chan, &number), THRUM_EVENT(&events[1]),
                              THRUM_EVENT(NULL)};
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(thrum_spawn(&group, set_my_event, &events[1]), 0);
        CHECK_EQ(thrum_select(cases, 4), 2);
        CHECK_EQ(cases[2].result, 0);
        CHECK_EQ(thrum_select(cases, 4), 2); /* it stays set */
        CHECK_EQ(thrum_group_wait(&group), 0);
        cases[2] = THRUM_DEFAULT;
        CHECK_EQ(thrum_select(cases, 4), 2);
        thrum_event_set(&events[0]);
        CHECK_EQ(thrum_select(cases, 4), 0);
        thrum_chan_destroy(chan);
    }
    return 0;
}

TEST(event_that_is_set_is_a_case)
{
    run_on_each_count(select_events);
}

static void *thread_sets(void *arg)
{
    CHECK_EQ(set_my_event(arg), 0);
    return NULL;
}

TEST(thread_selects_an_event)
{
    for (int i = 0; i < fewer(200, 20); i++) {
        thrum_event events[2] = {THRUM_EVENT_INIT, THRUM_EVENT_INIT};
        thrum_case cases[] = {THRUM_EVENT(&events[0]), THRUM_EVENT(&events[1])};
        pthread_t thread = start_thread(thread_sets, &events[i % 2]);
        CHECK_EQ(thrum_select(cases, 2), i % 2);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

/* ---- Threads ---- */

static void *thread_selects(void *arg)
{
    thrum_chan **chans = arg;
    int number, open = 2;
    thrum_case cases[] = {THRUM_RECEIVE(chans[0], &number), THRUM_RECEIVE(chans[1], &number)};
    while (open > 0) {
        int which = thrum_select(cases, 2);
        CHECK_LE(0, which);
        if (cases[which].result == 0) {
            put(chans[2], number + which);
        } else {
            cases[which] = THRUM_RECEIVE(NULL, NULL);
            open--;
        }
    }
    return NULL;
}

static int talk_to_selecting_thread(void *arg)
{
    thrum_chan **chans = arg;
    for (int i = 0; i < 200; i++) {
        put(chans[i % 2], i);
        CHECK_EQ(get(chans[2]), i + i % 2);
    }
    thrum_chan_close(chans[0]);
    thrum_chan_close(chans[1]);
    return 0;
}

TEST(thread_selects_what_tasks_send)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        thrum_chan *chans[3] = {make(0), make(1), make(0)};
        pthread_t thread = start_thread(thread_selects, chans);
        run_on(workers, talk_to_selecting_thread, chans);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        for (int i = 0; i < 3; i++)
            thrum_chan_destroy(chans[i]);
    }
}

/* No time limits the wait: a sender that comes between the look and the wait must be found. */
static void *thread_sends_many(void *arg)
{
    for (int i = 0; i < fewer(20000, 1000); i++)
        put(arg, i);
    thrum_chan_close(arg);
    return NULL;
}

static int receive_all_by_select(void *arg)
{
    thrum_chan **chans = arg;
    int number, next[2] = {0, 0}, open = 2;
    thrum_case cases[] = {THRUM_RECEIVE(chans[0], &number), THRUM_RECEIVE(chans[1], &number)};
    while (open > 0) {
        int which = thrum_select(cases, 2);
        CHECK_LE(0, which);
        if (cases[which].result == 0) {
            CHECK_EQ(number, next[which]++);
        } else {
            cases[which] = THRUM_RECEIVE(NULL, NULL);
            open--;
        }
    }
    CHECK_EQ(next[0] + next[1], 2 * fewer(20000, 1000));
    return 0;
}

TEST(select_meets_who_comes_between_its_look_and_its_wait)
{
    for (size_t capacity = 0; capacity <= 1; capacity++) {
        thrum_chan *chans[2] = {make(capacity), make(capacity)};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            threads[i] = start_thread(thread_sends_many, chans[i]);
        run_on(2, receive_all_by_select, chans);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
            thrum_chan_destroy(chans[i]);
        }
    }
}

/* ---- Many that select at the same channels ---- */

enum { DANCERS = 16, PARTNERS = 5 };

struct dance {
    thrum_chan *floor[PARTNERS];
    uint64_t seed;
    int rounds;
    bool is_rendezvous;
    th_atomic32 next;
    th_atomic64 sent, received;
    th_atomic32 sent_count, received_count;
};

/* Every round each sends and receives wherever somebody is; the cases are shuffled, all others select too. The last to
 * leave would find nobody, so each waits a little and no longer. */
static void *take_part(struct dance *dance)
{
    struct th_random random;
    int me = (int)th_atomic32_add_relaxed(&dance->next, 1);
    th_random_init(&random, dance->seed + (uint64_t)me);
    for (int round = 0; round < dance->rounds; round++) {
        thrum_case cases[2 * PARTNERS + 1];
        int mine = me * 100000 + round, got = -1;
        for (int i = 0; i < 2 * PARTNERS; i++)
            cases[i] = i % 2 ? THRUM_SEND(dance->floor[i / 2], &mine) : THRUM_RECEIVE(dance->floor[i / 2], &got);
        for (uint32_t i = 2 * PARTNERS; i > 1; i--) {
            uint32_t at = th_random_below(&random, i);
            thrum_case kept = cases[at];
            cases[at] = cases[i - 1];
            cases[i - 1] = kept;
        }
        cases[2 * PARTNERS] = THRUM_AFTER(THRUM_US(200));
        int which = thrum_select(cases, 2 * PARTNERS + 1);
        CHECK_LE(0, which);
        bool has_received = cases[which].kind_ == THRUM_CASE_RECEIVE_;
        CHECK_EQ(has_received, got != -1);
        if (has_received) {
            CHECK(!dance->is_rendezvous || got / 100000 != me);
            (void)th_atomic64_add_relaxed(&dance->received, (uint64_t)got);
            count_up(&dance->received_count);
        } else if (cases[which].kind_ == THRUM_CASE_SEND_) {
            (void)th_atomic64_add_relaxed(&dance->sent, (uint64_t)mine);
            count_up(&dance->sent_count);
        }
    }
    return NULL;
}

static int task_dances(void *arg)
{
    (void)take_part(arg);
    return 0;
}

static void *thread_dances(void *arg)
{
    return take_part(arg);
}

static int hold_dance(void *arg)
{
    struct dance *dance = arg;
    thrum_group group = THRUM_GROUP_INIT;
    pthread_t threads[2] = {start_thread(thread_dances, dance), start_thread(thread_dances, dance)};
    for (int i = 2; i < DANCERS; i++)
        CHECK_EQ(thrum_spawn(&group, task_dances, dance), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    return 0;
}

TEST(many_selects_meet_in_pairs_and_lose_nothing)
{
    uint64_t seed = kit_seed();
    FOR_EACH_WORKER_COUNT(workers)
    {
        for (size_t capacity = 0; capacity <= 1; capacity++) {
            struct dance dance = {.seed = seed += 100, .rounds = fewer(500, 50), .is_rendezvous = capacity == 0};
            int item;
            for (size_t i = 0; i < PARTNERS; i++)
                dance.floor[i] = make(capacity * (i % 2));
            run_on(workers, hold_dance, &dance);
            for (int i = 0; i < PARTNERS; i++) {
                CHECK(!is_waited_for(dance.floor[i]));
                while (thrum_chan_try_receive(dance.floor[i], &item) == 0) {
                    (void)th_atomic64_add_relaxed(&dance.received, (uint64_t)item);
                    count_up(&dance.received_count);
                }
                thrum_chan_destroy(dance.floor[i]);
            }
            CHECK_LT(0, count_of(&dance.sent_count));
            CHECK_EQ(count_of(&dance.sent_count), count_of(&dance.received_count));
            CHECK_EQ(th_atomic64_load_relaxed(&dance.sent), th_atomic64_load_relaxed(&dance.received));
        }
    }
}
