/*
 * An echo server, the smallest there is, and three clients that talk to it at once. `echo ADDRESS` serves until it is
 * killed. Alone it prints:
 *
 *     hello from 0
 *     hello from 1
 *     hello from 2
 */
#include "server.h"

#include <errno.h>
#include <stdio.h>

enum { CLIENTS = 3 };

struct client {
    const char *address;
    int number;
    char answer[32];
};

static int echo(int fd, void *arg)
{
    char bytes[4096];
    ssize_t got;
    (void)arg;
    while ((got = thrum_read(fd, bytes, sizeof bytes)) > 0) {
        if (thrum_write_all(fd, bytes, (size_t)got) != got)
            return -EPIPE;
    }
    return (int)got;
}

static int talk(void *arg)
{
    struct client *client = arg;
    char text[32];
    int fd, code = thrum_dial("tcp", client->address, &fd);
    if (code < 0)
        return code;
    int length = snprintf(text, sizeof text, "hello from %d", client->number);
    ssize_t moved = thrum_write_all(fd, text, (size_t)length);
    if (moved > 0)
        moved = thrum_read_full(fd, client->answer, (size_t)length);
    (void)thrum_close(fd);
    return moved == length ? 0 : -EPIPE;
}

static int talk_all(const char *address)
{
    struct client clients[CLIENTS];
    thrum_work works[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.address = address, .number = i};
        works[i] = (thrum_work)THRUM_WORK(talk, &clients[i]);
    }
    int code = thrum_gather(works, CLIENTS);
    for (int i = 0; code == 0 && i < CLIENTS; i++)
        puts(clients[i].answer);
    return code;
}

int main(int argc, char **argv)
{
    return server_main(argc, argv, echo, talk_all);
}
