#include "base/cores.h"

#include "base/sys.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    /* PATH_MAX, twelve lines of which a process of the first version has. */
    TEXT_BYTES = 16 << 10,
    PATH_BYTES = 4096 + 256,
};

/* On the heap: library code runs on small stacks. */
struct cores_scratch {
    char text[TEXT_BYTES];
    char path[PATH_BYTES];
};

/* A number of microseconds, and what stands behind it; false for anything else, "max" and -1 too. */
static bool parse_us(const char **text, uint64_t *us)
{
    const char *at = *text;
    while (*at == ' ')
        at++;
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 18)
        return false;
    *us = 0;
    for (const char *end = at + digits; at < end; at++)
        *us = *us * 10 + (uint64_t)(*at - '0');
    *text = at;
    return *at == '\0' || *at == ' ' || *at == '\n';
}

static int quota_cores(uint64_t quota, uint64_t period)
{
    if (period == 0)
        return INT_MAX;
    uint64_t cores = quota / period + (quota % period != 0);
    return cores == 0 ? 1 : cores < INT_MAX ? (int)cores : INT_MAX;
}

/* A file in the folder that path names; path is as it was afterwards. */
static bool read_in(struct cores_scratch *scratch, const char *name, char *text, size_t capacity)
{
    size_t length = strlen(scratch->path);
    if (length + 1 + strlen(name) >= sizeof scratch->path)
        return false;
    scratch->path[length] = '/';
    memcpy(scratch->path + length + 1, name, strlen(name) + 1);
    bool was_read = th_sys_read_file(scratch->path, text, capacity) > 0;
    scratch->path[length] = '\0';
    return was_read;
}

/* "150000 100000", quota and period; "max 100000" */
static int quota_of_second(struct cores_scratch *scratch)
{
    char text[64];
    const char *at = text;
    uint64_t quota, period;
    if (!read_in(scratch, "cpu.max", text, sizeof text) || !parse_us(&at, &quota) || !parse_us(&at, &period))
        return INT_MAX;
    return quota_cores(quota, period);
}

/* Two files; a quota of -1 is none. */
static int quota_of_first(struct cores_scratch *scratch)
{
    char quota_text[32], period_text[32];
    const char *quota_at = quota_text, *period_at = period_text;
    uint64_t quota, period;
    if (!read_in(scratch, "cpu.cfs_quota_us", quota_text, sizeof quota_text) || !parse_us(&quota_at, &quota))
        return INT_MAX;
    if (!read_in(scratch, "cpu.cfs_period_us", period_text, sizeof period_text) || !parse_us(&period_at, &period))
        return INT_MAX;
    return quota_cores(quota, period);
}

/* A path with ".." leads out of the namespace that is mounted: of it only the mount's root can be seen. */
static bool leads_out(const char *path, size_t length)
{
    for (size_t i = 0; i + 3 <= length; i++) {
        if (memcmp(path + i, "/..", 3) == 0 && (i + 3 == length || path[i + 3] == '/'))
            return true;
    }
    return false;
}

/* The smallest quota from the cgroup `path` (not terminated) up to the mount's root. */
static int walk_up(struct cores_scratch *scratch, const char *root, const char *mount, const char *path, size_t length,
                   int (*quota_of)(struct cores_scratch *))
{
    int printed = snprintf(scratch->path, sizeof scratch->path, "%s/sys/fs/cgroup%s", root, mount);
    if (printed < 0 || (size_t)printed >= sizeof scratch->path)
        return INT_MAX;
    size_t mount_length = (size_t)printed;
    if (leads_out(path, length))
        length = 0;
    /* Too long a path is cut; what then names no folder is passed over, and its ancestors are asked. */
    if (length > sizeof scratch->path - 1 - mount_length)
        length = sizeof scratch->path - 1 - mount_length;
    memcpy(scratch->path + mount_length, path, length);
    scratch->path[mount_length + length] = '\0';
    int least = INT_MAX;
    for (;;) {
        int cores = quota_of(scratch);
        least = cores < least ? cores : least;
        char *slash = strrchr(scratch->path + mount_length, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* Whether a line's list of controllers names cpu. */
static bool names_cpu(const char *list, size_t length)
{
    for (const char *end = list + length; list < end;) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        size_t name_length = (size_t)((comma != NULL ? comma : end) - list);
        if (name_length == 3 && memcmp(list, "cpu", 3) == 0)
            return true;
        list += name_length + 1;
    }
    return false;
}

/* hierarchy:controllers:path; the second version has no controllers here. */
static int quota_of_line(struct cores_scratch *scratch, const char *root, const char *line, size_t length)
{
    const char *controllers = memchr(line, ':', length);
    if (controllers == NULL)
        return INT_MAX;
    controllers++;
    const char *path = memchr(controllers, ':', (size_t)(line + length - controllers));
    if (path == NULL)
        return INT_MAX;
    size_t controllers_length = (size_t)(path - controllers);
    path++;
    size_t path_length = (size_t)(line + length - path);
    if (names_cpu(controllers, controllers_length))
        return walk_up(scratch, root, "/cpu", path, path_length, quota_of_first);
    if (controllers_length != 0)
        return INT_MAX;
    int cores = walk_up(scratch, root, "", path, path_length, quota_of_second);
    int beside = walk_up(scratch, root, "/unified", path, path_length, quota_of_second);
    return beside < cores ? beside : cores;
}

int th_cores_quota(const char *root)
{
    int least = INT_MAX;
    struct cores_scratch *scratch = th_sys_alloc(sizeof *scratch);
    if (scratch == NULL)
        return least;
    int printed = snprintf(scratch->path, sizeof scratch->path, "%s/proc/self/cgroup", root);
    if (printed < 0 || (size_t)printed >= sizeof scratch->path ||
        th_sys_read_file(scratch->path, scratch->text, sizeof scratch->text) <= 0)
        scratch->text[0] = '\0';
    for (const char *line = scratch->text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        int cores = quota_of_line(scratch, root, line, length);
        least = cores < least ? cores : least;
        line += length + (line[length] == '\n');
    }
    th_sys_free(scratch);
    return least;
}

int th_cores_granted(void)
{
    int runnable = th_sys_affinity_count(), quota = th_cores_quota("");
    int granted = runnable < quota ? runnable : quota;
    return granted > 1 ? granted : 1;
}
