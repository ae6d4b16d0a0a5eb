/* thrum_dump: a census, written down. */
#include "observe/brief_dump.h"

#include "base/sys.h"
#include "observe/census.h"
#include "observe/names.h"
#include "sched/registry.h"
#include "sched/worker.h"

#include <errno.h>
#include <string.h>

enum { TEXT_BYTES = 1 << 16, PATH_MOST = 8, PATH_BYTES = 512, BRIEF_STACKS = 16, BRIEF_TASKS = 4 };

enum form { TEXT, JSON, BRIEF };

/* All that a dump needs, in memory of its own. */
struct dump {
    struct th_text text;
    struct th_names names;
    struct th_census *census;
    int64_t now;
    bool is_json;
    uint32_t stacks_most, tasks_most;     /* of each stack */
    const struct thrum_group *path_group; /* whose path was written last */
    struct th_text path;
    char path_bytes[PATH_BYTES];
    char bytes[TEXT_BYTES];
};

/* ---- A task, in words ---- */

static void add_name(struct th_text *text, uint64_t id, const char *name)
{
    th_text_add(text, "task %lu", (unsigned long)id);
    if (*name != '\0')
        th_text_add(text, " (%s)", name);
}

static void add_task_name(struct dump *dump, const struct th_task *record, uint64_t id)
{
    struct th_task copy;
    add_name(&dump->text, id, th_census_copy(record, id, &copy) ? th_names_task(&dump->names, &copy) : "");
}

static void add_span(struct th_text *text, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    if (ns >= 1000000000)
        th_text_add(text, "%ld.%ld s", (long)(ns / 1000000000), (long)(ns / 100000000 % 10));
    else
        th_text_add(text, "%ld.%ld ms", (long)(ns / 1000000), (long)(ns / 100000 % 10));
}

static void add_object(struct th_text *text, const struct th_wait_kind *kind, const void *object)
{
    if (kind->is_number)
        th_text_add(text, " for %s %d", kind->name, (int)(intptr_t)object);
    else
        th_text_add(text, " for %s %p", kind->name, object);
}

static void add_wait(struct dump *dump, const struct th_sighting *seen)
{
    struct th_text *text = &dump->text;
    const struct th_wait_kind *kind = seen->waiting.kind, *copy = th_census_kind(dump->census, seen);
    th_text_add(text, " waits");
    if (kind == &th_wait_for_time) {
        th_text_add(text, " for time, for another ");
        add_span(text, (int64_t)(intptr_t)seen->waiting.object - dump->now);
    } else if (seen->owner != NULL && seen->owner == seen->waiting.object) {
        th_text_add(text, " for the end of ");
        add_task_name(dump, seen->owner, seen->owner_id);
    } else if (copy != NULL) {
        add_object(text, copy, seen->waiting.object);
        if (seen->owner != NULL) {
            th_text_add(text, ", which ");
            add_task_name(dump, seen->owner, seen->owner_id);
            th_text_add(text, " has");
        }
    }
    th_text_add(text, ", since ");
    add_span(text, dump->now - seen->parked_at);
}

/* "in task 7 (server) in task 1 (main)": whose group it is in, and so on. */
static void write_path(struct dump *dump, struct th_text *path, const struct th_task *task)
{
    struct th_task copy = *task;
    uint64_t id;
    for (int depth = 0; depth < PATH_MOST; depth++) {
        const struct th_task *parent = th_census_opener(copy.group, &id);
        if (parent == NULL || !th_census_copy(parent, id, &copy))
            return;
        th_text_put(path, " in ", 4);
        add_name(path, id, th_names_task(&dump->names, &copy));
    }
    th_text_put(path, " in ...", 7);
}

/* Tasks of one group often follow each other. */
static void add_path(struct dump *dump, const struct th_task *task)
{
    if (task->group != dump->path_group || task->group == NULL) {
        dump->path = (struct th_text){.bytes = dump->path_bytes, .capacity = PATH_BYTES, .fd = -1};
        dump->path_group = task->group;
        write_path(dump, &dump->path, task);
    }
    th_text_put(&dump->text, dump->path.bytes, dump->path.length);
}

static void add_sighting(struct dump *dump, const struct th_sighting *seen)
{
    struct th_text *text = &dump->text;
    struct th_task copy;
    if (!th_census_copy(seen->record, seen->id, &copy)) {
        th_text_add(text, "  task %lu, which has ended since\n", (unsigned long)seen->id);
        return;
    }
    th_text_add(text, "  ");
    add_name(text, seen->id, th_names_task(&dump->names, &copy));
    if (seen->state == TH_TASK_PARKED)
        add_wait(dump, seen);
    else
        th_text_add(text, " is %s", th_state_names[seen->state]);
    if (seen->state == TH_TASK_BENEATH && seen->owner != NULL) {
        th_text_add(text, " ");
        add_task_name(dump, seen->owner, seen->owner_id);
    }
    if (copy.fiber != NULL && seen->state != TH_TASK_OVER)
        th_text_add(text, "; worker %u", seen->worker);
    if (seen->stack_used > 0)
        th_text_add(text, ", stack %u of %lu KiB", (seen->stack_used + 1023) >> 10,
                    1ul << th_stack_arena.slot_shift >> 10);
    th_text_add(text, ";");
    add_path(dump, &copy);
    th_text_add(text, "\n");
}

/* ---- The same as JSON ---- */

static void add_json_string(struct dump *dump, const char *key, const char *value)
{
    th_text_add(&dump->text, ",\"%s\":", key);
    th_text_quote(&dump->text, value);
}

static void add_json_number(struct dump *dump, const char *key, int64_t value)
{
    th_text_add(&dump->text, ",\"%s\":%ld", key, (long)value);
}

static void add_json_wait(struct dump *dump, const struct th_sighting *seen)
{
    const struct th_wait_kind *kind = th_census_kind(dump->census, seen);
    if (kind != NULL) {
        add_json_string(dump, "waits_for", kind->name);
        add_json_number(dump, "object", (int64_t)(intptr_t)seen->waiting.object);
    }
    if (seen->owner != NULL)
        add_json_number(dump, "owner", (int64_t)seen->owner_id);
    add_json_number(dump, "parked_ns", dump->now - seen->parked_at);
}

static void add_json_sighting(struct dump *dump, const struct th_sighting *seen)
{
    struct th_task copy;
    uint64_t parent;
    th_text_add(&dump->text, "{\"id\":%lu", (unsigned long)seen->id);
    add_json_string(dump, "state", th_state_names[seen->state]);
    if (th_census_copy(seen->record, seen->id, &copy)) {
        add_json_string(dump, "name", th_names_task(&dump->names, &copy));
        if (th_census_opener(copy.group, &parent) != NULL)
            add_json_number(dump, "parent", (int64_t)parent);
        if (copy.fiber != NULL)
            add_json_number(dump, "worker", seen->worker);
    }
    if (seen->stack_used > 0)
        add_json_number(dump, "stack_used", seen->stack_used);
    if (seen->state == TH_TASK_PARKED)
        add_json_wait(dump, seen);
    th_text_add(&dump->text, "}");
}

/* ---- Stacks ---- */

static void add_sightings(struct dump *dump, uint32_t first)
{
    uint32_t left = dump->tasks_most;
    for (uint32_t i = first; i != TH_NO_STACK; i = dump->census->sightings[i].next) {
        if (left-- == 0) {
            th_text_add(&dump->text, "  and more\n");
            return;
        }
        if (!dump->is_json) {
            add_sighting(dump, &dump->census->sightings[i]);
            continue;
        }
        if (i != first)
            th_text_add(&dump->text, ",\n");
        add_json_sighting(dump, &dump->census->sightings[i]);
    }
}

static void add_call(struct dump *dump, uintptr_t place)
{
    /* The address after a call belongs to it, though it may be the next function's. */
    const struct th_symbol *symbol = th_names_place(&dump->names, place - 1);
    th_text_add(&dump->text, "    ");
    th_symbol_add(&dump->text, symbol);
    th_text_add(&dump->text, "\n");
}

static void add_json_call(struct dump *dump, uintptr_t place, bool is_first)
{
    const struct th_symbol *symbol = th_names_place(&dump->names, place - 1);
    th_text_add(&dump->text, "%s{\"address\":%lu", is_first ? "" : ",", (unsigned long)place);
    add_json_string(dump, "function", symbol->name);
    th_text_add(&dump->text, "}");
}

static void add_stack(struct dump *dump, const struct th_calls *calls)
{
    if (dump->is_json) {
        th_text_add(&dump->text, "{\"calls\":[");
        for (uint32_t i = 0; i < calls->count; i++)
            add_json_call(dump, calls->places[i], i == 0);
        th_text_add(&dump->text, "],\"tasks\":[");
        add_sightings(dump, calls->first);
        th_text_add(&dump->text, "]},\n");
        return;
    }
    th_text_add(&dump->text, "%u task%s here:\n", calls->tasks, calls->tasks == 1 ? "" : "s");
    for (uint32_t i = 0; i < calls->count; i++)
        add_call(dump, calls->places[i]);
    add_sightings(dump, calls->first);
}

static void add_stacks(struct dump *dump)
{
    for (uint32_t i = 0; i < dump->census->stack_count && i < dump->stacks_most; i++)
        add_stack(dump, &dump->census->stacks[i]);
    if (dump->is_json) {
        th_text_add(&dump->text, "{\"calls\":[],\"tasks\":[");
        add_sightings(dump, dump->census->without_stack);
        th_text_add(&dump->text, "]}");
        return;
    }
    if (dump->census->stack_count > dump->stacks_most)
        th_text_add(&dump->text, "and %u more stacks\n", dump->census->stack_count - dump->stacks_most);
    if (dump->census->without_stack != TH_NO_STACK)
        th_text_add(&dump->text, "without a stack to show:\n");
    add_sightings(dump, dump->census->without_stack);
}

/* ---- Runtimes ---- */

static void add_worker(struct dump *dump, const struct th_worker *worker)
{
    uint32_t permit = th_atomic32_load_relaxed(&worker->permit), tid = th_atomic32_load_relaxed(&worker->tid);
    uint32_t ready = th_queue_count(&worker->ready) + (th_worker_slot(worker) != NULL);
    unsigned long dispatches = (unsigned long)th_atomic64_load_relaxed(&worker->dispatches);
    if (dump->is_json)
        th_text_add(&dump->text,
                    "{\"index\":%u,\"permit\":\"%s\",\"thread\":%u,\"ready\":%u,\"fresh\":%u,"
                    "\"dispatches\":%lu}",
                    worker->index, th_permit_names[permit], tid, ready, th_queue_count(&worker->fresh), dispatches);
    else
        th_text_add(&dump->text, "  worker %u: %s, thread %u, %u ready, %u fresh, %lu dispatches\n", worker->index,
                    th_permit_names[permit], tid, ready, th_queue_count(&worker->fresh), dispatches);
}

static void add_workers(struct dump *dump, struct thrum_runtime *runtime)
{
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++) {
        if (dump->is_json && i > 0)
            th_text_add(&dump->text, ",\n");
        add_worker(dump, runtime->workers[i]);
    }
}

static void add_head(struct dump *dump, const struct thrum_runtime *runtime)
{
    const struct th_census *census = dump->census;
    th_text_add(&dump->text, "thrum: runtime of %u workers, %u tasks:", runtime->worker_count, census->count);
    for (uint32_t i = 0; i < TH_TASK_STATES; i++)
        th_text_add(&dump->text, "%s %u %s", i == 0 ? "" : ",", census->states[i], th_state_names[i]);
    th_text_add(&dump->text, "\n");
}

static int add_runtime(struct dump *dump, struct thrum_runtime *runtime)
{
    int code = th_census_take(runtime, true, &dump->census);
    if (code < 0)
        return code;
    dump->now = th_sys_now();
    if (dump->is_json)
        th_text_add(&dump->text, "{\"workers\":[");
    else
        add_head(dump, runtime);
    add_workers(dump, runtime);
    if (dump->is_json)
        th_text_add(&dump->text, "],\n\"stacks\":[");
    add_stacks(dump);
    if (dump->is_json)
        th_text_add(&dump->text, "]}");
    th_census_drop(dump->census);
    return 0;
}

static int add_runtimes(struct dump *dump)
{
    int code = 0;
    bool is_first = true;
    th_registry_enter();
    for (uint32_t i = 0; i < TH_REGISTRY_MOST && code == 0; i++) {
        struct thrum_runtime *runtime = th_registry_at(i);
        if (runtime == NULL)
            continue;
        if (dump->is_json && !is_first)
            th_text_add(&dump->text, ",\n");
        is_first = false;
        code = add_runtime(dump, runtime);
    }
    th_registry_leave();
    return code;
}

static int write_dump(int fd, enum form form)
{
    void *memory;
    int code = th_sys_map(sizeof(struct dump), &memory);
    if (code < 0)
        return code;
    struct dump *dump = memory;
    dump->text = (struct th_text){.bytes = dump->bytes, .capacity = TEXT_BYTES, .fd = fd};
    dump->is_json = form == JSON;
    dump->stacks_most = form == BRIEF ? BRIEF_STACKS : UINT32_MAX;
    dump->tasks_most = form == BRIEF ? BRIEF_TASKS : UINT32_MAX;
    if (dump->is_json)
        th_text_add(&dump->text, "{\"runtimes\":[");
    code = add_runtimes(dump);
    if (dump->is_json)
        th_text_add(&dump->text, "]}\n");
    int sent = th_text_send(&dump->text);
    (void)th_sys_unmap(memory, sizeof *dump);
    return code < 0 ? code : sent;
}

/* One at a time: a second one, perhaps in a handler that has interrupted the first, would wait for ever. */
static int dump_once(int fd, enum form form)
{
    static th_atomic32 is_dumping = TH_ATOMIC_INIT(0);
    if (th_atomic32_exchange_relaxed(&is_dumping, 1) != 0)
        return -EBUSY;
    int code = write_dump(fd, form);
    th_atomic32_store_relaxed(&is_dumping, 0);
    return code;
}

int thrum_dump(int fd)
{
    return dump_once(fd, TEXT);
}

int thrum_dump_json(int fd)
{
    return dump_once(fd, JSON);
}

void th_dump_briefly(void)
{
    (void)dump_once(2, BRIEF);
}
