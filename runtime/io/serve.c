/* Serving: a task for each connection, so many at a time. */
#include <thrum/net.h>
#include <thrum/time.h>

#include "base/lock.h"
#include "base/sys.h"
#include "io/connection.h"
#include "io/poller.h"
#include "task/await.h"
#include "task/waiting.h"

#include <errno.h>

enum {
    CONNECTIONS_MOST = 10000,
    /* Out of file descriptors: others have to close some, so trying at once again would only spin. */
    BACK_OFF_FIRST_NS = 5000000,
    BACK_OFF_MOST_NS = 1000000000,
};

/* Key: c constant, l the lock. */
struct service {
    thrum_handler handler; /* c */
    void *arg;             /* c */
    unsigned most;         /* c */
    struct th_lock lock;
    unsigned open;              /* l */
    struct th_waiter *acceptor; /* l: waits until there is room */
};

struct served {
    struct service *service;
    int fd;
};

static void leave_room(struct service *service)
{
    th_lock_take(&service->lock);
    service->open--;
    if (service->acceptor != NULL) {
        (void)th_await_wake(service->acceptor, TH_WAKE_PLAIN);
        service->acceptor = NULL;
    }
    th_lock_leave(&service->lock);
}

static bool take_room(struct service *service, struct th_waiter *waiter)
{
    th_lock_take(&service->lock);
    bool is_room = service->open < service->most;
    if (is_room)
        service->open++;
    else
        service->acceptor = waiter;
    th_lock_leave(&service->lock);
    return is_room;
}

static const struct th_wait_kind room_wait = {.name = "room for one more connection, in the service"};

static int wait_for_room(struct service *service)
{
    for (;;) {
        struct th_waiter waiter;
        int code = th_await_begin(&waiter);
        if (code < 0)
            return code;
        if (take_room(service, &waiter)) {
            th_await_abandon(&waiter);
            return 0;
        }
        th_waiting_begin(&room_wait, service);
        code = th_await(&waiter, TH_SYS_FOREVER);
        th_waiting_end();
        th_lock_take(&service->lock);
        service->acceptor = NULL;
        th_lock_leave(&service->lock);
        if (code < 0)
            return code;
    }
}

static int serve_one(void *arg)
{
    const struct served *served = arg;
    struct service *service = served->service;
    (void)service->handler(served->fd, service->arg);
    (void)thrum_close(served->fd);
    leave_room(service);
    return 0;
}

/* What passes when others have closed something, or given memory back. */
static bool is_shortage(int code)
{
    return code == -EMFILE || code == -ENFILE || code == -ENOBUFS || code == -ENOMEM;
}

/* Of one connection the network has told a failure: the listener is as good as before. */
static bool is_the_peers(int code)
{
    return code == -ENETDOWN || code == -ENOPROTOOPT || code == -EHOSTDOWN || code == -ENONET ||
           code == -EHOSTUNREACH || code == -EOPNOTSUPP || code == -ENETUNREACH || code == -EPERM;
}

/* The next connection, in a task of its own; room was taken for it. */
static int accept_one(struct service *service, thrum_group *group, int listener)
{
    struct served served = {.service = service, .fd = th_connection_accept(listener, SOCK_NONBLOCK)};
    if (served.fd < 0)
        return served.fd;
    int code = thrum_spawn_copy(group, serve_one, &served, sizeof served);
    if (code < 0)
        (void)thrum_close(served.fd);
    return code;
}

static int accept_all(struct service *service, thrum_group *group, int listener)
{
    int64_t pause = BACK_OFF_FIRST_NS;
    for (;;) {
        int code = wait_for_room(service);
        if (code < 0)
            return code;
        code = accept_one(service, group, listener);
        if (code < 0)
            leave_room(service);
        if (code == 0) {
            pause = BACK_OFF_FIRST_NS;
        } else if (is_shortage(code)) {
            code = thrum_sleep(pause);
            pause = pause * 2 < BACK_OFF_MOST_NS ? pause * 2 : BACK_OFF_MOST_NS;
        } else if (is_the_peers(code)) {
            code = 0;
        }
        if (code < 0)
            return code;
    }
}

int thrum_serve_with(int listener, const thrum_serve_options *options, thrum_handler handler, void *arg)
{
    struct service service = {.handler = handler, .arg = arg, .most = CONNECTIONS_MOST};
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    struct th_task *self = th_task_self();
    struct th_poller *poller;
    if (self == NULL)
        return -EPERM;
    if (options != NULL && options->connections != 0)
        service.most = options->connections;
    /* Before the connections have taken all file descriptors there are: without it none of them could wait. */
    int code = th_poller_of(self->runtime, &poller);
    if (code == 0)
        code = accept_all(&service, &group, listener);
    (void)thrum_group_wait(&group);
    if (code != -EBADF)
        (void)thrum_close(listener);
    return code;
}

int thrum_serve(int listener, thrum_handler handler, void *arg)
{
    return thrum_serve_with(listener, NULL, handler, arg);
}
