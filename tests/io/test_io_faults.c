/* Every system call of a conversation fails, with each errno, first and later: the caller is told, nothing hangs or
 * leaks. */
#include "io/pairs.h"

#include <thrum/stream.h>

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

static thrum_time patience = THRUM_MS(200);

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
        THRUM_TIMEOUT(patience)
        (void)talk(network, name);
    }
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    if (!is_served)
        (void)thrum_close(listener);
    return 0;
}

/* Each call with what its manual page lists, as far as the kernel could mean it here: -EAGAIN is its word, not to be
 * played, for an event follows it. */
static const struct {
    const char *call, *failures;
} table[] = {
    {"epoll_create", "EMFILE ENFILE ENOMEM"},
    {"eventfd", "EMFILE ENFILE ENOMEM"},
    {"epoll_ctl", "ENOMEM ENOSPC"},
    {"epoll_wait", "EINTR"},
    {"socket", "EACCES EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM"},
    {"bind", "EACCES EADDRINUSE EADDRNOTAVAIL ELOOP ENOMEM"},
    {"listen", "EADDRINUSE EOPNOTSUPP"},
    {"accept", "ECONNABORTED EINTR EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO ENETDOWN EHOSTUNREACH EOPNOTSUPP"},
    {"connect", "EACCES EPERM EADDRINUSE EADDRNOTAVAIL ECONNREFUSED EINTR ENETUNREACH ETIMEDOUT EHOSTUNREACH"},
    {"recv", "ECONNREFUSED ECONNRESET EINTR ENOMEM ENOTCONN ETIMEDOUT EHOSTUNREACH"},
    {"send", "EACCES ECONNRESET EINTR EMSGSIZE ENOBUFS ENOMEM ENOTCONN EPIPE short=1"},
    {"getsockopt", "ENOBUFS ENOMEM"},
    {"setsockopt", "ENOBUFS ENOMEM"},
    {"getsockname", "ENOBUFS"},
    {"getpeername", "ENOBUFS ENOTCONN"},
    {"fstat", "ENOMEM"},
    {"fcntl", "EACCES"},
    {"poll", "ENOMEM"},
};

static void converse_under(const char *plan, int open)
{
    CHECK_EQ(th_fault_plan(plan), 0);
    run_on(2, converse, (void *)"tcp");
    run_on(1, converse, (void *)"unix");
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(count_open_files(), open);
}

/* Each failure of the table at a moment of the injector's language. */
static void fail_at(const char *moment, int open)
{
    for (size_t i = 0; i < TH_COUNT_OF(table); i++) {
        char failures[128], *rest = failures;
        snprintf(failures, sizeof failures, "%s", table[i].failures);
        for (const char *failure; (failure = strtok_r(rest, " ", &rest)) != NULL;) {
            char plan[64];
            snprintf(plan, sizeof plan, "%s:%s:%s", table[i].call, moment, failure);
            converse_under(plan, open);
        }
    }
}

/* What stays for ever is made by a first one that works. */
static int count_after_one_that_works(void)
{
    run_on(2, converse, (void *)"tcp");
    return count_open_files();
}

TEST(each_call_of_a_conversation_may_fail)
{
    int open = count_after_one_that_works();
    fail_at("1", open);
    if (kit_is_valgrind()) /* a minute each there */
        return;
    fail_at("2", open);
    fail_at("3x5", open);
}

TEST(a_storm_of_failures_of_one_kind_is_outlived)
{
    int open = count_after_one_that_works();
    patience = THRUM_MS(10);
    fail_at("*", open);
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
            CHECK_EQ(th_fault_plan(fire[i]), 0);
            run_on(workers, moves_under_fire, &kind);
            CHECK_EQ(th_fault_plan(NULL), 0);
        }
    }
}
