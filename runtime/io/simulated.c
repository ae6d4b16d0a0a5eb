/* The simulated network: its nodes, their names, what is cut, and where calls come in. */
#include "io/simulated.h"

#include "base/sys_io.h"
#include "io/connection.h"
#include "io/descriptor.h"
#include "task/life.h"

#include <thrum/local.h>
#include <thrum/time.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    DELAY_LEAST_NS = 100000,
    DELAY_MOST_NS = 1000000,
    /* Ports that are given to who wants any (RFC 6335). */
    FREE_PORT_FIRST = 49152,
    FREE_PORTS = 65536 - FREE_PORT_FIRST,
    BACKLOG = 4096,
    /* Who dials over a partition tries again after 1 s, 2, 4, ... */
    DIAL_PAUSE_FIRST_S = 1,
    DIAL_PAUSE_MOST_S = 64,
};

struct th_sim *th_sim_network;
static uint64_t last_id;
static const thrum_local local_node; /* the network's id, and the node's number in the low byte */

bool th_sim_is_here(void)
{
    return th_sim_is_on() && th_task_self() != NULL;
}

/* ---- Chance ---- */

static struct th_random *generator(void)
{
    return &th_worker_of(th_fiber_self())->random;
}

int64_t th_sim_delay(const struct th_sim *net)
{
    int64_t least = net->options.delay_least;
    uint64_t spread = (uint64_t)(net->options.delay_most - least) + 1;
    return least + (int64_t)(th_random_next(generator()) % spread);
}

bool th_sim_draw(uint32_t percent)
{
    return percent > 0 && th_random_below(generator(), 100) < percent;
}

/* ---- Nodes ---- */

static bool is_name(const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;
    return length > 0 && length < TH_SIM_NAME_BYTES && strpbrk(name, ":/[]") == NULL;
}

/* Its number, or -ENOENT. */
static int find_node(const struct th_sim *net, const char *name)
{
    for (uint32_t i = 0; i < net->node_count; i++) {
        if (strcmp(net->nodes[i].name, name) == 0)
            return (int)i;
    }
    return -ENOENT;
}

static int make_node(struct th_sim *net, const char *name)
{
    if (!is_name(name))
        return -EINVAL;
    int found = find_node(net, name);
    if (found >= 0)
        return found;
    if (net->node_count == TH_SIM_NODES_MOST)
        return -ENOSPC;
    struct th_sim_node *node = &net->nodes[net->node_count];
    *node = (struct th_sim_node){.last_port = FREE_PORT_FIRST};
    memcpy(node->name, name, strlen(name) + 1);
    return (int)net->node_count++;
}

/* The calling task's. One that has said so in an earlier network is where all begin. */
static uint32_t own_node(const struct th_sim *net)
{
    uint64_t value = (uintptr_t)thrum_local_get(&local_node);
    return value >> 8 == net->id ? value & 0xff : 0;
}

int thrum_simnet_node(const char *name)
{
    struct th_sim *net = th_sim_network;
    if (!th_sim_is_here())
        return -EPERM;
    int node = make_node(net, name);
    return node < 0 ? node : thrum_local_set(&local_node, (void *)(uintptr_t)(net->id << 8 | (uint32_t)node));
}

/* ---- What is cut and broken ---- */

bool th_sim_is_cut(const struct th_sim *net, uint32_t node, uint32_t other)
{
    return (net->nodes[node].cut >> other & 1) != 0;
}

static void cut(uint64_t *ways, uint64_t others, bool is_cut)
{
    *ways = is_cut ? *ways | others : *ways & ~others;
}

/* The bits of a node, or of all but one. 0 or -errno. */
static int others_of(struct th_sim *net, const char *name, int but, uint64_t *others)
{
    int node = name != NULL ? make_node(net, name) : 0;
    if (node >= 0)
        *others = name != NULL ? (uint64_t)1 << node : ~((uint64_t)1 << but);
    return node < 0 ? node : 0;
}

static int two_sides(const char *name, const char *other, int *node, uint64_t *others)
{
    struct th_sim *net = th_sim_network;
    if (!th_sim_is_here())
        return -EPERM;
    *node = make_node(net, name);
    return *node < 0 ? *node : others_of(net, other, *node, others);
}

int thrum_simnet_partition(const char *name, const char *other, bool is_cut)
{
    struct th_sim *net = th_sim_network;
    uint64_t others;
    int node, code = two_sides(name, other, &node, &others);
    if (code < 0)
        return code;
    cut(&net->nodes[node].cut, others, is_cut);
    for (int i = 0; i < TH_SIM_NODES_MOST; i++) {
        if ((others >> i & 1) != 0)
            cut(&net->nodes[i].cut, (uint64_t)1 << node, is_cut);
    }
    return 0;
}

int thrum_simnet_reset(const char *name, const char *other)
{
    uint64_t others;
    int node, count = 0, code = two_sides(name, other, &node, &others);
    if (code < 0)
        return code;
    for (struct th_sim_connection *at = th_sim_network->connections; at != NULL; at = at->next) {
        uint64_t first = (uint64_t)1 << at->nodes[0], second = (uint64_t)1 << at->nodes[1], own = (uint64_t)1 << node;
        bool is_meant = (first == own && (second & others) != 0) || (second == own && (first & others) != 0);
        if (!is_meant || at->flows == 0 || at->broken != 0)
            continue;
        th_sim_break(at, -ECONNRESET);
        count++;
    }
    return count;
}

/* ---- Names ---- */

static struct th_endpoint name_of(const struct th_sim *net, const struct th_sim_place *place, char side)
{
    struct th_endpoint found = {.type = place->type};
    struct sockaddr_un *local = &found.address.local;
    local->sun_family = AF_UNIX;
    /* The text is shorter than what is left: is_name. */
    int length = snprintf(local->sun_path + 1, sizeof local->sun_path - 1, TH_ADDRESS_SIMULATED "%016lx.%c%d/%s",
                          net->tag, side, place->type, place->text);
    found.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    return found;
}

struct th_endpoint th_sim_own_name(const struct th_sim *net, const struct th_sim_place *place)
{
    return name_of(net, place, 'u');
}

struct th_endpoint th_sim_other_name(const struct th_sim *net, const struct th_sim_place *place)
{
    return name_of(net, place, 'n');
}

static void print_place(const struct th_sim *net, struct th_sim_place *place)
{
    (void)snprintf(place->text, sizeof place->text, "%s:%u", net->nodes[place->node].name, place->port);
}

struct th_sim_endpoint *th_sim_find_endpoint(const struct th_sim *net, int type, const char *text)
{
    for (struct th_sim_endpoint *at = net->endpoints; at != NULL; at = at->next) {
        if (at->place.type == type && strcmp(at->place.text, text) == 0)
            return at;
    }
    return NULL;
}

/* ---- Sockets ---- */

int th_sim_bind(const struct th_endpoint *name, bool listens)
{
    int fd = th_connection_socket(AF_UNIX, name->type | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    int code = th_sys_bind(fd, &name->address.any, name->length);
    if (code == 0 && listens)
        code = th_sys_listen(fd, BACKLOG);
    if (code < 0)
        (void)thrum_close(fd);
    return code < 0 ? code : fd;
}

int th_sim_reach(int fd, const struct th_endpoint *name)
{
    int code;
    while ((code = th_sys_connect(fd, &name->address.any, name->length)) == -EINTR)
        continue;
    return code;
}

static int bind_own(struct th_sim *net, struct th_sim_place *place, bool listens)
{
    print_place(net, place);
    struct th_endpoint name = th_sim_own_name(net, place);
    return th_sim_bind(&name, listens);
}

static int bind_free(struct th_sim *net, struct th_sim_place *place, bool listens)
{
    struct th_sim_node *node = &net->nodes[place->node];
    int fd = -EADDRINUSE;
    for (int i = 0; i < FREE_PORTS && fd == -EADDRINUSE; i++) {
        place->port = node->last_port;
        node->last_port = node->last_port < UINT16_MAX ? (uint16_t)(node->last_port + 1) : FREE_PORT_FIRST;
        fd = bind_own(net, place, listens);
    }
    return fd;
}

int th_sim_bind_anywhere(struct th_sim *net, struct th_sim_place *place)
{
    return bind_free(net, place, false);
}

/* ---- Listening ---- */

/* The place's stand-in, made if nobody was there before. */
static int stand_in(struct th_sim *net, const struct th_sim_place *place)
{
    if (th_sim_find_endpoint(net, place->type, place->text) != NULL)
        return 0;
    struct th_sim_endpoint *made = th_sys_alloc(sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    struct th_endpoint name = th_sim_other_name(net, place);
    *made = (struct th_sim_endpoint){.place = *place, .next = net->endpoints};
    made->stand_in = th_sim_bind(&name, place->type == SOCK_STREAM);
    int code = made->stand_in;
    if (code >= 0 && place->type == SOCK_DGRAM) {
        code = th_sim_serve_datagrams(net, made);
        if (code < 0)
            (void)thrum_close(made->stand_in);
    }
    if (code < 0)
        th_sys_free(made);
    else
        net->endpoints = made;
    return code < 0 ? code : 0;
}

static int open_place(struct th_sim *net, struct th_sim_place *place, int *fd)
{
    bool listens = place->type == SOCK_STREAM;
    int opened = place->port != 0 ? bind_own(net, place, listens) : bind_free(net, place, listens);
    int code = opened < 0 ? opened : stand_in(net, place);
    if (code == 0)
        *fd = opened;
    else if (opened >= 0)
        (void)thrum_close(opened);
    return code;
}

/* ---- Addresses ---- */

bool th_sim_takes(const char *network)
{
    return th_sim_is_here() && (strncmp(network, "tcp", 3) == 0 || strncmp(network, "udp", 3) == 0);
}

static bool is_loopback_or_any(const struct th_endpoint *found)
{
    const struct in6_addr *ip6 = &found->address.ip6.sin6_addr;
    if (found->address.any.sa_family == AF_INET6)
        return memcmp(ip6, &in6addr_any, sizeof *ip6) == 0 || memcmp(ip6, &in6addr_loopback, sizeof *ip6) == 0;
    in_addr_t ip4 = ntohl(found->address.ip4.sin_addr.s_addr);
    return ip4 == INADDR_ANY || ip4 == INADDR_LOOPBACK;
}

/* 0, -EINVAL, -ENOENT (no such node), -ENETUNREACH (numbers of another machine), -ENETDOWN. */
static int find_place(const struct th_sim *net, const char *network, const char *address, struct th_sim_place *place)
{
    struct th_endpoint found[2]; /* there are more of what is looked up alone */
    struct th_name name;
    int count = th_address_find(network, address, found, &name), node = (int)own_node(net);
    if (count < 0)
        return count;
    if (net->is_over)
        return -ENETDOWN;
    if (count > 0 && !is_loopback_or_any(found))
        return -ENETUNREACH;
    if (count == 0)
        node = find_node(net, name.host);
    if (node < 0)
        return node;
    *place = (struct th_sim_place){.type = name.type, .node = (uint32_t)node, .port = name.port};
    print_place(net, place);
    return 0;
}

int th_sim_listen(const char *network, const char *address, int *fd)
{
    struct th_sim *net = th_sim_network;
    struct th_sim_place place;
    int code = find_place(net, network, address, &place);
    if (code == -ENOENT || code == -ENETUNREACH || (code == 0 && place.node != own_node(net)))
        return -EADDRNOTAVAIL;
    return code < 0 ? code : open_place(net, &place, fd);
}

/* ---- Dialling ---- */

/* 0 if the network is still there afterwards. */
static int pass(uint64_t id, int64_t span)
{
    int code = thrum_sleep(span);
    if (code < 0)
        return code;
    return th_sim_is_on() && th_sim_network->id == id && !th_sim_network->is_over ? 0 : -ENETDOWN;
}

static int go_there_and_back(const struct th_sim *net, uint32_t node, uint32_t other)
{
    uint64_t id = net->id;
    for (int64_t pause = DIAL_PAUSE_FIRST_S; th_sim_is_cut(net, node, other); pause *= 2) {
        int code = pause <= DIAL_PAUSE_MOST_S ? pass(id, THRUM_SEC(pause)) : -ETIMEDOUT;
        if (code < 0)
            return code;
    }
    return pass(id, th_sim_delay(net) + th_sim_delay(net));
}

/* Its datagrams go wherever it is connected, and it has a place where answers come to. */
static int dial_datagrams(struct th_sim *net, const struct th_sim_place *to, struct th_sim_place *from, int *fd)
{
    struct th_endpoint name = th_sim_other_name(net, to);
    int code = open_place(net, from, fd);
    if (code < 0)
        return code;
    code = th_sim_reach(*fd, &name);
    if (code < 0)
        (void)thrum_close(*fd);
    return code;
}

int th_sim_dial(const char *network, const char *address, int *fd)
{
    struct th_sim *net = th_sim_network;
    struct th_sim_place to, from = {.node = own_node(net)};
    int code = find_place(net, network, address, &to);
    if (code == 0 && to.type == SOCK_STREAM)
        code = go_there_and_back(net, from.node, to.node);
    if (code < 0)
        return code;
    from.type = to.type;
    const struct th_sim_endpoint *endpoint = th_sim_find_endpoint(net, to.type, to.text);
    if (endpoint == NULL)
        return -ECONNREFUSED;
    return to.type == SOCK_DGRAM ? dial_datagrams(net, &to, &from, fd) : th_sim_connect(net, endpoint, &from, fd);
}

/* ---- Beginning and end ---- */

static int set_options(struct th_sim *net, const thrum_simnet_options *given)
{
    thrum_simnet_options *options = &net->options;
    if (given != NULL)
        *options = *given;
    if (options->delay_least == 0 && options->delay_most == 0)
        *options = (thrum_simnet_options){DELAY_LEAST_NS, DELAY_MOST_NS, options->loss_percent, options->twice_percent};
    if (options->delay_most == 0)
        options->delay_most = options->delay_least;
    bool are_good = options->delay_least >= 0 && options->delay_most >= options->delay_least &&
                    options->loss_percent <= 100 && options->twice_percent <= 100;
    return are_good ? 0 : -EINVAL;
}

static int return_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int open_network(const thrum_simnet_options *options, struct th_sim **opened)
{
    struct th_sim *net = th_sys_alloc_zeroed(sizeof *net);
    if (net == NULL)
        return -ENOMEM;
    net->id = ++last_id;
    net->tag = th_sys_random();
    net->group = (thrum_group)THRUM_GROUP_WITH(THRUM_EACH);
    (void)make_node(net, "localhost");
    int code = set_options(net, options);
    /* Who first starts something in a group is the one to wait for it. */
    if (code == 0)
        code = th_task_spawn(&net->group, return_at_once, NULL);
    if (code < 0)
        th_sys_free(net);
    else
        *opened = net;
    return code;
}

static void close_network(struct th_sim *net)
{
    net->is_over = true;
    thrum_cancel(&net->group);
    (void)thrum_group_wait(&net->group);
    th_sim_network = NULL;
    for (struct th_sim_endpoint *at = net->endpoints, *next; at != NULL; at = next) {
        next = at->next;
        (void)thrum_close(at->stand_in);
        th_sys_free(at);
    }
    for (struct th_sim_connection *at = net->connections, *next; at != NULL; at = next) {
        next = at->next;
        th_sys_free(at);
    }
    th_sys_free(net);
}

int thrum_simnet_run(const thrum_simnet_options *options, thrum_fn fn, void *arg)
{
    struct th_task *self = th_task_self();
    struct th_sim *net;
    if (self == NULL || !th_seeded_is_on())
        return -EPERM;
    if (th_sim_network != NULL)
        return -EBUSY;
    int code = open_network(options, &net);
    if (code < 0)
        return code;
    th_sim_network = net;
    self->runtime->seeded.is_apart = true;
    code = fn(arg);
    self->runtime->seeded.is_apart = false;
    close_network(net);
    return code;
}

/* ---- Ends ---- */

typedef int name_call(int fd, struct sockaddr *address, socklen_t *length);

/* The connection whose dialler has one of a socket's two names. */
static const struct th_sim_connection *find_connection(name_call *ask, int fd)
{
    union th_address address;
    socklen_t length = sizeof address;
    char text[TH_SIM_TEXT_BYTES];
    if (ask(fd, &address.any, &length) < 0 || th_address_text(&address.local, length, text, sizeof text) < 0)
        return NULL;
    const struct th_sim_connection *at = th_sim_network->connections;
    while (at != NULL && strcmp(at->dialler.text, text) != 0)
        at = at->next;
    return at;
}

/* The network's own sockets are not told: their flows go on until they find the end. */
static bool is_told(const struct th_sim_connection *connection, int fd)
{
    bool is_end = connection->flows > 0 && (connection->ends[0] == fd || connection->ends[1] == fd);
    return connection->broken != 0 && !is_end;
}

ssize_t th_sim_end_of(int fd, ssize_t result)
{
    const struct th_sim_connection *connection = find_connection(th_sys_getsockname, fd);
    if (connection == NULL)
        connection = find_connection(th_sys_getpeername, fd);
    return connection != NULL && is_told(connection, fd) ? connection->broken : result;
}
