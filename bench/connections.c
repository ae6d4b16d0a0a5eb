/*
 * What idle connections cost a server's process: accepted by thrum_serve, each with a task that waits in a read.
 *
 *     bench_connections [CONNECTIONS] [WORKERS] [BUFFER]
 *
 * BUFFER is of 1024 bytes, which fit on the first page of the task's stack, or of 4096, which do not. The callers are a
 * process of their own. Printed are resident bytes of the server for each connection: when none of them has said
 * anything yet, when each has been echoed 64 bytes, and when each has been echoed a whole buffer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thrum.h>
#include <unistd.h>

enum { SMALL = 1024, LARGE = 4096 };

static int connections = 10000;
static size_t buffer_bytes = SMALL;
static atomic_int reading, echoed;
static int listener, orders[2]; /* for the callers: how many bytes each shall say next */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- The callers ---- */

static int call(const struct sockaddr_in *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)server, sizeof *server) < 0)
        fail("connect");
    return fd;
}

static void say(int fd, size_t bytes)
{
    static char text[LARGE];
    if (send(fd, text, bytes, MSG_NOSIGNAL) != (ssize_t)bytes || recv(fd, text, bytes, MSG_WAITALL) != (ssize_t)bytes)
        fail("echo");
}

static void be_the_callers(const struct sockaddr_in *server)
{
    int *fds = calloc((size_t)connections, sizeof *fds);
    size_t bytes;
    while (fds != NULL && read(orders[0], &bytes, sizeof bytes) == (ssize_t)sizeof bytes) {
        for (int i = 0; i < connections; i++) {
            if (bytes == 0)
                fds[i] = call(server);
            else
                say(fds[i], bytes);
        }
    }
    exit(0);
}

/* ---- The server ---- */

static int echo(int fd, char *bytes, size_t most)
{
    atomic_fetch_add(&reading, 1);
    for (;;) {
        ssize_t got = thrum_read(fd, bytes, most);
        if (got <= 0)
            return (int)got;
        if (thrum_write_all(fd, bytes, (size_t)got) != got)
            return -EPIPE;
        atomic_fetch_add(&echoed, (int)got);
    }
}

static int echo_by_a_small_buffer(int fd, void *arg)
{
    char bytes[SMALL];
    (void)arg;
    return echo(fd, bytes, sizeof bytes);
}

static int echo_by_a_large_buffer(int fd, void *arg)
{
    char bytes[LARGE];
    (void)arg;
    return echo(fd, bytes, sizeof bytes);
}

static int serve(void *arg)
{
    thrum_handler handler = buffer_bytes == LARGE ? echo_by_a_large_buffer : echo_by_a_small_buffer;
    const thrum_serve_options options = {.connections = (unsigned)connections};
    (void)arg;
    return thrum_serve_with(listener, &options, handler, NULL);
}

static double resident_bytes(void)
{
    char line[256];
    double kib = 0;
    FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
    if (rollup == NULL)
        fail("/proc/self/smaps_rollup");
    while (fgets(line, sizeof line, rollup) != NULL && sscanf(line, "Rss: %lf", &kib) != 1)
        continue;
    (void)fclose(rollup);
    return kib * 1024;
}

static int wait_for(const atomic_int *count, int wanted)
{
    int code = 0;
    while (code == 0 && atomic_load(count) < wanted)
        code = thrum_sleep(THRUM_MS(10));
    return code == 0 ? thrum_sleep(THRUM_MS(100)) : code; /* the last of them is about to wait */
}

/* All connections say so many bytes, or come (0 bytes). */
static int measure(size_t bytes, double before)
{
    atomic_store(&echoed, 0);
    if (write(orders[1], &bytes, sizeof bytes) != (ssize_t)sizeof bytes)
        return -EPIPE;
    int code = bytes == 0 ? wait_for(&reading, connections) : wait_for(&echoed, connections * (int)bytes);
    if (code == 0)
        printf("%6zu bytes echoed: %6.0f bytes each\n", bytes, (resident_bytes() - before) / connections);
    return code;
}

static int app(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    int code = thrum_spawn(&group, serve, NULL);
    if (code == 0)
        code = thrum_sleep(THRUM_MS(100));
    const size_t said[] = {0, 64, buffer_bytes};
    double before = resident_bytes();
    for (size_t i = 0; code == 0 && i < sizeof said / sizeof *said; i++)
        code = measure(said[i], before);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    return code;
}

/* ---- Both ---- */

static void listen_here(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)address, length) < 0 || listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)address, &length) < 0)
        fail("listen");
}

static void allow_all_numbers(void)
{
    struct rlimit numbers;
    if (getrlimit(RLIMIT_NOFILE, &numbers) == 0) {
        numbers.rlim_cur = numbers.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &numbers);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    thrum_options options = {.workers = argc > 2 ? (unsigned)atoi(argv[2]) : 2};
    connections = argc > 1 ? atoi(argv[1]) : connections;
    buffer_bytes = argc > 3 ? (size_t)atoi(argv[3]) : SMALL;
    if (connections < 1 || options.workers < 1 || (buffer_bytes != SMALL && buffer_bytes != LARGE)) {
        fprintf(stderr, "usage: bench_connections [CONNECTIONS] [WORKERS] [1024|4096]\n");
        return 2;
    }
    allow_all_numbers();
    listen_here(&address);
    if (pipe(orders) < 0)
        fail("pipe");
    /* Before there are threads. */
    pid_t callers = fork();
    if (callers == 0)
        be_the_callers(&address);
    int code = thrum_run_with(&options, app, NULL);
    (void)kill(callers, SIGKILL);
    (void)waitpid(callers, NULL, 0);
    if (code != 0)
        fprintf(stderr, "bench_connections: %s\n", thrum_strerror(code));
    return code == 0 ? 0 : 1;
}
