/*
 * Descriptors: what the library knows of each file descriptor, by its number, and who waits for it.
 *
 * A record belongs to a number for ever: its memory is never given back (type-stable), and a generation tells one owner
 * of the number from the next. The cookie of an event is {generation, number}; one of an earlier generation is dropped.
 *
 * Tasks come here around each call on a file descriptor: acquire, try the call, wait, try again, release. Workers come
 * here with events (th_descriptor_ready); any thread closes.
 *
 * Readiness is remembered as a count of events for each direction, not as a flag that somebody could clear too late:
 *
 *   a task      looks at the count, tries the call, finds nothing, and waits only if the count is still what it was
 *   an event    counts up, and wakes all that wait for its direction
 *
 *   word of a direction = events : 30, hung : 1, drained : 1
 *   drained is set by a reader that got less than it asked for: there is nothing more, and the next read waits without
 *   asking the kernel. The next event clears it. With `hung` (the end, an error, urgent data) it is not set any more.
 *
 * Closing goes through `users`: 2 for each call under way, 1 while closing.
 *
 *   who                     from           to               then
 *   a call                  0, 2, ...      + 2              tries, waits, ...
 *   a call                  closing        (as it was)      -EBADF
 *   th_descriptor_close     not closing    + 2 + 1          wakes all, releases
 *   a release               3              0                takes it out of the poller, closes the number
 *   a release               other          - 2
 *
 * Invariant: the number is closed by the last user, so no call that has begun ever meets the number's next owner. (A
 * second close that comes when the first is through is the program's mistake, here as with the kernel.)
 *
 * Foreign code may call plain close(), and the number come back as another file: the record then believes in a
 * registration that is gone. Numbers that the library itself gets from the kernel are made new (th_descriptor_adopt);
 * for the others each wait that lasts is registered once more after a second or two (th_descriptor_sweep). A waiter
 * whose number has been closed meanwhile gets -EBADF then.
 *
 *   [IO1] release count of events -> acquire count: who has seen the event's count finds in the kernel what caused it
 *   [IO2] release of a user's leave -> acquire of the last: calls are over before the number is closed
 *   [IO3] release chunk -> acquire chunk: its records are zero
 *
 * Rejected: a flag "ready" that the reader clears before it tries (one more locked instruction for each call, the same
 * wakes); waking one waiter at a time (a waiter that was woken and then cancelled would have to pass it on); fstat
 * before each wait to notice a foreign close (some 200 ns of a 3 us echo).
 *
 * Explored by tests/model (model_descriptor).
 *
 * Key: c constant, a atomic, l the record's lock.
 */
#ifndef TH_IO_DESCRIPTOR_H
#define TH_IO_DESCRIPTOR_H

#include "base/lock.h"
#include "io/poller.h"
#include "task/await.h"

#include <errno.h>

enum th_direction { TH_READING, TH_WRITING };

enum th_kind {
    TH_KIND_UNKNOWN,
    TH_KIND_OPENED, /* by path: nobody has asked what it is, likely a file */
    TH_KIND_TCP,    /* a short read means that there is nothing more */
    TH_KIND_SOCKET, /* any other */
    TH_KIND_PIPE,   /* pipes, terminals, eventfds: no MSG_DONTWAIT, but RWF_NOWAIT perhaps */
    TH_KIND_OTHER,  /* the same without it: looked at by poll first */
    TH_KIND_FILE,   /* cannot be waited for */
};

struct th_io_node {
    struct th_io_node *prev, *next; /* l */
    struct th_waiter *waiter;       /* c: on the stack of whoever waits, like the node */
    uint32_t reason;                /* c: what the waiter is woken with; 0: whatever happens */
    bool is_listed;                 /* l; its owner reads it after a wake, which came from under the lock */
};

/* On a line of its own: its neighbours' tasks run on other workers. */
struct th_descriptor {
    struct th_lock lock TH_ALIGNED(TH_CACHE_LINE);
    th_atomic32 users;             /* a */
    th_atomic32 events[2];         /* a: written by events under l */
    uint32_t generation;           /* l */
    uint32_t poller_id;            /* l: where it was added last; 0: nowhere */
    th_atomic32 waits;             /* a: nodes in the lists, written under l; a hint for the sweep */
    th_atomic32 kind;              /* a: enum th_kind, relaxed: found out again where it proves wrong */
    struct th_io_node *waiting[2]; /* l */
    uint32_t sweeps;               /* l: that the waits here have lasted through; 2: registered once more */
};

enum { TH_DRAINED = 1, TH_EVENT_HUNG = 2, TH_EVENT = 4, TH_CLOSING = 1, TH_USER = 2 };

/* Numbers go up to what /proc/sys/fs/nr_open says, a million if nobody changed it; the table is touched as far as it is
 * used. */
enum { TH_DESCRIPTOR_CHUNK = TH_SHRUNK(1024, 4), TH_DESCRIPTOR_CHUNKS = TH_SHRUNK(65536, 2) };

extern th_atomicptr th_descriptor_chunks[TH_DESCRIPTOR_CHUNKS];

TH_INLINE bool th_descriptor_is_number(int fd)
{
    return (uint32_t)fd < TH_DESCRIPTOR_CHUNK * TH_DESCRIPTOR_CHUNKS;
}

/* The record of a number; NULL: not made yet. */
TH_INLINE struct th_descriptor *th_descriptor_find(int fd)
{
    uint32_t number = (uint32_t)fd;
    struct th_descriptor *chunk =
        th_atomicptr_load_acquire(&th_descriptor_chunks[number / TH_DESCRIPTOR_CHUNK]); /* [IO3] */
    return chunk != NULL ? &chunk[number % TH_DESCRIPTOR_CHUNK] : NULL;
}

/* The same, made if need be; NULL: no memory. */
struct th_descriptor *th_descriptor_make(int fd);

/* A call begins. 0; -EBADF: no number, or closing; -ENOMEM. Never switches. */
TH_INLINE int th_descriptor_acquire(int fd, struct th_descriptor **descriptor)
{
    if (TH_UNLIKELY(!th_descriptor_is_number(fd)))
        return -EBADF;
    struct th_descriptor *found = th_descriptor_find(fd);
    if (TH_UNLIKELY(found == NULL) && (found = th_descriptor_make(fd)) == NULL)
        return -ENOMEM;
    uint32_t users = th_atomic32_load_relaxed(&found->users);
    do {
        if (TH_UNLIKELY((users & TH_CLOSING) != 0))
            return -EBADF;
    } while (!th_atomic32_cas_relaxed(&found->users, &users, users + TH_USER));
    *descriptor = found;
    return 0;
}

/* The last call on a closing number has ended: 0, or close's result. */
int th_descriptor_close_number(struct th_descriptor *descriptor, int fd);

/* A call has ended; closes the number if it was the last of a closing one. */
TH_INLINE int th_descriptor_release(struct th_descriptor *descriptor, int fd)
{
    uint32_t before = th_atomic32_sub_acqrel(&descriptor->users, TH_USER); /* [IO2] */
    return TH_UNLIKELY(before == TH_USER + TH_CLOSING) ? th_descriptor_close_number(descriptor, fd) : 0;
}

/* Asked by who has acquired it. */
TH_INLINE bool th_descriptor_is_closing(const struct th_descriptor *descriptor)
{
    return (th_atomic32_load_relaxed(&descriptor->users) & TH_CLOSING) != 0;
}

/* The count of events, to be taken before a call is tried. */
TH_INLINE uint32_t th_descriptor_events(const struct th_descriptor *descriptor, enum th_direction direction)
{
    return th_atomic32_load_acquire(&descriptor->events[direction]); /* [IO1] */
}

/* Everything was read, as far as the events tell that the caller had seen before it read. */
TH_INLINE void th_descriptor_drained(struct th_descriptor *descriptor, uint32_t seen)
{
    if ((seen & (TH_EVENT_HUNG | TH_DRAINED)) == 0)
        (void)th_atomic32_cas_relaxed(&descriptor->events[TH_READING], &seen, seen | TH_DRAINED);
}

/* Waits until more events have come than the caller had seen: 0, or -EBADF (closed), -ECANCELED, -ETIMEDOUT, and what
 * th_backend_add returns. Switches. */
int th_descriptor_wait(struct th_descriptor *descriptor, int fd, enum th_direction direction, uint32_t seen);

/* The parts of it, for who waits for several: a wait has begun, the node is listed; 1 if there is no need to wait. */
int th_descriptor_list(struct th_descriptor *descriptor, int fd, enum th_direction direction, uint32_t seen,
                       struct th_io_node *node);
void th_descriptor_unlist(struct th_descriptor *descriptor, enum th_direction direction, struct th_io_node *node);

/* An event has come: appends whoever is to be made ready. */
void th_descriptor_ready(const struct th_event *event, struct th_ready *ready);

/* Wakes all who wait, with -EBADF; the number is closed when the last call on it has ended. 0, or close's result. */
int th_descriptor_close(int fd);

/* The kernel has just given this number to us: whatever was known of it is over. */
void th_descriptor_adopt(int fd, enum th_kind kind);

/* Registers waits of a runtime that have lasted through two sweeps once more; true if another sweep is needed. */
bool th_descriptor_sweep(struct th_poller *poller, struct th_ready *ready);

#endif
