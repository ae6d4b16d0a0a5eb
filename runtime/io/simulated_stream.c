/* Connections of the simulated network. */
#include "base/sys_io.h"
#include "io/connection.h"
#include "io/descriptor.h"
#include "io/simulated.h"

#include <errno.h>
#include <string.h>

enum {
    PIECE = 16 << 10,
    /* As TCP does where nothing is acknowledged: at first soon, then half as often each time, up to two minutes. */
    RETRY_FIRST_NS = 200000000,
};
#define RETRY_MOST_NS (120 * (int64_t)1000000000)
#define GIVE_UP_NS    (900 * (int64_t)1000000000)

void th_sim_break(struct th_sim_connection *connection, int code)
{
    if (connection->broken != 0)
        return;
    connection->broken = code;
    /* Not closed: the flows may be about to use the numbers. They find the end, and so do the two outside. */
    for (int i = 0; i < 2 && connection->flows > 0; i++)
        (void)th_sys_shutdown(connection->ends[i], SHUT_RDWR);
}

/* ---- Flows ---- */

/* None overtakes another. Nothing: the end of what this side says. */
static void take(struct th_sim_flow *flow, size_t bytes, const struct th_sim_endpoint *from)
{
    int64_t due = th_sys_now() + th_sim_delay(flow->net);
    for (const struct th_sim_packet *packet = flow->first; packet != NULL; packet = packet->next)
        due = packet->due > due ? packet->due : due;
    th_sim_flow_keep(flow, bytes, due, from);
    flow->has_ended = bytes == 0;
}

static void try_later(struct th_sim_connection *connection, struct th_sim_packet *packet)
{
    int64_t pause = packet->pause == 0 ? RETRY_FIRST_NS : 2 * packet->pause;
    if (packet->due - packet->sent >= GIVE_UP_NS) {
        th_sim_break(connection, -ETIMEDOUT);
        return;
    }
    packet->pause = pause < RETRY_MOST_NS ? pause : RETRY_MOST_NS;
    packet->due += packet->pause;
}

static void give(struct th_sim_flow *flow, struct th_sim_packet *packet)
{
    struct th_sim_connection *connection = flow->over;
    int to = connection->ends[1 - flow->direction];
    if (connection->broken != 0) {
        flow->has_ended = true;
    } else if (th_sim_is_cut(flow->net, connection->nodes[0], connection->nodes[1])) {
        try_later(connection, packet);
        return;
    } else if (packet->bytes == 0) {
        (void)th_sys_shutdown(to, SHUT_WR);
    } else if (thrum_write_all(to, packet->data, packet->bytes) != (ssize_t)packet->bytes) {
        /* Who it was for has closed. */
        th_sim_break(connection, -ECONNRESET);
    }
    th_sim_flow_drop(flow);
}

/* Who spoke has closed without having read all, or a call of the network's own has failed. */
static void fail(struct th_sim_flow *flow)
{
    flow->has_ended = true;
    th_sim_break(flow->over, -ECONNRESET);
}

static void close_ends(const struct th_sim_connection *connection)
{
    (void)thrum_close(connection->ends[0]);
    (void)thrum_close(connection->ends[1]);
}

/* The first to end leaves the other alone: one side may have said all while the other talks on. */
static void end(struct th_sim_flow *flow)
{
    struct th_sim_connection *connection = flow->over;
    if (flow->net->is_over)
        th_sim_break(connection, -ECONNRESET);
    if (--connection->flows == 0)
        close_ends(connection);
}

static const struct th_sim_flow_kind kind = {.room = PIECE, .take = take, .give = give, .fail = fail, .end = end};

/* ---- Making one ---- */

static int start_flows(struct th_sim *net, struct th_sim_connection *connection)
{
    connection->next = net->connections;
    net->connections = connection;
    for (uint32_t i = 0; i < 2; i++) {
        int code = th_sim_flow_start(net, &kind, connection->ends[i], connection, i);
        if (code < 0) {
            th_sim_break(connection, code);
            if (connection->flows == 0)
                close_ends(connection);
            return code;
        }
        connection->flows++;
    }
    return 0;
}

static bool is_from(const struct th_sim_place *place, const union th_address *peer, socklen_t length)
{
    char text[TH_SIM_TEXT_BYTES];
    return th_address_text(&peer->local, length, text, sizeof text) >= 0 && strcmp(text, place->text) == 0;
}

/* What others had begun, and given up when a call failed, is passed over. */
static int accept_from(int stand_in, const struct th_sim_place *from)
{
    for (;;) {
        union th_address peer;
        socklen_t length = sizeof peer;
        int met = th_sys_accept(stand_in, &peer.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (met == -EINTR)
            continue;
        if (met < 0)
            return met;
        th_descriptor_adopt(met, TH_KIND_UNKNOWN);
        if (is_from(from, &peer, length))
            return met;
        (void)thrum_close(met);
    }
}

/* The network's socket that the dialler's is connected to: by way of the stand-in, which gives it its name. */
static int meet_dialler(const struct th_sim *net, const struct th_sim_endpoint *to, const struct th_sim_place *from,
                        int fd)
{
    struct th_endpoint name = th_sim_other_name(net, &to->place);
    int code = th_sim_reach(fd, &name);
    return code == 0 ? accept_from(to->stand_in, from) : code;
}

/* The other one, which the listener accepts as the dialler. */
static int meet_listener(const struct th_sim *net, const struct th_sim_endpoint *to, const struct th_sim_place *from)
{
    struct th_endpoint own = th_sim_other_name(net, from), name = th_sim_own_name(net, &to->place);
    int met = th_sim_bind(&own, false);
    int code = met >= 0 ? th_sim_reach(met, &name) : met;
    if (code == 0 || met < 0)
        return met;
    (void)thrum_close(met);
    return code;
}

/* The two of the network's for a dialler's socket, with its place: 0 or -errno. */
static int open_ends(const struct th_sim *net, const struct th_sim_endpoint *to, const struct th_sim_place *from,
                     int fd, int ends[2])
{
    ends[0] = meet_dialler(net, to, from, fd);
    if (ends[0] < 0)
        return ends[0];
    ends[1] = meet_listener(net, to, from);
    if (ends[1] < 0)
        (void)thrum_close(ends[0]);
    return ends[1] < 0 ? ends[1] : 0;
}

static int make_connection(struct th_sim *net, const struct th_sim_endpoint *to, const struct th_sim_place *from,
                           int fd)
{
    struct th_sim_connection *connection = th_sys_alloc_zeroed(sizeof *connection);
    if (connection == NULL)
        return -ENOMEM;
    connection->dialler = *from;
    connection->nodes[0] = from->node;
    connection->nodes[1] = to->place.node;
    int code = open_ends(net, to, from, fd, connection->ends);
    if (code == 0)
        return start_flows(net, connection);
    th_sys_free(connection);
    return code;
}

int th_sim_connect(struct th_sim *net, const struct th_sim_endpoint *to, struct th_sim_place *from, int *fd)
{
    int own = th_sim_bind_anywhere(net, from);
    int code = own >= 0 ? make_connection(net, to, from, own) : own;
    if (code == 0)
        *fd = own;
    else if (own >= 0)
        (void)thrum_close(own);
    return code;
}
