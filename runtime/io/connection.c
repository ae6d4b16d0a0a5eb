/* Connections: made and taken. */
#include <thrum/net.h>
#include <thrum/time.h>

#include "base/origins.h"
#include "base/sys_io.h"
#include "io/connection.h"
#include "io/simulated.h"
#include "io/transfer.h"

#include <errno.h>
#include <fcntl.h>

int th_connection_socket(int domain, int type, int protocol)
{
    int fd = th_sys_socket(domain, type | SOCK_CLOEXEC, protocol);
    if (fd >= 0) {
        th_descriptor_adopt(fd, TH_KIND_UNKNOWN);
        th_origin_note(TH_ORIGIN_FD, (uint32_t)fd, NULL, NULL);
    }
    return fd;
}

int thrum_socket(int domain, int type, int protocol)
{
    /* What comes over it would be no seed's choice. */
    if (domain != AF_UNIX && th_sim_is_here())
        return -EOPNOTSUPP;
    return th_connection_socket(domain, type, protocol);
}

/* ---- Accept ---- */

struct acceptance {
    struct sockaddr *peer;
    socklen_t *length;
    int flags;
};

static ssize_t try_accept(const struct th_io *io, void *args)
{
    const struct acceptance *acceptance = args;
    int kind = th_io_kind(io);
    if (kind < 0)
        return kind;
    /* Somebody else may take the connection between the look and the call: then the worker waits for the next, as with
     * any call that blocks. A listener of thrum_listen does not. */
    if (th_io_would_block(io))
        return -EAGAIN;
    int fd = th_sys_accept(io->fd, acceptance->peer, acceptance->length, acceptance->flags | SOCK_CLOEXEC);
    if (fd >= 0) {
        th_descriptor_adopt(fd, (enum th_kind)kind);
        th_origin_note(TH_ORIGIN_FD, (uint32_t)fd, NULL, NULL);
    }
    /* One that has gone again before it was taken. */
    return fd == -ECONNABORTED || fd == -EPROTO ? -EINTR : fd;
}

int th_connection_accept(int fd, int flags)
{
    struct acceptance acceptance = {.flags = flags};
    return (int)th_transfer(fd, TH_READING, try_accept, &acceptance);
}

int thrum_accept(int fd, struct sockaddr *peer, socklen_t *length)
{
    struct acceptance acceptance = {.peer = peer, .length = length};
    return (int)th_transfer(fd, TH_READING, try_accept, &acceptance);
}

/* ---- Connect ---- */

struct attempt {
    const struct sockaddr *address;
    socklen_t length;
    bool is_under_way;
    int64_t pause;
};

/* connect(2) knows no MSG_DONTWAIT: for the moment of the call alone the socket is not to wait. Nobody else does
 * anything with a socket that is being connected. */
static int begin_connect(const struct th_io *io, const struct attempt *attempt)
{
    int flags = io->descriptor != NULL ? th_sys_fcntl(io->fd, F_GETFL, 0) : O_NONBLOCK;
    if (flags < 0)
        return flags;
    if ((flags & O_NONBLOCK) == 0)
        (void)th_sys_fcntl(io->fd, F_SETFL, flags | O_NONBLOCK);
    int code = th_sys_connect(io->fd, attempt->address, attempt->length);
    if ((flags & O_NONBLOCK) == 0)
        (void)th_sys_fcntl(io->fd, F_SETFL, flags);
    return code;
}

/* Something has happened: 0, why it failed, or -EAGAIN if it was something else. */
static int end_connect(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int error = 0, code = th_sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error);
    if (code < 0)
        return code;
    if (error != 0)
        return -error;
    code = th_sys_getpeername(fd, (struct sockaddr *)&peer, &length);
    return code == -ENOTCONN ? -EAGAIN : code;
}

/* The queue of a listener in this machine (unix) is full, and no event will tell when it is not. */
static int wait_for_queue(struct attempt *attempt)
{
    attempt->pause = attempt->pause == 0 ? 100000 : attempt->pause < 10000000 ? attempt->pause * 2 : attempt->pause;
    int code = thrum_sleep(attempt->pause);
    return code < 0 ? code : -EINTR;
}

static ssize_t try_connect(const struct th_io *io, void *args)
{
    struct attempt *attempt = args;
    if (attempt->is_under_way)
        return end_connect(io->fd);
    int code = begin_connect(io, attempt);
    if (code == -EAGAIN)
        return wait_for_queue(attempt);
    /* Interrupted: it goes on without us. */
    attempt->is_under_way = code == -EINPROGRESS || code == -EINTR;
    return attempt->is_under_way ? -EAGAIN : code;
}

int thrum_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct attempt attempt = {.address = address, .length = length};
    return (int)th_transfer(fd, TH_WRITING, try_connect, &attempt);
}
