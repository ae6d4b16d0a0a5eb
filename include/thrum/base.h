/*
 * What every other header stands on: version, visibility, time and error names.
 *
 * Conventions of the whole library:
 *   - functions return >= 0, or -errno; the caller's errno is neither set nor read;
 *   - time is a thrum_time, signed nanoseconds, monotonic; durations have the same unit;
 *   - nothing here switches tasks unless its comment says so.
 */
#ifndef THRUM_BASE_H
#define THRUM_BASE_H

#include <stdint.h>

#define THRUM_VERSION_MAJOR 0
#define THRUM_VERSION_MINOR 1
#define THRUM_VERSION_PATCH 0

#define THRUM_API     __attribute__((visibility("default")))
#define THRUM_CHECKED __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds: a point on the monotonic clock, or a span. Signed, so that differences can be taken. */
typedef int64_t thrum_time;

#define THRUM_US(n)   ((thrum_time)(n)*1000)
#define THRUM_MS(n)   ((thrum_time)(n)*1000000)
#define THRUM_SEC(n)  ((thrum_time)(n)*1000000000)
#define THRUM_FOREVER INT64_MAX

/* The monotonic clock. Never switches. */
THRUM_API thrum_time thrum_now(void);

/* "0.1.0" of the library that runs, which may be newer than the header. Never switches. */
THRUM_API const char *thrum_version(void);

/*
 * What a result means, in words, for a negative result of any thrum function: "canceled", "deadline passed", ... A
 * result >= 0 is "success". The text is constant and shared; unlike strerror it may be called by any number of threads
 * at once. Never switches.
 */
THRUM_API const char *thrum_strerror(int result);

#ifdef __cplusplus
}
#endif
#endif
