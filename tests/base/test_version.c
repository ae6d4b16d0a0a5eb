#include "kit/kit.h"

#include <thrum.h>

#include <errno.h>

TEST(version_is_the_headers)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%d.%d.%d", THRUM_VERSION_MAJOR, THRUM_VERSION_MINOR, THRUM_VERSION_PATCH);
    CHECK_STR_EQ(thrum_version(), wanted);
}

TEST(every_result_has_a_text)
{
    CHECK_STR_EQ(thrum_strerror(0), "success");
    CHECK_STR_EQ(thrum_strerror(42), "success");
    CHECK_STR_HAS(thrum_strerror(-ECANCELED), "canceled");
    CHECK_STR_HAS(thrum_strerror(-ETIMEDOUT), "deadline");
    CHECK_STR_EQ(thrum_strerror(-ENOENT), "No such file or directory");
    CHECK_STR_EQ(thrum_strerror(-99999), "unknown error");
    CHECK_STR_EQ(thrum_strerror(INT32_MIN), "unknown error");
}

TEST(now_does_not_go_back)
{
    thrum_time before = thrum_now();
    for (int i = 0; i < 1000; i++) {
        thrum_time now = thrum_now();
        CHECK_GE(now, before);
        before = now;
    }
}
