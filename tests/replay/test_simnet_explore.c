/* Protocols with a planted mistake each that a bad network shows, and the same without it. */
#include "replay/races.h"

static thrum_explored explore(thrum_fn main_task, unsigned runs)
{
    thrum_explored found;
    thrum_explore_options options = {.runs = runs, .is_quiet = true};
    CHECK_GE(thrum_explore(main_task, NULL, &options, &found), 0);
    return found;
}

static void check_found(thrum_fn wrong, thrum_fn right, unsigned runs)
{
    if (kit_is_valgrind() || kit_is_emulated())
        SKIP("no pidfd_open here");
    thrum_explored found = explore(wrong, runs);
    CHECK_EQ(found.failures, 1);
    CHECK_EQ(found.result, -EIO);
    CHECK(found.is_replayed);
    CHECK_EQ(explore(right, (unsigned)fewer(20, 4)).failures, 0);
}

/* ---- A file in pieces: an answer to an earlier piece taken for one to this ---- */

enum { PIECES = 6 };

struct transfer {
    int fd, got[PIECES], count;
    bool is_careful; /* acknowledgements are numbered */
};

/* Takes each piece once, in turn, and says which it has seen. */
static int take_pieces(void *arg)
{
    struct transfer *transfer = arg;
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int piece;
        ssize_t got = thrum_recvfrom(transfer->fd, &piece, sizeof piece, 0, (struct sockaddr *)&peer, &length);
        if (got < 0)
            return (int)got;
        if (piece == transfer->count && piece < PIECES)
            transfer->got[transfer->count++] = piece;
        CHECK_EQ(thrum_sendto(transfer->fd, &piece, sizeof piece, 0, (struct sockaddr *)&peer, length), sizeof piece);
    }
}

static void send_piece(int fd, int piece, bool is_careful)
{
    int answer = -1;
    while (answer < 0) {
        CHECK_EQ(thrum_send(fd, &piece, sizeof piece, 0), sizeof piece);
        THRUM_TIMEOUT(THRUM_MS(3))
        {
            while (thrum_recv(fd, &answer, sizeof answer, 0) > 0 && is_careful && answer != piece)
                answer = -1;
        }
    }
}

static int transfer_pieces(bool is_careful)
{
    struct transfer transfer = {.is_careful = is_careful};
    thrum_group group = THRUM_GROUP_INIT;
    int fd;
    CHECK_EQ(thrum_simnet_node("server"), 0);
    CHECK_EQ(thrum_listen("udp", ":1", &transfer.fd), 0);
    CHECK_EQ(thrum_spawn(&group, take_pieces, &transfer), 0);
    CHECK_EQ(thrum_simnet_node("client"), 0);
    CHECK_EQ(thrum_dial("udp", "server:1", &fd), 0);
    for (int piece = 0; piece < PIECES; piece++)
        send_piece(fd, piece, is_careful);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    CHECK_EQ(thrum_close(fd), 0);
    CHECK_EQ(thrum_close(transfer.fd), 0);
    return transfer.count == PIECES ? 0 : -EIO;
}

static int transfer_with(void *arg)
{
    return transfer_pieces(arg != NULL);
}

static const thrum_simnet_options slow = {.delay_most = THRUM_MS(2), .loss_percent = 10};

static int transfer_carelessly(void *arg)
{
    (void)arg;
    return thrum_simnet_run(&slow, transfer_with, NULL);
}

static int transfer_carefully(void *arg)
{
    return thrum_simnet_run(&slow, transfer_with, &arg);
}

TEST(an_answer_that_is_taken_for_another_is_found)
{
    check_found(transfer_carelessly, transfer_carefully, 100);
}

/* ---- A lock with a lease: who is cut off goes on believing that it has it ---- */

enum { CLIENTS = 2, LEASE_MS = 500, TURNS = 4 };

struct lease {
    bool is_timed; /* the client looks at the clock, too */
    int holders, holders_most;
};

static thrum_time lease_end; /* the server's: when it is free again */

static int serve_one(int fd, void *arg)
{
    char wish;
    (void)arg;
    while (thrum_read(fd, &wish, 1) == 1) {
        char answer = thrum_now() >= lease_end;
        if (answer != 0)
            lease_end = thrum_now() + THRUM_MS(LEASE_MS);
        if (thrum_write(fd, &answer, 1) != 1)
            break;
    }
    return 0;
}

static int serve(void *arg)
{
    return thrum_serve(*(int *)arg, serve_one, NULL);
}

/* Asks; from when it asked its lease is certain to last. False: not now. */
static bool ask(int fd, thrum_time *asked)
{
    char answer = 0;
    *asked = thrum_now();
    CHECK_EQ(thrum_write(fd, "?", 1), 1);
    CHECK_EQ(thrum_read(fd, &answer, 1), 1);
    return answer != 0;
}

static void hold(struct lease *lease, thrum_time asked)
{
    thrum_time begun = lease->is_timed ? asked : thrum_now();
    if (thrum_now() >= begun + THRUM_MS(LEASE_MS))
        return;
    lease->holders++;
    lease->holders_most = lease->holders > lease->holders_most ? lease->holders : lease->holders_most;
    (void)thrum_sleep_until(begun + THRUM_MS(LEASE_MS));
    lease->holders--;
}

static int want_lease(void *arg)
{
    int fd;
    thrum_time asked;
    CHECK_EQ(thrum_simnet_node("clients"), 0);
    CHECK_EQ(thrum_dial("tcp", "server:1", &fd), 0);
    for (int turn = 0; turn < TURNS; turn++) {
        if (ask(fd, &asked))
            hold(arg, asked);
        else
            (void)thrum_sleep(THRUM_MS(100));
    }
    return thrum_close(fd);
}

/* Now and then the network is gone for a moment. */
static int disturb(void *arg)
{
    (void)arg;
    for (int i = 0; i < TURNS; i++) {
        (void)thrum_sleep(THRUM_MS(300));
        CHECK_EQ(thrum_simnet_partition("server", "clients", i % 2 == 0), 0);
    }
    return 0;
}

static int play_leases(void *arg)
{
    struct lease lease = {.is_timed = arg != NULL};
    thrum_group servers = THRUM_GROUP_INIT, clients = THRUM_GROUP_INIT;
    int listener;
    lease_end = 0;
    CHECK_EQ(thrum_simnet_node("server"), 0);
    CHECK_EQ(thrum_listen("tcp", ":1", &listener), 0);
    CHECK_EQ(thrum_spawn(&servers, serve, &listener), 0);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_EQ(thrum_spawn(&clients, want_lease, &lease), 0);
    CHECK_EQ(thrum_spawn(&clients, disturb, NULL), 0);
    CHECK_EQ(thrum_group_wait(&clients), 0);
    thrum_cancel(&servers);
    (void)thrum_group_wait(&servers);
    return lease.holders_most <= 1 ? 0 : -EIO;
}

static const thrum_simnet_options wide = {.delay_most = THRUM_MS(50)};

static int trust_leases(void *arg)
{
    (void)arg;
    return thrum_simnet_run(&wide, play_leases, NULL);
}

static int time_leases(void *arg)
{
    return thrum_simnet_run(&wide, play_leases, &arg);
}

TEST(two_holders_of_a_lease_are_found)
{
    check_found(trust_leases, time_leases, 100);
}

/* ---- A receiver that has no room ---- */

struct peer {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } address;
    socklen_t length;
};

static int open_datagrams(const char *what)
{
    char name[48];
    int fd;
    (void)snprintf(name, sizeof name, "@thrum-%s-%d", what, (int)getpid());
    CHECK_EQ(thrum_listen("unixgram", name, &fd), 0);
    return fd;
}

/* As many as fit: how many. */
static int fill(const struct peer *peer)
{
    int fd = open_datagrams("filler"), count = 0;
    while (thrum_sendto(fd, "x", 1, MSG_DONTWAIT, &peer->address.any, peer->length) == 1)
        count++;
    CHECK_EQ(thrum_close(fd), 0);
    return count;
}

static int send_one(void *arg)
{
    const struct peer *peer = arg;
    int fd = open_datagrams("sender");
    CHECK_EQ(thrum_sendto(fd, "y", 1, 0, &peer->address.any, peer->length), 1);
    return thrum_close(fd);
}

static int read_late(void *arg)
{
    struct peer peer = {.length = sizeof peer.address};
    thrum_group group = THRUM_GROUP_INIT;
    int fd = open_datagrams("receiver");
    char byte = 0;
    (void)arg;
    CHECK_EQ(getsockname(fd, &peer.address.any, &peer.length), 0);
    int count = fill(&peer);
    CHECK_EQ(thrum_spawn(&group, send_one, &peer), 0);
    /* By the virtual clock, in which a try without a pause takes a microsecond. */
    uint64_t before = th_fault_calls(TH_SYS_sendmsg);
    CHECK_EQ(thrum_sleep(THRUM_MS(10)), 0);
    CHECK_LT(th_fault_calls(TH_SYS_sendmsg) - before, 200);
    for (int i = 0; i <= count; i++)
        CHECK_EQ(thrum_read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    CHECK_EQ(thrum_group_wait(&group), 0);
    return thrum_close(fd);
}

TEST(who_sends_to_a_full_queue_does_not_spin)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        thrum_options options = {.seed = seed};
        CHECK_EQ(thrum_run_with(&options, read_late, NULL), 0);
    }
}
