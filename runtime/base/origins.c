#include "base/origins.h"

#include "base/lock.h"
#include "base/sys.h"

#include <execinfo.h>

enum { TABLE = 1024 };

static struct {
    struct th_lock lock;
    struct th_origin *first[TABLE]; /* l: by number, newest first */
} origins = {.lock = TH_LOCK_INIT};

/* Taken out of its list; NULL: not there. Under the lock. */
static struct th_origin *take(enum th_origin_kind kind, uint64_t number)
{
    struct th_origin **link = &origins.first[number % TABLE];
    while (*link != NULL && ((*link)->kind != kind || (*link)->number != number))
        link = &(*link)->next;
    struct th_origin *found = *link;
    if (found != NULL)
        *link = found->next;
    return found;
}

void th_origin_note_slowly(enum th_origin_kind kind, uint64_t number, int (*fn)(void *), const char *name)
{
    struct th_origin *made = th_sys_alloc(sizeof *made);
    if (made == NULL)
        return;
    *made = (struct th_origin){.kind = kind, .number = number, .fn = fn, .name = name};
    made->place_count = backtrace(made->places, TH_ORIGIN_PLACES);
    /* Of an earlier owner of the number, whose end nobody has told. */
    th_origin_forget_slowly(kind, number);
    th_lock_take(&origins.lock);
    made->next = origins.first[number % TABLE];
    origins.first[number % TABLE] = made;
    th_lock_leave(&origins.lock);
}

void th_origin_forget_slowly(enum th_origin_kind kind, uint64_t number)
{
    th_lock_take(&origins.lock);
    struct th_origin *found = take(kind, number);
    th_lock_leave(&origins.lock);
    th_sys_free(found);
}

struct th_origin *th_origin_take(void)
{
    struct th_origin *found = NULL;
    th_lock_take(&origins.lock);
    for (size_t i = 0; i < TABLE && found == NULL; i++) {
        if (origins.first[i] != NULL)
            found = take(origins.first[i]->kind, origins.first[i]->number);
    }
    th_lock_leave(&origins.lock);
    return found;
}
