/* thrum_stats: sums of what workers count (sched/counters.h), and their text for Prometheus. */
#include <thrum/stats.h>

#include "base/text.h"
#include "sched/registry.h"
#include "sched/worker.h"

#include <string.h>

/* What workers count, by its place in both structures. */
static const struct row {
    const char *name, *help;
    size_t in_stats, in_worker;
} rows[] = {
#define ROW(field, member, help)                                                       \
    {                                                                                  \
#field, help, offsetof(thrum_stats, field), offsetof(struct th_worker, member) \
    }
    ROW(spawned, spawned, "Tasks started by tasks."),
    ROW(finished, finished, "Tasks that have ended."),
    ROW(dispatches, dispatches, "Picks of a task, in vain or not."),
    ROW(parks, counters.parks, "Waits that parked their task."),
    ROW(parks_timed_out, counters.ended_by_time, "Waits whose time was over."),
    ROW(parks_cancelled, counters.ended_by_scope, "Waits ended by a cancel or a deadline."),
    ROW(wakes, counters.wakes, "Tasks made ready."),
    ROW(timers_fired, counters.timers, "Timers fired."),
    ROW(polls, counters.polls, "Looks at file descriptors."),
    ROW(steals, counters.steals, "Thefts that brought tasks."),
    ROW(stolen, counters.stolen, "Tasks that were stolen."),
    ROW(sleeps, counters.sleeps, "Times that a thread went to sleep."),
#undef ROW
};

static const struct gauge {
    const char *name, *help;
    size_t in_stats;
} gauges[] = {
#define GAUGE(field, help)                         \
    {                                              \
#field, help, offsetof(thrum_stats, field) \
    }
    GAUGE(runtimes, "Runtimes in this process."),
    GAUGE(tasks, "Tasks that live."),
    GAUGE(ready, "Tasks in queues."),
    GAUGE(workers, "Workers that pick tasks at once."),
    GAUGE(threads, "OS threads."),
    GAUGE(spares, "OS threads that wait for somebody to be stuck."),
    GAUGE(aside, "Tasks that run beside the workers."),
    GAUGE(waiting_aside, "Tasks that wait for room to run beside the workers."),
    GAUGE(stacks, "Stacks that ever held a task."),
    GAUGE(stacks_free, "Of these, in nobody's hands."),
    GAUGE(stack_bytes, "Address space of a stack."),
    GAUGE(record_bytes, "Memory of the tasks' records."),
#undef GAUGE
};

static uint64_t *field_at(thrum_stats *stats, size_t offset)
{
    return (uint64_t *)(void *)((char *)stats + offset);
}

static uint64_t counter_at(const struct th_worker *worker, size_t offset)
{
    return th_atomic64_load_relaxed((const th_atomic64 *)(const void *)((const char *)worker + offset));
}

static void add_worker(thrum_stats *stats, const struct th_worker *worker)
{
    for (size_t i = 0; i < TH_COUNT_OF(rows); i++)
        *field_at(stats, rows[i].in_stats) += counter_at(worker, rows[i].in_worker);
    stats->ready += th_queue_count(&worker->ready) + th_queue_count(&worker->fresh) + (th_worker_slot(worker) != NULL);
}

/* Under the crew's lock: what changes together is read together. */
static void add_crew(thrum_stats *stats, struct th_crew *crew)
{
    th_lock_take(&crew->lock);
    stats->threads += crew->threads;
    stats->spares += crew->spare_count;
    for (int i = 0; i < TH_LANES; i++)
        stats->aside += crew->lanes.of[i].running;
    th_lock_leave(&crew->lock);
    stats->waiting_aside += th_atomic32_load_relaxed(&crew->waiting);
    stats->stalls += th_atomic64_load_relaxed(&crew->detached);
}

static void add_runtime(thrum_stats *stats, struct thrum_runtime *runtime)
{
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++)
        add_worker(stats, runtime->workers[i]);
    stats->runtimes++;
    stats->workers += runtime->worker_count;
    stats->spawned += th_atomic64_load_relaxed(&runtime->foreign_spawned);
    stats->record_bytes += th_records_bytes(&runtime->records);
    add_crew(stats, &runtime->crew);
}

static void add_stacks(thrum_stats *stats)
{
    struct th_stack_counts counts;
    th_stack_count(&counts);
    stats->stacks = counts.slots_used;
    stats->stacks_free = counts.slots_free;
    stats->stack_bytes = counts.slot_bytes;
}

void thrum_stats_read(thrum_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    th_registry_enter();
    for (uint32_t i = 0; i < TH_REGISTRY_MOST; i++) {
        struct thrum_runtime *runtime = th_registry_at(i);
        if (runtime != NULL)
            add_runtime(stats, runtime);
    }
    th_registry_leave();
    if (stats->runtimes > 0)
        add_stacks(stats);
    stats->tasks = stats->spawned > stats->finished ? stats->spawned - stats->finished : 0;
}

/* ---- Prometheus ---- */

static void write_row_of(struct th_text *text, const struct row *row, uint32_t place)
{
    const struct thrum_runtime *runtime = th_registry_at(place);
    uint32_t made = runtime != NULL ? th_runtime_made(runtime) : 0;
    for (uint32_t i = 0; i < made; i++)
        th_text_add(text, "thrum_%s_total{runtime=\"%u\",worker=\"%u\"} %lu\n", row->name, place, i,
                    (unsigned long)counter_at(runtime->workers[i], row->in_worker));
}

static void write_head(struct th_text *text, const char *name, const char *help, bool is_counter)
{
    const char *suffix = is_counter ? "_total" : "";
    th_text_add(text, "# HELP thrum_%s%s %s\n# TYPE thrum_%s%s %s\n", name, suffix, help, name, suffix,
                is_counter ? "counter" : "gauge");
}

static void write_rows(struct th_text *text)
{
    th_registry_enter();
    for (size_t i = 0; i < TH_COUNT_OF(rows); i++) {
        write_head(text, rows[i].name, rows[i].help, true);
        for (uint32_t place = 0; place < TH_REGISTRY_MOST; place++)
            write_row_of(text, &rows[i], place);
    }
    th_registry_leave();
}

static void add_seconds(struct th_text *text, uint64_t ns)
{
    th_text_add(text, "%lu.", (unsigned long)(ns / 1000000000));
    for (uint64_t unit = 100000000; unit > 0; unit /= 10)
        th_text_add(text, "%lu", (unsigned long)(ns / unit % 10));
}

/* The sums over all workers: of one number of th_ready_spans, which is at this place in a worker. */
static uint64_t sum_at(size_t offset)
{
    uint64_t sum = 0;
    th_registry_enter();
    for (uint32_t place = 0; place < TH_REGISTRY_MOST; place++) {
        const struct thrum_runtime *runtime = th_registry_at(place);
        uint32_t made = runtime != NULL ? th_runtime_made(runtime) : 0;
        for (uint32_t i = 0; i < made; i++)
            sum += counter_at(runtime->workers[i], offset);
    }
    th_registry_leave();
    return sum;
}

static void write_ready_spans(struct th_text *text)
{
    const size_t buckets = offsetof(struct th_worker, ready_spans.buckets);
    uint64_t count = 0;
    th_text_add(text, "# HELP thrum_ready_seconds How long woken tasks were ready before they ran, of some.\n"
                      "# TYPE thrum_ready_seconds histogram\n");
    for (size_t i = 0; i <= TH_READY_BUCKETS; i++) {
        count += sum_at(buckets + i * sizeof(th_atomic64));
        th_text_add(text, "thrum_ready_seconds_bucket{le=\"");
        if (i < TH_READY_BUCKETS)
            add_seconds(text, UINT64_C(1000) << i);
        else
            th_text_add(text, "+Inf");
        th_text_add(text, "\"} %lu\n", (unsigned long)count);
    }
    th_text_add(text, "thrum_ready_seconds_sum ");
    add_seconds(text, sum_at(offsetof(struct th_worker, ready_spans.sum_ns)));
    th_text_add(text, "\nthrum_ready_seconds_count %lu\n", (unsigned long)count);
}

int thrum_stats_write(int fd)
{
    char bytes[256];
    struct th_text text = {.bytes = bytes, .capacity = sizeof bytes, .fd = fd};
    thrum_stats stats;
    thrum_stats_read(&stats);
    write_rows(&text);
    write_head(&text, "stalls", "Workers that were replaced.", true);
    th_text_add(&text, "thrum_stalls_total %lu\n", (unsigned long)stats.stalls);
    write_ready_spans(&text);
    for (size_t i = 0; i < TH_COUNT_OF(gauges); i++) {
        write_head(&text, gauges[i].name, gauges[i].help, false);
        th_text_add(&text, "thrum_%s %lu\n", gauges[i].name, (unsigned long)*field_at(&stats, gauges[i].in_stats));
    }
    return th_text_send(&text);
}
