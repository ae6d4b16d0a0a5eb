/* Buffered streams: lines, marks, exact counts, limits, backpressure, half-close. */
#include "io/pairs.h"

#include <thrum/stream.h>

#include <sys/mman.h>

struct ends {
    thrum_stream *a, *b;
};

/* What is written to a comes out of b; of sockets the other way too. */
static struct ends open_ends(int kind, const thrum_stream_options *options)
{
    struct ends ends;
    struct pair pair = open_pair(kind);
    CHECK_EQ(thrum_stream_open(&ends.a, pair.fds[1], options), 0);
    CHECK_EQ(thrum_stream_open(&ends.b, pair.fds[0], options), 0);
    return ends;
}

static void close_ends(const struct ends *ends)
{
    CHECK_EQ(thrum_stream_close(ends->a), 0);
    CHECK_EQ(thrum_stream_close(ends->b), 0);
}

#define CHECK_TEXT(at, length, text)                 \
    do {                                             \
        CHECK_EQ(length, (ssize_t)strlen(text));     \
        CHECK_EQ(memcmp(at, text, strlen(text)), 0); \
    } while (0)

static int reads_lines(void *arg)
{
    const int *kind = arg;
    struct ends ends = open_ends(*kind, NULL);
    const char *at;
    CHECK_EQ(thrum_stream_write(ends.a, "one\ntwo\r\n\nlast", 14), 14);
    CHECK_EQ(thrum_stream_finish(ends.a), 0);
    ssize_t length = thrum_stream_read_line(ends.b, &at);
    CHECK_TEXT(at, length, "one\n");
    length = thrum_stream_read_line(ends.b, &at);
    CHECK_TEXT(at, length, "two\r\n");
    length = thrum_stream_read_line(ends.b, &at);
    CHECK_TEXT(at, length, "\n");
    length = thrum_stream_read_line(ends.b, &at);
    CHECK_TEXT(at, length, "last");
    CHECK_EQ(thrum_stream_read_line(ends.b, &at), 0);
    /* Only one half is closed. */
    CHECK_EQ(thrum_stream_printf(ends.b, "%s %d\n", "answer", 42), 10);
    CHECK_EQ(thrum_stream_flush(ends.b), 0);
    length = thrum_stream_read_line(ends.a, &at);
    CHECK_TEXT(at, length, "answer 42\n");
    close_ends(&ends);
    return 0;
}

TEST(lines_come_one_by_one_and_a_finished_stream_still_reads)
{
    for (int kind = PAIR_TCP; kind <= PAIR_UNIX; kind++)
        run_on(2, reads_lines, &kind);
}

static int reads_until(void *arg)
{
    struct ends ends = open_ends(PAIR_UNIX, NULL);
    const char *at;
    char few[4];
    (void)arg;
    CHECK_EQ(thrum_stream_read_until(ends.b, "", 0, &at), -EINVAL);
    /* A mark that comes in two pieces, with a false beginning. */
    CHECK_EQ(thrum_stream_printf(ends.a, "head\r\r\n\r"), 8);
    CHECK_EQ(thrum_stream_flush(ends.a), 0);
    ssize_t length = thrum_stream_peek(ends.b, 8, &at);
    CHECK_TEXT(at, length, "head\r\r\n\r");
    CHECK_EQ(thrum_stream_printf(ends.a, "\nbody"), 5);
    CHECK_EQ(thrum_stream_finish(ends.a), 0);
    length = thrum_stream_read_until(ends.b, "\r\n\r\n", 4, &at);
    CHECK_TEXT(at, length, "head\r\r\n\r\n");
    length = thrum_stream_peek(ends.b, 2, &at);
    CHECK_GE(length, 2);
    thrum_stream_skip(ends.b, 2);
    CHECK_EQ(thrum_stream_read_exactly(ends.b, few, 4), 2);
    CHECK_EQ(memcmp(few, "dy", 2), 0);
    CHECK_EQ(thrum_stream_read_exactly(ends.b, few, 4), 0);
    CHECK_EQ(thrum_stream_peek(ends.b, 1, &at), 0);
    close_ends(&ends);
    return 0;
}

TEST(marks_are_found_across_pieces_and_peeks_take_nothing)
{
    run_on_each_count(reads_until);
}

static int has_limits(void *arg)
{
    const thrum_stream_options options = {.read_most = 16, .write_most = 16};
    struct ends ends = open_ends(PAIR_UNIX, &options);
    const char *at;
    char text[64];
    (void)arg;
    CHECK_EQ(thrum_stream_printf(ends.a, "%s", "a line that is too long\nshort\n"), 30);
    CHECK_EQ(thrum_stream_finish(ends.a), 0);
    CHECK_EQ(thrum_stream_read_line(ends.b, &at), -EMSGSIZE);
    CHECK_EQ(thrum_stream_read_line(ends.b, &at), -EMSGSIZE);
    CHECK_EQ(thrum_stream_peek(ends.b, 17, &at), -EMSGSIZE);
    /* Nothing was taken. */
    CHECK_EQ(thrum_stream_read_exactly(ends.b, text, 24), 24);
    CHECK_EQ(memcmp(text, "a line that is too long\n", 24), 0);
    CHECK_EQ(thrum_stream_read_line(ends.b, &at), 6);
    close_ends(&ends);
    return 0;
}

TEST(a_line_without_end_is_refused_and_not_lost)
{
    run_on(1, has_limits, NULL);
}

struct sent {
    thrum_stream *stream;
    char *bytes;
    th_atomic32 is_done;
};

static int send_plenty(void *arg)
{
    struct sent *sent = arg;
    size_t done = 0;
    /* Of all sizes: past the buffer, and through it. */
    for (size_t size = 1; done < PLENTY; size = size * 3 % 200003) {
        size_t piece = size < PLENTY - done ? size : PLENTY - done;
        CHECK_EQ(thrum_stream_write(sent->stream, sent->bytes + done, piece), (ssize_t)piece);
        done += piece;
    }
    flag_set(&sent->is_done);
    CHECK_EQ(thrum_stream_finish(sent->stream), 0);
    return 0;
}

static int send_plenty_and_close(void *arg)
{
    struct sent *sent = arg;
    CHECK_EQ(send_plenty(sent), 0);
    CHECK_EQ(thrum_stream_close(sent->stream), 0);
    return 0;
}

/* What is read ahead before the copy begins, and the rest. */
static int passes_on(void *arg)
{
    struct ends *ends = arg;
    const char *at;
    CHECK_GE(thrum_stream_peek(ends->a, 3, &at), 3);
    CHECK_EQ(thrum_stream_copy(ends->b, ends->a), PLENTY);
    CHECK_EQ(thrum_stream_close(ends->a), 0);
    CHECK_EQ(thrum_stream_close(ends->b), 0);
    return 0;
}

static void moves_plenty(int first, int second, char *bytes)
{
    struct ends in = open_ends(first, NULL), out = open_ends(second, NULL), across = {in.b, out.a};
    struct sent sent = {.stream = in.a, .bytes = bytes};
    thrum_group group = THRUM_GROUP_INIT;
    char *to = malloc(PLENTY), byte;
    CHECK_EQ(thrum_spawn(&group, send_plenty_and_close, &sent), 0);
    CHECK_EQ(thrum_spawn(&group, passes_on, &across), 0);
    CHECK_EQ(thrum_stream_read_exactly(out.b, to, PLENTY), PLENTY);
    CHECK_EQ(thrum_stream_read(out.b, &byte, 1), 0);
    CHECK_EQ(memcmp(to, bytes, PLENTY), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_stream_close(out.b), 0);
    free(to);
}

static int moves_plenty_between_sockets(void *bytes)
{
    moves_plenty(PAIR_TCP, PAIR_UNIX, bytes);
    return 0;
}

TEST(every_byte_goes_through_a_copy_of_two_streams)
{
    char *bytes = random_bytes(PLENTY);
    FOR_EACH_WORKER_COUNT(workers)
    run_on(workers, moves_plenty_between_sockets, bytes);
    free(bytes);
}

static int moves_plenty_from_and_to_pipes(void *bytes)
{
    moves_plenty(PAIR_PIPE, PAIR_TCP, bytes);
    moves_plenty(PAIR_UNIX, PAIR_PIPE, bytes);
    moves_plenty(PAIR_PIPE, PAIR_PIPE, bytes);
    return 0;
}

TEST(every_byte_goes_through_a_copy_from_and_to_pipes)
{
    char *bytes = random_bytes(PLENTY);
    run_on(2, moves_plenty_from_and_to_pipes, bytes);
    free(bytes);
}

/* Interrupted, a little at a time, refused from the first or a later one on, and without a pipe between. */
TEST(a_copy_of_two_streams_outlives_failures_of_splice)
{
    static const char *const plans[] = {"splice:%50:EINTR,poll:%50:EINTR", "splice:1x500:short=7", "splice:*:EINVAL",
                                        "splice:5+:EINVAL", "pipe:*:EMFILE"};
    char *bytes = random_bytes(PLENTY);
    for (size_t i = 0; i < TH_COUNT_OF(plans); i++) {
        CHECK_EQ(th_fault_plan(plans[i]), 0);
        run_on(2, moves_plenty_between_sockets, bytes);
        CHECK_EQ(th_fault_plan(NULL), 0);
    }
    free(bytes);
}

static int copies_files(void *arg)
{
    enum { BYTES = 300000 };
    char *bytes = random_bytes(BYTES), *to = malloc(BYTES);
    int source = memfd_create("source", MFD_CLOEXEC), target = memfd_create("target", MFD_CLOEXEC);
    thrum_stream *in, *out;
    (void)arg;
    CHECK_EQ(thrum_write_all(source, bytes, BYTES), BYTES);
    CHECK_EQ(lseek(source, 0, SEEK_SET), 0);
    /* No splice goes there. */
    CHECK_EQ(fcntl(target, F_SETFL, O_APPEND), 0);
    CHECK_EQ(thrum_stream_open(&in, source, NULL), 0);
    CHECK_EQ(thrum_stream_open(&out, target, &(thrum_stream_options){.keep_open = true}), 0);
    CHECK_EQ(thrum_stream_copy(out, in), BYTES);
    CHECK_EQ(thrum_stream_close(in), 0);
    CHECK_EQ(thrum_stream_close(out), 0);
    CHECK_EQ(lseek(target, 0, SEEK_SET), 0);
    CHECK_EQ(thrum_read_full(target, to, BYTES), BYTES);
    CHECK_EQ(memcmp(to, bytes, BYTES), 0);
    CHECK_EQ(thrum_close(target), 0);
    free(bytes);
    free(to);
    return 0;
}

TEST(what_cannot_be_spliced_is_copied)
{
    run_on(1, copies_files, NULL);
}

static int a_writer_is_held_back(void *arg)
{
    struct ends ends = open_ends(PAIR_UNIX, NULL);
    struct sent sent = {.stream = ends.a, .bytes = random_bytes(PLENTY)};
    thrum_group group = THRUM_GROUP_INIT;
    char *to = malloc(PLENTY);
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, send_plenty, &sent), 0);
    CHECK_EQ(thrum_stream_read_exactly(ends.b, to, 1), 1);
    CHECK_EQ(flag_is_set(&sent.is_done), 0);
    CHECK_EQ(thrum_stream_read_exactly(ends.b, to + 1, PLENTY - 1), PLENTY - 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(memcmp(to, sent.bytes, PLENTY), 0);
    close_ends(&ends);
    free(to);
    free(sent.bytes);
    return 0;
}

TEST(a_writer_waits_while_the_reader_does_not_read)
{
    run_on_each_count(a_writer_is_held_back);
}

/* ---- On something else ---- */

struct memory {
    const char *text;
    size_t at;
    char written[64];
    size_t length;
    int finished, closed;
};

static ssize_t memory_read(void *context, void *to, size_t bytes)
{
    struct memory *memory = context;
    if (memory->text[memory->at] == '\0' || bytes == 0)
        return 0;
    *(char *)to = memory->text[memory->at++];
    return 1;
}

static ssize_t memory_write(void *context, const void *from, size_t bytes)
{
    struct memory *memory = context;
    if (memory->length == sizeof memory->written)
        return -ENOSPC;
    memory->written[memory->length++] = *(const char *)from;
    return bytes > 0;
}

static int memory_finish(void *context)
{
    ((struct memory *)context)->finished++;
    return 0;
}

static int memory_close(void *context)
{
    ((struct memory *)context)->closed++;
    return -EIO;
}

/* One byte at a time, outside of tasks. */
TEST(a_stream_stands_on_whatever_reads_and_writes)
{
    static const thrum_stream_base base = {memory_read, memory_write, memory_finish, memory_close};
    struct memory memory = {.text = "first\nsecond"};
    thrum_stream *stream;
    const char *at;
    CHECK_EQ(thrum_stream_open_on(&stream, &base, &memory, NULL), 0);
    CHECK_EQ(thrum_stream_read_line(stream, &at), 6);
    CHECK_EQ(thrum_stream_read_line(stream, &at), 6);
    CHECK_EQ(memcmp(at, "second", 6), 0);
    CHECK_EQ(thrum_stream_printf(stream, "%064d!", 7), 65);
    CHECK_EQ(thrum_stream_flush(stream), -ENOSPC);
    CHECK_EQ(thrum_stream_finish(stream), -ENOSPC);
    CHECK_EQ(memory.finished, 0);
    CHECK_EQ(thrum_stream_close(stream), -ENOSPC);
    CHECK_EQ(memory.closed, 1);
}

/* ---- Cancel ---- */

static int read_a_line_in_time(void *arg)
{
    struct ends ends = open_ends(PAIR_TCP, NULL);
    const char *at;
    (void)arg;
    CHECK_EQ(thrum_stream_printf(ends.a, "half"), 4);
    CHECK_EQ(thrum_stream_flush(ends.a), 0);
    THRUM_TIMEOUT(THRUM_MS(1))
    CHECK_EQ(thrum_stream_read_line(ends.b, &at), -ETIMEDOUT);
    CHECK_EQ(thrum_stream_printf(ends.a, " and half\n"), 10);
    CHECK_EQ(thrum_stream_flush(ends.a), 0);
    ssize_t length = thrum_stream_read_line(ends.b, &at);
    CHECK_TEXT(at, length, "half and half\n");
    close_ends(&ends);
    return 0;
}

TEST(half_a_line_is_there_after_the_deadline)
{
    run_on_each_count(read_a_line_in_time);
}

static int copies_the_rest(void *arg)
{
    struct ends *across = arg;
    CHECK_GE(thrum_stream_copy(across->b, across->a), 1);
    CHECK_EQ(thrum_stream_finish(across->b), 0);
    return 0;
}

/* The source always has more and the target is full: each time the copy is ended, bytes are between. */
static int copies_piece_by_piece(void *arg)
{
    struct ends in = open_ends(PAIR_TCP, NULL), out = open_ends(PAIR_UNIX, NULL), across = {in.b, out.a};
    struct sent sent = {.stream = in.a, .bytes = random_bytes(PLENTY)};
    thrum_group group = THRUM_GROUP_INIT;
    char *to = malloc(PLENTY);
    ssize_t length = 0;
    const char *at;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, send_plenty, &sent), 0);
    CHECK_GE(thrum_stream_peek(across.a, 1000, &at), 1000);
    for (size_t piece = 5000; piece < 100000; piece += 7919) {
        THRUM_TIMEOUT(THRUM_MS(1))
        CHECK_EQ(thrum_stream_copy(across.b, across.a), -ETIMEDOUT);
        /* On a busy machine the time can be over before anything was moved. */
        ssize_t got = -EAGAIN;
        THRUM_TIMEOUT(THRUM_MS(1))
        got = thrum_stream_read(out.b, to + length, piece);
        length += got > 0 ? got : 0;
    }
    CHECK_EQ(thrum_spawn(&group, copies_the_rest, &across), 0);
    CHECK_EQ(thrum_stream_read_exactly(out.b, to + length, PLENTY - (size_t)length), PLENTY - length);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(memcmp(to, sent.bytes, PLENTY), 0);
    close_ends(&in);
    close_ends(&out);
    free(to);
    free(sent.bytes);
    return 0;
}

TEST(a_copy_that_is_ended_in_the_middle_goes_on_without_a_gap)
{
    run_on_each_count(copies_piece_by_piece);
}
