#include "observe/symbols.h"

#include "base/sys.h"
#include "base/sys_io.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdbool.h>
#include <string.h>

enum { SYMBOLS_AT_ONCE = 16 };

static void keep_name(struct th_symbol *symbol, const char *name)
{
    /* As it was written: compilers call clones, and what several files name alike, `name.constprop.0` and so on. */
    size_t length = strcspn(name, ".");
    if (length >= TH_SYMBOL_NAME_BYTES)
        length = TH_SYMBOL_NAME_BYTES - 1;
    memcpy(symbol->name, name, length);
    symbol->name[length] = '\0';
}

static bool read_at(int fd, void *to, size_t bytes, uint64_t offset)
{
    return th_sys_pread(fd, to, bytes, (int64_t)offset) == (ssize_t)bytes;
}

/* The table of all symbols, and of their names; false if the file was stripped. */
static bool find_tables(int fd, Elf64_Shdr *symbols, Elf64_Shdr *names, bool *is_fixed)
{
    Elf64_Ehdr head;
    if (!read_at(fd, &head, sizeof head, 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    *is_fixed = head.e_type == ET_EXEC;
    for (uint64_t i = 0; i < head.e_shnum; i++) {
        if (!read_at(fd, symbols, sizeof *symbols, head.e_shoff + i * sizeof *symbols))
            return false;
        if (symbols->sh_type == SHT_SYMTAB)
            return read_at(fd, names, sizeof *names, head.e_shoff + symbols->sh_link * sizeof *names);
    }
    return false;
}

/* The function that a place is in. */
static TH_NOINLINE bool find_function(int fd, const Elf64_Shdr *symbols, uint64_t place, Elf64_Sym *found)
{
    Elf64_Sym some[SYMBOLS_AT_ONCE];
    uint64_t left = symbols->sh_size / sizeof some[0], at = symbols->sh_offset;
    while (left > 0) {
        size_t count = left < SYMBOLS_AT_ONCE ? left : SYMBOLS_AT_ONCE;
        if (!read_at(fd, some, count * sizeof some[0], at))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (ELF64_ST_TYPE(some[i].st_info) == STT_FUNC && place - some[i].st_value < some[i].st_size) {
                *found = some[i];
                return true;
            }
        }
        left -= count;
        at += count * sizeof some[0];
    }
    return false;
}

/* The main program's name may be relative to where it was started. */
static int open_file(const char *file)
{
    int fd = th_sys_open_read(file);
    return fd >= 0 ? fd : th_sys_open_read("/proc/self/exe");
}

static void look_into_file(struct th_symbol *symbol, uintptr_t place, uintptr_t base)
{
    Elf64_Shdr symbols, names;
    Elf64_Sym found;
    bool is_fixed;
    int fd = open_file(symbol->file);
    if (fd < 0)
        return;
    if (find_tables(fd, &symbols, &names, &is_fixed)) {
        uint64_t inside = is_fixed ? place : place - base;
        char name[TH_SYMBOL_NAME_BYTES] = "";
        if (find_function(fd, &symbols, inside, &found) &&
            th_sys_pread(fd, name, sizeof name - 1, (int64_t)(names.sh_offset + found.st_name)) > 0) {
            keep_name(symbol, name);
            symbol->offset = inside - found.st_value;
        }
    }
    (void)th_sys_close(fd);
}

void th_symbol_find(uintptr_t place, struct th_symbol *symbol)
{
    Dl_info info;
    *symbol = (struct th_symbol){.offset = place};
    if (dladdr((const void *)place, &info) == 0)
        return;
    symbol->file = info.dli_fname;
    symbol->offset = place - (uintptr_t)info.dli_fbase;
    look_into_file(symbol, place, (uintptr_t)info.dli_fbase);
    if (symbol->name[0] == '\0' && info.dli_sname != NULL) {
        keep_name(symbol, info.dli_sname);
        symbol->offset = place - (uintptr_t)info.dli_saddr;
    }
}

void th_symbol_add(struct th_text *text, const struct th_symbol *symbol)
{
    const char *slash = symbol->file != NULL ? strrchr(symbol->file, '/') : NULL;
    if (symbol->name[0] != '\0')
        th_text_add(text, "%s+0x%lx", symbol->name, (unsigned long)symbol->offset);
    else if (symbol->file != NULL)
        th_text_add(text, "%s+0x%lx", slash != NULL ? slash + 1 : symbol->file, (unsigned long)symbol->offset);
    else
        th_text_add(text, "%p", (void *)symbol->offset);
}
