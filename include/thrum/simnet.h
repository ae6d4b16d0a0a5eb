/*
 * A network that is not there: for runs with a seed (thrum/explore.h), on their virtual clock.
 *
 * Inside of thrum_simnet_run the calls of thrum/net.h by "tcp" and "udp" meet this network in place of the kernel's. It
 * delays, loses and overtakes as its options and the seed say, and never asks another machine. What dial, listen and
 * accept give are file descriptors like any other: read, write, poll, select, streams, serve work on them.
 *
 * Tasks live on nodes: machines, each with its own ports, whose names are the hosts of addresses. A task is on the node
 * of the one that started it until it says otherwise; the first is "localhost", which also means one's own node.
 *
 *     static int play(void *arg)
 *     {
 *         thrum_spawn(&group, run_server, ...);            says thrum_simnet_node("server"), listens at ":80"
 *         thrum_spawn(&group, run_client, ...);            says thrum_simnet_node("client"), dials "server:80"
 *         thrum_sleep(THRUM_SEC(1));
 *         thrum_simnet_partition("client", "server", true);
 *         ...
 *     }
 *     static int test(void *arg)
 *     {
 *         return thrum_simnet_run(NULL, play, arg);
 *     }
 *     thrum_explore(test, NULL, NULL, &found);
 *
 *   tcp     each piece takes its time, none overtakes another. Over a partition what is sent is kept and tried again,
 *           more and more seldom; after a quarter of an hour the connection is given up, and calls say -ETIMEDOUT
 *   udp     each datagram takes its time, and may be lost, come twice, or overtake others; over a partition all are
 *           lost, and so is what comes when a receiver has not read ten others yet (net.unix.max_dgram_qlen)
 *   dial    takes a round trip: -ECONNREFUSED if nobody listens there by then (udp too), -ETIMEDOUT after two minutes
 *           of partition, -ENOENT if there is no such node
 *
 * Addresses are for thrum_peer_name, and to be given back to thrum_sendto; their bytes are no internet addresses.
 * "unix" stays real. thrum_socket of other families and thrum_resolve are refused (-EOPNOTSUPP): they would let in what
 * no seed chooses; dial and listen know the names of nodes. While the network is there a run whose tasks all wait,
 * without a timer, is a deadlock though some wait for file descriptors: so nothing may come from other processes, or
 * signals.
 */
#ifndef THRUM_SIMNET_H
#define THRUM_SIMNET_H

#include <thrum/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default. */
typedef struct thrum_simnet_options {
    thrum_time delay_least, delay_most; /* on the way, in one direction; both 0: 100 us to 1 ms */
    unsigned loss_percent;              /* of datagrams: how many are lost */
    unsigned twice_percent;             /* ... and how many of the others come twice */
} thrum_simnet_options;

/*
 * Calls fn(arg), in the calling task, with a network; then all connections are broken and the network is gone. Options
 * may be NULL. What fn returns; -EPERM (outside of tasks, or no run with a seed), -EBUSY (there is one), -EINVAL
 * (options), -ENOMEM. May switch.
 */
THRUM_API int thrum_simnet_run(const thrum_simnet_options *options, thrum_fn fn, void *arg);

/* From now on the calling task, and what it starts, is on the node of this name, which there need not have been before.
 * 0; -EPERM (there is no network), -EINVAL (no name, one above 63 characters, or with a colon), -ENOSPC (above 64
 * nodes), -ENOMEM. Never switches. */
THRUM_API THRUM_CHECKED int thrum_simnet_node(const char *name);

/* Cuts all ways between two nodes, or heals them. NULL: all others. 0, or -errno as above. Never switches. */
THRUM_API int thrum_simnet_partition(const char *node, const char *other, bool is_cut);

/* Breaks all connections between two nodes, or (NULL) of one with all others: both ends' calls say -ECONNRESET, when
 * what had come by then is read. How many, or -errno as above. Never switches. */
THRUM_API int thrum_simnet_reset(const char *node, const char *other);

#ifdef __cplusplus
}
#endif
#endif
