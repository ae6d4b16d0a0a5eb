/*
 * The seam to the system, continued (base/sys.h): child processes. As in base/sys_io.h.
 */
#ifndef TH_BASE_SYS_PROCESS_H
#define TH_BASE_SYS_PROCESS_H

#include "base/sys.h"

enum { TH_SYS_STREAMS = 3 };

/* What a child is made of. It begins with no signal held and none ignored. */
struct th_sys_child {
    const char *const *arguments;   /* the first is looked up in PATH unless it has a slash */
    const char *const *environment; /* NULL: this process's */
    const char *directory;          /* NULL: this process's */
    int streams[TH_SYS_STREAMS];    /* what becomes its 0, 1, 2; -1: as here */
};

/* Its number, or why it could not be started: -ENOENT and its like come from the child's own exec. */
int th_sys_spawn(const struct th_sys_child *child);
/* A copy of this process: its number here, 0 there. It leaves no core file, and unless it is loud what it prints goes
 * nowhere. */
int th_sys_fork(bool is_loud);
/* Ends the process at once. */
_Noreturn void th_sys_exit(int code);
bool th_sys_is_terminal(int fd);
/* Kills a child that nobody has heard of, and takes its end. */
void th_sys_undo_spawn(int process);
/* A file descriptor, closed on exec, that is readable once the process has ended. */
int th_sys_pidfd_open(int process);
int th_sys_pidfd_kill(int pidfd, int signo);
/* Takes the end of a child: 0 with its status as waitpid(2) has it; -EAGAIN if it lives. */
int th_sys_pidfd_wait(int pidfd, int *status);

/* Both ends closed on exec. */
int th_sys_pipe(int ends[2]);

#endif
