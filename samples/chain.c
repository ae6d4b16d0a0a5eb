/*
 * A future with a chain of three steps behind it; a task cancelled in the middle, which cleans up; a call when a task
 * is done; and a task whose failure nobody takes, which thrum reports. Prints:
 *
 *     the chain gives 43
 *     the long task cleans up
 *     done: canceled...
 *     thrum: task ... (careless) failed and nobody took its result: -2, No such file or directory
 */
#include <thrum.h>

#include <errno.h>
#include <stdio.h>

/* A step of a chain gets the value of the one before and leaves its own. */
static int twice(void *arg, void **value)
{
    (void)arg;
    *value = (void *)((intptr_t)*value * 2);
    return 0;
}

static int one_more(void *arg, void **value)
{
    (void)arg;
    *value = (void *)((intptr_t)*value + 1);
    return 0;
}

static int answer_later(void *arg)
{
    int code = thrum_sleep(THRUM_MS(10));
    return code < 0 ? code : thrum_future_set(arg, (void *)(intptr_t)20);
}

static int chain(void)
{
    thrum_future first = THRUM_FUTURE_INIT, *steps[3] = {NULL};
    const thrum_then_fn fns[] = {one_more, twice, one_more};
    thrum_group group = THRUM_GROUP_INIT;
    void *value;
    int code = 0, count = 0;
    for (; code == 0 && count < 3; count += code == 0)
        code = thrum_future_then(count == 0 ? &first : steps[count - 1], fns[count], NULL, &steps[count]);
    if (code == 0)
        code = thrum_spawn(&group, answer_later, &first);
    if (code == 0)
        code = thrum_future_wait(steps[2], &value);
    if (code == 0)
        printf("the chain gives %d\n", (int)(intptr_t)value);
    int result = thrum_group_wait(&group);
    while (count > 0)
        thrum_future_drop(steps[--count]);
    return code < 0 ? code : result;
}

static int last_long(void *arg)
{
    thrum_event_set(arg);
    int code = thrum_sleep(THRUM_SEC(60));
    if (code == -ECANCELED)
        puts("the long task cleans up");
    return code;
}

static void tell(void *arg, int result)
{
    (void)arg;
    printf("done: %s\n", thrum_strerror(result));
}

static int cancel_in_the_middle(void)
{
    thrum_event begun = THRUM_EVENT_INIT;
    thrum_task *task;
    int code = thrum_task_start(&task, NULL, NULL, last_long, &begun);
    if (code < 0)
        return code;
    code = thrum_task_on_done(task, tell, NULL);
    if (code == 0)
        code = thrum_event_wait(&begun);
    thrum_task_cancel(task);
    int joined = thrum_join(task, NULL);
    return code < 0 ? code : joined;
}

static int careless(void *arg)
{
    (void)arg;
    return -ENOENT;
}

static int forget(void)
{
    const thrum_task_options options = {.name = "careless"};
    thrum_task *task;
    size_t index;
    int code = thrum_task_start(&task, NULL, &options, careless, NULL);
    if (code < 0)
        return code;
    code = thrum_wait_any(&task, 1, &index); /* it has ended; its result is there still */
    thrum_task_drop(task);
    return code;
}

static int app(void *arg)
{
    (void)arg;
    int code = chain();
    if (code == 0)
        code = cancel_in_the_middle();
    (void)fflush(stdout); /* the report goes to stderr */
    return code < 0 ? code : forget();
}

int main(void)
{
    return thrum_run(app, NULL) == 0 ? 0 : 1;
}
