/* What stands in a directory. */
#include <thrum/file.h>

#include "base/sys_file.h"
#include "task/await.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct thrum_directory {
    int fd;
    size_t at, end; /* of what the kernel has told and nobody has asked for */
    _Alignas(struct dirent64) char told[8192];
};

int thrum_directory_open(thrum_directory **directory, const char *path)
{
    thrum_directory *opened = th_sys_alloc(sizeof *opened);
    if (opened == NULL)
        return -ENOMEM;
    opened->fd = thrum_open(path, O_RDONLY | O_DIRECTORY, 0);
    opened->at = opened->end = 0;
    int code = opened->fd;
    if (code < 0)
        th_sys_free(opened);
    else
        *directory = opened;
    return code < 0 ? code : 0;
}

/* 1, 0 at the end, or -errno. */
static int refill(thrum_directory *directory)
{
    int code = th_await_look();
    if (code < 0)
        return code;
    ssize_t told = th_sys_getdents(directory->fd, directory->told, sizeof directory->told);
    if (told <= 0)
        return (int)told;
    directory->at = 0;
    directory->end = (size_t)told;
    return 1;
}

static bool is_itself(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int thrum_directory_next(thrum_directory *directory, thrum_entry *entry)
{
    for (;;) {
        int code = directory->at < directory->end ? 1 : refill(directory);
        if (code <= 0)
            return code;
        const struct dirent64 *told = (const void *)&directory->told[directory->at];
        directory->at += told->d_reclen;
        if (is_itself(told->d_name))
            continue;
        *entry = (thrum_entry){.name = told->d_name, .inode = told->d_ino, .type = told->d_type};
        return 1;
    }
}

void thrum_directory_close(thrum_directory *directory)
{
    (void)thrum_close(directory->fd);
    th_sys_free(directory);
}
