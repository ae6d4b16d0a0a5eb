#include "observe/census.h"

#include "base/sys.h"
#include "sched/wait.h"
#include "sched/worker.h"
#include "task/group.h"
#include "task/life.h"
#include "task/post.h"

#include <errno.h>
#include <string.h>

/* ---- What belongs to others ---- */

static bool peek(const void *from, void *to, size_t bytes)
{
    return from != NULL && th_sys_peek(from, to, bytes) == 0;
}

bool th_census_copy(const struct th_task *record, uint64_t id, struct th_task *copy)
{
    return peek(record, copy, sizeof *copy) && copy->id == id;
}

const struct th_task *th_census_opener(const struct thrum_group *group, uint64_t *id)
{
    struct thrum_group copy;
    if (!peek(group, &copy, sizeof copy) || !peek(&copy.opener_->id, id, sizeof *id) || *id == 0)
        return NULL;
    return copy.opener_;
}

static size_t kept_at(const void *address)
{
    return (size_t)((uintptr_t)address * 0x9e3779b97f4a7c15u >> 40) % TH_CENSUS_KEPT;
}

/* There are few of them, and they never change. */
static const struct th_wait_kind *kind_of(struct th_census *census, const struct th_wait_kind *kind)
{
    size_t at = kept_at(kind);
    if (census->kinds[at].at != kind) {
        census->kinds[at].at = NULL;
        if (!peek(kind, &census->kinds[at].copy, sizeof census->kinds[at].copy))
            return NULL;
        census->kinds[at].at = kind;
    }
    return kind != NULL ? &census->kinds[at].copy : NULL;
}

const struct th_wait_kind *th_census_kind(struct th_census *census, const struct th_sighting *seen)
{
    return seen->state == TH_TASK_PARKED ? kind_of(census, seen->waiting.kind) : NULL;
}

/* The same for workers: the last known one where it is not to be had. */
static uint32_t index_of(struct th_census *census, const struct th_worker *worker)
{
    size_t at = kept_at(worker);
    if (census->workers[at].at != worker && peek(&worker->index, &census->workers[at].index, sizeof(uint32_t)))
        census->workers[at].at = worker;
    return census->workers[at].index;
}

/* Who must act before a wait can end, asked of a copy of what is waited for. */
static const struct th_task *owner_of(struct th_census *census, struct th_waiting waiting, uint64_t *id)
{
    const struct th_wait_kind *kind = kind_of(census, waiting.kind);
    const struct th_task *owner = NULL;
    if (kind == NULL || kind->owner == NULL || kind->bytes > sizeof census->object)
        return NULL;
    if (kind->bytes == 0)
        owner = waiting.object;
    else if (peek(waiting.object, census->object, kind->bytes))
        owner = kind->owner(census->object);
    return owner != NULL && peek(&owner->id, id, sizeof *id) && *id != 0 ? owner : NULL;
}

/* ---- Stacks ---- */

static uint32_t hash_of(const uintptr_t places[], uint32_t count)
{
    uint64_t hash = count;
    for (uint32_t i = 0; i < count; i++)
        hash = (hash ^ places[i]) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 40) % TH_CENSUS_TABLE;
}

/* The stack that has these calls; made if there is none yet. */
static uint32_t find_stack(struct th_census *census, uint32_t count)
{
    uint32_t *head = &census->table[hash_of(census->places, count)];
    for (uint32_t i = *head; i != TH_NO_STACK; i = census->stacks[i].same_hash) {
        struct th_calls *calls = &census->stacks[i];
        if (calls->count == count && memcmp(calls->places, census->places, count * sizeof calls->places[0]) == 0)
            return i;
    }
    struct th_calls *calls = &census->stacks[census->stack_count];
    memcpy(calls->places, census->places, count * sizeof calls->places[0]);
    calls->count = count;
    calls->first = TH_NO_STACK;
    calls->same_hash = *head;
    return *head = census->stack_count++;
}

/* How many calls there are on a fiber's stack, into census->places. */
static uint32_t walk(struct th_census *census, const struct th_fiber *fiber, uintptr_t header)
{
    uint32_t count = 0;
    if (!th_unwind_begin(&census->unwind, fiber->context, th_stack_low(th_stack_slot_of(header)), header))
        return 0;
    do
        census->places[count++] = census->unwind.pc;
    while (count < TH_CENSUS_FRAMES && th_unwind_step(&census->unwind));
    return count;
}

/* ---- Tasks ---- */

static bool is_over(const struct th_task *task)
{
    return (task->flags & TH_TASK_HAS_HANDLE) != 0 && th_atomicptr_load_relaxed(&task->done) == TH_DONE_CLOSED;
}

static bool is_current(const struct th_fiber *fiber, const void *at)
{
    struct th_fiber *current;
    return peek(&fiber->thread->current, &current, sizeof(void *)) && current == at;
}

static enum th_task_state state_of(const struct th_task *task, const struct th_sighting *seen,
                                   const struct th_fiber *fiber)
{
    if (fiber->task != seen->record)
        return TH_TASK_BENEATH;
    uint32_t state = th_atomic64_load_relaxed(&task->wait) & 0xffff;
    if (state == TH_WAIT_PARKED)
        return TH_TASK_PARKED;
    if (is_current(fiber, task->fiber))
        return TH_TASK_RUNNING;
    return state == TH_WAIT_WAITING ? TH_TASK_MOVING : TH_TASK_READY;
}

/* It is where it was when it was looked at first, and has been all the time. */
static TH_NOINLINE bool has_stayed(const struct th_task *task, const struct th_sighting *seen,
                                   const struct th_fiber *fiber)
{
    struct th_task now;
    if (!th_census_copy(seen->record, seen->id, &now) || now.fiber != task->fiber ||
        th_atomic64_load_relaxed(&now.wait) != th_atomic64_load_relaxed(&task->wait))
        return false;
    if (seen->state == TH_TASK_PARKED)
        return true;
    struct th_fiber then;
    return peek(task->fiber, &then, sizeof then) && then.context == fiber->context && then.task == fiber->task &&
           !is_current(&then, task->fiber);
}

static void look_at_stack(struct th_census *census, const struct th_task *task, struct th_sighting *seen,
                          const struct th_fiber *fiber)
{
    uint32_t count = walk(census, fiber, (uintptr_t)task->fiber);
    if (!has_stayed(task, seen, fiber)) {
        seen->state = TH_TASK_MOVING;
        return;
    }
    seen->stack_used = (uint32_t)((uintptr_t)task->fiber - (uintptr_t)fiber->context);
    if (count > 0)
        seen->stack = find_stack(census, count);
}

/* Of a record that is just being filled the fiber may be that of its last life. */
static TH_NOINLINE void look_on_top(const struct th_task *task, struct th_sighting *seen, const struct th_fiber *fiber)
{
    struct th_task now;
    if (!th_census_copy(seen->record, seen->id, &now) || now.fiber != task->fiber)
        seen->state = TH_TASK_MOVING;
    else if (peek(&fiber->task->id, &seen->owner_id, sizeof seen->owner_id) && seen->owner_id != 0)
        seen->owner = fiber->task;
}

static void look_at_fiber(struct th_census *census, const struct th_task *task, struct th_sighting *seen)
{
    struct th_fiber fiber;
    if (!th_stack_contains((uintptr_t)task->fiber) || !peek(task->fiber, &fiber, sizeof fiber)) {
        seen->state = TH_TASK_MOVING;
        return;
    }
    seen->worker = index_of(census, TH_CONTAINER(fiber.thread, struct th_worker, thread));
    seen->state = state_of(task, seen, &fiber);
    if (seen->state == TH_TASK_BENEATH)
        look_on_top(task, seen, &fiber);
    if (seen->state == TH_TASK_PARKED) {
        seen->waiting = th_waiting_of(&fiber);
        seen->owner = owner_of(census, seen->waiting, &seen->owner_id);
        seen->parked_at = fiber.parked_at;
    }
    if (census->has_calls && (seen->state == TH_TASK_PARKED || seen->state == TH_TASK_READY))
        look_at_stack(census, task, seen, &fiber);
}

/* Last in, first out: the newest tasks stand first under each stack. */
static void enter(struct th_census *census, struct th_sighting *seen)
{
    uint32_t *first = &census->without_stack;
    if (seen->stack != TH_NO_STACK) {
        census->stacks[seen->stack].tasks++;
        first = &census->stacks[seen->stack].first;
    }
    seen->next = *first;
    *first = census->count++;
    census->states[seen->state]++;
}

static void look_at(struct th_census *census, const struct th_task *record, const struct th_task *task)
{
    if (task->id == 0 || task->runtime != census->runtime || census->count == census->capacity)
        return;
    struct th_sighting *seen = &census->sightings[census->count];
    *seen = (struct th_sighting){.id = task->id,
                                 .record = record,
                                 .fn = task->fn,
                                 .name = task->name,
                                 .group = task->group,
                                 .stack = TH_NO_STACK};
    if (is_over(task))
        seen->state = TH_TASK_OVER;
    else if (task->fiber != NULL)
        look_at_fiber(census, task, seen);
    enter(census, seen);
}

static void look_at_records(struct th_census *census, const void *records, uint32_t count, size_t bytes)
{
    if (!peek(records, census->chunk, count * bytes))
        return;
    for (uint32_t i = 0; i < count; i++)
        look_at(census, (const void *)((const char *)records + i * bytes), (void *)(census->chunk + i * bytes));
}

/* ---- All of them ---- */

static uint32_t count_records(const struct thrum_runtime *runtime)
{
    uint32_t total = TH_POSTS, count;
    for (const struct th_record_chunk *chunk = NULL; (chunk = th_records_next_chunk(&runtime->records, chunk)) != NULL;
         total += count)
        (void)th_record_chunk_view(chunk, &count);
    return total;
}

static int open_census(struct thrum_runtime *runtime, struct th_census **census)
{
    uint32_t capacity = count_records(runtime);
    size_t bytes = sizeof **census + capacity * (sizeof(struct th_sighting) + sizeof(struct th_calls));
    void *memory;
    int code = th_sys_map(bytes, &memory);
    if (code < 0)
        return code;
    *census = memory;
    (*census)->runtime = runtime;
    (*census)->mapped = bytes;
    (*census)->capacity = capacity;
    (*census)->sightings = (void *)(*census + 1);
    (*census)->stacks = (void *)((*census)->sightings + capacity);
    (*census)->without_stack = TH_NO_STACK;
    memset((*census)->table, 0xff, sizeof(*census)->table);
    return 0;
}

int th_census_take(struct thrum_runtime *runtime, bool has_calls, struct th_census **census)
{
    int code = open_census(runtime, census);
    if (code < 0)
        return code;
    (*census)->has_calls = has_calls;
    uint32_t count;
    for (const struct th_record_chunk *chunk = NULL;
         (chunk = th_records_next_chunk(&runtime->records, chunk)) != NULL;) {
        const void *records = th_record_chunk_view(chunk, &count);
        look_at_records(*census, records, count, TH_RECORD_BYTES);
    }
    look_at_records(*census, runtime->posts->tasks, TH_POSTS, sizeof(struct th_task));
    return 0;
}

void th_census_drop(struct th_census *census)
{
    (void)th_sys_unmap(census, census->mapped);
}
