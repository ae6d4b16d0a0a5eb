/*
 * The workloads in thrum: what bench/compare runs beside the peers. Public headers only, and the library as it is
 * installed; tasks, groups, handles, channels, the mutex and sleep as a program would use them.
 */
#include "workload.h"

#include <thrum.h>

#include <stdatomic.h>
#include <stdbool.h>
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

/* ---- spawn_join, spawn_join_handles, spawn_yield ---------------------------------------------------------------- */

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

/* The oldest first: the task that has waited longest for its turn is not the one that is hot in the cache. */
static void run_spawn_join_handles(struct bench *b)
{
    thrum_task *tasks[BENCH_BATCH];
    uint64_t batches = bench_count(b, BENCH_SPAWNS / BENCH_BATCH);
    bench_start(b);
    for (uint64_t batch = 0; batch < batches; batch++) {
        for (unsigned i = 0; i < BENCH_BATCH; i++)
            must(thrum_task_start(&tasks[i], NULL, NULL, nothing, NULL));
        for (unsigned i = 0; i < BENCH_BATCH; i++)
            must(thrum_join(tasks[i], NULL));
    }
    bench_stop(b);
    bench_report_ns(b, batches * BENCH_BATCH);
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
    uint64_t trips;
};

static thrum_chan *make_channel(size_t capacity)
{
    thrum_chan *chan;
    must(thrum_chan_create(&chan, sizeof(uint64_t), capacity));
    return chan;
}

static int returning(void *arg)
{
    struct table *table = arg;
    uint64_t ball;
    for (uint64_t i = 0; i < table->trips; i++) {
        must(thrum_chan_receive(table->there, &ball));
        ball++;
        must(thrum_chan_send(table->back, &ball));
    }
    return 0;
}

static int serving(void *arg)
{
    struct table *table = arg;
    uint64_t ball = 0;
    for (uint64_t i = 0; i < table->trips; i++) {
        must(thrum_chan_send(table->there, &ball));
        must(thrum_chan_receive(table->back, &ball));
    }
    bench_check(&bench, "trips", ball, table->trips);
    return 0;
}

static void run_pingpong(struct bench *b, thrum_fn server, thrum_fn returner)
{
    struct table table = {make_channel(0), make_channel(0), bench_count(b, BENCH_ROUND_TRIPS)};
    thrum_group group = THRUM_GROUP_INIT;
    bench_start(b);
    spawn(&group, returner, &table);
    spawn(&group, server, &table);
    join(&group);
    bench_stop(b);
    bench_report_ns(b, table.trips);
    thrum_chan_destroy(table.there);
    thrum_chan_destroy(table.back);
}

static void run_chan_pingpong(struct bench *b)
{
    run_pingpong(b, serving, returning);
}

/* ---- chan_mpmc -------------------------------------------------------------------------------------------------- */

struct side {
    thrum_chan *chan;
    uint64_t first, count, sum;
};

static int producing(void *arg)
{
    struct side *side = arg;
    for (uint64_t i = 0; i < side->count; i++) {
        uint64_t item = side->first + i;
        must(thrum_chan_send(side->chan, &item));
    }
    return 0;
}

static int consuming(void *arg)
{
    struct side *side = arg;
    uint64_t item, sum = 0;
    while (thrum_chan_receive(side->chan, &item) == 0)
        sum += item;
    side->sum = sum;
    return 0;
}

static void run_chan_mpmc(struct bench *b)
{
    uint64_t each = bench_count(b, BENCH_MESSAGES / BENCH_CHANNEL_SIDES), count = each * BENCH_CHANNEL_SIDES, sum = 0;
    struct side producers[BENCH_CHANNEL_SIDES], consumers[BENCH_CHANNEL_SIDES];
    thrum_chan *chan = make_channel(BENCH_CHANNEL_CAPACITY);
    thrum_group sending = THRUM_GROUP_INIT, receiving = THRUM_GROUP_INIT;
    bench_start(b);
    for (unsigned i = 0; i < BENCH_CHANNEL_SIDES; i++) {
        producers[i] = (struct side){.chan = chan, .first = i * each, .count = each};
        consumers[i] = (struct side){.chan = chan};
        spawn(&sending, producing, &producers[i]);
        spawn(&receiving, consuming, &consumers[i]);
    }
    join(&sending);
    thrum_chan_close(chan);
    join(&receiving);
    bench_stop(b);
    for (unsigned i = 0; i < BENCH_CHANNEL_SIDES; i++)
        sum += consumers[i].sum;
    bench_check(b, "sum", sum, count * (count - 1) / 2);
    bench_report_ns(b, count);
    thrum_chan_destroy(chan);
}

/* ---- select_ready ----------------------------------------------------------------------------------------------- */

/* Each turn makes another one ready; the cases are made once. */
static void run_select_ready(struct bench *b)
{
    uint64_t turns = bench_count(b, BENCH_SELECTS), item = 0, sum = 0;
    thrum_chan *chans[BENCH_SELECT_CASES];
    thrum_case cases[BENCH_SELECT_CASES];
    for (unsigned i = 0; i < BENCH_SELECT_CASES; i++) {
        chans[i] = make_channel(1);
        cases[i] = THRUM_RECEIVE(chans[i], &item);
    }
    bench_start(b);
    for (uint64_t i = 0; i < turns; i++) {
        unsigned at = (unsigned)(i * 5 % BENCH_SELECT_CASES);
        must(thrum_chan_send(chans[at], &i));
        int which = thrum_select(cases, BENCH_SELECT_CASES);
        must(which < 0 ? which : cases[which].result);
        sum += item;
    }
    bench_stop(b);
    bench_check(b, "sum", sum, turns * (turns - 1) / 2);
    bench_report_ns(b, turns);
    for (unsigned i = 0; i < BENCH_SELECT_CASES; i++)
        thrum_chan_destroy(chans[i]);
}

/* ---- timeout_scope, timeout_pingpong ---------------------------------------------------------------------------- */

static void run_timeout_scope(struct bench *b)
{
    uint64_t turns = bench_count(b, BENCH_TIMEOUTS), done = 0;
    bench_start(b);
    for (uint64_t i = 0; i < turns; i++) {
        THRUM_TIMEOUT(THRUM_SEC(10))
        {
            done++;
        }
    }
    bench_stop(b);
    bench_check(b, "turns", done, turns);
    bench_report_ns(b, turns);
}

static void receive_in_time(thrum_chan *chan, uint64_t *ball)
{
    THRUM_TIMEOUT(THRUM_SEC(10))
    {
        must(thrum_chan_receive(chan, ball));
    }
}

static int returning_in_time(void *arg)
{
    struct table *table = arg;
    uint64_t ball;
    for (uint64_t i = 0; i < table->trips; i++) {
        receive_in_time(table->there, &ball);
        ball++;
        must(thrum_chan_send(table->back, &ball));
    }
    return 0;
}

static int serving_in_time(void *arg)
{
    struct table *table = arg;
    uint64_t ball = 0;
    for (uint64_t i = 0; i < table->trips; i++) {
        must(thrum_chan_send(table->there, &ball));
        receive_in_time(table->back, &ball);
    }
    bench_check(&bench, "trips", ball, table->trips);
    return 0;
}

static void run_timeout_pingpong(struct bench *b)
{
    run_pingpong(b, serving_in_time, returning_in_time);
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

/*
 * The one event that all wait for is the end of a task, the gate: each has a handle on it and joins. So a waiter costs
 * what any task costs that waits for another, its record and its stack. The gate itself looks every millisecond
 * whether it may end, and notes when it does: its own delay is not in `wake ms`.
 */
struct gate {
    thrum_task *task;
    atomic_bool is_begun, may_open;
    uint64_t opened_ns;
    atomic_uint_least64_t arrived;
};

static int keeping_gate(void *arg)
{
    struct gate *gate = arg;
    gate->is_begun = true;
    while (!gate->may_open)
        must(thrum_sleep(THRUM_MS(1)));
    gate->opened_ns = bench_now_ns();
    return 0;
}

static int idling(void *arg)
{
    struct gate *gate = arg;
    thrum_task *task = thrum_task_hold(gate->task);
    gate->arrived++;
    must(thrum_join(task, NULL));
    return 0;
}

/* A task that has not begun may be run on the stack of one that joins it, so the gate begins before the others. */
static void start_gate(struct gate *gate)
{
    must(thrum_task_start(&gate->task, NULL, NULL, keeping_gate, gate));
    while (!gate->is_begun)
        thrum_yield();
}

static void run_idle_mem(struct bench *b)
{
    uint64_t count = bench_count(b, BENCH_PARKED);
    struct gate gate = {0};
    thrum_group group = THRUM_GROUP_INIT;
    start_gate(&gate);
    double rss = bench_rss_bytes();
    bench_start(b);
    spawn_many(&group, count, idling, &gate);
    while (gate.arrived < count)
        must(thrum_sleep(THRUM_MS(1)));
    bench_stop(b);
    must(thrum_sleep(THRUM_MS(50))); /* the last arrivals get from the count to the wait */
    double bytes = (bench_rss_bytes() - rss) / (double)count;
    gate.may_open = true;
    join(&group);
    bench_field(b, "wake_ms", (double)(bench_now_ns() - gate.opened_ns) / 1e6);
    must(thrum_join(gate.task, NULL));
    bench_report(b, bytes, "bytes/task");
}

/* ---- mutex ------------------------------------------------------------------------------------------------------ */

static thrum_mutex contended = THRUM_MUTEX_INIT;
static uint64_t locks_each, locks_taken, guarded = BENCH_SEED;

static int locking(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < locks_each; i++) {
        must(thrum_mutex_lock(&contended));
        guarded = bench_spin(guarded, BENCH_CRITICAL_STEPS);
        locks_taken++;
        thrum_mutex_unlock(&contended);
    }
    return 0;
}

static void run_mutex(struct bench *b)
{
    locks_each = bench_count(b, BENCH_LOCKS);
    thrum_group group = THRUM_GROUP_INIT;
    bench_start(b);
    spawn_many(&group, BENCH_MUTEX_TASKS, locking, NULL);
    join(&group);
    bench_stop(b);
    uint64_t locks = BENCH_MUTEX_TASKS * locks_each;
    bench_check(b, "count", locks_taken, locks);
    bench_check(b, "guarded value", guarded, bench_spin(BENCH_SEED, locks * BENCH_CRITICAL_STEPS));
    bench_report_ns(b, locks);
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
        {.name = "spawn_join_handles", .run = run_spawn_join_handles},
        {.name = "spawn_yield", .run = run_spawn_yield},
        {.name = "skynet", .run = run_skynet},
        {.name = "fib", .run = run_fib},
        {.name = "mutex", .run = run_mutex},
        {.name = "chan_pingpong", .run = run_chan_pingpong},
        {.name = "chan_mpmc", .run = run_chan_mpmc},
        {.name = "select_ready", .run = run_select_ready, .workers_max = 1},
        {.name = "timeout_scope", .run = run_timeout_scope, .workers_max = 1},
        {.name = "timeout_pingpong", .run = run_timeout_pingpong},
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
