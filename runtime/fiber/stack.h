/*
 * Stacks: one reserved arena of equal slots for the whole process.
 *
 *      slot, 2^n bytes, aligned to its size
 *     +--------+--------------------------------------------+--------+--------+
 *     | guard  |  untouched  ...  <-- the stack grows down  | header | colour |
 *     +--------+--------------------------------------------+--------+--------+
 *     low                                                                  high
 *
 * - Address space is reserved, memory is touched lazily: a slot costs its touched pages.
 * - The header (struct th_fiber) sits at the high end, on the page of the first frames, so that a parked fiber costs
 *   one page. Which fiber runs is found from the stack pointer alone: th_stack_header. No thread-local state.
 * - The colour moves header and first frames by 0 to 31 cache lines, from slot to slot, so that the hot lines of all
 *   stacks do not fall into the same few cache sets. What it saves depends on the cache (bench/switch.c compares).
 * - The guard is one page (64 KiB on aarch64) that faults, put in with MADV_GUARD_INSTALL when the slot is first
 *   used and left there. That needs no mapping of its own, so a million guarded stacks stand in one mapping. Where
 *   the kernel is older (EINVAL), the guard is mprotect's, each of which costs two mappings of vm.max_map_count.
 * - Free slots are kept by number, outside of the slots: taking one touches nothing, and a free slot's pages can be
 *   given back whole.
 *
 * Who may call: th_stack_take and th_stack_give belong to the thread that owns the cache; everything else may come
 * from any thread.
 *
 * Invariant: slots ever used = in use + in caches + in the pool. [A1] is explored by tests/model (model_publish).
 */
#ifndef TH_FIBER_STACK_H
#define TH_FIBER_STACK_H

#include "base/atomic.h"

#include <stdbool.h>

enum {
    TH_STACK_BATCH = 32, /* slots moved between a cache and the pool at once: some 100 ns of lock each 32 stacks */
    TH_STACK_COLOURS = 32,
};

struct th_stack_options {
    size_t slot_bytes;  /* 0: THRUM_STACK_SIZE, else 256 KiB; rounded up to a power of two */
    size_t slots;       /* 0: a million, fewer where so much address space cannot be had */
    bool use_mprotect;  /* as if the kernel had no MADV_GUARD_INSTALL */
    bool is_uncoloured; /* for the benchmark that shows what colours are worth */
};

/* Read-mostly; constant while the arena is open. Threads that have nothing to do with it ask too whether they stand in
 * it, also while it opens or closes, hence the atomics; the rest is read by those who do.
 * [A1] release bytes -> acquire bytes: base is the one that belongs to them */
struct th_stack_arena {
    th_atomic64 base;
    th_atomic64 bytes; /* 0: closed */
    unsigned slot_shift;
    uint32_t colour_mask;
};
extern struct th_stack_arena th_stack_arena;

/* Free slots of one thread, hottest last. */
struct th_stack_cache {
    uint32_t count;
    uint32_t slots[2 * TH_STACK_BATCH];
};

struct th_stack_counts {
    size_t slot_bytes;
    size_t slots;       /* that the arena has */
    size_t slots_used;  /* that ever held a stack, and so have a guard */
    size_t slots_free;  /* in the pool; caches not counted */
    size_t slots_limit; /* that can be guarded: less than slots where guards cost mappings */
    bool is_guarded_by_mprotect;
};

/* Reserves the arena, or joins the one that is open, whose size then counts. 0, -EINVAL, -ENOMEM. */
int th_stack_open(const struct th_stack_options *options);
/* The last one out returns the address space. Every slot must have been given back. */
void th_stack_close(void);

/* A guarded slot, by number: 0, or -EAGAIN when the arena is used up, -ENOMEM when no further guard can be had; the
 * first time either happens a line on stderr names the limit. */
int th_stack_take(struct th_stack_cache *cache, uint32_t *slot);
void th_stack_give(struct th_stack_cache *cache, uint32_t slot);
/* Empties a cache into the pool, before its thread ends. */
void th_stack_cache_flush(struct th_stack_cache *cache);

/* Gives the pages of free slots back, coldest first, at most `most` slots; returns how many. What stays is
 * the top page, unless `whole`. */
size_t th_stack_trim(size_t most, bool whole);

void th_stack_count(struct th_stack_counts *counts);

TH_INLINE uintptr_t th_stack_base(void)
{
    return th_atomic64_load_relaxed(&th_stack_arena.base);
}

/* The lowest address that a stack in this slot may use: the end of its guard. */
TH_INLINE uintptr_t th_stack_low(uint32_t slot)
{
    return th_stack_base() + ((uintptr_t)slot << th_stack_arena.slot_shift) + TH_GUARD_BYTES;
}

TH_INLINE bool th_stack_contains(uintptr_t address)
{
    uint64_t bytes = th_atomic64_load_acquire(&th_stack_arena.bytes); /* [A1] */
    return address - th_stack_base() < bytes;
}

TH_INLINE uint32_t th_stack_slot_of(uintptr_t address)
{
    return (uint32_t)((address - th_stack_base()) >> th_stack_arena.slot_shift);
}

/* Where the header of `bytes` bytes stands in the slot that an address is in. */
TH_INLINE uintptr_t th_stack_header(uintptr_t address, size_t bytes)
{
    uintptr_t slot = address >> th_stack_arena.slot_shift;
    uintptr_t colour = (slot & th_stack_arena.colour_mask) * TH_CACHE_LINE;
    return ((slot + 1) << th_stack_arena.slot_shift) - colour - bytes;
}

#endif
