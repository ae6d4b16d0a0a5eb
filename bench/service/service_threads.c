/* The service with a thread for each connection: the kernel shares the cores out. With --echo it echoes. usage:
 * service_threads [--echo] PORT */
#include "service.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool echoes;

/* False: the connection has ended. */
static bool echo(int fd)
{
    char bytes[4096];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    return got > 0 && send(fd, bytes, (size_t)got, MSG_NOSIGNAL) == got;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct service_connection connection = {0};
    while (echoes ? echo(fd) : service_turn(fd, &connection))
        continue;
    (void)close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_attr_t detached;
    pthread_t thread;
    if (argc < 2) {
        fprintf(stderr, "usage: %s [--echo] PORT\n", argv[0]);
        return 2;
    }
    echoes = strcmp(argv[1], "--echo") == 0;
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&detached, 128 << 10);
    for (int listener = service_listen(atoi(argv[argc - 1]), 0);;) {
        int fd = service_accept(listener, 0);
        if (fd >= 0 && pthread_create(&thread, &detached, serve, (void *)(intptr_t)fd) != 0)
            (void)close(fd);
    }
}
