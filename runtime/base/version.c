#include <thrum/base.h>

#include "base/sys.h"

#include <errno.h>
#include <string.h>

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)

const char *thrum_version(void)
{
    return TEXT(THRUM_VERSION_MAJOR) "." TEXT(THRUM_VERSION_MINOR) "." TEXT(THRUM_VERSION_PATCH);
}

thrum_time thrum_now(void)
{
    return th_sys_now();
}

const char *thrum_strerror(int result)
{
    if (result >= 0)
        return "success";
    /* The codes that mean something of their own here. */
    switch (result == INT32_MIN ? 0 : -result) {
    case ECANCELED:
        return "canceled: the task, its group or the runtime is ending";
    case ETIMEDOUT:
        return "deadline passed";
    case EPIPE:
        return "closed by the other side";
    case EBADF:
        return "closed, or never opened";
    case EDEADLK:
        return "deadlock: this wait could never end";
    case EAGAIN:
        return "a limit is reached: try again later";
    case ESHUTDOWN:
        return "the runtime has ended";
    default: {
        const char *text = strerrordesc_np(result == INT32_MIN ? -1 : -result);
        return text != NULL ? text : "unknown error";
    }
    }
}
