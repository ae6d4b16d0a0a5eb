/*
 * Files: one is written and read again, then a hundred at once, each by a task of its own that is written as if it were
 * alone. Prints:
 *
 *     read back: to be or not to be
 *     100 files, the sum of their numbers is 4950
 */
#include <thrum.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 100 };

struct page {
    const char *folder;
    int number;
};

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    ssize_t put = thrum_write_all(fd, text, strlen(text));
    int closed = thrum_close(fd);
    return put < 0 ? (int)put : closed;
}

static int read_file(const char *path, char *text, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t got = thrum_read_full(fd, text, capacity - 1);
    text[got > 0 ? got : 0] = '\0';
    (void)thrum_close(fd);
    return (int)got;
}

/* Writes a number to a file of its own, and returns what it reads there. */
static int keep(void *arg)
{
    const struct page *page = arg;
    char path[64], text[16];
    snprintf(path, sizeof path, "%s/%d", page->folder, page->number);
    snprintf(text, sizeof text, "%d", page->number);
    int code = write_file(path, text);
    if (code == 0)
        code = read_file(path, text, sizeof text);
    (void)unlink(path);
    return code < 0 ? code : atoi(text);
}

static int keep_all(const char *folder)
{
    struct page pages[FILES];
    thrum_work works[FILES];
    for (int i = 0; i < FILES; i++) {
        pages[i] = (struct page){folder, i};
        works[i] = (thrum_work)THRUM_WORK(keep, &pages[i]);
    }
    int code = thrum_gather(works, FILES), sum = 0;
    for (int i = 0; i < FILES; i++)
        sum += works[i].result;
    if (code >= 0)
        printf("%d files, the sum of their numbers is %d\n", FILES, sum);
    return code;
}

static int app(void *arg)
{
    const char *folder = arg;
    char path[64], text[64];
    snprintf(path, sizeof path, "%s/page", folder);
    int code = write_file(path, "to be or not to be");
    if (code == 0)
        code = read_file(path, text, sizeof text);
    if (code > 0)
        printf("read back: %s\n", text);
    (void)unlink(path);
    return code < 0 ? code : keep_all(folder);
}

int main(void)
{
    char folder[] = "/tmp/thrum.XXXXXX";
    if (mkdtemp(folder) == NULL)
        return 1;
    int code = thrum_run(app, folder);
    (void)rmdir(folder);
    if (code < 0)
        fprintf(stderr, "many_files: %s\n", thrum_strerror(code));
    return code < 0 ? 1 : 0;
}
