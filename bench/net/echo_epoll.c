/*
 * The measure of all echo servers: an epoll loop by hand, level-triggered, one read and one write a message. usage:
 * echo_epoll PORT [THREADS]; with several threads each has a loop and a listener of its own (SO_REUSEPORT).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BUFFER = 4096 };

static int port;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_here(void)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
        fail("listen");
    return fd;
}

static void watch(int set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
}

static void accept_all(int set, int listener)
{
    int on = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(set, fd);
    }
}

/* A peer that reads nothing is dropped: the measure needs no buffers. */
static void echo(int fd)
{
    char bytes[BUFFER];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if ((got < 0 && errno == EAGAIN) || (got > 0 && send(fd, bytes, (size_t)got, MSG_NOSIGNAL) == got))
        return;
    (void)close(fd);
}

static void *loop(void *arg)
{
    struct epoll_event events[EVENTS];
    int set = epoll_create1(EPOLL_CLOEXEC), listener = listen_here();
    watch(set, listener);
    for (;;) {
        int count = epoll_wait(set, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(set, listener);
            else
                echo(events[i].data.fd);
        }
    }
    return arg;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s PORT [THREADS]\n", argv[0]);
        return 2;
    }
    port = atoi(argv[1]);
    for (int i = argc > 2 ? atoi(argv[2]) : 1; i > 1; i--) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, loop, NULL) != 0)
            fail("pthread_create");
    }
    (void)loop(NULL);
    return 0;
}
