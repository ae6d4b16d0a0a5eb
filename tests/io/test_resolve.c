/* Names: what getaddrinfo does of them, who waits for it, and dialling by name. This program brings a getaddrinfo of
 * its own: no test asks a name server. */
#include <dlfcn.h>
#include <netdb.h>

#include "io/pairs.h"

static th_atomic32 slow_may_end, slow_begun, lookups;

typedef int getaddrinfo_call(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* The system's, for numbers. */
static int numbers(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    getaddrinfo_call *real = (getaddrinfo_call *)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    return real(host, service, hints, found);
}

/* "slow": answers when it is let. "nobody", "later", "never": no answer of several kinds. "twisted": two addresses
 * where nobody is, and one of this machine. Else a number. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    count_up(&lookups);
    if (strcmp(host, "nobody") == 0)
        return EAI_NONAME;
    if (strcmp(host, "later") == 0)
        return EAI_AGAIN;
    if (strcmp(host, "never") == 0)
        return EAI_FAIL;
    if (strcmp(host, "slow") == 0) {
        count_up(&slow_begun);
        while (!flag_is_set(&slow_may_end))
            sched_yield();
        return numbers("127.0.0.1", service, hints, found);
    }
    if (strcmp(host, "twisted") != 0)
        return numbers(host, service, hints, found);
    static const char *const hosts[] = {"127.0.0.2", "127.0.0.3", "127.0.0.1"};
    for (size_t i = 0; i < TH_COUNT_OF(hosts); i++) {
        CHECK_EQ(numbers(hosts[i], service, hints, found), 0);
        while (*found != NULL)
            found = &(*found)->ai_next;
    }
    return 0;
}

static const struct addrinfo tcp = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};

static int resolves(void *arg)
{
    struct addrinfo *found = NULL;
    (void)arg;
    CHECK_EQ(thrum_resolve("127.1", "80", &tcp, &found), 0);
    const struct sockaddr_in *address = (const void *)found->ai_addr;
    CHECK_EQ(ntohl(address->sin_addr.s_addr), INADDR_LOOPBACK);
    CHECK_EQ(ntohs(address->sin_port), 80);
    freeaddrinfo(found);
    static const struct {
        const char *host;
        int code;
    } bad[] = {{"nobody", -ENOENT}, {"later", -EAGAIN}, {"never", -EIO}};
    for (size_t i = 0; i < TH_COUNT_OF(bad); i++)
        CHECK_EQ(thrum_resolve(bad[i].host, "80", &tcp, &found), bad[i].code);
    CHECK_EQ(thrum_resolve("127.1", "no such service", &tcp, &found), -EINVAL);
    return 0;
}

TEST(a_name_is_looked_up_as_getaddrinfo_does)
{
    run_on_each_count(resolves);
    CHECK_EQ(resolves(NULL), 0);
}

TEST(a_lookup_finds_room_where_stacks_are_small)
{
    thrum_options options = {.workers = 2, .stack_bytes = 32 << 10};
    CHECK_EQ(thrum_run_with(&options, resolves, NULL), 0);
}

/* ---- Who waits ---- */

static int look_up_slow(void *arg)
{
    struct addrinfo *found = NULL;
    (void)arg;
    int code = thrum_resolve("slow", "80", &tcp, &found);
    if (code == 0)
        freeaddrinfo(found);
    return code;
}

static int others_go_on(void *arg)
{
    thrum_task *slow;
    int result = -1;
    (void)arg;
    th_atomic32_store_relaxed(&slow_may_end, 0);
    uint32_t begun = count_of(&slow_begun);
    CHECK_EQ(thrum_task_start(&slow, NULL, NULL, look_up_slow, NULL), 0);
    count_wait(&slow_begun, begun + 1);
    CHECK_EQ(resolves(NULL), 0);
    CHECK(!thrum_task_is_done(slow));
    flag_set(&slow_may_end);
    CHECK_EQ(thrum_join(slow, &result), 0);
    CHECK_EQ(result, 0);
    return 0;
}

TEST(a_slow_lookup_delays_nobody)
{
    run_on_each_count(others_go_on);
}

static int leaves(void *arg)
{
    thrum_task *slow;
    int result = 0;
    (void)arg;
    th_atomic32_store_relaxed(&slow_may_end, 0);
    uint32_t begun = count_of(&slow_begun);
    CHECK_EQ(thrum_task_start(&slow, NULL, NULL, look_up_slow, NULL), 0);
    count_wait(&slow_begun, begun + 1);
    thrum_task_cancel(slow);
    CHECK_EQ(thrum_join(slow, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    THRUM_TIMEOUT(THRUM_MS(1))
    CHECK_EQ(look_up_slow(NULL), -ETIMEDOUT);
    flag_set(&slow_may_end);
    return 0;
}

TEST(who_is_cancelled_leaves_a_lookup_behind)
{
    run_on_each_count(leaves);
}

static int cancelled_before(void *arg)
{
    struct addrinfo *found;
    uint32_t before = count_of(&lookups);
    (void)arg;
    THRUM_TIMEOUT(-1)
    CHECK_EQ(thrum_resolve("127.1", "80", &tcp, &found), -ETIMEDOUT);
    CHECK_EQ(count_of(&lookups), before);
    return 0;
}

TEST(who_has_no_time_left_looks_nothing_up)
{
    run_on_each_count(cancelled_before);
}

/* Ends and leaves meet at every moment: nothing is freed twice, or never, or too early (the sanitizers look). */
static int leave_at_any_moment(void *arg)
{
    struct addrinfo *found = NULL;
    for (int i = 0; i < fewer(300, 30); i++) {
        int code = -1;
        THRUM_TIMEOUT((i % 50) * THRUM_US(2))
        code = thrum_resolve("127.1", "80", &tcp, &found);
        if (code == 0)
            freeaddrinfo(found);
        else
            CHECK_EQ(code, -ETIMEDOUT);
    }
    (void)arg;
    return 0;
}

static int leavers(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(thrum_spawn(&group, leave_at_any_moment, arg), 0);
    return thrum_group_wait(&group);
}

TEST(a_lookup_may_be_left_at_any_moment)
{
    run_on_each_count(leavers);
}

static int without(void *arg)
{
    struct addrinfo *found;
    int fd = -1;
    (void)arg;
    int code = thrum_dial("tcp", "127.1:1", &fd);
    CHECK(code == -ENOMEM || code == -ECONNREFUSED);
    code = thrum_resolve("127.1", "1", &tcp, &found);
    if (code == 0)
        freeaddrinfo(found);
    else
        CHECK_EQ(code, -ENOMEM);
    return 0;
}

TEST(a_lookup_without_memory_fails)
{
    run_on(2, without, NULL);
    for (int i = 1; i < 30; i++) {
        char plan[64];
        thrum_options options = {.workers = 2};
        snprintf(plan, sizeof plan, i % 3 == 0 ? "getaddrinfo:%d:ENOMEM" : "alloc:%d:ENOMEM", i % 3 == 0 ? i / 3 : i);
        CHECK_EQ(th_fault_plan(plan), 0);
        int code = thrum_run_with(&options, without, NULL);
        CHECK_EQ(th_fault_plan(NULL), 0);
        CHECK(code == 0 || code == -ENOMEM);
    }
}

/* ---- By name ---- */

static int greet(int fd, void *arg)
{
    (void)arg;
    return thrum_write_all(fd, "hello", 5) == 5 ? 0 : -EPIPE;
}

static int serve(void *arg)
{
    const int *listener = arg;
    CHECK_EQ(thrum_serve(*listener, greet, NULL), -EBADF);
    return 0;
}

static int dials_by_name(void *arg)
{
    const char *host = arg;
    int listener, fd = -1;
    char name[128], wanted[128], text[8] = {0};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_listen("tcp", "127.1:0", &listener), 0);
    CHECK_GT(thrum_local_name(listener, name, sizeof name), 0);
    CHECK_EQ(thrum_spawn(&group, serve, &listener), 0);
    snprintf(wanted, sizeof wanted, "%s%s", host, strrchr(name, ':'));
    CHECK_EQ(thrum_dial("tcp", wanted, &fd), 0);
    CHECK_EQ(thrum_read_full(fd, text, 5), 5);
    CHECK_STR_EQ(text, "hello");
    CHECK_EQ(thrum_close(fd), 0);
    CHECK_EQ(thrum_close(listener), 0);
    return thrum_group_wait(&group);
}

TEST(a_dial_by_name_takes_the_address_that_answers)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        run_on(workers, dials_by_name, (void *)"127.1");
        run_on(workers, dials_by_name, (void *)"twisted");
    }
}

static int no_name(void *arg)
{
    int fd = -1;
    (void)arg;
    CHECK_EQ(thrum_dial("tcp", "nobody:80", &fd), -ENOENT);
    CHECK_EQ(thrum_listen("tcp", "nobody:80", &fd), -ENOENT);
    CHECK_EQ(thrum_dial("tcp6", "127.1:80", &fd), -ENOENT);
    CHECK_EQ(thrum_dial("udp", "later:80", &fd), -EAGAIN);
    return 0;
}

TEST(a_dial_to_an_unknown_name_says_so)
{
    run_on(2, no_name, NULL);
}
