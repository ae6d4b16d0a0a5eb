/* Datagrams of the simulated network. */
#include "base/sys_io.h"
#include "io/simulated.h"

#include <thrum/time.h>

#include <errno.h>

enum { DATAGRAM_MOST = 64 << 10, TRIES_MOST = 32 };

/* Where a delay makes one later than the next, that one has overtaken it. */
static void send_on_its_way(struct th_sim_flow *flow, size_t bytes, const struct th_sim_endpoint *from)
{
    th_sim_flow_keep(flow, bytes, th_sys_now() + th_sim_delay(flow->net), from);
}

static bool is_cut(const struct th_sim_flow *flow, const struct th_sim_endpoint *from)
{
    const struct th_sim_endpoint *to = flow->over;
    return th_sim_is_cut(flow->net, from->place.node, to->place.node);
}

static void take(struct th_sim_flow *flow, size_t bytes, const struct th_sim_endpoint *from)
{
    const thrum_simnet_options *options = &flow->net->options;
    if (from == NULL || th_sim_draw(options->loss_percent) || is_cut(flow, from))
        return;
    send_on_its_way(flow, bytes, from);
    if (th_sim_draw(options->twice_percent))
        send_on_its_way(flow, bytes, from);
}

/* Out of the sender's stand-in, so that the receiver sees whom it is from. What does not fit is lost. */
static void give(struct th_sim_flow *flow, struct th_sim_packet *packet)
{
    const struct th_sim_endpoint *to = flow->over;
    struct th_endpoint name = th_sim_own_name(flow->net, &to->place);
    struct iovec part = {.iov_base = packet->data, .iov_len = packet->bytes};
    struct msghdr message = {.msg_name = &name.address, .msg_namelen = name.length, .msg_iov = &part, .msg_iovlen = 1};
    bool is_gone = is_cut(flow, packet->from);
    for (int tries = 0; !is_gone && tries < TRIES_MOST; tries++)
        is_gone = th_sys_sendmsg(packet->from->stand_in, &message, MSG_DONTWAIT | MSG_NOSIGNAL) != -EINTR;
    th_sim_flow_drop(flow);
}

/* A call has failed: what it would have had may come with the next. */
static void fail(struct th_sim_flow *flow)
{
    (void)thrum_sleep(th_sim_delay(flow->net));
}

/* Its socket is closed with all others: senders may still use it. */
static void end(struct th_sim_flow *flow)
{
    (void)flow;
}

static const struct th_sim_flow_kind kind = {
    .room = DATAGRAM_MOST, .take = take, .give = give, .fail = fail, .end = end};

int th_sim_serve_datagrams(struct th_sim *net, struct th_sim_endpoint *endpoint)
{
    return th_sim_flow_start(net, &kind, endpoint->stand_in, endpoint, 0);
}
