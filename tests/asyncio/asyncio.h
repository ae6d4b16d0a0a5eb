/*
 * For the tests that stand beside asyncio: what a program prints there, it notes here.
 *
 * Each test has the Python beside it, as short as it can be, and expects what that prints. Where order is a promise of
 * asyncio's one loop and not of thrum, the test runs on one worker and waits where the Python does.
 */
#ifndef TEST_ASYNCIO_H
#define TEST_ASYNCIO_H

#include "task/harness.h"

#include <stdarg.h>

static char noted[512]; /* by one task at a time */

__attribute__((format(printf, 1, 2))) TH_UNUSED static void note(const char *format, ...)
{
    size_t length = strlen(noted);
    va_list args;
    va_start(args, format);
    vsnprintf(noted + length, sizeof noted - length, format, args);
    va_end(args);
}

/* Runs on each number of workers, and each time notes what the Python prints. */
#define SAME_AS_ASYNCIO(main_task, printed)   \
    do {                                      \
        FOR_EACH_WORKER_COUNT(workers)        \
        {                                     \
            noted[0] = '\0';                  \
            run_on(workers, main_task, NULL); \
            CHECK_STR_EQ(noted, printed);     \
        }                                     \
    } while (0)

#endif
