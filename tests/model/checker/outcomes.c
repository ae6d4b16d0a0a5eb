/* The set of outcomes that the executions of a run came to (th_model_outcome). */
#include "engine.h"

#include <stdarg.h>

enum { OUTCOMES_MAX = 256, OUTCOME_BYTES = 64 };

static char outcomes[OUTCOMES_MAX][OUTCOME_BYTES];
static size_t outcome_count;
static char pending[OUTCOME_BYTES];

void outcomes_begin(void)
{
    outcome_count = 0;
}

void outcomes_reset(void)
{
    pending[0] = '\0';
}

void th_model_outcome(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(pending, sizeof pending, format, args);
    va_end(args);
}

static bool is_seen(const char *outcome, size_t length)
{
    for (size_t i = 0; i < outcome_count; i++)
        if (strlen(outcomes[i]) == length && memcmp(outcomes[i], outcome, length) == 0)
            return true;
    return false;
}

void outcomes_commit(void)
{
    if (pending[0] != '\0' && !is_seen(pending, strlen(pending)) && outcome_count < OUTCOMES_MAX)
        memcpy(outcomes[outcome_count++], pending, OUTCOME_BYTES);
}

static bool is_expected(const char *expected, const char *outcome)
{
    size_t length = strlen(outcome);
    for (const char *at = expected; *at != '\0'; at += *at == '|') {
        size_t part = strcspn(at, "|");
        if (part == length && memcmp(at, outcome, length) == 0)
            return true;
        at += part;
    }
    return false;
}

bool outcomes_match(const char *expected, bool may_miss, char *text, size_t capacity)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < outcome_count && length < capacity; i++)
        if (!is_expected(expected, outcomes[i]))
            length += (size_t)snprintf(text + length, capacity - length, " unexpected outcome `%s`;", outcomes[i]);
    for (const char *at = expected; *at != '\0' && !may_miss && length < capacity; at += *at == '|') {
        size_t part = strcspn(at, "|");
        if (!is_seen(at, part))
            length +=
                (size_t)snprintf(text + length, capacity - length, " outcome `%.*s` was not found;", (int)part, at);
        at += part;
    }
    return length == 0;
}

void outcomes_print(void)
{
    for (size_t i = 0; i < outcome_count; i++)
        printf("       outcome %s\n", outcomes[i]);
}
