#include "sched/timer.h"

#include "base/mutant.h"
#include "base/panic.h"
#include "base/sys.h"

#include <errno.h>
#include <string.h>

enum {
    /* A cache line of entries. bench/timers.c: eight children cost the same and say less. */
    CHILDREN = 4,
    /* Entries left out before the heap, so that the children of each begin a cache line. */
    PAD = CHILDREN - 1,
    CAPACITY_LEAST = 64,
    /* Indices of grandchildren must fit. Beyond it is -ENOMEM, at 6 GB. */
    CAPACITY_MOST = 1 << 27,
    /* Shrinking waits until so small a part is armed, that the next growing is far away. */
    SHRINK_PART = 8,
    /* Walking the whole heap after each operation is for small ones. */
    AUDITED_MOST = 64,
    NO_SLOT = -1,
};

struct th_timer_entry {
    int64_t deadline;
    uint32_t sequence;
    uint32_t slot;
};

struct th_timer_holder {
    void *owner;
    struct th_timer *timer; /* touched when the tables shrink, and never else */
    uint32_t epoch;
};

/* Without a branch: for random deadlines it would be guessed wrong every other time. */
static bool entry_is_before(const struct th_timer_entry *a, const struct th_timer_entry *b)
{
    bool is_earlier = a->deadline < b->deadline;
    bool is_equal = a->deadline == b->deadline;
    bool is_older = (int32_t)(a->sequence - b->sequence) < 0;
    return (bool)(is_earlier | (is_equal & is_older));
}

static bool entry_is_sound(const struct th_timers *timers, uint32_t at)
{
    const struct th_timer_entry *entry = &timers->heap[at];
    const struct th_timer *timer = timers->holders[entry->slot].timer;
    bool is_found = timers->positions[entry->slot] == at && timer->slot == entry->slot;
    return is_found && (at == 0 || !entry_is_before(entry, &timers->heap[(at - 1) / CHILDREN]));
}

/* The invariant of the header, by walking all of it. */
TH_UNUSED static bool timers_are_sound(const struct th_timers *timers)
{
    uint32_t slots = 0;
    for (; slots < timers->count; slots++) {
        if (!entry_is_sound(timers, slots))
            return false;
    }
    for (uint32_t slot = timers->free; slot != (uint32_t)NO_SLOT; slot = timers->positions[slot])
        slots++;
    return slots == timers->slots_used;
}

/* Before the lock is left: what others read without it. */
static void timers_publish(struct th_timers *timers)
{
    uint64_t next = (uint64_t)(timers->count > 0 ? timers->heap[0].deadline : INT64_MAX);
    if (th_atomic64_load_relaxed(&timers->next) != next)
        th_atomic64_store_relaxed(&timers->next, next);
    TH_ASSERT(timers->slots_used > AUDITED_MOST || timers_are_sound(timers));
}

/* ---- The heap ---- */

static void heap_place(struct th_timers *timers, uint32_t at, struct th_timer_entry entry)
{
    timers->heap[at] = entry;
    timers->positions[entry.slot] = at;
}

/* The entry goes into the hole, or above it, where its parent is not later. */
static void heap_rise(struct th_timers *timers, uint32_t hole, struct th_timer_entry entry)
{
    while (hole > 0) {
        uint32_t parent = (hole - 1) / CHILDREN;
        if (!entry_is_before(&entry, &timers->heap[parent]))
            break;
        heap_place(timers, hole, timers->heap[parent]);
        hole = parent;
    }
    heap_place(timers, hole, entry);
}

static uint32_t least_of(const struct th_timer_entry *entries, uint32_t count)
{
    if (TH_LIKELY(count >= CHILDREN)) {
        uint32_t low = entry_is_before(&entries[1], &entries[0]);
        uint32_t high = 2u + entry_is_before(&entries[3], &entries[2]);
        bool is_high = entry_is_before(&entries[high], &entries[low]);
        return is_high ? high : low;
    }
    uint32_t least = 0;
    for (uint32_t i = 1; i < count; i++)
        least = entry_is_before(&entries[i], &entries[least]) ? i : least;
    return least;
}

/* All that the level after next may read, four lines in a row, while the next is compared: of a million timers the
 * lower levels are in no near cache, and each waits for the one above (due 510 -> 390 ns). */
static void heap_prefetch(const struct th_timers *timers, uint32_t child)
{
    uint32_t first = CHILDREN * child + 1;
    if (first + CHILDREN * CHILDREN > timers->count)
        return;
    for (uint32_t i = 0; i < CHILDREN; i++)
        __builtin_prefetch(&timers->heap[first + i * CHILDREN]);
}

/* Moves the hole down to a leaf, each time the earliest child up; returns where it ended. */
static uint32_t heap_sink(struct th_timers *timers, uint32_t hole)
{
    uint32_t child;
    while ((child = CHILDREN * hole + 1) < timers->count) {
        heap_prefetch(timers, child);
        child += least_of(&timers->heap[child], timers->count - child);
        heap_place(timers, hole, timers->heap[child]);
        hole = child;
    }
    return hole;
}

/* The last entry fills the gap. It came from a leaf and mostly belongs to one: sinking the bare hole and rising from
 * there compares less than sinking the entry, and is right for a gap anywhere. */
static void heap_remove(struct th_timers *timers, uint32_t at)
{
    struct th_timer_entry last = timers->heap[--timers->count];
    if (at < timers->count)
        heap_rise(timers, heap_sink(timers, at), last);
}

/* ---- The tables ---- */

/* All of them are one block, so that growing succeeds or fails as a whole. The heap comes first. */
static bool tables_alloc(struct th_timers *timers, uint32_t capacity)
{
    size_t heap_bytes = (PAD + (size_t)capacity) * sizeof *timers->heap;
    size_t holder_bytes = capacity * sizeof *timers->holders;
    char *block = th_sys_alloc_aligned(TH_CACHE_LINE, heap_bytes + holder_bytes + capacity * sizeof *timers->positions);
    if (block == NULL)
        return false;
    timers->heap = (struct th_timer_entry *)(void *)block + PAD;
    timers->holders = (struct th_timer_holder *)(void *)(block + heap_bytes);
    timers->positions = (uint32_t *)(void *)(block + heap_bytes + holder_bytes);
    timers->capacity = capacity;
    return true;
}

static void tables_free(struct th_timers *timers)
{
    if (timers->heap != NULL)
        th_sys_free(timers->heap - PAD);
}

/* What there is now, without the lock, which others try to take meanwhile. */
static struct th_timers tables_now(const struct th_timers *timers)
{
    return (struct th_timers){
        .count = timers->count,
        .capacity = timers->capacity,
        .slots_used = timers->slots_used,
        .heap = timers->heap,
        .positions = timers->positions,
        .holders = timers->holders,
    };
}

static TH_NOINLINE int tables_grow(struct th_timers *timers)
{
    struct th_timers before = tables_now(timers);
    uint32_t capacity = before.capacity == 0 ? CAPACITY_LEAST : 2 * before.capacity;
    if (before.capacity >= CAPACITY_MOST || !tables_alloc(timers, capacity))
        return -ENOMEM;
    if (before.heap == NULL)
        return 0;
    memcpy(timers->heap, before.heap, before.count * sizeof *timers->heap);
    memcpy(timers->holders, before.holders, before.slots_used * sizeof *timers->holders);
    memcpy(timers->positions, before.positions, before.slots_used * sizeof *timers->positions);
    tables_free(&before);
    return 0;
}

/* Those in slots that still exist stay there; the others move to the free slots below, and are told. */
static void tables_move(struct th_timers *timers, const struct th_timer_holder *holders)
{
    for (uint32_t slot = 0; slot < timers->slots_used; slot++)
        timers->positions[slot] = (uint32_t)NO_SLOT;
    for (uint32_t i = 0; i < timers->count; i++) {
        uint32_t slot = timers->heap[i].slot;
        if (slot < timers->slots_used) {
            timers->positions[slot] = i;
            timers->holders[slot] = holders[slot];
        }
    }
    uint32_t vacant = 0;
    for (uint32_t i = 0; i < timers->count; i++) {
        uint32_t slot = timers->heap[i].slot;
        if (slot < timers->slots_used)
            continue;
        while (timers->positions[vacant] != (uint32_t)NO_SLOT)
            vacant++;
        timers->holders[vacant] = holders[slot];
        timers->holders[vacant].timer->slot = vacant;
        timers->heap[i].slot = vacant;
        timers->positions[vacant] = i;
    }
}

/* A link and a place look alike: what is free is what no entry of the heap names. */
static void tables_link_free(struct th_timers *timers)
{
    timers->free = (uint32_t)NO_SLOT;
    for (uint32_t slot = timers->slots_used; slot-- > 0;) {
        if (timers->positions[slot] == (uint32_t)NO_SLOT) {
            timers->positions[slot] = timers->free;
            timers->free = slot;
        }
    }
}

/* Where there is no memory to shrink into, it stays as it is. */
static TH_NOINLINE void tables_shrink(struct th_timers *timers)
{
    struct th_timers before = tables_now(timers);
    if (!tables_alloc(timers, before.capacity / 2))
        return;
    if (timers->slots_used > timers->capacity)
        timers->slots_used = timers->capacity;
    memcpy(timers->heap, before.heap, before.count * sizeof *timers->heap);
    tables_move(timers, before.holders);
    tables_link_free(timers);
    tables_free(&before);
}

static void tables_fit(struct th_timers *timers)
{
    while (timers->capacity > CAPACITY_LEAST && timers->count < timers->capacity / SHRINK_PART) {
        uint32_t capacity = timers->capacity;
        tables_shrink(timers);
        if (timers->capacity == capacity)
            return;
    }
}

/* There is one: count < capacity. */
static uint32_t slot_take(struct th_timers *timers)
{
    uint32_t slot = timers->free;
    if (slot == (uint32_t)NO_SLOT)
        return timers->slots_used++;
    timers->free = timers->positions[slot];
    return slot;
}

static void slot_give(struct th_timers *timers, uint32_t slot)
{
    timers->positions[slot] = timers->free;
    timers->free = slot;
}

/* ---- The module ---- */

void th_timers_init(struct th_timers *timers)
{
    *timers = (struct th_timers){
        .next = TH_ATOMIC_INIT((uint64_t)INT64_MAX),
        .lock = TH_LOCK_INIT,
        .free = (uint32_t)NO_SLOT,
    };
}

void th_timers_fini(struct th_timers *timers)
{
    TH_ASSERT(timers_are_sound(timers));
    tables_free(timers);
    th_timers_init(timers);
}

int th_timer_arm(struct th_timers *timers, struct th_timer *timer, int64_t deadline, void *owner, uint32_t epoch)
{
    th_lock_take(&timers->lock);
    if (TH_UNLIKELY(timers->count == timers->capacity) && tables_grow(timers) < 0) {
        timer->timers = NULL;
        th_lock_leave(&timers->lock);
        return -ENOMEM;
    }
    uint32_t slot = slot_take(timers), sequence = timers->sequence++;
    *timer = (struct th_timer){.timers = timers, .slot = slot, .sequence = sequence};
    timers->holders[slot] = (struct th_timer_holder){.owner = owner, .timer = timer, .epoch = epoch};
    struct th_timer_entry entry = {.deadline = deadline, .sequence = sequence, .slot = slot};
    heap_rise(timers, timers->count++, entry);
    timers_publish(timers);
    th_lock_leave(&timers->lock);
    return 0;
}

static bool timer_is_armed(const struct th_timers *timers, const struct th_timer *timer)
{
    if (timer->slot >= timers->slots_used)
        return false;
    uint32_t at = timers->positions[timer->slot];
    return at < timers->count && timers->heap[at].slot == timer->slot && timers->heap[at].sequence == timer->sequence;
}

bool th_timer_disarm(struct th_timer *timer)
{
    struct th_timers *timers = timer->timers;
    if (timers == NULL)
        return false;
    th_lock_take(&timers->lock);
    bool is_armed = TH_MUTANT(disarm_without_look) || timer_is_armed(timers, timer);
    if (is_armed) {
        heap_remove(timers, timers->positions[timer->slot]);
        slot_give(timers, timer->slot);
        tables_fit(timers);
        timers_publish(timers);
    }
    th_lock_leave(&timers->lock);
    timer->timers = NULL;
    return is_armed;
}

/* From slots, which stand where the epochs will, to what was armed with them. */
static void due_fill(struct th_timers *timers, struct th_timer_due *due, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = due[i].epoch;
        const struct th_timer_holder *holder = &timers->holders[slot];
        due[i] = (struct th_timer_due){.owner = holder->owner, .epoch = holder->epoch};
        slot_give(timers, slot);
    }
}

size_t th_timers_due(struct th_timers *timers, int64_t now, struct th_timer_due *due, size_t most)
{
    size_t count = 0;
    if (th_timers_next(timers) > now)
        return 0;
    th_lock_take(&timers->lock);
    while (count < most && timers->count > 0 && timers->heap[0].deadline <= now) {
        uint32_t slot = timers->heap[0].slot;
        /* Fetched while the heap closes; read when all are out, or each would be waited for (390 -> 340 ns). */
        __builtin_prefetch(&timers->holders[slot]);
        due[count++].epoch = slot;
        heap_remove(timers, 0);
    }
    due_fill(timers, due, count);
    tables_fit(timers);
    timers_publish(timers);
    th_lock_leave(&timers->lock);
    return count;
}
