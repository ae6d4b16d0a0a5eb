/* As it should be: no thread's address lives over a switch. Nothing here may be flagged. */
#include "planted.h"

PLANTED_TLS int current;

NOINLINE int current_get(void)
{
    __asm__ volatile("" ::: "memory");
    return current;
}

NOINLINE void current_set(int value)
{
    __asm__ volatile("" ::: "memory");
    current = value;
}

NOINLINE static int errno_get(void)
{
    __asm__ volatile("" ::: "memory");
    return errno_;
}

int good_accessor_read_afresh(void)
{
    int before = current_get();
    switch_away();
    current_set(before + 1);
    return before + current_get();
}

int good_errno_read_before(void)
{
    int code = errno_;
    use(&code);
    int again = errno_;
    switch_away();
    return code + again;
}

int good_errno_read_afresh(int n)
{
    for (int i = 0; i < n; i++) {
        n -= errno_get();
        switch_away();
    }
    return n + errno_get();
}

int good_only_calls_that_stay(void)
{
    int before = errno_;
    write_(1, "x", 1);
    int between = errno_;
    write_(1, "y", elsewhere_stays(between));
    return before - errno_;
}

int good_array_behind_a_canary(int n)
{
    char text[256];
    for (int i = 0; i < 256; i++)
        text[i] = (char)(n + i);
    use(text);
    switch_away();
    use(text);
    return text[n & 255];
}

int good_big_frame_and_alloca(int n)
{
    char big[20000];
    int code = errno_;
    char *small = __builtin_alloca((unsigned)n);
    use(big);
    use(small);
    switch_away();
    use(big);
    use(small);
    return code + errno_get();
}

int good_switch_on_the_other_path(int n)
{
    if (n > 3) {
        switch_away();
        return n;
    }
    int *place = &errno_;
    *place = 1;
    write_(1, "z", 1);
    return *place;
}

int good_switches_by_table(int which, int n)
{
    switch (which) {
    case 0:
        return n + 7;
    case 1:
        n = errno_;
        break;
    case 2:
        switch_away();
        break;
    case 3:
        use(&n);
        switch_away();
        return errno_get();
    case 4:
        n *= 3;
        use(&n);
        break;
    case 5:
        use("k");
        return errno_;
    }
    use("l");
    return n;
}
