/* asyncio's networking, subprocesses and signals, with the Python beside each. */
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/wait.h>

#include "asyncio/asyncio.h"

/*
 *     async def handle(reader, writer):
 *         line = await reader.readline()
 *         writer.write(line.upper()); await writer.drain(); writer.close()
 *     server = await asyncio.start_server(handle, "127.0.0.1", 0)
 *     port = server.sockets[0].getsockname()[1]
 *     reader, writer = await asyncio.open_connection("127.0.0.1", port)
 *     writer.write(b"hello\n"); print(await reader.readline(), await reader.read())      HELLO
 */
static int answer_in_capitals(int fd, void *arg)
{
    static const thrum_stream_options options = {.keep_open = true};
    thrum_stream *stream;
    const char *line;
    (void)arg;
    CHECK_EQ(thrum_stream_open(&stream, fd, &options), 0);
    ssize_t length = thrum_stream_read_line(stream, &line);
    for (ssize_t i = 0; i < length; i++) {
        char letter = line[i] >= 'a' && line[i] <= 'z' ? (char)(line[i] - 'a' + 'A') : line[i];
        CHECK_EQ(thrum_stream_write(stream, &letter, 1), 1);
    }
    return thrum_stream_close(stream);
}

static int serve(void *arg)
{
    const int *listener = arg;
    CHECK_EQ(thrum_serve(*listener, answer_in_capitals, NULL), -EBADF);
    return 0;
}

static int talk_by_lines(const char *network, const char *address)
{
    thrum_group group = THRUM_GROUP_INIT;
    int listener, fd;
    char name[128];
    thrum_stream *stream;
    const char *line;
    CHECK_EQ(thrum_listen(network, address, &listener), 0);
    CHECK_GT(thrum_local_name(listener, name, sizeof name), 0);
    CHECK_EQ(thrum_spawn(&group, serve, &listener), 0);
    CHECK_EQ(thrum_dial(network, name, &fd), 0);
    CHECK_EQ(thrum_stream_open(&stream, fd, NULL), 0);
    CHECK_EQ(thrum_stream_printf(stream, "hello\n"), 6);
    CHECK_EQ(thrum_stream_flush(stream), 0);
    CHECK_EQ(thrum_stream_read_line(stream, &line), 6);
    note("%.5s", line);
    CHECK_EQ(thrum_stream_read_line(stream, &line), 0);
    CHECK_EQ(thrum_stream_close(stream), 0);
    CHECK_EQ(thrum_close(listener), 0);
    return thrum_group_wait(&group);
}

static int by_tcp(void *arg)
{
    (void)arg;
    return talk_by_lines("tcp", "127.0.0.1:0");
}

TEST(start_server_and_open_connection_talk_by_lines)
{
    SAME_AS_ASYNCIO(by_tcp, "HELLO");
}

/* The same with start_unix_server and open_unix_connection. */
static int by_unix(void *arg)
{
    (void)arg;
    return talk_by_lines("unix", "@thrum-test-asyncio");
}

TEST(start_unix_server_and_open_unix_connection_talk_by_lines)
{
    SAME_AS_ASYNCIO(by_unix, "HELLO");
}

/*
 *     transport, protocol = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
 *     ... sendto(b"ping"); print(answer)                                        ping
 */
static int echo_one(void *arg)
{
    const int *fd = arg;
    char text[16];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ssize_t got = thrum_recvfrom(*fd, text, sizeof text, 0, (struct sockaddr *)&peer, &length);
    CHECK_EQ(thrum_sendto(*fd, text, (size_t)got, 0, (struct sockaddr *)&peer, length), got);
    return 0;
}

static int by_datagrams(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    int server, client;
    char name[128], text[16] = {0};
    (void)arg;
    CHECK_EQ(thrum_listen("udp", "127.0.0.1:0", &server), 0);
    CHECK_GT(thrum_local_name(server, name, sizeof name), 0);
    CHECK_EQ(thrum_spawn(&group, echo_one, &server), 0);
    CHECK_EQ(thrum_dial("udp", name, &client), 0);
    CHECK_EQ(thrum_send(client, "ping", 4, 0), 4);
    CHECK_EQ(thrum_recv(client, text, sizeof text, 0), 4);
    note("%s", text);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_close(client), 0);
    return thrum_close(server);
}

TEST(create_datagram_endpoint_sends_and_receives)
{
    SAME_AS_ASYNCIO(by_datagrams, "ping");
}

/*
 *     a, b = socket.socketpair()
 *     task = asyncio.create_task(loop.sock_recv(a, 5))
 *     await loop.sock_sendall(b, b"hello"); print((await task).decode())         hello
 */
struct receiver {
    int fd;
    char text[8];
};

static int sock_recv(void *arg)
{
    struct receiver *receiver = arg;
    CHECK_EQ(thrum_recv(receiver->fd, receiver->text, 5, MSG_WAITALL), 5);
    return 0;
}

static int by_sockets(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    int pair[2];
    (void)arg;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct receiver receiver = {.fd = pair[0]};
    CHECK_EQ(thrum_spawn(&group, sock_recv, &receiver), 0);
    CHECK_EQ(thrum_write_all(pair[1], "hello", 5), 5);
    CHECK_EQ(thrum_group_wait(&group), 0);
    note("%s", receiver.text);
    CHECK_EQ(thrum_close(pair[0]), 0);
    return thrum_close(pair[1]);
}

TEST(sock_recv_waits_for_sock_sendall)
{
    SAME_AS_ASYNCIO(by_sockets, "hello");
}

/*
 *     loop.add_reader(a, lambda: print("readable"))
 *     b.send(b"x"); await asyncio.sleep(0.01)                                   readable
 */
static int by_readiness(void *arg)
{
    int pair[2];
    (void)arg;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    thrum_case cases[] = {THRUM_READABLE(pair[0]), THRUM_AFTER(THRUM_US(10))};
    CHECK_EQ(thrum_select(cases, 2), 1);
    CHECK_EQ(thrum_send(pair[1], "x", 1, 0), 1);
    CHECK_EQ(thrum_select(cases, 2), 0);
    note("readable");
    CHECK_EQ(thrum_close(pair[0]), 0);
    return thrum_close(pair[1]);
}

TEST(add_reader_tells_what_can_be_read)
{
    SAME_AS_ASYNCIO(by_readiness, "readable");
}

/*
 *     loop.add_writer(a, lambda: print("writable"))
 *     fill(a); await asyncio.sleep(0.01)
 *     drain(b); await asyncio.sleep(0.01)                                       writable
 */
static int drain(void *arg)
{
    char bytes[4096];
    while (recv(*(const int *)arg, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    return 0;
}

static int by_room(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    int pair[2];
    (void)arg;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    while (send(pair[0], "full", 4, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
    struct pollfd look = {.fd = pair[0], .events = POLLOUT};
    CHECK_EQ(thrum_poll(&look, 1, 0), 0);
    CHECK_EQ(thrum_spawn(&group, drain, &pair[1]), 0);
    thrum_case cases[] = {THRUM_WRITABLE(pair[0])};
    CHECK_EQ(thrum_select(cases, 1), 0);
    note("writable");
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_close(pair[0]), 0);
    return thrum_close(pair[1]);
}

TEST(add_writer_tells_when_there_is_room)
{
    SAME_AS_ASYNCIO(by_room, "writable");
}

/*
 *     with open(path, "w+b") as file:
 *         file.write(b"from a file"); file.seek(0)
 *         await loop.sock_sendfile(b, file)
 *     print((await loop.sock_recv(a, 11)).decode())                             from a file
 */
static int by_sendfile(void *arg)
{
    char text[16] = {0};
    int64_t from = 0;
    int pair[2];
    FILE *file = tmpfile();
    (void)arg;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_EQ(thrum_write_all(fileno(file), "from a file", 11), 11);
    CHECK_EQ(thrum_sendfile(pair[1], fileno(file), &from, 11), 11);
    CHECK_EQ(fclose(file), 0);
    CHECK_EQ(thrum_read_full(pair[0], text, 11), 11);
    note("%s", text);
    CHECK_EQ(thrum_close(pair[0]), 0);
    return thrum_close(pair[1]);
}

TEST(sock_sendfile_sends_a_file)
{
    SAME_AS_ASYNCIO(by_sendfile, "from a file");
}

/*
 *     server.bind(("127.0.0.1", 0)); server.listen()
 *     accepting = asyncio.create_task(loop.sock_accept(server))
 *     await loop.sock_connect(a, server.getsockname()); b, _ = await accepting
 *     await loop.sock_sendall(a, b"met"); print((await loop.sock_recv(b, 3)).decode())      met
 */
struct meeting {
    int listener, accepted;
};

static int sock_accept(void *arg)
{
    struct meeting *meeting = arg;
    meeting->accepted = thrum_accept(meeting->listener, NULL, NULL);
    return meeting->accepted < 0 ? meeting->accepted : 0;
}

static int by_connecting(void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct meeting meeting = {.listener = thrum_socket(AF_INET, SOCK_STREAM, 0)};
    thrum_group group = THRUM_GROUP_INIT;
    socklen_t length = sizeof address;
    char text[4] = {0};
    (void)arg;
    CHECK_EQ(bind(meeting.listener, (struct sockaddr *)&address, length), 0);
    CHECK_EQ(listen(meeting.listener, 1), 0);
    CHECK_EQ(getsockname(meeting.listener, (struct sockaddr *)&address, &length), 0);
    CHECK_EQ(thrum_spawn(&group, sock_accept, &meeting), 0);
    int fd = thrum_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(thrum_connect(fd, (struct sockaddr *)&address, length), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_write_all(fd, "met", 3), 3);
    CHECK_EQ(thrum_read_full(meeting.accepted, text, 3), 3);
    note("%s", text);
    CHECK_EQ(thrum_close(fd), 0);
    CHECK_EQ(thrum_close(meeting.accepted), 0);
    return thrum_close(meeting.listener);
}

TEST(sock_accept_and_sock_connect_meet)
{
    SAME_AS_ASYNCIO(by_connecting, "met");
}

/*
 *     found = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
 *     print(found[0][4][1])                                                     80
 */
static int by_resolving(void *arg)
{
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    (void)arg;
    CHECK_EQ(thrum_resolve("127.0.0.1", "80", &hints, &found), 0);
    note("%d", ntohs(((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_port));
    freeaddrinfo(found);
    return 0;
}

TEST(getaddrinfo_finds_an_address)
{
    SAME_AS_ASYNCIO(by_resolving, "80");
}

static void need_pidfds(void)
{
    if (kit_is_valgrind() || kit_is_emulated())
        SKIP("it knows no pidfd, or starts no other program");
}

/*
 *     p = await asyncio.create_subprocess_exec("tr", "a-z", "A-Z", stdin=PIPE, stdout=PIPE)
 *     out, _ = await p.communicate(b"hello"); print(out.decode(), p.returncode)  HELLO 0
 */
static int by_subprocess(void *arg)
{
    static const char *const command[] = {"tr", "a-z", "A-Z", NULL};
    static const thrum_process_options options = {.input = THRUM_PROCESS_PIPE, .output = THRUM_PROCESS_PIPE};
    thrum_process process;
    char text[16] = {0};
    int status = -1;
    (void)arg;
    CHECK_EQ(thrum_process_start(&process, command, &options), 0);
    CHECK_EQ(thrum_write_all(process.input, "hello", 5), 5);
    CHECK_EQ(thrum_close(process.input), 0);
    CHECK_EQ(thrum_read_full(process.output, text, sizeof text), 5);
    CHECK_EQ(thrum_close(process.output), 0);
    CHECK_EQ(thrum_process_wait(&process, &status), 0);
    note("%s %d", text, WEXITSTATUS(status));
    return 0;
}

TEST(create_subprocess_exec_communicates)
{
    need_pidfds();
    SAME_AS_ASYNCIO(by_subprocess, "HELLO 0");
}

/*
 *     try: await asyncio.wait_for(p.wait(), 0.01)
 *     except TimeoutError: p.kill(); print(await p.wait())                       -9
 */
static int kill_what_is_late(void *arg)
{
    static const char *const command[] = {"sleep", "1000", NULL};
    thrum_process process;
    int status = 0, code = 0;
    (void)arg;
    CHECK_EQ(thrum_process_start(&process, command, NULL), 0);
    THRUM_TIMEOUT(THRUM_MS(1))
    code = thrum_process_wait(&process, &status);
    CHECK_EQ(code, -ETIMEDOUT);
    CHECK_EQ(thrum_process_kill(&process, SIGKILL), 0);
    CHECK_EQ(thrum_process_wait(&process, &status), 0);
    note("%d", -WTERMSIG(status));
    return 0;
}

TEST(wait_for_gives_up_and_kill_ends_a_subprocess)
{
    need_pidfds();
    SAME_AS_ASYNCIO(kill_what_is_late, "-9");
}

/*
 *     loop.add_signal_handler(signal.SIGUSR1, lambda: print("usr1"))
 *     os.kill(os.getpid(), signal.SIGUSR1); await asyncio.sleep(0.01)            usr1
 */
static int by_signal(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_signal_catch(SIGUSR1), 0);
    CHECK_EQ(raise(SIGUSR1), 0); /* not kill: see test_io_select.c */
    CHECK_EQ(thrum_signal_wait(SIGUSR1), 1);
    note("usr1");
    return 0;
}

TEST(add_signal_handler_hears_a_signal)
{
    SAME_AS_ASYNCIO(by_signal, "usr1");
}

/*
 *     print(await asyncio.to_thread(os.getppid) == os.getppid())                 True
 */
static int parent(void *arg)
{
    (void)arg;
    return getppid();
}

static int in_a_thread(void *arg)
{
    (void)arg;
    note(thrum_blocking(parent, NULL) == getppid() ? "True" : "False");
    return 0;
}

TEST(to_thread_gives_the_result)
{
    SAME_AS_ASYNCIO(in_a_thread, "True");
}

/*
 *     async with aiofiles.open(path, "w") as f: await f.write("hello")
 *     async with aiofiles.open(path) as f: print(await f.read())                 hello
 */
static int by_file(void *arg)
{
    char path[] = "/tmp/thrum-asyncio-XXXXXX";
    void *text;
    (void)arg;
    CHECK_EQ(close(mkstemp(path)), 0);
    CHECK_EQ(thrum_write_file(path, "hello", 5), 0);
    CHECK_EQ(thrum_read_file(path, &text), 5);
    note("%s", (char *)text);
    free(text);
    return thrum_unlink(path);
}

TEST(aiofiles_writes_and_reads_a_file)
{
    SAME_AS_ASYNCIO(by_file, "hello");
}
