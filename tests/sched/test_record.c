#include "base/fault.h"
#include "base/random.h"
#include "kit/kit.h"
#include "sched/record.h"

#include <stdlib.h>
#include <string.h>

/* More than a chunk's. */
enum { COUNT = 1500 };

static struct th_records records;
static void *held[COUNT];

static void check_balanced(struct th_record_cache *cache)
{
    if (cache != NULL)
        th_record_cache_flush(cache, &records);
    CHECK_EQ(th_records_in_use(&records), 0);
    th_records_fini(&records);
}

/* One place of a chunk is its header. */
enum { CHUNK_RECORDS = (64 << 10) / TH_RECORD_BYTES - 1 };

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

static void check_distinct(void **some, size_t count)
{
    qsort(some, count, sizeof *some, compare_pointers);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ((uintptr_t)some[i] % TH_CACHE_LINE, 0);
        CHECK(i == 0 || (char *)some[i] - (char *)some[i - 1] >= TH_RECORD_BYTES);
    }
}

TEST(records_are_distinct_and_all_come_back)
{
    struct th_record_cache cache = {0};
    th_records_init(&records);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            CHECK((held[i] = th_record_take(&cache, &records)) != NULL);
            memset(held[i], 0xa5, TH_RECORD_BYTES);
        }
        check_distinct(held, COUNT);
        CHECK_GE(th_records_in_use(&records), COUNT);
        for (int i = 0; i < COUNT; i++)
            th_record_give(&cache, &records, held[i]);
        /* All but two batches have gone to the pool. */
        CHECK_LT(th_records_in_use(&records), 2 * TH_RECORD_BATCH);
    }
    CHECK_EQ(records.chunk_count, COUNT / CHUNK_RECORDS + 1); /* what came back was taken again */
    check_balanced(&cache);
}

TEST(the_hottest_record_is_taken_first)
{
    struct th_record_cache cache = {0};
    void *some[100];
    th_records_init(&records);
    for (int i = 0; i < 100; i++)
        some[i] = th_record_take(&cache, &records);
    for (int i = 0; i < 100; i++)
        th_record_give(&cache, &records, some[i]);
    for (int i = 100; i-- > 0;)
        CHECK_PTR_EQ(th_record_take(&cache, &records), some[i]);
    for (int i = 0; i < 100; i++)
        th_record_give(&cache, &records, some[i]);
    check_balanced(&cache);
}

TEST(a_cache_at_its_edge_does_not_go_to_the_pool_at_each_step)
{
    struct th_record_cache cache = {0};
    th_records_init(&records);
    for (int i = 0; i < COUNT; i++)
        held[i] = th_record_take(&cache, &records);
    for (int i = 0; i < COUNT; i++) {
        th_record_give(&cache, &records, held[i]);
        size_t batches = records.batch_count;
        for (int turn = 0; turn < 3; turn++) {
            void *record = th_record_take(&cache, &records);
            th_record_give(&cache, &records, record);
        }
        CHECK_EQ(records.batch_count, batches);
    }
    check_balanced(&cache);
}

/* So that the next chunks are not zero by chance. */
static void soil_memory(void)
{
    th_records_init(&records);
    for (int i = 0; i < COUNT; i++)
        memset(th_record_take_shared(&records), 0xff, TH_RECORD_BYTES);
    th_records_fini(&records);
}

TEST(a_record_is_zero_at_first_and_keeps_all_but_its_link_while_it_is_free)
{
    static const char zeroes[TH_RECORD_BYTES];
    struct th_record_cache cache = {0};
    soil_memory();
    th_records_init(&records);
    for (int i = 0; i < COUNT; i++) {
        held[i] = i % 2 == 0 ? th_record_take(&cache, &records) : th_record_take_shared(&records);
        CHECK_EQ(memcmp((char *)held[i] + 8, zeroes + 8, TH_RECORD_BYTES - 8), 0);
        memset(held[i], i, TH_RECORD_BYTES);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 3 == 0)
            th_record_give_shared(&records, held[i]);
        else
            th_record_give(&cache, &records, held[i]);
    }
    th_record_cache_flush(&cache, &records);
    for (int i = 0; i < COUNT; i++) {
        for (int at = 8; at < TH_RECORD_BYTES; at++)
            CHECK_EQ(((unsigned char *)held[i])[at], i % 256);
    }
    check_balanced(NULL);
}

TEST(records_given_elsewhere_are_taken_again_before_fresh_memory)
{
    struct th_record_cache taker = {0}, giver = {0};
    th_records_init(&records);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 300; i++)
            held[i] = th_record_take(&taker, &records);
        for (int i = 0; i < 300; i++)
            th_record_give(&giver, &records, held[i]);
    }
    /* 300 of the round, and what two caches hold back. */
    CHECK_LE(records.carved, 300 + 4 * TH_RECORD_BATCH);
    th_record_cache_flush(&giver, &records);
    check_balanced(&taker);
}

TEST(foreign_threads_take_and_give_one_by_one)
{
    th_records_init(&records);
    for (int i = 0; i < COUNT; i++)
        CHECK((held[i] = th_record_take_shared(&records)) != NULL);
    CHECK_EQ(th_records_in_use(&records), COUNT);
    check_distinct(held, COUNT);
    for (int i = 0; i < COUNT; i++)
        th_record_give_shared(&records, held[i]);
    CHECK_EQ(th_records_in_use(&records), 0);
    CHECK_PTR_EQ(th_record_take_shared(&records), held[COUNT - 1]);
    th_record_give_shared(&records, held[COUNT - 1]);
    check_balanced(NULL);
}

TEST(any_allocation_of_records_may_fail)
{
    for (int k = 1; k <= 6; k++) {
        struct th_record_cache cache = {0};
        char plan[32];
        int refused = 0;
        snprintf(plan, sizeof plan, "alloc:%d:ENOMEM", k);
        th_records_init(&records);
        CHECK_EQ(th_fault_plan(plan), 0);
        for (int i = 0; i < COUNT;) {
            held[i] = i % 5 != 0 ? th_record_take(&cache, &records) : th_record_take_shared(&records);
            refused += held[i] == NULL;
            i += held[i] != NULL;
        }
        CHECK_EQ(th_fault_plan(NULL), 0);
        CHECK_EQ(refused, k <= (int)records.chunk_count + 1); /* the chunks and the list of batches */
        check_distinct(held, COUNT);
        for (int i = 0; i < COUNT; i++)
            th_record_give(&cache, &records, held[i]);
        check_balanced(&cache);
    }
}

TEST(without_memory_what_is_free_is_still_handed_out)
{
    struct th_record_cache cache = {0}, other = {0};
    th_records_init(&records);
    for (int i = 0; i < 70; i++)
        held[i] = th_record_take(&cache, &records);
    for (int i = 0; i < 70; i++)
        th_record_give_shared(&records, held[i]);
    CHECK_EQ(th_fault_plan("alloc:*:ENOMEM"), 0);
    size_t count = 0;
    while (th_record_take(&other, &records) != NULL)
        count++;
    /* The chunk's all, but for what the first cache has. */
    CHECK_EQ(count, CHUNK_RECORDS - (2 * TH_RECORD_BATCH - 70));
    CHECK_PTR_EQ(th_record_take(&other, &records), NULL);
    CHECK_PTR_EQ(th_record_take_shared(&records), NULL);
    CHECK_EQ(th_fault_plan(NULL), 0);
    th_records_fini(&records);
}

TEST(the_list_of_batches_grows)
{
    enum { MANY = 20000 };
    struct th_record_cache cache = {0};
    void **many = malloc(MANY * sizeof *many);
    th_records_init(&records);
    for (int i = 0; i < MANY; i++)
        many[i] = th_record_take(&cache, &records);
    check_distinct(many, MANY);
    for (int i = 0; i < MANY; i++)
        th_record_give_shared(&records, many[i]);
    CHECK_GE(records.batch_count, MANY / TH_RECORD_BATCH);
    check_balanced(&cache);
    free(many);
}

/* ---- Threads ---- */

enum { THREADS = 4, HELD_MOST = 400, MAILBOXES = 64 };

static th_atomicptr mailboxes[MAILBOXES];

struct marked {
    void *link;
    th_atomic32 holder; /* what a stale reader looks at */
};

static void mark(struct marked *record, uint32_t holder)
{
    CHECK_EQ(th_atomic32_exchange_relaxed(&record->holder, holder), 0);
}

static void unmark(struct marked *record, uint32_t holder)
{
    CHECK_EQ(th_atomic32_exchange_relaxed(&record->holder, 0), holder);
}

/* Leaves a record for any other thread to give back, and gives one back that another left. */
static void exchange_mail(struct th_record_cache *cache, struct th_random *random, void *record)
{
    th_atomicptr *box = &mailboxes[th_random_below(random, MAILBOXES)];
    void *found = th_atomicptr_exchange_acqrel(box, record);
    if (found == NULL)
        return;
    if (th_random_below(random, 8) == 0)
        th_record_give_shared(&records, found);
    else
        th_record_give(cache, &records, found);
}

static void *take_and_give(void *arg)
{
    uint32_t self = (uint32_t)(uintptr_t)arg, count = 0;
    struct th_random random;
    th_random_init(&random, kit_seed() + self);
    struct th_record_cache cache = {0};
    struct marked *mine[HELD_MOST];
    for (int turn = 0; turn < (kit_is_slow() ? 20000 : 500000); turn++) {
        uint32_t choice = th_random_below(&random, 100);
        if (count < HELD_MOST && (count == 0 || choice < 50)) {
            mine[count] = choice < 5 ? th_record_take_shared(&records) : th_record_take(&cache, &records);
            CHECK(mine[count] != NULL);
            mark(mine[count++], self);
            continue;
        }
        uint32_t pick = th_random_below(&random, count);
        struct marked *record = mine[pick];
        mine[pick] = mine[--count];
        unmark(record, self);
        if (choice < 70)
            exchange_mail(&cache, &random, record);
        else
            th_record_give(&cache, &records, record);
        /* A stale look: whatever it says, it is a record's. */
        CHECK_LE(th_atomic32_load_relaxed(&record->holder), THREADS);
    }
    while (count > 0) {
        unmark(mine[--count], self);
        th_record_give(&cache, &records, mine[count]);
    }
    th_record_cache_flush(&cache, &records);
    return NULL;
}

TEST(threads_never_share_a_record)
{
    pthread_t threads[THREADS];
    th_records_init(&records);
    (void)kit_seed();
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(th_sys_thread_start(&threads[i], 0, take_and_give, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(th_sys_thread_join(threads[i]), 0);
    for (int i = 0; i < MAILBOXES; i++) {
        void *left = th_atomicptr_exchange_acqrel(&mailboxes[i], NULL);
        if (left != NULL)
            th_record_give_shared(&records, left);
    }
    check_balanced(NULL);
}
