/*
 * A web server whose handlers know nothing of each other: /light answers at once, /heavy?ms=N computes for N
 * milliseconds, /heavy?ms=N&how=block sits in a plain system call for as long. Nobody waits for a heavy request but who
 * asked for it: no handler is marked, handed away or cut in pieces. `mixed_http ADDRESS [WORKERS]` serves until it is
 * killed (bench/demo puts it beside single-threaded loops). Alone it asks itself, and prints:
 *
 *     GET /light: ok
 *     GET /light: ok
 *     GET /light: ok
 *     GET /heavy?ms=200&how=block: ok
 */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t cpu_ns(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used); /* nothing here waits, so the thread stays the same */
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

static const char *handle(const char *request)
{
    const char *ms = strstr(request, "ms=");
    long span = ms != NULL ? strtol(ms + 3, NULL, 10) : 0;
    if (strncmp(request, "GET /heavy", 10) == 0 && strstr(request, "how=block") != NULL)
        (void)nanosleep(&(struct timespec){.tv_sec = span / 1000, .tv_nsec = span % 1000 * 1000000}, NULL);
    else if (strncmp(request, "GET /heavy", 10) == 0)
        compute(span);
    else if (strncmp(request, "GET /light", 10) != 0)
        return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
}

/* A connection: one request after the other. */
static int serve(int fd, void *arg)
{
    (void)arg;
    const thrum_stream_options options = {.keep_open = true};
    thrum_stream *stream;
    const char *head;
    char request[128];
    ssize_t bytes;
    int code = thrum_stream_open(&stream, fd, &options);
    if (code < 0)
        return code;
    while (code == 0 && (bytes = thrum_stream_read_until(stream, "\r\n\r\n", 4, &head)) > 4) {
        snprintf(request, sizeof request, "%.*s", (int)bytes, head);
        const char *answer = handle(request);
        (void)thrum_stream_write(stream, answer, strlen(answer));
        code = thrum_stream_flush(stream);
    }
    return thrum_stream_close(stream);
}

static int ask(const char *address, const char *path)
{
    char text[256];
    int fd, code = thrum_dial("tcp", address, &fd);
    if (code < 0)
        return code;
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: here\r\n\r\n", path);
    ssize_t got = thrum_write_all(fd, text, (size_t)length);
    if (got > 0)
        got = thrum_read(fd, text, sizeof text);
    if (got > 2)
        printf("GET %s: %.2s\n", path, text + got - 2);
    (void)thrum_close(fd);
    return got > 2 ? 0 : -EPROTO;
}

static int ask_heavily(void *arg)
{
    return ask(arg, "/heavy?ms=200&how=block");
}

static int ask_all(const char *address)
{
    char name[64];
    thrum_group heavy = THRUM_GROUP_INIT;
    snprintf(name, sizeof name, "%s", address);
    int code = thrum_spawn(&heavy, ask_heavily, name);
    for (int i = 0; code == 0 && i < 3; i++)
        code = ask(address, "/light");
    int last = thrum_group_wait(&heavy);
    return code < 0 ? code : last;
}

int main(int argc, char **argv)
{
    return server_main(argc, argv, serve, ask_all);
}
