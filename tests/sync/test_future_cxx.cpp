/* Futures, works and generators as a C++ program writes them. */
#include <thrum/future.h>
#include <thrum/gather.h>
#include <thrum/generator.h>

#include <thrum.h>

#include "kit/kit.h"

static thrum_future future = THRUM_FUTURE_INIT;

static int set_future(void *arg)
{
    return thrum_future_set(&future, arg);
}

static int await_future(void *arg)
{
    void *value = nullptr;
    int code = thrum_future_wait(&future, &value);
    return code < 0 ? code : value == arg ? 7 : -1;
}

static int count_to_three(thrum_generator *generator, void *arg)
{
    (void)arg;
    for (int i = 1; i <= 3; i++) {
        int code = thrum_generator_yield(generator, &i);
        if (code < 0)
            return code;
    }
    return 0;
}

static int use_all(void *arg)
{
    int value = 0, item, sum = 0;
    thrum_work works[] = {THRUM_WORK(await_future, &value), THRUM_WORK(set_future, &value)};
    CHECK_EQ(thrum_gather(works, 2), 0);
    CHECK_EQ(works[0].result, 7);
    CHECK_EQ(thrum_future_state(&future), THRUM_FUTURE_DONE);
    thrum_generator numbers = THRUM_GENERATOR(count_to_three, nullptr, sizeof item);
    while (thrum_generator_next(&numbers, &item) == 1)
        sum += item;
    CHECK_EQ(thrum_generator_close(&numbers), 0);
    CHECK_EQ(sum, 6);
    *static_cast<bool *>(arg) = true;
    return 0;
}

TEST(futures_works_and_generators_are_initialised_in_cxx)
{
    bool has_run = false;
    CHECK_EQ(thrum_run(use_all, &has_run), 0);
    CHECK(has_run);
}
