#include "task/harness.h"

enum { TASKS = 48 };

struct book {
    thrum_rwlock lock;
    uint64_t left, right; /* equal, except inside of a writer */
    th_atomic32 readers, most_readers, reads, writes;
};

static int read_it(void *arg)
{
    struct book *book = arg;
    for (int i = 0; i < fewer(300, 30); i++) {
        CHECK_EQ(thrum_rwlock_read_lock(&book->lock), 0);
        uint32_t now = th_atomic32_add_acqrel(&book->readers, 1) + 1;
        if (now > th_atomic32_load_relaxed(&book->most_readers))
            th_atomic32_store_relaxed(&book->most_readers, now);
        CHECK_EQ(book->left, book->right);
        if (i % 4 == 0)
            thrum_yield();
        CHECK_EQ(book->left, book->right);
        (void)th_atomic32_sub_acqrel(&book->readers, 1);
        thrum_rwlock_read_unlock(&book->lock);
        count_up(&book->reads);
    }
    return 0;
}

static int write_it(void *arg)
{
    struct book *book = arg;
    for (int i = 0; i < fewer(300, 30); i++) {
        CHECK_EQ(thrum_rwlock_write_lock(&book->lock), 0);
        CHECK_EQ(count_of(&book->readers), 0);
        book->left++;
        if (i % 4 == 0)
            thrum_yield();
        book->right++;
        CHECK_EQ(book->left, book->right);
        thrum_rwlock_write_unlock(&book->lock);
        count_up(&book->writes);
    }
    return 0;
}

static int read_and_write(void *arg)
{
    struct book *book = arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(thrum_spawn(&group, i % 6 == 5 ? write_it : read_it, book), 0);
    }
    return 0;
}

static void *read_in_thread(void *arg)
{
    (void)read_it(arg);
    return NULL;
}

static void *write_in_thread(void *arg)
{
    (void)write_it(arg);
    return NULL;
}

TEST(rwlock_has_many_readers_or_one_writer)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct book book = {.lock = THRUM_RWLOCK_INIT};
        pthread_t reader = start_thread(read_in_thread, &book), writer = start_thread(write_in_thread, &book);
        run_on(workers, read_and_write, &book);
        CHECK_EQ(pthread_join(reader, NULL), 0);
        CHECK_EQ(pthread_join(writer, NULL), 0);
        CHECK_GT(count_of(&book.most_readers), 1);
        CHECK_EQ(count_of(&book.reads) + count_of(&book.writes), (TASKS + 2) * (uint32_t)fewer(300, 30));
        CHECK_EQ(book.left, book.right);
        CHECK_EQ(book.left, count_of(&book.writes));
        CHECK_EQ(book.lock.word_, 0);
    }
}

/* ---- Phases ---- */

struct stage {
    thrum_rwlock lock;
    th_atomic32 is_over;
    char order[16];
    int said;
};

static int read_once(void *arg)
{
    struct stage *stage = arg;
    CHECK_EQ(thrum_rwlock_read_lock(&stage->lock), 0);
    stage->order[stage->said++] = 'r';
    thrum_rwlock_read_unlock(&stage->lock);
    return 0;
}

static int write_once(void *arg)
{
    struct stage *stage = arg;
    CHECK_EQ(thrum_rwlock_write_lock(&stage->lock), 0);
    stage->order[stage->said++] = 'w';
    thrum_rwlock_write_unlock(&stage->lock);
    return 0;
}

static int queue_behind_a_reader(void *arg)
{
    struct stage stage = {.lock = THRUM_RWLOCK_INIT};
    (void)arg;
    CHECK_EQ(thrum_rwlock_read_lock(&stage.lock), 0);
    THRUM_GROUP(group)
    {
        /* w r r w r: the writer before later readers, then all readers at once, then the next writer. */
        const thrum_fn order[] = {write_once, read_once, read_once, write_once, read_once};
        for (size_t i = 0; i < TH_COUNT_OF(order); i++) {
            CHECK_EQ(thrum_spawn(&group, order[i], &stage), 0);
            thrum_yield();
        }
        CHECK_EQ(stage.said, 0);
        CHECK_EQ(thrum_rwlock_try_read_lock(&stage.lock), -EBUSY);
        thrum_rwlock_read_unlock(&stage.lock);
    }
    CHECK_STR_EQ(stage.order, "wrrrw");
    return 0;
}

TEST(rwlock_phases_take_turns)
{
    run_on(1, queue_behind_a_reader, NULL);
}

static int read_until_over(void *arg)
{
    struct stage *stage = arg;
    while (!flag_is_set(&stage->is_over)) {
        CHECK_EQ(thrum_rwlock_read_lock(&stage->lock), 0);
        thrum_yield();
        thrum_rwlock_read_unlock(&stage->lock);
    }
    return 0;
}

static int write_and_end(void *arg)
{
    struct stage *stage = arg;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(thrum_rwlock_write_lock(&stage->lock), 0);
        thrum_rwlock_write_unlock(&stage->lock);
    }
    flag_set(&stage->is_over);
    return 0;
}

static int write_among_readers(void *arg)
{
    struct stage stage = {.lock = THRUM_RWLOCK_INIT};
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 63; i++)
            CHECK_EQ(thrum_spawn(&group, read_until_over, &stage), 0);
        CHECK_EQ(thrum_spawn(&group, write_and_end, &stage), 0);
    }
    return 0;
}

TEST(rwlock_writer_gets_in_among_readers_that_overlap_without_end)
{
    run_on_each_count(write_among_readers);
}

static int write_until_over(void *arg)
{
    struct stage *stage = arg;
    while (!flag_is_set(&stage->is_over)) {
        CHECK_EQ(thrum_rwlock_write_lock(&stage->lock), 0);
        thrum_yield();
        thrum_rwlock_write_unlock(&stage->lock);
    }
    return 0;
}

static int read_and_end(void *arg)
{
    struct stage *stage = arg;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(thrum_rwlock_read_lock(&stage->lock), 0);
        thrum_rwlock_read_unlock(&stage->lock);
    }
    flag_set(&stage->is_over);
    return 0;
}

static int read_among_writers(void *arg)
{
    struct stage stage = {.lock = THRUM_RWLOCK_INIT};
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 16; i++)
            CHECK_EQ(thrum_spawn(&group, write_until_over, &stage), 0);
        CHECK_EQ(thrum_spawn(&group, read_and_end, &stage), 0);
    }
    return 0;
}

TEST(rwlock_reader_gets_in_among_writers_that_queue_without_end)
{
    run_on_each_count(read_among_writers);
}

/* ---- What calls return ---- */

static int ask(void *arg)
{
    thrum_rwlock lock = THRUM_RWLOCK_INIT;
    thrum_time soon = thrum_now() + THRUM_US(10);
    (void)arg;
    CHECK_EQ(thrum_rwlock_try_read_lock(&lock), 0);
    CHECK_EQ(thrum_rwlock_try_read_lock(&lock), 0);
    CHECK_EQ(thrum_rwlock_try_write_lock(&lock), -EBUSY);
    CHECK_EQ(thrum_rwlock_write_lock_until(&lock, soon), -ETIMEDOUT);
    CHECK_EQ(thrum_rwlock_try_read_lock(&lock), 0);
    for (int i = 0; i < 3; i++)
        thrum_rwlock_read_unlock(&lock);
    CHECK_EQ(thrum_rwlock_try_write_lock(&lock), 0);
    CHECK_EQ(thrum_rwlock_try_read_lock(&lock), -EBUSY);
    CHECK_EQ(thrum_rwlock_read_lock(&lock), -EDEADLK);
    CHECK_EQ(thrum_rwlock_write_lock_until(&lock, soon), -EDEADLK);
    thrum_rwlock_write_unlock(&lock);
    CHECK_EQ(lock.word_, 0);
    return 0;
}

TEST(rwlock_says_what_cannot_be)
{
    run_on_each_count(ask);
}

static void end_a_read_that_is_none(void *arg)
{
    thrum_rwlock lock = THRUM_RWLOCK_INIT;
    (void)arg;
    thrum_rwlock_read_unlock(&lock);
}

static void end_a_write_that_is_none(void *arg)
{
    thrum_rwlock lock = THRUM_RWLOCK_INIT;
    (void)arg;
    thrum_rwlock_write_unlock(&lock);
}

TEST(rwlock_misuse_ends_the_program_with_one_line)
{
    struct kit_outcome outcome;
    kit_in_child(end_a_read_that_is_none, NULL, &outcome);
    CHECK_STR_HAS(outcome.errors, "nobody reads");
    kit_in_child(end_a_write_that_is_none, NULL, &outcome);
    CHECK_STR_HAS(outcome.errors, "the caller does not write");
}
