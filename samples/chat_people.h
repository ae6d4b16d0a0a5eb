/* The people who use chat.c when it is alone: ann talks until carl, who never reads, is shut out; bob listens. */
#ifndef SAMPLES_CHAT_PEOPLE_H
#define SAMPLES_CHAT_PEOPLE_H

#include "dial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PEOPLE = 3, ROUNDS_MOST = 20000 };

static inline int chat_enter(thrum_stream **stream, const char *address, const char *name)
{
    int code = dial_stream(stream, address);
    if (code < 0)
        return code;
    code = thrum_stream_printf(*stream, "%s\n", name);
    return code < 0 ? code : thrum_stream_flush(*stream);
}

/* The next line, printed if it is short: 1; 0 when carl has gone; or -errno. */
static inline int chat_hear(thrum_stream *stream, bool tells)
{
    const char *line;
    ssize_t length = thrum_stream_read_line(stream, &line);
    if (length <= 0)
        return length < 0 ? (int)length : -EPIPE;
    if (tells && length < 40)
        printf("%.*s", (int)length, line);
    return strncmp(line, "carl has gone", 13) != 0;
}

static inline int chat_say(thrum_stream *stream, const char *text)
{
    int code = thrum_stream_printf(stream, "%s\n", text);
    return code < 0 ? code : thrum_stream_flush(stream);
}

/* Everybody hears the same in the same order, so ann and bob hear of carl in the same round. */
static inline int chat_until_carl_has_gone(thrum_stream *ann, thrum_stream *bob)
{
    char much[400];
    int hears = chat_say(ann, "hello");
    memset(much, 'a', sizeof much);
    much[sizeof much - 1] = '\0';
    for (int round = 0; hears >= 0 && round < ROUNDS_MOST; round++) {
        hears = chat_hear(bob, false);
        if (hears >= 0)
            hears = chat_hear(ann, true);
        if (hears == 0)
            return 0;
        if (hears > 0)
            hears = chat_say(ann, much);
    }
    return hears < 0 ? hears : -ETIME;
}

static inline int chat_talk(const char *address)
{
    static const char *const names[PEOPLE] = {"ann", "bob", "carl"};
    thrum_stream *people[PEOPLE] = {NULL};
    int code = 0;
    for (int i = 0; code >= 0 && i < PEOPLE; i++) {
        code = chat_enter(&people[i], address, names[i]);
        /* Who is there, but for carl, hears of the newcomer. */
        for (int k = 0; code >= 0 && k <= i && k < 2; k++)
            code = chat_hear(people[k], k == 0);
    }
    if (code >= 0)
        code = chat_until_carl_has_gone(people[0], people[1]);
    for (int i = 0; i < PEOPLE; i++) {
        if (people[i] != NULL)
            (void)thrum_stream_close(people[i]);
    }
    return code;
}

#endif
