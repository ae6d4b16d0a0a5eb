#include "observe/leaks.h"

#include "base/origins.h"
#include "base/panic.h"
#include "base/sys_io.h"
#include "fiber/stack.h"
#include "observe/names.h"

#include <fcntl.h>

enum { TOLD_MOST = 20, TEXT_BYTES = 512, SKIPPED = 1 /* of the calls: base/origins.c's own */ };

/* Closed behind our back is closed. */
static bool is_left(const struct th_origin *origin)
{
    return origin->kind != TH_ORIGIN_FD || th_sys_fcntl((int)origin->number, F_GETFD, 0) >= 0;
}

static void tell_what(struct th_names *names, const struct th_origin *origin)
{
    const char *name = origin->fn != NULL ? th_names_of(names, origin->name, origin->fn) : "";
    switch (origin->kind) {
    case TH_ORIGIN_HANDLE:
        th_report("leak: the handle of task %lu (%s) was neither joined nor dropped; it was started here:",
                  (unsigned long)origin->number, name);
        break;
    case TH_ORIGIN_CALL:
        th_report("leak: a call that was put off (%s) was neither made nor cancelled; it was put off here:", name);
        break;
    case TH_ORIGIN_FD:
        th_report("leak: fd %d is still open; it was opened here:", (int)origin->number);
        break;
    }
}

static void tell_places(struct th_names *names, const struct th_origin *origin)
{
    char bytes[TEXT_BYTES];
    struct th_text text = {.bytes = bytes, .capacity = sizeof bytes, .fd = 2};
    for (int i = SKIPPED; i < origin->place_count; i++) {
        th_text_add(&text, "    ");
        th_symbol_add(&text, th_names_place(names, (uintptr_t)origin->places[i] - 1));
        th_text_add(&text, "\n");
    }
    (void)th_text_send(&text);
}

static void tell_origins(struct th_names *names)
{
    unsigned told = 0;
    for (struct th_origin *origin; (origin = th_origin_take()) != NULL; th_sys_free(origin)) {
        if (!is_left(origin) || ++told > TOLD_MOST)
            continue;
        tell_what(names, origin);
        tell_places(names, origin);
    }
    if (told > TOLD_MOST)
        th_report("leak: and %u more", told - TOLD_MOST);
}

/* All workers have emptied their caches. */
static void tell_stacks(void)
{
    struct th_stack_counts counts;
    th_stack_count(&counts);
    if (counts.slots_used > counts.slots_free)
        th_report("leak: %zu stacks were not given back: a fault of thrum's", counts.slots_used - counts.slots_free);
}

void th_leaks_tell(void)
{
    void *memory;
    if (!th_debug_is_on(TH_DEBUG_LEAKS) || th_sys_map(sizeof(struct th_names), &memory) < 0)
        return;
    tell_origins(memory);
    tell_stacks();
    (void)th_sys_unmap(memory, sizeof(struct th_names));
}
