/* A user's program: valid C11 and C++17. It says what it ran on, and fails if the library is not its headers'. */
#include <thrum.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%d.%d.%d", THRUM_VERSION_MAJOR, THRUM_VERSION_MINOR, THRUM_VERSION_PATCH);
    if (strcmp(wanted, thrum_version()) != 0)
        return 1;
    if (thrum_now() <= 0)
        return 2;
    if (strcmp(thrum_strerror(0), "success") != 0)
        return 3;
    return 0;
}
