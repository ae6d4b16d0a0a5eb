/*
 * Bad on purpose: each bad_* keeps a thread's address over a switch when it is compiled, each good_* does not.
 * "by:" limits a function to the builds (by pattern) whose compiler really keeps the address; elsewhere it is fine.
 */
#include "planted.h"

PLANTED_TLS int counter;
PLANTED_TLS char buffer[64];

/* The compiler takes the address once, for both sides. by: *-pic* aarch64-* */
void bad_variable_read_on_both_sides(void)
{
    counter++;
    switch_away();
    counter++;
}

/* The author takes it. */
void bad_address_kept_by_hand(int n)
{
    char *place = buffer + n;
    use(place);
    switch_away();
    use(place);
}

int bad_errno_read_on_both_sides(void)
{
    int before = errno_;
    switch_away();
    return before + errno_;
}

unsigned long bad_pthread_self_kept(void)
{
    unsigned long me = pthread_self();
    use((void *)me);
    switch_away();
    return pthread_self();
}

int bad_ctype_table_kept(int c)
{
    const unsigned short **table = __ctype_b_loc();
    int before = (*table)[c];
    switch_away();
    return before + (*table)[c];
}

void bad_thread_pointer_kept(void)
{
    char *me = __builtin_thread_pointer();
    use(me + 64);
    switch_away();
    use(me + 64);
}

/* No register is free over the switch. */
int bad_spilled_to_the_stack(void)
{
    int *place = &errno_;
    *place = 1;
    TAKE_ALL_REGISTERS();
    switch_away();
    TAKE_ALL_REGISTERS();
    return *place;
}

int bad_in_a_loop(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        sum += errno_;
        switch_away();
    }
    return sum;
}

int bad_on_an_unlikely_path(int rare)
{
    int before = errno_;
    if (__builtin_expect(rare, 0)) {
        switch_away();
        use(&before);
    }
    return before + errno_;
}

int bad_in_one_case_of_many(int which)
{
    int *place = &errno_;
    *place = 0;
    switch (which) {
    case 0:
        use("a");
        break;
    case 1:
        use("b");
        use("c");
        break;
    case 2:
        use("d");
        switch_away();
        break;
    case 3:
        use("e");
        break;
    case 4:
        use(&which);
        break;
    case 5:
        use("f");
        use("g");
        use("h");
        break;
    }
    return *place;
}

NOINLINE static int middle(int n)
{
    use(&n);
    switch_away();
    return n + 1;
}

NOINLINE static int outer(int n)
{
    return middle(n + 1) * 2;
}

int bad_through_a_transitive_callee(int n)
{
    int before = errno_;
    n = outer(n);
    return before + n + errno_;
}

int bad_through_a_function_pointer(int (*callback)(void))
{
    int before = errno_;
    int n = callback();
    return before + n + errno_;
}

/* The switch is in another unit: only the linked program knows. by: *-linked-* *-lto-* */
int bad_in_another_unit(int n)
{
    int before = errno_;
    n = elsewhere_switches(n);
    return before + n + errno_;
}

NOINLINE static int *place_of_errno(void)
{
    __asm__ volatile("");
    return &errno_;
}

int bad_address_from_an_accessor(void)
{
    int *place = place_of_errno();
    *place = 1;
    switch_away();
    return *place;
}

NOINLINE static int bad_address_as_an_argument(int *place)
{
    use("one");
    switch_away();
    return *place + 1;
}

int good_passes_its_errno_on(void)
{
    return bad_address_as_an_argument(place_of_errno());
}

#if defined(__x86_64__)
/* A switch by a pushed address and a jump, as the library's own. by: gcc-* clang-* */
int bad_over_a_call_made_by_hand(void)
{
    int *place = &errno_;
    void *to = next_context, *data = 0;
    *place = 1;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "jmp jump_fcontext@PLT\n"
                     "1: sub $-128, %%rsp"
                     : "+D"(to), "+S"(data)::"rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
    return *place;
}
#endif
