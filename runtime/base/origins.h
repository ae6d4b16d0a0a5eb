/*
 * Where things were made that somebody has to end: handles of tasks, calls that are put off, file descriptors. Kept for
 * THRUM_DEBUG=leaks alone, each with the calls that led to it, until it is ended; what is left is told when the last
 * runtime ends (observe/leaks.c). While it is off each costs one look at a word.
 *
 * Any thread, no signal handler: a table under a lock. Where there is no memory for an entry nothing is kept of it.
 */
#ifndef TH_BASE_ORIGINS_H
#define TH_BASE_ORIGINS_H

#include "base/debug.h"

enum th_origin_kind { TH_ORIGIN_HANDLE, TH_ORIGIN_CALL, TH_ORIGIN_FD };

enum { TH_ORIGIN_PLACES = 12 };

struct th_origin {
    enum th_origin_kind kind;
    uint64_t number;   /* a task's, or a file descriptor */
    int (*fn)(void *); /* a task's; NULL: none */
    const char *name;  /* the same */
    void *places[TH_ORIGIN_PLACES];
    int place_count;
    struct th_origin *next;
};

void th_origin_note_slowly(enum th_origin_kind kind, uint64_t number, int (*fn)(void *), const char *name);
void th_origin_forget_slowly(enum th_origin_kind kind, uint64_t number);

/* It is made, by who calls now. */
TH_INLINE void th_origin_note(enum th_origin_kind kind, uint64_t number, int (*fn)(void *), const char *name)
{
    if (th_debug_is_on(TH_DEBUG_LEAKS))
        th_origin_note_slowly(kind, number, fn, name);
}

/* It has ended, or was never worth telling. */
TH_INLINE void th_origin_forget(enum th_origin_kind kind, uint64_t number)
{
    if (th_debug_is_on(TH_DEBUG_LEAKS))
        th_origin_forget_slowly(kind, number);
}

/* One of those that are left, which is the caller's to free then; NULL: none. */
struct th_origin *th_origin_take(void);

#endif
