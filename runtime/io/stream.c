/* Streams: two buffers over something that reads and writes. */
#include <thrum/stream.h>

#include "base/panic.h"
#include "base/sys_io.h"
#include "io/relay.h"
#include "io/simulated.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FIRST_BYTES = 4096,
    MOST_DEFAULT = 64 << 10,
    RELAY_BYTES = 64 << 10, /* what a pipe holds, if nobody has changed it */
};

/* bytes[begin, end) are held. Memory comes with the first byte and grows to `most`. */
struct buffer {
    char *bytes;
    size_t begin, end, capacity, most;
};

struct thrum_stream {
    const thrum_stream_base *base;
    void *context;
    struct buffer in, out;
    bool keep_open;
};

/* ---- Buffers ---- */

static size_t held(const struct buffer *buffer)
{
    return buffer->end - buffer->begin;
}

static void take(struct buffer *buffer, size_t bytes)
{
    buffer->begin += bytes;
    if (buffer->begin == buffer->end)
        buffer->begin = buffer->end = 0;
}

static int grow(struct buffer *buffer, size_t capacity)
{
    capacity = capacity < buffer->most ? capacity : buffer->most;
    char *bytes = th_sys_alloc(capacity);
    if (bytes == NULL)
        return -ENOMEM;
    size_t count = held(buffer);
    if (count > 0)
        memcpy(bytes, buffer->bytes + buffer->begin, count);
    th_sys_free(buffer->bytes);
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    buffer->begin = 0;
    buffer->end = count;
    return 0;
}

/* Room at the end: how much, 0 if as much is held as may be, or -ENOMEM. */
static ssize_t make_room(struct buffer *buffer)
{
    if (buffer->end == buffer->capacity && buffer->begin > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->begin, held(buffer));
        buffer->end -= buffer->begin;
        buffer->begin = 0;
    }
    if (buffer->end == buffer->capacity && buffer->capacity < buffer->most) {
        int code = grow(buffer, buffer->capacity == 0 ? FIRST_BYTES : buffer->capacity * 2);
        if (code < 0)
            return code;
    }
    return (ssize_t)(buffer->capacity - buffer->end);
}

/* ---- Over a file descriptor ---- */

static int fd_of(void *context)
{
    return (int)(intptr_t)context;
}

static ssize_t fd_read(void *context, void *to, size_t bytes)
{
    return thrum_read(fd_of(context), to, bytes);
}

static ssize_t fd_write(void *context, const void *from, size_t bytes)
{
    return thrum_write(fd_of(context), from, bytes);
}

/* Of what is no socket there is no half to close. */
static int fd_finish(void *context)
{
    int code = th_sys_shutdown(fd_of(context), SHUT_WR);
    return code == -ENOTSOCK ? 0 : code;
}

static int fd_close(void *context)
{
    return thrum_close(fd_of(context));
}

static const thrum_stream_base fd_base = {.read = fd_read, .write = fd_write, .finish = fd_finish, .close = fd_close};

/* ---- Life ---- */

int thrum_stream_open_on(thrum_stream **stream, const thrum_stream_base *base, void *context,
                         const thrum_stream_options *options)
{
    thrum_stream *opened = th_sys_alloc_zeroed(sizeof *opened);
    if (opened == NULL)
        return -ENOMEM;
    opened->base = base;
    opened->context = context;
    opened->in.most = options != NULL && options->read_most != 0 ? options->read_most : MOST_DEFAULT;
    opened->out.most = options != NULL && options->write_most != 0 ? options->write_most : MOST_DEFAULT;
    opened->keep_open = options != NULL && options->keep_open;
    *stream = opened;
    return 0;
}

int thrum_stream_open(thrum_stream **stream, int fd, const thrum_stream_options *options)
{
    return thrum_stream_open_on(stream, &fd_base, (void *)(intptr_t)fd, options);
}

int thrum_stream_close(thrum_stream *stream)
{
    int code = thrum_stream_flush(stream);
    bool closes = !stream->keep_open && stream->base->close != NULL;
    int closed = closes ? stream->base->close(stream->context) : 0;
    th_sys_free(stream->in.bytes);
    th_sys_free(stream->out.bytes);
    th_sys_free(stream);
    return code < 0 ? code : closed;
}

/* ---- Reading ---- */

/* More bytes: how many, 0 at the end, -EMSGSIZE if no more may be held. */
static ssize_t fill(thrum_stream *stream)
{
    struct buffer *in = &stream->in;
    ssize_t room = make_room(in);
    if (room <= 0)
        return room == 0 ? -EMSGSIZE : room;
    ssize_t got = stream->base->read(stream->context, in->bytes + in->end, (size_t)room);
    if (got > 0)
        in->end += (size_t)got;
    return got;
}

ssize_t thrum_stream_read(thrum_stream *stream, void *to, size_t bytes)
{
    struct buffer *in = &stream->in;
    /* Nothing is held, and as much is wanted as would be: straight there. */
    if (held(in) == 0 && bytes >= FIRST_BYTES)
        return stream->base->read(stream->context, to, bytes);
    ssize_t got = held(in) == 0 && bytes > 0 ? fill(stream) : 1;
    if (got <= 0)
        return got;
    size_t count = held(in) < bytes ? held(in) : bytes;
    if (count > 0)
        memcpy(to, in->bytes + in->begin, count);
    take(in, count);
    return (ssize_t)count;
}

ssize_t thrum_stream_read_exactly(thrum_stream *stream, void *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = thrum_stream_read(stream, (char *)to + done, bytes - done);
        if (got < 0 && done == 0)
            return got;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Gives the first bytes away; they stay where they are until the buffer is touched again. */
static ssize_t hand_over(struct buffer *in, size_t bytes, const char **at)
{
    *at = in->bytes + in->begin;
    take(in, bytes);
    return (ssize_t)bytes;
}

ssize_t thrum_stream_read_until(thrum_stream *stream, const void *mark, size_t bytes, const char **at)
{
    struct buffer *in = &stream->in;
    size_t searched = 0;
    if (bytes == 0)
        return -EINVAL;
    for (;;) {
        const char *from = in->bytes + in->begin;
        const char *found =
            held(in) - searched >= bytes ? memmem(from + searched, held(in) - searched, mark, bytes) : NULL;
        if (found != NULL)
            return hand_over(in, (size_t)(found - from) + bytes, at);
        /* The mark may have begun in what was searched. */
        searched = held(in) >= bytes ? held(in) - bytes + 1 : 0;
        ssize_t got = fill(stream);
        if (got < 0)
            return got;
        if (got == 0)
            return hand_over(in, held(in), at);
    }
}

ssize_t thrum_stream_read_line(thrum_stream *stream, const char **at)
{
    return thrum_stream_read_until(stream, "\n", 1, at);
}

ssize_t thrum_stream_peek(thrum_stream *stream, size_t least, const char **at)
{
    struct buffer *in = &stream->in;
    ssize_t got = least > in->most ? -EMSGSIZE : 1;
    while (got > 0 && held(in) < least)
        got = fill(stream);
    if (got < 0)
        return got;
    *at = in->bytes + in->begin;
    return (ssize_t)held(in);
}

void thrum_stream_skip(thrum_stream *stream, size_t bytes)
{
    THRUM_CHECK(bytes <= held(&stream->in), "thrum_stream_skip: %zu bytes of %zu: skip only what peek has shown", bytes,
                held(&stream->in));
    take(&stream->in, bytes);
}

/* ---- Writing ---- */

int thrum_stream_flush(thrum_stream *stream)
{
    struct buffer *out = &stream->out;
    while (held(out) > 0) {
        ssize_t put = stream->base->write(stream->context, out->bytes + out->begin, held(out));
        if (put < 0)
            return (int)put;
        take(out, (size_t)put);
    }
    return 0;
}

/* A piece of it: into the buffer, or, where it would fill it, past it. */
static ssize_t write_some(thrum_stream *stream, const char *from, size_t bytes)
{
    struct buffer *out = &stream->out;
    if (held(out) == 0 && bytes >= out->most)
        return stream->base->write(stream->context, from, bytes);
    ssize_t room = make_room(out);
    if (room == 0) {
        int code = thrum_stream_flush(stream);
        room = code < 0 ? code : make_room(out);
    }
    if (room < 0)
        return room;
    size_t count = (size_t)room < bytes ? (size_t)room : bytes;
    memcpy(out->bytes + out->end, from, count);
    out->end += count;
    return (ssize_t)count;
}

ssize_t thrum_stream_write(thrum_stream *stream, const void *from, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t put = write_some(stream, (const char *)from + done, bytes - done);
        if (put < 0)
            return done > 0 ? (ssize_t)done : put;
        done += (size_t)put;
    }
    return (ssize_t)done;
}

int thrum_stream_printf(thrum_stream *stream, const char *format, ...)
{
    char few[256], *text = few;
    va_list values;
    va_start(values, format);
    int length = vsnprintf(few, sizeof few, format, values);
    va_end(values);
    if (length < 0)
        return -EINVAL;
    if ((size_t)length >= sizeof few) {
        text = th_sys_alloc((size_t)length + 1);
        if (text == NULL)
            return -ENOMEM;
        va_start(values, format);
        (void)vsnprintf(text, (size_t)length + 1, format, values);
        va_end(values);
    }
    ssize_t put = thrum_stream_write(stream, text, (size_t)length);
    if (text != few)
        th_sys_free(text);
    return (int)put;
}

int thrum_stream_finish(thrum_stream *stream)
{
    int code = thrum_stream_flush(stream);
    return code == 0 && stream->base->finish != NULL ? stream->base->finish(stream->context) : code;
}

/* ---- From one to the other ---- */

static int64_t copy_through_buffers(thrum_stream *to, thrum_stream *from)
{
    int64_t copied = 0;
    for (;;) {
        const char *at;
        ssize_t got = thrum_stream_peek(from, 1, &at);
        if (got == 0)
            got = thrum_stream_flush(to);
        if (got <= 0)
            return got < 0 ? got : copied;
        ssize_t put = thrum_stream_write(to, at, (size_t)got);
        if (put < 0)
            return put;
        thrum_stream_skip(from, (size_t)put);
        copied += put;
    }
}

/* What is held goes first, so that nothing overtakes it. */
static ssize_t empty_buffers(thrum_stream *to, thrum_stream *from)
{
    struct buffer *in = &from->in;
    ssize_t put = held(in) > 0 ? thrum_stream_write(to, in->bytes + in->begin, held(in)) : 0;
    if (put > 0)
        take(in, (size_t)put);
    int code = put < 0 ? (int)put : thrum_stream_flush(to);
    return code < 0 ? code : put;
}

/* By the kernel: 0, -EINVAL if it cannot, or what failed. *copied grows. */
static int copy_past_buffers(thrum_stream *to, thrum_stream *from, int64_t *copied)
{
    struct buffer *out = &to->out;
    int code = out->capacity < out->most ? grow(out, RELAY_BYTES) : 0;
    ssize_t put = code < 0 ? code : empty_buffers(to, from);
    if (put < 0)
        return (int)put;
    struct th_relay relay = {
        .from = fd_of(from->context), .to = fd_of(to->context), .rest = out->bytes, .most = out->capacity};
    code = th_relay_run(&relay);
    out->end = relay.held;
    *copied += put + relay.moved + (int64_t)relay.held;
    return code;
}

int64_t thrum_stream_copy(thrum_stream *to, thrum_stream *from)
{
    int64_t copied = 0;
    /* Splice is not told of the breaks of a simulated network. */
    bool may_splice = to->base == &fd_base && from->base == &fd_base && !th_sim_is_on();
    int code = may_splice ? copy_past_buffers(to, from, &copied) : -EINVAL;
    if (code != -EINVAL)
        return code < 0 ? code : copied;
    int64_t rest = copy_through_buffers(to, from);
    return rest < 0 ? rest : copied + rest;
}
