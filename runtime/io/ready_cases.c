#include "io/ready_cases.h"

#include <thrum/io.h>

#include "base/sys_io.h"

#include <errno.h>

/* In the case while it is enlisted. */
struct listed {
    struct th_io_node node;
    struct th_descriptor *descriptor; /* NULL: not enlisted */
};

static struct listed *listed_of(thrum_case *which)
{
    _Static_assert(sizeof(struct listed) <= sizeof which->node_, "the node is in the case");
    return (struct listed *)(void *)which->node_;
}

static int fd_of(const thrum_case *which)
{
    return (int)which->time_;
}

static enum th_direction direction_of(const thrum_case *which)
{
    return which->kind_ == THRUM_CASE_WRITABLE_ ? TH_WRITING : TH_READING;
}

/* What poll says, 0: not ready. */
static int look(int fd, enum th_direction direction)
{
    struct pollfd look = {.fd = fd, .events = direction == TH_READING ? POLLIN | POLLRDHUP : POLLOUT};
    int code;
    do {
        code = th_sys_poll(&look, 1, 0);
    } while (code == -EINTR);
    return code <= 0 ? code : look.revents;
}

bool th_fd_is_ready(int fd, enum th_direction direction)
{
    return look(fd, direction) != 0;
}

static int result_of(int looked)
{
    return looked < 0 ? looked : (looked & POLLNVAL) != 0 ? -EBADF : 0;
}

/* Lists the node, unless there is no need to wait: 1 then, and the result is set. */
static int list(thrum_case *which, int fd, struct listed *listed)
{
    enum th_direction direction = direction_of(which);
    for (;;) {
        uint32_t seen = th_descriptor_events(listed->descriptor, direction);
        int looked = look(fd, direction);
        if (looked != 0) {
            which->result = result_of(looked);
            return 1;
        }
        int code = th_descriptor_list(listed->descriptor, fd, direction, seen, &listed->node);
        if (code <= 0) {
            which->result = code;
            return code < 0;
        }
    }
}

/* Nothing to wait for: the case takes effect, if its wait is not another's by now. */
static enum th_enlisted take_now(struct th_waiter *waiter, uint32_t reason)
{
    return th_await_wake(waiter, reason) ? TH_CASE_TAKEN : TH_CASE_LOST;
}

enum th_enlisted th_fd_enlist(thrum_case *which, int fd, struct th_waiter *waiter, uint32_t reason)
{
    struct listed *listed = listed_of(which);
    *listed = (struct listed){.node = {.waiter = waiter, .reason = reason}};
    if (fd < 0)
        return TH_CASE_LISTED;
    which->result = waiter->task != NULL ? th_descriptor_acquire(fd, &listed->descriptor) : -EPERM;
    if (which->result < 0)
        return take_now(waiter, reason);
    if (list(which, fd, listed) == 0)
        return TH_CASE_LISTED;
    (void)th_descriptor_release(listed->descriptor, fd);
    listed->descriptor = NULL;
    return take_now(waiter, reason);
}

void th_fd_delist(thrum_case *which, int fd)
{
    struct listed *listed = listed_of(which);
    if (listed->descriptor == NULL)
        return;
    th_descriptor_unlist(listed->descriptor, direction_of(which), &listed->node);
    (void)th_descriptor_release(listed->descriptor, fd);
    listed->descriptor = NULL;
}

/* ---- THRUM_READABLE, THRUM_WRITABLE ---- */

static bool fd_is_ready(const thrum_case *which)
{
    return fd_of(which) >= 0 && th_fd_is_ready(fd_of(which), direction_of(which));
}

static bool fd_take(thrum_case *which)
{
    int looked = look(fd_of(which), direction_of(which));
    which->result = result_of(looked);
    return looked != 0;
}

static enum th_enlisted fd_enlist(thrum_case *which, struct th_waiter *waiter, uint32_t reason)
{
    return th_fd_enlist(which, fd_of(which), waiter, reason);
}

static void fd_delist(thrum_case *which)
{
    th_fd_delist(which, fd_of(which));
}

/* An event came, or a close: one that is still going on is not seen by a look at the number. */
static void fd_finish(thrum_case *which)
{
    bool is_closing = th_descriptor_is_closing(listed_of(which)->descriptor);
    which->result = is_closing ? -EBADF : result_of(look(fd_of(which), direction_of(which)));
    fd_delist(which);
}

static thrum_case make(enum thrum_case_kind_ which, int fd)
{
    static const struct th_case_kind kind = {fd_is_ready, fd_take, fd_enlist, fd_finish, fd_delist};
    th_case_add_kind(which, &kind);
    return thrum_case_make_(which, NULL, NULL, fd);
}

thrum_case thrum_readable(int fd)
{
    return make(THRUM_CASE_READABLE_, fd);
}

thrum_case thrum_writable(int fd)
{
    return make(THRUM_CASE_WRITABLE_, fd);
}
