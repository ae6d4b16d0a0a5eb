#include "base/sys_process.h"

#include "base/fault.h"
#include "base/sys_result.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals are as in a new program: what this one ignores (SIGPIPE) or holds is its own business. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    int code = posix_spawnattr_setsigdefault(attributes, &all);
    if (code == 0)
        code = posix_spawnattr_setsigmask(attributes, &none);
    if (code == 0)
        code = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return code;
}

/* A stream is never one of the numbers 0 to 2 that another action has overwritten: the caller sees to that. */
static int set_files(posix_spawn_file_actions_t *actions, const struct th_sys_child *child)
{
    int code = 0;
    for (int i = 0; code == 0 && i < TH_SYS_STREAMS; i++) {
        if (child->streams[i] >= 0)
            code = posix_spawn_file_actions_adddup2(actions, child->streams[i], i);
    }
    if (code == 0 && child->directory != NULL)
        code = posix_spawn_file_actions_addchdir_np(actions, child->directory);
    return code;
}

static int spawn_with(const struct th_sys_child *child, posix_spawn_file_actions_t *actions,
                      posix_spawnattr_t *attributes)
{
    pid_t process;
    int code = set_files(actions, child);
    if (code == 0)
        code = set_signals(attributes);
    if (code == 0)
        code = posix_spawnp(&process, child->arguments[0], actions, attributes, (char *const *)child->arguments,
                            child->environment != NULL ? (char *const *)child->environment : environ);
    return code == 0 ? process : -code;
}

int th_sys_spawn(const struct th_sys_child *child)
{
    int fault = TH_FAULT(spawn);
    if (fault)
        return fault;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int errno_before = errno;
    int code = -posix_spawn_file_actions_init(&actions);
    if (code == 0) {
        code = -posix_spawnattr_init(&attributes);
        if (code == 0) {
            code = spawn_with(child, &actions, &attributes);
            (void)posix_spawnattr_destroy(&attributes);
        }
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    errno = errno_before;
    return code;
}

void th_sys_undo_spawn(int process)
{
    (void)SYS_RESULT(kill(process, SIGKILL));
    while (SYS_RESULT(waitpid(process, NULL, 0)) == -EINTR)
        continue;
}

/* What a copy that is tried out should not do to the terminal, and to the disk. */
static void calm_down(bool is_loud)
{
    struct rlimit no_core = {0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (is_loud)
        return;
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 1; fd <= 2 && nowhere >= 0; fd++)
        (void)dup2(nowhere, fd);
    if (nowhere > 2)
        (void)close(nowhere);
}

int th_sys_fork(bool is_loud)
{
    int fault = TH_FAULT(spawn);
    if (fault)
        return fault;
    int process = (int)SYS_RESULT(fork());
    if (process == 0)
        calm_down(is_loud);
    return process;
}

_Noreturn void th_sys_exit(int code)
{
    _exit(code);
}

bool th_sys_is_terminal(int fd)
{
    int errno_before = errno;
    bool is_one = isatty(fd) == 1;
    errno = errno_before;
    return is_one;
}

int th_sys_pidfd_open(int process)
{
    int fault = TH_FAULT(pidfd_open);
    return fault ? fault : (int)SYS_RESULT(pidfd_open(process, 0));
}

int th_sys_pidfd_kill(int pidfd, int signo)
{
    int fault = TH_FAULT(pidfd_kill);
    return fault ? fault : (int)SYS_RESULT(pidfd_send_signal(pidfd, signo, NULL, 0));
}

/* As the macros of <sys/wait.h> take it apart. */
static int status_of(const siginfo_t *end)
{
    if (end->si_code == CLD_EXITED)
        return W_EXITCODE(end->si_status, 0);
    return W_EXITCODE(0, end->si_status) | (end->si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

int th_sys_pidfd_wait(int pidfd, int *status)
{
    siginfo_t end = {.si_pid = 0};
    int fault = TH_FAULT(waitid);
    if (fault)
        return fault;
    int code = (int)SYS_RESULT(waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED | WNOHANG));
    if (code == 0 && end.si_pid == 0)
        return -EAGAIN;
    if (code == 0)
        *status = status_of(&end);
    return code;
}

int th_sys_pipe(int ends[2])
{
    int fault = TH_FAULT(pipe);
    return fault ? fault : (int)SYS_RESULT(pipe2(ends, O_CLOEXEC));
}
