/* A stream to an address: what most clients among the samples begin with. */
#ifndef SAMPLES_DIAL_H
#define SAMPLES_DIAL_H

#include <thrum.h>

static inline int dial_stream(thrum_stream **stream, const char *address)
{
    int fd, code = thrum_dial("tcp", address, &fd);
    if (code < 0)
        return code;
    code = thrum_stream_open(stream, fd, NULL);
    if (code < 0)
        (void)thrum_close(fd);
    return code;
}

#endif
