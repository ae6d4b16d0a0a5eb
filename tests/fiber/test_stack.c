#include "base/fault.h"
#include "base/random.h"
#include "fiber/annotate.h"
#include "fiber/stack.h"
#include "kit/kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct th_stack_options standard;

/* The slots of `count` stacks, each written at its lowest and highest byte. */
static void take_and_touch(struct th_stack_cache *cache, uint32_t *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(th_stack_take(cache, &slots[i]), 0);
        char *low = (char *)th_stack_low(slots[i]);
        low[0] = 1;
        low[((size_t)1 << th_stack_arena.slot_shift) - TH_GUARD_BYTES - 1] = 1;
    }
}

static void give_all(struct th_stack_cache *cache, const uint32_t *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        th_stack_give(cache, slots[i]);
    th_stack_cache_flush(cache);
}

static int compare_slots(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

TEST(slots_are_distinct_and_all_come_back)
{
    enum { COUNT = 1000 };
    static uint32_t slots[COUNT];
    struct th_stack_cache cache = {0};
    struct th_stack_counts counts;
    CHECK_EQ(th_stack_open(&standard), 0);
    for (int round = 0; round < 3; round++) {
        take_and_touch(&cache, slots, COUNT);
        qsort(slots, COUNT, sizeof *slots, compare_slots);
        for (int i = 1; i < COUNT; i++)
            CHECK_LT(slots[i - 1], slots[i]);
        give_all(&cache, slots, COUNT);
    }
    th_stack_count(&counts);
    CHECK_EQ(counts.slots_free, counts.slots_used);
    CHECK_GE(counts.slots_used, COUNT);
    th_stack_close();
}

TEST(the_hottest_slot_is_taken_first)
{
    if (TH_ASAN)
        SKIP("under ASan slots rest before they are used again");
    struct th_stack_cache cache = {0};
    uint32_t slots[3], again[3];
    CHECK_EQ(th_stack_open(&standard), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(th_stack_take(&cache, &slots[i]), 0);
    for (int i = 0; i < 3; i++)
        th_stack_give(&cache, slots[i]);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(th_stack_take(&cache, &again[i]), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(again[i], slots[2 - i]);
    give_all(&cache, again, 3);
    th_stack_close();
}

TEST(the_header_is_found_from_any_address_of_the_stack)
{
    enum { BYTES = 128, COUNT = 2 * TH_STACK_COLOURS };
    struct th_stack_cache cache = {0};
    uint32_t slots[COUNT];
    bool seen[TH_STACK_COLOURS] = {false};
    CHECK_EQ(th_stack_open(&standard), 0);
    size_t slot_bytes = (size_t)1 << th_stack_arena.slot_shift;
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(th_stack_take(&cache, &slots[i]), 0);
        uintptr_t low = th_stack_low(slots[i]), high = low - TH_GUARD_BYTES + slot_bytes;
        uintptr_t header = th_stack_header(low, BYTES);
        CHECK_EQ(th_stack_header(high - 1, BYTES), header);
        CHECK_EQ(th_stack_header(low + slot_bytes / 2, BYTES), header);
        CHECK_EQ(th_stack_slot_of(header), slots[i]);
        CHECK_EQ(header % 16, 0);
        /* On the top page, whatever its colour. */
        CHECK_LE(header + BYTES, high);
        CHECK_GE(header, high - 4096);
        seen[(high - BYTES - header) / TH_CACHE_LINE] = true;
    }
    for (int i = 0; i < TH_STACK_COLOURS; i++)
        CHECK(seen[i]);
    give_all(&cache, slots, COUNT);
    th_stack_close();
}

TEST(addresses_outside_the_arena_are_nobodys)
{
    int local;
    CHECK(!th_stack_contains((uintptr_t)&local));
    CHECK_EQ(th_stack_open(&standard), 0);
    CHECK(!th_stack_contains((uintptr_t)&local));
    CHECK(th_stack_contains(th_stack_base()));
    CHECK(!th_stack_contains(th_stack_base() - 1));
    CHECK(th_stack_contains(th_stack_base() + th_atomic64_load_relaxed(&th_stack_arena.bytes) - 1));
    CHECK(!th_stack_contains(th_stack_base() + th_atomic64_load_relaxed(&th_stack_arena.bytes)));
    th_stack_close();
    CHECK(!th_stack_contains(th_stack_base()));
}

static void touch_guard(void *arg)
{
    struct th_stack_cache cache = {0};
    uint32_t slot;
    if (th_stack_open(arg) != 0 || th_stack_take(&cache, &slot) != 0)
        _exit(3);
    volatile char *low = (volatile char *)th_stack_low(slot);
    low[0] = 1;
    if (write(2, "low is fine\n", 12) != 12)
        _exit(3);
    low[-1] = 1;
}

TEST(a_guard_stops_a_write_below_the_stack_either_way)
{
    if (kit_is_emulated())
        SKIP("there are no guards under the emulator");
    static struct kit_outcome outcome;
    struct th_stack_options by_madvise = {0}, by_mprotect = {.use_mprotect = true};
    kit_in_child(touch_guard, &by_madvise, &outcome);
    CHECK_STR_HAS(outcome.errors, "low is fine");
    CHECK(outcome.signo != 0 || TH_ASAN || TH_TSAN);
    CHECK_NE(outcome.exit_code, 0);
    kit_in_child(touch_guard, &by_mprotect, &outcome);
    CHECK_STR_HAS(outcome.errors, "low is fine");
    CHECK_NE(outcome.exit_code, 0);
}

TEST(an_old_kernel_falls_back_to_mprotect)
{
    struct th_stack_counts counts;
    CHECK_EQ(th_fault_plan("madvise:1:EINVAL"), 0);
    CHECK_EQ(th_stack_open(&standard), 0);
    th_stack_count(&counts);
    CHECK(counts.is_guarded_by_mprotect);
    /* Under sanitizers and Valgrind the arena itself is smaller than any such limit. */
    CHECK_LT(counts.slots_limit, counts.slots + kit_is_slow());
    CHECK_GT(counts.slots_limit, 0);
    th_stack_close();
}

/* Takes stacks until it is refused; returns the refusal. */
static int take_all(struct th_stack_cache *cache, size_t *count)
{
    uint32_t slot;
    int code;
    *count = 0;
    while ((code = th_stack_take(cache, &slot)) == 0)
        ++*count;
    return code;
}

static void use_up_slots(void *arg)
{
    (void)arg;
    struct th_stack_options small = {.slots = 100};
    struct th_stack_cache cache = {0};
    size_t count;
    CHECK_EQ(th_stack_open(&small), 0);
    CHECK_EQ(take_all(&cache, &count), -EAGAIN);
    CHECK_EQ(count, 100);
    CHECK_EQ(take_all(&cache, &count), -EAGAIN);
    th_stack_give(&cache, 7);
    CHECK_EQ(take_all(&cache, &count), -EAGAIN);
    CHECK_EQ(count, 1);
}

TEST(a_used_up_arena_says_eagain_and_names_the_limit_once)
{
    static struct kit_outcome outcome;
    kit_in_child(use_up_slots, NULL, &outcome);
    CHECK_STR_EQ(outcome.errors, "thrum: no more stacks: all 100 slots of 256 KiB are in use\n");
    CHECK_EQ(outcome.exit_code, 0);
}

static void use_up_mappings(void *arg)
{
    (void)arg;
    struct th_stack_options old = {.use_mprotect = true};
    struct th_stack_cache cache = {0};
    struct th_stack_counts counts;
    size_t count;
    CHECK_EQ(th_stack_open(&old), 0);
    th_stack_count(&counts);
    CHECK_EQ(take_all(&cache, &count), -ENOMEM);
    CHECK_EQ(count, counts.slots_limit);
}

TEST(without_mappings_left_it_says_enomem_and_names_max_map_count)
{
    static struct kit_outcome outcome;
    if (kit_is_slow())
        SKIP("sanitizers and Valgrind keep mappings of their own");
    kit_in_child(use_up_mappings, NULL, &outcome);
    CHECK_STR_HAS(outcome.errors, "guarded ones are what vm.max_map_count allows");
    CHECK_EQ(outcome.exit_code, 0);
}

static void guard_refused(void *arg)
{
    (void)arg;
    struct th_stack_options old = {.use_mprotect = true};
    struct th_stack_cache cache = {0};
    uint32_t slot;
    CHECK_EQ(th_stack_open(&old), 0);
    CHECK_EQ(th_fault_plan("mprotect:1:ENOMEM"), 0);
    CHECK_EQ(th_stack_take(&cache, &slot), -ENOMEM);
    CHECK_EQ(th_stack_take(&cache, &slot), 0);
    th_stack_give(&cache, slot);
    th_stack_cache_flush(&cache);
    th_stack_close();
}

TEST(a_refused_guard_is_an_error_and_the_next_try_may_succeed)
{
    static struct kit_outcome outcome;
    kit_in_child(guard_refused, NULL, &outcome);
    CHECK_STR_HAS(outcome.errors, "cannot guard stack 0");
    CHECK_EQ(outcome.exit_code, 0);
}

TEST(address_space_is_asked_for_in_halves)
{
    struct th_stack_counts counts;
    CHECK_EQ(th_fault_plan("mmap:1x3:ENOMEM"), 0);
    CHECK_EQ(th_stack_open(&standard), 0);
    th_stack_count(&counts);
    CHECK_EQ(counts.slots, th_annotate_slots_most(1 << 20) / 8);
    th_stack_close();
    CHECK_EQ(th_fault_plan("mmap:*:ENOMEM"), 0);
    CHECK_EQ(th_stack_open(&standard), -ENOMEM);
    CHECK_EQ(th_fault_plan("mmap:2:ENOMEM"), 0);
    CHECK_EQ(th_stack_open(&standard), -ENOMEM);
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(th_stack_open(&standard), 0);
    th_stack_close();
}

TEST(the_size_of_a_slot_is_an_option_or_a_variable)
{
    static const struct {
        const char *text;
        size_t bytes; /* 0: refused */
    } cases[] = {{"64K", 65536},
                 {"65537", 131072},
                 {"1M", 1 << 20},
                 {"", 256 << 10},
                 {"32K", 32 << 10},
                 {"31K", 0},
                 {"2G", 0},
                 {"-64K", 0},
                 {"64k", 0},
                 {"lots", 0},
                 {"64KB", 0},
                 {" 64K", 0},
                 {"99999999999999999999", 0}};
    struct th_stack_counts counts;
    for (size_t i = 0; i < TH_COUNT_OF(cases); i++) {
        CHECK_EQ(setenv("THRUM_STACK_SIZE", cases[i].text, 1), 0);
        CHECK_EQ(th_stack_open(&standard), cases[i].bytes != 0 ? 0 : -EINVAL);
        if (cases[i].bytes == 0)
            continue;
        th_stack_count(&counts);
        CHECK_EQ(counts.slot_bytes, cases[i].bytes);
        th_stack_close();
    }
    struct th_stack_options option = {.slot_bytes = 100000};
    CHECK_EQ(th_stack_open(&option), 0);
    th_stack_count(&counts);
    CHECK_EQ(counts.slot_bytes, 131072);
    th_stack_close();
    option.slot_bytes = 1000;
    CHECK_EQ(th_stack_open(&option), -EINVAL);
}

static void open_with_bad_size(void *arg)
{
    CHECK_EQ(setenv("THRUM_STACK_SIZE", arg, 1), 0);
    CHECK_EQ(th_stack_open(&standard), -EINVAL);
}

TEST(a_bad_size_gets_one_line_with_variable_value_and_range)
{
    static struct kit_outcome outcome;
    char text[] = "12";
    kit_in_child(open_with_bad_size, text, &outcome);
    CHECK_STR_EQ(outcome.errors, "thrum: THRUM_STACK_SIZE=12: want a whole number of bytes (K, M, G may follow) from "
                                 "32768 to 1073741824\n");
}

static size_t resident_bytes(uintptr_t low, size_t bytes)
{
    size_t pages = bytes / 4096, resident = 0;
    unsigned char *map = malloc(pages);
    CHECK_EQ(mincore((void *)low, bytes, map), 0);
    for (size_t i = 0; i < pages; i++)
        resident += (map[i] & 1) * 4096u;
    free(map);
    return resident;
}

TEST(trimming_gives_deep_pages_back_and_keeps_guards)
{
    enum { COUNT = 100 };
    static uint32_t slots[COUNT];
    struct th_stack_cache cache = {0};
    CHECK_EQ(th_stack_open(&standard), 0);
    size_t usable = ((size_t)1 << th_stack_arena.slot_shift) - TH_GUARD_BYTES;
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ(th_stack_take(&cache, &slots[i]), 0);
        memset((void *)th_stack_low(slots[i]), 1, usable);
    }
    give_all(&cache, slots, COUNT);
    CHECK_EQ(resident_bytes(th_stack_low(slots[0]), usable), usable);
    CHECK_EQ(th_stack_trim(10, false), 10);
    CHECK_GE(th_stack_trim(SIZE_MAX, false), COUNT - 10);
    CHECK_EQ(th_stack_trim(SIZE_MAX, false), 0);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(resident_bytes(th_stack_low(slots[i]), usable), 4096);
    CHECK_GE(th_stack_trim(SIZE_MAX, true), COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(resident_bytes(th_stack_low(slots[i]), usable), 0);
    take_and_touch(&cache, slots, COUNT);
    give_all(&cache, slots, COUNT);
    /* What came back untrimmed is above what was left trimmed. */
    CHECK_GE(th_stack_trim(SIZE_MAX, false), COUNT);
    th_stack_close();
}

TEST(stacks_never_get_huge_pages)
{
    if (kit_is_emulated())
        SKIP("the emulator passes no such advice on");
    if (TH_ASAN || TH_TSAN)
        SKIP("sanitizers map stacks' shadows beside them");
    CHECK_EQ(th_stack_open(&standard), 0);
    FILE *maps = fopen("/proc/self/smaps", "r");
    CHECK(maps != NULL);
    char line[512];
    bool inside = false, found = false;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long low, high;
        if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
            inside = low <= th_stack_base() && th_stack_base() < high;
        if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            CHECK_STR_HAS(line, " nh");
            found = true;
        }
    }
    CHECK(found);
    fclose(maps);
    th_stack_close();
}

TEST(openings_are_counted)
{
    struct th_stack_options other = {.slot_bytes = 1 << 20};
    CHECK_EQ(th_stack_open(&standard), 0);
    CHECK_EQ(th_stack_open(&other), 0);
    CHECK_EQ(th_stack_arena.slot_shift, 18); /* who comes later takes what there is */
    th_stack_close();
    CHECK(th_stack_contains(th_stack_base()));
    th_stack_close();
    CHECK_EQ(th_stack_open(&other), 0);
    CHECK_EQ(th_stack_arena.slot_shift, 20);
    th_stack_close();
}

enum { THREADS = 4, HELD_MOST = 200 };

/* Takes and gives at random; each held slot carries its holder's mark, which nobody else may have changed. */
static void *take_and_give(void *arg)
{
    struct th_random random;
    th_random_init(&random, kit_seed() + (uintptr_t)arg);
    struct th_stack_cache cache = {0};
    uint32_t held[HELD_MOST];
    uint32_t count = 0;
    for (int turn = 0; turn < (kit_is_slow() ? 2000 : 50000); turn++) {
        if (count < HELD_MOST && (count == 0 || th_random_below(&random, 2) == 0)) {
            CHECK_EQ(th_stack_take(&cache, &held[count]), 0);
            *(void **)th_stack_header(th_stack_low(held[count]), 64) = arg;
            count++;
        } else {
            uint32_t pick = th_random_below(&random, count);
            CHECK_PTR_EQ(*(void **)th_stack_header(th_stack_low(held[pick]), 64), arg);
            th_stack_give(&cache, held[pick]);
            held[pick] = held[--count];
        }
        if (th_random_below(&random, 1000) == 0)
            th_stack_trim(5, th_random_below(&random, 2) == 0);
    }
    while (count > 0)
        th_stack_give(&cache, held[--count]);
    th_stack_cache_flush(&cache);
    return NULL;
}

TEST(threads_never_share_a_slot)
{
    pthread_t threads[THREADS];
    CHECK_EQ(th_stack_open(&standard), 0);
    (void)kit_seed();
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(th_sys_thread_start(&threads[i], 0, take_and_give, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(th_sys_thread_join(threads[i]), 0);
    th_stack_close();
}
