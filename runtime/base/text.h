/*
 * Text for reports: a few conversions into a buffer, and from there to a file descriptor, without allocation, locks
 * or stdio, so that it works on a small or damaged stack and in a signal handler.
 *
 * A text with a descriptor sends what it has when its buffer is full; one without (fd < 0) is cut there.
 */
#ifndef TH_BASE_TEXT_H
#define TH_BASE_TEXT_H

#include "base/compiler.h"

#include <stdarg.h>

/* Its user's memory; belongs to one thread. */
struct th_text {
    char *bytes;
    size_t capacity, length;
    int fd;      /* -1: none */
    int failure; /* the first refusal of the descriptor: nothing is sent after it */
};

void th_text_put(struct th_text *text, const char *bytes, size_t count);

/* %s %d %u %x %p %c %%, and d u x with l or z before; a width of two digits at most pads numbers and strings with
 * spaces. An unknown conversion is printed as it stands. */
TH_PRINTF(2, 3) void th_text_add(struct th_text *text, const char *format, ...);
void th_text_add_list(struct th_text *text, const char *format, va_list args);

/* A string as JSON wants it, with its quotes. */
void th_text_quote(struct th_text *text, const char *string);

/* Sends what is left; 0, or the first failure. */
int th_text_send(struct th_text *text);

#endif
