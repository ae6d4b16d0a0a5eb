/*
 * What does a stack cost: to take hot, to touch the first time, to guard, to hold a million of?
 *
 * create_finish is a fiber's whole life on a hot stack; create_drop without running it. guard_* is one guard by
 * either way; first_touch the page fault of a fresh stack's top page. stacks_held makes N fibers that all wait, and
 * reports what one of them costs: resident memory and page tables (bytes), and how many mappings all have together.
 */
#include "bench.h"

#include "base/sys.h"
#include "fiber/fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct th_thread thread;

static void open_all(int64_t arg)
{
    (void)arg;
    struct th_stack_options options = {0};
    if (th_stack_open(&options) < 0 || th_thread_init(&thread) < 0)
        bench_fail("cannot open the arena");
}

static void close_all(void)
{
    th_thread_fini(&thread);
    th_stack_close();
}

static struct th_fiber *create(th_fiber_entry *entry)
{
    struct th_fiber *fiber;
    if (th_fiber_create(&thread, entry, NULL, &fiber) < 0)
        bench_fail("no fiber");
    return fiber;
}

static struct th_fiber *end_at_once(void *arg)
{
    (void)arg;
    return &thread.host;
}

static void create_finish(int64_t count)
{
    while (count-- > 0)
        th_fiber_switch(&thread.host, create(end_at_once), NULL, NULL);
}

static void create_drop(int64_t count)
{
    while (count-- > 0)
        th_fiber_drop(&thread, create(end_at_once));
}

BENCH(create_finish, .setup = open_all, .run = create_finish, .teardown = close_all)
BENCH(create_drop, .setup = open_all, .run = create_drop, .teardown = close_all)

/* ---- Pages ---- */

enum { PAGES = 16384, SLOT = 65536 };
static char *field;

static void open_field(int64_t arg)
{
    (void)arg;
    void *at;
    if (th_sys_map_stacks((size_t)PAGES * SLOT, &at) < 0)
        bench_fail("cannot map");
    field = at;
}

static void close_field(void)
{
    (void)th_sys_unmap(field, (size_t)PAGES * SLOT);
}

static void touch(int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        ((volatile char *)field)[(size_t)i * SLOT + SLOT - 1] = 1;
}

static void guard_by_madvise(int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (th_sys_guard_install(field + (size_t)i * SLOT, TH_GUARD_BYTES) < 0)
            bench_fail("this kernel has no MADV_GUARD_INSTALL");
    }
}

static void guard_by_mprotect(int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (th_sys_protect_none(field + (size_t)i * SLOT, TH_GUARD_BYTES) < 0)
            bench_fail("mprotect");
    }
}

BENCH(first_touch, .setup = open_field, .run = touch, .teardown = close_field, .count = PAGES, .is_once = 1)
BENCH(guard_madvise, .setup = open_field, .run = guard_by_madvise, .teardown = close_field, .count = PAGES,
      .is_once = 1)
BENCH(guard_mprotect, .setup = open_field, .run = guard_by_mprotect, .teardown = close_field, .count = PAGES,
      .is_once = 1)

/* ---- Many at once ---- */

static struct th_fiber **held;
static int64_t held_count;
static long memory_before, tables_before;
static bool is_over;

/* A line of /proc/self/status in KiB. */
static long status_kib(const char *name)
{
    char line[256];
    long value = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name) + 1, NULL, 10);
    }
    if (status != NULL)
        fclose(status);
    return value;
}

static int mappings(void)
{
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    for (int c; maps != NULL && (c = fgetc(maps)) != EOF;)
        count += c == '\n';
    if (maps != NULL)
        fclose(maps);
    return count;
}

static struct th_fiber *wait_for_the_end(void *arg)
{
    (void)arg;
    struct th_fiber *self = th_fiber_self();
    while (!is_over)
        th_fiber_switch(self, &thread.host, NULL, NULL);
    return &thread.host;
}

static void open_held(int64_t count)
{
    open_all(0);
    is_over = false;
    held_count = 0;
    held = malloc((size_t)count * sizeof *held);
    memset(held, 0, (size_t)count * sizeof *held);
    memory_before = status_kib("VmRSS");
    tables_before = status_kib("VmPTE");
}

static void hold(int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        held[i] = create(wait_for_the_end);
        th_fiber_switch(&thread.host, held[i], NULL, NULL);
    }
    held_count = count;
}

static void report_held(void)
{
    double count = (double)held_count;
    bench_counter("resident_bytes", (double)(status_kib("VmRSS") - memory_before) * 1024 / count);
    bench_counter("table_bytes", (double)(status_kib("VmPTE") - tables_before) * 1024 / count);
    bench_counter("mappings", mappings());
}

static void close_held(void)
{
    is_over = true;
    for (int64_t i = 0; i < held_count; i++)
        th_fiber_switch(&thread.host, held[i], NULL, NULL);
    free(held);
    close_all();
}

static void open_held_100k(int64_t arg)
{
    (void)arg;
    open_held(100000);
}

static void open_held_1m(int64_t arg)
{
    (void)arg;
    open_held(1000000);
}

BENCH(stacks_held_100k, .setup = open_held_100k, .run = hold, .report = report_held, .teardown = close_held,
      .count = 100000, .is_once = 1)
BENCH(stacks_held_1m, .setup = open_held_1m, .run = hold, .report = report_held, .teardown = close_held,
      .count = 1000000, .is_once = 1)
