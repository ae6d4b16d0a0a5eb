/* Sockets: sending and receiving with flags and addresses. */
#include <thrum/net.h>
#include <thrum/time.h>

#include "base/sys_io.h"
#include "io/transfer.h"

#include <errno.h>

struct packet {
    void *bytes;
    size_t length;
    struct msghdr *message;
    int flags;
};

/* -EAGAIN is an answer to who asked not to wait. */
enum { WOULD_WAIT = -EWOULDBLOCK - 4096, PAUSE_NS = 100000 };

static ssize_t answer(const struct packet *packet, ssize_t result)
{
    return result == -EAGAIN && (packet->flags & MSG_DONTWAIT) != 0 ? WOULD_WAIT : result;
}

static ssize_t finish(ssize_t result)
{
    return result == WOULD_WAIT ? -EAGAIN : result;
}

static ssize_t try_receive(const struct th_io *io, void *args)
{
    const struct packet *packet = args;
    int flags = packet->flags | th_io_nowait(io);
    return answer(packet, packet->message != NULL ? th_sys_recvmsg(io->fd, packet->message, flags)
                                                  : th_sys_recv(io->fd, packet->bytes, packet->length, flags));
}

/* A receiver in this machine has no room. The sender's socket tells nothing of that: it says that it is writable, after
 * each attempt again, and who believed it would try without end. */
static bool is_for_who_is_full(const struct packet *packet)
{
    const struct sockaddr *peer = packet->message != NULL ? packet->message->msg_name : NULL;
    return peer != NULL && peer->sa_family == AF_UNIX && (packet->flags & MSG_DONTWAIT) == 0;
}

static ssize_t try_again_later(void)
{
    int code = thrum_sleep(PAUSE_NS);
    return code < 0 ? code : -EINTR;
}

static ssize_t try_transmit(const struct th_io *io, void *args)
{
    const struct packet *packet = args;
    int flags = packet->flags | th_io_nowait(io) | MSG_NOSIGNAL;
    ssize_t put = packet->message != NULL ? th_sys_sendmsg(io->fd, packet->message, flags)
                                          : th_sys_send(io->fd, packet->bytes, packet->length, flags);
    if (TH_UNLIKELY(put == -EAGAIN) && io->descriptor != NULL && is_for_who_is_full(packet))
        return try_again_later();
    return answer(packet, put);
}

ssize_t thrum_recv(int fd, void *to, size_t bytes, int flags)
{
    struct packet packet = {.bytes = to, .length = bytes, .flags = flags};
    /* A task's trials never wait, so the kernel cannot collect for us; a thread's may. */
    if ((flags & MSG_WAITALL) == 0 || (flags & (MSG_PEEK | MSG_DONTWAIT)) != 0)
        return finish(th_transfer(fd, TH_READING, try_receive, &packet));
    size_t done = 0;
    while (done < bytes) {
        packet = (struct packet){.bytes = (char *)to + done, .length = bytes - done, .flags = flags & ~MSG_WAITALL};
        ssize_t got = th_transfer(fd, TH_READING, try_receive, &packet);
        if (got < 0 && done == 0)
            return got;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

ssize_t thrum_send(int fd, const void *from, size_t bytes, int flags)
{
    struct packet packet = {.bytes = (void *)from, .length = bytes, .flags = flags};
    return finish(th_transfer(fd, TH_WRITING, try_transmit, &packet));
}

ssize_t thrum_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct packet packet = {.message = message, .flags = flags | MSG_CMSG_CLOEXEC};
    return finish(th_transfer(fd, TH_READING, try_receive, &packet));
}

ssize_t thrum_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct packet packet = {.message = (struct msghdr *)message, .flags = flags};
    return finish(th_transfer(fd, TH_WRITING, try_transmit, &packet));
}

ssize_t thrum_recvfrom(int fd, void *to, size_t bytes, int flags, struct sockaddr *peer, socklen_t *length)
{
    struct iovec part = {.iov_base = to, .iov_len = bytes};
    struct msghdr message = {.msg_name = peer,
                             .msg_namelen = peer != NULL && length != NULL ? *length : 0,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    ssize_t got = thrum_recvmsg(fd, &message, flags);
    if (got >= 0 && length != NULL)
        *length = message.msg_namelen;
    return got;
}

ssize_t thrum_sendto(int fd, const void *from, size_t bytes, int flags, const struct sockaddr *peer, socklen_t length)
{
    struct iovec part = {.iov_base = (void *)from, .iov_len = bytes};
    struct msghdr message = {
        .msg_name = (struct sockaddr *)peer, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
    return thrum_sendmsg(fd, &message, flags);
}
