#include "observe/console.h"

#include <thrum/base.h>
#include <thrum/dump.h>
#include <thrum/stats.h>
#include <thrum/trace.h>

#include "base/debug.h"
#include "base/panic.h"
#include "base/sys_file.h"
#include "base/text.h"
#include "observe/tables.h"
#include "sched/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum {
    CLIENTS_MOST = 8,
    LINE_BYTES = 64,
    PIECE_BYTES = 1 << 14,
    STACK_BYTES = 1 << 18,
    BACKLOG = 8,
};
static const int64_t PATIENCE_NS = 2000000000, PAUSE_NS = 100000000;

struct client {
    int fd; /* -1: nobody */
    uint32_t length;
    char line[LINE_BYTES];
};

/* Key: c constant while the thread runs, t the thread's. */
static struct {
    bool is_open;                        /* c */
    struct sockaddr_un address;          /* c */
    struct stat file;                    /* c: the socket's, as it was made */
    int listener;                        /* c */
    int ending;                          /* c: an eventfd, readable when the thread is to end */
    pthread_t thread;                    /* c */
    struct client clients[CLIENTS_MOST]; /* t */
    char piece[PIECE_BYTES];             /* t */
} console;

/* ---- Answers ---- */

static int write_help(int fd);

static const struct request {
    const char *name;
    int (*write)(int fd);
    const char *help;
} requests[] = {{"stats", thrum_stats_write, "counters, for Prometheus"},
                {"tasks", th_table_tasks, "a line for each task"},
                {"workers", th_table_workers, "a line for each worker"},
                {"dump", thrum_dump, "every task: what it waits for, who has that, its calls"},
                {"dump json", thrum_dump_json, "the same as JSON"},
                {"trace", thrum_trace, "what the workers did last, for Perfetto and Chrome"},
                {"help", write_help, "this"}};

static int write_help(int fd)
{
    char bytes[256];
    struct th_text text = {.bytes = bytes, .capacity = sizeof bytes, .fd = fd};
    for (size_t i = 0; i < TH_COUNT_OF(requests); i++)
        th_text_add(&text, "%s: %s\n", requests[i].name, requests[i].help);
    return th_text_send(&text);
}

/* True once it is time to end, or when the client takes nothing. */
static bool cannot_send(int fd)
{
    struct pollfd asked[2] = {{.fd = fd, .events = POLLOUT}, {.fd = console.ending, .events = POLLIN}};
    int code = th_sys_poll(asked, 2, PATIENCE_NS);
    return code != -EINTR && (code <= 0 || asked[1].revents != 0);
}

static int send_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = th_sys_send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == -EAGAIN ? cannot_send(fd) : sent < 0 && sent != -EINTR)
            return -EPIPE;
        if (sent > 0) {
            bytes += sent;
            count -= (size_t)sent;
        }
    }
    return 0;
}

static int send_head(int fd, const char *word, size_t length)
{
    char head[48];
    return send_all(fd, head, (size_t)snprintf(head, sizeof head, "%s %zu\n", word, length));
}

static int send_error(int fd, const char *what, const char *why)
{
    char line[LINE_BYTES * 3];
    int length = snprintf(line, sizeof line, "%s: %s\n", what, why);
    int code = send_head(fd, "error", (size_t)length);
    return code < 0 ? code : send_all(fd, line, (size_t)length);
}

/* The file's bytes, from its beginning. */
static int send_file(int fd, int file)
{
    struct stat about;
    int code = th_sys_fstat(file, &about);
    if (code == 0)
        code = send_head(fd, "ok", (size_t)about.st_size);
    for (int64_t at = 0; code == 0 && at < about.st_size;) {
        ssize_t got = th_sys_pread(file, console.piece, PIECE_BYTES, at);
        if (got == -EINTR)
            continue;
        code = got > 0 ? send_all(fd, console.piece, (size_t)got) : -EIO;
        at += got;
    }
    return code;
}

static int answer_by(int fd, const struct request *request)
{
    int file = th_sys_memfd("thrum console");
    int code = file < 0 ? file : request->write(file);
    int sent = code < 0 ? send_error(fd, request->name, thrum_strerror(code)) : send_file(fd, file);
    if (file >= 0)
        (void)th_sys_close(file);
    return sent;
}

static int answer(int fd, const char *line)
{
    for (size_t i = 0; i < TH_COUNT_OF(requests); i++) {
        if (strcmp(line, requests[i].name) == 0)
            return answer_by(fd, &requests[i]);
    }
    return send_error(fd, line, "no such request; try \"help\"");
}

/* ---- Clients ---- */

static void hang_up(struct client *client)
{
    (void)th_sys_close(client->fd);
    client->fd = -1;
}

/* Answers the lines that are whole; < 0: there is nobody to answer any more. */
static int answer_lines(struct client *client)
{
    int code = 0;
    char *end;
    while (code == 0 && (end = memchr(client->line, '\n', client->length)) != NULL) {
        uint32_t bytes = (uint32_t)(end + 1 - client->line);
        *end = '\0';
        code = answer(client->fd, client->line);
        client->length -= bytes;
        memmove(client->line, end + 1, client->length);
    }
    if (code == 0 && client->length == LINE_BYTES) {
        (void)send_error(client->fd, "request", "too long");
        code = -E2BIG;
    }
    return code;
}

static void hear(struct client *client)
{
    ssize_t got = th_sys_recv(client->fd, client->line + client->length, LINE_BYTES - client->length, MSG_DONTWAIT);
    if (got == -EINTR || got == -EAGAIN)
        return;
    if (got > 0)
        client->length += (uint32_t)got;
    if (got <= 0 || answer_lines(client) < 0)
        hang_up(client);
}

static struct client *find_room(void)
{
    for (int i = 0; i < CLIENTS_MOST; i++) {
        if (console.clients[i].fd < 0)
            return &console.clients[i];
    }
    return NULL;
}

static bool is_welcome(int fd)
{
    int64_t user = th_sys_peer_user(fd);
    return user == (int64_t)console.file.st_uid || user == 0;
}

/* There is room. */
static void let_in(void)
{
    int fd = th_sys_accept(console.listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 && is_welcome(fd)) {
        *find_room() = (struct client){.fd = fd};
    } else if (fd >= 0) {
        (void)send_error(fd, "console", "you are not the user that runs this program");
        (void)th_sys_close(fd);
    } else if (fd != -EINTR && fd != -EAGAIN && fd != -ECONNABORTED) {
        /* No file descriptor is to be had: it would be asked for again at once. */
        struct pollfd asked = {.fd = console.ending, .events = POLLIN};
        (void)th_sys_poll(&asked, 1, PAUSE_NS);
    }
}

/* ---- Its thread ---- */

static void *serve(void *arg)
{
    struct pollfd asked[CLIENTS_MOST + 2];
    th_sys_thread_name("thrum console");
    for (;;) {
        asked[0] = (struct pollfd){.fd = console.ending, .events = POLLIN};
        asked[1] = (struct pollfd){.fd = find_room() != NULL ? console.listener : -1, .events = POLLIN};
        for (int i = 0; i < CLIENTS_MOST; i++)
            asked[i + 2] = (struct pollfd){.fd = console.clients[i].fd, .events = POLLIN};
        if (th_sys_poll(asked, TH_COUNT_OF(asked), TH_SYS_FOREVER) < 0)
            continue;
        if (asked[0].revents != 0)
            return arg;
        for (int i = 0; i < CLIENTS_MOST; i++) {
            if (asked[i + 2].revents != 0)
                hear(&console.clients[i]);
        }
        if (asked[1].revents != 0)
            let_in();
    }
}

static int start_thread(void)
{
    sigset_t before;
    for (int i = 0; i < CLIENTS_MOST; i++)
        console.clients[i].fd = -1;
    console.ending = th_sys_eventfd();
    if (console.ending < 0)
        return console.ending;
    th_sys_signals_hold(&before);
    int code = th_sys_thread_start(&console.thread, STACK_BYTES, serve, NULL);
    th_sys_signals_release(&before);
    if (code < 0)
        (void)th_sys_close(console.ending);
    return code;
}

/* ---- Its socket ---- */

static int bind_to(int fd)
{
    return th_sys_bind(fd, (const struct sockaddr *)&console.address, sizeof console.address);
}

/* A socket, at which nobody listens any more. */
static int is_abandoned(void)
{
    struct stat about;
    int code = th_sys_fstatat(AT_FDCWD, console.address.sun_path, &about, AT_SYMLINK_NOFOLLOW);
    if (code < 0)
        return code;
    if (!S_ISSOCK(about.st_mode))
        return -EEXIST;
    int fd = th_sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    code = th_sys_connect(fd, (const struct sockaddr *)&console.address, sizeof console.address);
    (void)th_sys_close(fd);
    return code == -ECONNREFUSED ? 0 : -EADDRINUSE;
}

static int take_path(int fd)
{
    /* The file gets the mode that the socket has. */
    int code = th_sys_fchmod(fd, 0600);
    if (code == 0)
        code = bind_to(fd);
    if (code != -EADDRINUSE)
        return code;
    code = is_abandoned();
    if (code == 0)
        code = th_sys_unlink(console.address.sun_path, 0);
    return code < 0 ? code : bind_to(fd);
}

static void remove_file(void)
{
    struct stat now;
    if (th_sys_fstatat(AT_FDCWD, console.address.sun_path, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        now.st_ino == console.file.st_ino && now.st_dev == console.file.st_dev)
        (void)th_sys_unlink(console.address.sun_path, 0);
}

static int listen_at(int fd)
{
    int code = take_path(fd);
    if (code < 0)
        return code;
    code = th_sys_fstatat(AT_FDCWD, console.address.sun_path, &console.file, AT_SYMLINK_NOFOLLOW);
    if (code == 0)
        code = th_sys_listen(fd, BACKLOG);
    if (code == 0)
        code = start_thread();
    if (code < 0)
        remove_file();
    return code;
}

static int open_at(const char *path)
{
    size_t length = strlen(path);
    if (length >= sizeof console.address.sun_path)
        return -ENAMETOOLONG;
    console.address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(console.address.sun_path, path, length);
    console.listener = th_sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int code = console.listener < 0 ? console.listener : listen_at(console.listener);
    if (code < 0 && console.listener >= 0)
        (void)th_sys_close(console.listener);
    return code;
}

static const char *reason_of(int code)
{
    return code == -EADDRINUSE ? "another program listens there"
           : code == -EEXIST   ? "there is a file which is no socket"
                               : thrum_strerror(code);
}

void th_console_open(void)
{
    const char *path = th_sys_getenv("THRUM_CONSOLE");
    if (path == NULL || *path == '\0' || th_debug_is_on(TH_DEBUG_SEEDED))
        return;
    int code = open_at(path);
    console.is_open = code == 0;
    if (code == 0)
        (void)th_atomic32_add_relaxed(&th_rest_onlookers, 1);
    else
        th_report("THRUM_CONSOLE=%s: %s: no console", path, reason_of(code));
}

void th_console_close(void)
{
    static const uint64_t one = 1;
    if (!console.is_open)
        return;
    console.is_open = false;
    remove_file();
    while (th_sys_write(console.ending, &one, sizeof one) == -EINTR)
        continue;
    (void)th_sys_thread_join(console.thread);
    (void)th_atomic32_sub_relaxed(&th_rest_onlookers, 1);
    for (int i = 0; i < CLIENTS_MOST; i++) {
        if (console.clients[i].fd >= 0)
            hang_up(&console.clients[i]);
    }
    (void)th_sys_close(console.listener);
    (void)th_sys_close(console.ending);
}
