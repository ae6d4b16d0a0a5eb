/* Waiting for several file descriptors at once. */
#include "io/pairs.h"

struct several {
    struct pair pairs[3];
    thrum_time span;
    int result;
    short revents[3];
};

static int poll_three(void *arg)
{
    struct several *several = arg;
    struct pollfd fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = (struct pollfd){.fd = several->pairs[i].fds[0], .events = POLLIN};
    several->result = thrum_poll(fds, 3, several->span);
    for (int i = 0; i < 3; i++)
        several->revents[i] = fds[i].revents;
    return 0;
}

static int open_three(struct several *several)
{
    for (int i = 0; i < 3; i++)
        several->pairs[i] = open_pair(i % PAIR_KINDS);
    return 0;
}

static void close_three(const struct several *several)
{
    for (int i = 0; i < 3; i++)
        close_pair(&several->pairs[i]);
}

static int one_of_three_is_ready(void *arg)
{
    (void)arg;
    for (int chosen = 0; chosen < 3; chosen++) {
        struct several several = {.span = THRUM_FOREVER};
        thrum_group group = THRUM_GROUP_INIT;
        open_three(&several);
        CHECK_EQ(thrum_spawn(&group, poll_three, &several), 0);
        for (int i = 0; i < 3; i++)
            wait_for_waiters(several.pairs[i].fds[0], 1);
        CHECK_EQ(thrum_write(several.pairs[chosen].fds[1], "x", 1), 1);
        CHECK_EQ(thrum_group_wait(&group), 0);
        CHECK_EQ(several.result, 1);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(several.revents[i], i == chosen ? POLLIN : 0);
        close_three(&several);
    }
    return 0;
}

TEST(whichever_of_several_is_ready_ends_the_poll)
{
    run_on_each_count(one_of_three_is_ready);
}

static int the_time_is_over(void *arg)
{
    struct several several = {.span = THRUM_MS(2)};
    (void)arg;
    open_three(&several);
    CHECK_EQ(poll_three(&several), 0);
    CHECK_EQ(several.result, 0);
    several.span = 0;
    CHECK_EQ(poll_three(&several), 0);
    CHECK_EQ(several.result, 0);
    CHECK_EQ(thrum_write(several.pairs[1].fds[1], "x", 1), 1);
    CHECK_EQ(poll_three(&several), 0);
    CHECK_EQ(several.result, 1);
    close_three(&several);
    return 0;
}

TEST(a_poll_ends_with_nothing_when_its_time_is_over)
{
    run_on_each_count(the_time_is_over);
}

static int one_is_closed(void *arg)
{
    struct several several = {.span = THRUM_FOREVER};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    open_three(&several);
    CHECK_EQ(thrum_spawn(&group, poll_three, &several), 0);
    wait_for_waiters(several.pairs[2].fds[0], 1);
    CHECK_EQ(thrum_close(several.pairs[1].fds[0]), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(several.result, 1);
    CHECK_EQ(several.revents[1], POLLNVAL);
    CHECK_EQ(thrum_close(several.pairs[1].fds[1]), 0);
    close_pair(&several.pairs[0]);
    close_pair(&several.pairs[2]);
    return 0;
}

TEST(close_ends_a_poll_with_pollnval)
{
    run_on_each_count(one_is_closed);
}

static int both_directions(void *arg)
{
    struct pair pair = open_pair(PAIR_TCP);
    FILE *file = tmpfile();
    struct pollfd fds[6] = {{.fd = pair.fds[0], .events = POLLIN | POLLOUT}, {.fd = -1, .events = POLLIN}};
    (void)arg;
    CHECK_EQ(thrum_poll(fds, 2, THRUM_FOREVER), 1);
    CHECK_EQ(fds[0].revents, POLLOUT);
    CHECK_EQ(thrum_write(pair.fds[1], "x", 1), 1);
    fds[0].events = POLLIN;
    CHECK_EQ(thrum_poll(fds, 2, THRUM_FOREVER), 1);
    for (int i = 0; i < 6; i++)
        fds[i] = (struct pollfd){.fd = fileno(file), .events = POLLIN};
    CHECK_EQ(thrum_poll(fds, 6, THRUM_FOREVER), 6);
    CHECK_EQ(fclose(file), 0);
    close_pair(&pair);
    return 0;
}

TEST(polls_of_both_directions_of_files_and_of_nothing)
{
    run_on(1, both_directions, NULL);
}

/* ---- Splice ---- */

struct relay {
    int from, to;
    int through[2];
};

static int relay(void *arg)
{
    struct relay *relay = arg;
    ssize_t moved;
    while ((moved = thrum_splice(relay->from, relay->through[1], 1 << 20)) > 0) {
        while (moved > 0) {
            ssize_t gone = thrum_splice(relay->through[0], relay->to, (size_t)moved);
            CHECK_GT(gone, 0);
            moved -= gone;
        }
    }
    CHECK_EQ(moved, 0);
    CHECK_EQ(thrum_close(relay->to), 0);
    return 0;
}

static int splices(void *arg)
{
    struct pair in = open_pair(PAIR_TCP), out = open_pair(PAIR_UNIX), through = open_pair(PAIR_PIPE);
    char *from = random_bytes(PLENTY), *to = malloc(PLENTY);
    struct relay across = {in.fds[0], out.fds[1], {through.fds[0], through.fds[1]}};
    struct sink sink = {out.fds[0], to, PLENTY};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, relay, &across), 0);
    CHECK_EQ(thrum_spawn(&group, read_everything, &sink), 0);
    CHECK_EQ(thrum_write_all(in.fds[1], from, PLENTY), PLENTY);
    CHECK_EQ(thrum_close(in.fds[1]), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(memcmp(from, to, PLENTY), 0);
    CHECK_EQ(thrum_close(in.fds[0]), 0);
    CHECK_EQ(thrum_close(out.fds[0]), 0);
    close_pair(&through);
    free(from);
    free(to);
    return 0;
}

TEST(splice_moves_every_byte_from_socket_to_socket)
{
    run_on_each_count(splices);
}

/* ---- Whose thread has lost its permit ---- */

static void *write_when_waited_for(void *arg)
{
    const struct pair *pair = arg;
    wait_for_waiters(pair->fds[0], 1);
    CHECK_EQ(write(pair->fds[1], "x", 1), 1);
    return NULL;
}

/* The first wait of a runtime, by a task that has blocked for so long that another thread has the worker's permit and
 * has gone to sleep, when there was nothing to poll yet. */
static int blocks_and_waits(void *arg)
{
    struct pair pair = open_pair(PAIR_PIPE);
    (void)arg;
    (void)usleep(30000);
    pthread_t writer = start_thread(write_when_waited_for, &pair);
    CHECK_EQ(thrum_read(pair.fds[0], &pair.got, 1), 1);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    close_pair(&pair);
    return 0;
}

TEST(the_first_wait_is_polled_for_though_all_permits_sleep)
{
    for (int i = 0; i < 3; i++)
        run_on(1, blocks_and_waits, NULL);
    run_on(2, blocks_and_waits, NULL);
}

static int write_to_who_waits(void *arg)
{
    const struct pair *pair = arg;
    wait_for_waiters(pair->fds[0], 1);
    CHECK_EQ(thrum_write(pair->fds[1], "x", 1), 1);
    return 0;
}

/* The event was told to the first poll; the second has nothing but its look. */
static int poll_interrupted(void *arg)
{
    struct pair pair = open_pair(PAIR_PIPE);
    struct pollfd fd = {.fd = pair.fds[0], .events = POLLIN};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, write_to_who_waits, &pair), 0);
    CHECK_EQ(thrum_poll(&fd, 1, THRUM_FOREVER), 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(th_fault_plan("poll:1x3:EINTR"), 0);
    CHECK_EQ(thrum_poll(&fd, 1, THRUM_FOREVER), 1);
    CHECK_EQ(th_fault_plan("poll:1x3:EINTR"), 0);
    CHECK_EQ(thrum_poll(&fd, 1, 0), 1);
    CHECK_EQ(th_fault_plan(NULL), 0);
    close_pair(&pair);
    return 0;
}

TEST(an_interrupted_look_loses_no_event)
{
    run_on_each_count(poll_interrupted);
}
