#include "base/text.h"

#include "base/sys.h"

#include <string.h>

int th_text_send(struct th_text *text)
{
    for (size_t sent = 0; text->failure == 0 && sent < text->length;) {
        ssize_t wrote = th_sys_write(text->fd, text->bytes + sent, text->length - sent);
        if (wrote > 0)
            sent += (size_t)wrote;
        else
            text->failure = wrote < 0 ? (int)wrote : -1;
    }
    text->length = 0;
    return text->failure;
}

void th_text_put(struct th_text *text, const char *bytes, size_t count)
{
    while (count > text->capacity - text->length) {
        size_t room = text->capacity - text->length;
        memcpy(text->bytes + text->length, bytes, room);
        text->length += room;
        if (text->fd < 0)
            return;
        (void)th_text_send(text);
        bytes += room;
        count -= room;
    }
    memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
}

static void put_padded(struct th_text *text, const char *bytes, size_t count, size_t width)
{
    for (size_t i = count; i < width; i++)
        th_text_put(text, " ", 1);
    th_text_put(text, bytes, count);
}

static void put_number(struct th_text *text, unsigned long number, unsigned base, bool is_negative, size_t width)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    if (is_negative)
        digits[--at] = '-';
    put_padded(text, digits + at, sizeof digits - at, width);
}

static void put_signed(struct th_text *text, long number, size_t width)
{
    bool is_negative = number < 0;
    put_number(text, is_negative ? 0ul - (unsigned long)number : (unsigned long)number, 10, is_negative, width);
}

/* What stands between % and the conversion's letter. */
struct flags {
    size_t width;
    bool is_long;
};

static const char *read_flags(const char *format, struct flags *flags)
{
    *flags = (struct flags){0};
    for (; *format >= '0' && *format <= '9'; format++)
        flags->width = flags->width * 10 + (size_t)(*format - '0');
    flags->is_long = *format == 'l' || *format == 'z';
    return format + flags->is_long;
}

void th_text_add_list(struct th_text *text, const char *format, va_list args)
{
    while (*format != '\0') {
        size_t plain = strcspn(format, "%");
        th_text_put(text, format, plain);
        format += plain;
        if (*format == '\0')
            break;
        const char *start = format;
        struct flags flags;
        format = read_flags(format + 1, &flags);
        switch (*format) {
        case 's': {
            const char *string = va_arg(args, const char *);
            string = string != NULL ? string : "(null)";
            put_padded(text, string, strlen(string), flags.width);
            break;
        }
        case 'd':
            put_signed(text, flags.is_long ? va_arg(args, long) : va_arg(args, int), flags.width);
            break;
        case 'u':
        case 'x':
            put_number(text, flags.is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned),
                       *format == 'u' ? 10 : 16, false, flags.width);
            break;
        case 'p':
            th_text_put(text, "0x", 2);
            put_number(text, (unsigned long)(uintptr_t)va_arg(args, void *), 16, false, 0);
            break;
        case 'c': {
            char one = (char)va_arg(args, int);
            th_text_put(text, &one, 1);
            break;
        }
        case '%':
            th_text_put(text, "%", 1);
            break;
        default:
            th_text_put(text, start, (size_t)(format - start));
            continue;
        }
        format++;
    }
}

void th_text_add(struct th_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    th_text_add_list(text, format, args);
    va_end(args);
}

void th_text_quote(struct th_text *text, const char *string)
{
    th_text_put(text, "\"", 1);
    for (; *string != '\0'; string++) {
        unsigned char c = (unsigned char)*string;
        if (c == '"' || c == '\\')
            th_text_add(text, "\\%c", c);
        else if (c < ' ')
            th_text_add(text, "\\u00%c%c", "01"[c >> 4], "0123456789abcdef"[c & 15]);
        else
            th_text_put(text, string, 1);
    }
    th_text_put(text, "\"", 1);
}
