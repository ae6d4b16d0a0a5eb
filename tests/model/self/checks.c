/* What the checker detects, one model each, and what it must not complain about. */
#include "model/model.h"

#include "base/mutant.h"
#include "base/panic.h"
#include "base/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static th_atomic32 flag, word;
static int plain;
static int *shared;

static void write_plain(void *arg)
{
    (void)arg;
    plain = 1;
}

static void read_plain(void *arg)
{
    (void)arg;
    int seen = plain;
    (void)*(volatile int *)&seen;
}

MODEL(two_plain_writes_race, .fails = "data race on plain")
{
    th_model_thread(write_plain, NULL);
    plain = 2;
}

MODEL(read_and_write_race, .fails = "data race on plain")
{
    th_model_thread(read_plain, NULL);
    plain = 2;
}

MODEL(two_readers_and_a_later_writer_race, .fails = "data race on plain")
{
    th_model_thread(read_plain, NULL);
    th_model_thread(read_plain, NULL);
    plain = 2;
}

MODEL(reads_do_not_race)
{
    plain = 1;
    th_model_thread(read_plain, NULL);
    th_model_thread(read_plain, NULL);
    th_model_join_all();
    plain = 2;
}

MODEL(statics_are_fresh_in_each_execution)
{
    MODEL_CHECK_EQ(plain, 0);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&flag), 0);
    th_model_thread(write_plain, NULL);
    th_atomic32_store_relaxed(&flag, 1);
}

static struct {
    uint8_t a, b;
    uint16_t c;
} bytes;

static void write_a(void *arg)
{
    (void)arg;
    bytes.a = 1;
}

static void write_b(void *arg)
{
    (void)arg;
    bytes.b = 1;
}

MODEL(neighbouring_bytes_do_not_race)
{
    th_model_thread(write_a, NULL);
    th_model_thread(write_b, NULL);
    bytes.c = 3;
    th_model_join_all();
    MODEL_CHECK_EQ(bytes.a + bytes.b + bytes.c, 5);
}

MODEL(same_byte_races, .fails = "data race on bytes")
{
    th_model_thread(write_a, NULL);
    bytes.b = 1;
    bytes.a = 1;
}

struct big {
    char bytes[64];
};
struct big big_a, big_b;

static void copy_big(void *arg)
{
    (void)arg;
    big_b = big_a;
}

MODEL(structure_copy_races, .fails = "data race on big_a")
{
    th_model_thread(copy_big, NULL);
    big_a.bytes[40] = 1;
}

static void clear_big(void *arg)
{
    (void)arg;
    memset(&big_a, 0, sizeof big_a);
}

MODEL(memset_races, .fails = "data race on big_a")
{
    th_model_thread(clear_big, NULL);
    big_a.bytes[40] = 1;
}

static void store_flag(void *arg)
{
    (void)arg;
    th_atomic32_store_relaxed(&flag, 1);
}

MODEL(plain_and_atomic_access_race, .fails = "data race on flag")
{
    th_model_thread(store_flag, NULL);
    flag = (th_atomic32)TH_ATOMIC_INIT(2);
}

MODEL(plain_initialisation_before_start_is_fine)
{
    flag = (th_atomic32)TH_ATOMIC_INIT(2);
    th_model_thread(store_flag, NULL);
    uint32_t seen = th_atomic32_load_relaxed(&flag);
    MODEL_CHECK(seen == 2 || seen == 1);
}

static void publish_relaxed(void *arg)
{
    (void)arg;
    plain = 42;
    th_atomic32_store_relaxed(&flag, 1);
}

static void publish(void *arg)
{
    (void)arg;
    plain = 42;
    th_atomic32_store_release(&flag, 1);
}

MODEL(relaxed_message_passing_races, .fails = "data race on plain", .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK)
{
    th_model_thread(publish_relaxed, NULL);
    if (th_atomic32_load_acquire(&flag) == 1)
        MODEL_CHECK_EQ(plain, 42);
}

MODEL(message_passing_is_fine, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK)
{
    th_model_thread(publish, NULL);
    if (th_atomic32_load_acquire(&flag) == 1)
        MODEL_CHECK_EQ(plain, 42);
}

/* ---- Waiting */

static void wait_for_flag(void *arg)
{
    (void)arg;
    while (th_atomic32_load_acquire(&flag) == 0)
        continue;
}

MODEL(spinning_loop_ends_when_the_flag_comes, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK)
{
    th_model_thread(wait_for_flag, NULL);
    th_atomic32_store_release(&flag, 1);
}

MODEL(spinning_for_what_never_comes_is_livelock, .fails = "livelock")
{
    th_model_thread(wait_for_flag, NULL);
}

/* Each lets the other go first, for ever. */
static void polite(void *arg)
{
    (void)arg;
    while (th_atomic32_exchange_acqrel(&word, 1) != 5)
        th_atomic32_store_release(&word, 0);
}

MODEL(endless_activity_is_livelock, .fails = "livelock", .preemptions = 1)
{
    th_model_thread(polite, NULL);
    polite(NULL);
}

MODEL(waiting_for_nobody_is_deadlock, .fails = "deadlock: thread 0 waits on a futex", .spurious = MODEL_NONE)
{
    (void)th_sys_futex_wait(&word, 0, TH_SYS_FOREVER);
}

MODEL(timed_wait_ends)
{
    int64_t before = th_sys_now();
    int code = th_sys_futex_wait(&word, 0, before + 1000);
    MODEL_CHECK_EQ(code, -ETIMEDOUT);
    MODEL_CHECK_EQ(th_sys_now(), before + 1000);
}

static void set_and_wake(void *arg)
{
    (void)arg;
    th_atomic32_store_relaxed(&word, 1);
    th_sys_futex_wake(&word, 1);
}

MODEL(futex_wake_is_not_lost, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = -1)
{
    th_model_thread(set_and_wake, NULL);
    while (th_atomic32_load_relaxed(&word) == 0)
        (void)th_sys_futex_wait(&word, 0, TH_SYS_FOREVER);
}

MODEL(spurious_wake_is_found, .fails = "woke for nothing")
{
    th_model_thread(set_and_wake, NULL);
    int code = th_sys_futex_wait(&word, 0, TH_SYS_FOREVER);
    if (code == 0 && th_atomic32_load_seqcst(&word) == 0)
        th_model_fail("woke for nothing");
}

MODEL(early_deadline_is_found, .fails = "too late")
{
    th_model_thread(set_and_wake, NULL);
    if (th_sys_futex_wait(&word, 0, th_sys_now() + 10) == -ETIMEDOUT)
        th_model_fail("too late");
}

/* ---- Memory */

MODEL(leak_is_found, .fails = "leak: block 1 of thread 0 (24 bytes")
{
    (void)th_sys_alloc(24);
}

MODEL(double_free_is_found, .fails = "twice")
{
    void *block = th_sys_alloc(24);
    th_sys_free(block);
    th_sys_free(block);
}

MODEL(use_after_free_is_found, .fails = "freed")
{
    shared = th_sys_alloc(sizeof *shared);
    *shared = 1;
    th_sys_free(shared);
    *shared = 2;
}

MODEL(write_beyond_block_is_found, .fails = "beyond its block")
{
    shared = th_sys_alloc(16);
    shared[4] = 1;
    th_sys_free(shared);
}

static void use_shared(void *arg)
{
    (void)arg;
    *shared = 1;
}

MODEL(free_races_with_use, .fails = "freed")
{
    shared = th_sys_alloc(sizeof *shared);
    th_model_thread(use_shared, NULL);
    th_sys_free(shared);
}

MODEL(crash_is_found, .fails = "crashes: Segmentation fault")
{
    *(volatile int *)8 = 1;
}

MODEL(panic_is_found, .fails = "panic: no 7")
{
    th_panic("no %d", 7);
}

MODEL(broken_belief_is_found, .fails = "belief broken: plain == 1")
{
    TH_ASSERT(plain == 1);
}

MODEL(any_allocation_may_fail, .modes = MODEL_SC, .failed_allocations = 1, .outcomes = "11|01|10")
{
    void *first = th_sys_alloc(8), *second = th_sys_alloc(8);
    th_model_outcome("%d%d", first != NULL, second != NULL);
    th_sys_free(first);
    th_sys_free(second);
}

/* ---- Ledger, choices, threads */

MODEL(lost_work_is_found, .fails = "item 1 of the ledger was issued and never done")
{
    th_model_issue(0);
    th_model_issue(1);
    th_model_done(0);
}

MODEL(doubled_work_is_found, .fails = "done twice")
{
    th_model_issue(0);
    th_model_done(0);
    th_model_done(0);
}

MODEL(every_choice_is_taken, .modes = MODEL_SC, .outcomes = "00|01|02|10|11|12")
{
    unsigned first = th_model_choose(2), second = th_model_choose(3);
    th_model_outcome("%u%u", first, second);
}

MODEL(what_does_not_repeat_itself_is_found, .modes = MODEL_SC, .fails = "does not repeat itself")
{
    for (int i = 0; i < 10; i++)
        (void)th_model_choose(2 + (unsigned)rand() % 3);
}

static __thread int local = 7;

static void *change_local(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(local, 7);
    local = 8;
    th_sys_thread_yield();
    MODEL_CHECK_EQ(local, 8);
    return NULL;
}

MODEL(thread_locals_are_per_thread)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        MODEL_CHECK_EQ(th_sys_thread_start(&threads[i], 0, change_local, NULL), 0);
    MODEL_CHECK_EQ(local, 7);
    local = 9;
    for (int i = 0; i < 2; i++)
        MODEL_CHECK_EQ(th_sys_thread_join(threads[i]), 0);
    MODEL_CHECK_EQ(local, 9);
}

static void weak_once(void *arg)
{
    uint32_t expected = 0;
    *(bool *)arg = __atomic_compare_exchange_n(&word.value, &expected, 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

#if !defined(__clang__)
/* clang's instrumentation does not tell weak from strong. */
MODEL(weak_compare_exchange_fails_for_nothing, .outcomes = "0|1")
#else
MODEL(weak_compare_exchange_fails_for_nothing, .outcomes = "1")
#endif
{
    bool is_done;
    weak_once(&is_done);
    th_model_outcome("%d", is_done);
}

/* ---- The asymmetric fence: a light side without any, a heavy side with membarrier. */

static th_atomic32 light, heavy;
static uint32_t light_saw;

static void light_side(void *arg)
{
    (void)arg;
    th_atomic32_store_relaxed(&light, 1);
    th_fence_compiler();
    light_saw = th_atomic32_load_relaxed(&heavy);
}

static uint32_t heavy_side(void)
{
    th_atomic32_store_relaxed(&heavy, 1);
    if (!TH_MUTANT(no_membarrier))
        (void)th_sys_membarrier();
    return th_atomic32_load_relaxed(&light);
}

MODEL(membarrier_orders_both_sides, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = -1)
{
    int thread = th_model_thread(light_side, NULL);
    uint32_t heavy_saw = heavy_side();
    th_model_join(thread);
    MODEL_CHECK(light_saw == 1 || heavy_saw == 1);
}

/* ---- A loop that gives up after some turns, while the other side stands still. */

static void patient(void *arg)
{
    (void)arg;
    for (int turn = 0; turn < 100; turn++)
        if (th_atomic32_load_acquire(&flag) != 0)
            return;
    th_model_outcome("gave up");
}

MODEL(counting_loop_runs_out_of_turns, .outcomes = "met|gave up")
{
    th_model_outcome("met");
    th_model_thread(patient, NULL);
    th_atomic32_store_release(&flag, 1);
}
