/*
 * The seam to the system, continued (base/sys.h): calls on file descriptors that belong to the program.
 *
 * Mirrors of the system calls by their names; >= 0 or -errno, errno itself untouched. Those that could hold a worker
 * have a form that does not: flags like MSG_DONTWAIT and RWF_NOWAIT, or a look by th_sys_poll before.
 */
#ifndef TH_BASE_SYS_IO_H
#define TH_BASE_SYS_IO_H

#include "base/sys.h"

#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* Readiness. A span of nanoseconds to wait; TH_SYS_FOREVER: without end. */
int th_sys_epoll_create(void);
int th_sys_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int th_sys_epoll_wait(int set, struct epoll_event *events, int most, int64_t span);
int th_sys_eventfd(void); /* not blocking, 0 at first */
int th_sys_poll(struct pollfd *fds, size_t count, int64_t span);

/* Any file descriptor. `flags` are RWF_NOWAIT and its like; without flags it is the plain call. */
ssize_t th_sys_readv(int fd, const struct iovec *to, int count, int flags);
ssize_t th_sys_writev(int fd, const struct iovec *from, int count, int flags);
ssize_t th_sys_pread(int fd, void *to, size_t bytes, int64_t offset);
ssize_t th_sys_pwrite(int fd, const void *from, size_t bytes, int64_t offset);
ssize_t th_sys_sendfile(int to, int from, int64_t *offset, size_t bytes);
ssize_t th_sys_splice(int from, int to, size_t bytes, unsigned flags);
int th_sys_fcntl(int fd, int command, int value);
int th_sys_fstat(int fd, struct stat *about);

/* Sockets. */
int th_sys_socket(int domain, int type, int protocol);
int th_sys_bind(int fd, const struct sockaddr *address, socklen_t length);
int th_sys_listen(int fd, int backlog);
int th_sys_accept(int fd, struct sockaddr *peer, socklen_t *length, int flags);
int th_sys_connect(int fd, const struct sockaddr *address, socklen_t length);
int th_sys_shutdown(int fd, int how);
ssize_t th_sys_recv(int fd, void *to, size_t bytes, int flags);
ssize_t th_sys_send(int fd, const void *from, size_t bytes, int flags);
ssize_t th_sys_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t th_sys_sendmsg(int fd, const struct msghdr *message, int flags);
int th_sys_getsockopt(int fd, int level, int option, int *value);
int th_sys_setsockopt(int fd, int level, int option, int value);
int th_sys_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int th_sys_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int64_t th_sys_peer_user(int fd); /* who has connected a unix socket, by his number; fails as getsockopt */

/* Names. Blocks, wants some 64 KiB of stack; the list is for th_sys_freeaddrinfo. -ENOENT: nobody knows the name;
 * -EAGAIN: no answer for now; -EIO: none for good; -EINVAL: such hints, or such a service. */
int th_sys_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found);
void th_sys_freeaddrinfo(struct addrinfo *found);

#endif
