/*
 * What the servers among the samples have in common (lines.c shows it in full): with an address they serve there until
 * they are killed; alone they serve on a free port beside a client of their own, and end with it.
 */
#ifndef SAMPLES_SERVER_H
#define SAMPLES_SERVER_H

#include <thrum.h>

#include <stdio.h>
#include <stdlib.h>

struct server {
    thrum_handler handler;
    int (*client)(const char *address);
    const char *address; /* NULL: alone */
    int listener;
};

static inline int server_accept(void *arg)
{
    const struct server *server = arg;
    return thrum_serve(server->listener, server->handler, NULL);
}

static inline int server_run(void *arg)
{
    struct server *server = arg;
    char address[64];
    thrum_group group = THRUM_GROUP_INIT;
    int code = thrum_listen("tcp", server->address != NULL ? server->address : "127.0.0.1:0", &server->listener);
    if (code < 0 || server->address != NULL)
        return code < 0 ? code : server_accept(server);
    (void)thrum_local_name(server->listener, address, sizeof address);
    code = thrum_spawn(&group, server_accept, server);
    if (code == 0)
        code = server->client(address);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    return code;
}

/* For main: `NAME [ADDRESS [WORKERS]]`. */
static inline int server_main(int argc, char **argv, thrum_handler handler, int (*client)(const char *address))
{
    struct server server = {.handler = handler, .client = client, .address = argc > 1 ? argv[1] : NULL};
    const thrum_options options = {.workers = argc > 2 ? (unsigned)atoi(argv[2]) : 0};
    int code = thrum_run_with(&options, server_run, &server);
    if (code < 0)
        fprintf(stderr, "%s: %s\n", argv[0], thrum_strerror(code));
    return code < 0 ? 1 : 0;
}

#endif
