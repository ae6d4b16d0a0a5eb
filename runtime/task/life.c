#include "task/life.h"

#include "base/origins.h"
#include "base/probe.h"
#include "base/sys.h"
#include "fiber/fiber.h"
#include "sched/idle.h"
#include "task/group.h"
#include "task/locals.h"
#include "task/post.h"
#include "task/report.h"
#include "task/scope.h"

#include <errno.h>
#include <string.h>

enum { ID_BLOCK = 1 << 20 };

/* Task numbers are handed to workers in blocks, so that giving one is plain arithmetic; one by one where each spawn is
 * written down, which is done here. */
static th_atomic64 next_ids = TH_ATOMIC_INIT(0);

void th_task_refill_ids(struct th_worker *worker)
{
    uint64_t block = worker->records_all ? 1 : ID_BLOCK;
    worker->next_id = th_atomic64_add_relaxed(&next_ids, block);
    worker->last_id = worker->next_id + block;
    if (worker->records_all)
        th_worker_record_task(worker, TH_EVENT_SPAWN, worker->last_id, NULL);
}

uint64_t th_task_id_outside(void)
{
    return th_atomic64_add_relaxed(&next_ids, 1) + 1;
}

struct th_task *th_task_make_outside(struct thrum_runtime *runtime, thrum_fn fn, void *arg)
{
    struct th_task *task = th_record_take_shared(&runtime->records);
    if (task != NULL)
        th_task_fill(task, runtime, th_task_id_outside(), fn, arg);
    return task;
}

void th_task_discard(struct th_worker *worker, struct th_task *task)
{
    task->id = 0;
    if ((task->flags & TH_TASK_IS_POST) != 0)
        th_post_put(task->runtime->posts, task);
    else if (worker != NULL && worker->runtime == task->runtime)
        th_record_give(&worker->records, &worker->runtime->records, task);
    else
        th_record_give_shared(&task->runtime->records, task);
}

/* ---- The end ---- */

enum { DONE_LOCKED = 2, DONE_SPINS = TH_SHRUNK(100, 1) };

static bool done_is_locked(const void *head)
{
    return ((uintptr_t)head & DONE_LOCKED) != 0;
}

static void *done_locked(void *head)
{
    return (void *)((uintptr_t)head | DONE_LOCKED);
}

/* The list's head, once nobody walks it. */
static void *done_head(struct th_task *task)
{
    void *head;
    uint32_t turn = 0;
    while (done_is_locked(head = th_atomicptr_load_acquire(&task->done))) { /* [T1] */
        if (turn++ < DONE_SPINS)
            th_cpu_relax();
        else
            th_sys_thread_yield();
    }
    return head;
}

bool th_done_add(struct th_task *task, struct th_done *node)
{
    void *head;
    do {
        head = done_head(task);
        if (head == TH_DONE_CLOSED)
            return false;
        node->next = head;
    } while (!th_atomicptr_cas_release(&task->done, &head, node)); /* [T1] */
    return true;
}

/* The list, which is the caller's until it stores another head; NULL and not the caller's if it is closed. */
static bool done_lock(struct th_task *task, struct th_done **list)
{
    void *head;
    do {
        head = done_head(task);
        if (head == TH_DONE_CLOSED)
            return false;
    } while (!th_atomicptr_cas_acquire(&task->done, &head, done_locked(head))); /* [T1] */
    *list = head;
    return true;
}

bool th_done_remove(struct th_task *task, struct th_done *node)
{
    struct th_done *list, **link = &list;
    if (!done_lock(task, &list))
        return false;
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    th_atomicptr_store_release(&task->done, list); /* [T1] */
    return true;
}

/* Wakes those who wait, oldest first, and returns the calls in the same order. A node is its waiter's own again once
 * the list is left, and gone at once where the wake succeeds. */
static struct th_done *wake_waiters(struct th_done *newest)
{
    struct th_done *ordered = NULL, *calls = NULL, **last = &calls;
    struct th_wakes wakes = {0};
    while (newest != NULL) {
        struct th_done *next = newest->next;
        newest->next = ordered;
        ordered = newest;
        newest = next;
    }
    while (ordered != NULL) {
        struct th_done *next = ordered->next;
        if (ordered->waiter != NULL) {
            (void)th_await_wake_among(&wakes, ordered->waiter, ordered->reason);
        } else {
            *last = ordered;
            last = &ordered->next;
        }
        ordered = next;
    }
    *last = NULL;
    th_await_wake_rest(&wakes);
    return calls;
}

/* Nobody waits, as for most tasks: closed in one step. */
static bool close_empty(struct th_task *task)
{
    void *nobody = NULL;
    return th_atomicptr_cas_release(&task->done, &nobody, TH_DONE_CLOSED); /* [T1] */
}

void th_done_close(struct th_task *task)
{
    struct th_done *list = NULL;
    if (TH_LIKELY(close_empty(task)))
        return;
    bool is_open = done_lock(task, &list);
    TH_ASSERT(is_open);
    (void)is_open;
    struct th_done *calls = wake_waiters(list);
    th_atomicptr_store_release(&task->done, TH_DONE_CLOSED); /* [T1] */
    int result = task->result;
    while (calls != NULL) {
        /* The call frees the node. */
        struct th_done *next = calls->next;
        calls->call(calls->arg, result);
        calls = next;
    }
}

void th_task_reference_drop(struct th_task *task)
{
    uint32_t before = th_atomic32_load_acquire(&task->references); /* [T2] */
    /* Who has the last one has it alone: nobody else gives more. */
    if (before == 1)
        th_atomic32_store_relaxed(&task->references, 0);
    else
        before = th_atomic32_sub_acqrel(&task->references, 1); /* [T2] */
    THRUM_CHECK(before != 0, "the handle %p was joined or dropped once too often", (void *)task);
    if (before != 1)
        return;
    th_origin_forget(TH_ORIGIN_HANDLE, task->id);
    if (task->group == NULL && task->result < 0 && (th_atomic32_load_relaxed(&task->cancel) & TH_TASK_TAKEN) == 0)
        th_report_untaken(task);
    struct th_fiber *self = th_fiber_self();
    th_task_discard(self != NULL ? th_worker_of(self) : NULL, task);
}

/* The end of a task that has more to it than a result that is no failure. */
static TH_NOINLINE void end_otherwise(struct th_worker *worker, struct th_task *task, int result)
{
    struct thrum_group *group = task->group;
    task->result = result;
    uint32_t flags = task->flags;
    if (TH_UNLIKELY(flags >= TH_TASK_OPEN_GROUP))
        th_report_groups_open(task, flags / TH_TASK_OPEN_GROUP);
    if ((flags & TH_TASK_HAS_COPY) != 0)
        th_sys_free(task->arg);
    if (task->locals != NULL)
        th_locals_drop(task->locals);
    if (group != NULL)
        th_group_take_result(group, task, result);
    th_scope_leave(task);
    if ((flags & TH_TASK_HAS_HANDLE) != 0) {
        /* It lives until all are told: what a callback starts must not find the runtime ended. */
        th_done_close(task);
        th_worker_count(&worker->finished);
        th_task_reference_drop(task);
        return;
    }
    th_worker_count(&worker->finished);
    if (result < 0 && group == NULL)
        th_report_untaken(task);
    th_task_discard(worker, task);
}

/* The task has returned, on whatever stack: everything but telling its group. */
TH_INLINE void end(struct th_worker *worker, struct th_task *task, int result)
{
    const struct thrum_group *group = task->group;
    TH_PROBE2(end, task->id, result);
    bool is_race = group != NULL && group->policy_ == THRUM_RACE;
    uint32_t scopes =
        th_atomic32_load_relaxed(&task->cancel) & (TH_TASK_IS_LISTED | TH_TASK_HAS_DEADLINE | TH_TASK_IS_SHIELDED);
    if (TH_UNLIKELY(result < 0 || (task->flags | scopes) != 0 || task->locals != NULL || is_race)) {
        end_otherwise(worker, task, result);
        return;
    }
    th_worker_count(&worker->finished);
    task->id = 0;
    th_record_give(&worker->records, &worker->runtime->records, task);
}

void th_task_tell_group(struct thrum_group *group)
{
    if (group != NULL && th_group_child_ended(group))
        th_group_wake_opener(group);
}

void th_task_execute(struct th_worker *worker, struct th_task *task)
{
    struct th_fiber *self = task->fiber;
    struct thrum_group *group = task->group;
    (void)worker;
    TH_PROBE2(begin, task->id, task->fn);
    int result = task->fn(task->arg);
    /* The task may have moved: its worker is whose stack it stands on now. */
    end(th_worker_of(self), task, result);
    th_task_tell_group(group);
}

static TH_NOINLINE int call_recorded(struct th_fiber *self, const struct th_task *task, const struct th_task *parent)
{
    th_worker_record_task(th_worker_of(self), TH_EVENT_BEGIN, task->id, task->fn);
    int result = task->fn(task->arg);
    th_worker_record_task(th_worker_of(self), TH_EVENT_RETURN, parent->id, parent->fn);
    return result;
}

void th_task_run_in_place(struct th_fiber *self, struct th_task *task)
{
    struct th_task *parent = self->task;
    task->fiber = self;
    self->task = task;
    TH_PROBE2(begin, task->id, task->fn);
    int result = TH_LIKELY(!th_worker_of(self)->records_all) ? task->fn(task->arg) : call_recorded(self, task, parent);
    self->task = parent;
    end(th_worker_of(self), task, result);
}
