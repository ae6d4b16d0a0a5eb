/*
 * Reading and writing file descriptors: the calls of POSIX on ordinary ints, except that they return -errno, and that
 * only the calling task waits, never its worker.
 *
 * Any file descriptor will do, with or without O_NONBLOCK, and its flags stay as they are. What can be waited for
 * (sockets, pipes, terminals, eventfds, ...) is; a call on what cannot (a file on a disk) is made in place.
 *
 * A cancelled task's calls return -ECANCELED, those of one whose deadline has passed -ETIMEDOUT. What a call has done
 * it reports first: the next one reports the cancel. Outside of tasks the calls block the calling thread.
 *
 * SIGPIPE is ignored from the first call on, unless the program has a handler of its own: a peer that is gone is
 * -EPIPE.
 */
#ifndef THRUM_IO_H
#define THRUM_IO_H

#include <poll.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <thrum/select.h>
#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads or writes what can be had now, waiting for the first byte: how many bytes, 0 at the end. May switch, may be
 * cancelled. */
THRUM_API ssize_t thrum_read(int fd, void *to, size_t bytes);
THRUM_API ssize_t thrum_write(int fd, const void *from, size_t bytes);
THRUM_API ssize_t thrum_readv(int fd, const struct iovec *parts, int count);
THRUM_API ssize_t thrum_writev(int fd, const struct iovec *parts, int count);

/* The same at a place of a file, whose own position stays. */
THRUM_API ssize_t thrum_pread(int fd, void *to, size_t bytes, int64_t offset);
THRUM_API ssize_t thrum_pwrite(int fd, const void *from, size_t bytes, int64_t offset);

/*
 * Reads or writes all. How many bytes: fewer than asked for only at the end, or where an error, a cancel or a deadline
 * came between; the next call reports that. -errno if nothing was moved. May switch, may be cancelled.
 */
THRUM_API ssize_t thrum_read_full(int fd, void *to, size_t bytes);
THRUM_API ssize_t thrum_write_all(int fd, const void *from, size_t bytes);

/* Sends from a file (offset NULL: from its position on, else from *offset, which goes on) to a socket or pipe: how many
 * bytes, 0 at the file's end. May switch, may be cancelled. */
THRUM_API ssize_t thrum_sendfile(int to, int from, int64_t *offset, size_t bytes);

/* Moves bytes without copying them; one of the two must be a pipe. How many, 0 at the end. May switch, may be
 * cancelled. */
THRUM_API ssize_t thrum_splice(int from, int to, size_t bytes);

/*
 * Waits until one of several file descriptors is ready, at most for a span (THRUM_FOREVER: without end; 0: just looks):
 * how many are, each with its revents; 0 when the time is over. May switch, may be cancelled.
 */
THRUM_API int thrum_poll(struct pollfd *fds, size_t count, thrum_time span);

/*
 * Cases of a select (thrum/select.h): a file descriptor can be read from, or written to, without waiting; so it can at
 * its end, or after an error. A hint, as poll's: another task may be quicker. The case's result is 0, or -EBADF if it
 * is closed; a negative number never is ready. Outside of tasks only what is ready at once takes effect, else -EPERM.
 */
#define THRUM_READABLE(fd) thrum_readable(fd)
#define THRUM_WRITABLE(fd) thrum_writable(fd)
/* What the macros are made of. Never switch. */
THRUM_API thrum_case thrum_readable(int fd);
THRUM_API thrum_case thrum_writable(int fd);

/*
 * Closes. Tasks that wait for this fd go on with -EBADF, and so does every later call on it; the number itself goes
 * back to the kernel when the last call on it has ended. 0, -EBADF, or what close(2) says. Never switches, never
 * cancelled.
 */
THRUM_API int thrum_close(int fd);

/* Another number for the same open file, closed on exec. It, or -errno. Never switches. */
THRUM_API THRUM_CHECKED int thrum_dup(int fd);

#ifdef __cplusplus
}
#endif
#endif
