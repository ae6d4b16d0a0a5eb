/*
 * Ping over UDP: datagrams may get lost, so each answer is waited for only so long. One server answers, the other one
 * is there but silent. Prints:
 *
 *     ping 1: pong
 *     ping 2: pong
 *     ping 3: pong
 *     ping 4: deadline passed
 */
#include <thrum.h>

#include <stdio.h>
#include <string.h>

static int answer(void *arg)
{
    const int *fd = arg;
    char bytes[64];
    struct sockaddr_storage peer;
    ssize_t got;
    do {
        socklen_t length = sizeof peer;
        got = thrum_recvfrom(*fd, bytes, sizeof bytes, 0, (struct sockaddr *)&peer, &length);
        if (got >= 0)
            got = thrum_sendto(*fd, "pong", 4, 0, (struct sockaddr *)&peer, length);
    } while (got >= 0);
    return (int)got; /* cancelled */
}

static int ping(int fd, int number, thrum_time patience)
{
    char bytes[64];
    ssize_t got = thrum_send(fd, "ping", 4, 0);
    if (got < 0)
        return (int)got;
    THRUM_TIMEOUT(patience)
    {
        got = thrum_recv(fd, bytes, sizeof bytes, 0);
    }
    if (got >= 0)
        printf("ping %d: %.*s\n", number, (int)got, bytes);
    else
        printf("ping %d: %s\n", number, thrum_strerror((int)got));
    return 0;
}

/* A socket that receives on a free port, and one that is connected to it. */
static int open_pair(int fds[2])
{
    char address[64];
    int code = thrum_listen("udp", "127.0.0.1:0", &fds[0]);
    if (code < 0)
        return code;
    (void)thrum_local_name(fds[0], address, sizeof address);
    code = thrum_dial("udp", address, &fds[1]);
    if (code < 0)
        (void)thrum_close(fds[0]);
    return code;
}

static void close_pair(const int fds[2])
{
    (void)thrum_close(fds[0]);
    (void)thrum_close(fds[1]);
}

static int ping_who_answers(void)
{
    int fds[2], code = open_pair(fds);
    thrum_group server = THRUM_GROUP_INIT;
    if (code < 0)
        return code;
    code = thrum_spawn(&server, answer, &fds[0]);
    for (int number = 1; code == 0 && number <= 3; number++)
        code = ping(fds[1], number, THRUM_SEC(10));
    thrum_cancel(&server);
    (void)thrum_group_wait(&server);
    close_pair(fds);
    return code;
}

static int ping_who_does_not(void)
{
    int fds[2], code = open_pair(fds);
    if (code < 0)
        return code;
    code = ping(fds[1], 4, THRUM_MS(20));
    close_pair(fds);
    return code;
}

static int app(void *arg)
{
    (void)arg;
    int code = ping_who_answers();
    return code < 0 ? code : ping_who_does_not();
}

int main(void)
{
    return thrum_run(app, NULL) == 0 ? 0 : 1;
}
