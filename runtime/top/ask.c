#include "top/ask.h"

#include "top/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_BYTES = 48 };

static const char *reason_of(const char *path, int error)
{
    struct stat about;
    bool is_there = stat(path, &about) == 0;
    if (error == ENOENT || error == ENOTDIR)
        return "there is no such file. Is the program running, with THRUM_CONSOLE set to this path?";
    if (error == EACCES || error == EPERM)
        return "permission denied: it belongs to another user, as its program does";
    if (is_there && !S_ISSOCK(about.st_mode))
        return "this is no socket";
    if (error == ECONNREFUSED)
        return "no program listens there: the one that made it has ended";
    return strerror(error);
}

int th_ask_connect(const char *path, struct th_link *link)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "thrum-top: %s: a socket's path has at most %zu bytes\n", path, sizeof address.sun_path - 1);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->fd < 0 || connect(link->fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;
        fprintf(stderr, "thrum-top: %s: %s\n", path, reason_of(path, error));
        return -1;
    }
    link->pid = getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
    return 0;
}

/* Some bytes, once there are any. */
static enum th_ask_outcome receive(const struct th_link *link, char *to, size_t most, int patience_ms, size_t *got)
{
    bool is_ready = false;
    while (!is_ready) {
        int key = th_terminal_wait(link->fd, patience_ms, &is_ready);
        if (key == TH_KEY_QUIT || key == 'q')
            return TH_ASK_QUIT;
        if (key != TH_KEY_NONE)
            th_terminal_keep(key);
        else if (!is_ready)
            return TH_ASK_SILENT;
    }
    ssize_t count = recv(link->fd, to, most, 0);
    if (count <= 0)
        return TH_ASK_ENDED;
    *got = (size_t)count;
    return TH_ASK_DONE;
}

/* "ok 123\n": the word, and how many bytes follow. */
static enum th_ask_outcome receive_head(const struct th_link *link, int patience_ms, bool *is_ok, size_t *length)
{
    char head[HEAD_BYTES], word[8] = "";
    size_t at = 0, got = 0;
    do {
        enum th_ask_outcome outcome = receive(link, head + at, 1, patience_ms, &got);
        if (outcome != TH_ASK_DONE)
            return outcome;
        at += got;
    } while (head[at - 1] != '\n' && at < sizeof head - 1);
    head[at] = '\0';
    bool is_whole = sscanf(head, "%7s %zu", word, length) == 2;
    *is_ok = strcmp(word, "ok") == 0;
    return is_whole && (*is_ok || strcmp(word, "error") == 0) ? TH_ASK_DONE : TH_ASK_GARBLED;
}

static enum th_ask_outcome receive_body(const struct th_link *link, int patience_ms, struct th_answer *answer)
{
    size_t got = 0;
    for (size_t at = 0; at < answer->length; at += got) {
        enum th_ask_outcome outcome = receive(link, answer->text + at, answer->length - at, patience_ms, &got);
        if (outcome != TH_ASK_DONE)
            return outcome;
    }
    answer->text[answer->length] = '\0';
    return TH_ASK_DONE;
}

enum th_ask_outcome th_ask(const struct th_link *link, const char *request, int patience_ms, struct th_answer *answer)
{
    char line[64];
    bool is_ok = false;
    int bytes = snprintf(line, sizeof line, "%s\n", request);
    *answer = (struct th_answer){.text = NULL};
    if (send(link->fd, line, (size_t)bytes, MSG_NOSIGNAL) != bytes)
        return TH_ASK_ENDED;
    enum th_ask_outcome outcome = receive_head(link, patience_ms, &is_ok, &answer->length);
    if (outcome != TH_ASK_DONE)
        return outcome;
    answer->text = malloc(answer->length + 1);
    if (answer->text == NULL)
        return TH_ASK_GARBLED;
    outcome = receive_body(link, patience_ms, answer);
    return outcome == TH_ASK_DONE && !is_ok ? TH_ASK_REFUSED : outcome;
}

const char *th_ask_why(enum th_ask_outcome outcome)
{
    switch (outcome) {
    case TH_ASK_DONE:
    case TH_ASK_QUIT:
        break;
    case TH_ASK_REFUSED:
        return "the program refuses to answer";
    case TH_ASK_SILENT:
        return "the program does not answer: it may be stopped";
    case TH_ASK_ENDED:
        return "the program has ended";
    case TH_ASK_GARBLED:
        return "the program answers what this thrum-top does not understand: another version?";
    }
    return "";
}
