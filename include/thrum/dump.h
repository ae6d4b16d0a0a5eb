/*
 * Dumps: every task of this process, where it is and what it waits for, while the program goes on.
 *
 * SIGQUIT (Ctrl-\) writes one to stderr, unless the program has a handler of its own for it or ignores it, or
 * THRUM_SIGQUIT=0 says that it should end the program as ever.
 */
#ifndef THRUM_DUMP_H
#define THRUM_DUMP_H

#include <thrum/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes all tasks of all runtimes: number, name, state, what each waits for, since when and who has that, who started
 * it, on which worker it ran last, how much of its stack it uses, and its calls; tasks that stand at the same place are
 * together. Nothing is stopped and no lock is taken, so it works while all workers are stuck, and what it says of a
 * task is true of a moment within the call; of a running task it says only that it runs. 0, or -errno: of the first
 * write that failed; -ENOMEM; -EBUSY while another dump is being written. Any thread, also in a signal handler. Blocks
 * its thread while the descriptor does, some microseconds for each task. Never switches.
 */
THRUM_API int thrum_dump(int fd);

/* The same as JSON: {"runtimes": [{"workers": [...], "stacks": [{"calls": [...], "tasks": [...]}]}]}. */
THRUM_API int thrum_dump_json(int fd);

#ifdef __cplusplus
}
#endif
#endif
