/*
 * A TCP proxy: what comes from either side goes to the other through a pipe, never copied into the program. `proxy
 * LISTEN TARGET` serves until it is killed. Alone it stands before the site of site.h, and prints what a client hears:
 *
 *     HTTP/1.0 200 OK
 *     <h1>Page 14</h1>
 */
#include "site.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CHUNK = 64 << 10 };

struct direction {
    int from, to;
};

struct proxy {
    const char *target;
    int listener;
};

static ssize_t move_all(const struct direction *direction, const int pipe[2])
{
    ssize_t got, put = 1;
    while (put > 0 && (got = thrum_splice(direction->from, pipe[1], CHUNK)) > 0) {
        for (; put > 0 && got > 0; got -= put)
            put = thrum_splice(pipe[0], direction->to, (size_t)got);
    }
    return put < 0 ? put : got;
}

/* Until one side has said all; then the other is told so, and may still answer. */
static int move(void *arg)
{
    const struct direction *direction = arg;
    int pipe[2];
    if (pipe2(pipe, O_CLOEXEC) < 0)
        return -errno;
    ssize_t code = move_all(direction, pipe);
    (void)shutdown(direction->to, SHUT_WR);
    (void)thrum_close(pipe[0]);
    (void)thrum_close(pipe[1]);
    return (int)code;
}

static int pass_on(int client, void *arg)
{
    const struct proxy *proxy = arg;
    int target, code = thrum_dial("tcp", proxy->target, &target);
    if (code < 0)
        return code;
    struct direction there = {.from = client, .to = target}, back = {.from = target, .to = client};
    thrum_work both[] = {THRUM_WORK(move, &there), THRUM_WORK(move, &back)};
    code = thrum_gather_each(both, 2);
    (void)thrum_close(target);
    return code;
}

static int serve(void *arg)
{
    struct proxy *proxy = arg;
    return thrum_serve(proxy->listener, pass_on, proxy);
}

static int ask(const char *address)
{
    static const char request[] = "GET /page/14 HTTP/1.0\r\n\r\n";
    char text[512], *line;
    int fd, code = thrum_dial("tcp", address, &fd);
    if (code < 0)
        return code;
    ssize_t got = thrum_write_all(fd, request, strlen(request));
    if (got > 0)
        got = thrum_read_full(fd, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    for (int i = 0; i < 2 && (line = strtok(i == 0 ? text : NULL, "\r\n")) != NULL; i++)
        puts(line);
    (void)thrum_close(fd);
    return got < 0 ? (int)got : 0;
}

static int ask_through(struct proxy *proxy)
{
    struct site site;
    char address[64];
    thrum_group group = THRUM_GROUP_INIT;
    int code = site_open(&site, "127.0.0.1:0");
    if (code < 0)
        return code;
    proxy->target = site.address;
    (void)thrum_local_name(proxy->listener, address, sizeof address);
    code = thrum_spawn(&group, serve, proxy);
    if (code == 0)
        code = ask(address);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    site_close(&site);
    return code;
}

static int app(void *arg)
{
    char **words = arg;
    bool is_alone = words[1] == NULL || words[2] == NULL;
    struct proxy proxy = {.target = is_alone ? NULL : words[2]};
    int code = thrum_listen("tcp", is_alone ? "127.0.0.1:0" : words[1], &proxy.listener);
    return code < 0 ? code : is_alone ? ask_through(&proxy) : serve(&proxy);
}

int main(int argc, char **argv)
{
    int code = thrum_run(app, argv);
    if (code < 0)
        fprintf(stderr, "%s: %s\n", argc > 0 ? argv[0] : "proxy", thrum_strerror(code));
    return code < 0 ? 1 : 0;
}
