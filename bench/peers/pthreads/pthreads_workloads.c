/*
 * Plain threads of glibc, one a task: what a program has without any green threads. WORKERS is the number of cores
 * it may run on, which the runner's pinning decides; the program itself does nothing with it.
 */
#include "workload.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <time.h>

#define STACK_BYTES 16384

static pthread_t *spawn(const struct bench *bench, uint64_t count, void *(*body)(void *))
{
    pthread_t *threads = malloc(count * sizeof *threads);
    pthread_attr_t attributes;
    if (!threads || pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, STACK_BYTES))
        bench_fail(bench, "no memory");
    for (uint64_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], &attributes, body, (void *)(uintptr_t)i))
            bench_fail(bench, "pthread_create failed: too many threads");
    pthread_attr_destroy(&attributes);
    return threads;
}

static void join(pthread_t *threads, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

/* ---- switch -------------------------------------------------------------------------------------------------- */

static uint64_t yields_each;

static void *yielding(void *arg)
{
    for (uint64_t i = 0; i < yields_each; i++)
        sched_yield();
    return arg;
}

static void run_switch(struct bench *bench)
{
    yields_each = bench_count(bench, BENCH_SWITCHES / 2);
    bench_start(bench);
    join(spawn(bench, 2, yielding), 2);
    bench_stop(bench);
    bench_report_ns(bench, 2 * yields_each);
}

/* ---- spawn_join ---------------------------------------------------------------------------------------------- */

static void *nothing(void *arg)
{
    return arg;
}

static void run_spawn_join(struct bench *bench)
{
    uint64_t batches = bench_count(bench, BENCH_SPAWNS / BENCH_BATCH);
    bench_start(bench);
    for (uint64_t batch = 0; batch < batches; batch++)
        join(spawn(bench, BENCH_BATCH, nothing), BENCH_BATCH);
    bench_stop(bench);
    bench_report_ns(bench, batches * BENCH_BATCH);
}

/* ---- chan_pingpong: glibc has no channels; two semaphores hand a value over and back -------------------------- */

static uint64_t round_trips, ball;
static sem_t there, back;

static void *pinging(void *arg)
{
    for (uint64_t i = 0; i < round_trips; i++) {
        ball++;
        sem_post(&there);
        sem_wait(&back);
    }
    return arg;
}

static void *ponging(void *arg)
{
    for (uint64_t i = 0; i < round_trips; i++) {
        sem_wait(&there);
        ball++;
        sem_post(&back);
    }
    return arg;
}

static void *playing(void *arg)
{
    return arg ? ponging(arg) : pinging(arg);
}

static void run_chan_pingpong(struct bench *bench)
{
    round_trips = bench_count(bench, BENCH_ROUND_TRIPS);
    sem_init(&there, 0, 0);
    sem_init(&back, 0, 0);
    bench_start(bench);
    join(spawn(bench, 2, playing), 2);
    bench_stop(bench);
    bench_check(bench, "hand-overs", ball, 2 * round_trips);
    bench_report_ns(bench, round_trips);
}

/* ---- chan_mpmc: a ring under a mutex ------------------------------------------------------------------------- */

/* All sleepers are woken when the ring stops being empty, or full. Waking one a message is half as fast. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t filled, drained;
    uint64_t head, tail, slots[BENCH_CHANNEL_CAPACITY];
    bool is_closed;
} channel = {
    .mutex = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .drained = PTHREAD_COND_INITIALIZER};

static uint64_t messages_each;
static _Atomic uint64_t received_sum;

static void channel_send(uint64_t message)
{
    pthread_mutex_lock(&channel.mutex);
    while (channel.tail - channel.head == BENCH_CHANNEL_CAPACITY)
        pthread_cond_wait(&channel.drained, &channel.mutex);
    bool was_empty = channel.tail == channel.head;
    channel.slots[channel.tail++ % BENCH_CHANNEL_CAPACITY] = message;
    pthread_mutex_unlock(&channel.mutex);
    if (was_empty)
        pthread_cond_broadcast(&channel.filled);
}

static bool channel_receive(uint64_t *message)
{
    pthread_mutex_lock(&channel.mutex);
    while (channel.tail == channel.head && !channel.is_closed)
        pthread_cond_wait(&channel.filled, &channel.mutex);
    bool has_message = channel.tail != channel.head;
    bool was_full = channel.tail - channel.head == BENCH_CHANNEL_CAPACITY;
    if (has_message)
        *message = channel.slots[channel.head++ % BENCH_CHANNEL_CAPACITY];
    pthread_mutex_unlock(&channel.mutex);
    if (was_full)
        pthread_cond_broadcast(&channel.drained);
    return has_message;
}

static void channel_close(void)
{
    pthread_mutex_lock(&channel.mutex);
    channel.is_closed = true;
    pthread_cond_broadcast(&channel.filled);
    pthread_mutex_unlock(&channel.mutex);
}

static void *producing(void *arg)
{
    for (uint64_t i = 0; i < messages_each; i++)
        channel_send(i);
    return arg;
}

static void *consuming(void *arg)
{
    uint64_t sum = 0, message;
    while (channel_receive(&message))
        sum += message;
    received_sum += sum;
    return arg;
}

static void run_chan_mpmc(struct bench *bench)
{
    messages_each = bench_count(bench, BENCH_MESSAGES / BENCH_CHANNEL_SIDES);
    bench_start(bench);
    pthread_t *consumers = spawn(bench, BENCH_CHANNEL_SIDES, consuming);
    join(spawn(bench, BENCH_CHANNEL_SIDES, producing), BENCH_CHANNEL_SIDES);
    channel_close();
    join(consumers, BENCH_CHANNEL_SIDES);
    bench_stop(bench);
    bench_check(bench, "sum", received_sum, BENCH_CHANNEL_SIDES * (messages_each * (messages_each - 1) / 2));
    bench_report_ns(bench, BENCH_CHANNEL_SIDES * messages_each);
}

/* ---- mutex --------------------------------------------------------------------------------------------------- */

static pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER;
static uint64_t locks_each, locks_taken, guarded = BENCH_SEED;

static void *locking(void *arg)
{
    for (uint64_t i = 0; i < locks_each; i++) {
        pthread_mutex_lock(&contended);
        guarded = bench_spin(guarded, BENCH_CRITICAL_STEPS);
        locks_taken++;
        pthread_mutex_unlock(&contended);
    }
    return arg;
}

static void run_mutex(struct bench *bench)
{
    locks_each = bench_count(bench, BENCH_LOCKS);
    bench_start(bench);
    join(spawn(bench, BENCH_MUTEX_TASKS, locking), BENCH_MUTEX_TASKS);
    bench_stop(bench);
    uint64_t locks = BENCH_MUTEX_TASKS * locks_each;
    bench_check(bench, "count", locks_taken, locks);
    bench_check(bench, "guarded value", guarded, bench_spin(BENCH_SEED, locks * BENCH_CRITICAL_STEPS));
    bench_report_ns(bench, locks);
}

/* ---- sleep_many ---------------------------------------------------------------------------------------------- */

static uint32_t *sleep_ms, *late_us;
static atomic_uint_least64_t slept;

static void *sleeping(void *arg)
{
    uintptr_t i = (uintptr_t)arg;
    struct timespec duration = {.tv_sec = sleep_ms[i] / 1000, .tv_nsec = sleep_ms[i] % 1000 * 1000000L};
    uint64_t from = bench_now_ns();
    nanosleep(&duration, NULL);
    late_us[i] = (uint32_t)((bench_now_ns() - from - sleep_ms[i] * 1000000ull) / 1000);
    slept++;
    return NULL;
}

static void run_sleep_many(struct bench *bench)
{
    uint64_t count = bench_count(bench, BENCH_SLEEPERS), random = 42;
    sleep_ms = calloc(count, sizeof *sleep_ms);
    late_us = calloc(count, sizeof *late_us);
    if (!sleep_ms || !late_us)
        bench_fail(bench, "no memory");
    for (uint64_t i = 0; i < count; i++)
        sleep_ms[i] = bench_sleep_ms(&random);
    bench_start(bench);
    join(spawn(bench, count, sleeping), count);
    bench_stop(bench);
    bench_check(bench, "count", slept, count);
    bench_lateness(bench, late_us, count);
    bench_report_ms(bench, 1);
}

/* ---- idle_mem: the kernel's part of a thread (its stack alone is 16 KiB) is not in RSS, and not counted here --- */

static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opened = PTHREAD_COND_INITIALIZER, gate_arrived = PTHREAD_COND_INITIALIZER;
static bool gate_is_open;
static uint64_t gate_waiting, gate_expected;

static void *idling(void *arg)
{
    pthread_mutex_lock(&gate_mutex);
    if (++gate_waiting == gate_expected)
        pthread_cond_signal(&gate_arrived);
    while (!gate_is_open)
        pthread_cond_wait(&gate_opened, &gate_mutex);
    gate_waiting--;
    pthread_mutex_unlock(&gate_mutex);
    return arg;
}

static void run_idle_mem(struct bench *bench)
{
    uint64_t count = gate_expected = bench_count(bench, BENCH_PARKED);
    double rss = bench_rss_bytes();
    bench_start(bench);
    pthread_t *threads = spawn(bench, count, idling);
    pthread_mutex_lock(&gate_mutex);
    while (gate_waiting < count)
        pthread_cond_wait(&gate_arrived, &gate_mutex);
    pthread_mutex_unlock(&gate_mutex);
    bench_stop(bench);
    double bytes = (bench_rss_bytes() - rss) / (double)count;
    uint64_t woken = bench_now_ns();
    pthread_mutex_lock(&gate_mutex);
    gate_is_open = true;
    pthread_cond_broadcast(&gate_opened);
    pthread_mutex_unlock(&gate_mutex);
    join(threads, count);
    bench_field(bench, "wake_ms", (double)(bench_now_ns() - woken) / 1e6);
    bench_check(bench, "count", gate_waiting, 0);
    bench_report(bench, bytes, "bytes/task");
}

/* ---- parallel_sum -------------------------------------------------------------------------------------------- */

static uint64_t *sum_steps, *sum_results;

static void *summing(void *arg)
{
    uintptr_t i = (uintptr_t)arg;
    sum_results[i] = bench_spin(BENCH_SEED + i, sum_steps[i]);
    return NULL;
}

static void run_parallel_sum(struct bench *bench)
{
    uint64_t tasks = bench_count(bench, BENCH_SUM_TASKS);
    sum_steps = bench_sum_steps(bench, tasks);
    sum_results = calloc(tasks, sizeof *sum_results);
    if (!sum_results)
        bench_fail(bench, "no memory");
    bench_start(bench);
    join(spawn(bench, tasks, summing), tasks);
    bench_stop(bench);
    bench_sum_check(bench, sum_steps, sum_results, tasks);
    bench_report_ms(bench, (double)tasks / BENCH_SUM_TASKS);
}

int main(int argc, char **argv)
{
    static const struct bench_workload workloads[] = {
        {.name = "switch", .run = run_switch},
        {.name = "spawn_join", .run = run_spawn_join, .scale_max = 0.04},
        {.name = "chan_pingpong", .run = run_chan_pingpong, .scale_max = 0.1},
        {.name = "chan_mpmc", .run = run_chan_mpmc, .scale_max = 0.5},
        {.name = "mutex", .run = run_mutex},
        {.name = "sleep_many", .run = run_sleep_many, .scale_max = 0.02},
        {.name = "idle_mem", .run = run_idle_mem, .scale_max = 0.01},
        {.name = "parallel_sum", .run = run_parallel_sum},
        {0},
    };
    char version[64];
    struct bench bench;
    snprintf(version, sizeof version, "glibc %s", gnu_get_libc_version());
    bench_open(&bench, argc, argv, "pthreads", version, workloads);
    bench.workload->run(&bench);
    return 0;
}
