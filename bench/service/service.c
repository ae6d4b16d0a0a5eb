/* Requests, answers and work of the C services. */
#include "service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static const char unknown[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

void service_fail(const char *what)
{
    perror(what);
    exit(1);
}

int service_listen(int port, int flags)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
        service_fail("listen");
    return fd;
}

int service_accept(int listener, int flags)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | flags);
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int64_t cpu_ns(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static void compute(long ms)
{
    int64_t until = cpu_ns() + ms * 1000000;
    while (cpu_ns() < until) {
        for (volatile int i = 0; i < 20000; i++)
            continue;
    }
}

static void block(long ms)
{
    struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&span, NULL);
}

const char *service_handle(const char *request)
{
    if (strncmp(request, "GET /light", 10) == 0)
        return ok;
    if (strncmp(request, "GET /heavy", 10) != 0)
        return unknown;
    const char *ms = strstr(request, "ms=");
    long span = ms != NULL ? strtol(ms + 3, NULL, 10) : 0;
    if (strstr(request, "how=block") != NULL)
        block(span);
    else
        compute(span);
    return ok;
}

bool service_next(char *bytes, size_t *held, char request[SERVICE_REQUEST_BYTES])
{
    const char *end = memmem(bytes, *held, "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    size_t count = (size_t)(end - bytes) + 4;
    snprintf(request, SERVICE_REQUEST_BYTES, "%.*s", (int)count, bytes);
    *held -= count;
    memmove(bytes, bytes + count, *held);
    return true;
}

/* A peer that does not read its answers is dropped: the measure needs no buffers. */
static bool answer(int fd, const char *text)
{
    size_t bytes = strlen(text);
    return send(fd, text, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

bool service_turn(int fd, struct service_connection *connection)
{
    char request[SERVICE_REQUEST_BYTES];
    ssize_t got = recv(fd, connection->bytes + connection->held, sizeof connection->bytes - connection->held, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    connection->held += (size_t)got;
    while (service_next(connection->bytes, &connection->held, request)) {
        if (!answer(fd, service_handle(request)))
            return false;
    }
    return connection->held < sizeof connection->bytes;
}
