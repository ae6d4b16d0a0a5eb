/*
 * A backend: how the kernel is asked which file descriptors are ready. One file implements this; today it is epoll.c.
 *
 * Any thread may call anything but open and close; th_backend_wait may run on several threads at once. A cookie comes
 * back with each event of the file descriptor it was added with; what it means is the caller's business.
 *
 * An added file descriptor tells of *changes*: what was ready when it was added comes once, and then each time that
 * something new arrives (edges). The addition ends when the file is closed for good, and only then by itself.
 */
#ifndef TH_IO_BACKEND_H
#define TH_IO_BACKEND_H

#include "base/compiler.h"

#include <stdbool.h>

struct th_backend {
    int set;
    int alarm;
};

enum {
    TH_READABLE = 1, /* data, a connection, the end, or an error */
    TH_WRITABLE = 2, /* room, a connection that is made, or an error */
    TH_HUNG = 4,     /* the end or an error stands behind the data: an empty read proves nothing */
};

struct th_event {
    uint64_t cookie;
    uint32_t what;
};

/* The cookie of an interruption. */
#define TH_ALARM UINT64_MAX

int th_backend_open(struct th_backend *backend);
void th_backend_close(struct th_backend *backend);

/* 0; -EPERM: what cannot be waited for, being always ready; -EBADF, -ENOMEM, -ENOSPC. Added again it tells anew. */
int th_backend_add(struct th_backend *backend, int fd, uint64_t cookie);
void th_backend_remove(struct th_backend *backend, int fd);

/* Waits for a span of nanoseconds (0: looks only; TH_SYS_FOREVER). How many events, 0 also after a signal. */
int th_backend_wait(struct th_backend *backend, struct th_event *events, int most, int64_t span);

/* Ends a wait of one caller, now or the next, by an event with TH_ALARM; it comes to everybody who waits or looks until
 * it is silenced. */
void th_backend_interrupt(struct th_backend *backend);
void th_backend_silence(struct th_backend *backend);

#endif
