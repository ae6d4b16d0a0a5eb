/* Servers that are given more than they can take: connections without end, without numbers, without anybody behind. */
#include "io/pairs.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum {
    NUMBERS = 16, /* that a short server has for its connections */
    CALLERS = 64, /* who want one */
    HELD_MS = 50, /* before the first of them says anything */
    STORM = 2000,
    CROWD = 10000,
};

/* ---- The other side: a process of its own, without thrum ---- */

static int call(const struct sockaddr_in *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)server, sizeof *server), 0);
    return fd;
}

static void say_and_hear(int fd)
{
    char heard = 0;
    CHECK_EQ(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    CHECK_EQ(recv(fd, &heard, 1, 0), 1);
    CHECK_EQ(heard, 'x');
}

/* All are connected before any of them says a word: more than the server has numbers for. */
static void call_too_often(const struct sockaddr_in *server)
{
    int fds[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        fds[i] = call(server);
    (void)usleep((useconds_t)kit_rounds(HELD_MS) * 1000);
    for (int i = 0; i < CALLERS; i++) {
        say_and_hear(fds[i]);
        CHECK_EQ(close(fds[i]), 0);
    }
}

/* Half of them are reset before anybody can have accepted them. */
static void call_and_hang_up(const struct sockaddr_in *server)
{
    const struct linger at_once = {.l_onoff = 1};
    for (int i = 0; i < fewer(STORM, STORM / 20); i++) {
        int fd = call(server);
        if (i % 2 == 0)
            CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        CHECK_EQ(close(fd), 0);
    }
    int fd = call(server);
    say_and_hear(fd);
    CHECK_EQ(close(fd), 0);
}

static void call_in_a_crowd(const struct sockaddr_in *server)
{
    int crowd = fewer(CROWD, CROWD / 20), *fds = malloc((size_t)crowd * sizeof *fds);
    for (int i = 0; i < crowd; i++)
        fds[i] = call(server);
    /* The oldest has been idle for the longest. */
    for (int i = 0; i < crowd; i++)
        say_and_hear(fds[i]);
    for (int i = 0; i < crowd; i++)
        CHECK_EQ(close(fds[i]), 0);
    free(fds);
}

/* ---- The server ---- */

struct trial {
    void (*call)(const struct sockaddr_in *server);
    rlim_t numbers; /* that the server has; 0: as many as it can get */
    pid_t caller;
    int listener;
};

static int echo_bytes(int fd, void *arg)
{
    char byte;
    (void)arg;
    while (thrum_read(fd, &byte, 1) == 1) {
        if (thrum_write(fd, &byte, 1) != 1)
            return -EPIPE;
    }
    return 0;
}

static int serve_them(void *arg)
{
    const thrum_serve_options options = {.connections = 2 * CROWD};
    return thrum_serve_with(((struct trial *)arg)->listener, &options, echo_bytes, NULL);
}

static int wait_for_the_caller(void *arg)
{
    int status;
    const struct trial *trial = arg;
    CHECK_EQ(waitpid(trial->caller, &status, 0), trial->caller);
    return status;
}

static int serve_until_they_have_gone(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, serve_them, arg), 0);
    int status = thrum_blocking(wait_for_the_caller, arg);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    return status;
}

static void limit_numbers(rlim_t numbers)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = numbers == 0 ? limit.rlim_max : numbers;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < numbers || (numbers == 0 && limit.rlim_cur < CROWD + 100))
        SKIP("no more than %ju file descriptors are allowed", (uintmax_t)limit.rlim_cur);
}

/* The port is there before the caller is, and the caller before the first thread. */
static void try_to_serve(unsigned workers, struct trial *trial)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    limit_numbers(0);
    trial->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_EQ(bind(trial->listener, (struct sockaddr *)&address, length), 0);
    CHECK_EQ(listen(trial->listener, 4096), 0);
    CHECK_EQ(getsockname(trial->listener, (struct sockaddr *)&address, &length), 0);
    (void)fflush(NULL);
    trial->caller = fork();
    if (trial->caller == 0) {
        CHECK_EQ(close(trial->listener), 0);
        trial->call(&address);
        _exit(0);
    }
    if (trial->numbers != 0)
        limit_numbers((rlim_t)trial->listener + trial->numbers);
    run_on(workers, serve_until_they_have_gone, trial);
}

static int64_t cpu_us(void)
{
    struct rusage used;
    CHECK_EQ(getrusage(RUSAGE_SELF, &used), 0);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * (int64_t)1000000 + used.ru_utime.tv_usec +
           used.ru_stime.tv_usec;
}

TEST(a_server_without_numbers_goes_on_when_there_are_some)
{
    if (kit_is_valgrind())
        SKIP("Valgrind has limits of its own");
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct trial trial = {.call = call_too_often, .numbers = NUMBERS};
        int64_t before = cpu_us();
        try_to_serve(workers, &trial);
        printf("%u workers: %d callers for %d numbers, nobody says a word for %d ms: %jd us of CPU in all\n", workers,
               CALLERS, NUMBERS, kit_rounds(HELD_MS), (intmax_t)(cpu_us() - before));
    }
}

TEST(a_storm_of_callers_who_hang_up_is_outlived)
{
    FOR_EACH_WORKER_COUNT(workers)
    try_to_serve(workers, &(struct trial){.call = call_and_hang_up});
}

TEST(a_storm_of_ten_thousand_connections_is_served)
{
    try_to_serve(2, &(struct trial){.call = call_in_a_crowd});
}
