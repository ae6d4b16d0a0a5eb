/*
 * Dialling and listening.
 *
 * A name may have several addresses, of which some lead nowhere and say nothing. They are tried in their order; the
 * next begins when the last has failed or after a quarter of a second, beside it; the first that answers wins, and the
 * others are cancelled.
 */
#include <thrum/net.h>

#include "base/lock.h"
#include "base/sys_io.h"
#include "io/address.h"
#include "io/connection.h"
#include "io/descriptor.h"
#include "io/simulated.h"
#include "task/waiting.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

/* RFC 8305 recommends it. */
enum { HEAD_START_NS = 250000000, BACKLOG = 4096 };

static int open_socket(const struct th_endpoint *endpoint)
{
    int fd = th_connection_socket(endpoint->address.any.sa_family, endpoint->type | SOCK_NONBLOCK, 0);
    /* Who writes small messages means them to leave; streams collect on their own. */
    if (fd >= 0 && endpoint->type == SOCK_STREAM && endpoint->address.any.sa_family != AF_UNIX)
        (void)th_sys_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

static int dial_one(const struct th_endpoint *endpoint, int *dialled)
{
    int fd = open_socket(endpoint);
    if (fd < 0)
        return fd;
    int code = thrum_connect(fd, &endpoint->address.any, endpoint->length);
    if (code < 0)
        (void)thrum_close(fd);
    else
        *dialled = fd;
    return code < 0 ? code : 0;
}

/* ---- Several, side by side ---- */

/* Key: c constant, l the lock. */
struct race {
    struct th_lock lock;
    struct th_waiter *starter;           /* l: waits for the next end */
    const struct th_endpoint *endpoints; /* c */
    int begun;                           /* l */
    int ended;                           /* l */
    int winner;                          /* l: a socket, or -1 */
    int failure;                         /* l: the last */
};

static void end_runner(struct race *race, int code, int fd)
{
    th_lock_take(&race->lock);
    race->ended++;
    if (code < 0)
        race->failure = code;
    else if (race->winner < 0)
        race->winner = fd;
    bool is_late = code == 0 && race->winner != fd;
    if (race->starter != NULL) {
        (void)th_await_wake(race->starter, TH_WAKE_PLAIN);
        race->starter = NULL;
    }
    th_lock_leave(&race->lock);
    if (is_late)
        (void)thrum_close(fd);
}

static int run_in_race(void *arg)
{
    struct race *race = arg;
    th_lock_take(&race->lock);
    const struct th_endpoint *endpoint = &race->endpoints[race->begun++];
    th_lock_leave(&race->lock);
    int fd = -1, code = dial_one(endpoint, &fd);
    end_runner(race, code, fd);
    return 0;
}

static const struct th_wait_kind race_wait = {.name = "one of several addresses to answer, in the dial"};

/* Waits until one more has ended than `seen`, or one has won, at most until a point in time. 0, or -errno:
 * cancelled. */
static int wait_for_end(struct race *race, int seen, int64_t until)
{
    struct th_waiter waiter;
    int code = th_await_begin(&waiter);
    if (code < 0)
        return code;
    th_lock_take(&race->lock);
    bool is_new = race->ended > seen;
    if (!is_new)
        race->starter = &waiter;
    th_lock_leave(&race->lock);
    if (is_new) {
        th_await_abandon(&waiter);
        return 0;
    }
    th_waiting_begin(&race_wait, race);
    code = th_await(&waiter, until);
    th_waiting_end();
    th_lock_take(&race->lock);
    race->starter = NULL;
    th_lock_leave(&race->lock);
    return code < 0 ? code : 0;
}

static void look_at(struct race *race, int *ended, bool *is_won)
{
    th_lock_take(&race->lock);
    *ended = race->ended;
    *is_won = race->winner >= 0;
    th_lock_leave(&race->lock);
}

static int dial_several(const struct th_endpoint *endpoints, int count, int *fd)
{
    struct race race = {.endpoints = endpoints, .winner = -1};
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    int started = 0, ended = 0, code = 0;
    bool is_won = false;
    while (code == 0 && !is_won && ended < count) {
        if (started < count) {
            code = thrum_spawn(&group, run_in_race, &race);
            started += code == 0;
        }
        if (code == 0)
            code = wait_for_end(&race, ended, started < count ? th_sys_now() + HEAD_START_NS : TH_SYS_FOREVER);
        look_at(&race, &ended, &is_won);
    }
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    *fd = race.winner;
    return race.winner >= 0 ? 0 : code < 0 ? code : race.failure;
}

/* Outside of tasks there is nobody to race: one after the other. */
static int dial_in_turn(const struct th_endpoint *endpoints, int count, int *fd)
{
    int code = -EINVAL;
    for (int i = 0; i < count; i++) {
        code = dial_one(&endpoints[i], fd);
        if (code == 0)
            break;
    }
    return code;
}

int thrum_dial(const char *network, const char *address, int *fd)
{
    struct th_endpoint *found;
    if (th_sim_takes(network))
        return th_sim_dial(network, address, fd);
    int count = th_address_resolve(network, address, &found);
    if (count < 0)
        return count;
    int code = count > 1 && th_task_self() != NULL ? dial_several(found, count, fd) : dial_in_turn(found, count, fd);
    th_sys_free(found);
    return code;
}

/* ---- Listening ---- */

static int begin_to_listen(int fd, const struct th_endpoint *endpoint)
{
    int family = endpoint->address.any.sa_family;
    if (endpoint->type == SOCK_STREAM && family != AF_UNIX)
        (void)th_sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    /* ":80" means both families, whatever the system's default is. */
    if (family == AF_INET6)
        (void)th_sys_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
                                memcmp(&endpoint->address.ip6.sin6_addr, &in6addr_any, sizeof in6addr_any) != 0);
    int code = th_sys_bind(fd, &endpoint->address.any, endpoint->length);
    if (code == 0 && endpoint->type == SOCK_STREAM)
        code = th_sys_listen(fd, BACKLOG);
    return code;
}

/* At the first that this machine has: where there is no IPv6, IPv4. */
static int listen_at_one(const struct th_endpoint *found, int count, int *listener)
{
    int code = -EINVAL;
    for (int i = 0; i < count; i++) {
        int fd = code = open_socket(&found[i]);
        if (fd < 0)
            continue;
        code = begin_to_listen(fd, &found[i]);
        if (code == 0) {
            *listener = fd;
            return 0;
        }
        (void)thrum_close(fd);
    }
    return code;
}

int thrum_listen(const char *network, const char *address, int *listener)
{
    struct th_endpoint *found;
    if (th_sim_takes(network))
        return th_sim_listen(network, address, listener);
    int count = th_address_resolve(network, address, &found);
    if (count < 0)
        return count;
    int code = listen_at_one(found, count, listener);
    th_sys_free(found);
    return code;
}

/* ---- Names ---- */

typedef int name_call(int fd, struct sockaddr *address, socklen_t *length);

static int name_of(name_call *ask, int fd, char *to, size_t capacity)
{
    union th_address address;
    socklen_t length = sizeof address;
    int code = ask(fd, &address.any, &length);
    return code < 0 ? code : th_address_print(&address.any, length, to, capacity);
}

int thrum_local_name(int fd, char *to, size_t capacity)
{
    return name_of(th_sys_getsockname, fd, to, capacity);
}

int thrum_peer_name(int fd, char *to, size_t capacity)
{
    return name_of(th_sys_getpeername, fd, to, capacity);
}
