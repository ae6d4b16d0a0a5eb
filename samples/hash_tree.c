/*
 * A pipeline over all cores: one task walks a tree of folders and sends paths into a channel, workers hash the files.
 * No locks; the walk waits while they have enough. `hash_tree FOLDER` hashes any; alone it makes a tree and prints:
 *
 *     60 files, 6570 bytes, hash 97db0c69
 */
#include <thrum.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORKERS = 8 };

struct file {
    char path[512];
};

THRUM_CHANNEL_OF(files, struct file);

/* What a worker has seen; hashes are added up, so that the order does not matter. */
struct share {
    files from;
    uint32_t hash;
    int count, bytes;
};

static files found; /* nftw's callback has no argument for it */

static int send_path(const char *path, const struct stat *status, int type, struct FTW *where)
{
    struct file file;
    (void)status, (void)where;
    if (type != FTW_F || snprintf(file.path, sizeof file.path, "%s", path) >= (int)sizeof file.path)
        return 0;
    return files_send(found, file);
}

static int walk(void *folder)
{
    int code = nftw(folder, send_path, 16, FTW_PHYS);
    files_close(found); /* the workers take what is there, then see the end */
    return code;
}

static int hash_file(const char *path, struct share *share)
{
    unsigned char bytes[4096];
    uint32_t hash = 2166136261; /* FNV-1a */
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while ((got = thrum_read(fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            hash = (hash ^ bytes[i]) * 16777619;
        share->bytes += (int)got;
    }
    share->hash += hash;
    share->count++;
    (void)thrum_close(fd);
    return (int)got;
}

static int work(void *arg)
{
    struct share *share = arg;
    struct file file;
    int code = 0;
    while (code == 0 && (code = files_receive(share->from, &file)) == 0)
        code = hash_file(file.path, share);
    return code == -EPIPE ? 0 : code;
}

static int hash_tree(void *folder)
{
    struct share shares[WORKERS] = {0}, all = {0};
    thrum_work works[WORKERS + 1] = {THRUM_WORK(walk, folder)};
    int code = files_create(&found, 16);
    for (int i = 0; i < WORKERS; i++) {
        shares[i].from = found;
        works[i + 1] = (thrum_work)THRUM_WORK(work, &shares[i]);
    }
    if (code == 0)
        code = thrum_gather(works, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++) {
        all.hash += shares[i].hash;
        all.count += shares[i].count;
        all.bytes += shares[i].bytes;
    }
    files_destroy(found);
    printf("%d files, %d bytes, hash %08x\n", all.count, all.bytes, (unsigned)all.hash);
    return code;
}

/* The shell makes and removes the tree; this is no part of the lesson. */
static int hash_new_tree(void)
{
    char folder[] = "/tmp/thrum.XXXXXX", command[256];
    if (mkdtemp(folder) == NULL)
        return -errno;
    snprintf(command, sizeof command,
             "cd %s; for d in 1 2 3 4 5 6; do mkdir $d; for f in 0 1 2 3 4 5 6 7 8 9; do "
             "seq $d$f > $d/$f; done; done",
             folder);
    int made = system(command), code = made == 0 ? thrum_run(hash_tree, folder) : -EIO;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? code : -EIO;
}

int main(int argc, char **argv)
{
    return (argc > 1 ? thrum_run(hash_tree, argv[1]) : hash_new_tree()) == 0 ? 0 : 1;
}
