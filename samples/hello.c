/*
 * Prints, one line every 100 ms, the second task ending first:
 *
 *     good evening
 *     good morning
 *     both have spoken
 */
#include <thrum.h>

#include <stdio.h>

static int speak(void *arg)
{
    const char *text = arg;
    thrum_sleep(text[5] == 'm' ? THRUM_MS(200) : THRUM_MS(100));
    puts(text);
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    char morning[] = "good morning", evening[] = "good evening";
    thrum_group group = THRUM_GROUP_INIT;
    int failed = thrum_spawn(&group, speak, morning);
    if (failed == 0)
        failed = thrum_spawn(&group, speak, evening);
    int result = thrum_group_wait(&group);
    puts("both have spoken");
    return failed != 0 ? failed : result;
}

int main(void)
{
    return thrum_run(app, NULL) == 0 ? 0 : 1;
}
