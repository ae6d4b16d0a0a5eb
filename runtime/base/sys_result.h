/*
 * How a system call's outcome becomes a result. For base/sys*.c alone: errno is touched nowhere else.
 */
#ifndef TH_BASE_SYS_RESULT_H
#define TH_BASE_SYS_RESULT_H

#include <errno.h>

/* Runs a system call, turns its outcome into a result, and leaves the caller's errno as it was. */
#define SYS_RESULT(call)                                       \
    ({                                                         \
        int errno_before_ = errno;                             \
        long outcome_ = (long)(call);                          \
        long result_ = outcome_ < 0 ? -(long)errno : outcome_; \
        errno = errno_before_;                                 \
        result_;                                               \
    })

#endif
