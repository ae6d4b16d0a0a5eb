#include "io/transfer.h"

#include "base/sys_io.h"
#include "io/simulated.h"
#include "task/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>

/* ---- What it is ---- */

static int kind_of_socket(int fd)
{
    int protocol = 0;
    int code = th_sys_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol);
    if (code < 0)
        return code;
    return protocol == IPPROTO_TCP ? TH_KIND_TCP : TH_KIND_SOCKET;
}

static int find_kind(int fd)
{
    struct stat about;
    int code = th_sys_fstat(fd, &about);
    if (code < 0)
        return code;
    switch (about.st_mode & S_IFMT) {
    case S_IFSOCK:
        return kind_of_socket(fd);
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK:
        return TH_KIND_FILE;
    default:
        return TH_KIND_PIPE;
    }
}

int th_io_find_kind(const struct th_io *io)
{
    int kind = find_kind(io->fd);
    if (io->descriptor == NULL)
        return kind;
    /* Files are not remembered: they are opened and closed by anybody, and where a pipe was taken for one the worker
     * would be held up. */
    if (kind > TH_KIND_UNKNOWN && kind != TH_KIND_FILE)
        th_atomic32_store_relaxed(&io->descriptor->kind, (uint32_t)kind);
    return kind;
}

ssize_t th_io_mistook(const struct th_io *io, enum th_kind kind)
{
    if (io->descriptor != NULL)
        th_atomic32_store_relaxed(&io->descriptor->kind, (uint32_t)kind);
    return -EINTR;
}

bool th_io_would_wait(const struct th_io *io)
{
    if (io->descriptor == NULL)
        return false;
    struct pollfd look = {.fd = io->fd, .events = io->direction == TH_READING ? POLLIN : POLLOUT};
    int ready;
    /* A signal that came meanwhile says nothing, and the call would hold the worker up. */
    while ((ready = th_sys_poll(&look, 1, 0)) == -EINTR)
        continue;
    return ready == 0;
}

bool th_io_would_block(const struct th_io *io)
{
    if (io->descriptor == NULL)
        return false;
    int flags = th_sys_fcntl(io->fd, F_GETFL, 0);
    return flags >= 0 && (flags & O_NONBLOCK) == 0 && th_io_would_wait(io);
}

/* ---- Trying ---- */

/* Outside of tasks. */
static ssize_t transfer_in_thread(int fd, enum th_direction direction, th_trial *trial, void *args)
{
    struct th_io io = {.fd = fd, .direction = direction};
    struct pollfd wait = {.fd = fd, .events = direction == TH_READING ? POLLIN : POLLOUT};
    ssize_t result;
    for (;;) {
        result = trial(&io, args);
        if (result == -EAGAIN)
            (void)th_sys_poll(&wait, 1, TH_SYS_FOREVER);
        else if (result != -EINTR)
            return result;
    }
}

static ssize_t try_until_done(struct th_task *self, struct th_io *io, th_trial *trial, void *args)
{
    uint32_t ends;
    ssize_t result;
    for (;;) {
        io->seen = th_descriptor_events(io->descriptor, io->direction);
        result = (io->seen & TH_DRAINED) != 0 ? -EAGAIN : trial(io, args);
        int code = 0;
        if (result == -EAGAIN)
            code = th_descriptor_wait(io->descriptor, io->fd, io->direction, io->seen);
        else if (result == -EINTR)
            code = th_scope_check(self, &ends);
        else
            return result;
        if (code < 0)
            return code;
    }
}

ssize_t th_transfer(int fd, enum th_direction direction, th_trial *trial, void *args)
{
    struct th_task *self = th_task_self();
    uint32_t ends;
    if (self == NULL)
        return transfer_in_thread(fd, direction, trial, args);
    th_point();
    int code = th_scope_check(self, &ends);
    struct th_io io = {.fd = fd, .direction = direction};
    if (code == 0)
        code = th_descriptor_acquire(fd, &io.descriptor);
    if (code < 0)
        return code;
    ssize_t result = try_until_done(self, &io, trial, args);
    if (TH_UNLIKELY(result == 0 || result == -EPIPE) && th_sim_is_on())
        result = th_sim_end_of(fd, result);
    (void)th_descriptor_release(io.descriptor, fd);
    th_point();
    return result;
}
