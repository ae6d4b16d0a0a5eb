/* What ends a wait for a file descriptor beside readiness: cancel, deadline, close, reset; and what is never lost by
 * it. */
#include "io/pairs.h"

/* ---- Every call that waits, each on something that never comes ---- */

struct hopeless {
    int fd;
    struct sockaddr_storage address;
    socklen_t length;
};

static ssize_t call_read(struct hopeless *on)
{
    char byte;
    return thrum_read(on->fd, &byte, 1);
}

static ssize_t call_readv(struct hopeless *on)
{
    char bytes[2];
    struct iovec parts[] = {{bytes, 1}, {bytes + 1, 1}};
    return thrum_readv(on->fd, parts, 2);
}

static ssize_t call_read_full(struct hopeless *on)
{
    char bytes[8];
    return thrum_read_full(on->fd, bytes, sizeof bytes);
}

static ssize_t call_recv(struct hopeless *on)
{
    char byte;
    return thrum_recv(on->fd, &byte, 1, 0);
}

static ssize_t call_recvfrom(struct hopeless *on)
{
    char byte;
    return thrum_recvfrom(on->fd, &byte, 1, 0, NULL, NULL);
}

static ssize_t call_recvmsg(struct hopeless *on)
{
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return thrum_recvmsg(on->fd, &message, 0);
}

static ssize_t call_splice(struct hopeless *on)
{
    int to[2];
    CHECK_EQ(pipe2(to, O_CLOEXEC), 0);
    ssize_t result = thrum_splice(on->fd, to[1], 1);
    CHECK_EQ(thrum_close(to[0]), 0);
    CHECK_EQ(thrum_close(to[1]), 0);
    return result;
}

static ssize_t call_accept(struct hopeless *on)
{
    return thrum_accept(on->fd, NULL, NULL);
}

static ssize_t call_poll(struct hopeless *on)
{
    struct pollfd fds[] = {{.fd = on->fd, .events = POLLIN}};
    int ready = thrum_poll(fds, 1, THRUM_FOREVER);
    return ready == 1 && fds[0].revents == POLLNVAL ? -EBADF : ready;
}

static ssize_t call_write(struct hopeless *on)
{
    return thrum_write(on->fd, "x", 1);
}

static ssize_t call_writev(struct hopeless *on)
{
    struct iovec parts[] = {{(char *)"x", 1}, {(char *)"y", 1}};
    return thrum_writev(on->fd, parts, 2);
}

static ssize_t call_write_all(struct hopeless *on)
{
    return thrum_write_all(on->fd, "xy", 2);
}

static ssize_t call_sendto(struct hopeless *on)
{
    return thrum_sendto(on->fd, "x", 1, 0, NULL, 0);
}

static ssize_t call_sendmsg(struct hopeless *on)
{
    struct iovec part = {(char *)"x", 1};
    const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return thrum_sendmsg(on->fd, &message, 0);
}

static ssize_t call_send(struct hopeless *on)
{
    return thrum_send(on->fd, "x", 1, 0);
}

static ssize_t call_sendfile(struct hopeless *on)
{
    int64_t offset = 0;
    FILE *file = tmpfile();
    CHECK_EQ(write(fileno(file), "x", 1), 1);
    ssize_t result = thrum_sendfile(on->fd, fileno(file), &offset, 1);
    CHECK_EQ(offset, 0);
    CHECK_EQ(fclose(file), 0);
    return result;
}

enum on { AN_EMPTY_PAIR, A_FULL_PAIR, A_LISTENER };

static const struct waiting_call {
    const char *name;
    ssize_t (*call)(struct hopeless *on);
    enum on on;
} calls[] = {
    {"read", call_read, AN_EMPTY_PAIR},
    {"readv", call_readv, AN_EMPTY_PAIR},
    {"read_full", call_read_full, AN_EMPTY_PAIR},
    {"recv", call_recv, AN_EMPTY_PAIR},
    {"recvfrom", call_recvfrom, AN_EMPTY_PAIR},
    {"recvmsg", call_recvmsg, AN_EMPTY_PAIR},
    {"splice", call_splice, AN_EMPTY_PAIR},
    {"accept", call_accept, A_LISTENER},
    {"poll", call_poll, AN_EMPTY_PAIR},
    {"write", call_write, A_FULL_PAIR},
    {"writev", call_writev, A_FULL_PAIR},
    {"write_all", call_write_all, A_FULL_PAIR},
    {"send", call_send, A_FULL_PAIR},
    {"sendto", call_sendto, A_FULL_PAIR},
    {"sendmsg", call_sendmsg, A_FULL_PAIR},
    {"sendfile", call_sendfile, A_FULL_PAIR},
};

struct trial {
    const struct waiting_call *call;
    struct pair pair;
    struct hopeless on;
    ssize_t result;
};

static void fill(int fd)
{
    static const char zeros[1 << 16];
    while (send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
}

static void set_up(struct trial *trial)
{
    if (trial->call->on == A_LISTENER) {
        CHECK_EQ(thrum_listen("tcp", "127.0.0.1:0", &trial->on.fd), 0);
        trial->pair.fds[1] = -1;
        return;
    }
    trial->pair = open_pair(PAIR_UNIX);
    trial->on.fd = trial->pair.fds[0];
    if (trial->call->on == A_FULL_PAIR)
        fill(trial->on.fd);
}

static void tear_down(struct trial *trial)
{
    if (trial->pair.fds[1] >= 0)
        CHECK_EQ(thrum_close(trial->pair.fds[1]), 0);
}

static int make_call(void *arg)
{
    struct trial *trial = arg;
    trial->result = trial->call->call(&trial->on);
    return 0;
}

static void wait_in_call(struct trial *trial, thrum_group *group)
{
    set_up(trial);
    CHECK_EQ(thrum_spawn(group, make_call, trial), 0);
    wait_for_waiters(trial->on.fd, 1);
}

static int cancels(void *arg)
{
    struct trial trial = {.call = arg};
    thrum_group group = THRUM_GROUP_INIT;
    wait_in_call(&trial, &group);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    CHECK_EQ(trial.result, -ECANCELED);
    CHECK_EQ(thrum_close(trial.on.fd), 0);
    tear_down(&trial);
    return 0;
}

TEST(a_cancel_ends_each_call)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (size_t i = 0; i < TH_COUNT_OF(calls); i++)
        run_on(workers, cancels, (void *)&calls[i]);
}

static int passes_a_deadline(void *arg)
{
    struct trial trial = {.call = arg};
    set_up(&trial);
    THRUM_TIMEOUT(THRUM_MS(1))
    {
        CHECK_EQ(trial.call->call(&trial.on), -ETIMEDOUT);
        CHECK_EQ(trial.call->call(&trial.on), -ETIMEDOUT);
    }
    CHECK_EQ(thrum_close(trial.on.fd), 0);
    tear_down(&trial);
    return 0;
}

TEST(a_deadline_ends_each_call)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (size_t i = 0; i < TH_COUNT_OF(calls); i++)
        run_on(workers, passes_a_deadline, (void *)&calls[i]);
}

static int closes(void *arg)
{
    struct trial trial = {.call = arg};
    thrum_group group = THRUM_GROUP_INIT;
    wait_in_call(&trial, &group);
    CHECK_EQ(thrum_close(trial.on.fd), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(trial.result, -EBADF);
    tear_down(&trial);
    return 0;
}

TEST(a_close_ends_each_call)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (size_t i = 0; i < TH_COUNT_OF(calls); i++)
        run_on(workers, closes, (void *)&calls[i]);
}

static int reads_the_end_in(void *arg)
{
    struct trial trial = {.call = arg};
    thrum_group group = THRUM_GROUP_INIT;
    if (trial.call->on == A_LISTENER)
        return 0;
    wait_in_call(&trial, &group);
    CHECK_EQ(shutdown(trial.pair.fds[1], SHUT_RDWR), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    if (trial.call->on == A_FULL_PAIR)
        CHECK_EQ(trial.result, -EPIPE);
    else
        CHECK_EQ(trial.result, trial.call->call == call_poll);
    CHECK_EQ(thrum_close(trial.on.fd), 0);
    tear_down(&trial);
    return 0;
}

TEST(a_peer_that_shuts_down_ends_each_call)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (size_t i = 0; i < TH_COUNT_OF(calls); i++)
        run_on(workers, reads_the_end_in, (void *)&calls[i]);
}

/* ---- Resets ---- */

static int read_the_reset(void *arg)
{
    struct trial *trial = arg;
    trial->result = call_read(&trial->on);
    return 0;
}

static int resets(void *arg)
{
    struct trial trial = {.pair = open_pair(PAIR_TCP)};
    struct linger linger = {.l_onoff = 1};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    trial.on.fd = trial.pair.fds[0];
    CHECK_EQ(thrum_spawn(&group, read_the_reset, &trial), 0);
    wait_for_waiters(trial.on.fd, 1);
    CHECK_EQ(setsockopt(trial.pair.fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    CHECK_EQ(thrum_close(trial.pair.fds[1]), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(trial.result, -ECONNRESET);
    CHECK_EQ(thrum_close(trial.on.fd), 0);
    return 0;
}

TEST(a_reset_is_told_to_who_waits)
{
    run_on_each_count(resets);
}

/* ---- Nothing is lost ---- */

struct transfer_in_parts {
    struct pair pair;
    ssize_t result, next;
    char *bytes;
};

static int write_more_than_fits(void *arg)
{
    struct transfer_in_parts *transfer = arg;
    transfer->result = thrum_write_all(transfer->pair.fds[1], transfer->bytes, PLENTY);
    transfer->next = thrum_write(transfer->pair.fds[1], "x", 1);
    return 0;
}

static int counts_what_was_written(void *arg)
{
    const int *kind = arg;
    struct transfer_in_parts transfer = {.pair = open_pair(*kind), .bytes = random_bytes(PLENTY)};
    thrum_group group = THRUM_GROUP_INIT;
    char *to = malloc(PLENTY);
    CHECK_EQ(thrum_spawn(&group, write_more_than_fits, &transfer), 0);
    wait_for_waiters(transfer.pair.fds[1], 1);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    CHECK_GT(transfer.result, 0);
    CHECK_LT(transfer.result, PLENTY);
    CHECK_EQ(transfer.next, -ECANCELED);
    CHECK_EQ(thrum_close(transfer.pair.fds[1]), 0);
    CHECK_EQ(thrum_read_full(transfer.pair.fds[0], to, PLENTY), transfer.result);
    CHECK_EQ(memcmp(to, transfer.bytes, (size_t)transfer.result), 0);
    CHECK_EQ(thrum_close(transfer.pair.fds[0]), 0);
    free(to);
    free(transfer.bytes);
    return 0;
}

TEST(what_was_written_before_a_cancel_is_told_and_the_next_call_tells_the_cancel)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(2, counts_what_was_written, &kind);
}

static int read_eight(void *arg)
{
    struct transfer_in_parts *transfer = arg;
    char bytes[8];
    transfer->result = thrum_read_full(transfer->pair.fds[0], bytes, sizeof bytes);
    transfer->next = thrum_read(transfer->pair.fds[0], bytes, 1);
    return 0;
}

static int counts_what_was_read(void *arg)
{
    const int *kind = arg;
    struct transfer_in_parts transfer = {.pair = open_pair(*kind)};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_write(transfer.pair.fds[1], "abc", 3), 3);
    CHECK_EQ(thrum_spawn(&group, read_eight, &transfer), 0);
    wait_for_waiters(transfer.pair.fds[0], 1);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    CHECK_EQ(transfer.result, 3);
    CHECK_EQ(transfer.next, -ECANCELED);
    close_pair(&transfer.pair);
    return 0;
}

TEST(what_was_read_before_a_cancel_is_told)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        run_on(2, counts_what_was_read, &kind);
}

/* ---- Servers ---- */

static int read_for_ever(int fd, void *arg)
{
    char byte;
    ssize_t got = thrum_read(fd, &byte, 1);
    CHECK_EQ(got, -ECANCELED);
    count_up(arg);
    return 0;
}

struct drained {
    int listener;
    th_atomic32 ended;
    int result;
};

static int serve_until_cancelled(void *arg)
{
    struct drained *drained = arg;
    drained->result = thrum_serve(drained->listener, read_for_ever, &drained->ended);
    return 0;
}

static int a_server_drains(void *arg)
{
    struct drained drained = {0};
    thrum_group group = THRUM_GROUP_INIT;
    char name[128];
    int fds[3];
    char byte;
    (void)arg;
    CHECK_EQ(thrum_listen("tcp", "127.0.0.1:0", &drained.listener), 0);
    CHECK_GT(thrum_local_name(drained.listener, name, sizeof name), 0);
    CHECK_EQ(thrum_spawn(&group, serve_until_cancelled, &drained), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_dial("tcp", name, &fds[i]), 0);
    /* All three are with their handlers: the kernel's queue is empty, and the acceptor waits again. */
    wait_for_waiters(drained.listener, 1);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    CHECK_EQ(drained.result, -ECANCELED);
    for (int i = 0; i < 3; i++) {
        ssize_t end = thrum_read(fds[i], &byte, 1);
        CHECK(end == 0 || end == -ECONNRESET);
        CHECK_EQ(thrum_close(fds[i]), 0);
    }
    CHECK_EQ(thrum_close(drained.listener), -EBADF);
    return 0;
}

TEST(a_cancelled_server_waits_for_its_handlers_and_closes_all)
{
    run_on_each_count(a_server_drains);
}

static int answer_once(int fd, void *arg)
{
    char byte;
    CHECK_EQ(thrum_read(fd, &byte, 1), 1); /* comes after the listener was closed */
    CHECK(!thrum_cancelled());
    CHECK_EQ(thrum_write(fd, &byte, 1), 1);
    count_up(arg);
    return 0;
}

static int serve_until_closed(void *arg)
{
    struct drained *drained = arg;
    drained->result = thrum_serve(drained->listener, answer_once, &drained->ended);
    return 0;
}

static int a_server_is_closed(void *arg)
{
    struct drained drained = {0};
    thrum_group group = THRUM_GROUP_INIT;
    char name[128], byte = 'x';
    int fd;
    (void)arg;
    CHECK_EQ(thrum_listen("tcp", "127.0.0.1:0", &drained.listener), 0);
    CHECK_GT(thrum_local_name(drained.listener, name, sizeof name), 0);
    CHECK_EQ(thrum_spawn(&group, serve_until_closed, &drained), 0);
    CHECK_EQ(thrum_dial("tcp", name, &fd), 0);
    wait_for_waiters(drained.listener, 1);
    CHECK_EQ(thrum_close(drained.listener), 0);
    CHECK_EQ(thrum_write(fd, &byte, 1), 1);
    CHECK_EQ(thrum_read(fd, &byte, 1), 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(drained.result, -EBADF);
    CHECK_EQ(count_of(&drained.ended), 1);
    CHECK_EQ(thrum_close(fd), 0);
    return 0;
}

TEST(a_server_whose_listener_is_closed_lets_its_handlers_finish)
{
    run_on_each_count(a_server_is_closed);
}

static int serve_what_cannot_listen(void *arg)
{
    int fd;
    (void)arg;
    CHECK_EQ(thrum_listen("udp", "127.0.0.1:0", &fd), 0);
    CHECK_EQ(thrum_serve(fd, answer_once, NULL), -EINVAL);
    CHECK_EQ(thrum_close(fd), -EBADF);
    return 0;
}

TEST(a_server_says_that_it_cannot_accept_where_nothing_listens)
{
    run_on_each_count(serve_what_cannot_listen);
}
