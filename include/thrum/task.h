/*
 * Tasks and groups: run a runtime, start tasks in it, wait for them.
 *
 * A task is a function `int fn(void *arg)` on a stack of its own; its int is its result, negative a failure. Every
 * task belongs to a group, the scope that waits for it. The runtime has a root group, for tasks that nobody waits
 * for before the end.
 *
 * A comment says, in this order: what, result, whether it may switch (the calling task goes on later, perhaps on
 * another thread), whether it may be cancelled.
 */
#ifndef THRUM_TASK_H
#define THRUM_TASK_H

#include <stdbool.h>
#include <stddef.h>

#include <thrum/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int (*thrum_fn)(void *arg);

typedef struct thrum_task thrum_task;       /* a handle */
typedef struct thrum_runtime thrum_runtime; /* workers and all that belongs to them */

/* ---- The runtime ---- */

/* Zero means the default, so `{0}` and designated fields are all that is needed. */
typedef struct thrum_options {
    unsigned workers;   /* OS threads that run tasks; 0: THRUM_WORKERS, else the cores that the machine grants */
    size_t stack_bytes; /* of address space for a task; 0: THRUM_STACK_SIZE, else 256 KiB. One size for the process:
                           that of the first runtime */
    uint64_t seed;      /* runs on one thread and a virtual clock, and the same way each time (thrum/explore.h);
                           0: THRUM_SEED, else a run like any other */
} thrum_options;

/*
 * Starts a runtime on the calling thread, runs main_task(arg) in it, waits for everything that was started, and gives
 * all back. What main_task left in the root group is cancelled first. The result is main_task's; before that -ENOMEM,
 * -EAGAIN (no thread), -EINVAL (a bad option or variable, named on stderr), -EBUSY (one of two runs at the same time
 * has a seed). -EDEADLK when all tasks waited for each other and nobody was left to wake one: stderr says who waited
 * for what, and all waits were cancelled. That is found where it is certain: no other thread in the process, no timer,
 * no descriptor that was waited for, and nobody has the runtime's address (thrum_runtime_current). Called inside a task
 * it just calls main_task(arg).
 *
 * SIGINT and SIGTERM, where the program has no handler for them: the first cancels all tasks of the process's first
 * runtime, the second ends the program.
 */
THRUM_API int thrum_run(thrum_fn main_task, void *arg);
/* The same; options may be NULL. */
THRUM_API int thrum_run_with(const thrum_options *options, thrum_fn main_task, void *arg);

/* The runtime that the calling task belongs to; NULL outside of tasks. Never switches. */
THRUM_API thrum_runtime *thrum_runtime_current(void);

/* How many workers the calling task's runtime has; 0 outside of tasks. Never switches. */
THRUM_API unsigned thrum_workers(void);

/*
 * Starts fn(arg) in a runtime's root group, from any thread, also from a signal handler. 0; -EAGAIN when 256 such
 * tasks already wait or run; -ESHUTDOWN when the runtime is ending. The runtime must still exist. Never switches.
 */
THRUM_API THRUM_CHECKED int thrum_post(thrum_runtime *runtime, thrum_fn fn, void *arg);

/* ---- Groups ---- */

/* What a group does when one of its tasks ends. */
enum thrum_policy {
    THRUM_ALL,  /* the first failure cancels the others and is the group's result; else 0 */
    THRUM_EACH, /* failures cancel nobody; the group's result is the first of them; else 0 */
    THRUM_RACE, /* the first success cancels the others and is the group's result; else the first failure */
};

/*
 * A group is a scope: it is opened by the task that first uses it, and that task must wait for it before the group's
 * memory goes away. Only the opener may wait; any task of the group may start more in it. Once its wait is over whoever
 * spawns into it next opens it anew. The fields are the library's.
 */
typedef struct thrum_group {
    uint16_t policy_;
    uint8_t is_listed_, is_shielded_;
    uint32_t cancel_;
    struct th_task *opener_;
    uint64_t elsewhere_;
    uint64_t word_;
    int32_t result_;
    uint32_t has_result_;
    uint32_t failure_;
    uint32_t was_obeyed_;
    uint32_t epoch_;
    uint32_t was_told_;
    struct thrum_group *next_;
    struct {
        uint32_t lock_;
        struct th_task *newest_;
    } roster_;
} thrum_group;

#ifdef __cplusplus
#define THRUM_GROUP_INIT \
    {                    \
    }
#define THRUM_GROUP_WITH(policy_wanted)                                               \
    {                                                                                 \
        (uint16_t)(policy_wanted), 0, 0, 0, nullptr, 0, 0, 0, 0, 0, 0, 0, 0, nullptr, \
        {                                                                             \
        }                                                                             \
    }
#else
#define THRUM_GROUP_INIT \
    {                    \
        0                \
    }
#define THRUM_GROUP_WITH(policy_wanted)      \
    {                                        \
        .policy_ = (uint16_t)(policy_wanted) \
    }
#endif

/*
 * Waits until every task of the group has ended, then the group is as new. The group's result (see thrum_policy);
 * -ECANCELED if it or its opener was cancelled, a task ended early because of that, and no other result counts. -EPERM
 * if the calling task is not the opener. May switch. Never leaves before its tasks have ended: a cancel of the caller,
 * or its deadline, cancels them (then -ETIMEDOUT in the place of -ECANCELED).
 */
THRUM_API int thrum_group_wait(thrum_group *group);

/*
 * Cancels every task of the group, now and to come, and those in groups that they have opened, until the wait ends:
 * `thrum_cancelled` is true in them from now on, a call that waits in them returns -ECANCELED, and so does each that
 * would wait. A call that has done its work reports that first. Never switches; not for signal handlers.
 */
THRUM_API void thrum_cancel(thrum_group *group);

/*
 * THRUM_GROUP(g) { failed = thrum_spawn(&g, fetch, &a) || thrum_spawn(&g, fetch, &b); }
 * Opens a group for the block and waits for it at the block's end, also at `break`, and with GNU C's or Clang's cleanup
 * attribute also at `return` and `goto`. The result is lost: wait yourself where you need it.
 */
#define THRUM_GROUP(name)                                                                                         \
    for (thrum_group name __attribute__((cleanup(thrum_group_leave_))) = THRUM_GROUP_INIT, *name##_once_ = &name; \
         name##_once_ != NULL; name##_once_ = NULL)

/* What the block is made of. */
static inline void thrum_group_leave_(thrum_group *group)
{
    (void)thrum_group_wait(group);
}

/* ---- Tasks ---- */

/* Starts fn(arg) in a group (NULL: the root group) and goes on. 0, -ENOMEM, -ECANCELED (the group is cancelled), -EPERM
 * (outside of tasks, without a group that is open). Never switches. */
THRUM_API THRUM_CHECKED int thrum_spawn(thrum_group *group, thrum_fn fn, void *arg);

/* The same with a copy of *args, of any size and aligned as malloc does, which the task gets and which lives as long as
 * it. */
THRUM_API THRUM_CHECKED int thrum_spawn_copy(thrum_group *group, thrum_fn fn, const void *args, size_t bytes);

typedef struct thrum_task_options {
    const char *name; /* for reports; must live as long as the task. NULL: the function's symbol */
} thrum_task_options;

/* Starts a task and gives a handle on it, which must be joined or dropped before the runtime ends, and is there when
 * the task begins. options may be NULL. As thrum_spawn. */
THRUM_API THRUM_CHECKED int thrum_task_start(thrum_task **task, thrum_group *group, const thrum_task_options *options,
                                             thrum_fn fn, void *arg);

/*
 * Waits until a task has ended, stores its result (result may be NULL) and drops the handle. 0; -EDEADLK for oneself;
 * -ECANCELED or -ETIMEDOUT if the caller's scope ends first; the handle is kept then. May switch; from a foreign thread
 * it blocks the thread.
 */
THRUM_API int thrum_join(thrum_task *task, int *result);

/* Another handle on the same task: each is joined or dropped once. Never switches. */
THRUM_API thrum_task *thrum_task_hold(thrum_task *task);

/* Gives a handle up; the task goes on in its group. A failure that nobody took is reported. Never switches. */
THRUM_API void thrum_task_drop(thrum_task *task);

/* Cancels one task, and all in the groups that it has opened: see thrum_cancel. Never switches. */
THRUM_API void thrum_task_cancel(thrum_task *task);

/* True once the task has ended. Never switches. */
THRUM_API bool thrum_task_is_done(const thrum_task *task);

/* A number that no other task of the process ever has. Never switches. */
THRUM_API uint64_t thrum_task_id(const thrum_task *task);

/* Calls call(arg, result) when the task ends, at once if it has: on the worker where it ended, in no task; it must not
 * wait. 0 or -ENOMEM. Never switches. */
THRUM_API THRUM_CHECKED int thrum_task_on_done(thrum_task *task, void (*call)(void *arg, int result), void *arg);

/* ---- About me ---- */

/* Lets others run; the caller goes on when they have had a turn. May switch. Does nothing outside of tasks. */
THRUM_API void thrum_yield(void);

/* True if the calling task, its group, or a scope around that is cancelled, or its deadline has passed; false inside of
 * a shield (thrum/deadline.h) whose own time has not. Never switches. */
THRUM_API bool thrum_cancelled(void);

enum thrum_cancel_reason {
    THRUM_NOT_CANCELLED,
    THRUM_CANCEL_USER,     /* thrum_cancel, thrum_task_cancel */
    THRUM_CANCEL_SIBLING,  /* another task of the group failed, or won the race */
    THRUM_CANCEL_SHUTDOWN, /* the main task has ended */
    THRUM_CANCEL_DEADLINE, /* a deadline has passed */
};

/* Why (the nearest scope's reason). Never switches. */
THRUM_API int thrum_cancel_reason(void);

/* The calling task's number, 0 outside of tasks, and its name. Never switches. */
THRUM_API uint64_t thrum_self_id(void);
THRUM_API const char *thrum_self_name(void);

#ifdef __cplusplus
}
#endif
#endif
