/* Flows of the simulated network: tasks that keep what comes until it is due. */
#include "base/sys_io.h"
#include "io/descriptor.h"
#include "io/simulated.h"
#include "task/life.h"

#include <thrum/deadline.h>
#include <thrum/time.h>

#include <errno.h>
#include <string.h>

/* When more is on its way, packets counted as they are in memory, the sender waits: a window of TCP's, a router's
 * queue. */
enum { HELD_MOST = 256 << 10 };

void th_sim_flow_keep(struct th_sim_flow *flow, size_t bytes, int64_t due, const struct th_sim_endpoint *from)
{
    struct th_sim_packet *packet = th_sys_alloc(sizeof *packet + bytes), **place = &flow->first;
    if (packet == NULL)
        return;
    *packet = (struct th_sim_packet){.sent = th_sys_now(), .due = due, .from = from, .bytes = bytes};
    memcpy(packet->data, flow->buffer, bytes);
    /* Behind what is due at the same time. */
    while (*place != NULL && (*place)->due <= due)
        place = &(*place)->next;
    packet->next = *place;
    *place = packet;
    flow->held += sizeof *packet + bytes;
}

void th_sim_flow_drop(struct th_sim_flow *flow)
{
    struct th_sim_packet *packet = flow->first;
    flow->first = packet->next;
    flow->held -= sizeof *packet + packet->bytes;
    th_sys_free(packet);
}

/* What has come until a point in time: bytes, -ETIMEDOUT if nothing, or why nothing more comes. */
static ssize_t receive_until(struct th_sim_flow *flow, int64_t until, const struct th_sim_endpoint **from)
{
    union th_address peer;
    socklen_t length = sizeof peer;
    thrum_scope scope;
    thrum_deadline_begin(&scope, until);
    ssize_t got = thrum_recvfrom(flow->from, flow->buffer, flow->kind->room, 0, &peer.any, &length);
    (void)thrum_scope_end(&scope);
    char text[TH_SIM_TEXT_BYTES];
    bool has_name = got >= 0 && th_address_text(&peer.local, length, text, sizeof text) >= 0;
    *from = has_name ? th_sim_find_endpoint(flow->net, SOCK_DGRAM, text) : NULL;
    return got;
}

/* Until something comes, or the first packet is due. */
static void wait(struct th_sim_flow *flow)
{
    const struct th_sim_endpoint *from;
    int64_t due = flow->first != NULL ? flow->first->due : TH_SYS_FOREVER;
    if (flow->has_ended || flow->held >= HELD_MOST) {
        (void)thrum_sleep_until(due);
        return;
    }
    ssize_t got = receive_until(flow, due, &from);
    if (got >= 0)
        flow->kind->take(flow, (size_t)got, from);
    else if (got != -ETIMEDOUT)
        flow->kind->fail(flow);
}

static int run_network(void *arg)
{
    struct th_sim_flow *flow = arg;
    while (!thrum_cancelled() && (flow->first != NULL || !flow->has_ended)) {
        if (flow->first != NULL && flow->first->due <= th_sys_now())
            flow->kind->give(flow, flow->first);
        else
            wait(flow);
    }
    while (flow->first != NULL)
        th_sim_flow_drop(flow);
    flow->kind->end(flow);
    th_sys_free(flow);
    return 0;
}

int th_sim_flow_start(struct th_sim *net, const struct th_sim_flow_kind *kind, int from, void *over, uint32_t direction)
{
    struct th_sim_flow *flow = th_sys_alloc(sizeof *flow + kind->room);
    if (flow == NULL)
        return -ENOMEM;
    *flow = (struct th_sim_flow){.net = net, .kind = kind, .from = from, .over = over, .direction = direction};
    int code = -ENOMEM;
    /* Not under the deadline of who dials or listens. */
    THRUM_SHIELD(THRUM_FOREVER)
    {
        code = th_task_spawn(&net->group, run_network, flow);
    }
    if (code < 0)
        th_sys_free(flow);
    return code;
}
