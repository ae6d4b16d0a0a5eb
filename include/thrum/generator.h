/*
 * Generators: a function that yields values, one at a time, to somebody who iterates over them.
 *
 *     static int count_down(thrum_generator *generator, void *arg)
 *     {
 *         for (int i = *(int *)arg; i > 0; i--) {
 *             int code = thrum_generator_yield(generator, &i);
 *             if (code < 0)
 *                 return code;              nobody wants more
 *         }
 *         return 0;
 *     }
 *
 *     thrum_generator numbers = THRUM_GENERATOR(count_down, &from, sizeof(int));
 *     int number;
 *     while (thrum_generator_next(&numbers, &number) == 1)
 *         ... break when it is enough ...
 *     int failed = thrum_generator_close(&numbers);
 *
 * The producer is a task of its own and may wait for anything, but it is never ahead: it begins with the first `next`,
 * and goes on from a `yield` with the `next` after. Who iterates must close, also after the last value.
 */
#ifndef THRUM_GENERATOR_H
#define THRUM_GENERATOR_H

#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct thrum_generator thrum_generator;
typedef int (*thrum_generator_fn)(thrum_generator *generator, void *arg);

/* In the memory of who iterates. The fields are the library's. */
struct thrum_generator {
    thrum_generator_fn fn_;
    void *arg_;
    size_t item_bytes_;
    thrum_group group_;
    void *into_;
    const void *from_;
    struct th_waiter *consumer_;
    struct th_waiter *producer_;
    uint32_t latch_;
    uint32_t state_;
    uint32_t is_wanted_;
    int32_t result_;
};

#ifdef __cplusplus
#define THRUM_GENERATOR(producer_fn, producer_arg, item_bytes)                                                        \
    {                                                                                                                 \
        (producer_fn), (producer_arg), (item_bytes), THRUM_GROUP_INIT, nullptr, nullptr, nullptr, nullptr, 0, 0, 0, 0 \
    }
#else
#define THRUM_GENERATOR(producer_fn, producer_arg, item_bytes)                    \
    {                                                                             \
        .fn_ = (producer_fn), .arg_ = (producer_arg), .item_bytes_ = (item_bytes) \
    }
#endif

/*
 * The next value, copied to *item: 1. 0 when the producer has returned; its failure if it has failed. -ECANCELED,
 * -ETIMEDOUT (no value is lost: the next call gets it); -ENOMEM, -EPERM (the first call, outside of tasks). One task
 * iterates over a generator. May switch, may be cancelled.
 */
THRUM_API THRUM_CHECKED int thrum_generator_next(thrum_generator *generator, void *item);

/*
 * For the producer: hands a copy of *item over and waits until another value is wanted: 0; -ECANCELED if none will be,
 * or if the caller was cancelled (-ETIMEDOUT: its deadline): the producer should return then. May switch, may be
 * cancelled.
 */
THRUM_API THRUM_CHECKED int thrum_generator_yield(thrum_generator *generator, const void *item);

/*
 * Cancels the producer if it has not returned, and waits until it has. The failure with which it ended, unless that was
 * by this cancel; else 0. The generator is as new then. Called by the task that iterates. May switch.
 */
THRUM_API int thrum_generator_close(thrum_generator *generator);

#ifdef __cplusplus
}
#endif
#endif
