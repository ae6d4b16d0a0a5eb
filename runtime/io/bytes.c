/* Reading and writing, whatever it is. */
#include <thrum/io.h>

#include "base/fault.h"
#include "base/sys_io.h"
#include "io/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

struct vector {
    const struct iovec *parts;
    int count;
};

static struct msghdr message_of(const struct vector *vector)
{
    return (struct msghdr){.msg_iov = (struct iovec *)vector->parts, .msg_iovlen = (size_t)vector->count};
}

/* What a kernel that knows no RWF_NOWAIT for this file says. */
static bool is_refusal(ssize_t result)
{
    return result == -EOPNOTSUPP || result == -ENOSYS || result == -EINVAL;
}

/* ---- Reading ---- */

static ssize_t receive(const struct th_io *io, const struct vector *vector)
{
    ssize_t got;
    if (TH_LIKELY(vector->count == 1)) {
        got = th_sys_recv(io->fd, vector->parts->iov_base, vector->parts->iov_len, th_io_nowait(io));
    } else {
        struct msghdr message = message_of(vector);
        got = th_sys_recvmsg(io->fd, &message, th_io_nowait(io));
    }
    return got == -ENOTSOCK ? th_io_mistook(io, TH_KIND_UNKNOWN) : got;
}

/* The kernel gives what there is: after less than was asked for there is no more, unless a fault has cut the call. */
static ssize_t receive_stream(const struct th_io *io, const struct vector *vector)
{
    ssize_t got = receive(io, vector);
    bool is_less = got > 0 && vector->count == 1 && (size_t)got < vector->parts->iov_len;
    if (is_less && io->descriptor != NULL && !th_fault_is_planned())
        th_descriptor_drained(io->descriptor, io->seen);
    return got;
}

static ssize_t read_pipe(const struct th_io *io, const struct vector *vector)
{
    bool is_task = io->descriptor != NULL;
    ssize_t got = th_sys_readv(io->fd, vector->parts, vector->count, is_task ? RWF_NOWAIT : 0);
    return is_task && is_refusal(got) ? th_io_mistook(io, TH_KIND_OTHER) : got;
}

/* A file in memory is read by one call and not asked first what it is. Where memory holds only a part of it the call
 * stops there, which no reader of a file expects. */
static ssize_t read_opened(const struct th_io *io, const struct iovec *part)
{
    ssize_t got = th_sys_readv(io->fd, part, 1, RWF_NOWAIT);
    if (got < 0 || (size_t)got == part->iov_len || th_io_find_kind(io) != TH_KIND_FILE)
        return got;
    struct iovec rest = {.iov_base = (char *)part->iov_base + got, .iov_len = part->iov_len - (size_t)got};
    ssize_t more = th_sys_readv(io->fd, &rest, 1, 0);
    return more > 0 ? got + more : got;
}

static ssize_t try_read(const struct th_io *io, void *args)
{
    const struct vector *vector = args;
    if (TH_UNLIKELY(th_io_was_opened(io)) && vector->count == 1) {
        ssize_t got = read_opened(io, vector->parts);
        if (got >= 0)
            return got;
    }
    switch (th_io_kind(io)) {
    case TH_KIND_TCP:
        return receive_stream(io, vector);
    case TH_KIND_SOCKET:
        return receive(io, vector);
    case TH_KIND_PIPE:
        return read_pipe(io, vector);
    case TH_KIND_OTHER:
        if (th_io_would_wait(io))
            return -EAGAIN;
        break;
    default:
        break;
    }
    return th_sys_readv(io->fd, vector->parts, vector->count, 0);
}

ssize_t thrum_readv(int fd, const struct iovec *parts, int count)
{
    struct vector vector = {.parts = parts, .count = count};
    return th_transfer(fd, TH_READING, try_read, &vector);
}

ssize_t thrum_read(int fd, void *to, size_t bytes)
{
    struct iovec part = {.iov_base = to, .iov_len = bytes};
    return thrum_readv(fd, &part, 1);
}

/* ---- Writing ---- */

static ssize_t transmit(const struct th_io *io, const struct vector *vector)
{
    int flags = th_io_nowait(io) | MSG_NOSIGNAL;
    ssize_t put;
    if (TH_LIKELY(vector->count == 1)) {
        put = th_sys_send(io->fd, vector->parts->iov_base, vector->parts->iov_len, flags);
    } else {
        struct msghdr message = message_of(vector);
        put = th_sys_sendmsg(io->fd, &message, flags);
    }
    return put == -ENOTSOCK ? th_io_mistook(io, TH_KIND_UNKNOWN) : put;
}

static ssize_t write_pipe(const struct th_io *io, const struct vector *vector)
{
    bool is_task = io->descriptor != NULL;
    ssize_t put = th_sys_writev(io->fd, vector->parts, vector->count, is_task ? RWF_NOWAIT : 0);
    return is_task && is_refusal(put) ? th_io_mistook(io, TH_KIND_OTHER) : put;
}

/* What says that it is writable takes as much without waiting; a pipe does, by its poll. */
static ssize_t write_a_little(const struct th_io *io, const struct vector *vector)
{
    if (io->descriptor == NULL)
        return th_sys_writev(io->fd, vector->parts, vector->count, 0);
    if (th_io_would_wait(io))
        return -EAGAIN;
    int first = 0;
    while (first < vector->count - 1 && vector->parts[first].iov_len == 0)
        first++;
    struct iovec part = vector->parts[first];
    part.iov_len = part.iov_len < PIPE_BUF ? part.iov_len : PIPE_BUF;
    return th_sys_writev(io->fd, &part, 1, 0);
}

static ssize_t try_write(const struct th_io *io, void *args)
{
    const struct vector *vector = args;
    switch (th_io_kind(io)) {
    case TH_KIND_TCP:
    case TH_KIND_SOCKET:
        return transmit(io, vector);
    case TH_KIND_PIPE:
        return write_pipe(io, vector);
    case TH_KIND_OTHER:
        return write_a_little(io, vector);
    default:
        return th_sys_writev(io->fd, vector->parts, vector->count, 0);
    }
}

ssize_t thrum_writev(int fd, const struct iovec *parts, int count)
{
    struct vector vector = {.parts = parts, .count = count};
    return th_transfer(fd, TH_WRITING, try_write, &vector);
}

ssize_t thrum_write(int fd, const void *from, size_t bytes)
{
    struct iovec part = {.iov_base = (void *)from, .iov_len = bytes};
    return thrum_writev(fd, &part, 1);
}

/* ---- All of it ---- */

ssize_t thrum_read_full(int fd, void *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = thrum_read(fd, (char *)to + done, bytes - done);
        if (got < 0 && done == 0)
            return got;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

ssize_t thrum_write_all(int fd, const void *from, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t put = thrum_write(fd, (const char *)from + done, bytes - done);
        if (put < 0 && done == 0)
            return put;
        if (put <= 0)
            break;
        done += (size_t)put;
    }
    return (ssize_t)done;
}

/* ---- At a place ---- */

struct place {
    char *bytes;
    size_t length;
    int64_t offset;
};

static ssize_t try_pread(const struct th_io *io, void *args)
{
    const struct place *place = args;
    return th_sys_pread(io->fd, place->bytes, place->length, place->offset);
}

static ssize_t try_pwrite(const struct th_io *io, void *args)
{
    const struct place *place = args;
    return th_sys_pwrite(io->fd, place->bytes, place->length, place->offset);
}

ssize_t thrum_pread(int fd, void *to, size_t bytes, int64_t offset)
{
    struct place place = {.bytes = to, .length = bytes, .offset = offset};
    return th_transfer(fd, TH_READING, try_pread, &place);
}

ssize_t thrum_pwrite(int fd, const void *from, size_t bytes, int64_t offset)
{
    struct place place = {.bytes = (char *)from, .length = bytes, .offset = offset};
    return th_transfer(fd, TH_WRITING, try_pwrite, &place);
}

/* ---- Without a copy ---- */

struct move {
    int other;
    int64_t *offset;
    size_t bytes;
};

/* As much as a writable socket that waits takes nearly always at once. */
enum { MOVE_MOST = 64 << 10 };

static ssize_t try_sendfile(const struct th_io *io, void *args)
{
    const struct move *move = args;
    size_t bytes = move->bytes;
    if (io->descriptor != NULL && (th_sys_fcntl(io->fd, F_GETFL, 0) & O_NONBLOCK) == 0) {
        if (th_io_would_wait(io))
            return -EAGAIN;
        bytes = bytes < MOVE_MOST ? bytes : MOVE_MOST;
    }
    return th_sys_sendfile(io->fd, move->other, move->offset, bytes);
}

ssize_t thrum_sendfile(int to, int from, int64_t *offset, size_t bytes)
{
    struct move move = {.other = from, .offset = offset, .bytes = bytes};
    return th_transfer(to, TH_WRITING, try_sendfile, &move);
}

/* Neither end waits in the call: it is made when a look says that both are ready, and moves little at once. */
static ssize_t splice_when_ready(int from, int to, size_t bytes)
{
    for (;;) {
        struct pollfd ends[2] = {{.fd = from, .events = POLLIN}, {.fd = to, .events = POLLOUT}};
        int code = th_sys_poll(ends, 2, 0);
        if (code >= 0 && ends[0].revents != 0 && ends[1].revents != 0) {
            ssize_t moved = th_sys_splice(from, to, bytes < MOVE_MOST ? bytes : MOVE_MOST, SPLICE_F_NONBLOCK);
            if (moved != -EAGAIN && moved != -EINTR)
                return moved;
        }
        struct pollfd *missing = &ends[ends[0].revents != 0];
        code = thrum_poll(missing, 1, THRUM_FOREVER);
        if (code < 0)
            return code;
        /* Closed: the look above sees nothing of it, for the number itself lives until this call has ended. */
        if ((missing->revents & POLLNVAL) != 0)
            return -EBADF;
    }
}

ssize_t thrum_splice(int from, int to, size_t bytes)
{
    struct th_descriptor *source, *sink;
    int code = th_descriptor_acquire(from, &source);
    if (code < 0)
        return code;
    ssize_t moved = th_descriptor_acquire(to, &sink);
    if (moved == 0) {
        moved = splice_when_ready(from, to, bytes);
        (void)th_descriptor_release(sink, to);
    }
    (void)th_descriptor_release(source, from);
    return moved;
}
