/* Files, names and calls that say they block: a crowd of one kind, however large, delays none of the others. This
 * program brings a getaddrinfo and an fsync of its own that wait for as long as a test wants. */
#include <dlfcn.h>
#include <netdb.h>
#include <sys/syscall.h>

#include "io/pairs.h"
#include "sched/crew.h"

enum { THREADS = 40, CROWD = 2 * THREADS };

/* Nobody writes into it: whoever reads from it waits until its other end is closed. */
static int gate[2];

static void wait_at_the_gate(void)
{
    char nothing;
    while (read(gate[0], &nothing, 1) < 0)
        CHECK_EQ(errno, EINTR);
}

/* ---- What waits ---- */

typedef int getaddrinfo_call(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    getaddrinfo_call *real = (getaddrinfo_call *)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(host, "slow") == 0)
        wait_at_the_gate();
    return real(strcmp(host, "slow") == 0 ? "127.0.0.1" : host, service, hints, found);
}

/* Of the gate itself: no test syncs a disk. */
int fsync(int fd)
{
    if (fd == gate[0])
        wait_at_the_gate();
    return 0;
}

static int resolve(const char *host)
{
    const struct addrinfo tcp = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = thrum_resolve(host, "80", &tcp, &found);
    if (code == 0)
        freeaddrinfo(found);
    return code;
}

static int resolve_slowly(void *arg)
{
    (void)arg;
    return resolve("slow");
}

static int resolve_now(void *arg)
{
    (void)arg;
    return resolve("127.0.0.1");
}

static int sync_slowly(void *arg)
{
    (void)arg;
    return thrum_fsync(gate[0]);
}

static int sync_now(void *arg)
{
    (void)arg;
    return thrum_fsync(gate[1]);
}

static int wait_for_the_gate(void *arg)
{
    (void)arg;
    wait_at_the_gate();
    return 0;
}

static int block_slowly(void *arg)
{
    return thrum_blocking(wait_for_the_gate, arg);
}

static int block_now(void *arg)
{
    return thrum_blocking(return_zero, arg);
}

static const struct kind {
    enum th_lane_kind lane;
    thrum_fn slowly, now;
} lookups = {TH_LANE_NAMES, resolve_slowly, resolve_now}, syncs = {TH_LANE_FILES, sync_slowly, sync_now},
  calls = {TH_LANE_USER, block_slowly, block_now};

static const struct kind *const kinds[] = {&lookups, &syncs, &calls};

/* ---- A crowd of one kind ---- */

/* As many run as may, and others wait for their turn. */
static bool is_crowded(enum th_lane_kind lane)
{
    struct th_crew *crew = &th_worker_of(th_fiber_self())->runtime->crew;
    th_lock_take(&crew->lock);
    bool is_full = th_lanes_room(&crew->lanes, lane) == 0 && th_queue_count(&crew->lanes.of[lane].queue) > 0;
    th_lock_leave(&crew->lock);
    return is_full;
}

static int crowds_one_lane(void *arg)
{
    const struct kind *crowded = arg;
    thrum_group crowd = THRUM_GROUP_INIT;
    CHECK_EQ(pipe2(gate, O_CLOEXEC), 0);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(thrum_spawn(&crowd, crowded->slowly, NULL), 0);
    while (!is_crowded(crowded->lane)) {
        thrum_yield();
        sched_yield();
    }
    /* Each of these would wait for the gate, and so for ever, if it waited for the crowd. */
    for (size_t i = 0; i < TH_COUNT_OF(kinds); i++) {
        if (kinds[i] != crowded)
            CHECK_EQ(kinds[i]->now(NULL), 0);
    }
    CHECK(is_crowded(crowded->lane));
    CHECK_EQ(close(gate[1]), 0);
    CHECK_EQ(thrum_group_wait(&crowd), 0);
    return close(gate[0]);
}

static void crowd_with(const struct kind *kind)
{
    char threads[8];
    snprintf(threads, sizeof threads, "%d", THREADS);
    CHECK_EQ(setenv("THRUM_MAX_THREADS", threads, 1), 0);
    FOR_EACH_WORKER_COUNT(workers)
    run_on(workers, crowds_one_lane, (void *)kind);
}

TEST(a_crowd_of_lookups_delays_neither_files_nor_calls_that_block)
{
    crowd_with(&lookups);
}

TEST(a_crowd_of_syncs_delays_neither_lookups_nor_calls_that_block)
{
    crowd_with(&syncs);
}

TEST(a_crowd_of_calls_that_block_delays_neither_lookups_nor_files)
{
    crowd_with(&calls);
}
