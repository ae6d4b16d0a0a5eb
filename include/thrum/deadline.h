/*
 * Deadlines and shields: scopes of a task in time.
 *
 *     THRUM_TIMEOUT(THRUM_MS(200)) {
 *         code = thrum_join(task, &result);      -ETIMEDOUT when the time is over, as every call that waits
 *     }
 *
 * Deadlines nest by the earliest, and tasks that are started inside have them too. Once one has passed, each call that
 * would wait returns -ETIMEDOUT until the scope ends; a call that has done its work reports that first.
 *
 * A shield is for cleanup that has to wait although its task has been cancelled or is late: inside, neither counts,
 * only the shield's own time does.
 *
 * Outside of tasks all this does nothing.
 */
#ifndef THRUM_DEADLINE_H
#define THRUM_DEADLINE_H

#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In the memory of the task that begins it, until it ends. The fields are the library's. */
typedef struct thrum_scope {
    thrum_time outer_;
    uint32_t kind_;
    uint32_t depth_;
} thrum_scope;

/* Begins a deadline for the calling task: so much time from now, or a point in time. Never switches. */
THRUM_API void thrum_timeout_begin(thrum_scope *scope, thrum_time span);
THRUM_API void thrum_deadline_begin(thrum_scope *scope, thrum_time when);

/* Begins a shield that holds for so long (THRUM_FOREVER: as long as it takes). Never switches. */
THRUM_API void thrum_shield_begin(thrum_scope *scope, thrum_time bound);

/* Ends the scope that was begun last. -ETIMEDOUT if its time was seen to pass, else 0. Never switches. */
THRUM_API int thrum_scope_end(thrum_scope *scope);

/* The calling task's deadline, THRUM_FOREVER if it has none. Never switches. */
THRUM_API thrum_time thrum_deadline(void);

/*
 * The same for a block. It ends the scope also at `break`, and with GNU C's or Clang's cleanup attribute also at
 * `return` and `goto`; the block has no result: look at those of the calls inside.
 */
#define THRUM_TIMEOUT(span)  THRUM_SCOPE_BLOCK_(thrum_timeout_, span, __LINE__)
#define THRUM_DEADLINE(when) THRUM_SCOPE_BLOCK_(thrum_deadline_, when, __LINE__)
#define THRUM_SHIELD(bound)  THRUM_SCOPE_BLOCK_(thrum_shield_, bound, __LINE__)

#define THRUM_SCOPE_BLOCK_(begin, bound, line) THRUM_SCOPE_LOOP_(begin, bound, line)
#define THRUM_SCOPE_LOOP_(begin, bound, line)                                                     \
    for (thrum_scope scope_##line##_ __attribute__((cleanup(thrum_scope_leave_))) = begin(bound), \
                                     *once_##line##_ = &scope_##line##_;                          \
         once_##line##_ != 0; once_##line##_ = 0)

/* What the blocks are made of. */
static inline thrum_scope thrum_timeout_(thrum_time span)
{
    thrum_scope scope;
    thrum_timeout_begin(&scope, span);
    return scope;
}

static inline thrum_scope thrum_deadline_(thrum_time when)
{
    thrum_scope scope;
    thrum_deadline_begin(&scope, when);
    return scope;
}

static inline thrum_scope thrum_shield_(thrum_time bound)
{
    thrum_scope scope;
    thrum_shield_begin(&scope, bound);
    return scope;
}

static inline void thrum_scope_leave_(thrum_scope *scope)
{
    (void)thrum_scope_end(scope);
}

#ifdef __cplusplus
}
#endif
#endif
