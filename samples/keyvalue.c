/*
 * A key-value server that speaks lines: `set KEY VALUE`, `get KEY`, `quit`. Readers share its lock. `keyvalue ADDRESS`
 * serves until it is killed (try it with nc). Alone it serves a client, and prints what that hears:
 *
 *     ok
 *     blue
 *     ok
 *     grey
 *     nothing
 *     what?
 */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TABLE = 1024, WORD = 32 };
static struct {
    thrum_rwlock lock;
    struct entry {
        char key[WORD], value[WORD];
    } entries[TABLE];
} store = {.lock = THRUM_RWLOCK_INIT};

/* Where a key is, or would be; NULL when the table is full. */
static struct entry *find(const char *key)
{
    size_t hash = 5381;
    for (const char *c = key; *c != '\0'; c++)
        hash = hash * 33 + (unsigned char)*c;
    for (size_t i = 0; i < TABLE; i++) {
        struct entry *entry = &store.entries[(hash + i) % TABLE];
        if (entry->key[0] == '\0' || strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

static int set(const char *key, const char *value)
{
    int code = thrum_rwlock_write_lock(&store.lock);
    if (code < 0)
        return code;
    struct entry *entry = find(key);
    if (entry != NULL) {
        snprintf(entry->key, WORD, "%s", key);
        snprintf(entry->value, WORD, "%s", value);
    }
    thrum_rwlock_write_unlock(&store.lock);
    return entry != NULL ? 0 : -ENOSPC;
}

static int get(const char *key, char value[WORD])
{
    int code = thrum_rwlock_read_lock(&store.lock);
    if (code < 0)
        return code;
    const struct entry *entry = find(key);
    bool is_there = entry != NULL && entry->key[0] != '\0';
    snprintf(value, WORD, "%s", is_there ? entry->value : "nothing");
    thrum_rwlock_read_unlock(&store.lock);
    return 0;
}

/* The answer to a line; below 0 the connection ends. */
static int answer(thrum_stream *stream, const char *line)
{
    char key[WORD], value[WORD] = "what?";
    int code = 0;
    if (strcmp(line, "quit\n") == 0)
        return -ESHUTDOWN;
    if (sscanf(line, "set %31s %31s", key, value) == 2) {
        code = set(key, value);
        snprintf(value, WORD, "%s", code == 0 ? "ok" : thrum_strerror(code));
    } else if (sscanf(line, "get %31s", key) == 1) {
        code = get(key, value);
    }
    code = code == -ECANCELED ? code : thrum_stream_printf(stream, "%s\n", value);
    return code < 0 ? code : thrum_stream_flush(stream);
}

static int serve(int fd, void *arg)
{
    const thrum_stream_options options = {.keep_open = true};
    char text[128];
    const char *line;
    thrum_stream *stream;
    ssize_t length;
    (void)arg;
    int code = thrum_stream_open(&stream, fd, &options);
    if (code < 0)
        return code;
    while (code >= 0 && (length = thrum_stream_read_line(stream, &line)) > 0) {
        snprintf(text, sizeof text, "%.*s", (int)length, line);
        code = answer(stream, text);
    }
    return thrum_stream_close(stream);
}

static int client(const char *address)
{
    static const char words[] = "set sky blue\nget sky\nset sky grey\nget sky\nget sea\nsing\nquit\n";
    char heard[256];
    int fd, code = thrum_dial("tcp", address, &fd);
    if (code < 0)
        return code;
    ssize_t got = thrum_write_all(fd, words, strlen(words));
    if (got > 0)
        got = thrum_read_full(fd, heard, sizeof heard);
    printf("%.*s", got > 0 ? (int)got : 0, heard);
    (void)thrum_close(fd);
    return got < 0 ? (int)got : 0;
}

int main(int argc, char **argv)
{
    return server_main(argc, argv, serve, client);
}
