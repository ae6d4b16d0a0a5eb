#include "base/config.h"

#include "base/panic.h"
#include "base/sys.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static bool parse_number(const char *text, bool has_unit, uint64_t *number)
{
    /* strtoull would take signs and blanks too. */
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end;
    int errno_before = errno;
    errno = 0;
    *number = strtoull(text, &end, 10);
    bool fits = errno == 0;
    errno = errno_before;
    unsigned shift = 0;
    if (has_unit && *end != '\0') {
        shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
        end += shift != 0;
    }
    if (*number > UINT64_MAX >> shift)
        fits = false;
    *number <<= shift;
    return fits && *end == '\0';
}

static int read_setting(const char *name, bool has_unit, uint64_t least, uint64_t most, uint64_t *value)
{
    const char *text = th_sys_getenv(name);
    if (text == NULL || text[0] == '\0')
        return 0;
    uint64_t number;
    if (!parse_number(text, has_unit, &number) || number < least || number > most) {
        th_report("%s=%s: want a whole number%s from %lu to %lu", name, text,
                  has_unit ? " of bytes (K, M, G may follow)" : "", least, most);
        return -EINVAL;
    }
    *value = number;
    return 0;
}

int th_config_number(const char *name, uint64_t least, uint64_t most, uint64_t *value)
{
    return read_setting(name, false, least, most, value);
}

int th_config_bytes(const char *name, uint64_t least, uint64_t most, uint64_t *value)
{
    return read_setting(name, true, least, most, value);
}
