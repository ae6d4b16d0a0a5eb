/*
 * Asks an echo server, from one thread by an epoll loop, and prints one line: messages a second, latency at several
 * quantiles, and what CPU time the server took for it.
 *
 *     echo_load PORT CONNECTIONS SECONDS [--bytes N] [--rate MESSAGES_A_SECOND] [--server PID] [--warm SECONDS]
 *
 * Closed loop, one message in flight on each connection, unless a rate is given: then messages are due at fixed times,
 * and latency counts from when a message was due, not from when a busy connection came to send it. A server that stalls
 * is charged for all the messages that waited meanwhile.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, BYTES_MOST = 65536 };

/* A histogram of nanoseconds: 64 steps for each power of two, so each is right within 1.6 percent. */
enum { STEP_BITS = 6, STEPS = 1 << STEP_BITS, SLOTS = STEPS * 48 };

static struct {
    int port, connections;
    double seconds, warm, rate;
    size_t bytes;
    int server;
} options = {.bytes = 64, .warm = 0.5};

struct connection {
    int fd;
    size_t got;
    int64_t due; /* of the message in flight; 0: none is */
};

static struct connection *all;
static uint64_t slots[SLOTS], answered;
static char message[BYTES_MOST];
static int set;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- What is measured ---- */

static int slot_of(uint64_t ns)
{
    if (ns < STEPS)
        return (int)ns;
    int power = 63 - __builtin_clzll(ns);
    int slot = (power - STEP_BITS + 1) * STEPS + (int)((ns >> (power - STEP_BITS)) & (STEPS - 1));
    return slot < SLOTS ? slot : SLOTS - 1;
}

static double slot_ns(int slot)
{
    int row = slot / STEPS, step = slot % STEPS;
    return row == 0 ? step : ldexp(STEPS + step + 0.5, row - 1);
}

static double quantile_us(double part)
{
    uint64_t wanted = (uint64_t)ceil(part * (double)answered), seen = 0;
    for (int i = 0; i < SLOTS; i++) {
        seen += slots[i];
        if (seen >= wanted && seen > 0)
            return slot_ns(i) / 1000;
    }
    return 0;
}

/* CPU seconds that the server has used; 0 if none was named. */
static double server_cpu(void)
{
    char path[64], text[1024];
    unsigned long long user = 0, system = 0;
    if (options.server == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/stat", options.server);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(text, sizeof text, file) == NULL)
        fail(path);
    (void)fclose(file);
    (void)sscanf(strrchr(text, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- Connections ---- */

static void open_connections(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    int on = 1;
    for (int i = 0; i < options.connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        /* Several loopback addresses: one has too few ports. */
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)(i / 20000));
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
            fail("connect");
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
            fail("epoll_ctl");
        all[i].fd = fd;
    }
}

static void ask(struct connection *connection, int64_t due)
{
    connection->due = due;
    connection->got = 0;
    if (send(connection->fd, message, options.bytes, MSG_NOSIGNAL) != (ssize_t)options.bytes)
        fail("send");
}

/* True once the whole answer is there. */
static bool take_answer(struct connection *connection)
{
    char bytes[BYTES_MOST];
    ssize_t got = recv(connection->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got <= 0 && !(got < 0 && errno == EAGAIN)) {
        fprintf(stderr, "the server closed a connection\n");
        exit(1);
    }
    connection->got += got > 0 ? (size_t)got : 0;
    return connection->got >= options.bytes;
}

static void count(int64_t from, int64_t to)
{
    slots[slot_of((uint64_t)(to - from))]++;
    answered++;
}

/* ---- The loops ---- */

static void run_closed(int64_t until)
{
    struct epoll_event events[EVENTS];
    int64_t time = now();
    while (time < until) {
        int ready = epoll_wait(set, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = &all[events[i].data.u32];
            if (!take_answer(connection))
                continue;
            time = now();
            count(connection->due, time);
            ask(connection, time);
        }
        time = ready > 0 ? time : now();
    }
}

/* Messages that were due when their connection was still busy wait in its turn: connection i has those numbered
 * i, i + connections, ... */
static void run_paced(int64_t from, int64_t until)
{
    struct epoll_event events[EVENTS];
    double step = 1e9 / options.rate;
    uint64_t *next = calloc((size_t)options.connections, sizeof *next), due_number = 0;
    for (int i = 0; i < options.connections; i++)
        next[i] = (uint64_t)i;
    for (int64_t time = now(); time < until; time = now()) {
        for (; from + (int64_t)((double)due_number * step) <= time; due_number++) {
            int i = (int)(due_number % (uint64_t)options.connections);
            if (all[i].due == 0 && next[i] == due_number)
                ask(&all[i], from + (int64_t)((double)due_number * step));
        }
        int ready = epoll_wait(set, events, EVENTS, 0);
        for (int e = 0; e < ready; e++) {
            uint32_t i = events[e].data.u32;
            if (!take_answer(&all[i]))
                continue;
            count(all[i].due, now());
            all[i].due = 0;
            next[i] += (uint64_t)options.connections;
            if (next[i] < due_number)
                ask(&all[i], from + (int64_t)((double)next[i] * step));
        }
    }
    free(next);
}

static void run_for(double seconds)
{
    int64_t from = now(), until = from + (int64_t)(seconds * 1e9);
    if (options.rate > 0)
        run_paced(from, until);
    else
        run_closed(until);
}

/* What is in flight at the end of a paced phase. */
static void settle(void)
{
    struct epoll_event events[EVENTS];
    int ready;
    while ((ready = epoll_wait(set, events, EVENTS, 200)) > 0) {
        for (int i = 0; i < ready; i++) {
            if (take_answer(&all[events[i].data.u32]))
                all[events[i].data.u32].due = 0;
        }
    }
}

static void measure(void)
{
    run_for(options.warm);
    if (options.rate > 0)
        settle();
    memset(slots, 0, sizeof slots);
    answered = 0;
    double cpu = server_cpu();
    int64_t from = now();
    run_for(options.seconds);
    double took = (double)(now() - from) / 1e9;
    cpu = server_cpu() - cpu;
    printf("%.0f msg/s  p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f us", (double)answered / took, quantile_us(0.5),
           quantile_us(0.9), quantile_us(0.99), quantile_us(0.999));
    if (options.server != 0)
        printf("  server CPU %.2f us/msg", cpu / (double)answered * 1e6);
    printf("\n");
}

static void read_options(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s PORT CONNECTIONS SECONDS [--bytes N] [--rate N] [--server PID] [--warm SECONDS]\n",
                argv[0]);
        exit(2);
    }
    options.port = atoi(argv[1]);
    options.connections = atoi(argv[2]);
    options.seconds = atof(argv[3]);
    for (int i = 4; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--bytes") == 0)
            options.bytes = (size_t)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--rate") == 0)
            options.rate = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--server") == 0)
            options.server = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--warm") == 0)
            options.warm = atof(argv[i + 1]);
    }
    if (options.bytes > BYTES_MOST || options.bytes == 0)
        options.bytes = 64;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    read_options(argc, argv);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    set = epoll_create1(EPOLL_CLOEXEC);
    all = calloc((size_t)options.connections, sizeof *all);
    open_connections();
    for (int i = 0; options.rate == 0 && i < options.connections; i++)
        ask(&all[i], now());
    measure();
    return 0;
}
