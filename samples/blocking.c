/*
 * A call that blocks its thread, beside two tasks that tick, on one worker. Nothing is annotated: the ticks go on, for
 * the runtime sees that the thread is stuck and gives its place to another. Prints:
 *
 *     usleep begins
 *     tick
 *     tick
 *     tick
 *     tick
 *     usleep is over
 *     a slow function, put aside from the start, says 42
 */
#include <thrum.h>

#include <stdio.h>
#include <unistd.h>

static int tick(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int code = thrum_sleep(THRUM_MS(100));
        if (code < 0)
            return code;
        puts("tick");
    }
    return 0;
}

/* What one may not do in an event loop. */
static int block(void *arg)
{
    (void)arg;
    puts("usleep begins");
    usleep(900000);
    puts("usleep is over");
    return 0;
}

static int be_slow(void *arg)
{
    (void)arg;
    usleep(10000);
    return 42;
}

static int app(void *arg)
{
    (void)arg;
    thrum_group group = THRUM_GROUP_INIT;
    int code = thrum_spawn(&group, tick, NULL);
    if (code == 0)
        code = thrum_spawn(&group, tick, NULL);
    if (code == 0)
        code = thrum_spawn(&group, block, NULL);
    int result = thrum_group_wait(&group);
    if (code < 0 || result < 0)
        return code < 0 ? code : result;
    /* Who knows beforehand may say so: the call goes to a thread of its own at once. */
    printf("a slow function, put aside from the start, says %d\n", thrum_blocking(be_slow, NULL));
    return 0;
}

int main(void)
{
    thrum_options options = {.workers = 1};
    return thrum_run_with(&options, app, NULL) == 0 ? 0 : 1;
}
