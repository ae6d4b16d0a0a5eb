/* Numbers that end, and begin. */
#include <thrum/io.h>

#include "base/origins.h"
#include "base/sys_io.h"
#include "io/descriptor.h"

#include <fcntl.h>

int thrum_close(int fd)
{
    th_origin_forget(TH_ORIGIN_FD, (uint32_t)fd);
    return th_descriptor_close(fd);
}

int thrum_dup(int fd)
{
    int another = th_sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (another >= 0) {
        th_descriptor_adopt(another, TH_KIND_UNKNOWN);
        th_origin_note(TH_ORIGIN_FD, (uint32_t)another, NULL, NULL);
    }
    return another;
}
