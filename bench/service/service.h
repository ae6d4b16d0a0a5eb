/*
 * The service that bench/serve measures, as its C versions share it; samples/mixed_http.c, and those of bench/peers,
 * are written anew from this page.
 *
 *     GET /light HTTP/1.1                      "ok", at once
 *     GET /heavy?ms=N HTTP/1.1                 "ok", after N milliseconds of computing, by the CPU time of the
 *                                              thread: a heavy request costs the same on a busy machine
 *     GET /heavy?ms=N&how=block HTTP/1.1       "ok", after N milliseconds in nanosleep, which stands for any call that
 *                                              blocks a thread
 *
 * A connection carries one request after the other. A request ends with an empty line and has no body; an answer is
 * `HTTP/1.1 200 OK`, `Content-Length: 2`, an empty line, and `ok`. Handlers are naive: called where the request came
 * in, they do not know of each other. A version that moves them elsewhere by hand says so in its name.
 */
#ifndef BENCH_SERVICE_H
#define BENCH_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

/* What has come of a request that is not whole yet. */
struct service_connection {
    size_t held;
    char bytes[4096];
};

/* A listener of its own on a port that others may share (SO_REUSEPORT), on the loopback address. Ends the program if
 * there is none. */
int service_listen(int port, int flags);

/* The next connection of a listener, without delay of small messages, or -1. */
int service_accept(int listener, int flags);

enum { SERVICE_REQUEST_BYTES = 128 };

/* Takes the next whole request out of what is held: its first bytes, as text. False: there is none. */
bool service_next(char *bytes, size_t *held, char request[SERVICE_REQUEST_BYTES]);

/* Does what a request asks for, here and now; its answer. */
const char *service_handle(const char *request);

/* Reads once, serves what requests are whole then, one after the other, and sends the answers. False: the connection
 * has ended. */
bool service_turn(int fd, struct service_connection *connection);

/* Ends the program with what failed last. */
void service_fail(const char *what) __attribute__((noreturn));

#endif
