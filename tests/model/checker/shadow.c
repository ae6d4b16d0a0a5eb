/*
 * Plain accesses. Each word of modelled memory has a cell with the epochs of its last write and reads (FastTrack: one
 * epoch while one thread reads, a set of them when several do), so that an access knows at once whether the earlier
 * ones happen before it. A word that is accessed in parts is split into cells of bytes.
 *
 * A cell that is touched is noted, with the word as it was: between executions the cells are cleared, and the
 * program's statics put back. Writes that nobody announces (a libc function's) are neither checked nor put back.
 */
#include "engine.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { CLOCK_BITS = 27, SETS_MAX = 1 << 16, SPLITS_MAX = 1 << 16 };
#define CLOCK_MASK   ((1u << CLOCK_BITS) - 1)
#define READ_BY_MANY 0x80000000u
enum cell_flag { CELL_TOUCHED = 1, CELL_POISONED = 2, CELL_SPLIT = 4, CELL_FLAG_BITS = 8 };

struct split {
    struct cell bytes[4];
};

struct touched {
    struct cell *cell;
    uint32_t *word; /* of a static, else NULL */
    uint32_t before;
};

static struct cell *arena_cells, *static_cells;
static uintptr_t statics;
static size_t static_bytes;
static uint32_t (*read_sets)[THREADS_MAX];
static uint32_t read_set_count;
static struct split *splits;
static uint32_t split_count;
static struct touched *touched;
static size_t touched_count, touched_capacity;

static void *reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

void shadow_init(void)
{
    sites_globals(&statics, &static_bytes);
    arena_cells = reserve(ARENA_BYTES / 4 * sizeof *arena_cells);
    static_cells = reserve((static_bytes / 4 + 2) * sizeof *static_cells);
    read_sets = reserve(SETS_MAX * sizeof *read_sets);
    splits = reserve(SPLITS_MAX * sizeof *splits);
}

void shadow_reset(void)
{
    while (touched_count > 0) {
        struct touched *last = &touched[--touched_count];
        *last->cell = (struct cell){0};
        if (last->word != NULL)
            *last->word = last->before;
    }
    read_set_count = 0;
    split_count = 0;
}

static bool is_static(uintptr_t address)
{
    return address - statics < static_bytes;
}

static TH_NOINLINE void cell_touch(struct cell *cell, uintptr_t address)
{
    cell->flags |= CELL_TOUCHED;
    if (touched_count == touched_capacity) {
        touched_capacity = touched_capacity != 0 ? touched_capacity * 2 : 1024;
        touched = realloc(touched, touched_capacity * sizeof *touched);
        if (touched == NULL)
            abort();
    }
    uint32_t *word = is_static(address) ? (uint32_t *)(address & ~(uintptr_t)3) : NULL;
    touched[touched_count++] = (struct touched){cell, word, word != NULL ? *word : 0};
}

/* Found for reading or writing: the caller will change the cell, so it is noted here. */
struct cell *shadow_cell(uintptr_t address)
{
    struct cell *cell;
    if (address - ARENA_BASE < ARENA_BYTES)
        cell = &arena_cells[(address - ARENA_BASE) / 4];
    else if (is_static(address))
        cell = &static_cells[(address - (statics & ~(uintptr_t)3)) / 4];
    else
        return NULL;
    if (!(cell->flags & CELL_TOUCHED))
        cell_touch(cell, address);
    return cell;
}

static unsigned epoch_thread(uint32_t epoch)
{
    return epoch >> CLOCK_BITS;
}

static bool epoch_is_known(uint32_t epoch, const struct thread *thread)
{
    return (epoch & CLOCK_MASK) <= thread->now.hb[epoch_thread(epoch)];
}

static uint32_t epoch_now(const struct thread *thread)
{
    unsigned self = (unsigned)(thread - engine.threads);
    return self << CLOCK_BITS | thread->now.hb[self];
}

static TH_NORETURN TH_NOINLINE void race(uintptr_t address, const char *what, unsigned other, const char *did,
                                         uintptr_t site)
{
    char name[96];
    if (!arena_describe(address, name, sizeof name) && !sites_data_name(address, name, sizeof name))
        snprintf(name, sizeof name, "%#lx", (unsigned long)address);
    record_event(engine.current, *what == 'r' ? EVENT_READ : EVENT_WRITE, address, 0, 0, 0, 0, site);
    engine_fail(address, "data race on %s: thread %d %s what thread %u %s, and neither happens before the other", name,
                engine.current, what, other, did);
}

static void check_reads(const struct cell *cell, const struct thread *thread, uintptr_t address, const char *what,
                        uintptr_t site)
{
    if (!(cell->read & READ_BY_MANY)) {
        if (cell->read != 0 && !epoch_is_known(cell->read, thread))
            race(address, what, epoch_thread(cell->read), "read", site);
        return;
    }
    const uint32_t *set = read_sets[cell->read & ~READ_BY_MANY];
    for (unsigned t = 0; t < THREADS_MAX; t++)
        if (set[t] > thread->now.hb[t])
            race(address, what, t, "read", site);
}

static void note_read(struct cell *cell, const struct thread *thread)
{
    uint32_t now = epoch_now(thread);
    if (cell->read & READ_BY_MANY) {
        read_sets[cell->read & ~READ_BY_MANY][thread - engine.threads] = now & CLOCK_MASK;
        return;
    }
    if (cell->read == 0 || epoch_is_known(cell->read, thread)) {
        cell->read = now;
        return;
    }
    if (read_set_count == SETS_MAX)
        engine_fail(0, "more than %d words are read by several threads", SETS_MAX);
    uint32_t *set = read_sets[read_set_count];
    memset(set, 0, sizeof *read_sets);
    set[epoch_thread(cell->read)] = cell->read & CLOCK_MASK;
    set[thread - engine.threads] = now & CLOCK_MASK;
    cell->read = READ_BY_MANY | read_set_count++;
}

static void cell_access(struct cell *cell, struct thread *thread, uintptr_t address, bool is_write, uintptr_t site)
{
    uint32_t now = epoch_now(thread);
    if (is_write ? cell->write == now && cell->read == 0 : cell->read == now || cell->write == now)
        return;
    const char *what = is_write ? "writes" : "reads";
    if (cell->write != 0 && !epoch_is_known(cell->write, thread))
        race(address, what, epoch_thread(cell->write), "wrote", site);
    if (is_write) {
        check_reads(cell, thread, address, what, site);
        cell->write = now;
        cell->read = 0;
    } else {
        note_read(cell, thread);
    }
}

/* A plain access to a word that is also used atomically. */
static void atomic_cell_access(const struct cell *cell, struct thread *thread, uintptr_t address, bool is_write,
                               uintptr_t site)
{
    /* Its own stores are in memory for the plain access that follows. */
    ordering_drain(site);
    struct location *location = location_numbered(cell->location);
    for (unsigned t = 0; t < THREADS_MAX; t++) {
        if (location->writes[t] > thread->now.hb[t])
            race(address, is_write ? "writes" : "reads", t, "wrote atomically", site);
        if (is_write && location->reads[t] > thread->now.hb[t])
            race(address, "writes", t, "read atomically", site);
    }
    if (is_write) {
        location->is_plainly_written = true;
        location->plain_thread = (uint8_t)engine.current;
        location->plain_epoch = thread->now.hb[engine.current];
    }
}

static struct split *cell_split(struct cell *cell)
{
    if (!(cell->flags & CELL_SPLIT)) {
        if (split_count == SPLITS_MAX)
            engine_fail(0, "more than %d words are accessed in parts", SPLITS_MAX);
        for (int i = 0; i < 4; i++)
            splits[split_count].bytes[i] = *cell;
        /* Sets are not shared between cells: each byte gets a copy. */
        for (int i = 1; i < 4 && (cell->read & READ_BY_MANY); i++) {
            memcpy(read_sets[read_set_count], read_sets[cell->read & ~READ_BY_MANY], sizeof *read_sets);
            splits[split_count].bytes[i].read = READ_BY_MANY | read_set_count++;
        }
        cell->flags |= CELL_SPLIT | split_count++ << CELL_FLAG_BITS;
    }
    return &splits[cell->flags >> CELL_FLAG_BITS];
}

static void word_access(struct cell *cell, struct thread *thread, uintptr_t address, size_t size, bool is_write,
                        uintptr_t site)
{
    if (size == 4 && !(cell->flags & CELL_SPLIT)) {
        cell_access(cell, thread, address, is_write, site);
        return;
    }
    struct split *split = cell_split(cell);
    for (size_t i = address & 3; size > 0; i++, size--)
        cell_access(&split->bytes[i], thread, address, is_write, site);
}

void shadow_access(uintptr_t address, size_t size, bool is_write, uintptr_t site)
{
    struct thread *thread = current_thread();
    if (is_write && !arena_is_stack(address))
        schedule_progress();
    if (engine.is_recording && size != 0)
        record_event(engine.current, is_write ? EVENT_WRITE : EVENT_READ, address, (unsigned)size, 0, 0, 0, site);
    while (size > 0) {
        struct cell *cell = shadow_cell(address);
        if (cell == NULL)
            return;
        if (cell->flags & CELL_POISONED)
            engine_fail(address, "thread %d %s memory that is freed or beyond its block", engine.current,
                        is_write ? "writes" : "reads");
        size_t part = 4 - (address & 3);
        if (part > size)
            part = size;
        if (cell->location != 0)
            atomic_cell_access(cell, thread, address, is_write, site);
        word_access(cell, thread, address, part, is_write, site);
        address += part;
        size -= part;
    }
}

static void atomic_against_plain(const struct cell *cell, const struct thread *thread, uintptr_t address, bool is_write)
{
    if (cell->write != 0 && !epoch_is_known(cell->write, thread))
        race(address, is_write ? "writes atomically" : "reads atomically", epoch_thread(cell->write), "wrote", 0);
    if (is_write)
        check_reads(cell, thread, address, "writes atomically", 0);
}

void shadow_atomic(struct location *location, bool is_write)
{
    const struct thread *thread = current_thread();
    uintptr_t end = location->address + location->size;
    for (uintptr_t at = location->address & ~(uintptr_t)3; at < end; at += 4) {
        struct cell *cell = shadow_cell(at);
        if (cell->flags & CELL_POISONED)
            engine_fail(at, "thread %d uses an atomic in memory that is freed or beyond its block", engine.current);
        if (!(cell->flags & CELL_SPLIT)) {
            atomic_against_plain(cell, thread, at, is_write);
            continue;
        }
        for (uintptr_t i = 0; i < 4; i++)
            if (at + i >= location->address && at + i < end)
                atomic_against_plain(&splits[cell->flags >> CELL_FLAG_BITS].bytes[i], thread, at + i, is_write);
    }
}

void shadow_poison(uintptr_t address, size_t size)
{
    for (uintptr_t at = (address + 3) & ~(uintptr_t)3; at + 4 <= ((address + size + 3) & ~(uintptr_t)3); at += 4)
        shadow_cell(at)->flags |= CELL_POISONED;
}

/* Memory that begins a new life: nobody has accessed it. */
void shadow_clear(uintptr_t address, size_t size)
{
    for (uintptr_t at = address & ~(uintptr_t)3; at < address + size; at += 4)
        *shadow_cell(at) = (struct cell){.flags = CELL_TOUCHED};
}
