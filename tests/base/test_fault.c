#include "base/fault.h"
#include "kit/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

TEST(the_nth_call_fails_and_only_that)
{
    CHECK_EQ(th_fault_plan("alloc:2:ENOMEM"), 0);
    void *first = th_sys_alloc(8), *second = th_sys_alloc(8), *third = th_sys_alloc(8);
    CHECK_PTR_NE(first, NULL);
    CHECK_PTR_EQ(second, NULL);
    CHECK_PTR_NE(third, NULL);
    CHECK_EQ(th_fault_calls(TH_SYS_alloc), 3);
    CHECK_EQ(th_fault_hits(TH_SYS_alloc), 1);
    th_sys_free(first);
    th_sys_free(third);
}

TEST(ranges_and_always)
{
    void *at;
    CHECK_EQ(th_fault_plan("mmap:2x2:ENOMEM,open:*:EMFILE,close:3+:EIO"), 0);
    int want_map[] = {0, -ENOMEM, -ENOMEM, 0}, want_close[] = {-EBADF, -EBADF, -EIO, -EIO};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(th_sys_map(4096, &at), want_map[i]);
        if (want_map[i] == 0)
            CHECK_EQ(th_sys_unmap(at, 4096), 0);
        CHECK_EQ(th_sys_open_read("/dev/null"), -EMFILE);
        CHECK_EQ(th_sys_close(-1), want_close[i]);
    }
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(th_sys_close(th_sys_open_read("/dev/null")), 0);
}

TEST(some_in_a_hundred_fail_and_always_the_same)
{
    bool failed[400];
    int count = 0;
    for (int turn = 0; turn < 2; turn++) {
        CHECK_EQ(th_fault_plan("close:%25:EINTR"), 0);
        for (size_t i = 0; i < TH_COUNT_OF(failed); i++) {
            bool fails = th_sys_close(-1) == -EINTR;
            if (turn > 0)
                CHECK_EQ(fails, failed[i]);
            failed[i] = fails;
            count += fails;
        }
    }
    CHECK_GT(count, 800 * 15 / 100);
    CHECK_LT(count, 800 * 35 / 100);
}

TEST(reads_and_writes_come_up_short)
{
    int ends[2];
    char got[8] = {0};
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(th_fault_plan("write:1:short=3,read:2:short=1"), 0);
    CHECK_EQ(th_sys_write(ends[1], "abcdef", 6), 3);
    CHECK_EQ(th_sys_write(ends[1], "def", 3), 3);
    CHECK_EQ(th_sys_read(ends[0], got, 2), 2);
    CHECK_EQ(th_sys_read(ends[0], got + 2, 4), 1);
    CHECK_EQ(th_sys_read(ends[0], got + 3, 4), 3);
    CHECK_STR_EQ(got, "abcdef");
}

static void plan_badly(void *plan)
{
    if (th_fault_plan(plan) != -EINVAL)
        _exit(3);
}

TEST(a_bad_plan_is_refused_and_named)
{
    static struct kit_outcome outcome;
    char bad[][32] = {"mmap",           "nothing:1:EIO", "mmap:0:EIO", "mmap:1:EWHAT",
                      "mmap:1:short=2", "mmap:1x0:EIO",  "read:x:EIO", "read:%101:EIO"};
    for (size_t i = 0; i < TH_COUNT_OF(bad); i++) {
        kit_in_child(plan_badly, bad[i], &outcome);
        CHECK_EQ(outcome.exit_code, 0);
        CHECK_STR_HAS(outcome.errors, bad[i]);
    }
}

TEST(the_environment_sets_a_plan)
{
    if (kit_is_emulated())
        SKIP("the system cannot start this program without the emulator");
    static struct kit_outcome outcome;
    char self[4096] = {0};
    CHECK_GT(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    const char *good[] = {"env", "THRUM_FAULTS=open:1:EMFILE", self, "first_open_fails_when_told", NULL};
    const char *bad[] = {"env", "THRUM_FAULTS=gibberish", self, "first_open_fails_when_told", NULL};
    kit_command(good, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    kit_command(bad, &outcome);
    CHECK_EQ(outcome.exit_code, 2);
    CHECK_STR_HAS(outcome.errors, "bad rule `gibberish`");
}

/* The other half of the test above; on its own it has nothing to say. */
TEST(first_open_fails_when_told)
{
    const char *plan = getenv("THRUM_FAULTS");
    int wanted = plan != NULL ? -EMFILE : 0;
    int fd = th_sys_open_read("/dev/null");
    CHECK_EQ(fd < 0 ? fd : 0, wanted);
}
