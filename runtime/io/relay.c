#include "io/relay.h"

#include <thrum/io.h>

#include "base/sys_io.h"
#include "base/sys_process.h"
#include "io/descriptor.h"

/* To the end, or until the count is reached: what splice said last, 0 if nothing is left. */
static ssize_t move(struct th_relay *relay, int from, int to, size_t bytes)
{
    ssize_t moved = 0;
    while (bytes > 0 && (moved = thrum_splice(from, to, bytes)) > 0) {
        relay->moved += moved;
        bytes -= (size_t)moved;
    }
    return moved < 0 ? moved : 0;
}

/* Nobody writes into the pipe meanwhile: what is in it comes at once. */
static void read_back(struct th_relay *relay, int pipe, size_t bytes)
{
    while (bytes > 0) {
        ssize_t got = th_sys_read(pipe, relay->rest + relay->held, bytes);
        if (got > 0) {
            relay->held += (size_t)got;
            bytes -= (size_t)got;
        } else if (got != -EINTR) {
            return;
        }
    }
}

static int move_by_pipe(struct th_relay *relay, const int pipe[2])
{
    for (;;) {
        ssize_t taken = thrum_splice(relay->from, pipe[1], relay->most);
        if (taken <= 0)
            return (int)taken;
        int64_t before = relay->moved;
        ssize_t code = move(relay, pipe[0], relay->to, (size_t)taken);
        if (code < 0) {
            read_back(relay, pipe[0], (size_t)taken - (size_t)(relay->moved - before));
            return (int)code;
        }
    }
}

int th_relay_run(struct th_relay *relay)
{
    int pipe[2];
    ssize_t code = move(relay, relay->from, relay->to, SIZE_MAX);
    if (code != -EINVAL || relay->moved > 0)
        return (int)code;
    code = th_sys_pipe(pipe);
    if (code < 0)
        return -EINVAL;
    for (int i = 0; i < 2; i++)
        th_descriptor_adopt(pipe[i], TH_KIND_PIPE);
    code = move_by_pipe(relay, pipe);
    for (int i = 0; i < 2; i++)
        (void)thrum_close(pipe[i]);
    return (int)code;
}
