/*
 * Many at once: whatever tasks do to their threads, each ends, no permit is lost, and threads are bounded.
 */
#include "base/sys.h"
#include "sched/monitor.h"
#include "sched/worker.h"
#include "task/harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static void check_threads(void)
{
    struct thrum_runtime *runtime = thrum_runtime_current();
    uint32_t held = 0;
    th_lock_take(&runtime->crew.lock);
    CHECK_LE(runtime->crew.threads, runtime->crew.most);
    for (uint32_t i = 0; i < th_runtime_made(runtime); i++) {
        uint32_t permit = th_atomic32_load_relaxed(&runtime->workers[i]->permit);
        held += permit == TH_PERMIT_BUSY || permit == TH_PERMIT_IDLE;
    }
    th_lock_leave(&runtime->crew.lock);
    CHECK_EQ(held, runtime->worker_count);
}

static int nap(void *arg)
{
    struct timespec span = {.tv_nsec = (long)(intptr_t)arg};
    (void)nanosleep(&span, NULL);
    return 0;
}

/* ---- Scale ---- */

static int nap_and_count(void *arg)
{
    (void)nap((void *)(intptr_t)2000000);
    count_up(arg);
    return 0;
}

static int nap_all_at_once(void *arg)
{
    th_atomic32 ended = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    uint32_t tasks = (uint32_t)fewer(10000, 500);
    (void)arg;
    for (uint32_t i = 0; i < tasks; i++)
        CHECK_EQ(thrum_spawn(&group, nap_and_count, &ended), 0);
    while (count_of(&ended) < tasks) {
        CHECK_EQ(thrum_sleep(THRUM_MS(1)), 0);
        check_threads();
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(ten_thousand_that_nap_at_once_end)
{
    run_on(2, nap_all_at_once, NULL);
}

static int compute_until_set(void *arg)
{
    while (!flag_is_set(arg))
        th_cpu_relax();
    return 0;
}

static int compute_all_at_once(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < fewer(1000, 100); i++)
        CHECK_EQ(thrum_spawn(&group, compute_until_set, &flag), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(thrum_sleep(THRUM_MS(1)), 0);
        check_threads();
    }
    flag_set(&flag);
    CHECK_EQ(thrum_group_wait(&group), 0);
    check_threads();
    return 0;
}

TEST(a_thousand_that_compute_for_ever_leave_room_for_others)
{
    run_on(2, compute_all_at_once, NULL);
}

/* ---- Threads that may not come back ---- */

typedef bool thread_test(int id);

static uint32_t count_threads(thread_test *test)
{
    DIR *tasks = opendir("/proc/self/task");
    uint32_t count = 0;
    CHECK(tasks != NULL);
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.' && test(atoi(entry->d_name));
    closedir(tasks);
    return count;
}

static bool counts_less(int id)
{
    return getpriority(PRIO_PROCESS, (id_t)id) == 19;
}

static int compute_and_go(void *arg)
{
    (void)arg;
    for (int round = 0; round < 3; round++) {
        th_atomic32 flag = TH_ATOMIC_INIT(0);
        thrum_group group = THRUM_GROUP_INIT;
        for (int i = 0; i < 6; i++)
            CHECK_EQ(thrum_spawn(&group, compute_until_set, &flag), 0);
        while (count_threads(counts_less) == 0)
            CHECK_EQ(thrum_sleep(THRUM_MS(1)), 0);
        flag_set(&flag);
        CHECK_EQ(thrum_group_wait(&group), 0);
        /* None of them is kept to run others. */
        while (count_threads(counts_less) > 0)
            CHECK_EQ(thrum_sleep(THRUM_MS(1)), 0);
        check_threads();
    }
    return 0;
}

static void compute_as_nobody(void *arg)
{
    (void)arg;
    if (geteuid() == 0)
        CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    if (!th_sys_may_raise())
        run_on(2, compute_and_go, NULL);
}

TEST(a_thread_that_may_not_come_back_goes)
{
    static struct kit_outcome outcome;
    kit_in_child(compute_as_nobody, NULL, &outcome);
    if (outcome.exit_code != 0)
        FAIL("%d %s", outcome.signo, outcome.errors);
}

/* ---- The monitor's own cost ---- */

static int monitor_id;

static bool is_monitor(int id)
{
    char path[64], name[32];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/comm", id);
    bool is = th_sys_read_file(path, name, sizeof name) > 0 && strcmp(name, "thrum monitor\n") == 0;
    if (is)
        monitor_id = id;
    return is;
}

/* How often a thread has left the processor. */
static unsigned long switches_of(int id)
{
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/status", id);
    CHECK_GT(th_sys_read_file(path, text, sizeof text), 0);
    const char *voluntary = strstr(text, "\nvoluntary_ctxt_switches:");
    CHECK(voluntary != NULL);
    return strtoul(strchr(voluntary, ':') + 1, NULL, 10);
}

static thrum_event watched = THRUM_EVENT_INIT;

static void *watch_the_monitor(void *arg)
{
    struct thrum_runtime *runtime = arg;
    while (count_threads(is_monitor) == 0)
        sched_yield();
    while (th_atomic32_load_relaxed(&runtime->monitor.word) != TH_MONITOR_LONG ||
           th_sys_thread_state(monitor_id) != 'S')
        sched_yield();
    unsigned long before = switches_of(monitor_id);
    (void)nap((void *)(intptr_t)200000000);
    CHECK_EQ(switches_of(monitor_id), before);
    thrum_event_set(&watched);
    return NULL;
}

static int sleep_beside(void *arg)
{
    pthread_t thread = start_thread(watch_the_monitor, thrum_runtime_current());
    (void)arg;
    CHECK_EQ(thrum_event_wait(&watched), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return 0;
}

TEST(a_monitor_of_sleepers_costs_nothing)
{
    if (kit_is_valgrind() || kit_is_emulated())
        SKIP("threads are the tool's");
    run_on(2, sleep_beside, NULL);
}

/* ---- Everything at once ---- */

static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER;
static th_atomic32 chaos_ended;

static void compute_for_a_while(void)
{
    int64_t until = th_sys_now() + 2000000;
    while (th_sys_now() < until)
        th_cpu_relax();
}

static void hold_a_mutex(void)
{
    CHECK_EQ(pthread_mutex_lock(&shared), 0);
    (void)nap((void *)(intptr_t)50000);
    CHECK_EQ(pthread_mutex_unlock(&shared), 0);
}

static void run_a_program(void)
{
    char *const arguments[] = {"true", NULL};
    pid_t child;
    int status;
    CHECK_EQ(posix_spawnp(&child, "true", NULL, NULL, arguments, environ), 0);
    while (waitpid(child, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 0);
}

static int write_into_fifo(void *arg)
{
    const char *path = arg;
    int fd;
    while ((fd = open(path, O_WRONLY)) < 0)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
    return 0;
}

/* Each open waits for the other. */
static void read_from_fifo(void)
{
    static th_atomic32 number = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    char path[64], byte;
    int fd;
    (void)snprintf(path, sizeof path, "/tmp/thrum-test-%d-%u", (int)getpid(), th_atomic32_add_relaxed(&number, 1));
    CHECK_EQ(mkfifo(path, 0600), 0);
    CHECK_EQ(thrum_spawn(&group, write_into_fifo, path), 0);
    while ((fd = open(path, O_RDONLY)) < 0)
        CHECK_EQ(errno, EINTR);
    CHECK_EQ(read(fd, &byte, 1), 1);
    close(fd);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(unlink(path), 0);
}

static void look_up_a_name(void)
{
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", "80", NULL, &found) == 0)
        freeaddrinfo(found);
    const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
    CHECK_EQ(getaddrinfo("127.0.0.1", NULL, &numeric, &found), 0);
    freeaddrinfo(found);
}

static void touch_pages(void)
{
    enum { BYTES = 1 << 20 };
    char *pages = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    for (int i = 0; i < 2; i++) {
        memset(pages, i + 1, BYTES);
        CHECK_EQ(madvise(pages, BYTES, MADV_DONTNEED), 0);
        CHECK_EQ(pages[BYTES / 2], 0);
    }
    CHECK_EQ(munmap(pages, BYTES), 0);
}

static void nap_a_little(void)
{
    (void)nap((void *)(intptr_t)700000);
}

static void sleep_a_little(void)
{
    (void)thrum_sleep(THRUM_US(300));
}

static void nap_aside(void)
{
    CHECK_EQ(thrum_blocking(nap, (void *)(intptr_t)200000), 0);
}

static void compute_politely(void)
{
    int64_t until = th_sys_now() + 1000000;
    while (th_sys_now() < until)
        thrum_yield_if_due();
}

static void stay_for_a_while(void)
{
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    int thread = th_sys_thread_id();
    sleep_a_little();
    CHECK_EQ(th_sys_thread_id(), thread);
    thrum_nomigrate_end();
}

static void (*const deeds[])(void) = {
    nap_a_little,  compute_for_a_while, hold_a_mutex,   sleep_a_little, nap_aside,   compute_politely,
    run_a_program, read_from_fifo,      look_up_a_name, touch_pages,    thrum_yield, stay_for_a_while,
};

static int do_something(void *arg)
{
    uintptr_t choice = (uintptr_t)arg;
    for (int turn = 0; turn < 3; turn++, choice /= TH_COUNT_OF(deeds))
        deeds[choice % TH_COUNT_OF(deeds)]();
    count_up(&chaos_ended);
    return 0;
}

static int do_everything(void *arg)
{
    struct th_random *random = arg;
    thrum_group group = THRUM_GROUP_INIT;
    uint32_t tasks = (uint32_t)fewer(100, 30);
    th_atomic32_store_relaxed(&chaos_ended, 0);
    for (uint32_t i = 0; i < tasks; i++)
        CHECK_EQ(thrum_spawn(&group, do_something, (void *)(uintptr_t)th_random_below(random, 12 * 12 * 12)), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&chaos_ended), tasks);
    check_threads();
    return 0;
}

/* A process cannot stop one of its threads alone: a handler that sleeps holds it up as well, wherever it stands. */
static void hold_up(int signo)
{
    (void)signo;
    int errno_before = errno;
    struct timespec span = {.tv_nsec = 1500000};
    (void)nanosleep(&span, NULL);
    errno = errno_before;
}

static th_atomic32 hold_ups_over;

/* Any thread, the monitor's too; whoever has just ended is not held up. */
static struct th_random *hold_up_random;

static bool hold_up_some(int id)
{
    if (id != th_sys_thread_id() && th_random_below(hold_up_random, 8) == 0)
        (void)syscall(SYS_tgkill, getpid(), id, SIGUSR1);
    return false;
}

static void *hold_threads_up(void *arg)
{
    struct th_random random;
    th_random_init(&random, kit_seed() ^ 1);
    hold_up_random = &random;
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (!flag_is_set(&hold_ups_over)) {
        (void)count_threads(hold_up_some);
        (void)nap((void *)(intptr_t)(200000 + th_random_below(&random, 2000000)));
    }
    return arg;
}

TEST(whatever_gets_stuck_no_task_and_no_permit_is_lost)
{
    /* On the stack where it comes: Valgrind takes a thread's alternate stack for there when the thread has left the
     * runtime, and has none any more. */
    struct sigaction action = {.sa_handler = hold_up, .sa_flags = SA_RESTART};
    struct th_random random;
    th_random_init(&random, kit_seed());
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    pthread_t thread = start_thread(hold_threads_up, NULL);
    for (int i = 0; i < fewer(3, 1); i++) {
        FOR_EACH_WORKER_COUNT(workers)
        run_on(workers, do_everything, &random);
    }
    flag_set(&hold_ups_over);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}
