#include "base/atomic.h"
#include "kit/kit.h"

#include <pthread.h>

TEST(operations_return_the_value_before)
{
    th_atomic32 word = TH_ATOMIC_INIT(5);
    CHECK_EQ(th_atomic32_add_acqrel(&word, 3), 5);
    CHECK_EQ(th_atomic32_sub_relaxed(&word, 1), 8);
    CHECK_EQ(th_atomic32_or_release(&word, 8), 7);
    CHECK_EQ(th_atomic32_and_acquire(&word, 9), 15);
    CHECK_EQ(th_atomic32_exchange_seqcst(&word, 1), 9);
    CHECK_EQ(th_atomic32_load_acquire(&word), 1);
}

TEST(a_failed_cas_says_what_was_there)
{
    th_atomic64 word = TH_ATOMIC_INIT(10);
    uint64_t seen = 9;
    CHECK(!th_atomic64_cas_acqrel(&word, &seen, 11));
    CHECK_EQ(seen, 10);
    CHECK(th_atomic64_cas_acqrel(&word, &seen, 11));
    CHECK_EQ(th_atomic64_load_relaxed(&word), 11);
}

static th_atomic64 total;
static th_atomicptr last;

static void *add_many(void *arg)
{
    for (int i = 0; i < 100000; i++)
        th_atomic64_add_relaxed(&total, 1);
    th_atomicptr_store_release(&last, arg);
    return NULL;
}

TEST(concurrent_adds_are_all_counted)
{
    pthread_t threads[4];
    for (size_t i = 0; i < TH_COUNT_OF(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, add_many, &total), 0);
    for (size_t i = 0; i < TH_COUNT_OF(threads); i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(th_atomic64_load_relaxed(&total), 400000);
    CHECK_PTR_NE(th_atomicptr_load_acquire(&last), NULL);
}
