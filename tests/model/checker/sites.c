/*
 * From addresses to names. Code is asked of addr2line, once for a whole list, and an operation that was inlined from
 * base/atomic.h is where it was called from. Data is looked up in the program's own symbol table. The program is
 * linked at a fixed address, so that what a process sees is what the file says.
 */
#include "engine.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern char __data_start[], _end[];

static const char *program_path(void)
{
    static char path[4096];
    if (path[0] == '\0' && readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        snprintf(path, sizeof path, "?");
    return path;
}

void sites_globals(uintptr_t *from, size_t *bytes)
{
    *from = (uintptr_t)__data_start & ~(uintptr_t)3;
    *bytes = (uintptr_t)_end - *from;
}

const char *sites_order_name(int order)
{
    static const char *const names[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};
    return order >= 0 && order < (int)TH_COUNT_OF(names) ? names[order] : "none";
}

int sites_order(uintptr_t site, enum operation operation, int order)
{
    if (mutants_collecting)
        mutants_note_site(site, operation, order);
    for (unsigned i = 0; i < engine.mutant_site_count; i++)
        if (engine.mutant_sites[i] == site)
            return engine.mutant_order;
    return order;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* An edge label is capital letters and a number in brackets. */
static bool label_find(const char *text, char *label, size_t capacity)
{
    for (const char *at = strchr(text, '['); at != NULL; at = strchr(at + 1, '[')) {
        size_t letters = strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        size_t digits = strspn(at + 1 + letters, "0123456789");
        size_t length = letters + digits + 2;
        if (letters > 0 && digits > 0 && at[length - 1] == ']' && length < capacity) {
            memcpy(label, at, length);
            label[length] = '\0';
            return true;
        }
    }
    return false;
}

/* On the line itself, or in a comment on the line before. */
static void label_read(const char *path, int line, char *label, size_t capacity)
{
    label[0] = '\0';
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    char text[512], before[512] = "";
    for (int i = 1; i <= line && fgets(text, sizeof text, file) != NULL; i++) {
        if (i == line && !label_find(text, label, capacity) && strncmp(before + strspn(before, " \t"), "/*", 2) == 0)
            (void)label_find(before, label, capacity);
        memcpy(before, text, sizeof before);
    }
    fclose(file);
}

static void source_set(struct source *source, const char *function, char *place)
{
    char *discriminator = strstr(place, " (");
    if (discriminator != NULL)
        *discriminator = '\0';
    char *colon = strrchr(place, ':');
    source->line = colon != NULL ? atoi(colon + 1) : 0;
    if (colon != NULL)
        *colon = '\0';
    snprintf(source->function, sizeof source->function, "%.63s", function);
    source->is_model = strstr(place, "/runtime/") == NULL;
    snprintf(source->file, sizeof source->file, "%.63s", base_name(place));
    label_read(place, source->line, source->label, sizeof source->label);
}

/* addr2line answers, for each address: the address; then function and file:line for each inlined frame, inner first. */
static void answers_read(FILE *answers, struct source *sources, size_t count)
{
    char line[1024], function[256] = "";
    size_t next = 0;
    bool is_found = true, is_function = true;
    while (fgets(line, sizeof line, answers) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0x", 2) == 0) {
            next++;
            is_found = false;
            is_function = true;
            continue;
        }
        if (is_function) {
            snprintf(function, sizeof function, "%.255s", line);
        } else if (!is_found && next > 0 && next <= count && strstr(line, "base/atomic.h:") == NULL) {
            source_set(&sources[next - 1], function, line);
            is_found = true;
        }
        is_function = !is_function;
    }
}

void sites_resolve(const uintptr_t *sites, size_t count, struct source *sources)
{
    enum { BATCH = 64 };
    for (size_t i = 0; i < count; i++)
        sources[i] = (struct source){"?", "?", 0, true, ""};
    for (size_t from = 0; from < count; from += BATCH) {
        size_t batch = count - from < BATCH ? count - from : BATCH;
        char command[8192];
        size_t length = (size_t)snprintf(command, sizeof command, "addr2line -a -i -f -e '%s'", program_path());
        for (size_t i = 0; i < batch && length < sizeof command - 32; i++) {
            /* The call is before the address that it returns to. */
            unsigned long call = sites[from + i] != 0 ? (unsigned long)sites[from + i] - 1 : 0;
            length += (size_t)snprintf(command + length, sizeof command - length, " %#lx", call | (call == 0));
        }
        FILE *answers = popen(command, "r");
        if (answers == NULL)
            return;
        answers_read(answers, sources + from, batch);
        pclose(answers);
    }
}

/* ---- Data */

struct symbols {
    const Elf64_Sym *first;
    size_t count;
    const char *strings;
};

static const struct symbols *symbols(void)
{
    static struct symbols found;
    static bool is_read;
    if (is_read)
        return &found;
    is_read = true;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return &found;
    const char *file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (file == MAP_FAILED)
        return &found;
    const Elf64_Ehdr *header = (const void *)file;
    const Elf64_Shdr *sections = (const void *)(file + header->e_shoff);
    for (size_t i = 0; i < header->e_shnum; i++)
        if (sections[i].sh_type == SHT_SYMTAB) {
            found.first = (const void *)(file + sections[i].sh_offset);
            found.count = sections[i].sh_size / sizeof *found.first;
            found.strings = file + sections[sections[i].sh_link].sh_offset;
        }
    return &found;
}

bool sites_data_name(uintptr_t address, char *text, size_t capacity)
{
    const struct symbols *all = symbols();
    for (size_t i = 0; i < all->count; i++) {
        const Elf64_Sym *symbol = &all->first[i];
        if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || address - symbol->st_value >= symbol->st_size)
            continue;
        const char *name = all->strings + symbol->st_name;
        if (address == symbol->st_value)
            snprintf(text, capacity, "%s", name);
        else
            snprintf(text, capacity, "%s+%zu", name, (size_t)(address - symbol->st_value));
        return true;
    }
    return false;
}
