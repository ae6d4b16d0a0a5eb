/* For the tests of io/: pairs of file descriptors of every kind that waits, and small tasks on them. */
#ifndef TEST_IO_PAIRS_H
#define TEST_IO_PAIRS_H

#include "task/harness.h"

#include "io/descriptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum { PAIR_TCP, PAIR_UNIX, PAIR_PIPE, PAIR_KINDS };
enum { PLENTY = 8 << 20 }; /* more than any buffer holds */

struct pair {
    int fds[2]; /* one to read from, and one to write to */
    char got;
    char *from;
};

TH_UNUSED static void tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&address, length), 0);
    CHECK_EQ(listen(listener, 1), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fds[1], (struct sockaddr *)&address, length), 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK_GE(fds[0], 0);
    CHECK_EQ(close(listener), 0);
}

TH_UNUSED static struct pair open_pair(int kind)
{
    struct pair pair = {0};
    if (kind == PAIR_TCP)
        tcp_pair(pair.fds);
    else if (kind == PAIR_UNIX)
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.fds), 0);
    else
        CHECK_EQ(pipe2(pair.fds, O_CLOEXEC), 0);
    return pair;
}

TH_UNUSED static void close_pair(const struct pair *pair)
{
    CHECK_EQ(thrum_close(pair->fds[0]), 0);
    CHECK_EQ(thrum_close(pair->fds[1]), 0);
}

/* Until so many tasks wait for a file descriptor. */
TH_UNUSED static void wait_for_waiters(int fd, uint32_t count)
{
    struct th_descriptor *descriptor = NULL;
    CHECK_EQ(th_descriptor_acquire(fd, &descriptor), 0);
    while (th_atomic32_load_relaxed(&descriptor->waits) < count) {
        thrum_yield();
        sched_yield();
    }
    (void)th_descriptor_release(descriptor, fd);
}

TH_UNUSED static char *random_bytes(size_t bytes)
{
    struct th_random random;
    th_random_init(&random, kit_seed());
    char *to = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        to[i] = (char)th_random_below(&random, 256);
    return to;
}

struct sink {
    int fd;
    char *to;
    size_t bytes;
};

TH_UNUSED static int read_everything(void *arg)
{
    struct sink *sink = arg;
    CHECK_EQ(thrum_read_full(sink->fd, sink->to, sink->bytes), (ssize_t)sink->bytes);
    return 0;
}

struct counter {
    int fd;
    uint64_t value;
};

TH_UNUSED static int read_counter(void *arg)
{
    struct counter *counter = arg;
    CHECK_EQ(thrum_read(counter->fd, &counter->value, sizeof counter->value), 8);
    return 0;
}

#endif
