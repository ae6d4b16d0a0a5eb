/*
 * Child processes: started, talked to by pipes, waited for, killed. Only the task waits.
 *
 *     static const char *const command[] = {"sort", "-u", NULL};
 *     thrum_process_options options = {.input = THRUM_PROCESS_PIPE, .output = THRUM_PROCESS_PIPE};
 *     thrum_process sort;
 *     int code = thrum_process_start(&sort, command, &options);
 *     ... thrum_write_all(sort.input, ...); thrum_close(sort.input); thrum_read(sort.output, ...) ...
 *     code = thrum_process_wait(&sort, &status);
 */
#ifndef THRUM_PROCESS_H
#define THRUM_PROCESS_H

#include <thrum/io.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a child's standard stream is; else a file descriptor above 2, which it shares. */
enum thrum_process_stream {
    THRUM_PROCESS_SHARE = 0, /* this process's */
    THRUM_PROCESS_PIPE = -1, /* a pipe whose other end is in the thrum_process */
    THRUM_PROCESS_NULL = -2, /* /dev/null */
};

typedef struct thrum_process_options {
    const char *const *environment; /* "NAME=value", ended by NULL. NULL: this process's */
    const char *directory;          /* where it starts. NULL: here */
    int input, output, errors;      /* its 0, 1, 2: see thrum_process_stream */
} thrum_process_options;

typedef struct thrum_process {
    int id;     /* its number in the system */
    int input;  /* to write to where a pipe was asked for, else -1; the caller closes it (thrum_close) */
    int output; /* to read from, likewise */
    int errors; /* likewise */
    int end_;
} thrum_process;

/*
 * Starts a program: arguments[0], looked up in PATH unless it has a slash, with all of arguments, which end with NULL.
 * options may be NULL. It has the standard streams alone, no signal is ignored or held in it. 0; -ENOENT, -EACCES and
 * their like of exec; -EMFILE, -ENOMEM, -EAGAIN (too many processes). It must be waited for once. Never switches.
 */
THRUM_API THRUM_CHECKED int thrum_process_start(thrum_process *process, const char *const arguments[],
                                                const thrum_process_options *options);

/*
 * Waits for its end, and takes it, in one task at a time: 0, with the status as waitpid(2) has it (status may be NULL).
 * -ECANCELED, -ETIMEDOUT: it lives, and is still to be waited for. -ECHILD: somebody else has taken it (SIGCHLD
 * ignored, or a waitpid for any child). May switch, may be cancelled.
 */
THRUM_API THRUM_CHECKED int thrum_process_wait(thrum_process *process, int *status);

/* Sends a signal, to this process and no other that has come to its number. 0; -ESRCH once it has ended, or has been
 * waited for. Never switches. */
THRUM_API int thrum_process_kill(const thrum_process *process, int signo);

/*
 * Ends it: SIGTERM, and SIGKILL after a span of grace; waits for it as thrum_process_wait does, whether the caller is
 * cancelled or late or not. May switch.
 */
THRUM_API int thrum_process_end(thrum_process *process, thrum_time grace, int *status);

/*
 * Starts a program and waits for it, without pipes (-EINVAL). If the caller is cancelled or its deadline passes, the
 * program is killed, waited for, and the result -ECANCELED or -ETIMEDOUT. May switch, may be cancelled.
 */
THRUM_API THRUM_CHECKED int thrum_process_run(const char *const arguments[], const thrum_process_options *options,
                                              int *status);

#ifdef __cplusplus
}
#endif
#endif
