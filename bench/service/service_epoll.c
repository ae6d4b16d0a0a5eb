/*
 * The service as an epoll loop by hand: what thrum is measured against. usage: service_epoll PORT [THREADS]; several
 * threads have each a loop and a listener of its own (SO_REUSEPORT), and share nothing.
 */
#include "service.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

static int port;

/* With a connection for each fd; the listener has none. */
struct watched {
    int fd;
    struct service_connection connection;
};

static void watch(int set, int fd)
{
    struct watched *watched = malloc(sizeof *watched);
    if (watched == NULL)
        service_fail("malloc");
    watched->fd = fd;
    watched->connection.held = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watched};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
        service_fail("epoll_ctl");
}

static void serve(int set, int listener, struct watched *watched)
{
    int fd;
    if (watched->fd != listener) {
        if (service_turn(watched->fd, &watched->connection))
            return;
        (void)close(watched->fd);
        free(watched);
    } else {
        while ((fd = service_accept(listener, SOCK_NONBLOCK)) >= 0)
            watch(set, fd);
    }
}

static void *loop(void *arg)
{
    struct epoll_event events[EVENTS];
    int set = epoll_create1(EPOLL_CLOEXEC), listener = service_listen(port, SOCK_NONBLOCK);
    watch(set, listener);
    for (;;) {
        int count = epoll_wait(set, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            serve(set, listener, events[i].data.ptr);
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
            service_fail("pthread_create");
    }
    (void)loop(NULL);
    return 0;
}
