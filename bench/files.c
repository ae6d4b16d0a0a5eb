/*
 * Reading many small files that are in memory: what it costs to keep workers from being held up by what hardly ever
 * holds them up.
 *
 *     bench_files HOW [WORKERS] [FILES]      files of 16 KiB per second, and CPU time of each
 *
 *     place     thrum_open, thrum_read, thrum_close, as the library does it: in place
 *     aside     each file's three calls by thrum_blocking, on a thread that holds up nobody
 *     nowait    in place as far as RWF_NOWAIT says that nothing is waited for, else aside
 *     threads   plain calls on as many threads
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <thrum.h>
#include <unistd.h>

enum { BYTES = 16 << 10, READERS = 64, ROUNDS = 20 };

struct bench {
    char root[64];
    int files, workers;
    int (*read_one)(const char *path);
};

static struct bench bench;

static void path_of(int file, char path[128])
{
    snprintf(path, 128, "%s/%d", bench.root, file);
}

static int read_in_place(const char *path)
{
    char bytes[BYTES];
    int fd = thrum_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    ssize_t got = thrum_read(fd, bytes, sizeof bytes);
    return thrum_close(fd) == 0 && got == BYTES ? 0 : -EIO;
}

static int read_plainly(const char *path)
{
    char bytes[BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, bytes, sizeof bytes);
    return close(fd) == 0 && got == BYTES ? 0 : -EIO;
}

static int run_plainly(void *path)
{
    return read_plainly(path);
}

static int read_aside(const char *path)
{
    return thrum_blocking(run_plainly, (void *)path);
}

static int read_nowait(const char *path)
{
    char bytes[BYTES];
    struct iovec part = {bytes, sizeof bytes};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = preadv2(fd, &part, 1, 0, RWF_NOWAIT);
    int code = close(fd);
    return code == 0 && got == BYTES ? 0 : read_aside(path);
}

/* A reader's share of all files, again and again. */
static int read_share(int reader, int readers)
{
    char path[128];
    for (int round = 0; round < ROUNDS; round++) {
        for (int file = reader; file < bench.files; file += readers) {
            path_of(file, path);
            if (bench.read_one(path) != 0)
                return -EIO;
        }
    }
    return 0;
}

static int reader_task(void *arg)
{
    return read_share((int)(intptr_t)arg, READERS);
}

static int app(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (intptr_t i = 0; i < READERS; i++) {
        if (thrum_spawn(&group, reader_task, (void *)i) != 0)
            return -ENOMEM;
    }
    return thrum_group_wait(&group);
}

static void *reader_thread(void *arg)
{
    return (void *)(intptr_t)read_share((int)(intptr_t)arg, bench.workers);
}

static int run_threads(void)
{
    pthread_t threads[64];
    intptr_t failed = 0;
    for (intptr_t i = 0; i < bench.workers; i++) {
        if (pthread_create(&threads[i], NULL, reader_thread, (void *)i) != 0)
            abort();
    }
    for (int i = 0; i < bench.workers; i++) {
        void *result;
        pthread_join(threads[i], &result);
        failed |= (intptr_t)result;
    }
    return (int)failed;
}

static void make_files(void)
{
    char bytes[BYTES], path[128];
    memset(bytes, 'x', sizeof bytes);
    if (mkdtemp(bench.root) == NULL)
        abort();
    for (int i = 0; i < bench.files; i++) {
        path_of(i, path);
        if (thrum_write_file(path, bytes, sizeof bytes) != 0)
            abort();
    }
}

static void remove_files(void)
{
    char path[128];
    for (int i = 0; i < bench.files; i++) {
        path_of(i, path);
        unlink(path);
    }
    rmdir(bench.root);
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*read_one)(const char *path);
    } ways[] = {{"place", read_in_place}, {"aside", read_aside}, {"nowait", read_nowait}, {"threads", read_plainly}};
    for (size_t i = 0; argc > 1 && i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(argv[1], ways[i].name) == 0)
            bench.read_one = ways[i].read_one;
    }
    bench.workers = argc > 2 ? atoi(argv[2]) : 2;
    bench.files = argc > 3 ? atoi(argv[3]) : 10000;
    strcpy(bench.root, "/tmp/thrum-bench-XXXXXX");
    if (bench.read_one == NULL || bench.workers < 1 || bench.workers > 64 || bench.files < READERS) {
        fprintf(stderr, "usage: bench_files place|aside|nowait|threads [WORKERS] [FILES]\n");
        return 2;
    }
    make_files();
    thrum_options options = {.workers = (unsigned)bench.workers};
    double cpu = cpu_seconds();
    thrum_time begun = thrum_now();
    int code = bench.read_one == read_plainly ? run_threads() : thrum_run_with(&options, app, NULL);
    double took = (double)(thrum_now() - begun) / 1e9, each = (double)bench.files * ROUNDS;
    if (code == 0)
        printf("%s, %d workers: %.0f files/s, %.2f us of processor each\n", argv[1], bench.workers, each / took,
               (cpu_seconds() - cpu) / each * 1e6);
    remove_files();
    return code == 0 ? 0 : 1;
}
