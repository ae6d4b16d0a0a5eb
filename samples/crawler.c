/*
 * A crawler over the site of site.h: a task for each link, at most four of them ask at once, and none waits for a page
 * longer than it is worth. Prints:
 *
 *     16 links
 *     15 pages
 *     given up: /slow, deadline passed
 *     never more than 4 at once
 */
#include "dial.h"
#include "site.h"

enum { LINKS_MOST = 64, AT_ONCE = 4 };

/* Everything behind the lock; links are only ever added. */
static struct {
    const char *address;
    thrum_group group;
    thrum_semaphore turns;
    thrum_mutex lock;
    int count, pages, asking, asking_most;
    char links[LINKS_MOST][32];
    char given_up[64];
} crawl = {.turns = THRUM_SEMAPHORE_INIT(AT_ONCE), .lock = THRUM_MUTEX_INIT};

static int visit(void *arg);

/* Begins a visit unless there was one. */
static int follow(const char *path, size_t length)
{
    int code = thrum_mutex_lock(&crawl.lock), known = 0;
    if (code < 0)
        return code;
    while (known < crawl.count &&
           (strlen(crawl.links[known]) != length || memcmp(crawl.links[known], path, length) != 0))
        known++;
    if (known == crawl.count && known < LINKS_MOST && length < sizeof crawl.links[0]) {
        memcpy(crawl.links[crawl.count++], path, length);
        code = thrum_spawn(&crawl.group, visit, crawl.links[known]);
    }
    thrum_mutex_unlock(&crawl.lock);
    return code;
}

static int read_links(thrum_stream *stream, const char *path)
{
    const char *line;
    ssize_t length;
    int code = thrum_stream_printf(stream, "GET %s HTTP/1.0\r\n\r\n", path);
    if (code >= 0)
        code = thrum_stream_flush(stream);
    while (code >= 0 && (length = thrum_stream_read_line(stream, &line)) != 0) {
        const char *link = length > 0 ? memmem(line, (size_t)length, "href=\"", 6) : NULL;
        const char *end = link != NULL ? memchr(link + 6, '"', (size_t)(line + length - link) - 6) : NULL;
        if (length < 0)
            return (int)length;
        if (end != NULL)
            code = follow(link + 6, (size_t)(end - link) - 6);
    }
    return code;
}

static int fetch(const char *path)
{
    thrum_stream *stream;
    int code = dial_stream(&stream, crawl.address);
    if (code < 0)
        return code;
    code = read_links(stream, path);
    (void)thrum_stream_close(stream);
    return code;
}

static void count(int asking, const char *path, int code)
{
    if (thrum_mutex_lock(&crawl.lock) < 0)
        return;
    crawl.asking += asking;
    crawl.asking_most = crawl.asking > crawl.asking_most ? crawl.asking : crawl.asking_most;
    crawl.pages += asking < 0 && code >= 0;
    if (code < 0)
        snprintf(crawl.given_up, sizeof crawl.given_up, "%s, %s", path, thrum_strerror(code));
    thrum_mutex_unlock(&crawl.lock);
}

static int visit(void *arg)
{
    int code = thrum_semaphore_acquire(&crawl.turns);
    if (code < 0)
        return code;
    count(1, arg, 0);
    THRUM_TIMEOUT(THRUM_MS(700))
    {
        code = fetch(arg);
    }
    count(-1, arg, code);
    return thrum_semaphore_release(&crawl.turns);
}

static int app(void *arg)
{
    struct site site;
    int code = site_open(&site, arg);
    crawl.address = site.address;
    if (code == 0)
        code = follow("/page/0", 7);
    int result = thrum_group_wait(&crawl.group);
    printf("%d links\n%d pages\ngiven up: %s\n", crawl.count, crawl.pages, crawl.given_up);
    puts(crawl.asking_most <= AT_ONCE ? "never more than 4 at once" : "too many at once");
    site_close(&site);
    return code < 0 ? code : result;
}

int main(void)
{
    return thrum_run(app, "127.0.0.1:0") == 0 ? 0 : 1;
}
