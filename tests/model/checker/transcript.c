/*
 * The interleaving of a failed execution: the execution is run once more with its events written down here, and they
 * are printed one a line, each in its thread's column, with the function and line at the end.
 */
#include "engine.h"

#include <stdarg.h>
#include <stdlib.h>

enum { EVENTS_SHOWN = 400, NAMES_MAX = 64, COLUMN = 30, TEXT = 44 };

struct event {
    enum event_kind kind;
    int thread, order;
    unsigned size;
    uintptr_t address, site;
    uint64_t value, value2;
    char *text;
};

struct name {
    uintptr_t address;
    const char *text;
};

static struct event *events;
static size_t event_count, event_capacity;
static struct name names[NAMES_MAX];
static size_t name_count;

void record_reset(void)
{
    for (size_t i = 0; i < event_count; i++)
        free(events[i].text);
    event_count = 0;
    name_count = 0;
}

static struct event *event_append(void)
{
    if (event_count == event_capacity) {
        event_capacity = event_capacity != 0 ? event_capacity * 2 : 256;
        events = realloc(events, event_capacity * sizeof *events);
        if (events == NULL)
            abort();
    }
    return &events[event_count++];
}

void record_event(int thread, enum event_kind kind, uintptr_t address, unsigned size, uint64_t value, uint64_t value2,
                  int order, uintptr_t site)
{
    if (engine.is_recording)
        *event_append() = (struct event){kind, thread, order, size, address, site, value, value2, NULL};
}

void record_note(int thread, uintptr_t site, const char *format, ...)
{
    if (!engine.is_recording)
        return;
    char *text = malloc(128);
    if (text == NULL)
        abort();
    va_list args;
    va_start(args, format);
    vsnprintf(text, 128, format, args);
    va_end(args);
    *event_append() = (struct event){EVENT_NOTE, thread, 0, 0, 0, site, 0, 0, text};
}

void th_model_name(const void *address, const char *name)
{
    if (engine.is_recording && name_count < NAMES_MAX)
        names[name_count++] = (struct name){(uintptr_t)address, name};
}

static void address_text(uintptr_t address, char *text, size_t capacity)
{
    for (size_t i = 0; i < name_count; i++)
        if (names[i].address == address) {
            snprintf(text, capacity, "%s", names[i].text);
            return;
        }
    if (!sites_data_name(address, text, capacity) && !arena_describe(address, text, capacity))
        snprintf(text, capacity, "%#lx", (unsigned long)address);
}

/* Small numbers as such; pointers by what they point to; the rest in hexadecimal. */
static const char *value_text(uint64_t value, char *text, size_t capacity)
{
    if (value < 100000)
        snprintf(text, capacity, "%" PRIu64, value);
    else if (value - ARENA_BASE < ARENA_BYTES)
        arena_describe(value, text, capacity);
    else if (!sites_data_name(value, text, capacity))
        snprintf(text, capacity, "%#" PRIx64, value);
    return text;
}

static void event_text(const struct event *event, char *text, size_t capacity)
{
    char at[64], v[64], w[64];
    address_text(event->address, at, sizeof at);
    value_text(event->value, v, sizeof v);
    value_text(event->value2, w, sizeof w);
    const char *order = sites_order_name(event->order);
    switch (event->kind) {
    case EVENT_LOAD:
        snprintf(text, capacity, "%s -> %s%s  %s", at, v, event->value2 != 0 ? " (an old one)" : "", order);
        break;
    case EVENT_STORE:
        snprintf(text, capacity, "%s = %s  %s", at, v, order);
        break;
    case EVENT_UPDATE:
        snprintf(text, capacity, "%s: %s => %s  %s", at, v, w, order);
        break;
    case EVENT_CAS_DONE:
        snprintf(text, capacity, "%s cas %s => %s  %s", at, v, w, order);
        break;
    case EVENT_CAS_FAILED:
        snprintf(text, capacity, "%s cas fails: is %s, not %s  %s", at, v, w, order);
        break;
    case EVENT_FENCE:
        snprintf(text, capacity, "fence  %s", order);
        break;
    case EVENT_FLUSH:
        snprintf(text, capacity, "(%s = %s reaches memory)", at, v);
        break;
    case EVENT_FUTEX_WAIT:
        snprintf(text, capacity, "futex wait %s: is %s%s%s", at, v, event->value == event->value2 ? "" : ", not ",
                 event->value == event->value2 ? "" : w);
        break;
    case EVENT_FUTEX_WAKE:
        snprintf(text, capacity, "futex wake %s: %s woken", at, v);
        break;
    case EVENT_READ:
        snprintf(text, capacity, "reads %s", at);
        break;
    case EVENT_WRITE:
        snprintf(text, capacity, "writes %s", at);
        break;
    case EVENT_NOTE:
        snprintf(text, capacity, "%s", event->text);
        break;
    }
}

/* Of the plain accesses only those to the place that the failure is about. */
static bool is_shown(const struct event *event)
{
    if (event->kind != EVENT_READ && event->kind != EVENT_WRITE)
        return true;
    uintptr_t about = engine.failure_address;
    return about != 0 && event->size != 0 && about + 4 > event->address && about < event->address + event->size;
}

static void print_header(FILE *to, int column)
{
    fprintf(to, "\n      ");
    for (int t = 0; t < engine.thread_count; t++)
        fprintf(to, "thread %-*d", column - 7, t);
    fprintf(to, "\n");
}

void record_print(FILE *to)
{
    size_t shown = 0;
    for (size_t i = 0; i < event_count; i++)
        if (is_shown(&events[i]))
            events[shown++] = events[i];
        else
            free(events[i].text);
    event_count = shown;
    uintptr_t *sites = calloc(event_count + 1, sizeof *sites);
    struct source *sources = calloc(event_count + 1, sizeof *sources);
    if (sites == NULL || sources == NULL)
        abort();
    size_t first = event_count > EVENTS_SHOWN ? event_count - EVENTS_SHOWN : 0;
    for (size_t i = first; i < event_count; i++)
        sites[i] = events[i].site;
    sites_resolve(sites + first, event_count - first, sources + first);
    int column = engine.thread_count <= 3 ? COLUMN : 2 * COLUMN / engine.thread_count + 4;
    print_header(to, column);
    if (first > 0)
        fprintf(to, "      (%zu earlier events)\n", first);
    for (size_t i = first; i < event_count; i++) {
        char text[256];
        event_text(&events[i], text, sizeof text);
        int indent = events[i].thread * column;
        int width = (engine.thread_count - 1) * column + TEXT - indent;
        fprintf(to, "%4zu  %*s%-*s", i + 1, indent, "", width, text);
        if (events[i].site != 0)
            fprintf(to, " %s  %s:%d%s%s", sources[i].function, sources[i].file, sources[i].line,
                    sources[i].label[0] != '\0' ? " " : "", sources[i].label);
        fprintf(to, "\n");
    }
    fprintf(to, "\n");
    free(sites);
    free(sources);
}
