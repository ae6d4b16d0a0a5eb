/*
 * Addresses as text, and what they mean: "127.0.0.1:80", "[::1%eth0]:80", ":80", "localhost:80", "/run/x.sock",
 * "@abstract".
 */
#ifndef TH_IO_ADDRESS_H
#define TH_IO_ADDRESS_H

#include "base/compiler.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

union th_address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_un local;
};

struct th_endpoint {
    union th_address address;
    socklen_t length;
    int type; /* SOCK_STREAM, SOCK_DGRAM */
};

enum { TH_ENDPOINTS_MOST = 16 };

/* What is left to be looked up: a host's name. */
struct th_name {
    char host[256];
    uint16_t port;
    int domain; /* AF_UNSPEC: both families */
    int type;
};

/* The endpoints that an address stands for, those to try first in front. How many; 0: a name, which *name tells;
 * -EINVAL: no such network, or not an address. */
int th_address_find(const char *network, const char *text, struct th_endpoint *found, struct th_name *name);

/* The same where a name is looked up too (io/resolve.c): how many, at least one, for the caller to free by th_sys_free;
 * or -errno. May switch, may be cancelled. */
int th_address_resolve(const char *network, const char *text, struct th_endpoint **found);

/* Names of the simulated network (io/simulated.h) begin so, in the abstract namespace; what they mean is behind the
 * slash. That, cut at the capacity, and its length; or -EINVAL: another name. */
#define TH_ADDRESS_SIMULATED "thrum-simnet."
int th_address_text(const struct sockaddr_un *address, socklen_t length, char *to, size_t capacity);

/* An address as text, cut at the capacity; its length. */
int th_address_print(const struct sockaddr *address, socklen_t length, char *to, size_t capacity);

#endif
