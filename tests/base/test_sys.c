#include "base/sys.h"
#include "kit/kit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

TEST(errors_are_results_and_errno_is_left_alone)
{
    errno = 4711;
    CHECK_EQ(th_sys_open_read("/nonexistent"), -ENOENT);
    CHECK_EQ(th_sys_close(-1), -EBADF);
    char byte;
    CHECK_EQ(th_sys_read(-1, &byte, 1), -EBADF);
    void *at;
    CHECK_EQ(th_sys_map(0, &at), -EINVAL);
    CHECK_EQ(errno, 4711);
}

TEST(a_file_is_read_whole_or_cut)
{
    char all[256], cut[4];
    ssize_t length = th_sys_read_file("/proc/self/comm", all, sizeof all);
    CHECK_GT(length, 4);
    CHECK_EQ((size_t)length, strlen(all));
    CHECK_EQ(th_sys_read_file("/proc/self/comm", cut, sizeof cut), 3);
    CHECK_EQ(strncmp(all, cut, 3), 0);
    CHECK_EQ(th_sys_read_file("/nonexistent", all, sizeof all), -ENOENT);
}

TEST(discarded_pages_read_as_zero)
{
    void *at;
    CHECK_EQ(th_sys_map_stacks(65536, &at), 0);
    memset(at, 1, 65536);
    CHECK_EQ(th_sys_discard(at, 65536), 0);
    for (int i = 0; i < 65536; i++)
        CHECK_EQ(((char *)at)[i], 0);
    CHECK_EQ(th_sys_unmap(at, 65536), 0);
}

static th_atomic32 word;

static void *wake_it(void *arg)
{
    (void)arg;
    th_atomic32_store_release(&word, 1);
    th_sys_futex_wake(&word, 1);
    return NULL;
}

TEST(a_futex_sleeper_is_woken)
{
    pthread_t thread;
    CHECK_EQ(th_sys_thread_start(&thread, 0, wake_it, NULL), 0);
    while (th_atomic32_load_acquire(&word) == 0) {
        int code = th_sys_futex_wait(&word, 0, TH_SYS_FOREVER);
        CHECK(code == 0 || code == -EAGAIN);
    }
    CHECK_EQ(th_sys_thread_join(thread), 0);
}

TEST(a_futex_wait_ends_at_its_deadline_not_before)
{
    int64_t deadline = th_sys_now() + 2000000;
    int code = 0;
    while (code == 0)
        code = th_sys_futex_wait(&word, 0, deadline);
    CHECK_EQ(code, -ETIMEDOUT);
    CHECK_GE(th_sys_now(), deadline);
}

TEST(sleep_until_is_not_early)
{
    int64_t deadline = th_sys_now() + 1000000;
    th_sys_sleep_until(deadline);
    CHECK_GE(th_sys_now(), deadline);
}

TEST(membarrier_works_after_registration)
{
    int code = th_sys_membarrier_register();
    if (code == -ENOSYS || code == -EPERM)
        SKIP("no membarrier on this kernel: %d", code);
    CHECK_EQ(code, 0);
    CHECK_EQ(th_sys_membarrier(), 0);
}

TEST(the_machine_answers)
{
    CHECK_GE(th_sys_affinity_count(), 1);
    CHECK_GE(th_sys_page_bytes(), 4096);
    CHECK_GE(th_sys_signal_frame_bytes(), 1024);
    CHECK_EQ(th_sys_thread_id(), getpid());
    CHECK_NE(th_sys_random(), th_sys_random());
}
