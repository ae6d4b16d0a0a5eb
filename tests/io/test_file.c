/* Files by path, directories, whole files. */
#include "io/pairs.h"

/* A directory of the test's own, and paths in it. */
struct place {
    char root[64];
};

static struct place make_place(void)
{
    struct place place = {"/tmp/thrum-file-XXXXXX"};
    CHECK(mkdtemp(place.root) != NULL);
    return place;
}

static const char *path_in(const struct place *place, const char *name)
{
    static char paths[8][128];
    static th_atomic32 next;
    char *path = paths[th_atomic32_add_relaxed(&next, 1) % TH_COUNT_OF(paths)];
    snprintf(path, sizeof paths[0], "%s/%s", place->root, name);
    return path;
}

static int lives_of_a_file(void *arg)
{
    struct place place = make_place();
    struct stat about;
    char text[16] = {0};
    (void)arg;
    int fd = thrum_open(path_in(&place, "a"), O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(thrum_write_all(fd, "hello world", 11), 11);
    CHECK_EQ(thrum_pwrite(fd, "W", 1, 6), 1);
    CHECK_EQ(thrum_fsync(fd), 0);
    CHECK_EQ(thrum_fdatasync(fd), 0);
    CHECK_EQ(thrum_pread(fd, text, sizeof text, 6), 5);
    CHECK_STR_EQ(text, "World");
    CHECK_EQ(thrum_ftruncate(fd, 5), 0);
    CHECK_EQ(thrum_fstat(fd, &about), 0);
    CHECK_EQ(about.st_size, 5);
    CHECK_EQ(thrum_close(fd), 0);
    CHECK_EQ(thrum_rename(path_in(&place, "a"), path_in(&place, "b")), 0);
    CHECK_EQ(thrum_stat(path_in(&place, "a"), &about), -ENOENT);
    CHECK_EQ(thrum_stat(path_in(&place, "b"), &about), 0);
    CHECK_EQ(symlink("b", path_in(&place, "link")), 0);
    CHECK_EQ(thrum_lstat(path_in(&place, "link"), &about), 0);
    CHECK(S_ISLNK(about.st_mode));
    CHECK_EQ(thrum_unlink(path_in(&place, "link")), 0);
    CHECK_EQ(thrum_unlink(path_in(&place, "b")), 0);
    CHECK_EQ(thrum_mkdir(path_in(&place, "d"), 0700), 0);
    CHECK_EQ(thrum_mkdir(path_in(&place, "d"), 0700), -EEXIST);
    int root = thrum_open(place.root, O_RDONLY | O_DIRECTORY, 0);
    CHECK_EQ(thrum_openat(root, "nowhere", O_RDONLY, 0), -ENOENT);
    CHECK_EQ(thrum_close(root), 0);
    CHECK_EQ(thrum_rmdir(path_in(&place, "d")), 0);
    CHECK_EQ(thrum_rmdir(place.root), 0);
    return 0;
}

TEST(a_file_is_made_used_renamed_and_removed)
{
    run_on_each_count(lives_of_a_file);
    CHECK_EQ(lives_of_a_file(NULL), 0);
}

enum { ENTRIES = 700 };

static int lists(void *arg)
{
    struct place place = make_place();
    thrum_directory *directory;
    thrum_entry entry;
    bool seen[ENTRIES] = {false};
    (void)arg;
    for (int i = 0; i < ENTRIES; i++) {
        char name[32];
        snprintf(name, sizeof name, "entry-%d", i);
        CHECK_EQ(thrum_write_file(path_in(&place, name), "", 0), 0);
    }
    CHECK_EQ(thrum_directory_open(&directory, place.root), 0);
    int code, count = 0;
    while ((code = thrum_directory_next(directory, &entry)) == 1) {
        int i = atoi(entry.name + 6);
        CHECK(!seen[i]);
        CHECK(entry.type == DT_REG || entry.type == DT_UNKNOWN);
        seen[i] = true;
        count++;
    }
    CHECK_EQ(code, 0);
    CHECK_EQ(count, ENTRIES);
    thrum_directory_close(directory);
    for (int i = 0; i < ENTRIES; i++) {
        char name[32];
        snprintf(name, sizeof name, "entry-%d", i);
        CHECK_EQ(thrum_unlink(path_in(&place, name)), 0);
    }
    CHECK_EQ(thrum_rmdir(place.root), 0);
    CHECK_EQ(thrum_directory_open(&directory, place.root), -ENOENT);
    return 0;
}

TEST(a_directory_tells_each_entry_once)
{
    run_on(2, lists, NULL);
}

static int whole_files(void *arg)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 1 << 20};
    struct place place = make_place();
    const char *path = path_in(&place, "whole");
    void *got;
    (void)arg;
    for (size_t i = 0; i < TH_COUNT_OF(sizes); i++) {
        char *bytes = random_bytes(sizes[i] + 1);
        CHECK_EQ(thrum_write_file(path, bytes, sizes[i]), 0);
        CHECK_EQ(thrum_read_file(path, &got), (ssize_t)sizes[i]);
        CHECK_EQ(memcmp(got, bytes, sizes[i]), 0);
        CHECK_EQ(((char *)got)[sizes[i]], 0);
        free(got);
        free(bytes);
    }
    CHECK_EQ(thrum_unlink(path), 0);
    CHECK_EQ(thrum_rmdir(place.root), 0);
    CHECK_EQ(thrum_read_file(path, &got), -ENOENT);
    CHECK_EQ(thrum_write_file(path, "x", 1), -ENOENT);
    CHECK_EQ(thrum_write_file("/dev/full", "x", 1), -ENOSPC);
    CHECK_GT(thrum_read_file("/proc/self/status", &got), 0);
    CHECK_STR_HAS((char *)got, "VmSize");
    free(got);
    return 0;
}

TEST(a_whole_file_is_read_and_written)
{
    run_on_each_count(whole_files);
}

static int after_the_end(void *arg)
{
    struct stat about;
    thrum_directory *directory;
    void *got;
    (void)arg;
    THRUM_TIMEOUT(-1)
    {
        CHECK_EQ(thrum_open("/dev/null", O_RDONLY, 0), -ETIMEDOUT);
        CHECK_EQ(thrum_stat("/", &about), -ETIMEDOUT);
        CHECK_EQ(thrum_mkdir("/tmp/thrum-never-made", 0700), -ETIMEDOUT);
        CHECK_EQ(thrum_directory_open(&directory, "/"), -ETIMEDOUT);
        CHECK_EQ(thrum_read_file("/proc/self/status", &got), -ETIMEDOUT);
    }
    CHECK_EQ(thrum_stat("/tmp/thrum-never-made", &about), -ENOENT);
    return 0;
}

TEST(where_no_time_is_left_no_file_is_touched)
{
    run_on_each_count(after_the_end);
}

/* An open that waits (a FIFO without a writer) delays nobody. */
static int open_fifo(void *arg)
{
    int fd = thrum_open(arg, O_RDONLY, 0);
    CHECK_GE(fd, 0);
    return thrum_close(fd);
}

static int waits_in_open(void *arg)
{
    struct place place = make_place();
    const char *path = path_in(&place, "fifo");
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(mkfifo(path, 0600), 0);
    CHECK_EQ(thrum_spawn(&group, open_fifo, (void *)path), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    int fd = thrum_open(path, O_WRONLY, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_close(fd), 0);
    CHECK_EQ(thrum_unlink(path), 0);
    return thrum_rmdir(place.root);
}

TEST(an_open_that_waits_delays_nobody)
{
    run_on(1, waits_in_open, NULL);
    run_on(2, waits_in_open, NULL);
}

static int with_faults(void *arg)
{
    const struct place *place = arg;
    const char *path = path_in(place, "faulty");
    thrum_directory *directory;
    thrum_entry entry;
    void *got;
    int code = thrum_write_file(path, "some text", 9);
    if (code == 0 && thrum_read_file(path, &got) >= 0) {
        CHECK_EQ(memcmp(got, "some text", 9), 0);
        free(got);
    }
    if (thrum_directory_open(&directory, place->root) == 0) {
        while (thrum_directory_next(directory, &entry) == 1)
            continue;
        thrum_directory_close(directory);
    }
    return 0;
}

TEST(each_call_on_files_may_fail_and_leaves_nothing_open)
{
    static const char *const plans[] = {"open:%d:EMFILE",  "open:%d:EINTR",    "open:%d:ENOENT",  "fstat:%d:EIO",
                                        "getdents:%d:EIO", "writev:%d:ENOSPC", "writev:%d:EINTR", "writev:%d:short=1",
                                        "readv:%d:EIO",    "readv:%d:EINTR",   "readv:%d:short=1"};
    struct place place = make_place();
    run_on(1, with_faults, &place);
    int open = count_open_files();
    for (size_t i = 0; i < TH_COUNT_OF(plans); i++) {
        for (int n = 1; n <= 3; n++) {
            char plan[64];
            snprintf(plan, sizeof plan, plans[i], n);
            CHECK_EQ(th_fault_plan(plan), 0);
            run_on(1, with_faults, &place);
            CHECK_EQ(th_fault_plan(NULL), 0);
            CHECK_EQ(count_open_files(), open);
        }
    }
    CHECK_EQ(unlink(path_in(&place, "faulty")), 0);
    CHECK_EQ(rmdir(place.root), 0);
}
