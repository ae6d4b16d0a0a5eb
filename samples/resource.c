/*
 * A resource that has to wait to be opened and to be closed, and is closed on every path: when all went well, when the
 * work failed, and when the time was over. Prints:
 *
 *     well: connected
 *     well: worked
 *     well: closed
 *     well ended: success
 *     broken: connected
 *     broken: closed
 *     broken ended: closed by the other side
 *     late: connected
 *     late: closed
 *     late ended: deadline passed
 */
#include <thrum.h>

#include <errno.h>
#include <stdio.h>

struct connection {
    const char *name;
    bool is_open;
};

static int connect_to(struct connection *connection, const char *name)
{
    int code = thrum_sleep(THRUM_MS(5)); /* far away */
    if (code < 0)
        return code;
    *connection = (struct connection){.name = name, .is_open = true};
    printf("%s: connected\n", name);
    return 0;
}

/* Closing has to wait too. In the shield it may, although the time of whoever is in here may be over. */
static void close_connection(struct connection *connection)
{
    if (!connection->is_open)
        return;
    THRUM_SHIELD(THRUM_SEC(1))
    {
        thrum_sleep(THRUM_MS(5));
        printf("%s: closed\n", connection->name);
    }
}

/* However the block ends that declares it: the compiler calls close_connection, as `async with` would. */
#define WITH_CONNECTION(name) struct connection name __attribute__((cleanup(close_connection))) = {0}

static int work(const char *name, int failure, thrum_time span)
{
    WITH_CONNECTION(connection);
    int code = connect_to(&connection, name);
    if (code < 0)
        return code;
    if (failure < 0)
        return failure; /* closed */
    code = thrum_sleep(span);
    if (code < 0)
        return code; /* closed */
    printf("%s: worked\n", name);
    return 0; /* closed */
}

static int app(void *arg)
{
    (void)arg;
    printf("well ended: %s\n", thrum_strerror(work("well", 0, THRUM_MS(5))));
    printf("broken ended: %s\n", thrum_strerror(work("broken", -EPIPE, 0)));
    int code = 0;
    THRUM_TIMEOUT(THRUM_MS(100))
    {
        code = work("late", 0, THRUM_SEC(60));
    }
    printf("late ended: %s\n", thrum_strerror(code));
    return 0;
}

int main(void)
{
    return thrum_run(app, NULL) == 0 ? 0 : 1;
}
