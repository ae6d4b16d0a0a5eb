/*
 * A call on a file descriptor, as all of them go: try it without waiting, wait until something has happened, try again.
 *
 * In a task by its descriptor (io/descriptor.h): the calling task waits, the worker does not. Outside of tasks the
 * thread waits, as it would in the call itself.
 *
 * Nobody's O_NONBLOCK is touched, for it belongs to the open file, which other processes may share: the trial itself is
 * made not to wait (MSG_DONTWAIT, RWF_NOWAIT), or comes after a look by poll.
 */
#ifndef TH_IO_TRANSFER_H
#define TH_IO_TRANSFER_H

#include "io/descriptor.h"

#include <sys/socket.h>

/* What a trial knows. In a thread's there is no descriptor, and it may wait. */
struct th_io {
    struct th_descriptor *descriptor;
    int fd;
    enum th_direction direction;
    uint32_t seen; /* events, as counted before the trial */
};

/* One trial: >= 0, or -errno; -EAGAIN: there is nothing to be had now; -EINTR: try again at once. */
typedef ssize_t th_trial(const struct th_io *io, void *args);

/* Tries until it is done: the trial's result; -EBADF (closed meanwhile), -ECANCELED, -ETIMEDOUT. May switch. */
ssize_t th_transfer(int fd, enum th_direction direction, th_trial *trial, void *args);

int th_io_find_kind(const struct th_io *io);

/* Likely a file: a guess, whose number may be another's by now. */
TH_INLINE bool th_io_was_opened(const struct th_io *io)
{
    return io->descriptor != NULL && th_atomic32_load_relaxed(&io->descriptor->kind) == TH_KIND_OPENED;
}

/* What kind of file it is; asks the kernel where that is not known yet. Negative: -errno. */
TH_INLINE int th_io_kind(const struct th_io *io)
{
    uint32_t kind = io->descriptor != NULL ? th_atomic32_load_relaxed(&io->descriptor->kind) : TH_KIND_UNKNOWN;
    return TH_LIKELY(kind > TH_KIND_OPENED) ? (int)kind : th_io_find_kind(io);
}

/* It is not what it was taken for: -EINTR, for another trial. */
ssize_t th_io_mistook(const struct th_io *io, enum th_kind kind);

/* A look says that the call would have to wait. False in threads, which may. */
bool th_io_would_wait(const struct th_io *io);
/* The same for calls that can be kept from waiting by the file's own flag only, which nobody may have set. */
bool th_io_would_block(const struct th_io *io);

/* The flag that keeps a call on a socket from waiting. */
TH_INLINE int th_io_nowait(const struct th_io *io)
{
    return io->descriptor != NULL ? MSG_DONTWAIT : 0;
}

#endif
