/* Child processes. */
#include <thrum/process.h>

#include <thrum/deadline.h>

#include "base/origins.h"
#include "base/sys_file.h"
#include "base/sys_process.h"
#include "io/descriptor.h"
#include "task/waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>

/* The three streams while a child is made: what it gets, what is ours, and what is only open for the making. */
struct plumbing {
    int wanted[TH_SYS_STREAMS];
    int childs[TH_SYS_STREAMS];
    int ours[TH_SYS_STREAMS];
    bool is_temporary[TH_SYS_STREAMS];
};

/* A number above 2: the child's 0, 1 and 2 are set one after the other, and must not overwrite what comes later. */
static int lift(int fd)
{
    if (fd < 0 || fd >= TH_SYS_STREAMS)
        return fd;
    int lifted = th_sys_fcntl(fd, F_DUPFD_CLOEXEC, TH_SYS_STREAMS);
    (void)th_sys_close(fd);
    return lifted;
}

static int lay_pipe(struct plumbing *plumbing, int stream)
{
    int ends[2];
    int code = th_sys_pipe(ends);
    if (code < 0)
        return code;
    int childs = stream == 0 ? 0 : 1;
    plumbing->childs[stream] = lift(ends[childs]);
    plumbing->ours[stream] = ends[1 - childs];
    plumbing->is_temporary[stream] = plumbing->childs[stream] >= 0;
    th_descriptor_adopt(ends[1 - childs], TH_KIND_PIPE);
    th_origin_note(TH_ORIGIN_FD, (uint32_t)ends[1 - childs], NULL, NULL);
    return plumbing->childs[stream] < 0 ? plumbing->childs[stream] : 0;
}

static int lay_null(struct plumbing *plumbing, int stream)
{
    int fd = lift(th_sys_openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0));
    plumbing->childs[stream] = fd;
    plumbing->is_temporary[stream] = fd >= 0;
    return fd < 0 ? fd : 0;
}

static int lay(struct plumbing *plumbing, int stream)
{
    int wanted = plumbing->wanted[stream];
    switch (wanted) {
    case THRUM_PROCESS_SHARE:
        return 0;
    case THRUM_PROCESS_PIPE:
        return lay_pipe(plumbing, stream);
    case THRUM_PROCESS_NULL:
        return lay_null(plumbing, stream);
    default:
        plumbing->childs[stream] = wanted;
        return wanted < TH_SYS_STREAMS ? -EINVAL : 0;
    }
}

static void close_childs(const struct plumbing *plumbing)
{
    for (int i = 0; i < TH_SYS_STREAMS; i++) {
        if (plumbing->is_temporary[i])
            (void)th_sys_close(plumbing->childs[i]);
    }
}

static void close_ours(const struct plumbing *plumbing)
{
    for (int i = 0; i < TH_SYS_STREAMS; i++) {
        if (plumbing->ours[i] >= 0)
            (void)thrum_close(plumbing->ours[i]);
    }
}

static int spawn(thrum_process *process, const char *const arguments[], const thrum_process_options *options,
                 const struct plumbing *plumbing)
{
    struct th_sys_child child = {.arguments = arguments,
                                 .environment = options->environment,
                                 .directory = options->directory,
                                 .streams = {plumbing->childs[0], plumbing->childs[1], plumbing->childs[2]}};
    int id = th_sys_spawn(&child);
    if (id < 0)
        return id;
    int end = th_sys_pidfd_open(id);
    if (end < 0) {
        th_sys_undo_spawn(id);
        return end;
    }
    th_descriptor_adopt(end, TH_KIND_OTHER);
    *process = (thrum_process){
        .id = id, .input = plumbing->ours[0], .output = plumbing->ours[1], .errors = plumbing->ours[2], .end_ = end};
    return 0;
}

int thrum_process_start(thrum_process *process, const char *const arguments[], const thrum_process_options *options)
{
    static const thrum_process_options defaults = {0};
    if (options == NULL)
        options = &defaults;
    struct plumbing plumbing = {
        .wanted = {options->input, options->output, options->errors}, .childs = {-1, -1, -1}, .ours = {-1, -1, -1}};
    int code = arguments[0] != NULL ? 0 : -EINVAL;
    for (int i = 0; code == 0 && i < TH_SYS_STREAMS; i++)
        code = lay(&plumbing, i);
    if (code == 0)
        code = spawn(process, arguments, options, &plumbing);
    close_childs(&plumbing);
    if (code < 0)
        close_ours(&plumbing);
    return code;
}

/* ---- Its end ---- */

static const struct th_wait_kind process_wait = {.name = "the end of process", .is_number = true};

static int wait_for_end(const thrum_process *process)
{
    struct pollfd end = {.fd = process->end_, .events = POLLIN};
    th_waiting_name(&process_wait, (void *)(intptr_t)process->id);
    int code = thrum_poll(&end, 1, THRUM_FOREVER);
    th_waiting_unname();
    return code;
}

int thrum_process_wait(thrum_process *process, int *status)
{
    int taken = 0, code;
    if (process->end_ < 0)
        return -ECHILD;
    while ((code = th_sys_pidfd_wait(process->end_, &taken)) == -EAGAIN) {
        code = wait_for_end(process);
        if (code < 0)
            return code;
    }
    (void)thrum_close(process->end_);
    process->end_ = -1;
    if (code == 0 && status != NULL)
        *status = taken;
    return code;
}

int thrum_process_kill(const thrum_process *process, int signo)
{
    return process->end_ >= 0 ? th_sys_pidfd_kill(process->end_, signo) : -ESRCH;
}

int thrum_process_end(thrum_process *process, thrum_time grace, int *status)
{
    int code = -ETIMEDOUT;
    (void)thrum_process_kill(process, SIGTERM);
    THRUM_SHIELD(grace)
    code = thrum_process_wait(process, status);
    if (code != -ETIMEDOUT)
        return code;
    (void)thrum_process_kill(process, SIGKILL);
    THRUM_SHIELD(THRUM_FOREVER)
    code = thrum_process_wait(process, status);
    return code;
}

int thrum_process_run(const char *const arguments[], const thrum_process_options *options, int *status)
{
    thrum_process process;
    if (options != NULL && (options->input == THRUM_PROCESS_PIPE || options->output == THRUM_PROCESS_PIPE ||
                            options->errors == THRUM_PROCESS_PIPE))
        return -EINVAL;
    int code = thrum_process_start(&process, arguments, options);
    if (code < 0)
        return code;
    code = thrum_process_wait(&process, status);
    if (code == -ECANCELED || code == -ETIMEDOUT)
        (void)thrum_process_end(&process, 0, NULL);
    return code;
}
