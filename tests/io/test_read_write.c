/* Reading and writing as tasks: what waits, what is moved, who is woken. */
#include "io/pairs.h"

/* ---- Waiting ---- */

static int read_one(void *arg)
{
    struct pair *pair = arg;
    char byte = 0;
    CHECK_EQ(thrum_read(pair->fds[0], &byte, 1), 1);
    pair->got = byte;
    return 0;
}

static int a_reader_waits(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, read_one, &pair), 0);
    wait_for_waiters(pair.fds[0], 1);
    CHECK_EQ(thrum_write(pair.fds[1], "x", 1), 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(pair.got, 'x');
    close_pair(&pair);
    return 0;
}

TEST(a_reader_waits_for_the_first_byte)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(workers, a_reader_waits, &kind);
}

static int fill_all(void *arg)
{
    struct pair *pair = arg;
    CHECK_EQ(thrum_write_all(pair->fds[1], pair->from, PLENTY), PLENTY);
    return 0;
}

static int a_writer_waits(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    pair.from = random_bytes(PLENTY);
    char *to = malloc(PLENTY);
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, fill_all, &pair), 0);
    wait_for_waiters(pair.fds[1], 1);
    CHECK_EQ(thrum_read_full(pair.fds[0], to, PLENTY), PLENTY);
    CHECK_EQ(memcmp(pair.from, to, PLENTY), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    free(pair.from);
    free(to);
    close_pair(&pair);
    return 0;
}

TEST(a_writer_waits_for_room_and_no_byte_is_lost)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(workers, a_writer_waits, &kind);
}

/* ---- Ends ---- */

static int reads_until_the_end(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    char text[16];
    CHECK_EQ(thrum_write(pair.fds[1], "last", 4), 4);
    CHECK_EQ(thrum_close(pair.fds[1]), 0);
    CHECK_EQ(thrum_read_full(pair.fds[0], text, sizeof text), 4);
    CHECK_EQ(thrum_read(pair.fds[0], text, sizeof text), 0);
    CHECK_EQ(thrum_close(pair.fds[0]), 0);
    return 0;
}

TEST(what_was_written_before_the_end_is_read_first)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(2, reads_until_the_end, &kind);
}

static int wait_for_the_end(const struct pair *pair)
{
    struct th_descriptor *descriptor = NULL;
    CHECK_EQ(th_descriptor_acquire(pair->fds[0], &descriptor), 0);
    while ((th_descriptor_events(descriptor, TH_READING) & TH_EVENT_HUNG) == 0)
        thrum_yield();
    (void)th_descriptor_release(descriptor, pair->fds[0]);
    return 0;
}

/* Data and the end come in one event; a short read then proves nothing, there is no event to come. */
static int the_end_was_told_before(void *arg)
{
    struct pair pair = open_pair(PAIR_TCP);
    thrum_group group = THRUM_GROUP_INIT;
    char text[16];
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, read_one, &pair), 0);
    wait_for_waiters(pair.fds[0], 1);
    CHECK_EQ(thrum_write(pair.fds[1], "x", 1), 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_write(pair.fds[1], "abc", 3), 3);
    CHECK_EQ(thrum_close(pair.fds[1]), 0);
    CHECK_EQ(wait_for_the_end(&pair), 0);
    THRUM_TIMEOUT(THRUM_MS(500)) /* a registration that is made anew would tell after a second */
    {
        CHECK_EQ(thrum_read(pair.fds[0], text, sizeof text), 3);
        CHECK_EQ(thrum_read(pair.fds[0], text, sizeof text), 0);
    }
    CHECK_EQ(thrum_close(pair.fds[0]), 0);
    return 0;
}

TEST(an_end_that_was_told_with_the_data_is_read_behind_it)
{
    run_on_each_count(the_end_was_told_before);
}

static int read_the_end(void *arg)
{
    struct pair *pair = arg;
    char byte;
    CHECK_EQ(thrum_read(pair->fds[0], &byte, 1), 0);
    return 0;
}

static int a_reader_learns_of_the_end(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, read_the_end, &pair), 0);
    wait_for_waiters(pair.fds[0], 1);
    CHECK_EQ(thrum_close(pair.fds[1]), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_close(pair.fds[0]), 0);
    return 0;
}

TEST(a_reader_that_waits_learns_of_the_end)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(workers, a_reader_learns_of_the_end, &kind);
}

static int writes_to_nobody(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    ssize_t result;
    CHECK_EQ(thrum_close(pair.fds[0]), 0);
    while ((result = thrum_write(pair.fds[1], "x", 1)) == 1)
        continue;
    CHECK(result == -EPIPE || result == -ECONNRESET);
    CHECK_EQ(thrum_write(pair.fds[1], "x", 1), -EPIPE);
    CHECK_EQ(thrum_close(pair.fds[1]), 0);
    return 0;
}

TEST(a_peer_that_is_gone_is_epipe_and_no_signal)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(1, writes_to_nobody, &kind);
}

/* ---- Close ---- */

struct closed {
    struct pair pair;
    th_atomic32 readers;
};

static int read_the_close(void *arg)
{
    struct closed *closed = arg;
    char byte;
    CHECK_EQ(thrum_read(closed->pair.fds[0], &byte, 1), -EBADF);
    count_up(&closed->readers);
    return 0;
}

static int a_close_wakes(void *arg)
{
    const int *kind = arg;
    struct closed closed = {.pair = open_pair(*kind)};
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_spawn(&group, read_the_close, &closed), 0);
    wait_for_waiters(closed.pair.fds[0], 3);
    CHECK_EQ(thrum_close(closed.pair.fds[0]), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&closed.readers), 3);
    /* The last of them has given the number back. */
    CHECK_EQ(fcntl(closed.pair.fds[0], F_GETFD), -1);
    CHECK_EQ(thrum_close(closed.pair.fds[1]), 0);
    return 0;
}

TEST(close_wakes_all_readers_with_ebadf)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(workers, a_close_wakes, &kind);
}

static int closes_twice(void *arg)
{
    struct pair pair = open_pair(0);
    char byte;
    (void)arg;
    close_pair(&pair);
    CHECK_EQ(thrum_close(pair.fds[0]), -EBADF);
    CHECK_EQ(thrum_read(pair.fds[0], &byte, 1), -EBADF);
    CHECK_EQ(thrum_write(-1, "x", 1), -EBADF);
    CHECK_EQ(thrum_close(-1), -EBADF);
    CHECK_EQ(thrum_close(INT32_MAX), -EBADF);
    return 0;
}

TEST(what_is_closed_is_ebadf)
{
    run_on(1, closes_twice, NULL);
}

/* ---- Flags stay ---- */

static int leaves_flags(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        int flags = fcntl(pair.fds[0], F_GETFL);
        flags = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        CHECK_EQ(fcntl(pair.fds[0], F_SETFL, flags), 0);
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(thrum_spawn(&group, read_one, &pair), 0);
        wait_for_waiters(pair.fds[0], 1);
        CHECK_EQ(thrum_write(pair.fds[1], "f", 1), 1);
        CHECK_EQ(thrum_group_wait(&group), 0);
        CHECK_EQ(fcntl(pair.fds[0], F_GETFL), flags);
    }
    close_pair(&pair);
    return 0;
}

TEST(nonblocking_or_not_the_flag_stays_as_it_was)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(2, leaves_flags, &kind);
}

/* ---- Vectors, files, devices ---- */

static int moves_vectors(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    char a[3] = {0}, b[8] = {0};
    struct iovec out[] = {{(void *)"he", 2}, {NULL, 0}, {(void *)"llo", 3}}, in[] = {{a, 3}, {b, 8}};
    CHECK_EQ(thrum_writev(pair.fds[1], out, 3), 5);
    CHECK_EQ(thrum_readv(pair.fds[0], in, 2), 5);
    CHECK_EQ(memcmp(a, "hel", 3), 0);
    CHECK_STR_EQ(b, "lo");
    close_pair(&pair);
    return 0;
}

TEST(vectors_go_through_in_order)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(1, moves_vectors, &kind);
}

static int uses_a_file(void *arg)
{
    char text[8] = {0};
    FILE *file = tmpfile();
    int fd = fileno(file);
    (void)arg;
    CHECK_EQ(thrum_write(fd, "abcdef", 6), 6);
    CHECK_EQ(thrum_pread(fd, text, 3, 2), 3);
    CHECK_STR_EQ(text, "cde");
    CHECK_EQ(thrum_pwrite(fd, "Z", 1, 5), 1);
    CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
    CHECK_EQ(thrum_read_full(fd, text, sizeof text), 3);
    CHECK_EQ(memcmp(text, "deZ", 3), 0);
    CHECK_EQ(fclose(file), 0);
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    CHECK_EQ(thrum_read(zero, text, sizeof text), (ssize_t)sizeof text);
    CHECK_EQ(thrum_close(zero), 0);
    return 0;
}

/* On a file system that lies in memory nothing is dropped from there, and this is a read like any other. */
static int reads_what_is_partly_in_memory(void *arg)
{
    enum { ALL = 1 << 20, PART = 4096 };
    char *text = random_bytes(ALL), *got = malloc(ALL);
    char path[] = "/tmp/thrum-partly-XXXXXX";
    CHECK_EQ(close(mkstemp(path)), 0);
    int fd = thrum_open(path, O_RDWR, 0);
    (void)arg;
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(thrum_write_all(fd, text, ALL), ALL);
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    CHECK_EQ(pread(fd, got, PART, 0), PART);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(thrum_read(fd, got, ALL), ALL);
    CHECK_EQ(memcmp(got, text, ALL), 0);
    CHECK_EQ(thrum_read(fd, got, 1), 0);
    free(got);
    free(text);
    return thrum_close(fd);
}

TEST(a_file_that_is_partly_in_memory_is_read_whole)
{
    run_on(1, reads_what_is_partly_in_memory, NULL);
}

TEST(files_and_devices_are_read_in_place)
{
    run_on(1, uses_a_file, NULL);
}

static int sends_a_file(void *arg)
{
    const int *kind = arg;
    struct pair pair = open_pair(*kind);
    FILE *file = tmpfile();
    char *to = malloc(PLENTY);
    pair.from = random_bytes(PLENTY);
    CHECK_EQ(thrum_write_all(fileno(file), pair.from, PLENTY), PLENTY);
    thrum_group group = THRUM_GROUP_INIT;
    struct sink sink = {.fd = pair.fds[0], .to = to, .bytes = PLENTY};
    CHECK_EQ(thrum_spawn(&group, read_everything, &sink), 0);
    int64_t offset = 0;
    while (offset < PLENTY)
        CHECK_GT(thrum_sendfile(pair.fds[1], fileno(file), &offset, PLENTY), 0);
    CHECK_EQ(thrum_sendfile(pair.fds[1], fileno(file), &offset, PLENTY), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(memcmp(pair.from, to, PLENTY), 0);
    free(to);
    free(pair.from);
    CHECK_EQ(fclose(file), 0);
    close_pair(&pair);
    return 0;
}

TEST(sendfile_sends_all_of_it)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(2, sends_a_file, &kind);
}

static int counts_events(void *arg)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t value = 7;
    struct counter counter = {.fd = fd};
    (void)arg;
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, read_counter, &counter), 0);
    wait_for_waiters(fd, 1);
    CHECK_EQ(thrum_write(fd, &value, sizeof value), 8);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(counter.value, 7);
    CHECK_EQ(thrum_close(fd), 0);
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    CHECK_EQ(timerfd_settime(fd, 0, &soon, NULL), 0);
    CHECK_EQ(thrum_read(fd, &value, sizeof value), 8);
    CHECK_EQ(value, 1);
    CHECK_EQ(thrum_close(fd), 0);
    return 0;
}

TEST(eventfds_and_timerfds_can_be_waited_for)
{
    FOR_EACH_WORKER_COUNT(workers)
    run_on(workers, counts_events, NULL);
}

/* ---- Outside of tasks ---- */

static void *read_one_in_a_thread(void *arg)
{
    (void)read_one(arg);
    return NULL;
}

TEST(outside_of_tasks_the_thread_waits)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct pair pair = open_pair(kind);
        CHECK_EQ(fcntl(pair.fds[0], F_SETFL, fcntl(pair.fds[0], F_GETFL) | O_NONBLOCK), 0);
        pthread_t thread = start_thread(read_one_in_a_thread, &pair);
        CHECK_EQ(thrum_write(pair.fds[1], "t", 1), 1);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(pair.got, 't');
        close_pair(&pair);
    }
}
