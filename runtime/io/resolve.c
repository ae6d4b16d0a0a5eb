/*
 * Names: looked up by getaddrinfo, which blocks, on a lane of its own (sched/crew.h), so that slow name servers hold up
 * neither workers nor files nor other calls that block.
 *
 * A lookup cannot be stopped, only left. It belongs to both sides: the caller waits, the lane's task looks up; whoever
 * comes last under the lock, the end or the caller who leaves, frees it. The lane's task has left the lock before the
 * caller, who takes it after the wake, can free it.
 */
#include <thrum/net.h>

#include "base/lock.h"
#include "base/sys_io.h"
#include "io/address.h"
#include "io/simulated.h"
#include "task/aside.h"
#include "task/life.h"
#include "task/waiting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of stack: what name services and their plugins are known to take is less than half of it. */
enum { ROOM = 160 << 10 };

/* Key: c constant, l the lock, t the lane's task until is_done. */
struct lookup {
    struct th_lock lock;
    bool is_done;             /* l */
    struct th_waiter *waiter; /* l: NULL: the caller has left */
    const char *host;         /* c: NULL, or in `texts` */
    const char *service;      /* c */
    bool has_hints;           /* c */
    struct addrinfo hints;    /* c */
    struct addrinfo *found;   /* t */
    int code;                 /* t */
    char texts[];             /* c */
};

static struct lookup *make(const char *host, const char *service, const struct addrinfo *hints)
{
    size_t host_bytes = host != NULL ? strlen(host) + 1 : 0, service_bytes = service != NULL ? strlen(service) + 1 : 0;
    struct lookup *lookup = th_sys_alloc_zeroed(sizeof *lookup + host_bytes + service_bytes);
    if (lookup == NULL)
        return NULL;
    if (host != NULL)
        lookup->host = memcpy(lookup->texts, host, host_bytes);
    if (service != NULL)
        lookup->service = memcpy(lookup->texts + host_bytes, service, service_bytes);
    lookup->has_hints = hints != NULL;
    if (hints != NULL)
        lookup->hints = *hints;
    return lookup;
}

static void discard(struct lookup *lookup)
{
    th_sys_freeaddrinfo(lookup->found);
    th_sys_free(lookup);
}

static void *look_up(void *arg)
{
    struct lookup *lookup = arg;
    lookup->code =
        th_sys_getaddrinfo(lookup->host, lookup->service, lookup->has_hints ? &lookup->hints : NULL, &lookup->found);
    return NULL;
}

/* On a thread's own stack where a task's is small. */
static void look_up_with_room(struct lookup *lookup)
{
    pthread_t thread;
    if (th_stack_pointer() - th_stack_low(th_fiber_self()->slot) >= ROOM) {
        (void)look_up(lookup);
        return;
    }
    int code = th_sys_thread_start(&thread, 0, look_up, lookup);
    if (code < 0)
        lookup->code = code;
    else
        (void)th_sys_thread_join(thread);
}

static bool is_wanted(struct lookup *lookup)
{
    th_lock_take(&lookup->lock);
    bool wanted = lookup->waiter != NULL;
    th_lock_leave(&lookup->lock);
    return wanted;
}

/* The lane's task. */
static int run_lookup(void *arg)
{
    struct lookup *lookup = arg;
    if (is_wanted(lookup))
        look_up_with_room(lookup);
    th_lock_take(&lookup->lock);
    lookup->is_done = true;
    bool wanted = lookup->waiter != NULL;
    if (wanted)
        (void)th_await_wake(lookup->waiter, TH_WAKE_PLAIN);
    th_lock_leave(&lookup->lock);
    if (!wanted)
        discard(lookup);
    return 0;
}

static const struct th_wait_kind lookup_wait = {.name = "the lookup of a name"};

/* 0: it is done; -errno: it is not, or no more the caller's. */
static int await_lookup(struct th_worker *worker, struct lookup *lookup)
{
    struct th_waiter waiter;
    int code = th_await_begin(&waiter);
    struct th_task *task = code == 0 ? th_task_make(worker, run_lookup, lookup) : NULL;
    if (task == NULL) {
        if (code == 0)
            th_await_abandon(&waiter);
        discard(lookup);
        return code < 0 ? code : -ENOMEM;
    }
    lookup->waiter = &waiter;
    th_worker_count(&worker->spawned);
    th_crew_put_aside(worker->runtime, TH_LANE_NAMES, task);
    th_waiting_begin(&lookup_wait, lookup);
    code = th_await(&waiter, TH_SYS_FOREVER);
    th_waiting_end();
    th_lock_take(&lookup->lock);
    lookup->waiter = NULL;
    bool is_done = lookup->is_done;
    th_lock_leave(&lookup->lock);
    return is_done ? 0 : code;
}

int thrum_resolve(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    struct th_fiber *self = th_fiber_self();
    /* A name service's answer would be no seed's choice. */
    if (th_sim_is_here())
        return -EOPNOTSUPP;
    if (self == NULL || !th_worker_of(self)->runtime->monitor.is_running) {
        int ended = th_await_look();
        return ended < 0 ? ended : th_sys_getaddrinfo(host, service, hints, found);
    }
    struct lookup *lookup = make(host, service, hints);
    if (lookup == NULL)
        return -ENOMEM;
    int code = await_lookup(th_worker_of(self), lookup);
    if (code < 0)
        return code;
    code = lookup->code;
    *found = lookup->found;
    th_sys_free(lookup);
    return code;
}

/* ---- Endpoints ---- */

/* Families by turns, the first as it was (RFC 8305): where one leads nowhere, the other is not far. */
static void alternate(struct th_endpoint *found, int count)
{
    for (int i = 1; i < count; i++) {
        int next = i;
        while (next < count && found[next].address.any.sa_family == found[i - 1].address.any.sa_family)
            next++;
        if (next == i || next == count)
            continue;
        struct th_endpoint other = found[next];
        memmove(&found[i + 1], &found[i], (size_t)(next - i) * sizeof *found);
        found[i] = other;
    }
}

static int take_endpoints(const struct addrinfo *list, struct th_endpoint *found)
{
    int count = 0;
    for (; list != NULL && count < TH_ENDPOINTS_MOST; list = list->ai_next) {
        if (list->ai_addrlen > sizeof found->address)
            continue;
        memcpy(&found[count].address, list->ai_addr, list->ai_addrlen);
        found[count].length = list->ai_addrlen;
        found[count++].type = list->ai_socktype;
    }
    alternate(found, count);
    return count > 0 ? count : -ENOENT;
}

static int find_name(const struct th_name *name, struct th_endpoint *found)
{
    struct addrinfo hints = {.ai_family = name->domain, .ai_socktype = name->type, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", name->port);
    int code = thrum_resolve(name->host, port, &hints, &list);
    if (code < 0)
        return code;
    code = take_endpoints(list, found);
    th_sys_freeaddrinfo(list);
    return code;
}

int th_address_resolve(const char *network, const char *text, struct th_endpoint **found)
{
    struct th_name name;
    struct th_endpoint *endpoints = th_sys_alloc_zeroed(TH_ENDPOINTS_MOST * sizeof *endpoints);
    if (endpoints == NULL)
        return -ENOMEM;
    int count = th_address_find(network, text, endpoints, &name);
    if (count == 0)
        count = find_name(&name, endpoints);
    if (count < 0)
        th_sys_free(endpoints);
    else
        *found = endpoints;
    return count;
}
