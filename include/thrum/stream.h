/*
 * Streams: buffers over a file descriptor, or over anything else that can read and write.
 *
 * One task may read from a stream while another writes to it; two that read, or two that write, take turns by
 * themselves. What the buffers hold is not lost by a cancel or a deadline: the next call goes on where the last one
 * was.
 */
#ifndef THRUM_STREAM_H
#define THRUM_STREAM_H

#include <thrum/io.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct thrum_stream thrum_stream;

typedef struct thrum_stream_options {
    size_t read_most;  /* bytes that read_line, read_until and peek may hold; 0: 64 KiB */
    size_t write_most; /* bytes that wait to be written, before a write waits itself; 0: 64 KiB */
    bool keep_open;    /* what it stands on is somebody else's to close: a handler's connection (thrum_serve) */
} thrum_stream_options;

/* What a stream may stand on: results as of thrum_read, thrum_write, shutdown and thrum_close. finish says that nothing
 * more will be written; it and close may be NULL. */
typedef struct thrum_stream_base {
    ssize_t (*read)(void *context, void *to, size_t bytes);
    ssize_t (*write)(void *context, const void *from, size_t bytes);
    int (*finish)(void *context);
    int (*close)(void *context);
} thrum_stream_base;

/* A stream over a file descriptor, which it closes in the end unless told not to; options may be NULL. 0, or -ENOMEM:
 * the descriptor is the caller's still. Never switches. */
THRUM_API THRUM_CHECKED int thrum_stream_open(thrum_stream **stream, int fd, const thrum_stream_options *options);
/* The same over anything; the base must live as long as the stream. */
THRUM_API THRUM_CHECKED int thrum_stream_open_on(thrum_stream **stream, const thrum_stream_base *base, void *context,
                                                 const thrum_stream_options *options);

/* Writes what waits to be written, closes, and frees the stream, also if that fails: 0, or the first failure. May
 * switch, may be cancelled (what was not written by then is lost). */
THRUM_API int thrum_stream_close(thrum_stream *stream);

/* ---- Reading: may switch, may be cancelled ---- */

/* What is there, waiting for the first byte: how many bytes, 0 at the end. */
THRUM_API ssize_t thrum_stream_read(thrum_stream *stream, void *to, size_t bytes);

/* So many bytes. Fewer only at the end, or where an error, a cancel or a deadline came between; the next call tells. */
THRUM_API ssize_t thrum_stream_read_exactly(thrum_stream *stream, void *to, size_t bytes);

/*
 * The next line with its '\n' (the last may have none), or the bytes up to a mark and with it: how many, 0 at the end.
 * They stay where *at points until the next read. -EMSGSIZE if there are more than read_most before the mark: nothing
 * is taken
 * then.
 */
THRUM_API ssize_t thrum_stream_read_line(thrum_stream *stream, const char **at);
THRUM_API ssize_t thrum_stream_read_until(thrum_stream *stream, const void *mark, size_t bytes, const char **at);

/* Waits for so many bytes (fewer at the end; at most read_most, else -EMSGSIZE) and takes none: how many are there. */
THRUM_API ssize_t thrum_stream_peek(thrum_stream *stream, size_t least, const char **at);
/* Takes bytes that peek has shown. Never switches. */
THRUM_API void thrum_stream_skip(thrum_stream *stream, size_t bytes);

/* ---- Writing: may switch, may be cancelled ---- */

/* Takes all of it, waiting while more than write_most would be held: how many bytes. Fewer only where an error, a
 * cancel or a deadline came between; the next call tells. */
THRUM_API ssize_t thrum_stream_write(thrum_stream *stream, const void *from, size_t bytes);

/* The same as text. How many bytes, or -errno. */
__attribute__((format(printf, 2, 3))) THRUM_API int thrum_stream_printf(thrum_stream *stream, const char *format, ...);

/* Waits until everything has been written. 0 or -errno. */
THRUM_API int thrum_stream_flush(thrum_stream *stream);

/* Flushes and says that nothing more will come: the peer reads the end, and may still answer. 0 or -errno. */
THRUM_API int thrum_stream_finish(thrum_stream *stream);

/* Moves bytes from one stream to another until the end, and flushes: how many, or -errno. Between file descriptors the
 * kernel moves them (splice), where it can. Ended before, by a cancel or an error, it has left no gap: what was taken
 * from one and not yet written waits in the other's buffer. */
THRUM_API int64_t thrum_stream_copy(thrum_stream *to, thrum_stream *from);

#ifdef __cplusplus
}
#endif
#endif
