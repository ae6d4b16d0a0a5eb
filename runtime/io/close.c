/* Numbers that end, and begin. */
#include <thrum/io.h>

#include "base/sys_io.h"
#include "io/descriptor.h"

#include <fcntl.h>

int thrum_close(int fd)
{
    return th_descriptor_close(fd);
}

int thrum_dup(int fd)
{
    int another = th_sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (another >= 0)
        th_descriptor_adopt(another, TH_KIND_UNKNOWN);
    return another;
}
