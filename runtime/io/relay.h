/*
 * A relay: bytes go from one file descriptor to another until the end, and the kernel moves them (splice).
 *
 * Where neither end is a pipe there is one between. It is empty before each move into it, so only the source and the
 * target are waited for; and what is in it when the target cannot take it, or when the task is cancelled, is read back
 * into memory that the caller has brought: a byte that was taken from the source is never lost.
 *
 * Rejected: keeping the pipe, with what it holds, for the next call (a stream that was copied from once would have two
 * more file descriptors for life, and a write to it would have to empty the pipe first).
 */
#ifndef TH_IO_RELAY_H
#define TH_IO_RELAY_H

#include <stddef.h>
#include <stdint.h>

/* One task's, on its stack. */
struct th_relay {
    int from, to;
    char *rest; /* memory for what was taken and not given: `most` bytes */
    size_t most;
    size_t held;   /* so many bytes of it, in the end */
    int64_t moved; /* given to the target */
};

/* 0: all has been moved; -EINVAL: one of the two cannot be spliced, another way must go on; or what failed. May switch,
 * may be cancelled. */
int th_relay_run(struct th_relay *relay);

#endif
