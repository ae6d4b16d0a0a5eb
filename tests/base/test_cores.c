#include "base/cores.h"
#include "base/fault.h"
#include "kit/kit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A tree of files like the kernel's, in a folder of its own. */
static char root[64];

static void remove_tree(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    CHECK_EQ(system(command), 0);
}

static void make_parents(const char *path)
{
    char folder[4096];
    for (const char *slash = path; (slash = strchr(slash + 1, '/')) != NULL;) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        CHECK(mkdir(folder, 0777) == 0 || errno == EEXIST);
    }
}

static void put(const char *path, const char *text)
{
    char whole[4096];
    if (root[0] == '\0') {
        snprintf(root, sizeof root, "/tmp/thrum_cores_XXXXXX");
        CHECK(mkdtemp(root) != NULL);
        kit_at_end(remove_tree);
    }
    snprintf(whole, sizeof whole, "%s%s", root, path);
    make_parents(whole);
    FILE *file = fopen(whole, "w");
    CHECK(file != NULL);
    CHECK_EQ(fwrite(text, 1, strlen(text), file), strlen(text));
    CHECK_EQ(fclose(file), 0);
}

#define PUT_CGROUP(text) put("/proc/self/cgroup", text)

TEST(what_is_granted_is_between_one_and_what_may_be_run_on)
{
    CHECK_GE(th_cores_granted(), 1);
    CHECK_LE(th_cores_granted(), th_sys_affinity_count());
    CHECK_EQ(th_fault_plan("getaffinity:*:EPERM"), 0);
    CHECK_EQ(th_cores_granted(), 1);
    CHECK_EQ(th_fault_plan("alloc:*:ENOMEM"), 0);
    CHECK_EQ(th_cores_granted(), th_sys_affinity_count());
}

TEST(without_any_files_there_is_no_quota)
{
    CHECK_EQ(th_cores_quota("/nonexistent"), INT_MAX);
}

TEST(a_quota_is_rounded_up_and_never_less_than_one)
{
    static const struct {
        const char *text;
        int cores;
    } cases[] = {
        {"max 100000\n", INT_MAX},
        {"100000 100000\n", 1},
        {"100001 100000\n", 2},
        {"150000 100000\n", 2},
        {"200000 100000\n", 2},
        {"1000 100000\n", 1},
        {"0 100000\n", 1},
        {"50000 20000", 3},
        {"999999999999999999 1\n", INT_MAX},
        {"9999999999999999999999 1\n", INT_MAX},
        /* Not what the kernel writes. */
        {"", INT_MAX},
        {"\n", INT_MAX},
        {"100000", INT_MAX},
        {"100000 ", INT_MAX},
        {"100000 0\n", INT_MAX},
        {"100000 max\n", INT_MAX},
        {"-100000 100000\n", INT_MAX},
        {"100000 -1\n", INT_MAX},
        {"1e5 100000\n", INT_MAX},
        {"100000x 100000\n", INT_MAX},
        {"100000 100000x\n", INT_MAX},
        {"garbage\n", INT_MAX},
    };
    PUT_CGROUP("0::/a\n");
    for (size_t i = 0; i < TH_COUNT_OF(cases); i++) {
        put("/sys/fs/cgroup/a/cpu.max", cases[i].text);
        CHECK_EQ(th_cores_quota(root), cases[i].cores);
    }
}

TEST(the_smallest_quota_of_the_ancestors_counts)
{
    PUT_CGROUP("0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    CHECK_EQ(th_cores_quota(root), INT_MAX);
    put("/sys/fs/cgroup/a/cpu.max", "600000 100000\n");
    CHECK_EQ(th_cores_quota(root), 6); /* b has no such file */
    put("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
    CHECK_EQ(th_cores_quota(root), 3);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n");
    CHECK_EQ(th_cores_quota(root), 3);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "250000 200000\n");
    CHECK_EQ(th_cores_quota(root), 2);
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    CHECK_EQ(th_cores_quota(root), 1);
}

TEST(a_sibling_limits_nothing)
{
    PUT_CGROUP("0::/a\n");
    put("/sys/fs/cgroup/ab/cpu.max", "100000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "100000 100000\n");
    CHECK_EQ(th_cores_quota(root), INT_MAX);
}

TEST(in_a_namespace_the_root_of_the_mount_is_asked_and_nothing_outside)
{
    static const char *const lines[] = {"0::/\n",       "0::/../..\n", "0::/..\n", "0::/../../other/x\n",
                                        "0::/not/seen", "0::",         "0::/a/.."};
    put("/cpu.max", "100000 100000\n");
    put("/sys/cpu.max", "100000 100000\n");
    put("/sys/fs/cpu.max", "100000 100000\n");
    put("/sys/fs/other/x/cpu.max", "100000 100000\n");
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    for (size_t i = 0; i < TH_COUNT_OF(lines); i++) {
        PUT_CGROUP(lines[i]);
        CHECK_EQ(th_cores_quota(root), 3);
    }
    /* Two dots that are part of a name. */
    put("/sys/fs/cgroup/..a/b../cpu.max", "200000 100000\n");
    PUT_CGROUP("0::/..a/b..\n");
    CHECK_EQ(th_cores_quota(root), 2);
}

TEST(garbage_in_the_list_of_cgroups_is_passed_over)
{
    static const char *const texts[] = {"", "\n", ":\n", "::\n", "0\n", "0:\n", "\n\n0:cpu", "::::\n", "x:y:z\n"};
    for (size_t i = 0; i < TH_COUNT_OF(texts); i++) {
        PUT_CGROUP(texts[i]);
        CHECK_EQ(th_cores_quota(root), INT_MAX);
    }
    put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
    PUT_CGROUP("garbage\n\n3:pids:/p\n0::/a\nmore\n");
    CHECK_EQ(th_cores_quota(root), 2);
}

TEST(the_first_version_is_asked_too)
{
    PUT_CGROUP("5:cpuset:/x\n4:cpu,cpuacct:/a/b\n3:memory:/m\n0::/\n");
    put("/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
    CHECK_EQ(th_cores_quota(root), INT_MAX);
    put("/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "450000\n");
    CHECK_EQ(th_cores_quota(root), 5);
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    CHECK_EQ(th_cores_quota(root), 2);
    PUT_CGROUP("4:cpuset,cpuacct:/a/b\n");
    CHECK_EQ(th_cores_quota(root), INT_MAX);
}

TEST(the_second_version_may_be_mounted_beside_the_first)
{
    PUT_CGROUP("1:name=systemd:/\n0::/a\n");
    put("/sys/fs/cgroup/unified/a/cpu.max", "200000 100000\n");
    CHECK_EQ(th_cores_quota(root), 2);
}

TEST(what_cannot_be_read_limits_nothing)
{
    PUT_CGROUP("0::/a/b\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "200000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max/folder", "");
    CHECK_EQ(th_cores_quota(root), 2);
    CHECK_EQ(th_fault_plan("open:*:EACCES"), 0);
    CHECK_EQ(th_cores_quota(root), INT_MAX);
    CHECK_EQ(th_fault_plan("open:2:EACCES"), 0);
    CHECK_EQ(th_cores_quota(root), INT_MAX);
    CHECK_EQ(th_fault_plan("read:*:EIO"), 0);
    CHECK_EQ(th_cores_quota(root), INT_MAX);
    CHECK_EQ(th_fault_plan("read:*:short=1"), 0);
    CHECK_EQ(th_cores_quota(root), 2);
    CHECK_EQ(th_fault_plan("alloc:*:ENOMEM"), 0);
    CHECK_EQ(th_cores_quota(root), INT_MAX);
    CHECK_EQ(th_fault_plan(NULL), 0);
}

TEST(deep_paths_are_walked)
{
    char line[2048] = "0::", file[2048] = "/sys/fs/cgroup";
    for (int i = 0; i < 200; i++) {
        strcat(line, "/deep");
        strcat(file, "/deep");
        if (i == 99)
            put(strcat(strcpy((char[2048]){0}, file), "/cpu.max"), "700000 100000\n");
    }
    strcat(line, "\n");
    PUT_CGROUP(line);
    CHECK_EQ(th_cores_quota(root), 7);
    put(strcat(file, "/cpu.max"), "400000 100000\n");
    CHECK_EQ(th_cores_quota(root), 4);
}

TEST(overlong_paths_are_cut_and_their_ancestors_asked)
{
    enum { LENGTH = 60000 };
    char *line = malloc(LENGTH + 1);
    memset(line, 'x', LENGTH);
    memcpy(line, "0::/a/", 6);
    line[LENGTH] = '\0';
    put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
    for (size_t length = LENGTH; length > 6; length = length * 9 / 10) {
        line[length] = '\0';
        PUT_CGROUP(line);
        CHECK_EQ(th_cores_quota(root), 2);
    }
    /* Around the bound itself. */
    memset(line, 'x', LENGTH);
    memcpy(line, "0::/a/", 6);
    for (size_t length = 4400; length > 4200; length--) {
        line[length] = '\0';
        PUT_CGROUP(line);
        CHECK_EQ(th_cores_quota(root), 2);
    }
    free(line);
    char long_root[6000];
    memset(long_root, 'r', sizeof long_root);
    long_root[sizeof long_root - 1] = '\0';
    CHECK_EQ(th_cores_quota(long_root), INT_MAX);
    for (size_t length = 4360; length > 4300; length--) {
        long_root[length] = '\0';
        CHECK_EQ(th_cores_quota(long_root), INT_MAX);
    }
}
