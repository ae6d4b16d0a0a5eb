/*
 * One file over HTTP with a thread for each connection, whose sendfile blocks until all is sent: the least that can be
 * done. usage: file_threads PORT PATH
 */
#include "service.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path;

static bool send_bytes(int fd, int file, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = sendfile(fd, file, NULL, bytes);
        if (sent <= 0)
            return false;
        bytes -= (size_t)sent;
    }
    return true;
}

static bool send_file(int fd)
{
    struct stat about;
    char head[64];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &about) < 0)
        service_fail(path);
    int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %jd\r\n\r\n", (intmax_t)about.st_size);
    bool is_sent = send(fd, head, (size_t)length, MSG_MORE | MSG_NOSIGNAL) == length &&
                   send_bytes(fd, file, (size_t)about.st_size);
    (void)close(file);
    return is_sent;
}

/* False: the connection has ended. */
static bool turn(int fd, struct service_connection *connection)
{
    char request[SERVICE_REQUEST_BYTES];
    ssize_t got = recv(fd, connection->bytes + connection->held, sizeof connection->bytes - connection->held, 0);
    if (got <= 0)
        return false;
    connection->held += (size_t)got;
    while (service_next(connection->bytes, &connection->held, request)) {
        if (!send_file(fd))
            return false;
    }
    return connection->held < sizeof connection->bytes;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct service_connection connection = {0};
    while (turn(fd, &connection))
        continue;
    (void)close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc < 3) {
        fprintf(stderr, "usage: %s PORT PATH\n", argv[0]);
        return 2;
    }
    path = argv[2];
    for (int listener = service_listen(atoi(argv[1]), 0);;) {
        int fd = service_accept(listener, 0);
        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
            (void)close(fd);
        else
            (void)pthread_detach(thread);
    }
}
