/*
 * A deadline, and a task that cleans up when it is cancelled. Prints:
 *
 *     waiting for the answer, 50 ms at most
 *     no answer: deadline passed
 *     the asker puts its things away
 *     the asker was canceled
 */
#include <thrum.h>

#include <errno.h>
#include <stdio.h>

/* Waits for long. When it is cancelled each further call that would wait says so too; in the shield none does. */
static int ask(void *arg)
{
    (void)arg;
    int code = thrum_sleep(THRUM_SEC(60));
    if (code == -ECANCELED) {
        THRUM_SHIELD(THRUM_SEC(1))
        {
            thrum_sleep(THRUM_MS(5)); /* say goodbye to somebody far away, for a second at most */
            puts("the asker puts its things away");
        }
    }
    return code;
}

static int app(void *arg)
{
    (void)arg;
    thrum_task *asker;
    int result = 0;
    int code = thrum_task_start(&asker, NULL, NULL, ask, NULL);
    if (code < 0)
        return code;
    puts("waiting for the answer, 50 ms at most");
    THRUM_TIMEOUT(THRUM_MS(50))
    {
        code = thrum_join(asker, &result);
    }
    if (code == -ETIMEDOUT) {
        printf("no answer: %s\n", thrum_strerror(code));
        thrum_task_cancel(asker);
        code = thrum_join(asker, &result); /* outside of the deadline: as long as the cleanup takes */
        if (result == -ECANCELED)
            puts("the asker was canceled");
    }
    return code;
}

int main(void)
{
    return thrum_run(app, NULL) == 0 ? 0 : 1;
}
