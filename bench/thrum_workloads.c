/*
 * The workloads in thrum: what bench/compare runs beside the peers. Public headers only; tasks, groups, channels,
 * mutex, event and sleep as a program would use them.
 */
#define _GNU_SOURCE
#include "workload.h"

#include <thrum.h>

#include <stdatomic.h>
#include <stdlib.h>

static struct bench bench;

/* ---- What every workload does ----------------------------------------------------------------------------------- */

static void must(int result)
{
    if (result < 0)
        bench_fail(&bench, thrum_strerror(result));
}

static void spawn(thrum_group *group, thrum_fn body, void *arg)
{
    must(thrum_spawn(group, body, arg));
}

static void spawn_many(thrum_group *group, uint64_t count, thrum_fn body, void *arg)
{
    for (uint64_t i = 0; i < count; i++)
        spawn(group, body, arg);
}

static void join(thrum_group *group)
{
    must(thrum_group_wait(group));
}

static void *allocate(uint64_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        bench_fail(&bench, "no memory");
    return memory;
}

/* Counts down to an event. */
struct countdown {
    atomic_uint_least64_t left;
    thrum_event reached;
};

static void countdown_arrive(struct countdown *countdown)
{
    if (atomic_fetch_sub(&countdown->left, 1) == 1)
        thrum_event_set(&countdown->reached);
}

/* ---- switch ----------------------------------------------------------------------------------------------------- */

static int yielding(void *arg)
{
    for (uint64_t i = *(uint64_t *)arg; i > 0; i--)
        thrum_yield();
    return 0;
}

static void run_switch(struct bench *b)
{
    uint64_t each = bench_count(b, BENCH_SWITCHES / 2);
    thrum_group group = THRUM_GROUP_INIT;
    bench_start(b);
    spawn_many(&group, 2, yielding, &each);
    join(&group);
    bench_stop(b);
    bench_report_ns(b, 2 * each);
}

/* ---- spawn_join, spawn_yield ------------------------------------------------------------------------------------ */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int yielding_once(void *arg)
{
    (void)arg;
    thrum_yield();
    return 0;
}

static void spawn_batches(struct bench *b, thrum_fn body)
{
    uint64_t batches = bench_count(b, BENCH_SPAWNS / BENCH_BATCH);
    bench_start(b);
    for (uint64_t batch = 0; batch < batches; batch++) {
        thrum_group group = THRUM_GROUP_INIT;
        spawn_many(&group, BENCH_BATCH, body, NULL);
        join(&group);
    }
    bench_stop(b);
    bench_report_ns(b, batches * BENCH_BATCH);
}

static void run_spawn_join(struct bench *b)
{
    spawn_batches(b, nothing);
}

static void run_spawn_yield(struct bench *b)
{
    spawn_batches(b, yielding_once);
}

/* ---- skynet ----------------------------------------------------------------------------------------------------- */

struct subtree {
    uint64_t number, leaves, sum;
};

static int skynet(void *arg)
{
    struct subtree *tree = arg, children[BENCH_SKYNET_CHILDREN];
    if (tree->leaves == 1) {
        tree->sum = tree->number;
        return 0;
    }
    uint64_t each = tree->leaves / BENCH_SKYNET_CHILDREN;
    thrum_group group = THRUM_GROUP_INIT;
    for (unsigned i = 0; i < BENCH_SKYNET_CHILDREN; i++) {
        children[i] = (struct subtree){.number = tree->number + i * each, .leaves = each};
        spawn(&group, skynet, &children[i]);
    }
    join(&group);
    tree->sum = 0;
    for (unsigned i = 0; i < BENCH_SKYNET_CHILDREN; i++)
        tree->sum += children[i].sum;
    return 0;
}

static void run_skynet(struct bench *b)
{
    struct subtree tree = {.leaves = bench_skynet_leaves(b)};
    bench_start(b);
    skynet(&tree);
    bench_stop(b);
    bench_check(b, "sum", tree.sum, tree.leaves * (tree.leaves - 1) / 2);
    bench_report_ms(b, (double)tree.leaves / BENCH_LEAVES);
}

/* ---- fib -------------------------------------------------------------------------------------------------------- */

struct fib {
    int n;
    uint64_t result;
};

static int fib(void *arg)
{
    struct fib *f = arg, x = {.n = f->n - 1}, y = {.n = f->n - 2};
    if (f->n < 2) {
        f->result = (uint64_t)f->n;
        return 0;
    }
    thrum_group group = THRUM_GROUP_INIT;
    spawn(&group, fib, &x);
    fib(&y);
    join(&group);
    f->result = x.result + y.result;
    return 0;
}

static void run_fib(struct bench *b)
{
    struct fib f = {.n = bench_fib_n(b)};
    bench_start(b);
    fib(&f);
    bench_stop(b);
    bench_check(b, "fib", f.result, bench_fib_result(f.n));
    bench_report_ms(b, bench_fib_share(f.n));
}

/* ---- chan_pingpong ---------------------------------------------------------------------------------------------- */

struct table {
    thrum_chan *there, *back;
    uint64_t round_trips, sum;
};

static int pinging(void *arg)
{
    struct table *table = arg;
    for (uint64_t i = 0, ball; i < table->round_trips; i++) {
        must(thrum_chan_send(table->there, &i));
        must(thrum_chan_receive(table->back, &ball));
        table->sum += ball;
    }
    return 0;
}

static int ponging(void *arg)
{
    struct table *table = arg;
    for (uint64_t i = 0, ball; i < table->round_trips; i++) {
        must(thrum_chan_receive(table->there, &ball));
        must(thrum_chan_send(table->back, &ball));
    }
    return 0;
}

static void run_chan_pingpong(struct bench *b)
{
    struct table table = {.round_trips = bench_count(b, BENCH_ROUND_TRIPS)};
    thrum_group group = THRUM_GROUP_INIT;
    must(thrum_chan_create(&table.there, sizeof(uint64_t), 0));
    must(thrum_chan_create(&table.back, sizeof(uint64_t), 0));
    bench_start(b);
    spawn(&group, ponging, &table);
    spawn(&group, pinging, &table);
    join(&group);
    bench_stop(b);
    bench_check(b, "sum", table.sum, table.round_trips * (table.round_trips - 1) / 2);
    bench_report_ns(b, table.round_trips);
    thrum_chan_destroy(table.there);
    thrum_chan_destroy(table.back);
}

/* ---- chan_mpmc -------------------------------------------------------------------------------------------------- */

struct traffic {
    thrum_chan *chan;
    uint64_t messages_each;
    atomic_uint_least64_t sum;
};

static int producing(void *arg)
{
    struct traffic *traffic = arg;
    for (uint64_t i = 0; i < traffic->messages_each; i++)
        must(thrum_chan_send(traffic->chan, &i));
    return 0;
}

static int consuming(void *arg)
{
    struct traffic *traffic = arg;
    uint64_t sum = 0, message;
    while (thrum_chan_receive(traffic->chan, &message) >= 0)
        sum += message;
    traffic->sum += sum;
    return 0;
}

static void run_chan_mpmc(struct bench *b)
{
    struct traffic traffic = {.messages_each = bench_count(b, BENCH_MESSAGES / BENCH_CHANNEL_SIDES)};
    thrum_group producers = THRUM_GROUP_INIT, consumers = THRUM_GROUP_INIT;
    must(thrum_chan_create(&traffic.chan, sizeof(uint64_t), BENCH_CHANNEL_CAPACITY));
    bench_start(b);
    spawn_many(&consumers, BENCH_CHANNEL_SIDES, consuming, &traffic);
    spawn_many(&producers, BENCH_CHANNEL_SIDES, producing, &traffic);
    join(&producers);
    thrum_chan_close(traffic.chan);
    join(&consumers);
    bench_stop(b);
    uint64_t each = traffic.messages_each;
    bench_check(b, "sum", traffic.sum, BENCH_CHANNEL_SIDES * (each * (each - 1) / 2));
    bench_report_ns(b, BENCH_CHANNEL_SIDES * each);
    thrum_chan_destroy(traffic.chan);
}

/* ---- mutex ------------------------------------------------------------------------------------------------------ */

struct guarded {
    thrum_mutex mutex;
    uint64_t locks_each, taken, value;
};

static int locking(void *arg)
{
    struct guarded *guarded = arg;
    for (uint64_t i = 0; i < guarded->locks_each; i++) {
        must(thrum_mutex_lock(&guarded->mutex));
        guarded->value = bench_spin(guarded->value, BENCH_CRITICAL_STEPS);
        guarded->taken++;
        thrum_mutex_unlock(&guarded->mutex);
    }
    return 0;
}

static void run_mutex(struct bench *b)
{
    struct guarded guarded = {
        .mutex = THRUM_MUTEX_INIT, .locks_each = bench_count(b, BENCH_LOCKS), .value = BENCH_SEED};
    thrum_group group = THRUM_GROUP_INIT;
    bench_start(b);
    spawn_many(&group, BENCH_MUTEX_TASKS, locking, &guarded);
    join(&group);
    bench_stop(b);
    uint64_t locks = BENCH_MUTEX_TASKS * guarded.locks_each;
    bench_check(b, "count", guarded.taken, locks);
    bench_check(b, "guarded value", guarded.value, bench_spin(BENCH_SEED, locks * BENCH_CRITICAL_STEPS));
    bench_report_ns(b, locks);
}

/* ---- sleep_many ------------------------------------------------------------------------------------------------- */

struct sleeper {
    uint32_t ms, *late_us;
};

static int sleeping(void *arg)
{
    struct sleeper *sleeper = arg;
    thrum_time due = thrum_now() + THRUM_MS(sleeper->ms);
    must(thrum_sleep(THRUM_MS(sleeper->ms)));
    *sleeper->late_us = (uint32_t)((thrum_now() - due) / 1000);
    return 0;
}

static void run_sleep_many(struct bench *b)
{
    uint64_t count = bench_count(b, BENCH_SLEEPERS), random = 42;
    uint32_t *late_us = allocate(count, sizeof *late_us);
    struct sleeper *sleepers = allocate(count, sizeof *sleepers);
    thrum_group group = THRUM_GROUP_INIT;
    bench_start(b);
    for (uint64_t i = 0; i < count; i++) {
        sleepers[i] = (struct sleeper){.ms = bench_sleep_ms(&random), .late_us = &late_us[i]};
        spawn(&group, sleeping, &sleepers[i]);
    }
    join(&group);
    bench_stop(b);
    bench_lateness(b, late_us, count);
    bench_report_ms(b, 1);
    free(sleepers);
    free(late_us);
}

/* ---- idle_mem --------------------------------------------------------------------------------------------------- */

struct gate {
    thrum_event opened;
    struct countdown arrived;
};

static int idling(void *arg)
{
    struct gate *gate = arg;
    countdown_arrive(&gate->arrived);
    must(thrum_event_wait(&gate->opened));
    return 0;
}

static void run_idle_mem(struct bench *b)
{
    uint64_t count = bench_count(b, BENCH_PARKED);
    struct gate gate = {.opened = THRUM_EVENT_INIT, .arrived = {.left = count, .reached = THRUM_EVENT_INIT}};
    thrum_group group = THRUM_GROUP_INIT;
    double rss = bench_rss_bytes();
    bench_start(b);
    spawn_many(&group, count, idling, &gate);
    must(thrum_event_wait(&gate.arrived.reached));
    bench_stop(b);
    must(thrum_sleep(THRUM_MS(50))); /* the last arrivals get from the count to the wait */
    double bytes = (bench_rss_bytes() - rss) / (double)count;
    uint64_t woken = bench_now_ns();
    thrum_event_set(&gate.opened);
    join(&group);
    bench_field(b, "wake_ms", (double)(bench_now_ns() - woken) / 1e6);
    bench_report(b, bytes, "bytes/task");
}

/* ---- parallel_sum ----------------------------------------------------------------------------------------------- */

struct part {
    uint64_t seed, steps, *result;
};

static int summing(void *arg)
{
    struct part *part = arg;
    *part->result = bench_spin(part->seed, part->steps);
    return 0;
}

static void run_parallel_sum(struct bench *b)
{
    uint64_t tasks = bench_count(b, BENCH_SUM_TASKS), *steps = bench_sum_steps(b, tasks);
    uint64_t *results = allocate(tasks, sizeof *results);
    struct part *parts = allocate(tasks, sizeof *parts);
    thrum_group group = THRUM_GROUP_INIT;
    bench_start(b);
    for (uint64_t i = 0; i < tasks; i++) {
        parts[i] = (struct part){.seed = BENCH_SEED + i, .steps = steps[i], .result = &results[i]};
        spawn(&group, summing, &parts[i]);
    }
    join(&group);
    bench_stop(b);
    bench_sum_check(b, steps, results, tasks);
    bench_report_ms(b, (double)tasks / BENCH_SUM_TASKS);
    free(parts);
    free(results);
    free(steps);
}

static int run_workload(void *arg)
{
    struct bench *b = arg;
    b->workload->run(b);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_workload workloads[] = {
        {.name = "switch", .run = run_switch},
        {.name = "spawn_join", .run = run_spawn_join},
        {.name = "spawn_yield", .run = run_spawn_yield},
        {.name = "skynet", .run = run_skynet},
        {.name = "fib", .run = run_fib},
        {.name = "chan_pingpong", .run = run_chan_pingpong},
        {.name = "chan_mpmc", .run = run_chan_mpmc},
        {.name = "mutex", .run = run_mutex},
        {.name = "sleep_many", .run = run_sleep_many},
        {.name = "idle_mem", .run = run_idle_mem},
        {.name = "parallel_sum", .run = run_parallel_sum},
        {0},
    };
    bench_open(&bench, argc, argv, "thrum", thrum_version(), workloads);
    thrum_options options = {.workers = (unsigned)bench.workers};
    must(thrum_run_with(&options, run_workload, &bench));
    return 0;
}
