#include "observe/names.h"

#include "base/sys.h"
#include "observe/census.h"

#include <string.h>

const char *const th_state_names[] = {
    [TH_TASK_FRESH] = "fresh",   [TH_TASK_RUNNING] = "running", [TH_TASK_READY] = "ready", [TH_TASK_PARKED] = "parked",
    [TH_TASK_BENEATH] = "under", [TH_TASK_MOVING] = "moving",   [TH_TASK_OVER] = "over"};

const char *const th_permit_names[] = {[TH_PERMIT_NONE] = "without a permit",
                                       [TH_PERMIT_BUSY] = "busy",
                                       [TH_PERMIT_IDLE] = "idle",
                                       [TH_PERMIT_TAKEN] = "replaced",
                                       [TH_PERMIT_SEEDED] = "seeded"};

const struct th_symbol *th_names_place(struct th_names *names, uintptr_t place)
{
    size_t at = (size_t)(place * 0x9e3779b97f4a7c15u >> 40) % TH_NAMES_KEPT;
    if (names->kept[at].place != place) {
        names->kept[at].place = place;
        th_symbol_find(place, &names->kept[at].symbol);
    }
    return &names->kept[at].symbol;
}

/* A string of others, cut at the capacity; false if there is none any more. */
static bool copy_string(const char *from, char *to, size_t capacity)
{
    size_t page = th_sys_page_bytes();
    for (size_t got = 0; got < capacity - 1;) {
        /* Not over the end of a page: the next one may not be there. */
        size_t bytes = page - ((uintptr_t)from + got) % page;
        if (bytes > capacity - 1 - got)
            bytes = capacity - 1 - got;
        if (th_sys_peek(from + got, to + got, bytes) < 0)
            return false;
        if (memchr(to + got, '\0', bytes) != NULL)
            return true;
        got += bytes;
    }
    to[capacity - 1] = '\0';
    return true;
}

const char *th_names_of(struct th_names *names, const char *given, th_task_fn fn)
{
    if (given != NULL && copy_string(given, names->task_name, sizeof names->task_name))
        return names->task_name;
    return th_names_place(names, (uintptr_t)fn)->name;
}

const char *th_names_task(struct th_names *names, const struct th_task *copy)
{
    return th_names_of(names, copy->name, copy->fn);
}
