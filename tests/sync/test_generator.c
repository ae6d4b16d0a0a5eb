/* Generators: values in order, never ahead, and both sides may leave early. */
#include "task/harness.h"

struct source {
    int from, to, result;
    th_atomic32 begun, ended;
};

static int count_from_to(thrum_generator *generator, void *arg)
{
    struct source *source = arg;
    int code = 0;
    for (int i = source->from; i < source->to && code == 0; i++) {
        count_up(&source->begun);
        code = thrum_generator_yield(generator, &i);
    }
    count_up(&source->ended);
    return code < 0 ? code : source->result;
}

static int iterate(void *arg)
{
    struct source source = {.from = 0, .to = 1000};
    thrum_generator numbers = THRUM_GENERATOR(count_from_to, &source, sizeof(int));
    int number = -1, expected = 0;
    (void)arg;
    CHECK_EQ(count_of(&source.begun), 0);
    while (thrum_generator_next(&numbers, &number) == 1) {
        CHECK_EQ(number, expected);
        expected++;
        CHECK_EQ(count_of(&source.begun), (uint32_t)expected); /* not one ahead */
    }
    CHECK_EQ(expected, 1000);
    CHECK_EQ(thrum_generator_next(&numbers, &number), 0); /* the end stays */
    CHECK_EQ(thrum_generator_close(&numbers), 0);
    /* As new. */
    source.from = 998;
    CHECK_EQ(thrum_generator_next(&numbers, &number), 1);
    CHECK_EQ(number, 998);
    CHECK_EQ(thrum_generator_close(&numbers), 0);
    return 0;
}

TEST(a_generator_gives_its_values_in_order_and_is_never_ahead)
{
    run_on_each_count(iterate);
}

static int leave_early(void *arg)
{
    struct source source = {.from = 0, .to = 1000};
    thrum_generator numbers = THRUM_GENERATOR(count_from_to, &source, sizeof(int));
    int number;
    (void)arg;
    CHECK_EQ(thrum_generator_close(&numbers), 0); /* not begun */
    CHECK_EQ(count_of(&source.ended), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_generator_next(&numbers, &number), 1);
    CHECK_EQ(thrum_generator_close(&numbers), 0);
    CHECK_EQ(count_of(&source.ended), 1);
    CHECK_EQ(count_of(&source.begun), 3);
    CHECK_EQ(thrum_generator_close(&numbers), 0); /* twice is once */
    return 0;
}

TEST(a_consumer_that_leaves_early_ends_the_producer)
{
    run_on_each_count(leave_early);
}

static int see_a_failure(void *arg)
{
    struct source source = {.from = 0, .to = 2, .result = -EIO};
    thrum_generator numbers = THRUM_GENERATOR(count_from_to, &source, sizeof(int));
    int number;
    (void)arg;
    CHECK_EQ(thrum_generator_next(&numbers, &number), 1);
    CHECK_EQ(thrum_generator_next(&numbers, &number), 1);
    CHECK_EQ(thrum_generator_next(&numbers, &number), -EIO);
    CHECK_EQ(thrum_generator_close(&numbers), -EIO);
    source.result = 7; /* no failure: the end */
    CHECK_EQ(thrum_generator_next(&numbers, &number), 1);
    CHECK_EQ(thrum_generator_next(&numbers, &number), 1);
    CHECK_EQ(thrum_generator_next(&numbers, &number), 0);
    CHECK_EQ(thrum_generator_close(&numbers), 0);
    return 0;
}

TEST(a_failure_of_the_producer_reaches_the_consumer)
{
    run_on_each_count(see_a_failure);
}

/* A generator may iterate over another: the sums of pairs. */
static int add_pairs(thrum_generator *generator, void *arg)
{
    struct source *source = arg;
    thrum_generator numbers = THRUM_GENERATOR(count_from_to, source, sizeof(int));
    int pair[2], code = 0;
    while (code == 0 && thrum_generator_next(&numbers, &pair[0]) == 1 &&
           thrum_generator_next(&numbers, &pair[1]) == 1) {
        int sum = pair[0] + pair[1];
        code = thrum_generator_yield(generator, &sum);
    }
    int failed = thrum_generator_close(&numbers);
    return code < 0 ? code : failed;
}

static int nest(void *arg)
{
    struct source source = {.from = 0, .to = 20};
    thrum_generator sums = THRUM_GENERATOR(add_pairs, &source, sizeof(int));
    int sum, total = 0;
    (void)arg;
    while (thrum_generator_next(&sums, &sum) == 1)
        total += sum;
    CHECK_EQ(total, 190);
    CHECK_EQ(thrum_generator_close(&sums), 0);
    CHECK_EQ(thrum_generator_next(&sums, &sum), 1);
    CHECK_EQ(thrum_generator_close(&sums), 0);
    CHECK_EQ(count_of(&source.ended), 2);
    return 0;
}

TEST(generators_nest_and_end_from_outside_in)
{
    run_on_each_count(nest);
}

TEST(a_generator_needs_a_task)
{
    struct source source = {.to = 1};
    thrum_generator numbers = THRUM_GENERATOR(count_from_to, &source, sizeof(int));
    int number;
    CHECK_EQ(thrum_generator_next(&numbers, &number), -EPERM);
    CHECK_EQ(thrum_generator_close(&numbers), 0);
}

/* ---- Cancels and deadlines ---- */

static int yield_late(thrum_generator *generator, void *arg)
{
    int number = 5;
    flag_wait(arg); /* does not see that it is cancelled */
    return thrum_generator_yield(generator, &number);
}

static int be_late(void *arg)
{
    th_atomic32 go = TH_ATOMIC_INIT(0);
    thrum_generator late = THRUM_GENERATOR(yield_late, &go, sizeof(int));
    int number = 0, code = 0;
    (void)arg;
    THRUM_TIMEOUT(THRUM_MS(1)) code = thrum_generator_next(&late, &number);
    CHECK_EQ(code, -ETIMEDOUT);
    CHECK_EQ(number, 0);
    flag_set(&go);
    /* The producer was begun under the deadline, and has it too; unless it comes to know of the close first. */
    code = thrum_generator_close(&late);
    CHECK(code == -ETIMEDOUT || code == 0);
    return 0;
}

TEST(a_next_ends_with_its_deadline_and_so_does_the_producer)
{
    run_on_each_count(be_late);
}

struct relay {
    struct source source;
    uint64_t seed;
    th_atomic32 received;
};

/* Iterates until it is cancelled; what it has received is what was yielded, in order, whatever was cancelled. */
static int iterate_until_cancelled(void *arg)
{
    struct relay *relay = arg;
    thrum_generator numbers = THRUM_GENERATOR(count_from_to, &relay->source, sizeof(int));
    int number, code;
    while ((code = thrum_generator_next(&numbers, &number)) == 1) {
        CHECK_EQ(number, (int)count_of(&relay->received));
        count_up(&relay->received);
    }
    CHECK(code == -ECANCELED || code == 0);
    int closed = thrum_generator_close(&numbers);
    CHECK(closed == 0 || closed == -ECANCELED);
    CHECK_EQ(count_of(&relay->source.ended), count_of(&relay->source.begun) > 0 ? 1 : count_of(&relay->source.ended));
    CHECK_LE(count_of(&relay->received), count_of(&relay->source.begun));
    return 0;
}

static int cancel_at_random(void *arg)
{
    struct th_random random;
    th_random_init(&random, *(uint64_t *)arg);
    for (int i = 0; i < fewer(2000, 50); i++) {
        struct relay relay = {.source = {.to = 50}};
        thrum_task *task;
        CHECK_EQ(thrum_task_start(&task, NULL, NULL, iterate_until_cancelled, &relay), 0);
        for (uint32_t turns = th_random_below(&random, 40); turns > 0; turns--)
            thrum_yield();
        thrum_task_cancel(task);
        int result;
        CHECK_EQ(thrum_join(task, &result), 0);
        CHECK_EQ(result, 0);
    }
    return 0;
}

TEST(generators_that_are_cancelled_at_any_time_lose_nothing)
{
    uint64_t seed = kit_seed();
    FOR_EACH_WORKER_COUNT(workers)
    run_on(workers, cancel_at_random, &seed);
}
