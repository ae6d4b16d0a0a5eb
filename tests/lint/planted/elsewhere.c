/* The other unit of the planted program: what its functions do, only the linker sees. */
#include "planted.h"

void *next_context;

NOINLINE int elsewhere_switches(int n)
{
    use(&n);
    switch_away();
    return n + 1;
}

NOINLINE int elsewhere_stays(int n)
{
    write_(1, &n, sizeof n);
    return n & 1;
}
