/* What bench_files does with its files; parts of it are in files of their own. */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include <stdbool.h>
#include <stddef.h>

enum { FILES_READ_BYTES = 16 << 10, FILES_WRITE_BYTES = 1 << 20, FILES_PATH_BYTES = 128 };

/* Constant while files are read or written. */
struct files_bench {
    char root[64];
    int files, workers, rounds;
    bool is_write;
};

extern struct files_bench files_bench;
extern char files_text[FILES_WRITE_BYTES]; /* what is written */

void files_path(int file, char path[FILES_PATH_BYTES]);

/* Reads or writes every step-th file from the first on, all rounds, by an io_uring of its own. 0 or -errno. Not there
 * (NULL) where liburing was not when this was built. */
__attribute__((weak)) int files_by_uring(int first, int step);

#endif
