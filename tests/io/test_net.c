/* Dial, listen, serve, and the socket calls. */
#include "io/pairs.h"

static int echo(int fd, void *arg)
{
    char text[256];
    ssize_t got = 1;
    (void)arg;
    while (got > 0) {
        got = thrum_read(fd, text, sizeof text);
        if (got > 0 && thrum_write_all(fd, text, (size_t)got) != got)
            return -EPIPE;
    }
    return (int)got;
}

struct server {
    int listener;
    unsigned most;
    thrum_handler handler;
    void *arg;
    int result;
};

static int serve(void *arg)
{
    struct server *server = arg;
    thrum_serve_options options = {.connections = server->most};
    server->result = thrum_serve_with(server->listener, &options, server->handler, server->arg);
    return 0;
}

static void ask(int fd, const char *text)
{
    char answer[256] = {0};
    size_t length = strlen(text);
    CHECK_EQ(thrum_write_all(fd, text, length), (ssize_t)length);
    CHECK_EQ(thrum_read_full(fd, answer, length), (ssize_t)length);
    CHECK_STR_EQ(answer, text);
}

struct place {
    const char *network, *address;
};

static const struct place streams[] = {
    {"tcp", "127.0.0.1:0"}, {"tcp4", ":0"}, {"tcp6", "[::1]:0"}, {"tcp", "localhost:0"}, {"unix", "@thrum-test-echo"},
};

/* False where the machine has no such network. */
static bool listen_at(const struct place *place, int *listener, char name[128])
{
    int code = thrum_listen(place->network, place->address, listener);
    if (code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT)
        return false;
    CHECK_EQ(code, 0);
    CHECK_GT(thrum_local_name(*listener, name, 128), 0);
    return true;
}

static int echoes(void *arg)
{
    const struct place *place = arg;
    char name[128], peer[128];
    struct server server = {.handler = echo};
    if (!listen_at(place, &server.listener, name))
        return 0;
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, serve, &server), 0);
    for (int i = 0; i < 3; i++) {
        int fd;
        CHECK_EQ(thrum_dial(place->network, name, &fd), 0);
        CHECK_GT(thrum_peer_name(fd, peer, sizeof peer), 0);
        ask(fd, "hello");
        ask(fd, "again");
        CHECK_EQ(thrum_close(fd), 0);
    }
    CHECK_EQ(thrum_close(server.listener), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(server.result, -EBADF);
    return 0;
}

TEST(who_dials_is_served)
{
    FOR_EACH_WORKER_COUNT(workers)
    for (size_t i = 0; i < TH_COUNT_OF(streams); i++)
        run_on(workers, echoes, (void *)&streams[i]);
}

/* ---- Addresses ---- */

static int bad_addresses(void *arg)
{
    static const struct {
        const char *network, *address;
        int code;
    } bad[] = {
        {"tcp", "127.0.0.1", -EINVAL},    {"tcp", "127.0.0.1:", -EINVAL},      {"tcp", "127.0.0.1:65536", -EINVAL},
        {"tcp", "127.0.0.1:x", -EINVAL},  {"tcp", "::1:80", -EINVAL},          {"tcp4", "[::1]:80", -EINVAL},
        {"tcp6", "127.0.0.1:1", -EINVAL}, {"morse", "127.0.0.1:1", -EINVAL},   {"unix", "", -EINVAL},
        {"tcp", "no name:1", -ENOENT},    {"tcp", "[::1%nowhere]:1", -EINVAL}, {"tcp", "[name]:1", -EINVAL},
    };
    int fd = -1;
    (void)arg;
    for (size_t i = 0; i < TH_COUNT_OF(bad); i++) {
        CHECK_EQ(thrum_dial(bad[i].network, bad[i].address, &fd), bad[i].code);
        CHECK_EQ(thrum_listen(bad[i].network, bad[i].address, &fd), bad[i].code);
    }
    CHECK_EQ(fd, -1);
    return 0;
}

TEST(what_is_no_address_is_told_so)
{
    run_on(1, bad_addresses, NULL);
}

static int nobody_listens(void *arg)
{
    int listener, fd = -1;
    char name[128];
    (void)arg;
    CHECK_EQ(thrum_listen("tcp", "127.0.0.1:0", &listener), 0);
    CHECK_GT(thrum_local_name(listener, name, sizeof name), 0);
    CHECK_EQ(thrum_close(listener), 0);
    CHECK_EQ(thrum_dial("tcp", name, &fd), -ECONNREFUSED);
    CHECK_EQ(thrum_dial("unix", "@thrum-test-nobody", &fd), -ECONNREFUSED);
    /* Both addresses of a name. */
    char both[64];
    snprintf(both, sizeof both, "localhost%s", strrchr(name, ':'));
    int code = thrum_dial("tcp", both, &fd);
    CHECK(code == -ECONNREFUSED || code == -EADDRNOTAVAIL);
    CHECK_EQ(fd, -1);
    return 0;
}

TEST(a_dial_to_nobody_is_refused)
{
    run_on_each_count(nobody_listens);
}

/* ---- Blocking sockets of the program's own ---- */

static int accept_by_hand(void *arg)
{
    int *listener = arg;
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    int fd = thrum_accept(*listener, (struct sockaddr *)&peer, &length);
    CHECK_GE(fd, 0);
    CHECK_EQ(peer.sin_family, AF_INET);
    CHECK_EQ(thrum_send(fd, "abcdef", 6, 0), 6);
    return thrum_close(fd);
}

static int own_sockets(void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = thrum_socket(AF_INET, SOCK_STREAM, 0);
    char text[8] = {0};
    (void)arg;
    CHECK_EQ(bind(listener, (struct sockaddr *)&address, length), 0);
    CHECK_EQ(listen(listener, 8), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, accept_by_hand, &listener), 0);
    wait_for_waiters(listener, 1);
    CHECK_EQ(thrum_connect(fd, (struct sockaddr *)&address, length), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(thrum_recv(fd, text, 2, MSG_PEEK), 2);
    CHECK_EQ(thrum_recv(fd, text, 6, MSG_WAITALL), 6);
    CHECK_STR_EQ(text, "abcdef");
    CHECK_EQ(thrum_recv(fd, text, 1, 0), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_close(fd), 0);
    CHECK_EQ(thrum_close(listener), 0);
    return 0;
}

TEST(sockets_of_the_programs_own_wait_for_tasks_only)
{
    run_on_each_count(own_sockets);
}

TEST(a_socket_is_closed_on_exec_or_says_why_there_is_none)
{
    int fd = thrum_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(thrum_close(fd), 0);
    CHECK_EQ(thrum_socket(-1, SOCK_STREAM, 0), -EAFNOSUPPORT);
}

/* ---- Datagrams ---- */

static int answer_one(void *arg)
{
    const int *fd = arg;
    char text[64];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ssize_t got = thrum_recvfrom(*fd, text, sizeof text, 0, (struct sockaddr *)&peer, &length);
    CHECK_EQ(got, 4);
    CHECK_EQ(thrum_sendto(*fd, text, (size_t)got, 0, (struct sockaddr *)&peer, length), got);
    return 0;
}

static int datagrams(void *arg)
{
    int server, client;
    char name[128], text[64];
    (void)arg;
    CHECK_EQ(thrum_listen("udp", "127.0.0.1:0", &server), 0);
    CHECK_GT(thrum_local_name(server, name, sizeof name), 0);
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, answer_one, &server), 0);
    CHECK_EQ(thrum_dial("udp", name, &client), 0);
    CHECK_EQ(thrum_recv(client, text, sizeof text, MSG_DONTWAIT), -EAGAIN);
    CHECK_EQ(thrum_write(client, "ping", 4), 4);
    CHECK_EQ(thrum_read(client, text, sizeof text), 4);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_close(client), 0);
    CHECK_EQ(thrum_close(server), 0);
    return 0;
}

TEST(datagrams_go_there_and_back)
{
    run_on_each_count(datagrams);
}

static int passes_an_fd(void *arg)
{
    int pair[2], pipe_fds[2], got = -1;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    char byte = 'f', text[4] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    (void)arg;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &pipe_fds[1], sizeof(int));
    CHECK_EQ(thrum_sendmsg(pair[0], &message, 0), 1);
    memset(&control, 0, sizeof control);
    message.msg_controllen = sizeof control;
    CHECK_EQ(thrum_recvmsg(pair[1], &message, 0), 1);
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    CHECK_EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(thrum_write(got, "hey", 3), 3);
    CHECK_EQ(thrum_read(pipe_fds[0], text, 3), 3);
    CHECK_STR_EQ(text, "hey");
    int all[] = {pair[0], pair[1], pipe_fds[0], pipe_fds[1], got};
    for (size_t i = 0; i < TH_COUNT_OF(all); i++)
        CHECK_EQ(thrum_close(all[i]), 0);
    return 0;
}

TEST(an_fd_goes_through_a_unix_socket)
{
    run_on(1, passes_an_fd, NULL);
}

/* ---- Many ---- */

struct crowd {
    char name[128];
    th_atomic32 now, most_seen, done;
};

static int count_and_echo(int fd, void *arg)
{
    struct crowd *crowd = arg;
    uint32_t now = th_atomic32_add_acqrel(&crowd->now, 1) + 1;
    uint32_t seen = th_atomic32_load_relaxed(&crowd->most_seen);
    while (seen < now && !th_atomic32_cas_relaxed(&crowd->most_seen, &seen, now))
        continue;
    int code = echo(fd, NULL);
    (void)th_atomic32_sub_release(&crowd->now, 1);
    return code;
}

static int call_and_ask(void *arg)
{
    struct crowd *crowd = arg;
    int fd;
    CHECK_EQ(thrum_dial("tcp", crowd->name, &fd), 0);
    ask(fd, "one of many");
    CHECK_EQ(thrum_close(fd), 0);
    count_up(&crowd->done);
    return 0;
}

enum { CALLERS = 300, ROOM = 5 };

static int a_crowd(void *arg)
{
    struct crowd crowd = {.name = ""};
    struct server server = {.most = ROOM, .handler = count_and_echo, .arg = &crowd};
    thrum_group serving = THRUM_GROUP_INIT, calling = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_listen("tcp", "127.0.0.1:0", &server.listener), 0);
    CHECK_GT(thrum_local_name(server.listener, crowd.name, sizeof crowd.name), 0);
    CHECK_EQ(thrum_spawn(&serving, serve, &server), 0);
    for (int i = 0; i < CALLERS; i++)
        CHECK_EQ(thrum_spawn(&calling, call_and_ask, &crowd), 0);
    CHECK_EQ(thrum_group_wait(&calling), 0);
    CHECK_EQ(count_of(&crowd.done), CALLERS);
    CHECK_LE(count_of(&crowd.most_seen), ROOM);
    CHECK_EQ(thrum_close(server.listener), 0);
    CHECK_EQ(thrum_group_wait(&serving), 0);
    return 0;
}

TEST(a_server_takes_no_more_than_its_limit_and_serves_all)
{
    run_on_each_count(a_crowd);
}
