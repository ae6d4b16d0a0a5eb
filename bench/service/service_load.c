/*
 * Loads the service of service.h, from one thread by an epoll loop: light clients and heavy ones at once.
 *
 *     service_load PORT SECONDS [--light CLIENTS] [--rate REQUESTS_A_SECOND] [--heavy CLIENTS] [--ms N]
 *                               [--how burn|block] [--echo BYTES] [--file BYTES] [--server PID]
 *                               [--warm SECONDS]
 *
 * Closed loop, each client asks again as soon as it has its answer; unless a rate is given: then light requests are due
 * at fixed times, the clients take them in turns, and latency counts from when a request was due, not from when a busy
 * client came to send it. What was not answered by the end counts with the time it has waited so far. So a server that
 * stalls is charged for all that waited, and for all that never came.
 *
 * With --echo the light clients send so many bytes and want them back. With --file they ask for a file of so many,
 * which is dropped in the kernel, and what comes is counted in such files, whole or not: few of them fit into a run.
 *
 * Prints a JSON line every half second, and in the end one with "is_final".
 */
#include "histogram.h"
#include "service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, BYTES_MOST = 4096 };

#define TELL_EVERY_NS 500000000
#define TIMER_EVENT   UINT32_MAX

static struct {
    int port, light, heavy, ms, echo_bytes, file_bytes;
    double seconds, rate, warm;
    const char *how;
    pid_t server;
} options = {.light = 64, .ms = 10, .warm = 1, .how = "burn"};

struct client {
    int fd;
    bool is_heavy;
    size_t got, wanted;
    int64_t due;   /* of the request in flight; 0: none is */
    uint64_t turn; /* paced: the number of the request that it sends next */
};

static struct client *clients;
static char light_request[BYTES_MOST], heavy_request[256];
static size_t light_bytes, heavy_bytes, answer_bytes; /* 0: the answer's head says it */
static int set, timer;

/* The measuring begins `from`, and ends `until`. Request number k is due at start + k * step. */
static int64_t start, from, until;
static uint64_t due_count;

static struct histogram all, recent;
static uint64_t heavy_count, heavy_recent, late_count, dropped_bytes;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec time = {0};
    (void)clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int64_t now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t process_cpu_ns(pid_t process)
{
    clockid_t clock;
    return process != 0 && clock_getcpuclockid(process, &clock) == 0 ? clock_ns(clock) : 0;
}

/* With its children, in which some servers work. */
static int64_t server_cpu_ns(void)
{
    char path[64];
    pid_t child;
    int64_t used = process_cpu_ns(options.server);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", options.server, options.server);
    FILE *children = fopen(path, "r");
    while (children != NULL && fscanf(children, "%d", &child) == 1)
        used += process_cpu_ns(child);
    if (children != NULL)
        (void)fclose(children);
    return used;
}

static int64_t due_at(uint64_t number)
{
    return start + (int64_t)((double)number * 1e9 / options.rate);
}

/* ---- One request ---- */

static void ask(struct client *client, int64_t due)
{
    const char *request = client->is_heavy ? heavy_request : light_request;
    size_t bytes = client->is_heavy ? heavy_bytes : light_bytes;
    client->due = due;
    client->got = 0;
    client->wanted = answer_bytes;
    if (send(client->fd, request, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
        service_fail("send");
}

static void give_up(const char *what)
{
    fprintf(stderr, "the server has %s\n", what);
    exit(1);
}

/* False: there is nothing for now. */
static bool receive(struct client *client, char *to, size_t bytes, int flags, ssize_t *got)
{
    *got = recv(client->fd, to, bytes, flags | MSG_DONTWAIT);
    if (*got < 0 && errno == EAGAIN)
        return false;
    if (*got <= 0)
        give_up("closed a connection");
    client->got += (size_t)*got;
    return true;
}

static void take_head(struct client *client)
{
    char bytes[BYTES_MOST + 1];
    ssize_t got;
    if (!receive(client, bytes, BYTES_MOST, 0, &got))
        return;
    bytes[got] = '\0';
    const char *end = strstr(bytes, "\r\n\r\n"), *length = strcasestr(bytes, "\r\nContent-Length:");
    if (end == NULL || length == NULL || length > end || atoi(strchr(length, ':') + 1) != options.file_bytes)
        give_up("answered something else than the file");
    client->wanted = (size_t)(end + 4 - bytes) + (size_t)options.file_bytes;
}

/* Of TCP MSG_TRUNC drops what is there, and copies nothing. */
static bool drop_file(struct client *client)
{
    ssize_t got = 0;
    if (client->wanted == 0)
        take_head(client);
    else if (receive(client, NULL, client->wanted - client->got, MSG_TRUNC, &got) && now() >= from)
        dropped_bytes += (uint64_t)got;
    return client->wanted != 0 && client->got == client->wanted;
}

/* True once the whole answer is there. */
static bool take_answer(struct client *client)
{
    char bytes[BYTES_MOST];
    ssize_t got;
    if (options.file_bytes != 0)
        return drop_file(client);
    if (!receive(client, bytes, client->wanted - client->got, 0, &got) || client->got < client->wanted)
        return false;
    if (options.echo_bytes == 0 && (got < 2 || memcmp(bytes + got - 2, "ok", 2) != 0))
        give_up("answered something else than ok");
    return true;
}

static void count_light(int64_t due, int64_t time)
{
    histogram_add(&recent, time - due);
    if (due >= from)
        histogram_add(&all, time - due);
}

/* Paced, a client whose turn has come meanwhile sends at once. */
static void go_on(struct client *client, int64_t time)
{
    int64_t due = client->due;
    client->due = 0;
    if (client->is_heavy) {
        heavy_recent++;
        heavy_count += time >= from;
        ask(client, time);
        return;
    }
    count_light(due, time);
    if (options.rate == 0) {
        ask(client, time);
        return;
    }
    client->turn += (uint64_t)options.light;
    if (client->turn < due_count)
        ask(client, due_at(client->turn));
}

/* ---- The loop ---- */

static void send_due(int64_t time)
{
    for (; due_at(due_count) <= time; due_count++) {
        struct client *client = &clients[due_count % (uint64_t)options.light];
        if (client->due == 0 && client->turn == due_count)
            ask(client, due_at(due_count));
    }
    int64_t next = due_at(due_count);
    struct itimerspec when = {.it_value = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        service_fail("timerfd_settime");
}

static void tell(int64_t time, int64_t span)
{
    printf("{\"at\": %.1f, \"light_per_s\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"heavy_per_s\": %.1f}\n",
           (double)(time - start) / 1e9, (double)recent.count * 1e9 / (double)span,
           histogram_quantile_ns(&recent, 0.5) / 1000, histogram_quantile_ns(&recent, 0.99) / 1000,
           (double)heavy_recent * 1e9 / (double)span);
    (void)fflush(stdout);
    memset(&recent, 0, sizeof recent);
    heavy_recent = 0;
}

static void wait_and_take(void)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(set, events, EVENTS, 50);
    for (int i = 0; i < ready; i++) {
        uint64_t expired;
        if (events[i].data.u32 == TIMER_EVENT)
            (void)!read(timer, &expired, sizeof expired);
        else if (take_answer(&clients[events[i].data.u32]))
            go_on(&clients[events[i].data.u32], now());
    }
}

static void run_until(int64_t end)
{
    int64_t told = now();
    for (int64_t time = told; time < end; time = now()) {
        if (options.rate > 0 && options.light > 0)
            send_due(time);
        wait_and_take();
        if (time - told >= TELL_EVERY_NS) {
            tell(time, time - told);
            told = time;
        }
    }
}

static void charge(int64_t due, int64_t time)
{
    histogram_add(&all, time - due);
    late_count++;
}

/* What was due and has no answer; the first of each client is in flight, the others have not even been sent. */
static void charge_the_late(int64_t time)
{
    for (int i = 0; i < options.light; i++) {
        const struct client *client = &clients[i];
        if (options.rate == 0)
            charge(client->due, time);
        for (uint64_t turn = client->turn; options.rate > 0 && turn < due_count; turn += (uint64_t)options.light) {
            if (due_at(turn) >= from)
                charge(due_at(turn), time);
        }
    }
}

/* ---- Setting up ---- */

static void open_client(struct client *client, uint32_t number)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    int on = 1;
    /* Several loopback addresses would be needed beyond 28,000 clients: one has no more ports. */
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0)
        service_fail("connect");
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->is_heavy = (int)number >= options.light;
    client->turn = number;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    if (epoll_ctl(set, EPOLL_CTL_ADD, client->fd, &event) < 0)
        service_fail("epoll_ctl");
}

static void set_up(void)
{
    struct rlimit files;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    set = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = TIMER_EVENT};
    clients = calloc((size_t)(options.light + options.heavy), sizeof *clients);
    if (clients == NULL || epoll_ctl(set, EPOLL_CTL_ADD, timer, &event) < 0)
        service_fail("setting up");
    for (int i = 0; i < options.light + options.heavy; i++)
        open_client(&clients[i], (uint32_t)i);
    heavy_bytes =
        (size_t)snprintf(heavy_request, sizeof heavy_request,
                         "GET /heavy?ms=%d&how=%s HTTP/1.1\r\nHost: localhost\r\n\r\n", options.ms, options.how);
    light_bytes = (size_t)options.echo_bytes;
    answer_bytes = light_bytes;
    if (options.echo_bytes == 0) {
        const char *what = options.file_bytes != 0 ? "file" : "light";
        light_bytes =
            (size_t)snprintf(light_request, sizeof light_request, "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", what);
        answer_bytes = options.file_bytes != 0 ? 0 : strlen("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
}

static void read_options(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr,
                "usage: %s PORT SECONDS [--light N] [--rate N] [--heavy N] [--ms N] [--how burn|block]"
                " [--echo BYTES] [--file BYTES] [--server PID] [--warm SECONDS]\n",
                argv[0]);
        exit(2);
    }
    options.port = atoi(argv[1]);
    options.seconds = atof(argv[2]);
    const struct {
        const char *name;
        int *number;
        double *real;
    } known[] = {{"--light", &options.light, NULL},     {"--heavy", &options.heavy, NULL},
                 {"--ms", &options.ms, NULL},           {"--echo", &options.echo_bytes, NULL},
                 {"--file", &options.file_bytes, NULL}, {"--server", &options.server, NULL},
                 {"--rate", NULL, &options.rate},       {"--warm", NULL, &options.warm}};
    for (int i = 3; i + 1 < argc; i += 2) {
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
            if (strcmp(argv[i], known[k].name) == 0 && known[k].number != NULL)
                *known[k].number = atoi(argv[i + 1]);
            else if (strcmp(argv[i], known[k].name) == 0)
                *known[k].real = atof(argv[i + 1]);
        }
        if (strcmp(argv[i], "--how") == 0)
            options.how = argv[i + 1];
    }
    if (options.echo_bytes > BYTES_MOST)
        options.echo_bytes = BYTES_MOST;
}

/* ---- What it was ---- */

static void print_result(double seconds, double cpu_s)
{
    static const double parts[] = {0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1};
    double answered = (double)(all.count - late_count);
    double files = options.file_bytes != 0 ? (double)dropped_bytes / options.file_bytes : answered;
    printf("{\"is_final\": true, \"seconds\": %.3f, \"light_per_s\": %.1f, \"served_percent\": %.2f, ", seconds,
           files / seconds, all.count > 0 ? 100 * answered / (double)all.count : 0);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, \"heavy_per_s\": %.2f, ",
           histogram_quantile_ns(&all, 0.5) / 1000, histogram_quantile_ns(&all, 0.99) / 1000,
           histogram_quantile_ns(&all, 0.999) / 1000, (double)all.max_ns / 1000, (double)heavy_count / seconds);
    printf("\"cpu_s\": %.4f, \"cpu_us_per_light\": %.3f, \"quantiles\": [", cpu_s, files > 0 ? cpu_s * 1e6 / files : 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        printf("%s[%g, %.1f]", i > 0 ? ", " : "", parts[i], histogram_quantile_ns(&all, parts[i]) / 1000);
    printf("]}\n");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    set_up();
    start = now();
    from = start + (int64_t)(options.warm * 1e9);
    until = from + (int64_t)(options.seconds * 1e9);
    for (int i = options.light + options.heavy - 1; i >= 0; i--) {
        if (clients[i].is_heavy || options.rate == 0)
            ask(&clients[i], start);
    }
    run_until(from);
    int64_t cpu = server_cpu_ns();
    run_until(until);
    int64_t end = now();
    cpu = server_cpu_ns() - cpu;
    charge_the_late(end);
    print_result((double)(end - from) / 1e9, (double)cpu / 1e9);
    return 0;
}
