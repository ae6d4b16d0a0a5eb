/* What a function of the library writes into a file descriptor, as text. */
#ifndef TEST_OBSERVE_WRITTEN_H
#define TEST_OBSERVE_WRITTEN_H

#include "task/harness.h"

#include <fcntl.h>

enum { TEXT_MOST = 1 << 25 };

static char text[TEXT_MOST];

/* What `write_it` writes into a pipe that somebody empties meanwhile. */
TH_UNUSED static void *empty(void *arg)
{
    size_t length = 0;
    ssize_t got;
    while ((got = read(*(int *)arg, text + length, TEXT_MOST - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    return NULL;
}

TH_UNUSED static int text_of(int (*write_it)(int fd))
{
    int ends[2];
    /* A program that a task starts meanwhile must not keep the writing end. */
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    pthread_t reader = start_thread(empty, &ends[0]);
    int code = write_it(ends[1]);
    close(ends[1]);
    CHECK_EQ(pthread_join(reader, NULL), 0);
    close(ends[0]);
    return code;
}

TH_UNUSED static bool text_has(const char *part)
{
    return strstr(text, part) != NULL;
}

#endif
