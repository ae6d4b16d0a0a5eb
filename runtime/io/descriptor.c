#include "io/descriptor.h"

#include "base/sys_io.h"
#include "task/waiting.h"

#include <errno.h>
#include <string.h>

th_atomicptr th_descriptor_chunks[TH_DESCRIPTOR_CHUNKS];
static th_atomic32 chunk_end; /* one more than the highest chunk there is */

/* ---- Records ---- */

/* A peer that has gone is a result, -EPIPE, not the end of the program. Sockets are told so with each call; for pipes
 * the signal itself must go, unless the program has its own idea. */
static void quiet_pipes(void)
{
    struct sigaction before, ignore = {.sa_handler = SIG_IGN};
    if (th_sys_sigaction(SIGPIPE, NULL, &before) == 0 && (before.sa_flags & SA_SIGINFO) == 0 &&
        before.sa_handler == SIG_DFL)
        (void)th_sys_sigaction(SIGPIPE, &ignore, NULL);
}

TH_COLD struct th_descriptor *th_descriptor_make(int fd)
{
    void *nobody = NULL;
    struct th_descriptor *chunk = th_sys_alloc_aligned(TH_CACHE_LINE, TH_DESCRIPTOR_CHUNK * sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    memset(chunk, 0, TH_DESCRIPTOR_CHUNK * sizeof *chunk);
    if (!th_atomicptr_cas_acqrel(&th_descriptor_chunks[fd / TH_DESCRIPTOR_CHUNK], &nobody, chunk)) /* [IO3] */
        th_sys_free(chunk);
    uint32_t end = th_atomic32_load_relaxed(&chunk_end), wanted = (uint32_t)(fd / TH_DESCRIPTOR_CHUNK) + 1;
    while (end < wanted && !th_atomic32_cas_relaxed(&chunk_end, &end, wanted))
        continue;
    quiet_pipes();
    return th_descriptor_find(fd);
}

static uint64_t cookie_of(const struct th_descriptor *descriptor, int fd)
{
    return (uint64_t)descriptor->generation << 32 | (uint32_t)fd;
}

/* ---- Who waits ---- */

/* Wakes all of one direction; lock held. */
static void wake_all(struct th_descriptor *descriptor, enum th_direction direction, uint32_t reason,
                     struct th_ready *ready)
{
    struct th_io_node *node = descriptor->waiting[direction];
    descriptor->waiting[direction] = NULL;
    while (node != NULL) {
        /* Who has been won is not touched any more. */
        struct th_io_node *next = node->next;
        struct th_task *task = node->waiter->task;
        node->is_listed = false;
        th_atomic32_store_relaxed(&descriptor->waits, th_atomic32_load_relaxed(&descriptor->waits) - 1);
        uint32_t told = node->reason != 0 ? node->reason : reason;
        if (th_wait_win(task, node->waiter->epoch, told) == TH_WAIT_ITS_WAKE) {
            *ready->end = task;
            ready->end = &task->next;
        }
        node = next;
    }
}

static void wake_everybody(struct th_descriptor *descriptor, uint32_t reason, struct th_ready *ready)
{
    wake_all(descriptor, TH_READING, reason, ready);
    wake_all(descriptor, TH_WRITING, reason, ready);
}

/* Makes ready, with no lock held, whoever was collected. */
static void make_ready(struct th_ready *ready)
{
    *ready->end = NULL;
    for (struct th_task *task = ready->first; task != NULL;) {
        struct th_task *next = task->next;
        th_worker_wake(task);
        task = next;
    }
}

/* More events than a reader has seen; lock held. */
static void count_event(struct th_descriptor *descriptor, enum th_direction direction, uint32_t hung)
{
    uint32_t events = th_atomic32_load_relaxed(&descriptor->events[direction]);
    events = (events & ~(uint32_t)TH_DRAINED) + TH_EVENT;
    th_atomic32_store_release(&descriptor->events[direction], events | hung); /* [IO1] */
}

void th_descriptor_ready(const struct th_event *event, struct th_ready *ready)
{
    struct th_descriptor *descriptor = th_descriptor_find((int)(uint32_t)event->cookie);
    uint32_t hung = (event->what & TH_HUNG) != 0 ? TH_EVENT_HUNG : 0;
    th_lock_take(&descriptor->lock);
    if (descriptor->generation == event->cookie >> 32 || TH_MUTANT(event_of_any_generation)) {
        if ((event->what & TH_READABLE) != 0) {
            count_event(descriptor, TH_READING, hung);
            wake_all(descriptor, TH_READING, TH_WAKE_PLAIN, ready);
        }
        if ((event->what & TH_WRITABLE) != 0) {
            count_event(descriptor, TH_WRITING, hung);
            wake_all(descriptor, TH_WRITING, TH_WAKE_PLAIN, ready);
        }
    }
    th_lock_leave(&descriptor->lock);
}

/* ---- Calls ---- */

/* Another owner of the number; lock held. */
static void begin_generation(struct th_descriptor *descriptor, enum th_kind kind)
{
    descriptor->generation++;
    descriptor->poller_id = 0;
    th_atomic32_store_relaxed(&descriptor->kind, kind);
    for (int i = 0; i < 2; i++) {
        uint32_t events = th_atomic32_load_relaxed(&descriptor->events[i]);
        events = (events & ~(uint32_t)(TH_DRAINED | TH_EVENT_HUNG)) + TH_EVENT;
        th_atomic32_store_release(&descriptor->events[i], events); /* [IO1] */
    }
}

/* Nobody uses it any more and nobody can: the number goes back to the kernel. The record is as new before that, for the
 * number's next owner may come at once. */
int th_descriptor_close_number(struct th_descriptor *descriptor, int fd)
{
    th_lock_take(&descriptor->lock);
    begin_generation(descriptor, TH_KIND_UNKNOWN);
    th_lock_leave(&descriptor->lock);
    (void)th_atomic32_sub_relaxed(&descriptor->users, TH_CLOSING);
    int code = th_sys_close(fd);
    /* Linux has closed it even so. */
    return code == -EINTR ? 0 : code;
}

int th_descriptor_close(int fd)
{
    struct th_ready ready = {.end = &ready.first};
    if (!th_descriptor_is_number(fd))
        return -EBADF;
    struct th_descriptor *descriptor = th_descriptor_find(fd);
    if (descriptor == NULL)
        return th_sys_close(fd);
    uint32_t users = th_atomic32_load_relaxed(&descriptor->users);
    do {
        if ((users & TH_CLOSING) != 0)
            return -EBADF;
    } while (!th_atomic32_cas_relaxed(&descriptor->users, &users, users + TH_USER + TH_CLOSING));
    if (users != 0) {
        th_lock_take(&descriptor->lock);
        wake_everybody(descriptor, TH_WAKE_CLOSE, &ready);
        th_lock_leave(&descriptor->lock);
        make_ready(&ready);
    }
    return th_descriptor_release(descriptor, fd);
}

void th_descriptor_adopt(int fd, enum th_kind kind)
{
    struct th_ready ready = {.end = &ready.first};
    struct th_descriptor *descriptor = th_descriptor_find(fd);
    if (descriptor == NULL)
        return;
    /* A close that still waits for its last call has lost its number to a foreign one. */
    (void)th_atomic32_and_relaxed(&descriptor->users, ~(uint32_t)TH_CLOSING);
    th_lock_take(&descriptor->lock);
    begin_generation(descriptor, kind);
    wake_everybody(descriptor, TH_WAKE_CLOSE, &ready);
    th_lock_leave(&descriptor->lock);
    make_ready(&ready);
}

/* ---- Waits ---- */

/* Registered with the poller of the task that waits; lock held. */
static int ensure_added(struct th_descriptor *descriptor, int fd, struct th_poller *poller)
{
    if (TH_LIKELY(descriptor->poller_id == poller->id))
        return 0;
    int code = th_backend_add(&poller->backend, fd, cookie_of(descriptor, fd));
    if (code == 0)
        descriptor->poller_id = poller->id;
    return code;
}

static void push(struct th_descriptor *descriptor, enum th_direction direction, struct th_io_node *node)
{
    node->prev = NULL;
    node->next = descriptor->waiting[direction];
    if (node->next != NULL)
        node->next->prev = node;
    descriptor->waiting[direction] = node;
    node->is_listed = true;
    descriptor->sweeps = 0;
    th_atomic32_store_relaxed(&descriptor->waits, th_atomic32_load_relaxed(&descriptor->waits) + 1);
}

int th_descriptor_list(struct th_descriptor *descriptor, int fd, enum th_direction direction, uint32_t seen,
                       struct th_io_node *node)
{
    struct th_poller *poller;
    int code = th_poller_of(node->waiter->task->runtime, &poller);
    if (code < 0)
        return code;
    th_lock_take(&descriptor->lock);
    uint32_t events = th_atomic32_load_relaxed(&descriptor->events[direction]);
    if (th_descriptor_is_closing(descriptor) && !TH_MUTANT(wait_without_look_at_close))
        code = -EBADF;
    else if (((events ^ seen) & ~(uint32_t)TH_DRAINED) != 0 && !TH_MUTANT(wait_without_look_at_events))
        code = 1;
    else
        code = ensure_added(descriptor, fd, poller);
    if (code == 0)
        push(descriptor, direction, node);
    th_lock_leave(&descriptor->lock);
    if (code == 0)
        th_poller_want_sweeps(poller);
    return code;
}

void th_descriptor_unlist(struct th_descriptor *descriptor, enum th_direction direction, struct th_io_node *node)
{
    th_lock_take(&descriptor->lock);
    if (node->is_listed) {
        if (node->prev != NULL)
            node->prev->next = node->next;
        else
            descriptor->waiting[direction] = node->next;
        if (node->next != NULL)
            node->next->prev = node->prev;
        th_atomic32_store_relaxed(&descriptor->waits, th_atomic32_load_relaxed(&descriptor->waits) - 1);
    }
    th_lock_leave(&descriptor->lock);
}

static const struct th_wait_kind kinds[] = {
    [TH_READING] = {.name = "input on fd", .is_number = true},
    [TH_WRITING] = {.name = "room for output on fd", .is_number = true},
};

int th_descriptor_wait(struct th_descriptor *descriptor, int fd, enum th_direction direction, uint32_t seen)
{
    struct th_waiter waiter;
    struct th_io_node node = {.waiter = &waiter};
    int code = th_await_begin(&waiter);
    if (code < 0)
        return code;
    code = th_descriptor_list(descriptor, fd, direction, seen, &node);
    if (code != 0) {
        th_await_abandon(&waiter);
        return code < 0 ? code : 0;
    }
    th_waiting_begin(&kinds[direction], (void *)(intptr_t)fd);
    code = th_await(&waiter, TH_SYS_FOREVER);
    th_waiting_end();
    if (code < 0)
        th_descriptor_unlist(descriptor, direction, &node);
    return code == TH_WAKE_CLOSE ? -EBADF : code < 0 ? code : 0;
}

/* ---- The sweep ---- */

static bool has_waiter_of(const struct th_descriptor *descriptor, const struct thrum_runtime *runtime)
{
    for (int i = 0; i < 2; i++) {
        if (descriptor->waiting[i] != NULL && descriptor->waiting[i]->waiter->task->runtime == runtime)
            return true;
    }
    return false;
}

/* True if the record is to be looked at again. */
static bool sweep_one(struct th_poller *poller, struct th_descriptor *descriptor, int fd, struct th_ready *ready)
{
    bool again = false;
    th_lock_take(&descriptor->lock);
    if (has_waiter_of(descriptor, poller->runtime) && descriptor->sweeps < 2) {
        if (++descriptor->sweeps == 2) {
            int code = th_backend_add(&poller->backend, fd, cookie_of(descriptor, fd));
            if (code == 0)
                descriptor->poller_id = poller->id;
            else if (code == -EBADF)
                wake_everybody(descriptor, TH_WAKE_CLOSE, ready);
            else if (code == -EPERM)
                wake_everybody(descriptor, TH_WAKE_PLAIN, ready);
            else
                descriptor->sweeps = 1;
        }
        again = descriptor->sweeps < 2;
    }
    th_lock_leave(&descriptor->lock);
    return again;
}

bool th_descriptor_sweep(struct th_poller *poller, struct th_ready *ready)
{
    bool again = false;
    int end = (int)th_atomic32_load_relaxed(&chunk_end) * TH_DESCRIPTOR_CHUNK;
    for (int fd = 0; fd < end; fd++) {
        struct th_descriptor *descriptor = th_descriptor_find(fd);
        if (descriptor == NULL)
            fd += TH_DESCRIPTOR_CHUNK - 1;
        else if (th_atomic32_load_relaxed(&descriptor->waits) != 0 && sweep_one(poller, descriptor, fd, ready))
            again = true;
    }
    return again;
}
