#include "base/panic.h"

#include "base/sys.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 512, FRAMES_MAX = 64 };

void (*th_panic_context)(void);
uint64_t th_panic_seed;

struct line {
    char text[LINE_BYTES];
    size_t length;
};

static void line_put(struct line *line, const char *text, size_t length)
{
    /* One byte is kept for the newline. */
    size_t room = LINE_BYTES - 1 - line->length;
    if (length > room)
        length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void line_put_number(struct line *line, unsigned long number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    line_put(line, digits + at, sizeof digits - at);
}

static void line_put_signed(struct line *line, long number)
{
    if (number < 0)
        line_put(line, "-", 1);
    line_put_number(line, number < 0 ? 0ul - (unsigned long)number : (unsigned long)number, 10);
}

/* The few conversions that reports use; vsnprintf wants more stack than a fiber may have left, and is not safe in a
 * signal handler. An unknown conversion is printed as it stands. */
static void line_format(struct line *line, const char *format, va_list args)
{
    while (*format != '\0') {
        size_t plain = strcspn(format, "%");
        line_put(line, format, plain);
        format += plain;
        if (*format == '\0')
            break;
        const char *start = format++;
        bool is_long = *format == 'l' || *format == 'z';
        if (is_long)
            format++;
        switch (*format) {
        case 's': {
            const char *text = va_arg(args, const char *);
            line_put(line, text != NULL ? text : "(null)", text != NULL ? strlen(text) : 6);
            break;
        }
        case 'd':
            line_put_signed(line, is_long ? va_arg(args, long) : va_arg(args, int));
            break;
        case 'u':
            line_put_number(line, is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned), 10);
            break;
        case 'x':
            line_put_number(line, is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned), 16);
            break;
        case 'p':
            line_put(line, "0x", 2);
            line_put_number(line, (unsigned long)(uintptr_t)va_arg(args, void *), 16);
            break;
        case '%':
            line_put(line, "%", 1);
            break;
        default:
            line_put(line, start, (size_t)(format - start));
            continue;
        }
        format++;
    }
}

static void line_send(struct line *line)
{
    line->text[line->length++] = '\n';
    for (size_t sent = 0; sent < line->length;) {
        ssize_t wrote = th_sys_write(2, line->text + sent, line->length - sent);
        if (wrote <= 0)
            return;
        sent += (size_t)wrote;
    }
}

static void report(const char *format, va_list args)
{
    struct line line;
    line.length = 0;
    line_put(&line, "thrum: ", 7);
    line_format(&line, format, args);
    line_send(&line);
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
    skip++;
    if (skip < count)
        backtrace_symbols_fd(frames + skip, count - skip, 2);
}

void th_report_place(const void *address)
{
    void *place = (void *)(uintptr_t)address;
    backtrace_symbols_fd(&place, 1, 2);
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
    Dl_info info;
    if (dladdr(address, &info) != 0 && info.dli_sname != NULL)
        (void)snprintf(text, TH_SYMBOL_BYTES, "%s", info.dli_sname);
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
    abort();
}
