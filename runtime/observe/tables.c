#include "observe/tables.h"

#include "base/sys.h"
#include "observe/census.h"
#include "observe/names.h"
#include "sched/registry.h"
#include "sched/worker.h"

enum { TEXT_BYTES = 1 << 16 };

/* All that a table needs, in memory of its own. */
struct table {
    struct th_text text;
    struct th_names names;
    uint32_t runtime;                /* whose rows are written */
    const struct thrum_group *group; /* whose opener was looked for last */
    uint64_t opener;
    char bytes[TEXT_BYTES];
};

/* What a terminal or a reader of tables would take for more than a name. */
static void add_clean(struct th_text *text, const char *name)
{
    for (; *name != '\0'; name++) {
        char one = (unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name;
        th_text_put(text, &one, 1);
    }
}

/* ---- Tasks ---- */

/* Tasks of one group often follow each other. 0: the root. */
static uint64_t parent_of(struct table *table, const struct th_sighting *seen)
{
    if (seen->group == NULL)
        return 0;
    if (seen->group != table->group) {
        table->group = seen->group;
        if (th_census_opener(seen->group, &table->opener) == NULL)
            table->opener = 0;
    }
    return table->opener;
}

static void add_task(struct table *table, struct th_census *census, const struct th_sighting *seen, int64_t now)
{
    struct th_text *text = &table->text;
    const struct th_wait_kind *kind = th_census_kind(census, seen);
    int64_t since = seen->state == TH_TASK_PARKED ? (now - seen->parked_at) / 1000 : 0;
    th_text_add(text, "%u\t%lu\t%lu\t%s\t%u\t", table->runtime, (unsigned long)seen->id,
                (unsigned long)parent_of(table, seen), th_state_names[seen->state], seen->worker);
    th_text_add(text, "%s\t%lu\t%ld\t", kind != NULL ? kind->name : "",
                (unsigned long)(seen->owner != NULL ? seen->owner_id : 0), (long)since);
    add_clean(text, th_names_of(&table->names, seen->name, seen->fn));
    th_text_add(text, "\n");
}

static int add_tasks(struct table *table, struct thrum_runtime *runtime)
{
    struct th_census *census;
    int code = th_census_take(runtime, false, &census);
    if (code < 0)
        return code;
    int64_t now = th_sys_now();
    for (uint32_t i = 0; i < census->count; i++)
        add_task(table, census, &census->sightings[i], now);
    th_census_drop(census);
    return 0;
}

/* ---- Workers ---- */

static unsigned long number(const th_atomic64 *counter)
{
    return (unsigned long)th_atomic64_load_relaxed(counter);
}

static void add_worker(struct table *table, const struct th_worker *worker)
{
    const struct th_counters *counters = &worker->counters;
    bool is_monitor = worker == worker->runtime->monitor.desk;
    const char *does = is_monitor ? "monitor" : th_permit_names[th_atomic32_load_relaxed(&worker->permit)];
    uint32_t tid = th_atomic32_load_relaxed(&worker->tid);
    if (tid == 0 && !is_monitor)
        does = "gone";
    th_text_add(&table->text, "%u\t%u\t%s\t%u\t%u\t%u\t", table->runtime, worker->index, does, tid,
                th_queue_count(&worker->ready) + (th_worker_slot(worker) != NULL), th_queue_count(&worker->fresh));
    th_text_add(&table->text, "%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\n", number(&worker->dispatches),
                number(&counters->steals), number(&counters->stolen), number(&counters->parks),
                number(&counters->wakes), number(&counters->polls), number(&counters->sleeps));
}

static int add_workers(struct table *table, struct thrum_runtime *runtime)
{
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++)
        add_worker(table, runtime->workers[i]);
    return 0;
}

/* ---- Both ---- */

typedef int rows_of(struct table *table, struct thrum_runtime *runtime);

static int add_all(struct table *table, rows_of *add)
{
    int code = 0;
    th_registry_enter();
    for (uint32_t place = 0; place < TH_REGISTRY_MOST && code == 0; place++) {
        struct thrum_runtime *runtime = th_registry_at(place);
        table->runtime = place;
        if (runtime != NULL)
            code = add(table, runtime);
    }
    th_registry_leave();
    return code;
}

static int write_table(int fd, const char *heads, rows_of *add)
{
    void *memory;
    int code = th_sys_map(sizeof(struct table), &memory);
    if (code < 0)
        return code;
    struct table *table = memory;
    table->text = (struct th_text){.bytes = table->bytes, .capacity = TEXT_BYTES, .fd = fd};
    th_text_add(&table->text, "%s\n", heads);
    code = add_all(table, add);
    int sent = th_text_send(&table->text);
    (void)th_sys_unmap(memory, sizeof *table);
    return code < 0 ? code : sent;
}

int th_table_tasks(int fd)
{
    return write_table(fd, "runtime\tid\tparent\tstate\tworker\twaits_for\towner\tsince_us\tname", add_tasks);
}

int th_table_workers(int fd)
{
    return write_table(fd,
                       "runtime\tindex\tdoes\tthread\tready\tfresh\tdispatches\tsteals\tstolen\tparks\twakes\tpolls"
                       "\tsleeps",
                       add_workers);
}
