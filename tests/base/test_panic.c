#include "base/panic.h"
#include "kit/kit.h"

#include <signal.h>

static void panic_with_all(void *arg)
{
    th_panic("%s %d %u %ld %lu %zu %lx %p %%", (const char *)arg, -7, 7u, -8l, 8ul, (size_t)9, 0xabul, (void *)0x10);
}

TEST(a_panic_formats_itself_and_aborts)
{
    static struct kit_outcome outcome;
    char text[] = "text";
    kit_in_child(panic_with_all, text, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "thrum: text -7 7 -8 8 9 ab 0x10 %\n");
}

static void check_fails(void *arg)
{
    THRUM_CHECK(arg != NULL, "the task is NULL: start one first");
}

TEST(a_users_mistake_is_told_what_to_do)
{
    static struct kit_outcome outcome;
    kit_in_child(check_fails, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "thrum: the task is NULL: start one first\n");
    /* A backtrace follows; without -rdynamic it has at least the program's name and offsets. */
    CHECK_STR_HAS(outcome.errors, "test_base");
}

static void report_long(void *arg)
{
    char text[2000];
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = 'x';
    text[sizeof text - 1] = '\0';
    th_report("%s%s", text, (const char *)arg);
    const char *volatile nothing = NULL;
    th_report("%s", nothing);
}

TEST(a_long_report_is_cut_not_overrun)
{
    static struct kit_outcome outcome;
    kit_in_child(report_long, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "xxx\nthrum: (null)\n");
}
