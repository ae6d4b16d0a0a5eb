/* The simulated network. */
#include "replay/races.h"

#include "sched/seeded.h"

#include <netdb.h>

enum { PORT_TEXT = 72, DATAGRAMS = 40 };

/* ---- Runs ---- */

struct play {
    const thrum_simnet_options *net;
    thrum_fn fn;
    void *arg;
};

static int play(void *arg)
{
    const struct play *play = arg;
    return thrum_simnet_run(play->net, play->fn, play->arg);
}

static struct th_ledger run_network(uint64_t seed, const thrum_simnet_options *net, thrum_fn fn, void *arg)
{
    struct play what = {.net = net, .fn = fn, .arg = arg};
    thrum_options options = {.seed = seed};
    CHECK_EQ(thrum_run_with(&options, play, &what), 0);
    return *th_seeded_ledger;
}

static void run_some_seeds(const thrum_simnet_options *net, thrum_fn fn)
{
    for (uint64_t seed = 1; seed <= (uint64_t)fewer(10, 2); seed++)
        (void)run_network(seed, net, fn, NULL);
}

/* ---- Ends of a connection ---- */

struct pair {
    int listener, dialled, accepted;
};

static int dial_server(void *arg)
{
    struct pair *pair = arg;
    CHECK_EQ(thrum_simnet_node("client"), 0);
    return thrum_dial("tcp", "server:80", &pair->dialled);
}

/* A connection between the nodes "client" and "server", where the caller is. */
static void open_pair(struct pair *pair)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_simnet_node("server"), 0);
    CHECK_EQ(thrum_listen("tcp", ":80", &pair->listener), 0);
    CHECK_EQ(thrum_spawn(&group, dial_server, pair), 0);
    pair->accepted = thrum_accept(pair->listener, NULL, NULL);
    CHECK_GE(pair->accepted, 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
}

static void close_pair(const struct pair *pair)
{
    CHECK_EQ(thrum_close(pair->listener), 0);
    CHECK_EQ(thrum_close(pair->dialled), 0);
    CHECK_EQ(thrum_close(pair->accepted), 0);
}

static void check_text(int (*name_of)(int fd, char *to, size_t capacity), int fd, const char *wanted)
{
    char text[PORT_TEXT];
    CHECK_EQ(name_of(fd, text, sizeof text), strlen(wanted));
    CHECK_STR_EQ(text, wanted);
}

static int talk(void *arg)
{
    struct pair pair;
    char text[8];
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_write(pair.dialled, "ping", 4), 4);
    CHECK_EQ(thrum_read(pair.accepted, text, sizeof text), 4);
    CHECK_EQ(memcmp(text, "ping", 4), 0);
    CHECK_EQ(thrum_write(pair.accepted, "pong!", 5), 5);
    CHECK_EQ(thrum_read(pair.dialled, text, sizeof text), 5);
    check_text(thrum_local_name, pair.listener, "server:80");
    check_text(thrum_peer_name, pair.dialled, "server:80");
    check_text(thrum_local_name, pair.dialled, "client:49152");
    check_text(thrum_peer_name, pair.accepted, "client:49152");
    close_pair(&pair);
    return 0;
}

TEST(two_nodes_talk_over_the_usual_calls)
{
    run_some_seeds(NULL, talk);
}

static int end_one_side(void *arg)
{
    struct pair pair;
    char byte;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_write(pair.dialled, "x", 1), 1);
    CHECK_EQ(thrum_close(pair.dialled), 0);
    CHECK_EQ(thrum_read(pair.accepted, &byte, 1), 1);
    CHECK_EQ(thrum_read(pair.accepted, &byte, 1), 0);
    CHECK_EQ(thrum_close(pair.accepted), 0);
    return thrum_close(pair.listener);
}

TEST(an_end_comes_behind_what_was_said)
{
    run_some_seeds(NULL, end_one_side);
}

/* More than any buffer on the way, both ways at once. */
static int send_much(void *arg)
{
    static const char much[512 << 10];
    return thrum_write_all(*(int *)arg, much, sizeof much) == sizeof much ? 0 : -EIO;
}

static int count_much(void *arg)
{
    char some[4096];
    size_t total = 0;
    while (total < 512 << 10) {
        ssize_t got = thrum_read(*(int *)arg, some, sizeof some);
        CHECK_GT(got, 0);
        total += (size_t)got;
    }
    return 0;
}

static int exchange_much(void *arg)
{
    struct pair pair;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_spawn(&group, send_much, &pair.dialled), 0);
    CHECK_EQ(thrum_spawn(&group, count_much, &pair.dialled), 0);
    CHECK_EQ(thrum_spawn(&group, send_much, &pair.accepted), 0);
    CHECK_EQ(thrum_spawn(&group, count_much, &pair.accepted), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    close_pair(&pair);
    return 0;
}

TEST(much_goes_both_ways_and_nothing_is_lost)
{
    thrum_simnet_options lossy = {.loss_percent = 50};
    (void)run_network(1, &lossy, exchange_much, NULL);
    (void)run_network(2, &lossy, exchange_much, NULL);
}

/* ---- Dialling ---- */

static int dial_wrongly(void *arg)
{
    int fd, listener;
    (void)arg;
    CHECK_EQ(thrum_dial("tcp", "localhost:80", &fd), -ECONNREFUSED);
    CHECK_EQ(thrum_dial("udp", ":80", &fd), -ECONNREFUSED);
    CHECK_EQ(thrum_dial("tcp", "nobody:80", &fd), -ENOENT);
    CHECK_EQ(thrum_dial("tcp", "10.0.0.1:80", &fd), -ENETUNREACH);
    CHECK_EQ(thrum_dial("tcp", "localhost", &fd), -EINVAL);
    CHECK_EQ(thrum_listen("tcp", "elsewhere:80", &listener), -EADDRNOTAVAIL);
    CHECK_EQ(thrum_listen("tcp", ":80", &listener), 0);
    CHECK_EQ(thrum_listen("tcp", "127.0.0.1:80", &fd), -EADDRINUSE);
    CHECK_EQ(thrum_close(listener), 0);
    CHECK_EQ(thrum_dial("tcp", ":80", &fd), -ECONNREFUSED);
    CHECK_EQ(thrum_listen("tcp", ":80", &listener), 0);
    CHECK_EQ(thrum_dial("tcp", ":80", &fd), 0);
    CHECK_EQ(thrum_close(fd), 0);
    return thrum_close(listener);
}

TEST(who_dials_wrongly_is_told)
{
    run_some_seeds(NULL, dial_wrongly);
}

static int use_no_network(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_simnet_node("a"), -EPERM);
    CHECK_EQ(thrum_simnet_partition("a", "b", true), -EPERM);
    CHECK_EQ(thrum_simnet_reset("a", NULL), -EPERM);
    return 0;
}

static int run_without_a_seed(void *arg)
{
    CHECK_EQ(thrum_simnet_run(NULL, use_no_network, arg), -EPERM);
    return use_no_network(arg);
}

static void *use_from_a_thread(void *arg)
{
    CHECK_EQ(use_no_network(arg), 0);
    return NULL;
}

static int misuse(void *arg)
{
    char name[65];
    CHECK_EQ(pthread_join(start_thread(use_from_a_thread, arg), NULL), 0);
    memset(name, 'x', 64);
    name[64] = '\0';
    CHECK_EQ(thrum_simnet_run(NULL, return_zero, NULL), -EBUSY);
    CHECK_EQ(thrum_simnet_node(""), -EINVAL);
    CHECK_EQ(thrum_simnet_node("a:1"), -EINVAL);
    CHECK_EQ(thrum_simnet_node(name), -EINVAL);
    for (int i = 0; i < 63; i++) {
        name[2] = '\0';
        name[0] = (char)('a' + i / 26);
        name[1] = (char)('a' + i % 26);
        CHECK_EQ(thrum_simnet_node(name), 0);
    }
    CHECK_EQ(thrum_simnet_node("one more"), -ENOSPC);
    return 0;
}

static int give_bad_options(void *arg)
{
    thrum_simnet_options bad[] = {
        {.loss_percent = 101}, {.twice_percent = 101}, {.delay_least = 2, .delay_most = 1}, {.delay_least = -1}};
    for (size_t i = 0; i < TH_COUNT_OF(bad); i++)
        CHECK_EQ(thrum_simnet_run(&bad[i], return_zero, arg), -EINVAL);
    return use_no_network(arg);
}

TEST(a_network_is_refused_where_there_can_be_none)
{
    thrum_options options = {.seed = 1};
    CHECK_EQ(thrum_simnet_run(NULL, return_zero, NULL), -EPERM);
    run_on(1, run_without_a_seed, NULL);
    CHECK_EQ(thrum_run_with(&options, give_bad_options, NULL), 0);
    run_some_seeds(NULL, misuse);
}

static int ask_the_real_network(void *arg)
{
    struct addrinfo *found;
    (void)arg;
    CHECK_EQ(thrum_socket(AF_INET, SOCK_STREAM, 0), -EOPNOTSUPP);
    CHECK_EQ(thrum_socket(AF_INET6, SOCK_DGRAM, 0), -EOPNOTSUPP);
    CHECK_EQ(thrum_resolve("localhost", "80", NULL, &found), -EOPNOTSUPP);
    int own = thrum_socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_GE(own, 0);
    return thrum_close(own);
}

TEST(what_no_seed_could_choose_is_refused)
{
    (void)run_network(1, NULL, ask_the_real_network, NULL);
}

/* ---- Time ---- */

static int measure_a_round_trip(void *arg)
{
    struct pair pair;
    char byte;
    open_pair(&pair);
    thrum_time began = thrum_now();
    CHECK_EQ(thrum_write(pair.dialled, "x", 1), 1);
    CHECK_EQ(thrum_read(pair.accepted, &byte, 1), 1);
    CHECK_EQ(thrum_write(pair.accepted, "x", 1), 1);
    CHECK_EQ(thrum_read(pair.dialled, &byte, 1), 1);
    *(thrum_time *)arg = thrum_now() - began;
    close_pair(&pair);
    return 0;
}

TEST(an_hour_on_the_way_is_over_at_once)
{
    thrum_simnet_options slow = {.delay_least = THRUM_SEC(3600), .delay_most = THRUM_SEC(3600)};
    thrum_time took = 0;
    (void)run_network(1, &slow, measure_a_round_trip, &took);
    CHECK_GE(took, THRUM_SEC(7200));
    CHECK_LT(took, THRUM_SEC(7201));
}

static int dial_in_time(void *arg)
{
    int listener, fd, code = 0;
    (void)arg;
    CHECK_EQ(thrum_listen("tcp", ":80", &listener), 0);
    THRUM_TIMEOUT(THRUM_SEC(1))
    {
        code = thrum_dial("tcp", ":80", &fd);
    }
    CHECK_EQ(code, -ETIMEDOUT);
    return thrum_close(listener);
}

TEST(who_dials_under_a_deadline_is_late)
{
    thrum_simnet_options slow = {.delay_least = THRUM_SEC(5)};
    (void)run_network(1, &slow, dial_in_time, NULL);
}

/* A connection lives longer than the deadline it was made under. */
static int dial_under_deadline(void *arg)
{
    struct pair pair;
    char byte;
    (void)arg;
    THRUM_TIMEOUT(THRUM_SEC(1))
    {
        open_pair(&pair);
    }
    CHECK_EQ(thrum_sleep(THRUM_SEC(2)), 0);
    CHECK_EQ(thrum_write(pair.dialled, "x", 1), 1);
    CHECK_EQ(thrum_read(pair.accepted, &byte, 1), 1);
    close_pair(&pair);
    return 0;
}

TEST(a_connection_outlives_the_deadline_of_who_dialled)
{
    run_some_seeds(NULL, dial_under_deadline);
}

/* ---- Partitions and resets ---- */

static int talk_over_a_partition(void *arg)
{
    struct pair pair;
    char byte;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_simnet_partition("client", "server", true), 0);
    CHECK_EQ(thrum_write(pair.dialled, "x", 1), 1);
    THRUM_TIMEOUT(THRUM_SEC(60))
    {
        CHECK_EQ(thrum_read(pair.accepted, &byte, 1), -ETIMEDOUT);
    }
    CHECK_EQ(thrum_simnet_partition("server", "client", false), 0);
    CHECK_EQ(thrum_read(pair.accepted, &byte, 1), 1);
    close_pair(&pair);
    return 0;
}

TEST(what_is_sent_over_a_partition_comes_when_it_heals)
{
    run_some_seeds(NULL, talk_over_a_partition);
}

static int stay_cut(void *arg)
{
    struct pair pair;
    char byte;
    int fd;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_simnet_partition("server", NULL, true), 0);
    CHECK_EQ(thrum_write(pair.accepted, "x", 1), 1);
    thrum_time began = thrum_now();
    CHECK_EQ(thrum_read(pair.dialled, &byte, 1), -ETIMEDOUT);
    CHECK_GE(thrum_now() - began, THRUM_SEC(900));
    CHECK_EQ(thrum_write(pair.accepted, "x", 1), -ETIMEDOUT);
    began = thrum_now();
    CHECK_EQ(thrum_simnet_node("client"), 0);
    CHECK_EQ(thrum_dial("tcp", "server:80", &fd), -ETIMEDOUT);
    CHECK_GE(thrum_now() - began, THRUM_SEC(120));
    close_pair(&pair);
    return 0;
}

TEST(who_stays_cut_off_gives_up)
{
    run_some_seeds(NULL, stay_cut);
}

static int reset(void *arg)
{
    struct pair pair;
    char byte;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_simnet_reset("client", "localhost"), 0);
    CHECK_EQ(thrum_simnet_reset("server", NULL), 1);
    CHECK_EQ(thrum_simnet_reset("server", "client"), 0);
    CHECK_EQ(thrum_read(pair.dialled, &byte, 1), -ECONNRESET);
    CHECK_EQ(thrum_write(pair.accepted, "x", 1), -ECONNRESET);
    CHECK_EQ(thrum_read(pair.accepted, &byte, 1), -ECONNRESET);
    close_pair(&pair);
    return 0;
}

TEST(a_reset_is_told_to_both_ends)
{
    run_some_seeds(NULL, reset);
}

static int wait_for_reset(void *arg)
{
    char byte;
    CHECK_EQ(thrum_read(*(int *)arg, &byte, 1), -ECONNRESET);
    return 0;
}

static int reset_who_waits(void *arg)
{
    struct pair pair;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_spawn(&group, wait_for_reset, &pair.dialled), 0);
    CHECK_EQ(thrum_spawn(&group, wait_for_reset, &pair.accepted), 0);
    CHECK_EQ(thrum_sleep(THRUM_SEC(1)), 0);
    CHECK_EQ(thrum_simnet_reset("client", "server"), 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    close_pair(&pair);
    return 0;
}

TEST(a_reset_wakes_who_waits)
{
    run_some_seeds(NULL, reset_who_waits);
}

/* What nobody will read. */
static int write_to_who_has_closed(void *arg)
{
    struct pair pair;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_close(pair.accepted), 0);
    ssize_t put = 1;
    for (int i = 0; i < 100 && put == 1; i++) {
        put = thrum_write(pair.dialled, "x", 1);
        CHECK_EQ(thrum_sleep(THRUM_MS(10)), 0);
    }
    CHECK_EQ(put, -ECONNRESET);
    CHECK_EQ(thrum_close(pair.dialled), 0);
    return thrum_close(pair.listener);
}

TEST(who_writes_to_a_closed_end_is_told)
{
    run_some_seeds(NULL, write_to_who_has_closed);
}

/* The kernel's own reset: something was left unread. */
static int close_without_reading(void *arg)
{
    struct pair pair;
    char byte;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_write(pair.dialled, "x", 1), 1);
    CHECK_EQ(thrum_sleep(THRUM_SEC(1)), 0);
    CHECK_EQ(thrum_close(pair.accepted), 0);
    CHECK_EQ(thrum_read(pair.dialled, &byte, 1), -ECONNRESET);
    CHECK_EQ(thrum_close(pair.dialled), 0);
    return thrum_close(pair.listener);
}

TEST(who_is_not_read_to_the_end_is_told)
{
    run_some_seeds(NULL, close_without_reading);
}

/* ---- Datagrams ---- */

struct count {
    int received, twice, overtaken;
};

static int send_numbers(void *arg)
{
    int fd;
    (void)arg;
    CHECK_EQ(thrum_simnet_node("sender"), 0);
    CHECK_EQ(thrum_dial("udp", "receiver:9000", &fd), 0);
    for (int i = 0; i < DATAGRAMS; i++) {
        CHECK_EQ(thrum_send(fd, &i, sizeof i, 0), sizeof i);
        CHECK_EQ(thrum_sleep(THRUM_MS(1)), 0);
    }
    return thrum_close(fd);
}

static void count_number(struct count *count, bool seen[DATAGRAMS], int number)
{
    CHECK_GE(number, 0);
    CHECK_LT(number, DATAGRAMS);
    count->received++;
    count->twice += seen[number];
    for (int later = number + 1; later < DATAGRAMS; later++)
        count->overtaken += seen[later];
    seen[number] = true;
}

static int receive_numbers(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    bool seen[DATAGRAMS] = {false};
    int fd, number;
    CHECK_EQ(thrum_simnet_node("receiver"), 0);
    CHECK_EQ(thrum_listen("udp", ":9000", &fd), 0);
    CHECK_EQ(thrum_spawn(&group, send_numbers, NULL), 0);
    THRUM_TIMEOUT(THRUM_SEC(10))
    {
        while (thrum_read(fd, &number, sizeof number) == sizeof number)
            count_number(arg, seen, number);
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    return thrum_close(fd);
}

static struct count count_numbers(thrum_simnet_options net)
{
    struct count count = {0};
    (void)run_network(3, &net, receive_numbers, &count);
    return count;
}

TEST(datagrams_come_once_and_in_turn_where_nothing_is_asked_for)
{
    struct count count = count_numbers((thrum_simnet_options){.delay_least = THRUM_MS(5)});
    CHECK_EQ(count.received, DATAGRAMS);
    CHECK_EQ(count.twice, 0);
    CHECK_EQ(count.overtaken, 0);
}

TEST(an_interruption_loses_no_datagram)
{
    CHECK_EQ(th_fault_plan("sendmsg:%50:EINTR"), 0);
    CHECK_EQ(count_numbers((thrum_simnet_options){.delay_least = THRUM_MS(5)}).received, DATAGRAMS);
    CHECK_EQ(th_fault_plan(""), 0);
}

TEST(datagrams_are_lost_doubled_and_overtaken_as_asked_for)
{
    struct count count = count_numbers((thrum_simnet_options){.loss_percent = 50});
    CHECK_LT(count.received, DATAGRAMS * 3 / 4);
    CHECK_GT(count.received, DATAGRAMS / 4);
    count = count_numbers((thrum_simnet_options){.twice_percent = 50});
    CHECK_GT(count.received, DATAGRAMS);
    CHECK_EQ(count.twice, count.received - DATAGRAMS);
    count = count_numbers((thrum_simnet_options){.delay_most = THRUM_MS(20)});
    CHECK_EQ(count.received, DATAGRAMS);
    CHECK_GT(count.overtaken, 0);
    CHECK_EQ(count_numbers((thrum_simnet_options){.loss_percent = 100}).received, 0);
}

/* A server that answers whoever asks. */
static int answer_two(void *arg)
{
    int fd = *(int *)arg;
    for (int i = 0; i < 2; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int number;
        CHECK_EQ(thrum_recvfrom(fd, &number, sizeof number, 0, (struct sockaddr *)&peer, &length), sizeof number);
        number *= 10;
        CHECK_EQ(thrum_sendto(fd, &number, sizeof number, 0, (struct sockaddr *)&peer, length), sizeof number);
    }
    return 0;
}

static int ask(void *arg)
{
    int fd, number = (int)(intptr_t)arg;
    CHECK_EQ(thrum_dial("udp", ":9000", &fd), 0);
    CHECK_EQ(thrum_send(fd, &number, sizeof number, 0), sizeof number);
    CHECK_EQ(thrum_recv(fd, &number, sizeof number, 0), sizeof number);
    CHECK_EQ(number, 10 * (intptr_t)arg);
    check_text(thrum_peer_name, fd, "localhost:9000");
    return thrum_close(fd);
}

static int ask_twice(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    int fd;
    (void)arg;
    CHECK_EQ(thrum_listen("udp", ":9000", &fd), 0);
    CHECK_EQ(thrum_spawn(&group, answer_two, &fd), 0);
    CHECK_EQ(thrum_spawn(&group, ask, (void *)1), 0);
    CHECK_EQ(thrum_spawn(&group, ask, (void *)2), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return thrum_close(fd);
}

TEST(an_answer_finds_who_asked)
{
    run_some_seeds(NULL, ask_twice);
}

static int send_into_a_partition(void *arg)
{
    int receiver, sender, number = 1;
    (void)arg;
    CHECK_EQ(thrum_simnet_node("receiver"), 0);
    CHECK_EQ(thrum_listen("udp", ":9000", &receiver), 0);
    CHECK_EQ(thrum_simnet_node("sender"), 0);
    CHECK_EQ(thrum_dial("udp", "receiver:9000", &sender), 0);
    CHECK_EQ(thrum_simnet_partition("sender", "receiver", true), 0);
    CHECK_EQ(thrum_send(sender, &number, sizeof number, 0), sizeof number);
    CHECK_EQ(thrum_sleep(THRUM_SEC(1)), 0);
    CHECK_EQ(thrum_simnet_partition("sender", "receiver", false), 0);
    number = 2;
    CHECK_EQ(thrum_send(sender, &number, sizeof number, 0), sizeof number);
    CHECK_EQ(thrum_recv(receiver, &number, sizeof number, 0), sizeof number);
    CHECK_EQ(number, 2);
    CHECK_EQ(thrum_close(sender), 0);
    return thrum_close(receiver);
}

TEST(datagrams_are_lost_over_a_partition)
{
    run_some_seeds(NULL, send_into_a_partition);
}

/* ---- The same again ---- */

static int talk_and_send(void *arg)
{
    struct count count = {0};
    CHECK_EQ(talk(arg), 0);
    CHECK_EQ(receive_numbers(&count), 0);
    return reset(arg);
}

TEST(a_seed_replays_a_network_event_for_event)
{
    thrum_simnet_options net = {.loss_percent = 20, .twice_percent = 20, .delay_most = THRUM_MS(20)};
    struct th_ledger last = {0};
    for (uint64_t seed = 1; seed <= (uint64_t)fewer(20, 3); seed++) {
        struct th_ledger first = run_network(seed, &net, talk_and_send, NULL);
        struct th_ledger again = run_network(seed, &net, talk_and_send, NULL);
        CHECK_EQ(first.events, again.events);
        CHECK_EQ(first.hash, again.hash);
        CHECK_NE(first.hash, last.hash);
        last = first;
    }
}

/* What a run leaves open would be the next one's. */
TEST(a_network_closes_what_it_has_opened)
{
    int before = dup(0);
    CHECK_EQ(close(before), 0);
    (void)run_network(6, NULL, talk_and_send, NULL);
    int after = dup(0);
    CHECK_EQ(after, before);
    CHECK_EQ(close(after), 0);
}

/* ---- Nobody left ---- */

static int wait_for_nobody(void *arg)
{
    struct pair pair;
    char byte;
    (void)arg;
    open_pair(&pair);
    CHECK_EQ(thrum_read(pair.accepted, &byte, 1), -ECANCELED);
    close_pair(&pair);
    return 0;
}

static void run_into_a_deadlock(void *arg)
{
    struct play what = {.fn = wait_for_nobody, .arg = arg};
    thrum_options options = {.seed = 5};
    CHECK_EQ(thrum_run_with(&options, play, &what), -EDEADLK);
}

TEST(who_waits_for_what_nobody_sends_is_a_deadlock)
{
    struct kit_outcome outcome;
    if (TH_TSAN || kit_is_emulated())
        SKIP("the process has a thread that is not the runtime's");
    kit_in_child(run_into_a_deadlock, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "deadlock: all tasks wait");
}
