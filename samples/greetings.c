/*
 * The two greetings of hello.c once more: gather runs functions side by side and keeps what each returned. Then two are
 * raced, and the slower one is cancelled. Prints:
 *
 *     good evening
 *     good morning
 *     both have spoken: 12 and 12 letters
 *     good evening
 *     the evening has won
 */
#include <thrum.h>

#include <stdio.h>
#include <string.h>

struct greeting {
    const char *text;
    thrum_time after;
};

static int speak(void *arg)
{
    const struct greeting *greeting = arg;
    int code = thrum_sleep(greeting->after);
    if (code < 0)
        return code; /* cancelled: the other one was faster */
    puts(greeting->text);
    return (int)strlen(greeting->text);
}

static int app(void *arg)
{
    (void)arg;
    struct greeting morning = {"good morning", THRUM_MS(200)}, evening = {"good evening", THRUM_MS(100)};
    thrum_work both[] = {THRUM_WORK(speak, &morning), THRUM_WORK(speak, &evening)};
    int code = thrum_gather(both, 2);
    if (code < 0)
        return code;
    printf("both have spoken: %d and %d letters\n", both[0].result, both[1].result);

    size_t winner;
    code = thrum_race(both, 2, &winner);
    if (code >= 0)
        printf("the %s has won\n", winner == 0 ? "morning" : "evening");
    return code;
}

int main(void)
{
    return thrum_run(app, NULL) >= 0 ? 0 : 1;
}
