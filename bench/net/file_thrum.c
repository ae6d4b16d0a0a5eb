/*
 * One file over HTTP as a thrum program serves it: a task for each connection, opened and sent anew for each request.
 * usage: file_thrum ADDRESS WORKERS PATH
 */
#include <thrum.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char *path;

static int send_bytes(int fd, int file, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = thrum_sendfile(fd, file, NULL, bytes);
        if (sent <= 0)
            return sent < 0 ? (int)sent : -EIO;
        bytes -= (size_t)sent;
    }
    return 0;
}

static int send_file(int fd)
{
    struct stat about;
    char head[64];
    int file = thrum_open(path, O_RDONLY, 0);
    if (file < 0)
        return file;
    int code = thrum_fstat(file, &about);
    if (code == 0) {
        int length =
            snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %jd\r\n\r\n", (intmax_t)about.st_size);
        ssize_t sent = thrum_send(fd, head, (size_t)length, MSG_MORE);
        code = sent == length ? send_bytes(fd, file, (size_t)about.st_size) : -EPIPE;
    }
    (void)thrum_close(file);
    return code;
}

static int serve(int fd, void *arg)
{
    const thrum_stream_options options = {.keep_open = true};
    thrum_stream *requests;
    const char *request;
    (void)arg;
    int code = thrum_stream_open(&requests, fd, &options);
    if (code < 0)
        return code;
    while (code == 0 && thrum_stream_read_until(requests, "\r\n\r\n", 4, &request) > 4)
        code = send_file(fd);
    (void)thrum_stream_close(requests);
    return code;
}

static int app(void *arg)
{
    int listener, code = thrum_listen("tcp", arg, &listener);
    return code < 0 ? code : thrum_serve(listener, serve, NULL);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s ADDRESS WORKERS PATH\n", argv[0]);
        return 2;
    }
    path = argv[3];
    const thrum_options options = {.workers = (unsigned)atoi(argv[2])};
    int code = thrum_run_with(&options, app, argv[1]);
    fprintf(stderr, "%s: %s\n", argv[0], thrum_strerror(code));
    return 1;
}
