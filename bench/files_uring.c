/*
 * Files by io_uring, as well as it can be done: open, read or write, and close are one chain in a slot of the ring's
 * own table of files, so that no descriptor is made and only the close is told; 64 chains at a time.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>

enum { DEPTH = 64, CALLS = 3, LINKED = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS };

struct share {
    struct io_uring ring;
    int next, end, step, in_flight;
    char paths[DEPTH][FILES_PATH_BYTES];
    char bytes[DEPTH][FILES_READ_BYTES];
};

static void begin_open(struct share *share, unsigned slot)
{
    struct io_uring_sqe *call = io_uring_get_sqe(&share->ring);
    int flags = files_bench.is_write ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
    files_path(share->next % files_bench.files, share->paths[slot]);
    io_uring_prep_openat_direct(call, AT_FDCWD, share->paths[slot], flags, 0600, slot);
    io_uring_sqe_set_flags(call, LINKED);
}

static void begin_transfer(struct share *share, unsigned slot)
{
    struct io_uring_sqe *call = io_uring_get_sqe(&share->ring);
    if (files_bench.is_write)
        io_uring_prep_write(call, (int)slot, files_text, FILES_WRITE_BYTES, 0);
    else
        io_uring_prep_read(call, (int)slot, share->bytes[slot], FILES_READ_BYTES, 0);
    io_uring_sqe_set_flags(call, LINKED | IOSQE_FIXED_FILE);
}

static void begin_close(struct share *share, unsigned slot)
{
    struct io_uring_sqe *call = io_uring_get_sqe(&share->ring);
    io_uring_prep_close_direct(call, slot);
    io_uring_sqe_set_data64(call, slot);
}

/* The next file, if there is one. There is room for DEPTH chains. */
static void begin(struct share *share, unsigned slot)
{
    if (share->next >= share->end)
        return;
    begin_open(share, slot);
    begin_transfer(share, slot);
    begin_close(share, slot);
    share->next += share->step;
    share->in_flight++;
}

/* A call that fails, or moves less, ends its chain: the close is told to be cancelled. */
static int go_on(struct share *share)
{
    struct io_uring_cqe *done;
    int code = io_uring_submit_and_wait(&share->ring, 1);
    while (code >= 0 && io_uring_peek_cqe(&share->ring, &done) == 0) {
        unsigned slot = (unsigned)io_uring_cqe_get_data64(done);
        code = done->res;
        io_uring_cqe_seen(&share->ring, done);
        share->in_flight--;
        begin(share, slot);
    }
    return code;
}

static int run(struct share *share)
{
    int code = io_uring_register_files_sparse(&share->ring, DEPTH);
    for (unsigned slot = 0; code == 0 && slot < DEPTH; slot++)
        begin(share, slot);
    while (code >= 0 && share->in_flight > 0)
        code = go_on(share);
    return code < 0 ? code : 0;
}

int files_by_uring(int first, int step)
{
    struct share *share = calloc(1, sizeof *share);
    if (share == NULL)
        return -ENOMEM;
    share->next = first;
    share->step = step;
    share->end = files_bench.files * files_bench.rounds;
    int code =
        io_uring_queue_init(DEPTH * CALLS, &share->ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    if (code == 0) {
        code = run(share);
        io_uring_queue_exit(&share->ring);
    }
    free(share);
    return code;
}
