/* The service with a thread for each connection: the kernel shares the cores out. usage: service_threads PORT */
#include "service.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct service_connection connection = {0};
    while (service_turn(fd, &connection))
        continue;
    (void)close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_attr_t detached;
    pthread_t thread;
    if (argc < 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return 2;
    }
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&detached, 128 << 10);
    for (int listener = service_listen(atoi(argv[1]), 0);;) {
        int fd = service_accept(listener, 0);
        if (fd >= 0 && pthread_create(&thread, &detached, serve, (void *)(intptr_t)fd) != 0)
            (void)close(fd);
    }
}
