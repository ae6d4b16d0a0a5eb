/*
 * A page, fetched with a request written by hand and read to the end. `get ADDRESS PATH` asks any HTTP server (numbers
 * and localhost); alone it asks the site of site.h, which runs in the same program, and prints:
 *
 *     HTTP/1.0 200 OK
 *
 *     <h1>Page 6</h1>
 *     <a href="/page/0">front</a>
 *     <a href="/page/13">page 13</a>
 *     <a href="/page/14">page 14</a>
 */
#include "site.h"

static int get(const char *address, const char *path)
{
    char text[512];
    ssize_t got;
    int fd, code = thrum_dial("tcp", address, &fd);
    if (code < 0)
        return code;
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, address);
    got = thrum_write_all(fd, text, (size_t)length);
    while (got > 0 && (got = thrum_read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (text[i] != '\r')
                putchar(text[i]);
        }
    }
    (void)thrum_close(fd);
    return (int)got;
}

static int app(void *arg)
{
    char **words = arg;
    if (words[1] != NULL && words[2] != NULL)
        return get(words[1], words[2]);
    struct site site;
    int code = site_open(&site, "127.0.0.1:0");
    if (code < 0)
        return code;
    code = get(site.address, "/page/6");
    site_close(&site);
    return code;
}

int main(int argc, char **argv)
{
    (void)argc;
    int code = thrum_run(app, argv);
    if (code < 0)
        fprintf(stderr, "get: %s\n", thrum_strerror(code));
    return code < 0 ? 1 : 0;
}
