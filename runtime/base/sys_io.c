#include "base/sys_io.h"

#include "base/fault.h"
#include "base/sys_result.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <time.h>

/* ---- Readiness ---- */

int th_sys_epoll_create(void)
{
    int fault = TH_FAULT(epoll_create);
    return fault ? fault : (int)SYS_RESULT(epoll_create1(EPOLL_CLOEXEC));
}

int th_sys_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    int fault = TH_FAULT(epoll_ctl);
    return fault ? fault : (int)SYS_RESULT(epoll_ctl(set, operation, fd, event));
}

static struct timespec *span_of(int64_t span, struct timespec *to)
{
    if (span == TH_SYS_FOREVER)
        return NULL;
    *to = (struct timespec){.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000};
    return to;
}

static int wait_for_span(int set, struct epoll_event *events, int most, int64_t span)
{
    struct timespec wait;
    long code = SYS_RESULT(epoll_pwait2(set, events, most, span_of(span, &wait), NULL));
    if (code != -ENOSYS)
        return (int)code;
    /* Before Linux 5.11: whole milliseconds, never too early. */
    int64_t span_ms = span == TH_SYS_FOREVER ? -1 : span / 1000000 + 1;
    return (int)SYS_RESULT(epoll_wait(set, events, most, span_ms < INT32_MAX ? (int)span_ms : INT32_MAX));
}

int th_sys_epoll_wait(int set, struct epoll_event *events, int most, int64_t span)
{
    int fault = TH_FAULT(epoll_wait);
    if (fault)
        return fault;
    if (span == 0)
        return (int)SYS_RESULT(epoll_wait(set, events, most, 0));
    int count = wait_for_span(set, events, most, span);
    if (count == 0)
        th_sys_clock_pass(span);
    return count;
}

int th_sys_eventfd(void)
{
    int fault = TH_FAULT(eventfd);
    return fault ? fault : (int)SYS_RESULT(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int th_sys_poll(struct pollfd *fds, size_t count, int64_t span)
{
    int fault = TH_FAULT(poll);
    struct timespec wait;
    return fault ? fault : (int)SYS_RESULT(ppoll(fds, (nfds_t)count, span_of(span, &wait), NULL));
}

/* ---- Any file descriptor ---- */

/* What is left of a vector when its first part has been cut to `bytes`: that part alone. */
static bool was_cut(const struct iovec *parts, int count, size_t bytes, struct iovec *first)
{
    if (count == 0 || bytes == parts[0].iov_len)
        return false;
    *first = (struct iovec){.iov_base = parts[0].iov_base, .iov_len = bytes};
    return true;
}

ssize_t th_sys_readv(int fd, const struct iovec *to, int count, int flags)
{
    struct iovec first;
    size_t bytes = count > 0 ? to[0].iov_len : 0;
    int fault = TH_FAULT_SHORT(readv, &bytes);
    if (fault)
        return fault;
    if (was_cut(to, count, bytes, &first)) {
        to = &first;
        count = 1;
    }
    return (ssize_t)(flags == 0 ? SYS_RESULT(readv(fd, to, count)) : SYS_RESULT(preadv2(fd, to, count, -1, flags)));
}

ssize_t th_sys_writev(int fd, const struct iovec *from, int count, int flags)
{
    struct iovec first;
    size_t bytes = count > 0 ? from[0].iov_len : 0;
    int fault = TH_FAULT_SHORT(writev, &bytes);
    if (fault)
        return fault;
    if (was_cut(from, count, bytes, &first)) {
        from = &first;
        count = 1;
    }
    return (ssize_t)(flags == 0 ? SYS_RESULT(writev(fd, from, count))
                                : SYS_RESULT(pwritev2(fd, from, count, -1, flags)));
}

ssize_t th_sys_pread(int fd, void *to, size_t bytes, int64_t offset)
{
    int fault = TH_FAULT_SHORT(pread, &bytes);
    return fault ? fault : (ssize_t)SYS_RESULT(pread(fd, to, bytes, offset));
}

ssize_t th_sys_pwrite(int fd, const void *from, size_t bytes, int64_t offset)
{
    int fault = TH_FAULT_SHORT(pwrite, &bytes);
    return fault ? fault : (ssize_t)SYS_RESULT(pwrite(fd, from, bytes, offset));
}

ssize_t th_sys_sendfile(int to, int from, int64_t *offset, size_t bytes)
{
    int fault = TH_FAULT_SHORT(sendfile, &bytes);
    if (fault)
        return fault;
    off_t at = offset != NULL ? *offset : 0;
    ssize_t sent = (ssize_t)SYS_RESULT(sendfile(to, from, offset != NULL ? &at : NULL, bytes));
    if (offset != NULL)
        *offset = at;
    return sent;
}

ssize_t th_sys_splice(int from, int to, size_t bytes, unsigned flags)
{
    int fault = TH_FAULT_SHORT(splice, &bytes);
    return fault ? fault : (ssize_t)SYS_RESULT(splice(from, NULL, to, NULL, bytes, flags));
}

int th_sys_fcntl(int fd, int command, int value)
{
    int fault = TH_FAULT(fcntl);
    return fault ? fault : (int)SYS_RESULT(fcntl(fd, command, value));
}

int th_sys_fstat(int fd, struct stat *about)
{
    int fault = TH_FAULT(fstat);
    return fault ? fault : (int)SYS_RESULT(fstat(fd, about));
}

/* ---- Sockets ---- */

int th_sys_socket(int domain, int type, int protocol)
{
    int fault = TH_FAULT(socket);
    return fault ? fault : (int)SYS_RESULT(socket(domain, type, protocol));
}

int th_sys_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int fault = TH_FAULT(bind);
    return fault ? fault : (int)SYS_RESULT(bind(fd, address, length));
}

int th_sys_listen(int fd, int backlog)
{
    int fault = TH_FAULT(listen);
    return fault ? fault : (int)SYS_RESULT(listen(fd, backlog));
}

int th_sys_accept(int fd, struct sockaddr *peer, socklen_t *length, int flags)
{
    int fault = TH_FAULT(accept);
    return fault ? fault : (int)SYS_RESULT(accept4(fd, peer, length, flags));
}

int th_sys_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int fault = TH_FAULT(connect);
    return fault ? fault : (int)SYS_RESULT(connect(fd, address, length));
}

int th_sys_shutdown(int fd, int how)
{
    int fault = TH_FAULT(shutdown);
    return fault ? fault : (int)SYS_RESULT(shutdown(fd, how));
}

ssize_t th_sys_recv(int fd, void *to, size_t bytes, int flags)
{
    int fault = TH_FAULT_SHORT(recv, &bytes);
    return fault ? fault : (ssize_t)SYS_RESULT(recv(fd, to, bytes, flags));
}

ssize_t th_sys_send(int fd, const void *from, size_t bytes, int flags)
{
    int fault = TH_FAULT_SHORT(send, &bytes);
    return fault ? fault : (ssize_t)SYS_RESULT(send(fd, from, bytes, flags));
}

ssize_t th_sys_recvmsg(int fd, struct msghdr *message, int flags)
{
    int fault = TH_FAULT(recvmsg);
    return fault ? fault : (ssize_t)SYS_RESULT(recvmsg(fd, message, flags));
}

ssize_t th_sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    int fault = TH_FAULT(sendmsg);
    return fault ? fault : (ssize_t)SYS_RESULT(sendmsg(fd, message, flags));
}

int th_sys_getsockopt(int fd, int level, int option, int *value)
{
    int fault = TH_FAULT(getsockopt);
    socklen_t length = sizeof *value;
    return fault ? fault : (int)SYS_RESULT(getsockopt(fd, level, option, value, &length));
}

int64_t th_sys_peer_user(int fd)
{
    int fault = TH_FAULT(getsockopt);
    struct ucred peer;
    socklen_t length = sizeof peer;
    long code = fault ? fault : SYS_RESULT(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length));
    return code < 0 ? code : (int64_t)peer.uid;
}

int th_sys_setsockopt(int fd, int level, int option, int value)
{
    int fault = TH_FAULT(setsockopt);
    return fault ? fault : (int)SYS_RESULT(setsockopt(fd, level, option, &value, sizeof value));
}

int th_sys_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    int fault = TH_FAULT(getsockname);
    return fault ? fault : (int)SYS_RESULT(getsockname(fd, address, length));
}

int th_sys_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    int fault = TH_FAULT(getpeername);
    return fault ? fault : (int)SYS_RESULT(getpeername(fd, address, length));
}

/* ---- Names ---- */

int th_sys_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int fault = TH_FAULT(getaddrinfo);
    if (fault)
        return fault;
    int errno_before = errno;
    int outcome = getaddrinfo(host, service, hints, found);
    int system = errno;
    errno = errno_before;
    switch (outcome) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_FAIL:
        return -EIO;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return system != 0 ? -system : -EIO;
    default:
        return -EINVAL;
    }
}

void th_sys_freeaddrinfo(struct addrinfo *found)
{
    if (found != NULL)
        freeaddrinfo(found);
}
