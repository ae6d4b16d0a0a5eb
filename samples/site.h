/*
 * A small web site on this machine, for the samples that fetch: HTTP/1.0, one answer a connection.
 *
 *     /page/N    N from 0 to 14: links to 2N+1 and 2N+2, and to the front page; page 3 links to /slow too
 *     /file/N    1024 bytes, in pieces of 128 with 5 ms between them
 *     /slow      no answer for a minute
 */
#ifndef SAMPLES_SITE_H
#define SAMPLES_SITE_H

#include <thrum.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SITE_PAGES = 15, SITE_PIECES = 8, SITE_PIECE_BYTES = 128 };

struct site {
    int listener;
    char address[64];
    thrum_group group;
};

static inline int site_page(thrum_stream *stream, int number)
{
    (void)thrum_stream_printf(stream, "HTTP/1.0 200 OK\r\n\r\n<h1>Page %d</h1>\n<a href=\"/page/0\">front</a>\n",
                              number);
    for (int child = 2 * number + 1; child <= 2 * number + 2 && child < SITE_PAGES; child++)
        (void)thrum_stream_printf(stream, "<a href=\"/page/%d\">page %d</a>\n", child, child);
    return number == 3 ? thrum_stream_printf(stream, "<a href=\"/slow\">archive</a>\n") : 0;
}

static inline int site_file(thrum_stream *stream, int number)
{
    char piece[SITE_PIECE_BYTES];
    memset(piece, 'a' + number % 26, sizeof piece);
    int code = thrum_stream_printf(stream, "HTTP/1.0 200 OK\r\n\r\n");
    for (int i = 0; code >= 0 && i < SITE_PIECES; i++) {
        (void)thrum_stream_write(stream, piece, sizeof piece);
        code = thrum_stream_flush(stream);
        if (code == 0)
            code = thrum_sleep(THRUM_MS(5));
    }
    return code;
}

static inline int site_respond(thrum_stream *stream, const char *request)
{
    if (strncmp(request, "GET /page/", 10) == 0 && atoi(request + 10) < SITE_PAGES)
        return site_page(stream, atoi(request + 10));
    if (strncmp(request, "GET /file/", 10) == 0)
        return site_file(stream, atoi(request + 10));
    if (strncmp(request, "GET /slow", 9) == 0)
        return thrum_sleep(THRUM_SEC(60));
    return thrum_stream_printf(stream, "HTTP/1.0 404 Not Found\r\n\r\nno such page\n");
}

static inline int site_serve(int fd, void *arg)
{
    const thrum_stream_options options = {.keep_open = true};
    thrum_stream *stream;
    const char *head;
    char request[64];
    (void)arg;
    int code = thrum_stream_open(&stream, fd, &options);
    if (code < 0)
        return code;
    ssize_t bytes = thrum_stream_read_until(stream, "\r\n\r\n", 4, &head);
    if (bytes > 0) {
        snprintf(request, sizeof request, "%.*s", (int)bytes, head);
        code = site_respond(stream, request);
    }
    int closed = thrum_stream_close(stream);
    return code < 0 ? code : closed;
}

static inline int site_run(void *arg)
{
    struct site *site = arg;
    return thrum_serve(site->listener, site_serve, NULL);
}

/* Serves from now on, beside the caller, who must close it. 0 or -errno. */
static inline int site_open(struct site *site, const char *address)
{
    *site = (struct site){.group = THRUM_GROUP_INIT};
    int code = thrum_listen("tcp", address, &site->listener);
    if (code < 0)
        return code;
    (void)thrum_local_name(site->listener, site->address, sizeof site->address);
    code = thrum_spawn(&site->group, site_run, site);
    if (code < 0)
        (void)thrum_close(site->listener);
    return code;
}

static inline void site_close(struct site *site)
{
    thrum_cancel(&site->group);
    (void)thrum_group_wait(&site->group);
}

#endif
