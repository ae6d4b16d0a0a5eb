/*
 * How long a lookup of a name, an fsync and a call by thrum_blocking take while a crowd of tasks has each of them block
 * for 10 ms, again and again. They are served by threads of their own, so only the crowd's own kind waits for it.
 *
 *     bench_lanes [WORKERS] [CALLS] [CROWD]
 *
 * A row for each kind of crowd, a column for each kind of call: p50 and p99, in us. Its getaddrinfo and its fsync are
 * this program's own, and do nothing but block where they are to.
 */
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <thrum.h>
#include <time.h>
#include <unistd.h>

enum { KINDS = 3, SLOW_FD = STDIN_FILENO, QUICK_FD = STDOUT_FILENO };

static int calls = 300, crowd = 256;
static atomic_bool is_over;

static int block(void *arg)
{
    (void)arg;
    (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    (void)service, (void)hints, (void)found;
    if (host[0] == 's')
        (void)block(NULL);
    return EAI_NONAME;
}

int fsync(int fd)
{
    return fd == SLOW_FD ? block(NULL) : 0;
}

static int look_up(bool is_slow)
{
    struct addrinfo *found;
    return thrum_resolve(is_slow ? "slow" : "quick", NULL, NULL, &found) == -ENOENT ? 0 : -EIO;
}

static int sync_file(bool is_slow)
{
    return thrum_fsync(is_slow ? SLOW_FD : QUICK_FD);
}

static int call(bool is_slow)
{
    return thrum_blocking(is_slow ? block : nothing, NULL);
}

static const struct kind {
    const char *name;
    int (*make)(bool is_slow);
} kinds[KINDS] = {{"lookups", look_up}, {"fsyncs", sync_file}, {"calls", call}};

static int join_the_crowd(void *arg)
{
    const struct kind *kind = arg;
    int code = 0;
    while (code == 0 && !atomic_load(&is_over))
        code = kind->make(true);
    return code;
}

static int compare(const void *a, const void *b)
{
    thrum_time left = *(const thrum_time *)a, right = *(const thrum_time *)b;
    return (left > right) - (left < right);
}

static int measure(const struct kind *kind, thrum_time *spans)
{
    for (int i = 0; i < calls; i++) {
        thrum_time begun = thrum_now();
        int code = kind->make(false);
        if (code != 0)
            return code;
        spans[i] = thrum_now() - begun;
    }
    qsort(spans, (size_t)calls, sizeof *spans, compare);
    printf("%12.0f %9.0f", (double)spans[calls / 2] / 1e3, (double)spans[calls * 99 / 100] / 1e3);
    return fflush(stdout);
}

/* Beside a crowd of one kind, or of none (NULL). */
static int measure_beside(const struct kind *crowded, thrum_time *spans)
{
    thrum_group group = THRUM_GROUP_INIT;
    int code = 0;
    atomic_store(&is_over, false);
    printf("%-10s", crowded != NULL ? crowded->name : "nobody");
    for (int i = 0; crowded != NULL && code == 0 && i < crowd; i++)
        code = thrum_spawn(&group, join_the_crowd, (void *)crowded);
    if (code == 0)
        code = thrum_sleep(THRUM_MS(200));
    for (int i = 0; code == 0 && i < KINDS; i++)
        code = measure(&kinds[i], spans);
    printf("\n");
    atomic_store(&is_over, true);
    int ended = thrum_group_wait(&group);
    return code != 0 ? code : ended;
}

static int app(void *arg)
{
    thrum_time *spans = calloc((size_t)calls, sizeof *spans);
    int code = spans != NULL ? measure_beside(NULL, spans) : -1;
    (void)arg;
    for (int i = 0; code == 0 && i < KINDS; i++)
        code = measure_beside(&kinds[i], spans);
    free(spans);
    return code;
}

int main(int argc, char **argv)
{
    thrum_options options = {.workers = argc > 1 ? (unsigned)atoi(argv[1]) : 2};
    calls = argc > 2 ? atoi(argv[2]) : calls;
    crowd = argc > 3 ? atoi(argv[3]) : crowd;
    if (options.workers < 1 || calls < 1 || crowd < 1) {
        fprintf(stderr, "usage: bench_lanes [WORKERS] [CALLS] [CROWD]\n");
        return 2;
    }
    printf("%d tasks that each block for 10 ms, us, p50 and p99:\n%-10s", crowd, "crowd of");
    for (int i = 0; i < KINDS; i++)
        printf("%22s", kinds[i].name);
    printf("\n");
    int code = thrum_run_with(&options, app, NULL);
    if (code != 0)
        fprintf(stderr, "%s\n", thrum_strerror(code));
    return code == 0 ? 0 : 1;
}
