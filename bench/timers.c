/*
 * What does a timer cost, alone and among a million?
 *
 * timer_alone arms and disarms in an empty heap. The million: arm_1m from empty to full, growing; due_1m until none is
 * left, in batches; disarm_1m in random order. Standing among a million others: replace_1m is one due and one armed
 * (sleepers in a loop), timeout_1m armed far ahead and disarmed soon (a request that is answered in time).
 */
#include "bench.h"

#include "base/random.h"
#include "base/sys.h"
#include "sched/timer.h"

#include <stdlib.h>

enum { MANY = 1000000, BATCH = 64 };

static struct th_timers timers;
static struct th_random generator;
static struct th_timer *many;
static uint32_t *order;
static int64_t clock_now;

/* Evenly over an hour. */
static int64_t later(void)
{
    return clock_now + (int64_t)(th_random_next(&generator) % 3600000000000u);
}

static void arm(struct th_timer *timer)
{
    if (th_timer_arm(&timers, timer, later(), timer, 0) < 0)
        bench_fail("no memory");
}

static void open_empty(int64_t arg)
{
    (void)arg;
    clock_now = 0;
    th_random_init(&generator, 1);
    th_timers_init(&timers);
    many = calloc(MANY + 1, sizeof *many);
    order = malloc(MANY * sizeof *order);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t other = th_random_below(&generator, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    /* Pages of the bench's own are touched here, not while timers are timed. */
    for (uint32_t i = 0; i <= MANY; i++)
        many[i].slot = i;
}

static void open_full(int64_t arg)
{
    open_empty(arg);
    for (uint32_t i = 0; i < MANY; i++)
        arm(&many[i]);
}

static void close_all(void)
{
    th_timers_fini(&timers);
    free(many);
    free(order);
}

static void alone(int64_t count)
{
    while (count-- > 0) {
        arm(&many[0]);
        if (!th_timer_disarm(&many[0]))
            bench_fail("lost a timer");
    }
}

static void arm_all(int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        arm(&many[i]);
}

static void due_all(int64_t count)
{
    struct th_timer_due due[BATCH];
    size_t got;
    while ((got = th_timers_due(&timers, INT64_MAX - 1, due, BATCH)) > 0)
        count -= (int64_t)got;
    if (count != 0)
        bench_fail("not as many were due as were armed");
}

static void disarm_all(int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!th_timer_disarm(&many[order[i]]))
            bench_fail("lost a timer");
    }
}

static void replace(int64_t count)
{
    struct th_timer_due due;
    while (count-- > 0) {
        clock_now = th_timers_next(&timers);
        if (th_timers_due(&timers, clock_now, &due, 1) != 1)
            bench_fail("the next was not due");
        arm(due.owner);
    }
}

static void timeout(int64_t count)
{
    while (count-- > 0) {
        arm(&many[MANY]);
        if (!th_timer_disarm(&many[MANY]))
            bench_fail("lost a timer");
    }
}

BENCH(timer_alone, .setup = open_empty, .run = alone, .teardown = close_all)
BENCH(arm_1m, .setup = open_empty, .run = arm_all, .teardown = close_all, .count = MANY, .is_once = 1)
BENCH(due_1m, .setup = open_full, .run = due_all, .teardown = close_all, .count = MANY, .is_once = 1)
BENCH(disarm_1m, .setup = open_full, .run = disarm_all, .teardown = close_all, .count = MANY, .is_once = 1)
BENCH(replace_1m, .setup = open_full, .run = replace, .teardown = close_all, .count = MANY, .is_once = 1)
BENCH(timeout_1m, .setup = open_full, .run = timeout, .teardown = close_all, .count = MANY, .is_once = 1)
