/* Waiting for several file descriptors at once. */
#include <thrum/io.h>

#include "base/sys_io.h"
#include "io/descriptor.h"
#include "task/waiting.h"

#include <errno.h>

/* One file descriptor, one direction that is asked for. */
struct poll_part {
    struct th_io_node node;
    struct pollfd *asked;
    struct th_descriptor *descriptor;
    int fd;
    enum th_direction direction;
    uint32_t seen;
};

static int64_t after(int64_t span)
{
    int64_t now = th_sys_now();
    return span > THRUM_FOREVER - now ? THRUM_FOREVER : now + span;
}

static bool is_asked(const struct pollfd *asked, int direction)
{
    if (direction == TH_WRITING)
        return (asked->events & POLLOUT) != 0;
    /* Nothing asked for: errors are, always. */
    return (asked->events & (POLLIN | POLLPRI | POLLRDHUP)) != 0 || asked->events == 0;
}

/* A part for each direction of each file descriptor, acquired. 0 or -errno; what is made is made. */
static int acquire_parts(struct poll_part *parts, struct pollfd *fds, size_t count, int *made)
{
    for (size_t i = 0; i < 2 * count; i++) {
        struct pollfd *asked = &fds[i / 2];
        struct poll_part *part = &parts[*made];
        *part = (struct poll_part){.asked = asked, .fd = asked->fd, .direction = (enum th_direction)(i % 2)};
        if (asked->fd < 0 || !is_asked(asked, (int)(i % 2)))
            continue;
        int code = th_descriptor_acquire(part->fd, &part->descriptor);
        if (code == -ENOMEM)
            return code;
        /* What is closed poll itself will tell. */
        *made += code == 0;
    }
    return 0;
}

static void release_parts(struct poll_part *parts, int count)
{
    for (int i = 0; i < count; i++)
        (void)th_descriptor_release(parts[i].descriptor, parts[i].fd);
}

/* Lists all parts, until one says that there is no need to wait: 0, 1, or -errno. */
static int list_parts(struct poll_part *parts, int count, struct th_waiter *waiter)
{
    for (int i = 0; i < count; i++) {
        struct poll_part *part = &parts[i];
        part->node = (struct th_io_node){.waiter = waiter};
        int code = th_descriptor_list(part->descriptor, part->fd, part->direction, part->seen, &part->node);
        if (code == -EBADF)
            part->asked->revents = POLLNVAL;
        /* What cannot be waited for is always ready: poll says so itself. */
        if (code != 0)
            return code == -EPERM ? 1 : code;
    }
    return 0;
}

static void unlist_parts(struct poll_part *parts, int count)
{
    for (int i = 0; i < count; i++)
        th_descriptor_unlist(parts[i].descriptor, parts[i].direction, &parts[i].node);
}

static const struct th_wait_kind poll_wait = {.name = "one of several file descriptors, asked at"};

/* Waits for the first event: 1, 0 when the time is over, -EBADF (a revents says which), or another -errno. */
static int wait_for_any(struct poll_part *parts, int count, int64_t until)
{
    struct th_waiter waiter;
    int code = th_await_begin(&waiter);
    if (code < 0)
        return code;
    for (int i = 0; i < count; i++)
        parts[i].node.is_listed = false;
    code = list_parts(parts, count, &waiter);
    if (code == 0) {
        th_waiting_begin(&poll_wait, parts);
        code = th_await(&waiter, until);
        th_waiting_end();
        unlist_parts(parts, count);
        return code == TH_WAKE_TIMER ? 0 : code < 0 ? code : 1;
    }
    /* Some may have told events by now; whom nobody can find any more, nobody wakes. */
    unlist_parts(parts, count);
    th_await_abandon(&waiter);
    return code;
}

/* A look that a signal interrupted says nothing: what is ready may have told its event long ago. */
static int look(struct pollfd *fds, size_t count)
{
    int ready;
    while ((ready = th_sys_poll(fds, count, 0)) == -EINTR)
        continue;
    return ready;
}

static int poll_parts(struct pollfd *fds, size_t count, struct poll_part *parts, int64_t until)
{
    int made = 0, code = acquire_parts(parts, fds, count, &made), ready = 0;
    while (code == 0) {
        for (int i = 0; i < made; i++)
            parts[i].seen = th_descriptor_events(parts[i].descriptor, parts[i].direction);
        ready = look(fds, count);
        if (ready != 0)
            break;
        code = wait_for_any(parts, made, until);
        ready = code == -EBADF;
        if (code == 1)
            code = 0;
        else
            code = code == 0 ? -ETIME : code;
    }
    release_parts(parts, made);
    return ready != 0 ? ready : code == -ETIME ? 0 : code;
}

static int poll_in_thread(struct pollfd *fds, size_t count, int64_t until)
{
    for (;;) {
        int64_t now = th_sys_now();
        int ready = th_sys_poll(fds, count, until == TH_SYS_FOREVER ? until : until > now ? until - now : 0);
        if (ready != -EINTR)
            return ready;
    }
}

int thrum_poll(struct pollfd *fds, size_t count, thrum_time span)
{
    enum { FEW = 4 };
    int64_t until = after(span);
    if (th_task_self() == NULL)
        return poll_in_thread(fds, count, until);
    if (span <= 0)
        return look(fds, count);
    struct poll_part some[2 * FEW], *parts = some;
    if (count > FEW)
        parts = th_sys_alloc(2 * count * sizeof *parts);
    if (parts == NULL)
        return -ENOMEM;
    int result = poll_parts(fds, count, parts, until);
    if (parts != some)
        th_sys_free(parts);
    return result;
}
