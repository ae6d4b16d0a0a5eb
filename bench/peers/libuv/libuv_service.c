/*
 * The service (bench/service/service.h) in libuv: one loop, handlers in its callbacks. With --queue-work heavy ones are
 * moved to its threads by hand. With --echo it echoes. usage: libuv_service [--queue-work | --echo] PORT
 */
#include "service/service.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static bool offloads, echoes;

struct connection {
    uv_tcp_t stream;
    uv_work_t work;
    size_t held;
    char bytes[4096], request[SERVICE_REQUEST_BYTES];
    const char *answer;
    bool is_working, is_closed;
};

static void forget(uv_handle_t *handle)
{
    free(handle);
}

static void end(struct connection *connection)
{
    if (!connection->is_closed && !connection->is_working)
        uv_close((uv_handle_t *)&connection->stream, forget);
    connection->is_closed = true;
}

/* What the socket does not take at once is dropped with its connection: the measure needs no buffers. */
static void answer(struct connection *connection, const char *bytes, size_t count)
{
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)count);
    if (uv_try_write((uv_stream_t *)&connection->stream, &buffer, 1) != (int)count)
        end(connection);
}

static void work(uv_work_t *work)
{
    struct connection *connection = work->data;
    connection->answer = service_handle(connection->request);
}

static void worked(uv_work_t *work, int status)
{
    struct connection *connection = work->data;
    (void)status;
    connection->is_working = false;
    if (connection->is_closed)
        uv_close((uv_handle_t *)&connection->stream, forget);
    else
        answer(connection, connection->answer, strlen(connection->answer));
}

static void respond(struct connection *connection)
{
    if (offloads && strncmp(connection->request, "GET /heavy", 10) == 0) {
        connection->work.data = connection;
        connection->is_working = true;
        uv_queue_work(connection->stream.loop, &connection->work, work, worked);
        return;
    }
    const char *text = service_handle(connection->request);
    answer(connection, text, strlen(text));
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct connection *connection = (struct connection *)handle;
    (void)wanted;
    *buffer = uv_buf_init(connection->bytes + connection->held, sizeof connection->bytes - (unsigned)connection->held);
}

static void take(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct connection *connection = (struct connection *)stream;
    if (got < 0) {
        end(connection);
    } else if (echoes) {
        answer(connection, buffer->base, (size_t)got);
    } else {
        connection->held += (size_t)got;
        while (service_next(connection->bytes, &connection->held, connection->request))
            respond(connection);
    }
}

static void accept_one(uv_stream_t *listener, int status)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (status < 0 || connection == NULL) {
        free(connection);
        return;
    }
    (void)uv_tcp_init(listener->loop, &connection->stream);
    (void)uv_accept(listener, (uv_stream_t *)&connection->stream);
    (void)uv_tcp_nodelay(&connection->stream, 1);
    (void)uv_read_start((uv_stream_t *)&connection->stream, give_room, take);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    struct sockaddr_in address;
    if (argc < 2) {
        fprintf(stderr, "usage: %s [--queue-work | --echo] PORT\n", argv[0]);
        return 2;
    }
    offloads = strcmp(argv[1], "--queue-work") == 0;
    echoes = strcmp(argv[1], "--echo") == 0;
    (void)uv_ip4_addr("127.0.0.1", atoi(argv[argc - 1]), &address);
    (void)uv_tcp_init(uv_default_loop(), &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) < 0 ||
        uv_listen((uv_stream_t *)&listener, 4096, accept_one) < 0)
        service_fail("listen");
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
