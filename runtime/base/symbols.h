/*
 * Names of places in the code, also of functions that the program does not let be seen (static ones): read from the
 * files that the code came from, piece by piece. No lock but the dynamic linker's, no allocation; may be called in a
 * signal handler. A place costs a walk through its file's symbols, a tenth of a millisecond: ask once for each.
 */
#ifndef TH_BASE_SYMBOLS_H
#define TH_BASE_SYMBOLS_H

#include "base/text.h"

enum { TH_SYMBOL_NAME_BYTES = 96 };

struct th_symbol {
    char name[TH_SYMBOL_NAME_BYTES]; /* "" if it is not to be had; cut */
    const char *file;                /* NULL: no file's code */
    uintptr_t offset;                /* from the function, or, without a name, from where the file is loaded */
};

void th_symbol_find(uintptr_t place, struct th_symbol *symbol);

/* "handler+0x1f", or "libfoo.so+0x1234". */
void th_symbol_add(struct th_text *text, const struct th_symbol *symbol);

#endif
