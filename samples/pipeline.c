/*
 * Producers, workers and a collector over two channels, on all cores. Prints:
 *
 *     1000 numbers, the sum of their squares is 332833500
 */
#include <thrum.h>

#include <errno.h>
#include <stdio.h>

enum { NUMBERS = 1000, WORKERS = 8 };

struct pipeline {
    thrum_chan *numbers, *squares;
};

static int produce(void *arg)
{
    const struct pipeline *pipeline = arg;
    int code = 0;
    for (long number = 0; code == 0 && number < NUMBERS; number++)
        code = thrum_chan_send(pipeline->numbers, &number);
    thrum_chan_close(pipeline->numbers); /* the workers take what is there, then see the end */
    return code;
}

static int work(void *arg)
{
    const struct pipeline *pipeline = arg;
    long number;
    int code;
    while ((code = thrum_chan_receive(pipeline->numbers, &number)) == 0) {
        long square = number * number;
        code = thrum_chan_send(pipeline->squares, &square);
        if (code < 0)
            break;
    }
    return code == -EPIPE ? 0 : code;
}

/* Waits for its workers, and closes what they write to. */
static int manage(void *arg)
{
    struct pipeline *pipeline = arg;
    thrum_group workers = THRUM_GROUP_INIT;
    int code = 0;
    for (int i = 0; code == 0 && i < WORKERS; i++)
        code = thrum_spawn(&workers, work, pipeline);
    int result = thrum_group_wait(&workers);
    thrum_chan_close(pipeline->squares);
    return code < 0 ? code : result;
}

static int run(struct pipeline *pipeline)
{
    thrum_group group = THRUM_GROUP_INIT;
    long square, sum = 0, count = 0;
    int code = thrum_spawn(&group, produce, pipeline);
    if (code == 0)
        code = thrum_spawn(&group, manage, pipeline);
    for (; code == 0 && thrum_chan_receive(pipeline->squares, &square) == 0; count++)
        sum += square;
    if (code < 0)
        thrum_cancel(&group);
    int result = thrum_group_wait(&group);
    printf("%ld numbers, the sum of their squares is %ld\n", count, sum);
    return code < 0 ? code : result;
}

static int app(void *arg)
{
    (void)arg;
    struct pipeline pipeline = {0};
    int code = thrum_chan_create(&pipeline.numbers, sizeof(long), 64);
    if (code == 0)
        code = thrum_chan_create(&pipeline.squares, sizeof(long), 64);
    if (code == 0)
        code = run(&pipeline);
    thrum_chan_destroy(pipeline.numbers);
    thrum_chan_destroy(pipeline.squares);
    return code;
}

int main(void)
{
    return thrum_run(app, NULL) == 0 ? 0 : 1;
}
