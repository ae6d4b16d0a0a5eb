/*
 * A chat server. Who talks waits for the slow ones, but not for long: who does not read is shut out. `chat ADDRESS`
 * serves until it is killed (try nc; the first line is a name). Alone it prints what ann of chat_people.h hears:
 *
 *     ann has come
 *     bob has come
 *     carl has come
 *     ann: hello
 *     carl has gone
 */
#include "chat_people.h"
#include "server.h"

enum { TEXT = 512, WAITING = 8 };

struct line {
    char text[TEXT];
};

THRUM_CHANNEL_OF(outbox, struct line);

struct member {
    int fd;
    bool is_shut;
    char name[32];
    outbox lines;
    struct member *next;
};

static struct {
    thrum_mutex lock;
    struct member *members;
} room = {.lock = THRUM_MUTEX_INIT};

/* To everybody, and in the same order for all: the lock is held while waiting for who is slow. */
static int say(const char *name, const char *mark, const char *text, ssize_t bytes)
{
    struct line line;
    snprintf(line.text, TEXT, "%s%s%.*s\n", name, mark, (int)bytes, text);
    int code = thrum_mutex_lock(&room.lock);
    if (code < 0)
        return code;
    for (struct member *member = room.members; member != NULL; member = member->next) {
        THRUM_TIMEOUT(THRUM_MS(300))
        {
            code = member->is_shut ? 0 : outbox_send(member->lines, line);
        }
        if (code < 0) {
            member->is_shut = true;
            (void)shutdown(member->fd, SHUT_RDWR); /* its own task sees the end, and leaves */
        }
    }
    thrum_mutex_unlock(&room.lock);
    return 0;
}

/* What waits in the outbox goes to the network at its own pace. */
static int deliver(void *arg)
{
    struct member *member = arg;
    struct line line;
    while (outbox_receive(member->lines, &line) == 0)
        (void)thrum_write_all(member->fd, line.text, strlen(line.text)); /* a failure is the reader's end too */
    return 0;
}

/* In or out of the list. In the shield: a member that leaves must leave it, also when the server is ending. */
static void list(struct member *member, bool is_in)
{
    THRUM_SHIELD(THRUM_FOREVER)
    {
        if (thrum_mutex_lock(&room.lock) == 0) {
            struct member **link = &room.members;
            while (*link != NULL && *link != member)
                link = &(*link)->next;
            *link = is_in ? member : member->next;
            thrum_mutex_unlock(&room.lock);
        }
    }
}

static void take_part(struct member *member, thrum_stream *stream)
{
    const char *line;
    ssize_t length;
    list(member, true);
    (void)say(member->name, " has come", "", 0);
    while ((length = thrum_stream_read_line(stream, &line)) > 0)
        (void)say(member->name, ": ", line, length - 1);
    list(member, false);
    (void)say(member->name, " has gone", "", 0);
}

static int serve(int fd, void *arg)
{
    (void)arg;
    const thrum_stream_options options = {.keep_open = true};
    struct member member = {.fd = fd};
    thrum_group writer = THRUM_GROUP_INIT;
    thrum_stream *stream;
    const char *name;
    int code = thrum_stream_open(&stream, fd, &options);
    if (code < 0)
        return code;
    ssize_t length = thrum_stream_read_line(stream, &name);
    if (length > 0 && outbox_create(&member.lines, WAITING) == 0 && thrum_spawn(&writer, deliver, &member) == 0) {
        snprintf(member.name, sizeof member.name, "%.*s", (int)length - 1, name);
        take_part(&member, stream);
        outbox_close(member.lines);
    }
    (void)thrum_group_wait(&writer);
    outbox_destroy(member.lines);
    return thrum_stream_close(stream);
}

int main(int argc, char **argv)
{
    return server_main(argc, argv, serve, chat_talk);
}
