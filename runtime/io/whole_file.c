/* Whole files at once. */
#include <thrum/file.h>

#include "base/sys_file.h"

#include <errno.h>
#include <fcntl.h>

/* Where the size is not known before (pipes, /proc) it grows from here. */
enum { FIRST_BYTES = 4096 };

struct content {
    char *bytes;
    size_t length, room;
};

/* Room for one byte more than there is, and the zero. */
static int grow(struct content *content)
{
    if (content->length + 1 < content->room)
        return 0;
    size_t room = content->room * 2;
    char *bytes = th_sys_realloc(content->bytes, room);
    if (bytes == NULL)
        return -ENOMEM;
    content->bytes = bytes;
    content->room = room;
    return 0;
}

static int read_to_end(int fd, struct content *content)
{
    for (;;) {
        int code = grow(content);
        if (code < 0)
            return code;
        ssize_t got = thrum_read(fd, content->bytes + content->length, content->room - content->length - 1);
        if (got <= 0)
            return (int)got;
        content->length += (size_t)got;
    }
}

static int read_whole(int fd, struct content *content)
{
    struct stat about;
    int code = thrum_fstat(fd, &about);
    if (code < 0)
        return code;
    /* One more than the file and its zero: the read that finds the end needs no new room. */
    content->room = about.st_size > 0 ? (size_t)about.st_size + 2 : FIRST_BYTES;
    content->bytes = th_sys_alloc(content->room);
    if (content->bytes == NULL)
        return -ENOMEM;
    return read_to_end(fd, content);
}

ssize_t thrum_read_file(const char *path, void **bytes)
{
    struct content content = {0};
    int fd = thrum_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    int code = read_whole(fd, &content);
    (void)thrum_close(fd);
    if (code < 0) {
        th_sys_free(content.bytes);
        return code;
    }
    content.bytes[content.length] = '\0';
    *bytes = content.bytes;
    return (ssize_t)content.length;
}

int thrum_write_file(const char *path, const void *bytes, size_t count)
{
    int fd = thrum_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        return fd;
    size_t done = 0;
    ssize_t put = 0;
    while (done < count && put >= 0) {
        put = thrum_write(fd, (const char *)bytes + done, count - done);
        if (put > 0)
            done += (size_t)put;
    }
    int code = thrum_close(fd);
    return put < 0 ? (int)put : code;
}
