#include "io/transfer.h"

#include "base/sys_io.h"
#include "io/simulated.h"

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

int th_io_kind(const struct th_io *io)
{
    if (io->descriptor == NULL)
        return find_kind(io->fd);
    int kind = (int)th_atomic32_load_relaxed(&io->descriptor->kind);
    if (TH_LIKELY(kind != TH_KIND_UNKNOWN))
        return kind;
    kind = find_kind(io->fd);
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

/* Whether the calling task's scopes let it go on: 0 or -errno. */
static int look_at_scopes(void)
{
    struct th_waiter waiter;
    int code = th_await_begin(&waiter);
    if (code == 0)
        th_await_abandon(&waiter);
    return code;
}

static ssize_t try_until_done(struct th_io *io, th_trial *trial, void *args)
{
    ssize_t result;
    for (;;) {
        io->seen = th_descriptor_events(io->descriptor, io->direction);
        result = (io->seen & TH_DRAINED) != 0 ? -EAGAIN : trial(io, args);
        int code = 0;
        if (result == -EAGAIN)
            code = th_descriptor_wait(io->descriptor, io->fd, io->direction, io->seen);
        else if (result == -EINTR)
            code = look_at_scopes();
        else
            return result;
        if (code < 0)
            return code;
    }
}

ssize_t th_transfer(int fd, enum th_direction direction, th_trial *trial, void *args)
{
    if (th_task_self() == NULL)
        return transfer_in_thread(fd, direction, trial, args);
    th_point();
    int code = look_at_scopes();
    struct th_io io = {.fd = fd, .direction = direction};
    if (code == 0)
        code = th_descriptor_acquire(fd, &io.descriptor);
    if (code < 0)
        return code;
    ssize_t result = try_until_done(&io, trial, args);
    if (TH_UNLIKELY(result == 0 || result == -EPIPE) && th_sim_is_on())
        result = th_sim_end_of(fd, result);
    th_descriptor_release(io.descriptor, fd);
    th_point();
    return result;
}
