/*
 * The seam to the system, continued (base/sys.h): files by their paths, and directories. As in base/sys_io.h.
 */
#ifndef TH_BASE_SYS_FILE_H
#define TH_BASE_SYS_FILE_H

#include "base/sys_io.h"

int th_sys_openat(int directory, const char *path, int flags, mode_t mode);
int th_sys_fsync(int fd, bool is_data_only);
int th_sys_fstatat(int directory, const char *path, struct stat *about, int flags);
int th_sys_rename(const char *from, const char *to);
int th_sys_unlink(const char *path, int flags); /* AT_REMOVEDIR: a directory */
int th_sys_mkdir(const char *path, mode_t mode);
int th_sys_ftruncate(int fd, int64_t bytes);
int th_sys_fchmod(int fd, mode_t mode);
int th_sys_memfd(const char *name); /* a file in memory, without a path */
/* Entries as struct dirent64, each d_reclen bytes: how many bytes, 0 at the end. */
ssize_t th_sys_getdents(int fd, void *to, size_t bytes);

#endif
