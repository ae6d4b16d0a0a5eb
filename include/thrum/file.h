/*
 * Files: the calls of POSIX by path, directories, and whole files at once, as in thrum/io.h: -errno, and a task whose
 * scope has ended gets -ECANCELED or -ETIMEDOUT before anything is done.
 *
 * Calls on files are made in place: what is in memory takes microseconds, and a call that waits for a disk after all
 * holds up nobody for long, its worker is replaced (thrum/blocking.h). Only what always waits for the disk goes to
 * threads of its own at once: thrum_fsync, thrum_fdatasync. Nothing here can be cancelled once it has begun.
 */
#ifndef THRUM_FILE_H
#define THRUM_FILE_H

#include <sys/stat.h>

#include <thrum/io.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As open(2) and openat(2), closed on exec; mode counts where O_CREAT is given. The number, or -errno. Never
 * switches. */
THRUM_API THRUM_CHECKED int thrum_open(const char *path, int flags, mode_t mode);
THRUM_API THRUM_CHECKED int thrum_openat(int directory, const char *path, int flags, mode_t mode);

/* Waits until what was written is on the disk; datasync leaves out what is not needed to read it again. 0 or -errno.
 * May switch. */
THRUM_API THRUM_CHECKED int thrum_fsync(int fd);
THRUM_API THRUM_CHECKED int thrum_fdatasync(int fd);

/* As the calls of POSIX by these names. 0 or -errno. Never switch. */
THRUM_API THRUM_CHECKED int thrum_stat(const char *path, struct stat *about);
THRUM_API THRUM_CHECKED int thrum_lstat(const char *path, struct stat *about);
THRUM_API THRUM_CHECKED int thrum_fstat(int fd, struct stat *about);
THRUM_API THRUM_CHECKED int thrum_rename(const char *from, const char *to);
THRUM_API THRUM_CHECKED int thrum_unlink(const char *path);
THRUM_API THRUM_CHECKED int thrum_mkdir(const char *path, mode_t mode);
THRUM_API THRUM_CHECKED int thrum_rmdir(const char *path);
THRUM_API THRUM_CHECKED int thrum_ftruncate(int fd, int64_t bytes);

/* ---- Directories ---- */

typedef struct thrum_directory thrum_directory;

typedef struct thrum_entry {
    const char *name; /* until the next call on this directory */
    uint64_t inode;
    /* DT_REG, DT_DIR, ... of <dirent.h> (with _DEFAULT_SOURCE); DT_UNKNOWN where the file system does not tell. */
    unsigned char type;
} thrum_entry;

/* 0 or -errno. Never switches. */
THRUM_API THRUM_CHECKED int thrum_directory_open(thrum_directory **directory, const char *path);
/* The next entry, "." and ".." left out: 1; 0 at the end; or -errno. Never switches. */
THRUM_API THRUM_CHECKED int thrum_directory_next(thrum_directory *directory, thrum_entry *entry);
/* Never switches. */
THRUM_API void thrum_directory_close(thrum_directory *directory);

/* ---- Whole files ---- */

/* Reads all of a file into memory that is the caller's to free(), with a zero behind it that does not count. How many
 * bytes, or -errno. May switch where it is no regular file. */
THRUM_API THRUM_CHECKED ssize_t thrum_read_file(const char *path, void **bytes);

/* Makes a file of these bytes, or puts them in the place of what it was. 0 or -errno: what it holds then is not known.
 * May switch where it is no regular file. */
THRUM_API THRUM_CHECKED int thrum_write_file(const char *path, const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif
#endif
