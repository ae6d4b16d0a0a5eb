/*
 * Files: one is written and read again, then a hundred at once, each by a task of its own that is written as if it were
 * alone. Prints:
 *
 *     read back: to be or not to be
 *     100 files, the sum of their numbers is 4950
 */
#include <thrum.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 100 };

struct page {
    const char *folder;
    int number;
};

/* Writes a number to a file of its own, and returns what it reads there. */
static int keep(void *arg)
{
    const struct page *page = arg;
    char path[64], text[16];
    void *read = NULL;
    snprintf(path, sizeof path, "%s/%d", page->folder, page->number);
    int length = snprintf(text, sizeof text, "%d", page->number);
    int code = thrum_write_file(path, text, (size_t)length);
    ssize_t bytes = code < 0 ? code : thrum_read_file(path, &read);
    int number = bytes < 0 ? (int)bytes : atoi(read);
    free(read);
    code = thrum_unlink(path);
    return number < 0 ? number : code < 0 ? code : number;
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

static int keep_one(const char *folder)
{
    static const char text[] = "to be or not to be";
    char path[64];
    void *read;
    snprintf(path, sizeof path, "%s/page", folder);
    int code = thrum_write_file(path, text, strlen(text));
    if (code < 0)
        return code;
    ssize_t bytes = thrum_read_file(path, &read);
    if (bytes >= 0) {
        printf("read back: %s\n", (const char *)read);
        free(read);
    }
    code = thrum_unlink(path);
    return bytes < 0 ? (int)bytes : code;
}

static int app(void *arg)
{
    int code = keep_one(arg);
    return code < 0 ? code : keep_all(arg);
}

int main(void)
{
    char folder[] = "/tmp/thrum.XXXXXX";
    if (mkdtemp(folder) == NULL)
        return 1;
    int code = thrum_run(app, folder);
    if (thrum_rmdir(folder) < 0 || code < 0)
        fprintf(stderr, "many_files: %s\n", thrum_strerror(code));
    return code < 0 ? 1 : 0;
}
