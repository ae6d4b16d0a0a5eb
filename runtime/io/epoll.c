#include "io/backend.h"

#include "base/sys_io.h"

#include <errno.h>

/* Both directions at once, so that a file descriptor is added once in its life. */
enum { EVERYTHING = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP };

static int control(struct th_backend *backend, int operation, int fd, uint64_t cookie, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = cookie};
    return th_sys_epoll_ctl(backend->set, operation, fd, &event);
}

int th_backend_open(struct th_backend *backend)
{
    backend->set = th_sys_epoll_create();
    if (backend->set < 0)
        return backend->set;
    backend->alarm = th_sys_eventfd();
    int code = backend->alarm;
    if (code >= 0) {
        /* By level: whoever only looks may come first, and the one who waits must see it still. */
        code = control(backend, EPOLL_CTL_ADD, backend->alarm, TH_ALARM, EPOLLIN);
        if (code < 0)
            (void)th_sys_close(backend->alarm);
    }
    if (code < 0)
        (void)th_sys_close(backend->set);
    return code;
}

void th_backend_close(struct th_backend *backend)
{
    (void)th_sys_close(backend->alarm);
    (void)th_sys_close(backend->set);
}

int th_backend_add(struct th_backend *backend, int fd, uint64_t cookie)
{
    uint32_t events = EVERYTHING | (uint32_t)EPOLLET;
    int code = control(backend, EPOLL_CTL_ADD, fd, cookie, events);
    /* The same file under the same number, closed and come back by a dup: it has another cookie now. */
    return code == -EEXIST ? control(backend, EPOLL_CTL_MOD, fd, cookie, events) : code;
}

void th_backend_remove(struct th_backend *backend, int fd)
{
    (void)control(backend, EPOLL_CTL_DEL, fd, 0, 0);
}

static uint32_t meaning(uint32_t events)
{
    uint32_t what = 0;
    if ((events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        what |= TH_READABLE;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        what |= TH_WRITABLE;
    if ((events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        what |= TH_HUNG;
    return what;
}

int th_backend_wait(struct th_backend *backend, struct th_event *events, int most, int64_t span)
{
    enum { BATCH = 32, TRIES_MOST = 32 };
    struct epoll_event told[BATCH];
    int count, tries = 0;
    /* Who only looks has to know; who waits will ask again. */
    do {
        count = th_sys_epoll_wait(backend->set, told, most < BATCH ? most : BATCH, span);
    } while (count == -EINTR && span == 0 && ++tries < TRIES_MOST);
    for (int i = 0; i < count; i++)
        events[i] = (struct th_event){.cookie = told[i].data.u64, .what = meaning(told[i].events)};
    return count > 0 ? count : 0;
}

void th_backend_interrupt(struct th_backend *backend)
{
    uint64_t one = 1;
    (void)th_sys_write(backend->alarm, &one, sizeof one);
}

void th_backend_silence(struct th_backend *backend)
{
    uint64_t rings;
    (void)th_sys_read(backend->alarm, &rings, sizeof rings);
}
