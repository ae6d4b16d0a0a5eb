#include "base/panic.h"

#include "base/symbols.h"
#include "base/sys.h"
#include "base/text.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_BYTES = 512, FRAMES_MAX = 64 };

void (*th_panic_context)(void);
void (*th_panic_rest)(void);
uint64_t th_panic_seed;

/* One line, sent in one piece; one byte is kept for the newline. */
static void report(const char *format, va_list args)
{
    char bytes[LINE_BYTES];
    struct th_text line = {.bytes = bytes, .capacity = LINE_BYTES - 1, .fd = -1};
    th_text_put(&line, "thrum: ", 7);
    th_text_add_list(&line, format, args);
    line.bytes[line.length++] = '\n';
    line.fd = 2;
    (void)th_text_send(&line);
}

void th_report(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(format, args);
    va_end(args);
}

void th_report_backtrace(int skip)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    /* This function itself is never worth a line. */
    for (int i = skip + 1; i < count; i++)
        th_report_place((const char *)frames[i] - 1); /* within the call: behind it another function may begin */
}

void th_report_place(const void *address)
{
    char bytes[LINE_BYTES];
    struct th_text line = {.bytes = bytes, .capacity = sizeof bytes, .fd = 2};
    struct th_symbol symbol;
    th_symbol_find((uintptr_t)address, &symbol);
    th_text_add(&line, "    ");
    th_symbol_add(&line, &symbol);
    if (symbol.name[0] != '\0' && symbol.file != NULL)
        th_text_add(&line, " in %s", symbol.file);
    th_text_add(&line, "\n");
    (void)th_text_send(&line);
}

void th_report_seed(uint64_t seed)
{
    char command[LINE_BYTES / 2];
    ssize_t length = th_sys_read_file("/proc/self/cmdline", command, sizeof command);
    for (ssize_t i = 0; i + 1 < length; i++) {
        if (command[i] == '\0')
            command[i] = ' ';
    }
    th_report("the same run again: THRUM_SEED=%lu %s", (unsigned long)seed, length > 0 ? command : "");
}

void th_report_symbol(const void *address, char text[TH_SYMBOL_BYTES])
{
    struct th_symbol symbol;
    th_symbol_find((uintptr_t)address, &symbol);
    if (symbol.name[0] != '\0')
        (void)snprintf(text, TH_SYMBOL_BYTES, "%.*s", TH_SYMBOL_BYTES - 1, symbol.name);
    else
        (void)snprintf(text, TH_SYMBOL_BYTES, "function at %p", address);
}

void th_panic(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(format, args);
    va_end(args);
    if (th_panic_context != NULL)
        th_panic_context();
    if (th_panic_seed != 0)
        th_report_seed(th_panic_seed);
    th_report_backtrace(1);
    if (th_panic_rest != NULL)
        th_panic_rest();
    abort();
}
