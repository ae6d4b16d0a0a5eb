/*
 * A server that answers each line with its length, and a client that asks it. Prints:
 *
 *     "good" has 4 letters
 *     "evening" has 7 letters
 *     the server has stopped
 */
#include <thrum.h>

#include <errno.h>
#include <stdio.h>

/* One connection, a task of its own. It waits in read_line; the others do not. */
static int answer(int fd, void *arg)
{
    (void)arg;
    const thrum_stream_options options = {.keep_open = true}; /* thrum_serve closes it when we return */
    thrum_stream *stream;
    const char *line;
    ssize_t length;
    int code = thrum_stream_open(&stream, fd, &options);
    if (code < 0)
        return code;
    while ((length = thrum_stream_read_line(stream, &line)) > 0) {
        int letters = (int)length - 1;
        code = thrum_stream_printf(stream, "\"%.*s\" has %d letters\n", letters, line, letters);
        if (code < 0 || (code = thrum_stream_flush(stream)) < 0)
            break;
    }
    int closed = thrum_stream_close(stream);
    return length < 0 ? (int)length : code < 0 ? code : closed;
}

static int serve(void *arg)
{
    int *listener = arg;
    return thrum_serve(*listener, answer, NULL);
}

static int ask(thrum_stream *stream, const char *word)
{
    const char *line;
    int code = thrum_stream_printf(stream, "%s\n", word);
    if (code < 0 || (code = thrum_stream_flush(stream)) < 0)
        return code;
    ssize_t length = thrum_stream_read_line(stream, &line);
    if (length > 0)
        printf("%.*s", (int)length, line);
    return length > 0 ? 0 : length < 0 ? (int)length : -EPIPE;
}

static int client(const char *address)
{
    thrum_stream *stream;
    int fd, code = thrum_dial("tcp", address, &fd);
    if (code < 0)
        return code;
    code = thrum_stream_open(&stream, fd, NULL);
    if (code < 0) {
        thrum_close(fd);
        return code;
    }
    code = ask(stream, "good");
    if (code == 0)
        code = ask(stream, "evening");
    int closed = thrum_stream_close(stream);
    return code < 0 ? code : closed;
}

static int app(void *arg)
{
    (void)arg;
    int listener;
    char address[64];
    thrum_group group = THRUM_GROUP_INIT;
    int code = thrum_listen("tcp", "127.0.0.1:0", &listener);
    if (code < 0)
        return code;
    code = thrum_local_name(listener, address, sizeof address);
    if (code >= 0)
        code = thrum_spawn(&group, serve, &listener);
    if (code == 0)
        code = client(address);
    thrum_cancel(&group);
    int served = thrum_group_wait(&group);
    if (served == -ECANCELED)
        puts("the server has stopped");
    return code;
}

int main(void)
{
    int code = thrum_run(app, NULL);
    if (code < 0)
        fprintf(stderr, "lines: %s\n", thrum_strerror(code));
    return code == 0 ? 0 : 1;
}
