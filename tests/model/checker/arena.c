/*
 * The addresses of modelled code: at a fixed place, and given out so that an execution that makes the same choices
 * gets the same ones. Each thread has a part of its own for its stack, its allocations and its maps, so that what one
 * thread allocates does not depend on when another does.
 *
 * Memory is not given out twice in an execution (a use after free is always seen), but with `.recycle`.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { BLOCKS_MAX = 1 << 16, PAGE = 4096, RED_ZONE = 16 };
#define SLICE_BYTES (ARENA_BYTES / THREADS_MAX)
#define STACK_BYTES ((size_t)256 << 10)
#define HEAP_BYTES  ((size_t)32 << 20)
#define MAP_BYTES   (SLICE_BYTES - STACK_BYTES - HEAP_BYTES)

struct block {
    uintptr_t address;
    size_t bytes, capacity;
    uintptr_t site;
    int thread, number;
    bool is_freed, is_reused;
};

static struct block *blocks;
static uint32_t block_count;
static uintptr_t heap_next[THREADS_MAX], map_next[THREADS_MAX]; /* upwards */
static uintptr_t stacks_next[THREADS_MAX];                      /* downwards, for the runtime's fibers */
static int numbers[THREADS_MAX];
static int failures;
static bool is_dirty[THREADS_MAX]; /* its maps were used */

static uintptr_t slice(int thread)
{
    return ARENA_BASE + (size_t)thread * SLICE_BYTES;
}

void arena_init(void)
{
    void *at = mmap((void *)ARENA_BASE, ARENA_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    blocks = calloc(BLOCKS_MAX, sizeof *blocks);
    if (at != (void *)ARENA_BASE || blocks == NULL) {
        fprintf(stderr, "model: no address space at %#lx\n", (unsigned long)ARENA_BASE);
        abort();
    }
    for (int t = 0; t < THREADS_MAX; t++) {
        (void)mprotect((void *)slice(t), PAGE, PROT_NONE); /* below the stack */
        heap_next[t] = slice(t) + STACK_BYTES;
        map_next[t] = slice(t) + STACK_BYTES + HEAP_BYTES;
        stacks_next[t] = slice(t) + SLICE_BYTES;
    }
}

void arena_reset(void)
{
    for (int t = 0; t < THREADS_MAX; t++) {
        heap_next[t] = slice(t) + STACK_BYTES;
        map_next[t] = slice(t) + STACK_BYTES + HEAP_BYTES;
        stacks_next[t] = slice(t) + SLICE_BYTES;
        numbers[t] = 0;
        if (is_dirty[t])
            (void)madvise((void *)map_next[t], MAP_BYTES, MADV_DONTNEED);
        is_dirty[t] = false;
    }
    block_count = 0;
    failures = 0;
}

char *arena_stack_top(int thread)
{
    return (char *)slice(thread) + STACK_BYTES;
}

size_t arena_stack_bytes(void)
{
    return STACK_BYTES - PAGE;
}

bool arena_is_stack(uintptr_t address)
{
    if (address - ARENA_BASE >= ARENA_BYTES)
        return false;
    int thread = (int)((address - ARENA_BASE) / SLICE_BYTES);
    return address < slice(thread) + STACK_BYTES || address >= stacks_next[thread];
}

static struct block *block_recycle(size_t alignment, size_t bytes)
{
    for (uint32_t i = block_count; i > 0; i--) {
        struct block *block = &blocks[i - 1];
        if (block->is_freed && !block->is_reused && block->thread == engine.current && block->capacity == bytes &&
            block->address % alignment == 0) {
            block->is_reused = true;
            shadow_clear(block->address, bytes);
            return block;
        }
    }
    return NULL;
}

void *arena_alloc(size_t alignment, size_t bytes, bool is_zeroed, uintptr_t site)
{
    int self = engine.current;
    if (failures < engine.options.failed_allocations && !engine.is_fair && explore_choose(CHOICE_USER, 2) == 1) {
        failures++;
        thread_saw(current_thread(), 14);
        record_note(self, site, "alloc of %zu bytes fails", bytes);
        return NULL;
    }
    if (alignment < 16)
        alignment = 16;
    size_t capacity = (bytes + 15) & ~(size_t)15;
    struct block *reused = engine.options.recycle ? block_recycle(alignment, capacity) : NULL;
    uintptr_t at = reused != NULL ? reused->address : (heap_next[self] + alignment - 1) & ~(alignment - 1);
    if (block_count == BLOCKS_MAX || at + capacity + RED_ZONE > slice(self) + STACK_BYTES + HEAP_BYTES)
        return NULL;
    if (reused == NULL)
        heap_next[self] = at + capacity + RED_ZONE;
    blocks[block_count++] = (struct block){at, bytes, capacity, site, self, ++numbers[self], false, false};
    shadow_poison(at + capacity, RED_ZONE);
    memset((void *)at, is_zeroed ? 0 : 0xa5, capacity);
    record_note(self, site, "alloc of %zu bytes: block %d of thread %d", bytes, numbers[self], self);
    return (void *)at;
}

static struct block *block_find(uintptr_t address)
{
    for (uint32_t i = block_count; i > 0; i--)
        if (address - blocks[i - 1].address < blocks[i - 1].capacity + RED_ZONE)
            return &blocks[i - 1];
    return NULL;
}

void arena_free(void *memory, uintptr_t site)
{
    if (memory == NULL)
        return;
    uintptr_t at = (uintptr_t)memory;
    struct block *block = block_find(at);
    if (block == NULL || block->address != at)
        engine_fail(at, "thread %d frees what is no block", engine.current);
    if (block->is_freed)
        engine_fail(at, "thread %d frees block %d of thread %d twice", engine.current, block->number, block->thread);
    record_note(engine.current, site, "free of block %d of thread %d", block->number, block->thread);
    /* To everybody else it is as if its memory were written. */
    shadow_access(at, block->bytes, true, site);
    shadow_poison(at, block->capacity);
    block->is_freed = true;
    block->thread = engine.current;
}

int arena_map(size_t bytes, bool is_for_stacks, void **at)
{
    int self = engine.current;
    bytes = (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (bytes > stacks_next[self] - map_next[self])
        return -ENOMEM;
    is_dirty[self] = true;
    if (is_for_stacks) {
        stacks_next[self] -= bytes;
        *at = (void *)stacks_next[self];
    } else {
        *at = (void *)map_next[self];
        map_next[self] += bytes;
    }
    return 0;
}

int arena_unmap(void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
    return 0;
}

void arena_check_leaks(void)
{
    if (engine.options.leaks)
        return;
    for (uint32_t i = 0; i < block_count; i++)
        if (!blocks[i].is_freed) {
            struct source source;
            sites_resolve(&blocks[i].site, 1, &source);
            engine_fail(blocks[i].address, "leak: block %d of thread %d (%zu bytes, from %s, %s:%d) is never freed",
                        blocks[i].number, blocks[i].thread, blocks[i].bytes, source.function, source.file, source.line);
        }
}

bool arena_describe(uintptr_t address, char *text, size_t capacity)
{
    if (address - ARENA_BASE >= ARENA_BYTES)
        return false;
    int thread = (int)((address - ARENA_BASE) / SLICE_BYTES);
    size_t offset = (address - ARENA_BASE) % SLICE_BYTES;
    struct block *block = block_find(address);
    if (block != NULL)
        snprintf(text, capacity, "block%d.%d+%zu", thread, block->number, (size_t)(address - block->address));
    else if (offset < STACK_BYTES)
        snprintf(text, capacity, "stack%d-%zu", thread, STACK_BYTES - offset);
    else
        snprintf(text, capacity, "map%d+%zu", thread, offset - STACK_BYTES - HEAP_BYTES);
    return true;
}
