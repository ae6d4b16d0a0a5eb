/*
 * Deadlocks: all tasks wait for each other, and nobody is left to end that.
 *
 * It is told when it is certain, and then only: when the runtime is at rest (sched/rest.h) and nobody outside can reach
 * it. That is so when
 *   - the process has no thread but the runtime's own, so that none can set, send, release, post or start anything, and
 *   - thrum_runtime_current has never been called in this runtime, so that no signal handler can post.
 * Otherwise the runtime sleeps on: a thread or a handler may be about to come. If it is for a thread, this is asked
 * again within two seconds, for that one may have been about to end.
 *
 * Then it is said who waits for what, and who has it; the runtime begins to end, as if the main task had returned:
 * waits end with -ECANCELED, and thrum_run returns -EDEADLK. Tasks that wait on although they are cancelled (shields)
 * leave nothing to do but a panic.
 *
 * Not found here: a cycle among some tasks while others run or wait for time (task/cycle.h).
 */
#ifndef TH_TASK_DEADLOCK_H
#define TH_TASK_DEADLOCK_H

#include <stdbool.h>

struct th_task;
struct thrum_runtime;

/* By a worker that sleeps, on its host's stack: true if it has made tasks ready. */
bool th_deadlock_judge(struct thrum_runtime *runtime);

/* One line on stderr: who a task is, what it waits for, and who has that. It must not be on its way out of the wait. */
void th_deadlock_tell(const struct th_task *task);

#endif
