/*
 * Waiting for several tasks: whichever ends first.
 *
 * Each task has a node of this in its done list; its end puts that into a queue here, which a lock guards. The memory
 * goes with the last who may touch it:
 *
 *   references = the user + nodes whose call is still to come, in a done list or already taken out by a task's end
 *
 *   [J1] release reference drop -> acquire last drop: nobody is inside any more
 *
 * Explored by tests/model (model_wait_each).
 */
#include <thrum/gather.h>

#include "base/lock.h"
#include "base/sys.h"
#include "task/await.h"
#include "task/life.h"
#include "task/waiting.h"

#include <errno.h>

struct entry {
    struct th_done done;
    struct thrum_wait *wait;
    struct th_task *task;
    struct entry *next; /* l: in the queue */
    bool is_given;      /* o: its handle may be gone */
};

/* Key: c constant, l the lock's, a atomic, o the user's. */
struct thrum_wait {
    struct th_lock lock;
    th_atomic32 references;      /* a */
    size_t count;                /* c */
    size_t given;                /* o */
    struct th_waiter *waiter;    /* l: the user, who waits */
    struct entry *first, **last; /* l: have ended, not given out */
    struct entry entries[];
};

static void unref(struct thrum_wait *wait, uint32_t count)
{
    if (th_atomic32_sub_acqrel(&wait->references, count) == count) /* [J1] */
        th_sys_free(wait);
}

/* A task has ended. */
static void put(void *arg, int result)
{
    struct entry *entry = arg;
    struct thrum_wait *wait = entry->wait;
    (void)result;
    th_lock_take(&wait->lock);
    entry->next = NULL;
    *wait->last = entry;
    wait->last = &entry->next;
    if (wait->waiter != NULL)
        (void)th_await_wake(wait->waiter, TH_WAKE_PLAIN);
    wait->waiter = NULL;
    th_lock_leave(&wait->lock);
    unref(wait, 1);
}

int thrum_wait_open(thrum_wait **opened, thrum_task *const tasks[], size_t count)
{
    struct thrum_wait *wait = NULL;
    if (count < UINT32_MAX)
        wait = th_sys_alloc_zeroed(sizeof *wait + count * sizeof wait->entries[0]);
    if (wait == NULL)
        return -ENOMEM;
    wait->last = &wait->first;
    wait->count = count;
    th_atomic32_store_relaxed(&wait->references, (uint32_t)count + 1);
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &wait->entries[i];
        *entry = (struct entry){.done = {.call = put, .arg = entry}, .wait = wait, .task = (struct th_task *)tasks[i]};
        if (!th_done_add(entry->task, &entry->done))
            put(entry, 0);
    }
    *opened = wait;
    return 0;
}

/* The next of the queue; lock held. */
static bool give(struct thrum_wait *wait, size_t *index)
{
    struct entry *entry = wait->first;
    if (entry == NULL)
        return false;
    wait->first = entry->next;
    if (wait->first == NULL)
        wait->last = &wait->first;
    *index = (size_t)(entry - wait->entries);
    entry->is_given = true;
    wait->given++;
    return true;
}

static const struct th_wait_kind tasks_kind = {.name = "the first of several tasks to end, by"};

/* Waits until the queue is not empty, or something else ends the wait; lock held on entry and on return. */
static int wait_for_one(struct thrum_wait *wait)
{
    struct th_waiter waiter;
    int code = th_await_begin(&waiter);
    if (code < 0)
        return code;
    wait->waiter = &waiter;
    th_lock_leave(&wait->lock);
    th_waiting_begin(&tasks_kind, wait);
    code = th_await(&waiter, TH_SYS_FOREVER);
    th_waiting_end();
    th_lock_take(&wait->lock);
    wait->waiter = NULL;
    return code;
}

int thrum_wait_each(thrum_wait *wait, size_t *index)
{
    int code = 0;
    if (wait->given == wait->count)
        return 0;
    th_lock_take(&wait->lock);
    if (wait->first == NULL)
        code = wait_for_one(wait);
    bool is_given = give(wait, index);
    TH_ASSERT(is_given || code < 0);
    th_lock_leave(&wait->lock);
    return is_given ? 1 : code;
}

void thrum_wait_close(thrum_wait *wait)
{
    uint32_t taken_out = 0;
    for (size_t i = 0; i < wait->count; i++) {
        struct entry *entry = &wait->entries[i];
        taken_out += !entry->is_given && th_done_remove(entry->task, &entry->done);
    }
    unref(wait, 1 + taken_out);
}

int thrum_wait_any(thrum_task *const tasks[], size_t count, size_t *index)
{
    thrum_wait *wait;
    if (count == 0)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (thrum_task_is_done(tasks[i])) {
            *index = i;
            return 0;
        }
    }
    int code = thrum_wait_open(&wait, tasks, count);
    if (code < 0)
        return code;
    code = thrum_wait_each(wait, index);
    thrum_wait_close(wait);
    return code < 0 ? code : 0;
}
