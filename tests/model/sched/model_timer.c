/*
 * sched/timer: of a timer that is armed either its disarming or its firing comes first, whoever fires; and nobody
 * touches it once it is over.
 */
#include "model/model.h"

#include "base/sys.h"
#include "sched/timer.h"

static struct th_timers timers;
static int owners[2];        /* plain: how often each was fired */
static th_atomic32 fired[2]; /* the same, for those who wait for it */

static void fire(int64_t now)
{
    struct th_timer_due due[2];
    size_t count = th_timers_due(&timers, now, due, 2);
    for (size_t i = 0; i < count; i++) {
        int *owner = due[i].owner;
        MODEL_CHECK_EQ(due[i].epoch, 7 + (owner - owners));
        MODEL_CHECK_EQ(*owner, 0);
        ++*owner;
        (void)th_atomic32_add_release(&fired[owner - owners], 1);
    }
}

static void fire_first(void *arg)
{
    (void)arg;
    fire(10);
}

static void fire_all(void *arg)
{
    (void)arg;
    fire(20);
}

/* Arms a timer on its own stack, does something else for a while, and takes it back. */
static void arm_and_disarm(unsigned number, int64_t deadline)
{
    struct th_timer *timer = th_sys_alloc_zeroed(sizeof *timer);
    MODEL_CHECK_EQ(th_timer_arm(&timers, timer, deadline, &owners[number], 7 + number), 0);
    if (th_timer_disarm(timer)) {
        MODEL_CHECK_EQ(th_atomic32_load_relaxed(&fired[number]), 0);
    } else {
        while (th_atomic32_load_acquire(&fired[number]) == 0)
            continue;
        MODEL_CHECK_EQ(owners[number], 1);
    }
    /* Whoever touched it now would be found. */
    th_sys_free(timer);
}

static void arm_and_disarm_second(void *arg)
{
    (void)arg;
    arm_and_disarm(1, 20);
}

static void finish(void)
{
    th_model_join_all();
    fire(30);
    MODEL_CHECK_EQ(th_timers_next(&timers), INT64_MAX);
    for (int i = 0; i < 2; i++)
        MODEL_CHECK_EQ(th_atomic32_load_relaxed(&fired[i]), owners[i]);
    th_timers_fini(&timers);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(timer_fires_or_is_disarmed, .modes = ALL, .preemptions = 2)
{
    th_timers_init(&timers);
    th_model_thread(fire_first, NULL);
    arm_and_disarm(0, 10);
    finish();
}

MODEL(timer_is_fired_by_one_of_two, .preemptions = 2, .exhausted = MODEL_NONE, .spurious = MODEL_NONE, .stale = 1)
{
    th_timers_init(&timers);
    th_model_thread(fire_first, NULL);
    th_model_thread(fire_all, NULL);
    arm_and_disarm(0, 10);
    finish();
}

MODEL(timers_of_two_are_apart, .preemptions = 1, .exhausted = MODEL_NONE, .spurious = MODEL_NONE, .stale = 1)
{
    th_timers_init(&timers);
    th_model_thread(arm_and_disarm_second, NULL);
    th_model_thread(fire_all, NULL);
    arm_and_disarm(0, 10);
    finish();
}
