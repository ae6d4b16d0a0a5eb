/*
 * Three files in pieces of 128 bytes, with their progress: one after the other, as blocking calls would, then by the
 * same loop in three tasks at once. Prints, with the times of this moment:
 *
 *     one after the other
 *       a: 128 256 384 512 640 768 896 1024 bytes
 *       b: 128 256 384 512 640 768 896 1024 bytes
 *       c: 128 256 384 512 640 768 896 1024 bytes
 *       ... ms
 *     at once
 *       a: 1024 bytes
 *       b: 1024 bytes
 *       c: 1024 bytes
 *       ... ms
 */
#include "dial.h"
#include "site.h"

#include <errno.h>

enum { FILES = 3 };

struct download {
    const char *address;
    int number;
    bool tells;
};

/* Passes over the answer's head: with a stream, whose buffer holds what comes after it. */
static int ask(thrum_stream *stream, const struct download *download)
{
    const char *head;
    int code = thrum_stream_printf(stream, "GET /file/%d HTTP/1.0\r\n\r\n", download->number);
    if (code >= 0)
        code = thrum_stream_flush(stream);
    ssize_t got = code < 0 ? code : thrum_stream_read_until(stream, "\r\n\r\n", 4, &head);
    return got > 0 ? 0 : got < 0 ? (int)got : -EPROTO;
}

static int receive(thrum_stream *stream, const struct download *download)
{
    char piece[SITE_PIECE_BYTES];
    ssize_t got;
    int bytes = 0;
    while ((got = thrum_stream_read_exactly(stream, piece, sizeof piece)) > 0) {
        bytes += (int)got;
        if (download->tells) {
            printf(" %d", bytes);
            (void)fflush(stdout);
        }
    }
    return got < 0 ? (int)got : bytes;
}

static int fetch(void *arg)
{
    const struct download *download = arg;
    thrum_stream *stream;
    int code = dial_stream(&stream, download->address);
    if (code < 0)
        return code;
    code = ask(stream, download);
    if (code == 0)
        code = receive(stream, download);
    (void)thrum_stream_close(stream);
    return code;
}

static int in_turn(struct download downloads[])
{
    puts("one after the other");
    int code = 0;
    for (int i = 0; code >= 0 && i < FILES; i++) {
        downloads[i].tells = true;
        printf("  %c:", 'a' + i);
        code = fetch(&downloads[i]);
        puts(" bytes");
        downloads[i].tells = false;
    }
    return code;
}

static int at_once(struct download downloads[])
{
    thrum_work works[FILES];
    for (int i = 0; i < FILES; i++)
        works[i] = (thrum_work)THRUM_WORK(fetch, &downloads[i]);
    puts("at once");
    int code = thrum_gather(works, FILES);
    for (int i = 0; code >= 0 && i < FILES; i++)
        printf("  %c: %d bytes\n", 'a' + i, works[i].result);
    return code;
}

static int app(void *arg)
{
    (void)arg;
    struct site site;
    struct download downloads[FILES];
    int code = site_open(&site, "127.0.0.1:0");
    for (int i = 0; i < FILES; i++)
        downloads[i] = (struct download){.address = site.address, .number = i};
    for (int way = 0; code >= 0 && way < 2; way++) {
        thrum_time began = thrum_now();
        code = way == 0 ? in_turn(downloads) : at_once(downloads);
        printf("  %.0f ms\n", (double)(thrum_now() - began) / 1e6);
    }
    site_close(&site);
    return code;
}

int main(void)
{
    return thrum_run(app, NULL) >= 0 ? 0 : 1;
}
