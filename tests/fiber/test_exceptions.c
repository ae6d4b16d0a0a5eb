#include "exceptions.h"

#include "base/random.h"
#include "fixture.h"

enum { THREADS = 4, FIBERS = 16 };

static th_atomicptr box[FIBERS];
static th_atomic32 ended;

static void put_in_box(struct th_fiber *left, void *arg)
{
    th_atomicptr_store_release((th_atomicptr *)arg, left);
}

void exceptions_hop(void)
{
    struct th_fiber *self = th_fiber_self();
    th_fiber_switch(self, &self->thread->host, put_in_box, self->arg);
}

static struct th_fiber *throw_and_catch(void *arg)
{
    CHECK_EQ(exceptions_body((int)((th_atomicptr *)arg - box) * 1000), 0);
    th_atomic32_add_release(&ended, 1);
    return &th_fiber_self()->thread->host;
}

static void *run_fibers(void *arg)
{
    struct th_thread runner;
    struct th_random random;
    fixture_open(&runner);
    th_random_init(&random, kit_seed() + (uintptr_t)arg);
    while (th_atomic32_load_acquire(&ended) < FIBERS) {
        struct th_fiber *fiber = th_atomicptr_exchange_acqrel(&box[th_random_below(&random, FIBERS)], NULL);
        if (fiber != NULL)
            th_fiber_switch(&runner.host, fiber, NULL, NULL);
    }
    fixture_close(&runner);
    return NULL;
}

TEST(exceptions_stay_with_their_fiber_over_switches_and_threads)
{
    pthread_t threads[THREADS];
    struct th_thread thread;
    fixture_open(&thread);
    (void)kit_seed();
    for (int i = 0; i < FIBERS; i++) {
        struct th_fiber *fiber;
        CHECK_EQ(th_fiber_create(&thread, throw_and_catch, &box[i], &fiber), 0);
        th_atomicptr_store_release(&box[i], fiber);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(th_sys_thread_start(&threads[i], 0, run_fibers, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(th_sys_thread_join(threads[i]), 0);
    CHECK_PTR_NE(thread.exceptions, NULL);
    fixture_close(&thread);
}
