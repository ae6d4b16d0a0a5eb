#include "base/fault.h"
#include "base/random.h"
#include "kit/kit.h"
#include "sched/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct th_timers timers;

static void check_drained(void)
{
    struct th_timer_due due;
    CHECK_EQ(timers.count, 0);
    CHECK_EQ(th_timers_next(&timers), INT64_MAX);
    CHECK_EQ(th_timers_due(&timers, INT64_MAX, &due, 1), 0);
    th_timers_fini(&timers);
}

TEST(a_timer_fires_once_at_its_deadline_never_before)
{
    struct th_timer timer;
    struct th_timer_due due[2];
    int owner;
    th_timers_init(&timers);
    CHECK_EQ(th_timer_arm(&timers, &timer, 100, &owner, 7), 0);
    CHECK_EQ(th_timers_next(&timers), 100);
    CHECK_EQ(th_timers_due(&timers, 99, due, 2), 0);
    CHECK_EQ(th_timers_due(&timers, 100, due, 2), 1);
    CHECK_PTR_EQ(due[0].owner, &owner);
    CHECK_EQ(due[0].epoch, 7);
    CHECK_EQ(th_timers_due(&timers, INT64_MAX, due, 2), 0);
    CHECK(!th_timer_disarm(&timer));
    check_drained();
}

TEST(a_disarmed_timer_never_fires)
{
    struct th_timer timer;
    struct th_timer_due due;
    th_timers_init(&timers);
    CHECK_EQ(th_timer_arm(&timers, &timer, 100, NULL, 0), 0);
    CHECK(th_timer_disarm(&timer));
    CHECK_EQ(th_timers_next(&timers), INT64_MAX);
    CHECK_EQ(th_timers_due(&timers, INT64_MAX, &due, 1), 0);
    CHECK(!th_timer_disarm(&timer));
    check_drained();
}

TEST(a_timer_of_zeroes_is_not_armed)
{
    struct th_timer timer = {0};
    CHECK(!th_timer_disarm(&timer));
}

TEST(deadlines_may_lie_at_both_ends_of_time)
{
    static const int64_t deadlines[] = {INT64_MAX, -1, INT64_MIN, 0, INT64_MAX - 1, 1};
    struct th_timer some[TH_COUNT_OF(deadlines)];
    struct th_timer_due due[TH_COUNT_OF(deadlines)];
    th_timers_init(&timers);
    for (size_t i = 0; i < TH_COUNT_OF(deadlines); i++)
        CHECK_EQ(th_timer_arm(&timers, &some[i], deadlines[i], NULL, (uint32_t)i), 0);
    CHECK_EQ(th_timers_next(&timers), INT64_MIN);
    CHECK_EQ(th_timers_due(&timers, 0, due, 6), 3);
    CHECK_EQ(due[0].epoch, 2);
    CHECK_EQ(due[1].epoch, 1);
    CHECK_EQ(due[2].epoch, 3);
    /* Whose deadline is the end of time sleeps till then. */
    CHECK_EQ(th_timers_due(&timers, INT64_MAX - 1, due, 6), 2);
    CHECK_EQ(th_timers_next(&timers), INT64_MAX);
    CHECK(th_timer_disarm(&some[0]));
    check_drained();
}

static void arm_equal_and_fire(uint32_t first_sequence, uint32_t count, size_t batch)
{
    static struct th_timer some[1000];
    struct th_timer_due due[64];
    th_timers_init(&timers);
    timers.sequence = first_sequence;
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQ(th_timer_arm(&timers, &some[i], 5 + i / 300, NULL, i), 0);
    uint32_t expected = 0;
    size_t got;
    while ((got = th_timers_due(&timers, 1000, due, batch)) > 0) {
        for (size_t i = 0; i < got; i++)
            CHECK_EQ(due[i].epoch, expected++);
    }
    CHECK_EQ(expected, count);
    check_drained();
}

TEST(equal_deadlines_fire_in_order_of_arming)
{
    arm_equal_and_fire(0, 1000, 64);
    arm_equal_and_fire(0, 1000, 1);
    arm_equal_and_fire(0, 999, 7);
}

TEST(the_order_of_arming_survives_the_wrap_of_its_number)
{
    arm_equal_and_fire(UINT32_MAX - 500, 1000, 13);
    arm_equal_and_fire((uint32_t)INT32_MAX - 500, 1000, 13);
}

TEST(due_returns_at_most_what_was_asked_for)
{
    struct th_timer some[10];
    struct th_timer_due due[10];
    th_timers_init(&timers);
    for (uint32_t i = 0; i < 10; i++)
        CHECK_EQ(th_timer_arm(&timers, &some[i], 10 - i, NULL, i), 0);
    CHECK_EQ(th_timers_due(&timers, 100, due, 0), 0);
    CHECK_EQ(th_timers_due(&timers, 100, due, 3), 3);
    CHECK_EQ(th_timers_next(&timers), 4);
    CHECK_EQ(th_timers_due(&timers, 5, due, 10), 2);
    CHECK_EQ(th_timers_due(&timers, 100, due, 10), 5);
    CHECK_EQ(due[4].epoch, 0);
    check_drained();
}

/* ---- Against a model ---- */

enum { MODEL_ITEMS = 2000 };

/* Items outlive their firing, as a stack does whose sleeper has been told but has not gone on. */
struct model_item {
    struct th_timer timer;
    int64_t deadline;
    uint64_t order;
    uint32_t epoch;
    bool is_armed;
    bool was_armed;
};

static struct model_item items[MODEL_ITEMS];
static uint64_t arming;

static struct model_item *model_first(void)
{
    struct model_item *first = NULL;
    for (size_t i = 0; i < MODEL_ITEMS; i++) {
        struct model_item *item = &items[i];
        if (item->is_armed && (first == NULL || item->deadline < first->deadline ||
                               (item->deadline == first->deadline && item->order < first->order)))
            first = item;
    }
    return first;
}

static void model_arm(struct model_item *item, int64_t deadline)
{
    item->deadline = deadline;
    item->order = arming++;
    item->epoch++;
    item->is_armed = item->was_armed = true;
    CHECK_EQ(th_timer_arm(&timers, &item->timer, deadline, item, item->epoch), 0);
}

static void model_fire(int64_t now, size_t most)
{
    struct th_timer_due due[16];
    size_t count = th_timers_due(&timers, now, due, most);
    CHECK_LE(count, most);
    for (size_t i = 0; i < count; i++) {
        struct model_item *first = model_first();
        CHECK_PTR_EQ(due[i].owner, first);
        CHECK_EQ(due[i].epoch, first->epoch);
        CHECK_LE(first->deadline, now);
        first->is_armed = false;
    }
    const struct model_item *left = model_first();
    CHECK(count == most || left == NULL || left->deadline > now);
    CHECK_EQ(th_timers_next(&timers), left != NULL ? left->deadline : INT64_MAX);
}

/* How probable arming is swings, so that the heap fills and empties, and its tables grow and shrink. */
static void model_turn(struct th_random *random, int turn, int64_t *now)
{
    struct model_item *item = &items[th_random_below(random, MODEL_ITEMS)];
    uint32_t choice = th_random_below(random, 100), arms = turn / 4000 % 2 == 0 ? 80 : 10;
    if (choice < arms) {
        if (!item->is_armed)
            model_arm(item, *now + th_random_below(random, 3000));
    } else if (choice < 95) {
        CHECK_EQ(th_timer_disarm(&item->timer), item->is_armed);
        item->is_armed = false;
    } else {
        *now += th_random_below(random, 20);
        model_fire(*now, th_random_below(random, 17));
    }
}

TEST(random_armings_and_firings_agree_with_a_sorted_list)
{
    struct th_random random;
    th_random_init(&random, kit_seed());
    th_timers_init(&timers);
    int64_t now = 0;
    uint32_t capacity_most = 0, shrinks = 0;
    for (int turn = 0; turn < (kit_is_slow() ? 16000 : 100000); turn++) {
        uint32_t capacity = timers.capacity;
        model_turn(&random, turn, &now);
        capacity_most = timers.capacity > capacity_most ? timers.capacity : capacity_most;
        shrinks += timers.capacity < capacity;
    }
    CHECK_GE(capacity_most, 1024);
    CHECK_GE(shrinks, 1);
    while (model_first() != NULL)
        model_fire(INT64_MAX, 16);
    for (size_t i = 0; i < MODEL_ITEMS; i++)
        CHECK(!th_timer_disarm(&items[i].timer));
    check_drained();
}

/* ---- Size ---- */

TEST(a_million_timers_fire_in_order_and_leave_little_behind)
{
    uint32_t count = kit_is_slow() ? 100000 : 1000000;
    struct th_timer *many = malloc(count * sizeof *many);
    int64_t *deadlines = malloc(count * sizeof *deadlines);
    struct th_random random;
    th_random_init(&random, kit_seed());
    th_timers_init(&timers);
    for (uint32_t i = 0; i < count; i++) {
        deadlines[i] = (int64_t)(th_random_next(&random) >> 20);
        CHECK_EQ(th_timer_arm(&timers, &many[i], deadlines[i], &deadlines[i], i), 0);
    }
    CHECK_LE(timers.capacity, 2 * count);
    struct th_timer_due due[100];
    uint32_t fired = 0;
    int64_t before = INT64_MIN;
    for (size_t got; (got = th_timers_due(&timers, INT64_MAX, due, TH_COUNT_OF(due))) > 0; fired += (uint32_t)got) {
        for (size_t i = 0; i < got; i++) {
            int64_t deadline = *(int64_t *)due[i].owner;
            CHECK_PTR_EQ(due[i].owner, &deadlines[due[i].epoch]);
            CHECK_LE(before, deadline);
            before = deadline;
            *(int64_t *)due[i].owner = INT64_MIN; /* a second time would be out of order */
        }
    }
    CHECK_EQ(fired, count);
    CHECK_LE(timers.capacity, 1024);
    check_drained();
    free(deadlines);
    free(many);
}

TEST(shrinking_moves_the_slots_of_those_that_stay)
{
    enum { COUNT = 4096, KEPT = 16 };
    static struct th_timer some[COUNT];
    struct th_timer_due due[KEPT];
    th_timers_init(&timers);
    for (uint32_t i = 0; i < COUNT; i++)
        CHECK_EQ(th_timer_arm(&timers, &some[i], i, &some[i], i), 0);
    /* The last ones stay: their slots are the highest. */
    for (uint32_t i = 0; i < COUNT - KEPT; i++)
        CHECK(th_timer_disarm(&some[(i * 2731) % (COUNT - KEPT)]));
    CHECK_LE(timers.capacity, 256);
    for (uint32_t i = 0; i < COUNT - KEPT; i++)
        CHECK(!th_timer_disarm(&some[i]));
    CHECK(th_timer_disarm(&some[COUNT - 1]));
    CHECK_EQ(th_timers_due(&timers, COUNT, due, KEPT), KEPT - 1);
    for (uint32_t i = 0; i < KEPT - 1; i++)
        CHECK_EQ(due[i].epoch, COUNT - KEPT + i);
    check_drained();
}

TEST(a_timer_that_fired_is_not_taken_for_the_next_one_in_its_slot)
{
    struct th_timer old, young;
    struct th_timer_due due;
    th_timers_init(&timers);
    CHECK_EQ(th_timer_arm(&timers, &old, 1, NULL, 0), 0);
    CHECK_EQ(th_timers_due(&timers, 1, &due, 1), 1);
    CHECK_EQ(th_timer_arm(&timers, &young, 1, NULL, 0), 0);
    CHECK_EQ(old.slot, young.slot);
    CHECK(!th_timer_disarm(&old));
    CHECK_EQ(th_timers_next(&timers), 1);
    CHECK(th_timer_disarm(&young));
    check_drained();
}

TEST(memory_of_a_timer_is_not_touched_once_it_was_due)
{
    enum { COUNT = 1000 };
    struct th_timer *some[COUNT];
    struct th_timer_due due;
    th_timers_init(&timers);
    for (uint32_t i = 0; i < COUNT; i++) {
        some[i] = malloc(sizeof *some[i]);
        CHECK_EQ(th_timer_arm(&timers, some[i], (i * 7) % COUNT, some[i], 0), 0);
    }
    /* The shrinking on the way writes to those that are left; ASan and Valgrind look. */
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ(th_timers_due(&timers, INT64_MAX, &due, 1), 1);
        free(due.owner);
    }
    check_drained();
}

/* ---- Without memory ---- */

/* Arms `count`, trying again where it is refused; returns how often it was. */
static int arm_despite_faults(struct th_timer *some, uint32_t count)
{
    int refused = 0;
    for (uint32_t i = 0; i < count; i++) {
        int code;
        while ((code = th_timer_arm(&timers, &some[i], (int64_t)(count - i), &some[i], i)) == -ENOMEM) {
            CHECK(!th_timer_disarm(&some[i]));
            CHECK_EQ(timers.count, i);
            refused++;
        }
        CHECK_EQ(code, 0);
        CHECK_EQ(th_timers_next(&timers), count - i);
    }
    return refused;
}

TEST(any_allocation_may_fail)
{
    enum { COUNT = 1000, ALLOCATIONS = 12 };
    static struct th_timer some[COUNT];
    struct th_timer_due due;
    for (int k = 1; k <= ALLOCATIONS; k++) {
        char plan[32];
        snprintf(plan, sizeof plan, "alloc:%d:ENOMEM", k);
        th_timers_init(&timers);
        CHECK_EQ(th_fault_plan(plan), 0);
        /* 64, 128 .. 1024: five growings, the later allocations are shrinkings, which are not missed. */
        CHECK_EQ(arm_despite_faults(some, COUNT), k <= 5);
        for (uint32_t i = COUNT; i-- > 0;) {
            CHECK_EQ(th_timers_due(&timers, INT64_MAX, &due, 1), 1);
            CHECK_EQ(due.epoch, i);
        }
        CHECK_EQ(th_fault_plan(NULL), 0);
        check_drained();
    }
}

TEST(without_any_memory_nothing_is_armed_and_what_is_armed_fires)
{
    enum { COUNT = 512 };
    static struct th_timer some[COUNT], one_more;
    struct th_timer_due due;
    th_timers_init(&timers);
    CHECK_EQ(th_fault_plan("alloc:*:ENOMEM"), 0);
    memset(&some[0], 0xff, sizeof some[0]); /* as a stack is */
    CHECK_EQ(th_timer_arm(&timers, &some[0], 1, NULL, 0), -ENOMEM);
    CHECK(!th_timer_disarm(&some[0]));
    CHECK_EQ(th_timers_next(&timers), INT64_MAX);
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(arm_despite_faults(some, COUNT), 0);
    CHECK_EQ(th_fault_plan("alloc:*:ENOMEM"), 0);
    CHECK_EQ(th_timer_arm(&timers, &one_more, 1, NULL, 0), -ENOMEM);
    for (uint32_t i = COUNT; i-- > 0;)
        CHECK_EQ(th_timers_due(&timers, INT64_MAX, &due, 1), 1);
    CHECK_EQ(timers.capacity, COUNT);
    CHECK_EQ(th_fault_plan(NULL), 0);
    check_drained();
}

/* ---- Threads ---- */

enum { THREADS = 4, OWNED = 200 };

struct shared_item {
    struct th_timer timer;
    th_atomic32 fired_epoch; /* the epoch of the firing that came last */
    uint32_t epoch;          /* its owner's: of the latest arming; even when it was settled, odd while it is armed */
};

static struct shared_item shared[THREADS][OWNED];
static th_atomic64 shared_clock, armed_total, disarmed_total, fired_total;

static void fire_shared(struct th_random *random)
{
    struct th_timer_due due[8];
    int64_t now = (int64_t)th_atomic64_add_relaxed(&shared_clock, th_random_below(random, 30));
    size_t count = th_timers_due(&timers, now, due, 1 + th_random_below(random, 8));
    for (size_t i = 0; i < count; i++) {
        struct shared_item *item = due[i].owner;
        /* Once for each arming: it was another epoch before. */
        CHECK_NE(th_atomic32_exchange_acqrel(&item->fired_epoch, due[i].epoch), due[i].epoch);
        th_atomic64_add_relaxed(&fired_total, 1);
    }
}

/* Its owner's: after this the timer has fired or never will. */
static void settle(struct shared_item *item)
{
    if (th_timer_disarm(&item->timer)) {
        CHECK_NE(th_atomic32_load_acquire(&item->fired_epoch), item->epoch);
        th_atomic64_add_relaxed(&disarmed_total, 1);
    } else {
        /* Whoever fired it has taken it from the heap and is about to say so. */
        while (th_atomic32_load_acquire(&item->fired_epoch) != item->epoch)
            th_sys_thread_yield();
    }
    item->epoch++;
}

static void arm_shared(struct shared_item *item, struct th_random *random)
{
    item->epoch++;
    int64_t deadline = (int64_t)th_atomic64_load_relaxed(&shared_clock) + th_random_below(random, 2000);
    CHECK_EQ(th_timer_arm(&timers, &item->timer, deadline, item, item->epoch), 0);
    th_atomic64_add_relaxed(&armed_total, 1);
}

static void *arm_disarm_and_fire(void *arg)
{
    struct shared_item *mine = arg;
    struct th_random random;
    th_random_init(&random, kit_seed() + (uintptr_t)arg);
    for (int turn = 0; turn < (kit_is_slow() ? 20000 : 200000); turn++) {
        struct shared_item *item = &mine[th_random_below(&random, OWNED)];
        if (th_random_below(&random, 4) == 0)
            fire_shared(&random);
        else if (item->epoch % 2 == 0)
            arm_shared(item, &random);
        else if (th_random_below(&random, 2) == 0)
            settle(item);
    }
    for (int i = 0; i < OWNED; i++) {
        if (mine[i].epoch % 2 != 0)
            settle(&mine[i]);
    }
    return NULL;
}

TEST(among_threads_a_timer_fires_exactly_once_or_is_disarmed)
{
    pthread_t threads[THREADS];
    th_timers_init(&timers);
    (void)kit_seed();
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(th_sys_thread_start(&threads[i], 0, arm_disarm_and_fire, shared[i]), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(th_sys_thread_join(threads[i]), 0);
    CHECK_EQ(th_atomic64_load_relaxed(&armed_total),
             th_atomic64_load_relaxed(&disarmed_total) + th_atomic64_load_relaxed(&fired_total));
    CHECK_GT(th_atomic64_load_relaxed(&fired_total), 0);
    CHECK_GT(th_atomic64_load_relaxed(&disarmed_total), 0);
    check_drained();
}

/* Sleepers whose timers' memory goes as soon as they are woken, which may be before arming has returned. */
static th_atomic64 alive;

static void *arm_and_forget(void *arg)
{
    struct th_timers *into = arg;
    for (uint32_t i = 0; i < (kit_is_slow() ? 5000u : 50000u); i++) {
        struct th_timer *timer = malloc(sizeof *timer);
        CHECK_EQ(th_timer_arm(into, timer, i % 50, timer, i), 0);
    }
    th_atomic64_sub_acqrel(&alive, 1);
    return NULL;
}

static void *fire_and_free(void *arg)
{
    struct th_timer_due due[32];
    for (;;) {
        bool was_last = th_atomic64_load_acquire(&alive) == 0;
        size_t count = th_timers_due(arg, 100, due, TH_COUNT_OF(due));
        for (size_t i = 0; i < count; i++)
            free(due[i].owner);
        if (count == 0 && was_last)
            return NULL;
    }
}

TEST(a_timer_may_be_gone_before_its_arming_has_returned)
{
    pthread_t threads[4];
    th_timers_init(&timers);
    th_atomic64_store_relaxed(&alive, 2);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(th_sys_thread_start(&threads[i], 0, i < 2 ? arm_and_forget : fire_and_free, &timers), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(th_sys_thread_join(threads[i]), 0);
    check_drained();
}
