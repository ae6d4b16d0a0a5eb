/* Files by path. */
#include <thrum/file.h>

#include "base/origins.h"
#include "base/sys_file.h"
#include "io/descriptor.h"
#include "task/aside.h"

#include <errno.h>
#include <fcntl.h>

int thrum_openat(int directory, const char *path, int flags, mode_t mode)
{
    int fd;
    do {
        int code = th_await_look();
        if (code < 0)
            return code;
        fd = th_sys_openat(directory, path, flags | O_CLOEXEC, mode);
    } while (fd == -EINTR);
    if (fd >= 0) {
        th_descriptor_adopt(fd, TH_KIND_OPENED);
        th_origin_note(TH_ORIGIN_FD, (uint32_t)fd, NULL, NULL);
    }
    return fd;
}

int thrum_open(const char *path, int flags, mode_t mode)
{
    return thrum_openat(AT_FDCWD, path, flags, mode);
}

/* ---- What always waits for the disk ---- */

struct sync {
    int fd;
    bool is_data_only;
};

static int run_sync(void *arg)
{
    const struct sync *sync = arg;
    return th_sys_fsync(sync->fd, sync->is_data_only);
}

static int sync_aside(int fd, bool is_data_only)
{
    struct sync sync = {.fd = fd, .is_data_only = is_data_only};
    struct th_descriptor *descriptor;
    int code = th_descriptor_acquire(fd, &descriptor);
    if (code < 0)
        return code;
    do {
        code = th_blocking_run(TH_LANE_FILES, run_sync, &sync);
    } while (code == -EINTR);
    (void)th_descriptor_release(descriptor, fd);
    return code;
}

int thrum_fsync(int fd)
{
    return sync_aside(fd, false);
}

int thrum_fdatasync(int fd)
{
    return sync_aside(fd, true);
}

/* ---- In place ---- */

/* The result of a call, which is not made where the caller's scope has ended. */
#define IN_PLACE(call)                   \
    ({                                   \
        int code_ = th_await_look();     \
        code_ < 0 ? code_ : (int)(call); \
    })

int thrum_stat(const char *path, struct stat *about)
{
    return IN_PLACE(th_sys_fstatat(AT_FDCWD, path, about, 0));
}

int thrum_lstat(const char *path, struct stat *about)
{
    return IN_PLACE(th_sys_fstatat(AT_FDCWD, path, about, AT_SYMLINK_NOFOLLOW));
}

int thrum_fstat(int fd, struct stat *about)
{
    return IN_PLACE(th_sys_fstat(fd, about));
}

int thrum_rename(const char *from, const char *to)
{
    return IN_PLACE(th_sys_rename(from, to));
}

int thrum_unlink(const char *path)
{
    return IN_PLACE(th_sys_unlink(path, 0));
}

int thrum_rmdir(const char *path)
{
    return IN_PLACE(th_sys_unlink(path, AT_REMOVEDIR));
}

int thrum_mkdir(const char *path, mode_t mode)
{
    return IN_PLACE(th_sys_mkdir(path, mode));
}

int thrum_ftruncate(int fd, int64_t bytes)
{
    return IN_PLACE(th_sys_ftruncate(fd, bytes));
}
