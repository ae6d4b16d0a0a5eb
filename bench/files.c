/*
 * Many files that are in memory, read or written: what it costs to keep workers from being held up by what hardly ever
 * holds them up.
 *
 *     bench_files HOW [WORKERS] [FILES] [read|write]      files per second, and CPU time of each
 *
 *     place     thrum_open, thrum_read or thrum_write, thrum_close, as the library does it: in place
 *     aside     each file's three calls by thrum_blocking, on a thread that holds up nobody
 *     nowait    read in place as far as RWF_NOWAIT says that nothing is waited for, else aside
 *     threads   plain calls on as many threads
 *     uring     as many threads with an io_uring each
 *     all       each of these, in turns: medians
 *
 * Read are 16 KiB of each file, written 1 MiB. The medians of five runs.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <thrum.h>
#include <unistd.h>

enum { TASKS = 64, YIELD_EVERY = 32, TURNS = 5, THREADS_MOST = 64 };

struct files_bench files_bench;
char files_text[FILES_WRITE_BYTES];
static atomic_int next_file;

void files_path(int file, char path[FILES_PATH_BYTES])
{
    snprintf(path, FILES_PATH_BYTES, "%s/%d", files_bench.root, file);
}

/* ---- One file ---- */

static int serve_in_place(const char *path)
{
    char bytes[FILES_READ_BYTES];
    bool is_write = files_bench.is_write;
    int fd = thrum_open(path, is_write ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0600);
    if (fd < 0)
        return fd;
    bool is_whole = is_write ? thrum_write_all(fd, files_text, sizeof files_text) == sizeof files_text
                             : thrum_read(fd, bytes, sizeof bytes) == sizeof bytes;
    return thrum_close(fd) == 0 && is_whole ? 0 : -EIO;
}

static int serve_plainly(const char *path)
{
    char bytes[FILES_READ_BYTES];
    bool is_write = files_bench.is_write;
    int fd = open(path, (is_write ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY) | O_CLOEXEC, 0600);
    bool is_whole = is_write ? write(fd, files_text, sizeof files_text) == sizeof files_text
                             : read(fd, bytes, sizeof bytes) == sizeof bytes;
    return close(fd) == 0 && is_whole ? 0 : -EIO;
}

static int run_plainly(void *path)
{
    return serve_plainly(path);
}

static int serve_aside(const char *path)
{
    return thrum_blocking(run_plainly, (void *)path);
}

static int read_nowait(const char *path)
{
    char bytes[FILES_READ_BYTES];
    struct iovec part = {bytes, sizeof bytes};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = preadv2(fd, &part, 1, 0, RWF_NOWAIT);
    int code = close(fd);
    return code == 0 && got == sizeof bytes ? 0 : serve_aside(path);
}

/* ---- All of them ---- */

struct way {
    const char *name;
    int (*run)(const struct way *way);
    int (*serve)(const char *path);
};

/* A share of all files, again and again. */
static int serve_share(const struct way *way, int first, int step)
{
    char path[FILES_PATH_BYTES];
    for (int round = 0; round < files_bench.rounds; round++) {
        for (int file = first; file < files_bench.files; file += step) {
            files_path(file, path);
            if (way->serve(path) != 0)
                return -EIO;
        }
    }
    return 0;
}

struct share {
    const struct way *way;
    int first;
};

/* What a program does that reads so many files at a time: whoever has read one takes the next, and lets others run now
 * and then: at each file the caches would hold 64 buffers instead of one. */
static int share_task(void *arg)
{
    const struct way *way = arg;
    char path[FILES_PATH_BYTES];
    int all = files_bench.files * files_bench.rounds, file, code = 0;
    for (int turn = 1; code == 0 && (file = atomic_fetch_add(&next_file, 1)) < all; turn++) {
        files_path(file % files_bench.files, path);
        code = way->serve(path);
        if (turn % YIELD_EVERY == 0)
            thrum_yield();
    }
    return code;
}

static int app(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    int code = 0;
    atomic_store(&next_file, 0);
    for (int i = 0; code == 0 && i < TASKS; i++)
        code = thrum_spawn(&group, share_task, arg);
    int ended = thrum_group_wait(&group);
    return code != 0 ? code : ended;
}

static int run_tasks(const struct way *way)
{
    const thrum_options options = {.workers = (unsigned)files_bench.workers};
    return thrum_run_with(&options, app, (void *)way);
}

static void *share_thread(void *arg)
{
    const struct share *share = arg;
    int workers = files_bench.workers;
    int code = share->way->serve != NULL ? serve_share(share->way, share->first, workers)
                                         : files_by_uring(share->first, workers);
    return (void *)(intptr_t)code;
}

static int run_threads(const struct way *way)
{
    pthread_t threads[THREADS_MOST];
    struct share shares[THREADS_MOST];
    intptr_t failed = 0;
    for (int i = 0; i < files_bench.workers; i++) {
        shares[i] = (struct share){way, i};
        if (pthread_create(&threads[i], NULL, share_thread, &shares[i]) != 0)
            abort();
    }
    for (int i = 0; i < files_bench.workers; i++) {
        void *result;
        pthread_join(threads[i], &result);
        failed = failed != 0 ? failed : (intptr_t)result;
    }
    return (int)failed;
}

static const struct way ways[] = {{"place", run_tasks, serve_in_place},
                                  {"aside", run_tasks, serve_aside},
                                  {"nowait", run_tasks, read_nowait},
                                  {"threads", run_threads, serve_plainly},
                                  {"uring", run_threads, NULL}};

enum { WAYS = sizeof ways / sizeof *ways };

static bool is_there(const struct way *way)
{
    return (way->serve != NULL || files_by_uring != NULL) && (way->serve != read_nowait || !files_bench.is_write);
}

/* ---- The files ---- */

static void make_files(void)
{
    char path[FILES_PATH_BYTES];
    memset(files_text, 'x', sizeof files_text);
    if (mkdtemp(files_bench.root) == NULL)
        abort();
    for (int i = 0; i < files_bench.files; i++) {
        files_path(i, path);
        if (thrum_write_file(path, files_text, files_bench.is_write ? sizeof files_text : FILES_READ_BYTES) != 0)
            abort();
    }
}

static void remove_files(void)
{
    char path[FILES_PATH_BYTES];
    for (int i = 0; i < files_bench.files; i++) {
        files_path(i, path);
        unlink(path);
    }
    rmdir(files_bench.root);
}

/* ---- What it costs ---- */

struct figures {
    double per_second[TURNS], cpu_us[TURNS];
};

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static int measure(const struct way *way, struct figures *figures, int turn)
{
    double cpu = cpu_seconds(), each = (double)files_bench.files * files_bench.rounds;
    thrum_time begun = thrum_now();
    int code = way->run(way);
    figures->per_second[turn] = each / ((double)(thrum_now() - begun) / 1e9);
    figures->cpu_us[turn] = (cpu_seconds() - cpu) / each * 1e6;
    if (code != 0)
        fprintf(stderr, "%s: %s\n", way->name, thrum_strerror(code));
    return code;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double values[TURNS])
{
    qsort(values, TURNS, sizeof *values, compare);
    return values[TURNS / 2];
}

static int measure_in_turns(const char *how)
{
    static struct figures figures[WAYS];
    bool is_chosen[WAYS];
    int code = 0;
    for (int i = 0; i < WAYS; i++)
        is_chosen[i] = (strcmp(how, "all") == 0 || strcmp(how, ways[i].name) == 0) && is_there(&ways[i]);
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; code == 0 && i < WAYS; i++)
            code = is_chosen[i] ? measure(&ways[i], &figures[i], turn) : 0;
    }
    for (int i = 0; code == 0 && i < WAYS; i++) {
        if (is_chosen[i])
            printf("%-8s %d workers: %8.0f files/s, %7.2f us of processor each\n", ways[i].name, files_bench.workers,
                   median(figures[i].per_second), median(figures[i].cpu_us));
    }
    return code;
}

static bool is_way(const char *how)
{
    bool is_one = strcmp(how, "all") == 0;
    for (int i = 0; i < WAYS; i++)
        is_one |= strcmp(how, ways[i].name) == 0;
    return is_one;
}

int main(int argc, char **argv)
{
    files_bench.is_write = argc > 4 && strcmp(argv[4], "write") == 0;
    files_bench.workers = argc > 2 ? atoi(argv[2]) : 2;
    files_bench.files = argc > 3 ? atoi(argv[3]) : 10000;
    files_bench.rounds = files_bench.is_write ? 2 : 20;
    strcpy(files_bench.root, "/tmp/thrum-bench-XXXXXX");
    if (argc < 2 || !is_way(argv[1]) || files_bench.workers < 1 || files_bench.workers > THREADS_MOST ||
        files_bench.files < 1) {
        fprintf(stderr, "usage: bench_files place|aside|nowait|threads|uring|all [WORKERS] [FILES] [read|write]\n");
        return 2;
    }
    if (files_by_uring == NULL)
        printf("uring is left out: liburing was not there when this was built\n");
    make_files();
    int code = measure_in_turns(argv[1]);
    remove_files();
    return code == 0 ? 0 : 1;
}
