/* An echo server as a thrum program is written: a task for each connection. usage: echo_thrum ADDRESS [WORKERS] */
#include <thrum.h>

#include <stdio.h>
#include <stdlib.h>

static int echo(int fd, void *arg)
{
    char bytes[4096];
    (void)arg;
    for (;;) {
        ssize_t got = thrum_read(fd, bytes, sizeof bytes);
        if (got <= 0)
            return (int)got;
        if (thrum_write_all(fd, bytes, (size_t)got) != got)
            return -1;
    }
}

static int serve(void *arg)
{
    const thrum_serve_options options = {.connections = 100000};
    int listener, code = thrum_listen("tcp", arg, &listener);
    return code < 0 ? code : thrum_serve_with(listener, &options, echo, NULL);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s ADDRESS [WORKERS]\n", argv[0]);
        return 2;
    }
    thrum_options options = {.workers = argc > 2 ? (unsigned)atoi(argv[2]) : 0};
    int code = thrum_run_with(&options, serve, argv[1]);
    fprintf(stderr, "%s: %s\n", argv[0], thrum_strerror(code));
    return 1;
}
