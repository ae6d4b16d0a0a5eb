#include "base/sys_file.h"

#include "base/fault.h"
#include "base/sys_result.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int th_sys_openat(int directory, const char *path, int flags, mode_t mode)
{
    int fault = TH_FAULT(open);
    return fault ? fault : (int)SYS_RESULT(openat(directory, path, flags, mode));
}

int th_sys_fsync(int fd, bool is_data_only)
{
    int fault = TH_FAULT(fsync);
    return fault ? fault : (int)SYS_RESULT(is_data_only ? fdatasync(fd) : fsync(fd));
}

int th_sys_fstatat(int directory, const char *path, struct stat *about, int flags)
{
    int fault = TH_FAULT(fstatat);
    return fault ? fault : (int)SYS_RESULT(fstatat(directory, path, about, flags));
}

int th_sys_rename(const char *from, const char *to)
{
    int fault = TH_FAULT(rename);
    return fault ? fault : (int)SYS_RESULT(rename(from, to));
}

int th_sys_unlink(const char *path, int flags)
{
    int fault = TH_FAULT(unlink);
    return fault ? fault : (int)SYS_RESULT(unlinkat(AT_FDCWD, path, flags));
}

int th_sys_mkdir(const char *path, mode_t mode)
{
    int fault = TH_FAULT(mkdir);
    return fault ? fault : (int)SYS_RESULT(mkdir(path, mode));
}

int th_sys_ftruncate(int fd, int64_t bytes)
{
    int fault = TH_FAULT(ftruncate);
    return fault ? fault : (int)SYS_RESULT(ftruncate(fd, bytes));
}

int th_sys_fchmod(int fd, mode_t mode)
{
    int fault = TH_FAULT(fchmod);
    return fault ? fault : (int)SYS_RESULT(fchmod(fd, mode));
}

int th_sys_memfd(const char *name)
{
    int fault = TH_FAULT(memfd);
    return fault ? fault : (int)SYS_RESULT(memfd_create(name, MFD_CLOEXEC));
}

ssize_t th_sys_getdents(int fd, void *to, size_t bytes)
{
    int fault = TH_FAULT(getdents);
    return fault ? fault : (ssize_t)SYS_RESULT(getdents64(fd, to, bytes));
}
