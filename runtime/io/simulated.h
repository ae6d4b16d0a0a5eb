/*
 * The network of thrum/simnet.h: what its parts know of each other.
 *
 * Each socket of the program is a real one of AF_UNIX, bound to an abstract name of its own ("u"); so all calls work on
 * it. Whom it talks to is the network, which stands in for each place with a socket bound to that place's other name
 * ("n"), by which the kernel tells peers and senders:
 *
 *     client:49152             server:80                  tcp: two sockets of the network for a connection, and two
 *     u ---- n server:80       n client:49152 ---- u      flows, one for each direction; a listening n for each that
 *              |                        |                 listens, which who dials connects to
 *              `------- flows ----------'                 udp: one n for each place, and a flow: what comes to it goes
 *                                                         on to u, out of the sender's n
 *
 * A flow (simulated_flow.c) is a task: it takes what comes, keeps it until it is due, and gives it on. Names have a
 * random part, for others may run the same test on the same machine.
 *
 * A network belongs to one run with a seed, which has one thread: so nothing here has a lock, and what belongs together
 * is done without a switch between. All tasks of the network are in a group of thrum_simnet_run's; what is made lives
 * until that ends. Delays and losses are drawn from the run's generator.
 *
 * Rejected: TCP over the loopback (the kernel's timers and its own tasks would choose too); one pair of sockets for a
 * connection, without names (thrum_peer_name, recvfrom and sendto would each need to know of it).
 *
 * Tested by tests/replay.
 */
#ifndef TH_IO_SIMULATED_H
#define TH_IO_SIMULATED_H

#include <thrum/simnet.h>

#include "io/address.h"
#include "sched/seeded.h"

enum { TH_SIM_NAME_BYTES = 64, TH_SIM_TEXT_BYTES = 72, TH_SIM_NODES_MOST = 64 };

/* Where something listens, or where a connection or datagrams come from. */
struct th_sim_place {
    int type; /* SOCK_STREAM, SOCK_DGRAM */
    uint32_t node;
    uint16_t port;
    char text[TH_SIM_TEXT_BYTES]; /* "node:port" */
};

/* A place that others may connect to, or send to. */
struct th_sim_endpoint {
    struct th_sim_endpoint *next;
    struct th_sim_place place;
    int stand_in; /* the network's socket with the place's name */
};

struct th_sim_connection {
    struct th_sim_connection *next;
    struct th_sim_place dialler;
    uint32_t nodes[2]; /* the dialler's, the listener's */
    int ends[2];       /* the network's sockets: what each of the two is connected to */
    int flows;         /* that still run; the ends are open until then */
    int broken;        /* 0, or what calls on it say from now on */
};

struct th_sim_node {
    char name[TH_SIM_NAME_BYTES];
    uint16_t last_port; /* of those given to who wants any */
    uint64_t cut;       /* a bit for each node that it does not reach */
};

struct th_sim {
    thrum_simnet_options options;
    uint64_t id;  /* no other network of the process has it */
    uint64_t tag; /* in names; no other process has it */
    bool is_over;
    thrum_group group; /* of the flows */
    uint32_t node_count;
    struct th_sim_endpoint *endpoints;
    struct th_sim_connection *connections;
    struct th_sim_node nodes[TH_SIM_NODES_MOST];
};

/* The calling run's, or NULL. */
extern struct th_sim *th_sim_network;

TH_INLINE bool th_sim_is_on(void)
{
    return TH_UNLIKELY(th_seeded_is_on()) && th_sim_network != NULL;
}

/* ---- For the calls that everybody makes ---- */

/* Whether the caller is in it: threads that are not the run's have no part. */
bool th_sim_is_here(void);
/* Whether an address of this network ("tcp4") is a simulated one. */
bool th_sim_takes(const char *network);
int th_sim_dial(const char *network, const char *address, int *fd);
int th_sim_listen(const char *network, const char *address, int *fd);
/* A call on the fd has found its end: why that is, if a connection broke, else the result. */
ssize_t th_sim_end_of(int fd, ssize_t result);

/* ---- Within ---- */

/* How long something takes in one direction; whether so many in a hundred are hit. */
int64_t th_sim_delay(const struct th_sim *net);
bool th_sim_draw(uint32_t percent);

bool th_sim_is_cut(const struct th_sim *net, uint32_t node, uint32_t other);

/* The two names of a place. */
struct th_endpoint th_sim_own_name(const struct th_sim *net, const struct th_sim_place *place);
struct th_endpoint th_sim_other_name(const struct th_sim *net, const struct th_sim_place *place);
struct th_sim_endpoint *th_sim_find_endpoint(const struct th_sim *net, int type, const char *text);

/* A socket that is bound to a name (and listens, if a stream's is to). It, or -errno. */
int th_sim_bind(const struct th_endpoint *name, bool listens);
/* The same for one's own name, at a port that is free; that is the place's then. */
int th_sim_bind_anywhere(struct th_sim *net, struct th_sim_place *place);

/* Connects a socket, at once. */
int th_sim_reach(int fd, const struct th_endpoint *name);

/* tcp: connects two nodes, at once; udp: sees to what comes to a place. 0, or -errno. */
int th_sim_connect(struct th_sim *net, const struct th_sim_endpoint *to, struct th_sim_place *from, int *fd);
int th_sim_serve_datagrams(struct th_sim *net, struct th_sim_endpoint *endpoint);
/* From now on both ends' calls say `code`. */
void th_sim_break(struct th_sim_connection *connection, int code);

/* ---- Flows (simulated_flow.c) ---- */

struct th_sim_packet {
    struct th_sim_packet *next;
    int64_t sent, due;
    int64_t pause;                      /* of a stream: between two tries over a partition */
    const struct th_sim_endpoint *from; /* of a datagram: its sender */
    size_t bytes;
    char data[];
};

struct th_sim_flow {
    struct th_sim *net;
    const struct th_sim_flow_kind *kind;
    int from;   /* a socket of the network's */
    void *over; /* what it leads to: a connection, an endpoint */
    uint32_t direction;
    struct th_sim_packet *first; /* the earliest */
    size_t held;                 /* bytes */
    bool has_ended;              /* nothing more comes */
    char buffer[];
};

struct th_sim_flow_kind {
    size_t room; /* for what comes at once */
    /* Something has come, bytes >= 0: takes it as packets, or not. */
    void (*take)(struct th_sim_flow *flow, size_t bytes, const struct th_sim_endpoint *from);
    /* The first packet is due: gives it on, or makes it due later. */
    void (*give)(struct th_sim_flow *flow, struct th_sim_packet *packet);
    /* Nothing could be had, and not for lack of time. */
    void (*fail)(struct th_sim_flow *flow);
    void (*end)(struct th_sim_flow *flow);
};

/* Starts one: 0, or -errno. */
int th_sim_flow_start(struct th_sim *net, const struct th_sim_flow_kind *kind, int from, void *over,
                      uint32_t direction);
/* A packet of what is in the buffer, at its place by time. None without memory: lost. */
void th_sim_flow_keep(struct th_sim_flow *flow, size_t bytes, int64_t due, const struct th_sim_endpoint *from);
/* The first packet has been given on. */
void th_sim_flow_drop(struct th_sim_flow *flow);

#endif
