/* Every system call of a conversation fails, with each errno, first and later: the caller is told, nothing hangs or
 * leaks. */
#include "io/pairs.h"

#include <thrum/stream.h>

#include <dirent.h>

static int count_open(void)
{
    int count = 0;
    DIR *here = opendir("/proc/self/fd");
    while (readdir(here) != NULL)
        count++;
    CHECK_EQ(closedir(here), 0);
    return count;
}

static int echo(int fd, void *arg)
{
    char bytes[16];
    ssize_t got;
    (void)arg;
    while ((got = thrum_read(fd, bytes, sizeof bytes)) > 0) {
        if (thrum_write_all(fd, bytes, (size_t)got) != got)
            return -EPIPE;
    }
    return (int)got;
}

static int serve(void *arg)
{
    int *listener = arg;
    int code = thrum_serve(*listener, echo, NULL);
    CHECK_LT(code, 0);
    return code;
}

/* What fails may fail; what says that it worked must have. */
static int talk(const char *network, const char *name)
{
    thrum_stream *stream;
    const char *line;
    int fd, code = thrum_dial(network, name, &fd);
    if (code < 0)
        return code;
    code = thrum_stream_open(&stream, fd, NULL);
    if (code < 0) {
        (void)thrum_close(fd);
        return code;
    }
    ssize_t got = thrum_stream_printf(stream, "a line that goes there and comes back\n");
    if (got >= 0)
        got = thrum_stream_flush(stream);
    if (got >= 0)
        got = thrum_stream_read_line(stream, &line);
    if (got > 0)
        CHECK_EQ(memcmp(line, "a line that goes there and comes back\n", (size_t)got), 0);
    code = thrum_stream_close(stream);
    return got < 0 ? (int)got : code;
}

static int converse(void *arg)
{
    const char *network = arg;
    thrum_group group = THRUM_GROUP_INIT;
    char name[128];
    int listener, code = thrum_listen(network, network[0] == 'u' ? "@thrum-test-faults" : "127.0.0.1:0", &listener);
    if (code < 0)
        return 0;
    code = thrum_local_name(listener, name, sizeof name);
    if (code >= 0)
        code = thrum_spawn(&group, serve, &listener);
    bool is_served = code == 0;
    for (int i = 0; is_served && i < 3; i++) {
        THRUM_TIMEOUT(THRUM_MS(200))
        (void)talk(network, name);
    }
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    if (!is_served)
        (void)thrum_close(listener);
    return 0;
}

static const char *const plans[] = {
    "epoll_create:%s:EMFILE",   "epoll_create:%s:ENOMEM",  "eventfd:%s:EMFILE",
    "epoll_ctl:%s:ENOMEM",      "epoll_ctl:%s:ENOSPC",     "epoll_wait:%s:EINTR",
    "socket:%s:EMFILE",         "socket:%s:ENOBUFS",       "socket:%s:EACCES",
    "bind:%s:EADDRINUSE",       "bind:%s:EACCES",          "listen:%s:EADDRINUSE",
    "accept:%s:EMFILE",         "accept:%s:ENFILE",        "accept:%s:ECONNABORTED",
    "accept:%s:EPROTO",         "accept:%s:EINTR",         "accept:%s:ENOBUFS",
    "accept:%s:EPERM",          "connect:%s:ECONNREFUSED", "connect:%s:ENETUNREACH",
    "connect:%s:EADDRNOTAVAIL", "connect:%s:EINTR",        "connect:%s:EACCES",
    "recv:%s:ECONNRESET",       "recv:%s:EINTR",           "recv:%s:ENOMEM",
    "send:%s:ECONNRESET",       "send:%s:EPIPE",           "send:%s:EINTR",
    "send:%s:ENOBUFS",          "send:%s:short=1",         "getsockopt:%s:ENOBUFS",
    "setsockopt:%s:ENOMEM",     "getsockname:%s:ENOBUFS",  "getpeername:%s:ENOBUFS",
    "fstat:%s:ENOMEM",          "fcntl:%s:EACCES",         "poll:%s:ENOMEM",
};

/* The first, the second, and the third to the seventh. */
static const char *const moments[] = {"1", "2", "3x5"};

TEST(each_call_of_a_conversation_may_fail)
{
    /* What stays for ever is made by a first one that works. */
    run_on(2, converse, (void *)"tcp");
    int open = count_open();
    for (size_t i = 0; i < TH_COUNT_OF(plans); i++) {
        for (size_t m = 0; m < TH_COUNT_OF(moments); m++) {
            char plan[64];
            snprintf(plan, sizeof plan, plans[i], moments[m]);
            CHECK_EQ(th_fault_plan(plan), 0);
            run_on(2, converse, (void *)"tcp");
            run_on(1, converse, (void *)"unix");
            CHECK_EQ(th_fault_plan(NULL), 0);
            CHECK_EQ(count_open(), open);
        }
    }
}

/* Interrupted and short, half of the time, while a lot is moved: every byte arrives. */
static int send_all(void *arg)
{
    struct pair *pair = arg;
    CHECK_EQ(thrum_write_all(pair->fds[1], pair->from, 1 << 16), 1 << 16);
    return 0;
}

static int moves_under_fire(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    thrum_group group = THRUM_GROUP_INIT;
    char *to = malloc(1 << 16);
    pair.from = random_bytes(1 << 16);
    CHECK_EQ(thrum_spawn(&group, send_all, &pair), 0);
    CHECK_EQ(thrum_read_full(pair.fds[0], to, 1 << 16), 1 << 16);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(memcmp(to, pair.from, 1 << 16), 0);
    free(to);
    free(pair.from);
    close_pair(&pair);
    return 0;
}

TEST(short_and_interrupted_calls_lose_no_byte)
{
    static const char *const fire[] = {
        "recv:1x50:EINTR,send:2x50:EINTR,readv:1x50:EINTR,writev:1x50:EINTR,epoll_wait:1x50:EINTR",
        "send:2x500:short=7,readv:2x500:short=1,writev:2x500:short=7",
        "recv:1+:short=511,send:1+:short=509,readv:1+:short=511,writev:1+:short=509",
    };
    FOR_EACH_WORKER_COUNT(workers)
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        for (size_t i = 0; i < TH_COUNT_OF(fire); i++) {
            /* A TCP socket that gives less than was asked for has no more: this is not to be played. */
            CHECK_EQ(th_fault_plan(kind == PAIR_TCP && i == 2 ? "send:1+:short=509" : fire[i]), 0);
            run_on(workers, moves_under_fire, &kind);
            CHECK_EQ(th_fault_plan(NULL), 0);
        }
    }
}
