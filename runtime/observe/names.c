#include "observe/names.h"

#include "base/sys.h"
#include "sched/task_record.h"

#include <string.h>

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

const char *th_names_task(struct th_names *names, const struct th_task *copy)
{
    if (copy->name != NULL && copy_string(copy->name, names->task_name, sizeof names->task_name))
        return names->task_name;
    return th_names_place(names, (uintptr_t)copy->fn)->name;
}
