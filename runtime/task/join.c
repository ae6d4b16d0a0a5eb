/* Handles: join, hold, drop, ask, be called. */
#include "task/life.h"
#include "task/waiting.h"

#include "base/sys.h"

#include <errno.h>

static struct th_task *task_of(const thrum_task *handle)
{
    return (struct th_task *)(uintptr_t)handle;
}

/* ---- Waiting ---- */

/* Its wait may have to end before the child does. */
static bool is_bounded(const struct th_task *task)
{
    return (th_atomic32_load_relaxed(&task->cancel) & (TH_TASK_HAS_DEADLINE | TH_TASK_CANCEL_REASON)) != 0;
}

/* A child that has not begun runs here and now, on the stack that waits for it; but not where others should run. */
static bool run_if_fresh(struct th_fiber *self, struct th_task *task)
{
    struct th_worker *worker = th_worker_of(self);
    if (th_atomicptr_load_relaxed(&task->home) != worker || !th_worker_has_permit(worker) || !th_task_has_room(self) ||
        is_bounded(self->task))
        return false;
    th_worker_enter(worker);
    /* Once more inside: a thief may have been quicker. */
    bool is_here = th_atomicptr_load_relaxed(&task->home) == worker && !th_worker_shuns(worker, task);
    if (is_here)
        th_worker_remove_fresh(worker, task);
    th_worker_leave(worker);
    if (is_here) {
        struct thrum_group *group = task->group;
        th_task_run_in_place(self, task);
        th_task_tell_group(group);
    }
    return is_here;
}

static struct th_task *owner_of_end(const void *task)
{
    return (struct th_task *)(uintptr_t)task;
}

static const struct th_wait_kind join_kind = {.name = "task", .owner = owner_of_end};

/* 0 once the task has ended; or why the caller cannot wait for that. */
static int wait_for_end(struct th_task *task)
{
    struct th_waiter waiter;
    struct th_done node = {.waiter = &waiter, .reason = TH_WAKE_PLAIN};
    int code = th_await_begin(&waiter);
    if (code < 0)
        return code;
    if (!th_done_add(task, &node)) {
        th_await_abandon(&waiter);
        return 0;
    }
    th_waiting_begin(&join_kind, task);
    code = th_await(&waiter, TH_SYS_FOREVER);
    th_waiting_end();
    /* A task that has ended just now counts: a finished wait reports its result. */
    return code < 0 && th_done_remove(task, &node) ? code : 0;
}

static int join(struct th_fiber *self, struct th_task *task, int *result)
{
    if (!th_done_is_closed(task) && (self == NULL || !run_if_fresh(self, task))) {
        int code = wait_for_end(task);
        if (code < 0)
            return code;
    }
    if (result != NULL)
        *result = task->result;
    if (TH_UNLIKELY(task->result < 0))
        (void)th_atomic32_or_relaxed(&task->cancel, TH_TASK_TAKEN);
    th_task_reference_drop(task);
    return 0;
}

int thrum_join(thrum_task *handle, int *result)
{
    struct th_task *task = task_of(handle);
    struct th_fiber *self = th_fiber_self();
    if (self != NULL && self->task == task)
        return -EDEADLK;
    struct thrum_runtime *runtime = task->runtime;
    bool is_inside = self != NULL && th_worker_of(self)->runtime == runtime;
    /* Once the task has ended, its runtime may end before we have looked at the result. */
    if (!is_inside)
        th_runtime_visit(runtime);
    int code = join(self, task, result);
    if (!is_inside)
        th_runtime_leave(runtime);
    return code;
}

/* ---- The rest ---- */

thrum_task *thrum_task_hold(thrum_task *handle)
{
    (void)th_atomic32_add_relaxed(&task_of(handle)->references, 1);
    return handle;
}

void thrum_task_drop(thrum_task *handle)
{
    th_task_reference_drop(task_of(handle));
}

bool thrum_task_is_done(const thrum_task *handle)
{
    return th_done_is_closed(task_of(handle));
}

uint64_t thrum_task_id(const thrum_task *handle)
{
    return task_of(handle)->id;
}

/* A callback's node lives until it has been called. */
struct callback {
    struct th_done node;
    void (*call)(void *arg, int result);
    void *arg;
};

static void run_callback(void *arg, int result)
{
    struct callback *callback = arg;
    callback->call(callback->arg, result);
    th_sys_free(callback);
}

int thrum_task_on_done(thrum_task *handle, void (*call)(void *arg, int result), void *arg)
{
    struct th_task *task = task_of(handle);
    struct callback *callback = th_sys_alloc(sizeof *callback);
    if (callback == NULL)
        return -ENOMEM;
    *callback = (struct callback){.node = {.call = run_callback, .arg = callback}, .call = call, .arg = arg};
    (void)th_atomic32_or_relaxed(&task->cancel, TH_TASK_TAKEN);
    if (!th_done_add(task, &callback->node))
        run_callback(callback, task->result);
    return 0;
}
