/*
 * Sockets: the calls of POSIX as in thrum/io.h, and above them dial, listen and serve.
 *
 * Sockets that the library makes are closed on exec and do not wait in calls that are made without it. Addresses are
 * text:
 *
 *     "tcp"   "tcp4"  "tcp6"       "127.0.0.1:80", "[::1]:80", "localhost:80", ":80" (every address of this machine),
 *                                  "example.org:80"
 *     "udp"   "udp4"  "udp6"       the same; a datagram socket, connected by dial, bound by listen
 *     "unix"  "unixgram"           a path, or "@name" in the abstract namespace
 */
#ifndef THRUM_NET_H
#define THRUM_NET_H

#include <sys/socket.h>

#include <thrum/io.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- As in POSIX ---- */

/* A socket, closed on exec. Never switches. */
THRUM_API THRUM_CHECKED int thrum_socket(int domain, int type, int protocol);

/* The next connection, closed on exec; peer and length may be NULL. May switch, may be cancelled. */
THRUM_API THRUM_CHECKED int thrum_accept(int fd, struct sockaddr *peer, socklen_t *length);

/* 0 when the connection is made, or -errno. May switch, may be cancelled: the socket is only good for a close then. */
THRUM_API THRUM_CHECKED int thrum_connect(int fd, const struct sockaddr *address, socklen_t length);

/* As recv(2) and its kin; with MSG_DONTWAIT they return -EAGAIN and do not wait. A send never raises SIGPIPE. May
 * switch, may be cancelled. */
THRUM_API ssize_t thrum_recv(int fd, void *to, size_t bytes, int flags);
THRUM_API ssize_t thrum_send(int fd, const void *from, size_t bytes, int flags);
THRUM_API ssize_t thrum_recvfrom(int fd, void *to, size_t bytes, int flags, struct sockaddr *peer, socklen_t *length);
THRUM_API ssize_t thrum_sendto(int fd, const void *from, size_t bytes, int flags, const struct sockaddr *peer,
                               socklen_t length);
THRUM_API ssize_t thrum_recvmsg(int fd, struct msghdr *message, int flags);
THRUM_API ssize_t thrum_sendmsg(int fd, const struct msghdr *message, int flags);

/* ---- By address ---- */

/*
 * Connects. Where a name has several addresses they are tried one after the other, both families by turns, a quarter of
 * a second apart, and the first that answers is taken. 0, with the socket in *fd; -EINVAL (no such network, no
 * address), what thrum_resolve says of a name, or why the last address failed. May switch, may be cancelled.
 */
THRUM_API THRUM_CHECKED int thrum_dial(const char *network, const char *address, int *fd);

/* A socket that listens (tcp, unix), or receives (udp, unixgram). Port 0: one that is free; ":80": all addresses, of
 * IPv4 and of IPv6. A tcp port is free again as soon as its listener is closed (SO_REUSEADDR). 0, or -errno as above.
 * May switch and be cancelled where the address is a name; else it never does. */
THRUM_API THRUM_CHECKED int thrum_listen(const char *network, const char *address, int *fd);

/*
 * What getaddrinfo(3) finds (numbers, the hosts file, name services as nsswitch.conf has them), on a thread that holds
 * up nobody; host or service, and hints, may be NULL. 0, with a list in *found for freeaddrinfo; -ENOENT (nobody knows
 * it), -EAGAIN (no answer for now), -EIO (none for good), -EINVAL (hints, service), -ENOMEM. May switch, may be
 * cancelled: a lookup that has begun ends by itself then, and thrum_run waits for that.
 */
struct addrinfo;
THRUM_API THRUM_CHECKED int thrum_resolve(const char *host, const char *service, const struct addrinfo *hints,
                                          struct addrinfo **found);

/* A socket's own address, or its peer's, as text that dial takes; cut at the capacity. Its length, or -errno. Never
 * switches. */
THRUM_API int thrum_local_name(int fd, char *to, size_t capacity);
THRUM_API int thrum_peer_name(int fd, char *to, size_t capacity);

/* ---- Serving ---- */

/* Serves one connection, as a task of its own; the connection is closed when it returns. What it returns is dropped: a
 * failure that somebody should hear of is the handler's to report. */
typedef int (*thrum_handler)(int fd, void *arg);

typedef struct thrum_serve_options {
    unsigned connections; /* at most so many at once; further ones wait in the kernel's queue. 0: 10,000 */
} thrum_serve_options;

/*
 * Accepts connections and runs handler(fd, arg) for each, until the calling task is cancelled or the listener is
 * closed; then no more are accepted, the handlers are waited for, and the listener is closed. A cancel reaches the
 * handlers too: their waits say -ECANCELED. Who closes the listener (thrum_close, from another task) lets them finish
 * what they are at: the graceful way to shut down. Where file descriptors run out it waits for some, and goes on.
 * -ECANCELED, -ETIMEDOUT, -EBADF (closed), -EINVAL (not listening), or why the listener cannot accept. May switch, may
 * be cancelled.
 */
THRUM_API int thrum_serve(int listener, thrum_handler handler, void *arg);
/* The same; options may be NULL. */
THRUM_API int thrum_serve_with(int listener, const thrum_serve_options *options, thrum_handler handler, void *arg);

#ifdef __cplusplus
}
#endif
#endif
