#include "fiber/stack.h"

#include "base/config.h"
#include "base/lock.h"
#include "base/panic.h"
#include "base/sys.h"
#include "fiber/annotate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOT_BYTES_DEFAULT = 256 << 10,
    /* A signal frame of 12 KB (AVX-512, AMX) and a handler's own frames must fit. */
    SLOT_BYTES_LEAST = 32 << 10,
    SLOT_BYTES_MOST = 1 << 30,
    SLOTS_DEFAULT = 1 << 20,
    SLOTS_LEAST = 64,
    /* What the rest of the program is left of vm.max_map_count. */
    MAPPINGS_SPARED = 1024,
    /* Under ASan a slot rests until so many others were used, or a use after return would go unseen. */
    QUARANTINE = 1024,
    /* Slots that come into core files at once: the kernel takes a minute to look through a whole arena, touched or
     * not, and a microsecond to take more in. */
    CORE_STEP = 64,
};

struct th_stack_arena th_stack_arena;

/* Key: c constant while the arena is open, l the lock's. */
static struct {
    struct th_lock lock;
    unsigned users;       /* l */
    void *mapping;        /* c: arena with its alignment slack */
    size_t mapping_bytes; /* c */
    size_t slots;         /* c */
    size_t slots_limit;   /* c: fewer where guards cost mappings */
    bool use_mprotect;    /* c */
    uint32_t fresh;       /* l: slots below were used at least once and have guards */
    uint32_t in_core;     /* l: slots below are in core files */
    uint32_t *pool;       /* l: numbers of free slots, hottest last; room for every slot */
    uint32_t pool_count;  /* l */
    uint32_t trimmed;     /* l: pool[0 .. trimmed) have given back all but their top page */
    uint32_t discarded;   /* l: pool[0 .. discarded) have given back all; <= trimmed */
    bool was_limit_told;  /* l */
} stacks = {.lock = TH_LOCK_INIT};

static size_t slot_bytes(void)
{
    return (size_t)1 << th_stack_arena.slot_shift;
}

static char *slot_address(uint32_t slot)
{
    return (char *)th_stack_base() + ((size_t)slot << th_stack_arena.slot_shift);
}

/* How many slots can get a guard of mprotect: each splits the arena's mapping in two more. */
static size_t mprotect_limit(size_t slots)
{
    char text[32];
    size_t mappings = 65530;
    if (th_sys_read_file("/proc/sys/vm/max_map_count", text, sizeof text) > 0)
        mappings = strtoul(text, NULL, 10);
    size_t limit = mappings > MAPPINGS_SPARED ? (mappings - MAPPINGS_SPARED) / 2 : 0;
    return limit < slots ? limit : slots;
}

/* The kernel is asked with the arena's first page, which is then a guard anyway. */
static bool kernel_has_guards(void)
{
    return th_sys_guard_install((void *)th_stack_base(), TH_GUARD_BYTES) == 0;
}

static unsigned shift_of(size_t bytes)
{
    unsigned shift = 0;
    while (((size_t)1 << shift) < bytes)
        shift++;
    return shift;
}

static int read_slot_bytes(const struct th_stack_options *options, size_t *bytes)
{
    uint64_t wanted = SLOT_BYTES_DEFAULT;
    if (options->slot_bytes == 0) {
        int code = th_config_bytes("THRUM_STACK_SIZE", SLOT_BYTES_LEAST, SLOT_BYTES_MOST, &wanted);
        if (code < 0)
            return code;
    } else {
        wanted = options->slot_bytes;
        if (wanted < SLOT_BYTES_LEAST || wanted > SLOT_BYTES_MOST) {
            th_report("stack_bytes = %zu: want from %d to %d", options->slot_bytes, SLOT_BYTES_LEAST, SLOT_BYTES_MOST);
            return -EINVAL;
        }
    }
    *bytes = (size_t)1 << shift_of(wanted);
    return 0;
}

/* Reserves address space for as many slots as can be had, at most `slots`, half as many at each refusal. */
static int reserve(size_t bytes, size_t slots)
{
    for (; slots >= SLOTS_LEAST; slots /= 2) {
        /* One more slot, so that the first can be aligned. */
        size_t mapping_bytes = (slots + 1) * bytes;
        /* Whatever the refusal is called: Valgrind says EINVAL where the kernel says ENOMEM. */
        if (th_sys_map_stacks(mapping_bytes, &stacks.mapping) == 0) {
            (void)th_sys_core_has(stacks.mapping, mapping_bytes, false);
            stacks.mapping_bytes = mapping_bytes;
            stacks.slots = slots;
            uintptr_t base = ((uintptr_t)stacks.mapping + bytes - 1) & ~(uintptr_t)(bytes - 1);
            th_atomic64_store_relaxed(&th_stack_arena.base, base);
            th_atomic64_store_release(&th_stack_arena.bytes, slots * bytes); /* [A1] */
            return 0;
        }
    }
    th_report("cannot reserve address space for %d stacks of %zu KiB: see ulimit -v and vm.overcommit_memory",
              SLOTS_LEAST, bytes >> 10);
    return -ENOMEM;
}

static int open_first(const struct th_stack_options *options)
{
    size_t bytes;
    int code = read_slot_bytes(options, &bytes);
    if (code < 0)
        return code;
    th_stack_arena.slot_shift = shift_of(bytes);
    th_stack_arena.colour_mask = options->is_uncoloured ? 0 : TH_STACK_COLOURS - 1;
    code = reserve(bytes, options->slots != 0 ? options->slots : th_annotate_slots_most(SLOTS_DEFAULT));
    if (code < 0)
        return code;
    void *pool;
    code = th_sys_map(stacks.slots * sizeof *stacks.pool, &pool);
    if (code < 0) {
        (void)th_sys_unmap(stacks.mapping, stacks.mapping_bytes);
        th_atomic64_store_release(&th_stack_arena.bytes, 0); /* [A1] */
        return code;
    }
    stacks.pool = pool;
    stacks.use_mprotect = TH_ANNOTATE_NEEDS_MPROTECT || options->use_mprotect || !kernel_has_guards();
    stacks.slots_limit = stacks.use_mprotect ? mprotect_limit(stacks.slots) : stacks.slots;
    return 0;
}

int th_stack_open(const struct th_stack_options *options)
{
    th_lock_take(&stacks.lock);
    int code = stacks.users == 0 ? open_first(options) : 0;
    stacks.users += code == 0;
    th_lock_leave(&stacks.lock);
    return code;
}

void th_stack_close(void)
{
    th_lock_take(&stacks.lock);
    TH_ASSERT(stacks.users > 0);
    if (--stacks.users == 0) {
        THRUM_CHECK(stacks.pool_count == stacks.fresh, "%u stacks are still in use at the end",
                    stacks.fresh - stacks.pool_count);
        for (uint32_t slot = 0; slot < stacks.fresh; slot++)
            th_annotate_stack_retire(th_stack_low(slot), slot_bytes() - TH_GUARD_BYTES);
        (void)th_sys_unmap(stacks.pool, stacks.slots * sizeof *stacks.pool);
        (void)th_sys_unmap(stacks.mapping, stacks.mapping_bytes);
        th_atomic64_store_release(&th_stack_arena.bytes, 0); /* [A1] */
        stacks.fresh = stacks.in_core = stacks.pool_count = stacks.trimmed = stacks.discarded = 0;
        stacks.was_limit_told = false;
    }
    th_lock_leave(&stacks.lock);
}

static void tell_limit(void)
{
    if (stacks.was_limit_told)
        return;
    stacks.was_limit_told = true;
    if (stacks.slots_limit < stacks.slots)
        th_report("no more stacks: %zu guarded ones are what vm.max_map_count allows on this kernel (6.13 and later "
                  "guard without mappings); raise it with sysctl -w vm.max_map_count=N",
                  stacks.slots_limit);
    else
        th_report("no more stacks: all %zu slots of %zu KiB are in use", stacks.slots, slot_bytes() >> 10);
}

static int guard(uint32_t slot)
{
    char *at = slot_address(slot);
    return stacks.use_mprotect ? th_sys_protect_none(at, TH_GUARD_BYTES) : th_sys_guard_install(at, TH_GUARD_BYTES);
}

static void take_into_core(uint32_t slot)
{
    if (slot < stacks.in_core)
        return;
    uint32_t left = (uint32_t)(stacks.slots - slot), count = left < CORE_STEP ? left : (uint32_t)CORE_STEP;
    (void)th_sys_core_has(slot_address(slot), count * slot_bytes(), true);
    stacks.in_core = slot + count;
}

/* Takes up to `most` slots that no stack was in yet; returns how many, or why not even one. */
static int take_fresh(uint32_t *to, uint32_t most)
{
    uint32_t count = 0;
    int code = -EAGAIN;
    while (count < most && stacks.fresh < stacks.slots_limit) {
        take_into_core(stacks.fresh);
        code = guard(stacks.fresh);
        if (code < 0) {
            if (count == 0)
                th_report("cannot guard stack %u: mprotect or madvise says %d (-ENOMEM: see vm.max_map_count)",
                          stacks.fresh, code);
            break;
        }
        th_annotate_stack_prepare(th_stack_low(stacks.fresh), slot_bytes() - TH_GUARD_BYTES);
        to[count++] = stacks.fresh++;
    }
    if (count > 0)
        return (int)count;
    if (code == -EAGAIN)
        tell_limit();
    return code == -EAGAIN && stacks.slots_limit < stacks.slots ? -ENOMEM : code;
}

static void pool_shrank(void)
{
    if (stacks.trimmed > stacks.pool_count)
        stacks.trimmed = stacks.pool_count;
    if (stacks.discarded > stacks.pool_count)
        stacks.discarded = stacks.pool_count;
}

static int take_batch(uint32_t *to, uint32_t most)
{
    bool is_resting = TH_ASAN && stacks.pool_count < QUARANTINE && stacks.fresh < stacks.slots_limit;
    if (stacks.pool_count == 0 || is_resting)
        return take_fresh(to, most);
    uint32_t count = stacks.pool_count < most ? stacks.pool_count : most;
    stacks.pool_count -= count;
    memcpy(to, stacks.pool + stacks.pool_count, count * sizeof *to);
    pool_shrank();
    return (int)count;
}

static TH_NOINLINE int cache_refill(struct th_stack_cache *cache)
{
    th_lock_take(&stacks.lock);
    int count = take_batch(cache->slots, TH_ASAN ? 1 : TH_STACK_BATCH);
    th_lock_leave(&stacks.lock);
    if (count < 0)
        return count;
    cache->count = (uint32_t)count;
    return 0;
}

/* Gives the cache's coldest `count` slots to the pool. */
static TH_NOINLINE void cache_spill(struct th_stack_cache *cache, uint32_t count)
{
    th_lock_take(&stacks.lock);
    TH_ASSERT(stacks.pool_count + count <= stacks.fresh);
    memcpy(stacks.pool + stacks.pool_count, cache->slots, count * sizeof *cache->slots);
    stacks.pool_count += count;
    th_lock_leave(&stacks.lock);
    cache->count -= count;
    memmove(cache->slots, cache->slots + count, cache->count * sizeof *cache->slots);
}

int th_stack_take(struct th_stack_cache *cache, uint32_t *slot)
{
    if (TH_UNLIKELY(cache->count == 0)) {
        int code = cache_refill(cache);
        if (code < 0)
            return code;
    }
    *slot = cache->slots[--cache->count];
    th_annotate_stack_wake(th_stack_low(*slot), slot_bytes() - TH_GUARD_BYTES);
    return 0;
}

void th_stack_give(struct th_stack_cache *cache, uint32_t slot)
{
    th_annotate_stack_rest(th_stack_low(slot), slot_bytes() - TH_GUARD_BYTES);
    if (TH_UNLIKELY(cache->count == TH_COUNT_OF(cache->slots)))
        cache_spill(cache, TH_STACK_BATCH);
    cache->slots[cache->count++] = slot;
    if (TH_ASAN)
        cache_spill(cache, cache->count);
}

void th_stack_cache_flush(struct th_stack_cache *cache)
{
    if (cache->count > 0)
        cache_spill(cache, cache->count);
}

size_t th_stack_trim(size_t most, bool whole)
{
    size_t kept_bytes = whole ? 0 : th_sys_page_bytes();
    size_t done = 0;
    th_lock_take(&stacks.lock);
    uint32_t *from = whole ? &stacks.discarded : &stacks.trimmed;
    while (done < most && *from < stacks.pool_count) {
        char *low = slot_address(stacks.pool[*from]) + TH_GUARD_BYTES;
        (void)th_sys_discard(low, slot_bytes() - TH_GUARD_BYTES - kept_bytes);
        ++*from;
        done++;
    }
    if (stacks.trimmed < stacks.discarded)
        stacks.trimmed = stacks.discarded;
    th_lock_leave(&stacks.lock);
    return done;
}

void th_stack_count(struct th_stack_counts *counts)
{
    th_lock_take(&stacks.lock);
    *counts = (struct th_stack_counts){
        .slot_bytes = slot_bytes(),
        .slots = stacks.slots,
        .slots_used = stacks.fresh,
        .slots_free = stacks.pool_count,
        .slots_limit = stacks.slots_limit,
        .is_guarded_by_mprotect = stacks.use_mprotect,
    };
    th_lock_leave(&stacks.lock);
}
